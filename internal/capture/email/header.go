package email

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a header. Real mails have a hundred fields at most.
const (
	maxHeader    = 1 << 20 // bytes
	maxFields    = 4000
	maxAddresses = 5000 // of one field
	maxWord      = 8192 // bytes of an encoded word; the standard allows 75
)

// field is one field of a header. Its value is unfolded, and otherwise as it stands.
type field struct {
	name  string // in small letters
	value []byte
}

// header is the fields of a mail or of one of its parts, in their order.
type header []field

// value returns the first field of a name as it stands, or nil.
func (h header) value(name string) []byte {
	for i := range h {
		if h[i].name == name {
			return h[i].value
		}
	}
	return nil
}

// all returns every field of a name.
func (h header) all(name string) [][]byte {
	var list [][]byte
	for i := range h {
		if h[i].name == name {
			list = append(list, h[i].value)
		}
	}
	return list
}

// parseHeader reads the header that raw begins with (RFC 5322, 2.2) and returns what follows the empty
// line. Mails that went through faulty programs have lines that are no field: such a line is passed over,
// and counted, if a field follows it; else the empty line is missing, and the line begins the body.
func parseHeader(raw []byte) (h header, body []byte, odd int) {
	rest := raw
	read, own := 0, false // whether the last value is a copy that can grow
	for len(rest) > 0 {
		line, next := cutLine(rest)
		if len(line) == 0 {
			return h, next, odd
		}
		if read += len(line) + 2; read > maxHeader || len(h) >= maxFields {
			odd++
			return h, rest, odd
		}
		blank := len(bytes.TrimSpace(line)) == 0
		name, value, ok := fieldOf(bytes.TrimLeft(line, " \t"))
		switch {
		case (line[0] == ' ' || line[0] == '\t') && len(h) > 0 && !blank:
			f := &h[len(h)-1]
			if !own {
				f.value, own = bytes.Clone(f.value), true
			}
			f.value = append(append(f.value, ' '), bytes.TrimSpace(line)...)
		case !blank && ok:
			h, own = append(h, field{name, value}), false
		case headerGoesOn(next) && !bytes.HasPrefix(line, []byte("--")):
			if !blank && !bytes.HasPrefix(line, []byte("From ")) && !bytes.HasPrefix(line, []byte(">From ")) {
				odd++
			}
		case blank:
			return h, next, odd
		default:
			odd++
			return h, rest, odd
		}
		rest = next
	}
	return h, nil, odd
}

// headerGoesOn reports whether a line is a field, or goes on with one.
func headerGoesOn(b []byte) bool {
	line, _ := cutLine(b)
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		return len(bytes.TrimSpace(line)) > 0
	}
	_, _, ok := fieldOf(line)
	return ok
}

// cutLine returns the first line without its end, and what follows.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return bytes.TrimSuffix(b, []byte("\r")), nil
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), b[i+1:]
}

// fieldOf cuts a line into the name and the value of a field.
func fieldOf(line []byte) (name string, value []byte, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 || i > 80 {
		return "", nil, false
	}
	n := bytes.TrimRight(line[:i], " \t")
	for _, c := range n {
		if c <= ' ' || c >= 0x7F {
			return "", nil, false
		}
	}
	return strings.ToLower(string(n)), bytes.TrimSpace(line[i+1:]), true
}

// text returns a value as it is to be read: encoded words (RFC 2047) are decoded, and what is not to be
// seen is left out. Adjacent words of one encoding are joined before they are decoded, since some
// programs cut characters in two.
func text(value []byte) string {
	var out strings.Builder
	var run []byte // decoded bytes, still in the character set
	set, after := "", false
	flush := func() {
		if len(run) > 0 {
			s, _ := decodeText(run, set)
			out.WriteString(s)
		}
		run, after = run[:0], false
	}
	for len(value) > 0 {
		i := bytes.Index(value, []byte("=?"))
		if i < 0 {
			break
		}
		data, wordSet, n := encodedWord(value[i:])
		if n == 0 {
			flush()
			out.WriteString(raw8(value[:i+2]))
			value = value[i+2:]
			continue
		}
		between := value[:i]
		if after && len(bytes.TrimSpace(between)) == 0 {
			between = nil
		}
		if len(between) > 0 || !strings.EqualFold(wordSet, set) {
			flush()
			out.WriteString(raw8(between))
		}
		run, set, after = append(run, data...), wordSet, true
		value = value[i+n:]
	}
	flush()
	out.WriteString(raw8(value))
	return visible(out.String())
}

// visible removes control characters.
func visible(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return ' '
		}
		if unicode.IsControl(r) || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, s))
}

// raw8 reads bytes of a header that are not encoded though they should be.
func raw8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	s, _ := decodeText(b, "windows-1252")
	return s
}

// encodedWord decodes the encoded word that b begins with. n is 0 if there is none.
func encodedWord(b []byte) (data []byte, set string, n int) {
	rest := b[2:]
	q := bytes.IndexByte(rest, '?')
	if q <= 0 || q > 60 || len(rest) < q+3 || rest[q+2] != '?' {
		return nil, "", 0
	}
	set = string(rest[:q])
	set, _, _ = strings.Cut(set, "*") // RFC 2231 adds a language
	end := bytes.Index(rest[q+3:min(len(rest), q+3+maxWord)], []byte("?="))
	if end < 0 || strings.ContainsAny(set, " \t<>") {
		return nil, "", 0
	}
	word := rest[q+3 : q+3+end]
	n = 2 + q + 3 + end + 2
	switch rest[q+1] {
	case 'b', 'B':
		data, _ = decodeBase64(word)
	case 'q', 'Q':
		data = bytes.ReplaceAll(word, []byte("_"), []byte(" "))
		data, _ = decodeQuoted(data, false)
	default:
		return nil, "", 0
	}
	return data, set, n
}

// address is a mailbox that a mail names.
type address struct {
	name  string // as written; may be empty
	email string // in the writing of the mail; may be empty
}

// addresses reads the mailboxes of a field (RFC 5322, 3.4). It takes what programs write, not only what
// they should: names without quotation marks, commas at the end, groups, comments.
func addresses(values [][]byte) []address {
	var list []address
	for _, v := range values {
		for len(v) > 0 && len(list) < maxAddresses {
			one, rest, whole := cutAddress(v)
			if !whole {
				for one := range bytes.SplitSeq(v, []byte(",")) {
					if len(list) < maxAddresses {
						list = append(list, parseAddresses(one)...)
					}
				}
				break
			}
			list = append(list, parseAddresses(one)...)
			v = rest
		}
	}
	return list
}

// cutAddress cuts at the next comma or semicolon that is not part of a name, and drops a group's name.
// It is not whole if a closing mark is missing: commas are then all there is to go by.
func cutAddress(v []byte) (one, rest []byte, whole bool) {
	quoted, comment, angle := false, 0, false
	start := 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && (quoted || comment > 0):
			i++
		case quoted:
			quoted = c != '"'
		case c == '"' && comment == 0:
			quoted = true
		case c == '(':
			comment++
		case c == ')' && comment > 0:
			comment--
		case comment > 0:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
			// Another address follows without a comma.
			if rest := bytes.TrimLeft(v[i+1:], " \t"); len(rest) > 0 && bytes.IndexByte([]byte(",;(>"), rest[0]) < 0 && bytes.IndexByte(rest[:min(len(rest), 512)], '@') >= 0 {
				return v[start : i+1], rest, true
			}
		case c == ':' && !angle && !bytes.ContainsAny(v[start:i], "@="):
			start = i + 1
		case (c == ',' || c == ';') && !angle:
			return v[start:i], v[i+1:], true
		}
	}
	return v[start:], nil, !quoted && comment == 0 && !angle
}

// parseAddresses reads what stands between two commas: an address, or several that only spaces part.
func parseAddresses(v []byte) []address {
	if bytes.IndexByte(v, '<') < 0 && bytes.IndexByte(v, '(') < 0 && bytes.Count(v, []byte("@")) > 1 {
		var list []address
		for _, w := range bytes.Fields(v) {
			if bytes.Count(w, []byte("@")) != 1 {
				list = nil
				break
			}
			list = append(list, parseAddress(w))
		}
		if len(list) > 1 {
			return list
		}
	}
	if a := parseAddress(v); a != (address{}) {
		return []address{a}
	}
	return nil
}

func parseAddress(v []byte) address {
	v, comment := comments(v)
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return address{}
	}
	if i := bytes.LastIndexByte(v, '<'); i >= 0 {
		mail := v[i+1:]
		if end := bytes.IndexByte(mail, '>'); end >= 0 {
			mail = mail[:end]
		}
		if colon := bytes.LastIndexByte(mail, ':'); colon >= 0 && mail[0] == '@' { // a route
			mail = mail[colon+1:]
		}
		a := address{name: text(unquote(v[:i])), email: mailbox(mail)}
		if a.name == a.email {
			a.name = ""
		}
		return a
	}
	at := bytes.IndexByte(v, '@')
	if at < 0 && bytes.ContainsAny(v, "\" =") {
		return address{name: text(unquote(v))}
	}
	// A name without angle brackets before the address.
	if i := bytes.LastIndexByte(v[:max(at, 0)], ' '); i > 0 && i < at-1 && at < len(v)-1 && v[at+1] != ' ' && v[i-1] != '.' {
		return address{name: text(unquote(v[:i])), email: mailbox(v[i:])}
	}
	return address{name: text(unquote(comment)), email: mailbox(v)}
}

// comments takes out what stands in parentheses, outside of quotation marks, and returns the first of it.
func comments(v []byte) (rest, first []byte) {
	if bytes.IndexByte(v, '(') < 0 {
		return v, nil
	}
	quoted, depth, start := false, 0, 0
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '\\' && i+1 < len(v):
			if depth == 0 {
				rest = append(rest, c, v[i+1])
			}
			i++
		case depth == 0 && c == '"':
			quoted = !quoted
			rest = append(rest, c)
		case !quoted && c == '(':
			if depth++; depth == 1 {
				start = i + 1
			}
		case !quoted && c == ')' && depth > 0:
			if depth--; depth == 0 && first == nil {
				first = v[start:i]
			}
		case depth == 0:
			rest = append(rest, c)
		}
	}
	return rest, first
}

func mailbox(b []byte) string {
	return strings.Trim(strings.Join(strings.Fields(visible(raw8(b))), ""), "'<>")
}

// unquote removes quotation marks and what they escape.
func unquote(b []byte) []byte {
	b = bytes.TrimSpace(b)
	if bytes.IndexByte(b, '"') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && i+1 < len(b):
			i++
			out = append(out, b[i])
		case b[i] != '"':
			out = append(out, b[i])
		}
	}
	return bytes.TrimSpace(out)
}

// messageIDs returns the message ids of a field, without their angle brackets.
func messageIDs(value []byte) []string {
	var ids []string
	v := value
	for len(ids) < 1000 {
		i := bytes.IndexByte(v, '<')
		if i < 0 {
			break
		}
		end := bytes.IndexByte(v[i:], '>')
		if end < 0 {
			break
		}
		if id := mailbox(v[i+1 : i+end]); id != "" {
			ids = append(ids, id)
		}
		v = v[i+end+1:]
	}
	if len(ids) == 0 {
		for _, f := range strings.Fields(visible(raw8(value))) {
			if strings.Contains(f, "@") && len(ids) < 1000 {
				ids = append(ids, strings.Trim(f, "<>"))
			}
		}
	}
	return ids
}

// media is a value such as a Content-Type: what it says first, and its parameters.
type media struct {
	kind   string // in small letters
	params map[string]string
}

// parseMedia reads a Content-Type or a Content-Disposition (RFC 2045, 5.1; RFC 2231).
func parseMedia(value []byte) media {
	m := media{params: map[string]string{}}
	pieces := cutParams(value)
	if len(pieces) == 0 {
		return m
	}
	m.kind = strings.ToLower(visible(raw8(pieces[0])))
	m.kind = strings.ReplaceAll(m.kind, " ", "")
	type section struct {
		data    []byte
		encoded bool
	}
	parts := map[string]map[int]section{} // continued values
	for _, p := range pieces[1:] {
		name, v, ok := bytes.Cut(p, []byte("="))
		if !ok {
			continue
		}
		key := strings.ToLower(string(bytes.TrimSpace(name)))
		v = bytes.TrimSpace(v)
		base, number, encoded := splitStar(key)
		if number < 0 && !encoded {
			if _, twice := m.params[key]; !twice {
				m.params[key] = text(unquote(v))
			}
			continue
		}
		if parts[base] == nil {
			parts[base] = map[int]section{}
		}
		parts[base][max(number, 0)] = section{unquote(v), encoded}
	}
	for base, sections := range parts {
		var data []byte
		set := ""
		for i := 0; i < len(sections); i++ {
			s, ok := sections[i]
			if !ok {
				break
			}
			d := s.data
			if s.encoded {
				if i == 0 {
					if f := bytes.SplitN(d, []byte("'"), 3); len(f) == 3 {
						set, d = string(f[0]), f[2]
					}
				}
				d = percent(d)
			}
			data = append(data, d...)
		}
		s, _ := decodeText(data, set)
		if base == "filename" || base == "name" {
			s = visible(s)
		}
		m.params[base] = s
	}
	return m
}

// splitStar reads the stars of RFC 2231 in a parameter's name: name*, name*0, name*0*.
func splitStar(key string) (base string, number int, encoded bool) {
	base, rest, ok := strings.Cut(key, "*")
	if !ok {
		return key, -1, false
	}
	if rest == "" {
		return base, -1, true
	}
	digits, encoded := strings.CutSuffix(rest, "*")
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' || n > 1000 {
			return key, -1, false
		}
		n = n*10 + int(c-'0')
	}
	return base, n, encoded
}

func percent(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			if hi, lo := unhex(b[i+1]), unhex(b[i+2]); hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// cutParams cuts at semicolons outside of quotation marks.
func cutParams(v []byte) [][]byte {
	var list [][]byte
	quoted, start := false, 0
	for i := 0; i < len(v) && len(list) < 200; i++ {
		switch {
		case v[i] == '\\' && quoted:
			i++
		case v[i] == '"':
			quoted = !quoted
		case v[i] == ';' && !quoted:
			list = append(list, v[start:i])
			start = i + 1
		}
	}
	return append(list, v[start:])
}

// decodeBase64 decodes what can be decoded. What is no base64 is passed over, as RFC 2045 asks, and
// reported as a fault.
func decodeBase64(b []byte) (data []byte, faulty bool) {
	clean := make([]byte, 0, len(b))
	ended := false
	for _, c := range b {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			if ended { // several pieces, each with its padding
				part, bad := decodeBase64(clean)
				data, clean, ended = append(data, part...), clean[:0], false
				faulty = faulty || bad
			}
			clean = append(clean, c)
		case c == '=':
			ended = len(clean) > 0
		case c == ' ', c == '\t', c == '\r', c == '\n':
		default:
			faulty = true
		}
	}
	if len(clean)%4 == 1 {
		clean, faulty = clean[:len(clean)-1], true
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, err := base64.RawStdEncoding.Decode(out, clean)
	if data == nil {
		return out[:n], faulty || err != nil
	}
	return append(data, out[:n]...), faulty || err != nil
}

// decodeQuoted decodes quoted-printable (RFC 2045, 6.7). With lines set, blanks at the end of lines are
// dropped and lines joined. What is not well formed is left as it stands, and reported as a fault.
func decodeQuoted(b []byte, lines bool) (data []byte, faulty bool) {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		var line, end []byte
		if i := bytes.IndexByte(b, '\n'); lines && i >= 0 {
			line, end, b = b[:i], b[i:i+1], b[i+1:]
			if bytes.HasSuffix(line, []byte("\r")) {
				line, end = line[:len(line)-1], []byte("\r\n")
			}
		} else {
			line, b = b, nil
		}
		if lines {
			line = bytes.TrimRight(line, " \t")
			if soft := bytes.TrimSuffix(line, []byte("=")); len(soft) < len(line) {
				line, end = soft, nil
			}
		}
		for i := 0; i < len(line); i++ {
			if line[i] != '=' {
				out = append(out, line[i])
				continue
			}
			if i+2 < len(line) {
				if hi, lo := unhex(line[i+1]), unhex(line[i+2]); hi >= 0 && lo >= 0 {
					out = append(out, byte(hi<<4|lo))
					i += 2
					continue
				}
			}
			faulty = true
			out = append(out, '=')
		}
		out = append(out, end...)
	}
	return out, faulty
}
