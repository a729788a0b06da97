package sms

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"despatch/internal/capture"
)

// reading is the second pass over the backups of a source.
type reading struct {
	ctx    context.Context
	run    *capture.ParseRun
	opt    capture.Options
	emit   func(*capture.Observation) error
	limits capture.Limits

	backup  *backup
	people  *people
	self    string // the owner's name in observations
	number  string // the owner's number, or ""
	ordinal int64
	chats   map[string]int // by [chatKey]: place in run.Conversations
	records int64          // in this file
	said    int64          // how many the file says it has, or -1
	mended  capture.Warning
	cut     capture.Warning

	// Of the record that is open.
	sum        hash.Hash
	start      int64
	line       int64
	element    string
	attrs      attributes
	broken     string // why the record cannot be read; "" if it can
	parts      []part
	addrs      []addr
	heldBytes  int64
	damage     damage
	tooMany    bool
	tagScratch attributes
}

// part is one part of a picture message.
type part struct {
	seq        int64
	kind       string // its media type, in small letters
	name       string
	text       string
	hasText    bool
	data       []byte
	hasData    bool
	damaged    bool
	unreadable string
}

// addr is one address of a picture message.
type addr struct{ number, role string }

// Types of addresses: those of the OMA MMS headers, as Android numbers them.
const (
	bccType  = "129"
	ccType   = "130"
	fromType = "137"
	toType   = "151"
)

// file reads one backup.
func (r *reading) file(b *backup) error {
	people, err := r.learn(b)
	if err != nil {
		return err
	}
	r.backup, r.people, r.records, r.said = b, people, 0, -1
	r.mended, r.cut = capture.Warning{}, capture.Warning{}
	r.whose()
	text, err := b.text(r.limits)
	if err != nil {
		return err
	}
	defer text.Close()
	s := newScanner(text, maxTag)
	r.sum = sha256.New()
	err = b.each(r.ctx, s, visitor{
		root: func(t *token) {
			var a attributes
			a.parse(t.raw)
			if n, err := strconv.ParseInt(a.text("count"), 10, 64); err == nil && n >= 0 {
				r.said = n
			}
		},
		begin:  r.begin,
		inside: r.inside,
		end:    r.end,
		sum:    r.sum,
	})
	r.run.Coverage.Bytes += s.off
	r.run.Coverage.BytesCovered += s.off
	if err != nil {
		return err
	}
	if r.mended.Count > 0 {
		r.run.Warn(r.mended)
	}
	if r.cut.Count > 0 {
		r.run.Warn(r.cut)
	}
	if r.said >= 0 && r.said != r.records {
		r.run.Warn(capture.Warning{Code: "count_differs", Count: r.said - r.records,
			Detail: fmt.Sprintf("“%s” says that it has %d records, and has %d. It may have been cut short or edited.", b.member.Label(), r.said, r.records)})
		if r.records < r.said {
			r.run.Coverage.LikelyTruncated = true
		}
	}
	return nil
}

// whose settles whose telephone it was: as declared, or as its own picture messages say.
func (r *reading) whose() {
	number, support, conflicts := r.people.ownNumber()
	number = r.people.number(number)
	r.number, r.self = number, owner
	switch {
	case r.opt.Self != "":
		r.self = clean(r.opt.Self)
		if n := bare(r.self); isNumber(n) {
			r.number, r.self = n, r.people.called(n)
		}
		r.run.Decide(capture.Decision{About: "self", Value: r.self, Rule: "declared", By: "person"})
	case number != "":
		r.self = r.people.called(number)
		r.run.Decide(capture.Decision{About: "self", Value: number, Rule: "sender_of_sent_mms", Support: support, Conflicts: conflicts, By: "file"})
	default:
		r.run.Warn(capture.Warning{Code: "owner_unknown", Detail: "The file does not say whose telephone it was. What was sent from it stands under “" + owner + "”."})
	}
}

// begin begins a record.
func (r *reading) begin(t *token) error {
	r.records++
	r.start, r.line, r.element, r.broken = t.start, t.line, t.name, ""
	r.parts, r.addrs, r.heldBytes, r.damage, r.tooMany = r.parts[:0], r.addrs[:0], 0, damage{}, false
	if t.raw == nil && t.kind != cutToken {
		r.broken = "too_large"
	}
	// The scanner uses its memory again for the tags inside.
	raw := t.raw
	if !t.alone {
		raw = bytes.Clone(raw)
	}
	if !r.attrs.parse(raw) && r.broken == "" {
		r.broken = "malformed"
	}
	if !records[t.name] && r.broken == "" && t.kind != cutToken {
		r.broken = "unknown_element"
	}
	return nil
}

// inside reads the parts and addresses of a picture message.
func (r *reading) inside(t *token) error {
	if t.kind != startToken || t.name != "part" && t.name != "addr" {
		return nil
	}
	if len(r.parts)+len(r.addrs) >= maxParts {
		r.tooMany = true
		return nil
	}
	if t.raw == nil {
		r.parts = append(r.parts, part{seq: int64(len(r.parts)), unreadable: fmt.Sprintf("more than %d MB", maxTag>>20)})
		return nil
	}
	a := &r.tagScratch
	if !a.parse(t.raw) {
		r.parts = append(r.parts, part{seq: int64(len(r.parts)), unreadable: "its tag is damaged"})
		return nil
	}
	if t.name == "addr" {
		role := map[string]string{bccType: "bcc", ccType: "cc", fromType: "from", toType: "to"}[a.text("type")]
		r.addrs = append(r.addrs, addr{r.people.number(a.text("address")), role})
		return nil
	}
	r.parts = append(r.parts, r.part(a))
	return nil
}

func (r *reading) part(a *attributes) part {
	p := part{kind: strings.ToLower(a.text("ct")), seq: int64(len(r.parts))}
	if n, err := strconv.ParseInt(a.text("seq"), 10, 32); err == nil {
		p.seq = n
	}
	for _, key := range []string{"cl", "name", "fn"} {
		if p.name = clean(a.text(key)); p.name != "" {
			break
		}
	}
	if v := a.raw("text"); v != nil {
		var d damage
		p.text, d = unescape(v)
		p.hasText = true
		r.damage.add(d)
	}
	if v := a.raw("data"); v != nil {
		p.hasData = true
		p.data, p.damaged = decode(v)
		if r.heldBytes += int64(len(p.data)); r.heldBytes > maxRecord {
			p.data, p.unreadable = nil, fmt.Sprintf("the attachments of its message are more than %d MB", maxRecord>>20)
		}
	}
	return p
}

func (d *damage) add(other damage) {
	d.halves = d.halves || other.halves
	d.unknown = d.unknown || other.unknown
	d.notText = d.notText || other.notText
	d.control = d.control || other.control
}

// decode decodes base64, which may be folded and may lack its padding. It returns what can be decoded, and
// whether that is not all.
func decode(v []byte) (data []byte, damaged bool) {
	b := make([]byte, 0, len(v))
	for _, c := range v {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '&': // folded with references to line feeds
			s, _ := unescape(v)
			if strings.Contains(s, "&") {
				return nil, true
			}
			return decode([]byte(s))
		default:
			b = append(b, c)
		}
	}
	b = bytes.TrimRight(b, "=")
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(b)))
	n, err := base64.RawStdEncoding.Decode(out, b)
	return out[:n], err != nil
}

// end ends a record and hands it out.
func (r *reading) end(at int64, whole bool) error {
	rows := &r.run.Reconciliation
	rows.InFile++
	if !whole {
		r.broken = "cut_short"
		r.run.Coverage.LikelyTruncated = true
		if r.cut.Count++; r.cut.Count == 1 {
			r.cut = capture.Warning{Code: "cut_short", Line: r.line, Offset: r.start, Count: 1, Detail: "The file ends inside a message, or a message has lost its end. What is left of it is kept with the file."}
		}
	}
	if r.broken != "" {
		rows.Skipped = capture.AddSkip(rows.Skipped, r.broken, 1, fmt.Sprintf("%s at byte %d", r.element, r.start))
		return nil
	}
	m := r.backup.member
	o := &capture.Observation{
		Ordinal: r.ordinal, Kind: capture.KindText,
		Origin: capture.Origin{FileSHA256: hex.EncodeToString(m.File.SHA256[:]), Path: r.backup.path, ByteStart: r.start, ByteEnd: at, Line: r.line, Lines: 1,
			RawSHA256: hex.EncodeToString(r.sum.Sum(nil))},
		Attachments: []capture.Attachment{}, Reactions: []capture.Reaction{}, Edits: []capture.Edit{}, Quality: []capture.Warning{},
	}
	o.ID = capture.ObservationID(m.File.SHA256, r.backup.path, r.start, at, 0)
	switch r.element {
	case "call":
		r.call(o)
	case "mms":
		r.mms(o)
	default:
		r.sms(o)
	}
	r.doubts(o)
	r.ordinal++
	rows.Items++
	cover(&r.run.Coverage, o)
	return r.emit(o)
}

// cover notes a message in the coverage.
func cover(c *capture.Coverage, o *capture.Observation) {
	c.Messages++
	if o.Sent.Precision == "none" {
		return
	}
	at := o.Sent
	if c.First == nil || at.Min < c.First.Min {
		c.First = &at
	}
	if c.Last == nil || at.Max > c.Last.Max {
		c.Last = &at
	}
}

// doubts notes what of the texts could not be read as it was meant.
func (r *reading) doubts(o *capture.Observation) {
	d := r.damage
	if d.halves {
		o.Doubt("half_character", "Half of a character is missing, usually of an emoji. It is shown as \uFFFD.")
	}
	if d.notText {
		o.Doubt("not_text", "Some bytes are no text. They are shown as \uFFFD; the file itself is kept.")
	}
	if d.unknown {
		o.Doubt("unknown_reference", "It holds a reference that XML does not have, which is left as it stands.")
	}
	if d.control {
		o.Doubt("control_character", "It holds characters that are not to be seen and that XML forbids. They are in its body, not in its text.")
	}
	if r.tooMany {
		o.Doubt("too_many_parts", fmt.Sprintf("It has more than %d parts and recipients. The others are kept with the file.", maxParts))
	}
	if d.halves || d.notText || d.unknown {
		if r.mended.Count == 0 {
			r.mended = capture.Warning{Code: "not_text", Line: r.line, Offset: r.start, Detail: "Some characters are damaged in the file. They are shown as \uFFFD or as they stand; the file itself is kept."}
		}
		r.mended.Count++
	}
}

// text reads an attribute as a text that is shown.
func (r *reading) text(name string) string {
	s, d := unescape(r.attrs.raw(name))
	r.damage.add(d)
	return s
}

// visible is a text without the characters that are not to be seen.
func visible(s string) string {
	return strings.Map(func(c rune) rune {
		if c < 0x20 && c != '\n' && c != '\t' && c != '\r' || c == 0x7F {
			return -1
		}
		return c
	}, s)
}

// millis reads a time: milliseconds since 1970, or seconds, which are much smaller. Nothing before 1973 is
// a text message.
func millis(raw string) (ms int64, precision string, ok bool) {
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n <= 0 || n > 253402300799999 {
		return 0, "", false
	}
	if n < 100_000_000_000 {
		return n * 1000, "s", true
	}
	return n, "ms", true
}

// times sets when a record was sent and received. Of a received one, date is when the telephone had it,
// and date_sent when the sender's network did, in whole seconds.
func (r *reading) times(o *capture.Observation, received bool) {
	raw := r.attrs.text("date")
	ms, precision, ok := millis(raw)
	if ok && r.element == "mms" && ms%1000 == 0 {
		precision = "s" // an MMS counts seconds; the app adds three digits
	}
	if !ok {
		o.Sent = capture.Undated(raw)
		o.Doubt("impossible_date", "Its date is no time.")
		return
	}
	if !received {
		o.Sent = capture.At(raw, ms, precision, "sender")
		return
	}
	at := capture.At(raw, ms, precision, "receiver")
	o.Received, o.Sent = &at, at
	sentRaw := r.attrs.text("date_sent")
	sent, p, ok := millis(sentRaw)
	if !ok {
		return
	}
	if sent%1000 == 0 {
		p = "s"
	}
	o.Sent = capture.At(sentRaw, sent, p, "server")
	if o.Sent.Min > at.Max+60_000 {
		o.Sent.Or(at, "clocks")
		o.Doubt("clocks_disagree", "By the network's clock it was sent after it was received by the telephone's. Its time holds both.")
	}
}

var statusOf = map[string]string{"3": "draft", "4": "queued", "5": "failed", "6": "queued"}

// sms fills in a text.
func (r *reading) sms(o *capture.Observation) {
	box := r.attrs.text("type")
	received := box == "1"
	r.times(o, received)
	o.Body = r.text("body")
	o.Text = visible(o.Body)
	o.Subject = visible(r.text("subject"))
	numbers := r.numbers(r.attrs.text("address"))
	if box != "1" && box != "2" {
		if o.State.Status = statusOf[box]; o.State.Status == "" {
			o.Doubt("unknown_type", "Whether it was sent or received is not known: its type is “"+visible(box)+"”.")
		}
	}
	c := r.chat(o, numbers, r.attrs.text("contact_name"))
	if received {
		o.Sender = r.self
		if len(numbers) > 0 {
			o.Sender = r.people.called(numbers[0])
		} else {
			o.Sender = unknownSender
		}
		o.To = []capture.Recipient{{Name: r.self}}
	} else {
		o.Sender = r.self
		status := map[string]string{"0": "delivered", "32": "pending", "64": "failed"}[r.attrs.text("status")]
		for _, n := range numbers {
			o.To = append(o.To, capture.Recipient{Name: r.people.called(n), Status: status})
		}
	}
	r.wrote(c, o)
}

const unknownSender = "(unknown)"

// call fills in a call.
func (r *reading) call(o *capture.Observation) {
	kind, duration := r.attrs.text("type"), r.attrs.text("duration")
	r.times(o, false)
	o.Sent.Clock = "receiver"
	o.Kind = capture.KindCall
	outcome := map[string]string{"1": "answered", "2": "answered", "3": "missed", "4": "voicemail", "5": "rejected", "6": "rejected"}[kind]
	if kind == "2" && duration == "0" {
		outcome = "no_answer"
	}
	if outcome == "" {
		outcome = "missed"
		if duration != "" && duration != "0" {
			outcome = "answered"
		}
		o.Doubt("unknown_type", "What sort of call it was is not known: its type is “"+visible(kind)+"”.")
	}
	o.Call = &capture.Call{Medium: "voice", Outcome: outcome, Duration: visible(duration)}
	numbers := r.numbers(r.attrs.text("number"))
	c := r.chat(o, numbers, r.attrs.text("contact_name"))
	other := unknownSender
	if len(numbers) > 0 {
		other = r.people.called(numbers[0])
	}
	o.Sender, o.To = other, []capture.Recipient{{Name: r.self}}
	if kind == "2" {
		o.Sender, o.To[0].Name = r.self, other
		o.Sent.Clock = "sender"
	}
	r.wrote(c, o)
}

// numbers returns the addresses of a record in their one form, without the owner's.
func (r *reading) numbers(address string) []string {
	var list []string
	for _, a := range split(address) {
		if n := r.people.number(a); !slices.Contains(list, n) && !r.isSelf(n) {
			list = append(list, n)
		}
	}
	if len(list) == 0 { // a text to oneself
		for _, a := range split(address) {
			return []string{r.people.number(a)}
		}
	}
	return list
}

func (r *reading) isSelf(number string) bool {
	return number == selfToken || r.number != "" && number == r.number
}

// mms fills in a picture message or a message to several people.
func (r *reading) mms(o *capture.Observation) {
	box := r.attrs.text("msg_box")
	received := box == "1"
	r.times(o, received)
	if box != "1" && box != "2" {
		if o.State.Status = statusOf[box]; o.State.Status == "" {
			o.Doubt("unknown_type", "Whether it was sent or received is not known: its box is “"+visible(box)+"”.")
		}
	}
	o.NativeID = clean(r.attrs.text("m_id"))
	o.Subject = visible(r.subject())
	r.partsOf(o)
	from, others := "", r.numbers(r.attrs.text("address"))
	listed := len(others) > 0
	for _, a := range r.addrs {
		if a.number == "" {
			continue
		}
		if a.role == "from" {
			from = a.number
		}
		if !listed && !r.isSelf(a.number) && !slices.Contains(others, a.number) && (received || a.role != "from") {
			others = append(others, a.number)
		}
	}
	c := r.chat(o, others, r.attrs.text("contact_name"))
	o.Sender = r.self
	switch {
	case received && from != "" && !r.isSelf(from):
		o.Sender = r.people.called(from)
	case received && len(others) == 1:
		o.Sender = r.people.called(others[0])
	case received:
		o.Sender = unknownSender
		o.Doubt("sender_unknown", "The file does not say which of the group sent it.")
	}
	o.To = r.recipients(received, others)
	r.wrote(c, o)
}

// recipients returns who a picture message went to, by its own list or else by the conversation.
func (r *reading) recipients(received bool, others []string) []capture.Recipient {
	var list []capture.Recipient
	seen := map[string]bool{}
	add := func(name, role string) {
		if !seen[name] {
			seen[name] = true
			list = append(list, capture.Recipient{Name: name, Role: role})
		}
	}
	for _, a := range r.addrs {
		if a.number == "" || a.role == "from" {
			continue
		}
		if r.isSelf(a.number) {
			add(r.self, a.role)
		} else {
			add(r.people.called(a.number), a.role)
		}
	}
	if len(list) > 0 {
		return list
	}
	if received {
		return []capture.Recipient{{Name: r.self}}
	}
	for _, n := range others {
		add(r.people.called(n), "")
	}
	return list
}

// subject returns the subject. Android keeps its bytes as if each were a character.
func (r *reading) subject() string {
	s := r.text("sub")
	b := make([]byte, 0, len(s))
	wide := false
	for _, c := range s {
		if c > 0xFF {
			return s
		}
		wide = wide || c >= 0x80
		b = append(b, byte(c))
	}
	if wide && utf8.Valid(b) {
		return string(b)
	}
	return s
}

// partsOf sets the body and the attachments. The app does not promise an order of parts; seq does.
func (r *reading) partsOf(o *capture.Observation) {
	slices.SortStableFunc(r.parts, func(a, b part) int { return int(a.seq - b.seq) })
	var bodies []string
	for i := range r.parts {
		p := &r.parts[i]
		switch {
		case p.kind == "application/smil" && p.unreadable == "":
			continue // how the parts were laid out on the telephone
		case p.kind == "text/plain" && p.unreadable == "" && (p.hasText || p.hasData && p.name == "" && utf8.Valid(p.data)):
			if !p.hasText {
				p.text = string(p.data)
			}
			bodies = append(bodies, p.text)
		case p.kind == "text/plain" && p.unreadable == "" && !p.hasData:
			// an empty text
		default:
			o.Attachments = append(o.Attachments, attachment(p))
		}
	}
	o.Body = strings.Join(bodies, "\n")
	o.Text = visible(o.Body)
	if len(o.Attachments) > 0 {
		o.Kind = capture.KindMedia
	}
	for _, a := range o.Attachments {
		switch a.Presence {
		case capture.Corrupt:
			o.Doubt("media_damaged", "An attachment cannot be read: "+a.Detail+".")
		}
	}
}

func attachment(p *part) capture.Attachment {
	a := capture.Attachment{Name: p.name, Class: class(p.kind), Presence: capture.Present}
	data := p.data
	switch {
	case p.unreadable != "":
		a.Presence, a.Detail = capture.Corrupt, p.unreadable
		return a
	case p.hasData && p.damaged:
		a.Presence, a.Detail = capture.Corrupt, "its base64 is damaged"
		return a
	case !p.hasData && p.hasText:
		data = []byte(p.text)
	case !p.hasData:
		a.Presence, a.Detail = capture.Omitted, "the backup was made without media"
		return a
	}
	sum := sha256.Sum256(data)
	a.Size, a.SHA256 = int64(len(data)), hex.EncodeToString(sum[:])
	a.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return a
}

// class returns the class of a media type.
func class(kind string) string {
	switch top, sub, _ := strings.Cut(kind, "/"); {
	case kind == "image/gif":
		return "gif"
	case top == "image" || top == "video" || top == "audio":
		return top
	case strings.Contains(sub, "vcard"):
		return "contact"
	}
	return "document"
}
