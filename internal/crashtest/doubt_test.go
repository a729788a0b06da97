package crashtest

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"despatch/internal/sqldb/sqldbtest"
)

// proxy stands between the server and PostgreSQL, and spoils commits.
type proxy struct {
	socket string
	how    atomic.Int32 // what to do with the next COMMIT; 0 is nothing
	spoilt atomic.Int32
	wg     sync.WaitGroup
}

const (
	lost     = 1 + iota // it never arrives
	silent              // it happens, and the answer is lost
	late                // it happens a while after the connection has gone
	spoilers = 3
)

func (x *proxy) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		x.wg.Go(func() { x.pass(c) })
	}
}

func (x *proxy) pass(client net.Conn) {
	defer client.Close()
	base, err := net.Dial("unix", x.socket)
	if err != nil {
		return
	}
	defer base.Close()
	go func() { io.Copy(client, base); client.Close() }()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.HasPrefix(buf[:n], []byte("Q")) && bytes.Contains(buf[:n], []byte("commit\x00")) {
			if how := x.how.Swap(0); how != 0 {
				x.spoil(int(how), client, base, buf[:n])
				return
			}
		}
		if _, err := base.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (x *proxy) spoil(how int, client, base net.Conn, commit []byte) {
	x.spoilt.Add(1)
	client.Close()
	switch how {
	case silent:
		base.Write(commit)
		time.Sleep(20 * time.Millisecond)
	case late:
		time.Sleep(150 * time.Millisecond)
		base.Write(commit)
		time.Sleep(50 * time.Millisecond)
	}
}

// TestCommitInDoubt breaks the connection to the database in the middle of commits, so that nobody can tell
// whether they happened: some never do, some do, and some do a while later.
func TestCommitInDoubt(t *testing.T) {
	t.Parallel()
	direct := sqldbtest.Postgres(t)
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &proxy{socket: u.Query().Get("host") + "/.s.PGSQL.5432"}
	go x.serve(ln)
	w := newWorld(t, t.TempDir(), "postgres://postgres@"+ln.Addr().String()+u.Path+"?sslmode=disable", senders, rooms)
	p := w.start(t)
	l := w.load(p.addr, true)
	n := rounds(12)
	for i := range n {
		w.settled(t, 40)
		x.how.Store(int32(1 + i%spoilers))
	}
	w.settled(t, 100)
	l.stop(t)
	if got := int(x.spoilt.Load()); got != n {
		t.Errorf("%d commits were spoilt, want %d", got, n)
	}
	if t.Failed() {
		t.Logf("%s", p.said())
	}
	finish(t, w, p)
	p.kill()
	ln.Close()
}
