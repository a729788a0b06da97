package meta

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	stdjson "encoding/json"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

const inbox = "your_activity_across_facebook/messages/inbox/water_ABC123/"

// newest and older are the two files of one chat, as Facebook writes them.
var newest = capturetest.Text("testdata/message_1.json")

var older = capturetest.Text("testdata/message_10.json")

var e2ee = capturetest.Text("testdata/e2ee.json")

func download(t testing.TB) []*capture.File {
	middle := make([]capturetest.Entry, 0)
	for n := 2; n <= 9; n++ {
		middle = append(middle, capturetest.Entry{Name: fmt.Sprintf("%smessage_%d.json", inbox, n), Data: fmt.Sprintf(
			`{"participants":[],"messages":[{"sender_name":"Asha Rao","timestamp_ms":%d,"content":"part %d"}],"title":"Water","thread_path":"inbox/water_ABC123"}`, 1600000000000-int64(n), n)})
	}
	return []*capture.File{
		capturetest.Zip(t, "facebook-1.zip", append(middle,
			capturetest.Entry{Name: inbox + "message_10.json", Data: older},
			capturetest.Entry{Name: inbox + "message_1.json", Data: newest},
			capturetest.Entry{Name: inbox + "photos/1.jpg", Data: "first picture"},
			capturetest.Entry{Name: "your_activity_across_facebook/messages/stickers_used/9.png", Data: "sticker"},
			capturetest.Entry{Name: "your_activity_across_facebook/posts/posts_1.json", Data: `[{"timestamp":1}]`})...),
		capturetest.Zip(t, "facebook-2.zip",
			capturetest.Entry{Name: inbox + "photos/2.jpg", Data: "second picture"},
			capturetest.Entry{Name: inbox + "message_1.json", Data: newest},
			capturetest.Entry{Name: "your_activity_across_facebook/messages/archived_threads/old_X/message_1.json",
				Data: `{"participants":[{"name":"Tom\u00c3\u00a9 Field"},{"name":"Zo\u00c3\u00ab"}],"messages":[{"sender_name":"Zo\u00c3\u00ab","timestamp_ms":1500000000000,"content":"archived"}],"title":"Zo\u00c3\u00ab","thread_path":"archived_threads/old_X"}`}),
		capturetest.Zip(t, "e2ee.zip", capturetest.Entry{Name: "Tomé Field_3.json", Data: e2ee}, capturetest.Entry{Name: "media/p.png", Data: "pp"}),
	}
}

// TestDownload reads a split download. What it must say was written down by hand from the texts above.
func TestDownload(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, download(t)...)
	want := `
Water – group|text||1600000900001+1|Asha Rao|"café ❤"|👍 by Tomé Field at 1600000905000|? text_mended
Water – group|deleted||1600000800000+1|Tomé Field|""|deleted by sender|? text_mended
Water – group|media||1600000700000+1|Asha Rao|"two pictures"|image 1.jpg present 13|image 2.jpg present 14
Water – group|sticker||1600000600000+1|Asha Rao|""|sticker 9.png present 7
Water – group|call||1600000500000+1|Asha Rao|"Asha called you."|call {Medium: Outcome:answered Duration:61}
Water – group|call||1600000490000+1|Asha Rao|"You missed a video call"|call {Medium:video Outcome:missed Duration:0}
Water – group|system||1600000480000+1||"Asha added Jan."|member_added by "Asha Rao": "Jan"
Water – group|system||1600000470000+1||"Jan left."|member_left by "Jan": "Jan"
Water – group|text||1600000460000+1|Asha Rao|"mixed Ã© and —"|text "mixed Ã© and —\nhttps://example.org/a"|? text_not_mended
Water – group|text||1600000450000+1|Asha Rao|"half �"|? lone_surrogate|? text_not_mended
`
	for n := 2; n <= 9; n++ {
		want += fmt.Sprintf("Water – group|text||%d+1|Asha Rao|\"part %d\"\n", 1600000000000-int64(n), n)
	}
	want += `Water – group|media||1500000000000+1|Tomé Field|"the first"|document lost.pdf named_absent 0|? text_mended
Zoë|text||1500000000000+1|Zoë|"archived"|? text_mended
Tomé Field|media||1700000000000+1|Asha Rao|"café"|image p.png present 2|❤ by Tomé Field
Tomé Field|deleted||1700000001000+1|Tomé Field|""|deleted by sender
`
	capturetest.Same(t, r, want)
	if c := r.Conversations; len(c) != 3 || c[0].Kind != "group" || c[0].ID != "inbox/water_ABC123" || c[1].Kind != "dm" || c[1].Viewpoint != "Tomé Field" || c[2].Viewpoint != "Asha Rao" {
		t.Errorf("conversations %+v", c)
	}
	if m := r.Coverage.Members; m.Total != 18 || m.Chats != 12 || m.Named != 4 || m.Unnamed != 1 || m.Skipped[0].Reason != "same_file_twice" {
		t.Errorf("members %+v", m)
	}
	if s := r.Reconciliation; s.InFile != 23 || s.Items != 20 || s.System != 2 || s.Skipped[0].Reason != "no_message" {
		t.Errorf("reconciliation %+v", s)
	}
	if r.System != "messenger" || r.Variant != "json+e2ee" {
		t.Errorf("system %s %s", r.System, r.Variant)
	}
	if r.Coverage.First.Min != 1500000000000 || r.Coverage.Last.Max != 1700000001000 {
		t.Errorf("from %+v to %+v", r.Coverage.First, r.Coverage.Last)
	}
}

// TestFolder reads a download that was unpacked, from below its top folder.
func TestFolder(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{},
		capturetest.File(t, "inbox/water_ABC123/photos/1.jpg", []byte("first picture")),
		capturetest.File(t, "inbox/water_ABC123/message_1.json", []byte(newest)))
	if a := r.Messages[2].Attachments; a[0].Presence != capture.Present || a[1].Presence != capture.NamedAbsent {
		t.Errorf("attachments %+v", a)
	}
}

// TestLoose reads parts that were handed in without the folder that they stood in.
func TestLoose(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{},
		capturetest.File(t, "message_10.json", []byte(older)),
		capturetest.File(t, "message_1.json", []byte(newest)))
	if len(r.Conversations) != 1 || len(r.Messages) != 11 || r.Messages[10].Body != "the first" {
		t.Errorf("%d conversations\n%s", len(r.Conversations), capturetest.Lines(r))
	}
	r = capturetest.Must(t, Parser{}, capture.Options{},
		capturetest.File(t, "message_1.json", []byte(newest)),
		capturetest.File(t, "message_1.json", []byte(strings.Replace(older, "inbox/water", "inbox/other", 1))))
	if len(r.Conversations) != 2 || len(r.Messages) != 11 {
		t.Errorf("%d conversations\n%s", len(r.Conversations), capturetest.Lines(r))
	}
}

func TestMend(t *testing.T) {
	for _, s := range []string{"", "plain", "café", "❤️ 👩‍👩‍👧", "日本語", "\u0080\u0081", "a\u00a0b"} {
		got, how := mend(Garble(s))
		if got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		if how == mended && Garble(got) != Garble(s) {
			t.Errorf("%q cannot be made what stood in the file", s)
		}
	}
	for _, s := range []string{"é", "naïve", "Ã© —"} {
		if got, how := mend(s); got != s || how != mixed {
			t.Errorf("%q became %q", s, got)
		}
	}
}

var page = capturetest.Text("testdata/message_1.html")

func TestHTML(t *testing.T) {
	london, _ := time.LoadLocation("Europe/London")
	r := capturetest.Must(t, Parser{}, capture.Options{Zone: london},
		capturetest.Zip(t, "html.zip", capturetest.Entry{Name: inbox + "message_1.html", Data: page}, capturetest.Entry{Name: inbox + "photos/1.jpg", Data: "x"}))
	capturetest.Same(t, r, capturetest.Text("testdata/html.want"))
	if len(r.Conversations[0].Participants) != 3 {
		t.Errorf("participants %+v", r.Conversations[0].Participants)
	}
}

// TestShapes reads pages without Facebook's class names.
func TestShapes(t *testing.T) {
	bare := `<html><head><title>Asha Rao</title></head><body><div>Participants: Tom Field, Asha Rao</div>
<div class="msg"><div><div>Tom Field</div></div><div>we meet<br>on</div><div class="media"><img src="photos/1.jpg"></div><div>Oct 19, 2019 at 2:37 PM</div></div>
<div><div>Asha Rao</div><div><div></div><div><p>a list: </p><ul><li>Oct 20, 2019 at 2:37 PM</li></ul></div></div><div>19 Oct 2019, 14:38</div></div>
</body></html>`
	r := capturetest.Must(t, Parser{}, capture.Options{Zone: time.UTC},
		capturetest.Zip(t, "html.zip", capturetest.Entry{Name: inbox + "message_1.html", Data: bare}, capturetest.Entry{Name: inbox + "photos/1.jpg", Data: "x"}))
	capturetest.Same(t, r, capturetest.Text("testdata/shapes.want"))
	if c := r.Conversations[0]; c.Viewpoint != "Tom Field" || c.Kind != "dm" {
		t.Errorf("conversation %+v", c)
	}
}

// TestMixed reads a download in which files are broken, or there in two forms.
func TestMixed(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "x.zip",
		capturetest.Entry{Name: "messages/inbox/broken_1/message_1.json", Data: "{this is not: valid json\n"},
		capturetest.Entry{Name: "messages/inbox/short_2/message_1.json", Data: newest[:strings.Index(newest, "two pictures")]},
		capturetest.Entry{Name: "messages/inbox/good_3/message_1.json", Data: older},
		capturetest.Entry{Name: "messages/inbox/good_3/message_1.html", Data: page}))
	if len(r.Messages) != 3 {
		t.Errorf("%s", capturetest.Lines(r))
	}
	codes := ""
	for _, w := range r.Warnings {
		codes += w.Code + " "
	}
	if codes != "not_readable damaged_file same_chat_as_json " && codes != "not_readable same_chat_as_json damaged_file " {
		t.Errorf("warnings %s", codes)
	}
	if m := r.Coverage.Members; m.Total != 4 || m.Chats != 2 || len(m.Skipped) != 2 {
		t.Errorf("members %+v", m)
	}
}

func TestTruncated(t *testing.T) {
	r, err := capturetest.Parse(t, Parser{}, capture.Options{}, capturetest.File(t, "message_1.json", []byte(newest[:strings.Index(newest, "two pictures")])))
	if err == nil || !strings.Contains(err.Error(), "cut short") || r.Status != capture.StatusUnreadable || len(r.Messages) != 2 || r.Reconciliation.Skipped[0].Reason != "damaged" {
		t.Errorf("%v, %s with %d messages", err, r.Status, len(r.Messages))
	}
}

// TestSamples reads real downloads, and compares them with what encoding/json finds in them.
func TestSamples(t *testing.T) {
	dir := os.Getenv("DESPATCH_SAMPLES")
	if dir == "" {
		t.Skip("skipped: DESPATCH_SAMPLES names no folder of exports")
	}
	list, _ := filepath.Glob(filepath.Join(dir, "facebook", "*", "*.json"))
	more, _ := filepath.Glob(filepath.Join(dir, "instagram", "*", "test*.json"))
	for _, name := range append(list, more...) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Messages []struct {
				Content, Text string
				Sender_name   string
				SenderName    string
				Timestamp_ms  int64
				Timestamp     int64
			}
		}
		if err := stdjson.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, filepath.Base(name), data))
		if len(r.Messages) != len(want.Messages) {
			t.Errorf("%s: %d messages, want %d", name, len(r.Messages), len(want.Messages))
			continue
		}
		for i, w := range want.Messages {
			body := strings.ReplaceAll(w.Content+w.Text, "Ã©", "é")
			if o := r.Messages[i]; o.Sender != w.Sender_name+w.SenderName || o.Sent.Min != w.Timestamp+w.Timestamp_ms || o.Body != body {
				t.Errorf("%s: message is %d %q %q, want %+v", name, o.Sent.Min, o.Sender, o.Body, w)
			}
		}
	}
	if len(list) < 4 {
		t.Errorf("only %d samples", len(list))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{newest, older, e2ee, page} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		name := "message_1.json"
		if len(data) > 0 && data[0] == '<' {
			name = "message_1.html"
		}
		capturetest.Fuzz(t, Parser{}, name, data)
	})
}

func TestDamage(t *testing.T) {
	capturetest.Mutate(t, Parser{}, 300, capturetest.Entry{Name: "message_1.json", Data: newest}, capturetest.Entry{Name: "x.json", Data: e2ee}, capturetest.Entry{Name: "message_1.html", Data: page})
}

func long(t testing.TB, n int) *capture.File {
	return capturetest.Repeat(t, "message_1.json", `{"participants":[{"name":"A"},{"name":"B"}],"messages":[`, n, ",\n", func(i int) string {
		return fmt.Sprintf(`{"sender_name":"A","timestamp_ms":%d,"content":"message number %d says caf\u00c3\u00a9 on an ordinary working day","is_geoblocked_for_viewer":false}`, 1600000000000-int64(i), i)
	}, `],"title":"B"}`)
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

// TestMemory shows that a file is read record by record: what it takes does not grow with it.
func TestMemory(t *testing.T) {
	f := long(t, 150_000)
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
	if err != nil || n != 150_000 {
		t.Fatal(n, err)
	}
	if peak > 4<<20 {
		t.Errorf("live heap grew by %d bytes over a file of %d bytes", peak, f.Size)
	}
}
