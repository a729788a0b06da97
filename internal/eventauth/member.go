package eventauth

import (
	"crypto/ed25519"
	"fmt"

	"despatch/internal/matrix"
)

// allowMember is rule 4 (5 in version 12). Rule 4.2, the signature of another server that let the user in, is
// checked where events come in from other servers.
func allowMember(ev *matrix.Event, st State, create *matrix.Event) error {
	v := ev.Version
	membership := ev.Membership()
	if ev.StateKey == nil || membership == "" {
		return reject(v, 4, "1", "there is no state_key or no membership")
	}
	if _, err := matrix.ParseUserID(*ev.StateKey); err != nil {
		return reject(v, 4, "1", "the state_key is not a user ID")
	}
	levels, err := st.PowerLevels()
	if err != nil {
		return fmt.Errorf("authorize %s: %w", ev, err)
	}
	c := change{
		ev: ev, st: st, create: create, levels: levels,
		target: matrix.UserID(*ev.StateKey),
		sender: levels.UserLevel(ev.Sender),
	}
	c.was = Membership(st, c.target)
	switch membership {
	case "join":
		return c.allowJoin()
	case "invite":
		return c.allowInvite()
	case "leave":
		return c.allowLeave()
	case "ban":
		return c.allowBan()
	case "knock":
		return c.allowKnock()
	}
	return reject(v, 4, "8", "membership %.40q is unknown", membership)
}

// change is a change of membership to be decided about.
type change struct {
	ev     *matrix.Event
	st     State
	create *matrix.Event
	levels *PowerLevels
	target matrix.UserID
	was    string // target's membership so far
	sender int64  // power level
}

func (c *change) reject(sub, format string, args ...any) error {
	return reject(c.ev.Version, 4, sub, format, args...)
}

func (c *change) own() bool { return c.ev.Sender == c.target }

func (c *change) senderJoined() bool { return Membership(c.st, c.ev.Sender) == "join" }

func (c *change) joinRule() string {
	rules := c.st.Event(matrix.TypeJoinRules, "")
	if rules == nil {
		return "invite"
	}
	rule, _ := matrix.LookupString(rules.Content, "join_rule")
	return rule
}

func (c *change) allowJoin() error {
	if prev := c.ev.PrevEvents; len(prev) == 1 && prev[0] == c.create.ID && c.target == creator(c.create) {
		return nil
	}
	if !c.own() {
		return c.reject("3.2", "only the user can join")
	}
	if c.was == "ban" {
		return c.reject("3.3", "the sender is banned from the room")
	}
	rule := c.joinRule()
	switch v := c.ev.Version; {
	case rule == "restricted" && !v.Restricted(), rule == "knock_restricted" && !v.KnockRestricted():
		return c.reject("3.7", "the room's rule for joining is none of its version")
	}
	switch rule {
	case "public":
		return nil
	case "invite", "knock":
		if c.was == "invite" || c.was == "join" {
			return nil
		}
	case "restricted", "knock_restricted":
		if c.was == "join" || c.was == "invite" {
			return nil
		}
		return c.allowRestricted()
	}
	return c.reject("3.7", "the sender has not been invited to the room")
}

// allowRestricted is rule 4.3.5.2: somebody who may invite vouches for the one who joins.
func (c *change) allowRestricted() error {
	s, ok := matrix.LookupString(c.ev.Content, "join_authorised_via_users_server")
	by := matrix.UserID(s)
	if !ok || Membership(c.st, by) != "join" || c.levels.UserLevel(by) < c.levels.Invite {
		return c.reject("3.5.2", "no member who may invite has let the sender in")
	}
	return nil
}

func (c *change) allowInvite() error {
	if invite := matrix.Lookup(c.ev.Content, "third_party_invite"); invite != nil {
		return c.allowThirdParty(invite)
	}
	switch {
	case !c.senderJoined():
		return c.reject("4.2", "the sender is not a member of the room")
	case c.was == "join":
		return c.reject("4.3", "%s is a member already", c.target)
	case c.was == "ban":
		return c.reject("4.3", "%s is banned from the room", c.target)
	case c.sender < c.levels.Invite:
		return c.reject("4.5", "the sender's power level %s is below the invite level %s", show(c.sender), show(c.levels.Invite))
	}
	return nil
}

// allowThirdParty is rule 4.4.1: an invitation that was sent to an address has found its user.
func (c *change) allowThirdParty(invite []byte) error {
	if c.was == "ban" {
		return c.reject("4.1.1", "%s is banned from the room", c.target)
	}
	signed := matrix.Lookup(invite, "signed")
	if signed == nil {
		return c.reject("4.1.2", "third_party_invite is not signed")
	}
	mxid, ok1 := matrix.LookupString(signed, "mxid")
	token, ok2 := matrix.LookupString(signed, "token")
	if !ok1 || !ok2 {
		return c.reject("4.1.3", "signed has no mxid or no token")
	}
	if mxid != string(c.target) {
		return c.reject("4.1.4", "the invitation was signed for another user")
	}
	sent := c.st.Event(matrix.TypeThirdPartyInvite, token)
	if sent == nil {
		return c.reject("4.1.5", "there is no such invitation")
	}
	if sent.Sender != c.ev.Sender {
		return c.reject("4.1.6", "the invitation was sent by another user")
	}
	if !signedByAny(signed, thirdPartyKeys(sent)) {
		return c.reject("4.1.8", "none of the invitation's keys has signed")
	}
	return nil
}

func thirdPartyKeys(sent *matrix.Event) (keys []ed25519.PublicKey) {
	add := func(raw []byte) {
		if s, ok := matrix.String(raw); ok {
			if key, err := matrix.DecodeBase64(s); err == nil && len(key) == ed25519.PublicKeySize {
				keys = append(keys, key)
			}
		}
	}
	add(matrix.Lookup(sent.Content, "public_key"))
	matrix.Elements(matrix.Lookup(sent.Content, "public_keys"), func(value []byte) bool {
		add(matrix.Lookup(value, "public_key"))
		return true
	})
	return keys
}

// signedByAny reports whether any signature in signed, whoever's it is, verifies with any of the keys.
func signedByAny(signed []byte, keys []ed25519.PublicKey) (found bool) {
	matrix.Members(matrix.Lookup(signed, "signatures"), func(entity string, own []byte) bool {
		matrix.Members(own, func(id string, _ []byte) bool {
			for _, key := range keys {
				if _, err := matrix.ParseKeyID(id); err == nil {
					found = found || matrix.VerifyJSON(signed, entity, matrix.KeyID(id), key) == nil
				}
			}
			return !found
		})
		return !found
	})
	return found
}

func (c *change) allowLeave() error {
	if c.own() {
		switch c.was {
		case "invite", "join", "knock":
			return nil
		}
		return c.reject("5.1", "the sender is neither in the room nor invited to it")
	}
	target := c.levels.UserLevel(c.target)
	switch {
	case !c.senderJoined():
		return c.reject("5.2", "the sender is not a member of the room")
	case c.was == "ban" && c.sender < c.levels.Ban:
		return c.reject("5.3", "the sender's power level %s is below the ban level %s", show(c.sender), show(c.levels.Ban))
	case c.sender < c.levels.Kick:
		return c.reject("5.5", "the sender's power level %s is below the kick level %s", show(c.sender), show(c.levels.Kick))
	case target >= c.sender:
		return c.reject("5.5", "the sender's power level %s is not above that of %s, %s", show(c.sender), c.target, show(target))
	}
	return nil
}

func (c *change) allowBan() error {
	target := c.levels.UserLevel(c.target)
	switch {
	case !c.senderJoined():
		return c.reject("6.1", "the sender is not a member of the room")
	case c.sender < c.levels.Ban:
		return c.reject("6.3", "the sender's power level %s is below the ban level %s", show(c.sender), show(c.levels.Ban))
	case target >= c.sender:
		return c.reject("6.3", "the sender's power level %s is not above that of %s, %s", show(c.sender), c.target, show(target))
	}
	return nil
}

func (c *change) allowKnock() error {
	switch rule := c.joinRule(); {
	case rule != "knock" && (rule != "knock_restricted" || !c.ev.Version.KnockRestricted()):
		return c.reject("7.1", "the room does not take requests to join")
	case !c.own():
		return c.reject("7.2", "only the user can ask to join")
	case c.was == "ban" || c.was == "invite" || c.was == "join":
		return c.reject("7.4", "the sender is banned, invited or in the room already")
	}
	return nil
}
