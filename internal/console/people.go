package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/store"
)

// somebody is a person on a page.
type somebody struct{ identity.Person }

// Path is the address of the person's page.
func (p somebody) Path() string { return personPath(p.ID) }

// Jobs are the person's roles in words.
func (p somebody) Jobs() string {
	var out []string
	for _, r := range p.Roles.List() {
		out = append(out, r.Title())
	}
	return strings.Join(out, ", ")
}

func personPath(id matrix.UserID) string { return root + "people/" + url.PathEscape(string(id)) }

type peoplePage struct {
	frame
	Query  string
	People []somebody
	More   bool   // a search found more than is shown
	Next   string // where the list goes on
	MayAdd bool
}

const peopleEach = 50

func (s *Server) people(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := &peoplePage{frame: frame{Title: "People", Wide: true}, Query: strings.TrimSpace(r.FormValue("q")), MayAdd: v.Roles().Has(identity.IT)}
	var found []identity.Person
	var err error
	if p.Query != "" {
		p.Title = "People called “" + p.Query + "”"
		found, p.More, err = s.Identity.Search(r.Context(), p.Query, peopleEach)
	} else {
		found, err = s.Identity.People(r.Context(), matrix.UserID(r.FormValue("after")), peopleEach+1)
		if len(found) > peopleEach {
			found = found[:peopleEach]
			p.Next = root + "people?" + url.Values{"after": {string(found[peopleEach-1].ID)}}.Encode()
		}
	}
	if err != nil {
		return err
	}
	for _, x := range found {
		p.People = append(p.People, somebody{x})
	}
	return s.show(w, r, v, "people", p)
}

type personPage struct {
	frame
	Person  somebody
	Roles   []roleRow
	Devices []store.Device
	IT      bool
	Self    bool
}

// roleRow is a role and whether the person has it.
type roleRow struct {
	Role  identity.Role
	Has   bool
	About string
}

// about says what a role is for.
func about(r identity.Role) string {
	switch r {
	case identity.Staff:
		return "Uses the messenger."
	case identity.Records:
		return "Opens cases, searches within them and prepares disclosures. Reads other people’s messages, within a case only."
	case identity.Approver:
		return "Is the second person, who approves what a records officer prepared or sends it back."
	case identity.IT:
		return "Looks after people, roles, devices and the record’s health. Never reads messages."
	case identity.Auditor:
		return "Sees what the others did, and checks the record. Never reads messages."
	case identity.Security:
		return "Deals with spillages and lost devices. May sign devices out and disable accounts."
	}
	return ""
}

// who is the person of a request's path.
func (s *Server) who(r *http.Request) (somebody, error) {
	id, err := matrix.ParseUserID(r.PathValue("user"))
	if err != nil {
		return somebody{}, httpd.NotFound("There is nobody called %q here.", r.PathValue("user"))
	}
	p, err := s.Identity.Person(r.Context(), id)
	return somebody{p}, err
}

func (s *Server) person(w http.ResponseWriter, r *http.Request, v *visit) error {
	who, err := s.who(r)
	if err != nil {
		return err
	}
	p := &personPage{frame: frame{Title: who.Name, Back: link{root + "people", "People"}, Wide: true}, Person: who,
		IT: v.Roles().Has(identity.IT), Self: who.ID == v.Session.User}
	for _, role := range identity.AllRoles {
		p.Roles = append(p.Roles, roleRow{role, who.Roles.Has(role), about(role)})
	}
	if p.Devices, err = s.Identity.Devices(r.Context(), who.ID); err != nil {
		return err
	}
	return s.show(w, r, v, "person", p)
}

type addPersonPage struct {
	frame
	FullName field
	Name     field
	Roles    field
}

func newAddPersonPage() *addPersonPage {
	p := &addPersonPage{frame: frame{Title: "Add a person", Back: link{root + "people", "People"}},
		FullName: field{Name: "full-name", Label: "Name", Hint: "As colleagues know them.", Kind: "text", Auto: "off"},
		Name: field{Name: "name", Label: "User name", Hint: "Small letters, digits, and . _ = - / +. It cannot be changed later.", Kind: "text",
			Auto: "off", Plain: true, Width: "govuk-input--width-20"},
		Roles: field{Name: "roles", Label: "What will they do here?", Hint: "Choose all that apply.", Kind: "checkboxes"},
	}
	for _, r := range identity.AllRoles {
		p.Roles.Answer = append(p.Roles.Answer, answer{Value: string(r), Text: capital(r.Title()), Hint: about(r), Chosen: r == identity.Staff})
	}
	return p
}

func (s *Server) addPersonPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.show(w, r, v, "addperson", newAddPersonPage())
}

// addPerson makes an account and a link with which its owner chooses a password.
func (s *Server) addPerson(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newAddPersonPage()
	fields(r, &p.FullName, &p.Name)
	var roles []identity.Role
	for i := range p.Roles.Answer {
		a := &p.Roles.Answer[i]
		if a.Chosen = contains(r.PostForm["roles"], a.Value); a.Chosen {
			roles = append(roles, identity.Role(a.Value))
		}
	}
	p.need(&p.FullName, "Enter the person’s name.")
	p.need(&p.Name, "Enter a user name.")
	if len(roles) == 0 {
		p.wrong("Choose what they will do here.", &p.Roles)
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "addperson", p)
	}
	user, err := s.Identity.Create(r.Context(), v.by(), identity.NewPerson{Localpart: p.Name.Value, Name: p.FullName.Value, Roles: roles})
	if err != nil {
		about := aboutField(err, &p.Name, &p.FullName, nil)
		if x, ok := err.(*httpd.Error); ok && x.Code == "M_FORBIDDEN" {
			about = &p.Roles
		}
		if err := p.refuse(err, about); err != nil {
			return err
		}
		return s.show(w, r, v, "addperson", p)
	}
	return s.showLink(w, r, v, user, "Person added")
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// capital begins a text with a capital.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// linkPage holds a link to hand over. It is shown once: the link is not stored anywhere.
type linkPage struct {
	frame
	Person somebody
	Link   string
}

func (s *Server) showLink(w http.ResponseWriter, r *http.Request, v *visit, user matrix.UserID, title string) error {
	token, err := s.Identity.PasswordLink(r.Context(), v.by(), user)
	if err != nil {
		return err
	}
	who, err := s.Identity.Person(r.Context(), user)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "link", &linkPage{frame: frame{Title: title}, Person: somebody{who},
		Link: s.base(r) + root + "password?" + url.Values{"token": {token}}.Encode()})
}

// base is how a link to this server begins.
func (s *Server) base(r *http.Request) string {
	if s.BaseURL != "" {
		return strings.TrimSuffix(s.BaseURL, "/")
	}
	if s.HTTPS {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// confirmPage asks before something is done to a person's account.
type confirmPage struct {
	frame
	Person  somebody
	Text    []string
	Button  string
	Warning bool
}

func (s *Server) confirm(w http.ResponseWriter, r *http.Request, v *visit, who somebody, title, button string, warning bool, text ...string) *confirmPage {
	return &confirmPage{frame: frame{Title: title, Back: link{who.Path(), who.Name}}, Person: who, Text: text, Button: button, Warning: warning}
}

func (s *Server) passwordLinkPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	who, err := s.who(r)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "confirm", s.confirm(w, r, v, who, "Make a password link for "+who.Name, "Make the link", false,
		"They choose a new password with it. You will not know it.",
		"The link is good for three days and for one use. One made earlier stops working. Until this one is used, the old password stays good."))
}

func (s *Server) passwordLink(w http.ResponseWriter, r *http.Request, v *visit) error {
	who, err := s.who(r)
	if err != nil {
		return err
	}
	return s.showLink(w, r, v, who.ID, "Link made")
}

func (s *Server) newRolePage(w http.ResponseWriter, r *http.Request, v *visit) (*confirmPage, somebody, identity.Role, error) {
	who, err := s.who(r)
	if err != nil {
		return nil, who, "", err
	}
	role, err := identity.ParseRole(r.PathValue("role"))
	if err != nil {
		return nil, who, "", httpd.NotFound("There is no such role.")
	}
	if who.Roles.Has(role) {
		return s.confirm(w, r, v, who, "Take a role from "+who.Name, "Take the role away", true,
			who.Name+" would no longer be "+an(role.Title())+".", about(role), "It takes effect at once, also where they are signed in, and goes on the record."), who, role, nil
	}
	return s.confirm(w, r, v, who, "Give a role to "+who.Name, "Give the role", false,
		who.Name+" would become "+an(role.Title())+".", about(role), "It takes effect at once, and goes on the record with your name."), who, role, nil
}

// an puts the article before a word.
func an(s string) string {
	if strings.ContainsAny(s[:1], "aeiouI") {
		return "an " + s
	}
	return "a " + s
}

func (s *Server) rolePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, _, _, err := s.newRolePage(w, r, v)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "confirm", p)
}

// role gives a role or takes it away, whichever the page had asked; the form says which, in case somebody
// else was faster.
func (s *Server) role(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, who, role, err := s.newRolePage(w, r, v)
	if err != nil {
		return err
	}
	do, what := s.Identity.Grant, "granted"
	if r.PostForm.Get("button") == "Take the role away" {
		do, what = s.Identity.Revoke, "removed"
	}
	return s.change(w, r, v, p, who, what, record.KindRole, func(ctx context.Context) error { return do(ctx, v.by(), who.ID, role) })
}

func (s *Server) newDisablePage(w http.ResponseWriter, r *http.Request, v *visit) (*confirmPage, somebody, error) {
	who, err := s.who(r)
	if err != nil {
		return nil, who, err
	}
	return s.confirm(w, r, v, who, "Disable the account of "+who.Name, "Disable the account", true,
		"They are signed out everywhere at once, and cannot sign in again until the account is enabled.",
		"Everything they said stays on the record."), who, nil
}

func (s *Server) disablePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, _, err := s.newDisablePage(w, r, v)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "confirm", p)
}

func (s *Server) disable(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, who, err := s.newDisablePage(w, r, v)
	if err != nil {
		return err
	}
	return s.change(w, r, v, p, who, "disabled", record.KindPerson, func(ctx context.Context) error { return s.Identity.Disable(ctx, v.by(), who.ID) })
}

func (s *Server) newEnablePage(w http.ResponseWriter, r *http.Request, v *visit) (*confirmPage, somebody, error) {
	who, err := s.who(r)
	if err != nil {
		return nil, who, err
	}
	return s.confirm(w, r, v, who, "Enable the account of "+who.Name, "Enable the account", false,
		"They can sign in again, with the password and the roles they had."), who, nil
}

func (s *Server) enablePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, _, err := s.newEnablePage(w, r, v)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "confirm", p)
}

func (s *Server) enable(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, who, err := s.newEnablePage(w, r, v)
	if err != nil {
		return err
	}
	return s.change(w, r, v, p, who, "enabled", record.KindPerson, func(ctx context.Context) error { return s.Identity.Enable(ctx, v.by(), who.ID) })
}

// change does something to a person's account: on success it goes on to the confirmation page, with the
// number of the entry as reference; if refused, it shows the page again with the reason.
func (s *Server) change(w http.ResponseWriter, r *http.Request, v *visit, p framed, who somebody, what string, kind record.Kind, do func(context.Context) error) error {
	before := s.Rec.Head().Edge.Size
	if err := do(r.Context()); err != nil {
		if err := p.common().refuse(err, nil); err != nil {
			return err
		}
		name := "confirm"
		if _, ok := p.(*lostPage); ok {
			name = "lost"
		}
		return s.show(w, r, v, name, p)
	}
	pos, err := s.orgEntry(r.Context(), before, kind, string(who.ID), string(v.Session.User))
	if err != nil {
		return err
	}
	number := "none"
	if pos >= 0 {
		number = strconv.FormatInt(pos, 10)
	}
	return seeOther(w, r, who.Path()+"/done/"+what+"/"+number)
}

// orgEntry returns the position of the last entry about a person that somebody made since the record had
// a size, or -1 if there is none because nothing had to change.
func (s *Server) orgEntry(ctx context.Context, since int64, kind record.Kind, person, by string) (int64, error) {
	scope, err := store.ScopeByName(ctx, s.DB.Reader(), identity.Scope)
	if err != nil {
		return -1, err
	}
	found := int64(-1)
	err = store.ScopeEntries(ctx, s.DB.Reader(), scope.ID, since, s.Rec.Head().Edge.Size, 1000, func(e *store.Entry) error {
		var c orgBody
		if e.Kind == kind && json.Unmarshal(e.Body, &c) == nil && c.Person == person && c.By == by {
			found = e.Pos
		}
		return nil
	})
	return found, err
}

// orgBody is what is read of an entry about people.
type orgBody struct {
	Type     string        `json:"type"`
	Person   string        `json:"person"`
	By       string        `json:"by"`
	Name     string        `json:"name"`
	Role     identity.Role `json:"role"`
	Device   string        `json:"device"`
	Sessions int           `json:"sessions"`
	Devices  []string      `json:"devices"`
}

// personDonePage confirms that something was done.
type personDonePage struct {
	frame
	Person somebody
	Number string // of the entry; "" if nothing had to change
	Next   []string
}

func (s *Server) personDone(w http.ResponseWriter, r *http.Request, v *visit) error {
	who, err := s.who(r)
	if err != nil {
		return err
	}
	p := &personDonePage{Person: who}
	if n, err := strconv.ParseInt(r.PathValue("number"), 10, 64); err == nil && n >= 0 {
		p.Number = number(n)
	}
	switch r.PathValue("what") {
	case "granted":
		p.Title = "Role given"
		p.Next = []string{"Tell " + who.Name + ". If they are signed in, the new pages are there when they next open one."}
	case "removed":
		p.Title = "Role taken away"
		p.Next = []string{"It has taken effect, also where they are signed in."}
	case "disabled":
		p.Title = "Account disabled"
		p.Next = []string{who.Name + " is signed out everywhere and cannot sign in.", "What they said stays on the record."}
	case "enabled":
		p.Title = "Account enabled"
		p.Next = []string{who.Name + " can sign in again. If they have forgotten the password, make a password link."}
	case "signed-out":
		p.Title = "Signed out"
		p.Next = []string{"What was signed out can show nothing more from Despatch: the messenger keeps nothing of what was said on the device.",
			"If the device may be in somebody else’s hands, tell your security officer.",
			"If the person’s password may be known to somebody else, make a password link for them."}
	default:
		return httpd.NotFound("There is no page at this address.")
	}
	return s.show(w, r, v, "persondone", p)
}

// userID is a user ID that a form carries; the service says whether there is such a person.
func userID(s string) matrix.UserID { return matrix.UserID(s) }
