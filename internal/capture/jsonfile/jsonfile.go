// Package jsonfile reads the JSON of other systems' exports: files of any size, from which it takes
// one record at a time and says from which bytes it was read.
//
// Such files are not always JSON. Telegram writes control characters as \x1F and ids without quotes,
// phones write half of a surrogate pair, and numbers exceed what a float can hold. The package reads
// what can be read without guessing, changes no digit, and counts each thing that it had to bear with
// as a [Repair], so that nobody takes a repaired text for what stands in the file.
package jsonfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"despatch/internal/capture"
)

// Bounds of what a stranger's file may make us hold.
const (
	maxDepth = 200     // of values in one another
	maxNodes = 200_000 // values in one record
	bufSize  = 64 << 10
)

// Repair names something in a file that is not JSON, or cannot be shown as it stands.
type Repair string

const (
	HexEscape     Repair = "hex_escape"        // \x1F; read as that character
	BadEscape     Repair = "bad_escape"        // a backslash before something that needs none; both are kept
	Control       Repair = "control_character" // a control character that should have been escaped
	BareWord      Repair = "bare_word"         // a value without its quotes
	DuplicateKey  Repair = "duplicate_key"     // a key twice in one object; the last one is followed
	Comma         Repair = "comma"             // one too many, or one missing
	LoneSurrogate Repair = "lone_surrogate"    // half a character; shown as U+FFFD
	NotText       Repair = "not_text"          // bytes that are not UTF-8; shown as U+FFFD
)

// Lossy says whether the text that was read is less than what stands in the file.
func (r Repair) Lossy() bool { return r == LoneSurrogate || r == NotText || r == DuplicateKey }

var explained = map[Repair]string{
	HexEscape:     "Control characters are written in a way that JSON does not have. They are read as what they stand for.",
	BadEscape:     "Backslashes stand where JSON has none. They are kept.",
	Control:       "Control characters stand in texts unescaped. They are kept.",
	BareWord:      "Values stand without quotes. They are read as text.",
	DuplicateKey:  "Things are said twice in one record. The last one is followed; the file itself is kept.",
	Comma:         "Commas are missing or too many.",
	LoneSurrogate: "Half of a character stands alone. It is shown as \uFFFD; the file itself is kept.",
	NotText:       "Some bytes are no text in the file's encoding. They are shown as \uFFFD; the file itself is kept.",
}

// Explain says in plain words what a repair is.
func (r Repair) Explain() string { return explained[r] }

// Reader reads one file. Its methods consume the file from front to back; the first error is final,
// and a fault of the file is a [*capture.FileError].
type Reader struct {
	Fold func(key string) string // what to make of a key; nil to take it as it is

	r       io.Reader
	label   string
	limit   int
	buf     []byte
	pos     int
	base    int64 // offset of buf[0]
	line    int64 // of buf[pos], from 1
	err     error
	depth   int
	nodes   int
	mark    int    // where in buf the record that is being read goes on; -1 if none is
	raw     []byte // of the record, up to mark
	scratch []byte
	repairs []repair
	within  []Repair // the record's
}

type repair struct {
	what  Repair
	count int64
	at    int64
	line  int64
}

// NewReader returns a reader of r, which its owner knows as label.
func NewReader(r io.Reader, label string, limits capture.Limits) (*Reader, error) {
	j := &Reader{r: r, label: label, limit: limits.Line, buf: make([]byte, 0, bufSize), line: 1, mark: -1}
	for len(j.buf) < 3 && j.err == nil {
		j.fill()
	}
	if bytes.HasPrefix(j.buf, []byte("\xEF\xBB\xBF")) {
		j.pos = 3
	}
	if bytes.HasPrefix(j.buf, []byte("\xFF\xFE")) || bytes.HasPrefix(j.buf, []byte("\xFE\xFF")) {
		return nil, &capture.FileError{File: label, Reason: "is written in UTF-16, which no export of its system is", Remedy: "Hand in the file as it was downloaded, or save it as UTF-8."}
	}
	return j, nil
}

// Offset returns how many bytes have been consumed.
func (j *Reader) Offset() int64 { return j.base + int64(j.pos) }

// fill reads on. It keeps what belongs to the record that is being read.
func (j *Reader) fill() {
	if j.err != nil {
		return
	}
	if j.mark >= 0 {
		j.raw = append(j.raw, j.buf[j.mark:j.pos]...)
		j.mark = 0
	}
	n := copy(j.buf[:cap(j.buf)], j.buf[j.pos:])
	j.base += int64(j.pos)
	j.pos = 0
	m, err := j.r.Read(j.buf[n:cap(j.buf)])
	j.buf = j.buf[:n+m]
	j.err = err
}

// peek returns the next byte, or 0 at the end of the file or of what can be read.
func (j *Reader) peek() byte {
	for j.pos >= len(j.buf) {
		if j.err != nil {
			return 0
		}
		j.fill()
	}
	return j.buf[j.pos]
}

func (j *Reader) atEnd() bool { j.peek(); return j.pos >= len(j.buf) }

func (j *Reader) space() byte {
	for {
		c := j.peek()
		switch c {
		case '\n':
			j.line++
		case ' ', '\t', '\r':
		default:
			return c
		}
		j.pos++
	}
}

// fault returns why the file cannot be read on.
func (j *Reader) fault() error {
	if j.err != nil && j.err != io.EOF && j.atEnd() {
		var f *capture.FileError
		if errors.As(j.err, &f) {
			return j.err
		}
		return fmt.Errorf("read %q: %w", j.label, j.err)
	}
	if j.atEnd() {
		return &capture.FileError{File: j.label, Reason: fmt.Sprintf("is cut short: it ends after %d bytes in the middle of something", j.Offset()),
			Remedy: "Download or export it again and wait until it is complete."}
	}
	return &capture.FileError{File: j.label, Reason: fmt.Sprintf("is damaged at line %d, byte %d", j.line, j.Offset()),
		Remedy: "Export it again and hand in the file as it comes."}
}

func (j *Reader) tooMuch(what string) error {
	return &capture.FileError{File: j.label, Reason: fmt.Sprintf("holds at line %d, byte %d, %s", j.line, j.Offset(), what),
		Remedy: "No messenger exports such a thing. Hand in the file as it was exported."}
}

func (j *Reader) repair(what Repair) {
	if j.mark >= 0 {
		j.within = append(j.within, what)
	}
	for i := range j.repairs {
		if j.repairs[i].what == what {
			j.repairs[i].count++
			return
		}
	}
	j.repairs = append(j.repairs, repair{what, 1, j.Offset(), j.line})
}

// Warn adds to the run a warning for each sort of repair.
func (j *Reader) Warn(run *capture.ParseRun) {
	for _, r := range j.repairs {
		run.Warn(capture.Warning{Code: string(r.what), Detail: r.what.Explain(), Offset: r.at, Line: r.line, Count: r.count})
	}
}

// More says whether another value follows at the top of the file: more than one is how lines of JSON
// are written.
func (j *Reader) More() bool {
	for j.space() == ',' {
		j.pos++
		j.repair(Comma)
	}
	return !j.atEnd()
}

// Kind returns what the next value begins with: { [ " or the first letter or digit, or 0 at the end.
func (j *Reader) Kind() byte { return j.space() }

// Object reads an object and calls member for each of its keys. Member must consume the value.
func (j *Reader) Object(member func(key string) error) error {
	return j.within1('{', '}', func() error {
		key, err := j.key()
		if err != nil {
			return err
		}
		return member(key)
	})
}

// Array reads an array and calls item for each value in it, which item must consume.
func (j *Reader) Array(item func() error) error { return j.within1('[', ']', item) }

// within1 reads what stands between two brackets, separated by commas.
func (j *Reader) within1(open, shut byte, each func() error) error {
	if j.space() != open {
		return j.fault()
	}
	if j.depth++; j.depth > maxDepth {
		return j.tooMuch("things nested too deeply")
	}
	j.pos++
	for first := true; ; first = false {
		c := j.space()
		commas := 0
		for c == ',' {
			j.pos++
			commas++
			c = j.space()
		}
		if c == shut {
			if commas > 0 {
				j.repair(Comma)
			}
			j.pos++
			j.depth--
			return nil
		}
		if j.atEnd() || c == '}' || c == ']' || c == ':' {
			return j.fault()
		}
		if first != (commas == 0) || commas > 1 {
			j.repair(Comma)
		}
		before := j.Offset()
		if err := each(); err != nil {
			return err
		}
		if j.Offset() == before {
			return j.fault()
		}
	}
}

// key reads a key and the colon behind it.
func (j *Reader) key() (string, error) {
	var key string
	var err error
	if j.peek() == '"' {
		key, err = j.text()
	} else {
		key, err = j.bare()
	}
	if err != nil {
		return "", err
	}
	if j.space() != ':' {
		return "", j.fault()
	}
	j.pos++
	j.space()
	if j.Fold != nil {
		key = j.Fold(key)
	}
	return key, nil
}

// Skip passes over the next value, however large it is.
func (j *Reader) Skip() error {
	switch j.space() {
	case '{':
		return j.Object(func(string) error { return j.Skip() })
	case '[':
		return j.Array(j.Skip)
	case '"':
		return j.skipText()
	}
	_, err := j.word()
	return err
}

func (j *Reader) skipText() error {
	j.pos++
	for {
		c := j.peek()
		switch {
		case c == '"':
			j.pos++
			return nil
		case c == '\\':
			j.pos++
			if j.peek(); j.atEnd() {
				return j.fault()
			}
		case c == '\n':
			j.line++
		case c == 0 && j.atEnd():
			return j.fault()
		}
		j.pos++
	}
}

// text reads a string.
func (j *Reader) text() (string, error) {
	b := j.scratch[:0]
	j.pos++
	for {
		c := j.peek()
		if c == 0 && j.atEnd() {
			return "", j.fault()
		}
		// What needs no care is taken in one piece.
		i := j.pos
		for i < len(j.buf) && j.buf[i] >= ' ' && j.buf[i] != '"' && j.buf[i] != '\\' {
			i++
		}
		if i > j.pos {
			b = append(b, j.buf[j.pos:i]...)
			j.pos = i
			if len(b) > j.limit {
				return "", j.tooMuch(fmt.Sprintf("a text of more than %d MB", j.limit>>20))
			}
			continue
		}
		j.pos++
		switch {
		case c == '"':
			j.scratch = b
			if !utf8.Valid(b) {
				j.repair(NotText)
				b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
			}
			return string(b), nil
		case c == '\\':
			var err error
			if b, err = j.escape(b); err != nil {
				return "", err
			}
		default:
			if c == '\n' {
				j.line++
			}
			j.repair(Control)
			b = append(b, c)
		}
	}
}

// escape reads what follows a backslash.
func (j *Reader) escape(b []byte) ([]byte, error) {
	c := j.peek()
	if c == 0 && j.atEnd() {
		return b, j.fault()
	}
	j.pos++
	switch c {
	case '"', '\\', '/':
		return append(b, c), nil
	case 'b':
		return append(b, '\b'), nil
	case 'f':
		return append(b, '\f'), nil
	case 'n':
		return append(b, '\n'), nil
	case 'r':
		return append(b, '\r'), nil
	case 't':
		return append(b, '\t'), nil
	case 'x':
		if n, ok := j.hex(2); ok {
			j.repair(HexEscape)
			return utf8.AppendRune(b, rune(n)), nil
		}
	case 'u':
		if n, ok := j.hex(4); ok {
			return j.utf16(b, rune(n)), nil
		}
	}
	j.repair(BadEscape)
	if c == '\n' {
		j.line++
	}
	return append(b, '\\', c), nil
}

// utf16 adds a code unit, with its other half if it is one of two.
func (j *Reader) utf16(b []byte, r rune) []byte {
	if r < 0xD800 || r > 0xDFFF {
		return utf8.AppendRune(b, r)
	}
	if r < 0xDC00 && j.ahead(6) && j.buf[j.pos] == '\\' && j.buf[j.pos+1] == 'u' {
		j.pos += 2
		if low, ok := j.hex(4); ok && low >= 0xDC00 && low <= 0xDFFF {
			return utf8.AppendRune(b, (r-0xD800)<<10+rune(low)-0xDC00+0x10000)
		} else if ok {
			j.pos -= 4
		}
		j.pos -= 2
	}
	j.repair(LoneSurrogate)
	return utf8.AppendRune(b, utf8.RuneError)
}

// ahead says whether n bytes more stand in the buffer, after reading them if need be.
func (j *Reader) ahead(n int) bool {
	for len(j.buf)-j.pos < n && j.err == nil {
		j.fill()
	}
	return len(j.buf)-j.pos >= n
}

// hex reads n hexadecimal digits, or none.
func (j *Reader) hex(n int) (v uint32, ok bool) {
	if !j.ahead(n) {
		return 0, false
	}
	for _, c := range j.buf[j.pos : j.pos+n] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint32(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | uint32(c-'A'+10)
		default:
			return 0, false
		}
	}
	j.pos += n
	return v, true
}

// word reads a number, true, false, null, or something that should have had quotes.
func (j *Reader) word() (string, error) {
	c := j.peek()
	if c == '-' || c >= '0' && c <= '9' || c == 't' || c == 'f' || c == 'n' {
		b := j.scratch[:0]
		for c := j.peek(); c > ' ' && c != ',' && c != '}' && c != ']' && c != ':' && len(b) < 4096; c = j.peek() {
			b = append(b, c)
			j.pos++
		}
		j.scratch = b
		s := string(b)
		if s == "true" || s == "false" || s == "null" || number(s) {
			return s, nil
		}
		if j.atEnd() {
			return s, j.fault()
		}
		if c := j.peek(); c <= ' ' && c != '\n' && c != '\r' {
			rest, err := j.bare()
			return string(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD"))) + rest, err
		}
		j.repair(BareWord)
		return string(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD"))), nil
	}
	return j.bare()
}

// bare reads a value without quotes: up to the end of its line, or to a comma or a bracket.
func (j *Reader) bare() (string, error) {
	var b []byte
	for c := j.peek(); c >= ' ' && c != ',' && c != '}' && c != ']' && c != ':' && c != '"' && c != '{' && c != '['; c = j.peek() {
		if b = append(b, c); len(b) > 4096 {
			return "", j.fault()
		}
		j.pos++
	}
	if j.atEnd() || len(b) == 0 {
		return "", j.fault()
	}
	j.repair(BareWord)
	return string(bytes.ToValidUTF8(bytes.TrimSpace(b), []byte("\uFFFD"))), nil
}

// number says whether s is written as JSON writes numbers.
func number(s string) bool {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if !digits() {
		return false
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s)
}
