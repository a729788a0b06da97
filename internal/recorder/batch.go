package recorder

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"despatch/internal/record"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

type leaf = tlog.Hash

// batch is the transaction under way.
type batch struct {
	tx       *sqldb.Tx
	now      int64
	entries  []store.Entry
	out      []Committed
	scopes   []*scope      // of entries, one for one
	fresh    []store.Scope // not handed to the database yet
	saved    []store.Scope // handed to it since the savepoint
	inserted int           // entries already handed to the database
	wrote    bool
	commit   []func()
	rollback []func()
}

// Batch is what a change can do.
type Batch struct {
	r     *Recorder
	b     *batch
	ctx   context.Context
	start int   // the batch's entries when this change began
	saved bool  // a savepoint is open
	err   error // of what the change asked for: it fails
	fatal error // of what came before it: the whole transaction fails
}

// Now is the time that this change's entries bear, in milliseconds since 1970 UTC. It never decreases.
func (b *Batch) Now() int64 { return b.b.now }

// Context is the transaction's: use it for the statements of the change.
func (b *Batch) Context() context.Context { return b.ctx }

// Append puts an entry on the record and returns its position, which is final if the change
// succeeds. Body and Ref must not be changed afterwards.
func (b *Batch) Append(e Entry) (pos int64) {
	s, err := b.r.scope(b.ctx, b.b, e.Scope)
	if err != nil {
		b.fatal = err
		return -1
	}
	pos = b.r.size + int64(len(b.b.entries))
	row := store.Entry{Pos: pos, Scope: s.id, Seq: s.next, Time: b.b.now, Kind: e.Kind, Class: e.Class,
		Sender: e.Sender, Txn: e.Txn, Ref: e.Ref, Salt: make([]byte, 32), Body: e.Body}
	if _, err := b.r.opt.Rand.Read(row.Salt); err != nil {
		b.err = fmt.Errorf("salt: %w", err)
		return -1
	}
	s.next++
	b.b.entries = append(b.b.entries, row)
	b.b.scopes = append(b.b.scopes, s)
	b.b.out = append(b.b.out, Committed{Entry: e, ScopeID: s.id, Pos: pos, Seq: row.Seq, Time: row.Time})
	return pos
}

// ScopeID returns the row number of a scope, making it if need be.
func (b *Batch) ScopeID(name string) (int64, error) {
	s, err := b.r.scope(b.ctx, b.b, name)
	if err != nil {
		return 0, err
	}
	return s.id, nil
}

// Tx returns the transaction, in which every entry appended so far can be seen. If the change fails,
// what it did there is undone.
func (b *Batch) Tx() *sqldb.Tx {
	if !b.saved && b.fatal == nil {
		if b.fatal = b.r.flush(b.ctx, b.b, b.start); b.fatal == nil {
			b.b.saved = b.b.saved[:0]
			_, b.fatal = b.b.tx.Exec(b.ctx, "SAVEPOINT change")
			b.saved = b.fatal == nil
		}
	}
	if b.fatal == nil && b.err == nil {
		b.err = b.r.flush(b.ctx, b.b, len(b.b.entries))
	}
	b.b.wrote = true
	return b.b.tx
}

// OnCommit has fn called by the writer after the commit, before the change's caller is answered.
func (b *Batch) OnCommit(fn func()) { b.b.commit = append(b.b.commit, fn) }

// OnRollback has fn called by the writer if the change, or the transaction it is part of, is undone.
// A change that altered something in memory for those that follow in the same transaction must set
// it right here. It can be called although the change is then run again.
func (b *Batch) OnRollback(fn func()) { b.b.rollback = append(b.b.rollback, fn) }

// scope returns what the writer knows of a scope, reading or making it.
func (r *Recorder) scope(ctx context.Context, b *batch, name string) (*scope, error) {
	if s, ok := r.scopes[name]; ok {
		return s, nil
	}
	found, err := store.ScopeByName(ctx, b.tx, name)
	if errors.Is(err, store.ErrNotFound) {
		found = store.Scope{ID: r.lastID + 1, Name: name}
		if _, err := r.opt.Rand.Read(found.Salt[:]); err != nil {
			return nil, fmt.Errorf("salt: %w", err)
		}
		r.lastID++
		b.fresh = append(b.fresh, found)
		s := &scope{id: found.ID, tag: record.ScopeTag(found.Salt, name), isNew: true}
		r.scopes[name] = s
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("scope %s: %w", name, err)
	}
	next, err := store.NextSeq(ctx, b.tx, found.ID)
	if err != nil {
		return nil, fmt.Errorf("scope %s: %w", name, err)
	}
	s := &scope{id: found.ID, tag: record.ScopeTag(found.Salt, name), next: next}
	r.scopes[name] = s
	return s, nil
}

// flush hands the entries staged so far, up to number end, to the database.
func (r *Recorder) flush(ctx context.Context, b *batch, end int) error {
	for _, s := range b.fresh {
		// Also if the change that asked for it has failed: the writer remembers the scope from now on.
		b.wrote = true
		if err := store.InsertScope(ctx, b.tx, s); err != nil {
			return err
		}
	}
	b.saved = append(b.saved, b.fresh...)
	b.fresh = b.fresh[:0]
	if b.inserted >= end {
		return nil
	}
	start := b.inserted
	b.inserted = end
	b.wrote = true
	err := store.InsertEntries(ctx, b.tx, b.entries[start:end])
	if err == nil && r.opt.Project != nil {
		err = r.opt.Project(ctx, b.tx, b.out[start:end])
	}
	return err
}

// transact runs the changes in one transaction. It returns nil if that was committed; a change that
// failed by itself then has its error, and has left no trace. Otherwise nothing has happened.
func (r *Recorder) transact(waiting []*change) error {
	ctx, cancel := r.context()
	defer cancel()
	tx, err := r.opt.DB.Begin(ctx)
	if err != nil {
		return err
	}
	b := &r.pending
	*b = batch{tx: tx, now: max(r.time, r.opt.Now().UnixMilli()),
		entries: b.entries[:0], scopes: b.scopes[:0], fresh: b.fresh[:0], commit: b.commit[:0], rollback: b.rollback[:0],
		out: make([]Committed, 0, len(waiting))}
	mark, lastID := r.tree.Mark(), r.lastID
	head, sure, err := r.write(ctx, b, waiting)
	if err != nil && !sure {
		err = r.settle(head, err)
	}
	if err != nil {
		tx.Rollback()
		r.tree.Reset(mark)
		r.forget(b, lastID)
		for _, fn := range b.rollback {
			fn()
		}
		return err
	}
	r.publish(ctx, b, head)
	return nil
}

// context is that of a transaction. SQLite answers or fails by itself; watching a context would cost
// a goroutine a statement.
func (r *Recorder) context() (context.Context, context.CancelFunc) {
	if r.opt.DB.Dialect() == sqldb.SQLite {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), writeTimeout)
}

// write does the work of transact up to and with the commit. If it was the commit that failed, it
// cannot be sure that nothing has happened.
func (r *Recorder) write(ctx context.Context, b *batch, waiting []*change) (head *Head, sure bool, err error) {
	for _, c := range waiting {
		if err := r.apply(ctx, b, c); err != nil {
			return nil, true, err
		}
	}
	if err := r.flush(ctx, b, len(b.entries)); err != nil {
		return nil, true, err
	}
	head = r.edge.Load()
	if !b.wrote {
		return head, true, b.tx.Rollback()
	}
	if len(b.entries) > 0 {
		if head, err = r.extend(ctx, b); err != nil {
			return nil, true, err
		}
	}
	row := store.Head{Epoch: r.epoch, Size: head.Edge.Size, Time: head.Time, Checkpoint: head.Checkpoint}
	if err := store.AdvanceHead(ctx, b.tx, r.size, row); err != nil {
		return nil, true, err
	}
	return head, false, b.tx.Commit()
}

// apply runs one change and undoes it if it fails by itself. An error it returns is the database's.
func (r *Recorder) apply(ctx context.Context, b *batch, c *change) (err error) {
	entries, commit, rollback := len(b.entries), len(b.commit), len(b.rollback)
	view := &Batch{r: r, b: b, ctx: ctx, start: entries}
	c.err = r.call(view, c)
	if view.fatal != nil {
		return view.fatal
	}
	if view.err != nil { // what the change asked of the batch failed, whatever the change made of it
		c.err = view.err
	}
	if c.err == nil {
		if view.saved {
			_, err = b.tx.Exec(ctx, "RELEASE SAVEPOINT change")
		}
		return err
	}
	if sqldb.IsUnavailable(c.err) {
		return c.err
	}
	for i := len(b.entries) - 1; i >= entries; i-- {
		b.scopes[i].next--
	}
	if view.saved {
		if _, err := b.tx.Exec(ctx, "ROLLBACK TO SAVEPOINT change"); err != nil {
			return err
		}
		if _, err := b.tx.Exec(ctx, "RELEASE SAVEPOINT change"); err != nil {
			return err
		}
		b.fresh, b.saved = append(b.fresh, b.saved...), b.saved[:0]
	}
	for _, fn := range b.rollback[rollback:] {
		fn()
	}
	b.entries, b.scopes, b.out = b.entries[:entries], b.scopes[:entries], b.out[:entries]
	b.inserted = min(b.inserted, entries)
	b.commit, b.rollback = b.commit[:commit], b.rollback[:rollback]
	return nil
}

// call keeps a change that panics from taking the writer with it.
func (r *Recorder) call(b *Batch, c *change) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.opt.Log.Error("a change panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	return c.run(b)
}

// checkpointEvery is how often a checkpoint is kept in the history.
const checkpointEvery = time.Minute

// extend puts the batch's entries into the tree, stores the tiles they fill, and signs the new head.
func (r *Recorder) extend(ctx context.Context, b *batch) (*Head, error) {
	for i := range b.entries {
		e := store.LogEntry(&b.entries[i], b.scopes[i].tag)
		r.tree.Append(record.LeafHash(&e))
	}
	for _, t := range r.tree.Full() {
		if err := store.InsertTile(ctx, b.tx, t); err != nil {
			return nil, err
		}
	}
	head := &Head{Edge: r.tree.Edge(), Time: b.now}
	var err error
	if head.Checkpoint, err = r.sign(head.Edge); err != nil {
		return nil, err
	}
	if b.now-r.kept >= checkpointEvery.Milliseconds() {
		if err := store.KeepCheckpoint(ctx, b.tx, head.Edge.Size, b.now, head.Checkpoint); err != nil {
			return nil, err
		}
		r.kept = b.now
	}
	return head, nil
}

// settle finds out whether a commit that gave an error has happened all the same, as it may when the
// connection to PostgreSQL broke. It returns nil if it has. SQLite's word is taken: what can be read
// there after a failed COMMIT need not be on the disk.
func (r *Recorder) settle(head *Head, cause error) error {
	if r.opt.DB.Dialect() == sqldb.SQLite {
		return cause
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		stored, err := store.ReadHead(ctx, r.opt.DB.Reader())
		cancel()
		switch {
		case err == nil && stored.Epoch != r.epoch:
			return store.ErrFenced
		case err == nil && stored.Size == head.Edge.Size && string(stored.Checkpoint) == string(head.Checkpoint) && stored.Size > r.size:
			return nil
		case err == nil:
			return cause
		case time.Now().After(deadline):
			return cause // nobody can tell; catchUp will, when the database is back
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// catchUp compares the stored head with where this writer left it. If another writer has taken over,
// it returns [store.ErrFenced]. If the record has moved on all the same, a commit that was given up for
// lost has happened after all: then the writer's memory is set to it, and its entries are made known.
func (r *Recorder) catchUp() (moved bool, err error) {
	ctx, cancel := r.context()
	defer cancel()
	err = r.opt.DB.View(ctx, func(q sqldb.Queryer) error {
		head, err := store.ReadHead(ctx, q)
		if err != nil {
			return err
		}
		if head.Epoch != r.epoch {
			return store.ErrFenced
		}
		old := r.size
		if moved = head.Size != old; !moved {
			return nil
		}
		missed, err := committed(ctx, q, old, head.Size)
		if err != nil {
			return err
		}
		// Only now, so that a failure until here leaves everything to be found by the next attempt.
		if err := r.restore(ctx, q, head); err != nil {
			return err
		}
		if len(missed) > 0 && r.opt.Published != nil {
			r.opt.Published(missed)
		}
		return nil
	})
	return moved, err
}

// committed reads entries from up to to as they were committed, without what was only in memory. PostgreSQL
// answers one question at a time, so the scopes are asked for after the entries.
func committed(ctx context.Context, q sqldb.Queryer, from, to int64) ([]Committed, error) {
	var out []Committed
	err := store.Entries(ctx, q, from, to, func(e *store.Entry) error {
		out = append(out, Committed{ScopeID: e.Scope, Pos: e.Pos, Seq: e.Seq, Time: e.Time,
			Entry: Entry{Kind: e.Kind, Body: e.Body, Ref: e.Ref, Class: e.Class, Sender: e.Sender, Txn: e.Txn}})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		s, err := store.ScopeByID(ctx, q, out[i].ScopeID)
		if err != nil {
			return nil, fmt.Errorf("scope of entry %d: %w", out[i].Pos, err)
		}
		out[i].Scope = s.Name
	}
	return out, nil
}

// forget drops from memory what a transaction that was undone had put there.
func (r *Recorder) forget(b *batch, lastID int64) {
	for i := len(b.entries) - 1; i >= 0; i-- {
		b.scopes[i].next--
	}
	for name, s := range r.scopes {
		if s.isNew {
			delete(r.scopes, name)
		}
	}
	r.lastID = lastID
}

// publish makes a committed transaction known.
func (r *Recorder) publish(ctx context.Context, b *batch, head *Head) {
	r.size, r.time = head.Edge.Size, head.Time
	for _, s := range b.scopes {
		s.isNew = false
	}
	for _, fn := range b.commit {
		fn()
	}
	r.edge.Store(head)
	if r.opt.Published != nil && len(b.out) > 0 {
		r.opt.Published(b.out)
	}
	r.opt.DB.Committed(ctx, len(b.entries))
	if len(r.scopes) > maxScopes {
		clear(r.scopes)
	}
}

// leaves returns the leaf hashes of entries from up to to.
func leaves(ctx context.Context, q sqldb.Queryer, from, to int64) ([]leaf, error) {
	tags := make(map[int64][32]byte)
	out := make([]leaf, 0, to-from)
	var rows []store.Entry
	if err := store.Entries(ctx, q, from, to, func(e *store.Entry) error { rows = append(rows, *e); return nil }); err != nil {
		return nil, err
	}
	for i := range rows {
		row := &rows[i]
		tag, ok := tags[row.Scope]
		if !ok {
			s, err := store.ScopeByID(ctx, q, row.Scope)
			if err != nil {
				return nil, fmt.Errorf("scope of entry %d: %w", row.Pos, err)
			}
			tag = record.ScopeTag(s.Salt, s.Name)
			tags[row.Scope] = tag
		}
		e := store.LogEntry(row, tag)
		out = append(out, record.LeafHash(&e))
	}
	return out, nil
}

// cutNote separates a signed note's text from its signatures.
func cutNote(msg []byte) (text, signatures string, ok bool) {
	i := strings.LastIndex(string(msg), "\n\n")
	if i < 0 {
		return "", "", false
	}
	return string(msg[:i+1]), string(msg[i+2:]), true
}
