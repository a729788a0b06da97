package unstructured

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// readPDF reads the text of a PDF and what it says of its own making.
func readPDF(c *contents, data []byte) {
	f := openPDF(data)
	if f.trailer["Encrypt"] != nil {
		c.doubt("encrypted", "The PDF is encrypted, so its text cannot be searched. Hand it in without a password too, if you can.")
		return
	}
	p := &pdfReader{pdfFile: f, fonts: map[any]*pdfFont{}}
	pages := f.pages()
	for i, page := range pages {
		if p.out.Len() > maxText || p.work <= 0 {
			c.cut = c.cut || i < len(pages)
			break
		}
		if i > 0 {
			p.out.WriteString("\n\n")
		}
		p.page(page)
	}
	c.text = tidy(p.out.String())
	if p.unknown > 0 {
		c.doubt("letters_unknown", "%d letters of it could not be read: the PDF does not say which they are.", p.unknown)
	}
	c.cut = c.cut || f.starved || f.work <= 0
	if c.text == "" {
		c.doubt("words_not_read", "No text is in the PDF: it may be of scanned pages. Its words cannot be searched.")
	}
	info := f.dict(f.trailer["Info"])
	if s, ok := f.get(info["CreationDate"]).(pdfString); ok {
		if at := clean(strings.TrimPrefix(pdfText(s), "D:")); at != "" && len(at) <= 40 {
			c.doubt("date_in_file", "The PDF says that it was made at %s. Anybody can change that.", at)
		}
	}
}

// pages returns the pages in their order: by the tree (7.7.3) or, if that is broken, as they stand.
func (f *pdfFile) pages() []pdfDict {
	var list []pdfDict
	seen := map[pdfRef]bool{}
	var walk func(v any, inherited any, depth int)
	walk = func(v any, inherited any, depth int) {
		r, ok := v.(pdfRef)
		if !ok || seen[r] || depth > pdfDepth || len(list) >= pdfPages {
			return
		}
		seen[r] = true
		d := f.dict(r)
		if d["Resources"] != nil {
			inherited = d["Resources"]
		}
		kids, ok := f.get(d["Kids"]).(pdfArray)
		if !ok {
			if d["Contents"] != nil {
				list = append(list, pdfDict{"Contents": d["Contents"], "Resources": inherited})
			}
			return
		}
		for _, k := range kids {
			walk(k, inherited, depth+1)
		}
	}
	walk(f.dict(f.trailer["Root"])["Pages"], nil, 0)
	if len(list) > 0 {
		return list
	}
	var nums []int
	for n, v := range f.objects {
		if d, ok := v.(pdfDict); ok && d["Type"] == pdfName("Page") {
			nums = append(nums, n)
		}
	}
	slices.Sort(nums)
	for _, n := range nums[:min(len(nums), pdfPages)] {
		list = append(list, f.objects[n].(pdfDict))
	}
	return list
}

// pdfReader reads what pages show.
type pdfReader struct {
	*pdfFile
	fonts   map[any]*pdfFont
	out     strings.Builder
	unknown int64
}

func (p *pdfReader) page(d pdfDict) {
	var content []byte
	switch v := p.get(d["Contents"]).(type) {
	case pdfStream:
		content = p.decode(v)
	case pdfArray:
		for _, x := range v[:min(len(v), 1000)] {
			if s, ok := p.get(x).(pdfStream); ok {
				content = append(append(content, p.decode(s)...), '\n')
			}
		}
	}
	p.show(content, p.dict(d["Resources"]), 0)
}

// show reads a content stream (7.8, 9.4): words, and where lines begin.
func (p *pdfReader) show(content []byte, resources pdfDict, depth int) {
	l := p.lexer(content)
	var args []any
	var font *pdfFont
	number := func(i int) float64 {
		if i >= 0 && i < len(args) {
			n, _ := args[i].(float64)
			return n
		}
		return 0
	}
	t := textPlace{scale: 1}
	for p.work > 0 && p.out.Len() <= maxText {
		v, ok := l.next(0)
		if !ok {
			return
		}
		op, ok := v.(pdfWord)
		if !ok {
			if len(args) < 64 {
				args = append(args, v)
			}
			continue
		}
		switch n := len(args); op {
		case "Tf":
			if n >= 2 {
				name, _ := args[n-2].(pdfName)
				font, t.size = p.font(p.dict(resources["Font"])[name]), number(n-1)
			}
		case "Tj":
			t.shown += p.words(args, font) * t.size
		case "'":
			p.out.WriteByte('\n')
			p.words(args, font)
		case "\"":
			p.out.WriteByte('\n')
			p.words(args[max(0, n-1):], font)
		case "TJ":
			if n > 0 {
				list, _ := args[n-1].(pdfArray)
				t.shown += p.words(list, font) * t.size
			}
		case "T*":
			p.out.WriteByte('\n')
		case "Td", "TD":
			p.out.WriteString(t.move(t.x+number(n-2)*t.scale, t.y+number(n-1)))
		case "Tm":
			if n >= 6 {
				p.out.WriteString(t.move(number(n-2), number(n-1)))
				t.scale = number(n - 6)
			}
		case "BT":
			p.out.WriteByte('\n')
		case "Do":
			if n > 0 && depth < 5 {
				name, _ := args[n-1].(pdfName)
				p.form(p.dict(resources["XObject"])[name], resources, depth)
			}
		case "BI": // a picture in the midst of the stream (8.9.7)
			if i := strings.Index(string(l.b[l.at:min(len(l.b), l.at+1<<20)]), "EI"); i >= 0 {
				l.at += i + 2
			}
		}
		args = args[:0]
	}
}

// textPlace is where text is being shown, well enough to tell words and lines apart (9.4.2).
type textPlace struct {
	x, y  float64 // where the string under way began
	scale float64 // of a unit of text
	size  float64 // of the font, in units of text
	shown float64 // how wide what was shown since is, in units of text
}

// move moves to another place and returns what stands between: a new line, a space or nothing.
func (t *textPlace) move(x, y float64) string {
	gap := x - (t.x + t.shown*t.scale)
	em := math.Abs(t.size * t.scale)
	line := y != t.y
	t.x, t.y, t.shown = x, y, 0
	switch {
	case line:
		return "\n"
	case gap > 0.15*em, gap < -em:
		return " "
	}
	return ""
}

// form shows what a page uses over and over, such as its header.
func (p *pdfReader) form(v any, resources pdfDict, depth int) {
	s, ok := p.get(v).(pdfStream)
	if !ok || s.pdfDict["Subtype"] != pdfName("Form") {
		return
	}
	if own := p.dict(s.pdfDict["Resources"]); own != nil {
		resources = own
	}
	p.show(p.decode(s), resources, depth+1)
}

// words writes strings in a font, and returns how wide they are, of a font of size one. A wide step
// within an array is a gap between words.
func (p *pdfReader) words(list []any, font *pdfFont) (width float64) {
	for _, v := range list {
		switch v := v.(type) {
		case pdfString:
			s, w, unknown := font.decode(v)
			p.out.WriteString(s)
			p.unknown += unknown
			width += w / 1000
		case float64:
			width -= v / 1000
			if v < -200 {
				p.out.WriteByte(' ')
			}
		}
		if p.out.Len() > maxText {
			break
		}
	}
	return width
}

// pdfFont says which letters the codes of a font are.
type pdfFont struct {
	codes map[string]string // by code, of one byte or two
	width int               // bytes of a code
	wide  map[int]float64   // how wide a code's letter is, in thousandths
	other float64           // and those that are not listed
	plain bool              // codes of one byte that are not listed are those of Western Windows computers
}

// font returns a font, made once (9.6, 9.7, 9.10).
func (p *pdfReader) font(v any) *pdfFont {
	if r, ok := v.(pdfRef); ok {
		if f := p.fonts[r]; f != nil {
			return f
		}
	}
	d := p.dict(v)
	f := &pdfFont{codes: map[string]string{}, width: 1, plain: true, wide: map[int]float64{}, other: 500}
	if d["Subtype"] == pdfName("Type0") {
		f.width, f.plain, f.other = 2, false, 1000
	}
	p.widths(f, d)
	at := 0
	differences, _ := p.get(p.dict(d["Encoding"])["Differences"]).(pdfArray)
	for _, x := range differences[:min(len(differences), 1000)] {
		switch x := x.(type) {
		case float64:
			at = int(x)
		case pdfName:
			if s := glyph(string(x)); s != "" && at >= 0 && at < 256 {
				f.codes[string([]byte{byte(at)})] = s
			}
			at++
		}
	}
	if s, ok := p.get(d["ToUnicode"]).(pdfStream); ok {
		p.toUnicode(f, p.decode(s))
	}
	if r, ok := v.(pdfRef); ok && len(p.fonts) < 2000 {
		p.fonts[r] = f
	}
	return f
}

// widths reads how wide letters are (9.2.4, 9.7.4.3).
func (p *pdfReader) widths(f *pdfFont, d pdfDict) {
	from, _ := p.get(d["FirstChar"]).(float64)
	list, _ := p.get(d["Widths"]).(pdfArray)
	for i, w := range list[:min(len(list), 256)] {
		if n, ok := p.get(w).(float64); ok {
			f.wide[int(from)+i] = n
		}
	}
	below, _ := p.get(d["DescendantFonts"]).(pdfArray)
	if len(below) == 0 {
		return
	}
	child := p.dict(below[0])
	if n, ok := child["DW"].(float64); ok {
		f.other = n
	}
	w, _ := p.get(child["W"]).(pdfArray)
	for i := 0; i+1 < len(w) && len(f.wide) < 1<<16; {
		from, _ := w[i].(float64)
		if each, ok := p.get(w[i+1]).(pdfArray); ok {
			for j, x := range each[:min(len(each), 1<<16)] {
				if n, ok := x.(float64); ok {
					f.wide[int(from)+j] = n
				}
			}
			i += 2
			continue
		}
		if i+2 >= len(w) {
			return
		}
		to, _ := w[i+1].(float64)
		n, _ := w[i+2].(float64)
		for c := int(from); c <= int(to) && len(f.wide) < 1<<16; c++ {
			f.wide[c] = n
		}
		i += 3
	}
}

// toUnicode reads which letters codes are (9.10.3).
func (p *pdfReader) toUnicode(f *pdfFont, data []byte) {
	l := p.lexer(data)
	var args []any
	for p.work > 0 && len(f.codes) < 1<<16 {
		v, ok := l.next(0)
		if !ok {
			return
		}
		op, ok := v.(pdfWord)
		if !ok {
			if len(args) < 100_000 {
				args = append(args, v)
			}
			continue
		}
		switch op {
		case "endcodespacerange":
			if s, ok := first(args).(pdfString); ok && (len(s) == 1 || len(s) == 2) {
				f.width = len(s)
			}
		case "endbfchar":
			for i := 0; i+1 < len(args); i += 2 {
				code, _ := args[i].(pdfString)
				to, _ := args[i+1].(pdfString)
				f.codes[string(code)] = utf16Text(to)
			}
		case "endbfrange":
			for i := 0; i+2 < len(args); i += 3 {
				f.addRange(args[i], args[i+1], args[i+2])
			}
		}
		args = args[:0]
	}
}

func first(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

func (f *pdfFont) addRange(from, to, target any) {
	lo, _ := from.(pdfString)
	hi, _ := to.(pdfString)
	if len(lo) == 0 || len(lo) > 2 || len(lo) != len(hi) {
		return
	}
	a, b := code(lo), code(hi)
	for n := a; n <= b && n-a < 1<<16 && len(f.codes) < 1<<16; n++ {
		key := string([]byte{byte(n >> 8), byte(n)}[2-len(lo):])
		switch t := target.(type) {
		case pdfString:
			units := []rune(utf16Text(t))
			if len(units) == 0 {
				return
			}
			units[len(units)-1] += rune(n - a)
			f.codes[key] = string(units)
		case pdfArray:
			if n-a >= len(t) {
				return
			}
			s, _ := t[n-a].(pdfString)
			f.codes[key] = utf16Text(s)
		}
	}
}

func code(s pdfString) int {
	n := 0
	for i := range len(s) {
		n = n<<8 | int(s[i])
	}
	return n
}

// decode returns the letters of a string, how wide they are in thousandths of the font's size, and how
// many are not known.
func (f *pdfFont) decode(s pdfString) (_ string, wide float64, unknown int64) {
	if f == nil {
		f = &pdfFont{width: 1, plain: true, other: 500}
	}
	var b strings.Builder
	for len(s) >= f.width {
		if w, ok := f.wide[code(s[:f.width])]; ok {
			wide += w
		} else {
			wide += f.other
		}
		key := string(s[:f.width])
		s = s[f.width:]
		text, ok := f.codes[key]
		switch {
		case ok:
			b.WriteString(text)
		case f.plain && f.width == 1:
			b.WriteRune(charmap.Windows1252.DecodeByte(key[0]))
		default:
			unknown++
		}
	}
	return b.String(), wide, unknown
}

// utf16Text reads text in UTF-16 without a mark.
func utf16Text(s pdfString) string {
	var units []uint16
	for i := 0; i+1 < len(s); i += 2 {
		units = append(units, uint16(s[i])<<8|uint16(s[i+1]))
	}
	if len(s) == 1 {
		units = append(units, uint16(s[0]))
	}
	return string(utf16.Decode(units))
}

// pdfText reads a string outside a page's contents (7.9.2.2).
func pdfText(s pdfString) string {
	if strings.HasPrefix(string(s), "\xfe\xff") {
		return utf16Text(s[2:])
	}
	b, _ := charmap.Windows1252.NewDecoder().String(string(s))
	return b
}

// glyph returns the letter of a glyph's name, of the names that office programs give.
func glyph(name string) string {
	if len(name) == 1 {
		return name
	}
	if h, ok := strings.CutPrefix(name, "uni"); ok && len(h) == 4 {
		if n, err := strconv.ParseUint(h, 16, 16); err == nil {
			return string(rune(n))
		}
	}
	return glyphs[name]
}

var glyphs = map[string]string{
	"space": " ", "exclam": "!", "quotedbl": "\"", "numbersign": "#", "dollar": "$", "percent": "%", "ampersand": "&", "quotesingle": "'",
	"parenleft": "(", "parenright": ")", "asterisk": "*", "plus": "+", "comma": ",", "hyphen": "-", "period": ".", "slash": "/",
	"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
	"colon": ":", "semicolon": ";", "less": "<", "equal": "=", "greater": ">", "question": "?", "at": "@", "bracketleft": "[",
	"backslash": "\\", "bracketright": "]", "underscore": "_", "quoteleft": "‘", "quoteright": "’", "quotedblleft": "“", "quotedblright": "”",
	"endash": "–", "emdash": "—", "bullet": "•", "ellipsis": "…", "sterling": "£", "Euro": "€", "section": "§", "copyright": "©",
	"fi": "fi", "fl": "fl", "ff": "ff", "ffi": "ffi", "ffl": "ffl", "eacute": "é", "egrave": "è", "agrave": "à", "ccedilla": "ç",
	"adieresis": "ä", "odieresis": "ö", "udieresis": "ü", "germandbls": "ß", "Eacute": "É", "Egrave": "È", "nbspace": " ",
}
