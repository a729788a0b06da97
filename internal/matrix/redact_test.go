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

// What the older versions keep of an event (Room Versions 7, 8 and 9, "Redactions"), written down from there.
func TestOlderVersionsKeepLess(t *testing.T) {
	for _, test := range []struct {
		version          RoomVersion
		typ, in, want    string
		restricted, both bool
	}{
		{V7, TypeJoinRules, `{"allow":[],"join_rule":"public"}`, `{"join_rule":"public"}`, false, false},
		{V8, TypeJoinRules, `{"allow":[],"join_rule":"public"}`, `{"allow":[],"join_rule":"public"}`, true, false},
		{V8, TypeMember, `{"join_authorised_via_users_server":"@a:b","membership":"join"}`, `{"membership":"join"}`, true, false},
		{V9, TypeMember, `{"join_authorised_via_users_server":"@a:b","membership":"join"}`, `{"join_authorised_via_users_server":"@a:b","membership":"join"}`, true, false},
		{V10, TypeCreate, `{"creator":"@a:b","x":1}`, `{"creator":"@a:b"}`, true, true},
		{V11, TypeCreate, `{"creator":"@a:b","x":1}`, `{"creator":"@a:b","x":1}`, true, true},
	} {
		if got := string(appendRedactedContent(nil, test.version, test.typ, []byte(test.in))); got != test.want {
			t.Errorf("version %s, %s: %s is left, want %s", test.version, test.typ, got, test.want)
		}
		if test.version.Restricted() != test.restricted || test.version.KnockRestricted() != test.both {
			t.Errorf("version %s: restricted %v and with knocking %v, want %v and %v", test.version, test.version.Restricted(), test.version.KnockRestricted(), test.restricted, test.both)
		}
	}
}
