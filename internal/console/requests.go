package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/office"
	"despatch/internal/disclosure"
	"despatch/internal/matrix"
	"despatch/internal/store"
)

// requestsPage lists what people were asked for.
type requestsPage struct {
	frame
	Tabs     []navItem
	Choice   []requestChoice
	Whose    field
	Name     string
	Requests []requestRow
	Asked    int // requests that have just been made
}

// requestChoice is one list of requests.
type requestChoice struct {
	Show, Text string
	Count      int64
	Current    bool
}

type requestRow struct {
	store.CaptureRequest
	Name   string
	By     string
	Late   bool
	WhyOf  string
	Handed []submissionRow
}

func (q requestRow) Path() string { return root + "requests/" + url.PathEscape(q.ID) }

// Stage is the state in words.
func (q requestRow) Stage() string {
	if q.Late {
		return "Overdue"
	}
	switch q.State {
	case office.Asked:
		return "Asked"
	case office.HandedIn:
		return "Handed in"
	case office.Nothing:
		return "Declared nothing"
	case office.Lost:
		return "Declared lost"
	}
	return "Withdrawn"
}

func (q requestRow) Colour() string {
	if q.Late {
		return "red"
	}
	switch q.State {
	case office.Asked:
		return "blue"
	case office.HandedIn:
		return "green"
	case office.Withdrawn:
		return "grey"
	}
	return "yellow"
}

// requestLists are the lists of requests there are, in their order.
var requestLists = []link{{"open", "Waiting"}, {"overdue", "Overdue"}, {office.HandedIn, "Handed in"}, {office.Nothing, "Declared nothing"}, {office.Lost, "Declared lost"}, {office.Withdrawn, "Withdrawn"}, {"all", "All"}}

const requestsEach = 500

func (s *Server) requests(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, now := r.Context(), s.Now().UnixMilli()
	p := &requestsPage{frame: frame{Title: "Requests to hand in", Wide: true}, Tabs: tabs("requests"), Whose: whoseField("The user name of who was asked.")}
	counts, err := store.CountCaptureRequests(ctx, s.DB.Reader(), now)
	if err != nil {
		return err
	}
	show := r.FormValue("show")
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	known := false
	for _, l := range requestLists {
		c := requestChoice{l.Href, l.Text, counts[l.Href], l.Href == show}
		switch l.Href {
		case "open":
			c.Count = counts[office.Asked] + counts["overdue"]
		case "all":
			c.Count = total
		}
		known = known || c.Current
		p.Choice = append(p.Choice, c)
	}
	if !known {
		show, p.Choice[0].Current = "open", true
	}
	id, name, err := s.whose(r, &p.Whose, &p.frame)
	if err != nil {
		return err
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "requests", p)
	}
	f := store.CaptureRequestFilter{Person: string(id)}
	switch show {
	case "open":
		f.State = office.Asked
	case "overdue":
		f.State, f.Due = office.Asked, now
	case "all":
	default:
		f.State = show
	}
	looked := show
	if name != "" {
		looked += ", those of " + name
	}
	if err := s.Office.Looked(ctx, v.User, "the list of requests", looked); err != nil {
		return err
	}
	list, err := store.CaptureRequests(ctx, s.DB.Reader(), f, requestsEach)
	if err != nil {
		return err
	}
	n := &names{s: s, ctx: ctx, known: make(map[string]string)}
	for _, x := range list {
		p.Requests = append(p.Requests, s.requestRow(n, x))
	}
	p.Name = name
	return s.show(w, r, v, "requests", p)
}

func (s *Server) requestRow(n *names, q store.CaptureRequest) requestRow {
	return requestRow{CaptureRequest: q, Name: n.of(q.Person), By: n.of(q.AskedBy), Late: q.State == office.Asked && q.Due < s.Now().UnixMilli(), WhyOf: office.Text(office.Whys, q.Why)}
}

// askPage asks people for what they hold.
type askPage struct {
	frame
	Who  field
	Why  field
	What field
	Ref  field
	Due  dateField
}

const maxAsked = 50

func newAskPage() *askPage {
	p := &askPage{frame: frame{Title: "Ask people to hand something in", Back: link{root + "requests", "Requests"}},
		Who:  field{Name: "who", Label: "Whom do you ask?", Kind: "area", Rows: 3, Hint: "User names, one to a line. Each gets a request of their own.", Plain: true},
		What: field{Name: "what", Label: "What for?", Kind: "area", Rows: 4, Hint: "As you would say it to them. For example: your copies of the WhatsApp group “Ward 7”, from March on."},
		Why:  field{Name: "why", Label: "Why?", Kind: "radios", Hint: "They are told."},
		Ref:  field{Name: "reference", Label: "Reference of the case, if there is one", Kind: "text", Auto: "off", Plain: true, Width: "govuk-input--width-20"},
		Due:  dateField{Name: "due", Label: "By when?", Hint: "They are reminded a week and a day before, when it is overdue, and weekly from then on. For example, 27 3 2027."}}
	for _, c := range office.Whys {
		p.Why.Answer = append(p.Why.Answer, answer{Value: c.Code, Text: c.Text})
	}
	return p
}

func (s *Server) askPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newAskPage()
	p.Who.Value = r.FormValue("who")
	return s.show(w, r, v, "ask", p)
}

func (s *Server) ask(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newAskPage()
	fields(r, &p.Who, &p.Why, &p.What, &p.Ref)
	people := s.asked(r, p)
	if !p.Why.chosen() {
		p.wrong("Choose why you ask.", &p.Why)
	}
	p.need(&p.What, "Say what you ask for.")
	due, ok := p.Due.read(r)
	if !ok || due.IsZero() {
		p.wrongDate("Enter the day by which you want an answer, with day, month and year.", &p.Due)
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "ask", p)
	}
	var last store.CaptureRequest
	for i, id := range people {
		var err error
		last, err = s.Office.Ask(r.Context(), v.User, office.Ask{Person: id, Why: p.Why.Value, What: p.What.Value, Ref: p.Ref.Value, Due: noon(due, s.Office.Zone)})
		if err != nil {
			if err := p.refuse(err, &p.Who); err != nil {
				return err
			}
			if i > 0 { // those before were asked: they are not to be asked twice
				p.Who.Value = strings.Join(localparts(people[i:]), "\n")
			}
			return s.show(w, r, v, "ask", p)
		}
	}
	if len(people) == 1 {
		return seeOther(w, r, root+"requests/"+url.PathEscape(last.ID)+"?new=1")
	}
	return seeOther(w, r, root+"requests")
}

// asked reads who is asked. Everybody is looked up before anybody is asked.
func (s *Server) asked(r *http.Request, p *askPage) []matrix.UserID {
	var out []matrix.UserID
	for _, line := range strings.FieldsFunc(p.Who.Value, func(c rune) bool { return c == '\n' || c == ',' || c == ';' || c == '\r' }) {
		text := strings.TrimSpace(line)
		if text == "" {
			continue
		}
		if !strings.HasPrefix(text, "@") {
			text = "@" + strings.ToLower(text) + ":" + string(s.Name)
		}
		who, err := s.Identity.Person(r.Context(), matrix.UserID(text))
		if err != nil {
			p.wrong("There is nobody called “"+strings.TrimSpace(line)+"” here.", &p.Who)
			return nil
		}
		out = append(out, who.ID)
	}
	switch {
	case len(out) == 0 && p.Who.Error == "":
		p.wrong("Enter whom you ask.", &p.Who)
	case len(out) > maxAsked:
		p.wrong("Ask at most 50 people at once.", &p.Who)
	}
	return out
}

func localparts(ids []matrix.UserID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.Localpart()
	}
	return out
}

// noon is the middle of a day in a zone.
func noon(d disclosure.Date, zone *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, zone)
}

// requestPage is one request and what came of it.
type requestPage struct {
	frame
	Request requestRow
	New     bool
}

func (s *Server) newRequestPage(r *http.Request) (*requestPage, error) {
	q, subs, err := s.Office.Request(r.Context(), r.PathValue("request"))
	if err != nil {
		return nil, err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	row := s.requestRow(n, q)
	for _, x := range subs {
		row.Handed = append(row.Handed, submissionRow{store.OfficeSubmission{Submission: x}, row.Name})
	}
	return &requestPage{frame: frame{Title: "Request " + q.ID, Back: link{root + "requests", "Requests"}}, Request: row}, nil
}

func (s *Server) request(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newRequestPage(r)
	if err != nil {
		return err
	}
	p.New = r.FormValue("new") != ""
	if !p.New {
		if err := s.Office.Looked(r.Context(), v.User, "request "+p.Request.ID, ""); err != nil {
			return err
		}
	}
	return s.show(w, r, v, "request", p)
}

// againPage moves the day of a request, or asks again after an answer; or, without a day, withdraws it.
type againPage struct {
	frame
	Request  requestRow
	Withdraw bool
	Due      dateField
	Reason   field
}

func (s *Server) newAgainPage(r *http.Request, withdraw bool) (*againPage, error) {
	q, err := s.newRequestPage(r)
	if err != nil {
		return nil, err
	}
	p := &againPage{frame: frame{Title: "Ask again, or change the day", Back: link{q.Request.Path(), q.Title}}, Request: q.Request, Withdraw: withdraw,
		Due:    dateField{Name: "due", Label: "By when?", Hint: "For example, 27 3 2027."},
		Reason: field{Name: "reason", Label: "Why?", Kind: "area", Rows: 3, Hint: "They see it, and it stands on the record."}}
	if withdraw {
		p.Title = "Withdraw request " + q.Request.ID
	}
	return p, nil
}

func (s *Server) againPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newAgainPage(r, false)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "again", p)
}

func (s *Server) withdrawPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newAgainPage(r, true)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "again", p)
}

func (s *Server) again(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newAgainPage(r, false)
	if err != nil {
		return err
	}
	p.Reason.read(r)
	due, ok := p.Due.read(r)
	if !ok || due.IsZero() {
		p.wrongDate("Enter the day by which you want an answer, with day, month and year.", &p.Due)
	}
	p.need(&p.Reason, "Say why.")
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "again", p)
	}
	if err := s.Office.AskAgain(r.Context(), v.User, p.Request.ID, p.Reason.Value, noon(due, s.Office.Zone)); err != nil {
		if err := p.refuse(err, nil); err != nil {
			return err
		}
		return s.show(w, r, v, "again", p)
	}
	return seeOther(w, r, p.Request.Path()+"?new=1")
}

func (s *Server) withdraw(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newAgainPage(r, true)
	if err != nil {
		return err
	}
	p.Reason.read(r)
	if p.need(&p.Reason, "Say why."); len(p.Problems) > 0 {
		return s.show(w, r, v, "again", p)
	}
	if err := s.Office.Withdraw(r.Context(), v.User, p.Request.ID, p.Reason.Value); err != nil {
		if err := p.refuse(err, &p.Reason); err != nil {
			return err
		}
		return s.show(w, r, v, "again", p)
	}
	return seeOther(w, r, p.Request.Path()+"?new=1")
}

// toSettle counts what waits for the records office, for the start page.
type toSettle struct {
	Questions, Overdue, Asked int64
}

func (s *Server) toSettle(r *http.Request) (t toSettle, err error) {
	subs, err1 := store.CountSubmissions(r.Context(), s.DB.Reader())
	reqs, err2 := store.CountCaptureRequests(r.Context(), s.DB.Reader(), s.Now().UnixMilli())
	return toSettle{Questions: subs[string(capture.StatusNeedsAnswer)], Overdue: reqs["overdue"], Asked: reqs[office.Asked]}, errors.Join(err1, err2)
}

// officePage is what the records office did and looked at.
type officePage struct {
	frame
	Tabs  []navItem
	Acts  []act
	Older string
}

func (s *Server) office(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := &officePage{frame: frame{Title: "What the records office did and looked at", Wide: true}}
	if v.Roles().HasAny(records...) {
		p.Tabs = tabs("office")
	}
	before := positionOf(r.FormValue("before"))
	list, err := s.Office.History(r.Context(), v.User, before, actsEach)
	if err != nil {
		return err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	for _, a := range list {
		by := "Despatch"
		if a.By != "despatch" {
			by = n.of(a.By)
		}
		p.Acts = append(p.Acts, act{a.Position, a.Time, by + " " + strings.Replace(a.Words, "%s", n.of(a.Person), 1)})
	}
	if len(list) == actsEach {
		p.Older = root + "office?before=" + url.QueryEscape(decimal(list[len(list)-1].Position))
	}
	return s.show(w, r, v, "office", p)
}
