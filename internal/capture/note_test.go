package capture_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestNote(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		w := open(t, target)
		from := time.Date(2026, 3, 2, 14, 5, 0, 0, time.FixedZone("", 3600))
		n := capture.Note{With: []string{"Dr Ash", "Mr Bell"}, Channel: "telephone", From: from, To: from.Add(20 * time.Minute),
			Text: "Agreed to send the letter.\nShe will call the clinic.", Dictated: true}
		rc, err := w.Note(t.Context(), "@asha:example.org", n)
		if err != nil {
			t.Fatal(err)
		}
		if rc.Status != capture.StatusRead || len(rc.Conversations) != 1 || rc.Conversations[0].Items != 1 || rc.Run.Variant != "dictated" {
			t.Fatalf("receipt is %+v", rc)
		}
		e, err := store.EntryAt(t.Context(), w.DB.Reader(), rc.Conversations[0].First)
		if err != nil {
			t.Fatal(err)
		}
		o, err := capture.DecodeObservation(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind != capture.KindNote || o.Sender != "@asha:example.org" || o.Text != n.Text || o.Body != n.Text || len(o.To) != 2 || o.To[1].Name != "Mr Bell" {
			t.Errorf("the note on the record is %+v", o)
		}
		// 14:05 at +01:00 is 13:05 UTC; twenty minutes later it is 13:25.
		min, max := time.Date(2026, 3, 2, 13, 5, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 3, 2, 13, 25, 0, 0, time.UTC).UnixMilli()
		if o.Sent.Min != min || o.Sent.Max != max || o.Sent.Local != "2026-03-02T14:05:00" {
			t.Errorf("the note is of %+v, want %d to %d", o.Sent, min, max)
		}

		size := w.size()
		again, err := w.Note(t.Context(), "@asha:example.org", n)
		if err != nil || !again.Repeated || w.size() != size {
			t.Errorf("the same note again: repeated %v, %d new entries, %v", again.Repeated, w.size()-size, err)
		}
	})
}

func TestNoteWrong(t *testing.T) {
	w := open(t, sqldbtest.SQLite(t))
	good := capture.Note{With: []string{"Ash"}, Channel: "telephone", From: time.Now().Add(-time.Hour), Text: "yes"}
	for field, spoil := range map[string]func(*capture.Note){
		"with":    func(n *capture.Note) { n.With = nil },
		"channel": func(n *capture.Note) { n.Channel = " " },
		"text":    func(n *capture.Note) { n.Text = strings.Repeat("x", capture.MaxNoteText+1) },
		"from":    func(n *capture.Note) { n.From = time.Now().Add(time.Hour) },
		"to":      func(n *capture.Note) { n.To = n.From.Add(-time.Second) },
	} {
		n := good
		spoil(&n)
		_, err := w.Note(t.Context(), "@asha:example.org", n)
		if bad, ok := errors.AsType[*capture.NoteError](err); !ok || bad.Field != field {
			t.Errorf("a note with a wrong %s: %v", field, err)
		}
	}
	if w.size() != 0 {
		t.Errorf("%d entries of notes that are wrong", w.size())
	}
}

// TestNoteResumes files a note whose submission a crash left without its message.
func TestNoteResumes(t *testing.T) {
	w := open(t, sqldbtest.SQLite(t))
	n := capture.Note{With: []string{"Ash"}, Channel: "telephone", From: time.Now().Add(-time.Hour), Text: "yes"}
	broken := errors.New("broken off")
	w.Detect = func(*capture.Observation, []string) *capture.Finding { panic(broken) } // as late as can be before the message is recorded
	func() {
		defer func() {
			if r := recover(); r != broken {
				t.Fatalf("recovered %v", r)
			}
		}()
		w.Note(t.Context(), "@asha:example.org", n)
	}()
	w.Detect = nil
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := w.Submissions(t.Context(), "@asha:example.org", 10)
	if err != nil || len(list) != 1 || list[0].Status != string(capture.StatusRead) || list[0].Messages != 1 {
		t.Errorf("submissions are %+v, %v", list, err)
	}
}
