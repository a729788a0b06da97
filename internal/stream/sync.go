package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/internal/matrix"
	"despatch/internal/pushrule"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// ErrToken means that a token was not made here.
var ErrToken = errors.New("this is not a token of this server")

// Token is a place in what a client has seen: of the record, and of the side stream.
type Token struct {
	Pos, Side int64
	Ord       int64 // among what a bridge brought in before Pos; 0 if it is not there
}

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
		pos, ord, ok := strings.Cut(s[1:], ".")
		t.Pos, err = strconv.ParseInt(pos, 10, 64)
		if err == nil && ok {
			t.Ord, err = strconv.ParseInt(ord, 10, 64)
		}
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

	NoTimeline   bool // a limit of 0
	Threads      bool // count what is unread in threads by itself
	AllMembers   bool // with LazyMembers: members that the client has had are sent again
	StateAfter   bool // the state at the end of the timeline instead of at its beginning
	Timeline     EventFilter
	State        EventFilter
	Ephemeral    EventFilter
	RoomData     EventFilter // of rooms' account data
	Presence     EventFilter
	PersonalData EventFilter // of account data that belongs to no room
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
	Presence              []byte
	Changed, Left         []matrix.UserID // whose keys are others, and of whose one hears no more

	// Keys are the numbers of one-time keys that the device has left, and Unused the algorithms of its fallback
	// keys that nobody has been given: members of an object, and elements of an array.
	Keys, Unused []byte
}

// AppendJSON implements httpd.Appender.
func (r *Response) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"next_batch":"`...)
	b = append(b, r.Next.String()...)
	b = append(b, '"')
	for _, part := range []struct {
		name string
		data []byte
	}{{"account_data", r.AccountData}, {"presence", r.Presence}, {"to_device", r.ToDevice}} {
		if len(part.data) > 0 {
			b = append(append(append(b, `,"`...), part.name...), `":{"events":[`...)
			b = append(append(b, part.data...), `]}`...)
		}
	}
	if len(r.Changed)+len(r.Left) > 0 {
		b = append(b, `,"device_lists":{"changed":[`...)
		b = appendUsers(b, r.Changed)
		b = append(b, `],"left":[`...)
		b = append(appendUsers(b, r.Left), `]}`...)
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
	b = append(append(b, `,"device_one_time_keys_count":{`...), r.Keys...)
	b = append(append(b, `},"device_unused_fallback_key_types":[`...), r.Unused...)
	return append(b, `]}`...), nil
}

func appendUsers(b []byte, users []matrix.UserID) []byte {
	for i, who := range users {
		if i > 0 {
			b = append(b, ',')
		}
		b = matrix.AppendString(b, who)
	}
	return b
}

func (r *Response) empty() bool {
	return len(r.Join)+len(r.Invite)+len(r.Leave)+len(r.Knock)+len(r.AccountData)+len(r.ToDevice)+len(r.Presence)+
		len(r.Changed)+len(r.Left) == 0
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
	touched bool
	own     []byte // the user's account data of the room that changed

	sight   *Sight                 // what the user may see of it; set when it is needed
	ignored map[matrix.UserID]bool // whose messages they do not want
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
		c := roomChange{member: r.members[req.User], events: byRoom[r.id]}
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
	who, err := s.others(ctx, req, changes, next)
	if err != nil {
		return nil, err
	}
	who.tell(s.Hub, resp, req, s.Now().UnixMilli())
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
	skipped bool // events between were left out, because the client does not want them
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

// prevContent is the member of "unsigned" that says what a state event, the last of some consecutive
// events of a room, replaced.
func (s *Syncer) prevContent(ctx context.Context, scope int64, rows []store.Event) ([]byte, error) {
	i := len(rows) - 1
	row := &rows[i]
	typ, _ := matrix.LookupString(row.Body, "type")
	key, _ := matrix.LookupString(row.Body, "state_key")
	for j := i - 1; j >= 0; j-- {
		if old := &rows[j]; old.Class == row.Class && old.Body != nil {
			oldType, _ := matrix.LookupString(old.Body, "type")
			oldKey, _ := matrix.LookupString(old.Body, "state_key")
			if oldType == typ && oldKey == key {
				if old.Pruned {
					return nil, nil
				}
				return append([]byte(`"prev_content":`), matrix.Lookup(old.Body, "content")...), nil
			}
		}
	}
	if first, _ := matrix.LookupString(rows[0].Body, "type"); first == matrix.TypeCreate {
		return nil, nil // all that there ever was is among the rows
	}
	old, err := store.StateEvent(ctx, s.DB.Reader(), scope, typ, key, row.Pos)
	if err == store.ErrNotFound || err == nil && (old.Pruned || old.Body == nil) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return append([]byte(`"prev_content":`), matrix.Lookup(old.Body, "content")...), nil
}

func (s *Syncer) lazy(ctx context.Context, rows []store.Event, c *roomChange, req Request, t *timeline, end int64, whole bool) ([]store.Event, error) {
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
		row, err := store.StateEvent(ctx, s.DB.Reader(), c.info.Scope, matrix.TypeMember, string(user), end)
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
	if !req.Filter.Ephemeral.Room(c.info.ID) {
		return b, nil
	}
	if c.typed && req.Filter.Ephemeral.typ("m.typing") {
		events = append(events, `{"type":"m.typing","content":{"user_ids":[`...)
		for i, who := range c.typing {
			if i > 0 {
				events = append(events, ',')
			}
			events = matrix.AppendString(events, who)
		}
		events = append(events, `]}}`...)
	}
	if c.read && req.Filter.Ephemeral.typ("m.receipt") {
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
	if after == 0 && !slices.ContainsFunc(all, func(a store.AccountData) bool { return a.Room == "" && a.Type == "m.push_rules" }) {
		rules, err := predefinedRules(req.User)
		if err != nil {
			return nil, err
		}
		all = append(all, rules)
	}
	own := make(map[matrix.RoomID][]byte)
	for _, a := range all {
		switch {
		case a.Stream > next.Side: // the next answer's
		case a.Room == "":
			if req.Filter.PersonalData.typ(a.Type) {
				resp.AccountData = appendData(resp.AccountData, a)
			}
		case !req.Filter.RoomData.typ(a.Type) || !req.Filter.RoomData.Room(a.Room):
		default:
			own[a.Room] = appendData(own[a.Room], a)
		}
	}
	return own, nil
}

// predefinedRules are the push rules of somebody who has changed none, as account data.
func predefinedRules(who matrix.UserID) (store.AccountData, error) {
	raw, err := json.Marshal(map[string]*pushrule.Rules{"global": pushrule.Predefined(who)})
	return store.AccountData{User: who, Type: "m.push_rules", Content: raw}, err
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
