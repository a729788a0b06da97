package disclosure_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"despatch/internal/disclosure"
	"despatch/internal/record/bundle"
	"despatch/internal/room"
	"despatch/internal/sqldb/sqldbtest"
)

// BenchmarkCase takes DESPATCH_BENCH_MESSAGES messages (20 000 if unset) through a case: collect all, decide all,
// approve, make the bundle, verify it. It reports each in seconds.
func BenchmarkCase(b *testing.B) {
	n, _ := strconv.Atoi(os.Getenv("DESPATCH_BENCH_MESSAGES"))
	if n == 0 {
		n = 20_000
	}
	for _, database := range []string{"sqlite", "postgres"} {
		b.Run(database, func(b *testing.B) {
			target := ""
			if database == "postgres" {
				target = sqldbtest.Postgres(b)
			}
			d := newDesk(b, target)
			id := d.staff.CreateRoom(b, d.ben)
			took := func(what string, from time.Time) { b.ReportMetric(time.Since(from).Seconds(), what+"-s") }
			from := time.Now()
			var sending sync.WaitGroup
			for w := range 64 {
				sending.Go(func() {
					for i := w; i < n; i += 64 {
						text := fmt.Sprintf(`{"body":"Message %d about the harbour: we met the contractor on site and agreed the next three steps, see below and reply by Friday.","msgtype":"m.text"}`, i)
						if _, err := d.Rooms.Send(ctx, room.Draft{Sender: d.ben.ID, Room: id, Type: "m.room.message", Content: []byte(text)}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			sending.Wait()
			took("send", from)
			from = time.Now()
			if err := d.Index.Wait(ctx, d.Rec.Head().Edge.Size); err != nil {
				b.Fatal(err)
			}
			took("index-lag", from)
			c := d.open(b, d.olive, disclosure.Opening{Bounds: disclosure.Bounds{Conversations: []string{string(id)}}})
			from = time.Now()
			if _, err := d.Search(ctx, d.olive, c.ID, "harbour", ""); err != nil {
				b.Fatal(err)
			}
			took("search", from)
			from = time.Now()
			if _, added, err := d.CollectAll(ctx, d.olive, c.ID, "harbour"); err != nil || added != n {
				b.Fatal(added, err)
			}
			took("collect", from)
			from = time.Now()
			if _, err := d.DecideAll(ctx, d.olive, c.ID, disclosure.ItemFilter{}, disclosure.Decision{Outcome: disclosure.Release}); err != nil {
				b.Fatal(err)
			}
			took("decide", from)
			must(b, d.Submit(ctx, d.olive, c.ID))
			from = time.Now()
			digest, err := d.Digest(ctx, d.april, c.ID)
			must(b, err)
			must(b, d.Approve(ctx, d.april, c.ID, digest, ""))
			took("approve", from)
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			peak := uint64(0)
			from = time.Now()
			made, err := d.Bundle(ctx, d.olive, c.ID, func(int, int) {
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapInuse)
			})
			must(b, err)
			took("bundle", from)
			b.ReportMetric(float64(peak)/1e6, "heap-MB")
			b.ReportMetric(float64(made.Size)/1e6, "zip-MB")
			raw, err := os.ReadFile(filepath.Join(d.Data, "bundles", c.ID, made.ID+".zip"))
			must(b, err)
			from = time.Now()
			r, err := bundle.Verify(ctx, bytes.NewReader(raw), int64(len(raw)), bundle.Check{Key: d.Key})
			must(b, err)
			if !r.Genuine() || r.Totals.Items != n || !r.Conversations[0].Complete {
				b.Fatal(r.Problems, r.Totals)
			}
			took("verify", from)
			b.ReportMetric(0, "ns/op")
		})
	}
}
