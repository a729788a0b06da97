// Package email reads mails as mail programs and providers let them out: single mails (EML, Apple's EMLX,
// Outlook's MSG), mbox files of all dialects, such as Google's Takeout and Thunderbird write them, and
// folders of mails such as a Maildir, also in a zip.
//
// A mail is taken apart by the package's own reader, which takes what programs write and not only what the
// standards allow, says where it had to, and never fails. Bodies and attachments are decoded; the bytes
// they were read from stay in the file. One mail at a time is in memory, however long the file is.
//
// Signatures are not checked, and nothing is fetched: pictures on the web stay there.
package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"sort"
	"strconv"
	"strings"

	"despatch/internal/capture"
)

// Parser reads mails. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "email" }
func (Parser) Version() string { return "1" }

// form is what sort of file holds mails.
type form string

const (
	formNone form = ""
	formEML  form = "eml"
	formEMLX form = "emlx" // Apple Mail: the length, the mail, a property list
	formMbox form = "mbox"
	formMSG  form = "msg"
	formPST  form = "pst"
)

const headSize = 16 << 10

// formOf says by its content what a member is.
func formOf(m *capture.Member) (form, error) {
	r, err := m.Open()
	if err != nil {
		return formNone, err
	}
	defer r.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return formNone, err
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("!BDN")):
		return formPST, nil
	case bytes.HasPrefix(head, cfbMagic):
		return msgForm(m)
	case bytes.HasPrefix(head, []byte("From ")):
		line, rest := cutLine(head)
		if separator(line) {
			if name, _, ok := fieldOf(firstLine(rest)); len(rest) == 0 || ok && name != "" || bytes.HasPrefix(rest, []byte(">From ")) {
				return formMbox, nil
			}
		}
		if isMail(rest, m.Name) { // a mail with the envelope's sender above it
			return formEML, nil
		}
		return formNone, nil
	}
	if line, rest := cutLine(head); len(line) > 0 && len(line) < 12 && len(bytes.Trim(line, "0123456789 ")) == 0 && isMail(rest, "") {
		return formEMLX, nil
	}
	if isMail(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), m.Name) {
		return formEML, nil
	}
	return formNone, nil
}

func firstLine(b []byte) []byte {
	line, _ := cutLine(b)
	return line
}

// isMail reports whether bytes begin as a mail does: fields from the first line on, of which one says who
// wrote it or when, and another is one that mails have; or fields of which one is of MIME. Of a file that
// is called a mail less is asked.
func isMail(head []byte, name string) bool {
	head = bytes.TrimLeft(head, " \t")
	first, _, ok := fieldOf(firstLine(head))
	if !ok || bytes.IndexByte(firstLine(head), 0) >= 0 {
		return false
	}
	h, _, odd := parseHeader(head)
	if odd > len(h)/4+1 || h.value("snapshot-content-location") != nil { // a saved web page
		return false
	}
	said, known := false, map[string]bool{}
	for _, f := range h {
		if mailFields[f.name] {
			known[f.name] = true
		}
		switch f.name {
		case "from", "date", "received", "message-id", "return-path", "sender":
			said = true
		}
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".eml", ".emlx", ".mime":
		return len(known) >= 1
	}
	if !mailFields[first] && !strings.HasPrefix(first, "x-") && !strings.HasPrefix(first, "arc-") && !strings.HasPrefix(first, "list-") &&
		!strings.HasPrefix(first, "resent-") && !strings.HasPrefix(first, "content-") {
		return false
	}
	kind := parseMedia(h.value("content-type")).kind
	mime := h.value("mime-version") != nil || strings.HasPrefix(kind, "multipart/") || kind == "message/rfc822" || kind != "" && h.value("content-transfer-encoding") != nil
	return said && len(known) >= 2 || mime && odd == 0
}

// found is a member that holds mails.
type found struct {
	*capture.Member
	form form
}

// find sorts the members of a source.
func find(ctx context.Context, src *capture.Source) (list []found, others int64, skipped []capture.Skip, err error) {
	members, skipped, err := src.Members()
	if err != nil {
		return nil, 0, nil, err
	}
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return nil, 0, nil, err
		}
		f, err := formOf(m)
		if err != nil {
			return nil, 0, nil, err
		}
		if f == formNone {
			others++
			continue
		}
		list = append(list, found{m, f})
	}
	return list, others, skipped, nil
}

// Recognise says whether the source holds mails: files of many, or mails that are half of its files at
// least. A mail among the pictures of a chat is one of its attachments.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	list, others, _, err := find(ctx, src)
	for _, m := range list {
		if m.form == formMbox || m.form == formPST || maildir(m.Label()) {
			return true, err
		}
	}
	return len(list) > 0 && int64(len(list)) >= others, err
}

// filtered is what no such file holds.
var filtered = []string{"deleted", "read_by_others", "remote_pictures"}

// Parse reads the mails of a source, one member after the other.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	run := capture.NewRun(capture.StatusUnreadable)
	run.Parser, run.Version, run.System = p.Name(), p.Version(), "email"
	run.Coverage.FilteredKinds, run.Reconciliation.Unit = filtered, "messages"
	list, others, skipped, err := find(ctx, src)
	if err != nil {
		return run, err
	}
	if len(list) == 0 {
		return run, &capture.FileError{File: src.Files[0].Name, Reason: "holds no mail", Remedy: "Save the mail in your mail program as an EML file, or export the folder as mbox."}
	}
	r := &reading{ctx: ctx, run: run, opt: opt, emit: emit, boxes: map[string]int{}}
	run.Variant = string(list[0].form)
	if len(list) > 1 && maildir(list[0].Label()) {
		run.Variant = "maildir"
	}
	for _, m := range list {
		if err := r.member(m); err != nil {
			r.conclude()
			return run, err
		}
	}
	run.Status = capture.StatusRead
	r.conclude()
	if len(src.Files) > 1 || list[0].Path != "" {
		c := &capture.Members{Total: int64(len(list)) + others, Chats: int64(len(list)), Unnamed: others, Skipped: append([]capture.Skip{}, skipped...)}
		for _, s := range skipped {
			c.Total += s.Count
		}
		c.Balance()
		run.Coverage.Members = c
	}
	return run, nil
}

// maildir reports whether a path is that of a mail in a Maildir.
func maildir(p string) bool {
	dir := path.Base(path.Dir(p))
	return dir == "cur" || dir == "new"
}

// reading is a pass over a source.
type reading struct {
	ctx     context.Context
	run     *capture.ParseRun
	opt     capture.Options
	emit    func(*capture.Observation) error
	ordinal int64
	boxes   map[string]int // by file and mailbox: place in run.Conversations
	people  []*people      // of each conversation
}

// member reads the mails of one member.
func (r *reading) member(m found) error {
	switch m.form {
	case formMbox:
		return r.mbox(m)
	case formPST:
		return &capture.FileError{File: m.Label(), Reason: "is a data file of Outlook (PST or OST), which Despatch does not read. It is kept whole",
			Remedy: "Open it in Outlook, drag the folder’s mails to a folder on the computer, which makes an MSG file of each, and hand these in. Or ask your IT desk to turn it into mbox or EML files, for which readpst is one program"}
	case formMSG:
		return r.msg(m)
	}
	return r.eml(m)
}

// box returns the mailbox that a member's mails are in: the member itself, or the folder it lies in.
func (r *reading) box(m found, title, id, where string) int {
	key := string(m.File.SHA256[:]) + "\x00" + id + "\x00" + where
	i, ok := r.boxes[key]
	if !ok {
		i = len(r.run.Conversations)
		r.boxes[key] = i
		r.run.Conversations = append(r.run.Conversations, capture.Conversation{Title: title, Kind: "mailbox", ID: id, Path: where, Participants: []capture.Participant{}})
		r.people = append(r.people, newPeople())
	}
	return i
}

// folderOf returns the mailbox of a mail in a container: the folder it lies in.
func folderOf(p string) string {
	dir := path.Dir(p)
	if maildir(p) {
		dir = path.Dir(dir)
	}
	if dir == "." || dir == "/" {
		return ""
	}
	return dir
}

// eml reads a member that is one mail.
func (r *reading) eml(m found) error {
	in, err := m.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha256.New()
	raw := bytes.NewBuffer(make([]byte, 0, min(m.Size+bytes.MinRead, maxMail+bytes.MinRead)))
	if _, err := raw.ReadFrom(io.TeeReader(io.LimitReader(in, maxMail), sum)); err != nil {
		return err
	}
	n, err := io.Copy(sum, in)
	if err != nil {
		return err
	}
	mail := raw.Bytes()
	size := int64(len(mail)) + n
	if m.form == formEMLX {
		line, rest := cutLine(mail)
		if want, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil && want >= 0 && want <= len(rest) {
			rest = rest[:want]
		}
		mail = rest
	}
	mail = bytes.TrimPrefix(mail, []byte("\xEF\xBB\xBF"))
	l := readMail(mail, r.opt)
	if n > 0 {
		l.tooLarge()
	}
	folder := ""
	if m.Path != "" {
		folder = folderOf(m.Path)
		l.flags(m.Name)
	} else if maildir(m.File.Name) {
		l.flags(path.Base(m.File.Name))
	}
	o := l.obs
	var total [32]byte
	sum.Sum(total[:0])
	o.Origin = capture.Origin{Path: m.Path, ByteEnd: size, Line: 1, Lines: int64(bytes.Count(raw.Bytes(), []byte{'\n'})), RawSHA256: hex.EncodeToString(total[:])}
	title, id, where := path.Base(folder), "", m.Path
	if m.Path == "" {
		title = o.Subject
	} else {
		id, where = folder, folder
		if id == "" {
			id, title = "/", strings.TrimSuffix(m.File.Name, path.Ext(m.File.Name))
		}
		o.Chat = id
	}
	if title == "" {
		title = m.Label()
	}
	r.run.Reconciliation.InFile++
	r.run.Coverage.Bytes += size
	return r.give(m, l, r.box(m, title, id, where))
}

// tooLarge says that a mail is longer than what is read of it.
func (l *letter) tooLarge() {
	l.doubt("too_large", fmt.Sprintf("It is longer than %d MB. Only its beginning was read; its last attachment is cut short.", maxMail>>20))
	if n := len(l.obs.Attachments); n > 0 {
		l.obs.Attachments[n-1].Presence, l.obs.Attachments[n-1].Open = capture.Corrupt, nil
		l.obs.Attachments[n-1].SHA256, l.obs.Attachments[n-1].Size = "", 0
	}
}

// flags reads the marks in the name of a file of a Maildir: ":2,DFRST".
func (l *letter) flags(name string) {
	i := max(strings.LastIndex(name, ":2,"), strings.LastIndex(name, ";2,"), strings.LastIndex(name, "!2,"))
	if i < 0 {
		return
	}
	marks := name[i+3:]
	if strings.Contains(marks, "D") {
		l.obs.State.Status = "draft"
	}
	if strings.Contains(marks, "T") {
		l.obs.State.Deleted, l.obs.State.DeletedBy = true, "exporter"
	}
}

// mbox reads a member that holds many mails, in two passes: to settle the dialect, and to read.
func (r *reading) mbox(m found) error {
	e, err := r.survey(m)
	if err != nil {
		return err
	}
	d := e.dialect()
	r.run.Decide(d)
	in, err := m.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	title := strings.TrimSuffix(path.Base(m.Name), ".mbox")
	if title == "mbox" { // Apple Mail: Folder.mbox/mbox
		title = strings.TrimSuffix(path.Base(path.Dir(m.Label())), ".mbox")
	}
	box := r.box(m, title, "", m.Path)
	s := newSplitter(in, true)
	err = s.mails(r.ctx, func(p *piece) error {
		r.run.Reconciliation.InFile++
		mail := p.mailOf(d.Value)
		l := readMail(mail, r.opt)
		if p.cut {
			l.tooLarge()
		}
		if (d.Value == dialectO || d.Value == dialectCL) && quotedLine(mail) {
			l.doubt("from_quoted", "A line begins with “>From ”. Its mark may have been put there by the program that wrote the file.")
		}
		l.obs.Origin = capture.Origin{Path: m.Path, ByteStart: p.start, ByteEnd: p.end, Line: p.line, Lines: p.lines, RawSHA256: hex.EncodeToString(p.sum[:])}
		return r.give(m, l, box)
	})
	r.run.Coverage.Bytes += s.off
	r.run.Coverage.BytesCovered += s.before
	if s.before > 0 {
		r.run.Warn(capture.Warning{Code: "before_first_message", Detail: fmt.Sprintf("%d bytes stand before the first mail of “%s”. They are kept with the file.", s.before, m.Label())})
	}
	return err
}

// survey makes the first pass over an mbox.
func (r *reading) survey(m found) (*evidence, error) {
	in, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	s := newSplitter(in, false)
	err = s.mails(r.ctx, func(*piece) error { return nil })
	return &s.evidence, err
}

// give completes a mail and hands it out.
func (r *reading) give(m found, l *letter, box int) error {
	o := l.obs
	o.Conversation, o.Ordinal = box, r.ordinal
	r.ordinal++
	o.Origin.FileSHA256 = hex.EncodeToString(m.File.SHA256[:])
	o.ID = capture.ObservationID(m.File.SHA256, o.Origin.Path, o.Origin.ByteStart, o.Origin.ByteEnd, 0)
	p := r.people[box]
	p.mailbox(l.mailbox)
	if len(l.from) > 0 {
		o.Sender = p.of(l.from[0], true)
	}
	if o.Sender == "" {
		o.Sender = unknownSender
	}
	if len(l.from) > 1 {
		l.doubt("several_senders", "It names several writers. The first is taken.")
		for _, a := range l.from[1:] {
			o.To = append(o.To, capture.Recipient{Name: p.of(a, false), Role: "from"})
		}
	}
	for _, t := range l.to {
		o.To = append(o.To, capture.Recipient{Name: p.of(t.address, false), Role: t.role})
	}
	c := &r.run.Coverage
	c.BytesCovered += o.Origin.ByteEnd - o.Origin.ByteStart
	c.Messages++
	if o.Sent.Precision != "none" {
		at := o.Sent
		if c.First == nil || at.Min < c.First.Min {
			c.First = &at
		}
		if c.Last == nil || at.Max > c.Last.Max {
			c.Last = &at
		}
	}
	r.run.Reconciliation.Items++
	return r.emit(o)
}

const unknownSender = "(unknown)"

// conclude writes what was learnt of the people, and adds up.
func (r *reading) conclude() {
	for i, p := range r.people {
		c := &r.run.Conversations[i]
		self := r.opt.Self
		if self == "" {
			self = p.owner()
		}
		c.Viewpoint = self
		c.Participants = p.participants(self)
		if p.full {
			r.run.Warn(capture.Warning{Code: "too_many_senders", Detail: fmt.Sprintf("More than %d people and addresses stand in “%s”. Not all are listed as participants.", maxPeople, c.Title)})
		}
	}
	r.run.Reconciliation.Balance()
}

// maxPeople bounds the writers and recipients that are listed of one mailbox.
const maxPeople = 20_000

// people are those who stand in the mails of one mailbox. Somebody is a name with an address; the same
// address under another name is listed again, for it may be another person.
type people struct {
	list   []capture.Participant
	at     map[address]int
	names  map[string]bool
	owners map[string]int64
	full   bool
}

func newPeople() *people {
	return &people{at: map[address]int{}, names: map[string]bool{}, owners: map[string]int64{}}
}

// of returns the name of somebody in this mailbox: as written, or with the address if there are two of the
// name.
func (p *people) of(a address, wrote bool) string {
	a.name, a.email = strings.ToValidUTF8(a.name, "\uFFFD"), strings.ToValidUTF8(a.email, "\uFFFD")
	key := address{a.name, strings.ToLower(a.email)}
	i, ok := p.at[key]
	if !ok {
		name := a.label()
		if p.names[name] && a.name != "" && a.email != "" {
			name = a.name + " <" + a.email + ">"
		}
		if len(p.list) >= maxPeople {
			p.full = true
			if a.name != "" && a.email != "" {
				return a.name + " <" + a.email + ">"
			}
			return name
		}
		i = len(p.list)
		p.at[key] = i
		p.names[name] = true
		one := capture.Participant{Name: name, IsSelf: capture.Unknown}
		if a.email != "" {
			one.Identifiers = []capture.Identifier{{Type: "email", Value: a.email}}
		}
		p.list = append(p.list, one)
	}
	if wrote {
		p.list[i].Messages++
	}
	return p.list[i].Name
}

func (p *people) mailbox(address string) {
	if address != "" && (len(p.owners) < 1000 || p.owners[address] > 0) {
		p.owners[address]++
	}
}

// owner returns the address that the mails were delivered to: that of most of them, if it is that of more
// than half.
func (p *people) owner() string {
	best, sum := "", int64(0)
	for a, n := range p.owners {
		sum += n
		if n > p.owners[best] || n == p.owners[best] && a < best {
			best = a
		}
	}
	if p.owners[best]*2 <= sum {
		return ""
	}
	return best
}

// participants returns the people, those who wrote most first.
func (p *people) participants(self string) []capture.Participant {
	for i := range p.list {
		for _, id := range p.list[i].Identifiers {
			if self != "" && strings.EqualFold(id.Value, self) {
				p.list[i].IsSelf = capture.Yes
			}
		}
		if self != "" && p.list[i].Name == self {
			p.list[i].IsSelf = capture.Yes
		}
	}
	sort.SliceStable(p.list, func(i, j int) bool { return p.list[i].Messages > p.list[j].Messages })
	return p.list
}
