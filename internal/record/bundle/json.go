package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"despatch/internal/matrix"
	"despatch/internal/record"
)

// items.json has one form: every line is written here, and a line that is not what its own content gives when written
// again is refused. So nothing can hide in it that a reader of JSON would see and the verifier would not.
//
//	{"format":"despatch bundle 1","header":{…},"conversations":[
//	{"conversation":{…},"items":[
//	{…},
//	{…}
//	]},
//	{"conversation":{…},"items":[
//	]}
//	]}

// object writes the members of a JSON object one after the other.
type object struct{ b []byte }

func (o *object) name(n string) {
	if c := o.b[len(o.b)-1]; c != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, n...)
	o.b = append(o.b, '"', ':')
}

func (o *object) string(n, v string) {
	o.name(n)
	o.b = matrix.AppendString(o.b, v)
}

func (o *object) opt(n, v string) {
	if v != "" {
		o.string(n, v)
	}
}

func (o *object) int(n string, v int64) {
	o.name(n)
	o.b = strconv.AppendInt(o.b, v, 10)
}

func (o *object) uint(n string, v uint64) {
	o.name(n)
	o.b = strconv.AppendUint(o.b, v, 10)
}

func (o *object) bool(n string, v bool) {
	o.name(n)
	o.b = strconv.AppendBool(o.b, v)
}

func (o *object) optInt(n string, v int64) {
	if v != 0 {
		o.int(n, v)
	}
}

// list writes an array of objects, unless it is empty.
func list[T any](o *object, n string, vs []T, each func(*object, *T)) {
	if len(vs) == 0 {
		return
	}
	o.name(n)
	for i := range vs {
		if i == 0 {
			o.b = append(o.b, '[')
		} else {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, '{')
		each(o, &vs[i])
		o.b = append(o.b, '}')
	}
	o.b = append(o.b, ']')
}

func (h *Header) append(dst []byte, sealed bool) []byte {
	o := object{append(dst, '{')}
	o.string("bundle", h.Bundle)
	o.string("reference", h.Reference)
	o.string("title", h.Title)
	o.string("regime", h.Regime)
	o.string("department", h.Department)
	o.string("made", h.Made)
	o.string("origin", h.Origin)
	o.int("size", h.Size)
	o.name("totals")
	o.b = append(o.b, '{')
	o.int("items", int64(h.Totals.Items))
	o.int("released", int64(h.Totals.Released))
	o.int("redacted", int64(h.Totals.Redacted))
	o.int("withheld", int64(h.Totals.Withheld))
	o.b = append(o.b, '}')
	if sealed {
		o.string("seal", h.Seal)
	}
	return append(o.b, '}')
}

func (c *Conversation) append(dst []byte, sealed bool) []byte {
	o := object{append(dst, '{')}
	o.int("number", int64(c.Number))
	o.string("scope", c.Scope)
	o.string("salt", c.Salt)
	o.string("title", c.Title)
	o.string("system", c.System)
	o.opt("room_version", c.RoomVersion)
	o.bool("complete", c.Complete)
	o.uint("from", c.From)
	o.uint("to", c.To)
	o.opt("period", c.Period)
	if sealed {
		o.string("seal", c.Seal)
	}
	return append(o.b, '}')
}

func (it *Item) append(dst []byte, sealed bool) []byte {
	o := object{append(dst, '{')}
	o.int("number", int64(it.Number))
	o.string("status", string(it.Status))
	o.int("position", it.Position)
	o.uint("sequence", it.Sequence)
	o.string("recorded", it.Recorded)
	o.name("entries")
	o.b = append(o.b, '[')
	for i, p := range it.Entries {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = strconv.AppendInt(o.b, p, 10)
	}
	o.b = append(o.b, ']')
	it.Content.append(&o)
	o.optInt("redactions", int64(it.Redactions))
	list(&o, "reasons", it.Reasons, func(o *object, r *Reason) {
		o.string("code", r.Code)
		o.string("name", r.Name)
		o.opt("test", r.Test)
	})
	o.opt("note", it.Note)
	if sealed {
		o.string("seal", it.Seal)
	}
	return append(o.b, '}')
}

func (c *Content) append(o *object) {
	o.opt("id", c.ID)
	o.opt("type", c.Type)
	o.opt("sent", c.Sent)
	o.opt("sender", c.Sender)
	o.opt("sender_name", c.SenderName)
	o.opt("reply_to", c.ReplyTo)
	o.opt("text", c.Text)
	list(o, "edits", c.Edits, func(o *object, e *Edit) {
		o.int("position", e.Position)
		o.string("recorded", e.Recorded)
		o.string("text", e.Text)
	})
	if d := c.Deleted; d != nil {
		o.name("deleted")
		o.b = append(o.b, '{')
		o.int("position", d.Position)
		o.string("recorded", d.Recorded)
		o.string("by", d.By)
		o.opt("reason", d.Reason)
		o.b = append(o.b, '}')
	}
	list(o, "reactions", c.Reactions, func(o *object, r *Reaction) {
		o.int("position", r.Position)
		o.string("by", r.By)
		o.string("value", r.Value)
		if r.Removed {
			o.bool("removed", true)
		}
	})
	list(o, "attachments", c.Attachments, func(o *object, a *Attachment) {
		o.string("name", a.Name)
		o.opt("type", a.Type)
		o.optInt("size", a.Size)
		o.opt("sha256", a.SHA256)
		o.opt("file", a.File)
		o.opt("state", a.State)
	})
}

var errForm = errors.New("not in the form in which it was written")

// parseLine decodes a line into v and checks that v, written again, is the line.
func parseLine[T any](line []byte, v *T, write func(*T) []byte) error {
	if err := json.Unmarshal(line, v); err != nil {
		return err
	}
	if !bytes.Equal(write(v), line) {
		return errForm
	}
	return nil
}

// parseItem reads an item's line. It is written by hand because it is most of what checking a large bundle costs; what
// it reads wrongly, it writes otherwise and so refuses.
//
// Scratch is overwritten and returned for the next call.
func parseItem(line, scratch []byte) (*Item, []byte, error) {
	it := new(Item)
	matrix.Members(line, func(name string, value []byte) bool {
		switch name {
		case "number":
			it.Number = int(number(value))
		case "status":
			it.Status = Status(text(value))
		case "position":
			it.Position = number(value)
		case "sequence":
			it.Sequence, _ = strconv.ParseUint(string(value), 10, 64)
		case "recorded":
			it.Recorded = text(value)
		case "entries":
			matrix.Elements(value, func(v []byte) bool {
				it.Entries = append(it.Entries, number(v))
				return true
			})
		case "redactions":
			it.Redactions = int(number(value))
		case "reasons":
			elements(value, &it.Reasons, func(r *Reason, name string, v []byte) {
				switch name {
				case "code":
					r.Code = text(v)
				case "name":
					r.Name = text(v)
				case "test":
					r.Test = text(v)
				}
			})
		case "note":
			it.Note = text(value)
		case "seal":
			it.Seal = text(value)
		default:
			it.Content.member(name, value)
		}
		return true
	})
	scratch = it.append(scratch[:0], true)
	if !bytes.Equal(scratch, line) {
		return it, scratch, errForm
	}
	return it, scratch, nil
}

func text(value []byte) string  { s, _ := matrix.String(value); return s }
func number(value []byte) int64 { n, _ := matrix.Int(value); return n }

// elements reads an array of objects, calling member for each of their members.
func elements[T any](value []byte, list *[]T, member func(*T, string, []byte)) {
	matrix.Elements(value, func(v []byte) bool {
		var x T
		matrix.Members(v, func(name string, value []byte) bool { member(&x, name, value); return true })
		*list = append(*list, x)
		return true
	})
}

// member reads one member of an item's content.
func (c *Content) member(name string, value []byte) {
	switch name {
	case "id":
		c.ID = text(value)
	case "type":
		c.Type = text(value)
	case "sent":
		c.Sent = text(value)
	case "sender":
		c.Sender = text(value)
	case "sender_name":
		c.SenderName = text(value)
	case "reply_to":
		c.ReplyTo = text(value)
	case "text":
		c.Text = text(value)
	case "edits":
		elements(value, &c.Edits, func(e *Edit, name string, v []byte) {
			switch name {
			case "position":
				e.Position = number(v)
			case "recorded":
				e.Recorded = text(v)
			case "text":
				e.Text = text(v)
			}
		})
	case "deleted":
		c.Deleted = new(Deletion)
		matrix.Members(value, func(name string, v []byte) bool {
			switch name {
			case "position":
				c.Deleted.Position = number(v)
			case "recorded":
				c.Deleted.Recorded = text(v)
			case "by":
				c.Deleted.By = text(v)
			case "reason":
				c.Deleted.Reason = text(v)
			}
			return true
		})
	case "reactions":
		elements(value, &c.Reactions, func(r *Reaction, name string, v []byte) {
			switch name {
			case "position":
				r.Position = number(v)
			case "by":
				r.By = text(v)
			case "value":
				r.Value = text(v)
			case "removed":
				r.Removed = string(v) == "true"
			}
		})
	case "attachments":
		elements(value, &c.Attachments, func(a *Attachment, name string, v []byte) {
			switch name {
			case "name":
				a.Name = text(v)
			case "type":
				a.Type = text(v)
			case "size":
				a.Size = number(v)
			case "sha256":
				a.SHA256 = text(v)
			case "file":
				a.File = text(v)
			case "state":
				a.State = text(v)
			}
		})
	}
}

// A line of proof/entries.jsonl, which has one form too:
//
//	{"position":5,"conversation":1,"item":1,"role":"message","entry":"base64","salt":"base64","body":"…"}
//
// The body is a JSON string of the recorded bytes, so that it can be read; body64 stands for it where those are not
// UTF-8.
type entryLine struct {
	Part
	Conversation int // 0 if the entry's scope is not disclosed
	Item         int // 0 for context

	err  error  // why the line could not be read
	text []byte // the line, where it is kept
}

func (l *entryLine) append(dst []byte) []byte {
	o := object{append(dst, '{')}
	o.int("position", l.Position)
	o.int("conversation", int64(l.Conversation))
	o.int("item", int64(l.Item))
	o.string("role", string(l.Role))
	o.name("entry")
	var buf [record.EntrySize]byte
	o.base64(l.Entry.Append(buf[:0]))
	if l.Salt != nil {
		o.name("salt")
		o.base64(l.Salt[:])
		if validText(l.Body) {
			o.string("body", string(l.Body))
		} else {
			o.name("body64")
			o.base64(l.Body)
		}
	}
	return append(o.b, '}')
}

func (o *object) base64(b []byte) {
	o.b = append(o.b, '"')
	o.b = base64.StdEncoding.AppendEncode(o.b, b)
	o.b = append(o.b, '"')
}

func parseEntryLine(line, scratch []byte) (*entryLine, []byte, error) {
	l := new(entryLine)
	var bad error
	var body, body64 bool
	matrix.Members(line, func(name string, value []byte) bool {
		var n int64
		var s string
		ok := true
		switch name {
		case "position":
			l.Position, ok = matrix.Int(value)
		case "conversation":
			n, ok = matrix.Int(value)
			l.Conversation = int(n)
		case "item":
			n, ok = matrix.Int(value)
			l.Item = int(n)
		case "role":
			s, ok = matrix.String(value)
			l.Role = Role(s)
		case "entry":
			var b []byte
			if b, bad = decodeBase64(value); bad == nil {
				l.Entry, bad = record.ParseEntry(b)
			}
		case "salt":
			var b []byte
			if b, bad = decodeBase64(value); bad == nil {
				if ok = len(b) == 32; ok {
					l.Salt = (*[32]byte)(b)
				}
			}
		case "body":
			body = true
			s, ok = matrix.String(value)
			l.Body = []byte(s)
		case "body64":
			body64 = true
			l.Body, bad = decodeBase64(value)
		default:
			ok = false
		}
		if !ok && bad == nil {
			bad = fmt.Errorf("unexpected %.40q", name)
		}
		return bad == nil
	})
	if bad != nil {
		return l, scratch, bad
	}
	scratch = l.append(scratch[:0])
	if (l.Salt != nil) != (body != body64) || !bytes.Equal(scratch, line) {
		return l, scratch, errForm
	}
	return l, scratch, nil
}

func decodeBase64(value []byte) ([]byte, error) {
	s, ok := matrix.String(value)
	if !ok {
		return nil, errForm
	}
	return base64.StdEncoding.DecodeString(s)
}
