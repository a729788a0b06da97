package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"despatch/internal/disclosure"
	"despatch/internal/identity"
	"despatch/internal/matrix"
)

// caseView is a case on a page.
type caseView struct {
	*disclosure.Case
	today disclosure.Date
}

func (c caseView) Path() string { return root + "cases/" + url.PathEscape(c.ID) }

// Authority is by what right messages are read in the case.
func (c caseView) Authority() string { return authority(c.Kind) }

func authority(k disclosure.Kind) string {
	switch k {
	case disclosure.FOI:
		return "Freedom of Information Act 2000"
	case disclosure.EIR:
		return "Environmental Information Regulations 2004"
	case disclosure.SAR:
		return "Subject access, UK GDPR Article 15"
	case disclosure.Inquiry:
		return "A public inquiry’s notice"
	case disclosure.Litigation:
		return "A court’s disclosure"
	case disclosure.Audit:
		return "The department’s own audit"
	}
	return string(k)
}

// DueWords says when the case is due: "8 December 2026".
func (c caseView) DueWords() string { return dayWords(c.Due) }

func (c caseView) ReceivedWords() string { return dayWords(c.Received) }

// Left says how much time there is: "in 12 days", "3 days late".
func (c caseView) Left() string {
	if c.Due.IsZero() || c.Status == disclosure.Closed {
		return ""
	}
	switch n := c.DaysLeft(c.today); {
	case n < -1:
		return fmt.Sprintf("%d days late", -n)
	case n == -1:
		return "1 day late"
	case n == 0:
		return "today"
	case n == 1:
		return "tomorrow"
	default:
		return fmt.Sprintf("in %d days", n)
	}
}

func (c caseView) Late() bool {
	return !c.Due.IsZero() && c.Status != disclosure.Closed && c.DaysLeft(c.today) < 0
}

// Stage is how far the case has come, in words.
func (c caseView) Stage() string {
	switch c.Status {
	case disclosure.Open:
		return "Being prepared"
	case disclosure.Waiting:
		return "Waits for approval"
	case disclosure.Approved:
		return "Approved"
	case disclosure.Closed:
		return "Closed"
	}
	return string(c.Status)
}

// Colour is that of the tag with the stage; the words say the same.
func (c caseView) Colour() string {
	switch c.Status {
	case disclosure.Waiting:
		return "yellow"
	case disclosure.Approved:
		return "green"
	case disclosure.Closed:
		return "grey"
	}
	return "blue"
}

func (c caseView) mine(who matrix.UserID) bool {
	for _, o := range c.Officers {
		if o == who {
			return true
		}
	}
	return false
}

// today is the day it is, where the server is.
func (s *Server) today() disclosure.Date { return disclosure.DateOf(s.Now()) }

func (s *Server) viewed(c *disclosure.Case) caseView { return caseView{c, s.today()} }

// caseFrame is what every page within a case has at its top.
type caseFrame struct {
	frame
	Case     caseView
	Recorded bool // the page shows messages
}

// within reads the case of a request for a page of it.
func (s *Server) within(r *http.Request, v *visit, title string) (caseFrame, error) {
	c, err := s.Cases.Case(r.Context(), v.Session.User, r.PathValue("case"))
	if err != nil {
		return caseFrame{}, err
	}
	view := s.viewed(c)
	return caseFrame{frame: frame{Title: title, Back: link{view.Path(), c.Reference}}, Case: view}, nil
}

// casesPage lists cases, those due first first.
type casesPage struct {
	frame
	Show    string // mine, late, waiting, all, closed
	Cases   []caseView
	Choice  []caseChoice
	MayOpen bool
}

// caseChoice is a list of cases that can be shown, with how many there are in it.
type caseChoice struct {
	Show, Text string
	Count      int
	Current    bool
}

var caseLists = []struct{ show, text string }{
	{"mine", "Mine"}, {"late", "Late"}, {"week", "Due this week"}, {"waiting", "Waiting for approval"}, {"all", "All that are open"}, {"closed", "Closed"},
}

// in reports whether a case is in one of the lists.
func (c caseView) in(show string, who matrix.UserID) bool {
	open := c.Status != disclosure.Closed
	switch show {
	case "mine":
		return open && c.mine(who)
	case "late":
		return c.Late()
	case "week":
		return open && !c.Due.IsZero() && !c.Late() && c.DaysLeft(c.today) <= 7
	case "waiting":
		return c.Status == disclosure.Waiting
	case "closed":
		return !open
	}
	return open
}

func (s *Server) cases(w http.ResponseWriter, r *http.Request, v *visit) error {
	all, err := s.Cases.Cases(r.Context(), v.Session.User, disclosure.Filter{})
	if err != nil {
		return err
	}
	rs := v.Roles()
	p := &casesPage{frame: frame{Title: "Cases", Wide: true}, Show: r.FormValue("show"), MayOpen: rs.Has(identity.Records)}
	if p.Show == "" {
		switch {
		case rs.Has(identity.Records):
			p.Show = "mine"
		case rs.Has(identity.Approver):
			p.Show = "waiting"
		default:
			p.Show = "all"
		}
	}
	p.Choice = s.choices(all, p.Show, v)
	for _, c := range all {
		if view := s.viewed(c); view.in(p.Show, v.Session.User) {
			p.Cases = append(p.Cases, view)
		}
	}
	return s.show(w, r, v, "cases", p)
}

// casePage is what there is to do in a case.
type casePage struct {
	caseFrame
	Officers []string
	OpenedBy string
	Mine     bool // the visitor is one of its officers
	Approver bool
	Scope    scopeView
}

func (s *Server) oneCase(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := s.within(r, v, "")
	if err != nil {
		return err
	}
	f.Title, f.Back, f.Wide = f.Case.Title, link{root + "cases", "Cases"}, false
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	p := &casePage{caseFrame: f, Mine: f.Case.mine(v.Session.User), Approver: v.Roles().Has(identity.Approver),
		OpenedBy: n.of(string(f.Case.OpenedBy)), Scope: newScopeView(n, f.Case.Bounds)}
	for _, o := range f.Case.Officers {
		p.Officers = append(p.Officers, n.of(string(o)))
	}
	return s.show(w, r, v, "case", p)
}

// scopeView is what a case reaches to, in words.
type scopeView struct {
	Empty         bool
	People        []string
	Conversations []string
	Period        string
}

func newScopeView(n *names, b disclosure.Bounds) scopeView {
	out := scopeView{Empty: b.Empty(), Conversations: b.Conversations}
	for _, p := range b.People {
		out.People = append(out.People, n.of(p))
	}
	switch {
	case !b.From.IsZero() && !b.To.IsZero():
		out.Period = dayWords(b.From) + " to " + dayWords(b.To)
	case !b.From.IsZero():
		out.Period = "from " + dayWords(b.From)
	case !b.To.IsZero():
		out.Period = "until " + dayWords(b.To)
	}
	return out
}

// caseDonePage confirms that something was done, with the case's reference.
type caseDonePage struct {
	caseFrame
	Next []string
	More link
}

func (s *Server) caseDone(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := s.within(r, v, "")
	if err != nil {
		return err
	}
	p := &caseDonePage{caseFrame: f}
	p.Back = link{}
	switch r.PathValue("what") {
	case "opened":
		p.Title = "Case opened"
		if !p.Case.Due.IsZero() {
			p.Next = append(p.Next, "It is due on "+p.Case.DueWords()+": "+p.Case.DueBasis+".")
		}
		p.Next = append(p.Next, "Next, declare how far it reaches. Nothing can be searched before.")
		p.More = link{p.Case.Path() + "/scope", "Declare the scope"}
	case "submitted":
		p.Title = "Sent for approval"
		p.Next = []string{"An approver who decided nothing in this case looks at every decision, and approves them or sends them back.", "If you change a decision now, the case is open again."}
	case "approved":
		p.Title = "Approved"
		p.Next = []string{"The approval stands for exactly these decisions: whatever changes them voids it.", "The case’s officers can now make the bundle."}
	case "sent-back":
		p.Title = "Sent back"
		p.Next = []string{"The case’s officers see what you wrote at the top of the case."}
	case "closed":
		p.Title = "Case closed"
		p.Next = []string{"Its messages can no longer be read through it. Its history stays on the record."}
	default:
		return s.nowhere(w, r)
	}
	return s.show(w, r, v, "casedone", p)
}

// historyPage is the timeline of a case.
type historyPage struct {
	caseFrame
	Days  []historyDay
	Older string
}

type historyDay struct {
	Day    string
	Events []disclosure.Event
}

const historyEach = 100

func (s *Server) history(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := s.within(r, v, "History of the case")
	if err != nil {
		return err
	}
	before, _ := strconv.ParseInt(r.FormValue("before"), 10, 64) // what is no number is the end
	events, err := s.Cases.History(r.Context(), v.Session.User, f.Case.ID, before, historyEach)
	if err != nil {
		return err
	}
	p := &historyPage{caseFrame: f}
	for _, e := range events {
		d := day(e.Time)
		if n := len(p.Days); n == 0 || p.Days[n-1].Day != d {
			p.Days = append(p.Days, historyDay{Day: d})
		}
		last := &p.Days[len(p.Days)-1]
		last.Events = append(last.Events, e)
	}
	if len(events) == historyEach {
		p.Older = f.Case.Path() + "/history?before=" + strconv.FormatInt(events[historyEach-1].Position, 10)
	}
	return s.show(w, r, v, "history", p)
}
