package matrix

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync"
)

// saltField is a field of every event made here. It is covered by the content hash, goes when the event is
// redacted, and is never shown to clients: so the hashes that outlive a message which was lawfully destroyed
// cannot be used to try out what it said.
const saltField = "org.despatch.salt"

// SaltSize is how many random bytes go into an event.
const SaltSize = 16

// maxBuilt is the largest event that is made here, with the signature it will be sent with: one byte less
// than the specification allows, as there are implementations that refuse an event of just 65 536 bytes.
const maxBuilt = MaxEventSize - 1

// signatureRoom is kept free in every event for the "signatures" object: a server name of up to 255 bytes, a
// key ID, 86 bytes of signature, and the punctuation.
const signatureRoom = 512

// Draft is an event to be made.
type Draft struct {
	RoomID         RoomID // empty in a create event of room version 12
	Type           string
	StateKey       *string
	Sender         UserID
	Content        []byte  // a JSON object in any form
	Redacts        EventID // of a redaction; Build puts it where the room version wants it
	PrevEvents     []EventID
	AuthEvents     []EventID
	Depth          int64
	OriginServerTS int64
	Salt           [SaltSize]byte // random
	Source         []byte         // canonical JSON: what brought the event in, or nil
}

// sourceField says, in an event that something else brought in, what that was. It is covered by the content
// hash, goes when the event is redacted, and is not shown to clients.
const sourceField = "org.despatch.source"

// Source is what brought the event in, as a JSON object, or nil if its sender sent it here.
func (e *Event) Source() []byte { return Lookup(e.JSON, sourceField) }

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// Build makes the event: canonical JSON, content hash, and reference hash, which is the event ID. Only the
// content has to be brought into canonical form; the rest is written down in order.
//
// It keeps nothing of the draft's Content, and the draft may be used again.
func (d *Draft) Build(v RoomVersion) (*Event, error) {
	if err := d.check(v); err != nil {
		return nil, fmt.Errorf("build %.300s event: %w", d.Type, err)
	}
	work := buffers.Get().(*[]byte)
	defer buffers.Put(work)

	content, err := d.appendContent((*work)[:0], v)
	if err != nil {
		return nil, fmt.Errorf("build %.300s event: content: %w", d.Type, err)
	}
	json := make([]byte, 0, len(content)+d.sizeAround())

	// First without hashes, which is what the content hash covers; then with them.
	json = append(json, '{')
	json = appendIDList(json, "auth_events", d.AuthEvents)
	json = append(json, `,"content":`...)
	contentAt := len(json)
	json = append(json, content...)
	contentEnd := len(json)
	json = append(json, `,"depth":`...)
	json = strconv.AppendInt(json, d.Depth, 10)
	head := len(json)
	json = d.appendTail(json, v, true)
	if len(json)+hashesSize+signatureRoom > maxBuilt {
		return nil, fmt.Errorf("build %s event: %d bytes are more than %d: %w",
			d.Type, len(json)+hashesSize+signatureRoom, maxBuilt, ErrTooLarge)
	}
	sum := sha256.Sum256(json)
	var hashes [hashesSize]byte
	copy(hashes[:], hashesOpen)
	base64.RawStdEncoding.Encode(hashes[len(hashesOpen):], sum[:])
	copy(hashes[hashesSize-len(hashesClose):], hashesClose)
	json = append(json, hashes[:]...)
	copy(json[head+hashesSize:], json[head:])
	copy(json[head:], hashes[:])

	// The same with the redacted content and without salt, which is what the reference hash covers.
	redacted := append(content, json[:contentAt]...)
	redacted = appendRedactedContent(redacted, v, d.Type, json[contentAt:contentEnd])
	redacted = append(redacted, json[contentEnd:head+hashesSize]...)
	redacted = d.appendTail(redacted, v, false)
	id := hashedID(redacted[len(content):])
	*work = redacted

	e := d.event(v, id, json, json[contentAt:contentEnd])
	if err := e.check(d.RoomID != ""); err != nil {
		return nil, fmt.Errorf("build %.300s event: %w", d.Type, err)
	}
	return e, nil
}

const (
	maxInt = 1<<53 - 1 // in canonical JSON

	hashesOpen  = `,"hashes":{"sha256":"`
	hashesClose = `"}`
	hashesSize  = len(hashesOpen) + hashSize + len(hashesClose)
)

// check refuses what could not be written down; the event itself is checked as any other.
func (d *Draft) check(v RoomVersion) error {
	switch {
	case !v.Known():
		return fmt.Errorf("room version %.20q is not known: %w", v, ErrInvalid)
	case d.Depth > maxInt || d.OriginServerTS > maxInt || d.OriginServerTS < 0:
		return fmt.Errorf("depth or origin_server_ts is out of range: %w", ErrInvalid)
	case d.Redacts != "" && d.Type != TypeRedaction:
		return fmt.Errorf("redacts in an event that is no redaction: %w", ErrInvalid)
	}
	if d.Redacts != "" {
		if _, err := ParseEventID(string(d.Redacts)); err != nil {
			return fmt.Errorf("redacts: %w", err)
		}
	}
	return nil
}

// sizeAround is how many bytes there will be beside the content, give or take a few for escapes.
func (d *Draft) sizeAround() int {
	n := 360 + len(d.Source) + len(d.RoomID) + len(d.Sender) + len(d.Type) + (len(d.PrevEvents)+len(d.AuthEvents))*(hashSize+len(`"$",`))
	if d.StateKey != nil {
		n += len(*d.StateKey)
	}
	return n
}

// withoutRoom reports whether the event is one that makes its room's ID.
func (d *Draft) withoutRoom(v RoomVersion) bool {
	return v.HashedRoomID() && d.Type == TypeCreate && d.StateKey != nil && *d.StateKey == ""
}

// appendContent appends the content in canonical form.
func (d *Draft) appendContent(dst []byte, v RoomVersion) ([]byte, error) {
	content, err := Canonical(dst, d.Content)
	if err != nil {
		return dst, err
	}
	if content[len(dst)] != '{' {
		return dst, fmt.Errorf("not an object: %w", ErrBadJSON)
	}
	if d.Type == TypeRedaction && v.RedactsInContent() && d.Redacts != "" {
		return append(dst, with(content[len(dst):], "redacts", AppendString(nil, d.Redacts))...), nil
	}
	return content, nil
}

// appendTail appends the fields that come after hashes, and the closing brace.
func (d *Draft) appendTail(dst []byte, v RoomVersion, whole bool) []byte {
	if whole {
		dst = append(dst, `,"`+saltField+`":"`...)
		dst = base64.RawURLEncoding.AppendEncode(dst, d.Salt[:])
		dst = append(dst, '"')
		if d.Source != nil {
			dst = append(dst, `,"`+sourceField+`":`...)
			dst = append(dst, d.Source...)
		}
	}
	dst = append(dst, `,"origin_server_ts":`...)
	dst = strconv.AppendInt(dst, d.OriginServerTS, 10)
	dst = append(dst, ',')
	dst = appendIDList(dst, "prev_events", d.PrevEvents)
	if whole && d.Redacts != "" && !v.RedactsInContent() {
		dst = append(dst, `,"redacts":`...)
		dst = AppendString(dst, d.Redacts)
	}
	if d.RoomID != "" {
		dst = append(dst, `,"room_id":`...)
		dst = AppendString(dst, d.RoomID)
	}
	dst = append(dst, `,"sender":`...)
	dst = AppendString(dst, d.Sender)
	if d.StateKey != nil {
		dst = append(dst, `,"state_key":`...)
		dst = AppendString(dst, *d.StateKey)
	}
	dst = append(dst, `,"type":`...)
	dst = AppendString(dst, d.Type)
	return append(dst, '}')
}

func appendIDList(dst []byte, name string, ids []EventID) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":[`...)
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, id)
	}
	return append(dst, ']')
}

// event is the finished event. Its lists are copies, so that the draft can be used again.
func (d *Draft) event(v RoomVersion, id EventID, json, content []byte) *Event {
	ids := make([]EventID, 0, len(d.AuthEvents)+len(d.PrevEvents))
	ids = append(append(ids, d.AuthEvents...), d.PrevEvents...)
	n := len(d.AuthEvents)
	e := &Event{
		Version: v, ID: id, RoomID: d.RoomID, Type: d.Type, Sender: d.Sender,
		Depth: d.Depth, OriginServerTS: d.OriginServerTS,
		AuthEvents: ids[:n:n], PrevEvents: ids[n:], Content: content, JSON: json,
	}
	if d.StateKey != nil {
		e.stateKey = *d.StateKey
		e.StateKey = &e.stateKey
	}
	if d.withoutRoom(v) {
		e.RoomID = RoomID("!" + id[1:])
	}
	if d.Type == TypeRedaction {
		e.Redacts = d.Redacts
		if s, ok := LookupString(content, "redacts"); ok && v.RedactsInContent() {
			e.Redacts = EventID(s)
		}
	}
	return e
}
