package tox

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/scrypt"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

const pageSize, reserved = 4096, 80

// encrypted makes a database that is encrypted as SQLCipher 4 does, with a raw key, by its published design.
func encrypted(t testing.TB, key []byte, statements ...string) []byte {
	t.Helper()
	// An empty database that leaves room at the end of each page: https://www.sqlite.org/fileformat2.html
	empty := make([]byte, pageSize)
	copy(empty, "SQLite format 3\x00")
	be := binary.BigEndian
	be.PutUint16(empty[16:], pageSize)
	copy(empty[18:], []byte{1, 1, reserved, 64, 32, 32})
	be.PutUint32(empty[24:], 1)
	be.PutUint32(empty[28:], 1)
	be.PutUint32(empty[44:], 4)
	be.PutUint32(empty[56:], 1)
	be.PutUint32(empty[92:], 1)
	be.PutUint32(empty[96:], 3045000)
	empty[100] = 13
	be.PutUint16(empty[105:], pageSize-reserved)
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
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
	salt := bytes.Repeat([]byte{0x5c}, 16)
	mask := make([]byte, 16)
	for i := range salt {
		mask[i] = salt[i] ^ 0x3a
	}
	macKey, err := pbkdf2.Key(sha512.New, string(key), mask, 2, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n*pageSize < len(data); n++ {
		page := data[n*pageSize : (n+1)*pageSize]
		from := 0
		if n == 0 {
			copy(page, salt)
			from = 16
		}
		iv := page[pageSize-reserved : pageSize-reserved+16]
		copy(iv, bytes.Repeat([]byte{byte(n + 1)}, 16))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(page[from:pageSize-reserved], page[from:pageSize-reserved])
		mac := hmac.New(sha512.New, macKey)
		mac.Write(page[from : pageSize-reserved+16])
		binary.Write(mac, binary.LittleEndian, uint32(n+1))
		copy(page[pageSize-reserved+16:], mac.Sum(nil))
	}
	return data
}

// TestPassword opens a profile's database with the password and, to make the key, the Tox ID, the profile's file, or
// the salt that everybody had until 2016.
func TestPassword(t *testing.T) {
	const password = "harbour kettle lantern"
	pk, err := hex.DecodeString(selfKey)
	if err != nil {
		t.Fatal(err)
	}
	make := func(salt []byte) []byte {
		sum := sha256.Sum256([]byte(password))
		key, err := scrypt.Key(sum[:], salt, 1<<14, 8, 2, 32)
		if err != nil {
			t.Fatal(err)
		}
		return encrypted(t, key, append(schema11,
			`INSERT INTO authors VALUES (1, X'`+friendKey+`')`, `INSERT INTO chats VALUES (1, X'`+friendKey+`')`, `INSERT INTO aliases VALUES (1, 1, 'Mele')`,
			`INSERT INTO history VALUES (1, 'T', 1760000000123, 1)`, `INSERT INTO text_messages VALUES (1, 'T', 1, 'hello')`)...)
	}
	db := capturetest.File(t, "sione.db", make(pk))
	old := capturetest.File(t, "old.db", make([]byte(oldSalt)))
	tox := capturetest.File(t, "sione.tox", profile(t, pk, password))
	plain := capturetest.File(t, "sione.tox", profile(t, pk, ""))
	id := selfKey + "0123456789ab"
	for name, c := range map[string]struct {
		secrets []string
		files   []*capture.File
	}{
		"with the Tox ID":         {[]string{password, id}, []*capture.File{db}},
		"in the other order":      {[]string{strings.ToLower(id), "wrong", password}, []*capture.File{db}},
		"with the public key":     {[]string{password, selfKey}, []*capture.File{db}},
		"with the profile":        {[]string{password}, []*capture.File{tox, db}},
		"with a plain profile":    {[]string{password}, []*capture.File{db, plain}},
		"with everybody's salt":   {[]string{password}, []*capture.File{old}},
		"with a friend's profile": {[]string{password, id, friendKey}, []*capture.File{db}},
	} {
		r := capturetest.Must(t, Parser{}, capture.Options{Secrets: c.secrets}, c.files...)
		if len(r.Messages) != 1 || r.Messages[0].Body != "hello" || r.Messages[0].Sender != "Mele" || r.Variant != "qtox_encrypted" {
			t.Errorf("%s: %s", name, capturetest.Lines(r))
		}
	}
	for name, secrets := range map[string][]string{"only the password": {password}, "a wrong password": {"wrong", id}} {
		if _, err := capturetest.Parse(t, Parser{}, capture.Options{Secrets: secrets}, db); !errors.As(err, new(*capture.FileError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := capturetest.Parse(t, Parser{}, capture.Options{}, db)
	if err != nil || r.Status != capture.StatusNeedsAnswer || len(r.Questions) != 1 || len(r.Messages) != 0 || !r.Reconciliation.Balanced {
		t.Errorf("without a secret: %+v, %v", r.ParseRun, err)
	}
}
