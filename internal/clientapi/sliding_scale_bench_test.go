package clientapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/despatchtest"
	"despatch/internal/matrix"
)

// BenchmarkScale is what many rooms, many events, many clients and many members cost, over real HTTP with
// the clients in the same process.
func BenchmarkScale(b *testing.B) {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 512
	b.Run("sync/rooms=1000", benchmarkManyRooms)
	b.Run("history", benchmarkHistory)
	b.Run("idle", benchmarkIdle)
	b.Run("fanout/watchers=5000", benchmarkFanOut)
	b.Run("join/people=1000", benchmarkJoin)
}

func benchmarkManyRooms(b *testing.B) {
	d := despatchtest.Start(b)
	alice, bob := d.User(b, "alice"), d.User(b, "bob")
	var rooms []matrix.RoomID
	for i := range 1000 {
		room := alice.CreateRoomWith(b, map[string]any{"name": fmt.Sprint("Room ", i)}, bob)
		alice.Send(b, room, "hello")
		rooms = append(rooms, room)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			if status, raw := bob.Do(b, "GET", client+"sync", nil); status != 200 || !strings.Contains(string(raw), string(rooms[0])) {
				b.Fatalf("sync = %d", status)
			}
		}
	})
	b.Run("incremental", func(b *testing.B) {
		bob.Sync(b, 0)
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			alice.Send(b, rooms[i%len(rooms)], "more")
			b.StartTimer()
			if s := bob.Sync(b, 0); len(s.Rooms.Join) != 1 {
				b.Fatalf("%d rooms changed, want 1", len(s.Rooms.Join))
			}
		}
	})
}

// benchmarkHistory pages through a room of 20 000 messages, 1000 at a time.
func benchmarkHistory(b *testing.B) {
	d := despatchtest.Start(b)
	alice := d.User(b, "alice")
	room := alice.CreateRoom(b)
	const messages = 20_000
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := range messages / 32 {
				alice.Do(b, "PUT", despatchtest.Path(room, fmt.Sprintf("send/m.room.message/h%d_%d", w, i)), []byte(`{"msgtype":"m.text","body":"The quota is agreed."}`))
			}
		})
	}
	wg.Wait()
	n, start := 0, time.Now()
	for b.Loop() {
		from := ""
		for {
			var page struct {
				Chunk []struct{} `json:"chunk"`
				End   string     `json:"end"`
			}
			status, raw := alice.Do(b, "GET", despatchtest.Path(room, "messages?dir=b&limit=1000"+from), nil)
			if status != 200 || json.Unmarshal(raw, &page) != nil {
				b.Fatalf("messages = %d", status)
			}
			n += len(page.Chunk)
			if page.End == "" {
				break
			}
			from = "&from=" + url.QueryEscape(page.End)
		}
	}
	b.ReportMetric(float64(n)/time.Since(start).Seconds(), "events/s")
}

// poll is a client that waits, on a connection of its own.
func poll(b *testing.B, c *http.Client, d *despatchtest.Server, u *despatchtest.User, since string) (string, error) {
	req, err := http.NewRequest("GET", d.URL+client+"sync?timeout=60000&since="+url.QueryEscape(since), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+u.Token)
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	next, _ := matrix.LookupString(raw, "next_batch")
	return next, err
}

// watchers are long polls of one person, each on a connection of its own; done is called as each returns.
func watchers(b *testing.B, d *despatchtest.Server, u *despatchtest.User, n int, since string, done func()) (stop func()) {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n, MaxConnsPerHost: 0}}
	for range n {
		go func() {
			poll(b, c, d, u, since)
			done()
		}()
	}
	return c.CloseIdleConnections
}

// settle waits until all clients wait: nothing begins or ends any more.
func settle() {
	for still, last := 0, 0; still < 20; time.Sleep(20 * time.Millisecond) {
		if now := runtime.NumGoroutine(); now == last {
			still++
		} else {
			still, last = 0, now
		}
	}
}

// benchmarkIdle is what a client that waits holds: both ends are in this process, so half of it and more is
// the client's.
func benchmarkIdle(b *testing.B) {
	d := despatchtest.Start(b)
	alice := d.User(b, "alice")
	room := alice.CreateRoom(b)
	since := alice.Sync(b, 0).NextBatch
	const n = 4000
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	for b.Loop() {
		before := memory()
		var wg sync.WaitGroup
		wg.Add(n)
		stop := watchers(b, d, alice, n, since, wg.Done)
		settle()
		held := memory() - before
		b.ReportMetric(float64(held)/n, "bytes/client")
		start := time.Now()
		alice.Send(b, room, "wake up")
		b.ReportMetric(float64(time.Since(start).Microseconds()), "µs/send")
		wg.Wait()
		stop()
		since = alice.Sync(b, 0).NextBatch
	}
}

// benchmarkFanOut sends one message into a room that 5000 clients watch, and waits for the last of them.
func benchmarkFanOut(b *testing.B) {
	d := despatchtest.Start(b)
	alice := d.User(b, "alice")
	room := alice.CreateRoom(b)
	const n = 5000
	since := alice.Sync(b, 0).NextBatch
	for b.Loop() {
		b.StopTimer()
		var wg sync.WaitGroup
		wg.Add(n)
		stop := watchers(b, d, alice, n, since, wg.Done)
		settle()
		b.StartTimer()
		alice.Send(b, room, "to all")
		wg.Wait()
		b.StopTimer()
		stop()
		since = alice.Sync(b, 0).NextBatch
		b.StartTimer()
	}
}

// benchmarkJoin has 1000 people join one room, 32 at a time.
func benchmarkJoin(b *testing.B) {
	d := despatchtest.Start(b)
	alice := d.User(b, "alice")
	var people []*despatchtest.User
	for i := range 1000 {
		people = append(people, d.User(b, fmt.Sprint("p", i)))
	}
	for b.Loop() {
		b.StopTimer()
		room := alice.CreateRoomWith(b, map[string]any{"preset": "public_chat"})
		queue := make(chan *despatchtest.User, len(people))
		for _, p := range people {
			queue <- p
		}
		close(queue)
		b.StartTimer()
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for p := range queue {
					if status, raw := p.Do(b, "POST", client+"join/"+url.PathEscape(string(room)), nil); status != 200 {
						b.Errorf("join = %d %s", status, raw)
					}
				}
			})
		}
		wg.Wait()
	}
}
