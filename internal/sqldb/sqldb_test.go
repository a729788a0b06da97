package sqldb_test

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

var schema = fstest.MapFS{
	"0001_a.sql": {Data: []byte("CREATE TABLE thing (id ROWID, name TEXT NOT NULL UNIQUE, data BYTEA);\n-- postgres: nothing\nSELECT 1;\n")},
	"0002_b.sql": {Data: []byte("ALTER TABLE thing ADD COLUMN size BIGINT;\n")},
}

func TestMigrateAndWrite(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		ctx := context.Background()
		db := sqldbtest.Open(t, target)
		for range 2 { // the second time finds nothing to do
			if err := sqldb.Migrate(ctx, db, schema); err != nil {
				t.Fatal(err)
			}
		}
		insert := func(id int64, name string) error {
			return db.Write(ctx, func(tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO thing (id, name, data, size) VALUES ($1, $2, $3, $4)`, id, name, []byte{0, 255}, 1<<40)
				return err
			})
		}
		if err := insert(1<<40, "a"); err != nil {
			t.Fatal(err)
		}
		err := insert(2, "a")
		if !sqldb.IsUnique(err) || sqldb.IsUnavailable(err) {
			t.Errorf("second row of one name: %v, want a unique violation", err)
		}
		fail := errors.New("no")
		if err := db.Write(ctx, func(tx *sqldb.Tx) error {
			tx.Exec(ctx, `INSERT INTO thing (id, name) VALUES ($1, $2)`, 3, "c")
			return fail
		}); err != fail {
			t.Errorf("Write = %v, want the function's error", err)
		}
		var n, id, size int64
		var data []byte
		err = db.View(ctx, func(q sqldb.Queryer) error {
			if err := q.QueryRow(ctx, `SELECT count(*) FROM thing`).Scan(&n); err != nil {
				return err
			}
			return q.QueryRow(ctx, `SELECT id, data, size FROM thing WHERE name = $1`, "a").Scan(&id, &data, &size)
		})
		if err != nil || n != 1 || id != 1<<40 || size != 1<<40 || len(data) != 2 {
			t.Errorf("rows = %d, id %d, size %d, data %x, err %v", n, id, size, data, err)
		}
	})
}

func TestReaderCannotWrite(t *testing.T) {
	ctx := context.Background()
	db := sqldbtest.Open(t, sqldbtest.SQLite(t))
	if err := sqldb.Migrate(ctx, db, schema); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Reader().Exec(ctx, `INSERT INTO thing (id, name) VALUES (1, 'x')`); err == nil {
		t.Error("a reading connection wrote a row")
	}
}

func TestDatabaseGoesAway(t *testing.T) {
	target := sqldbtest.Postgres(t)
	ctx := context.Background()
	db := sqldbtest.Open(t, target)
	if err := sqldb.Migrate(ctx, db, schema); err != nil {
		t.Fatal(err)
	}
	stop, start := sqldbtest.Restart(t)
	write := func() error {
		return db.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO thing (id, name) VALUES (9, 'n')`)
			return err
		})
	}
	stop()
	if err := write(); !sqldb.IsUnavailable(err) {
		t.Errorf("write to a stopped server: %v, want unavailable", err)
	}
	start()
	if err := write(); err != nil {
		t.Errorf("write after the server came back: %v", err)
	}
}
