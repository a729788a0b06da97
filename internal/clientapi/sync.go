package clientapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
	"despatch/internal/stream"
)

const (
	maxTimeline    = 200
	defaultLimit   = 20
	maxSyncTimeout = 60 * time.Second
	maxFilters     = 100 // that one person may store
)

// filterRequest is a filter (Client-Server API, "Filtering").
type filterRequest struct {
	AccountData eventFilter `json:"account_data"`
	Presence    eventFilter `json:"presence"`
	EventFormat string      `json:"event_format"`
	Room        struct {
		Rooms        []matrix.RoomID `json:"rooms"`
		NotRooms     []matrix.RoomID `json:"not_rooms"`
		IncludeLeave bool            `json:"include_leave"`
		Timeline     roomEventFilter `json:"timeline"`
		State        roomEventFilter `json:"state"`
		Ephemeral    roomEventFilter `json:"ephemeral"`
		AccountData  roomEventFilter `json:"account_data"`
	} `json:"room"`
}

type eventFilter struct {
	Limit      *int            `json:"limit"`
	Types      []string        `json:"types"`
	NotTypes   []string        `json:"not_types"`
	Senders    []matrix.UserID `json:"senders"`
	NotSenders []matrix.UserID `json:"not_senders"`
}

type roomEventFilter struct {
	eventFilter
	Rooms       []matrix.RoomID `json:"rooms"`
	NotRooms    []matrix.RoomID `json:"not_rooms"`
	ContainsURL *bool           `json:"contains_url"`
	Lazy        bool            `json:"lazy_load_members"`
	Threads     bool            `json:"unread_thread_notifications"`
}

// maxFilterList bounds each list of a filter.
const maxFilterList = 1000

func (f *eventFilter) filter() stream.EventFilter {
	return stream.EventFilter{Types: f.Types, NotTypes: f.NotTypes, Senders: f.Senders, NotSenders: f.NotSenders}
}

func (f *roomEventFilter) filter() stream.EventFilter {
	out := f.eventFilter.filter()
	out.Rooms, out.NotRooms, out.ContainsURL = f.Rooms, f.NotRooms, f.ContainsURL
	return out
}

// check refuses what is no filter: ids that are none, lists that are too long.
func (f *filterRequest) check() error {
	r := &f.Room
	if len(r.Rooms)+len(r.NotRooms) > maxFilterList {
		return httpd.InvalidParam("A filter names at most %d conversations.", maxFilterList)
	}
	if f.EventFormat != "" && f.EventFormat != "client" && f.EventFormat != "federation" {
		return httpd.InvalidParam("event_format is client or federation.")
	}
	for _, id := range append(r.Rooms, r.NotRooms...) {
		if _, err := matrix.ParseRoomID(string(id)); err != nil {
			return httpd.InvalidParam("%q is no conversation.", id)
		}
	}
	for _, x := range []*roomEventFilter{{eventFilter: f.AccountData}, {eventFilter: f.Presence}, &r.Timeline, &r.State, &r.Ephemeral, &r.AccountData} {
		if err := x.check(); err != nil {
			return err
		}
	}
	return nil
}

func (f *roomEventFilter) check() error {
	if max(len(f.Types), len(f.NotTypes), len(f.Senders), len(f.NotSenders), len(f.Rooms), len(f.NotRooms)) > maxFilterList {
		return httpd.InvalidParam("A list in a filter has at most %d entries.", maxFilterList)
	}
	for _, id := range append(f.Senders, f.NotSenders...) {
		if _, err := matrix.ParseUserID(string(id)); err != nil {
			return httpd.InvalidParam("%q is nobody's user ID.", id)
		}
	}
	for _, id := range append(f.Rooms, f.NotRooms...) {
		if _, err := matrix.ParseRoomID(string(id)); err != nil {
			return httpd.InvalidParam("%q is no conversation.", id)
		}
	}
	if f.Limit != nil && *f.Limit < 0 {
		return httpd.InvalidParam("A limit is not negative.")
	}
	return nil
}

func (f *filterRequest) filter() stream.Filter {
	r := &f.Room
	limit := defaultLimit
	if r.Timeline.Limit != nil {
		limit = min(max(1, *r.Timeline.Limit), maxTimeline)
	}
	return stream.Filter{TimelineLimit: limit, NoTimeline: r.Timeline.Limit != nil && *r.Timeline.Limit == 0,
		LazyMembers: r.State.Lazy || r.Timeline.Lazy, Threads: r.Timeline.Threads,
		IncludeLeave: r.IncludeLeave, Rooms: r.Rooms, NotRooms: r.NotRooms,
		Timeline: r.Timeline.filter(), State: r.State.filter(), Ephemeral: r.Ephemeral.filter(), RoomData: r.AccountData.filter(),
		Presence: f.Presence.filter(), PersonalData: f.AccountData.filter()}
}

type filterResponse struct {
	FilterID string `json:"filter_id"`
}

// createFilter implements "POST /user/{userId}/filter". The same filter has the same id.
func (s *Server) createFilter(r *http.Request, x session, req *httpd.Raw) (*filterResponse, error) {
	if _, err := self(r, x); err != nil {
		return nil, err
	}
	var f filterRequest
	if err := httpd.DecodeJSON(*req, &f); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	text, err := matrix.Canonical(nil, *req)
	if err != nil {
		return nil, err
	}
	id := shortHash(text)
	return &filterResponse{id}, s.keepBlob(r.Context(), x.User, "filter", id, text, maxFilters)
}

// keepBlob stores something for a client, of which a person may have at most so many.
func (s *Server) keepBlob(ctx context.Context, user matrix.UserID, kind, name string, content []byte, most int) error {
	if _, err := store.Blob(ctx, s.DB.Reader(), user, kind, name); err != store.ErrNotFound {
		if err != nil {
			return err
		}
		most++ // it only replaces one
	}
	n, err := store.CountBlobs(ctx, s.DB.Reader(), user, kind)
	if err != nil {
		return err
	}
	if n >= most {
		return httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "You have %d of these already.", n)
	}
	return s.Rec.Do(ctx, func(b *recorder.Batch) error {
		return store.SetBlob(b.Context(), b.Tx(), user, kind, name, content)
	})
}

// filter implements "GET /user/{userId}/filter/{filterId}".
func (s *Server) filter(r *http.Request, x session, _ *httpd.None) (*httpd.Raw, error) {
	if _, err := self(r, x); err != nil {
		return nil, err
	}
	raw, err := store.Blob(r.Context(), s.DB.Reader(), x.User, "filter", r.PathValue("filterID"))
	if err == store.ErrNotFound {
		return nil, httpd.NotFound("You have no such filter.")
	}
	return (*httpd.Raw)(&raw), err
}

// syncHandler implements "GET /sync".
func (s *Server) syncHandler(r *http.Request, x session, _ *httpd.None) (*stream.Response, error) {
	q := r.URL.Query()
	req := stream.Request{User: x.User, Device: x.Device, FullState: q.Get("full_state") == "true",
		Filter: stream.Filter{TimelineLimit: defaultLimit}}
	if since := q.Get("since"); since != "" {
		t, err := stream.ParseToken(since)
		if err != nil {
			return nil, err
		}
		if t.Pos > s.Hub.Head() {
			return nil, httpd.InvalidParam("This token is of another server, or of the future. Begin again without one.")
		}
		req.Since = &t
		if err := s.received(r.Context(), x, t.Side); err != nil {
			return nil, err
		}
	}
	if ms := q.Get("timeout"); ms != "" {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil || n < 0 {
			return nil, httpd.InvalidParam("timeout is a number of milliseconds.")
		}
		req.Timeout = min(time.Duration(min(n, 1<<30))*time.Millisecond, maxSyncTimeout)
	}
	if text := q.Get("filter"); text != "" {
		f, err := s.readFilter(r.Context(), x, text)
		if err != nil {
			return nil, err
		}
		req.Filter = *f
	}
	req.Filter.StateAfter = q.Get("use_state_after") == "true" || q.Get("org.matrix.msc4222.use_state_after") == "true"
	if err := s.present(x, q.Get("set_presence")); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-x.Done(): // signed out while waiting
			cancel()
		case <-ctx.Done():
		}
	}()
	resp, err := s.sync.Sync(ctx, req)
	if err != nil && r.Context().Err() == nil && ctx.Err() != nil {
		return nil, httpd.UnknownToken(false, "You have been signed out.")
	}
	if err == nil {
		resp.Keys, resp.Unused, err = s.keysLeft(r.Context(), x.User, x.Device)
	}
	if err == nil && len(resp.ToDevice) > 0 {
		s.toDevice.Store(toDeviceKey{x.User, x.Device}, resp.Next.Side)
	}
	return resp, err
}

// readFilter reads a filter that stands in the request itself, or looks up one that was stored.
func (s *Server) readFilter(ctx context.Context, x session, text string) (*stream.Filter, error) {
	raw := []byte(text)
	if text[0] != '{' {
		var err error
		raw, err = store.Blob(ctx, s.DB.Reader(), x.User, "filter", text)
		if err == store.ErrNotFound {
			return nil, httpd.InvalidParam("You have no filter %q.", text)
		} else if err != nil {
			return nil, err
		}
	}
	var f filterRequest
	if err := httpd.DecodeJSON(raw, &f); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	out := f.filter()
	return &out, nil
}

// accountData implements "GET /user/{userId}/account_data/{type}" and that of a room.
func (s *Server) accountData(r *http.Request, x session, _ *httpd.None) (*httpd.Raw, error) {
	user, room, err := s.dataOf(r, x)
	if err != nil {
		return nil, err
	}
	raw, err := store.AccountDatum(r.Context(), s.DB.Reader(), user, room, r.PathValue("type"))
	if err == store.ErrNotFound {
		return nil, httpd.NotFound("You have no such data.")
	}
	return (*httpd.Raw)(&raw), err
}

func (s *Server) dataOf(r *http.Request, x session) (matrix.UserID, matrix.RoomID, error) {
	user, err := self(r, x)
	if err != nil || r.PathValue("roomID") == "" {
		return user, "", err
	}
	room, err := roomID(r)
	return user, room, err
}

const maxAccountData = 1000 // pieces that one person may have

// setAccountData implements "PUT /user/{userId}/account_data/{type}" and that of a room.
func (s *Server) setAccountData(r *http.Request, x session, req *httpd.Raw) (*httpd.None, error) {
	user, room, err := s.dataOf(r, x)
	if err != nil {
		return nil, err
	}
	typ := r.PathValue("type")
	if typ == "m.fully_read" || typ == "m.push_rules" {
		return nil, httpd.Errorf(http.StatusMethodNotAllowed, "M_BAD_JSON", "%s is set by other requests.", typ)
	}
	return &httpd.None{}, s.putAccountData(r.Context(), user, room, typ, *req)
}

func (s *Server) putAccountData(ctx context.Context, user matrix.UserID, room matrix.RoomID, typ string, raw []byte) error {
	content, err := compact(raw)
	if err != nil {
		return err
	}
	if len(typ) > matrix.MaxIDSize || len(content) > matrix.MaxEventSize {
		return httpd.TooLarge("Account data may have at most %d bytes.", matrix.MaxEventSize)
	}
	n, err := store.CountAccountData(ctx, s.DB.Reader(), user)
	if err != nil {
		return err
	}
	if n >= maxAccountData {
		return httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "You have %d pieces of data stored already.", n)
	}
	return s.Rec.Do(ctx, func(b *recorder.Batch) error {
		side := s.Hub.NextSide(b)
		b.OnCommit(func() {
			if typ == typePushRules || typ == "m.ignored_user_list" {
				s.Hub.DataChanged(user)
			}
			s.Hub.Touch(user, side)
		})
		return store.SetAccountData(b.Context(), b.Tx(), store.AccountData{User: user, Room: room, Type: typ, Content: content, Stream: side})
	})
}

func compact(raw []byte) ([]byte, error) {
	v := jsontext.Value(append([]byte(nil), raw...))
	if err := v.Compact(); err != nil {
		return nil, httpd.NotJSON("This is not JSON.")
	}
	return v, nil
}

type tagsResponse struct {
	Tags map[string]jsontext.Value `json:"tags"`
}

func (s *Server) readTags(r *http.Request, x session) (*tagsResponse, matrix.RoomID, error) {
	user, room, err := s.dataOf(r, x)
	if err != nil {
		return nil, "", err
	}
	resp := &tagsResponse{Tags: map[string]jsontext.Value{}}
	raw, err := store.AccountDatum(r.Context(), s.DB.Reader(), user, room, "m.tag")
	if err == store.ErrNotFound {
		return resp, room, nil
	} else if err != nil {
		return nil, "", err
	}
	if err := httpd.DecodeJSON(raw, resp); err != nil {
		return nil, "", err
	}
	if resp.Tags == nil {
		resp.Tags = map[string]jsontext.Value{}
	}
	return resp, room, nil
}

// tags implements "GET …/tags".
func (s *Server) tags(r *http.Request, x session, _ *httpd.None) (*tagsResponse, error) {
	resp, _, err := s.readTags(r, x)
	return resp, err
}

// setTag implements "PUT …/tags/{tag}".
func (s *Server) setTag(r *http.Request, x session, req *httpd.Raw) (*httpd.None, error) {
	return s.changeTags(r, x, func(tags map[string]jsontext.Value) { tags[r.PathValue("tag")] = jsontext.Value(*req) })
}

// deleteTag implements "DELETE …/tags/{tag}".
func (s *Server) deleteTag(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	return s.changeTags(r, x, func(tags map[string]jsontext.Value) { delete(tags, r.PathValue("tag")) })
}

func (s *Server) changeTags(r *http.Request, x session, change func(map[string]jsontext.Value)) (*httpd.None, error) {
	resp, room, err := s.readTags(r, x)
	if err != nil {
		return nil, err
	}
	change(resp.Tags)
	raw, err := marshal(resp)
	if err != nil {
		return nil, err
	}
	return &httpd.None{}, s.putAccountData(r.Context(), x.User, room, "m.tag", raw)
}

func shortHash(b []byte) string {
	h := sum(b)
	return base64.RawURLEncoding.EncodeToString(h[:9])
}

// MarkDirect notes among somebody's account data that a conversation is with one other person
// (Client-Server API, "Direct Messaging").
func (s *Server) MarkDirect(ctx context.Context, who, other matrix.UserID, id matrix.RoomID) error {
	direct := map[matrix.UserID][]matrix.RoomID{}
	raw, err := store.AccountDatum(ctx, s.DB.Reader(), who, "", "m.direct")
	if err == nil {
		err = httpd.DecodeJSON(raw, &direct)
	}
	if err != nil && err != store.ErrNotFound {
		return err
	}
	direct[other] = append(direct[other], id)
	if raw, err = marshal(direct); err != nil {
		return err
	}
	return s.putAccountData(ctx, who, "", "m.direct", raw)
}
