package record

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
)

// memStore is a whole record in memory.
type memStore struct {
	memTiles
	rows []*Row // by position; nil where one is missing
	tree Tree
}

func (s *memStore) Rows(ctx context.Context, from, to int64) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		for _, r := range s.rows[from:to] {
			if r != nil && !yield(r, nil) {
				return
			}
		}
	}
}

func (s *memStore) add(scope string, seq uint64, kind Kind, body []byte) {
	p := int64(len(s.rows))
	salt := [32]byte{1}
	binary.BigEndian.PutUint64(salt[8:], uint64(p))
	scopeSalt := [32]byte{2}
	copy(scopeSalt[1:], scope)
	r := &Row{Position: p, Scope: scope, ScopeSalt: &scopeSalt, Salt: &salt, Body: body, Entry: Entry{
		Time: 1000 + p/3, ScopeTag: ScopeTag(scopeSalt, scope), Seq: seq, Kind: kind, Commitment: Commit(&salt, body)}}
	s.rows = append(s.rows, r)
	s.tree.Append(LeafHash(&r.Entry))
}

func newMemStore(t testing.TB, size, bodySize int) *memStore {
	s := &memStore{memTiles: memTiles{}}
	for i := range size {
		body := make([]byte, bodySize)
		binary.BigEndian.PutUint64(body, uint64(i))
		s.add(fmt.Sprintf("!%d:example.org", i%7), uint64(i/7), KindEvent, body)
	}
	s.memTiles.store(t, s.tree.Full())
	return s
}

func (s *memStore) checkpoint() Checkpoint {
	return Checkpoint{Origin: "x/despatch", Size: s.tree.Size(), Root: s.tree.Root()}
}

func verifyAll(t testing.TB, s *memStore, v Verification) (Verified, []Finding) {
	t.Helper()
	var found []Finding
	if v.Size == 0 {
		v.Size = int64(len(s.rows))
	}
	if v.Checkpoint.Origin == "" {
		v.Checkpoint = s.checkpoint()
	}
	v.Report = func(f Finding) { found = append(found, f) }
	done, err := Verify(context.Background(), s, v)
	if err != nil {
		t.Fatal(err)
	}
	if int(done.Findings) != len(found) {
		t.Errorf("%d findings counted, %d reported", done.Findings, len(found))
	}
	return done, found
}

func TestVerifySound(t *testing.T) {
	for _, size := range []int{1, 7, 255, 256, 257, 70_000, 131_072, 140_001} {
		s := newMemStore(t, size, 20)
		for _, workers := range []int{1, 3} {
			done, found := verifyAll(t, s, Verification{Workers: workers})
			if len(found) != 0 || done.Entries != int64(size) || done.Bodies != int64(size) || done.Scopes != min(size, 7) {
				t.Errorf("size %d, %d workers: %+v, %v", size, workers, done, found)
			}
		}
	}
}

// Whatever is changed in one position, that position is named.
func TestVerifyNamesWhatWasChanged(t *testing.T) {
	const size = 70_000
	s := newMemStore(t, size, 20)
	rnd := rand.New(rand.NewPCG(5, 6))
	changes := map[string]func(*Row){
		"time":       func(r *Row) { r.Entry.Time++ },
		"scope tag":  func(r *Row) { r.Entry.ScopeTag[rnd.IntN(32)] ^= 1 << rnd.IntN(8) },
		"sequence":   func(r *Row) { r.Entry.Seq++ },
		"kind":       func(r *Row) { r.Entry.Kind++ },
		"commitment": func(r *Row) { r.Entry.Commitment[rnd.IntN(32)] ^= 1 << rnd.IntN(8) },
		"body":       func(r *Row) { r.Body = append([]byte{'x'}, r.Body...) },
		"body byte":  func(r *Row) { r.Body = append([]byte(nil), r.Body...); r.Body[rnd.IntN(20)] ^= 1 << rnd.IntN(8) },
		"salt":       func(r *Row) { x := *r.Salt; x[rnd.IntN(32)] ^= 1; r.Salt = &x },
		"body gone":  func(r *Row) { r.Body = nil },
		"salt gone":  func(r *Row) { r.Salt = nil },
		"both gone":  func(r *Row) { r.Salt, r.Body = nil, nil },
		"scope":      func(r *Row) { r.Scope = "!other:example.org" },
		"body and commitment": func(r *Row) {
			r.Body = []byte("forged")
			r.Entry.Commitment = Commit(r.Salt, r.Body)
		},
	}
	for name, change := range changes {
		p := rnd.Int64N(69_888) // in a full tile
		keep := *s.rows[p]
		change(s.rows[p])
		_, found := verifyAll(t, s, Verification{Workers: 2})
		*s.rows[p] = keep
		if len(found) == 0 || !covers(found[0], p) {
			t.Errorf("%s changed at %d: %v", name, p, found)
		}
	}
	// In the last, partial tile the position of a body is still named; an entry's is narrowed to the tile.
	keep := *s.rows[size-1]
	s.rows[size-1].Entry.Time++
	_, found := verifyAll(t, s, Verification{})
	*s.rows[size-1] = keep
	if len(found) != 1 || !strings.Contains(found[0].Problem, "from position 69888 on") {
		t.Errorf("entry changed in the last tile: %v", found)
	}
	// Two entries changing places.
	s.rows[100].Entry, s.rows[107].Entry = s.rows[107].Entry, s.rows[100].Entry
	_, found = verifyAll(t, s, Verification{})
	s.rows[100].Entry, s.rows[107].Entry = s.rows[107].Entry, s.rows[100].Entry
	if !covers(found[0], 100) {
		t.Errorf("entries swapped: %v", found)
	}
	// A row taken out.
	gone := s.rows[5000]
	s.rows[5000] = nil
	_, found = verifyAll(t, s, Verification{})
	s.rows[5000] = gone
	if !covers(found[0], 5000) || !strings.Contains(found[0].Problem, "missing") {
		t.Errorf("entry removed: %v", found)
	}
}

func covers(f Finding, p int64) bool { return f.Positions.From <= p && p < f.Positions.To }

func TestVerifyTiles(t *testing.T) {
	s := newMemStore(t, 70_000, 20)
	rnd := rand.New(rand.NewPCG(7, 8))
	for k, data := range s.memTiles {
		if rnd.IntN(64) != 0 && k[0] == 0 {
			continue
		}
		i := rnd.IntN(TileSize)
		data[i] ^= 1
		if _, found := verifyAll(t, s, Verification{}); len(found) == 0 {
			t.Errorf("byte %d of tile %v changed and nothing found", i, k)
		}
		data[i] ^= 1
		delete(s.memTiles, k)
		if _, found := verifyAll(t, s, Verification{}); len(found) == 0 || !strings.Contains(found[0].Problem, "missing") {
			t.Errorf("tile %v removed: %v", k, found)
		}
		s.memTiles[k] = data[:TileSize-1]
		if _, found := verifyAll(t, s, Verification{}); len(found) == 0 {
			t.Errorf("tile %v cut and nothing found", k)
		}
		s.memTiles[k] = data
	}
}

// A record rewritten whole, tiles and all, does not have the root that was signed.
func TestVerifyRewritten(t *testing.T) {
	s := newMemStore(t, 3000, 20)
	cp := s.checkpoint()
	forged := newMemStore(t, 3000, 21)
	_, found := verifyAll(t, forged, Verification{Checkpoint: cp})
	if len(found) != 1 || !strings.Contains(found[0].Problem, "signed") {
		t.Errorf("rewritten record: %v", found)
	}
	// One that goes on after the checkpoint is sound; one that is shorter is not.
	longer := newMemStore(t, 3500, 20)
	if _, found := verifyAll(t, longer, Verification{Checkpoint: cp}); len(found) != 0 {
		t.Errorf("longer record: %v", found)
	}
	shorter := newMemStore(t, 2500, 20)
	if _, found := verifyAll(t, shorter, Verification{Checkpoint: cp}); len(found) != 1 {
		t.Errorf("shorter record: %v", found)
	}
}

// Time and sequence are checked across the borders of chunks too.
func TestVerifyOrderAcrossChunks(t *testing.T) {
	s := newMemStore(t, 140_000, 20)
	var forged memStore
	forged.memTiles = memTiles{}
	forged.rows = s.rows
	for _, r := range s.rows {
		if r.Position == chunkSize {
			r.Entry.Seq++
			r.Entry.Time = 5
		}
		forged.tree.Append(LeafHash(&r.Entry))
	}
	forged.memTiles.store(t, forged.tree.Full())
	_, found := verifyAll(t, &forged, Verification{Workers: 3, Checkpoint: forged.checkpoint()})
	text := fmt.Sprint(found)
	if !strings.Contains(text, fmt.Sprintf("position %d: its time is earlier", chunkSize)) ||
		!strings.Contains(text, fmt.Sprintf("position %d: it has number", chunkSize)) {
		t.Errorf("found %v", found)
	}
}

func TestVerifyDisposal(t *testing.T) {
	s := newMemStore(t, 1000, 20)
	cert, _ := json.Marshal([]Span{{10, 20}, {500, 501}})
	s.add("org", 0, KindDisposal, cert)
	s.memTiles.store(t, s.tree.Full())
	disposed := func(body []byte) (spans []Span, err error) { err = json.Unmarshal(body, &spans); return }
	for p := int64(10); p < 20; p++ {
		s.rows[p].Salt, s.rows[p].Body = nil, nil
	}
	done, found := verifyAll(t, s, Verification{Disposed: disposed})
	if len(found) != 0 || done.Disposed != 10 {
		t.Errorf("lawful disposal: %+v, %v", done, found)
	}
	s.rows[20].Salt, s.rows[20].Body = nil, nil
	if _, found = verifyAll(t, s, Verification{Disposed: disposed}); len(found) != 1 || found[0].Positions != (Span{20, 21}) {
		t.Errorf("one body too many gone: %v", found)
	}
	if _, found = verifyAll(t, s, Verification{}); len(found) != 1 || found[0].Positions != (Span{10, 21}) {
		t.Errorf("without certificates: %v", found)
	}
}

func TestProofFile(t *testing.T) {
	signer, v := testKey(t, "example.org/despatch")
	s := newMemStore(t, 3000, 20)
	cp := s.checkpoint()
	cp.Origin = v.Name()
	msg, err := cp.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	e := s.rows[1234].Entry
	path, err := NewReader(s.tree.Edge(), s.memTiles).Inclusion(cp.Size, 1234, LeafHash(&e))
	if err != nil {
		t.Fatal(err)
	}
	file := FormatProof(1234, path, msg, []byte("extra"))
	p, got, err := CheckProof(file, &e, v)
	if err != nil || p != 1234 || got != cp {
		t.Errorf("CheckProof = %d, %+v, %v", p, got, err)
	}
	other := s.rows[1235].Entry
	if _, _, err := CheckProof(file, &other, v); err == nil {
		t.Error("a proof held for another entry")
	}
	for i := range file {
		bad := append([]byte(nil), file...)
		bad[i] ^= 2
		if p, c, err := CheckProof(bad, &e, v); err == nil && (p != 1234 || c != cp) {
			t.Errorf("a proof changed at byte %d holds for %d in %+v", i, p, c)
		}
	}
	if _, _, err := CheckProof(FormatProof(-1, path, msg, nil), &e, v); err == nil {
		t.Error("a proof at position -1 held")
	}
}

func FuzzCheckProof(f *testing.F) {
	signer, v := testKey(f, "example.org/despatch")
	cp := Checkpoint{Origin: v.Name(), Size: 1}
	e := testEntry(0)
	cp.Root = LeafHash(&e)
	msg, err := cp.Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(FormatProof(0, nil, msg, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, c, err := CheckProof(b, &e, v); err == nil && c != cp {
			t.Errorf("%q proves %+v", b, c)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := newMemStore(b, 300_000, 700)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			for b.Loop() {
				verifyAll(b, s, Verification{Workers: workers})
			}
			b.ReportMetric(float64(b.N)*300_000/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
