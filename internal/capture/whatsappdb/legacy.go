package whatsappdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// readLegacy reads the form before 2021: one wide table, with addresses written out in every row.
func (r *reader) readLegacy(ctx context.Context) error {
	if !r.db.HasColumn("messages", "key_remote_jid", "key_id", "timestamp") {
		return r.db.FileError("is a database of WhatsApp's in a form that Despatch does not know", "Export the chat in WhatsApp, and hand in that.")
	}
	if err := r.readAddresses(ctx); err != nil {
		return err
	}
	subjects, err := r.subjects(ctx)
	if err != nil {
		return err
	}
	members, err := r.groupMembers(ctx)
	if err != nil {
		return err
	}
	l := &legacyReading{androidReading: &androidReading{reader: r, beside: &beside{}, members: members, calls: map[int64]bool{}}, subjects: subjects}
	defer l.close()
	for _, t := range []struct {
		side          **sqlfile.Side
		table, column string
	}{{&l.card, "messages_vcards", "vcard"}, {&l.system, "message_system", "action_type"}, {&l.missed, "missed_call_logs", "video_call"}} {
		if *t.side, err = r.side(ctx, t.table, t.column); err != nil {
			return err
		}
	}
	if r.db.HasColumn("message_media", "message_row_id", "file_path") {
		if l.media, err = r.side(ctx, "message_media", "file_path", "file_hash", "media_name"); err != nil {
			return err
		}
	}
	if r.db.HasColumn("receipts", "key_remote_jid", "key_id", "remote_resource", "receipt_device_timestamp", "read_device_timestamp") {
		l.receipt, err = r.db.Side(ctx, "message_row_id", `SELECT +m._id AS message_row_id, +x.remote_resource AS who, +x.receipt_device_timestamp AS delivered, +x.read_device_timestamp AS seen
			FROM receipts x JOIN messages m ON m.key_id = x.key_id AND m.key_remote_jid = x.key_remote_jid WHERE m.key_from_me = 1 ORDER BY m._id, x.rowid`)
		if err != nil {
			return err
		}
	}
	if err := r.db.Scan(ctx, "messages", func(row *sqlfile.Row) error { return l.message(ctx, row) }); err != nil {
		return err
	}
	return l.otherCalls(ctx)
}

// subjects returns the names of groups, by address.
func (r *reader) subjects(ctx context.Context) (map[string]string, error) {
	subjects := map[string]string{}
	note := func(jid, subject string) {
		if jid = canonical(jid); jid != "" && subject != "" && len(subjects) < maxAddresses {
			subjects[jid] = subject
		}
	}
	if r.db.HasColumn("chat_list", "key_remote_jid", "subject") {
		err := r.db.Query(ctx, "SELECT +key_remote_jid AS jid, +subject AS subject FROM chat_list", func(row *sqlfile.Row) error {
			note(row.Text("jid"), row.Text("subject"))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if r.db.HasColumn("chat", "jid_row_id", "subject") {
		err := r.db.Query(ctx, "SELECT +jid_row_id AS jid, +subject AS subject FROM chat", func(row *sqlfile.Row) error {
			note(r.people.raw[row.Int("jid")], row.Text("subject"))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return subjects, nil
}

type legacyReading struct {
	*androidReading
	subjects map[string]string
}

// Values of messages.status and messages.edit_version.
const (
	statusSystem   = 6
	versionRevoked = 7
)

func (l *legacyReading) message(ctx context.Context, row *sqlfile.Row) error {
	jid := canonical(row.Text("key_remote_jid"))
	if jid == "" || jid == "-1" {
		l.book.Skip("placeholder", "row "+strconv.FormatInt(row.Key(), 10)+" of the table, with nothing in it")
		return nil
	}
	c, err := l.open(jid, l.subjects[jid])
	if err != nil {
		return err
	}
	own := row.Bool("key_from_me")
	o := row.Observation(l.member, "messages", 0)
	o.Chat, o.NativeID = c.Conversation().ID, row.Text("key_id")
	o.Sent = at(row.Int("timestamp"), clock(own))
	o.Body = row.Text("data")
	if !own {
		o.Received = maybe(row.Int("received_timestamp"), "receiver")
	}
	if row.Int("forwarded") > 0 {
		o.Forward = &capture.Ref{}
	}
	o.Sender = l.from(c, row, jid)
	m := &legacyMessage{legacyReading: l, o: o, chat: c, row: row, own: own, jid: jid, sort: row.Int("media_wa_type")}
	if err := m.fill(ctx); err != nil {
		return err
	}
	return c.Item(o)
}

// from returns who wrote the message of a row.
func (l *legacyReading) from(c *tally.Chat, row *sqlfile.Row, room string) string {
	if row.Bool("key_from_me") {
		return l.people.self
	}
	if jid := canonical(row.Text("remote_resource")); jid != "" {
		return l.person(c, jid)
	}
	if c.Conversation().Kind == "dm" || c.Conversation().Kind == "channel" {
		return l.person(c, room)
	}
	return ""
}

type legacyMessage struct {
	*legacyReading
	o    *capture.Observation
	chat *tally.Chat
	row  *sqlfile.Row
	own  bool
	jid  string
	sort int64
}

func (m *legacyMessage) fill(ctx context.Context) error {
	o, row, id := m.o, m.row, m.row.Key()
	kind, known := kinds[m.sort]
	o.Kind = kind
	if m.sort == 8 {
		o.Kind, known = capture.KindCall, true
	}
	if caption := row.Text("media_caption"); o.Body == "" {
		o.Body = caption
	}
	o.Text = o.Body
	if row.Lossy("data") {
		o.Doubt("not_text", "Some bytes are no text. They are shown as \uFFFD.")
	}
	action := row.Int("media_size")
	err := m.system.Each(ctx, id, func(r *sqlfile.Row) error { action = r.Int("action_type"); return nil })
	if err != nil {
		return err
	}
	f := file{name: row.Text("media_name"), path: serialisedPath(row.Bytes("thumb_image")), class: classes[m.sort], mime: row.Text("media_mime_type"),
		size: row.Int("media_size"), hash: row.Text("media_hash"), detail: seconds(row.Int("media_duration"))}
	err = m.media.Each(ctx, id, func(r *sqlfile.Row) error {
		if p := r.Text("file_path"); p != "" {
			f.path = p
		}
		if h := r.Text("file_hash"); f.hash == "" {
			f.hash = h
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := m.missed.Each(ctx, id, func(r *sqlfile.Row) error {
		o.Call = &capture.Call{Medium: "voice", Outcome: "missed"}
		if r.Bool("video_call") {
			o.Call.Medium = "video"
		}
		return nil
	}); err != nil {
		return err
	}
	cards := 0
	if err := m.card.Each(ctx, id, func(r *sqlfile.Row) error { cards++; card(o, r.Text("vcard")); return nil }); err != nil {
		return err
	}
	deleted := m.sort == typeDeleted || row.Int("edit_version") == versionRevoked
	switch {
	case row.Int("status") == statusSystem:
		o.Kind = capture.KindSystem
		m.tell(action)
	case deleted:
		o.Kind, o.State.Deleted, o.State.DeletedBy = capture.KindDeleted, true, "sender"
	case classes[m.sort] != "":
		if err := m.attach(ctx, o, f); err != nil {
			return err
		}
	case o.Kind == capture.KindContact && cards == 0:
		card(o, o.Body)
	case o.Kind == capture.KindLocation:
		o.Location = &capture.Location{Latitude: place(row, "latitude"), Longitude: place(row, "longitude"), Name: row.Text("media_name"), URL: row.Text("media_url"), Live: m.sort == typeLiveLocation}
	case o.Kind == capture.KindCall && o.Call == nil:
		o.Call = &capture.Call{Medium: "voice", Outcome: "missed", Duration: seconds(row.Int("media_duration"))}
		if o.Call.Duration != "" {
			o.Call.Outcome = "answered"
		}
	case !known:
		o.Kind = capture.KindText
		if o.Body == "" {
			o.Kind = capture.KindUnknown
		}
		o.Doubt("unknown_type", "WhatsApp's number for this sort of message, "+strconv.FormatInt(m.sort, 10)+", is not known.")
	}
	if q := row.Int("quoted_row_id"); q > 0 {
		if err := m.quote(ctx, q); err != nil {
			return err
		}
	}
	return m.receipts(ctx)
}

// quote reads what the message replies to.
func (m *legacyMessage) quote(ctx context.Context, id int64) error {
	if !m.db.HasColumn("messages_quotes", "_id", "key_id", "key_from_me", "remote_resource", "data", "timestamp") {
		return nil
	}
	return m.db.Query(ctx, "SELECT +key_id AS key_id, +key_from_me AS key_from_me, +remote_resource AS remote_resource, +data AS data, +timestamp AS timestamp FROM messages_quotes WHERE _id = $1", func(r *sqlfile.Row) error {
		m.o.ReplyTo = &capture.Ref{NativeID: r.Text("key_id"), QuotedText: r.Text("data"), Author: m.from(m.chat, r, m.jid), Sent: maybe(r.Int("timestamp"), "server")}
		return nil
	}, id)
}

func (m *legacyMessage) receipts(ctx context.Context) error {
	o := m.o
	err := m.receipt.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		if jid := canonical(r.Text("who")); jid != "" && len(o.To) < maxBeside {
			o.To = append(o.To, capture.Recipient{Name: m.person(m.chat, jid), Delivered: maybe(r.Int("delivered"), "receiver"), Read: maybe(r.Int("seen"), "receiver")})
		}
		return nil
	})
	if err == nil && m.own && len(o.To) == 0 && m.chat.Conversation().Kind == "dm" && o.Kind != capture.KindSystem {
		o.To = []capture.Recipient{{Name: m.person(m.chat, m.jid), Status: statuses[m.row.Int("status")],
			Delivered: maybe(m.row.Int("receipt_device_timestamp"), "receiver"), Read: maybe(m.row.Int("read_device_timestamp"), "receiver")}}
	}
	return err
}

// tell reads a system row: what it is stands where other rows have the size of a file.
func (m *legacyMessage) tell(action int64) {
	e := &capture.SystemEvent{Code: "other", Actor: m.o.Sender, Value: m.o.Body}
	text := "A notice of WhatsApp’s whose meaning is not known, number " + strconv.FormatInt(action, 10)
	if a, ok := actions[action]; ok {
		e.Code, text = a.code, a.text
	} else {
		m.o.Doubt("unknown_notice", text+".")
	}
	m.o.System, m.o.Text = e, phrase(text, e)
}

// serialisedPath finds a file's path in what Java wrote of it: after a letter t and the length in two
// bytes stands the text.
func serialisedPath(b []byte) string {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte("Media/"))
		if i < 0 {
			return ""
		}
		at += i
		if at >= 3 && b[at-3] == 't' {
			if n := int(binary.BigEndian.Uint16(b[at-2:])); n < 1000 && at+n <= len(b) {
				return string(bytes.ToValidUTF8(b[at:at+n], []byte("\uFFFD")))
			}
		}
		at++
	}
}
