package sqlfile

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"despatch/internal/capture"
)

// Key opens a database that SQLCipher encrypted. It is never printed.
type Key struct {
	raw        []byte // 32 bytes, or nil
	salt       []byte // 16 bytes, where the key brings its own
	passphrase string
}

// Passphrase returns the key that SQLCipher makes of a passphrase.
func Passphrase(s string) Key { return Key{passphrase: s} }

// RawKey returns a key that is used as it is. It must have 32 bytes.
func RawKey(b []byte) Key { return Key{raw: bytes.Clone(b)} }

// HexKey returns the key written as 64 hexadecimal digits, or 96 with its salt, alone or as SQLCipher
// writes it: x'…'.
func HexKey(s string) (Key, bool) {
	s = strings.TrimSpace(s)
	if t, ok := strings.CutPrefix(strings.ToLower(s), "x'"); ok {
		s = strings.TrimSuffix(t, "'")
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 && len(b) != 48 {
		return Key{}, false
	}
	k := Key{raw: b[:32]}
	if len(b) == 48 {
		k.salt = b[32:]
	}
	return k, true
}

func (Key) String() string   { return "key" }
func (Key) GoString() string { return "key" }

// scheme is a set of choices that SQLCipher made in some version.
type scheme struct {
	name    string
	page    int
	reserve int // bytes at the end of each page: the IV, the MAC, and padding
	rounds  int
	hash    func() hash.Hash
	mac     int
}

// schemes are those of version 4, of version 3, and of programs that moved from one to the other
// without re-encrypting: https://www.zetetic.net/sqlcipher/design/. All use AES-256 in CBC mode.
var schemes = []scheme{
	{name: "4", page: 4096, reserve: 80, rounds: 256_000, hash: sha512.New, mac: sha512.Size},
	{name: "3", page: 1024, reserve: 48, rounds: 64_000, hash: sha1.New, mac: sha1.Size},
	{name: "3 with large pages", page: 4096, reserve: 48, rounds: 64_000, hash: sha1.New, mac: sha1.Size},
	{name: "4 with the MAC of 3", page: 4096, reserve: 48, rounds: 256_000, hash: sha1.New, mac: sha1.Size},
}

const ivSize, saltSize = 16, 16

// decryptor decodes the pages of one database.
type decryptor struct {
	scheme
	label string
	salt  []byte
	block cipher.Block
	mac   hash.Hash
	sum   []byte
}

// newDecryptor derives the keys of a database whose file begins with salt.
func newDecryptor(s scheme, k Key, salt []byte, label string) (*decryptor, error) {
	d := &decryptor{scheme: s, label: label, salt: bytes.Clone(salt)}
	raw := k.raw
	if k.salt != nil {
		d.salt = k.salt
	}
	var err error
	if raw == nil {
		if raw, err = pbkdf2.Key(s.hash, k.passphrase, d.salt, s.rounds, 32); err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
	}
	masked := bytes.Clone(d.salt)
	for i := range masked {
		masked[i] ^= 0x3a
	}
	macKey, err := pbkdf2.Key(s.hash, string(raw), masked, 2, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	if d.block, err = aes.NewCipher(raw); err != nil {
		return nil, fmt.Errorf("use key: %w", err)
	}
	d.mac = hmac.New(s.hash, macKey)
	return d, nil
}

func (d *decryptor) size([]byte) int { return d.page }

// holds says whether a page's MAC holds.
func (d *decryptor) holds(n uint32, page []byte) bool {
	from := 0
	if n == 1 {
		from = saltSize
	}
	body := len(page) - d.reserve
	var number [4]byte
	binary.LittleEndian.PutUint32(number[:], n)
	d.mac.Reset()
	d.mac.Write(page[from : body+ivSize])
	d.mac.Write(number[:])
	d.sum = d.mac.Sum(d.sum[:0])
	return hmac.Equal(d.sum, page[body+ivSize:body+ivSize+d.scheme.mac])
}

// decode decrypts a page in place. Page 1 begins with the salt, where a plain database has its name.
func (d *decryptor) decode(n uint32, page []byte) error {
	if !d.holds(n, page) {
		if len(bytes.Trim(page, "\x00")) == 0 {
			return nil // was never written: SQLCipher reads it as empty too
		}
		return &capture.FileError{File: d.label, Reason: fmt.Sprintf("is damaged: page %d is not as it was written", n), Remedy: remedyAgain}
	}
	from, body := 0, len(page)-d.reserve
	if n == 1 {
		from = saltSize
	}
	cipher.NewCBCDecrypter(d.block, page[body:body+ivSize]).CryptBlocks(page[from:body], page[from:body])
	if n == 1 {
		copy(page, magic)
	}
	clear(page[body:])
	return nil
}

// decryptorFor returns the decryptor under which the MAC of the first page holds, or nil.
func decryptorFor(ctx context.Context, m *capture.Member, key Key) (*decryptor, error) {
	head := make([]byte, 4096)
	if m.Size < int64(len(head)) {
		head = head[:m.Size/1024*1024]
	}
	if len(head) == 0 || key.raw != nil && len(key.raw) != 32 {
		return nil, nil
	}
	if err := readStart(m, head); err != nil {
		return nil, err
	}
	for _, s := range schemes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(head) < s.page || m.Size%int64(s.page) != 0 && m.Size < int64(s.page) {
			continue
		}
		d, err := newDecryptor(s, key, head[:saltSize], m.Label())
		if err != nil {
			return nil, err
		}
		if d.holds(1, head[:s.page]) {
			return d, nil
		}
	}
	return nil, nil
}

// Fits says whether a key opens a database, by the MAC of its first page. A passphrase takes about a
// second to try: that is its purpose.
func Fits(ctx context.Context, m *capture.Member, key Key) (bool, error) {
	d, err := decryptorFor(ctx, m, key)
	return d != nil, err
}

// OpenCipher opens a database that SQLCipher, version 3 or 4, encrypted. The MAC of every page must
// hold. wal is its write-ahead log, or nil.
func OpenCipher(ctx context.Context, m, wal *capture.Member, key Key) (*DB, error) {
	d, err := decryptorFor(ctx, m, key)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, &capture.FileError{File: m.Label(), Reason: "cannot be opened with this password or key",
			Remedy: "Check the password or key, and that it belongs to this file. If both are right the file is damaged: copy it again."}
	}
	return open(ctx, m, wal, d)
}
