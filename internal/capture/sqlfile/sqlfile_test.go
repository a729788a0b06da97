package sqlfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
)

func member(t testing.TB, name string, data []byte) *capture.Member {
	t.Helper()
	f, err := capture.NewFile(t.Context(), name, bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return f.Member()
}

func fixture(t testing.TB, name string) *capture.Member {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return member(t, name, data)
}

// written returns the bytes of a database that statements make, and of its log if it has one.
func written(t testing.TB, statements ...string) (data, wal []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if data, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	wal, _ = os.ReadFile(path + "-wal")
	db.Close()
	return data, wal
}

// notes reads the table that the fixtures have.
func notes(t testing.TB, db *DB) map[int64]string {
	t.Helper()
	got := map[int64]string{}
	err := db.Scan(t.Context(), "note", func(r *Row) error {
		got[r.Key()] = r.Text("body")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantFault(t testing.TB, err error, words string) {
	t.Helper()
	var fault *capture.FileError
	if !errors.As(err, &fault) || !strings.Contains(fault.Reason, words) || fault.Remedy == "" {
		t.Errorf("got error %v, want a fault of the file with %q and a remedy", err, words)
	}
}

func TestCipher(t *testing.T) {
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = byte(i)
	}
	hexKey, ok := HexKey("x'" + hex.EncodeToString(raw) + "'")
	if !ok {
		t.Fatal("a key in hexadecimal is not one")
	}
	for _, c := range []struct {
		file, wal string
		key       Key
		seven     string
		rows      int
		warning   string
	}{
		{"passphrase4.db", "", Passphrase("harbour kettle"), fmt.Sprintf("note 7: %035d", 7), 40, ""},
		{"passphrase3.db", "", Passphrase("harbour kettle"), fmt.Sprintf("note 7: %035d", 7), 40, ""},
		{"raw4.db", "raw4.db-wal", hexKey, "changed in the log", 41, ""},
		{"raw4.db", "", RawKey(raw), fmt.Sprintf("note 7: %035d", 7), 40, "wal_missing"},
	} {
		t.Run(c.file+c.wal, func(t *testing.T) {
			m := fixture(t, c.file)
			var wal *capture.Member
			if c.wal != "" {
				wal = fixture(t, c.wal)
			}
			if Is(m) {
				t.Error("an encrypted database passes for a plain one")
			}
			db, err := OpenCipher(t.Context(), m, wal, c.key)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			got := notes(t, db)
			if len(got) != c.rows || got[7] != c.seven || got[40] != fmt.Sprintf("note 40: %0200d", 40) {
				t.Errorf("got %d rows, 7 is %q, 40 is %q", len(got), got[7], got[40])
			}
			if c.rows == 41 && got[41] != "only in the log" {
				t.Errorf("row 41 is %q", got[41])
			}
			if warned := len(db.Warnings) > 0; warned != (c.warning != "") || warned && db.Warnings[0].Code != c.warning {
				t.Errorf("warnings are %v, want %q", db.Warnings, c.warning)
			}
			if _, err := OpenCipher(t.Context(), m, wal, RawKey(make([]byte, 32))); err == nil {
				t.Error("a wrong key opens it")
			} else {
				wantFault(t, err, "this password or key")
			}
		})
	}
}

func TestCipherFindsEveryChangedPage(t *testing.T) {
	data, err := os.ReadFile("testdata/raw4.db")
	if err != nil {
		t.Fatal(err)
	}
	key, _ := HexKey("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	for page := 1; page < len(data)/4096; page++ {
		bad := bytes.Clone(data)
		bad[page*4096+100] ^= 1
		_, err := OpenCipher(t.Context(), member(t, "db.sqlite", bad), nil, key)
		wantFault(t, err, fmt.Sprintf("page %d", page+1))
	}
}

func TestLog(t *testing.T) {
	data, wal := written(t, "PRAGMA journal_mode=WAL", "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)",
		"INSERT INTO note VALUES (1, 'one')", "PRAGMA wal_checkpoint(TRUNCATE)", "INSERT INTO note VALUES (2, 'two')", "INSERT INTO note VALUES (3, 'three')")
	frame := 24 + 4096
	if len(wal) != 32+2*frame {
		t.Fatalf("the log has %d bytes, want two frames", len(wal))
	}
	flipped := bytes.Clone(wal)
	flipped[32+frame+50] ^= 1
	alien := bytes.Clone(wal)
	alien[9] ^= 1
	for _, c := range []struct {
		name    string
		wal     []byte
		rows    int
		warning string
	}{
		{"whole", wal, 3, ""},
		{"cut inside the second frame", wal[:32+frame+900], 2, "wal_damaged"},
		{"cut after the first frame", wal[:32+frame], 2, ""},
		{"changed in the second frame", flipped, 2, "wal_damaged"},
		{"of another page size", alien, 1, "wal_unusable"},
		{"too short", wal[:20], 1, "wal_unusable"},
		{"empty", nil, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := Open(t.Context(), member(t, "chat.db", data), member(t, "chat.db-wal", c.wal))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if got := notes(t, db); len(got) != c.rows {
				t.Errorf("got %v, want %d rows", got, c.rows)
			}
			if warned := len(db.Warnings) > 0; warned != (c.warning != "") || warned && db.Warnings[0].Code != c.warning {
				t.Errorf("warnings are %v, want %q", db.Warnings, c.warning)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		db, err := Open(t.Context(), member(t, "chat.db", data), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if len(db.Warnings) != 1 || db.Warnings[0].Code != "wal_missing" {
			t.Errorf("warnings are %v", db.Warnings)
		}
	})
}

func TestRow(t *testing.T) {
	data, _ := written(t, `CREATE TABLE "odd name" (id INTEGER PRIMARY KEY, "when" TIMESTAMP, ok BOOLEAN, body TEXT, raw BLOB, size REAL, n INTEGER, twice AS (n * 2), gone TEXT)`,
		`INSERT INTO "odd name" (id, "when", ok, body, raw, size, n) VALUES (5, '2024-01-02 03:04:05', 1, 'a"b'||char(10)||'é', x'00ff', 0.5, 9007199254740993)`,
		`INSERT INTO "odd name" (id, n, body) VALUES (6, 'twelve', CAST(x'61ff62' AS TEXT))`,
		"CREATE VIEW seen AS SELECT 1", "CREATE VIRTUAL TABLE words USING fts5(body)")
	db, err := Open(t.Context(), member(t, "x.db", data), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.HasTable("seen") || db.HasTable("words") || !db.HasTable("odd name") || db.HasColumn("odd name", "twice") || !db.HasColumn("odd name", "n", "raw") {
		t.Errorf("tables are %v, columns %v", db.Tables(), db.Columns("odd name"))
	}
	n := 0
	err = db.Scan(t.Context(), "odd name", func(r *Row) error {
		n++
		switch r.Key() {
		case 5:
			if r.Text("when") != "2024-01-02 03:04:05" || !r.Bool("ok") || r.Text("body") != "a\"b\né" || !bytes.Equal(r.Bytes("raw"), []byte{0, 255}) ||
				r.Float("size") != 0.5 || r.Int("n") != 9007199254740993 || r.Has("gone") || r.Has("nowhere") || r.Int("body") != 0 {
				t.Errorf("row 5 is %v", r.values)
			}
			want := sha256.Sum256([]byte(`{"body":"a\"b\né","gone":null,"id":5,"n":9007199254740993,"ok":1,"raw":{"hex":"00ff"},"size":0.5,"when":"2024-01-02 03:04:05"}`))
			if got := r.SHA256(); got != hex.EncodeToString(want[:]) {
				t.Errorf("hash is %s", got)
			}
		case 6:
			if r.Int("n") != 0 || r.Text("n") != "twelve" || r.Text("body") != "a\uFFFDb" || !r.Lossy("body") {
				t.Errorf("row 6 is %v", r.values)
			}
		}
		return nil
	})
	if err != nil || n != 2 {
		t.Errorf("read %d rows, %v", n, err)
	}
	if err := db.Query(t.Context(), `INSERT INTO "odd name" (id) VALUES (7) RETURNING id`, func(*Row) error { return nil }); err == nil {
		t.Error("the copy can be written to")
	}
	if err := db.Query(t.Context(), `ATTACH 'other.db' AS other`, func(*Row) error { return nil }); err == nil {
		t.Error("another file can be attached")
	}
}

func TestSide(t *testing.T) {
	data, _ := written(t, "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)", "CREATE TABLE mark (id INTEGER PRIMARY KEY, note INTEGER, value TEXT)",
		"INSERT INTO note VALUES (1, 'a'), (3, 'b'), (4, 'c')", "INSERT INTO mark (note, value) VALUES (4, 'w'), (1, 'x'), (2, 'lost'), (1, 'y'), (9, 'far')")
	db, err := Open(t.Context(), member(t, "x.db", data), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	marks, err := db.Side(t.Context(), "note", "SELECT note, value FROM mark ORDER BY note, id")
	if err != nil {
		t.Fatal(err)
	}
	defer marks.Close()
	got := ""
	err = db.Scan(t.Context(), "note", func(r *Row) error {
		got += r.Text("body") + ":"
		return marks.Each(t.Context(), r.Key(), func(m *Row) error { got += m.Text("value"); return nil })
	})
	if err != nil || got != "a:xyb:c:w" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestDamage cuts, empties and bends a database and wants a fault of the file, or its rows, but never
// anything else.
func TestDamage(t *testing.T) {
	rows := []string{"CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)"}
	for i := range 600 {
		rows = append(rows, fmt.Sprintf("INSERT INTO note VALUES (%d, '%0200d')", i+1, i))
	}
	data, _ := written(t, rows...)
	t.Run("cut", func(t *testing.T) {
		_, err := Open(t.Context(), member(t, "x.db", data[:len(data)-4096]), nil)
		wantFault(t, err, "cut short")
		_, err = Open(t.Context(), member(t, "x.db", data[:len(data)-100]), nil)
		wantFault(t, err, "cut short")
	})
	t.Run("no database", func(t *testing.T) {
		_, err := Open(t.Context(), member(t, "x.db", bytes.Repeat([]byte("hello "), 1000)), nil)
		wantFault(t, err, "no SQLite database")
		_, err = Open(t.Context(), member(t, "x.db", []byte("SQLite format 3\x00")), nil)
		wantFault(t, err, "too short")
	})
	t.Run("a circle", func(t *testing.T) {
		// The root of the table, page 2, is an inner page: let all its children be its last child.
		bad := bytes.Clone(data)
		root := bad[4096:8192]
		if root[0] != 5 {
			t.Fatalf("page 2 is of type %d", root[0])
		}
		cells := int(binary.BigEndian.Uint16(root[3:]))
		for i := range cells {
			at := binary.BigEndian.Uint16(root[12+2*i:])
			copy(root[at:at+4], root[8:12])
		}
		_, err := Open(t.Context(), member(t, "x.db", bad), nil)
		wantFault(t, err, "damaged")
	})
	t.Run("pages of noise", func(t *testing.T) {
		for page := 1; page < len(data)/4096; page++ {
			bad := bytes.Clone(data)
			for i := range 4096 {
				bad[page*4096+i] = byte(i * 7)
			}
			_, err := Open(t.Context(), member(t, "x.db", bad), nil)
			wantFault(t, err, "damaged")
		}
	})
	t.Run("a large record", func(t *testing.T) {
		// A record that says it has 300 MB: SQLite must not set them aside.
		bad := bytes.Clone(data)
		at := bytes.Index(bad, []byte(strings.Repeat("0", 197)+"599"))
		if at < 0 {
			t.Fatal("no record found")
		}
		copy(bad[at-4:], []byte{0x8F, 0xFF, 0xFF, 0x7F})
		db, err := Open(t.Context(), member(t, "x.db", bad), nil)
		if err == nil {
			err = db.Scan(t.Context(), "note", func(*Row) error { return nil })
			db.Close()
		}
		var fault *capture.FileError
		if err != nil && !errors.As(err, &fault) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a name of a table", func(t *testing.T) {
		db, err := Open(t.Context(), member(t, "x.db", data), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		wantFault(t, db.Scan(t.Context(), "nothing", nil), "no table")
	})
}

func TestUnfolding(t *testing.T) {
	w := func(w io.Writer) error { _, err := w.Write(make([]byte, 2000)); return err }
	_, err := OpenFrom(t.Context(), "x.crypt15", 1000, w)
	wantFault(t, err, "unfolds")
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	empty := func() {
		t.Helper()
		if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	db, err := OpenCipher(t.Context(), fixture(t, "raw4.db"), nil, RawKey([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f")))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		empty() // no crash can leave it behind
	}
	if got := notes(t, db); len(got) != 40 {
		t.Errorf("read %d rows", len(got))
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	empty()
	if _, err := Open(t.Context(), fixture(t, "raw4.db"), nil); err == nil {
		t.Error("an encrypted database opens without a key")
	}
	empty()
}

func TestLogByName(t *testing.T) {
	db, wal, other := member(t, "a/ChatStorage.sqlite", nil), member(t, "a/ChatStorage.sqlite-wal", nil), member(t, "b/ChatStorage.sqlite-wal", nil)
	if got := Log(db, []*capture.Member{other, db, wal}); got != wal {
		t.Errorf("got %v", got)
	}
	if got := Log(db, []*capture.Member{other, db}); got != nil {
		t.Errorf("got %v", got)
	}
}

func FuzzOpen(f *testing.F) {
	data, wal := written(f, "PRAGMA page_size=512", "PRAGMA journal_mode=WAL", "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)", "CREATE INDEX bodies ON note (body)",
		"INSERT INTO note VALUES (1, 'one')", "PRAGMA wal_checkpoint(TRUNCATE)", "INSERT INTO note VALUES (2, 'two')")
	f.Add(data, wal)
	f.Add(data, []byte{})
	f.Fuzz(func(t *testing.T, data, wal []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		db, err := Open(ctx, member(t, "x.db", data), member(t, "x.db-wal", wal))
		var fault *capture.FileError
		if err != nil {
			if !errors.As(err, &fault) {
				t.Fatalf("no fault of the file: %v", err)
			}
			return
		}
		defer db.Close()
		for _, name := range db.Tables() {
			n := 0
			if err := db.Scan(ctx, name, func(r *Row) error { n++; r.SHA256(); return nil }); err != nil && !errors.As(err, &fault) {
				t.Fatalf("no fault of the file: %v", err)
			}
			if n > len(data)+len(wal) {
				t.Errorf("%d rows come from %d bytes", n, len(data)+len(wal))
			}
		}
	})
}

func TestTables(t *testing.T) {
	statements := []string{"PRAGMA page_size=1024"}
	want := map[string]bool{}
	for i := range 120 {
		name := fmt.Sprintf("table_%d_%s", i, strings.Repeat("x", i%40))
		statements = append(statements, fmt.Sprintf("CREATE TABLE %s (id INTEGER PRIMARY KEY, %s TEXT)", name, strings.Repeat("y", 300)), fmt.Sprintf("CREATE VIEW view_%d AS SELECT 1", i))
		want[name] = true
	}
	data, _ := written(t, statements...)
	got, err := Tables(t.Context(), member(t, "x.db", data), nil)
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %d tables, %v, want %d", len(got), err, len(want))
	}
	for _, name := range got {
		if !want[name] {
			t.Errorf("%q is no table", name)
		}
	}
	data, wal := written(t, "PRAGMA journal_mode=WAL", "CREATE TABLE note (id INTEGER PRIMARY KEY)")
	if got, err := Tables(t.Context(), member(t, "x.db", data), member(t, "x.db-wal", wal)); err != nil || len(got) != 1 || got[0] != "note" {
		t.Errorf("of a database whose tables are in its log: %v, %v", got, err)
	}
	for n := range 60 {
		bad := bytes.Clone(data)
		bad[(n*313)%len(bad)] = byte(n)
		Tables(t.Context(), member(t, "x.db", bad), nil) // must end
	}
}

func TestBuild(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b, err := Build(t.Context(), "x.backup")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Table(t.Context(), `no"te`, []string{"_id", "body"}, "_id"); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Insert(t.Context(), `no"te`, []any{int64(7), "seven"}); err != nil {
		t.Fatal(err)
	}
	wantFault(t, b.Insert(t.Context(), `no"te`, []any{int64(7), "again"}), "cannot be stored")
	wantFault(t, b.Insert(t.Context(), `no"te`, []any{int64(8)}), "does not fit")
	wantFault(t, b.Table(t.Context(), "bad", []string{"a", "a"}, ""), "cannot be stored")
	db, err := b.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := db.Scan(t.Context(), `no"te`, func(r *Row) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("read %d rows, %v", n, err)
	}
	db.Close()
	if b, err = Build(t.Context(), "y"); err != nil {
		t.Fatal(err)
	}
	b.Abandon()
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
