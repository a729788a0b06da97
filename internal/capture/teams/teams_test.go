package teams

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	stdjson "encoding/json"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

// chat is as the Graph API gives it.
const chat = `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#chats","@odata.count":5,"value":[
 {"id":"1700000000001","replyToId":null,"etag":"1","messageType":"message","createdDateTime":"2023-11-14T22:13:20.001Z","lastModifiedDateTime":"2023-11-14T22:13:21Z","lastEditedDateTime":"2023-11-14T22:14:00.5Z","deletedDateTime":null,"subject":null,"chatId":"19:a_b@unq.gbl.spaces",
  "from":{"application":null,"device":null,"user":{"id":"u1","displayName":"Asha Rao","userIdentityType":"aadUser","tenantId":"t1"}},
  "body":{"contentType":"html","content":"<div><p>hello <at id=\"0\">Tom</at> &amp; all</p><script>alert(1)</script><p>line two <emoji id=\"smile\" alt=\"🙂\"></emoji></p><img alt=\"image\" src=\"https://graph.microsoft.com/v1.0/chats/x/messages/1/hostedContents/y/$value\" itemid=\"i1\"></div>"},
  "attachments":[{"id":"f1","contentType":"reference","contentUrl":"https://x.sharepoint.com/plan.pdf","content":null,"name":"plan.pdf"}],
  "mentions":[{"id":0,"mentionText":"Tom","mentioned":{"user":{"id":"u2","displayName":"Tom"}}}],
  "reactions":[{"reactionType":"like","createdDateTime":"2023-11-14T22:15:00Z","user":{"user":{"id":"u2","displayName":null}}}],
  "messageHistory":[{"modifiedDateTime":"2023-11-14T22:16:00Z","actions":"reactionRemoved","reaction":{"reactionType":"heart","createdDateTime":"2023-11-14T22:15:30Z","user":{"user":{"id":"u2","displayName":"Tom"}}}}]},
 {"id":"1700000001000","replyToId":null,"messageType":"message","createdDateTime":"2023-11-14T22:13:21Z","deletedDateTime":"2023-11-14T22:20:00Z","chatId":"19:a_b@unq.gbl.spaces","from":{"user":{"id":"u2","displayName":"Tom"}},"body":{"contentType":"text","content":""},"attachments":[],"reactions":[]},
 {"id":"1700000002000","messageType":"message","createdDateTime":"2023-11-14T22:13:22Z","chatId":"19:a_b@unq.gbl.spaces","from":{"user":{"id":"u2","displayName":"Tom"}},"body":{"contentType":"html","content":"<attachment id=\"1700000000001\"></attachment><p>yes</p>"},
  "attachments":[{"id":"1700000000001","contentType":"messageReference","content":"{\"messageId\":\"1700000000001\",\"messagePreview\":\"hello Tom\",\"messageSender\":{\"user\":{\"id\":\"u1\",\"displayName\":\"Asha Rao\"}}}"}]},
 {"id":"1700000003000","messageType":"systemEventMessage","createdDateTime":"2023-11-14T22:13:23Z","chatId":"19:m@thread.v2","from":null,"body":{"contentType":"html","content":"<systemEventMessage/>"},"eventDetail":{"@odata.type":"#microsoft.graph.membersAddedEventMessageDetail","members":[{"id":"u3","displayName":null},{"id":"u2","displayName":"Tom"}],"initiator":{"user":{"id":"u1","displayName":"Asha Rao"}}}},
 {"id":"1700000004000","replyToId":"1699999999999","messageType":"message","createdDateTime":"2023-11-14T22:13:24.000Z","chatId":null,"channelIdentity":{"teamId":"T","channelId":"19:c@thread.tacv2"},"subject":"Budget","from":{"application":{"id":"a1","displayName":"Planner"}},"body":{"contentType":"html","content":"<attachment id=\"x\"></attachment>"},"attachments":[{"id":"x","contentType":"application/vnd.microsoft.card.adaptive","content":"{\"type\":\"AdaptiveCard\",\"body\":[{\"type\":\"TextBlock\",\"text\":\"A task was made\"}]}"}]}
]}`

const wantChat = `
|media|1700000000001|1700000000001+1|Asha Rao|"<div><p>hello <at id=\"0\">Tom</at> &amp; all</p><script>alert(1)</script><p>line two <emoji id=\"smile\" alt=\"🙂\"></emoji></p><img alt=\"image\" src=\"https://graph.microsoft.com/v1.0/chats/x/messages/1/hostedContents/y/$value\" itemid=\"i1\"></div>"|text "hello Tom & all\nline two 🙂"|image i1 named_absent 0|document plan.pdf named_absent 0|like by Tom at 1700000100000|heart by Tom at 1700000130000|edited 1700000040500
|deleted|1700000001000|1700000001000+1000|Tom|""|deleted 1700000400000
|text|1700000002000|1700000002000+1000|Tom|"<attachment id=\"1700000000001\"></attachment><p>yes</p>"|text "yes"|reply 1700000000001 Asha Rao hello Tom
|system|1700000003000|1700000003000+1000||"<systemEventMessage/>"|text "Asha Rao members added u3, Tom"|member_added by "Asha Rao": "u3, Tom"
|text|1700000004000|1700000004000+1|Planner|"<attachment id=\"x\"></attachment>"|text "A task was made"|subject "Budget"|reply 1699999999999|thread 1699999999999
`

// TestGraph reads a page; what it must say was written down by hand from the text above.
func TestGraph(t *testing.T) {
	page := capturetest.File(t, "messages.json", []byte(chat))
	r := capturetest.Must(t, Parser{}, capture.Options{}, page)
	capturetest.Same(t, r, wantChat)
	if c := r.Conversations; len(c) != 3 || c[0].Kind != "dm" || c[0].Tenant != "t1" || c[1].Kind != "group" || c[2].Kind != "channel" || c[2].ID != "T/19:c@thread.tacv2" {
		t.Errorf("conversations %+v", c)
	}
	if o := r.Messages[0].Reactions; o[0].Removed || !o[1].Removed {
		t.Errorf("reactions %+v", o)
	}
}

// TestShapes gives the same messages in the other ways that tools write them.
func TestShapes(t *testing.T) {
	var page struct{ Value []stdjson.RawMessage }
	if err := stdjson.Unmarshal([]byte(chat), &page); err != nil {
		t.Fatal(err)
	}
	array, _ := stdjson.Marshal(page.Value)
	lines, upper := "", string(array)
	for _, m := range page.Value {
		b, _ := stdjson.Marshal(m)
		lines += string(b) + "\n"
	}
	for _, k := range []string{"id", "replyToId", "messageType", "createdDateTime", "body", "contentType", "content", "from", "user", "displayName", "chatId", "attachments", "name", "contentUrl", "reactions", "reactionType", "eventDetail", "members", "initiator", "application", "channelIdentity", "teamId", "channelId", "deletedDateTime", "lastEditedDateTime", "messageHistory", "actions", "reaction", "subject", "tenantId"} {
		upper = strings.ReplaceAll(upper, `"`+k+`":`, `"`+strings.ToUpper(k[:1])+k[1:]+`":`)
	}
	for name, data := range map[string]string{"array": string(array), "lines": lines, "pages": "[" + chat + `,{"value":[]}]`, "page lines": strings.ReplaceAll(chat, "\n", " ") + "\n" + `{"value":[]}`, "capitals": upper} {
		r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "messages.json", []byte(data)))
		capturetest.Same(t, r, wantChat)
		if t.Failed() {
			t.Fatalf("as %s", name)
		}
	}
}

// TestFolder reads an export of a whole tenant: names come from its lists, and a message that stands in
// the files of two people is one.
func TestFolder(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "TeamsDataExport.zip",
		capturetest.Entry{Name: "users/usersList.json", Data: `[{"Id":"u2","DisplayName":"Tom Field","UserPrincipalName":"tom@example.org","Mail":null}]`},
		capturetest.Entry{Name: "teams/teamsList.json", Data: `[{"Name":"Water","GroupsId":"T"}]`},
		capturetest.Entry{Name: "teams/T/channels_T.json", Data: `[{"Id":"19:c@thread.tacv2","DisplayName":"General","MembershipType":"standard"}]`},
		capturetest.Entry{Name: "users/u1/messages_u1.json", Data: chat},
		capturetest.Entry{Name: "users/u2/messages_u2.json", Data: strings.Replace(chat, `"@odata.count":5`, `"@odata.count":6`, 1)}))
	if s := r.Reconciliation; s.InFile != 10 || s.Items != 4 || s.System != 1 || s.Skipped[0].Reason != "same_message_twice" || s.Skipped[0].Count != 5 {
		t.Errorf("reconciliation %+v", s)
	}
	if r.Messages[0].Reactions[0].Actor != "Tom Field" || r.Conversations[2].Title != "Water / General" {
		t.Errorf("%s", capturetest.Lines(r))
	}
}

const skype = `{"userId":"8:live:tom","exportDate":"2021-01-01T00:00","conversations":[{"id":"8:live:asha","displayName":"Asha Rao","version":1.6e12,"properties":{"conversationblocked":false},"threadProperties":null,"MessageList":[
 {"id":"1600000000123","displayName":null,"originalarrivaltime":"2020-09-13T12:26:40.123Z","messagetype":"RichText","version":1600000000123,"content":"hello <ss type=\"smile\">:)</ss> &amp; <a href=\"https://e.org\">https://e.org</a><e_m a=\"live:tom\" ts_ms=\"1600000060000\" ts=\"1600000060\" t=\"61\"></e_m>","conversationid":"8:live:asha","from":"8:live:tom","properties":null,"amsreferences":null},
 {"id":"1600000001000","displayName":"Asha Rao","originalarrivaltime":"2020-09-13T12:26:41Z","messagetype":"RichText/UriObject","content":"<URIObject uri=\"https://api.asm.skype.com/v1/objects/0-weu-d1-abc\" type=\"Picture.1\">To view this shared photo<OriginalName v=\"cat.jpg\"></OriginalName></URIObject>","from":"8:live:asha","properties":{"emotions":"[{\"key\":\"heart\",\"users\":[{\"mri\":\"8:live:tom\",\"time\":1600000005000}]}]"},"amsreferences":["0-weu-d1-abc"]},
 {"id":"1600000002000","displayName":"Asha Rao","originalarrivaltime":"2020-09-13T12:26:42.0Z","messagetype":"Event/Call","content":"<partlist type=\"ended\" alt=\"\"><part identity=\"live:tom\"><name>Tom</name><duration>61</duration></part></partlist>","from":"8:live:asha"},
 {"id":"1600000003000","originalarrivaltime":"2020-09-13T12:26:43.0Z","messagetype":"RichText","content":"","from":"8:live:asha","properties":{"deletetime":1600000090000}},
 {"id":"1600000004000","originalarrivaltime":"2020-09-13T12:26:44.0Z","messagetype":"ThreadActivity/TopicUpdate","content":"<topicupdate><value>New</value></topicupdate>","from":"8:live:asha"}
]}]}`

func TestPersonal(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Tar(t, "8_live_tom_export.tar",
		capturetest.Entry{Name: "messages.json", Data: skype},
		capturetest.Entry{Name: "endpoints.json", Data: `{"endpoints":[]}`},
		capturetest.Entry{Name: "media/0-weu-d1-abc.1.jpg", Data: "jpeg"}, capturetest.Entry{Name: "media/0-weu-d1-abc.json", Data: `{"filename":"cat.jpg"}`}))
	capturetest.Same(t, r, `
Asha Rao|text|1600000000123|1600000000123+1|tom|"hello <ss type=\"smile\">:)</ss> &amp; <a href=\"https://e.org\">https://e.org</a><e_m a=\"live:tom\" ts_ms=\"1600000060000\" ts=\"1600000060\" t=\"61\"></e_m>"|text "hello :) & https://e.org"|edited 1600000060000
Asha Rao|media|1600000001000|1600000001000+1000|Asha Rao|"<URIObject uri=\"https://api.asm.skype.com/v1/objects/0-weu-d1-abc\" type=\"Picture.1\">To view this shared photo<OriginalName v=\"cat.jpg\"></OriginalName></URIObject>"|text "To view this shared photo"|image cat.jpg present 4|heart by tom at 1600000005000
Asha Rao|call|1600000002000|1600000002000+1|Asha Rao|"<partlist type=\"ended\" alt=\"\"><part identity=\"live:tom\"><name>Tom</name><duration>61</duration></part></partlist>"|text "Tom61"|call {Medium: Outcome:answered Duration:61}
Asha Rao|deleted|1600000003000|1600000003000+1|Asha Rao|""|deleted 1600000090000
Asha Rao|system|1600000004000|1600000004000+1||"<topicupdate><value>New</value></topicupdate>"|text "New"|subject_changed by "Asha Rao": "New"
`)
	if c := r.Conversations[0]; c.Viewpoint != "tom" || c.Kind != "dm" {
		t.Errorf("conversation %+v", c)
	}
	if m := r.Coverage.Members; m.Total != 4 || m.Named != 2 || m.Unnamed != 1 {
		t.Errorf("members %+v", m)
	}
}

func TestSamples(t *testing.T) {
	dir := os.Getenv("DESPATCH_SAMPLES")
	if dir == "" {
		t.Skip("skipped: DESPATCH_SAMPLES names no folder of exports")
	}
	list, _ := filepath.Glob(filepath.Join(dir, "teams", "*", "*.json"))
	if len(list) == 0 {
		t.Fatal("no samples")
	}
	for _, name := range list {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want []struct {
			Id   string
			Body struct{ Content string }
			From struct{ User struct{ DisplayName string } }
		}
		if err := stdjson.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, filepath.Base(name), data))
		if len(r.Messages) != len(want) {
			t.Fatalf("%s: %d messages, want %d", name, len(r.Messages), len(want))
		}
		for i, w := range want {
			if o := r.Messages[i]; o.NativeID != w.Id || fmt.Sprint(o.Sent.Min) != w.Id || o.Sender != w.From.User.DisplayName || o.Body != w.Body.Content {
				t.Errorf("%s: %+v, want %+v", name, o, w)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	capturetest.Mutate(t, Parser{}, 300, capturetest.Entry{Name: "messages.json", Data: chat}, capturetest.Entry{Name: "messages.json", Data: skype})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(chat))
	f.Add([]byte(skype))
	f.Fuzz(func(t *testing.T, data []byte) { capturetest.Fuzz(t, Parser{}, "messages.json", data) })
}

func long(t testing.TB, n int) *capture.File {
	return capturetest.Repeat(t, "messages.json", `{"value":[`, n, ",\n", func(i int) string {
		return fmt.Sprintf(`{"id":"%d","replyToId":null,"messageType":"message","createdDateTime":"2023-11-14T22:13:20.001Z","lastModifiedDateTime":"2023-11-14T22:13:21Z","deletedDateTime":null,"chatId":"19:m@thread.v2","from":{"user":{"id":"u%d","displayName":"Person %d"}},"body":{"contentType":"html","content":"<p>message %d says what <b>people</b> say</p>"},"attachments":[],"mentions":[],"reactions":[]}`, 1700000000000+i, i%9, i%9, i)
	}, `]}`)
}

func BenchmarkParse(b *testing.B) {
	f := long(b, 30_000)
	b.SetBytes(f.Size)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := (Parser{}).Parse(b.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil }); err != nil || n != 30_000 {
			b.Fatal(n, err)
		}
	}
}

func TestMemory(t *testing.T) {
	f := long(t, 60_000)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	n := 0
	_, err := Parser{}.Parse(t.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error {
		if n++; n%20_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
		return nil
	})
	if err != nil || n != 60_000 || peak > 4<<20 {
		t.Errorf("%d messages, %v; live heap grew by %d bytes over a file of %d bytes", n, err, peak, f.Size)
	}
}
