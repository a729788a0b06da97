package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/room"
	"despatch/internal/server"

	"log/slog"
)

// Options say what to measure.
type Options struct {
	Database string // a postgres:// URL, or "" for SQLite
	Data     string // folder; "" for a temporary one
	Senders  int
	Rooms    int
	Seconds  int
	Rates    []int // messages a second, for the time from sending to arrival
	Floors   bool  // compare with a bare handler, and with one that only appends and syncs
	Out      io.Writer
}

// setup is what the serving process tells the measuring one.
type setup struct {
	Addr   string   `json:"addr"`
	Tokens []string `json:"tokens"`
	Rooms  []string `json:"rooms"`
	DB     string   `json:"db"`
}

// Serve is the serving process: a whole server with accounts and rooms, and at /floor/null and
// /floor/append handlers that do nothing, or only append and sync, to compare with.
func Serve(ctx context.Context, opt Options) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.New(ctx, server.Config{Data: opt.Data, Database: opt.Database, Name: "bench.example", Log: log,
		Cost: identity.Cost{Memory: 64, Passes: 1}})
	if err != nil {
		return err
	}
	defer s.Close()
	set, err := prepare(ctx, s, opt)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	floor, err := newFloor(opt.Data)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.Handler())
	mux.Handle("/floor/", floor)
	set.Addr, set.DB = ln.Addr().String(), s.DB.Path()
	raw, err := json.Marshal(set)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", raw)
	if path := os.Getenv("DESPATCH_BENCH_PROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	web := httpd.NewServer(mux, log)
	go web.Serve(ln)
	<-ctx.Done()
	s.Drain()
	return web.Close()
}

func prepare(ctx context.Context, s *server.Server, opt Options) (*setup, error) {
	set := &setup{}
	users := max(opt.Senders, 2)
	ids := make([]*identity.SignedIn, users)
	for i := range users {
		name := fmt.Sprintf("u%d", i)
		_, err := s.Identity.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: name, Password: "benchmark lantern kettle", OwnPassword: true})
		if err != nil {
			return nil, err
		}
		if ids[i], err = s.Identity.SignIn(ctx, identity.SignIn{User: name, Password: "benchmark lantern kettle"}); err != nil {
			return nil, err
		}
		set.Tokens = append(set.Tokens, ids[i].Token)
	}
	for i := range opt.Rooms {
		c := room.Create{Creator: ids[0].User, Preset: "public_chat", Name: fmt.Sprintf("Room %d", i)}
		id, err := s.Rooms.Create(ctx, c)
		if err != nil {
			return nil, err
		}
		set.Rooms = append(set.Rooms, string(id))
		for u := 1; u < users; u++ {
			if u != 1 && u%opt.Rooms != i && opt.Rooms > 1 {
				continue // each is in one room, the first two in all
			}
			if _, err := s.Rooms.SetMembership(ctx, room.Change{Sender: ids[u].User, Target: ids[u].User, Room: id, Membership: "join"}); err != nil {
				return nil, err
			}
		}
	}
	return set, nil
}

// floor is what any durable server on this machine has to do at least.
type floor struct {
	file    *os.File
	mu      sync.Mutex
	waiting []chan error
	kick    chan struct{}
	buf     []byte
}

func newFloor(dir string) (*floor, error) {
	f, err := os.OpenFile(filepath.Join(dir, "floor"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	fl := &floor{file: f, kick: make(chan struct{}, 1)}
	go fl.loop()
	return fl, nil
}

func (f *floor) loop() {
	for range f.kick {
		f.mu.Lock()
		waiting, buf := f.waiting, f.buf
		f.waiting, f.buf = nil, nil
		f.mu.Unlock()
		_, err := f.file.Write(buf)
		if err == nil {
			err = syscall.Fdatasync(int(f.file.Fd()))
		}
		for _, w := range waiting {
			w <- err
		}
	}
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && r.URL.Path != "/floor/null" {
		done := make(chan error, 1)
		f.mu.Lock()
		f.buf = append(f.buf, body...)
		f.waiting = append(f.waiting, done)
		f.mu.Unlock()
		select {
		case f.kick <- struct{}{}:
		default:
		}
		err = <-done
	}
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"event_id":"$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`)
}

// child is the serving process as the measuring one sees it.
type child struct {
	cmd *exec.Cmd
	set setup
	dir string
}

func spawn(ctx context.Context, opt Options) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{dir: opt.Data}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "despatch-bench-"); err != nil {
			return nil, err
		}
	}
	c.cmd = exec.CommandContext(ctx, exe, "bench", "--serve", "--data", c.dir, "--database", opt.Database,
		"--senders", strconv.Itoa(opt.Senders), "--rooms", strconv.Itoa(opt.Rooms))
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReaderSize(out, 1<<20).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	return c, json.Unmarshal(line, &c.set)
}

func (c *child) stop(remove bool) {
	c.cmd.Process.Signal(syscall.SIGTERM)
	c.cmd.Wait()
	if remove {
		os.RemoveAll(c.dir)
	}
}

// cpu is the processor time that the server has used.
func (c *child) cpu() time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// memory is what the server has in memory, in megabytes, without pages of files it maps.
func (c *child) memory() float64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			return kb / 1024
		}
	}
	return 0
}

func size(path string) float64 {
	fi, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return float64(fi.Size()) / (1 << 20)
}

const text = `{"msgtype":"m.text","body":"The Chief Scientist is content with option 2 if the review is written into the announcement, message %d of %d."}`

// Run measures and prints a table.
func Run(ctx context.Context, opt Options) error {
	c, err := spawn(ctx, opt)
	if err != nil {
		return err
	}
	defer c.stop(opt.Data == "")
	p := func(format string, args ...any) { fmt.Fprintf(opt.Out, format+"\n", args...) }
	p("memory idle: %.0f MB", c.memory())
	if err := c.one(p); err != nil {
		return err
	}
	for _, rate := range opt.Rates {
		if err := c.arrival(p, rate, min(opt.Seconds, 10)); err != nil {
			return err
		}
	}
	d := time.Duration(opt.Seconds) * time.Second
	slice := min(d, 5*time.Second)
	var ratios []string
	for i := 0; opt.Floors && i < 3; i++ { // floor and server in turn, so that a noisy machine is noisy for both
		null, err := c.floor("/floor/null", opt.Senders, slice)
		if err != nil {
			return err
		}
		app, err := c.floor("/floor/append", opt.Senders, slice)
		if err != nil {
			return err
		}
		sent, _, err := c.send(opt, slice)
		if err != nil {
			return err
		}
		ratios = append(ratios, fmt.Sprintf("%.2f of append+fdatasync, %.2f of null (%.0f, %.0f, %.0f /s)", sent/app, sent/null, sent, app, null))
	}
	if opt.Floors {
		p("ratios, %d senders, interleaved: %s", opt.Senders, strings.Join(ratios, "; "))
	}
	cpu, n := c.cpu(), count.Load()
	rate, times, err := c.send(opt, d)
	if err != nil {
		return err
	}
	n = count.Load() - n
	p("sustained %s, %d senders, %d rooms: %.0f messages/s, server CPU %.0f µs each, %s", d, opt.Senders, opt.Rooms, rate,
		float64((c.cpu()-cpu).Microseconds())/float64(n), times)
	total := count.Load()
	p("after %d messages: memory %.0f MB, database %.0f MB + log %.0f MB, %.2f KB a message", total, c.memory(), size(c.set.DB), size(c.set.DB+"-wal"),
		(size(c.set.DB)*1024)/float64(total))
	return nil
}

// one measures a single sender.
func (c *child) one(p func(string, ...any)) error {
	conn, err := Dial(c.set.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	times, _, err := hammer(1, 3*time.Second, func(_, n int) error { return c.put(conn, 0, 0, "one", n) })
	if err != nil {
		return err
	}
	p("one sender: %d messages, %s", times.Len(), times)
	return nil
}

var runs atomic.Int64

func (c *child) put(conn *Conn, user, roomN int, run string, n int) error {
	path := "/_matrix/client/v3/rooms/" + url.PathEscape(c.set.Rooms[roomN]) + "/send/m.room.message/" + run + "-" + strconv.Itoa(user) + "-" + strconv.Itoa(n)
	status, body, err := conn.Do("PUT", path, c.set.Tokens[user], fmt.Appendf(nil, text, n, user), true)
	if err == nil && status != 200 {
		err = fmt.Errorf("send: status %d %s", status, body)
	}
	if err == nil {
		count.Add(1)
	}
	return err
}

var count atomic.Int64

func (c *child) send(opt Options, d time.Duration) (rate float64, times *Times, err error) {
	conns := make([]*Conn, opt.Senders)
	for i := range conns {
		if conns[i], err = Dial(c.set.Addr); err != nil {
			return 0, nil, err
		}
		defer conns[i].Close()
	}
	run := "r" + strconv.FormatInt(runs.Add(1), 10)
	times, took, err := hammer(opt.Senders, d, func(w, n int) error { return c.put(conns[w], w, w%opt.Rooms, run, n) })
	if err != nil {
		return 0, nil, err
	}
	return float64(times.Len()) / took.Seconds(), times, nil
}

func (c *child) floor(path string, senders int, d time.Duration) (float64, error) {
	conns := make([]*Conn, senders)
	for i := range conns {
		var err error
		if conns[i], err = Dial(c.set.Addr); err != nil {
			return 0, err
		}
		defer conns[i].Close()
	}
	body := make([]byte, 600)
	times, took, err := hammer(senders, d, func(w, n int) error {
		status, _, err := conns[w].Do("PUT", path, "x", body, false)
		if err == nil && status != 200 {
			err = fmt.Errorf("floor: status %d", status)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return float64(times.Len()) / took.Seconds(), nil
}

// arrival measures the time from sending to arrival in another's /sync, at a rate.
func (c *child) arrival(p func(string, ...any), rate, seconds int) error {
	reader, err := Dial(c.set.Addr)
	if err != nil {
		return err
	}
	defer reader.Close()
	const user = 1 // in every room
	sync := func(since string) (body []byte, next string, err error) {
		path := "/_matrix/client/v3/sync?timeout=5000&filter=%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A100%7D%7D%7D"
		if since != "" {
			path += "&since=" + since
		}
		status, body, err := reader.Do("GET", path, c.set.Tokens[user], nil, true)
		if err == nil && status != 200 {
			err = fmt.Errorf("sync: status %d %s", status, body)
		}
		if err != nil {
			return nil, "", err
		}
		_, rest, _ := strings.Cut(string(body[:min(len(body), 100)]), `"next_batch":"`)
		next, _, _ = strings.Cut(rest, `"`)
		return body, next, nil
	}
	_, next, err := sync("")
	if err != nil {
		return err
	}
	run := "a" + strconv.FormatInt(runs.Add(1), 10)
	n := rate * seconds
	sentAt := make([]atomic.Int64, n)
	var times Times
	done := make(chan error, 1)
	go func() {
		for times.Len() < n {
			body, to, err := sync(next)
			if err != nil {
				done <- err
				return
			}
			now := time.Now().UnixNano()
			next = to
			for rest := string(body); ; {
				_, after, ok := strings.Cut(rest, "arrival "+run+" ")
				if !ok {
					break
				}
				num, _, _ := strings.Cut(after, ".")
				if i, err := strconv.Atoi(num); err == nil {
					times.Add(time.Duration(now - sentAt[i].Load()))
				}
				rest = after
			}
		}
		done <- nil
	}()
	const writers = 8
	conns := make([]*Conn, writers)
	for i := range conns {
		if conns[i], err = Dial(c.set.Addr); err != nil {
			return err
		}
		defer conns[i].Close()
	}
	jobs := make(chan int, n)
	errs := make(chan error, writers)
	for w := range writers {
		go func() {
			for i := range jobs {
				sentAt[i].Store(time.Now().UnixNano())
				path := "/_matrix/client/v3/rooms/" + url.PathEscape(c.set.Rooms[i%len(c.set.Rooms)]) + "/send/m.room.message/" + run + strconv.Itoa(i)
				status, body, err := conns[w].Do("PUT", path, c.set.Tokens[0], fmt.Appendf(nil, `{"msgtype":"m.text","body":"arrival %s %d."}`, run, i), true)
				if err == nil && status != 200 {
					err = fmt.Errorf("send: status %d %s", status, body)
				}
				if err != nil {
					errs <- err
					return
				}
				count.Add(1)
			}
		}()
	}
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		jobs <- i
	}
	close(jobs)
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case err := <-errs:
		return err
	case <-time.After(15 * time.Second):
		return fmt.Errorf("at %d/s only %d of %d messages arrived", rate, times.Len(), n)
	}
	p("arrival in another's /sync at %d/s: %s", rate, &times)
	return nil
}
