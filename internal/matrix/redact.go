package matrix

import "fmt"

// Redact returns the redacted form of an event in the federation format, as canonical JSON: Room Version 9,
// "Redactions", for version 10 (7 and 8 keep less), and Room Version 11, "Redactions", for 11 and 12. Signatures are kept.
func Redact(v RoomVersion, json []byte) ([]byte, error) {
	if !v.Known() {
		return nil, fmt.Errorf("redact: room version %.20q is not known: %w", v, ErrInvalid)
	}
	canonical, err := Canonical(make([]byte, 0, len(json)), json)
	if err != nil {
		return nil, fmt.Errorf("redact: %w", err)
	}
	if canonical[0] != '{' {
		return nil, fmt.Errorf("redact: not an object: %w", ErrBadJSON)
	}
	return appendRedacted(nil, v, canonical, Lookup(canonical, "signatures")), nil
}

// RedactedContent returns the content that is left of e when it is redacted.
func (e *Event) RedactedContent() []byte {
	return appendRedactedContent(nil, e.Version, e.Type, e.Content)
}

// RedactedJSON returns what is left of e's JSON when it is redacted: it has the same event ID, and neither the
// content nor the salt.
func (e *Event) RedactedJSON() []byte { return appendRedacted(nil, e.Version, e.JSON, nil) }

// appendRedacted appends the redacted form of a canonical event, with signatures if there are any to be kept.
func appendRedacted(dst []byte, v RoomVersion, event, signatures []byte) []byte {
	typ, _ := aliasString(Lookup(event, "type"))
	dst = append(dst, '{')
	open := len(dst)
	for m := members(event); m.next(); {
		if !keptWhenRedacted(v, m.name) || string(m.name) == "signatures" && signatures == nil {
			continue
		}
		if len(dst) > open {
			dst = append(dst, ',')
		}
		if string(m.name) == "content" {
			dst = append(dst, `"content":`...)
			dst = appendRedactedContent(dst, v, typ, m.value)
			continue
		}
		dst = append(dst, m.raw()...)
	}
	return append(dst, '}')
}

// keptWhenRedacted reports whether a field of an event survives its redaction.
func keptWhenRedacted(v RoomVersion, name []byte) bool {
	switch string(name) {
	case "event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth",
		"prev_events", "auth_events", "origin_server_ts":
		return true
	case "prev_state", "origin", "membership":
		return v.Older()
	}
	return false
}

// appendRedactedContent appends what is left of a canonical content.
func appendRedactedContent(dst []byte, v RoomVersion, typ string, content []byte) []byte {
	if typ == TypeCreate && !v.Older() && len(content) > 0 && content[0] == '{' {
		return append(dst, content...)
	}
	dst = append(dst, '{')
	if !hasKeptContent(typ) {
		return append(dst, '}')
	}
	for m := members(content); m.next(); {
		if !contentKeptWhenRedacted(v, typ, m.name) {
			continue
		}
		if typ == TypeMember && string(m.name) == "third_party_invite" {
			dst = appendRedactedInvite(dst, m.value)
			continue
		}
		dst = appendMember(dst, m.raw())
	}
	return append(dst, '}')
}

func hasKeptContent(typ string) bool {
	switch typ {
	case TypeMember, TypeCreate, TypeJoinRules, TypePowerLevels, TypeHistoryVisibility, TypeRedaction:
		return true
	}
	return false
}

// contentKeptWhenRedacted reports whether a member of an event's content survives its redaction.
func contentKeptWhenRedacted(v RoomVersion, typ string, name []byte) bool {
	switch typ {
	case TypeMember:
		switch string(name) {
		case "membership":
			return true
		case "join_authorised_via_users_server":
			return v != V7 && v != V8
		case "third_party_invite":
			return !v.Older()
		}
	case TypeCreate:
		return !v.Older() || string(name) == "creator"
	case TypeJoinRules:
		return string(name) == "join_rule" || string(name) == "allow" && v.Restricted()
	case TypePowerLevels:
		switch string(name) {
		case "ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default":
			return true
		case "invite":
			return !v.Older()
		}
	case TypeHistoryVisibility:
		return string(name) == "history_visibility"
	case TypeRedaction:
		return !v.Older() && string(name) == "redacts"
	}
	return false
}

// appendRedactedInvite appends the third_party_invite member of a membership, of which only signed is kept.
func appendRedactedInvite(dst, invite []byte) []byte {
	if len(invite) == 0 || invite[0] != '{' {
		return dst
	}
	dst = appendMember(dst, []byte(`"third_party_invite":{`))
	for m := members(invite); m.next(); {
		if string(m.name) == "signed" {
			dst = append(dst, m.raw()...)
		}
	}
	return append(dst, '}')
}
