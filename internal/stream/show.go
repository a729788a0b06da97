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
	Now    int64  // milliseconds; events are shown with their age
	RoomID bool   // show each event's room
	Hub    *Hub   // to show the device that sent an event its transaction; nil to leave that out
	Sight  *Sight // to show what the membership was at each event; nil to leave that out
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
	if v.Sight != nil {
		f.Membership = v.Sight.Membership(row.Pos)
	}
	if v.Now > 0 {
		age := max(0, v.Now-ev.OriginServerTS)
		f.Age = &age
	}
	if v.Hub != nil && ev.Sender == v.User {
		f.TransactionID = v.Hub.txn(row.Pos, v)
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
	f := matrix.ClientFormat{OmitRoomID: !v.RoomID, Position: ev.Pos, PrevContent: ev.PrevContent, ReplacesState: ev.Replaces}
	if v.Sight != nil {
		f.Membership = v.Sight.Membership(ev.Pos)
	}
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

// txn is the transaction with which an event was sent, if it was sent lately and by the device that it is shown to.
func (h *Hub) txn(pos int64, v Viewer) string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if pos < h.floor {
		return ""
	}
	if ev := h.find(pos, ""); ev != nil && ev.Device == v.Device {
		return ev.Txn
	}
	return ""
}

// Visible is the newest part of a room's history that somebody may read without a break: from <= position < to. It
// is empty for those who have nothing to do with the room. [Hub.Sight] has the earlier parts too.
func (h *Hub) Visible(ctx context.Context, q sqldb.Queryer, room matrix.RoomID, who matrix.UserID) (from, to int64, err error) {
	s, err := h.Sight(ctx, q, room, who)
	if err != nil {
		return 0, 0, err
	}
	from, to = s.last()
	return from, to, nil
}
