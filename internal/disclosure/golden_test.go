package disclosure

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-json-experiment/json"

	"despatch/internal/matrix"
)

var update = flag.Bool("update", false, "write the golden file anew")

// What stands on the record about a case, and how it is read out, changes only on purpose: it is kept for decades.
func TestEntries(t *testing.T) {
	hits := 12
	bounds := &Bounds{People: []string{"@ben:example.org"}, Conversations: []string{"!a:example.org"}, From: Date{2026, 1, 1}, To: Date{2026, 3, 31}}
	all := &Totals{Items: 3, Released: 1, Redacted: 1, Withheld: 1}
	redact := &Decision{Outcome: Redact, Codes: []string{"40(2)"}, Spans: []Span{{Start: 5, End: 15}, {Edit: 1, Start: 0, End: 4, Codes: []string{"42"}}}, HideSender: true, Note: "third party", Public: "See our letter."}
	var out bytes.Buffer
	for _, e := range []entry{
		{Type: "case.opened", Kind: FOI, Reference: "FOI-2026-0001", Title: "The harbour contract", Request: "All messages, please.", Received: Date{2026, 1, 5}, Due: Date{2026, 2, 2},
			DueBasis: FOI.info().basis, Bounds: bounds, Officers: []matrix.UserID{"@olive:example.org"}},
		{Type: "case.bounds", Bounds: bounds},
		{Type: "case.bounds", Bounds: &Bounds{}},
		{Type: "case.due", Due: Date{2026, 3, 2}, DueBasis: "extended for the public interest test"},
		{Type: "case.officer.assigned", Officer: "@oscar:example.org"},
		{Type: "case.officer.removed", Officer: "@oscar:example.org"},
		{Type: "search", Query: "harbour", Hits: &hits, Size: 100, Items: []int64{7, 9}},
		{Type: "search", Hits: &hits, More: true, Size: 100, After: "abc"},
		{Type: "search.conversations", Find: "fish"},
		{Type: "collection", Items: []int64{7, 9}, Size: 101, Voids: "00ff"},
		{Type: "view.items", Items: []int64{7, 9}},
		{Type: "view.item", Items: []int64{7}},
		{Type: "view.context", Items: []int64{6, 7, 8}},
		{Type: "decision", Items: []int64{7}, Decision: redact},
		{Type: "decision", Items: []int64{7, 9}, Decision: &Decision{Outcome: Release}, Voids: "00ff"},
		{Type: "case.submitted", Totals: all},
		{Type: "case.sent_back", Note: "Look at the second one."},
		{Type: "case.approved", Digest: "00ff"},
		{Type: "bundle.made", Bundle: "0a", File: "FOI-2026-0001.zip", Bytes: 99, SHA256: "00ff", Digest: "00ff", Size: 120, Totals: all},
		{Type: "bundle.opened", Bundle: "0a", File: "FOI-2026-0001.zip", SHA256: "00ff"},
		{Type: "case.closed", Outcome: "Answered."},
	} {
		e.Case, e.By = "c1", "@olive:example.org"
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if body, err = matrix.Canonical(nil, body); err != nil {
			t.Fatal(err)
		}
		var back entry
		if err := json.Unmarshal(body, &back); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		fmt.Fprintf(&out, "%s\n\t%s\n", body, back.words(func(id matrix.UserID) string { return id.Localpart() }))
	}
	const file = "testdata/entries.golden"
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%v; got\n%s", err, out.Bytes())
	}
}
