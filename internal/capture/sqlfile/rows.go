package sqlfile

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Row is one row of a query. It is good until the next one is read; what its methods return may be
// kept.
//
// SQLite lets any column of any row hold any kind of value, and columns come and go between versions
// of a program. The methods therefore never fail: a column that is not there, is NULL, or holds
// something else gives the zero value, and [Row.Has] tells.
type Row struct {
	columns *columns
	values  []any
	key     int64
}

// columns are shared by the rows of a query.
type columns struct {
	names  []string
	places map[string]int
	sorted []int // places in the order of the names
}

func newColumns(names []string) *columns {
	c := &columns{names: names, places: make(map[string]int, len(names)), sorted: make([]int, len(names))}
	for i, name := range names {
		c.places[name], c.sorted[i] = i, i
	}
	slices.SortFunc(c.sorted, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	return c
}

// Key returns the row's primary key, in a [DB.Scan].
func (r *Row) Key() int64 { return r.key }

func (r *Row) value(column string) any {
	if i, ok := r.columns.places[column]; ok {
		return r.values[i]
	}
	return nil
}

// Has says whether the row has a value in this column.
func (r *Row) Has(column string) bool { return r.value(column) != nil }

// Int returns a whole number. A fraction is cut off; digits in a text count as a number.
func (r *Row) Int(column string) int64 {
	switch v := r.value(column).(type) {
	case int64:
		return v
	case float64:
		if v >= -1<<63 && v < 1<<63 {
			return int64(v)
		}
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

// Bool says whether a number is not zero.
func (r *Row) Bool(column string) bool { return r.Int(column) != 0 }

// Float returns a number. It is never infinite.
func (r *Row) Float(column string) float64 {
	var f float64
	switch v := r.value(column).(type) {
	case int64:
		return float64(v)
	case float64:
		f = v
	case string:
		f, _ = strconv.ParseFloat(v, 64)
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return 0
	}
	return f
}

// Text returns a text. Bytes that are no UTF-8 become U+FFFD: see [Row.Lossy]. Numbers are written out.
func (r *Row) Text(column string) string {
	switch v := r.value(column).(type) {
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	case []byte:
		return strings.ToValidUTF8(string(v), "\uFFFD")
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

// Lossy says whether the text in this column has bytes that are no UTF-8.
func (r *Row) Lossy(column string) bool {
	switch v := r.value(column).(type) {
	case string:
		return !utf8.ValidString(v)
	case []byte:
		return !utf8.Valid(v)
	}
	return false
}

// Bytes returns a value's bytes, of a text too.
func (r *Row) Bytes(column string) []byte {
	switch v := r.value(column).(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

// SHA256 returns the hash of the row as canonical JSON, in hexadecimal: an object with the columns in
// the order of their names; NULL as null, texts as strings, whole numbers as they are, fractions as the
// shortest decimal that gives the same number, and bytes, or texts that are no UTF-8, as an object with
// the one member hex.
func (r *Row) SHA256() string {
	b := []byte{'{'}
	for i, at := range r.columns.sorted {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, r.columns.names[at])
		b = append(b, ':')
		b = appendValue(b, r.values[at])
	}
	sum := sha256.Sum256(append(b, '}'))
	return hex.EncodeToString(sum[:])
}

func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func appendValue(b []byte, value any) []byte {
	switch v := value.(type) {
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case string:
		if utf8.ValidString(v) {
			return appendString(b, v)
		}
		return appendValue(b, []byte(v))
	case []byte:
		b = append(b, `{"hex":"`...)
		b = hex.AppendEncode(b, v)
		return append(b, `"}`...)
	}
	return append(b, "null"...)
}

// Rows are the rows of a query that the caller asks for one by one.
type Rows struct {
	db   *DB
	rows *sql.Rows
	row  Row
	dest []any
	err  error
}

// Rows runs a query. The text of a query is the parser's own, with $1, $2 … for what a file says.
// Dates that a column's declaration calls so would be turned into other values: select such a column
// with a plus sign before it.
func (db *DB) Rows(ctx context.Context, query string, args ...any) (*Rows, error) {
	rows, err := db.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, db.fault(ctx, err)
	}
	names, err := rows.Columns()
	if err != nil {
		rows.Close()
		return nil, db.fault(ctx, err)
	}
	r := &Rows{db: db, rows: rows, row: Row{columns: newColumns(names), values: make([]any, len(names))}, dest: make([]any, len(names))}
	for i := range r.dest {
		r.dest[i] = &r.row.values[i]
	}
	return r, nil
}

// Next reads the next row, and says whether there is one. The context is that of the query.
func (r *Rows) Next(ctx context.Context) bool {
	if r.err != nil || !r.rows.Next() {
		if r.err == nil {
			r.err = r.db.fault(ctx, r.rows.Err())
		}
		r.rows.Close()
		return false
	}
	if err := r.rows.Scan(r.dest...); err != nil {
		r.err = fmt.Errorf("read database %q: %w", r.db.label, err)
		return false
	}
	for i, value := range r.row.values {
		switch v := value.(type) {
		case string:
			r.db.given += int64(len(v))
		case []byte:
			r.db.given += int64(len(v))
		case bool:
			r.row.values[i] = int64(0)
			if v {
				r.row.values[i] = int64(1)
			}
		case time.Time: // see [DB.Rows]
			r.row.values[i] = v.UTC().Format(time.RFC3339Nano)
		}
	}
	// Records may share their pages in a file that was made to unfold.
	if r.db.given > 64*r.db.size+256<<20 {
		r.err = r.db.FileError("gives out far more than it holds", remedyOther)
		return false
	}
	return true
}

// Row returns the row that Next read.
func (r *Rows) Row() *Row { return &r.row }

// Err returns what ended the reading, or nil if it was the last row.
func (r *Rows) Err() error { return r.err }

// Close ends the reading.
func (r *Rows) Close() { r.rows.Close() }

// Query calls fn for each row of a query: see [DB.Rows]. An error that fn returns ends it and comes
// back as it is.
func (db *DB) Query(ctx context.Context, query string, fn func(*Row) error, args ...any) error {
	rows, err := db.Rows(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next(ctx) {
		if err := fn(rows.Row()); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Scan calls fn for every row of a table, whole, in the order of its primary key, without using an
// index. The table must have a whole number as its key, as nearly all have.
func (db *DB) Scan(ctx context.Context, table string, fn func(*Row) error) error {
	names := db.Columns(table)
	if len(names) == 0 {
		return db.FileError("has no table “"+table+"”", remedyOther)
	}
	var q strings.Builder
	q.WriteString("SELECT rowid")
	for _, name := range names {
		q.WriteString(", +" + Quote(name)) // the sign hides the declared type
	}
	q.WriteString(" FROM " + Quote(table) + " NOT INDEXED ORDER BY rowid")
	rows, err := db.Rows(ctx, q.String())
	if err != nil {
		return err
	}
	defer rows.Close()
	row := &Row{columns: newColumns(names), values: rows.row.values[1:]}
	for first := true; rows.Next(ctx); first = false {
		key, ok := rows.row.values[0].(int64)
		if !ok || !first && key <= row.key {
			return db.damaged()
		}
		row.key = key
		if err := fn(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Count returns how many rows a table has, without using an index; 0 if there is no such table.
func (db *DB) Count(ctx context.Context, table string) (int64, error) {
	if !db.HasTable(table) {
		return 0, nil
	}
	var n int64
	err := db.Query(ctx, "SELECT count(*) AS n FROM "+Quote(table)+" NOT INDEXED", func(r *Row) error {
		n = r.Int("n")
		return nil
	})
	return n, err
}

// Quote writes a name of a table or a column for use in a query.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Side reads the rows that belong to other rows, such as the reactions to messages, beside these: both
// in the order of one number.
type Side struct {
	rows *Rows
	key  string
	more bool // rows holds a row that has not been given out
	last int64
}

// Side runs a query whose rows are ordered by the column key, a whole number.
func (db *DB) Side(ctx context.Context, key, query string, args ...any) (*Side, error) {
	rows, err := db.Rows(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	s := &Side{rows: rows, key: key, last: math.MinInt64}
	s.more = rows.Next(ctx)
	return s, nil
}

// Each calls fn for the rows of a number, which must be larger than that of the call before. Rows of
// numbers in between are passed over. A nil Side has no rows.
func (s *Side) Each(ctx context.Context, n int64, fn func(*Row) error) error {
	if s == nil {
		return nil
	}
	for ; s.more; s.more = s.rows.Next(ctx) {
		row := s.rows.Row()
		at := row.Int(s.key)
		if at < s.last {
			return s.rows.db.damaged()
		}
		s.last = at
		if at > n {
			return nil
		}
		if at == n {
			if err := fn(row); err != nil {
				return err
			}
		}
	}
	return s.rows.Err()
}

// Close ends the reading.
func (s *Side) Close() {
	if s != nil {
		s.rows.Close()
	}
}
