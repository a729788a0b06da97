package oauth

import (
	"crypto/rand"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// deviceAnswer tells a device which code its person must type in elsewhere (RFC 8628 section 3.2).
type deviceAnswer struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	Complete        string `json:"verification_uri_complete"`
	ExpiresIn       int64  `json:"expires_in"` // seconds
	Interval        int64  `json:"interval"`   // seconds
}

// codeLetters make codes that are no words and are read aloud without doubt (RFC 8628 section 6.1).
const codeLetters = "BCDFGHJKLMNPQRSTVWXZ"

func userCode() (string, error) {
	b := make([]byte, 8)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(codeLetters))))
		if err != nil {
			return "", err
		}
		b[i] = codeLetters[n.Int64()]
	}
	return string(b), nil
}

// device begins the sign-in of a device that has no browser.
func (s *Server) device(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return httpd.Unrecognized(http.StatusMethodNotAllowed)
	}
	if err := parse(w, r); err != nil {
		return err
	}
	c, err := s.client(r.Context(), r.PostForm.Get("client_id"))
	if err != nil {
		return err
	}
	if !slices.Contains(c.GrantTypes, deviceGrant) {
		return fail("unauthorized_client", "The program did not register for "+deviceGrant+".")
	}
	a := &asked{Client: c.ID, Scope: r.PostForm.Get("scope"), Name: c.Name}
	if a.Device, err = readScope(a.Scope); err != nil {
		return err
	}
	content, err := json.Marshal(a)
	if err != nil {
		return err
	}
	code, hash := secret("ddc_")
	typed, err := userCode()
	if err != nil {
		return err
	}
	g := store.OAuthGrant{Token: hash, Kind: "device", UserCode: typed, Content: content, ExpiresAt: s.Now().Add(deviceLife).UnixMilli()}
	if err := s.insert(r, g); err != nil {
		return err
	}
	shown := typed[:4] + "-" + typed[4:]
	at := s.base(r) + "/oauth2/link"
	return writeJSON(w, http.StatusOK, &deviceAnswer{DeviceCode: code, UserCode: shown, VerificationURI: at,
		Complete: at + "?" + url.Values{"user_code": {shown}}.Encode(), ExpiresIn: int64(deviceLife.Seconds()), Interval: int64(pollEvery.Seconds())})
}

// poll answers a device that asks whether it was allowed.
func (s *Server) poll(r *http.Request) (*tokens, error) {
	hash, now := hashOf(r.PostForm.Get("device_code")), s.Now().UnixMilli()
	var g store.OAuthGrant
	var a asked
	early := false
	err := s.do(r.Context(), func(b *recorder.Batch) error {
		var err error
		if g, err = store.OAuthGrantByToken(b.Context(), b.Tx(), hash, "device", now); err != nil {
			return err
		}
		a = asked{}
		if err := json.Unmarshal(g.Content, &a); err != nil {
			return err
		}
		if a.Client != r.PostForm.Get("client_id") {
			return store.ErrNotFound
		}
		if g.Denied || g.Person != "" {
			return store.DeleteOAuthGrant(b.Context(), b.Tx(), hash, now)
		}
		early = now-g.PolledAt < pollEvery.Milliseconds()
		g.PolledAt = now
		return store.UpdateOAuthGrant(b.Context(), b.Tx(), g)
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, fail("expired_token", "The device_code is unknown, was used before, or is too old. Begin again.")
	case err != nil:
		return nil, err
	case g.Denied:
		return nil, fail("access_denied", "It was not allowed.")
	case g.Person != "":
		return s.begin(r, g.Person, &a)
	case early:
		return nil, fail("slow_down", "Ask every five seconds at most.")
	}
	return nil, fail("authorization_pending", "Nobody has allowed it yet.")
}

// normal is a user code without what people add when they type.
func normal(code string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(codeLetters, r) {
			return r
		}
		return -1
	}, strings.ToUpper(code))
}

func (s *Server) linkPage(w http.ResponseWriter, r *http.Request) error {
	if err := parse(w, r); err != nil {
		return err
	}
	return s.askLink(w, r, http.StatusOK, r.Form.Get("user_code"), "", "")
}

// askLink shows the page on which somebody allows a device that they hold.
func (s *Server) askLink(w http.ResponseWriter, r *http.Request, status int, code, name, problem string) error {
	v := &view{Title: "Sign in another device", Problem: problem, Action: "/oauth2/link", AskName: true, Name: name, Button: "Sign in and allow", Deny: true}
	g, c, err := s.linking(r, code)
	switch {
	case err != nil && refusal(err) == nil:
		return err
	case err != nil:
		v.AskCode, v.Deny = true, false
		if code != "" && problem == "" {
			v.Problem, status = refusal(err).Message, http.StatusUnprocessableEntity
		}
	default:
		v.UserCode = g.UserCode[:4] + "-" + g.UserCode[4:]
		v.Hidden = map[string]string{"user_code": g.UserCode}
		v.Text = []string{c.title() + " asks to use your account on " + string(s.Name) + ": to read your conversations and to write in your name, until you sign it out.",
			"Allow it only if the device in your hand shows this code, and you began this yourself:"}
	}
	return s.show(w, status, v)
}

// linking finds a device that waits for an answer.
func (s *Server) linking(r *http.Request, code string) (store.OAuthGrant, *Client, error) {
	g, err := store.OAuthGrantByUserCode(r.Context(), s.DB.Reader(), normal(code), s.Now().UnixMilli())
	if errors.Is(err, store.ErrNotFound) {
		return g, nil, httpd.InvalidParam("No device is waiting with this code. Look at the device again; a code lasts 20 minutes.")
	}
	if err != nil {
		return g, nil, err
	}
	var a asked
	if err := json.Unmarshal(g.Content, &a); err != nil {
		return g, nil, err
	}
	c, err := s.client(r.Context(), a.Client)
	return g, c, err
}

func (s *Server) link(w http.ResponseWriter, r *http.Request) error {
	if err := parse(w, r); err != nil {
		return err
	}
	f := r.PostForm
	// The password first, at the cost of a guess: so that codes cannot be guessed for nothing.
	user, err := s.Identity.CheckPassword(r.Context(), f.Get("name"), f.Get("password"), httpd.RemoteAddr(r, s.Proxies))
	if err != nil {
		if e := refusal(err); e != nil {
			return s.askLink(w, r, e.Status, f.Get("user_code"), f.Get("name"), e.Message)
		}
		return err
	}
	g, _, err := s.linking(r, f.Get("user_code"))
	if err != nil {
		if e := refusal(err); e != nil {
			return s.askLink(w, r, http.StatusUnprocessableEntity, f.Get("user_code"), f.Get("name"), e.Message)
		}
		return err
	}
	allowed := f.Get("answer") == "allow"
	err = s.do(r.Context(), func(b *recorder.Batch) error {
		now, err := store.OAuthGrantByToken(b.Context(), b.Tx(), g.Token, "device", s.Now().UnixMilli())
		if err != nil {
			return err
		}
		if now.Person != "" || now.Denied {
			return httpd.InvalidParam("This was answered already.")
		}
		if now.Denied = !allowed; allowed {
			now.Person = string(user)
		}
		return store.UpdateOAuthGrant(b.Context(), b.Tx(), now)
	})
	if err != nil {
		return err
	}
	v := &view{Title: "Done", Text: []string{"The other device is signed in in a moment. You can close this page."}}
	if !allowed {
		v.Text = []string{"The other device was not allowed to use your account. You can close this page."}
	}
	return s.show(w, http.StatusOK, v)
}
