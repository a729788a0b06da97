package telegram

import (
	"strings"

	"golang.org/x/net/html"

	"despatch/internal/capture"
	"despatch/internal/capture/htmlfile"
	"despatch/internal/capture/tally"
)

// The pages hold a block for each message, with its id, and in a tooltip the time to the second and
// (since 2022) how far the exporter's clock was from UTC. A block that goes on after one by the same
// person is "joined" and does not repeat the name.

func sortPage(t *html.Token) string {
	class := htmlfile.TokenAttr(t, "class")
	switch {
	case t.Data != "div":
	case htmlfile.HasClass(class, "message"):
		return "message"
	case htmlfile.HasClass(class, "page_header"):
		return "header"
	}
	return ""
}

// pages reads the pages of one chat.
func (r *reading) pages(list []*capture.Member) error {
	c := &chat{reading: r, member: list[0], typ: ""}
	if err := c.open(); err != nil {
		return err
	}
	c.id = ""
	last := ""
	end := capture.Undated("").Max
	if at := r.opt.ReceivedAt; !at.IsZero() {
		end = at.UnixMilli()
	}
	for _, m := range list {
		c.member = m
		again, err := r.Again(m)
		if err != nil {
			return err
		}
		if again {
			continue
		}
		err = r.Read(m, func(in *tally.Input) (int64, error) {
			return htmlfile.Blocks(in, m.Label(), r.limits, sortPage, func(b *htmlfile.Block) error {
				if b.Sort == "header" {
					c.header(b.Node)
					return nil
				}
				return c.block(b, list[0], &last)
			})
		})
		if err != nil {
			if left := c.settle(end); left != nil {
				return left
			}
			return err
		}
	}
	if err := c.settle(end); err != nil {
		return err
	}
	if r.opt.Self != "" {
		c.Self(r.opt.Self)
	} else if len(c.Conversation().Title) > 0 {
		c.Self(c.Other(c.Conversation().Title))
	}
	return nil
}

func (c *chat) header(n *html.Node) {
	title := htmlfile.Text(htmlfile.Find(n, func(n *html.Node) bool {
		class := htmlfile.Attr(n, "class")
		return htmlfile.HasClass(class, "text") && htmlfile.HasClass(class, "bold")
	}))
	if title != "" && c.Conversation().Title == "" {
		c.Conversation().Title = tally.Name(title)
	}
}

// block reads one block of a page. Last is who wrote the one before.
func (c *chat) block(b *htmlfile.Block, first *capture.Member, last *string) error {
	n := b.Node
	class := htmlfile.Attr(n, "class")
	o := tally.Observation(c.member, b.Raw, b.Start, b.End, b.Line, b.Lines, 0)
	b.Doubt(o)
	o.Chat = tally.Where(first) // all pages are one chat
	id := strings.TrimPrefix(htmlfile.Attr(n, "id"), "message")
	if id != "" && !strings.HasPrefix(id, "-") {
		o.NativeID = id
	}
	if htmlfile.HasClass(class, "service") {
		o.Body = htmlfile.Text(htmlfile.Find(n, htmlfile.Class("details")))
		if o.NativeID == "" { // the date of those below
			c.Skip("date_line", o.Body)
			return nil
		}
		o.Text, o.Kind, o.System = o.Body, capture.KindSystem, &capture.SystemEvent{Code: "other", Value: o.Body}
		o.Sent = capture.Undated("")
		o.Sent.Ambiguous, o.Sent.Min = []string{"no_time"}, c.after
		c.untimed = append(c.untimed, o)
		if len(c.untimed) > 1000 {
			return c.settle(o.Sent.Max)
		}
		return nil
	}
	date := htmlfile.Find(n, htmlfile.Class("date"))
	raw := htmlfile.Attr(date, "title")
	var ok bool
	// Telegram writes day, month and year on its pages, whatever the language.
	if o.Sent, ok = tally.When(raw, c.opt.Zone, "dmy"); !ok {
		o.Doubt("no_time", "The page does not say when it was sent.")
	} else if o.Sent.Zone == capture.ZoneUnknown {
		c.Warn("zone_unknown", "This page shows the clock of the exporting machine and not its zone. Without the zone, times may be off by up to 14 hours.")
	}
	if ok {
		if err := c.settle(o.Sent.Max); err != nil {
			return err
		}
		c.after = o.Sent.Min
	}
	body := child(n, "body")
	if from := child(body, "from_name"); from != nil {
		*last = tally.Name(htmlfile.Text(from))
	} else if !htmlfile.HasClass(class, "joined") {
		*last = ""
	}
	o.Sender = *last
	if fwd := child(body, "forwarded"); fwd != nil {
		o.Forward = &capture.Ref{}
		if from := child(fwd, "from_name"); from != nil {
			name := htmlfile.Text(from)
			if d := htmlfile.Find(from, htmlfile.Class("date")); d != nil {
				at, ok := tally.When(htmlfile.Attr(d, "title"), c.opt.Zone, "dmy")
				if ok {
					o.Forward.Sent = &at
				}
				name = strings.TrimSuffix(name, htmlfile.Text(d))
			}
			o.Forward.Author = tally.Name(name)
		}
		body = fwd
	}
	if reply := child(body, "reply_to"); reply != nil {
		href := htmlfile.Attr(htmlfile.Find(reply, htmlfile.Tag("a")), "href")
		if i := strings.Index(href, "go_to_message"); i >= 0 {
			o.ReplyTo = &capture.Ref{NativeID: href[i+len("go_to_message"):]}
		}
	}
	if err := c.mediaPage(o, body); err != nil {
		return err
	}
	c.reactionsPage(o, n)
	o.Body = htmlfile.Text(child(body, "text"))
	o.Text = o.Body
	if o.Body == "" && o.Kind == capture.KindText {
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The export has a message here without its contents.")
	}
	return c.Item(o)
}

// settle hands out the lines by Telegram itself, which have no time on a page: they stand between the
// message before and the one after.
func (c *chat) settle(before int64) error {
	for _, o := range c.untimed {
		o.Sent.Max = max(before, o.Sent.Min)
		if err := c.Item(o); err != nil {
			return err
		}
	}
	c.untimed = c.untimed[:0]
	return nil
}

// child returns the first element of a class right below n.
func child(n *html.Node, class string) *html.Node {
	if n == nil {
		return nil
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && htmlfile.HasClass(htmlfile.Attr(c, "class"), class) {
			return c
		}
	}
	return nil
}

// mediaPage reads the files of a block.
func (c *chat) mediaPage(o *capture.Observation, body *html.Node) error {
	wrap := child(body, "media_wrap")
	if wrap == nil {
		return nil
	}
	var err error
	htmlfile.All(wrap, htmlfile.Tag("a"), func(a *html.Node) {
		href, class := htmlfile.Attr(a, "href"), htmlfile.Attr(a, "class")
		if err != nil || href == "" || strings.Contains(href, "://") || strings.HasPrefix(href, "#") {
			return
		}
		sort := ""
		for part, name := range map[string]string{"photo": "image", "sticker": "sticker", "video": "video", "voice": "audio", "audio": "audio", "animated": "gif"} {
			if strings.Contains(class, part) {
				sort = name
			}
		}
		if sort == "" {
			sort = tally.Class("", href)
		}
		err = c.Export.Name(c.ctx, o, sort, href, c.member)
		for _, x := range []string{htmlfile.Attr(htmlfile.Find(a, htmlfile.Tag("img")), "src")} {
			if thumb := c.Export.Find(x, c.member); thumb != nil {
				c.Export.Named(thumb)
			}
		}
	})
	if err != nil {
		return err
	}
	if poll := htmlfile.Find(wrap, htmlfile.Class("media_poll")); poll != nil {
		o.Kind, o.Poll = capture.KindPoll, &capture.Poll{Question: htmlfile.Text(htmlfile.Find(poll, htmlfile.Class("question"))), Options: []capture.PollOption{}}
		htmlfile.All(poll, htmlfile.Class("answer"), func(n *html.Node) {
			o.Poll.Options = append(o.Poll.Options, capture.PollOption{Text: strings.TrimPrefix(htmlfile.Text(n), "- ")})
		})
		return nil
	}
	if call := htmlfile.Find(wrap, htmlfile.Class("media_call")); call != nil {
		o.Kind, o.Call = capture.KindCall, &capture.Call{Medium: "voice", Outcome: "no_answer", Duration: htmlfile.Text(htmlfile.Find(call, htmlfile.Class("status")))}
		if htmlfile.HasClass(htmlfile.Attr(call, "class"), "success") {
			o.Call.Outcome = "answered"
		}
		return nil
	}
	if len(o.Attachments) == 0 { // named on the page, and not exported
		name := htmlfile.Text(htmlfile.Find(wrap, htmlfile.Class("title")))
		o.Attachments = append(o.Attachments, capture.Attachment{Name: tally.Name(name), Class: "media", Presence: capture.Omitted, Detail: tally.Sample(htmlfile.Text(htmlfile.Find(wrap, htmlfile.Class("status"))))})
	}
	if o.Kind = capture.KindMedia; o.Attachments[0].Class == "sticker" {
		o.Kind = capture.KindSticker
	}
	return nil
}

func (c *chat) reactionsPage(o *capture.Observation, n *html.Node) {
	htmlfile.All(n, htmlfile.Class("reaction"), func(r *html.Node) {
		value := htmlfile.Text(htmlfile.Find(r, htmlfile.Class("emoji")))
		named := 0
		htmlfile.All(r, htmlfile.Class("initials"), func(p *html.Node) {
			actor, _, _ := strings.Cut(htmlfile.Attr(p, "title"), ",")
			o.Reactions = append(o.Reactions, capture.Reaction{Value: value, Actor: tally.Name(actor)})
			named++
		})
		if named == 0 {
			o.Reactions = append(o.Reactions, capture.Reaction{Value: value})
		}
	})
}
