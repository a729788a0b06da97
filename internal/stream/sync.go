package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"despatch/internal/matrix"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// ErrToken means that a token was not made here.
var ErrToken = errors.New("this is not a token of this server")

// Token is a place in what a client has seen: of the record, and of the side stream.
type Token struct{ Pos, Side int64 }

func (t Token) String() string {
	return "s" + strconv.FormatInt(t.Pos, 10) + "_" + strconv.FormatInt(t.Side, 10)
}

// HistoryToken is a place in a room's history.
func HistoryToken(pos int64) string { return "t" + strconv.FormatInt(pos, 10) }

// ParseToken reads a token of /sync or of a room's history, for which Side is 0.
func ParseToken(s string) (Token, error) {
	var t Token
	var err error
	switch {
	case strings.HasPrefix(s, "t"):
		t.Pos, err = strconv.ParseInt(s[1:], 10, 64)
	case strings.HasPrefix(s, "s"):
		pos, side, ok := strings.Cut(s[1:], "_")
		if !ok {
			return t, ErrToken
		}
		side, _, _ = strings.Cut(side, "~") // what follows is of sliding sync
		t.Pos, err = strconv.ParseInt(pos, 10, 64)
		if err == nil {
			t.Side, err = strconv.ParseInt(side, 10, 64)
		}
	default:
		err = ErrToken
	}
	if err != nil || t.Pos < 0 || t.Side < 0 {
		return Token{}, ErrToken
	}
	return t, nil
}

// Filter is the part of a client's filter that changes what is sent.
type Filter struct {
	TimelineLimit int
	LazyMembers   bool
	IncludeLeave  bool
	Rooms         []matrix.RoomID // nil means all
	NotRooms      []matrix.RoomID
}

// Request is one request for what is new.
type Request struct {
	User      matrix.UserID
	Device    string
	Since     *Token // nil for everything
	FullState bool
	Timeout   time.Duration // how long to wait for something
	Filter    Filter
}

// Syncer assembles answers to /sync.
type Syncer struct {
	Hub *Hub
	DB  *sqldb.DB
	Now func() time.Time

	conns conns // of sliding sync
}

// Response is the answer to a request. It encodes itself.
type Response struct {
	Next                  Token
	Join, Invite, Leave   []byte // members of the objects, without braces
	Knock                 []byte
	AccountData, ToDevice []byte // elements of the arrays, without brackets
}

// AppendJSON implements httpd.Appender. The number of one-time keys is that which uploading some is
// answered with: with any lower one clients would upload more after every answer.
func (r *Response) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"next_batch":"`...)
	b = append(b, r.Next.String()...)
	b = append(b, '"')
	if len(r.AccountData) > 0 {
		b = append(append(append(b, `,"account_data":{"events":[`...), r.AccountData...), `]}`...)
	}
	if len(r.ToDevice) > 0 {
		b = append(append(append(b, `,"to_device":{"events":[`...), r.ToDevice...), `]}`...)
	}
	if len(r.Join)+len(r.Invite)+len(r.Leave)+len(r.Knock) > 0 {
		b = append(b, `,"rooms":{`...)
		sep := ""
		for _, part := range []struct {
			name string
			data []byte
		}{{"join", r.Join}, {"invite", r.Invite}, {"knock", r.Knock}, {"leave", r.Leave}} {
			if len(part.data) > 0 {
				b = append(b, sep...)
				b = append(append(append(append(b, '"'), part.name...), `":{`...), part.data...)
				b = append(b, '}')
				sep = ","
			}
		}
		b = append(b, '}')
	}
	return append(b, `,"device_one_time_keys_count":{"signed_curve25519":50},"device_unused_fallback_key_types":[]}`...), nil
}

func (r *Response) empty() bool {
	return len(r.Join)+len(r.Invite)+len(r.Leave)+len(r.Knock)+len(r.AccountData)+len(r.ToDevice) == 0
}

// Sync answers a request, waiting if there is nothing new (Client-Server API, "Syncing").
func (s *Syncer) Sync(ctx context.Context, req Request) (*Response, error) {
	if req.Since == nil || req.FullState {
		return s.answer(ctx, req)
	}
	deadline := time.NewTimer(req.Timeout)
	defer deadline.Stop()
	for {
		woken := s.Hub.waiter(req.User)
		resp, err := s.answer(ctx, req)
		if err != nil || !resp.empty() || req.Timeout <= 0 {
			return resp, err
		}
		// What concerned only others need not be looked at again.
		req.Since = &resp.Next
		select {
		case <-woken:
		case <-deadline.C:
			return resp, nil
		case <-s.Hub.closing:
			return resp, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// roomChange is what a request needs to know of one room, taken from the hub in one go.
type roomChange struct {
	info    RoomInfo
	member  membership
	events  []*Event // since the token, if they are all in memory
	behind  bool     // there may be more than events
	typing  []matrix.UserID
	typed   bool // typing has changed
	read    bool // there are new receipts
	unread  int  // -1 if not known
	touched bool
	own     []byte // the user's account data of the room that changed
}

// changes takes from the hub what may be new for the user since a token.
func (h *Hub) changes(req Request) (out []roomChange, next Token, data bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	next = Token{Pos: h.head, Side: h.settled()}
	u := h.users[req.User]
	if u == nil {
		return nil, next, req.Since == nil
	}
	var since Token
	var recent []*Event
	fresh := false
	if req.Since != nil {
		since = *req.Since
		recent, fresh = h.since(since.Pos)
	}
	data = u.dataSide > since.Side || req.Since == nil
	byRoom := make(map[matrix.RoomID][]*Event)
	for _, ev := range recent {
		if u.rooms[ev.RoomID] {
			byRoom[ev.RoomID] = append(byRoom[ev.RoomID], ev)
		}
	}
	consider := func(r *room) {
		c := roomChange{member: r.members[req.User], events: byRoom[r.id], unread: -1}
		all := req.Since == nil || req.FullState
		c.behind = !all && !fresh && r.last >= since.Pos
		c.typed = r.typeSide > since.Side && (req.Since != nil || len(r.typing) > 0)
		c.read = r.readSide > since.Side || all
		c.touched = all || c.behind || len(c.events) > 0 || c.typed || r.readSide > since.Side || c.member.pos >= since.Pos
		if !c.touched {
			return
		}
		c.info = RoomInfo{ID: r.id, Scope: r.scope, Version: r.version, Joined: r.joined, Invited: r.invited}
		for who := range r.typing {
			c.typing = append(c.typing, who)
		}
		slices.Sort(c.typing)
		if n, ok := r.unread[req.User]; ok {
			c.unread = n
		}
		out = append(out, c)
	}
	if fresh && next.Side == since.Side { // nothing but events can have changed
		for id := range byRoom {
			consider(h.rooms[id])
		}
	} else {
		for id := range u.rooms {
			consider(h.rooms[id])
		}
	}
	slices.SortFunc(out, func(a, b roomChange) int { return strings.Compare(string(a.info.ID), string(b.info.ID)) })
	return out, next, data
}

func (s *Syncer) answer(ctx context.Context, req Request) (*Response, error) {
	if req.Filter.TimelineLimit <= 0 {
		req.Filter.TimelineLimit = 20
	}
	changes, next, data := s.Hub.changes(req)
	resp := &Response{Next: next}
	var own map[matrix.RoomID][]byte
	if data {
		var err error
		if own, err = s.data(ctx, resp, req, next); err != nil {
			return nil, err
		}
	}
	for i := range changes {
		c := &changes[i]
		if !req.Filter.wants(c.info.ID) {
			continue
		}
		c.own = own[c.info.ID]
		delete(own, c.info.ID)
		if err := s.room(ctx, resp, req, c, next); err != nil {
			return nil, fmt.Errorf("sync room %s: %w", c.info.ID, err)
		}
	}
	for id, events := range own { // rooms in which nothing else is new
		if state, _ := s.Hub.Membership(id, req.User); state == "join" && req.Filter.wants(id) {
			resp.Join = member(resp.Join, id)
			// Some clients, such as matrix-nio, take no room without a timeline and a state.
			resp.Join = append(resp.Join, `"timeline":{"events":[],"limited":false,"prev_batch":"`...)
			resp.Join = append(append(resp.Join, HistoryToken(next.Pos)...), `"},"state":{"events":[]},"account_data":{"events":[`...)
			resp.Join = append(append(resp.Join, events...), `]}}`...)
		}
	}
	return resp, nil
}

func (f *Filter) wants(id matrix.RoomID) bool {
	return (f.Rooms == nil || slices.Contains(f.Rooms, id)) && !slices.Contains(f.NotRooms, id)
}

func (s *Syncer) room(ctx context.Context, resp *Response, req Request, c *roomChange, next Token) error {
	isNew := req.Since == nil || c.member.pos >= req.Since.Pos
	switch c.member.state {
	case "join":
		return s.joined(ctx, resp, req, c, next, isNew || req.FullState)
	case "invite":
		if isNew {
			return s.invited(ctx, resp, c, req.User)
		}
	case "leave", "ban":
		if req.Since != nil && isNew || req.Since == nil && req.Filter.IncludeLeave {
			return s.left(ctx, resp, req, c)
		}
	}
	return nil
}

// member begins the member of an object that bears a room's id.
func member(dst []byte, id matrix.RoomID) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = matrix.AppendString(dst, id)
	return append(dst, ':', '{')
}

// timeline is what is sent of a room's events.
type timeline struct {
	json    []byte
	start   int64 // position of the first event sent, or the end if none is
	limited bool
	senders []matrix.UserID
	count   int
}

// add adds what show appends, unless that is nothing because the event's body has been destroyed.
func (t *timeline) add(show func([]byte) []byte, sender matrix.UserID) {
	before := len(t.json)
	if t.count > 0 {
		t.json = append(t.json, ',')
	}
	mark := len(t.json)
	if t.json = show(t.json); len(t.json) == mark {
		t.json = t.json[:before]
		return
	}
	t.count++
	if !slices.Contains(t.senders, sender) {
		t.senders = append(t.senders, sender)
	}
}

// timeline takes the events of a room from since on: from memory if they are there, else from the database.
func (s *Syncer) timeline(ctx context.Context, req Request, c *roomChange, from, to int64, fromMemory bool) (*timeline, error) {
	v := Viewer{User: req.User, Device: req.Device, Now: s.Now().UnixMilli()}
	limit := req.Filter.TimelineLimit
	t := &timeline{start: to}
	if fromMemory {
		evs := c.events
		for len(evs) > 0 && evs[len(evs)-1].Pos >= to {
			evs = evs[:len(evs)-1]
		}
		if len(evs) > limit {
			t.limited = true
			evs = evs[len(evs)-limit:]
		}
		for _, ev := range evs {
			t.start = min(t.start, ev.Pos)
			t.add(func(b []byte) []byte { return ev.append(b, v) }, ev.Sender)
		}
		return t, nil
	}
	rows, err := store.Timeline(ctx, s.DB.Reader(), c.info.Scope, from, to, limit+1, false)
	if err != nil {
		return nil, err
	}
	if len(rows) > limit {
		t.limited = true
		rows = rows[len(rows)-limit:]
	}
	for i := range rows {
		row := &rows[i]
		t.start = min(t.start, row.Pos)
		sender, _ := matrix.LookupString(row.Body, "sender")
		var extra []byte
		if row.Class == store.ClassState || row.Class == store.ClassMembership {
			if extra, err = s.prevContent(ctx, c.info.Scope, row); err != nil {
				return nil, err
			}
		}
		t.add(func(b []byte) []byte { return AppendEvent(b, c.info.Version, c.info.ID, row, v, extra) }, matrix.UserID(sender))
	}
	return t, nil
}

// prevContent is the member of "unsigned" that says what a state event replaced.
func (s *Syncer) prevContent(ctx context.Context, scope int64, row *store.Event) ([]byte, error) {
	typ, _ := matrix.LookupString(row.Body, "type")
	key, _ := matrix.LookupString(row.Body, "state_key")
	old, err := store.StateEvent(ctx, s.DB.Reader(), scope, typ, key, row.Pos)
	if err == store.ErrNotFound || err == nil && (old.Pruned || old.Body == nil) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return append([]byte(`"prev_content":`), matrix.Lookup(old.Body, "content")...), nil
}

func (s *Syncer) joined(ctx context.Context, resp *Response, req Request, c *roomChange, next Token, whole bool) error {
	q := s.DB.Reader()
	from := int64(0)
	if whole {
		var err error
		if from, _, err = s.Hub.Visible(ctx, q, c.info.ID, req.User); err != nil {
			return err
		}
	} else {
		from = req.Since.Pos
	}
	t, err := s.timeline(ctx, req, c, from, next.Pos, !whole && !c.behind)
	if err != nil {
		return err
	}
	state, err := s.state(ctx, req, c, t, from, whole)
	if err != nil {
		return err
	}
	b := member(resp.Join, c.info.ID)
	b = append(b, `"timeline":{"events":[`...)
	b = append(b, t.json...)
	b = append(b, `],"limited":`...)
	b = strconv.AppendBool(b, t.limited)
	b = append(b, `,"prev_batch":"`...)
	b = append(b, HistoryToken(t.start)...)
	b = append(b, `"},"state":{"events":[`...)
	b = append(b, state...)
	b = append(b, `]}`...)
	if b, err = s.ephemeral(ctx, b, req, c); err != nil {
		return err
	}
	if len(c.own) > 0 {
		b = append(append(append(b, `,"account_data":{"events":[`...), c.own...), `]}`...)
	}
	unread := c.unread
	if unread < 0 {
		if unread, err = s.Hub.countUnread(ctx, q, c.info, req.User, c.member.pos, next.Pos); err != nil {
			return err
		}
	}
	b = append(b, `,"unread_notifications":{"highlight_count":0,"notification_count":`...)
	b = strconv.AppendInt(b, int64(unread), 10)
	b = append(b, '}')
	if b, err = s.summary(b, c, req.User, whole, len(state) > 0); err != nil {
		return err
	}
	resp.Join = append(b, '}')
	return nil
}

// maxUnread is the highest number of unread messages that is counted.
const maxUnread = 1000

// countUnread counts what somebody has not read, and remembers it if nothing has come since head.
func (h *Hub) countUnread(ctx context.Context, q sqldb.Queryer, info RoomInfo, who matrix.UserID, joinedAt, head int64) (int, error) {
	read, err := store.ReadUpTo(ctx, q, info.Scope, who)
	if err != nil {
		return 0, err
	}
	read = max(read, joinedAt)
	sender := SenderHash(who)
	sent, err := store.LastSent(ctx, q, info.Scope, read, sender)
	if err != nil {
		return 0, err
	}
	n, err := store.CountMessages(ctx, q, info.Scope, max(read, sent)+1, sender, maxUnread)
	if err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[info.ID]; r != nil && h.head == head {
		if _, ok := r.unread[who]; !ok {
			r.unread[who] = n
		}
	}
	return n, nil
}

// state is the state that the client cannot know: all of it for a room that is new to it, else what
// changed before the timeline begins. With lazy loading only those members are in it who said
// something, and the user.
func (s *Syncer) state(ctx context.Context, req Request, c *roomChange, t *timeline, from int64, whole bool) ([]byte, error) {
	q := s.DB.Reader()
	v := Viewer{User: req.User, Device: req.Device, Now: s.Now().UnixMilli()}
	var rows []store.Event
	var err error
	switch {
	case whole:
		rows, err = store.State(ctx, q, c.info.Scope, t.start, !req.Filter.LazyMembers)
	case t.limited:
		rows, err = store.StateSince(ctx, q, c.info.Scope, from, t.start)
	}
	if err != nil {
		return nil, err
	}
	if req.Filter.LazyMembers {
		if rows, err = s.lazy(ctx, rows, c, req, t, whole); err != nil {
			return nil, err
		}
	}
	var b []byte
	for i := range rows {
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

func (s *Syncer) lazy(ctx context.Context, rows []store.Event, c *roomChange, req Request, t *timeline, whole bool) ([]store.Event, error) {
	who := t.senders
	if whole && !slices.Contains(who, req.User) {
		who = append(who, req.User)
	}
	have := func(user matrix.UserID) bool {
		return slices.ContainsFunc(rows, func(e store.Event) bool {
			key, _ := matrix.LookupString(e.Body, "state_key")
			typ, _ := matrix.LookupString(e.Body, "type")
			return typ == matrix.TypeMember && key == string(user)
		})
	}
	for _, user := range who {
		if have(user) {
			continue
		}
		row, err := store.StateEvent(ctx, s.DB.Reader(), c.info.Scope, matrix.TypeMember, string(user), t.start)
		if err == store.ErrNotFound {
			continue // the join is in the timeline
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (s *Syncer) ephemeral(ctx context.Context, b []byte, req Request, c *roomChange) ([]byte, error) {
	var events []byte
	if c.typed {
		events = append(events, `{"type":"m.typing","content":{"user_ids":[`...)
		for i, who := range c.typing {
			if i > 0 {
				events = append(events, ',')
			}
			events = matrix.AppendString(events, who)
		}
		events = append(events, `]}}`...)
	}
	if c.read {
		after := int64(0)
		if req.Since != nil && !req.FullState && c.member.pos < req.Since.Pos {
			after = req.Since.Side
		}
		receipts, err := store.Receipts(ctx, s.DB.Reader(), c.info.Scope, after)
		if err != nil {
			return nil, err
		}
		if r := appendReceipts(nil, receipts, req.User); len(r) > 0 {
			if len(events) > 0 {
				events = append(events, ',')
			}
			events = append(events, r...)
		}
	}
	if len(events) == 0 {
		return b, nil
	}
	return append(append(append(b, `,"ephemeral":{"events":[`...), events...), `]}`...), nil
}

// appendReceipts appends an m.receipt event. Private receipts are shown to nobody but their owner, and
// m.fully_read is no receipt.
func appendReceipts(b []byte, receipts []store.Receipt, who matrix.UserID) []byte {
	type key struct {
		event matrix.EventID
		typ   string
	}
	groups := make(map[matrix.EventID]map[string][]store.Receipt)
	var order []key
	for _, r := range receipts {
		if r.Type != "m.read" && (r.Type != "m.read.private" || r.User != who) {
			continue
		}
		if groups[r.Event] == nil {
			groups[r.Event] = make(map[string][]store.Receipt)
		}
		if groups[r.Event][r.Type] == nil {
			order = append(order, key{r.Event, r.Type})
		}
		groups[r.Event][r.Type] = append(groups[r.Event][r.Type], r)
	}
	if len(order) == 0 {
		return b
	}
	slices.SortStableFunc(order, func(a, b key) int { return strings.Compare(string(a.event), string(b.event)) })
	b = append(b, `{"type":"m.receipt","content":{`...)
	for i, k := range order {
		switch {
		case i > 0 && order[i-1].event == k.event:
			b = append(b, ',')
		default:
			if i > 0 {
				b = append(b, `},`...)
			}
			b = matrix.AppendString(b, k.event)
			b = append(b, `:{`...)
		}
		b = matrix.AppendString(b, k.typ)
		b = append(b, `:{`...)
		for j, r := range groups[k.event][k.typ] {
			if j > 0 {
				b = append(b, ',')
			}
			b = matrix.AppendString(b, r.User)
			b = append(b, `:{"ts":`...)
			b = strconv.AppendInt(b, r.Time, 10)
			if r.Thread != "" {
				b = append(b, `,"thread_id":`...)
				b = matrix.AppendString(b, r.Thread)
			}
			b = append(b, '}')
		}
		b = append(b, '}')
	}
	return append(b, `}}}`...)
}

func appendData(b []byte, a store.AccountData) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = append(b, `{"type":`...)
	b = matrix.AppendString(b, a.Type)
	b = append(b, `,"content":`...)
	return append(append(b, a.Content...), '}')
}

// data adds the user's own account data, and returns that of rooms by room.
func (s *Syncer) data(ctx context.Context, resp *Response, req Request, next Token) (map[matrix.RoomID][]byte, error) {
	after := int64(0)
	if req.Since != nil && !req.FullState {
		after = req.Since.Side
	}
	all, err := store.AccountDataSince(ctx, s.DB.Reader(), req.User, after)
	if err != nil {
		return nil, err
	}
	err = store.ToDevice(ctx, s.DB.Reader(), req.User, req.Device, after, next.Side, func(content []byte) {
		if len(resp.ToDevice) > 0 {
			resp.ToDevice = append(resp.ToDevice, ',')
		}
		resp.ToDevice = append(resp.ToDevice, content...)
	})
	if err != nil {
		return nil, err
	}
	own := make(map[matrix.RoomID][]byte)
	for _, a := range all {
		switch {
		case a.Stream > next.Side: // the next answer's
		case a.Room == "":
			resp.AccountData = appendData(resp.AccountData, a)
		default:
			own[a.Room] = appendData(own[a.Room], a)
		}
	}
	return own, nil
}

// summary appends the numbers of members, and for a room without a name those after whom to call it.
func (s *Syncer) summary(b []byte, c *roomChange, who matrix.UserID, whole, stateChanged bool) ([]byte, error) {
	changed := whole || stateChanged
	for _, ev := range c.events {
		changed = changed || ev.Class == store.ClassMembership
	}
	if !changed && !c.behind {
		return b, nil
	}
	b = append(b, `,"summary":{"m.joined_member_count":`...)
	b = strconv.AppendInt(b, int64(c.info.Joined), 10)
	b = append(b, `,"m.invited_member_count":`...)
	b = strconv.AppendInt(b, int64(c.info.Invited), 10)
	b = append(b, `,"m.heroes":[`...)
	for i, hero := range s.Hub.heroes(c.info.ID, who) {
		if i > 0 {
			b = append(b, ',')
		}
		b = matrix.AppendString(b, hero)
	}
	return append(b, `]}`...), nil
}

// heroes are up to five others in a room (Client-Server API, "Calculating the display name for a room").
func (h *Hub) heroes(id matrix.RoomID, not matrix.UserID) []matrix.UserID {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.rooms[id]
	var here, gone []matrix.UserID
	for who, m := range r.members {
		switch {
		case who == not:
		case m.state == "join" || m.state == "invite":
			here = append(here, who)
		default:
			gone = append(gone, who)
		}
	}
	if len(here) == 0 {
		here = gone
	}
	slices.SortFunc(here, func(a, b matrix.UserID) int {
		if d := r.members[a].pos - r.members[b].pos; d != 0 {
			return int(min(1, max(-1, d)))
		}
		return strings.Compare(string(a), string(b))
	})
	return here[:min(5, len(here))]
}

// strippedTypes is the state that somebody who is invited is shown (Client-Server API, "Stripped state").
var strippedTypes = []string{matrix.TypeCreate, "m.room.name", "m.room.avatar", "m.room.topic", matrix.TypeJoinRules, "m.room.canonical_alias", "m.room.encryption", "m.room.retention", "org.despatch.classification"}

func (s *Syncer) invited(ctx context.Context, resp *Response, c *roomChange, who matrix.UserID) error {
	b := member(resp.Invite, c.info.ID)
	b = append(b, `"invite_state":{"events":[`...)
	first := true
	add := func(typ, key string) (sender string, err error) {
		row, err := store.StateEvent(ctx, s.DB.Reader(), c.info.Scope, typ, key, s.Hub.Head())
		if err == store.ErrNotFound || err == nil && row.Body == nil {
			return "", nil
		} else if err != nil {
			return "", err
		}
		ev, err := matrix.ParseStored(c.info.Version, store.EventID(row.Ref), row.Body)
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
			return err
		}
	}
	inviter, err := add(matrix.TypeMember, string(who))
	if err != nil {
		return err
	}
	if inviter != "" {
		if _, err := add(matrix.TypeMember, inviter); err != nil {
			return err
		}
	}
	resp.Invite = append(b, `]}}`...)
	return nil
}

// left sends the end of a room that the user is no longer in, up to and with their leaving.
func (s *Syncer) left(ctx context.Context, resp *Response, req Request, c *roomChange) error {
	from, to, err := s.Hub.Visible(ctx, s.DB.Reader(), c.info.ID, req.User)
	if err != nil {
		return err
	}
	if to == 0 { // never in it: an invitation that was withdrawn or declined
		from, to = c.member.pos, c.member.pos+1
	}
	if req.Since != nil {
		from = max(from, req.Since.Pos)
	}
	t, err := s.timeline(ctx, req, c, from, to, false)
	if err != nil {
		return err
	}
	b := member(resp.Leave, c.info.ID)
	b = append(b, `"timeline":{"events":[`...)
	b = append(b, t.json...)
	b = append(b, `],"limited":`...)
	b = strconv.AppendBool(b, t.limited)
	b = append(b, `,"prev_batch":"`...)
	b = append(b, HistoryToken(t.start)...)
	resp.Leave = append(b, `"},"state":{"events":[]}}`...)
	return nil
}
