package signal

import (
	"context"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// phone reads the database of Signal on Android, as the older backup carries it: the table message
// since 2022, before that sms and mms.
type phone struct {
	*copyOf
	db        *sqlfile.DB
	reader    *singleReader
	files     map[[2]int64]blob
	parties   map[int64]*party
	rooms     map[int64]*room
	threads   map[int64]int64 // the recipient of each
	self      *party
	selfID    int64
	expiring  int64
	attached  *sqlfile.Side
	reacted   *sqlfile.Side
	revisions *sqlfile.Side
	table     string
}

// column returns the first of several names that a table has: they change between versions.
func (p *phone) column(table string, names ...string) string {
	for _, n := range names {
		if p.db.HasColumn(table, n) {
			return n
		}
	}
	return ""
}

// pick writes a part of a query: the first of several columns under one name, or NULL.
func (p *phone) pick(table, as string, names ...string) string {
	if n := p.column(table, names...); n != "" {
		return ", +" + n + " AS " + as
	}
	return ", NULL AS " + as
}

func (p *phone) read(ctx context.Context) error {
	if !p.db.HasTable("recipient", "thread") || !p.db.HasTable("message") && !p.db.HasTable("mms") && !p.db.HasTable("sms") {
		return p.fault("is a backup of Signal in a form that Despatch does not know", "Update Signal, make a new backup, and hand in that.")
	}
	if err := p.learn(ctx); err != nil {
		return err
	}
	for _, table := range []string{"message", "sms", "mms"} {
		if !p.db.HasTable(table) {
			continue
		}
		p.table = table
		if err := p.readTable(ctx); err != nil {
			return err
		}
	}
	if p.expiring > 0 {
		p.book.Run.Warn(capture.Warning{Code: "disappearing_messages", Count: p.expiring, Detail: "Messages disappear in some conversations. What had disappeared before the copy was made is not in it."})
	}
	if p.self.aci == "" {
		p.book.Warn("owner_unknown", "The backup does not say whose it is. Its owner’s own messages have no id by which they can be found in other people’s copies.")
	}
	return nil
}

// learn reads the people, the groups and the conversations.
func (p *phone) learn(ctx context.Context) error {
	if isUUID(p.opt.Self) {
		p.self.aci = strings.ToLower(p.opt.Self)
	} else if p.opt.Self != "" {
		p.self.name = tally.Name(p.opt.Self)
	}
	q := "SELECT _id AS id" + p.pick("recipient", "aci", "aci", "uuid") + p.pick("recipient", "pni", "pni") + p.pick("recipient", "phone", "e164", "phone") + p.pick("recipient", "room", "group_id") +
		p.pick("recipient", "profile", "profile_joined_name") + p.pick("recipient", "given", "profile_given_name", "signal_profile_name") + p.pick("recipient", "family", "profile_family_name") +
		p.pick("recipient", "system", "system_joined_name", "system_display_name") + p.pick("recipient", "nick", "nickname_joined_name") + p.pick("recipient", "username", "username") + p.pick("recipient", "timer", "message_expiration_time") + " FROM recipient"
	err := p.db.Query(ctx, q, func(row *sqlfile.Row) error {
		if len(p.parties) >= maxParties {
			return p.fault("has more people than any account", "Hand in a plaintext export.")
		}
		x := &party{kind: "contact", aci: strings.ToLower(row.Text("aci")), pni: strings.TrimPrefix(strings.ToLower(row.Text("pni")), "pni:"), phone: number(row.Text("phone")), user: row.Text("username"),
			name: first(tally.Name(row.Text("nick")), tally.Name(row.Text("system")), tally.Name(row.Text("profile")), join(row.Text("given"), row.Text("family")))}
		if id := row.Text("room"); id != "" {
			x = &party{kind: "group", id: id, name: first(x.name, "A group")}
		}
		if x.key() == "" {
			x.id = "recipient:" + row.Text("id")
		}
		if row.Int("timer") > 0 {
			p.expiring++
		}
		p.parties[row.Int("id")] = x
		return nil
	})
	if err != nil {
		return err
	}
	if p.db.HasColumn("groups", "group_id", "title") {
		members := map[string][]string{}
		if p.db.HasColumn("group_membership", "group_id", "recipient_id") {
			n := 0
			err := p.db.Query(ctx, "SELECT +group_id AS room, +recipient_id AS who FROM group_membership", func(row *sqlfile.Row) error {
				if x := p.parties[row.Int("who")]; x != nil && x.aci != "" && n < 3*maxParties {
					members[row.Text("room")] = append(members[row.Text("room")], x.aci)
					n++
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		titles := map[string]string{}
		err := p.db.Query(ctx, "SELECT +group_id AS room, +title AS title FROM groups", func(row *sqlfile.Row) error {
			titles[row.Text("room")] = tally.Name(row.Text("title"))
			return nil
		})
		if err != nil {
			return err
		}
		for _, x := range p.parties {
			if x.kind == "group" {
				x.name, x.members = first(titles[x.id], x.name), members[x.id]
			}
		}
	}
	p.threads = map[int64]int64{}
	err = p.db.Query(ctx, "SELECT _id AS id"+p.pick("thread", "who", "recipient_id", "thread_recipient_id", "recipient_ids")+" FROM thread", func(row *sqlfile.Row) error {
		if len(p.threads) < maxParties {
			p.threads[row.Int("id")] = row.Int("who")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.findSelf(ctx)
}

// findSelf looks for the owner: since 2023 it is who outgoing messages are from.
func (p *phone) findSelf(ctx context.Context) error {
	if !p.db.HasColumn("message", "from_recipient_id", "type") {
		return nil
	}
	support := map[int64]int64{}
	err := p.db.Query(ctx, "SELECT +from_recipient_id AS who, count(*) AS n FROM message WHERE type & 31 IN (21, 22, 23, 24) GROUP BY 1", func(row *sqlfile.Row) error {
		if len(support) < 1000 {
			support[row.Int("who")] = row.Int("n")
		}
		return nil
	})
	if err != nil || len(support) != 1 {
		return err
	}
	for id, n := range support {
		if x := p.parties[id]; x != nil && x.kind == "contact" {
			p.selfID = id
			if p.opt.Self != "" {
				x.name = first(p.self.name, x.name)
			}
			x.kind, x.name = "self", first(x.name, owner)
			p.self = x
			p.book.Decide("owner", x.key(), "writer_of_outgoing_messages", n, 0)
		}
	}
	return nil
}

func (p *phone) room(thread int64) (*room, error) {
	if r := p.rooms[thread]; r != nil {
		return r, nil
	}
	with := p.parties[p.threads[thread]]
	if with == nil {
		with = &party{kind: "unknown", id: "thread:" + itoa(thread), name: "A deleted conversation"}
	}
	v := capture.Conversation{Title: with.label(), Kind: "unknown", ID: with.key(), Path: sqlfile.Table(p.main, "message")}
	switch with.kind {
	case "self":
		v.Kind, v.Title = "dm", "Note to Self"
	case "contact":
		v.Kind = "dm"
	case "group":
		v.Kind = "group"
	}
	c, err := p.book.Chat(v)
	if err != nil {
		return nil, err
	}
	r := &room{Chat: c, with: with, id: v.ID}
	c.Self(p.self.person(c))
	if with.kind == "contact" {
		with.person(c)
	}
	if len(with.members) > 0 {
		byACI := map[string]*party{}
		for _, x := range p.parties {
			byACI[x.aci] = x
		}
		for _, m := range with.members {
			byACI[m].person(c)
		}
	}
	p.rooms[thread] = r
	return r, nil
}

// readTable reads the messages of one table.
func (p *phone) readTable(ctx context.Context) error {
	defer func() { p.attached.Close(); p.reacted.Close(); p.revisions.Close() }()
	p.attached, p.reacted, p.revisions = nil, nil, nil
	var err error
	files := "attachment"
	if !p.db.HasTable(files) {
		files = "part"
	}
	if owner := p.column(files, "message_id", "mid"); owner != "" && p.table != "sms" {
		q := "SELECT +" + owner + " AS message, _id AS id" + p.pick(files, "stamp", "unique_id") + p.pick(files, "mime", "content_type", "ct") + p.pick(files, "name", "file_name") + p.pick(files, "size", "data_size") +
			p.pick(files, "voice", "voice_note") + p.pick(files, "sticker", "sticker_pack_id") + p.pick(files, "quote", "quote") + p.pick(files, "caption", "caption")
		if p.attached, err = p.db.Side(ctx, "message", q+" FROM "+files+" ORDER BY 1, 2"); err != nil {
			return err
		}
	}
	if p.db.HasColumn("reaction", "message_id", "author_id", "emoji", "date_sent") {
		where := ""
		if p.db.HasColumn("reaction", "is_mms") {
			where = " WHERE is_mms = 0"
			if p.table == "mms" {
				where = " WHERE is_mms = 1"
			}
			if p.table == "message" {
				where = ""
			}
		}
		if p.reacted, err = p.db.Side(ctx, "message", "SELECT +message_id AS message, +author_id AS who, +emoji AS emoji, +date_sent AS sent FROM reaction"+where+" ORDER BY 1, _id"); err != nil {
			return err
		}
	}
	if p.db.HasColumn(p.table, "latest_revision_id", "body") {
		if p.revisions, err = p.db.Side(ctx, "message", "SELECT +latest_revision_id AS message, +body AS body, +"+p.column(p.table, "date_sent", "date")+" AS sent FROM "+p.table+" WHERE latest_revision_id IS NOT NULL AND latest_revision_id <> _id ORDER BY 1, _id"); err != nil {
			return err
		}
	}
	return p.db.Scan(ctx, p.table, func(row *sqlfile.Row) error { return p.message(ctx, row) })
}

// The type of a message is a number in the lowest five bits and marks above: MessageTypes.java.
const (
	baseMask = 0x1F

	markKeys    = 0xFF00 // something about keys and safety numbers
	markGroup   = 0x30000
	markTimer   = 0x40000
	markSpecial = 0xF00000000
	special1    = 0x100000000 // the first of them
)

// message reads a row.
func (p *phone) message(ctx context.Context, row *sqlfile.Row) error {
	if row.Has("latest_revision_id") && row.Int("latest_revision_id") != row.Key() && row.Int("latest_revision_id") > 0 {
		p.book.Run.Reconciliation.InFile++
		p.book.Run.Reconciliation.Continuation++ // an earlier version of a message that follows
		return nil
	}
	r, err := p.room(row.Int("thread_id"))
	if err != nil {
		return err
	}
	o := row.Observation(p.main, p.table, 0)
	o.Chat = r.id
	sort := row.Int("type")
	if p.table == "mms" && row.Has("msg_box") {
		sort = row.Int("msg_box")
	}
	base := sort & baseMask
	own := base >= 21 && base <= 26 || base == 2 || base == 11
	sent := first64(row.Int("date_sent"), row.Int("date"))
	author := p.self
	switch {
	case row.Has("from_recipient_id"):
		author = p.parties[row.Int("from_recipient_id")]
	case !own:
		author = p.parties[first64(row.Int("recipient_id"), row.Int("address"))]
		if author == nil || author.kind == "group" {
			author = r.with
		}
	}
	o.Sender = author.person(r.Chat)
	o.Sent = at(sent, "sender")
	o.Body = row.Text("body")
	o.Text = o.Body
	if !own {
		o.Received = maybe(row.Int("date_received"), "receiver")
	}
	o.State.Expires = row.Int("expires_in") / 1000
	if err := p.edits(ctx, row, o, &sent); err != nil {
		return err
	}
	o.NativeID = nativeID(author, sent)
	if q := row.Int("quote_id"); q > 0 {
		by := p.parties[row.Int("quote_author")]
		o.ReplyTo = &capture.Ref{NativeID: nativeID(by, q), QuotedText: row.Text("quote_body"), Author: by.person(r.Chat), Sent: maybe(q, "sender")}
	}
	err = p.reacted.Each(ctx, row.Key(), func(x *sqlfile.Row) error {
		if len(o.Reactions) < maxBeside {
			o.Reactions = append(o.Reactions, capture.Reaction{Value: x.Text("emoji"), Actor: p.parties[x.Int("who")].person(r.Chat), At: maybe(x.Int("sent"), "sender")})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.attach(ctx, row, o); err != nil {
		return err
	}
	p.kind(row, o, r, sort, own)
	if r.with.kind == "unknown" {
		o.Doubt("conversation_deleted", conversationDeleted)
	}
	if own && r.with.kind == "contact" && o.Kind != capture.KindSystem {
		to := capture.Recipient{Name: r.with.person(r.Chat), Status: "sent"}
		when := maybe(row.Int("receipt_timestamp"), "receiver")
		switch {
		case row.Bool("has_read_receipt") || row.Int("read_receipt_count") > 0:
			to.Status, to.Read = "read", when
		case row.Bool("has_delivery_receipt") || row.Int("delivery_receipt_count") > 0:
			to.Status, to.Delivered = "delivered", when
		}
		o.To = append(o.To, to)
	}
	return r.Item(o)
}

// edits reads the earlier versions of a message.
func (p *phone) edits(ctx context.Context, row *sqlfile.Row, o *capture.Observation, sent *int64) error {
	last := *sent
	err := p.revisions.Each(ctx, row.Key(), func(x *sqlfile.Row) error {
		if len(o.Edits) < maxBeside {
			o.Edits = append(o.Edits, capture.Edit{Body: x.Text("body"), At: at(x.Int("sent"), "sender")})
		}
		if n := x.Int("sent"); n > 0 && n < *sent {
			*sent = n
		}
		return nil
	})
	if err == nil && len(o.Edits) > 0 {
		o.State.Edited, o.State.EditedAt = true, maybe(last, "sender")
		o.Sent = at(*sent, "sender")
	}
	return err
}

func (p *phone) attach(ctx context.Context, row *sqlfile.Row, o *capture.Observation) error {
	return p.attached.Each(ctx, row.Key(), func(x *sqlfile.Row) error {
		mime := x.Text("mime")
		if x.Bool("quote") || len(o.Attachments) >= 1000 {
			return nil
		}
		b, ok := p.files[[2]int64{x.Int("id"), x.Int("stamp")}]
		if !ok {
			b, ok = p.files[[2]int64{x.Int("id"), 0}]
		}
		a := capture.Attachment{Name: tally.Name(x.Text("name")), Class: tally.Class(mime, x.Text("name")), Size: max(x.Int("size"), 0)}
		switch {
		case x.Bool("voice"):
			a.Class, a.Detail = "audio", "voice message"
		case x.Text("sticker") != "":
			a.Class = "sticker"
		}
		if mime == "text/x-signal-plain" && ok && b.sha != "" && b.size <= maxText {
			text, err := p.text(b)
			if err == nil {
				o.Body, o.Text = text, text
			}
			return err
		}
		p.reader.attach(o, a, b, ok)
		return nil
	})
}

// text reads the words of a long message.
func (p *phone) text(b blob) (string, error) {
	r, err := p.reader.open(b)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return readText(r)
}

// kind settles what sort of message it is.
func (p *phone) kind(row *sqlfile.Row, o *capture.Observation, r *room, sort int64, own bool) {
	base := sort & baseMask
	switch {
	case row.Bool("remote_deleted"):
		o.Kind, o.State.Deleted, o.State.DeletedBy = capture.KindDeleted, true, "sender"
		return
	case row.Bool("view_once"):
		o.Kind, o.State.ViewOnce = capture.KindViewOnce, true
		return
	case base >= 1 && base <= 3, base == 8, base == 10, base == 11, base == 12:
		p.call(o, base)
		return
	case sort&(markGroup|markTimer|markKeys) != 0, base >= 4 && base < 20:
		p.notice(row, o, r, sort)
		return
	}
	o.Kind = capture.KindText
	if base == 24 {
		o.State.Status = "failed"
	}
	if base == 27 {
		o.State.Status = "draft"
	}
	switch special := sort & markSpecial / special1; {
	case special == 2 || special == 3:
		o.Kind, o.Text = capture.KindPayment, first(o.Body, "A payment")
	case special > 3:
		p.notice(row, o, r, sort)
	case len(o.Attachments) == 1 && o.Attachments[0].Class == "sticker":
		o.Kind = capture.KindSticker
	case len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	}
}

func (p *phone) call(o *capture.Observation, base int64) {
	o.Kind, o.NativeID = capture.KindCall, ""
	o.Call = &capture.Call{Medium: "voice", Outcome: "answered"}
	o.Body, o.Text = "", ""
	switch base {
	case 3:
		o.Call.Outcome = "missed"
	case 8:
		o.Call.Medium, o.Call.Outcome = "video", "missed"
	case 10, 11, 12:
		o.Call.Medium = "video"
	}
}

// notice reads what Signal itself says. What happened to a group is stored in a form of its own, which
// is not read.
func (p *phone) notice(row *sqlfile.Row, o *capture.Observation, r *room, sort int64) {
	o.Kind, o.NativeID = capture.KindSystem, ""
	e := &capture.SystemEvent{Code: "other", Actor: o.Sender}
	o.System = e
	text := "A notice of Signal’s whose meaning is not known"
	switch {
	case sort&markTimer != 0:
		text = timer(e, row.Int("expires_in"))
		o.State.Expires = 0
	case sort&markGroup != 0:
		text = "{who} changed the group"
		o.Doubt("notice_details_unread", "What changed in the group is stored in a form that is not read.")
	case sort&markKeys != 0:
		e.Code, text = "security_code_changed", "The safety number with {who} changed"
	case sort&baseMask == 4:
		e.Code, text = "contact_notice", "{who} joined Signal"
	case sort&baseMask == 7:
		e.Code, text = "contact_notice", "{who} changed the name"
	case sort&baseMask == 14:
		e.Code, text = "number_changed", "{who} changed the telephone number"
	default:
		o.Doubt("unknown_notice", text+", number "+itoa(sort)+".")
	}
	o.Text = phrase(text, e)
}
