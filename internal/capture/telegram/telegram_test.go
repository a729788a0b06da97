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
const group = `{
 "name": "Water",
 "type": "private_supergroup",
 "id": 1234567890123456789,
 "messages": [
  {"id": 1, "type": "service", "date": "2023-07-01T10:00:00", "date_unixtime": "1688202000", "actor": "Asha Rao", "actor_id": "user1", "action": "create_group", "title": "Water", "members": ["Asha Rao", null], "text": "", "text_entities": []},
  {"id": 2, "type": "message", "date": "2023-07-01T10:00:10", "date_unixtime": "1688202010", "from": "Asha Rao", "from_id": "user1", "text": "plain \x1F text", "text_entities": []},
  {"id": 3, "type": "message", "date": "2023-07-01T10:00:20", "date_unixtime": "1688202020", "edited": "2023-07-01T10:05:00", "edited_unixtime": "1688202300", "from": "Tom", "from_id": "user2", "reply_to_message_id": 2,
   "text": ["see ", {"type": "link", "text": "https://example.org"}, " and ", {"type": "custom_emoji", "text": "😀", "document_id": (File not included. Change data exporting settings to download.)}, "!"]},
  {"id": 4, "type": "message", "date": "2023-07-01T10:01:00", "date_unixtime": "1688202060", "from": "Asha Rao", "from_id": "user1", "photo": "photos/photo_1@01-07-2023_10-01-00.jpg", "width": 1, "height": 1, "text": "caption",
   "reactions": [{"type": "emoji", "count": 2, "emoji": "👍", "recent": [{"from": "Tom", "from_id": "user2", "date": "2023-07-01T10:02:00"}]}]},
  {"id": 5, "type": "message", "date": "2023-07-01T10:02:00", "date_unixtime": "1688202120", "from": null, "from_id": "user3", "file": "(File not included. Change data exporting settings to download.)", "file_name": "plan.pdf", "mime_type": "application/pdf", "forwarded_from": "Eve", "text": ""},
  {"id": 6, "type": "message", "date": "2023-07-01T10:03:00", "date_unixtime": "1688202180", "from": "Tom", "from_id": "user2", "poll": {"question": "When?", "closed": false, "total_voters": 3, "answers": [{"text": "Mon", "voters": 2, "chosen": true}, {"text": "Tue", "voters": 1, "chosen": false}]}, "text": ""},
  {"id": 7, "type": "message", "date": "2023-07-01T10:04:00", "date_unixtime": "1688202240", "from": "Tom", "from_id": "user9", "location_information": {"latitude": 51.500100, "longitude": -0.12}, "text": ""},
  {"id": 8, "type": "service", "date": "2023-07-01T10:05:00", "date_unixtime": "1688202300", "actor": "Tom", "actor_id": "user2", "action": "phone_call", "discard_reason": "missed", "text": ""},
  {"id": 9, "type": "service", "date": "2023-07-01T10:06:00", "date_unixtime": "1688202360", "actor": "Tom", "actor_id": "user2", "action": "set_messages_ttl", "period": 86400, "text": ""},
  {"id": 10, "type": "message", "date": "2023-07-01T10:07:00", "date_unixtime": "1688202420", "from": "Tom", "from_id": "user2", "file": "stickers/s.webp", "media_type": "sticker", "sticker_emoji": "😀", "text": ""},
  {"id": 11, "type": "message", "date": "2023-07-01T10:08:00", "date_unixtime": "1688202480", "from": "Tom", "from_id": "user2", "voice": 1, "file": "voice_messages/a.ogg", "media_type": "voice_message", "mime_type": "audio/ogg", "duration_seconds": 4, "text": ""}
 ]
}
`

const want = `
Water|system|1|1688202000000+1000||""|text "Asha Rao create group Water"|group_created by "Asha Rao": "Water"
Water|text|2|1688202010000+1000|Asha Rao|"plain \x1f text"
Water|text|3|1688202020000+1000|Tom|"see https://example.org and 😀!"|reply 2|edited 1688202300000
Water|media|4|1688202060000+1000|Asha Rao|"caption"|image photo_1@01-07-2023_10-01-00.jpg present 5|👍 by Tom at 1688202120000|👍 by
Water|media|5|1688202120000+1000|Deleted Account|""|document plan.pdf omitted 0|forward Eve
Water|poll|6|1688202180000+1000|Tom|""|text "When?"|poll {Question:When? Options:[{Text:Mon Votes:2} {Text:Tue Votes:1}]}
Water|location|7|1688202240000+1000|Tom (user9)|""|at 51.500100,-0.12
Water|call|8|1688202300000+1000|Tom|""|call {Medium:voice Outcome:missed Duration:}
Water|system|9|1688202360000+1000||""|text "Tom set messages ttl"|disappearing_on by "Tom": ""
Water|sticker|10|1688202420000+1000|Tom|""|sticker s.webp named_absent 0
Water|media|11|1688202480000+1000|Tom|""|audio a.ogg present 3
`

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
	capturetest.Same(t, r, `
Bob|text|1|1577934245000+1000|Bob|"old"
Bob|text|2|1577934246000+1000|Ann Lee|"me"
News|text|5|1577934245000+1000|News|"ab"
`)
	if r.Conversations[0].Viewpoint != "Ann Lee" || r.Conversations[1].Title != "Saved messages" || r.Messages[0].Chat != "70" || r.Messages[2].Chat != "80" || r.Conversations[2].Kind != "channel" {
		t.Errorf("conversations %+v", r.Conversations)
	}
	r = capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "result.json", []byte(account)))
	if at := r.Messages[0].Sent; at.Min != 1577934245000-14*3600_000 || at.Max != 1577934245999+14*3600_000 {
		t.Errorf("without a zone the message is from %+v", at)
	}
}

const page1 = `<!DOCTYPE html><html><head><meta charset="utf-8"/><title>Exported Data</title></head><body onload="CheckLocation();"><div class="page_wrap">
<div class="page_header"><div class="content"><div class="text bold">
Tom
</div></div></div><div class="page_body chat_page"><div class="history">
<div class="message service" id="message-1"><div class="body details">
1 July 2023
</div></div>
<div class="message default clearfix" id="message2">
 <div class="pull_left userpic_wrap"><div class="userpic userpic3"><div class="initials">T</div></div></div>
 <div class="body">
  <div class="pull_right date details" title="01.07.2023 10:00:10 UTC+01:00">10:00</div>
  <div class="from_name">
Tom
  </div>
  <div class="text">
one<br>two &amp; <strong>three</strong>
  </div>
 </div>
</div>
<div class="message default clearfix joined" id="message3">
 <div class="body">
  <div class="pull_right date details" title="01.07.2023 10:00:20 UTC+01:00">10:00</div>
  <div class="reply_to details">In reply to <a href="#go_to_message2" onclick="return GoToMessage(2)">this message</a></div>
  <div class="media_wrap clearfix"><a class="photo_wrap clearfix pull_left" href="photos/p.jpg"><img class="photo" src="photos/p_thumb.jpg" style="width: 1px"/></a></div>
  <div class="text">cap</div>
  <span class="reactions"><span class="reaction"><span class="emoji">👍</span><span class="userpics"><div class="userpic"><div class="initials" title="Asha Rao, 01.07.2023 10:02:00">A</div></div></span></span></span>
 </div>
</div>
</div></div></div></body></html>`

const page2 = `<html><body><div class="history">
<div class="message service" id="message4"><div class="body details">Tom pinned <a href="#">this message</a></div></div>
<div class="message default clearfix" id="message5"><div class="body"><div class="pull_right date details" title="02.07.2023 09:00:00">09:00</div><div class="from_name">Asha Rao</div>
<div class="forwarded body"><div class="from_name">Eve <span class="date details" title="30.06.2023 08:00:00 UTC+01:00">30.06.2023 08:00:00</span></div><div class="text">passed on</div></div></div></div>
</div></body></html>`

func TestHTML(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "ChatExport.zip",
		capturetest.Entry{Name: "c/messages2.html", Data: page2}, capturetest.Entry{Name: "c/messages.html", Data: page1},
		capturetest.Entry{Name: "c/photos/p.jpg", Data: "jpg"}, capturetest.Entry{Name: "c/photos/p_thumb.jpg", Data: "t"}))
	capturetest.Same(t, r, `
Tom|text|2|1688202010000+1000|Tom|"one\ntwo & three"
Tom|media|3|1688202020000+1000|Tom|"cap"|image p.jpg present 3|reply 2|👍 by Asha Rao
Tom|system|4|0+253402300800000||"Tom pinned this message"|other by "": "Tom pinned this message"
Tom|text|5|1688238000000+100801000|Asha Rao|"passed on"|forward Eve
`)
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
