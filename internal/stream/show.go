package stream

import (
	"context"

	"despatch/internal/matrix"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Viewer is who is shown something, and how.
type Viewer struct {
	User   matrix.UserID
	Device string
	Now    int64 // milliseconds; events are shown with their age
	RoomID bool  // show each event's room
}

// AppendEvent appends a stored event as a viewer is shown it: pruned if it has been redacted. An event
// whose body has been destroyed is shown as nothing, and dst is returned as it was.
func AppendEvent(dst []byte, version matrix.RoomVersion, room matrix.RoomID, row *store.Event, v Viewer, extra []byte) []byte {
	if row.Body == nil {
		return dst
	}
	ev, err := matrix.ParseStored(version, store.EventID(row.Ref), row.Body)
	if err != nil {
		return dst
	}
	if ev.RoomID == "" {
		ev.RoomID = room
	}
	f := matrix.ClientFormat{OmitRoomID: !v.RoomID, Position: row.Pos, Extra: extra}
	if v.Now > 0 {
		age := max(0, v.Now-ev.OriginServerTS)
		f.Age = &age
	}
	if row.Pruned {
		f.Redacted = true
		if row.ByBody != nil {
			if by, err := matrix.ParseStored(version, store.EventID(row.ByRef), row.ByBody); err == nil {
				f.RedactedBecause = by.AppendClient(nil, matrix.ClientFormat{OmitRoomID: !v.RoomID, Position: -1})
			}
		}
	}
	return ev.AppendClient(dst, f)
}

// append appends a recent event as a viewer is shown it.
func (ev *Event) append(dst []byte, v Viewer) []byte {
	f := matrix.ClientFormat{OmitRoomID: !v.RoomID, Position: ev.Pos, PrevContent: ev.PrevContent}
	age := max(0, v.Now-ev.OriginServerTS)
	f.Age = &age
	if ev.Txn != "" && ev.Device == v.Device && ev.Sender == v.User {
		f.TransactionID = ev.Txn
	}
	if by := ev.prunedBy.Load(); by != nil {
		f.Redacted = true
		f.RedactedBecause = by.AppendClient(nil, matrix.ClientFormat{OmitRoomID: !v.RoomID, Position: by.Pos})
	}
	return ev.AppendClient(dst, f)
}

// Visible is the part of a room's history that somebody may read: from <= position < to. It is empty
// for those who have nothing to do with the room (Client-Server API, "Room History Visibility").
func (h *Hub) Visible(ctx context.Context, q sqldb.Queryer, room matrix.RoomID, who matrix.UserID) (from, to int64, err error) {
	info, ok := h.Room(room)
	if !ok {
		return 0, 0, nil
	}
	head := h.Head()
	state, since := h.Membership(room, who)
	visibility := "shared"
	row, err := store.StateEvent(ctx, q, info.Scope, matrix.TypeHistoryVisibility, "", head)
	if err == nil {
		if v, ok := matrix.LookupString(row.Body, "content", "history_visibility"); ok {
			visibility = v
		}
	} else if err != store.ErrNotFound {
		return 0, 0, err
	}
	switch {
	case visibility == "world_readable":
		return 0, head, nil
	case state == "join" && visibility == "shared":
		return 0, head, nil
	case state == "join": // "joined" and "invited": what came since the person did
		return since, head, nil
	case state == "leave" || state == "ban":
		was, err := wasJoined(ctx, q, info.Scope, who, since)
		if err != nil || was < 0 {
			return 0, 0, err
		}
		if visibility == "shared" {
			was = 0
		}
		return was, since + 1, nil
	}
	return 0, 0, nil
}

// wasJoined returns the position at which somebody last joined a room before a position, or -1.
func wasJoined(ctx context.Context, q sqldb.Queryer, scope int64, who matrix.UserID, before int64) (int64, error) {
	for {
		row, err := store.StateEvent(ctx, q, scope, matrix.TypeMember, string(who), before)
		if err == store.ErrNotFound {
			return -1, nil
		} else if err != nil {
			return -1, err
		}
		if m, _ := matrix.LookupString(row.Body, "content", "membership"); m == "join" {
			return row.Pos, nil
		}
		before = row.Pos
	}
}
