package mattermost

import (
	"slices"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// bulk reads a bulk export. People and channels stand in it before the messages.
func (r *reading) bulk(in *tally.Input) (int64, error) {
	j, err := jsonfile.NewReader(in, r.member.Label(), r.limits)
	if err != nil {
		return 0, err
	}
	for j.More() {
		rec, err := j.Record()
		if err != nil {
			j.Warn(r.Run)
			return j.Offset(), err
		}
		if err := r.object(rec); err != nil {
			return j.Offset(), err
		}
	}
	j.Warn(r.Run)
	return j.Offset(), nil
}

// object reads one line.
func (r *reading) object(rec *jsonfile.Record) error {
	kind := rec.Str("type")
	v := rec.At(kind)
	switch kind {
	case "channel":
		if len(r.titles) < maxKnown {
			title := v.Str("display_name")
			if title == "" {
				title = v.Str("name")
			}
			r.titles[v.Str("team")+"/"+v.Str("name")] = &channel{title: title, kind: "channel"}
		}
	case "user":
		if len(r.people) < maxKnown {
			u := &user{name: tally.Name(v.Str("first_name") + " " + v.Str("last_name")), email: v.Str("email")}
			if u.name == "" {
				u.name = tally.Name(v.Str("nickname"))
			}
			if u.name == "" {
				u.name = v.Str("username")
			}
			r.people[v.Str("username")] = u
		}
	case "bot":
		if len(r.people) < maxKnown {
			u := &user{name: tally.Name(v.Str("display_name"))}
			if u.name == "" {
				u.name = v.Str("username")
			}
			r.people[v.Str("username")] = u
		}
	case "direct_channel":
		return r.direct(v)
	case "post":
		key := v.Str("team") + "/" + v.Str("channel")
		about := r.titles[key]
		if about == nil {
			about = &channel{title: v.Str("channel"), kind: "channel"}
		}
		c, err := r.room(key, capture.Conversation{Title: about.title, Kind: about.kind, ID: key})
		if err != nil {
			return err
		}
		return r.thread(rec, v, c, key)
	case "direct_post":
		names := members(v)
		key := "@" + strings.Join(names, ",")
		c, err := r.room(key, r.directRoom(names, key))
		if err != nil {
			return err
		}
		for _, n := range names {
			r.person(c, n)
		}
		return r.thread(rec, v, c, key)
	case "version", "team", "scheme", "role", "emoji":
	default:
		r.Skip("unknown_line", kind)
		return nil
	}
	r.Skip("no_message", "line of type "+kind)
	return nil
}

func members(v *jsonfile.Value) []string {
	var names []string
	for _, m := range v.List("channel_members") {
		names = append(names, m.Str())
	}
	for _, m := range v.List("members") { // in exports of old versions
		names = append(names, m.Str())
	}
	for _, m := range v.List("participants") {
		names = append(names, m.Str("username"))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// direct notes a conversation between some people, which may be without messages.
func (r *reading) direct(v *jsonfile.Value) error {
	names := members(v)
	key := "@" + strings.Join(names, ",")
	c, err := r.room(key, r.directRoom(names, key))
	if err != nil {
		return err
	}
	for _, n := range names {
		r.person(c, n)
	}
	r.Skip("no_message", "line of type direct_channel")
	return nil
}

func (r *reading) directRoom(names []string, key string) capture.Conversation {
	v := capture.Conversation{Kind: "dm", ID: key}
	if len(names) > 2 {
		v.Kind = "group"
	}
	shown := make([]string, 0, len(names))
	for _, n := range names {
		if u := r.people[n]; u != nil {
			n = u.name
		}
		shown = append(shown, n)
	}
	v.Title = strings.Join(shown, ", ")
	return v
}

// thread hands out a post and the replies to it, which stand inside its line.
func (r *reading) thread(rec *jsonfile.Record, v *jsonfile.Value, c *tally.Chat, key string) error {
	root, err := r.post(rec, v, c, key, 0)
	if err != nil {
		return err
	}
	if err := c.Item(root); err != nil {
		return err
	}
	for i, x := range v.List("replies") {
		o, err := r.post(rec, x, c, key, i+1)
		if err != nil {
			return err
		}
		at := root.Sent
		// The export gives messages no ids; who wrote the first one, when, and what, must do.
		o.ReplyTo = &capture.Ref{Author: root.Sender, Sent: &at, QuotedText: root.Body}
		o.Thread = o.ReplyTo
		if err := c.Item(o); err != nil {
			return err
		}
	}
	return nil
}

// post reads one message.
func (r *reading) post(rec *jsonfile.Record, v *jsonfile.Value, c *tally.Chat, key string, sub int) (*capture.Observation, error) {
	o := tally.Observation(r.member, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, sub)
	rec.Doubt(o)
	o.Chat = key
	o.Sender = r.person(c, v.Str("user"))
	ms, _ := v.Int("create_at")
	var ok bool
	if o.Sent, ok = tally.Epoch(v.Str("create_at"), ms, "ms", "server"); !ok {
		o.Doubt("no_time", "The file does not say when it was sent.")
	}
	o.Body = v.Str("message")
	o.Text = o.Body
	if ms, ok := v.Int("edit_at"); ok && ms > 0 {
		at, _ := tally.Epoch(v.Str("edit_at"), ms, "ms", "server")
		o.State.Edited, o.State.EditedAt = true, &at
	}
	if ms, ok := v.Int("delete_at"); ok && ms > 0 {
		at, _ := tally.Epoch(v.Str("delete_at"), ms, "ms", "server")
		o.Kind, o.State.Deleted, o.State.DeletedAt = capture.KindDeleted, true, &at
	}
	for _, x := range v.List("reactions") {
		re := capture.Reaction{Value: x.Str("emoji_name"), Actor: r.person(c, x.Str("user"))}
		if ms, ok := x.Int("create_at"); ok && ms > 0 {
			at, _ := tally.Epoch(x.Str("create_at"), ms, "ms", "server")
			re.At = &at
		}
		o.Reactions = append(o.Reactions, re)
	}
	for _, x := range v.List("attachments") {
		p := x.Str("path")
		if err := r.attach(o, p); err != nil {
			return nil, err
		}
	}
	kindOf(o, v.Str("type"))
	return o, nil
}

// attach finds a file by its path; the zip keeps files below data/.
func (r *reading) attach(o *capture.Observation, p string) error {
	if m := r.Export.Find("data/"+p, r.member); m != nil {
		p = "data/" + p
	}
	if err := r.Export.Name(r.ctx, o, tally.Class("", p), p, r.member); err != nil {
		return err
	}
	return nil
}

// codes are our names for what Mattermost itself says in a channel.
var codes = map[string]string{
	"system_join_channel": "member_joined", "system_leave_channel": "member_left", "system_add_to_channel": "member_added", "system_remove_from_channel": "member_removed",
	"system_join_team": "member_joined", "system_leave_team": "member_left", "system_add_to_team": "member_added", "system_remove_from_team": "member_removed",
	"system_header_change": "description_changed", "system_purpose_change": "description_changed", "system_displayname_change": "subject_changed",
	"system_channel_deleted": "settings_changed", "system_channel_restored": "settings_changed", "system_convert_channel": "settings_changed", "system_join_leave": "member_joined",
	"custom_calls": "call_started", "system_guest_join_channel": "member_joined", "system_add_guest_to_chan": "member_added",
}

// kindOf settles what sort of message it is.
func kindOf(o *capture.Observation, post string) {
	code, known := codes[post]
	switch {
	case o.State.Deleted:
	case known, strings.HasPrefix(post, "system_"):
		if !known {
			code = "other"
		}
		o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: code, Actor: o.Sender}
	case len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	case o.Body == "":
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The export has a message here without its contents.")
	}
}
