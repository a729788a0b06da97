// Package stream tells clients what is new: it knows who is in which conversation, keeps the most
// recent events in memory, wakes those who wait, and assembles the answers to /sync.
//
// It delivers only what the recorder has published, which is what is on the record. It decides
// nothing: whether an event was allowed has been decided before.
package stream

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Event is a committed event with what it takes to show it. It is the Live value of its entry.
type Event struct {
	*matrix.Event
	Pos         int64
	Class       store.Class
	Device      string // that sent it, to show Txn to it alone
	Txn         string
	PrevContent []byte // of the state event that this one replaces
	Replaces    matrix.EventID
	ExpireAt    int64        // when it disappears from the live view, or 0
	Target      int64        // of a redaction: the position of what it redacts, or -1
	Reason      string       // of a redaction: why, if the server made it
	History     *store.Place // of what was said before what is in the room already

	prunedBy atomic.Pointer[Event] // the redaction that came later
}

// RecentEvents is how many events are kept in memory. A client that is further behind is answered
// from the database.
const RecentEvents = 4096

// Hub knows who is where and what has just happened. Its methods are safe for concurrent use.
type Hub struct {
	db *sqldb.DB

	mu      sync.RWMutex
	head    int64    // positions below are committed
	floor   int64    // every event at or above is in recent
	recent  []*Event // in order of position
	rooms   map[matrix.RoomID]*room
	scopes  map[int64]*room
	users   map[matrix.UserID]*user
	side    int64           // last place given out in the side stream: what is not on the record
	pending []int64         // places given out to what is not committed yet, in order
	held    map[*user]int64 // who must be woken once what is up to a place is committed
	sides   []sideChange    // the most recent changes of receipts and typing, in order of place
	sideLow int64           // every such change above this place is in sides
	closing chan struct{}
	onSide  func() // called when sides grows

	presence    map[matrix.UserID]*presence
	keySide     map[matrix.UserID]int64 // places of the last changes of people's keys
	personal    map[matrix.UserID]*personal
	personalAge int64 // grows whenever somebody's is forgotten
}

// sideChange is a change of something in a room that is not on the record.
type sideChange struct {
	side int64
	room *room
}

type room struct {
	id       matrix.RoomID
	scope    int64
	version  matrix.RoomVersion
	last     int64 // position of the last event
	members  map[matrix.UserID]membership
	joined   int
	invited  int
	typing   map[matrix.UserID]*time.Timer
	typeSide int64 // place of the last change to typing
	readSide int64 // place of the last receipt
	unread   map[matrix.UserID]*Unread
	bump     int64   // position of the last message, or 0 if not known
	kind     *string // the type that its create event gives it; nil if not known

	people    []personChange // the newest, in order
	peopleLow int64          // every change above this place is in people
}

type membership struct {
	state string
	pos   int64     // since when
	by    departure // of leave: whose doing it was

	forgotten bool // they do not want to be shown the room any more
}

// departure is whose doing it was that somebody is not in a room any more.
type departure int8

const (
	departureUnknown departure = iota
	departureOwn
	departureOthers
)

type user struct {
	rooms    map[matrix.RoomID]bool // every room with a membership
	wake     chan struct{}          // closed to wake; nil if nobody waits
	dataSide int64                  // place of the last change of account data or to-device messages
}

// NewHub reads who is where from the database, of which head positions are committed.
func NewHub(ctx context.Context, db *sqldb.DB, head int64) (*Hub, error) {
	h := &Hub{
		db: db, head: head, floor: head,
		rooms:   make(map[matrix.RoomID]*room),
		scopes:  make(map[int64]*room),
		users:   make(map[matrix.UserID]*user),
		held:    make(map[*user]int64),
		closing: make(chan struct{}),

		presence: make(map[matrix.UserID]*presence),
		keySide:  make(map[matrix.UserID]int64),
		personal: make(map[matrix.UserID]*personal),
	}
	stored, err := store.LastStream(ctx, db.Reader())
	if err != nil {
		return nil, err
	}
	// Places that were never stored, such as those of typing, must not be given out again.
	h.side = max(stored, time.Now().UnixMicro())
	h.sideLow = h.side
	err = store.Rooms(ctx, db.Reader(), func(r store.Room) error {
		h.addRoom(r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = store.Members(ctx, db.Reader(), func(m store.Member) error {
		if r := h.scopes[m.Scope]; r != nil {
			h.setMember(r, m.User, m.Membership, m.Pos)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, store.LastEvents(ctx, db.Reader(), func(scope, pos int64) error {
		if r := h.scopes[scope]; r != nil {
			r.last = min(pos, head-1)
		}
		return nil
	})
}

// Close wakes everybody who waits; from now on nobody waits.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closing:
	default:
		close(h.closing)
	}
}

func (h *Hub) addRoom(r store.Room) *room {
	x := &room{id: r.ID, scope: r.Scope, version: r.Version, members: make(map[matrix.UserID]membership),
		typing: make(map[matrix.UserID]*time.Timer), unread: make(map[matrix.UserID]*Unread)}
	h.rooms[r.ID] = x
	h.scopes[r.Scope] = x
	return x
}

func (h *Hub) user(id matrix.UserID) *user {
	u := h.users[id]
	if u == nil {
		u = &user{rooms: make(map[matrix.RoomID]bool)}
		h.users[id] = u
	}
	return u
}

func (h *Hub) setMember(r *room, id matrix.UserID, state string, pos int64) {
	if r.members[id].state == state { // only the name or the picture is another
		return
	}
	switch r.members[id].state {
	case "join":
		r.joined--
	case "invite":
		r.invited--
	}
	switch state {
	case "join":
		r.joined++
	case "invite":
		r.invited++
	}
	r.members[id] = membership{state: state, pos: pos}
	h.user(id).rooms[r.id] = true
}

// Published takes in what the recorder has committed and wakes those whom it concerns. It is called by
// the recorder's writer.
func (h *Hub) Published(entries []recorder.Committed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range entries {
		if entries[i].Kind != record.KindEvent {
			continue
		}
		ev, ok := entries[i].Live.(*Event)
		if !ok {
			if ev = h.recover(&entries[i]); ev == nil {
				continue
			}
		}
		ev.Pos = entries[i].Pos
		if ev.History != nil {
			continue // it is for those who look back
		}
		h.take(ev, entries[i].ScopeID)
	}
	if n := len(entries); n > 0 {
		h.head = entries[n-1].Pos + 1
	}
	h.trim()
}

// recover makes an event of an entry whose commit was in doubt, so that nobody holds it in memory.
func (h *Hub) recover(e *recorder.Committed) *Event {
	version := matrix.V11
	if r := h.scopes[e.ScopeID]; r != nil {
		version = r.version
	} else if v, ok := matrix.LookupString(e.Body, "content", "room_version"); ok {
		version = matrix.RoomVersion(v)
	}
	ev, err := matrix.ParseStored(version, store.EventID(e.Ref), e.Body)
	if err != nil {
		return nil
	}
	if ev.RoomID == "" {
		ev.RoomID = matrix.RoomID(e.Scope)
	}
	out := &Event{Event: ev, Class: e.Class, Target: -1}
	if matrix.Lookup(ev.Source(), "history") != nil {
		out.History = new(store.Place)
	}
	return out
}

func (h *Hub) take(ev *Event, scope int64) {
	r := h.rooms[ev.RoomID]
	if r == nil {
		r = h.addRoom(store.Room{Scope: scope, ID: ev.RoomID, Version: ev.Version})
	}
	r.last = ev.Pos
	h.recent = append(h.recent, ev)
	switch ev.Class {
	case store.ClassMembership:
		who := matrix.UserID(*ev.StateKey)
		h.setMember(r, who, ev.Membership(), ev.Pos)
		h.noteDeparture(r, who, ev)
		h.wakeUser(h.user(who))
	case store.ClassState:
		if ev.Type == matrix.TypeCreate {
			kind, _ := matrix.LookupString(ev.Content, "type")
			r.kind, r.bump = &kind, ev.Pos
		}
	case store.ClassMessage:
		r.bump = ev.Pos
		h.stopTyping(r, ev.Sender)
	case store.ClassRedaction:
		if target := h.find(ev.Target, ev.Redacts); target != nil {
			target.prunedBy.CompareAndSwap(nil, ev)
		}
		clear(r.unread)
	}
	h.wakeRoom(r)
}

// find returns a recent event by its position or, if that is not known, by its id.
func (h *Hub) find(pos int64, id matrix.EventID) *Event {
	i, ok := slices.BinarySearchFunc(h.recent, pos, func(e *Event, pos int64) int { return cmp.Compare(e.Pos, pos) })
	if ok {
		return h.recent[i]
	}
	if pos < 0 {
		if i := slices.IndexFunc(h.recent, func(e *Event) bool { return e.ID == id }); i >= 0 {
			return h.recent[i]
		}
	}
	return nil
}

// since returns the recent events at or above a position; ok is false if it is too far back.
func (h *Hub) since(pos int64) (evs []*Event, ok bool) {
	if pos < h.floor {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(h.recent, pos, func(e *Event, pos int64) int { return cmp.Compare(e.Pos, pos) })
	return h.recent[i:], true
}

// trim drops the oldest of the recent events.
func (h *Hub) trim() {
	over := len(h.recent) - RecentEvents
	if over < RecentEvents/4 {
		return
	}
	h.floor = h.recent[over-1].Pos + 1
	h.recent = slices.Clone(h.recent[over:])
}

func (h *Hub) wakeRoom(r *room) {
	for id, m := range r.members {
		if m.state == "join" {
			h.wakeUser(h.users[id])
		}
	}
}

func (h *Hub) wakeUser(u *user) {
	if u != nil && u.wake != nil {
		close(u.wake)
		u.wake = nil
	}
}

// waiter returns a channel that is closed when there may be something new for a user. It must be asked
// for before looking.
func (h *Hub) waiter(id matrix.UserID) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.user(id)
	if u.wake == nil {
		u.wake = make(chan struct{})
	}
	return u.wake
}

// Head is the position that the next entry will have: everything below is committed.
func (h *Hub) Head() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.head
}

// Membership is somebody's membership of a room and the position since which it holds, or "" and -1.
func (h *Hub) Membership(id matrix.RoomID, who matrix.UserID) (state string, since int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if r := h.rooms[id]; r != nil {
		if m, ok := r.members[who]; ok {
			return m.state, m.pos
		}
	}
	return "", -1
}

// RoomInfo is what the hub knows of a room.
type RoomInfo struct {
	ID              matrix.RoomID
	Scope           int64
	Version         matrix.RoomVersion
	Joined, Invited int
}

// Room returns a room; ok is false if there is no such room.
func (h *Hub) Room(id matrix.RoomID) (info RoomInfo, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.rooms[id]
	if r == nil {
		return RoomInfo{}, false
	}
	return RoomInfo{ID: r.id, Scope: r.scope, Version: r.version, Joined: r.joined, Invited: r.invited}, true
}

// Rooms returns the rooms of which somebody's membership is state, in no particular order.
func (h *Hub) Rooms(who matrix.UserID, state string) []matrix.RoomID {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []matrix.RoomID
	if u := h.users[who]; u != nil {
		for id := range u.rooms {
			if h.rooms[id].members[who].state == state {
				out = append(out, id)
			}
		}
	}
	return out
}

// Members returns those whose membership of a room is state, sorted.
func (h *Hub) Members(id matrix.RoomID, state string) []matrix.UserID {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []matrix.UserID
	if r := h.rooms[id]; r != nil {
		for who, m := range r.members {
			if m.state == state {
				out = append(out, who)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Forget has somebody not be shown a room any more until they are invited again or join.
func (h *Hub) Forget(id matrix.RoomID, who matrix.UserID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[id]; r != nil {
		if m, ok := r.members[who]; ok {
			m.forgotten = true
			r.members[who] = m
		}
	}
}

// HasForgotten reports whether somebody has forgotten a room.
func (h *Hub) HasForgotten(id matrix.RoomID, who matrix.UserID) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.rooms[id]
	return r != nil && r.members[who].forgotten
}

// Share reports whether two people are in a room together.
func (h *Hub) Share(a, b matrix.UserID) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if u := h.users[a]; u != nil {
		for id := range u.rooms {
			if h.rooms[id].members[a].state == "join" && h.rooms[id].members[b].state == "join" {
				return true
			}
		}
	}
	return false
}

// NextSide returns the next place in the side stream, for something that a change to the database stores.
// Once it is committed, [Hub.Read] or [Hub.Touch] must be called with it. Until then nobody is given a
// token of that place or a later one, and so nobody misses it.
func (h *Hub) NextSide(b *recorder.Batch) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.side++
	side := h.side
	h.pending = append(h.pending, side)
	b.OnRollback(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.settle(side)
	})
	return side
}

// settled is the place in the side stream up to which everything is committed.
func (h *Hub) settled() int64 {
	if len(h.pending) > 0 {
		return h.pending[0] - 1
	}
	return h.side
}

// settle notes that what had a place in the side stream is committed, or never will be.
func (h *Hub) settle(side int64) {
	if i, ok := slices.BinarySearch(h.pending, side); ok {
		h.pending = slices.Delete(h.pending, i, i+1)
	}
	settled := h.settled()
	for u, until := range h.held {
		if until <= settled {
			delete(h.held, u)
			h.wakeUser(u)
		}
	}
}

// wakeFor wakes somebody for whom there is something new at a place of the side stream, now or as soon as
// everything before it is committed too.
func (h *Hub) wakeFor(u *user, side int64) {
	if u == nil {
		return
	}
	if side > h.settled() {
		h.held[u] = max(h.held[u], side)
	}
	h.wakeUser(u)
}

// SetTyping says that somebody types in a room for some time, or has stopped.
func (h *Hub) SetTyping(id matrix.RoomID, who matrix.UserID, typing bool, timeout time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r == nil {
		return
	}
	if !typing {
		if h.stopTyping(r, who) {
			h.wakeRoom(r)
		}
		return
	}
	if t := r.typing[who]; t != nil {
		t.Reset(timeout)
		return
	}
	r.typing[who] = time.AfterFunc(timeout, func() { h.SetTyping(id, who, false, 0) })
	h.side++
	r.typeSide = h.side
	h.noteSide(r, h.side)
	h.wakeRoom(r)
}

func (h *Hub) stopTyping(r *room, who matrix.UserID) bool {
	t := r.typing[who]
	if t == nil {
		return false
	}
	t.Stop()
	delete(r.typing, who)
	h.side++
	r.typeSide = h.side
	h.noteSide(r, h.side)
	return true
}

// Read says that a receipt has been stored at a place of the side stream.
func (h *Hub) Read(id matrix.RoomID, who matrix.UserID, side int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settle(side)
	if r := h.rooms[id]; r != nil {
		r.readSide = max(r.readSide, side)
		h.noteSide(r, side)
		delete(r.unread, who)
		for id, m := range r.members {
			if m.state == "join" {
				h.wakeFor(h.users[id], side)
			}
		}
	}
}

// Touch says that something of a user's own has been stored at a place of the side stream: account
// data, or a message to a device.
func (h *Hub) Touch(who matrix.UserID, side int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settle(side)
	u := h.user(who)
	u.dataSide = max(u.dataSide, side)
	h.wakeFor(u, side)
}
