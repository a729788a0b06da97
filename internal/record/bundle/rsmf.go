package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"mime"
	"mime/quotedprintable"
	"path"
	"strconv"
	"strings"
	"time"
)

// Relativity Short Message Format 2.0: a mail whose text is a transcript and whose one attachment, rsmf.zip, holds
// rsmf_manifest.json and the files it names. A slice is one such mail: the items of one conversation and one day, as
// far as the limits below allow.
//
// The zip is written here, with nothing compressed and no times, so that a slice is the same bytes wherever and
// whenever it is made.

const (
	sliceEvents = 10_000  // what Relativity recommends
	sliceJSON   = 8 << 20 // bytes of events
	sliceMedia  = 1 << 30 // bytes of attachments; Relativity's limit for the file is 2 GB
)

// slice collects what goes into one RSMF file.
type slice struct {
	items        int
	day          string
	events       []byte // JSON objects, each but the first after a comma
	ends         []mark // where each item's event ends
	transcript   []byte
	textEnds     []mark
	participants []participant
	byName       map[string]int // index in participants
	ids          map[string]int // message id to item number
	media        []sliceFile
	mediaSize    int64
	first, last  string // times
	sender       int    // participant of the first message, or -1
}

// mark says that what is about an item ends at an offset.
type mark struct{ item, end int }

type participant struct{ id, display, account string }

type sliceFile struct {
	name string
	item int
	a    Attachment
}

// sliceItem adds an item to the slice at hand, or ends that one and begins another.
func (r *renderer) sliceItem(it *Item) error {
	if r.unknown {
		return nil
	}
	var media int64
	for i := range it.Attachments {
		if it.Attachments[i].File != "" {
			_, size, err := r.crc(&it.Attachments[i])
			if err != nil {
				return err
			}
			media += size
		}
	}
	// Days only move forward: in a captured conversation times can jump, and a file for each jump helps nobody.
	stamp := it.stamp()
	day := stamp[:len("2006-01-02")]
	s := &r.slice
	if s.items > 0 && (day > s.day || s.items >= sliceEvents || len(s.media) > 5*sliceEvents || len(s.events) > sliceJSON || s.mediaSize+media > sliceMedia) {
		if err := r.flushSlice(); err != nil {
			return err
		}
	}
	if s.items == 0 {
		*s = slice{day: day, first: stamp, last: stamp, sender: -1, byName: make(map[string]int), ids: make(map[string]int),
			events: s.events[:0], transcript: s.transcript[:0], ends: s.ends[:0], textEnds: s.textEnds[:0]}
	}
	s.items++
	s.first, s.last = min(s.first, stamp), max(s.last, stamp)
	s.mediaSize += media
	if it.ID != "" {
		s.ids[it.ID] = it.Number
	}
	if len(s.events) > 0 {
		s.events = append(s.events, ",\n"...)
	}
	s.event(it, stamp)
	s.ends = append(s.ends, mark{it.Number, len(s.events)})
	s.text(it)
	s.textEnds = append(s.textEnds, mark{it.Number, len(s.transcript)})
	return nil
}

// stamp is the item's time as RSMF wants it: RFC 3339 with seconds. Where the sender's time is not known that well, it
// is the best that can be said, and a custom field has the whole truth.
func (it *Item) stamp() string {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, it.Sent); err == nil && t.Year() >= 1 && t.Year() <= 9999 {
			return t.UTC().Format("2006-01-02T15:04:05.000Z")
		}
	}
	local, _, _ := strings.Cut(it.Sent, " ")
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, local); err == nil {
			return t.Format("2006-01-02T15:04:05.000Z")
		}
	}
	return it.Recorded
}

// who returns the RSMF id of a participant.
func (s *slice) who(account, display string) string {
	i, ok := s.byName[account]
	if !ok {
		i = len(s.participants)
		s.byName[account] = i
		s.participants = append(s.participants, participant{"P" + strconv.Itoa(i+1), display, account})
	}
	if p := &s.participants[i]; p.display == "" || p.display == p.account && display != "" {
		p.display = display
	}
	return s.participants[i].id
}

func eventID(item int) string { return "item-" + strconv.Itoa(item) }

func (s *slice) event(it *Item, stamp string) {
	o := object{append(s.events, '{')}
	kind := "message"
	if it.Status == Withheld {
		kind = "disclaimer"
	}
	o.string("type", kind)
	o.string("id", eventID(it.Number))
	if parent, ok := s.ids[it.ReplyTo]; ok && it.ReplyTo != "" {
		o.string("parent", eventID(parent))
	}
	body := it.Text
	if n := len(it.Edits); n > 0 {
		body = it.Edits[n-1].Text
	}
	if it.Status == Withheld {
		body = it.withheldText()
	}
	o.opt("body", body)
	from := ""
	if it.Sender != "" || it.SenderName != "" {
		account := it.Sender
		if account == "" {
			account = it.SenderName
		}
		from = s.who(account, it.SenderName)
		o.string("participant", from)
		if s.sender < 0 {
			s.sender = s.byName[account]
		}
	}
	o.string("conversation", "C1")
	o.string("timestamp", stamp)
	if it.Deleted != nil {
		o.bool("deleted", true)
	}
	// Kept apart: RSMF wants at least one character in each value.
	reactions := make([]Reaction, 0, len(it.Reactions))
	for _, re := range it.Reactions {
		if re.Value != "" && !re.Removed {
			reactions = append(reactions, re)
		}
	}
	list(&o, "reactions", reactions, func(o *object, re *Reaction) {
		o.string("value", shorten(re.Value, 30))
		o.int("count", 1)
		if re.By != "" {
			o.name("participants")
			o.b = append(o.b, '[')
			o.b = append(o.b, strconv.Quote(s.who(re.By, ""))...)
			o.b = append(o.b, ']')
		}
	})
	var files []sliceFile
	for i, a := range it.Attachments {
		if a.File != "" {
			files = append(files, sliceFile{fmt.Sprintf("%d-%d%s", it.Number, i+1, path.Ext(a.File)), it.Number, a})
		}
	}
	s.media = append(s.media, files...)
	list(&o, "attachments", files, func(o *object, f *sliceFile) {
		o.string("id", f.name)
		o.opt("display", f.a.Name)
		o.optInt("size", f.a.Size)
	})
	if from != "" {
		previous := it.Text
		list(&o, "edits", it.Edits, func(o *object, e *Edit) {
			o.string("participant", from)
			if _, err := time.Parse(time.RFC3339Nano, e.Recorded); err == nil {
				o.string("timestamp", e.Recorded)
			}
			o.string("previous", previous)
			o.string("new", e.Text)
			previous = e.Text
		})
	}
	custom := []pair{{"Item", strconv.Itoa(it.Number)}, {"RecordPosition", strconv.FormatInt(it.Position, 10)},
		{"Recorded", it.Recorded}, {"Sent", it.Sent}, {"Status", string(it.Status)}, {"Reasons", it.reasons()}, {"Note", it.Note}}
	if d := it.Deleted; d != nil {
		custom = append(custom, pair{"Deleted", strings.TrimSpace(d.Recorded + " by " + d.By + " " + d.Reason)})
	}
	for _, a := range it.Attachments {
		if a.File == "" {
			custom = append(custom, pair{"AttachmentNotIncluded", a.Name + " (" + a.State + ")"})
		}
	}
	list(&o, "custom", nonEmpty(custom), writePair)
	s.events = append(o.b, '}')
}

type pair struct{ name, value string }

func writePair(o *object, p *pair) {
	o.string("name", p.name)
	o.string("value", p.value)
}

func nonEmpty(ps []pair) []pair {
	out := ps[:0]
	for _, p := range ps {
		if p.value != "" {
			out = append(out, p)
		}
	}
	return out
}

func shorten(s string, runes int) string {
	for i := range s {
		if runes == 0 {
			return s[:i]
		}
		runes--
	}
	return s
}

func (it *Item) reasons() string {
	parts := make([]string, len(it.Reasons))
	for i, r := range it.Reasons {
		parts[i] = strings.TrimSpace(r.Code + " " + r.Name)
	}
	return strings.Join(parts, "; ")
}

func (it *Item) withheldText() string {
	if s := it.reasons(); s != "" {
		return "Withheld: " + s
	}
	return "Withheld"
}

// text writes the item into the transcript.
func (s *slice) text(it *Item) {
	var line strings.Builder
	fmt.Fprintf(&line, "[%s] Item %d, %s", it.when(), it.Number, it.from())
	if it.Status != Released {
		fmt.Fprintf(&line, " (%s)", it.Status)
	}
	line.WriteString(": ")
	if it.Status == Withheld {
		line.WriteString(it.withheldText())
	}
	line.WriteString(it.Text)
	for _, e := range it.Edits {
		line.WriteString("\nEdited: " + e.Text)
	}
	if it.Deleted != nil {
		line.WriteString("\nDeleted by " + it.Deleted.By)
	}
	for _, a := range it.Attachments {
		line.WriteString("\nAttachment: " + a.Name)
	}
	line.WriteString("\n")
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(line.String())) // cannot fail
	w.Close()
	s.transcript = append(s.transcript, b.Bytes()...)
}

// flushSlice writes out the slice at hand.
func (r *renderer) flushSlice() error {
	s := &r.slice
	if s.items == 0 || r.unknown {
		return nil
	}
	r.slices++
	file := rsmfFile(r.slices)
	boundary := fmt.Sprintf("despatch-%s-%d", r.header.Bundle, r.slices)
	if err := r.emit(file, 0, r.sliceHead(boundary)); err != nil {
		return err
	}
	at := 0
	for _, m := range s.textEnds {
		if err := r.emit(file, m.item, s.transcript[at:m.end]); err != nil {
			return err
		}
		at = m.end
	}
	err := r.emit(file, 0, []byte("\r\n--"+boundary+"\r\nContent-Type: application/zip; name=\"rsmf.zip\"\r\n"+
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"rsmf.zip\"\r\n\r\n"))
	if err != nil {
		return err
	}
	if err := r.sliceZip(file); err != nil {
		return err
	}
	if err := r.emit(file, 0, []byte("--"+boundary+"--\r\n")); err != nil {
		return err
	}
	s.items = 0
	return r.emit(file, 0, nil)
}

func (r *renderer) sliceHead(boundary string) []byte {
	s := &r.slice
	var b []byte
	add := func(name, value string) { b = fmt.Appendf(b, "%s: %s\r\n", name, value) }
	add("X-RSMF-Version", "2.0.0")
	add("X-RSMF-Generator", "Despatch")
	add("X-RSMF-BeginDate", s.first)
	add("X-RSMF-EndDate", s.last)
	add("X-RSMF-EventCount", strconv.Itoa(s.items))
	add("X-RSMF-AttachmentCount", strconv.Itoa(len(s.media)))
	add("X-RSMF-Application", headerText(systemName(r.conv.System)))
	add("X-RSMF-EventCollectionID", r.collection())
	add("X-RSMF-CaseReference", headerText(r.header.Reference))
	add("X-RSMF-RecordOrigin", headerText(r.header.Origin))
	from := "Despatch <record@despatch.invalid>"
	if s.sender >= 0 {
		from = s.participants[s.sender].address()
	}
	add("From", from)
	var to []string
	for i := range s.participants {
		to = append(to, s.participants[i].address())
	}
	if len(to) == 0 {
		to = []string{from}
	}
	add("To", strings.Join(to, ",\r\n "))
	add("Subject", headerText(shorten(r.conv.Title, 100)+" "+s.day))
	add("Date", mailDate(s.first))
	add("Message-ID", fmt.Sprintf("<%s-%d@despatch.invalid>", r.header.Bundle, r.slices))
	add("MIME-Version", "1.0")
	add("Content-Type", "multipart/mixed; boundary=\""+boundary+"\"")
	b = append(b, "\r\n--"+boundary+"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"...)
	return b
}

// collection ties the slices of a conversation together without saying more than the bundle does.
func (r *renderer) collection() string {
	sum := sha256.Sum256([]byte(r.conv.Scope))
	return fmt.Sprintf("%x", sum[:8])
}

func mailDate(stamp string) string {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return stamp
	}
	return t.Format(time.RFC1123Z)
}

// headerText makes a mail header's value of any text.
func headerText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return mime.QEncoding.Encode("utf-8", shorten(s, 200))
}

// address is the participant as a mail address, which RSMF's readers need. The domain cannot exist, so that nobody is
// written to.
func (p *participant) address() string {
	name := p.display
	if name == "" {
		name = p.account
	}
	name = headerText(name)
	if !strings.HasPrefix(name, "=?") {
		name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	sum := sha256.Sum256([]byte(p.account))
	return fmt.Sprintf("%s <%x@despatch.invalid>", name, sum[:8])
}

// sliceZip writes rsmf.zip.
func (r *renderer) sliceZip(file string) error {
	s := &r.slice
	head, tail := r.sliceJSON()
	crc := crc32.NewIEEE()
	crc.Write(head)
	crc.Write(s.events)
	crc.Write(tail)
	z := zipFile{emit: func(item int, b []byte) error { return r.emitBase64(file, item, b) }}
	if err := z.begin("rsmf_manifest.json", 0, crc.Sum32(), int64(len(head)+len(s.events)+len(tail))); err != nil {
		return err
	}
	if err := z.emit(0, head); err != nil {
		return err
	}
	at := 0
	for _, m := range s.ends {
		if err := z.emit(m.item, s.events[at:m.end]); err != nil {
			return err
		}
		at = m.end
	}
	if err := z.emit(0, tail); err != nil {
		return err
	}
	for i := range s.media {
		f := &s.media[i]
		crc, size, err := r.crc(&f.a)
		if err != nil {
			return err
		}
		if err := z.begin(f.name, f.item, crc, size); err != nil {
			return err
		}
		if err := r.media(file, f.item, &f.a); err != nil {
			return err
		}
	}
	if err := z.end(); err != nil {
		return err
	}
	return r.emitBase64(file, 0, nil)
}

// sliceJSON returns what stands before and after the events in rsmf_manifest.json.
func (r *renderer) sliceJSON() (head, tail []byte) {
	s := &r.slice
	o := object{[]byte{'{'}}
	o.string("version", "2.0.0")
	o.string("eventcollectionid", r.collection())
	o.name("participants")
	o.b = append(o.b, '[')
	for i := range s.participants {
		p := &s.participants[i]
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, '{')
		o.string("id", p.id)
		if p.display != "" {
			o.string("display", p.display)
		} else {
			o.string("display", p.account)
		}
		o.string("account_id", p.account)
		o.b = append(o.b, '}')
	}
	o.b = append(o.b, ']')
	o.name("conversations")
	o.b = append(o.b, '[', '{')
	o.string("id", "C1")
	platform := r.conv.System
	if platform == "" {
		platform = "captured"
	}
	o.string("platform", platform)
	o.opt("display", r.conv.Title)
	o.string("type", "channel")
	o.name("participants")
	o.b = append(o.b, '[')
	for i := range s.participants {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, strconv.Quote(s.participants[i].id)...)
	}
	o.b = append(o.b, ']')
	list(&o, "custom", nonEmpty([]pair{{"Scope", r.conv.Scope}, {"CaseReference", r.header.Reference}, {"Bundle", r.header.Bundle}}), writePair)
	o.b = append(o.b, '}', ']')
	o.name("events")
	return append(o.b, "[\n"...), []byte("\n]}\n")
}

// zipFile writes a zip archive of stored files whose checksums are known beforehand.
type zipFile struct {
	emit    func(item int, b []byte) error
	central []byte
	count   int
	at      int64
}

const dosDate = 1<<5 | 1 // 1 January 1980

func (z *zipFile) begin(name string, item int, crc uint32, size int64) error {
	le := binary.LittleEndian
	common := le.AppendUint16(nil, 20)                   // version needed
	common = le.AppendUint16(common, 1<<11)              // names are UTF-8
	common = le.AppendUint16(common, 0)                  // stored
	common = le.AppendUint16(common, 0)                  // time
	common = le.AppendUint16(common, dosDate)            // date
	common = le.AppendUint32(common, crc)                //
	common = le.AppendUint32(common, uint32(size))       // compressed
	common = le.AppendUint32(common, uint32(size))       // uncompressed
	common = le.AppendUint16(common, uint16(len(name)))  //
	common = le.AppendUint16(common, 0)                  // extra
	local := le.AppendUint32(nil, 0x04034b50)            //
	local = append(append(local, common...), name...)    //
	z.central = le.AppendUint32(z.central, 0x02014b50)   //
	z.central = le.AppendUint16(z.central, 20)           // made by
	z.central = append(z.central, common...)             //
	z.central = append(z.central, make([]byte, 10)...)   // comment, disk, attributes
	z.central = le.AppendUint32(z.central, uint32(z.at)) //
	z.central = append(z.central, name...)
	z.count++
	z.at += int64(len(local)) + size
	return z.emit(item, local)
}

func (z *zipFile) end() error {
	le := binary.LittleEndian
	b := le.AppendUint32(z.central, 0x06054b50)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint16(b, uint16(z.count))
	b = le.AppendUint16(b, uint16(z.count))
	b = le.AppendUint32(b, uint32(len(z.central)))
	b = le.AppendUint32(b, uint32(z.at))
	b = le.AppendUint16(b, 0)
	return z.emit(0, b)
}
