package clientapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/room"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

type createRequest struct {
	Visibility    string                    `json:"visibility"`
	AliasName     string                    `json:"room_alias_name"`
	Name          string                    `json:"name"`
	Topic         string                    `json:"topic"`
	Invite        []matrix.UserID           `json:"invite"`
	RoomVersion   matrix.RoomVersion        `json:"room_version"`
	Creation      map[string]jsontext.Value `json:"creation_content"`
	InitialState  []initialState            `json:"initial_state"`
	Preset        string                    `json:"preset"`
	IsDirect      bool                      `json:"is_direct"`
	PowerOverride jsontext.Value            `json:"power_level_content_override"`
}

type initialState struct {
	Type     string         `json:"type"`
	StateKey string         `json:"state_key"`
	Content  jsontext.Value `json:"content"`
}

type roomResponse struct {
	RoomID matrix.RoomID `json:"room_id"`
}

// createRoom implements "POST /createRoom".
func (s *Server) createRoom(r *http.Request, x session, req *createRequest) (*roomResponse, error) {
	if req.RoomVersion != "" && !req.RoomVersion.Known() {
		return nil, httpd.UnsupportedRoomVersion("Conversations of version %q cannot be made here.", req.RoomVersion)
	}
	switch req.Preset {
	case "", "private_chat", "trusted_private_chat", "public_chat":
	default:
		return nil, httpd.InvalidParam("There is no preset %q.", req.Preset)
	}
	c := room.Create{Creator: x.User, Device: x.Device, Version: req.RoomVersion, Preset: req.Preset, Visibility: req.Visibility,
		Name: req.Name, Topic: req.Topic, Invite: req.Invite, Direct: req.IsDirect, Creation: req.Creation, Powers: req.PowerOverride,
		Listed: req.Visibility == "public"}
	if req.AliasName != "" {
		alias, err := matrix.ParseRoomAlias("#" + req.AliasName + ":" + string(s.Name))
		if err != nil {
			return nil, httpd.InvalidParam("%s", err)
		}
		if err := s.freeAlias(x, alias); err != nil {
			return nil, err
		}
		if _, _, err := store.Alias(r.Context(), s.DB.Reader(), alias); err == nil {
			return nil, httpd.RoomInUse("There is a conversation with the address %s already.", alias)
		}
		c.Alias = alias
	}
	for _, who := range req.Invite {
		if _, err := matrix.ParseUserID(string(who)); err != nil {
			return nil, err
		}
	}
	for _, st := range req.InitialState {
		c.InitialState = append(c.InitialState, room.State{Type: st.Type, Key: st.StateKey, Content: st.Content})
	}
	id, err := s.Rooms.Create(r.Context(), c)
	if sqldb.IsUnique(err) {
		return nil, httpd.RoomInUse("There is a conversation with this address already.")
	}
	if errors.Is(err, room.ErrNotFound) {
		return nil, httpd.NotFound("%s", strings.TrimSuffix(err.Error(), ": not found")+" has no account here.")
	}
	return &roomResponse{id}, err
}

type joinedRoomsResponse struct {
	JoinedRooms []matrix.RoomID `json:"joined_rooms"`
}

// joinedRooms implements "GET /joined_rooms".
func (s *Server) joinedRooms(_ *http.Request, x session, _ *httpd.None) (*joinedRoomsResponse, error) {
	rooms := s.Hub.Rooms(x.User, "join")
	if rooms == nil {
		rooms = []matrix.RoomID{}
	}
	return &joinedRoomsResponse{rooms}, nil
}

// roomOf is the room that a request names by its id or by an alias.
func (s *Server) roomOf(r *http.Request) (matrix.RoomID, error) {
	name := r.PathValue("roomID")
	if strings.HasPrefix(name, "#") {
		alias, err := matrix.ParseRoomAlias(name)
		if err != nil {
			return "", err
		}
		id, _, err := store.Alias(r.Context(), s.DB.Reader(), alias)
		if err == store.ErrNotFound {
			return "", httpd.NotFound("There is no conversation %s.", alias)
		}
		return id, err
	}
	return roomID(r)
}

// membershipRequest is what changes somebody's membership. What else a request to join has becomes part of the
// member event.
type membershipRequest struct {
	UserID     matrix.UserID             `json:"user_id"`
	Reason     string                    `json:"reason"`
	ThirdParty jsontext.Value            `json:"third_party_signed"`
	Extra      map[string]jsontext.Value `json:",embed"`
}

func (s *Server) setMembership(r *http.Request, c room.Change, x session) (matrix.RoomID, error) {
	id, err := s.roomOf(r)
	if err != nil {
		return "", err
	}
	c.Room, c.Sender, c.Device = id, x.User, x.Device
	if c.Target == "" {
		c.Target = x.User
	}
	if _, err := matrix.ParseUserID(string(c.Target)); err != nil {
		return "", err
	}
	_, err = s.Rooms.SetMembership(r.Context(), c)
	return id, err
}

// join implements "POST /join/{roomIdOrAlias}" and "POST /rooms/{roomId}/join".
func (s *Server) join(r *http.Request, x session, req *membershipRequest) (*roomResponse, error) {
	for _, name := range []string{"membership", "displayname", "avatar_url", "join_authorised_via_users_server", "third_party_invite", "is_direct"} {
		delete(req.Extra, name)
	}
	id, err := s.setMembership(r, room.Change{Membership: "join", Reason: req.Reason, Extra: req.Extra}, x)
	return &roomResponse{id}, err
}

// knock implements "POST /knock/{roomIdOrAlias}".
func (s *Server) knock(r *http.Request, x session, req *membershipRequest) (*roomResponse, error) {
	id, err := s.setMembership(r, room.Change{Membership: "knock", Reason: req.Reason}, x)
	return &roomResponse{id}, err
}

// invite implements "POST /rooms/{roomId}/invite".
func (s *Server) invite(r *http.Request, x session, req *membershipRequest) (*httpd.None, error) {
	if req.UserID == "" {
		return nil, httpd.MissingParam("Say whom to invite: user_id.")
	}
	_, err := s.setMembership(r, room.Change{Membership: "invite", Target: req.UserID, Reason: req.Reason}, x)
	return &httpd.None{}, err
}

// leave implements "POST /rooms/{roomId}/leave".
func (s *Server) leave(r *http.Request, x session, req *membershipRequest) (*httpd.None, error) {
	_, err := s.setMembership(r, room.Change{Membership: "leave", Reason: req.Reason}, x)
	return &httpd.None{}, err
}

// forget implements "POST /rooms/{roomId}/forget": the room and its history are shown no more. The record stays.
func (s *Server) forget(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	info, ok := s.Hub.Room(id)
	state, pos := s.Hub.Membership(id, x.User)
	switch {
	case state == "join" || state == "invite" || state == "knock":
		return nil, httpd.Unknown("Leave the conversation first.")
	case !ok || state == "":
		return &httpd.None{}, nil
	}
	return &httpd.None{}, s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		b.OnCommit(func() { s.Hub.Forget(id, x.User) })
		return store.Forget(b.Context(), b.Tx(), x.User, info.Scope, pos)
	})
}

// kick implements "POST /rooms/{roomId}/kick".
func (s *Server) kick(r *http.Request, x session, req *membershipRequest) (*httpd.None, error) {
	_, err := s.setMembership(r, room.Change{Membership: "leave", Target: req.UserID, Reason: req.Reason, Kick: true}, x)
	return &httpd.None{}, err
}

// ban implements "POST /rooms/{roomId}/ban".
func (s *Server) ban(r *http.Request, x session, req *membershipRequest) (*httpd.None, error) {
	_, err := s.setMembership(r, room.Change{Membership: "ban", Target: req.UserID, Reason: req.Reason}, x)
	return &httpd.None{}, err
}

// unban implements "POST /rooms/{roomId}/unban".
func (s *Server) unban(r *http.Request, x session, req *membershipRequest) (*httpd.None, error) {
	_, err := s.setMembership(r, room.Change{Membership: "leave", Target: req.UserID, Reason: req.Reason, Unban: true}, x)
	return &httpd.None{}, err
}
