package room

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// A client that got no answer sends the same request again, with the same transaction id, and must not
// say the same thing twice (Client-Server API, "Transaction identifiers"). Each message is stored with a
// hash of its transaction; there is no index of them, which would cost as much as the message itself.
// The newest are remembered; of those of the last day a filter knows which cannot have been sent; and for
// the few that may have been, the store walks back through the room.

// txnWindow is how long a transaction is known at least.
const txnWindow = 24 * time.Hour

// txnID is the key of what a device sends; never 0.
func txnID(d *Draft) int64 {
	h := sha256.New()
	for _, part := range []string{string(d.Sender), d.Device, string(d.Room), d.Type, string(d.Redacts), d.Txn} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil))) | 1
}

// sentBefore looks a transaction up.
func (s *Service) sentBefore(ctx context.Context, room matrix.RoomID, txn int64) (Sent, bool, error) {
	// The end of the record is read first: what is remembered afterwards and stands below it is committed. The
	// other way round, its position could have become another's meanwhile.
	size := s.Rec.Head().Edge.Size
	if sent, ok := s.txns.get(txn); ok {
		// Remembered from the moment it was built: it may not be committed yet. Then this one waits its
		// turn behind it and finds out.
		return sent, sent.Pos < size, nil
	}
	info, ok := s.Hub.Room(room)
	if !ok || !s.txns.maybe(txn) {
		return Sent{}, false, nil
	}
	pos, err := store.Sent(ctx, s.DB.Reader(), info.Scope, txn, s.Now().Add(-txnWindow).UnixMilli())
	if errors.Is(err, store.ErrNotFound) {
		return Sent{}, false, nil
	} else if err != nil {
		return Sent{}, false, err
	}
	if pos >= s.Rec.Head().Edge.Size {
		// The database shows it, and the writer has not said that it is on the disk.
		return Sent{}, false, nil
	}
	e, err := store.EntryAt(ctx, s.DB.Reader(), pos)
	if err != nil {
		return Sent{}, false, err
	}
	return Sent{ID: store.EventID(e.Ref), Pos: pos}, true, nil
}

// Recovered takes in entries whose commit was given up for lost and has happened after all. Their senders
// were told to try again, and may be waiting to: they must find them. It is called by the recorder's writer.
func (s *Service) Recovered(entries []recorder.Committed) {
	for i := range entries {
		e := &entries[i]
		if e.Kind != record.KindEvent || e.Live != nil {
			continue
		}
		clear(s.rooms) // their ends may have moved
		if e.Txn != 0 {
			s.txns.put(e.Txn, Sent{ID: store.EventID(e.Ref), Pos: e.Pos})
		}
	}
}

// loadTxns fills the filter with what was sent before this process began. Until it is done, every
// transaction may have been.
func (s *Service) loadTxns(ctx context.Context) error {
	since := s.Now().Add(-txnWindow).UnixMilli()
	err := store.Txns(ctx, s.DB.Reader(), s.Rec.Head().Edge.Size, func(txn, at int64) bool {
		if txn != 0 {
			s.txns.know(txn)
		}
		return at >= since
	})
	if err == nil {
		s.txns.loaded()
	}
	return err
}

// txns remembers transactions.
type txns struct {
	mu       sync.RWMutex
	now, old map[int64]Sent // two generations; the older is dropped when the newer is full
	filters  []*filter      // the last is being filled
	complete bool
}

const (
	txnGeneration = 10_000
	filterBits    = 1 << 22 // half a megabyte
	filterKeys    = 400_000 // at which one in a hundred questions is answered wrongly with "maybe"
	maxFilters    = 48      // more than anybody sends in a day, and 24 MB
)

// filter is a Bloom filter of keys that are hashes already.
type filter struct {
	bits [filterBits / 64]uint64
	n    int
}

func (f *filter) has(key int64) bool {
	for i := range 4 {
		b := uint64(key) >> (11 * i) * 0x9E3779B97F4A7C15 >> 42
		if f.bits[b/64]&(1<<(b%64)) == 0 {
			return false
		}
	}
	return true
}

func (f *filter) add(key int64) {
	for i := range 4 {
		b := uint64(key) >> (11 * i) * 0x9E3779B97F4A7C15 >> 42
		f.bits[b/64] |= 1 << (b % 64)
	}
	f.n++
}

func (c *txns) init() { c.now = make(map[int64]Sent) }

func (c *txns) get(id int64) (Sent, bool) {
	if id == 0 {
		return Sent{}, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	sent, ok := c.now[id]
	if !ok {
		sent, ok = c.old[id]
	}
	return sent, ok
}

// maybe reports whether a transaction may have been sent.
func (c *txns) maybe(id int64) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, f := range c.filters {
		if f.has(id) {
			return true
		}
	}
	return !c.complete
}

func (c *txns) put(id int64, sent Sent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.now) >= txnGeneration {
		c.old, c.now = c.now, make(map[int64]Sent)
	}
	c.now[id] = sent
	c.add(id)
}

func (c *txns) know(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(id)
}

func (c *txns) add(id int64) {
	if n := len(c.filters); n == 0 || c.filters[n-1].n >= filterKeys {
		if n == maxFilters {
			c.filters = c.filters[1:]
		}
		c.filters = append(c.filters, new(filter))
	}
	c.filters[len(c.filters)-1].add(id)
}

func (c *txns) loaded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.complete = true
}

func (c *txns) remove(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.now, id)
	delete(c.old, id)
}
