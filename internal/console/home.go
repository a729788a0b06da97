package console

import (
	"net/http"

	"despatch/internal/identity"
)

// homePage is what waits for somebody, by what they do here.
type homePage struct {
	frame
	IT, Security, Auditor, Records, Approver bool
	Size                                     int64
	Check                                    *checkView
}

func (s *Server) home(w http.ResponseWriter, r *http.Request, v *visit) error {
	rs := v.Roles()
	p := &homePage{frame: frame{Title: "What would you like to do?"}, IT: rs.Has(identity.IT), Security: rs.Has(identity.Security),
		Auditor: rs.Has(identity.Auditor), Records: rs.Has(identity.Records), Approver: rs.Has(identity.Approver),
		Size: s.Rec.Head().Edge.Size}
	p.Check = s.checks.view(s.Now(), p.Size)
	return s.show(w, r, v, "home", p)
}
