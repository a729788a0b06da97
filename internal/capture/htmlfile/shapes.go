package htmlfile

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"

	"despatch/internal/capture"
)

// Shape is what is known of an element when it ends, without keeping what is in it: how many parts it
// has that show something, and what the first and the last of them say.
type Shape struct {
	Tag         string
	Class       string
	Parts       int
	First, Last string // at most maxShown bytes
	Text        string // of the whole element, at most maxShown bytes
	Holds       bool   // an element in it was taken already

	start, line int64
}

const (
	maxShown  = 300
	maxShapes = 2_000_000
)

// Range is where an element stands in a file.
type Range struct{ Start, End, Line int64 }

// Shapes returns where the elements stand that take says yes to. Of elements in one another it takes
// the inner one.
func Shapes(r io.Reader, label string, limits capture.Limits, take func(*Shape) bool) ([]Range, error) {
	z := html.NewTokenizer(r)
	z.SetMaxBuf(limits.Line)
	var at int64
	line := int64(1)
	var ranges []Range
	var open []*Shape
	add := func(s string, media bool) { // something is shown in the innermost element
		if len(open) == 0 || s == "" && !media {
			return
		}
		e := open[len(open)-1]
		if len(e.Text) < maxShown {
			if e.Text != "" {
				e.Text += " "
			}
			e.Text += s[:min(len(s), maxShown)]
		}
	}
	for {
		kind := z.Next()
		text := z.Raw()
		start, startLine := at, line
		at += int64(len(text))
		line += int64(bytes.Count(text, []byte("\n")))
		switch kind {
		case html.ErrorToken:
			if err := z.Err(); err == html.ErrBufferExceeded {
				return nil, &capture.FileError{File: label, Reason: fmt.Sprintf("holds a piece of more than %d MB at line %d", limits.Line>>20, line), Remedy: "Hand in the file as it was exported."}
			} else if err != io.EOF {
				return nil, err
			}
			return ranges, nil
		case html.TextToken:
			add(strings.Join(strings.Fields(strings.ToValidUTF8(string(z.Text()), "\uFFFD")), " "), false)
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.Data == "img" || t.Data == "video" || t.Data == "audio" {
				if len(open) > 0 {
					open[len(open)-1].Parts++
				}
			}
			if kind == html.SelfClosingTagToken || void[t.Data] {
				continue
			}
			if len(open) >= maxDepth {
				return nil, &capture.FileError{File: label, Reason: fmt.Sprintf("holds things nested too deeply at line %d", line), Remedy: "Hand in the file as it was exported."}
			}
			open = append(open, &Shape{Tag: t.Data, Class: attr(t.Attr, "class"), start: start, line: startLine})
		case html.EndTagToken:
			name, _ := z.TagName()
			i := len(open) - 1
			for i >= 0 && open[i].Tag != string(name) {
				i--
			}
			if i < 0 {
				continue
			}
			for len(open) > i {
				e := open[len(open)-1]
				open = open[:len(open)-1]
				taken := e.Holds
				if !taken && take(e) && len(ranges) < maxShapes {
					ranges = append(ranges, Range{e.start, at, e.line})
					taken = true
				}
				if len(open) == 0 {
					continue
				}
				up := open[len(open)-1]
				up.Holds = up.Holds || taken
				if e.Tag == "script" || e.Tag == "style" {
					continue
				}
				if e.Text != "" || e.Parts > 0 {
					if up.Parts++; up.Parts == 1 {
						up.First = e.Text
					}
					up.Last = e.Text
					add(e.Text, true)
				}
			}
		}
	}
}

// Ranges calls each for the elements at some ranges, which are in the order of the file and do not
// overlap. It returns how many bytes it has read.
func Ranges(r io.Reader, label string, limits capture.Limits, ranges []Range, each func(*Block) error) (int64, error) {
	var at int64
	var raw []byte
	for _, g := range ranges {
		if g.End-g.Start > int64(limits.Line) {
			return at, &capture.FileError{File: label, Reason: fmt.Sprintf("holds a message of more than %d MB at line %d", limits.Line>>20, g.Line), Remedy: "Hand in the file as it was exported."}
		}
		n, err := io.CopyN(io.Discard, r, g.Start-at)
		if at += n; err != nil {
			return at, err
		}
		raw = append(raw[:0], make([]byte, g.End-g.Start)...)
		if _, err := io.ReadFull(r, raw); err != nil {
			return at, err
		}
		at = g.End
		root, err := Fragment(raw)
		if err != nil {
			return at, err
		}
		b := &Block{Raw: raw, Start: g.Start, End: g.End, Line: g.Line, Lines: int64(bytes.Count(raw, []byte("\n"))) + 1, Lossy: !utf8.Valid(raw), Node: root}
		if root.FirstChild != nil && root.FirstChild == root.LastChild {
			b.Node = root.FirstChild
		}
		if err := each(b); err != nil {
			return at, err
		}
	}
	n, err := io.Copy(io.Discard, r)
	return at + n, err
}

// Parts returns the elements right in n that show something.
func Parts(n *html.Node) []*html.Node {
	var list []*html.Node
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && (Text(c) != "" || Find(c, Tag("img", "video", "audio")) != nil) {
			list = append(list, c)
		}
	}
	return list
}
