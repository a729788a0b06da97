// Package store has every SQL statement of Despatch, one text for SQLite and PostgreSQL, a file per
// subject. It has no rules: it says what is stored, not what may be.
//
// Functions that write take the transaction of the recorder and do not commit it. Functions that
// read take a [sqldb.Queryer]: that transaction, or the reading pool.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"despatch/internal/sqldb"
)

// ErrNotFound is returned where exactly one row was asked for and there is none.
var ErrNotFound = errors.New("not found")

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the database's tables up to this program's.
func Migrate(ctx context.Context, db *sqldb.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return sqldb.Migrate(ctx, db, dir)
}

// notFound turns "no rows" into [ErrNotFound].
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// rows calls scan for each row and closes the result.
func rows(r *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		if err := scan(r); err != nil {
			return err
		}
	}
	return r.Err()
}

// Setting returns a stored setting, or [ErrNotFound].
func Setting(ctx context.Context, q sqldb.Queryer, name string) (string, error) {
	var v string
	err := q.QueryRow(ctx, `SELECT value FROM setting WHERE name = $1`, name).Scan(&v)
	return v, notFound(err)
}

// SetSetting stores a setting.
func SetSetting(ctx context.Context, tx *sqldb.Tx, name, value string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// Followed returns the position from which a follower of the record continues; 0 at first.
func Followed(ctx context.Context, q sqldb.Queryer, follower string) (int64, error) {
	var pos int64
	err := q.QueryRow(ctx, `SELECT pos FROM follower WHERE name = $1`, follower).Scan(&pos)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return pos, err
}

// SetFollowed stores how far a follower has come.
func SetFollowed(ctx context.Context, tx *sqldb.Tx, follower string, pos int64) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO follower (name, pos) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET pos = excluded.pos`, follower, pos)
	return err
}
