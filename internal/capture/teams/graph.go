package teams

import (
	"path"
	"strings"

	"golang.org/x/net/html"

	"despatch/internal/capture"
	"despatch/internal/capture/htmlfile"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// graph reads chatMessage objects, as the Graph API calls them.
func (r *reading) graph(p part, in *tally.Input) (int64, error) {
	j, err := jsonfile.NewReader(in, p.member.Label(), r.limits)
	if err != nil {
		return 0, err
	}
	j.Fold = fold
	for j.More() {
		err := j.Each(p.path, nil, func(rec *jsonfile.Record) error { return r.chatMessage(p.member, rec, rec.Value, 0) })
		if err != nil {
			j.Warn(r.Run)
			return j.Offset(), err
		}
	}
	j.Warn(r.Run)
	return j.Offset(), nil
}

// chatMessage reads one message, and the replies that may stand inside it.
func (r *reading) chatMessage(m *capture.Member, rec *jsonfile.Record, v *jsonfile.Value, sub int) error {
	if v.Kind != '{' || !v.Has("id") && !v.Has("body") {
		r.Skip("no_message", string(rec.Raw))
		return nil
	}
	key, about := where(v)
	if sub == 0 {
		same, version := r.repeated(key, v.Str("id"), rec.Raw)
		if same {
			r.Skip("same_message_twice", v.Str("id"))
			return nil
		}
		if version {
			r.Warn("another_version", "Some messages stand in several files of the export and differ there. Each version is kept.")
		}
	}
	c, err := r.chat(m, key, about, v)
	if err != nil {
		return err
	}
	o := tally.Observation(m, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, sub)
	rec.Doubt(o)
	o.Chat, o.NativeID = key, v.Str("id")
	var ok bool
	if o.Sent, ok = tally.RFC3339(v.Str("createdDateTime"), "server"); !ok {
		o.Doubt("no_time", "The file does not say when it was sent.")
	}
	o.Sender = r.identity(c, v.At("from"))
	o.Subject = v.Str("subject")
	r.body(o, v)
	if reply := v.Str("replyToId"); reply != "" && reply != o.NativeID {
		o.Thread = &capture.Ref{NativeID: reply}
		o.ReplyTo = &capture.Ref{NativeID: reply}
	}
	for _, a := range v.List("attachments") {
		if err := r.attachment(c, m, o, a); err != nil {
			return err
		}
	}
	r.reactions(c, o, v)
	r.state(o, v)
	r.event(c, o, v)
	if o.Sender == "" && o.Kind != capture.KindSystem {
		o.Doubt("sender_unknown", "The export does not say who wrote it.")
	}
	if err := c.Item(o); err != nil {
		return err
	}
	for i, reply := range v.List("replies") {
		if err := r.chatMessage(m, rec, reply, sub*1000+i+1); err != nil {
			return err
		}
	}
	return nil
}

// where returns the conversation that a message is in.
func where(v *jsonfile.Value) (key string, about capture.Conversation) {
	if id := v.Str("channelIdentity", "channelId"); id != "" {
		team := v.Str("channelIdentity", "teamId")
		return team + "/" + id, capture.Conversation{Kind: "channel", ID: team + "/" + id}
	}
	id := v.Str("chatId")
	about = capture.Conversation{Kind: "unknown", ID: id}
	switch {
	case strings.Contains(id, "meeting_"):
		about.Kind = "meeting"
	case strings.HasSuffix(id, "@unq.gbl.spaces"), strings.HasPrefix(id, "48:"), strings.HasPrefix(id, "8:"):
		about.Kind = "dm"
	case strings.HasPrefix(id, "19:"):
		about.Kind = "group"
	}
	return id, about
}

// chat returns a conversation, and opens it at its first message.
func (r *reading) chat(m *capture.Member, key string, about capture.Conversation, v *jsonfile.Value) (*tally.Chat, error) {
	if key == "" {
		key = tally.Where(m)
	}
	if c := r.chats[key]; c != nil {
		return c, nil
	}
	about.Path = m.Path
	about.Tenant = v.Str("from", "user", "tenantId")
	if team, channel, ok := strings.Cut(about.ID, "/"); ok {
		about.Title = strings.TrimPrefix(r.titles[team]+" / "+r.titles[channel], " / ")
		about.Title = strings.TrimSuffix(about.Title, " / ")
	} else {
		about.Title = r.titles[about.ID]
	}
	c, err := r.Chat(about)
	if err == nil {
		r.chats[key] = c
		if r.opt.Self != "" {
			c.Self(r.opt.Self)
		}
	}
	return c, err
}

// identity returns the name of whoever an identitySet means: a person, an application, or a device.
func (r *reading) identity(c *tally.Chat, v *jsonfile.Value) string {
	for _, sort := range []string{"user", "application", "device", "conversation", "phone"} {
		x := v.At(sort)
		if x == nil || x.Kind != '{' {
			continue
		}
		id, name := x.Str("id"), x.Str("displayName")
		known := r.people[id]
		if name == "" { // as it is for guests, and in reactions
			name = known.name
		}
		if id == "" && name == "" {
			continue
		}
		n := c.Person(name, "aad", id)
		c.Also(n, "email", known.email)
		return n
	}
	return ""
}

// body reads the text of a message. HTML is kept as it stands, and read as text.
func (r *reading) body(o *capture.Observation, v *jsonfile.Value) {
	o.Body = v.Str("body", "content")
	o.Text = o.Body
	if v.Str("body", "contentType") != "text" && strings.ContainsAny(o.Body, "<&") {
		o.Text = htmlfile.TextOf(o.Body)
		r.inline(o)
	}
}

// inline notes the pictures that stand in a message; an export has only their addresses.
func (r *reading) inline(o *capture.Observation) {
	if !strings.Contains(o.Body, "hostedContents") && !strings.Contains(o.Body, "asm.skype.com") {
		return
	}
	z := html.NewTokenizer(strings.NewReader(o.Body))
	for n := 0; n < 200; {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			src := htmlfile.TokenAttr(&t, "src")
			if t.Data != "img" || !strings.Contains(src, "hostedContents") && !strings.Contains(src, "asm.skype.com") {
				continue
			}
			n++
			name := htmlfile.TokenAttr(&t, "itemid")
			if name == "" {
				name = htmlfile.TokenAttr(&t, "alt")
			}
			o.Attachments = append(o.Attachments, capture.Attachment{Name: tally.Name(name), Class: "image", Presence: capture.NamedAbsent, Detail: src})
		}
	}
}

// attachment reads what is attached to a message: a file's address, a quotation, or a card.
func (r *reading) attachment(c *tally.Chat, m *capture.Member, o *capture.Observation, v *jsonfile.Value) error {
	kind := v.Str("contentType")
	switch {
	case kind == "messageReference":
		q := jsonfile.Parse(v.Str("content"))
		id := q.Str("messageId")
		if id == "" {
			id = v.Str("id")
		}
		o.ReplyTo = &capture.Ref{NativeID: id, QuotedText: q.Str("messagePreview"), Author: r.identity(c, q.At("messageSender"))}
	case kind == "forwardedMessageReference":
		q := jsonfile.Parse(v.Str("content"))
		o.Forward = &capture.Ref{NativeID: q.Str("originalMessageId"), QuotedText: htmlfile.TextOf(q.Str("originalMessageContent")), Author: r.identity(c, q.At("originalMessageSender"))}
		if at, ok := tally.RFC3339(q.Str("originalSentDateTime"), "server"); ok {
			o.Forward.Sent = &at
		}
		o.Text = strings.TrimSpace(o.Text + "\n" + o.Forward.QuotedText)
	case kind == "reference", kind == "file", strings.Contains(kind, "file.download"):
		name, url := v.Str("name"), v.Str("contentUrl")
		if name == "" {
			name = path.Base(url)
		}
		if err := r.Export.Name(r.ctx, o, tally.Class("", name), name, m); err != nil {
			return err
		}
		a := &o.Attachments[len(o.Attachments)-1]
		if a.Name = tally.Name(name); a.Presence != capture.Present {
			a.Detail = url
		}
	default:
		card := v.At("content")
		if card != nil && card.Kind == '"' {
			card = jsonfile.Parse(card.Text)
		}
		var words []string
		cardWords(card, &words)
		if len(words) > 0 {
			o.Text = strings.TrimSpace(o.Text + "\n" + strings.Join(words, "\n"))
		}
	}
	return nil
}

// cardWords collects what a card says, whatever its sort.
func cardWords(v *jsonfile.Value, words *[]string) {
	if v == nil || len(*words) > 200 {
		return
	}
	for _, m := range v.Members {
		switch fold(m.Key) {
		case "title", "subtitle", "text", "summary", "activityTitle", "activitySubtitle", "activityText", "value":
			if s := strings.TrimSpace(htmlfile.TextOf(m.Value.Str())); s != "" && m.Value.Kind == '"' {
				*words = append(*words, s)
				continue
			}
		}
		cardWords(m.Value, words)
	}
	for _, x := range v.Items {
		cardWords(x, words)
	}
}

func (r *reading) reactions(c *tally.Chat, o *capture.Observation, v *jsonfile.Value) {
	add := func(x *jsonfile.Value, removed bool) {
		re := capture.Reaction{Value: x.Str("reactionType"), Removed: removed}
		if name := x.Str("displayName"); re.Value == "custom" && name != "" {
			re.Value = name
		}
		u := x.At("user")
		if u != nil && !u.Has("user") && u.Has("id") { // some tools leave one level out
			re.Actor = c.Person(u.Str("displayName"), "aad", u.Str("id"))
		} else {
			re.Actor = r.identity(c, u)
		}
		if at, ok := tally.RFC3339(x.Str("createdDateTime"), "server"); ok {
			re.At = &at
		}
		o.Reactions = append(o.Reactions, re)
	}
	for _, x := range v.List("reactions") {
		add(x, false)
	}
	for _, h := range v.List("messageHistory") {
		if h.Str("actions") == "reactionRemoved" && h.At("reaction") != nil {
			add(h.At("reaction"), true)
		}
	}
}

// state reads what became of a message.
func (r *reading) state(o *capture.Observation, v *jsonfile.Value) {
	if at, ok := tally.RFC3339(v.Str("lastEditedDateTime"), "server"); ok {
		o.State.Edited, o.State.EditedAt = true, &at
	}
	if len(o.Attachments) > 0 {
		o.Kind = capture.KindMedia
	}
	if at, ok := tally.RFC3339(v.Str("deletedDateTime"), "server"); ok {
		o.Kind, o.State.Deleted, o.State.DeletedAt = capture.KindDeleted, true, &at
	} else if o.Body == "" && o.Kind == capture.KindText && o.Text == "" && v.Null("eventDetail") {
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The export has a message here without its contents.")
	}
	if p := v.At("policyViolation"); p != nil && p.Kind == '{' {
		o.Doubt("policy_violation", "A policy of the organisation has acted on this message: "+tally.Sample(p.Str("dlpAction")+" "+p.Str("policyTip", "generalText"))+".")
	}
}

// events are our names for what Teams itself says in a conversation.
var events = map[string]string{
	"membersAdded": "member_added", "membersDeleted": "member_removed", "membersJoined": "member_joined", "membersLeft": "member_left",
	"chatRenamed": "subject_changed", "channelRenamed": "subject_changed", "teamRenamed": "subject_changed", "channelAdded": "group_created", "teamCreated": "group_created",
	"teamDescriptionUpdated": "description_changed", "channelDescriptionUpdated": "description_changed", "conversationMemberRoleUpdated": "admin_changed",
	"callStarted": "call_started", "messagePinned": "message_pinned", "messageUnpinned": "settings_changed", "channelDeleted": "settings_changed",
	"teamArchived": "settings_changed", "teamUnarchived": "settings_changed", "callRecording": "call_recorded", "callTranscript": "call_recorded",
	"channelSetAsFavoriteByDefault": "settings_changed", "channelUnsetAsFavoriteByDefault": "settings_changed", "teamJoiningEnabled": "settings_changed", "teamJoiningDisabled": "settings_changed",
}

// event reads a line by Teams itself.
func (r *reading) event(c *tally.Chat, o *capture.Observation, v *jsonfile.Value) {
	d := v.At("eventDetail")
	if v.Str("messageType") != "systemEventMessage" && (d == nil || d.Kind != '{') {
		return
	}
	name := d.Str("@odata.type") + d.Str("odataType") + d.Str("oDataType")
	name = strings.TrimSuffix(strings.TrimPrefix(name, "#microsoft.graph."), "EventMessageDetail")
	by := r.identity(c, d.At("initiator"))
	if name == "callEnded" {
		o.Kind, o.Sender = capture.KindCall, by
		o.Call = &capture.Call{Outcome: "answered", Duration: d.Str("callDuration")}
		for _, p := range d.List("callParticipants") {
			o.To = append(o.To, capture.Recipient{Name: r.identity(c, p.At("participant"))})
		}
		return
	}
	code := events[name]
	if code == "" {
		code = "other"
	}
	var who []string
	for _, m := range d.List("members") {
		who = append(who, c.Person(r.nameOf(m), "aad", m.Str("id")))
	}
	o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: code, Actor: by, Value: strings.Join(who, ", ")}
	for _, key := range []string{"chatDisplayName", "channelDisplayName", "teamDisplayName", "teamDescription", "channelDescription"} {
		if s := d.Str(key); s != "" && o.System.Value == "" {
			o.System.Value = tally.Name(s)
		}
	}
	if o.Text == "" {
		o.Text = strings.TrimSpace(strings.Join([]string{by, words(name), o.System.Value}, " "))
	}
}

func (r *reading) nameOf(v *jsonfile.Value) string {
	if s := v.Str("displayName"); s != "" {
		return s
	}
	return r.people[v.Str("id")].name
}

// words writes membersAdded as words.
func words(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
