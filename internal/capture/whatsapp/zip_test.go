package whatsapp

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"despatch/internal/capture"
)

// entry is a file to be put in a zip.
type entry struct {
	name string
	data string
	edit func(*zip.FileHeader)
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.edit != nil {
			e.edit(h)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

const zipChat = "\u200e[27/10/2023, 22:42:29] Tom: \u200e<attached: 00000001-PHOTO-2023-10-27-22-42-29.jpg>\r\n" +
	"[27/10/2023, 22:43:00] Tom: Résumé.pdf • \u200e2 pages \u200e<attached: 00000002-Résumé.pdf>\r\n" +
	"\u200e[27/10/2023, 22:44:00] Ann: \u200e<attached: 00000003-VIDEO-2023-10-27-22-44-00.mp4>\r\n" +
	"\u200e[27/10/2023, 22:45:00] Ann: \u200e<attached: 00000004-What?.docx>\r\n" +
	"[27/10/2023, 22:46:00] Ann: ok\r\n"

func TestZip(t *testing.T) {
	p, err := parse(t, capture.Options{}, file(t, "WhatsApp Chat - Tom Field.zip", zipOf(t,
		entry{name: "00000001-PHOTO-2023-10-27-22-42-29.JPG", data: "jpeg"},
		entry{name: norm.NFD.String("00000002-Résumé.pdf"), data: "pdf"},
		entry{name: "00000004-What_.docx", data: "docx"},
		entry{name: "_chat.txt", data: zipChat},
		entry{name: "00000099-unused.opus", data: "opus"},
		entry{name: "__MACOSX/._chat.txt", data: "x"},
		entry{name: "folder/"},
	)))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p)
	within := p.Messages[0].Origin.FileSHA256
	want := []capture.Attachment{
		{Name: "00000001-PHOTO-2023-10-27-22-42-29.jpg", Class: "image", Presence: capture.Present, Path: "00000001-PHOTO-2023-10-27-22-42-29.JPG", Size: 4, SHA256: sum("jpeg"), Within: within},
		{Name: "00000002-Résumé.pdf", Class: "document", Presence: capture.Present, Path: norm.NFD.String("00000002-Résumé.pdf"), Size: 3, SHA256: sum("pdf"), Within: within, Detail: "Résumé.pdf • 2 pages"},
		{Name: "00000003-VIDEO-2023-10-27-22-44-00.mp4", Class: "video", Presence: capture.NamedAbsent},
		{Name: "00000004-What?.docx", Class: "document", Presence: capture.Present, Path: "00000004-What_.docx", Size: 4, SHA256: sum("docx"), Within: within},
	}
	for i, w := range want {
		if got := p.Messages[i].Attachments; len(got) != 1 || !reflect.DeepEqual(got[0], w) {
			t.Errorf("message %d has %+v, want %+v", i, got, w)
		}
	}
	m := p.Run.Coverage.Members
	if m == nil || m.Total != 6 || m.Chats != 1 || m.Named != 3 || m.Unnamed != 1 || !m.Balanced {
		t.Errorf("members are %+v", m)
	}
	if c := p.Run.Conversations[0]; c.Title != "Tom Field" || c.Path != "_chat.txt" {
		t.Errorf("conversation is %+v", c)
	}
	if d := decision(p, "date_order"); d.Rule != "media_names" || d.Value != "dmy" {
		t.Errorf("date order is %+v", d)
	}
}

// TestSeparateFiles hands in what an Android phone shares: the chat and its media side by side.
func TestSeparateFiles(t *testing.T) {
	chat := "16/03/2022, 15:12 - Ben: IMG-20220316-WA0001.jpg (file attached)\nThe layout\n16/03/2022, 15:13 - Ben: IMG-20220316-WA0002.jpg (file attached)\n"
	p, err := parse(t, capture.Options{}, file(t, "WhatsApp Chat with Ben.txt", []byte(chat)), file(t, "IMG-20220316-WA0001.jpg", []byte("jpeg")))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p)
	if a := p.Messages[0].Attachments[0]; a.Presence != capture.Present || a.SHA256 != sum("jpeg") || p.Messages[0].Text != "The layout" {
		t.Errorf("the first picture is %+v, %q", a, p.Messages[0].Text)
	}
	if a := p.Messages[1].Attachments[0]; a.Presence != capture.NamedAbsent {
		t.Errorf("the second picture is %+v", a)
	}
	if c := p.Run.Conversations[0]; c.Title != "Ben" || c.Kind != "dm" {
		t.Errorf("conversation is %+v", c)
	}
}

// TestBadZips has a file for each way in which a zip is refused, or a part of it left aside.
func TestBadZips(t *testing.T) {
	chat := entry{name: "_chat.txt", data: zipChat}
	good := zipOf(t, chat, entry{name: "a.jpg", data: strings.Repeat("x", 5000)})
	encrypted := bytes.ReplaceAll(good, []byte("PK\x01\x02\x14\x00\x14\x00\x08\x00"), []byte("PK\x01\x02\x14\x00\x14\x00\x09\x00"))
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, _ := z.Create("_chat.txt")
	zeros := make([]byte, 1<<20)
	for range 64 {
		w.Write(zeros)
	}
	z.Close()
	damaged := bytes.Clone(good)
	damaged[60] ^= 0xFF
	shortSize := zipOf(t, entry{name: "_chat.txt", data: zipChat})
	lied := bytes.Clone(shortSize)
	central := bytes.Index(lied, []byte("PK\x01\x02"))
	lied[central+24] = 20 // the directory says 20 bytes
	lied[central+25] = 0

	for _, test := range []struct {
		name string
		data []byte
		says string // in the error
	}{
		{"password", encrypted, "password"},
		{"cut short", good[:len(good)-40], "cut short"},
		{"bomb", bomb.Bytes(), "unfold"},
		{"damaged", damaged, "damaged"},
		{"lies about a size", lied, "damaged"},
		{"nested", zipOf(t, entry{name: "inner.zip", data: string(good)}), "another zip"},
		{"no chat", zipOf(t, entry{name: "a.jpg", data: "jpeg"}, entry{name: "notes.txt", data: "nothing of the kind\n"}), "no WhatsApp chat"},
		{"empty", zipOf(t), "no WhatsApp chat"},
		{"two chats of one name", zipOf(t, chat, entry{name: "_chat.txt", data: strings.Replace(zipChat, "ok", "no", 1)}), "two files"},
	} {
		_, err := parse(t, capture.Options{}, file(t, "export.zip", test.data))
		var fault *capture.FileError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), test.says) || fault.Remedy == "" {
			t.Errorf("%s: error is %v, want a fault that says %q and what to do", test.name, err, test.says)
		}
	}

	p, err := parse(t, capture.Options{}, file(t, "export.zip", zipOf(t, chat,
		entry{name: "../../etc/00000001-PHOTO-2023-10-27-22-42-29.jpg", data: "evil"},
		entry{name: "/abs.jpg", data: "evil"},
		entry{name: `C:\abs.jpg`, data: "evil"},
		entry{name: "link.jpg", data: "/etc/passwd", edit: func(h *zip.FileHeader) { h.SetMode(fs.ModeSymlink | 0o777) }},
		entry{name: "00000003-VIDEO-2023-10-27-22-44-00.mp4", data: "one"},
		entry{name: "00000003-VIDEO-2023-10-27-22-44-00.mp4", data: "two"},
	)))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p)
	if a := p.Messages[0].Attachments[0]; a.Presence != capture.NamedAbsent {
		t.Errorf("a file outside the archive is attached: %+v", a)
	}
	if got := fmt.Sprint(p.Run.Coverage.Members.Skipped); !strings.Contains(got, "{unsafe_path 3 ") || !strings.Contains(got, "{link 1 link.jpg}") {
		t.Errorf("skipped %s", got)
	}
	if q := p.Messages[2].Quality; len(q) != 1 || q[0].Code != "two_files_of_this_name" || !strings.Contains(q[0].Detail, sum("two")) {
		t.Errorf("two different files of one name raise %+v", q)
	}
}

// TestManyEntries shows that the number of files is bounded before memory is taken for them.
func TestManyEntries(t *testing.T) {
	var entries []entry
	for i := range 300 {
		entries = append(entries, entry{name: fmt.Sprintf("%d.jpg", i)})
	}
	f := file(t, "many.zip", zipOf(t, entries...))
	limits := capture.DefaultLimits
	limits.Entries = 100
	_, err := Parser{}.Parse(t.Context(), &capture.Source{Files: []*capture.File{f}, Limits: limits}, capture.Options{}, nil)
	if err == nil || !strings.Contains(err.Error(), "holds 300 files") {
		t.Errorf("error is %v", err)
	}
}

// TestOddNames has names in the code page of old PCs, and in UTF-8 without the flag that says so.
func TestOddNames(t *testing.T) {
	chat := "16/03/2022, 15:12 - Ben: Grüße.pdf (Datei angehängt)\n16/03/2022, 15:13 - Ben: Año.pdf (Datei angehängt)\n"
	raw := func(h *zip.FileHeader) { h.NonUTF8 = true }
	p, err := parse(t, capture.Options{}, file(t, "x.zip", zipOf(t, entry{name: "chat.txt", data: chat},
		entry{name: "Gr\x81\xe1e.pdf", data: "cp437", edit: raw}, entry{name: "Año.pdf", data: "utf-8", edit: raw})))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"cp437", "utf-8"} {
		if a := p.Messages[i].Attachments[0]; a.Presence != capture.Present || a.SHA256 != sum(want) {
			t.Errorf("message %d has %+v", i, a)
		}
	}
}

func TestTextFaults(t *testing.T) {
	long := "16/03/2022, 15:12 - Ben: " + strings.Repeat("x", 5<<20) + "\n"
	for _, test := range []struct{ name, data, says string }{
		{"notes.txt", "nothing of the kind\nat all\n", "no WhatsApp chat"},
		{"photo.jpg", "\xff\xd8\xff\xe0 not a text", "no WhatsApp chat"},
		{"_chat.txt", "16/03/2022, 15:11 - Ben: x\n" + long, "more than 4 MB"},
		{"_chat.txt", "16/03/2022, 15:11 - Ben: x\n" + strings.Repeat("line\n", 1<<20), "more than 4 MB"},
	} {
		_, err := parse(t, capture.Options{}, file(t, test.name, []byte(test.data)))
		var fault *capture.FileError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), test.says) || fault.Remedy == "" {
			t.Errorf("%s: error is %v, want a fault that says %q and what to do", test.name, err, test.says)
		}
	}
	for _, data := range []string{"", "\n", "\ufeff"} {
		p, err := parse(t, capture.Options{}, file(t, "WhatsApp Chat with Ben.txt", []byte(data)))
		if err != nil || p.Run.Status != capture.StatusRead || p.Run.Coverage.Messages != 0 {
			t.Errorf("an empty chat %q: %+v, %v", data, p.Run, err)
			continue
		}
		check(t, p)
	}
}

// TestTruncation shows when a chat is said to have lost its older part.
func TestTruncation(t *testing.T) {
	chat := func(n int) []byte {
		data := longChat(n + 1)
		return data[bytes.IndexByte(data, '\n')+1:]
	}
	for _, test := range []struct {
		n     int
		media bool
		want  bool
	}{{9_000, true, false}, {9_995, true, true}, {12_000, false, false}, {39_995, false, true}} {
		f := file(t, "_chat.txt", chat(test.n))
		if test.media {
			f = file(t, "x.zip", zipOf(t, entry{name: "_chat.txt", data: string(chat(test.n))}, entry{name: "IMG-20220101-WA0001.jpg", data: "jpeg"}))
		}
		p, err := parse(t, capture.Options{}, f)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Run.Coverage.LikelyTruncated; got != test.want {
			t.Errorf("%d messages, media %v: truncated %v", test.n, test.media, got)
		}
	}
}

func FuzzZip(f *testing.F) {
	f.Add(zipOf(f, entry{name: "_chat.txt", data: zipChat}, entry{name: "00000001-PHOTO-2023-10-27-22-42-29.jpg", data: "jpeg"}))
	f.Add(zipOf(f, entry{name: "../x", data: "x"}, entry{name: "a/WhatsApp Chat with B.txt", data: "16/03/2022, 15:12 - Ben: x\n"}))
	var stored bytes.Buffer
	z := zip.NewWriter(&stored)
	w, _ := z.CreateHeader(&zip.FileHeader{Name: "_chat.txt", Method: zip.Store})
	w.Write([]byte(zipChat))
	z.Close()
	f.Add(stored.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		src := &capture.Source{Files: []*capture.File{file(t, "x.zip", data)}, Limits: capture.Limits{Entries: 1000, Total: 1 << 20, Ratio: 200, Text: 1 << 20, Line: 1 << 16}}
		p := &parsed{}
		run, err := Parser{}.Parse(t.Context(), src, capture.Options{}, func(o *capture.Observation) error {
			p.Messages = append(p.Messages, o)
			return nil
		})
		if p.Run = run; err == nil {
			check(t, p)
			return
		}
		if fault := (*capture.FileError)(nil); !errors.As(err, &fault) {
			t.Errorf("error %v does not say what to do", err)
		}
	})
}
