package signal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// mediaFiles are the files beside a backup, by what Signal names them: the hash of a file's content and
// of a key of its own.
type mediaFiles struct {
	x         *tally.Export
	encrypted bool
	byName    map[string]*capture.Member
	seen      map[*capture.Member]mediaFile
}

// mediaFile is what was learnt of a decrypted file.
type mediaFile struct {
	size    int64
	sha     string
	corrupt bool
}

func newMediaFiles(x *tally.Export, encrypted bool) *mediaFiles {
	f := &mediaFiles{x: x, encrypted: encrypted, byName: map[string]*capture.Member{}, seen: map[*capture.Member]mediaFile{}}
	for _, m := range x.Members {
		name, _, _ := strings.Cut(tally.Base(m), ".")
		if name = strings.ToLower(name); len(name) == 64 && strings.Trim(name, "0123456789abcdef") == "" {
			f.byName[name] = m
		}
	}
	return f
}

// mediaName is what Signal calls a file: https://github.com/signalapp/Signal-Android, MediaName.kt.
func mediaName(plaintextHash, localKey []byte) string {
	sum := sha256.Sum256(append(append([]byte{}, plaintextHash...), localKey...))
	return hex.EncodeToString(sum[:])
}

// find returns the file that a pointer means, and the key that it is encrypted with.
func (f *mediaFiles) find(p *jsonfile.Value) (*capture.Member, []byte) {
	sum, key := bytesAt(p, "locatorInfo", "plaintextHash"), bytesAt(p, "locatorInfo", "localKey")
	if len(sum) == 0 {
		return nil, nil
	}
	return f.byName[mediaName(sum, key)], key
}

// attach adds the file that a pointer means to a message.
func (f *mediaFiles) attach(ctx context.Context, o *capture.Observation, p *jsonfile.Value, class, detail string) error {
	if p == nil {
		return nil
	}
	a := capture.Attachment{Name: tally.Name(p.Str("fileName")), Class: class, Presence: capture.NamedAbsent, Detail: detail, Size: ms(p, "locatorInfo", "size")}
	if a.Class == "" {
		a.Class = tally.Class(p.Str("contentType"), a.Name)
	}
	if caption := p.Str("caption"); o.Body == "" && caption != "" {
		o.Body, o.Text = caption, caption
	}
	m, key := f.find(p)
	switch {
	case m == nil:
		if sum := bytesAt(p, "locatorInfo", "plaintextHash"); len(sum) == 32 {
			a.Detail = strings.TrimPrefix(a.Detail+"; SHA-256 "+hex.EncodeToString(sum), "; ")
		} else {
			a.Presence = capture.Omitted
		}
	case !f.encrypted:
		if err := f.x.Attach(ctx, &a, m); err != nil {
			return err
		}
		if sum := bytesAt(p, "locatorInfo", "plaintextHash"); len(sum) == 32 && hex.EncodeToString(sum) != a.SHA256 {
			o.Doubt("media_differs", "The file is not the one that was sent: its SHA-256 should be "+hex.EncodeToString(sum)+".")
		}
	default:
		if err := f.open(ctx, &a, o, m, key); err != nil {
			return err
		}
	}
	if a.Name == "" && m != nil {
		a.Name = path.Base(tally.Where(m))
	}
	o.Attachments = append(o.Attachments, a)
	return nil
}

// open decrypts a file once, for its hash and to see that it is whole.
func (f *mediaFiles) open(ctx context.Context, a *capture.Attachment, o *capture.Observation, m *capture.Member, key []byte) error {
	f.x.Named(m)
	got, ok := f.seen[m]
	if !ok {
		var err error
		if got, err = checkMedia(ctx, m, key, a.Size); err != nil {
			return err
		}
		f.seen[m] = got
	}
	if got.corrupt {
		a.Presence = capture.Corrupt
		o.Doubt("media_damaged", "The attachment’s file is damaged, or encrypted with another key.")
		return nil
	}
	a.Presence, a.Size, a.SHA256 = capture.Present, got.size, got.sha
	size := got.size
	a.Open = func() (io.ReadCloser, error) { return openMedia(m, key, size) }
	return nil
}

// text returns the words in a file.
func (f *mediaFiles) text(ctx context.Context, p *jsonfile.Value) (string, bool, error) {
	m, key := f.find(p)
	if m == nil || m.Size > maxText+1024 {
		return "", false, nil
	}
	f.x.Named(m)
	var r io.ReadCloser
	var err error
	if f.encrypted {
		var got mediaFile
		if got, err = checkMedia(ctx, m, key, ms(p, "locatorInfo", "size")); err != nil || got.corrupt {
			return "", false, err
		}
		r, err = openMedia(m, key, got.size)
	} else {
		r, err = m.Open()
	}
	if err != nil {
		return "", false, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxText))
	return strings.ToValidUTF8(string(b), "\uFFFD"), err == nil && utf8.Valid(b), err
}

// readText reads the words of a file.
func readText(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxText))
	return strings.ToValidUTF8(string(b), "\uFFFD"), err
}

const ivSize, tagSize = aes.BlockSize, sha256.Size

// checkMedia decrypts a file and checks its MAC. It is IV ‖ AES-256-CBC ‖ HMAC-SHA-256 of both; the key
// is that of the cipher and that of the MAC. The content is followed by zeros, to hide its size.
func checkMedia(ctx context.Context, m *capture.Member, key []byte, size int64) (mediaFile, error) {
	body := m.Size - ivSize - tagSize
	if len(key) != 64 || body <= 0 || body%aes.BlockSize != 0 || size < 0 || size > body {
		return mediaFile{corrupt: true}, nil
	}
	r, err := m.Open()
	if err != nil {
		return mediaFile{}, err
	}
	defer r.Close()
	mac := hmac.New(sha256.New, key[32:])
	in := io.TeeReader(io.LimitReader(&ender{ctx, r}, ivSize+body), mac)
	iv := make([]byte, ivSize)
	if _, err := io.ReadFull(in, iv); err != nil {
		return mediaFile{}, err
	}
	c, err := newCBC(in, key[:32], iv)
	if err != nil {
		return mediaFile{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(c, size))
	if err == nil {
		_, err = io.Copy(io.Discard, c)
	}
	if err != nil {
		return mediaFile{}, err
	}
	tag := make([]byte, tagSize)
	if _, err := io.ReadFull(r, tag); err != nil {
		return mediaFile{}, err
	}
	if !hmac.Equal(mac.Sum(nil), tag) || n != size {
		return mediaFile{corrupt: true}, nil
	}
	return mediaFile{size: size, sha: hex.EncodeToString(sum.Sum(nil))}, nil
}

// openMedia reads a file that was found to be whole.
func openMedia(m *capture.Member, key []byte, size int64) (io.ReadCloser, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	iv := make([]byte, ivSize)
	_, err = io.ReadFull(r, iv)
	var c io.Reader
	if err == nil {
		c, err = newCBC(r, key[:32], iv)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("decrypt %q: %w", m.Label(), err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(c, size), r}, nil
}

// cbc decrypts a stream of whole blocks. Padding is left to the caller.
type cbc struct {
	r    io.Reader
	mode cipher.BlockMode
	buf  []byte
	out  []byte // decrypted, not yet read
	err  error
}

func newCBC(r io.Reader, key, iv []byte) (io.Reader, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use key: %w", err)
	}
	return &cbc{r: r, mode: cipher.NewCBCDecrypter(block, iv), buf: make([]byte, 64<<10)}, nil
}

func (c *cbc) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		n, err := io.ReadFull(c.r, c.buf)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
			c.err = io.EOF
		case err != nil:
			c.err = err
		}
		c.out = c.buf[:n/aes.BlockSize*aes.BlockSize]
		c.mode.CryptBlocks(c.out, c.out)
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// ender ends a long read when its context ends.
type ender struct {
	ctx context.Context
	r   io.Reader
}

func (e *ender) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}

// macHolds reads n bytes and says whether the MAC that follows them is theirs.
func macHolds(ctx context.Context, r io.Reader, n int64, mac hash.Hash) (bool, error) {
	if _, err := io.CopyN(mac, &ender{ctx, r}, n); err != nil {
		return false, err
	}
	tag := make([]byte, mac.Size())
	if _, err := io.ReadFull(r, tag); err != nil {
		return false, err
	}
	return hmac.Equal(mac.Sum(nil), tag), nil
}
