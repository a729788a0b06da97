package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"despatch/internal/matrix"
	"despatch/internal/record"
)

func validText(b []byte) bool { return utf8.Valid(b) }

// Derive reads what an item says from the recorded bodies of its entries, its own first. It is how disclosure makes a
// released item and how the verifier checks one: what it gives depends on nothing but the bodies and their entries.
//
// The room version is needed for messages of Despatch itself: with it their ids are computed, and an edit, a reaction
// or a deletion is accepted only if it names the message it is filed under.
func Derive(parts []Part, version string) (Content, error) {
	if len(parts) == 0 || parts[0].Role != RoleMessage {
		return Content{}, errors.New("the item has no message")
	}
	for i := range parts {
		if parts[i].Body == nil {
			return Content{}, fmt.Errorf("the body of position %d is not there", parts[i].Position)
		}
	}
	switch k := parts[0].Entry.Kind; k {
	case record.KindEvent:
		return deriveEvent(parts, matrix.RoomVersion(version))
	case record.KindObservation:
		return deriveObservation(parts)
	default:
		return Content{}, fmt.Errorf("an entry of kind %s is not a message", k)
	}
}

func deriveEvent(parts []Part, v matrix.RoomVersion) (Content, error) {
	var c Content
	main, err := matrix.Parse(v, parts[0].Body)
	if err != nil {
		return c, err
	}
	c.ID = string(main.ID)
	c.Sender = string(main.Sender)
	c.Sent = FormatTime(main.OriginServerTS)
	message(&c, main)
	edits := make(map[string]int)
	reactions := make(map[string]int)
	for i := 1; i < len(parts); i++ {
		p := &parts[i]
		if p.Role == RoleMedia {
			if p.Entry.Kind != record.KindMedia || !mediaHash(&c, main, p.Body) {
				return c, fmt.Errorf("position %d is no file of this message", p.Position)
			}
			continue
		}
		e, err := matrix.Parse(v, p.Body)
		if err != nil {
			return c, err
		}
		if e.RoomID != main.RoomID {
			return c, fmt.Errorf("position %d is of another conversation", p.Position)
		}
		target, _ := matrix.LookupString(e.Content, "m.relates_to", "event_id")
		switch {
		case p.Role == RoleEdit && target == c.ID && relType(e) == "m.replace" && e.Sender == main.Sender:
			text, _ := matrix.LookupString(e.Content, "m.new_content", "body")
			edits[string(e.ID)] = len(c.Edits)
			c.Edits = append(c.Edits, Edit{Position: p.Position, Recorded: FormatTime(p.Entry.Time), Text: text})
		case p.Role == RoleReaction && target == c.ID && relType(e) == "m.annotation":
			value, _ := matrix.LookupString(e.Content, "m.relates_to", "key")
			reactions[string(e.ID)] = len(c.Reactions)
			c.Reactions = append(c.Reactions, Reaction{Position: p.Position, By: string(e.Sender), Value: value})
		case p.Role == RoleRedaction && e.Type == matrix.TypeRedaction:
			if !deleted(&c, p, e, edits, reactions) {
				return c, fmt.Errorf("position %d deletes another message", p.Position)
			}
		default:
			return c, fmt.Errorf("position %d is no %s of this message", p.Position, p.Role)
		}
	}
	return c, nil
}

func relType(e *matrix.Event) string {
	s, _ := matrix.LookupString(e.Content, "m.relates_to", "rel_type")
	return s
}

// deleted notes a redaction of the message itself, of one of its edits or of a reaction.
func deleted(c *Content, p *Part, e *matrix.Event, edits, reactions map[string]int) bool {
	if i, ok := reactions[string(e.Redacts)]; ok {
		c.Reactions[i].Removed = true
		return true
	}
	_, ok := edits[string(e.Redacts)]
	if !ok && string(e.Redacts) != c.ID {
		return false
	}
	if c.Deleted == nil {
		reason, _ := matrix.LookupString(e.Content, "reason")
		c.Deleted = &Deletion{Position: p.Position, Recorded: FormatTime(p.Entry.Time), By: string(e.Sender), Reason: reason}
	}
	return true
}

// message reads type, text and attachment of a message, or puts into words what else an event says.
func message(c *Content, e *matrix.Event) {
	lookup := func(path ...string) string { s, _ := matrix.LookupString(e.Content, path...); return s }
	body := lookup("body")
	c.ReplyTo = lookup("m.relates_to", "m.in_reply_to", "event_id")
	switch e.Type {
	case "m.room.message", "m.sticker":
		c.Type = lookup("msgtype")
		if e.Type == "m.sticker" {
			c.Type = e.Type
		}
		if mediaURI(e) == "" {
			c.Text = body
			return
		}
		name := lookup("filename")
		switch {
		case name == "":
			name = body
		case name != body:
			c.Text = body
		}
		size, _ := matrix.Int(matrix.Lookup(e.Content, "info", "size"))
		c.Attachments = []Attachment{{Name: name, Type: lookup("info", "mimetype"), Size: size, State: "not disclosed"}}
	case matrix.TypeMember:
		c.Type, c.Text = e.Type, "membership of "+stateKey(e)+": "+e.Membership()
	case "m.room.name":
		c.Type, c.Text = e.Type, "conversation named: "+lookup("name")
	case "m.room.topic":
		c.Type, c.Text = e.Type, "topic: "+lookup("topic")
	default:
		c.Type, c.Text = e.Type, body
	}
}

func stateKey(e *matrix.Event) string {
	if e.StateKey == nil {
		return ""
	}
	return *e.StateKey
}

// mediaHash takes hash and size of an attached file from the entry of its upload. It must be the upload whose id the
// message names in its mxc URI.
func mediaHash(c *Content, e *matrix.Event, body []byte) bool {
	id, _ := matrix.LookupString(body, "id")
	sum, _ := matrix.LookupString(body, "sha256")
	uri := mediaURI(e)
	if id == "" || len(sum) != 64 || len(c.Attachments) != 1 || uri[strings.LastIndexByte(uri, '/')+1:] != id {
		return false
	}
	c.Attachments[0].SHA256 = sum
	c.Attachments[0].Size, _ = matrix.Int(matrix.Lookup(body, "size"))
	return true
}

func mediaURI(e *matrix.Event) string {
	uri, ok := matrix.LookupString(e.Content, "url")
	if !ok {
		uri, _ = matrix.LookupString(e.Content, "file", "url")
	}
	return uri
}

// observation is what is read of a captured message; package capture has the whole.
type observation struct {
	ID     string  `json:"id"`
	Kind   string  `json:"kind"`
	Sender string  `json:"sender"`
	Sent   instant `json:"sent"`
	Body   string  `json:"body"`
	Text   string  `json:"text"`

	Attachments []struct {
		Name     string `json:"name"`
		Class    string `json:"class"`
		Presence string `json:"presence"`
		Size     int64  `json:"size"`
		SHA256   string `json:"sha256"`
	} `json:"attachments"`
	ReplyTo *struct {
		NativeID   string `json:"native_id"`
		QuotedText string `json:"quoted_text"`
	} `json:"reply_to"`
	Reactions []struct {
		Value string `json:"value"`
		Actor string `json:"actor"`
	} `json:"reactions"`
	Edits []struct {
		Body string  `json:"body"`
		At   instant `json:"at"`
	} `json:"edits"`
	State struct {
		Deleted   bool   `json:"deleted"`
		DeletedBy string `json:"deleted_by"`
	} `json:"state"`
}

type instant struct {
	Raw   string `json:"raw"`
	Local string `json:"local"`
	Min   int64  `json:"min_ms"`
	Max   int64  `json:"max_ms"`
	Zone  string `json:"zone_basis"`
}

// String writes an instant as exactly as it is known, and no more.
func (t *instant) String() string {
	switch {
	case t.Zone != "unknown" && t.Zone != "" && t.Max-t.Min < 1000:
		return FormatTime(t.Min)
	case t.Zone != "unknown" && t.Zone != "" && t.Max-t.Min < 60_000:
		return FormatTime(t.Min)[:len("2006-01-02T15:04")] + "Z"
	case t.Local != "":
		return t.Local + " (time zone not known)"
	case t.Raw != "":
		return t.Raw + " (as written)"
	}
	return ""
}

func deriveObservation(parts []Part) (Content, error) {
	var o observation
	if err := json.Unmarshal(parts[0].Body, &o); err != nil {
		return Content{}, fmt.Errorf("read the captured message: %w", err)
	}
	if len(parts) > 1 {
		return Content{}, fmt.Errorf("position %d does not belong to a captured message", parts[1].Position)
	}
	if o.ID == "" {
		return Content{}, errors.New("the captured message has no id")
	}
	p := &parts[0]
	c := Content{ID: o.ID, Type: o.Kind, Sent: o.Sent.String(), Sender: o.Sender, Text: o.Text}
	if c.Text == "" {
		c.Text = o.Body
	}
	if o.ReplyTo != nil {
		c.ReplyTo = o.ReplyTo.NativeID
		if c.ReplyTo == "" {
			c.ReplyTo = o.ReplyTo.QuotedText
		}
	}
	// The source gives earlier versions and the last one; an item begins with the first.
	for i := range o.Edits {
		next := Edit{Position: p.Position, Text: c.Text}
		if i+1 < len(o.Edits) {
			next = Edit{Position: p.Position, Recorded: o.Edits[i+1].At.String(), Text: o.Edits[i+1].Body}
		}
		c.Edits = append(c.Edits, next)
	}
	if len(o.Edits) > 0 {
		c.Text = o.Edits[0].Body
	}
	for _, r := range o.Reactions {
		c.Reactions = append(c.Reactions, Reaction{Position: p.Position, By: r.Actor, Value: r.Value})
	}
	if o.State.Deleted {
		c.Deleted = &Deletion{Position: p.Position, Recorded: FormatTime(p.Entry.Time), By: o.State.DeletedBy}
	}
	for i, a := range o.Attachments {
		name := a.Name
		if name == "" {
			name = a.Class + " " + strconv.Itoa(i+1)
		}
		state := "not disclosed"
		if a.Presence != "present" {
			state = "not in the export"
		}
		c.Attachments = append(c.Attachments, Attachment{Name: name, Size: a.Size, SHA256: a.SHA256, State: state})
	}
	return c, nil
}

// same compares what an item says with what was derived from its bodies. What cannot be derived is taken from the
// item and so is attested only: the sender's name, which attachments are disclosed as which files, and what the bodies
// do not say of an attachment.
func (c *Content) same(derived *Content) bool {
	d := c.adopt(derived)
	a, b := object{append(make([]byte, 0, 1024), '{')}, object{append(make([]byte, 0, 1024), '{')}
	c.append(&a)
	d.append(&b)
	return string(a.b) == string(b.b)
}

// adopt returns what was derived, with what cannot be derived taken from c.
func (c *Content) adopt(derived *Content) Content {
	d := *derived
	d.SenderName = c.SenderName
	if len(c.Attachments) == len(d.Attachments) {
		d.Attachments = append([]Attachment(nil), d.Attachments...)
		for i := range d.Attachments {
			has, want := &c.Attachments[i], &d.Attachments[i]
			want.File, want.State = has.File, has.State
			if want.Type == "" {
				want.Type = has.Type
			}
			if want.Size == 0 {
				want.Size = has.Size
			}
			if want.SHA256 == "" || has.SHA256 == "" && has.File == "" {
				want.SHA256 = has.SHA256
			}
		}
	}
	return d
}
