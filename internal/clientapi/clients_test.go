package clientapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/despatchtest"
	"despatch/internal/record"
	"despatch/internal/store"
)

// What real clients were found to need; see doc/matrix.md.

func relates(typ, to string, more map[string]any) map[string]any {
	content := map[string]any{"msgtype": "m.text", "m.relates_to": map[string]any{"rel_type": typ, "event_id": to}}
	for k, v := range more {
		content[k] = v
	}
	return content
}

func edit(to, text string) map[string]any {
	return relates("m.replace", to, map[string]any{"body": "* " + text, "m.new_content": map[string]any{"msgtype": "m.text", "body": text}})
}

// An edit says again what the message said, and must not outlive it.
func TestEditsGoWithTheirMessage(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoom(t, bob)
	shown := func(id string) string {
		_, raw := bob.Do(t, "GET", despatchtest.Path(room, "event/"+url.PathEscape(id)), nil)
		return string(raw)
	}
	id := alice.Send(t, room, "first wording")
	changed := alice.SendContent(t, room, "m.room.message", edit(string(id), "second wording"))
	notAnEdit := bob.SendContent(t, room, "m.room.message", edit(string(id), "put into her mouth"))
	bob.Sync(t, 0)
	alice.Redact(t, room, id)
	if raw := shown(string(changed)); strings.Contains(raw, "wording") || !strings.Contains(raw, "redacted_because") {
		t.Errorf("the edit of a deleted message is shown as %s", raw)
	}
	if raw := shown(string(notAnEdit)); !strings.Contains(raw, "mouth") {
		t.Errorf("alice's deletion took what bob said with it: %s", raw)
	}
	told := map[string]bool{}
	for _, e := range bob.Sync(t, 0).Rooms.Join[room].Timeline.Events {
		told[string(e.Redacts)] = true
	}
	if !told[string(id)] || !told[string(changed)] {
		t.Errorf("bob's client was told to delete %v, want the message and its edit", told)
	}
	alice.Fails(t, "PUT", despatchtest.Path(room, "send/m.room.message/late"), edit(string(id), "third wording"), 403, "M_FORBIDDEN")

	alice.SetState(t, room, "m.room.retention", "", map[string]any{"max_lifetime": 30_000})
	id = alice.Send(t, room, "burn the first wording")
	changed = alice.SendContent(t, room, "m.room.message", edit(string(id), "burn the second wording"))
	astray := alice.SendContent(t, room, "m.room.message", edit("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "edits nothing, wording"))
	d.Advance(31 * time.Second)
	for _, id := range []string{string(id), string(changed), string(astray)} {
		deadline := time.Now().Add(10 * time.Second)
		for strings.Contains(shown(id), "wording") {
			if time.Now().After(deadline) {
				t.Fatalf("still there after its time: %s", shown(id))
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if body := d.Entry(t, changed).Body; !strings.Contains(string(body), "burn the second wording") {
		t.Errorf("the edit is not on the record: %s", body)
	}
	d.CheckRecord(t)
}

func TestThreadsAndBundles(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoom(t, bob)
	quiet := alice.Send(t, room, "no thread")
	one, two := alice.Send(t, room, "one"), alice.Send(t, room, "two")
	alice.SendContent(t, room, "m.room.message", relates("m.thread", string(two), map[string]any{"body": "two a"}))
	bob.SendContent(t, room, "m.room.message", relates("m.thread", string(one), map[string]any{"body": "one a"}))
	slip := bob.SendContent(t, room, "m.room.message", relates("m.thread", string(one), map[string]any{"body": "one b"}))
	bob.SendContent(t, room, "m.room.message", relates("m.thread", string(one), map[string]any{"body": "one c"}))
	bob.Redact(t, room, slip)
	alice.SendContent(t, room, "m.room.message", edit(string(quiet), "better"))
	bob.SendContent(t, room, "m.room.message", edit(string(quiet), "not bob's to edit"))
	bob.SendContent(t, room, "m.room.message", map[string]any{"msgtype": "m.text", "body": "a reply",
		"m.relates_to": map[string]any{"m.in_reply_to": map[string]any{"event_id": quiet}}})

	type page struct {
		Chunk []struct {
			ID       string         `json:"event_id"`
			Content  map[string]any `json:"content"`
			Unsigned struct {
				Relations struct {
					Thread *struct {
						Count        int  `json:"count"`
						Participated bool `json:"current_user_participated"`
						Latest       struct {
							Content map[string]any `json:"content"`
						} `json:"latest_event"`
					} `json:"m.thread"`
					Replace *struct {
						Content struct {
							Body string `json:"body"`
						} `json:"content"`
					} `json:"m.replace"`
				} `json:"m.relations"`
			} `json:"unsigned"`
		} `json:"chunk"`
		Next string `json:"next_batch"`
	}
	get := func(who *despatchtest.User, rest string) (p page) {
		status, raw := who.Do(t, "GET", "/_matrix/client/v1/rooms/"+url.PathEscape(string(room))+"/"+rest, nil)
		if err := json.Unmarshal(raw, &p); status != 200 || err != nil {
			t.Fatalf("GET %s = %d %s %v", rest, status, raw, err)
		}
		return p
	}
	p := get(bob, "threads?limit=1")
	if len(p.Chunk) != 1 || p.Chunk[0].ID != string(one) || p.Next == "" {
		t.Fatalf("the thread with the newest message is %+v, want that of %s", p, one)
	}
	if th := p.Chunk[0].Unsigned.Relations.Thread; th == nil || th.Count != 2 || !th.Participated || th.Latest.Content["body"] != "one c" {
		t.Errorf("its summary is %+v, want two messages, the last of them one c", th)
	}
	if p = get(bob, "threads?from="+p.Next); len(p.Chunk) != 1 || p.Chunk[0].ID != string(two) {
		t.Errorf("the next thread is %+v, want that of %s", p, two)
	} else if p.Chunk[0].Unsigned.Relations.Thread.Participated {
		t.Error("bob is said to take part in a thread in which he said nothing")
	}
	if p = get(bob, "threads?include=participated"); len(p.Chunk) != 1 || p.Chunk[0].ID != string(one) {
		t.Errorf("threads with bob: %+v, want that of %s", p, one)
	}

	id := url.PathEscape(string(one))
	if p = get(bob, "relations/"+id+"/m.thread?dir=f&limit=1"); len(p.Chunk) != 1 || p.Chunk[0].Content["body"] != "one a" {
		t.Errorf("the first of the thread is %+v, want one a", p)
	}
	if p = get(bob, "relations/"+id+"/m.thread?dir=f&from="+p.Next); len(p.Chunk) != 1 || p.Chunk[0].Content["body"] != "one c" {
		t.Errorf("the rest of the thread is %+v, want one c", p)
	}
	if p = get(bob, "relations/"+url.PathEscape(string(quiet))); len(p.Chunk) != 2 {
		t.Errorf("a message with two m.replace and a reply has the relations %+v, want two", p)
	}

	_, raw := bob.Do(t, "GET", despatchtest.Path(room, "messages?dir=b&limit=50"), nil)
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Chunk {
		if r := e.Unsigned.Relations.Replace; e.ID == string(quiet) && (r == nil || r.Content.Body != "* better") {
			t.Errorf("the edited message comes with the edit %+v, want its sender's", r)
		}
	}
	alice.Redact(t, room, quiet)
	if _, raw := bob.Do(t, "GET", despatchtest.Path(room, "event/"+url.PathEscape(string(quiet))), nil); strings.Contains(string(raw), "better") {
		t.Errorf("a deleted message still comes with its edit: %s", raw)
	}
}

// A new name is no new membership: the room is not sent again, and history that begins with one's joining stays.
func TestNewNameIsNotANewMember(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoomWith(t, map[string]any{"preset": "private_chat", "initial_state": []map[string]any{
		{"type": "m.room.history_visibility", "content": map[string]any{"history_visibility": "joined"}}}}, bob)
	id := alice.Send(t, room, "before the new name")
	bob.Sync(t, 0)
	if status, raw := bob.Do(t, "PUT", client+"profile/"+string(bob.ID)+"/displayname", map[string]any{"displayname": "Robert"}); status != 200 {
		t.Fatalf("new name: %d %s", status, raw)
	}
	in := bob.Sync(t, 0).Rooms.Join[room]
	if in.Timeline.Limited || len(in.Timeline.Events) != 1 || len(in.State.Events) != 0 {
		t.Errorf("a new name sent %d events (limited: %v) and %d of state, want the one event", len(in.Timeline.Events), in.Timeline.Limited, len(in.State.Events))
	}
	for range 2 {
		if status, raw := bob.Do(t, "GET", despatchtest.Path(room, "event/"+url.PathEscape(string(id))), nil); status != 200 {
			t.Errorf("what was said before the new name: %d %s", status, raw)
		}
		d.Restart(t)
	}
}

func TestRemoveDevices(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	second, third := d.SignIn(t, "alice"), d.SignIn(t, "alice")
	path := client + "devices/" + second.Device
	status, raw := alice.Do(t, "DELETE", path, nil)
	if status != 401 || !strings.Contains(string(raw), `"flows":[{"stages":["m.login.password"]}]`) {
		t.Fatalf("removing a device without the password = %d %s", status, raw)
	}
	auth := map[string]any{"type": "m.login.password", "session": "password", "password": "wrong"}
	alice.Fails(t, "DELETE", path, map[string]any{"auth": auth}, 401, "M_FORBIDDEN")
	auth["password"] = despatchtest.Password
	if status, raw := alice.Do(t, "DELETE", path, map[string]any{"auth": auth}); status != 200 {
		t.Errorf("removing a device = %d %s", status, raw)
	}
	if status, raw := alice.Do(t, "POST", client+"delete_devices", map[string]any{"auth": auth, "devices": []string{third.Device}}); status != 200 {
		t.Errorf("removing devices = %d %s", status, raw)
	}
	for _, gone := range []*despatchtest.User{second, third} {
		gone.Fails(t, "GET", client+"account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	}
	_, raw = alice.Do(t, "GET", client+"devices", nil)
	for _, field := range []string{"display_name", "last_seen_ip", "last_seen_ts"} { // matrix-nio demands them
		if n := strings.Count(string(raw), field); n != 1 {
			t.Errorf("the list of the one device left has %s %d times: %s", field, n, raw)
		}
	}
}

func TestMessagesToDevices(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	phone := d.SignIn(t, "alice")
	alice.Sync(t, 0)
	phone.Sync(t, 0)
	to := func(user, device string) map[string]any {
		return map[string]any{"messages": map[string]any{user: map[string]any{device: map[string]any{"n": 1}}}}
	}
	alice.Fails(t, "PUT", client+"sendToDevice/m.room.encrypted/1", to(string(bob.ID), "*"), 403, "M_FORBIDDEN")
	size := d.Rec.Head().Edge.Size
	if status, raw := alice.Do(t, "PUT", client+"sendToDevice/m.anything/1", to(string(bob.ID), "*")); status != 200 {
		t.Fatalf("to another person = %d %s", status, raw)
	}
	if e, err := store.EntryAt(t.Context(), d.DB.Reader(), size); err != nil || e.Kind != record.KindDevice ||
		string(e.Body) != `{"message":{"content":{"n":1},"sender":"@alice:example.org","type":"m.anything"},"to":"@bob:example.org","type":"to_device"}` {
		t.Errorf("what went to another person is on the record as %v %s %v", e.Kind, e.Body, err)
	}
	if status, raw := alice.Do(t, "PUT", client+"sendToDevice/m.anything/2", to(string(alice.ID), phone.Device)); status != 200 {
		t.Fatalf("to the own phone = %d %s", status, raw)
	}
	const message = `{"type":"m.anything","sender":"@alice:example.org","content":{"n":1}}`
	next := ""
	for i, want := range []bool{true, true, false, false} { // asked again with the same token, it comes again
		_, raw := phone.Do(t, "GET", client+"sync?timeout=0"+next, nil)
		if got := strings.Contains(string(raw), message); got != want {
			t.Fatalf("answer %d has the message: %v, want %v", i, got, want)
		}
		if i == 1 {
			var s despatchtest.Sync
			json.Unmarshal(raw, &s)
			next = "&since=" + s.NextBatch
		} else if i == 2 {
			next = ""
		}
	}
	if _, raw := alice.Do(t, "GET", client+"sync?timeout=0", nil); strings.Contains(string(raw), message) {
		t.Error("a message to one device came to another")
	}
}

func TestPushRules(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	alice.Sync(t, 0)
	const rules = client + "pushrules/global/"
	must := func(method, path string, body any) string {
		t.Helper()
		status, raw := alice.Do(t, method, rules+path, body)
		if status != 200 {
			t.Fatalf("%s %s = %d %s", method, path, status, raw)
		}
		return string(raw)
	}
	quiet := map[string]any{"actions": []string{}}
	must("PUT", "room/!one:example.org", quiet)
	must("PUT", "room/!two:example.org?after=!one:example.org", quiet)
	must("PUT", "room/!one:example.org/enabled", map[string]any{"enabled": false})
	must("PUT", "override/.m.rule.master/enabled", map[string]any{"enabled": true})
	must("PUT", "underride/.m.rule.message/actions", quiet)
	told := false
	for _, e := range alice.Sync(t, 0).AccountData.Events {
		told = told || e.Type == "m.push_rules"
	}
	if !told {
		t.Error("/sync does not tell of changed push rules")
	}
	d.Restart(t)
	all := must("GET", "", nil)
	for _, want := range []string{`"room":[{"rule_id":"!one:example.org","default":false,"enabled":false,"actions":[]},{"rule_id":"!two:example.org"`,
		`{"rule_id":".m.rule.master","default":true,"enabled":true`} {
		if !strings.Contains(all, want) {
			t.Errorf("the rules lack %s: %s", want, all)
		}
	}
	if got := must("GET", "underride/.m.rule.message/actions", nil); got != `{"actions":[]}` {
		t.Errorf("actions = %s", got)
	}
	must("DELETE", "room/!one:example.org", nil)
	alice.Fails(t, "GET", rules+"room/!one:example.org", nil, 404, "M_NOT_FOUND")
	alice.Fails(t, "DELETE", rules+"override/.m.rule.master", nil, 404, "M_NOT_FOUND")
	alice.Fails(t, "PUT", rules+"override/.mine", quiet, 400, "M_INVALID_PARAM")
	alice.Fails(t, "PUT", rules+"nonsense/x", quiet, 400, "M_INVALID_PARAM")
	alice.Fails(t, "PUT", rules+"room/x", map[string]any{}, 400, "M_MISSING_PARAM")
}

// A room in which only a tag is new comes with all that matrix-nio takes for granted, and the number of
// one-time keys is that which the upload was answered with.
func TestSyncIsComplete(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	room := alice.CreateRoom(t)
	next := alice.Sync(t, 0).NextBatch
	if status, raw := alice.Do(t, "PUT", client+"user/"+string(alice.ID)+"/rooms/"+url.PathEscape(string(room))+"/tags/m.favourite", map[string]any{"order": 0.5}); status != 200 {
		t.Fatalf("tag: %d %s", status, raw)
	}
	_, raw := alice.Do(t, "GET", client+"sync?timeout=0&since="+next, nil)
	for _, want := range []string{`"timeline":{"events":[],"limited":false,"prev_batch":"t`, `"state":{"events":[]}`, `"m.favourite":{"order":0.5}`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the answer lacks %s: %s", want, raw)
		}
	}
	_, up := alice.Do(t, "POST", client+"keys/upload", map[string]any{"one_time_keys": map[string]any{
		"signed_curve25519:A": map[string]any{"key": "a"}, "signed_curve25519:B": map[string]any{"key": "b"}}})
	_, raw = alice.Do(t, "GET", client+"sync?timeout=0&since="+next, nil)
	if !strings.Contains(string(up), `{"signed_curve25519":2}`) || !strings.Contains(string(raw), `"device_one_time_keys_count":{"signed_curve25519":2}`) {
		t.Errorf("keys/upload says %s and /sync %s: a client would upload more for ever", up, raw)
	}
}

// nheko 0.11 and matrix-nio 0.20 cannot read a create event without its creator, as room version 11 allows.
func TestOlderClientsFindTheCreator(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	for version, want := range map[string]bool{"10": true, "11": true, "12": false} {
		room := alice.CreateRoomWith(t, map[string]any{"room_version": version})
		_, raw := alice.Do(t, "GET", despatchtest.Path(room, "state/m.room.create/"), nil)
		if got := strings.Contains(string(raw), `"creator":"@alice:example.org"`); got != want {
			t.Errorf("version %s names its creator: %v, want %v: %s", version, got, want, raw)
		}
	}
}

// Many change what is not on the record at once, while another asks for it: nothing is missed.
func TestNothingBesideTheRecordIsMissed(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	next := alice.Sync(t, 0).NextBatch
	const each, writers = 40, 4
	for w := range writers {
		go func() {
			for i := range each {
				alice.Do(t, "PUT", fmt.Sprintf("%suser/%s/account_data/org.example.%d.%d", client, alice.ID, w, i), map[string]any{})
			}
		}()
	}
	seen := map[string]bool{}
	for deadline := time.Now().Add(20 * time.Second); len(seen) < each*writers; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d changes came", len(seen), each*writers)
		}
		var s despatchtest.Sync
		_, raw := alice.Do(t, "GET", client+"sync?timeout=1000&since="+next, nil)
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		next = s.NextBatch
		for _, e := range s.AccountData.Events {
			seen[e.Type] = true
		}
	}
}
