package clientapi

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/eventauth"
	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
	"despatch/internal/stream"
)

type aliasResponse struct {
	RoomID  matrix.RoomID       `json:"room_id"`
	Servers []matrix.ServerName `json:"servers"`
}

// aliasOf reads the alias in a request's address.
func aliasOf(r *http.Request) (matrix.RoomAlias, error) {
	alias, err := matrix.ParseRoomAlias(r.PathValue("alias"))
	if err != nil {
		return "", httpd.InvalidParam("%q is no address of a conversation, such as #name:example.org.", r.PathValue("alias"))
	}
	return alias, nil
}

// alias implements "GET /directory/room/{roomAlias}".
func (s *Server) alias(r *http.Request, _ session, _ *httpd.None) (*aliasResponse, error) {
	alias, err := aliasOf(r)
	if err != nil {
		return nil, err
	}
	id, _, err := store.Alias(r.Context(), s.DB.Reader(), alias)
	if err == store.ErrNotFound && s.Bridges.AskAlias(r.Context(), alias) {
		id, _, err = store.Alias(r.Context(), s.DB.Reader(), alias)
	}
	if err == store.ErrNotFound {
		return nil, httpd.NotFound("There is no conversation %s.", alias)
	}
	return &aliasResponse{id, []matrix.ServerName{s.Name}}, err
}

type setAliasRequest struct {
	RoomID matrix.RoomID `json:"room_id"`
}

const maxAliases = 100 // of one room

// setAlias implements "PUT /directory/room/{roomAlias}". Whoever is in a conversation can give it an address.
func (s *Server) setAlias(r *http.Request, x session, req *setAliasRequest) (*httpd.None, error) {
	alias, err := aliasOf(r)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(string(alias), ":"+string(s.Name)) {
		return nil, httpd.InvalidParam("An address here ends in :%s.", s.Name)
	}
	if _, err := matrix.ParseRoomID(string(req.RoomID)); err != nil {
		return nil, httpd.InvalidParam("room_id names no conversation.")
	}
	if state, _ := s.Hub.Membership(req.RoomID, x.User); state != "join" {
		return nil, httpd.Forbidden("You are not in this conversation.")
	}
	err = s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		have, err := store.Aliases(b.Context(), b.Tx(), req.RoomID)
		if err != nil {
			return err
		}
		if len(have) >= maxAliases {
			return httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "This conversation has %d addresses already.", len(have))
		}
		return store.SetAlias(b.Context(), b.Tx(), alias, req.RoomID, x.User)
	})
	if sqldb.IsUnique(err) {
		return nil, httpd.Errorf(http.StatusConflict, "M_UNKNOWN", "There is a conversation with the address %s already.", alias)
	}
	return &httpd.None{}, err
}

// deleteAlias implements "DELETE /directory/room/{roomAlias}": whoever made it can, and those who may set the
// conversation's canonical address, and administrators. The canonical address of the conversation is taken back too
// if the caller may do that.
func (s *Server) deleteAlias(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	alias, err := aliasOf(r)
	if err != nil {
		return nil, err
	}
	id, creator, err := store.Alias(r.Context(), s.DB.Reader(), alias)
	if err == store.ErrNotFound {
		return nil, httpd.NotFound("There is no conversation %s.", alias)
	} else if err != nil {
		return nil, err
	}
	may, err := s.maySend(r, x, id, "m.room.canonical_alias")
	if err != nil {
		return nil, err
	}
	if creator != x.User && !may && !administrator(x) {
		return nil, httpd.Forbidden("Only whoever made this address and those who run the conversation can take it away.")
	}
	err = s.Rec.Do(r.Context(), func(b *recorder.Batch) error { return store.DeleteAlias(b.Context(), b.Tx(), alias) })
	if err != nil || !may {
		return &httpd.None{}, err
	}
	return &httpd.None{}, s.dropCanonical(r, x, id, alias)
}

// dropCanonical takes an address that is no more out of a conversation's state.
func (s *Server) dropCanonical(r *http.Request, x session, id matrix.RoomID, alias matrix.RoomAlias) error {
	info, ok := s.Hub.Room(id)
	if !ok {
		return nil
	}
	row, err := store.StateEvent(r.Context(), s.DB.Reader(), info.Scope, "m.room.canonical_alias", "", s.Hub.Head())
	if err == store.ErrNotFound {
		return nil
	} else if err != nil {
		return err
	}
	var content map[string]jsontext.Value
	if err := json.Unmarshal(matrix.Lookup(row.Body, "content"), &content); err != nil {
		return nil
	}
	changed := false
	var canonical matrix.RoomAlias
	if json.Unmarshal(content["alias"], &canonical) == nil && canonical == alias {
		delete(content, "alias")
		changed = true
	}
	var alternatives []matrix.RoomAlias
	if json.Unmarshal(content["alt_aliases"], &alternatives) == nil && slices.Contains(alternatives, alias) {
		alternatives = slices.DeleteFunc(alternatives, func(a matrix.RoomAlias) bool { return a == alias })
		if content["alt_aliases"], err = marshal(alternatives); err != nil {
			return err
		}
		if len(alternatives) == 0 {
			delete(content, "alt_aliases")
		}
		changed = true
	}
	if !changed {
		return nil
	}
	text, err := marshal(content)
	if err != nil {
		return err
	}
	_, err = s.Rooms.Send(r.Context(), stateDraft(x, id, "m.room.canonical_alias", "", text))
	var no *eventauth.Rejection
	if errors.As(err, &no) {
		return nil
	}
	return err
}

type aliasesResponse struct {
	Aliases []matrix.RoomAlias `json:"aliases"`
}

// aliases implements "GET /rooms/{roomId}/aliases".
func (s *Server) aliases(r *http.Request, x session, _ *httpd.None) (*aliasesResponse, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	if state, _ := s.Hub.Membership(id, x.User); state != "join" {
		sight, err := s.Hub.Sight(r.Context(), s.DB.Reader(), id, x.User)
		if err != nil {
			return nil, err
		}
		if !sight.World() {
			return nil, httpd.Forbidden("You are not in this conversation.")
		}
	}
	all, err := store.Aliases(r.Context(), s.DB.Reader(), id)
	return &aliasesResponse{all}, err
}

// checkCanonical refuses addresses of a conversation that are not its own.
func (s *Server) checkCanonical(r *http.Request, id matrix.RoomID, content []byte) error {
	var c struct {
		Alias jsontext.Value   `json:"alias"`
		Alt   []jsontext.Value `json:"alt_aliases"`
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return httpd.BadJSON("alias is a text, and alt_aliases a list of texts.")
	}
	was := map[matrix.RoomAlias]bool{}
	if info, ok := s.Hub.Room(id); ok {
		row, err := store.StateEvent(r.Context(), s.DB.Reader(), info.Scope, "m.room.canonical_alias", "", s.Hub.Head())
		if err == nil {
			alias, _ := matrix.LookupString(row.Body, "content", "alias")
			was[matrix.RoomAlias(alias)] = true
			matrix.Elements(matrix.Lookup(row.Body, "content", "alt_aliases"), func(v []byte) bool {
				alias, _ := matrix.String(v)
				was[matrix.RoomAlias(alias)] = true
				return true
			})
		} else if err != store.ErrNotFound {
			return err
		}
	}
	if len(c.Alt) > maxAliases {
		return httpd.InvalidParam("A conversation has at most %d addresses.", maxAliases)
	}
	for _, raw := range append(c.Alt, c.Alias) {
		if len(raw) == 0 || raw.Kind() == 'n' {
			continue
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return httpd.BadJSON("alias is a text, and alt_aliases a list of texts.")
		}
		alias, err := matrix.ParseRoomAlias(text)
		if text == "" || was[alias] && err == nil {
			continue // it was so before
		}
		if err != nil {
			return httpd.InvalidParam("%q is no address of a conversation.", text)
		}
		of, _, err := store.Alias(r.Context(), s.DB.Reader(), alias)
		if err == store.ErrNotFound || err == nil && of != id {
			return httpd.BadAlias("%s is not an address of this conversation.", alias)
		} else if err != nil {
			return err
		}
	}
	return nil
}

type visibilityResponse struct {
	Visibility string `json:"visibility"`
}

// listing implements "GET /directory/list/room/{roomId}".
func (s *Server) listing(r *http.Request, _ *httpd.None) (*visibilityResponse, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	if _, ok := s.Hub.Room(id); !ok {
		return nil, httpd.NotFound("There is no such conversation.")
	}
	listed, err := store.Listed(r.Context(), s.DB.Reader(), id)
	if listed {
		return &visibilityResponse{"public"}, err
	}
	return &visibilityResponse{"private"}, err
}

// setListing implements "PUT /directory/list/room/{roomId}": those who may set its canonical address may.
func (s *Server) setListing(r *http.Request, x session, req *visibilityResponse) (*httpd.None, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	if _, ok := s.Hub.Room(id); !ok {
		return nil, httpd.NotFound("There is no such conversation.")
	}
	switch req.Visibility {
	case "", "public", "private":
	default:
		return nil, httpd.InvalidParam("visibility is public or private.")
	}
	may, err := s.maySend(r, x, id, "m.room.canonical_alias")
	if err != nil {
		return nil, err
	}
	if !may && !administrator(x) {
		return nil, httpd.Forbidden("Only those who run this conversation can put it into the directory or take it out.")
	}
	return &httpd.None{}, s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		return store.List(b.Context(), b.Tx(), id, req.Visibility != "private")
	})
}

// maySend reports whether the caller is in a conversation and their power there allows a state event.
func (s *Server) maySend(r *http.Request, x session, id matrix.RoomID, typ string) (bool, error) {
	info, ok := s.Hub.Room(id)
	if state, _ := s.Hub.Membership(id, x.User); !ok || state != "join" {
		return false, nil
	}
	levels, err := s.powers(r, info)
	if err != nil {
		return false, err
	}
	return levels.UserLevel(x.User) >= levels.EventLevel(typ, true), nil
}

// powers are the power levels in a room.
func (s *Server) powers(r *http.Request, info stream.RoomInfo) (*eventauth.PowerLevels, error) {
	snap := eventauth.NewSnapshot()
	for _, typ := range []string{matrix.TypeCreate, matrix.TypePowerLevels} {
		row, err := store.StateEvent(r.Context(), s.DB.Reader(), info.Scope, typ, "", s.Hub.Head())
		if err == store.ErrNotFound || err == nil && row.Body == nil {
			continue
		} else if err != nil {
			return nil, err
		}
		ev, err := matrix.ParseStored(info.Version, store.EventID(row.Ref), row.Body)
		if err != nil {
			return nil, err
		}
		if ev.RoomID == "" {
			ev.RoomID = info.ID
		}
		snap.Set(ev)
	}
	return snap.PowerLevels()
}

type publicRoomsRequest struct {
	Limit  int    `json:"limit"`
	Since  string `json:"since"`
	Filter struct {
		Term  string    `json:"generic_search_term"`
		Types []*string `json:"room_types"`
	} `json:"filter"`
	Server string `json:"server"`
}

type publicRoomsResponse struct {
	Chunk []*roomSummary `json:"chunk"`
	Total int            `json:"total_room_count_estimate"`
	Next  string         `json:"next_batch,omitempty"`
	Prev  string         `json:"prev_batch,omitempty"`
}

// roomSummary is what is told of a room to those who are not in it.
type roomSummary struct {
	RoomID        matrix.RoomID      `json:"room_id"`
	Name          string             `json:"name,omitempty"`
	Topic         string             `json:"topic,omitempty"`
	AvatarURL     string             `json:"avatar_url,omitempty"`
	Alias         string             `json:"canonical_alias,omitempty"`
	JoinedMembers int                `json:"num_joined_members"`
	WorldReadable bool               `json:"world_readable"`
	GuestCanJoin  bool               `json:"guest_can_join"`
	JoinRule      string             `json:"join_rule,omitempty"`
	RoomType      string             `json:"room_type,omitempty"`
	RoomVersion   matrix.RoomVersion `json:"room_version,omitempty"`
	Allowed       []matrix.RoomID    `json:"allowed_room_ids,omitempty"`
	Membership    string             `json:"membership,omitempty"`
	Children      []jsontext.Value   `json:"children_state,omitempty"`

	allowed []matrix.RoomID
}

// summarise reads what is told of a room.
func (s *Server) summarise(r *http.Request, info stream.RoomInfo) (*roomSummary, error) {
	out := &roomSummary{RoomID: info.ID, JoinedMembers: info.Joined, RoomVersion: info.Version, JoinRule: "invite"}
	for typ, take := range map[string]func(content []byte){
		"m.room.name":            func(c []byte) { out.Name, _ = matrix.LookupString(c, "name") },
		"m.room.topic":           func(c []byte) { out.Topic, _ = matrix.LookupString(c, "topic") },
		"m.room.avatar":          func(c []byte) { out.AvatarURL, _ = matrix.LookupString(c, "url") },
		"m.room.canonical_alias": func(c []byte) { out.Alias, _ = matrix.LookupString(c, "alias") },
		matrix.TypeCreate:        func(c []byte) { out.RoomType, _ = matrix.LookupString(c, "type") },
		"m.room.guest_access":    func(c []byte) { g, _ := matrix.LookupString(c, "guest_access"); out.GuestCanJoin = g == "can_join" },
		matrix.TypeHistoryVisibility: func(c []byte) {
			v, _ := matrix.LookupString(c, "history_visibility")
			out.WorldReadable = v == "world_readable"
		},
		matrix.TypeJoinRules: func(c []byte) {
			out.JoinRule, _ = matrix.LookupString(c, "join_rule")
			matrix.Elements(matrix.Lookup(c, "allow"), func(v []byte) bool {
				if t, _ := matrix.LookupString(v, "type"); t == "m.room_membership" {
					id, _ := matrix.LookupString(v, "room_id")
					out.allowed = append(out.allowed, matrix.RoomID(id))
				}
				return len(out.allowed) < 100
			})
		},
	} {
		row, err := store.StateEvent(r.Context(), s.DB.Reader(), info.Scope, typ, "", s.Hub.Head())
		if err == nil && row.Body != nil && !row.Pruned {
			take(matrix.Lookup(row.Body, "content"))
		} else if err != nil && err != store.ErrNotFound {
			return nil, err
		}
	}
	return out, nil
}

const maxPublicRooms = 100 // in one answer

// publicRooms implements "GET" and "POST /publicRooms": the conversations that somebody has put into the directory.
func (s *Server) publicRooms(r *http.Request, _ session, req *publicRoomsRequest) (*publicRoomsResponse, error) {
	q := r.URL.Query()
	if r.Method == http.MethodGet {
		*req = publicRoomsRequest{Since: q.Get("since")}
		if text := q.Get("limit"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return nil, httpd.InvalidParam("limit is a number.")
			}
			req.Limit = n
		}
	}
	if server := q.Get("server"); server != "" && matrix.ServerName(server) != s.Name {
		return nil, httpd.NotFound("Other servers' directories cannot be seen here.")
	}
	if req.Limit <= 0 || req.Limit > maxPublicRooms {
		req.Limit = maxPublicRooms
	}
	start := 0
	if req.Since != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(req.Since, "p"))
		if err != nil || n < 0 || !strings.HasPrefix(req.Since, "p") {
			return nil, httpd.InvalidParam("This token is not of this list.")
		}
		start = n
	}
	ids, err := store.Directory(r.Context(), s.DB.Reader())
	if err != nil {
		return nil, err
	}
	var all []*roomSummary
	for _, id := range ids {
		info, ok := s.Hub.Room(id)
		if !ok || info.Joined == 0 {
			continue
		}
		one, err := s.summarise(r, info)
		if err != nil {
			return nil, err
		}
		one.RoomVersion = ""
		if one.found(req) {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b *roomSummary) int { return b.JoinedMembers - a.JoinedMembers })
	resp := &publicRoomsResponse{Chunk: []*roomSummary{}, Total: len(all)}
	start = min(start, len(all))
	end := min(start+req.Limit, len(all))
	resp.Chunk = append(resp.Chunk, all[start:end]...)
	if end < len(all) {
		resp.Next = "p" + strconv.Itoa(end)
	}
	if start > 0 {
		resp.Prev = "p" + strconv.Itoa(max(0, start-req.Limit))
	}
	return resp, nil
}

// found reports whether a room is what a search asks for.
func (x *roomSummary) found(req *publicRoomsRequest) bool {
	if req.Filter.Types != nil && !slices.ContainsFunc(req.Filter.Types, func(t *string) bool {
		return t == nil && x.RoomType == "" || t != nil && *t == x.RoomType
	}) {
		return false
	}
	term := strings.ToLower(req.Filter.Term)
	return term == "" || strings.Contains(strings.ToLower(x.Name), term) || strings.Contains(strings.ToLower(x.Topic), term) ||
		strings.Contains(strings.ToLower(x.Alias), term)
}
