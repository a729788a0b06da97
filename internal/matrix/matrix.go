// Package matrix holds what the Matrix specification says about identifiers and events: their grammar,
// canonical JSON, content and reference hashes, redaction, signatures, and the form clients are shown.
// It knows room versions 10, 11 and 12.
//
// An [Event] keeps the very bytes that were hashed, and everything else is cut out of those bytes: nothing
// that was once canonical is ever decoded and encoded again. The package decides nothing about who may send
// what (that is eventauth) and has no SQL, no HTTP and no clock.
//
// Sections are cited by the titles they have in the specification, version 1.19.
package matrix

import "errors"

// What can be wrong with something from outside. Every error of this package that is the sender's fault
// wraps one of them, so that the HTTP faces can choose an error code without reading texts.
var (
	// ErrNotJSON means that the bytes are not JSON at all (M_NOT_JSON).
	ErrNotJSON = errors.New("not JSON")
	// ErrBadJSON means that the JSON breaks a rule of the specification: a number that is not an integer,
	// a member that is there twice, a field of the wrong type (M_BAD_JSON).
	ErrBadJSON = errors.New("malformed JSON")
	// ErrTooLarge means that an event or one of its fields is over its limit (M_TOO_LARGE).
	ErrTooLarge = errors.New("too large")
	// ErrInvalid means that an identifier or another parameter is not what its grammar allows (M_INVALID_PARAM).
	ErrInvalid = errors.New("invalid")
	// ErrContentHash means that an event's content hash is not that of its content. See [ParseRedacted].
	ErrContentHash = errors.New("content hash mismatch")
	// ErrSignature means that a signature is missing or does not verify.
	ErrSignature = errors.New("bad signature")
)

// RoomVersion is the version of a room's rules: "7" to "12". See Room Versions.
type RoomVersion string

// The room versions this package knows.
const (
	V7  RoomVersion = "7"
	V8  RoomVersion = "8"
	V9  RoomVersion = "9"
	V10 RoomVersion = "10"
	V11 RoomVersion = "11"
	V12 RoomVersion = "12"
)

// Known reports whether v is a room version this package knows.
func (v RoomVersion) Known() bool { return v.Older() || v == V11 || v == V12 }

// Older reports whether v is a version before 11. They differ from one another in what is kept of a redacted
// event, in whether a room can be restricted, and in whether it can be both restricted and knocked at. That power
// levels are integers is asked of all of them here, though the specification asks it from version 10 on only:
// every event is made by this server.
func (v RoomVersion) Older() bool { return v == V7 || v == V8 || v == V9 || v == V10 }

// Restricted reports whether a room can be open to the members of others (Room Version 8).
func (v RoomVersion) Restricted() bool { return v != V7 }

// KnockRestricted reports whether a restricted room can be knocked at (Room Version 10).
func (v RoomVersion) KnockRestricted() bool { return v != V7 && v != V8 && v != V9 }

// RedactsInContent reports whether a redaction names its target in its content rather than beside it
// (Room Version 11, "Moving the redacts property").
func (v RoomVersion) RedactsInContent() bool { return !v.Older() }

// HashedRoomID reports whether a room's id is the reference hash of its create event, which therefore has
// no room_id and is nobody's auth event (Room Version 12, "Event format").
func (v RoomVersion) HashedRoomID() bool { return v == V12 }

// PrivilegedCreators reports whether creators outrank every power level (Room Version 12, "Authorisation rules").
func (v RoomVersion) PrivilegedCreators() bool { return v == V12 }

// Event types that the rules of rooms speak of.
const (
	TypeCreate            = "m.room.create"
	TypeMember            = "m.room.member"
	TypePowerLevels       = "m.room.power_levels"
	TypeJoinRules         = "m.room.join_rules"
	TypeHistoryVisibility = "m.room.history_visibility"
	TypeThirdPartyInvite  = "m.room.third_party_invite"
	TypeRedaction         = "m.room.redaction"
)

// Limits on events. See Client-Server API, "Size limits", and the definition of a persistent data unit.
const (
	MaxEventSize  = 65536 // bytes of a whole event with its signatures, as canonical JSON
	MaxIDSize     = 255   // bytes of an identifier, an event type or a state key
	MaxPrevEvents = 20
	MaxAuthEvents = 10
)
