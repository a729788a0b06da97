package stream

import (
	"context"
	"slices"

	"despatch/internal/matrix"
	"despatch/internal/store"
)

// recentSides is how many changes of receipts and typing are remembered. A connection that is further
// behind looks at each of its rooms.
const recentSides = 4096

// noteSide remembers that something in a room that is not on the record has changed.
func (h *Hub) noteSide(r *room, side int64) {
	at := len(h.sides)
	for at > 0 && h.sides[at-1].side > side {
		at--
	}
	h.sides = slices.Insert(h.sides, at, sideChange{side, r})
	if h.onSide != nil {
		h.onSide()
	}
	if over := len(h.sides) - recentSides; over >= recentSides/4 {
		h.sideLow = h.sides[over-1].side
		h.sides = slices.Clone(h.sides[over:])
	}
}

// noteDeparture remembers whether it was by their own doing that somebody is not in a room any more.
func (h *Hub) noteDeparture(r *room, who matrix.UserID, ev *Event) {
	m := r.members[who]
	if m.state != "leave" || m.pos != ev.Pos {
		return
	}
	m.by = departureOthers
	if ev.Sender == who {
		m.by = departureOwn
	}
	r.members[who] = m
}

// slidingRoom is what an answer needs to know of one room, taken from the hub in one go.
type slidingRoom struct {
	info   RoomInfo
	member membership
	last   int64 // position of the last event
	bump   int64 // of the last message; 0 if not known
	kind   *string
	events []*Event // since the connection's place, if they are all in memory
	fresh  bool     // they are
	typing []matrix.UserID
	typed  bool    // typing has changed
	read   bool    // there are new receipts
	unread *Unread // nil if not known
}

// activity is what rooms are ordered by: for those who are in them, the last event.
func (r *slidingRoom) activity() int64 {
	if r.member.state == "join" {
		return r.last
	}
	return r.member.pos
}

// slidingView is what is new for somebody since a place, or all that there is.
type slidingView struct {
	rooms []slidingRoom
	next  Token
	data  bool // the user's own data has changed
	whole bool // rooms are all of the user's
}

// slide takes from the hub what may be new for somebody since a place. Unless everything is asked for, or
// the place is too far back, only those rooms are in it in which something happened, and those asked for:
// its cost does not depend on how many rooms there are.
func (h *Hub) slide(who matrix.UserID, since Token, all bool, wanted []matrix.RoomID) slidingView {
	h.mu.RLock()
	defer h.mu.RUnlock()
	v := slidingView{next: Token{Pos: h.head, Side: h.settled()}, whole: all}
	u := h.users[who]
	if u == nil {
		return v
	}
	v.data = u.dataSide > since.Side
	recent, fresh := h.since(since.Pos)
	v.whole = v.whole || !fresh || h.sideLow > since.Side
	byRoom := make(map[*room][]*Event)
	for _, ev := range recent {
		if !u.rooms[ev.RoomID] {
			continue
		}
		r := h.rooms[ev.RoomID]
		byRoom[r] = append(byRoom[r], ev)
		// What changes which rooms there are, or which of them a filter lets through.
		if ev.Class == store.ClassMembership && *ev.StateKey == string(who) || ev.Type == "m.space.child" {
			v.whole = true
		}
	}
	take := func(r *room) {
		v.rooms = append(v.rooms, h.slidingRoom(r, who, since, byRoom[r], fresh))
	}
	if v.whole {
		for id := range u.rooms {
			take(h.rooms[id])
		}
		return v
	}
	seen := make(map[*room]bool, len(byRoom))
	once := func(r *room) {
		if r != nil && !seen[r] && u.rooms[r.id] {
			seen[r] = true
			take(r)
		}
	}
	for r := range byRoom {
		once(r)
	}
	for i := len(h.sides) - 1; i >= 0 && h.sides[i].side > since.Side; i-- {
		once(h.sides[i].room)
	}
	for _, id := range wanted {
		once(h.rooms[id])
	}
	return v
}

func (h *Hub) slidingRoom(r *room, who matrix.UserID, since Token, events []*Event, fresh bool) slidingRoom {
	out := slidingRoom{
		info:   RoomInfo{ID: r.id, Scope: r.scope, Version: r.version, Joined: r.joined, Invited: r.invited},
		member: r.members[who], last: r.last, bump: r.bump, kind: r.kind, events: events, fresh: fresh,
		typed: r.typeSide > since.Side, read: r.readSide > since.Side,
	}
	if u, ok := r.known(who); ok {
		out.unread = u
	}
	for id := range r.typing {
		out.typing = append(out.typing, id)
	}
	slices.Sort(out.typing)
	return out
}

// setKinds remembers the types of rooms, and their last messages, that had to be read from the database.
func (h *Hub) setKinds(kinds map[int64]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for scope, kind := range kinds {
		if r := h.scopes[scope]; r != nil {
			r.kind = &kind
		}
	}
}

// setBump remembers a room's last message, unless there has been another.
func (h *Hub) setBump(id matrix.RoomID, pos int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[id]; r != nil && r.bump < pos {
		r.bump = pos
	}
}

// setDeparture remembers whose doing it was that somebody left a room at a position.
func (h *Hub) setDeparture(id matrix.RoomID, who matrix.UserID, pos int64, by departure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[id]; r != nil {
		if m := r.members[who]; m.pos == pos {
			m.by = by
			r.members[who] = m
		}
	}
}

// kinds fills in the types of the rooms that are not known yet: those whose create event is not among the
// events in memory.
func (s *Syncer) kinds(ctx context.Context, rooms []slidingRoom) error {
	var scopes []int64
	for i := range rooms {
		if rooms[i].kind == nil {
			scopes = append(scopes, rooms[i].info.Scope)
		}
	}
	if len(scopes) == 0 {
		return nil
	}
	found := make(map[int64]string, len(scopes))
	err := store.CreateEvents(ctx, s.DB.Reader(), scopes, func(scope int64, body []byte) error {
		found[scope], _ = matrix.LookupString(body, "content", "type")
		return nil
	})
	if err != nil {
		return err
	}
	for i := range rooms {
		if kind, ok := found[rooms[i].info.Scope]; ok && rooms[i].kind == nil {
			rooms[i].kind = &kind
		}
	}
	s.Hub.setKinds(found)
	return nil
}

// removed reports whether somebody was taken out of a room by others: only then is it still shown to a
// client that did not know it.
func (s *Syncer) removed(ctx context.Context, r *slidingRoom, who matrix.UserID) (bool, error) {
	if r.member.state == "ban" {
		was, err := s.everJoined(ctx, r.info.Scope, who, r.member.pos)
		return was, err
	}
	if r.member.by == departureUnknown {
		row, err := store.StateEvent(ctx, s.DB.Reader(), r.info.Scope, matrix.TypeMember, string(who), r.member.pos+1)
		if err != nil && err != store.ErrNotFound {
			return false, err
		}
		r.member.by = departureOwn
		if sender, ok := matrix.LookupString(row.Body, "sender"); ok && sender != string(who) {
			r.member.by = departureOthers
		}
		s.Hub.setDeparture(r.info.ID, who, r.member.pos, r.member.by)
	}
	if r.member.by != departureOthers {
		return false, nil
	}
	was, err := s.everJoined(ctx, r.info.Scope, who, r.member.pos)
	return was, err
}

// everJoined reports whether somebody was in a room at some time before a position.
func (s *Syncer) everJoined(ctx context.Context, scope int64, who matrix.UserID, before int64) (bool, error) {
	for {
		row, err := store.StateEvent(ctx, s.DB.Reader(), scope, matrix.TypeMember, string(who), before)
		if err == store.ErrNotFound {
			return false, nil
		} else if err != nil {
			return false, err
		}
		if m, _ := matrix.LookupString(row.Body, "content", "membership"); m == "join" {
			return true, nil
		}
		before = row.Pos
	}
}
