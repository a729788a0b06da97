package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"despatch/internal/record"
	"despatch/internal/sqldb"
)

// Class says what sort of event an entry is, for counting without reading bodies. It is a hint: what
// counts is the body.
type Class int8

const (
	ClassOther      Class = 0
	ClassMessage    Class = 1 // something a person said
	ClassEdit       Class = 2
	ClassReaction   Class = 3
	ClassRedaction  Class = 4
	ClassState      Class = 5
	ClassMembership Class = 6
)

// Entry is a row of the record: the log's entry with what it commits to.
type Entry struct {
	Pos        int64
	Scope      int64 // the scope's row
	Seq        int64
	Time       int64
	Kind       record.Kind
	Class      Class
	Sender     int64  // a short hash of who did it, 0 if nobody
	Txn        int64  // a short hash of the device's transaction id, 0 if none
	Ref        []byte // unique over the record, or nil
	Salt       []byte // nil once destroyed
	Commitment []byte // nil until the body is destroyed
	Body       []byte // nil once destroyed
}

// Scope is what entries belong to.
type Scope struct {
	ID   int64
	Name string
	Salt [32]byte
}

// Head is the end of the record.
type Head struct {
	Epoch      int64 // counts the writers; see [TakeOver]
	Size       int64
	Time       int64 // of the last entry, in milliseconds
	Checkpoint []byte
}

// ErrFenced means that another writer has taken over the record: this one must stop.
var ErrFenced = errors.New("another process has taken over the record")

// ReadHead returns the end of the record, or [ErrNotFound] for a database without one.
func ReadHead(ctx context.Context, q sqldb.Queryer) (Head, error) {
	var h Head
	err := q.QueryRow(ctx, `SELECT epoch, size, time, checkpoint FROM head WHERE id = 1`).
		Scan(&h.Epoch, &h.Size, &h.Time, &h.Checkpoint)
	return h, notFound(err)
}

// CreateHead stores the end of a record that has no entries yet.
func CreateHead(ctx context.Context, tx *sqldb.Tx, checkpoint []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO head (id, epoch, size, time, checkpoint) VALUES (1, 0, 0, 0, $1)`, checkpoint)
	return err
}

// TakeOver makes the caller the one writer of the record and returns its end. Any writer before it
// fails at its next batch with [ErrFenced].
func TakeOver(ctx context.Context, tx *sqldb.Tx) (Head, error) {
	if _, err := tx.Exec(ctx, `UPDATE head SET epoch = epoch + 1 WHERE id = 1`); err != nil {
		return Head{}, err
	}
	return ReadHead(ctx, tx)
}

const advanceHead = `
	UPDATE head SET size = $1, time = $2, checkpoint = $3
	WHERE id = 1 AND epoch = $4 AND size = $5`

// AdvanceHead moves the end of the record from size old to h, for the writer of h.Epoch.
func AdvanceHead(ctx context.Context, tx *sqldb.Tx, old int64, h Head) error {
	res, err := tx.Exec(ctx, advanceHead, h.Size, h.Time, h.Checkpoint, h.Epoch, old)
	if err != nil {
		return fmt.Errorf("advance the record to %d: %w", h.Size, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrFenced, err)
	}
	return nil
}

// LogEntry returns the log's entry of a stored row, in whose scope entries bear the tag.
func LogEntry(row *Entry, tag [32]byte) record.Entry {
	e := record.Entry{Time: row.Time, ScopeTag: tag, Seq: uint64(row.Seq), Kind: row.Kind}
	if row.Commitment != nil {
		copy(e.Commitment[:], row.Commitment)
	} else {
		e.Commitment = record.Commit((*[32]byte)(row.Salt), row.Body)
	}
	return e
}

const insertEntry = `
	INSERT INTO entry (pos, scope, seq, time, kind, class, sender, txn, ref, salt, body)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// InsertEntries stores a batch of new entries. SQLite is fastest with one prepared statement a row,
// PostgreSQL with one statement over arrays.
func InsertEntries(ctx context.Context, tx *sqldb.Tx, entries []Entry) error {
	if tx.Dialect() == sqldb.Postgres {
		return insertEntriesPostgres(ctx, tx, entries)
	}
	for i := range entries {
		e := &entries[i]
		_, err := tx.Exec(ctx, insertEntry, e.Pos, e.Scope, e.Seq, e.Time, int64(e.Kind), int64(e.Class), e.Sender, e.Txn, blob(e.Ref), e.Salt, e.Body)
		if err != nil {
			return fmt.Errorf("insert entry %d: %w", e.Pos, err)
		}
	}
	return nil
}

// blob makes an absent value NULL: the drivers store a nil slice as an empty one.
func blob(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func insertEntriesPostgres(ctx context.Context, tx *sqldb.Tx, entries []Entry) error {
	n := len(entries)
	pos, scope, seq, time := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	kind, class, sender, txn := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	ref, salt, body := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i := range entries {
		e := &entries[i]
		pos[i], scope[i], seq[i], time[i] = e.Pos, e.Scope, e.Seq, e.Time
		kind[i], class[i], sender[i], txn[i] = int64(e.Kind), int64(e.Class), e.Sender, e.Txn
		ref[i], salt[i], body[i] = e.Ref, e.Salt, e.Body
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO entry (pos, scope, seq, time, kind, class, sender, txn, ref, salt, body)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
			$6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bytea[], $11::bytea[])`,
		pos, scope, seq, time, kind, class, sender, txn, ref, salt, body)
	if err != nil {
		return fmt.Errorf("insert %d entries from %d: %w", n, pos[0], err)
	}
	return nil
}

const entryColumns = `pos, scope, seq, time, kind, class, sender, txn, ref, salt, commitment, body`

func scanEntry(scan func(...any) error) (Entry, error) {
	var e Entry
	var kind, class int64
	err := scan(&e.Pos, &e.Scope, &e.Seq, &e.Time, &kind, &class, &e.Sender, &e.Txn, &e.Ref, &e.Salt, &e.Commitment, &e.Body)
	e.Kind, e.Class = record.Kind(kind), Class(class)
	return e, err
}

// EntryAt returns the entry at a position, or [ErrNotFound].
func EntryAt(ctx context.Context, q sqldb.Queryer, pos int64) (Entry, error) {
	e, err := scanEntry(q.QueryRow(ctx, `SELECT `+entryColumns+` FROM entry WHERE pos = $1`, pos).Scan)
	return e, notFound(err)
}

// EntryByRef returns the entry of a reference, or [ErrNotFound].
func EntryByRef(ctx context.Context, q sqldb.Queryer, ref []byte) (Entry, error) {
	e, err := scanEntry(q.QueryRow(ctx, `SELECT `+entryColumns+` FROM entry WHERE ref = $1`, ref).Scan)
	return e, notFound(err)
}

// Entries calls fn for the entries from position from up to but not including to, in order. The
// entry's byte slices are fn's to keep.
func Entries(ctx context.Context, q sqldb.Queryer, from, to int64, fn func(*Entry) error) error {
	r, err := q.Query(ctx, `SELECT `+entryColumns+` FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos`, from, to)
	return rows(r, err, func(r *sql.Rows) error {
		e, err := scanEntry(r.Scan)
		if err != nil {
			return err
		}
		return fn(&e)
	})
}

// ScopeEntries calls fn for the entries of a scope with from <= position < to, in order, at most
// limit of them.
func ScopeEntries(ctx context.Context, q sqldb.Queryer, scope, from, to int64, limit int, fn func(*Entry) error) error {
	r, err := q.Query(ctx, `
		SELECT `+entryColumns+` FROM entry
		WHERE scope = $1 AND pos >= $2 AND pos < $3 ORDER BY pos LIMIT $4`, scope, from, to, limit)
	return rows(r, err, func(r *sql.Rows) error {
		e, err := scanEntry(r.Scan)
		if err != nil {
			return err
		}
		return fn(&e)
	})
}

// ScopeByName returns a scope, or [ErrNotFound].
func ScopeByName(ctx context.Context, q sqldb.Queryer, name string) (Scope, error) {
	return scanScope(q.QueryRow(ctx, `SELECT id, name, salt FROM scope WHERE name = $1`, name))
}

// ScopeByID returns a scope, or [ErrNotFound].
func ScopeByID(ctx context.Context, q sqldb.Queryer, id int64) (Scope, error) {
	return scanScope(q.QueryRow(ctx, `SELECT id, name, salt FROM scope WHERE id = $1`, id))
}

func scanScope(row *sql.Row) (Scope, error) {
	var s Scope
	var salt []byte
	if err := row.Scan(&s.ID, &s.Name, &salt); err != nil {
		return s, notFound(err)
	}
	if copy(s.Salt[:], salt) != len(s.Salt) {
		return s, fmt.Errorf("scope %s: its salt is %d bytes long", s.Name, len(salt))
	}
	return s, nil
}

// Scopes calls fn for every scope.
func Scopes(ctx context.Context, q sqldb.Queryer, fn func(Scope) error) error {
	r, err := q.Query(ctx, `SELECT id, name, salt FROM scope ORDER BY id`)
	return rows(r, err, func(r *sql.Rows) error {
		var s Scope
		var salt []byte
		if err := r.Scan(&s.ID, &s.Name, &salt); err != nil {
			return err
		}
		copy(s.Salt[:], salt)
		return fn(s)
	})
}

// InsertScope stores a new scope.
func InsertScope(ctx context.Context, tx *sqldb.Tx, s Scope) error {
	_, err := tx.Exec(ctx, `INSERT INTO scope (id, name, salt) VALUES ($1, $2, $3)`, s.ID, s.Name, s.Salt[:])
	if err != nil {
		return fmt.Errorf("insert scope %s: %w", s.Name, err)
	}
	return nil
}

// Sent returns the position of what was put into a scope under a transaction id since a time, or
// [ErrNotFound]. It walks back through the scope.
func Sent(ctx context.Context, q sqldb.Queryer, scope, txn, since int64) (int64, error) {
	var pos int64
	err := q.QueryRow(ctx, `
		SELECT pos FROM entry WHERE scope = $1 AND txn = $2 AND time >= $3 ORDER BY pos DESC LIMIT 1`, scope, txn, since).Scan(&pos)
	return pos, notFound(err)
}

// Txns calls fn for the transaction ids of entries below a position, newest first, until it returns false.
func Txns(ctx context.Context, q sqldb.Queryer, below int64, fn func(txn, time int64) bool) error {
	r, err := q.Query(ctx, `SELECT txn, time FROM entry WHERE pos < $1 ORDER BY pos DESC`, below)
	stop := errors.New("enough")
	err = rows(r, err, func(r *sql.Rows) error {
		var txn, time int64
		if err := r.Scan(&txn, &time); err != nil {
			return err
		}
		if !fn(txn, time) {
			return stop
		}
		return nil
	})
	if err == stop {
		return nil
	}
	return err
}

// LastScope returns the highest number of a scope, 0 if there is none.
func LastScope(ctx context.Context, q sqldb.Queryer) (int64, error) {
	var id int64
	err := q.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM scope`).Scan(&id)
	return id, err
}

// NextSeq returns the sequence number that a scope's next entry has.
func NextSeq(ctx context.Context, q sqldb.Queryer, scope int64) (int64, error) {
	var seq int64
	err := q.QueryRow(ctx, `SELECT seq + 1 FROM entry WHERE scope = $1 ORDER BY pos DESC LIMIT 1`, scope).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

// InsertTile stores a full tile of the log.
func InsertTile(ctx context.Context, tx *sqldb.Tx, t record.Tile) error {
	_, err := tx.Exec(ctx, `INSERT INTO tile (level, n, data) VALUES ($1, $2, $3)`, t.Level, t.N, t.Data)
	if err != nil {
		return fmt.Errorf("insert tile %d/%d: %w", t.Level, t.N, err)
	}
	return nil
}

// TileData returns a full tile, or [ErrNotFound].
func TileData(ctx context.Context, q sqldb.Queryer, level int, n int64) ([]byte, error) {
	var data []byte
	err := q.QueryRow(ctx, `SELECT data FROM tile WHERE level = $1 AND n = $2`, level, n).Scan(&data)
	return data, notFound(err)
}

// KeepCheckpoint stores a checkpoint in the history of published ones.
func KeepCheckpoint(ctx context.Context, tx *sqldb.Tx, size, time int64, note []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO checkpoint (size, time, note) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING`, size, time, note)
	return err
}

// WriteStatements are those that every batch runs; the recorder has them prepared beforehand.
var WriteStatements = []string{insertEntry, advanceHead}
