package imessage

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// owner stands for the person whose device it was, as long as nothing tells the number or the name.
const owner = "(owner of the device)"

// Bounds of what is kept in memory of a database.
const (
	maxHandles = 200_000
	maxChats   = 100_000
	maxMembers = 1_000_000
	maxOf      = 10_000 // reactions, attachments, or earlier versions of one message
)

const remedy = "Ask the records office to look at the file."

// reader reads one database.
type reader struct {
	ctx    context.Context
	book   *tally.Book
	db     *sqlfile.DB
	member *capture.Member
	opt    capture.Options

	handles map[int64]string   // addresses of people, by their row
	chats   map[int64]*chat    // by their row
	loose   map[string]*chat   // conversations of messages that are in none, by the other's address
	members map[int64][]string // addresses of the people of a chat, without the owner
	self    string             // the owner's name in observations
	selfID  string             // the owner's address, or ""

	joins, reactions, targets, files, recover *sqlfile.Side
}

// chat is a conversation of the database.
type chat struct {
	*tally.Chat
	id     string
	people []string // names of the participants besides the owner
	group  bool
}

// people reads who there is, and whose database it is.
func (r *reader) people() error {
	r.handles, r.chats, r.loose, r.members = map[int64]string{}, map[int64]*chat{}, map[string]*chat{}, map[int64][]string{}
	err := r.db.Scan(r.ctx, "handle", func(row *sqlfile.Row) error {
		if len(r.handles) >= maxHandles {
			return r.db.FileError(fmt.Sprintf("has more than %d people", maxHandles), remedy)
		}
		r.handles[row.Key()] = tally.Name(row.Text("id"))
		return nil
	})
	if err != nil {
		return err
	}
	n := 0
	if r.db.HasTable("chat_handle_join") {
		err = r.db.Query(r.ctx, "SELECT chat_id, handle_id FROM chat_handle_join ORDER BY chat_id, rowid", func(row *sqlfile.Row) error {
			if n++; n > maxMembers {
				return r.db.FileError(fmt.Sprintf("has more than %d participants", maxMembers), remedy)
			}
			id, who := row.Int("chat_id"), r.handles[row.Int("handle_id")]
			if who != "" && !slices.Contains(r.members[id], who) {
				r.members[id] = append(r.members[id], who)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return r.whose()
}

// whose settles whose device it was: as declared, or the address that most messages were sent from.
func (r *reader) whose() error {
	r.self = owner
	if r.opt.Self != "" {
		r.self = tally.Name(r.opt.Self)
		if strings.ContainsAny(r.self, "@+") {
			r.selfID = r.self
		}
		r.book.Run.Decide(capture.Decision{About: "self", Value: r.self, Rule: "declared", By: "person"})
		return nil
	}
	if r.db.HasColumn("message", "destination_caller_id") {
		type sender struct {
			id string
			n  int64
		}
		var all []sender
		err := r.db.Query(r.ctx, "SELECT destination_caller_id AS id, count(*) AS n FROM message NOT INDEXED WHERE is_from_me = 1 AND destination_caller_id <> '' GROUP BY 1", func(row *sqlfile.Row) error {
			if len(all) < 1000 {
				all = append(all, sender{tally.Name(row.Text("id")), row.Int("n")})
			}
			return nil
		})
		if err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b sender) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.id, b.id)) })
		if len(all) > 0 && all[0].id != "" {
			r.self, r.selfID = all[0].id, all[0].id
			rest := int64(0)
			for _, s := range all[1:] {
				rest += s.n
			}
			r.book.Decide("self", r.self, "sent_from", all[0].n, rest)
			return nil
		}
	}
	r.book.Warn("owner_unknown", "The database does not say whose device it was. What was sent from it stands under “"+owner+"”.")
	return nil
}

// side opens a query whose rows belong to messages, unless its tables or columns are not there.
func (r *reader) side(dst **sqlfile.Side, key, query string, have bool) error {
	if !have {
		return nil
	}
	s, err := r.db.Side(r.ctx, key, query)
	*dst = s
	return err
}

// target takes a message's id out of what a reaction names: p:0/GUID, bp:GUID, or GUID.
const target = "CASE WHEN instr(x.associated_message_guid, '/') > 0 THEN substr(x.associated_message_guid, instr(x.associated_message_guid, '/') + 1) " +
	"WHEN substr(x.associated_message_guid, 1, 3) = 'bp:' THEN substr(x.associated_message_guid, 4) ELSE x.associated_message_guid END"

// messages reads every message, in the order of their rows.
func (r *reader) messages() error {
	has := r.db.HasColumn
	if !has("message", "guid", "date", "is_from_me", "handle_id") {
		return r.db.FileError("has a table of messages that lacks columns", "Hand in another copy of the database.")
	}
	emoji := "NULL"
	if has("message", "associated_message_emoji") {
		emoji = "x.associated_message_emoji"
	}
	reacts := has("message", "associated_message_guid", "associated_message_type")
	err := r.side(&r.joins, "message_id", "SELECT message_id, chat_id FROM chat_message_join ORDER BY message_id, chat_id", true)
	if err == nil {
		err = r.side(&r.reactions, "target", "SELECT t.ROWID AS target, x.ROWID AS row, x.associated_message_type AS type, "+emoji+" AS emoji, x.date AS date, x.is_from_me AS is_from_me, x.handle_id AS handle_id "+
			"FROM message x JOIN message t ON t.guid = "+target+" WHERE x.associated_message_type BETWEEN 2000 AND 3999 AND t.associated_message_type NOT BETWEEN 2000 AND 3999 ORDER BY t.ROWID, x.date, x.ROWID", reacts)
	}
	if err == nil {
		err = r.side(&r.targets, "row", "SELECT x.ROWID AS row, t.ROWID AS target FROM message x JOIN message t ON t.guid = "+target+
			" WHERE x.associated_message_type BETWEEN 2000 AND 3999 AND t.associated_message_type NOT BETWEEN 2000 AND 3999 ORDER BY x.ROWID", reacts)
	}
	if err == nil {
		err = r.side(&r.files, "message_id", "SELECT j.message_id AS message_id, a.* FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id ORDER BY j.message_id, a.ROWID",
			r.db.HasTable("message_attachment_join", "attachment"))
	}
	if err == nil {
		err = r.side(&r.recover, "message_id", "SELECT message_id, chat_id, delete_date FROM chat_recoverable_message_join ORDER BY message_id", has("chat_recoverable_message_join", "message_id", "delete_date"))
	}
	defer func() {
		for _, s := range []*sqlfile.Side{r.joins, r.reactions, r.targets, r.files, r.recover} {
			s.Close()
		}
	}()
	if err != nil {
		return err
	}
	return r.db.Scan(r.ctx, "message", r.message)
}

// message reads one row.
func (r *reader) message(row *sqlfile.Row) error {
	id := row.Key()
	if kind := row.Int("associated_message_type"); kind >= 2000 && kind <= 3999 {
		belongs := false
		if err := r.targets.Each(r.ctx, id, func(*sqlfile.Row) error { belongs = true; return nil }); err != nil {
			return err
		}
		if belongs { // it is part of the message that it is a reaction to
			r.book.Run.Reconciliation.InFile++
			r.book.Run.Reconciliation.Continuation++
			return nil
		}
	}
	o := row.Observation(r.member, "message", 0)
	c, err := r.chatOf(row, o)
	if err != nil {
		return err
	}
	o.Chat = c.id
	o.NativeID = row.Text("guid")
	mine := row.Bool("is_from_me")
	who := tally.Name(r.handles[row.Int("handle_id")])
	r.times(row, o, mine)
	r.participants(row, o, c, mine, who)
	if err := r.words(row, o); err != nil {
		return err
	}
	if err := r.attachments(id, o); err != nil {
		return err
	}
	if err := r.reactionsTo(id, o, c); err != nil {
		return err
	}
	r.kind(row, o, c, mine)
	r.changes(row, o)
	r.service(row, o, c)
	return c.Item(o)
}

// chatOf returns the conversation of a message. A message in none is in one with its sender; one that was
// deleted, and can still be recovered, is in the one it was in.
func (r *reader) chatOf(row *sqlfile.Row, o *capture.Observation) (*chat, error) {
	in := int64(0)
	if err := r.joins.Each(r.ctx, row.Key(), func(j *sqlfile.Row) error {
		if in == 0 {
			in = j.Int("chat_id")
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if err := r.recover.Each(r.ctx, row.Key(), func(j *sqlfile.Row) error {
		if in == 0 {
			in = j.Int("chat_id")
		}
		o.State.Deleted, o.State.DeletedBy = true, "exporter"
		o.State.DeletedAt = instant(j.Int("delete_date"), "exporter")
		return nil
	}); err != nil {
		return nil, err
	}
	if in != 0 {
		if c := r.chats[in]; c != nil {
			return c, nil
		}
		if err := r.openChat(in); err != nil {
			return nil, err
		}
		if c := r.chats[in]; c != nil {
			return c, nil
		}
	}
	who := r.handles[row.Int("handle_id")]
	o.Doubt("no_conversation", "The database does not say which conversation it is in.")
	if c := r.loose[who]; c != nil {
		return c, nil
	}
	id := "none:" + who
	kind := "dm"
	if who == "" {
		kind = "unknown"
	}
	c, err := r.newChat(capture.Conversation{Title: who, Kind: kind, ID: id, Path: sqlfile.Table(r.member, "message")}, []string{who})
	if err != nil {
		return nil, err
	}
	r.loose[who] = c
	return c, nil
}

// openChat reads a row of the conversations.
func (r *reader) openChat(row int64) error {
	return r.db.Query(r.ctx, "SELECT * FROM chat WHERE ROWID = $1", func(x *sqlfile.Row) error {
		people := r.members[row]
		kind := "dm"
		if x.Int("style") == 43 || len(people) > 1 {
			kind = "group"
		}
		title := tally.Name(x.Text("display_name"))
		if title == "" {
			title = strings.Join(people, ", ")
		}
		id := tally.Name(x.Text("guid"))
		if id == "" {
			id = fmt.Sprint("chat:", row)
		}
		if title == "" {
			title = tally.Name(x.Text("chat_identifier"))
		}
		c, err := r.newChat(capture.Conversation{Title: title, Kind: kind, ID: id, Path: sqlfile.Table(r.member, "message")}, people)
		if err == nil {
			r.chats[row] = c
		}
		return err
	}, row)
}

func (r *reader) newChat(v capture.Conversation, people []string) (*chat, error) {
	if len(r.chats)+len(r.loose) >= maxChats {
		return nil, r.db.FileError(fmt.Sprintf("has more than %d conversations", maxChats), remedy)
	}
	t, err := r.book.Chat(v)
	if err != nil {
		return nil, err
	}
	c := &chat{Chat: t, id: v.ID, group: v.Kind == "group"}
	sort := ""
	if r.selfID != "" {
		sort = idType(r.selfID)
		t.Person(r.self, sort, r.selfID)
	} else {
		t.Person(r.self, "", "")
	}
	t.Self(r.self)
	for _, p := range people {
		if p != "" && p != r.selfID {
			c.people = append(c.people, t.Person("", idType(p), p))
		}
	}
	return c, nil
}

func idType(id string) string {
	switch {
	case strings.Contains(id, "@"):
		return "email"
	case strings.Trim(id, "+0123456789 -()") == "":
		return "phone"
	}
	return "username"
}

// instant reads a time: nanoseconds since 2001, or seconds, as systems before High Sierra counted. Nil is
// none.
func instant(n int64, clock string) *capture.Instant {
	const epoch = 978_307_200_000
	if n <= 0 {
		return nil
	}
	raw := strconv.FormatInt(n, 10)
	var at capture.Instant
	switch {
	case n < 100_000_000_000:
		at = capture.At(raw, epoch+n*1000, "s", clock)
	case n%1_000_000_000 == 0:
		at = capture.At(raw, epoch+n/1_000_000, "s", clock)
	default:
		at = capture.At(raw, epoch+n/1_000_000, "ms", clock)
	}
	return &at
}

// times sets when a message was sent. An iMessage's time is that of Apple's servers or of the sender; a
// text's is when this device had it.
func (r *reader) times(row *sqlfile.Row, o *capture.Observation, mine bool) {
	clock := "server"
	if mine {
		clock = "sender"
	} else if row.Text("service") == "SMS" {
		clock = "receiver"
	}
	if at := instant(row.Int("date"), clock); at != nil {
		o.Sent = *at
		return
	}
	o.Sent = capture.Undated(row.Text("date"))
	o.Doubt("no_date", "It has no date.")
}

// participants sets who sent a message and to whom, and when it was delivered and read.
func (r *reader) participants(row *sqlfile.Row, o *capture.Observation, c *chat, mine bool, who string) {
	delivered, read := instant(row.Int("date_delivered"), "server"), instant(row.Int("date_read"), "receiver")
	if mine {
		o.Sender = r.self
		for _, p := range c.people {
			to := capture.Recipient{Name: p}
			if !c.group {
				to.Delivered, to.Read = delivered, read
				if to.Delivered == nil && row.Bool("is_delivered") {
					to.Status = "delivered"
				}
			}
			o.To = append(o.To, to)
		}
		if row.Int("error") != 0 {
			o.State.Status = "failed"
		}
		if row.Int("schedule_type") == 2 && !row.Bool("is_sent") {
			o.State.Status = "scheduled"
		}
		return
	}
	if who == "" && len(c.people) == 1 {
		o.Sender = c.people[0]
	} else if who == "" {
		o.Sender = "(unknown)"
		o.Doubt("sender_unknown", "The database does not say who sent it.")
	} else {
		o.Sender = c.Person("", idType(who), who)
	}
	o.To = append(o.To, capture.Recipient{Name: r.self, Read: read})
	for _, p := range c.people {
		if p != o.Sender {
			o.To = append(o.To, capture.Recipient{Name: p})
		}
	}
}

// words sets the body: the text, or what the attributed string says.
func (r *reader) words(row *sqlfile.Row, o *capture.Observation) error {
	o.Subject = tally.Name(row.Text("subject"))
	o.Body = row.Text("text")
	if row.Lossy("text") {
		o.Doubt("not_text", "Some bytes of it are no text. They are shown as \uFFFD.")
	}
	if b := row.Bytes("attributedBody"); len(b) > 0 {
		s, clipped, ok := attributed(b)
		switch {
		case !ok && o.Body == "":
			o.Doubt("words_not_read", "Its words are stored in a way that Despatch does not know.")
		case !ok:
		case o.Body == "":
			o.Body = s
			if clipped {
				o.Doubt("cut_short", "Its words end before their stated length. The rest is missing in the database.")
			}
		case o.Body != s && !clipped:
			o.Doubt("two_texts", "The database has two texts of it, which differ. The plain one is shown.")
		}
	}
	o.Text = strings.TrimSpace(strings.Map(func(c rune) rune {
		if c == '\uFFFC' || c == '\uFFFD' && o.Body == "\uFFFD" || c < 0x20 && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, o.Body))
	return nil
}

// attachments lists the files of a message: each is present if it was handed in with the database.
func (r *reader) attachments(id int64, o *capture.Observation) error {
	return r.files.Each(r.ctx, id, func(a *sqlfile.Row) error {
		if len(o.Attachments) >= maxOf {
			return nil
		}
		name := tally.Name(a.Text("transfer_name"))
		where := a.Text("filename")
		if name == "" {
			name = path.Base(where)
		}
		x := capture.Attachment{Name: name, Class: tally.Class(strings.ToLower(a.Text("mime_type")), name), Presence: capture.NamedAbsent}
		if a.Bool("is_sticker") {
			x.Class = "sticker"
		}
		if m := r.find(where); m != nil {
			if err := r.book.Export.Attach(r.ctx, &x, m); err != nil {
				return err
			}
			if n := a.Int("total_bytes"); n > 0 && n != x.Size {
				x.Detail = fmt.Sprintf("the database says %d bytes", n)
			}
		} else {
			x.Size = max(0, a.Int("total_bytes"))
		}
		o.Attachments = append(o.Attachments, x)
		return nil
	})
}

// find returns the file of a path such as ~/Library/Messages/Attachments/ab/11/GUID/IMG.heic: below a
// folder Attachments, or under the name that a backup gives it.
func (r *reader) find(where string) *capture.Member {
	if where == "" {
		return nil
	}
	if i := strings.Index(where, "/Attachments/"); i >= 0 {
		if m := r.book.Export.Find(strings.TrimPrefix(where[i+1:], "/"), nil); m != nil {
			return m
		}
	}
	if i := strings.Index(where, "Library/"); i >= 0 {
		sum := sha1.Sum([]byte("MediaDomain-" + where[i:])) // as iTunes names files; no security hangs on it
		return r.book.Export.Find(hex.EncodeToString(sum[:]), nil)
	}
	return nil
}

// tapbacks are the reactions by their types; those of 1000 more take one back.
var tapbacks = map[int64]string{2000: "❤️", 2001: "👍", 2002: "👎", 2003: "😂", 2004: "‼️", 2005: "❓"}

// reaction returns what a reaction's type and emoji mean.
func reaction(kind int64, emoji string) (value string, removed bool) {
	if removed = kind >= 3000; removed {
		kind -= 1000
	}
	if value = tapbacks[kind]; value != "" {
		return value, removed
	}
	if emoji != "" {
		return emoji, removed
	}
	if kind == 2007 {
		return "sticker", removed
	}
	return fmt.Sprint("reaction ", kind), removed
}

// reactionsTo lists the reactions to a message. One that was taken back stays, and says so.
func (r *reader) reactionsTo(id int64, o *capture.Observation, c *chat) error {
	return r.reactions.Each(r.ctx, id, func(x *sqlfile.Row) error {
		if len(o.Reactions) >= maxOf {
			return nil
		}
		actor := r.self
		if !x.Bool("is_from_me") {
			who := r.handles[x.Int("handle_id")]
			if actor = "(unknown)"; who != "" {
				actor = c.Person("", idType(who), who)
			} else if len(c.people) == 1 {
				actor = c.people[0]
			}
		}
		value, removed := reaction(x.Int("type"), tally.Name(x.Text("emoji")))
		if removed {
			for i := len(o.Reactions) - 1; i >= 0; i-- {
				if p := &o.Reactions[i]; p.Actor == actor && p.Value == value && !p.Removed {
					p.Removed = true
					return nil
				}
			}
		}
		o.Reactions = append(o.Reactions, capture.Reaction{Value: value, Actor: actor, At: instant(x.Int("date"), "server"), Removed: removed})
		return nil
	})
}

// kind settles what sort of message it is.
func (r *reader) kind(row *sqlfile.Row, o *capture.Observation, c *chat, mine bool) {
	if guid := row.Text("thread_originator_guid"); guid != "" {
		o.ReplyTo, o.Thread = &capture.Ref{NativeID: guid}, &capture.Ref{NativeID: guid}
	}
	if len(o.Attachments) > 0 {
		o.Kind = capture.KindMedia
	}
	if len(o.Attachments) == 1 && o.Attachments[0].Class == "sticker" {
		o.Kind = capture.KindSticker
	}
	if n := row.Int("associated_message_type"); n >= 2000 && n <= 3999 {
		value, removed := reaction(n, tally.Name(row.Text("associated_message_emoji")))
		o.Reactions = append(o.Reactions, capture.Reaction{Value: value, Actor: o.Sender, At: &o.Sent, Removed: removed})
		o.ReplyTo = &capture.Ref{NativeID: guidOf(row.Text("associated_message_guid"))}
		o.Kind = capture.KindUnknown
		o.Doubt("reaction_without_message", "It is a reaction to a message that is not in the database.")
		return
	}
	if guid := guidOf(row.Text("associated_message_guid")); guid != "" && o.ReplyTo == nil {
		o.ReplyTo = &capture.Ref{NativeID: guid}
	}
	if bundle := tally.Name(row.Text("balloon_bundle_id")); bundle != "" && !strings.Contains(bundle, "URLBalloonProvider") && o.Text == "" {
		o.Kind = capture.KindUnknown
		o.Doubt("app_message", "It was made by another app, “"+bundle+"”. What it showed cannot be read.")
	}
	if item := row.Int("item_type"); item != 0 {
		r.system(row, o, c, item, mine)
	}
}

// system reads what happened to a group.
func (r *reader) system(row *sqlfile.Row, o *capture.Observation, c *chat, item int64, mine bool) {
	actor := o.Sender
	other := r.handles[row.Int("other_handle")]
	if other != "" {
		other = c.Person("", idType(other), other)
	} else if row.Has("other_handle") && (item == 1) {
		other = r.self
	}
	e := &capture.SystemEvent{Code: "other", Actor: actor}
	action := row.Int("group_action_type")
	switch {
	case item == 1 && action == 0:
		e.Code, e.Value = "member_added", other
	case item == 1:
		e.Code, e.Value = "member_removed", other
	case item == 2:
		e.Code, e.Value = "subject_changed", tally.Name(row.Text("group_title"))
	case item == 3 && action == 0:
		e.Code = "member_left"
	case item == 3:
		e.Code = "icon_changed"
	case item == 6:
		e.Code = "call_started"
	}
	o.Kind, o.System, o.To = capture.KindSystem, e, nil
}

// guidOf takes a message's id out of what names it: p:0/GUID, bp:GUID, or GUID.
func guidOf(s string) string {
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[i+1:]
	}
	return strings.TrimPrefix(s, "bp:")
}

// changes reads what was edited and taken back: of each part of the message its versions, the first one
// first and the last one as it is now, and the parts that were taken back.
func (r *reader) changes(row *sqlfile.Row, o *capture.Observation) {
	edited := instant(row.Int("date_edited"), "sender")
	if at := instant(row.Int("date_retracted"), "sender"); at != nil {
		o.State.Deleted, o.State.DeletedBy, o.State.DeletedAt = true, "sender", at
	}
	b := row.Bytes("message_summary_info")
	if len(b) == 0 {
		if edited != nil && !o.State.Deleted {
			o.State.Edited, o.State.EditedAt = true, edited
		}
		r.gone(o)
		return
	}
	root, ok := readPlist(b).(map[string]any)
	if !ok {
		if edited != nil {
			o.State.Edited, o.State.EditedAt = true, edited
			o.Doubt("edits_not_read", "It was edited, and its earlier versions cannot be read.")
		}
		r.gone(o)
		return
	}
	parts, _ := root["ec"].(map[string]any)
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		versions, _ := parts[name].([]any)
		for i, v := range versions {
			e, _ := v.(map[string]any)
			seconds, _ := e["d"].(float64)
			at := capture.Undated("")
			if seconds > 0 && seconds < 1e11 {
				at = *instant(int64(math.Round(seconds*1000))*1_000_000, "sender")
				at.Raw = strconv.FormatFloat(seconds, 'f', -1, 64)
			}
			if i == len(versions)-1 {
				if i > 0 {
					o.State.Edited = true
					if at.Precision != "none" && edited == nil {
						edited = &at
					}
				}
				break
			}
			data, _ := e["t"].([]byte)
			body, _, ok := attributed(data)
			if !ok {
				o.Doubt("edits_not_read", "An earlier version of it cannot be read.")
				continue
			}
			if len(o.Edits) < maxOf {
				o.Edits = append(o.Edits, capture.Edit{Body: body, At: at})
			}
			o.State.Edited = true
		}
	}
	if retracted, _ := root["rp"].([]any); len(retracted) > 0 {
		if o.Text == "" && len(o.Attachments) == 0 {
			o.State.Deleted, o.State.DeletedBy = true, "sender"
			if o.State.DeletedAt == nil {
				o.State.DeletedAt = edited
			}
			o.State.Edited = len(o.Edits) > 0
		} else {
			o.State.Edited = true
			o.Doubt("partly_retracted", "A part of it was taken back by its sender.")
		}
	}
	if o.State.Edited {
		o.State.EditedAt = edited
	}
	r.gone(o)
}

// gone says of what was taken back that nothing is left of it.
func (r *reader) gone(o *capture.Observation) {
	if o.State.Deleted && o.State.DeletedBy == "sender" && o.Text == "" && len(o.Attachments) == 0 {
		o.Kind = capture.KindDeleted
	}
}

// service notes a message that went another way than its conversation.
func (r *reader) service(row *sqlfile.Row, o *capture.Observation, c *chat) {
	service := row.Text("service")
	if way, _, ok := strings.Cut(c.id, ";"); ok && service != "" && way != service && way != "any" && slices.Contains([]string{"SMS", "iMessage", "RCS", "iMessageLite"}, way) {
		o.Doubt("other_service", "It went as "+tally.Name(service)+", in a conversation of "+way+".")
	}
}
