package capture_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/email"
	"despatch/internal/capture/spillage"
	"despatch/internal/capture/unstructured"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

// TestSeal hands in a picture whose name bears a marking, and a mail whose header does: both are sealed in the commit
// that records them, their attachments cannot be opened, and a release opens them.
func TestSeal(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		w := open(t, target)
		w.Detect = spillage.Find
		w.Parsers = []capture.Parser{email.Parser{}, unstructured.Parser{}}
		mail := "From: Asha <asha@example.org>\r\nTo: tom@example.org\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nSubject: Convoy\r\n" +
			"X-Protective-Marking: VER=2024.1,\r\n NS=gov.au, SEC=SECRET\r\n\r\nIt leaves at six.\r\n"
		picture := file(t, "TOP SECRET - plan.png", []byte("\x89PNG\r\n\x1a\n0000"))
		for _, c := range []struct {
			f       *capture.File
			marking string
			place   string
		}{{picture, "TOP SECRET", spillage.InName}, {file(t, "convoy.eml", []byte(mail)), "SECRET", spillage.InHeader}} {
			rc := w.submit(t, "@asha:example.org", capture.Options{Zone: time.UTC}, c.f)
			if len(rc.Conversations) != 1 || rc.Conversations[0].Items != 1 {
				t.Fatalf("%s: receipt is %+v", c.f.Name, rc)
			}
			pos := rc.Conversations[0].First
			s, err := store.SealedAt(t.Context(), w.DB.Reader(), pos)
			if err != nil || s.Marking != c.marking || s.Place != c.place || s.State != store.Sealed || s.Person != "@asha:example.org" {
				t.Errorf("%s: the seal is %+v, %v", c.f.Name, s, err)
			}
		}
		plain := w.submit(t, "@asha:example.org", capture.Options{}, file(t, "coffee.txt", []byte("The secret of good coffee")))
		if sealed, err := store.IsSealed(t.Context(), w.DB.Reader(), plain.Conversations[0].First); sealed || err != nil {
			t.Errorf("coffee is sealed, %v", err)
		}

		list, err := store.SealedItems(t.Context(), w.DB.Reader(), store.Sealed, 1<<40, 10)
		if err != nil || len(list) != 2 {
			t.Fatalf("sealed are %+v, %v", list, err)
		}
		if _, _, err := w.Attachment(t.Context(), picture.SHA256); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the sealed picture opens: %v", err)
		}
		pos := list[1].Pos
		size := w.size()
		if _, item, err := w.LookAtSealed(t.Context(), "@sam:example.org", pos); err != nil || item.Marking != "TOP SECRET" || w.size() != size+1 {
			t.Errorf("looked at %+v, %d entries, %v", item, w.size()-size, err)
		}
		for _, reason := range []string{"", "  ", strings.Repeat("x", 2001), "\xff"} {
			if err := w.DecideSealed(t.Context(), "@sam:example.org", pos, true, reason); err != capture.ErrReason {
				t.Errorf("with the reason %.10q: %v", reason, err)
			}
		}
		if err := w.DecideSealed(t.Context(), "@sam:example.org", pos, true, "A cartoon."); err != nil {
			t.Fatal(err)
		}
		if err := w.DecideSealed(t.Context(), "@sam:example.org", 12345, true, "None."); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a message that is not sealed: %v", err)
		}
		r, _, err := w.Attachment(t.Context(), picture.SHA256)
		if err != nil {
			t.Fatalf("the released picture: %v", err)
		}
		r.Close()

		p, err := w.Preview(t.Context(), []*capture.File{file(t, "x.txt", []byte("UK SECRET\nthe convoy"))}, capture.Options{}, nil)
		if err != nil || len(p.Warnings) == 0 || p.Warnings[len(p.Warnings)-1].Code != "marked" {
			t.Errorf("the preview warns of %+v, %v", p.Warnings, err)
		}
	})
}
