package room

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/eventauth"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Create says what a new conversation is to be (Client-Server API, "Creation": the fields of
// POST /createRoom).
type Create struct {
	Creator      matrix.UserID
	Device       string
	Version      matrix.RoomVersion // "" for the server's default
	Preset       string             // private_chat, trusted_private_chat, public_chat or ""
	Visibility   string             // public or private
	Name, Topic  string
	Alias        matrix.RoomAlias
	Invite       []matrix.UserID
	Direct       bool
	Creation     map[string]jsontext.Value // more of the create event
	InitialState []State
	Powers       jsontext.Value // overrides of the power levels
	Timer        int64          // of disappearing messages, in milliseconds
	Listed       bool           // in the directory
	Predecessor  *Predecessor   // of a room that takes another's place
	Marking      string         // "" leaves the conversation unmarked, which is OFFICIAL

	via string // the bridge that makes it, or ""
}

// Predecessor is the room whose place a new one takes.
type Predecessor struct {
	Room  matrix.RoomID  `json:"room_id"`
	Event matrix.EventID `json:"event_id,omitempty"`
}

// State is a state event to begin with.
type State struct {
	Type, Key string
	Content   []byte
}

const (
	maxInvites      = 1000
	maxInitialState = 200
)

// Create makes a room with everything in it that the request says, or nothing.
func (s *Service) Create(ctx context.Context, c Create) (matrix.RoomID, error) {
	c.via = viaOf(ctx)
	if c.Version == "" {
		c.Version = s.Version
	}
	if len(c.Invite) > maxInvites || len(c.InitialState) > maxInitialState {
		return "", fmt.Errorf("%w: at most %d invitations and %d state events", ErrLimit, maxInvites, maxInitialState)
	}
	c.InitialState = slices.DeleteFunc(c.InitialState, func(st State) bool { return st.Type == "m.room.encryption" })
	for _, st := range c.InitialState {
		if err := s.check(&Draft{Type: st.Type, StateKey: &st.Key, Content: st.Content}); err != nil {
			return "", err
		}
	}
	creator, err := s.Profile(ctx, c.Creator)
	if err != nil {
		return "", err
	}
	invited := make([]Profile, len(c.Invite))
	for i, who := range c.Invite {
		if invited[i], err = s.Profile(ctx, who); err != nil {
			return "", fmt.Errorf("%s: %w", who, err)
		}
	}
	var id matrix.RoomID
	err = s.Rec.Do(ctx, func(b *recorder.Batch) error {
		id, err = s.create(b, c, creator, invited)
		return err
	})
	return id, err
}

func (s *Service) create(b *recorder.Batch, c Create, creator Profile, invited []Profile) (matrix.RoomID, error) {
	lv := &live{version: c.Version, snap: eventauth.NewSnapshot()}
	if !c.Version.HashedRoomID() {
		var opaque [18]byte
		if _, err := s.Rand.Read(opaque[:]); err != nil {
			return "", fmt.Errorf("room id: %w", err)
		}
		lv.id = matrix.RoomID("!" + base64.RawURLEncoding.EncodeToString(opaque[:]) + ":" + string(s.Server))
	}
	add := func(typ, key string, content any) error {
		raw, ok := content.([]byte)
		if !ok {
			var err error
			if raw, err = json.Marshal(content); err != nil {
				return fmt.Errorf("%s: %w", typ, err)
			}
		}
		_, err := s.append(b, lv, Draft{Sender: c.Creator, Room: lv.id, Type: typ, StateKey: &key, Content: raw, Device: c.Device, Via: c.via}, 0)
		var same *unchanged
		if errors.As(err, &same) {
			return nil
		}
		return err
	}
	creation := map[string]any{"room_version": c.Version}
	if c.Predecessor != nil {
		creation["predecessor"] = c.Predecessor
	}
	for k, v := range c.Creation {
		if k != "creator" && k != "room_version" {
			creation[k] = v
		}
	}
	if c.Preset == "trusted_private_chat" && c.Version.PrivilegedCreators() && len(c.Invite) > 0 {
		if err := shareCreation(creation, c.Invite); err != nil {
			return "", err
		}
	}
	// Room version 11 no longer asks for it, but clients of that time cannot read a create event without it, and
	// then take the room for one of version 1.
	if c.Version != matrix.V12 {
		creation["creator"] = c.Creator
	}
	if err := add(matrix.TypeCreate, "", creation); err != nil {
		return "", err
	}
	var err error
	if lv.scope, err = b.ScopeID(string(lv.id)); err != nil {
		return "", err
	}
	s.remember(lv)
	steps := []State{{matrix.TypeMember, string(c.Creator), memberContent("join", creator, nil)}}
	powers, err := s.powers(c)
	if err != nil {
		return "", err
	}
	steps = append(steps, State{matrix.TypePowerLevels, "", powers})
	steps = append(steps, preset(c)...)
	for _, st := range steps {
		if err := add(st.Type, st.Key, st.Content); err != nil {
			return "", err
		}
	}
	if c.Alias != "" {
		if err := store.SetAlias(b.Context(), b.Tx(), c.Alias, lv.id, c.Creator); err != nil {
			return "", err
		}
	}
	if c.Listed {
		if err := store.List(b.Context(), b.Tx(), lv.id, true); err != nil {
			return "", err
		}
	}
	for i, who := range c.Invite {
		extra := map[string]any{}
		if c.Direct {
			extra["is_direct"] = true
		}
		if err := add(matrix.TypeMember, string(who), memberContent("invite", invited[i], extra)); err != nil {
			return "", err
		}
	}
	return lv.id, nil
}

// shareCreation makes those who are invited to a room of people who trust one another its creators too, where that is
// what outranks every level (Client-Server API, "Creation": trusted_private_chat).
func shareCreation(creation map[string]any, invited []matrix.UserID) error {
	var creators []matrix.UserID
	if raw, ok := creation["additional_creators"].(jsontext.Value); ok {
		if err := json.Unmarshal(raw, &creators); err != nil {
			return fmt.Errorf("%w: additional_creators is a list of user IDs", matrix.ErrInvalid)
		}
	}
	for _, who := range invited {
		if !slices.Contains(creators, who) {
			creators = append(creators, who)
		}
	}
	creation["additional_creators"] = creators
	return nil
}

// preset is the state that a new room has after its power levels, in the order of the specification.
func preset(c Create) []State {
	rule, visibility, guests := "invite", "shared", "can_join"
	if c.Preset == "public_chat" || c.Preset == "" && c.Visibility == "public" {
		rule, guests = "public", "forbidden"
	}
	out := []State{}
	if c.Alias != "" {
		out = append(out, State{"m.room.canonical_alias", "", object("alias", string(c.Alias))})
	}
	out = append(out,
		State{matrix.TypeJoinRules, "", object("join_rule", rule)},
		State{matrix.TypeHistoryVisibility, "", object("history_visibility", visibility)},
		State{"m.room.guest_access", "", object("guest_access", guests)})
	for _, st := range c.InitialState {
		if i := slices.IndexFunc(out, func(o State) bool { return o.Type == st.Type && o.Key == st.Key }); i >= 0 {
			out[i] = st
			continue
		}
		out = append(out, st)
	}
	if c.Name != "" {
		out = append(out, State{"m.room.name", "", object("name", c.Name)})
	}
	if c.Topic != "" {
		out = append(out, State{"m.room.topic", "", topic(c.Topic)})
	}
	if c.Timer > 0 {
		raw, _ := json.Marshal(map[string]int64{"max_lifetime": c.Timer})
		out = append(out, State{TypeRetention, "", raw})
	}
	if c.Marking != "" {
		out = append(out, State{TypeClassification, "", object("marking", c.Marking)})
	}
	return out
}

// powers is the content of the first power levels event. Encryption is out of everybody's reach, so that
// clients do not offer it.
func (s *Service) powers(c Create) ([]byte, error) {
	users := map[string]int64{}
	if !c.Version.PrivilegedCreators() {
		users[string(c.Creator)] = 100
	}
	if c.Preset == "trusted_private_chat" && !c.Version.PrivilegedCreators() {
		for _, who := range c.Invite {
			users[string(who)] = 100
		}
	}
	events := map[string]int64{
		"m.room.name": 50, "m.room.avatar": 50, "m.room.canonical_alias": 50, "m.room.topic": 50,
		matrix.TypePowerLevels: 100, matrix.TypeHistoryVisibility: 100, "m.room.tombstone": 100, "m.room.server_acl": 100,
		TypeRetention: 50, TypeClassification: 50,
	}
	if c.Direct || c.Preset == "trusted_private_chat" || c.Preset == "private_chat" || c.Preset == "" {
		events[TypeRetention] = 0 // as in other messengers, anybody in the chat can set its timer
	}
	levels := map[string]any{
		"users": users, "events": events, "users_default": 0, "events_default": 0, "state_default": 50,
		"ban": 50, "kick": 50, "redact": 50, "invite": 0, "notifications": map[string]int64{"room": 50},
	}
	if c.Version.PrivilegedCreators() {
		events["m.room.tombstone"] = 150
	}
	if len(c.Powers) > 0 {
		var over map[string]jsontext.Value
		if err := json.Unmarshal(c.Powers, &over); err != nil {
			return nil, fmt.Errorf("%w: power_level_content_override: %w", matrix.ErrBadJSON, err)
		}
		for k, v := range over {
			levels[k] = v
		}
	}
	return json.Marshal(levels, json.Deterministic(true))
}

// topic is the content of a topic, in both of the forms in which clients look for it (Client-Server API,
// "m.room.topic").
func topic(text string) []byte {
	raw, err := json.Marshal(map[string]any{"topic": text,
		"m.topic": map[string]any{"m.text": []map[string]string{{"body": text}}}}, json.Deterministic(true))
	if err != nil {
		panic(fmt.Sprintf("topic: %v", err)) // strings always encode
	}
	return raw
}

func object(key, value string) []byte {
	b := append([]byte{'{'}, matrix.AppendString(nil, key)...)
	b = append(b, ':')
	return append(matrix.AppendString(b, value), '}')
}

// memberContent is the content of a member event.
func memberContent(membership string, p Profile, extra map[string]any) []byte {
	m := map[string]any{"membership": membership}
	for k, v := range extra {
		m[k] = v
	}
	if membership == "join" || membership == "invite" || membership == "knock" {
		if p.Name != "" {
			m["displayname"] = p.Name
		}
		if p.Avatar != "" {
			m["avatar_url"] = p.Avatar
		}
	}
	raw, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		panic(fmt.Sprintf("member content: %v", err)) // strings always encode
	}
	return raw
}

// Change is a change of somebody's membership.
type Change struct {
	Sender     matrix.UserID
	Room       matrix.RoomID
	Target     matrix.UserID
	Membership string // invite, join, leave, ban, knock
	Reason     string
	Direct     bool
	Extra      map[string]jsontext.Value // more of the member event's content
	Device     string
	Unban      bool // leave, but only of somebody who is banned
	Kick       bool // leave, but not of somebody who is banned
}

// SetMembership changes somebody's membership. Joining a room one is in already changes nothing.
func (s *Service) SetMembership(ctx context.Context, c Change) (Sent, error) {
	profile, err := s.Profile(ctx, c.Target)
	if err != nil && (c.Membership == "invite" || c.Membership == "join" || c.Membership == "knock") {
		return Sent{}, fmt.Errorf("%s: %w", c.Target, err)
	}
	var sent Sent
	err = s.Rec.Do(ctx, func(b *recorder.Batch) error {
		lv, err := s.load(b, c.Room)
		if err != nil {
			return err
		}
		old := lv.snap.Event(matrix.TypeMember, string(c.Target))
		switch {
		case c.Kick && old.Membership() == "knock": // a request that is turned down
		case c.Kick && (old.Membership() == "ban" || old.Membership() == "" || old.Membership() == "leave"):
			return &eventauth.Rejection{Reason: "this person is not in the conversation"}
		case c.Unban && old.Membership() != "ban":
			return &eventauth.Rejection{Reason: "this person is not banned"}
		case c.Membership == "leave" && old.Membership() == "":
			return &eventauth.Rejection{Reason: "you are not in the conversation"}
		case c.Membership == "leave" && !c.Unban && c.Target == c.Sender && old.Membership() == "invite" && s.notices(lv, old):
			return ErrNotices
		case old.Membership() == c.Membership && c.Membership != "invite" && c.Membership != "knock":
			sent = Sent{ID: old.ID}
			return nil
		}
		extra := map[string]any{}
		for k, v := range c.Extra {
			extra[k] = v
		}
		if c.Reason != "" {
			extra["reason"] = c.Reason
		}
		if c.Direct {
			extra["is_direct"] = true
		}
		if c.Membership == "join" {
			if via := s.authoriser(lv, c.Target, old.Membership()); via != "" {
				extra["join_authorised_via_users_server"] = via
			}
		}
		key := string(c.Target)
		ev, err := s.append(b, lv, Draft{Sender: c.Sender, Room: lv.id, Type: matrix.TypeMember, StateKey: &key,
			Content: memberContent(c.Membership, profile, extra), Device: c.Device, Via: viaOf(ctx)}, 0)
		if err != nil {
			return err
		}
		sent = Sent{ID: ev.ID, Pos: ev.Pos}
		return nil
	})
	return sent, err
}

// NoticesUser is the localpart of the account in whose name the server tells people something.
const NoticesUser = "_server"

// notices reports whether an invitation is to the conversation in which the server tells somebody something.
func (s *Service) notices(lv *live, invitation *matrix.Event) bool {
	create := lv.snap.Event(matrix.TypeCreate, "")
	who := matrix.UserID("@" + NoticesUser + ":" + string(s.Server))
	return create != nil && create.Sender == who && invitation.Sender == who
}

// authoriser finds a member who could invite, in whose name somebody joins a restricted room of whose
// allowed rooms they are a member (Client-Server API, "Restricted rooms").
func (s *Service) authoriser(lv *live, who matrix.UserID, membership string) matrix.UserID {
	rules := lv.snap.Event(matrix.TypeJoinRules, "")
	if rules == nil || membership == "invite" || membership == "join" {
		return ""
	}
	rule, _ := matrix.LookupString(rules.Content, "join_rule")
	if rule != "restricted" && rule != "knock_restricted" {
		return ""
	}
	allowed := false
	matrix.Elements(matrix.Lookup(rules.Content, "allow"), func(v []byte) bool {
		id, _ := matrix.LookupString(v, "room_id")
		state, _ := s.Hub.Membership(matrix.RoomID(id), who)
		allowed = allowed || state == "join"
		return !allowed
	})
	levels, err := lv.snap.PowerLevels()
	if !allowed || err != nil {
		return ""
	}
	for _, member := range s.Hub.Members(lv.id, "join") {
		if levels.UserLevel(member) >= levels.Invite {
			return member
		}
	}
	return ""
}

// Rename brings the member events of somebody's rooms up to their profile.
func (s *Service) Rename(ctx context.Context, who matrix.UserID, p Profile) error {
	for _, id := range s.Hub.Rooms(who, "join") {
		key := string(who)
		err := s.Rec.Do(ctx, func(b *recorder.Batch) error {
			lv, err := s.load(b, id)
			if err != nil {
				return err
			}
			_, err = s.append(b, lv, Draft{Sender: who, Room: id, Type: matrix.TypeMember, StateKey: &key, Content: memberContent("join", p, nil), Via: viaOf(ctx)}, 0)
			return err
		})
		var same *unchanged
		if err != nil && !errors.As(err, &same) {
			return fmt.Errorf("profile in %s: %w", id, err)
		}
	}
	return nil
}
