package identity

import (
	"context"
	"net/netip"

	"despatch/internal/matrix"
	"despatch/internal/store"
)

// CheckPassword returns who somebody is by the user name and the password they typed. It costs a guess if
// the password is wrong.
func (s *Service) CheckPassword(ctx context.Context, typed, password string, from netip.Addr) (matrix.UserID, error) {
	user := s.login(typed)
	_, _, err := s.verify(ctx, user, password, from)
	return user, err
}

// SignInVerified begins a session for somebody who has proved in another way who they are; with says which,
// for the record: "oauth", "oidc".
func (s *Service) SignInVerified(ctx context.Context, user matrix.UserID, in SignIn, with string) (*SignedIn, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	p, err := store.PersonByID(ctx, s.opt.DB.Reader(), string(user))
	if err != nil {
		return nil, err
	}
	in.with = with
	return s.begin(ctx, user, in, p.Password, "")
}
