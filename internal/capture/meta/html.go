package meta

import (
	"slices"
	"strings"

	"golang.org/x/net/html"

	"despatch/internal/capture"
	"despatch/internal/capture/htmlfile"
	"despatch/internal/capture/tally"
)

// The HTML download shows each message as a block of three parts: the name, the contents, and the time
// in the language and the zone of the account, without naming the zone.
const (
	classBlock = "_a6-g"
	className  = "_a6-h"
	classBody  = "_a6-p"
	classTime  = "_a6-o"
	classReact = "_a6-q"
)

func sortHTML(t *html.Token) string {
	switch class := htmlfile.TokenAttr(t, "class"); {
	case t.Data == "title":
		return "title"
	case t.Data == "div" && htmlfile.HasClass(class, classBlock), t.Data == "section" && htmlfile.HasClass(class, classBlock):
		return "message"
	}
	return ""
}

// layout is how a page shows messages: by the class names of Facebook's own pages, or, where there are
// none, by the shape of its blocks: a name, what was said, and a time.
type layout int

const (
	byClass layout = iota
	byShape
)

// shape returns a test for elements that have the shape of a message. If the page lists who is in the
// chat, one of them must have written it: what people write may have the same shape.
func shape() func(*htmlfile.Shape) bool {
	var names []string
	return func(e *htmlfile.Shape) bool {
		if list, ok := strings.CutPrefix(e.Text, "Participants: "); ok && e.Parts == 0 && len(e.Text) < 290 && names == nil {
			names = split(list)
		}
		if e.Parts < 2 || e.First == "" || len(e.First) > 200 || strings.HasPrefix(e.First, "Participants:") || !shownTime(e.Last) {
			return false
		}
		return names == nil || slices.Contains(names, e.First)
	}
}

func shownTime(s string) bool {
	if len(s) < 10 || len(s) > 60 || !strings.ContainsAny(s, "0123456789") {
		return false
	}
	at, ok := tally.When(s, nil, "")
	return ok && at.Precision != "day" && at.Precision != "none"
}

// shapes returns where the messages of a page stand that has no class names.
func (r *reading) shapes(p part) ([]htmlfile.Range, error) {
	f, err := p.member.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return htmlfile.Shapes(f, p.member.Label(), r.limits, shape())
}

// layoutOf says how a page shows messages, from its beginning; ok is false if it shows none.
func layoutOf(head string, named bool) (l layout, ok bool) {
	if strings.Contains(head, classBlock) {
		found := false
		htmlfile.Blocks(strings.NewReader(head), "", capture.DefaultLimits, sortHTML, func(b *htmlfile.Block) error {
			times := 0
			htmlfile.All(b.Node, timeOf, func(*html.Node) { times++ })
			found = found || b.Sort == "message" && times == 1 && htmlfile.Find(b.Node, htmlfile.Class(className)) != nil
			return nil
		})
		if found {
			return byClass, true
		}
	}
	if !named && !strings.Contains(head, "Participants:") {
		return 0, false
	}
	list, _ := htmlfile.Shapes(strings.NewReader(head), "", capture.DefaultLimits, shape())
	return byShape, len(list) > 0
}

// headHTML reads what a page says of its chat.
func (r *reading) headHTML(p part, h *head) error {
	f, err := p.member.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = htmlfile.Blocks(f, p.member.Label(), r.limits, p.sorter(), func(b *htmlfile.Block) error {
		switch b.Sort {
		case "title":
			if h.title == "" {
				h.title = tally.Name(textOf(b.Node))
			}
		case "message":
			if name := htmlfile.Find(b.Node, htmlfile.Class(className)); p.layout == byClass && name != nil && htmlfile.Find(b.Node, timeOf) != nil {
				h.add(htmlfile.Text(name))
				return nil
			}
			if list, ok := participants(b.Node); ok {
				for _, name := range list {
					h.add(name)
				}
			}
		}
		return nil
	})
	if err == nil && p.layout == byShape {
		err = r.listed(p, h)
	}
	if _, fault := err.(*capture.FileError); fault {
		return nil
	}
	return err
}

// listed reads who is in the chat from a page without class names.
func (r *reading) listed(p part, h *head) error {
	f, err := p.member.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = htmlfile.Shapes(f, p.member.Label(), r.limits, func(e *htmlfile.Shape) bool {
		if list, ok := strings.CutPrefix(e.Text, "Participants: "); ok && e.Parts == 0 && len(e.Text) < 290 {
			for _, name := range split(list) {
				h.add(name)
			}
		}
		return false
	})
	return err
}

// sorter names the blocks of a page that its chat is described in.
func (p part) sorter() func(*html.Token) string {
	if p.layout == byClass {
		return sortHTML
	}
	return func(t *html.Token) string {
		if t.Data == "title" {
			return "title"
		}
		return ""
	}
}

// textOf is the text of a node whatever it is; a page's title is no text of the page.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// participants reads the block that lists who is in the chat: "Participants: A, B and C".
func participants(n *html.Node) ([]string, bool) {
	text := htmlfile.Text(n)
	_, names, ok := strings.Cut(text, ": ")
	if !ok || strings.Contains(text, "\n") || len(text) > 10_000 {
		return nil, false
	}
	return split(names), true
}

// split tells names apart: "A, B and C".
func split(names string) []string {
	if i := strings.LastIndex(names, " and "); i > 0 {
		names = names[:i] + ", " + names[i+5:]
	}
	return strings.Split(names, ", ")
}

func timeOf(n *html.Node) bool {
	class := htmlfile.Attr(n, "class")
	return htmlfile.HasClass(class, classTime) || htmlfile.HasClass(class, "_a72d")
}

// readHTML reads the messages of a page.
func (c *chatPart) readHTML(in *tally.Input) (n int64, err error) {
	if c.part.layout == byClass {
		n, err = htmlfile.Blocks(in, c.part.member.Label(), c.limits, sortHTML, c.blockByClass)
	} else {
		ranges, fault := c.shapes(c.part)
		if fault != nil {
			return 0, fault
		}
		n, err = htmlfile.Ranges(in, c.part.member.Label(), c.limits, ranges, c.blockByShape)
	}
	if c.chat.Size() > 0 {
		if c.opt.Zone == nil {
			c.Warn("zone_unknown", "The page does not say in which time zone its times are. Without it, times may be off by up to 14 hours.")
		}
		c.Warn("html_download", "The HTML download shows times to the minute or the second without a zone, and says nothing of deleted messages. The JSON download is better evidence.")
	}
	return n, err
}

func (c *chatPart) blockByClass(b *htmlfile.Block) error {
	if b.Sort != "message" {
		return nil
	}
	when := htmlfile.Find(b.Node, timeOf)
	if when == nil {
		if _, ok := participants(b.Node); !ok {
			c.Skip("no_time", htmlfile.Text(b.Node))
		}
		return nil
	}
	body := htmlfile.Find(b.Node, htmlfile.Class(classBody))
	return c.block(b, htmlfile.Text(htmlfile.Find(b.Node, htmlfile.Class(className))), []*html.Node{body}, htmlfile.Text(when))
}

func (c *chatPart) blockByShape(b *htmlfile.Block) error {
	parts := htmlfile.Parts(b.Node)
	if len(parts) < 2 {
		c.Skip("no_message", htmlfile.Text(b.Node))
		return nil
	}
	return c.block(b, htmlfile.Text(parts[0]), parts[1:len(parts)-1], htmlfile.Text(parts[len(parts)-1]))
}

// block reads one message from its parts.
func (c *chatPart) block(b *htmlfile.Block, name string, bodies []*html.Node, when string) error {
	o := tally.Observation(c.part.member, b.Raw, b.Start, b.End, b.Line, b.Lines, 0)
	o.Chat = c.thread.id
	b.Doubt(o)
	if o.Sender = tally.Name(name); o.Sender != "" {
		c.chat.Person(o.Sender, "", "")
	}
	var ok bool
	if o.Sent, ok = tally.When(when, c.opt.Zone, c.opt.DateOrder); !ok {
		o.Doubt("no_time", "The time “"+tally.Sample(when)+"” cannot be read.")
	}
	var said []string
	for _, body := range bodies {
		c.reactionsHTML(o, body)
		if err := c.mediaHTML(o, body); err != nil {
			return err
		}
		if s := htmlfile.Text(body); s != "" {
			said = append(said, s)
		}
	}
	o.Body = strings.Join(said, "\n")
	o.Text = o.Body
	switch {
	case len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	case o.Body == "":
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The download has a message here without its contents.")
	}
	if o.Sender == "" {
		o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: "other", Value: o.Body}
	}
	return c.chat.Item(o)
}

// reactionsHTML takes the list of reactions out of a message's contents: "❤Asha Rao".
func (c *chatPart) reactionsHTML(o *capture.Observation, body *html.Node) {
	if body == nil {
		return
	}
	ul := htmlfile.Find(body, func(n *html.Node) bool {
		return n.Data == "ul" && htmlfile.HasClass(htmlfile.Attr(n, "class"), classReact)
	})
	if ul == nil || ul == body {
		return
	}
	htmlfile.All(ul, htmlfile.Tag("li"), func(li *html.Node) {
		value, actor := splitReaction(strings.TrimPrefix(htmlfile.Text(li), "- "))
		o.Reactions = append(o.Reactions, capture.Reaction{Value: value, Actor: actor})
	})
	ul.Parent.RemoveChild(ul)
}

// splitReaction tells a symbol from the name behind it.
func splitReaction(s string) (value, actor string) {
	for i, r := range s {
		if i > 0 && (r < 0x2000 && r != 0x200D) {
			return strings.TrimSpace(s[:i]), tally.Name(s[i:])
		}
		if i == 0 && r < 0x2000 {
			break
		}
	}
	return strings.TrimSpace(s), ""
}

func (c *chatPart) mediaHTML(o *capture.Observation, body *html.Node) error {
	var err error
	seen := map[string]bool{}
	if body == nil {
		return nil
	}
	root := &html.Node{Type: html.ElementNode, Data: "div", FirstChild: body, LastChild: body}
	if body.Parent != nil {
		root = body.Parent
	}
	inBody := func(n *html.Node) bool {
		for ; n != nil; n = n.Parent {
			if n == body {
				return true
			}
		}
		return false
	}
	htmlfile.All(root, htmlfile.Tag("img", "video", "audio", "a"), func(n *html.Node) {
		if !inBody(n) {
			return
		}
		uri := htmlfile.Attr(n, "src")
		if n.Data == "a" {
			uri = htmlfile.Attr(n, "href")
		} else if uri == "" {
			uri = htmlfile.Attr(htmlfile.Find(n, htmlfile.Tag("source")), "src")
		}
		if n.Data == "a" && (strings.Contains(uri, "://") || strings.HasPrefix(uri, "mailto:")) || uri == "" || seen[uri] || err != nil {
			return
		}
		seen[uri] = true
		class := map[string]string{"img": "image", "video": "video", "audio": "audio"}[n.Data]
		switch {
		case strings.Contains(uri, "/stickers_used/"):
			class = "sticker"
		case class == "":
			class = tally.Class("", uri)
		}
		err = c.Export.Name(c.ctx, o, class, uri, c.part.member)
	})
	return err
}
