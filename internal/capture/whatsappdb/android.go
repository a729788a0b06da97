package whatsappdb

import (
	"context"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// androidForm says which of Android's forms holds the messages: a database may have the tables of both
// while WhatsApp moves from one to the other.
func (r *reader) androidForm(ctx context.Context) (form, error) {
	if !r.db.HasTable("message", "chat", "jid") || !r.db.HasColumn("message", "chat_row_id", "key_id", "timestamp") {
		return legacy, nil
	}
	if !r.db.HasColumn("messages", "key_remote_jid") {
		return android, nil
	}
	now, err := r.db.Count(ctx, "message")
	if err != nil {
		return nothing, err
	}
	before, err := r.db.Count(ctx, "messages")
	if err != nil || before <= now {
		return android, err
	}
	return legacy, nil
}

// beside are the tables whose rows say more of a message, each read in the order of the messages.
type beside struct {
	media, quoted, edit, revoked, ephemeral, location, card, option, reaction *sqlfile.Side
	system, target, value, number, block, timer, joined                       *sqlfile.Side
	call, missed, forwarded, link, receipt, invite, event, payment, once      *sqlfile.Side
}

// side opens a table beside the messages, or returns nil if there is none.
func (r *reader) side(ctx context.Context, table string, columns ...string) (*sqlfile.Side, error) {
	const key = "message_row_id"
	if !r.db.HasColumn(table, key) {
		return nil, nil
	}
	q := "SELECT +" + key + " AS " + key
	for _, c := range columns {
		if r.db.HasColumn(table, c) {
			q += ", +" + sqlfile.Quote(c) + " AS " + sqlfile.Quote(c)
		}
	}
	return r.db.Side(ctx, key, q+" FROM "+sqlfile.Quote(table)+" ORDER BY "+key+", rowid")
}

// openBeside opens all of them. Close them even if it fails.
func (r *reader) openBeside(ctx context.Context) (*beside, error) {
	b := &beside{}
	for _, t := range []struct {
		side    **sqlfile.Side
		table   string
		columns string
	}{
		{&b.media, "message_media", "file_path file_size file_length mime_type media_name media_caption media_duration file_hash page_count raw_transcription_text"},
		{&b.quoted, "message_quoted", "from_me sender_jid_row_id key_id timestamp text_data message_type"},
		{&b.edit, "message_edit_info", "original_key_id edited_timestamp sender_timestamp"},
		{&b.revoked, "message_revoked", "revoked_key_id admin_jid_row_id revoke_timestamp"},
		{&b.ephemeral, "message_ephemeral", "duration expire_timestamp"},
		{&b.location, "message_location", "latitude longitude place_name place_address url live_location_share_duration"},
		{&b.card, "message_vcard", "vcard"},
		{&b.option, "message_poll_option", "option_name vote_total"},
		{&b.system, "message_system", "action_type"},
		{&b.target, "message_system_chat_participant", "user_jid_row_id"},
		{&b.value, "message_system_value_change", "old_data"},
		{&b.number, "message_system_number_change", "old_jid_row_id new_jid_row_id"},
		{&b.block, "message_system_block_contact", "is_blocked"},
		{&b.timer, "message_ephemeral_setting", "setting_duration"},
		{&b.joined, "message_system_group", "is_me_joined"},
		{&b.missed, "missed_call_logs", "video_call"},
		{&b.forwarded, "message_forwarded", "forward_score"},
		{&b.link, "message_text", "url page_title description"},
		{&b.receipt, "receipt_user", "receipt_user_jid_row_id receipt_timestamp read_timestamp played_timestamp"},
		{&b.invite, "message_group_invite", "group_name"},
		{&b.event, "message_event", "name description start_time location_name"},
		{&b.payment, "message_payment", "amount_with_symbol"},
		{&b.once, "message_view_once_media", "state"},
	} {
		s, err := r.side(ctx, t.table, strings.Fields(t.columns)...)
		if err != nil {
			return b, err
		}
		*t.side = s
	}
	var err error
	if r.db.HasColumn("message_add_on", "_id", "parent_message_row_id", "from_me", "sender_jid_row_id") && r.db.HasColumn("message_add_on_reaction", "message_add_on_row_id", "reaction", "sender_timestamp") {
		b.reaction, err = r.db.Side(ctx, "parent", `SELECT +a.parent_message_row_id AS parent, +a.from_me AS from_me, +a.sender_jid_row_id AS sender, +x.reaction AS reaction, +x.sender_timestamp AS sent
			FROM message_add_on a JOIN message_add_on_reaction x ON x.message_add_on_row_id = a._id ORDER BY a.parent_message_row_id, a._id`)
		if err != nil {
			return b, err
		}
	}
	if r.db.HasColumn("message_call_log", "message_row_id", "call_log_row_id") && r.db.HasColumn("call_log", "_id", "video_call", "duration", "call_result") {
		b.call, err = r.db.Side(ctx, "message_row_id", `SELECT +m.message_row_id AS message_row_id, +m.call_log_row_id AS call, +c.video_call AS video_call, +c.duration AS duration, +c.call_result AS call_result
			FROM message_call_log m LEFT JOIN call_log c ON c._id = m.call_log_row_id ORDER BY m.message_row_id`)
	}
	return b, err
}

func (b *beside) close() {
	for _, s := range []*sqlfile.Side{b.media, b.quoted, b.edit, b.revoked, b.ephemeral, b.location, b.card, b.option, b.reaction, b.system, b.target, b.value,
		b.number, b.block, b.timer, b.joined, b.call, b.missed, b.forwarded, b.link, b.receipt, b.invite, b.event, b.payment, b.once} {
		s.Close()
	}
}

// room is a row of the table of conversations.
type room struct {
	jid, subject string
}

// readAndroid reads the present form.
func (r *reader) readAndroid(ctx context.Context) error {
	if err := r.readAddresses(ctx); err != nil {
		return err
	}
	rooms := map[int64]room{}
	err := r.db.Scan(ctx, "chat", func(row *sqlfile.Row) error {
		if len(rooms) >= maxAddresses {
			return r.db.FileError("has more conversations than any phone", "Hand in an export of the chat itself.")
		}
		rooms[row.Key()] = room{jid: r.people.raw[row.Int("jid_row_id")], subject: row.Text("subject")}
		if row.Int("ephemeral_expiration") > 0 {
			r.timers++
		}
		return nil
	})
	if err != nil {
		return err
	}
	members, err := r.groupMembers(ctx)
	if err != nil {
		return err
	}
	b, err := r.openBeside(ctx)
	defer b.close()
	if err != nil {
		return err
	}
	a := &androidReading{reader: r, beside: b, rooms: rooms, members: members, calls: map[int64]bool{}}
	if err := r.db.Scan(ctx, "message", func(row *sqlfile.Row) error { return a.message(ctx, row) }); err != nil {
		return err
	}
	return a.otherCalls(ctx)
}

// groupMembers returns who is in which group, by addresses.
func (r *reader) groupMembers(ctx context.Context) (map[string][]string, error) {
	members := map[string][]string{}
	n := 0
	add := func(group, person string) {
		if n < maxAddresses && group != "" && person != "" {
			members[group] = append(members[group], person)
			n++
		}
	}
	if r.db.HasColumn("group_participant_user", "group_jid_row_id", "user_jid_row_id") {
		return members, r.db.Query(ctx, "SELECT +group_jid_row_id AS room, +user_jid_row_id AS person FROM group_participant_user ORDER BY rowid", func(row *sqlfile.Row) error {
			add(r.people.raw[row.Int("room")], r.people.raw[row.Int("person")])
			return nil
		})
	}
	if r.db.HasColumn("group_participants", "gjid", "jid") {
		return members, r.db.Query(ctx, "SELECT +gjid AS room, +jid AS person FROM group_participants ORDER BY rowid", func(row *sqlfile.Row) error {
			add(canonical(row.Text("room")), canonical(row.Text("person")))
			return nil
		})
	}
	return members, nil
}

type androidReading struct {
	*reader
	*beside
	rooms   map[int64]room
	members map[string][]string
	calls   map[int64]bool // that a message speaks of
}

// open returns the conversation at an address, with the members of a group.
func (a *androidReading) open(jid, subject string) (*tally.Chat, error) {
	_, known := a.chats[a.people.id(jid)]
	c, err := a.conversation(jid, subject)
	if err != nil || known {
		return c, err
	}
	for _, m := range a.members[jid] {
		a.person(c, m)
	}
	return c, nil
}

// message reads one row of the table of messages.
func (a *androidReading) message(ctx context.Context, row *sqlfile.Row) error {
	if row.Int("chat_row_id") <= 0 && row.Int("timestamp") <= 0 && !row.Has("text_data") {
		a.book.Skip("placeholder", "row "+row.Text("_id")+" of the table, with nothing in it")
		return nil
	}
	where, known := a.rooms[row.Int("chat_row_id")]
	if where.jid == "" {
		where.jid = "deleted-chat-" + row.Text("chat_row_id")
		where.subject = "A deleted conversation (" + row.Text("chat_row_id") + ")"
	}
	c, err := a.open(where.jid, where.subject)
	if err != nil {
		return err
	}
	own := row.Bool("from_me")
	o := row.Observation(a.member, "message", 0)
	o.Chat = c.Conversation().ID
	o.NativeID = row.Text("key_id")
	o.Sent = at(row.Int("timestamp"), clock(own))
	o.Body = row.Text("text_data")
	o.Text = o.Body
	if row.Lossy("text_data") {
		o.Doubt("not_text", "Some bytes are no text. They are shown as \uFFFD.")
	}
	if !known {
		o.Doubt("conversation_deleted", "The conversation that this message belongs to was deleted on the phone; the message remained.")
	}
	if !own {
		o.Received = maybe(row.Int("received_timestamp"), "receiver")
	}
	sender := a.sender(c, own, row.Int("sender_jid_row_id"), where.jid)
	o.Sender = sender
	m := &androidMessage{androidReading: a, o: o, chat: c, row: row, own: own, room: where, sort: row.Int("message_type")}
	if err := m.fill(ctx); err != nil {
		return err
	}
	return c.Item(o)
}

// sender returns who wrote a message: the owner, a member of the group, or the one other person.
func (a *androidReading) sender(c *tally.Chat, own bool, jidRow int64, room string) string {
	if own {
		return a.people.self
	}
	if jid := a.people.raw[jidRow]; jid != "" {
		return a.person(c, jid)
	}
	if c.Conversation().Kind == "dm" || c.Conversation().Kind == "channel" {
		return a.person(c, room)
	}
	return ""
}

// otherCalls reads the calls that no message speaks of.
func (a *androidReading) otherCalls(ctx context.Context) error {
	if !a.db.HasColumn("call_log", "jid_row_id", "timestamp") {
		return nil
	}
	subjects := make(map[string]string, len(a.rooms))
	for _, r := range a.rooms {
		subjects[r.jid] = r.subject
	}
	return a.db.Scan(ctx, "call_log", func(row *sqlfile.Row) error {
		if a.calls[row.Key()] {
			return nil
		}
		jid := a.people.raw[row.Int("group_jid_row_id")]
		if jid == "" {
			jid = a.people.raw[row.Int("jid_row_id")]
		}
		if jid == "" {
			jid = "unknown-call"
		}
		c, err := a.open(jid, subjects[jid])
		if err != nil {
			return err
		}
		own := row.Bool("from_me")
		o := row.Observation(a.member, "call_log", 0)
		o.Chat, o.NativeID, o.Kind = c.Conversation().ID, row.Text("call_id"), capture.KindCall
		o.Sent = at(row.Int("timestamp"), "exporter")
		o.Sender = a.sender(c, own, row.Int("jid_row_id"), jid)
		o.Call = callOf(row, own)
		return c.Item(o)
	})
}

// callOf reads a row of the table of calls. That it lasted is better evidence than the result's number,
// which changed its meaning between versions.
func callOf(row *sqlfile.Row, own bool) *capture.Call {
	call := &capture.Call{Medium: "voice", Outcome: "missed", Duration: seconds(row.Int("duration"))}
	if row.Bool("video_call") {
		call.Medium = "video"
	}
	switch {
	case row.Int("duration") > 0 || row.Int("call_result") == 5:
		call.Outcome = "answered"
	case own:
		call.Outcome = "no_answer"
	}
	return call
}
