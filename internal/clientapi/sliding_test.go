package clientapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/despatchtest"
	"despatch/internal/matrix"
	"despatch/internal/sqldb/sqldbtest"
)

// slider is a client of sliding sync that does with its answers what Element X does: it keeps rooms, takes
// "initial" for a new beginning, and sends the pos it got last.
type slider struct {
	*despatchtest.User
	conn   string
	pos    string
	lists  map[string]any
	subs   map[matrix.RoomID]any
	ext    map[string]any
	rooms  map[matrix.RoomID]*slidRoom
	counts map[string]int
	device string // the token of the extension to_device
}

type slidRoom struct {
	name       string
	membership string
	events     []matrix.EventID
	bodies     map[matrix.EventID]string
	redacted   map[matrix.EventID]bool
	state      map[string]jsontext.Value
	joined     int
	unread     int
	bump       int64
	initials   int
	heroes     []string
	invite     []despatchtest.Event
	typing     []string
	receipts   string
	dm         bool
}

type slideAnswer struct {
	Pos   string `json:"pos"`
	Lists map[string]struct {
		Count int `json:"count"`
	} `json:"lists"`
	Rooms      map[matrix.RoomID]slideRoom `json:"rooms"`
	Extensions struct {
		ToDevice *struct {
			NextBatch string               `json:"next_batch"`
			Events    []despatchtest.Event `json:"events"`
		} `json:"to_device"`
		E2EE        map[string]any `json:"e2ee"`
		AccountData struct {
			Global []despatchtest.Event                   `json:"global"`
			Rooms  map[matrix.RoomID][]despatchtest.Event `json:"rooms"`
		} `json:"account_data"`
		Receipts struct {
			Rooms map[matrix.RoomID]jsontext.Value `json:"rooms"`
		} `json:"receipts"`
		Typing struct {
			Rooms map[matrix.RoomID]struct {
				Content struct {
					Users []string `json:"user_ids"`
				} `json:"content"`
			} `json:"rooms"`
		} `json:"typing"`
	} `json:"extensions"`
}

type slideRoom struct {
	Name       *string              `json:"name"`
	Avatar     jsontext.Value       `json:"avatar"`
	Membership string               `json:"membership"`
	Lists      []string             `json:"lists"`
	Initial    bool                 `json:"initial"`
	Expanded   bool                 `json:"unstable_expanded_timeline"`
	Expanded4  bool                 `json:"expanded_timeline"`
	Timeline   []despatchtest.Event `json:"timeline"`
	State      []despatchtest.Event `json:"required_state"`
	Invite     []despatchtest.Event `json:"invite_state"`
	Stripped   []despatchtest.Event `json:"stripped_state"`
	PrevBatch  string               `json:"prev_batch"`
	Limited    bool                 `json:"limited"`
	NumLive    int                  `json:"num_live"`
	Joined     *int                 `json:"joined_count"`
	Invited    *int                 `json:"invited_count"`
	Unread     *int                 `json:"notification_count"`
	Highlight  int                  `json:"highlight_count"`
	DM         *bool                `json:"is_dm"`
	Bump       *int64               `json:"bump_stamp"`
	Heroes     []struct {
		UserID string `json:"user_id"`
		Name   string `json:"displayname"`
	} `json:"heroes"`
}

// elementState is the required state that Element X asks for in its list of rooms.
var elementState = [][2]string{{"m.room.name", ""}, {"m.room.encryption", ""}, {"m.room.member", "$LAZY"}, {"m.room.member", "$ME"},
	{"m.room.topic", ""}, {"m.room.avatar", ""}, {"m.room.canonical_alias", ""}, {"m.room.power_levels", ""},
	{"org.matrix.msc3401.call.member", "*"}, {"m.room.join_rules", ""}, {"m.room.tombstone", ""}, {"m.room.create", ""},
	{"m.room.history_visibility", ""}, {"m.space.parent", "*"}, {"m.space.child", "*"}}

// slide begins a connection that looks at the first rooms, like the room list of Element X.
func slide(u *despatchtest.User, conn string, last, timeline int) *slider {
	return &slider{User: u, conn: conn, rooms: map[matrix.RoomID]*slidRoom{}, counts: map[string]int{},
		subs: map[matrix.RoomID]any{},
		lists: map[string]any{"all_rooms": map[string]any{"ranges": [][2]int{{0, last}}, "timeline_limit": timeline,
			"required_state": elementState}},
		ext: map[string]any{"account_data": map[string]any{"enabled": true}, "receipts": map[string]any{"enabled": true, "rooms": []string{"*"}},
			"typing": map[string]any{"enabled": true}},
	}
}

// window looks at rooms up to another number, with timelines of another length.
func (c *slider) window(last, timeline int) {
	c.lists["all_rooms"] = map[string]any{"ranges": [][2]int{{0, last}}, "timeline_limit": timeline, "required_state": elementState}
}

// ask makes a request and returns the answer as it came.
func (c *slider) ask(t testing.TB, timeout int) (int, []byte) {
	t.Helper()
	if ext, ok := c.ext["to_device"].(map[string]any); ok && c.device != "" {
		ext["since"] = c.device
	}
	q := url.Values{"timeout": {fmt.Sprint(timeout)}}
	if c.pos != "" {
		q.Set("pos", c.pos)
	}
	return c.Do(t, "POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?"+q.Encode(),
		map[string]any{"conn_id": c.conn, "lists": c.lists, "room_subscriptions": c.subs, "extensions": c.ext})
}

// sync asks for what is new and takes it in.
func (c *slider) sync(t testing.TB, timeout int) slideAnswer {
	t.Helper()
	status, raw := c.ask(t, timeout)
	if status != http.StatusOK {
		t.Fatalf("sliding sync = %d %s", status, raw)
	}
	var a slideAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("sliding sync: %v in %s", err, raw)
	}
	c.take(t, &a)
	return a
}

// lost asks for what is new, and the answer does not arrive.
func (c *slider) lost(t testing.TB) {
	t.Helper()
	if status, raw := c.ask(t, 0); status != http.StatusOK {
		t.Fatalf("sliding sync = %d %s", status, raw)
	}
}

func (c *slider) take(t testing.TB, a *slideAnswer) {
	t.Helper()
	c.pos = a.Pos
	for name, l := range a.Lists {
		c.counts[name] = l.Count
	}
	for id, r := range a.Rooms {
		c.takeRoom(t, id, &r)
	}
	if d := a.Extensions.ToDevice; d != nil {
		c.device = d.NextBatch
	}
	for id, e := range a.Extensions.Typing.Rooms {
		c.rooms[id].typing = e.Content.Users
	}
	for id, e := range a.Extensions.Receipts.Rooms {
		c.rooms[id].receipts = string(e)
	}
}

func (c *slider) takeRoom(t testing.TB, id matrix.RoomID, r *slideRoom) {
	t.Helper()
	x := c.rooms[id]
	if r.Initial || x == nil {
		if !r.Initial {
			t.Errorf("room %s comes for the first time without \"initial\"", id)
		}
		n := 0
		if x != nil {
			n = x.initials
		}
		x = &slidRoom{bodies: map[matrix.EventID]string{}, redacted: map[matrix.EventID]bool{}, state: map[string]jsontext.Value{}, initials: n + 1}
		c.rooms[id] = x
	}
	if r.Membership != "" {
		x.membership = r.Membership
	}
	if r.Name != nil {
		x.name = *r.Name
	}
	if r.Joined != nil {
		x.joined = *r.Joined
	}
	if r.Unread != nil {
		x.unread = *r.Unread
	}
	if r.Bump != nil {
		x.bump = *r.Bump
	}
	if r.DM != nil {
		x.dm = *r.DM
	}
	if r.Heroes != nil {
		x.heroes = nil
		for _, h := range r.Heroes {
			x.heroes = append(x.heroes, h.Name)
		}
	}
	x.invite = append(r.Invite, r.Stripped...)
	for _, e := range r.State {
		raw, _ := json.Marshal(e.Content)
		x.state[e.Type+" "+*e.StateKey] = raw
	}
	if r.Limited || r.Expanded || r.Expanded4 {
		x.events = nil
	}
	for _, e := range r.Timeline {
		if slices.Contains(x.events, e.ID) {
			t.Errorf("event %s of %s came twice", e.ID, id)
		}
		x.events = append(x.events, e.ID)
		x.bodies[e.ID] = e.Body()
		if e.Type == matrix.TypeRedaction {
			x.redacted[e.Redacts], x.bodies[e.Redacts] = true, ""
		}
		if _, gone := e.Unsigned["redacted_because"]; gone {
			x.redacted[e.ID] = true
		}
		if e.StateKey != nil && e.Type == matrix.TypeMember {
			raw, _ := json.Marshal(e.Content)
			x.state[e.Type+" "+*e.StateKey] = raw
		}
	}
}

// texts are the messages of a room that the client can show.
func (r *slidRoom) texts() []string {
	var out []string
	for _, id := range r.events {
		if b := r.bodies[id]; b != "" {
			out = append(out, b)
		}
	}
	return out
}

func wantTexts(t testing.TB, c *slider, room matrix.RoomID, want ...string) {
	t.Helper()
	if c.rooms[room] == nil {
		t.Fatalf("the client does not have room %s", room)
	}
	if got := c.rooms[room].texts(); !slices.Equal(got, want) {
		t.Errorf("messages = %q, want %q", got, want)
	}
}

func TestSlidingWindowGrows(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	var rooms []matrix.RoomID
	for i := range 30 {
		room := alice.CreateRoomWith(t, map[string]any{"name": fmt.Sprint("Room ", i)}, bob)
		alice.Send(t, room, fmt.Sprint("first of ", i))
		alice.Send(t, room, fmt.Sprint("second of ", i))
		rooms = append(rooms, room)
	}
	c := slide(bob, "room-list", 9, 1)
	a := c.sync(t, 0)
	if len(a.Rooms) != 10 || c.counts["all_rooms"] != 30 {
		t.Fatalf("%d rooms of %d, want 10 of 30", len(a.Rooms), c.counts["all_rooms"])
	}
	for i := range 10 {
		x := c.rooms[rooms[29-i]]
		if x == nil || x.name != fmt.Sprint("Room ", 29-i) || x.joined != 2 || x.unread != 2 {
			t.Fatalf("room %d = %+v", 29-i, x)
		}
		wantTexts(t, c, rooms[29-i], fmt.Sprint("second of ", 29-i))
		// The sender of what is shown, and oneself.
		for _, who := range []string{"@alice:example.org", "@bob:example.org"} {
			if x.state["m.room.member "+who] == nil {
				t.Errorf("room %d lacks the member %s", 29-i, who)
			}
		}
		if x.state["m.room.power_levels "] == nil || x.state["m.room.guest_access "] != nil {
			t.Errorf("room %d has the state %v", 29-i, x.state)
		}
	}
	// The window grows; what is known is not sent again.
	c.window(29, 1)
	if a = c.sync(t, 0); len(a.Rooms) != 20 || len(c.rooms) != 30 {
		t.Errorf("%d more rooms, %d in all; want 20 and 30", len(a.Rooms), len(c.rooms))
	}
	if a = c.sync(t, 0); len(a.Rooms) != 0 {
		t.Errorf("%d rooms although nothing happened", len(a.Rooms))
	}
	// Longer timelines are sent at once, and say that they are.
	c.window(29, 20)
	a = c.sync(t, 0)
	if len(a.Rooms) != 30 {
		t.Fatalf("%d rooms with a longer timeline, want 30", len(a.Rooms))
	}
	for id, r := range a.Rooms {
		if !r.Expanded || r.Initial || len(r.Timeline) < 3 {
			t.Errorf("room %s: expanded %t, initial %t, %d events", id, r.Expanded, r.Initial, len(r.Timeline))
		}
	}
	wantTexts(t, c, rooms[3], "first of 3", "second of 3")
	// Something in an old room comes, and only that.
	alice.Send(t, rooms[3], "third of 3")
	a = c.sync(t, 10_000)
	if len(a.Rooms) != 1 || a.Rooms[rooms[3]].NumLive != 1 || a.Rooms[rooms[3]].Limited {
		t.Errorf("after one message: %+v", a.Rooms)
	}
	wantTexts(t, c, rooms[3], "first of 3", "second of 3", "third of 3")
	if c.rooms[rooms[3]].unread != 3 || c.rooms[rooms[3]].bump <= c.rooms[rooms[29]].bump {
		t.Errorf("room 3: unread %d, bump %d beside %d", c.rooms[rooms[3]].unread, c.rooms[rooms[3]].bump, c.rooms[rooms[29]].bump)
	}
	// The token is one of the room's history too.
	status, raw := bob.Do(t, "GET", despatchtest.Path(rooms[3], "messages?dir=b&limit=1&from="+url.QueryEscape(c.pos)), nil)
	if status != 200 || !strings.Contains(string(raw), "third of 3") {
		t.Errorf("messages from pos = %d %s", status, raw)
	}
}

func TestSlidingLive(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoom(t, bob)
	c := slide(bob, "", 19, 20)
	c.sync(t, 0)
	if got := c.rooms[room].heroes; !slices.Equal(got, []string{"Alice"}) {
		t.Errorf("heroes = %q, want Alice", got)
	}
	// A long poll is answered by a message.
	got := make(chan slideAnswer, 1)
	go func() { got <- c.sync(t, 30_000) }()
	time.Sleep(20 * time.Millisecond)
	id := alice.Send(t, room, "are you there?")
	if a := <-got; len(a.Rooms) != 1 {
		t.Errorf("%d rooms after a message", len(a.Rooms))
	}
	wantTexts(t, c, room, "are you there?")

	bob.Do(t, "PUT", despatchtest.Path(room, "typing/@bob:example.org"), map[string]any{"typing": true, "timeout": 20000})
	if a := c.sync(t, 10_000); len(a.Rooms) != 0 || !slices.Equal(c.rooms[room].typing, []string{"@bob:example.org"}) {
		t.Errorf("typing = %q with %d rooms", c.rooms[room].typing, len(a.Rooms))
	}
	bob.Do(t, "PUT", despatchtest.Path(room, "typing/@bob:example.org"), map[string]any{"typing": false})
	if c.sync(t, 10_000); len(c.rooms[room].typing) != 0 {
		t.Errorf("typing = %q, want nobody", c.rooms[room].typing)
	}
	if c.rooms[room].unread != 1 {
		t.Errorf("unread = %d, want 1", c.rooms[room].unread)
	}
	bob.Do(t, "POST", despatchtest.Path(room, "receipt/m.read/"+url.PathEscape(string(id))), map[string]any{})
	c.sync(t, 10_000)
	if c.rooms[room].unread != 0 || !strings.Contains(c.rooms[room].receipts, "@bob:example.org") {
		t.Errorf("after a receipt: unread %d, receipts %s", c.rooms[room].unread, c.rooms[room].receipts)
	}
	bob.Do(t, "PUT", client+"user/@bob:example.org/account_data/m.direct", map[string]any{"@alice:example.org": []matrix.RoomID{room}})
	if a := c.sync(t, 10_000); !c.rooms[room].dm || len(a.Extensions.AccountData.Global) != 1 {
		t.Errorf("after m.direct: dm %t, account data %+v", c.rooms[room].dm, a.Extensions.AccountData)
	}
	bob.Do(t, "PUT", client+"user/@bob:example.org/rooms/"+url.PathEscape(string(room))+"/tags/m.favourite", map[string]any{"order": 0.5})
	if a := c.sync(t, 10_000); len(a.Extensions.AccountData.Rooms[room]) != 1 {
		t.Errorf("after a tag: %+v", a.Extensions.AccountData)
	}
	alice.SetState(t, room, "m.room.name", "", map[string]string{"name": "Harbour works"})
	if c.sync(t, 10_000); c.rooms[room].name != "Harbour works" || c.rooms[room].state["m.room.name "] == nil {
		t.Errorf("after naming: %q", c.rooms[room].name)
	}
	// Being named counts by itself; whom one ignores is not heard.
	alice.SendContent(t, room, "m.room.message", map[string]any{"msgtype": "m.text", "body": "bob!", "m.mentions": map[string]any{"user_ids": []matrix.UserID{bob.ID}}})
	if a := c.sync(t, 10_000); a.Rooms[room].Highlight != 1 {
		t.Errorf("named once, highlight_count = %d", a.Rooms[room].Highlight)
	}
	wantTexts(t, c, room, "are you there?", "bob!")
	bob.Do(t, "PUT", client+"user/@bob:example.org/account_data/m.ignored_user_list", map[string]any{"ignored_users": map[matrix.UserID]any{alice.ID: map[string]any{}}})
	c.sync(t, 10_000)
	alice.Send(t, room, "can you hear me?")
	c.sync(t, 10_000)
	wantTexts(t, c, room, "are you there?", "bob!")
	deaf := slide(bob, "deaf", 19, 20)
	deaf.sync(t, 0)
	wantTexts(t, deaf, room)
	bob.Do(t, "PUT", client+"user/@bob:example.org/account_data/m.ignored_user_list", map[string]any{"ignored_users": map[matrix.UserID]any{}})
	c = slide(bob, "", 19, 20)
	c.sync(t, 0)
	for _, x := range c.rooms[room].texts() {
		if x != "are you there?" {
			for id, body := range c.rooms[room].bodies {
				if body == x {
					alice.Redact(t, room, id)
				}
			}
		}
	}
	c.sync(t, 10_000)
	// A redaction, and a message that disappears.
	alice.Redact(t, room, id)
	if c.sync(t, 10_000); !c.rooms[room].redacted[id] {
		t.Error("the redaction did not come")
	}
	wantTexts(t, c, room)
	alice.SetState(t, room, "m.room.retention", "", map[string]any{"max_lifetime": 86_400_000})
	gone := alice.Send(t, room, "burn after reading")
	c.sync(t, 10_000)
	wantTexts(t, c, room, "burn after reading")
	d.Advance(25 * time.Hour)
	c.sync(t, 10_000)
	wantTexts(t, c, room)
	if !c.rooms[room].redacted[gone] {
		t.Error("the message that disappeared was not redacted")
	}
	if got := d.Entry(t, gone).Body; !strings.Contains(string(got), "burn after reading") {
		t.Errorf("the record has %s", got)
	}
	fresh := slide(bob, "other", 19, 20)
	fresh.sync(t, 0)
	wantTexts(t, fresh, room)
}

func TestSlidingInviteLeaveKick(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob, carol := d.User(t, "alice"), d.User(t, "bob"), d.User(t, "carol")
	secret := alice.CreateRoom(t, carol)
	alice.Send(t, secret, "not for bob")
	c := slide(bob, "", 19, 20)
	c.subs[secret] = map[string]any{"timeline_limit": 20, "required_state": [][2]string{{"*", "*"}}}
	if a := c.sync(t, 0); len(a.Rooms) != 0 {
		t.Fatalf("bob, who is nowhere, sees %v", a.Rooms)
	}
	room := alice.CreateRoomWith(t, map[string]any{"name": "Reshuffle", "invite": []matrix.UserID{bob.ID}})
	alice.Send(t, room, "before bob")
	c.sync(t, 10_000)
	x := c.rooms[room]
	if x == nil || x.membership != "invite" || len(x.events) != 0 || len(x.state) != 0 {
		t.Fatalf("invited: %+v", x)
	}
	if !slices.ContainsFunc(x.invite, func(e despatchtest.Event) bool { return e.Type == "m.room.name" }) {
		t.Errorf("the invitation does not say what to: %+v", x.invite)
	}
	if status, raw := bob.Do(t, "POST", client+"join/"+url.PathEscape(string(room)), nil); status != 200 {
		t.Fatalf("join = %d %s", status, raw)
	}
	c.sync(t, 10_000)
	x = c.rooms[room]
	if x.membership != "join" || x.initials != 2 || x.name != "Reshuffle" {
		t.Fatalf("joined: %+v", x)
	}
	wantTexts(t, c, room, "before bob")
	alice.Send(t, room, "welcome")
	c.sync(t, 10_000)
	if status, raw := bob.Do(t, "POST", despatchtest.Path(room, "leave"), map[string]any{}); status != 200 {
		t.Fatalf("leave = %d %s", status, raw)
	}
	alice.Send(t, room, "after bob")
	c.sync(t, 10_000)
	if c.rooms[room].membership != "leave" {
		t.Errorf("membership = %s, want leave", c.rooms[room].membership)
	}
	wantTexts(t, c, room, "before bob", "welcome")
	alice.Send(t, room, "long after bob")
	if a := c.sync(t, 0); len(a.Rooms) != 0 {
		t.Errorf("bob, who left, sees %v", a.Rooms)
	}
	// One leaves by oneself: another client is not shown the room. One is taken out: it is.
	other := slide(bob, "other", 19, 20)
	if a := other.sync(t, 0); len(a.Rooms) != 0 {
		t.Errorf("a new client sees %v", a.Rooms)
	}
	second := alice.CreateRoom(t, bob)
	alice.Send(t, second, "you are fired")
	alice.Do(t, "POST", despatchtest.Path(second, "kick"), map[string]any{"user_id": bob.ID})
	alice.Send(t, second, "is he gone?")
	third := slide(bob, "third", 19, 20)
	if third.sync(t, 0); third.rooms[second] == nil || third.rooms[second].membership != "leave" {
		t.Fatalf("after being taken out: %+v", third.rooms[second])
	}
	wantTexts(t, third, second, "you are fired")
	// An invitation that is withdrawn.
	fourth := alice.CreateRoomWith(t, map[string]any{"invite": []matrix.UserID{bob.ID}})
	c.sync(t, 10_000)
	alice.Do(t, "POST", despatchtest.Path(fourth, "kick"), map[string]any{"user_id": bob.ID})
	c.sync(t, 10_000)
	if c.rooms[fourth].membership != "leave" {
		t.Errorf("a withdrawn invitation is %q", c.rooms[fourth].membership)
	}
}

func TestSlidingConnections(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room, second := alice.CreateRoom(t, bob), alice.CreateRoom(t, bob)
	list, enc := slide(bob, "room-list", 0, 1), slide(bob, "encryption", 0, 0)
	enc.lists, enc.ext = map[string]any{}, map[string]any{"to_device": map[string]any{"enabled": true}, "e2ee": map[string]any{"enabled": true}}
	list.sync(t, 0)
	if a := enc.sync(t, 0); len(a.Rooms) != 0 || a.Extensions.ToDevice == nil || a.Extensions.E2EE["device_one_time_keys_count"] == nil {
		t.Errorf("the connection for keys gets %+v", a)
	}
	// Each has its own place, and a request that is repeated gets the same again.
	alice.Send(t, second, "one")
	list.lost(t)
	list.lost(t)
	list.sync(t, 0)
	wantTexts(t, list, second, "one")
	alice.Send(t, second, "two")
	list.sync(t, 0)
	list.rooms[second].events = nil
	if a := list.sync(t, 0); len(a.Rooms) != 0 {
		t.Errorf("an answer that arrived comes again: %+v", a.Rooms)
	}
	// A message to the device waits until the device says that it has it.
	send := func(text string) {
		t.Helper()
		status, raw := bob.Do(t, "PUT", client+"sendToDevice/m.test/"+bob.Txn(),
			map[string]any{"messages": map[matrix.UserID]any{bob.ID: map[string]any{bob.Device: map[string]string{"text": text}}}})
		if status != 200 {
			t.Fatalf("sendToDevice = %d %s", status, raw)
		}
	}
	send("one")
	for range 2 {
		var a slideAnswer
		_, raw := enc.ask(t, 0)
		if err := json.Unmarshal(raw, &a); err != nil || len(a.Extensions.ToDevice.Events) != 1 {
			t.Fatalf("to_device = %s", raw)
		}
	}
	enc.sync(t, 0)
	send("two")
	if a := enc.sync(t, 10_000); len(a.Extensions.ToDevice.Events) != 1 || a.Extensions.ToDevice.Events[0].Content["text"] != "two" {
		t.Errorf("to_device = %+v", a.Extensions.ToDevice)
	}
	// A subscription brings a room that no window shows.
	list.window(0, 1)
	list.subs[room] = map[string]any{"timeline_limit": 20, "required_state": [][2]string{{"m.room.pinned_events", ""}, {"m.room.create", ""}}}
	list.sync(t, 0)
	if x := list.rooms[room]; x == nil || x.state["m.room.create "] == nil {
		t.Fatalf("subscribed: %+v", x)
	}
	alice.SetState(t, room, "m.room.pinned_events", "", map[string]any{"pinned": []string{}})
	list.sync(t, 10_000)
	if list.rooms[room].state["m.room.pinned_events "] == nil {
		t.Error("pinned events did not come")
	}
	// What is not a place of this connection is refused, also to the same person on another device.
	laptop := d.SignIn(t, "bob")
	for name, x := range map[string]*slider{
		"another device":     {User: laptop, conn: "room-list", pos: list.pos},
		"another person":     {User: alice, conn: "room-list", pos: list.pos},
		"another connection": {User: bob, conn: "encryption", pos: list.pos},
		"made up":            {User: bob, conn: "room-list", pos: "s1_1~a.1"},
		"of /sync":           {User: bob, conn: "room-list", pos: "s1_1"},
		"an older answer":    {User: bob, conn: "room-list", pos: older(list.pos)},
	} {
		if status, raw := x.ask(t, 0); status != 400 || !strings.Contains(string(raw), "M_UNKNOWN_POS") {
			t.Errorf("a pos that is %s: %d %s", name, status, raw)
		}
	}
	if a := list.sync(t, 0); len(a.Rooms) != 0 {
		t.Errorf("after strangers tried: %+v", a.Rooms)
	}
	// A ninth connection takes the place of the one not used longest.
	for i := range 8 {
		slide(bob, fmt.Sprint("more ", i), 0, 1).sync(t, 0)
	}
	if status, raw := enc.ask(t, 0); status != 400 || !strings.Contains(string(raw), "M_UNKNOWN_POS") {
		t.Errorf("the first of ten connections: %d %s", status, raw)
	}
	// After a restart the client begins again.
	again := slide(bob, "more 7", 9, 1)
	again.sync(t, 0)
	d.Restart(t)
	alice.Send(t, room, "after the restart")
	if status, raw := again.ask(t, 0); status != 400 || !strings.Contains(string(raw), "M_UNKNOWN_POS") {
		t.Errorf("after a restart: %d %s", status, raw)
	}
	again.pos = ""
	again.sync(t, 0)
	wantTexts(t, again, room, "after the restart")
	if again.rooms[room].initials != 2 || again.counts["all_rooms"] != 2 {
		t.Errorf("after a restart: %+v of %d", again.rooms[room], again.counts["all_rooms"])
	}
}

// older is the token of an answer long before.
func older(pos string) string {
	at, _, _ := strings.Cut(pos, ".")
	return at + ".1"
}

func TestSlidingNewerRequestEndsOlder(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoom(t, bob)
	c := slide(bob, "", 19, 20)
	c.sync(t, 0)
	ended := make(chan struct{})
	go func() { c.ask(t, 50_000); close(ended) }()
	time.Sleep(20 * time.Millisecond)
	c.sync(t, 0)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the older request still waits")
	}
	alice.Send(t, room, "hello")
	c.sync(t, 10_000)
	wantTexts(t, c, room, "hello")
	// Signing out ends it too.
	out := make(chan int, 1)
	go func() { status, _ := c.ask(t, 50_000); out <- status }()
	time.Sleep(20 * time.Millisecond)
	bob.Do(t, "POST", client+"logout", nil)
	select {
	case status := <-out:
		if status != 401 {
			t.Errorf("signed out while waiting: %d", status)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a device that is signed out still waits")
	}
}

func TestSlidingFilters(t *testing.T) { sqldbtest.Each(t, testSlidingFilters) }

func testSlidingFilters(t *testing.T, target string) {
	d := despatchtest.Start(t, despatchtest.Database(target))
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	space := alice.CreateRoomWith(t, map[string]any{"name": "Works", "creation_content": map[string]any{"type": "m.space"}}, bob)
	inside, outside := alice.CreateRoom(t, bob), alice.CreateRoom(t, bob)
	invited := alice.CreateRoomWith(t, map[string]any{"invite": []matrix.UserID{bob.ID}})
	alice.SetState(t, space, "m.space.child", string(inside), map[string]any{"via": []string{"example.org"}})
	bob.Do(t, "PUT", client+"user/@bob:example.org/account_data/m.direct", map[string]any{"@alice:example.org": []matrix.RoomID{outside}})
	bob.Do(t, "PUT", client+"user/@bob:example.org/rooms/"+url.PathEscape(string(inside))+"/tags/m.favourite", map[string]any{})
	lists := map[string]any{}
	for name, filter := range map[string]any{
		"all": map[string]any{}, "dm": map[string]any{"is_dm": true}, "group": map[string]any{"is_dm": false},
		"invited": map[string]any{"is_invite": true}, "joined": map[string]any{"is_invited": false},
		"spaces": map[string]any{"room_types": []any{"m.space"}}, "plain": map[string]any{"room_types": []any{nil}},
		"not spaces": map[string]any{"not_room_types": []any{"m.space"}}, "in space": map[string]any{"spaces": []any{space, "!nowhere:example.org"}},
		"favourites": map[string]any{"tags": []any{"m.favourite"}}, "others": map[string]any{"not_tags": []any{"m.favourite"}},
		"encrypted": map[string]any{"is_encrypted": true},
	} {
		lists[name] = map[string]any{"ranges": [][2]int{{0, 99}}, "timeline_limit": 1, "required_state": [][2]string{}, "filters": filter}
	}
	want := map[string][]matrix.RoomID{
		"all": {space, inside, outside, invited}, "dm": {outside}, "group": {space, inside, invited}, "invited": {invited},
		"joined": {space, inside, outside}, "spaces": {space}, "plain": {inside, outside, invited}, "not spaces": {inside, outside, invited},
		"in space": {inside}, "favourites": {inside}, "others": {space, outside, invited}, "encrypted": nil,
	}
	check := func(when string) {
		t.Helper()
		c := slide(bob, "", 0, 0)
		c.lists = lists
		a := c.sync(t, 0)
		for name, ids := range want {
			var got []matrix.RoomID
			for id, r := range a.Rooms {
				if slices.Contains(r.Lists, name) {
					got = append(got, id)
				}
			}
			slices.Sort(got)
			slices.Sort(ids)
			if !slices.Equal(got, ids) || c.counts[name] != len(ids) {
				t.Errorf("%s, list %q = %v (%d), want %v", when, name, got, c.counts[name], ids)
			}
		}
	}
	check("at first")
	d.Restart(t)
	check("after a restart")
	// A room that becomes a conversation of two moves from list to list.
	c := slide(bob, "", 0, 0)
	c.lists = map[string]any{"dm": lists["dm"]}
	c.sync(t, 0)
	bob.Do(t, "PUT", client+"user/@bob:example.org/account_data/m.direct", map[string]any{"@alice:example.org": []matrix.RoomID{outside, inside}})
	if c.sync(t, 10_000); c.counts["dm"] != 2 || c.rooms[inside] == nil {
		t.Errorf("%d rooms of two, want 2", c.counts["dm"])
	}
}

// TestSlidingV4 is the form in which the proposal was accepted.
func TestSlidingV4(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	room := alice.CreateRoomWith(t, map[string]any{"name": "Quay", "topic": "stone"}, bob)
	alice.Send(t, room, "one")
	alice.Send(t, room, "two")
	invited := alice.CreateRoomWith(t, map[string]any{"invite": []matrix.UserID{bob.ID}})
	body := map[string]any{"conn_id": "main", "lists": map[string]any{"l": map[string]any{"range": [2]int{0, 9}, "timeline_limit": 1,
		"required_state": map[string]any{"include": []any{map[string]any{}}, "exclude": []any{map[string]any{"type": "m.room.create"}}, "lazy_members": true}}}}
	ask := func() (a slideAnswer) {
		t.Helper()
		status, raw := bob.Do(t, "POST", "/_matrix/client/v4/sync", body)
		if status != 200 || json.Unmarshal(raw, &a) != nil {
			t.Fatalf("v4 = %d %s", status, raw)
		}
		body["pos"] = a.Pos
		return a
	}
	a := ask()
	r := a.Rooms[room]
	types := map[string]bool{}
	for _, e := range r.State {
		types[e.Type+" "+*e.StateKey] = true
	}
	if !r.Initial || !r.Limited || len(r.Timeline) != 1 || r.Membership != "join" || !types["m.room.topic "] || types["m.room.create "] ||
		!types["m.room.member @alice:example.org"] || types["m.room.member @bob:example.org"] || r.Unread != nil {
		t.Errorf("v4 room = %+v with state %v", r, types)
	}
	if got := a.Rooms[invited]; got.Membership != "invite" || len(got.Stripped) == 0 || len(got.Invite) != 0 {
		t.Errorf("v4 invitation = %+v", got)
	}
	body["lists"].(map[string]any)["l"].(map[string]any)["timeline_limit"] = 10
	if r = ask().Rooms[room]; !r.Expanded4 || r.Expanded || len(r.Timeline) < 2 {
		t.Errorf("v4 longer timeline = %+v", r)
	}
	body["pos"], body["timeout"] = "s0_0~x.1", 10
	if status, raw := bob.Do(t, "POST", "/_matrix/client/v4/sync", body); status != 400 || !strings.Contains(string(raw), "M_UNKNOWN_POS") {
		t.Errorf("v4 unknown pos = %d %s", status, raw)
	}
	var versions struct {
		Unstable map[string]bool `json:"unstable_features"`
	}
	_, raw := bob.Do(t, "GET", "/_matrix/client/versions", nil)
	if json.Unmarshal(raw, &versions); !versions.Unstable["org.matrix.simplified_msc3575"] {
		t.Errorf("versions = %s", raw)
	}
}

func TestSlidingBadRequests(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	alice.CreateRoom(t)
	many := map[string]any{}
	for i := range 101 {
		many[fmt.Sprint("l", i)] = map[string]any{"timeline_limit": 1}
	}
	patterns := make([][2]string, 501)
	list := func(l map[string]any) map[string]any { return map[string]any{"lists": map[string]any{"x": l}} }
	const path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
	for name, body := range map[string]any{
		"too many lists":       map[string]any{"lists": many},
		"too many patterns":    list(map[string]any{"required_state": patterns}),
		"range backwards":      list(map[string]any{"ranges": [][2]int{{5, 1}}}),
		"range below zero":     list(map[string]any{"ranges": [][2]int{{-5, 1}}}),
		"too many ranges":      list(map[string]any{"ranges": make([][2]int, 21)}),
		"long conn_id":         map[string]any{"conn_id": strings.Repeat("x", 300)},
		"since of nothing":     map[string]any{"extensions": map[string]any{"to_device": map[string]any{"enabled": true, "since": "x"}}},
		"list without a name":  map[string]any{"lists": map[string]any{"": map[string]any{}}},
		"too long a filter":    list(map[string]any{"filters": map[string]any{"tags": make([]string, 501)}}),
		"too many rooms asked": map[string]any{"room_subscriptions": many},
	} {
		if status, raw := alice.Do(t, "POST", path, body); status != 400 {
			t.Errorf("%s: %d %s", name, status, raw)
		}
	}
	for name, body := range map[string]any{
		"a triple":  list(map[string]any{"required_state": [][]string{{"a", "b", "c"}}}),
		"a number":  list(map[string]any{"required_state": []int{1}}),
		"a string":  list(map[string]any{"required_state": "all"}),
		"lists [] ": map[string]any{"lists": []int{}},
	} {
		if status, raw := alice.Do(t, "POST", path, body); status != 400 {
			t.Errorf("%s: %d %s", name, status, raw)
		}
	}
	if status, raw := alice.Do(t, "POST", path, map[string]any{"lists": map[string]any{"x": map[string]any{"timeline_limit": 1 << 40, "ranges": [][2]int{{0, 1 << 40}}}}}); status != 200 {
		t.Errorf("a huge window: %d %s", status, raw)
	}
	if status, _ := d.As("nonsense").Do(t, "POST", path, map[string]any{}); status != 401 {
		t.Errorf("without a session: %d", status)
	}
}
