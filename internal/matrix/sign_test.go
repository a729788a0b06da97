package matrix

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// Appendices, "Cryptographic Test Vectors".
func TestSpecificationSignatures(t *testing.T) {
	seed, _ := base64.RawStdEncoding.DecodeString("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
	key := ed25519.NewKeyFromSeed(seed)
	public := key.Public().(ed25519.PublicKey)
	for _, test := range []struct{ in, signature, hash string }{
		{`{}`, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ", ""},
		{`{"one": 1, "two": "Two"}`, "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw", ""},
		{`{"room_id":"!x:domain","sender":"@a:domain","origin":"domain","origin_server_ts":1000000,"signatures":{},
			"hashes":{},"type":"X","content":{},"prev_events":[],"auth_events":[],"depth":3,"unsigned":{"age_ts":1000000}}`,
			"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
			"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},
		{`{"content":{"body":"Here is the message content"},"event_id":"$0:domain","origin":"domain",
			"origin_server_ts":1000000,"type":"m.room.message","room_id":"!r:domain","sender":"@u:domain",
			"signatures":{},"unsigned":{"age_ts":1000000}}`,
			"Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
			"onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"},
	} {
		var signed []byte
		var err error
		if test.hash == "" {
			if signed, err = SignJSON([]byte(test.in), "domain", "ed25519:1", key); err == nil {
				err = VerifyJSON(signed, "domain", "ed25519:1", public)
			}
		} else {
			// The redactions of version 10 keep all that those of version 1 do in these events.
			if signed, err = SignEvent(V10, []byte(test.in), "domain", "ed25519:1", key); err == nil {
				err = VerifyEvent(V10, signed, "domain", "ed25519:1", public)
			}
			if got, _ := LookupString(signed, "hashes", "sha256"); got != test.hash {
				t.Errorf("content hash of %s = %s, want %s", test.in, got, test.hash)
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", test.in, err)
		}
		if got, _ := LookupString(signed, "signatures", "domain", "ed25519:1"); got != test.signature {
			t.Errorf("signature of %s = %s, want %s", test.in, got, test.signature)
		}
	}
}

func TestSignatureIsChecked(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	signed, err := SignJSON([]byte(`{"a":1,"signatures":{"other":{"ed25519:x":"AA"}},"unsigned":{"b":2}}`), "domain", "ed25519:1", key)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := LookupString(signed, "signatures", "other", "ed25519:x"); got != "AA" {
		t.Errorf("another's signature = %q, want it kept", got)
	}
	if err := VerifyJSON(append([]byte(" "), signed...), "domain", "ed25519:1", public); err != nil {
		t.Error(err)
	}
	padded := strings.Replace(string(signed), `"}`, `=="}`, 1)
	if err := VerifyJSON([]byte(padded), "domain", "ed25519:1", public); err != nil {
		t.Errorf("with padding: %v", err)
	}
	for name, object := range map[string]string{
		"another object":    strings.Replace(string(signed), `"a":1`, `"a":2`, 1),
		"another entity":    strings.Replace(string(signed), `"domain"`, `"domoin"`, 1),
		"another signature": strings.Replace(string(signed), `"domain":{"ed25519:1":"`, `"domain":{"ed25519:1":"AAAA`, 1),
		"not base64":        strings.Replace(string(signed), `"domain":{"ed25519:1":"`, `"domain":{"ed25519:1":"!`, 1),
	} {
		if err := VerifyJSON([]byte(object), "domain", "ed25519:1", public); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v, want %v", name, err, ErrSignature)
		}
	}
	if err := VerifyJSON(signed, "domain", "ed25519:1", public[:31]); !errors.Is(err, ErrSignature) {
		t.Errorf("short key: %v, want %v", err, ErrSignature)
	}
}

// A signature on an event holds for its redacted form too, and not for one whose kept fields were changed.
func TestSignedEventRedacted(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	e, err := draft().Build(V11)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := SignEvent(V11, e.JSON, "despatch.example", "ed25519:1", key)
	if err != nil {
		t.Fatal(err)
	}
	redacted, err := Redact(V11, signed)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range [][]byte{signed, redacted} {
		if err := VerifyEvent(V11, form, "despatch.example", "ed25519:1", public); err != nil {
			t.Errorf("%v\n%s", err, form)
		}
	}
	parsed, err := Parse(V11, signed)
	if err != nil || parsed.ID != e.ID {
		t.Errorf("parse what was signed: %v, %v; want %s", parsed, err, e.ID)
	}
	if _, err := Parse(V11, redacted); !errors.Is(err, ErrContentHash) {
		t.Errorf("parse the redacted form: %v, want %v", err, ErrContentHash)
	}
	if parsed, err = ParseRedacted(V11, redacted); err != nil || parsed.ID != e.ID || string(parsed.Content) != "{}" {
		t.Errorf("parse the redacted form as such: %v, %v; want %s", parsed, err, e.ID)
	}
	changed := []byte(strings.Replace(string(signed), `"depth":12`, `"depth":13`, 1))
	if err := VerifyEvent(V11, changed, "despatch.example", "ed25519:1", public); !errors.Is(err, ErrSignature) {
		t.Errorf("changed: %v, want %v", err, ErrSignature)
	}
}

func TestParseKeyID(t *testing.T) {
	for id, ok := range map[string]bool{"ed25519:1": true, "ed25519:a_B9": true, "ed25519:": false, "ed25519": false,
		"curve25519:1": false, "ed25519:a-b": false, "ed25519:é": false, "": false} {
		if _, err := ParseKeyID(id); (err == nil) != ok {
			t.Errorf("ParseKeyID(%q): %v, want ok = %t", id, err, ok)
		}
	}
}
