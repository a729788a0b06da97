package sms

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// token is one tag, or the text between two tags.
type token struct {
	kind       tokenKind
	name       string // of the element, for start and end
	alone      bool   // a start tag that is its own end
	raw        []byte // until the next call; nil if the tag is longer than the limit
	start, end int64
	line       int64
	lines      int64 // line feeds in it
}

type tokenKind byte

const (
	textToken tokenKind = iota
	startToken
	endToken
	otherToken // a comment, a declaration, or an instruction
	cutToken   // the file ends inside a tag
)

// scanner cuts XML into tags without judging them. Programs for reading XML refuse the files of SMS
// Backup & Restore or, worse, change them in silence: emoji are written as two references to halves of a
// character, and messages may hold references to characters that XML forbids.
type scanner struct {
	r     *bufio.Reader
	limit int // bytes of one tag
	buf   []byte
	off   int64
	line  int64
	over  bool // the token is longer than the limit and is not kept

	// record, if not nil, is told all bytes as they pass.
	record io.Writer
}

func newScanner(r io.Reader, limit int) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, 64<<10), limit: limit, line: 1}
}

// piece reads up to and with the delimiter, or as much as the reader has room for.
func (s *scanner) piece(delim byte) ([]byte, error) {
	part, err := s.r.ReadSlice(delim)
	s.off += int64(len(part))
	s.line += int64(bytes.Count(part, []byte{'\n'}))
	if s.record != nil {
		s.record.Write(part)
	}
	if len(s.buf)+len(part) > s.limit {
		s.over = true
	}
	if s.over { // the first bytes tell the name
		part := part[:min(len(part), max(0, 128-len(s.buf)))]
		s.buf = append(s.buf[:min(len(s.buf), 128)], part...)
	} else {
		s.buf = append(s.buf, part...)
	}
	return part, err
}

// next returns the next token, or io.EOF.
func (s *scanner) next() (token, error) {
	s.buf, s.over = s.buf[:0], false
	t := token{start: s.off, line: s.line}
	b, err := s.r.Peek(1)
	if err != nil {
		return t, err
	}
	if b[0] != '<' {
		t.kind = textToken
		err = s.text()
	} else {
		err = s.tag(&t)
	}
	t.end, t.raw = s.off, s.buf
	if s.over {
		t.raw = nil
	}
	t.lines = s.line - t.line
	if err == io.EOF {
		err = nil
		if t.kind != textToken {
			t.kind = cutToken
		}
	}
	return t, err
}

// text reads up to the next tag.
func (s *scanner) text() error {
	for {
		n := min(max(s.r.Buffered(), 1), s.r.Size())
		b, err := s.r.Peek(n)
		if len(b) == 0 {
			return err
		}
		end := bytes.IndexByte(b, '<')
		if end == 0 {
			return nil
		}
		if end > 0 {
			b = b[:end]
		}
		if s.record != nil {
			s.record.Write(b)
		}
		if s.over = s.over || len(s.buf)+len(b) > s.limit; s.over {
			s.buf = s.buf[:0]
		} else {
			s.buf = append(s.buf, b...)
		}
		s.off += int64(len(b))
		s.line += int64(bytes.Count(b, []byte{'\n'}))
		if _, err := s.r.Discard(len(b)); err != nil {
			return err
		}
	}
}

// tag reads a tag, a comment, a declaration or an instruction.
func (s *scanner) tag(t *token) error {
	head, _ := s.r.Peek(4)
	comment := bytes.HasPrefix(head, []byte("<!--"))
	t.kind = startToken
	if comment || bytes.HasPrefix(head, []byte("<!")) || bytes.HasPrefix(head, []byte("<?")) {
		t.kind = otherToken
	}
	quote, last := byte(0), [3]byte{}
	for {
		part, err := s.piece('>')
		if err != nil && err != bufio.ErrBufferFull {
			t.name = tagName(s.buf)
			return err
		}
		if t.kind == startToken {
			quote = quoted(part, quote)
		}
		for _, c := range part[max(0, len(part)-3):] {
			last = [3]byte{last[1], last[2], c}
		}
		if err == nil && quote == 0 && (!comment || string(last[:]) == "-->" && s.off-t.start >= 7) {
			break
		}
	}
	if t.kind == otherToken {
		return nil
	}
	t.alone = last[1] == '/'
	t.name = tagName(s.buf)
	if len(s.buf) > 1 && s.buf[1] == '/' {
		t.kind = endToken
	}
	return nil
}

// quoted goes over a piece of a tag and returns the quotation mark that is open at its end, or 0.
func quoted(b []byte, open byte) byte {
	for len(b) > 0 {
		var i int
		if open != 0 {
			i = bytes.IndexByte(b, open)
		} else {
			i = bytes.IndexAny(b, `"'`)
		}
		if i < 0 {
			return open
		}
		if open != 0 {
			open = 0
		} else {
			open = b[i]
		}
		b = b[i+1:]
	}
	return open
}

// tagName returns the name of the element, in small letters.
func tagName(raw []byte) string {
	b := bytes.TrimPrefix(bytes.TrimPrefix(raw, []byte("<")), []byte("/"))
	if i := bytes.IndexAny(b, " \t\r\n/>"); i >= 0 {
		b = b[:i]
	}
	if len(b) > 64 {
		b = b[:64]
	}
	return strings.ToLower(strings.ToValidUTF8(string(b), "\uFFFD"))
}

// maxAttributes bounds the attributes of a tag; the format has some thirty.
const maxAttributes = 200

// attributes are those of one tag, as written. The zero value has none.
type attributes struct {
	names  []string
	values [][]byte // without quotation marks, still escaped
}

// parse reads the attributes of a start tag. It returns false if the tag is not well formed; what
// stands before the fault is there. Values are cut out of raw and live as long as it.
func (a *attributes) parse(raw []byte) bool {
	a.names, a.values = a.names[:0], a.values[:0]
	b := bytes.TrimPrefix(raw, []byte("<"))
	b = bytes.TrimSuffix(b, []byte(">"))
	b = bytes.TrimSuffix(b, []byte("/"))
	i := bytes.IndexAny(b, " \t\r\n")
	if i < 0 {
		return true
	}
	b = b[i:]
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		if len(b) == 0 {
			return true
		}
		eq := bytes.IndexByte(b, '=')
		if eq <= 0 || eq > 64 || len(a.names) >= maxAttributes {
			return false
		}
		name := string(bytes.TrimSpace(b[:eq]))
		b = bytes.TrimLeft(b[eq+1:], " \t\r\n")
		if len(b) == 0 || b[0] != '"' && b[0] != '\'' || strings.ContainsAny(name, " <>\"'") {
			return false
		}
		end := bytes.IndexByte(b[1:], b[0])
		if end < 0 {
			return false
		}
		a.names, a.values = append(a.names, name), append(a.values, b[1:1+end])
		b = b[end+2:]
	}
}

// raw returns an attribute as written, and nil if it is absent, empty, or says null.
func (a *attributes) raw(name string) []byte {
	for i, n := range a.names {
		if n == name {
			if v := a.values[i]; len(v) > 0 && string(v) != "null" {
				return v
			}
			return nil
		}
	}
	return nil
}

// text returns an attribute's text, or "" if it is absent or says null.
func (a *attributes) text(name string) string {
	s, _ := unescape(a.raw(name))
	return s
}

// damage says what of a text could not be read as it was meant.
type damage struct {
	halves  bool // half of a character, whose other half is missing
	unknown bool // a reference that XML does not have; it is left as it stands
	notText bool // bytes that are no UTF-8
	control bool // characters that XML forbids, such as NUL; they are kept
}

// unescape replaces references by their characters. Two references to the halves of one character
// become that character, and so do halves written in bytes.
func unescape(b []byte) (string, damage) {
	var d damage
	if bytes.IndexByte(b, '&') < 0 && plain(b) {
		return string(b), d
	}
	out := make([]byte, 0, len(b))
	high := rune(0) // the first half, of which the second is to follow
	lone := func() {
		if high != 0 {
			out = utf8.AppendRune(out, utf8.RuneError)
			d.halves, high = true, 0
		}
	}
	add := func(r rune) {
		switch {
		case r >= 0xD800 && r < 0xDC00:
			lone()
			high = r
		case r >= 0xDC00 && r < 0xE000:
			if high == 0 {
				d.halves, r = true, utf8.RuneError
			} else {
				r = 0x10000 + (high-0xD800)<<10 + (r - 0xDC00)
				high = 0
			}
			out = utf8.AppendRune(out, r)
		default:
			lone()
			if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
				d.control = true
			}
			if r > utf8.MaxRune {
				d.notText, r = true, utf8.RuneError
			}
			out = utf8.AppendRune(out, r)
		}
	}
	for len(b) > 0 {
		if b[0] == '&' {
			if r, n := reference(b); n > 0 {
				add(r)
				b = b[n:]
				continue
			}
			d.unknown = true
		}
		if b[0] == 0xED && len(b) >= 3 && b[1] >= 0xA0 && b[1] <= 0xBF && b[2]&0xC0 == 0x80 { // half a character in three bytes
			add(rune(b[0]&0x0F)<<12 | rune(b[1]&0x3F)<<6 | rune(b[2]&0x3F))
			b = b[3:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			d.notText = true
		}
		add(r)
		b = b[n:]
	}
	lone()
	return string(out), d
}

// plain reports whether a text needs no second look.
func plain(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return utf8.Valid(b)
}

// reference reads a reference at the beginning of b. n is 0 if there is none that XML knows.
func reference(b []byte) (r rune, n int) {
	end := bytes.IndexByte(b[:min(len(b), 16)], ';')
	if end < 2 {
		return 0, 0
	}
	name := string(b[1:end])
	switch name {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok || digits == "" {
		return 0, 0
	}
	base := rune(10)
	if digits[0] == 'x' || digits[0] == 'X' {
		base, digits = 16, digits[1:]
	}
	if digits == "" {
		return 0, 0
	}
	for i := range len(digits) {
		v := rune(-1)
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			v = rune(c - '0')
		case base == 16 && c >= 'a' && c <= 'f':
			v = rune(c-'a') + 10
		case base == 16 && c >= 'A' && c <= 'F':
			v = rune(c-'A') + 10
		}
		if v < 0 {
			return 0, 0
		}
		if r = r*base + v; r > utf8.MaxRune {
			return 0, 0
		}
	}
	return r, end + 1
}
