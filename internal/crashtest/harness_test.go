package crashtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"despatch/internal/bench"
	"despatch/internal/identity"
	"despatch/internal/record"
	"despatch/internal/room"
	"despatch/internal/server"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

// program is the built binary.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "despatch-crash")
	if err == nil {
		program = filepath.Join(dir, "despatch")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", program, "despatch/cmd/despatch").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the program:", err)
		os.Exit(1)
	}
	code := 1
	defer func() { os.RemoveAll(dir); os.Exit(code) }()
	code = sqldbtest.Run(m)
}

const serverName = "crash.example"

// world is a server's data, with people who are signed in: their tokens outlive every process.
type world struct {
	dir      string
	database string // a postgres:// URL, or "" for SQLite
	tokens   []string
	idle     string // token of somebody who is in no conversation
	rooms    []string
	key      note.Verifier

	mu   sync.Mutex
	said []*message
	seen int64 // positions below were checked
	have map[string][]string
}

// message is one that somebody tried to send.
type message struct {
	user, room int
	txn, body  string
	id         string // as acknowledged; "" while it is not
	status     int    // of the last answer; 0 if there was none
	answer     string
	tries      int
	at         time.Time // of the last answer
}

// newWorld makes people and conversations in a fresh folder. The first two people are in every room.
func newWorld(t *testing.T, dir, database string, users, rooms int) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{dir: dir, database: database, have: map[string][]string{}}
	s, err := server.New(ctx, server.Config{Data: dir, Database: database, Name: serverName, Log: slog.New(slog.DiscardHandler),
		Cost: identity.Cost{Memory: 64, Passes: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	people := make([]*identity.SignedIn, users+1)
	for i := range people {
		name := fmt.Sprintf("u%d", i)
		who := identity.NewPerson{Localpart: name, Password: "kettle lantern harbour", OwnPassword: true}
		if _, err := s.Identity.Create(ctx, identity.CommandLine, who); err != nil {
			t.Fatal(err)
		}
		if people[i], err = s.Identity.SignIn(ctx, identity.SignIn{User: name, Password: who.Password}); err != nil {
			t.Fatal(err)
		}
		w.tokens = append(w.tokens, people[i].Token)
	}
	w.idle, w.tokens = w.tokens[users], w.tokens[:users]
	for i := range rooms {
		id, err := s.Rooms.Create(ctx, room.Create{Creator: people[0].User, Preset: "public_chat", Name: fmt.Sprintf("Room %d", i)})
		if err != nil {
			t.Fatal(err)
		}
		w.rooms = append(w.rooms, string(id))
		for u := 1; u < users; u++ {
			if u != 1 && u%rooms != i {
				continue
			}
			if _, err := s.Rooms.SetMembership(ctx, room.Change{Sender: people[u].User, Target: people[u].User, Room: id, Membership: "join"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if w.key, err = note.NewVerifier(s.Key); err != nil {
		t.Fatal(err)
	}
	return w
}

// process is a running server.
type process struct {
	cmd  *exec.Cmd
	addr string
	log  string // file of what it said
	done chan struct{}
	err  error // of Wait, once done is closed
}

var logs atomic.Int64

// spawn starts a server and does not wait for it to answer.
func (w *world) spawn(t *testing.T) *process {
	t.Helper()
	// A port that was free a moment ago.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{addr: ln.Addr().String(), done: make(chan struct{})}
	ln.Close()
	p.log = filepath.Join(filepath.Dir(program), fmt.Sprintf("log%d", logs.Add(1)))
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(program, "serve", "--data", w.dir, "--database", w.database, "--listen", p.addr,
		"--server-name", serverName, "--log-level", "warn")
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(p.kill)
	return p
}

// start starts a server and waits until it answers.
func (w *world) start(t *testing.T) *process {
	t.Helper()
	p := w.spawn(t)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		resp, err := http.Get("http://" + p.addr + "/health")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p
			}
		}
		select {
		case <-p.done:
			t.Fatalf("the server did not start: %v\n%s", p.err, p.said())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer: %v\n%s", err, p.said())
		}
	}
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// said is the end of the server's log.
func (p *process) said() string {
	raw, _ := os.ReadFile(p.log)
	return string(raw[max(0, len(raw)-3000):])
}

// memory is what the server has in memory of its own, in kilobytes.
func (p *process) memory() int {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(v), " kB"))
			return kb
		}
	}
	return 0
}

// cpu is the processor time that the server has used.
func (p *process) cpu() time.Duration {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// files is how many files and connections the server has open.
func (p *process) files() int {
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return len(fds)
}

// send tries a message once and notes what came of it. An error means that there was no whole answer.
func (w *world) send(c *bench.Conn, m *message) error {
	path := "/_matrix/client/v3/rooms/" + url.PathEscape(w.rooms[m.room]) + "/send/m.room.message/" + m.txn
	status, body, err := c.Do("PUT", path, w.tokens[m.user], fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, m.body), true)
	w.mu.Lock()
	defer w.mu.Unlock()
	m.tries++
	if err != nil {
		m.status, m.answer = 0, err.Error()
		return err
	}
	m.status, m.answer, m.at = status, string(body), time.Now()
	if status != http.StatusOK {
		return nil
	}
	var resp struct {
		ID string `json:"event_id"`
	}
	if err := json.Unmarshal(body, &resp); err != nil || resp.ID == "" {
		return fmt.Errorf("an acknowledgement without an id: %s", body)
	}
	if m.id != "" && m.id != resp.ID {
		return fmt.Errorf("%s was acknowledged as %s and, sent again, as %s", m.txn, m.id, resp.ID)
	}
	m.id = resp.ID
	return nil
}

var txns atomic.Int64

// say makes a new message of a user.
func (w *world) say(user int) *message {
	n := txns.Add(1)
	m := &message{user: user, room: user % len(w.rooms), txn: fmt.Sprintf("t%d", n),
		body: fmt.Sprintf("message %d of u%d %s", n, user, strings.Repeat("x", rand.IntN(200)))}
	w.mu.Lock()
	w.said = append(w.said, m)
	w.mu.Unlock()
	return m
}

// load is people who send without a pause, each over a connection of their own.
type load struct {
	w    *world
	addr atomic.Pointer[string]
	quit chan struct{}
	wg   sync.WaitGroup

	// patient senders try again until they are answered 200; others give up at the first failure of the
	// connection, and leave the message as it is.
	patient bool

	mu   sync.Mutex
	errs []error // that must not happen
}

func (w *world) load(addr string, patient bool) *load {
	l := &load{w: w, quit: make(chan struct{}), patient: patient}
	l.addr.Store(&addr)
	for u := range w.tokens {
		l.wg.Go(func() { l.run(u) })
	}
	return l
}

func (l *load) stopped() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

func (l *load) run(user int) {
	var c *bench.Conn
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	var m *message
	for !l.stopped() {
		if c == nil {
			var err error
			if c, err = bench.Dial(*l.addr.Load()); err != nil {
				c = nil
				if !l.patient {
					return
				}
				time.Sleep(5 * time.Millisecond)
				continue
			}
		}
		if m == nil {
			m = l.w.say(user)
		}
		err := l.w.send(c, m)
		switch {
		case err != nil:
			if m.status == http.StatusOK {
				l.fail(err)
				return
			}
			c.Close()
			c = nil
			if !l.patient {
				return
			}
			time.Sleep(5 * time.Millisecond)
		case m.status == http.StatusOK:
			m = nil
		case m.status == http.StatusServiceUnavailable || m.status == http.StatusTooManyRequests:
			if !l.patient {
				m = nil // left as it is: the next one
			}
			time.Sleep(5 * time.Millisecond)
		default:
			l.fail(fmt.Errorf("%s: status %d %s", m.txn, m.status, m.answer))
			return
		}
	}
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// stop ends the load and waits for the senders.
func (l *load) stop(t *testing.T) {
	t.Helper()
	close(l.quit)
	l.wg.Wait()
	for _, err := range l.errs {
		t.Error(err)
	}
}

// again sends what was not acknowledged once more, under the same transaction, and as many of those that
// were: they must keep their id.
func (w *world) again(t *testing.T, addr string) (retried int) {
	t.Helper()
	c, err := bench.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var todo []*message
	for _, m := range w.said {
		if m.id == "" {
			todo = append(todo, m)
		}
	}
	retried = len(todo)
	for range min(len(w.said), 20+retried) {
		todo = append(todo, w.said[len(w.said)-1-rand.IntN(min(len(w.said), 2000))])
	}
	for _, m := range todo {
		if err := w.send(c, m); err != nil {
			t.Fatalf("send %s again: %v", m.txn, err)
		}
		if m.id == "" {
			t.Fatalf("send %s again: status %d %s", m.txn, m.status, m.answer)
		}
	}
	return retried
}

// check reads the record and compares it with what was acknowledged. The server may be running. Messages
// that were not acknowledged may be there once.
func (w *world) check(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	target := w.database
	if target == "" {
		target = filepath.Join(w.dir, "despatch.db")
	}
	db, err := sqldb.Open(ctx, target, sqldb.Options{ReadOnly: true, Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	report, err := store.Verify(ctx, db, w.key)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	for i, p := range report.Problems {
		if t.Errorf("record: %v", p); i == 9 {
			break
		}
	}
	err = store.Entries(ctx, db.Reader(), w.seen, report.Size, func(e *store.Entry) error {
		w.seen = e.Pos + 1
		if e.Kind != record.KindEvent || e.Class != store.ClassMessage {
			return nil
		}
		var ev struct {
			Content struct {
				Body string `json:"body"`
			} `json:"content"`
		}
		if err := json.Unmarshal(e.Body, &ev); err != nil {
			return err
		}
		w.have[ev.Content.Body] = append(w.have[ev.Content.Body], string(store.EventID(e.Ref)))
		return nil
	})
	if err != nil {
		t.Fatalf("read the record: %v", err)
	}
	wrong := 0
	for _, m := range w.said {
		ids := w.have[m.body]
		switch {
		case len(ids) > 1:
			t.Errorf("%s, tried %d times, is on the record %d times", m.txn, m.tries, len(ids))
		case m.id == "":
			continue
		case len(ids) == 0:
			t.Errorf("%s was acknowledged as %s and is not on the record", m.txn, m.id)
		case ids[0] != m.id:
			t.Errorf("%s was acknowledged as %s and is on the record as %s", m.txn, m.id, ids[0])
		default:
			continue
		}
		if wrong++; wrong == 10 {
			t.Fatal("and more")
		}
	}
}

// delivered asks the server itself for the last messages that each sender was acknowledged.
func (w *world) delivered(t *testing.T, addr string) {
	t.Helper()
	c, err := bench.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	last := map[int]*message{}
	for _, m := range w.said {
		if m.id != "" {
			last[m.user] = m
		}
	}
	for _, m := range last {
		path := "/_matrix/client/v3/rooms/" + url.PathEscape(w.rooms[m.room]) + "/event/" + url.PathEscape(m.id)
		status, body, err := c.Do("GET", path, w.tokens[0], nil, true)
		if err != nil || status != http.StatusOK || !strings.Contains(string(body), m.body) {
			t.Errorf("%s, acknowledged as %s, is answered with %d %s %v", m.txn, m.id, status, body, err)
		}
	}
}

// count says how many messages were tried, acknowledged, and answered with a status.
func (w *world) count(status int) (tried, acked, with int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.said {
		if tried++; m.id != "" {
			acked++
		}
		if m.status == status {
			with++
		}
	}
	return
}

// works sends one message and waits until it is taken.
func (w *world) works(t *testing.T, addr string, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	m := w.say(0)
	var last error
	for time.Since(began) < within {
		c, err := bench.Dial(addr)
		if err == nil {
			err = w.send(c, m)
			c.Close()
		}
		if m.id != "" {
			return time.Since(began)
		}
		last = errors.Join(err, fmt.Errorf("status %d %s", m.status, m.answer))
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nothing is taken %s later: %v", within, last)
	return 0
}
