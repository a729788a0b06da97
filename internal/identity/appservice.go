package identity

import (
	"context"
	"errors"
	"net/netip"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Bridge is the actor that an application service is.
func Bridge(service string) Actor { return Actor("bridge " + service) }

// Bridged returns the session of one request that an application service makes in somebody's name, on one
// of their devices or on none. That it may, the caller has made sure of. The error tells a service that it
// has to register the person first.
func (s *Service) Bridged(ctx context.Context, service string, user matrix.UserID, device string) (*Session, error) {
	q := s.opt.DB.Reader()
	p, err := store.PersonByID(ctx, q, string(user))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, httpd.Forbidden("There is nobody called %s here: register them first.", user)
	case err != nil:
		return nil, err
	case p.DisabledAt != 0:
		return nil, httpd.UserDeactivated("The account %s is disabled.", user)
	}
	if device != "" {
		devices, err := store.Devices(ctx, q, p.ID)
		if err != nil {
			return nil, err
		}
		known := false
		for _, d := range devices {
			known = known || d.ID == device
		}
		if !known {
			return nil, httpd.Errorf(400, "M_UNKNOWN_DEVICE", "%s has no device %q.", user, device)
		}
	}
	roles, err := rolesOf(ctx, q, p.ID)
	if err != nil {
		return nil, err
	}
	x := newSession(store.Session{Person: p.ID, Device: device, CreatedAt: s.opt.Now().UnixMilli()}, roles)
	x.Via = service
	return x, nil
}

// CreateBridged makes the account of somebody whom an application service speaks for. It has no password:
// nobody can sign in with it.
func (s *Service) CreateBridged(ctx context.Context, service, localpart string) (matrix.UserID, error) {
	user, roles, row, err := s.prepare(ctx, Bridge(service), NewPerson{Localpart: localpart})
	if err != nil {
		return "", err
	}
	return user, s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		return s.insert(b, Bridge(service), row, roles)
	})
}

// SignInBridged begins a session of somebody whom an application service speaks for.
func (s *Service) SignInBridged(ctx context.Context, service string, user matrix.UserID, device, name string, from netip.Addr) (*SignedIn, error) {
	in := SignIn{Device: device, DeviceName: name, From: from, with: "application service " + service}
	if err := in.check(); err != nil {
		return nil, err
	}
	p, err := store.PersonByID(ctx, s.opt.DB.Reader(), string(user))
	if errors.Is(err, store.ErrNotFound) {
		return nil, httpd.Forbidden("There is nobody called %s here: register them first.", user)
	} else if err != nil {
		return nil, err
	}
	return s.begin(ctx, user, in, p.Password, "")
}

// PutBridgedDevice makes a device of somebody whom an application service speaks for, or renames it, and
// reports whether it is new (MSC4190).
func (s *Service) PutBridgedDevice(ctx context.Context, service string, user matrix.UserID, device, name string) (made bool, err error) {
	in := SignIn{Device: device, DeviceName: name}
	if err := in.check(); err != nil {
		return false, err
	}
	if device == "" {
		return false, httpd.InvalidParam("A device needs an ID.")
	}
	return made, s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		p, err := signedIn(ctx, tx, user)
		if err != nil {
			return err
		}
		devices, err := store.Devices(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		for _, d := range devices {
			if d.ID == device {
				made = false
				return store.NameDevice(ctx, tx, p.ID, device, in.DeviceName)
			}
		}
		if len(devices) >= maxDevices {
			return httpd.Errorf(400, "M_LIMIT_EXCEEDED", "%s has %d devices already: remove one first.", user, len(devices))
		}
		made = true
		d := store.Device{Person: p.ID, ID: device, Name: in.DeviceName, CreatedAt: b.Now(), SeenAt: b.Now()}
		if err := store.PutDevice(ctx, tx, d); err != nil {
			return err
		}
		return put(b, record.KindSession, change{Type: "device.made", Person: p.ID, By: string(Bridge(service)), Device: device})
	})
}

// RemoveBridgedDevice removes a device of somebody whom an application service speaks for, whether or not
// there is a session on it.
func (s *Service) RemoveBridgedDevice(ctx context.Context, service string, user matrix.UserID, device string) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		done, err := s.endSessions(b, user, func(row store.Session) bool { return row.Device == device && device != "" })
		if err != nil {
			return err
		}
		if err := store.DeleteDevice(b.Context(), b.Tx(), string(user), device); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return put(b, record.KindSession, change{Type: "device.removed", Person: string(user), By: string(Bridge(service)), Sessions: done.sessions, Devices: []string{device}})
	})
}
