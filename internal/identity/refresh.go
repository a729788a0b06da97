package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// AccessLife is how long an access token lasts that came with a refresh token.
const AccessLife = 30 * time.Minute

// shorten ends a session's access token after AccessLife and returns the refresh token for the next.
func (s *Service) shorten(b *recorder.Batch, row store.Session) (token string, err error) {
	if token, err = s.token(refreshPrefix); err != nil {
		return "", err
	}
	ctx, tx := b.Context(), b.Tx()
	if err := store.SetSessionLife(ctx, tx, row.Token, b.Now()+AccessLife.Milliseconds()); err != nil {
		return "", err
	}
	return token, store.InsertRefresh(ctx, tx, store.Refresh{Token: hashToken(token), Person: row.Person, Device: row.Device,
		ExpiresAt: b.Now() + s.opt.DeviceIdle.Milliseconds()})
}

// Refresh gives a device its next access token and refresh token (Client-Server API, "Refreshing access
// tokens"). The old refresh token stays good until the new one is used, for a device that did not get the
// answer; the older access tokens of the device end when their time is over, all but the last at once.
func (s *Service) Refresh(ctx context.Context, token string) (*SignedIn, error) {
	unknown := httpd.UnknownToken(false, "This device is not signed in any more. Sign in again.")
	if !strings.HasPrefix(token, refreshPrefix) {
		return nil, unknown
	}
	access, err := s.token(devicePrefix)
	if err != nil {
		return nil, err
	}
	id := hashToken(token)
	out := &SignedIn{Token: access, ExpiresIn: AccessLife}
	err = s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		old, err := store.RefreshByToken(ctx, tx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && old.ExpiresAt <= b.Now() {
			return unknown
		}
		if err != nil {
			return err
		}
		p, err := signedIn(ctx, tx, matrix.UserID(old.Person))
		if err != nil {
			return err
		}
		roles, err := rolesOf(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		last, err := s.onlyNewest(b, old.Person, old.Device)
		if err != nil {
			return err
		}
		if last == nil {
			return unknown // the device was signed out
		}
		if old.Used == 0 { // what it replaced is not needed any more
			if err := store.DeleteUsedRefresh(ctx, tx, old.Person, old.Device); err != nil {
				return err
			}
			if err := store.UseRefresh(ctx, tx, id, b.Now()); err != nil {
				return err
			}
		}
		row := store.Session{Token: hashToken(access), Person: p.ID, Device: old.Device, CreatedAt: b.Now(), SeenAt: b.Now()}
		out.Session = newSession(row, roles)
		out.Session.ends = b.Now() + AccessLife.Milliseconds()
		row.ExpiresAt = s.expiry(out.Session, b.Now())
		if err := store.InsertSession(ctx, tx, row); err != nil {
			return err
		}
		out.RefreshToken, err = s.shorten(b, row)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// onlyNewest deletes a device's sessions but the newest, which it returns, or nil if there is none.
func (s *Service) onlyNewest(b *recorder.Batch, user, device string) (*store.Session, error) {
	all, err := store.Sessions(b.Context(), b.Tx(), user)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r store.Session) bool { return r.Device != device })
	if len(all) == 0 {
		return nil, nil
	}
	newest := slices.MaxFunc(all, func(x, y store.Session) int { return int(min(1, max(-1, x.CreatedAt-y.CreatedAt))) })
	var ids []tokenHash
	for _, r := range all {
		if r.Token == newest.Token {
			continue
		}
		if err := store.DeleteSession(b.Context(), b.Tx(), r.Token); err != nil {
			return nil, err
		}
		ids = append(ids, r.Token)
	}
	if len(ids) > 0 {
		b.OnCommit(func() { s.sessions.revoke(ids) })
	}
	return &newest, nil
}

// RevokeToken signs out the device that an access token or a refresh token belongs to. A token that nobody
// knows is no error.
func (s *Service) RevokeToken(ctx context.Context, token string) error {
	id := hashToken(token)
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		var user, device string
		switch {
		case strings.HasPrefix(token, refreshPrefix):
			r, err := store.RefreshByToken(ctx, tx, id)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			user, device = r.Person, r.Device
		case strings.HasPrefix(token, devicePrefix):
			r, err := store.SessionByToken(ctx, tx, id)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			user, device = r.Person, r.Device
		default:
			return nil
		}
		done, err := s.endSessions(b, matrix.UserID(user), func(r store.Session) bool { return r.Device == device })
		if err != nil || done.sessions == 0 {
			return err
		}
		return put(b, record.KindSession, change{Type: "session.ended", Person: user, By: user, Sessions: done.sessions, Devices: done.devices})
	})
}
