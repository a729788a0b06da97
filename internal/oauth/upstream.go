package oauth

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Upstream is the organisation's identity provider, by OpenID Connect. It says who somebody is; what they
// may do here is decided here.
type Upstream struct {
	Issuer       string // https address, as in its metadata
	ClientID     string
	ClientSecret string
	Title        string // what people call it: "your department's account"
	Claim        string // of the id token that has the user name; preferred_username if empty
	Create       bool   // whether somebody whom the provider knows and we do not gets an account

	mu       sync.Mutex
	provider *oidc.Provider
}

// upstreamTimeout bounds what is asked of the provider.
const upstreamTimeout = 15 * time.Second

// open returns the provider. Its metadata are read when they are first needed, so that we start without it.
func (u *Upstream) open(ctx context.Context) (*oidc.Provider, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.provider == nil {
		// Its keys are fetched with this context later: it must not end with the request.
		p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), &http.Client{Timeout: upstreamTimeout}), u.Issuer)
		if err != nil {
			return nil, fmt.Errorf("read the metadata of the identity provider %s: %w", u.Issuer, err)
		}
		u.provider = p
	}
	return u.provider, nil
}

func (u *Upstream) config(p *oidc.Provider, base string) *oauth2.Config {
	return &oauth2.Config{ClientID: u.ClientID, ClientSecret: u.ClientSecret, Endpoint: p.Endpoint(), RedirectURL: base + "/oauth2/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email"}}
}

// browserCookie binds a sign-in to the browser that began it.
const browserCookie = "despatch-sign-in"

func (s *Server) setBrowser(w http.ResponseWriter) (hash string) {
	value, sum := secret("")
	http.SetCookie(w, &http.Cookie{Name: browserCookie, Value: value, Path: "/oauth2/", MaxAge: int(flowLife.Seconds()), HttpOnly: true,
		Secure: s.HTTPS, SameSite: http.SameSiteLaxMode})
	return hex.EncodeToString(sum[:])
}

func sameBrowser(r *http.Request, a *asked) bool {
	c, err := r.Cookie(browserCookie)
	if err != nil {
		return false
	}
	sum := hashOf(c.Value)
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(a.Browser)) == 1
}

// toUpstream sends somebody to the organisation's own sign-in.
func (s *Server) toUpstream(w http.ResponseWriter, r *http.Request) error {
	if s.Upstream == nil {
		return httpd.NotFound("People sign in here with a password.")
	}
	if err := parse(w, r); err != nil {
		return err
	}
	_, a, tell, err := s.readAuthorize(r)
	if err != nil {
		return err
	}
	if tell != nil {
		return s.answer(w, r, a, errorValues(tell))
	}
	p, err := s.Upstream.open(r.Context())
	if err != nil {
		s.Log.Error("the identity provider cannot be used", "err", err)
		return httpd.Unavailable("%s cannot be reached just now. Try again in a minute, or sign in with your password.", s.Upstream.Title)
	}
	state, hash := secret("")
	nonce, _ := secret("")
	a.Nonce, a.Verifier, a.Browser = nonce, oauth2.GenerateVerifier(), s.setBrowser(w)
	content, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := s.insert(r, store.OAuthGrant{Token: hash, Kind: "flow", Content: content, ExpiresAt: s.Now().Add(flowLife).UnixMilli()}); err != nil {
		return err
	}
	to := s.Upstream.config(p, s.base(r)).AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(a.Verifier))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// fromUpstream takes somebody back who has signed in there, and asks whether the program may use the account.
func (s *Server) fromUpstream(w http.ResponseWriter, r *http.Request) error {
	if s.Upstream == nil {
		return httpd.NotFound("People sign in here with a password.")
	}
	if err := parse(w, r); err != nil {
		return err
	}
	_, a, err := s.take(r.Context(), hashOf(r.Form.Get("state")), "flow")
	if err != nil || !sameBrowser(r, a) {
		if err != nil && refusal(err) == nil {
			return err
		}
		return httpd.InvalidParam("This sign-in was not begun in this browser, was finished before, or took more than 15 minutes. Start again from the program.")
	}
	if code := r.Form.Get("error"); code != "" {
		s.Log.Info("the identity provider refused a sign-in", "error", strings.ToValidUTF8(code[:min(len(code), 100)], "?"))
		return httpd.Forbidden("%s did not sign you in. Start again from the program.", s.Upstream.Title)
	}
	user, err := s.upstreamPerson(r, a)
	if err != nil {
		return err
	}
	c, err := s.client(r.Context(), a.Client)
	if err != nil {
		return err
	}
	token, hash := secret("")
	content, err := json.Marshal(a)
	if err != nil {
		return err
	}
	g := store.OAuthGrant{Token: hash, Kind: "consent", Person: string(user), Content: content, ExpiresAt: s.Now().Add(flowLife).UnixMilli()}
	if err := s.insert(r, g); err != nil {
		return err
	}
	allowRedirect(w, a.Redirect)
	return s.show(w, http.StatusOK, &view{Title: "Allow " + c.title() + "?", Action: "/oauth2/consent", Button: "Allow", Deny: true, Hidden: map[string]string{"token": token},
		Text: []string{"You are " + string(user) + ".", c.title() + " asks to use your account: to read your conversations and to write in your name, until you sign it out."}})
}

// upstreamPerson finds out from the provider who has signed in, and who that is here.
func (s *Server) upstreamPerson(r *http.Request, a *asked) (matrix.UserID, error) {
	p, err := s.Upstream.open(r.Context())
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), &http.Client{Timeout: upstreamTimeout}), upstreamTimeout)
	defer cancel()
	refused := func(err error) error {
		s.Log.Warn("a sign-in by way of the identity provider failed", "err", err)
		return httpd.Forbidden("%s could not confirm who you are. Start again from the program; if it fails again, ask the IT desk.", s.Upstream.Title)
	}
	t, err := s.Upstream.config(p, s.base(r)).Exchange(ctx, r.Form.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return "", refused(err)
	}
	raw, _ := t.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: s.Upstream.ClientID, Now: s.Now}).Verify(ctx, raw)
	if err != nil {
		return "", refused(err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.Nonce)) != 1 {
		return "", refused(errors.New("the id token has another nonce"))
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return "", refused(err)
	}
	claim := s.Upstream.Claim
	if claim == "" {
		claim = "preferred_username"
	}
	name, _ := claims[claim].(string)
	if name == "" { // many providers say it only when asked
		if info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(t)); err == nil && info.Subject == id.Subject && info.Claims(&claims) == nil {
			name, _ = claims[claim].(string)
		}
	}
	full, _ := claims["name"].(string)
	return s.known(r.Context(), id.Subject, name, full)
}

// known returns who somebody at the provider is here: whom they were linked to, or, the first time, the
// person of that user name, who is linked then.
func (s *Server) known(ctx context.Context, subject, name, full string) (matrix.UserID, error) {
	user, err := store.UpstreamPerson(ctx, s.DB.Reader(), s.Upstream.Issuer, subject)
	if err == nil {
		return matrix.UserID(user), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	name, _, _ = strings.Cut(strings.ToLower(name), "@") // asha@example.gov.uk is asha
	id, err := matrix.NewUserID(name, s.Name)
	if name == "" || err != nil {
		return "", httpd.Forbidden("%s does not say which account here is yours. Ask the IT desk.", s.Upstream.Title)
	}
	_, err = s.Identity.Person(ctx, id)
	if e := refusal(err); err != nil && (errors.Is(err, store.ErrNotFound) || e != nil && e.Status == http.StatusNotFound) {
		if !s.Upstream.Create {
			return "", httpd.Forbidden("There is no account for %s here. Ask the IT desk for one.", name)
		}
		_, err = s.Identity.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: name, Name: full})
	}
	if err != nil {
		return "", err
	}
	err = s.do(ctx, func(b *recorder.Batch) error {
		// Somebody else at the provider may not become a person who has signed in from there before.
		linked, err := store.UpstreamLinked(b.Context(), b.Tx(), s.Upstream.Issuer, string(id))
		if err != nil {
			return err
		}
		if linked {
			return httpd.Forbidden("The account %s belongs to somebody else at %s. Ask the IT desk.", id, s.Upstream.Title)
		}
		return store.LinkUpstream(b.Context(), b.Tx(), s.Upstream.Issuer, subject, string(id))
	})
	return id, err
}

// consent takes the answer of somebody who came back from the provider.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) error {
	if err := parse(w, r); err != nil {
		return err
	}
	g, a, err := s.take(r.Context(), hashOf(r.PostForm.Get("token")), "consent")
	if err != nil {
		return err
	}
	if !sameBrowser(r, a) {
		return httpd.InvalidParam("This sign-in was not begun in this browser. Start again from the program.")
	}
	a.Browser, a.Nonce, a.Verifier = "", "", ""
	if r.PostForm.Get("answer") != "allow" {
		return s.answer(w, r, a, map[string][]string{"error": {"access_denied"}, "error_description": {"It was not allowed."}})
	}
	return s.allow(w, r, a, matrix.UserID(g.Person))
}
