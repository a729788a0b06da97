// Package bench measures a running server as its users feel it: over real HTTP, from another process, on
// the same machine. `despatch bench` is its command.
package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is an HTTP/1.1 connection that costs the load generator as little as possible, as it shares the
// processors with the server.
type Conn struct {
	c    net.Conn
	r    *bufio.Reader
	buf  []byte
	host string
}

// Dial opens a connection.
func Dial(addr string) (*Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Conn{c: c, r: bufio.NewReaderSize(c, 32<<10), host: addr}, nil
}

// Close closes it.
func (c *Conn) Close() { c.c.Close() }

// Do makes a request and returns the status and, if want, the body.
func (c *Conn) Do(method, path, token string, body []byte, want bool) (status int, answer []byte, err error) {
	b := append(c.buf[:0], method...)
	b = append(append(append(b, ' '), path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, c.host...), "\r\nAuthorization: Bearer "...)
	b = append(append(b, token...), "\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n\r\n"...)
	b = append(b, body...)
	c.buf = b
	if _, err := c.c.Write(b); err != nil {
		return 0, nil, err
	}
	return c.answer(want)
}

func (c *Conn) answer(want bool) (status int, body []byte, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("malformed answer %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, chunked := 0, false
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked"))
	}
	if chunked {
		body, err = c.chunks()
		return status, body, err
	}
	if !want {
		_, err = c.r.Discard(length)
		return status, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.r, body)
	return status, body, err
}

func (c *Conn) chunks() (body []byte, err error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return nil, err
		}
		at := len(body)
		body = append(body, make([]byte, n)...)
		if _, err := io.ReadFull(c.r, body[at:]); err != nil {
			return nil, err
		}
		if _, err := c.r.Discard(2); err != nil || n == 0 {
			return body, err
		}
	}
}

// Times are how long things took.
type Times struct {
	mu  sync.Mutex
	all []time.Duration
}

// Add adds durations.
func (t *Times) Add(d ...time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d...)
}

// Percentile returns the p'th percentile, 0 to 100.
func (t *Times) Percentile(p float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) == 0 {
		return 0
	}
	slices.Sort(t.all)
	return t.all[min(len(t.all)-1, int(float64(len(t.all))*p/100))]
}

// Len is how many there are.
func (t *Times) Len() int { t.mu.Lock(); defer t.mu.Unlock(); return len(t.all) }

func (t *Times) String() string {
	return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms, max %.1f ms", ms(t.Percentile(50)), ms(t.Percentile(99)), ms(t.Percentile(100)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// hammer runs as many workers at once as asked for, each doing one thing after the other until the time is over.
func hammer(workers int, d time.Duration, work func(worker, n int) error) (*Times, time.Duration, error) {
	var times Times
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	began := time.Now()
	for w := range workers {
		wg.Go(func() {
			own := make([]time.Duration, 0, 4096)
			for n := 0; time.Since(began) < d && failed.Load() == nil; n++ {
				at := time.Now()
				if err := work(w, n); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				own = append(own, time.Since(at))
			}
			times.Add(own...)
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return nil, 0, *err
	}
	return &times, time.Since(began), nil
}
