package clientapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/search"
	"despatch/internal/store"
	"despatch/internal/stream"
)

type searchRequest struct {
	Categories struct {
		RoomEvents *struct {
			Term   string   `json:"search_term"`
			Order  string   `json:"order_by"`
			Keys   []string `json:"keys"`
			Filter struct {
				roomEventFilter
			} `json:"filter"`
			Context *struct {
				Before  *int `json:"before_limit"`
				After   *int `json:"after_limit"`
				Profile bool `json:"include_profile"`
			} `json:"event_context"`
			IncludeState bool `json:"include_state"`
		} `json:"room_events"`
	} `json:"search_categories"`
}

type searchResponse struct {
	Categories struct {
		RoomEvents searchResults `json:"room_events"`
	} `json:"search_categories"`
}

type searchResults struct {
	Count      int                                `json:"count"`
	Highlights []string                           `json:"highlights"`
	Results    []searchResult                     `json:"results"`
	State      map[matrix.RoomID][]jsontext.Value `json:"state,omitempty"`
	NextBatch  string                             `json:"next_batch,omitempty"`
}

type searchResult struct {
	Rank    float64        `json:"rank"`
	Result  jsontext.Value `json:"result"`
	Context *searchContext `json:"context,omitempty"`
}

type searchContext struct {
	Start  string           `json:"start"`
	End    string           `json:"end"`
	Before []jsontext.Value `json:"events_before"`
	After  []jsontext.Value `json:"events_after"`
}

const (
	maxSearchRooms = 100 // that one search names
	searchWaits    = 2 * time.Second
	afterLast      = "end" // the token after the last page
)

// search implements "POST /search": what the caller can see now, newest first, in the conversations that are named
// or in all of theirs. What was deleted or has disappeared is not found.
func (s *Server) search(r *http.Request, x session, req *searchRequest) (*searchResponse, error) {
	resp := &searchResponse{}
	resp.Categories.RoomEvents = searchResults{Highlights: []string{}, Results: []searchResult{}}
	c := req.Categories.RoomEvents
	if c == nil {
		return resp, nil
	}
	query, err := search.Parse(c.Term)
	var syntax *search.SyntaxError
	if errors.As(err, &syntax) {
		return nil, httpd.InvalidParam("%s", syntax.Error())
	} else if err != nil {
		return nil, err
	}
	if err := c.Filter.check(); err != nil {
		return nil, err
	}
	if len(c.Filter.Rooms) > maxSearchRooms {
		return nil, httpd.InvalidParam("Search at most %d conversations, or all of yours.", maxSearchRooms)
	}
	limit := 20
	if c.Filter.Limit != nil && *c.Filter.Limit > 0 {
		limit = min(*c.Filter.Limit, search.MaxPage)
	}
	s.caughtUp(r.Context())
	hits, err := s.hits(r, x, query, c.Filter.Rooms, limit, &resp.Categories.RoomEvents)
	if err != nil {
		return nil, err
	}
	filter := c.Filter.filter()
	filter.Rooms = nil
	out := &resp.Categories.RoomEvents
	for _, h := range hits {
		info, row, err := s.hit(r, h)
		if err != nil {
			return nil, err
		}
		if row.Body == nil || row.Pruned || !filter.Wants(row.Body) || !filter.Room(info.ID) {
			continue
		}
		one := searchResult{Rank: 1, Result: stream.AppendEvent(nil, info.Version, info.ID, &row, s.viewer(x), nil)}
		if c.Context != nil {
			if one.Context, err = s.around(r, x, info, row.Pos, c.Context.Before, c.Context.After); err != nil {
				return nil, err
			}
		}
		if c.IncludeState && out.State[info.ID] == nil {
			rows, err := store.State(r.Context(), s.DB.Reader(), info.Scope, row.Pos+1, true)
			if err != nil {
				return nil, err
			}
			if out.State == nil {
				out.State = map[matrix.RoomID][]jsontext.Value{}
			}
			out.State[info.ID] = s.show(info, rows, s.viewer(x))
		}
		out.Results = append(out.Results, one)
	}
	return resp, nil
}

// caughtUp waits a little for the index to have what has just been said.
func (s *Server) caughtUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, searchWaits)
	defer cancel()
	s.Index.Wait(ctx, s.Hub.Head()) // without it the newest may be missing, and the rest is there
}

// hits finds one page. In several conversations they are looked for one by one, and have one page.
func (s *Server) hits(r *http.Request, x session, query *search.Query, rooms []matrix.RoomID, limit int, out *searchResults) ([]search.Hit, error) {
	after := r.URL.Query().Get("next_batch")
	page := search.Page{After: after, Limit: limit, Count: true}
	if after == afterLast {
		page.After, page.Limit = "", 1
	}
	if len(rooms) == 0 {
		rooms = []matrix.RoomID{""}
	}
	var hits []search.Hit
	next := ""
	for _, id := range rooms {
		if len(rooms) > 1 && after != "" {
			page.After, page.Limit = "", limit
		}
		found, err := s.Index.SearchVisible(r.Context(), s.Hub, x.User, id, query, page)
		if err != nil {
			return nil, err
		}
		out.Count += found.Total
		hits = append(hits, found.Hits...)
		next = found.Next
	}
	if after == afterLast || len(rooms) > 1 && after != "" {
		return nil, nil
	}
	if len(rooms) > 1 {
		slices.SortFunc(hits, func(a, b search.Hit) int { return cmp.Compare(b.Item, a.Item) })
		hits, next = hits[:min(len(hits), limit)], ""
	}
	if out.NextBatch = next; next == "" && len(hits) == limit {
		out.NextBatch = afterLast
	}
	return hits, nil
}

// around is what was said before and after something.
func (s *Server) around(r *http.Request, x session, info stream.RoomInfo, pos int64, before, after *int) (*searchContext, error) {
	number := func(n *int) int {
		if n == nil {
			return 5
		}
		return min(max(0, *n), 50)
	}
	sight, err := s.Hub.Sight(r.Context(), s.DB.Reader(), info.ID, x.User)
	if err != nil {
		return nil, err
	}
	from, to := sight.Bounds()
	older, _, err := s.wanted(r, x, info, sight, stream.EventFilter{}, from, pos, number(before), false)
	if err != nil {
		return nil, err
	}
	newer, _, err := s.wanted(r, x, info, sight, stream.EventFilter{}, pos+1, to, number(after), true)
	if err != nil {
		return nil, err
	}
	c := &searchContext{Start: stream.HistoryToken(pos), End: stream.HistoryToken(pos + 1)}
	if len(older) > 0 {
		c.Start = stream.HistoryToken(older[0].Pos)
	}
	if len(newer) > 0 {
		c.End = stream.HistoryToken(newer[len(newer)-1].Pos + 1)
	}
	slices.Reverse(older)
	c.Before, c.After = s.show(info, older, s.viewer(x)), s.show(info, newer, s.viewer(x))
	return c, nil
}

// hit is the event that was found, and its room; without a body if it has gone in the meantime.
func (s *Server) hit(r *http.Request, h search.Hit) (stream.RoomInfo, store.Event, error) {
	ctx, q := r.Context(), s.DB.Reader()
	scope, err := store.ScopeByID(ctx, q, h.Scope)
	if err != nil {
		return stream.RoomInfo{}, store.Event{}, err
	}
	info, ok := s.Hub.Room(matrix.RoomID(scope.Name))
	if !ok {
		return info, store.Event{}, nil
	}
	e, err := store.EntryAt(ctx, q, h.Item)
	if err != nil {
		return info, store.Event{}, err
	}
	row, _, err := store.EventByRef(ctx, q, e.Ref)
	return info, row, err
}
