package matrix

import (
	"encoding/json"
	"testing"
)

func TestAppendClient(t *testing.T) {
	message := draft()
	message.Content = []byte(`{"msgtype":"m.text", "body":"hello"}`)
	member := draft()
	odd := `@"odd"\user:despatch.example`
	member.Type, member.StateKey, member.Content = TypeMember, &odd, []byte(`{"membership":"join","displayname":"Odd"}`)
	redaction := draft()
	redaction.Type, redaction.Redacts = TypeRedaction, "$RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"
	redaction.Content = []byte(`{"reason":"slip","redacts":"$elsewhere"}`)
	age := int64(-5)

	const common = `"origin_server_ts":1763836800000,`
	for name, test := range map[string]struct {
		v    RoomVersion
		d    *Draft
		f    ClientFormat
		want string // with ID for the event's ID
	}{
		"message": {V11, message, ClientFormat{Position: -1},
			`{"content":{"body":"hello","msgtype":"m.text"},"event_id":"ID",` + common + `"room_id":"!abcdefghijklmnopqr:despatch.example","sender":"@alice:despatch.example","type":"m.room.message"}`},
		"in sync": {V11, message, ClientFormat{OmitRoomID: true, Age: &age, TransactionID: `a"b`, Membership: "join"},
			`{"content":{"body":"hello","msgtype":"m.text"},"event_id":"ID",` + common + `"sender":"@alice:despatch.example","type":"m.room.message","unsigned":{"age":-5,"membership":"join","org.despatch.position":0,"transaction_id":"a\"b"}}`},
		"redacted": {V11, message, ClientFormat{OmitRoomID: true, Position: 3, Redacted: true, RedactedBecause: []byte(`{"type":"m.room.redaction"}`)},
			`{"content":{},"event_id":"ID",` + common + `"sender":"@alice:despatch.example","type":"m.room.message","unsigned":{"org.despatch.position":3,"redacted_because":{"type":"m.room.redaction"}}}`},
		"state": {V11, member, ClientFormat{OmitRoomID: true, Position: -1, PrevContent: []byte(`{"membership":"invite"}`), ReplacesState: "$before", Extra: []byte(`"m.relations":{},"x":1`)},
			`{"content":{"displayname":"Odd","membership":"join"},"event_id":"ID",` + common + `"sender":"@alice:despatch.example","state_key":"@\"odd\"\\user:despatch.example","type":"m.room.member","unsigned":{"prev_content":{"membership":"invite"},"replaces_state":"$before","m.relations":{},"x":1}}`},
		"redacted state": {V11, member, ClientFormat{OmitRoomID: true, Position: -1, Redacted: true},
			`{"content":{"membership":"join"},"event_id":"ID",` + common + `"sender":"@alice:despatch.example","state_key":"@\"odd\"\\user:despatch.example","type":"m.room.member"}`},
		// A redaction says what it redacts in both places, whatever its version says, and only one thing.
		"redaction 10": {V10, redaction, ClientFormat{OmitRoomID: true, Position: -1},
			`{"content":{"reason":"slip","redacts":"$RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"},"event_id":"ID",` + common + `"redacts":"$RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR","sender":"@alice:despatch.example","type":"m.room.redaction"}`},
		"redaction 11": {V11, redaction, ClientFormat{OmitRoomID: true, Position: -1},
			`{"content":{"reason":"slip","redacts":"$RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"},"event_id":"ID",` + common + `"redacts":"$RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR","sender":"@alice:despatch.example","type":"m.room.redaction"}`},
		"redacted redaction 10": {V10, redaction, ClientFormat{OmitRoomID: true, Position: -1, Redacted: true},
			`{"content":{},"event_id":"ID",` + common + `"sender":"@alice:despatch.example","type":"m.room.redaction"}`},
		"redacted redaction 11": {V11, redaction, ClientFormat{OmitRoomID: true, Position: -1, Redacted: true},
			`{"content":{"redacts":"$RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"},"event_id":"ID",` + common + `"redacts":"$RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR","sender":"@alice:despatch.example","type":"m.room.redaction"}`},
	} {
		e := mustBuild(t, test.v, test.d)
		stored, err := ParseStored(test.v, e.ID, e.JSON)
		if err != nil {
			t.Fatal(err)
		}
		want := replaceID(test.want, e.ID)
		for _, e := range []*Event{e, stored} {
			got := e.AppendClient([]byte("before"), test.f)
			if string(got) != "before"+want || !json.Valid(got[6:]) {
				t.Errorf("%s:\n got %s\nwant before%s", name, got, want)
			}
		}
	}
}

func replaceID(s string, id EventID) string {
	const mark = `"event_id":"ID"`
	for i := 0; i+len(mark) <= len(s); i++ {
		if s[i:i+len(mark)] == mark {
			return s[:i] + `"event_id":"` + string(id) + `"` + s[i+len(mark):]
		}
	}
	return s
}

func TestAppendStripped(t *testing.T) {
	d := draft()
	d.Type, d.StateKey, d.Content = "m.room.name", new(string), []byte(`{"name":"School meals"}`)
	got := string(mustBuild(t, V11, d).AppendStripped(nil))
	want := `{"content":{"name":"School meals"},"sender":"@alice:despatch.example","state_key":"","type":"m.room.name"}`
	if got != want {
		t.Errorf("AppendStripped = %s, want %s", got, want)
	}
}
