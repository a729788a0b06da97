package sqldb

import (
	"context"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"
)

// Migrate applies the numbered files of dir ("0001_record.sql") that have not been applied yet, in
// order, each in a transaction of its own. The word ROWID as a column's type becomes the database's
// 64-bit integer primary key. A file that has been released is never edited.
func Migrate(ctx context.Context, db *DB, dir fs.FS) error {
	files, err := fs.Glob(dir, "*.sql")
	if err != nil {
		return err
	}
	sort.Strings(files)
	err = db.Write(ctx, func(tx *Tx) error {
		_, err := tx.tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY, name TEXT NOT NULL)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("create the table of migrations: %w", err)
	}
	for _, name := range files {
		if err := migrateFile(ctx, db, dir, name); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
	return nil
}

func migrateFile(ctx context.Context, db *DB, dir fs.FS, name string) error {
	digits, _, _ := strings.Cut(name, "_")
	number, err := strconv.Atoi(digits)
	if err != nil {
		return fmt.Errorf("its name does not begin with a number")
	}
	text, err := fs.ReadFile(dir, name)
	if err != nil {
		return err
	}
	return db.Write(ctx, func(tx *Tx) error {
		var have int
		if err := tx.tx.QueryRowContext(ctx, `SELECT count(*) FROM migration WHERE number = $1`, number).Scan(&have); err != nil || have > 0 {
			return err
		}
		for _, stmt := range statements(string(text), db.dialect) {
			if _, err := tx.tx.ExecContext(ctx, stmt); err != nil {
				return fmt.Errorf("%.60q: %w", stmt, err)
			}
		}
		_, err := tx.tx.ExecContext(ctx, `INSERT INTO migration (number, name) VALUES ($1, $2)`, number, name)
		return err
	})
}

// statements splits a migration at semicolons that end a line and fits it to the dialect. A
// statement that begins with "-- sqlite:" or "-- postgres:" is for that database alone.
func statements(text string, d Dialect) []string {
	key := "INTEGER PRIMARY KEY"
	if d == Postgres {
		key = "BIGINT PRIMARY KEY"
	}
	var out []string
	for _, stmt := range strings.Split(text, ";\n") {
		stmt = strings.TrimSpace(stmt)
		other := SQLite
		if d == SQLite {
			other = Postgres
		}
		if stmt == "" || strings.HasPrefix(stmt, "-- "+other.String()+":") {
			continue
		}
		out = append(out, strings.ReplaceAll(stmt, " ROWID", " "+key))
	}
	return out
}
