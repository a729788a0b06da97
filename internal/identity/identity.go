// Package identity knows who people are, what they may do, and from where they are signed in.
//
// It promises that every change of a person, a role or a sign-in is an entry on the record, in the scope
// "org"; that a session revoked is good for nothing from the moment the call returns; that secrets are
// stored only as hashes; and that guessing passwords is slow for the guesser and cheap for the server.
// Roles that together could hide something are never held by one person.
//
// What it refuses, it refuses with an [*httpd.Error] whose text is for the person who asked. It does not
// know what a page or a Matrix request looks like.
package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Scope is what entries about people belong to.
const Scope = "org"

// Options are what a [Service] needs. Server, DB and Record must be set.
type Options struct {
	Server matrix.ServerName
	DB     *sqldb.DB
	Record *recorder.Recorder
	Log    *slog.Logger
	Now    func() time.Time
	Rand   io.Reader // nil means crypto/rand

	// Cost is how hard passwords are to guess; the zero value means [DefaultCost].
	Cost Cost

	DeviceIdle  time.Duration // a device not seen for so long is signed out; 90 days if zero
	ConsoleIdle time.Duration // the same for the console; 30 minutes if zero
	NoLimits    bool          // guesses are not counted; for tests
	AnyPassword bool          // passwords are not judged; for tests

	ConsoleLifetime time.Duration // no sign-in to the console lasts longer; 12 hours if zero
}

// Service is the identity service. It is safe for concurrent use.
type Service struct {
	opt      Options
	sessions cache
	guesses  throttle
	hashing  hashing
}

// New returns a service. [Service.Run] must be running for it to remember when devices were last seen.
func New(opt Options) *Service {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	opt.Cost = cmp.Or(opt.Cost, DefaultCost)
	opt.DeviceIdle = cmp.Or(opt.DeviceIdle, 90*24*time.Hour)
	opt.ConsoleIdle = cmp.Or(opt.ConsoleIdle, 30*time.Minute)
	opt.ConsoleLifetime = cmp.Or(opt.ConsoleLifetime, 12*time.Hour)
	s := &Service{opt: opt}
	s.sessions.init()
	s.guesses = throttle{now: opt.Now, off: opt.NoLimits, buckets: make(map[string]bucket)}
	// Two at a time bound the memory; more would not be faster on two processors.
	s.hashing = hashing{cost: opt.Cost, slots: make(chan struct{}, min(4, runtime.GOMAXPROCS(0)))}
	return s
}

// Actor is who makes a change: a user ID, or a part of the program on behalf of whoever runs it.
type Actor string

// Actors that are not people.
const (
	CommandLine Actor = "command line" // somebody with access to the server's machine
	SetUp       Actor = "set-up"       // somebody with the one-time link
	Register    Actor = "registration" // somebody who makes themselves an account, where that is open
	Program     Actor = "program"      // a program that knows the registration secret
)

// By is the actor that a person is.
func By(user matrix.UserID) Actor { return Actor(user) }

func (a Actor) person() (string, bool) { return string(a), len(a) > 0 && a[0] == '@' }

// change is the body of an entry about a person.
type change struct {
	Type   string `json:"type"`
	Person string `json:"person"`
	By     string `json:"by"`
	Name   string `json:"name,omitzero"`
	Avatar string `json:"avatar,omitzero"`
	Role   Role   `json:"role,omitzero"`
	Device string `json:"device,omitzero"` // signed in from; absent for the console
	With   string `json:"with,omitzero"`   // how somebody signed in: password

	Field string `json:"field,omitzero"` // of a profile
	Value string `json:"value,omitzero"` // what it was set to

	Sessions int      `json:"sessions,omitzero"` // how many ended
	Devices  []string `json:"devices,omitempty"` // those of them that were not of the console
}

// put appends an entry to the record.
func put(b *recorder.Batch, kind record.Kind, c change) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode %s: %w", c.Type, err)
	}
	if body, err = matrix.Canonical(nil, body); err != nil {
		return fmt.Errorf("encode %s: %w", c.Type, err)
	}
	b.Append(recorder.Entry{Scope: Scope, Kind: kind, Body: body})
	return nil
}

// person reads a person within a change or outside one.
func person(ctx context.Context, q sqldb.Queryer, user matrix.UserID) (store.Person, error) {
	p, err := store.PersonByID(ctx, q, string(user))
	if errors.Is(err, store.ErrNotFound) {
		return p, httpd.NotFound("There is nobody called %s here.", user)
	}
	return p, err
}

// rolesOf reads a person's roles.
func rolesOf(ctx context.Context, q sqldb.Queryer, user string) (Roles, error) {
	names, err := store.PersonRoles(ctx, q, user)
	if err != nil {
		return 0, fmt.Errorf("roles of %s: %w", user, err)
	}
	var rs Roles
	for _, n := range names {
		rs |= Role(n).bit()
	}
	return rs, nil
}

// allow reports whether an actor may do what the given roles may, as an error for that actor.
func allow(ctx context.Context, q sqldb.Queryer, by Actor, roles ...Role) error {
	id, isPerson := by.person()
	if !isPerson {
		if by == CommandLine || by == SetUp || by == Register || by == Program {
			return nil
		}
		return fmt.Errorf("a change by %q, who is nobody", by)
	}
	p, err := person(ctx, q, matrix.UserID(id))
	if err != nil {
		return err
	}
	have, err := rolesOf(ctx, q, id)
	if err != nil {
		return err
	}
	if p.DisabledAt == 0 && have.HasAny(roles...) {
		return nil
	}
	return httpd.Forbidden("Only %s may do that.", article(roles))
}

// token makes a random secret of 256 bits.
func (s *Service) token(prefix string) (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(s.opt.Rand, b[:]); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return prefix + encoding.EncodeToString(b[:]), nil
}
