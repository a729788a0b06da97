// Package sqldb opens the database that Despatch keeps its state in, SQLite or PostgreSQL, and gives
// the rest of the program one way to use both: a single writing transaction at a time, a pool for
// reading, prepared statements kept for reuse, numbered migrations, and errors sorted into the few
// classes that callers act on.
//
// It knows no table. Package store has the statements.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// Dialect tells the two databases apart in the few places where their SQL must differ.
type Dialect int

const (
	SQLite Dialect = iota
	Postgres
)

func (d Dialect) String() string {
	if d == Postgres {
		return "postgres"
	}
	return "sqlite"
}

// Queryer runs statements: a [*Tx] inside a change, or [DB.Reader] outside of one.
type Queryer interface {
	Exec(ctx context.Context, query string, args ...any) (sql.Result, error)
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
	Dialect() Dialect
}

// DB is an open database. It is safe for concurrent use, but only one transaction can write at a
// time: see [DB.Begin].
type DB struct {
	dialect Dialect
	path    string // the database file; empty for PostgreSQL
	writer  *pool  // one connection
	reader  *pool
	wal     *checkpointer // nil for PostgreSQL
	pulse   *pulse        // nil for PostgreSQL
}

// Options are what a caller may choose when opening.
type Options struct {
	Readers  int  // connections for reading; 0 means twice the number of processors, at least 4
	ReadOnly bool // open for inspection: no writer's connection, no migration (SQLite only)
}

// Open opens the database at target: a postgres:// URL, or the path of an SQLite file, which is
// created if it does not exist.
func Open(ctx context.Context, target string, opt Options) (*DB, error) {
	if opt.Readers <= 0 {
		opt.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if strings.HasPrefix(target, "postgres://") || strings.HasPrefix(target, "postgresql://") {
		return openPostgres(ctx, target, opt)
	}
	return openSQLite(ctx, strings.TrimPrefix(target, "sqlite:"), opt)
}

func openPostgres(ctx context.Context, target string, opt Options) (*DB, error) {
	db := &DB{dialect: Postgres}
	var err error
	if db.writer, err = newPool("pgx", target, 1, Postgres); err != nil {
		return nil, err
	}
	if db.reader, err = newPool("pgx", target, opt.Readers, Postgres); err != nil {
		return nil, err
	}
	if err := db.writer.db.PingContext(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return db, nil
}

func openSQLite(ctx context.Context, path string, opt Options) (*DB, error) {
	db := &DB{dialect: SQLite, path: path}
	var err error
	if !opt.ReadOnly {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("create the data folder: %w", err)
		}
		if db.writer, err = newPool("sqlite", sqliteDSN(path, writerPragmas), 1, SQLite); err != nil {
			return nil, err
		}
		// The first connection creates the file and its write-ahead log, which readers then share.
		if err := db.writer.db.PingContext(ctx); err != nil {
			db.Close()
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
	}
	if db.reader, err = newPool("sqlite", sqliteDSN(path, readerPragmas), opt.Readers, SQLite); err != nil {
		db.Close()
		return nil, err
	}
	if !opt.ReadOnly {
		db.wal = newCheckpointer(path, db.writer)
		db.pulse = newPulse(filepath.Dir(path))
	}
	return db, nil
}

// writerPragmas are those of the one connection that writes. FULL makes COMMIT durable; the
// write-ahead log is checkpointed by [checkpointer], not inside somebody's COMMIT; secure_delete
// overwrites what a disposal deletes.
var writerPragmas = []string{
	"page_size(8192)", "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(0)",
	"journal_size_limit(67108864)", "cache_size(-8192)", "busy_timeout(5000)", "foreign_keys(1)",
	"secure_delete(FAST)", "temp_store(MEMORY)",
}

// readerPragmas: reading through a memory map is twice as fast as through a page cache, and its
// pages are the kernel's, not ours.
var readerPragmas = []string{
	"busy_timeout(5000)", "query_only(1)", "mmap_size(1073741824)", "cache_size(-2000)", "temp_store(MEMORY)",
}

func sqliteDSN(path string, pragmas []string) string {
	q := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Dialect says which database this is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Path is the SQLite file, or "" for PostgreSQL.
func (db *DB) Path() string { return db.path }

// Reader runs single statements on the reading pool. A reader sees what was committed before its
// statement began.
func (db *DB) Reader() Queryer { return db.reader }

// View runs fn in one read-only transaction: its statements see one state of the database.
func (db *DB) View(ctx context.Context, fn func(Queryer) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.dialect == Postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	conn, err := db.reader.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open a reading connection: %w", err)
	}
	defer conn.Close()
	if db.dialect == SQLite {
		// BEGIN by hand: the driver's own would ask for the writer's lock.
		if _, err := conn.ExecContext(ctx, "BEGIN DEFERRED"); err != nil {
			return fmt.Errorf("begin reading: %w", err)
		}
		defer conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return fn(connQueryer{conn, db.dialect})
	}
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin reading: %w", err)
	}
	defer tx.Rollback()
	return fn(txQueryer{tx, db.dialect})
}

// Begin opens the writing transaction. Only one exists at a time: Begin waits for the other to end.
// The context bounds the wait and, on PostgreSQL, every statement of the transaction.
func (db *DB) Begin(ctx context.Context) (*Tx, error) {
	if db.pulse.gone() {
		return nil, ErrLost
	}
	tx, err := db.writer.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return &Tx{tx: tx, pool: db.writer, pulse: db.pulse}, nil
}

// Write runs fn in a transaction and commits it if fn returns nil. It is for setting up and for
// tests: in a running server the recorder owns the writing connection.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// Committed tells the database that n rows were committed, so that it can keep the write-ahead log
// short between two transactions. It must be called by the owner of the writing connection.
func (db *DB) Committed(ctx context.Context, n int) {
	if db.wal != nil {
		db.wal.committed(ctx, n)
	}
}

// Size is the number of bytes that the database takes on disk.
func (db *DB) Size(ctx context.Context) (int64, error) {
	var n int64
	if db.dialect == Postgres {
		err := db.reader.QueryRow(ctx, `SELECT pg_database_size(current_database())`).Scan(&n)
		return n, err
	}
	for _, suffix := range []string{"", "-wal"} {
		if fi, err := os.Stat(db.path + suffix); err == nil {
			n += fi.Size()
		}
	}
	return n, nil
}

// Close waits for running statements and closes every connection. SQLite's write-ahead log is
// folded into the database file.
func (db *DB) Close() error {
	var errs []error
	if db.wal != nil {
		db.wal.stop()
	}
	if db.reader != nil {
		errs = append(errs, db.reader.close())
	}
	if db.writer != nil {
		if db.dialect == SQLite {
			db.writer.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
		}
		errs = append(errs, db.writer.close())
	}
	db.pulse.close()
	return errors.Join(errs...)
}

// pool is an *sql.DB that keeps prepared statements. For PostgreSQL the driver does that itself.
type pool struct {
	db      *sql.DB
	dialect Dialect
	stmts   sync.Map // string → *sql.Stmt
}

func newPool(driver, dsn string, conns int, d Dialect) (*pool, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if d == Postgres {
		db.SetConnMaxIdleTime(5 * time.Minute)
	}
	return &pool{db: db, dialect: d}, nil
}

func (p *pool) close() error {
	p.stmts.Range(func(_, s any) bool { s.(*sql.Stmt).Close(); return true })
	return p.db.Close()
}

// stmt returns the prepared statement of a query, or nil where preparing brings nothing.
// Queries are constants of package store, so their number is bounded.
func (p *pool) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if p.dialect == Postgres {
		return nil, nil
	}
	if s, ok := p.stmts.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.db.PrepareContext(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, err
	}
	if old, loaded := p.stmts.LoadOrStore(query, s); loaded {
		s.Close()
		return old.(*sql.Stmt), nil
	}
	return s, nil
}

func (p *pool) Dialect() Dialect { return p.dialect }

func (p *pool) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s, err := p.stmt(ctx, query); err == nil && s != nil {
		return s.ExecContext(ctx, args...)
	}
	return p.db.ExecContext(ctx, query, args...)
}

func (p *pool) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s, err := p.stmt(ctx, query); err == nil && s != nil {
		return s.QueryContext(ctx, args...)
	}
	return p.db.QueryContext(ctx, query, args...)
}

func (p *pool) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	if s, err := p.stmt(ctx, query); err == nil && s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return p.db.QueryRowContext(ctx, query, args...)
}

// Tx is the writing transaction.
type Tx struct {
	tx    *sql.Tx
	pool  *pool
	pulse *pulse
	stmts map[string]*sql.Stmt // this transaction's handles of the pool's prepared statements
}

// stmt binds a prepared statement to the transaction. A statement is prepared outside of it on first
// use, which needs the one connection: so prepare within the transaction instead, and let the pool's
// copy be made by [DB.Warm].
func (t *Tx) stmt(ctx context.Context, query string) *sql.Stmt {
	if t.pool.dialect == Postgres {
		return nil
	}
	if s, ok := t.stmts[query]; ok {
		return s
	}
	var s *sql.Stmt
	if p, ok := t.pool.stmts.Load(query); ok {
		s = t.tx.StmtContext(ctx, p.(*sql.Stmt))
	} else {
		var err error
		if s, err = t.tx.PrepareContext(ctx, query); err != nil {
			return nil
		}
	}
	if t.stmts == nil {
		t.stmts = make(map[string]*sql.Stmt, 8)
	}
	t.stmts[query] = s
	return s
}

// Warm prepares statements on the writing connection, so that every later transaction finds them.
func (db *DB) Warm(ctx context.Context, queries ...string) error {
	for _, q := range queries {
		if _, err := db.writer.stmt(ctx, q); err != nil {
			return fmt.Errorf("prepare %.40q: %w", q, err)
		}
	}
	return nil
}

func (t *Tx) Dialect() Dialect { return t.pool.dialect }

func (t *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s := t.stmt(ctx, query); s != nil {
		return s.ExecContext(ctx, args...)
	}
	return t.tx.ExecContext(ctx, query, args...)
}

func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s := t.stmt(ctx, query); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return t.tx.QueryContext(ctx, query, args...)
}

func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	if s := t.stmt(ctx, query); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return t.tx.QueryRowContext(ctx, query, args...)
}

// Commit makes the transaction durable. If it fails on SQLite the transaction is undone, unless the
// error is [ErrLost]; on PostgreSQL it may have happened all the same, if the connection broke.
func (t *Tx) Commit() error {
	err := t.tx.Commit()
	if err != nil && t.pool.dialect == SQLite {
		// A COMMIT that failed for want of space leaves the transaction open on the connection.
		t.pool.db.Exec("ROLLBACK")
	}
	if err == nil {
		err = t.pulse.beat()
	}
	return err
}

// Rollback undoes the transaction. After Commit it does nothing.
func (t *Tx) Rollback() error { return t.tx.Rollback() }

type connQueryer struct {
	conn    *sql.Conn
	dialect Dialect
}

func (c connQueryer) Dialect() Dialect { return c.dialect }
func (c connQueryer) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return c.conn.ExecContext(ctx, query, args...)
}
func (c connQueryer) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.conn.QueryContext(ctx, query, args...)
}
func (c connQueryer) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return c.conn.QueryRowContext(ctx, query, args...)
}

type txQueryer struct {
	tx      *sql.Tx
	dialect Dialect
}

func (c txQueryer) Dialect() Dialect { return c.dialect }
func (c txQueryer) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return c.tx.ExecContext(ctx, query, args...)
}
func (c txQueryer) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.tx.QueryContext(ctx, query, args...)
}
func (c txQueryer) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return c.tx.QueryRowContext(ctx, query, args...)
}
