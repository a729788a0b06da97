package console

import (
	"net/http"

	"despatch/internal/httpd"
)

// setUpPage makes the first IT administrator.
type setUpPage struct {
	frame
	Token    string
	FullName field
	Name     field
	Password field
}

const passwordHint = "At least 12 characters. Three words that do not belong together do well."

func newPassword(label string) field {
	return field{Name: "password", Label: label, Hint: passwordHint, Kind: "password", Auto: "new-password"}
}

func newSetUpPage(token string) *setUpPage {
	return &setUpPage{frame: frame{Title: "Set up Despatch"}, Token: token,
		FullName: field{Name: "full-name", Label: "Your name", Hint: "As colleagues know you.", Kind: "text", Auto: "name"},
		Name: field{Name: "name", Label: "User name", Hint: "Small letters, digits, and . _ = - / +. It cannot be changed later.", Kind: "text",
			Auto: "username", Plain: true, Width: "govuk-input--width-20"},
		Password: newPassword("Password"),
	}
}

func (s *Server) setUpPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newSetUpPage(r.FormValue("token"))
	if err := s.Identity.CheckSetUp(r.Context(), p.Token); err != nil {
		return err
	}
	return s.show(w, r, v, "setup", p)
}

func (s *Server) setUp(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newSetUpPage(r.PostForm.Get("token"))
	if err := s.Identity.CheckSetUp(r.Context(), p.Token); err != nil {
		return err
	}
	fields(r, &p.FullName, &p.Name, &p.Password)
	password := p.Password.Value
	p.Password.Value = ""
	p.need(&p.FullName, "Enter your name.")
	p.need(&p.Name, "Enter a user name.")
	if password == "" {
		p.wrong("Enter a password.", &p.Password)
	}
	if len(p.Problems) == 0 {
		user, err := s.Identity.CompleteSetUp(r.Context(), p.Token, p.Name.Value, p.FullName.Value, password)
		if err == nil {
			return s.show(w, r, v, "passworddone", &passwordDonePage{frame: frame{Title: "Despatch is set up"}, Account: string(user),
				Next: "You are its IT administrator. Sign in to add people and to give them their roles.", Console: true})
		}
		if err := p.refuse(err, aboutField(err, &p.Name, &p.FullName, &p.Password)); err != nil {
			return err
		}
	}
	return s.show(w, r, v, "setup", p)
}

// aboutField says which field a refusal is about: the service answers with different codes.
func aboutField(err error, name, full, password *field) *field {
	x, ok := err.(*httpd.Error)
	switch {
	case !ok:
		return nil
	case x.Code == "M_WEAK_PASSWORD":
		return password
	case x.Code == "M_INVALID_PARAM":
		return full
	}
	return name
}

// choosePasswordPage is behind the link that the IT desk hands over.
type choosePasswordPage struct {
	frame
	Token    string
	For      string
	Password field
}

func (s *Server) choosePasswordPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newChoosePassword(r, r.FormValue("token"))
	if err != nil {
		return err
	}
	return s.show(w, r, v, "choosepassword", p)
}

func (s *Server) newChoosePassword(r *http.Request, token string) (*choosePasswordPage, error) {
	user, err := s.Identity.PasswordLinkFor(r.Context(), token)
	if err != nil {
		return nil, err
	}
	return &choosePasswordPage{frame: frame{Title: "Choose a password"}, Token: token, For: user.Localpart(), Password: newPassword("New password")}, nil
}

func (s *Server) choosePassword(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newChoosePassword(r, r.PostForm.Get("token"))
	if err != nil {
		return err
	}
	password := r.PostForm.Get("password")
	if password == "" {
		p.wrong("Enter a password.", &p.Password)
		return s.show(w, r, v, "choosepassword", p)
	}
	user, err := s.Identity.ChoosePassword(r.Context(), p.Token, password)
	if err != nil {
		if err := p.refuse(err, &p.Password); err != nil {
			return err
		}
		return s.show(w, r, v, "choosepassword", p)
	}
	return s.show(w, r, v, "passworddone", &passwordDonePage{frame: frame{Title: "Password chosen"}, Account: string(user),
		Next: "You were signed out wherever you were signed in. Sign in with your user name and the new password.", Console: true})
}

type passwordDonePage struct {
	frame
	Account string
	Next    string
	Console bool
}

// accountPage is for one's own password.
type accountPage struct {
	frame
	ID       string
	Roles    []string
	SetBy    bool // somebody else set the password
	Changed  bool
	Old      field
	Password field
}

func (s *Server) newAccount(v *visit) *accountPage {
	p := &accountPage{frame: frame{Title: "Your account"}, ID: string(v.Session.User),
		Old:      field{Name: "old", Label: "Password now", Kind: "password", Auto: "current-password"},
		Password: newPassword("New password")}
	for _, r := range v.Roles().List() {
		p.Roles = append(p.Roles, r.Title())
	}
	return p
}

func (s *Server) account(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := s.newAccount(v)
	p.SetBy = r.FormValue("why") == "set-by-another"
	p.Changed = r.FormValue("done") == "changed"
	return s.show(w, r, v, "account", p)
}

func (s *Server) changePassword(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := s.newAccount(v)
	old, password := r.PostForm.Get("old"), r.PostForm.Get("password")
	if old == "" {
		p.wrong("Enter the password that you have now.", &p.Old)
	}
	if password == "" {
		p.wrong("Enter a new password.", &p.Password)
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "account", p)
	}
	about := &p.Old
	err := s.Identity.VerifyPassword(r.Context(), v.Session.User, old, httpd.RemoteAddr(r, s.Proxies))
	if err == nil {
		about = &p.Password
		err = s.Identity.ChangePassword(r.Context(), v.Session, password, false)
	}
	if err != nil {
		if err := p.refuse(err, about); err != nil {
			return err
		}
		return s.show(w, r, v, "account", p)
	}
	return seeOther(w, r, root+"account?done=changed")
}
