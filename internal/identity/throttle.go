package identity

import (
	"math"
	"net/netip"
	"sync"
	"time"
)

// throttle counts wrong guesses. Each key has a bucket that holds a number of guesses and fills again
// with time. A guess is taken before it is known to be wrong, and given back if it was right, so that
// many at once get no further than one after another.
type throttle struct {
	now     func() time.Time
	off     bool // nobody is made to wait
	mu      sync.Mutex
	buckets map[string]bucket // guarded by mu
}

type bucket struct {
	left  float64
	at    time.Time
	burst float64
	refil time.Duration // time in which one guess comes back
}

// maxBuckets bounds the memory for keys, which strangers can make up.
const maxBuckets = 100_000

// limit is how many guesses a key has.
type limit struct {
	key   string
	burst float64
	each  time.Duration
}

// guessLimits are the limits on guesses for an account from an address. Somebody who tries passwords is
// stopped early; an account cannot easily be shut from elsewhere; an office behind one address can err.
func guessLimits(account string, from netip.Addr) []limit {
	if from.Is6() {
		p, _ := from.Prefix(64) // one customer
		from = p.Addr()
	}
	a := from.String()
	return []limit{
		{"account " + account + " from " + a, 6, 30 * time.Second},
		{"account " + account, 60, 20 * time.Second},
		{"address " + a, 120, 5 * time.Second},
	}
}

// take takes one guess from each limit, or from none and says how long to wait.
func (t *throttle) take(limits []limit) (wait time.Duration) {
	if t.off {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for _, l := range limits {
		if b := t.filled(l, now); b.left < 1 {
			wait = max(wait, time.Duration((1-b.left)*float64(l.each)))
		}
	}
	if wait > 0 {
		return wait
	}
	for _, l := range limits {
		b := t.filled(l, now)
		b.left--
		t.buckets[l.key] = b
	}
	if len(t.buckets) > maxBuckets {
		t.sweep(now)
	}
	return 0
}

// giveBack undoes a take.
func (t *throttle) giveBack(limits []limit) {
	if t.off {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for _, l := range limits {
		b := t.filled(l, now)
		if b.left++; b.left >= b.burst {
			delete(t.buckets, l.key)
		} else {
			t.buckets[l.key] = b
		}
	}
}

// filled is a limit's bucket as it is now.
func (t *throttle) filled(l limit, now time.Time) bucket {
	b, ok := t.buckets[l.key]
	if !ok {
		return bucket{left: l.burst, at: now, burst: l.burst, refil: l.each}
	}
	if d := now.Sub(b.at); d > 0 {
		b.left = math.Min(b.burst, b.left+float64(d)/float64(b.refil))
		b.at = now
	}
	return b
}

// sweep forgets full buckets, then, if strangers have made up too many keys, those with one guess missing.
func (t *throttle) sweep(now time.Time) {
	for missing := 0.0; len(t.buckets) > maxBuckets/2 && missing < 200; missing = 2*missing + 1 {
		for k, b := range t.buckets {
			if left := b.left + float64(now.Sub(b.at))/float64(b.refil); left >= b.burst-missing {
				delete(t.buckets, k)
			}
		}
	}
}
