package media

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// A sealed file is a sequence of chunks of 64 KiB, each sealed with AES-256-GCM under the file's own key.
// The nonce of a chunk is its number and whether it is the last, as in the construction STREAM: chunks
// that are cut off, repeated or in another order do not open. An empty file is one empty chunk.
const (
	keySize   = 32
	chunkSize = 64 << 10
	tagSize   = 16
	magic     = "despatch media 1" // authenticated with each chunk, not stored
)

// errSealed means that a file on disk is not what was written there.
var errSealed = errors.New("the file was changed or damaged on disk")

func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key's size is ours
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func nonce(b *[12]byte, n int64, last bool) []byte {
	binary.BigEndian.PutUint64(b[3:11], uint64(n))
	b[11] = 0
	if last {
		b[11] = 1
	}
	return b[:]
}

// sealer encrypts what is written to it, and hashes it.
type sealer struct {
	w    io.Writer
	aead cipher.AEAD
	sum  hash.Hash
	size int64
	n    int64  // chunks written
	buf  []byte // of the chunk under way, with room for the tag
}

func newSealer(w io.Writer, key []byte) *sealer {
	return &sealer{w: w, aead: newAEAD(key), sum: sha256.New(), buf: make([]byte, 0, chunkSize+tagSize)}
}

func (s *sealer) Write(p []byte) (int, error) {
	s.sum.Write(p)
	s.size += int64(len(p))
	written := len(p)
	for len(p) > 0 {
		if len(s.buf) == chunkSize { // only now is it known not to be the last
			if err := s.flush(false); err != nil {
				return 0, err
			}
		}
		n := min(len(p), chunkSize-len(s.buf))
		s.buf = append(s.buf, p[:n]...)
		p = p[n:]
	}
	return written, nil
}

func (s *sealer) flush(last bool) error {
	var b [12]byte
	sealed := s.aead.Seal(s.buf[:0], nonce(&b, s.n, last), s.buf, []byte(magic))
	s.n++
	s.buf = s.buf[:0]
	_, err := s.w.Write(sealed)
	return err
}

// Close writes the last chunk. It does not close the writer below.
func (s *sealer) Close() error { return s.flush(true) }

// Sum is the hash and size of what was written.
func (s *sealer) Sum() (sum [32]byte, size int64) {
	s.sum.Sum(sum[:0])
	return sum, s.size
}

// File is the content of a sealed file. It can be read from anywhere; each byte it gives is genuine.
type File struct {
	f     *os.File
	aead  cipher.AEAD
	size  int64
	pos   int64
	chunk int64 // number of the one in buf, -1 if none
	buf   []byte
}

// openSealed reads f as a sealed file of size bytes, and owns it from now on.
func openSealed(f *os.File, key []byte, size int64) (*File, error) {
	info, err := f.Stat()
	if err == nil && (len(key) != keySize || info.Size() != sealedSize(size)) {
		err = errSealed
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &File{f: f, aead: newAEAD(key), size: size, chunk: -1}, nil
}

func sealedSize(size int64) int64 { return size + chunks(size)*tagSize }

func chunks(size int64) int64 { return max(1, (size+chunkSize-1)/chunkSize) }

// plainSize is the size of the content of a sealed file of n bytes, or -1.
func plainSize(n int64) int64 {
	size := n - (n+chunkSize+tagSize-1)/(chunkSize+tagSize)*tagSize
	if size < 0 || sealedSize(size) != n {
		return -1
	}
	return size
}

// Size is the number of bytes of the content.
func (f *File) Size() int64 { return f.size }

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	if f.pos >= f.size {
		return 0, io.EOF
	}
	if err := f.load(f.pos / chunkSize); err != nil {
		return 0, err
	}
	n := copy(p, f.buf[f.pos%chunkSize:])
	f.pos += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += f.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	f.pos = offset
	return offset, nil
}

// load opens the chunk n.
func (f *File) load(n int64) error {
	if f.chunk == n {
		return nil
	}
	f.chunk = -1
	length := min(chunkSize, f.size-n*chunkSize) + tagSize
	if f.buf == nil {
		f.buf = make([]byte, 0, min(chunkSize, f.size)+tagSize)
	}
	sealed := f.buf[:length]
	if _, err := f.f.ReadAt(sealed, n*(chunkSize+tagSize)); err != nil {
		return fmt.Errorf("read chunk %d: %w", n, err)
	}
	var b [12]byte
	plain, err := f.aead.Open(sealed[:0], nonce(&b, n, n == chunks(f.size)-1), sealed, []byte(magic))
	if err != nil {
		return fmt.Errorf("chunk %d: %w", n, errSealed)
	}
	f.buf, f.chunk = plain, n
	return nil
}

// check reads the whole content and compares its hash.
func (f *File) check(want [32]byte) error {
	if f.size == 0 {
		if err := f.load(0); err != nil {
			return err
		}
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := [32]byte(sum.Sum(nil)); got != want {
		return fmt.Errorf("its hash is %x: %w", got[:8], errSealed)
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }
