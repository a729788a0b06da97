package mailin

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base32"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/netip"
	"net/smtp"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/email"
)

// letter is a mail that the server writes.
type letter struct {
	to, subject string
	answers     string // the id of the mail that it answers, or ""
	body        []string
}

// handed is one submission of a mail, by the name of its first file.
type handed struct {
	name    string
	receipt *capture.Receipt
}

// receipt says in plain words what became of a mail: the same as the receipt in the messenger.
func receipt(to string, head *email.Head, done []handed, site string) letter {
	subject := head.Subject
	if subject == "" {
		subject = "your mail"
	}
	l := letter{to: to, subject: "On the record: " + subject, answers: head.MessageID}
	say := func(format string, args ...any) { l.body = append(l.body, fmt.Sprintf(format, args...)) }
	say("Your mail “%s” is on the record.", subject)
	for i, h := range done {
		if i > 0 {
			say("")
			say("With it came “%s”:", h.name)
		}
		for _, line := range h.receipt.Summary() {
			say("%s", line)
		}
		if h.receipt.Fault != "" && h.receipt.Run == nil {
			say("%s", h.receipt.Fault)
		}
		say("Receipt: %s", h.receipt.Submission)
		if h.receipt.Status == capture.StatusNeedsAnswer {
			say("Its messages wait for your answer. Give it on your page in Despatch.")
		}
	}
	say("")
	if site != "" {
		say("You find all of this on your page: %s", site)
	} else {
		say("You find all of this on your page in Despatch.")
	}
	say("This mail was written by a program. Nobody reads answers to it.")
	return l
}

// send puts a letter on its way. One that cannot be sent is not missed: what it says is on the page.
func (s *Service) send(l letter) {
	if s.Settings.Relay == "" {
		return
	}
	select {
	case s.post <- l:
	default:
		s.Log.Warn("a receipt was not sent: too many are waiting")
	}
}

// sendAll sends letters until the service ends.
func (s *Service) sendAll() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case l := <-s.post:
			s.sendOne(l)
		}
	}
}

const tries = 3

// sendOne sends a letter, and tries again if the relay is not there.
func (s *Service) sendOne(l letter) {
	for n := 1; ; n++ {
		err := s.deliver(l)
		if err == nil || s.ctx.Err() != nil {
			return
		}
		if n == tries {
			s.Log.Error("a receipt was not sent", "relay", s.Settings.Relay, "err", err)
			return
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(time.Duration(n) * 5 * time.Second):
		}
	}
}

// deliver hands a letter to the relay. Its sender is empty, so that nothing answers it (RFC 3834, 3.3).
func (s *Service) deliver(l letter) error {
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	host, _, err := net.SplitHostPort(s.Settings.Relay)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Settings.Relay)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		conn.Close()
		return fmt.Errorf("greet the relay: %w", err)
	}
	defer c.Close()
	if err := s.exchange(c, l, host); err != nil {
		return fmt.Errorf("hand a mail to the relay: %w", err)
	}
	return nil
}

func (s *Service) exchange(c *smtp.Client, l letter, host string) error {
	if err := c.Hello(s.domain()); err != nil {
		return err
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		if err := c.StartTLS(tlsConfig(host)); err != nil {
			return err
		}
	}
	raw, err := s.write(l)
	if err != nil {
		return err
	}
	if err := c.Mail(""); err != nil {
		return err
	}
	if err := c.Rcpt(l.to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return c.Quit()
}

// write returns a letter as it is sent (RFC 5322). Nothing in it can begin a field of its own: line ends
// are taken out of what comes from strangers, and the rest is encoded.
func (s *Service) write(l letter) ([]byte, error) {
	oneLine := strings.NewReplacer("\r", " ", "\n", " ")
	var b strings.Builder
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, oneLine.Replace(value)) }
	var id [15]byte
	rand.Read(id[:])
	subject := l.subject
	if len(subject) > 200 {
		subject = strings.ToValidUTF8(subject[:200], "") + "…"
	}
	field("From", "Despatch <"+s.Settings.Address+">")
	field("To", "<"+l.to+">")
	field("Subject", mime.QEncoding.Encode("utf-8", oneLine.Replace(subject)))
	field("Date", s.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	field("Message-ID", "<"+strings.ToLower(base32.StdEncoding.EncodeToString(id[:]))+"@"+s.domain()+">")
	if l.answers != "" && len(l.answers) < 500 && !strings.ContainsAny(l.answers, "<> \r\n") {
		field("In-Reply-To", "<"+l.answers+">")
		field("References", "<"+l.answers+">")
	}
	field("Auto-Submitted", "auto-replied")
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	for _, line := range l.body {
		if _, err := q.Write([]byte(oneLine.Replace(line) + "\r\n")); err != nil {
			return nil, err
		}
	}
	if err := q.Close(); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

// tlsConfig trusts the relay's certificate if it is good for its name. A relay on this machine has no
// name to be good for.
func tlsConfig(host string) *tls.Config {
	ip, err := netip.ParseAddr(host)
	local := host == "localhost" || err == nil && ip.IsLoopback()
	return &tls.Config{ServerName: host, InsecureSkipVerify: local, MinVersion: tls.VersionTLS12}
}
