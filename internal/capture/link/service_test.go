package link_test

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/capture"
	"despatch/internal/capture/link"
	"despatch/internal/capture/whatsapp"
	"despatch/internal/media"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("DESPATCH_LINK_CHILD"); path != "" {
		compareAt(path)
		return
	}
	sqldbtest.Main(m)
}

// office is capture and linking with all they stand on.
type office struct {
	capture *capture.Service
	*link.Service
}

func project(ctx context.Context, tx *sqldb.Tx, entries []recorder.Committed) error {
	if err := capture.Project(ctx, tx, entries); err != nil {
		return err
	}
	for i := range entries {
		if entries[i].Kind == record.KindLink && left >= 0 {
			if left--; left < 0 {
				left = 0
				return errors.New("the program ends here")
			}
		}
	}
	return link.Project(ctx, tx, entries)
}

// left is how many statements can still be recorded; -1 for all.
var left = -1

func open(t testing.TB, target string) *office {
	t.Helper()
	ctx := context.Background()
	db := sqldbtest.Open(t, target)
	if err := store.Migrate(ctx, db); err != nil {
		t.Fatal(err)
	}
	private, _, err := record.GenerateKey(crand.Reader, record.Origin("example.org"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	rec, err := recorder.Open(ctx, recorder.Options{DB: db, Signer: signer, Log: log, Project: project})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rec.Close() })
	files, err := media.New(media.Options{Dir: t.TempDir(), Server: "example.org", DB: db, Record: rec, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return &office{&capture.Service{DB: db, Record: rec, Media: files, Parsers: []capture.Parser{whatsapp.Parser{}}, Now: time.Now, Log: log},
		&link.Service{DB: db, Record: rec, Log: log}}
}

func (o *office) size() int64 { return o.Record.Head().Edge.Size }

// handIn files an export and returns its conversation.
func (o *office) handIn(t testing.TB, person, zone, text string) string {
	t.Helper()
	f, err := capture.NewFile(t.Context(), person[1:]+".txt", strings.NewReader(text), int64(len(text)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	opt := capture.Options{DateOrder: "dmy"}
	if zone != "" {
		if opt.Zone, err = time.LoadLocation(zone); err != nil {
			t.Fatal(err)
		}
	}
	r, err := o.capture.Submit(t.Context(), capture.Upload{Person: person, Files: []*capture.File{f}, Options: opt})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != capture.StatusRead || len(r.Conversations) != 1 {
		t.Fatalf("status %s, %d conversations: %v", r.Status, len(r.Conversations), r.Summary())
	}
	return r.Conversations[0].ID
}

func (o *office) compareDue(t testing.TB) {
	t.Helper()
	if err := o.CompareDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// said is a message of a chat that two telephones export.
type said struct {
	at   string // in UTC
	who  string
	text string
}

var chat = []said{
	{"2023-10-27T09:00:05", "Asha", "Good morning Tom, can we go through the figures before the committee meets?"},
	{"2023-10-27T09:00:20", "Tom", "Yes, at ten, if the minister's office has sent the annex by then"},
	{"2023-10-27T09:01:02", "Asha", "ok"},
	{"2023-10-27T09:01:10", "Tom", "ok"},
	{"2023-10-27T09:01:30", "Asha", "ok"},
	{"2023-10-27T09:02:00", "Tom", "The supplier wants an answer about the water quality contract today"},
	{"2023-10-27T09:05:00", "Asha", "Tell them we never discussed a price on this number, please"},
	{"2023-10-27T09:05:40", "Tom", "I would rather not put that in writing at all, to be honest"},
	{"2023-10-27T09:07:00", "Asha", "Understood. Paragraph four of the letter stays as it is then"},
	{"2023-10-29T10:00:00", "Tom", "Clocks went back last night and I was an hour early for the train"},
	{"2023-10-29T10:01:00", "Asha", "Very funny. See you at the department on Monday morning then"},
	{"2023-10-29T10:02:00", "Tom", "👍"},
}

// written is the chat as a telephone exports it.
func written(t testing.TB, list []said, zone string, apple bool, names map[string]string, change func(i int, text string) (string, bool)) string {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, m := range list {
		text := m.text
		if change != nil {
			var keep bool
			if text, keep = change(i, text); !keep {
				continue
			}
		}
		at, err := time.Parse("2006-01-02T15:04:05", m.at)
		if err != nil {
			t.Fatal(err)
		}
		at = at.In(loc)
		who := m.who
		if n := names[who]; n != "" {
			who = n
		}
		if apple {
			fmt.Fprintf(&b, "[%s] %s: %s\n", at.Format("02/01/2006, 15:04:05"), who, text)
		} else {
			fmt.Fprintf(&b, "%s - %s: %s\n", at.Format("02/01/2006, 15:04"), who, text)
		}
	}
	return b.String()
}

// twoCopies hands in Asha's copy, without one message, and Tom's, in which another was deleted.
func twoCopies(t testing.TB, o *office) (ashas, toms string) {
	t.Helper()
	ashas = o.handIn(t, "@asha:example.org", "Europe/London", written(t, chat, "Europe/London", true, map[string]string{"Asha": "Asha Rao", "Tom": "~ Tommy"},
		func(i int, s string) (string, bool) { return s, i != 7 }))
	toms = o.handIn(t, "@tom:example.org", "", written(t, chat, "Europe/Athens", false, map[string]string{"Asha": "+44 7700 900123", "Tom": "Tom Field"},
		func(i int, s string) (string, bool) {
			if i == 6 {
				return "This message was deleted", true
			}
			return s, true
		}))
	return ashas, toms
}

func (o *office) thread(t testing.TB, id string) *link.ChatThread {
	t.Helper()
	x, err := o.Thread(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestTwoCopies(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		o := open(t, target)
		ashas, toms := twoCopies(t, o)
		o.compareDue(t)
		x := o.thread(t, toms)
		if len(x.Copies) != 2 || len(x.Messages) != len(chat) {
			t.Fatalf("%d copies and %d messages, want 2 and %d", len(x.Copies), len(x.Messages), len(chat))
		}
		if x.Floating || x.Copies[x.Reference].ID != ashas {
			t.Errorf("the times are not those of the copy whose zone is known")
		}
		for i, m := range x.Messages {
			at, _ := time.Parse("2006-01-02T15:04:05", chat[i].at)
			if d := m.At - at.UnixMilli(); d < -60_000 || d > 60_000 {
				t.Errorf("message %d was sent at %s, want %s", i, time.UnixMilli(m.At).UTC(), at)
			}
			want := map[bool]string{true: "Asha Rao", false: "Tom Field"}[chat[i].who == "Asha"]
			if got := x.People[m.Person].Name; got != want {
				t.Errorf("message %d is from %q, want %q", i, got, want)
			}
			if seen := len(m.Seen); seen != map[bool]int{true: 1, false: 2}[i == 7] {
				t.Errorf("message %d is seen %d times", i, seen)
			}
		}
		if got := x.Messages[6].Conflicts; !slices.Equal(got, []link.ConflictKind{link.DeletedHere}) {
			t.Errorf("the deleted message has conflicts %v", got)
		}
		g := x.Gaps
		if len(g.Deletions) != 1 || g.Deletions[0].Message != 6 {
			t.Errorf("deletions: %+v", g.Deletions)
		}
		for n, c := range x.Copies {
			if lacks := g.Copies[n].Lacks; lacks != map[bool]int{true: 1, false: 0}[c.ID == ashas] {
				t.Errorf("copy %s lacks %d messages", c.ID, lacks)
			}
		}
		// Each observation is of one message, which has an id that stays.
		pos := x.Copies[0].Sightings[0].Pos
		id, list, err := o.LogicalMessage(t.Context(), pos)
		if err != nil || len(list) != 2 || !strings.HasPrefix(id, "msg_") {
			t.Errorf("observation %d is of %q with %v: %v", pos, id, list, err)
		}
		for _, p := range list {
			if again, _, err := o.LogicalMessage(t.Context(), p); err != nil || again != id {
				t.Errorf("observation %d is of %q, and its twin of %q: %v", p, again, id, err)
			}
		}
		// The same again changes nothing.
		size := o.size()
		twoCopies(t, o)
		o.compareDue(t)
		if o.size() != size {
			t.Errorf("the record grew from %d to %d by the same files", size, o.size())
		}
	})
}

// What a person says counts, can be taken back, and is on the record each time.
func TestPeopleSay(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		ctx := t.Context()
		o := open(t, target)
		_, toms := twoCopies(t, o)
		o.compareDue(t)
		x := o.thread(t, toms)
		a, b := x.Copies[0].Sightings[0].Pos, int64(0)
		_, list, err := o.LogicalMessage(ctx, a)
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		b = list[1]
		before, _, _ := o.LogicalMessage(ctx, b)
		if err := o.Say(ctx, "@ruth:example.org", a, b, false); err != nil {
			t.Fatal(err)
		}
		if _, list, _ := o.LogicalMessage(ctx, a); len(list) != 1 {
			t.Errorf("parted, and still %v", list)
		}
		if id, list, _ := o.LogicalMessage(ctx, b); len(list) != 1 || id == before {
			t.Errorf("parted, and still %v as %s", list, id)
		}
		if n := len(o.thread(t, toms).Messages); n != len(chat)+1 {
			t.Errorf("%d messages, want %d", n, len(chat)+1)
		}
		if err := o.Undo(ctx, "@ruth:example.org", o.size()-1); err != nil {
			t.Fatal(err)
		}
		if id, list, _ := o.LogicalMessage(ctx, b); len(list) != 2 || id != before {
			t.Errorf("taken back, and it is %v as %s, want 2 as %s", list, id, before)
		}
		if err := o.Undo(ctx, "@ruth:example.org", o.size()-2); err == nil {
			t.Error("what was taken back can be taken back again")
		}
		// Two messages of one copy are never one.
		if err := o.Say(ctx, "@ruth:example.org", a, x.Copies[0].Sightings[1].Pos, true); err == nil {
			t.Error("two messages of one copy were made one")
		}
		// Conversations that are not the same share no message, until that is taken back.
		if err := o.SayChats(ctx, "@ruth:example.org", x.Copies[0].ID, x.Copies[1].ID, false); err != nil {
			t.Fatal(err)
		}
		if y := o.thread(t, toms); len(y.Copies) != 1 {
			t.Errorf("%d copies after the chats were parted", len(y.Copies))
		}
		if _, list, _ := o.LogicalMessage(ctx, a); len(list) != 1 {
			t.Errorf("the chats are parted, and a message of both has %v", list)
		}
		if err := o.Undo(ctx, "@ruth:example.org", o.size()-1); err != nil {
			t.Fatal(err)
		}
		if y := o.thread(t, toms); len(y.Copies) != 2 || len(y.Messages) != len(chat) {
			t.Errorf("%d copies and %d messages after that was taken back", len(y.Copies), len(y.Messages))
		}
		checkRebuilt(t, o)
	})
}

var linkTables = []string{"match_key", "link_due", "link_conversation", "link_group", "link_pair", "link_message", "link_alias", "link_said"}

// dump reads the tables of links whole.
func dump(t testing.TB, db *sqldb.DB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, table := range linkTables {
		r, err := db.Reader().Query(t.Context(), "SELECT * FROM "+table)
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
			line := ""
			for _, v := range row {
				x := *v.(*any)
				if s, ok := x.([]byte); ok {
					x = string(s)
				}
				line += fmt.Sprint(x, "|")
			}
			out[table] = append(out[table], line)
		}
		r.Close()
		slices.Sort(out[table])
	}
	return out
}

// checkRebuilt makes the tables again from the entries and compares.
func checkRebuilt(t testing.TB, o *office) {
	t.Helper()
	ctx := t.Context()
	want := dump(t, o.DB)
	undo := fmt.Errorf("undo")
	err := o.DB.Write(ctx, func(tx *sqldb.Tx) error {
		for _, table := range linkTables {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		var list []recorder.Committed
		err := store.Entries(ctx, tx, 0, o.size(), func(e *store.Entry) error {
			list = append(list, recorder.Committed{ScopeID: e.Scope, Pos: e.Pos, Seq: e.Seq, Time: e.Time, Entry: recorder.Entry{Kind: e.Kind, Body: e.Body, Ref: e.Ref}})
			return nil
		})
		if err != nil {
			return err
		}
		for part := range slices.Chunk(list, 7) { // batches do not matter
			if err := link.Project(ctx, tx, part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && err != undo {
		t.Fatal(err)
	}
	for table, got := range dump(t, o.DB) {
		if !reflect.DeepEqual(got, want[table]) {
			t.Errorf("table %s rebuilt from the entries differs:\n got %v\nwant %v", table, got, want[table])
		}
	}
}

// exported writes a copy as WhatsApp does, without the system's own lines, and says which message each
// of its lines is.
func (w *world) exported(n int, e export) (string, []int) {
	_, ids := w.take(n, e)
	var b strings.Builder
	var lines []int
	for i, o := range w.taken {
		if o.Kind == capture.KindSystem {
			continue
		}
		text := o.Text
		switch {
		case o.State.Deleted:
			text = "This message was deleted"
		case len(o.Attachments) > 0 && e.seconds:
			text = "\u200e" + o.Attachments[0].Class + " omitted"
		case len(o.Attachments) > 0:
			text = "<Media omitted>"
		case o.State.Edited && e.seconds:
			text += " \u200e<This message was edited>"
		case o.State.Edited:
			text += " <This message was edited>"
		}
		at, err := time.Parse("2006-01-02T15:04:05", o.Sent.Local)
		if err != nil {
			if at, err = time.Parse("2006-01-02T15:04", o.Sent.Local); err != nil {
				panic(err)
			}
		}
		if e.seconds {
			fmt.Fprintf(&b, "[%s] %s: %s\n", at.Format("02/01/2006, 15:04:05"), o.Sender, text)
		} else {
			fmt.Fprintf(&b, "%s - %s: %s\n", at.Format("02/01/2006, 15:04"), o.Sender, text)
		}
		lines = append(lines, ids[i])
	}
	return b.String(), lines
}

// Two exports of 20 000 messages, as files that telephones write, through the parser onto the record.
func TestExportsAtLength(t *testing.T) {
	if testing.Short() {
		t.Skip("files 40 000 messages")
	}
	o := open(t, sqldbtest.SQLite(t))
	w := simulate(shapes[1], 11)
	e := exports(w)["iPhone in London, Android in New York"]
	truths := map[string][]int{}
	var chats []string
	for n := range e {
		text, lines := w.exported(n, e[n])
		id := o.handIn(t, fmt.Sprintf("@p%d:example.org", n), e[n].told, text)
		truths[id], chats = lines, append(chats, id)
	}
	start := time.Now()
	o.compareDue(t)
	took := time.Since(start)
	where := make([]map[int]int64, 2) // positions by message
	messages := map[int64]int{}
	for n, id := range chats {
		where[n] = map[int]int64{}
		row, err := store.CapturedConversationByID(t.Context(), o.DB.Reader(), id)
		if err != nil {
			t.Fatal(err)
		}
		c, err := o.Load(t.Context(), row.Scope)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Sightings) != len(truths[id]) {
			t.Fatalf("%d messages on the record, want %d", len(c.Sightings), len(truths[id]))
		}
		for i := range c.Sightings {
			where[n][truths[id][i]] = c.Sightings[i].Pos
			messages[c.Sightings[i].Pos] = truths[id][i]
		}
	}
	r := counted{}
	for k, a := range where[0] {
		b, ok := where[1][k]
		if !ok {
			continue
		}
		r.pairs++
		_, list, err := o.LogicalMessage(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 2 {
			r.linked++
			if messages[list[0]] != messages[list[1]] {
				r.wrong++
			}
		}
		_ = b
	}
	doubts, _, err := store.CountDoubts(t.Context(), o.DB.Reader())
	if err != nil {
		t.Fatal(err)
	}
	r.doubts = int(doubts)
	start = time.Now()
	x := o.thread(t, chats[0])
	t.Logf("%s; compared and recorded in %v, rebuilt with gaps in %v, %d messages", r, took, time.Since(start), len(x.Messages))
	if r.recall() < 0.995 || r.wrong*10_000 > r.linked {
		t.Errorf("%s", r)
	}
	checkRebuilt(t, o)
}

// A program that ends at any moment of a comparison goes on where it was, and says nothing twice.
func TestInterrupted(t *testing.T) {
	whole := open(t, sqldbtest.SQLite(t))
	twoCopies(t, whole)
	from := whole.size()
	whole.compareDue(t)
	want := dump(t, whole.DB)
	steps := int(whole.size() - from)
	if steps < 3 {
		t.Fatalf("a comparison of %d steps: the test does not test", steps)
	}
	for k := range steps {
		o := open(t, sqldbtest.SQLite(t))
		twoCopies(t, o)
		left = k
		if err := o.CompareDue(t.Context()); err == nil && k < steps {
			t.Errorf("step %d did not fail", k)
		}
		left = -1
		o.compareDue(t)
		if got := o.size(); got != whole.size() {
			t.Errorf("ended at step %d, the record has %d entries, want %d", k, got, whole.size())
		}
		if got := dump(t, o.DB); !reflect.DeepEqual(got, want) {
			t.Errorf("ended at step %d, the tables differ:\n got %v\nwant %v", k, got, want)
		}
	}
}

// Too little for the program to say that two chats are one is enough for a person.
func TestPossible(t *testing.T) {
	o := open(t, sqldbtest.SQLite(t))
	short := append(slices.Clone(chat[:3]), said{"2023-10-27T09:03:00", "Tom", "ok"}, said{"2023-10-27T09:04:00", "Tom", "The supplier wants an answer about the water quality contract today"})
	a := o.handIn(t, "@asha:example.org", "Europe/London", written(t, short, "Europe/London", true, nil, nil))
	b := o.handIn(t, "@tom:example.org", "Europe/London", written(t, short, "Europe/London", true, nil, func(i int, s string) (string, bool) { return s, i != 2 }))
	o.compareDue(t)
	ask := func() (messages, chats int64) {
		t.Helper()
		m, c, err := store.CountDoubts(t.Context(), o.DB.Reader())
		if err != nil {
			t.Fatal(err)
		}
		return m, c
	}
	if _, n := ask(); n != 1 {
		t.Fatalf("%d pairs of chats are for a person, want 1", n)
	}
	if x := o.thread(t, a); len(x.Copies) != 1 {
		t.Errorf("%d copies before anybody has said so", len(x.Copies))
	}
	if err := o.SayChats(t.Context(), "@ruth:example.org", a, b, true); err != nil {
		t.Fatal(err)
	}
	o.compareDue(t)
	if x := o.thread(t, a); len(x.Copies) != 2 || len(x.Messages) != len(short) {
		t.Errorf("%d copies and %d messages, want 2 and %d", len(x.Copies), len(x.Messages), len(short))
	}
	if _, n := ask(); n != 0 {
		t.Errorf("%d pairs of chats are still for a person", n)
	}
	one := o.thread(t, a).Copies[0].Sightings[0].Pos
	count := func() int {
		_, list, err := o.LogicalMessage(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if n := count(); n != 2 {
		t.Errorf("a message of both copies is seen %d times, want 2", n)
	}
	said, err := store.LinksSaid(t.Context(), o.DB.Reader(), o.size(), 1)
	if err != nil || len(said) != 1 {
		t.Fatal(said, err)
	}
	if err := o.Undo(t.Context(), "@ruth:example.org", said[0].Entry); err != nil {
		t.Fatal(err)
	}
	if x := o.thread(t, a); len(x.Copies) != 1 || count() != 1 {
		t.Errorf("taken back, there are %d copies, and the message is seen %d times", len(x.Copies), count())
	}
	if _, n := ask(); n != 1 {
		t.Errorf("taken back, %d pairs of chats are for a person, want 1", n)
	}
	if err := o.SayChats(t.Context(), "@ruth:example.org", a, b, true); err != nil {
		t.Fatal(err)
	}
	o.compareDue(t)
	if x := o.thread(t, a); len(x.Copies) != 2 || count() != 2 {
		t.Errorf("said again, there are %d copies, and the message is seen %d times", len(x.Copies), count())
	}
	checkRebuilt(t, o)
}

// openAt opens the record in a file.
func openAt(path string) (*office, func(), error) {
	ctx := context.Background()
	db, err := sqldb.Open(ctx, path, sqldb.Options{})
	if err != nil {
		return nil, nil, err
	}
	if err := store.Migrate(ctx, db); err != nil {
		return nil, nil, err
	}
	private, _, err := record.GenerateKey(crand.Reader, record.Origin("example.org"))
	if err != nil {
		return nil, nil, err
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	rec, err := recorder.Open(ctx, recorder.Options{DB: db, Signer: signer, Log: log, Project: project})
	if err != nil {
		return nil, nil, err
	}
	files, err := media.New(media.Options{Dir: filepath.Dir(path), Server: "example.org", DB: db, Record: rec, Log: log})
	if err != nil {
		return nil, nil, err
	}
	return &office{&capture.Service{DB: db, Record: rec, Media: files, Parsers: []capture.Parser{whatsapp.Parser{}}, Now: time.Now, Log: log},
		&link.Service{DB: db, Record: rec, Log: log}}, func() { rec.Close(); db.Close() }, nil
}

// compareAt is what the process does that TestKilled kills.
func compareAt(path string) {
	o, _, err := openAt(path)
	if err == nil {
		err = o.CompareDue(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A process that is killed while it compares leaves a record on which another goes on, to the same end.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	dir := t.TempDir()
	begin := filepath.Join(dir, "begin.db")
	o, done, err := openAt(begin)
	if err != nil {
		t.Fatal(err)
	}
	w := simulate(shape{people: 5, messages: 6000, short: .4, long: .5, bursts: .01}, 21)
	for n, e := range exports(w)["two iPhones, neither zone known"] {
		text, _ := w.exported(n, e)
		o.handIn(t, fmt.Sprintf("@p%d:example.org", n), "", text)
	}
	from := o.size()
	done()
	copyOfBegin := func(name string) string {
		b, err := os.ReadFile(begin)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	end := func(path string) (int64, map[string][]string) {
		o, done, err := openAt(path)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		o.compareDue(t)
		return o.size(), dump(t, o.DB)
	}
	size, want := end(copyOfBegin("whole.db"))
	if size-from < 10 {
		t.Fatalf("%d statements: the test does not test", size-from)
	}
	killed := 0
	for i := range 6 {
		path := copyOfBegin(fmt.Sprint("killed", i, ".db"))
		cmd := exec.Command(os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), "DESPATCH_LINK_CHILD="+path), os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Wait until some of its statements are there, and kill it then.
		watch, err := sqldb.Open(t.Context(), path, sqldb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		until := from + 1 + rand.Int64N(size-from-2)
		for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
			if h, err := store.ReadHead(t.Context(), watch.Reader()); err == nil && h.Size >= until {
				break
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		if h, err := store.ReadHead(t.Context(), watch.Reader()); err == nil && h.Size < size {
			killed++
		}
		watch.Close()
		gotSize, got := end(path)
		if gotSize != size || !reflect.DeepEqual(got, want) {
			t.Errorf("killed at %d, the record ends at %d, want %d, and the tables are the same: %v", until, gotSize, size, reflect.DeepEqual(got, want))
		}
	}
	if killed == 0 {
		t.Error("no process was killed in time: the test does not test")
	}
	t.Logf("%d of 6 processes were killed before they had ended", killed)
}

// What a person keeps apart does not come together by way of a third copy, and comes together again when
// that is taken back.
func TestThreeCopies(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		ctx := t.Context()
		o := open(t, target)
		_, toms := twoCopies(t, o)
		o.compareDue(t)
		first := o.thread(t, toms).Copies[0].Sightings[0].Pos
		before, _, err := o.LogicalMessage(ctx, first)
		if err != nil {
			t.Fatal(err)
		}
		o.handIn(t, "@priya:example.org", "Asia/Kolkata", written(t, chat, "Asia/Kolkata", true, map[string]string{"Asha": "A. Rao", "Tom": "Tom F."}, nil))
		o.compareDue(t)
		x := o.thread(t, toms)
		if len(x.Copies) != 3 || len(x.Messages) != len(chat) {
			t.Fatalf("%d copies and %d messages, want 3 and %d", len(x.Copies), len(x.Messages), len(chat))
		}
		id, list, err := o.LogicalMessage(ctx, first)
		if err != nil || len(list) != 3 || id != before {
			t.Fatalf("%v as %s, want 3 as %s: %v", list, id, before, err)
		}
		if err := o.Say(ctx, "@ruth:example.org", list[0], list[1], false); err != nil {
			t.Fatal(err)
		}
		_, one, _ := o.LogicalMessage(ctx, list[0])
		_, other, _ := o.LogicalMessage(ctx, list[1])
		if slices.Contains(one, list[1]) || slices.Contains(other, list[0]) || len(one)+len(other) != 3 {
			t.Errorf("kept apart, they are %v and %v", one, other)
		}
		if err := o.Undo(ctx, "@ruth:example.org", o.size()-1); err != nil {
			t.Fatal(err)
		}
		if again, all, _ := o.LogicalMessage(ctx, list[1]); len(all) != 3 || again != id {
			t.Errorf("taken back, %v as %s, want 3 as %s", all, again, id)
		}
		checkRebuilt(t, o)
	})
}

// The same copies give the same answer, however often and in whatever order maps are walked.
func TestSameAnswer(t *testing.T) {
	w := simulate(shape{people: 6, messages: 3000, short: .4, long: .4, bursts: .03}, 9)
	e := exports(w)["two iPhones, neither zone known"]
	a, _ := w.take(0, e[0])
	b, _ := w.take(1, e[1])
	want := link.Compare(a, b)
	for range 5 {
		if got := link.Compare(a, b); !reflect.DeepEqual(got, want) {
			t.Fatalf("another answer: %d and %d links, %v and %v", len(got.Links), len(want.Links), got.Names, want.Names)
		}
	}
}
