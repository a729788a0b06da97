package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"despatch/internal/disclosure"
)

// dateField is a question for a day, answered in three boxes: people know dates by heart, and a calendar
// to click through only slows them down.
type dateField struct {
	Name, Label, Hint, Error string
	Large                    bool
	Day, Month, Year         string
}

// ID is the id of the first box.
func (f dateField) ID() string { return f.Name + "-day" }

func (f *dateField) set(d disclosure.Date) {
	if !d.IsZero() {
		f.Day, f.Month, f.Year = strconv.Itoa(d.Day), strconv.Itoa(int(d.Month)), strconv.Itoa(d.Year)
	}
}

func (f *dateField) empty() bool { return f.Day == "" && f.Month == "" && f.Year == "" }

// read takes the answer from a form. ok is false if it is no day; an empty answer is the zero day.
func (f *dateField) read(r *http.Request) (d disclosure.Date, ok bool) {
	get := func(part string) string { return strings.TrimSpace(r.PostForm.Get(f.Name + "-" + part)) }
	f.Day, f.Month, f.Year = get("day"), get("month"), get("year")
	if f.empty() {
		return d, true
	}
	day, err1 := strconv.Atoi(f.Day)
	year, err2 := strconv.Atoi(f.Year)
	month, ok := monthOf(f.Month)
	if err1 != nil || err2 != nil || !ok || year < 1900 || year > 2200 || day < 1 || day > 31 {
		return d, false
	}
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return disclosure.DateOf(t), t.Day() == day
}

// monthOf reads a month by its number or the beginning of its name.
func monthOf(s string) (time.Month, bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return time.Month(n), n >= 1 && n <= 12
	}
	for m := time.January; m <= time.December; m++ {
		if len(s) >= 3 && strings.HasPrefix(strings.ToLower(m.String()), strings.ToLower(s)) {
			return m, true
		}
	}
	return 0, false
}

// wrongDate adds a problem with a day to a page.
func (p *frame) wrongDate(text string, about *dateField) {
	about.Error = text
	p.Problems = append(p.Problems, problem{about.ID(), text})
}

// dayWords is a day in words.
func dayWords(d disclosure.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.In(time.UTC).Format("2 January 2006")
}
