package clientapi

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/room"
	"despatch/internal/store"
	"despatch/internal/stream"
)

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

func marshal(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

type sendResponse struct {
	EventID matrix.EventID `json:"event_id"`
}

// AppendJSON implements httpd.Appender.
func (resp *sendResponse) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"event_id":`...)
	return append(matrix.AppendString(b, resp.EventID), '}'), nil
}

// send implements "PUT /rooms/{roomId}/send/{eventType}/{txnId}".
func (s *Server) send(r *http.Request, x session, content *httpd.Raw) (*sendResponse, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	d := room.Draft{Sender: x.User, Room: id, Type: r.PathValue("type"), Content: *content, Device: x.Device, Txn: r.PathValue("txnID")}
	if d.Type == matrix.TypeRedaction {
		return nil, httpd.BadJSON("Delete a message with the request made for it: PUT …/redact/{eventId}/{txnId}.")
	}
	sent, err := s.Rooms.Send(r.Context(), d)
	return &sendResponse{sent.ID}, err
}

// sendState implements "PUT /rooms/{roomId}/state/{eventType}/{stateKey}".
func (s *Server) sendState(r *http.Request, x session, content *httpd.Raw) (*sendResponse, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	if r.PathValue("type") == "m.room.canonical_alias" && r.PathValue("stateKey") == "" {
		if err := s.checkCanonical(r, id, *content); err != nil {
			return nil, err
		}
	}
	sent, err := s.Rooms.Send(r.Context(), stateDraft(x, id, r.PathValue("type"), r.PathValue("stateKey"), *content))
	return &sendResponse{sent.ID}, err
}

func stateDraft(x session, id matrix.RoomID, typ, key string, content []byte) room.Draft {
	return room.Draft{Sender: x.User, Room: id, Type: typ, StateKey: &key, Content: content, Device: x.Device}
}

// redact implements "PUT /rooms/{roomId}/redact/{eventId}/{txnId}".
func (s *Server) redact(r *http.Request, x session, content *httpd.Raw) (*sendResponse, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	body := []byte(*content)
	if len(body) == 0 {
		body = []byte("{}")
	}
	sent, err := s.Rooms.Send(r.Context(), room.Draft{Sender: x.User, Room: id, Type: matrix.TypeRedaction,
		Redacts: matrix.EventID(r.PathValue("eventID")), Content: body, Device: x.Device, Txn: r.PathValue("txnID")})
	return &sendResponse{sent.ID}, err
}

// viewer is how the caller is shown events outside of /sync.
func (s *Server) viewer(x session) stream.Viewer {
	return stream.Viewer{User: x.User, Device: x.Device, Now: s.Now().UnixMilli(), RoomID: true, Hub: s.Hub}
}

// show lists events as the caller is shown them, without what has been said in relation to them.
func (s *Server) show(info stream.RoomInfo, rows []store.Event, v stream.Viewer) []jsontext.Value {
	out := make([]jsontext.Value, 0, len(rows))
	for i := range rows {
		if b := stream.AppendEvent(nil, info.Version, info.ID, &rows[i], v, nil); len(b) > 0 {
			out = append(out, b)
		}
	}
	return out
}

// find returns an event of the request's room that the caller may read.
func (s *Server) find(r *http.Request, x session) (stream.RoomInfo, store.Event, error) {
	info, sight, err := s.sees(r, x)
	if err != nil {
		return info, store.Event{}, err
	}
	ref, ok := store.EventRef(matrix.EventID(r.PathValue("eventID")))
	if !ok {
		return info, store.Event{}, httpd.NotFound("There is no such message, or you may not see it.")
	}
	row, scope, err := store.EventByRef(r.Context(), s.DB.Reader(), ref)
	if err == store.ErrNotFound || err == nil && (scope != info.Scope || !sight.Sees(row.Pos)) {
		err = httpd.NotFound("There is no such message, or you may not see it.")
	}
	return info, row, err
}

// event implements "GET /rooms/{roomId}/event/{eventId}".
func (s *Server) event(r *http.Request, x session, _ *httpd.None) (*httpd.Raw, error) {
	info, row, err := s.find(r, x)
	var shut *httpd.Error
	if errors.As(err, &shut) && shut.Code == "M_FORBIDDEN" { // of a message that one may not see it is not said that it is there
		return nil, httpd.NotFound("There is no such message, or you may not see it.")
	} else if err != nil {
		return nil, err
	}
	shown, err := s.bundled(r, x, info, []store.Event{row})
	if err != nil {
		return nil, err
	}
	if len(shown) == 0 {
		return nil, httpd.NotFound("This message has been lawfully destroyed.")
	}
	return (*httpd.Raw)(&shown[0]), nil
}

type messagesResponse struct {
	Start string           `json:"start"`
	End   string           `json:"end,omitempty"`
	Chunk []jsontext.Value `json:"chunk"`
	State []jsontext.Value `json:"state,omitempty"`
}

// messages implements "GET /rooms/{roomId}/messages".
func (s *Server) messages(r *http.Request, x session, _ *httpd.None) (*messagesResponse, error) {
	info, sight, err := s.sees(r, x)
	if err != nil {
		return nil, err
	}
	from, to := sight.Bounds()
	q := r.URL.Query()
	limit := limitOf(q, 10, 1000)
	forward := q.Get("dir") == "f"
	if !forward && q.Get("dir") != "b" {
		return nil, httpd.MissingParam("dir is f or b.")
	}
	filter, lazy, err := eventFilterOf(q)
	if err != nil {
		return nil, err
	}
	start := from
	if !forward {
		start = to
	}
	for name, take := range map[string]func(pos int64){
		"from": func(pos int64) { start = min(max(pos, from), to) },
		"to": func(pos int64) {
			if forward {
				to = min(to, pos)
			} else {
				from = max(from, pos)
			}
		},
	} {
		if text := q.Get(name); text != "" {
			t, err := stream.ParseToken(text)
			if err != nil {
				return nil, err
			}
			take(t.Pos)
		}
	}
	if forward {
		from = start
	} else {
		to = start
	}
	rows, _, err := s.wanted(r, x, info, sight, filter, from, to, limit, forward)
	if err != nil {
		return nil, err
	}
	resp := &messagesResponse{Start: stream.HistoryToken(start)}
	if n := len(rows); n > 0 && forward {
		resp.End = stream.HistoryToken(rows[n-1].Pos + 1)
	} else if n > 0 {
		if rows[0].Pos > from {
			resp.End = stream.HistoryToken(rows[0].Pos)
		}
		slices.Reverse(rows)
	}
	if resp.Chunk, err = s.bundled(r, x, info, rows); err != nil {
		return nil, err
	}
	if lazy {
		resp.State, err = s.senders(r, info, rows, to, x)
	}
	return resp, err
}

// eventFilterOf reads the filter of a request for events of one room.
func eventFilterOf(q url.Values) (f stream.EventFilter, lazy bool, err error) {
	text := q.Get("filter")
	if text == "" {
		return f, false, nil
	}
	var req roomEventFilter
	if err := httpd.DecodeJSON([]byte(text), &req); err != nil {
		return f, false, err
	}
	if err := req.check(); err != nil {
		return f, false, err
	}
	return req.filter(), req.Lazy, nil
}

// wanted are events of a room that the caller may see and wants.
func (s *Server) wanted(r *http.Request, x session, info stream.RoomInfo, sight *stream.Sight, f stream.EventFilter, from, to int64, limit int, forward bool) ([]store.Event, bool, error) {
	if !f.Room(info.ID) {
		return nil, false, nil
	}
	var failed error
	rows, more, err := s.sync.Stored(r.Context(), info, from, to, limit, forward, func(row *store.Event) bool {
		if !sight.Sees(row.Pos) || !f.Wants(row.Body) {
			return false
		}
		if row.Class == store.ClassState || row.Class == store.ClassMembership {
			return true
		}
		sender, _ := matrix.LookupString(row.Body, "sender")
		no, err := s.Hub.Ignores(r.Context(), s.DB.Reader(), x.User, matrix.UserID(sender))
		if err != nil {
			failed = err
		}
		return !no
	})
	return rows, more, cmp.Or(err, failed)
}

// senders are the member events of those who sent something.
func (s *Server) senders(r *http.Request, info stream.RoomInfo, rows []store.Event, before int64, x session) ([]jsontext.Value, error) {
	seen := make(map[string]bool)
	var out []store.Event
	for i := range rows {
		who, ok := matrix.LookupString(rows[i].Body, "sender")
		if !ok || seen[who] {
			continue
		}
		seen[who] = true
		row, err := store.StateEvent(r.Context(), s.DB.Reader(), info.Scope, matrix.TypeMember, who, max(before, rows[i].Pos+1))
		if err == nil {
			out = append(out, row)
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	shown := s.show(info, out, s.viewer(x))
	if shown == nil {
		shown = []jsontext.Value{}
	}
	return shown, nil
}

func limitOf(q url.Values, usual, most int) int {
	n, err := strconv.Atoi(q.Get("limit"))
	if err != nil || n <= 0 {
		return usual
	}
	return min(n, most)
}

type contextResponse struct {
	Start  string           `json:"start"`
	End    string           `json:"end"`
	Event  jsontext.Value   `json:"event"`
	Before []jsontext.Value `json:"events_before"`
	After  []jsontext.Value `json:"events_after"`
	State  []jsontext.Value `json:"state"`
}

// context implements "GET /rooms/{roomId}/context/{eventId}".
func (s *Server) context(r *http.Request, x session, _ *httpd.None) (*contextResponse, error) {
	info, row, err := s.find(r, x)
	if err != nil {
		return nil, err
	}
	_, sight, err := s.sees(r, x)
	if err != nil {
		return nil, err
	}
	filter, lazy, err := eventFilterOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	from, to := sight.Bounds()
	limit := limitOf(r.URL.Query(), 10, 200)
	before, _, err := s.wanted(r, x, info, sight, filter, from, row.Pos, limit/2, false)
	if err != nil {
		return nil, err
	}
	after, _, err := s.wanted(r, x, info, sight, filter, row.Pos+1, to, (limit+1)/2, true)
	if err != nil {
		return nil, err
	}
	end := row.Pos + 1
	if n := len(after); n > 0 {
		end = after[n-1].Pos + 1
	}
	start := row.Pos
	if len(before) > 0 {
		start = before[0].Pos
	}
	state, err := store.State(r.Context(), s.DB.Reader(), info.Scope, end, !lazy)
	if err != nil {
		return nil, err
	}
	slices.Reverse(before)
	resp := &contextResponse{Start: stream.HistoryToken(start), End: stream.HistoryToken(end), State: s.show(info, state, s.viewer(x))}
	if lazy {
		all := append(append(slices.Clone(before), row), after...)
		members, err := s.senders(r, info, all, end, x)
		if err != nil {
			return nil, err
		}
		resp.State = append(resp.State, members...)
	}
	if resp.Before, err = s.bundled(r, x, info, before); err != nil {
		return nil, err
	}
	if resp.After, err = s.bundled(r, x, info, after); err != nil {
		return nil, err
	}
	shown, err := s.bundled(r, x, info, []store.Event{row})
	if err != nil {
		return nil, err
	}
	if len(shown) == 0 {
		return nil, httpd.NotFound("This message has been lawfully destroyed.")
	}
	resp.Event = shown[0]
	return resp, nil
}

type chunkResponse struct {
	Chunk     []jsontext.Value `json:"chunk"`
	NextBatch string           `json:"next_batch,omitempty"`
	PrevBatch string           `json:"prev_batch,omitempty"`
}

// stateAt returns the position up to which the caller is shown a room's state.
func (s *Server) stateAt(r *http.Request, x session) (stream.RoomInfo, int64, error) {
	info, _, to, err := s.readable(r, x)
	return info, to, err
}

type stateList []jsontext.Value

// AppendJSON implements httpd.Appender: the answer is an array.
func (l *stateList) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, '[')
	for i, ev := range *l {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, ev...)
	}
	return append(b, ']'), nil
}

// state implements "GET /rooms/{roomId}/state".
func (s *Server) state(r *http.Request, x session, _ *httpd.None) (*stateList, error) {
	info, to, err := s.stateAt(r, x)
	if err != nil {
		return nil, err
	}
	rows, err := store.State(r.Context(), s.DB.Reader(), info.Scope, to, true)
	list := stateList(s.show(info, rows, s.viewer(x)))
	return &list, err
}

// stateEvent implements "GET /rooms/{roomId}/state/{eventType}/{stateKey}".
func (s *Server) stateEvent(r *http.Request, x session, _ *httpd.None) (*httpd.Raw, error) {
	info, to, err := s.stateAt(r, x)
	if err != nil {
		return nil, err
	}
	row, err := store.StateEvent(r.Context(), s.DB.Reader(), info.Scope, r.PathValue("type"), r.PathValue("stateKey"), to)
	if err == store.ErrNotFound {
		return nil, httpd.NotFound("The conversation has no such state.")
	} else if err != nil {
		return nil, err
	}
	b := stream.AppendEvent(nil, info.Version, info.ID, &row, s.viewer(x), nil)
	if r.URL.Query().Get("format") != "event" {
		var shown struct {
			Content jsontext.Value `json:"content"`
		}
		if err := json.Unmarshal(b, &shown); err != nil {
			return nil, err
		}
		b = shown.Content
	}
	return (*httpd.Raw)(&b), nil
}

// members implements "GET /rooms/{roomId}/members".
func (s *Server) members(r *http.Request, x session, _ *httpd.None) (*chunkResponse, error) {
	info, to, err := s.stateAt(r, x)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	if text := q.Get("at"); text != "" {
		t, err := stream.ParseToken(text)
		if err != nil {
			return nil, err
		}
		to = min(to, t.Pos)
		if t.Pos > 0 { // there was nobody before the room was made: then it is who made it
			first, err := store.Timeline(r.Context(), s.DB.Reader(), info.Scope, 0, 1<<62, 2, true)
			if err != nil {
				return nil, err
			}
			if n := len(first); n > 0 {
				to = max(to, first[n-1].Pos+1)
			}
		}
	}
	rows, err := store.MemberState(r.Context(), s.DB.Reader(), info.Scope, to)
	if err != nil {
		return nil, err
	}
	resp := &chunkResponse{Chunk: []jsontext.Value{}}
	is, not := q.Get("membership"), q.Get("not_membership")
	for i := range rows {
		m, _ := matrix.LookupString(rows[i].Body, "content", "membership")
		if (is == "" || m == is) && (not == "" || m != not) {
			resp.Chunk = append(resp.Chunk, s.show(info, rows[i:i+1], s.viewer(x))...)
		}
	}
	return resp, nil
}

type joinedMembersResponse struct {
	Joined map[matrix.UserID]joinedMember `json:"joined"`
}

type joinedMember struct {
	DisplayName *string `json:"display_name"`
	AvatarURL   *string `json:"avatar_url"`
}

// joinedMembers implements "GET /rooms/{roomId}/joined_members".
func (s *Server) joinedMembers(r *http.Request, x session, _ *httpd.None) (*joinedMembersResponse, error) {
	info, err := s.joined(r, x)
	if err != nil {
		return nil, err
	}
	rows, err := store.MemberState(r.Context(), s.DB.Reader(), info.Scope, s.Hub.Head())
	resp := &joinedMembersResponse{Joined: map[matrix.UserID]joinedMember{}}
	for i := range rows {
		content := matrix.Lookup(rows[i].Body, "content")
		if m, _ := matrix.LookupString(content, "membership"); m != "join" {
			continue
		}
		who, _ := matrix.LookupString(rows[i].Body, "state_key")
		one := joinedMember{}
		if name, ok := matrix.LookupString(content, "displayname"); ok {
			one.DisplayName = &name
		}
		if avatar, ok := matrix.LookupString(content, "avatar_url"); ok {
			one.AvatarURL = &avatar
		}
		resp.Joined[matrix.UserID(who)] = one
	}
	return resp, err
}
