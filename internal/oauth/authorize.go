package oauth

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// asked is what a program wants.
type asked struct {
	Client    string `json:"client"`
	Redirect  string `json:"redirect,omitempty"`
	Scope     string `json:"scope"`
	Device    string `json:"device"`
	State     string `json:"state,omitempty"`
	Challenge string `json:"challenge,omitempty"`
	Mode      string `json:"mode,omitempty"`

	// Of a sign-in by way of the organisation's provider.
	Nonce    string `json:"nonce,omitempty"`
	Verifier string `json:"verifier,omitempty"`
	Browser  string `json:"browser,omitempty"` // hash of the cookie of the browser that began it
	UserCode string `json:"user_code,omitempty"`

	// Of a code: whose session it was exchanged for.
	Name string `json:"name,omitempty"` // of the program, for the list of devices
}

// A device id is what its program made up: at least ten characters, and none that mean anything in a URL.
var deviceID = regexp.MustCompile(`^[A-Za-z0-9._~-]{10,255}$`)

// readScope finds the device in a scope, and refuses a scope that is not Matrix's.
func readScope(scope string) (device string, err error) {
	api := false
	for _, tok := range strings.Fields(scope) {
		switch {
		case tok == apiScope || tok == apiScopeOld:
			api = true
		case strings.HasPrefix(tok, deviceScope), strings.HasPrefix(tok, deviceScopeOld):
			d := tok[strings.LastIndexByte(tok, ':')+1:]
			if device != "" && device != d || !deviceID.MatchString(d) {
				return "", fail("invalid_scope", "The scope must name one device, by ten characters at least of A–Z, a–z, 0–9 and -._~")
			}
			device = d
		}
	}
	if !api || device == "" {
		return "", fail("invalid_scope", "The scope must have "+apiScope+" and "+deviceScope+" with a device's id.")
	}
	return device, nil
}

// readAuthorize checks an authorization request. What is wrong with the program or with the address it wants
// to be answered at is shown to the person; everything else is told to the program, at that address.
func (s *Server) readAuthorize(r *http.Request) (c *Client, a *asked, tell error, err error) {
	q := r.Form
	if c, err = s.client(r.Context(), q.Get("client_id")); err != nil {
		return nil, nil, nil, err
	}
	a = &asked{Client: c.ID, Redirect: q.Get("redirect_uri"), Scope: q.Get("scope"), State: q.Get("state"), Challenge: q.Get("code_challenge"),
		Mode: q.Get("response_mode"), Name: c.Name}
	if a.Redirect == "" && len(c.RedirectURIs) == 1 {
		a.Redirect = c.RedirectURIs[0]
	}
	if !c.hasRedirect(a.Redirect) {
		return nil, nil, nil, httpd.InvalidParam("The program wants the answer sent to an address that it did not register. Nothing was sent. Start signing in again from the program.")
	}
	switch {
	case len(a.State) > maxURI:
		a.State = ""
		tell = fail("invalid_request", "state is too long")
	case q.Get("response_type") != "code":
		tell = fail("unsupported_response_type", "response_type must be code")
	case a.Mode != "" && a.Mode != "query" && a.Mode != "fragment":
		a.Mode = ""
		tell = fail("invalid_request", "response_mode must be query or fragment")
	case q.Get("code_challenge_method") != "S256" || len(a.Challenge) != 43:
		tell = fail("invalid_request", "a code_challenge by the method S256 is required")
	default:
		a.Device, tell = readScope(a.Scope)
	}
	return c, a, tell, nil
}

func parse(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return httpd.InvalidParam("The form is too long or did not arrive whole. Start again.")
	}
	return nil
}

func (s *Server) authorizePage(w http.ResponseWriter, r *http.Request) error {
	if err := parse(w, r); err != nil {
		return err
	}
	c, a, tell, err := s.readAuthorize(r)
	if err != nil {
		return err
	}
	if tell != nil {
		return s.answer(w, r, a, errorValues(tell))
	}
	return s.askPassword(w, r, c, a, http.StatusOK, r.Form.Get("login_hint"), "")
}

// askPassword shows the page on which somebody signs in and allows the program to use their account.
func (s *Server) askPassword(w http.ResponseWriter, r *http.Request, c *Client, a *asked, status int, name, problem string) error {
	v := &view{Title: "Sign in", Problem: problem, Action: "/oauth2/authorize", AskName: true, Name: name, Button: "Sign in and allow", Deny: true,
		Text: []string{c.title() + " asks to use your account on " + string(s.Name) + ": to read your conversations and to write in your name, until you sign it out."},
		Hidden: map[string]string{"client_id": a.Client, "redirect_uri": a.Redirect, "scope": a.Scope, "state": a.State, "code_challenge": a.Challenge,
			"code_challenge_method": "S256", "response_mode": a.Mode, "response_type": "code"}}
	v.Name = strings.TrimPrefix(v.Name, "mxid:")
	if s.Upstream != nil {
		v.Upstream, v.Provider = "/oauth2/upstream?"+url.Values{"client_id": {a.Client}, "redirect_uri": {a.Redirect}, "scope": {a.Scope}, "state": {a.State},
			"code_challenge": {a.Challenge}, "code_challenge_method": {"S256"}, "response_mode": {a.Mode}, "response_type": {"code"}}.Encode(), s.Upstream.Title
	}
	allowRedirect(w, a.Redirect)
	return s.show(w, status, v)
}

// allowRedirect lets the page's form lead, by way of us, to the program's address: browsers hold redirects
// after a form against the page's policy too.
func allowRedirect(w http.ResponseWriter, redirect string) {
	u, err := url.Parse(redirect)
	if err != nil {
		return
	}
	target := u.Scheme + ":"
	if u.Host != "" {
		target = u.Scheme + "://" + u.Host
	}
	w.Header().Set("Content-Security-Policy", strings.Replace(httpd.PagePolicy, "form-action 'self'", "form-action 'self' "+target, 1))
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	if err := parse(w, r); err != nil {
		return err
	}
	c, a, tell, err := s.readAuthorize(r)
	if err != nil {
		return err
	}
	if tell != nil {
		return s.answer(w, r, a, errorValues(tell))
	}
	if r.PostForm.Get("answer") != "allow" {
		return s.answer(w, r, a, url.Values{"error": {"access_denied"}, "error_description": {"It was not allowed."}})
	}
	user, err := s.Identity.CheckPassword(r.Context(), r.PostForm.Get("name"), r.PostForm.Get("password"), httpd.RemoteAddr(r, s.Proxies))
	if err != nil {
		if e := refusal(err); e != nil {
			return s.askPassword(w, r, c, a, e.Status, r.PostForm.Get("name"), e.Message)
		}
		return err
	}
	return s.allow(w, r, a, user)
}

// allow makes the code for a program and sends the person back to it.
func (s *Server) allow(w http.ResponseWriter, r *http.Request, a *asked, user matrix.UserID) error {
	code, hash := secret("dac_")
	content, err := json.Marshal(a)
	if err != nil {
		return err
	}
	now := s.Now()
	g := store.OAuthGrant{Token: hash, Kind: "code", Person: string(user), Content: content, ExpiresAt: now.Add(codeLife).UnixMilli()}
	if err := s.insert(r, g); err != nil {
		return err
	}
	return s.answer(w, r, a, url.Values{"code": {code}})
}

// insert stores a sign-in under way, unless there are too many.
func (s *Server) insert(r *http.Request, g store.OAuthGrant) error {
	now := s.Now().UnixMilli()
	return s.do(r.Context(), func(b *recorder.Batch) error {
		n, err := store.OAuthGrants(b.Context(), b.Tx(), g.Kind, now)
		if err != nil {
			return err
		}
		if n >= maxGrants {
			return httpd.LimitExceeded(pollEvery, "Too many people are signing in just now. Try again in a minute.")
		}
		return store.InsertOAuthGrant(b.Context(), b.Tx(), g)
	})
}

// answer sends the person back to the program, with what it is told in the address.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, a *asked, values url.Values) error {
	u, err := url.Parse(a.Redirect)
	if err != nil {
		return err
	}
	if a.State != "" {
		values.Set("state", a.State)
	}
	values.Set("iss", s.base(r)+"/")
	if a.Mode == "fragment" {
		u.Fragment = ""
		u.RawFragment = ""
		w.Header().Set("Location", u.String()+"#"+values.Encode())
	} else {
		q := u.Query()
		for k, v := range values {
			q[k] = v
		}
		u.RawQuery = q.Encode()
		w.Header().Set("Location", u.String())
	}
	allowRedirect(w, a.Redirect)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func errorValues(err error) url.Values {
	e := refusal(err)
	if e == nil {
		return url.Values{"error": {"server_error"}}
	}
	code, _ := e.Fields["error"].(string)
	return url.Values{"error": {code}, "error_description": {e.Message}}
}

func hashOf(code string) [32]byte { return sha256.Sum256([]byte(code)) }
