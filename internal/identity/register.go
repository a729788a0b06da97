package identity

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// NewAccount is an account that somebody makes where the administrator has opened registration, or that a
// program makes which knows the registration secret.
type NewAccount struct {
	By        Actor  // [Register] or [Program]
	Localpart string // "" for one that the server chooses
	Password  string
	Admin     bool // an IT administrator
	From      netip.Addr

	Device, DeviceName string
	Refresh            bool // as in [SignIn]
	NoSession          bool // only the account, without signing in
}

// Available reports, as an error for whoever asks, why nobody can be given a user name.
func (s *Service) Available(ctx context.Context, localpart string) error {
	localpart = strings.ToLower(localpart)
	user, err := matrix.NewUserID(localpart, s.opt.Server)
	if err != nil {
		return httpd.InvalidUsername("%q cannot be a user name. Use small letters a to z, digits, and . _ = - / +", localpart)
	}
	_, err = store.PersonByID(ctx, s.opt.DB.Reader(), string(user))
	switch {
	case err == nil:
		return httpd.UserInUse("There is already somebody called %s.", user)
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return err
}

// Register makes an account and signs in. Whether that is allowed at all the caller has made sure of. The
// session is nil if none was wanted.
func (s *Service) Register(ctx context.Context, n NewAccount) (matrix.UserID, *SignedIn, error) {
	if n.Password == "" {
		return "", nil, httpd.MissingParam("Choose a password.")
	}
	if n.Localpart == "" {
		id, err := deviceID(s.opt.Rand)
		if err != nil {
			return "", nil, err
		}
		n.Localpart = "u-" + strings.ToLower(id)
	}
	n.Localpart = strings.ToLower(n.Localpart)
	if err := s.Available(ctx, n.Localpart); err != nil { // before the hashing
		return "", nil, err
	}
	roles := []Role{Staff}
	if n.Admin {
		roles = []Role{IT}
	}
	user, roles, row, err := s.prepare(ctx, n.By, NewPerson{Localpart: n.Localpart, Roles: roles, Password: n.Password, OwnPassword: true})
	if err != nil {
		return "", nil, err
	}
	err = s.opt.Record.Do(ctx, func(b *recorder.Batch) error { return s.insert(b, n.By, row, roles) })
	if err != nil || n.NoSession {
		return user, nil, err
	}
	in := SignIn{Device: n.Device, DeviceName: n.DeviceName, From: n.From, Refresh: n.Refresh}
	if err := in.check(); err != nil {
		return "", nil, err
	}
	signed, err := s.begin(ctx, user, in, row.Password, "")
	return user, signed, err
}
