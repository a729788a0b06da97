package recorder_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

// BenchmarkAppend measures the recorder alone: durable entries of 600 bytes with a reference, from as
// many waiting callers as its name says, over 100 scopes.
func BenchmarkAppend(b *testing.B) {
	body := make([]byte, 600)
	for i := range body {
		body[i] = 'a' + byte(i%26)
	}
	for _, db := range []string{"sqlite", "postgres"} {
		for _, waiting := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/waiting=%d", db, waiting), func(b *testing.B) {
				target := sqldbtest.SQLite(b)
				if db == "postgres" {
					target = sqldbtest.Postgres(b)
				}
				f := newFixture(b, target)
				r := f.open(b, nil)
				var n atomic.Int64
				var wg sync.WaitGroup
				b.ResetTimer()
				for range waiting {
					wg.Go(func() {
						for n.Add(1) <= int64(b.N) {
							ref := make([]byte, 32)
							for i := 0; i < 32; i += 8 {
								binary.LittleEndian.PutUint64(ref[i:], rand.Uint64())
							}
							e := recorder.Entry{Scope: scopes[rand.IntN(len(scopes))], Kind: record.KindEvent, Class: store.ClassMessage, Body: body, Ref: ref}
							if err := r.Do(context.Background(), func(b *recorder.Batch) error { b.Append(e); return nil }); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
				if os.Getenv("DESPATCH_BENCH_CHECK") != "" {
					f.check(b, int64(b.N))
				}
			})
		}
	}
}

var scopes = func() (s []string) {
	for i := range 100 {
		s = append(s, fmt.Sprintf("!room%d:example.org", i))
	}
	return
}()
