package clientapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// messagesAndHistory implements "GET /rooms/{roomId}/messages" for every room: in one into which a bridge has
// brought what was said before, that stands before the first message. It is read in up to three parts: what
// stands before the place of the history, the history, and what follows.
func (s *Server) messagesAndHistory(r *http.Request, x session, none *httpd.None) (*messagesResponse, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	info, ok := s.Hub.Room(id)
	if !ok {
		return s.messages(r, x, none)
	}
	place, err := store.PlaceOfHistory(r.Context(), s.DB.Reader(), info.Scope)
	if err == store.ErrNotFound {
		return s.messages(r, x, none)
	} else if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	p := &paging{s: s, r: r, x: x, info: info, place: place, left: limitOf(q, 10, 1000), forward: q.Get("dir") == "f"}
	if q.Get("dir") != "f" && q.Get("dir") != "b" {
		return nil, httpd.MissingParam("dir is f or b.")
	}
	if p.at, p.set, err = placeOf(q.Get("from")); err != nil {
		return nil, err
	}
	p.resp = &messagesResponse{Start: q.Get("from"), Chunk: []jsontext.Value{}}
	if p.forward {
		return p.resp, p.ahead()
	}
	return p.resp, p.back()
}

// placeOf reads a token of a room's history.
func placeOf(text string) (p store.Place, set bool, err error) {
	if text == "" {
		return p, false, nil
	}
	t, err := stream.ParseToken(text)
	return store.Place{Before: t.Pos, Ord: t.Ord}, true, err
}

// paging is one answer in the making.
type paging struct {
	s       *Server
	r       *http.Request
	x       session
	info    stream.RoomInfo
	place   int64 // of the history
	at      store.Place
	set     bool // the client has said where to begin
	forward bool
	left    int // how many events may still come
	resp    *messagesResponse
}

// part reads a part without the history, between two positions, of which one below 0 is the client's own bound.
// done is true if the answer is full.
func (p *paging) part(from, to int64) (done bool, err error) {
	q := p.r.URL.Query()
	set := func(name string, pos int64) {
		if pos >= 0 {
			q.Set(name, stream.HistoryToken(pos))
		}
	}
	set("from", from)
	if own, ok, err := placeOf(q.Get("to")); err != nil {
		return true, err
	} else if to >= 0 && ok && p.forward {
		to = min(to, own.Before)
	} else if to >= 0 && ok {
		to = max(to, own.Before)
	}
	set("to", to)
	q.Set("limit", strconv.Itoa(p.left))
	r := p.r.Clone(p.r.Context())
	r.URL = &url.URL{Path: p.r.URL.Path, RawQuery: q.Encode()}
	resp, err := p.s.messages(r, p.x, nil)
	if err != nil {
		return true, err
	}
	if p.resp.Start == "" {
		p.resp.Start = resp.Start
	}
	p.resp.Chunk = append(p.resp.Chunk, resp.Chunk...)
	p.resp.State = append(p.resp.State, resp.State...)
	p.resp.End = resp.End
	p.left -= len(resp.Chunk)
	return p.left <= 0, nil
}

// history reads the history between two of its places.
func (p *paging) history(from, to int64) (done bool, err error) {
	ctx, q := p.r.Context(), p.s.DB.Reader()
	sight, err := p.s.Hub.Sight(ctx, q, p.info.ID, p.x.User)
	if err != nil || !sight.Sees(p.place) {
		return false, err
	}
	asked := p.left
	rows, places, err := store.History(ctx, q, p.info.Scope, store.Place{Before: p.place, Ord: from}, store.Place{Before: p.place, Ord: to}, asked, p.forward)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	end := places[0]
	if p.forward {
		end = places[len(places)-1]
		end.Ord++
	} else {
		slices.Reverse(rows)
	}
	p.resp.End = stream.PlaceToken(end)
	if text := p.r.URL.Query().Get("filter"); text != "" {
		var f roomEventFilter
		if err := httpd.DecodeJSON([]byte(text), &f); err != nil {
			return true, err
		}
		wants := f.filter()
		rows = slices.DeleteFunc(rows, func(e store.Event) bool { return !wants.Wants(e.Body) })
	}
	p.left -= len(rows)
	shown, err := p.s.bundled(p.r, p.x, p.info, rows)
	if err != nil {
		return true, err
	}
	p.resp.Chunk = append(p.resp.Chunk, shown...)
	return p.left <= 0 || asked == len(places), nil
}

const (
	firstOrd = -store.Last
	lastOrd  = store.Last
)

// back reads towards the past. A place without an ord stands behind the history before it.
func (p *paging) back() error {
	ord := lastOrd
	switch {
	case p.set && p.at.Ord != 0 && p.at.Before == p.place:
		ord = p.at.Ord
	case p.set && p.at.Before < p.place:
		_, err := p.part(p.at.Before, -1)
		return err
	default:
		from := int64(-1)
		if p.set {
			from = p.at.Before
		}
		if done, err := p.part(from, p.place); done || err != nil {
			if err == nil && p.resp.End == "" {
				p.resp.End = stream.HistoryToken(p.place)
			}
			return err
		}
	}
	if done, err := p.history(firstOrd, ord); done || err != nil {
		return err
	}
	_, err := p.part(p.place, -1)
	return err
}

// ahead reads towards the present. A place without an ord stands before the history there.
func (p *paging) ahead() error {
	ord := firstOrd
	switch {
	case p.set && p.at.Ord != 0 && p.at.Before == p.place:
		ord = p.at.Ord
	case p.set && p.at.Before > p.place:
		_, err := p.part(p.at.Before, -1)
		return err
	default:
		from := int64(-1)
		if p.set {
			from = p.at.Before
		}
		if done, err := p.part(from, p.place); done || err != nil {
			return err
		}
	}
	if done, err := p.history(ord, lastOrd); done || err != nil {
		return err
	}
	_, err := p.part(p.place, -1)
	return err
}
