package oauth_test

import (
	"bufio"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"despatch/despatchtest"
	"despatch/internal/oauth"
	"despatch/internal/server"
)

// provider starts a certified OpenID provider and returns its address.
func provider(t *testing.T, callback string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join("testdata", "provider", "node_modules")); err != nil {
		if os.Getenv("DESPATCH_REQUIRE_CHROMIUM") != "" {
			t.Fatal("the provider is not installed: run npm ci in internal/oauth/testdata/provider")
		}
		t.Skip("skipped: the provider is not installed: run npm ci in internal/oauth/testdata/provider")
	}
	cmd := exec.Command("node", "provider.mjs", callback)
	cmd.Dir = filepath.Join("testdata", "provider")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the provider said %q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

// browser follows redirects with cookies, but not to the program's own address.
func browser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "app.example.com" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

var (
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// submit fills in the form of a page.
func submit(t *testing.T, b *http.Client, at *url.URL, text string, fields ...string) (*http.Response, string) {
	t.Helper()
	m := formAction.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no form at %s: %s", at, text)
	}
	to, err := at.Parse(html.UnescapeString(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	f := url.Values{}
	for _, h := range hiddenField.FindAllStringSubmatch(text, -1) {
		f.Set(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
	}
	for i := 0; i < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	resp, err := b.PostForm(to.String(), f)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := (&program{t: t}).page(resp, nil)
	return resp, body
}

// viaProvider signs somebody in there, as far as the page on which they allow the program, or are refused.
func viaProvider(t *testing.T, p *program, b *http.Client, name string) (at *url.URL, status int, text string) {
	t.Helper()
	resp, err := b.Get(p.base + "/oauth2/upstream?" + p.query().Encode())
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = p.page(resp, nil)
	for i := 0; resp.Request.URL.Host != strings.TrimPrefix(p.base, "http://"); i++ {
		if i == 5 {
			t.Fatalf("still at %s: %s", resp.Request.URL, text)
		}
		resp, text = submit(t, b, resp.Request.URL, text, "login", name, "password", "any")
	}
	return resp.Request.URL, resp.StatusCode, text
}

// TestUpstream signs people in by way of oidc-provider, which is certified.
func TestUpstream(t *testing.T) {
	up := &oauth.Upstream{ClientID: "despatch", ClientSecret: "kettle-lantern-harbour", Title: "your department’s account"}
	s := despatchtest.Start(t, func(c *server.Config) { c.Upstream = up })
	up.Issuer = provider(t, s.URL+"/oauth2/callback")
	asha := s.User(t, "asha")
	p := start(t, s)

	if _, text, _ := p.page(p.http.Get(s.URL + "/oauth2/authorize?" + p.query().Encode())); !strings.Contains(text, "Sign in with your department’s account") {
		t.Errorf("the page does not offer it: %s", text)
	}
	b := browser(t)
	at, status, text := viaProvider(t, p, b, "asha")
	if status != 200 || !strings.Contains(text, string(asha.ID)) || !strings.Contains(text, "Harbour (app.example.com)") {
		t.Fatalf("%d %s", status, text)
	}
	// Another browser cannot answer in this one's place.
	if resp, _ := submit(t, browser(t), at, text, "answer", "allow"); resp.StatusCode != 400 {
		t.Errorf("another browser is answered %s", resp.Status)
	}
	at, _, text = viaProvider(t, p, b, "asha")
	resp, _ := submit(t, b, at, text, "answer", "allow")
	to, err := resp.Location()
	if err != nil {
		t.Fatalf("%s, %v", resp.Status, err)
	}
	v, _ := url.ParseQuery(to.EscapedFragment())
	status, tok := p.exchange(v.Get("code"))
	if status != 200 {
		t.Fatalf("exchange: %d %v", status, tok)
	}
	if status, who := p.whoami(tok["access_token"].(string)); status != 200 || who["user_id"] != string(asha.ID) {
		t.Errorf("whoami: %d %v", status, who)
	}
	// The way back works once.
	if resp, err := b.Get(at.String()); err != nil || resp.StatusCode != 400 {
		t.Errorf("the way back once more: %v, %v", resp.Status, err)
	}
	if _, status, text := viaProvider(t, p, browser(t), "tom"); status != 403 || !strings.Contains(text, "no account") {
		t.Errorf("somebody without an account: %d %s", status, text)
	}
	up.Create = true
	if _, status, text := viaProvider(t, p, browser(t), "tom"); status != 200 || !strings.Contains(text, "@tom:example.org") {
		t.Errorf("somebody who is given an account: %d %s", status, text)
	}
	// Somebody else there of the same name is not the same person here.
	up.Claim = "name" // "Person asha" is no user name
	if _, status, _ := viaProvider(t, p, browser(t), "eve"); status != 403 {
		t.Errorf("a claim that is no user name: %d", status)
	}
	s.CheckRecord(t)
}
