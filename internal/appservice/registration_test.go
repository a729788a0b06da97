package appservice

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"despatch/internal/matrix"
)

// whatsapp is a registration as mautrix-whatsapp writes it.
const whatsapp = `id: whatsapp
url: http://localhost:29318
as_token: Zq5DCvSQBBVZbpLaSnFHWxs4CuF1PnE0XJUEqSQ2
hs_token: pPPMIdXoxTGMbwcbzx7wuCCHXWzqzZ2HIs4ZtXSH
sender_localpart: G3dWZFqRVhbGWRKBN8vCgGVAVmmBGyLf
rate_limited: false
namespaces:
    users:
        - regex: ^@whatsappbot:example\.org$
          exclusive: true
        - regex: ^@whatsapp_.*:example\.org$
          exclusive: true
de.sorunome.msc2409.push_ephemeral: true
receive_ephemeral: true
`

func TestParse(t *testing.T) {
	r, err := Parse([]byte(strings.ReplaceAll(whatsapp, "G3dWZFqRVhbGWRKBN8vCgGVAVmmBGyLf", "g3dwzfqrvhbg")))
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != "whatsapp" || r.URL != "http://localhost:29318" || r.RateLimited || !r.Ephemeral || r.unstable || r.ToDevice || len(r.Users) != 2 {
		t.Errorf("registration = %+v", r)
	}
	for who, want := range map[matrix.UserID]bool{"@whatsapp_4479:example.org": true, "@whatsappbot:example.org": true,
		"@alice:example.org": false, "@whatsapp_1:elsewhere.org": false, "@xwhatsapp_1:example.org": false} {
		if _, exclusive := matches(r.Users, string(who)); exclusive != want {
			t.Errorf("%s is the bridge's: %t, want %t", who, exclusive, want)
		}
	}
	puppets, err := Parse([]byte("id: puppets\nurl: null\nas_token: 0123456789abcdefg\nhs_token: unused-unused-unused\nsender_localpart: puppets\n" +
		"rate_limited: false\nnamespaces:\n  users:\n  - {regex: '@.*:example\\.org', exclusive: false}\n"))
	if err != nil || puppets.URL != "" {
		t.Fatalf("double puppeting: %v, url %q", err, puppets.URL)
	}
	if yes, exclusive := matches(puppets.Users, "@alice:example.org"); !yes || exclusive {
		t.Errorf("double puppeting of alice: %t, exclusive %t", yes, exclusive)
	}
}

// withCapitals: some bridges draw their sender_localpart from capitals and small letters. Nobody else uses it,
// so it is taken in small letters.
func TestParseSenderWithCapitals(t *testing.T) {
	r, err := Parse([]byte(whatsapp))
	if err != nil || r.SenderLocalpart != "g3dwzfqrvhbgwrkbn8vcggvavmmbgylf" {
		t.Errorf("sender = %q, %v", r.SenderLocalpart, err)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "id: a\nurl: http://x:1\nas_token: 0123456789abcdef\nhs_token: fedcba9876543210\nsender_localpart: a\nnamespaces: {users: []}\n"
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"no id": {"id: a", "id: ''"}, "an id with a slash": {"id: a", "id: a/b"}, "a short token": {"0123456789abcdef", "short"},
		"the same tokens": {"fedcba9876543210", "0123456789abcdef"}, "no sender": {"sender_localpart: a", "sender_localpart: ''"},
		"a sender with a space": {"sender_localpart: a", "sender_localpart: 'a b'"}, "a url of files": {"http://x:1", "file:///etc/passwd"},
		"a url without host": {"http://x:1", "'http://'"}, "a bad pattern": {"users: []", "users: [{regex: '(', exclusive: true}]"},
		"an empty pattern":     {"users: []", "users: [{regex: '', exclusive: true}]"},
		"a long pattern":       {"users: []", "users: [{regex: '" + strings.Repeat("a", 1001) + "', exclusive: true}]"},
		"too many patterns":    {"users: []", "users: [" + strings.Repeat("{regex: a}, ", 101) + "]"},
		"a list":               {good, "[]"},
		"no YAML":              {good, "\x00"},
		"nothing":              {good, ""},
		"a text for a boolean": {"namespaces", "rate_limited: perhaps\nnamespaces"},
	} {
		if _, err := Parse([]byte(strings.Replace(good, change[0], change[1], 1))); !errors.Is(err, ErrRegistration) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Parse(make([]byte, maxFile+1)); !errors.Is(err, ErrRegistration) {
		t.Errorf("a long file: %v", err)
	}
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.yaml"), filepath.Join(dir, "two.yaml")
	os.WriteFile(one, []byte(good), 0o600)
	os.WriteFile(two, []byte(strings.Replace(good, "id: a", "id: b", 1)), 0o600)
	if _, err := Load([]string{one, two}); !errors.Is(err, ErrRegistration) {
		t.Errorf("two with the same token: %v", err)
	}
	if _, err := Load([]string{filepath.Join(dir, "none.yaml")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whatsapp))
	f.Add([]byte("id: &a [*a]"))
	f.Add([]byte("{\"id\": \"x\", \"namespaces\": {\"users\": [{\"regex\": \"(a+)+$\"}]}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrRegistration) {
				t.Errorf("error %v", err)
			}
			return
		}
		if r.ID == "" || len(r.ASToken) < minToken || r.ASToken == r.HSToken || r.SenderLocalpart == "" {
			t.Errorf("%+v was taken", r)
		}
		matches(r.Users, "@whatsapp_4479:example.org")
	})
}
