package email

import (
	"bytes"
	"strings"
)

// Bounds of a mail's structure.
const (
	maxDepth = 30   // parts in parts
	maxParts = 5000 // of one mail
)

// part is a mail or a part of one: a header and what follows it.
type part struct {
	header      header
	kind        string // media type, in small letters; never empty
	params      map[string]string
	disposition media
	encoding    string // transfer encoding, in small letters
	raw         []byte // what follows the header, still encoded
	whole       []byte // of a part that holds a mail: the mail; else nil
	children    []*part
	mail        *part // of a part that holds a mail

	cutShort bool // a boundary that must end it is missing
	tooDeep  bool
	oddLines int
}

// walk is the state of taking a mail apart.
type walk struct{ parts int }

// parseMail takes a mail apart (RFC 2045, RFC 2046). It never fails: what is not well formed is taken as
// the text that it is.
func parseMail(raw []byte) *part { return (&walk{}).part(raw, "text/plain", 0) }

func (w *walk) part(raw []byte, kind string, depth int) *part {
	p := &part{params: map[string]string{}}
	w.parts++
	p.header, p.raw, p.oddLines = parseHeader(raw)
	if v := p.header.value("content-type"); v != nil {
		m := parseMedia(v)
		p.params = m.params
		if strings.Contains(m.kind, "/") {
			kind = m.kind
		} else if m.kind == "text" {
			kind = "text/plain"
		}
	}
	p.kind = kind
	p.disposition = parseMedia(p.header.value("content-disposition"))
	p.encoding = strings.ToLower(strings.Trim(string(p.header.value("content-transfer-encoding")), " \t;\""))
	if strings.HasPrefix(p.encoding, "quoted") {
		p.encoding = strings.Join(strings.Fields(p.encoding), "")
	}
	if i := strings.IndexAny(p.encoding, " ;("); i >= 0 {
		p.encoding = p.encoding[:i]
	}
	if depth >= maxDepth || w.parts > maxParts {
		p.tooDeep = true
		return p
	}
	switch boundary := p.params["boundary"]; {
	case strings.HasPrefix(kind, "multipart/") && boundary != "":
		child := "text/plain"
		if kind == "multipart/digest" {
			child = "message/rfc822"
		}
		pieces, closed := cutParts(p.raw, boundary)
		p.cutShort = !closed
		if len(pieces) == 0 { // no boundary stands in it: it is what it is
			p.kind = "text/plain"
			break
		}
		for _, piece := range pieces {
			p.children = append(p.children, w.part(piece, child, depth+1))
		}
	case strings.HasPrefix(kind, "multipart/"):
		p.kind = "text/plain"
	case kind == "message/rfc822" || kind == "message/global":
		p.whole, _ = p.decode()
		p.mail = w.part(p.whole, "text/plain", depth+1)
	}
	return p
}

// cutParts cuts a body at its boundary. Closed says whether the boundary that ends it is there. The line
// end before a boundary belongs to the boundary.
func cutParts(body []byte, boundary string) (pieces [][]byte, closed bool) {
	mark := []byte("--" + boundary)
	start, at := -1, 0
	for at < len(body) {
		i := bytes.Index(body[at:], mark)
		if i < 0 {
			break
		}
		i += at
		at = i + len(mark)
		if i > 0 && body[i-1] != '\n' {
			continue
		}
		line, rest := cutLine(body[at:])
		end := bytes.HasPrefix(line, []byte("--"))
		if tail := bytes.TrimPrefix(line, []byte("--")); len(bytes.TrimSpace(tail)) > 0 && !end || end && len(tail) > 0 && isBoundaryByte(tail[0]) {
			continue // a longer boundary that begins with this one
		}
		if start >= 0 {
			pieces = append(pieces, trimEnd(body[start:i]))
		}
		if end {
			return pieces, true
		}
		start = len(body) - len(rest)
		at = start
		if len(pieces) > maxParts {
			return pieces, false
		}
	}
	if start >= 0 {
		pieces = append(pieces, body[start:])
	}
	return pieces, false
}

func isBoundaryByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("'()+_,-./:=?", c) >= 0
}

// trimEnd removes one line end.
func trimEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// decode undoes the transfer encoding. A fault names what is wrong; "" is nothing.
func (p *part) decode() (data []byte, fault string) {
	bad := false
	switch p.encoding {
	case "base64":
		if data, bad = decodeBase64(p.raw); bad {
			fault = "malformed_base64"
		}
		return data, fault
	case "quoted-printable", "quotedprintable", "quoted_printable":
		if data, bad = decodeQuoted(p.raw, true); bad {
			fault = "malformed_quoted_printable"
		}
		return data, fault
	case "x-uuencode", "uuencode", "x-uue", "uue":
		if data, bad = decodeUU(p.raw); bad {
			fault = "malformed_uuencode"
		}
		return data, fault
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "8bits", "7bits", "none", "plain", "text":
		return p.raw, ""
	}
	return p.raw, "encoding_unknown"
}

// decodeUU decodes what stands between begin and end.
func decodeUU(b []byte) (data []byte, faulty bool) {
	begun := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if !begun {
			begun = bytes.HasPrefix(line, []byte("begin "))
			continue
		}
		if len(line) == 0 || line[0] == '`' {
			continue
		}
		if string(line) == "end" {
			return data, faulty
		}
		n := int(line[0]-' ') & 0x3F
		line = line[1:]
		start := len(data)
		for len(data)-start < n {
			var q [4]byte
			for i := range q {
				if i < len(line) && line[i] >= ' ' && line[i] <= '`' {
					q[i] = (line[i] - ' ') & 0x3F
				}
			}
			faulty = faulty || len(line) < 2
			line = line[min(4, len(line)):]
			data = append(data, q[0]<<2|q[1]>>4, q[1]<<4|q[2]>>2, q[2]<<6|q[3])
		}
		data = data[:start+n]
	}
	return data, true
}

// filename returns the name that the mail gives to the part, without folders; "" if it gives none.
func (p *part) filename() string {
	name := p.disposition.params["filename"]
	if name == "" {
		name = p.params["name"]
	}
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	return visible(name)
}
