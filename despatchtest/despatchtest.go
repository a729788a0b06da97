// Package despatchtest runs a whole Despatch in one process, on a real temporary database and over real
// HTTP, with users who have methods. It is for tests.
package despatchtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/server"
	"despatch/internal/store"

	"golang.org/x/mod/sumdb/note"
)

// Password is the password of every user that [Server.User] makes.
const Password = "correct horse battery"

// Server is a running Despatch.
type Server struct {
	*server.Server
	URL string

	http  *httptest.Server
	cfg   server.Config
	ahead *atomic.Int64 // of the real time
}

// Option changes how a server is made.
type Option func(*server.Config)

// Database has the server use a database other than SQLite in its folder.
func Database(target string) Option { return func(c *server.Config) { c.Database = target } }

// Folder has the server use a folder that outlives it.
func Folder(dir string) Option { return func(c *server.Config) { c.Data = dir } }

// Start starts a server that stops with the test.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	cfg := server.Config{Data: t.TempDir(), Name: "example.org", Log: slog.New(slog.DiscardHandler),
		Cost: identity.Cost{Memory: 64, Passes: 1}} // passwords in tests need not be hard to guess
	if os.Getenv("DESPATCH_TEST_LOG") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	for _, o := range opts {
		o(&cfg)
	}
	d := &Server{cfg: cfg, ahead: new(atomic.Int64)}
	d.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }
	d.up(t)
	t.Cleanup(d.down)
	return d
}

func (d *Server) up(t testing.TB) {
	t.Helper()
	s, err := server.New(context.Background(), d.cfg)
	if err != nil {
		t.Fatalf("start the server: %v", err)
	}
	d.Server = s
	d.http = httptest.NewUnstartedServer(nil)
	d.http.Config = httpd.NewServer(s.Handler(), d.cfg.Log)
	d.http.Start()
	d.URL = d.http.URL
}

func (d *Server) down() {
	d.Server.Drain()
	d.http.CloseClientConnections()
	d.http.Close()
	d.Server.Close()
}

// Restart stops the server and starts it again on the same data. Its URL changes.
func (d *Server) Restart(t testing.TB) {
	t.Helper()
	d.down()
	d.up(t)
}

// Advance puts the server's clock forward.
func (d *Server) Advance(by time.Duration) {
	d.ahead.Add(int64(by))
	d.Rooms.ClockChanged()
}

// User is somebody who is signed in.
type User struct {
	ID     matrix.UserID
	Token  string
	Device string
	d      *Server
	since  string
	txn    atomic.Int64
}

// User makes an account with [Password] and signs in. Without roles it is staff.
func (d *Server) User(t testing.TB, name string, roles ...identity.Role) *User {
	t.Helper()
	_, err := d.Identity.Create(context.Background(), identity.CommandLine, identity.NewPerson{Localpart: name,
		Name: strings.ToUpper(name[:1]) + name[1:], Password: Password, Roles: roles, OwnPassword: true})
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return d.SignIn(t, name)
}

// As is somebody with an access token of any kind.
func (d *Server) As(token string) *User { return &User{d: d, Token: token} }

// SignIn signs somebody in on another device.
func (d *Server) SignIn(t testing.TB, name string) *User {
	t.Helper()
	u := &User{d: d}
	var resp struct {
		UserID      matrix.UserID `json:"user_id"`
		AccessToken string        `json:"access_token"`
		DeviceID    string        `json:"device_id"`
	}
	u.must(t, "POST", "/_matrix/client/v3/login", map[string]any{"type": "m.login.password",
		"identifier": map[string]string{"type": "m.id.user", "user": name}, "password": Password}, &resp)
	u.ID, u.Token, u.Device = resp.UserID, resp.AccessToken, resp.DeviceID
	return u
}

// Do makes a request as the user and returns its status and body.
func (u *User) Do(t testing.TB, method, path string, body any) (int, []byte) {
	t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		r = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, u.d.URL+path, r)
	if err != nil {
		t.Fatal(err)
	}
	if u.Token != "" {
		req.Header.Set("Authorization", "Bearer "+u.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, raw
}

// must makes a request that has to succeed.
func (u *User) must(t testing.TB, method, path string, body, into any) {
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

// Fails makes a request that has to fail with a status and an errcode.
func (u *User) Fails(t testing.TB, method, path string, body any, status int, code string) {
	t.Helper()
	got, raw := u.Do(t, method, path, body)
	var e struct {
		Code string `json:"errcode"`
	}
	json.Unmarshal(raw, &e)
	if got != status || e.Code != code {
		t.Errorf("%s %s = %d %s, want %d %s", method, path, got, raw, status, code)
	}
}

const client = "/_matrix/client/v3/"

// CreateRoom makes a conversation and invites others, who accept.
func (u *User) CreateRoom(t testing.TB, others ...*User) matrix.RoomID {
	t.Helper()
	return u.CreateRoomWith(t, map[string]any{"preset": "private_chat"}, others...)
}

// CreateRoomWith is CreateRoom with the fields of the request.
func (u *User) CreateRoomWith(t testing.TB, fields map[string]any, others ...*User) matrix.RoomID {
	t.Helper()
	var invite []matrix.UserID
	for _, o := range others {
		invite = append(invite, o.ID)
	}
	if invite != nil {
		fields["invite"] = invite
	}
	var resp struct {
		RoomID matrix.RoomID `json:"room_id"`
	}
	u.must(t, "POST", client+"createRoom", fields, &resp)
	for _, o := range others {
		o.must(t, "POST", client+"join/"+url.PathEscape(string(resp.RoomID)), nil, nil)
	}
	return resp.RoomID
}

// Path is the path of something of a room.
func Path(room matrix.RoomID, rest string) string {
	return client + "rooms/" + url.PathEscape(string(room)) + "/" + rest
}

// Txn returns a transaction id that has not been used.
func (u *User) Txn() string { return fmt.Sprintf("t%d", u.txn.Add(1)) }

// Send sends a text.
func (u *User) Send(t testing.TB, room matrix.RoomID, text string) matrix.EventID {
	t.Helper()
	return u.SendContent(t, room, "m.room.message", map[string]any{"msgtype": "m.text", "body": text})
}

// SendContent sends an event.
func (u *User) SendContent(t testing.TB, room matrix.RoomID, typ string, content any) matrix.EventID {
	t.Helper()
	var resp struct {
		EventID matrix.EventID `json:"event_id"`
	}
	u.must(t, "PUT", Path(room, "send/"+typ+"/"+u.Txn()), content, &resp)
	return resp.EventID
}

// SetState sends a state event.
func (u *User) SetState(t testing.TB, room matrix.RoomID, typ, key string, content any) matrix.EventID {
	t.Helper()
	var resp struct {
		EventID matrix.EventID `json:"event_id"`
	}
	u.must(t, "PUT", Path(room, "state/"+typ+"/"+url.PathEscape(key)), content, &resp)
	return resp.EventID
}

// Redact deletes a message.
func (u *User) Redact(t testing.TB, room matrix.RoomID, id matrix.EventID) matrix.EventID {
	t.Helper()
	var resp struct {
		EventID matrix.EventID `json:"event_id"`
	}
	u.must(t, "PUT", Path(room, "redact/"+url.PathEscape(string(id))+"/"+u.Txn()), map[string]any{}, &resp)
	return resp.EventID
}

// Sync is the answer to a request for what is new.
type Sync struct {
	NextBatch string `json:"next_batch"`
	Rooms     struct {
		Join   map[matrix.RoomID]SyncRoom `json:"join"`
		Invite map[matrix.RoomID]struct {
			State Events `json:"invite_state"`
		} `json:"invite"`
		Leave map[matrix.RoomID]SyncRoom `json:"leave"`
	} `json:"rooms"`
	AccountData Events `json:"account_data"`
}

// SyncRoom is what is new in one room.
type SyncRoom struct {
	Timeline struct {
		Events    []Event `json:"events"`
		Limited   bool    `json:"limited"`
		PrevBatch string  `json:"prev_batch"`
	} `json:"timeline"`
	State       Events `json:"state"`
	Ephemeral   Events `json:"ephemeral"`
	AccountData Events `json:"account_data"`
	Unread      struct {
		Notifications int `json:"notification_count"`
	} `json:"unread_notifications"`
	Summary map[string]any `json:"summary"`
}

// Events is a list of events.
type Events struct {
	Events []Event `json:"events"`
}

// Event is an event as a client sees it.
type Event struct {
	ID       matrix.EventID `json:"event_id"`
	Type     string         `json:"type"`
	StateKey *string        `json:"state_key"`
	Sender   matrix.UserID  `json:"sender"`
	Content  map[string]any `json:"content"`
	Unsigned map[string]any `json:"unsigned"`
	Redacts  matrix.EventID `json:"redacts"`
}

// Body is the text of a message.
func (e Event) Body() string { s, _ := e.Content["body"].(string); return s }

// Sync asks for what is new since the last time, waiting for at most the given milliseconds.
func (u *User) Sync(t testing.TB, timeout int) Sync {
	t.Helper()
	q := url.Values{"timeout": {fmt.Sprint(timeout)}}
	if u.since != "" {
		q.Set("since", u.since)
	}
	var s Sync
	u.must(t, "GET", client+"sync?"+q.Encode(), nil, &s)
	u.since = s.NextBatch
	return s
}

// Messages returns the last events of a room, newest first.
func (u *User) Messages(t testing.TB, room matrix.RoomID, limit int) []Event {
	t.Helper()
	var resp struct {
		Chunk []Event `json:"chunk"`
	}
	u.must(t, "GET", Path(room, fmt.Sprintf("messages?dir=b&limit=%d", limit)), nil, &resp)
	return resp.Chunk
}

// Entry returns the entry of an event as it is on the record.
func (d *Server) Entry(t testing.TB, id matrix.EventID) store.Entry {
	t.Helper()
	ref, ok := store.EventRef(id)
	if !ok {
		t.Fatalf("%q is no event id", id)
	}
	e, err := store.EntryByRef(context.Background(), d.DB.Reader(), ref)
	if err != nil {
		t.Fatalf("entry of %s: %v", id, err)
	}
	return e
}

// CheckRecord recomputes the whole record from its entries and compares it with its tiles and its
// signed checkpoint.
func (d *Server) CheckRecord(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	verifier, err := note.NewVerifier(d.Key)
	if err != nil {
		t.Fatal(err)
	}
	before := d.Rec.Head().Edge.Size
	report, err := store.Verify(ctx, d.DB, verifier)
	if err != nil {
		t.Fatalf("verify the record: %v", err)
	}
	for _, p := range report.Problems {
		t.Errorf("record: %v", p)
	}
	// What the server does in the background goes on the record meanwhile.
	if after := d.Rec.Head().Edge.Size; report.Size < before || report.Size > after {
		t.Errorf("verified %d entries, the recorder had %d before and %d after", report.Size, before, after)
	}
}

// Nobody is somebody who is not signed in.
func (d *Server) Nobody() *User { return &User{d: d} }
