package clientapi_test

import (
	"fmt"
	"testing"

	"despatch/despatchtest"
	"despatch/internal/matrix"
)

// BenchmarkSliding is sliding sync over real HTTP as Element X asks for it: the first answer, with a
// window of 20 rooms and one message of each, and what is new after a single message.
func BenchmarkSliding(b *testing.B) {
	for _, n := range []int{30, 1000} {
		d := despatchtest.Start(b)
		alice, bob := d.User(b, "alice"), d.User(b, "bob")
		var rooms []matrix.RoomID
		for i := range n {
			room := alice.CreateRoomWith(b, map[string]any{"name": fmt.Sprint("Room ", i)}, bob)
			alice.Send(b, room, "hello")
			rooms = append(rooms, room)
		}
		b.Run(fmt.Sprint("first/rooms=", n), func(b *testing.B) {
			for b.Loop() {
				if a := slide(bob, "first", 19, 1).sync(b, 0); len(a.Rooms) != 20 {
					b.Fatalf("%d rooms, want 20", len(a.Rooms))
				}
			}
		})
		b.Run(fmt.Sprint("incremental/rooms=", n), func(b *testing.B) {
			c := slide(bob, "next", n, 20)
			for {
				if a := c.sync(b, 0); len(a.Rooms) == 0 {
					break
				}
			}
			if len(c.rooms) != n {
				b.Fatalf("%d rooms, want %d", len(c.rooms), n)
			}
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				alice.Send(b, rooms[i%n], "more")
				b.StartTimer()
				if a := c.sync(b, 0); len(a.Rooms) != 1 {
					b.Fatalf("%d rooms changed, want 1", len(a.Rooms))
				}
			}
		})
	}
}
