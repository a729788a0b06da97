package disclosure_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/despatchtest"
	"despatch/internal/disclosure"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/record/bundle"
	"despatch/internal/recorder"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

var ctx = context.Background()

// desk is a server with a disclosure service and the people it takes.
type desk struct {
	*despatchtest.Server
	*disclosure.Service
	files    files
	olive    matrix.UserID // records officer
	oscar    matrix.UserID // another
	april    matrix.UserID // approver
	ada      matrix.UserID // auditor
	ivan     matrix.UserID // IT
	both     matrix.UserID // records officer and approver
	staff    *despatchtest.User
	ben      *despatchtest.User
	room     matrix.RoomID
	messages map[string]matrix.EventID
}

// files are kept in memory.
type files map[string][]byte

func (f files) Attached(context.Context, string) (int64, bool, error) { return 0, false, nil }
func (f files) OpenFile(_ context.Context, sum string) (io.ReadCloser, error) {
	b, ok := f[sum]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func newDesk(t testing.TB, target string) *desk {
	t.Helper()
	folder := t.TempDir()
	opts := []despatchtest.Option{despatchtest.Folder(folder)}
	if strings.HasPrefix(target, "postgres:") {
		opts = append(opts, despatchtest.Database(target))
	}
	d := &desk{Server: despatchtest.Start(t, opts...), files: files{}, messages: map[string]matrix.EventID{}}
	person := func(name string, roles ...identity.Role) matrix.UserID {
		id, err := d.Identity.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: name, Name: strings.ToUpper(name[:1]) + name[1:] + " Example",
			Password: despatchtest.Password, Roles: roles, OwnPassword: true})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	d.olive, d.oscar = person("olive", identity.Records), person("oscar", identity.Records)
	d.april, d.ada, d.ivan = person("april", identity.Approver), person("ada", identity.Auditor), person("ivan", identity.IT)
	d.both = person("both", identity.Records, identity.Approver)
	d.staff, d.ben = d.User(t, "asha"), d.User(t, "ben")

	raw, err := os.ReadFile(filepath.Join(folder, "record.key"))
	if err != nil {
		t.Fatal(err)
	}
	private, _, _ := strings.Cut(string(raw), "\n")
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	d.Service = disclosure.New(disclosure.Options{DB: d.DB, Record: d.Rec, Index: d.Index, Signer: signer, Key: d.Key,
		Folder: filepath.Join(folder, "bundles"), Department: "Department of Examples", Files: d.files})
	return d
}

// talk says things.
func (d *desk) talk(t testing.TB) {
	t.Helper()
	d.room = d.staff.CreateRoomWith(t, map[string]any{"name": "Harbour contract"}, d.ben)
	say := func(key string, u *despatchtest.User, content map[string]any) {
		content["msgtype"] = "m.text"
		d.messages[key] = u.SendContent(t, d.room, "m.room.message", content)
	}
	say("first", d.staff, map[string]any{"body": "The harbour contract goes to Piers & Sons."})
	say("phone", d.ben, map[string]any{"body": "Call John Smith on 07700 900123 about the harbour."})
	say("advice", d.ben, map[string]any{"body": "Counsel advises against the harbour contract."})
	say("deleted", d.ben, map[string]any{"body": "Do not minute the harbour lunch."})
	say("edit", d.staff, map[string]any{"body": "* x", "m.new_content": map[string]any{"msgtype": "m.text", "body": "The harbour contract goes to nobody."},
		"m.relates_to": map[string]any{"rel_type": "m.replace", "event_id": d.messages["first"]}})
	d.ben.SendContent(t, d.room, "m.reaction", map[string]any{"m.relates_to": map[string]any{"rel_type": "m.annotation", "event_id": d.messages["first"], "key": "👍"}})
	d.ben.Redact(t, d.room, d.messages["deleted"])
	other := d.ben.CreateRoom(t)
	d.messages["other"] = d.ben.Send(t, other, "The harbour of another conversation")
	pdf := []byte("%PDF-1.7 a photograph of the harbour")
	sum := sha256.Sum256(pdf)
	d.files[hex.EncodeToString(sum[:])] = pdf
	for _, body := range []string{
		fmt.Sprintf(`{"attachments":[{"class":"document","name":"IMG-1.pdf","path":"IMG-1.pdf","presence":"present","sha256":"%[1]x","size":%[2]d,"within":"%[1]x"}],"body":"harbour on WhatsApp","id":"obs_a","kind":"media","sender":"Dee Smith","sent":{"earliest":"2020-03-05T09:00:00.000Z","latest":"2020-03-05T09:00:59.999Z","local":"2020-03-05T09:00","zone_basis":"unknown"},"state":{"deleted":false,"edited":false,"view_once":false}}`, sum, len(pdf)),
		`{"body":"see you at the harbour","id":"obs_b","kind":"text","sender":"Asha","sent":{"earliest":"2020-03-06T09:00:00.000Z","latest":"2020-03-06T09:00:59.999Z","local":"2020-03-06T09:00","zone_basis":"unknown"}}`,
	} {
		err := d.Rec.Do(ctx, func(b *recorder.Batch) error {
			b.Append(recorder.Entry{Scope: "capture:conv_x", Kind: record.KindObservation, Body: []byte(body), Class: store.ClassMessage})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (d *desk) open(t testing.TB, by matrix.UserID, o disclosure.Opening) *disclosure.Case {
	t.Helper()
	if o.Kind == "" {
		o.Kind = disclosure.FOI
	}
	if o.Title == "" {
		o.Title = "The harbour contract"
	}
	c, err := d.Open(ctx, by, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that an error is for the person, and a refusal.
func refused(t testing.TB, what string, err error, words string) {
	t.Helper()
	var e *httpd.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, words) {
		t.Errorf("%s: %v, want a refusal with %q", what, err, words)
	}
}

func (d *desk) pos(t testing.TB, key string) int64 { return d.Entry(t, d.messages[key]).Pos }

// kinds are the kinds of the entries of a case, oldest first.
func (d *desk) kinds(t testing.TB, id string) []record.Kind {
	t.Helper()
	h, err := d.History(ctx, d.ada, id, 0, 500)
	must(t, err)
	var out []record.Kind
	for _, e := range slices.Backward(h) {
		out = append(out, e.Kind)
		if e.Words == "" || e.Name == "" {
			t.Errorf("an entry without words: %+v", e)
		}
	}
	return out
}

func TestJourney(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := newDesk(t, target)
		d.talk(t)
		c := d.open(t, d.olive, disclosure.Opening{Request: "All messages about the harbour contract, please.", Received: disclosure.Date{Year: 2026, Month: 1, Day: 5}})
		if c.Reference != fmt.Sprintf("FOI-%d-0001", time.Now().UTC().Year()) || c.Due.String() != "2026-02-02" || c.Status != disclosure.Open || !slices.Equal(c.Officers, []matrix.UserID{d.olive}) {
			t.Errorf("the case is %+v", c)
		}
		_, err := d.Search(ctx, d.olive, c.ID, "harbour", "")
		refused(t, "a search without bounds", err, "reaches to")
		must(t, d.SetBounds(ctx, d.olive, c.ID, disclosure.Bounds{Conversations: []string{string(d.room), "capture:conv_x"}}))

		found, err := d.Search(ctx, d.olive, c.ID, "harbour", "")
		must(t, err)
		texts := map[string]*disclosure.Item{}
		var positions []int64
		for _, it := range found.Items {
			texts[it.Text] = it
			if it.ID != "" && it.Type != "m.room.name" {
				positions = append(positions, it.Position)
			}
		}
		if len(positions) != 6 || texts["The harbour of another conversation"] != nil {
			t.Fatalf("found %d, %v", len(positions), texts)
		}
		one := texts["The harbour contract goes to Piers & Sons."]
		if one == nil || len(one.Edits) != 1 || len(one.Reactions) != 1 || one.SenderName != "Asha" || one.Conversation != "Harbour contract" {
			t.Errorf("the edited message is %+v", one)
		}
		if it := texts["Do not minute the harbour lunch."]; it == nil || it.Deleted == nil {
			t.Errorf("the deleted message is %+v", it)
		}
		if it := texts["harbour on WhatsApp"]; it == nil || len(it.Attachments) != 1 || it.Attachments[0].State != "" || it.Sent != "2020-03-05T09:00 (time zone not known)" {
			t.Errorf("the captured message is %+v", it)
		}
		_, err = d.Collect(ctx, d.olive, c.ID, []int64{d.pos(t, "other")})
		refused(t, "collecting what is out of reach", err, "not within")
		added, err := d.Collect(ctx, d.olive, c.ID, positions)
		must(t, err)
		again, err := d.Collect(ctx, d.olive, c.ID, positions)
		must(t, err)
		if added != 6 || again != 0 {
			t.Errorf("collected %d, then %d", added, again)
		}
		// What comes later does not change what was collected.
		d.ben.SendContent(t, d.room, "m.reaction", map[string]any{"m.relates_to": map[string]any{"rel_type": "m.annotation", "event_id": d.messages["first"], "key": "👎"}})

		refused(t, "submitting too early", d.Submit(ctx, d.olive, c.ID), "still to be decided")
		n, err := d.DecideAll(ctx, d.olive, c.ID, disclosure.ItemFilter{}, disclosure.Decision{Outcome: disclosure.Release})
		must(t, err)
		if n != 6 {
			t.Errorf("decided %d", n)
		}
		text := "Call John Smith on 07700 900123 about the harbour."
		at := strings.Index(text, "John")
		must(t, d.Decide(ctx, d.olive, c.ID, []int64{d.pos(t, "phone")}, disclosure.Decision{Outcome: disclosure.Redact, Codes: []string{"40(2)"},
			Spans: []disclosure.Span{{Start: at + 14, End: at + 26}, {Start: at, End: at + 10}}, Note: "third party"}))
		must(t, d.Decide(ctx, d.olive, c.ID, []int64{d.pos(t, "advice")}, disclosure.Decision{Outcome: disclosure.Withhold, Codes: []string{"42"}, Public: "See our letter."}))
		for what, bad := range map[string]disclosure.Decision{
			"no exemption":     {Outcome: disclosure.Withhold},
			"there is no reas": {Outcome: disclosure.Withhold, Codes: []string{"99"}},
			"overlap":          {Outcome: disclosure.Redact, Codes: []string{"42"}, Spans: []disclosure.Span{{Start: 0, End: 5}, {Start: 4, End: 6}}},
			"of a text of":     {Outcome: disclosure.Redact, Codes: []string{"42"}, Spans: []disclosure.Span{{Start: 0, End: 500}}},
			"no edit number":   {Outcome: disclosure.Redact, Codes: []string{"42"}, Spans: []disclosure.Span{{Edit: 3, Start: 0, End: 5}}},
		} {
			err := d.Decide(ctx, d.olive, c.ID, []int64{d.pos(t, "phone")}, bad)
			if err == nil {
				t.Errorf("%s: accepted", what)
			}
		}
		it, history, err := d.Item(ctx, d.olive, c.ID, d.pos(t, "phone"))
		must(t, err)
		if len(history) != 2 || history[0].Outcome != disclosure.Redact || history[1].Outcome != disclosure.Release || it.Decision == nil || it.Decision.By != d.olive {
			t.Errorf("history %+v", history)
		}
		_, err = d.Bundle(ctx, d.olive, c.ID, nil)
		refused(t, "a bundle without approval", err, "second person")
		must(t, d.Submit(ctx, d.olive, c.ID))

		items, _, err := d.Items(ctx, d.april, c.ID, disclosure.ItemFilter{}, 0)
		must(t, err)
		if len(items) != 6 {
			t.Errorf("the approver sees %d", len(items))
		}
		must(t, d.SendBack(ctx, d.april, c.ID, "Look at the second one."))
		if c, _ := d.Case(ctx, d.olive, c.ID); c.Status != disclosure.Open || c.SentBack == nil || c.SentBack.Note != "Look at the second one." {
			t.Errorf("sent back: %+v", c)
		}
		_, _, err = d.Items(ctx, d.april, c.ID, disclosure.ItemFilter{}, 0)
		refused(t, "an approver when nothing waits", err, "records officer")
		must(t, d.Submit(ctx, d.olive, c.ID))
		digest, err := d.Digest(ctx, d.april, c.ID)
		must(t, err)
		refused(t, "approving something else", d.Approve(ctx, d.april, c.ID, "00", ""), "have changed")
		must(t, d.Approve(ctx, d.april, c.ID, digest, "In order."))

		// A change voids the approval.
		must(t, d.Decide(ctx, d.olive, c.ID, []int64{d.pos(t, "deleted")}, disclosure.Decision{Outcome: disclosure.Release, Note: "still"}))
		if c, _ := d.Case(ctx, d.olive, c.ID); c.Status != disclosure.Open || c.Approval != nil {
			t.Errorf("after a change: %+v", c)
		}
		_, err = d.Bundle(ctx, d.olive, c.ID, nil)
		refused(t, "a bundle after a change", err, "second person")
		must(t, d.Submit(ctx, d.olive, c.ID))
		refused(t, "approving what was approved before the change", d.Approve(ctx, d.april, c.ID, digest, ""), "have changed")
		digest, err = d.Digest(ctx, d.april, c.ID)
		must(t, err)
		must(t, d.Approve(ctx, d.april, c.ID, digest, ""))

		b, err := d.Bundle(ctx, d.olive, c.ID, nil)
		must(t, err)
		if b.Totals != (bundle.Totals{Items: 6, Released: 4, Redacted: 1, Withheld: 1}) || !b.Kept {
			t.Errorf("the bundle is %+v", b)
		}
		_, f, err := d.OpenBundle(ctx, d.april, c.ID, b.ID)
		must(t, err)
		raw, err := io.ReadAll(f)
		must(t, err)
		f.Close()
		sum := sha256.Sum256(raw)
		if hex.EncodeToString(sum[:]) != b.SHA256 || int64(len(raw)) != b.Size {
			t.Errorf("the file's hash is %x, the bundle's %s", sum, b.SHA256)
		}
		checkBundle(t, d, raw)
		left, _ := filepath.Glob(filepath.Join(filepath.Dir(d.Data), "*", "bundles", "*", "*-*"))
		if left != nil {
			t.Errorf("left behind: %q", left)
		}

		must(t, d.Close(ctx, d.olive, c.ID, "Answered."))
		_, _, err = d.Items(ctx, d.olive, c.ID, disclosure.ItemFilter{}, 0)
		refused(t, "reading a closed case", err, "closed")
		want := []record.Kind{record.KindCase, record.KindCase, record.KindSearch, record.KindCollection, record.KindDecision, record.KindDecision, record.KindDecision,
			record.KindView, record.KindCase, record.KindView, record.KindApproval, record.KindCase, record.KindApproval, record.KindDecision, record.KindCase, record.KindApproval,
			record.KindBundle, record.KindView, record.KindCase}
		if got := d.kinds(t, c.ID); !slices.Equal(got, want) {
			t.Errorf("on the record: %v\nwant %v", got, want)
		}
		d.CheckRecord(t)
	})
}

// checkBundle verifies a bundle as its recipient does, and once more with each of some bytes changed.
func checkBundle(t *testing.T, d *desk, raw []byte) {
	t.Helper()
	r, err := bundle.Verify(ctx, bytes.NewReader(raw), int64(len(raw)), bundle.Check{Key: d.Key})
	must(t, err)
	if !r.Genuine() || !r.Trusted || r.Totals.Items != 6 {
		t.Errorf("the bundle does not hold: %v, %+v", r.Problems, r.Totals)
	}
	for _, c := range r.Conversations {
		if !c.Complete {
			t.Errorf("conversation %s is not complete though everything in it was collected", c.Scope)
		}
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	names := map[string]bool{}
	for _, f := range z.File {
		names[f.Name] = true
		rc, err := f.Open()
		must(t, err)
		content, err := io.ReadAll(rc)
		must(t, err)
		for _, secret := range []string{"John Smith", "07700", "Counsel", "👎"} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s has %q", f.Name, secret)
			}
		}
		at, err := f.DataOffset()
		must(t, err)
		if f.CompressedSize64 > 0 {
			bad := bytes.Clone(raw)
			bad[at+int64(f.CompressedSize64)/2] ^= 1
			r, err := bundle.Verify(ctx, bytes.NewReader(bad), int64(len(bad)), bundle.Check{Key: d.Key})
			if err == nil && r.Genuine() {
				t.Errorf("one changed byte in %s is not found", f.Name)
			}
		}
	}
	for _, name := range []string{"index.html", "messages.csv", "items.json", "rsmf/0001.rsmf", "proof/checkpoint", "manifest.note"} {
		if !names[name] {
			t.Errorf("the bundle has no %s", name)
		}
	}
}

func TestRefusals(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := newDesk(t, target)
		d.talk(t)
		for _, who := range []matrix.UserID{d.ivan, d.april, d.ada, d.staff.ID, "@nobody:example.org"} {
			_, err := d.Open(ctx, who, disclosure.Opening{Kind: disclosure.FOI, Title: "x"})
			refused(t, string(who)+" opens a case", err, "")
		}
		bounds := disclosure.Bounds{People: []string{string(d.ben.ID)}}
		c := d.open(t, d.olive, disclosure.Opening{Bounds: bounds})
		pos := d.pos(t, "first")
		before := d.Rec.Head().Edge.Size
		for _, who := range []matrix.UserID{d.oscar, d.both, d.ivan, d.april, d.ada, d.staff.ID, "@nobody:example.org"} {
			_, err := d.Search(ctx, who, c.ID, "harbour", "")
			refused(t, string(who)+" searches", err, "")
			_, _, err = d.CollectAll(ctx, who, c.ID, "harbour")
			refused(t, string(who)+" collects", err, "")
			_, _, err = d.Items(ctx, who, c.ID, disclosure.ItemFilter{}, 0)
			refused(t, string(who)+" reads", err, "")
			_, err = d.Around(ctx, who, c.ID, pos)
			refused(t, string(who)+" looks around", err, "")
			_, _, err = d.Conversations(ctx, who, c.ID, "", "", 10)
			refused(t, string(who)+" lists conversations", err, "")
			refused(t, string(who)+" decides", d.Decide(ctx, who, c.ID, []int64{pos}, disclosure.Decision{Outcome: disclosure.Release}), "")
			refused(t, string(who)+" assigns themselves", d.Assign(ctx, who, c.ID, who), "")
			_, err = d.Bundle(ctx, who, c.ID, nil)
			refused(t, string(who)+" makes a bundle", err, "")
		}
		for _, who := range []matrix.UserID{d.ivan, d.staff.ID} {
			_, err := d.Case(ctx, who, c.ID)
			refused(t, string(who)+" sees the case", err, "Only records officers")
			_, err = d.Cases(ctx, who, disclosure.Filter{})
			refused(t, string(who)+" lists cases", err, "Only records officers")
			_, err = d.History(ctx, who, c.ID, 0, 10)
			refused(t, string(who)+" sees the history", err, "Only records officers")
		}
		if after := d.Rec.Head().Edge.Size; after != before {
			t.Errorf("refusals left %d entries", after-before)
		}

		// Somebody who is both officer and approver does not approve what they decided.
		must(t, d.Assign(ctx, d.olive, c.ID, d.both))
		_, added, err := d.CollectAll(ctx, d.both, c.ID, "harbour type:native")
		must(t, err)
		if added == 0 {
			t.Fatal("nothing was collected")
		}
		_, err = d.DecideAll(ctx, d.both, c.ID, disclosure.ItemFilter{}, disclosure.Decision{Outcome: disclosure.Release})
		must(t, err)
		must(t, d.Submit(ctx, d.olive, c.ID))
		digest, err := d.Digest(ctx, d.both, c.ID)
		must(t, err)
		refused(t, "an approver who decided", d.Approve(ctx, d.both, c.ID, digest, ""), "worked on this case")
		refused(t, "an officer who is no approver", d.Approve(ctx, d.olive, c.ID, digest, ""), "Only an approver")
		must(t, d.Approve(ctx, d.april, c.ID, digest, ""))

		// An officer who is disabled, or loses the role, is out at once.
		must(t, d.Identity.Revoke(ctx, identity.CommandLine, d.olive, identity.Records))
		_, err = d.Search(ctx, d.olive, c.ID, "harbour", "")
		refused(t, "an officer without the role", err, "")
		must(t, d.Identity.Disable(ctx, identity.CommandLine, d.both))
		_, err = d.Search(ctx, d.both, c.ID, "harbour", "")
		refused(t, "a disabled officer", err, "")

		// An auditor works on audits only.
		audit := d.open(t, d.ada, disclosure.Opening{Kind: disclosure.Audit, Bounds: disclosure.Bounds{From: disclosure.Date{Year: 2020, Month: 3, Day: 6}, To: disclosure.Date{Year: 2020, Month: 3, Day: 6}}})
		r, err := d.Search(ctx, d.ada, audit.ID, "", "")
		must(t, err)
		if len(r.Items) != 1 || r.Items[0].Text != "see you at the harbour" {
			t.Errorf("the audit finds %d", len(r.Items))
		}
		d.CheckRecord(t)
	})
}

// The people in a case's bounds bring the conversations in which they took part.
func TestBounds(t *testing.T) {
	d := newDesk(t, sqldbtest.SQLite(t))
	d.talk(t)
	for _, c := range []struct {
		bounds disclosure.Bounds
		query  string
		want   int
	}{
		{disclosure.Bounds{People: []string{string(d.ben.ID)}}, "harbour type:native -in:harbour", 1},
		{disclosure.Bounds{People: []string{string(d.staff.ID)}}, "harbour from:ben", 3},
		{disclosure.Bounds{People: []string{"Dee Smith"}}, "", 2},
		{disclosure.Bounds{People: []string{"Dee Smith"}, Conversations: []string{string(d.room)}}, "", 0},
		{disclosure.Bounds{To: disclosure.Date{Year: 2020, Month: 3, Day: 5}}, "", 1},
		{disclosure.Bounds{People: []string{"@nobody:example.org"}}, "", 0},
	} {
		cs := d.open(t, d.olive, disclosure.Opening{Bounds: c.bounds})
		r, err := d.Search(ctx, d.olive, cs.ID, c.query, "")
		must(t, err)
		if len(r.Items) != c.want {
			t.Errorf("%+v, %q: found %d, want %d", c.bounds, c.query, len(r.Items), c.want)
		}
	}
	cs := d.open(t, d.olive, disclosure.Opening{})
	found, _, err := d.Conversations(ctx, d.olive, cs.ID, "", "", 10)
	must(t, err)
	if len(found) != 3 || found[len(found)-1].Title != "Asha and Dee Smith" {
		t.Errorf("conversations: %+v", found)
	}
}

func TestDue(t *testing.T) {
	h := disclosure.UKHolidays()
	day := func(s string) disclosure.Date {
		d, err := disclosure.ParseDate(s)
		must(t, err)
		return d
	}
	for received, want := range map[string]string{
		"2026-01-05": "2026-02-02", // nothing in between
		"2025-12-19": "2026-01-22", // Christmas, Boxing Day, New Year's Day, and 2 January though only Scotland has it
		"2026-03-10": "2026-04-10", // St Patrick's Day, Good Friday, Easter Monday
		"2026-06-10": "2026-07-09", // the World Cup holiday
		"2026-07-31": "2026-09-01", // Scotland's August holiday and England's
		"2026-01-03": "2026-01-30", // received on a Saturday
	} {
		got, err := h.After(day(received), 20)
		if err != nil || got.String() != want {
			t.Errorf("20 working days after %s: %s, %v, want %s", received, got, err, want)
		}
	}
	for received, want := range map[string]string{"2026-01-31": "2026-03-02", "2026-09-03": "2026-10-05", "2026-11-25": "2026-12-29", "2026-02-10": "2026-03-10"} {
		got, err := h.MonthAfter(day(received))
		if err != nil || got.String() != want {
			t.Errorf("a month after %s: %s, %v, want %s", received, got, err, want)
		}
	}
	if _, err := h.After(day("2028-12-20"), 20); err == nil {
		t.Error("a term beyond the table was worked out")
	}
	for _, k := range disclosure.Kinds {
		if len(disclosure.Exemptions(k)) == 0 || k.Regime() == "" {
			t.Errorf("%s has no exemptions or no law", k)
		}
	}
}
