package recorder_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

type fixture struct {
	db     *sqldb.DB
	signer note.Signer
	key    string
}

func newFixture(t testing.TB, target string) *fixture {
	t.Helper()
	db := sqldbtest.Open(t, target)
	if err := store.Migrate(context.Background(), db); err != nil {
		t.Fatal(err)
	}
	private, public, err := record.GenerateKey(rand.Reader, record.Origin("example.org"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{db: db, signer: signer, key: public}
}

func (f *fixture) open(t testing.TB, published func([]recorder.Committed)) *recorder.Recorder {
	t.Helper()
	r, err := recorder.Open(context.Background(), recorder.Options{DB: f.db, Signer: f.signer, Log: slog.New(slog.DiscardHandler), Published: published})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// check recomputes the tree from the stored entries and compares it with the stored checkpoint.
func (f *fixture) check(t testing.TB, want int64) {
	t.Helper()
	ctx := context.Background()
	head, err := store.ReadHead(ctx, f.db.Reader())
	if err != nil {
		t.Fatal(err)
	}
	verifier, _ := note.NewVerifier(f.key)
	cp, err := record.OpenCheckpoint(head.Checkpoint, verifier)
	if err != nil {
		t.Fatal(err)
	}
	if cp.Size != want {
		t.Errorf("the record has %d entries, want %d", cp.Size, want)
	}
	tags := map[int64][32]byte{}
	store.Scopes(ctx, f.db.Reader(), func(s store.Scope) error { tags[s.ID] = record.ScopeTag(s.Salt, s.Name); return nil })
	next := map[int64]int64{}
	var tree record.Tree
	var n int64
	err = store.Entries(ctx, f.db.Reader(), 0, 1<<60, func(row *store.Entry) error {
		if row.Pos != n || row.Seq != next[row.Scope] {
			t.Errorf("entry %d (want %d) has sequence %d in scope %d, want %d", row.Pos, n, row.Seq, row.Scope, next[row.Scope])
		}
		n++
		next[row.Scope]++
		e := record.Entry{Time: row.Time, ScopeTag: tags[row.Scope], Seq: uint64(row.Seq), Kind: row.Kind,
			Commitment: record.Commit((*[32]byte)(row.Salt), row.Body)}
		tree.Append(record.LeafHash(&e))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != want || tree.Root() != cp.Root {
		t.Errorf("%d entries with root %v, the checkpoint has %d with %v", n, tree.Root(), cp.Size, cp.Root)
	}
}

func entry(scope, body string) recorder.Entry {
	return recorder.Entry{Scope: scope, Kind: record.KindEvent, Body: []byte(body)}
}

func TestManyWriters(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		f := newFixture(t, target)
		var mu sync.Mutex
		published := 0
		r := f.open(t, func(c []recorder.Committed) { mu.Lock(); published += len(c); mu.Unlock() })
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 100 {
					var pos int64
					err := r.Do(context.Background(), func(b *recorder.Batch) error {
						pos = b.Append(entry(fmt.Sprintf("!room%d", w%3), fmt.Sprintf(`{"w":%d,"i":%d}`, w, i)))
						return nil
					})
					if err != nil {
						t.Error(err)
					}
					if e, err := store.EntryAt(context.Background(), f.db.Reader(), pos); err != nil || string(e.Body) != fmt.Sprintf(`{"w":%d,"i":%d}`, w, i) {
						t.Errorf("acknowledged entry %d: %q, %v", pos, e.Body, err)
					}
				}
			})
		}
		wg.Wait()
		f.check(t, 800)
		if published != 800 {
			t.Errorf("published %d entries, want 800", published)
		}
		r.Close()
		if err := r.Do(context.Background(), func(*recorder.Batch) error { return nil }); err != recorder.ErrClosed {
			t.Errorf("Do after Close = %v, want ErrClosed", err)
		}
		again := f.open(t, nil)
		if got := again.Head().Edge.Size; got != 800 {
			t.Errorf("size after reopening = %d, want 800", got)
		}
		again.Do(context.Background(), func(b *recorder.Batch) error { b.Append(entry("!room1", `{}`)); return nil })
		f.check(t, 801)
	})
}

// A change that fails leaves no trace and does not harm those that share its transaction.
func TestFailedChange(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		f := newFixture(t, target)
		r := f.open(t, nil)
		ctx := context.Background()
		no := errors.New("no")
		hold := make(chan bool)
		go r.Do(ctx, func(b *recorder.Batch) error { <-hold; b.Append(entry("a", `{"n":0}`)); return nil })
		ref := []byte("0123456789abcdef")
		withRef := func(b *recorder.Batch) error {
			e := entry("a", `{"ref":true}`)
			e.Ref = ref
			b.Append(e)
			return nil
		}
		undone := 0
		jobs := []struct {
			run  func(*recorder.Batch) error
			want func(error) bool
		}{
			{withRef, func(err error) bool { return err == nil }},
			{func(b *recorder.Batch) error {
				b.OnRollback(func() { undone++ })
				b.Append(entry("new scope", `{}`))
				return no
			}, func(err error) bool { return err == no }},
			{withRef, sqldb.IsUnique},
			{func(b *recorder.Batch) error {
				b.Append(entry("a", `{}`))
				if err := store.SetSetting(ctx, b.Tx(), "k", "wrong"); err != nil {
					return err
				}
				b.Append(entry("scope in savepoint", `{}`))
				b.Tx()
				return no
			}, func(err error) bool { return err == no }},
			{func(b *recorder.Batch) error { panic("bug") }, func(err error) bool { return err != nil }},
			{func(b *recorder.Batch) error {
				b.Append(entry("scope in savepoint", `{"last":1}`))
				return store.SetSetting(ctx, b.Tx(), "k", "right")
			}, func(err error) bool { return err == nil }},
		}
		results := make([]chan error, len(jobs))
		for i, j := range jobs {
			results[i] = make(chan error, 1)
			go func() { results[i] <- r.Do(ctx, j.run) }()
		}
		close(hold)
		bad := 0
		for i, j := range jobs {
			if err := <-results[i]; !j.want(err) {
				// The two changes with one reference may come in either order.
				if i == 0 && sqldb.IsUnique(err) || i == 2 && err == nil {
					bad++
					continue
				}
				t.Errorf("change %d: %v", i, err)
			}
		}
		if bad == 1 {
			t.Error("of two changes with one reference not exactly one succeeded")
		}
		if undone == 0 {
			t.Error("OnRollback was not called for a change that failed")
		}
		f.check(t, 3)
		if v, err := store.Setting(ctx, f.db.Reader(), "k"); v != "right" || err != nil {
			t.Errorf("setting = %q, %v; want right", v, err)
		}
	})
}

// A second writer takes over; the first must not write any more.
func TestFencing(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		f := newFixture(t, target)
		first := f.open(t, nil)
		add := func(r *recorder.Recorder) error {
			return r.Do(context.Background(), func(b *recorder.Batch) error { b.Append(entry("a", `{}`)); return nil })
		}
		if err := add(first); err != nil {
			t.Fatal(err)
		}
		other := sqldbtest.Open(t, target)
		g := &fixture{db: other, signer: f.signer, key: f.key}
		second := g.open(t, nil)
		if err := add(second); err != nil {
			t.Fatal(err)
		}
		if err := add(first); err != recorder.ErrClosed {
			t.Errorf("the writer that was replaced: %v, want ErrClosed", err)
		}
		<-first.Done()
		if err := add(second); err != nil {
			t.Fatal(err)
		}
		f.check(t, 3)
	})
}

// The record refuses to open over entries that are not those that were signed.
func TestTamperedRecordIsRefused(t *testing.T) {
	f := newFixture(t, sqldbtest.SQLite(t))
	r := f.open(t, nil)
	for range 3 {
		r.Do(context.Background(), func(b *recorder.Batch) error { b.Append(entry("a", `{"x":1}`)); return nil })
	}
	r.Close()
	f.db.Write(context.Background(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(context.Background(), `UPDATE entry SET body = $1 WHERE pos = 1`, []byte(`{"x":2}`))
		return err
	})
	_, err := recorder.Open(context.Background(), recorder.Options{DB: f.db, Signer: f.signer, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Error("a record with a changed entry was opened")
	}
}

// The database is stopped under load and comes back: nothing acknowledged is lost, nothing is there
// twice, and the recorder goes on without help.
func TestDatabaseOutage(t *testing.T) {
	f := newFixture(t, sqldbtest.Postgres(t))
	r := f.open(t, nil)
	stop, start := sqldbtest.Restart(t)
	ctx := context.Background()
	acked := make(map[string]bool)
	var mu sync.Mutex
	var wg sync.WaitGroup
	quit := make(chan bool)
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-quit:
					return
				default:
				}
				body := fmt.Sprintf(`{"id":"%d-%d"}`, w, i)
				if err := r.Do(ctx, func(b *recorder.Batch) error { b.Append(entry("a", body)); return nil }); err == nil {
					mu.Lock()
					acked[body] = true
					mu.Unlock()
				} else if !errors.Is(err, recorder.ErrUnavailable) {
					t.Errorf("during the outage: %v, want ErrUnavailable", err)
					return
				}
			}
		})
	}
	wait := func(n int) {
		for {
			mu.Lock()
			have := len(acked)
			mu.Unlock()
			if have >= n {
				return
			}
		}
	}
	wait(50)
	stop()
	start()
	mu.Lock()
	n := len(acked)
	mu.Unlock()
	wait(n + 50)
	close(quit)
	wg.Wait()
	have := map[string]int{}
	var size int64
	store.Entries(ctx, f.db.Reader(), 0, 1<<60, func(e *store.Entry) error { have[string(e.Body)]++; size++; return nil })
	for body := range acked {
		if have[body] != 1 {
			t.Errorf("acknowledged %s is there %d times", body, have[body])
		}
	}
	f.check(t, size)
}

func TestRootAgreesWithTlog(t *testing.T) {
	f := newFixture(t, sqldbtest.SQLite(t))
	r := f.open(t, nil)
	for i := range 600 { // past two full tiles
		r.Do(context.Background(), func(b *recorder.Batch) error { b.Append(entry("a", fmt.Sprintf(`{"i":%d}`, i))); return nil })
	}
	tiles := record.TilesFunc(func(level int, n int64) ([]byte, error) {
		return store.TileData(context.Background(), f.db.Reader(), level, n)
	})
	head := r.Head()
	got, err := tlog.TreeHash(head.Edge.Size, record.NewReader(head.Edge, tiles))
	if err != nil || got != head.Edge.Root {
		t.Errorf("tlog computes %v (%v), the head says %v", got, err, head.Edge.Root)
	}
	f.check(t, 600)
}

// A change that fails after it has put something into a scope that is new leaves nothing of the scope in
// the writer's memory either.
func TestNewScopeOfFailedChange(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		f := newFixture(t, target)
		r := f.open(t, nil)
		ctx := context.Background()
		no := errors.New("no")
		for _, first := range []func(*recorder.Batch) error{
			func(b *recorder.Batch) error { b.Append(entry("!new", `{}`)); return no },
			func(b *recorder.Batch) error { _, err := b.ScopeID("!other"); return err },
		} {
			if err := r.Do(ctx, first); err != nil && err != no {
				t.Fatal(err)
			}
		}
		for _, scope := range []string{"!new", "!other"} {
			if err := r.Do(ctx, func(b *recorder.Batch) error { b.Append(entry(scope, `{"n":1}`)); return nil }); err != nil {
				t.Fatal(err)
			}
			if _, err := store.ScopeByName(ctx, f.db.Reader(), scope); err != nil {
				t.Errorf("scope %s of an entry on the record: %v", scope, err)
			}
		}
		f.check(t, 2)
	})
}
