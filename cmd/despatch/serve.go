package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/oauth"
	"despatch/internal/server"
)

const serveLong = `
Serves the messenger, the console, and the Matrix API until it is told to stop (SIGTERM or Ctrl-C): then it takes
nothing new, finishes what it has accepted, and closes the record. At the first start it prints a link with which
the first IT administrator is made.

Under systemd it says when it is ready, and answers the watchdog; see packaging/despatch.service.`

func serveCommand(ctx context.Context, p *program, args []string) error {
	c, rest, err := load("serve", args, p.env, nil)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("serve takes no arguments")
	}
	log := c.logger(p.err)
	unlock, err := lockFolder(c.Data)
	if err != nil {
		return err
	}
	defer unlock()
	metrics := newMetrics()
	s, err := newServer(ctx, &c, log, metrics.observe)
	if err != nil {
		return err
	}
	defer s.Close()
	metrics.watch(s)
	ln, err := listen(&c)
	if err != nil {
		return err
	}
	if err := setUpLink(ctx, p, &c, s); err != nil {
		ln.Close()
		return err
	}
	if c.mail(s.Name).On() {
		if err := s.Mail.Start(); err != nil {
			ln.Close()
			return err
		}
	}
	return serve(ctx, &c, s, ln, metrics, log)
}

// newServer makes a server of the settings. The folder's lock must be held.
func newServer(ctx context.Context, c *Config, log *slog.Logger, observe func(string, int, time.Duration)) (*server.Server, error) {
	name, err := c.name()
	if err != nil {
		return nil, err
	}
	return server.New(ctx, server.Config{
		Data: c.Data, Database: c.Database, Name: name, Version: matrix.RoomVersion(c.RoomVersion), BaseURL: c.BaseURL,
		HTTPS: c.https(), Proxies: c.Proxies, Log: log, Observe: observe, OpenRegistration: c.OpenRegistration,
		RegistrationSecret: c.RegistrationSecret, NoLimits: !c.RateLimits, AnyPassword: c.AnyPassword,
		Previews: c.LinkPreviews, PreviewNetworks: c.LinkPreviewNetworks, DropFolder: c.DropFolder, Mail: c.mail(name), AppServices: c.AppServices, Upstream: c.upstream(),
	})
}

// upstream is the organisation's identity provider, or nil.
func (c *Config) upstream() *oauth.Upstream {
	if c.OIDCIssuer == "" {
		return nil
	}
	return &oauth.Upstream{Issuer: c.OIDCIssuer, ClientID: c.OIDCClient, ClientSecret: c.OIDCSecret, Title: c.OIDCTitle, Claim: c.OIDCClaim, Create: c.OIDCCreate}
}

// name is the server's name: the one that is set, or the one that the folder was made with.
func (c *Config) name() (matrix.ServerName, error) {
	path := filepath.Join(c.Data, "server-name")
	kept, err := os.ReadFile(path)
	name := strings.TrimSpace(string(kept))
	switch {
	case err == nil && c.ServerName != "" && c.ServerName != name:
		return "", fmt.Errorf("the folder %s is that of %s, and cannot become that of %s", c.Data, name, c.ServerName)
	case err == nil:
		return matrix.ParseServerName(name)
	case !errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("read the server's name: %w", err)
	case c.ServerName == "":
		return "", usagef("this folder is new: say with --server-name what stands in user IDs, for instance --server-name example.gov.uk")
	}
	if err := server.KeepFile(path, []byte(c.ServerName+"\n")); err != nil {
		return "", fmt.Errorf("keep the server's name: %w", err)
	}
	return matrix.ServerName(c.ServerName), nil
}

// lockFolder makes sure that no other process has the folder's record open, and makes the folder if need be.
func lockFolder(dir string) (unlock func(), err error) {
	syscall.Umask(0o077) // whatever is made in the folder is for its owner alone
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", errLocked, dir)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

var errLocked = errors.New("another Despatch is running on this folder")

// setUpLink prints the link with which the first IT administrator is made, while there is none.
func setUpLink(ctx context.Context, p *program, c *Config, s *server.Server) error {
	token, err := s.Identity.SetUpLink(ctx)
	if err != nil || token == "" {
		return err
	}
	fmt.Fprintf(p.out, "\nThere is no IT administrator yet. Open this link within 24 hours to become the first:\n\n  %s/console/setup?token=%s\n\n", c.address(), token)
	return nil
}

// address is where people reach the server, as well as it can be told from here.
func (c *Config) address() string {
	if c.BaseURL != "" {
		return c.BaseURL
	}
	scheme := "http"
	if c.https() {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if a, perr := netip.ParseAddr(host); err == nil && (host == "" || perr == nil && a.IsUnspecified()) {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// serve serves until ctx ends, and then until what was accepted is done.
func serve(ctx context.Context, c *Config, s *server.Server, ln net.Listener, m *metrics, log *slog.Logger) error {
	web := httpd.NewServer(m.behind(c.MetricsToken, s.Handler()), log)
	servers := []*http.Server{web}
	failed := make(chan error, 4)
	var running sync.WaitGroup
	start := func(srv *http.Server, ln net.Listener) {
		running.Go(func() {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	start(web, ln)
	if c.FederationListen != "" {
		ln, err := c.listenFederation()
		if err != nil {
			return err
		}
		srv := httpd.NewServer(s.Federation(), log)
		servers = append(servers, srv)
		start(srv, ln)
	}
	if c.MetricsListen != "" {
		ln, err := loopback(c.MetricsListen)
		if err != nil {
			return err
		}
		srv := httpd.NewServer(m.page(), log)
		servers = append(servers, srv)
		start(srv, ln)
	}
	desk, ln, err := openDesk(c, s, log)
	if err != nil {
		return err
	}
	defer os.Remove(filepath.Join(c.Data, deskSocket)) // so that a stopped server's folder has files only, and can be copied
	servers = append(servers, desk)
	start(desk, ln)

	log.Info("ready", "address", c.address(), "entries", s.Rec.Head().Edge.Size)
	notify := newNotifier(os.Getenv)
	notify.send("READY=1\nSTATUS=Serving " + c.address())
	watch, stopWatch := context.WithCancel(ctx)
	running.Go(func() { notify.watchdog(watch, s) })
	defer running.Wait()
	defer stopWatch()

	select {
	case <-ctx.Done():
		log.Info("stopping: finishing what was accepted")
	case err = <-failed:
	case <-s.Rec.Done():
		err = errors.New("another process has taken over the record")
	}
	notify.send("STOPPING=1")
	return errors.Join(err, shutDown(context.WithoutCancel(ctx), c.Drain, s, servers))
}

// shutDown takes nothing new and waits for what is under way, a while.
func shutDown(ctx context.Context, drain time.Duration, s *server.Server, servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	s.Drain()
	var errs []error
	for _, srv := range servers {
		if err := srv.Shutdown(ctx); err != nil {
			srv.Close()
			if !errors.Is(err, context.DeadlineExceeded) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// listen opens the main address, and puts it into the settings where they left the choice to the system.
func listen(c *Config) (net.Listener, error) {
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	c.Listen = ln.Addr().String()
	ln = netutil.LimitListener(ln, c.connections())
	if c.TLSCert == "" {
		return ln, nil
	}
	return overTLS(ln, c.TLSCert, c.TLSKey)
}

// listenFederation opens the address for other servers.
func (c *Config) listenFederation() (net.Listener, error) {
	ln, err := net.Listen("tcp", c.FederationListen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s for other servers: %w", c.FederationListen, err)
	}
	cert, key := c.FederationCert, c.FederationKey
	if cert == "" {
		cert, key = c.TLSCert, c.TLSKey
	}
	return overTLS(netutil.LimitListener(ln, c.connections()), cert, key)
}

// overTLS serves TLS on what is accepted; it closes ln if it cannot.
func overTLS(ln net.Listener, certFile, keyFile string) (net.Listener, error) {
	cert := &certificate{cert: certFile, key: keyFile}
	if _, err := cert.get(nil); err != nil {
		ln.Close()
		return nil, err
	}
	return tls.NewListener(ln, &tls.Config{GetCertificate: cert.get, NextProtos: []string{"http/1.1"}}), nil
}

// connections is how many may be open: some files are left for the database and uploads.
func (c *Config) connections() int {
	if c.MaxConnections > 0 {
		return c.MaxConnections
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<20 {
		return 1 << 20
	}
	return max(64, int(l.Cur)-256)
}

// loopback opens an address that nobody outside can reach.
func loopback(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s for metrics: %w", addr, err)
	}
	if a, ok := ln.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		ln.Close()
		return nil, usagef("metrics-listen: %s can be reached from outside; use 127.0.0.1, or a metrics-token on the main address", addr)
	}
	return ln, nil
}

// certificate is a certificate that is read again when its file changes.
type certificate struct {
	cert, key string

	mu      sync.Mutex
	now     *tls.Certificate // guarded by mu, as the two below
	changed time.Time
	looked  time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && time.Since(c.looked) < 30*time.Second {
		return c.now, nil
	}
	c.looked = time.Now()
	info, err := os.Stat(c.cert)
	if err == nil && (c.now == nil || !info.ModTime().Equal(c.changed)) {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.cert, c.key); err == nil {
			c.now, c.changed = &pair, info.ModTime()
		}
	}
	if c.now == nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return c.now, nil // the old one, while the new one is being written
}
