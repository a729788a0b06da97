package clientapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"despatch/despatchtest"
	"despatch/internal/matrix"
)

// BenchmarkSend is PUT /send over real HTTP, durable, from as many senders at once as -cpu times 16.
// `despatch bench` measures the same from another process.
func BenchmarkSend(b *testing.B) {
	d := despatchtest.Start(b)
	alice := d.User(b, "alice")
	room := alice.CreateRoom(b)
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 256
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			path := despatchtest.Path(room, fmt.Sprint("send/m.room.message/b", n.Add(1)))
			if status, raw := alice.Do(b, "PUT", path, []byte(`{"msgtype":"m.text","body":"The quota is agreed."}`)); status != 200 {
				b.Errorf("send = %d %s", status, raw)
				return
			}
		}
	})
}

// BenchmarkSync is GET /sync: a first one of somebody in 30 conversations, and one after a single message.
func BenchmarkSync(b *testing.B) {
	d := despatchtest.Start(b)
	alice, bob := d.User(b, "alice"), d.User(b, "bob")
	var rooms []matrix.RoomID
	for range 30 {
		room := alice.CreateRoom(b, bob)
		for i := range 25 {
			alice.Send(b, room, fmt.Sprint("message ", i))
		}
		rooms = append(rooms, room)
	}
	b.Run("first/rooms=30", func(b *testing.B) {
		for b.Loop() {
			if status, raw := bob.Do(b, "GET", client+"sync", nil); status != 200 || !strings.Contains(string(raw), "message 24") {
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
	b.Run("messages/limit=100", func(b *testing.B) {
		for b.Loop() {
			if got := bob.Messages(b, rooms[0], 100); len(got) < 25 {
				b.Fatalf("%d events", len(got))
			}
		}
	})
}
