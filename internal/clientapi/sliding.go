package clientapi

import (
	"context"
	"errors"
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

// Sliding sync (MSC4186). Its first form, on the unstable path, is what Element X speaks; the other, on
// /v4/sync, is the proposal as it was accepted. A request may have the fields of either.

const (
	maxPatterns  = 500 // of state that one list may ask for
	maxRanges    = 20  // of one list
	maxToDevices = 100 // messages in one answer
)

type slidingRequest struct {
	ConnID     string                         `json:"conn_id"`
	Pos        string                         `json:"pos"`
	Timeout    int64                          `json:"timeout"`
	Lists      map[string]slidingList         `json:"lists"`
	Rooms      map[matrix.RoomID]slidingRooms `json:"room_subscriptions"`
	Extensions struct {
		ToDevice struct {
			Enabled bool   `json:"enabled"`
			Since   string `json:"since"`
			Limit   int    `json:"limit"`
		} `json:"to_device"`
		E2EE struct {
			Enabled bool `json:"enabled"`
		} `json:"e2ee"`
		AccountData slidingExtension `json:"account_data"`
		Receipts    slidingExtension `json:"receipts"`
		Typing      slidingExtension `json:"typing"`
	} `json:"extensions"`
}

type slidingRooms struct {
	Limit         int            `json:"timeline_limit"`
	RequiredState jsontext.Value `json:"required_state"`
}

type slidingList struct {
	slidingRooms `json:",inline"`
	Ranges       [][2]int      `json:"ranges"`
	Range        *[2]int       `json:"range"`
	Filters      slidingFilter `json:"filters"`
}

type slidingFilter struct {
	DM        *bool           `json:"is_dm"`
	Encrypted *bool           `json:"is_encrypted"`
	Invite    *bool           `json:"is_invite"`
	Invited   *bool           `json:"is_invited"`
	Spaces    []matrix.RoomID `json:"spaces"`
	Types     []*string       `json:"room_types"`
	NotTypes  []*string       `json:"not_room_types"`
	Tags      []string        `json:"tags"`
	NotTags   []string        `json:"not_tags"`
}

type slidingExtension struct {
	Enabled bool            `json:"enabled"`
	Lists   []string        `json:"lists"`
	Rooms   []matrix.RoomID `json:"rooms"`
}

// slidingSync implements "POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync".
func (s *Server) slidingSync(r *http.Request, x session, req *slidingRequest) (*stream.SlidingResponse, error) {
	q := r.URL.Query()
	req.Pos = q.Get("pos")
	req.Timeout = 0
	if ms := q.Get("timeout"); ms != "" {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return nil, httpd.InvalidParam("timeout is a number of milliseconds.")
		}
		req.Timeout = n
	}
	return s.slide(r, x, req, false)
}

// slidingSyncV4 implements "POST /_matrix/client/v4/sync".
func (s *Server) slidingSyncV4(r *http.Request, x session, req *slidingRequest) (*stream.SlidingResponse, error) {
	return s.slide(r, x, req, true)
}

func (s *Server) slide(r *http.Request, x session, req *slidingRequest, stable bool) (*stream.SlidingResponse, error) {
	out, err := req.read(x)
	if err != nil {
		return nil, err
	}
	out.Stable = stable
	out.Keys = func() (counts, unused []byte, err error) { return s.keysLeft(r.Context(), x.User, x.Device) }
	if err := s.receivedUpTo(r.Context(), x, out.ToDevice.Since); err != nil {
		return nil, err
	}
	out.Ended = x.Done()
	resp, err := s.sync.Sliding(r.Context(), *out)
	switch {
	case errors.Is(err, stream.ErrUnknownPos):
		return nil, httpd.Errorf(http.StatusBadRequest, "M_UNKNOWN_POS", "%s", err)
	case errors.Is(err, stream.ErrEnded):
		return nil, httpd.UnknownToken(false, "You have been signed out.")
	}
	return resp, err
}

// receivedUpTo forgets the messages that a device says it has.
func (s *Server) receivedUpTo(ctx context.Context, x session, upTo int64) error {
	if upTo <= 0 {
		return nil
	}
	waiting := false
	err := store.ToDeviceNumbered(ctx, s.DB.Reader(), x.User, x.Device, 0, upTo, 1, func(int64, []byte) { waiting = true })
	if err != nil || !waiting {
		return err
	}
	return s.Rec.Do(ctx, func(b *recorder.Batch) error {
		return store.DeleteToDevice(b.Context(), b.Tx(), x.User, x.Device, upTo)
	})
}

// read checks a request and brings it into one form.
func (req *slidingRequest) read(x session) (*stream.SlidingRequest, error) {
	if len(req.Lists) > stream.MaxSlidingLists || len(req.Rooms) > stream.MaxSlidingLists {
		return nil, httpd.InvalidParam("There may be at most %d lists and as many subscriptions.", stream.MaxSlidingLists)
	}
	if len(req.ConnID) > matrix.MaxIDSize || len(req.Pos) > matrix.MaxIDSize {
		return nil, httpd.InvalidParam("conn_id and pos have at most %d bytes.", matrix.MaxIDSize)
	}
	if req.Timeout < 0 {
		return nil, httpd.InvalidParam("timeout is a number of milliseconds.")
	}
	out := &stream.SlidingRequest{User: x.User, Device: x.Device, Conn: req.ConnID, Pos: req.Pos,
		Timeout: min(time.Duration(min(req.Timeout, 1<<30))*time.Millisecond, maxSyncTimeout),
		Lists:   make(map[string]stream.SlidingList, len(req.Lists)),
		Rooms:   make(map[matrix.RoomID]stream.RoomConfig, len(req.Rooms))}
	for name, list := range req.Lists {
		l, err := list.read(x.User)
		if err != nil {
			return nil, err
		}
		if name == "" || len(name) > matrix.MaxIDSize {
			return nil, httpd.InvalidParam("A list's name has between 1 and %d bytes.", matrix.MaxIDSize)
		}
		out.Lists[name] = *l
	}
	for id, sub := range req.Rooms {
		c, err := sub.read(x.User)
		if err != nil {
			return nil, err
		}
		out.Rooms[id] = *c
	}
	e := &req.Extensions
	out.ToDevice.Enabled = e.ToDevice.Enabled
	out.ToDevice.Limit = maxToDevices
	if n := e.ToDevice.Limit; n > 0 {
		out.ToDevice.Limit = min(n, maxToDevices)
	}
	if e.ToDevice.Since != "" {
		n, err := strconv.ParseInt(e.ToDevice.Since, 10, 64)
		if err != nil || n < 0 {
			return nil, httpd.InvalidParam("to_device.since is not a token of this server.")
		}
		out.ToDevice.Since = n
	}
	out.E2EE = e.E2EE.Enabled
	out.AccountData, out.Receipts, out.Typing = stream.Extension(e.AccountData), stream.Extension(e.Receipts), stream.Extension(e.Typing)
	return out, nil
}

func (l *slidingList) read(me matrix.UserID) (*stream.SlidingList, error) {
	c, err := l.slidingRooms.read(me)
	if err != nil {
		return nil, err
	}
	out := &stream.SlidingList{RoomConfig: *c, Ranges: l.Ranges}
	if l.Range != nil {
		out.Ranges = append(out.Ranges, *l.Range)
	}
	if len(out.Ranges) > maxRanges {
		return nil, httpd.InvalidParam("A list may have at most %d ranges.", maxRanges)
	}
	for _, rg := range out.Ranges {
		if rg[0] < 0 || rg[1] < rg[0] {
			return nil, httpd.InvalidParam("A range is two numbers from 0, the first not above the second.")
		}
	}
	f := &l.Filters
	if len(f.Spaces)+len(f.Types)+len(f.NotTypes)+len(f.Tags)+len(f.NotTags) > maxPatterns {
		return nil, httpd.InvalidParam("A filter may name at most %d things.", maxPatterns)
	}
	out.Filter = stream.SlidingFilter{DM: f.DM, Encrypted: f.Encrypted, Invited: f.Invited, Spaces: f.Spaces,
		Types: roomTypes(f.Types), NotTypes: roomTypes(f.NotTypes), Tags: f.Tags, NotTags: f.NotTags}
	if f.Invite != nil {
		out.Filter.Invited = f.Invite
	}
	return out, nil
}

// roomTypes reads types of rooms; null is a room without one.
func roomTypes(in []*string) []string {
	if in == nil {
		return nil
	}
	out := make([]string, len(in))
	for i, t := range in {
		if t != nil {
			out[i] = *t
		}
	}
	return out
}

type requiredState struct {
	Include []statePattern `json:"include"`
	Exclude []statePattern `json:"exclude"`
	Lazy    bool           `json:"lazy_members"`
}

type statePattern struct {
	Type *string `json:"type"`
	Key  *string `json:"state_key"`
}

func (c *slidingRooms) read(me matrix.UserID) (*stream.RoomConfig, error) {
	out := &stream.RoomConfig{Limit: min(max(0, c.Limit), maxTimeline)}
	if len(c.RequiredState) == 0 || c.RequiredState.Kind() == 'n' {
		return out, nil
	}
	if c.RequiredState.Kind() == '[' {
		return out, readPairs(c.RequiredState, me, &out.State)
	}
	var want requiredState
	if err := httpd.DecodeJSON(c.RequiredState, &want); err != nil {
		return nil, err
	}
	if len(want.Include)+len(want.Exclude) > maxPatterns {
		return nil, tooManyPatterns()
	}
	any := func(s *string) string {
		if s == nil {
			return "*"
		}
		return *s
	}
	for _, p := range want.Include {
		out.State.Include = append(out.State.Include, stream.StatePattern{Type: any(p.Type), Key: any(p.Key)})
	}
	for _, p := range want.Exclude {
		out.State.Exclude = append(out.State.Exclude, stream.StatePattern{Type: any(p.Type), Key: any(p.Key)})
	}
	out.State.Lazy = want.Lazy
	return out, nil
}

func tooManyPatterns() error {
	return httpd.InvalidParam("required_state may have at most %d entries.", maxPatterns)
}

// readPairs reads state as Element X asks for it: pairs of a type and a key, either of which can be "*".
// A key of $ME is the user, and $LAZY the members whom the timeline needs.
func readPairs(raw jsontext.Value, me matrix.UserID, out *stream.RequiredState) error {
	bad := httpd.BadJSON("required_state is a list of pairs of a type and a state key.")
	n, wrong := 0, false
	matrix.Elements(raw, func(pair []byte) bool {
		var part [2]string
		i := 0
		matrix.Elements(pair, func(v []byte) bool {
			s, ok := matrix.String(v)
			wrong = wrong || !ok || i > 1
			if !wrong {
				part[i] = s
			}
			i++
			return !wrong
		})
		n++
		wrong = wrong || i != 2
		switch p := (stream.StatePattern{Type: part[0], Key: part[1]}); {
		case wrong:
		case p.Key == "$LAZY":
			out.Lazy = out.Lazy || p.Type == matrix.TypeMember
		case p.Key == "$ME":
			out.Include = append(out.Include, stream.StatePattern{Type: p.Type, Key: string(me)})
		default:
			out.Include = append(out.Include, p)
		}
		return !wrong && n <= maxPatterns
	})
	switch {
	case wrong:
		return bad
	case n > maxPatterns:
		return tooManyPatterns()
	}
	return nil
}
