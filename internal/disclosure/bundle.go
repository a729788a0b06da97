package disclosure

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/record/bundle"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Bundle is a bundle that was made of a case.
type Bundle struct {
	ID     string
	Case   string
	File   string // its name for whoever saves it: "FOI-2026-0001.zip"
	Size   int64  // in bytes
	SHA256 string
	Totals bundle.Totals
	Digest string // of the decisions that it is made of
	MadeAt int64
	MadeBy matrix.UserID
	Entry  int64 // its position on the record
	Kept   bool  // the file is still here
}

// Bundle makes the bundle of an approved case. It takes 10 to 20 seconds for 100 000 messages; progress, if not nil,
// is called now and then. The bundle is kept for download, and its making is on the record with its hash. If ctx ends
// nothing is kept.
func (s *Service) Bundle(ctx context.Context, by matrix.UserID, id string, progress func(done, total int)) (*Bundle, error) {
	m, err := s.begin(ctx, by, id)
	if err != nil {
		return nil, err
	}
	m.progress = progress
	if err := os.MkdirAll(filepath.Join(s.opt.Folder, id), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for bundles: %w", err)
	}
	temp, err := m.file(ctx)
	if err != nil {
		return nil, fmt.Errorf("make the bundle of case %s: %w", id, err)
	}
	defer os.Remove(temp)
	path := s.bundlePath(id, m.out.ID)
	if err := os.Rename(temp, path); err != nil {
		return nil, fmt.Errorf("keep the bundle of case %s: %w", id, err)
	}
	if err := errors.Join(syncDir(filepath.Dir(path)), s.made(ctx, by, m)); err != nil {
		os.Remove(path)
		return nil, first(err)
	}
	m.out.Kept = true
	return &m.out, nil
}

func (s *Service) bundlePath(id, bundleID string) string {
	return filepath.Join(s.opt.Folder, id, bundleID+".zip")
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// made puts the making of a bundle on the record, unless the approval has become void meanwhile.
func (s *Service) made(ctx context.Context, by matrix.UserID, m *making) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		a, err := enter(b.Context(), b.Tx(), by, m.c.ID)
		if err != nil {
			return err
		}
		if err := a.work(); err != nil {
			return err
		}
		if a.c.Status != string(Approved) || a.c.Digest != m.c.Digest {
			return httpd.Forbidden("The decisions were changed while the bundle was made. It was thrown away.")
		}
		o := &m.out
		o.MadeAt = b.Now()
		t := Totals{Items: o.Totals.Items, Released: o.Totals.Released, Redacted: o.Totals.Redacted, Withheld: o.Totals.Withheld}
		o.Entry, err = put(b, a, record.KindBundle, &entry{Type: "bundle.made", Bundle: o.ID, File: o.File, Bytes: o.Size, SHA256: o.SHA256,
			Digest: o.Digest, Size: m.head.Edge.Size, Totals: &t})
		if err != nil {
			return err
		}
		return store.InsertBundle(b.Context(), b.Tx(), store.CaseBundle{ID: o.ID, Case: o.Case, File: o.File, Size: o.Size, SHA256: o.SHA256,
			Released: o.Totals.Released, Redacted: o.Totals.Redacted, Withheld: o.Totals.Withheld, Digest: o.Digest, MadeAt: o.MadeAt, MadeBy: string(by), Entry: o.Entry})
	})
}

// making is a bundle that is being made.
type making struct {
	s        *Service
	c        store.Case
	bounds   Bounds
	head     *recorder.Head
	load     *loader // of ahead alone, once writing has begun
	out      Bundle
	progress func(done, total int)

	w     *bundle.Writer
	used  map[int64]bool // positions of the conversation at hand that items have
	files map[string]bool
	done  int
}

// begin checks that a bundle may be made, and of what.
func (s *Service) begin(ctx context.Context, by matrix.UserID, id string) (*making, error) {
	q := s.opt.DB.Reader()
	a, err := enter(ctx, q, by, id)
	if err != nil {
		return nil, err
	}
	if err := a.work(); err != nil {
		return nil, err
	}
	if a.c.Status != string(Approved) {
		return nil, httpd.Forbidden("A second person must approve this case before a bundle is made.")
	}
	digest, _, err := s.digest(ctx, id)
	if err != nil {
		return nil, err
	}
	if digest != a.c.Digest {
		return nil, httpd.Forbidden("The decisions are not those that were approved. The case must be approved again.")
	}
	t, err := totals(ctx, q, id)
	if err != nil {
		return nil, err
	}
	m := &making{s: s, c: a.c, head: s.opt.Record.Head(), load: s.loader(q), files: make(map[string]bool)}
	if err := json.Unmarshal(a.c.Bounds, &m.bounds); err != nil {
		return nil, fmt.Errorf("bounds of case %s: %w", id, err)
	}
	var raw [16]byte
	if _, err := io.ReadFull(s.opt.Rand, raw[:]); err != nil {
		return nil, fmt.Errorf("make an id: %w", err)
	}
	m.out = Bundle{ID: hex.EncodeToString(raw[:]), Case: id, File: fileName(a.c.Reference) + ".zip", Digest: digest, MadeBy: by,
		Totals: bundle.Totals{Items: t.Items, Released: t.Released, Redacted: t.Redacted, Withheld: t.Withheld}}
	return m, nil
}

// fileName makes a harmless name of a reference.
func fileName(reference string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, strings.TrimLeft(reference, "."))
}

// file writes the bundle into a temporary file that is durable, and returns its path.
func (m *making) file(ctx context.Context) (path string, err error) {
	f, err := os.CreateTemp(filepath.Join(m.s.opt.Folder, m.c.ID), "making-*")
	if err != nil {
		return "", err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	sum := sha256.New()
	buf := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	if err = m.write(ctx, buf); err == nil {
		err = errors.Join(buf.Flush(), f.Sync())
	}
	if err != nil {
		return "", err
	}
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	m.out.Size, m.out.SHA256 = fi.Size(), hex.EncodeToString(sum.Sum(nil))
	return f.Name(), nil
}

// tiles reads the log's tiles for proofs.
func (m *making) tiles(ctx context.Context) record.Tiles {
	return record.TilesFunc(func(level int, n int64) ([]byte, error) {
		data, err := store.TileData(ctx, m.s.opt.DB.Reader(), level, n)
		if errors.Is(err, store.ErrNotFound) {
			return nil, record.ErrNoTile
		}
		return data, err
	})
}

func (m *making) write(ctx context.Context, out io.Writer) error {
	k := Kind(m.c.Kind)
	w, err := bundle.NewWriter(out, bundle.Options{
		Header: bundle.Header{Bundle: m.out.ID, Reference: m.c.Reference, Title: m.c.Title, Regime: k.Regime(), Department: m.s.opt.Department,
			Made: bundle.FormatTime(m.s.opt.Now().UnixMilli()), Totals: m.out.Totals},
		Signer: m.s.opt.Signer, Key: m.s.opt.Key, Checkpoint: m.head.Checkpoint, Tree: record.NewReader(m.head.Edge, m.tiles(ctx)),
		Spool: m.spool,
		Media: func(sum string) (io.ReadCloser, error) { return m.s.opt.Files.OpenFile(ctx, sum) },
	})
	if err != nil {
		return err
	}
	defer w.Abort()
	m.w = w
	if err := m.conversations(ctx); err != nil {
		return err
	}
	return w.Close()
}

// conversations adds all items, conversation by conversation.
func (m *making) conversations(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	loaded := make(chan loadedItems, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(loaded)
		m.ahead(ctx, loaded)
	}()
	defer func() { cancel(); <-done }()
	var sc *scopeInfo
	var extent store.Extent
	for l := range loaded {
		if l.err != nil {
			return l.err
		}
		for _, it := range l.items {
			if sc == nil || it.scope.ID != sc.ID {
				if err := m.context(ctx, sc, extent); err != nil {
					return err
				}
				var err error
				if sc, extent, err = m.conversation(ctx, it.scope); err != nil {
					return err
				}
			}
			if err := m.item(ctx, it); err != nil {
				return err
			}
			m.done++
		}
		if m.progress != nil {
			m.progress(m.done, m.out.Totals.Items)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.context(ctx, sc, extent)
}

// loadedItems are items of a case, with what was decided about them.
type loadedItems struct {
	items []*Item
	err   error
}

// ahead reads items while others are written. It is the only one to use the loader.
func (m *making) ahead(ctx context.Context, out chan<- loadedItems) {
	scope, pos := int64(0), int64(-1)
	for {
		rows, err := store.CaseItemsByScope(ctx, m.load.q, m.c.ID, scope, pos, loadChunk)
		if err == nil && len(rows) == 0 {
			return
		}
		l := loadedItems{err: err}
		if err == nil {
			l.items, l.err = m.read(ctx, rows)
			scope, pos = rows[len(rows)-1].Scope, rows[len(rows)-1].Pos
		}
		select {
		case out <- l:
		case <-ctx.Done():
			return
		}
		if l.err != nil {
			return
		}
	}
}

// read reads items with what was decided about them.
func (m *making) read(ctx context.Context, rows []store.CaseItem) ([]*Item, error) {
	at := make([]frozen, len(rows))
	for i, r := range rows {
		at[i] = frozen{r.Pos, min(r.Size, m.head.Edge.Size)}
	}
	items, err := m.load.items(ctx, at)
	if err != nil {
		return nil, err
	}
	if len(items) != len(rows) {
		return nil, fmt.Errorf("%d of %d messages are there", len(items), len(rows))
	}
	return items, m.load.decided(ctx, m.c.ID, items)
}

// conversation begins a conversation of the bundle. The range is that of which every entry will be in the bundle; it
// is empty if that cannot be said.
func (m *making) conversation(ctx context.Context, sc *scopeInfo) (*scopeInfo, store.Extent, error) {
	m.used = make(map[int64]bool)
	c := bundle.Conversation{Scope: sc.Name, Salt: base64.StdEncoding.EncodeToString(sc.Salt[:]), Title: sc.title, System: sc.system, RoomVersion: string(sc.version)}
	x, err := m.complete(ctx, sc)
	if err != nil {
		return nil, x, fmt.Errorf("range of %s: %w", sc.Name, err)
	}
	if x.First >= 0 {
		c.Complete, c.From, c.To, c.Period = true, uint64(x.Begin), uint64(x.End), m.period(sc)
	}
	return sc, x, m.w.Conversation(c)
}

// complete returns the range of a conversation that the case discloses or accounts for whole: that of its period or,
// without one, the whole conversation. It is empty if a message or an edit in it is no item of the case.
func (m *making) complete(ctx context.Context, sc *scopeInfo) (store.Extent, error) {
	from, to := int64(0), int64(0)
	if sc.version != "" { // captured messages are recorded when they are brought in, not when they were said
		if !m.bounds.From.IsZero() {
			from = m.bounds.From.In(m.s.opt.Zone).UnixMilli()
		}
		if !m.bounds.To.IsZero() {
			to = m.bounds.To.Add(1).In(m.s.opt.Zone).UnixMilli()
		}
	}
	x, err := store.ScopeExtent(ctx, m.s.opt.DB.Reader(), sc.ID, from, to, m.head.Edge.Size)
	if err != nil || x.First < 0 {
		return x, err
	}
	n, err := store.Uncollected(ctx, m.s.opt.DB.Reader(), m.c.ID, sc.ID, x.First, x.Last, 1)
	if n > 0 {
		x.First = -1
	}
	return x, err
}

// period says in words what a complete range stands for.
func (m *making) period(sc *scopeInfo) string {
	from, to := m.bounds.From, m.bounds.To
	switch {
	case sc.version == "" || from.IsZero() && to.IsZero():
		return "the whole conversation"
	case to.IsZero():
		return fmt.Sprintf("from %s on", from)
	case from.IsZero():
		return fmt.Sprintf("up to %s", to)
	}
	return fmt.Sprintf("%s to %s", from, to)
}

// item adds one item as it was decided.
func (m *making) item(ctx context.Context, it *Item) error {
	d := it.Decision
	if d == nil {
		return fmt.Errorf("nothing was decided about the message at position %d", it.Position)
	}
	if d.Outcome != Withhold && !it.Readable() {
		return httpd.Forbidden("The message at position %d was destroyed since it was decided about. Withhold it.", it.Position)
	}
	if err := m.keep(ctx, it); err != nil {
		return err
	}
	out := &bundle.Item{Note: d.Public}
	for _, code := range d.allCodes() {
		e, err := exemption(Kind(m.c.Kind), code)
		if err != nil {
			return err
		}
		out.Reasons = append(out.Reasons, bundle.Reason{Code: e.Code, Name: e.Name, Test: e.Test})
	}
	switch d.Outcome {
	case Release:
		out.Status, out.Content = bundle.Released, it.Content
	case Redact:
		out.Status = bundle.Redacted
		out.Content, out.Redactions = d.redacted(it)
	case Withhold:
		out.Status = bundle.Withheld
		switch {
		case out.Note != "":
		case it.Sealed:
			out.Note = "It is sealed because of a security marking."
		case it.Destroyed:
			out.Note = "It was lawfully destroyed."
		}
	}
	for _, p := range it.parts {
		m.used[p.Position] = true
	}
	return m.w.Item(out, it.parts)
}

// allCodes are the decision's codes and those of its passages, each once.
func (d *Decision) allCodes() []string {
	var out []string
	seen := make(map[string]bool)
	add := func(codes []string) {
		for _, c := range codes {
			if !seen[c] {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	add(d.Codes)
	for _, sp := range d.Spans {
		add(sp.Codes)
	}
	return out
}

// keep marks attachments whose files are kept no more.
func (m *making) keep(ctx context.Context, it *Item) error {
	for i := range it.Attachments {
		a := &it.Attachments[i]
		if a.State != "" || a.SHA256 == "" {
			continue
		}
		kept, known := m.files[a.SHA256]
		if !known {
			f, err := m.s.opt.Files.OpenFile(ctx, a.SHA256)
			switch {
			case err == nil:
				kept = true
				f.Close()
			case !errors.Is(err, fs.ErrNotExist):
				return fmt.Errorf("file %s: %w", a.SHA256, err)
			}
			m.files[a.SHA256] = kept
		}
		if !kept {
			a.State = notKept
		}
	}
	return nil
}

// context ends a conversation that is complete: with the entries in its range that belong to no item, and those just
// before and after it.
func (m *making) context(ctx context.Context, sc *scopeInfo, x store.Extent) error {
	if sc == nil || x.First < 0 {
		return nil
	}
	add := func(e *store.Entry) error {
		if m.used[e.Pos] {
			return nil
		}
		p := sc.part(bundle.RoleContext, e)
		return m.w.Context(p.Position, p.Entry)
	}
	size := m.head.Edge.Size
	if x.Begin > 0 {
		before, err := store.LastOf(ctx, m.s.opt.DB.Reader(), sc.ID, x.First)
		if err != nil {
			return fmt.Errorf("entry before %d: %w", x.First, err)
		}
		if err := add(&before); err != nil {
			return err
		}
	}
	for from := x.First; from < size; {
		next := size
		n := 0
		var rows []store.Entry
		err := store.ScopeEntries(ctx, m.s.opt.DB.Reader(), sc.ID, from, size, loadChunk, func(e *store.Entry) error {
			rows = append(rows, *e)
			return nil
		})
		if err != nil {
			return fmt.Errorf("entries of %s: %w", sc.Name, err)
		}
		for i := range rows {
			n++
			next = rows[i].Pos + 1
			if err := add(&rows[i]); err != nil {
				return err
			}
			if rows[i].Pos > x.Last { // the one just after the range
				return nil
			}
		}
		if n < loadChunk {
			return nil
		}
		from = next
	}
	return nil
}

// spool is a temporary file that nobody else sees.
func (m *making) spool() (bundle.Spool, error) {
	f, err := os.CreateTemp(filepath.Join(m.s.opt.Folder, m.c.ID), "spool-*")
	if err != nil {
		return nil, err
	}
	return &spool{f}, nil
}

type spool struct{ *os.File }

func (s *spool) Close() error { return errors.Join(s.File.Close(), os.Remove(s.Name())) }

// Sweep removes what bundles that a crash interrupted have left, if it is older than age.
func (s *Service) Sweep(age time.Duration) error {
	left, err := filepath.Glob(filepath.Join(s.opt.Folder, "*", "*-*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		fi, err := os.Stat(path)
		if err == nil && s.opt.Now().Sub(fi.ModTime()) > age {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove what an interrupted bundle left: %w", err)
			}
		}
	}
	return nil
}

// Bundles lists the bundles of a case, newest first; see [Service.Cases] for whom.
func (s *Service) Bundles(ctx context.Context, who matrix.UserID, id string) ([]*Bundle, error) {
	if _, err := enter(ctx, s.opt.DB.Reader(), who, id); err != nil {
		return nil, err
	}
	rows, err := store.Bundles(ctx, s.opt.DB.Reader(), id)
	if err != nil {
		return nil, fmt.Errorf("bundles of case %s: %w", id, err)
	}
	out := make([]*Bundle, len(rows))
	for i, r := range rows {
		out[i] = &Bundle{ID: r.ID, Case: r.Case, File: r.File, Size: r.Size, SHA256: r.SHA256, Digest: r.Digest, MadeAt: r.MadeAt, MadeBy: matrix.UserID(r.MadeBy), Entry: r.Entry,
			Totals: bundle.Totals{Items: r.Released + r.Redacted + r.Withheld, Released: r.Released, Redacted: r.Redacted, Withheld: r.Withheld}}
		_, err := os.Stat(s.bundlePath(id, r.ID))
		out[i].Kept = err == nil
	}
	return out, nil
}

// OpenBundle opens a bundle for download: for the officers of its case and approvers, also when the case is closed.
// It is recorded.
func (s *Service) OpenBundle(ctx context.Context, who matrix.UserID, id, bundleID string) (*Bundle, io.ReadSeekCloser, error) {
	all, err := s.Bundles(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range all {
		if b.ID != bundleID {
			continue
		}
		f, err := os.Open(s.bundlePath(id, b.ID))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, httpd.NotFound("This bundle is no longer kept. Make it again.")
		} else if err != nil {
			return nil, nil, fmt.Errorf("open bundle %s: %w", b.ID, err)
		}
		_, err = s.note(ctx, who, id, record.KindView, &entry{Type: "bundle.opened", Bundle: b.ID, File: b.File, SHA256: b.SHA256}, func(a *access) error {
			a.c.Status = "" // what was disclosed may still be looked at
			if a.has(identity.Approver) {
				return nil
			}
			return a.work()
		})
		if err != nil {
			f.Close()
			return nil, nil, err
		}
		return b, f, nil
	}
	return nil, nil, httpd.NotFound("There is no such bundle of this case.")
}
