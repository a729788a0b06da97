package clientapi

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// relations implements the three forms of "GET /rooms/{roomId}/relations/{eventId}".
func (s *Server) relations(r *http.Request, x session, _ *httpd.None) (*chunkResponse, error) {
	info, row, err := s.find(r, x)
	if err != nil {
		return nil, err
	}
	_, sight, err := s.sees(r, x)
	if err != nil {
		return nil, err
	}
	first, end := sight.Bounds()
	q := r.URL.Query()
	w := store.RelationsOf{Type: r.PathValue("relType"), Scope: info.Scope, From: first, To: end, Limit: limitOf(q, 50, 200), Forward: q.Get("dir") == "f"}
	for _, edge := range []struct {
		name string
		low  bool // whether the token is the lower end
	}{{"from", w.Forward}, {"to", !w.Forward}} {
		text := q.Get(edge.name)
		if text == "" {
			continue
		}
		t, err := stream.ParseToken(text)
		if err != nil {
			return nil, err
		}
		if edge.low {
			w.From = max(w.From, t.Pos)
		} else {
			w.To = min(w.To, t.Pos)
		}
	}
	rows, err := store.Relations(r.Context(), s.DB.Reader(), row.Ref, w)
	if err != nil {
		return nil, err
	}
	resp := &chunkResponse{PrevBatch: q.Get("from")}
	if n := len(rows); n == w.Limit {
		next := rows[n-1].Pos
		if w.Forward {
			next++
		}
		resp.NextBatch = stream.HistoryToken(next)
	}
	typ := r.PathValue("type")
	var wanted []store.Event
	for i := range rows {
		if t, _ := matrix.LookupString(rows[i].Body, "type"); (typ == "" || t == typ) && !rows[i].Pruned && sight.Sees(rows[i].Pos) {
			wanted = append(wanted, rows[i])
		}
	}
	resp.Chunk, err = s.bundled(r, x, info, wanted)
	return resp, err
}

// threads implements "GET /rooms/{roomId}/threads".
func (s *Server) threads(r *http.Request, x session, _ *httpd.None) (*chunkResponse, error) {
	info, sight, err := s.sees(r, x)
	if err != nil {
		return nil, err
	}
	from, to := sight.Bounds()
	q := r.URL.Query()
	before, limit, sender := to, limitOf(q, 20, 100), int64(0)
	if q.Get("include") == "participated" {
		sender = stream.SenderHash(x.User)
	}
	if text := q.Get("from"); text != "" {
		t, err := stream.ParseToken(text)
		if err != nil {
			return nil, err
		}
		before = min(before, t.Pos)
	}
	roots, last, err := store.Threads(r.Context(), s.DB.Reader(), info.Scope, from, to, before, sender, limit)
	if err != nil {
		return nil, err
	}
	resp := &chunkResponse{}
	if n := len(last); n == limit {
		resp.NextBatch = stream.HistoryToken(last[n-1])
	}
	roots = slices.DeleteFunc(roots, func(row store.Event) bool { return !sight.Sees(row.Pos) })
	resp.Chunk, err = s.bundled(r, x, info, roots)
	return resp, err
}

// bundled lists events as the caller is shown them, each with its thread and its last edit (Client-Server
// API, "Aggregations of child events"). In /sync they are not needed: what relates to an event comes
// after it, and so is in the same answer.
func (s *Server) bundled(r *http.Request, x session, info stream.RoomInfo, rows []store.Event) ([]jsontext.Value, error) {
	positions := make([]int64, 0, len(rows))
	for i := range rows {
		if !rows[i].Pruned && (rows[i].Class == store.ClassMessage || rows[i].Class == store.ClassOther) {
			positions = append(positions, rows[i].Pos)
		}
	}
	ctx, q := r.Context(), s.DB.Reader()
	_, sight, err := s.sees(r, x)
	if err != nil {
		return nil, err
	}
	v := s.viewer(x)
	v.Sight = sight
	if len(positions) == 0 {
		return s.show(info, rows, v), nil
	}
	_, end := sight.Bounds()
	found, err := store.Aggregates(ctx, q, positions, end, stream.SenderHash(x.User))
	if err != nil {
		return nil, err
	}
	newest := make([]int64, len(found))
	for i := range found {
		newest[i] = found[i].Last
	}
	events, err := store.EventsAt(ctx, q, newest)
	if err != nil {
		return nil, err
	}
	extra := make(map[int64][]byte)
	for _, a := range found {
		last := events[a.Last]
		ev := stream.AppendEvent(nil, info.Version, info.ID, &last, v, nil)
		if len(ev) == 0 || !sight.Sees(a.Last) {
			continue
		}
		b := extra[a.Target]
		if len(b) == 0 {
			b = append(b, `"m.relations":{`...)
		} else {
			b = append(b, ',')
		}
		if a.Type == "m.replace" {
			b = append(append(b, `"m.replace":`...), ev...)
		} else {
			b = append(b, `"m.thread":{"count":`...)
			b = strconv.AppendInt(b, int64(a.Count), 10)
			b = append(b, `,"current_user_participated":`...)
			root := rowAt(rows, a.Target)
			sender, _ := matrix.LookupString(root.Body, "sender")
			b = strconv.AppendBool(b, a.Own || sender == string(x.User))
			b = append(append(append(b, `,"latest_event":`...), ev...), '}')
		}
		extra[a.Target] = b
	}
	out := make([]jsontext.Value, 0, len(rows))
	for i := range rows {
		more := extra[rows[i].Pos]
		if len(more) > 0 {
			more = append(more, '}')
		}
		if b := stream.AppendEvent(nil, info.Version, info.ID, &rows[i], v, more); len(b) > 0 {
			out = append(out, b)
		}
	}
	return out, nil
}

func rowAt(rows []store.Event, pos int64) *store.Event {
	for i := range rows {
		if rows[i].Pos == pos {
			return &rows[i]
		}
	}
	return &store.Event{}
}
