package link_test

import (
	"math/rand/v2"
	"testing"

	"despatch/internal/capture/link"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func BenchmarkCompare(b *testing.B) {
	for _, s := range shapes {
		w := simulate(s, 1)
		e := exports(w)["iPhone in London, Android in New York"]
		x, _ := w.take(0, e[0])
		y, _ := w.take(1, e[1])
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				if r := link.Compare(x, y); r.Relation != link.SameChat {
					b.Fatal(r.Relation)
				}
			}
			b.ReportMetric(float64(len(x.Sightings)+len(y.Sightings))*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkCandidates looks for what a conversation of 20 000 messages may be a copy of, among a million
// captured messages in 200 conversations.
func BenchmarkCandidates(b *testing.B) {
	for name, target := range map[string]string{"sqlite": sqldbtest.SQLite(b), "postgres": sqldbtest.Postgres(b)} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			o := open(b, target)
			var list []store.MatchKey
			flush := func() {
				err := o.DB.Write(ctx, func(tx *sqldb.Tx) error { return store.InsertMatchKeys(ctx, tx, list) })
				if err != nil {
					b.Fatal(err)
				}
				list = list[:0]
			}
			twin := make([]int64, 0, 20_000)
			for i := range 1_000_000 {
				k := int64(rand.Uint64())
				scope := int64(i/5000 + 1)
				if scope >= 197 {
					twin = append(twin, k)
				}
				list = append(list, store.MatchKey{Key: k, Scope: scope, Pos: int64(i)})
				if len(list) == 5000 {
					flush()
				}
			}
			for i, k := range twin {
				list = append(list, store.MatchKey{Key: k, Scope: 1000, Pos: int64(2_000_000 + i)})
				if len(list) == 5000 {
					flush()
				}
			}
			for b.Loop() {
				n, err := o.Candidates(ctx, 1000)
				if err != nil || n != 4 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkHandIn files an export of 20 000 messages, whose match keys are stored with them.
func BenchmarkHandIn(b *testing.B) {
	w := simulate(shapes[1], 1)
	text, lines := w.exported(0, exports(w)["iPhone in London, Android in New York"][0])
	for b.Loop() {
		b.StopTimer()
		o := open(b, sqldbtest.SQLite(b))
		b.StartTimer()
		o.handIn(b, "@p:example.org", "Europe/London", text)
	}
	b.ReportMetric(float64(len(lines))*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
