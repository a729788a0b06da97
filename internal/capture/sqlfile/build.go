package sqlfile

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Builder makes a database of rows that come in some other form, so that they can be read like any
// other. It is for one goroutine.
type Builder struct {
	c      *copied
	db     *sql.DB
	tx     *sql.Tx
	insert map[string]*sql.Stmt
	width  map[string]int
}

// Build begins a database. label is what to call it when speaking to its owner. Either [Builder.Finish]
// or [Builder.Abandon] must be called.
func Build(ctx context.Context, label string) (*Builder, error) {
	c, err := newCopy(label)
	if err != nil {
		return nil, err
	}
	b := &Builder{c: c, insert: map[string]*sql.Stmt{}, width: map[string]int{}}
	q := url.Values{"_pragma": {"page_size(4096)", "journal_mode(OFF)", "synchronous(OFF)", "cache_size(-8192)"}}
	if b.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: c.path()}).EscapedPath()+"?"+q.Encode()); err == nil {
		b.db.SetMaxOpenConns(1)
		b.tx, err = b.db.BeginTx(ctx, nil)
	}
	if err != nil {
		b.Abandon()
		return nil, fmt.Errorf("make a database: %w", err)
	}
	return b, nil
}

// Table adds a table. Its columns have no types; key, which may be empty, is the one that is its
// primary key, a whole number. A table that is there already is left as it is.
func (b *Builder) Table(ctx context.Context, name string, columns []string, key string) error {
	if _, ok := b.width[name]; ok {
		return nil
	}
	if len(columns) == 0 || len(columns) > maxColumns || len(b.width) >= maxTables || strings.HasPrefix(strings.ToLower(name), "sqlite_") {
		return b.c.fault("has a table that cannot be one", remedyOther)
	}
	var q strings.Builder
	q.WriteString("CREATE TABLE " + Quote(name) + " (")
	for i, c := range columns {
		if i > 0 {
			q.WriteString(", ")
		}
		q.WriteString(Quote(c))
		if c == key {
			q.WriteString(" INTEGER PRIMARY KEY")
		}
	}
	q.WriteString(")")
	if _, err := b.tx.ExecContext(ctx, q.String()); err != nil {
		return b.fault(ctx, err, "a table")
	}
	b.width[name] = len(columns)
	return nil
}

// Insert adds a row. A row of another number of values than the table has columns is a fault of the
// file; so are two rows with the same key.
func (b *Builder) Insert(ctx context.Context, name string, values []any) error {
	n, ok := b.width[name]
	if !ok || n != len(values) {
		return b.c.fault("has a record that does not fit its table", remedyOther)
	}
	stmt := b.insert[name]
	if stmt == nil {
		marks := make([]string, n)
		for i := range marks {
			marks[i] = "$" + strconv.Itoa(i+1)
		}
		var err error
		if stmt, err = b.tx.PrepareContext(ctx, "INSERT INTO "+Quote(name)+" VALUES ("+strings.Join(marks, ", ")+")"); err != nil {
			return b.fault(ctx, err, "a table")
		}
		b.insert[name] = stmt
	}
	if _, err := stmt.ExecContext(ctx, values...); err != nil {
		return b.fault(ctx, err, "a record")
	}
	return nil
}

// fault sorts an error: what a record did that SQLite refuses is a fault of the file.
func (b *Builder) fault(ctx context.Context, err error, what string) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	if isFileFault(err) {
		return b.c.fault("has "+what+" that cannot be stored", remedyOther)
	}
	return fmt.Errorf("make a database: %w", err)
}

// Finish opens what was made. The builder is of no use afterwards.
func (b *Builder) Finish(ctx context.Context) (*DB, error) {
	for _, s := range b.insert {
		s.Close()
	}
	err := b.tx.Commit()
	if cerr := b.db.Close(); err == nil {
		err = cerr
	}
	b.db = nil
	if err != nil {
		b.c.remove()
		return nil, fmt.Errorf("make a database: %w", err)
	}
	return b.c.finish(ctx, plain{}, nil)
}

// Abandon removes what was made.
func (b *Builder) Abandon() {
	if b.tx != nil {
		b.tx.Rollback()
	}
	if b.db != nil {
		b.db.Close()
	}
	b.c.remove()
}
