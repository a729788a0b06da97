package clientapi

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// accessible reports whether somebody may be told of a room that they need not be in: because it can be joined or
// knocked at, can be read by anybody, they are in it or invited, or they are in a room whose members can join.
func (s *Server) accessible(x session, one *roomSummary) bool {
	switch one.JoinRule {
	case "public", "knock", "knock_restricted":
		return true
	case "restricted":
		for _, id := range one.allowed {
			if state, _ := s.Hub.Membership(id, x.User); state == "join" {
				return true
			}
		}
	}
	state, _ := s.Hub.Membership(one.RoomID, x.User)
	return one.WorldReadable || state == "join" || state == "invite"
}

// roomSummary implements "GET /room_summary/{roomIdOrAlias}".
func (s *Server) roomSummary(r *http.Request, x session, _ *httpd.None) (*roomSummary, error) {
	id, err := s.roomOf(r)
	if err != nil {
		return nil, err
	}
	info, ok := s.Hub.Room(id)
	if !ok {
		return nil, httpd.NotFound("There is no such conversation, or you may not know of it.")
	}
	one, err := s.summarise(r, info)
	if err != nil {
		return nil, err
	}
	if !s.accessible(x, one) {
		return nil, httpd.NotFound("There is no such conversation, or you may not know of it.")
	}
	one.Allowed = one.allowed
	one.Membership, _ = s.Hub.Membership(id, x.User)
	one.Membership = cmp.Or(one.Membership, "leave")
	return one, nil
}

type hierarchyResponse struct {
	Rooms []*roomSummary `json:"rooms"`
	Next  string         `json:"next_batch,omitempty"`
}

// walk is a way through a space that is not at its end.
type walk struct {
	user      matrix.UserID
	room      matrix.RoomID
	suggested bool
	depth     int
	at        time.Time
	todo      []step
	seen      map[matrix.RoomID]bool
}

type step struct {
	room  matrix.RoomID
	depth int
}

const (
	maxHierarchy   = 50     // rooms in one answer
	maxWalkRooms   = 10_000 // that one way through a space looks at
	maxWalks       = 1000   // that are remembered
	walkLasts      = 10 * time.Minute
	maxSpaceDepth  = 100
	maxSpaceChilds = 1000 // of one space
)

// walks remembers ways through spaces by the token with which they are continued.
type walks struct {
	mu   sync.Mutex
	made map[string]*walk // guarded by mu
}

func (w *walks) keep(x *walk) (string, error) {
	var b [12]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(b[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made == nil {
		w.made = make(map[string]*walk)
	}
	for k, old := range w.made {
		if x.at.Sub(old.at) > walkLasts || len(w.made) >= maxWalks {
			delete(w.made, k)
		}
	}
	w.made[token] = x
	return token, nil
}

func (w *walks) of(token string) *walk {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.made[token]
	if x == nil {
		return nil
	}
	c := *x // a token can be used again
	c.todo, c.seen = slices.Clone(x.todo), make(map[matrix.RoomID]bool, len(x.seen))
	for k := range x.seen {
		c.seen[k] = true
	}
	return &c
}

// hierarchy implements "GET /rooms/{roomId}/hierarchy": a space and what is in it, depth first.
func (s *Server) hierarchy(r *http.Request, x session, _ *httpd.None) (*hierarchyResponse, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	limit := limitOf(q, maxHierarchy, maxHierarchy)
	w := &walk{user: x.User, room: id, suggested: q.Get("suggested_only") == "true", depth: maxSpaceDepth,
		todo: []step{{id, 0}}, seen: map[matrix.RoomID]bool{}}
	if text := q.Get("max_depth"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, httpd.InvalidParam("max_depth is a number.")
		}
		w.depth = min(n, maxSpaceDepth)
	}
	if token := q.Get("from"); token != "" {
		old := s.walks.of(token)
		if old == nil || old.user != x.User || old.room != id || old.suggested != w.suggested || old.depth != w.depth {
			return nil, httpd.InvalidParam("This token is not known any more, or is of another request. Begin again without one.")
		}
		w = old
	}
	resp := &hierarchyResponse{Rooms: []*roomSummary{}}
	for len(w.todo) > 0 && len(resp.Rooms) < limit && len(w.seen) < maxWalkRooms {
		next := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if w.seen[next.room] {
			continue
		}
		w.seen[next.room] = true
		one, children, err := s.space(r, x, next.room, w.suggested)
		if err != nil {
			return nil, err
		}
		if one == nil {
			if next.room == id {
				return nil, httpd.Forbidden("You are not in this conversation.")
			}
			continue
		}
		resp.Rooms = append(resp.Rooms, one)
		if next.depth < w.depth {
			for _, child := range slices.Backward(children) {
				w.todo = append(w.todo, step{child, next.depth + 1})
			}
		}
	}
	if len(w.todo) > 0 && len(w.seen) < maxWalkRooms {
		w.at = s.Now()
		resp.Next, err = s.walks.keep(w)
	}
	return resp, err
}

// space reads a room as the hierarchy shows it, and the rooms in it; nothing if the caller may not know of it.
func (s *Server) space(r *http.Request, x session, id matrix.RoomID, suggested bool) (*roomSummary, []matrix.RoomID, error) {
	info, ok := s.Hub.Room(id)
	if !ok {
		return nil, nil, nil
	}
	one, err := s.summarise(r, info)
	if err != nil || !s.accessible(x, one) {
		return nil, nil, err
	}
	one.Allowed = one.allowed
	one.Children = []jsontext.Value{}
	if one.RoomType != "m.space" {
		return one, nil, nil
	}
	rows, err := store.StateOfType(r.Context(), s.DB.Reader(), info.Scope, "m.space.child", s.Hub.Head(), maxSpaceChilds)
	if err != nil {
		return nil, nil, err
	}
	children := spaceChildren(rows, suggested)
	var ids []matrix.RoomID
	for _, c := range children {
		one.Children = append(one.Children, c.stripped(info))
		ids = append(ids, c.room)
	}
	return one, ids, nil
}

// spaceChild is a room in a space.
type spaceChild struct {
	room  matrix.RoomID
	order string
	time  int64
	row   *store.Event
}

// spaceChildren are the rooms in a space in the order of the specification ("Ordering of children within a space").
func spaceChildren(rows []store.Event, suggested bool) []spaceChild {
	var out []spaceChild
	for i := range rows {
		content := matrix.Lookup(rows[i].Body, "content")
		via := matrix.Lookup(content, "via")
		key, _ := matrix.LookupString(rows[i].Body, "state_key")
		if rows[i].Pruned || len(via) == 0 || via[0] != '[' || suggested && string(matrix.Lookup(content, "suggested")) != "true" {
			continue
		}
		c := spaceChild{room: matrix.RoomID(key), time: rows[i].Time, row: &rows[i]}
		order, _ := matrix.LookupString(content, "order")
		if len(order) <= 50 && strings.IndexFunc(order, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0 {
			c.order = order
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b spaceChild) int {
		if (a.order == "") != (b.order == "") { // those with an order come first
			return cmp.Compare(len(b.order), len(a.order))
		}
		return cmp.Or(strings.Compare(a.order, b.order), cmp.Compare(a.time, b.time), strings.Compare(string(a.room), string(b.room)))
	})
	return out
}

// stripped is the event that puts a room into a space as the hierarchy shows it.
func (c *spaceChild) stripped(info stream.RoomInfo) jsontext.Value {
	ev, err := matrix.ParseStored(info.Version, store.EventID(c.row.Ref), c.row.Body)
	if err != nil {
		return jsontext.Value("{}")
	}
	b := ev.AppendStripped(nil)
	b = append(b[:len(b)-1], `,"origin_server_ts":`...)
	return append(strconv.AppendInt(b, ev.OriginServerTS, 10), '}')
}

type timestampResponse struct {
	EventID matrix.EventID `json:"event_id"`
	Time    int64          `json:"origin_server_ts"`
}

// timestampToEvent implements "GET /rooms/{roomId}/timestamp_to_event".
func (s *Server) timestampToEvent(r *http.Request, x session, _ *httpd.None) (*timestampResponse, error) {
	q := r.URL.Query()
	at, err := strconv.ParseInt(q.Get("ts"), 10, 64)
	if err != nil {
		return nil, httpd.InvalidParam("ts is a time in milliseconds.")
	}
	if q.Get("dir") != "f" && q.Get("dir") != "b" {
		return nil, httpd.InvalidParam("dir is f or b.")
	}
	info, sight, err := s.sees(r, x)
	if err != nil {
		return nil, err
	}
	from, to := sight.Bounds()
	for range 1000 { // what lies between what the caller may see is passed over
		ref, when, pos, err := store.EventNear(r.Context(), s.DB.Reader(), info.Scope, from, to, at, q.Get("dir") == "f")
		if err == store.ErrNotFound {
			break
		} else if err != nil {
			return nil, err
		}
		if sight.Sees(pos) {
			return &timestampResponse{store.EventID(ref), when}, nil
		}
		if q.Get("dir") == "f" {
			from = pos + 1
		} else {
			to = pos
		}
	}
	return nil, httpd.NotFound("There is no message %s that time.", map[string]string{"f": "after", "b": "before"}[q.Get("dir")])
}

// mutualRooms implements "GET /mutual_rooms".
func (s *Server) mutualRooms(r *http.Request, x session, _ *httpd.None) (*mutualRoomsResponse, error) {
	other, err := matrix.ParseUserID(r.URL.Query().Get("user_id"))
	if err != nil {
		return nil, httpd.InvalidParam("user_id is nobody's.")
	}
	if other == x.User {
		return nil, httpd.InvalidParam("You share every conversation with yourself.")
	}
	resp := &mutualRoomsResponse{Joined: []matrix.RoomID{}}
	for _, id := range s.Hub.Rooms(x.User, "join") {
		if state, _ := s.Hub.Membership(id, other); state == "join" {
			resp.Joined = append(resp.Joined, id)
		}
	}
	slices.Sort(resp.Joined)
	resp.Count = len(resp.Joined)
	return resp, nil
}

type mutualRoomsResponse struct {
	Joined []matrix.RoomID `json:"joined"`
	Count  int             `json:"count"`
}
