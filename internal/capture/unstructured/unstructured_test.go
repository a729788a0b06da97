package unstructured

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
)

func file(t testing.TB, name string, data []byte) *capture.File {
	t.Helper()
	f, err := capture.NewFile(t.Context(), name, bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func parse(t testing.TB, opt capture.Options, files ...*capture.File) (*capture.ParseRun, []*capture.Observation, error) {
	t.Helper()
	var list []*capture.Observation
	run, err := Parser{}.Parse(t.Context(), &capture.Source{Files: files}, opt, func(o *capture.Observation) error {
		list = append(list, o)
		return nil
	})
	if err == nil && (!run.Reconciliation.Balanced || run.Reconciliation.Items != int64(len(list)) || run.Status != capture.StatusRead) {
		t.Errorf("run does not balance: %+v", run.Reconciliation)
	}
	for _, o := range list {
		if o.Sender != "" || o.Sent.Min > o.Sent.Max || len(o.Attachments) != 1 {
			t.Errorf("observation is %+v", o)
		}
	}
	return run, list, err
}

func codes(o *capture.Observation) (list []string) {
	for _, w := range o.Quality {
		list = append(list, w.Code)
	}
	return list
}

func zipOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, files[i+1])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func docx(t testing.TB) []byte {
	return zipOf(t, "[Content_Types].xml", "<Types/>",
		"word/footer1.xml", `<w:ftr xmlns:w="w"><w:p><w:r><w:t>page </w:t></w:r><w:r><w:t>1</w:t></w:r></w:p></w:ftr>`,
		"word/document.xml", `<w:document xmlns:w="w"><w:body><w:p><w:r><w:t>Agreed: </w:t></w:r><w:r><w:t xml:space="preserve">send the </w:t></w:r><w:r><w:t>letter &amp; call.</w:t></w:r></w:p><w:p><w:del><w:r><w:delText>not today</w:delText></w:r></w:del></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>`,
		"word/header1.xml", `<w:hdr xmlns:w="w"><w:p><w:r><w:t>SECRET</w:t></w:r></w:p></w:hdr>`,
		"docProps/core.xml", `<c:coreProperties xmlns:c="c" xmlns:d="d"><d:created>2026-01-05T09:00:00Z</d:created></c:coreProperties>`)
}

// exifJPEG is a JPEG with an Exif that says when the picture was taken, written out by its specification.
func exifJPEG() []byte {
	le := binary.LittleEndian
	date := "2024:02:03 04:05:06\x00"
	tiff := le.AppendUint32([]byte("II*\x00"), 8)
	entry := func(tag, kind uint16, n, v uint32) {
		tiff = le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(tiff, tag), kind), n), v)
	}
	tiff = le.AppendUint16(tiff, 1)
	entry(0x8769, 4, 1, 26)
	tiff = le.AppendUint32(tiff, 0)
	tiff = le.AppendUint16(tiff, 1)
	entry(0x9003, 2, uint32(len(date)), 44)
	tiff = le.AppendUint32(tiff, 0)
	tiff = append(tiff, date...)
	seg := append([]byte("Exif\x00\x00"), tiff...)
	out := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xe1"), uint16(len(seg)+2))
	return append(append(out, seg...), 0xff, 0xd9)
}

func TestFiles(t *testing.T) {
	pdf, err := os.ReadFile("testdata/conference.pdf") // printed by Chromium
	if err != nil {
		t.Fatal(err)
	}
	utf16 := []byte{0xff, 0xfe}
	for _, r := range "10:32 Dr Ash: Łódź" {
		utf16 = binary.LittleEndian.AppendUint16(utf16, uint16(r))
	}
	for _, test := range []struct {
		name     string
		data     []byte
		kind     capture.Kind
		class    string
		variant  string
		text     string
		body     string
		contains []string // doubts
	}{
		{"chat.txt", []byte("10:32 Dr Ash: yes\n10:33 Dr Bell: no\n"), capture.KindNote, "document", "text", "10:32 Dr Ash: yes\n10:33 Dr Bell: no\n", "10:32 Dr Ash: yes\n10:33 Dr Bell: no\n", nil},
		{"utf16.txt", utf16, capture.KindNote, "document", "text", "10:32 Dr Ash: Łódź", "10:32 Dr Ash: Łódź", nil},
		{"windows.txt", []byte("caf\xe9 at ten, Dr Ash said \x93yes\x94"), capture.KindNote, "document", "text", "café at ten, Dr Ash said “yes”", "café at ten, Dr Ash said “yes”", []string{"encoding_assumed"}},
		{"page.html", []byte("<!DOCTYPE html><html><head><style>x{}</style></head><body><p>one &amp; two<p>three<script>no()</script></body></html>"), capture.KindMedia, "document", "document", "one & two\nthree", "", nil},
		{"conference.pdf", pdf, capture.KindMedia, "document", "pdf", "SECRET – UK EYES ONLY\n\nCase conference\n\nDr Ash: The patient in bed 7 needs the antibiotic – “now”.\n\n" +
			"Büro, café, naïve, Łódź,  and £5.\n\nSECRET – UK EYES ONLY\n\nSecond page: Dr Bell agreed at 10:32.", "", []string{"letters_unknown", "date_in_file"}},
		{"letter.docx", docx(t), capture.KindMedia, "document", "document", "SECRET\n\nAgreed: send the letter & call.\nnot today\na\n\npage 1", "", []string{"date_in_file"}},
		{"shot.jpg", exifJPEG(), capture.KindMedia, "image", "image", "", "", []string{"date_in_file", capture.WordsNotRead}},
		{"voice.ogg", []byte("OggS\x00\x02" + strings.Repeat("\x00", 22) + "OpusHead"), capture.KindMedia, "audio", "audio", "", "", []string{"words_not_read"}},
		{"what.bin", []byte{0, 1, 2, 3, 0xff, 0xfe, 0, 9}, capture.KindMedia, "document", "document", "", "", nil},
		{"empty", nil, capture.KindMedia, "document", "document", "", "", []string{"empty"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			run, list, err := parse(t, capture.Options{}, file(t, test.name, test.data))
			if err != nil || len(list) != 1 {
				t.Fatalf("%d items, %v", len(list), err)
			}
			o, a := list[0], list[0].Attachments[0]
			sum := sha256.Sum256(test.data)
			if o.Kind != test.kind || a.Class != test.class || a.SHA256 != hex.EncodeToString(sum[:]) || a.Size != int64(len(test.data)) || run.Variant != test.variant {
				t.Errorf("%s, a %s (%s), hash %s of %d bytes", o.Kind, a.Class, run.Variant, a.SHA256, a.Size)
			}
			if o.Text != test.text || o.Body != test.body {
				t.Errorf("text is %q, body %q, want %q and %q", o.Text, o.Body, test.text, test.body)
			}
			if got := codes(o); !reflect.DeepEqual(got, test.contains) {
				t.Errorf("doubts are %q, want %q", got, test.contains)
			}
		})
	}
}

func TestDeclared(t *testing.T) {
	zone := time.FixedZone("", 3600)
	opt := capture.Options{System: " Siilo", Conversation: "Ward 7\nnights", ReceivedAt: time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC),
		Happened: capture.Period{From: time.Date(2026, 3, 1, 9, 0, 0, 0, zone), To: time.Date(2026, 3, 1, 17, 30, 0, 0, zone)}}
	run, list, err := parse(t, opt, file(t, "a.jpg", exifJPEG()), file(t, "b.txt", []byte("words of somebody")))
	if err != nil || len(list) != 2 || len(run.Conversations) != 2 {
		t.Fatalf("%d items in %d conversations, %v", len(list), len(run.Conversations), err)
	}
	from, to := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 3, 1, 16, 30, 0, 0, time.UTC).UnixMilli()
	at := list[1].Sent
	if run.System != "siilo" || run.Conversations[1].Title != "Ward 7 nights" || at.Min != from || at.Max != to || at.Zone != capture.ZoneDeclared || at.Clock != "human" {
		t.Errorf("system %q, conversation %+v, sent %+v", run.System, run.Conversations[1], at)
	}

	_, list, err = parse(t, capture.Options{ReceivedAt: opt.ReceivedAt}, file(t, "a.jpg", exifJPEG()))
	if err != nil || list[0].Sent.Min != 0 || list[0].Sent.Max != opt.ReceivedAt.UnixMilli() || list[0].Sent.Precision != "none" {
		t.Errorf("of an undated picture only is known that it was not later than it came, not %+v, %v", list[0].Sent, err)
	}
}

func TestZip(t *testing.T) {
	data := zipOf(t, "one.jpg", string(exifJPEG()), "sub/two.txt", "two", "../evil.txt", "x")
	run, list, err := parse(t, capture.Options{}, file(t, "siilo.zip", data))
	if err != nil || len(list) != 2 || len(run.Conversations) != 1 {
		t.Fatalf("%d items in %d conversations, %v", len(list), len(run.Conversations), err)
	}
	if list[1].Origin.Path != "sub/two.txt" || list[1].Attachments[0].Path != "sub/two.txt" || list[1].Body != "two" || list[0].ID == list[1].ID {
		t.Errorf("the second is %+v", list[1])
	}
	if r := run.Reconciliation; r.InFile != 3 || len(r.Skipped) != 1 || r.Skipped[0].Reason != "unsafe_path" || !run.Coverage.Members.Balanced {
		t.Errorf("reconciliation is %+v, members %+v", r, run.Coverage.Members)
	}
	twice := zipOf(t, "a.txt", "one", "a.txt", "two")
	if _, _, err := parse(t, capture.Options{}, file(t, "x.zip", twice)); !errors.As(err, new(*capture.FileError)) {
		t.Errorf("a zip with two files of one name: %v", err)
	}
	locked := zipOf(t, "a.txt", "one")
	locked[6] |= 1
	locked[bytes.Index(locked, []byte("PK\x01\x02"))+8] |= 1
	if ok, err := (Parser{}).Recognise(t.Context(), &capture.Source{Files: []*capture.File{file(t, "x.zip", locked)}}); ok || !errors.As(err, new(*capture.FileError)) {
		t.Errorf("a locked zip: %v, %v", ok, err)
	}
}

// TestLong cuts the text of a long file and says so; the file itself stays whole.
func TestLong(t *testing.T) {
	data := []byte(strings.Repeat("ä line of a long text\n", 40_000))
	_, list, err := parse(t, capture.Options{}, file(t, "long.txt", data))
	if err != nil || list[0].Kind != capture.KindMedia || len(list[0].Text) > maxText || len(list[0].Text) < maxText-4 || list[0].Attachments[0].Size != int64(len(data)) {
		t.Fatalf("%s, %d bytes of text, %v", list[0].Kind, len(list[0].Text), err)
	}
	if got := codes(list[0]); !reflect.DeepEqual(got, []string{"text_cut"}) {
		t.Errorf("doubts are %q", got)
	}
}

func FuzzFile(f *testing.F) {
	pdf, err := os.ReadFile("testdata/conference.pdf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pdf)
	f.Add([]byte("%PDF-1.4\n1 0 obj<</Type/Page/Contents 2 0 R/Resources<</Font<</F 3 0 R>>>>>>endobj 2 0 obj<</Length 30>>stream\nBT /F 12 Tf 1 0 0 1 5 5 Tm [(a) -300 <62>] TJ (c)' ET\nendstream 3 0 obj<</Encoding<</Differences[97/zero]>>/Widths[5 6]/FirstChar 97>>endobj trailer<</Root 9 0 R>>"))
	f.Add(docx(f))
	f.Add(exifJPEG())
	f.Add([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x08eXIfMM\x00*\x00\x00\x00\x08"))
	f.Add([]byte("<html><p>a<br/>b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := file(t, "x", data)
		_, first, err := parse(t, capture.Options{}, src)
		if err != nil {
			if !errors.As(err, new(*capture.FileError)) {
				t.Errorf("error %v does not say what to do", err)
			}
			return
		}
		for _, o := range first {
			if len(o.Text) > maxText {
				t.Errorf("%d bytes of text", len(o.Text))
			}
		}
		if _, second, _ := parse(t, capture.Options{}, src); !reflect.DeepEqual(first, second) {
			t.Error("the same bytes read differently")
		}
	})
}
