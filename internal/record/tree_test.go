package record

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
)

// memTiles keeps tiles in memory.
type memTiles map[[2]int64][]byte

func (m memTiles) Tile(level int, n int64) ([]byte, error) {
	d, ok := m[[2]int64{int64(level), n}]
	if !ok {
		return nil, ErrNoTile
	}
	return d, nil
}

func (m memTiles) store(t testing.TB, tiles []Tile) {
	for _, x := range tiles {
		k := [2]int64{int64(x.Level), x.N}
		if _, ok := m[k]; ok {
			t.Fatalf("tile %v handed out twice", k)
		}
		m[k] = append([]byte(nil), x.Data...)
	}
}

func testEntry(i int64) Entry {
	e := Entry{Time: 1_700_000_000_000 + i, Seq: uint64(i), Kind: KindEvent}
	binary.BigEndian.PutUint64(e.ScopeTag[:], 7)
	binary.BigEndian.PutUint64(e.Commitment[:], uint64(i))
	return e
}

func testLeaf(i int64) tlog.Hash { e := testEntry(i); return LeafHash(&e) }

// build appends leaves from the tree's size up to size.
func build(t testing.TB, tr *Tree, m memTiles, size int64) {
	for i := tr.Size(); i < size; i++ {
		tr.Append(testLeaf(i))
	}
	m.store(t, tr.Full())
}

func testLeaves(from, to int64) ([]tlog.Hash, error) {
	var h []tlog.Hash
	for i := from; i < to; i++ {
		h = append(h, testLeaf(i))
	}
	return h, nil
}

func TestLeafHashIsRecordHash(t *testing.T) {
	e := testEntry(3)
	if got, want := LeafHash(&e), tlog.RecordHash(e.Append(nil)); got != want {
		t.Errorf("LeafHash = %v, want %v", got, want)
	}
}

// The roots agree with an implementation that is not ours, at every size.
func TestRootAgainstMerkle(t *testing.T) {
	rf := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	cr := rf.NewEmptyRange(0)
	var tr Tree
	m := memTiles{}
	if got, want := tr.Root(), tlog.Hash(rfc6962.DefaultHasher.EmptyRoot()); got != want {
		t.Fatalf("empty root = %v, want %v", got, want)
	}
	for i := int64(0); i < 70_000; i++ {
		leaf := testLeaf(i)
		tr.Append(leaf)
		if err := cr.Append(leaf[:], nil); err != nil {
			t.Fatal(err)
		}
		if i < 600 || i%509 == 0 || i > 65_500 && i < 65_600 {
			want, err := cr.GetRootHash(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := tr.Root(); got != tlog.Hash(want) {
				t.Fatalf("root at %d = %v, want %x", i+1, got, want)
			}
		}
	}
	m.store(t, tr.Full())
	if got, want := len(m), 70_000/256+1; got != want {
		t.Errorf("%d full tiles, want %d", got, want)
	}
}

// Proofs at the current and at smaller sizes satisfy both tlog and merkle.
func TestProofs(t *testing.T) {
	var tr Tree
	m := memTiles{}
	build(t, &tr, m, 66_000)
	r := NewReader(tr.Edge(), m)
	rnd := rand.New(rand.NewPCG(1, 2))
	sizes := []int64{1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_792, 65_999, 66_000}
	for range 40 {
		sizes = append(sizes, 1+rnd.Int64N(66_000))
	}
	for _, size := range sizes {
		root, err := r.RootAt(size)
		if err != nil {
			t.Fatal(err)
		}
		for _, pos := range []int64{0, size / 2, size - 1, rnd.Int64N(size)} {
			leaf := testLeaf(pos)
			p, err := r.Inclusion(size, pos, leaf)
			if err != nil {
				t.Fatal(err)
			}
			if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(pos), uint64(size), leaf[:], slices(p), root[:]); err != nil {
				t.Errorf("inclusion of %d in %d: %v", pos, size, err)
			}
			// The same through tlog's own reader, which authenticates each tile.
			auth := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, r)
			p2, err := tlog.ProveRecord(size, pos, auth)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(p) != fmt.Sprint(p2) {
				t.Errorf("inclusion of %d in %d differs from tlog's", pos, size)
			}
		}
		old := 1 + rnd.Int64N(size)
		oldRoot, err := r.RootAt(old)
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Consistency(size, old)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old), uint64(size), slices(c), oldRoot[:], root[:]); err != nil {
			t.Errorf("consistency of %d with %d: %v", size, old, err)
		}
	}
	if _, err := r.Inclusion(66_000, 5, testLeaf(6)); err == nil {
		t.Error("a proof of the wrong leaf was handed out")
	}
}

func slices(h []tlog.Hash) [][]byte {
	b := make([][]byte, len(h))
	for i := range h {
		b[i] = h[i][:]
	}
	return b
}

func TestRestore(t *testing.T) {
	for _, size := range []int64{0, 1, 2, 3, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 66_049, 70_001} {
		var tr Tree
		m := memTiles{}
		build(t, &tr, m, size)
		got, err := Restore(size, m, testLeaves)
		if err != nil {
			t.Fatal(err)
		}
		if got.Root() != tr.Root() {
			t.Fatalf("root after restore at %d differs", size)
		}
		// It goes on exactly like the first.
		for i := size; i < size+700; i++ {
			tr.Append(testLeaf(i))
			got.Append(testLeaf(i))
		}
		if got.Root() != tr.Root() || fmt.Sprint(got.Full()) != fmt.Sprint(tr.Full()) {
			t.Fatalf("tree restored at %d goes on differently", size)
		}
	}
}

// A batch that fails to commit leaves no trace, and readers of an earlier edge notice nothing.
func TestReset(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var tr, want Tree
	m, wantM := memTiles{}, memTiles{}
	for tr.Size() < 70_000 {
		edge := tr.Edge()
		before := fmt.Sprint(edge.data[0])
		mark := tr.Mark()
		for range rnd.IntN(900) {
			tr.Append(tlog.Hash{byte(rnd.Uint32())})
		}
		if rnd.IntN(2) == 0 {
			tr.Full()
		}
		tr.Reset(mark)
		if tr.Root() != want.Root() || tr.Size() != want.Size() {
			t.Fatalf("reset at %d did not take the tree back", want.Size())
		}
		n := want.Size() + rnd.Int64N(900)
		build(t, &tr, m, n)
		build(t, &want, wantM, n)
		if fmt.Sprint(edge.data[0]) != before {
			t.Fatal("an edge changed after it was taken")
		}
	}
	if tr.Root() != want.Root() || fmt.Sprint(m) != fmt.Sprint(wantM) {
		t.Error("tree with resets differs from the one without")
	}
}

func TestTilePath(t *testing.T) {
	for _, c := range []struct {
		level int
		n     int64
		width int
		want  string
	}{
		{0, 0, 256, "tile/0/000"},
		{1, 1234067, 256, "tile/1/x001/x234/067"},
		{2, 5, 1, "tile/2/005.p/1"},
		{EntriesLevel, 123, 256, "tile/entries/123"},
		{EntriesLevel, 1234067, 8, "tile/entries/x001/x234/067.p/8"},
	} {
		got := TilePath(c.level, c.n, c.width)
		if got != c.want {
			t.Errorf("TilePath(%d, %d, %d) = %q, want %q", c.level, c.n, c.width, got, c.want)
		}
		l, n, w, err := ParseTilePath(got)
		if err != nil || l != c.level || n != c.n || w != c.width {
			t.Errorf("ParseTilePath(%q) = %d, %d, %d, %v", got, l, n, w, err)
		}
	}
	for _, bad := range []string{"", "tile", "tile/", "tile/0", "tile/data/000", "tile/0/1", "tile/-1/000", "tile/9/000",
		"tile/0/000.p/0", "tile/0/000.p/256", "tile/entries/entries/000", "tile/0/x000/001", "0/000", "tile/00/000"} {
		if _, _, _, err := ParseTilePath(bad); err == nil {
			t.Errorf("ParseTilePath(%q) succeeded", bad)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	var tr Tree
	leaf := testLeaf(1)
	for b.Loop() {
		tr.Append(leaf)
		if len(tr.full) > 64 {
			tr.Full()
		}
	}
}

func BenchmarkRoot10M(b *testing.B) {
	var tr Tree
	for i := int64(0); i < 10_000_000; i++ {
		tr.Append(tlog.Hash{})
		if len(tr.full) > 64 {
			tr.Full()
		}
	}
	b.ResetTimer()
	for b.Loop() {
		tr.Root()
	}
}

func BenchmarkMark(b *testing.B) {
	var tr Tree
	for range 1_000_001 {
		tr.Append(tlog.Hash{})
	}
	for b.Loop() {
		tr.Reset(tr.Mark())
	}
}

func BenchmarkInclusion(b *testing.B) {
	var tr Tree
	m := memTiles{}
	build(b, &tr, m, 1_000_000)
	r := NewReader(tr.Edge(), m)
	leaf := testLeaf(123_456)
	b.ResetTimer()
	for b.Loop() {
		if _, err := r.Inclusion(1_000_000, 123_456, leaf); err != nil {
			b.Fatal(err)
		}
	}
}
