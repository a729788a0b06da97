package signal

import (
	"context"
	"io"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// Bounds of one backup. An account with more is none.
const (
	maxParties = 500_000
	maxBeside  = 10_000 // reactions, receipts, revisions of one message
	maxText    = 4 << 20
)

// frames reads the frames of a backup, in which form they may be, one after the other.
type frames struct {
	book    *tally.Book
	opt     capture.Options
	files   *mediaFiles
	path    string // where the messages stand
	parties map[string]*party
	chats   map[string]*room
	self    *party
	timers  int64 // conversations with a timer
	settled bool  // the owner's ACI was looked for
}

// room is a conversation of the backup.
type room struct {
	*tally.Chat
	with *party
	id   string
}

func newFrames(book *tally.Book, opt capture.Options, files *mediaFiles, path string) *frames {
	f := &frames{book: book, opt: opt, files: files, path: path, parties: map[string]*party{}, chats: map[string]*room{}}
	f.self = &party{kind: "self", name: owner}
	if isUUID(opt.Self) {
		f.self.aci = strings.ToLower(opt.Self)
	} else if opt.Self != "" {
		f.self.name = tally.Name(opt.Self)
	}
	return f
}

// frame reads one frame. Make returns an observation with its origin. Unknown are the numbers of fields
// that nobody knows.
func (f *frames) frame(ctx context.Context, v *jsonfile.Value, unknown []int, make func(sub int) *capture.Observation) error {
	switch {
	case v.Has("chatItem"):
		return f.item(ctx, v.At("chatItem"), unknown, make(0))
	case v.Has("account"):
		a := v.At("account")
		if name := join(a.Str("givenName"), a.Str("familyName")); name != "" && f.opt.Self == "" {
			f.self.name = name
		}
		f.self.user = a.Str("username")
		f.book.Skip("account", "")
	case v.Has("recipient"):
		f.recipient(v.At("recipient"))
		f.book.Skip("recipient", "")
	case v.Has("chat"):
		if err := f.chat(v.At("chat")); err != nil {
			return err
		}
		f.book.Skip("conversation", "")
	case v.Has("adHocCall"):
		return f.adHocCall(v.At("adHocCall"), make(0))
	case v.Has("stickerPack"):
		f.book.Skip("sticker_pack", "")
	case v.Has("notificationProfile"), v.Has("chatFolder"):
		f.book.Skip("setting", "")
	case v.Has("version") && v.Has("backupTimeMs"):
		f.book.Skip("header", "")
	default:
		f.book.Skip("unknown_frame", strings.TrimSpace(sprint(unknown)))
	}
	return nil
}

func sprint(list []int) string {
	var b strings.Builder
	for _, n := range list {
		b.WriteString(strconv.Itoa(n) + " ")
	}
	return b.String()
}

func (f *frames) recipient(v *jsonfile.Value) {
	if len(f.parties) >= maxParties {
		f.book.Warn("too_many_recipients", "The backup has more people than any account. Some are shown by number only.")
		return
	}
	p := &party{kind: "contact"}
	switch {
	case v.Has("self"):
		p = f.self
	case v.Has("contact"):
		c := v.At("contact")
		p.aci, p.pni, p.phone, p.user = uuidAt(c, "aci"), uuidAt(c, "pni"), number(c.Str("e164")), c.Str("username")
		p.name = first(join(c.Str("nickname", "given"), c.Str("nickname", "family")), join(c.Str("systemGivenName"), c.Str("systemFamilyName")), tally.Name(c.Str("systemNickname")),
			join(c.Str("profileGivenName"), c.Str("profileFamilyName")))
	case v.Has("group"):
		g := v.At("group")
		p.kind, p.name, p.id = "group", tally.Name(g.Str("snapshot", "title", "title")), groupID(bytesAt(g, "masterKey"))
		for _, m := range g.List("snapshot", "members") {
			if aci := uuidAt(m, "userId"); aci != "" && len(p.members) < maxBeside {
				p.members = append(p.members, aci)
			}
		}
	case v.Has("distributionList"):
		p.kind, p.name, p.id = "list", tally.Name(first(v.Str("distributionList", "distributionList", "name"), "A list")), "list:"+v.Str("id")
	case v.Has("releaseNotes"):
		p.kind, p.name, p.id = "notes", "Signal", "signal-release-notes"
	case v.Has("callLink"):
		p.kind, p.name, p.id = "call", tally.Name(first(v.Str("callLink", "name"), "A call")), "call-link:"+v.Str("id")
	default:
		p.id = "recipient:" + v.Str("id")
	}
	f.parties[v.Str("id")] = p
}

// party returns whom an id of the backup stands for.
func (f *frames) party(id string) *party {
	if p := f.parties[id]; p != nil {
		return p
	}
	if id == "" || id == "0" {
		return nil
	}
	return &party{kind: "contact", id: "recipient:" + id}
}

// settle looks for the owner's ACI: of the members of the groups it is the one that belongs to nobody
// else in the backup.
func (f *frames) settle() {
	if f.settled {
		return
	}
	f.settled = true
	if f.self.aci != "" {
		return
	}
	known := map[string]bool{}
	for _, p := range f.parties {
		known[p.aci] = true
	}
	found := ""
	var support int64
	for _, p := range f.parties {
		for _, m := range p.members {
			switch {
			case known[m]:
			case found == "" || found == m:
				found = m
				support++
			default:
				return // somebody else is unknown too
			}
		}
	}
	if found != "" {
		f.self.aci = found
		f.book.Decide("owner", found, "only_unknown_member_of_groups", support, 0)
	}
}

func (f *frames) chat(v *jsonfile.Value) error {
	f.settle()
	id := v.Str("id")
	_, err := f.room(id, f.party(v.Str("recipientId")))
	if ms(v, "expirationTimerMs") > 0 {
		f.timers++
	}
	return err
}

// room opens a conversation.
func (f *frames) room(id string, with *party) (*room, error) {
	if r := f.chats[id]; r != nil {
		return r, nil
	}
	if with == nil {
		with = &party{kind: "unknown", id: "chat:" + id, name: "Conversation " + id}
	}
	v := capture.Conversation{Title: with.label(), Kind: "unknown", ID: first(with.key(), "chat:"+id), Path: f.path}
	switch with.kind {
	case "self":
		v.Kind, v.Title, v.ID = "dm", "Note to Self", first(with.aci, "note-to-self")
	case "contact":
		v.Kind = "dm"
	case "group":
		v.Kind = "group"
	case "list", "notes":
		v.Kind = "channel"
	case "call":
		v.Kind = "meeting"
	}
	c, err := f.book.Chat(v)
	if err != nil {
		return nil, err
	}
	r := &room{Chat: c, with: with, id: v.ID}
	c.Self(f.self.person(c))
	if with.kind == "contact" {
		with.person(c)
	}
	for _, m := range with.members {
		if m != f.self.aci {
			f.byACI(m).person(c)
		}
	}
	f.chats[id] = r
	return r, nil
}

// byACI returns the party with an ACI.
func (f *frames) byACI(aci string) *party {
	if aci == "" {
		return nil
	}
	if aci == f.self.aci {
		return f.self
	}
	if p := f.parties["aci "+aci]; p != nil {
		return p
	}
	for _, p := range f.parties {
		if p.aci == aci {
			f.parties["aci "+aci] = p
			return p
		}
	}
	p := &party{kind: "contact", aci: aci}
	if len(f.parties) < 2*maxParties {
		f.parties["aci "+aci] = p
	}
	return p
}

// item reads a message.
func (f *frames) item(ctx context.Context, v *jsonfile.Value, unknown []int, o *capture.Observation) error {
	f.settle()
	r, err := f.room(v.Str("chatId"), nil)
	if err != nil {
		return err
	}
	author := f.party(v.Str("authorId"))
	o.Chat = r.id
	o.Sender = author.person(r.Chat)
	sent := ms(v, "dateSent")
	revisions := v.List("revisions")
	if len(revisions) > 0 {
		// An edit is a message of its own; the first one's time is the message's.
		o.State.Edited, o.State.EditedAt = true, maybe(sent, "sender")
		sent = ms(revisions[0], "dateSent")
	}
	o.Sent, o.NativeID = at(sent, "sender"), nativeID(author, sent)
	o.State.Expires = ms(v, "expiresInMs") / 1000
	if in := v.At("incoming"); in != nil {
		o.Received = maybe(ms(in, "dateReceived"), "receiver")
	}
	f.receipts(v.List("outgoing", "sendStatus"), o, r)
	m := &message{frames: f, o: o, room: r, author: author}
	if err := m.content(ctx, v); err != nil {
		return err
	}
	for i, rev := range revisions {
		if i >= maxBeside {
			break
		}
		e := capture.Edit{At: at(ms(rev, "dateSent"), "sender")}
		e.Body = first(rev.Str("standardMessage", "text", "body"), rev.Str("directStoryReplyMessage", "textReply", "text", "body"), rev.Str("directStoryReplyMessage", "emoji"))
		o.Edits = append(o.Edits, e)
	}
	if o.Kind == capture.KindUnknown && len(unknown) > 0 {
		o.Doubt("unknown_item", "Signal's number for this sort of message, "+strings.TrimSpace(sprint(unknown))+", is not known.")
	}
	return r.Item(o)
}

// statuses are what Signal says of a message on its way, in the order of how much it tells.
var statuses = []string{"viewed", "read", "delivered", "sent", "skipped", "pending", "failed"}

func (f *frames) receipts(list []*jsonfile.Value, o *capture.Observation, r *room) {
	failed := 0
	for i, s := range list {
		if i >= maxBeside {
			break
		}
		to := capture.Recipient{Name: f.party(s.Str("recipientId")).person(r.Chat)}
		when := maybe(ms(s, "timestamp"), "receiver")
		for _, name := range statuses {
			if s.Has(name) {
				to.Status = name
				break
			}
		}
		switch to.Status {
		case "viewed", "read":
			to.Read = when
		case "delivered":
			to.Delivered = when
		case "failed":
			failed++
		}
		o.To = append(o.To, to)
	}
	if failed > 0 && failed == len(list) {
		o.State.Status = "failed"
	}
}

// adHocCall reads a call by a link, which stands in no conversation.
func (f *frames) adHocCall(v *jsonfile.Value, o *capture.Observation) error {
	with := f.party(v.Str("recipientId"))
	r, err := f.room("call "+v.Str("recipientId"), with)
	if err != nil {
		return err
	}
	o.Chat, o.Kind = r.id, capture.KindCall
	o.Sent = at(ms(v, "callTimestamp"), "exporter")
	o.Call = &capture.Call{Medium: "voice", Outcome: "answered"}
	o.Text = "A call by the link “" + r.with.label() + "”"
	return r.Item(o)
}

// message is a message while its content is read.
type message struct {
	*frames
	o      *capture.Observation
	room   *room
	author *party
}

func (m *message) content(ctx context.Context, v *jsonfile.Value) error {
	o := m.o
	o.Kind = capture.KindUnknown
	switch {
	case v.Has("standardMessage"):
		return m.standard(ctx, v.At("standardMessage"))
	case v.Has("contactMessage"):
		o.Kind = capture.KindContact
		m.card(v.At("contactMessage", "contact"))
		m.reactions(v.List("contactMessage", "reactions"))
	case v.Has("stickerMessage"):
		s := v.At("stickerMessage")
		o.Kind, o.Text = capture.KindSticker, s.Str("sticker", "emoji")
		m.reactions(s.List("reactions"))
		return m.files.attach(ctx, o, s.At("sticker", "data"), "sticker", "")
	case v.Has("remoteDeletedMessage"):
		o.Kind, o.State.Deleted, o.State.DeletedBy = capture.KindDeleted, true, "sender"
	case v.Has("adminDeletedMessage"):
		o.Kind, o.State.Deleted, o.State.DeletedBy = capture.KindDeleted, true, "admin"
		if by := m.party(v.Str("adminDeletedMessage", "adminId")); by != nil {
			o.Text = "Deleted by " + by.person(m.room.Chat)
		}
	case v.Has("updateMessage"):
		o.NativeID = "" // nobody sent it
		m.update(v.At("updateMessage"))
	case v.Has("paymentNotification"):
		p := v.At("paymentNotification")
		o.Kind, o.Body = capture.KindPayment, p.Str("note")
		o.Text = strings.TrimSpace(first(p.Str("amountMob"), "?") + " MOB " + o.Body)
	case v.Has("giftBadge"):
		o.Kind, o.Text = capture.KindPayment, "A donation badge"
	case v.Has("viewOnceMessage"):
		o.Kind, o.State.ViewOnce = capture.KindViewOnce, true
		m.reactions(v.List("viewOnceMessage", "reactions"))
		if a := v.At("viewOnceMessage", "attachment"); a != nil {
			return m.attachment(ctx, a)
		}
		o.Attachments = append(o.Attachments, capture.Attachment{Class: "media", Presence: capture.Omitted, Detail: "could be looked at once"})
	case v.Has("directStoryReplyMessage"):
		s := v.At("directStoryReplyMessage")
		o.Kind, o.ReplyTo = capture.KindText, &capture.Ref{QuotedText: "(a story)"}
		o.Body = first(s.Str("textReply", "text", "body"), s.Str("emoji"))
		o.Text = o.Body
		m.reactions(s.List("reactions"))
		return m.longText(ctx, s.At("textReply", "longText"))
	case v.Has("poll"):
		p := v.At("poll")
		o.Kind, o.Body = capture.KindPoll, p.Str("question")
		o.Text = o.Body
		o.Poll = &capture.Poll{Question: o.Body, Options: []capture.PollOption{}}
		for i, option := range p.List("options") {
			if i < 1000 {
				o.Poll.Options = append(o.Poll.Options, capture.PollOption{Text: option.Str("option"), Votes: int64(len(option.List("votes")))})
			}
		}
		m.reactions(p.List("reactions"))
	}
	return nil
}

func (m *message) standard(ctx context.Context, s *jsonfile.Value) error {
	o := m.o
	o.Kind, o.Body = capture.KindText, s.Str("text", "body")
	o.Text = o.Body
	if q := s.At("quote"); q != nil {
		by, when := m.party(q.Str("authorId")), ms(q, "targetSentTimestamp")
		o.ReplyTo = &capture.Ref{NativeID: nativeID(by, when), QuotedText: q.Str("text", "body"), Author: by.person(m.room.Chat), Sent: maybe(when, "sender")}
		for _, a := range q.List("attachments") {
			if o.ReplyTo.QuotedText == "" {
				o.ReplyTo.QuotedText = "(" + first(a.Str("fileName"), a.Str("contentType")) + ")"
			}
		}
	}
	for i, a := range s.List("attachments") {
		if i >= 1000 {
			break
		}
		o.Kind = capture.KindMedia
		if err := m.attachment(ctx, a); err != nil {
			return err
		}
	}
	for _, p := range s.List("linkPreview") {
		if o.Text == "" {
			o.Text = strings.TrimSpace(p.Str("title") + " " + p.Str("url"))
		}
	}
	m.reactions(s.List("reactions"))
	return m.longText(ctx, s.At("longText"))
}

// longText reads the words of a message that is too long for its frame.
func (m *message) longText(ctx context.Context, p *jsonfile.Value) error {
	if p == nil {
		return nil
	}
	text, ok, err := m.files.text(ctx, p)
	if err != nil {
		return err
	}
	if !ok {
		m.o.Doubt("long_text_missing", "The message is longer than this. The rest is in a file that was not handed in.")
		return nil
	}
	m.o.Body, m.o.Text = text, text
	return nil
}

func (m *message) attachment(ctx context.Context, a *jsonfile.Value) error {
	class, detail := "", ""
	switch a.Str("flag") {
	case "VOICE_MESSAGE":
		class, detail = "audio", "voice message"
	case "GIF":
		class = "gif"
	}
	return m.files.attach(ctx, m.o, a.At("pointer"), class, detail)
}

func (m *message) reactions(list []*jsonfile.Value) {
	for i, r := range list {
		if i >= maxBeside {
			return
		}
		m.o.Reactions = append(m.o.Reactions, capture.Reaction{Value: r.Str("emoji"), Actor: m.party(r.Str("authorId")).person(m.room.Chat), At: maybe(ms(r, "sentTimestamp"), "sender")})
	}
}

// card writes a contact that was shared as a card of the usual form.
func (m *message) card(c *jsonfile.Value) {
	n := c.At("name")
	name := first(join(n.Str("prefix"), n.Str("givenName"), n.Str("middleName"), n.Str("familyName"), n.Str("suffix")), tally.Name(n.Str("nickname")), tally.Name(c.Str("organization")))
	var b strings.Builder
	b.WriteString("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:" + cardText(name) + "\r\n")
	if org := c.Str("organization"); org != "" {
		b.WriteString("ORG:" + cardText(org) + "\r\n")
	}
	words := []string{name}
	for _, kind := range []struct{ key, field string }{{"number", "TEL"}, {"email", "EMAIL"}} {
		for i, v := range c.List(kind.key) {
			if i < 100 {
				b.WriteString(kind.field + ":" + cardText(v.Str("value")) + "\r\n")
				words = append(words, v.Str("value"))
			}
		}
	}
	b.WriteString("END:VCARD\r\n")
	m.o.Text = strings.Join(words, " ")
	m.o.Attachments = append(m.o.Attachments, made(strings.TrimSpace(name+".vcf"), "contact", b.String(), "written by Despatch from what the backup says"))
}

// cardText escapes a value of a card: RFC 2426, section 5.
func cardText(s string) string {
	return strings.NewReplacer("\\", "\\\\", "\r\n", "\\n", "\n", "\\n", "\r", "\\n", ",", "\\,", ";", "\\;").Replace(s)
}

// made is an attachment that stands nowhere as a file.
func made(name, class, text, detail string) capture.Attachment {
	return capture.Attachment{Name: name, Class: class, Presence: capture.Present, Size: int64(len(text)), SHA256: hashOf(text), Detail: detail,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}
