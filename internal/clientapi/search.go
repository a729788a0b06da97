package clientapi

import (
	"errors"
	"net/http"

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
			Term   string `json:"search_term"`
			Filter struct {
				Limit int             `json:"limit"`
				Rooms []matrix.RoomID `json:"rooms"`
			} `json:"filter"`
		} `json:"room_events"`
	} `json:"search_categories"`
}

type searchResponse struct {
	Categories struct {
		RoomEvents searchResults `json:"room_events"`
	} `json:"search_categories"`
}

type searchResults struct {
	Count      int            `json:"count"`
	Highlights []string       `json:"highlights"`
	Results    []searchResult `json:"results"`
	NextBatch  string         `json:"next_batch,omitempty"`
}

type searchResult struct {
	Rank   float64        `json:"rank"`
	Result jsontext.Value `json:"result"`
}

// search implements "POST /search": what the caller can see now, newest first, in one conversation or in
// all of theirs. What was deleted or has disappeared is not found.
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
	room := matrix.RoomID("")
	if len(c.Filter.Rooms) == 1 {
		room = c.Filter.Rooms[0]
	} else if len(c.Filter.Rooms) > 1 {
		return nil, httpd.InvalidParam("Search one conversation, or all of yours.")
	}
	if c.Filter.Limit <= 0 {
		c.Filter.Limit = 20
	}
	found, err := s.Index.SearchVisible(r.Context(), s.Hub, x.User, room, query,
		search.Page{After: r.URL.Query().Get("next_batch"), Limit: min(c.Filter.Limit, search.MaxPage), Count: true})
	if err != nil {
		return nil, err
	}
	out := &resp.Categories.RoomEvents
	out.Count, out.NextBatch = found.Total, found.Next
	for _, h := range found.Hits {
		ev, err := s.shown(r, x, h)
		if err != nil {
			return nil, err
		}
		if len(ev) > 0 {
			out.Results = append(out.Results, searchResult{Rank: 1, Result: ev})
		}
	}
	return resp, nil
}

// shown is what was found as the caller is shown it; nothing if it has gone in the meantime.
func (s *Server) shown(r *http.Request, x session, h search.Hit) (jsontext.Value, error) {
	ctx, q := r.Context(), s.DB.Reader()
	scope, err := store.ScopeByID(ctx, q, h.Scope)
	if err != nil {
		return nil, err
	}
	info, ok := s.Hub.Room(matrix.RoomID(scope.Name))
	if !ok {
		return nil, nil
	}
	e, err := store.EntryAt(ctx, q, h.Item)
	if err != nil {
		return nil, err
	}
	row, _, err := store.EventByRef(ctx, q, e.Ref)
	if err != nil || row.Pruned {
		return nil, err
	}
	return stream.AppendEvent(nil, info.Version, info.ID, &row, s.viewer(x), nil), nil
}
