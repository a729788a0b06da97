package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"log"
	"math/rand/v2"

	gmsl "github.com/matrix-org/gomatrixserverlib"
	"github.com/matrix-org/gomatrixserverlib/spec"
)

// step is an event that somebody tries to send into a room, and whether the library lets them.
type step struct {
	Room    int             `json:"room"` // steps of a room follow one another
	Version string          `json:"version"`
	Event   json.RawMessage `json:"event"`
	ID      string          `json:"id,omitempty"`
	Needs   [][2]string     `json:"needs"` // type and state key of its auth events, the create event aside
	Allowed bool            `json:"allowed"`
}

var users = []string{"@alice:despatch.example", "@bob:despatch.example", "@carol:despatch.example", "@dave:despatch.example",
	"@erin:despatch.example", "@frank:other.example"}

// room is a room that people do things in at random.
type room struct {
	r       *rand.Rand
	number  int
	v       gmsl.RoomVersion
	id      string
	creator string
	last    string // event ID
	depth   int
	state   map[gmsl.StateKeyTuple]gmsl.PDU
	steps   []step
}

func rooms() (steps []step) {
	number := 0
	for _, v := range []gmsl.RoomVersion{gmsl.RoomVersionV10, gmsl.RoomVersionV11, gmsl.RoomVersionV12} {
		for seed := range uint64(12) {
			m := &room{r: rand.New(rand.NewPCG(7, seed)), number: number, v: v, state: map[gmsl.StateKeyTuple]gmsl.PDU{}}
			m.live()
			steps = append(steps, m.steps...)
			number++
		}
	}
	return steps
}

// live is the life of a room.
func (m *room) live() {
	m.creator = pick(m.r, users[:3])
	m.badCreate()
	m.create(nil)
	if m.r.IntN(4) > 0 {
		m.send(m.creator, "m.room.member", &m.creator, object{"membership": "join"})
	} else {
		other := pick(m.r, users)
		m.send(other, "m.room.member", &other, object{"membership": "join"})
		m.send(m.creator, "m.room.member", &m.creator, object{"membership": "join"})
	}
	empty := ""
	if m.r.IntN(5) > 0 {
		m.send(m.creator, "m.room.power_levels", &empty, m.firstLevels())
	}
	m.send(m.creator, "m.room.join_rules", &empty, object{"join_rule": pick(m.r, joinRules)})
	for range 36 {
		m.act()
	}
}

var joinRules = []string{"public", "public", "invite", "knock", "restricted", "knock_restricted", "private"}

func (m *room) badCreate() {
	switch m.r.IntN(4) {
	case 0:
		m.create(object{"room_version": "no such version"})
	case 1:
		if m.v == gmsl.RoomVersionV12 {
			m.create(object{"additional_creators": pick(m.r, []any{"@bob:despatch.example", []any{"bob"}, []any{7}, nil})})
		} else if m.v == gmsl.RoomVersionV10 {
			m.create(object{"creator": nil})
		}
	case 2:
		m.last = randomIDs(m.r, 1)[0]
		m.create(nil)
		m.last = ""
	}
	m.last, m.depth = "", 0
	clear(m.state)
}

// create sends a create event; with a member that is nil it leaves that out.
func (m *room) create(change object) {
	content := object{"room_version": string(m.v)}
	if m.v == gmsl.RoomVersionV10 {
		content["creator"] = m.creator
	}
	if m.r.IntN(4) == 0 {
		content["m.federate"] = false
	}
	if m.v == gmsl.RoomVersionV12 {
		m.id = ""
		if m.r.IntN(2) == 0 {
			content["additional_creators"] = []string{pick(m.r, users[3:])}
		}
	} else {
		m.id = "!room:despatch.example"
	}
	for key, value := range change {
		content[key] = value
		if value == nil {
			delete(content, key)
		}
	}
	empty := ""
	m.send(m.creator, "m.room.create", &empty, content)
}

func (m *room) firstLevels() object {
	levels := object{"users_default": pick(m.r, []int{0, 0, 10}), "ban": pick(m.r, []int{50, 25}), "invite": pick(m.r, []int{0, 50, 25})}
	who := object{}
	if m.v != gmsl.RoomVersionV12 || m.r.IntN(6) == 0 {
		who[m.creator] = 100
	}
	for _, u := range users {
		if u != m.creator && m.r.IntN(3) == 0 {
			who[u] = pick(m.r, []int{25, 50, 75, 100})
		}
	}
	levels["users"] = who
	if m.r.IntN(2) == 0 {
		levels["events"] = object{"m.room.name": 25, "m.room.power_levels": pick(m.r, []int{25, 50, 100}), "m.room.message": pick(m.r, []int{0, 10})}
	}
	return levels
}

// act has somebody do something.
func (m *room) act() {
	who, whom, empty := pick(m.r, users), pick(m.r, users), ""
	if in := m.members(); len(in) > 0 && m.r.IntN(3) > 0 {
		who = pick(m.r, in) // most of what strangers try is refused for the same reason
	}
	switch m.r.IntN(16) {
	case 0, 1, 2:
		content := object{"membership": "join"}
		if m.r.IntN(3) == 0 {
			content["join_authorised_via_users_server"] = pick(m.r, users)
		}
		target := who
		if m.r.IntN(8) == 0 {
			target = whom
		}
		m.send(who, "m.room.member", &target, content)
	case 3, 4:
		m.send(who, "m.room.member", &whom, object{"membership": "invite"})
	case 5:
		m.send(who, "m.room.member", &who, object{"membership": "leave"})
	case 6:
		m.send(who, "m.room.member", &whom, object{"membership": "leave", "reason": "kick"})
	case 7:
		m.send(who, "m.room.member", &whom, object{"membership": "ban"})
	case 8:
		m.send(who, "m.room.member", &who, object{"membership": "knock"})
	case 9:
		m.send(who, "m.room.member", &whom, pick(m.r, []object{{"membership": "knock"}, {}, {"membership": "odd"}}))
	case 10:
		m.send(who, "m.room.message", nil, object{"body": "hello", "msgtype": "m.text"})
	case 11:
		key := pick(m.r, []string{"", "plain", who, whom})
		m.send(who, pick(m.r, []string{"m.room.name", "m.room.topic", "org.example.state"}), &key, object{"name": "x"})
	case 12:
		m.send(who, "m.room.join_rules", &empty, object{"join_rule": pick(m.r, joinRules)})
	case 13, 14:
		m.send(who, "m.room.power_levels", &empty, m.nextLevels(who))
	case 15:
		m.thirdParty(who, whom)
	}
}

func (m *room) members() (in []string) {
	for _, u := range users {
		if ev := m.state[gmsl.StateKeyTuple{EventType: "m.room.member", StateKey: u}]; ev != nil {
			if s, err := ev.Membership(); err == nil && s == "join" {
				in = append(in, u)
			}
		}
	}
	return in
}

// nextLevels changes a few of the current levels.
func (m *room) nextLevels(who string) object {
	levels := object{}
	if now := m.state[gmsl.StateKeyTuple{EventType: "m.room.power_levels"}]; now != nil {
		json.Unmarshal(now.Content(), &levels)
	}
	level := func() any {
		if m.r.IntN(15) == 0 {
			return pick(m.r, []any{"50", true, object{}}) // not null, which the library takes for nothing
		}
		return pick(m.r, []any{-10, 0, 10, 25, 50, 75, 99, 100, 101})
	}
	for range 1 + m.r.IntN(2) {
		switch m.r.IntN(6) {
		case 0, 1:
			key := pick(m.r, []string{"users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"})
			if m.r.IntN(4) == 0 {
				delete(levels, key)
			} else {
				levels[key] = level()
			}
		case 2, 3:
			m.changeIn(levels, "users", pick(m.r, append([]string{who, m.creator, "not a user"}, users...)), level())
		case 4:
			m.changeIn(levels, "events", pick(m.r, []string{"m.room.name", "m.room.message", "m.room.power_levels"}), level())
		case 5:
			m.changeIn(levels, "notifications", "room", level())
		}
	}
	return levels
}

func (m *room) changeIn(levels object, name, key string, value any) {
	in, ok := levels[name].(map[string]any)
	if !ok {
		in = object{}
	}
	if m.r.IntN(4) == 0 {
		delete(in, key)
	} else {
		in[key] = value
	}
	levels[name] = in
}

// thirdParty has an invitation sent to an address, and then somebody come with it.
func (m *room) thirdParty(who, whom string) {
	seed := sha(m.r)
	key := ed25519.NewKeyFromSeed(seed[:])
	public := base64.RawStdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	token := base64.RawURLEncoding.EncodeToString(seed[:6])
	m.send(who, "m.room.third_party_invite", &token, object{"display_name": "w…@example.org", "key_validity_url": "https://id.example/valid",
		"public_key": public, "public_keys": []any{object{"public_key": public}}})
	signed := marshal(object{"mxid": whom, "token": token})
	if m.r.IntN(4) == 0 {
		key = ed25519.NewKeyFromSeed(append([]byte{1}, seed[1:]...))
	}
	signed, err := gmsl.SignJSON("id.example", "ed25519:0", key, signed)
	if err != nil {
		log.Fatal(err)
	}
	if m.r.IntN(6) == 0 {
		whom = pick(m.r, users)
	}
	m.send(who, "m.room.member", &whom, object{"membership": "invite",
		"third_party_invite": object{"display_name": "w…@example.org", "signed": json.RawMessage(signed)}})
}

func sha(r *rand.Rand) (seed [32]byte) {
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	return seed
}

// send asks the library whether somebody may send an event, and if so lets them.
func (m *room) send(sender, typ string, stateKey *string, content object) {
	event := object{"type": typ, "sender": sender, "content": content, "depth": m.depth + 1,
		"origin_server_ts": 1763836800000 + int64(len(m.steps)), "prev_events": []string{}, "auth_events": []string{}}
	if m.last != "" {
		event["prev_events"] = []string{m.last}
	}
	if m.id != "" {
		event["room_id"] = m.id
	}
	if stateKey != nil {
		event["state_key"] = *stateKey
	}
	needed, err := gmsl.StateNeededForProtoEvent(&gmsl.ProtoEvent{Type: typ, StateKey: stateKey, SenderID: sender,
		Content: spec.RawJSON(marshal(content)), Version: gmsl.MustGetRoomVersion(m.v)})
	if err != nil {
		return // the library cannot read the content
	}
	var needs [][2]string
	for _, t := range needed.Tuples() {
		if t.EventType != "m.room.create" {
			needs = append(needs, [2]string{t.EventType, t.StateKey})
		}
	}
	pdu, _, err := finish(m.v, event)
	if err != nil {
		log.Fatalf("%s: %v", marshal(event), err)
	}
	s := step{Room: m.number, Version: string(m.v), Event: pdu.JSON(), ID: pdu.EventID(), Needs: needs}
	if content["third_party_invite"] != nil && m.v != gmsl.RoomVersionV10 {
		s.ID = "" // the library's redaction forgets what Room Version 11 says of third_party_invite
	}
	if m.allowed(pdu) == nil {
		s.Allowed = true
		m.last = pdu.EventID()
		m.depth++
		if typ == "m.room.create" && m.v == gmsl.RoomVersionV12 {
			m.id = "!" + pdu.EventID()[1:]
		}
		if stateKey != nil {
			m.state[gmsl.StateKeyTuple{EventType: typ, StateKey: *stateKey}] = pdu
		}
	}
	m.steps = append(m.steps, s)
}

func (m *room) allowed(pdu gmsl.PDU) error {
	provider, err := gmsl.NewAuthEvents(nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, ev := range m.state {
		if err := provider.AddEvent(ev); err != nil {
			log.Fatal(err)
		}
	}
	return gmsl.Allowed(pdu, provider, func(_ spec.RoomID, sender spec.SenderID) (*spec.UserID, error) {
		return spec.NewUserID(string(sender), true)
	})
}
