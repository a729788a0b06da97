package google

import (
	"fmt"
	"testing"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

var messages = capturetest.Text("testdata/messages.json")

// TestTakeout reads a space; what it must say was written down by hand from the text above.
func TestTakeout(t *testing.T) {
	const dir = "Takeout/Google Chat/Groups/Space SP/"
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "takeout-1.zip",
		capturetest.Entry{Name: dir + "group_info.json", Data: `{"name":"Water supply","members":[{"name":"Asha Rao","email":"asha@example.org","user_type":"Human"},{"name":"Tom Field","email":"tom@example.org"}]}`},
		capturetest.Entry{Name: dir + "messages.json", Data: messages},
		capturetest.Entry{Name: dir + "File-what_ plan_1.pdf", Data: "%PDF"},
		capturetest.Entry{Name: dir + "File-an extremely long name of a file that Take.pdf", Data: "long"},
		capturetest.Entry{Name: "Takeout/Google Chat/Users/User 1/user_info.json", Data: `{"user":{"name":"Tom Field","email":"tom@example.org","user_type":"Human"},"membership_info":[]}`}))
	capturetest.Same(t, r, capturetest.Text("testdata/takeout.want"))
	c := r.Conversations[0]
	if c.ID != "SP" || c.Kind != "group" || c.Viewpoint != "Tom Field" || len(c.Participants) != 2 || r.System != "gchat" {
		t.Errorf("conversation %+v", c)
	}
	if m := r.Coverage.Members; m.Total != 5 || m.Named != 4 {
		t.Errorf("members %+v", m)
	}
}

var sbv = capturetest.Text("testdata/meeting.sbv")

func TestMeet(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "Weekly call (2021-05-05 at 02:30 GMT+1) - Chat transcript.sbv", []byte(sbv)))
	// 02:30 at GMT+1 is 01:30 UTC: 1620178200 s.
	capturetest.Same(t, r, capturetest.Text("testdata/meet.want"))
	r = capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "chat.txt", []byte(sbv)))
	if at := r.Messages[0].Sent; at.Precision != "none" || at.Min != 0 {
		t.Errorf("without a name the chat is from %+v", at)
	}
}

func TestAttendance(t *testing.T) {
	data := "First name,Last name,Email,Duration,Time joined,Time exited\nAsha,Rao,asha@example.org,45 min,2:00 PM,2:45 PM\nTom,,,1 hr,2:01 PM,3:01 PM\n"
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "2021-05-05 14:00 Weekly call - Attendance Report.csv", []byte(data)))
	// 14:00 on that day, in whatever zone: 1620223200 s, 14 hours either way, a minute wide.
	capturetest.Same(t, r, capturetest.Text("testdata/attendance.want"))
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
