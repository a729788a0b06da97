package mattermost

import (
	"fmt"
	"testing"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

var lines = capturetest.Text("testdata/import.jsonl")

// TestBulk reads a bulk export; what it must say was written down by hand from the lines above.
func TestBulk(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "export.zip",
		capturetest.Entry{Name: "import.jsonl", Data: lines}, capturetest.Entry{Name: "data/20231114/teams/x/plan.pdf", Data: "%PDF"}))
	capturetest.Same(t, r, capturetest.Text("testdata/bulk.want"))
	if s := r.Reconciliation; s.InFile != 12 || s.Items != 5 || s.System != 1 || s.Skipped[0].Count != 6 {
		t.Errorf("reconciliation %+v", s)
	}
	if c := r.Conversations; len(c) != 3 || c[0].ID != "dept/water" || c[0].Kind != "channel" || c[1].Kind != "dm" || c[2].Kind != "group" || c[1].ID != "@asha,tom" {
		t.Errorf("conversations %+v", c)
	}
}

var rows = capturetest.Text("testdata/posts.csv")

func TestCompliance(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "posts.csv", []byte(rows)))
	capturetest.Same(t, r, capturetest.Text("testdata/compliance.want"))
	if o := r.Messages[1].Origin; rows[o.ByteStart:o.ByteEnd] != "1700000001000,t,dept,Department,c1,water,Water supply,public,u2,tom@example.org,tom,p2,,p1,reply,message,user,\r\n" || o.Line != 5 {
		t.Errorf("the reply is said to stand in %q, line %d", rows[o.ByteStart:o.ByteEnd], o.Line)
	}
	if s := r.Reconciliation; s.InFile != 5 || s.System != 1 {
		t.Errorf("reconciliation %+v", s)
	}
}

func TestDamage(t *testing.T) {
	capturetest.Mutate(t, Parser{}, 300, capturetest.Entry{Name: "import.jsonl", Data: lines}, capturetest.Entry{Name: "posts.csv", Data: rows})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(lines))
	f.Add([]byte(rows))
	f.Fuzz(func(t *testing.T, data []byte) { capturetest.Fuzz(t, Parser{}, "import.jsonl", data) })
}

func BenchmarkParse(b *testing.B) {
	f := capturetest.Repeat(b, "import.jsonl", "{\"type\":\"version\",\"version\":1}\n", 50_000, "\n", func(i int) string {
		return fmt.Sprintf(`{"type":"post","post":{"team":"dept","channel":"water","user":"u%d","message":"message %d says what people say","create_at":%d,"reactions":[],"replies":[]}}`, i%9, i, 1700000000000+i)
	}, "\n")
	b.SetBytes(f.Size)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := (Parser{}).Parse(b.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil }); err != nil || n != 50_000 {
			b.Fatal(n, err)
		}
	}
}
