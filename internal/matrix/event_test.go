package matrix

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

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

// What was built, what is parsed and what comes back from the store are the same, for events of all kinds.
func TestBuildVectors(t *testing.T) {
	for i, v := range vectors(t) {
		e, err := Parse(v.Version, []byte(v.Event))
		if err != nil {
			t.Fatal(err)
		}
		d := Draft{Type: e.Type, StateKey: e.StateKey, Sender: e.Sender, Content: e.Content, PrevEvents: e.PrevEvents,
			AuthEvents: e.AuthEvents, Depth: e.Depth, OriginServerTS: e.OriginServerTS, Salt: [SaltSize]byte{byte(i)}}
		if !v.Version.HashedRoomID() || e.Type != TypeCreate {
			d.RoomID = e.RoomID
		}
		if e.Type == TypeRedaction {
			d.Redacts = "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		}
		built := checkBuilt(t, v.Version, &d)
		if beside := Lookup(built.JSON, "redacts") != nil; beside != (d.Redacts != "" && v.Version == V10) {
			t.Errorf("version %s: redacts stands beside the content: %s", v.Version, built.JSON)
		}
	}
}

// checkBuilt builds an event and, if that is possible, compares it with what others make of its JSON.
func checkBuilt(t *testing.T, v RoomVersion, d *Draft) *Event {
	t.Helper()
	built, err := d.Build(v)
	if err != nil {
		return nil
	}
	if canonical, err := Canonical(nil, built.JSON); err != nil || !bytes.Equal(canonical, built.JSON) {
		t.Errorf("not canonical (%v): %s", err, built.JSON)
	}
	if parsed, err := Parse(v, built.JSON); err != nil || !sameEvent(parsed, built) {
		t.Errorf("parsed %+v, %v; built %+v", parsed, err, built)
	}
	if stored, err := ParseStored(v, built.ID, built.JSON); err != nil || !sameEvent(stored, built) {
		t.Errorf("stored %+v, %v; built %+v", stored, err, built)
	}
	redacted, err := Redact(v, built.JSON)
	if err != nil || !bytes.Equal(redacted, built.RedactedJSON()) || bytes.Contains(redacted, []byte(saltField)) {
		t.Errorf("redacted %s, %v; RedactedJSON %s", redacted, err, built.RedactedJSON())
	}
	if r, err := ParseRedacted(v, redacted); err != nil || r.ID != built.ID || !bytes.Equal(r.Content, built.RedactedContent()) {
		t.Errorf("parsed from redacted %+v, %v; built %+v", r, err, built)
	}
	return built
}

// Two events that differ in nothing but the salt have different IDs, and the ID of a redacted event can be
// computed without the salt: but not that of a guess at its content.
func TestSalt(t *testing.T) {
	d := draft()
	one, err := d.Build(V11)
	if err != nil {
		t.Fatal(err)
	}
	d.Salt[0]++
	two, err := d.Build(V11)
	if err != nil {
		t.Fatal(err)
	}
	if one.ID == two.ID {
		t.Error("the salt does not change the event ID")
	}
	if got, want := one.Salt(), "AQIDAAAAAAAAAAAAAAAAAA"; got != want {
		t.Errorf("Salt() = %q, want %q", got, want)
	}
	for _, form := range [][]byte{one.RedactedJSON(), one.AppendClient(nil, ClientFormat{}), one.AppendClient(nil, ClientFormat{Redacted: true})} {
		if bytes.Contains(form, []byte("salt")) || bytes.Contains(form, []byte(one.Salt())) {
			t.Errorf("shows the salt: %s", form)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	long := strings.Repeat("x", 256)
	for name, test := range map[string]struct {
		v      RoomVersion
		change func(*Draft)
		want   error
	}{
		"version":            {"6", func(d *Draft) {}, ErrInvalid},
		"no JSON":            {V11, func(d *Draft) { d.Content = []byte("{") }, ErrNotJSON},
		"float":              {V11, func(d *Draft) { d.Content = []byte(`{"a":1.5}`) }, ErrBadJSON},
		"content an array":   {V11, func(d *Draft) { d.Content = []byte("[]") }, ErrBadJSON},
		"no content":         {V11, func(d *Draft) { d.Content = nil }, ErrNotJSON},
		"long type":          {V11, func(d *Draft) { d.Type = long }, ErrTooLarge},
		"long state key":     {V11, func(d *Draft) { d.StateKey = &long }, ErrTooLarge},
		"bad type":           {V11, func(d *Draft) { d.Type = "\xff" }, ErrInvalid},
		"no sender":          {V11, func(d *Draft) { d.Sender = "" }, ErrInvalid},
		"bad sender":         {V11, func(d *Draft) { d.Sender = "@x\xff:y" }, ErrInvalid},
		"no room":            {V11, func(d *Draft) { d.RoomID = "" }, ErrBadJSON},
		"room of version 12": {V11, func(d *Draft) { d.RoomID = "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }, ErrInvalid},
		"room of version 11": {V12, func(d *Draft) {}, ErrInvalid},
		"room in create":     {V12, func(d *Draft) { d.Type, d.StateKey = TypeCreate, new(string) }, ErrBadJSON},
		"depth":              {V11, func(d *Draft) { d.Depth = -1 }, ErrBadJSON},
		"large depth":        {V11, func(d *Draft) { d.Depth = 1 << 53 }, ErrInvalid},
		"time":               {V11, func(d *Draft) { d.OriginServerTS = -1 }, ErrInvalid},
		"redacts":            {V11, func(d *Draft) { d.Redacts = draft().PrevEvents[0] }, ErrInvalid},
		"redacts nothing":    {V11, func(d *Draft) { d.Type, d.Redacts = TypeRedaction, "$x" }, ErrInvalid},
		"previous events":    {V11, func(d *Draft) { d.PrevEvents = make([]EventID, 21) }, ErrTooLarge},
		"auth events":        {V11, func(d *Draft) { d.AuthEvents = make([]EventID, 11) }, ErrTooLarge},
		"bad previous event": {V11, func(d *Draft) { d.PrevEvents = []EventID{"$x"} }, ErrInvalid},
	} {
		d := draft()
		test.change(d)
		if _, err := d.Build(test.v); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// The largest event that is built fits, with a signature, where the specification says it has to.
func TestBuildSize(t *testing.T) {
	d := draft()
	build := func(n int) (*Event, error) {
		d.Content = []byte(`{"body":"` + strings.Repeat("x", n) + `"}`)
		return d.Build(V11)
	}
	largest := 0
	for lo, hi := 0, MaxEventSize; lo < hi; {
		mid := (lo + hi + 1) / 2
		if _, err := build(mid); err == nil {
			lo, largest = mid, mid
		} else if hi = mid - 1; !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
	}
	e, err := build(largest)
	if err != nil || len(e.JSON)+signatureRoom != maxBuilt {
		t.Fatalf("largest event has %d bytes (%v), want %d", len(e.JSON), err, maxBuilt-signatureRoom)
	}
	name := strings.Repeat("s", 255)
	signed, err := SignEvent(V11, e.JSON, ServerName(name), "ed25519:a_key_with_a_long_name_of_32", make([]byte, 64))
	if err != nil || len(signed) > maxBuilt {
		t.Errorf("signed it has %d bytes (%v), want at most %d", len(signed), err, maxBuilt)
	}
}

func TestCreateVersion12(t *testing.T) {
	d := Draft{Type: TypeCreate, StateKey: new(string), Sender: "@alice:despatch.example", Content: []byte(`{"room_version":"12"}`)}
	e := checkBuilt(t, V12, &d)
	if e == nil || e.RoomID != RoomID("!"+e.ID[1:]) || Lookup(e.JSON, "room_id") != nil {
		t.Fatalf("create event %+v, want its own ID as room ID and no room_id", e)
	}
	if got := e.RoomID.CreateEvent(); got != e.ID {
		t.Errorf("CreateEvent() = %s, want %s", got, e.ID)
	}
	if got, _ := LookupString(e.AppendClient(nil, ClientFormat{Position: -1}), "room_id"); got != string(e.RoomID) {
		t.Errorf("clients are shown room_id %q, want %q", got, e.RoomID)
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(mustBuild(t, V11, draft()).JSON)
	for name, test := range map[string]struct {
		v        RoomVersion
		old, new string
		want     error
	}{
		"version":        {"6", "", "", ErrInvalid},
		"no JSON":        {V11, `"depth":12`, `"depth":`, ErrNotJSON},
		"float":          {V11, `"depth":12`, `"depth":12.0`, ErrBadJSON},
		"twice":          {V11, `"depth":12`, `"depth":12,"depth":12`, ErrBadJSON},
		"no depth":       {V11, `"depth":12,`, ``, ErrBadJSON},
		"negative depth": {V11, `"depth":12`, `"depth":-12`, ErrBadJSON},
		"depth a string": {V11, `"depth":12`, `"depth":"12"`, ErrBadJSON},
		"no type":        {V11, `"type":"m.room.message"`, `"x":1`, ErrBadJSON},
		"type a number":  {V11, `"type":"m.room.message"`, `"type":1`, ErrBadJSON},
		"long type":      {V11, `"m.room.message"`, `"` + strings.Repeat("é", 128) + `"`, ErrTooLarge},
		"no time":        {V11, `"origin_server_ts"`, `"x"`, ErrBadJSON},
		"no content":     {V11, `"content"`, `"x"`, ErrBadJSON},
		"no auth events": {V11, `"auth_events"`, `"x"`, ErrBadJSON},
		"no prev events": {V11, `"prev_events"`, `"x"`, ErrBadJSON},
		"no sender":      {V11, `"sender"`, `"x"`, ErrBadJSON},
		"bad sender":     {V11, `"@alice:`, `"alice:`, ErrInvalid},
		"no room":        {V11, `"room_id"`, `"x"`, ErrBadJSON},
		"bad room":       {V11, `"!abc`, `"#abc`, ErrInvalid},
		"wrong room":     {V12, "", "", ErrInvalid},
		"event IDs":      {V11, `["$AAA`, `["AAA`, ErrInvalid},
		"not event IDs":  {V11, `["$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]`, `[["$x",{}]]`, ErrBadJSON},
		"state key":      {V11, `"type"`, `"state_key":null,"type"`, ErrBadJSON},
		"other content":  {V11, `minister`, `Minister`, ErrContentHash},
		"other salt":     {V11, `"AQID`, `"AQIE`, ErrContentHash},
		"no hash":        {V11, `"sha256"`, `"sha512"`, ErrContentHash},
		"too large":      {V11, `"type"`, `"more":"` + strings.Repeat("x", MaxEventSize) + `","type"`, ErrTooLarge},
	} {
		in := strings.Replace(good, test.old, test.new, 1)
		if in == good && test.old != test.new {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := Parse(test.v, []byte(in)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	for _, in := range []string{"[]", "7", "null", `"x"`, "{}"} {
		if _, err := Parse(V11, []byte(in)); !errors.Is(err, ErrBadJSON) {
			t.Errorf("Parse(%s): %v, want %v", in, err, ErrBadJSON)
		}
	}
}

// Signatures, unsigned data and the form that the JSON had on its way are not part of the event.
func TestParseForm(t *testing.T) {
	want := mustBuild(t, V11, draft())
	in := strings.Replace(string(want.JSON), `"depth":12`, `"signatures":{"x":{"ed25519:1":"AA"}}, "unsigned" : {"age":5}, "depth": 12`, 1)
	got, err := Parse(V11, []byte(in))
	if err != nil || !sameEvent(got, want) {
		t.Errorf("Parse = %+v, %v; want %+v", got, err, want)
	}
	padded := strings.Replace(string(want.JSON), `"},"org.despatch.salt"`, `="},"org.despatch.salt"`, 1)
	if _, err := Parse(V11, []byte(padded)); err != nil {
		t.Errorf("content hash with padding: %v", err)
	}
}

func TestParseStoredRefuses(t *testing.T) {
	good := string(mustBuild(t, V11, draft()).JSON)
	for _, in := range []string{"", "{}", "null", good[:len(good)-1], good[:100], good[1:], strings.Replace(good, `"sender"`, `"x"`, 1)} {
		if e, err := ParseStored(V11, "$x", []byte(in)); !errors.Is(err, ErrBadJSON) {
			t.Errorf("ParseStored(%q) = %+v, %v; want %v", in, e, err, ErrBadJSON)
		}
	}
}

func mustBuild(t testing.TB, v RoomVersion, d *Draft) *Event {
	t.Helper()
	e, err := d.Build(v)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEventHelpers(t *testing.T) {
	var none *Event
	if none.Membership() != "" || none.Is(TypeCreate, "") {
		t.Error("no event has a membership or a type")
	}
	d := draft()
	if e := mustBuild(t, V11, d); e.IsState() || e.Is("m.room.message", "") || e.Membership() != "" {
		t.Error("a message is no state and no membership")
	}
	bob := "@bob:despatch.example"
	d.Type, d.StateKey, d.Content = TypeMember, &bob, []byte(`{"membership":"invite"}`)
	if e := mustBuild(t, V11, d); !e.IsState() || !e.Is(TypeMember, bob) || e.Membership() != "invite" {
		t.Error("an invitation is state and a membership")
	}
}

// No event that can be parsed disagrees with itself; the fuzzer changes whole events.
func FuzzParse(f *testing.F) {
	for i, v := range vectors(f) {
		if i%7 == 0 {
			f.Add(uint8(i), []byte(v.Event))
		}
	}
	f.Fuzz(func(t *testing.T, version uint8, in []byte) {
		v := []RoomVersion{V10, V11, V12}[version%3]
		e, err := ParseRedacted(v, in)
		if err != nil {
			return
		}
		whole, err := Parse(v, in)
		if err != nil && !errors.Is(err, ErrContentHash) {
			return // what redaction took away was at fault
		}
		if err == nil {
			if whole.ID != e.ID {
				t.Fatalf("ID %s, of the redacted form %s", whole.ID, e.ID)
			}
			stored, err := ParseStored(v, whole.ID, bytes.Clone(whole.JSON))
			if err != nil || !sameEvent(stored, whole) {
				t.Fatalf("stored %+v, %v; parsed %+v", stored, err, whole)
			}
			e = whole
		}
		for _, format := range []ClientFormat{{}, {Redacted: true, Position: -1}} {
			if shown := e.AppendClient(nil, format); !json.Valid(shown) {
				t.Fatalf("clients are shown %s", shown)
			}
		}
	})
}

// Redaction is idempotent, keeps the event ID, and keeps only what it may.
func FuzzRedact(f *testing.F) {
	for i, v := range vectors(f) {
		if i%7 == 0 {
			f.Add(uint8(i), []byte(v.Event))
		}
	}
	f.Fuzz(func(t *testing.T, version uint8, in []byte) {
		v := []RoomVersion{V10, V11, V12}[version%3]
		once, err := Redact(v, in)
		if err != nil {
			return
		}
		twice, err := Redact(v, once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("redacted once %s, twice %s, %v", once, twice, err)
		}
		canonical, _ := Canonical(nil, in)
		unsigned := without(canonical, "signatures")
		if a, b := referenceID(v, unsigned), referenceID(v, without(once, "signatures")); a != b {
			t.Fatalf("ID %s, of the redacted form %s", a, b)
		}
		Members(once, func(name string, value []byte) bool {
			if name != "content" && !bytes.Equal(value, Lookup(canonical, name)) {
				t.Fatalf("%q became %s in %s", name, value, once)
			}
			return true
		})
	})
}

// Whatever can be built can be parsed again.
func FuzzBuild(f *testing.F) {
	f.Add(uint8(1), "m.room.message", "", false, "@a:b", "!a:b", []byte(`{"body":"x"}`), int64(1))
	f.Add(uint8(2), "m.room.create", "", true, "@a:b", "", []byte(`{"a":"\n"}`), int64(1))
	f.Fuzz(func(t *testing.T, version uint8, typ, stateKey string, state bool, sender, room string, content []byte, depth int64) {
		d := Draft{Type: typ, Sender: UserID(sender), RoomID: RoomID(room), Content: content, Depth: depth}
		if state {
			d.StateKey = &stateKey
		}
		checkBuilt(t, []RoomVersion{V10, V11, V12}[version%3], &d)
	})
}
