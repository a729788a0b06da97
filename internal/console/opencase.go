package console

import (
	"net/http"
	"strconv"

	"despatch/internal/disclosure"
)

// openCasePage asks one thing at a time about a new case. What was answered before travels along in the
// form, so that nothing half-made lies on the server.
type openCasePage struct {
	frame
	Step      int
	Kind      field
	Reference field
	Line      field // the title of the case
	Request   field
	Received  dateField
	Due       dateField
	Authority string // in the summary
	Days      [2]string
}

// The steps, in their order.
const (
	stepKind = iota
	stepReference
	stepTitle
	stepRequest
	stepReceived
	stepDue // only for kinds whose term no law lays down
	stepCheck
)

var kinds = []disclosure.Kind{disclosure.FOI, disclosure.EIR, disclosure.SAR, disclosure.Inquiry, disclosure.Litigation, disclosure.Audit}

// byLaw reports whether a law says when a case is due.
func byLaw(k string) bool {
	return k == string(disclosure.FOI) || k == string(disclosure.EIR) || k == string(disclosure.SAR)
}

func newOpenCasePage() *openCasePage {
	p := &openCasePage{
		Kind:      field{Name: "kind", Label: "What kind of case is it?", Hint: "It says by what right messages are read.", Kind: "radios", Large: true},
		Reference: field{Name: "reference", Label: "What is its reference?", Hint: "The department’s own. Leave it empty, and one is made up.", Kind: "text", Plain: true, Width: "govuk-input--width-20", Large: true},
		Line:      field{Name: "title", Label: "What is asked for, in a line?", Hint: "It stands at the top of every page of the case, and in the bundle.", Kind: "text", Large: true},
		Request:   field{Name: "request", Label: "What does the requester say, in their own words?", Hint: "Copy it from the letter or e-mail.", Kind: "area", Rows: 8, Large: true},
		Received:  dateField{Name: "received", Label: "When was it received?", Hint: "The day on which it reached the department, also if that was no working day. For example, 27 3 2026.", Large: true},
		Due:       dateField{Name: "due", Label: "When is it due?", Hint: "The day that the notice or the court names. Leave it empty if there is none.", Large: true},
	}
	for _, k := range kinds {
		p.Kind.Answer = append(p.Kind.Answer, answer{Value: string(k), Text: authority(k)})
	}
	return p
}

func (s *Server) openCasePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.showStep(w, r, v, newOpenCasePage())
}

var stepTitles = []string{"What kind of case is it?", "What is its reference?", "What is asked for, in a line?",
	"What does the requester say, in their own words?", "When was it received?", "When is it due?", "Check your answers"}

func (s *Server) showStep(w http.ResponseWriter, r *http.Request, v *visit, p *openCasePage) error {
	p.Title = stepTitles[p.Step]
	p.Back = link{root + "cases", "Cases"}
	return s.show(w, r, v, "opencase", p)
}

// openCase takes the answer to one step and goes on to the next, or opens the case.
func (s *Server) openCase(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newOpenCasePage()
	fields(r, &p.Kind, &p.Reference, &p.Line, &p.Request)
	received, okReceived := p.Received.read(r)
	due, okDue := p.Due.read(r)
	p.Step, _ = strconv.Atoi(r.PostForm.Get("step")) // what is no number is the first step
	p.Step = min(max(p.Step, stepKind), stepCheck)
	if to, err := strconv.Atoi(r.PostForm.Get("change")); err == nil && to >= stepKind && to < stepCheck {
		p.Step = to
		return s.showStep(w, r, v, p)
	}
	for step := stepKind; step <= p.Step; step++ { // all before too: they come from the browser
		switch {
		case step == stepKind && !p.Kind.chosen():
			p.wrong("Choose what kind of case it is.", &p.Kind)
		case step == stepTitle && p.Line.Value == "":
			p.wrong("Enter what is asked for, in a line.", &p.Line)
		case step == stepReceived && (p.Received.empty() || !okReceived):
			p.wrongDate("Enter the day it was received, with day, month and year.", &p.Received)
		case step == stepReceived && s.today().Before(received):
			p.wrongDate("The day it was received must be today or before.", &p.Received)
		case step == stepDue && !okDue:
			p.wrongDate("Enter the day it is due, with day, month and year, or leave it empty.", &p.Due)
		}
		if len(p.Problems) > 0 {
			p.Step = step
			return s.showStep(w, r, v, p)
		}
	}
	if p.Step < stepCheck {
		p.Step++
		if r.PostForm.Get("checked") != "" {
			p.Step = stepCheck
		}
		if p.Step == stepDue && byLaw(p.Kind.Value) {
			p.Step++
		}
		return s.showStep(w, r, v, p.summed(received, due))
	}
	if byLaw(p.Kind.Value) {
		due = disclosure.Date{}
	}
	c, err := s.Cases.Open(r.Context(), v.Session.User, disclosure.Opening{Kind: disclosure.Kind(p.Kind.Value), Reference: p.Reference.Value,
		Title: p.Line.Value, Request: p.Request.Value, Received: received, Due: due})
	if err != nil {
		if err := p.refuse(err, nil); err != nil {
			return err
		}
		return s.showStep(w, r, v, p.summed(received, due))
	}
	return seeOther(w, r, s.viewed(c).Path()+"/done/opened")
}

// summed fills in what the summary shows.
func (p *openCasePage) summed(received, due disclosure.Date) *openCasePage {
	p.Authority = authority(disclosure.Kind(p.Kind.Value))
	p.Days = [2]string{dayWords(received), dayWords(due)}
	return p
}

// ByLaw reports whether a law says when the case is due.
func (p *openCasePage) ByLaw() bool { return byLaw(p.Kind.Value) }
