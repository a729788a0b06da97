package unstructured

import (
	"bytes"
	"compress/lzw"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
)

// A PDF is read by looking for its objects from its first byte to its last, and not by its
// cross-reference table: what a stranger's file claims about itself is then no way to lead the reader
// in circles. Sections are those of ISO 32000-1.

type (
	pdfName   string
	pdfString string
	pdfWord   string // an operator or keyword
	pdfRef    int    // to the object of that number
	pdfArray  []any
	pdfDict   map[pdfName]any
	pdfStream struct {
		pdfDict
		raw []byte
	}
)

// Bounds of a PDF.
const (
	pdfObjects  = 200_000
	pdfUnpacked = 2 * maxRead // bytes, all streams together
	pdfItems    = 200_000     // in one array or dictionary
	pdfDepth    = 40          // of objects within one another
	pdfPages    = 5000
	pdfWork     = 10_000_000 // words and values, all together
)

// pdfLexer reads objects from bytes (7.2, 7.3).
type pdfLexer struct {
	b    []byte
	at   int
	work *int64 // words and values that may yet be read
}

func pdfSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func pdfDelimiter(c byte) bool { return strings.IndexByte("()<>[]{}/%", c) >= 0 }

func (l *pdfLexer) skip() {
	for l.at < len(l.b) {
		switch c := l.b[l.at]; {
		case pdfSpace(c):
			l.at++
		case c == '%':
			for l.at < len(l.b) && l.b[l.at] != '\n' && l.b[l.at] != '\r' {
				l.at++
			}
		default:
			return
		}
	}
}

// next returns the next object, or false at the end. Closing brackets come as words.
func (l *pdfLexer) next(depth int) (any, bool) {
	l.skip()
	if l.at >= len(l.b) || depth > pdfDepth || *l.work <= 0 {
		return nil, false
	}
	*l.work--
	c := l.b[l.at]
	switch {
	case c == '/':
		l.at++
		return l.name(), true
	case c == '(':
		return l.literal(), true
	case c == '<' && l.at+1 < len(l.b) && l.b[l.at+1] == '<':
		l.at += 2
		return l.dict(depth), true
	case c == '<':
		return l.hex(), true
	case c == '>' && l.at+1 < len(l.b) && l.b[l.at+1] == '>':
		l.at += 2
		return pdfWord(">>"), true
	case c == '[':
		l.at++
		return l.array(depth), true
	case pdfDelimiter(c):
		l.at++
		return pdfWord(string(c)), true
	}
	start := l.at
	for l.at < len(l.b) && !pdfSpace(l.b[l.at]) && !pdfDelimiter(l.b[l.at]) {
		l.at++
	}
	w := string(l.b[start:l.at])
	if c == '+' || c == '-' || c == '.' || c >= '0' && c <= '9' {
		if n, err := strconv.ParseFloat(w, 64); err == nil && n > -1e12 && n < 1e12 {
			return n, true
		}
	}
	return pdfWord(w), true
}

func (l *pdfLexer) name() pdfName {
	var out []byte
	for l.at < len(l.b) && !pdfSpace(l.b[l.at]) && !pdfDelimiter(l.b[l.at]) {
		c := l.b[l.at]
		l.at++
		if c == '#' && l.at+2 <= len(l.b) {
			if x, err := hex.DecodeString(string(l.b[l.at : l.at+2])); err == nil {
				c = x[0]
				l.at += 2
			}
		}
		out = append(out, c)
	}
	return pdfName(out)
}

func (l *pdfLexer) literal() pdfString {
	var out []byte
	depth := 0
	for ; l.at < len(l.b); l.at++ {
		c := l.b[l.at]
		switch c {
		case '(':
			if depth++; depth == 1 {
				continue
			}
		case ')':
			if depth--; depth == 0 {
				l.at++
				return pdfString(out)
			}
		case '\\':
			l.at++
			if l.at >= len(l.b) {
				return pdfString(out)
			}
			out = l.escape(out)
			continue
		}
		out = append(out, c)
	}
	return pdfString(out)
}

func (l *pdfLexer) escape(out []byte) []byte {
	c := l.b[l.at]
	if i := strings.IndexByte("nrtbf", c); i >= 0 {
		return append(out, "\n\r\t\b\f"[i])
	}
	switch {
	case c == '\r':
		if l.at+1 < len(l.b) && l.b[l.at+1] == '\n' {
			l.at++
		}
		return out
	case c == '\n':
		return out
	case c < '0' || c > '7':
		return append(out, c)
	}
	n := 0
	for i := 0; i < 3 && l.at < len(l.b) && l.b[l.at] >= '0' && l.b[l.at] <= '7'; i++ {
		n = n*8 + int(l.b[l.at]-'0')
		l.at++
	}
	l.at--
	return append(out, byte(n))
}

func (l *pdfLexer) hex() pdfString {
	l.at++
	var digits []byte
	for l.at < len(l.b) && l.b[l.at] != '>' {
		if c := l.b[l.at]; !pdfSpace(c) {
			digits = append(digits, c)
		}
		l.at++
	}
	l.at = min(l.at+1, len(l.b))
	if len(digits)%2 == 1 {
		digits = append(digits, '0')
	}
	out := make([]byte, len(digits)/2)
	n, _ := hex.Decode(out, digits)
	return pdfString(out[:n])
}

// put adds an object to a list, in which "12 0 R" is a reference.
func put(list []any, v any) []any {
	if n := len(list); v == pdfWord("R") && n >= 2 {
		num, ok := list[n-2].(float64)
		if _, gen := list[n-1].(float64); ok && gen && num >= 0 && num < 1e9 {
			return append(list[:n-2], pdfRef(num))
		}
	}
	return append(list, v)
}

func (l *pdfLexer) array(depth int) pdfArray {
	var out []any
	for {
		v, ok := l.next(depth + 1)
		if !ok || v == pdfWord("]") || v == pdfWord(">>") {
			return out
		}
		if len(out) < pdfItems {
			out = put(out, v)
		}
	}
}

func (l *pdfLexer) dict(depth int) pdfDict {
	var list []any
	for {
		v, ok := l.next(depth + 1)
		if !ok || v == pdfWord(">>") || v == pdfWord("endobj") || v == pdfWord("stream") {
			break
		}
		if len(list) < pdfItems {
			list = put(list, v)
		}
	}
	out := pdfDict{}
	for i := 0; i+1 < len(list); i += 2 {
		if k, ok := list[i].(pdfName); ok {
			out[k] = list[i+1]
		} else {
			i--
		}
	}
	return out
}

// pdfFile is the objects of a PDF.
type pdfFile struct {
	objects map[int]any
	trailer pdfDict
	budget  int64 // bytes that may yet be unpacked
	work    int64 // words and values that may yet be read
	starved bool  // one of them was not enough
}

func (f *pdfFile) lexer(b []byte) *pdfLexer { return &pdfLexer{b: b, work: &f.work} }

// openPDF finds the objects of a file (7.5).
func openPDF(data []byte) *pdfFile {
	f := &pdfFile{objects: map[int]any{}, trailer: pdfDict{}, budget: pdfUnpacked, work: pdfWork}
	var packed []pdfStream
	for rest := data; ; { // the trailers first, each of which may stand anywhere
		_, after, ok := bytes.Cut(rest, []byte("trailer"))
		if !ok {
			break
		}
		l := f.lexer(after[:min(len(after), 1<<16)])
		d, _ := l.next(0)
		f.addTrailer(d)
		rest = after[l.at:]
	}
	for at := 0; len(f.objects) < pdfObjects && f.work > 0; {
		i := bytes.Index(data[at:], []byte("obj"))
		if i < 0 {
			break
		}
		at += i + 3
		num, ok := objectNumber(data[:at-3])
		if !ok {
			continue
		}
		l := f.lexer(data)
		l.at = at
		v, ok := l.next(0)
		if !ok {
			continue
		}
		at = max(at, l.at)
		if d, ok := v.(pdfDict); ok {
			if s, end, ok := streamOf(d, data, l.at); ok {
				v, at = s, end
				switch d["Type"] {
				case pdfName("ObjStm"):
					packed = append(packed, s)
				case pdfName("XRef"):
					f.addTrailer(d)
				}
			}
		}
		f.objects[num] = v
	}
	for _, s := range packed {
		f.unpackObjects(s)
	}
	return f
}

func (f *pdfFile) addTrailer(v any) {
	d, _ := v.(pdfDict)
	for _, k := range []pdfName{"Root", "Info", "Encrypt"} {
		if x, ok := d[k]; ok {
			f.trailer[k] = x
		}
	}
}

// objectNumber reads "12 0 " backwards from the end.
func objectNumber(b []byte) (int, bool) {
	number := func() (int, bool) {
		end := len(bytes.TrimRight(b, " \r\n\t"))
		start := end
		for start > 0 && end-start < 9 && b[start-1] >= '0' && b[start-1] <= '9' {
			start--
		}
		n, err := strconv.Atoi(string(b[start:end]))
		b = b[:start]
		return n, err == nil
	}
	if len(b) > 40 {
		b = b[len(b)-40:]
	}
	if _, ok := number(); !ok {
		return 0, false
	}
	return number()
}

// streamOf returns the stream that follows a dictionary, if one does, and where it ends (7.3.8).
func streamOf(d pdfDict, data []byte, at int) (s pdfStream, end int, ok bool) {
	l := &pdfLexer{b: data, at: at} // only to pass over spaces
	l.skip()
	rest, ok := bytes.CutPrefix(data[l.at:], []byte("stream"))
	if !ok {
		return s, 0, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte("\r\n")); !ok {
		rest = bytes.TrimPrefix(rest, []byte("\n"))
	}
	start := len(data) - len(rest)
	if n, ok := d["Length"].(float64); ok && n >= 0 && int64(n) <= int64(len(rest)) {
		after := bytes.TrimLeft(rest[int(n):min(len(rest), int(n)+20)], "\r\n ")
		if bytes.HasPrefix(after, []byte("endstream")) {
			return pdfStream{d, rest[:int(n)]}, start + int(n), true
		}
	}
	n := bytes.Index(rest, []byte("endstream"))
	if n < 0 {
		n = len(rest)
	}
	return pdfStream{d, rest[:n]}, start + n, true
}

// unpackObjects adds the objects of an object stream (7.5.7), unless they are there.
func (f *pdfFile) unpackObjects(s pdfStream) {
	data := f.decode(s)
	n, _ := s.pdfDict["N"].(float64)
	first, _ := s.pdfDict["First"].(float64)
	if first < 0 || int64(first) > int64(len(data)) {
		return
	}
	index := f.lexer(data[:int(first)])
	for i := 0; i < int(min(n, pdfObjects)) && len(f.objects) < pdfObjects; i++ {
		num, ok1 := index.next(0)
		off, ok2 := index.next(0)
		id, ok3 := num.(float64)
		at, ok4 := off.(float64)
		if !ok1 || !ok2 || !ok3 || !ok4 || at < 0 || int64(first+at) > int64(len(data)) {
			return
		}
		if _, there := f.objects[int(id)]; !there {
			l := f.lexer(data)
			l.at = int(first + at)
			if v, ok := l.next(0); ok {
				f.objects[int(id)] = v
			}
		}
	}
}

// get follows references, a few of them.
func (f *pdfFile) get(v any) any {
	for range 10 {
		r, ok := v.(pdfRef)
		if !ok {
			return v
		}
		v = f.objects[int(r)]
	}
	return nil
}

func (f *pdfFile) dict(v any) pdfDict {
	switch v := f.get(v).(type) {
	case pdfDict:
		return v
	case pdfStream:
		return v.pdfDict
	}
	return nil
}

// decode returns the bytes of a stream without its filters (7.4). What cannot be read is left out.
func (f *pdfFile) decode(s pdfStream) []byte {
	filters, ok := f.get(s.pdfDict["Filter"]).(pdfArray)
	if !ok && s.pdfDict["Filter"] != nil {
		filters = pdfArray{s.pdfDict["Filter"]}
	}
	data := s.raw
	if len(filters) > 4 {
		return nil
	}
	if len(filters) == 0 { // whoever shows it again and again has a bound too
		return f.read(bytes.NewReader(data))
	}
	for i, name := range filters {
		params := f.dict(s.pdfDict["DecodeParms"])
		if list, ok := f.get(s.pdfDict["DecodeParms"]).(pdfArray); ok && i < len(list) {
			params = f.dict(list[i])
		}
		var r io.Reader
		switch f.get(name) {
		case pdfName("FlateDecode"), pdfName("Fl"):
			z, err := zlib.NewReader(bytes.NewReader(data))
			if err != nil {
				return nil
			}
			r = z
		case pdfName("LZWDecode"), pdfName("LZW"):
			r = lzw.NewReader(bytes.NewReader(data), lzw.MSB, 8)
		case pdfName("ASCII85Decode"), pdfName("A85"):
			text, _, _ := bytes.Cut(bytes.TrimPrefix(bytes.TrimSpace(data), []byte("<~")), []byte("~>"))
			r = ascii85.NewDecoder(bytes.NewReader(text))
		case pdfName("ASCIIHexDecode"), pdfName("AHx"):
			l := &pdfLexer{b: append([]byte{'<'}, data...)}
			r = strings.NewReader(string(l.hex()))
		default:
			return nil
		}
		data = f.read(r)
		data = unpredict(data, params)
	}
	return data
}

func (f *pdfFile) read(r io.Reader) []byte {
	data, _ := io.ReadAll(io.LimitReader(r, f.budget+1))
	if f.budget -= int64(len(data)); f.budget < 0 {
		f.budget, f.starved = 0, true
	}
	return data
}

// unpredict undoes the predictors of PNG (7.4.4.4).
func unpredict(data []byte, params pdfDict) []byte {
	p, _ := params["Predictor"].(float64)
	if p < 10 {
		return data
	}
	number := func(key pdfName, other int) int {
		if n, ok := params[key].(float64); ok && n >= 1 && n <= 1<<20 {
			return int(n)
		}
		return other
	}
	bits := number("Colors", 1) * number("BitsPerComponent", 8)
	width := (number("Columns", 1)*bits + 7) / 8
	step := max(1, bits/8)
	if width <= 0 || width > len(data) {
		return data
	}
	var out []byte
	above := make([]byte, width)
	for len(data) > width {
		row := data[1 : 1+width]
		for i := range row {
			var left, corner byte
			if i >= step {
				left, corner = row[i-step], above[i-step]
			}
			switch data[0] {
			case 1:
				row[i] += left
			case 2:
				row[i] += above[i]
			case 3:
				row[i] += byte((int(left) + int(above[i])) / 2)
			case 4:
				row[i] += paeth(left, above[i], corner)
			}
		}
		out = append(out, row...)
		above, data = row, data[1+width:]
	}
	return out
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

func abs(n int) int { return max(n, -n) }
