package whatsappdb

import (
	"context"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// androidMessage is a message while what the other tables say of it is gathered.
type androidMessage struct {
	*androidReading
	o    *capture.Observation
	chat *tally.Chat
	row  *sqlfile.Row
	own  bool
	room room
	sort int64 // message_type
}

// Values of message_type. Those that are left out carry text, or media, or nothing that is known.
const (
	typeText         = 0
	typeImage        = 1
	typeAudio        = 2
	typeVideo        = 3
	typeCard         = 4
	typeLocation     = 5
	typeSystem       = 7
	typeDocument     = 9
	typeMissedCall   = 10
	typeGIF          = 13
	typeCards        = 14
	typeDeleted      = 15
	typeLiveLocation = 16
	typeSticker      = 20
	typeInvite       = 24
	typeTimer        = 36
	typeOnceImage    = 42
	typeOnceVideo    = 43
	typeAdminDeleted = 64
	typePoll         = 66
	typeOnceAudio    = 82
	typeCall         = 90
	typeEvent        = 92
	typeAlbum        = 99
	typePoll2        = 106
	typePrivacy      = 112
)

// kinds are what a type says at once.
var kinds = map[int64]capture.Kind{
	typeText: capture.KindText, typeImage: capture.KindMedia, typeAudio: capture.KindMedia, typeVideo: capture.KindMedia, typeCard: capture.KindContact,
	typeLocation: capture.KindLocation, typeSystem: capture.KindSystem, typeDocument: capture.KindMedia, typeMissedCall: capture.KindCall, typeGIF: capture.KindMedia,
	typeCards: capture.KindContact, typeDeleted: capture.KindDeleted, typeLiveLocation: capture.KindLocation, typeSticker: capture.KindSticker,
	typeInvite: capture.KindText, typeTimer: capture.KindSystem, typeOnceImage: capture.KindViewOnce, typeOnceVideo: capture.KindViewOnce,
	typeAdminDeleted: capture.KindDeleted, typePoll: capture.KindPoll, typeOnceAudio: capture.KindViewOnce, typeCall: capture.KindCall, typeEvent: capture.KindText,
	typeAlbum: capture.KindSystem, typePoll2: capture.KindPoll, typePrivacy: capture.KindSystem,
}

// classes are the sorts of files that types carry.
var classes = map[int64]string{typeImage: "image", typeAudio: "audio", typeVideo: "video", typeDocument: "document", typeGIF: "gif", typeSticker: "sticker",
	typeOnceImage: "image", typeOnceVideo: "video", typeOnceAudio: "audio"}

// fill reads what stands beside the message. Every table is asked about every message, in step.
func (m *androidMessage) fill(ctx context.Context) error {
	o := m.o
	kind, known := kinds[m.sort]
	o.Kind = kind
	for _, step := range []func(context.Context) error{m.files, m.quote, m.changes, m.places, m.cards, m.vote, m.reactions, m.calling, m.marks, m.receipts, m.notice} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if !known {
		switch {
		case len(o.Attachments) > 0:
			o.Kind = capture.KindMedia
		case o.Body != "":
			o.Kind = capture.KindText
		default:
			o.Kind = capture.KindUnknown
		}
		o.Doubt("unknown_type", "WhatsApp's number for this sort of message, "+strconv.FormatInt(m.sort, 10)+", is not known.")
	}
	if o.Kind == capture.KindViewOnce {
		o.State.ViewOnce = true
	}
	if o.State.Deleted {
		o.Kind = capture.KindDeleted
	}
	return nil
}

func (m *androidMessage) files(ctx context.Context) error {
	return m.media.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		if m.o.Body == "" {
			m.o.Body = r.Text("media_caption")
			m.o.Text = m.o.Body
		}
		f := file{name: r.Text("media_name"), path: r.Text("file_path"), class: classes[m.sort], mime: r.Text("mime_type"), size: max(r.Int("file_size"), r.Int("file_length")), hash: r.Text("file_hash")}
		var say []string
		if d := seconds(r.Int("media_duration")); d != "" {
			say = append(say, d)
		}
		if n := r.Int("page_count"); n > 0 {
			say = append(say, strconv.FormatInt(n, 10)+" pages")
		}
		if m.sort == typeAudio && m.row.Int("origin") == 1 {
			say = append(say, "voice message")
		}
		f.detail = strings.Join(say, ", ")
		return m.attach(ctx, m.o, f)
	})
}

func (m *androidMessage) quote(ctx context.Context) error {
	return m.quoted.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		ref := &capture.Ref{NativeID: r.Text("key_id"), QuotedText: r.Text("text_data"), Sent: maybe(r.Int("timestamp"), "server")}
		ref.Author = m.sender(m.chat, r.Bool("from_me"), r.Int("sender_jid_row_id"), m.room.jid)
		m.o.ReplyTo = ref
		return nil
	})
}

// changes reads whether it was edited or deleted. An edit and a deletion are messages of their own,
// which take the place of the first; the first one's id is the message's.
func (m *androidMessage) changes(ctx context.Context) error {
	s := &m.o.State
	err := m.edit.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		s.Edited = true
		if s.EditedAt = maybe(r.Int("sender_timestamp"), "sender"); s.EditedAt == nil {
			s.EditedAt = maybe(r.Int("edited_timestamp"), "server")
		}
		if id := r.Text("original_key_id"); id != "" {
			m.o.NativeID = id
		}
		return nil
	})
	if err != nil {
		return err
	}
	if m.sort == typeDeleted || m.sort == typeAdminDeleted {
		s.Deleted, s.DeletedBy = true, "sender"
		if m.sort == typeAdminDeleted {
			s.DeletedBy = "admin"
		}
	}
	return m.revoked.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		s.Deleted, s.DeletedAt = true, maybe(r.Int("revoke_timestamp"), "server")
		if s.DeletedBy == "" {
			s.DeletedBy = "sender"
		}
		if r.Int("admin_jid_row_id") > 0 {
			s.DeletedBy = "admin"
		}
		if id := r.Text("revoked_key_id"); id != "" {
			m.o.NativeID = id
		}
		return nil
	})
}

func (m *androidMessage) places(ctx context.Context) error {
	return m.location.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		name := strings.Trim(r.Text("place_name")+", "+r.Text("place_address"), ", ")
		m.o.Location = &capture.Location{Latitude: place(r, "latitude"), Longitude: place(r, "longitude"), URL: r.Text("url"), Name: name,
			Live: m.sort == typeLiveLocation || r.Int("live_location_share_duration") > 0}
		if m.o.Text == "" {
			m.o.Text = name
		}
		return nil
	})
}

func (m *androidMessage) cards(ctx context.Context) error {
	return m.card.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		card(m.o, r.Text("vcard"))
		return nil
	})
}

func (m *androidMessage) vote(ctx context.Context) error {
	if m.sort == typePoll || m.sort == typePoll2 {
		m.o.Poll = &capture.Poll{Question: m.o.Body, Options: []capture.PollOption{}}
	}
	return m.option.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		if m.o.Poll == nil {
			m.o.Poll = &capture.Poll{Question: m.o.Body, Options: []capture.PollOption{}}
		}
		if len(m.o.Poll.Options) < 1000 {
			m.o.Poll.Options = append(m.o.Poll.Options, capture.PollOption{Text: r.Text("option_name"), Votes: max(r.Int("vote_total"), 0)})
		}
		return nil
	})
}

// maxBeside bounds the reactions and the receipts of one message: as many as a group can have members.
const maxBeside = 10_000

func (m *androidMessage) reactions(ctx context.Context) error {
	return m.reaction.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		if len(m.o.Reactions) < maxBeside {
			value := r.Text("reaction")
			m.o.Reactions = append(m.o.Reactions, capture.Reaction{Value: value, Removed: value == "", At: maybe(r.Int("sent"), "sender"),
				Actor: m.sender(m.chat, r.Bool("from_me"), r.Int("sender"), m.room.jid)})
		}
		return nil
	})
}

func (m *androidMessage) calling(ctx context.Context) error {
	err := m.call.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		m.calls[r.Int("call")] = true
		m.o.Call = callOf(r, m.own)
		return nil
	})
	if err != nil {
		return err
	}
	err = m.missed.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		if m.o.Call == nil {
			m.o.Call = &capture.Call{Medium: "voice", Outcome: "missed"}
			if r.Bool("video_call") {
				m.o.Call.Medium = "video"
			}
		}
		return nil
	})
	if m.o.Kind == capture.KindCall && m.o.Call == nil {
		m.o.Call = &capture.Call{Medium: "voice", Outcome: "missed"}
		m.o.Doubt("call_unknown", "Nothing more is known of this call.")
	}
	return err
}

// marks reads the smaller things.
func (m *androidMessage) marks(ctx context.Context) error {
	o, id := m.o, m.row.Key()
	if m.row.Int("origination_flags")&1 != 0 {
		o.Forward = &capture.Ref{}
	}
	extra := func(label string, r *sqlfile.Row, columns ...string) {
		var parts []string
		for _, c := range columns {
			if t := strings.TrimSpace(r.Text(c)); t != "" {
				parts = append(parts, t)
			}
		}
		if len(parts) > 0 && o.Text == "" {
			o.Text = label + strings.Join(parts, " — ")
		}
	}
	for _, step := range []struct {
		side *sqlfile.Side
		fn   func(r *sqlfile.Row)
	}{
		{m.forwarded, func(*sqlfile.Row) { o.Forward = &capture.Ref{} }},
		{m.ephemeral, func(r *sqlfile.Row) { o.State.Expires = max(r.Int("duration"), 0) }},
		{m.once, func(*sqlfile.Row) { o.State.ViewOnce = true }},
		{m.link, func(r *sqlfile.Row) { extra("", r, "page_title", "description", "url") }},
		{m.invite, func(r *sqlfile.Row) { extra("Invitation to the group ", r, "group_name") }},
		{m.event, func(r *sqlfile.Row) { extra("Event: ", r, "name", "description", "location_name") }},
		{m.payment, func(r *sqlfile.Row) { o.Kind = capture.KindPayment; extra("Payment: ", r, "amount_with_symbol") }},
	} {
		if err := step.side.Each(ctx, id, func(r *sqlfile.Row) error { step.fn(r); return nil }); err != nil {
			return err
		}
	}
	return nil
}

// statuses are what the table of messages says of those that the owner sent.
var statuses = map[int64]string{4: "sent", 5: "delivered", 8: "played", 13: "read"}

func (m *androidMessage) receipts(ctx context.Context) error {
	o := m.o
	err := m.receipt.Each(ctx, m.row.Key(), func(r *sqlfile.Row) error {
		jid := m.people.raw[r.Int("receipt_user_jid_row_id")]
		if jid == "" || len(o.To) >= maxBeside {
			return nil
		}
		to := capture.Recipient{Name: m.person(m.chat, jid), Delivered: maybe(r.Int("receipt_timestamp"), "receiver"), Read: maybe(r.Int("read_timestamp"), "receiver")}
		if played := maybe(r.Int("played_timestamp"), "receiver"); to.Read == nil {
			to.Read = played
		}
		switch {
		case to.Read != nil:
			to.Status = "read"
		case to.Delivered != nil:
			to.Status = "delivered"
		}
		o.To = append(o.To, to)
		return nil
	})
	if err == nil && m.own && len(o.To) == 0 && m.chat.Conversation().Kind == "dm" && o.Kind != capture.KindSystem {
		o.To = []capture.Recipient{{Name: m.person(m.chat, m.room.jid), Status: statuses[m.row.Int("status")]}}
	}
	return err
}
