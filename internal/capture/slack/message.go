package slack

import (
	"io"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// conversation is one conversation while it is read.
type conversation struct {
	*reading
	chat   *tally.Chat
	folder *folder
	key    string
	member *capture.Member

	// What the workspace kept of edits and deletions stands in records of its own, under the id of the
	// message; it is part of that message where the export has it.
	earlier map[string][]capture.Edit
	deleted map[string]*capture.Instant
	known   map[string]bool // messages with such a record that are in the export
}

// maxEvents bounds the edits and deletions that are remembered of a conversation.
const maxEvents = 200_000

// each calls fn for every record of a day.
func (c *conversation) each(m *capture.Member, in io.Reader, fn func(*jsonfile.Record) error) (*jsonfile.Reader, error) {
	j, err := jsonfile.NewReader(in, m.Label(), c.limits)
	if err != nil {
		return nil, err
	}
	for j.More() {
		if err := j.Each(c.folder.path, nil, fn); err != nil {
			return j, err
		}
	}
	return j, nil
}

// events collects the edits and deletions that the workspace kept, and which of them belong to a
// message that is in the export.
func (c *conversation) events() error {
	c.earlier, c.deleted, c.known = map[string][]capture.Edit{}, map[string]*capture.Instant{}, map[string]bool{}
	for pass := range 2 {
		for _, m := range c.folder.days {
			f, err := m.Open()
			if err != nil {
				return err
			}
			_, err = c.each(m, f, func(rec *jsonfile.Record) error {
				ts := target(rec.Value)
				switch {
				case pass == 1 && ts == "" && (c.earlier[rec.Str("ts")] != nil || c.deleted[rec.Str("ts")] != nil):
					c.known[rec.Str("ts")] = true
				case pass == 0 && ts != "" && len(c.earlier)+len(c.deleted) < maxEvents:
					c.event(rec.Value, ts)
				}
				return nil
			})
			f.Close()
			if _, fault := err.(*capture.FileError); err != nil && !fault { // a fault is said when the day is read
				return err
			}
		}
		if len(c.earlier)+len(c.deleted) == 0 {
			break
		}
	}
	return nil
}

// target returns the id of the message that a record tells an edit or the deletion of, or "".
func target(v *jsonfile.Value) string {
	switch v.Str("subtype") {
	case "message_changed":
		if ts := v.Str("message", "ts"); ts != "" {
			return ts
		}
	case "message_deleted":
		if ts := v.Str("deleted_ts"); ts != "" {
			return ts
		}
	default:
		return ""
	}
	return original(v).Str("ts")
}

func original(v *jsonfile.Value) *jsonfile.Value {
	if o := v.At("original"); o != nil {
		return o
	}
	return v.At("previous_message")
}

func (c *conversation) event(v *jsonfile.Value, ts string) {
	at, ok := stamp(v.Str("ts"))
	if v.Str("subtype") == "message_deleted" {
		c.deleted[ts] = &at
		return
	}
	if at2, ok2 := stamp(v.Str("message", "edited", "ts")); ok2 {
		at, ok = at2, true
	}
	if o := original(v); o != nil && ok {
		c.earlier[ts] = append(c.earlier[ts], capture.Edit{Body: o.Str("text"), At: at})
	}
}

// stamp reads a time such as 1736478630.905399, which is also the id of a message.
func stamp(raw string) (capture.Instant, bool) {
	seconds, fraction, _ := strings.Cut(raw, ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		at, _ := tally.Epoch(raw, 0, "ms", "server")
		return at, false
	}
	ms, _ := strconv.ParseInt((fraction + "000")[:3], 10, 64)
	precision := "ms"
	if fraction == "" {
		precision = "s"
	}
	return tally.Epoch(raw, n*1000+ms, precision, "server")
}

// day reads the messages of one file.
func (c *conversation) day(m *capture.Member, in *tally.Input) (int64, error) {
	c.member = m
	j, err := c.each(m, in, c.record)
	if j == nil {
		return 0, err
	}
	j.Warn(c.Run)
	return j.Offset(), err
}

// record reads a record, and the replies that stand inside it in the dumps of some tools.
func (c *conversation) record(rec *jsonfile.Record) error {
	if err := c.message(rec, rec.Value, 0); err != nil {
		return err
	}
	sub := 0
	for _, reply := range rec.List("slackdump_thread_replies") {
		if reply.Str("ts") == rec.Str("ts") {
			continue
		}
		sub++
		if err := c.message(rec, reply, sub); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversation) message(rec *jsonfile.Record, v *jsonfile.Value, sub int) error {
	if v.Kind != '{' {
		c.Skip("no_message", string(rec.Raw))
		return nil
	}
	if ts := target(v); ts != "" {
		if c.known[ts] && (c.earlier[ts] != nil || c.deleted[ts] != nil) {
			// It is part of the message that it tells of.
			c.Run.Reconciliation.InFile++
			c.Run.Reconciliation.Continuation++
			return nil
		}
		if o := original(v); o != nil { // only this record is left of the message
			v = o
			c.known[ts] = true
		}
	}
	o := tally.Observation(c.member, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, sub)
	rec.Doubt(o)
	o.Chat, o.NativeID = c.key, v.Str("ts")
	if t := v.Str("team"); c.team == "" {
		c.team = t
	}
	var ok bool
	if o.Sent, ok = stamp(v.Str("ts")); !ok {
		o.Doubt("no_time", "The file does not say when it was sent.")
	}
	o.Sender = c.sender(v)
	o.Body = v.Str("text")
	o.Text = c.readable(o.Body)
	if o.Text == "" {
		o.Text = c.fallback(v)
	}
	if thread := v.Str("thread_ts"); thread != "" && thread != o.NativeID {
		o.Thread = &capture.Ref{NativeID: thread, Author: c.person(v.Str("parent_user_id"), nil)}
		o.ReplyTo = &capture.Ref{NativeID: thread}
	}
	if at, ok := stamp(v.Str("edited", "ts")); ok {
		o.State.Edited, o.State.EditedAt = true, &at
	}
	o.Edits = append(o.Edits, c.earlier[o.NativeID]...)
	if len(o.Edits) > 0 {
		o.State.Edited = true
	}
	if at := c.deleted[o.NativeID]; at != nil {
		o.Kind, o.State.Deleted, o.State.DeletedAt = capture.KindDeleted, true, at
	}
	if err := c.files(o, v); err != nil {
		return err
	}
	c.reactions(o, v)
	c.kind(o, v)
	return c.chat.Item(o)
}

// person returns the name of a user and lists them. Embedded is what a message itself says of somebody
// whom the export's list does not have.
func (c *conversation) person(id string, embedded *jsonfile.Value) string {
	if id == "" {
		return ""
	}
	u := c.people[id]
	if u == nil && embedded != nil {
		u = &user{id: id, handle: embedded.Str("name"), name: tally.Name(embedded.Str("display_name"))}
		if u.name == "" {
			u.name = tally.Name(embedded.Str("real_name"))
		}
	}
	if u == nil {
		u = &user{id: id}
		if id == "USLACKBOT" {
			u.name = "Slackbot"
		}
	}
	name := c.chat.Person(u.name, "slack", id)
	c.chat.Also(name, "username", u.handle)
	c.chat.Also(name, "email", u.email)
	return name
}

// sender returns who wrote a message: a user, or a bot.
func (c *conversation) sender(v *jsonfile.Value) string {
	if id := v.Str("user"); id != "" {
		return c.person(id, v.At("user_profile"))
	}
	name := v.Str("username")
	if name == "" {
		name = v.Str("bot_profile", "name")
	}
	id := v.Str("bot_id")
	if name == "" && id == "" {
		id = v.Str("comment", "user")
		return c.person(id, nil)
	}
	return c.chat.Person(name, "slack", id)
}

// codes are our names for what Slack itself says in a conversation.
var codes = map[string]string{
	"channel_join": "member_joined", "group_join": "member_joined", "channel_leave": "member_left", "group_leave": "member_left",
	"channel_topic": "description_changed", "group_topic": "description_changed", "channel_purpose": "description_changed", "group_purpose": "description_changed",
	"channel_name": "subject_changed", "group_name": "subject_changed", "channel_archive": "settings_changed", "group_archive": "settings_changed",
	"channel_unarchive": "settings_changed", "group_unarchive": "settings_changed", "pinned_item": "message_pinned", "unpinned_item": "settings_changed",
	"channel_convert_to_private": "settings_changed", "channel_convert_to_public": "settings_changed", "channel_posting_permissions": "settings_changed",
	"reminder_add": "other", "bot_add": "member_added", "bot_remove": "member_removed", "channel_canvas_updated": "other", "sh_room_created": "call_started",
}

// kind settles what sort of message it is.
func (c *conversation) kind(o *capture.Observation, v *jsonfile.Value) {
	sub := v.Str("subtype")
	code := codes[sub]
	switch {
	case sub == "tombstone":
		o.Kind, o.State.Deleted = capture.KindDeleted, true
	case o.State.Deleted:
	case sub == "huddle_thread" || v.Has("room") && v.Str("room", "call_family") == "huddle":
		o.Kind, o.Call = capture.KindCall, &capture.Call{Medium: "voice", Outcome: "answered"}
		start, ok1 := v.Int("room", "date_start")
		end, ok2 := v.Int("room", "date_end")
		if ok1 && ok2 && end >= start && end > 0 {
			o.Call.Duration = strconv.FormatInt(end-start, 10)
		}
		for _, p := range v.List("room", "participant_history") {
			o.To = append(o.To, capture.Recipient{Name: c.person(p.Str(), nil)})
		}
	case code != "":
		o.Kind = capture.KindSystem
		o.System = &capture.SystemEvent{Code: code, Actor: o.Sender}
		switch code {
		case "subject_changed":
			o.System.Value = tally.Name(v.Str("name"))
		case "description_changed":
			o.System.Value = tally.Name(c.readable(v.Str("topic") + v.Str("purpose")))
		case "member_joined":
			if by := v.Str("inviter"); by != "" {
				o.System.Code, o.System.Actor, o.System.Value = "member_added", c.person(by, nil), o.Sender
			}
		}
	case len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	case o.Text == "":
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The export has a message here without its contents.")
	}
	if o.Kind == capture.KindText && o.Body == "" {
		o.Doubt("text_from_blocks", "The message has no plain text. What is shown is put together from its blocks.")
	}
}

// files reads the files of a message, which are in the export only if another tool has added them.
func (c *conversation) files(o *capture.Observation, v *jsonfile.Value) error {
	list := v.List("files")
	if f := v.At("file"); f != nil && len(list) == 0 {
		list = []*jsonfile.Value{f}
	}
	for _, f := range list {
		name, id := f.Str("name"), f.Str("id")
		if name == "" {
			name = f.Str("title")
		}
		a := capture.Attachment{Name: tally.Name(name), Class: tally.Class(f.Str("mimetype"), name), Presence: capture.NamedAbsent, Detail: tally.Sample(f.Str("title"))}
		switch f.Str("mode") {
		case "tombstone":
			a.Presence, a.Detail = capture.Omitted, "deleted in Slack"
		case "hidden_by_limit":
			a.Presence, a.Detail = capture.Omitted, "hidden by the limit of the workspace's plan"
		}
		a.Size, _ = f.Int("size")
		for _, where := range []string{"__uploads/" + id + "/" + name, c.folder.name + "/attachments/" + id + "-" + name, "attachments/" + id + "-" + name, id + "-" + name} {
			m := c.Export.Find(where, nil)
			if id == "" || m == nil {
				continue
			}
			if err := c.Export.Attach(c.ctx, &a, m); err != nil {
				return err
			}
			break
		}
		o.Attachments = append(o.Attachments, a)
	}
	return nil
}

func (c *conversation) reactions(o *capture.Observation, v *jsonfile.Value) {
	for _, r := range v.List("reactions") {
		count, _ := r.Int("count")
		named := int64(0)
		for _, u := range r.List("users") {
			o.Reactions = append(o.Reactions, capture.Reaction{Value: r.Str("name"), Actor: c.person(u.Str(), nil)})
			named++
		}
		for ; named < min(count, 1000); named++ { // Slack names the first of many
			o.Reactions = append(o.Reactions, capture.Reaction{Value: r.Str("name")})
		}
	}
}
