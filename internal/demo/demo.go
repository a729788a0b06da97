// Package demo makes up a small department, so that somebody who has just downloaded Despatch can see
// what it is: people in their roles, conversations over a working week, one with a disappearing timer.
// Everything goes the same way as real traffic does.
package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/room"
	"despatch/internal/server"
)

// Password is that of everybody in the demonstration.
const Password = "harbour kettle lantern"

// Person is somebody who can sign in.
type Person struct {
	Login, Name, Job string
	Roles            []identity.Role
}

// People are the department's.
var People = []Person{
	{"margaret", "Margaret Ashworth", "Minister for Coasts and Fisheries", nil},
	{"daniel", "Daniel Okafor", "Principal Private Secretary", nil},
	{"priya", "Priya Nair", "Deputy Director, Fisheries Policy", nil},
	{"tom", "Tom Whitfield", "Chief Press Officer", nil},
	{"eleanor", "Eleanor Hughes", "Special Adviser", nil},
	{"marek", "Marek Kowalski", "Contractor, Harbour Engineering", nil},
	{"ruth", "Ruth Bennett", "Records Officer", []identity.Role{identity.Staff, identity.Records}},
	{"samuel", "Samuel Adeyemi", "Head of Information Rights, approves disclosures", []identity.Role{identity.Staff, identity.Approver}},
	{"chloe", "Chloe Evans", "IT Administrator", []identity.Role{identity.Staff, identity.IT}},
	{"harriet", "Harriet Stone", "Internal Auditor", []identity.Role{identity.Staff, identity.Auditor}},
}

// Clock is the demonstration's: it runs through last week while the conversations are made up, and is
// then the real one.
type Clock struct {
	mu   sync.Mutex
	past time.Time // zero once the clock is the real one
}

// NewClock returns a clock that stands at a time in the past.
func NewClock(past time.Time) *Clock { return &Clock{past: past} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.past.IsZero() {
		return time.Now()
	}
	return c.past
}

// set puts the clock forward; a zero time makes it the real one.
func (c *Clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = t
}

// Start is when the made-up week begins, seen from now: five days ago at nine.
func Start(now time.Time) time.Time {
	d := now.AddDate(0, 0, -5)
	return time.Date(d.Year(), d.Month(), d.Day(), 9, 0, 0, 0, now.Location())
}

// Fill makes up the department in an empty server whose clock is the given one.
func Fill(ctx context.Context, s *server.Server, clock *Clock) error {
	f := &filler{ctx: ctx, s: s, clock: clock, start: clock.Now(), ids: map[string]matrix.EventID{}}
	for _, step := range []func() error{f.people, f.conversations, f.capture, f.openCase} {
		if err := step(); err != nil {
			return fmt.Errorf("make up the demonstration: %w", err)
		}
	}
	clock.set(time.Time{})
	return nil
}

type filler struct {
	ctx   context.Context
	s     *server.Server
	clock *Clock
	start time.Time
	ids   map[string]matrix.EventID // of messages that others refer to
}

func (f *filler) people() error {
	errs := make(chan error, len(People))
	for _, p := range People {
		go func() {
			_, err := f.s.Identity.Create(f.ctx, identity.CommandLine, identity.NewPerson{
				Localpart: p.Login, Name: p.Name, Roles: p.Roles, Password: Password, OwnPassword: true})
			errs <- err
		}()
	}
	for range People {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) user(login string) matrix.UserID {
	return matrix.UserID("@" + login + ":" + string(f.s.Name))
}

// at puts the clock to a time of the week: a day from 0 and a time of day. It never goes back.
func (f *filler) at(day int, clock string) error {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		return err
	}
	to := f.start.AddDate(0, 0, day).Add(time.Duration(t.Hour()-9)*time.Hour + time.Duration(t.Minute())*time.Minute)
	if to.After(f.clock.Now()) && to.Before(time.Now()) {
		f.clock.set(to)
	} else if next := f.clock.Now().Add(20 * time.Second); next.Before(time.Now()) {
		f.clock.set(next)
	}
	return nil
}

func (f *filler) conversations() error {
	for _, c := range script {
		if err := f.at(c.day, c.clock); err != nil {
			return err
		}
		id, err := f.create(c)
		if err != nil {
			return fmt.Errorf("conversation %q: %w", c.name, err)
		}
		for _, l := range c.lines {
			if err := f.at(c.day+l.day, l.clock); err != nil {
				return err
			}
			if l.photo != "" {
				if err := f.photo(id, l.who, l.photo); err != nil {
					return fmt.Errorf("%s: %s: %w", c.name, l.photo, err)
				}
				continue
			}
			if err := f.say(id, l); err != nil {
				return fmt.Errorf("%s: %q: %w", c.name, l.text, err)
			}
		}
	}
	return nil
}

func (f *filler) create(c conversation) (matrix.RoomID, error) {
	r := room.Create{Creator: f.user(c.people[0]), Preset: "private_chat", Name: c.name, Topic: c.topic, Direct: c.name == "",
		Timer: c.timer.Milliseconds(), Marking: c.marking}
	if r.Direct {
		r.Preset = "trusted_private_chat"
	}
	for _, who := range c.people[1:] {
		r.Invite = append(r.Invite, f.user(who))
	}
	id, err := f.s.Rooms.Create(f.ctx, r)
	if err != nil {
		return "", err
	}
	for _, who := range r.Invite {
		if _, err := f.s.Rooms.SetMembership(f.ctx, room.Change{Sender: who, Target: who, Room: id, Membership: "join"}); err != nil {
			return "", err
		}
	}
	if r.Direct {
		for i, who := range c.people {
			if err := f.direct(f.user(who), f.user(c.people[1-i]), id); err != nil {
				return "", err
			}
		}
	}
	return id, nil
}

// direct notes for a person's clients that a conversation is with one other ("m.direct").
func (f *filler) direct(who, other matrix.UserID, id matrix.RoomID) error {
	return f.s.API.MarkDirect(f.ctx, who, other, id)
}

func (f *filler) say(id matrix.RoomID, l line) error {
	d := room.Draft{Sender: f.user(l.who), Room: id, Type: "m.room.message"}
	content := map[string]any{"msgtype": "m.text", "body": l.text}
	switch {
	case l.reply != "":
		content["m.relates_to"] = map[string]any{"m.in_reply_to": map[string]any{"event_id": f.ids[l.reply]}}
	case l.edit != "":
		content["body"] = "* " + l.text
		content["m.new_content"] = map[string]any{"msgtype": "m.text", "body": l.text}
		content["m.relates_to"] = map[string]any{"rel_type": "m.replace", "event_id": f.ids[l.edit]}
	case l.react != "":
		d.Type = "m.reaction"
		content = map[string]any{"m.relates_to": map[string]any{"rel_type": "m.annotation", "event_id": f.ids[l.react], "key": l.text}}
	case l.delete != "":
		d.Type, d.Redacts, content = matrix.TypeRedaction, f.ids[l.delete], map[string]any{}
	}
	raw, err := json.Marshal(content, json.Deterministic(true))
	if err != nil {
		return err
	}
	d.Content = raw
	sent, err := f.s.Rooms.Send(f.ctx, d)
	if l.name != "" {
		f.ids[l.name] = sent.ID
	}
	return err
}
