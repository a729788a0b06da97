package stream

import (
	"slices"
	"strconv"

	"despatch/internal/matrix"
	"despatch/internal/store"
)

// AnyMember reports whether somebody whom is lets through is in a room, or has left it after a position.
func (h *Hub) AnyMember(id matrix.RoomID, pos int64, is func(matrix.UserID) bool) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.rooms[id]
	if r == nil {
		return false
	}
	for who, m := range r.members {
		if (m.state == "join" || m.pos > pos) && is(who) {
			return true
		}
	}
	return false
}

// RoomOf returns the room of a scope; ok is false if there is none.
func (h *Hub) RoomOf(scope int64) (info RoomInfo, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.scopes[scope]
	if r == nil {
		return RoomInfo{}, false
	}
	return RoomInfo{ID: r.id, Scope: r.scope, Version: r.version, Joined: r.joined, Invited: r.invited}, true
}

// SideRoom is a room in which receipts or typing have changed.
type SideRoom struct {
	RoomInfo
	Typed  bool
	Typing []matrix.UserID
	Read   bool
}

// Sides returns the rooms in which receipts or typing have changed since a place of the side stream, as far
// as it is remembered, and the place up to which that is all.
func (h *Hub) Sides(since int64) (rooms []SideRoom, upTo int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	upTo = h.settled()
	seen := make(map[*room]bool)
	for i := len(h.sides) - 1; i >= 0 && h.sides[i].side > since; i-- {
		r := h.sides[i].room
		if seen[r] || h.sides[i].side > upTo {
			continue
		}
		seen[r] = true
		x := SideRoom{RoomInfo: RoomInfo{ID: r.id, Scope: r.scope, Version: r.version, Joined: r.joined, Invited: r.invited},
			Typed: r.typeSide > since, Read: r.readSide > since}
		for who := range r.typing {
			x.Typing = append(x.Typing, who)
		}
		slices.Sort(x.Typing)
		rooms = append(rooms, x)
	}
	return rooms, upTo
}

// OnSide has fn called whenever receipts or typing change, with the hub locked: it must not block, and must
// not ask the hub anything. It is set before the hub is used.
func (h *Hub) OnSide(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onSide = fn
}

// AppendReceiptEvent appends an m.receipt event of a room, with the receipts that others may see.
func AppendReceiptEvent(b []byte, room matrix.RoomID, receipts []store.Receipt) []byte {
	text := appendReceipts(nil, receipts, "")
	if len(text) == 0 {
		return b
	}
	return appendWithRoom(b, room, text)
}

// AppendTypingEvent appends an m.typing event of a room.
func AppendTypingEvent(b []byte, room matrix.RoomID, who []matrix.UserID) []byte {
	text := []byte(`{"type":"m.typing","content":{"user_ids":[`)
	for i, id := range who {
		if i > 0 {
			text = append(text, ',')
		}
		text = matrix.AppendString(text, id)
	}
	return appendWithRoom(b, room, append(text, `]}}`...))
}

func appendWithRoom(b []byte, room matrix.RoomID, event []byte) []byte {
	b = append(b, event[:len(event)-1]...)
	b = append(b, `,"room_id":`...)
	return append(matrix.AppendString(b, room), '}')
}

// PlaceToken is a place in a room's history that is among what a bridge brought in.
func PlaceToken(p store.Place) string {
	return "t" + strconv.FormatInt(p.Before, 10) + "." + strconv.FormatInt(p.Ord, 10)
}
