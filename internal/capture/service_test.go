package capture_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"despatch/internal/capture"
	"despatch/internal/capture/spillage"
	"despatch/internal/capture/whatsapp"
	"despatch/internal/media"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// world is a capture service with all it stands on.
type world struct {
	*capture.Service
	DB *sqldb.DB
}

func open(t testing.TB, target string) *world {
	t.Helper()
	ctx := context.Background()
	db := sqldbtest.Open(t, target)
	if err := store.Migrate(ctx, db); err != nil {
		t.Fatal(err)
	}
	private, _, err := record.GenerateKey(rand.Reader, record.Origin("example.org"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	rec, err := recorder.Open(ctx, recorder.Options{DB: db, Signer: signer, Log: log, Project: capture.Project})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rec.Close() })
	files, err := media.New(media.Options{Dir: t.TempDir(), Server: "example.org", DB: db, Record: rec, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s := &capture.Service{DB: db, Record: rec, Media: files, Parsers: []capture.Parser{whatsapp.Parser{}}, Now: time.Now, Log: log}
	return &world{s, db}
}

func (w *world) size() int64 { return w.Record.Head().Edge.Size }

func (w *world) submit(t testing.TB, person string, opt capture.Options, files ...*capture.File) *capture.Receipt {
	t.Helper()
	r, err := w.Submit(t.Context(), capture.Upload{Person: person, Files: files, Options: opt})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func file(t testing.TB, name string, data []byte) *capture.File {
	t.Helper()
	f, err := capture.NewFile(t.Context(), name, bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// chat is an Android chat of n messages.
func chat(n int) []byte {
	var b bytes.Buffer
	at := time.Date(2022, 1, 1, 8, 0, 0, 0, time.UTC)
	for i := range n {
		at = at.Add(time.Duration(i%7) * time.Minute)
		who := []string{"Asha Rao", "Tom Field", "+44 7700 900123"}[i%3]
		switch {
		case i%40 == 3:
			fmt.Fprintf(&b, "%s - %s added %s\n", at.Format("02/01/2006, 15:04"), who, who)
		case i%40 == 5:
			fmt.Fprintf(&b, "%s - %s: a list:\n1. water\n2. message %d\n", at.Format("02/01/2006, 15:04"), who, i)
		default:
			fmt.Fprintf(&b, "%s - %s: message number %d says what people say on an ordinary working day\n", at.Format("02/01/2006, 15:04"), who, i)
		}
	}
	return b.Bytes()
}

func zipped(t testing.TB, chat string, media map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name, data string) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, data)
	}
	add("_chat.txt", chat)
	for name, data := range media {
		add(name, data)
	}
	z.Close()
	return b.Bytes()
}

const shortChat = "\u200e[27/10/2023, 22:42:29] Tom: \u200e<attached: 00000001-PHOTO-2023-10-27-22-42-29.jpg>\r\n" +
	"[27/10/2023, 22:43:00] Tom: where is the letter?\r\n" +
	"[27/10/2023, 22:43:01] Tom: \u200eThis message was deleted.\r\n" +
	"[27/10/2023, 22:44:00] Water: \u200eTom left\r\n"

func TestSubmit(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		w := open(t, target)
		london, err := time.LoadLocation("Europe/London")
		if err != nil {
			t.Fatal(err)
		}
		picture := strings.Repeat("jpeg", 5000)
		data := zipped(t, shortChat, map[string]string{"00000001-PHOTO-2023-10-27-22-42-29.jpg": picture})
		r := w.submit(t, "@asha:example.org", capture.Options{Zone: london}, file(t, "WhatsApp Chat - Water.zip", data))
		if r.Status != capture.StatusRead || r.Repeated || len(r.Conversations) != 1 || r.Fault != "" {
			t.Fatalf("receipt is %+v", r)
		}
		c := r.Conversations[0]
		if c.Title != "Water" || c.Items != 4 || c.New != 4 || c.Last-c.First != 3 || c.Earlier {
			t.Errorf("conversation is %+v", c)
		}
		w.checkItems(t, c)

		// The picture can be had by its hash.
		o := w.observation(t, c.First)
		sum := [32]byte{}
		copy(sum[:], unhex(t, o.Attachments[0].SHA256))
		body, n, err := w.Attachment(t.Context(), sum)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != picture || n != int64(len(picture)) {
			t.Errorf("the attachment has %d bytes (%d), %v", len(got), n, err)
		}
		body.Close()

		// The file is kept whole.
		kept, err := w.Media.Content(t.Context(), [32]byte(unhex(t, r.Files[0].SHA256)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(kept); err != nil || !bytes.Equal(got, data) {
			t.Errorf("the kept file differs, %v", err)
		}
		kept.Close()

		size := w.size()
		again := w.submit(t, "@asha:example.org", capture.Options{}, file(t, "another name.zip", data))
		if !again.Repeated || again.Submission != r.Submission || again.Conversations[0].New != 0 || w.size() != size {
			t.Errorf("the same file again: %+v, and the record grew from %d to %d", again, size, w.size())
		}
		other := w.submit(t, "@tom:example.org", capture.Options{}, file(t, "mine.zip", data))
		if other.Repeated || other.Submission == r.Submission || other.Conversations[0].New != 0 || !other.Conversations[0].Earlier ||
			other.Conversations[0].ID != c.ID || w.size() != size+2 {
			t.Errorf("another person's same file: %+v, and the record grew from %d to %d", other, size, w.size())
		}
		list, err := w.Submissions(t.Context(), "@asha:example.org", 10)
		if err != nil || len(list) != 1 || list[0].ID != r.Submission || list[0].Status != "read" || list[0].Messages != 3 {
			t.Errorf("submissions are %+v, %v", list, err)
		}
		got, err := w.Receipt(t.Context(), r.Submission)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("receipt read again is\n%+v, %v, want\n%+v", got, err, r)
		}
		if _, err := w.Receipt(t.Context(), "sub_none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("receipt of nothing: %v", err)
		}
	})
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var b []byte
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil || len(b) != 32 {
		t.Fatalf("%q is no hash: %v", s, err)
	}
	return b
}

func (w *world) observation(t testing.TB, pos int64) *capture.Observation {
	t.Helper()
	e, err := store.EntryAt(t.Context(), w.DB.Reader(), pos)
	if err != nil {
		t.Fatal(err)
	}
	o, err := capture.DecodeObservation(e.Body)
	if err != nil || e.Kind != record.KindObservation {
		t.Fatalf("entry %d is a %s, %v", pos, e.Kind, err)
	}
	return o
}

// checkItems checks that a conversation's scope holds its messages, each once, in the order of the file.
func (w *world) checkItems(t testing.TB, c capture.FiledConversation) {
	t.Helper()
	row, err := store.CapturedConversationByID(t.Context(), w.DB.Reader(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	var seq, ordinal int64
	ids := map[string]bool{}
	err = store.Entries(t.Context(), w.DB.Reader(), 0, w.size(), func(e *store.Entry) error {
		if e.Scope != row.Scope {
			return nil
		}
		o, err := capture.DecodeObservation(e.Body)
		if err != nil {
			return err
		}
		if e.Seq != seq || o.Ordinal < ordinal || ids[o.ID] {
			t.Errorf("entry %d has sequence %d (want %d) and ordinal %d after %d; seen before: %v", e.Pos, e.Seq, seq, o.Ordinal, ordinal, ids[o.ID])
		}
		ids[o.ID] = true
		ordinal = o.Ordinal
		seq++
		return nil
	})
	if err != nil || seq != c.Items {
		t.Errorf("the scope holds %d entries, %v, want %d", seq, err, c.Items)
	}
}

func TestQuestion(t *testing.T) {
	w := open(t, sqldbtest.SQLite(t))
	f := func() *capture.File {
		return file(t, "_chat.txt", []byte("03/04/21, 10:00 - Ann: which month?\n04/04/21, 10:02 - Ann: nor the day\n"))
	}
	r := w.submit(t, "@ann:example.org", capture.Options{}, f())
	if r.Status != capture.StatusNeedsAnswer || len(r.Run.Questions) != 1 || len(r.Conversations) != 0 || r.Run.Coverage.Messages != 2 {
		t.Fatalf("receipt is %+v", r)
	}
	size := w.size()
	if w.submit(t, "@ann:example.org", capture.Options{}, f()); w.size() != size {
		t.Errorf("the same question again made the record grow from %d to %d", size, w.size())
	}
	answered := w.submit(t, "@ann:example.org", capture.Options{DateOrder: "mdy"}, f())
	if answered.Status != capture.StatusRead || answered.Submission != r.Submission || answered.Conversations[0].New != 2 {
		t.Fatalf("receipt after the answer is %+v", answered)
	}
	if o := w.observation(t, answered.Conversations[0].First); o.Sent.Local != "2021-03-04T10:00" {
		t.Errorf("the first message was sent at %+v", o.Sent)
	}
}

// TestUnreadable hands in what no parser reads: it is kept, and the receipt says why.
func TestUnreadable(t *testing.T) {
	w := open(t, sqldbtest.SQLite(t))
	bad := zipped(t, shortChat, nil)
	for _, test := range []struct {
		name   string
		data   []byte
		status capture.Status
		says   string
	}{
		{"letter.pdf", []byte("%PDF-1.7"), capture.StatusUnknown, ""},
		{"cut.zip", bad[:len(bad)-30], capture.StatusUnreadable, "cut short"},
		{"headless.zip", zipped(t, "nothing like a message", nil), capture.StatusUnreadable, "no line"},
	} {
		r := w.submit(t, "@ann:example.org", capture.Options{}, file(t, test.name, test.data))
		if r.Status != test.status || !strings.Contains(r.Fault, test.says) || len(r.Summary()) == 0 {
			t.Errorf("%s: receipt is %+v, summary %q", test.name, r, r.Summary())
		}
		if err := w.Media.Verify(t.Context(), [32]byte(unhex(t, r.Files[0].SHA256))); err != nil {
			t.Errorf("%s is not kept: %v", test.name, err)
		}
	}
}

// stopping is a parser that fails after some messages, as a crash would.
type stopping struct {
	capture.Parser
	after int
}

var errCrash = errors.New("crash")

func (p stopping) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	n := 0
	return p.Parser.Parse(ctx, src, opt, func(o *capture.Observation) error {
		if n++; n > p.after {
			return errCrash
		}
		return emit(o)
	})
}

func TestResume(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		for _, after := range []int{0, 1, 499, 1200, 1999} {
			w := open(t, target)
			name := fmt.Sprintf("WhatsApp Chat with %d.txt", after)
			data := append(chat(2000), fmt.Sprintf("31/12/2025, 10:00 - Ann: %d\n", after)...) // each its own file
			w.Parsers = []capture.Parser{stopping{whatsapp.Parser{}, after}}
			_, err := w.Submit(t.Context(), capture.Upload{Person: "@ann:example.org", Files: []*capture.File{file(t, name, data)}, Options: capture.Options{Zone: time.UTC}})
			if !errors.Is(err, errCrash) {
				t.Fatalf("error is %v", err)
			}
			w.Parsers = []capture.Parser{whatsapp.Parser{}}
			if after == 1200 { // by hand
				w.submit(t, "@ann:example.org", capture.Options{Zone: time.UTC}, file(t, name, data))
			} else if err := w.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			list, err := w.Submissions(t.Context(), "@ann:example.org", 1)
			if err != nil || len(list) != 1 {
				t.Fatalf("submissions are %+v, %v", list, err)
			}
			r, err := w.Receipt(t.Context(), list[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			if c := r.Conversations[0]; r.Status != capture.StatusRead || c.Items != 2001 || c.New != 2001 || c.Earlier || c.Title != fmt.Sprint(after) || r.Declared.Zone != "UTC" {
				t.Errorf("after a crash at %d: %+v", after, r)
			}
			w.checkItems(t, r.Conversations[0])
			w.Record.Close()
			if target != sqldbtest.SQLite(t) && strings.HasPrefix(target, "postgres") {
				break // one database for all: once is enough
			}
			target = sqldbtest.SQLite(t)
		}
	})
}

// TestTogether hands in the same file by several people at once.
func TestTogether(t *testing.T) {
	w := open(t, sqldbtest.SQLite(t))
	data := chat(1500)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			f, err := capture.NewFile(context.Background(), "x.txt", bytes.NewReader(data), int64(len(data)), time.Time{})
			if err == nil {
				_, err = w.Submit(context.Background(), capture.Upload{Person: fmt.Sprintf("@p%d:example.org", i%3), Files: []*capture.File{f}, Options: capture.Options{DateOrder: "dmy"}})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var total int64
	err := store.CapturedConversations(t.Context(), w.DB.Reader(), func(c store.CapturedConversation) error {
		have, err := store.CapturedRangeOf(t.Context(), w.DB.Reader(), c.Scope)
		total += have.Items
		return err
	})
	if err != nil || total != 1500 {
		t.Errorf("%d items are on the record, %v, want 1500", total, err)
	}
}

// TestRebuild makes the tables again from the entries alone and compares.
func TestRebuild(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		w := open(t, target)
		w.submit(t, "@ann:example.org", capture.Options{}, file(t, "a.zip", zipped(t, shortChat, map[string]string{"00000001-PHOTO-2023-10-27-22-42-29.jpg": "jpeg"})))
		w.submit(t, "@tom:example.org", capture.Options{}, file(t, "a.zip", zipped(t, shortChat, map[string]string{"00000001-PHOTO-2023-10-27-22-42-29.jpg": "jpeg"})))
		w.submit(t, "@tom:example.org", capture.Options{DateOrder: "dmy"}, file(t, "b.txt", chat(1300)))
		w.submit(t, "@tom:example.org", capture.Options{}, file(t, "c.txt", []byte("03/04/21, 10:00 - Ann: which month?\n")))
		w.submit(t, "@tom:example.org", capture.Options{}, file(t, "d.pdf", []byte("%PDF")))
		w.Detect = spillage.Find
		marked := w.submit(t, "@tom:example.org", capture.Options{DateOrder: "dmy"}, file(t, "e.txt", []byte("03/04/21, 10:00 - Ann: SECRET: six\n03/04/21, 10:01 - Ann: UK EYES ONLY\n03/04/21, 10:02 - Ann: STRAP 1\n")))
		for i, release := range []bool{true, false} {
			if err := w.DecideSealed(t.Context(), "@sam:example.org", marked.Conversations[0].First+2*int64(i), release, "Because."); err != nil {
				t.Fatal(err)
			}
		}
		before := w.tables(t)
		if n := strings.Count(before, "sealed_item"); n != 3 {
			t.Errorf("%d messages are sealed, want 3", n)
		}
		w.Record.Close()
		err := w.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
			for _, name := range captureTables {
				if _, err := tx.Exec(t.Context(), `DELETE FROM `+name); err != nil {
					return err
				}
			}
			var entries []recorder.Committed
			err := store.Entries(t.Context(), tx, 0, 1<<60, func(e *store.Entry) error {
				entries = append(entries, recorder.Committed{ScopeID: e.Scope, Pos: e.Pos, Seq: e.Seq, Time: e.Time,
					Entry: recorder.Entry{Kind: e.Kind, Body: e.Body, Ref: e.Ref, Class: e.Class}})
				return nil
			})
			if err != nil {
				return err
			}
			for i := range entries { // one by one, as the worst case
				s, err := store.ScopeByID(t.Context(), tx, entries[i].ScopeID)
				if err != nil {
					return err
				}
				entries[i].Scope = s.Name
				if err := capture.Project(t.Context(), tx, entries[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if after := w.tables(t); after != before {
			t.Errorf("tables made again differ:\n%s\nwant\n%s", after, before)
		}
	})
}

var captureTables = []string{"captured_file", "captured_item", "captured_by", "captured_conversation", "submission", "sealed_item"}

// tables is the content of all tables of this package.
func (w *world) tables(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, name := range captureTables {
		r, err := w.DB.Reader().Query(t.Context(), `SELECT * FROM `+name+` ORDER BY 1, 2`)
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
				fmt.Fprintf(&b, "%v ", *v.(*any))
			}
			b.WriteString(name + "\n")
		}
		r.Close()
	}
	return b.String()
}

// TestPreview checks the shape that outsiders read, and that nothing is stored.
func TestPreview(t *testing.T) {
	data := zipped(t, shortChat, map[string]string{"00000001-PHOTO-2023-10-27-22-42-29.jpg": "jpeg"})
	var out bytes.Buffer
	p, err := capture.WritePreview(t.Context(), &out, []capture.Parser{whatsapp.Parser{}}, []*capture.File{file(t, "WhatsApp Chat - Water.zip", data)}, capture.Options{Zone: time.UTC})
	if err != nil || p.Status != capture.StatusRead {
		t.Fatalf("preview is %+v, %v", p, err)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 || out.Bytes()[out.Len()-1] != '\n' {
		t.Errorf("the preview has %d line feeds, want one, at its end", n)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"format", "files", "declared", "fault", "parser", "parser_version", "system", "variant", "status", "conversations",
		"decisions", "warnings", "questions", "coverage", "reconciliation", "messages"} {
		if _, ok := got[key]; !ok {
			t.Errorf("the preview has no %q", key)
		}
	}
	messages := got["messages"].([]any)
	m := messages[0].(map[string]any)
	for _, key := range []string{"id", "conversation", "ordinal", "origin", "kind", "sender", "sent", "body", "text", "attachments", "reply_to", "reactions", "edits", "state", "quality"} {
		if _, ok := m[key]; !ok {
			t.Errorf("a message has no %q", key)
		}
	}
	sent := m["sent"].(map[string]any)
	if sent["earliest"] != "2023-10-27T22:42:29.000Z" || sent["latest"] != "2023-10-27T22:42:29.999Z" || sent["zone_basis"] != "utc" || len(messages) != 4 {
		t.Errorf("%d messages, the first was sent %v", len(messages), sent)
	}
}

func BenchmarkSubmit100k(b *testing.B) {
	data := chat(100_000)
	for b.Loop() {
		b.StopTimer()
		w := open(b, sqldbtest.SQLite(b))
		f := file(b, "WhatsApp Chat with Water.txt", data)
		b.StartTimer()
		r, err := w.Submit(context.Background(), capture.Upload{Person: "@ann:example.org", Files: []*capture.File{f}, Options: capture.Options{Zone: time.UTC}})
		if err != nil || r.Conversations[0].New != 100_000 {
			b.Fatalf("%+v, %v", r, err)
		}
		b.StopTimer()
		w.Record.Close()
		b.StartTimer()
	}
}
