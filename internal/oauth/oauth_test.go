package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"despatch/despatchtest"
)

// program is one that signs somebody in.
type program struct {
	t        *testing.T
	base     string
	http     *http.Client
	id       string
	verifier string
}

const callback = "https://app.example.com/callback"

func start(t *testing.T, s *despatchtest.Server) *program {
	p := &program{t: t, base: s.URL, verifier: strings.Repeat("v", 50),
		http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	status, answer := p.post("/oauth2/register", `{"client_name":"Harbour","client_uri":"https://app.example.com/","redirect_uris":["`+callback+`"],
		"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],
		"token_endpoint_auth_method":"none","application_type":"web"}`)
	if status != 201 {
		t.Fatalf("register: %d %v", status, answer)
	}
	p.id = answer["client_id"].(string)
	return p
}

func (p *program) post(path, body string) (int, map[string]any) {
	p.t.Helper()
	resp, err := p.http.Post(p.base+path, "application/json", strings.NewReader(body))
	return p.read(resp, err)
}

func (p *program) form(path string, f url.Values) (int, map[string]any) {
	p.t.Helper()
	resp, err := p.http.PostForm(p.base+path, f)
	return p.read(resp, err)
}

func (p *program) read(resp *http.Response, err error) (int, map[string]any) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		p.t.Fatalf("%s: %s", resp.Status, raw)
	}
	return resp.StatusCode, v
}

func (p *program) query(change ...string) url.Values {
	sum := sha256.Sum256([]byte(p.verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {callback}, "state": {"st&te"}, "response_mode": {"fragment"},
		"scope": {"openid urn:matrix:client:api:* urn:matrix:client:device:HARBOUR123"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return q
}

// page fetches a page and returns its text or where it leads.
func (p *program) page(resp *http.Response, err error) (status int, text string, to *url.URL) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if to, err = resp.Location(); err != nil {
		to = nil
	}
	return resp.StatusCode, string(raw), to
}

// allow signs in on the page as somebody and returns what the program is told.
func (p *program) allow(name, password, answer string) url.Values {
	p.t.Helper()
	f := p.query()
	f.Set("name", name)
	f.Set("password", password)
	f.Set("answer", answer)
	status, text, to := p.page(p.http.PostForm(p.base+"/oauth2/authorize", f))
	if to == nil {
		p.t.Fatalf("%d %s", status, text)
	}
	if !strings.HasPrefix(to.String(), callback+"#") {
		p.t.Fatalf("sent to %s", to)
	}
	v, err := url.ParseQuery(to.EscapedFragment())
	if err != nil || v.Get("state") != "st&te" || v.Get("iss") != p.base+"/" {
		p.t.Fatalf("told %v, %v", v, err)
	}
	return v
}

func (p *program) exchange(code string) (int, map[string]any) {
	p.t.Helper()
	return p.form("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {p.id}, "redirect_uri": {callback}, "code_verifier": {p.verifier}})
}

func (p *program) whoami(token string) (int, map[string]any) {
	p.t.Helper()
	req, err := http.NewRequest("GET", p.base+"/_matrix/client/v3/account/whoami", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return p.read(p.http.Do(req))
}

func TestAuthorizationCode(t *testing.T) {
	s := despatchtest.Start(t)
	asha := s.User(t, "asha")
	p := start(t, s)

	_, m := p.read(p.http.Get(s.URL + "/_matrix/client/v1/auth_metadata"))
	if m["issuer"] != s.URL+"/" || m["token_endpoint"] != s.URL+"/oauth2/token" {
		t.Errorf("metadata are %v", m)
	}
	status, text, _ := p.page(p.http.Get(s.URL + "/oauth2/authorize?" + p.query().Encode()))
	if status != 200 || !strings.Contains(text, "Harbour (app.example.com)") || !strings.Contains(text, `type="password"`) {
		t.Errorf("the page is %d %s", status, text)
	}
	f := p.query("answer", "allow", "name", "asha", "password", "wrong")
	if status, text, to := p.page(p.http.PostForm(s.URL+"/oauth2/authorize", f)); status != 403 || to != nil || !strings.Contains(text, "wrong") {
		t.Errorf("a wrong password: %d %v", status, to)
	}
	if v := p.allow("asha", "", "deny"); v.Get("error") != "access_denied" || v.Get("code") != "" {
		t.Errorf("refused: %v", v)
	}
	v := p.allow("asha", despatchtest.Password, "allow")
	status, tok := p.exchange(v.Get("code"))
	if status != 200 || tok["token_type"] != "Bearer" || tok["refresh_token"] == nil {
		t.Fatalf("exchange: %d %v", status, tok)
	}
	if status, again := p.exchange(v.Get("code")); status != 400 || again["error"] != "invalid_grant" {
		t.Errorf("the code works twice: %d %v", status, again)
	}
	if status, who := p.whoami(tok["access_token"].(string)); status != 200 || who["user_id"] != string(asha.ID) || who["device_id"] != "HARBOUR123" {
		t.Errorf("whoami: %d %v", status, who)
	}
	refresh := func(token any) (int, map[string]any) {
		return p.form("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {p.id}, "refresh_token": {token.(string)}})
	}
	_, second := refresh(tok["refresh_token"])
	_, third := refresh(tok["refresh_token"]) // the answer was lost
	if status, who := p.whoami(third["access_token"].(string)); status != 200 {
		t.Errorf("after a refresh: %d %v", status, who)
	}
	_, fourth := refresh(third["refresh_token"])
	if status, e := refresh(tok["refresh_token"]); status != 400 || e["error"] != "invalid_grant" {
		t.Errorf("the first refresh token still works: %d %v, %v", status, e, second)
	}
	if status, _ := p.form("/oauth2/revoke", url.Values{"token": {fourth["refresh_token"].(string)}, "client_id": {p.id}}); status != 200 {
		t.Errorf("revoke: %d", status)
	}
	if status, _ := p.whoami(fourth["access_token"].(string)); status != 401 {
		t.Errorf("after it was revoked: %d", status)
	}
	if status, _ := refresh(fourth["refresh_token"]); status != 400 {
		t.Errorf("a revoked refresh token: %d", status)
	}
	s.CheckRecord(t)
}

// TestWrongRequests sends what a hostile or broken program would.
func TestWrongRequests(t *testing.T) {
	s := despatchtest.Start(t)
	s.User(t, "asha")
	p := start(t, s)
	for _, test := range []struct {
		name, key, value string
		said             string // to the program; "" if only the person is told
	}{
		{"another address", "redirect_uri", "https://evil.example/callback", ""},
		{"another program", "client_id", "nobody", ""},
		{"no challenge", "code_challenge", "", "invalid_request"},
		{"a plain challenge", "code_challenge_method", "plain", "invalid_request"},
		{"a token at once", "response_type", "token", "unsupported_response_type"},
		{"no device", "scope", "urn:matrix:client:api:*", "invalid_scope"},
		{"a short device", "scope", "urn:matrix:client:api:* urn:matrix:client:device:X", "invalid_scope"},
		{"two devices", "scope", "urn:matrix:client:api:* urn:matrix:client:device:AAAAAAAAAA urn:matrix:client:device:BBBBBBBBBB", "invalid_scope"},
		{"an odd mode", "response_mode", "form_post", "invalid_request"},
	} {
		status, text, to := p.page(p.http.Get(s.URL + "/oauth2/authorize?" + p.query(test.key, test.value).Encode()))
		switch {
		case test.said == "" && (to != nil || status < 400):
			t.Errorf("%s: %d, sent to %v", test.name, status, to)
		case test.said != "" && (to == nil || !strings.Contains(to.String(), "error="+test.said) || !strings.HasPrefix(to.String(), callback)):
			t.Errorf("%s: %d %v %s", test.name, status, to, text)
		}
	}
	code := p.allow("asha", despatchtest.Password, "allow").Get("code")
	p.verifier = strings.Repeat("w", 50)
	if status, e := p.exchange(code); status != 400 || e["error"] != "invalid_grant" {
		t.Errorf("a code with somebody else's verifier: %d %v", status, e)
	}
	for _, body := range []string{
		`{"client_uri":"http://app.example.com/","redirect_uris":["` + callback + `"]}`,
		`{"client_uri":"https://app.example.com/"}`,
		`{"client_uri":"https://app.example.com/","redirect_uris":["https://evil.example/"]}`,
		`{"client_uri":"https://app.example.com/","redirect_uris":["https://app.example.com/#x"]}`,
		`{"client_uri":"https://app.example.com/","redirect_uris":["com.example.app:/x"]}`,
		`{"client_uri":"https://app.example.com/","application_type":"native","redirect_uris":["org.evil:/x"]}`,
		`{"client_uri":"https://app.example.com/","redirect_uris":["javascript:alert(1)"]}`,
		`{"client_uri":"https://app.example.com/","redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"client_secret_basic"}`,
		`[]`, `{`, ``, `{"client_uri":"https://app.example.com/","redirect_uris":["` + strings.Repeat("x", 40_000) + `"]}`,
	} {
		if status, e := p.post("/oauth2/register", body); status != 400 || e["error"] == nil {
			t.Errorf("register %.80s: %d %v", body, status, e)
		}
	}
	for _, body := range []string{
		`{"client_uri":"https://app.example.com/","application_type":"native","redirect_uris":["com.example.app:/callback","http://127.0.0.1/cb","http://[::1]/cb"]}`,
		`{"client_uri":"https://example.com/","application_type":"native","redirect_uris":["com.example.app.debug:/callback"]}`,
	} {
		if status, e := p.post("/oauth2/register", body); status != 201 {
			t.Errorf("register %.80s: %d %v", body, status, e)
		}
	}
}

func TestDeviceGrant(t *testing.T) {
	s := despatchtest.Start(t)
	s.User(t, "asha")
	p := start(t, s)
	begin := func() map[string]any {
		t.Helper()
		status, d := p.form("/oauth2/device", url.Values{"client_id": {p.id}, "scope": {"urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:LAPTOP1234"}})
		if status != 200 || !regexp.MustCompile(`^[A-Z]{4}-[A-Z]{4}$`).MatchString(d["user_code"].(string)) {
			t.Fatalf("%d %v", status, d)
		}
		return d
	}
	poll := func(d map[string]any) (int, map[string]any) {
		return p.form("/oauth2/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d["device_code"].(string)}, "client_id": {p.id}})
	}
	answer := func(code, password, answer string) (int, string) {
		status, text, _ := p.page(p.http.PostForm(s.URL+"/oauth2/link", url.Values{"user_code": {code}, "name": {"asha"}, "password": {password}, "answer": {answer}}))
		return status, text
	}
	d := begin()
	if status, e := poll(d); status != 400 || e["error"] != "authorization_pending" {
		t.Errorf("before: %d %v", status, e)
	}
	if status, e := poll(d); status != 400 || e["error"] != "slow_down" {
		t.Errorf("at once again: %d %v", status, e)
	}
	if status, text, _ := p.page(p.http.Get(d["verification_uri_complete"].(string))); status != 200 || !strings.Contains(text, d["user_code"].(string)) {
		t.Errorf("the page: %d %s", status, text)
	}
	if status, _ := answer(d["user_code"].(string), "wrong", "allow"); status != 403 {
		t.Errorf("a wrong password: %d", status)
	}
	if status, _ := answer("BBBB-BBBB", despatchtest.Password, "allow"); status != 422 {
		t.Errorf("a wrong code: %d", status)
	}
	if status, text := answer(strings.ToLower(d["user_code"].(string)), despatchtest.Password, "allow"); status != 200 {
		t.Fatalf("allow: %d %s", status, text)
	}
	status, tok := poll(d)
	if status != 200 {
		t.Fatalf("after: %d %v", status, tok)
	}
	if status, who := p.whoami(tok["access_token"].(string)); status != 200 || who["device_id"] != "LAPTOP1234" {
		t.Errorf("whoami: %d %v", status, who)
	}
	if status, e := poll(d); status != 400 || e["error"] != "expired_token" {
		t.Errorf("once more: %d %v", status, e)
	}
	d = begin()
	if status, _ := answer(d["user_code"].(string), despatchtest.Password, "deny"); status != 200 {
		t.Errorf("deny: %d", status)
	}
	if status, e := poll(d); status != 400 || e["error"] != "access_denied" {
		t.Errorf("after it was refused: %d %v", status, e)
	}
}
