package console

import (
	"net/http"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/identity"
)

// route is one page or one action, and who may reach it.
type route struct {
	pattern string
	who     []identity.Role // one of these; open and everybody are described below
	serve   handler
}

type handler func(w http.ResponseWriter, r *http.Request, v *visit) error

// Who may reach a route.
var (
	open      []identity.Role // anybody, signed in or not
	everybody = []identity.Role{identity.Records, identity.Approver, identity.IT, identity.Auditor, identity.Security}
	itDesk    = []identity.Role{identity.IT}
	devices   = []identity.Role{identity.IT, identity.Security} // lost telephones are the business of both
	health    = []identity.Role{identity.IT, identity.Auditor}
	auditor   = []identity.Role{identity.Auditor}
)

// routes is the table of all pages. A test walks it with every role.
func (s *Server) routes() []route {
	return []route{
		{"GET /console/{$}", everybody, s.home},

		{"GET /console/sign-in", open, s.signInPage},
		{"POST /console/sign-in", open, s.signIn},
		{"POST /console/sign-out", everybody, s.signOut},
		{"GET /console/signed-out", open, s.signedOut},
		{"GET /console/setup", open, s.setUpPage},
		{"POST /console/setup", open, s.setUp},
		{"GET /console/password", open, s.choosePasswordPage},
		{"POST /console/password", open, s.choosePassword},
		{"GET /console/account", everybody, s.account},
		{"POST /console/account", everybody, s.changePassword},

		{"GET /console/people", devices, s.people},
		{"GET /console/people/add", itDesk, s.addPersonPage},
		{"POST /console/people/add", itDesk, s.addPerson},
		{"GET /console/people/{user}", devices, s.person},
		{"GET /console/people/{user}/link", itDesk, s.passwordLinkPage},
		{"POST /console/people/{user}/link", itDesk, s.passwordLink},
		{"GET /console/people/{user}/roles/{role}", itDesk, s.rolePage},
		{"POST /console/people/{user}/roles/{role}", itDesk, s.role},
		{"GET /console/people/{user}/disable", devices, s.disablePage},
		{"POST /console/people/{user}/disable", devices, s.disable},
		{"GET /console/people/{user}/enable", itDesk, s.enablePage},
		{"POST /console/people/{user}/enable", itDesk, s.enable},
		{"GET /console/people/{user}/lost", devices, s.lostPage},
		{"POST /console/people/{user}/lost", devices, s.lost},
		{"GET /console/people/{user}/done/{what}/{number}", devices, s.personDone},

		{"GET /console/health", health, s.health},
		{"POST /console/health/check", health, s.check},
		{"GET /console/health/check", health, s.checkProgress},

		{"GET /console/audit", auditor, s.audit},
	}
}

// visit is one request by somebody.
type visit struct {
	*identity.Session // nil if not signed in
	token             string
	name              string // of the person
}

func (v *visit) roles() identity.Roles {
	if v.Session == nil {
		return 0
	}
	return v.Roles()
}

func (v *visit) by() identity.Actor { return identity.By(v.User) }

const (
	maxForm     = 256 << 10
	formTimeout = 30 * time.Second
)

// guard lets those through to a route who may reach it, and forms that belong to the session.
func (s *Server) guard(rt route) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := s.visit(r)
		if rt.who != nil {
			if err != nil || v.Session == nil {
				return s.mustSignIn(w, r, err)
			}
			if !v.Roles().HasAny(rt.who...) {
				return notYours(rt.who, v.Roles())
			}
		} else if err != nil {
			v = &visit{} // an old cookie keeps nobody from signing in
		}
		if r.Method == http.MethodPost {
			if err := readForm(w, r); err != nil {
				return err
			}
			if v.Session != nil && rt.who != nil && !identity.CheckCSRF(v.token, r.PostForm.Get("csrf")) {
				return httpd.Forbidden("This form is too old: you have signed in again since it was shown. Go back, reload the page, and try once more. Nothing was changed.")
			}
		}
		return rt.serve(w, r, v)
	}
}

// visit says who makes a request. The error is why a cookie is not good, or that it could not be read.
func (s *Server) visit(r *http.Request) (*visit, error) {
	v := &visit{token: identity.CookieToken(r, s.HTTPS)}
	if v.token == "" {
		return v, nil
	}
	x, err := s.Identity.AuthenticateConsole(r.Context(), v.token)
	if err != nil {
		return nil, err
	}
	p, err := s.Identity.Person(r.Context(), x.User)
	if err != nil {
		return nil, err
	}
	v.Session, v.name = x, p.Name
	return v, nil
}

// readForm reads a form that is bounded in size and time.
func readForm(w http.ResponseWriter, r *http.Request) error {
	conn := http.NewResponseController(w)
	conn.SetReadDeadline(time.Now().Add(formTimeout))
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return httpd.Errorf(http.StatusBadRequest, "M_UNKNOWN", "The form did not arrive whole. Go back and try again.")
	}
	conn.SetReadDeadline(time.Time{})
	return nil
}

// nowhere answers for every address that no route has.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) error {
	return httpd.NotFound("There is no page at this address. If you typed it, check that it is right; if you pasted it, check that it is whole.")
}
