package record

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Tiles reads stored full tiles.
type Tiles interface {
	// Tile returns the TileSize bytes of the full tile n of a level, which the caller will not change.
	// It fails with [ErrNoTile] if the tile is not stored.
	Tile(level int, n int64) ([]byte, error)
}

// ErrNoTile says that a tile is not stored.
var ErrNoTile = errors.New("no such tile")

var errTileSize = errors.New("tile has the wrong size")

// TilesFunc is a function that implements [Tiles].
type TilesFunc func(level int, n int64) ([]byte, error)

func (f TilesFunc) Tile(level int, n int64) ([]byte, error) { return f(level, n) }

func fullTile(tiles Tiles, level int, n int64) ([]byte, error) {
	data, err := tiles.Tile(level, n)
	if err != nil {
		return nil, fmt.Errorf("read tile %d/%d: %w", level, n, err)
	}
	if len(data) != TileSize {
		return nil, fmt.Errorf("read tile %d/%d: %d bytes: %w", level, n, len(data), errTileSize)
	}
	return data, nil
}

// Reader answers questions about the tree at one size and all smaller ones from an [Edge] and the stored tiles.
// It is a [tlog.TileReader] and a [tlog.HashReader]. It is safe for concurrent use if its tiles are.
type Reader struct {
	edge  *Edge
	tiles Tiles
}

// NewReader returns a reader of the tree whose edge is e.
func NewReader(e *Edge, tiles Tiles) *Reader { return &Reader{edge: e, tiles: tiles} }

// Size returns the size of the largest tree the reader knows.
func (r *Reader) Size() int64 { return r.edge.Size }

// Root returns the root of that tree.
func (r *Reader) Root() tlog.Hash { return r.edge.Root }

// RootAt returns the root of the tree at an earlier size.
func (r *Reader) RootAt(size int64) (tlog.Hash, error) {
	switch {
	case size == r.edge.Size:
		return r.edge.Root, nil
	case size < 0 || size > r.edge.Size:
		return tlog.Hash{}, fmt.Errorf("root at %d: the record has %d entries", size, r.edge.Size)
	}
	return tlog.TreeHash(size, r)
}

// Tile returns the first width hashes of a tile: 256 for a full one, fewer for the partial one of some smaller tree.
func (r *Reader) Tile(level int, n int64, width int) ([]byte, error) {
	if level < 0 || level > maxTileLevel || n < 0 || width < 1 || width > tileWidth ||
		n > r.edge.Size>>(tileHeight*(level+1)) ||
		n<<tileHeight+int64(width) > r.edge.Size>>(tileHeight*level) {
		return nil, fmt.Errorf("no tile %d/%d of width %d in a record of %d entries", level, n, width, r.edge.Size)
	}
	if n == r.edge.Size>>(tileHeight*(level+1)) {
		return r.edge.data[level][:width*tlog.HashSize], nil
	}
	data, err := fullTile(r.tiles, level, n)
	if err != nil {
		return nil, err
	}
	return data[:width*tlog.HashSize], nil
}

// Height implements [tlog.TileReader].
func (r *Reader) Height() int { return tileHeight }

// ReadTiles implements [tlog.TileReader].
func (r *Reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		var err error
		if data[i], err = r.Tile(t.L, t.N, t.W); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// SaveTiles implements [tlog.TileReader]; it does nothing.
func (r *Reader) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadHashes implements [tlog.HashReader]. The hashes are as stored: a proof made from them is checked before it is
// handed out, see [Reader.Inclusion].
func (r *Reader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		t := tlog.TileForIndex(tileHeight, x)
		data, err := r.Tile(t.L, t.N, t.W)
		if err != nil {
			return nil, err
		}
		if hashes[i], err = tlog.HashFromTile(t, data, x); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// Inclusion returns the proof that the tree of a size holds a leaf at a position. It fails if what is stored does not
// support such a proof.
func (r *Reader) Inclusion(size, position int64, leaf tlog.Hash) (tlog.RecordProof, error) {
	root, err := r.RootAt(size)
	if err != nil {
		return nil, fmt.Errorf("prove inclusion of %d: %w", position, err)
	}
	p, err := tlog.ProveRecord(size, position, r)
	if err != nil {
		return nil, fmt.Errorf("prove inclusion of %d in %d: %w", position, size, err)
	}
	if err := tlog.CheckRecord(p, size, root, position, leaf); err != nil {
		return nil, fmt.Errorf("prove inclusion of %d in %d: stored tiles do not support it: %w", position, size, err)
	}
	return p, nil
}

// Consistency returns the proof that the tree of a size begins with the tree of a smaller size old.
func (r *Reader) Consistency(size, old int64) (tlog.TreeProof, error) {
	newRoot, err := r.RootAt(size)
	if err != nil {
		return nil, fmt.Errorf("prove consistency of %d with %d: %w", size, old, err)
	}
	oldRoot, err := r.RootAt(old)
	if err != nil {
		return nil, fmt.Errorf("prove consistency of %d with %d: %w", size, old, err)
	}
	p, err := tlog.ProveTree(size, old, r)
	if err != nil {
		return nil, fmt.Errorf("prove consistency of %d with %d: %w", size, old, err)
	}
	if err := tlog.CheckTree(p, size, newRoot, old, oldRoot); err != nil {
		return nil, fmt.Errorf("prove consistency of %d with %d: stored tiles do not support it: %w", size, old, err)
	}
	return p, nil
}

// EntriesLevel is the level that [ParseTilePath] gives for a bundle of entries.
const EntriesLevel = -1

// TilePath returns the path of a tile as C2SP tlog-tiles writes it: tile/<L>/<N>, with .p/<W> for a partial one.
// Level EntriesLevel gives tile/entries/<N>.
func TilePath(level int, n int64, width int) string {
	// tlog.Tile writes its height as well; for the rest the forms agree.
	p := tlog.Tile{H: tileHeight, L: level, N: n, W: width}.Path()
	p = "tile/" + strings.TrimPrefix(p, "tile/"+strconv.Itoa(tileHeight)+"/")
	return strings.Replace(p, "tile/data/", "tile/entries/", 1)
}

// ParseTilePath reads what [TilePath] writes, and nothing else.
func ParseTilePath(path string) (level int, n int64, width int, err error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if rest, isEntries := strings.CutPrefix(rest, "entries/"); isEntries {
		path = "tile/8/data/" + rest
	} else {
		path = "tile/8/" + rest
	}
	t, parseErr := tlog.ParseTilePath(path)
	if !ok || parseErr != nil || t.L > maxTileLevel || strings.Contains(rest, "data") {
		return 0, 0, 0, fmt.Errorf("malformed tile path")
	}
	return t.L, t.N, t.W, nil
}

// AppendBundled appends an entry to a bundle of entries: its length in two bytes, then its bytes.
func AppendBundled(dst []byte, e *Entry) []byte {
	dst = append(dst, EntrySize>>8, EntrySize&0xff)
	return e.Append(dst)
}

// ParseBundle reads a bundle of at most 256 entries.
func ParseBundle(b []byte) ([]Entry, error) {
	if len(b) > tileWidth*(2+EntrySize) || len(b)%(2+EntrySize) != 0 {
		return nil, fmt.Errorf("entry bundle is %d bytes long", len(b))
	}
	entries := make([]Entry, 0, tileWidth)
	for ; len(b) > 0; b = b[2+EntrySize:] {
		if n := int(b[0])<<8 | int(b[1]); n != EntrySize {
			return nil, fmt.Errorf("entry bundle holds an entry of %d bytes, want %d", n, EntrySize)
		}
		e, err := ParseEntry(b[2 : 2+EntrySize])
		if err != nil {
			return nil, fmt.Errorf("entry bundle, entry %d: %w", len(entries), err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
