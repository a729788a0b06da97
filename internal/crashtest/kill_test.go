package crashtest

import (
	"math/rand/v2"
	"testing"
	"time"

	"despatch/internal/sqldb/sqldbtest"
)

const (
	senders = 24
	rooms   = 5
)

func TestKill(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { killMany(t, "", rounds(20)) })
	t.Run("postgres", func(t *testing.T) { killMany(t, sqldbtest.Postgres(t), rounds(10)) })
}

func rounds(n int) int {
	if testing.Short() {
		return n / 4
	}
	return n
}

// killMany kills the server under load at random moments, starts it again on the same data, and compares.
func killMany(t *testing.T, database string, rounds int) {
	w := newWorld(t, t.TempDir(), database, senders, rooms)
	retried := 0
	for range rounds {
		p := w.start(t)
		l := w.load(p.addr, false)
		time.Sleep(time.Duration(10+rand.IntN(250)) * time.Millisecond)
		p.kill()
		l.stop(t)
		if rand.IntN(3) == 0 { // and once more while it is starting
			p := w.spawn(t)
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			p.kill()
		}
		p = w.start(t)
		retried += w.again(t, p.addr)
		w.delivered(t, p.addr)
		w.check(t)
		p.kill()
		if t.Failed() {
			t.Fatalf("%s", p.said())
		}
	}
	tried, acked, _ := w.count(0)
	t.Logf("%d rounds: %d messages, %d acknowledged, %d sent again after the kill", rounds, tried, acked, retried)
	if retried == 0 || acked < 10*rounds {
		t.Errorf("the load was too light to show anything")
	}
}
