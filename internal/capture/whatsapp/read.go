package whatsapp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"sort"
	"strings"
	"unicode"

	"despatch/internal/capture"
)

// record is one message with its header as it is being read, line by line.
type record struct {
	open       bool
	stamp      stamp
	verdict    verdict
	start, end int64
	line       int64
	lines      int64
	rest       []byte // of the header line, and all lines that go on with it
	sum        hash.Hash
	lossy      bool
	lookalikes int // lines inside it that begin as a message does
}

// reading is the third pass over a chat.
type reading struct {
	*chat
	ctx      context.Context
	emit     func(*capture.Observation) error
	classes  *classifier
	rec      record
	seen     int // how many header-like lines there have been
	ordinal  int64
	rows     capture.Reconciliation
	covered  int64
	lossy    capture.Warning
	begins   bool // the first line tells that the chat begins here
	group    bool
	places   map[string]string // names that stand before system lines only: the chat's own name
	subject  string
	unlisted int64 // messages of senders beyond maxSenders
}

// maxSenders bounds the participants that are listed; WhatsApp's largest groups have about a thousand.
const maxSenders = 5000

// read makes the third pass: it hands out every message.
func (c *chat) read(ctx context.Context, emit func(*capture.Observation) error) error {
	r := &reading{chat: c, ctx: ctx, emit: emit, rec: record{sum: sha256.New()}, places: map[string]string{}}
	r.classes = &classifier{apple: c.shape.style == '[', marks: c.marks, angles: c.angles,
		find: func(name string) (m, twin *capture.Member) { return c.export.find(name, c.member) },
		hash: func(m *capture.Member) (string, error) { return c.export.hash(ctx, m) },
	}
	var scanner stampScanner
	previous := endNone
	err := c.lines(ctx, func(l *line) error {
		r.rows.InFile++
		r.covered += l.end - l.start
		after := previous
		previous = l.ends
		lookalike := c.lookalike(&scanner, l, after)
		if st, ok := c.header(&scanner, l, after); ok {
			v := c.verdicts[r.seen]
			r.seen++
			if v != impossible {
				return r.begin(l, st, v)
			}
			lookalike = true
		}
		return r.goOn(l, lookalike)
	})
	if err == nil {
		err = r.flush()
	}
	r.conclude()
	return err
}

// begin begins a message.
func (r *reading) begin(l *line, st stamp, v verdict) error {
	if err := r.flush(); err != nil {
		return err
	}
	rec := &r.rec
	rec.sum.Reset()
	rec.sum.Write(l.raw)
	*rec = record{open: true, stamp: st, verdict: v, start: l.start, end: l.end, line: l.number, lines: 1,
		rest: append(rec.rest[:0], l.text[st.rest:]...), sum: rec.sum, lossy: l.lossy}
	rec.rest = appendEnd(rec.rest, l.ends)
	if l.lossy {
		r.sawLossy(l)
	}
	return nil
}

// goOn adds a line to the message that it stands in.
func (r *reading) goOn(l *line, lookalike bool) error {
	rec := &r.rec
	if !rec.open {
		r.rows.Skipped = capture.AddSkip(r.rows.Skipped, "before_first_message", 1, sample(l.text))
		return nil
	}
	if len(rec.rest)+len(l.text) > r.limits.Line {
		return &capture.FileError{File: r.member.Label(), Remedy: "Hand in the file as WhatsApp exports it.",
			Reason: fmt.Sprintf("has a message of more than %d MB at line %d, which no WhatsApp chat has", r.limits.Line>>20, rec.line)}
	}
	rec.end = l.end
	rec.lines++
	rec.rest = append(rec.rest, l.text...)
	rec.rest = appendEnd(rec.rest, l.ends)
	rec.sum.Write(l.raw)
	rec.lossy = rec.lossy || l.lossy
	if lookalike {
		rec.lookalikes++
	}
	r.rows.Continuation++
	if l.lossy {
		r.sawLossy(l)
	}
	return nil
}

func appendEnd(b []byte, e end) []byte {
	switch e {
	case endLF:
		return append(b, '\n')
	case endCRLF:
		return append(b, '\r', '\n')
	}
	return b
}

func (r *reading) sawLossy(l *line) {
	if r.lossy.Count == 0 {
		r.lossy = capture.Warning{Code: "not_text", Line: l.number, Offset: l.start, Detail: "Some bytes are no text in the file's encoding. They are shown as \uFFFD; the file itself is kept."}
	}
	r.lossy.Count++
}

func sample(b []byte) string {
	s := visible(string(b))
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// flush hands out the message that has been read.
func (r *reading) flush() error {
	rec := &r.rec
	if !rec.open {
		return nil
	}
	rec.open = false
	rest := strings.TrimSuffix(string(rec.rest), "\n")
	rest = strings.TrimSuffix(rest, "\r")
	o := &capture.Observation{
		Conversation: r.index, Ordinal: r.ordinal, Origin: r.origin(), Sent: r.instant(&rec.stamp), Body: rest,
		Attachments: []capture.Attachment{}, Reactions: []capture.Reaction{}, Edits: []capture.Edit{}, Quality: []capture.Warning{},
	}
	o.ID = capture.ObservationID(r.member.File.SHA256, r.member.Path, rec.start, rec.end, 0)
	r.ordinal++
	if err := r.fill(o, rest); err != nil {
		return err
	}
	if rec.verdict == suspect {
		o.Doubt("header_suspect", "Its time stands out from the messages before and after. It may be a line inside another message.")
	}
	if rec.lookalikes > 0 {
		o.Doubt("header_inside", "A line in it looks like the beginning of a message, but cannot be one.")
	}
	if rec.lossy {
		o.Doubt("not_text", "Some bytes are no text in the file's encoding.")
	}
	r.count(o)
	return r.emit(o)
}

// fill sets who wrote the message and what it is.
func (r *reading) fill(o *capture.Observation, rest string) error {
	head, _, _ := strings.Cut(rest, "\n")
	name, body, doubt, ok := r.names.split([]byte(strings.TrimSuffix(head, "\r")))
	if !ok {
		r.classes.notice(o)
		return nil
	}
	o.Sender, o.Body = visible(rest[:name]), ""
	if body < len(rest) {
		o.Body = rest[body:]
	}
	if o.Sender == "" {
		o.Body, o.Sender = rest, ""
		r.classes.notice(o)
		return nil
	}
	if doubt {
		o.Doubt("sender_name_in_doubt", "More than one colon follows the name, and nothing else in the chat tells where it ends.")
	}
	sender := o.Sender
	if err := r.classes.message(o); err != nil {
		return err
	}
	if o.Kind == capture.KindSystem {
		if len(r.places) < maxSenders {
			r.places[sender] = o.System.Code
		}
	}
	return nil
}

func (r *reading) origin() capture.Origin {
	rec := &r.rec
	return capture.Origin{
		FileSHA256: hex.EncodeToString(r.member.File.SHA256[:]), Path: r.member.Path,
		ByteStart: rec.start, ByteEnd: rec.end, Line: rec.line, Lines: rec.lines,
		RawSHA256: hex.EncodeToString(rec.sum.Sum(nil)),
	}
}

// instant returns when the header says that the message was sent. Where something about it is open,
// the instant holds every reading.
func (r *reading) instant(st *stamp) capture.Instant {
	var at capture.Instant
	found := false
	add := func(c capture.Civil, about string) {
		if !c.Valid() {
			return
		}
		i := capture.Local(st.raw, c, st.shape.seconds, r.opt.Zone)
		if !found {
			at, found = i, true
		} else if i.Min != at.Min || i.Max != at.Max {
			at.Or(i, about)
		}
	}
	for _, o := range r.orders {
		if o.era = r.era; r.era != 0 && r.opt.Calendar == "" {
			c, _, _ := st.civil(order{year: o.year, month: o.month, day: o.day})
			add(c, "calendar")
			c, _, _ = st.civil(o)
			add(c, "calendar")
			continue
		}
		c, other, both := st.civil(o)
		add(c, "date_order")
		if both {
			add(other, "half_day")
		}
	}
	if r.undated || !found {
		return capture.Undated(st.raw)
	}
	return at
}

// count keeps the books.
func (r *reading) count(o *capture.Observation) {
	cov := &r.run.Coverage
	if o.Kind == capture.KindSystem {
		r.rows.System++
		r.sawSystem(o)
	} else {
		r.rows.Items++
		cov.Messages++
		if _, known := r.senders[o.Sender]; known || o.Sender != "" && len(r.senders) < maxSenders {
			r.senders[o.Sender]++
		} else if o.Sender != "" {
			r.unlisted++
		}
		if o.State.DeletedBy == "exporter" {
			r.run.Conversations[r.index].Viewpoint = o.Sender
		}
	}
	at := o.Sent
	if cov.First == nil {
		cov.First = &at
	}
	cov.Last = &at
}

func (r *reading) sawSystem(o *capture.Observation) {
	switch code := o.System.Code; code {
	case "encryption_notice":
		r.begins = r.begins || o.Ordinal == 0
	case "group_created", "subject_changed", "member_added", "member_left", "member_joined", "member_removed", "icon_changed", "description_changed", "admin_changed":
		r.group = true
		r.begins = r.begins || o.Ordinal == 0 && code == "group_created"
		if (code == "group_created" || code == "subject_changed") && o.System.Value != "" {
			r.subject = o.System.Value
		}
	}
}

// conclude adds the chat's account to the run's.
func (r *reading) conclude() {
	run := r.run
	sum := &run.Reconciliation
	sum.InFile += r.rows.InFile
	sum.Items += r.rows.Items
	sum.System += r.rows.System
	sum.Continuation += r.rows.Continuation
	for _, s := range r.rows.Skipped {
		sum.Skipped = capture.AddSkip(sum.Skipped, s.Reason, s.Count, s.Detail)
		r.warn(capture.Warning{Code: s.Reason, Count: s.Count, Detail: "Lines stand before the first message, such as “" + s.Detail + "”. They are kept with the file, as nobody's message."})
	}
	run.Coverage.Bytes += r.member.Size
	run.Coverage.BytesCovered += r.covered + r.bom
	if r.lossy.Count > 0 {
		r.warn(r.lossy)
	}
	if r.unlisted > 0 {
		r.warn(capture.Warning{Code: "too_many_senders", Count: r.unlisted, Detail: "More people wrote than any WhatsApp chat can have. The messages are all there; their senders are not all listed."})
	}
	r.concludeConversation()
	r.concludeTruncation()
	if r.opt.Zone == nil && r.ordinal > 0 {
		r.warn(capture.Warning{Code: "zone_unknown", Detail: "The file does not say in which time zone the phone was. Without it, times may be off by up to 14 hours."})
	}
}

func (r *reading) concludeConversation() {
	c := &r.run.Conversations[r.index]
	names := make([]string, 0, len(r.senders))
	for name := range r.senders {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		if r.senders[names[i]] != r.senders[names[j]] {
			return r.senders[names[i]] > r.senders[names[j]]
		}
		return names[i] < names[j]
	})
	c.Title = r.title()
	switch {
	case r.group || len(names) > 2:
		c.Kind = "group"
	case len(names) > 0 && r.senders[c.Title] > 0:
		c.Kind = "dm"
	}
	if c.Viewpoint == "" && c.Kind == "dm" && len(names) == 2 {
		c.Viewpoint = names[0]
		if names[0] == c.Title {
			c.Viewpoint = names[1]
		}
	}
	for _, name := range names {
		p := capture.Participant{Name: name, Phone: phone(name), IsSelf: capture.Unknown, Messages: r.senders[name]}
		if c.Viewpoint != "" {
			p.IsSelf = capture.No
			if name == c.Viewpoint {
				p.IsSelf = capture.Yes
			}
		}
		c.Participants = append(c.Participants, p)
	}
}

// title returns the chat's name: from its file's name, or from what stands in it.
func (r *reading) title() string {
	for _, name := range []string{r.member.Name, r.member.File.Name} {
		if t := titleOf(name); t != "" {
			return t
		}
	}
	if r.subject != "" {
		return r.subject
	}
	for name := range r.places {
		if len(r.places) == 1 {
			return name
		}
	}
	return ""
}

// Exports hold the newest messages up to about these numbers, and do not say that there were more.
const (
	capWithMedia = 10_000
	capTextOnly  = 40_000
	capSlack     = 10
)

func (r *reading) concludeTruncation() {
	limit := int64(capTextOnly)
	if len(r.export.named) > 0 || r.export.zipped && len(r.export.media) > 0 {
		limit = capWithMedia
	}
	if r.ordinal < limit-capSlack {
		return
	}
	r.run.Coverage.LikelyTruncated = true
	detail := fmt.Sprintf("The chat has %d messages, and WhatsApp exports at most about %d, the newest. Older ones are probably missing.", r.ordinal, limit)
	if r.begins {
		detail += " Against that speaks that its first line is one with which chats begin."
	}
	r.warn(capture.Warning{Code: "likely_truncated", Detail: detail})
}

// phone returns a name as a telephone number, if it is one.
func phone(name string) string {
	var b strings.Builder
	digits := 0
	for _, r := range strings.TrimPrefix(name, "~") {
		switch {
		case unicode.Is(unicode.Nd, r):
			b.WriteRune(plain(r))
			digits++
		case r == '+' && digits == 0:
			b.WriteByte('+')
		case r == ' ' || r == '-' || r == '(' || r == ')' || r == '.' || r == '\u2011' || r == '\u2010':
		default:
			return ""
		}
	}
	if digits < 7 || digits > 15 {
		return ""
	}
	return b.String()
}

// hash returns the SHA-256 of a media file, which is read once however often it is named.
func (x *export) hash(ctx context.Context, m *capture.Member) (string, error) {
	x.named[m] = true
	if sum, ok := x.hashes[m]; ok {
		return sum, nil
	}
	sum, err := m.Hash(ctx)
	if err != nil {
		return "", err
	}
	s := hex.EncodeToString(sum[:])
	x.hashes[m] = s
	return s, nil
}
