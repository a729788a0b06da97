package clientapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"despatch/despatchtest"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
)

const client = "/_matrix/client/v3/"

func TestWhatClientsAskAtTheStart(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	for _, path := range []string{"/.well-known/matrix/client", "/_matrix/client/versions", client + "login", client + "pushrules/",
		client + "capabilities", client + "voip/turnServer", client + "devices", client + "joined_rooms", client + "account/whoami",
		"/_matrix/client/r0/account/whoami", client + "profile/" + string(alice.ID), client + "pushers",
		client + "publicRooms", client + "account/3pid", client + "thirdparty/protocols", client + "presence/" + string(alice.ID) + "/status"} {
		if status, body := alice.Do(t, "GET", path, nil); status != 200 {
			t.Errorf("GET %s = %d %s", path, status, body)
		}
	}
	_, body := alice.Do(t, "GET", "/.well-known/matrix/client", nil)
	if !strings.Contains(string(body), `"io.element.e2ee":{"default":false,"force_disable":true}`) {
		t.Errorf("well-known does not switch encryption off: %s", body)
	}
	alice.Fails(t, "GET", client+"room_keys/version", nil, 404, "M_NOT_FOUND")
	alice.Fails(t, "GET", client+"no/such/thing", nil, 404, "M_UNRECOGNIZED")
	alice.Fails(t, "DELETE", client+"sync", nil, 405, "M_UNRECOGNIZED")
	alice.Fails(t, "POST", client+"register", map[string]any{}, 403, "M_FORBIDDEN")
}

// Every route but the few that are open refuses those who are not signed in, and a stranger's room.
func TestStrangers(t *testing.T) {
	d := despatchtest.Start(t)
	alice, eve := d.User(t, "alice"), d.User(t, "eve")
	chief := d.User(t, "chief", identity.IT)
	room := alice.CreateRoom(t)
	id := alice.Send(t, room, "for nobody else")
	event := url.PathEscape(string(id))
	for _, who := range []*despatchtest.User{eve, chief} {
		for _, rest := range []string{"messages?dir=b", "state", "members", "joined_members", "context/" + event, "state/m.room.member/" + string(alice.ID)} {
			who.Fails(t, "GET", despatchtest.Path(room, rest), nil, 403, "M_FORBIDDEN")
		}
		who.Fails(t, "GET", despatchtest.Path(room, "event/"+event), nil, 404, "M_NOT_FOUND") // it is not said that it is there
		who.Fails(t, "GET", "/_despatch/v1/receipt/"+url.PathEscape(string(room))+"/"+event, nil, 403, "M_FORBIDDEN")
		who.Fails(t, "GET", "/_matrix/client/v1/rooms/"+url.PathEscape(string(room))+"/relations/"+event, nil, 403, "M_FORBIDDEN")
		text := map[string]any{"msgtype": "m.text", "body": "x"}
		who.Fails(t, "PUT", despatchtest.Path(room, "send/m.room.message/1"), text, 403, "M_FORBIDDEN")
		who.Fails(t, "PUT", despatchtest.Path(room, "state/m.room.name/"), map[string]any{"name": "x"}, 403, "M_FORBIDDEN")
		who.Fails(t, "PUT", despatchtest.Path(room, "redact/"+event+"/2"), map[string]any{}, 403, "M_FORBIDDEN")
		who.Fails(t, "POST", despatchtest.Path(room, "join"), map[string]any{}, 403, "M_FORBIDDEN")
		who.Fails(t, "POST", despatchtest.Path(room, "invite"), map[string]any{"user_id": who.ID}, 403, "M_FORBIDDEN")
		who.Fails(t, "PUT", despatchtest.Path(room, "typing/"+string(who.ID)), map[string]any{"typing": true}, 403, "M_FORBIDDEN")
		who.Fails(t, "POST", despatchtest.Path(room, "receipt/m.read/"+event), map[string]any{}, 403, "M_FORBIDDEN")
		who.Fails(t, "GET", client+"user/"+string(alice.ID)+"/account_data/m.direct", nil, 403, "M_FORBIDDEN")
	}
	eve.Token = "wrong"
	eve.Fails(t, "GET", client+"sync", nil, 401, "M_UNKNOWN_TOKEN")
	eve.Token = ""
	eve.Fails(t, "GET", client+"sync", nil, 401, "M_MISSING_TOKEN")
	d.CheckRecord(t)
}

func TestRetryIsSentOnce(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	room := alice.CreateRoom(t)
	send := func(u *despatchtest.User) string {
		status, body := u.Do(t, "PUT", despatchtest.Path(room, "send/m.room.message/once"), map[string]any{"msgtype": "m.text", "body": "once"})
		if status != 200 {
			t.Fatalf("send = %d %s", status, body)
		}
		return string(body)
	}
	var wg sync.WaitGroup
	answers := make([]string, 8)
	for i := range answers {
		wg.Go(func() { answers[i] = send(alice) })
	}
	wg.Wait()
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("one transaction had the answers %s and %s", answers[0], a)
		}
	}
	d.Restart(t)
	if again := send(alice); again != answers[0] {
		t.Errorf("after a restart the same transaction has the answer %s, want %s", again, answers[0])
	}
	other := d.SignIn(t, "alice")
	if a := send(other); a == answers[0] {
		t.Error("another device's transaction of the same name was taken for this one's")
	}
	n := 0
	for _, e := range alice.Messages(t, room, 50) {
		if e.Body() == "once" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("the message is there %d times, want once for each device", n)
	}
}

func TestDisappearing(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoom(t, bob)
	alice.Fails(t, "PUT", despatchtest.Path(room, "state/m.room.retention/"), map[string]any{"max_lifetime": 1}, 403, "M_FORBIDDEN")
	alice.SetState(t, room, "m.room.retention", "", map[string]any{"max_lifetime": 30_000})
	id := alice.Send(t, room, "burn this")
	bob.Sync(t, 0)
	d.Advance(31 * time.Second)
	deadline := time.Now().Add(10 * time.Second)
	for gone := false; !gone; {
		for _, e := range bob.Sync(t, 1000).Rooms.Join[room].Timeline.Events {
			if e.Type == "m.room.redaction" && e.Redacts == id && e.Content["org.despatch.reason"] == "expired" {
				gone = true
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the message did not disappear")
		}
	}
	for _, e := range append(bob.Messages(t, room, 50), alice.Messages(t, room, 50)...) {
		if e.Body() == "burn this" {
			t.Errorf("a participant is still shown %+v", e)
		}
	}
	if _, body := bob.Do(t, "GET", client+"sync", nil); strings.Contains(string(body), "burn this") {
		t.Error("a first /sync still has the message")
	}
	if e := d.Entry(t, id); !strings.Contains(string(e.Body), "burn this") {
		t.Errorf("the record has %s", e.Body)
	}
	d.CheckRecord(t)
}

func TestNoEncryption(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	room := alice.CreateRoomWith(t, map[string]any{"initial_state": []any{map[string]any{"type": "m.room.encryption", "state_key": "", "content": map[string]any{"algorithm": "m.megolm.v1.aes-sha2"}}}})
	alice.Fails(t, "GET", despatchtest.Path(room, "state/m.room.encryption/"), nil, 404, "M_NOT_FOUND")
	alice.Fails(t, "PUT", despatchtest.Path(room, "state/m.room.encryption/"), map[string]any{"algorithm": "m.megolm.v1.aes-sha2"}, 403, "M_FORBIDDEN")
	alice.Fails(t, "PUT", despatchtest.Path(room, "send/m.room.encrypted/1"), map[string]any{}, 403, "M_FORBIDDEN")
	alice.Fails(t, "PUT", despatchtest.Path(room, "send/m.room.message/2"), map[string]any{"msgtype": "m.text", "body": "TOP SECRET\n\nthe plan"}, 403, "M_FORBIDDEN")
	alice.Send(t, room, "The secret of good coffee")
}

func TestEphemeralAndUnread(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoom(t, bob)
	bob.Sync(t, 0)
	alice.Sync(t, 0)
	alice.Do(t, "PUT", despatchtest.Path(room, "typing/"+string(alice.ID)), map[string]any{"typing": true, "timeout": 30000})
	if e := bob.Sync(t, 2000).Rooms.Join[room].Ephemeral.Events; len(e) != 1 || e[0].Type != "m.typing" || fmt.Sprint(e[0].Content["user_ids"]) != "["+string(alice.ID)+"]" {
		t.Errorf("typing: bob got %+v", e)
	}
	var last matrix.EventID
	for i := range 3 {
		last = alice.Send(t, room, fmt.Sprint("message ", i))
	}
	s := bob.Sync(t, 2000).Rooms.Join[room]
	if s.Unread.Notifications != 3 {
		t.Errorf("bob has %d unread messages, want 3", s.Unread.Notifications)
	}
	alice.Sync(t, 0)
	if status, body := bob.Do(t, "POST", despatchtest.Path(room, "receipt/m.read/"+url.PathEscape(string(last))), map[string]any{}); status != 200 {
		t.Fatalf("receipt: %d %s", status, body)
	}
	got := alice.Sync(t, 2000).Rooms.Join[room].Ephemeral.Events
	if len(got) == 0 || got[len(got)-1].Type != "m.receipt" || got[len(got)-1].Content[string(last)] == nil {
		t.Errorf("alice got %+v, want bob's receipt", got)
	}
	if s := bob.Sync(t, 2000).Rooms.Join[room]; s.Unread.Notifications != 0 {
		t.Errorf("after reading bob has %d unread messages", s.Unread.Notifications)
	}
}

// A client that was away finds a timeline that is limited, and pages back to what it had.
func TestGap(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoom(t, bob)
	bob.Sync(t, 0)
	for i := range 50 {
		alice.Send(t, room, fmt.Sprint("n", i))
	}
	alice.SetState(t, room, "m.room.topic", "", map[string]any{"topic": "new"})
	for i := range 30 {
		alice.Send(t, room, fmt.Sprint("m", i))
	}
	for _, restart := range []bool{false, true} {
		if restart { // then it is answered from the database
			bob = d.SignIn(t, "bob")
			d.Restart(t)
		}
		s := bob.Sync(t, 0).Rooms.Join[room]
		if !s.Timeline.Limited || len(s.Timeline.Events) != 20 || s.Timeline.Events[19].Body() != "m29" {
			t.Fatalf("restart %v: limited %v, %d events", restart, s.Timeline.Limited, len(s.Timeline.Events))
		}
		topic := false
		for _, e := range s.State.Events {
			topic = topic || e.Type == "m.room.topic" && e.Content["topic"] == "new"
		}
		if !topic {
			t.Errorf("restart %v: the state before the timeline lacks the new topic", restart)
		}
		var page struct {
			Chunk []despatchtest.Event `json:"chunk"`
			End   string               `json:"end"`
		}
		want := 9
		for from := s.Timeline.PrevBatch; from != "" && want >= 0; from = page.End {
			page.End = ""
			_, body := bob.Do(t, "GET", despatchtest.Path(room, "messages?dir=b&limit=7&from="+from), nil)
			if err := json.Unmarshal(body, &page); err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Chunk {
				if strings.HasPrefix(e.Body(), "m") {
					if e.Body() != fmt.Sprint("m", want) {
						t.Fatalf("paging back: got %s, want m%d", e.Body(), want)
					}
					want--
				}
			}
		}
		if want != -1 {
			t.Errorf("paging back ended before m%d", want)
		}
	}
}

func TestInviteLeaveKick(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoomWith(t, map[string]any{"name": "Box", "invite": []string{string(bob.ID)}})
	inv, ok := bob.Sync(t, 0).Rooms.Invite[room]
	named := false
	for _, e := range inv.State.Events {
		named = named || e.Type == "m.room.name" && e.Content["name"] == "Box"
	}
	if !ok || !named {
		t.Fatalf("invitation: %+v", inv)
	}
	bob.Do(t, "POST", despatchtest.Path(room, "join"), nil)
	bob.Sync(t, 0)
	if status, body := alice.Do(t, "POST", despatchtest.Path(room, "kick"), map[string]any{"user_id": bob.ID, "reason": "wrong Bob"}); status != 200 {
		t.Fatalf("kick: %d %s", status, body)
	}
	alice.Send(t, room, "now that he is gone")
	s := bob.Sync(t, 1000)
	left, ok := s.Rooms.Leave[room]
	if !ok || len(left.Timeline.Events) == 0 {
		t.Errorf("bob is not told that he is out: %+v", s.Rooms)
	}
	for _, e := range append(left.Timeline.Events, bob.Messages(t, room, 50)...) {
		if e.Body() != "" {
			t.Errorf("bob is shown what was said after he left: %+v", e)
		}
	}
	if status, body := alice.Do(t, "POST", client+"createRoom", map[string]any{"invite": []string{"@nobody:example.org"}}); status != http.StatusNotFound {
		t.Errorf("inviting nobody = %d %s", status, body)
	}
}

// A receipt proves to its reader that the message is on the record.
func TestReceiptProves(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	room := alice.CreateRoom(t)
	id := alice.Send(t, room, "on the record")
	for range 300 {
		alice.Send(t, room, "more")
	}
	_, raw := alice.Do(t, "GET", "/_despatch/v1/receipt/"+url.PathEscape(string(room))+"/"+url.PathEscape(string(id)), nil)
	var r struct {
		Position          int64
		Entry, Salt, Body []byte
		Proof, VKey       string
	}
	if err := json.Unmarshal(raw, &r, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	entry, err := record.ParseEntry(r.Entry)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(r.VKey)
	if err != nil {
		t.Fatal(err)
	}
	if pos, _, err := record.CheckProof([]byte(r.Proof), &entry, key); err != nil || pos != r.Position {
		t.Errorf("proof: position %d, %v", pos, err)
	}
	if record.Commit((*[32]byte)(r.Salt), r.Body) != entry.Commitment || !strings.Contains(string(r.Body), "on the record") {
		t.Errorf("the entry does not commit to %s", r.Body)
	}
}

func TestBadInput(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	room := alice.CreateRoom(t)
	send := despatchtest.Path(room, "send/m.room.message/")
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"not JSON", `{"body":`, 400, "M_NOT_JSON"},
		{"duplicate name", `{"body":"a","body":"b"}`, 400, "M_BAD_JSON"},
		{"bad UTF-8", "{\"body\":\"\xff\"}", 400, "M_NOT_JSON"},
		{"an array", `[]`, 400, "M_BAD_JSON"},
		{"a fraction", `{"body":"x","n":1.5}`, 400, "M_BAD_JSON"},
		{"deep", strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500), 400, "M_BAD_JSON"},
		{"too large an event", `{"body":"` + strings.Repeat("x", 66_000) + `"}`, 413, "M_TOO_LARGE"},
		{"too large a body", `{"body":"` + strings.Repeat("x", 3<<20) + `"}`, 413, "M_TOO_LARGE"},
		{"half a surrogate", `{"body":"\ud800"}`, 400, "M_NOT_JSON"},
	} {
		status, raw := alice.Do(t, "PUT", send+url.PathEscape(c.name), []byte(c.body))
		var e struct {
			Code  string `json:"errcode"`
			Error string `json:"error"`
		}
		json.Unmarshal(raw, &e)
		if status != c.status || (e.Code != c.code && !(c.status == 400 && strings.HasSuffix(e.Code, "JSON"))) || e.Error == "" {
			t.Errorf("%s: %d %.200s, want %d %s", c.name, status, raw, c.status, c.code)
		}
	}
	for _, token := range []string{"s99999999_1", "x", "s-1_2", "s1", "t", "s1_"} {
		alice.Fails(t, "GET", client+"sync?since="+token, nil, 400, "M_INVALID_PARAM")
	}
	alice.Fails(t, "PUT", despatchtest.Path("!no:such.room", "send/m.room.message/1"), map[string]any{}, 404, "M_NOT_FOUND")
	d.CheckRecord(t)
}

// People find what they can see, and nothing else.
func TestSearch(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob, eve := d.User(t, "alice"), d.User(t, "bob"), d.User(t, "eve")
	room := alice.CreateRoom(t, bob)
	kept := alice.Send(t, room, "the mackerel quota is agreed")
	alice.Redact(t, room, alice.Send(t, room, "mackerel, said in anger"))
	if err := d.Index.Wait(t.Context(), d.Rec.Head().Edge.Size); err != nil {
		t.Fatal(err)
	}
	found := func(u *despatchtest.User, term string) []string {
		status, raw := u.Do(t, "POST", client+"search", map[string]any{"search_categories": map[string]any{"room_events": map[string]any{"search_term": term}}})
		var resp struct {
			Categories struct {
				RoomEvents struct {
					Results []struct {
						Result despatchtest.Event `json:"result"`
					} `json:"results"`
				} `json:"room_events"`
			} `json:"search_categories"`
		}
		if err := json.Unmarshal(raw, &resp); status != 200 || err != nil {
			t.Fatalf("search = %d %s", status, raw)
		}
		var ids []string
		for _, r := range resp.Categories.RoomEvents.Results {
			ids = append(ids, string(r.Result.ID))
		}
		return ids
	}
	if got := found(bob, "mackerel"); len(got) != 1 || got[0] != string(kept) {
		t.Errorf("bob finds %v, want %s alone", got, kept)
	}
	if got := found(eve, "mackerel"); len(got) != 0 {
		t.Errorf("a stranger finds %v", got)
	}
}
