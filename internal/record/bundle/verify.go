package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/record"
)

// Check is what a bundle is checked against. Both may be empty: then the bundle's own key and checkpoint are taken on
// trust, which the report says.
type Check struct {
	Key        string // verifier key of the log
	Checkpoint []byte // signed checkpoint of the log, had from somebody else
}

// Report says what was checked and what was found.
type Report struct {
	Header        Header
	Key           string // under which signatures were checked
	Trusted       bool   // the key was given, not taken from the bundle
	Checkpoint    record.Checkpoint
	Matched       bool   // the checkpoint given is of the same size and root
	Totals        Totals // of the items read
	Conversations []ConversationReport

	Problems []Problem // at most maxProblems of them
	Count    int       // how many there are
	Notes    []string  // what was not checked, and why
}

// Genuine reports whether everything that was checked holds.
func (r *Report) Genuine() bool { return r.Count == 0 }

// ConversationReport is what was found of one conversation.
type ConversationReport struct {
	Conversation
	Entries  int    // of this conversation, in the bundle
	Items    int    //
	Before   string // when the entry just before the range was recorded, if it is in the bundle
	After    string // when the entry just after it was recorded, if it is in the bundle
	Complete bool   // every entry of the range is in the bundle
}

// Problem is something that is not as it ought to be.
type Problem struct {
	Item     int    `json:"item,omitempty"` // number, 0 if it is about no item
	Position int64  `json:"position"`       // of the item on the record, -1 if it is not known
	Sender   string `json:"sender,omitempty"`
	Time     string `json:"time,omitempty"`
	File     string `json:"file,omitempty"`
	What     string `json:"what"`
}

func (p Problem) String() string {
	var b strings.Builder
	if p.Item > 0 {
		fmt.Fprintf(&b, "Item %d", p.Item)
		if p.Position >= 0 {
			fmt.Fprintf(&b, " (position %d", p.Position)
			if p.Sender != "" {
				fmt.Fprintf(&b, ", from %s", p.Sender)
			}
			if p.Time != "" {
				fmt.Fprintf(&b, ", %s", p.Time)
			}
			b.WriteByte(')')
		}
		b.WriteString(" is not genuine: ")
	}
	b.WriteString(p.What)
	if p.File != "" {
		b.WriteString(" [" + p.File + "]")
	}
	return b.String()
}

const maxProblems = 1000

// Limits against archives made to exhaust whoever opens them.
const (
	maxFiles  = 2_000_000
	maxRatio  = 400      // of uncompressed to compressed
	maxLine   = 64 << 20 // of items.json and entries.jsonl
	smallFile = 64 << 20 // of files that are read whole
)

// Verify checks a bundle. It returns an error only if the bundle cannot be read as one at all.
func Verify(ctx context.Context, r io.ReaderAt, size int64, check Check) (*Report, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("not a zip archive: %w", err)
	}
	report, again, err := verifyOnce(ctx, z, size, check, false)
	if again {
		report, _, err = verifyOnce(ctx, z, size, check, true)
	}
	return report, err
}

// verifyOnce checks the bundle once. Seals are looked at first if sealsFirst is set, or if the manifest's signature does
// not hold: they say which items to believe. If it turns out only later that items.json is not what was signed, again
// is set.
func verifyOnce(ctx context.Context, z *zip.Reader, size int64, check Check, sealsFirst bool) (r *Report, again bool, err error) {
	v := &verifier{ctx: ctx, check: check, files: make(map[string]*zip.File), hashes: make(map[string]File),
		media: make(map[string]mediaState), broken: make(map[int]bool), report: &Report{}}
	if err := v.directory(z, size); err != nil {
		return nil, false, err
	}
	if v.files[itemsFile] == nil && v.files[manifestFile] == nil {
		return nil, false, errors.New("not a disclosure bundle: it has neither " + itemsFile + " nor " + manifestFile)
	}
	if err := v.signatures(); err != nil {
		return nil, false, err
	}
	if err := v.mediaFiles(); err != nil {
		return nil, false, err
	}
	sealsFirst = v.vouched && (sealsFirst || !v.signed)
	if sealsFirst {
		if err := v.seals(); err != nil {
			return nil, false, err
		}
	}
	if err := v.items(); err != nil {
		return nil, false, err
	}
	v.inclusion()
	v.manifestFiles()
	if v.vouched && !sealsFirst {
		if !v.itemsSigned() {
			return nil, true, nil
		}
		if v.suspect {
			if err := v.seals(); err != nil {
				return nil, false, err
			}
		}
	}
	v.summary()
	return v.report, false, ctx.Err()
}

type verifier struct {
	ctx    context.Context
	check  Check
	files  map[string]*zip.File
	report *Report
	mu     sync.Mutex      // guards the report's problems, and hashes
	hashes map[string]File // of files as they are, guarded by mu

	key      note.Verifier
	vkey     string // the text of the bundle's own key file
	vouched  bool   // seals can be checked: the key is the one the bundle was sealed with, as far as it says
	signed   bool   // the manifest's signature holds
	suspect  bool   // something is wrong that no item is known to be guilty of
	manifest Manifest
	media    map[string]mediaState

	leaves []record.Leaf
	broken map[int]bool // items whose seal does not hold; set before items are read, guarded by mu until then
}

type mediaState struct {
	file    mediaFile
	problem string
	used    bool
}

func (v *verifier) problem(p Problem) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Count++
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, p)
	}
}

// bad notes a problem of no item in particular.
func (v *verifier) bad(file, format string, args ...any) {
	v.problem(Problem{Position: -1, File: file, What: fmt.Sprintf(format, args...)})
}

// badItem notes a problem of an item.
func (v *verifier) badItem(it *Item, file, format string, args ...any) {
	v.problem(Problem{Item: it.Number, Position: it.Position, Sender: it.sender(), Time: it.when(), File: file, What: fmt.Sprintf(format, args...)})
}

// sender is who sent the item, if that is known.
func (it *Item) sender() string {
	if it.Sender == "" && it.SenderName == "" {
		return ""
	}
	return it.from()
}

// directory looks at the archive's list of files before anything is unpacked.
func (v *verifier) directory(z *zip.Reader, size int64) error {
	if len(z.File) > maxFiles {
		return fmt.Errorf("the archive has %d files, more than %d", len(z.File), maxFiles)
	}
	var total uint64
	for _, f := range z.File {
		if f.UncompressedSize64 > 1<<50 {
			return fmt.Errorf("the archive says %.100q is %d bytes long", f.Name, f.UncompressedSize64)
		}
		total += f.UncompressedSize64
		switch {
		case !allowed(f.Name):
			v.bad("", "the archive has a file that does not belong there: %.200q", f.Name)
		case v.files[f.Name] != nil:
			v.bad(f.Name, "the archive has this file twice")
		default:
			v.files[f.Name] = f
		}
	}
	if total > uint64(size)*maxRatio+smallFile {
		return fmt.Errorf("the archive would unpack to %d bytes, more than %d times its size", total, maxRatio)
	}
	for _, name := range []string{readmeFile, indexFile, itemsFile, csvFile, entriesFile, inclusionFile, checkpointFile, keyFile, manifestFile, noteFile} {
		if v.files[name] == nil {
			v.bad(name, "the file is missing")
		}
	}
	return nil
}

// allowed reports whether a bundle has a file of that name. Nothing else is ever opened, and nothing is ever unpacked
// to disk.
func allowed(name string) bool {
	switch name {
	case readmeFile, indexFile, itemsFile, csvFile, entriesFile, inclusionFile, checkpointFile, keyFile, manifestFile, noteFile:
		return true
	}
	numbered := func(prefix, suffix string) bool {
		s, ok := strings.CutPrefix(name, prefix)
		s, ok2 := strings.CutSuffix(s, suffix)
		return ok && ok2 && len(s) >= 4 && strings.Trim(s, "0123456789") == ""
	}
	if numbered("pages/", ".html") || numbered("rsmf/", ".rsmf") {
		return true
	}
	s, ok := strings.CutPrefix(name, "media/")
	if !ok || len(s) < 64 || strings.Trim(s[:64], "0123456789abcdef") != "" {
		return false
	}
	return s[64:] == "" || s[64] == '.' && extension(s[64:]) == s[64:]
}

// small reads a file that is small in any bundle.
func (v *verifier) small(name string) []byte {
	f := v.files[name]
	if f == nil {
		return nil
	}
	if f.UncompressedSize64 > smallFile {
		v.bad(name, "the file is too large")
		return nil
	}
	r, err := f.Open()
	if err != nil {
		v.bad(name, "the file is damaged: %v", err)
		return nil
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, smallFile+1))
	if err != nil {
		v.bad(name, "the file is damaged: %v", err)
	}
	sum := sha256.Sum256(b)
	v.hashes[name] = File{Path: name, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}
	return b
}

// signatures settles under which key the bundle is checked, and checks manifest and checkpoint.
func (v *verifier) signatures() error {
	r := v.report
	v.vkey = strings.TrimSuffix(string(v.small(keyFile)), "\n")
	own, err := note.NewVerifier(v.vkey)
	if err != nil {
		v.bad(keyFile, "the bundle's key cannot be read")
	}
	v.key, v.vouched, r.Key = own, err == nil, v.vkey
	if v.check.Key != "" {
		r.Trusted, r.Key = true, v.check.Key
		if v.key, err = note.NewVerifier(v.check.Key); err != nil {
			return fmt.Errorf("the key that was given cannot be read: %w", err)
		}
		if v.vkey != v.check.Key {
			v.bad(keyFile, "the bundle names another key than the one you gave: nothing in it is vouched for by yours")
		}
		v.vouched = v.vouched && own.KeyHash() == v.key.KeyHash() && own.Name() == v.key.Name()
	}
	text, msg := v.small(manifestFile), v.small(noteFile)
	if err := parseLine(text, &v.manifest, func(m *Manifest) []byte { return m.append(nil) }); err != nil {
		v.bad(manifestFile, "the manifest cannot be read: %v", err)
	}
	if v.key == nil {
		return nil
	}
	if n, err := note.Open(msg, note.VerifierList(v.key)); err != nil {
		v.bad(noteFile, "the manifest's signature does not hold")
	} else if n.Text != noteText(v.manifest.Bundle, v.key.Name(), sha256.Sum256(text)) {
		v.bad(manifestFile, "the manifest is not the one that was signed")
	} else {
		v.signed = true
	}
	cp, err := record.OpenCheckpoint(v.small(checkpointFile), v.key)
	if err != nil {
		v.bad(checkpointFile, "the checkpoint's signature does not hold: without it nothing can be shown to be on the record")
	}
	r.Checkpoint = cp
	return v.outside(cp, err == nil)
}

// outside compares the bundle's checkpoint with one from elsewhere.
func (v *verifier) outside(cp record.Checkpoint, ok bool) error {
	if v.check.Checkpoint == nil {
		return nil
	}
	given, err := record.OpenCheckpoint(v.check.Checkpoint, v.key)
	if err != nil {
		return fmt.Errorf("the checkpoint that was given does not bear the signature of %s: %w", v.key.Name(), err)
	}
	switch {
	case !ok:
	case given.Size != cp.Size:
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("The checkpoint you gave is of %d entries, the bundle's of %d. "+
			"They can only be compared with a proof of consistency, which the department's server gives to anyone.", given.Size, cp.Size))
	case given.Root != cp.Root:
		v.bad(checkpointFile, "the checkpoint is of as many entries as the one you gave but of another tree: the department has shown two different records")
	default:
		v.report.Matched = true
	}
	return nil
}

// mediaFiles hashes the attached files, so that the items can be compared with them.
func (v *verifier) mediaFiles() error {
	for name, f := range v.files {
		if !strings.HasPrefix(name, "media/") {
			continue
		}
		if err := v.ctx.Err(); err != nil {
			return err
		}
		var m mediaState
		sum, crc := sha256.New(), crc32.NewIEEE()
		rc, err := f.Open()
		if err == nil {
			m.file.size, err = io.Copy(io.MultiWriter(sum, crc), rc)
			rc.Close()
		}
		m.file.sha256, m.file.crc = hex.EncodeToString(sum.Sum(nil)), crc.Sum32()
		v.hashes[name] = File{Path: name, Size: m.file.size, SHA256: m.file.sha256}
		if err != nil {
			m.problem = "its attached file is damaged"
		} else if m.file.sha256 != name[len("media/"):][:64] {
			m.problem = "its attached file is not the one that was disclosed"
		}
		v.media[name] = m
	}
	return nil
}

// conversation is one under check.
type conversation struct {
	Conversation
	tag     [32]byte
	hasTag  bool
	entries []numbered
	items   int
}

type numbered struct {
	seq      uint64
	position int64
	time     int64
}

// step is what the reader of items.json hands to the maker of the readable files.
type step struct {
	conversation *Conversation
	item         *Item // nil if it could not be read
}

// items reads items.json and proof/entries.jsonl side by side, checks each item against its entries, and has the
// readable files compared at the same time.
func (v *verifier) items() error {
	steps := make(chan []step, 8)
	done := make(chan error, 1)
	header := make(chan Header, 1)
	go func() { done <- v.compare(header, steps) }()
	err := v.readItems(header, steps)
	close(steps)
	if cerr := <-done; err == nil {
		err = cerr
	}
	return err
}

func (v *verifier) open(name string) *window {
	f := v.files[name]
	if f == nil {
		return newWindow(io.NopCloser(bytes.NewReader(nil)))
	}
	r, err := f.Open()
	if err != nil {
		v.bad(name, "the file is damaged: %v", err)
		return newWindow(io.NopCloser(bytes.NewReader(nil)))
	}
	return newWindow(r)
}

// close notes the hash of a file that was read to its end.
func (v *verifier) close(name string, w *window) {
	size, sum := w.finish()
	if err := w.damaged(); err != nil {
		v.bad(name, "the file is damaged: %v", err)
	}
	v.mu.Lock()
	v.hashes[name] = File{Path: name, Size: size, SHA256: sum}
	v.mu.Unlock()
}

func (v *verifier) readItems(header chan<- Header, steps chan<- []step) error {
	defer close(header)
	w := v.open(itemsFile)
	defer v.close(itemsFile, w)
	entries := &entryReader{w: v.open(entriesFile), v: v}
	defer v.close(entriesFile, entries.w)

	line, err := w.line(maxLine)
	h, ok := parseFirst(line)
	if err != nil || !ok {
		v.bad(itemsFile, "its beginning cannot be read")
	}
	v.report.Header = h
	header <- h

	var batch []step
	send := func(s step) {
		if batch = append(batch, s); len(batch) == 64 {
			steps <- batch
			batch = nil
		}
	}
	next := 1 // number of the next item
	convs := 0
	var conv *conversation
	var scratch []byte
	state := inConversations
	for {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		line, err := w.line(maxLine)
		if err == io.EOF {
			break
		}
		if err != nil {
			v.badItem(&Item{Number: next, Position: -1}, itemsFile, "the file cannot be read from here on: %v", err)
			v.suspect = true
			break
		}
		switch {
		case state == afterEnd:
			v.bad(itemsFile, "it goes on after its end")
		case state == inConversations && string(line) == "]}":
			state = afterEnd
		case state == inConversations:
			convs++
			conv = v.conversation(line, convs)
			send(step{conversation: &conv.Conversation})
			state = inItems
		case string(line) == "]}" || string(line) == "]},":
			entries.context(conv)
			v.endConversation(conv)
			state = inConversations
		default:
			var it *Item
			it, scratch, err = parseItem(bytes.TrimSuffix(line, []byte(",")), scratch)
			if err != nil || it.Number != next {
				v.unreadable(next, it, err)
				it = nil
			} else {
				v.report.Totals.add(it.Status)
				it = v.item(conv, it, entries.item(conv, it))
			}
			conv.items++
			send(step{item: it})
			next++
		}
	}
	if state != afterEnd {
		v.bad(itemsFile, "the file ends too early")
	}
	entries.rest()
	if len(batch) > 0 {
		steps <- batch
	}
	if ok && v.report.Totals != h.Totals {
		v.bad(itemsFile, "it has %d items, of which %d released, %d redacted and %d withheld, not the numbers at its beginning",
			v.report.Totals.Items, v.report.Totals.Released, v.report.Totals.Redacted, v.report.Totals.Withheld)
	}
	return nil
}

const (
	inConversations = iota
	inItems
	afterEnd
)

// unreadable reports an item whose line is not in form, with what can be told of it all the same.
func (v *verifier) unreadable(number int, it *Item, err error) {
	if it == nil || it.Number != number {
		it = &Item{Number: number, Position: -1}
	}
	if err == nil {
		err = errors.New("it is out of its place")
	}
	v.badItem(it, itemsFile, "its line cannot be read: %v", err)
	v.suspect = true
}

func parseFirst(line []byte) (Header, bool) {
	prefix, suffix := `{"format":"`+Format+`","header":`, `,"conversations":[`
	s, ok := bytes.CutPrefix(line, []byte(prefix))
	s, ok2 := bytes.CutSuffix(s, []byte(suffix))
	var h Header
	if !ok || !ok2 || parseLine(s, &h, func(h *Header) []byte { return h.append(nil, true) }) != nil {
		return h, false
	}
	return h, true
}

func (v *verifier) conversation(line []byte, number int) *conversation {
	c := new(conversation)
	s, ok := bytes.CutPrefix(line, []byte(`{"conversation":`))
	s, ok2 := bytes.CutSuffix(s, []byte(`,"items":[`))
	err := errForm
	if ok && ok2 {
		err = parseLine(s, &c.Conversation, func(c *Conversation) []byte { return c.append(nil, true) })
	}
	salt, err2 := base64.StdEncoding.DecodeString(c.Salt)
	if err != nil || c.Number != number {
		v.bad(itemsFile, "what it says about conversation %d cannot be read", number)
		v.suspect = true
	} else if err2 != nil || len(salt) != 32 {
		v.bad(itemsFile, "the salt of conversation %d cannot be read", number)
	} else {
		c.tag, c.hasTag = record.ScopeTag([32]byte(salt), c.Scope), true
	}
	c.Number = number
	return c
}

// entryReader reads proof/entries.jsonl with two lines in advance: so one line that says it belongs elsewhere does not
// take those after it with it.
type entryReader struct {
	w     *window
	v     *verifier // nil if nothing is to be reported or proven
	keep  bool      // keep the lines' text
	ahead []*entryLine
	eof   bool

	scratch []byte
}

// peek returns the i'th line in advance, 0 or 1, or nil.
func (r *entryReader) peek(i int) *entryLine {
	for len(r.ahead) <= i && !r.eof {
		text, err := r.w.line(maxLine)
		if err != nil {
			r.eof = true
			break
		}
		var l *entryLine
		l, r.scratch, err = parseEntryLine(text, r.scratch)
		if l.err = err; err != nil {
			l.Item = itemOf(text)
		}
		if r.keep {
			l.text = bytes.Clone(text)
		}
		r.ahead = append(r.ahead, l)
	}
	if i < len(r.ahead) {
		return r.ahead[i]
	}
	return nil
}

func (r *entryReader) drop() { r.ahead = append(r.ahead[:0], r.ahead[1:]...) }

// item returns the lines of an item, with those that cannot be read or say that they belong elsewhere if one is missing
// where they stand.
func (r *entryReader) item(c *conversation, it *Item) []*entryLine {
	var lines []*entryLine
	for {
		l := r.peek(0)
		if l == nil {
			return lines
		}
		wanting := len(lines) < len(it.Entries)
		switch {
		case r.v == nil && l.err == nil && l.Role == RoleContext:
			r.drop()
			continue
		case l.Item == it.Number:
		case wanting && (l.err != nil || l.Position == it.Entries[len(lines)]):
		case l.Item != 0 && l.Item < it.Number: // of an item whose own line could not be read
			r.drop()
			if r.v != nil && l.err == nil {
				r.v.entry(c, l, nil)
			}
			continue
		case wanting && r.peek(1) != nil && r.peek(1).Item == it.Number:
			r.stray(l)
			continue
		default:
			return lines
		}
		r.drop()
		lines = append(lines, l)
	}
}

// stray drops a line that belongs to nothing.
func (r *entryReader) stray(l *entryLine) {
	r.drop()
	if r.v != nil {
		r.v.bad(entriesFile, "the entry at position %d belongs to nothing", l.Position)
		r.v.suspect = true
	}
}

// context takes the entries of a conversation that belong to no item.
func (r *entryReader) context(c *conversation) {
	for {
		l := r.peek(0)
		if l == nil || l.err == nil && l.Conversation > c.Number {
			return
		}
		r.drop()
		switch {
		case l.err != nil:
			r.v.bad(entriesFile, "an entry of conversation %d cannot be read: %v", c.Number, l.err)
			r.v.suspect = true
		case l.Item == 0 && (l.Role != RoleContext || l.Salt != nil || l.Conversation != c.Number):
			r.v.bad(entriesFile, "the entry at position %d is not what it is said to be", l.Position)
		default:
			r.v.entry(c, l, nil)
		}
	}
}

func (r *entryReader) rest() {
	for l := r.peek(0); l != nil; l = r.peek(0) {
		r.stray(l)
	}
}

// entry takes an entry, of an item or of none, into the proof and into its conversation's sequence.
func (v *verifier) entry(c *conversation, l *entryLine, it *Item) (ok bool) {
	v.leaves = append(v.leaves, record.Leaf{Position: l.Position, Hash: record.LeafHash(&l.Entry)})
	if l.Role == RoleMedia && l.Conversation == 0 {
		return true
	}
	if c.hasTag && l.Entry.ScopeTag != c.tag {
		if it == nil {
			v.bad(entriesFile, "the entry at position %d was recorded in another conversation", l.Position)
		} else {
			v.badItem(it, entriesFile, "its entry at position %d was recorded in another conversation", l.Position)
		}
		return false
	}
	c.entries = append(c.entries, numbered{l.Entry.Seq, l.Position, l.Entry.Time})
	return true
}

// item checks one item against its entries. It returns the item as the readable files ought to show it: as it was
// recorded, if that is known to be otherwise than items.json says, and nil if it is not known.
func (v *verifier) item(c *conversation, it *Item, lines []*entryLine) *Item {
	for i := range it.Attachments {
		v.attachment(it, &it.Attachments[i])
	}
	parts := make([]Part, 0, len(lines))
	whole := true
	for i, l := range lines {
		switch {
		case l.err != nil:
			v.badItem(it, entriesFile, "its entry on the record cannot be read: %v", l.err)
			v.suspect, whole = true, false
		case !v.entry(c, l, it):
			whole = false
		case l.Item != it.Number || l.Conversation != c.Number && l.Role != RoleMedia || i >= len(it.Entries) || l.Position != it.Entries[i]:
			v.badItem(it, entriesFile, "its entry at position %d is not filed as %s has it", l.Position, itemsFile)
			v.suspect, whole = true, false
		}
		parts = append(parts, l.Part)
	}
	switch {
	case !whole:
	case len(lines) != len(it.Entries) || len(parts) == 0:
		v.badItem(it, entriesFile, "it says it has %d entries on the record, but %d are there", len(it.Entries), len(lines))
		v.suspect = true
	default:
		v.place(it, &parts[0])
		if it.Status == Released {
			return v.released(c, it, parts)
		}
		v.kept(it, parts)
	}
	if it.Status != Released && v.broken[it.Number] {
		return nil
	}
	return it
}

// place compares where and when an item says it was recorded with its entry.
func (v *verifier) place(it *Item, p *Part) {
	if it.Position != p.Position || it.Sequence != p.Entry.Seq || it.Recorded != FormatTime(p.Entry.Time) {
		v.badItem(it, itemsFile, "it was recorded at position %d as number %d of its conversation on %s, which is not what it says",
			p.Position, p.Entry.Seq, FormatTime(p.Entry.Time))
	}
}

// kept checks an item that is redacted or withheld.
func (v *verifier) kept(it *Item, parts []Part) {
	for i := range parts {
		if parts[i].Salt != nil {
			v.badItem(it, entriesFile, "it is %s, but its recorded body is in the bundle", it.Status)
			return
		}
	}
	if it.Status != Redacted && it.Status != Withheld {
		v.badItem(it, itemsFile, "its status is %.40q, which there is not", it.Status)
	}
}

// released checks what an item says against the bodies that were recorded, and returns it as it was recorded.
func (v *verifier) released(c *conversation, it *Item, parts []Part) *Item {
	for i := range parts {
		p := &parts[i]
		if p.Salt == nil {
			v.badItem(it, entriesFile, "it is released, but its recorded body at position %d is not in the bundle", p.Position)
			return it
		}
		if record.Commit(p.Salt, p.Body) != p.Entry.Commitment {
			v.badItem(it, entriesFile, "its body at position %d is not the one that was recorded", p.Position)
			return it
		}
	}
	derived, err := Derive(parts, c.RoomVersion)
	if err != nil {
		v.badItem(it, entriesFile, "its recorded body cannot be read: %v", err)
		return it
	}
	if it.Content.same(&derived) {
		return it
	}
	v.badItem(it, itemsFile, "%s", difference(&it.Content, &derived))
	recorded := *it
	recorded.Content = it.Content.adopt(&derived)
	return &recorded
}

// difference says in words what is shown otherwise than it was recorded.
func difference(shown, recorded *Content) string {
	switch {
	case shown.Text != recorded.Text:
		return fmt.Sprintf("its text is not the one that was recorded, which is %.300q", recorded.Text)
	case shown.Sender != recorded.Sender:
		return fmt.Sprintf("its sender is not the one that was recorded, who is %s", recorded.Sender)
	case shown.Sent != recorded.Sent:
		return fmt.Sprintf("the time it was sent is not the one that was recorded, which is %s", recorded.Sent)
	case shown.ID != recorded.ID:
		return "its id is not that of what was recorded"
	case len(shown.Attachments) != len(recorded.Attachments):
		return fmt.Sprintf("it was recorded with %d attachments and is shown with %d", len(recorded.Attachments), len(shown.Attachments))
	case (shown.Deleted == nil) != (recorded.Deleted == nil):
		return "whether it was deleted is not shown as it was recorded"
	case len(shown.Edits) != len(recorded.Edits):
		return fmt.Sprintf("it was recorded with %d edits and is shown with %d", len(recorded.Edits), len(shown.Edits))
	}
	return "its edits, reactions, deletion or attachments are not shown as they were recorded"
}

func (v *verifier) attachment(it *Item, a *Attachment) {
	if a.File == "" {
		return
	}
	m, ok := v.media[a.File]
	switch {
	case !ok:
		v.badItem(it, a.File, "its attached file is missing")
	case m.problem != "":
		v.badItem(it, a.File, "%s", m.problem)
	case a.SHA256 != m.file.sha256:
		v.badItem(it, a.File, "its attached file is not the one it names")
	}
	m.used = true
	v.media[a.File] = m
}

// endConversation checks that the sequence numbers of a conversation are as it says.
func (v *verifier) endConversation(c *conversation) {
	rep := ConversationReport{Conversation: c.Conversation, Entries: len(c.entries), Items: c.items}
	sort.Slice(c.entries, func(i, j int) bool { return c.entries[i].seq < c.entries[j].seq })
	have := uint64(0) // how many of the range
	for i, e := range c.entries {
		if i > 0 {
			p := c.entries[i-1]
			if p.seq == e.seq && p.position == e.position {
				continue
			}
			if p.seq == e.seq || p.position >= e.position || p.time > e.time {
				v.bad(entriesFile, "conversation %d: the entries at positions %d and %d are not in order", c.Number, p.position, e.position)
			}
		}
		switch {
		case e.seq >= c.From && e.seq <= c.To:
			have++
		case e.seq+1 == c.From:
			rep.Before = FormatTime(e.time)
		case e.seq == c.To+1:
			rep.After = FormatTime(e.time)
		}
	}
	if c.Conversation.Complete {
		if c.To < c.From || have != c.To-c.From+1 {
			v.bad(entriesFile, "conversation %d is said to be complete from its entry %d to its entry %d, but only %d entries are there", c.Number, c.From, c.To, have)
		} else {
			rep.Complete = true
		}
	}
	rep.Conversation.Complete = false
	v.report.Conversations = append(v.report.Conversations, rep)
}

// compare makes the readable files again and compares them with those in the bundle.
func (v *verifier) compare(header <-chan Header, steps <-chan []step) error {
	open := make(map[string]*comparer)
	var index []Problem // what a problem of each item tells about it
	report := func(item int, file, what string) {
		p := Problem{Item: item, Position: -1}
		if item > 0 && item <= len(index) {
			p = index[item-1]
		}
		p.File, p.What = file, what
		v.problem(p)
	}
	get := func(file string) *comparer {
		c := open[file]
		if c == nil {
			if v.files[file] == nil && !strings.HasPrefix(file, "pages/") && !strings.HasPrefix(file, "rsmf/") {
				return &comparer{ended: true, src: newWindow(io.NopCloser(bytes.NewReader(nil)))} // reported already
			}
			if v.files[file] == nil {
				v.bad(file, "the file is missing")
			}
			c = &comparer{name: file, src: v.open(file), report: report, ended: v.files[file] == nil}
			open[file] = c
		}
		return c
	}
	r := renderer{
		emit: func(file string, item int, b []byte) error {
			c := get(file)
			if b != nil {
				c.expect(item, b)
				return nil
			}
			c.end()
			v.close(file, c.src)
			delete(open, file)
			return nil
		},
		skip: func(file string) { get(file).skip() },
		emitBase64: func(file string, item int, b []byte) error {
			get(file).expectBase64(item, b)
			return nil
		},
		crc: func(a *Attachment) (uint32, int64, error) {
			m := v.media[a.File]
			return m.file.crc, m.file.size, nil
		},
		media: func(file string, item int, a *Attachment) error {
			f := v.files[a.File]
			if f == nil {
				return nil
			}
			rc, err := f.Open()
			if err != nil {
				return nil // reported already
			}
			defer rc.Close()
			c := get(file)
			buf := make([]byte, 64<<10)
			for {
				n, err := rc.Read(buf)
				if n > 0 {
					c.expectBase64(item, buf[:n])
				}
				if err != nil {
					return v.ctx.Err()
				}
			}
		},
	}
	h, ok := <-header
	if ok {
		if err := r.begin(h, v.vkey); err != nil {
			return err
		}
	}
	for batch := range steps {
		for _, s := range batch {
			var err error
			switch {
			case !ok:
			case s.conversation != nil:
				err = r.conversation(*s.conversation)
			case s.item == nil:
				index = append(index, Problem{Item: len(index) + 1, Position: -1})
				err = r.unreadable()
			default:
				it := s.item
				index = append(index, Problem{Item: it.Number, Position: it.Position, Sender: it.sender(), Time: it.when()})
				err = r.item(it)
			}
			if err != nil {
				ok = false
			}
		}
	}
	if !ok {
		return v.ctx.Err()
	}
	if r.unknown {
		v.mu.Lock()
		v.report.Notes = append(v.report.Notes, "Files under rsmf/ were not all compared with the items, because an item could not be read.")
		v.mu.Unlock()
	}
	err := r.end()
	// What is left over, such as an RSMF file begun before an item could not be read.
	for name, c := range open {
		c.ended = true
		c.end()
		v.close(name, c.src)
	}
	return err
}

// inclusion checks that all entries are in the tree that was signed.
func (v *verifier) inclusion() {
	sort.Slice(v.leaves, func(i, j int) bool { return v.leaves[i].Position < v.leaves[j].Position })
	unique := v.leaves[:0]
	for _, l := range v.leaves {
		if n := len(unique); n > 0 && unique[n-1].Position == l.Position {
			if unique[n-1] != l {
				v.bad(entriesFile, "there are two different entries for position %d", l.Position)
				v.suspect = true
			}
			continue
		}
		unique = append(unique, l)
	}
	w := v.open(inclusionFile)
	root, err := record.RootOfMany(&windowReader{w}, v.report.Checkpoint.Size, unique)
	v.close(inclusionFile, w)
	cp := &v.report.Checkpoint
	switch {
	case cp.Origin == "": // reported already
		v.suspect = true
	case err != nil:
		v.bad(inclusionFile, "the proof that the entries are on the record does not fit them: %v", err)
		v.suspect = true
	case root != cp.Root:
		v.bad(inclusionFile, "the entries, or the proof for them, are not those of the record that the checkpoint signs")
		v.suspect = true
	}
	if h := &v.report.Header; h.Origin != cp.Origin && cp.Origin != "" || h.Size != cp.Size && cp.Origin != "" {
		v.bad(itemsFile, "it names another record, or another size of it, than the checkpoint")
	}
}

// windowReader reads a window like a file.
type windowReader struct{ w *window }

func (r *windowReader) Read(p []byte) (int, error) {
	b := r.w.peek(len(p))
	if len(b) == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	n := copy(p, b)
	r.w.discard(n)
	return n, nil
}

// manifestFiles compares the files with the manifest.
func (v *verifier) manifestFiles() {
	listed := make(map[string]bool)
	for _, f := range v.manifest.Files {
		listed[f.Path] = true
		have, ok := v.hashes[f.Path]
		switch {
		case v.files[f.Path] == nil:
			v.bad(f.Path, "the manifest names this file, but it is not there")
		case !ok && v.report.Genuine():
			v.bad(f.Path, "this file is part of nothing that was disclosed")
		case ok && have != f:
			v.bad(f.Path, "the file is not the one in the manifest")
			v.suspect = true
		}
	}
	for name := range v.files {
		if !listed[name] && name != manifestFile && name != noteFile {
			v.bad(name, "the file is not in the manifest")
		}
	}
	for name, m := range v.media {
		if !m.used {
			v.bad(name, "no item names this file")
		}
	}
	if v.manifest.Bundle != v.report.Header.Bundle {
		v.bad(manifestFile, "the manifest is of another bundle")
	}
}

// itemsSigned reports whether items.json is, to the byte, what was signed.
func (v *verifier) itemsSigned() bool {
	for _, f := range v.manifest.Files {
		if f.Path == itemsFile {
			return v.hashes[itemsFile] == f
		}
	}
	return false
}

// seals finds out which items were changed, where something else shows that there are some.
func (v *verifier) seals() error {
	w := v.open(itemsFile)
	defer w.r.Close()
	e := v.open(entriesFile)
	defer e.r.Close()
	entries := &entryReader{w: e, keep: true}
	bundle := v.manifest.Bundle
	if bundle == "" {
		bundle = v.report.Header.Bundle
	}
	line, err := w.line(maxLine)
	if err != nil {
		return nil
	}
	if h, ok := parseFirst(line); !ok || !sealHolds(v.key, sealHeader, bundle, h.append(nil, false), h.Seal) {
		if ok && h.Bundle != bundle && sealHolds(v.key, sealHeader, h.Bundle, h.append(nil, false), h.Seal) {
			bundle = h.Bundle
		} else {
			v.bad(itemsFile, "what it says about the bundle as a whole is not what the department sealed")
		}
	}
	type job struct {
		it    *Item
		thing []byte
	}
	jobs := make(chan job, 64)
	var wait sync.WaitGroup
	for range max(runtime.GOMAXPROCS(0), 1) {
		wait.Go(func() {
			for j := range jobs {
				if !sealHolds(v.key, sealItem, bundle, j.thing, j.it.Seal) {
					v.mu.Lock()
					v.broken[j.it.Number] = true
					v.mu.Unlock()
					v.badItem(j.it, itemsFile, "it, or its entry on the record, is not what the department sealed")
				}
			}
		})
	}
	defer wait.Wait()
	defer close(jobs)
	number := 0
	for {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		line, err := w.line(maxLine)
		if err != nil {
			return nil
		}
		if s, ok := bytes.CutPrefix(line, []byte(`{"conversation":`)); ok {
			s, _ = bytes.CutSuffix(s, []byte(`,"items":[`))
			var c Conversation
			if json.Unmarshal(s, &c) == nil && !sealHolds(v.key, sealConversation, bundle, c.append(nil, false), c.Seal) {
				v.bad(itemsFile, "what it says about conversation %d is not what the department sealed", c.Number)
			}
			continue
		}
		if s := string(line); s == "]}" || s == "]}," {
			continue
		}
		number++
		it, _, err := parseItem(bytes.TrimSuffix(line, []byte(",")), nil)
		if err != nil || it.Number != number {
			continue // reported elsewhere
		}
		thing := it.append(nil, false)
		for _, l := range entries.item(nil, it) {
			thing = append(append(thing, '\n'), l.text...)
		}
		jobs <- job{it, thing}
	}
}

// itemOf reads the item's number out of a line of entries.jsonl, which need not be in form.
func itemOf(line []byte) int {
	i := bytes.Index(line, []byte(`,"item":`))
	if i < 0 {
		return 0
	}
	s := line[i+len(`,"item":`):]
	n := 0
	for n < len(s) && n < 9 && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	number, _ := strconv.Atoi(string(s[:n]))
	return number
}

// summary puts the problems in order and says what was not checked.
func (v *verifier) summary() {
	r := v.report
	sort.SliceStable(r.Problems, func(i, j int) bool {
		a, b := r.Problems[i].Item, r.Problems[j].Item
		return a != b && a != 0 && (b == 0 || a < b)
	})
	if !r.Trusted {
		r.Notes = append(r.Notes, "You gave no key, so the key in the bundle was believed. Compare it with the one the department publishes.")
	}
}
