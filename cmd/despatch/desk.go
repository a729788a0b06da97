package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/server"
)

// The desk is a Unix socket in the data folder, through which commands have the running server make their
// changes: only one process can write the record. Who can open the folder could do as much by hand.
const deskSocket = "desk.sock"

// openDesk listens at the desk. What it serves ends with the server it returns.
func openDesk(c *Config, s *server.Server, log *slog.Logger) (*http.Server, net.Listener, error) {
	dir := c.Data
	path, done, err := deskPath(dir)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	if err := os.Remove(filepath.Join(dir, deskSocket)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("open the desk: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, fmt.Errorf("open the desk: %w", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // its path is good only here; the next start removes it
	if err := os.Chmod(filepath.Join(dir, deskSocket), 0o600); err != nil {
		ln.Close()
		return nil, nil, fmt.Errorf("open the desk: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /user", httpd.JSON(&httpd.Adapter{Log: log}, func(r *http.Request, q *userRequest) (*userReply, error) {
		return q.do(r.Context(), s, c.address())
	}))
	mux.Handle("POST /capture", captureAtDesk(s))
	return httpd.NewServer(mux, log), ln, nil
}

// deskPath is the socket's path by way of the open folder: a socket's own path can have 107 bytes only.
func deskPath(dir string) (path string, done func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("open the data folder: %w", err)
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(d.Fd())), deskSocket), func() { d.Close() }, nil
}

// atDesk has a change made by the running server, or, if none is running, by this process.
func atDesk(ctx context.Context, c *Config, p *program, req userRequest) (*userReply, error) {
	if _, err := os.Stat(filepath.Join(c.Data, "server-name")); errors.Is(err, os.ErrNotExist) && c.ServerName == "" {
		return nil, usagef("%s is not a folder of Despatch; say which is with --data", c.Data)
	}
	unlock, err := lockFolder(c.Data)
	if errors.Is(err, errLocked) {
		return askDesk(ctx, c.Data, req)
	}
	if err != nil {
		return nil, err
	}
	defer unlock()
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := newServer(ctx, c, log, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return req.do(ctx, s, c.address())
}

// askDesk sends a change to the running server.
func askDesk(ctx context.Context, dir string, req userRequest) (*userReply, error) {
	path, done, err := deskPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	r, err := http.NewRequestWithContext(ctx, "POST", "http://desk/user", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("another Despatch has the folder open, but does not answer at its desk: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Code    string `json:"errcode"`
			Message string `json:"error"`
		}
		if err := json.Unmarshal(answer, &e); err != nil {
			return nil, fmt.Errorf("the server answered %s", resp.Status)
		}
		return nil, httpd.Errorf(resp.StatusCode, e.Code, "%s", e.Message)
	}
	reply := new(userReply)
	return reply, json.Unmarshal(answer, reply)
}
