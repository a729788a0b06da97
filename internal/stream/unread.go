package stream

import (
	"bytes"
	"context"
	"fmt"

	json "github.com/go-json-experiment/json"

	"despatch/internal/eventauth"
	"despatch/internal/matrix"
	"despatch/internal/pushrule"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// maxUnread is how many of the newest events that somebody has not read are looked at to count them.
const maxUnread = 1000

// Count is a number of events that notify somebody, and of those that are highlighted among them.
type Count struct{ Notify, Highlight int }

// Unread is what somebody has not read in a room.
type Unread struct {
	Main    Count
	Threads map[matrix.EventID]Count // by the thread's root; only those with something unread

	upTo  int64 // events below are counted
	floor floors
}

// All counts the room and its threads together.
func (u *Unread) All() Count {
	sum := u.Main
	for _, c := range u.Threads {
		sum.Notify += c.Notify
		sum.Highlight += c.Highlight
	}
	return sum
}

// floors are the positions up to which somebody has read.
type floors struct {
	all     int64 // everything
	main    int64 // what is in no thread
	threads map[string]int64
}

func (f *floors) of(thread matrix.EventID) int64 {
	if thread == "" {
		return max(f.all, f.main)
	}
	return max(f.all, f.threads[string(thread)])
}

// personal is what of somebody's account data the hub keeps at hand.
type personal struct {
	rules   *pushrule.Set
	ignored map[matrix.UserID]bool
}

// maxPersonal bounds how many people's are kept.
const maxPersonal = 20_000

// personal reads somebody's push rules and whom they ignore, or has them at hand.
func (h *Hub) personalOf(ctx context.Context, q sqldb.Queryer, who matrix.UserID) (*personal, error) {
	h.mu.RLock()
	p, age := h.personal[who], h.personalAge
	h.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p = &personal{}
	rules := pushrule.Predefined(who)
	raw, err := store.AccountDatum(ctx, q, who, "", "m.push_rules")
	switch {
	case err == nil:
		var set struct {
			Global pushrule.Rules `json:"global"`
		}
		if json.Unmarshal(raw, &set) == nil {
			set.Global.Complete(who)
			rules = &set.Global
		}
	case err != store.ErrNotFound:
		return nil, err
	}
	p.rules = pushrule.Compile(who, rules)
	raw, err = store.AccountDatum(ctx, q, who, "", "m.ignored_user_list")
	switch {
	case err == nil:
		var list struct {
			Users map[matrix.UserID]any `json:"ignored_users"`
		}
		if json.Unmarshal(raw, &list) == nil && len(list.Users) > 0 {
			p.ignored = make(map[matrix.UserID]bool)
			for id := range list.Users {
				p.ignored[id] = id != who
			}
		}
	case err != store.ErrNotFound:
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.personalAge != age { // something was changed while this was being read
		return p, nil
	}
	if len(h.personal) >= maxPersonal {
		clear(h.personal)
	}
	h.personal[who] = p
	return p, nil
}

// Ignores reports whether somebody does not want to see what another says.
func (h *Hub) Ignores(ctx context.Context, q sqldb.Queryer, who, other matrix.UserID) (bool, error) {
	p, err := h.personalOf(ctx, q, who)
	if err != nil {
		return false, err
	}
	return p.ignored[other], nil
}

// DataChanged says that account data of somebody has been stored that decides what they are shown: their push
// rules, or whom they ignore.
func (h *Hub) DataChanged(who matrix.UserID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.personal, who)
	h.personalAge++
	if u := h.users[who]; u != nil {
		for id := range u.rooms {
			delete(h.rooms[id].unread, who)
		}
	}
}

// known is what is counted already, if nothing has happened since. The lock must be held.
func (r *room) known(who matrix.UserID) (*Unread, bool) {
	u := r.unread[who]
	return u, u != nil && u.upTo > r.last
}

// unreadOf counts what somebody has not read of the events below head. What has been counted before is only
// brought up to date, as far as the events since are in memory.
func (h *Hub) unreadOf(ctx context.Context, q sqldb.Queryer, info RoomInfo, who matrix.UserID, joinedAt, head int64) (*Unread, error) {
	h.mu.RLock()
	r := h.rooms[info.ID]
	old := r.unread[who]
	var recent []*Event
	whole := true
	if old != nil {
		var fresh []*Event
		if fresh, whole = h.since(old.upTo); whole {
			for _, ev := range fresh {
				if ev.RoomID == info.ID && ev.Pos < head {
					recent = append(recent, ev)
				}
			}
		}
	}
	h.mu.RUnlock()
	p, err := h.personalOf(ctx, q, who)
	if err != nil {
		return nil, err
	}
	c := counter{h: h, q: q, ctx: ctx, info: info, who: who, rules: p.rules, head: head}
	var u *Unread
	if old != nil && whole && old.upTo <= head {
		u = old.clone(head)
		for _, ev := range recent {
			if ev.Class == store.ClassMessage || ev.Class == store.ClassOther || ev.Class == store.ClassState {
				if err := c.count(u, ev.JSON, ev.Pos, ev.Sender == who); err != nil {
					return nil, err
				}
			}
		}
	} else if u, err = c.all(joinedAt); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := r.unread[who]; now == old && h.head >= head { // nothing was read or deleted meanwhile
		r.unread[who] = u
	}
	return u, nil
}

func (u *Unread) clone(upTo int64) *Unread {
	c := &Unread{Main: u.Main, upTo: upTo, floor: u.floor}
	if len(u.Threads) > 0 {
		c.Threads = make(map[matrix.EventID]Count, len(u.Threads))
		for k, v := range u.Threads {
			c.Threads[k] = v
		}
	}
	return c
}

// counter asks somebody's rules about the events of a room.
type counter struct {
	h     *Hub
	q     sqldb.Queryer
	ctx   context.Context
	info  RoomInfo
	who   matrix.UserID
	rules *pushrule.Set
	head  int64
	facts *pushrule.Facts
	power *eventauth.Snapshot
}

// all counts from what is stored.
func (c *counter) all(joinedAt int64) (*Unread, error) {
	receipts, err := store.ReceiptsOf(c.ctx, c.q, c.info.Scope, c.who)
	if err != nil {
		return nil, err
	}
	u := &Unread{upTo: c.head, floor: floors{all: joinedAt, main: -1}}
	for _, x := range receipts {
		switch x.Thread {
		case "":
			u.floor.all = max(u.floor.all, x.Pos)
		case "main":
			u.floor.main = max(u.floor.main, x.Pos)
		default:
			if u.floor.threads == nil {
				u.floor.threads = make(map[string]int64)
			}
			u.floor.threads[x.Thread] = max(u.floor.threads[x.Thread], x.Pos)
		}
	}
	events, err := store.Unreads(c.ctx, c.q, c.info.Scope, u.floor.all, maxUnread)
	if err != nil {
		return nil, err
	}
	own := SenderHash(c.who)
	for i := range events {
		if e := &events[i]; e.Pos < c.head {
			if err := c.count(u, e.Body, e.Pos, e.Sender == own); err != nil {
				return nil, err
			}
		}
	}
	return u, nil
}

// count adds one event. Whoever says something has read what stands above it, there.
func (c *counter) count(u *Unread, body []byte, pos int64, own bool) error {
	thread := matrix.EventID("")
	if rel, _ := matrix.LookupString(body, "content", "m.relates_to", "rel_type"); rel == "m.thread" {
		id, _ := matrix.LookupString(body, "content", "m.relates_to", "event_id")
		thread = matrix.EventID(id)
	}
	if own {
		if thread == "" {
			u.Main = Count{}
		} else {
			delete(u.Threads, thread)
		}
		return nil
	}
	if pos <= u.floor.of(thread) {
		return nil
	}
	if err := c.learn(body); err != nil {
		return err
	}
	said := c.rules.Evaluate(body, c.facts)
	if !said.Notify {
		return nil
	}
	n := &u.Main
	if thread != "" {
		x := u.Threads[thread]
		n = &x
	}
	n.Notify++
	if said.Highlight {
		n.Highlight++
	}
	if thread != "" {
		if u.Threads == nil {
			u.Threads = make(map[matrix.EventID]Count)
		}
		u.Threads[thread] = *n
	}
	return nil
}

// learn finds out what the rules ask of the room: once, and the powers only for an event that is for everybody.
func (c *counter) learn(body []byte) error {
	if c.facts == nil {
		c.facts = &pushrule.Facts{User: c.who, Joined: c.info.Joined}
		row, err := store.StateEvent(c.ctx, c.q, c.info.Scope, matrix.TypeMember, string(c.who), c.head)
		if err == nil {
			c.facts.DisplayName, _ = matrix.LookupString(row.Body, "content", "displayname")
		} else if err != store.ErrNotFound {
			return err
		}
	}
	if !bytes.Contains(body, []byte("room")) || matrix.Lookup(body, "content", "m.mentions", "room") == nil && !bytes.Contains(bytes.ToLower(body), []byte("@room")) {
		return nil
	}
	if c.power == nil {
		c.power = eventauth.NewSnapshot()
		for _, typ := range []string{matrix.TypeCreate, matrix.TypePowerLevels} {
			row, err := store.StateEvent(c.ctx, c.q, c.info.Scope, typ, "", c.head)
			if err == store.ErrNotFound || err == nil && row.Body == nil {
				continue
			} else if err != nil {
				return err
			}
			ev, err := matrix.ParseStored(c.info.Version, store.EventID(row.Ref), row.Body)
			if err != nil {
				return fmt.Errorf("powers in %s: %w", c.info.ID, err)
			}
			if ev.RoomID == "" {
				ev.RoomID = c.info.ID
			}
			c.power.Set(ev)
		}
	}
	levels, err := c.power.PowerLevels()
	if err != nil {
		return nil // then nobody may notify everybody
	}
	sender, _ := matrix.LookupString(body, "sender")
	c.facts.SenderPower, c.facts.NotifyPower = levels.UserLevel(matrix.UserID(sender)), 50
	if ev := c.power.Event(matrix.TypePowerLevels, ""); ev != nil {
		if n, ok := matrix.Int(matrix.Lookup(ev.Content, "notifications", "room")); ok {
			c.facts.NotifyPower = n
		}
	}
	return nil
}
