package console_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/identity"
	"despatch/internal/search"
	"despatch/internal/store"
)

const spiltChat = "01/11/2025, 10:00 - Asha Rao: The mackerel secret of good coffee\n" +
	"01/11/2025, 10:01 - Asha Rao: SECRET: the mackerel convoy leaves at six\n" +
	"01/11/2025, 10:02 - Tom Field: NATO SECRET mackerel annex follows\n" +
	"01/11/2025, 10:03 - Asha Rao: top secret recipe for mackerel\n"

// count says how many messages a query finds.
func (o *office) count(t *testing.T, words string) int {
	t.Helper()
	o.indexed(t)
	q, err := search.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	res, err := o.Index.Search(t.Context(), q, search.Bounds{}, search.Page{Count: true})
	if err != nil {
		t.Fatal(err)
	}
	if res.Total != len(res.Hits) {
		t.Errorf("%q finds %d and counts %d", words, len(res.Hits), res.Total)
	}
	return res.Total
}

// TestSpillage captures a chat with two markings and two harmless secrets. What is marked nobody finds or
// reads, but for the security officer, who releases one and keeps the other.
func TestSpillage(t *testing.T) {
	o := start(t)
	asha := o.User(t, "asha")
	ruth := o.signIn(t, "ruth", identity.Records)
	sam := o.signIn(t, "sam", identity.Security)
	chloe := o.signIn(t, "chloe", identity.IT)
	sam.get(t, "/console/").want(t, 200, "nothing waits")
	data := []byte(spiltChat)
	f, err := capture.NewFile(t.Context(), "WhatsApp Chat with Tom Field.txt", bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := o.Capture.Submit(t.Context(), capture.Upload{Person: string(asha.ID), Files: []*capture.File{f}, Options: capture.Options{Zone: time.UTC, DateOrder: "dmy"}})
	if err != nil || len(rc.Conversations) != 1 || rc.Conversations[0].Items != 4 {
		t.Fatalf("receipt is %+v, %v", rc, err)
	}
	if s := strings.Join(rc.Summary(), "\n"); !strings.Contains(s, "It was sealed") {
		t.Errorf("the receipt does not tell of the seals:\n%s", s)
	}
	if n := o.count(t, "mackerel"); n != 2 {
		t.Errorf("a search finds %d messages, want the two without a marking", n)
	}
	list, err := store.SealedItems(t.Context(), o.DB.Reader(), store.Sealed, 1<<40, 10)
	if err != nil || len(list) != 2 || list[0].Marking != "NATO SECRET" || list[1].Marking != "SECRET" || list[0].Person != string(asha.ID) {
		t.Fatalf("sealed are %+v, %v", list, err)
	}

	at := ruth.openCase(t, "foi", "Messages about mackerel")
	ruth.declare(t, at, "Asha Rao")
	ruth.get(t, at+"/search?q=mackerel").want(t, 200, "2 found", "good coffee", "recipe")
	if len(ruth.page.found()) == 0 {
		t.Fatal(ruth.page.body)
	}
	around := ruth.get(t, at+"/around/"+ruth.page.found()[0])
	if strings.Contains(around.text(), "convoy") || strings.Contains(around.text(), "annex") {
		t.Errorf("what was said around a message shows what is sealed: %s", around.text())
	}

	one, two := fmt.Sprintf("/console/spillage/%d", list[0].Pos), fmt.Sprintf("/console/spillage/%d", list[1].Pos)
	for _, b := range []*browser{ruth, chloe} {
		for _, path := range []string{"/console/spillage", one} {
			if p := b.get(t, path); p.status != 403 || strings.Contains(p.body, "annex") {
				t.Errorf("%s is shown to the wrong person: %d", path, p.status)
			}
		}
	}
	sam.get(t, "/console/").want(t, 200, "2 captured messages bear a marking")
	sam.get(t, "/console/spillage").want(t, 200, "To be looked at (2)", "NATO SECRET", "Asha")
	if strings.Contains(sam.page.text(), "convoy") {
		t.Error("the list shows what a message says")
	}
	size := o.Rec.Head().Edge.Size
	sam.get(t, one).want(t, 200, "mackerel annex follows", "Tom Field", "That you looked at it is on the record.")
	if o.Rec.Head().Edge.Size != size+1 {
		t.Error("looking left nothing on the record")
	}
	sam.submit(t, one).want(t, 422, "Choose what it is.", "Give a reason.")
	sam.submit(t, one, "answer", "release").want(t, 422, "Give a reason.")
	sam.submit(t, one, "answer", "release", "reason", "A joke about lunch.").want(t, 200, "The message is released.", "To be looked at (1)", "Released (1)")
	sam.get(t, two)
	sam.submit(t, two, "answer", "keep", "reason", "Reported as an incident.").want(t, 200, "The message stays sealed.", "There is nothing in this list.")
	sam.get(t, "/console/spillage?show=kept").want(t, 200, "Reported as an incident.")
	sam.get(t, one).want(t, 200, "was released")
	sam.get(t, "/console/spillage/999999").want(t, 404)
	if err := o.Capture.DecideSealed(t.Context(), "@sam:example.org", list[0].Pos, false, "no"); err != capture.ErrDecided {
		t.Errorf("what was released is sealed again: %v", err)
	}

	if n := o.count(t, "mackerel"); n != 3 {
		t.Errorf("after the release a search finds %d messages, want 3", n)
	}
	ruth.get(t, at+"/search?q=mackerel").want(t, 200, "3 found", "annex follows")
	if strings.Contains(ruth.page.text(), "convoy") {
		t.Error("what is kept sealed is shown in a case")
	}
	o.CheckRecord(t)
}
