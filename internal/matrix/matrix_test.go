package matrix

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
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

// Appendices, "Canonical JSON", "Examples".
func TestSpecificationCanonical(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`{}`, `{}`},
		{`{ "one": 1, "two": "Two" }`, `{"one":1,"two":"Two"}`},
		{`{ "b": "2", "a": "1" }`, `{"a":"1","b":"2"}`},
		{`{"b":"2","a":"1"}`, `{"a":"1","b":"2"}`},
		{`{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[
			{"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}`,
			`{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}`},
		{`{"a": "日本語"}`, `{"a":"日本語"}`},
		{`{"本": 2, "日": 1}`, `{"日":1,"本":2}`},
		{`{"a": "\u65E5"}`, `{"a":"日"}`},
		{`{"a": null}`, `{"a":null}`},
		{`{"a": -0, "b": 10000000000}`, `{"a":0,"b":10000000000}`}, // the original has 1e10: see Canonical
	} {
		got, err := Canonical(nil, []byte(test.in))
		if err != nil || string(got) != test.want {
			t.Errorf("Canonical(%s) = %s, %v; want %s", test.in, got, err, test.want)
		}
	}
}

func draft() *Draft {
	return &Draft{
		RoomID: "!abcdefghijklmnopqr:despatch.example", Type: "m.room.message", Sender: "@alice:despatch.example",
		Content:    []byte(`{"msgtype":"m.text","body":"The minister has asked for the paper on school meals by noon. Could you send what there is, please? I will put the annexes in afterwards.","m.mentions":{"user_ids":["@bob:despatch.example"]}}`),
		PrevEvents: []EventID{"$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		AuthEvents: []EventID{"$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "$CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC",
			"$DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD"},
		Depth: 12, OriginServerTS: 1763836800000, Salt: [16]byte{1, 2, 3},
	}
}

func TestBuildParses(t *testing.T) {
	for _, v := range []RoomVersion{V10, V11, V12} {
		d := draft()
		if v == V12 {
			d.RoomID = "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		}
		built, err := d.Build(v)
		if err != nil {
			t.Fatal(err)
		}
		if canonical, err := Canonical(nil, built.JSON); err != nil || !bytes.Equal(canonical, built.JSON) {
			t.Errorf("built event is not canonical: %s (%v)", built.JSON, err)
		}
		parsed, err := Parse(v, built.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.ID != built.ID {
			t.Errorf("version %s: ID as parsed %s, as built %s", v, parsed.ID, built.ID)
		}
		if !json.Valid(built.AppendClient(nil, ClientFormat{Position: 7, TransactionID: "x"})) {
			t.Errorf("client format is not JSON: %s", built.AppendClient(nil, ClientFormat{}))
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	d := draft()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Build(V11); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseStored(b *testing.B) {
	e, _ := draft().Build(V11)
	b.ReportAllocs()
	b.SetBytes(int64(len(e.JSON)))
	for b.Loop() {
		if _, err := ParseStored(V11, e.ID, e.JSON); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendClient(b *testing.B) {
	e, _ := draft().Build(V11)
	age := int64(1234)
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendClient(buf[:0], ClientFormat{OmitRoomID: true, Age: &age, Position: 12345, TransactionID: "m1763836800.1", Membership: "join"})
	}
}

func BenchmarkCanonical(b *testing.B) {
	d := draft()
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = Canonical(buf[:0], d.Content)
	}
}
