package google

import (
	"fmt"
	"io"
	"path"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// conversation is one messages.json while it is read.
type conversation struct {
	*reading
	chat   *tally.Chat
	member *capture.Member
	key    string
	dir    []*capture.Member // files beside it
	copies map[string]int    // how often a name was asked for
}

// group reads one conversation of Takeout.
func (r *reading) group(m *capture.Member) error {
	again, err := r.Again(m)
	if err != nil || again {
		return err
	}
	about, members := r.about(m)
	chat, err := r.Chat(about)
	if err != nil {
		return err
	}
	c := &conversation{reading: r, chat: chat, member: m, key: about.ID, copies: map[string]int{}}
	for _, o := range r.Export.Members {
		if o != m && tally.Dir(o) == tally.Dir(m) && (o.File == m.File || m.Path == "") {
			c.dir = append(c.dir, o)
		}
	}
	for _, p := range members {
		c.person(p.name, p.email)
	}
	switch {
	case r.opt.Self != "":
		chat.Self(r.opt.Self)
	case r.owner.name != "":
		chat.Self(c.person(r.owner.name, r.owner.email))
	}
	return r.Read(m, c.read)
}

func (c *conversation) read(in *tally.Input) (int64, error) {
	j, err := jsonfile.NewReader(in, c.member.Label(), c.limits)
	if err != nil {
		return 0, err
	}
	err = j.Each("messages[]", nil, c.record)
	j.Warn(c.Run)
	if err == nil && j.More() {
		c.Warn("after_the_end", "Something stands behind the end of a file.")
		_, err = io.Copy(io.Discard, in)
		return c.member.Size, err
	}
	return j.Offset(), err
}

// person returns the name of somebody, and lists them by their address.
func (c *conversation) person(name, email string) string {
	if name == "" {
		name = c.people[email]
	}
	if email != "" && name != "" && len(c.people) < 500_000 {
		c.people[email] = name
	}
	return c.chat.Person(name, "email", email)
}

// when reads a time, which Takeout writes in the language of the account. They are all of the server's
// clock.
func (c *conversation) when(raw string) (capture.Instant, bool) {
	at, ok := tally.When(raw, c.opt.Zone, c.opt.DateOrder)
	if ok {
		at.Clock = "server"
	}
	return at, ok
}

// record reads one message.
func (c *conversation) record(rec *jsonfile.Record) error {
	if rec.Kind != '{' {
		c.Skip("no_message", string(rec.Raw))
		return nil
	}
	o := tally.Observation(c.member, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, 0)
	rec.Doubt(o)
	o.NativeID = rec.Str("message_id")
	if space, _, ok := strings.Cut(o.NativeID, "/"); ok && c.key == "" {
		c.key = space
		c.chat.Conversation().ID = space
	}
	o.Chat = c.key
	o.Sender = c.person(rec.Str("creator", "name"), rec.Str("creator", "email"))
	var ok bool
	if o.Sent, ok = c.when(rec.Str("created_date")); !ok {
		o.Doubt("no_time", "The time “"+tally.Sample(rec.Str("created_date"))+"” cannot be read.")
	} else if len(o.Sent.Ambiguous) > 0 {
		o.Doubt("time_in_doubt", "The time can be read in more than one way; it lies between the earliest and the latest.")
	}
	o.Body = rec.Str("text")
	o.Text = o.Body
	if at, ok := c.when(rec.Str("updated_date")); ok {
		o.State.Edited, o.State.EditedAt = true, &at
	}
	c.edits(o, rec.List("previous_message_versions"))
	c.thread(o, rec.Str("topic_id"))
	if q := rec.At("quoted_message_metadata"); q != nil && q.Kind == '{' {
		o.ReplyTo = &capture.Ref{NativeID: q.Str("message_id"), QuotedText: q.Str("text"), Author: c.person(q.Str("creator", "name"), q.Str("creator", "email"))}
	}
	for _, f := range rec.List("attached_files") {
		if err := c.file(o, f.Str("original_name"), f.Str("export_name")); err != nil {
			return err
		}
	}
	c.reactions(o, rec.List("reactions"))
	c.annotations(o, rec.List("annotations"))
	c.kind(o, rec.Value)
	return c.chat.Item(o)
}

// edits reads the earlier versions of a message. Each was replaced when the next one was made.
func (c *conversation) edits(o *capture.Observation, versions []*jsonfile.Value) {
	for i, v := range versions {
		next := o.Sent.Raw
		if o.State.EditedAt != nil {
			next = o.State.EditedAt.Raw
		}
		if i+1 < len(versions) {
			for _, key := range []string{"updated_date", "created_date"} {
				if s := versions[i+1].Str(key); s != "" {
					next = s
					break
				}
			}
		}
		at, _ := c.when(next)
		o.Edits = append(o.Edits, capture.Edit{Body: v.Str("text"), At: at})
		o.State.Edited = true
	}
}

// thread says which topic a message belongs to. The first message of a topic has the topic's id.
func (c *conversation) thread(o *capture.Observation, topic string) {
	parts := strings.Split(o.NativeID, "/")
	if topic == "" || len(parts) != 3 || parts[2] == topic {
		return
	}
	if c.chat.Conversation().Kind == "dm" {
		return // topics of direct messages are single messages
	}
	o.Thread = &capture.Ref{NativeID: parts[0] + "/" + topic + "/" + topic}
}

// maxName is where Takeout cuts the names of files.
const maxName = 47

// file attaches a file. On the disk its name may be cut, numbered, and without some characters.
func (c *conversation) file(o *capture.Observation, original, exported string) error {
	name := exported
	if name == "" {
		name = original
	}
	a := capture.Attachment{Name: tally.Name(original), Class: tally.Class("", name), Presence: capture.NamedAbsent}
	if a.Name == "" {
		a.Name = tally.Name(name)
	}
	m := c.beside(name)
	if m != nil {
		if err := c.Export.Attach(c.ctx, &a, m); err != nil {
			return err
		}
	}
	o.Attachments = append(o.Attachments, a)
	return nil
}

// beside returns the file of a name in the conversation's folder.
func (c *conversation) beside(name string) *capture.Member {
	if name == "" {
		return nil
	}
	if m := c.Export.Find(name, c.member); m != nil && tally.Dir(m) == tally.Dir(c.member) {
		return m
	}
	ext := path.Ext(name)
	stem := []rune(strings.TrimSuffix(name, ext))
	for cut := min(len(stem), maxName); cut >= 30; cut-- {
		short := string(stem[:cut])
		n := c.copies[short+ext]
		for _, try := range []string{short + ext, fmt.Sprintf("%s(%d)%s", short, n, ext)} {
			for _, m := range c.dir {
				if cut < len(stem) && same(tally.Base(m), try) {
					c.copies[short+ext] = n + 1
					return m
				}
			}
		}
	}
	return nil
}

// same compares names as Takeout writes them.
func same(a, b string) bool {
	plain := func(r rune) rune {
		if strings.ContainsRune(`\/:*?"<>|=&%#{}$!'@+`+"`", r) {
			return '_'
		}
		return r
	}
	return strings.Map(plain, a) == strings.Map(plain, b)
}

func (c *conversation) reactions(o *capture.Observation, list []*jsonfile.Value) {
	for _, r := range list {
		value := r.Str("emoji", "unicode")
		if value == "" {
			value = r.Str("emoji", "custom_emoji", "shortcode")
		}
		if value == "" {
			value = r.Str("emoji", "custom_emoji", "uuid")
		}
		for _, e := range r.List("reactor_emails") {
			o.Reactions = append(o.Reactions, capture.Reaction{Value: value, Actor: c.person("", e.Str())})
		}
	}
}

// annotations reads what Google notes on a text: links it has shortened, files in Drive, calls.
func (c *conversation) annotations(o *capture.Observation, list []*jsonfile.Value) {
	for _, a := range list {
		url := a.At("url_metadata")
		if link := first(url.Str("url", "private_do_not_access_or_else_safe_url_wrapped_value"), url.Str("gws_url", "private_do_not_access_or_else_safe_url_wrapped_value")); link != "" && !strings.Contains(o.Text, link) {
			if title := url.Str("title"); title != "" {
				link = title + " (" + link + ")"
			}
			o.Text = strings.TrimSpace(o.Text + "\n" + link)
		}
		if d := a.At("drive_metadata"); d != nil && d.Str("id") != "" {
			o.Attachments = append(o.Attachments, capture.Attachment{Name: tally.Name(d.Str("title")), Class: "document", Presence: capture.NamedAbsent, Detail: "in Google Drive: " + tally.Sample(d.Str("id"))})
		}
		if v := a.At("video_call_metadata"); v != nil && v.Kind == '{' {
			link := first(v.Str("meeting_space", "meeting_url"), v.Str("meeting_url"))
			if o.Body == "" && link != "" {
				o.Text = strings.TrimSpace(o.Text + "\n" + link)
			}
		}
		if g := a.At("gsuite_integration_metadata"); o.Body == "" && g != nil {
			if s := first(g.Str("tasks_data", "task_properties", "title"), g.Str("calendar_event_data", "title"), g.Str("call_data", "call_status")); s != "" {
				o.Text = strings.TrimSpace(o.Text + "\n" + s)
			}
		}
		if y := a.Str("youtube_metadata", "id"); y != "" && !strings.Contains(o.Text, y) {
			o.Text = strings.TrimSpace(o.Text + "\nhttps://youtu.be/" + y)
		}
	}
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// kind settles what sort of message it is.
func (c *conversation) kind(o *capture.Observation, v *jsonfile.Value) {
	switch state := v.Str("message_state"); {
	case state == "DELETED", v.Has("deleted_date"), v.Has("deletion_metadata"):
		o.Kind, o.State.Deleted = capture.KindDeleted, true
		if at, ok := c.when(v.Str("deleted_date")); ok {
			o.State.DeletedAt = &at
		}
		switch by := v.Str("deletion_metadata", "deletion_type"); {
		case strings.HasPrefix(by, "CREATOR"):
			o.State.DeletedBy = "sender"
		case strings.Contains(by, "OWNER"), strings.Contains(by, "ADMIN"), strings.Contains(by, "MODERATOR"):
			o.State.DeletedBy = "admin"
		}
	case len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	case o.Text == "" && len(v.List("annotations")) > 0:
		o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: "other", Actor: o.Sender}
		for _, a := range v.List("annotations") {
			if m := a.At("membership_changed"); m != nil {
				o.System.Code = "member_added"
			}
			if a.Has("video_call_metadata") {
				o.System.Code = "call_started"
			}
		}
	case o.Text == "":
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The export has a message here without its contents.")
	}
	if o.Sender == "" && o.Kind != capture.KindSystem {
		o.Doubt("sender_unknown", "The export does not say who wrote it. The account was probably deleted.")
	}
}
