package clientapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"despatch/despatchtest"
	"despatch/internal/identity"
)

// Who may do what in a conversation: one row for each request, one column for each who asks. A number is the status;
// the errcode of a 401 is M_MISSING_TOKEN or M_UNKNOWN_TOKEN, and of a 403 M_FORBIDDEN. The room is private, its
// history shared. Those who were in it have left before the message, so they see what stands before it only.
//
//	nobody    not signed in                revoked   a device that was signed out
//	stranger  never had to do with it      invited   and has not joined
//	member    is in it                     left      was in it
//	banned    was in it                    admin     an IT administrator who is not in it
//	officer   a records officer who is not in it
var matrixOfRights = []struct {
	request, body string
	want          string // nobody revoked stranger invited member left banned admin officer
}{
	{"GET event/$after", "", "401 401 404 404 200 404 404 404 404"},
	{"GET event/$before", "", "401 401 404 404 200 200 200 404 404"},
	{"GET messages?dir=b", "", "401 401 403 403 200 200 200 403 403"},
	{"GET context/$after", "", "401 401 403 403 200 404 404 403 403"},
	{"GET state", "", "401 401 403 403 200 200 200 403 403"},
	{"GET state/m.room.name/", "", "401 401 403 403 200 200 200 403 403"},
	{"GET members", "", "401 401 403 403 200 200 200 403 403"},
	{"GET joined_members", "", "401 401 403 403 200 403 403 403 403"},
	{"GET aliases", "", "401 401 403 403 200 403 403 403 403"},
	{"GET v1 relations/$after", "", "401 401 403 403 200 404 404 403 403"},
	{"GET v1 relations/$after/m.thread", "", "401 401 403 403 200 404 404 403 403"},
	{"GET v1 relations/$after/m.thread/m.room.message", "", "401 401 403 403 200 404 404 403 403"},
	{"GET v1 threads", "", "401 401 403 403 200 200 200 403 403"},
	{"GET v1 timestamp_to_event?ts=0&dir=f", "", "401 401 403 403 200 200 200 403 403"},
	{"GET v1 hierarchy", "", "401 401 403 200 200 403 403 403 403"},
	{"PUT send/m.room.message/$txn", `{"msgtype":"m.text","body":"x"}`, "401 401 403 403 200 403 403 403 403"},
	{"PUT state/org.example/x", `{"a":1}`, "401 401 403 403 403 403 403 403 403"},
	{"PUT state/m.room.name/", `{"name":"mine now"}`, "401 401 403 403 403 403 403 403 403"},
	{"PUT redact/$after/$txn", `{}`, "401 401 403 403 403 403 403 403 403"},
	{"POST invite", `{"user_id":"@stranger2:example.org"}`, "401 401 403 403 200 403 403 403 403"},
	{"POST kick", `{"user_id":"@owner:example.org"}`, "401 401 403 403 403 403 403 403 403"},
	{"POST ban", `{"user_id":"@owner:example.org"}`, "401 401 403 403 403 403 403 403 403"},
	{"POST unban", `{"user_id":"@banned:example.org"}`, "401 401 403 403 403 403 403 403 403"},
	{"POST upgrade", `{"new_version":"11"}`, "401 401 403 403 403 403 403 403 403"},
	{"PUT typing/$self", `{"typing":true}`, "401 401 403 403 200 403 403 403 403"},
	{"POST receipt/m.read/$after", `{}`, "401 401 403 403 200 403 403 403 403"},
	{"POST read_markers", `{"m.read":"$after"}`, "401 401 403 403 200 403 403 403 403"},
	{"POST report/$after", `{"reason":"x"}`, "401 401 200 200 200 200 200 200 200"},
	{"PUT directory", `{"visibility":"public"}`, "401 401 403 403 403 403 403 200 403"},
	{"PUT alias", `{"room_id":"$room"}`, "401 401 403 403 200 403 403 403 403"},
	{"POST join", `{}`, "401 401 403 - 200 403 403 403 403"},
	{"POST knock", `{}`, "401 401 403 403 403 403 403 403 403"},
	{"GET receipt", "", "401 401 403 403 200 404 404 403 403"},
	// what is somebody's own is nobody else's, whoever they are
	{"GET user account_data/org.example", "", "401 401 403 403 403 403 403 403 403"},
	{"PUT user account_data/org.example", `{}`, "401 401 403 403 403 403 403 403 403"},
	{"POST user filter", `{}`, "401 401 403 403 403 403 403 403 403"},
	{"GET user rooms/$room/tags", "", "401 401 403 403 403 403 403 403 403"},
	{"PUT user rooms/$room/tags/x", `{}`, "401 401 403 403 403 403 403 403 403"},
	{"PUT profile/displayname", `{"displayname":"x"}`, "401 401 403 403 403 403 403 403 403"},
	{"PUT suspend", `{"suspended":false}`, "401 401 403 403 403 403 403 200 403"},
	{"PUT lock", `{"locked":false}`, "401 401 403 403 403 403 403 200 403"},
	{"GET lock", "", "401 401 403 403 403 403 403 200 403"},
	{"POST notice", `{"user_id":"@owner:example.org","content":{"body":"x","msgtype":"m.text"}}`, "401 401 403 403 403 403 403 200 403"},
}

func TestMatrixOfRights(t *testing.T) {
	d := despatchtest.Start(t)
	owner := d.User(t, "owner")
	d.User(t, "stranger2")
	people := []struct {
		name string
		who  *despatchtest.User
	}{{"nobody", d.Nobody()}, {"revoked", nil}, {"stranger", d.User(t, "stranger")}, {"invited", d.User(t, "invited")}, {"member", d.User(t, "member")},
		{"left", d.User(t, "left")}, {"banned", d.User(t, "banned")}, {"admin", d.User(t, "admin", identity.IT)}, {"officer", d.User(t, "officer", identity.Records)}}
	byName := map[string]*despatchtest.User{}
	for i := range people {
		byName[people[i].name] = people[i].who
	}
	room := owner.CreateRoomWith(t, map[string]any{"preset": "private_chat", "name": "Cabinet"}, byName["member"], byName["left"], byName["banned"])
	before := owner.Send(t, room, "before")
	must := func(u *despatchtest.User, path string, body map[string]any) {
		t.Helper()
		if status, raw := u.Do(t, "POST", path, body); status != 200 {
			t.Fatalf("%s = %d %s", path, status, raw)
		}
	}
	must(byName["left"], despatchtest.Path(room, "leave"), map[string]any{})
	must(owner, despatchtest.Path(room, "ban"), map[string]any{"user_id": "@banned:example.org"})
	must(owner, despatchtest.Path(room, "invite"), map[string]any{"user_id": "@invited:example.org"})
	after := owner.Send(t, room, "after")
	people[1].who = d.SignIn(t, "member")
	must(people[1].who, client+"logout", nil)

	n := 0
	for _, row := range matrixOfRights {
		wants := strings.Fields(row.want)
		for i, p := range people {
			if wants[i] == "-" {
				continue
			}
			n++
			self := "@" + p.name + ":example.org"
			fill := strings.NewReplacer("$before", url.PathEscape(string(before)), "$after", url.PathEscape(string(after)), "$txn", fmt.Sprint("m", n),
				"$self", self, "$room", string(room)).Replace
			method, rest, _ := strings.Cut(row.request, " ")
			path := despatchtest.Path(room, fill(rest))
			kind, more, _ := strings.Cut(rest, " ")
			switch {
			case kind == "v1":
				path = "/_matrix/client/v1/rooms/" + url.PathEscape(string(room)) + "/" + fill(more)
			case kind == "user":
				path = client + "user/" + string(owner.ID) + "/" + fill(more)
			case rest == "directory":
				path = client + "directory/list/room/" + url.PathEscape(string(room))
			case rest == "alias":
				path = client + "directory/room/" + url.PathEscape(fmt.Sprintf("#a%d:example.org", n))
			case rest == "join" || rest == "knock":
				path = client + rest + "/" + url.PathEscape(string(room))
			case strings.HasPrefix(rest, "receipt") && method == "GET":
				path = "/_despatch/v1/receipt/" + url.PathEscape(string(room)) + "/" + url.PathEscape(string(after))
			case strings.HasPrefix(rest, "profile/"):
				path = client + "profile/" + string(owner.ID) + "/displayname"
			case rest == "suspend" || rest == "lock":
				path = "/_matrix/client/v1/admin/" + rest + "/@stranger2:example.org"
			case rest == "notice":
				path = "/_synapse/admin/v1/send_server_notice"
			}
			var body any
			if row.body != "" {
				body = []byte(strings.ReplaceAll(fill(row.body), url.PathEscape(string(after)), string(after)))
			}
			status, raw := p.who.Do(t, method, path, body)
			if got := fmt.Sprint(status); got != wants[i] {
				t.Errorf("%s by %s = %d %.200s, want %s", row.request, p.name, status, raw, wants[i])
			}
			if code := map[int]string{401: "_TOKEN", 403: "M_FORBIDDEN"}[status]; !strings.Contains(string(raw), code) {
				t.Errorf("%s by %s = %d %.200s, want %s", row.request, p.name, status, raw, code)
			}
		}
	}
	d.CheckRecord(t)
}
