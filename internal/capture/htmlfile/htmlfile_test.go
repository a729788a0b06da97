package htmlfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"despatch/internal/capture"
)

func TestTextOf(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"a &lt; b &amp;&nbsp;c", "a < b &\u00a0c"},
		{"<p>one</p><p>two<br>three</p>", "one\ntwo\nthree"},
		{"<div>one<div>two</div></div>three", "one\ntwo\nthree"},
		{"<ul><li>a</li><li>b <b>c</b></li></ul>", "- a\n- b c"},
		{"x<script>alert(1)</script><style>p{}</style>y", "xy"},
		{`<img src="x" onerror="alert(1)" alt="image">z`, "z"},
		{`<img alt="😀"><emoji alt="🙂"></emoji><img alt=":wave:" itemtype="http://schema.skype.com/Emoji">`, "😀🙂:wave:"},
		{"<pre>a\n  b</pre>", "a\n  b"},
		{"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"},
		{"  a\n\t b  ", "a\n\t b"}, // no HTML: as it stands, but for its ends
		{"<b>  a\n\t b  </b>", "a b"},
		{strings.Repeat("<div>", 5000), strings.Repeat("<div>", 5000)},
		{"<a href='javascript:x'>link</a>", "link"},
	} {
		if got := TextOf(c.in); got != c.want && !(strings.TrimSpace(got) == c.want && !strings.Contains(c.in, "<")) {
			t.Errorf("%.60q is %.60q, want %.60q", c.in, got, c.want)
		}
	}
}

func messages(t *html.Token) string {
	if HasClass(TokenAttr(t, "class"), "m") {
		return "message"
	}
	return ""
}

func TestBlocks(t *testing.T) {
	page := "<html>\n<div class='x'>\n<div class='m a'>one <div>in <b>it</b></div>\n</div>\n<div class=m>two <div class=m>not its own</div></div></div></html>"
	var got []string
	n, err := Blocks(strings.NewReader(page), "p", capture.DefaultLimits, messages, func(b *Block) error {
		if page[b.Start:b.End] != string(b.Raw) {
			t.Errorf("bytes %d to %d are not %q", b.Start, b.End, b.Raw)
		}
		got = append(got, fmt.Sprintf("%d+%d %q", b.Line, b.Lines, Text(b.Node)))
		return nil
	})
	want := `[3+2 "one\nin it" 5+1 "two\nnot its own"]`
	if fmt.Sprint(got) != want || err != nil || n != int64(len(page)) {
		t.Errorf("got %v, %d bytes, %v, want %s", got, n, err, want)
	}
	for in, reason := range map[string]string{
		"<div class=m>x": "cut short",
		"<div class=m>" + strings.Repeat("<b>", 1000):     "nested too deeply",
		"<div class=m>" + strings.Repeat("words ", 1<<20): "more than 4 MB",
	} {
		_, err := Blocks(strings.NewReader(in), "p", capture.DefaultLimits, messages, func(*Block) error { return nil })
		if f := (*capture.FileError)(nil); !errors.As(err, &f) || !strings.Contains(f.Reason, reason) {
			t.Errorf("%.20s…: %v, want %q", in, err, reason)
		}
	}
}

// TestShapes takes the elements with three parts, of those in one another the inner one.
func TestShapes(t *testing.T) {
	page := "<body><p>head</p>\n<div><b>1</b><i>2</i><u>3</u></div><div><div><b>a</b><div><b>x</b><b>y</b><b>z</b></div><b>c</b></div></div></body>"
	list, err := Shapes(strings.NewReader(page), "p", capture.DefaultLimits, func(e *Shape) bool { return e.Parts == 3 })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	n, err := Ranges(strings.NewReader(page), "p", capture.DefaultLimits, list, func(b *Block) error {
		got = append(got, fmt.Sprintf("%s line %d, %d parts", page[b.Start:b.End], b.Line, len(Parts(b.Node))))
		return nil
	})
	want := "[<div><b>1</b><i>2</i><u>3</u></div> line 2, 3 parts <div><b>x</b><b>y</b><b>z</b></div> line 2, 3 parts]"
	if fmt.Sprint(got) != want || err != nil || n != int64(len(page)) {
		t.Errorf("got %v, %d, %v\nwant %s", got, n, err, want)
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add("<div class=m>one<p>two</p></div>")
	f.Add("<div class='m'><div><b>1</b><i>2</i><u>3</u></div></b></div><!-- x -->")
	f.Fuzz(func(t *testing.T, page string) {
		last := int64(0)
		n, err := Blocks(strings.NewReader(page), "p", capture.DefaultLimits, messages, func(b *Block) error {
			if b.Start < last || b.End > int64(len(page)) || page[b.Start:b.End] != string(b.Raw) {
				t.Errorf("bytes %d to %d of %d after %d", b.Start, b.End, len(page), last)
			}
			last = b.End
			if !utf8.ValidString(Text(b.Node)) {
				t.Error("the text of a block is no text")
			}
			return nil
		})
		if f := (*capture.FileError)(nil); err != nil && !errors.As(err, &f) {
			t.Errorf("%v does not say what to do", err)
		}
		if err == nil && n != int64(len(page)) {
			t.Errorf("%d of %d bytes read", n, len(page))
		}
		list, err := Shapes(strings.NewReader(page), "p", capture.DefaultLimits, func(e *Shape) bool { return e.Parts > 1 })
		if err != nil {
			return
		}
		if n, err := Ranges(strings.NewReader(page), "p", capture.DefaultLimits, list, func(*Block) error { return nil }); err != nil || n != int64(len(page)) {
			t.Errorf("%d of %d bytes read, %v", n, len(page), err)
		}
	})
}
