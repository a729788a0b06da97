// Package media keeps files: pictures and documents that people send, and evidence that they hand in.
//
// It promises that a file is on disk, whole and encrypted, before the record says that it exists; that
// each content has a key of its own, kept only in the database, so that deleting a row destroys the
// content and every copy of its file; that memory does not grow with a file's size; and that nothing
// served can run in a browser. Pictures that people send lose what they tell about place and camera;
// evidence is kept to the byte.
//
// Who may see what, others decide: this package knows only whether any message still shows an upload.
package media

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"
	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Scope is what entries about uploads belong to: an upload comes before the message that shows it.
const Scope = "org"

// Options are what a [Service] needs. Dir, DB and Record must be set.
type Options struct {
	Dir    string // the media folder, made if need be
	Server matrix.ServerName
	DB     *sqldb.DB
	Record *recorder.Recorder
	Log    *slog.Logger
	Rand   io.Reader // nil means crypto/rand

	// MaxUpload bounds an upload by a person, in bytes; 100 MiB if zero.
	MaxUpload int64
}

// Service keeps files. It is safe for concurrent use.
type Service struct {
	opt     Options
	folder  folder
	scaling chan struct{} // one at a time, since a decoded picture is large
}

// New returns a service and removes what uploads that a crash interrupted have left.
func New(opt Options) (*Service, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	opt.MaxUpload = cmp.Or(opt.MaxUpload, 100<<20)
	s := &Service{opt: opt, folder: folder{dir: opt.Dir}, scaling: make(chan struct{}, 1)}
	if err := s.folder.open(); err != nil {
		return nil, fmt.Errorf("open the media folder: %w", err)
	}
	return s, nil
}

// MaxUpload is how many bytes a person may upload at once.
func (s *Service) MaxUpload() int64 { return s.opt.MaxUpload }

// Upload says what a file is.
type Upload struct {
	By   string // user ID, or the part of the program that brings it
	Name string // as its owner calls it; may be empty
	Type string // as its owner describes it; believed only if the content does not contradict

	// ID is the name that was given out for it before, or "" for a new one. Taken is called within the change that
	// puts the upload on the record, and can refuse it.
	ID    string
	Taken func(*recorder.Batch) error

	// Evidence is kept to the byte, however large.
	Evidence bool

	// Scope is what the entry belongs to; [Scope] if empty.
	Scope string
}

// Item is an upload.
type Item struct {
	ID     string // Matrix media ID
	SHA256 [32]byte
	Size   int64
	Name   string
	Type   string // as it may be served
	By     string
	Pos    int64 // of its entry on the record
	Time   int64
}

// URI is the item's mxc URI.
func (s *Service) URI(it Item) string { return "mxc://" + string(s.opt.Server) + "/" + it.ID }

// ParseURI returns the media ID in an mxc URI of this server.
func (s *Service) ParseURI(uri string) (id string, ok bool) {
	id, ok = strings.CutPrefix(uri, "mxc://"+string(s.opt.Server)+"/")
	return id, ok && validID(id)
}

func validID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// entry is the body of an entry about an upload.
type entry struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	SHA256    string `json:"sha256"`
	Size      int64  `json:"size"`
	MediaType string `json:"media_type"`
	Name      string `json:"name,omitzero"`
	By        string `json:"by"`
	Stripped  bool   `json:"stripped,omitzero"` // metadata was removed from it
}

// Put reads a file to its end, keeps it, and puts it on the record. When it returns without an error, both
// are durable; otherwise neither has happened.
func (s *Service) Put(ctx context.Context, r io.Reader, u Upload) (Item, error) {
	name, err := fileName(u.Name)
	if err != nil {
		return Item{}, err
	}
	u.Name = name
	limit := &limited{r: r, left: s.opt.MaxUpload}
	if u.Evidence {
		limit.left = 1 << 62
	}
	src := bufio.NewReaderSize(limit, 64<<10)
	head, err := src.Peek(3072)
	if err != nil && err != io.EOF {
		return Item{}, s.explain(err)
	}
	sniffed := sniff(head)
	strip := stripper(sniffed)
	if u.Evidence {
		strip = nil
	}
	c, temp, err := s.write(src, strip)
	if err != nil {
		return Item{}, s.explain(err)
	}
	c.Type = sniffed
	it, err := s.commit(ctx, c, temp, u, servedType(sniffed, u.Type), strip != nil)
	return it, s.explain(err)
}

// write encrypts what src gives, less its metadata, into a temporary file that is durable.
func (s *Service) write(src *bufio.Reader, strip func(io.Writer, *bufio.Reader) error) (c store.Content, temp string, err error) {
	c.Key = make([]byte, keySize)
	if _, err := io.ReadFull(s.opt.Rand, c.Key); err != nil {
		return c, "", fmt.Errorf("make a key: %w", err)
	}
	f, err := s.folder.create()
	if err != nil {
		return c, "", err
	}
	defer func() {
		if err != nil {
			s.folder.remove(f.Name())
		}
	}()
	defer f.Close()
	w := newSealer(f, c.Key)
	if strip != nil {
		if err = strip(w, src); err == nil {
			_, err = io.Copy(io.Discard, src) // what follows the picture: a sender that is not read to the end sees no answer
		}
	} else {
		_, err = io.Copy(onlyWriter{w}, src)
	}
	if err != nil {
		return c, "", err
	}
	if err = w.Close(); err != nil {
		return c, "", err
	}
	c.SHA256, c.Size = w.Sum()
	return c, f.Name(), s.folder.sync(f)
}

// commit moves the file to where it stays, and then puts the upload on the record.
func (s *Service) commit(ctx context.Context, c store.Content, temp string, u Upload, served string, stripped bool) (Item, error) {
	id, err := u.ID, error(nil)
	if id == "" {
		id, err = s.random()
	}
	if err != nil {
		return Item{}, err
	}
	if c.File, err = s.folder.keep(temp); err != nil {
		s.folder.remove(temp)
		return Item{}, err
	}
	it := Item{ID: id, SHA256: c.SHA256, Size: c.Size, Name: u.Name, Type: served, By: u.By}
	body, err := json.Marshal(entry{Type: "media", ID: id, SHA256: hex.EncodeToString(c.SHA256[:]), Size: c.Size,
		MediaType: served, Name: u.Name, By: u.By, Stripped: stripped})
	if err == nil {
		body, err = matrix.Canonical(nil, body)
	}
	if err != nil {
		return Item{}, fmt.Errorf("encode the entry of an upload: %w", err)
	}
	var known bool
	err = s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if u.Taken != nil {
			if err := u.Taken(b); err != nil {
				return err
			}
		}
		_, err := store.ContentByHash(ctx, tx, c.SHA256)
		if known = err == nil; errors.Is(err, store.ErrNotFound) {
			c.CreatedAt = b.Now()
			err = store.InsertContent(ctx, tx, c)
		}
		if err != nil {
			return err
		}
		it.Time = b.Now()
		it.Pos = b.Append(recorder.Entry{Scope: cmp.Or(u.Scope, Scope), Kind: record.KindMedia, Body: body})
		return store.InsertMedia(ctx, tx, store.Media{ID: id, SHA256: c.SHA256, Name: u.Name, Type: served, Uploader: u.By, CreatedAt: it.Time, Pos: it.Pos})
	})
	if err != nil {
		// The file stays: if the commit happened after all, the record needs it; if not, Sweep finds it.
		return Item{}, err
	}
	if known {
		s.folder.remove(s.folder.path(c.File)) // the same bytes are here already
	}
	return it, nil
}

// random makes a name that nobody can guess.
func (s *Service) random() (string, error) {
	var b [18]byte
	if _, err := io.ReadFull(s.opt.Rand, b[:]); err != nil {
		return "", fmt.Errorf("make a name: %w", err)
	}
	return encoding.EncodeToString(b[:]), nil
}

// NewID makes the name of a file that will be uploaded later, with [Upload.ID].
func (s *Service) NewID() (string, error) { return s.random() }

// Open returns an upload that participants may be shown, and its content, which the caller closes.
func (s *Service) Open(ctx context.Context, id string) (Item, *File, error) {
	m, c, err := s.find(ctx, id)
	if err != nil {
		return Item{}, nil, err
	}
	f, err := s.openContent(c)
	return item(m, c), f, err
}

// find returns an upload that participants may be shown.
func (s *Service) find(ctx context.Context, id string) (store.Media, store.Content, error) {
	gone := httpd.NotFound("That file is not here, or is here no more.")
	if !validID(id) {
		return store.Media{}, store.Content{}, gone
	}
	m, err := store.MediaByID(ctx, s.opt.DB.Reader(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && m.GoneAt != 0 {
		return m, store.Content{}, gone
	}
	if err != nil {
		return m, store.Content{}, fmt.Errorf("read media %s: %w", id, err)
	}
	c, err := store.ContentByHash(ctx, s.opt.DB.Reader(), m.SHA256)
	if errors.Is(err, store.ErrNotFound) {
		return m, c, gone // disposed of
	}
	return m, c, err
}

func item(m store.Media, c store.Content) Item {
	return Item{ID: m.ID, SHA256: m.SHA256, Size: c.Size, Name: m.Name, Type: m.Type, By: m.Uploader, Pos: m.Pos, Time: m.CreatedAt}
}

// Item returns an upload whether or not participants are still shown it, or [store.ErrNotFound]: it is for
// the record's side.
func (s *Service) Item(ctx context.Context, id string) (Item, error) {
	m, err := store.MediaByID(ctx, s.opt.DB.Reader(), id)
	if err != nil {
		return Item{}, err
	}
	c, err := store.ContentByHash(ctx, s.opt.DB.Reader(), m.SHA256)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Item{}, err
	}
	return item(m, c), nil
}

// Content opens a content by its hash, whether or not participants are still shown it: it is for those who
// work on the record. It returns [store.ErrNotFound] if there is none, or if it was disposed of.
func (s *Service) Content(ctx context.Context, sha256 [32]byte) (*File, error) {
	c, err := store.ContentByHash(ctx, s.opt.DB.Reader(), sha256)
	if err != nil {
		return nil, err
	}
	return s.openContent(c)
}

func (s *Service) openContent(c store.Content) (*File, error) {
	f, err := s.folder.openFile(c.File)
	if err != nil {
		return nil, fmt.Errorf("open content %x: %w", c.SHA256[:8], err)
	}
	return openSealed(f, c.Key, c.Size)
}

// Destroy deletes the key of a content within a change that disposes of it, and its files after the
// commit. The caller appends the entry that says why.
func (s *Service) Destroy(b *recorder.Batch, sha256 [32]byte) error {
	c, err := store.ContentByHash(b.Context(), b.Tx(), sha256)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	b.OnCommit(func() { s.folder.removeAll(c.File) })
	return store.DeleteContent(b.Context(), b.Tx(), sha256)
}

// Verify reads a content to its end and reports whether it is what its hash says.
func (s *Service) Verify(ctx context.Context, sha256 [32]byte) error {
	f, err := s.Content(ctx, sha256)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.check(sha256)
}

// Run sweeps once a day, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, err := s.Sweep(ctx, 24*time.Hour, time.Now())
		switch {
		case err != nil && ctx.Err() == nil:
			s.opt.Log.WarnContext(ctx, "could not sweep the media folder", "error", err)
		case n > 0:
			s.opt.Log.InfoContext(ctx, "removed files that belong to nothing", "files", n)
		}
	}
}

// Sweep removes files that no content has and that are older than age: uploads whose transaction failed,
// contents that were destroyed just before a crash. It returns how many.
func (s *Service) Sweep(ctx context.Context, age time.Duration, now time.Time) (int, error) {
	// Listed first: what is committed later has a younger file.
	old, err := s.folder.olderThan(now.Add(-age))
	if err != nil || len(old) == 0 {
		return 0, err
	}
	err = store.ContentFiles(ctx, s.opt.DB.Reader(), func(file string) error { delete(old, file); return nil })
	if err != nil {
		return 0, err
	}
	for file := range old {
		s.folder.removeAll(file)
	}
	return len(old), nil
}

// explain gives errors of the disk words that a person can act on.
func (s *Service) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		s.opt.Log.Error("the disk is full: a file was not kept", "error", err)
		return httpd.Errorf(http.StatusInsufficientStorage, "M_UNKNOWN", "The server's disk is full. The file was not kept; try again later, and tell the IT desk.")
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		s.opt.Log.Error("the media folder cannot be written to", "error", err)
		return httpd.Unavailable("The server cannot keep files just now. Try again later, and tell the IT desk.")
	}
	return err
}

// limited refuses what is longer than allowed, instead of cutting it.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, httpd.TooLarge("The file is too large to be sent here.")
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, httpd.TooLarge("The file is too large to be sent here.")
	}
	return n, err
}

// onlyWriter hides ReadFrom, so that io.Copy uses a buffer of ours and its size is known.
type onlyWriter struct{ io.Writer }

// maxFileName is the length of a file's name in bytes, as file systems have it.
const maxFileName = 255

// fileName tidies the name of a file: it is shown and put into headers, never opened.
func fileName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", httpd.InvalidParam("The name of that file is not text.")
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d' && r != '\u200c' || r == '/' || r == '\\' {
			return '_'
		}
		return r
	}, strings.TrimSpace(name))
	if len(name) > maxFileName {
		dot := strings.LastIndexByte(name, '.')
		ext := ""
		if dot > 0 && len(name)-dot <= 16 {
			ext = name[dot:]
		}
		name = strings.ToValidUTF8(name[:maxFileName-len(ext)], "") + ext
	}
	return name, nil
}

// sniff finds the type of a file by its beginning, without parameters.
func sniff(head []byte) string {
	if len(head) == 0 {
		return octets
	}
	t, _, _ := strings.Cut(mimetype.Detect(head).String(), ";")
	if t == "image/vnd.mozilla.apng" {
		return "image/apng"
	}
	return t
}
