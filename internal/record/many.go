package record

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// A proof of many entries at once holds each hash of the tree at most once.
//
// It is made and checked by the same walk from the root down: a subtree without any of the entries is one hash of the
// proof, a subtree of one leaf that is an entry is that entry's leaf hash, and any other is split where RFC 9162
// splits it. The proof is the hashes in the order of that walk, 32 bytes each, and nothing else. For entries that lie
// together it is hardly larger than the proof of one; for k entries scattered over n it has about k·log(n/k) hashes.

// ProveMany writes the proof that the tree of a size holds the entries at some positions, which must rise. It returns
// the number of hashes written. It does not check what it reads: the caller runs [RootOfMany] over what was written.
func (r *Reader) ProveMany(w io.Writer, size int64, positions []int64) (hashes int, err error) {
	if size < 0 || size > r.edge.Size {
		return 0, fmt.Errorf("prove many: no tree of size %d in a record of %d entries", size, r.edge.Size)
	}
	for i, p := range positions {
		if p < 0 || p >= size || i > 0 && p <= positions[i-1] {
			return 0, fmt.Errorf("prove many: position %d out of order or beyond %d", p, size)
		}
	}
	m := manyProver{r: r, w: w}
	if size > 0 {
		err = m.walk(0, size, positions)
	}
	return m.n, err
}

type manyProver struct {
	r     *Reader
	w     io.Writer
	n     int
	cache [maxTileLevel + 1]struct { // the walk goes from left to right, so one tile a level is enough
		n    int64
		w    int
		data []byte
	}
}

func (m *manyProver) walk(lo, hi int64, positions []int64) error {
	if len(positions) == 0 {
		h, err := m.hash(lo, hi)
		if err != nil {
			return err
		}
		m.n++
		_, err = m.w.Write(h[:])
		return err
	}
	if hi-lo == 1 {
		return nil
	}
	mid, i := split(lo, hi, positions)
	if err := m.walk(lo, mid, positions[:i]); err != nil {
		return err
	}
	return m.walk(mid, hi, positions[i:])
}

// split returns where the subtree of leaves from lo to hi is divided, and how many of the positions lie to the left.
func split(lo, hi int64, positions []int64) (mid int64, left int) {
	k := int64(1)
	for k<<1 < hi-lo {
		k <<= 1
	}
	mid = lo + k
	a, b := 0, len(positions)
	for a < b {
		if c := (a + b) / 2; positions[c] < mid {
			a = c + 1
		} else {
			b = c
		}
	}
	return mid, a
}

// hash returns the hash of the subtree of leaves from lo to hi, which is perfect or lies at the right edge.
func (m *manyProver) hash(lo, hi int64) (tlog.Hash, error) {
	n := hi - lo
	if n&(n-1) != 0 {
		mid, _ := split(lo, hi, nil)
		left, err := m.hash(lo, mid)
		if err != nil {
			return tlog.Hash{}, err
		}
		right, err := m.hash(mid, hi)
		if err != nil {
			return tlog.Hash{}, err
		}
		return tlog.NodeHash(left, right), nil
	}
	level := 0
	for n>>level > 1 {
		level++
	}
	tl := level / tileHeight
	// At the tile's own level the subtree is 2^(level mod 8) hashes side by side.
	first, count := lo>>(tileHeight*tl), 1<<(level%tileHeight)
	tile, at := first>>tileHeight, int(first&(tileWidth-1))
	c := &m.cache[tl]
	if c.data == nil || c.n != tile || c.w < at+count {
		w := tileWidth
		if have := m.r.edge.Size>>(tileHeight*tl) - tile<<tileHeight; have < tileWidth {
			w = int(have)
		}
		data, err := m.r.Tile(tl, tile, w)
		if err != nil {
			return tlog.Hash{}, err
		}
		c.n, c.w, c.data = tile, w, data
	}
	return subtreeHash(c.data[at*tlog.HashSize : (at+count)*tlog.HashSize]), nil
}

// Leaf is the hash of an entry with its position.
type Leaf struct {
	Position int64
	Hash     tlog.Hash
}

// ErrProof says that a proof is malformed: it does not fit the entries it is said to prove.
var ErrProof = errors.New("malformed proof")

// RootOfMany reads a proof that [Reader.ProveMany] wrote and returns the root of the one tree of that size that holds
// these leaves, whose positions must rise, and the hashes of the proof. If it is the signed root, every leaf is in the
// record at its position.
func RootOfMany(proof io.Reader, size int64, leaves []Leaf) (tlog.Hash, error) {
	if size < 0 || size>>(tileHeight*(maxTileLevel+1)) != 0 {
		return tlog.Hash{}, ErrProof
	}
	for i := range leaves {
		if p := leaves[i].Position; p < 0 || p >= size || i > 0 && p <= leaves[i-1].Position {
			return tlog.Hash{}, fmt.Errorf("%w: position %d out of order or beyond %d", ErrProof, p, size)
		}
	}
	root := emptyRoot
	var err error
	if size > 0 {
		if root, err = manyRoot(proof, 0, size, leaves); err != nil {
			return tlog.Hash{}, err
		}
	}
	var more [1]byte
	if n, _ := io.ReadFull(proof, more[:]); n != 0 {
		return tlog.Hash{}, fmt.Errorf("%w: it goes on after its end", ErrProof)
	}
	return root, nil
}

func manyRoot(proof io.Reader, lo, hi int64, leaves []Leaf) (h tlog.Hash, err error) {
	if len(leaves) == 0 {
		if _, err := io.ReadFull(proof, h[:]); err != nil {
			return h, fmt.Errorf("%w: %w", ErrProof, err)
		}
		return h, nil
	}
	if hi-lo == 1 {
		return leaves[0].Hash, nil
	}
	k := int64(1)
	for k<<1 < hi-lo {
		k <<= 1
	}
	a, b := 0, len(leaves)
	for a < b {
		if c := (a + b) / 2; leaves[c].Position < lo+k {
			a = c + 1
		} else {
			b = c
		}
	}
	left, err := manyRoot(proof, lo, lo+k, leaves[:a])
	if err != nil {
		return h, err
	}
	right, err := manyRoot(proof, lo+k, hi, leaves[a:])
	if err != nil {
		return h, err
	}
	return tlog.NodeHash(left, right), nil
}
