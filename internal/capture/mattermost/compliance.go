package mattermost

import (
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/tally"
)

// layout says in which columns of a compliance export things stand: there have been two.
type layout struct {
	created, updated, deleted             int
	team, channel, title, kind            int
	user, username, email                 int
	post, root, original, text, typ, file int
}

// layoutOf returns the layout of a heading, or nil if it is of no compliance export.
func layoutOf(c map[string]int) *layout {
	at := func(names ...string) int {
		for _, n := range names {
			if i, ok := c[n]; ok {
				return i
			}
		}
		return -1
	}
	l := &layout{
		created: at("postcreationtime", "postcreateat"), updated: at("postupdatetime", "postupdateat"), deleted: at("postdeletetime", "postdeleteat"),
		team: at("teamname"), channel: at("channelid", "channelname"), title: at("channeldisplayname", "channelname"), kind: at("channeltype"),
		user: at("userid"), username: at("username", "userusername"), email: at("useremail"),
		post: at("postid"), root: at("repliedtopostid", "postrootid"), original: at("editedbypostid", "postoriginalid"),
		text: at("postmessage"), typ: at("posttype"), file: at("postfileids"),
	}
	if l.created < 0 || l.text < 0 || l.post < 0 || l.username < 0 {
		return nil
	}
	return l
}

// compliance reads a compliance export.
func (r *reading) compliance(in *tally.Input) (int64, error) {
	var l *layout
	return tally.CSV(in, r.member.Label(), r.limits, 0, func(row *tally.Row) error {
		if l == nil {
			if l = layoutOf(tally.Columns(row.Fields)); l == nil {
				return &capture.FileError{File: r.member.Label(), Reason: "has no heading that names its columns", Remedy: "Hand in the file as Mattermost exports it."}
			}
			return nil
		}
		return r.row(l, row)
	})
}

func (r *reading) row(l *layout, row *tally.Row) error {
	get := func(i int) string {
		if i < 0 || i >= len(row.Fields) {
			return ""
		}
		return row.Fields[i]
	}
	if get(l.post) == "" && get(l.text) == "" && get(l.typ) == "" {
		r.Skip("no_message", strings.Join(row.Fields, " "))
		return nil
	}
	key := get(l.channel)
	kind := map[string]string{"D": "dm", "direct": "dm", "G": "group", "group": "group", "O": "channel", "P": "channel", "public": "channel", "private": "channel"}[get(l.kind)]
	if kind == "" {
		kind = "unknown"
	}
	c, err := r.room(key, capture.Conversation{Title: get(l.title), Kind: kind, ID: key})
	if err != nil {
		return err
	}
	o := tally.Observation(r.member, row.Raw, row.Start, row.End, row.Line, row.Lines, 0)
	if row.Lossy {
		o.Doubt("not_text", "Some bytes are no text in the file's encoding.")
	}
	o.Chat, o.NativeID = key, get(l.post)
	id := get(l.user)
	if id == "" {
		id = get(l.username)
	}
	o.Sender = c.Person(get(l.username), "mattermost", id)
	c.Also(o.Sender, "email", get(l.email))
	var ok bool
	if o.Sent, ok = millis(get(l.created)); !ok {
		o.Doubt("no_time", "The file does not say when it was sent.")
	}
	o.Body = get(l.text)
	o.Text = o.Body
	if at, ok := millis(get(l.deleted)); ok {
		o.Kind, o.State.Deleted, o.State.DeletedAt = capture.KindDeleted, true, &at
	}
	if root := get(l.root); root != "" {
		o.ReplyTo, o.Thread = &capture.Ref{NativeID: root}, &capture.Ref{NativeID: root}
	}
	if get(l.original) != "" {
		// A row of its own for a text that was later replaced. The row with the id named here has the new one.
		o.State.Edited = true
		o.Doubt("earlier_version", "This is an earlier version of message "+tally.Sample(get(l.original))+".")
	}
	for f := range strings.FieldsFuncSeq(get(l.file), func(r rune) bool { return strings.ContainsRune(`[]", `, r) }) {
		if err := r.Export.Name(r.ctx, o, "document", f, r.member); err != nil {
			return err
		}
	}
	switch typ := get(l.typ); {
	case typ == "attachment", strings.Contains(typ, "file"):
		if len(o.Attachments) == 0 {
			if err := r.Export.Name(r.ctx, o, tally.Class("", o.Body), o.Body, r.member); err != nil {
				return err
			}
		}
		o.Kind = capture.KindMedia
	case typ == "enter", typ == "leave", typ == "joined", typ == "previously-joined":
		code := map[string]string{"enter": "member_joined", "joined": "member_joined", "leave": "member_left"}[typ]
		if code == "" {
			code = "other"
		}
		o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: code, Actor: o.Sender}
	default:
		kindOf(o, typ)
	}
	return c.Item(o)
}

func millis(s string) (capture.Instant, bool) {
	n, _ := strconv.ParseInt(s, 10, 64)
	return tally.Epoch(s, n, "ms", "server")
}
