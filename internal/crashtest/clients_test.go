package crashtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"despatch/internal/bench"
)

// pace is how long one sender waits for an acknowledgement, as the median of many.
func (w *world) pace(t *testing.T, addr string) time.Duration {
	t.Helper()
	c, err := bench.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	times := make([]time.Duration, 200)
	for i := range times {
		began := time.Now()
		m := w.say(0)
		if err := w.send(c, m); err != nil || m.id == "" {
			t.Fatalf("send: %v, status %d %s", err, m.status, m.answer)
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// beside holds hostile connections open and reports what they cost: memory of each, and whether others
// still send as fast as before.
func (w *world) beside(t *testing.T, p *process, n, most int, open func(i int) net.Conn) {
	t.Helper()
	w.pace(t, p.addr)
	before, memory, files := w.pace(t, p.addr), p.memory(), p.files()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = open(i)
	}
	p.quiet(t)
	after, grown := w.pace(t, p.addr), max(0, p.memory()-memory)
	t.Logf("%d connections: %.1f KB of memory each; another's send takes %.2f ms, before %.2f ms", n,
		float64(grown)/float64(n), after.Seconds()*1000, before.Seconds()*1000)
	if grown > n*most {
		t.Errorf("they take %d KB of memory, more than %d KB each", grown, most)
	}
	if after > 3*before+5*time.Millisecond {
		t.Errorf("a send takes %s beside them, and %s alone", after, before)
	}
	if open := p.files(); open < files+n-n/20 {
		t.Errorf("%d of %d connections are open: the test is void", open-files, n)
	}
	for _, c := range conns {
		c.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); p.files() > files+20; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d files are still open after the clients went, %d before they came", p.files(), files)
		}
	}
}

// quiet waits until the server has done what it was asked and uses no processor any more.
func (p *process) quiet(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		before := p.cpu()
		time.Sleep(200 * time.Millisecond)
		if p.cpu()-before <= 20*time.Millisecond {
			return
		}
		if time.Now().After(deadline) {
			t.Error("the server is still busy 10 s later")
			return
		}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func request(method, path, token, more string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: " + serverName + "\r\nAuthorization: Bearer " + token + "\r\n" + more + "\r\n"
}

func TestClients(t *testing.T) {
	w := newWorld(t, t.TempDir(), "", 4, 3)
	p, whole := w.start(t), t
	t.Run("idle polls", func(t *testing.T) {
		next, err := poll(p.addr, w.idle, "")
		if err != nil {
			t.Fatal(err)
		}
		w.beside(t, p, 2000, 64, func(int) net.Conn {
			c := dial(t, p.addr)
			fmt.Fprint(c, request("GET", "/_matrix/client/v3/sync?timeout=60000&since="+next, w.idle, ""))
			return c
		})
	})
	t.Run("never reads", func(t *testing.T) {
		// Each asks for everything, many times over, and reads nothing.
		w.beside(t, p, 8, 4096, func(int) net.Conn {
			c := dial(t, p.addr)
			c.(*net.TCPConn).SetReadBuffer(4096)
			c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			for range 1000 {
				if _, err := fmt.Fprint(c, request("GET", "/_matrix/client/v3/sync?full_state=true", w.tokens[0], "")); err != nil {
					break
				}
			}
			return c
		})
	})
	t.Run("never reads what is new", func(t *testing.T) {
		// A long poll each that is answered by every message: no queue may form.
		next, err := poll(p.addr, w.tokens[1], "")
		if err != nil {
			t.Fatal(err)
		}
		w.beside(t, p, 40, 2048, func(int) net.Conn {
			c := dial(t, p.addr)
			c.(*net.TCPConn).SetReadBuffer(4096)
			for range 50 {
				fmt.Fprint(c, request("GET", "/_matrix/client/v3/sync?timeout=60000&since="+next, w.tokens[1], ""))
			}
			return c
		})
	})
	t.Run("slow bodies", func(t *testing.T) {
		// More than there are places for writers.
		w.beside(t, p, 400, 64, func(i int) net.Conn {
			c := dial(t, p.addr)
			path := "/_matrix/client/v3/rooms/" + url.PathEscape(w.rooms[0]) + fmt.Sprintf("/send/m.room.message/slow%d", i)
			fmt.Fprint(c, request("PUT", path, w.tokens[0], "Content-Length: 1000\r\n")+"{")
			return c
		})
	})
	t.Run("slow uploads", func(t *testing.T) {
		w.beside(t, p, 200, 256, func(i int) net.Conn {
			c := dial(t, p.addr)
			fmt.Fprint(c, request("POST", "/_matrix/media/v3/upload", w.tokens[0], "Content-Length: 1000000\r\n")+"x")
			return c
		})
	})
	t.Run("aborted uploads", func(t *testing.T) {
		for i := range 10 {
			c := dial(t, p.addr)
			fmt.Fprint(c, request("POST", "/_matrix/media/v3/upload", w.tokens[0], "Content-Length: 5000000\r\n"))
			c.Write(bytes.Repeat([]byte("x"), 1_000_000))
			if i == 0 {
				time.Sleep(50 * time.Millisecond)
				if len(w.files(t)) == 0 {
					t.Error("nothing was being written: the test is void")
				}
			}
			c.Close()
		}
		for deadline := time.Now().Add(3 * time.Second); len(w.files(t)) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("files are left: %v", w.files(t))
			}
		}
	})
	t.Run("killed upload", func(t *testing.T) {
		c := dial(t, p.addr)
		fmt.Fprint(c, request("POST", "/_matrix/media/v3/upload", w.tokens[0], "Content-Length: 5000000\r\n"))
		c.Write(bytes.Repeat([]byte("x"), 1_000_000))
		time.Sleep(50 * time.Millisecond)
		if len(w.files(t)) == 0 {
			t.Error("nothing was being written: the test is void")
		}
		p.kill()
		began := time.Now()
		p = w.start(whole)
		t.Logf("serving again %s later", time.Since(began).Round(time.Millisecond))
		if left := w.files(t); len(left) > 0 {
			t.Errorf("files are left after the start: %v", left)
		}
	})
	finish(t, w, p)
}

// files are those in the media folder.
func (w *world) files(t *testing.T) (out []string) {
	t.Helper()
	filepath.WalkDir(filepath.Join(w.dir, "media"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return nil
	})
	return out
}

// TestSlowBodyEnds: a client that sends a message one byte a second, or stops in the middle of a file, is not
// waited for for ever.
func TestSlowBodyEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes half a minute of waiting")
	}
	t.Parallel()
	w := newWorld(t, t.TempDir(), "", 2, 1)
	p := w.start(t)
	send := "/_matrix/client/v3/rooms/" + url.PathEscape(w.rooms[0]) + "/send/m.room.message/slow"
	type outcome struct {
		path, answer string
		took         time.Duration
	}
	done := make(chan outcome, 2)
	for _, req := range []struct {
		method, path string
		trickle      bool
	}{{"PUT", send, true}, {"POST", "/_matrix/media/v3/upload", false}} {
		go func() {
			began := time.Now()
			c := dial(t, p.addr)
			fmt.Fprint(c, request(req.method, req.path, w.tokens[0], "Content-Length: 1000\r\n")+"{")
			go func() {
				for req.trickle {
					time.Sleep(time.Second)
					if _, err := c.Write([]byte(" ")); err != nil {
						return
					}
				}
			}()
			c.SetReadDeadline(time.Now().Add(50 * time.Second))
			line, err := bufio.NewReader(c).ReadString('\n')
			if err != nil {
				line = err.Error()
			}
			done <- outcome{req.path, line, time.Since(began)}
		}()
	}
	for range 2 {
		o := <-done
		if o.took > 45*time.Second || !strings.Contains(o.answer, " 408 ") {
			t.Errorf("%s, sent too slowly, was answered after %s with %q; want 408 after half a minute", o.path, o.took.Round(time.Second), o.answer)
		}
	}
	if left := w.files(t); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	w.works(t, p.addr, time.Second)
	w.check(t)
}
