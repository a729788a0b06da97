package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"despatch/internal/httpd"
	"despatch/internal/identity"
)

type signInPage struct {
	frame
	Why      string // they have to sign in, if they did not choose to
	Name     field
	Password field
	Next     string
}

func newSignInPage(next string) *signInPage {
	return &signInPage{frame: frame{Title: "Sign in"}, Next: next,
		Name:     field{Name: "name", Label: "User name", Kind: "text", Auto: "username", Plain: true, Width: "govuk-input--width-20"},
		Password: field{Name: "password", Label: "Password", Kind: "password", Auto: "current-password"},
	}
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	if v.Session != nil {
		return seeOther(w, r, within(r.FormValue("next")))
	}
	p := newSignInPage(within(r.FormValue("next")))
	if r.FormValue("why") == "idle" {
		p.Why = "You were signed out because nothing was done for 30 minutes, or because 12 hours had passed."
	}
	return s.show(w, r, v, "signin", p)
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newSignInPage(within(r.PostForm.Get("next")))
	fields(r, &p.Name, &p.Password)
	password := p.Password.Value
	p.Password.Value = ""
	p.need(&p.Name, "Enter your user name.")
	if password == "" {
		p.wrong("Enter your password.", &p.Password)
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "signin", p)
	}
	in, err := s.Identity.SignIn(r.Context(), identity.SignIn{User: p.Name.Value, Password: password,
		From: httpd.RemoteAddr(r, s.Proxies), Console: true})
	if err != nil {
		if err := p.refuse(err, &p.Name); err != nil {
			return err
		}
		return s.show(w, r, v, "signin", p)
	}
	http.SetCookie(w, identity.Cookie(in.Token, s.HTTPS))
	if in.PasswordBy != "" {
		return seeOther(w, r, root+"account?why=set-by-another")
	}
	return seeOther(w, r, p.Next)
}

// within returns an address if it is a page of the console, else the first page.
func within(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(next, root) || strings.ContainsAny(next, "\\\r\n\t") ||
		strings.Contains(u.Path, "..") || strings.HasPrefix(next, root+"sign") {
		return root
	}
	return next
}

// mustSignIn sends somebody to the sign-in page, and from there back. What a form held is lost.
func (s *Server) mustSignIn(w http.ResponseWriter, r *http.Request, why error) error {
	e, ok := errors.AsType[*httpd.Error](why)
	if why != nil && !ok {
		return why // the database, not the visitor
	}
	if r.Method != http.MethodGet {
		return httpd.Errorf(http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "You are not signed in any more, and what you entered was not taken. Sign in, and enter it again.")
	}
	q := url.Values{"next": {r.URL.RequestURI()}}
	if e != nil && e.Fields["soft_logout"] == true {
		q.Set("why", "idle")
	}
	return seeOther(w, r, root+"sign-in?"+q.Encode())
}

// notYours says why somebody may not see a page.
func notYours(who []identity.Role, have identity.Roles) error {
	var names []string
	for _, role := range who {
		names = append(names, plural(role))
	}
	var mine []string
	for _, role := range have.List() {
		mine = append(mine, role.Title())
	}
	you := "You have no role here any more."
	if len(mine) > 0 {
		you = "You are signed in as " + strings.Join(mine, " and ") + "."
	}
	return httpd.Forbidden("This page is for %s. %s If you need it for your work, ask the IT desk.", strings.Join(names, " and "), you)
}

func plural(r identity.Role) string {
	if r == identity.Staff {
		return "members of staff"
	}
	return r.Title() + "s"
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.Identity.SignOut(r.Context(), v.Session); err != nil {
		return err
	}
	http.SetCookie(w, identity.Cookie("", s.HTTPS))
	return seeOther(w, r, root+"signed-out")
}

type signedOutPage struct{ frame }

func (s *Server) signedOut(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.show(w, r, v, "signedout", &signedOutPage{frame{Title: "You are signed out"}})
}
