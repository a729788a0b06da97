package whatsapp

import (
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
)

// dmy, mdy and ymd are the orders of the tests' dates.
var (
	dmy = order{name: "dmy", year: 2, month: 1, day: 0}
	mdy = order{name: "mdy", year: 2, month: 0, day: 1}
	ymd = order{name: "ymd", year: 0, month: 1, day: 2}
)

func TestHeaders(t *testing.T) {
	tests := []struct {
		line  string
		order order
		want  string // the time
		rest  string
	}{
		{"[27.10.23, 22:42:29] Ann: x", dmy, "2023-10-27T22:42:29", "Ann: x"},
		{"[2024/10/31 15:50:46] Ann: x", ymd, "2024-10-31T15:50:46", "Ann: x"},
		{"[3/6/18 1:55:00 p. m.] a: m", dmy, "2018-06-03T13:55:00", "a: m"},
		{"\u200e[3/6/18 1:55:00 p.\u00a0m.] a: m", dmy, "2018-06-03T13:55:00", "a: m"},
		{"[06.13.18 21:25:15] a: m", mdy, "2018-06-13T21:25:15", "a: m"},
		{"[2018/06/13, 21:25:15] a: m", ymd, "2018-06-13T21:25:15", "a: m"},
		{"[06/2018/13, 21:25:15] a: m", order{year: 1, month: 0, day: 2}, "2018-06-13T21:25:15", "a: m"},
		{"[1/2/24, 12:05:10\u202fAM] Dana: x", mdy, "2024-01-02T00:05:10", "Dana: x"},
		{"[1/2/24, 12:05:10\u202fPM] Dana: x", mdy, "2024-01-02T12:05:10", "Dana: x"},
		{"\u200f[١٥/٠٩/٢٠٢٣، ٨:٤٦:٠٠ م] دانة: x", dmy, "2023-09-15T20:46:00", "دانة: x"},
		{"[15.9.2026, 8:46:00 אחה\"צ] דנה: x", dmy, "2026-09-15T20:46:00", "דנה: x"},
		{"[01/01/19 11:25] John: x", dmy, "2019-01-01T11:25", "John: x"},
		{"16/03/2022, 15:20 - Ann: x", dmy, "2022-03-16T15:20", "Ann: x"},
		{"3/6/18, 1:55 p.m. - a: m", dmy, "2018-06-03T13:55", "a: m"},
		{"03-06-2018, 01.55 PM - a: m", dmy, "2018-06-03T13:55", "a: m"},
		{"01/20/2019, 00:08 a. m. - X: y", mdy, "2019-01-20T00:08", "X: y"},
		{"2024/10/31 下午3:50 - 王: x", ymd, "2024-10-31T15:50", "王: x"},
		{"2024/10/31 中午12:05 - 王: x", ymd, "2024-10-31T12:05", "王: x"},
		{"2024年10月31日 午後3:50 - 王: x", ymd, "2024-10-31T15:50", "王: x"},
		{"2022. 1. 2. 오후 3:04 - 김: x", ymd, "2022-01-02T15:04", "김: x"},
		{"13.6.2018 klo 21.25.15 - a: m", dmy, "2018-06-13T21:25:15", "a: m"},
		{"28/02/2023 à 15:04 - a: m", dmy, "2023-02-28T15:04", "a: m"},
		{"28.02.23, 3:04 nachm. - a: m", dmy, "2023-02-28T15:04", "a: m"},
		{"28.02.23, 12:04 nachts - a: m", dmy, "2023-02-28T00:04", "a: m"},
		{"28.02.23, 15:04 Uhr - a: m", dmy, "2023-02-28T15:04", "a: m"},
		{"2018-01-02 15 h 04 - a: m", ymd, "2018-01-02T15:04", "a: m"},
		{"2018. 01. 02. 15:04 - a: m", ymd, "2018-01-02T15:04", "a: m"},
		{"13.01.22 г., 15:04 ч. - a: m", dmy, "2022-01-13T15:04", "a: m"},
		{"15:04, 13/01/2022 - a: m", dmy, "2022-01-13T15:04", "a: m"},
		{"09/17/19, 8:30:52 AM – John: x", mdy, "2019-09-17T08:30:52", "John: x"},
		{"13.06.18 21.25.15: a: m", dmy, "2018-06-13T21:25:15", "a: m"},
		{"16/03/2022, 15:20 - \u200eYou deleted", dmy, "2022-03-16T15:20", "\u200eYou deleted"},
		{"[27/10/2023, 22:40:01] Group: \u200ex", dmy, "2023-10-27T22:40:01", "Group: \u200ex"},

		// What people write in messages.
		{"12/12/19: Departure", order{}, "", ""},
		{"2016-04-29 10:30:00", order{}, "", ""},
		{"2/11/19, 14:48 Alice: from another chat", order{}, "", ""},
		{"13. 6. 2018. 21:25:15 a: m", order{}, "", ""},
		{"[10:30] and then", order{}, "", ""},
		{"1.5 - 2.5 hours", order{}, "", ""},
		{"192.168.0.1:8080: refused", order{}, "", ""},
		{"07700 900123 - ring me", order{}, "", ""},
		{"100/200/3000, 10:00 - no", order{}, "", ""},
		{"", order{}, "", ""},
		{"[", order{}, "", ""},
	}
	var s stampScanner
	for _, test := range tests {
		st, ok := s.scan([]byte(test.line))
		if !ok {
			if test.want != "" {
				t.Errorf("%q is no header, want one at %s", test.line, test.want)
			}
			continue
		}
		c, _, both := st.civil(test.order)
		if got := capture.Local("", c, st.shape.seconds, nil).Local; got != test.want || both {
			t.Errorf("%q is of %s (%v), want %q", test.line, got, st, test.want)
		}
		if got := test.line[st.rest:]; got != test.rest {
			t.Errorf("%q goes on with %q, want %q", test.line, got, test.rest)
		}
	}
}

// TestDateOrder has for each rule a chat that it settles, and chats that no rule settles.
func TestDateOrder(t *testing.T) {
	lines := func(dates ...string) string {
		var b strings.Builder
		for _, d := range dates {
			b.WriteString(d + ", 10:00 - Ann: said on " + d + "\n")
		}
		return b.String()
	}
	tests := []struct {
		name, chat  string
		order, rule string // empty if the parser must ask
	}{
		{"day first", lines("01/02/21", "13/02/21"), "dmy", "day_over_12"},
		{"month first", lines("02/01/21", "02/13/21"), "mdy", "day_over_12"},
		{"four-digit year first", lines("2021/02/01", "2021/02/03"), "ymd", "year_first"},
		{"year, day, month", lines("2021/13/01", "2021/14/01"), "ydm", "day_over_12"},
		{"two-digit year first", lines("21/02/27", "21/02/28", "21/03/29", "21/03/31"), "ymd", "year_first"},
		{"steps back", lines("01/02/21", "12/02/21", "01/03/21", "12/03/21", "01/04/21"), "dmy", "backward_steps"},
		{"steps back, month first", lines("02/01/21", "02/12/21", "03/01/21", "03/12/21", "04/01/21"), "mdy", "backward_steps"},
		{"the same either way", lines("03/03/21", "04/04/21", "05/05/21"), "dmy", "orders_agree"},
		{"media name", "03/04/21, 10:00 - Ann: IMG-20210304-WA0000.jpg (file attached)\n", "mdy", "media_names"},
		{"media names that agree either way beside one that does not", "02/03/21, 10:00 - Ann: IMG-20210302-WA0000.jpg (file attached)\n03/03/21, 10:00 - Ann: IMG-20210303-WA0000.jpg (file attached)\n" +
			"03/03/21, 10:01 - Ann: IMG-20210303-WA0001.jpg (file attached)\n", "dmy", "media_names"},
		{"media name of an iPhone", "[03/04/21, 10:00:00] Ann: \u200e<attached: 00000001-PHOTO-2021-04-03-10-00-00.jpg>\n", "dmy", "media_names"},

		{"nothing tells", lines("03/04/21", "04/04/21", "05/04/21"), "", ""},
		{"one message", lines("03/04/21"), "", ""},
		{"one step back is no proof", lines("01/02/21", "12/02/21", "01/03/21"), "", ""},
		{"a forged line does not tell", lines("03/04/21", "03/04/21", "25/12/19", "03/04/21", "04/04/21"), "", ""},
		{"dates that speak against each other", lines("13/02/21", "14/02/21", "02/15/21", "02/16/21", "02/17/21"), "", ""},
		{"media names that speak against each other",
			"03/04/21, 10:00 - Ann: IMG-20210304-WA0000.jpg (file attached)\n03/05/21, 10:00 - Ann: IMG-20210503-WA0000.jpg (file attached)\n", "", ""},
	}
	received := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, capture.Options{ReceivedAt: received}, file(t, "_chat.txt", []byte(test.chat)))
			if err != nil {
				t.Fatal(err)
			}
			if test.order == "" {
				if p.Run.Status != capture.StatusNeedsAnswer || len(p.Run.Questions) != 1 || p.Run.Questions[0].About != "date_order" || len(p.Messages) > 0 {
					t.Fatalf("status %s, questions %+v, %d messages, want a question about date_order and no message; decisions %+v",
						p.Run.Status, p.Run.Questions, len(p.Messages), p.Run.Decisions)
				}
				for _, a := range p.Run.Questions[0].Answers {
					p, err := parse(t, capture.Options{DateOrder: a.Value}, file(t, "_chat.txt", []byte(test.chat)))
					if err != nil || p.Run.Status != capture.StatusRead || decision(p, "date_order").By != "person" {
						t.Errorf("after the answer %s: %s, %+v, %v", a.Value, p.Run.Status, p.Run.Decisions, err)
					}
				}
				return
			}
			if d := decision(p, "date_order"); d.Value != test.order || d.Rule != test.rule || d.Support == 0 || p.Run.Status != capture.StatusRead {
				t.Errorf("decided %+v with status %s, want %s by %s", d, p.Run.Status, test.order, test.rule)
			}
		})
	}
}

func decision(p *parsed, about string) capture.Decision {
	for _, d := range p.Run.Decisions {
		if d.About == about {
			return d
		}
	}
	return capture.Decision{}
}

func TestMediaDay(t *testing.T) {
	for text, want := range map[string]string{
		"IMG-20211115-WA0010.jpg (file attached)":            "2021-11-15",
		"<attached: 00000009-PHOTO-2023-10-27-22-42-29.jpg>": "2023-10-27",
		"00000009-GIF-2023-10-27-22-42-29.mp4":               "2023-10-27",
		"IMG-20211315-WA0010.jpg":                            "",
		"report-2023-10-27-final.pdf":                        "",
		"-WA":                                                "",
		"we met on 2023-10-27-ish":                           "",
	} {
		got := ""
		if day, ok := mediaDay([]byte(text)); ok {
			got = capture.Civil{Year: 1970, Month: 1, Day: 1}.UTC().AddDate(0, 0, int(day)).Format("2006-01-02")
		}
		if got != want {
			t.Errorf("%q is of day %q, want %q", text, got, want)
		}
	}
}

func TestStandingOut(t *testing.T) {
	const d = 1440
	tests := []struct {
		name  string
		times []int64
		want  []int
	}{
		{"in order", []int64{1, 2, 3 * d, 9 * d}, nil},
		{"late arrivals within a day", []int64{10 * d, 10*d - 700, 10*d + 1}, nil},
		{"one from the past", []int64{10 * d, 10*d + 1, 2 * d, 10*d + 2}, []int{2}},
		{"two from the past", []int64{10 * d, 2 * d, 3 * d, 10*d + 2}, []int{1, 2}},
		{"one from the future", []int64{10 * d, 99 * d, 10*d + 1, 10*d + 2}, []int{1}},
		{"the last may be what it says", []int64{10 * d, 10*d + 1, 2 * d}, nil},
		{"a gap of weeks", []int64{10 * d, 40 * d, 41 * d}, nil},
		{"impossible ones do not count", []int64{10 * d, -1, 10*d + 1}, nil},
	}
	for _, test := range tests {
		got := standingOut(test.times)
		if len(got) != len(test.want) || len(got) > 0 && got[0] != test.want[0] {
			t.Errorf("%s: %v stand out, want %v", test.name, got, test.want)
		}
	}
}

// TestForms checks that every phrase is found under its own code, so that no phrase hides another.
func TestForms(t *testing.T) {
	fill := strings.NewReplacer("{a}", "Ann Example", "{v}", "Bob Example", "*", " … ")
	for name, list := range map[string][]phrase{"notices": notices, "omitted": omitted, "calls": calls} {
		v := newVocabulary(list)
		for _, p := range list {
			for _, f := range p.forms {
				code, _, _, ok := v.find(fill.Replace(f))
				if !ok || code != p.code {
					t.Errorf("%s: %q is found as %q, want %q", name, f, code, p.code)
				}
			}
		}
	}
}
