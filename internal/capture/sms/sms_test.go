package sms

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
)

// file returns bytes as a file that was handed in.
func file(t testing.TB, name string, data []byte) *capture.File {
	t.Helper()
	f, err := capture.NewFile(t.Context(), name, bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

type parsed struct {
	Run      *capture.ParseRun
	Messages []*capture.Observation
}

func parse(t testing.TB, opt capture.Options, files ...*capture.File) (*parsed, error) {
	t.Helper()
	p := &parsed{}
	run, err := Parser{}.Parse(context.Background(), &capture.Source{Files: files}, opt, func(o *capture.Observation) error {
		p.Messages = append(p.Messages, o)
		return nil
	})
	p.Run = run
	return p, err
}

// check checks what must hold of every run. Data is the text that was read.
func check(t testing.TB, p *parsed, data []byte) {
	t.Helper()
	if r := p.Run.Reconciliation; !r.Balanced {
		t.Errorf("records do not add up: %+v", r)
	}
	if m := p.Run.Coverage.Members; m != nil && !m.Balanced {
		t.Errorf("members do not add up: %+v", m)
	}
	if c := p.Run.Coverage; c.Bytes != c.BytesCovered || data != nil && c.Bytes != int64(len(data)) {
		t.Errorf("%d of %d bytes covered", c.BytesCovered, c.Bytes)
	}
	end := int64(0)
	for i, o := range p.Messages {
		if o.Sent.Min > o.Sent.Max {
			t.Errorf("message %d: interval is empty: %+v", i, o.Sent)
		}
		if data == nil {
			continue
		}
		if o.Origin.ByteStart < end || o.Origin.ByteEnd <= o.Origin.ByteStart {
			t.Fatalf("message %d: bytes %d to %d follow byte %d", i, o.Origin.ByteStart, o.Origin.ByteEnd, end)
		}
		end = o.Origin.ByteEnd
		raw := data[o.Origin.ByteStart:end]
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != o.Origin.RawSHA256 {
			t.Errorf("message %d: its hash is not that of its bytes %q", i, raw)
		}
		if raw[0] != '<' || raw[len(raw)-1] != '>' {
			t.Errorf("message %d: its bytes %q are no element", i, raw)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// brief writes what matters of a message on one line.
func brief(o *capture.Observation) string {
	s := fmt.Sprintf("%s|%s|%s|%d..%d|%q|%s", o.Chat, o.Kind, o.Sender, o.Sent.Min, o.Sent.Max, o.Body, o.State.Status)
	for _, r := range o.To {
		s += fmt.Sprintf("|%s %s %s", r.Name, r.Role, r.Status)
	}
	for _, a := range o.Attachments {
		s += fmt.Sprintf("|%s %s %s %d", a.Name, a.Class, a.Presence, a.Size)
	}
	for _, q := range o.Quality {
		s += "|!" + q.Code
	}
	return s
}

// TestTraps reads a file with all the traps that the format is known for. What is expected was written
// by hand.
func TestTraps(t *testing.T) {
	data := read(t, "traps.xml")
	p, err := parse(t, capture.Options{}, file(t, "sms-20240601100000.xml", data))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p, data)
	group := "+447700900123~+447700900456"
	undated := capture.Undated("soon")
	want := []string{
		"+447700900123|text|Asha Rao|1717214397000..1717214397999|\"Yes 😎 & <no> 😀\\nsecond \\\"line\\\"\"||+447700900999  ",
		"+447700900123|text|+447700900999|1717214460456..1717214460456|\"a\\x00b 5 > 4\"||Asha Rao  delivered|!control_character",
		"HMRC|text|HMRC|1717214469000..1717214469999|\"half \ufffd here &nbsp;\"||+447700900999  |!half_character|!unknown_reference",
		"+447700900123|text|+447700900999|1717214480000..1717214480000|\"not sent yet\"|draft|Asha Rao  ",
		group + "|media|Tom Field|1717214498000..1717214498999|\"look 😀\"||+447700900999 to |Asha Rao cc |pic.png image present 5",
		"+447700900456|media|+447700900999|1717214600000..1717214600999|\"\"||Tom Field to |a.jpg image corrupt 0|v.mp4 video omitted 0|c.vcf contact present 11|!media_damaged",
		fmt.Sprintf("+447700900456|text|Tom Field|%d..%d|\"said \\\"so\\\"\"||+447700900999  |!impossible_date", undated.Min, undated.Max),
	}
	for i, w := range want {
		if i >= len(p.Messages) {
			t.Fatalf("%d messages, want %d", len(p.Messages), len(want))
		}
		if got := brief(p.Messages[i]); got != w {
			t.Errorf("message %d is\n%s, want\n%s", i, got, w)
		}
	}
	if len(p.Messages) != len(want) {
		t.Errorf("%d messages, want %d", len(p.Messages), len(want))
	}
	r := p.Run.Reconciliation
	if r.InFile != 9 || r.Items != 7 || len(r.Skipped) != 2 || r.Skipped[0].Reason != "unknown_element" || r.Skipped[1].Reason != "cut_short" {
		t.Errorf("reconciliation is %+v", r)
	}
	m := p.Messages[4]
	if m.NativeID != "mid-7" || m.Subject != "Grüße" || m.Received == nil || m.Received.Min != 1717214500000 || m.Origin.Line != 9 {
		t.Errorf("the picture message is %+v", m)
	}
	if got := content(t, &m.Attachments[0]); got != "hello" {
		t.Errorf("the picture is %q, want hello", got)
	}
	var titles []string
	for _, c := range p.Run.Conversations {
		titles = append(titles, c.Title+" "+c.Kind)
	}
	if want := []string{"Asha Rao dm", "HMRC dm", "Asha Rao, Tom Field group", "Tom Field dm"}; !slices.Equal(titles, want) {
		t.Errorf("conversations are %q, want %q", titles, want)
	}
	if !p.Run.Coverage.LikelyTruncated {
		t.Error("the file is cut, and the run does not say so")
	}
}

// content opens an attachment and checks it against its hash and its size.
func content(t *testing.T, a *capture.Attachment) string {
	t.Helper()
	r, err := a.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != a.SHA256 || int64(len(b)) != a.Size {
		t.Errorf("attachment %q has %d bytes of hash %x, and says %d and %s", a.Name, len(b), sum, a.Size, a.SHA256)
	}
	return string(b)
}

func TestCalls(t *testing.T) {
	data := read(t, "calls.xml")
	p, err := parse(t, capture.Options{Self: "Margaret"}, file(t, "calls.xml", data))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p, data)
	want := []string{"Alice Margaret answered 42", "Margaret Alice no_answer 0", "Alice Margaret missed 0", "(unknown) Margaret rejected 0"}
	if len(p.Messages) != len(want) {
		t.Fatalf("%d calls, want %d", len(p.Messages), len(want))
	}
	for i, o := range p.Messages {
		if got := fmt.Sprint(o.Sender, " ", o.To[0].Name, " ", o.Call.Outcome, " ", o.Call.Duration); got != want[i] || o.Kind != capture.KindCall {
			t.Errorf("call %d is %s %s, want %s", i, o.Kind, got, want[i])
		}
	}
}

// TestUTF16Halves takes every character that needs two halves in some planes, and writes it in the ways
// that are met.
func TestUTF16Halves(t *testing.T) {
	for _, r := range []rune{0x10000, 0x1F600, 0x1F44D, 0x2F81A, 0x10FFFF} {
		hi, lo := 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF
		for _, s := range []string{
			fmt.Sprintf("&#%d;&#%d;", hi, lo), fmt.Sprintf("&#x%x;&#X%X;", hi, lo), fmt.Sprintf("&#%d;", r), string(r),
			string([]byte{0xED, byte(0x80 | hi>>6&0x3F), byte(0x80 | hi&0x3F), 0xED, byte(0x80 | lo>>6&0x3F), byte(0x80 | lo&0x3F)}),
		} {
			if got, d := unescape([]byte("a" + s + "b")); got != "a"+string(r)+"b" || d.halves || d.notText {
				t.Errorf("%q reads as %q, %+v", s, got, d)
			}
		}
		if got, d := unescape(fmt.Appendf(nil, "&#%d;x&#%d;", lo, hi)); got != "\ufffdx\ufffd" || !d.halves {
			t.Errorf("lone halves read as %q, %+v", got, d)
		}
	}
}

// TestPacked reads the same backup plain, with gzip, cut gzip, and in a zip.
func TestPacked(t *testing.T) {
	data := read(t, "calls.xml")
	var gz, zipped bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write(data)
	g.Close()
	z := zip.NewWriter(&zipped)
	for _, name := range []string{"calls-1.xml", "other.txt"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data[:map[string]int{"calls-1.xml": len(data), "other.txt": 20}[name]])
	}
	z.Close()
	for name, b := range map[string][]byte{"calls.xml.gz": gz.Bytes(), "backup.zip": zipped.Bytes()} {
		f := file(t, name, b)
		is, err := Parser{}.Recognise(t.Context(), &capture.Source{Files: []*capture.File{f}})
		if !is || err != nil {
			t.Errorf("%s is not recognised: %v", name, err)
		}
		p, err := parse(t, capture.Options{}, f)
		if err != nil || len(p.Messages) != 4 {
			t.Errorf("%s has %d calls, %v", name, len(p.Messages), err)
			continue
		}
		check(t, p, data)
	}
	bomb := bytes.Repeat([]byte(" "), 64<<20)
	gz.Reset()
	g = gzip.NewWriter(&gz)
	g.Write([]byte("<smses>"))
	g.Write(bomb)
	g.Close()
	_, err := parse(t, capture.Options{}, file(t, "bomb.gz", gz.Bytes()))
	if f := (*capture.FileError)(nil); !errors.As(err, &f) || !strings.Contains(f.Reason, "unfold") {
		t.Errorf("a bomb is answered by %v", err)
	}
}

func TestNotRecognised(t *testing.T) {
	for _, s := range []string{"", "<", "<html><smses/></html>", "smses", "\x1f\x8b\x08", "<?xml version='1.0'?>", "text <smses>"} {
		is, err := Parser{}.Recognise(t.Context(), &capture.Source{Files: []*capture.File{file(t, "x.xml", []byte(s))}})
		if is || err != nil {
			t.Errorf("%q is taken for a backup, %v", s, err)
		}
	}
}

// generated makes a backup of n messages of which the truth is known: the body of message i is said(i).
func generated(n int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n<smses count=\"%d\">\n", n)
	picture := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("picture "), 2000))
	for i := range n {
		at := 1600000000000 + int64(i)*61_000
		if i%50 == 7 {
			fmt.Fprintf(&b, "<mms date=\"%d\" msg_box=\"%d\" m_id=\"m%d\" address=\"+4477009%05d\"><parts><part seq=\"0\" ct=\"text/plain\" text=\"%s\"/><part seq=\"1\" ct=\"image/jpeg\" cl=\"p%d.jpg\" data=\"%s\"/></parts><addrs/></mms>\n",
				at, 1+i%2, i, i%40, escaped(i), i, picture)
			continue
		}
		fmt.Fprintf(&b, "<sms address=\"+4477009%05d\" date=\"%d\" type=\"%d\" body=\"%s\" contact_name=\"Person %d\"/>\n", i%40, at, 1+i%2, escaped(i), i%40)
	}
	b.WriteString("</smses>\n")
	return b.Bytes()
}

func said(i int) string { return fmt.Sprintf("message %d says \"%d < %d\" 😎", i, i, i+1) }

func escaped(i int) string {
	return fmt.Sprintf("message %d says &quot;%d &lt; %d&quot; &#55357;&#56846;", i, i, i+1)
}

func TestGenerated(t *testing.T) {
	data := generated(2000)
	p, err := parse(t, capture.Options{}, file(t, "sms.xml", data))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p, data)
	if len(p.Messages) != 2000 || len(p.Run.Conversations) != 40 {
		t.Fatalf("%d messages in %d conversations", len(p.Messages), len(p.Run.Conversations))
	}
	for i, o := range p.Messages {
		if o.Body != said(i) || o.Sent.Min != 1600000000000+int64(i)*61_000 {
			t.Fatalf("message %d is %q at %d", i, o.Body, o.Sent.Min)
		}
		if (o.Sender == owner) != (i%2 == 1) {
			t.Fatalf("message %d is by %q", i, o.Sender)
		}
	}
}

// repeat is a backup that is as long as wanted without being in memory.
type repeat struct {
	head, piece, tail []byte
	n                 int64
}

func (r *repeat) size() int64 {
	return int64(len(r.head)) + r.n*int64(len(r.piece)) + int64(len(r.tail))
}

func (r *repeat) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		var src []byte
		switch at := off + int64(n); {
		case at < int64(len(r.head)):
			src = r.head[at:]
		case at < r.size()-int64(len(r.tail)):
			src = r.piece[(at-int64(len(r.head)))%int64(len(r.piece)):]
		case at < r.size():
			src = r.tail[at-r.size()+int64(len(r.tail)):]
		default:
			return n, io.EOF
		}
		n += copy(p[n:], src)
	}
	return n, nil
}

// TestMemory shows that a long backup takes memory for one message, not for all.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped in short mode: reads a hundred megabytes")
	}
	whole := generated(100)
	head, rest, _ := bytes.Cut(whole, []byte("<sms "))
	rest = append([]byte("<sms "), rest...)
	r := &repeat{head: head, piece: rest[:bytes.LastIndex(rest, []byte("</smses>"))], tail: []byte("</smses>\n"), n: 2000}
	f := &capture.File{Name: "sms.xml", Size: r.size(), At: r}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	n := 0
	run, err := Parser{}.Parse(t.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(o *capture.Observation) error {
		if n++; n%20_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
		return nil
	})
	if err != nil || n != 200_000 || !run.Reconciliation.Balanced {
		t.Fatalf("%d messages, %v", n, err)
	}
	if limit := uint64(8 << 20); peak > limit {
		t.Errorf("live heap grew by %d bytes while reading %d bytes, want at most %d", peak, r.size(), limit)
	}
	t.Logf("a backup of %d bytes took %d bytes", r.size(), peak)
}

func BenchmarkParse100k(b *testing.B) {
	data := generated(100_000)
	f := file(b, "sms.xml", data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		_, err := Parser{}.Parse(context.Background(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil })
		if err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}

func FuzzBackup(f *testing.F) {
	for _, name := range []string{"traps.xml", "calls.xml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("<smses><sms body='&#55357;'/><mms><sms/></mms><mms"))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := file(t, "sms.xml", data)
		p, err := parse(t, capture.Options{}, src)
		if err != nil {
			if fault := (*capture.FileError)(nil); !errors.As(err, &fault) {
				t.Errorf("error %v does not say what to do", err)
			}
			return
		}
		if !bytes.HasPrefix(data, []byte{0x1F, 0x8B}) {
			check(t, p, data)
		}
		first, err := json.Marshal(p, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		p, _ = parse(t, capture.Options{}, src)
		if second, _ := json.Marshal(p, json.Deterministic(true)); !bytes.Equal(first, second) {
			t.Error("the second reading differs from the first")
		}
	})
}

// TestSamples reads every backup below a folder of exports whose contents are known.
func TestSamples(t *testing.T) {
	dir := os.Getenv("DESPATCH_SAMPLES")
	if dir == "" {
		t.Skip("skipped: DESPATCH_SAMPLES names no folder of exports")
	}
	read := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f := file(t, d.Name(), data)
		is, err := Parser{}.Recognise(t.Context(), &capture.Source{Files: []*capture.File{f}})
		if want := strings.HasSuffix(path, ".xml") && strings.Contains(path, "sms"); err != nil || is != want {
			t.Errorf("%s is recognised: %t, %v", path, is, err)
		}
		if !is {
			return nil
		}
		read++
		p, err := parse(t, capture.Options{}, f)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		check(t, p, data)
		if n := int64(bytes.Count(data, []byte("<sms ")) + bytes.Count(data, []byte("<mms ")) + bytes.Count(data, []byte("<call "))); n != p.Run.Reconciliation.InFile {
			t.Errorf("%s has %d records, and %d are counted", path, n, p.Run.Reconciliation.InFile)
		}
		for _, o := range p.Messages {
			t.Log(path, brief(o))
		}
		return nil
	})
	if err != nil || read == 0 {
		t.Errorf("read %d backups below %s, %v", read, dir, err)
	}
}
