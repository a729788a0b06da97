package search

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"despatch/internal/matrix"
	"despatch/internal/sqldb"
	"despatch/internal/stream"
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
	opt Options
}

var errNotYet = errors.New("not written yet")

// Open opens the index, or makes an empty one.
func Open(ctx context.Context, opt Options) (*Index, error) { return nil, errNotYet }

// Close closes the index. [Index.Run] must have ended.
func (x *Index) Close() error { return errNotYet }

// Run follows the record until ctx ends. It must run once.
func (x *Index) Run(ctx context.Context) error { return errNotYet }

// Notify says that there is something new on the record. It never blocks.
func (x *Index) Notify() {}

// Wait returns when the index covers the record up to a size, or when ctx ends.
func (x *Index) Wait(ctx context.Context, size int64) error { return errNotYet }

// UpTo returns the size of the record that the index covers.
func (x *Index) UpTo() int64 { return 0 }

// Search returns what a query finds within bounds, deleted or not. Who may ask is the caller's business.
func (x *Index) Search(ctx context.Context, q *Query, b Bounds, p Page) (*Results, error) {
	return nil, errNotYet
}

// SearchVisible returns what a query finds of what a person can see now: in conversations of which they can read the
// history, and only the part of it that they can read; nothing that was deleted or has disappeared, nothing captured.
// If room is not empty, only there.
func (x *Index) SearchVisible(ctx context.Context, h *stream.Hub, who matrix.UserID, room matrix.RoomID, q *Query, p Page) (*Results, error) {
	return nil, errNotYet
}

// Conversations returns conversations whose title or people have all the words of find, those with the newest message
// first. It tells nothing of what was said in them. Next is for the page after it, "" at the end.
func (x *Index) Conversations(ctx context.Context, find, after string, limit int) (found []Conversation, next string, err error) {
	return nil, "", errNotYet
}

// Conversation returns what the index knows of a scope, or [store.ErrNotFound].
func (x *Index) Conversation(ctx context.Context, scope int64) (Conversation, error) {
	return Conversation{}, errNotYet
}

// Delete removes entries from the index, so that their words are nowhere in its files any more. It is for disposal,
// and is slow: the more at once the better.
func (x *Index) Delete(ctx context.Context, positions []int64) error { return errNotYet }

// Rebuild empties the index; [Index.Run] fills it again from the record.
func (x *Index) Rebuild(ctx context.Context) error { return errNotYet }
