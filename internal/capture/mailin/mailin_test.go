package mailin_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"despatch/despatchtest"
	"despatch/internal/capture/email"
	"despatch/internal/capture/mailin"
	"despatch/internal/identity"
	"despatch/internal/server"
	"despatch/internal/store"
)

// relay is the organisation's mail server, as far as receipts are sent through it.
type relay struct {
	addr  string
	mails chan string // envelope and mail
}

type relaySession struct {
	r        *relay
	from, to string
}

func (s *relaySession) Reset()                                        {}
func (s *relaySession) Logout() error                                 { return nil }
func (s *relaySession) Mail(from string, _ *gosmtp.MailOptions) error { s.from = from; return nil }
func (s *relaySession) Rcpt(to string, _ *gosmtp.RcptOptions) error   { s.to = to; return nil }
func (s *relaySession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.r.mails <- fmt.Sprintf("<%s> <%s>\n%s", s.from, s.to, b)
	return err
}

func startRelay(t *testing.T) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: ln.Addr().String(), mails: make(chan string, 10)}
	srv := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return &relaySession{r: r}, nil }))
	srv.Domain = "relay.example.org"
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return r
}

// next returns the next mail that the relay was given, with its text decoded.
func (r *relay) next(t *testing.T) (envelope, subject, body string) {
	t.Helper()
	select {
	case m := <-r.mails:
		envelope, raw, _ := strings.Cut(m, "\n")
		head, err := email.ReadHead(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if head.Automatic != "auto-replied" {
			t.Errorf("the receipt does not say that a program wrote it: %q", raw)
		}
		_, body, _ := strings.Cut(raw, "\r\n\r\n")
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		return envelope, head.Subject, strings.ReplaceAll(string(text), "\r\n", "\n")
	case <-time.After(30 * time.Second):
		t.Fatal("no receipt came")
		return "", "", ""
	}
}

// box is a running service beside a whole Despatch.
type box struct {
	*mailin.Service
	d     *despatchtest.Server
	asha  *despatchtest.User
	relay *relay
	lmtp  string
	smtp  string
}

func start(t *testing.T, withRelay bool) *box {
	t.Helper()
	d := despatchtest.Start(t)
	b := &box{d: d, asha: d.User(t, "asha"), lmtp: filepath.Join(t.TempDir(), "lmtp.sock")}
	set := mailin.Settings{LMTP: b.lmtp, SMTP: "127.0.0.1:0", Address: "record@example.org", AuthServer: "mx.example.org", MaxSize: 4 << 20}
	if withRelay {
		b.relay = startRelay(t)
		set.Relay = b.relay.addr
	}
	if err := set.Check(); err != nil {
		t.Fatal(err)
	}
	b.Service = &mailin.Service{Settings: set, DB: d.DB, Record: d.Rec, Capture: d.Capture, Temp: t.TempDir(), Site: "https://chat.example.org", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	b.smtp = b.Addrs()[1].String()
	if err := b.Add(t.Context(), string(identity.CommandLine), b.asha.ID, " Asha@Example.org "); err != nil {
		t.Fatal(err)
	}
	return b
}

const passed = "Authentication-Results: mx.example.org; dmarc=pass (p=none) header.from=example.org; spf=pass smtp.mailfrom=asha@example.org\r\n"

func mail(results, from, rest string) string {
	return results + "Received: from x by mx.example.org; Mon, 3 Jun 2024 10:00:01 +0000\r\nFrom: " + from + "\r\nTo: record@example.org\r\nSubject: Fwd: the =?utf-8?q?caf=C3=A9?=\r\nDate: Mon, 3 Jun 2024 10:00:00 +0000\r\nMessage-ID: <one@example.org>\r\n" + rest
}

const plain = "Content-Type: text/plain; charset=utf-8\r\n\r\nWe agreed on £40.\r\n"

func (b *box) send(from, to, body string) error {
	return smtp.SendMail(b.smtp, nil, from, []string{to}, []byte(body))
}

func (b *box) submissions(t *testing.T) []store.Submission {
	t.Helper()
	list, err := b.d.Capture.Submissions(context.Background(), string(b.asha.ID), 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestMailOverSMTP(t *testing.T) {
	b := start(t, true)
	if err := b.send("asha@example.org", "record@example.org", mail(passed, "Asha <asha@example.org>", plain)); err != nil {
		t.Fatal(err)
	}
	list := b.submissions(t)
	if len(list) != 1 || list[0].Status != "read" || list[0].Name != "Fwd_ the café.eml" {
		t.Fatalf("submissions are %+v", list)
	}
	r, err := b.d.Capture.Receipt(t.Context(), list[0].ID)
	if err != nil || r.Run.System != "email" || r.Run.Coverage.Messages != 1 {
		t.Fatalf("receipt is %+v, %v", r, err)
	}
	envelope, subject, body := b.relay.next(t)
	if envelope != "<> <asha@example.org>" || subject != "On the record: Fwd: the café" {
		t.Errorf("the receipt went %s as %q", envelope, subject)
	}
	for _, line := range r.Summary() {
		if !strings.Contains(body, line) {
			t.Errorf("the receipt lacks %q:\n%s", line, body)
		}
	}
	if !strings.Contains(body, list[0].ID) || !strings.Contains(body, "https://chat.example.org") {
		t.Errorf("the receipt lacks the submission or the page:\n%s", body)
	}
}

// TestLMTP speaks the protocol by hand, over the Unix socket.
func TestLMTP(t *testing.T) {
	b := start(t, false)
	conn, err := net.Dial("unix", b.lmtp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := textproto.NewConn(conn)
	say := func(line, want string) {
		t.Helper()
		if line != "" {
			if err := c.PrintfLine("%s", line); err != nil {
				t.Fatal(err)
			}
		}
		for {
			got, err := c.ReadLine()
			if err != nil {
				t.Fatal(err)
			}
			if len(got) > 3 && got[3] == '-' {
				continue
			}
			if !strings.HasPrefix(got, want) {
				t.Fatalf("%q is answered by %q, want %s", line, got, want)
			}
			return
		}
	}
	say("", "220")
	say("EHLO mx.example.org", "500")
	say("LHLO mx.example.org", "250")
	say("MAIL FROM:<asha@example.org>", "250")
	say("RCPT TO:<nobody@example.org>", "550 5.1.1")
	say("RCPT TO:<Record@Example.org>", "250")
	say("DATA", "354")
	w := c.DotWriter()
	io.WriteString(w, mail(passed, "asha@example.org", plain))
	w.Close()
	say("", "250")
	say("MAIL FROM:<eve@example.net>", "250")
	say("RCPT TO:<record@example.org>", "250")
	say("DATA", "354")
	w = c.DotWriter()
	io.WriteString(w, mail("", "asha@example.org", plain))
	w.Close()
	say("", "550 5.7.1")
	say("QUIT", "221")
	if list := b.submissions(t); len(list) != 1 {
		t.Errorf("submissions are %+v", list)
	}
}

func TestRefused(t *testing.T) {
	b := start(t, false)
	gone := b.d.User(t, "gone")
	if err := b.Add(t.Context(), string(identity.CommandLine), gone.ID, "gone@example.org"); err != nil {
		t.Fatal(err)
	}
	if err := b.d.Identity.Disable(t.Context(), identity.CommandLine, gone.ID); err != nil {
		t.Fatal(err)
	}
	ar := func(s string) string { return "Authentication-Results: " + s + "\r\n" }
	for _, w := range []struct{ name, mail, from, to, want string }{
		{"no results", mail("", "asha@example.org", plain), "asha@example.org", "record@example.org", "not certain"},
		{"another server's results", mail(ar("evil.example; dmarc=pass header.from=example.org"), "asha@example.org", plain), "asha@example.org", "record@example.org", "not certain"},
		{"forged below", mail(ar("mx.example.org; dmarc=fail header.from=example.org")+passed, "asha@example.org", plain), "asha@example.org", "record@example.org", "not certain"},
		{"failed", mail(ar("mx.example.org; dmarc=fail header.from=example.org; spf=fail smtp.mailfrom=example.org"), "asha@example.org", plain), "asha@example.org", "record@example.org", "not certain"},
		{"in a comment", mail(ar("mx.example.org; dmarc=none (dmarc=pass header.from=example.org) header.from=example.org"), "asha@example.org", plain), "asha@example.org", "record@example.org", "not certain"},
		{"of another domain", mail(ar("mx.example.org; dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=eve@evil.example"), "asha@example.org", plain), "eve@evil.example", "record@example.org", "not certain"},
		{"SPF of another envelope", mail(ar("mx.example.org; spf=pass smtp.mailfrom=asha@example.org"), "asha@example.org", plain), "eve@evil.example", "record@example.org", "not certain"},
		{"two From lines", mail(passed+"From: eve@evil.example\r\n", "asha@example.org", plain), "asha@example.org", "record@example.org", "exactly one sender"},
		{"two senders", mail(passed, "eve@evil.example, asha@example.org", plain), "asha@example.org", "record@example.org", "exactly one sender"},
		{"a name that looks like it", mail(ar("mx.example.org; dmarc=pass header.from=evil.example"), "\"asha@example.org\" <eve@evil.example>", plain), "eve@evil.example", "record@example.org", "not known"},
		{"stranger", mail(passed, "tom@example.org", plain), "tom@example.org", "record@example.org", "not known"},
		{"closed account", mail(passed, "gone@example.org", plain), "gone@example.org", "record@example.org", "closed"},
		{"automatic reply", mail(passed+"Auto-Submitted: auto-replied\r\n", "asha@example.org", plain), "asha@example.org", "record@example.org", "Automatic"},
		{"wrong mailbox", mail(passed, "asha@example.org", plain), "asha@example.org", "postmaster@example.org", "no such mailbox"},
		{"too large", mail(passed, "asha@example.org", plain+strings.Repeat("fill the mail up with words\r\n", 200_000)), "asha@example.org", "record@example.org", "larger than 4 MB"},
	} {
		err := b.send(w.from, w.to, w.mail)
		var refusal *textproto.Error
		if !errors.As(err, &refusal) || refusal.Code < 550 || !strings.Contains(refusal.Msg, w.want) {
			t.Errorf("%s is answered by %v, want %q", w.name, err, w.want)
		}
	}
	if list := b.submissions(t); len(list) != 0 {
		t.Errorf("refused mails are on the record: %+v", list)
	}
}

// chatZip is a chat as an iPhone exports it.
func chatZip(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("_chat.txt")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "[31/01/2024, 10:00:00] Asha: hello\n[31/01/2024, 10:01:00] Tom: the meter is read\n")
	z.Close()
	return b.Bytes()
}

// TestExports forwards a chat, a mail and a picture: the first two are handed in by themselves too.
func TestExports(t *testing.T) {
	b := start(t, true)
	encoded := base64.StdEncoding.EncodeToString(chatZip(t))
	body := "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nas asked\r\n" +
		"--b\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=\"WhatsApp Chat - Water.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded + "\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: tom@example.net\r\nTo: asha@example.org\r\nSubject: inner\r\nDate: Sun, 2 Jun 2024 10:00:00 +0000\r\nMessage-ID: <inner@example.net>\r\n\r\nprivate words\r\n" +
		"--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=a.png\r\n\r\nnot really\r\n--b--\r\n"
	if err := b.send("asha@example.org", "record@example.org", mail(passed, "asha@example.org", body)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range b.submissions(t) {
		r, err := b.d.Capture.Receipt(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(s.Name, " ", r.Run.System, " ", r.Run.Coverage.Messages))
	}
	slices.Sort(got)
	if want := []string{"Fwd_ the café.eml email 1", "WhatsApp Chat - Water.zip whatsapp 2", "inner.eml email 1"}; !slices.Equal(got, want) {
		t.Errorf("submissions are %q, want %q", got, want)
	}
	if _, _, text := b.relay.next(t); !strings.Contains(text, "Water.zip”:") || !strings.Contains(text, "Asha, Tom") {
		t.Errorf("the receipt is\n%s", text)
	}
	// The same again changes nothing but is answered.
	if err := b.send("asha@example.org", "record@example.org", mail(passed, "asha@example.org", body)); err != nil {
		t.Fatal(err)
	}
	if list := b.submissions(t); len(list) != 3 {
		t.Errorf("after the same mail again there are %d submissions", len(list))
	}
	if _, _, text := b.relay.next(t); !strings.Contains(text, "before") {
		t.Errorf("the second receipt is\n%s", text)
	}
	b.d.CheckRecord(t)
}

func TestClaim(t *testing.T) {
	b := start(t, true)
	ctx := t.Context()
	if err := b.Claim(ctx, b.asha.ID, "asha@home.example"); err != nil {
		t.Fatal(err)
	}
	envelope, subject, _ := b.relay.next(t)
	_, code, _ := strings.Cut(subject, ": ")
	if envelope != "<> <asha@home.example>" || len(code) != 8 {
		t.Fatalf("the code went %s as %q", envelope, subject)
	}
	if err := b.Claim(ctx, b.asha.ID, "asha@home.example"); err == nil {
		t.Error("codes can be had without end")
	}
	tom := b.d.User(t, "tom")
	if err := b.Confirm(ctx, tom.ID, "asha@home.example", code); err == nil {
		t.Error("somebody else can use the code")
	}
	if err := b.Confirm(ctx, b.asha.ID, "asha@home.example", "x"+code); err == nil {
		t.Error("a wrong code is taken")
	}
	if err := b.Confirm(ctx, b.asha.ID, "Asha@Home.example", code); err != nil {
		t.Error(err)
	}
	list, err := b.Addresses(ctx, b.asha.ID)
	if err != nil || len(list) != 2 || list[1].Address != "asha@home.example" || list[1].AddedBy != string(b.asha.ID) {
		t.Errorf("addresses are %+v, %v", list, err)
	}
	if err := b.Claim(ctx, tom.ID, "tom@home.example"); err != nil {
		t.Fatal(err)
	}
	_, subject, _ = b.relay.next(t)
	_, code, _ = strings.Cut(subject, ": ")
	for range 5 {
		b.Confirm(ctx, tom.ID, "tom@home.example", "00000000x")
	}
	if err := b.Confirm(ctx, tom.ID, "tom@home.example", code); err == nil {
		t.Error("codes can be guessed without end")
	}
	if err := b.Add(ctx, string(identity.CommandLine), tom.ID, "asha@home.example"); err == nil {
		t.Error("an address is two people's")
	}
	if err := b.Remove(ctx, string(tom.ID), tom.ID, "asha@home.example"); err == nil {
		t.Error("somebody can remove another's address")
	}
	if err := b.Remove(ctx, string(b.asha.ID), b.asha.ID, "asha@home.example"); err != nil {
		t.Error(err)
	}
	b.d.CheckRecord(t)
}

// TestBounds holds connections open and sends what never ends.
func TestBounds(t *testing.T) {
	b := start(t, false)
	conn, err := net.Dial("tcp", b.smtp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	r.ReadString('\n')
	var refused error
	for range 100 {
		if _, refused = io.WriteString(conn, strings.Repeat("A", 64<<10)); refused != nil {
			break
		}
	}
	if answer, _ := r.ReadString('\n'); refused == nil && !strings.HasPrefix(answer, "5") {
		t.Errorf("a command without end is answered by %q", answer)
	}
	left, err := os.ReadDir(b.Temp)
	if err != nil || len(left) != 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func TestSettings(t *testing.T) {
	good := mailin.Settings{LMTP: "/run/despatch/lmtp", Address: "record@example.org", AuthServer: "mx"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*mailin.Settings){
		"no auth server": func(s *mailin.Settings) { s.AuthServer = "" }, "open LMTP": func(s *mailin.Settings) { s.LMTP = "0.0.0.0:24" },
		"no address": func(s *mailin.Settings) { s.Address = "record" }, "bad relay": func(s *mailin.Settings) { s.Relay = "relay" },
	} {
		s := good
		if change(&s); s.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := (mailin.Settings{}).Check(); err != nil {
		t.Errorf("nothing set is refused: %v", err)
	}
}

// TestOverHTTP adds an address as the messenger does, in a whole server, and sends a mail from there.
func TestOverHTTP(t *testing.T) {
	r := startRelay(t)
	d := despatchtest.Start(t, func(c *server.Config) {
		c.Mail = mailin.Settings{SMTP: "127.0.0.1:0", Address: "record@example.org", AuthServer: "mx.example.org", Relay: r.addr, MaxSize: 1 << 20}
	})
	if err := d.Mail.Start(); err != nil {
		t.Fatal(err)
	}
	asha := d.User(t, "asha")
	want := func(status int, method, path string, body any, has string) {
		t.Helper()
		if got, answer := asha.Do(t, method, "/_despatch/v1/mail"+path, body); got != status || !strings.Contains(string(answer), has) {
			t.Fatalf("%s %s is answered by %d %s, want %d and %q", method, path, got, answer, status, has)
		}
	}
	want(200, "GET", "", nil, `"record":"record@example.org"`)
	want(400, "POST", "", map[string]string{"address": "nonsense"}, "not an address")
	want(200, "POST", "", map[string]string{"address": "asha@home.example"}, "")
	_, subject, _ := r.next(t)
	_, code, _ := strings.Cut(subject, ": ")
	want(403, "POST", "/confirm", map[string]string{"address": "asha@home.example", "code": "0"}, "not the code")
	want(200, "POST", "/confirm", map[string]string{"address": "asha@home.example", "code": code}, "")
	want(200, "GET", "", nil, `"asha@home.example"`)
	m := mail("Authentication-Results: mx.example.org; dkim=pass header.d=home.example\r\n", "asha@home.example", plain)
	if err := smtp.SendMail(d.Mail.Addrs()[0].String(), nil, "asha@home.example", []string{"record@example.org"}, []byte(m)); err != nil {
		t.Fatal(err)
	}
	if _, subject, _ := r.next(t); !strings.HasPrefix(subject, "On the record: ") {
		t.Errorf("the receipt is called %q", subject)
	}
	want(200, "POST", "/remove", map[string]string{"address": "asha@home.example"}, "")
	want(404, "POST", "/remove", map[string]string{"address": "asha@home.example"}, "")
	d.CheckRecord(t)
}
