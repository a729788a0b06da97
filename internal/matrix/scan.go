package matrix

import (
	"bytes"
	"strconv"
	"unsafe"
)

// What follows reads JSON that is known to be canonical: bytes that [Canonical] or [Draft.Build] made, or that
// the database gives back. Damaged bytes give wrong answers, but no panics.

// Lookup returns the raw value at a path of member names in a canonical object, or nil. It allocates nothing
// and the result is part of obj.
func Lookup(obj []byte, path ...string) []byte {
	for _, name := range path {
		var found []byte
		for m := members(obj); m.next(); {
			if m.is(name) {
				found = m.value
				break
			}
		}
		if found == nil {
			return nil
		}
		obj = found
	}
	return obj
}

// LookupString returns the string at a path in a canonical object; ok is false if there is none or it is
// something other than a string.
func LookupString(obj []byte, path ...string) (s string, ok bool) {
	return String(Lookup(obj, path...))
}

// String decodes a canonical JSON string; ok is false if raw is anything else.
func String(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = unescape(nil, raw)
	}
	return string(raw), true
}

// Int decodes a canonical JSON integer; ok is false if raw is anything else.
func Int(raw []byte) (n int64, ok bool) {
	if len(raw) == 0 || len(raw) > 17 {
		return 0, false
	}
	n, err := strconv.ParseInt(alias(raw), 10, 64)
	return n, err == nil
}

// Members calls f with the name and raw value of each member of a canonical object, in order, until f returns
// false. It returns false if raw is not an object.
func Members(raw []byte, f func(name string, value []byte) bool) bool {
	if len(raw) == 0 || raw[0] != '{' {
		return false
	}
	for m := members(raw); m.next(); {
		name := m.name
		if bytes.IndexByte(name, '\\') >= 0 {
			name = unescape(nil, name)
		}
		if !f(string(name), m.value) {
			break
		}
	}
	return true
}

// Elements calls f with each raw element of a canonical array, in order, until f returns false. It returns
// false if raw is not an array.
func Elements(raw []byte, f func(value []byte) bool) bool {
	if len(raw) == 0 || raw[0] != '[' {
		return false
	}
	for i := 1; i < len(raw) && raw[i] != ']'; {
		end := valueEnd(raw, i)
		if end == i || !f(raw[i:end]) {
			break
		}
		i = end
		if i < len(raw) && raw[i] == ',' {
			i++
		} else {
			break
		}
	}
	return true
}

// memberScanner goes through the members of a canonical object.
type memberScanner struct {
	obj         []byte
	pos         int
	name, value []byte // of the current member; the name without quotes and still escaped
}

func members(obj []byte) memberScanner {
	if len(obj) == 0 || obj[0] != '{' {
		return memberScanner{}
	}
	return memberScanner{obj: obj, pos: 1}
}

func (m *memberScanner) next() bool {
	if m.pos < len(m.obj) && m.obj[m.pos] == ',' {
		m.pos++
	}
	if m.pos >= len(m.obj) || m.obj[m.pos] != '"' {
		return false
	}
	colon := stringEnd(m.obj, m.pos)
	if colon >= len(m.obj) || m.obj[colon] != ':' {
		return false
	}
	end := valueEnd(m.obj, colon+1)
	if end == colon+1 {
		return false
	}
	m.name, m.value = m.obj[m.pos+1:colon-1], m.obj[colon+1:end]
	m.pos = end
	return true
}

// is reports whether the current member has a name.
func (m *memberScanner) is(name string) bool {
	if bytes.IndexByte(m.name, '\\') >= 0 {
		return string(unescape(nil, m.name)) == name
	}
	return string(m.name) == name
}

// raw is the current member as it stands, name and value.
func (m *memberScanner) raw() []byte {
	return m.obj[m.pos-len(m.value)-len(m.name)-3 : m.pos]
}

// stringEnd returns the index after the string that begins at b[i].
func stringEnd(b []byte, i int) int {
	for i++; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		i += n
		slashes := 0
		for b[i-1-slashes] == '\\' { // ends at the opening quote at the latest
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

// valueEnd returns the index after the value that begins at b[i].
func valueEnd(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i // the end of what the value is in: there is no value here
			}
			depth--
			i++
		case ',':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] != '"' && b[i] != '{' && b[i] != '[' {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return len(b)
}

// unescape appends the decoded form of what stands between the quotes of a canonical string.
func unescape(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		var b byte
		b, s = nextByte(s[i:])
		dst = append(dst, b)
	}
}

// nextByte decodes the first byte of what stands between the quotes of a canonical string, which is not empty.
// In canonical strings only ASCII is ever escaped.
func nextByte(s []byte) (b byte, rest []byte) {
	if s[0] != '\\' || len(s) == 1 {
		return s[0], s[1:]
	}
	switch s[1] {
	case 'b':
		return '\b', s[2:]
	case 't':
		return '\t', s[2:]
	case 'n':
		return '\n', s[2:]
	case 'f':
		return '\f', s[2:]
	case 'r':
		return '\r', s[2:]
	case 'u':
		if r, ok := hex4(s); ok {
			return byte(r), s[6:]
		}
	}
	return s[1], s[2:]
}

// alias returns b as a string without copying it. It may only be used where b is never written to again, as
// the JSON of an event.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// aliasString decodes a canonical JSON string, sharing raw's memory if it has no escapes.
func aliasString(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = unescape(nil, raw)
	}
	return alias(raw), true
}
