package identity

import (
	"context"
	"errors"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// What one-time links are for.
const (
	forSetUp    = "set-up"
	forPassword = "password"
)

const (
	setUpLasts    = 24 * time.Hour
	passwordLasts = 72 * time.Hour
)

func errLink() error {
	return httpd.Forbidden("This link is too old, or has been used. Ask for a new one.")
}

// SetUpLink returns the token of a link with which the first IT administrator is made, or "" if there is
// one. Each call makes a new token, and the one before it void.
func (s *Service) SetUpLink(ctx context.Context) (string, error) {
	have, err := store.InRole(ctx, s.opt.DB.Reader(), string(IT))
	if err != nil || len(have) > 0 {
		return "", err
	}
	return s.link(ctx, forSetUp, "", setUpLasts, func(*recorder.Batch) error { return nil })
}

// link makes and stores a token.
func (s *Service) link(ctx context.Context, purpose string, user matrix.UserID, lasts time.Duration, also func(*recorder.Batch) error) (string, error) {
	token, err := s.token("")
	if err != nil {
		return "", err
	}
	return token, s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		if err := also(b); err != nil {
			return err
		}
		return store.PutOneTime(b.Context(), b.Tx(), hashToken(token), purpose, string(user), b.Now()+lasts.Milliseconds())
	})
}

// CheckSetUp reports whether a set-up link can still be used, before a form is shown.
func (s *Service) CheckSetUp(ctx context.Context, token string) error {
	_, err := store.OneTime(ctx, s.opt.DB.Reader(), hashToken(token), forSetUp, s.opt.Now().UnixMilli())
	if errors.Is(err, store.ErrNotFound) {
		return errLink()
	}
	return err
}

// CompleteSetUp makes the first IT administrator, and uses the link up.
func (s *Service) CompleteSetUp(ctx context.Context, token, localpart, name, password string) (matrix.UserID, error) {
	if err := s.CheckSetUp(ctx, token); err != nil { // before the hashing, which strangers shall not have for nothing
		return "", err
	}
	if password == "" {
		return "", httpd.MissingParam("Choose a password.")
	}
	user, roles, row, err := s.prepare(ctx, SetUp, NewPerson{Localpart: localpart, Name: name, Roles: []Role{IT}, Password: password, OwnPassword: true})
	if err != nil {
		return "", err
	}
	return user, s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if _, err := store.OneTime(ctx, tx, hashToken(token), forSetUp, b.Now()); errors.Is(err, store.ErrNotFound) {
			return errLink()
		} else if err != nil {
			return err
		}
		have, err := store.InRole(ctx, tx, string(IT))
		if err != nil {
			return err
		}
		if len(have) > 0 {
			return errLink()
		}
		if err := store.DeleteOneTime(ctx, tx, hashToken(token)); err != nil {
			return err
		}
		return s.insert(b, SetUp, row, roles)
	})
}

// PasswordLink returns the token of a link with which a person chooses a password; the one before it is
// void. Until it is used, the old password stays good.
func (s *Service) PasswordLink(ctx context.Context, by Actor, user matrix.UserID) (string, error) {
	return s.link(ctx, forPassword, user, passwordLasts, func(b *recorder.Batch) error {
		if err := allow(b.Context(), b.Tx(), by, IT); err != nil {
			return err
		}
		if _, err := signedIn(b.Context(), b.Tx(), user); err != nil {
			return err
		}
		return put(b, record.KindPerson, change{Type: "person.password.link", Person: string(user), By: string(by)})
	})
}

// PasswordLinkFor returns whom a password link is for, before a form is shown.
func (s *Service) PasswordLinkFor(ctx context.Context, token string) (matrix.UserID, error) {
	user, err := store.OneTime(ctx, s.opt.DB.Reader(), hashToken(token), forPassword, s.opt.Now().UnixMilli())
	if errors.Is(err, store.ErrNotFound) {
		return "", errLink()
	}
	return matrix.UserID(user), err
}

// ChoosePassword sets the password of the person whom a link is for, ends their sessions, and uses the
// link up.
func (s *Service) ChoosePassword(ctx context.Context, token, password string) (matrix.UserID, error) {
	user, err := s.PasswordLinkFor(ctx, token)
	if err != nil {
		return "", err
	}
	if err := s.checkPassword(password, user); err != nil {
		return "", err
	}
	hash, err := s.hashing.hash(ctx, s.opt.Rand, password)
	if err != nil {
		return "", err
	}
	return user, s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if again, err := store.OneTime(ctx, tx, hashToken(token), forPassword, b.Now()); errors.Is(err, store.ErrNotFound) || again != string(user) {
			return errLink()
		} else if err != nil {
			return err
		}
		if err := store.DeleteOneTime(ctx, tx, hashToken(token)); err != nil {
			return err
		}
		return s.storePassword(b, By(user), user, hash, func(store.Session) bool { return true })
	})
}
