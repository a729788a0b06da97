package stream

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"despatch/internal/matrix"
)

// Sliding sync (MSC4186): a client says which windows onto its list of rooms it looks at, and is told what
// is new in them. What it has been told is remembered here, a connection at a time, in memory only: a
// connection that is forgotten, as after a restart, begins anew.

// ErrUnknownPos means that a connection is not known any more, or is not the asker's: begin without a pos.
var ErrUnknownPos = errors.New("this connection is not known here any more; begin again without pos")

// ErrEnded means that the device was signed out while it waited.
var ErrEnded = errors.New("the device was signed out")

// Bounds of what is remembered of connections.
const (
	MaxSlidingLists  = 100 // in one request; subscriptions too
	maxConns         = 8   // of one device; beyond it the one not used longest is forgotten
	maxAllConns      = 50_000
	maxConnRooms     = 20_000    // that a connection has been sent; beyond it it has to begin again
	maxAllConnRooms  = 2_000_000 // of all connections together, about 200 MB
	maxConnMembers   = 4096      // members a connection is known to have; beyond it they are sent again
	maxRoomsAnAnswer = 500       // further ones follow in the next answers
	connIdle         = 24 * time.Hour
)

// StatePattern says which state events are wanted; "*" stands for any type or any key.
type StatePattern struct{ Type, Key string }

// RequiredState says which of a room's state is wanted.
type RequiredState struct {
	Include, Exclude []StatePattern
	// Lazy asks for the members who are needed to show the timeline; a type of "*" then leaves members out.
	Lazy bool
}

// RoomConfig says what is wanted of a room.
type RoomConfig struct {
	Limit int // of events in the timeline
	State RequiredState
}

// SlidingList is a window onto the rooms that a filter lets through.
type SlidingList struct {
	RoomConfig
	Ranges [][2]int // both ends inclusive; nil for all
	Filter SlidingFilter
}

// SlidingFilter says which rooms are in a list; what is nil lets any through.
type SlidingFilter struct {
	DM, Encrypted, Invited *bool
	Spaces                 []matrix.RoomID
	Types, NotTypes        []string // "" is a room without a type
	Tags, NotTags          []string
}

// Extension says of which rooms something beside events is wanted.
type Extension struct {
	Enabled bool
	Lists   []string        // nil for all
	Rooms   []matrix.RoomID // of the subscriptions; nil for all
}

// SlidingRequest is a request of sliding sync.
type SlidingRequest struct {
	User     matrix.UserID
	Device   string
	Conn     string
	Pos      string // "" for a new connection
	Stable   bool   // the answer has the form of /v4/sync rather than that of the unstable path
	Timeout  time.Duration
	Ended    <-chan struct{} // closed when the device is signed out
	Lists    map[string]SlidingList
	Rooms    map[matrix.RoomID]RoomConfig
	ToDevice struct {
		Enabled bool
		Since   int64
		Limit   int
	}
	E2EE bool
	// Keys tells which keys the device has left: members of an object, and elements of an array.
	Keys                          func() (counts, unused []byte, err error)
	AccountData, Receipts, Typing Extension
}

// SlidingResponse is the answer to a request of sliding sync. It encodes itself.
type SlidingResponse struct {
	Pos   string
	lists []byte // members of the objects, without braces
	rooms []byte
	ext   []byte
	news  bool // there is something in it worth an answer
	more  bool // there are rooms that did not fit
	count int
}

// AppendJSON implements httpd.Appender.
func (r *SlidingResponse) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"pos":`...)
	b = matrix.AppendString(b, r.Pos)
	b = append(append(b, `,"lists":{`...), r.lists...)
	b = append(append(b, `},"rooms":{`...), r.rooms...)
	b = append(append(b, `},"extensions":{`...), r.ext...)
	return append(b, `}}`...), nil
}

// connKey names a connection.
type connKey struct {
	user         matrix.UserID
	device, conn string
}

// sentRoom is what a connection has been sent of a room.
type sentRoom struct {
	pos       int64 // events below it
	member    int64 // the position of the membership at that time
	limit     int32 // the longest timeline
	unread    int32 // the count, or -1
	highlight int32
	state     uint64 // which of the connection's required states
	lists     uint64 // a bit for each list it was in, by name; those beyond 63 share the last
	dm        bool
	joined    bool // sent as a room that the user is in
}

// conns are the connections there are.
type conns struct {
	mu    sync.Mutex
	all   map[connKey]*slidingConn
	swept time.Time
	seed  maphash.Seed
}

// slidingConn is one connection. There is one request at a time; a newer one ends the older.
type slidingConn struct {
	nonce uint64

	used atomic.Int64 // milliseconds
	size atomic.Int64 // rooms
	gone atomic.Bool

	mu      sync.Mutex
	turn    chan struct{} // closed when a newer request comes
	seq     int64         // of the answer given last
	acked   int64         // of the answer that the client's last request was built on
	at, to  Token         // places of those answers
	config  string
	pending string             // the config of the answer given last
	rooms   map[int64]sentRoom // by scope, as of the answer that is acknowledged
	delta   map[int64]sentRoom // what the answer given last changes of it
	members map[uint64]struct{}
	fresh   []uint64        // members sent in the answer given last
	states  []RequiredState // every one ever asked for
	keys    []string        // of them
	counts  map[string]int  // of lists, as of the last look at all rooms
	direct  map[matrix.RoomID]bool
	ext     uint8 // extensions that have been on, as of the acknowledged answer
	extNew  uint8
}

func (c *conns) init() {
	if c.all == nil {
		c.all, c.seed = make(map[connKey]*slidingConn), maphash.MakeSeed()
	}
}

// open makes a connection, in place of the one of its name.
func (c *conns) open(key connKey, now time.Time) *slidingConn {
	var raw [8]byte
	rand.Read(raw[:])
	x := &slidingConn{nonce: binary.BigEndian.Uint64(raw[:]), turn: make(chan struct{}),
		rooms: make(map[int64]sentRoom), members: make(map[uint64]struct{})}
	x.used.Store(now.UnixMilli())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.init()
	c.drop(key)
	c.makeRoom(key, now)
	c.all[key] = x
	return x
}

// drop forgets a connection and ends the request it waits in.
func (c *conns) drop(key connKey) {
	old := c.all[key]
	if old == nil {
		return
	}
	delete(c.all, key)
	old.gone.Store(true)
	go func() { // the connection may be busy, and nobody need wait for it
		old.mu.Lock()
		defer old.mu.Unlock()
		old.takeTurn()
	}()
}

// makeRoom forgets connections that are too many or have not been used for long.
func (c *conns) makeRoom(key connKey, now time.Time) {
	type use struct {
		key  connKey
		used time.Time
		size int64
	}
	look := now.Sub(c.swept) > time.Minute || len(c.all) >= maxAllConns
	var own, others []use
	rooms := int64(0)
	for k, x := range c.all {
		mine := k.user == key.user && k.device == key.device
		if !mine && !look {
			continue
		}
		u := use{k, time.UnixMilli(x.used.Load()), x.size.Load()}
		rooms += u.size
		if mine {
			own = append(own, u)
		} else {
			others = append(others, u)
		}
	}
	older := func(a, b use) int { return a.used.Compare(b.used) }
	slices.SortFunc(own, older)
	for len(own) >= maxConns {
		c.drop(own[0].key)
		rooms -= own[0].size
		own = own[1:]
	}
	if !look {
		return
	}
	c.swept = now
	slices.SortFunc(others, older)
	for _, u := range others {
		if now.Sub(u.used) < connIdle && rooms < maxAllConnRooms && len(c.all) < maxAllConns {
			break
		}
		c.drop(u.key)
		rooms -= u.size
	}
}

// find returns the connection of a pos.
func (c *conns) find(key connKey) *slidingConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[key]
}

// pos is the token of an answer. As a token of /messages it is the place of the answer.
func (x *slidingConn) pos(at Token, seq int64) string {
	return at.String() + "~" + strconv.FormatUint(x.nonce, 36) + "." + strconv.FormatInt(seq, 36)
}

// accept takes in a request: its pos tells which answer the client has.
func (x *slidingConn) accept(pos string, now time.Time) error {
	_, rest, _ := strings.Cut(pos, "~")
	nonce, seq, ok := strings.Cut(rest, ".")
	if !ok || nonce != strconv.FormatUint(x.nonce, 36) || x.gone.Load() {
		return ErrUnknownPos
	}
	n, err := strconv.ParseInt(seq, 36, 64)
	switch {
	case err != nil || n != x.seq && n != x.acked || n == 0:
		return ErrUnknownPos
	case n == x.seq && n != x.acked:
		maps.Copy(x.rooms, x.delta)
		if len(x.rooms) > maxConnRooms {
			return ErrUnknownPos
		}
		if len(x.members)+len(x.fresh) > maxConnMembers {
			clear(x.members)
		}
		for _, m := range x.fresh {
			x.members[m] = struct{}{}
		}
		x.acked, x.at, x.config, x.ext = n, x.to, x.pending, x.extNew
	default:
		x.direct = nil // the answer in which it may have changed was lost
	}
	x.delta, x.fresh = nil, nil
	x.used.Store(now.UnixMilli())
	return nil
}

// takeTurn ends the request that waits and returns the channel that ends this one.
func (x *slidingConn) takeTurn() chan struct{} {
	close(x.turn)
	x.turn = make(chan struct{})
	return x.turn
}

// stateBit returns the bit of a required state among those of the connection; ok is false if there have
// been too many.
func (x *slidingConn) stateBit(want RequiredState) (bit uint64, ok bool) {
	key := fmt.Sprintf("%q %q %t", want.Include, want.Exclude, want.Lazy)
	i := slices.Index(x.keys, key)
	if i < 0 {
		if i = len(x.keys); i == 64 {
			return 0, false
		}
		x.keys, x.states = append(x.keys, key), append(x.states, want)
	}
	return 1 << i, true
}

// Sliding answers a request of sliding sync, waiting if there is nothing new (MSC4186).
func (s *Syncer) Sliding(ctx context.Context, req SlidingRequest) (*SlidingResponse, error) {
	key := connKey{req.User, req.Device, req.Conn}
	var x *slidingConn
	if req.Pos == "" {
		x = s.conns.open(key, s.Now())
	} else if x = s.conns.find(key); x == nil {
		return nil, ErrUnknownPos
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if req.Pos != "" {
		if err := x.accept(req.Pos, s.Now()); err != nil {
			return nil, err
		}
	}
	turn := x.takeTurn()
	deadline := time.NewTimer(req.Timeout)
	defer deadline.Stop()
	for {
		woken := s.Hub.waiter(req.User)
		resp, err := s.slide(ctx, x, req)
		if err != nil {
			return nil, err
		}
		if resp.news || req.Pos == "" || req.Timeout <= 0 {
			return x.issue(resp), nil
		}
		// Nothing in what was looked at concerns the client: it need not be looked at again.
		x.at, x.delta, x.fresh = x.to, nil, nil
		x.config, x.ext = x.pending, x.extNew
		x.mu.Unlock()
		over := false
		select {
		case <-woken:
		case <-deadline.C:
			over = true
		case <-turn:
			over = true
		case <-s.Hub.closing:
			over = true
		case <-req.Ended:
			x.mu.Lock()
			return nil, ErrEnded
		case <-ctx.Done():
			x.mu.Lock()
			return nil, ctx.Err()
		}
		x.mu.Lock()
		select {
		case <-turn: // another request has taken over; nobody reads this answer
			return &SlidingResponse{Pos: req.Pos, lists: resp.lists, ext: resp.ext}, nil
		default:
		}
		if over {
			x.to, x.extNew = x.at, x.ext
			return x.issue(resp), nil
		}
	}
}

// issue gives an answer its token.
func (x *slidingConn) issue(resp *SlidingResponse) *SlidingResponse {
	x.seq++
	x.size.Store(int64(len(x.rooms) + len(x.delta)))
	resp.Pos = x.pos(x.to, x.seq)
	return resp
}

// match is how a room is looked at.
type match struct {
	room  *slidingRoom
	limit int
	state uint64
	lists uint64
	names []string
	sub   bool
}

// slide makes an answer from what is new since the acknowledged one.
func (s *Syncer) slide(ctx context.Context, x *slidingConn, req SlidingRequest) (*SlidingResponse, error) {
	initial := x.acked == 0
	config := configOf(&req)
	wanted := slices.Collect(maps.Keys(req.Rooms))
	all := initial || config != x.config || !topOnly(&req)
	view := s.Hub.slide(req.User, x.at, all, wanted)
	if initial {
		view.data = true
	}
	a := &sliding{s: s, ctx: ctx, x: x, req: &req, view: &view, resp: &SlidingResponse{},
		v: Viewer{User: req.User, Device: req.Device, Now: s.Now().UnixMilli(), Hub: s.Hub}}
	x.to, x.delta, x.fresh, x.extNew, x.pending = view.next, make(map[int64]sentRoom), nil, a.extensions(), config
	changed, err := a.loadData()
	if err != nil {
		return nil, err
	}
	if view.data && (changed || usesData(&req)) && !view.whole {
		data := view.data
		view = s.Hub.slide(req.User, x.at, true, wanted)
		x.to, view.data = view.next, data || view.data
	}
	mine, err := s.Hub.personalOf(ctx, s.DB.Reader(), req.User)
	if err != nil {
		return nil, err
	}
	a.ignored = mine.ignored
	matches, err := a.matches()
	if err != nil {
		return nil, err
	}
	for i := range matches {
		if a.resp.count >= maxRoomsAnAnswer {
			a.resp.more, x.pending = true, "" // the next request looks at everything again
			break
		}
		if err := a.room(&matches[i]); err != nil {
			return nil, fmt.Errorf("sliding sync of room %s: %w", matches[i].room.info.ID, err)
		}
	}
	if err := a.extend(matches); err != nil {
		return nil, err
	}
	return a.resp, nil
}

// configOf tells whether a request looks at the same windows as the one before.
func configOf(req *SlidingRequest) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(req.Lists)) {
		l := req.Lists[name]
		fmt.Fprintf(&b, "%q %d %v %q %q %t %s\n", name, l.Limit, l.Ranges, l.State.Include, l.State.Exclude, l.State.Lazy, l.Filter.text())
	}
	return b.String()
}

func (f *SlidingFilter) text() string {
	flag := func(p *bool) string {
		if p == nil {
			return "-"
		}
		return strconv.FormatBool(*p)
	}
	return fmt.Sprintf("%s%s%s%q%q%q%q%q", flag(f.DM), flag(f.Encrypted), flag(f.Invited), f.Spaces, f.Types, f.NotTypes, f.Tags, f.NotTags)
}

// topOnly reports whether every window begins at the top of its list: then only rooms in which something
// happened can be new in it.
func topOnly(req *SlidingRequest) bool {
	for _, l := range req.Lists {
		if len(l.Ranges) > 1 || len(l.Ranges) == 1 && l.Ranges[0][0] != 0 {
			return false
		}
	}
	return true
}

// usesData reports whether what is in a list depends on the tags of rooms.
func usesData(req *SlidingRequest) bool {
	for _, l := range req.Lists {
		if l.Filter.Tags != nil || l.Filter.NotTags != nil {
			return true
		}
	}
	return false
}

// sliding is one answer in the making.
type sliding struct {
	s    *Syncer
	ctx  context.Context
	x    *slidingConn
	req  *SlidingRequest
	view *slidingView
	resp *SlidingResponse
	v    Viewer

	ignored  map[matrix.UserID]bool // whose messages the user does not want
	tags     map[matrix.RoomID][]string
	spaces   map[matrix.RoomID]map[matrix.RoomID]bool // the children of the spaces asked for
	initials []matrix.RoomID                          // rooms sent for the first time
	shown    map[int64][]matrix.EventID               // events in the timelines of those, by scope
}

// sent is what the connection has of a room.
func (a *sliding) sent(scope int64) (sentRoom, bool) {
	if r, ok := a.x.delta[scope]; ok {
		return r, true
	}
	r, ok := a.x.rooms[scope]
	return r, ok
}

// matches finds the rooms that the request looks at, the most active first.
func (a *sliding) matches() ([]match, error) {
	rooms := a.view.rooms
	if err := a.s.kinds(a.ctx, rooms); err != nil {
		return nil, err
	}
	order := make([]*slidingRoom, 0, len(rooms))
	for i := range rooms {
		r := &rooms[i]
		ok, err := a.listed(r)
		if err != nil {
			return nil, err
		}
		if ok {
			order = append(order, r)
		}
	}
	slices.SortFunc(order, func(a, b *slidingRoom) int {
		return cmp.Or(cmp.Compare(b.activity(), a.activity()), strings.Compare(string(a.info.ID), string(b.info.ID)))
	})
	found := make(map[int64]*match)
	at := func(r *slidingRoom) *match {
		m := found[r.info.Scope]
		if m == nil {
			m = &match{room: r}
			found[r.info.Scope] = m
		}
		return m
	}
	if a.view.whole {
		a.x.counts = make(map[string]int, len(a.req.Lists))
	}
	for i, name := range slices.Sorted(maps.Keys(a.req.Lists)) {
		list := a.req.Lists[name]
		if err := a.window(order, &list, name, uint64(1)<<min(i, 63), at); err != nil {
			return nil, err
		}
		if len(a.resp.lists) > 0 {
			a.resp.lists = append(a.resp.lists, ',')
		}
		a.resp.lists = matrix.AppendString(a.resp.lists, name)
		a.resp.lists = append(a.resp.lists, `:{"count":`...)
		a.resp.lists = strconv.AppendInt(a.resp.lists, int64(a.x.counts[name]), 10)
		a.resp.lists = append(a.resp.lists, '}')
	}
	for _, r := range order {
		if c, ok := a.req.Rooms[r.info.ID]; ok {
			m := at(r)
			m.sub = true
			if err := a.add(m, c); err != nil {
				return nil, err
			}
		}
	}
	out := make([]match, 0, len(found))
	for _, r := range order {
		if m := found[r.info.Scope]; m != nil {
			out = append(out, *m)
		}
	}
	return out, nil
}

// listed reports whether a room is among those that a client can be shown at all: the ones that the user
// is in or asked into, and those that they are not in any more if the client knows them or others did it.
func (a *sliding) listed(r *slidingRoom) (bool, error) {
	switch r.member.state {
	case "join", "invite", "knock":
		return true, nil
	case "leave", "ban":
		if _, ok := a.sent(r.info.Scope); ok {
			return true, nil
		}
		return a.s.removed(a.ctx, r, a.req.User)
	}
	return false, nil
}

// window finds the rooms of one list that are within its window.
func (a *sliding) window(order []*slidingRoom, list *SlidingList, name string, bit uint64, at func(*slidingRoom) *match) error {
	index := 0
	for _, r := range order {
		ok, err := a.lets(&list.Filter, r)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		in := list.Ranges == nil
		for _, rg := range list.Ranges {
			in = in || rg[0] <= index && index <= rg[1]
		}
		if !a.view.whole && r.activity() < a.x.at.Pos {
			// Nothing happened in it, so it is where it was.
			s, known := a.sent(r.info.Scope)
			in = known && s.lists&bit != 0
		} else {
			index++
		}
		if in {
			m := at(r)
			m.lists |= bit
			m.names = append(m.names, name)
			if err := a.add(m, list.RoomConfig); err != nil {
				return err
			}
		}
	}
	if a.view.whole {
		a.x.counts[name] = index
	}
	return nil
}

// add widens what is wanted of a room.
func (a *sliding) add(m *match, c RoomConfig) error {
	bit, ok := a.x.stateBit(c.State)
	if !ok {
		return ErrUnknownPos
	}
	m.limit = max(m.limit, c.Limit)
	m.state |= bit
	return nil
}

// lets reports whether a filter lets a room through.
func (a *sliding) lets(f *SlidingFilter, r *slidingRoom) (bool, error) {
	kind := ""
	if r.kind != nil {
		kind = *r.kind
	}
	switch {
	case f.DM != nil && *f.DM != a.x.direct[r.info.ID]:
		return false, nil
	case f.Encrypted != nil && *f.Encrypted: // there are none here
		return false, nil
	case f.Invited != nil && *f.Invited != (r.member.state == "invite"):
		return false, nil
	case f.Types != nil && !slices.Contains(f.Types, kind):
		return false, nil
	case slices.Contains(f.NotTypes, kind):
		return false, nil
	}
	if f.Tags != nil || f.NotTags != nil {
		tags := a.tags[r.info.ID]
		has := func(among []string) bool {
			return slices.ContainsFunc(among, func(t string) bool { return slices.Contains(tags, t) })
		}
		if f.Tags != nil && !has(f.Tags) || has(f.NotTags) {
			return false, nil
		}
	}
	if f.Spaces == nil {
		return true, nil
	}
	for _, space := range f.Spaces {
		children, err := a.children(space)
		if err != nil {
			return false, err
		}
		if children[r.info.ID] {
			return true, nil
		}
	}
	return false, nil
}

// noLimit is the limit of a room all of whose timeline has been sent.
const noLimit = math.MaxInt32
