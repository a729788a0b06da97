package identity_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

const (
	server   = "example.gov.uk"
	password = "three unlikely words"
)

var home = netip.MustParseAddr("192.0.2.7")

// clock is a time that tests own.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	c.t = c.t.Add(d)
	c.mu.Unlock()
}

type fixture struct {
	*identity.Service
	opt   identity.Options
	clock *clock
	db    *sqldb.DB
}

// cheap makes tests fast; TestCost looks at the real one.
var cheap = identity.Cost{Memory: 64, Passes: 1}

func start(t testing.TB, target string) *fixture {
	t.Helper()
	db := sqldbtest.Open(t, target)
	if err := store.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	private, _, err := record.GenerateKey(rand.Reader, record.Origin(server))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{t: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	log := slog.New(slog.DiscardHandler)
	rec, err := recorder.Open(t.Context(), recorder.Options{DB: db, Signer: signer, Log: log, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rec.Close() })
	opt := identity.Options{Server: server, DB: db, Record: rec, Log: log, Now: c.now, Cost: cheap}
	return &fixture{Service: identity.New(opt), opt: opt, clock: c, db: db}
}

func each(t *testing.T, fn func(t *testing.T, f *fixture)) {
	sqldbtest.Each(t, func(t *testing.T, target string) { fn(t, start(t, target)) })
}

func (f *fixture) person(t testing.TB, localpart string, roles ...identity.Role) matrix.UserID {
	t.Helper()
	u, err := f.Create(t.Context(), identity.CommandLine, identity.NewPerson{Localpart: localpart, Roles: roles, Password: password, OwnPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (f *fixture) signIn(t testing.TB, user matrix.UserID) *identity.SignedIn {
	t.Helper()
	in, err := f.SignIn(t.Context(), identity.SignIn{User: string(user), Password: password, From: home})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// entries returns the bodies of the entries in the scope of the organisation.
func (f *fixture) entries(t testing.TB) []string {
	t.Helper()
	var out []string
	err := store.Entries(t.Context(), f.db.Reader(), 0, 1<<60, func(e *store.Entry) error {
		out = append(out, e.Kind.String()+" "+string(e.Body))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *fixture) lastEntry(t testing.TB) string {
	all := f.entries(t)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// code is the Matrix error code of what the service refused.
func code(err error) string {
	if e, ok := errors.AsType[*httpd.Error](err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

func want(t testing.TB, what string, err error, errcode, text string) {
	t.Helper()
	if err == nil || code(err) != errcode || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, want %s with %q", what, err, errcode, text)
	}
}

func TestSignInAndOut(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		asha := f.person(t, "asha.patel")
		for _, typed := range []string{"asha.patel", "@asha.patel:" + server, " Asha.Patel "} {
			in, err := f.SignIn(ctx, identity.SignIn{User: typed, Password: password, From: home, DeviceName: "Phone"})
			if err != nil {
				t.Fatalf("sign in as %q: %v", typed, err)
			}
			x, err := f.Authenticate(ctx, in.Token)
			if err != nil || x.User != asha || x.Device != in.Device || !x.Roles().Has(identity.Staff) {
				t.Fatalf("Authenticate = %+v, %v", x, err)
			}
			if last := f.lastEntry(t); last != `session {"by":"`+string(asha)+`","device":"`+in.Device+`","person":"`+string(asha)+`","type":"session.began","with":"password"}` {
				t.Errorf("entry %s", last)
			}
			if err := f.SignOut(ctx, x); err != nil {
				t.Fatal(err)
			}
			select {
			case <-x.Done():
			default:
				t.Error("a long poll of the session would go on")
			}
			_, err = f.Authenticate(ctx, in.Token)
			want(t, "after signing out", err, "M_UNKNOWN_TOKEN", "")
			if e, _ := errors.AsType[*httpd.Error](err); e.Fields["soft_logout"] != false {
				t.Errorf("soft_logout = %v: the device would keep what it has", e.Fields["soft_logout"])
			}
			if !strings.Contains(f.lastEntry(t), "session.ended") {
				t.Errorf("entry %s", f.lastEntry(t))
			}
		}
		for _, in := range []identity.SignIn{
			{User: "asha.patel", Password: "wrong"}, {User: "nobody", Password: password}, {User: "@asha.patel:elsewhere.org", Password: password},
			{User: "", Password: ""}, {User: "asha.patel", Password: ""}, {User: "asha.patel", Password: strings.Repeat("x", 5000)}, {User: "\x00\xff", Password: "x"},
		} {
			_, err := f.SignIn(ctx, in)
			want(t, fmt.Sprintf("sign in as %q", in.User), err, "M_FORBIDDEN", "user name or the password")
		}
		_, err := f.Authenticate(ctx, "")
		want(t, "no token", err, "M_MISSING_TOKEN", "")
		_, err = f.Authenticate(ctx, "made up")
		want(t, "made-up token", err, "M_UNKNOWN_TOKEN", "")
		for _, e := range f.entries(t) {
			if strings.Contains(e, password) || strings.Contains(e, "argon2") || strings.Contains(e, "despatch_d_") {
				t.Errorf("a secret is on the record: %s", e)
			}
		}
	})
}

func TestTokensAreStoredHashed(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	in := f.signIn(t, f.person(t, "asha"))
	rows, err := store.Sessions(t.Context(), f.db.Reader(), string(in.User))
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	if strings.Contains(in.Token, string(rows[0].Token[:])) || len(in.Token) < 43 {
		t.Errorf("token %q of %d bytes", in.Token, len(in.Token))
	}
	p, _ := store.PersonByID(t.Context(), f.db.Reader(), string(in.User))
	if !strings.HasPrefix(p.Password, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("stored password %q", p.Password)
	}
}

func TestDevices(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		asha, ben := f.person(t, "asha"), f.person(t, "ben")
		it, sec := f.person(t, "iris", identity.IT), f.person(t, "sam", identity.Security)
		phone, laptop := f.signIn(t, asha), f.signIn(t, asha)

		again, err := f.SignIn(ctx, identity.SignIn{User: "asha", Password: password, Device: phone.Device, DeviceName: "Phone"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Authenticate(ctx, phone.Token)
		want(t, "old token of a device that signed in again", err, "M_UNKNOWN_TOKEN", "")
		if ds, _ := f.Devices(ctx, asha); len(ds) != 2 {
			t.Errorf("%d devices, want 2", len(ds))
		}
		if err := f.NameDevice(ctx, asha, laptop.Device, "Office  laptop"); err != nil {
			t.Fatal(err)
		}
		ds, _ := f.Devices(ctx, asha)
		names := []string{ds[0].Name, ds[1].Name}
		if slices.Sort(names); !slices.Equal(names, []string{"Office laptop", "Phone"}) {
			t.Errorf("device names %q", names)
		}
		want(t, "name a device of nobody", f.NameDevice(ctx, ben, laptop.Device, "Mine"), "M_NOT_FOUND", "")

		want(t, "remove another's device", f.RemoveDevice(ctx, identity.By(ben), asha, laptop.Device), "M_FORBIDDEN", "Only an IT administrator or a security officer")
		if err := f.RemoveDevice(ctx, identity.By(sec), asha, laptop.Device); err != nil {
			t.Fatal(err)
		}
		_, err = f.Authenticate(ctx, laptop.Token)
		want(t, "removed device", err, "M_UNKNOWN_TOKEN", "")
		if _, err := f.Authenticate(ctx, again.Token); err != nil {
			t.Errorf("the other device: %v", err)
		}
		if !strings.Contains(f.lastEntry(t), `"by":"@sam:`+server+`"`) {
			t.Errorf("entry %s", f.lastEntry(t))
		}
		third := f.signIn(t, asha)
		if err := f.SignOutAll(ctx, identity.By(asha), asha, third.Session); err != nil {
			t.Fatal(err)
		}
		// The session that was given is one fresh from signing in, not the one of the cache.
		if _, err := f.Authenticate(ctx, third.Token); err != nil {
			t.Errorf("the session kept: %v", err)
		}
		_, err = f.Authenticate(ctx, again.Token)
		want(t, "signed out everywhere else", err, "M_UNKNOWN_TOKEN", "")
		if err := f.SignOutAll(ctx, identity.By(it), asha, nil); err != nil {
			t.Fatal(err)
		}
		_, err = f.Authenticate(ctx, third.Token)
		want(t, "signed out by the IT desk", err, "M_UNKNOWN_TOKEN", "")
		n := len(f.entries(t))
		if err := f.SignOutAll(ctx, identity.By(it), asha, nil); err != nil || len(f.entries(t)) != n {
			t.Errorf("signing out nobody: %v, %d entries more", err, len(f.entries(t))-n)
		}
		for range 55 {
			f.clock.pass(time.Second)
			f.signIn(t, asha)
		}
		if ds, _ := f.Devices(ctx, asha); len(ds) != 50 {
			t.Errorf("%d devices, want 50", len(ds))
		}
	})
}

func TestExpiry(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		f.person(t, "rosa", identity.Records)
		device := f.signIn(t, "@rosa:"+server)
		office, err := f.SignIn(ctx, identity.SignIn{User: "rosa", Password: password, Console: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Authenticate(ctx, office.Token)
		want(t, "the console's cookie as an access token", err, "M_UNKNOWN_TOKEN", "")
		_, err = f.AuthenticateConsole(ctx, device.Token)
		want(t, "an access token as the console's cookie", err, "M_UNKNOWN_TOKEN", "")
		for range 30 { // used each 20 minutes: good for 12 hours at most
			f.clock.pass(20 * time.Minute)
			if x, err := f.AuthenticateConsole(ctx, office.Token); err != nil || !x.Console() || !x.Roles().Has(identity.Records) {
				t.Fatalf("after %v: %v", f.clock.now(), err)
			}
		}
		f.clock.pass(2 * time.Hour)
		_, err = f.AuthenticateConsole(ctx, office.Token)
		want(t, "after 12 hours", err, "M_UNKNOWN_TOKEN", "")

		idle, _ := f.SignIn(ctx, identity.SignIn{User: "rosa", Password: password, Console: true})
		f.clock.pass(29 * time.Minute)
		if _, err := f.AuthenticateConsole(ctx, idle.Token); err != nil {
			t.Errorf("after 29 minutes: %v", err)
		}
		f.clock.pass(31 * time.Minute)
		_, err = f.AuthenticateConsole(ctx, idle.Token)
		want(t, "idle for 31 minutes", err, "M_UNKNOWN_TOKEN", "")

		f.clock.pass(50 * 24 * time.Hour)
		if _, err := f.Authenticate(ctx, device.Token); err != nil {
			t.Errorf("device after 50 days: %v", err)
		}
		f.Tidy(ctx)
		restarted := identity.New(f.opt) // what was seen has been stored
		f.clock.pass(60 * 24 * time.Hour)
		if _, err := restarted.Authenticate(ctx, device.Token); err != nil {
			t.Errorf("device seen 60 days ago: %v", err)
		}
		f.clock.pass(91 * 24 * time.Hour)
		_, err = restarted.Authenticate(ctx, device.Token)
		want(t, "device not seen for 91 days", err, "M_UNKNOWN_TOKEN", "")
		if e, _ := errors.AsType[*httpd.Error](err); e.Fields["soft_logout"] != true {
			t.Error("want soft_logout: the device may keep what it has")
		}
		restarted.Tidy(ctx)
		if rows, _ := store.Sessions(ctx, f.db.Reader(), "@rosa:"+server); len(rows) != 0 {
			t.Errorf("%d expired sessions left", len(rows))
		}
	})
}

func TestRoles(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		iris, asha := f.person(t, "iris", identity.IT), f.person(t, "asha")
		it := identity.By(iris)
		in := f.signIn(t, asha)
		x, err := f.Authenticate(ctx, in.Token)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "staff grants", f.Grant(ctx, identity.By(asha), asha, identity.Records), "M_FORBIDDEN", "Only an IT administrator")
		if err := f.Grant(ctx, it, asha, identity.Records); err != nil {
			t.Fatal(err)
		}
		if !x.Roles().Has(identity.Records) {
			t.Error("the session does not know of the new role")
		}
		if got := f.lastEntry(t); got != `role {"by":"`+string(iris)+`","person":"`+string(asha)+`","role":"records","type":"role.granted"}` {
			t.Errorf("entry %s", got)
		}
		n := len(f.entries(t))
		if err := f.Grant(ctx, it, asha, identity.Records); err != nil || len(f.entries(t)) != n {
			t.Errorf("granting again: %v, %d entries more", err, len(f.entries(t))-n)
		}
		want(t, "records officer made IT", f.Grant(ctx, it, asha, identity.IT), "M_FORBIDDEN", "at once")
		want(t, "IT makes itself records officer", f.Grant(ctx, it, iris, identity.Records), "M_FORBIDDEN", "remove the traces")
		want(t, "IT makes itself approver", f.Grant(ctx, it, iris, identity.Approver), "M_FORBIDDEN", "approve what")
		want(t, "IT makes itself auditor", f.Grant(ctx, it, iris, identity.Auditor), "M_FORBIDDEN", "their own work")
		want(t, "unknown role", f.Grant(ctx, it, asha, "king"), "M_INVALID_PARAM", "king")
		want(t, "unknown person", f.Grant(ctx, it, "@nobody:"+server, identity.Staff), "M_NOT_FOUND", "nobody")
		_, err = f.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: "both", Roles: []identity.Role{identity.IT, identity.Records}, Password: password})
		want(t, "created with both", err, "M_FORBIDDEN", "at once")
		if len(f.entries(t)) != n {
			t.Error("what was refused is on the record")
		}
		if err := f.Revoke(ctx, it, asha, identity.Records); err != nil {
			t.Fatal(err)
		}
		if x.Roles().Has(identity.Records) {
			t.Error("the session does not know that the role is gone")
		}
		want(t, "the last IT administrator", f.Revoke(ctx, it, iris, identity.IT), "M_FORBIDDEN", "last")
		want(t, "disable the last IT administrator", f.Disable(ctx, it, iris), "M_FORBIDDEN", "last")
		f.person(t, "ivan", identity.IT)
		if err := f.Revoke(ctx, it, iris, identity.IT); err != nil {
			t.Fatal(err)
		}
		want(t, "who is administrator no more", f.Grant(ctx, it, asha, identity.Staff), "M_FORBIDDEN", "Only")
		if err := f.Grant(ctx, "", asha, identity.Auditor); err == nil {
			t.Error("nobody granted a role")
		}
		if ids, _ := f.InRole(ctx, identity.IT); !slices.Equal(ids, []matrix.UserID{"@ivan:" + server}) {
			t.Errorf("IT: %v", ids)
		}
	})
}

func TestDisable(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		asha := f.person(t, "asha")
		in := f.signIn(t, asha)
		if err := f.Disable(ctx, identity.CommandLine, asha); err != nil {
			t.Fatal(err)
		}
		_, err := f.Authenticate(ctx, in.Token)
		want(t, "token of a disabled person", err, "M_UNKNOWN_TOKEN", "")
		_, err = f.SignIn(ctx, identity.SignIn{User: "asha", Password: password, From: home})
		want(t, "sign in while disabled", err, "M_USER_DEACTIVATED", "IT desk")
		_, err = f.SignIn(ctx, identity.SignIn{User: "asha", Password: "wrong", From: home})
		want(t, "guess while disabled", err, "M_FORBIDDEN", "user name or the password")
		if found, _, _ := f.Search(ctx, "asha", 10); len(found) != 0 {
			t.Errorf("found %v", found)
		}
		if p, err := f.Person(ctx, asha); err != nil || p.Disabled == 0 {
			t.Errorf("Person = %+v, %v", p, err)
		}
		if err := f.Enable(ctx, identity.CommandLine, asha); err != nil {
			t.Fatal(err)
		}
		f.signIn(t, asha)
	})
}

func TestUserNames(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	ctx := t.Context()
	for _, bad := range []string{"", "Asha", "a b", "asha@x", "a:b", "é", "a\x00b", strings.Repeat("a", 300)} {
		_, err := f.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: bad, Password: password})
		want(t, fmt.Sprintf("%q", bad), err, "M_INVALID_USERNAME", "")
	}
	f.person(t, "a.b_c=d-e/f+1")
	f.person(t, "asha")
	_, err := f.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: "asha", Password: password})
	want(t, "twice", err, "M_USER_IN_USE", "already")
	for _, bad := range []string{"a\u202eb", "a\u200bb", "a\x07b", strings.Repeat("x", 101), "\xff"} {
		_, err := f.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: "other", Name: bad, Password: password})
		want(t, fmt.Sprintf("name %q", bad), err, "M_INVALID_PARAM", "")
	}
	for _, weak := range []string{"short", "aaaaaaaaaaaaaaaa", "password123456", "ashaashaasha", "123456789012345", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("long words ", 100)} {
		_, err := f.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: "asha2", Password: weak})
		want(t, fmt.Sprintf("password %q", weak), err, "M_WEAK_PASSWORD", "")
	}
}

func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for localpart, name := range map[string]string{"asha.patel": "Asha Patel", "a.obrien": "Áine O’Brien", "zoe": "Zoë Patterson",
			"li": "李 小龙", "ben": "Ben Ash", "pat": "Pat", "ashraf": "Mohammed ASHRAF"} {
			if _, err := f.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: localpart, Name: name, Password: password}); err != nil {
				t.Fatal(err)
			}
		}
		for text, want := range map[string]string{
			"ash": "asha.patel ashraf ben", "ASHA": "asha.patel", "pat ash": "asha.patel", "patel asha": "asha.patel",
			"aine": "a.obrien", "Zoë": "zoe", "zoe": "zoe", "李": "li", "sha": "", "": "", "%": "", "_": "", "brien": "a.obrien",
			"asha pat nobody": "", "\xff": "", "@asha.patel:": "asha.patel",
		} {
			found, more, err := f.Search(ctx, text, 10)
			var got []string
			for _, p := range found {
				got = append(got, p.ID.Localpart())
			}
			if slices.Sort(got); err != nil || more || strings.Join(got, " ") != want {
				t.Errorf("Search(%q) = %v, %v, %v; want %s", text, got, more, err, want)
			}
		}
		if found, more, _ := f.Search(ctx, "pat", 2); len(found) != 2 || !more {
			t.Errorf("Search with limit 2: %d, %v", len(found), more)
		}
		name, avatar := "Asha Rao", "mxc://"+server+"/abc"
		asha := matrix.UserID("@asha.patel:" + server)
		want(t, "another's profile", f.SetProfile(ctx, identity.By("@ben:"+server), asha, &name, nil), "M_FORBIDDEN", "")
		if err := f.SetProfile(ctx, identity.By(asha), asha, &name, nil); err != nil {
			t.Fatal(err)
		}
		if err := f.SetProfile(ctx, identity.By(asha), asha, nil, &avatar); err != nil {
			t.Fatal(err)
		}
		if p, err := f.Person(ctx, asha); err != nil || p.Name != name || p.Avatar != avatar {
			t.Errorf("Person = %+v, %v", p, err)
		}
		if found, _, _ := f.Search(ctx, "rao", 10); len(found) != 1 {
			t.Error("not found by the new name")
		}
		if got := f.lastEntry(t); !strings.Contains(got, `"type":"person.profile"`) || !strings.Contains(got, `"name":"Asha Rao"`) {
			t.Errorf("entry %s", got)
		}
	})
}

func TestGuessing(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	ctx := t.Context()
	asha := f.person(t, "asha")
	guess := func(user string, from netip.Addr) error {
		_, err := f.SignIn(ctx, identity.SignIn{User: user, Password: "wrong guess", From: from})
		return err
	}
	refused := 0
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 20 { // all at once
		wg.Go(func() {
			if code(guess("asha", home)) == "M_LIMIT_EXCEEDED" {
				mu.Lock()
				refused++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if refused != 14 {
		t.Errorf("%d of 20 guesses refused, want 14", refused)
	}
	_, err := f.SignIn(ctx, identity.SignIn{User: "asha", Password: password, From: home})
	want(t, "right password among guesses", err, "M_LIMIT_EXCEEDED", "")
	if e, _ := errors.AsType[*httpd.Error](err); e.RetryAfter <= 0 || e.RetryAfter > 30*time.Second {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	if _, err := f.SignIn(ctx, identity.SignIn{User: "asha", Password: password, From: netip.MustParseAddr("198.51.100.1")}); err != nil {
		t.Errorf("from elsewhere, where nobody guessed: %v", err)
	}
	f.clock.pass(31 * time.Second)
	f.signIn(t, asha)
	for range 50 { // right ones cost nothing
		f.signIn(t, asha)
	}

	// Many accounts from one address.
	f.clock.pass(time.Hour)
	refused = 0
	for i := range 130 {
		if code(guess(fmt.Sprintf("user%d", i), home)) == "M_LIMIT_EXCEEDED" {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d guesses from one address refused, want 10", refused)
	}
	// One account from many addresses; addresses of one customer count as one.
	refused = 0
	for i := range 70 {
		if code(guess("asha", netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(i)}))) == "M_LIMIT_EXCEEDED" {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d guesses for one account refused, want 10", refused)
	}
	f.clock.pass(time.Hour)
	refused = 0
	for i := range 10 {
		if code(guess("asha", netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}))) == "M_LIMIT_EXCEEDED" {
			refused++
		}
	}
	if refused != 4 {
		t.Errorf("%d guesses from one /64 refused, want 4", refused)
	}
}

// A flood of sign-ins waits in bounded number and is refused beyond.
func TestFlood(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	f.person(t, "asha")
	opt := f.opt
	opt.Cost = identity.Cost{Memory: 2 << 10, Passes: 2}
	s := identity.New(opt)
	var wg sync.WaitGroup
	codes := make(chan string, 300)
	for i := range 300 {
		wg.Go(func() {
			_, err := s.SignIn(t.Context(), identity.SignIn{User: fmt.Sprintf("u%d", i), Password: "x", From: netip.AddrFrom4([4]byte{10, 0, byte(i), 1})})
			codes <- code(err)
		})
	}
	wg.Wait()
	close(codes)
	n := map[string]int{}
	for c := range codes {
		n[c]++
	}
	if n["M_LIMIT_EXCEEDED"] < 100 || n["M_FORBIDDEN"] < 60 || n["M_LIMIT_EXCEEDED"]+n["M_FORBIDDEN"] != 300 {
		t.Errorf("answers %v", n)
	}
}

// The time to refuse does not tell whether there is such an account.
func TestEqualWork(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	opt := f.opt
	opt.Cost = identity.Cost{Memory: 4 << 10, Passes: 2}
	s := identity.New(opt)
	ctx := t.Context()
	if _, err := s.Create(ctx, identity.CommandLine, identity.NewPerson{Localpart: "asha", Password: password}); err != nil {
		t.Fatal(err)
	}
	took := func(user string) time.Duration {
		best := time.Hour
		for i := range 12 {
			began := time.Now()
			s.SignIn(ctx, identity.SignIn{User: user, Password: "wrong guess", From: netip.AddrFrom4([4]byte{10, 1, byte(i), 1})})
			best = min(best, time.Since(began))
		}
		return best
	}
	known, unknown := took("asha"), took("nobody")
	if known > 2*unknown || unknown > 2*known {
		t.Errorf("refused after %v for an account, %v for none", known, unknown)
	}
}

func TestPasswordIsUpgraded(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	asha := f.person(t, "asha")
	opt := f.opt
	opt.Cost = identity.Cost{Memory: 128, Passes: 2}
	if _, err := identity.New(opt).SignIn(t.Context(), identity.SignIn{User: "asha", Password: password}); err != nil {
		t.Fatal(err)
	}
	p, _ := store.PersonByID(t.Context(), f.db.Reader(), string(asha))
	if !strings.Contains(p.Password, "m=128,t=2") {
		t.Errorf("stored %q", p.Password)
	}
	if _, err := identity.New(opt).SignIn(t.Context(), identity.SignIn{User: "asha", Password: password}); err != nil {
		t.Error(err)
	}
}

func TestChangePassword(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		asha, iris := f.person(t, "asha"), f.person(t, "iris", identity.IT)
		here, there := f.signIn(t, asha), f.signIn(t, asha)
		want(t, "verify a wrong one", f.VerifyPassword(ctx, asha, "wrong", home), "M_FORBIDDEN", "")
		if err := f.VerifyPassword(ctx, asha, password, home); err != nil {
			t.Fatal(err)
		}
		want(t, "weak", f.ChangePassword(ctx, here.Session, "short", false), "M_WEAK_PASSWORD", "")
		const next = "four other unlikely words"
		if err := f.ChangePassword(ctx, here.Session, next, false); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Authenticate(ctx, here.Token); err != nil {
			t.Errorf("the session that changed it: %v", err)
		}
		_, err := f.Authenticate(ctx, there.Token)
		want(t, "the other session", err, "M_UNKNOWN_TOKEN", "")
		want(t, "the old password", f.VerifyPassword(ctx, asha, password, home), "M_FORBIDDEN", "")

		want(t, "an administrator sets it", f.SetPassword(ctx, identity.By(iris), asha, password), "M_FORBIDDEN", "link")
		if err := f.SetPassword(ctx, identity.CommandLine, asha, password); err != nil {
			t.Fatal(err)
		}
		in := f.signIn(t, asha)
		if in.PasswordBy != identity.CommandLine {
			t.Errorf("PasswordBy = %q: she is not told who changed her password", in.PasswordBy)
		}

		_, err = f.PasswordLink(ctx, identity.By(asha), iris)
		want(t, "staff makes a link", err, "M_FORBIDDEN", "Only")
		old, err := f.PasswordLink(ctx, identity.By(iris), asha)
		if err != nil {
			t.Fatal(err)
		}
		link, err := f.PasswordLink(ctx, identity.By(iris), asha)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Authenticate(ctx, in.Token); err != nil {
			t.Errorf("a link alone signed her out: %v", err)
		}
		_, err = f.ChoosePassword(ctx, old, next)
		want(t, "the link before", err, "M_FORBIDDEN", "too old")
		if u, err := f.PasswordLinkFor(ctx, link); err != nil || u != asha {
			t.Errorf("PasswordLinkFor = %s, %v", u, err)
		}
		if u, err := f.ChoosePassword(ctx, link, next); err != nil || u != asha {
			t.Fatalf("ChoosePassword = %s, %v", u, err)
		}
		_, err = f.ChoosePassword(ctx, link, next)
		want(t, "the link again", err, "M_FORBIDDEN", "used")
		_, err = f.Authenticate(ctx, in.Token)
		want(t, "her session from before", err, "M_UNKNOWN_TOKEN", "")
		late, _ := f.PasswordLink(ctx, identity.By(iris), asha)
		f.clock.pass(73 * time.Hour)
		_, err = f.ChoosePassword(ctx, late, next)
		want(t, "after 73 hours", err, "M_FORBIDDEN", "too old")
	})
}

func TestSetUp(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		first, err := f.SetUpLink(ctx)
		if err != nil || first == "" {
			t.Fatalf("SetUpLink = %q, %v", first, err)
		}
		second, _ := f.SetUpLink(ctx)
		want(t, "the link before", f.CheckSetUp(ctx, first), "M_FORBIDDEN", "too old")
		want(t, "made up", f.CheckSetUp(ctx, "x"), "M_FORBIDDEN", "too old")
		if err := f.CheckSetUp(ctx, second); err != nil {
			t.Fatal(err)
		}
		_, err = f.CompleteSetUp(ctx, second, "iris", "Iris", "short")
		want(t, "weak password", err, "M_WEAK_PASSWORD", "")
		var wg sync.WaitGroup
		done := make(chan error, 5)
		for i := range 5 {
			wg.Go(func() {
				_, err := f.CompleteSetUp(ctx, second, fmt.Sprintf("iris%d", i), "Iris", password)
				done <- err
			})
		}
		wg.Wait()
		made := 0
		for range 5 {
			if err := <-done; err == nil {
				made++
			} else {
				want(t, "second use", err, "M_FORBIDDEN", "used")
			}
		}
		if made != 1 {
			t.Errorf("one link made %d administrators", made)
		}
		if again, err := f.SetUpLink(ctx); err != nil || again != "" {
			t.Errorf("SetUpLink with an administrator there = %q, %v", again, err)
		}
		if got := f.entries(t)[0]; !strings.Contains(got, `"by":"set-up"`) {
			t.Errorf("entry %s", got)
		}
	})
	f := start(t, sqldbtest.SQLite(t))
	link, _ := f.SetUpLink(t.Context())
	f.clock.pass(25 * time.Hour)
	want(t, "after a day", f.CheckSetUp(t.Context(), link), "M_FORBIDDEN", "too old")
}

// A session that is revoked while it is read from the database is not kept.
func TestRevokeAgainstAuthenticate(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	ctx := t.Context()
	asha := f.person(t, "asha")
	for range 100 {
		in := f.signIn(t, asha)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { f.Authenticate(ctx, in.Token) })
		}
		if err := f.RemoveDevice(ctx, identity.By(asha), asha, in.Device); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Authenticate(ctx, in.Token); err == nil {
			t.Fatal("a revoked token is good")
		}
		wg.Wait()
		if _, err := f.Authenticate(ctx, in.Token); err == nil {
			t.Fatal("a revoked token came back")
		}
	}
}

func TestConsoleNeedsRole(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	f.person(t, "asha")
	_, err := f.SignIn(t.Context(), identity.SignIn{User: "asha", Password: password, Console: true})
	want(t, "staff at the console", err, "M_FORBIDDEN", "messenger")
}

func TestCookie(t *testing.T) {
	for _, https := range []bool{true, false} {
		w := httptest.NewRecorder()
		http.SetCookie(w, identity.Cookie("secret", https))
		set := w.Header().Get("Set-Cookie")
		if !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") || strings.Contains(set, "Secure") != https || strings.Contains(set, "__Host-") != https {
			t.Errorf("https %v: %s", https, set)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(identity.Cookie("secret", https))
		if got := identity.CookieToken(r, https); got != "secret" {
			t.Errorf("CookieToken = %q", got)
		}
	}
	c := identity.CSRF("token")
	if !identity.CheckCSRF("token", c) || identity.CheckCSRF("other", c) || identity.CheckCSRF("token", "") || identity.CheckCSRF("", identity.CSRF("")) {
		t.Error("CheckCSRF is wrong")
	}
}

// TestCost holds the real cost to its bounds of memory; the time depends on the machine.
func TestCost(t *testing.T) {
	if c := identity.DefaultCost; c.Memory < 19<<10 || c.Memory > 64<<10 || c.Passes < 2 {
		t.Errorf("DefaultCost = %+v", c)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	f := start(b, sqldbtest.SQLite(b))
	in := f.signIn(b, f.person(b, "asha"))
	ctx := context.Background()
	f.opt.Now = time.Now
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Authenticate(ctx, in.Token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignIn(b *testing.B) {
	f := start(b, sqldbtest.SQLite(b))
	opt := f.opt
	opt.Cost = identity.DefaultCost
	s := identity.New(opt)
	f.person(b, "asha")
	s.SignIn(context.Background(), identity.SignIn{User: "asha", Password: password}) // upgrades the hash
	for b.Loop() {
		if _, err := s.SignIn(context.Background(), identity.SignIn{User: "asha", Password: password}); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzSearch(f *testing.F) {
	s := start(f, sqldbtest.SQLite(f))
	s.person(f, "asha")
	f.Add("asha")
	f.Add("\xff\u0301É")
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, err := s.Search(t.Context(), text, 5); err != nil {
			t.Errorf("Search(%q): %v", text, err)
		}
	})
}
