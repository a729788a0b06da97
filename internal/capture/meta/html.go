package meta

import (
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

func looksLikeHTML(s string) bool {
	return strings.Contains(s, classBlock) && strings.Contains(s, classBody) && (strings.Contains(s, classTime) || strings.Contains(s, "_a72d"))
}

func sortHTML(t *html.Token) string {
	switch class := htmlfile.TokenAttr(t, "class"); {
	case t.Data == "title":
		return "title"
	case t.Data == "div" && htmlfile.HasClass(class, classBlock), t.Data == "section" && htmlfile.HasClass(class, classBlock):
		return "message"
	}
	return ""
}

// headHTML reads what a page says of its chat.
func (r *reading) headHTML(p part, h *head) error {
	f, err := p.member.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = htmlfile.Blocks(f, p.member.Label(), r.limits, sortHTML, func(b *htmlfile.Block) error {
		switch b.Sort {
		case "title":
			if h.title == "" {
				h.title = tally.Name(textOf(b.Node))
			}
		case "message":
			if name := htmlfile.Find(b.Node, htmlfile.Class(className)); name != nil && htmlfile.Find(b.Node, timeOf) != nil {
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
	if _, fault := err.(*capture.FileError); fault {
		return nil
	}
	return err
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
	if i := strings.LastIndex(names, " and "); i > 0 {
		names = names[:i] + ", " + names[i+5:]
	}
	return strings.Split(names, ", "), true
}

func timeOf(n *html.Node) bool {
	class := htmlfile.Attr(n, "class")
	return htmlfile.HasClass(class, classTime) || htmlfile.HasClass(class, "_a72d")
}

// readHTML reads the messages of a page.
func (c *chatPart) readHTML(in *tally.Input) (int64, error) {
	n, err := htmlfile.Blocks(in, c.part.member.Label(), c.limits, sortHTML, func(b *htmlfile.Block) error {
		if b.Sort != "message" {
			return nil
		}
		when := htmlfile.Find(b.Node, timeOf)
		body := htmlfile.Find(b.Node, htmlfile.Class(classBody))
		if when == nil {
			if _, ok := participants(b.Node); !ok {
				c.Skip("no_time", htmlfile.Text(b.Node))
			}
			return nil
		}
		o := tally.Observation(c.part.member, b.Raw, b.Start, b.End, b.Line, b.Lines, 0)
		o.Chat = c.thread.id
		b.Doubt(o)
		o.Sender = tally.Name(htmlfile.Text(htmlfile.Find(b.Node, htmlfile.Class(className))))
		var ok bool
		if o.Sent, ok = tally.When(htmlfile.Text(when), c.opt.Zone, c.opt.DateOrder); !ok {
			o.Doubt("no_time", "The time “"+tally.Sample(htmlfile.Text(when))+"” cannot be read.")
		}
		c.reactionsHTML(o, body)
		if err := c.mediaHTML(o, body); err != nil {
			return err
		}
		o.Body = htmlfile.Text(body)
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
	})
	if c.opt.Zone == nil && c.chat.Size() > 0 {
		c.Warn("zone_unknown", "The page does not say in which time zone its times are. Without it, times may be off by up to 14 hours.")
	}
	if c.chat.Size() > 0 {
		c.Warn("html_download", "The HTML download shows times to the minute or the second without a zone, and says nothing of deleted messages. The JSON download is better evidence.")
	}
	return n, err
}

// reactionsHTML takes the list of reactions out of a message's contents: "❤Asha Rao".
func (c *chatPart) reactionsHTML(o *capture.Observation, body *html.Node) {
	ul := htmlfile.Find(body, func(n *html.Node) bool {
		return n.Data == "ul" && htmlfile.HasClass(htmlfile.Attr(n, "class"), classReact)
	})
	if ul == nil {
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
	htmlfile.All(body, htmlfile.Tag("img", "video", "audio", "a"), func(n *html.Node) {
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
