package identity

import (
	"context"
	"slices"
	"strings"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Role is what a person may do besides taking part in conversations of their own.
type Role string

const (
	Staff    Role = "staff"    // uses the messenger
	Records  Role = "records"  // records officer: cases, searches within them, holds, schedules, disclosure
	Approver Role = "approver" // the second person, who approves what a records officer prepared
	IT       Role = "it"       // IT administrator: people, devices, settings; never anybody's messages
	Auditor  Role = "auditor"  // reads what the others did, and checks the record
	Security Role = "security" // spillages and lost devices: may sign devices out
)

// AllRoles are all roles there are.
var AllRoles = []Role{Staff, Records, Approver, IT, Auditor, Security}

// Title is the role in words, "records officer".
func (r Role) Title() string {
	switch r {
	case Staff:
		return "member of staff"
	case Records:
		return "records officer"
	case Approver:
		return "approver"
	case IT:
		return "IT administrator"
	case Auditor:
		return "auditor"
	case Security:
		return "security officer"
	}
	return string(r)
}

func (r Role) bit() Roles {
	if i := slices.Index(AllRoles, r); i >= 0 {
		return 1 << i
	}
	return 0
}

// Roles is a set of roles.
type Roles uint8

// Has reports whether r is in the set.
func (rs Roles) Has(r Role) bool { return rs&r.bit() != 0 }

// HasAny reports whether any of them is in the set.
func (rs Roles) HasAny(roles ...Role) bool { return slices.ContainsFunc(roles, rs.Has) }

// List returns the roles in the set.
func (rs Roles) List() []Role {
	var out []Role
	for _, r := range AllRoles {
		if rs.Has(r) {
			out = append(out, r)
		}
	}
	return out
}

// conflicts are the pairs of roles that nobody may hold together, and why.
var conflicts = []struct {
	a, b Role
	why  string
}{
	{IT, Records, "An IT administrator could then give themselves access to messages and remove the traces of it."},
	{IT, Approver, "An IT administrator could then approve what an account of their own making has prepared."},
	{Auditor, IT, "An auditor would then be checking their own work."},
	{Auditor, Records, "An auditor would then be checking their own work."},
	{Auditor, Approver, "An auditor would then be checking their own work."},
}

// compatible reports whether somebody who has have may be given r as well.
func compatible(have Roles, r Role) error {
	for _, c := range conflicts {
		if c.a == r && have.Has(c.b) || c.b == r && have.Has(c.a) {
			return httpd.Forbidden("Nobody can be %s and %s at once. %s", article([]Role{c.a}), article([]Role{c.b}), c.why)
		}
	}
	return nil
}

// article puts roles into a sentence: "a records officer or an approver".
func article(roles []Role) string {
	var words []string
	for _, r := range roles {
		if strings.ContainsAny(r.Title()[:1], "aeiouI") {
			words = append(words, "an "+r.Title())
		} else {
			words = append(words, "a "+r.Title())
		}
	}
	return strings.Join(words, " or ")
}

// ParseRole returns the role of a name.
func ParseRole(name string) (Role, error) {
	if r := Role(name); r.bit() != 0 {
		return r, nil
	}
	var names []string
	for _, r := range AllRoles {
		names = append(names, string(r))
	}
	return "", httpd.InvalidParam("There is no role %q. There are: %s.", name, strings.Join(names, ", "))
}

// Grant gives a person a role. Giving one that they have changes nothing.
func (s *Service) Grant(ctx context.Context, by Actor, user matrix.UserID, role Role) error {
	if role.bit() == 0 {
		return httpd.InvalidParam("There is no role %q.", role)
	}
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if err := allow(ctx, tx, by, IT); err != nil {
			return err
		}
		if _, err := person(ctx, tx, user); err != nil {
			return err
		}
		have, err := rolesOf(ctx, tx, string(user))
		if err != nil || have.Has(role) {
			return err
		}
		if err := compatible(have, role); err != nil {
			return err
		}
		if err := store.GrantRole(ctx, tx, string(user), string(role), b.Now(), string(by)); err != nil {
			return err
		}
		b.OnCommit(func() { s.sessions.setRoles(user, have|role.bit()) })
		return put(b, record.KindRole, change{Type: "role.granted", Person: string(user), By: string(by), Role: role})
	})
}

// Revoke takes a role from a person. The last IT administrator keeps theirs.
func (s *Service) Revoke(ctx context.Context, by Actor, user matrix.UserID, role Role) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if err := allow(ctx, tx, by, IT); err != nil {
			return err
		}
		if _, err := person(ctx, tx, user); err != nil {
			return err
		}
		have, err := rolesOf(ctx, tx, string(user))
		if err != nil || !have.Has(role) {
			return err
		}
		if role == IT {
			if err := notLast(ctx, tx, user); err != nil {
				return err
			}
		}
		if err := store.RemoveRole(ctx, tx, string(user), string(role)); err != nil {
			return err
		}
		b.OnCommit(func() { s.sessions.setRoles(user, have&^role.bit()) })
		return put(b, record.KindRole, change{Type: "role.removed", Person: string(user), By: string(by), Role: role})
	})
}
