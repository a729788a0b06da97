package whatsapp

import (
	"bytes"
	"fmt"
	"time"

	"despatch/internal/capture"
)

// order says which of a date's three numbers is which, and how many years its calendar is ahead.
type order struct {
	name             string // dmy, mdy, ymd, …
	year, month, day int8
	era              int
}

// orders returns the two ways to read a shape's dates. They differ in what is the day and what the
// month; only where no year has four digits may the year come first too.
func orders(sh shape) []order {
	switch sh.yearAt {
	case 0:
		return []order{{name: "ymd", year: 0, month: 1, day: 2}, {name: "ydm", year: 0, month: 2, day: 1}}
	case 1:
		return []order{{name: "dym", year: 1, month: 2, day: 0}, {name: "myd", year: 1, month: 0, day: 2}}
	case 2:
		return []order{{name: "dmy", year: 2, month: 1, day: 0}, {name: "mdy", year: 2, month: 0, day: 1}}
	}
	return []order{{name: "dmy", year: 2, month: 1, day: 0}, {name: "mdy", year: 2, month: 0, day: 1}, {name: "ymd", year: 0, month: 1, day: 2}}
}

// evidence is what a chat tells about one way to read its dates.
type evidence struct {
	order      order
	impossible int64 // headers whose date does not exist in this order
	over12     int64 // headers whose date exists in this order and not in another, and that do not stand out
	named      int64 // headers whose media file's name has the same date, and not in another order
	future     int64 // headers later than the file itself
	backward   int64 // steps back by more than a day
}

// packed is a stamp in eight bytes, so that a chat of any length can be looked at as a whole.
type packed uint64

// noTime marks a packed stamp whose time of day does not exist.
const noTime = 0xFFFF

func pack(st *stamp) packed {
	p := packed(st.date[0])<<48 | packed(st.date[1])<<32 | packed(st.date[2])<<16
	if st.hour > 24 || st.minute > 59 || st.second > 59 {
		return p | noTime
	}
	c, _, _ := st.civil(order{year: 0, month: 1, day: 2})
	return p | packed(c.Hour*60+c.Minute)
}

// day returns the days since 1970 under an order, and whether there is such a date.
func (p packed) day(o order, shortYear bool) (int64, bool) {
	f := [3]int{int(p >> 48), int(p>>32) & 0xFFFF, int(p>>16) & 0xFFFF}
	c := capture.Civil{Year: f[o.year] - o.era, Month: f[o.month], Day: f[o.day]}
	if shortYear {
		c.Year += 2000
	}
	if !c.Valid() {
		return 0, false
	}
	return c.UTC().Unix() / 86400, true
}

// minute returns the minutes since 1970 on the writer's clock under an order.
func (p packed) minute(o order, shortYear bool) (int64, bool) {
	d, ok := p.day(o, shortYear)
	return d*1440 + int64(p&0xFFFF), ok && p&0xFFFF != noTime
}

// weigh collects the evidence for each way to read the dates. latest is the day after which nothing
// in the file can be, or 0 if not known; named[i] is the day that the media name on header i tells.
func weigh(stamps []packed, sh shape, latest int64, named map[int]int64) []evidence {
	all := orders(sh)
	list := make([]evidence, len(all))
	times := make([][]int64, len(all))
	for k, o := range all {
		e := evidence{order: o}
		times[k] = make([]int64, len(stamps))
		var previous int64
		for i, p := range stamps {
			m, ok := p.minute(o, sh.yearAt < 0)
			if !ok {
				e.impossible++
				times[k][i] = -1
				continue
			}
			times[k][i] = m
			if previous != 0 && m < previous-1440 {
				e.backward++
			}
			previous = m
			if latest != 0 && m/1440 > latest {
				e.future++
			}
		}
		list[k] = e
	}
	list[0].over12 = only1(times[0], times[1])
	list[1].over12 = only1(times[1], times[0])
	for i, day := range named {
		// A date that agrees with the name in either order tells nothing.
		switch a, b := agrees(times[0][i], day), agrees(times[1][i], day); {
		case a && !b:
			list[0].named++
		case b && !a:
			list[1].named++
		}
	}
	return list
}

// only1 counts the headers that have a time in one order and none in the other, except those whose
// time stands out: one forged line must not settle how a chat is read.
func only1(these, those []int64) (n int64) {
	odd := map[int]bool{}
	for _, i := range standingOut(these) {
		odd[i] = true
	}
	for i, t := range these {
		if t >= 0 && those[i] < 0 && !odd[i] {
			n++
		}
	}
	return n
}

// agrees says whether a time is on the day that a media name tells, or on the day before or after.
func agrees(minute, day int64) bool {
	d := minute/1440 - day
	return minute >= 0 && d >= -1 && d <= 1
}

// sameDates says whether two orders read every date the same, as where only 01/01 and 02/02 occur.
func sameDates(stamps []packed, sh shape, a, b order) bool {
	for _, p := range stamps {
		x, ok1 := p.day(a, sh.yearAt < 0)
		y, ok2 := p.day(b, sh.yearAt < 0)
		if x != y || !ok1 || !ok2 {
			return false
		}
	}
	return true
}

// decide settles the order of day and month from the evidence, by the first rule that tells, or says
// that none does. It proves; it never takes the likelier.
//
// The rules, strongest first: the dates in the names that WhatsApp gives to media; a number above
// twelve; nothing is later than the file itself; messages stand in the order they came, so that the
// wrong order makes time jump back.
func decide(list []evidence, stamps []packed, sh shape) (capture.Decision, order, bool) {
	a, b := list[0], list[1]
	d := capture.Decision{About: "date_order", By: "file"}
	settle := func(rule string, won evidence, support, against int64) (capture.Decision, order, bool) {
		d.Rule, d.Value, d.Support, d.Conflicts = rule, won.order.name, support, against
		return d, won.order, true
	}
	switch {
	case len(stamps) == 0:
		return settle("no_dates", a, 0, 0)
	case sh.yearAt == 0 && b.over12 == 0:
		return settle("year_first", a, int64(len(stamps))-a.impossible, a.impossible)
	case sameDates(stamps, sh, a.order, b.order):
		return settle("orders_agree", a, int64(len(stamps)), 0)
	case len(list) == 3 && yearFirst(list):
		return settle("year_first", list[2], min(a.faults(), b.faults()), 0)
	}
	for _, r := range []struct {
		name  string
		a, b  int64 // what speaks for each
		least int64 // how much of it is proof
		times int64 // how many times what speaks against it
		soft  bool  // where it falls short of proof the next rule may tell
	}{
		{"media_names", a.named, b.named, 1, 20, false},
		{"day_over_12", a.over12, b.over12, 1, 20, false},
		{"not_after_file", b.future, a.future, 1, 1 << 32, true},
		{"backward_steps", b.backward, a.backward, 2, 5, true},
	} {
		won, lost, support, against := a, b, r.a, r.b
		if r.b > r.a {
			won, lost, support, against = b, a, r.b, r.a
		}
		switch {
		case support == against:
		case support >= r.least && against*r.times <= support && !contradicted(won, lost):
			return settle(r.name, won, support, against)
		case !r.soft:
			return d, order{}, false
		}
	}
	return d, order{}, false
}

// contradicted says whether the order in which messages stand speaks so clearly against an order that
// the rule which chose it must have been misled.
func contradicted(won, lost evidence) bool {
	return won.backward > 3 && won.backward > 10*(lost.backward+lost.impossible+1)
}

// faults counts what speaks against an order.
func (e evidence) faults() int64 { return e.impossible + e.future + e.backward }

// yearFirst says whether dates of three short numbers can only begin with the year.
func yearFirst(list []evidence) bool {
	dmy, mdy, ymd := list[0], list[1], list[2]
	return ymd.faults() == 0 && dmy.faults() >= 2 && mdy.faults() >= 2
}

// orderQuestion asks for the order of day and month with the first date that shows the difference.
func orderQuestion(list []evidence, raw string, p packed, sh shape) capture.Question {
	q := capture.Question{About: "date_order", Example: raw,
		Text: "This file does not tell whether its dates have the day first or the month first. Which is it?"}
	words := map[string]string{"dmy": "day first", "mdy": "month first", "ymd": "year first", "ydm": "year first, then the day", "dym": "day first", "myd": "month first"}
	for _, e := range list[:2] {
		day, ok := p.day(e.order, sh.yearAt < 0)
		if !ok {
			continue
		}
		q.Answers = append(q.Answers, capture.Answer{Value: e.order.name,
			Meaning: fmt.Sprintf("%s: %s", words[e.order.name], time.Unix(day*86400, 0).UTC().Format("2 January 2006"))})
	}
	return q
}

// mediaDay returns the day in the name that WhatsApp gave to a media file named in the line.
//
//	IMG-20211115-WA0010.jpg                    Android
//	00000009-PHOTO-2023-10-27-22-42-29.jpg     iPhone
func mediaDay(text []byte) (day int64, ok bool) {
	if i := bytes.Index(text, []byte("-WA")); i >= 9 && text[i-9] == '-' {
		if y, m, d, ok := dateDigits(text[i-8:i], ""); ok {
			return civilDay(y, m, d)
		}
	}
	for rest := text; ; {
		i := bytes.Index(rest, []byte("-20"))
		if i < 0 || len(rest) < i+20 {
			return 0, false
		}
		if y, m, d, ok := dateDigits(rest[i+1:i+11], "-"); ok && rest[i+11] == '-' && serial(rest[:i]) {
			return civilDay(y, m, d)
		}
		rest = rest[i+3:]
	}
}

// serial says whether the text ends as an iPhone's media name begins: eight digits and a word.
func serial(before []byte) bool {
	i := len(before)
	for i > 0 && before[i-1] >= 'A' && before[i-1] <= 'Z' {
		i--
	}
	if i == len(before) || i < 9 || before[i-1] != '-' {
		return false
	}
	for _, c := range before[i-9 : i-1] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func dateDigits(b []byte, sep string) (y, m, d int, ok bool) {
	digits := bytes.ReplaceAll(b, []byte(sep), nil)
	if sep == "" {
		digits = b
	} else if b[4] != sep[0] || b[7] != sep[0] {
		return 0, 0, 0, false
	}
	if len(digits) != 8 {
		return 0, 0, 0, false
	}
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, 0, 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n / 10000, n / 100 % 100, n % 100, true
}

func civilDay(y, m, d int) (int64, bool) {
	c := capture.Civil{Year: y, Month: m, Day: d}
	if !c.Valid() || y < 2009 {
		return 0, false
	}
	return c.UTC().Unix() / 86400, true
}
