package whatsappdb

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/protowire"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// appleEpoch is 2001-01-01 in seconds since 1970, from which Core Data counts.
const appleEpoch = 978307200

// apple returns a time of Core Data's in milliseconds since 1970, or 0 if there is none.
func apple(seconds float64) int64 {
	if seconds == 0 || math.Abs(seconds) > 1e11 {
		return 0
	}
	return int64(math.Round((seconds + appleEpoch) * 1000))
}

// Values of ZMESSAGETYPE. They are other than Android's.
var iphoneKinds = map[int64]struct {
	kind  capture.Kind
	class string
}{
	0: {capture.KindText, ""}, 1: {capture.KindMedia, "image"}, 2: {capture.KindMedia, "video"}, 3: {capture.KindMedia, "audio"}, 4: {capture.KindContact, ""},
	5: {capture.KindLocation, ""}, 6: {capture.KindSystem, ""}, 7: {capture.KindText, ""}, 8: {capture.KindMedia, "document"}, 10: {capture.KindSystem, ""},
	11: {capture.KindMedia, "gif"}, 14: {capture.KindDeleted, ""}, 15: {capture.KindSticker, "sticker"}, 38: {capture.KindMedia, "image"}, 39: {capture.KindMedia, "video"},
	46: {capture.KindPoll, ""},
}

// backupDomain is where WhatsApp's files stand in a backup that a computer makes of an iPhone. There a
// file is named by the SHA-1 of this, a hyphen, and its path.
const backupDomain = "AppDomainGroup-group.net.whatsapp.WhatsApp.shared"

// backupName returns what a file is called in such a backup.
func backupName(path string) string {
	sum := sha1.Sum([]byte(backupDomain + "-" + path))
	return hex.EncodeToString(sum[:])
}

// logOf returns the write-ahead log of a database, under its own name or as a backup names it.
func logOf(m *capture.Member, members []*capture.Member) *capture.Member {
	if l := sqlfile.Log(m, members); l != nil {
		return l
	}
	if tally.Base(m) != backupName("ChatStorage.sqlite") {
		return nil
	}
	for _, l := range members {
		if tally.Base(l) == backupName("ChatStorage.sqlite-wal") {
			return l
		}
	}
	return nil
}

// member is somebody in a group.
type member struct {
	jid, name string
	session   int64
}

type iphoneReading struct {
	*reader
	sessions             map[int64]room
	members              map[int64]member
	bySession            map[int64][]int64
	media, info, preview *sqlfile.Side
}

func (r *reader) readIPhone(ctx context.Context) error {
	if !r.db.HasColumn("ZWAMESSAGE", "Z_PK", "ZCHATSESSION", "ZMESSAGEDATE") || !r.db.HasColumn("ZWACHATSESSION", "Z_PK", "ZCONTACTJID") {
		return r.db.FileError("is a database of WhatsApp's in a form that Despatch does not know", "Export the chat in WhatsApp, and hand in that.")
	}
	if r.people.self == "" {
		r.people.self = owner
	}
	i := &iphoneReading{reader: r, sessions: map[int64]room{}, members: map[int64]member{}, bySession: map[int64][]int64{}}
	if err := i.learn(ctx); err != nil {
		return err
	}
	defer func() { i.media.Close(); i.info.Close(); i.preview.Close() }()
	for _, t := range []struct {
		side           **sqlfile.Side
		table, columns string
	}{
		{&i.media, "ZWAMEDIAITEM", "ZTITLE ZMEDIALOCALPATH ZFILESIZE ZMOVIEDURATION ZLATITUDE ZLONGITUDE ZVCARDSTRING ZVCARDNAME ZMETADATA"},
		{&i.info, "ZWAMESSAGEINFO", "ZRECEIPTINFO"},
		{&i.preview, "ZWAMESSAGEDATAITEM", "ZTITLE ZSUMMARY ZMATCHEDTEXT"},
	} {
		if !r.db.HasColumn(t.table, "ZMESSAGE") {
			continue
		}
		q := "SELECT +ZMESSAGE AS ZMESSAGE"
		for c := range strings.FieldsSeq(t.columns) {
			if r.db.HasColumn(t.table, c) {
				q += ", +" + c + " AS " + c
			}
		}
		var err error
		if *t.side, err = r.db.Side(ctx, "ZMESSAGE", q+" FROM "+t.table+" ORDER BY ZMESSAGE, rowid"); err != nil {
			return err
		}
	}
	return r.db.Scan(ctx, "ZWAMESSAGE", func(row *sqlfile.Row) error { return i.message(ctx, row) })
}

// learn reads the conversations, the members of groups, and names.
func (i *iphoneReading) learn(ctx context.Context) error {
	p := i.people
	note := func(jid, name string) {
		if jid, name = canonical(jid), tally.Name(name); jid != "" && name != "" && p.names[jid] == "" && len(p.names) < maxAddresses {
			p.names[jid] = name
		}
	}
	err := i.db.Scan(ctx, "ZWACHATSESSION", func(row *sqlfile.Row) error {
		if len(i.sessions) >= maxAddresses {
			return i.db.FileError("has more conversations than any phone", "Hand in an export of the chat itself.")
		}
		s := room{jid: canonical(row.Text("ZCONTACTJID")), subject: row.Text("ZPARTNERNAME")}
		i.sessions[row.Key()] = s
		if strings.HasSuffix(s.jid, "@s.whatsapp.net") || strings.HasSuffix(s.jid, "@lid") {
			note(s.jid, s.subject)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if i.db.HasColumn("ZWAGROUPMEMBER", "ZMEMBERJID") {
		err := i.db.Scan(ctx, "ZWAGROUPMEMBER", func(row *sqlfile.Row) error {
			if len(i.members) >= maxAddresses {
				return nil
			}
			m := member{jid: canonical(row.Text("ZMEMBERJID")), name: row.Text("ZCONTACTNAME"), session: row.Int("ZCHATSESSION")}
			i.members[row.Key()] = m
			i.bySession[m.session] = append(i.bySession[m.session], row.Key())
			note(m.jid, m.name)
			note(m.jid, row.Text("ZFIRSTNAME"))
			return nil
		})
		if err != nil {
			return err
		}
	}
	if i.db.HasColumn("ZWAPROFILEPUSHNAME", "ZJID", "ZPUSHNAME") {
		return i.db.Scan(ctx, "ZWAPROFILEPUSHNAME", func(row *sqlfile.Row) error {
			note(row.Text("ZJID"), row.Text("ZPUSHNAME"))
			return nil
		})
	}
	return nil
}

// open returns the conversation of a message, with the members of a group.
func (i *iphoneReading) open(session int64) (c *tally.Chat, known bool, err error) {
	s, known := i.sessions[session]
	if s.jid == "" {
		known = false
		s = room{jid: "deleted-chat-" + strconv.FormatInt(session, 10), subject: "A deleted conversation (" + strconv.FormatInt(session, 10) + ")"}
	}
	if c := i.chats[i.people.id(s.jid)]; c != nil {
		return c, known, nil
	}
	if c, err = i.conversation(s.jid, s.subject); err != nil {
		return nil, known, err
	}
	if c.Conversation().Kind == "group" {
		for _, pk := range i.bySession[session] {
			i.person(c, i.members[pk].jid)
		}
	}
	return c, known, nil
}

func (i *iphoneReading) message(ctx context.Context, row *sqlfile.Row) error {
	c, known, err := i.open(row.Int("ZCHATSESSION"))
	if err != nil {
		return err
	}
	own, sort := row.Bool("ZISFROMME"), row.Int("ZMESSAGETYPE")
	o := row.Observation(i.member, "ZWAMESSAGE", 0)
	o.Chat, o.NativeID = c.Conversation().ID, row.Text("ZSTANZAID")
	o.Sent = at(apple(row.Float("ZMESSAGEDATE")), clock(own))
	o.Sent.Raw = row.Text("ZMESSAGEDATE")
	o.Body = row.Text("ZTEXT")
	o.Text = o.Body
	if row.Lossy("ZTEXT") {
		o.Doubt("not_text", "Some bytes are no text. They are shown as \uFFFD.")
	}
	if !known {
		o.Doubt("conversation_deleted", "The conversation that this message belongs to was deleted on the phone; the message remained.")
	}
	switch m, ok := i.members[row.Int("ZGROUPMEMBER")]; {
	case own:
		o.Sender = i.people.self
	case ok && m.jid != "":
		o.Sender = i.person(c, m.jid)
	case c.Conversation().Kind == "dm" || c.Conversation().Kind == "channel":
		o.Sender = i.person(c, i.sessions[row.Int("ZCHATSESSION")].jid)
	case row.Text("ZFROMJID") != "" && !strings.HasSuffix(row.Text("ZFROMJID"), "@g.us"):
		o.Sender = i.person(c, row.Text("ZFROMJID"))
	}
	what, typed := iphoneKinds[sort]
	o.Kind = what.kind
	err = i.media.Each(ctx, row.Key(), func(m *sqlfile.Row) error { return i.item(ctx, o, c, m, sort, what.class) })
	if err != nil {
		return err
	}
	if err := i.info.Each(ctx, row.Key(), func(m *sqlfile.Row) error {
		i.reactions(o, c, m.Bytes("ZRECEIPTINFO"))
		if o.Kind == capture.KindPoll {
			o.Poll = pollOf(m.Bytes("ZRECEIPTINFO"))
		}
		return nil
	}); err != nil {
		return err
	}
	if err := i.preview.Each(ctx, row.Key(), func(m *sqlfile.Row) error {
		if o.Text == "" {
			o.Text = strings.Trim(m.Text("ZTITLE")+" — "+m.Text("ZMATCHEDTEXT"), " —")
		}
		return nil
	}); err != nil {
		return err
	}
	switch {
	case !typed && len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	case !typed && o.Body != "":
		o.Kind = capture.KindText
	case !typed:
		o.Kind = capture.KindUnknown
	}
	if !typed {
		o.Doubt("unknown_type", "WhatsApp's number for this sort of message, "+strconv.FormatInt(sort, 10)+", is not known.")
	}
	switch o.Kind {
	case capture.KindSystem:
		n := strconv.FormatInt(sort, 10) + "/" + strconv.FormatInt(row.Int("ZGROUPEVENTTYPE"), 10)
		o.System = &capture.SystemEvent{Code: "other", Actor: o.Sender, Value: o.Body}
		if o.Text == "" {
			o.Text = "A notice of WhatsApp’s whose meaning is not known, number " + n
		}
		o.Doubt("unknown_notice", "What the notice means, number "+n+", is not known.")
	case capture.KindDeleted:
		o.State.Deleted = true
		if o.State.DeletedBy == "" {
			o.State.DeletedBy = "sender"
		}
	case capture.KindPoll:
		if o.Poll == nil {
			o.Poll = &capture.Poll{Question: o.Body, Options: []capture.PollOption{}}
			o.Doubt("poll_options_unread", "The options and votes are not stored where they are known to be.")
		}
		if o.Body == "" {
			o.Body, o.Text = o.Poll.Question, o.Poll.Question
		}
	}
	return c.Item(o)
}

// item reads a row of ZWAMEDIAITEM, which holds far more than media.
func (i *iphoneReading) item(ctx context.Context, o *capture.Observation, c *tally.Chat, m *sqlfile.Row, sort int64, class string) error {
	o.ReplyTo = i.reply(c, m.Bytes("ZMETADATA"), o)
	note := m.Text("ZVCARDSTRING")
	switch {
	case sort == 14:
		o.State.DeletedBy = "sender"
		if strings.Contains(note, "@") && i.people.name(note) != o.Sender && o.Sender != i.people.self {
			o.State.DeletedBy = "admin"
		}
		return nil
	case sort == 4:
		for _, text := range strings.Split(note, "_$!<VCard-Separator>!$_") {
			card(o, text)
		}
		return nil
	case sort == 5:
		o.Location = &capture.Location{Latitude: place(m, "ZLATITUDE"), Longitude: place(m, "ZLONGITUDE"), Name: m.Text("ZTITLE")}
		return nil
	}
	mime := ""
	if kind, _, ok := strings.Cut(note, "/"); ok && len(note) < 100 && (kind == "image" || kind == "video" || kind == "audio" || kind == "application" || kind == "text") {
		mime = note
	}
	where := m.Text("ZMEDIALOCALPATH")
	if where == "" && class == "" && mime == "" {
		return nil // the envelope of a reply, or of a preview
	}
	f := file{path: where, hashed: backupName("Message/" + where), class: class, mime: mime, size: m.Int("ZFILESIZE"), detail: seconds(m.Int("ZMOVIEDURATION"))}
	if title := m.Text("ZTITLE"); sort == 8 {
		f.name = title
	} else if o.Body == "" {
		o.Body, o.Text = title, title // a caption
	}
	if sum, err := base64.StdEncoding.DecodeString(m.Text("ZVCARDNAME")); err == nil && len(sum) == 32 {
		f.hash = m.Text("ZVCARDNAME")
	}
	return i.attach(ctx, o, f)
}

// isID says whether something looks like an id of a message.
func isID(s string) bool {
	return len(s) >= 8 && len(s) <= 64 && strings.Trim(s, "0123456789ABCDEFabcdef") == ""
}

// reply returns what a message replies to. It stands in a message of Protocol Buffers beside it: field 5
// is the id, 6 the address of its sender in a group, 19 a copy. What does not look like these is none.
func (i *iphoneReading) reply(c *tally.Chat, b []byte, o *capture.Observation) *capture.Ref {
	ref := &capture.Ref{}
	protowire.Each(b, func(f protowire.Field) error {
		switch {
		case f.Number == 5 && isID(f.Text()):
			ref.NativeID = f.Text()
		case f.Number == 6 && strings.Contains(f.Text(), "@") && len(f.Bytes) < 100:
			ref.Author = i.person(c, f.Text())
		case f.Number == 19:
			protowire.Each(f.Bytes, func(g protowire.Field) error {
				if g.Number == 1 && g.Bytes != nil {
					ref.QuotedText = strings.ToValidUTF8(g.Text(), "\uFFFD")
				}
				return nil
			})
		}
		return nil
	})
	if ref.NativeID == "" {
		return nil
	}
	return ref
}

// reactions reads those in field 7 of what is stored with a message's receipts: in each field 1 of it,
// field 2 is who reacted, absent for the owner, and field 3 with what.
func (i *iphoneReading) reactions(o *capture.Observation, c *tally.Chat, b []byte) {
	protowire.Each(b, func(f protowire.Field) error {
		if f.Number != 7 || f.Bytes == nil {
			return nil
		}
		return protowire.Each(f.Bytes, func(g protowire.Field) error {
			if g.Number != 1 || g.Bytes == nil {
				return nil
			}
			x := capture.Reaction{Actor: i.people.self}
			who := ""
			protowire.Each(g.Bytes, func(h protowire.Field) error {
				switch h.Number {
				case 2:
					who = h.Text()
				case 3:
					x.Value = strings.ToValidUTF8(h.Text(), "\uFFFD")
				}
				return nil
			})
			if x.Value == "" || len(x.Value) > 64 || who != "" && !strings.Contains(who, "@") || len(o.Reactions) >= maxBeside {
				return nil
			}
			if who != "" {
				x.Actor = i.person(c, who)
			}
			o.Reactions = append(o.Reactions, x)
			return nil
		})
	})
}

// pollOf reads a poll in field 8 of what is stored with a message's receipts: field 2 is the question,
// each field 3 has an option in its field 1, and each field 6 is somebody's vote, whose fields 1 are the
// options chosen, counted from 0. It returns nil if there is none.
func pollOf(b []byte) *capture.Poll {
	var poll *capture.Poll
	protowire.Each(b, func(f protowire.Field) error {
		if f.Number != 8 || f.Bytes == nil {
			return nil
		}
		p := &capture.Poll{Options: []capture.PollOption{}}
		var votes []uint64
		err := protowire.Each(f.Bytes, func(g protowire.Field) error {
			switch {
			case g.Number == 2:
				p.Question = strings.ToValidUTF8(g.Text(), "\uFFFD")
			case g.Number == 3 && g.Bytes != nil && len(p.Options) < 1000:
				return protowire.Each(g.Bytes, func(h protowire.Field) error {
					if h.Number == 1 && h.Bytes != nil {
						p.Options = append(p.Options, capture.PollOption{Text: strings.ToValidUTF8(h.Text(), "\uFFFD")})
					}
					return nil
				})
			case g.Number == 6 && g.Bytes != nil:
				return protowire.Each(g.Bytes, func(h protowire.Field) error {
					if h.Number == 1 && h.Bytes == nil {
						votes = append(votes, h.Varint)
					}
					return nil
				})
			}
			return nil
		})
		if err != nil || p.Question == "" || len(p.Options) == 0 {
			return nil
		}
		for _, v := range votes {
			if v < uint64(len(p.Options)) {
				p.Options[v].Votes++
			}
		}
		poll = p
		return nil
	})
	return poll
}
