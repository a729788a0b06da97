package record

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestProveMany(t *testing.T) {
	var tr Tree
	m := memTiles{}
	build(t, &tr, m, 67_000)
	r := NewReader(tr.Edge(), m)
	rnd := rand.New(rand.NewPCG(9, 10))
	for _, size := range []int64{0, 1, 2, 3, 256, 257, 300, 65_536, 66_000, 67_000} {
		for _, share := range []float64{0, 0.0002, 0.01, 0.5, 1} {
			var positions []int64
			var leaves []Leaf
			for p := range size {
				if rnd.Float64() < share {
					positions = append(positions, p)
					leaves = append(leaves, Leaf{p, testLeaf(p)})
				}
			}
			var proof bytes.Buffer
			n, err := r.ProveMany(&proof, size, positions)
			if err != nil {
				t.Fatal(err)
			}
			if proof.Len() != n*tlog.HashSize {
				t.Errorf("%d hashes are %d bytes", n, proof.Len())
			}
			want, err := r.RootAt(size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := RootOfMany(bytes.NewReader(proof.Bytes()), size, leaves)
			if err != nil || got != want {
				t.Fatalf("size %d, %d leaves: root %v, %v, want %v", size, len(leaves), got, err, want)
			}
			if len(leaves) == 0 {
				continue
			}
			i := rnd.IntN(len(leaves))
			leaves[i].Hash[3] ^= 1
			if got, err := RootOfMany(bytes.NewReader(proof.Bytes()), size, leaves); err != nil || got == want {
				t.Errorf("size %d: a changed leaf gives the same root (%v)", size, err)
			}
			leaves[i].Hash[3] ^= 1
			if _, err := RootOfMany(bytes.NewReader(append(proof.Bytes(), 0)), size, leaves); err == nil {
				t.Error("a proof that goes on was accepted")
			}
			if n > 0 {
				if _, err := RootOfMany(bytes.NewReader(proof.Bytes()[1:]), size, leaves); err == nil {
					t.Error("a proof cut short was accepted")
				}
			}
		}
	}
	if _, err := r.ProveMany(&bytes.Buffer{}, 10, []int64{3, 3}); err == nil {
		t.Error("proved positions that do not rise")
	}
	if _, err := RootOfMany(&bytes.Buffer{}, 10, []Leaf{{Position: 10}}); err == nil {
		t.Error("accepted a position beyond the tree")
	}
}

func FuzzRootOfMany(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), int64(5), int64(1), int64(3))
	f.Fuzz(func(t *testing.T, proof []byte, size, p, q int64) {
		RootOfMany(bytes.NewReader(proof), size, []Leaf{{Position: p}, {Position: q}})
	})
}

func BenchmarkMany(b *testing.B) {
	var tr Tree
	m := memTiles{}
	build(b, &tr, m, 1_000_000)
	r := NewReader(tr.Edge(), m)
	rnd := rand.New(rand.NewPCG(9, 10))
	var positions []int64
	var leaves []Leaf
	for p := range int64(1_000_000) {
		if rnd.IntN(10) == 0 {
			positions = append(positions, p)
			leaves = append(leaves, Leaf{p, testLeaf(p)})
		}
	}
	var proof bytes.Buffer
	b.Run("prove", func(b *testing.B) {
		for b.Loop() {
			proof.Reset()
			if _, err := r.ProveMany(&proof, 1_000_000, positions); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(proof.Len()), "proof-bytes")
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if _, err := RootOfMany(bytes.NewReader(proof.Bytes()), 1_000_000, leaves); err != nil {
				b.Fatal(err)
			}
		}
	})
}
