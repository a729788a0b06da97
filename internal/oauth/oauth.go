// Package oauth signs people in by OAuth 2.0 as the Matrix specification has it (Client-Server API, "OAuth 2.0
// API"): server metadata, dynamic client registration, the authorization code grant with PKCE, the device
// authorization grant, refresh and revocation. Despatch is the issuer; who people are it knows from their
// passwords, or from the organisation's own identity provider by OpenID Connect.
//
// A program that registers itself is public: it proves nothing, and gets nothing but what a person allows it on
// a page of ours, sent to an address that it registered. Codes live for a minute and work once.
//
// The package leaves sessions and their tokens to identity.
package oauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
)

// Server serves the authorization server's routes.
type Server struct {
	Name     matrix.ServerName
	BaseURL  string // without a slash at its end; empty for the address that a request came to
	HTTPS    bool
	Proxies  []netip.Prefix
	DB       *sqldb.DB
	Rec      *recorder.Recorder
	Identity *identity.Service
	HTTP     *httpd.Adapter
	Upstream *Upstream // nil if people sign in with passwords only
	Now      func() time.Time
	Log      *slog.Logger
}

// How long what is under way lasts.
const (
	codeLife   = time.Minute
	deviceLife = 20 * time.Minute
	flowLife   = 15 * time.Minute
	pollEvery  = 5 * time.Second
)

// Bounds on what strangers can have stored here.
const (
	maxClients = 10_000
	maxGrants  = 10_000
	maxForm    = 32 << 10
)

// Handler returns the routes, to be mounted at /oauth2/, /.well-known/openid-configuration, and where
// the Client-Server API has the metadata.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	page := func(h func(http.ResponseWriter, *http.Request) error) http.Handler {
		return httpd.Secure(httpd.Func(s.HTTP, h, httpd.Errors(s.showError), httpd.MaxBody(maxForm)), httpd.PagePolicy, s.HTTPS)
	}
	// What programs ask for, from pages of any origin.
	api := func(h func(http.ResponseWriter, *http.Request) error) http.Handler {
		return s.cors(httpd.Func(s.HTTP, h, httpd.Errors(showOAuthError), httpd.MaxBody(maxForm)))
	}
	mux.Handle("/.well-known/openid-configuration", api(s.metadata))
	mux.Handle("/_matrix/client/v1/auth_metadata", api(s.metadata)) // Client-Server API, "Server metadata discovery"
	mux.Handle("/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", api(s.metadata))
	mux.Handle("/oauth2/register", api(s.register))
	mux.Handle("/oauth2/token", api(s.token))
	mux.Handle("/oauth2/revoke", api(s.revoke))
	mux.Handle("/oauth2/device", api(s.device))
	mux.Handle("GET /oauth2/authorize", page(s.authorizePage))
	mux.Handle("POST /oauth2/authorize", page(s.authorize))
	mux.Handle("GET /oauth2/link", page(s.linkPage))
	mux.Handle("POST /oauth2/link", page(s.link))
	mux.Handle("GET /oauth2/upstream", page(s.toUpstream))
	mux.Handle("GET /oauth2/callback", page(s.fromUpstream))
	mux.Handle("POST /oauth2/consent", page(s.consent))
	mux.Handle("GET /oauth2/style.css", httpd.Secure(http.HandlerFunc(stylesheet), httpd.PagePolicy, s.HTTPS))
	return mux
}

// cors lets pages of any origin use what h serves, as programs on the web must; no cookie is involved.
func (s *Server) cors(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type, Authorization")
		w.Header().Set("Cache-Control", "no-store")
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// base is the address under which the server is reached.
func (s *Server) base(r *http.Request) string {
	if s.BaseURL != "" {
		return strings.TrimSuffix(s.BaseURL, "/")
	}
	scheme := "http"
	if s.HTTPS || r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// Metadata describes the authorization server (RFC 8414), with what Matrix adds.
type Metadata struct {
	Issuer                    string   `json:"issuer"`
	AuthorizationEndpoint     string   `json:"authorization_endpoint"`
	TokenEndpoint             string   `json:"token_endpoint"`
	RegistrationEndpoint      string   `json:"registration_endpoint"`
	RevocationEndpoint        string   `json:"revocation_endpoint"`
	DeviceEndpoint            string   `json:"device_authorization_endpoint"`
	ResponseTypes             []string `json:"response_types_supported"`
	ResponseModes             []string `json:"response_modes_supported"`
	GrantTypes                []string `json:"grant_types_supported"`
	ChallengeMethods          []string `json:"code_challenge_methods_supported"`
	TokenAuthMethods          []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods     []string `json:"revocation_endpoint_auth_methods_supported"`
	Prompts                   []string `json:"prompt_values_supported"`
	Scopes                    []string `json:"scopes_supported"`
	AccountManagementURI      string   `json:"account_management_uri"`
	AccountManagementActions  []string `json:"account_management_actions_supported"`
	AuthorizationResponseIss  bool     `json:"authorization_response_iss_parameter_supported"`
	RequestObjectSupported    bool     `json:"request_parameter_supported"`
	RequestURIObjectSupported bool     `json:"request_uri_parameter_supported"`
}

// Describe returns the metadata as somebody who sent r should use it.
func (s *Server) Describe(r *http.Request) *Metadata {
	base := s.base(r)
	return &Metadata{
		Issuer: base + "/", AuthorizationEndpoint: base + "/oauth2/authorize", TokenEndpoint: base + "/oauth2/token",
		RegistrationEndpoint: base + "/oauth2/register", RevocationEndpoint: base + "/oauth2/revoke", DeviceEndpoint: base + "/oauth2/device",
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query", "fragment"},
		GrantTypes:       []string{"authorization_code", "refresh_token", deviceGrant},
		ChallengeMethods: []string{"S256"}, TokenAuthMethods: []string{"none"}, RevocationAuthMethods: []string{"none"},
		Prompts: []string{}, Scopes: []string{apiScope, deviceScope + "*"},
		AccountManagementURI: base + "/", AccountManagementActions: []string{}, AuthorizationResponseIss: true,
	}
}

func (s *Server) metadata(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return httpd.Unrecognized(http.StatusMethodNotAllowed)
	}
	return writeJSON(w, http.StatusOK, s.Describe(r))
}

// Scopes of Matrix. The older names are those that programs used while the specification was made.
const (
	apiScope       = "urn:matrix:client:api:*"
	apiScopeOld    = "urn:matrix:org.matrix.msc2967.client:api:*"
	deviceScope    = "urn:matrix:client:device:"
	deviceScopeOld = "urn:matrix:org.matrix.msc2967.client:device:"
	deviceGrant    = "urn:ietf:params:oauth:grant-type:device_code"
)

// Error is an error as RFC 6749 section 5.2 has it, for programs.
type Error struct {
	Status int    `json:"-"`
	Code   string `json:"error"`
	Text   string `json:"error_description,omitempty"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Text }

// fail makes an error for programs. It travels inside one of httpd's, which shows it.
func fail(code, text string) error {
	status := http.StatusBadRequest
	return &httpd.Error{Status: status, Message: text, Fields: map[string]any{"error": code, "error_description": text}}
}

// showOAuthError shows errors to programs.
func showOAuthError(w http.ResponseWriter, _ *http.Request, e *httpd.Error) {
	code, _ := e.Fields["error"].(string)
	if code == "" {
		code = "invalid_request"
		if e.Status >= 500 {
			code = "server_error"
		}
	}
	writeJSON(w, e.Status, &Error{Code: code, Text: e.Message})
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b)
	return nil
}

// secret returns a new code and its hash.
func secret(prefix string) (code string, hash [32]byte) {
	b := make([]byte, 32)
	rand.Read(b)
	code = prefix + base64.RawURLEncoding.EncodeToString(b)
	return code, sha256.Sum256([]byte(code))
}

// do makes a durable change.
func (s *Server) do(ctx context.Context, run func(b *recorder.Batch) error) error {
	return s.Rec.Do(ctx, run)
}

//go:embed page.html
var pageText string

//go:embed style.css
var style []byte

var pageTemplate = template.Must(template.New("page").Parse(pageText))

func stylesheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(style)
}

// view is what the one page shows.
type view struct {
	Title   string
	Problem string
	Text    []string

	Action   string // where the form goes; none if empty
	Hidden   map[string]string
	UserCode string // to be checked, or typed in
	AskCode  bool
	AskName  bool
	Name     string
	Button   string
	Deny     bool
	Upstream string // address of the organisation's own sign-in; none if empty
	Provider string
}

func (s *Server) show(w http.ResponseWriter, status int, v *view) error {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write(b.Bytes())
	return nil
}

// showError shows errors to people.
func (s *Server) showError(w http.ResponseWriter, _ *http.Request, e *httpd.Error) {
	if err := s.show(w, e.Status, &view{Title: "Sorry, that did not work", Text: []string{e.Message}}); err != nil {
		s.Log.Error("the page of an error could not be made", "err", err)
	}
}

// refusal returns what to show to somebody who was refused, or nil if the error is none of theirs.
func refusal(err error) *httpd.Error {
	e, ok := errors.AsType[*httpd.Error](err)
	if !ok || e.Status >= 500 {
		return nil
	}
	return e
}
