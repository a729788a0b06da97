package clientapi

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // as the protocol of shared-secret registration has it; HMAC does not need it to be free of collisions
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
)

type registerRequest struct {
	Auth         *passwordStage `json:"auth"`
	Username     string         `json:"username"`
	Password     string         `json:"password"`
	DeviceID     string         `json:"device_id"`
	DeviceName   string         `json:"initial_device_display_name"`
	InhibitLogin bool           `json:"inhibit_login"`
	RefreshToken bool           `json:"refresh_token"`
	Type         string         `json:"type"`
}

type registerResponse struct {
	UserID       matrix.UserID     `json:"user_id"`
	HomeServer   matrix.ServerName `json:"home_server"`
	AccessToken  string            `json:"access_token,omitempty"`
	DeviceID     string            `json:"device_id,omitempty"`
	RefreshToken string            `json:"refresh_token,omitempty"`
	ExpiresIn    int64             `json:"expires_in_ms,omitempty"`
}

func closed() error { return httpd.Forbidden("Accounts are given by your organisation's IT desk.") }

// register implements "POST /register". It refuses, unless registration is open: accounts are given by the
// organisation.
func (s *Server) register(r *http.Request, req *registerRequest) (*registerResponse, error) {
	if req.Type == loginBridged {
		return s.registerBridged(r, req)
	}
	if !s.OpenRegistration {
		return nil, closed()
	}
	if err := s.free(req.Username); err != nil {
		return nil, err
	}
	switch kind := r.URL.Query().Get("kind"); kind {
	case "", "user":
	case "guest":
		return nil, httpd.GuestAccessForbidden("There are no guests here.")
	default:
		return nil, httpd.InvalidParam("There are no accounts of the kind %q.", kind)
	}
	if req.Username != "" {
		if err := s.Identity.Available(r.Context(), req.Username); err != nil {
			return nil, err
		}
	}
	if req.Auth == nil || req.Auth.Type != "m.login.dummy" {
		return nil, s.uia.ask(r, "m.login.dummy")
	}
	user, in, err := s.Identity.Register(r.Context(), identity.NewAccount{By: identity.Register, Localpart: req.Username, Password: req.Password,
		From: httpd.RemoteAddr(r, s.Proxies), Device: req.DeviceID, DeviceName: req.DeviceName, NoSession: req.InhibitLogin, Refresh: req.RefreshToken})
	if err != nil {
		return nil, err
	}
	resp := &registerResponse{UserID: user, HomeServer: s.Name}
	if in != nil {
		resp.AccessToken, resp.DeviceID = in.Token, in.Device
		resp.RefreshToken, resp.ExpiresIn = in.RefreshToken, in.ExpiresIn.Milliseconds()
	}
	return resp, nil
}

type availableResponse struct {
	Available bool `json:"available"`
}

// available implements "GET /register/available".
func (s *Server) available(r *http.Request, _ *httpd.None) (*availableResponse, error) {
	if !s.OpenRegistration {
		return nil, closed()
	}
	if err := s.free(r.URL.Query().Get("username")); err != nil {
		return nil, err
	}
	if err := s.Identity.Available(r.Context(), r.URL.Query().Get("username")); err != nil {
		return nil, err
	}
	return &availableResponse{true}, nil
}

// nonces are the values that shared-secret registration hands out, each good once and for a minute.
type nonces struct {
	mu   sync.Mutex
	made map[string]time.Time // guarded by mu
}

const (
	maxNonces    = 1000
	nonceLasts   = time.Minute
	nonceRefusal = "This nonce is not known, or was used. Ask for another one."
)

func (n *nonces) add(now time.Time) (string, error) {
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made == nil {
		n.made = make(map[string]time.Time)
	}
	for k, at := range n.made {
		if now.Sub(at) > nonceLasts {
			delete(n.made, k)
		}
	}
	if len(n.made) >= maxNonces {
		return "", httpd.LimitExceeded(nonceLasts, "Too many have asked at once.")
	}
	text := base64.RawURLEncoding.EncodeToString(b[:])
	n.made[text] = now
	return text, nil
}

func (n *nonces) use(text string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.made[text]
	delete(n.made, text)
	return ok && now.Sub(at) <= nonceLasts
}

type nonceResponse struct {
	Nonce string `json:"nonce"`
}

// registrationNonce is the first half of shared-secret registration, as Synapse has it. It is not here
// unless a secret is set.
func (s *Server) registrationNonce(*http.Request, *httpd.None) (*nonceResponse, error) {
	if s.RegistrationSecret == "" {
		return nil, httpd.Unrecognized(http.StatusNotFound)
	}
	text, err := s.nonces.add(s.Now())
	return &nonceResponse{text}, err
}

type secretRegisterRequest struct {
	Nonce       string `json:"nonce"`
	Username    string `json:"username"`
	DisplayName string `json:"displayname"`
	Password    string `json:"password"`
	Admin       bool   `json:"admin"`
	MAC         string `json:"mac"`
}

// registerBySecret is the second half: whoever knows the secret has signed name, password and whether the
// account is an administrator's with it.
func (s *Server) registerBySecret(r *http.Request, req *secretRegisterRequest) (*registerResponse, error) {
	if s.RegistrationSecret == "" {
		return nil, httpd.Unrecognized(http.StatusNotFound)
	}
	if !s.nonces.use(req.Nonce, s.Now()) {
		return nil, httpd.Unknown(nonceRefusal)
	}
	role := "notadmin"
	if req.Admin {
		role = "admin"
	}
	m := hmac.New(sha1.New, []byte(s.RegistrationSecret))
	m.Write([]byte(req.Nonce + "\x00" + req.Username + "\x00" + req.Password + "\x00" + role))
	got, err := hex.DecodeString(req.MAC)
	if err != nil || !hmac.Equal(got, m.Sum(nil)) {
		return nil, httpd.Forbidden("The secret with which this was signed is not this server's.")
	}
	user, in, err := s.Identity.Register(r.Context(), identity.NewAccount{By: identity.Program, Localpart: req.Username, Password: req.Password,
		Admin: req.Admin, From: httpd.RemoteAddr(r, s.Proxies)})
	if err != nil {
		return nil, err
	}
	return &registerResponse{UserID: user, HomeServer: s.Name, AccessToken: in.Token, DeviceID: in.Device}, nil
}
