package stream

import (
	"slices"
	"strconv"

	"hash/maphash"

	"despatch/internal/matrix"
	"despatch/internal/store"
)

// wants reports whether a state event is among those wanted, and whether among those of a wildcard.
func (r *RequiredState) wants(typ, key string) bool {
	for _, p := range r.Exclude {
		if p.covers(typ, key, false) {
			return false
		}
	}
	for _, p := range r.Include {
		if p.covers(typ, key, r.Lazy) {
			return true
		}
	}
	return false
}

func (p StatePattern) covers(typ, key string, lazy bool) bool {
	if p.Type == "*" && lazy && typ == matrix.TypeMember && p.Key == "*" {
		return false
	}
	return (p.Type == "*" || p.Type == typ) && (p.Key == "*" || p.Key == key)
}

// wanted reports whether a state event is wanted by any of some required states.
func (a *sliding) wanted(set uint64, typ, key string) bool {
	for i := range a.x.states {
		if set&(1<<i) != 0 && a.x.states[i].wants(typ, key) {
			return true
		}
	}
	return false
}

// members says which member events some required states ask for: all of them, those of some people, and
// those who are needed to show the timeline.
func (a *sliding) members(set uint64) (all bool, who []string, lazy bool) {
	for i := range a.x.states {
		if set&(1<<i) == 0 {
			continue
		}
		r := &a.x.states[i]
		lazy = lazy || r.Lazy
		for _, p := range r.Include {
			switch {
			case p.Type != matrix.TypeMember && p.Type != "*":
			case p.Key != "*":
				if p.Key != "" {
					who = append(who, p.Key)
				}
			case p.Type == "*" && r.Lazy:
			default:
				all = true
			}
		}
	}
	return all, who, lazy && !all
}

// stateRow is a state event to be sent, from memory or from the database.
type stateRow struct {
	typ, key string
	pos      int64
	show     func([]byte) []byte
	content  []byte
}

func (a *sliding) fromStore(r *slidingRoom, row *store.Event) stateRow {
	typ, _ := matrix.LookupString(row.Body, "type")
	key, _ := matrix.LookupString(row.Body, "state_key")
	return stateRow{typ, key, row.Pos, func(b []byte) []byte {
		return AppendEvent(b, r.info.Version, r.info.ID, row, a.v, nil)
	}, matrix.Lookup(row.Body, "content")}
}

func (a *sliding) fromMemory(ev *Event) stateRow {
	return stateRow{ev.Type, *ev.StateKey, ev.Pos, func(b []byte) []byte { return ev.append(b, a.v) }, ev.Content}
}

// result is what is told of one room.
type result struct {
	m        *match
	was      sentRoom
	known    bool
	initial  bool
	expanded bool
	t        timeline
	live     int
	targets  []matrix.UserID // of the membership events in the timeline
	state    []stateRow
	about    []stateRow // name, picture and the like, wanted or not
	from, to int64
}

// room tells what is new of a room, if anything is.
func (a *sliding) room(m *match) error {
	r := m.room
	was, known := a.sent(r.info.Scope)
	switch r.member.state {
	case "invite", "knock":
		if known && was.member == r.member.pos {
			return nil
		}
		return a.stripped(m)
	case "leave", "ban":
		if known && was.member == r.member.pos {
			return nil
		}
		if known && !was.joined {
			return a.withdrawn(m)
		}
	}
	known = known && was.joined
	res := &result{m: m, was: was, known: known, initial: !known || r.member.state == "join" && was.member != r.member.pos}
	if res.initial {
		return a.first(res)
	}
	return a.update(res)
}

// first sends a room from nothing.
func (a *sliding) first(res *result) error {
	r := res.m.room
	var err error
	if res.from, res.to, err = a.s.Hub.Visible(a.ctx, a.s.DB.Reader(), r.info.ID, a.req.User); err != nil {
		return err
	}
	if res.to == 0 {
		return a.withdrawn(res.m)
	}
	res.to = min(res.to, a.view.next.Pos)
	if err := a.stored(res, res.from); err != nil {
		return err
	}
	if err := a.wholeState(res, 0); err != nil {
		return err
	}
	if err := a.lazy(res); err != nil {
		return err
	}
	a.initials = append(a.initials, r.info.ID)
	return a.tell(res)
}

// update sends what is new of a room that the client has.
func (a *sliding) update(res *result) error {
	r := res.m.room
	left := r.member.state != "join"
	res.from, res.to = res.was.pos, a.view.next.Pos
	if left {
		res.to = min(res.to, r.member.pos+1)
	}
	news := r.last >= res.was.pos
	// The counts are asked for only where something may have changed them.
	res.expanded = int32(min(res.m.limit, noLimit)) > res.was.limit
	grown := res.m.state&^res.was.state != 0
	dm := a.view.data && a.x.direct[r.info.ID] != res.was.dm
	if !news && !res.expanded && !grown && !dm && !r.read {
		return nil
	}
	if !news && !res.expanded && !grown && !dm {
		n, err := a.unread(r)
		if err != nil || int32(n.Notify) == res.was.unread && int32(n.Highlight) == res.was.highlight {
			return err
		}
	}
	memory := r.fresh && res.was.pos >= a.x.at.Pos && !left
	switch {
	case res.expanded:
		from, to, err := a.s.Hub.Visible(a.ctx, a.s.DB.Reader(), r.info.ID, a.req.User)
		if err != nil {
			return err
		}
		res.to = min(res.to, to)
		if err := a.stored(res, from); err != nil {
			return err
		}
	case memory:
		a.recent(res)
	case news:
		if err := a.stored(res, res.from); err != nil {
			return err
		}
	default:
		res.t.start = res.to
	}
	if err := a.newState(res, memory); err != nil {
		return err
	}
	if grown {
		if err := a.wholeState(res, res.was.state); err != nil {
			return err
		}
	}
	if err := a.lazy(res); err != nil {
		return err
	}
	return a.tell(res)
}

// recent is the timeline of the events in memory.
func (a *sliding) recent(res *result) {
	r := res.m.room
	evs := r.events
	for len(evs) > 0 && evs[0].Pos < res.from {
		evs = evs[1:]
	}
	for len(evs) > 0 && evs[len(evs)-1].Pos >= res.to {
		evs = evs[:len(evs)-1]
	}
	res.t.start = res.to
	if len(evs) > res.m.limit {
		res.t.limited = true
		evs = evs[len(evs)-res.m.limit:]
	}
	for _, ev := range evs {
		res.t.start = min(res.t.start, ev.Pos)
		if a.ignored[ev.Sender] && !ev.IsState() {
			continue
		}
		res.t.add(func(b []byte) []byte { return ev.append(b, a.v) }, ev.Sender)
		res.live++
		if ev.Class == store.ClassMembership {
			res.targets = append(res.targets, matrix.UserID(*ev.StateKey))
		}
	}
}

// stored is the timeline of the events in the database.
func (a *sliding) stored(res *result, from int64) error {
	r := res.m.room
	res.t.start = res.to
	rows, err := store.Timeline(a.ctx, a.s.DB.Reader(), r.info.Scope, from, res.to, res.m.limit+1, false)
	if err != nil {
		return err
	}
	if len(rows) > res.m.limit {
		res.t.limited = true
		rows = rows[len(rows)-res.m.limit:]
	}
	extra, err := a.s.aggregates(a.ctx, r.info, rows, res.to, a.v)
	if err != nil {
		return err
	}
	for i := range rows {
		row := &rows[i]
		res.t.start = min(res.t.start, row.Pos)
		sender, _ := matrix.LookupString(row.Body, "sender")
		if a.ignored[matrix.UserID(sender)] && row.Class != store.ClassState && row.Class != store.ClassMembership {
			continue
		}
		more := extra[row.Pos]
		if row.Class == store.ClassState || row.Class == store.ClassMembership {
			if more, err = a.s.prevContent(a.ctx, r.info.Scope, rows[:i+1]); err != nil {
				return err
			}
		}
		res.t.add(func(b []byte) []byte { return AppendEvent(b, r.info.Version, r.info.ID, row, a.v, more) }, matrix.UserID(sender))
		if row.Pos >= a.x.at.Pos && a.x.acked != 0 {
			res.live++
		}
		if row.Class == store.ClassMembership {
			who, _ := matrix.LookupString(row.Body, "state_key")
			res.targets = append(res.targets, matrix.UserID(who))
		}
		if res.initial {
			if a.shown == nil {
				a.shown = make(map[int64][]matrix.EventID)
			}
			a.shown[r.info.Scope] = append(a.shown[r.info.Scope], store.EventID(row.Ref))
		}
	}
	return nil
}

// wholeState takes the state that is wanted and that some required states, which the client has, did not
// ask for.
func (a *sliding) wholeState(res *result, had uint64) error {
	r, q := res.m.room, a.s.DB.Reader()
	all, who, _ := a.members(res.m.state)
	rows, err := store.State(a.ctx, q, r.info.Scope, res.to, all)
	if err != nil {
		return err
	}
	if !all {
		for _, key := range who {
			row, err := store.StateEvent(a.ctx, q, r.info.Scope, matrix.TypeMember, key, res.to)
			if err == store.ErrNotFound {
				continue
			} else if err != nil {
				return err
			}
			rows = append(rows, row)
		}
	}
	for i := range rows {
		row := a.fromStore(r, &rows[i])
		if had == 0 {
			res.about = append(res.about, row)
		}
		if a.wanted(res.m.state, row.typ, row.key) && (had == 0 || !a.wanted(had, row.typ, row.key)) {
			res.put(row)
		}
	}
	return nil
}

// newState takes the state that has changed since the client was last told of the room.
func (a *sliding) newState(res *result, memory bool) error {
	r := res.m.room
	_, _, lazy := a.members(res.m.state)
	take := func(row stateRow) {
		res.about = append(res.about, row)
		// Where nothing was left out, changes of members are told too, so that a client can keep its list.
		if a.wanted(res.m.state, row.typ, row.key) || lazy && row.typ == matrix.TypeMember && !res.t.limited {
			res.put(row)
		}
	}
	if memory {
		for _, ev := range r.events {
			if ev.IsState() && ev.Pos >= res.from && ev.Pos < res.to {
				take(a.fromMemory(ev))
			}
		}
		return nil
	}
	if r.last < res.from {
		return nil
	}
	rows, err := store.StateSince(a.ctx, a.s.DB.Reader(), r.info.Scope, res.from, res.to)
	for i := range rows {
		take(a.fromStore(r, &rows[i]))
	}
	return err
}

// put adds a state event in place of an older one.
func (res *result) put(row stateRow) {
	i := slices.IndexFunc(res.state, func(s stateRow) bool { return s.typ == row.typ && s.key == row.key })
	if i >= 0 {
		res.state[i] = row
		return
	}
	res.state = append(res.state, row)
}

// lazy takes the members who are needed to show the timeline and whom the client has not been sent.
func (a *sliding) lazy(res *result) error {
	_, _, lazy := a.members(res.m.state)
	if !lazy {
		return nil
	}
	r := res.m.room
	who := slices.Clone(res.t.senders)
	for _, id := range res.targets {
		if !slices.Contains(who, id) {
			who = append(who, id)
		}
	}
	for _, id := range who {
		hash := a.memberHash(r.info.ID, id)
		_, has := a.x.members[hash]
		if has && !res.initial && !res.t.limited {
			continue
		}
		if slices.ContainsFunc(res.state, func(s stateRow) bool { return s.typ == matrix.TypeMember && s.key == string(id) }) {
			a.x.fresh = append(a.x.fresh, hash)
			continue
		}
		row, err := store.StateEvent(a.ctx, a.s.DB.Reader(), r.info.Scope, matrix.TypeMember, string(id), res.to)
		if err == store.ErrNotFound {
			continue
		} else if err != nil {
			return err
		}
		a.x.fresh = append(a.x.fresh, hash)
		res.put(a.fromStore(r, &row))
	}
	return nil
}

func (a *sliding) memberHash(room matrix.RoomID, who matrix.UserID) uint64 {
	var h maphash.Hash
	h.SetSeed(a.s.conns.seed)
	h.WriteString(string(room))
	h.WriteByte(0)
	h.WriteString(string(who))
	return h.Sum64()
}

func (a *sliding) unread(r *slidingRoom) (Count, error) {
	if r.unread == nil {
		var err error
		r.unread, err = a.s.Hub.unreadOf(a.ctx, a.s.DB.Reader(), r.info, a.req.User, r.member.pos, a.view.next.Pos)
		if err != nil {
			return Count{}, err
		}
	}
	return r.unread.All(), nil
}

// tell writes the result down and remembers it.
func (a *sliding) tell(res *result) error {
	r := res.m.room
	b := a.begin(res.m)
	if res.initial {
		b = append(b, `"initial":true,`...)
	}
	if res.expanded && !res.initial {
		if a.req.Stable {
			b = append(b, `"expanded_timeline":true,`...)
		} else {
			b = append(b, `"unstable_expanded_timeline":true,`...)
		}
	}
	b, err := a.naming(b, res)
	if err != nil {
		return err
	}
	dm := a.x.direct[r.info.ID]
	if dm || res.known && dm != res.was.dm {
		b = append(b, `"is_dm":`...)
		b = strconv.AppendBool(b, dm)
		b = append(b, ',')
	}
	if len(res.state) > 0 {
		b = append(b, `"required_state":[`...)
		mark := len(b)
		for _, row := range res.state {
			start := len(b)
			if start > mark {
				b = append(b, ',')
			}
			from := len(b)
			if b = row.show(b); len(b) == from {
				b = b[:start]
			}
		}
		b = append(b, `],`...)
	}
	b = append(b, `"timeline":[`...)
	b = append(b, res.t.json...)
	b = append(b, `],"prev_batch":"`...)
	b = append(b, HistoryToken(res.t.start)...)
	b = append(b, `","limited":`...)
	b = strconv.AppendBool(b, res.t.limited)
	b = append(b, `,"num_live":`...)
	b = strconv.AppendInt(b, int64(res.live), 10)
	now := sentRoom{pos: res.to, member: r.member.pos, unread: -1, state: res.m.state | res.was.state, lists: res.m.lists, dm: dm, joined: true}
	now.limit = max(res.was.limit, int32(min(res.m.limit, noLimit)))
	if (res.initial || res.expanded) && !res.t.limited {
		now.limit = noLimit // there is nothing more
	}
	if res.initial {
		now.state = res.m.state
	}
	if r.member.state == "join" {
		now.pos = a.view.next.Pos
		n, err := a.unread(r)
		if err != nil {
			return err
		}
		now.unread, now.highlight = int32(n.Notify), int32(n.Highlight)
		if !a.req.Stable {
			b = append(b, `,"notification_count":`...)
			b = strconv.AppendInt(b, int64(n.Notify), 10)
			b = append(b, `,"highlight_count":`...)
			b = strconv.AppendInt(b, int64(n.Highlight), 10)
		}
	}
	a.end(append(b, '}'), res.m, now)
	return nil
}

// begin begins the member of "rooms" that is about a room.
func (a *sliding) begin(m *match) []byte {
	b := a.resp.rooms
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = matrix.AppendString(b, m.room.info.ID)
	b = append(b, `:{"membership":`...)
	b = matrix.AppendString(b, m.room.member.state)
	b = append(b, ',')
	if len(m.names) > 0 {
		b = append(b, `"lists":[`...)
		for i, name := range m.names {
			if i > 0 {
				b = append(b, ',')
			}
			b = matrix.AppendString(b, name)
		}
		b = append(b, `],`...)
	}
	return b
}

func (a *sliding) end(b []byte, m *match, now sentRoom) {
	a.resp.rooms = b
	a.resp.news = true
	a.resp.count++
	a.x.delta[m.room.info.Scope] = now
}

// naming appends the name, the picture, the people after whom a room without a name is called, their
// numbers, and the stamp of the last message.
func (a *sliding) naming(b []byte, res *result) ([]byte, error) {
	r := res.m.room
	named, members := false, res.initial
	text := func(row *stateRow, field string) string {
		s, _ := matrix.LookupString(row.content, field)
		return s
	}
	for i := range res.about {
		row := &res.about[i]
		switch {
		case row.typ == "m.room.name" && row.key == "":
			name := text(row, "name")
			if named = name != ""; named {
				b = append(b, `"name":`...)
				b = append(matrix.AppendString(b, name), ',')
			} else if !res.initial {
				members = true
				if a.req.Stable {
					b = append(b, `"name":null,`...)
				}
			}
		case row.typ == "m.room.avatar" && row.key == "":
			if url := text(row, "url"); url != "" {
				b = append(b, `"avatar":`...)
				b = append(matrix.AppendString(b, url), ',')
			} else if !res.initial {
				b = append(b, `"avatar":null,`...)
			}
		case row.typ == matrix.TypeMember:
			members = true
		}
	}
	if members && !named {
		if !res.initial {
			row, err := store.StateEvent(a.ctx, a.s.DB.Reader(), r.info.Scope, "m.room.name", "", res.to)
			if err != nil && err != store.ErrNotFound {
				return nil, err
			}
			name, _ := matrix.LookupString(row.Body, "content", "name")
			named = name != ""
		}
		if !named {
			var err error
			if b, err = a.heroes(b, r, res.to); err != nil {
				return nil, err
			}
		}
	}
	if members {
		b = append(b, `"joined_count":`...)
		b = strconv.AppendInt(b, int64(r.info.Joined), 10)
		b = append(b, `,"invited_count":`...)
		b = strconv.AppendInt(b, int64(r.info.Invited), 10)
		b = append(b, ',')
	}
	return a.bump(b, r)
}

// bump appends the stamp by which clients order rooms.
func (a *sliding) bump(b []byte, r *slidingRoom) ([]byte, error) {
	stamp := r.member.pos
	if r.member.state == "join" {
		if r.bump == 0 {
			last, err := store.LastMessage(a.ctx, a.s.DB.Reader(), r.info.Scope, a.view.next.Pos)
			if err != nil {
				return nil, err
			}
			if r.bump = last; last < 0 {
				r.bump = r.member.pos
			}
			a.s.Hub.setBump(r.info.ID, r.bump)
		}
		stamp = r.bump
	}
	b = append(b, `"bump_stamp":`...)
	b = strconv.AppendInt(b, stamp, 10)
	return append(b, ','), nil
}

func (a *sliding) heroes(b []byte, r *slidingRoom, before int64) ([]byte, error) {
	b = append(b, `"heroes":[`...)
	for i, who := range a.s.Hub.heroes(r.info.ID, a.req.User) {
		if i > 0 {
			b = append(b, ',')
		}
		row, err := store.StateEvent(a.ctx, a.s.DB.Reader(), r.info.Scope, matrix.TypeMember, string(who), before)
		if err != nil && err != store.ErrNotFound {
			return nil, err
		}
		b = append(b, `{"user_id":`...)
		b = matrix.AppendString(b, who)
		for _, field := range []string{"displayname", "avatar_url"} {
			if s, ok := matrix.LookupString(row.Body, "content", field); ok {
				b = append(b, ',')
				b = matrix.AppendString(b, field)
				b = append(b, ':')
				b = matrix.AppendString(b, s)
			}
		}
		b = append(b, '}')
	}
	return append(b, `],`...), nil
}

// stripped tells of an invitation, or of a knock.
func (a *sliding) stripped(m *match) error {
	var list Response
	c := roomChange{info: m.room.info, member: m.room.member}
	if err := a.s.invited(a.ctx, &list, &c, a.req.User); err != nil {
		return err
	}
	state := matrix.Lookup(append(append([]byte{'{'}, list.Invite...), '}'), string(m.room.info.ID), "invite_state", "events")
	b := a.begin(m)
	b, err := a.bump(b, m.room)
	if err != nil {
		return err
	}
	b = append(b, `"initial":true,`...)
	if a.req.Stable {
		b = append(b, `"stripped_state":`...)
	} else {
		b = append(b, `"joined_count":`...)
		b = strconv.AppendInt(b, int64(m.room.info.Joined), 10)
		b = append(b, `,"invited_count":`...)
		b = strconv.AppendInt(b, int64(m.room.info.Invited), 10)
		if dm := a.x.direct[m.room.info.ID]; dm {
			b = append(b, `,"is_dm":true`...)
		}
		b = append(b, `,"invite_state":`...)
	}
	a.end(append(append(b, state...), '}'), m, sentRoom{pos: a.view.next.Pos, member: m.room.member.pos, lists: m.lists, unread: -1})
	return nil
}

// withdrawn tells of a room that the user was asked into and never was in: the own member event is all
// that there is to see of it.
func (a *sliding) withdrawn(m *match) error {
	r := m.room
	row, err := store.StateEvent(a.ctx, a.s.DB.Reader(), r.info.Scope, matrix.TypeMember, string(a.req.User), a.view.next.Pos)
	if err != nil && err != store.ErrNotFound {
		return err
	}
	b := a.begin(m)
	if b, err = a.bump(b, r); err != nil {
		return err
	}
	b = append(b, `"initial":true,"required_state":[`...)
	b = AppendEvent(b, r.info.Version, r.info.ID, &row, a.v, nil)
	b = append(b, `],"timeline":[`...)
	b = AppendEvent(b, r.info.Version, r.info.ID, &row, a.v, nil)
	a.end(append(b, `],"limited":false,"num_live":1}`...), m, sentRoom{pos: a.view.next.Pos, member: r.member.pos, lists: m.lists, unread: -1})
	return nil
}
