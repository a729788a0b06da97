package email

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// unwrap returns a plain text for reading: line ends as line feeds, and if its paragraphs flow (RFC 3676)
// each of them on one line.
func unwrap(s string, flowed, delsp bool) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if !flowed {
		return s
	}
	var out strings.Builder
	open, depth := false, 0 // a paragraph goes on, at this depth of quoting
	for line := range strings.SplitSeq(s, "\n") {
		quote := len(line) - len(strings.TrimLeft(line, ">"))
		text := line[quote:]
		signature := text == "-- " || text == " -- "
		text = strings.TrimPrefix(text, " ") // space-stuffing
		if open && (quote != depth || signature) {
			out.WriteByte('\n')
			open = false
		}
		if !open && quote > 0 {
			out.WriteString(line[:quote])
			out.WriteByte(' ')
		}
		if strings.HasSuffix(text, " ") && !signature {
			if delsp {
				text = text[:len(text)-1]
			}
			out.WriteString(text)
			open, depth = true, quote
			continue
		}
		out.WriteString(text)
		out.WriteByte('\n')
		open = false
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// maxHTML bounds the text that is made of an HTML body; the body itself is kept whole.
const maxHTML = 8 << 20

// htmlText returns what a person reads in HTML: no markup, no scripts, lines where blocks begin, the
// target of a link behind it where the text does not show it.
func htmlText(src string) string {
	z := html.NewTokenizer(strings.NewReader(src))
	z.SetMaxBuf(1 << 20)
	t := &textMaker{}
	skip := ""
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return strings.TrimSpace(t.out.String())
		case html.TextToken:
			if skip == "" {
				t.text(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tag := string(name)
			if skip != "" {
				continue
			}
			switch atom.Lookup(name) {
			case atom.Script, atom.Style, atom.Title, atom.Head, atom.Noscript, atom.Template:
				if kind == html.StartTagToken && tag != "head" {
					skip = tag
				}
			case atom.Br:
				t.line(1, true)
			case atom.P, atom.Blockquote, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Table, atom.Pre:
				t.line(2, false)
				if tag == "pre" {
					t.pre++
				}
			case atom.Div, atom.Tr, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Dt, atom.Dd, atom.Address:
				t.line(1, false)
			case atom.Li:
				t.line(1, false)
				t.text("• ")
			case atom.Td, atom.Th:
				t.space = true
			case atom.Hr:
				t.line(1, false)
				t.text("----")
				t.line(1, false)
			case atom.Img:
				t.text(attribute(z, more, "alt"))
			case atom.A:
				t.link, t.linkAt = attribute(z, more, "href"), t.out.Len()
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			tag := string(name)
			if skip != "" {
				if tag == skip {
					skip = ""
				}
				continue
			}
			switch atom.Lookup(name) {
			case atom.P, atom.Blockquote, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Table:
				t.line(2, false)
			case atom.Pre:
				t.pre = max(0, t.pre-1)
				t.line(2, false)
			case atom.Div, atom.Tr, atom.Section, atom.Article, atom.Li:
				t.line(1, false)
			case atom.A:
				t.endLink()
			}
		}
		if t.out.Len() > maxHTML {
			return strings.TrimSpace(t.out.String())
		}
	}
}

// attribute returns an attribute of the tag that was read last.
func attribute(z *html.Tokenizer, more bool, name string) string {
	for n := 0; more && n < 200; n++ {
		var k, v []byte
		if k, v, more = z.TagAttr(); string(k) == name {
			return strings.TrimSpace(string(v))
		}
	}
	return ""
}

// textMaker writes words with one space between them and at most one empty line.
type textMaker struct {
	out    strings.Builder
	space  bool // a space is to come before the next word
	lines  int  // line feeds at the end of out
	pre    int  // depth of elements whose spaces count
	link   string
	linkAt int
}

func (t *textMaker) text(s string) {
	if t.pre > 0 {
		t.word(strings.ReplaceAll(s, "\r\n", "\n"))
		return
	}
	for i, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f' }) {
		if i > 0 || strings.ContainsRune(" \t\r\n\f", rune(s[0])) {
			t.space = true
		}
		t.word(w)
	}
	if s != "" && strings.ContainsRune(" \t\r\n\f", rune(s[len(s)-1])) {
		t.space = true
	}
}

func (t *textMaker) word(w string) {
	if w == "" {
		return
	}
	if t.space && t.lines == 0 && t.out.Len() > 0 {
		t.out.WriteByte(' ')
	}
	t.out.WriteString(w)
	t.space, t.lines = false, len(w)-len(strings.TrimRight(w, "\n"))
}

// line begins a new line, with n of 2 after an empty one. A forced one is always made.
func (t *textMaker) line(n int, forced bool) {
	t.space = false
	if t.out.Len() == 0 {
		return
	}
	if forced {
		if t.lines < 3 {
			t.out.WriteByte('\n')
			t.lines++
		}
		return
	}
	for ; t.lines < n; t.lines++ {
		t.out.WriteByte('\n')
	}
}

// endLink writes a link's target where the words do not show it: who is told to press here is told where.
func (t *textMaker) endLink() {
	target := t.link
	t.link = ""
	if !strings.HasPrefix(target, "http://") && !strings.HasPrefix(target, "https://") || t.linkAt > t.out.Len() || len(target) > 2000 {
		return
	}
	shown := t.out.String()[t.linkAt:]
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(target, "https://"), "http://"), "/")
	if strings.TrimSpace(shown) == "" || strings.Contains(shown, bare) {
		return
	}
	t.space = true
	t.word("<" + target + ">")
}
