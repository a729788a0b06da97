package telegram

import (
	"strconv"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// record reads one message.
func (c *chat) record(rec *jsonfile.Record) error {
	if rec.Kind != '{' {
		c.Skip("no_message", string(rec.Raw))
		return nil
	}
	if rec.Str("type") == "unsupported" {
		// Telegram itself could not write it; it is a message all the same.
		c.Warn("unsupported", "Some messages are of a kind that Telegram Desktop could not export.")
	}
	m := c.member
	o := tally.Observation(m, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, 0)
	rec.Doubt(o)
	o.Chat, o.NativeID = c.key(), rec.Str("id")
	if n, ok := rec.Int("id"); ok {
		if n < c.lastID && n > 0 {
			c.backward++
		}
		c.lastID = n
	}
	o.Sent = c.at(o, rec.Value, "date", true)
	o.Sender = c.who(rec.Value, "from", "from_id")
	o.Body = plainText(rec.At("text"))
	o.Text = o.Body
	if !rec.Null("edited") || !rec.Null("edited_unixtime") {
		at := c.at(o, rec.Value, "edited", false)
		if at.Precision != "none" {
			o.State.Edited, o.State.EditedAt = true, &at
		}
	}
	c.refs(o, rec.Value)
	if err := c.media(o, rec.Value); err != nil {
		return err
	}
	c.reactions(o, rec.Value)
	if n, ok := rec.Int("self_destruct_period_seconds"); ok {
		o.State.Expires = n
		o.State.ViewOnce = n == 2147483647
	}
	if rec.Str("type") == "service" {
		c.service(o, rec.Value)
	} else if o.Kind == capture.KindText && o.Body == "" {
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The export has a message here without its contents.")
	}
	return c.Item(o)
}

// at reads a time: the count of seconds if there is one, and else the exporter's clock.
func (c *chat) at(o *capture.Observation, v *jsonfile.Value, key string, must bool) capture.Instant {
	local := v.Str(key)
	if n, ok := v.Int(key + "_unixtime"); ok && n > 0 {
		raw := v.Str(key + "_unixtime")
		at, ok := tally.Epoch(raw, n*1000, "s", "server")
		if t, err := time.Parse("2006-01-02T15:04:05", local); err == nil && ok {
			if d := t.Unix() - n; d%900 == 0 && d >= -14*3600 && d <= 14*3600 {
				c.zones[d]++
			} else if must {
				o.Doubt("times_disagree", "The time on the exporter's clock and the time counted from 1970 do not belong together. The latter is followed.")
			}
		}
		return at
	}
	t, err := time.Parse("2006-01-02T15:04:05", local)
	if err != nil || t.Year() < 2013 {
		if must {
			o.Doubt("no_time", "The file does not say when it was sent.")
		}
		u := capture.Undated(local)
		u.Ambiguous = []string{"no_time"}
		return u
	}
	if must && c.opt.Zone == nil {
		c.Warn("zone_unknown", "This export is of an old version of Telegram, which shows the clock of the exporting machine and not its zone. Without the zone, times may be off by up to 14 hours.")
	}
	return capture.Local(local, capture.Civil{Year: t.Year(), Month: int(t.Month()), Day: t.Day(), Hour: t.Hour(), Minute: t.Minute(), Second: t.Second()}, true, c.opt.Zone)
}

// who returns the name of somebody under two keys: their name and their id.
func (c *chat) who(v *jsonfile.Value, name, id string) string {
	n, key := v.Str(name), v.Str(id)
	if n == "" && key == "" {
		if v.Has(name) { // null: the account was deleted
			return "Deleted Account"
		}
		return ""
	}
	if n == "" && v.Has(name) {
		n = "Deleted Account"
	}
	return c.Person(n, "telegram", key)
}

// plainText joins the pieces of a text: a string, or an array of strings and of entities.
func plainText(v *jsonfile.Value) string {
	if v == nil || v.Kind != '[' {
		return v.Str()
	}
	var b strings.Builder
	for _, x := range v.Items {
		if x.Kind == '{' {
			b.WriteString(x.Str("text"))
		} else {
			b.WriteString(x.Str())
		}
	}
	return b.String()
}

// refs reads what a message answers and where it was forwarded from.
func (c *chat) refs(o *capture.Observation, v *jsonfile.Value) {
	if id := v.Str("reply_to_message_id"); id != "" {
		o.ReplyTo = &capture.Ref{NativeID: id}
		if peer := v.Str("reply_to_peer_id"); peer != "" {
			o.ReplyTo.NativeID = peer + "/" + id // a message of another chat
		}
	}
	if v.Has("forwarded_from") || v.Has("forwarded_from_id") {
		o.Forward = &capture.Ref{Author: tally.Name(v.Str("forwarded_from"))}
		if o.Forward.Author == "" {
			o.Forward.Author = "Deleted Account"
		}
		if v.Has("forwarded_date_unixtime") || v.Has("forwarded_date") {
			at := c.at(o, v, "forwarded_date", false)
			o.Forward.Sent = &at
		}
	} else if from := v.Str("saved_from"); from != "" {
		o.Forward = &capture.Ref{Author: tally.Name(from)}
	}
}

// notIncluded begins what Telegram writes instead of a path for a file that it did not export.
const notIncluded = "(File "

// media reads the files of a message, and what else it may hold.
func (c *chat) media(o *capture.Observation, v *jsonfile.Value) error {
	kind := v.Str("media_type")
	class := map[string]string{"sticker": "sticker", "video_message": "video", "voice_message": "audio", "animation": "gif", "video_file": "video", "audio_file": "audio"}[kind]
	add := func(key, class string) error {
		p := v.Str(key)
		if p == "" {
			return nil
		}
		if !strings.HasPrefix(p, notIncluded) {
			if err := c.Export.Name(c.ctx, o, class, p, c.member); err != nil {
				return err
			}
			if name := v.Str("file_name"); name != "" && key == "file" {
				o.Attachments[len(o.Attachments)-1].Name = tally.Name(name)
			}
		} else {
			o.Attachments = append(o.Attachments, capture.Attachment{Name: tally.Name(v.Str("file_name")), Class: class, Presence: capture.Omitted, Detail: tally.Sample(p)})
		}
		if d := v.Str("duration_seconds"); d != "" && o.Attachments[len(o.Attachments)-1].Detail == "" {
			o.Attachments[len(o.Attachments)-1].Detail = d + " seconds"
		}
		if o.Kind = capture.KindMedia; class == "sticker" {
			o.Kind = capture.KindSticker
		}
		return nil
	}
	if err := add("photo", "image"); err != nil {
		return err
	}
	if class == "" {
		class = tally.Class(v.Str("mime_type"), v.Str("file"))
	}
	if err := add("file", class); err != nil {
		return err
	}
	if thumb := c.Export.Find(v.Str("thumbnail"), c.member); thumb != nil && !strings.HasPrefix(v.Str("thumbnail"), notIncluded) {
		c.Export.Named(thumb)
	}
	if p := v.At("contact_information"); p != nil {
		o.Kind = capture.KindContact
		name := tally.Name(p.Str("first_name") + " " + p.Str("last_name"))
		o.Text = strings.TrimSpace(o.Text + "\n" + strings.TrimSpace(name+" "+p.Str("phone_number")))
		if err := add("contact_vcard", "contact"); err != nil {
			return err
		}
		o.Kind = capture.KindContact
	}
	if p := v.At("location_information"); p != nil {
		o.Kind = capture.KindLocation
		o.Location = &capture.Location{Latitude: p.Str("latitude"), Longitude: p.Str("longitude"), Name: tally.Name(v.Str("place_name")), Live: v.Has("live_location_period_seconds")}
	}
	if p := v.At("poll"); p != nil {
		o.Kind, o.Poll = capture.KindPoll, &capture.Poll{Question: plainText(p.At("question")), Options: []capture.PollOption{}}
		for _, a := range p.List("answers") {
			n, _ := a.Int("voters")
			o.Poll.Options = append(o.Poll.Options, capture.PollOption{Text: plainText(a.At("text")), Votes: n})
		}
		if o.Text == "" {
			o.Text = o.Poll.Question
		}
	}
	if v.Has("invoice_information") || v.Has("giveaway_information") {
		o.Kind = capture.KindPayment
	}
	if v.Has("game_title") && o.Text == "" {
		o.Kind, o.Text = capture.KindText, v.Str("game_title")
	}
	return nil
}

// reactions reads who reacted how. In large chats only some of the people are named.
func (c *chat) reactions(o *capture.Observation, v *jsonfile.Value) {
	for _, r := range v.List("reactions") {
		value := r.Str("emoji")
		if value == "" {
			if value = r.Str("type"); r.Str("document_id") != "" {
				value = "custom emoji " + tally.Sample(r.Str("document_id"))
			}
		}
		count, _ := r.Int("count")
		named := int64(0)
		for _, who := range r.List("recent") {
			x := capture.Reaction{Value: value, Actor: c.who(who, "from", "from_id")}
			if t, err := time.Parse("2006-01-02T15:04:05", who.Str("date")); err == nil {
				at := capture.Local(who.Str("date"), capture.Civil{Year: t.Year(), Month: int(t.Month()), Day: t.Day(), Hour: t.Hour(), Minute: t.Minute(), Second: t.Second()}, true, c.clock(o))
				x.At = &at
			}
			o.Reactions = append(o.Reactions, x)
			named++
		}
		for ; named < min(count, 1000); named++ {
			o.Reactions = append(o.Reactions, capture.Reaction{Value: value})
		}
		if count > 1000 {
			o.Doubt("reactions_counted", "There are "+strconv.FormatInt(count, 10)+" reactions "+value+", of which 1000 are listed.")
		}
	}
}

// clock returns the zone in which the export shows times near a message's.
func (c *chat) clock(o *capture.Observation) *time.Location {
	if len(c.zones) == 1 {
		for offset := range c.zones {
			return time.FixedZone("UTC"+time.Unix(0, 0).In(time.FixedZone("", int(offset))).Format("-07:00"), int(offset))
		}
	}
	return c.opt.Zone
}

// codes are our names for what Telegram itself says in a chat.
var codes = map[string]string{
	"create_group": "group_created", "create_channel": "group_created", "migrate_from_group": "settings_changed", "migrate_to_supergroup": "settings_changed",
	"edit_group_title": "subject_changed", "edit_group_photo": "icon_changed", "delete_group_photo": "icon_changed",
	"invite_members": "member_added", "remove_members": "member_removed", "join_group_by_link": "member_joined", "join_group_by_request": "member_joined",
	"pin_message": "message_pinned", "clear_history": "history_cleared", "set_messages_ttl": "disappearing_changed",
	"group_call": "call_started", "invite_to_group_call": "call_started", "group_call_scheduled": "call_started",
	"topic_created": "settings_changed", "topic_edit": "settings_changed", "set_chat_theme": "settings_changed", "edit_chat_theme": "settings_changed",
	"joined_telegram": "contact_notice", "take_screenshot": "screenshot_taken",
}

// service reads a line by Telegram itself.
func (c *chat) service(o *capture.Observation, v *jsonfile.Value) {
	action := v.Str("action")
	actor := c.who(v, "actor", "actor_id")
	if action == "phone_call" {
		o.Kind, o.Sender = capture.KindCall, actor
		o.Call = &capture.Call{Medium: "voice", Outcome: "answered", Duration: v.Str("duration_seconds")}
		switch reason := v.Str("discard_reason"); {
		case reason == "missed":
			o.Call.Outcome = "missed"
		case reason == "busy", reason == "hangup" && o.Call.Duration == "":
			o.Call.Outcome = "no_answer"
		}
		if v.True("video") || v.True("is_video") {
			o.Call.Medium = "video"
		}
		return
	}
	o.Kind = capture.KindSystem
	code := codes[action]
	if code == "" {
		code = "other"
	}
	var members []string
	for _, m := range v.List("members") {
		name := tally.Name(m.Str())
		if m.Kind == 'n' {
			name = "Deleted Account"
		}
		members = append(members, name)
	}
	o.System = &capture.SystemEvent{Code: code, Actor: actor, Value: strings.Join(members, ", ")}
	switch code {
	case "member_removed":
		if len(members) == 1 && members[0] == actor {
			o.System.Code = "member_left"
		}
	case "group_created", "subject_changed":
		o.System.Value = tally.Name(v.Str("title"))
	case "disappearing_changed":
		n, _ := v.Int("period")
		if !v.Has("period") {
			n, _ = v.Int("period_seconds")
		}
		if o.System.TTL = n; n > 0 {
			o.System.Code = "disappearing_on"
		} else {
			o.System.Code = "disappearing_off"
		}
		c.Warn("disappearing_messages", "A timer for disappearing messages was set in this chat. What had disappeared before the export is not in it.")
	case "message_pinned":
		o.System.Value = v.Str("message_id")
	case "history_cleared":
		c.Warn("history_cleared", "The history of this chat was cleared. What stood in it before is not in the export.")
	case "other":
		o.System.Value = action
	}
	if o.Body == "" {
		o.Text = strings.TrimSpace(actor + " " + strings.ReplaceAll(action, "_", " ") + " " + o.System.Value)
	}
}
