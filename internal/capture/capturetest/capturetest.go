// Package capturetest helps the tests of parsers: it makes files and archives, runs a parser, and
// checks what must hold of every run, whatever the system.
package capturetest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/capture/tally"
)

// File returns bytes as a file that was handed in.
func File(t testing.TB, name string, data []byte) *capture.File {
	t.Helper()
	f, err := capture.NewFile(context.Background(), name, bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Entry is a file of an archive.
type Entry struct {
	Name string
	Data string
}

// Zip returns an archive of the entries.
func Zip(t testing.TB, name string, entries ...Entry) *capture.File {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.Create(e.Name)
		if err == nil {
			_, err = io.WriteString(f, e.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return File(t, name, b.Bytes())
}

// Tar returns a tar archive of the entries.
func Tar(t testing.TB, name string, entries ...Entry) *capture.File {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		err := w.WriteHeader(&tar.Header{Name: e.Name, Size: int64(len(e.Data)), Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR})
		if err == nil {
			_, err = io.WriteString(w, e.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return File(t, name, b.Bytes())
}

// Run is what a parser made of a source.
type Run struct {
	*capture.ParseRun
	Messages []*capture.Observation
	Source   *capture.Source
}

// Parse runs the parser after asking it whether it knows the files.
func Parse(t testing.TB, p capture.Parser, opt capture.Options, files ...*capture.File) (*Run, error) {
	t.Helper()
	src := &capture.Source{Files: files}
	if ok, err := p.Recognise(t.Context(), src); err != nil {
		return nil, err
	} else if !ok {
		return nil, errors.New("not recognised")
	}
	r := &Run{Source: src, Messages: []*capture.Observation{}}
	run, err := p.Parse(t.Context(), src, opt, func(o *capture.Observation) error {
		r.Messages = append(r.Messages, o)
		return nil
	})
	r.ParseRun = run
	return r, err
}

// Must is Parse and Check of a source that must be read.
func Must(t testing.TB, p capture.Parser, opt capture.Options, files ...*capture.File) *Run {
	t.Helper()
	r, err := Parse(t, p, opt, files...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != capture.StatusRead {
		t.Fatalf("status %s, %+v", r.Status, r.Questions)
	}
	Check(t, r)
	return r
}

// Check checks what must hold of every run: the books balance, no two messages are one, every message
// was read from the bytes it says, and every attachment is what it says.
func Check(t testing.TB, r *Run) {
	t.Helper()
	sum := r.Reconciliation.Items + r.Reconciliation.System + r.Reconciliation.Continuation
	for _, s := range r.Reconciliation.Skipped {
		sum += s.Count
	}
	if !r.Reconciliation.Balanced || sum != r.Reconciliation.InFile {
		t.Errorf("the books do not balance: %+v", r.Reconciliation)
	}
	if got := r.Reconciliation.Items + r.Reconciliation.System; got != int64(len(r.Messages)) {
		t.Errorf("the books have %d messages, %d were handed out", got, len(r.Messages))
	}
	if c := r.Coverage; r.Status == capture.StatusRead && c.BytesCovered != c.Bytes {
		t.Errorf("%d of %d bytes covered", c.BytesCovered, c.Bytes)
	}
	if m := r.Coverage.Members; m != nil && !m.Balanced {
		t.Errorf("members do not add up: %+v", m)
	}
	ids := map[string]bool{}
	ordinals := map[int]int64{}
	files := map[string][]byte{}
	for i, o := range r.Messages {
		if ids[o.ID] {
			t.Errorf("message %d: id %s occurs twice", i, o.ID)
		}
		ids[o.ID] = true
		if o.Sent.Min > o.Sent.Max {
			t.Errorf("message %d: interval is empty: %+v", i, o.Sent)
		}
		if o.Conversation < 0 || o.Conversation >= len(r.Conversations) {
			t.Fatalf("message %d: conversation %d of %d", i, o.Conversation, len(r.Conversations))
		}
		if o.Ordinal != ordinals[o.Conversation] {
			t.Errorf("message %d: ordinal %d, want %d", i, o.Ordinal, ordinals[o.Conversation])
		}
		ordinals[o.Conversation]++
		if o.Attachments == nil || o.Reactions == nil || o.Edits == nil || o.Quality == nil {
			t.Errorf("message %d: a list is null", i)
		}
		for _, a := range o.Attachments {
			checkAttachment(t, r, i, a, files)
		}
		if strings.Contains(o.Origin.Path, "#") && o.Origin.Line == 0 { // a row of a database
			if o.Origin.ByteStart != 0 || o.Origin.ByteEnd != 0 || len(o.Origin.RawSHA256) != 64 {
				t.Errorf("message %d: a row with bytes, or without a hash: %+v", i, o.Origin)
			}
			continue
		}
		data := Bytes(t, r.Source, files, o.Origin.FileSHA256, o.Origin.Path)
		if o.Origin.ByteStart < 0 || o.Origin.ByteEnd > int64(len(data)) || o.Origin.ByteEnd <= o.Origin.ByteStart {
			t.Errorf("message %d: bytes %d to %d of %d", i, o.Origin.ByteStart, o.Origin.ByteEnd, len(data))
			continue
		}
		raw := sha256.Sum256(data[o.Origin.ByteStart:o.Origin.ByteEnd])
		if hex.EncodeToString(raw[:]) != o.Origin.RawSHA256 {
			t.Errorf("message %d: its bytes have another hash", i)
		}
		if line := int64(bytes.Count(data[:o.Origin.ByteStart], []byte("\n"))) + 1; o.Origin.Line != line {
			t.Errorf("message %d: line %d, want %d", i, o.Origin.Line, line)
		}
	}
	if _, err := json.Marshal(r.ParseRun); err != nil {
		t.Errorf("the run cannot be written: %v", err)
	}
	for i, o := range r.Messages {
		if _, err := json.Marshal(o); err != nil {
			t.Errorf("message %d cannot be written: %v", i, err)
		}
	}
}

func checkAttachment(t testing.TB, r *Run, i int, a capture.Attachment, files map[string][]byte) {
	t.Helper()
	if a.Presence != capture.Present {
		if a.SHA256 != "" {
			t.Errorf("message %d: attachment %q is not there and has a hash", i, a.Name)
		}
		return
	}
	var data []byte
	if a.Open != nil {
		f, err := a.Open()
		if err != nil {
			t.Errorf("message %d: %v", i, err)
			return
		}
		data, _ = io.ReadAll(f)
		f.Close()
	} else {
		data = Bytes(t, r.Source, files, a.Within, a.Path)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != a.SHA256 || int64(len(data)) != a.Size {
		t.Errorf("message %d: attachment %q is not what it says", i, a.Name)
	}
}

// Bytes returns the bytes of a file handed in, or of one in it.
func Bytes(t testing.TB, src *capture.Source, cache map[string][]byte, sha, path string) []byte {
	t.Helper()
	key := sha + "\x00" + path
	if b, ok := cache[key]; ok {
		return b
	}
	for _, f := range src.Files {
		if hex.EncodeToString(f.SHA256[:]) != sha {
			continue
		}
		m := f.Member()
		if path != "" && tally.IsTar(f) {
			list, _, err := tally.Tar(f, src.Bounds())
			i := slices.IndexFunc(list, func(m *capture.Member) bool { return m.Path == path })
			if err != nil || i < 0 {
				t.Fatalf("no %s in %s, %v", path, f.Name, err)
			}
			m = list[i]
		} else if path != "" {
			a, err := capture.OpenZip(f, src.Bounds())
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(a.Members, func(m *capture.Member) bool { return m.Path == path })
			if i < 0 {
				t.Fatalf("no %s in %s", path, f.Name)
			}
			m = a.Members[i]
		}
		r, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		cache[key] = b
		return b
	}
	t.Fatalf("no file %s was handed in", sha)
	return nil
}

// Lines returns the messages as short lines, for comparing with what somebody has written down by hand:
//
//	conversation|kind|native id|earliest-latest in ms|sender|body|what else there is
func Lines(r *Run) string {
	var b strings.Builder
	for _, o := range r.Messages {
		fmt.Fprintf(&b, "%s|%s|%s|%d+%d|%s|%q", r.Conversations[o.Conversation].Title, o.Kind, o.NativeID, o.Sent.Min, o.Sent.Max-o.Sent.Min+1, o.Sender, o.Body)
		if o.Text != o.Body {
			fmt.Fprintf(&b, "|text %q", o.Text)
		}
		if o.Subject != "" {
			fmt.Fprintf(&b, "|subject %q", o.Subject)
		}
		for _, a := range o.Attachments {
			fmt.Fprintf(&b, "|%s %s %s %d", a.Class, a.Name, a.Presence, a.Size)
		}
		ref := func(what string, ref *capture.Ref) {
			if ref != nil {
				fmt.Fprintf(&b, "|%s %s", what, strings.TrimSpace(strings.Join([]string{ref.NativeID, ref.Author, ref.QuotedText}, " ")))
			}
		}
		ref("reply", o.ReplyTo)
		ref("thread", o.Thread)
		ref("forward", o.Forward)
		for _, x := range o.Reactions {
			fmt.Fprintf(&b, "|%s by %s", x.Value, x.Actor)
			if x.At != nil {
				fmt.Fprintf(&b, " at %d", x.At.Min)
			}
		}
		for _, e := range o.Edits {
			fmt.Fprintf(&b, "|was %q until %d", e.Body, e.At.Min)
		}
		if o.State.Edited {
			b.WriteString("|edited")
			if o.State.EditedAt != nil {
				fmt.Fprintf(&b, " %d", o.State.EditedAt.Min)
			}
		}
		if o.State.Deleted {
			b.WriteString("|deleted")
			if o.State.DeletedBy != "" {
				fmt.Fprintf(&b, " by %s", o.State.DeletedBy)
			}
			if o.State.DeletedAt != nil {
				fmt.Fprintf(&b, " %d", o.State.DeletedAt.Min)
			}
		}
		if o.Poll != nil {
			fmt.Fprintf(&b, "|poll %+v", *o.Poll)
		}
		if o.Call != nil {
			fmt.Fprintf(&b, "|call %+v", *o.Call)
		}
		if o.Location != nil {
			fmt.Fprintf(&b, "|at %s,%s", o.Location.Latitude, o.Location.Longitude)
		}
		if o.System != nil {
			fmt.Fprintf(&b, "|%s by %q: %q", o.System.Code, o.System.Actor, o.System.Value)
		}
		for _, q := range o.Quality {
			fmt.Fprintf(&b, "|? %s", q.Code)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Same compares Lines with what was written down by hand.
func Same(t testing.TB, r *Run, want string) {
	t.Helper()
	got := strings.Split(strings.TrimSpace(Lines(r)), "\n")
	expect := strings.Split(strings.TrimSpace(want), "\n")
	for i := range max(len(got), len(expect)) {
		g, w := "(none)", "(none)"
		if i < len(got) {
			g = strings.TrimSpace(got[i])
		}
		if i < len(expect) {
			w = strings.TrimSpace(expect[i])
		}
		if g != w {
			t.Errorf("message %d:\n got %s\nwant %s", i, g, w)
		}
	}
}

// Fuzz runs the parser over bytes that may be anything: it must not fail but by saying what to do, must
// keep its books, and must read the same bytes alike twice.
func Fuzz(t *testing.T, p capture.Parser, name string, data []byte) {
	f := File(t, name, data)
	src := &capture.Source{Files: []*capture.File{f}}
	known, err := p.Recognise(t.Context(), src)
	if fault := (*capture.FileError)(nil); err != nil && !errors.As(err, &fault) {
		t.Errorf("error %v does not say what to do", err)
	}
	if !known {
		return
	}
	var first []byte
	for range 2 {
		r, err := Parse(t, p, capture.Options{Tentative: true}, f)
		if fault := (*capture.FileError)(nil); err != nil && !errors.As(err, &fault) {
			t.Fatalf("error %v does not say what to do", err)
		}
		if r == nil {
			return
		}
		Check(t, r)
		b, err := json.Marshal(r.Messages)
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, b) {
			t.Error("the same bytes read differently")
		}
		first = b
	}
}

// Mutate does to the texts what damage does, n times the same on every run: bytes change, pieces go
// missing, ends are cut off. Each result is treated as [Fuzz] does, and may take no more than a moment.
func Mutate(t *testing.T, p capture.Parser, n int, files ...Entry) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		for _, f := range files {
			b := []byte(f.Data)
			for range 1 + random.IntN(4) {
				if len(b) < 2 {
					break
				}
				at := random.IntN(len(b))
				switch random.IntN(5) {
				case 0:
					b[at] = byte(random.IntN(256))
				case 1:
					b[at] = "\"{}[]:,\\<>&0\n "[random.IntN(14)]
				case 2:
					b = append(b[:at:at], b[min(len(b), at+random.IntN(30)):]...)
				case 3:
					b = append(b[:at:at], b[max(0, at-random.IntN(40)):]...)
				case 4:
					b = b[:max(1, at)]
				}
			}
			if Fuzz(t, p, f.Name, b); t.Failed() {
				t.Fatalf("made from %s: %q", f.Name, b)
			}
		}
	}
}

// Repeat is an endless JSON array that is longer than memory: head, then n times what item returns,
// then tail.
func Repeat(t testing.TB, name, head string, n int, sep string, item func(i int) string, tail string) *capture.File {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(head)
	for i := range n {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(item(i))
	}
	b.WriteString(tail)
	return File(t, name, b.Bytes())
}

// Text returns a file of testdata. It panics if there is none.
func Text(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(b)
}
