package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Client is what a program says of itself when it registers (RFC 7591 section 2).
type Client struct {
	ID              string   `json:"client_id,omitempty"`
	IssuedAt        int64    `json:"client_id_issued_at,omitempty"` // seconds since 1970 UTC
	Name            string   `json:"client_name,omitempty"`
	URI             string   `json:"client_uri"`
	LogoURI         string   `json:"logo_uri,omitempty"`
	TOSURI          string   `json:"tos_uri,omitempty"`
	PolicyURI       string   `json:"policy_uri,omitempty"`
	RedirectURIs    []string `json:"redirect_uris,omitempty"`
	ResponseTypes   []string `json:"response_types,omitempty"`
	GrantTypes      []string `json:"grant_types,omitempty"`
	TokenAuthMethod string   `json:"token_endpoint_auth_method,omitempty"`
	ApplicationType string   `json:"application_type,omitempty"`
}

const (
	maxRedirects = 20
	maxURI       = 2048
	maxName      = 100
)

// register takes a program's word for what it is. The same words give the same id, so that a program that
// registers at every start leaves one row.
func (s *Server) register(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return httpd.Unrecognized(http.StatusMethodNotAllowed)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return fail("invalid_client_metadata", "The metadata are too long or did not arrive whole.")
	}
	var c Client
	if err := json.Unmarshal(raw, &c); err != nil {
		return fail("invalid_client_metadata", "The metadata are no JSON object of the form of RFC 7591.")
	}
	c.ID, c.IssuedAt = "", 0
	if err := c.check(); err != nil {
		return err
	}
	b, err := json.Marshal(&c, json.Deterministic(true))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	id := base64.RawURLEncoding.EncodeToString(sum[:16])
	row, err := store.OAuthClientByID(r.Context(), s.DB.Reader(), id)
	if errors.Is(err, store.ErrNotFound) {
		row = store.OAuthClient{ID: id, Metadata: b, CreatedAt: s.Now().UnixMilli()}
		err = s.do(r.Context(), func(b *recorder.Batch) error {
			n, err := store.OAuthClients(b.Context(), b.Tx())
			if err == nil && n >= maxClients {
				return httpd.Unavailable("Too many programs have registered here. Ask the IT desk.")
			}
			if err != nil {
				return err
			}
			return store.PutOAuthClient(b.Context(), b.Tx(), row)
		})
	}
	if err != nil {
		return err
	}
	c.ID, c.IssuedAt = id, row.CreatedAt/1000
	return writeJSON(w, http.StatusCreated, &c)
}

// check refuses what the Matrix specification does ("Client registration"), and fills in what is left out.
func (c *Client) check() error {
	bad := func(text string) error { return fail("invalid_client_metadata", text) }
	home, err := url.Parse(c.URI)
	if err != nil || home.Scheme != "https" && !loopback(home.Hostname()) || home.Host == "" || home.User != nil || len(c.URI) > maxURI {
		return bad("client_uri must be the https address of the program's home page.")
	}
	if utf8.RuneCountInString(c.Name) > maxName || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' }) {
		return bad("client_name is at most 100 characters of text.")
	}
	for _, u := range []string{c.LogoURI, c.TOSURI, c.PolicyURI} {
		if u == "" {
			continue
		}
		p, err := url.Parse(u)
		if err != nil || p.Scheme != "https" && !loopback(p.Hostname()) || !sameSite(p.Hostname(), home.Hostname()) || len(u) > maxURI {
			return bad("logo_uri, tos_uri and policy_uri must be https addresses on the host of client_uri.")
		}
	}
	if c.TokenAuthMethod != "" && c.TokenAuthMethod != "none" {
		return bad("token_endpoint_auth_method must be none: a program that registers itself can keep no secret.")
	}
	c.TokenAuthMethod = "none"
	if c.ApplicationType == "" {
		c.ApplicationType = "web"
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code", "refresh_token"}
	}
	if len(c.GrantTypes) > 10 || len(c.ResponseTypes) > 10 {
		return bad("grant_types and response_types have at most 10 elements.")
	}
	if c.ApplicationType != "web" && c.ApplicationType != "native" {
		return bad("application_type must be web or native.")
	}
	if slices.Contains(c.GrantTypes, "authorization_code") && len(c.RedirectURIs) == 0 || len(c.RedirectURIs) > maxRedirects {
		return fail("invalid_redirect_uri", "redirect_uris must have 1 to 20 addresses.")
	}
	for _, u := range c.RedirectURIs {
		if !c.mayRedirect(u, home) {
			return fail("invalid_redirect_uri", "The address "+u+" is not one that such a program may be sent to.")
		}
	}
	return nil
}

// mayRedirect says whether an address is one that the program may have codes sent to: of a web page, on its
// own site; of a program on a device, its own scheme, or the device itself.
func (c *Client) mayRedirect(raw string, home *url.URL) bool {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxURI || u.Fragment != "" || strings.Contains(raw, "#") || u.User != nil {
		return false
	}
	switch {
	case u.Scheme == "https":
		return u.Host != "" && sameSite(u.Hostname(), home.Hostname())
	case u.Scheme == "http" && loopback(u.Hostname()):
		return c.ApplicationType == "native" || loopback(home.Hostname())
	case c.ApplicationType != "native" || u.Host != "":
		return false
	}
	// com.example.app:/callback for a home page on app.example.com or example.com.
	labels := strings.Split(strings.ToLower(home.Hostname()), ".")
	slices.Reverse(labels)
	reversed := strings.Join(labels, ".")
	return strings.Contains(u.Scheme, ".") && (u.Scheme == reversed || strings.HasPrefix(u.Scheme, reversed+"."))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// sameSite says whether a host is the home page's or one below it.
func sameSite(host, home string) bool {
	host, home = strings.ToLower(host), strings.ToLower(home)
	return host == home || strings.HasSuffix(host, "."+home)
}

// client returns a registered program.
func (s *Server) client(ctx context.Context, id string) (*Client, error) {
	row, err := store.OAuthClientByID(ctx, s.DB.Reader(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail("invalid_client", "No program with this client_id has registered here. Start the program again.")
	}
	if err != nil {
		return nil, err
	}
	var c Client
	if err := json.Unmarshal(row.Metadata, &c); err != nil {
		return nil, err
	}
	c.ID = id
	return &c, nil
}

// hasRedirect says whether an address was registered. On the device itself the port may be another each time
// (RFC 8252 section 7.3).
func (c *Client) hasRedirect(raw string) bool {
	if slices.Contains(c.RedirectURIs, raw) {
		return true
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" || !loopback(u.Hostname()) || c.ApplicationType != "native" || u.Fragment != "" || u.User != nil {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(reg string) bool {
		r, err := url.Parse(reg)
		return err == nil && r.Scheme == "http" && r.Hostname() == u.Hostname() && r.EscapedPath() == u.EscapedPath() && r.RawQuery == u.RawQuery
	})
}

// title is what people are told the program is called: its own word, and the site that it speaks for.
func (c *Client) title() string {
	host := c.URI
	if u, err := url.Parse(c.URI); err == nil {
		host = u.Host
	}
	if c.Name == "" {
		return host
	}
	return c.Name + " (" + host + ")"
}
