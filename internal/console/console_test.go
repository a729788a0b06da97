package console_test

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"despatch/despatchtest"
	"despatch/internal/console"
	"despatch/internal/identity"
	"despatch/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// Every route lets in who the table says, and nobody else: not other roles, not those who are not signed
// in, and no form from elsewhere.
func TestRoutes(t *testing.T) {
	o := start(t)
	people := map[identity.Role]*browser{}
	for _, role := range identity.AllRoles[1:] {
		people[role] = o.signIn(t, "p"+string(role), role)
	}
	o.add(t, "zed", identity.Staff)
	fill := strings.NewReplacer("{$}", "", "{user}", "@zed:example.org", "{role}", "security", "{what}", "granted", "{number}", "1",
		"{case}", "nothing", "{item}", "1", "{bundle}", "nothing", "{submission}", "nothing", "{request}", "nothing", "{chat}", "nothing")
	for _, rt := range console.Routes() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		path = fill.Replace(path)
		if path == "/console/sign-out" {
			continue // see TestSignIn
		}
		var form url.Values
		if method == "POST" {
			form = url.Values{"csrf": {"wrong"}}
		}
		for role, b := range people {
			allowed := rt.Who == nil || slices.Contains(rt.Who, role)
			p := b.do(t, method, path, form)
			switch {
			case !allowed && (p.status != 403 || !strings.Contains(p.text(), "This page is for")):
				t.Errorf("%s as %s: status %d, want 403: %s", rt.Pattern, role, p.status, p.text())
			case allowed && rt.Who != nil && method == "POST" && (p.status != 403 || !strings.Contains(p.text(), "This form is too old")):
				t.Errorf("%s as %s without the form's token: status %d, want 403: %s", rt.Pattern, role, p.status, p.text())
			case allowed && strings.Contains(p.text(), "This page is for"):
				t.Errorf("%s as %s: refused", rt.Pattern, role)
			case p.status >= 500:
				t.Errorf("%s as %s: status %d: %s", rt.Pattern, role, p.status, p.text())
			}
		}
		p := o.browser(t).do(t, method, path, form)
		switch {
		case rt.Who == nil && strings.Contains(p.path, "next="):
			t.Errorf("%s, not signed in: sent to %s, although it is open", rt.Pattern, p.path)
		case rt.Who != nil && method == "GET" && !strings.HasPrefix(p.path, "/console/sign-in?next="):
			t.Errorf("%s, not signed in: at %s, want the sign-in", rt.Pattern, p.path)
		case rt.Who != nil && method == "POST" && p.status != 401:
			t.Errorf("%s, not signed in: status %d, want 401", rt.Pattern, p.status)
		}
	}
	o.CheckRecord(t)
}

// Every route with a method POST is refused when the form stands on another site's page.
func TestOtherSites(t *testing.T) {
	o := start(t)
	b := o.browser(t)
	for _, origin := range []string{"https://evil.example", "null"} {
		resp := post(t, b, "/console/sign-in", url.Values{"name": {"a"}, "password": {"b"}}, origin)
		if resp != 403 {
			t.Errorf("sign-in from %s: status %d, want 403", origin, resp)
		}
	}
}

func TestSignIn(t *testing.T) {
	o := start(t)
	o.add(t, "asha", identity.Staff, identity.IT)
	o.add(t, "ben", identity.Staff)
	b := o.browser(t)
	b.get(t, "/console/people?q=zed").want(t, 200, "Sign in")
	b.submit(t, "/console/sign-in").want(t, 422, "There is a problem", "Enter your user name.", "Enter your password.")
	if !strings.Contains(b.page.body, `<a href="#name">`) || !strings.Contains(b.page.body, `id="name"`) {
		t.Error("the error summary does not lead to the field")
	}
	b.submit(t, "/console/sign-in", "name", "asha", "password", "wrong").want(t, 422, "The user name or the password is wrong.")
	b.submit(t, "/console/sign-in", "name", "ben", "password", despatchtest.Password).want(t, 422, "are for those who work there")
	b.submit(t, "/console/sign-in", "name", "Asha ", "password", despatchtest.Password).want(t, 200, "People called “zed”")
	if b.page.path != "/console/people?q=zed" {
		t.Errorf("after the sign-in at %s", b.page.path)
	}
	h := b.page.header
	if h.Get("Content-Security-Policy") == "" || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" {
		t.Errorf("headers of a page: %v", h)
	}
	b.submit(t, "/console/sign-out").want(t, 200, "You are signed out")
	b.get(t, "/console/").want(t, 200, "Sign in")
	for _, next := range []string{"//evil.example/console/", "https://evil.example/console/", "/console/..//evil.example", "/console\\@evil.example", "javascript:alert(1)", "/console/%2e%2e/x"} {
		b := o.browser(t)
		b.get(t, "/console/sign-in?next="+url.QueryEscape(next))
		b.submit(t, "/console/sign-in", "name", "asha", "password", despatchtest.Password)
		if b.page.path != "/console/" {
			t.Errorf("next=%s leads to %s", next, b.page.path)
		}
	}
}

// The first administrator is made with the one-time link, which then is good for nothing.
func TestSetUp(t *testing.T) {
	o := start(t)
	token, err := o.Identity.SetUpLink(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b := o.browser(t)
	b.get(t, "/console/setup?token=wrong").want(t, 403, "This link is too old, or has been used.")
	b.get(t, "/console/setup?token="+token).want(t, 200, "Set up Despatch")
	b.submit(t, "/console/setup").want(t, 422, "Enter your name.", "Enter a user name.", "Enter a password.")
	b.submit(t, "/console/setup", "full-name", "Chloe Evans", "name", "Chloe E", "password", "lantern harbour kettle").want(t, 422, "cannot be a user name")
	b.submit(t, "/console/setup", "full-name", "Chloe Evans", "name", "chloe", "password", "short").want(t, 422, "A password needs 12 characters")
	if !strings.Contains(b.page.body, `<a href="#password">`) || !strings.Contains(b.page.body, `value="Chloe Evans"`) || strings.Contains(b.page.body, `value="short"`) {
		t.Error("the refused form does not lead to the password, has lost the name, or repeats the password")
	}
	b.submit(t, "/console/setup", "full-name", "Chloe Evans", "name", "chloe", "password", "lantern harbour kettle").want(t, 200, "Despatch is set up", "@chloe:example.org")
	b.get(t, "/console/setup?token="+token).want(t, 403, "This link is too old, or has been used.")
	b.get(t, "/console/sign-in")
	b.submit(t, "/console/sign-in", "name", "chloe", "password", "lantern harbour kettle").want(t, 200, "IT desk")
}

// An administrator adds a person, who chooses a password by the link and can sign in with it.
func TestAddPerson(t *testing.T) {
	o := start(t)
	it := o.signIn(t, "chloe", identity.IT)
	it.get(t, "/console/people/add")
	it.submit(t, "/console/people/add", "roles", "none").want(t, 422, "Enter the person’s name.", "Choose what they will do here.")
	it.submit(t, "/console/people/add", "full-name", "Ruth Bennett", "name", "ruth", "roles", "records", "roles", "auditor").want(t, 422, "Nobody can be", "checking their own work")
	it.submit(t, "/console/people/add", "full-name", "Ruth Bennett", "name", "ruth", "roles", "staff", "roles", "records").want(t, 200, "Person added", "Ruth Bennett", "@ruth:example.org")
	link := regexp.MustCompile(`https?://\S+?/console/password\?token=[\w-]+`).FindString(it.page.text())
	u, err := url.Parse(link)
	if err != nil || link == "" {
		t.Fatalf("no link in %s", it.page.text())
	}
	ruth := o.browser(t)
	ruth.get(t, u.RequestURI()).want(t, 200, "Choose a password", "ruth")
	ruth.submit(t, "/console/password", "password", "password1234").want(t, 422, "guessed early")
	ruth.submit(t, "/console/password", "password", "pebble thunder violin").want(t, 200, "Password chosen")
	ruth.get(t, u.RequestURI()).want(t, 403, "This link is too old, or has been used.")
	ruth.get(t, "/console/sign-in")
	ruth.submit(t, "/console/sign-in", "name", "ruth", "password", "pebble thunder violin").want(t, 200, "What would you like to do?")
	ruth.get(t, "/console/account")
	ruth.submit(t, "/console/account", "old", "wrong wrong wrong", "password", "violin thunder pebble").want(t, 422, "is wrong")
	ruth.submit(t, "/console/account", "old", "pebble thunder violin", "password", "violin thunder pebble").want(t, 200, "Your password is changed.")
	it.get(t, "/console/people/add")
	it.submit(t, "/console/people/add", "full-name", "Ruth Again", "name", "ruth", "roles", "staff").want(t, 422, "There is already somebody called")
	it.get(t, "/console/people?q=benn").want(t, 200, "Ruth Bennett")
	it.get(t, "/console/people?q=nobody").want(t, 200, "Nobody.")
	o.CheckRecord(t)
}

// Roles are given and taken away, what is refused is explained, and the confirmation names the entry.
func TestRoles(t *testing.T) {
	o := start(t)
	it := o.signIn(t, "chloe", identity.IT)
	o.add(t, "ruth", identity.Staff, identity.Records)
	ruth := "/console/people/" + url.PathEscape("@ruth:example.org")
	it.get(t, ruth+"/roles/auditor").want(t, 200, "Ruth would become an auditor.")
	it.submit(t, "", "button", "Give the role").want(t, 422, "An auditor would then be checking their own work.")
	it.get(t, ruth+"/roles/approver")
	it.submit(t, "", "button", "Give the role").want(t, 200, "Role given", "On the record as no.")
	it.get(t, ruth).want(t, 200, "Approver Yes")
	it.get(t, ruth+"/roles/approver").want(t, 200, "would no longer be an approver")
	it.submit(t, "", "button", "Take the role away").want(t, 200, "Role taken away", "On the record as no.")
	it.get(t, "/console/people/"+url.PathEscape("@chloe:example.org")+"/roles/it")
	it.submit(t, "", "button", "Take the role away").want(t, 422, "is the last IT administrator")
	it.get(t, ruth+"/roles/king").want(t, 404)
	it.get(t, "/console/people/nobody").want(t, 404)
}

// Disabling ends everything at once, and enabling lets the person sign in again.
func TestDisable(t *testing.T) {
	o := start(t)
	it := o.signIn(t, "chloe", identity.IT)
	ruth := o.signIn(t, "ruth", identity.Records)
	at := "/console/people/" + url.PathEscape("@ruth:example.org")
	it.get(t, at+"/disable").want(t, 200, "stays on the record")
	it.submit(t, "").want(t, 200, "Account disabled", "On the record as no.")
	ruth.get(t, "/console/").want(t, 200, "Sign in")
	ruth.submit(t, "/console/sign-in", "name", "ruth", "password", despatchtest.Password).want(t, 422, "This account is disabled.")
	it.get(t, at+"/enable")
	it.submit(t, "").want(t, 200, "Account enabled")
	ruth.submit(t, "/console/sign-in", "name", "ruth", "password", despatchtest.Password).want(t, 200, "What would you like to do?")
}

// A lost device is signed out, the others stay; then all of them.
func TestLostDevice(t *testing.T) {
	o := start(t)
	it := o.signIn(t, "chloe", identity.IT)
	phone := o.User(t, "ruth", identity.Records)
	laptop := o.SignIn(t, "ruth")
	at := "/console/people/" + url.PathEscape("@ruth:example.org")
	it.get(t, at).want(t, 200, phone.Device, laptop.Device)
	it.get(t, at+"/lost")
	it.submit(t, at+"/lost").want(t, 422, "Choose which device was lost.")
	it.submit(t, at+"/lost", "which", "device "+phone.Device).want(t, 200, "Signed out", "On the record as no.")
	phone.Fails(t, "GET", "/_matrix/client/v3/account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	laptop.Sync(t, 0)
	it.get(t, at+"/lost")
	it.submit(t, at+"/lost", "which", "all").want(t, 200, "Signed out")
	laptop.Fails(t, "GET", "/_matrix/client/v3/account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	it.get(t, at).want(t, 200, "on no device")
}

// The health page says how large the record is, and a check runs by itself to its result.
func TestHealth(t *testing.T) {
	o := start(t)
	it := o.signIn(t, "chloe", identity.IT)
	it.get(t, "/console/health").want(t, 200, "None since the server started", "example.org/despatch")
	it.submit(t, "/console/health/check")
	for deadline := time.Now().Add(20 * time.Second); strings.Contains(it.page.text(), "Checking the record"); it.get(t, "/console/health/check") {
		if !strings.Contains(it.page.body, `http-equiv="refresh"`) {
			t.Fatal("the progress page does not look again by itself")
		}
		if time.Now().After(deadline) {
			t.Fatal("the check does not end")
		}
		time.Sleep(20 * time.Millisecond)
	}
	it.page.want(t, 200, "The record is whole")
}

// Neither the IT desk nor the auditor sees anything that was said; the auditor sees what was done.
func TestNothingSaid(t *testing.T) {
	o := start(t)
	asha, ben := o.User(t, "asha"), o.User(t, "ben")
	room := asha.CreateRoomWith(t, map[string]any{"name": "Sesame topic", "preset": "private_chat"}, ben)
	asha.Send(t, room, "The xyzzy quota is agreed.")
	it := o.signIn(t, "chloe", identity.IT)
	au := o.signIn(t, "harriet", identity.Auditor)
	it.get(t, "/console/people/"+url.PathEscape("@ben:example.org")+"/disable")
	it.submit(t, "")
	for _, rt := range console.Routes() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if method != "GET" || strings.Contains(path, "sign") {
			continue
		}
		path = strings.NewReplacer("{$}", "", "{user}", "@ben:example.org", "{role}", "security", "{what}", "granted", "{number}", "1",
			"{case}", "nothing", "{item}", "1", "{bundle}", "nothing", "{submission}", "nothing", "{chat}", "nothing").Replace(path)
		for _, b := range []*browser{it, au} {
			if p := b.get(t, path); strings.Contains(p.body, "xyzzy") || strings.Contains(p.body, "Sesame") || strings.Contains(p.body, string(room)) {
				t.Errorf("%s shows something of a conversation", path)
			}
		}
	}
	au.get(t, "/console/audit").want(t, 200, "Chloe (@chloe:example.org) disabled the account of Ben (@ben:example.org)",
		"Somebody at the server’s command line added Asha", "gave Harriet (@harriet:example.org) the role of auditor")
	if strings.Contains(au.page.text(), "signed in") {
		t.Error("sign-ins are shown unasked")
	}
	au.get(t, "/console/audit?sign-ins=1").want(t, 200, "Chloe (@chloe:example.org) signed in to the records office and IT desk")
}
