// Package sqlfile reads SQLite databases that were handed in: a phone's or a computer's own store of
// messages, plain or encrypted with SQLCipher.
//
// Such a file is a stranger's. It is copied to a private temporary file, which has no name any more once
// it is open; of the original no byte ever changes. The copy is checked page by page before SQLite sees
// it, is opened for reading only, with a schema that is not trusted, without extensions, and with bounds
// on rows, on what a query gives out, and on time by the caller's context. Whatever is wrong with it
// comes back as a [capture.FileError].
//
// A database may have its newest changes in a second file beside it, its write-ahead log. It is merged
// into the copy, as far as its checksums hold. Where it is missing, [DB.Warnings] says what that means.
//
// The package knows no system's tables. They are for the parsers, which need not know SQL's drivers.
package sqlfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"

	"despatch/internal/capture"
)

// DB is an open copy of a database. It is for one goroutine. Queries may be nested: one may be made
// while the rows of another are read.
type DB struct {
	// Warnings tell what may be missing from the copy.
	Warnings []capture.Warning

	label  string
	dir    string
	size   int64
	pool   *sql.DB
	conn   *sql.Conn
	tables map[string][]string // columns by table
	given  int64               // bytes that queries have given out
}

const (
	maxRow     = 64 << 20 // bytes of one row; a message has a few kilobytes, a picture's preview perhaps a hundred
	maxTables  = 5_000
	maxColumns = 2_000
	maxSQL     = 1 << 20 // bytes of one statement of the schema

	magic = "SQLite format 3\x00"
)

const (
	remedyAgain = "Copy the database again, while the program it belongs to is closed, and hand it in with the files beside it."
	remedyOther = "Hand in another copy of the database, or an export that the program itself makes."
)

// Is says by its first bytes whether a member is an SQLite database that is not encrypted.
func Is(m *capture.Member) bool {
	head := make([]byte, 100)
	return m.Size >= 512 && readStart(m, head) == nil && string(head[:16]) == magic
}

// readStart fills b with the member's first bytes.
func readStart(m *capture.Member, b []byte) error {
	r, err := m.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.ReadFull(r, b)
	return err
}

// Log returns the write-ahead log of a database among the members it was handed in with, or nil.
func Log(m *capture.Member, members []*capture.Member) *capture.Member {
	for _, c := range members {
		if m.Path != "" && c.File == m.File && strings.EqualFold(c.Path, m.Path+"-wal") ||
			m.Path == "" && c.Path == "" && strings.EqualFold(c.Name, m.Name+"-wal") {
			return c
		}
	}
	return nil
}

// Open opens a database that is not encrypted. wal is its write-ahead log, or nil.
func Open(ctx context.Context, m, wal *capture.Member) (*DB, error) {
	return open(ctx, m, wal, plain{})
}

// OpenFrom opens a database that write writes, of at most limit bytes: one that was packed or encrypted
// as a whole. label is what to call it when speaking to its owner.
func OpenFrom(ctx context.Context, label string, limit int64, write func(io.Writer) error) (*DB, error) {
	c, err := newCopy(label)
	if err != nil {
		return nil, err
	}
	w := &boundedWriter{w: c.file, left: limit, label: label}
	if err := write(w); err != nil {
		c.remove()
		return nil, err
	}
	return c.finish(ctx, plain{}, nil)
}

func open(ctx context.Context, m, wal *capture.Member, pages pageReader) (*DB, error) {
	c, err := newCopy(m.Label())
	if err != nil {
		return nil, err
	}
	if err := c.fill(ctx, m, pages); err != nil {
		c.remove()
		return nil, err
	}
	return c.finish(ctx, pages, wal)
}

// finish merges the log and opens the copy. It removes the copy if it cannot.
func (c *copied) finish(ctx context.Context, pages pageReader, wal *capture.Member) (db *DB, err error) {
	defer func() {
		if err != nil {
			c.remove()
		}
	}()
	warnings, err := c.merge(ctx, wal, pages)
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.file.Close(); err != nil {
		return nil, fmt.Errorf("copy database: %w", err)
	}
	db = &DB{Warnings: warnings, label: c.label, dir: c.dir, size: c.size}
	if err := db.start(ctx, c); err != nil {
		db.closePool()
		return nil, err
	}
	// Where an open file can lose its name, no crash leaves somebody's messages behind. Where it cannot,
	// Close removes it.
	os.RemoveAll(db.dir)
	return db, nil
}

// pragmas: see https://www.sqlite.org/security.html, "Untrusted SQLite Database Files".
var pragmas = []string{"query_only(1)", "trusted_schema(0)", "cell_size_check(1)", "mmap_size(0)", "cache_size(-8192)", "foreign_keys(0)"}

// limits are SQLite's own, by the numbers of https://www.sqlite.org/c3ref/c_limit_attached.html.
var limits = [...]int{
	0:  maxRow,
	1:  maxSQL,
	2:  maxColumns,
	3:  200, // depth of an expression
	4:  20,  // compound SELECT
	6:  50,  // arguments of a function
	7:  0,   // attached databases
	10: 1,   // depth of triggers
	11: 0,   // helper threads
}

func (db *DB) start(ctx context.Context, c *copied) error {
	tree, err := c.walker()
	if err != nil {
		return err
	}
	defer tree.close()
	if err := tree.walk(ctx, 1); err != nil { // the schema's own
		return err
	}
	q := url.Values{"_pragma": pragmas, "mode": {"ro"}, "immutable": {"1"}, "_defensive": {"1"}, "_dqs": {"0"}}
	dsn := "file:" + (&url.URL{Path: c.path()}).EscapedPath() + "?" + q.Encode()
	if db.pool, err = sql.Open("sqlite", dsn); err != nil {
		return db.fault(ctx, err)
	}
	if db.conn, err = db.pool.Conn(ctx); err != nil {
		return db.fault(ctx, err)
	}
	for id, n := range limits {
		if id == 5 || id == 8 || id == 9 {
			continue
		}
		if _, err := sqlite.Limit(db.conn, id, n); err != nil {
			return fmt.Errorf("bound SQLite: %w", err)
		}
	}
	return db.readSchema(ctx, tree)
}

// readSchema lists the tables that hold data. Views and virtual tables are not among them: a stranger
// could make them do anything.
func (db *DB) readSchema(ctx context.Context, tree *walker) error {
	type object struct {
		kind, name, sql string
		root            int64
	}
	var objects []object
	err := db.Query(ctx, "SELECT type, name, rootpage, sql FROM sqlite_schema", func(r *Row) error {
		if len(objects) == maxTables {
			return db.FileError(fmt.Sprintf("has more than %d tables", maxTables), remedyOther)
		}
		objects = append(objects, object{kind: r.Text("type"), name: r.Text("name"), sql: r.Text("sql"), root: r.Int("rootpage")})
		return nil
	})
	if err != nil {
		return err
	}
	db.tables = map[string][]string{}
	for _, o := range objects {
		if o.root == 0 { // views, triggers, virtual tables
			continue
		}
		if err := tree.walk(ctx, o.root); err != nil {
			return err
		}
		if o.kind != "table" || strings.HasPrefix(strings.ToLower(o.name), "sqlite_") {
			continue
		}
		columns := []string{}
		err := db.Query(ctx, "SELECT name FROM pragma_table_info($1)", func(r *Row) error {
			columns = append(columns, r.Text("name"))
			return nil
		}, o.name)
		if err != nil {
			return err
		}
		db.tables[o.name] = columns
	}
	return nil
}

// Close closes the database and removes the copy.
func (db *DB) Close() error {
	err := db.closePool()
	return errors.Join(err, os.RemoveAll(db.dir))
}

func (db *DB) closePool() error {
	var errs []error
	if db.conn != nil {
		errs = append(errs, db.conn.Close())
	}
	if db.pool != nil {
		errs = append(errs, db.pool.Close())
	}
	return errors.Join(errs...)
}

// Label returns what to call the database when speaking to its owner.
func (db *DB) Label() string { return db.label }

// FileError returns what is wrong with the database, for its owner.
func (db *DB) FileError(reason, remedy string) error {
	return &capture.FileError{File: db.label, Reason: reason, Remedy: remedy}
}

func (db *DB) damaged() error { return db.FileError("is a damaged database", remedyAgain) }

// SQLite's primary result codes, https://www.sqlite.org/rescode.html.
const (
	codeError   = 1
	codeCorrupt = 11
	codeTooBig  = 18
	codeFormat  = 24
	codeNotADB  = 26
	codeShort   = 522 // IOERR_SHORT_READ
)

// fault sorts an error of SQLite into faults of the file, of this machine, and a caller who gave up.
func (db *DB) fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return fmt.Errorf("read database %q: %w", db.label, err)
	}
	switch code := lite.Code(); {
	case code&0xff == codeCorrupt, code&0xff == codeFormat, code&0xff == codeNotADB, code == codeShort:
		return db.damaged()
	case code&0xff == codeTooBig:
		return db.FileError(fmt.Sprintf("has a record of more than %d MB", maxRow>>20), remedyOther)
	case code&0xff == codeError:
		return db.FileError("is a database of a form that Despatch cannot read ("+lite.Error()+")", remedyOther)
	}
	return fmt.Errorf("read database %q: %w", db.label, err)
}

// Tables returns the names of the tables that hold data, in no order.
func (db *DB) Tables() []string {
	names := make([]string, 0, len(db.tables))
	for name := range db.tables {
		names = append(names, name)
	}
	return names
}

// HasTable says whether all these tables exist and hold data.
func (db *DB) HasTable(names ...string) bool {
	for _, name := range names {
		if _, ok := db.tables[name]; !ok {
			return false
		}
	}
	return true
}

// Columns returns the columns of a table, in its order; none if there is no such table. Columns that
// are computed are not among them.
func (db *DB) Columns(table string) []string { return db.tables[table] }

// HasColumn says whether a table has all these columns.
func (db *DB) HasColumn(table string, names ...string) bool {
	for _, name := range names {
		found := false
		for _, c := range db.tables[table] {
			found = found || c == name
		}
		if !found {
			return false
		}
	}
	return true
}

// copied is the private copy while it is being made.
type copied struct {
	label string
	dir   string
	file  *os.File
	page  int   // bytes of a page
	size  int64 // bytes of the copy
}

func newCopy(label string) (*copied, error) {
	dir, err := os.MkdirTemp("", "despatch-database-")
	if err != nil {
		return nil, fmt.Errorf("copy database: %w", err)
	}
	c := &copied{label: label, dir: dir}
	if c.file, err = os.OpenFile(c.path(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		c.remove()
		return nil, fmt.Errorf("copy database: %w", err)
	}
	return c, nil
}

func (c *copied) path() string { return filepath.Join(c.dir, "db") }

func (c *copied) remove() {
	if c.file != nil {
		c.file.Close()
	}
	os.RemoveAll(c.dir)
}

func (c *copied) fault(reason, remedy string) error {
	return &capture.FileError{File: c.label, Reason: reason, Remedy: remedy}
}

// boundedWriter refuses more than what a database may unfold to.
type boundedWriter struct {
	w     io.Writer
	left  int64
	label string
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, &capture.FileError{File: b.label, Reason: "unfolds to far more than a database of messages has", Remedy: remedyOther}
	}
	return b.w.Write(p)
}

// isFileFault says whether SQLite refuses what a file gave it: a constraint, a wrong type, too much, or
// a text that is no SQL.
func isFileFault(err error) bool {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return false
	}
	switch lite.Code() & 0xff {
	case codeError, codeTooBig, 19, 20: // constraint, mismatch
		return true
	}
	return false
}
