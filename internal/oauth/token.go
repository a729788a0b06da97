package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// tokens is the answer to a granted request (RFC 6749 section 5.1).
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in,omitempty"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// token exchanges what a program was granted for tokens.
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return httpd.Unrecognized(http.StatusMethodNotAllowed)
	}
	if err := parse(w, r); err != nil {
		return err
	}
	var t *tokens
	var err error
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		t, err = s.exchange(r)
	case "refresh_token":
		t, err = s.refresh(r)
	case deviceGrant:
		t, err = s.poll(r)
	default:
		err = fail("unsupported_grant_type", "grant_type must be authorization_code, refresh_token or "+deviceGrant+".")
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, t)
}

// exchange takes an authorization code. It works once, whether or not what comes with it is right: a second
// use means that somebody else has it.
func (s *Server) exchange(r *http.Request) (*tokens, error) {
	f := r.PostForm
	g, a, err := s.take(r.Context(), hashOf(f.Get("code")), "code")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(f.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case a.Client != f.Get("client_id"), a.Redirect != f.Get("redirect_uri"):
		return nil, fail("invalid_grant", "The code was made for another program or another address.")
	case subtle.ConstantTimeCompare([]byte(challenge), []byte(a.Challenge)) != 1:
		return nil, fail("invalid_grant", "The code_verifier does not match the code_challenge.")
	}
	return s.begin(r, g.Person, a)
}

// take reads a grant and deletes it.
func (s *Server) take(ctx context.Context, hash [32]byte, kind string) (g store.OAuthGrant, a *asked, err error) {
	now := s.Now().UnixMilli()
	err = s.do(ctx, func(b *recorder.Batch) error {
		var err error
		if g, err = store.OAuthGrantByToken(b.Context(), b.Tx(), hash, kind, now); err != nil {
			return err
		}
		return store.DeleteOAuthGrant(b.Context(), b.Tx(), hash, now)
	})
	if errors.Is(err, store.ErrNotFound) {
		return g, nil, fail("invalid_grant", "The code is unknown, was used before, or is too old.")
	}
	if err == nil {
		a = new(asked)
		err = json.Unmarshal(g.Content, a)
	}
	return g, a, err
}

// begin starts the session that somebody allowed.
func (s *Server) begin(r *http.Request, user string, a *asked) (*tokens, error) {
	in, err := s.Identity.SignInVerified(r.Context(), matrix.UserID(user), identity.SignIn{Device: a.Device, DeviceName: a.Name,
		From: httpd.RemoteAddr(r, s.Proxies), Refresh: true}, "oauth")
	if err != nil {
		if e := refusal(err); e != nil {
			return nil, fail("invalid_grant", e.Message)
		}
		return nil, err
	}
	return &tokens{AccessToken: in.Token, TokenType: "Bearer", ExpiresIn: int64(in.ExpiresIn.Seconds()), RefreshToken: in.RefreshToken, Scope: a.Scope}, nil
}

// refresh gives the next access token.
func (s *Server) refresh(r *http.Request) (*tokens, error) {
	if _, err := s.client(r.Context(), r.PostForm.Get("client_id")); err != nil {
		return nil, err
	}
	in, err := s.Identity.Refresh(r.Context(), r.PostForm.Get("refresh_token"))
	if err != nil {
		if e := refusal(err); e != nil {
			return nil, fail("invalid_grant", e.Message)
		}
		return nil, err
	}
	return &tokens{AccessToken: in.Token, TokenType: "Bearer", ExpiresIn: int64(in.ExpiresIn.Seconds()), RefreshToken: in.RefreshToken}, nil
}

// revoke ends the session that a token belongs to (RFC 7009). An unknown token is no error.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return httpd.Unrecognized(http.StatusMethodNotAllowed)
	}
	if err := parse(w, r); err != nil {
		return err
	}
	err := s.Identity.RevokeToken(r.Context(), r.PostForm.Get("token"))
	if err != nil && refusal(err) == nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct{}{})
}
