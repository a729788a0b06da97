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

	inspectors = []identity.Role{identity.Records, identity.Auditor} // of what the records office did

	records  = []identity.Role{identity.Records} // whether they are officers of the case, the service decides
	approver = []identity.Role{identity.Approver}
	readers  = []identity.Role{identity.Records, identity.Approver}                   // of items
	watchers = []identity.Role{identity.Records, identity.Approver, identity.Auditor} // of cases, without what was said
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

		{"GET /console/cases", watchers, s.cases},
		{"GET /console/cases/open", records, s.openCasePage},
		{"POST /console/cases/open", records, s.openCase},
		{"GET /console/cases/{case}", watchers, s.oneCase},
		{"GET /console/cases/{case}/history", watchers, s.history},
		{"GET /console/cases/{case}/done/{what}", watchers, s.caseDone},
		{"GET /console/cases/{case}/scope", records, s.scopePage},
		{"POST /console/cases/{case}/scope", records, s.scope},
		{"GET /console/cases/{case}/conversations", records, s.conversations},
		{"POST /console/cases/{case}/conversations", records, s.addConversations},
		{"GET /console/cases/{case}/due", records, s.duePage},
		{"POST /console/cases/{case}/due", records, s.due},
		{"GET /console/cases/{case}/officers", readers, s.officersPage},
		{"POST /console/cases/{case}/officers", readers, s.officers},
		{"GET /console/cases/{case}/close", records, s.closePage},
		{"POST /console/cases/{case}/close", records, s.closeCase},

		{"GET /console/cases/{case}/search", records, s.searchCase},
		{"POST /console/cases/{case}/search", records, s.collect},
		{"GET /console/cases/{case}/around/{item}", records, s.around},
		{"GET /console/cases/{case}/items", readers, s.items},
		{"POST /console/cases/{case}/items", records, s.decideItems},
		{"GET /console/cases/{case}/items/{item}", readers, s.item},
		{"POST /console/cases/{case}/items/{item}", records, s.decideItem},

		{"GET /console/cases/{case}/submit", records, s.submitPage},
		{"POST /console/cases/{case}/submit", records, s.submit},
		{"GET /console/cases/{case}/approval", approver, s.approvalPage},
		{"POST /console/cases/{case}/approval", approver, s.approval},
		{"GET /console/cases/{case}/bundles", readers, s.bundles},
		{"POST /console/cases/{case}/bundles", records, s.makeBundle},
		{"GET /console/cases/{case}/bundles/{bundle}", readers, s.download},

		{"GET /console/captures", records, s.captures},
		{"GET /console/captures/add", records, s.uploadPage},
		{uploadRoute, records, s.uploadFile},
		{"GET /console/captures/{submission}", records, s.capture},
		{"GET /console/captures/{submission}/answer", records, s.answerPage},
		{"POST /console/captures/{submission}/answer", records, s.answer},
		{"GET /console/requests", records, s.requests},
		{"GET /console/requests/ask", records, s.askPage},
		{"POST /console/requests/ask", records, s.ask},
		{"GET /console/requests/{request}", records, s.request},
		{"GET /console/requests/{request}/again", records, s.againPage},
		{"POST /console/requests/{request}/again", records, s.again},
		{"GET /console/requests/{request}/withdraw", records, s.withdrawPage},
		{"POST /console/requests/{request}/withdraw", records, s.withdraw},
		{"GET /console/losses", records, s.losses},
		{"GET /console/register", records, s.register},
		{"GET /console/register/{what}", records, s.registerFile},
		{"GET /console/office", inspectors, s.office},
		{"GET /console/spillage", security, s.sealed},
		{"GET /console/spillage/{item}", security, s.sealedItem},
		{"POST /console/spillage/{item}", security, s.decideSealed},
		{"GET /console/chats", records, s.chats},
		{"GET /console/chats/doubts", records, s.doubts},
		{"POST /console/chats/doubts", records, s.say},
		{"POST /console/chats/undo", records, s.undoSaid},
		{"GET /console/chats/{chat}", records, s.chat},
		{"GET /console/chats/{chat}/messages/{item}", records, s.chatMessage},
	}
}

// visit is one request by somebody.
type visit struct {
	*identity.Session // nil if not signed in
	token             string
	name              string  // of the person
	upload            *upload // the file of a form, on the one route that takes any
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
			read := func() error { return readForm(w, r) }
			if rt.pattern == uploadRoute {
				read = func() error { return s.readUpload(w, r, v) }
				defer func() { v.upload.close() }()
			}
			if err := read(); err != nil {
				return err
			}
			if v.Session != nil && rt.who != nil && !identity.CheckCSRF(v.token, r.PostForm.Get("csrf")) {
				return errOldForm()
			}
		}
		return rt.serve(w, r, v)
	}
}

func errOldForm() error {
	return httpd.Forbidden("This form is too old: you have signed in again since it was shown. Go back, reload the page, and try once more. Nothing was changed.")
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
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) error { return errNowhere() }

func errNowhere() error {
	return httpd.NotFound("There is no page at this address. If you typed it, check that it is right; if you pasted it, check that it is whole.")
}
