package eventauth

import (
	"fmt"
	"slices"

	"despatch/internal/matrix"
)

// AuthTypes returns what state an event's auth_events are taken from (Server-Server API, "Auth events
// selection"), without duplicates, in an order that depends on nothing but the event.
func AuthTypes(ev *matrix.Event) []Key {
	return authTypes(ev.Version, ev.Type, ev.StateKey, ev.Sender, ev.Content)
}

func authTypes(v matrix.RoomVersion, typ string, stateKey *string, sender matrix.UserID, content []byte) []Key {
	if typ == matrix.TypeCreate {
		return nil
	}
	keys := make([]Key, 0, 6)
	add := func(k Key) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	if !v.HashedRoomID() {
		add(Key{matrix.TypeCreate, ""})
	}
	add(Key{matrix.TypePowerLevels, ""})
	add(Key{matrix.TypeMember, string(sender)})
	if typ != matrix.TypeMember || stateKey == nil {
		return keys
	}
	add(Key{matrix.TypeMember, *stateKey})
	membership, _ := matrix.LookupString(content, "membership")
	switch membership {
	case "join", "invite", "knock":
		add(Key{matrix.TypeJoinRules, ""})
	}
	if token, ok := matrix.LookupString(content, "third_party_invite", "signed", "token"); ok && membership == "invite" {
		add(Key{matrix.TypeThirdPartyInvite, token})
	}
	if by, ok := matrix.LookupString(content, "join_authorised_via_users_server"); ok && membership == "join" {
		add(Key{matrix.TypeMember, by})
	}
	return keys
}

// AuthEvents returns the auth_events that an event to be made has to have in a room whose state is st.
func AuthEvents(v matrix.RoomVersion, d *matrix.Draft, st State) ([]matrix.EventID, error) {
	var content []byte
	if d.Type == matrix.TypeMember {
		var err error
		if content, err = matrix.Canonical(nil, d.Content); err != nil {
			return nil, fmt.Errorf("select auth events: %w", err)
		}
	}
	keys := authTypes(v, d.Type, d.StateKey, d.Sender, content)
	ids := make([]matrix.EventID, 0, len(keys))
	for _, k := range keys {
		if ev := st.Event(k.Type, k.StateKey); ev != nil {
			ids = append(ids, ev.ID)
		}
	}
	return ids, nil
}

// CheckAuthEvents is rule 2 (3 in version 12) for an event from elsewhere: auth are the events that its
// auth_events name, none of which may have been rejected.
func CheckAuthEvents(ev *matrix.Event, auth []*matrix.Event) error {
	v := ev.Version
	if ev.Type == matrix.TypeCreate {
		return nil
	}
	keys := AuthTypes(ev)
	seen := make(map[Key]bool, len(auth))
	for _, a := range auth {
		if a.StateKey == nil {
			return reject(v, 2, "2", "%s is not a state event", a.ID)
		}
		k := Key{a.Type, *a.StateKey}
		if seen[k] {
			return reject(v, 2, "1", "there are two auth events of %s, %q", k.Type, k.StateKey)
		}
		if seen[k] = true; !slices.Contains(keys, k) {
			return reject(v, 2, "2", "%s, %q does not authorize the event", k.Type, k.StateKey)
		}
		if a.RoomID != ev.RoomID {
			return reject(v, 2, "5", "auth event %s is of another room", a.ID)
		}
	}
	if !v.HashedRoomID() && !seen[Key{matrix.TypeCreate, ""}] {
		return reject(v, 2, "4", "there is no create event among the auth events")
	}
	return nil
}
