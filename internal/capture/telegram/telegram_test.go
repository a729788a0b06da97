package telegram

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

// group is written as Telegram Desktop writes it, its faults included.
var group = capturetest.Text("testdata/result.json")

var want = capturetest.Text("testdata/group.want")

func export(t testing.TB, result string) *capture.File {
	return capturetest.Zip(t, "ChatExport.zip",
		capturetest.Entry{Name: "ChatExport_2023-07-02/result.json", Data: result},
		capturetest.Entry{Name: "ChatExport_2023-07-02/photos/photo_1@01-07-2023_10-01-00.jpg", Data: "photo"},
		capturetest.Entry{Name: "ChatExport_2023-07-02/voice_messages/a.ogg", Data: "ogg"})
}

// TestGroup reads a chat; what it must say was written down by hand from the text above.
func TestGroup(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, export(t, group))
	capturetest.Same(t, r, want)
	c := r.Conversations[0]
	if c.ID != "1234567890123456789" || c.Kind != "group" || len(c.Participants) != 4 || c.Participants[0].Name != "Tom" || c.Participants[0].Identifiers[0].Value != "user2" {
		t.Errorf("conversation %+v", c)
	}
	if d := r.Decisions; len(d) != 1 || d[0].About != "zone" || d[0].Value != "UTC+01:00" || d[0].Support != 12 {
		t.Errorf("decisions %+v", d)
	}
	codes := ""
	for _, w := range r.Warnings {
		codes += fmt.Sprintf("%s %d ", w.Code, w.Line)
	}
	if codes != "disappearing_messages 0 hex_escape 7 bare_word 9 " {
		t.Errorf("warnings %s", codes)
	}
	if m := r.Coverage.Members; m.Total != 3 || m.Named != 2 {
		t.Errorf("members %+v", m)
	}
}

// TestAccount reads a whole account. Its chats' ids tell its messages apart; one of two is left.
func TestAccount(t *testing.T) {
	account := `{"about": "Here is the data", "personal_information": {"user_id": 7, "first_name": "Ann", "last_name": "Lee", "phone_number": "+44"},
	 "contacts": {"list": []}, "frequent_contacts": {"about": "x"},
	 "chats": {"about": "y", "list": [
	  {"name": "Bob", "type": "personal_chat", "id": 70, "messages": [{"id": 1, "type": "message", "date": "2020-01-02T03:04:05", "from": "Bob", "from_id": "user70", "text": "old"}, {"id": 2, "type": "message", "date": "2020-01-02T03:04:06", "from": "Ann Lee", "from_id": "user7", "text": "me"}]},
	  {"type": "saved_messages", "id": 7, "messages": []}]},
	 "left_chats": {"list": [{"name": "News", "type": "public_channel", "id": 80, "messages": [{"id": 5, "type": "message", "date": "2020-01-02T03:04:05", "date_unixtime": "1577934245", "from": "News", "from_id": "channel80", "text": ["a", "b"]}]}]}}`
	london, _ := time.LoadLocation("Europe/London")
	r := capturetest.Must(t, Parser{}, capture.Options{Zone: london}, capturetest.File(t, "result.json", []byte(account)))
	capturetest.Same(t, r, capturetest.Text("testdata/account.want"))
	if r.Conversations[0].Viewpoint != "Ann Lee" || r.Conversations[1].Title != "Saved messages" || r.Messages[0].Chat != "70" || r.Messages[2].Chat != "80" || r.Conversations[2].Kind != "channel" {
		t.Errorf("conversations %+v", r.Conversations)
	}
	r = capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "result.json", []byte(account)))
	if at := r.Messages[0].Sent; at.Min != 1577934245000-14*3600_000 || at.Max != 1577934245999+14*3600_000 {
		t.Errorf("without a zone the message is from %+v", at)
	}
}

var page1 = capturetest.Text("testdata/messages.html")

var page2 = capturetest.Text("testdata/messages2.html")

func TestHTML(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "ChatExport.zip",
		capturetest.Entry{Name: "c/messages2.html", Data: page2}, capturetest.Entry{Name: "c/messages.html", Data: page1},
		capturetest.Entry{Name: "c/photos/p.jpg", Data: "jpg"}, capturetest.Entry{Name: "c/photos/p_thumb.jpg", Data: "t"}))
	capturetest.Same(t, r, capturetest.Text("testdata/html.want"))
	if s := r.Reconciliation; s.InFile != 5 || s.Items != 3 || s.System != 1 || s.Skipped[0].Count != 1 {
		t.Errorf("reconciliation %+v", s)
	}
	if r.Conversations[0].Viewpoint != "Asha Rao" {
		t.Errorf("conversation %+v", r.Conversations[0])
	}
}

func TestSamples(t *testing.T) {
	dir := os.Getenv("DESPATCH_SAMPLES")
	if dir == "" {
		t.Skip("skipped: DESPATCH_SAMPLES names no folder of exports")
	}
	list, _ := filepath.Glob(filepath.Join(dir, "telegram", "*", "test*.json"))
	if len(list) < 2 {
		t.Fatalf("only %d samples", len(list))
	}
	for _, name := range list {
		raw, err := os.ReadFile(filepath.Join(filepath.Dir(name), "target.json"))
		if err != nil {
			t.Fatal(err)
		}
		var want []struct{ Timestamp, Author, Message string }
		if err := stdjson.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(name)
		r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, filepath.Base(name), data))
		if len(r.Messages) != len(want) {
			t.Fatalf("%s: %d messages, want %d", name, len(r.Messages), len(want))
		}
		for i, w := range want {
			// The target's authors joined the pieces of a text by spaces.
			if o := r.Messages[i]; o.Sent.Local != w.Timestamp || o.Sender != w.Author || o.Body != strings.ReplaceAll(w.Message, "Link: ", "Link:") {
				t.Errorf("%s: %s %q %q, want %+v", name, o.Sent.Local, o.Sender, o.Body, w)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	capturetest.Mutate(t, Parser{}, 300, capturetest.Entry{Name: "result.json", Data: group}, capturetest.Entry{Name: "messages.html", Data: page1})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(group))
	f.Add([]byte(page1))
	f.Add([]byte(page2))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := "result.json"
		if len(data) > 0 && data[0] == '<' {
			name = "messages.html"
		}
		capturetest.Fuzz(t, Parser{}, name, data)
	})
}

func long(t testing.TB, n int) *capture.File {
	return capturetest.Repeat(t, "result.json", `{"name":"W","type":"private_group","id":5,"messages":[`, n, ",\n", func(i int) string {
		return fmt.Sprintf(`{"id":%d,"type":"message","date":"2023-07-01T10:00:00","date_unixtime":"%d","from":"Asha Rao","from_id":"user1","text":"message number %d says what people say on a day","text_entities":[{"type":"plain","text":"message number %d says what people say on a day"}]}`, i+1, 1688202000+i, i, i)
	}, `]}`)
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
