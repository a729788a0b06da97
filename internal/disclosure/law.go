package disclosure

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"

	"despatch/internal/httpd"
)

//go:embed holidays.csv
var holidaysCSV []byte

//go:embed exemptions.csv
var exemptionsCSV []byte

// table reads one of the embedded tables, without its heading. It panics if the table is malformed, which a test sees.
func table(raw []byte) [][]string {
	r := csv.NewReader(bytes.NewReader(raw))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		panic(err)
	}
	return rows[1:]
}

// Holidays are the days that are no working days, for the counting of terms.
type Holidays struct {
	names map[Date]string
	last  int // the last year that the table has
}

// UKHolidays are the bank holidays of any part of the United Kingdom: what FOIA s.10(6) and the EIR count by.
func UKHolidays() *Holidays {
	h, err := ReadHolidays(holidaysCSV)
	if err != nil {
		panic(err)
	}
	return h
}

// ReadHolidays reads a table of holidays: lines of date, where and name, below a heading; # begins a comment.
func ReadHolidays(raw []byte) (*Holidays, error) {
	r := csv.NewReader(bytes.NewReader(raw))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("read the table of holidays: %w", err)
	}
	h := &Holidays{names: make(map[Date]string)}
	for _, row := range rows[1:] {
		d, err := ParseDate(row[0])
		if err != nil || len(row) != 3 {
			return nil, fmt.Errorf("read the table of holidays: %q: %w", row, err)
		}
		h.names[d] = row[2]
		h.last = max(h.last, d.Year)
	}
	return h, nil
}

// Working reports whether a day is a working day.
func (h *Holidays) Working(d Date) bool {
	_, holiday := h.names[d]
	return !holiday && d.Weekday() != time.Saturday && d.Weekday() != time.Sunday
}

// After returns the nth working day after a day. It fails beyond the years of which the holidays are known.
func (h *Holidays) After(d Date, n int) (Date, error) {
	for n > 0 {
		if d = d.Add(1); h.Working(d) {
			n--
		}
		if d.Year > h.last {
			return Date{}, fmt.Errorf("the bank holidays of %d are not known here", d.Year)
		}
	}
	return d, nil
}

// MonthAfter returns the day one calendar month after a day: the corresponding date or, if the next month has none,
// its last day; and if that is no working day, the next one that is.
func (h *Holidays) MonthAfter(d Date) (Date, error) {
	first := time.Date(d.Year, d.Month+1, 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	due := Date{first.Year(), first.Month(), min(d.Day, last)}
	if h.Working(due) {
		if due.Year > h.last {
			return Date{}, fmt.Errorf("the bank holidays of %d are not known here", due.Year)
		}
		return due, nil
	}
	return h.After(due, 1)
}

// kindInfo is what the law says of a kind of case.
type kindInfo struct {
	kind   Kind
	title  string
	regime string
	prefix string // of made-up references
	basis  string
}

var kinds = []kindInfo{
	{FOI, "Freedom of information request", "Freedom of Information Act 2000", "FOI", "20 working days after receipt: Freedom of Information Act 2000, s.10(1)"},
	{EIR, "Environmental information request", "Environmental Information Regulations 2004", "EIR", "20 working days after receipt: Environmental Information Regulations 2004, reg 5(2)"},
	{SAR, "Subject access request", "UK GDPR, Article 15", "SAR", "one calendar month after receipt: UK GDPR, Article 12(3)"},
	{Inquiry, "Inquiry", "Inquiries Act 2005, s.21", "INQ", ""},
	{Litigation, "Litigation", "Civil Procedure Rules, Part 31", "LIT", ""},
	{Audit, "Audit", "Internal audit", "AUD", ""},
}

// Kinds are all kinds of cases.
var Kinds = []Kind{FOI, EIR, SAR, Inquiry, Litigation, Audit}

func (k Kind) info() kindInfo {
	if i := slices.IndexFunc(kinds, func(x kindInfo) bool { return x.kind == k }); i >= 0 {
		return kinds[i]
	}
	return kindInfo{}
}

// Title is the kind in words: "Freedom of information request".
func (k Kind) Title() string { return k.info().title }

// Regime is the law: "Freedom of Information Act 2000".
func (k Kind) Regime() string { return k.info().regime }

// due works out when a case is due and on what basis.
func (h *Holidays) due(k Kind, received Date) (Date, string, error) {
	var d Date
	var err error
	switch k {
	case FOI, EIR:
		d, err = h.After(received, 20)
	case SAR:
		d, err = h.MonthAfter(received)
	}
	if err != nil {
		return Date{}, "", httpd.InvalidParam("When this is due cannot be worked out: %s. Enter the day.", err)
	}
	return d, k.info().basis, nil
}

// Exemption is a reason for which information may be withheld.
type Exemption struct {
	Code string // "40(2)", as it stands in bundles
	Law  string // "Freedom of Information Act 2000"
	Name string // "Personal data of somebody else"
	Test string // "absolute" or "qualified"; "" where the law knows no such test
	Must string // what must be weighed or done before it may be used; may be empty
}

// Exemptions returns the codes for a kind of case, in the order of the law.
func Exemptions(k Kind) []Exemption { return exemptions[k] }

var exemptions = func() map[Kind][]Exemption {
	out := make(map[Kind][]Exemption)
	for _, row := range table(exemptionsCSV) {
		k := Kind(row[0])
		out[k] = append(out[k], Exemption{Code: row[1], Law: k.Regime(), Name: row[2], Test: row[3], Must: row[4]})
	}
	return out
}()

// exemption returns the exemption of a code, or an error for whoever chose it.
func exemption(k Kind, code string) (Exemption, error) {
	for _, e := range exemptions[k] {
		if e.Code == code {
			return e, nil
		}
	}
	var codes []string
	for _, e := range exemptions[k] {
		codes = append(codes, e.Code)
	}
	return Exemption{}, httpd.InvalidParam("There is no reason %q for this kind of case. There are: %s.", code, strings.Join(codes, "; "))
}
