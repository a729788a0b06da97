package stream

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"despatch/internal/matrix"
	"despatch/internal/store"
)

// What people in a conversation are told of one another beside what they say: whether somebody is there, as far as
// their client says so, and that the keys of their devices are others. Presence is kept in memory only, is not on
// the record, and is not spread in large rooms: whether one of five thousand is online concerns nobody.

const (
	maxPresenceRoom = 100             // people in a room beyond which presence is not spread in it
	presenceLasts   = 5 * time.Minute // after a client's last request
	recentPeople    = 64              // changes of people that a room remembers
)

// presence is whether somebody is there.
type presence struct {
	state  string // online or unavailable; offline people have none
	status string
	active int64 // when last seen, in milliseconds
	side   int64 // place of the last change
	timer  *time.Timer
}

// personChange is that a person's presence or keys have changed, as a room remembers it.
type personChange struct {
	side int64
	who  matrix.UserID
}

// Presence is what others are told of somebody. Active is in milliseconds since 1970, 0 if not known.
type Presence struct {
	State, Status string
	Active        int64
}

// PresenceOf returns somebody's presence.
func (h *Hub) PresenceOf(who matrix.UserID) Presence {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if p := h.presence[who]; p != nil {
		return Presence{p.state, p.status, p.active}
	}
	return Presence{State: "offline"}
}

// SetPresence says that somebody is there, or not any more. A nil status leaves it as it was. Only a change is
// told to others.
func (h *Hub) SetPresence(who matrix.UserID, state string, status *string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.presence[who]
	if p == nil {
		p = &presence{state: "offline"}
		h.presence[who] = p
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(presenceLasts, func() { h.SetPresence(who, "offline", nil, time.Now()) })
	} else {
		p.timer.Reset(presenceLasts)
	}
	if state != "offline" {
		p.active = now.UnixMilli()
	} else {
		p.timer.Stop()
	}
	if p.state == state && (status == nil || *status == p.status) {
		return
	}
	p.state = state
	if status != nil {
		p.status = *status
	}
	h.side++
	p.side = h.side
	h.spread(who, p.side, maxPresenceRoom)
}

// KeysChanged says that the keys of somebody's devices have been stored at a place of the side stream.
func (h *Hub) KeysChanged(who matrix.UserID, side int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settle(side)
	h.keySide[who] = side
	h.spread(who, side, 1<<30)
	h.wakeFor(h.user(who), side)
}

// spread tells those who share a room of at most so many with somebody that they have changed.
func (h *Hub) spread(who matrix.UserID, side int64, most int) {
	u := h.users[who]
	if u == nil {
		return
	}
	for id := range u.rooms {
		r := h.rooms[id]
		if r.members[who].state != "join" || r.joined > most {
			continue
		}
		r.people = append(r.people, personChange{side, who})
		if len(r.people) > recentPeople {
			r.peopleLow = r.people[0].side
			r.people = slices.Delete(r.people, 0, 1)
		}
		for member, m := range r.members {
			if m.state == "join" {
				h.wakeFor(h.users[member], side)
			}
		}
	}
}

// peopleSince are those in a room whose presence or keys have changed since a place. The lock must be held.
func (r *room) peopleSince(h *Hub, side int64, add func(matrix.UserID)) {
	if n := len(r.people); n == 0 || r.people[n-1].side <= side {
		return
	}
	if side < r.peopleLow {
		for who, m := range r.members {
			if m.state == "join" {
				add(who)
			}
		}
		return
	}
	for _, c := range r.people {
		if c.side > side {
			add(c.who)
		}
	}
}

// others is what is new of people for somebody.
type others struct {
	changed map[matrix.UserID]bool // keys
	left    map[matrix.UserID]bool // of whose keys they hear no more
	present map[matrix.UserID]bool
}

// others finds what is new of people since a request's token. changes are the rooms in which something happened.
func (s *Syncer) others(ctx context.Context, req Request, changes []roomChange, next Token) (*others, error) {
	o := &others{make(map[matrix.UserID]bool), make(map[matrix.UserID]bool), make(map[matrix.UserID]bool)}
	h := s.Hub
	h.mu.RLock()
	if req.Since == nil {
		o.everybody(h, req.User)
		h.mu.RUnlock()
		return o, nil
	}
	since := *req.Since
	note := func(who matrix.UserID) {
		if h.keySide[who] > since.Side && h.keySide[who] <= next.Side {
			o.changed[who] = true
		}
		if p := h.presence[who]; p != nil && p.side > since.Side && who != req.User {
			o.present[who] = true
		}
	}
	if u := h.users[req.User]; u != nil && since.Side != next.Side {
		for id := range u.rooms {
			if r := h.rooms[id]; r.members[req.User].state == "join" {
				r.peopleSince(h, since.Side, note)
			}
		}
		note(req.User)
	}
	h.mu.RUnlock()
	for i := range changes {
		if err := s.moves(ctx, req, &changes[i], next, o); err != nil {
			return nil, err
		}
	}
	for who := range o.left {
		if who == req.User || h.Share(req.User, who) {
			delete(o.left, who)
		} else {
			delete(o.changed, who)
		}
	}
	return o, nil
}

// everybody is whom a first answer tells about. The lock must be held.
func (o *others) everybody(h *Hub, user matrix.UserID) {
	u := h.users[user]
	if u == nil {
		return
	}
	for id := range u.rooms {
		r := h.rooms[id]
		if r.members[user].state != "join" || r.joined > maxPresenceRoom {
			continue
		}
		for who, m := range r.members {
			if p := h.presence[who]; m.state == "join" && p != nil && p.state != "offline" {
				o.present[who] = true
			}
		}
	}
}

// moves finds who has come into a room or left it since a request's token.
func (s *Syncer) moves(ctx context.Context, req Request, c *roomChange, next Token, o *others) error {
	came := func(who matrix.UserID) {
		o.changed[who] = true
		if p := s.Hub.PresenceOf(who); p.State != "offline" && c.info.Joined <= maxPresenceRoom && who != req.User {
			o.present[who] = true
		}
	}
	self := c.member.pos >= req.Since.Pos
	switch {
	case self && c.member.state == "join":
		for _, who := range s.Hub.Members(c.info.ID, "join") {
			came(who)
		}
		return nil
	case self && (c.member.state == "leave" || c.member.state == "ban"):
		for _, who := range s.Hub.Members(c.info.ID, "join") {
			o.left[who] = true
		}
		return nil
	case c.member.state != "join":
		return nil
	}
	was := func(who matrix.UserID, before, now string) {
		switch {
		case now == "join" && before != "join":
			came(who)
		case before == "join" && now != "join":
			o.left[who] = true
		}
	}
	if !c.behind {
		for _, ev := range c.events {
			if ev.Class == store.ClassMembership {
				before, _ := matrix.LookupString(ev.PrevContent, "membership")
				was(matrix.UserID(*ev.StateKey), before, ev.Membership())
			}
		}
		return nil
	}
	rows, err := store.StateSince(ctx, s.DB.Reader(), c.info.Scope, req.Since.Pos, next.Pos)
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].Class != store.ClassMembership {
			continue
		}
		key, _ := matrix.LookupString(rows[i].Body, "state_key")
		now, _ := matrix.LookupString(rows[i].Body, "content", "membership")
		before := ""
		old, err := store.StateEvent(ctx, s.DB.Reader(), c.info.Scope, matrix.TypeMember, key, req.Since.Pos)
		if err == nil {
			before, _ = matrix.LookupString(old.Body, "content", "membership")
		} else if err != store.ErrNotFound {
			return err
		}
		was(matrix.UserID(key), before, now)
	}
	return nil
}

// DeviceLists says of whom the keys have changed since a token, and of whom one hears no more (Client-Server API,
// "Tracking the device list for a user").
func (s *Syncer) DeviceLists(ctx context.Context, who matrix.UserID, since Token) (changed, left []matrix.UserID, err error) {
	req := Request{User: who, Since: &since}
	changes, next, _ := s.Hub.changes(req)
	o, err := s.others(ctx, req, changes, next)
	if err != nil {
		return nil, nil, err
	}
	return sorted(o.changed), sorted(o.left), nil
}

func sorted(set map[matrix.UserID]bool) []matrix.UserID {
	out := make([]matrix.UserID, 0, len(set))
	for who := range set {
		out = append(out, who)
	}
	slices.Sort(out)
	return out
}

// tell adds what is new of people to an answer.
func (o *others) tell(h *Hub, resp *Response, req Request, now int64) {
	if req.Since != nil {
		resp.Changed, resp.Left = sorted(o.changed), sorted(o.left)
	}
	for _, who := range sorted(o.present) {
		if !req.Filter.Presence.sender(who) || !req.Filter.Presence.typ("m.presence") {
			continue
		}
		if len(resp.Presence) > 0 {
			resp.Presence = append(resp.Presence, ',')
		}
		b := matrix.AppendString(append(resp.Presence, `{"type":"m.presence","sender":`...), who)
		b = append(b, `,"content":`...)
		resp.Presence = append(h.PresenceOf(who).Append(b, now), '}')
	}
}

// Append appends a presence as clients are shown it.
func (p Presence) Append(b []byte, now int64) []byte {
	b = matrix.AppendString(append(b, `{"presence":`...), p.State)
	b = append(b, `,"currently_active":`...)
	b = strconv.AppendBool(b, p.State == "online")
	if p.Active > 0 {
		b = append(b, `,"last_active_ago":`...)
		b = strconv.AppendInt(b, max(0, now-p.Active), 10)
	}
	if p.Status != "" {
		b = matrix.AppendString(append(b, `,"status_msg":`...), p.Status)
	}
	return append(b, '}')
}

// EventFilter is which events a client wants (Client-Server API, "Filtering": EventFilter). The zero value is all.
type EventFilter struct {
	Types, NotTypes     []string // with stars; nil Types are all
	Senders, NotSenders []matrix.UserID
	Rooms, NotRooms     []matrix.RoomID
	ContainsURL         *bool
	None                bool // nothing at all: a limit of 0
}

// All reports whether it leaves nothing out.
func (f *EventFilter) All() bool {
	return f.Types == nil && f.NotTypes == nil && f.Senders == nil && f.NotSenders == nil && f.Rooms == nil && f.NotRooms == nil && f.ContainsURL == nil && !f.None
}

func (f *EventFilter) typ(typ string) bool {
	return !f.None && (f.Types == nil || slices.ContainsFunc(f.Types, func(p string) bool { return wildcard(p, typ) })) &&
		!slices.ContainsFunc(f.NotTypes, func(p string) bool { return wildcard(p, typ) })
}

func (f *EventFilter) sender(who matrix.UserID) bool {
	return (f.Senders == nil || slices.Contains(f.Senders, who)) && !slices.Contains(f.NotSenders, who)
}

// Room reports whether a room's events are wanted.
func (f *EventFilter) Room(id matrix.RoomID) bool {
	return (f.Rooms == nil || slices.Contains(f.Rooms, id)) && !slices.Contains(f.NotRooms, id)
}

// Wants reports whether an event, given as it is stored, is wanted.
func (f *EventFilter) Wants(body []byte) bool {
	if f.All() {
		return true
	}
	typ, _ := matrix.LookupString(body, "type")
	sender, _ := matrix.LookupString(body, "sender")
	if !f.typ(typ) || !f.sender(matrix.UserID(sender)) {
		return false
	}
	if f.ContainsURL == nil {
		return true
	}
	_, has := matrix.LookupString(body, "content", "url")
	return has == *f.ContainsURL
}

// wildcard matches a type, in which a pattern's star stands for any text.
func wildcard(pattern, typ string) bool {
	first, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == typ
	}
	if !strings.HasPrefix(typ, first) {
		return false
	}
	typ = typ[len(first):]
	parts := strings.Split(rest, "*")
	for _, part := range parts[:len(parts)-1] {
		i := strings.Index(typ, part)
		if i < 0 {
			return false
		}
		typ = typ[i+len(part):]
	}
	return strings.HasSuffix(typ, parts[len(parts)-1])
}
