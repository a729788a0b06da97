package signal

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"database/sql"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"despatch/internal/capture"
	"despatch/internal/capture/tally"
)

// pb writes a message of Protocol Buffers: numbers and what stands under them.
func pb(fields ...any) []byte {
	var b []byte
	for i := 0; i < len(fields); i += 2 {
		n := uint64(fields[i].(int))
		switch v := fields[i+1].(type) {
		case int:
			b = binary.AppendUvarint(binary.AppendUvarint(b, n<<3), uint64(v))
		case string:
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, n<<3|2), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, n<<3|2), uint64(len(v))), v...)
		default:
			panic("pb")
		}
	}
	return b
}

// delimited writes messages with their lengths before them.
func delimited(list ...[]byte) []byte {
	var b []byte
	for _, m := range list {
		b = append(binary.AppendUvarint(b, uint64(len(m))), m...)
	}
	return b
}

// seal encrypts as Signal does: IV ‖ AES-256-CBC with PKCS #7 ‖ HMAC-SHA-256.
func seal(t testing.TB, plain, key, mac []byte) []byte {
	t.Helper()
	pad := 16 - len(plain)%16
	plain = append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 16+len(plain))
	rand.Read(out[:16])
	cipher.NewCBCEncrypter(block, out[:16]).CryptBlocks(out[16:], plain)
	h := hmac.New(sha256.New, mac)
	h.Write(out)
	return h.Sum(out)
}

// backup makes a backup in a folder: its metadata and its main file.
func backup(t testing.TB, recovery string, frames ...[]byte) (meta, main []byte) {
	t.Helper()
	key, err := backupKey(recovery)
	if err != nil {
		t.Fatal(err)
	}
	id := []byte("sixteen bytes id")
	mac, cipherKey, err := messageKeys(key, id)
	if err != nil {
		t.Fatal(err)
	}
	m := metadata{version: 1, iv: []byte("twelve bytes"), id: id}
	locked, err := m.backupID(key) // the cipher is its own inverse
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(delimited(append([][]byte{pb(1, 1, 2, 1715636551000)}, frames...)...))
	w.Close()
	z.Write(make([]byte, 333)) // to hide the size
	return pb(1, 1, 2, pb(1, m.iv, 2, locked)), seal(t, z.Bytes(), cipherKey, mac)
}

// sealFile encrypts a file of a backup, and returns its name and the pointer to it.
func sealFile(t testing.TB, content, mime, name string) (fileName string, data, pointer []byte) {
	t.Helper()
	local := bytes.Repeat([]byte{9}, 64)
	sum := sha256.Sum256([]byte(content))
	padded := append([]byte(content), make([]byte, 541-len(content)%541)...)
	return mediaName(sum[:], local), seal(t, padded, local[:32], local[32:]),
		pb(4, mime, 7, name, 13, pb(1, []byte("transit"), 3, len(content), 9, local, 10, sum[:]))
}

// deriveID is how Signal makes the id of an account's backup. Reading one does not need it.
func deriveID(backup, aci []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, backup, nil, "20241024_SIGNAL_BACKUP_ID:"+string(aci), 16)
}

// database returns the bytes of a database that statements make, its pages with room for what SQLCipher
// adds. An empty database is told so in its header: SQLite keeps to it.
func database(t testing.TB, statements ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	run := func(statements ...string) []byte {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, s := range statements {
			if _, err := db.Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		db.Close()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	empty := run("PRAGMA page_size=4096", "CREATE TABLE x (y)", "DROP TABLE x", "VACUUM")
	if len(empty) != 4096 {
		t.Fatalf("an empty database has %d bytes", len(empty))
	}
	empty[20] = 80
	binary.BigEndian.PutUint16(empty[105:], 4096-80)
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	return run(statements...)
}

// sqlcipher encrypts a database as SQLCipher 4 does with a raw key.
func sqlcipher(t testing.TB, data, key []byte) []byte {
	t.Helper()
	const page, reserve = 4096, 80
	if data[20] != reserve {
		t.Fatalf("the pages have %d bytes of room", data[20])
	}
	salt := []byte("0123456789abcdef")
	masked := bytes.Clone(salt)
	for i := range masked {
		masked[i] ^= 0x3a
	}
	macKey, err := pbkdf2.Key(sha512.New, string(key), masked, 2, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(data)
	for n := range len(out) / page {
		p := out[n*page : (n+1)*page]
		from := 0
		if n == 0 {
			copy(p, salt)
			from = 16
		}
		iv := p[page-reserve : page-reserve+16]
		rand.Read(iv)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(p[from:page-reserve], p[from:page-reserve])
		mac := hmac.New(sha512.New, macKey)
		mac.Write(p[from : page-reserve+16])
		mac.Write(binary.LittleEndian.AppendUint32(nil, uint32(n+1)))
		copy(p[page-reserve+16:], mac.Sum(nil))
	}
	return out
}

// testKeys are keys of an older backup that no passphrase gives: deriving one takes its time.
var testKeys = [2][]byte{bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)}

func newSingleWith(keys [2][]byte) *single {
	s := &single{version: 1, key: keys[0], mac: keys[1]}
	head := pb(1, pb(1, s.iv[:], 2, make([]byte, 32), 3, 1))
	s.out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(head))))
	s.out.Write(head)
	return s
}

// readWith reads an older backup under keys.
func readWith(ctx context.Context, file *capture.File, keys [2][]byte) error {
	src := &capture.Source{Files: []*capture.File{file}}
	book := tally.New(ctx, Parser{}, "signal", "records", nil, func(*capture.Observation) error { return nil })
	x, err := tally.Open(src)
	if err != nil {
		return err
	}
	book.Export = x
	c := &copyOf{book: book, x: x, src: src, found: found{form: onefile, main: x.Members[0]}}
	head, err := start(c.main)
	if err != nil {
		return err
	}
	h, _ := readSingleHead(head)
	s, r, err := c.singleWith(ctx, h, keys[0], keys[1])
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = book.Close(c.readStatements(ctx, s))
	return err
}
