package email

import (
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
	f, err := capture.NewFile(context.Background(), name, bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return f
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

// check checks what must hold of every run. Data is the file that was read, if it is not a container.
func check(t testing.TB, p *parsed, data []byte) {
	t.Helper()
	if r := p.Run.Reconciliation; !r.Balanced || r.Items != int64(len(p.Messages)) {
		t.Errorf("messages do not add up: %+v", r)
	}
	if c := p.Run.Coverage; c.BytesCovered != c.Bytes || data != nil && c.Bytes != int64(len(data)) {
		t.Errorf("%d of %d bytes covered", c.BytesCovered, c.Bytes)
	}
	if m := p.Run.Coverage.Members; m != nil && !m.Balanced {
		t.Errorf("members do not add up: %+v", m)
	}
	ids := map[string]bool{}
	for i, o := range p.Messages {
		if ids[o.ID] {
			t.Errorf("message %d: id %s occurs twice", i, o.ID)
		}
		ids[o.ID] = true
		if o.Sent.Min > o.Sent.Max {
			t.Errorf("message %d: interval is empty: %+v", i, o.Sent)
		}
		for _, a := range o.Attachments {
			if a.Presence == capture.Present {
				content(t, &a)
			}
		}
		if data == nil {
			continue
		}
		if sum := sha256.Sum256(data[o.Origin.ByteStart:o.Origin.ByteEnd]); hex.EncodeToString(sum[:]) != o.Origin.RawSHA256 {
			t.Errorf("message %d: its hash is not that of its bytes", i)
		}
	}
}

// content opens an attachment and checks it against its hash and its size.
func content(t testing.TB, a *capture.Attachment) []byte {
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
	return b
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// expected is what testdata/make.py says that the mails hold, by Python's own email package.
type expected struct {
	Mails []struct {
		Name      string      `json:"name"`
		MessageID string      `json:"message_id"`
		Subject   string      `json:"subject"`
		Sender    [2]string   `json:"sender"`
		To        [][3]string `json:"to"`
		UTC       int64       `json:"utc"`
		Offset    string      `json:"offset"`
		Body      string      `json:"body"`
		Files     [][2]string `json:"attachments"`
		ReplyTo   string      `json:"reply_to"`
		Thread    string      `json:"thread"`
	} `json:"mails"`
	Boxes map[string][]struct {
		ID     string `json:"id"`
		Sender string `json:"sender"`
		UTC    int64  `json:"utc"`
		Body   string `json:"body"`
	} `json:"boxes"`
}

func expectations(t *testing.T) *expected {
	t.Helper()
	var e expected
	if err := json.Unmarshal(testdata(t, "expected.json"), &e); err != nil {
		t.Fatal(err)
	}
	return &e
}

// addressOf returns the address of a participant by the name.
func addressOf(p *parsed, name string) string {
	for _, c := range p.Run.Conversations {
		for _, who := range c.Participants {
			if who.Name == name && len(who.Identifiers) > 0 {
				return who.Identifiers[0].Value
			}
		}
	}
	return ""
}

func TestMails(t *testing.T) {
	for _, w := range expectations(t).Mails {
		t.Run(w.Name, func(t *testing.T) {
			data := testdata(t, w.Name+".eml")
			p, err := parse(t, file(t, w.Name+".eml", data))
			if err != nil || len(p.Messages) != 1 {
				t.Fatalf("%d mails, %v", len(p.Messages), err)
			}
			check(t, p, data)
			o := p.Messages[0]
			if o.NativeID != w.MessageID || o.Subject != w.Subject || o.Body != w.Body {
				t.Errorf("got %q, %q, %q\nwant %q, %q, %q", o.NativeID, o.Subject, o.Body, w.MessageID, w.Subject, w.Body)
			}
			if w.Sender[0] != "" && o.Sender != w.Sender[0] || addressOf(p, o.Sender) != w.Sender[1] {
				t.Errorf("sender is %q <%s>, want %q", o.Sender, addressOf(p, o.Sender), w.Sender)
			}
			if o.Sent.Min != w.UTC || o.Sent.ZoneName != w.Offset || o.Sent.Zone != capture.ZoneOffset {
				t.Errorf("sent at %+v, want %d %s", o.Sent, w.UTC, w.Offset)
			}
			if len(o.To) != len(w.To) {
				t.Fatalf("to %+v, want %q", o.To, w.To)
			}
			for i, to := range w.To {
				if o.To[i].Role != to[0] || to[1] != "" && o.To[i].Name != to[1] || addressOf(p, o.To[i].Name) != to[2] {
					t.Errorf("recipient %d is %+v, want %q", i, o.To[i], to)
				}
			}
			var files [][2]string
			for _, a := range o.Attachments {
				files = append(files, [2]string{a.Name, a.SHA256})
			}
			if !slices.Equal(files, w.Files) {
				t.Errorf("attachments are %q, want %q", files, w.Files)
			}
			reply, thread := "", ""
			if o.ReplyTo != nil {
				reply = o.ReplyTo.NativeID
			}
			if o.Thread != nil {
				thread = o.Thread.NativeID
			}
			if reply != w.ReplyTo || thread != w.Thread {
				t.Errorf("answers %q in %q, want %q in %q", reply, thread, w.ReplyTo, w.Thread)
			}
		})
	}
}

// TestReading checks what is made of a mail for reading. Written by hand.
func TestReading(t *testing.T) {
	for name, want := range map[string]string{
		"html.eml":   "Dear Asha,\n\nonly €10 & more\ntoday\n\n• one\n• two\n\nhere <https://shop.example/x>",
		"flowed.eml": "This paragraph flows over two lines.\n> quoted text also flows\n\n-- \nPriya",
		"mixed.eml":  "Café at 5 = five. A long line that goes on here.",
		"nested.eml": "See below.",
	} {
		p, err := parse(t, file(t, name, testdata(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Messages[0].Text; got != want {
			t.Errorf("%s reads\n%q, want\n%q", name, got, want)
		}
	}
	p, err := parse(t, file(t, "nested.eml", testdata(t, "nested.eml")))
	if err != nil {
		t.Fatal(err)
	}
	if f := p.Messages[0].Forward; f == nil || f.NativeID != "one@dept.example" || f.Author != "Asha Rao" || f.Sent.Min != 1717406130000 {
		t.Errorf("the mail in the mail is %+v", f)
	}
	p, err = parse(t, file(t, "plain.eml", testdata(t, "plain.eml")))
	if err != nil {
		t.Fatal(err)
	}
	o := p.Messages[0]
	if len(o.Route) != 2 || o.Route[0].By != "mail.example.org" || o.Route[1].From != "laptop" || o.Received == nil || o.Received.Min != 1717406142000 || o.Route[1].At.Min != 1717406131000 {
		t.Errorf("route is %+v", o.Route)
	}
}

func TestBoxes(t *testing.T) {
	for dialect, mails := range expectations(t).Boxes {
		t.Run(dialect, func(t *testing.T) {
			data := testdata(t, dialect+".mbox")
			p, err := parse(t, file(t, dialect+".mbox", data))
			if err != nil {
				t.Fatal(err)
			}
			check(t, p, data)
			if d := p.Run.Decisions; len(d) != 1 || d[0].Value != dialect {
				t.Errorf("dialect is %+v, want %s", d, dialect)
			}
			if len(p.Messages) != len(mails) {
				t.Fatalf("%d mails, want %d", len(p.Messages), len(mails))
			}
			end := int64(0)
			for i, w := range mails {
				o := p.Messages[i]
				if o.NativeID != w.ID || o.Sender != w.Sender || o.Sent.Min != w.UTC || o.Body != w.Body {
					t.Errorf("mail %d is %q, %q, %d, %q, want %+v", i, o.NativeID, o.Sender, o.Sent.Min, o.Body, w)
				}
				if o.Origin.ByteStart != end || !bytes.HasPrefix(data[end:], []byte("From ")) {
					t.Errorf("mail %d begins at byte %d, want %d", i, o.Origin.ByteStart, end)
				}
				end = o.Origin.ByteEnd
			}
			if end != int64(len(data)) {
				t.Errorf("the last mail ends at %d of %d", end, len(data))
			}
		})
	}
}

func TestMaildir(t *testing.T) {
	p, err := parse(t, file(t, "maildir.zip", testdata(t, "maildir.zip")))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p, nil)
	var got []string
	for _, o := range p.Messages {
		got = append(got, fmt.Sprint(o.NativeID, " ", o.Chat, " ", o.State.Status, " ", o.State.Deleted))
	}
	want := []string{"one@dept.example Mail  false", "four@dept.example Mail draft false", "three@shop.example Mail  false", "two@dept.example Mail/.Sent  true"}
	if !slices.Equal(got, want) || p.Run.Variant != "maildir" || len(p.Run.Conversations) != 2 {
		t.Errorf("%s: got %q, want %q", p.Run.Variant, got, want)
	}
	if m := p.Run.Coverage.Members; m == nil || m.Total != 5 || m.Unnamed != 1 {
		t.Errorf("members are %+v", m)
	}
}

// doubts returns the codes of a mail's doubts.
func doubts(o *capture.Observation) string {
	var list []string
	for _, q := range o.Quality {
		list = append(list, q.Code)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestTraps reads mails that programs have damaged. Written by hand.
func TestTraps(t *testing.T) {
	head := "From: a@b.example\nDate: Mon, 3 Jun 2024 10:00:00 +0000\nMessage-ID: <x@y>\nSubject: s\n"
	for _, w := range []struct{ name, mail, body, doubts, files string }{
		{"latin declared ascii", head + "Content-Type: text/plain; charset=us-ascii\n\ncaf\xe9\n", "café\n", "charset_wrong", ""},
		{"utf-8 declared latin", head + "Content-Type: text/plain; charset=iso-8859-1\n\ncafé\n", "café\n", "charset_wrong", ""},
		{"unknown set", head + "Content-Type: text/plain; charset=x-mars\n\nok\n", "ok\n", "charset_unknown", ""},
		{"set in set", head + "Content-Type: text/plain; charset=\"charset=us-ascii\"\n\nok\n", "ok\n", "", ""},
		{"damaged utf-8", head + "Content-Type: text/plain; charset=utf-8\n\n“a” \xff b\n", "“a” \uFFFD b\n", "not_text", ""},
		{"bad base64", head + "Content-Type: application/x\nContent-Disposition: attachment; filename=\"a.bin\"\nContent-Transfer-Encoding: base64\n\naGV*sbG8=\n", "", "malformed_base64", "a.bin=hello"},
		{"bad quoted", head + "Content-Transfer-Encoding: quoted-printable\n\n100=% =41=\n!\n", "100=% A!\n", "malformed_quoted_printable", ""},
		{"lost end", head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename=c.csv\n\n1,2", "hello", "cut_short", "c.csv=1,2"},
		{"two texts", head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n", "one\ntwo", "", ""},
		{"boundary that begins another", head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nin\n--bb--\n--b--\n", "in", "", ""},
		{"no boundary", head + "Content-Type: multipart/mixed; boundary=zzz\n\njust text\n", "just text\n", "cut_short", ""},
		{"japanese", head + "Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B$3$s\x1b(B\n", "こん\n", "", ""},
		{"no date", strings.Replace(head, "Date: Mon, 3 Jun 2024 10:00:00 +0000\n", "", 1) + "\nx\n", "x\n", "no_date", ""},
		{"uuencoded", head + "Content-Type: application/x; name=u.txt\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 u.txt\n#0V%T\n`\nend\n", "", "", "u.txt=Cat"},
		{"odd lines", "From: a@b.example\nthis is no field\nDate: Mon, 3 Jun 2024 10:00:00 +0000\n\nx\n", "x\n", "odd_header", ""},
		{"plain says nothing", head + "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n\n--b\nContent-Type: text/html\n\n<p>shown</p>\n--b--\n", "<p>shown</p>", "", ""},
		{"alternatives differ", head + "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: text/html\n\n<p>" + strings.Repeat("secret words ", 60) + "</p>\n--b--\n", "hello", "alternatives_differ", ""},
		{"no empty line", "From: a@b.example\nDate: Mon, 3 Jun 2024 10:00:00 +0000\nHello there,\nhow are you?\n", "Hello there,\nhow are you?\n", "odd_header", ""},
		{"a space for the empty line", head + " \nHello there,\nhow are you?\n", "Hello there,\nhow are you?\n", "", ""},
		{"envelope above", "From a@b.example\n" + head + "\nx\n", "x\n", "", ""},
		{"encoding that is none", head + "Content-Transfer-Encoding: text/html\n\nx\n", "x\n", "encoding_unknown", ""},
		{"encoding by another name", head + "Content-Transfer-Encoding: quoted printable\n\n=41\n", "A\n", "", ""},
		{"tnef", head + "Content-Type: application/ms-tnef\n\nnot really\n", "", "tnef", "winmail.dat=not really\n"},
	} {
		p, err := parse(t, file(t, "x.eml", []byte(w.mail)))
		if err != nil || len(p.Messages) != 1 {
			t.Errorf("%s: %d mails, %v", w.name, len(p.Messages), err)
			continue
		}
		check(t, p, []byte(w.mail))
		o := p.Messages[0]
		files := ""
		for _, a := range o.Attachments {
			files += a.Name + "=" + string(content(t, &a))
		}
		if o.Body != w.body || doubts(o) != w.doubts || files != w.files {
			t.Errorf("%s: got %q, %q, %q\nwant %q, %q, %q", w.name, o.Body, doubts(o), files, w.body, w.doubts, w.files)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, w := range []struct{ in, want string }{
		{`a@b.c`, `|a@b.c`},
		{`"Field, Tom" <t@x.y>, b@c.d`, `Field, Tom|t@x.y ; |b@c.d`},
		{`Friends: a@b.c, "B" <b@c.d>;, e@f.g`, `|a@b.c ; B|b@c.d ; |e@f.g`},
		{`a@b.c (Asha \(R\) Rao)`, `Asha (R) Rao|a@b.c`},
		{`=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?= <j@k.l>`, `Jürgen|j@k.l`},
		{`"=?utf-8?b?w7w=?=" <u@v.w>`, `ü|u@v.w`},
		{`<@route.example:z@y.x>`, `|z@y.x`},
		{`undisclosed-recipients:;`, ``},
		{`Broken "quote <a@b.c>, d@e.f`, `Broken quote|a@b.c ; |d@e.f`},
		{`Nobody`, `|Nobody`},
		{`x@y.z <x@y.z>`, `|x@y.z`},
		{`Bob <b@c.d> Tom <t@x.y>`, `Bob|b@c.d ; Tom|t@x.y`},
		{`a@b.c d@e.f`, `|a@b.c ; |d@e.f`},
		{`Big Bug bb@bug.example`, `Big Bug|bb@bug.example`},
		{`Pete(A nice \) chap) <pete(his account)@silly.test(his host)>`, `Pete|pete@silly.test`},
		{`(Empty list)(start)Undisclosed recipients  :(nobody(that I know))  ;`, ``},
		{`/O=EX/CN=ASHA`, `/O=EX/CN=ASHA|`},
	} {
		var got []string
		for _, a := range addresses([][]byte{[]byte(w.in)}) {
			got = append(got, a.name+"|"+a.email)
		}
		if s := strings.Join(got, " ; "); s != w.want {
			t.Errorf("%s reads as %s, want %s", w.in, s, w.want)
		}
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                               "plain",
		"=?UTF-8?Q?a_b=C3=A9?=":               "a bé",
		"=?utf-8?b?4pw=?= =?utf-8?b?hQ==?=":   "✅", // a character in two words
		"=?iso-8859-1?q?=E9?= x =?UTF-8?B?eQ": "é x =?UTF-8?B?eQ",
		"a =?x?z?b?= c":                       "a =?x?z?b?= c",
		"caf\xe9":                             "café",
		"=?us-ascii*en?q?hi?=":                "hi",
		"=?utf-8?q?a?=\t =?utf-8?q?b?= =?koi8-r?q?=C1?=": "abа",
	} {
		if got := text([]byte(in)); got != want {
			t.Errorf("%q reads as %q, want %q", in, got, want)
		}
	}
}

func TestDates(t *testing.T) {
	for _, w := range []struct {
		in    string
		utc   int64 // in seconds; 0 if no date
		basis capture.ZoneBasis
	}{
		{"Mon, 3 Jun 2024 10:15:30 +0100", 1717406130, capture.ZoneOffset},
		{"3 Jun 2024 10:15:30 +0100 (BST)", 1717406130, capture.ZoneOffset},
		{"Mon, 3 Jun 2024 05:15:30 EDT", 1717406130, capture.ZoneOffset},
		{"Mon,  3 Jun 2024 09:15:30 GMT", 1717406130, capture.ZoneOffset},
		{"Mon, 03 Jun 24 09:15:30 -0000", 1717406130, capture.ZoneOffset},
		{"Mon, 3 Jun 2024 03:15:30 -600", 1717406130, capture.ZoneOffset},
		{"2024-06-03T09:15:30Z", 1717406130, capture.ZoneOffset},
		{"Mon Jun  3 09:15:30 2024", 1717406130 - 14*3600, capture.ZoneUnknown},
		{"Mon, 3 Jun 2024 09:15:30 XYZ", 1717406130 - 14*3600, capture.ZoneUnknown},
		{"Mon, 3 Jun 2024 09:15:30 +9900", 0, ""},
		{"yesterday", 0, ""},
		{"", 0, ""},
	} {
		at, ok := date(w.in, nil, "sender")
		if ok != (w.utc != 0) || ok && (at.Min != w.utc*1000 || at.Zone != w.basis || at.Raw != w.in) {
			t.Errorf("%q reads as %+v, %t, want %d, %s", w.in, at, ok, w.utc, w.basis)
		}
	}
}

func TestNotRecognised(t *testing.T) {
	for name, s := range map[string]string{
		"empty": "", "note": "Note: buy milk\nDate: tomorrow\n", "text": "From the minister\n\nhello", "chat": "[03/06/2024, 10:00] Asha: From: me", "zip": "PK\x05\x06" + strings.Repeat("\x00", 18),
		"web page": "From: <Saved by Blink>\nSnapshot-Content-Location: https://x\nSubject: x\nDate: Mon, 3 Jun 2024 10:00:00 -0000\nMIME-Version: 1.0\n\n",
		"document": string(cfbMagic) + strings.Repeat("\x00", 600),
	} {
		is, err := Parser{}.Recognise(t.Context(), &capture.Source{Files: []*capture.File{file(t, "x", []byte(s))}})
		if is || err != nil {
			t.Errorf("%s is taken for a mail, %v", name, err)
		}
	}
}

// TestPST says what to do with a file that is known and not read.
func TestPST(t *testing.T) {
	f := file(t, "archive.pst", append([]byte("!BDN"), make([]byte, 600)...))
	if is, err := (Parser{}).Recognise(t.Context(), &capture.Source{Files: []*capture.File{f}}); !is || err != nil {
		t.Fatalf("not recognised: %v", err)
	}
	_, err := parse(t, f)
	if fault := (*capture.FileError)(nil); !errors.As(err, &fault) || !strings.Contains(fault.Reason, "Outlook") || !strings.Contains(fault.Remedy, "mbox") {
		t.Errorf("the answer is %v", err)
	}
}

// repeat is an mbox that is as long as wanted without being in memory.
type repeat struct {
	piece []byte
	n     int64
}

func (r *repeat) ReadAt(p []byte, off int64) (int, error) {
	n, size := 0, r.n*int64(len(r.piece))
	for n < len(p) {
		at := off + int64(n)
		if at >= size {
			return n, io.EOF
		}
		n += copy(p[n:min(len(p), n+int(min(size-at, 1<<30)))], r.piece[at%int64(len(r.piece)):])
	}
	return n, nil
}

// longBox is a mail of some 40 KB with an attachment, as it stands in an mbox.
func longBox(t testing.TB) []byte {
	mail := bytes.ReplaceAll(testdata(t, "mixed.eml"), []byte("\r\n"), []byte("\n"))
	mail = bytes.Replace(mail, []byte("Content-Type: application/pdf\n"), []byte("X-Fill: "+strings.Repeat("a", 900)+"\nContent-Type: application/pdf\n"), 1)
	filler := strings.Repeat(strings.Repeat("Zm9vYmFy", 9)+"\n", 500)
	mail = bytes.Replace(mail, []byte("filename*1*=%C3%A9.pdf\n\n"), []byte("filename*1*=%C3%A9.pdf\n\n"+filler), 1)
	return append(append([]byte("From - Tue Jun 04 23:59:59 2024\n"), mail...), '\n')
}

// TestMemory shows that a long mbox takes memory for one mail, not for all.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped in short mode: reads a few hundred megabytes")
	}
	r := &repeat{longBox(t), 6000}
	f := &capture.File{Name: "All mail.mbox", Size: r.n * int64(len(r.piece)), At: r}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	n := int64(0)
	run, err := Parser{}.Parse(t.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(o *capture.Observation) error {
		if n++; n%1000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
		return nil
	})
	if err != nil || n != r.n || run.Coverage.Bytes != f.Size || !run.Reconciliation.Balanced {
		t.Fatalf("%d mails of %d, %d bytes of %d, %v", n, r.n, run.Coverage.Bytes, f.Size, err)
	}
	if limit := uint64(16 << 20); peak > limit {
		t.Errorf("live heap grew by %d bytes while reading %d bytes, want at most %d", peak, f.Size, limit)
	}
	t.Logf("an mbox of %d bytes took %d bytes", f.Size, peak)
}

func BenchmarkMbox(b *testing.B) {
	r := &repeat{longBox(b), 500}
	f := &capture.File{Name: "All mail.mbox", Size: r.n * int64(len(r.piece)), At: r}
	b.SetBytes(f.Size)
	for b.Loop() {
		n := int64(0)
		_, err := Parser{}.Parse(context.Background(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil })
		if err != nil || n != r.n {
			b.Fatal(n, err)
		}
	}
}

func FuzzMail(f *testing.F) {
	for _, name := range []string{"plain.eml", "mixed.eml", "nested.eml", "html.eml", "draft_8bit.eml", "mboxrd.mbox", "mboxcl2.mbox", "maildir.zip", "mail.msg"} {
		if data, err := os.ReadFile(filepath.Join("testdata", name)); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		src := file(t, "x.eml", data)
		p, err := parse(t, src)
		if err != nil {
			if fault := (*capture.FileError)(nil); !errors.As(err, &fault) {
				t.Errorf("error %v does not say what to do", err)
			}
			return
		}
		if bytes.HasPrefix(data, []byte("PK")) {
			check(t, p, nil)
		} else {
			check(t, p, data)
		}
		first, err := json.Marshal(p, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		p, _ = parse(t, src)
		if second, _ := json.Marshal(p, json.Deterministic(true)); !bytes.Equal(first, second) {
			t.Error("the second reading differs from the first")
		}
	})
}

// FuzzParts takes apart what need not look like a mail.
func FuzzParts(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--"), "=?utf-8?q?=41?= <a@b>, \"x", "text/plain; a*0*=utf-8''%41; a*1=b")
	f.Fuzz(func(t *testing.T, mail []byte, addr, kind string) {
		l := readMail(mail, capture.Options{})
		if l.obs.Sent.Min > l.obs.Sent.Max {
			t.Errorf("interval is empty: %+v", l.obs.Sent)
		}
		for _, a := range addresses([][]byte{[]byte(addr)}) {
			if a == (address{}) {
				t.Errorf("%q has an address that is none", addr)
			}
		}
		parseMedia([]byte(kind))
		date(addr, nil, "sender")
	})
}

// FuzzOutlook reads what Outlook writes: compound files, rich text, its own attachments.
func FuzzOutlook(f *testing.F) {
	if data, err := os.ReadFile("testdata/mail.msg"); err == nil {
		f.Add(data)
	}
	f.Add([]byte(`{\rtf1\ansi\fromhtml1 {\*\htmltag <p>}\'e9\u8364?\htmlrtf\par\htmlrtf0{\*\htmltag </p>}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if root, err := openCFB(data); err == nil {
			readMSG(root, capture.Options{})
		}
		unpackRTF(data)
		readRTF(data)
		(&letter{doubts: map[string]bool{}, obs: &capture.Observation{}}).tnef(data, "winmail.dat")
	})
}

// TestSamples reads every mail below a folder of exports whose contents are known.
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
		if want := strings.Contains(path, "/email/"); err != nil || is != want {
			t.Errorf("%s is recognised: %t, %v", path, is, err)
		}
		if !is {
			return nil
		}
		read++
		p, err := parse(t, f)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		check(t, p, data)
		for _, o := range p.Messages {
			t.Logf("%s: %s %q %q %d bytes, %d attachments, %s", d.Name(), o.Sent.Local, o.Sender, o.Subject, len(o.Body), len(o.Attachments), doubts(o))
		}
		return nil
	})
	if err != nil || read == 0 {
		t.Errorf("read %d files below %s, %v", read, dir, err)
	}
}

// TestHostile reads what is made to take long: the run would not end in time if the cost grew with the square
// of the length.
func TestHostile(t *testing.T) {
	head := "From: a@b.example\nDate: Mon, 3 Jun 2024 10:00:00 +0000\n"
	for name, mail := range map[string]string{
		"folded":    head + "Subject: x\n" + strings.Repeat(" a\n", 300_000) + "\nx\n",
		"words":     head + "Subject: " + strings.Repeat("=?a?q?", 160_000) + "\n\nx\n",
		"addresses": head + "To: " + strings.Repeat("<a> b ", 150_000) + "\n\nx\n",
		"quoted":    head + "To: \"" + strings.Repeat("a,", 400_000) + "\n\nx\n",
		"parts":     head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n", 500_000),
		"nested":    head + strings.Repeat("Content-Type: multipart/mixed; boundary=b\n\n--b\n", 20_000),
		"tags":      head + "Content-Type: text/html\n\n" + strings.Repeat("<a href=https://x.example><p>", 100_000),
	} {
		p, err := parse(t, file(t, "x.eml", []byte(mail)))
		if err != nil || len(p.Messages) != 1 {
			t.Errorf("%s: %d mails, %v", name, len(p.Messages), err)
		}
	}
	var box strings.Builder
	box.WriteString("From a Mon Jan  1 10:00:00 2024\nFrom: a@b.example\nContent-Length: 1000000\n\n")
	line := "From b Mon Jan  1 10:00:00 2024\nA: b\n\n"
	box.WriteString(strings.Repeat(line, 1_000_000/len(line)))
	box.WriteString(strings.Repeat("x", 1_000_000%len(line)) + "\nFrom c Mon Jan  1 10:00:00 2024\nFrom: c@d.example\n\nx\n")
	p, err := parse(t, file(t, "x.mbox", []byte(box.String())))
	if err != nil || len(p.Messages) != 2 {
		t.Errorf("an mbox of 2 mails has %d, %v", len(p.Messages), err)
	}
}
