package console_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/identity"
	"despatch/internal/store"
)

const ashasCopy = `[27/10/2023, 10:00:05] Asha Rao: Good morning Tom, can we go through the figures before the committee meets?
[27/10/2023, 10:00:20] ~ Tommy: Yes, at ten, if the minister's office has sent the annex by then
[27/10/2023, 10:01:02] Asha Rao: ok
[27/10/2023, 10:02:00] ~ Tommy: The supplier wants an answer about the water quality contract today
[27/10/2023, 10:05:00] Asha Rao: Tell them we never discussed a price on this number, please
[27/10/2023, 10:07:00] Asha Rao: Understood. Paragraph four of the letter stays as it is then
[27/10/2023, 10:08:00] Asha Rao: I shall ring the hospital this afternoon about all of it
[27/10/2023, 10:09:00] ~ Tommy: Very funny. See you at the department on Monday morning then
`

const tomsCopy = `27/10/2023, 12:00 - +44 7700 900123: Good morning Tom, can we go through the figures before the committee meets?
27/10/2023, 12:00 - Tom Field: Yes, at ten, if the minister's office has sent the annex by then
27/10/2023, 12:01 - +44 7700 900123: ok
27/10/2023, 12:02 - Tom Field: The supplier wants an answer about the water quality contract today
27/10/2023, 12:05 - +44 7700 900123: This message was deleted
27/10/2023, 12:06 - Tom Field: I would rather not put that in writing at all, to be honest
27/10/2023, 12:07 - +44 7700 900123: Understood. Paragraph four of the letter stays as it is then
27/10/2023, 12:08 - +44 7700 900123: I shall ring the hospital this afternoon about all of it
27/10/2023, 12:09 - Tom Field: Very funny. See you at the department on Monday morning then
`

// handIn files a WhatsApp export for somebody and returns its conversation.
func (o *office) handIn(t testing.TB, person, zone, text string) string {
	t.Helper()
	f, err := capture.NewFile(t.Context(), person+".txt", bytes.NewReader([]byte(text)), int64(len(text)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	opt := capture.Options{DateOrder: "dmy"}
	if zone != "" {
		if opt.Zone, err = time.LoadLocation(zone); err != nil {
			t.Fatal(err)
		}
	}
	r, err := o.Capture.Submit(t.Context(), capture.Upload{Person: "@" + person + ":example.org", Files: []*capture.File{f}, Options: opt})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Conversations) != 1 {
		t.Fatalf("%d conversations: %v", len(r.Conversations), r.Summary())
	}
	return r.Conversations[0].ID
}

// compared waits until the server has compared, by itself, all that was handed in.
func (o *office) compared(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		due, err := store.LinksDue(t.Context(), o.DB.Reader(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			return
		}
	}
	t.Fatal("what was handed in is not compared")
}

// Two people's copies of one chat become one, by themselves, after they were handed in. A records officer
// sees who wrote and when, what is missing and what the copies disagree about; what was said, only within
// a case; and can part and join messages and take that back.
func TestChats(t *testing.T) {
	o := start(t)
	o.add(t, "asha", identity.Staff)
	o.add(t, "tom", identity.Staff)
	ruth := o.signIn(t, "ruth", identity.Records)
	chat := o.handIn(t, "asha", "Europe/London", ashasCopy)
	o.handIn(t, "tom", "", tomsCopy)
	o.compared(t)
	ruth.get(t, "/console/captures")
	ruth.follow(t, "Chats that several people handed in").want(t, 200, "Possible doubles to look at: 0 pairs of chats and 0 pairs of messages", "Asha", "Tom")
	at := "/console/chats/" + chat
	p := ruth.get(t, at)
	p.want(t, 200, "from 2 copies", "A: Asha Rao, B: +44 7700 900123", "Copy A lacks a message of", "was deleted", "Deleted in a copy", "UTC+3:00", "All (9)", "Missing from a copy (1)")
	if strings.Contains(p.body, "never discussed") || strings.Contains(p.body, "rather not") {
		t.Error("an officer reads what was said outside of a case")
	}
	ruth.get(t, at+"?show=lacking").want(t, 200, "Missing from a copy (1)", "missing from A")
	if got := len(ruth.page.found()); got != 1 {
		t.Errorf("%d messages are missing from a copy, want 1", got)
	}

	// Within a case whose scope holds both copies, what was said is shown, and that is recorded.
	o.indexed(t)
	at1 := ruth.openCase(t, "foi", "The water quality contract")
	ruth.get(t, at1+"/scope")
	ruth.submit(t, at1+"/scope", "people", "@asha:example.org\n@tom:example.org").want(t, 200, "Search and collect")
	id := at1[strings.LastIndex(at1, "/")+1:]
	before := o.Rec.Head().Edge.Size
	ruth.get(t, at+"?case="+id).want(t, 200, "This look-up is recorded", "never discussed a price", "rather not put that in writing")
	if o.Rec.Head().Edge.Size != before+1 {
		t.Errorf("reading a chat made %d entries, want 1", o.Rec.Head().Edge.Size-before)
	}
	// The deleted message, with its sources.
	ruth.get(t, at+"?case="+id+"&show=deleted").want(t, 200, "Deleted in a copy (1)")
	deleted := ruth.page.found()[0]
	ruth.get(t, at+"/messages/"+deleted+"?case="+id).want(t, 200, "One message, as each copy has it", "never discussed", "The note that a message was deleted", "line 5", "msg_", "words, time, sender taken from here", "Why they are one message")

	// Not the same, and back again.
	one := ruth.page.path
	ruth.submit(t, "/console/chats/doubts", "answer", "apart").want(t, 200, "It is on the record that they are not the same.", "said that messages", "are not the same")
	ruth.get(t, at).want(t, 200, "All (10)", "Deleted in a copy (0)")
	ruth.get(t, "/console/chats/doubts")
	ruth.submit(t, "/console/chats/undo").want(t, 200, "this was taken back", "and that was taken back")
	ruth.get(t, at).want(t, 200, "All (9)", "Deleted in a copy (1)")
	ruth.get(t, one).want(t, 200, "One message, as each copy has it")

	// What cannot be.
	root, list := int64(0), []int64(nil)
	for pos := int64(0); pos < o.Rec.Head().Edge.Size; pos++ {
		if r, err := store.MessageOf(t.Context(), o.DB.Reader(), pos); err == nil && r != pos {
			root = r
			break
		}
	}
	list, err := store.ObservationsOf(t.Context(), o.DB.Reader(), root)
	if err != nil || len(list) != 2 {
		t.Fatalf("observations of %d: %v, %v", root, list, err)
	}
	ruth.get(t, "/console/chats/nothing").want(t, 404, "There is no such captured chat.")
	ruth.get(t, at+"/messages/1").want(t, 404, "There is no such message")
	o.CheckRecord(t)
}

// A pair that is likely, and not certain, waits for a person.
func TestDoubts(t *testing.T) {
	o := start(t)
	o.add(t, "asha", identity.Staff)
	o.add(t, "tom", identity.Staff)
	ruth := o.signIn(t, "ruth", identity.Records)
	chat := o.handIn(t, "asha", "Europe/London", ashasCopy)
	// Tom's telephone shows seconds too, and says something else in one place.
	toms := strings.NewReplacer("~ Tommy", "Tom Field", "Asha Rao", "Asha from work", "Tell them we never discussed a price on this number, please", "Tell them twelve thousand").Replace(ashasCopy)
	o.handIn(t, "tom", "Europe/London", toms)
	o.compared(t)
	p := ruth.get(t, "/console/chats/doubts")
	p.want(t, 200, "Are these one message?", "The words differ, from the same person at the same moment.", "27/10/2023, 10:05:00", "Text of 25 characters")
	if strings.Contains(p.body, "twelve thousand") {
		t.Error("an officer reads what was said outside of a case")
	}
	ruth.submit(t, "/console/chats/doubts", "answer", "same").want(t, 200, "It is on the record that they are the same.", "There is nothing to look at.")
	ruth.get(t, "/console/chats/"+chat).want(t, 200, "All (8)", "The copies disagree (1)", "Other words")
	ruth.get(t, "/console/chats/doubts")
	ruth.submit(t, "/console/chats/undo").want(t, 200, "Are these one message?")
	o.CheckRecord(t)
}
