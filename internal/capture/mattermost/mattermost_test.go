package mattermost

import (
	"fmt"
	"testing"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

const lines = `{"type":"version","version":1,"info":{"generator":"mattermost-server"}}
{"type":"team","team":{"name":"dept","display_name":"Department"}}
{"type":"channel","channel":{"team":"dept","name":"water","display_name":"Water supply","type":"O"}}
{"type":"user","user":{"username":"asha","email":"asha@example.org","first_name":"Asha","last_name":"Rao"}}
{"type":"user","user":{"username":"tom","email":"tom@example.org","nickname":"Tommy"}}
{"type":"post","post":{"team":"dept","channel":"water","user":"asha","type":"","message":"hello **all**\nsecond line","create_at":1700000000001,"edit_at":1700000005000,"reactions":[{"user":"tom","create_at":1700000002000,"emoji_name":"+1"}],"replies":[{"user":"tom","message":"a reply","create_at":1700000003000,"attachments":[{"path":"20231114/teams/x/plan.pdf"}]},{"user":"asha","message":"thanks","create_at":1700000004000}],"attachments":[]}}
{"type":"post","post":{"team":"dept","channel":"water","user":"tom","type":"system_join_channel","message":"tom joined the channel.","create_at":1700000006000}}
{"type":"direct_channel","direct_channel":{"members":["asha","tom"],"participants":[{"username":"asha"},{"username":"tom"}]}}
{"type":"direct_post","direct_post":{"channel_members":["tom","asha"],"user":"asha","message":"between us 😀","create_at":1700000007000,"attachments":[{"path":"missing.png"}]}}
{"type":"direct_post","direct_post":{"channel_members":["asha","tom","guest"],"user":"guest","message":"of three","create_at":1700000008000}}
`

// TestBulk reads a bulk export; what it must say was written down by hand from the lines above.
func TestBulk(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "export.zip",
		capturetest.Entry{Name: "import.jsonl", Data: lines}, capturetest.Entry{Name: "data/20231114/teams/x/plan.pdf", Data: "%PDF"}))
	capturetest.Same(t, r, `
Water supply|text||1700000000001+1|Asha Rao|"hello **all**\nsecond line"|+1 by Tommy at 1700000002000|edited 1700000005000
Water supply|media||1700000003000+1|Tommy|"a reply"|document plan.pdf present 4|reply Asha Rao hello **all**
second line|thread Asha Rao hello **all**
second line
Water supply|text||1700000004000+1|Asha Rao|"thanks"|reply Asha Rao hello **all**
second line|thread Asha Rao hello **all**
second line
Water supply|system||1700000006000+1||"tom joined the channel."|member_joined by "Tommy": ""
Asha Rao, Tommy|media||1700000007000+1|Asha Rao|"between us 😀"|image missing.png named_absent 0
Asha Rao, guest, Tommy|text||1700000008000+1|guest|"of three"
`)
	if s := r.Reconciliation; s.InFile != 12 || s.Items != 5 || s.System != 1 || s.Skipped[0].Count != 6 {
		t.Errorf("reconciliation %+v", s)
	}
	if c := r.Conversations; len(c) != 3 || c[0].ID != "dept/water" || c[0].Kind != "channel" || c[1].Kind != "dm" || c[2].Kind != "group" || c[1].ID != "@asha,tom" {
		t.Errorf("conversations %+v", c)
	}
}

const rows = "\uFEFFPost Creation Time,Team Id,Team Name,Team Display Name,Channel Id,Channel Name,Channel Display Name,Channel Type,User Id,User Email,Username,Post Id,Edited By Post Id,Replied to Post Id,Post Message,Post Type,User Type,Previews Post Id\r\n" +
	"1700000000001,t,dept,Department,c1,water,Water supply,public,u1,asha@example.org,asha,p1,,,\"hello, \"\"all\"\"\nline two\",message,user,\r\n" +
	"\r\n1700000001000,t,dept,Department,c1,water,Water supply,public,u2,tom@example.org,tom,p2,,p1,reply,message,user,\r\n" +
	"1700000002000,t,dept,Department,c1,water,Water supply,public,u2,tom@example.org,tom,p3,p9,,old text,message,user,\r\n" +
	"1700000003000,t,dept,Department,c1,water,Water supply,public,u2,tom@example.org,tom,,,,,leave,user,\r\n" +
	"1700000004000,t,dept,Department,c2,x,Tom and Asha,direct,u2,tom@example.org,tom,p4,,,plan.pdf,attachment,user,\r\n"

func TestCompliance(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "posts.csv", []byte(rows)))
	capturetest.Same(t, r, `
Water supply|text|p1|1700000000001+1|asha|"hello, \"all\"\nline two"
Water supply|text|p2|1700000001000+1|tom|"reply"|reply p1|thread p1
Water supply|text|p3|1700000002000+1|tom|"old text"|edited|? earlier_version
Water supply|system||1700000003000+1||""|member_left by "tom": ""
Tom and Asha|media|p4|1700000004000+1|tom|"plan.pdf"|document plan.pdf named_absent 0
`)
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
