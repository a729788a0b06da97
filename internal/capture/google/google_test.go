package google

import (
	"fmt"
	"testing"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

const messages = `{"messages":[
 {"creator":{"name":"Asha Rao","email":"asha@example.org","user_type":"Human"},"created_date":"Thursday, November 3, 2016 at 11:59:50` + "\u202f" + `AM UTC","text":"hello *all*","topic_id":"t1","message_id":"SP/t1/t1",
  "reactions":[{"emoji":{"unicode":"👍"},"reactor_emails":["tom@example.org","asha@example.org"]}]},
 {"creator":{"name":"Tom Field","email":"tom@example.org","user_type":"Human"},"created_date":"Thursday, November 3, 2016 at 12:00:10 PM UTC","updated_date":"Thursday, November 3, 2016 at 12:05:00 PM UTC","text":"third","topic_id":"t1","message_id":"SP/t1/m2",
  "previous_message_versions":[{"creator":{"name":"Tom Field"},"created_date":"Thursday, November 3, 2016 at 12:00:10 PM UTC","text":"first"},{"created_date":"Thursday, November 3, 2016 at 12:03:00 PM UTC","text":"second"}],
  "quoted_message_metadata":{"creator":{"name":"Asha Rao","email":"asha@example.org"},"text":"hello *all*"}},
 {"creator":{"name":"Tom Field","email":"tom@example.org"},"created_date":"Donnerstag, 3. November 2016 um 13:00:00 UTC","attached_files":[{"original_name":"what? plan=1.pdf","export_name":"File-what? plan=1.pdf"},{"original_name":"gone.png","export_name":"File-gone.png"}],"topic_id":"t3","message_id":"SP/t3/t3"},
 {"created_date":"2016年11月3日星期四 UTC 14:00:00","deleted_date":"2016年11月3日星期四 UTC 14:01:00","message_state":"DELETED","deletion_metadata":{"deletion_type":"CREATOR"},"topic_id":"t4","message_id":"SP/t4/t4"},
 {"creator":{"name":"Asha Rao","email":"asha@example.org"},"created_date":"3/4/2016 15:00:00 UTC","text":"see","annotations":[{"start_index":0,"length":3,"url_metadata":{"title":"The plan","url":{"private_do_not_access_or_else_safe_url_wrapped_value":"https://e.org/p"}}}],"topic_id":"t5","message_id":"SP/t5/t5"},
 {"creator":{"name":"Asha Rao","email":"asha@example.org"},"created_date":"whenever","attached_files":[{"original_name":"an extremely long name of a file that Takeout cuts short.pdf","export_name":"File-an extremely long name of a file that Takeout cuts short.pdf"}],"topic_id":"t6","message_id":"SP/t6/t6"}
]}`

// TestTakeout reads a space; what it must say was written down by hand from the text above.
func TestTakeout(t *testing.T) {
	const dir = "Takeout/Google Chat/Groups/Space SP/"
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "takeout-1.zip",
		capturetest.Entry{Name: dir + "group_info.json", Data: `{"name":"Water supply","members":[{"name":"Asha Rao","email":"asha@example.org","user_type":"Human"},{"name":"Tom Field","email":"tom@example.org"}]}`},
		capturetest.Entry{Name: dir + "messages.json", Data: messages},
		capturetest.Entry{Name: dir + "File-what_ plan_1.pdf", Data: "%PDF"},
		capturetest.Entry{Name: dir + "File-an extremely long name of a file that Take.pdf", Data: "long"},
		capturetest.Entry{Name: "Takeout/Google Chat/Users/User 1/user_info.json", Data: `{"user":{"name":"Tom Field","email":"tom@example.org","user_type":"Human"},"membership_info":[]}`}))
	capturetest.Same(t, r, `
Water supply|text|SP/t1/t1|1478174390000+1000|Asha Rao|"hello *all*"|👍 by Tom Field|👍 by Asha Rao
Water supply|text|SP/t1/m2|1478174410000+1000|Tom Field|"third"|reply Asha Rao hello *all*|thread SP/t1/t1|was "first" until 1478174580000|was "second" until 1478174700000|edited 1478174700000
Water supply|media|SP/t3/t3|1478178000000+1000|Tom Field|""|document what? plan=1.pdf present 4|image gone.png named_absent 0
Water supply|deleted|SP/t4/t4|1478181600000+1000||""|deleted by sender 1478181660000|? sender_unknown
Water supply|text|SP/t5/t5|1457103600000+2592001000|Asha Rao|"see"|text "see\nThe plan (https://e.org/p)"|? time_in_doubt
Water supply|media|SP/t6/t6|0+253402300800000|Asha Rao|""|document an extremely long name of a file that Takeout cuts short.pdf present 4|? no_time
`)
	c := r.Conversations[0]
	if c.ID != "SP" || c.Kind != "group" || c.Viewpoint != "Tom Field" || len(c.Participants) != 2 || r.System != "gchat" {
		t.Errorf("conversation %+v", c)
	}
	if m := r.Coverage.Members; m.Total != 5 || m.Named != 4 {
		t.Errorf("members %+v", m)
	}
}

const sbv = "0:00:04.123,0:00:07.123\nAsha Rao: hello: all\n\n0:01:05.000,0:01:08.000\nTom: two\nlines\n\n1:00:00.000,1:00:03.000\nAsha Rao: the end\n"

func TestMeet(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "Weekly call (2021-05-05 at 02:30 GMT+1) - Chat transcript.sbv", []byte(sbv)))
	// 02:30 at GMT+1 is 01:30 UTC: 1620178200 s.
	capturetest.Same(t, r, `
Weekly call|text||1620178204123+60000|Asha Rao|"hello: all"
Weekly call|text||1620178265000+60000|Tom|"two\nlines"
Weekly call|text||1620181800000+60000|Asha Rao|"the end"
`)
	r = capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "chat.txt", []byte(sbv)))
	if at := r.Messages[0].Sent; at.Precision != "none" || at.Min != 0 {
		t.Errorf("without a name the chat is from %+v", at)
	}
}

func TestAttendance(t *testing.T) {
	data := "First name,Last name,Email,Duration,Time joined,Time exited\nAsha,Rao,asha@example.org,45 min,2:00 PM,2:45 PM\nTom,,,1 hr,2:01 PM,3:01 PM\n"
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "2021-05-05 14:00 Weekly call - Attendance Report.csv", []byte(data)))
	// 14:00 on that day, in whatever zone: 1620223200 s, 14 hours either way, a minute wide.
	capturetest.Same(t, r, `
Weekly call|system||1620172800000+100860000||"Asha,Rao,asha@example.org,45 min,2:00 PM,2:45 PM"|text "Asha Rao: 2:00 PM – 2:45 PM, 45 min"|attended by "Asha Rao": "45 min"
Weekly call|system||1620172860000+100860000||"Tom,,,1 hr,2:01 PM,3:01 PM"|text "Tom: 2:01 PM – 3:01 PM, 1 hr"|attended by "Tom": "1 hr"
`)
}

func TestDamage(t *testing.T) {
	capturetest.Mutate(t, Parser{}, 300, capturetest.Entry{Name: "messages.json", Data: messages}, capturetest.Entry{Name: "chat.sbv", Data: sbv})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(messages))
	f.Add([]byte(sbv))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := "messages.json"
		if len(data) > 0 && data[0] >= '0' && data[0] <= '9' {
			name = "chat.sbv"
		}
		capturetest.Fuzz(t, Parser{}, name, data)
	})
}

func BenchmarkParse(b *testing.B) {
	f := capturetest.Repeat(b, "messages.json", `{"messages":[`, 30_000, ",\n", func(i int) string {
		return fmt.Sprintf(`{"creator":{"name":"Person %d","email":"p%d@example.org","user_type":"Human"},"created_date":"Thursday, November 3, 2016 at 11:59:50 AM UTC","text":"message %d says what people say","topic_id":"t%d","message_id":"SP/t%d/t%d"}`, i%9, i%9, i, i, i, i)
	}, `]}`)
	b.SetBytes(f.Size)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := (Parser{}).Parse(b.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil }); err != nil || n != 30_000 {
			b.Fatal(n, err)
		}
	}
}
