// Package recorder is the one writer: every durable change of Despatch passes through it, in one
// order.
//
// It takes what is waiting, runs it in one transaction, gives each new entry of the record the next
// position, extends the Merkle log, signs its checkpoint, commits, and only then answers those who
// wait and wakes those who read. An acknowledged change is therefore on the record, and nothing is
// delivered that is not.
//
// It knows neither rooms nor people: what a change is, its caller says.
package recorder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/record"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// ErrClosed is returned for a change that comes after the recorder was closed or fenced off.
var ErrClosed = errors.New("the record is closed")

// ErrUnavailable wraps the database's own error: the change has not happened and may be tried again.
var ErrUnavailable = errors.New("the record cannot be written just now")

// Entry is something to be put on the record.
type Entry struct {
	Scope  string // the id of what it belongs to
	Kind   record.Kind
	Body   []byte // exactly the bytes that are committed to; canonical JSON
	Ref    []byte // nil, or at most 32 bytes that are unique over the record
	Class  store.Class
	Sender int64
	Txn    int64
	Live   any // handed to [Options.Published] with the committed entry; not stored
}

// Committed is an entry that is on the record.
type Committed struct {
	Entry
	ScopeID int64 // the scope's row
	Pos     int64
	Seq     int64
	Time    int64
}

// Options are what a recorder needs.
type Options struct {
	DB     *sqldb.DB
	Signer note.Signer // the log's key; its name is the origin
	Log    *slog.Logger
	Now    func() time.Time
	Rand   io.Reader // nil means crypto/rand

	// Project, if set, brings the projections up to entries that have just been inserted, in the same
	// transaction. It must not depend on anything but the database and the entries.
	Project func(context.Context, *sqldb.Tx, []Committed) error

	// Published is called by the writer after each commit, before those who wait are answered. It
	// must not block. The slice is its to keep. Live is nil for entries whose commit was in doubt.
	Published func([]Committed)

	// BatchLimit bounds the changes that share a transaction; 0 means 512.
	BatchLimit int
}

// Recorder is the one writer. Its methods are safe for concurrent use.
type Recorder struct {
	opt   Options
	queue chan *change
	quit  chan struct{}
	done  chan struct{}
	once  sync.Once

	edge atomic.Pointer[Head]

	// What follows is owned by the writer's goroutine.
	epoch   int64
	size    int64
	time    int64
	tree    *record.Tree
	scopes  map[string]*scope
	lastID  int64 // highest scope number given out
	kept    int64 // time of the last checkpoint kept in the history
	pending batch
}

// Head is the published end of the record: a consistent set of size, tree and checkpoint.
type Head struct {
	Edge       *record.Edge
	Time       int64
	Checkpoint []byte
}

// scope is what the writer remembers of a scope.
type scope struct {
	id    int64
	tag   [32]byte
	next  int64 // sequence of its next entry
	isNew bool  // its row is not committed yet
}

// maxScopes bounds the scopes remembered; beyond it they are forgotten and read again when needed.
const maxScopes = 50_000

type change struct {
	ctx  context.Context
	run  func(*Batch) error
	done chan error
	err  error
}

var changes = sync.Pool{New: func() any { return &change{done: make(chan error, 1)} }}

// Open takes over the record in the database, or begins one if there is none, and starts the writer.
func Open(ctx context.Context, opt Options) (*Recorder, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	if opt.BatchLimit <= 0 {
		opt.BatchLimit = 512
	}
	r := &Recorder{
		opt:    opt,
		queue:  make(chan *change, 2*opt.BatchLimit),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
		scopes: make(map[string]*scope),
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	go r.loop()
	return r, nil
}

// load takes over the record and rebuilds the writer's memory from it.
func (r *Recorder) load(ctx context.Context) error {
	var head store.Head
	err := r.opt.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := store.ReadHead(ctx, tx)
		if errors.Is(err, store.ErrNotFound) {
			empty := new(record.Tree)
			cp, err := r.sign(empty.Edge())
			if err != nil {
				return err
			}
			if err := store.CreateHead(ctx, tx, cp); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		if head, err = store.TakeOver(ctx, tx); err != nil {
			return err
		}
		return r.restore(ctx, tx, head)
	})
	if err != nil {
		return fmt.Errorf("open the record: %w", err)
	}
	return r.opt.DB.Warm(ctx, store.WriteStatements...)
}

// restore sets the writer's memory to a stored head, and refuses a record whose tree is not the one
// that was signed.
func (r *Recorder) restore(ctx context.Context, q sqldb.Queryer, head store.Head) error {
	tiles := record.TilesFunc(func(level int, n int64) ([]byte, error) { return store.TileData(ctx, q, level, n) })
	tree, err := record.Restore(head.Size, tiles, func(from, to int64) ([]leaf, error) { return leaves(ctx, q, from, to) })
	if err != nil {
		return err
	}
	lastID, err := store.LastScope(ctx, q)
	if err != nil {
		return err
	}
	r.epoch, r.size, r.time, r.tree, r.lastID = head.Epoch, head.Size, head.Time, tree, lastID
	clear(r.scopes)
	edge := tree.Edge()
	r.edge.Store(&Head{Edge: edge, Time: head.Time, Checkpoint: head.Checkpoint})
	want := record.Checkpoint{Origin: r.opt.Signer.Name(), Size: edge.Size, Root: edge.Root}
	if text, _, ok := cutNote(head.Checkpoint); !ok || text != want.Text() {
		return fmt.Errorf("the record's %d entries do not match its signed checkpoint: run `despatch verify` before anything else", head.Size)
	}
	return nil
}

func (r *Recorder) sign(e *record.Edge) ([]byte, error) {
	cp := record.Checkpoint{Origin: r.opt.Signer.Name(), Size: e.Size, Root: e.Root}
	return cp.Sign(r.opt.Signer)
}

// Head returns the end of the record as it was last committed.
func (r *Recorder) Head() *Head { return r.edge.Load() }

// Do runs a change in the writer's transaction and returns when it is durable. An error means that
// nothing of the change has happened: the change's own error, [ErrUnavailable] or [ErrClosed]. The
// context bounds only the wait for a place in the queue: what was accepted is not undone because its
// sender hung up.
//
// The change runs on the writer's goroutine, possibly twice, and holds up everybody else: it must be
// short and must not wait for anything.
func (r *Recorder) Do(ctx context.Context, run func(*Batch) error) error {
	c := changes.Get().(*change)
	c.ctx, c.run, c.err = ctx, run, nil
	select {
	case r.queue <- c:
	case <-r.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.done:
		c.ctx, c.run = nil, nil
		changes.Put(c)
		return err
	case <-r.done:
		select {
		case err := <-c.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// Close refuses new changes, finishes those that wait, and stops the writer.
func (r *Recorder) Close() error {
	r.once.Do(func() { close(r.quit) })
	<-r.done
	return nil
}

// Done is closed when the writer has stopped, by Close or because another process took over.
func (r *Recorder) Done() <-chan struct{} { return r.done }

func (r *Recorder) loop() {
	defer close(r.done)
	waiting := make([]*change, 0, r.opt.BatchLimit)
	for {
		waiting = waiting[:0]
		select {
		case c := <-r.queue:
			waiting = append(waiting, c)
		case <-r.quit:
			select {
			case c := <-r.queue: // accepted before the close
				waiting = append(waiting, c)
			default:
				return
			}
		}
	fill:
		for len(waiting) < r.opt.BatchLimit {
			select {
			case c := <-r.queue:
				waiting = append(waiting, c)
			default:
				break fill
			}
		}
		fenced := r.commit(waiting)
		for _, c := range waiting {
			c.done <- c.err
		}
		if fenced {
			r.opt.Log.Error("another process has taken over the record; this one stops writing")
			r.once.Do(func() { close(r.quit) })
			return
		}
	}
}

// commit writes the changes, all in one transaction if that succeeds, else each in one of its own so
// that one bad change does not fail the others.
func (r *Recorder) commit(waiting []*change) (fenced bool) {
	err := r.transact(waiting)
	if err != nil && !sqldb.IsUnavailable(err) {
		// A position that is taken, or a head that does not move: is the record where we left it?
		moved, uerr := r.catchUp()
		switch {
		case uerr != nil:
			err = uerr
		case moved:
			err = r.transact(waiting)
		}
	}
	if err == nil {
		return false
	}
	if !errors.Is(err, store.ErrFenced) && !sqldb.IsUnavailable(err) && len(waiting) > 1 {
		for _, c := range waiting {
			c.err = nil
			if err := r.transact([]*change{c}); err != nil {
				c.err = r.outcome(err)
				fenced = fenced || errors.Is(err, store.ErrFenced)
			}
		}
		return fenced
	}
	for _, c := range waiting {
		c.err = r.outcome(err)
	}
	return errors.Is(err, store.ErrFenced)
}

// outcome is what a caller is told of a transaction that failed.
func (r *Recorder) outcome(err error) error {
	switch {
	case errors.Is(err, store.ErrFenced):
		return ErrClosed
	case sqldb.IsUnavailable(err):
		r.opt.Log.Error("the record could not be written", "reason", sqldb.Reason(err), "err", err)
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, sqldb.Reason(err), err)
	}
	return err
}

// writeTimeout bounds one transaction: a database that hangs must not hang everybody for ever.
const writeTimeout = 30 * time.Second
