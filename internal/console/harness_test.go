package console_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"despatch/despatchtest"
	"despatch/internal/identity"
)

// office is a whole server, with the people who work at its console.
type office struct {
	*despatchtest.Server
	url string
}

func start(t testing.TB) *office {
	t.Helper()
	d := despatchtest.Start(t)
	return &office{d, d.URL}
}

// add makes an account with [despatchtest.Password].
func (o *office) add(t testing.TB, name string, roles ...identity.Role) {
	t.Helper()
	_, err := o.Identity.Create(context.Background(), identity.CommandLine, identity.NewPerson{Localpart: name,
		Name: strings.ToUpper(name[:1]) + name[1:], Password: despatchtest.Password, Roles: roles, OwnPassword: true})
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
}

// browser is somebody's, without JavaScript.
type browser struct {
	o    *office
	http *http.Client
	page page
}

// page is what the browser shows.
type page struct {
	path   string // with query
	status int
	body   string
	header http.Header
}

func (o *office) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{o: o, http: &http.Client{Jar: jar}}
}

// signIn makes somebody with roles and signs them in.
func (o *office) signIn(t testing.TB, name string, roles ...identity.Role) *browser {
	t.Helper()
	o.add(t, name, roles...)
	b := o.browser(t)
	b.get(t, "/console/sign-in")
	b.submit(t, "/console/sign-in", "name", name, "password", despatchtest.Password)
	if b.page.path != "/console/" {
		t.Fatalf("%s signed in and is at %s: %s", name, b.page.path, b.page.text())
	}
	return b
}

func (b *browser) get(t testing.TB, path string) page {
	t.Helper()
	return b.do(t, "GET", path, nil)
}

// submit sends the form of the page that has an action, with the fields it holds and those given.
func (b *browser) submit(t testing.TB, action string, fields ...string) page {
	t.Helper()
	form, ok := b.page.form(action)
	if !ok {
		t.Fatalf("%s has no form %q", b.page.path, action)
	}
	given := make(map[string]bool)
	for i := 0; i < len(fields); i += 2 {
		if !given[fields[i]] {
			form.Del(fields[i])
		}
		given[fields[i]] = true
		form.Add(fields[i], fields[i+1])
	}
	if action == "" {
		action = b.page.path
	}
	return b.do(t, "POST", action, form)
}

func (b *browser) do(t testing.TB, method, path string, form url.Values) page {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, b.o.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := b.http.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	b.page = page{path: resp.Request.URL.RequestURI(), status: resp.StatusCode, body: string(raw), header: resp.Header}
	return b.page
}

// follow goes where the first link with a text leads.
func (b *browser) follow(t testing.TB, text string) page {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?s)<a [^>]*href="([^"]*)"[^>]*>(.*?)</a>`).FindAllStringSubmatch(b.page.body, -1) {
		if strings.Contains(plain(m[2]), text) {
			return b.get(t, html.UnescapeString(m[1]))
		}
	}
	t.Fatalf("%s has no link %q: %s", b.page.path, text, b.page.text())
	return page{}
}

var (
	formPattern   = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	hiddenPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	actionPattern = regexp.MustCompile(`action="([^"]*)"`)
	tagPattern    = regexp.MustCompile(`<[^>]*>`)
)

// form returns the hidden fields of the form that is sent to an action; "" is a form without one.
func (p page) form(action string) (url.Values, bool) {
	for _, m := range formPattern.FindAllStringSubmatch(p.body, -1) {
		a := ""
		if x := actionPattern.FindStringSubmatch(m[1]); x != nil {
			a = html.UnescapeString(x[1])
		}
		if a != action || !strings.Contains(m[1], `method="post"`) {
			continue
		}
		v := url.Values{}
		for _, h := range hiddenPattern.FindAllStringSubmatch(m[2], -1) {
			v.Add(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
		}
		return v, true
	}
	return nil, false
}

// text is what the main part of a page says.
func (p page) text() string {
	_, main, _ := strings.Cut(p.body, "<main")
	main, _, _ = strings.Cut(main, "</main>")
	return plain("<main" + main)
}

func plain(s string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tagPattern.ReplaceAllString(s, " "))), " ")
}

// want fails unless the page has a status and its text contains all of words.
func (p page) want(t testing.TB, status int, words ...string) {
	t.Helper()
	if p.status != status {
		t.Errorf("%s: status %d, want %d: %s", p.path, p.status, status, p.text())
	}
	for _, w := range words {
		if !strings.Contains(p.text(), w) {
			t.Errorf("%s says %q, want it to contain %q", p.path, p.text(), w)
		}
	}
}

// post sends a form from another site's page and returns the status.
func post(t testing.TB, b *browser, path string, form url.Values, origin string) int {
	t.Helper()
	req, err := http.NewRequest("POST", b.o.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", origin)
	resp, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
