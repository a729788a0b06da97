package clientapi_test

import (
	"net/url"
	"strings"
	"testing"

	"despatch/despatchtest"
)

// Somebody who was away from a conversation in which only those who are in it see what is said is shown nothing of
// what was said meanwhile, by whichever way they ask.
func TestWhatWasSaidWhileAway(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoomWith(t, map[string]any{"preset": "public_chat", "initial_state": []map[string]any{
		{"type": "m.room.history_visibility", "content": map[string]any{"history_visibility": "joined"}}}}, bob)
	root := string(alice.Send(t, room, "seen before"))
	if status, raw := bob.Do(t, "POST", despatchtest.Path(room, "leave"), map[string]any{}); status != 200 {
		t.Fatalf("leave: %d %s", status, raw)
	}
	hidden := alice.SendContent(t, room, "m.room.message", relates("m.thread", root, map[string]any{"body": "said while away"}))
	alice.SendContent(t, room, "m.room.message", relates("m.replace", root, map[string]any{"body": "* edited while away",
		"m.new_content": map[string]any{"msgtype": "m.text", "body": "edited while away"}}))
	if status, raw := bob.Do(t, "POST", despatchtest.Path(room, "join"), map[string]any{}); status != 200 {
		t.Fatalf("join: %d %s", status, raw)
	}
	last := string(alice.Send(t, room, "seen again"))
	if err := d.Index.Wait(t.Context(), d.Rec.Head().Edge.Size); err != nil {
		t.Fatal(err)
	}
	v1 := "/_matrix/client/v1/rooms/" + url.PathEscape(string(room)) + "/"
	for _, path := range []string{despatchtest.Path(room, "messages?dir=b&limit=100"), despatchtest.Path(room, "messages?dir=f&limit=100"),
		despatchtest.Path(room, "context/"+url.PathEscape(root)+"?limit=50"), despatchtest.Path(room, "context/"+url.PathEscape(last)+"?limit=50"),
		despatchtest.Path(room, "event/"+url.PathEscape(root)), v1 + "relations/" + url.PathEscape(root), v1 + "threads",
		client + "sync", client + "sync?full_state=true"} {
		status, raw := bob.Do(t, "GET", path, nil)
		if status != 200 {
			t.Errorf("GET %s = %d %s", path, status, raw)
		}
		if strings.Contains(string(raw), "while away") {
			t.Errorf("GET %s shows what was said while away: %s", path, raw)
		}
	}
	bob.Fails(t, "GET", despatchtest.Path(room, "event/"+url.PathEscape(string(hidden))), nil, 404, "M_NOT_FOUND")
	bob.Fails(t, "GET", despatchtest.Path(room, "context/"+url.PathEscape(string(hidden))), nil, 404, "M_NOT_FOUND")
	_, raw := bob.Do(t, "POST", client+"search", map[string]any{"search_categories": map[string]any{"room_events": map[string]any{"search_term": "away"}}})
	if strings.Contains(string(raw), "while away") {
		t.Errorf("search shows what was said while away: %s", raw)
	}
	_, raw = bob.Do(t, "GET", despatchtest.Path(room, "messages?dir=b&limit=100"), nil)
	for _, want := range []string{"seen before", "seen again", `"membership":"join"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("what bob may see lacks %s: %s", want, raw)
		}
	}
	d.CheckRecord(t)
}
