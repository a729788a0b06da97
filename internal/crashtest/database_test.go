package crashtest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/internal/bench"
	"despatch/internal/sqldb/sqldbtest"
)

// TestDatabaseStops stops and starts PostgreSQL under load, once in an orderly way and once as if it had
// been killed.
func TestDatabaseStops(t *testing.T) {
	w := newWorld(t, t.TempDir(), sqldbtest.Postgres(t), senders, rooms)
	stop, start := sqldbtest.Restart(t)
	crash := sqldbtest.Crash(t)
	p := w.start(t)
	l := w.load(p.addr, true)
	for _, down := range []func(){stop, crash} {
		w.settled(t, 200)
		down()
		w.refused(t, "cannot be reached")
		if resp, err := http.Get("http://" + p.addr + "/health"); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("/health without a database: %v %v, want 503", resp, err)
		}
		time.Sleep(300 * time.Millisecond)
		start()
		t.Logf("taken again %s after the database was back", w.works(t, p.addr, 15*time.Second).Round(time.Millisecond))
	}
	w.settled(t, 200)
	l.stop(t)
	finish(t, w, p)
}

// TestConnectionsCut has the database end every connection under load, many times: commits are in doubt.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), sqldbtest.Postgres(t), senders, rooms)
	p := w.start(t)
	l := w.load(p.addr, true)
	for range rounds(20) {
		w.settled(t, 20)
		sqldbtest.Disconnect(t, w.database)
	}
	w.settled(t, 100)
	l.stop(t)
	finish(t, w, p)
}

// TestTwoServers starts a second server on the same database, and a third: each puts an end to the one
// before it, which goes by itself.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), sqldbtest.Postgres(t), senders, rooms)
	p := w.start(t)
	l := w.load(p.addr, true)
	for range rounds(4) {
		w.settled(t, 100)
		// The next has the same key, and a folder of its own.
		dir := filepath.Join(t.TempDir(), "data")
		if out, err := exec.Command("cp", "-r", w.dir, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		w.dir = dir
		next := w.start(t)
		select {
		case <-p.done:
		case <-time.After(15 * time.Second):
			t.Fatalf("the first server still runs, 15 s after the second began\n%s", p.said())
		}
		if p.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(p.said(), "taken over") {
			t.Errorf("the first server went with status %d, saying %s", p.cmd.ProcessState.ExitCode(), p.said())
		}
		l.addr.Store(&next.addr)
		p = next
	}
	w.settled(t, 200)
	l.stop(t)
	finish(t, w, p)
}

// TestOneFolder: on one folder, a second server does not start, and the first does not notice.
func TestOneFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), "", senders, rooms)
	p := w.start(t)
	l := w.load(p.addr, true)
	second := w.spawn(t)
	select {
	case <-second.done:
	case <-time.After(10 * time.Second):
		t.Fatal("a second server runs on the same folder")
	}
	if second.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(second.said(), "another Despatch is running") {
		t.Errorf("the second server: status %d, %s", second.cmd.ProcessState.ExitCode(), second.said())
	}
	w.settled(t, 100)
	l.stop(t)
	w.check(t)
}

// TestTerminate asks the server to stop under load. What it had accepted it answers; what was not answered
// it had not accepted, so that it is not on the record.
func TestTerminate(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { terminate(t, "", rounds(4)) })
	t.Run("postgres", func(t *testing.T) { terminate(t, sqldbtest.Postgres(t), rounds(4)) })
}

func terminate(t *testing.T, database string, rounds int) {
	w := newWorld(t, t.TempDir(), database, senders, rooms)
	unanswered := 0
	for round := range rounds {
		p := w.start(t)
		since := idleSync(t, w, p.addr)
		l := w.load(p.addr, false)
		w.settled(t, 100)
		began := time.Now()
		p.cmd.Process.Signal([]os.Signal{syscall.SIGTERM, os.Interrupt}[round%2])
		select {
		case <-p.done:
		case <-time.After(10 * time.Second):
			t.Fatalf("it still runs 10 s after it was told to stop\n%s", p.said())
		}
		if p.err != nil {
			t.Errorf("it was told to stop and went with %v\n%s", p.err, p.said())
		}
		took := time.Since(began)
		if took > 5*time.Second {
			t.Errorf("stopping took %s", took)
		}
		l.stop(t)
		if err := <-since; err != nil {
			t.Errorf("a long poll ended with %v", err)
		}
		w.check(t)
		for _, m := range w.said {
			if m.id == "" && m.status == 0 {
				unanswered++
				if len(w.have[m.body]) > 0 {
					t.Errorf("%s is on the record and was not answered: %s", m.txn, m.answer)
				}
			}
		}
		p = w.start(t)
		w.again(t, p.addr)
		w.check(t)
		p.kill()
	}
	tried, acked, _ := w.count(0)
	t.Logf("%d messages, %d acknowledged, %d not taken any more", tried, acked, unanswered)
}

// idleSync opens a long poll of somebody to whom nothing comes, and returns how it ended.
func idleSync(t *testing.T, w *world, addr string) <-chan error {
	t.Helper()
	next, err := poll(addr, w.idle, "")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := poll(addr, w.idle, next)
		done <- err
	}()
	return done
}

// poll asks for what is new, for up to a minute, and returns where to go on.
func poll(addr, token, since string) (next string, err error) {
	c, err := bench.Dial(addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	path := "/_matrix/client/v3/sync?timeout=60000"
	if since != "" {
		path += "&since=" + since
	}
	status, body, err := c.Do("GET", path, token, nil, true)
	if err != nil || status != http.StatusOK {
		return "", fmt.Errorf("sync: status %d %s %w", status, body, err)
	}
	var resp struct {
		Next string `json:"next_batch"`
	}
	return resp.Next, json.Unmarshal(body, &resp)
}
