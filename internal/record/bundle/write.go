package bundle

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"path"
	"sort"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/record"
)

// Spool keeps what cannot go into the zip yet, because a zip is written one file at a time. It is written once, then
// read once from its beginning, then closed.
type Spool interface {
	io.Writer
	io.Reader
	io.Seeker
	io.Closer
}

// Options are what a [Writer] needs.
type Options struct {
	Header     Header // Seal is filled in; Totals must be those of the items that will come
	Signer     note.Signer
	Key        string // the verifier key that belongs to Signer
	Checkpoint []byte // signed by Signer, of size Header.Size
	Tree       *record.Reader

	// Spool makes an empty spool. Bundles larger than memory need one on disk.
	Spool func() (Spool, error)

	// Media opens a disclosed file by its SHA-256 in hex. It is called up to four times for each.
	Media func(sha256 string) (io.ReadCloser, error)
}

// Writer writes a bundle. Conversations come in order, and after each its items in order of position, then its
// context.
type Writer struct {
	opt      Options
	zip      *zip.Writer
	made     time.Time
	render   renderer
	files    map[string]*spooled
	manifest Manifest
	media    map[string]mediaFile // by path
	conv     Conversation
	tag      [32]byte // of its scope
	convs    int
	items    int
	totals   Totals
	leaves   []record.Leaf
	last     int64 // position of the last item in this conversation
	context  bool  // context of this conversation has begun
	line     []byte
	hashed   []byte
}

type mediaFile struct {
	sha256 string
	crc    uint32
	size   int64
}

// NewWriter begins a bundle.
func NewWriter(w io.Writer, opt Options) (*Writer, error) {
	made, err := time.Parse(time.RFC3339Nano, opt.Header.Made)
	if err != nil {
		return nil, fmt.Errorf("begin bundle: %w", err)
	}
	v, err := note.NewVerifier(opt.Key)
	if err != nil {
		return nil, fmt.Errorf("begin bundle: %w", err)
	}
	cp, err := record.OpenCheckpoint(opt.Checkpoint, v)
	if err != nil {
		return nil, fmt.Errorf("begin bundle: %w", err)
	}
	opt.Header.Origin, opt.Header.Size = cp.Origin, cp.Size
	b := &Writer{opt: opt, zip: zip.NewWriter(w), made: made, files: make(map[string]*spooled), media: make(map[string]mediaFile), last: -1}
	b.manifest = Manifest{Format: Format, Bundle: opt.Header.Bundle}
	b.render = renderer{emit: b.emit, emitBase64: b.emitBase64, media: b.copyMedia, crc: b.crc}

	h := &b.opt.Header
	if h.Seal, err = b.seal(sealHeader, h.append(nil, false)); err != nil {
		return nil, err
	}
	line := append([]byte(`{"format":"`+Format+`","header":`), h.append(nil, true)...)
	if err := b.emit(itemsFile, 0, append(line, ",\"conversations\":[\n"...)); err != nil {
		return nil, err
	}
	return b, b.render.begin(*h, opt.Key)
}

// Conversation begins a conversation. Number and Seal are filled in.
func (b *Writer) Conversation(c Conversation) error {
	if err := b.endConversation(",\n"); err != nil {
		return err
	}
	salt, err := base64.StdEncoding.DecodeString(c.Salt)
	if err != nil || len(salt) != 32 {
		return fmt.Errorf("begin conversation %s: its salt is not 32 bytes in base64", c.Scope)
	}
	b.tag = record.ScopeTag([32]byte(salt), c.Scope)
	b.convs++
	c.Number = b.convs
	if c.Seal, err = b.seal(sealConversation, c.append(nil, false)); err != nil {
		return err
	}
	b.conv, b.items, b.last, b.context = c, 0, -1, false
	line := append([]byte(`{"conversation":`), c.append(nil, true)...)
	if err := b.emit(itemsFile, 0, append(line, ",\"items\":[\n"...)); err != nil {
		return err
	}
	return b.render.conversation(c)
}

func (b *Writer) endConversation(comma string) error {
	if b.convs == 0 {
		return nil
	}
	end := "]}"
	if b.items > 0 {
		end = "\n]}"
	}
	return b.emit(itemsFile, 0, []byte(end+comma))
}

// Item adds an item of the conversation at hand with all its entries, its own first. Number, Position, Sequence,
// Recorded, Entries and Seal are filled in, and for attachments with a SHA256 and no State also File and Size.
//
// A released item's parts have their bodies, and its content must be what [Derive] gives. The bodies of other items
// are left out whatever the parts hold.
func (b *Writer) Item(it *Item, parts []Part) error {
	if b.convs == 0 || b.context {
		return errors.New("add item: no conversation has begun, or its context has")
	}
	if len(parts) == 0 || parts[0].Position <= b.last {
		return errors.New("add item: no entries, or not after the item before it")
	}
	b.last = parts[0].Position
	b.totals.add(it.Status)
	e := &parts[0].Entry
	it.Number, it.Position, it.Sequence, it.Recorded = b.totals.Items, parts[0].Position, e.Seq, FormatTime(e.Time)
	it.Entries = it.Entries[:0]
	for i := range parts {
		it.Entries = append(it.Entries, parts[i].Position)
	}
	for i := range it.Attachments {
		if err := b.addMedia(&it.Attachments[i]); err != nil {
			return fmt.Errorf("add item at position %d: %w", it.Position, err)
		}
	}
	if it.Status == Released {
		derived, err := Derive(parts, b.conv.RoomVersion)
		if err != nil {
			return fmt.Errorf("add item at position %d: %w", it.Position, err)
		}
		if !it.Content.same(&derived) {
			return fmt.Errorf("add item at position %d: it is not what its recorded bodies say", it.Position)
		}
	}
	b.hashed = it.append(b.hashed[:0], false)
	for i := range parts {
		var err error
		if b.hashed, err = b.entry(b.hashed, it.Number, parts[i], it.Status == Released); err != nil {
			return err
		}
	}
	var err error
	if it.Seal, err = b.seal(sealItem, b.hashed); err != nil {
		return err
	}
	b.line = b.line[:0]
	if b.items > 0 {
		b.line = append(b.line, ",\n"...)
	}
	b.items++
	b.line = it.append(b.line, true)
	if err := b.emit(itemsFile, it.Number, b.line); err != nil {
		return err
	}
	return b.render.item(it)
}

// entry writes a line of proof/entries.jsonl and appends it to what is sealed.
func (b *Writer) entry(sealed []byte, item int, p Part, bodies bool) ([]byte, error) {
	if !bodies {
		p.Salt, p.Body = nil, nil
	} else if p.Salt == nil || p.Body == nil || record.Commit(p.Salt, p.Body) != p.Entry.Commitment {
		return nil, fmt.Errorf("position %d: the body is not there or not the one recorded", p.Position)
	}
	l := entryLine{Part: p, Conversation: b.conv.Number, Item: item}
	if p.Role == RoleMedia && p.Entry.ScopeTag != b.tag { // lies in a scope that is not disclosed
		l.Conversation = 0
	}
	sealed = append(sealed, '\n')
	at := len(sealed)
	sealed = l.append(sealed)
	b.leaves = append(b.leaves, record.Leaf{Position: p.Position, Hash: record.LeafHash(&p.Entry)})
	if err := b.emit(entriesFile, item, sealed[at:]); err != nil {
		return nil, err
	}
	return sealed, b.emit(entriesFile, item, []byte{'\n'})
}

// Context adds an entry of the conversation at hand that belongs to no item.
func (b *Writer) Context(position int64, e record.Entry) error {
	if b.convs == 0 {
		return errors.New("add context: no conversation has begun")
	}
	b.context = true
	_, err := b.entry(nil, 0, Part{Position: position, Role: RoleContext, Entry: e}, false)
	return err
}

// Close ends the bundle.
func (b *Writer) Close() error {
	if b.totals != b.opt.Header.Totals {
		return fmt.Errorf("end bundle: it has %+v, its header says %+v", b.totals, b.opt.Header.Totals)
	}
	if err := b.endConversation("\n"); err != nil {
		return err
	}
	if err := b.emit(itemsFile, 0, []byte("]}\n")); err != nil {
		return err
	}
	if err := b.render.end(); err != nil {
		return err
	}
	if err := b.proof(); err != nil {
		return fmt.Errorf("end bundle: %w", err)
	}
	for _, name := range []string{itemsFile, entriesFile, inclusionFile, checkpointFile, keyFile} {
		f := b.files[name]
		if f == nil { // nothing was disclosed
			var err error
			if f, err = b.open(name); err != nil {
				return err
			}
		}
		if err := b.store(name, f); err != nil {
			return fmt.Errorf("end bundle: %s: %w", name, err)
		}
	}
	if err := b.sign(); err != nil {
		return fmt.Errorf("end bundle: %w", err)
	}
	return b.zip.Close()
}

// Abort releases what a bundle that was not ended holds on to.
func (b *Writer) Abort() {
	for _, f := range b.files {
		f.spool.Close()
	}
	clear(b.files)
}

func (b *Writer) proof() error {
	sort.Slice(b.leaves, func(i, j int) bool { return b.leaves[i].Position < b.leaves[j].Position })
	positions := make([]int64, 0, len(b.leaves))
	unique := b.leaves[:0]
	for _, l := range b.leaves {
		if n := len(unique); n > 0 && unique[n-1].Position == l.Position {
			if unique[n-1] != l {
				return fmt.Errorf("position %d is in the bundle twice and not the same", l.Position)
			}
			continue // a file that two messages share
		}
		unique = append(unique, l)
		positions = append(positions, l.Position)
	}
	var buf bytes.Buffer // for the check; it is a few dozen bytes an entry
	if _, err := b.opt.Tree.ProveMany(&buf, b.opt.Header.Size, positions); err != nil {
		return err
	}
	root, err := record.RootOfMany(bytes.NewReader(buf.Bytes()), b.opt.Header.Size, unique)
	if err != nil {
		return err
	}
	want, err := b.opt.Tree.RootAt(b.opt.Header.Size)
	if err != nil {
		return err
	}
	if root != want {
		return errors.New("the entries are not those in the tree: run `despatch verify`")
	}
	// The proof that every entry of the log is here has no hashes; it is still a file.
	if err := b.emit(inclusionFile, 0, append([]byte{}, buf.Bytes()...)); err != nil {
		return err
	}
	if err := b.emit(checkpointFile, 0, b.opt.Checkpoint); err != nil {
		return err
	}
	return b.emit(keyFile, 0, []byte(b.opt.Key+"\n"))
}

// sign adds the manifest and the note over it.
func (b *Writer) sign() error {
	sort.Slice(b.manifest.Files, func(i, j int) bool { return b.manifest.Files[i].Path < b.manifest.Files[j].Path })
	text := b.manifest.append(nil)
	msg, err := note.Sign(&note.Note{Text: noteText(b.opt.Header.Bundle, b.opt.Header.Origin, sha256.Sum256(text))}, b.opt.Signer)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{manifestFile, text}, {noteFile, msg}} {
		w, err := b.zip.CreateHeader(b.header(f.name, zip.Deflate))
		if err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) append(dst []byte) []byte {
	o := object{append(dst, '{')}
	o.string("format", m.Format)
	o.string("bundle", m.Bundle)
	o.name("files")
	o.b = append(o.b, '[')
	for i := range m.Files {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, '\n', '{')
		o.string("path", m.Files[i].Path)
		o.int("size", m.Files[i].Size)
		o.string("sha256", m.Files[i].SHA256)
		o.b = append(o.b, '}')
	}
	return append(o.b, "\n]}\n"...)
}

func (b *Writer) header(name string, method uint16) *zip.FileHeader {
	return &zip.FileHeader{Name: name, Method: method, Modified: b.made.UTC()}
}

// addMedia copies a disclosed file into the bundle, once.
func (b *Writer) addMedia(a *Attachment) error {
	if a.SHA256 == "" || a.State != "" {
		a.File = ""
		return nil
	}
	a.File = "media/" + a.SHA256 + extension(a.Name)
	if _, ok := b.media[a.File]; ok {
		return nil
	}
	r, err := b.opt.Media(a.SHA256)
	if err != nil {
		return fmt.Errorf("attachment %s: %w", a.SHA256, err)
	}
	defer r.Close()
	w, err := b.zip.CreateHeader(b.header(a.File, zip.Store))
	if err != nil {
		return err
	}
	sum, crc := sha256.New(), crc32.NewIEEE()
	size, err := io.Copy(io.MultiWriter(w, sum, crc), r)
	if err != nil {
		return fmt.Errorf("attachment %s: %w", a.SHA256, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != a.SHA256 {
		return fmt.Errorf("attachment %s: the stored file has the hash %s", a.SHA256, got)
	}
	b.media[a.File] = mediaFile{a.SHA256, crc.Sum32(), size}
	b.manifest.Files = append(b.manifest.Files, File{Path: a.File, Size: size, SHA256: a.SHA256})
	return nil
}

// extension is the end of a file's name, if it is harmless.
func extension(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if len(ext) < 2 || len(ext) > 9 {
		return ""
	}
	for _, c := range ext[1:] {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9') {
			return ""
		}
	}
	return ext
}

func (b *Writer) crc(a *Attachment) (uint32, int64, error) {
	m, ok := b.media[a.File]
	if !ok {
		return 0, 0, fmt.Errorf("attachment %s is not in the bundle", a.File)
	}
	return m.crc, m.size, nil
}

func (b *Writer) copyMedia(file string, item int, a *Attachment) error {
	r, err := b.opt.Media(a.SHA256)
	if err != nil {
		return fmt.Errorf("attachment %s: %w", a.SHA256, err)
	}
	defer r.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := b.emitBase64(file, item, buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("attachment %s: %w", a.SHA256, err)
		}
	}
}

// spooled is a file of the bundle that is still being written, compressed already.
type spooled struct {
	spool  Spool
	buf    *bufio.Writer
	flate  *flate.Writer // nil for what compresses badly
	out    io.Writer
	sum    hash.Hash
	crc    hash.Hash32
	size   int64
	stored int64
	base64 base64Lines
}

func (f *spooled) Write(p []byte) (int, error) {
	f.sum.Write(p)
	f.crc.Write(p)
	f.size += int64(len(p))
	return f.out.Write(p)
}

// counter counts what goes into the spool.
type counter struct {
	w io.Writer
	n *int64
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}

func (b *Writer) open(file string) (*spooled, error) {
	if f := b.files[file]; f != nil {
		return f, nil
	}
	s, err := b.opt.Spool()
	if err != nil {
		return nil, err
	}
	f := &spooled{spool: s, sum: sha256.New(), crc: crc32.NewIEEE()}
	f.buf = bufio.NewWriterSize(s, 64<<10)
	c := counter{f.buf, &f.stored}
	f.out = c
	if file != inclusionFile { // hashes do not compress
		if f.flate, err = flate.NewWriter(c, flate.BestSpeed); err != nil {
			return nil, err
		}
		f.out = f.flate
	}
	b.files[file] = f
	return f, nil
}

func (b *Writer) emit(file string, _ int, p []byte) error {
	if p == nil {
		if err := b.store(file, b.files[file]); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		return nil
	}
	f, err := b.open(file)
	if err == nil {
		_, err = f.Write(p)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

func (b *Writer) emitBase64(file string, _ int, p []byte) error {
	f, err := b.open(file)
	if err == nil {
		err = f.base64.write(f, p)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// store moves a finished file from its spool into the zip.
func (b *Writer) store(name string, f *spooled) error {
	h := b.header(name, zip.Store)
	if f.flate != nil {
		h.Method = zip.Deflate
		if err := f.flate.Close(); err != nil {
			return err
		}
	}
	if err := f.buf.Flush(); err != nil {
		return err
	}
	if _, err := f.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h.CRC32, h.UncompressedSize64, h.CompressedSize64 = f.crc.Sum32(), uint64(f.size), uint64(f.stored)
	w, err := b.zip.CreateRaw(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, f.spool); err != nil {
		return err
	}
	b.manifest.Files = append(b.manifest.Files, File{Path: name, Size: f.size, SHA256: hex.EncodeToString(f.sum.Sum(nil))})
	delete(b.files, name)
	return f.spool.Close()
}

// base64Lines writes base64 in lines of 76 characters, as in mail.
type base64Lines struct {
	rest []byte
	line [78]byte
}

const lineBytes = 57

// write encodes p; nil ends the last line.
func (e *base64Lines) write(w io.Writer, p []byte) error {
	if p == nil {
		if len(e.rest) == 0 {
			return nil
		}
		err := e.out(w, e.rest)
		e.rest = e.rest[:0]
		return err
	}
	if len(e.rest) > 0 {
		n := min(lineBytes-len(e.rest), len(p))
		e.rest = append(e.rest, p[:n]...)
		p = p[n:]
		if len(e.rest) < lineBytes {
			return nil
		}
		if err := e.out(w, e.rest); err != nil {
			return err
		}
		e.rest = e.rest[:0]
	}
	for len(p) >= lineBytes {
		if err := e.out(w, p[:lineBytes]); err != nil {
			return err
		}
		p = p[lineBytes:]
	}
	e.rest = append(e.rest, p...)
	return nil
}

func (e *base64Lines) out(w io.Writer, p []byte) error {
	b := base64.StdEncoding.AppendEncode(e.line[:0], p)
	_, err := w.Write(append(b, '\r', '\n'))
	return err
}
