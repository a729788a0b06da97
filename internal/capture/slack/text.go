package slack

import (
	"strings"

	"despatch/internal/capture/jsonfile"
)

var unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// readable returns Slack's text as somebody reads it in Slack: people and channels by their names,
// links by their labels.
func (c *conversation) readable(s string) string {
	if !strings.ContainsAny(s, "<&") {
		return s
	}
	var b strings.Builder
	for {
		open := strings.IndexByte(s, '<')
		shut := -1
		if open >= 0 {
			shut = strings.IndexByte(s[open:], '>')
		}
		if shut < 0 {
			b.WriteString(unescape.Replace(s))
			return b.String()
		}
		b.WriteString(unescape.Replace(s[:open]))
		b.WriteString(c.reference(s[open+1 : open+shut]))
		s = s[open+shut+1:]
	}
}

// reference returns what stands for something between angle brackets.
func (c *conversation) reference(s string) string {
	target, label, labelled := strings.Cut(s, "|")
	label = unescape.Replace(label)
	switch {
	case strings.HasPrefix(target, "@"):
		if u := c.people[target[1:]]; u != nil && u.name != "" {
			return "@" + u.name
		}
		if labelled && label != "" {
			return "@" + strings.TrimPrefix(label, "@")
		}
		return target
	case strings.HasPrefix(target, "#"):
		if labelled && label != "" {
			return "#" + label
		}
		if r := c.rooms[target[1:]]; r != nil && r.title != "" {
			return "#" + r.title
		}
		return target
	case strings.HasPrefix(target, "!"):
		if labelled && label != "" {
			return label
		}
		name, _, _ := strings.Cut(target[1:], "^")
		return "@" + name
	}
	target = unescape.Replace(target)
	if !labelled || label == "" || label == target || "mailto:"+label == target || strings.TrimPrefix(strings.TrimPrefix(target, "https://"), "http://") == label {
		return strings.TrimPrefix(target, "mailto:")
	}
	return label + " (" + target + ")"
}

// fallback returns the text of a message that has none of its own: from its blocks, or from what a bot
// attached.
func (c *conversation) fallback(v *jsonfile.Value) string {
	var lines []string
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" && len(lines) < 1000 {
			lines = append(lines, s)
		}
	}
	for _, b := range v.List("blocks") {
		add(c.block(b))
	}
	for _, a := range v.List("attachments") {
		before := len(lines)
		for _, key := range []string{"pretext", "title", "text"} {
			add(c.readable(a.Str(key)))
		}
		for _, f := range a.List("fields") {
			add(c.readable(f.Str("title")) + ": " + c.readable(f.Str("value")))
		}
		if len(lines) == before {
			add(c.readable(a.Str("fallback")))
		}
	}
	return strings.Join(lines, "\n")
}

// block returns the words of a block, whatever its sort.
func (c *conversation) block(v *jsonfile.Value) string {
	switch v.Str("type") {
	case "text":
		return v.Str("text")
	case "mrkdwn", "plain_text":
		return c.readable(v.Str("text"))
	case "link":
		if t := v.Str("text"); t != "" {
			return t + " (" + v.Str("url") + ")"
		}
		return v.Str("url")
	case "user":
		return c.reference("@" + v.Str("user_id"))
	case "channel":
		return c.reference("#" + v.Str("channel_id"))
	case "emoji":
		return ":" + v.Str("name") + ":"
	case "broadcast":
		return "@" + v.Str("range")
	}
	var b strings.Builder
	if t := v.At("text"); t != nil && t.Kind == '{' {
		b.WriteString(c.block(t))
	}
	for _, key := range []string{"elements", "fields"} {
		for _, x := range v.List(key) {
			b.WriteString(c.block(x))
			if t := x.Str("type"); t == "rich_text_section" || t == "mrkdwn" || t == "plain_text" || t == "rich_text_quote" || t == "rich_text_preformatted" {
				b.WriteByte('\n')
			}
		}
	}
	return b.String()
}
