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
var chat = capturetest.Text("testdata/graph.json")

var wantChat = capturetest.Text("testdata/graph.want")

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

var skype = capturetest.Text("testdata/personal.json")

func TestPersonal(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Tar(t, "8_live_tom_export.tar",
		capturetest.Entry{Name: "messages.json", Data: skype},
		capturetest.Entry{Name: "endpoints.json", Data: `{"endpoints":[]}`},
		capturetest.Entry{Name: "media/0-weu-d1-abc.1.jpg", Data: "jpeg"}, capturetest.Entry{Name: "media/0-weu-d1-abc.json", Data: `{"filename":"cat.jpg"}`}))
	capturetest.Same(t, r, capturetest.Text("testdata/personal.want"))
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
