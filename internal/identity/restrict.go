package identity

import (
	"context"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Somebody who is suspended reads and does not write; somebody who is locked does neither, and can go on where they
// were once they are unlocked (Client-Server API, "Account suspension" and "Account locking").

// Restricted reports whether an account is suspended, and whether it is locked.
func (s *Service) Restricted(ctx context.Context, user matrix.UserID) (suspended, locked bool, err error) {
	x, err := store.PersonRestriction(ctx, s.opt.DB.Reader(), string(user))
	return x.Suspended > 0, x.Locked > 0, err
}

// Suspend suspends an account, or lifts that. An IT administrator and a security officer may, of those who are neither.
func (s *Service) Suspend(ctx context.Context, by Actor, user matrix.UserID, suspend bool) error {
	return s.restrict(ctx, by, user, "suspended", func(x *store.Restriction) *int64 { return &x.Suspended }, suspend)
}

// Lock locks an account, or lifts that; the same may as [Service.Suspend].
func (s *Service) Lock(ctx context.Context, by Actor, user matrix.UserID, lock bool) error {
	return s.restrict(ctx, by, user, "locked", func(x *store.Restriction) *int64 { return &x.Locked }, lock)
}

func (s *Service) restrict(ctx context.Context, by Actor, user matrix.UserID, what string, field func(*store.Restriction) *int64, on bool) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if err := allow(ctx, tx, by, IT, Security); err != nil {
			return err
		}
		p, err := person(ctx, tx, user)
		if err != nil {
			return err
		}
		roles, err := rolesOf(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		if on && (string(by) == p.ID || roles.HasAny(IT, Security)) {
			return httpd.Forbidden("An administrator's account cannot be %s. Take the role away first.", what)
		}
		x, err := store.PersonRestriction(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		at := field(&x)
		if (*at > 0) == on {
			return nil
		}
		kind := "person." + what
		if *at = 0; on {
			*at = b.Now()
		} else {
			kind = "person.not." + what
		}
		if err := store.SetPersonRestriction(ctx, tx, p.ID, x); err != nil {
			return err
		}
		b.OnCommit(func() { s.sessions.setRestriction(user, x) })
		return put(b, record.KindPerson, change{Type: kind, Person: p.ID, By: string(by)})
	})
}

// Suspended reports whether the person may read and not write.
func (x *Session) Suspended() bool { return x.suspended.Load() }

// Locked reports whether the person may do nothing but sign out. Callers of [Service.Authenticate] ask.
func (x *Session) Locked() bool { return x.locked.Load() }

// setRestriction makes a restriction known to the sessions of somebody. Who waits for something new is woken.
func (c *cache) setRestriction(user matrix.UserID, r store.Restriction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	for x := range c.byUser[user] {
		x.suspended.Store(r.Suspended > 0)
		x.locked.Store(r.Locked > 0)
	}
}

// Deactivate ends an account at the wish of its owner: nobody can sign in with it, and what they said stays on the
// record. The last IT administrator cannot.
func (s *Service) Deactivate(ctx context.Context, x *Session) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if err := notLast(ctx, tx, x.User); err != nil {
			return err
		}
		if err := store.SetDisabled(ctx, tx, string(x.User), b.Now()); err != nil {
			return err
		}
		done, err := s.endSessions(b, x.User, func(store.Session) bool { return true })
		if err != nil {
			return err
		}
		return put(b, record.KindPerson, change{Type: "person.disabled", Person: string(x.User), By: string(x.User), Sessions: done.sessions, Devices: done.devices})
	})
}

const (
	maxField  = 255      // bytes of a field's name
	maxFields = 64 << 10 // bytes of a profile
)

// SetField sets a further field of somebody's own profile, given as JSON, or with nil removes it (Client-Server API,
// "Profiles").
func (s *Service) SetField(ctx context.Context, user matrix.UserID, name string, value []byte) error {
	if name == "" || len(name) > maxField {
		return httpd.Errorf(400, "M_KEY_TOO_LARGE", "The name of a field has at most %d bytes.", maxField)
	}
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		size := len(name) + len(value)
		err := store.ProfileFields(ctx, tx, user, func(other string, v []byte) {
			if other != name {
				size += len(other) + len(v)
			}
		})
		if err != nil {
			return err
		}
		if value != nil && size > maxFields {
			return httpd.Errorf(400, "M_PROFILE_TOO_LARGE", "A profile has at most %d bytes.", maxFields)
		}
		if err := store.SetProfileField(ctx, tx, user, name, value); err != nil {
			return err
		}
		return put(b, record.KindPerson, change{Type: "person.profile.field", Person: string(user), By: string(user), Field: name, Value: string(value)})
	})
}
