package matrix

import (
	"errors"
	"strings"
	"testing"
)

const hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_"

func TestParseIdentifiers(t *testing.T) {
	parsers := map[string]func(string) error{
		"user":   func(s string) error { _, err := ParseUserID(s); return err },
		"room":   func(s string) error { _, err := ParseRoomID(s); return err },
		"event":  func(s string) error { _, err := ParseEventID(s); return err },
		"alias":  func(s string) error { _, err := ParseRoomAlias(s); return err },
		"server": func(s string) error { _, err := ParseServerName(s); return err },
	}
	long := strings.Repeat("x", 300)
	for kind, ids := range map[string]struct{ good, bad []string }{
		"user": {
			[]string{"@alice:matrix.org", "@a.b_c=d-e/f+9:h", "@Ünï:h", "@:h", "@a b:[::1]:8448", "@a:b:1"},
			[]string{"", "@", "alice:h", "@alice", "@alice:", "@alice:h:", "@a\x00:h", "@a\xff:h", "@a:b:c", "@" + long + ":h", "!a:h"}},
		"room": {
			[]string{"!abc:matrix.org", "!\n:h", "!" + hash},
			[]string{"!abc", "!" + hash[1:], "!" + hash + "A", "!" + hash[1:] + "+", "#a:h", "$" + hash, "!a:" + long}},
		"event": {
			[]string{"$" + hash},
			[]string{"$abc:matrix.org", "$" + hash[1:], "$" + hash[1:] + "/", "!" + hash, "", "$" + hash + "A"}},
		"alias": {
			[]string{"#a:h", "#日本:h"},
			[]string{"#a", "a:h", "#a:", "#a\x00:h"}},
		"server": {
			[]string{"matrix.org", "matrix.org:8888", "1.2.3.4", "1.2.3.4:1234", "[1234:5678::abcd]", "[1234:5678::abcd]:5678", "localhost", "a-b.C"},
			[]string{"", ":80", "a:", "a:123456", "a:x", "a_b", "a b", "1.2.3.256", "1.2.3.", "[::1", "::1", "[1.2.3.4]", "[::1%25eth0]", "é.org", "a/b", long}},
	} {
		for _, id := range ids.good {
			if err := parsers[kind](id); err != nil {
				t.Errorf("%s %q: %v", kind, id, err)
			}
		}
		for _, id := range ids.bad {
			if err := parsers[kind](id); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s %q: %v, want %v", kind, id, err, ErrInvalid)
			}
		}
	}
}

func TestNewUserID(t *testing.T) {
	if id, err := NewUserID("a.b_c=d-e/f+9", "h:1"); err != nil || id != "@a.b_c=d-e/f+9:h:1" {
		t.Errorf("NewUserID = %q, %v", id, err)
	}
	for _, local := range []string{"", "A", "é", "a:b", "a b", strings.Repeat("x", 255)} {
		if id, err := NewUserID(local, "h"); !errors.Is(err, ErrInvalid) {
			t.Errorf("NewUserID(%q) = %q, %v; want %v", local, id, err, ErrInvalid)
		}
	}
}

func TestIdentifierParts(t *testing.T) {
	for _, test := range []struct {
		local, wantLocal string
		server, want     ServerName
	}{
		{UserID("@a:b:1").Localpart(), "a", UserID("@a:b:1").Server(), "b:1"},
		{RoomID("!a:[::1]").Localpart(), "a", RoomID("!a:[::1]").Server(), "[::1]"},
		{RoomID("!" + hash).Localpart(), hash, RoomID("!" + hash).Server(), ""},
		{RoomAlias("#a:b").Localpart(), "a", RoomAlias("#a:b").Server(), "b"},
		{UserID("").Localpart(), "", UserID("").Server(), ""},
		{UserID(":").Localpart(), "", UserID(":").Server(), ""},
	} {
		if test.local != test.wantLocal || test.server != test.want {
			t.Errorf("parts %q, %q; want %q, %q", test.local, test.server, test.wantLocal, test.want)
		}
	}
	if got := RoomID("!" + hash).CreateEvent(); got != "$"+hash {
		t.Errorf("CreateEvent() = %q, want %q", got, "$"+hash)
	}
	if got := RoomID("!a:b").CreateEvent(); got != "" {
		t.Errorf("CreateEvent() = %q, want none", got)
	}
}
