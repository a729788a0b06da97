package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"despatch/internal/record"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Options are what an [Index] needs.
type Options struct {
	Record *sqldb.DB // the record's database; only read
	Target string    // the index's own SQLite file, or the URL of the record's PostgreSQL database
	Log    *slog.Logger

	// Zone is where days begin and end; UTC if nil.
	Zone *time.Location
}

// Index is the full-text index. Its methods are safe for concurrent use.
type Index struct {
	opt  Options
	db   *sqldb.DB // connections of its own, so that indexing never waits for the recorder nor it for indexing
	wake chan struct{}

	// work is held by whoever changes the index. What follows it is guarded by it.
	work  sync.Mutex
	names map[string]person
	scope map[int64]string

	upTo     atomic.Int64
	waiting  atomic.Int64 // callers of Wait
	mu       sync.Mutex
	progress chan struct{} // guarded by mu; closed and replaced when upTo grows
}

// follower is the name of the index's cursor.
const follower = "search"

// Open opens the index, or makes an empty one. An index that is not of this record, because one of them was restored
// from a backup, is emptied.
func Open(ctx context.Context, opt Options) (*Index, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Zone == nil {
		opt.Zone = time.UTC
	}
	db, err := sqldb.Open(ctx, opt.Target, sqldb.Options{})
	if err != nil {
		return nil, fmt.Errorf("open the search index: %w", err)
	}
	x := &Index{opt: opt, db: db, wake: make(chan struct{}, 1), progress: make(chan struct{})}
	x.forget()
	if err := x.load(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("open the search index: %w", err)
	}
	return x, nil
}

func (x *Index) load(ctx context.Context) error {
	return x.db.Write(ctx, func(tx *sqldb.Tx) error {
		if err := store.MakeSearch(ctx, tx); err != nil {
			return err
		}
		pos, err := store.Followed(ctx, tx, follower)
		if err != nil {
			return err
		}
		same, err := x.sameRecord(ctx, tx, pos)
		if err != nil {
			return err
		}
		if !same {
			x.opt.Log.WarnContext(ctx, "the search index is not of this record; making it again", "position", pos)
			pos = 0
			if err := store.ClearSearch(ctx, tx); err != nil {
				return err
			}
		}
		x.upTo.Store(pos)
		return nil
	})
}

// sameRecord reports whether the last entry that was indexed is the one on the record.
func (x *Index) sameRecord(ctx context.Context, q sqldb.Queryer, pos int64) (bool, error) {
	if pos == 0 {
		return true, nil
	}
	mark, err := store.SearchMark(ctx, q)
	if err != nil {
		return false, err
	}
	e, err := store.EntryAt(ctx, x.opt.Record.Reader(), pos-1)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return string(mark) == string(commitment(&e)), err
}

// commitment is what the log says of an entry, whether its body is still there or not.
func commitment(e *store.Entry) []byte {
	if e.Commitment != nil || len(e.Salt) != 32 {
		return e.Commitment
	}
	sum := record.Commit((*[32]byte)(e.Salt), e.Body)
	return sum[:]
}

// Close closes the index. [Index.Run] must have ended.
func (x *Index) Close() error { return x.db.Close() }

// How often the record is looked at without being woken, and how much is indexed in one transaction.
const (
	pollEvery  = 250 * time.Millisecond
	courtesy   = 9 // times as long as a step takes, the index rests before the next while it is behind
	batchSize  = 500
	catchUp    = 4000 // when it is far behind
	retryAfter = 2 * time.Second
)

// Run follows the record until ctx ends. It must run once.
func (x *Index) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-x.wake:
		case <-timer.C:
		}
		wait := pollEvery
		for {
			began := time.Now()
			more, err := x.step(ctx)
			if err != nil && ctx.Err() == nil {
				x.opt.Log.WarnContext(ctx, "the search index cannot be brought up to the record; trying again", "err", err)
				wait = retryAfter
			}
			if err != nil || !more {
				break
			}
			if x.waiting.Load() == 0 { // nobody waits: leave the processors to those who write
				pause := time.NewTimer(courtesy * time.Since(began))
				select {
				case <-ctx.Done():
				case <-x.wake:
				case <-pause.C:
				}
				pause.Stop()
			}
		}
		timer.Reset(wait)
	}
}

// Notify says that there is something new on the record. It never blocks.
func (x *Index) Notify() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Wait returns when the index covers the record up to a size, or when ctx ends.
func (x *Index) Wait(ctx context.Context, size int64) error {
	x.waiting.Add(1)
	defer x.waiting.Add(-1)
	for {
		x.mu.Lock()
		next := x.progress
		x.mu.Unlock()
		if x.upTo.Load() >= size {
			return nil
		}
		x.Notify()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		}
	}
}

// UpTo returns the size of the record that the index covers.
func (x *Index) UpTo() int64 { return x.upTo.Load() }

func (x *Index) reached(pos int64) {
	x.upTo.Store(pos)
	x.mu.Lock()
	close(x.progress)
	x.progress = make(chan struct{})
	x.mu.Unlock()
}

// Delete removes entries from the index, so that their words are nowhere in its files any more. It is for disposal,
// which calls it when the bodies are gone, and it is slow: the more at once the better.
func (x *Index) Delete(ctx context.Context, positions []int64) error {
	x.work.Lock()
	defer x.work.Unlock()
	err := x.db.Write(ctx, func(tx *sqldb.Tx) error { return deleteAll(ctx, tx, positions) })
	if err != nil {
		return fmt.Errorf("delete from the search index: %w", err)
	}
	x.db.Committed(ctx, len(positions))
	for {
		err = store.SweepSearch(ctx, x.db.Reader())
		if err == nil {
			return nil
		}
		select { // somebody is reading
		case <-ctx.Done():
			return fmt.Errorf("delete from the search index: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func deleteAll(ctx context.Context, tx *sqldb.Tx, positions []int64) error {
	if err := store.EraseSearch(ctx, tx); err != nil {
		return err
	}
	gone, scopes := make(map[int64]bool, len(positions)), make(map[int64]bool)
	for _, pos := range positions {
		gone[pos] = true
		key, scope, err := store.SearchKey(ctx, tx, pos)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			err = store.DeleteSearchDoc(ctx, tx, key)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", pos, err)
		}
		scopes[scope] = true
	}
	for scope := range scopes {
		if err := store.RecountSearch(ctx, tx, scope, gone); err != nil {
			return err
		}
	}
	return store.PurgeSearch(ctx, tx)
}

// Rebuild empties the index; [Index.Run] fills it again from the record.
func (x *Index) Rebuild(ctx context.Context) error {
	x.work.Lock()
	defer x.work.Unlock()
	if err := x.db.Write(ctx, func(tx *sqldb.Tx) error { return store.ClearSearch(ctx, tx) }); err != nil {
		return fmt.Errorf("empty the search index: %w", err)
	}
	x.forget()
	x.upTo.Store(0)
	x.Notify()
	return nil
}

// forget drops what is remembered of the record.
func (x *Index) forget() {
	x.names, x.scope = make(map[string]person), make(map[int64]string)
}
