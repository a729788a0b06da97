package matrix

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// vector is a line of testdata/events.jsonl: an event, and what gomatrixserverlib makes of it (see oracle).
type vector struct {
	Version     RoomVersion
	Event       string
	ContentHash string `json:"content_hash"`
	ID          EventID
	Redacted    json.RawMessage
}

func vectors(t testing.TB) (all []vector) {
	f, err := os.Open("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil || len(all) == 0 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	return all
}

func TestVectors(t *testing.T) {
	for i, v := range vectors(t) {
		e, err := Parse(v.Version, []byte(v.Event))
		if err != nil {
			t.Errorf("vector %d: %v\n%s", i, err, v.Event)
			continue
		}
		if e.ID != v.ID {
			t.Errorf("vector %d: ID %s, want %s", i, e.ID, v.ID)
		}
		if got, _ := LookupString(e.JSON, "hashes", "sha256"); got != v.ContentHash || contentHash(e.JSON) != got {
			t.Errorf("vector %d: content hash %s, want %s", i, got, v.ContentHash)
		}
		got, err := Redact(v.Version, []byte(v.Event))
		if err != nil || !bytes.Equal(got, v.Redacted) {
			t.Errorf("vector %d: redacted (%v)\n%s, want\n%s", i, err, got, v.Redacted)
		}
		stored, err := ParseStored(v.Version, e.ID, e.JSON)
		if err != nil || !sameEvent(stored, e) {
			t.Errorf("vector %d: parsed from the store %+v (%v), want %+v", i, stored, err, e)
		}
	}
}

func sameEvent(a, b *Event) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}
