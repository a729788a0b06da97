package clientapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/appservice"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/room"
	"despatch/internal/store"
)

// Application services: programs that speak for many people, such as bridges (Application Service API,
// "Client-Server API Extensions").

// bridged is the session of a request with an application service's token: in its own name, or in that of
// the person it names ("Identity assertion", and MSC3202 for devices).
func (s *Server) bridged(r *http.Request, b *appservice.Bridge) (session, error) {
	q := r.URL.Query()
	user := b.Sender
	if text := q.Get("user_id"); text != "" {
		var err error
		if user, err = matrix.ParseUserID(text); err != nil {
			return nil, refusal(err)
		}
		if !b.MaySpeakAs(user) {
			return nil, httpd.Forbidden("The application service %q may not speak for %s.", b.ID, user)
		}
	}
	device := q.Get("device_id")
	if device == "" {
		device = q.Get("org.matrix.msc3202.device_id")
	}
	if id := r.PathValue("eventID"); id != "" {
		r.SetPathValue("eventID", s.realID(r.Context(), b.ID, id))
	}
	return s.Identity.Bridged(r.Context(), b.ID, user, device)
}

// realID is the id of an event to which a bridge has given a name.
func (s *Server) realID(ctx context.Context, service, name string) string {
	if _, ok := store.EventRef(matrix.EventID(name)); ok {
		return name
	}
	ref, err := store.EventByAlias(ctx, s.DB.Reader(), service, name)
	if err != nil {
		return name // then nothing will be found under it either
	}
	return string(store.EventID(ref))
}

// asBridge prepares a request that an application service makes: what comes of it bears its name on the
// record, its own names of events are replaced by their ids, and the time that it claims for what it sends
// is taken ("Timestamp massaging").
func (s *Server) asBridge(r *http.Request, x session, req any) (*http.Request, error) {
	ctx := room.Via(r.Context(), x.Via)
	switch req := req.(type) {
	case *httpd.Raw:
		*req = room.ReplaceIDs(*req, func(id string) string { return s.realID(ctx, x.Via, id) })
	case *readMarkersRequest:
		for _, id := range []*matrix.EventID{&req.FullyRead, &req.Read, &req.ReadPrivate} {
			*id = matrix.EventID(s.realID(ctx, x.Via, string(*id)))
		}
	}
	if text := r.URL.Query().Get("ts"); text != "" {
		ts, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ts <= 0 || ts > maxTime {
			return nil, httpd.InvalidParam("ts is a number of milliseconds since 1970.")
		}
		ctx = room.Claimed(ctx, ts)
	}
	return r.WithContext(ctx), nil
}

const maxTime = 1<<53 - 1 // in canonical JSON

// bridge returns the application service that makes a request.
func (s *Server) bridge(r *http.Request) (*appservice.Bridge, error) {
	token := httpd.AccessToken(r)
	if token == "" {
		return nil, httpd.MissingToken()
	}
	b := s.Bridges.ByToken(token)
	if b == nil {
		return nil, httpd.UnknownToken(false, "This is not the token of an application service.")
	}
	return b, nil
}

func exclusive(name string) error {
	return httpd.Errorf(http.StatusBadRequest, "M_EXCLUSIVE", "%s belongs to an application service.", name)
}

// free refuses a user name that is an application service's alone.
func (s *Server) free(localpart string) error {
	user, err := matrix.NewUserID(localpart, s.Name)
	if err == nil && s.Bridges.OwnerOf(user) != nil {
		return exclusive(string(user))
	}
	return nil
}

// freeAlias refuses a room's name that is an application service's alone, to others than that service.
func (s *Server) freeAlias(x session, alias matrix.RoomAlias) error {
	if b := s.Bridges.OwnerOfAlias(alias); b != nil && b.ID != x.Via {
		return exclusive(string(alias))
	}
	return nil
}

const loginBridged = "m.login.application_service"

// registerBridged makes the account of somebody whom an application service speaks for ("Server admin style
// permissions"). It has to be one of those that are the service's alone.
func (s *Server) registerBridged(r *http.Request, req *registerRequest) (*registerResponse, error) {
	b, err := s.bridge(r)
	if err != nil {
		return nil, err
	}
	user, err := matrix.NewUserID(req.Username, s.Name)
	if err != nil {
		return nil, httpd.InvalidUsername("%q cannot be a user name. Use small letters a to z, digits, and . _ = - / +", req.Username)
	}
	if !b.Owns(user) {
		return nil, exclusive(string(user) + " is not in the namespace of this application service, or")
	}
	if err := s.Identity.Available(r.Context(), req.Username); err != nil {
		return nil, err
	}
	if _, err := s.Identity.CreateBridged(r.Context(), b.ID, req.Username); err != nil {
		return nil, err
	}
	resp := &registerResponse{UserID: user, HomeServer: s.Name}
	if req.InhibitLogin {
		return resp, nil
	}
	in, err := s.Identity.SignInBridged(r.Context(), b.ID, user, req.DeviceID, req.DeviceName, httpd.RemoteAddr(r, s.Proxies))
	if err != nil {
		return nil, err
	}
	resp.AccessToken, resp.DeviceID = in.Token, in.Device
	return resp, nil
}

// loginAsBridged signs in somebody whom an application service speaks for ("Login", m.login.application_service).
func (s *Server) loginAsBridged(r *http.Request, req *loginRequest) (*loginResponse, error) {
	b, err := s.bridge(r)
	if err != nil {
		return nil, err
	}
	name := req.Identifier.User
	if name == "" {
		name = req.User
	}
	user, err := matrix.ParseUserID(name)
	if err != nil {
		if user, err = matrix.NewUserID(name, s.Name); err != nil {
			return nil, httpd.InvalidUsername("%q is no user name.", name)
		}
	}
	if !b.MaySpeakAs(user) {
		return nil, exclusive(string(user) + " is not in the namespace of this application service, or")
	}
	in, err := s.Identity.SignInBridged(r.Context(), b.ID, user, req.DeviceID, req.DeviceName, httpd.RemoteAddr(r, s.Proxies))
	if err != nil {
		return nil, err
	}
	return &loginResponse{UserID: in.User, AccessToken: in.Token, DeviceID: in.Device, HomeServer: s.Name}, nil
}

type pingRequest struct {
	TransactionID string `json:"transaction_id"`
}

type pingResponse struct {
	Duration int64 `json:"duration_ms"`
}

// pingBridge implements "POST /_matrix/client/v1/appservice/{appserviceId}/ping": the server asks the service,
// with the token and at the address it has, whether it is there.
func (s *Server) pingBridge(r *http.Request, req *pingRequest) (*pingResponse, error) {
	b, err := s.bridge(r)
	if err != nil {
		return nil, err
	}
	if b.ID != r.PathValue("serviceID") {
		return nil, httpd.Forbidden("This token is that of %q.", b.ID)
	}
	if b.URL == "" {
		return nil, httpd.Errorf(http.StatusBadRequest, "M_URL_NOT_SET", "The registration of %q has no url.", b.ID)
	}
	if len(req.TransactionID) > matrix.MaxIDSize {
		return nil, httpd.InvalidParam("transaction_id has at most %d bytes.", matrix.MaxIDSize)
	}
	took, status, answer, err := b.Ping(r.Context(), req.TransactionID)
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, httpd.Errorf(http.StatusGatewayTimeout, "M_CONNECTION_TIMEOUT", "The application service did not answer in time.")
	case err != nil:
		return nil, httpd.Errorf(http.StatusBadGateway, "M_CONNECTION_FAILED", "The application service cannot be reached: %s", err)
	case status != http.StatusOK:
		return nil, &httpd.Error{Status: http.StatusBadGateway, Code: "M_BAD_STATUS", Message: "The application service answered with an error.",
			Fields: map[string]any{"status": status, "body": string(answer)}}
	}
	return &pingResponse{took.Milliseconds()}, nil
}

// nameBridgedDevice makes a device of somebody whom an application service speaks for (MSC4190).
func (s *Server) nameBridgedDevice(r *http.Request, x session, name string) (*httpd.None, error) {
	_, err := s.Identity.PutBridgedDevice(r.Context(), x.Via, x.User, r.PathValue("deviceID"), name)
	return &httpd.None{}, err
}

type batchRequest struct {
	Forward        bool           `json:"forward"`
	ForwardIfEmpty bool           `json:"forward_if_no_messages"`
	MarkReadBy     matrix.UserID  `json:"mark_read_by"`
	Events         []batchedEvent `json:"events"`
}

type batchedEvent struct {
	ID       string         `json:"event_id"`
	Sender   matrix.UserID  `json:"sender"`
	Type     string         `json:"type"`
	StateKey *string        `json:"state_key"`
	Time     int64          `json:"origin_server_ts"`
	Content  jsontext.Value `json:"content"`
}

type batchResponse struct {
	EventIDs []matrix.EventID `json:"event_ids"`
}

// maxBatchBody is the size of a part of a conversation that a bridge brings in at once.
const maxBatchBody = 16 << 20

// bringIn implements "POST /_matrix/client/unstable/com.beeper.backfill/rooms/{roomId}/batch_send", with which
// bridges bring in conversations that were held before: they stand in the room before what has been said
// there, and on the record where they arrived, as what they are.
func (s *Server) bringIn(r *http.Request, x session, req *batchRequest) (*batchResponse, error) {
	b, err := s.bridge(r)
	if err != nil {
		return nil, err
	}
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	batch := room.Batch{Room: id, By: x.User, Forward: req.Forward, Events: make([]room.Bridged, len(req.Events))}
	if len(req.Events) > room.MaxBatch {
		return nil, httpd.TooLarge("At most %d events can be brought in at once.", room.MaxBatch)
	}
	for i, e := range req.Events {
		if !b.MaySpeakAs(e.Sender) {
			return nil, httpd.Forbidden("The application service %q may not speak for %s, the sender of event %d.", b.ID, e.Sender, i)
		}
		if len(e.ID) > matrix.MaxIDSize || e.Time <= 0 || e.Time > maxTime || len(e.Content) == 0 {
			return nil, httpd.InvalidParam("Event %d lacks its content or its time, or its event_id is too long.", i)
		}
		if err := s.ensureGhost(r.Context(), b, e.Sender); err != nil {
			return nil, err
		}
		batch.Events[i] = room.Bridged{Alias: e.ID, Sender: e.Sender, Type: e.Type, StateKey: e.StateKey, Content: e.Content, Time: e.Time}
	}
	if req.MarkReadBy != "" && !b.MaySpeakAs(req.MarkReadBy) {
		return nil, httpd.Forbidden("The application service %q may not speak for %s.", b.ID, req.MarkReadBy)
	}
	ids, err := s.Rooms.BringIn(r.Context(), batch)
	if err != nil {
		return nil, err
	}
	b.Aliased()
	if len(ids) > 0 && req.MarkReadBy != "" {
		err = s.readBatch(r.Context(), id, req.MarkReadBy, ids[len(ids)-1])
	}
	return &batchResponse{ids}, err
}

// readBatch notes that somebody has read what was brought in, if it is the end of the conversation.
func (s *Server) readBatch(ctx context.Context, id matrix.RoomID, who matrix.UserID, last matrix.EventID) error {
	info, ok := s.Hub.Room(id)
	if state, _ := s.Hub.Membership(id, who); !ok || state != "join" {
		return nil
	}
	ref, _ := store.EventRef(last)
	row, _, err := store.EventByRef(ctx, s.DB.Reader(), ref)
	if err != nil {
		return err
	}
	if _, err := store.HistoryPlace(ctx, s.DB.Reader(), row.Pos); err != store.ErrNotFound {
		return err
	}
	return s.read(ctx, info, who, "m.read", "", last)
}

// ensureGhost makes the account of a sender whom only the bridge can be.
func (s *Server) ensureGhost(ctx context.Context, b *appservice.Bridge, who matrix.UserID) error {
	_, err := store.PersonByID(ctx, s.DB.Reader(), string(who))
	if err != store.ErrNotFound || !b.Owns(who) {
		return err
	}
	_, err = s.Identity.CreateBridged(ctx, b.ID, who.Localpart())
	return err
}

// ProfileOf is [Profile] with those whom an application service makes when it is asked for them.
func ProfileOf(people *identity.Service, bridges *appservice.Service) func(context.Context, matrix.UserID) (room.Profile, error) {
	plain := Profile(people)
	return func(ctx context.Context, who matrix.UserID) (room.Profile, error) {
		p, err := plain(ctx, who)
		if errors.Is(err, room.ErrNotFound) && bridges.AskUser(ctx, who) {
			return plain(ctx, who)
		}
		return p, err
	}
}

// protocol implements "GET /thirdparty/protocol/{protocol}": bridges here are found by their bots.
func (s *Server) protocol(*http.Request, session, *httpd.None) (*httpd.None, error) {
	return nil, httpd.NotFound("No bridge here offers look-ups of that kind.")
}

// thirdParty implements "GET /thirdparty/location" and "GET /thirdparty/user", with and without a protocol:
// nothing is found.
func (s *Server) thirdParty(*http.Request, session, *httpd.None) (*stateList, error) {
	return &stateList{}, nil
}
