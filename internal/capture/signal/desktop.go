package signal

import (
	"context"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

const (
	askDesktopKey = "This is the database of Signal Desktop. What is its key, the 64 digits that IT can read out on the computer it comes from?"
	desktopHelp   = "The key stands in the file config.json beside the folder sql, as “key”. Where there is only “encryptedKey”, the computer’s own key store holds it, and only its user’s session can read it out."
)

// desktopKeys returns the keys to try: those declared, and the one in the configuration.
func (c *copyOf) desktopKeys() (keys []sqlfile.Key, wrapped bool, err error) {
	for _, s := range c.opt.Secrets {
		if k, ok := sqlfile.HexKey(s); ok {
			keys = append(keys, k)
		}
	}
	if c.config == nil || c.config.Size > 1<<20 {
		return keys, false, nil
	}
	r, err := c.config.Open()
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, false, err
	}
	var config struct {
		Key       string `json:"key"`
		Encrypted string `json:"encryptedKey"`
	}
	if json.Unmarshal(data, &config) != nil {
		return keys, false, nil
	}
	if k, ok := sqlfile.HexKey(config.Key); ok {
		keys = append(keys, k)
	}
	return keys, config.Encrypted != "", nil
}

// openDesktop opens the database, or asks for its key and returns nil.
func (c *copyOf) openDesktop(ctx context.Context) (*sqlfile.DB, error) {
	wal := sqlfile.Log(c.main, c.x.Members)
	if wal != nil {
		c.x.Named(wal)
	}
	if c.config != nil {
		c.x.Aside(c.config, "settings")
	}
	if c.plain {
		return sqlfile.Open(ctx, c.main, wal)
	}
	keys, wrapped, err := c.desktopKeys()
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		ok, err := sqlfile.Fits(ctx, c.main, k)
		if err != nil {
			return nil, err
		}
		if ok {
			c.book.Decide("encryption", "sqlcipher", "mac", 1, 0)
			return sqlfile.OpenCipher(ctx, c.main, wal, k)
		}
	}
	switch {
	case len(keys) > 0:
		return nil, c.fault("cannot be opened with the key that was given", desktopHelp)
	case len(c.opt.Secrets) > 0:
		return nil, c.fault("cannot be opened: its key has 64 digits, 0 to 9 and a to f", desktopHelp)
	}
	text := askDesktopKey
	if wrapped {
		text += " The configuration has it only in a form that the computer itself can open."
	}
	c.ask(text)
	return nil, nil
}

// desk reads a desktop's database.
type desk struct {
	*copyOf
	db      *sqlfile.DB
	parties map[string]*party // by the database's own id of a conversation
	byACI   map[string]*party
	rooms   map[string]*room
	self    *party
	files   *sqlfile.Side
	timers  int64
}

func (c *copyOf) readDesktop(ctx context.Context) error {
	run := c.book.Run
	run.Variant = "desktop"
	db, err := c.openDesktop(ctx)
	if err != nil || db == nil {
		return err
	}
	defer db.Close()
	for _, w := range db.Warnings {
		run.Warn(w)
	}
	if !db.HasColumn("messages", "json", "conversationId") || !db.HasColumn("conversations", "id", "json") {
		return c.fault("is a database of Signal Desktop in a form that Despatch does not know", "Make a plaintext export in Signal, and hand in that.")
	}
	run.Coverage.Bytes += c.main.Size
	d := &desk{copyOf: c, db: db, parties: map[string]*party{}, byACI: map[string]*party{}, rooms: map[string]*room{}, self: &party{kind: "self", name: owner}}
	if err := d.learn(ctx); err != nil {
		return err
	}
	if db.HasColumn("message_attachments", "messageId", "attachmentType", "editHistoryIndex", "orderInMessage", "path", "contentType", "size") {
		// The rows are keyed by a message's id, which is a text: they are put in the order of its row.
		want := []string{"path", "contentType", "size", "fileName", "plaintextHash", "localKey", "version", "attachmentType", "flags", "caption"}
		q := "SELECT m.rowid AS message"
		for _, w := range want {
			if db.HasColumn("message_attachments", w) {
				q += ", +a." + w + " AS " + w
			}
		}
		d.files, err = db.Side(ctx, "message", q+" FROM message_attachments a JOIN messages m ON m.id = a.messageId WHERE a.editHistoryIndex = -1 ORDER BY m.rowid, a.attachmentType, a.orderInMessage")
		if err != nil {
			return err
		}
		defer d.files.Close()
	}
	if err := db.Scan(ctx, "messages", func(row *sqlfile.Row) error { return d.message(ctx, row) }); err != nil {
		return err
	}
	run.Coverage.BytesCovered += c.main.Size
	if d.timers > 0 {
		run.Warn(capture.Warning{Code: "disappearing_messages", Count: d.timers, Detail: "Messages disappear in some conversations. What had disappeared before the copy was made is not in it."})
	}
	if d.self.aci == "" {
		c.book.Warn("owner_unknown", "The database does not say whose it is. Its owner’s own messages have no id by which they can be found in other people’s copies.")
	}
	return nil
}

// parse reads a value of JSON.
func (d *desk) parse(text string) *jsonfile.Value {
	j, err := jsonfile.NewReader(strings.NewReader(text), d.main.Label(), d.src.Bounds())
	if err != nil {
		return nil
	}
	v, err := j.Value()
	if err != nil {
		return nil
	}
	return v
}

// learn reads whose database it is, and the conversations, which are also the people.
func (d *desk) learn(ctx context.Context) error {
	if isUUID(d.opt.Self) {
		d.self.aci = strings.ToLower(d.opt.Self)
	} else if d.opt.Self != "" {
		d.self.name = tally.Name(d.opt.Self)
	}
	if d.db.HasColumn("items", "id", "json") {
		err := d.db.Query(ctx, "SELECT +id AS id, +json AS json FROM items WHERE id IN ('uuid_id', 'number_id')", func(row *sqlfile.Row) error {
			value := d.parse(row.Text("json")).Str("value")
			value, _, _ = strings.Cut(value, ".") // of the device
			if row.Text("id") == "uuid_id" && isUUID(value) {
				d.self.aci = strings.ToLower(value)
			} else if row.Text("id") == "number_id" {
				d.self.phone = number(value)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	columns := "+id AS id, +json AS json"
	for _, name := range []string{"type", "name", "profileName", "profileFamilyName", "profileFullName", "e164", "serviceId", "uuid", "groupId"} {
		if d.db.HasColumn("conversations", name) {
			columns += ", +" + name + " AS " + name
		}
	}
	return d.db.Query(ctx, "SELECT "+columns+" FROM conversations NOT INDEXED ORDER BY rowid", func(row *sqlfile.Row) error {
		if len(d.parties) >= maxParties {
			return d.fault("has more conversations than any account", "Make a plaintext export in Signal, and hand in that.")
		}
		v := d.parse(row.Text("json"))
		p := &party{kind: "contact", phone: number(row.Text("e164")), name: first(tally.Name(row.Text("name")), join(v.Str("systemGivenName"), v.Str("systemFamilyName")), tally.Name(row.Text("profileFullName")),
			join(row.Text("profileName"), row.Text("profileFamilyName"))), user: v.Str("username")}
		if nick := join(v.Str("nicknameGivenName"), v.Str("nicknameFamilyName")); nick != "" {
			p.name = nick
		}
		if id := strings.ToLower(first(row.Text("serviceId"), row.Text("uuid"))); strings.HasPrefix(id, "pni:") {
			p.pni = id[4:]
		} else {
			p.aci = id
		}
		if row.Text("type") == "group" {
			p = &party{kind: "group", name: tally.Name(first(row.Text("name"), v.Str("name"))), id: first(row.Text("groupId"), v.Str("groupId"), row.Text("id"))}
			for _, m := range v.List("membersV2") {
				if aci := strings.ToLower(first(m.Str("aci"), m.Str("uuid"))); aci != "" && len(p.members) < maxBeside {
					p.members = append(p.members, aci)
				}
			}
		} else if p.aci != "" && p.aci == d.self.aci {
			if d.self.name == owner && p.name != "" {
				d.self.name = p.name
			}
			p = d.self
		}
		if p.key() == "" {
			p.id = "conversation:" + row.Text("id")
		}
		if ms(v, "expireTimer") > 0 {
			d.timers++
		}
		d.parties[row.Text("id")] = p
		if p.aci != "" {
			d.byACI[p.aci] = p
		}
		return nil
	})
}

// who returns the party that a service id means.
func (d *desk) who(aci string) *party {
	aci = strings.ToLower(aci)
	switch {
	case aci == "":
		return nil
	case aci == d.self.aci:
		return d.self
	case d.byACI[aci] != nil:
		return d.byACI[aci]
	}
	p := &party{kind: "contact", aci: aci}
	if len(d.byACI) < maxParties {
		d.byACI[aci] = p
	}
	return p
}

func (d *desk) room(id string) (*room, error) {
	if r := d.rooms[id]; r != nil {
		return r, nil
	}
	with := d.parties[id]
	if with == nil {
		with = &party{kind: "unknown", id: "conversation:" + id, name: "A deleted conversation"}
	}
	v := capture.Conversation{Title: with.label(), Kind: "unknown", ID: with.key(), Path: sqlfile.Table(d.main, "messages")}
	switch with.kind {
	case "self":
		v.Kind, v.Title, v.ID = "dm", "Note to Self", first(with.aci, "note-to-self")
	case "contact":
		v.Kind = "dm"
	case "group":
		v.Kind = "group"
	}
	c, err := d.book.Chat(v)
	if err != nil {
		return nil, err
	}
	r := &room{Chat: c, with: with, id: v.ID}
	c.Self(d.self.person(c))
	if with.kind == "contact" {
		with.person(c)
	}
	for _, m := range with.members {
		if m != d.self.aci {
			d.who(m).person(c)
		}
	}
	d.rooms[id] = r
	return r, nil
}

func (d *desk) message(ctx context.Context, row *sqlfile.Row) error {
	r, err := d.room(row.Text("conversationId"))
	if err != nil {
		return err
	}
	v := d.parse(row.Text("json"))
	o := row.Observation(d.main, "messages", 0)
	o.Chat = r.id
	sort := first(row.Text("type"), v.Str("type"))
	sent := row.Int("sent_at")
	if sent == 0 {
		sent = first64(ms(v, "sent_at"), row.Int("timestamp"), ms(v, "timestamp"))
	}
	var author *party
	switch sort {
	case "outgoing":
		author = d.self
	case "incoming", "story":
		if author = d.who(first(row.Text("sourceServiceId"), v.Str("sourceServiceId"), v.Str("sourceUuid"))); author == nil && r.with.kind == "contact" {
			author = r.with
		}
	}
	o.Sender = author.person(r.Chat)
	if history := v.List("editHistory"); len(history) > 0 {
		// The newest is first. The oldest one's time is the message's.
		o.State.Edited = true
		o.State.EditedAt = maybe(first64(ms(v, "editMessageTimestamp"), ms(history[0], "timestamp")), "sender")
		sent = ms(history[len(history)-1], "timestamp")
		for i := len(history) - 1; i > 0 && len(o.Edits) < maxBeside; i-- {
			o.Edits = append(o.Edits, capture.Edit{Body: history[i].Str("body"), At: at(ms(history[i], "timestamp"), "sender")})
		}
	}
	o.Sent, o.NativeID = at(sent, "sender"), nativeID(author, sent)
	if sort == "incoming" {
		o.Received = maybe(first64(row.Int("received_at_ms"), ms(v, "received_at_ms")), "receiver")
	}
	o.State.Expires = first64(row.Int("expireTimer"), ms(v, "expireTimer"))
	o.Body = first(row.Text("body"), v.Str("body"))
	o.Text = o.Body
	m := &deskMessage{desk: d, o: o, room: r, v: v, sort: sort}
	if err := m.fill(ctx, row); err != nil {
		return err
	}
	if r.with.kind == "unknown" {
		o.Doubt("conversation_deleted", conversationDeleted)
	}
	if v == nil {
		o.Doubt("record_unread", "A part of the record is no JSON and was not read.")
	}
	return r.Item(o)
}

func first64(list ...int64) int64 {
	for _, n := range list {
		if n > 0 {
			return n
		}
	}
	return 0
}

// deskMessage is a message while its content is read.
type deskMessage struct {
	*desk
	o    *capture.Observation
	room *room
	v    *jsonfile.Value
	sort string
}

func (m *deskMessage) fill(ctx context.Context, row *sqlfile.Row) error {
	o, v := m.o, m.v
	if q := v.At("quote"); q != nil && q.Kind == '{' {
		by, when := m.who(first(q.Str("authorAci"), q.Str("authorUuid"))), ms(q, "id")
		o.ReplyTo = &capture.Ref{NativeID: nativeID(by, when), QuotedText: q.Str("text"), Author: by.person(m.room.Chat), Sent: maybe(when, "sender")}
	}
	for i, x := range v.List("reactions") {
		if i >= maxBeside {
			break
		}
		by := m.parties[x.Str("fromId")]
		o.Reactions = append(o.Reactions, capture.Reaction{Value: x.Str("emoji"), Actor: by.person(m.room.Chat), At: maybe(ms(x, "timestamp"), "sender"), Removed: x.True("remove")})
	}
	m.receipts()
	found := 0
	err := m.files.Each(ctx, row.Key(), func(f *sqlfile.Row) error {
		if sort := f.Text("attachmentType"); sort == "quote" || sort == "preview" || sort == "contact" {
			return nil
		}
		found++
		return m.attach(ctx, deskFile{name: f.Text("fileName"), mime: f.Text("contentType"), path: f.Text("path"), hash: f.Text("plaintextHash"), key: f.Text("localKey"),
			version: f.Int("version"), size: f.Int("size"), flags: f.Int("flags"), sort: f.Text("attachmentType")})
	})
	if err != nil {
		return err
	}
	if found == 0 {
		for i, a := range append(v.List("attachments"), v.At("sticker", "data")) {
			if a == nil || i >= 1000 {
				continue
			}
			err := m.attach(ctx, deskFile{name: a.Str("fileName"), mime: a.Str("contentType"), path: a.Str("path"), hash: a.Str("plaintextHash"), key: a.Str("localKey"),
				version: ms(a, "version"), size: ms(a, "size"), flags: ms(a, "flags"), sort: "attachment"})
			if err != nil {
				return err
			}
		}
	}
	m.kind(row)
	return nil
}

// receipts reads how far an own message came to each other party.
func (m *deskMessage) receipts() {
	if m.sort != "outgoing" {
		return
	}
	states := m.v.At("sendStateByConversationId")
	if states == nil {
		return
	}
	failed := 0
	for i, s := range states.Members {
		by := m.parties[s.Key]
		if by == m.self || i >= maxBeside {
			continue
		}
		to := capture.Recipient{Name: by.person(m.room.Chat), Status: strings.ToLower(s.Value.Str("status"))}
		when := maybe(ms(s.Value, "updatedAt"), "receiver")
		switch to.Status {
		case "read", "viewed":
			to.Read = when
		case "delivered":
			to.Delivered = when
		case "failed":
			failed++
		}
		m.o.To = append(m.o.To, to)
	}
	if failed > 0 && failed == len(m.o.To) {
		m.o.State.Status = "failed"
	}
}

// deskFile is what the database says of a file.
type deskFile struct {
	name, mime, path, hash, key, sort string
	version, size, flags              int64
}

// attach adds a file. It lies in the folder attachments.noindex, since 2024 encrypted with a key of its
// own.
func (m *deskMessage) attach(ctx context.Context, f deskFile) error {
	a := capture.Attachment{Name: tally.Name(f.name), Class: tally.Class(f.mime, f.name), Presence: capture.NamedAbsent, Size: max(f.size, 0)}
	switch {
	case f.sort == "sticker":
		a.Class = "sticker"
	case f.flags&1 != 0:
		a.Class, a.Detail = "audio", "voice message"
	}
	where := strings.ReplaceAll(f.path, `\`, "/")
	if a.Name == "" && where != "" {
		a.Name = path.Base(where)
	}
	member := m.x.Find(where, nil)
	switch {
	case where == "":
		a.Presence = capture.Omitted
	case member == nil:
	case f.version < 2 || f.key == "":
		if err := m.x.Attach(ctx, &a, member); err != nil {
			return err
		}
	default:
		files := &mediaFiles{x: m.x, encrypted: true, seen: map[*capture.Member]mediaFile{}}
		key := bytesAt(&jsonfile.Value{Kind: '"', Text: f.key})
		if err := files.open(ctx, &a, m.o, member, key); err != nil {
			return err
		}
	}
	if a.Presence != capture.Present && len(f.hash) == 64 {
		a.Detail = strings.TrimPrefix(a.Detail+"; SHA-256 "+f.hash, "; ")
	}
	if f.sort == "long-message" {
		return m.longText(&a)
	}
	m.o.Attachments = append(m.o.Attachments, a)
	return nil
}

// longText takes the words of a long message from their file.
func (m *deskMessage) longText(a *capture.Attachment) error {
	if a.Presence != capture.Present || a.Open == nil || a.Size > maxText {
		m.o.Doubt("long_text_missing", "The message may be longer than this. The rest is in a file that was not handed in.")
		return nil
	}
	r, err := a.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxText))
	if err == nil {
		m.o.Body = strings.ToValidUTF8(string(b), "\uFFFD")
		m.o.Text = m.o.Body
	}
	return err
}

// kind settles what sort of message it is.
func (m *deskMessage) kind(row *sqlfile.Row) {
	o, v := m.o, m.v
	switch {
	case m.sort == "outgoing" || m.sort == "incoming" || m.sort == "story":
	case m.sort == "call-history":
		o.Kind, o.Sender = capture.KindCall, m.room.with.person(m.room.Chat)
		c := v.At("callHistoryDetails")
		o.Call = &capture.Call{Medium: "voice", Outcome: "answered"}
		if c == nil {
			o.Doubt("call_unknown", "More of this call stands in another table.")
		}
		if c.True("wasVideoCall") {
			o.Call.Medium = "video"
		}
		if c.True("wasDeclined") || c != nil && !c.Has("acceptedTime") && c.True("wasIncoming") {
			o.Call.Outcome = "missed"
		}
		if !c.True("wasIncoming") && c != nil {
			o.Sender = m.self.person(m.room.Chat)
		}
		return
	default:
		m.notice()
		return
	}
	o.Kind = capture.KindText
	switch {
	case v.True("deletedForEveryone"):
		o.Kind, o.State.Deleted, o.State.DeletedBy = capture.KindDeleted, true, "sender"
		o.State.DeletedAt = maybe(ms(v, "deletedForEveryoneTimestamp"), "sender")
		if v.True("deletedForEveryoneByAdmin") || v.Has("deletedForEveryoneByAdminAci") {
			o.State.DeletedBy = "admin"
		}
	case row.Bool("isViewOnce") || v.True("isViewOnce"):
		o.Kind, o.State.ViewOnce = capture.KindViewOnce, true
	case v.At("sticker") != nil && v.At("sticker").Kind == '{':
		o.Kind = capture.KindSticker
		o.Text = first(o.Text, v.Str("sticker", "emoji"))
	case v.At("poll") != nil && v.At("poll").Kind == '{':
		m.poll(v.At("poll"))
	case v.At("payment") != nil && v.At("payment").Kind == '{':
		o.Kind, o.Text = capture.KindPayment, first(o.Text, v.Str("payment", "note"), "A payment")
	case len(v.List("contact")) > 0:
		o.Kind = capture.KindContact
		c := v.List("contact")[0]
		o.Text = first(o.Text, join(c.Str("name", "givenName"), c.Str("name", "familyName")))
		for _, n := range c.List("number") {
			o.Text = strings.TrimSpace(o.Text + " " + n.Str("value"))
		}
	case len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	}
	if row.Bool("isErased") && !o.State.Deleted {
		o.Doubt("erased", "The words were erased from the database.")
	}
	for _, p := range v.List("preview") {
		o.Text = first(o.Text, strings.TrimSpace(p.Str("title")+" "+p.Str("url")))
	}
}

func (m *deskMessage) poll(p *jsonfile.Value) {
	o := m.o
	o.Kind = capture.KindPoll
	o.Body = first(o.Body, p.Str("question"))
	o.Text = o.Body
	o.Poll = &capture.Poll{Question: p.Str("question"), Options: []capture.PollOption{}}
	for i, option := range p.List("options") {
		if i >= 1000 {
			break
		}
		x := capture.PollOption{Text: option.Text}
		for _, vote := range p.List("votes") {
			for _, n := range vote.List("optionIndexes") {
				if n.Text == strconv.Itoa(i) {
					x.Votes++
				}
			}
		}
		o.Poll.Options = append(o.Poll.Options, x)
	}
}

// deskNotices are what types of messages mean that nobody sent.
var deskNotices = map[string]struct{ code, text string }{
	"keychange":                      {"security_code_changed", "The safety number with {who} changed"},
	"verified-change":                {"security_code_changed", "The safety number with {who} was marked as verified or not"},
	"change-number-notification":     {"number_changed", "{who} changed the telephone number"},
	"group-v1-migration":             {"other", "The group was moved to a new form"},
	"profile-change":                 {"contact_notice", "{who} changed the name"},
	"chat-session-refreshed":         {"security_code_changed", "The chat session was refreshed"},
	"delivery-issue":                 {"waiting", "A message from {who} could not be delivered"},
	"conversation-merge":             {"contact_notice", "Two conversations with {who} became one"},
	"contact-removed-notification":   {"contact_notice", "{who} was removed from the contacts"},
	"title-transition-notification":  {"contact_notice", "The conversation with {who} changed its title"},
	"universal-timer-notification":   {"disappearing_changed", "The timer for all new conversations applies"},
	"phone-number-discovery":         {"contact_notice", "{who} was found by the telephone number"},
	"message-request-response-event": {"contact_notice", "A message request of {who} was answered"},
	"pinned-message-notification":    {"message_pinned", "{who} pinned a message"},
	"poll-terminate":                 {"other", "{who} ended a poll"},
	"joined-signal-notification":     {"contact_notice", "{who} joined Signal"},
	"message-history-unsynced":       {"other", "Earlier messages were not brought to this computer"},
}

// notice reads what Signal itself says in a conversation.
func (m *deskMessage) notice() {
	o, v := m.o, m.v
	o.Kind, o.NativeID = capture.KindSystem, ""
	e := &capture.SystemEvent{Code: "other"}
	o.System = e
	by := m.who(first(v.Str("sourceServiceId"), v.Str("expirationTimerUpdate", "sourceServiceId"), v.Str("groupV2Change", "from")))
	if by == nil && m.room.with.kind == "contact" {
		by = m.room.with
	}
	e.Actor = by.person(m.room.Chat)
	if t := v.At("expirationTimerUpdate"); t != nil && t.Kind == '{' {
		o.Text = phrase(timer(e, ms(t, "expireTimer")*1000), e)
		return
	}
	if g := v.At("groupV2Change"); g != nil && g.Kind == '{' {
		m.groupChange(g, e)
		return
	}
	if n, ok := deskNotices[m.sort]; ok {
		e.Code = n.code
		o.Text = first(o.Body, phrase(n.text, e))
		return
	}
	o.Text = first(o.Body, "A notice of Signal’s whose meaning is not known, “"+tally.Sample(m.sort)+"”")
	o.Doubt("unknown_notice", "What the notice means, “"+tally.Sample(m.sort)+"”, is not known.")
}

// deskChanges are the sorts of changes to a group.
var deskChanges = map[string]struct{ code, text string }{
	"create": {"group_created", "{who} created the group"}, "title": {"subject_changed", "{who} changed the group’s name to “{what}”"},
	"avatar": {"icon_changed", "{who} changed the group’s picture"}, "description": {"description_changed", "{who} changed the group’s description to “{what}”"},
	"member-add": {"member_added", "{who} added {what}"}, "member-add-from-invite": {"member_joined", "{what} accepted an invitation"},
	"member-add-from-link": {"member_joined", "{what} joined by the link"}, "member-add-from-admin-approval": {"member_joined", "{who} let {what} join"},
	"member-remove": {"member_removed", "{who} removed {what}"}, "member-privilege": {"admin_changed", "{who} changed {what}’s role"},
	"pending-add-one": {"member_added", "{who} invited {what}"}, "pending-add-many": {"member_added", "{who} invited several people"},
	"announcements-only": {"settings_changed", "{who} changed who can send messages"}, "access-attributes": {"settings_changed", "{who} changed who can edit the group"},
	"access-members": {"settings_changed", "{who} changed who can add members"}, "group-link-add": {"settings_changed", "{who} switched on the group’s link"},
	"group-link-remove": {"settings_changed", "{who} switched off the group’s link"}, "group-link-reset": {"settings_changed", "{who} reset the group’s link"},
}

func (m *deskMessage) groupChange(g *jsonfile.Value, e *capture.SystemEvent) {
	var texts []string
	for i, x := range g.List("details") {
		if i >= 1000 {
			break
		}
		one := &capture.SystemEvent{Code: "other", Actor: e.Actor}
		one.Value = first(x.Str("newTitle"), x.Str("description"), m.who(first(x.Str("aci"), x.Str("uuid"), x.Str("serviceId"))).person(m.room.Chat))
		text := "Something happened to the group (“" + tally.Sample(x.Str("type")) + "”)"
		if c, ok := deskChanges[x.Str("type")]; ok {
			one.Code, text = c.code, c.text
		}
		if x.Str("type") == "member-remove" && one.Value == one.Actor {
			one.Code, one.Value, text = "member_left", "", "{who} left"
		}
		if len(texts) == 0 {
			*e = *one
		}
		texts = append(texts, phrase(text, one))
	}
	m.o.Text = strings.Join(texts, "; ")
}
