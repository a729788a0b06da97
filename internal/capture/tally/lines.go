package tally

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"despatch/internal/capture"
)

// Line is a line of a text file.
type Line struct {
	Text       string // without its end; bytes that are no text are U+FFFD
	Raw        []byte // with its end; valid until the next line
	Start, End int64
	Number     int64 // from 1
	Lossy      bool
}

// Lines calls each for every line of a file. A mark of the byte order at the beginning is passed over.
// It returns how many bytes it has read.
func Lines(in io.Reader, label string, limits capture.Limits, each func(*Line) error) (int64, error) {
	r := bufio.NewReaderSize(in, 64<<10)
	l := &Line{}
	if b, _ := r.Peek(3); bytes.Equal(b, []byte("\xEF\xBB\xBF")) {
		r.Discard(3)
		l.End = 3
	}
	var long []byte
	for {
		raw, err := r.ReadSlice('\n')
		long = append(long[:0], raw...)
		for err == bufio.ErrBufferFull {
			if len(long) > limits.Line {
				return l.End, &capture.FileError{File: label, Reason: fmt.Sprintf("has a line of more than %d MB at line %d", limits.Line>>20, l.Number+1), Remedy: "Hand in the file as it was exported."}
			}
			raw, err = r.ReadSlice('\n')
			long = append(long, raw...)
		}
		if len(long) > 0 {
			l.Raw, l.Start, l.Number = long, l.End, l.Number+1
			l.End += int64(len(long))
			text := bytes.TrimSuffix(bytes.TrimSuffix(long, []byte("\n")), []byte("\r"))
			l.Lossy = !utf8.Valid(text)
			l.Text = strings.ToValidUTF8(string(text), "\uFFFD")
			if err := each(l); err != nil {
				return l.End, err
			}
		}
		if err == io.EOF {
			return l.End, nil
		}
		if err != nil {
			return l.End, err
		}
	}
}
