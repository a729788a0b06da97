package clientapi

import (
	"context"
	"errors"
	"net/http"
	"slices"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/eventauth"
	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/pushrule"
	"despatch/internal/recorder"
	"despatch/internal/room"
	"despatch/internal/store"
	"despatch/internal/stream"
)

type upgradeRequest struct {
	Version  matrix.RoomVersion `json:"new_version"`
	Creators []matrix.UserID    `json:"additional_creators"`
}

type upgradeResponse struct {
	Replacement matrix.RoomID `json:"replacement_room"`
}

// upgrade implements "POST /rooms/{roomId}/upgrade". The old conversation's record stays as it is; it ends with an
// event that says where it goes on.
func (s *Server) upgrade(r *http.Request, x session, req *upgradeRequest) (*upgradeResponse, error) {
	if req.Version == "" {
		return nil, httpd.MissingParam("Say to which version: new_version.")
	}
	if !req.Version.Known() {
		return nil, httpd.UnsupportedRoomVersion("Conversations of version %q cannot be made here.", req.Version)
	}
	info, err := s.joined(r, x)
	if err != nil {
		return nil, err
	}
	if may, err := s.maySend(r, x, info.ID, "m.room.tombstone"); err != nil || !may {
		return nil, errors.Join(err, forbid(!may, "Your power in this conversation does not allow you to replace it."))
	}
	c, powers, err := s.successor(r, x, info, req)
	if err != nil {
		return nil, err
	}
	id, err := s.Rooms.Create(r.Context(), *c)
	if err != nil {
		return nil, err
	}
	return &upgradeResponse{id}, s.moveTo(r, x, info, id, powers)
}

func forbid(no bool, text string) error {
	if no {
		return httpd.Forbidden("%s", text)
	}
	return nil
}

// carried are the types of state that a new room takes over, beside its name, topic, powers and what the
// organisation has set.
var carried = []string{"m.room.server_acl", "m.room.name", "m.room.topic", "m.room.avatar", "m.room.guest_access", matrix.TypeHistoryVisibility,
	matrix.TypeJoinRules, "m.room.pinned_events", room.TypeRetention, room.TypeClassification}

// successor is the room that takes another's place, and the powers that it is to have in the end if they must be set
// afterwards because the one who makes it has less than the most.
func (s *Server) successor(r *http.Request, x session, info stream.RoomInfo, req *upgradeRequest) (*room.Create, []byte, error) {
	ctx, q, head := r.Context(), s.DB.Reader(), s.Hub.Head()
	c := &room.Create{Creator: x.User, Device: x.Device, Version: req.Version, Creation: map[string]jsontext.Value{}, Predecessor: &room.Predecessor{Room: info.ID}}
	last, err := store.Timeline(ctx, q, info.Scope, 0, head, 1, false)
	if err != nil {
		return nil, nil, err
	}
	if len(last) > 0 && !req.Version.HashedRoomID() {
		c.Predecessor.Event = store.EventID(last[0].Ref)
	}
	state, err := store.State(ctx, q, info.Scope, head, false)
	if err != nil {
		return nil, nil, err
	}
	var powers []byte
	for i := range state {
		typ, _ := matrix.LookupString(state[i].Body, "type")
		key, _ := matrix.LookupString(state[i].Body, "state_key")
		content := matrix.Lookup(state[i].Body, "content")
		switch {
		case state[i].Pruned || state[i].Body == nil:
		case typ == matrix.TypeCreate:
			for _, name := range []string{"type", "m.federate"} {
				if v := matrix.Lookup(content, name); v != nil {
					c.Creation[name] = slices.Clone(v)
				}
			}
		case typ == matrix.TypePowerLevels:
			powers = content
		case slices.Contains(carried, typ) && key == "", typ == "m.space.child" && string(matrix.Lookup(content, "via")) != "":
			c.InitialState = append(c.InitialState, room.State{Type: typ, Key: key, Content: slices.Clone(content)})
		}
	}
	if req.Version.PrivilegedCreators() && len(req.Creators) > 0 {
		if c.Creation["additional_creators"], err = marshal(req.Creators); err != nil {
			return nil, nil, err
		}
	}
	if c.Listed, err = store.Listed(ctx, q, info.ID); err != nil || powers == nil {
		return c, nil, err
	}
	later, err := startPowers(c, x.User, req, powers)
	return c, later, err
}

// startPowers sets the powers with which a room begins.
func startPowers(c *room.Create, creator matrix.UserID, req *upgradeRequest, powers []byte) (later []byte, err error) {
	var all map[string]jsontext.Value
	if err := json.Unmarshal(powers, &all); err != nil {
		return nil, err
	}
	users := map[matrix.UserID]int64{}
	if err := json.Unmarshal(all["users"], &users); err != nil && all["users"] != nil {
		return nil, err
	}
	if req.Version.PrivilegedCreators() {
		for _, who := range append(req.Creators, creator) { // they outrank every level and may have none
			delete(users, who)
		}
	}
	if all["users"], err = marshal(users); err != nil {
		return nil, err
	}
	wanted, err := marshal(all)
	if err != nil {
		return nil, err
	}
	if !req.Version.PrivilegedCreators() && users[creator] < 100 {
		users[creator] = 100
		if all["users"], err = marshal(users); err != nil {
			return nil, err
		}
		later = wanted
	}
	c.Powers, err = marshal(all)
	return later, err
}

// moveTo ends a room and leads to the one that takes its place.
func (s *Server) moveTo(r *http.Request, x session, old stream.RoomInfo, id matrix.RoomID, powers []byte) error {
	ctx := r.Context()
	tombstone, err := marshal(map[string]any{"body": "This conversation goes on in another one.", "replacement_room": id})
	if err != nil {
		return err
	}
	if _, err := s.Rooms.Send(ctx, stateDraft(x, old.ID, "m.room.tombstone", "", tombstone)); err != nil {
		return err
	}
	if err := s.moveAddresses(r, x, old, id); err != nil {
		return err
	}
	if err := s.moveBans(ctx, x, old, id); err != nil {
		return err
	}
	if powers != nil {
		if _, err := s.Rooms.Send(ctx, stateDraft(x, id, matrix.TypePowerLevels, "", powers)); err != nil {
			return err
		}
	}
	for _, who := range s.Hub.Members(old.ID, "join") {
		if err := s.moveSettings(ctx, who, old.ID, id); err != nil {
			return err
		}
	}
	return s.silence(r, x, old)
}

// moveAddresses makes the addresses of a room, and its place in the directory, those of another.
func (s *Server) moveAddresses(r *http.Request, x session, old stream.RoomInfo, id matrix.RoomID) error {
	ctx := r.Context()
	canonical, err := store.StateEvent(ctx, s.DB.Reader(), old.Scope, "m.room.canonical_alias", "", s.Hub.Head())
	if err != nil && err != store.ErrNotFound {
		return err
	}
	err = s.Rec.Do(ctx, func(b *recorder.Batch) error {
		if err := store.MoveAliases(b.Context(), b.Tx(), old.ID, id); err != nil {
			return err
		}
		return store.List(b.Context(), b.Tx(), old.ID, false)
	})
	content := matrix.Lookup(canonical.Body, "content")
	if err != nil || len(content) <= len("{}") {
		return err
	}
	for _, step := range []room.Draft{stateDraft(x, old.ID, "m.room.canonical_alias", "", []byte("{}")), stateDraft(x, id, "m.room.canonical_alias", "", content)} {
		_, err := s.Rooms.Send(ctx, step)
		var no *eventauth.Rejection
		if err != nil && !errors.As(err, &no) {
			return err
		}
	}
	return nil
}

const maxMovedBans = 1000

func (s *Server) moveBans(ctx context.Context, x session, old stream.RoomInfo, id matrix.RoomID) error {
	banned := s.Hub.Members(old.ID, "ban")
	for _, who := range banned[:min(len(banned), maxMovedBans)] {
		_, err := s.Rooms.SetMembership(ctx, room.Change{Sender: x.User, Device: x.Device, Room: id, Target: who, Membership: "ban"})
		var no *eventauth.Rejection
		if err != nil && !errors.As(err, &no) {
			return err
		}
	}
	return nil
}

// moveSettings gives somebody in the new room the push rule, the tags and the mark of a direct conversation that they
// have in the old one.
func (s *Server) moveSettings(ctx context.Context, who matrix.UserID, old, id matrix.RoomID) error {
	raw, err := store.AccountDatum(ctx, s.DB.Reader(), who, "", typePushRules)
	if err == nil {
		var set pushRuleSet
		if err := httpd.DecodeJSON(raw, &set); err != nil {
			return err
		}
		at := slices.IndexFunc(set.Global.Room, func(x pushrule.Rule) bool { return x.RuleID == string(old) })
		if at >= 0 && !slices.ContainsFunc(set.Global.Room, func(x pushrule.Rule) bool { return x.RuleID == string(id) }) {
			rule := set.Global.Room[at]
			rule.RuleID = string(id)
			set.Global.Room = append(set.Global.Room, rule)
			text, err := marshal(set)
			if err != nil {
				return err
			}
			if err := s.putAccountData(ctx, who, "", typePushRules, text); err != nil {
				return err
			}
		}
	} else if err != store.ErrNotFound {
		return err
	}
	raw, err = store.AccountDatum(ctx, s.DB.Reader(), who, old, "m.tag")
	if err == nil {
		err = s.putAccountData(ctx, who, id, "m.tag", raw)
	}
	if err != nil && err != store.ErrNotFound {
		return err
	}
	direct := map[matrix.UserID][]matrix.RoomID{}
	raw, err = store.AccountDatum(ctx, s.DB.Reader(), who, "", "m.direct")
	if err == store.ErrNotFound {
		return nil
	} else if err != nil {
		return err
	}
	if json.Unmarshal(raw, &direct) != nil { // a client's own: not understood, not touched
		return nil
	}
	for other, rooms := range direct {
		if slices.Contains(rooms, old) && !slices.Contains(rooms, id) {
			return s.MarkDirect(ctx, who, other, id)
		}
	}
	return nil
}

// silence raises the power that it takes to speak in a room that has been replaced, as far as the caller may.
func (s *Server) silence(r *http.Request, x session, old stream.RoomInfo) error {
	row, err := store.StateEvent(r.Context(), s.DB.Reader(), old.Scope, matrix.TypePowerLevels, "", s.Hub.Head())
	if err == store.ErrNotFound {
		return nil
	} else if err != nil {
		return err
	}
	var all map[string]jsontext.Value
	if err := json.Unmarshal(matrix.Lookup(row.Body, "content"), &all); err != nil {
		return err
	}
	usual, _ := matrix.Int(all["users_default"])
	level, err := marshal(max(50, usual+1))
	if err != nil {
		return err
	}
	for _, name := range []string{"events_default", "invite"} {
		if n, ok := matrix.Int(all[name]); !ok || n < max(50, usual+1) {
			all[name] = level
		}
	}
	text, err := marshal(all)
	if err != nil {
		return err
	}
	_, err = s.Rooms.Send(r.Context(), stateDraft(x, old.ID, matrix.TypePowerLevels, "", text))
	var no *eventauth.Rejection
	if errors.As(err, &no) {
		return nil
	}
	return err
}
