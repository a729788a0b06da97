package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
)

// comparer compares a file of the bundle with what it ought to be, piece by piece, and says which items' pieces are
// not there.
type comparer struct {
	name   string
	src    *window
	report func(item int, file, what string)

	lost  bool // the place in the file is not known: what came before was not what it ought to be
	gone  int  // pieces not found in a row since then
	ended bool // no use going on

	inner *comparer // of what stands in the file as base64, while that is compared
}

// maxLost is after how many missing pieces in a row a file is given up.
const maxLost = 50

// expect compares the next piece, which is about an item, or 0.
func (c *comparer) expect(item int, piece []byte) {
	if c.ended || len(piece) == 0 {
		return
	}
	if len(piece) > windowSize/2 {
		c.expectLong(item, piece)
		return
	}
	if have := c.src.peek(len(piece)); bytes.Equal(have, piece) {
		c.src.discard(len(piece))
		c.lost, c.gone = false, 0
		return
	}
	if item == 0 {
		// Such pieces are alike all over the file: looking for one would find the wrong one.
		if !c.lost {
			c.report(0, c.name, "text that belongs to no item was changed")
			c.lost = true
		}
		return
	}
	if i := bytes.Index(c.src.peek(windowSize), piece); i >= 0 {
		if !c.lost {
			c.report(0, c.name, "something was put in before item "+itoa(item))
		}
		c.src.discard(i + len(piece))
		c.lost, c.gone = false, 0
		return
	}
	c.report(item, c.name, "it is not shown as it is in "+itemsFile)
	c.lost = true
	if c.gone++; c.gone == maxLost {
		c.report(0, c.name, "nothing after item "+itoa(item)+" could be matched")
		c.ended = true
	}
}

// expectLong compares a piece that does not fit the window.
func (c *comparer) expectLong(item int, piece []byte) {
	for len(piece) > 0 {
		n := min(len(piece), windowSize/2)
		if !bytes.Equal(c.src.peek(n), piece[:n]) {
			c.report(item, c.name, "it is not shown as it is in "+itemsFile)
			c.lost = true
			return
		}
		c.src.discard(n)
		piece = piece[n:]
	}
	c.lost, c.gone = false, 0
}

// skip says that the next piece is not known, because its item could not be read.
func (c *comparer) skip() { c.lost = true }

// expectBase64 is expect for bytes that stand in the file as base64; nil ends them.
func (c *comparer) expectBase64(item int, piece []byte) {
	if c.inner == nil {
		c.inner = &comparer{name: c.name, src: &window{r: &unbase64{src: c.src}}, report: c.report, ended: c.ended}
	}
	if piece != nil {
		c.inner.expect(item, piece)
		return
	}
	if !c.ended {
		c.inner.end()
		c.lost, c.ended = c.lost || c.inner.lost, c.inner.ended
	}
	c.inner = nil
}

// unbase64 reads lines of base64 up to one that begins with "--", which it leaves. A line that is not what would have
// been written comes out as zeros, and so as wrong.
type unbase64 struct {
	src  *window
	rest []byte // of the line at hand
	line [78]byte
}

func (u *unbase64) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(u.rest) == 0 && !u.next() {
			break
		}
		k := copy(p[n:], u.rest)
		u.rest = u.rest[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (u *unbase64) Close() error { return nil }

// next decodes a line.
func (u *unbase64) next() bool {
	if have := u.src.peek(2); len(have) == 0 || string(have) == "--" {
		return false
	}
	text, err := u.src.line(maxLine)
	if err != nil {
		return false
	}
	b, err := base64.StdEncoding.Strict().AppendDecode(u.line[:0], bytes.TrimSuffix(text, []byte("\r")))
	var want [78]byte
	ok := err == nil && len(b) <= lineBytes && bytes.Equal(append(base64.StdEncoding.AppendEncode(want[:0], b), '\r'), text)
	if ok && len(b) < lineBytes { // only the last line may be short
		have := u.src.peek(2)
		ok = len(have) == 0 || string(have) == "--"
	}
	if !ok {
		b = make([]byte, lineBytes)
	}
	u.rest = b
	return true
}

// end checks that the file is at its end, and returns its hash.
func (c *comparer) end() (size int64, sum string) {
	if !c.lost && !c.ended && len(c.src.peek(1)) > 0 {
		c.report(0, c.name, "it goes on after its end")
	}
	return c.src.finish()
}

// windowSize is how far ahead a comparer looks for a piece it has lost.
const windowSize = 4 << 20

// window reads a file with a view ahead and hashes all of it.
type window struct {
	r    io.ReadCloser
	sum  hash.Hash // nil if nobody asks for it
	size int64
	buf  []byte
	at   int
	err  error
}

func newWindow(r io.ReadCloser) *window { return &window{r: r, sum: sha256.New()} }

// peek returns the next n bytes, or as many as there are.
func (w *window) peek(n int) []byte {
	for len(w.buf)-w.at < n && w.err == nil {
		if w.at > 0 && cap(w.buf)-len(w.buf) < 64<<10 {
			w.buf = w.buf[:copy(w.buf, w.buf[w.at:])]
			w.at = 0
		}
		if cap(w.buf)-len(w.buf) < 64<<10 {
			w.buf = append(make([]byte, 0, 2*cap(w.buf)+256<<10), w.buf...)
		}
		var k int
		k, w.err = w.r.Read(w.buf[len(w.buf) : len(w.buf)+min(64<<10, cap(w.buf)-len(w.buf))])
		if w.sum != nil {
			w.sum.Write(w.buf[len(w.buf) : len(w.buf)+k])
		}
		w.size += int64(k)
		w.buf = w.buf[:len(w.buf)+k]
	}
	return w.buf[w.at:min(w.at+n, len(w.buf))]
}

func (w *window) discard(n int) { w.at = min(w.at+n, len(w.buf)) }

var errLine = errors.New("a line is too long")

// line returns the next line without its newline; io.EOF at the end. It is valid until the next call.
func (w *window) line(limit int) ([]byte, error) {
	for n := 64 << 10; ; n *= 4 {
		b := w.peek(n)
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			w.discard(i + 1)
			return b[:i], nil
		}
		if len(b) < n {
			if len(b) == 0 {
				if w.err != nil {
					return nil, w.err
				}
				return nil, io.EOF
			}
			w.discard(len(b))
			return b, nil
		}
		if n >= limit {
			return nil, errLine
		}
	}
}

// finish reads what is left and returns the size and hash of all.
func (w *window) finish() (int64, string) {
	for w.err == nil {
		w.buf, w.at = w.buf[:0], 0
		w.peek(1)
	}
	w.r.Close()
	if w.sum == nil {
		return w.size, ""
	}
	return w.size, hex.EncodeToString(w.sum.Sum(nil))
}

// damaged returns the error that kept the file from being read to its end, if any.
func (w *window) damaged() error {
	if w.err == io.EOF {
		return nil
	}
	return w.err
}

func itoa(n int) string { return strconv.Itoa(n) }
