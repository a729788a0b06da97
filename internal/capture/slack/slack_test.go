package slack

import (
	"fmt"
	"runtime"
	"testing"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

const users = `[
 {"id":"U1","team_id":"T1","name":"asha","deleted":false,"real_name":"Asha Rao","profile":{"real_name":"Asha Rao","display_name":"","email":"asha@example.org"}},
 {"id":"U2","team_id":"T1","name":"tom","real_name":"Tom Field","profile":{"real_name":"Tom Field","display_name":"Tom"}},
 {"id":"U3","team_id":"T1","name":"tom2","real_name":"Thomas","profile":{"real_name":"Thomas","display_name":"Tom"}}]`

const day1 = `[
 {"type":"message","subtype":"channel_join","ts":"1736478600.000100","user":"U2","text":"<@U2> has joined the channel","inviter":"U1"},
 {"client_msg_id":"x","type":"message","text":"hello <@U2> &amp; <!here>, see <https://example.org/a?b=1&amp;c=2|the plan> in <#C1|water>","user":"U1","ts":"1736478630.905399","team":"T1",
  "reactions":[{"name":"+1","users":["U2","U3"],"count":3}],"edited":{"user":"U1","ts":"1736478700.000000"},"thread_ts":"1736478630.905399","reply_count":1},
 {"type":"message","text":"a reply","user":"U3","ts":"1736478640.000200","thread_ts":"1736478630.905399","parent_user_id":"U1"},
 {"type":"message","subtype":"tombstone","text":"This message was deleted.","user":"USLACKBOT","hidden":true,"ts":"1736478650.000300"},
 {"type":"message","text":"","files":[{"id":"F1","name":"plan.pdf","title":"The plan","mimetype":"application/pdf","size":5,"url_private":"https://files.slack.com/x?t=xoxe"},{"id":"F2","mode":"tombstone"}],"upload":true,"user":"U1","ts":"1736478660.000400"},
 {"type":"message","subtype":"bot_message","text":"","username":"Deploy","bot_id":"B1","attachments":[{"title":"Done","text":"all <mailto:a@b.c|a@b.c>"}],"ts":"1736478670.000500"},
 {"type":"message","subtype":"message_changed","hidden":true,"ts":"1736478700.000600","message":{"ts":"1736478630.905399","text":"new","edited":{"user":"U1","ts":"1736478700.000000"}},"original":{"ts":"1736478630.905399","text":"helo"}},
 {"type":"message","subtype":"message_deleted","hidden":true,"ts":"1736478800.000000","deleted_ts":"1736478680.000700","previous_message":{"type":"message","user":"U2","text":"regretted","ts":"1736478680.000700"}}
]`

const day2 = `[{"type":"message","subtype":"huddle_thread","ts":"1736560000.000100","user":"USLACKBOT","text":"","room":{"call_family":"huddle","date_start":1736560000,"date_end":1736560090,"participant_history":["U1","U2"]}},
 {"type":"message","user":"U9","user_profile":{"real_name":"Guest","name":"guest"},"text":"hi","ts":"1736560001.5"}]`

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
	capturetest.Same(t, r, `
water|system|1736478600.000100|1736478600000+1||"<@U2> has joined the channel"|text "@Tom has joined the channel"|member_added by "Asha Rao": "Tom"
water|text|1736478630.905399|1736478630905+1|Asha Rao|"hello <@U2> &amp; <!here>, see <https://example.org/a?b=1&amp;c=2|the plan> in <#C1|water>"|text "hello @Tom & @here, see the plan (https://example.org/a?b=1&c=2) in #water"|+1 by Tom|+1 by Tom (U3)|+1 by |was "helo" until 1736478700000|edited 1736478700000
water|text|1736478640.000200|1736478640000+1|Tom (U3)|"a reply"|reply 1736478630.905399|thread 1736478630.905399 Asha Rao
water|deleted|1736478650.000300|1736478650000+1|Slackbot|"This message was deleted."|deleted
water|media|1736478660.000400|1736478660000+1|Asha Rao|""|document plan.pdf present 5|document  omitted 0
water|text|1736478670.000500|1736478670000+1|Deploy|""|text "Done\nall a@b.c"|? text_from_blocks
water|deleted|1736478680.000700|1736478680000+1|Tom|"regretted"|deleted 1736478800000
water|call|1736560000.000100|1736560000000+1|Slackbot|""|call {Medium:voice Outcome:answered Duration:90}
water|text|1736560001.5|1736560001500+1|Guest|"hi"
Asha Rao, Tom|text|1736478000.000000|1736478000000+1|Tom|"between us"
`)
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
	capturetest.Same(t, r, `
C1|text|1736478630.000000|1736478630000+1|U1|"first"
C1|text|1736478631.000000|1736478631000+1|U2|"reply"|reply 1736478630.000000|thread 1736478630.000000
`)
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
