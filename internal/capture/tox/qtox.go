package tox

import (
	"encoding/hex"
	"fmt"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// qTox's tables, as its versions have them: up to 6 the words stand in history itself, from 7 in a
// table for each sort; up to 10 people and chats are both peers, with keys as text, from 11 authors
// and chats, with keys as bytes.

// maxPeople bounds the people and the names in one database.
const maxPeople = 100_000

// history is one database being read.
type history struct {
	*reader
	db      *sqlfile.DB
	member  *capture.Member
	keys    map[int64]string // public keys of people, by their row
	chatIDs map[int64]string // ids of chats, by their row
	aliases map[int64]alias
	names   map[string]named // the first name of each key
	chats   map[int64]*tally.Chat
	self    string // the public key of whose database it is

	texts, files, system, pending, broken *sqlfile.Side
}

type named struct {
	row  int64
	name string
}

type alias struct {
	owner int64
	name  string
}

func (r *reader) database(m *capture.Member, encrypted bool) error {
	wal := sqlfile.Log(m, r.Export.Members)
	var db *sqlfile.DB
	var err error
	if encrypted {
		if db, err = r.open(m, wal); err == nil && db == nil {
			return r.ask(m)
		}
	} else {
		db, err = sqlfile.Open(r.ctx, m, wal)
	}
	if err != nil {
		return err
	}
	defer db.Close()
	r.Export.Chat(m)
	if wal != nil {
		r.Export.Named(wal)
	}
	for _, w := range db.Warnings {
		r.Run.Warn(w)
	}
	r.Run.Coverage.Bytes += m.Size
	h := &history{reader: r, db: db, member: m, keys: map[int64]string{}, chatIDs: map[int64]string{}, aliases: map[int64]alias{}, names: map[string]named{}, chats: map[int64]*tally.Chat{}}
	if !isQTox(db.Tables()) {
		return db.FileError("is an encrypted database, but not of qTox", "Hand in the database that belongs to the profile: PROFILE.db.")
	}
	if err := h.people(); err != nil {
		return err
	}
	if err := h.read(); err != nil {
		return err
	}
	r.Run.Coverage.BytesCovered += m.Size
	return nil
}

// key writes a public key or an id as people know it.
func key(r *sqlfile.Row, column string) string {
	b := r.Bytes(column)
	if len(b) == 32 {
		return strings.ToUpper(hex.EncodeToString(b))
	}
	s := strings.ToUpper(strings.TrimSpace(r.Text(column)))
	if len(s) == 76 { // a whole Tox ID, as qTox wrote for a while
		s = s[:64]
	}
	return s
}

// people reads who there is, and finds out whose database it is: who writes in other people's chats.
func (h *history) people() error {
	all := 0
	each := func(table string, fn func(*sqlfile.Row)) error {
		if !h.db.HasTable(table) {
			return nil
		}
		return h.db.Scan(h.ctx, table, func(r *sqlfile.Row) error {
			if all++; all > maxPeople {
				return h.db.FileError(fmt.Sprintf("has more than %d people and names", maxPeople), "Ask the records office to look at the file.")
			}
			fn(r)
			return nil
		})
	}
	both := func(r *sqlfile.Row) {
		h.keys[r.Key()] = key(r, "public_key")
		h.chatIDs[r.Key()] = h.keys[r.Key()]
	}
	err := each("peers", both)
	if err == nil {
		err = each("authors", func(r *sqlfile.Row) { h.keys[r.Key()] = key(r, "public_key") })
	}
	if err == nil {
		err = each("chats", func(r *sqlfile.Row) { h.chatIDs[r.Key()] = key(r, "uuid") })
	}
	if err == nil {
		err = each("aliases", func(r *sqlfile.Row) { h.aliases[r.Key()] = alias{r.Int("owner"), r.Text("display_name")} })
	}
	if err != nil {
		return err
	}
	for row, a := range h.aliases {
		if n, ok := h.names[h.keys[a.owner]]; !ok || row < n.row {
			h.names[h.keys[a.owner]] = named{row, a.name}
		}
	}
	return h.findSelf()
}

// findSelf finds the one author who writes in chats that are called after somebody else.
func (h *history) findSelf() error {
	friends := map[string]bool{}
	for _, id := range h.chatIDs {
		friends[id] = true
	}
	query := `SELECT DISTINCT h.chat_id AS chat, t.sender_alias AS alias FROM history h JOIN text_messages t ON t.id = h.id`
	if h.db.HasColumn("history", "sender_alias") {
		query = `SELECT DISTINCT chat_id AS chat, sender_alias AS alias FROM history`
	} else if !h.db.HasTable("text_messages") {
		return nil
	}
	authors := map[string]bool{}
	for _, k := range h.keys {
		authors[k] = true
	}
	votes := map[string]int{}
	err := h.db.Query(h.ctx, query, func(r *sqlfile.Row) error {
		chat, who := h.chatIDs[r.Int("chat")], h.keys[h.aliases[r.Int("alias")].owner]
		if who != "" && who != chat && authors[chat] { // a chat called after a person, and somebody else in it
			votes[who]++
		}
		return nil
	})
	best, tie := "", false
	for who, n := range votes {
		switch {
		case best == "" || n > votes[best]:
			best, tie = who, false
		case n == votes[best]:
			tie = true
		}
	}
	if !tie {
		h.self = best
	}
	return err
}

func (h *history) side(table, columns string) (*sqlfile.Side, error) {
	if !h.db.HasTable(table) {
		return nil, nil
	}
	return h.db.Side(h.ctx, "id", `SELECT `+columns+` FROM `+sqlfile.Quote(table)+` ORDER BY id`)
}

// read reads the messages in the order in which qTox wrote them down.
func (h *history) read() error {
	var err error
	split := !h.db.HasColumn("history", "message")
	for _, s := range []struct {
		side  **sqlfile.Side
		table string
		on    bool
	}{{&h.texts, "text_messages", split}, {&h.files, "file_transfers", split}, {&h.system, "system_messages", split}, {&h.pending, "faux_offline_pending", true}, {&h.broken, "broken_messages", true}} {
		if !s.on {
			continue
		}
		if *s.side, err = h.side(s.table, "*"); err != nil {
			return err
		}
		defer (*s.side).Close()
	}
	err = h.db.Scan(h.ctx, "history", func(r *sqlfile.Row) error { return h.row(r, split) })
	if err != nil {
		return err
	}
	return h.orphans(split)
}

// orphans counts the words that no row of the history belongs to.
func (h *history) orphans(split bool) error {
	if !split {
		return nil
	}
	for _, table := range []string{"text_messages", "file_transfers", "system_messages"} {
		if !h.db.HasTable(table) {
			continue
		}
		err := h.db.Query(h.ctx, `SELECT id FROM `+table+` WHERE id NOT IN (SELECT id FROM history)`, func(r *sqlfile.Row) error {
			h.Skip("without_history", fmt.Sprintf("%s %d", table, r.Int("id")))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *history) row(r *sqlfile.Row, split bool) error {
	id := r.Key()
	chat, chatID, err := h.chat(r.Int("chat_id"))
	if err != nil {
		return err
	}
	o := r.Observation(h.member, "history", 0)
	o.Chat = chatID
	found := false
	if !split {
		found = true
		err = h.old(o, chat, chatID, r)
	} else {
		take := func(fn func(*capture.Observation, *tally.Chat, string, *sqlfile.Row) error) func(*sqlfile.Row) error {
			return func(x *sqlfile.Row) error {
				if found {
					return nil
				}
				found = true
				return fn(o, chat, chatID, x)
			}
		}
		for _, s := range []struct {
			side *sqlfile.Side
			fn   func(*capture.Observation, *tally.Chat, string, *sqlfile.Row) error
		}{{h.texts, h.words}, {h.files, h.transfer}, {h.system, h.event}} {
			if err = s.side.Each(h.ctx, id, take(s.fn)); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return err
	}
	state := ""
	if err := h.pending.Each(h.ctx, id, func(*sqlfile.Row) error { state = "pending"; return nil }); err != nil {
		return err
	}
	if err := h.broken.Each(h.ctx, id, func(*sqlfile.Row) error { state = "failed"; return nil }); err != nil {
		return err
	}
	if !found {
		h.Skip("without_words", fmt.Sprintf("history %d", id))
		return nil
	}
	if state != "" {
		o.State.Status = state
	}
	clock := "receiver"
	if o.Sender != "" && o.Sender == chat.Conversation().Viewpoint {
		clock = "sender"
	}
	o.Sent, _ = tally.Epoch(fmt.Sprint(r.Int("timestamp")), r.Int("timestamp"), "ms", clock)
	return chat.Item(o)
}

// chat opens the conversation of a row.
func (h *history) chat(row int64) (*tally.Chat, string, error) {
	id := h.chatIDs[row]
	if id == "" {
		id = fmt.Sprintf("chat %d", row)
	}
	if c := h.chats[row]; c != nil {
		return c, id, nil
	}
	kind, title := "group", ""
	if n, ok := h.names[id]; ok {
		kind, title = "dm", n.name
	}
	c, err := h.Chat(capture.Conversation{Kind: kind, ID: id, Title: title, Path: sqlfile.Table(h.member, "history")})
	if err != nil {
		return nil, "", err
	}
	h.chats[row] = c
	if h.self != "" {
		c.Self(c.Person(h.names[h.self].name, "tox", h.self))
	}
	if kind == "dm" {
		c.Person(title, "tox", id)
	}
	return c, id, nil
}

// sender sets who wrote a message, by the name of that time.
func (h *history) sender(o *capture.Observation, c *tally.Chat, r *sqlfile.Row) {
	a, ok := h.aliases[r.Int("sender_alias")]
	if !ok {
		o.Doubt("sender_unknown", "The database does not say who wrote it.")
		return
	}
	o.Sender = c.Person(a.name, "tox", h.keys[a.owner])
	if name := tally.Name(a.name); name != "" && name != o.Sender {
		o.Doubt("other_name", "At that time the sender was called “"+name+"”.")
	}
}

func (h *history) words(o *capture.Observation, c *tally.Chat, _ string, r *sqlfile.Row) error {
	h.sender(o, c, r)
	o.Body = r.Text("message")
	o.Text = o.Body
	if r.Lossy("message") {
		o.Doubt("not_text", "Some bytes are no text. They are shown as \uFFFD; the database itself is kept.")
	}
	return nil
}

// old reads a row of version 6 or before, which has the words itself, or names a transfer.
func (h *history) old(o *capture.Observation, c *tally.Chat, id string, r *sqlfile.Row) error {
	if !r.Has("file_id") || !h.db.HasTable("file_transfers") {
		return h.words(o, c, id, r)
	}
	h.sender(o, c, r)
	found := false
	err := h.db.Query(h.ctx, `SELECT * FROM file_transfers WHERE id = $1`, func(x *sqlfile.Row) error {
		found = true
		return h.file(o, x)
	}, r.Int("file_id"))
	if err == nil && !found {
		o.Kind = capture.KindMedia
		o.Attachments = append(o.Attachments, capture.Attachment{Class: "document", Presence: capture.Omitted})
	}
	return err
}

func (h *history) transfer(o *capture.Observation, c *tally.Chat, _ string, r *sqlfile.Row) error {
	h.sender(o, c, r)
	return h.file(o, r)
}

// States of a transfer in qTox: from 0, being made ready, paused, under way, broken, cancelled, finished.
const transferBroken, transferCancelled, transferFinished = 3, 4, 5

func (h *history) file(o *capture.Observation, r *sqlfile.Row) error {
	o.Kind = capture.KindMedia
	name := r.Text("file_name")
	if err := h.Export.Name(h.ctx, o, tally.Class("", name), r.Text("file_path"), h.member); err != nil {
		return err
	}
	a := &o.Attachments[len(o.Attachments)-1]
	if name != "" {
		a.Name = tally.Name(name)
	}
	if a.Presence != capture.Present {
		a.Size = max(0, r.Int("file_size"))
		a.Detail = r.Text("file_path")
	}
	switch r.Int("file_state") {
	case transferFinished:
		if sum := hex.EncodeToString(r.Bytes("file_hash")); len(sum) == 64 {
			if a.Presence == capture.Present && a.SHA256 != sum {
				o.Doubt("file_changed", "The file that came with the database is not the one that was sent: its SHA-256 was "+sum+".")
			} else if a.Presence != capture.Present {
				a.Detail = strings.TrimSpace(a.Detail + " SHA-256 " + sum)
			}
		}
	case transferBroken, transferCancelled:
		o.State.Status = "failed"
	default:
		o.Doubt("transfer_open", "The file had not been sent to its end when the database was copied.")
	}
	return nil
}

// eventCodes are qTox's system messages, by their number.
var eventCodes = []string{"file_failed", "member_joined", "member_left", "name_changed", "presence", "subject_changed", "cleared",
	"call_broken", "call_out", "call_in", "call_ended", "message_failed", "self_joined", "self_left", "presence"}

func (h *history) event(o *capture.Observation, _ *tally.Chat, _ string, r *sqlfile.Row) error {
	o.Kind = capture.KindSystem
	code := "other"
	if n := r.Int("system_message_type"); n >= 0 && n < int64(len(eventCodes)) {
		code = eventCodes[n]
	}
	var args []string
	for _, c := range []string{"arg1", "arg2", "arg3", "arg4"} {
		if s := r.Text(c); s != "" {
			args = append(args, s)
		}
	}
	o.Body = strings.Join(args, "\t")
	o.Text = o.Body
	o.System = &capture.SystemEvent{Code: code}
	if len(args) > 0 {
		o.System.Actor = args[0]
	}
	if len(args) > 1 {
		o.System.Value = args[1]
	}
	return nil
}
