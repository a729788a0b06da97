package eventauth

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"despatch/internal/matrix"
)

// Infinite is the power level of the creators of rooms of version 12. No event can give it to anybody.
const Infinite = math.MaxInt64

// PowerLevels are the levels of a room, with the defaults filled in. They are not changed once made.
type PowerLevels struct {
	Ban, EventsDefault, Invite, Kick, Redact, StateDefault, UsersDefault int64

	Events        map[string]int64
	Notifications map[string]int64
	Users         map[matrix.UserID]int64

	set      [len(named)]bool // which of the first seven the event gives
	creators []matrix.UserID  // whose level is infinite
}

// named are the levels that have a property of their own, with their defaults (m.room.power_levels).
var named = [...]struct {
	name     string
	standard int64
}{
	{"ban", 50}, {"events_default", 0}, {"invite", 0}, {"kick", 50}, {"redact", 50}, {"state_default", 50}, {"users_default", 0},
}

// level returns the level that is named[i].
func (p *PowerLevels) level(i int) *int64 {
	return [...]*int64{&p.Ban, &p.EventsDefault, &p.Invite, &p.Kick, &p.Redact, &p.StateDefault, &p.UsersDefault}[i]
}

// ParsePowerLevels returns the levels of a room with these create and power levels events; the latter may be
// nil. Without it the creator has 100 up to version 11. In version 12 creators outrank everybody in any case.
func ParsePowerLevels(create, levels *matrix.Event) (*PowerLevels, error) {
	var p *PowerLevels
	if levels == nil {
		p = defaultLevels()
		if create != nil && !create.Version.PrivilegedCreators() {
			p.Users = map[matrix.UserID]int64{creator(create): 100}
		}
	} else {
		var err error
		if p, _, err = parseLevels(levels.Content); err != nil {
			return nil, fmt.Errorf("power levels %s: %w", levels.ID, err)
		}
	}
	if create != nil {
		var err error
		if p.creators, err = privileged(create); err != nil {
			return nil, fmt.Errorf("create event %s: %w", create.ID, err)
		}
	}
	return p, nil
}

// privileged returns the users whose level is infinite: none before version 12.
func privileged(create *matrix.Event) ([]matrix.UserID, error) {
	if !create.Version.PrivilegedCreators() {
		return nil, nil
	}
	more, err := additionalCreators(create)
	return append([]matrix.UserID{create.Sender}, more...), err
}

// creator is who made the room: in version 10 that is a property of its own.
func creator(create *matrix.Event) matrix.UserID {
	if create.Version.Older() {
		s, _ := matrix.LookupString(create.Content, "creator")
		return matrix.UserID(s)
	}
	return create.Sender
}

func defaultLevels() *PowerLevels {
	p := new(PowerLevels)
	for i, n := range named {
		*p.level(i) = n.standard
	}
	return p
}

// UserLevel is a user's power level.
func (p *PowerLevels) UserLevel(user matrix.UserID) int64 {
	if p.IsCreator(user) {
		return Infinite
	}
	if level, ok := p.Users[user]; ok {
		return level
	}
	return p.UsersDefault
}

// IsCreator reports whether a user's level is infinite.
func (p *PowerLevels) IsCreator(user matrix.UserID) bool { return slices.Contains(p.creators, user) }

// EventLevel is the level that it takes to send an event of a type.
func (p *PowerLevels) EventLevel(typ string, state bool) int64 {
	if level, ok := p.Events[typ]; ok {
		return level
	}
	if state {
		return p.StateDefault
	}
	return p.EventsDefault
}

// NotificationLevel is the level that it takes to notify everybody in a room; kind is "room".
func (p *PowerLevels) NotificationLevel(kind string) int64 {
	if level, ok := p.Notifications[kind]; ok {
		return level
	}
	return 50
}

// parseLevels reads the content of a power levels event as strictly as rules 9.1 to 9.3 ask. With an error it
// returns which of them was broken.
func parseLevels(content []byte) (p *PowerLevels, sub string, err error) {
	p = defaultLevels()
	matrix.Members(content, func(name string, value []byte) bool {
		switch name {
		case "events":
			p.Events, err = levelMap[string](name, value)
			sub = "2"
		case "notifications":
			p.Notifications, err = levelMap[string](name, value)
			sub = "2"
		case "users":
			p.Users, err = levelMap[matrix.UserID](name, value)
			for user := range p.Users {
				if _, bad := matrix.ParseUserID(string(user)); bad != nil {
					err = fmt.Errorf("users: %w", bad)
				}
			}
			sub = "3"
		default:
			for i, n := range named {
				if n.name == name {
					if *p.level(i), p.set[i] = matrix.Int(value); !p.set[i] {
						err = fmt.Errorf("%s is not an integer", name)
					}
					sub = "1"
				}
			}
		}
		return err == nil
	})
	return p, sub, err
}

func levelMap[K ~string](name string, raw []byte) (map[K]int64, error) {
	levels := make(map[K]int64)
	var err error
	isObject := matrix.Members(raw, func(key string, value []byte) bool {
		level, ok := matrix.Int(value)
		if !ok {
			err = fmt.Errorf("%s: %.300q has something other than an integer", name, key)
		}
		levels[K(key)] = level
		return ok
	})
	if !isObject {
		err = fmt.Errorf("%s is not an object", name)
	}
	return levels, err
}

// allowPowerLevels is rule 9 (10 in version 12): nobody raises anything above their own level, and nobody
// touches what stands above it.
func allowPowerLevels(ev *matrix.Event, st State, now *PowerLevels, sender int64) error {
	v := ev.Version
	next, sub, err := parseLevels(ev.Content)
	if err != nil {
		return reject(v, 9, sub, "%v", err)
	}
	// Version 12 has put rule 9.4, that creators may not be listed, before those that follow.
	shift := 0
	if v.PrivilegedCreators() {
		shift = 1
		for user := range next.Users {
			if now.IsCreator(user) {
				return reject(v, 9, "4", "%s is a creator of the room and may not be in users", user)
			}
		}
	}
	if st.Event(matrix.TypePowerLevels, "") == nil {
		return nil
	}
	rule := func(n int, format string, args ...any) error {
		return reject(v, 9, strconv.Itoa(n+shift), format, args...)
	}
	for i, n := range named {
		old, new := *now.level(i), *next.level(i)
		if now.set[i] == next.set[i] && old == new {
			continue
		}
		if old > sender || new > sender {
			return rule(5, "%s cannot be changed from %s to %s by somebody with %s", n.name, show(old), show(new), show(sender))
		}
	}
	for _, m := range []struct {
		name      string
		now, next map[string]int64
	}{{"events", now.Events, next.Events}, {"notifications", now.Notifications, next.Notifications}} {
		for key, old := range m.now {
			if new, ok := m.next[key]; (!ok || new != old) && old > sender {
				return rule(6, "the level of %s in %s is %s, above the sender's %s", key, m.name, show(old), show(sender))
			}
		}
		for key, new := range m.next {
			if old, ok := m.now[key]; (!ok || new != old) && new > sender {
				return rule(7, "the level of %s in %s would be %s, above the sender's %s", key, m.name, show(new), show(sender))
			}
		}
	}
	for user, old := range now.Users {
		if new, ok := next.Users[user]; (!ok || new != old) && user != ev.Sender && old >= sender {
			return rule(8, "the level of %s is %s, not below the sender's %s", user, show(old), show(sender))
		}
	}
	for user, new := range next.Users {
		if old, ok := now.Users[user]; (!ok || new != old) && new > sender {
			return rule(9, "the level of %s would be %s, above the sender's %s", user, show(new), show(sender))
		}
	}
	return nil
}

// show writes a level for people.
func show(level int64) string {
	if level == Infinite {
		return "infinite"
	}
	return strconv.FormatInt(level, 10)
}
