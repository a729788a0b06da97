package zoom

import (
	"fmt"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

var saved = capturetest.Text("testdata/meeting_saved_chat.txt")

// TestSaved reads a chat in the folder that Zoom makes; what it must say was written down by hand.
func TestSaved(t *testing.T) {
	london, _ := time.LoadLocation("Europe/London")
	r := capturetest.Must(t, Parser{}, capture.Options{Zone: london}, capturetest.Zip(t, "z.zip",
		capturetest.Entry{Name: "2021-05-05 14.30.00 Water supply 98765432101/meeting_saved_chat.txt", Data: saved}))
	// 14:31:05 on 5 May in London is 13:31:05 UTC.
	capturetest.Same(t, r, capturetest.Text("testdata/saved.want"))
	if to := r.Messages[1].To; len(to) != 1 || to[0].Name != "Asha Rao" || to[0].Role != "private" {
		t.Errorf("recipients %+v", to)
	}
	if s := r.Reconciliation; s.InFile != 13 || s.Items != 4 || s.System != 1 || s.Continuation != 8 {
		t.Errorf("reconciliation %+v", s)
	}
}

// TestVariants reads the other ways in which Zoom has written chats.
func TestVariants(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"2020-04-01 09.00.00 Old 123456789/chat.txt", "09:05:11\t From  Asha Rao : hello : all\n09:05:12\t From Asha Rao to Tom (Privately) : hi\n", `
Old|text||1585681511000+100801000|Asha Rao|"hello : all"
Old|text||1585681512000+100801000|Asha Rao|"hi"`},
		{"GMT20210505-143000_Recording.chat.txt", "00:00:12\tAsha Rao:\thello\n01:00:00\tTom:\tbye\n", `
|text||1620225012000+1000|Asha Rao|"hello"
|text||1620228600000+1000|Tom|"bye"`},
		{"GMT20210505-143000_RecordingnewChat.txt", "00:00:12\t From Asha Rao to Everyone:\n\thello\n", `
|text||1620225012000+1000|Asha Rao|"hello"`},
		{"2021-05-05 14.30.00 Wasser/chat.txt", "14:31:05 Von Jörg an alle:\n\thallo\n14:31:06 Von Jörg an Tom (Direktnachricht):\n\tpst\n", `
Wasser|text||1620174665000+100801000|Jörg|"hallo"
Wasser|text||1620174666000+100801000|Jörg|"pst"`},
		{"chat.txt", "2024-05-05 10:02:11 From Asha to Tom to Everyone:\n\tdated\n", `
|text||1714852931000+100801000|Asha to Tom|"dated"`},
		{"meeting_saved_chat.txt", "10:02 From Asha to Everyone : no date\n", `
|text||0+253402300800000|Asha|"no date"`},
	} {
		r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, c.name, []byte(c.in)))
		capturetest.Same(t, r, c.want)
		if t.Failed() {
			t.Fatal(c.name)
		}
	}
}

// TestDeclared gives the day that the file does not have.
func TestDeclared(t *testing.T) {
	day := time.Date(2022, 3, 1, 0, 0, 0, 0, time.UTC)
	f := capturetest.File(t, "meeting_saved_chat.txt", []byte("10:02:03 From Asha to Everyone:\n\thi\n"))
	r := capturetest.Must(t, Parser{}, capture.Options{Zone: time.UTC, Happened: capture.Period{From: day, To: day.Add(86399 * time.Second)}}, f)
	capturetest.Same(t, r, `|text||1646128923000+1000|Asha|"hi"`)
	r = capturetest.Must(t, Parser{}, capture.Options{Happened: capture.Period{From: day, To: day.AddDate(0, 0, 7)}}, f)
	if at := r.Messages[0].Sent; at.Min != day.UnixMilli() || at.Max != day.AddDate(0, 0, 7).UnixMilli() || at.Precision != "none" {
		t.Errorf("within a week it is %+v", at)
	}
}

func TestNotZoom(t *testing.T) {
	for _, s := range []string{"", "hello\n", "12:30 - Asha: hi\n", "Dear all,\n10:00 From next week: we meet\n"} {
		if ok, _ := (Parser{}).Recognise(t.Context(), &capture.Source{Files: []*capture.File{capturetest.File(t, "chat.txt", []byte(s))}}); ok {
			t.Errorf("%q is taken for a chat of Zoom", s)
		}
	}
}

func TestDamage(t *testing.T) {
	capturetest.Mutate(t, Parser{}, 500, capturetest.Entry{Name: "2021-05-05 14.30.00 x/meeting_saved_chat.txt", Data: saved}, capturetest.Entry{Name: "GMT20210505-143000_Recording.chat.txt", Data: "00:00:12\tAsha Rao:\thello\n01:00:00\tTom:\tbye\n"})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(saved))
	f.Add([]byte("00:00:12\tAsha Rao:\thello\n01:00:00\tTom:\tbye\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		capturetest.Fuzz(t, Parser{}, "2021-05-05 14.30.00 x/meeting_saved_chat.txt", data)
	})
}

func BenchmarkParse(b *testing.B) {
	f := capturetest.Repeat(b, "2021-05-05 14.30.00 x/meeting_saved_chat.txt", "", 50_000, "", func(i int) string {
		return fmt.Sprintf("14:%02d:%02d From Person %d to Everyone:\n\tmessage %d says what people say\n", 30+i/2000, i%60, i%9, i)
	}, "")
	b.SetBytes(f.Size)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := (Parser{}).Parse(b.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil }); err != nil || n != 50_000 {
			b.Fatal(n, err)
		}
	}
}
