package matrix

import (
	"fmt"
	"strconv"
)

// ClientFormat says how [Event.AppendClient] shows an event: to whom, and with what the server adds to it.
type ClientFormat struct {
	// OmitRoomID leaves room_id out, as in /sync, where the room is known already.
	OmitRoomID bool
	// Redacted shows what is left of the event after its redaction. The caller gives RedactedBecause too.
	Redacted bool

	// What goes into "unsigned"; empty fields are left out.
	Age             *int64  // milliseconds since the event was made
	TransactionID   string  // if it is shown to the device that sent it
	Position        int64   // in the record, shown as org.despatch.position; negative to leave it out
	PrevContent     []byte  // raw content of the state event this one replaced
	ReplacesState   EventID // the ID of that event
	RedactedBecause []byte  // raw event in the client format
	Membership      string  // of the user it is shown to, at the time of the event
	Extra           []byte  // more raw members, such as `"m.relations":{…}`, with commas between them
}

// AppendClient appends the event as the Client-Server API shows it (ClientEvent, or ClientEventWithoutRoomID).
// Nothing is encoded anew: the content is copied out of the event's JSON.
//
// A redaction names its target both beside the content and in it, whatever its room version, as Room Version
// 11, "Moving the redacts property", asks for the sake of older and newer clients.
func (e *Event) AppendClient(dst []byte, f ClientFormat) []byte {
	dst = append(dst, `{"content":`...)
	dst = e.appendClientContent(dst, f.Redacted)
	dst = append(dst, `,"event_id":`...)
	dst = AppendString(dst, e.ID)
	dst = append(dst, `,"origin_server_ts":`...)
	dst = strconv.AppendInt(dst, e.OriginServerTS, 10)
	if e.Redacts != "" && !(f.Redacted && e.Version.Older()) {
		dst = append(dst, `,"redacts":`...)
		dst = AppendString(dst, e.Redacts)
	}
	if !f.OmitRoomID {
		dst = append(dst, `,"room_id":`...)
		dst = AppendString(dst, e.RoomID)
	}
	dst = append(dst, `,"sender":`...)
	dst = AppendString(dst, e.Sender)
	if e.StateKey != nil {
		dst = append(dst, `,"state_key":`...)
		dst = AppendString(dst, *e.StateKey)
	}
	dst = append(dst, `,"type":`...)
	dst = AppendString(dst, e.Type)
	dst = f.appendUnsigned(dst)
	return append(dst, '}')
}

func (e *Event) appendClientContent(dst []byte, redacted bool) []byte {
	switch {
	case redacted:
		return appendRedactedContent(dst, e.Version, e.Type, e.Content)
	case e.Redacts != "" && e.Version.Older():
		return append(dst, with(e.Content, "redacts", AppendString(nil, e.Redacts))...)
	}
	return append(dst, e.Content...)
}

func (f *ClientFormat) appendUnsigned(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, `,"unsigned":{`...)
	empty := len(dst)
	if f.Age != nil {
		dst = strconv.AppendInt(append(dst, `"age":`...), *f.Age, 10)
		dst = append(dst, ',')
	}
	if f.Membership != "" {
		dst = AppendString(append(dst, `"membership":`...), f.Membership)
		dst = append(dst, ',')
	}
	if f.Position >= 0 {
		dst = strconv.AppendInt(append(dst, `"org.despatch.position":`...), f.Position, 10)
		dst = append(dst, ',')
	}
	if f.PrevContent != nil {
		dst = append(append(dst, `"prev_content":`...), f.PrevContent...)
		dst = append(dst, ',')
	}
	if f.RedactedBecause != nil {
		dst = append(append(dst, `"redacted_because":`...), f.RedactedBecause...)
		dst = append(dst, ',')
	}
	if f.ReplacesState != "" {
		dst = AppendString(append(dst, `"replaces_state":`...), f.ReplacesState)
		dst = append(dst, ',')
	}
	if f.TransactionID != "" {
		dst = AppendString(append(dst, `"transaction_id":`...), f.TransactionID)
		dst = append(dst, ',')
	}
	if len(f.Extra) > 0 {
		dst = append(append(dst, f.Extra...), ',')
	}
	if len(dst) == empty {
		return dst[:start]
	}
	dst[len(dst)-1] = '}'
	return dst
}

// AppendStripped appends a state event as people are shown it who are not in the room (Client-Server API,
// "Stripped state"): content, sender, state_key and type.
func (e *Event) AppendStripped(dst []byte) []byte {
	dst = append(append(dst, `{"content":`...), e.Content...)
	dst = AppendString(append(dst, `,"sender":`...), e.Sender)
	if e.StateKey != nil {
		dst = AppendString(append(dst, `,"state_key":`...), *e.StateKey)
	}
	dst = AppendString(append(dst, `,"type":`...), e.Type)
	return append(dst, '}')
}

// String names the event in logs: its type and ID, nothing of what it says.
func (e *Event) String() string { return fmt.Sprintf("%s %s", e.Type, e.ID) }
