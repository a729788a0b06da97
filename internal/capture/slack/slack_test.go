package slack

import (
	"fmt"
	"runtime"
	"testing"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

var users = capturetest.Text("testdata/users.json")

var day1 = capturetest.Text("testdata/2025-01-10.json")

var day2 = capturetest.Text("testdata/2025-01-11.json")

func workspace(t testing.TB) *capture.File {
	return capturetest.Zip(t, "Water Slack export.zip",
		capturetest.Entry{Name: "users.json", Data: users},
		capturetest.Entry{Name: "channels.json", Data: `[{"id":"C1","name":"water","members":["U1","U2"],"topic":{"value":""}}]`},
		capturetest.Entry{Name: "dms.json", Data: `[{"id":"D1","created":1,"members":["U1","U2"]}]`},
		capturetest.Entry{Name: "integration_logs.json", Data: `[]`},
		capturetest.Entry{Name: "water/2025-01-11.json", Data: day2},
		capturetest.Entry{Name: "water/2025-01-10.json", Data: day1},
		capturetest.Entry{Name: "water/attachments/F1-plan.pdf", Data: "%PDF-"},
		capturetest.Entry{Name: "D1/2025-01-10.json", Data: `[{"type":"message","user":"U2","text":"between us","ts":"1736478000.000000"}]`})
}

// TestWorkspace reads an export; what it must say was written down by hand from the texts above.
func TestWorkspace(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, workspace(t))
	capturetest.Same(t, r, capturetest.Text("testdata/workspace.want"))
	if s := r.Reconciliation; s.InFile != 11 || s.Items != 9 || s.System != 1 || s.Continuation != 1 {
		t.Errorf("reconciliation %+v", s)
	}
	c := r.Conversations
	if c[0].ID != "C1" || c[0].Tenant != "T1" || c[0].Kind != "channel" || c[1].Kind != "dm" || r.Messages[9].Chat != "D1" {
		t.Errorf("conversations %+v", c)
	}
	if m := r.Coverage.Members; m.Total != 8 || m.Chats != 3 || m.Named != 4 || m.Unnamed != 1 {
		t.Errorf("members %+v", m)
	}
	if p := c[0].Participants[0]; p.Name != "Asha Rao" || fmt.Sprint(p.Identifiers) != "[{slack U1} {username asha} {email asha@example.org}]" {
		t.Errorf("participant %+v", p)
	}
}

func TestDay(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "2025-01-11.json", []byte(day2)))
	if len(r.Messages) != 2 || r.Messages[1].Sender != "Guest" {
		t.Errorf("%s", capturetest.Lines(r))
	}
}

// TestDump reads what a tool writes of one conversation, with replies inside the message they answer.
func TestDump(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "C1.json", []byte(`{"channel_id":"C1","name":"water","messages":[
 {"type":"message","user":"U1","text":"first","ts":"1736478630.000000","thread_ts":"1736478630.000000","slackdump_thread_replies":[
  {"type":"message","user":"U1","text":"first","ts":"1736478630.000000"},{"type":"message","user":"U2","text":"reply","ts":"1736478631.000000","thread_ts":"1736478630.000000"}]}]}`)))
	capturetest.Same(t, r, capturetest.Text("testdata/dump.want"))
}

func TestDamage(t *testing.T) {
	capturetest.Mutate(t, Parser{}, 300, capturetest.Entry{Name: "2025-01-10.json", Data: day1}, capturetest.Entry{Name: "2025-01-11.json", Data: day2})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(day1))
	f.Add([]byte(day2))
	f.Fuzz(func(t *testing.T, data []byte) { capturetest.Fuzz(t, Parser{}, "2025-01-10.json", data) })
}

func long(t testing.TB, n int) *capture.File {
	return capturetest.Repeat(t, "2025-01-10.json", `[`, n, ",\n", func(i int) string {
		return fmt.Sprintf(`{"client_msg_id":"x","type":"message","text":"message %d to <@U2> says what people say","user":"U%d","ts":"%d.000100","team":"T1"}`, i, i%9, 1736478600+i)
	}, `]`)
}

func BenchmarkParse(b *testing.B) {
	f := long(b, 50_000)
	b.SetBytes(f.Size)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := (Parser{}).Parse(b.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil }); err != nil || n != 50_000 {
			b.Fatal(n, err)
		}
	}
}

func TestMemory(t *testing.T) {
	f := long(t, 100_000)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	n := 0
	_, err := Parser{}.Parse(t.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error {
		if n++; n%25_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
		return nil
	})
	if err != nil || n != 100_000 || peak > 4<<20 {
		t.Errorf("%d messages, %v; live heap grew by %d bytes over a file of %d bytes", n, err, peak, f.Size)
	}
}
