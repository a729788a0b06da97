// Package tally keeps the books that every parser owes: which files there were and what became of
// them, who wrote how much in which conversation, from when to when, and that every record in a file
// is an item, a system line, or left aside for a reason.
package tally

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"despatch/internal/capture"
)

// Bounds of what is listed of a run.
const (
	maxPeople = 20_000 // participants of one conversation
	maxChats  = 200_000
)

// Book is the account of one run while it is being made.
type Book struct {
	Run    *capture.ParseRun
	Export *Export

	ctx   context.Context
	emit  func(*capture.Observation) error
	chats []*Chat
	seen  map[[32]byte]string // files that were read, by their hash
}

// New returns the books of a run of the parser. Unit is what is counted: records or lines.
func New(ctx context.Context, p capture.Parser, system, unit string, filtered []string, emit func(*capture.Observation) error) *Book {
	run := capture.NewRun(capture.StatusUnreadable)
	run.Parser, run.Version, run.System = p.Name(), p.Version(), system
	run.Coverage.FilteredKinds = append([]string{}, filtered...)
	run.Reconciliation = capture.Reconciliation{Unit: unit, Skipped: []capture.Skip{}}
	return &Book{Run: run, ctx: ctx, emit: emit, seen: map[[32]byte]string{}}
}

// Close ends the run: it lists the participants and balances the books. Err is what ended it, or nil.
func (b *Book) Close(err error) (*capture.ParseRun, error) {
	for _, c := range b.chats {
		c.close()
	}
	if f := (*capture.FileError)(nil); errors.As(err, &f) && b.Run.Coverage.Bytes > 0 {
		b.Skip("damaged", f.Reason) // what cannot be read counts as one more record
	}
	if b.Export != nil {
		b.Run.Coverage.Members = b.Export.account()
	}
	b.Run.Reconciliation.Balance()
	if err == nil {
		b.Run.Status = capture.StatusRead
		if len(b.Run.Questions) > 0 {
			b.Run.Status = capture.StatusNeedsAnswer
		}
	}
	return b.Run, err
}

// Read opens a member for its messages, counts it as a chat, and hands it to read. Read returns how
// many of the member's bytes it has accounted for. If the member is damaged and there are others, what
// could be read of it stands, the rest is left aside with its reason, and the run goes on.
func (b *Book) Read(m *capture.Member, read func(r *Input) (int64, error)) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	b.Export.Chat(m)
	r, err := m.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	b.Run.Coverage.Bytes += m.Size
	n, err := read(&Input{r: r, ctx: b.ctx})
	if f := (*capture.FileError)(nil); errors.As(err, &f) && len(b.Export.chats) > 1 {
		// The other files are read all the same.
		b.Run.Coverage.BytesCovered += m.Size
		b.Skip("damaged", f.Reason)
		b.Warn("damaged_file", f.Error())
		return nil
	}
	b.Run.Coverage.BytesCovered += min(n, m.Size)
	return err
}

// Input is a member's bytes. Reading ends with the run.
type Input struct {
	r interface {
		Read([]byte) (int, error)
	}
	ctx context.Context
}

func (i *Input) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// Again says whether a file with the same bytes was read before in this run, and leaves it aside if so.
func (b *Book) Again(m *capture.Member) (bool, error) {
	sum, err := m.Hash(b.ctx)
	if err != nil {
		return false, err
	}
	if first, again := b.seen[sum]; again {
		b.Export.Aside(m, "same_file_twice")
		b.Run.Warn(capture.Warning{Code: "same_file_twice", Detail: fmt.Sprintf("“%s” is the same file as “%s” and was read once.", m.Label(), first)})
		return true, nil
	}
	b.seen[sum] = m.Label()
	return false, nil
}

// Skip counts a record that is left aside for a reason.
func (b *Book) Skip(reason, detail string) {
	b.Run.Reconciliation.InFile++
	b.Run.Reconciliation.Skipped = capture.AddSkip(b.Run.Reconciliation.Skipped, reason, 1, Sample(detail))
}

// Decide adds to a decision of the file, or makes it.
func (b *Book) Decide(about, value, rule string, support, conflicts int64) {
	for i := range b.Run.Decisions {
		if d := &b.Run.Decisions[i]; d.About == about && d.Value == value && d.Rule == rule {
			d.Support += support
			d.Conflicts += conflicts
			return
		}
	}
	b.Run.Decide(capture.Decision{About: about, Value: value, Rule: rule, Support: support, Conflicts: conflicts, By: "file"})
}

// Warn adds a warning once, and counts it after that.
func (b *Book) Warn(code, detail string) {
	for i := range b.Run.Warnings {
		if w := &b.Run.Warnings[i]; w.Code == code && w.Detail == detail {
			w.Count = max(w.Count, 1) + 1
			return
		}
	}
	b.Run.Warn(capture.Warning{Code: code, Detail: detail})
}

// Chat is one conversation of the run.
type Chat struct {
	book    *Book
	index   int
	ordinal int64
	self    string // the participant whose copy it is
	people  map[string]*person
	names   map[string]string // of people by their ids
	other   int64             // people beyond maxPeople
}

type person struct {
	capture.Participant
	id    string
	order int
}

// Chat opens a conversation. Its participants are listed when the book is closed.
func (b *Book) Chat(c capture.Conversation) (*Chat, error) {
	if len(b.chats) >= maxChats {
		return nil, fmt.Errorf("more than %d conversations", maxChats)
	}
	c.Participants = []capture.Participant{}
	c.Title = Name(c.Title)
	chat := &Chat{book: b, index: len(b.chats), people: map[string]*person{}, names: map[string]string{}}
	b.Run.Conversations = append(b.Run.Conversations, c)
	b.chats = append(b.chats, chat)
	return chat, nil
}

// Conversation returns the conversation as it will be listed.
func (c *Chat) Conversation() *capture.Conversation { return &c.book.Run.Conversations[c.index] }

// Size returns how many messages the conversation has so far.
func (c *Chat) Size() int64 { return c.ordinal }

// Self says whose copy the conversation is.
func (c *Chat) Self(name string) {
	c.self = name
	c.Conversation().Viewpoint = name
}

// Person returns the name of somebody who is known by an id and perhaps by a name, and lists them. Two
// people of one name are told apart by their ids.
func (c *Chat) Person(name, sort, id string) string {
	name = Name(name)
	if id == "" {
		if name != "" {
			c.meet(name, "")
		}
		return name
	}
	if known, ok := c.names[id]; ok && (name == "" || known != Name(id)) {
		return known
	}
	full := name
	if full == "" {
		full = Name(id)
	}
	if p := c.people[full]; p != nil && p.id != "" && p.id != id {
		full += " (" + Name(id) + ")"
	}
	p := c.meet(full, id)
	if p == nil {
		return full
	}
	c.names[id] = full
	if p.id == "" {
		p.id = id
	}
	p.Identifiers = append(p.Identifiers, capture.Identifier{Type: sort, Value: strings.ToValidUTF8(id, "\uFFFD")})
	return full
}

// Also notes another identifier of a participant.
func (c *Chat) Also(name, sort, value string) {
	if p := c.people[name]; p != nil && value != "" && len(p.Identifiers) < 8 {
		for _, i := range p.Identifiers {
			if i.Type == sort && i.Value == value {
				return
			}
		}
		p.Identifiers = append(p.Identifiers, capture.Identifier{Type: sort, Value: strings.ToValidUTF8(value, "\uFFFD")})
	}
}

func (c *Chat) meet(name, id string) *person {
	p := c.people[name]
	if p == nil {
		if len(c.people) >= maxPeople {
			c.other++
			return nil
		}
		p = &person{Participant: capture.Participant{Name: name, IsSelf: capture.Unknown}, id: id, order: len(c.people)}
		c.people[name] = p
	}
	return p
}

// Item hands out a message, which is an item, or a system line if its kind says so.
func (c *Chat) Item(o *capture.Observation) error {
	b := c.book
	o.Conversation, o.Ordinal = c.index, c.ordinal
	c.ordinal++
	b.Run.Reconciliation.InFile++
	if o.Kind == capture.KindSystem {
		b.Run.Reconciliation.System++
		o.Sender = ""
	} else {
		b.Run.Reconciliation.Items++
		b.Run.Coverage.Messages++
		if o.Sender != "" {
			if p := c.meet(o.Sender, ""); p != nil {
				p.Messages++
			}
		}
	}
	at := o.Sent
	if f := b.Run.Coverage.First; f == nil || at.Min < f.Min {
		b.Run.Coverage.First = &at
	}
	if l := b.Run.Coverage.Last; l == nil || at.Max > l.Max {
		b.Run.Coverage.Last = &at
	}
	if c.ordinal&0xFFF == 0 {
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	return b.emit(o)
}

// close lists the participants, who wrote most first.
func (c *Chat) close() {
	list := make([]*person, 0, len(c.people))
	for _, p := range c.people {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Messages != list[j].Messages {
			return list[i].Messages > list[j].Messages
		}
		return list[i].order < list[j].order
	})
	v := c.Conversation()
	for _, p := range list {
		if c.self != "" {
			p.IsSelf = capture.No
			if p.Name == c.self {
				p.IsSelf = capture.Yes
			}
		}
		v.Participants = append(v.Participants, p.Participant)
	}
	if c.other > 0 {
		c.book.Warn("too_many_senders", "More people wrote than can be listed. The messages are all there.")
	}
}

// Observation returns a message that was read from some bytes of a member, with its id.
func Observation(m *capture.Member, raw []byte, start, end, line, lines int64, sub int) *capture.Observation {
	sum := sha256.Sum256(raw)
	return &capture.Observation{
		ID: capture.ObservationID(m.File.SHA256, m.Path, start, end, sub), Kind: capture.KindText,
		Origin: capture.Origin{FileSHA256: hex.EncodeToString(m.File.SHA256[:]), Path: m.Path, ByteStart: start, ByteEnd: end,
			Line: line, Lines: lines, RawSHA256: hex.EncodeToString(sum[:])},
		Attachments: []capture.Attachment{}, Reactions: []capture.Reaction{}, Edits: []capture.Edit{}, Quality: []capture.Warning{},
	}
}

// Name returns a name as it can be shown and stored: without invisible and control characters.
func Name(s string) string {
	if len(s) > 2000 {
		s = s[:2000]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r), r == '\u200E', r == '\u200F', r == '\u061C', r == '\uFEFF', r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, s))
}

// Sample returns the beginning of a text, to show which one is meant.
func Sample(s string) string {
	s = Name(s)
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// Class returns what sort of file something is, from its media type or its name.
func Class(mediaType, name string) string {
	switch t, _, _ := strings.Cut(mediaType, "/"); t {
	case "image", "video", "audio":
		if mediaType == "image/gif" {
			return "gif"
		}
		return t
	case "":
	default:
		return "document"
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".webp", ".heic", ".bmp", ".tif", ".tiff":
		return "image"
	case ".gif":
		return "gif"
	case ".mp4", ".mov", ".webm", ".mkv", ".avi", ".3gp", ".m4v":
		return "video"
	case ".mp3", ".m4a", ".ogg", ".oga", ".opus", ".wav", ".aac", ".amr":
		return "audio"
	case ".vcf":
		return "contact"
	}
	return "document"
}

// Other returns the one participant besides the one of a name, in a conversation of two; else nobody.
func (c *Chat) Other(name string) string {
	if len(c.people) != 2 || c.people[name] == nil {
		return ""
	}
	for other := range c.people {
		if other != name {
			return other
		}
	}
	return ""
}
