package record

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sort"

	"golang.org/x/mod/sumdb/tlog"
)

// Row is all that is stored for one position.
type Row struct {
	Position int64
	Entry    Entry

	// Scope is the id of the scope the entry belongs to, and ScopeSalt its salt; nil once that was destroyed.
	Scope     string
	ScopeSalt *[32]byte

	// Salt and Body are both nil once the body was disposed of.
	Salt *[32]byte
	Body []byte
}

// Stored is a record as it lies in its store.
type Stored interface {
	Tiles

	// Rows returns the rows from one position up to another, in order. A row may be reused for the next one.
	// It may be called for several ranges at the same time.
	Rows(ctx context.Context, from, to int64) iter.Seq2[*Row, error]
}

// Span is the positions From, From+1, … To-1.
type Span struct{ From, To int64 }

// Finding is something wrong with the record, in words an auditor understands.
type Finding struct {
	Positions Span   // what it is about; empty if it is about the record as a whole
	Problem   string // what is wrong
}

func (f Finding) String() string {
	switch n := f.Positions.To - f.Positions.From; {
	case n <= 0:
		return f.Problem
	case n == 1:
		return fmt.Sprintf("position %d: %s", f.Positions.From, f.Problem)
	}
	return fmt.Sprintf("positions %d to %d: %s", f.Positions.From, f.Positions.To-1, f.Problem)
}

// Verification is what [Verify] is asked to do.
type Verification struct {
	Size       int64      // how many entries there are; entries beyond the checkpoint are checked, but nothing vouches for them yet
	Checkpoint Checkpoint // opened already, so its signature has been checked
	Workers    int        // how many chunks to verify at the same time; 1 if not set

	// Disposed reads from the body of a disposal entry which positions it destroyed. Without it every missing body is
	// a finding.
	Disposed func(body []byte) ([]Span, error)

	// Report is called with each finding, by one goroutine at a time. Findings of one chunk come in order of position.
	Report func(Finding)

	// Progress, if set, is called now and then with the number of entries verified so far.
	Progress func(entries int64)
}

// Verified says what [Verify] looked at.
type Verified struct {
	Entries  int64 // positions found
	Bodies   int64 // bodies whose commitment was checked
	Disposed int64 // bodies lawfully destroyed
	Scopes   int   // scopes whose sequence was followed
	Findings int64
}

// chunkSize is how many entries are verified as one piece: those under one full tile of level 1.
const chunkSize = tileWidth * tileWidth

// Verify checks a whole record: that every body is the one its entry commits to, every entry the one whose hash lies in
// the tiles, that the tiles add up to the signed root, that time never runs backwards, that each scope's sequence
// has no gap, and that each missing body was lawfully disposed of.
//
// It reports what is wrong with the record and goes on. It returns an error only if it could not read.
func Verify(ctx context.Context, s Stored, v Verification) (Verified, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := &joiner{v: &v, next: make(map[[32]byte]uint64)}

	// Chunks are verified at the same time but joined in order; the queue of what is under way keeps the order.
	type pending chan *chunk
	workers := max(v.Workers, 1)
	queue := make(chan pending, workers-1)
	go func() {
		defer close(queue)
		for from := int64(0); from < v.Size; from += chunkSize {
			p := make(pending, 1)
			select {
			case queue <- p:
			case <-ctx.Done():
				return
			}
			c := &chunk{v: &v, span: Span{from, min(from+chunkSize, v.Size)}}
			run := func() { c.err = c.verify(ctx, s); p <- c }
			if workers == 1 {
				run()
			} else {
				go run()
			}
		}
	}()
	for p := range queue {
		c := <-p
		if c.err != nil {
			return j.done, fmt.Errorf("verify positions %d to %d: %w", c.span.From, c.span.To-1, c.err)
		}
		j.join(c)
		if v.Progress != nil {
			v.Progress(c.span.To)
		}
	}
	if err := ctx.Err(); err != nil {
		return j.done, err
	}
	j.disposals()
	if err := j.tree(s); err != nil {
		return j.done, err
	}
	j.done.Scopes = len(j.next)
	return j.done, nil
}

// chunk is one piece under verification and what was learnt about it.
type chunk struct {
	v    *Verification
	span Span
	err  error

	findings  []Finding
	entries   int64
	bodies    int64
	missing   []Span // bodies not there
	disposed  []Span // what disposal entries in the chunk say they destroyed
	firstTime int64
	lastTime  int64
	scopes    map[[32]byte]*scopeRun
	tops      []tlog.Hash // the hash of each full level-0 tile
	edge      []tlog.Hash // leaves after the last full tile

	known map[string]knownScope
}

type scopeRun struct {
	first   uint64 // the first sequence number in the chunk
	at      int64  // where it was
	next    uint64
	lastRow int64
}

type knownScope struct{ salt, tag [32]byte }

func (c *chunk) find(from, to int64, format string, args ...any) {
	c.findings = append(c.findings, Finding{Span{from, to}, fmt.Sprintf(format, args...)})
}

func (c *chunk) verify(ctx context.Context, s Stored) error {
	c.scopes = make(map[[32]byte]*scopeRun)
	c.known = make(map[string]knownScope)
	c.firstTime = -1

	var tile []byte // of the position at hand; nil if that lies beyond the last full tile
	next := c.span.From
	for row, err := range s.Rows(ctx, c.span.From, c.span.To) {
		if err != nil {
			return err
		}
		if row.Position < next || row.Position >= c.span.To {
			return fmt.Errorf("got position %d when %d was due", row.Position, next)
		}
		// Walk over the gap, if there is one, so that every tile is looked at.
		if row.Position > next {
			c.find(next, row.Position, "missing from the record")
		}
		for ; next <= row.Position; next++ {
			if next%tileWidth == 0 {
				if tile, err = c.tile(s, next/tileWidth); err != nil {
					return err
				}
			}
		}
		c.entry(row, tile)
	}
	if next < c.span.To {
		c.find(next, c.span.To, "missing from the record")
		for ; next < c.span.To; next++ {
			if next%tileWidth == 0 {
				if _, err := c.tile(s, next/tileWidth); err != nil {
					return err
				}
			}
		}
	}
	return c.level1(s)
}

// tile reads a level-0 tile and notes its hash.
func (c *chunk) tile(s Stored, n int64) ([]byte, error) {
	if (n+1)*tileWidth > c.v.Size {
		return nil, nil
	}
	span := Span{n * tileWidth, (n + 1) * tileWidth}
	data, finding, err := storedTile(s, 0, n, span)
	if err != nil {
		return nil, err
	}
	if finding != nil {
		// The hash of nothing stands for it, so that the tiles after it keep their places.
		c.findings = append(c.findings, *finding)
		c.tops = append(c.tops, tlog.Hash{})
		return nil, nil
	}
	c.tops = append(c.tops, subtreeHash(data))
	return data, nil
}

// storedTile reads a tile that ought to be there and covers some positions.
func storedTile(s Tiles, level int, n int64, covers Span) ([]byte, *Finding, error) {
	data, err := s.Tile(level, n)
	switch {
	case errors.Is(err, ErrNoTile):
		return nil, &Finding{covers, TilePath(level, n, tileWidth) + " is missing"}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read %s: %w", TilePath(level, n, tileWidth), err)
	case len(data) != TileSize:
		return nil, &Finding{covers, fmt.Sprintf("%s is %d bytes long, not %d", TilePath(level, n, tileWidth), len(data), TileSize)}, nil
	}
	return data, nil, nil
}

// level1 compares the level-0 tiles with the tile above them, if that is full.
func (c *chunk) level1(s Stored) error {
	if len(c.tops) != tileWidth {
		return nil
	}
	findings, err := compareTile(s, 1, c.span.From/chunkSize, c.tops)
	c.findings = append(c.findings, findings...)
	return err
}

// compareTile reports where a stored tile differs from the hashes of the tiles below it.
func compareTile(s Tiles, level int, n int64, below []tlog.Hash) ([]Finding, error) {
	covers := int64(1) << (tileHeight * level) // entries under each hash
	data, finding, err := storedTile(s, level, n, Span{n * tileWidth * covers, (n + 1) * tileWidth * covers})
	if err != nil {
		return nil, err
	}
	if finding != nil {
		return []Finding{*finding}, nil
	}
	var f []Finding
	for i := range below {
		if tlog.Hash(data[i*tlog.HashSize:(i+1)*tlog.HashSize]) != below[i] {
			m := n*tileWidth + int64(i)
			f = append(f, Finding{Span{m * covers, (m + 1) * covers}, fmt.Sprintf("%s and %s above it disagree: one of them was changed",
				TilePath(level-1, m, tileWidth), TilePath(level, n, tileWidth))})
		}
	}
	return f, nil
}

func (c *chunk) entry(row *Row, tile []byte) {
	p, e := row.Position, &row.Entry
	c.entries++

	leaf := LeafHash(e)
	if p >= c.v.Size&^(tileWidth-1) {
		c.edge = append(c.edge, leaf)
	} else if tile == nil {
		// Its tile is missing, which has been reported.
	} else if i := p % tileWidth * tlog.HashSize; tlog.Hash(tile[i:i+tlog.HashSize]) != leaf {
		c.find(p, p+1, "the entry is not the one whose hash is in the tree: its time, kind, scope, sequence or commitment was changed, or the tile was")
	}

	switch {
	case row.Salt != nil && row.Body != nil:
		c.bodies++
		if Commit(row.Salt, row.Body) != e.Commitment {
			c.find(p, p+1, "the body or its salt is not what was recorded")
		}
		if e.Kind == KindDisposal && c.v.Disposed != nil {
			spans, err := c.v.Disposed(row.Body)
			if err != nil {
				c.find(p, p+1, "the disposal's certificate cannot be read: %v", err)
			}
			for _, d := range spans {
				if d.From < 0 || d.To > p {
					c.find(p, p+1, "the disposal's certificate names positions that were not on the record yet")
					continue
				}
				c.disposed = append(c.disposed, d)
			}
		}
	case row.Salt == nil && row.Body == nil:
		c.missing = appendSpan(c.missing, p)
	case row.Salt == nil:
		c.find(p, p+1, "the salt of the body is missing")
	default:
		c.find(p, p+1, "the body is missing, though its salt is there")
	}

	if row.ScopeSalt != nil {
		k, ok := c.known[row.Scope]
		if !ok || k.salt != *row.ScopeSalt {
			k = knownScope{*row.ScopeSalt, ScopeTag(*row.ScopeSalt, row.Scope)}
			c.known[row.Scope] = k
		}
		if k.tag != e.ScopeTag {
			c.find(p, p+1, "it is filed under a scope that is not the one it was recorded in, or that scope's salt was changed")
		}
	}

	if c.firstTime < 0 {
		c.firstTime = e.Time
	} else if e.Time < c.lastTime {
		c.find(p, p+1, "its time is earlier than that of the entry before it")
	}
	c.lastTime = e.Time

	run := c.scopes[e.ScopeTag]
	if run == nil {
		c.scopes[e.ScopeTag] = &scopeRun{first: e.Seq, at: p, next: e.Seq + 1, lastRow: p}
		return
	}
	if e.Seq != run.next {
		c.findings = append(c.findings, badSeq(p, e.Seq, run.next))
	}
	run.next, run.lastRow = e.Seq+1, p
}

func badSeq(p int64, got, want uint64) Finding {
	return Finding{Span{p, p + 1}, fmt.Sprintf("it has number %d in its scope where number %d was due", got, want)}
}

func appendSpan(spans []Span, p int64) []Span {
	if n := len(spans); n > 0 && spans[n-1].To == p {
		spans[n-1].To++
		return spans
	}
	return append(spans, Span{p, p + 1})
}

// joiner puts chunks together, in order.
type joiner struct {
	v    *Verification
	done Verified

	lastTime int64
	next     map[[32]byte]uint64 // the number due next in each scope
	missing  []Span
	disposed []Span
	level1   []tlog.Hash // the hash over each full chunk's tiles
	edge     []tlog.Hash // the leaves after the last full tile
}

func (j *joiner) report(f Finding) {
	j.done.Findings++
	if j.v.Report != nil {
		j.v.Report(f)
	}
}

func (j *joiner) join(c *chunk) {
	j.done.Entries += c.entries
	j.done.Bodies += c.bodies
	found := c.findings
	if c.firstTime >= 0 {
		if c.firstTime < j.lastTime {
			found = append(found, Finding{Span{c.span.From, c.span.From + 1}, "its time is earlier than that of the entry before it"})
		}
		j.lastTime = c.lastTime
	}
	for tag, run := range c.scopes {
		if run.first != j.next[tag] {
			found = append(found, badSeq(run.at, run.first, j.next[tag]))
		}
		j.next[tag] = run.next
	}
	sort.SliceStable(found, func(a, b int) bool { return found[a].Positions.From < found[b].Positions.From })
	for _, f := range found {
		j.report(f)
	}
	j.missing = append(j.missing, c.missing...)
	j.disposed = append(j.disposed, c.disposed...)
	if len(c.tops) == tileWidth {
		j.level1 = append(j.level1, hashOf(c.tops))
	}
	j.edge = c.edge
}

// hashOf returns the hash over a power of two of hashes.
func hashOf(h []tlog.Hash) tlog.Hash {
	if len(h) == 1 {
		return h[0]
	}
	return tlog.NodeHash(hashOf(h[:len(h)/2]), hashOf(h[len(h)/2:]))
}

// disposals reports missing bodies that no disposal accounts for.
func (j *joiner) disposals() {
	sort.Slice(j.disposed, func(a, b int) bool { return j.disposed[a].From < j.disposed[b].From })
	i := 0
	for _, m := range j.missing {
		at := m.From
		for at < m.To {
			for i < len(j.disposed) && j.disposed[i].To <= at {
				i++
			}
			if i == len(j.disposed) || j.disposed[i].From >= m.To {
				j.report(Finding{Span{at, m.To}, "body and salt are gone, and no disposal on the record accounts for it"})
				break
			}
			if d := j.disposed[i]; d.From > at {
				j.report(Finding{Span{at, d.From}, "body and salt are gone, and no disposal on the record accounts for it"})
				at = d.From
			}
			to := min(m.To, j.disposed[i].To)
			j.done.Disposed += to - at
			at = to
		}
	}
}

// tree checks the tiles above level 1 and the signed root.
func (j *joiner) tree(s Stored) error {
	tops := j.level1
	for level := 2; len(tops) >= tileWidth; level++ {
		var above []tlog.Hash
		for n := 0; (n+1)*tileWidth <= len(tops); n++ {
			below := tops[n*tileWidth : (n+1)*tileWidth]
			findings, err := compareTile(s, level, int64(n), below)
			if err != nil {
				return err
			}
			for _, f := range findings {
				j.report(f)
			}
			above = append(above, hashOf(below))
		}
		tops = above
	}

	cp := &j.v.Checkpoint
	if cp.Size > j.v.Size {
		j.report(Finding{Problem: fmt.Sprintf("the checkpoint was signed over %d entries, but there are only %d", cp.Size, j.v.Size)})
		return nil
	}
	edgeFrom := j.v.Size &^ (tileWidth - 1)
	if int64(len(j.edge)) != j.v.Size-edgeFrom {
		j.report(Finding{Problem: "the signed root cannot be compared, because entries at the end of the record are missing"})
		return nil
	}
	root, err := j.root(s, cp.Size)
	if errors.Is(err, ErrNoTile) || errors.Is(err, errTileSize) {
		j.report(Finding{Problem: "the signed root cannot be compared, because tiles are missing"})
		return nil
	}
	if err != nil {
		return err
	}
	if root != cp.Root {
		f := Finding{Problem: "the entries and tiles do not add up to the root hash that was signed"}
		if j.done.Findings == 0 && edgeFrom < cp.Size {
			f.Problem += fmt.Sprintf("; nothing else is wrong, so either one of the last entries, from position %d on, was changed, or the tree was built anew", edgeFrom)
		}
		j.report(f)
	}
	return nil
}

// root returns the root at a size from the tiles and the last leaves.
func (j *joiner) root(s Stored, size int64) (tlog.Hash, error) {
	t, err := Restore(j.v.Size, s, func(int64, int64) ([]tlog.Hash, error) { return j.edge, nil })
	if err != nil {
		return tlog.Hash{}, err
	}
	return NewReader(t.Edge(), s).RootAt(size)
}
