package whatsappdb

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/protowire"
	"despatch/internal/capture/sqlfile"
)

// A backup is a header, a database packed with zlib and encrypted with AES-256-GCM, its tag, and mostly
// the MD5 of all before. In crypt15 the key is derived from 64 digits that WhatsApp shows to the owner;
// in crypt14 and crypt12 it stands in a file that WhatsApp keeps to itself on the phone.
type backup struct {
	member  *capture.Member
	version int
	nonce   []byte
	salt    []byte // of the key that belongs to it: crypt12 and crypt14
	body    int64  // where the ciphertext begins
}

const (
	maxHeader  = 4 << 10
	tagSize    = 16
	askForKey  = "This WhatsApp backup is encrypted. Which 64-digit key was shown when end-to-end encrypted backup was switched on?"
	keyRemedy  = "On the phone, in WhatsApp: Settings, Chats, Chat backup, End-to-end encrypted backup: turn it off, turn it on again choosing the 64-digit key, write the key down, back up, and hand in the new msgstore.db.crypt15 with that key."
	fileRemedy = "The key of such a backup is the file “key” that only a phone opened by IT gives out. Hand in both together, or update WhatsApp, switch on end-to-end encrypted backup with a 64-digit key, and hand in the new backup."
)

// openBackup returns the backup that a member is, or nil.
func openBackup(m *capture.Member) (*backup, error) {
	if m.Size < 128 {
		return nil, nil
	}
	head := make([]byte, min(m.Size, maxHeader))
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if b := crypt12(m, head); b != nil {
		return b, nil
	}
	return crypt15(m, head), nil
}

// crypt12 reads the older header: two bytes, the key's version, its salt of 32 bytes, an account's salt
// of 16, and the nonce.
func crypt12(m *capture.Member, head []byte) *backup {
	if head[0] != 0 || head[1] != 1 && head[1] != 2 || head[2] < 1 || head[2] > 9 || len(head) < 67+tagSize {
		return nil
	}
	return &backup{member: m, version: 12, salt: head[3:35], nonce: head[51:67], body: 67}
}

// crypt15 reads the newer header: its length, perhaps a byte 1, and a message of Protocol Buffers that
// has the nonce in field 3 (crypt15) or field 2 (crypt14), and the writer's version in field 4.
func crypt15(m *capture.Member, head []byte) *backup {
	size, n := binary.Uvarint(head)
	if n <= 0 || size < 20 || size > maxHeader-64 {
		return nil
	}
	if head[n] == 1 {
		n++
	}
	if n+int(size) > len(head) {
		return nil
	}
	b := &backup{member: m, body: int64(n) + int64(size)}
	known := false
	err := protowire.Each(head[n:n+int(size)], func(f protowire.Field) error {
		switch f.Number {
		case 2:
			b.version = 14
			return protowire.Each(f.Bytes, func(g protowire.Field) error {
				switch {
				case g.Number == 3 && len(g.Bytes) == 32:
					b.salt = bytes.Clone(g.Bytes)
				case g.Number == 5 && len(g.Bytes) == 16:
					b.nonce = bytes.Clone(g.Bytes)
				}
				return nil
			})
		case 3:
			b.version = 15
			return protowire.Each(f.Bytes, func(g protowire.Field) error {
				if g.Number == 1 && len(g.Bytes) == 16 {
					b.nonce = bytes.Clone(g.Bytes)
				}
				return nil
			})
		case 4:
			known = known || len(f.Bytes) > 0
		case 1, 5, 6:
		default:
			if f.Number > 40 {
				return errors.New("no such field")
			}
		}
		return nil
	})
	if err != nil || b.nonce == nil || !known {
		return nil
	}
	return b
}

// keysOf returns the keys to try for a backup: those that were declared, and those in key files handed
// in beside it.
func keysOf(b *backup, secrets []string, files []*capture.Member) ([][]byte, error) {
	var keys [][]byte
	if b.version == 15 {
		for _, s := range secrets {
			if root, ok := hexKey(s); ok {
				keys = append(keys, deriveKey(root))
			}
		}
	}
	for _, f := range files {
		data, err := keyFile(f)
		if err != nil {
			return nil, err
		}
		switch {
		case b.version == 15 && len(data) >= 32 && len(data) < 158:
			keys = append(keys, deriveKey(data[len(data)-32:]))
		case b.version != 15 && len(data) == 158 && (b.salt == nil || bytes.Equal(b.salt, data[30:62])):
			keys = append(keys, data[126:])
		}
	}
	return keys, nil
}

// hexKey reads the 64 digits as people write them.
func hexKey(s string) ([]byte, bool) {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -:\t\r\n\u00A0", r) {
			return -1
		}
		return r
	}, s)
	b, err := hex.DecodeString(s)
	return b, err == nil && len(b) == 32
}

// deriveKey is HKDF-SHA-256 (RFC 5869) of the key with an empty salt, written out.
func deriveKey(root []byte) []byte {
	extract := hmac.New(sha256.New, make([]byte, 32))
	extract.Write(root)
	expand := hmac.New(sha256.New, extract.Sum(nil))
	expand.Write([]byte("backup encryption\x01"))
	return expand.Sum(nil)
}

// isKeyFile says whether a member is a key as WhatsApp stores it: an array of bytes that Java wrote.
func isKeyFile(m *capture.Member) bool {
	data, err := keyFile(m)
	return err == nil && data != nil
}

func keyFile(m *capture.Member) ([]byte, error) {
	if m.Size < 32+4 || m.Size > 200 {
		return nil, nil
	}
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, 256))
	if err != nil || !bytes.HasPrefix(data, []byte{0xAC, 0xED, 0x00, 0x05}) {
		return nil, err
	}
	return data, nil
}

// section returns size bytes of a member from start on.
func section(m *capture.Member, start, size int64) (io.ReadCloser, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, r, start); err != nil {
		r.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, size), r}, nil
}

// ends returns where the ciphertext may end, the likeliest first: the tag follows it, and the MD5 of
// all before, or in crypt12 also four digits of the telephone number, may follow that.
func (b *backup) ends(ctx context.Context) ([]int64, error) {
	tails := []int64{16}
	if b.version == 12 {
		tails = []int64{20, 16}
	}
	var list []int64
	for _, tail := range tails {
		r, err := b.member.Open()
		if err != nil {
			return nil, err
		}
		sum := md5.New()
		want := make([]byte, 16)
		_, err = io.CopyN(sum, &ender{ctx, r}, b.member.Size-tail)
		if err == nil {
			_, err = io.ReadFull(r, want)
		}
		r.Close()
		if err != nil {
			return nil, err
		}
		if bytes.Equal(sum.Sum(nil), want) {
			list = append(list, b.member.Size-tail-tagSize)
		}
	}
	return append(list, b.member.Size-tagSize), nil
}

// open decrypts the backup with the first key that fits. Of a wrong key it says so; which of several
// files and keys is the wrong one nobody can know.
func (b *backup) open(ctx context.Context, keys [][]byte, limit int64) (*sqlfile.DB, error) {
	fault := func(reason, remedy string) error {
		return &capture.FileError{File: b.member.Label(), Reason: reason, Remedy: remedy}
	}
	ends, err := b.ends(ctx)
	if err != nil {
		return nil, err
	}
	for _, end := range ends {
		if end <= b.body {
			continue
		}
		for _, key := range keys {
			g, err := newGCM(key, b.nonce)
			if err != nil {
				return nil, err
			}
			ok, err := b.holds(ctx, g, end)
			if err != nil {
				return nil, err
			}
			if ok {
				return b.unpack(ctx, g, end, min(limit, 200*b.member.Size+64<<20))
			}
		}
	}
	if b.version == 15 {
		return nil, fault("cannot be decrypted with the key that was given", "Check the 64 digits. If they are right, the backup was made with an older key, or is damaged. "+keyRemedy)
	}
	return nil, fault("cannot be decrypted with the key file that was given", "Take the backup and the key file from the same phone at the same time.")
}

func (b *backup) holds(ctx context.Context, g *gcm, end int64) (bool, error) {
	tail, err := section(b.member, end, tagSize)
	if err != nil {
		return false, err
	}
	tag, err := io.ReadAll(tail)
	tail.Close()
	if err != nil {
		return false, err
	}
	r, err := section(b.member, b.body, end-b.body)
	if err != nil {
		return false, err
	}
	defer r.Close()
	return g.holds(ctx, bufio.NewReaderSize(r, 1<<18), tag)
}

// unpack writes the database out.
func (b *backup) unpack(ctx context.Context, g *gcm, end, limit int64) (*sqlfile.DB, error) {
	r, err := section(b.member, b.body, end-b.body)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	in := bufio.NewReaderSize(g.plain(ctx, bufio.NewReaderSize(r, 1<<18)), 1<<18)
	return sqlfile.OpenFrom(ctx, b.member.Label(), limit, func(w io.Writer) error {
		head, err := in.Peek(2)
		if err != nil || head[0] != 0x78 {
			_, err := io.Copy(w, in)
			return err
		}
		z, err := zlib.NewReader(in)
		if err != nil {
			return b.damaged()
		}
		_, err = io.Copy(w, z)
		if errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zlib.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || isFlate(err) {
			return b.damaged()
		}
		return err
	})
}

func isFlate(err error) bool {
	return err != nil && strings.HasPrefix(fmt.Sprint(err), "flate: ")
}

func (b *backup) damaged() error {
	return &capture.FileError{File: b.member.Label(), Reason: "decrypts, but what is in it is damaged", Remedy: "Make a new backup in WhatsApp and hand in that."}
}
