package office_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/capture"
	"despatch/internal/capture/office"
	"despatch/internal/capture/whatsapp"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/media"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// desk is the records office with all it stands on, on a clock that the test turns.
type desk struct {
	*office.Service
	clock       atomic.Int64
	ruth, alice matrix.UserID
}

func (d *desk) set(t time.Time) { d.clock.Store(t.UnixMilli()) }

func open(t testing.TB, target string) *desk {
	t.Helper()
	ctx := context.Background()
	d := &desk{}
	d.set(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	now := func() time.Time { return time.UnixMilli(d.clock.Load()) }
	db := sqldbtest.Open(t, target)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(store.Migrate(ctx, db))
	private, _, err := record.GenerateKey(rand.Reader, record.Origin("example.org"))
	check(err)
	signer, err := note.NewSigner(private)
	check(err)
	log := slog.New(slog.DiscardHandler)
	project := func(ctx context.Context, tx *sqldb.Tx, entries []recorder.Committed) error {
		return errors.Join(capture.Project(ctx, tx, entries), office.Project(ctx, tx, entries))
	}
	rec, err := recorder.Open(ctx, recorder.Options{DB: db, Signer: signer, Log: log, Now: now, Project: project})
	check(err)
	t.Cleanup(func() { rec.Close() })
	files, err := media.New(media.Options{Dir: t.TempDir(), Server: "example.org", DB: db, Record: rec, Log: log})
	check(err)
	people := identity.New(identity.Options{Server: "example.org", DB: db, Record: rec, Log: log, Now: now, Cost: identity.Cost{Memory: 64, Passes: 1}})
	captures := &capture.Service{DB: db, Record: rec, Media: files, Parsers: []capture.Parser{whatsapp.Parser{}}, Now: now, Log: log}
	london, err := time.LoadLocation("Europe/London")
	check(err)
	d.Service = &office.Service{DB: db, Record: rec, Identity: people, Capture: captures, Zone: london, Now: now, Log: log}
	d.ruth, err = people.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: "ruth", Name: "Ruth", Password: "harbour kettle lantern", Roles: []identity.Role{identity.Staff, identity.Records}})
	check(err)
	d.alice, err = people.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: "alice", Name: "Alice", Password: "harbour kettle lantern"})
	check(err)
	return d
}

func (d *desk) handIn(t testing.TB, who matrix.UserID, chat string) *capture.Receipt {
	t.Helper()
	f, err := capture.NewFile(t.Context(), "WhatsApp Chat with Ward 7.txt", strings.NewReader(chat), int64(len(chat)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := d.Capture.Submit(t.Context(), capture.Upload{Person: string(who), Files: []*capture.File{f}})
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

func refusedWith(t testing.TB, err error, text string) {
	t.Helper()
	x, ok := errors.AsType[*httpd.Error](err)
	if !ok || !strings.Contains(x.Message, text) {
		t.Errorf("error %v, want a refusal with %q", err, text)
	}
}

const chat = "13/04/2021, 10:15 - Asha Rao: Bed 4 is free from noon.\n27/04/2021, 08:02 - Asha Rao: Who has the keys?\n"

// TestRequest asks, reminds by the clock, and has it answered in each of the ways there are.
func TestRequest(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := open(t, target)
		ctx := t.Context()
		due := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		ask := office.Ask{Person: d.alice, Why: "phone", What: "Your copies of the group Ward 7", Due: due}
		_, err := d.Ask(ctx, d.alice, ask)
		refusedWith(t, err, "Only a records officer")
		late := ask
		late.Due = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
		_, err = d.Ask(ctx, d.ruth, late)
		refusedWith(t, err, "That day is over")
		r, err := d.Ask(ctx, d.ruth, ask)
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC).UnixMilli() - 1; r.ID != "R1" || r.State != office.Asked || r.Due != want {
			t.Fatalf("the request is %+v, want R1 due at %d", r, want)
		}

		reminders := func(at time.Time, want int) {
			t.Helper()
			d.set(at)
			for range 2 { // the second time there is nothing left to remind of
				got, err := d.Remind(ctx)
				if err != nil || got != want {
					t.Errorf("at %s: %d reminders (%v), want %d", at, got, err, want)
				}
				want = 0
			}
		}
		reminders(time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC), 0)
		reminders(time.Date(2026, 11, 14, 9, 0, 0, 0, time.UTC), 1)  // a week before
		reminders(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), 1)  // a day before
		reminders(time.Date(2026, 11, 21, 0, 30, 0, 0, time.UTC), 1) // overdue
		reminders(time.Date(2026, 12, 6, 0, 0, 0, 0, time.UTC), 1)   // two weeks at once, after somebody was away
		counts, err := store.CountCaptureRequests(ctx, d.DB.Reader(), d.clock.Load())
		if err != nil || !reflect.DeepEqual(counts, map[string]int64{"overdue": 1}) {
			t.Errorf("counted %v (%v), want one overdue", counts, err)
		}

		rc := d.handIn(t, d.alice, chat)
		refusedWith(t, d.HandIn(ctx, d.ruth, "R1", rc.Submission), "You handed in nothing")
		if err := d.HandIn(ctx, d.alice, "R1", rc.Submission); err != nil {
			t.Fatal(err)
		}
		r, subs, err := d.Request(ctx, "R1")
		if err != nil || r.State != office.HandedIn || r.Answer != rc.Submission || len(subs) != 1 {
			t.Errorf("after handing in: %+v, %d submissions (%v)", r, len(subs), err)
		}
		reminders(time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC), 0)

		if err := d.AskAgain(ctx, d.ruth, "R1", "The first month is missing.", d.Now().Add(10*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		reminders(time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC), 1)
		refusedWith(t, d.DeclareNothing(ctx, d.ruth, "R1", "x"), "There is no request R1 to you")
		if err := d.DeclareNothing(ctx, d.alice, "R1", "I was never in it then."); err != nil {
			t.Fatal(err)
		}
		_, err = d.DeclareLoss(ctx, d.ruth, office.Loss{Device: "x", Held: "x", LostOn: "x", Reason: "lost", Request: "R1"})
		refusedWith(t, err, "There is no request R1 to you")
		loss, err := d.DeclareLoss(ctx, d.alice, office.Loss{Device: "My own phone", Held: "The group Ward 7 until May", LostOn: "about 3 June 2026", Reason: "replaced", Request: "R1"})
		if err != nil || loss.ID != "L1" || loss.Person != string(d.alice) {
			t.Fatalf("declared loss %+v (%v), want L1", loss, err)
		}
		if r, _, _ = d.Request(ctx, "R1"); r.State != office.Lost || r.Answer != "L1" {
			t.Errorf("after the loss: %+v", r)
		}
		if err := d.Withdraw(ctx, d.ruth, "R1", "No longer wanted."); err != nil {
			t.Fatal(err)
		}
		refusedWith(t, d.HandIn(ctx, d.alice, "R1", rc.Submission), "was withdrawn")

		if err := d.Looked(ctx, d.ruth, "submissions", "those of Alice"); err != nil {
			t.Fatal(err)
		}
		refusedWith(t, d.Looked(ctx, d.alice, "submissions", ""), "Only a records officer")
		acts, err := d.History(ctx, d.ruth, 0, 100)
		if err != nil || len(acts) != 13 || acts[0].Words != "looked at submissions, only those of Alice" {
			t.Errorf("history of %d acts (%v): %+v", len(acts), err, acts)
		}
		rebuild(t, d.DB)
	})
}

// TestAbout states what submissions are about, and counts the reasons.
func TestAbout(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := open(t, target)
		ctx := t.Context()
		rc := d.handIn(t, d.alice, chat)
		refusedWith(t, d.State(ctx, d.ruth, rc.Submission, office.About{Reason: "urgent"}), "You handed in nothing")
		refusedWith(t, d.State(ctx, d.alice, rc.Submission, office.About{Reason: "laziness"}), "Choose one of the reasons")
		size := d.Record.Head().Edge.Size
		for _, a := range []office.About{{Subject: "Beds in ward 7", Weight: "significant"}, {Reason: "not_here"}, {Reason: "not_here"}} {
			if err := d.State(ctx, d.alice, rc.Submission, a); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.Record.Head().Edge.Size - size; got != 2 {
			t.Errorf("three statements, the last of which said nothing new, made %d entries, want 2", got)
		}
		want := office.About{Subject: "Beds in ward 7", Weight: "significant", Reason: "not_here"}
		if got, err := d.About(ctx, rc.Submission); err != nil || got != want {
			t.Errorf("stated %+v (%v), want %+v", got, err, want)
		}
		for i := range 3 {
			other := d.handIn(t, d.ruth, strings.ReplaceAll(chat, "keys", fmt.Sprint("key ", i)))
			a := office.About{Reason: "urgent"}
			if i == 2 {
				a = office.About{Subject: "=1+1"} // no reason given
			}
			if err := d.State(ctx, d.ruth, other.Submission, a); err != nil {
				t.Fatal(err)
			}
		}
		counts, err := store.Roadblocks(ctx, d.DB.Reader(), store.OffChannelFilter{})
		if err != nil {
			t.Fatal(err)
		}
		nov := []office.Count{{Name: "2026-11", N: 1}}
		ranked := []office.Roadblock{
			{Reason: "urgent", Submissions: 2, Channels: []office.Count{{Name: "whatsapp", N: 2}}, Months: []office.Count{{Name: "2026-11", N: 2}}},
			{Reason: "not_here", Submissions: 1, Channels: []office.Count{{Name: "whatsapp", N: 1}}, Months: nov},
			{Reason: "", Submissions: 1, Channels: []office.Count{{Name: "whatsapp", N: 1}}, Months: nov}}
		if got := office.Rank(counts); !reflect.DeepEqual(got, ranked) {
			t.Errorf("ranked %+v, want %+v", got, ranked)
		}
		list, err := store.Register(ctx, d.DB.Reader(), store.OffChannelFilter{Reason: "none"}, 10)
		if err != nil || len(list) != 1 || list[0].Subject != "=1+1" {
			t.Errorf("without a reason: %+v (%v)", list, err)
		}
		var b bytes.Buffer
		if err := office.WriteRegister(&b, list, func(p string) string { return p }); err != nil || !strings.Contains(b.String(), ",'=1+1,'@ruth:example.org,") {
			t.Errorf("the register as CSV is %q (%v)", b.String(), err)
		}
		rows, err := store.OfficeSubmissions(ctx, d.DB.Reader(), store.SubmissionFilter{System: "whatsapp", Weight: "significant", Person: string(d.alice)}, 10)
		if err != nil || len(rows) != 1 || rows[0].System != "whatsapp" || rows[0].Subject != "Beds in ward 7" {
			t.Errorf("submissions by filter: %+v (%v)", rows, err)
		}
		seen := map[string]bool{}
		f := store.SubmissionFilter{}
		for range 5 { // page by page
			page, err := store.OfficeSubmissions(ctx, d.DB.Reader(), f, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page {
				seen[s.ID] = true
				f.Before, f.ID = s.Time, s.ID
			}
		}
		if len(seen) != 4 {
			t.Errorf("paging found %d submissions, want 4", len(seen))
		}
		rebuild(t, d.DB)
	})
}

// TestAnswer answers a question about a kept file, as its owner and as an officer, and looks that a
// secret is nowhere on the record.
func TestAnswer(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := open(t, target)
		ctx := t.Context()
		rc := d.handIn(t, d.alice, "03/04/2021, 10:15 - Asha Rao: Bed 4 is free.\n")
		if rc.Status != capture.StatusNeedsAnswer {
			t.Fatalf("status %s, want a question", rc.Status)
		}
		const secret = "open sesame 4711"
		london, _ := time.LoadLocation("Europe/London")
		rc, err := d.Capture.Answer(ctx, capture.Answers{Submission: rc.Submission, By: string(d.ruth), Reason: "Alice said so by telephone.",
			Options: capture.Options{DateOrder: "dmy", Zone: london, Secrets: []string{secret}}})
		if err != nil {
			t.Fatal(err)
		}
		if rc.Status != capture.StatusRead || len(rc.Conversations) != 1 || rc.Conversations[0].Items != 1 || rc.Declared.DateOrder != "dmy" || rc.Declared.Zone != "Europe/London" {
			t.Errorf("after the answer: %+v", rc)
		}
		if got := rc.Run.Coverage.First.Min; got != time.Date(2021, 4, 3, 9, 15, 0, 0, time.UTC).UnixMilli() {
			t.Errorf("the message was sent at %d", got)
		}
		found := false
		err = store.Entries(ctx, d.DB.Reader(), 0, d.Record.Head().Edge.Size, func(e *store.Entry) error {
			if bytes.Contains(e.Body, []byte(secret)) {
				t.Errorf("entry %d has the secret", e.Pos)
			}
			found = found || bytes.Contains(e.Body, []byte("Alice said so by telephone."))
			return nil
		})
		if err != nil || !found {
			t.Errorf("the officer's reason is on the record: %v (%v)", found, err)
		}
		size := d.Record.Head().Edge.Size
		if again, err := d.Capture.Answer(ctx, capture.Answers{Submission: rc.Submission, By: string(d.alice)}); err != nil || !again.Repeated || d.Record.Head().Edge.Size != size {
			t.Errorf("answered again: %+v (%v)", again, err)
		}
		if _, err := d.Capture.Answer(ctx, capture.Answers{Submission: "sub_none"}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("answer to nothing: %v", err)
		}
	})
}

// rebuild empties the office's tables, makes them again from the entries, and compares.
func rebuild(t *testing.T, db *sqldb.DB) {
	t.Helper()
	ctx := t.Context()
	tables := []string{"capture_request", "capture_request_submission", "declared_loss", "off_channel"}
	dump := func() string {
		var out strings.Builder
		for _, table := range tables {
			r, err := db.Reader().Query(ctx, "SELECT * FROM "+table+" ORDER BY 1, 2")
			if err != nil {
				t.Fatal(err)
			}
			cols, _ := r.Columns()
			for r.Next() {
				row := make([]any, len(cols))
				for i := range row {
					row[i] = new(any)
				}
				if err := r.Scan(row...); err != nil {
					t.Fatal(err)
				}
				for _, v := range row {
					fmt.Fprintf(&out, "%v|", *v.(*any))
				}
				out.WriteString("\n")
			}
			r.Close()
		}
		return out.String()
	}
	before := dump()
	if !strings.Contains(before, "@alice") {
		t.Fatalf("there is nothing to make again: %q", before)
	}
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, table := range tables {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		var all []recorder.Committed
		head, err := store.ReadHead(ctx, tx)
		if err != nil {
			return err
		}
		err = store.Entries(ctx, tx, 0, head.Size, func(e *store.Entry) error {
			all = append(all, recorder.Committed{Entry: recorder.Entry{Kind: e.Kind, Body: bytes.Clone(e.Body)}, Pos: e.Pos, Time: e.Time})
			return nil
		})
		if err != nil {
			return err
		}
		return office.Project(ctx, tx, all)
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := dump(); after != before {
		t.Errorf("made again:\n%s\nwas:\n%s", after, before)
	}
}
