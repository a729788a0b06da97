// Package htmlfile reads the pages that other systems export, one block at a time, with the bytes that
// each block was read from, and turns a stranger's HTML into text.
//
// It runs nothing, follows no link, and keeps nothing of a page but its words and the attributes that
// its callers ask for.
package htmlfile

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"despatch/internal/capture"
)

// maxDepth bounds the elements in one another; what is deeper is a page made to hurt.
const maxDepth = 400

// Block is an element with all that is in it.
type Block struct {
	Sort       string // as the caller named it
	Node       *html.Node
	Raw        []byte // valid until the next block
	Start, End int64
	Line       int64 // the first, from 1
	Lines      int64
	Lossy      bool // bytes are not UTF-8 and are shown as U+FFFD
}

// Blocks calls each for every element to which sort gives a name, with what is in it. Blocks in blocks
// are part of the outer one. It returns how many bytes it has read.
func Blocks(r io.Reader, label string, limits capture.Limits, sort func(t *html.Token) string, each func(*Block) error) (int64, error) {
	z := html.NewTokenizer(r)
	z.SetMaxBuf(limits.Line)
	var at int64
	line := int64(1)
	var b *Block
	var raw []byte
	tag, open, depth := "", 0, 0
	for {
		kind := z.Next()
		text := z.Raw()
		start, startLine := at, line
		at += int64(len(text))
		line += int64(bytes.Count(text, []byte("\n")))
		if kind == html.ErrorToken {
			err := z.Err()
			if err == io.EOF {
				if b != nil {
					return at, &capture.FileError{File: label, Reason: fmt.Sprintf("is cut short: it ends after %d bytes in the middle of a message", at), Remedy: "Download or export it again and wait until it is complete."}
				}
				return at, nil
			}
			if err == html.ErrBufferExceeded {
				return at, &capture.FileError{File: label, Reason: fmt.Sprintf("holds a piece of more than %d MB at line %d", limits.Line>>20, line), Remedy: "Hand in the file as it was exported."}
			}
			return at, err
		}
		if b != nil {
			if len(raw)+len(text) > limits.Line {
				return at, &capture.FileError{File: label, Reason: fmt.Sprintf("holds a message of more than %d MB at line %d", limits.Line>>20, b.Line), Remedy: "Hand in the file as it was exported."}
			}
			raw = append(raw, text...)
		}
		switch kind {
		case html.StartTagToken:
			if b == nil {
				t := z.Token()
				name := sort(&t)
				if name == "" {
					continue
				}
				b = &Block{Sort: name, Start: start, Line: startLine}
				raw = append(raw[:0], text...)
				tag, open, depth = t.Data, 1, 1
				continue
			}
			n, _ := z.TagName()
			if string(n) == tag {
				open++
			}
			if !void[string(n)] {
				depth++
			}
			if depth > maxDepth {
				return at, &capture.FileError{File: label, Reason: fmt.Sprintf("holds things nested too deeply at line %d", line), Remedy: "Hand in the file as it was exported."}
			}
		case html.EndTagToken:
			if b == nil {
				continue
			}
			n, _ := z.TagName()
			depth = max(depth-1, 1)
			if string(n) != tag {
				continue
			}
			if open--; open > 0 {
				continue
			}
			b.Raw, b.End, b.Lines, b.Lossy = raw, at, line-b.Line+1, !utf8.Valid(raw)
			node, err := Fragment(raw)
			if err != nil {
				return at, err
			}
			b.Node = node.FirstChild
			if b.Node == nil {
				b.Node = node
			}
			if err := each(b); err != nil {
				return at, err
			}
			b = nil
		}
	}
}

var void = map[string]bool{"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true, "input": true,
	"link": true, "meta": true, "param": true, "source": true, "track": true, "wbr": true}

// Fragment parses a piece of HTML. What it returns holds the piece's elements.
func Fragment(raw []byte) (*html.Node, error) {
	root := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	list, err := html.ParseFragment(bytes.NewReader(bytes.ToValidUTF8(raw, []byte("\uFFFD"))), root)
	if err != nil {
		return nil, fmt.Errorf("parse HTML: %w", err)
	}
	for _, n := range list {
		root.AppendChild(n)
	}
	return root, nil
}

// Attr returns an attribute of an element.
func Attr(n *html.Node, key string) string {
	if n == nil {
		return ""
	}
	return attr(n.Attr, key)
}

func attr(list []html.Attribute, key string) string {
	for _, a := range list {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// TokenAttr returns an attribute of a tag.
func TokenAttr(t *html.Token, key string) string { return attr(t.Attr, key) }

// HasClass says whether a class attribute names a class.
func HasClass(attribute, class string) bool {
	for f := range strings.FieldsSeq(attribute) {
		if f == class {
			return true
		}
	}
	return false
}

// Find returns the first element in n, or n itself, of which is is true.
func Find(n *html.Node, is func(*html.Node) bool) *html.Node {
	if n == nil {
		return nil
	}
	if n.Type == html.ElementNode && is(n) {
		return n
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if f := Find(c, is); f != nil {
			return f
		}
	}
	return nil
}

// All calls fn for the elements in n of which is is true, but not for those in one another.
func All(n *html.Node, is func(*html.Node) bool, fn func(*html.Node)) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && is(c) {
			fn(c)
			continue
		}
		All(c, is, fn)
	}
}

// Class returns a test for elements of a class.
func Class(class string) func(*html.Node) bool {
	return func(n *html.Node) bool { return HasClass(Attr(n, "class"), class) }
}

// Tag returns a test for elements by their names.
func Tag(names ...string) func(*html.Node) bool {
	return func(n *html.Node) bool {
		for _, name := range names {
			if n.Data == name {
				return true
			}
		}
		return false
	}
}

// Text returns what somebody would read in an element: lines break where the page breaks them, pictures
// that stand for a character are that character, and scripts are nothing.
func Text(n *html.Node) string {
	if n == nil {
		return ""
	}
	var w writer
	w.node(n, false)
	return strings.TrimSpace(w.b.String())
}

// TextOf returns the text of a piece of HTML. What cannot be parsed is returned as it stands.
func TextOf(s string) string {
	if !strings.ContainsAny(s, "<&") {
		return s
	}
	if strings.Count(s, "<") > 20_000 || deep(s) {
		return s
	}
	n, err := Fragment([]byte(s))
	if err != nil {
		return s
	}
	return Text(n)
}

// deep says whether a piece of HTML is nested more than people's messages are.
func deep(s string) bool {
	depth := 0
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.StartTagToken:
			if n, _ := z.TagName(); !void[string(n)] {
				depth++
			}
			if depth > maxDepth {
				return true
			}
		case html.EndTagToken:
			depth = max(depth-1, 0)
		}
	}
}

// writer writes text with the line breaks of a page.
type writer struct {
	b     strings.Builder
	fresh bool // a line has just begun
	space bool // a space is due before the next word
	began bool
}

func (w *writer) newline() {
	w.b.WriteByte('\n')
	w.fresh, w.space = true, false
}

// line begins a new line unless one has just begun.
func (w *writer) line() {
	if w.began && !w.fresh {
		w.newline()
	}
}

func (w *writer) words(s string, pre bool) {
	if pre {
		w.b.WriteString(s)
		w.began = w.began || s != ""
		w.fresh = strings.HasSuffix(s, "\n")
		return
	}
	for i, f := range strings.FieldsFunc(s, blank) {
		if i > 0 || blank(rune(s[0])) {
			w.space = true
		}
		if w.space && w.began && !w.fresh {
			w.b.WriteByte(' ')
		}
		w.b.WriteString(f)
		w.space, w.fresh, w.began = false, false, true
	}
	if s != "" && blank(rune(s[len(s)-1])) {
		w.space = true
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// blank says whether a page folds a character into one space; a no-break space it does not.
func blank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f' }

func (w *writer) node(n *html.Node, pre bool) {
	switch n.Type {
	case html.TextNode:
		w.words(n.Data, pre)
		return
	case html.ElementNode:
	default:
		return
	}
	switch n.Data {
	case "script", "style", "head", "title", "template", "iframe", "object", "noscript":
		return
	case "br":
		w.newline()
		return
	case "img", "emoji", "customemoji":
		if alt := Attr(n, "alt"); n.Data != "img" || !ascii(alt) || strings.Contains(strings.ToLower(Attr(n, "itemtype")+Attr(n, "class")), "emoji") {
			w.words(alt, false)
		}
		return
	case "li":
		w.line()
		w.words("- ", false)
	case "p", "div", "blockquote", "tr", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "codeblock":
		w.line()
	case "td", "th":
		w.space = true
	}
	pre = pre || n.Data == "pre" || n.Data == "codeblock"
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.node(c, pre)
	}
	switch n.Data {
	case "p", "div", "blockquote", "tr", "ul", "ol", "table", "li", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "codeblock":
		w.line()
	}
}

// Doubt says on a message read from the block that some of its bytes are no text.
func (b *Block) Doubt(o *capture.Observation) {
	if b.Lossy {
		o.Doubt("not_text", "Some bytes are no text in the file's encoding. They are shown as \uFFFD; the file itself is kept.")
	}
}
