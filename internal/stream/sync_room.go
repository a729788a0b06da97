package stream

import (
	"context"
	"math"
	"slices"
	"strconv"

	"despatch/internal/matrix"
	"despatch/internal/store"
)

func (s *Syncer) room(ctx context.Context, resp *Response, req Request, c *roomChange, next Token) error {
	isNew := req.Since == nil || c.member.pos >= req.Since.Pos
	switch c.member.state {
	case "join":
		return s.joined(ctx, resp, req, c, next, isNew || req.FullState)
	case "invite":
		if isNew || req.FullState {
			return s.invited(ctx, resp, c, req.User)
		}
	case "knock":
		if isNew || req.FullState {
			return s.knocked(ctx, resp, c, req.User)
		}
	case "leave", "ban":
		if req.Since != nil && isNew || (req.Since == nil || req.FullState) && req.Filter.IncludeLeave && !c.member.forgotten {
			return s.left(ctx, resp, req, c)
		}
	}
	return nil
}

func (s *Syncer) joined(ctx context.Context, resp *Response, req Request, c *roomChange, next Token, whole bool) error {
	q := s.DB.Reader()
	from := int64(0)
	mine, err := s.Hub.personalOf(ctx, q, req.User)
	if err != nil {
		return err
	}
	c.ignored = mine.ignored
	c.sight = joinedSight(c.member.pos)
	if whole || c.behind {
		if c.sight, err = s.Hub.Sight(ctx, q, c.info.ID, req.User); err != nil {
			return err
		}
	}
	if whole {
		from, _ = c.sight.Bounds()
	} else {
		from = req.Since.Pos
	}
	t, err := s.timeline(ctx, req, c, from, next.Pos, !whole && !c.behind)
	if err != nil {
		return err
	}
	if whole && req.Since != nil && !req.FullState {
		t.limited = true // whatever the client had of the room before is not what precedes this
	}
	state, err := s.state(ctx, req, c, t, from, next.Pos, whole)
	if err != nil {
		return err
	}
	ephemeral, err := s.ephemeral(ctx, nil, req, c)
	if err != nil {
		return err
	}
	if !whole && t.count == 0 && !t.limited && len(state) == 0 && len(ephemeral) == 0 && len(c.own) == 0 && !c.read && !c.counts(req) {
		return nil // nothing that this client wants
	}
	b := member(resp.Join, c.info.ID)
	b = t.append(b)
	b = append(append(append(b, `,"`...), stateName(req)...), `":{"events":[`...)
	b = append(append(b, state...), `]}`...)
	b = append(b, ephemeral...)
	if len(c.own) > 0 {
		b = append(append(append(b, `,"account_data":{"events":[`...), c.own...), `]}`...)
	}
	unread, err := s.Hub.unreadOf(ctx, q, c.info, req.User, c.member.pos, next.Pos)
	if err != nil {
		return err
	}
	b = unread.append(b, req.Filter.Threads)
	if b, err = s.summary(b, c, req.User, whole, len(state) > 0); err != nil {
		return err
	}
	resp.Join = append(b, '}')
	return nil
}

// joinedSight is the sight of somebody who is in a room since a position, of what came since.
func joinedSight(since int64) *Sight {
	return &Sight{spans: []span{{0, math.MaxInt64}}, members: []turn{{since, "join"}}}
}

// counts reports whether a room is of interest although nothing of it is shown: its numbers may have changed.
func (c *roomChange) counts(req Request) bool {
	return c.typed && req.Filter.Ephemeral.All() || len(c.events) > 0 && req.Filter.Timeline.All() && req.Filter.State.All()
}

// stateName is what the state of a room is called in the answer.
func stateName(req Request) string {
	if req.Filter.StateAfter {
		return "state_after"
	}
	return "state"
}

// append appends the timeline as a member of a room.
func (t *timeline) append(b []byte) []byte {
	b = append(append(b, `"timeline":{"events":[`...), t.json...)
	b = strconv.AppendBool(append(b, `],"limited":`...), t.limited)
	b = append(append(b, `,"prev_batch":"`...), HistoryToken(t.start)...)
	return append(b, `"}`...)
}

// append appends the numbers of what is unread, those of threads by themselves if they are asked for.
func (u *Unread) append(b []byte, threads bool) []byte {
	n := u.All()
	if threads {
		n = u.Main
	}
	b = n.append(append(b, `,"unread_notifications":`...))
	if !threads || len(u.Threads) == 0 {
		return b
	}
	b = append(b, `,"unread_thread_notifications":{`...)
	ids := make([]matrix.EventID, 0, len(u.Threads))
	for id := range u.Threads {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = u.Threads[id].append(append(matrix.AppendString(b, id), ':'))
	}
	return append(b, '}')
}

func (n Count) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"highlight_count":`...), int64(n.Highlight), 10)
	b = strconv.AppendInt(append(b, `,"notification_count":`...), int64(n.Notify), 10)
	return append(b, '}')
}

// state is the state that the client cannot know: all of it for a room that is new to it, else what
// changed before the timeline begins; or, if it asks for that, before the timeline ends. With lazy loading only
// those members are in it who said something, and the user.
func (s *Syncer) state(ctx context.Context, req Request, c *roomChange, t *timeline, from, to int64, whole bool) ([]byte, error) {
	if !req.Filter.State.Room(c.info.ID) {
		return nil, nil
	}
	q := s.DB.Reader()
	v := Viewer{User: req.User, Device: req.Device, Now: s.Now().UnixMilli(), Sight: c.sight, Hub: s.Hub}
	end := t.start
	if req.Filter.StateAfter {
		end = to
	}
	var rows []store.Event
	var err error
	switch {
	case whole:
		rows, err = store.State(ctx, q, c.info.Scope, end, !req.Filter.LazyMembers)
	case t.limited || t.skipped || req.Filter.StateAfter && (c.behind || slices.ContainsFunc(c.events, func(ev *Event) bool { return ev.IsState() })):
		rows, err = store.StateSince(ctx, q, c.info.Scope, from, end)
	}
	if err != nil {
		return nil, err
	}
	if req.Filter.LazyMembers {
		if rows, err = s.lazy(ctx, rows, c, req, t, end, whole); err != nil {
			return nil, err
		}
	}
	var b []byte
	for i := range rows {
		if !req.Filter.State.Wants(rows[i].Body) {
			continue
		}
		mark := len(b)
		if mark > 0 {
			b = append(b, ',')
		}
		start := len(b)
		if b = AppendEvent(b, c.info.Version, c.info.ID, &rows[i], v, nil); len(b) == start {
			b = b[:mark]
		}
	}
	return b, nil
}

// maxFiltered bounds how many events are looked at for those that a filter wants.
const maxFiltered = 2000

// timeline takes the events of a room from since on: from memory if they are there, else from the database.
func (s *Syncer) timeline(ctx context.Context, req Request, c *roomChange, from, to int64, fromMemory bool) (*timeline, error) {
	v := Viewer{User: req.User, Device: req.Device, Now: s.Now().UnixMilli(), Sight: c.sight, Hub: s.Hub}
	t := &timeline{start: to}
	if req.Filter.NoTimeline || !req.Filter.Timeline.Room(c.info.ID) {
		t.skipped = true
		t.limited = req.Filter.NoTimeline && (len(c.events) > 0 || !fromMemory)
		return t, nil
	}
	if fromMemory {
		t.recent(req, c, to, v)
		return t, nil
	}
	rows, more, err := s.Stored(ctx, c.info, from, to, req.Filter.TimelineLimit, false, func(row *store.Event) bool {
		if c.sight != nil && !c.sight.Sees(row.Pos) || !req.Filter.Timeline.Wants(row.Body) {
			return false
		}
		sender, _ := matrix.LookupString(row.Body, "sender")
		return !c.ignored[matrix.UserID(sender)] || row.Class == store.ClassState || row.Class == store.ClassMembership
	})
	if err != nil {
		return nil, err
	}
	t.limited = more
	for i := range rows {
		row := &rows[i]
		t.start = min(t.start, row.Pos)
		sender, _ := matrix.LookupString(row.Body, "sender")
		var extra []byte
		if row.Class == store.ClassState || row.Class == store.ClassMembership {
			before := rows[:i+1]
			if !req.Filter.Timeline.All() { // then there may be others between them
				before = rows[i : i+1]
			}
			if extra, err = s.prevContent(ctx, c.info.Scope, before); err != nil {
				return nil, err
			}
		}
		t.add(func(b []byte) []byte { return AppendEvent(b, c.info.Version, c.info.ID, row, v, extra) }, matrix.UserID(sender))
	}
	return t, nil
}

// recent takes the events that are in memory.
func (t *timeline) recent(req Request, c *roomChange, to int64, v Viewer) {
	evs := c.events
	for len(evs) > 0 && evs[len(evs)-1].Pos >= to {
		evs = evs[:len(evs)-1]
	}
	if !req.Filter.Timeline.All() || len(c.ignored) > 0 {
		var wanted []*Event
		for _, ev := range evs {
			if req.Filter.Timeline.Wants(ev.JSON) && (!c.ignored[ev.Sender] || ev.IsState()) {
				wanted = append(wanted, ev)
			}
		}
		t.skipped = len(wanted) < len(evs)
		evs = wanted
	}
	if limit := req.Filter.TimelineLimit; len(evs) > limit {
		t.limited = true
		evs = evs[len(evs)-limit:]
	}
	for _, ev := range evs {
		t.start = min(t.start, ev.Pos)
		t.add(func(b []byte) []byte { return ev.append(b, v) }, ev.Sender)
	}
}

// Stored returns at most limit events of a room with from <= position < to that are wanted: the last of them, in
// order, or the first of them if forward; and whether there are more. It looks at a bounded number of events, and
// says that there are more if it stopped at the bound.
func (s *Syncer) Stored(ctx context.Context, info RoomInfo, from, to int64, limit int, forward bool, wants func(*store.Event) bool) (out []store.Event, more bool, err error) {
	for looked := 0; ; {
		rows, err := store.Timeline(ctx, s.DB.Reader(), info.Scope, from, to, limit+1, forward)
		if err != nil {
			return nil, false, err
		}
		looked += len(rows)
		whole := len(rows) <= limit
		if !forward {
			slices.Reverse(rows)
		}
		for i := range rows {
			if !wants(&rows[i]) {
				continue
			}
			if len(out) == limit {
				more = true
				break
			}
			out = append(out, rows[i])
		}
		if more || whole || looked >= maxFiltered {
			more = more || !whole
			break
		}
		if last := rows[len(rows)-1].Pos; forward {
			from = last + 1
		} else {
			to = last
		}
	}
	if !forward {
		slices.Reverse(out)
	}
	return out, more, nil
}

func (s *Syncer) invited(ctx context.Context, resp *Response, c *roomChange, who matrix.UserID) error {
	row, err := store.StateEvent(ctx, s.DB.Reader(), c.info.Scope, matrix.TypeMember, string(who), s.Hub.Head())
	if err != nil {
		return err
	}
	inviter, _ := matrix.LookupString(row.Body, "sender")
	if no, err := s.Hub.Ignores(ctx, s.DB.Reader(), who, matrix.UserID(inviter)); no || err != nil {
		return err
	}
	b := append(member(resp.Invite, c.info.ID), `"invite_state":{"events":[`...)
	if b, err = s.Stripped(ctx, b, c.info, who); err == nil {
		resp.Invite = append(b, `]}}`...)
	}
	return err
}

// knocked sends what somebody may see of a room at which they have knocked.
func (s *Syncer) knocked(ctx context.Context, resp *Response, c *roomChange, who matrix.UserID) error {
	b := append(member(resp.Knock, c.info.ID), `"knock_state":{"events":[`...)
	b, err := s.Stripped(ctx, b, c.info, who)
	if err == nil {
		resp.Knock = append(b, `]}}`...)
	}
	return err
}

// strippedTypes is the state that somebody who is invited is shown (Client-Server API, "Stripped state").
var strippedTypes = []string{matrix.TypeCreate, "m.room.name", "m.room.avatar", "m.room.topic", matrix.TypeJoinRules, "m.room.canonical_alias", "m.room.encryption", "m.room.retention", "org.despatch.classification"}

// Stripped appends the state of a room that those are shown who are invited to it or knock at it.
func (s *Syncer) Stripped(ctx context.Context, b []byte, info RoomInfo, who matrix.UserID) ([]byte, error) {
	first := true
	add := func(typ, key string) (sender string, err error) {
		row, err := store.StateEvent(ctx, s.DB.Reader(), info.Scope, typ, key, s.Hub.Head())
		if err == store.ErrNotFound || err == nil && row.Body == nil {
			return "", nil
		} else if err != nil {
			return "", err
		}
		ev, err := matrix.ParseStored(info.Version, store.EventID(row.Ref), row.Body)
		if err != nil {
			return "", err
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = ev.AppendStripped(b)
		return string(ev.Sender), nil
	}
	for _, typ := range strippedTypes {
		if _, err := add(typ, ""); err != nil {
			return nil, err
		}
	}
	inviter, err := add(matrix.TypeMember, string(who))
	if err == nil && inviter != "" && inviter != string(who) {
		_, err = add(matrix.TypeMember, inviter)
	}
	return b, err
}

// left sends the end of a room that the user is no longer in, up to and with their leaving.
func (s *Syncer) left(ctx context.Context, resp *Response, req Request, c *roomChange) error {
	sight, err := s.Hub.Sight(ctx, s.DB.Reader(), c.info.ID, req.User)
	if err != nil {
		return err
	}
	c.sight = sight
	from, to := sight.Bounds()
	if to = min(to, c.member.pos+1); to <= c.member.pos { // never in it: an invitation that was withdrawn or declined
		from, to = c.member.pos, c.member.pos+1
		c.sight = &Sight{spans: []span{{from, to}}, members: sight.members}
	}
	begin := int64(0)
	if req.Since != nil && !req.FullState {
		begin = req.Since.Pos
		from = max(from, begin)
	}
	t, err := s.timeline(ctx, req, c, from, to, false)
	if err != nil {
		return err
	}
	var state []byte
	if sight.Membership(c.member.pos-1) == "join" {
		if state, err = s.state(ctx, req, c, t, begin, to, req.Since == nil || req.FullState); err != nil {
			return err
		}
	}
	b := t.append(member(resp.Leave, c.info.ID))
	b = append(append(append(b, `,"`...), stateName(req)...), `":{"events":[`...)
	resp.Leave = append(append(b, state...), `]}}`...)
	return nil
}
