package search_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/search"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

// BenchmarkSearch indexes DESPATCH_BENCH_MESSAGES messages (20 000 if unset) of 24 words from a vocabulary of 60 000,
// in 100 conversations, and looks for rare and frequent words in them.
func BenchmarkSearch(b *testing.B) {
	n, _ := strconv.Atoi(os.Getenv("DESPATCH_BENCH_MESSAGES"))
	if n == 0 {
		n = 20_000
	}
	for _, database := range []string{"sqlite", "postgres"} {
		target := ""
		if database == "postgres" {
			target = "postgres:"
		}
		b.Run(database, func(b *testing.B) { benchmark(b, target, n) })
	}
}

func benchmark(b *testing.B, target string, n int) {
	if target != "" {
		target = sqldbtest.Postgres(b)
	}
	d := start(b, target)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 4, 60_000)
	for i := 0; i < n; {
		err := d.Rec.Do(context.Background(), func(batch *recorder.Batch) error {
			for range min(500, n-i) {
				var text []string
				for range 24 {
					text = append(text, fmt.Sprintf("word%d", zipf.Uint64()))
				}
				if i%(n/50) == 0 {
					text = append(text, "rarest")
				}
				sent := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 40 * time.Second).Format("2006-01-02T15:04:05.000Z")
				body := fmt.Sprintf(`{"body":"%s","id":"obs_%d","kind":"text","sender":"Person %d","sent":{"earliest":"%s","zone_basis":"utc"}}`, strings.Join(text, " "), i, i%40, sent)
				batch.Append(recorder.Entry{Scope: fmt.Sprint("capture:conv_", i%100), Kind: record.KindObservation, Body: []byte(body), Class: store.ClassMessage})
				i++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	wait(b, d, d.Index)
	if err := d.Index.Rebuild(context.Background()); err != nil {
		b.Fatal(err)
	}
	from := time.Now()
	for d.Index.UpTo() < d.Rec.Head().Edge.Size {
		time.Sleep(5 * time.Millisecond)
	}
	b.Logf("indexed %d entries at %d µs each", n, time.Since(from).Microseconds()/int64(n))
	if d.DB.Dialect() == sqldb.SQLite {
		if fi, err := os.Stat(filepath.Join(d.Data, "search.db")); err == nil {
			b.Logf("search.db has %d bytes an entry", fi.Size()/int64(n))
		}
	}
	scope, err := store.ScopeByName(context.Background(), d.DB.Reader(), "capture:conv_7")
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []struct {
		name, query string
		bounds      search.Bounds
		count       bool
	}{
		{"rare", "rarest", search.Bounds{}, false},
		{"hot", "word0", search.Bounds{}, false},
		{"hot-counted", "word0", search.Bounds{}, true},
		{"hot-in-one", "word0", search.Bounds{Scopes: []int64{scope.ID}}, true},
		{"phrase", `"word0 word1"`, search.Bounds{}, false},
		{"prefix", "word12*", search.Bounds{}, false},
		{"day", "on:2021-01-03", search.Bounds{}, true},
	} {
		parsed, err := search.Parse(q.query)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				if r, err := d.Index.Search(context.Background(), parsed, q.bounds, search.Page{Count: q.count}); err != nil || len(r.Hits) == 0 {
					b.Fatal(r, err)
				}
			}
		})
	}
}
