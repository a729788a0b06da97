// Package clientapi is the Matrix client-server API, version 1.19, as far as it makes sense on a server
// whose conversations are on the record. One table has the routes, a file each the chapters of the
// specification.
//
// It has no rules and no SQL of its own: it reads requests, asks the services, and writes answers.
package clientapi

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"despatch/internal/appservice"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/capture"
	"despatch/internal/capture/mailin"
	"despatch/internal/capture/office"
	"despatch/internal/eventauth"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/media"
	"despatch/internal/recorder"
	"despatch/internal/room"
	"despatch/internal/search"
	"despatch/internal/sqldb"
	"despatch/internal/stream"
)

// Server answers the client-server API. Its fields are set before [Server.Handler] is called.
type Server struct {
	Name     matrix.ServerName
	BaseURL  string // what .well-known tells clients; "" for the address they already use
	DB       *sqldb.DB
	Rec      *recorder.Recorder
	Identity *identity.Service
	Rooms    *room.Service
	Hub      *stream.Hub
	Media    *media.Service
	Capture  *capture.Service
	Office   *office.Service
	Mail     *mailin.Service
	Index    *search.Index
	Bridges  *appservice.Service
	Temp     string // folder for files under way
	HTTP     *httpd.Adapter
	Key      string         // the record's verifier key
	Proxies  []netip.Prefix // whose X-Forwarded-For is believed
	Now      func() time.Time
	Log      *slog.Logger

	OpenRegistration   bool      // anybody can make themselves an account
	RegistrationSecret string    // whoever knows it can make accounts; "" for nobody
	Version            string    // of the program
	Previews           *Previews // of links; nil for none

	KeyID     matrix.KeyID // of the key with which this server signs as a Matrix server
	ServerKey ed25519.PrivateKey

	sync    *stream.Syncer
	exports *exports
	uia     interactive
	nonces  nonces
	walks   walks
	notices notices

	reporters  reporters
	deviceTxns deviceTxns
	toDevice   sync.Map // of toDeviceKey: the place in the side stream up to which messages have been sent
	keysAt     sync.Map // of toDeviceKey: what /sync says of the keys that a device has left
}

// session is who is asking.
type session = *identity.Session

func (s *Server) caller(r *http.Request) (session, error) {
	token := httpd.AccessToken(r)
	if token == "" {
		return nil, httpd.MissingToken()
	}
	if b := s.Bridges.ByToken(token); b != nil {
		return s.bridged(r, b)
	}
	x, err := s.Identity.Authenticate(r.Context(), token)
	if err == nil && x.Locked() && !strings.Contains(r.URL.Path, "/logout") {
		return nil, httpd.UserLocked("Your account is locked. Ask the IT desk.")
	}
	return x, err
}

// Handler returns the API, to be mounted at /_matrix/, /_despatch/ and /.well-known/matrix/.
func (s *Server) Handler() http.Handler {
	s.exports = &exports{dir: filepath.Join(s.Temp, "uploads"), now: s.Now}
	s.sync = &stream.Syncer{Hub: s.Hub, DB: s.DB, Now: s.Now}
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		for _, path := range rt.paths {
			mux.Handle(rt.method+" "+path, rt.handler)
		}
	}
	mux.Handle("/_matrix/", httpd.NoRoute(s.HTTP, mux))
	mux.Handle("/_despatch/", httpd.NoRoute(s.HTTP, mux))
	mux.Handle("/_synapse/", httpd.NoRoute(s.HTTP, mux))
	return httpd.CORS(mux)
}

// Federation is what other servers reach: so far only which program this is, and with which
// key it signs.
func (s *Server) Federation() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range []route{open(s, "GET /_matrix/federation/v1/version", s.federationVersion), open(s, "POST /_matrix/key/v2/query", s.serverKeys),
		open(s, "GET /_matrix/key/v2/server", s.serverKey)} {
		mux.Handle(rt.method+" "+rt.paths[0], rt.handler)
	}
	mux.Handle("/", httpd.NoRoute(s.HTTP, mux))
	return mux
}

// federationVersion implements Server-Server API, "GET /_matrix/federation/v1/version".
func (s *Server) federationVersion(*http.Request, *httpd.None) (*federationVersion, error) {
	v := &federationVersion{}
	v.Server.Name, v.Server.Version = "Despatch", s.Version
	return v, nil
}

type serverKeyText struct {
	ServerName matrix.ServerName                  `json:"server_name"`
	ValidUntil int64                              `json:"valid_until_ts"`
	Keys       map[matrix.KeyID]map[string]string `json:"verify_keys"`
	OldKeys    map[matrix.KeyID]map[string]string `json:"old_verify_keys"`
}

// keyLasts is how long others may take the server's key for its key without asking again.
const keyLasts = 7 * 24 * time.Hour

// serverKey implements Server-Server API, "GET /_matrix/key/v2/server".
func (s *Server) serverKey(*http.Request, *httpd.None) (*httpd.Raw, error) {
	public := base64.RawStdEncoding.EncodeToString(s.ServerKey.Public().(ed25519.PublicKey))
	text, err := marshal(serverKeyText{s.Name, s.Now().Add(keyLasts).UnixMilli(), map[matrix.KeyID]map[string]string{s.KeyID: {"key": public}},
		map[matrix.KeyID]map[string]string{}})
	if err != nil {
		return nil, err
	}
	signed, err := matrix.SignJSON(text, string(s.Name), s.KeyID, s.ServerKey)
	return (*httpd.Raw)(&signed), err
}

type serverKeysRequest struct {
	Servers map[matrix.ServerName]jsontext.Value `json:"server_keys"`
}

type serverKeysResponse struct {
	Keys []jsontext.Value `json:"server_keys"`
}

// serverKeys implements Server-Server API, "POST /_matrix/key/v2/query": this server's own key, if it is asked for;
// those of others are not kept here.
func (s *Server) serverKeys(r *http.Request, req *serverKeysRequest) (*serverKeysResponse, error) {
	resp := &serverKeysResponse{[]jsontext.Value{}}
	if _, ok := req.Servers[s.Name]; ok {
		own, err := s.serverKey(r, nil)
		if err != nil {
			return nil, err
		}
		resp.Keys = append(resp.Keys, jsontext.Value(*own))
	}
	return resp, nil
}

type federationVersion struct {
	Server struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"server"`
}

// refusal turns what a service refuses into the error that a client is shown.
func refusal(err error) error {
	var shown *httpd.Error
	var refused *room.Refused
	var rejected *eventauth.Rejection
	switch {
	case err == nil || errors.As(err, &shown):
		return err
	case errors.As(err, &refused):
		return httpd.Forbidden("%s", refused.Reason)
	case errors.As(err, &rejected) && malformed(rejected.Rule):
		return httpd.InvalidParam("%s", rejected.Reason)
	case errors.As(err, &rejected):
		return httpd.Forbidden("%s", rejected.Reason)
	case errors.Is(err, room.ErrNotices):
		return httpd.CannotLeaveServerNoticeRoom("%s", err)
	case errors.Is(err, room.ErrNotFound):
		return httpd.NotFound("There is nothing like that here, or you may not see it.")
	case errors.Is(err, room.ErrLimit):
		return httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "%s", err)
	case errors.Is(err, matrix.ErrTooLarge):
		return httpd.TooLarge("%s", err)
	case errors.Is(err, matrix.ErrNotJSON):
		return httpd.NotJSON("%s", err)
	case errors.Is(err, matrix.ErrBadJSON):
		return httpd.BadJSON("%s", err)
	case errors.Is(err, matrix.ErrInvalid):
		return httpd.InvalidParam("%s", err)
	case errors.Is(err, stream.ErrToken):
		return httpd.InvalidParam("%s", err)
	}
	return err
}

// malformed reports whether a rule is about how an event is written, and not about who may send it: rules 1 and 9.1
// to 9.3 of room versions 7 to 11, and 10.1 to 10.4 of version 12.
func malformed(rule string) bool {
	switch rule {
	case "9.1", "9.2", "9.3", "10.1", "10.2", "10.3", "10.4":
		return true
	}
	return strings.HasPrefix(rule, "1.")
}

// Explain gives errors of the record and the database words that a person can act on. It is the
// adapter's Explain.
func Explain(err error) *httpd.Error {
	switch {
	case errors.Is(err, recorder.ErrUnavailable), sqldb.IsUnavailable(err):
		return httpd.Unavailable("This cannot be put on the record just now: %s. Nothing was sent; please try again.", sqldb.Reason(err))
	case errors.Is(err, recorder.ErrClosed):
		return httpd.Unavailable("The server is stopping. Nothing was sent; please try again.")
	}
	return nil
}

// joined returns the room of a request if the caller is in it.
func (s *Server) joined(r *http.Request, x session) (stream.RoomInfo, error) {
	id, err := roomID(r)
	if err != nil {
		return stream.RoomInfo{}, err
	}
	info, ok := s.Hub.Room(id)
	if state, _ := s.Hub.Membership(id, x.User); !ok || state != "join" {
		return info, httpd.Forbidden("You are not in this conversation.")
	}
	return info, nil
}

// sees returns the room of a request and what of its history the caller may read.
func (s *Server) sees(r *http.Request, x session) (stream.RoomInfo, *stream.Sight, error) {
	id, err := roomID(r)
	if err != nil {
		return stream.RoomInfo{}, nil, err
	}
	info, ok := s.Hub.Room(id)
	if !ok || s.Hub.HasForgotten(id, x.User) {
		return info, nil, httpd.Forbidden("You are not in this conversation.")
	}
	sight, err := s.Hub.Sight(r.Context(), s.DB.Reader(), id, x.User)
	if err != nil {
		return info, nil, err
	}
	// One who is invited sees what was said since, where that is the rule, but is in the conversation only after
	// joining.
	if state, _ := s.Hub.Membership(id, x.User); sight.Empty() || state != "join" && !sight.World() && !sight.WasJoined() {
		return info, nil, httpd.Forbidden("You are not in this conversation.")
	}
	return info, sight, nil
}

// readable returns the room of a request and the bounds of what the caller may read of its history.
func (s *Server) readable(r *http.Request, x session) (info stream.RoomInfo, from, to int64, err error) {
	info, sight, err := s.sees(r, x)
	if err != nil {
		return info, 0, 0, err
	}
	from, to = sight.Bounds()
	return info, from, to, nil
}

// administrator reports whether somebody runs the server.
func administrator(x session) bool { return x.Roles().Has(identity.IT) }

func roomID(r *http.Request) (matrix.RoomID, error) {
	id, err := matrix.ParseRoomID(r.PathValue("roomID"))
	return id, refusal(err)
}

func userID(r *http.Request) (matrix.UserID, error) {
	id, err := matrix.ParseUserID(r.PathValue("userID"))
	return id, refusal(err)
}

// self returns the user of a request's path if that is the caller.
func self(r *http.Request, x session) (matrix.UserID, error) {
	id, err := userID(r)
	if err == nil && id != x.User {
		err = httpd.Forbidden("You can see and change only what is your own.")
	}
	return id, err
}

// profile is how the services show somebody.
func Profile(people *identity.Service) func(context.Context, matrix.UserID) (room.Profile, error) {
	return func(ctx context.Context, id matrix.UserID) (room.Profile, error) {
		p, err := people.Person(ctx, id)
		var shown *httpd.Error
		if errors.As(err, &shown) && shown.Status == http.StatusNotFound || err == nil && p.Disabled != 0 {
			return room.Profile{}, room.ErrNotFound
		}
		return room.Profile{Name: p.Name, Avatar: p.Avatar}, err
	}
}
