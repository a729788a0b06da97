package matrix

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep arrays and objects may nest. The specification sets no bound but the event's size,
// which would let one event nest thirty thousand deep; nothing that people send comes near a hundred.
const maxDepth = 100

// JSONError says what is wrong with a piece of JSON and where. It wraps [ErrNotJSON] or [ErrBadJSON].
type JSONError struct {
	Offset  int    // byte at which the problem was noticed
	Path    string // members and indices that lead there, such as "m.relates_to.event_id" or "via[2]"
	Problem string
	kind    error
}

func (e *JSONError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s at byte %d", e.Problem, e.Offset)
	}
	return fmt.Sprintf("%s at byte %d (in %s)", e.Problem, e.Offset, e.Path)
}

func (e *JSONError) Unwrap() error { return e.kind }

// in puts a member or index before the path, as the error travels outwards.
func (e *JSONError) in(step string) *JSONError {
	switch {
	case e.Path == "" || e.Path[0] == '[':
		e.Path = step + e.Path
	case len(e.Path) < 200: // a path is for people; deep nesting would make it grow without bound
		e.Path = step + "." + e.Path
	}
	return e
}

// Canonical appends src, one JSON value with nothing but white space around it, to dst in canonical form:
// Appendices, "Canonical JSON". Members are sorted by code point, strings have only the escapes they need,
// and there is no white space.
//
// It refuses what canonical JSON cannot say: numbers with a fraction or an exponent or beyond 2^53-1, members
// that are there twice, strings that are not UTF-8 or have half a surrogate pair. "-0" becomes 0, as in the
// specification's example. The same example turns 1e10 into 10000000000; we follow room version 6 instead,
// which has such numbers refused, and so can never guess wrongly what a sender's library meant.
//
// On error dst is returned as it was.
func Canonical(dst, src []byte) ([]byte, error) {
	c := canonicalizers.Get().(*canonicalizer)
	defer canonicalizers.Put(c)
	c.src, c.pos, c.members = src, 0, c.members[:0]
	out, err := c.value(dst, 0)
	if err == nil {
		if c.space(); c.pos < len(src) {
			err = c.notJSON("something follows the value")
		}
	}
	c.src = nil
	if err != nil {
		return dst, err
	}
	return out, nil
}

var canonicalizers = sync.Pool{New: func() any { return new(canonicalizer) }}

// canonicalizer reads src once and writes as it goes. Only an object whose members come in the wrong order
// is touched twice: its members, already canonical, are moved.
type canonicalizer struct {
	src     []byte
	pos     int
	members []member // of all objects that are open, outermost first
	scratch []byte
}

// member is where a member's name (without quotes) and the end of its value are in the output.
type member struct {
	name, nameEnd, end int
	escaped            bool // the name has a backslash, so that its bytes do not sort as its code points do
}

func (c *canonicalizer) notJSON(format string, args ...any) *JSONError {
	return &JSONError{Offset: c.pos, Problem: fmt.Sprintf(format, args...), kind: ErrNotJSON}
}

func (c *canonicalizer) badJSON(format string, args ...any) *JSONError {
	return &JSONError{Offset: c.pos, Problem: fmt.Sprintf(format, args...), kind: ErrBadJSON}
}

func (c *canonicalizer) space() {
	for c.pos < len(c.src) {
		switch c.src[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

// next skips white space and returns the byte there, or 0 at the end. NUL is no token either.
func (c *canonicalizer) next() byte {
	c.space()
	if c.pos < len(c.src) {
		return c.src[c.pos]
	}
	return 0
}

func (c *canonicalizer) value(dst []byte, depth int) ([]byte, *JSONError) {
	if depth > maxDepth {
		return dst, c.badJSON("nested deeper than %d", maxDepth)
	}
	switch b := c.next(); {
	case b == '{':
		return c.object(dst, depth)
	case b == '[':
		return c.array(dst, depth)
	case b == '"':
		dst, _, err := c.string(dst)
		return dst, err
	case b == '-' || '0' <= b && b <= '9':
		return c.number(dst)
	case b == 't':
		return c.literal(dst, "true")
	case b == 'f':
		return c.literal(dst, "false")
	case b == 'n':
		return c.literal(dst, "null")
	case c.pos == len(c.src):
		return dst, c.notJSON("unexpected end")
	default:
		return dst, c.notJSON("unexpected %q", b)
	}
}

func (c *canonicalizer) literal(dst []byte, word string) ([]byte, *JSONError) {
	if !bytes.HasPrefix(c.src[c.pos:], []byte(word)) {
		return dst, c.notJSON("unexpected %q", c.src[c.pos])
	}
	c.pos += len(word)
	return append(dst, word...), nil
}

func (c *canonicalizer) array(dst []byte, depth int) ([]byte, *JSONError) {
	c.pos++
	dst = append(dst, '[')
	if c.next() == ']' {
		c.pos++
		return append(dst, ']'), nil
	}
	for i := 0; ; i++ {
		var err *JSONError
		if dst, err = c.value(dst, depth+1); err != nil {
			return dst, err.in("[" + strconv.Itoa(i) + "]")
		}
		switch c.next() {
		case ',':
			c.pos++
			dst = append(dst, ',')
		case ']':
			c.pos++
			return append(dst, ']'), nil
		default:
			return dst, c.notJSON("no comma or ] after an element")
		}
	}
}

func (c *canonicalizer) object(dst []byte, depth int) ([]byte, *JSONError) {
	c.pos++
	dst = append(dst, '{')
	if c.next() == '}' {
		c.pos++
		return append(dst, '}'), nil
	}
	first, sorted := len(c.members), true
	for {
		if c.next() != '"' {
			return dst, c.notJSON("no name of a member")
		}
		var m member
		var err *JSONError
		m.name = len(dst) + 1
		if dst, m.escaped, err = c.string(dst); err != nil {
			return dst, err
		}
		m.nameEnd = len(dst) - 1
		if n := len(c.members); sorted && n > first {
			order := compareNames(dst, c.members[n-1], m)
			if order == 0 {
				return dst, c.badJSON("member %q is there twice", dst[m.name:m.nameEnd])
			}
			sorted = order < 0
		}
		if c.next() != ':' {
			return dst, c.notJSON("no colon after a name")
		}
		c.pos++
		dst = append(dst, ':')
		if dst, err = c.value(dst, depth+1); err != nil {
			return dst, err.in(string(dst[m.name:m.nameEnd]))
		}
		m.end = len(dst)
		c.members = append(c.members, m)
		switch c.next() {
		case ',':
			c.pos++
			dst = append(dst, ',')
			continue
		case '}':
			c.pos++
			dst = append(dst, '}')
		default:
			return dst, c.notJSON("no comma or } after a member")
		}
		break
	}
	var err *JSONError
	if !sorted {
		err = c.sort(dst, c.members[first:])
	}
	c.members = c.members[:first]
	return dst, err
}

// sort puts the members of the object that ends dst into order.
func (c *canonicalizer) sort(dst []byte, members []member) *JSONError {
	start := members[0].name - 1
	slices.SortFunc(members, func(a, b member) int { return compareNames(dst, a, b) })
	out := c.scratch[:0]
	for i, m := range members {
		if i > 0 {
			if compareNames(dst, members[i-1], m) == 0 {
				return c.badJSON("member %q is there twice", dst[m.name:m.nameEnd])
			}
			out = append(out, ',')
		}
		out = append(out, dst[m.name-1:m.end]...)
	}
	copy(dst[start:], out)
	c.scratch = out[:0]
	return nil
}

// compareNames orders two names by code point. UTF-8 sorts as its code points do, so the bytes can be
// compared unless there are escapes among them.
func compareNames(buf []byte, a, b member) int {
	x, y := buf[a.name:a.nameEnd], buf[b.name:b.nameEnd]
	if !a.escaped && !b.escaped {
		return bytes.Compare(x, y)
	}
	for len(x) > 0 && len(y) > 0 {
		var p, q byte
		p, x = nextByte(x)
		q, y = nextByte(y)
		if p != q {
			return cmp.Compare(p, q)
		}
	}
	return cmp.Compare(len(x), len(y))
}

// number copies an integer within [-(2^53)+1, 2^53-1].
func (c *canonicalizer) number(dst []byte) ([]byte, *JSONError) {
	start := c.pos
	if c.src[c.pos] == '-' {
		c.pos++
	}
	digits := c.pos
	var n uint64
	for c.pos < len(c.src) && '0' <= c.src[c.pos] && c.src[c.pos] <= '9' {
		if n <= 1<<53 {
			n = n*10 + uint64(c.src[c.pos]-'0')
		}
		c.pos++
	}
	switch {
	case c.pos == digits:
		return dst, c.notJSON("a minus sign without digits")
	case c.src[digits] == '0' && c.pos > digits+1:
		return dst, c.notJSON("a number with a leading zero")
	case c.pos < len(c.src) && (c.src[c.pos] == '.' || c.src[c.pos]|0x20 == 'e'):
		return dst, c.badJSON("a number with a fraction or an exponent, where only integers may be,")
	case n > maxInt:
		return dst, c.badJSON("an integer beyond 2^53-1")
	case n == 0:
		return append(dst, '0'), nil
	}
	return append(dst, c.src[start:c.pos]...), nil
}

// string copies a string, with the escapes that canonical JSON has and no others, and reports whether any are left.
func (c *canonicalizer) string(dst []byte) (_ []byte, escaped bool, _ *JSONError) {
	dst = append(dst, '"')
	c.pos++
	for {
		start := c.pos
		for c.pos < len(c.src) && plain[c.src[c.pos]] {
			c.pos++
		}
		dst = append(dst, c.src[start:c.pos]...)
		if c.pos == len(c.src) {
			return dst, escaped, c.notJSON("a string without end")
		}
		switch b := c.src[c.pos]; {
		case b == '"':
			c.pos++
			return append(dst, '"'), escaped, nil
		case b == '\\':
			r, err := c.escape()
			if err != nil {
				return dst, escaped, err
			}
			n := len(dst)
			dst = appendRune(dst, r)
			escaped = escaped || dst[n] == '\\'
		case b < 0x20:
			return dst, escaped, c.notJSON("control character %U in a string", b)
		default:
			r, n := utf8.DecodeRune(c.src[c.pos:])
			if r == utf8.RuneError && n == 1 {
				return dst, escaped, c.badJSON("a string that is not UTF-8")
			}
			dst = append(dst, c.src[c.pos:c.pos+n]...)
			c.pos += n
		}
	}
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for b := 0x20; b < utf8.RuneSelf; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// escape reads an escape sequence, or the two that make a surrogate pair.
func (c *canonicalizer) escape() (rune, *JSONError) {
	if c.pos+1 >= len(c.src) {
		return 0, c.notJSON("a string without end")
	}
	switch b := c.src[c.pos+1]; b {
	case '"', '\\', '/':
		c.pos += 2
		return rune(b), nil
	case 'b', 'f', 'n', 'r', 't':
		c.pos += 2
		return map[byte]rune{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}[b], nil
	case 'u':
		r, ok := hex4(c.src[c.pos:])
		if !ok {
			return 0, c.notJSON(`\u without four hexadecimal digits`)
		}
		if utf16.IsSurrogate(r) {
			low, _ := hex4(c.src[c.pos+6:])
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return 0, c.badJSON("half a surrogate pair")
			}
			c.pos += 6
		}
		c.pos += 6
		return r, nil
	default:
		return 0, c.notJSON("an unknown escape sequence")
	}
}

// hex4 reads \uXXXX at the start of s.
func hex4(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, b := range s[2:6] {
		switch {
		case '0' <= b && b <= '9':
			r = r<<4 | rune(b-'0')
		case 'a' <= b|0x20 && b|0x20 <= 'f':
			r = r<<4 | rune(b|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// appendRune appends r as it stands in a canonical string.
func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	}
	if r < 0x20 {
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// AppendString appends s to dst as a canonical JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString[S ~string](dst []byte, s S) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		r, n := utf8.DecodeRuneInString(string(s[i:]))
		dst = appendRune(dst, r)
		i += n
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
