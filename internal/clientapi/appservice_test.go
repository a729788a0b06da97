package clientapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/despatchtest"
	"despatch/internal/matrix"
	"despatch/internal/server"
	"despatch/internal/sqldb/sqldbtest"
)

const (
	asToken = "Zq5DCvSQBBVZbpLaSnFHWxs4CuF1PnE0XJUEqSQ2"
	hsToken = "pPPMIdXoxTGMbwcbzx7wuCCHXWzqzZ2HIs4ZtXSH"
	puppets = "as_token_of_the_double_puppets_0123456789"
)

// bridge is an application service as far as the server sees it.
type bridge struct {
	t    testing.TB
	http *httptest.Server

	mu      sync.Mutex
	txns    []transaction           // guarded by mu, like the rest
	refuse  int                     // so many transactions are answered with 500
	stuck   chan struct{}           // if not nil, transactions are taken and answered only when it is closed
	asked   []string                // paths of queries
	user    func(id string) bool    // whether it makes a user it is asked for
	alias   func(alias string) bool // or a room
	pings   []string                // transaction ids
	changed *sync.Cond
}

type transaction struct {
	id     string
	Events []bridgedEvent `json:"events"`
	Eph    []bridgedEvent `json:"ephemeral"`
}

type bridgedEvent struct {
	despatchtest.Event
	RoomID matrix.RoomID `json:"room_id"`
	TS     int64         `json:"origin_server_ts"`
}

func startBridge(t testing.TB) *bridge {
	b := &bridge{t: t}
	b.changed = sync.NewCond(&b.mu)
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /_matrix/app/v1/transactions/{txn}", b.transaction)
	mux.HandleFunc("POST /_matrix/app/v1/ping", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ID string `json:"transaction_id"`
		}
		raw, _ := io.ReadAll(r.Body)
		json.Unmarshal(raw, &body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.pings = append(b.pings, body.ID)
		io.WriteString(w, "{}")
	})
	query := func(name string, made func(b *bridge, id string) bool) {
		mux.HandleFunc("GET /_matrix/app/v1/"+name+"/{id}", func(w http.ResponseWriter, r *http.Request) {
			b.mu.Lock()
			b.asked = append(b.asked, r.PathValue("id"))
			b.mu.Unlock()
			if !made(b, r.PathValue("id")) {
				w.WriteHeader(http.StatusNotFound)
			}
			io.WriteString(w, "{}")
		})
	}
	query("users", func(b *bridge, id string) bool { return b.user != nil && b.user(id) })
	query("rooms", func(b *bridge, id string) bool { return b.alias != nil && b.alias(id) })
	b.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+hsToken {
			t.Errorf("%s %s came with the authorization %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(b.http.Close)
	return b
}

func (b *bridge) transaction(w http.ResponseWriter, r *http.Request) {
	txn := transaction{id: r.PathValue("txn")}
	raw, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(raw, &txn)
	}
	if err != nil {
		b.t.Errorf("transaction %s: %v in %s", txn.id, err, raw)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.txns = append(b.txns, txn)
	b.changed.Broadcast()
	if stuck := b.stuck; stuck != nil {
		b.mu.Unlock()
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
		b.mu.Lock()
	}
	if b.refuse > 0 {
		b.refuse--
		w.WriteHeader(http.StatusInternalServerError)
	}
	io.WriteString(w, "{}")
}

// events are those of all transactions, each counted once as by a service that remembers transaction ids.
func (b *bridge) events() []bridgedEvent {
	seen := map[string]bool{}
	var out []bridgedEvent
	for _, txn := range b.txns {
		if !seen[txn.id] {
			out = append(out, txn.Events...)
		}
		seen[txn.id] = true
	}
	return out
}

// wait waits until something is so.
func (b *bridge) wait(what string, so func() bool) {
	b.t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { b.mu.Lock(); b.changed.Broadcast(); b.mu.Unlock() })
	defer timer.Stop()
	deadline := time.Now().Add(19 * time.Second)
	b.mu.Lock()
	defer b.mu.Unlock()
	for !so() {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain: %s; there are %d transactions", what, len(b.txns))
		}
		b.changed.Wait()
	}
}

func (b *bridge) has(body string) func() bool {
	return func() bool {
		return slices.ContainsFunc(b.events(), func(e bridgedEvent) bool { return e.Body() == body })
	}
}

// bridged is the option of a server with the bridge's registration and one for double puppets.
func (b *bridge) bridged(t testing.TB) despatchtest.Option {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := []string{
		write("whatsapp.yaml", "id: whatsapp\nurl: "+b.http.URL+"\nas_token: "+asToken+"\nhs_token: "+hsToken+`
sender_localpart: Gdwzfqrvhbg
rate_limited: false
namespaces:
    users:
        - regex: ^@whatsappbot:example\.org$
          exclusive: true
        - regex: ^@whatsapp_.*:example\.org$
          exclusive: true
    aliases:
        - regex: ^#whatsapp_.*:example\.org$
          exclusive: true
de.sorunome.msc2409.push_ephemeral: true
receive_ephemeral: true
`),
		write("puppets.yaml", "id: puppets\nurl: null\nas_token: "+puppets+"\nhs_token: never-used-never-used\nsender_localpart: puppets\n"+
			"rate_limited: false\nnamespaces:\n    users:\n        - regex: '@.*:example\\.org'\n          exclusive: false\n"),
	}
	return func(c *server.Config) { c.AppServices, c.AppRetry = files, 20*time.Millisecond }
}

// as is a path in the name of a user of the bridge.
func as(path, user string) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "user_id=" + url.QueryEscape(user)
}

// do makes a request that has to succeed and decodes its answer.
func do(t testing.TB, u *despatchtest.User, method, path string, body, into any) {
	t.Helper()
	status, raw := u.Do(t, method, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s = %d %s", method, path, status, raw)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
}

// register makes users of the bridge.
func register(t testing.TB, u *despatchtest.User, names ...string) {
	t.Helper()
	for _, name := range names {
		do(t, u, "POST", client+"register", map[string]any{"type": "m.login.application_service", "username": name, "inhibit_login": true}, nil)
	}
}

// TestBridgeStarts is what a bridge of the mautrix family asks for when it starts, in its order
// (bridgev2/matrix, ensureConnection), and then what it does for its first conversation.
func TestBridgeStarts(t *testing.T) {
	b := startBridge(t)
	d := despatchtest.Start(t, b.bridged(t))
	alice := d.User(t, "alice")
	br := d.As(asToken)
	const bot, ghost = "@whatsappbot:example.org", "@whatsapp_4479:example.org"

	// 1. versions, with the token and in the name of the bot that is not there yet
	var versions struct {
		Versions []string        `json:"versions"`
		Unstable map[string]bool `json:"unstable_features"`
	}
	do(t, br, "GET", as("/_matrix/client/versions", bot), nil, &versions)
	for _, v := range []string{"v1.4", "v1.7", "v1.11"} {
		if !slices.Contains(versions.Versions, v) {
			t.Errorf("version %s is not listed", v)
		}
	}
	if !versions.Unstable["fi.mau.msc2659.stable"] || !versions.Unstable["com.beeper.batch_sending"] || versions.Unstable["com.beeper.hungry"] {
		t.Errorf("unstable features = %v", versions.Unstable)
	}
	// 2. register the bot; again it is M_USER_IN_USE
	br.Fails(t, "GET", as(client+"account/whoami", bot), nil, 403, "M_FORBIDDEN")
	register(t, br, "whatsappbot")
	br.Fails(t, "POST", client+"register", map[string]any{"type": "m.login.application_service", "username": "whatsappbot", "inhibit_login": true}, 400, "M_USER_IN_USE")
	// 3. whoami says that it is the bot
	var me struct {
		UserID string `json:"user_id"`
	}
	if do(t, br, "GET", as(client+"account/whoami", bot), nil, &me); me.UserID != bot {
		t.Errorf("whoami = %q", me.UserID)
	}
	// 4. ping, and the server's ping in between
	var pong struct {
		Duration *int64 `json:"duration_ms"`
	}
	do(t, br, "POST", as("/_matrix/client/v1/appservice/whatsapp/ping", bot), map[string]string{"transaction_id": "mautrix-go_1"}, &pong)
	if pong.Duration == nil || !slices.Equal(b.pings, []string{"mautrix-go_1"}) {
		t.Errorf("ping = %v, the service was asked %q", pong.Duration, b.pings)
	}
	// 5. media config, the bot's name and picture
	for _, path := range []string{"/_matrix/client/v1/media/config", client + "capabilities"} {
		do(t, br, "GET", as(path, bot), nil, nil)
	}
	do(t, br, "PUT", as(client+"profile/"+bot+"/displayname", bot), map[string]string{"displayname": "WhatsApp bridge bot"}, nil)
	do(t, br, "PUT", as(client+"profile/"+bot+"/avatar_url", bot), map[string]string{"avatar_url": "mxc://example.org/x"}, nil)

	// A conversation: the ghost is made, named, and makes the room with the person it is for.
	register(t, br, "whatsapp_4479")
	do(t, br, "PUT", as(client+"profile/"+ghost+"/displayname", ghost), map[string]string{"displayname": "Minister (WA)"}, nil)
	var room struct {
		RoomID matrix.RoomID `json:"room_id"`
	}
	do(t, br, "POST", as(client+"createRoom", bot), map[string]any{"visibility": "private", "name": "Minister", "topic": "WhatsApp private chat",
		"creation_content": map[string]any{"m.federate": false}, "preset": "private_chat", "is_direct": true,
		"invite":                       []string{string(alice.ID), ghost},
		"power_level_content_override": map[string]any{"users": map[string]int{bot: 100}, "events": map[string]int{"m.room.name": 0}, "redact": 0},
		"initial_state": []any{
			map[string]any{"type": "m.bridge", "state_key": "net.maunium.whatsapp://whatsapp/4479", "content": map[string]any{"bridgebot": bot}},
			map[string]any{"type": "m.room.encryption", "state_key": "", "content": map[string]any{"algorithm": "m.megolm.v1.aes-sha2"}}}}, &room)
	path := func(rest string) string { return despatchtest.Path(room.RoomID, rest) }
	do(t, br, "POST", as(client+"join/"+url.PathEscape(string(room.RoomID))+"?via=example.org", ghost), map[string]any{}, nil)
	if status, _ := br.Do(t, "GET", as(path("state/m.room.encryption"), bot), nil); status != 404 {
		t.Errorf("encryption of the room = %d, want 404", status)
	}
	do(t, br, "GET", as(path("state/m.room.power_levels?format=event"), bot), nil, nil)
	do(t, br, "GET", as(path("members"), bot), nil, nil)
	// A message of another time, in the ghost's name.
	var sent struct {
		EventID matrix.EventID `json:"event_id"`
	}
	send := func(user, rest string, content any) matrix.EventID {
		t.Helper()
		do(t, br, "PUT", as(path(rest), user), content, &sent)
		return sent.EventID
	}
	id := send(ghost, "send/m.room.message/txn1?ts=1700000000000", map[string]any{"msgtype": "m.text", "body": "Approve the contract"})
	if again := send(ghost, "send/m.room.message/txn1?ts=1700000000000", map[string]any{"msgtype": "m.text", "body": "Approve the contract"}); again != id {
		t.Errorf("the same transaction made %s and %s", id, again)
	}
	send(bot, "state/m.room.topic/?ts=1700000000001", map[string]string{"topic": "New topic"})
	var ev struct {
		TS int64 `json:"origin_server_ts"`
	}
	if do(t, br, "GET", as(path("event/"+url.PathEscape(string(id))), bot), nil, &ev); ev.TS != 1_700_000_000_000 {
		t.Errorf("origin_server_ts = %d", ev.TS)
	}
	entry := d.Entry(t, id)
	source := matrix.Lookup(entry.Body, "org.despatch.source")
	via, _ := matrix.LookupString(source, "bridge")
	received, _ := matrix.Int(matrix.Lookup(source, "received"))
	if via != "whatsapp" || received != entry.Time || entry.Time < time.Now().Add(-time.Hour).UnixMilli() {
		t.Errorf("the record says of where it is from: %s, at %d", source, entry.Time)
	}
	do(t, br, "POST", as(path("receipt/m.read/"+url.PathEscape(string(id))), bot), map[string]any{}, nil)
	do(t, br, "PUT", as(path("typing/"+ghost), ghost), map[string]any{"typing": true, "timeout": 5000}, nil)
	// The bridge's deletion prunes what people see, and the record keeps it.
	do(t, br, "PUT", as(path("redact/"+url.PathEscape(string(id))+"/txn2"), ghost), map[string]any{}, nil)
	if got := string(d.Entry(t, id).Body); !strings.Contains(got, "Approve the contract") {
		t.Errorf("after the bridge's deletion the record has %s", got)
	}
	do(t, alice, "POST", client+"join/"+url.PathEscape(string(room.RoomID)), nil, nil)
	if raw := fmt.Sprint(alice.Messages(t, room.RoomID, 50)); strings.Contains(raw, "Approve the contract") {
		t.Errorf("after the bridge's deletion alice sees %s", raw)
	}
	// A double puppet: alice writes on her telephone, and the bridge says it in her name.
	puppet := d.As(puppets)
	if do(t, puppet, "GET", as(client+"account/whoami", string(alice.ID)), nil, &me); me.UserID != string(alice.ID) {
		t.Errorf("whoami of the puppet = %q", me.UserID)
	}
	do(t, puppet, "PUT", as(path("send/m.room.message/p1?ts=1700000009000"), string(alice.ID)),
		map[string]any{"msgtype": "m.text", "body": "from my phone", "fi.mau.double_puppet_source": "mautrix-whatsapp"}, &sent)
	if via, _ := matrix.LookupString(d.Entry(t, sent.EventID).Body, "org.despatch.source", "bridge"); via != "puppets" {
		t.Errorf("the puppet's message is via %q", via)
	}
	// Only those who show the token of an application service choose their time.
	own := map[string]any{"msgtype": "m.text", "body": "now"}
	do(t, alice, "PUT", path("send/m.room.message/own?ts=1000"), own, &sent)
	body := d.Entry(t, sent.EventID).Body
	if ts, _ := matrix.Int(matrix.Lookup(body, "origin_server_ts")); ts == 1000 || matrix.Lookup(body, "org.despatch.source") != nil {
		t.Errorf("alice chose her time: %s", body)
	}
	b.wait("alice's message reaches the bridge", b.has("now"))
	// In order, each once, and nothing of rooms without the bridge.
	secret := alice.CreateRoom(t)
	alice.Send(t, secret, "not for bridges")
	alice.Send(t, room.RoomID, "last")
	b.wait("the last message", b.has("last"))
	seen := map[matrix.EventID]bool{}
	for _, e := range b.events() {
		if seen[e.ID] || e.RoomID != room.RoomID {
			t.Errorf("event %s of %s: seen before %t", e.ID, e.RoomID, seen[e.ID])
		}
		seen[e.ID] = true
	}
	// Somebody reads, and the bridge is told.
	do(t, alice, "POST", path("receipt/m.read/"+url.PathEscape(string(sent.EventID))), map[string]any{}, nil)
	b.wait("a receipt", func() bool {
		return slices.ContainsFunc(b.txns, func(x transaction) bool {
			return slices.ContainsFunc(x.Eph, func(e bridgedEvent) bool {
				return e.Type == "m.receipt" && e.RoomID == room.RoomID && e.Content[string(sent.EventID)] != nil
			})
		})
	})
	d.CheckRecord(t)
}

func TestBridgeMayNot(t *testing.T) {
	b := startBridge(t)
	d := despatchtest.Start(t, b.bridged(t), func(c *server.Config) { c.OpenRegistration = true })
	alice, br, puppet := d.User(t, "alice"), d.As(asToken), d.As(puppets)
	register(t, br, "whatsappbot", "whatsapp_1")
	br.Fails(t, "GET", as(client+"account/whoami", "@alice:example.org"), nil, 403, "M_FORBIDDEN")
	br.Fails(t, "GET", as(client+"account/whoami", "@whatsapp_1:elsewhere.org"), nil, 403, "M_FORBIDDEN")
	br.Fails(t, "GET", as(client+"account/whoami", "nonsense"), nil, 400, "M_INVALID_PARAM")
	br.Fails(t, "POST", client+"register", map[string]any{"type": "m.login.application_service", "username": "alice2"}, 400, "M_EXCLUSIVE")
	puppet.Fails(t, "POST", client+"register", map[string]any{"type": "m.login.application_service", "username": "eve"}, 400, "M_EXCLUSIVE")
	alice.Fails(t, "POST", client+"register", map[string]any{"type": "m.login.application_service", "username": "whatsapp_2"}, 401, "M_UNKNOWN_TOKEN")
	d.As("").Fails(t, "POST", client+"register", map[string]any{"type": "m.login.application_service", "username": "whatsapp_2"}, 401, "M_MISSING_TOKEN")
	d.As("").Fails(t, "POST", client+"register", map[string]any{"username": "whatsapp_3", "password": "correct horse battery"}, 400, "M_EXCLUSIVE")
	d.As("").Fails(t, "GET", client+"register/available?username=whatsapp_3", nil, 400, "M_EXCLUSIVE")
	d.As(asToken+"x").Fails(t, "GET", client+"account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	d.As(hsToken).Fails(t, "GET", client+"account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	br.Fails(t, "POST", "/_matrix/client/v1/appservice/other/ping", map[string]any{}, 403, "M_FORBIDDEN")
	puppet.Fails(t, "POST", "/_matrix/client/v1/appservice/puppets/ping", map[string]any{}, 400, "M_URL_NOT_SET")
	alice.Fails(t, "POST", "/_matrix/client/v1/appservice/whatsapp/ping", map[string]any{}, 401, "M_UNKNOWN_TOKEN")
	alice.Fails(t, "POST", client+"createRoom", map[string]any{"room_alias_name": "whatsapp_x"}, 400, "M_EXCLUSIVE")
	room := alice.CreateRoom(t)
	const batch = "/_matrix/client/unstable/com.beeper.backfill/rooms/"
	alice.Fails(t, "POST", batch+url.PathEscape(string(room))+"/batch_send", map[string]any{}, 401, "M_UNKNOWN_TOKEN")
	event := func(sender string) map[string]any {
		return map[string]any{"events": []any{map[string]any{"type": "m.room.message", "sender": sender, "origin_server_ts": 1,
			"content": map[string]any{"msgtype": "m.text", "body": "x"}}}}
	}
	br.Fails(t, "POST", as(batch+url.PathEscape(string(room))+"/batch_send", "@whatsappbot:example.org"), event("@whatsapp_1:example.org"), 403, "M_FORBIDDEN")
	br.Fails(t, "POST", as(batch+url.PathEscape(string(room))+"/batch_send", "@whatsappbot:example.org"), event("@alice:example.org"), 403, "M_FORBIDDEN")
	br.Fails(t, "PUT", as(despatchtest.Path(room, "send/m.room.message/t?ts=yesterday"), "@whatsappbot:example.org"), map[string]any{}, 400, "M_INVALID_PARAM")
	br.Fails(t, "PUT", as(despatchtest.Path(room, "send/m.room.message/t"), "@whatsappbot:example.org"), map[string]any{"body": "x"}, 403, "M_FORBIDDEN")
	b.http.Close()
	br.Fails(t, "POST", "/_matrix/client/v1/appservice/whatsapp/ping", map[string]any{}, 502, "M_CONNECTION_FAILED")
}

// TestBridgeDevices is signing in as a bridge does for its own encryption, with either protocol.
func TestBridgeDevices(t *testing.T) {
	b := startBridge(t)
	d := despatchtest.Start(t, b.bridged(t))
	br := d.As(asToken)
	register(t, br, "whatsappbot")
	const bot = "@whatsappbot:example.org"
	var in struct {
		UserID, DeviceID string
		AccessToken      string `json:"access_token"`
	}
	do(t, br, "POST", client+"login", map[string]any{"type": "m.login.application_service", "identifier": map[string]string{"type": "m.id.user", "user": "whatsappbot"},
		"device_id": "BRIDGE"}, &in)
	var me struct {
		UserID   string `json:"user_id"`
		DeviceID string `json:"device_id"`
	}
	if do(t, d.As(in.AccessToken), "GET", client+"account/whoami", nil, &me); me.UserID != bot || me.DeviceID != "BRIDGE" {
		t.Errorf("signed in as %+v", me)
	}
	do(t, br, "PUT", as(client+"devices/MSC4190", bot), map[string]string{"display_name": "WhatsApp bridge"}, nil)
	for _, param := range []string{"device_id", "org.matrix.msc3202.device_id"} {
		if do(t, br, "GET", as(client+"account/whoami?"+param+"=MSC4190", bot), nil, &me); me.DeviceID != "MSC4190" {
			t.Errorf("with %s: %+v", param, me)
		}
	}
	br.Fails(t, "GET", as(client+"account/whoami?device_id=NONE", bot), nil, 400, "M_UNKNOWN_DEVICE")
	do(t, br, "POST", as(client+"keys/query", bot), map[string]any{"device_keys": map[string]any{bot: []string{}}}, nil)
	do(t, br, "DELETE", as(client+"devices/MSC4190", bot), map[string]any{}, nil)
	br.Fails(t, "GET", as(client+"account/whoami?device_id=MSC4190", bot), nil, 400, "M_UNKNOWN_DEVICE")
}

// TestBridgeTransactions has the service refuse, hang, and the server stop in the middle: nothing is lost,
// and what comes twice comes under the same number.
func TestBridgeTransactions(t *testing.T) {
	b := startBridge(t)
	d := despatchtest.Start(t, b.bridged(t))
	alice, br := d.User(t, "alice"), d.As(asToken)
	register(t, br, "whatsappbot")
	room := alice.CreateRoom(t)
	alice.Send(t, room, "before the bridge came")
	do(t, alice, "POST", despatchtest.Path(room, "invite"), map[string]any{"user_id": "@whatsappbot:example.org"}, nil)
	do(t, br, "POST", as(client+"join/"+url.PathEscape(string(room)), "@whatsappbot:example.org"), map[string]any{}, nil)
	b.wait("the invitation", func() bool { return len(b.events()) > 1 })
	b.mu.Lock()
	b.refuse = 3
	b.mu.Unlock()
	for i := range 10 {
		alice.Send(t, room, fmt.Sprint("refused ", i))
	}
	b.wait("what was refused", b.has("refused 9"))
	// It hangs, and the server stops before it has an answer.
	b.mu.Lock()
	b.stuck = make(chan struct{})
	n := len(b.txns)
	b.mu.Unlock()
	alice.Send(t, room, "hanging")
	b.wait("the transaction that hangs", func() bool { return len(b.txns) > n })
	alice.Send(t, room, "behind it")
	d.Restart(t)
	b.mu.Lock()
	close(b.stuck)
	b.stuck = nil
	b.mu.Unlock()
	alice.Send(t, room, "after the restart")
	b.wait("what came after the restart", b.has("after the restart"))
	var bodies []string
	for _, e := range b.events() {
		if e.Type == "m.room.message" {
			bodies = append(bodies, e.Body())
		}
	}
	want := []string{}
	for i := range 10 {
		want = append(want, fmt.Sprint("refused ", i))
	}
	want = append(want, "hanging", "behind it", "after the restart")
	if !slices.Equal(bodies, want) {
		t.Errorf("the bridge has %q, want %q", bodies, want)
	}
	// Each number stands for the same events, however often it came.
	byTxn := map[string]string{}
	for _, x := range b.txns {
		var ids []matrix.EventID
		for _, e := range x.Events {
			ids = append(ids, e.ID)
		}
		text := fmt.Sprint(ids)
		if was, ok := byTxn[x.id]; ok && was != text {
			t.Errorf("transaction %s was %s and then %s", x.id, was, text)
		}
		byTxn[x.id] = text
	}
}

func TestBridgeIsAsked(t *testing.T) {
	b := startBridge(t)
	d := despatchtest.Start(t, b.bridged(t))
	alice, br := d.User(t, "alice"), d.As(asToken)
	register(t, br, "whatsappbot")
	b.user = func(id string) bool {
		register(t, br, strings.TrimPrefix(strings.TrimSuffix(id, ":example.org"), "@"))
		return true
	}
	b.alias = func(alias string) bool {
		name := strings.TrimPrefix(strings.TrimSuffix(alias, ":example.org"), "#")
		if name == "whatsapp_none" {
			return false
		}
		do(t, br, "POST", as(client+"createRoom", "@whatsappbot:example.org"), map[string]any{"room_alias_name": name, "preset": "public_chat"}, nil)
		return true
	}
	room := alice.CreateRoom(t)
	do(t, alice, "POST", despatchtest.Path(room, "invite"), map[string]any{"user_id": "@whatsapp_77:example.org"}, nil)
	alice.Fails(t, "POST", despatchtest.Path(room, "invite"), map[string]any{"user_id": "@nobody:example.org"}, 404, "M_NOT_FOUND")
	do(t, alice, "GET", client+"directory/room/"+url.PathEscape("#whatsapp_group:example.org"), nil, nil)
	alice.Fails(t, "GET", client+"directory/room/"+url.PathEscape("#whatsapp_none:example.org"), nil, 404, "M_NOT_FOUND")
	want := []string{"@whatsapp_77:example.org", "#whatsapp_group:example.org", "#whatsapp_none:example.org"}
	if !slices.Equal(b.asked, want) {
		t.Errorf("the bridge was asked for %q, want %q", b.asked, want)
	}
}

// TestBridgeHistory brings in what was said before.
func TestBridgeHistory(t *testing.T) { sqldbtest.Each(t, testBridgeHistory) }

func testBridgeHistory(t *testing.T, target string) {
	b := startBridge(t)
	d := despatchtest.Start(t, despatchtest.Database(target), b.bridged(t))
	alice, br := d.User(t, "alice"), d.As(asToken)
	register(t, br, "whatsappbot")
	const bot, ghost, former = "@whatsappbot:example.org", "@whatsapp_4479:example.org", "@whatsapp_left:example.org"
	var made struct {
		RoomID matrix.RoomID `json:"room_id"`
	}
	do(t, br, "POST", as(client+"createRoom", bot), map[string]any{"preset": "private_chat", "invite": []string{string(alice.ID)}}, &made)
	room := made.RoomID
	do(t, alice, "POST", client+"join/"+url.PathEscape(string(room)), nil, nil)
	event := func(id, sender string, ts int64, content map[string]any) map[string]any {
		return map[string]any{"type": "m.room.message", "event_id": id, "sender": sender, "origin_server_ts": ts, "content": content, "room_id": room}
	}
	name := func(n int) string { return fmt.Sprintf("$%043d:whatsapp.com", n) }
	text := func(s string) map[string]any { return map[string]any{"msgtype": "m.text", "body": s} }
	batch := func(forward bool, events ...any) []matrix.EventID {
		t.Helper()
		var resp struct {
			EventIDs []matrix.EventID `json:"event_ids"`
		}
		do(t, br, "POST", as("/_matrix/client/unstable/com.beeper.backfill/rooms/"+url.PathEscape(string(room))+"/batch_send", bot),
			map[string]any{"forward": forward, "forward_if_no_messages": true, "events": events}, &resp)
		return resp.EventIDs
	}
	// The first part goes to the end, as there is nothing yet.
	first := batch(false, event(name(10), ghost, 10_000, text("ten")), event(name(11), ghost, 11_000, text("eleven")))
	alice.Sync(t, 0)
	live := alice.Send(t, room, "live")
	alice.Sync(t, 0)
	// Older parts come one before the other, with people who are not there any more.
	answer := text("two answers one")
	answer["m.relates_to"] = map[string]any{"m.in_reply_to": map[string]any{"event_id": name(1)}}
	older := []any{event(name(4), ghost, 4_000, text("four")), event(name(5), former, 5_000, text("five"))}
	batch(false, older...)
	oldest := batch(false, event(name(1), former, 1_000, text("one")), event(name(2), ghost, 2_000, answer),
		map[string]any{"type": "m.reaction", "event_id": "$random:whatsapp.com", "sender": ghost, "origin_server_ts": 2_500,
			"content": map[string]any{"m.relates_to": map[string]any{"rel_type": "m.annotation", "event_id": name(1), "key": "👍"}}})
	// Sent again, it is there once.
	if again := batch(false, older...); len(again) != 2 {
		t.Errorf("sent again: %v", again)
	}
	var got []string
	var from string
	for limit := 1; limit < 20; limit++ {
		got, from = nil, ""
		for range 50 {
			var page struct {
				Chunk []despatchtest.Event `json:"chunk"`
				End   string               `json:"end"`
			}
			do(t, alice, "GET", despatchtest.Path(room, fmt.Sprint("messages?dir=b&limit=", limit, from)), nil, &page)
			for _, e := range page.Chunk {
				if e.Body() != "" {
					got = append(got, e.Body())
				}
			}
			if page.End == "" {
				break
			}
			from = "&from=" + url.QueryEscape(page.End)
		}
		if want := []string{"live", "eleven", "ten", "five", "four", "two answers one", "one"}; !slices.Equal(got, want) {
			t.Errorf("alice looks back by %d and sees %q, want %q", limit, got, want)
		}
	}
	for limit := 1; limit < 20; limit++ {
		got, from = nil, ""
		for range 50 {
			var page struct {
				Chunk []despatchtest.Event `json:"chunk"`
				End   string               `json:"end"`
			}
			do(t, alice, "GET", despatchtest.Path(room, fmt.Sprint("messages?dir=f&limit=", limit, from)), nil, &page)
			for _, e := range page.Chunk {
				if e.Body() != "" {
					got = append(got, e.Body())
				}
			}
			if page.End == "" || len(page.Chunk) == 0 {
				break
			}
			from = "&from=" + url.QueryEscape(page.End)
		}
		if want := []string{"one", "two answers one", "four", "five", "ten", "eleven", "live"}; !slices.Equal(got, want) {
			t.Errorf("alice looks ahead by %d and sees %q, want %q", limit, got, want)
		}
	}
	// It is no news to anybody.
	if s := alice.Sync(t, 0); len(s.Rooms.Join) != 0 {
		t.Errorf("history came as news: %+v", s.Rooms.Join)
	}
	d.Restart(t)
	phone := d.SignIn(t, "alice")
	r := phone.Sync(t, 0).Rooms.Join[room]
	for _, e := range r.Timeline.Events {
		if slices.Contains(oldest, e.ID) {
			t.Errorf("history is in the timeline: %+v", e)
		}
	}
	// The record has it where it arrived, as what it is, with the id that its answer refers to.
	entry := d.Entry(t, oldest[1])
	if via, _ := matrix.LookupString(entry.Body, "org.despatch.source", "bridge"); via != "whatsapp" || entry.Pos < d.Entry(t, live).Pos {
		t.Errorf("the record has at %d: %s", entry.Pos, entry.Body)
	}
	if id, _ := matrix.LookupString(entry.Body, "content", "m.relates_to", "m.in_reply_to", "event_id"); id != string(oldest[0]) {
		t.Errorf("two answers %s, want %s", id, oldest[0])
	}
	if matrix.Lookup(d.Entry(t, oldest[0]).Body, "org.despatch.source", "history") == nil || matrix.Lookup(d.Entry(t, first[0]).Body, "org.despatch.source", "history") != nil {
		t.Error("the record does not tell history from what followed")
	}
	// The bridge goes on with its own names: it edits, and it is told of answers by them.
	edit := map[string]any{"msgtype": "m.text", "body": "* TEN", "m.new_content": text("TEN"),
		"m.relates_to": map[string]any{"rel_type": "m.replace", "event_id": name(10)}}
	var sent struct {
		EventID matrix.EventID `json:"event_id"`
	}
	do(t, br, "PUT", as(despatchtest.Path(room, "send/m.room.message/edit"), ghost), edit, &sent)
	if id, _ := matrix.LookupString(d.Entry(t, sent.EventID).Body, "content", "m.relates_to", "event_id"); id != string(first[0]) {
		t.Errorf("the edit is of %s, want %s", id, first[0])
	}
	alice.SendContent(t, room, "m.reaction", map[string]any{"m.relates_to": map[string]any{"rel_type": "m.annotation", "event_id": oldest[0], "key": "🙂"}})
	b.wait("the reaction under the bridge's own name", func() bool {
		return slices.ContainsFunc(b.events(), func(e bridgedEvent) bool {
			rel, _ := e.Content["m.relates_to"].(map[string]any)
			return e.Type == "m.reaction" && e.Sender == alice.ID && rel["event_id"] == name(1)
		})
	})
	do(t, br, "PUT", as(despatchtest.Path(room, "redact/"+url.PathEscape(name(11))+"/r"), bot), map[string]any{}, &sent)
	if raw := fmt.Sprint(alice.Messages(t, room, 10)); strings.Contains(raw, "eleven") {
		t.Errorf("after the bridge's deletion: %s", raw)
	}
	d.CheckRecord(t)
}
