// Package mailin takes mails that people forward onto the record, such as to record@example.gov.uk. It
// speaks LMTP with the organisation's own mail server, over a Unix socket or the loopback, or SMTP.
//
// A mail is taken only if it is certain whose it is: its one From address is known to be that of a person
// with an account, and the organisation's mail server has written into it that the address was not forged.
// What is refused is refused while the sender's server is listening, with words that say what to do, so
// that nobody believes to have handed in what was not taken. A mail is acknowledged when it is on the
// record, and not before.
//
// The mail as a whole is a submission. Those of its attachments that are exports of some system, or mails,
// are submissions of their own. The receipt is sent back through the organisation's mail server, if one is
// set; it stands on the person's page in any case.
package mailin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"

	"despatch/internal/capture"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
)

// Settings say where mails come from and where receipts go.
type Settings struct {
	LMTP       string // a path of a Unix socket, or a loopback address as host:port; "" for none
	SMTP       string // an address as host:port; "" for none
	Address    string // to which mails are sent: record@example.gov.uk
	AuthServer string // the name under which the organisation's server writes Authentication-Results
	Relay      string // host:port through which receipts are sent; "" for none
	MaxSize    int64  // bytes of a mail
}

// On reports whether mails are to be taken at all.
func (s Settings) On() bool { return s.LMTP != "" || s.SMTP != "" }

// Check refuses settings that do not go together, in words for who set them.
func (s Settings) Check() error {
	if !s.On() {
		return nil
	}
	if s.AuthServer == "" {
		return errors.New("mail-lmtp and mail-smtp need mail-auth-server, the name under which your mail server writes Authentication-Results: without it nobody could tell a forged mail from a true one")
	}
	if local, domain, ok := strings.Cut(s.Address, "@"); !ok || local == "" || domain == "" || strings.ContainsAny(s.Address, " <>\r\n\"") {
		return fmt.Errorf("mail-address: %q is not an address such as record@example.gov.uk", s.Address)
	}
	if s.LMTP != "" && !isSocket(s.LMTP) {
		host, _, err := net.SplitHostPort(s.LMTP)
		ip, ipErr := netip.ParseAddr(host)
		if err != nil || host != "localhost" && (ipErr != nil || !ip.IsLoopback()) {
			return fmt.Errorf("mail-lmtp: %q is neither the path of a socket nor a loopback address such as 127.0.0.1:24. Whoever reaches it could hand in mails as anybody", s.LMTP)
		}
	}
	for name, a := range map[string]string{"mail-smtp": s.SMTP, "mail-relay": s.Relay} {
		if _, _, err := net.SplitHostPort(a); a != "" && err != nil {
			return fmt.Errorf("%s: %q is not an address as host:port", name, a)
		}
	}
	return nil
}

func isSocket(s string) bool { return strings.Contains(s, "/") }

// Bounds of a conversation with another server.
const (
	maxConnections = 32
	maxTogether    = 2 // mails that are read at once: each may be in memory
	maxRecipients  = 10
	maxLine        = 64 << 10
	commandTimeout = 5 * time.Minute  // RFC 5321, 4.5.3.2
	filingTimeout  = 10 * time.Minute // as long as a sender waits for the answer to a mail
	maxFolded      = 320              // bytes of an address
)

// Service takes mails. Its fields are set before [Service.Start] and not changed after.
type Service struct {
	Settings Settings
	DB       *sqldb.DB
	Record   *recorder.Recorder
	Capture  *capture.Service
	Temp     string // folder for a mail while it is read
	Site     string // address of the server for people, "" if not known; receipts name it
	Now      func() time.Time
	Log      *slog.Logger

	servers  []*smtp.Server
	sockets  []net.Listener
	serving  sync.WaitGroup
	together chan struct{}
	post     chan letter // receipts on their way; the sending goroutine's
	sending  sync.WaitGroup
	stop     context.CancelFunc
	ctx      context.Context // ends with the service; mails are read under it, since they outlive a command
}

// Start begins to listen. It does nothing if no mails are to be taken and no relay is set.
func (s *Service) Start() error {
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.together = make(chan struct{}, maxTogether)
	s.post = make(chan letter, 200)
	s.tidy()
	s.sending.Go(s.sendAll)
	if s.Settings.LMTP != "" {
		ln, err := s.socket(s.Settings.LMTP)
		if err != nil {
			s.Close()
			return fmt.Errorf("listen for mails: %w", err)
		}
		s.serve(ln, true)
	}
	if s.Settings.SMTP != "" {
		ln, err := net.Listen("tcp", s.Settings.SMTP)
		if err != nil {
			s.Close()
			return fmt.Errorf("listen for mails: %w", err)
		}
		s.serve(ln, false)
	}
	return nil
}

// socket listens on a Unix socket, in place of one that a crash left behind, or on a loopback address.
func (s *Service) socket(where string) (net.Listener, error) {
	if !isSocket(where) {
		return net.Listen("tcp", where)
	}
	if fi, err := os.Lstat(where); err == nil && fi.Mode()&os.ModeSocket != 0 {
		if c, err := net.DialTimeout("unix", where, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("another program listens on %s", where)
		}
		if err := os.Remove(where); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("unix", where)
	if err != nil {
		return nil, err
	}
	// The mail server runs as another user, of a group that the folder is given to.
	if err := os.Chmod(where, 0o660); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

func (s *Service) serve(ln net.Listener, lmtp bool) {
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{service: s}, nil }))
	srv.LMTP = lmtp
	_, srv.Domain, _ = strings.Cut(s.Settings.Address, "@")
	srv.MaxMessageBytes = s.Settings.MaxSize
	srv.MaxRecipients = maxRecipients
	srv.MaxLineLength = maxLine
	srv.ReadTimeout, srv.WriteTimeout = commandTimeout, commandTimeout
	srv.EnableSMTPUTF8 = true
	srv.ErrorLog = quiet{s.Log}
	s.servers, s.sockets = append(s.servers, srv), append(s.sockets, ln)
	s.serving.Go(func() {
		if err := srv.Serve(netutil.LimitListener(ln, maxConnections)); err != nil && s.ctx.Err() == nil {
			s.Log.Error("mails are no longer taken", "err", err)
		}
	})
	s.Log.Info("mails are taken", "at", ln.Addr().String(), "lmtp", lmtp)
}

// Addrs returns where the service listens.
func (s *Service) Addrs() []net.Addr {
	var list []net.Addr
	for _, ln := range s.sockets {
		list = append(list, ln.Addr())
	}
	return list
}

// Close ends the service. A mail that is being taken is either on the record or not acknowledged.
func (s *Service) Close() {
	if s.stop == nil {
		return
	}
	s.stop()
	for _, srv := range s.servers {
		srv.Close()
	}
	s.serving.Wait()
	for range cap(s.together) { // until those are done that were being read
		s.together <- struct{}{}
	}
	s.sending.Wait()
	s.stop = nil
}

// quiet logs what the protocol's package says. Connections that break off are everyday.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, v ...any) {
	q.log.Debug("mail protocol", "said", fmt.Sprintf(format, v...))
}
func (q quiet) Println(v ...any) { q.log.Debug("mail protocol", "said", fmt.Sprintln(v...)) }

// session is one conversation with another server. It is for one goroutine.
type session struct {
	service *Service
	from    string // of the envelope
	ours    bool   // a recipient is our address
}

func (c *session) Reset()        { c.from, c.ours = "", false }
func (c *session) Logout() error { return nil }

func (c *session) Mail(from string, _ *smtp.MailOptions) error {
	c.from, c.ours = from, false
	return nil
}

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !strings.EqualFold(to, c.service.Settings.Address) {
		return refuse(550, smtp.EnhancedCode{5, 1, 1}, "There is no such mailbox here. What belongs on the record is sent to %s.", c.service.Settings.Address)
	}
	c.ours = true
	return nil
}

// Data takes a mail. The answer is given when it is on the record.
func (c *session) Data(r io.Reader) error {
	s := c.service
	if !c.ours {
		return refuse(554, smtp.EnhancedCode{5, 5, 1}, "The mail has no recipient here.")
	}
	select {
	case s.together <- struct{}{}:
		defer func() { <-s.together }()
	case <-s.ctx.Done():
		return errBusy
	}
	ctx, cancel := context.WithTimeout(s.ctx, filingTimeout)
	defer cancel()
	f, err := os.CreateTemp(s.Temp, "mail-*.tmp")
	if err != nil {
		s.Log.Error("a mail cannot be kept", "err", err)
		return errBusy
	}
	defer os.Remove(f.Name())
	defer f.Close()
	size, err := io.Copy(f, r)
	if errors.Is(err, smtp.ErrDataTooLarge) {
		return refuse(552, smtp.EnhancedCode{5, 3, 4}, "The mail is larger than %d MB. Hand in the files on your page in Despatch.", s.Settings.MaxSize>>20)
	}
	if err != nil {
		return err
	}
	err = s.take(ctx, f, size, c.from)
	var refusal *smtp.SMTPError
	if err != nil && !errors.As(err, &refusal) {
		s.Log.Error("a mail was not taken; its server will send it again", "err", err)
		return errBusy
	}
	if refusal != nil {
		s.Log.Info("a mail was refused", "code", refusal.Code, "reason", refusal.EnhancedCode)
	}
	return err
}

var errBusy = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "The mail cannot be taken just now. Please send it again later."}

func refuse(code int, enhanced smtp.EnhancedCode, format string, args ...any) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: fmt.Sprintf(format, args...)}
}

// tidy removes mails that a crash left in the folder.
func (s *Service) tidy() {
	left, _ := filepath.Glob(filepath.Join(s.Temp, "mail-*.tmp"))
	for _, name := range left {
		os.Remove(name)
	}
}
