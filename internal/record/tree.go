package record

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Tiles have height 8, as C2SP tlog-tiles lays down: a full tile holds 256 hashes.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight

	// TileSize is the length of a full tile's data in bytes.
	TileSize = tileWidth * tlog.HashSize

	// maxTileLevel bounds the levels of tiles a tree of at most 2^56 leaves can have.
	maxTileLevel = 6
)

// Tile is a full tile: the 256 hashes at height 8·Level from number 256·N on.
type Tile struct {
	Level int
	N     int64
	Data  []byte // TileSize bytes
}

// Tree is the growing edge of the log: everything needed to append leaves and to say the root, and no more.
//
// It hands out tiles as they become full and keeps the partial ones, at most 255 hashes a level, in memory. After a
// restart [Restore] rebuilds it from the stored full tiles and the last few leaves.
type Tree struct {
	size int64
	// stack[i] is the hash of the last perfect subtree of 2^i leaves; it counts only where bit i of size is set.
	stack [64]tlog.Hash
	// edge[L] is the data of the partial tile at level L. A buffer only ever grows, within its capacity of
	// TileSize, and is given away when full: so slices of it, once taken, stay as they are.
	edge [maxTileLevel + 1][]byte
	full []Tile
}

// Size returns the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Append appends a leaf, see [LeafHash].
func (t *Tree) Append(leaf tlog.Hash) {
	h := leaf
	t.grow(0, t.size, &h)
	n := t.size
	level := 0
	for n&1 == 1 {
		h = tlog.NodeHash(t.stack[level], h)
		n >>= 1
		level++
		if level%tileHeight == 0 {
			t.grow(level/tileHeight, n, &h)
		}
	}
	t.stack[level] = h
	t.size++
}

// grow appends to the tiles of a level the n'th hash there.
func (t *Tree) grow(level int, n int64, h *tlog.Hash) {
	e := t.edge[level]
	if e == nil {
		e = make([]byte, 0, TileSize)
	}
	e = append(e, h[:]...)
	if len(e) == TileSize {
		t.full = append(t.full, Tile{Level: level, N: n >> tileHeight, Data: e})
		e = nil
	}
	t.edge[level] = e
}

// Full returns the tiles that have become full since the last call, lower levels before the higher ones they
// complete. They must be stored in the same transaction as the entries. The data must not be changed, and must not be
// used after a [Tree.Reset] that undoes it.
func (t *Tree) Full() []Tile {
	f := t.full
	t.full = nil
	return f
}

// Root returns the root hash of the tree.
func (t *Tree) Root() tlog.Hash {
	if t.size == 0 {
		return emptyRoot
	}
	n := uint64(t.size)
	i := bits.TrailingZeros64(n)
	h := t.stack[i]
	for n &= n - 1; n != 0; n &= n - 1 {
		h = tlog.NodeHash(t.stack[bits.TrailingZeros64(n)], h)
	}
	return h
}

// emptyRoot is the hash of the empty string, RFC 9162 section 2.1.1.
var emptyRoot, _ = tlog.TreeHash(0, nil)

// Mark is a state of a [Tree] to which it can be reset.
type Mark struct {
	size  int64
	stack []tlog.Hash
	edge  [maxTileLevel + 1][]byte
}

// Mark remembers the tree as it is. It costs a copy of at most 64 hashes, whatever the tree's size.
func (t *Tree) Mark() Mark {
	n := bits.Len64(uint64(t.size))
	return Mark{size: t.size, stack: append([]tlog.Hash(nil), t.stack[:n]...), edge: t.edge}
}

// Reset takes the tree back to a mark, and forgets full tiles not yet handed out. It is for a batch that was not
// committed: the mark must be the last one taken, and an [Edge] taken since then must not be used any more.
func (t *Tree) Reset(m Mark) {
	t.size = m.size
	copy(t.stack[:], m.stack)
	t.edge = m.edge
	t.full = nil
}

// Edge is the part of a tree of some size that does not lie in full tiles, as it was when taken. With the stored full
// tiles it answers every question about the tree at that size or any smaller one. It does not change and is safe for
// concurrent use: the recorder publishes one after each commit.
type Edge struct {
	Size int64
	Root tlog.Hash
	data [maxTileLevel + 1][]byte
}

// Edge returns the tree's edge. Only the edge of a committed tree may be given to readers.
func (t *Tree) Edge() *Edge {
	e := &Edge{Size: t.size, Root: t.Root()}
	for l, d := range t.edge {
		e.data[l] = d[:len(d):len(d)]
	}
	return e
}

// Restore rebuilds the tree of a size from what is stored. Tiles must hold every full tile of that size; leaves must
// return the leaf hashes of positions from (a multiple of 256, at most 255 below size) up to size.
//
// It reads at most 255 full tiles a level. It does not verify: that is for [Verify]. The caller should compare the root
// with the last signed checkpoint.
func Restore(size int64, tiles Tiles, leaves func(from, to int64) ([]tlog.Hash, error)) (*Tree, error) {
	if size < 0 || size>>(tileHeight*(maxTileLevel+1)) != 0 {
		return nil, fmt.Errorf("restore tree: size %d out of range", size)
	}
	t := &Tree{size: size}
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		end := size >> (tileHeight * level)
		start := end &^ (tileWidth - 1)
		if start == end {
			continue
		}
		e := make([]byte, 0, TileSize)
		if level == 0 {
			hashes, err := leaves(start, end)
			if err != nil {
				return nil, fmt.Errorf("restore tree: leaves %d to %d: %w", start, end, err)
			}
			if int64(len(hashes)) != end-start {
				return nil, fmt.Errorf("restore tree: got %d leaves from %d to %d", len(hashes), start, end)
			}
			for i := range hashes {
				e = append(e, hashes[i][:]...)
			}
		} else {
			for n := start; n < end; n++ {
				data, err := fullTile(tiles, level-1, n)
				if err != nil {
					return nil, fmt.Errorf("restore tree: %w", err)
				}
				h := subtreeHash(data)
				e = append(e, h[:]...)
			}
		}
		t.edge[level] = e
		// The perfect subtrees that end the tree lie in the edges one after the other, larger ones first.
		at := 0
		for bit := tileHeight - 1; bit >= 0; bit-- {
			if width := 1 << bit; int(end-start)&width != 0 {
				t.stack[level*tileHeight+bit] = subtreeHash(e[at*tlog.HashSize : (at+width)*tlog.HashSize])
				at += width
			}
		}
	}
	return t, nil
}

// subtreeHash returns the hash over a power of two of hashes.
func subtreeHash(data []byte) tlog.Hash {
	if len(data) == tlog.HashSize {
		return tlog.Hash(data)
	}
	half := len(data) / 2
	return tlog.NodeHash(subtreeHash(data[:half]), subtreeHash(data[half:]))
}
