package whatsapp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"despatch/internal/capture"
)

// end is how a line ends.
type end uint8

const (
	endNone end = iota // the last line of a file that does not end with one
	endLF
	endCRLF
)

// line is one line of a chat. Its text is UTF-8 whatever the file is in, and belongs to the reader
// until the next line is read.
type line struct {
	number     int64 // from 1
	start, end int64 // bytes of the file, the line end included
	text       []byte
	ends       end
	raw        []byte // the bytes as they stand in the file
	lossy      bool   // some of them are no text, and stand as U+FFFD in it
}

// lineReader reads a chat line by line. It knows UTF-8, and UTF-16 with a byte order mark, which is
// what an editor makes of a chat on some computers.
type lineReader struct {
	r      *bufio.Reader
	wide   bool // UTF-16
	little bool
	limit  int
	label  string
	bom    int64 // bytes of the byte order mark
	at     int64
	number int64
	raw    []byte
	text   []byte
}

func newLineReader(r io.Reader, limits capture.Limits, label string) (*lineReader, error) {
	l := &lineReader{r: bufio.NewReaderSize(r, 64<<10), limit: limits.Line, label: label}
	mark, err := l.r.Peek(3)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(mark, []byte("\xEF\xBB\xBF")):
		l.bom = 3
	case bytes.HasPrefix(mark, []byte("\xFF\xFE")):
		l.bom, l.wide, l.little = 2, true, true
	case bytes.HasPrefix(mark, []byte("\xFE\xFF")):
		l.bom, l.wide = 2, true
	}
	l.r.Discard(int(l.bom))
	l.at = l.bom
	return l, nil
}

// next returns the next line, or io.EOF after the last. A file's last line end ends a line and begins
// none.
func (l *lineReader) next() (line, error) {
	l.raw = l.raw[:0]
	err := l.readRaw()
	if len(l.raw) == 0 {
		if err == nil {
			err = io.EOF
		}
		return line{}, err
	}
	if err != nil && err != io.EOF {
		return line{}, err
	}
	l.number++
	n := line{number: l.number, start: l.at, end: l.at + int64(len(l.raw)), raw: l.raw}
	l.at = n.end
	n.text, n.lossy = l.decode()
	if t, ok := bytes.CutSuffix(n.text, []byte("\n")); ok {
		n.text, n.ends = t, endLF
		if t, ok := bytes.CutSuffix(n.text, []byte("\r")); ok {
			n.text, n.ends = t, endCRLF
		}
	}
	return n, nil
}

// readRaw reads up to and with the next line feed.
func (l *lineReader) readRaw() error {
	for {
		part, err := l.r.ReadSlice('\n')
		l.raw = append(l.raw, part...)
		if len(l.raw) > l.limit {
			return &capture.FileError{File: l.label, Remedy: "Hand in the file as WhatsApp exports it.",
				Reason: fmt.Sprintf("has a line of more than %d MB near line %d, which no WhatsApp chat has", l.limit>>20, l.number+1)}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil || !l.wide {
			return err
		}
		// In UTF-16 a byte 0x0A is a line feed only as the right half of the right unit.
		if l.little {
			b, err := l.r.ReadByte()
			if err != nil {
				return err
			}
			l.raw = append(l.raw, b)
			if len(l.raw)%2 == 0 && b == 0 {
				return nil
			}
		} else if n := len(l.raw); n%2 == 0 && l.raw[n-2] == 0 {
			return nil
		}
	}
}

// decode returns the raw line as valid UTF-8.
func (l *lineReader) decode() (text []byte, lossy bool) {
	if !l.wide {
		if utf8.Valid(l.raw) {
			return l.raw, false
		}
		l.text = append(l.text[:0], bytes.ToValidUTF8(l.raw, []byte("\uFFFD"))...)
		return l.text, true
	}
	l.text = l.text[:0]
	unit := func(i int) rune {
		if l.little {
			return rune(l.raw[i]) | rune(l.raw[i+1])<<8
		}
		return rune(l.raw[i])<<8 | rune(l.raw[i+1])
	}
	i := 0
	for ; i+1 < len(l.raw); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			pair := utf8.RuneError
			if i+3 < len(l.raw) {
				pair = utf16.DecodeRune(r, unit(i+2))
			}
			if pair == utf8.RuneError {
				lossy = true
			} else {
				i += 2
			}
			r = pair
		}
		l.text = utf8.AppendRune(l.text, r)
	}
	if i < len(l.raw) { // half a unit at the end of the file
		l.text, lossy = utf8.AppendRune(l.text, utf8.RuneError), true
	}
	return l.text, lossy
}
