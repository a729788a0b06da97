package tally

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"despatch/internal/capture"
)

// Row is a record of a CSV file with the bytes that it was read from.
type Row struct {
	Fields     []string // as text; bytes that are none are U+FFFD
	Raw        []byte   // valid until the next row
	Start, End int64
	Line       int64 // the first, from 1
	Lines      int64
	Lossy      bool
}

// CSV calls each for every row of a file, its heading included. Separator is ',' ';' or '\t', or 0 to
// take the one that the first line has most of. It returns how many bytes it has read.
func CSV(in io.Reader, label string, limits capture.Limits, separator rune, each func(*Row) error) (int64, error) {
	var kept bytes.Buffer
	head := bufio.NewReaderSize(in, 64<<10)
	first, err := head.Peek(64 << 10)
	if err != nil && err != io.EOF {
		return 0, err
	}
	bom := int64(0)
	if bytes.HasPrefix(first, []byte("\xEF\xBB\xBF")) {
		bom = 3
		head.Discard(3)
	}
	if separator == 0 {
		separator = Separator(string(first))
	}
	limited := &lineLimit{r: io.TeeReader(head, &kept), kept: &kept, limit: limits.Line}
	r := csv.NewReader(limited)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = separator, -1, true, true
	start, line := int64(0), int64(1)
	for {
		fields, err := r.Read()
		if err == io.EOF {
			// Empty lines at the end belong to nothing.
			return bom + start + int64(kept.Len()), nil
		}
		if errors.Is(err, errTooLong) {
			return bom + start, &capture.FileError{File: label, Reason: fmt.Sprintf("has a row of more than %d MB at line %d", limits.Line>>20, line), Remedy: "Hand in the file as it was exported."}
		}
		if err != nil {
			var parse *csv.ParseError
			if errors.As(err, &parse) {
				return bom + start, &capture.FileError{File: label, Reason: fmt.Sprintf("is damaged at line %d: a quotation mark is missing", parse.StartLine), Remedy: "Export it again and hand in the file as it comes, not opened and saved by another program."}
			}
			return bom + start, err
		}
		end := r.InputOffset()
		raw := kept.Next(int(end - start))
		// Empty lines before a row are not part of it.
		skip := 0
		for skip < len(raw) && (raw[skip] == '\n' || raw[skip] == '\r') {
			if raw[skip] == '\n' {
				line++
			}
			skip++
		}
		row := &Row{Raw: raw[skip:], Start: bom + start + int64(skip), End: bom + end, Line: line, Lines: max(1, int64(bytes.Count(bytes.TrimSuffix(raw[skip:], []byte("\n")), []byte("\n")))+1), Lossy: !utf8.Valid(raw)}
		line += int64(bytes.Count(raw[skip:], []byte("\n")))
		for i, f := range fields {
			if !utf8.ValidString(f) {
				fields[i] = strings.ToValidUTF8(f, "\uFFFD")
			}
		}
		row.Fields = fields
		start = end
		if err := each(row); err != nil {
			return bom + start, err
		}
	}
}

// Separator returns the separator that the first line of a file has most of.
func Separator(s string) rune {
	s, _, _ = strings.Cut(s, "\n")
	best, most := ',', 0
	for _, c := range []rune{',', ';', '\t'} {
		if n := strings.Count(s, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

var errTooLong = errors.New("row too long")

// lineLimit ends reading when one row has grown too long.
type lineLimit struct {
	r     io.Reader
	kept  *bytes.Buffer
	limit int
}

func (l *lineLimit) Read(p []byte) (int, error) {
	if l.kept.Len() > l.limit {
		return 0, errTooLong
	}
	return l.r.Read(p)
}

// Columns maps the names of a heading to their places: lower case, letters and digits only.
func Columns(heading []string) map[string]int {
	m := map[string]int{}
	for i, h := range heading {
		key := strings.Map(func(r rune) rune {
			switch {
			case r >= 'A' && r <= 'Z':
				return r + 'a' - 'A'
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r >= 0x80 && r != 0xFEFF:
				return r
			}
			return -1
		}, h)
		if _, twice := m[key]; !twice && key != "" {
			m[key] = i
		}
	}
	return m
}
