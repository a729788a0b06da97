package eventauth

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"despatch/internal/matrix"
)

const (
	alice = "@alice:despatch.example" // made the room
	bob   = "@bob:despatch.example"   // is in it, with level 50
	carol = "@carol:despatch.example" // is in it, with level 0
	dave  = "@dave:despatch.example"  // is invited
	erin  = "@erin:despatch.example"  // is banned, and has level 50
	frank = "@frank:other.example"    // is in it, with level 25, from elsewhere
	grace = "@grace:despatch.example" // asks to come in
	heidi = "@heidi:despatch.example" // was never here
)

const levels = `{"users":{"@alice:despatch.example":100,"@bob:despatch.example":50,"@erin:despatch.example":50,"@frank:other.example":25},
	"invite":25,"kick":25,"ban":50,"events":{"m.room.name":25,"org.example.high":75},"notifications":{"room":50}}`

// world is a room and its state.
type world struct {
	t     testing.TB
	v     matrix.RoomVersion
	state *Snapshot
	room  matrix.RoomID
	last  matrix.EventID
	n     int64
}

// newWorld makes the room that the constants above tell of. levels and joinRule may be empty.
func newWorld(t testing.TB, v matrix.RoomVersion, levels, joinRule, create string) *world {
	w := &world{t: t, v: v, state: NewSnapshot(), room: "!room:despatch.example"}
	if v == matrix.V12 {
		levels = strings.Replace(levels, `"`+alice+`":100,`, "", 1)
		w.room = ""
	}
	ev := w.event(alice, matrix.TypeCreate, "", create)
	w.state.Set(ev)
	w.room, w.last = ev.RoomID, ev.ID
	for user, membership := range map[string]string{alice: "join", bob: "join", carol: "join", dave: "invite", erin: "ban", frank: "join", grace: "knock"} {
		w.set(user, matrix.TypeMember, user, `{"membership":"`+membership+`"}`)
	}
	if levels != "" {
		w.set(alice, matrix.TypePowerLevels, "", levels)
	}
	if joinRule != "" {
		w.set(alice, matrix.TypeJoinRules, "", `{"join_rule":"`+joinRule+`"}`)
	}
	return w
}

const message = "no state key"

// event makes an event after the last one.
func (w *world) event(sender, typ, stateKey, content string) *matrix.Event {
	w.t.Helper()
	d := matrix.Draft{RoomID: w.room, Type: typ, Sender: matrix.UserID(sender), Content: []byte(content), Depth: w.n}
	if w.n++; w.last != "" {
		d.PrevEvents = []matrix.EventID{w.last}
	}
	if stateKey != message {
		d.StateKey = &stateKey
	}
	if typ == matrix.TypeCreate && w.v == matrix.V12 {
		d.RoomID = ""
	}
	ev, err := d.Build(w.v)
	if err != nil {
		w.t.Fatal(err)
	}
	return ev
}

// set makes an event part of the state, allowed or not.
func (w *world) set(sender, typ, stateKey, content string) {
	w.t.Helper()
	ev := w.event(sender, typ, stateKey, content)
	w.state.Set(ev)
	w.last = ev.ID
}

// check compares what Allowed says with the rule that should refuse ev, numbered as in version 11, or "".
func (w *world) check(ev *matrix.Event, want string) {
	w.t.Helper()
	if w.v == matrix.V12 && want != "" {
		var major int
		var rest string
		fmt.Sscanf(want, "%d%s", &major, &rest)
		if major >= 2 {
			major++
		}
		if sub := 0; major == 10 {
			fmt.Sscanf(rest, ".%d", &sub)
			if sub >= 4 {
				sub++
			}
			rest = fmt.Sprintf(".%d", sub)
		}
		want = fmt.Sprintf("%d%s", major, rest)
	}
	got := ""
	if err := Allowed(ev, w.state); err != nil {
		var r *Rejection
		if !errors.As(err, &r) {
			w.t.Fatalf("%v is no rejection", err)
		}
		got = r.Rule
	}
	if got != want {
		w.t.Errorf("version %s, %s of %s for %q: %s: rule %q refuses it, want %q", w.v, ev.Type, ev.Sender, stateKeyOf(ev), ev.Content, got, want)
	}
}

func stateKeyOf(ev *matrix.Event) string {
	if ev.StateKey == nil {
		return message
	}
	return *ev.StateKey
}

func createContent(v matrix.RoomVersion) string {
	if v == matrix.V10 {
		return `{"creator":"` + alice + `","room_version":"10"}`
	}
	return `{"room_version":"` + string(v) + `"}`
}

var versions = []matrix.RoomVersion{matrix.V10, matrix.V11, matrix.V12}

// The rules one by one, in the versions' own words and numbers.
func TestRules(t *testing.T) {
	member := func(membership string) string { return `{"membership":"` + membership + `"}` }
	for _, test := range []struct {
		sender, typ, stateKey, content string
		joinRule                       string
		want                           string
	}{
		{alice, "m.room.create", "", `{}`, "", "1.1"},

		{alice, "m.room.member", message, member("join"), "", "4.1"},
		{alice, "m.room.member", alice, `{}`, "", "4.1"},
		{alice, "m.room.member", alice, `{"membership":7}`, "", "4.1"},
		{alice, "m.room.member", "alice", member("invite"), "", "4.1"},

		{alice, "m.room.member", heidi, member("join"), "public", "4.3.2"},
		{erin, "m.room.member", erin, member("join"), "public", "4.3.3"},
		{dave, "m.room.member", dave, member("join"), "invite", ""},
		{dave, "m.room.member", dave, member("join"), "", ""},
		{carol, "m.room.member", carol, `{"membership":"join","displayname":"C"}`, "invite", ""},
		{heidi, "m.room.member", heidi, member("join"), "invite", "4.3.7"},
		{heidi, "m.room.member", heidi, member("join"), "", "4.3.7"},
		{dave, "m.room.member", dave, member("join"), "knock", ""},
		{grace, "m.room.member", grace, member("join"), "knock", "4.3.7"},
		{dave, "m.room.member", dave, member("join"), "restricted", ""},
		{heidi, "m.room.member", heidi, member("join"), "restricted", "4.3.5.2"},
		{heidi, "m.room.member", heidi, `{"membership":"join","join_authorised_via_users_server":"` + bob + `"}`, "restricted", ""},
		{heidi, "m.room.member", heidi, `{"membership":"join","join_authorised_via_users_server":"` + bob + `"}`, "knock_restricted", ""},
		{heidi, "m.room.member", heidi, `{"membership":"join","join_authorised_via_users_server":"` + carol + `"}`, "restricted", "4.3.5.2"},
		{heidi, "m.room.member", heidi, `{"membership":"join","join_authorised_via_users_server":"` + erin + `"}`, "restricted", "4.3.5.2"},
		{heidi, "m.room.member", heidi, `{"membership":"join","join_authorised_via_users_server":7}`, "restricted", "4.3.5.2"},
		{heidi, "m.room.member", heidi, `{"membership":"join","join_authorised_via_users_server":"` + bob + `"}`, "invite", "4.3.7"},
		{erin, "m.room.member", erin, `{"membership":"join","join_authorised_via_users_server":"` + bob + `"}`, "restricted", "4.3.3"},
		{heidi, "m.room.member", heidi, member("join"), "public", ""},
		{grace, "m.room.member", grace, member("join"), "public", ""},
		{dave, "m.room.member", dave, member("join"), "private", "4.3.7"},

		{heidi, "m.room.member", heidi, member("invite"), "", "4.4.2"},
		{dave, "m.room.member", heidi, member("invite"), "", "4.4.2"},
		{bob, "m.room.member", carol, member("invite"), "", "4.4.3"},
		{bob, "m.room.member", erin, member("invite"), "", "4.4.3"},
		{bob, "m.room.member", heidi, member("invite"), "", ""},
		{frank, "m.room.member", heidi, member("invite"), "", ""},
		{bob, "m.room.member", dave, member("invite"), "", ""},
		{bob, "m.room.member", grace, member("invite"), "", ""},
		{carol, "m.room.member", heidi, member("invite"), "", "4.4.5"},

		{carol, "m.room.member", carol, member("leave"), "", ""},
		{dave, "m.room.member", dave, member("leave"), "", ""},
		{grace, "m.room.member", grace, member("leave"), "", ""},
		{erin, "m.room.member", erin, member("leave"), "", "4.5.1"},
		{heidi, "m.room.member", heidi, member("leave"), "", "4.5.1"},
		{dave, "m.room.member", carol, member("leave"), "", "4.5.2"},
		{frank, "m.room.member", carol, member("leave"), "", ""},
		{frank, "m.room.member", bob, member("leave"), "", "4.5.5"},
		{carol, "m.room.member", heidi, member("leave"), "", "4.5.5"},
		{bob, "m.room.member", bob, member("leave"), "", ""},
		{frank, "m.room.member", erin, member("leave"), "", "4.5.3"},
		{bob, "m.room.member", erin, member("leave"), "", "4.5.5"}, // erin's level is not below bob's
		{alice, "m.room.member", erin, member("leave"), "", ""},

		{dave, "m.room.member", carol, member("ban"), "", "4.6.1"},
		{frank, "m.room.member", carol, member("ban"), "", "4.6.3"},
		{bob, "m.room.member", carol, member("ban"), "", ""},
		{bob, "m.room.member", bob, member("ban"), "", "4.6.3"},
		{bob, "m.room.member", alice, member("ban"), "", "4.6.3"},
		{bob, "m.room.member", heidi, member("ban"), "", ""},

		{heidi, "m.room.member", heidi, member("knock"), "public", "4.7.1"},
		{heidi, "m.room.member", heidi, member("knock"), "knock", ""},
		{heidi, "m.room.member", heidi, member("knock"), "knock_restricted", ""},
		{grace, "m.room.member", grace, member("knock"), "knock", ""},
		{bob, "m.room.member", heidi, member("knock"), "knock", "4.7.2"},
		{dave, "m.room.member", dave, member("knock"), "knock", "4.7.4"},
		{carol, "m.room.member", carol, member("knock"), "knock", "4.7.4"},
		{erin, "m.room.member", erin, member("knock"), "knock", "4.7.4"},
		{bob, "m.room.member", bob, member("asleep"), "", "4.8"},

		{heidi, "m.room.message", message, `{}`, "", "5"},
		{dave, "m.room.message", message, `{}`, "", "5"},
		{erin, "m.room.name", "", `{}`, "", "5"},

		{frank, "m.room.third_party_invite", "t", `{}`, "", ""},
		{carol, "m.room.third_party_invite", "t", `{}`, "", "6.1"},

		{carol, "m.room.message", message, `{}`, "", ""},
		{frank, "m.room.name", "", `{}`, "", ""},
		{carol, "m.room.name", "", `{}`, "", "7"},
		{carol, "m.room.name", message, `{}`, "", "7"},
		{frank, "m.room.topic", "", `{}`, "", "7"},
		{bob, "m.room.topic", "", `{}`, "", ""},
		{bob, "org.example.high", message, `{}`, "", "7"},
		{bob, "m.room.redaction", message, `{}`, "", ""},

		{bob, "m.room.topic", bob, `{}`, "", ""},
		{bob, "m.room.topic", carol, `{}`, "", "8"},
		{alice, "m.room.topic", "@", `{}`, "", "8"},
	} {
		for _, v := range versions {
			w := newWorld(t, v, levels, test.joinRule, createContent(v))
			w.check(w.event(test.sender, test.typ, test.stateKey, test.content), test.want)
		}
	}
}

// Rule 9: bob, who has 50, changes the levels.
func TestRulePowerLevels(t *testing.T) {
	const (
		users   = `"users":{"@alice:despatch.example":100,"@bob:despatch.example":50,"@erin:despatch.example":50,"@frank:other.example":25}`
		named   = `"invite":25,"kick":25,"ban":50`
		events  = `"events":{"m.room.name":25,"org.example.high":75}`
		notices = `"notifications":{"room":50}`
	)
	join := func(parts ...string) string { return "{" + strings.Join(parts, ",") + "}" }
	for _, test := range []struct{ content, want string }{
		{levels, ""},
		{join(users, named, events, notices, `"more":"x"`), ""},

		{join(users, named, events, notices, `"redact":"50"`), "9.1"},
		{join(users, named, events, notices, `"users_default":null`), "9.1"},
		{join(users, named, `"events":{"m.room.name":"25"}`, notices), "9.2"},
		{join(users, named, `"events":[]`, notices), "9.2"},
		{join(users, named, events, `"notifications":{"room":true}`), "9.2"},
		{join(`"users":{"bob":50}`, named, events, notices), "9.3"},
		{join(`"users":{"@bob:despatch.example":"50"}`, named, events, notices), "9.3"},
		{join(`"users":7`, named, events, notices), "9.3"},

		{join(users, `"invite":50,"kick":0,"ban":50`, events, notices), ""},
		{join(users, `"invite":51,"kick":25,"ban":50`, events, notices), "9.5"},
		{join(users, `"invite":25,"kick":25`, events, notices), ""}, // ban is 50 with and without
		{join(users, named, events, notices, `"state_default":51`), "9.5"},
		{join(users, named, events, notices, `"state_default":50`), ""},
		{join(users, named, events, notices, `"users_default":51`), "9.5"},

		{join(users, named, `"events":{"m.room.name":25,"org.example.high":50}`, notices), "9.6"},
		{join(users, named, `"events":{"m.room.name":25}`, notices), "9.6"},
		{join(users, named, `"events":{"org.example.high":75}`, notices), ""},
		{join(users, named, notices), "9.6"},
		{join(users, named, `"events":{"m.room.name":51,"org.example.high":75}`, notices), "9.7"},
		{join(users, named, `"events":{"m.room.name":25,"org.example.high":75,"x":51}`, notices), "9.7"},
		{join(users, named, `"events":{"m.room.name":50,"org.example.high":75,"x":50}`, notices), ""},
		{join(users, named, events, `"notifications":{"room":51}`), "9.7"},
		{join(users, named, events), ""},

		{join(`"users":{"@alice:despatch.example":100,"@bob:despatch.example":50,"@erin:despatch.example":50}`, named, events, notices), ""},
		{join(`"users":{"@alice:despatch.example":100,"@bob:despatch.example":50,"@frank:other.example":25}`, named, events, notices), "9.8"},
		{join(`"users":{"@alice:despatch.example":100,"@bob:despatch.example":50,"@erin:despatch.example":49,"@frank:other.example":25}`, named, events, notices), "9.8"},
		{join(`"users":{"@alice:despatch.example":100,"@bob:despatch.example":0,"@erin:despatch.example":50,"@frank:other.example":25}`, named, events, notices), ""},
		{join(`"users":{"@alice:despatch.example":100,"@erin:despatch.example":50,"@frank:other.example":25}`, named, events, notices), ""},
		{join(`"users":{"@alice:despatch.example":100,"@bob:despatch.example":51,"@erin:despatch.example":50,"@frank:other.example":25}`, named, events, notices), "9.9"},
		{join(`"users":{"@alice:despatch.example":100,"@bob:despatch.example":50,"@carol:despatch.example":51,"@erin:despatch.example":50,"@frank:other.example":25}`, named, events, notices), "9.9"},
		{join(`"users":{"@alice:despatch.example":100,"@bob:despatch.example":50,"@carol:despatch.example":50,"@erin:despatch.example":50,"@frank:other.example":50}`, named, events, notices), ""},
	} {
		for _, v := range versions {
			w := newWorld(t, v, levels, "", createContent(v))
			content := test.content
			if v == matrix.V12 {
				content = strings.Replace(content, `"`+alice+`":100,`, "", 1)
			}
			w.check(w.event(bob, "m.room.power_levels", "", content), test.want)
		}
	}
	for _, v := range versions[:2] {
		w := newWorld(t, v, levels, "", createContent(v))
		w.check(w.event(bob, "m.room.power_levels", "", join(`"users":{"@bob:despatch.example":50,"@erin:despatch.example":50,"@frank:other.example":25}`, named, events, notices)), "9.8")
	}
	// A level that is not given counts with its default: who is below it may not give it.
	for _, v := range versions {
		w := newWorld(t, v, `{"users":{"@alice:despatch.example":100,"@bob:despatch.example":40},"state_default":30}`, "", createContent(v))
		now := `"users":{"@alice:despatch.example":100,"@bob:despatch.example":40},"state_default":30`
		if v == matrix.V12 {
			now = `"users":{"@bob:despatch.example":40},"state_default":30`
		}
		w.check(w.event(bob, "m.room.power_levels", "", "{"+now+`,"ban":40}`), "9.5")
		w.check(w.event(bob, "m.room.power_levels", "", "{"+now+`,"ban":50}`), "9.5") // added, if not changed
		w.check(w.event(bob, "m.room.power_levels", "", "{"+now+`,"invite":40}`), "")
	}
}

func TestWithoutPowerLevels(t *testing.T) {
	for _, v := range versions {
		w := newWorld(t, v, "", "", createContent(v))
		p, err := w.state.PowerLevels()
		if err != nil {
			t.Fatal(err)
		}
		want := int64(100)
		if v == matrix.V12 {
			want = Infinite
		}
		if got := p.UserLevel(alice); got != want {
			t.Errorf("version %s: level of the creator %d, want %d", v, got, want)
		}
		if got := p.UserLevel(bob); got != 0 {
			t.Errorf("version %s: level of another %d, want 0", v, got)
		}
		w.check(w.event(alice, "m.room.name", "", `{}`), "")
		w.check(w.event(bob, "m.room.name", "", `{}`), "7")
		w.check(w.event(bob, "m.room.message", message, `{}`), "")
		w.check(w.event(bob, "m.room.member", heidi, `{"membership":"invite"}`), "")
		w.check(w.event(alice, "m.room.power_levels", "", `{"users":{"@bob:despatch.example":1000}}`), "")
	}
}

func TestCreate(t *testing.T) {
	for _, test := range []struct {
		v       matrix.RoomVersion
		room    matrix.RoomID
		content string
		want    string
	}{
		{matrix.V10, "!a:despatch.example", `{"creator":"@alice:despatch.example"}`, ""},
		{matrix.V10, "!a:despatch.example", `{"creator":"@alice:despatch.example","room_version":"10"}`, ""},
		{matrix.V10, "!a:despatch.example", `{}`, "1.4"},
		{matrix.V11, "!a:despatch.example", `{}`, ""},
		{matrix.V11, "!a:other.example", `{}`, "1.2"},
		{matrix.V11, "!a:despatch.example", `{"room_version":"x"}`, "1.3"},
		{matrix.V11, "!a:despatch.example", `{"room_version":11}`, "1.3"},
		{matrix.V11, "!a:despatch.example", `{"additional_creators":7}`, ""},
		{matrix.V12, "", `{"room_version":"12"}`, ""},
		{matrix.V12, "", `{"additional_creators":["@bob:despatch.example"]}`, ""},
		{matrix.V12, "", `{"additional_creators":[]}`, ""},
		{matrix.V12, "", `{"additional_creators":null}`, "1.4"},
		{matrix.V12, "", `{"additional_creators":"@bob:despatch.example"}`, "1.4"},
		{matrix.V12, "", `{"additional_creators":["bob"]}`, "1.4"},
		{matrix.V12, "", `{"additional_creators":[7]}`, "1.4"},
	} {
		w := &world{t: t, v: test.v, state: NewSnapshot(), room: test.room}
		w.check(w.event(alice, matrix.TypeCreate, "", test.content), test.want)
	}
	// With a room_id, which Parse would not let through.
	in := `{"auth_events":[],"content":{},"depth":1,"origin_server_ts":1,"prev_events":[],"room_id":"!a:b","sender":"@a:b","state_key":"","type":"m.room.create"}`
	ev, err := matrix.ParseStored(matrix.V12, "$x", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, v: matrix.V12, state: NewSnapshot()}
	w.check(ev, "1.2")
}

// The creator joins first, whatever the join rules will be; nobody else does.
func TestFirstJoin(t *testing.T) {
	for _, v := range versions {
		w := newWorld(t, v, "", "", createContent(v))
		create := w.state.Event(matrix.TypeCreate, "")
		w.state = NewSnapshot(create)
		w.last = create.ID
		w.check(w.event(alice, "m.room.member", alice, `{"membership":"join"}`), "")
		w.check(w.event(bob, "m.room.member", bob, `{"membership":"join"}`), "4.3.7")
		w.last = ""
		w.check(w.event(alice, "m.room.member", alice, `{"membership":"join"}`), "4.3.7")
	}
}

func TestFederate(t *testing.T) {
	for _, v := range versions {
		closed := strings.Replace(createContent(v), "{", `{"m.federate":false,`, 1)
		w := newWorld(t, v, levels, "public", closed)
		w.check(w.event(frank, "m.room.message", message, `{}`), "3")
		w.check(w.event(frank, "m.room.member", frank, `{"membership":"join"}`), "3")
		w.check(w.event(bob, "m.room.message", message, `{}`), "")
	}
}

func TestWrongRoom(t *testing.T) {
	for _, v := range versions {
		w := newWorld(t, v, levels, "", createContent(v))
		if v == matrix.V12 {
			w.room = "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		} else {
			w.room = "!elsewhere:despatch.example"
		}
		ev := w.event(bob, "m.room.message", message, `{}`)
		var r *Rejection
		if err := Allowed(ev, w.state); !errors.As(err, &r) || v == matrix.V12 && r.Rule != "2" || v != matrix.V12 && r.Rule != "2.5" {
			t.Errorf("version %s, event of another room: %v", v, err)
		}
		if err := Allowed(ev, NewSnapshot()); !errors.As(err, &r) || v == matrix.V12 && r.Rule != "2" || v != matrix.V12 && r.Rule != "2.4" {
			t.Errorf("version %s, no create event: %v", v, err)
		}
	}
}

// Creators of rooms of version 12 are above everybody and may not be listed.
func TestCreators(t *testing.T) {
	w := newWorld(t, matrix.V12, levels, "", `{"room_version":"12","additional_creators":["`+carol+`"]}`)
	p, err := w.state.PowerLevels()
	if err != nil {
		t.Fatal(err)
	}
	if !p.IsCreator(alice) || !p.IsCreator(carol) || p.IsCreator(bob) || p.UserLevel(carol) != Infinite {
		t.Error("alice and carol, and nobody else, are creators")
	}
	w.check(w.event(carol, "org.example.high", message, `{}`), "")
	w.check(w.event(carol, "m.room.member", bob, `{"membership":"ban"}`), "")
	w.check(w.event(carol, "m.room.member", alice, `{"membership":"ban"}`), "4.6.3")
	w.check(w.event(alice, "m.room.member", carol, `{"membership":"leave"}`), "4.5.5")
	w.check(w.event(alice, "m.room.power_levels", "", `{"users":{"@bob:despatch.example":9007199254740991}}`), "")
	for _, creator := range []string{alice, carol} {
		ev := w.event(alice, "m.room.power_levels", "", `{"users":{"`+creator+`":100}}`)
		var r *Rejection
		if err := Allowed(ev, w.state); !errors.As(err, &r) || r.Rule != "10.4" {
			t.Errorf("levels that list %s: %v, want rule 10.4", creator, err)
		}
	}
	w = newWorld(t, matrix.V12, "", "", createContent(matrix.V12))
	var r *Rejection
	if err := Allowed(w.event(alice, "m.room.power_levels", "", `{"users":{"`+alice+`":100}}`), w.state); !errors.As(err, &r) || r.Rule != "10.4" {
		t.Errorf("first levels that list the creator: %v, want rule 10.4", err)
	}
}

func TestThirdPartyInvite(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := base64.RawStdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	other := base64.RawStdEncoding.EncodeToString(make([]byte, 32))
	sign := func(object string) string {
		signed, err := matrix.SignJSON([]byte(object), "id.example", "ed25519:0", key)
		if err != nil {
			t.Fatal(err)
		}
		return `{"membership":"invite","third_party_invite":{"signed":` + string(signed) + `}}`
	}
	good := sign(`{"mxid":"` + heidi + `","token":"t"}`)
	for _, v := range versions {
		for _, keys := range []string{`"public_key":"` + public + `"`, `"public_key":"` + other + `","public_keys":[{"public_key":"` + public + `"}]`} {
			w := newWorld(t, v, levels, "", createContent(v))
			w.set(bob, matrix.TypeThirdPartyInvite, "t", "{"+keys+"}")
			w.check(w.event(bob, "m.room.member", heidi, good), "")
			w.check(w.event(bob, "m.room.member", erin, sign(`{"mxid":"`+erin+`","token":"t"}`)), "4.4.1.1")
			w.check(w.event(bob, "m.room.member", heidi, `{"membership":"invite","third_party_invite":{}}`), "4.4.1.2")
			w.check(w.event(bob, "m.room.member", heidi, sign(`{"mxid":"`+heidi+`"}`)), "4.4.1.3")
			w.check(w.event(bob, "m.room.member", heidi, sign(`{"token":"t"}`)), "4.4.1.3")
			w.check(w.event(bob, "m.room.member", dave, good), "4.4.1.4")
			w.check(w.event(bob, "m.room.member", heidi, sign(`{"mxid":"`+heidi+`","token":"u"}`)), "4.4.1.5")
			w.check(w.event(alice, "m.room.member", heidi, good), "4.4.1.6")
			w.check(w.event(bob, "m.room.member", heidi, strings.Replace(good, `"token":"t"`, `"more":1,"token":"t"`, 1)), "4.4.1.8")
		}
		for _, keys := range []string{``, `"public_key":7`, `"public_key":"AA"`, `"public_key":"` + other + `","public_keys":[7]`} {
			w := newWorld(t, v, levels, "", createContent(v))
			w.set(bob, matrix.TypeThirdPartyInvite, "t", "{"+keys+"}")
			w.check(w.event(bob, "m.room.member", heidi, good), "4.4.1.8")
		}
	}
}

func TestMayRedact(t *testing.T) {
	for _, v := range versions {
		w := newWorld(t, v, levels, "", createContent(v))
		said := w.event(carol, "m.room.message", message, `{}`)
		for user, may := range map[matrix.UserID]bool{alice: true, bob: true, carol: true, frank: false, heidi: false} {
			if err := MayRedact(w.state, user, said); (err == nil) != may {
				t.Errorf("version %s: MayRedact(%s) = %v, want allowed = %t", v, user, err, may)
			}
		}
	}
}

func TestAuthEvents(t *testing.T) {
	for _, v := range versions {
		w := newWorld(t, v, levels, "restricted", createContent(v))
		d := matrix.Draft{RoomID: w.room, Type: "m.room.member", Sender: heidi, StateKey: new(string), Depth: 20,
			PrevEvents: []matrix.EventID{w.last}, Content: []byte(` {"join_authorised_via_users_server" : "` + bob + `", "membership":"join"}`)}
		*d.StateKey = heidi
		var err error
		if d.AuthEvents, err = AuthEvents(v, &d, w.state); err != nil {
			t.Fatal(err)
		}
		var want []matrix.EventID
		for _, k := range []Key{{"m.room.create", ""}, {"m.room.power_levels", ""}, {"m.room.join_rules", ""}, {"m.room.member", bob}} {
			if k.Type != "m.room.create" || v != matrix.V12 {
				want = append(want, w.state.Event(k.Type, k.StateKey).ID)
			}
		}
		if !slices.Equal(d.AuthEvents, want) {
			t.Errorf("version %s: auth events %v, want %v", v, d.AuthEvents, want)
		}
		ev, err := d.Build(v)
		if err != nil {
			t.Fatal(err)
		}
		var auth []*matrix.Event
		for _, k := range AuthTypes(ev) {
			if a := w.state.Event(k.Type, k.StateKey); a != nil {
				auth = append(auth, a)
			}
		}
		w.checkAuth(ev, auth, "")
		w.checkAuth(ev, append(slices.Clone(auth), auth[0]), "2.1")
		w.checkAuth(ev, append(slices.Clone(auth), w.state.Event("m.room.member", carol)), "2.2")
		w.checkAuth(ev, append(slices.Clone(auth), w.event(carol, "m.room.message", message, "{}")), "2.2")
		if v != matrix.V12 {
			w.checkAuth(ev, auth[1:], "2.4")
			w.room = "!elsewhere:despatch.example"
		} else {
			w.checkAuth(ev, append(slices.Clone(auth), w.state.Event("m.room.create", "")), "2.2")
			w.room = "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		}
		w.checkAuth(ev, append(slices.Clone(auth), w.event(heidi, "m.room.member", heidi, "{}")), "2.5")
	}
}

// An invitation to an address counts only where it is used.
func TestAuthTypesThirdParty(t *testing.T) {
	for _, v := range versions {
		w := newWorld(t, v, "", "", createContent(v))
		for membership, want := range map[string]bool{"invite": true, "join": false, "leave": false} {
			ev := w.event(bob, "m.room.member", heidi, `{"membership":"`+membership+`","third_party_invite":{"signed":{"token":"t"}}}`)
			if got := slices.Contains(AuthTypes(ev), Key{matrix.TypeThirdPartyInvite, "t"}); got != want {
				t.Errorf("version %s, %s: the invitation is an auth event: %t, want %t", v, membership, got, want)
			}
		}
	}
}

func (w *world) checkAuth(ev *matrix.Event, auth []*matrix.Event, want string) {
	w.t.Helper()
	if w.v == matrix.V12 && want != "" {
		want = "3" + want[1:]
	}
	got := ""
	var r *Rejection
	if errors.As(CheckAuthEvents(ev, auth), &r) {
		got = r.Rule
	}
	if got != want {
		w.t.Errorf("version %s: rule %q refuses the auth events, want %q", w.v, got, want)
	}
}

// Whatever the levels say, whoever is not a creator cannot end with more than they had, nor touch who has as
// much; and parsing never panics.
func FuzzPowerLevels(f *testing.F) {
	f.Add(uint8(0), []byte(levels), []byte(levels))
	f.Add(uint8(1), []byte(`{"users":{"@bob:despatch.example":50}}`), []byte(`{"users":{"@bob:despatch.example":51}}`))
	f.Add(uint8(2), []byte(`{"users_default":50}`), []byte(`{"users":{"@carol:despatch.example":50},"events":{"x":"y"}}`))
	f.Fuzz(func(t *testing.T, version uint8, before, after []byte) {
		v := versions[version%3]
		build := func(content []byte, w *world) *matrix.Event {
			d := matrix.Draft{RoomID: w.room, Type: matrix.TypePowerLevels, StateKey: new(string), Sender: bob, Content: content, PrevEvents: []matrix.EventID{w.last}}
			ev, _ := d.Build(v)
			return ev
		}
		w := newWorld(t, v, "", "", createContent(v))
		old := build(before, w)
		if old == nil {
			return
		}
		w.state.Set(old)
		now, err := w.state.PowerLevels()
		ev := build(after, w)
		if err != nil || ev == nil || Allowed(ev, w.state) != nil {
			return
		}
		w.state.Set(ev)
		next, err := w.state.PowerLevels()
		if err != nil {
			t.Fatalf("allowed levels cannot be read: %v", err)
		}
		mine := now.UserLevel(bob)
		for _, user := range []matrix.UserID{alice, bob, carol, "@new:despatch.example"} {
			was, is := now.UserLevel(user), next.UserLevel(user)
			if is > mine && is != was {
				t.Fatalf("%s went from %d to %d by somebody with %d", user, was, is, mine)
			}
			if _, listed := now.Users[user]; listed && user != bob && was >= mine && is != was {
				t.Fatalf("%s went from %d to %d by somebody with %d", user, was, is, mine)
			}
		}
	})
}

// No event makes the rules panic, and refusals always say which rule it was.
func FuzzAllowed(f *testing.F) {
	all := steps(f)
	for i := 0; i < len(all); i += 40 {
		ev, err := matrix.Parse(all[i].Version, all[i].Event)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(slices.Index(versions, ev.Version)), ev.Type, stateKeyOf(ev), string(ev.Sender), []byte(ev.Content), "invite", []byte(levels))
	}
	f.Fuzz(func(t *testing.T, version uint8, typ, stateKey, sender string, content []byte, joinRule string, levels []byte) {
		v := versions[version%3]
		w := newWorld(t, v, "", "", createContent(v))
		pl := matrix.Draft{RoomID: w.room, Type: matrix.TypePowerLevels, StateKey: new(string), Sender: alice, Content: levels, PrevEvents: []matrix.EventID{w.last}}
		if ev, err := pl.Build(v); err == nil && Allowed(ev, w.state) == nil {
			w.state.Set(ev)
		}
		rules := matrix.Draft{RoomID: w.room, Type: matrix.TypeJoinRules, StateKey: new(string), Sender: alice,
			Content: append(matrix.AppendString([]byte(`{"join_rule":`), joinRule), '}'), PrevEvents: []matrix.EventID{w.last}}
		if ev, err := rules.Build(v); err == nil {
			w.state.Set(ev)
		}
		d := matrix.Draft{RoomID: w.room, Type: typ, StateKey: &stateKey, Sender: matrix.UserID(sender), Content: content, PrevEvents: []matrix.EventID{w.last}}
		if stateKey == message {
			d.StateKey = nil
		}
		ev, err := d.Build(v)
		if err != nil {
			return
		}
		was := Membership(w.state, matrix.UserID(sender))
		err = Allowed(ev, w.state)
		var r *Rejection
		if err != nil && (!errors.As(err, &r) || r.Rule == "" || r.Reason == "") {
			t.Fatalf("%v is no rejection", err)
		}
		if err == nil && was != "join" && (typ != matrix.TypeMember || stateKey != sender) {
			t.Fatalf("%s of %s, who is not in the room (%s), for %q is allowed", typ, sender, was, stateKey)
		}
		AuthTypes(ev)
	})
}

func BenchmarkAllowedMessage(b *testing.B) {
	for _, v := range versions {
		b.Run(string(v), func(b *testing.B) {
			w := newWorld(b, v, levels, "invite", createContent(v))
			ev := w.event(bob, "m.room.message", message, `{"msgtype":"m.text","body":"hello"}`)
			b.ReportAllocs()
			for b.Loop() {
				if err := Allowed(ev, w.state); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAllowedInvite(b *testing.B) {
	w := newWorld(b, matrix.V11, levels, "invite", createContent(matrix.V11))
	ev := w.event(bob, "m.room.member", heidi, `{"membership":"invite"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := Allowed(ev, w.state); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAllowedPowerLevels(b *testing.B) {
	w := newWorld(b, matrix.V11, levels, "invite", createContent(matrix.V11))
	ev := w.event(bob, "m.room.power_levels", "", levels)
	b.ReportAllocs()
	for b.Loop() {
		if err := Allowed(ev, w.state); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthEvents(b *testing.B) {
	w := newWorld(b, matrix.V11, levels, "invite", createContent(matrix.V11))
	d := matrix.Draft{RoomID: w.room, Type: "m.room.message", Sender: bob, Content: []byte(`{"body":"hello"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AuthEvents(matrix.V11, &d, w.state); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWords(t *testing.T) {
	w := newWorld(t, matrix.V12, levels, "", createContent(matrix.V12))
	for _, test := range []struct{ sender, typ, stateKey, content, want string }{
		{carol, "m.room.name", "", `{}`, "authorization rule 8: the sender's power level 0 is below 25, which m.room.name needs"},
		{bob, "m.room.member", alice, `{"membership":"ban"}`, "authorization rule 5.6.3: the sender's power level 50 is not above that of @alice:despatch.example, infinite"},
	} {
		if err := Allowed(w.event(test.sender, test.typ, test.stateKey, test.content), w.state); err == nil || err.Error() != test.want {
			t.Errorf("%s by %s: %v, want %s", test.typ, test.sender, err, test.want)
		}
	}
	p, err := w.state.PowerLevels()
	if err != nil || p.NotificationLevel("room") != 50 || p.NotificationLevel("more") != 50 {
		t.Errorf("notification levels %+v, %v; want 50", p, err)
	}
}
