package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"despatch/internal/capture/office"
	"despatch/internal/store"
)

// registerPage is the register of what was said elsewhere, and the list of roadblocks that comes from it.
type registerPage struct {
	frame
	Tabs      []navItem
	Month     field
	Channel   field
	Reason    field
	Total     int64
	Roadblock []roadblockRow
	Months    []string // the columns of the table by month
	Rows      []registerRow
	Query     string // of this page, for the downloads
}

type roadblockRow struct {
	Reason   string
	N        int64
	Share    int // per cent of all
	Channels string
	ByMonth  []int64 // one for each of the page's months
}

type registerRow struct {
	store.OffChannel
	Name, ChannelOf, ReasonOf string
}

func (x registerRow) Path() string { return root + "captures/" + url.PathEscape(x.Submission) }

const (
	registerEach   = 200
	registerMonths = 6
)

func reasonOf(code string) string {
	if code == "" {
		return "No reason given"
	}
	return office.Text(office.Reasons, code)
}

// newRegisterPage has the filters of the register, read from the address.
func (s *Server) newRegisterPage(r *http.Request) (*registerPage, store.OffChannelFilter, error) {
	p := &registerPage{frame: frame{Title: "Why it was said elsewhere", Wide: true}, Tabs: tabs("register"),
		Month:   choose("months", "Period", answer{Text: "All", Chosen: true}, answer{Value: "1", Text: "This month"}, answer{Value: "3", Text: "The last 3 months"}, answer{Value: "12", Text: "The last 12 months"}),
		Channel: choose("channel", "System", answer{Text: "Any", Chosen: true}), Reason: choose("reason", "Reason", answer{Text: "Any", Chosen: true}, answer{Value: "none", Text: "None given"})}
	systems, err := store.CapturedSystems(r.Context(), s.DB.Reader())
	if err != nil {
		return nil, store.OffChannelFilter{}, err
	}
	for _, code := range systems {
		p.Channel.Answer = append(p.Channel.Answer, answer{Value: code, Text: office.SystemName(code)})
	}
	for _, c := range office.Reasons {
		p.Reason.Answer = append(p.Reason.Answer, answer{Value: c.Code, Text: c.Text})
	}
	f := store.OffChannelFilter{Channel: p.Channel.listed(r), Reason: p.Reason.listed(r)}
	if n, err := strconv.Atoi(p.Month.listed(r)); err == nil {
		f.From = s.monthsAgo(n - 1)
	}
	q := url.Values{}
	for _, x := range []*field{&p.Month, &p.Channel, &p.Reason} {
		if x.Value != "" {
			q.Set(x.Name, x.Value)
		}
	}
	p.Query = q.Encode()
	return p, f, nil
}

// monthsAgo is a month, as 2006-01, in the office's zone.
func (s *Server) monthsAgo(n int) string {
	t := s.Now().In(s.Office.Zone)
	return time.Date(t.Year(), t.Month()-time.Month(n), 1, 12, 0, 0, 0, s.Office.Zone).Format("2006-01")
}

func (s *Server) register(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, f, err := s.newRegisterPage(r)
	if err != nil {
		return err
	}
	if err := s.Office.Looked(r.Context(), v.User, "the register of reasons", s.filterWords("", &p.Month, &p.Channel, &p.Reason)); err != nil {
		return err
	}
	counts, err := store.Roadblocks(r.Context(), s.DB.Reader(), f)
	if err != nil {
		return err
	}
	for n := registerMonths - 1; n >= 0; n-- {
		p.Months = append(p.Months, s.monthsAgo(n))
	}
	p.rank(office.Rank(counts))
	rows, err := store.Register(r.Context(), s.DB.Reader(), f, registerEach)
	if err != nil {
		return err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	for _, x := range rows {
		p.Rows = append(p.Rows, registerRow{x, n.of(x.Person), office.SystemName(x.Channel), reasonOf(x.Reason)})
	}
	return s.show(w, r, v, "register", p)
}

// rank puts the ranked roadblocks into rows.
func (p *registerPage) rank(list []office.Roadblock) {
	for _, b := range list {
		p.Total += b.Submissions
	}
	for _, b := range list {
		row := roadblockRow{Reason: reasonOf(b.Reason), N: b.Submissions, Share: int((100*b.Submissions + p.Total/2) / p.Total), ByMonth: make([]int64, len(p.Months))}
		var channels []string
		for _, c := range b.Channels {
			channels = append(channels, office.SystemName(c.Name)+" "+number(c.N))
		}
		row.Channels = strings.Join(channels, ", ")
		for _, m := range b.Months {
			for i, name := range p.Months {
				if name == m.Name {
					row.ByMonth[i] = m.N
				}
			}
		}
		p.Roadblock = append(p.Roadblock, row)
	}
}

// monthWords is a month as people write it: "November 2026".
func monthWords(m string) string {
	if t, err := time.Parse("2006-01", m); err == nil {
		return t.Format("Jan 2006")
	}
	return m
}

// registerFile downloads the register, or the counts that the roadblocks come from, as CSV.
func (s *Server) registerFile(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, f, err := s.newRegisterPage(r)
	if err != nil {
		return err
	}
	what := r.PathValue("what")
	if what != "register.csv" && what != "roadblocks.csv" {
		return errNowhere()
	}
	if err := s.Office.Looked(r.Context(), v.User, "the download "+what, s.filterWords("", &p.Month, &p.Channel, &p.Reason)); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", what))
	h.Set("Cache-Control", "no-store")
	if what == "roadblocks.csv" {
		counts, err := store.Roadblocks(r.Context(), s.DB.Reader(), f)
		if err != nil {
			return err
		}
		return office.WriteRoadblocks(w, counts)
	}
	rows, err := store.Register(r.Context(), s.DB.Reader(), f, 1_000_000)
	if err != nil {
		return err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	return office.WriteRegister(w, rows, n.of)
}

// positionOf reads a position on the record; 0 if it is none.
func positionOf(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
