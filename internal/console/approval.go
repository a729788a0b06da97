package console

import (
	"net/http"

	"despatch/internal/disclosure"
	"despatch/internal/identity"
)

// submitPage is the summary before a case goes to the second person.
type submitPage struct {
	caseFrame
	Scope scopeView
	Ready bool
}

func (s *Server) newSubmitPage(r *http.Request, v *visit) (*submitPage, error) {
	f, err := s.within(r, v, "Check your answers before sending the case for approval")
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	p := &submitPage{caseFrame: f}
	if err == nil {
		p.Scope = newScopeView(n, f.Case.Bounds)
		p.Ready = f.Case.Totals.Items > 0 && f.Case.Totals.Undecided == 0
	}
	return p, err
}

func (s *Server) submitPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newSubmitPage(r, v)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "submit", p)
}

func (s *Server) submit(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newSubmitPage(r, v)
	if err != nil {
		return err
	}
	if err := s.Cases.Submit(r.Context(), v.Session.User, p.Case.ID); err != nil {
		if err := p.refuse(err, nil); err != nil {
			return err
		}
		return s.show(w, r, v, "submit", p)
	}
	return seeOther(w, r, p.Case.Path()+"/done/submitted")
}

// approvalPage asks the second person. The digest in the form is that of the decisions when the page was
// made: an approval of anything else is refused.
type approvalPage struct {
	caseFrame
	Digest string
	Scope  scopeView
	By     string // who sent it
	Answer field
	Note   field
}

func (s *Server) newApprovalPage(r *http.Request, v *visit) (*approvalPage, error) {
	f, err := s.within(r, v, "Approve this disclosure or send it back")
	if err != nil {
		return nil, err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	return &approvalPage{caseFrame: f, By: n.of(string(f.Case.SubmittedBy)), Scope: newScopeView(n, f.Case.Bounds),
		Answer: field{Name: "answer", Label: "What is your answer?", Kind: "radios", Answer: []answer{
			{Value: "approve", Text: "Approve", Hint: "The bundle can then be made from exactly these decisions."},
			{Value: "back", Text: "Send back", Hint: "The officers change what you write below, and send it again."}}},
		Note: field{Name: "note", Label: "Note", Hint: "Needed to send it back. It goes on the record and is not disclosed.", Kind: "area", Rows: 4}}, nil
}

func (s *Server) approvalPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newApprovalPage(r, v)
	if err != nil {
		return err
	}
	if p.Case.Status != disclosure.Waiting {
		return seeOther(w, r, p.Case.Path())
	}
	if p.Digest, err = s.Cases.Digest(r.Context(), v.Session.User, p.Case.ID); err != nil {
		return err
	}
	return s.show(w, r, v, "approval", p)
}

func (s *Server) approval(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newApprovalPage(r, v)
	if err != nil {
		return err
	}
	fields(r, &p.Answer, &p.Note)
	p.Digest = r.PostForm.Get("digest")
	switch {
	case !p.Answer.chosen():
		p.wrong("Choose whether to approve or to send back.", &p.Answer)
	case p.Answer.Value == "back" && p.Note.Value == "":
		p.wrong("Write what is to be changed.", &p.Note)
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "approval", p)
	}
	done := "approved"
	if p.Answer.Value == "back" {
		done = "sent-back"
		err = s.Cases.SendBack(r.Context(), v.Session.User, p.Case.ID, p.Note.Value)
	} else {
		err = s.Cases.Approve(r.Context(), v.Session.User, p.Case.ID, p.Digest, p.Note.Value)
	}
	if err != nil {
		if err := p.refuse(err, &p.Answer); err != nil {
			return err
		}
		return s.show(w, r, v, "approval", p)
	}
	return seeOther(w, r, p.Case.Path()+"/done/"+done)
}

// closePage closes a case.
type closePage struct {
	caseFrame
	Outcome field
}

func (s *Server) newClosePage(r *http.Request, v *visit) (*closePage, error) {
	f, err := s.within(r, v, "Close the case")
	return &closePage{f, field{Name: "outcome", Label: "How did it end?", Hint: "For example: disclosed in part on 4 March; withdrawn by the requester.", Kind: "area", Rows: 3}}, err
}

func (s *Server) closePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newClosePage(r, v)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "close", p)
}

func (s *Server) closeCase(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newClosePage(r, v)
	if err != nil {
		return err
	}
	p.Outcome.read(r)
	p.need(&p.Outcome, "Write how it ended.")
	if len(p.Problems) == 0 {
		if err := p.refuse(s.Cases.Close(r.Context(), v.Session.User, p.Case.ID, p.Outcome.Value), &p.Outcome); err != nil {
			return err
		}
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "close", p)
	}
	return seeOther(w, r, p.Case.Path()+"/done/closed")
}

// duePage changes when a case is due.
type duePage struct {
	caseFrame
	Due    dateField
	Reason field
}

func (s *Server) newDuePage(r *http.Request, v *visit) (*duePage, error) {
	f, err := s.within(r, v, "Change when the case is due")
	return &duePage{f, dateField{Name: "due", Label: "When is it due now?", Hint: "For example, 27 3 2026."},
		field{Name: "reason", Label: "Why?", Hint: "For example: extended for the public interest test, s.10(3); the requester was asked for clarification.", Kind: "area", Rows: 3}}, err
}

func (s *Server) duePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newDuePage(r, v)
	if err != nil {
		return err
	}
	p.Due.set(p.Case.Due)
	return s.show(w, r, v, "due", p)
}

func (s *Server) due(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newDuePage(r, v)
	if err != nil {
		return err
	}
	due, ok := p.Due.read(r)
	p.Reason.read(r)
	if !ok || p.Due.empty() {
		p.wrongDate("Enter the day it is due, with day, month and year.", &p.Due)
	}
	p.need(&p.Reason, "Write why.")
	if len(p.Problems) == 0 {
		if err := p.refuse(s.Cases.SetDue(r.Context(), v.Session.User, p.Case.ID, due, p.Reason.Value), nil); err != nil {
			return err
		}
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "due", p)
	}
	return seeOther(w, r, p.Case.Path())
}

// officersPage says who works on a case.
type officersPage struct {
	caseFrame
	Officers []somebody
	May      bool
	New      field
}

func (s *Server) newOfficersPage(r *http.Request, v *visit) (*officersPage, error) {
	f, err := s.within(r, v, "Officers of the case")
	if err != nil {
		return nil, err
	}
	p := &officersPage{caseFrame: f, May: f.Case.mine(v.Session.User) || v.Roles().Has(identity.Approver),
		New: field{Name: "officer", Label: "Who else is to work on it?", Kind: "select", Answer: []answer{{Text: "Choose"}}}}
	for _, id := range f.Case.Officers {
		who, err := s.Identity.Person(r.Context(), id)
		if err != nil {
			return nil, err
		}
		p.Officers = append(p.Officers, somebody{who})
	}
	ids, err := s.Identity.InRole(r.Context(), identity.Records)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if who, err := s.Identity.Person(r.Context(), id); err == nil && !f.Case.mine(id) {
			p.New.Answer = append(p.New.Answer, answer{Value: string(id), Text: who.Name})
		}
	}
	return p, nil
}

func (s *Server) officersPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newOfficersPage(r, v)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "officers", p)
}

func (s *Server) officers(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newOfficersPage(r, v)
	if err != nil {
		return err
	}
	id := p.Case.ID
	if off := r.PostForm.Get("remove"); off != "" {
		err = s.Cases.Unassign(r.Context(), v.Session.User, id, userID(off))
	} else {
		p.New.read(r)
		if p.New.Value == "" {
			p.wrong("Choose who else is to work on it.", &p.New)
			return s.show(w, r, v, "officers", p)
		}
		err = s.Cases.Assign(r.Context(), v.Session.User, id, userID(p.New.Value))
	}
	if err != nil {
		if err := p.refuse(err, &p.New); err != nil {
			return err
		}
		return s.show(w, r, v, "officers", p)
	}
	return seeOther(w, r, p.Case.Path()+"/officers")
}
