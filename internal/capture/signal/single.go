package signal

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/protowire"
	"despatch/internal/capture/sqlfile"
)

// The older backup is a stream of frames, each encrypted with AES-256 in counter mode under a nonce that
// counts up, and followed by ten bytes of its HMAC. A frame is a statement of SQL with its values, or
// announces a file that follows it. See FullBackupExporter.java of Signal-Android.
const (
	askPassphrase  = "This Signal backup is encrypted. What is its passphrase, the 30 digits that Signal showed when backups were switched on?"
	passphraseHelp = "Without the 30 digits nobody can open this backup. If they are lost, switch backups off and on again in Signal, write the new digits down, and hand in a new backup."
	shortMAC       = 10
	rounds         = 250_000
)

// singleHead is the first frame, which is not encrypted.
type singleHead struct {
	iv, salt []byte
	version  uint64
	size     int64 // of it, with its length
}

// readSingleHead reads the first frame from a file's first bytes.
func readSingleHead(head []byte) (h singleHead, ok bool) {
	if len(head) < 24 {
		return h, false
	}
	n := binary.BigEndian.Uint32(head)
	if n < 20 || n > 200 || int(n)+4 > len(head) {
		return h, false
	}
	fields := 0
	err := protowire.Each(head[4:4+n], func(f protowire.Field) error {
		fields++
		if f.Number != 1 {
			return protowire.ErrMalformed
		}
		return protowire.Each(f.Bytes, func(g protowire.Field) error {
			switch g.Number {
			case 1:
				h.iv = g.Bytes
			case 2:
				h.salt = g.Bytes
			case 3:
				h.version = g.Varint
			default:
				return protowire.ErrMalformed
			}
			return nil
		})
	})
	h.size = int64(n) + 4
	return h, err == nil && fields == 1 && len(h.iv) == 16 && (len(h.salt) == 32 || len(h.salt) == 0)
}

func isSingle(head []byte) bool {
	_, ok := readSingleHead(head)
	return ok
}

// passphrase reads the 30 digits as people write them.
func passphrase(s string) (string, bool) {
	s = strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			if strings.ContainsRune(" -\t\r\n\u00A0", r) {
				return -1
			}
		}
		return r
	}, s)
	return s, len(s) == 30 && strings.Trim(s, "0123456789") == ""
}

// singleKeys returns the keys of the cipher and of the MAC.
func singleKeys(digits string, salt []byte) (key, mac []byte, err error) {
	in := []byte(digits)
	h := sha512.New()
	h.Write(salt)
	sum := in
	for range rounds {
		h.Write(sum)
		h.Write(in)
		sum = h.Sum(nil)
		h.Reset()
	}
	both, err := hkdf.Key(sha256.New, sum[:32], nil, "Backup Export", 64)
	if err != nil {
		return nil, nil, err
	}
	return both[:32], both[32:], nil
}

// singleReader reads the frames.
type singleReader struct {
	c       *copyOf
	r       *bufio.Reader
	block   cipher.Block
	mac     hash.Hash
	iv      [16]byte
	counter uint32
	version uint64
	at      int64 // where in the file
	limit   int
}

// blob is a file in the backup.
type blob struct {
	at, size int64
	counter  uint32
	sha      string
}

// stream returns the cipher of the next frame or file.
func (s *singleReader) stream(counter uint32) cipher.Stream {
	iv := s.iv
	binary.BigEndian.PutUint32(iv[:], counter)
	return cipher.NewCTR(s.block, iv[:])
}

// frame reads and decrypts the next frame. The first one that does not fit its MAC tells of a wrong
// passphrase, a later one of damage.
func (s *singleReader) frame(buf []byte) ([]byte, error) {
	stream := s.stream(s.counter)
	s.counter++
	s.mac.Reset()
	var head [4]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return nil, s.cut(err)
	}
	if s.version > 0 {
		s.mac.Write(head[:])
		stream.XORKeyStream(head[:], head[:])
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n < shortMAC || n > int64(s.limit) {
		return nil, errBadFrame
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(s.r, buf); err != nil {
		return nil, s.cut(err)
	}
	body := buf[:n-shortMAC]
	s.mac.Write(body)
	if !hmac.Equal(s.mac.Sum(nil)[:shortMAC], buf[n-shortMAC:]) {
		return nil, errBadFrame
	}
	stream.XORKeyStream(body, body)
	s.at += 4 + n
	return body, nil
}

// errBadFrame says that a frame is not what was written under this key.
var errBadFrame = fmt.Errorf("frame does not fit its MAC")

func (s *singleReader) cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return s.c.fault("is cut short", "Copy the backup from the phone again.")
	}
	return err
}

// file passes over the file that follows a frame, and checks its MAC.
func (s *singleReader) file(ctx context.Context, size int64) (blob, error) {
	b := blob{at: s.at, size: size, counter: s.counter}
	stream := s.stream(s.counter)
	iv := s.iv
	binary.BigEndian.PutUint32(iv[:], s.counter)
	s.counter++
	s.mac.Reset()
	s.mac.Write(iv[:])
	sum := sha256.New()
	plain := &cipher.StreamReader{S: stream, R: io.TeeReader(io.LimitReader(&ender{ctx, s.r}, size), s.mac)}
	if n, err := io.Copy(sum, plain); err != nil || n != size {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return b, s.cut(err)
	}
	tag := make([]byte, shortMAC)
	if _, err := io.ReadFull(s.r, tag); err != nil {
		return b, s.cut(err)
	}
	s.at += size + shortMAC
	if hmac.Equal(s.mac.Sum(nil)[:shortMAC], tag) {
		b.sha = hex.EncodeToString(sum.Sum(nil))
	}
	return b, nil
}

// open decrypts a file that was found to be whole.
func (s *singleReader) open(b blob) (io.ReadCloser, error) {
	m := s.c.main
	stream := s.stream(b.counter)
	if m.Path == "" {
		return io.NopCloser(&cipher.StreamReader{S: stream, R: io.NewSectionReader(m.File.At, b.at, b.size)}), nil
	}
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, r, b.at); err != nil {
		r.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{&cipher.StreamReader{S: stream, R: io.LimitReader(r, b.size)}, r}, nil
}

// readSingle reads a backup in one file.
func (c *copyOf) readSingle(ctx context.Context) error {
	c.book.Run.Variant = "encrypted_backup_old"
	head, err := start(c.main)
	if err != nil {
		return err
	}
	h, _ := readSingleHead(head)
	var tries []string
	for _, s := range c.opt.Secrets {
		if p, ok := passphrase(s); ok {
			tries = append(tries, p)
		}
	}
	switch {
	case len(tries) == 0 && len(c.opt.Secrets) > 0:
		return c.fault("cannot be opened: its passphrase has 30 digits", passphraseHelp)
	case len(tries) == 0:
		c.ask(askPassphrase)
		return nil
	case len(h.salt) == 0:
		return c.fault("is a backup of 2017 or before, which Despatch does not know", "Update Signal, make a new backup, and hand in that.")
	}
	for _, p := range tries {
		s, r, err := c.single(ctx, h, p)
		if err != nil {
			return err
		}
		err = c.readStatements(ctx, s)
		r.Close()
		if err == errBadFrame {
			continue // not this passphrase
		}
		return err
	}
	return c.fault("cannot be opened with the passphrase that was given", passphraseHelp)
}

// single begins to read under a passphrase.
func (c *copyOf) single(ctx context.Context, h singleHead, digits string) (*singleReader, io.Closer, error) {
	key, mac, err := singleKeys(digits, h.salt)
	if err != nil {
		return nil, nil, err
	}
	return c.singleWith(ctx, h, key, mac)
}

func (c *copyOf) singleWith(ctx context.Context, h singleHead, key, mac []byte) (*singleReader, io.Closer, error) {
	s := &singleReader{c: c, version: h.version, at: h.size, limit: c.src.Bounds().Line, mac: hmac.New(sha256.New, mac), counter: binary.BigEndian.Uint32(h.iv)}
	copy(s.iv[:], h.iv)
	var err error
	if s.block, err = aes.NewCipher(key); err != nil {
		return nil, nil, err
	}
	r, err := c.main.Open()
	if err != nil {
		return nil, nil, err
	}
	s.r = buffered(&ender{ctx, r})
	if _, err := io.CopyN(io.Discard, s.r, h.size); err != nil {
		r.Close()
		return nil, nil, s.cut(err)
	}
	return s, r, nil
}

// wanted are the tables that are read.
var wanted = map[string]bool{"message": true, "sms": true, "mms": true, "recipient": true, "thread": true, "groups": true, "group_membership": true, "part": true, "attachment": true, "reaction": true}

// readStatements rebuilds the database from the statements, and reads it.
func (c *copyOf) readStatements(ctx context.Context, s *singleReader) error {
	b, err := sqlfile.Build(ctx, c.main.Label())
	if err != nil {
		return err
	}
	files := map[[2]int64]blob{}
	done, err := c.rebuild(ctx, s, b, files)
	if err != nil {
		b.Abandon()
		return err
	}
	c.book.Decide("encryption", "signal_backup_1", "mac", 1, 0)
	db, err := b.Finish(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if !done {
		c.book.Warn("cut_short", "The backup ends before its end mark. Its last messages may be missing.")
	}
	c.book.Run.Coverage.Bytes += c.main.Size
	a := &phone{copyOf: c, db: db, reader: s, files: files, parties: map[int64]*party{}, rooms: map[int64]*room{}, self: &party{kind: "self", name: owner}}
	if err := a.read(ctx); err != nil {
		return err
	}
	c.book.Run.Coverage.BytesCovered += c.main.Size
	return nil
}

// maxFiles bounds the files of a backup.
const maxFiles = 5_000_000

// rebuild reads all frames. It returns errBadFrame if the first one does not fit, and whether the end
// mark was there.
func (c *copyOf) rebuild(ctx context.Context, s *singleReader, b *sqlfile.Builder, files map[[2]int64]blob) (done bool, err error) {
	var buf []byte
	for n := 0; ; n++ {
		if s.at >= c.main.Size {
			return false, nil
		}
		body, err := s.frame(buf)
		if err == errBadFrame && n > 0 {
			return false, c.fault("is damaged", "Copy the backup from the phone again.")
		}
		if err != nil {
			return false, err
		}
		if cap(body) > cap(buf) {
			buf = body[:0]
		}
		end := false
		err = protowire.Each(body, func(f protowire.Field) error {
			switch f.Number {
			case 2:
				return c.statement(ctx, b, f.Bytes)
			case 4, 7, 8: // a file, a profile's picture, a sticker
				id, size, err := announced(f)
				if err != nil {
					return err
				}
				if size > c.src.Bounds().Total {
					return c.fault("is damaged", "Copy the backup from the phone again.")
				}
				got, err := s.file(ctx, size)
				if err != nil {
					return err
				}
				if f.Number == 4 && len(files) < maxFiles {
					files[id] = got
				}
			case 6:
				end = f.Varint != 0
			}
			return nil
		})
		if err == protowire.ErrMalformed {
			return false, c.fault("is damaged", "Copy the backup from the phone again.")
		}
		if err != nil || end {
			return end, err
		}
	}
}

// announced reads what a frame says of the file that follows it.
func announced(f protowire.Field) (id [2]int64, size int64, err error) {
	sizeField := 2 // of a picture and a sticker
	if f.Number == 4 {
		sizeField = 3
	}
	err = protowire.Each(f.Bytes, func(g protowire.Field) error {
		switch {
		case g.Number == sizeField:
			size = int64(g.Varint & 0xFFFFFFFF)
		case g.Number == 1:
			id[0] = g.Int()
		case g.Number == 2:
			id[1] = g.Int()
		}
		return nil
	})
	return id, size, err
}

// statement takes a table's columns out of a statement that makes it, and a row out of one that fills
// it. Nothing of a stranger's SQL is run.
func (c *copyOf) statement(ctx context.Context, b *sqlfile.Builder, msg []byte) error {
	text := ""
	var values []any
	err := protowire.Each(msg, func(f protowire.Field) error {
		switch f.Number {
		case 1:
			text = f.Text()
		case 2:
			var v any
			if err := protowire.Each(f.Bytes, func(g protowire.Field) error {
				switch g.Number {
				case 1:
					v = strings.ToValidUTF8(g.Text(), "\uFFFD")
				case 2:
					v = g.Int()
				case 3:
					v = math.Float64frombits(g.Varint)
				case 4:
					v = append([]byte{}, g.Bytes...)
				}
				return nil
			}); err != nil {
				return err
			}
			values = append(values, v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if rest, ok := cutWords(text, "CREATE", "TABLE"); ok {
		name, columns, key := tableOf(rest)
		if !wanted[name] || len(columns) == 0 {
			return nil
		}
		return b.Table(ctx, name, columns, key)
	}
	rest, ok := cutWords(text, "INSERT", "INTO")
	if !ok {
		return nil
	}
	name, _, _ := word(rest)
	if !wanted[name] {
		return nil
	}
	return b.Insert(ctx, name, values)
}

// cutWords cuts words off the beginning of a statement.
func cutWords(s string, words ...string) (rest string, ok bool) {
	for _, w := range words {
		got, r, ok := word(s)
		if !ok || !strings.EqualFold(got, w) {
			return "", false
		}
		s = r
	}
	return s, true
}

// word returns the first word of a statement: a name, which may be in quotes, or a keyword.
func word(s string) (w, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t\r\n")
	if s == "" {
		return "", "", false
	}
	if q := s[0]; q == '"' || q == '`' || q == '\'' || q == '[' {
		if q == '[' {
			q = ']'
		}
		w, rest, ok = strings.Cut(s[1:], string(q))
		return w, rest, ok
	}
	i := strings.IndexAny(s, " \t\r\n(,")
	switch {
	case i < 0:
		return s, "", true
	case i == 0:
		return s[:1], s[1:], true
	}
	return s[:i], s[i:], true
}

// tableOf returns the name and the columns of what a statement makes, and which column is the key.
func tableOf(s string) (name string, columns []string, key string) {
	if rest, ok := cutWords(s, "IF", "NOT", "EXISTS"); ok {
		s = rest
	}
	name, s, _ = word(s)
	_, s, ok := strings.Cut(s, "(")
	if !ok {
		return "", nil, ""
	}
	depth, from, quote := 0, 0, byte(0)
	part := func(text string) {
		column, rest, ok := word(text)
		switch strings.ToUpper(column) {
		case "UNIQUE", "PRIMARY", "FOREIGN", "CHECK", "CONSTRAINT", "":
			return
		}
		if !ok || len(columns) >= 500 {
			return
		}
		columns = append(columns, column)
		if up := strings.ToUpper(rest); strings.Contains(up, "INTEGER") && strings.Contains(up, "PRIMARY KEY") {
			key = column
		}
	}
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case ch == '\'' || ch == '"' || ch == '`':
			quote = ch
		case ch == '(':
			depth++
		case ch == ')' && depth == 0:
			part(s[from:i])
			return name, columns, key
		case ch == ')':
			depth--
		case ch == ',' && depth == 0:
			part(s[from:i])
			from = i + 1
		}
	}
	return "", nil, ""
}

// attach adds a file of the backup to a message.
func (s *singleReader) attach(o *capture.Observation, a capture.Attachment, b blob, ok bool) {
	switch {
	case !ok:
		a.Presence = capture.Omitted
	case b.sha == "":
		a.Presence = capture.Corrupt
		o.Doubt("media_damaged", "The attachment is damaged in the backup.")
	default:
		a.Presence, a.Size, a.SHA256 = capture.Present, b.size, b.sha
		a.Open = func() (io.ReadCloser, error) { return s.open(b) }
	}
	o.Attachments = append(o.Attachments, a)
}
