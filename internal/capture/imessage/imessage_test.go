package imessage

import (
	"archive/zip"
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

// expected is what testdata/make.py says that the database holds.
type expected struct {
	Rows     int64 `json:"rows"`
	Messages []struct {
		Row       int64    `json:"row"`
		GUID      string   `json:"guid"`
		Chat      string   `json:"chat"`
		UTC       int64    `json:"utc"`
		Sender    string   `json:"sender"`
		Body      string   `json:"body"`
		Kind      string   `json:"kind"`
		Reply     string   `json:"reply"`
		Reactions [][3]any `json:"reactions"`
		Edits     [][2]any `json:"edits"`
		Edited    bool     `json:"edited"`
		Deleted   string   `json:"deleted"`
		Delivered int64    `json:"delivered"`
		System    []string `json:"system"`
		Files     []string `json:"files"`
		Status    string   `json:"status"`
	} `json:"messages"`
}

type parsed struct {
	Run      *capture.ParseRun
	Messages []*capture.Observation
}

func parse(t testing.TB, files ...*capture.File) (*parsed, error) {
	t.Helper()
	p := &parsed{}
	run, err := Parser{}.Parse(context.Background(), &capture.Source{Files: files}, capture.Options{}, func(o *capture.Observation) error {
		p.Messages = append(p.Messages, o)
		return nil
	})
	p.Run = run
	return p, err
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// zipped is the database with one of its attachments, as a folder that was packed.
func zipped(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range map[string][]byte{"Messages/chat.db": testdata(t, "chat.db"), "Messages/Attachments/ab/11/G1/IMG_1.HEIC": []byte("picture"), "Messages/other.txt": []byte("x")} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
	}
	z.Close()
	return b.Bytes()
}

func TestDatabase(t *testing.T) {
	var want expected
	if err := json.Unmarshal(testdata(t, "expected.json"), &want); err != nil {
		t.Fatal(err)
	}
	f := capturetest.File(t, "Messages.zip", zipped(t))
	if is, err := (Parser{}).Recognise(t.Context(), &capture.Source{Files: []*capture.File{f}}); !is || err != nil {
		t.Fatalf("not recognised: %v", err)
	}
	p, err := parse(t, f)
	if err != nil {
		t.Fatal(err)
	}
	r := p.Run.Reconciliation
	if !r.Balanced || r.InFile != want.Rows || r.System != 3 || r.Continuation != 4 {
		t.Errorf("records do not add up to %d: %+v", want.Rows, r)
	}
	if m := p.Run.Coverage.Members; m == nil || !m.Balanced || m.Total != 3 || m.Named != 1 || m.Unnamed != 1 {
		t.Errorf("members are %+v", m)
	}
	if len(p.Messages) != len(want.Messages) {
		t.Fatalf("%d messages, want %d", len(p.Messages), len(want.Messages))
	}
	for i, w := range want.Messages {
		o := p.Messages[i]
		if o.Origin.Row != w.Row || o.NativeID != w.GUID || o.Chat != w.Chat || o.Sent.Min != w.UTC || o.Sender != w.Sender {
			t.Errorf("row %d is %d %s in %s at %d by %s, want %s in %s at %d by %s", w.Row, o.Origin.Row, o.NativeID, o.Chat, o.Sent.Min, o.Sender, w.GUID, w.Chat, w.UTC, w.Sender)
		}
		if o.Body != w.Body {
			t.Errorf("row %d says %d bytes, want %d: %.80q, want %.80q", w.Row, len(o.Body), len(w.Body), o.Body, w.Body)
		}
		if kind := w.Kind; kind == "" && o.Kind != capture.KindText || kind != "" && string(o.Kind) != kind {
			t.Errorf("row %d is %s, want %s", w.Row, o.Kind, w.Kind)
		}
		if reply := o.ReplyTo; (reply == nil) != (w.Reply == "") || reply != nil && reply.NativeID != w.Reply {
			t.Errorf("row %d answers %+v, want %q", w.Row, reply, w.Reply)
		}
		var reactions, edits []string
		for _, x := range o.Reactions {
			reactions = append(reactions, fmt.Sprint(x.Value, x.Actor, x.Removed))
		}
		for j, x := range w.Reactions {
			if s := fmt.Sprint(x[0], x[1], x[2]); j >= len(reactions) || reactions[j] != s {
				t.Errorf("row %d has reactions %q, want %s", w.Row, reactions, s)
			}
		}
		for _, x := range o.Edits {
			edits = append(edits, fmt.Sprint(x.Body, " ", x.At.Min))
		}
		for j, x := range w.Edits {
			if s := fmt.Sprintf("%s %.0f", x[0], x[1]); j >= len(edits) || edits[j] != s {
				t.Errorf("row %d has versions %q, want %s", w.Row, edits, s)
			}
		}
		if len(o.Reactions) != len(w.Reactions) || len(o.Edits) != len(w.Edits) || o.State.Edited != w.Edited || o.State.DeletedBy != w.Deleted || o.State.Status != w.Status {
			t.Errorf("row %d has state %+v, reactions %q, versions %q", w.Row, o.State, reactions, edits)
		}
		if w.Delivered != 0 && (len(o.To) != 1 || o.To[0].Delivered == nil || o.To[0].Delivered.Min != w.Delivered) {
			t.Errorf("row %d went to %+v, want delivered at %d", w.Row, o.To, w.Delivered)
		}
		if w.System != nil && (o.System == nil || !slices.Equal([]string{o.System.Code, o.System.Actor, o.System.Value}, w.System)) {
			t.Errorf("row %d is %+v, want %q", w.Row, o.System, w.System)
		}
		var files []string
		for _, a := range o.Attachments {
			files = append(files, a.Name+" "+string(a.Presence))
		}
		if !slices.Equal(files, w.Files) {
			t.Errorf("row %d has files %q, want %q", w.Row, files, w.Files)
		}
	}
}

// stream writes an attributed string as Apple does.
func stream(s string) []byte {
	b := append(bytes.Clone(streamHead), "\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+"...)
	switch n := len(s); {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x8000:
		b = binary.LittleEndian.AppendUint16(append(b, 0x81), uint16(n))
	default:
		b = binary.LittleEndian.AppendUint32(append(b, 0x82), uint32(n))
	}
	return append(append(b, s...), 0x86, 0x84)
}

func TestAttributed(t *testing.T) {
	for n := 0; n < 70_000; n += 1 + n/50 {
		s := strings.Repeat("\x86\x84+é", n/5+1)[:n]
		s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x86\x84", "††"), "?")
		if got, clipped, ok := attributed(stream(s)); got != s || clipped || !ok {
			t.Fatalf("a string of %d bytes reads as one of %d, %t, %t", len(s), len(got), clipped, ok)
		}
	}
	whole := stream(strings.Repeat("a", 400))
	if got, clipped, ok := attributed(whole[:200]); !ok || !clipped || strings.Trim(got, "a") != "" {
		t.Errorf("a stream that was cut reads as %q, %t, %t", got, clipped, ok)
	}
	for _, b := range [][]byte{nil, []byte("streamtyped"), streamHead, []byte(string(streamHead) + "NSString\x84\x01+"), []byte(string(streamHead) + "NSString\x84\x01+\x81")} {
		if s, _, ok := attributed(b); ok {
			t.Errorf("%q reads as %q", b, s)
		}
	}
}

// made returns a database with n messages, of which every tenth has a reaction.
func made(t testing.TB, n int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range []string{
		"CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT)", "INSERT INTO handle VALUES (1, '+447700900123')",
		"CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, style INTEGER, display_name TEXT, chat_identifier TEXT)", "INSERT INTO chat VALUES (1, 'iMessage;-;+447700900123', 45, '', '')",
		"CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER, PRIMARY KEY (chat_id, message_id))", "CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER)", "INSERT INTO chat_handle_join VALUES (1, 1)",
		"CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT UNIQUE, text TEXT, attributedBody BLOB, handle_id INTEGER, service TEXT, date INTEGER, is_from_me INTEGER, associated_message_guid TEXT, associated_message_type INTEGER)",
	} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		kind, target := 0, ""
		if i%10 == 0 {
			kind, target = 2001, fmt.Sprintf("p:0/G%d", i-3)
		}
		if _, err = tx.Exec("INSERT INTO message VALUES ($1, $2, NULL, $3, 1, 'iMessage', $4, $5, $6, $7)", i, fmt.Sprint("G", i), stream(fmt.Sprintf("message %d says what people say on an ordinary working day", i)), int64(i)*1e9+600000000e9, i%2, target, kind); err == nil {
			_, err = tx.Exec("INSERT INTO chat_message_join VALUES (1, $1)", i)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMemory shows that many messages take no more memory than few.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped in short mode: makes a database of 100 000 messages")
	}
	f := capturetest.File(t, "chat.db", made(t, 100_000))
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	n, reactions := 0, 0
	run, err := Parser{}.Parse(t.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(o *capture.Observation) error {
		reactions += len(o.Reactions)
		if n++; n%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
		return nil
	})
	if err != nil || n != 90_000 || reactions != 10_000 || !run.Reconciliation.Balanced {
		t.Fatalf("%d messages, %d reactions, %+v, %v", n, reactions, run.Reconciliation, err)
	}
	if limit := uint64(24 << 20); peak > limit {
		t.Errorf("live heap grew by %d bytes, want at most %d", peak, limit)
	}
	t.Logf("a database of %d bytes took %d bytes", f.Size, peak)
}

func BenchmarkParse20k(b *testing.B) {
	f := capturetest.File(b, "chat.db", made(b, 20_000))
	b.SetBytes(f.Size)
	for b.Loop() {
		n := 0
		if _, err := (Parser{}).Parse(context.Background(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil }); err != nil || n != 18_000 {
			b.Fatal(n, err)
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add(stream("hello"))
	f.Add(stream(strings.Repeat("long ", 100)))
	f.Add([]byte("bplist00\xd1\x01\x02Rec\x10\x01\x08\x0b\x0e\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, _, ok := attributed(b); ok && len(s) > 3*len(b) {
			t.Errorf("%d bytes hold a string of %d", len(b), len(s))
		}
		readPlist(b)
	})
}

func FuzzDatabase(f *testing.F) {
	f.Add(testdata(f, "chat.db"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse(t, capturetest.File(t, "chat.db", data))
		if err != nil {
			if fault := (*capture.FileError)(nil); !errors.As(err, &fault) {
				t.Errorf("error %v does not say what to do", err)
			}
			return
		}
		if !p.Run.Reconciliation.Balanced {
			t.Errorf("records do not add up: %+v", p.Run.Reconciliation)
		}
	})
}

func TestInstant(t *testing.T) {
	for n, want := range map[int64]time.Time{
		738907200:          time.Date(2024, 6, 1, 4, 0, 0, 0, time.UTC),
		738907200123456789: time.Date(2024, 6, 1, 4, 0, 0, 123e6, time.UTC),
	} {
		if at := instant(n, "server"); at == nil || at.Min != want.UnixMilli() {
			t.Errorf("%d is %+v, want %v", n, at, want)
		}
	}
	if instant(0, "server") != nil {
		t.Error("0 is a time")
	}
}
