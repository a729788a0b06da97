// Package room is the write path of conversations: it builds events, has them authorised, checks the
// organisation's policy, and hands them to the recorder.
//
// It works on the recorder's goroutine, which is the only one that knows what a room's last event is.
// What it remembers of rooms is owned by that goroutine and can be read again from the database at any
// time.
package room

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"despatch/internal/eventauth"
	"despatch/internal/matrix"
	"despatch/internal/policy"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// Types of events that only Despatch and those who know it use.
const (
	TypeRetention      = "m.room.retention"            // the disappearing timer: {"max_lifetime": ms} (MSC1763)
	TypeClassification = "org.despatch.classification" // the conversation's marking: {"marking": "OFFICIAL"}
)

var (
	// ErrNotFound means that there is no such room, event or person, or that the asker may not know.
	ErrNotFound = errors.New("not found")
	// ErrLimit means that a room or a request is larger than allowed.
	ErrLimit = errors.New("too many")
	// ErrNotices means that somebody would decline what the server has to tell them.
	ErrNotices = errors.New("this conversation is for notices of the server and cannot be declined; it can be left after joining")
)

// Refused is a rule of the organisation, or of how Despatch works, that forbids something. Reason is in
// plain words and says what to do instead.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

// Profile is how a person is shown.
type Profile struct {
	Name   string
	Avatar string // an mxc:// URI, or ""
}

// Service is the write path. Its fields are set before its first use.
type Service struct {
	DB      *sqldb.DB
	Rec     *recorder.Recorder
	Hub     *stream.Hub
	Server  matrix.ServerName
	Version matrix.RoomVersion // of new rooms
	Now     func() time.Time
	Rand    io.Reader // nil means crypto/rand
	Log     *slog.Logger

	// Profile returns how a person of this server is shown; ErrNotFound if there is no such person, or
	// one who may not take part any more.
	Profile func(context.Context, matrix.UserID) (Profile, error)

	// rooms is what the writer remembers; owned by the recorder's goroutine.
	rooms map[matrix.RoomID]*live

	txns   txns
	expire chan int64 // a message was sent that is due at that time
}

// live is what the writer remembers of a room.
type live struct {
	id      matrix.RoomID
	version matrix.RoomVersion
	scope   int64
	head    matrix.EventID
	depth   int64
	snap    *eventauth.Snapshot
	timer   int64 // of disappearing messages, in milliseconds; 0 is off
}

// maxRooms bounds the rooms remembered; beyond it they are read again when needed.
const maxRooms = 5000

// Init prepares the service. It must be called before the recorder is opened.
func (s *Service) Init() {
	if s.Rand == nil {
		s.Rand = rand.Reader
	}
	s.rooms = make(map[matrix.RoomID]*live)
	s.expire = make(chan int64, 1)
	s.txns.init()
}

// load returns the room as the writer knows it.
func (s *Service) load(b *recorder.Batch, id matrix.RoomID) (*live, error) {
	if lv := s.rooms[id]; lv != nil {
		return lv, nil
	}
	ctx, tx := b.Context(), b.Tx()
	r, err := store.RoomByID(ctx, tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotFound
	} else if err != nil {
		return nil, fmt.Errorf("room %s: %w", id, err)
	}
	lv := &live{id: id, version: r.Version, scope: r.Scope, snap: eventauth.NewSnapshot()}
	state, err := store.State(ctx, tx, r.Scope, 1<<62, true)
	if err != nil {
		return nil, fmt.Errorf("state of room %s: %w", id, err)
	}
	for i := range state {
		ev, err := lv.parse(&state[i])
		if err != nil {
			return nil, err
		}
		lv.set(ev)
	}
	last, err := store.Timeline(ctx, tx, r.Scope, 0, 1<<62, 1, false)
	if err != nil || len(last) == 0 {
		return nil, fmt.Errorf("last event of room %s: %w", id, err)
	}
	ev, err := lv.parse(&last[0])
	if err != nil {
		return nil, err
	}
	lv.head, lv.depth = ev.ID, ev.Depth
	s.remember(lv)
	return lv, nil
}

func (s *Service) remember(lv *live) {
	if len(s.rooms) >= maxRooms {
		clear(s.rooms)
	}
	s.rooms[lv.id] = lv
}

func (lv *live) parse(row *store.Event) (*matrix.Event, error) {
	ev, err := matrix.ParseStored(lv.version, store.EventID(row.Ref), row.Body)
	if err != nil {
		return nil, fmt.Errorf("event at %d: %w", row.Pos, err)
	}
	if ev.RoomID == "" {
		ev.RoomID = lv.id
	}
	return ev, nil
}

// set makes a state event part of what is remembered.
func (lv *live) set(ev *matrix.Event) {
	lv.snap.Set(ev)
	if ev.Is(TypeRetention, "") {
		lv.timer = 0
		if n, ok := matrix.Int(matrix.Lookup(ev.Content, "max_lifetime")); ok && n > 0 {
			lv.timer = n
		}
	}
}

// Draft is what somebody wants to send.
type Draft struct {
	Sender   matrix.UserID
	Room     matrix.RoomID
	Type     string
	StateKey *string
	Content  []byte // a JSON object
	Redacts  matrix.EventID
	Reason   string // of a redaction that the server makes
	Claimed  int64  // when it was said, as a bridge has it, in milliseconds; 0 for now

	history *store.Place // of what was said before what is in the room already

	Device string // whose transaction it is
	Txn    string // "" for none
	Via    string // the bridge that brings it in, or ""
}

// Sent is an event that is on the record.
type Sent struct {
	ID  matrix.EventID
	Pos int64
}

// Send puts an event on the record and returns when it is there. The same transaction of the same
// device is sent once, however often it is tried. Errors that are the sender's: [*Refused],
// [*eventauth.Rejection], [ErrNotFound], and those of package matrix.
func (s *Service) Send(ctx context.Context, d Draft) (Sent, error) {
	d.Via = viaOf(ctx)
	if ms, ok := ctx.Value(claimedKey{}).(int64); ok && d.Via != "" {
		d.Claimed = ms
	}
	if err := s.check(&d); err != nil {
		return Sent{}, err
	}
	var txn int64
	if d.Txn != "" {
		txn = txnID(&d)
		if sent, ok, err := s.sentBefore(ctx, d.Room, txn); ok || err != nil {
			return sent, err
		}
	}
	var sent Sent
	err := s.Rec.Do(ctx, func(b *recorder.Batch) error {
		var again bool
		if sent, again = s.txns.get(txn); again { // tried twice at once
			return nil
		}
		lv, err := s.load(b, d.Room)
		if err != nil {
			return err
		}
		ev, err := s.append(b, lv, d, txn)
		if err != nil {
			return err
		}
		sent = Sent{ID: ev.ID, Pos: ev.Pos}
		if ev.Target >= 0 {
			return s.redactEdits(b, lv, d, ev.Target)
		}
		return nil
	})
	var same *unchanged
	if errors.As(err, &same) {
		return Sent{ID: same.id}, nil
	}
	return sent, err
}

// append builds an event at the end of a room and puts it on the record. If it returns an error it has
// changed nothing.
func (s *Service) append(b *recorder.Batch, lv *live, d Draft, txn int64) (*stream.Event, error) {
	draft := &matrix.Draft{
		RoomID: lv.id, Type: d.Type, StateKey: d.StateKey, Sender: d.Sender, Content: d.Content, Redacts: d.Redacts,
		Depth: lv.depth + 1, OriginServerTS: b.Now(), Source: d.source(b.Now()),
	}
	if d.Claimed > 0 {
		draft.OriginServerTS = d.Claimed
	}
	if lv.head != "" {
		draft.PrevEvents = []matrix.EventID{lv.head}
	} else if lv.version.HashedRoomID() {
		draft.RoomID = ""
	}
	if _, err := s.Rand.Read(draft.Salt[:]); err != nil {
		return nil, fmt.Errorf("salt: %w", err)
	}
	auth, err := eventauth.AuthEvents(lv.version, draft, lv.snap)
	if err != nil {
		return nil, err
	}
	draft.AuthEvents = auth
	built, err := draft.Build(lv.version)
	if err != nil {
		return nil, err
	}
	if d.history == nil { // whoever brought history in was asked for as a whole
		if err := eventauth.Allowed(built, lv.snap); err != nil {
			return nil, err
		}
	}
	ev := &stream.Event{Event: built, Class: classOf(built), Device: d.Device, Txn: d.Txn, Target: -1, Reason: d.Reason, History: d.history}
	if built.Type == matrix.TypeRedaction {
		if ev.Target, err = s.target(b, lv, built); err != nil {
			return nil, err
		}
	}
	if built.IsState() {
		if old := lv.snap.Event(built.Type, *built.StateKey); old != nil {
			if bytes.Equal(old.Content, built.Content) && old.Sender == built.Sender && (built.Type != matrix.TypeMember || old.Membership() == "join") {
				// Nothing would change: the state event that is there already is the answer.
				return nil, &unchanged{old.ID}
			}
			ev.PrevContent, ev.Replaces = old.Content, old.ID
		}
	} else if ev.Class == store.ClassMessage || ev.Class == store.ClassEdit {
		goes, err := s.goesWithOriginal(b, lv, built)
		if err != nil {
			return nil, err
		}
		if lv.timer > 0 && !goes {
			ev.ExpireAt = b.Now() + lv.timer
		}
	}
	if lv.head == "" && lv.version.HashedRoomID() {
		lv.id = matrix.RoomID("!" + string(built.ID[1:]))
		built.RoomID = lv.id
	}
	ref, _ := store.EventRef(built.ID)
	ev.Pos = b.Append(recorder.Entry{Scope: string(lv.id), Kind: record.KindEvent, Body: built.JSON, Ref: ref,
		Class: ev.Class, Sender: stream.SenderHash(built.Sender), Txn: txn, Live: ev})
	b.OnRollback(func() { delete(s.rooms, lv.id) })
	if d.history == nil {
		lv.head, lv.depth = built.ID, built.Depth
	}
	if built.IsState() {
		lv.set(built)
	}
	if txn != 0 {
		sent := Sent{ID: built.ID, Pos: ev.Pos}
		s.txns.put(txn, sent)
		b.OnRollback(func() { s.txns.remove(txn) })
	}
	if ev.ExpireAt > 0 {
		b.OnCommit(func() { s.due(ev.ExpireAt) })
	}
	return ev, nil
}

// goesWithOriginal reports whether an event is an edit of its sender's own message, with which it will
// disappear. A message that is no longer shown cannot be edited.
func (s *Service) goesWithOriginal(b *recorder.Batch, lv *live, ev *matrix.Event) (bool, error) {
	rel, _ := matrix.LookupString(ev.Content, "m.relates_to", "rel_type")
	id, _ := matrix.LookupString(ev.Content, "m.relates_to", "event_id")
	ref, ok := store.EventRef(matrix.EventID(id))
	if rel != "m.replace" || !ok {
		return false, nil
	}
	row, scope, err := store.EventByRef(b.Context(), b.Tx(), ref)
	if errors.Is(err, store.ErrNotFound) || err == nil && scope != lv.scope {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if row.Pruned || row.Body == nil {
		return false, &Refused{"This message is gone and can no longer be edited. Send it as a new one."}
	}
	sender, _ := matrix.LookupString(row.Body, "sender")
	return sender == string(ev.Sender), nil
}

// maxEdits bounds how many edits go with one message.
const maxEdits = 1000

// redactEdits redacts the edits of the message at target as d has just redacted that: they say the same
// again, and would be shown to whoever asks for them.
func (s *Service) redactEdits(b *recorder.Batch, lv *live, d Draft, target int64) error {
	entry, err := store.EntryAt(b.Context(), b.Tx(), target)
	if err != nil {
		return err
	}
	edits, err := store.Relations(b.Context(), b.Tx(), entry.Ref, store.RelationsOf{Type: "m.replace", Scope: lv.scope, To: 1 << 62, Limit: maxEdits})
	if err != nil {
		return err
	}
	author, _ := matrix.LookupString(entry.Body, "sender")
	for i := range edits {
		sender, _ := matrix.LookupString(edits[i].Body, "sender")
		if edits[i].Pruned || edits[i].Body == nil || sender != author { // what others say is no edit
			continue
		}
		_, err := s.append(b, lv, Draft{Sender: d.Sender, Room: lv.id, Type: matrix.TypeRedaction, Content: d.Content,
			Redacts: store.EventID(edits[i].Ref), Reason: d.Reason, Device: d.Device}, 0)
		var no *eventauth.Rejection
		if err != nil && !errors.As(err, &no) {
			return err
		}
	}
	return nil
}

// unchanged is the outcome of sending state that is there already.
type unchanged struct{ id matrix.EventID }

func (u *unchanged) Error() string { return "the state is as it was" }

// target finds what a redaction redacts and whether its sender may.
func (s *Service) target(b *recorder.Batch, lv *live, redaction *matrix.Event) (int64, error) {
	ref, ok := store.EventRef(redaction.Redacts)
	if !ok {
		return 0, ErrNotFound
	}
	row, scope, err := store.EventByRef(b.Context(), b.Tx(), ref)
	if errors.Is(err, store.ErrNotFound) || err == nil && (scope != lv.scope || row.Body == nil) {
		return 0, ErrNotFound
	} else if err != nil {
		return 0, err
	}
	old, err := lv.parse(&row)
	if err != nil {
		return 0, err
	}
	if err := eventauth.MayRedact(lv.snap, redaction.Sender, old); err != nil {
		return 0, err
	}
	return row.Pos, nil
}

// classOf says what sort of event this is.
func classOf(ev *matrix.Event) store.Class {
	switch {
	case ev.Type == matrix.TypeMember && ev.IsState():
		return store.ClassMembership
	case ev.IsState():
		return store.ClassState
	case ev.Type == matrix.TypeRedaction:
		return store.ClassRedaction
	case ev.Type == "m.reaction":
		return store.ClassReaction
	}
	if rel, _ := matrix.LookupString(ev.Content, "m.relates_to", "rel_type"); rel == "m.replace" {
		return store.ClassEdit
	}
	switch ev.Type {
	case "m.room.message", "m.sticker", "m.poll.start", "org.matrix.msc3381.poll.start":
		return store.ClassMessage
	}
	return store.ClassOther
}

// check applies what needs no knowledge of the room.
func (s *Service) check(d *Draft) error {
	switch d.Type {
	case "m.room.encryption", "m.room.encrypted":
		return &Refused{"Conversations here are on the record and cannot be end-to-end encrypted. They are encrypted on the way and where they are kept. Send it unencrypted, or do not send it."}
	case matrix.TypeCreate:
		return fmt.Errorf("%w: a conversation is created only once", matrix.ErrInvalid)
	}
	if d.StateKey == nil {
		if f := policy.Detect(textOf(d.Content)); f != nil && f.Refuse {
			return &Refused{f.Error()}
		}
		return nil
	}
	switch d.Type {
	case TypeRetention:
		ms, _ := matrix.Int(matrix.Lookup(canonical(d.Content), "max_lifetime"))
		if _, err := policy.ParseTimer(ms, policy.Timers); err != nil {
			return &Refused{err.Error()}
		}
	case TypeClassification:
		text, _ := matrix.LookupString(canonical(d.Content), "marking")
		if _, err := (policy.Markings{}).Parse(text); err != nil {
			return &Refused{err.Error()}
		}
	}
	return nil
}

// Project brings the tables of rooms up to new entries. It is the recorder's Project.
func (s *Service) Project(ctx context.Context, tx *sqldb.Tx, entries []recorder.Committed) error {
	for i := range entries {
		if entries[i].Kind != record.KindEvent {
			continue
		}
		ev, ok := entries[i].Live.(*stream.Event)
		if !ok {
			return fmt.Errorf("entry %d: an event without its parsed form", entries[i].Pos)
		}
		if err := project(ctx, tx, &entries[i], ev); err != nil {
			return fmt.Errorf("event at %d: %w", entries[i].Pos, err)
		}
		if !ev.IsState() {
			if err := s.showMedia(ctx, tx, &entries[i], ev); err != nil {
				return fmt.Errorf("files of the event at %d: %w", entries[i].Pos, err)
			}
		}
	}
	return nil
}

func project(ctx context.Context, tx *sqldb.Tx, e *recorder.Committed, ev *stream.Event) error {
	if ev.History != nil {
		if err := store.InsertHistory(ctx, tx, e.ScopeID, e.Pos, *ev.History); err != nil {
			return err
		}
	}
	if ev.IsState() {
		if ev.Type == matrix.TypeCreate {
			r := store.Room{Scope: e.ScopeID, ID: ev.RoomID, Version: ev.Version, Creator: ev.Sender, Pos: e.Pos}
			if err := store.InsertRoom(ctx, tx, r); err != nil {
				return err
			}
		}
		if err := store.InsertState(ctx, tx, e.ScopeID, ev.Type, *ev.StateKey, e.Pos); err != nil {
			return err
		}
		if ev.Type == matrix.TypeMember {
			return store.SetMember(ctx, tx, store.Member{User: matrix.UserID(*ev.StateKey), Scope: e.ScopeID, Membership: ev.Membership(), Pos: e.Pos})
		}
		return nil
	}
	if ev.ExpireAt > 0 {
		if err := store.SetExpiry(ctx, tx, ev.ExpireAt, e.Pos); err != nil {
			return err
		}
	}
	if ev.Target >= 0 {
		reason := ev.Reason
		if reason == "" {
			reason = "deleted"
		}
		if err := store.UnuseMedia(ctx, tx, ev.Target, e.Time); err != nil {
			return err
		}
		return store.Prune(ctx, tx, ev.Target, e.Pos, reason)
	}
	if raw := matrix.Lookup(ev.Content, "m.relates_to"); raw != nil {
		target, _ := matrix.LookupString(raw, "event_id")
		rel, _ := matrix.LookupString(raw, "rel_type")
		if reply, ok := matrix.LookupString(raw, "m.in_reply_to", "event_id"); ok && rel == "" {
			target, rel = reply, "m.in_reply_to"
		}
		if ref, ok := store.EventRef(matrix.EventID(target)); ok && rel != "" && len(rel) <= matrix.MaxIDSize {
			return store.InsertRelation(ctx, tx, ref, e.Pos, rel)
		}
	}
	return nil
}

// canonical returns a client's JSON in canonical form, or nil if it has none.
func canonical(raw []byte) []byte {
	out, err := matrix.Canonical(nil, raw)
	if err != nil {
		return nil
	}
	return out
}

// textOf is all that a message says in words, for the policy to look at.
func textOf(content []byte) string {
	content = canonical(content)
	var out []byte
	for _, path := range [][]string{{"body"}, {"filename"}, {"m.new_content", "body"}} {
		if text, ok := matrix.LookupString(content, path...); ok {
			out = append(append(out, text...), '\n')
		}
	}
	return string(out)
}
