package matrix

import "testing"

// What Room Version 11 says of third_party_invite, which the oracle's library does not know.
func TestRedactThirdPartyInvite(t *testing.T) {
	for _, test := range []struct {
		v        RoomVersion
		in, want string
	}{
		{V10, `{"membership":"invite","third_party_invite":{"display_name":"x","signed":{"token":"t"}}}`, `{"membership":"invite"}`},
		{V11, `{"membership":"invite","third_party_invite":{"display_name":"x","signed":{"token":"t"}}}`, `{"membership":"invite","third_party_invite":{"signed":{"token":"t"}}}`},
		{V12, `{"third_party_invite":{"signed":{"token":"t"}}}`, `{"third_party_invite":{"signed":{"token":"t"}}}`},
		{V11, `{"third_party_invite":{"display_name":"x"}}`, `{"third_party_invite":{}}`},
		{V11, `{"third_party_invite":"x"}`, `{}`},
	} {
		in := `{"type":"m.room.member","signatures":{"a":{}},"unsigned":{"b":1},"content":` + test.in + `}`
		want := `{"content":` + test.want + `,"signatures":{"a":{}},"type":"m.room.member"}`
		if got, err := Redact(test.v, []byte(in)); err != nil || string(got) != want {
			t.Errorf("Redact(%s, %s) = %s, %v; want %s", test.v, in, got, err, want)
		}
	}
}

// Content that is no object is nobody's event, and must not survive a redaction.
func TestRedactOddContent(t *testing.T) {
	for _, content := range []string{`"secret"`, `["secret"]`, `7`, `null`} {
		for _, typ := range []string{TypeCreate, TypeMember, "m.room.message"} {
			got, err := Redact(V11, []byte(`{"type":"`+typ+`","content":`+content+`}`))
			if want := `{"content":{},"type":"` + typ + `"}`; err != nil || string(got) != want {
				t.Errorf("Redact of %s with content %s = %s, %v; want %s", typ, content, got, err, want)
			}
		}
	}
}
