package console

import (
	"net/http"

	"despatch/internal/disclosure"
	"despatch/internal/identity"
	"despatch/internal/store"
)

// homePage is what waits for somebody, by what they do here.
type homePage struct {
	frame
	IT, Security, Auditor, Records, Approver bool
	Size                                     int64
	Cases                                    []caseChoice // lists of cases, for a records officer
	Waiting                                  int          // cases that wait for an approver
	Sealed                                   int          // messages that wait for the security officer
	ToSettle                                 toSettle     // what waits for the records office
}

func (s *Server) home(w http.ResponseWriter, r *http.Request, v *visit) error {
	rs := v.Roles()
	p := &homePage{frame: frame{Title: "What would you like to do?"}, IT: rs.Has(identity.IT), Security: rs.Has(identity.Security),
		Auditor: rs.Has(identity.Auditor), Records: rs.Has(identity.Records), Approver: rs.Has(identity.Approver),
		Size: s.Rec.Head().Edge.Size}
	if p.Security {
		n, err := store.CountSealed(r.Context(), s.DB.Reader(), store.Sealed)
		if err != nil {
			return err
		}
		p.Sealed = int(n)
	}
	if p.Records || p.Approver {
		all, err := s.Cases.Cases(r.Context(), v.Session.User, disclosure.Filter{})
		if err != nil {
			return err
		}
		p.Cases = s.choices(all, "", v)
		if p.ToSettle, err = s.toSettle(r); err != nil {
			return err
		}
		for _, c := range all {
			if c.Status == disclosure.Waiting {
				p.Waiting++
			}
		}
	}
	return s.show(w, r, v, "home", p)
}

// choices are the lists of cases that somebody may want, with how many there are in each.
func (s *Server) choices(all []*disclosure.Case, current string, v *visit) []caseChoice {
	var out []caseChoice
	for _, l := range caseLists {
		if l.show == "mine" && !v.Roles().Has(identity.Records) {
			continue
		}
		choice := caseChoice{l.show, l.text, 0, l.show == current}
		for _, c := range all {
			if s.viewed(c).in(l.show, v.Session.User) {
				choice.Count++
			}
		}
		out = append(out, choice)
	}
	return out
}
