package stream

import (
	"context"
	"slices"

	"despatch/internal/matrix"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Sight is what somebody may see of a room's history, and what their membership was at each place of it.
type Sight struct {
	spans   []span // ascending, apart from one another
	members []turn // ascending
	world   bool   // anybody may read it now
}

// span is the positions from <= position < to.
type span struct{ from, to int64 }

// turn is a value that holds from a position on.
type turn struct {
	pos   int64
	value string
}

// maxTurns bounds how many changes of a membership or of a room's visibility are looked at; the newest count.
const maxTurns = 1000

// WasJoined reports whether they were ever in the room.
func (s *Sight) WasJoined() bool {
	return slices.ContainsFunc(s.members, func(t turn) bool { return t.value == "join" })
}

// World reports whether anybody may read the room now.
func (s *Sight) World() bool { return s.world }

// Empty reports whether nothing can be seen.
func (s *Sight) Empty() bool { return len(s.spans) == 0 }

// Bounds are the first position that can be seen, and the one after the last; not all between them need be.
func (s *Sight) Bounds() (from, to int64) {
	if s.Empty() {
		return 0, 0
	}
	return s.spans[0].from, s.spans[len(s.spans)-1].to
}

// Whole reports whether everything between the bounds can be seen.
func (s *Sight) Whole() bool { return len(s.spans) <= 1 }

// Sees reports whether the event at a position can be seen.
func (s *Sight) Sees(pos int64) bool {
	return slices.ContainsFunc(s.spans, func(x span) bool { return x.from <= pos && pos < x.to })
}

// Membership is what the membership was when the event at a position had happened.
func (s *Sight) Membership(pos int64) string { return at(s.members, pos+1, "leave") }

// at is the value that holds before a position.
func at(turns []turn, pos int64, first string) string {
	value := first
	for _, t := range turns {
		if t.pos >= pos {
			break
		}
		value = t.value
	}
	return value
}

// turns reads how a state event's content has changed.
func turns(ctx context.Context, q sqldb.Queryer, scope int64, typ, key, field string) ([]turn, error) {
	history, err := store.StateHistory(ctx, q, scope, typ, key, maxTurns)
	out := make([]turn, 0, len(history))
	for _, x := range history {
		value, _ := matrix.LookupString(x.Body, "content", field)
		out = append(out, turn{x.Pos, value})
	}
	return out, err
}

// Sight says what somebody may see of a room: of each event by the room's visibility and their membership when it
// happened (Client-Server API, "Room History Visibility").
func (h *Hub) Sight(ctx context.Context, q sqldb.Queryer, room matrix.RoomID, who matrix.UserID) (*Sight, error) {
	info, ok := h.Room(room)
	if !ok {
		return &Sight{}, nil
	}
	head := h.Head()
	visibility, err := turns(ctx, q, info.Scope, matrix.TypeHistoryVisibility, "", "history_visibility")
	if err != nil {
		return nil, err
	}
	members, err := turns(ctx, q, info.Scope, matrix.TypeMember, string(who), "membership")
	if err != nil {
		return nil, err
	}
	s := &Sight{members: members, world: at(visibility, head, "shared") == "world_readable"}
	s.look(visibility, head)
	return s, nil
}

// look fills the spans.
func (s *Sight) look(visibility []turn, head int64) {
	joinedUntil := int64(-1) // what was said before it is seen by those who joined later, where that is allowed
	for i, m := range s.members {
		if m.value == "join" {
			joinedUntil = head
			if i+1 < len(s.members) {
				joinedUntil = s.members[i+1].pos + 1 // one's own leaving is seen
			}
		}
	}
	edges := []int64{0, head}
	for _, t := range slices.Concat(visibility, s.members) {
		edges = append(edges, t.pos, t.pos+1)
	}
	if joinedUntil >= 0 {
		edges = append(edges, joinedUntil)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	for i := 0; i+1 < len(edges) && edges[i] < head; i++ {
		from, to := edges[i], min(edges[i+1], head)
		if s.visible(visibility, from, joinedUntil) {
			if n := len(s.spans); n > 0 && s.spans[n-1].to == from {
				s.spans[n-1].to = to
			} else {
				s.spans = append(s.spans, span{from, to})
			}
		}
	}
}

// visible decides on one position: by what held before the event there, or by what holds since. A change of
// visibility, and of one's own membership, is seen by whoever may see what came before or what comes after.
func (s *Sight) visible(visibility []turn, pos, joinedUntil int64) bool {
	for _, edge := range []int64{pos, pos + 1} {
		member := at(s.members, edge, "leave")
		if pos < joinedUntil && at(s.members, pos+1, "") == "join" {
			member = "join"
		}
		switch at(visibility, edge, "shared") {
		case "world_readable":
			return true
		case "invited":
			if member == "invite" || member == "join" {
				return true
			}
		case "joined":
			if member == "join" {
				return true
			}
		default:
			if pos < joinedUntil {
				return true
			}
		}
	}
	return slices.ContainsFunc(s.members, func(t turn) bool { return t.pos == pos }) && joinedUntil >= 0
}

// last is the span that ends last.
func (s *Sight) last() (from, to int64) {
	if s.Empty() {
		return 0, 0
	}
	x := s.spans[len(s.spans)-1]
	return x.from, x.to
}
