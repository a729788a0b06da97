package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"

	"despatch/internal/capture"
)

// Bounds of what is taken from one mail.
const (
	maxBody        = 16 << 20 // bytes of its texts
	maxHops        = 100
	maxAttachments = 5000
)

// letter is what was read of one mail, before it becomes an observation.
type letter struct {
	obs     *capture.Observation
	from    []address
	to      []recipient
	mailbox string // whose copy it is, where the mail tells
	bodies  []bodyPart
	size    int
	doubts  map[string]bool
	depth   int
}

type recipient struct {
	address
	role string
}

type bodyPart struct {
	text   string // verbatim after decoding
	html   bool
	flowed bool
	delsp  bool
}

// readMail reads a mail.
func readMail(raw []byte, opt capture.Options) *letter {
	p := parseMail(raw)
	l := &letter{doubts: map[string]bool{}, obs: &capture.Observation{Kind: capture.KindText,
		Attachments: []capture.Attachment{}, Reactions: []capture.Reaction{}, Edits: []capture.Edit{}, Quality: []capture.Warning{}}}
	l.head(p.header, opt)
	l.contents(p, "", 0)
	l.finish()
	return l
}

func (l *letter) doubt(code, detail string) {
	if !l.doubts[code] {
		l.doubts[code] = true
		l.obs.Doubt(code, detail)
	}
}

// head reads who wrote the mail, to whom, and when.
func (l *letter) head(h header, opt capture.Options) {
	o := l.obs
	l.from = addresses(h.all("from"))
	if len(l.from) == 0 {
		l.from = addresses(h.all("sender"))
		l.doubt("no_sender", "It does not say who wrote it.")
	} else if len(h.all("from")) > 1 {
		l.doubt("two_from_fields", "It names its writer twice. Programs show the one or the other.")
	}
	for _, role := range []string{"to", "cc", "bcc"} {
		for _, a := range addresses(h.all(role)) {
			l.to = append(l.to, recipient{a, role})
		}
	}
	o.Subject = text(h.value("subject"))
	if ids := messageIDs(h.value("message-id")); len(ids) > 0 {
		o.NativeID = ids[0]
	}
	if ids := messageIDs(h.value("in-reply-to")); len(ids) > 0 {
		o.ReplyTo = &capture.Ref{NativeID: ids[0]}
	}
	if ids := messageIDs(h.value("references")); len(ids) > 0 {
		o.Thread = &capture.Ref{NativeID: ids[0]}
		if o.ReplyTo == nil {
			o.ReplyTo = &capture.Ref{NativeID: ids[len(ids)-1]}
		}
	}
	l.times(h, opt)
	for _, name := range []string{"delivered-to", "x-original-to", "envelope-to", "x-delivered-to"} {
		if list := addresses(h.all(name)); len(list) > 0 {
			l.mailbox = strings.ToLower(list[0].email)
			break
		}
	}
	l.state(h)
}

// state reads the marks that mail programs keep beside a mail.
func (l *letter) state(h header) {
	s := &l.obs.State
	labels := "," + strings.ToLower(text(h.value("x-gmail-labels"))) + ","
	switch {
	case strings.Contains(labels, ",drafts,"), strings.Contains(labels, ",draft,"), string(h.value("x-unsent")) == "1":
		s.Status = "draft"
	}
	// Thunderbird leaves deleted mails in the file until it is compacted (nsMsgMessageFlags.h, Expunged).
	var bits uint32
	if v := string(h.value("x-mozilla-status")); len(v) == 4 {
		if _, err := fmt.Sscanf(v, "%04x", &bits); err == nil && bits&0x0008 != 0 {
			s.Deleted, s.DeletedBy = true, "exporter"
		}
	}
}

// times sets when the mail was sent, by its own date, and when it was received, by the last server.
func (l *letter) times(h header, opt capture.Options) {
	o := l.obs
	for _, v := range h.all("received") {
		if len(o.Route) == maxHops {
			l.doubt("too_many_hops", fmt.Sprintf("It passed through more than %d servers. The others are kept with the file.", maxHops))
			break
		}
		o.Route = append(o.Route, hop(v))
	}
	if len(o.Route) > 0 && o.Route[0].At != nil {
		at := *o.Route[0].At
		at.Clock = "receiver"
		o.Received = &at
	}
	raw := text(h.value("date"))
	at, ok := date(raw, opt.Zone, "sender")
	switch {
	case ok:
		o.Sent = at
		if first := l.firstHop(); first != nil && (first.Min > at.Max+86_400_000 || first.Max+3_600_000 < at.Min) {
			l.doubt("date_unlike_route", "Its own date differs by more than a day from when the first server had it, or is later.")
		}
	case l.firstHop() != nil:
		o.Sent = *l.firstHop()
		l.doubt("date_from_route", "It has no date of its own that can be read. Its time is when the first server had it.")
	default:
		o.Sent = capture.Undated(raw)
		l.doubt("no_date", "It has no date that can be read.")
	}
}

// firstHop returns when the first server had the mail, or nil.
func (l *letter) firstHop() *capture.Instant {
	for i := len(l.obs.Route) - 1; i >= 0; i-- {
		if at := l.obs.Route[i].At; at != nil {
			return at
		}
	}
	return nil
}

// hop reads a Received field (RFC 5321, 4.4).
func hop(v []byte) capture.Hop {
	raw := visible(raw8(v))
	h := capture.Hop{Raw: raw}
	clauses, when := raw, ""
	if i := strings.LastIndexByte(raw, ';'); i >= 0 {
		clauses, when = raw[:i], strings.TrimSpace(raw[i+1:])
	}
	if at, ok := date(when, time.UTC, "server"); ok {
		h.At = &at
	}
	words := strings.Fields(clauses)
	for i := 0; i+1 < len(words); i++ {
		switch strings.ToLower(words[i]) {
		case "from":
			if h.From == "" {
				h.From = words[i+1]
			}
		case "by":
			if h.By == "" {
				h.By = words[i+1]
			}
		}
	}
	return h
}

// dateForms are forms that mails have beside those of RFC 5322.
var dateForms = []string{
	"Mon, 2 Jan 2006 15:04:05.000 -0700", "2 Jan 2006 15:04:05.000 -0700",
	"Mon, 2 Jan 2006 15:04:05 -07:00", "Mon, 2 Jan 2006 15:04:05 -0700 MST",
	"Monday, 2 January 2006 15:04:05 -0700", "Mon, 2 January 2006 15:04:05 -0700", "Mon, 2-Jan-2006 15:04:05 -0700", "2-Jan-2006 15:04:05 -0700",
	"Mon Jan 2 15:04:05 2006 -0700", "Mon Jan 2 15:04:05 -0700 2006", "Mon, Jan 2 2006 15:04:05 -0700",
	"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05.000 -0700", "2006/01/02 15:04:05 -0700",
}

// bareForms do not say how far the clock was from UTC.
var bareForms = []string{"Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05", "Mon Jan 2 15:04:05 2006", "Mon, 2 Jan 06 15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "Mon, 2 Jan 2006 15:04", "2 Jan 2006 15:04"}

// knownZones are the names of RFC 5322, 4.3, and a few that are met. Any other name tells nothing.
var knownZones = map[string]string{"UT": "+0000", "GMT": "+0000", "UTC": "+0000", "Z": "+0000", "EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500",
	"MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700", "CET": "+0100", "CEST": "+0200"}

// date reads a mail's date. Zone is of the person who handed it in, for dates without one; it may be nil.
func date(raw string, zone *time.Location, clock string) (capture.Instant, bool) {
	s := strings.Join(strings.Fields(raw), " ")
	if i := strings.IndexByte(s, '('); i > 0 { // a comment
		s = strings.TrimSpace(s[:i])
	}
	if s == "" || len(s) > 100 {
		return capture.Instant{}, false
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 {
		if offset := knownZones[strings.ToUpper(s[i+1:])]; offset != "" {
			s = s[:i+1] + offset
		}
	}
	if i := strings.LastIndexAny(s, "+-"); i > 0 && len(s)-i == 4 && s[i-1] == ' ' && strings.Trim(s[i+1:], "0123456789") == "" {
		s = s[:i+1] + "0" + s[i+1:] // -600
	}
	precision := "s"
	if strings.Count(s, ":") == 1 {
		precision = "min"
	}
	offset := hasOffset(s)
	if t, err := mail.ParseDate(s); err == nil && offset && possible(t) {
		return capture.AtOffset(raw, t, precision, clock), true
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form, s); err == nil && possible(t) {
			return capture.AtOffset(raw, t, precision, clock), true
		}
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 && !offset && strings.Trim(s[i+1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		s = s[:i] // a name of a zone that many countries use for zones of their own
	}
	for _, form := range bareForms {
		if t, err := time.Parse(form, s); err == nil && possible(t) {
			at := capture.Local(raw, capture.Civil{Year: t.Year(), Month: int(t.Month()), Day: t.Day(), Hour: t.Hour(), Minute: t.Minute(), Second: t.Second()}, precision == "s", zone)
			at.Clock = clock
			return at, true
		}
	}
	return capture.Instant{}, false
}

// hasOffset reports whether a date ends with its distance from UTC in figures.
func hasOffset(s string) bool {
	s = strings.ReplaceAll(s, ":", "")
	if len(s) < 5 || s[len(s)-5] != '+' && s[len(s)-5] != '-' {
		return len(s) > 1 && s[len(s)-1] == 'Z' && s[len(s)-2] >= '0' && s[len(s)-2] <= '9'
	}
	return strings.Trim(s[len(s)-4:], "0123456789") == ""
}

func possible(t time.Time) bool {
	_, offset := t.Zone()
	return t.Year() >= 1900 && t.Year() < 9999 && offset >= -14*3600 && offset <= 14*3600
}

// contents goes over the parts: texts become the body, everything else an attachment. Inside is the
// name of the mail that holds the part, "" for the mail itself.
func (l *letter) contents(p *part, inside string, depth int) {
	if p.oddLines > 0 {
		l.doubt("odd_header", "A line of its header is no field, or the header is longer than any mail's.")
	}
	if p.cutShort {
		l.doubt("cut_short", "The end of one of its parts is missing: it was cut short on its way.")
	}
	if p.tooDeep {
		l.doubt("too_deep", "It has more parts, or parts in parts, than any mail has. The others are kept with the file.")
	}
	switch {
	case len(p.children) > 0 && p.kind == "multipart/alternative" && inside == "":
		l.alternative(p, depth)
	case len(p.children) > 0:
		for _, c := range p.children {
			l.contents(c, inside, depth+1)
		}
	case p.mail != nil:
		l.nested(p, inside, depth)
	case inside == "" && l.isBody(p, depth):
		l.body(p)
	default:
		if inside != "" && strings.HasPrefix(p.kind, "text/") && p.filename() == "" && p.disposition.kind != "attachment" {
			return // the words of a mail in the mail: they are in that mail
		}
		l.attach(p, inside)
	}
}

// isBody says whether a part is text that the mail itself says.
func (l *letter) isBody(p *part, depth int) bool {
	if p.disposition.kind == "attachment" || p.kind != "text/plain" && p.kind != "text/html" && p.kind != "text/enriched" {
		return false
	}
	return p.filename() == "" || depth == 0 || len(l.bodies) == 0
}

// alternative takes the plain text if there is one that says something, else the HTML. Both say the
// same; that they do is checked.
func (l *letter) alternative(p *part, depth int) {
	before := len(l.bodies)
	var chosen, other []bodyPart
	for _, c := range p.children {
		from := len(l.bodies)
		l.contents(c, "", depth+1)
		got := l.bodies[from:]
		switch {
		case len(got) == 0:
		case chosen == nil:
			chosen = append(chosen, got...)
		case reads(chosen) == "" || chosen[0].html && !got[0].html && reads(got) != "":
			chosen, other = append([]bodyPart(nil), got...), chosen
		default:
			other = append([]bodyPart(nil), got...)
		}
	}
	l.bodies = append(l.bodies[:before], chosen...)
	if len(other) > 0 && len(chosen) > 0 {
		a, b := letters(reads(chosen)), letters(reads(other))
		if a+200 < b && a*3 < b*2 || b > 0 && b+200 < a && b*3 < a*2 {
			l.doubt("alternatives_differ", "Its plain text and its formatted text do not say the same: one is much longer. The plain one is shown.")
		}
	}
}

func reads(parts []bodyPart) string {
	var all []string
	for _, b := range parts {
		all = append(all, b.reading())
	}
	return strings.TrimSpace(strings.Join(all, "\n"))
}

func (b *bodyPart) reading() string {
	if b.html {
		return htmlText(b.text)
	}
	return unwrap(b.text, b.flowed, b.delsp)
}

// letters counts what is not a space.
func letters(s string) int {
	n := 0
	for _, f := range strings.Fields(s) {
		if !strings.HasPrefix(f, "http") && !strings.HasPrefix(f, "<http") {
			n += len(f)
		}
	}
	return n
}

var faultWords = map[string]string{
	"malformed_base64":           "The base64 of a part is damaged. What can be decoded is kept.",
	"malformed_quoted_printable": "The quoted-printable of a part is damaged. What cannot be decoded is left as it stands.",
	"malformed_uuencode":         "The uuencode of a part is damaged. What can be decoded is kept.",
	"encoding_unknown":           "A part is encoded in a way that Despatch does not know. It is kept as it stands.",
	setUnknown:                   "A text says that it is in a character set that Despatch does not know.",
	setWrong:                     "A text is not in the character set that it says it is in. It is read by what its bytes are.",
	setLossy:                     "Some bytes of a text are no text in its character set. They are shown as \uFFFD.",
}

func (l *letter) fault(code string) {
	if code != "" {
		l.doubt(code, faultWords[code])
	}
}

// body takes a part as text.
func (l *letter) body(p *part) {
	data, fault := p.decode()
	l.fault(fault)
	if l.size+len(data) > maxBody {
		l.doubt("text_too_long", fmt.Sprintf("Its text is longer than %d MB. What is beyond is kept as a file beside it.", maxBody>>20))
		l.attach(p, "")
		return
	}
	l.size += len(data)
	set := p.params["charset"]
	if set == "" && p.kind == "text/html" {
		set = metaCharset(data)
	}
	s, fault := decodeText(data, set)
	l.fault(fault)
	l.bodies = append(l.bodies, bodyPart{text: s, html: p.kind == "text/html",
		flowed: p.kind == "text/plain" && strings.EqualFold(p.params["format"], "flowed"), delsp: strings.EqualFold(p.params["delsp"], "yes")})
}

// metaCharset returns the character set that an HTML text declares in its head, or "".
func metaCharset(data []byte) string {
	head := bytes.ToLower(data[:min(len(data), 2048)])
	i := bytes.Index(head, []byte("charset="))
	if i < 0 {
		return ""
	}
	v := bytes.TrimLeft(head[i+8:], `"' `)
	if end := bytes.IndexAny(v, `"'>; /`); end > 0 {
		return string(v[:end])
	}
	return ""
}

// nested takes a mail in the mail: it is an attachment, and what it holds is too.
func (l *letter) nested(p *part, inside string, depth int) {
	h := p.mail.header
	subject := text(h.value("subject"))
	name := p.filename()
	if name == "" {
		if name = strings.Map(fileRune, subject); name == "" {
			name = "message"
		}
		name += ".eml"
	}
	detail := "a mail in the mail"
	if inside != "" {
		detail = insideMail + inside + "”"
	}
	l.bytes(name, "document", detail, p.whole)
	if l.obs.Forward == nil && inside == "" {
		f := &capture.Ref{}
		if ids := messageIDs(h.value("message-id")); len(ids) > 0 {
			f.NativeID = ids[0]
		}
		if from := addresses(h.all("from")); len(from) > 0 {
			f.Author = from[0].label()
		}
		if at, ok := date(text(h.value("date")), nil, "sender"); ok {
			f.Sent = &at
		}
		f.QuotedText = subject
		l.obs.Forward = f
	}
	l.contents(p.mail, name, depth+1)
}

// fileRune keeps what may stand in a file's name.
func fileRune(r rune) rune {
	if strings.ContainsRune(`\/:*?"<>|`, r) {
		return '_'
	}
	return r
}

// label returns the name, or else the address.
func (a address) label() string {
	if a.name != "" {
		return a.name
	}
	return a.email
}

// attach takes a part as an attachment.
func (l *letter) attach(p *part, inside string) {
	data, fault := p.decode()
	l.fault(fault)
	name, detail := p.filename(), ""
	switch {
	case inside != "":
		detail = insideMail + inside + "”"
	case p.disposition.kind == "inline" || p.header.value("content-id") != nil && p.disposition.kind != "attachment":
		detail = "inline"
	}
	switch p.kind {
	case "application/ms-tnef":
		if name == "" {
			name = "winmail.dat"
		}
		l.bytes(name, class(p.kind), detail, data)
		l.tnef(data, name)
		return
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		if p.params["smime-type"] != "signed-data" {
			l.doubt("encrypted", "It is encrypted. Only who has its key can read it; what there is, is kept.")
		}
	case "application/pgp-encrypted":
		l.doubt("encrypted", "It is encrypted. Only who has its key can read it; what there is, is kept.")
	}
	l.bytes(name, class(p.kind), detail, data)
}

// bytes adds an attachment.
func (l *letter) bytes(name, class, detail string, data []byte) {
	if len(l.obs.Attachments) >= maxAttachments {
		l.doubt("too_many_attachments", fmt.Sprintf("It has more than %d attachments. The others are kept with the file.", maxAttachments))
		return
	}
	sum := sha256.Sum256(data)
	l.obs.Attachments = append(l.obs.Attachments, capture.Attachment{Name: name, Class: class, Presence: capture.Present, Detail: detail,
		Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }})
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

// finish joins the texts.
func (l *letter) finish() {
	var body, reading strings.Builder
	for i := range l.bodies {
		b := &l.bodies[i]
		if i > 0 && body.Len() > 0 && !strings.HasSuffix(body.String(), "\n") {
			body.WriteByte('\n')
		}
		body.WriteString(b.text)
		r := b.reading()
		if i > 0 && reading.Len() > 0 && !strings.HasSuffix(reading.String(), "\n") {
			reading.WriteByte('\n')
		}
		reading.WriteString(r)
	}
	o := l.obs
	o.Body = strings.ToValidUTF8(body.String(), "\uFFFD")
	o.Text = strings.TrimRight(strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r == 0x7F {
			return ' '
		}
		return r
	}, reading.String()), " \n\t")
	if strings.TrimSpace(o.Text) == "" && len(o.Attachments) > 0 {
		o.Kind = capture.KindMedia
	}
}
