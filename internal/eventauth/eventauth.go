// Package eventauth is the authorization rules of Matrix rooms, versions 10, 11 and 12, as functions of an
// event and the state it meets (Room Versions, "Authorisation rules"). A rejection says which rule it was.
//
// It decides only what the specification decides. Organisations' own rules are policy; whether an event was
// rightly signed is for whoever received it to check before.
package eventauth

import (
	"fmt"
	"strconv"

	"despatch/internal/matrix"
)

// State is the state of a room before an event.
type State interface {
	// Event returns the current state event of a type and state key, or nil. It must have been allowed.
	Event(typ, stateKey string) *matrix.Event

	// PowerLevels returns the levels of the room: those of [ParsePowerLevels] for its current create and
	// power levels events. It is a method of its own so that they need not be parsed for every message.
	PowerLevels() (*PowerLevels, error)
}

// Key is what a piece of state is known by.
type Key struct{ Type, StateKey string }

// Rejection says which rule an event breaks.
type Rejection struct {
	Rule   string // number in the room version's list, such as "4.3.2"
	Reason string // in words that a user may be shown
}

func (r *Rejection) Error() string {
	return "authorization rule " + r.Rule + ": " + r.Reason
}

// reject makes a Rejection. Rules are numbered as in versions 10 and 11; version 12 has one more after rule 1,
// and one more within the rule for power levels.
func reject(v matrix.RoomVersion, rule int, sub string, format string, args ...any) error {
	if v == matrix.V12 && rule >= 2 {
		rule++
	}
	number := strconv.Itoa(rule)
	if sub != "" {
		number += "." + sub
	}
	return &Rejection{number, fmt.Sprintf(format, args...)}
}

// Allowed decides whether the rules allow ev in a room whose state is st. A rejection is a [*Rejection].
// What concerns the event's auth_events is left to [CheckAuthEvents], as an event that was made here has those
// of [AuthEvents].
func Allowed(ev *matrix.Event, st State) error {
	v := ev.Version
	if ev.Type == matrix.TypeCreate {
		return allowCreate(ev)
	}
	create := st.Event(matrix.TypeCreate, "")
	switch {
	case v.HashedRoomID() && (create == nil || create.RoomID != ev.RoomID):
		return &Rejection{"2", "the room ID is not that of the room's create event"}
	case create == nil:
		return &Rejection{"2.4", "the room has no create event"}
	case create.RoomID != ev.RoomID:
		return &Rejection{"2.5", "the event is of another room"}
	}
	if string(matrix.Lookup(create.Content, "m.federate")) == "false" && ev.Sender.Server() != create.Sender.Server() {
		return reject(v, 3, "", "the room is not open to other servers, and the sender belongs to one")
	}
	if ev.Type == matrix.TypeMember {
		return allowMember(ev, st, create)
	}
	if Membership(st, ev.Sender) != "join" {
		return reject(v, 5, "", "the sender is not a member of the room")
	}
	levels, err := st.PowerLevels()
	if err != nil {
		return fmt.Errorf("authorize %s: %w", ev, err)
	}
	sender := levels.UserLevel(ev.Sender)
	if ev.Type == matrix.TypeThirdPartyInvite {
		if sender < levels.Invite {
			return reject(v, 6, "1", "the sender's power level %s is below the invite level %s", show(sender), show(levels.Invite))
		}
		return nil
	}
	if need := levels.EventLevel(ev.Type, ev.IsState()); sender < need {
		return reject(v, 7, "", "the sender's power level %s is below %s, which %s needs", show(sender), show(need), ev.Type)
	}
	if ev.IsState() && len(*ev.StateKey) > 0 && (*ev.StateKey)[0] == '@' && *ev.StateKey != string(ev.Sender) {
		return reject(v, 8, "", "the state key is another user's ID")
	}
	if ev.Type == matrix.TypePowerLevels {
		return allowPowerLevels(ev, st, levels, sender)
	}
	return nil
}

// allowCreate is rule 1.
func allowCreate(ev *matrix.Event) error {
	v := ev.Version
	if len(ev.PrevEvents) > 0 {
		return reject(v, 1, "1", "a create event comes first, and this one has previous events")
	}
	if v.HashedRoomID() {
		if matrix.Lookup(ev.JSON, "room_id") != nil {
			return reject(v, 1, "2", "a create event has no room_id in this version")
		}
	} else if ev.RoomID.Server() != ev.Sender.Server() {
		return reject(v, 1, "2", "the room ID and the sender are of different servers")
	}
	if raw := matrix.Lookup(ev.Content, "room_version"); raw != nil {
		if s, ok := matrix.String(raw); !ok || !matrix.RoomVersion(s).Known() {
			return reject(v, 1, "3", "room version %.40s is not recognised", raw)
		}
	}
	if v.Older() && matrix.Lookup(ev.Content, "creator") == nil {
		return reject(v, 1, "4", "the content has no creator")
	}
	if v.PrivilegedCreators() {
		if _, err := additionalCreators(ev); err != nil {
			return reject(v, 1, "4", "%v", err)
		}
	}
	return nil
}

// additionalCreators returns the users that a create event of version 12 names beside its sender.
func additionalCreators(create *matrix.Event) ([]matrix.UserID, error) {
	raw := matrix.Lookup(create.Content, "additional_creators")
	if raw == nil {
		return nil, nil
	}
	var users []matrix.UserID
	var err error
	isArray := matrix.Elements(raw, func(value []byte) bool {
		s, ok := matrix.String(value)
		if !ok {
			err = fmt.Errorf("additional_creators has something other than a user ID")
			return false
		}
		var user matrix.UserID
		if user, err = matrix.ParseUserID(s); err == nil {
			users = append(users, user)
		}
		return err == nil
	})
	if !isArray {
		err = fmt.Errorf("additional_creators is not an array")
	}
	return users, err
}

// Membership returns the membership of a user: "join", "invite", "knock", "ban", or "leave" of those who have
// left and of those who never came.
func Membership(st State, user matrix.UserID) string {
	if m := st.Event(matrix.TypeMember, string(user)).Membership(); m != "" {
		return m
	}
	return "leave"
}

// MayRedact decides whether sender may redact target: their own events everybody may, others' those whose level
// is at least the redact level (Client-Server API, "Redactions"). That sender may send a redaction at all is
// for [Allowed] to decide.
func MayRedact(st State, sender matrix.UserID, target *matrix.Event) error {
	if target.Sender == sender {
		return nil
	}
	levels, err := st.PowerLevels()
	if err != nil {
		return fmt.Errorf("authorize redaction of %s: %w", target, err)
	}
	if level := levels.UserLevel(sender); level < levels.Redact {
		return &Rejection{"redact level", fmt.Sprintf("the sender's power level %s is below the redact level %s", show(level), show(levels.Redact))}
	}
	return nil
}
