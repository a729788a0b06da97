package matrix

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Event is a persistent data unit: an event as servers hash, sign and keep it.
//
// JSON is the truth and the other fields are read from it. Most share its memory, so that a string kept for long,
// such as a sender as the key of a map, keeps the whole event: clone it. Nothing in an Event may be changed once it
// has been made, and an Event may be shared between goroutines.
type Event struct {
	Version        RoomVersion
	ID             EventID
	RoomID         RoomID
	Type           string
	StateKey       *string // nil if this is not a state event
	Sender         UserID
	Depth          int64
	OriginServerTS int64 // milliseconds
	PrevEvents     []EventID
	AuthEvents     []EventID
	Content        []byte  // canonical JSON, part of JSON
	Redacts        EventID // what a redaction redacts, wherever its room version puts that
	JSON           []byte  // canonical JSON with hashes and salt, without signatures and unsigned

	stateKey string
}

// IsState reports whether the event is a state event.
func (e *Event) IsState() bool { return e.StateKey != nil }

// Is reports whether e is the state event of this type and state key. It may be called on nil.
func (e *Event) Is(typ, stateKey string) bool {
	return e != nil && e.Type == typ && e.StateKey != nil && *e.StateKey == stateKey
}

// Membership is the membership that a member event gives, and "" of any other event. It may be called on nil.
func (e *Event) Membership() string {
	if e == nil || e.Type != TypeMember {
		return ""
	}
	s, _ := aliasString(Lookup(e.Content, "membership"))
	return s
}

// Salt returns the value of the field that [Draft.Build] adds to every event, or "".
func (e *Event) Salt() string {
	s, _ := LookupString(e.JSON, saltField)
	return s
}

// ParseStored returns the event of which id and json are the ID and JSON, as they were kept. It checks no more
// than it needs to read the fields. The event takes json over; nobody may write to it again.
func ParseStored(v RoomVersion, id EventID, json []byte) (*Event, error) {
	e := &Event{Version: v, ID: id, JSON: json}
	if err := e.read(); err != nil {
		return nil, fmt.Errorf("read stored event %s: %w", id, err)
	}
	return e, nil
}

// read fills in the fields of e from e.JSON. It refuses fields of the wrong type, and events that lack what no
// event lacks; the rest of what has to be there is for check to miss.
func (e *Event) read() error {
	var auth, prev, redacts []byte
	m := members(e.JSON)
	for m.next() {
		ok := true
		switch string(m.name) {
		case "type":
			e.Type, ok = aliasString(m.value)
		case "sender":
			ok = aliasID(&e.Sender, m.value)
		case "room_id":
			ok = aliasID(&e.RoomID, m.value)
		case "state_key":
			e.stateKey, ok = aliasString(m.value)
			e.StateKey = &e.stateKey
		case "content":
			e.Content, ok = m.value, m.value[0] == '{'
		case "origin_server_ts":
			e.OriginServerTS, ok = Int(m.value)
		case "depth":
			e.Depth, ok = Int(m.value)
		case "auth_events":
			auth, ok = m.value, m.value[0] == '['
		case "prev_events":
			prev, ok = m.value, m.value[0] == '['
		case "redacts":
			redacts = m.value // of any type: from version 11 on it has no meaning here
		}
		if !ok {
			return fmt.Errorf("%s is not of its type: %w", m.name, ErrBadJSON)
		}
	}
	if m.pos != len(e.JSON)-1 || e.JSON[m.pos] != '}' {
		return fmt.Errorf("not an object: %w", ErrBadJSON)
	}
	if e.Sender == "" || e.Content == nil || auth == nil || prev == nil {
		return fmt.Errorf("sender, content, auth_events or prev_events is missing: %w", ErrBadJSON)
	}
	ids := make([]EventID, 0, (len(auth)+len(prev))/(hashSize+len(`"$",`))+2)
	ids, ok1 := appendIDs(ids, auth)
	n := len(ids)
	ids, ok2 := appendIDs(ids, prev)
	if !ok1 || !ok2 {
		return fmt.Errorf("auth_events or prev_events has something other than event IDs: %w", ErrBadJSON)
	}
	e.AuthEvents, e.PrevEvents = ids[:n:n], ids[n:]

	if e.Type == TypeRedaction {
		if e.Version.RedactsInContent() {
			redacts = Lookup(e.Content, "redacts")
		}
		aliasID(&e.Redacts, redacts)
	}
	if e.RoomID == "" && e.ID != "" && e.Version.HashedRoomID() && e.Is(TypeCreate, "") {
		e.RoomID = RoomID("!" + e.ID[1:])
	}
	return nil
}

// aliasID is [aliasString] for an identifier.
func aliasID[ID ~string](id *ID, raw []byte) bool {
	s, ok := aliasString(raw)
	*id = ID(s)
	return ok
}

func appendIDs(ids []EventID, array []byte) (_ []EventID, ok bool) {
	ok = true
	Elements(array, func(value []byte) bool {
		var id EventID
		if ok = aliasID(&id, value); ok {
			ids = append(ids, id)
		}
		return ok
	})
	return ids, ok
}

// Parse reads an event that another server sent, in the federation format, and checks all that can be checked
// without knowing the room or any keys: canonical JSON, the fields and their limits, and the content hash
// (Server-Server API, "Checks performed on receipt of a PDU", 1 and 3). The event's ID is computed.
//
// If only the content hash is wrong, the error wraps [ErrContentHash], and [ParseRedacted] gives what is to be
// taken instead. Signatures are the caller's business: see [VerifyEvent].
func Parse(v RoomVersion, json []byte) (*Event, error) {
	canonical, err := parseChecked(v, json)
	if err != nil {
		return nil, err
	}
	e, err := newEvent(v, canonical)
	if err != nil {
		return nil, err
	}
	if sum, ok := LookupString(e.JSON, "hashes", "sha256"); !ok || trimPadding(sum) != trimPadding(contentHash(e.JSON)) {
		return nil, fmt.Errorf("event %s: %w", e.ID, ErrContentHash)
	}
	return e, nil
}

// ParseRedacted is [Parse] for an event of which we may have been sent a redacted form: it takes the redacted
// form of whatever was sent, which the content hash does not fit.
func ParseRedacted(v RoomVersion, json []byte) (*Event, error) {
	canonical, err := parseChecked(v, json)
	if err != nil {
		return nil, err
	}
	return newEvent(v, appendRedacted(nil, v, canonical, nil))
}

// parseChecked returns the canonical form of an event from outside, without signatures and unsigned.
func parseChecked(v RoomVersion, json []byte) ([]byte, error) {
	if !v.Known() {
		return nil, fmt.Errorf("parse event: room version %.20q is not known: %w", v, ErrInvalid)
	}
	canonical, err := Canonical(make([]byte, 0, len(json)), json)
	if err != nil {
		return nil, fmt.Errorf("parse event: %w", err)
	}
	if len(canonical) > MaxEventSize {
		return nil, fmt.Errorf("parse event: %d bytes are more than %d: %w", len(canonical), MaxEventSize, ErrTooLarge)
	}
	if canonical[0] != '{' {
		return nil, fmt.Errorf("parse event: not an object: %w", ErrBadJSON)
	}
	return without(canonical, "signatures", "unsigned"), nil
}

// newEvent reads and checks the fields of an event in its canonical form and computes its ID.
func newEvent(v RoomVersion, canonical []byte) (*Event, error) {
	e := &Event{Version: v, JSON: canonical, ID: referenceID(v, canonical)}
	err := e.read()
	for _, name := range []string{"type", "depth", "origin_server_ts"} {
		if err == nil && Lookup(canonical, name) == nil {
			err = fmt.Errorf("%s is missing: %w", name, ErrBadJSON)
		}
	}
	if err == nil {
		err = e.check(Lookup(canonical, "room_id") != nil)
	}
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID, err)
	}
	return e, nil
}

// check applies the limits and grammars of an event's fields. hasRoom is whether it has a room_id, other than
// by its own hash.
func (e *Event) check(hasRoom bool) error {
	if len(e.Type) > MaxIDSize {
		return fmt.Errorf("type: longer than %d bytes: %w", MaxIDSize, ErrTooLarge)
	}
	if len(e.stateKey) > MaxIDSize {
		return fmt.Errorf("state_key: longer than %d bytes: %w", MaxIDSize, ErrTooLarge)
	}
	if !utf8.ValidString(e.Type) || !utf8.ValidString(e.stateKey) {
		return fmt.Errorf("type or state_key: not UTF-8: %w", ErrInvalid)
	}
	if _, err := ParseUserID(string(e.Sender)); err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	switch room, err := ParseRoomID(string(e.RoomID)); {
	case e.Version.HashedRoomID() && e.Is(TypeCreate, ""):
		if hasRoom {
			return fmt.Errorf("a create event of version %s has a room_id: %w", e.Version, ErrBadJSON)
		}
	case !hasRoom:
		return fmt.Errorf("room_id is missing: %w", ErrBadJSON)
	case err != nil:
		return fmt.Errorf("room_id: %w", err)
	case e.Version.HashedRoomID() != (room.Server() == ""):
		return fmt.Errorf("room_id %s is not of version %s: %w", room, e.Version, ErrInvalid)
	}
	if e.Depth < 0 {
		return fmt.Errorf("depth is negative: %w", ErrBadJSON)
	}
	if len(e.PrevEvents) > MaxPrevEvents || len(e.AuthEvents) > MaxAuthEvents {
		return fmt.Errorf("%d prev_events and %d auth_events: %w", len(e.PrevEvents), len(e.AuthEvents), ErrTooLarge)
	}
	for _, ids := range [][]EventID{e.AuthEvents, e.PrevEvents} {
		for _, id := range ids {
			if _, err := ParseEventID(string(id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// contentHash computes the content hash of an event in its canonical form without signatures and unsigned
// (Server-Server API, "Calculating the content hash for an event"), in unpadded base64.
func contentHash(canonical []byte) string {
	sum := sha256.Sum256(without(canonical, "hashes"))
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

// referenceID computes the event ID of an event in its canonical form (Server-Server API, "Calculating the
// reference hash for an event"; Room Version 4, "Event IDs").
func referenceID(v RoomVersion, canonical []byte) EventID {
	return hashedID(appendRedacted(nil, v, canonical, nil))
}

func hashedID(redacted []byte) EventID {
	sum := sha256.Sum256(redacted)
	var id [1 + hashSize]byte
	id[0] = '$'
	base64.RawURLEncoding.Encode(id[1:], sum[:])
	return EventID(id[:])
}

// trimPadding lets base64 be compared that was sent with or without padding.
func trimPadding(s string) string { return strings.TrimRight(s, "=") }

// without returns a canonical object without some of its members.
func without(obj []byte, names ...string) []byte {
	out := append(make([]byte, 0, len(obj)), '{')
next:
	for m := members(obj); m.next(); {
		for _, name := range names {
			if m.is(name) {
				continue next
			}
		}
		out = appendMember(out, m.raw())
	}
	return append(out, '}')
}

// appendMember appends a raw member to an object that is still open.
func appendMember(dst, raw []byte) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(dst, raw...)
}

// with returns a canonical object in which a member has a value, in its place in the order.
func with(obj []byte, name string, value []byte) []byte {
	out := append(make([]byte, 0, len(obj)+len(name)+len(value)+4), '{')
	raw := append(append(AppendString(nil, name), ':'), value...)
	placed := false
	for m := members(obj); m.next(); {
		if m.is(name) {
			continue
		}
		if !placed && bytes.Compare(unescape(nil, m.name), []byte(name)) > 0 {
			out, placed = appendMember(out, raw), true
		}
		out = appendMember(out, m.raw())
	}
	if !placed {
		out = appendMember(out, raw)
	}
	return append(out, '}')
}
