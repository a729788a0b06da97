package identity

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// SignIn is an attempt to sign in with a password.
type SignIn struct {
	User     string // user ID or localpart, as somebody typed it
	Password string
	From     netip.Addr

	// Device and DeviceName are what a Matrix client says of itself; both may be empty. A device that
	// signs in again keeps its ID, and its old token is good no more.
	Device     string
	DeviceName string

	// Console asks for a session of the console, with a cookie, instead of a device's.
	Console bool

	// Refresh asks for an access token that lasts [AccessLife], and a refresh token to get the next with.
	Refresh bool

	with string // how, if not with a password
}

// SignedIn is a successful attempt.
type SignedIn struct {
	*Session
	Token string

	RefreshToken string        // if one was asked for
	ExpiresIn    time.Duration // of the access token, if a refresh token was asked for

	// PasswordBy is who set the password if it was not the person: they should be told, and choose another.
	PasswordBy Actor
}

// maxDevices is how many devices a person may have; beyond it, the one not seen longest is signed out.
const maxDevices = 50

// errWrong tells nobody whether the account exists.
func errWrong() error { return httpd.Forbidden("The user name or the password is wrong.") }

// SignIn checks a password and begins a session.
func (s *Service) SignIn(ctx context.Context, in SignIn) (*SignedIn, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	user := s.login(in.User)
	p, weak, err := s.verify(ctx, user, in.Password, in.From)
	if err != nil {
		return nil, err
	}
	upgraded := ""
	if weak {
		if upgraded, err = s.hashing.hash(ctx, s.opt.Rand, in.Password); err != nil {
			return nil, err
		}
	}
	return s.begin(ctx, user, in, p.Password, upgraded)
}

// check looks at what a client says of its device.
func (in *SignIn) check() error {
	if len(in.Device) > matrix.MaxIDSize || strings.ContainsFunc(in.Device, func(r rune) bool { return r < ' ' || r == 0xfffd }) {
		return httpd.InvalidParam("That is no device ID.")
	}
	name, err := displayName(in.DeviceName)
	if err != nil {
		name = "" // a client's own words: no reason to keep its user out
	}
	in.DeviceName = name
	return nil
}

// login is whom somebody means who typed text. Capitals do not matter: no user ID has them.
func (s *Service) login(text string) matrix.UserID {
	text = strings.ToLower(strings.TrimSpace(text))
	if !strings.HasPrefix(text, "@") {
		text = "@" + text + ":" + string(s.opt.Server)
	}
	user, err := matrix.ParseUserID(text)
	if err != nil || user.Server() != s.opt.Server {
		return ""
	}
	return user
}

// VerifyPassword checks a person's password for something that needs it again, at the cost of a guess.
func (s *Service) VerifyPassword(ctx context.Context, user matrix.UserID, password string, from netip.Addr) error {
	_, _, err := s.verify(ctx, user, password, from)
	return err
}

// verify checks a password, with the same work whether or not there is such a person.
func (s *Service) verify(ctx context.Context, user matrix.UserID, password string, from netip.Addr) (p store.Person, weak bool, err error) {
	limits := guessLimits(string(user), from)
	if wait := s.guesses.take(limits); wait > 0 {
		return p, false, httpd.LimitExceeded(wait, "Too many wrong attempts. Wait a little, or ask the IT desk for a new password.")
	}
	p, err = store.PersonByID(ctx, s.opt.DB.Reader(), string(user))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.guesses.giveBack(limits)
		return p, false, err
	}
	ok, weak, err := s.hashing.check(ctx, password, p.Password)
	switch {
	case err != nil:
		s.guesses.giveBack(limits)
		return p, false, err
	case !ok:
		s.opt.Log.InfoContext(ctx, "sign-in refused", "user", user, "from", from)
		return p, false, errWrong()
	}
	s.guesses.giveBack(limits)
	if p.DisabledAt != 0 {
		return p, false, httpd.UserDeactivated("This account is disabled. Ask the IT desk.")
	}
	return p, weak, nil
}

// begin starts a session for somebody whose password, with the given hash, was right.
func (s *Service) begin(ctx context.Context, user matrix.UserID, in SignIn, hash, upgraded string) (*SignedIn, error) {
	prefix := devicePrefix
	if in.Console {
		prefix, in.Device = consolePrefix, ""
	} else if in.Device == "" {
		var err error
		if in.Device, err = deviceID(s.opt.Rand); err != nil {
			return nil, err
		}
	}
	token, err := s.token(prefix)
	if err != nil {
		return nil, err
	}
	out := &SignedIn{Token: token}
	err = s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		p, err := signedIn(ctx, tx, user)
		if err != nil {
			return err
		}
		if p.Password != hash {
			return errWrong() // it was changed while it was being checked
		}
		if upgraded != "" {
			if err := store.UpgradePassword(ctx, tx, p.ID, hash, upgraded); err != nil {
				return err
			}
		}
		roles, err := rolesOf(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		out.PasswordBy = ""
		if p.PasswordBy != p.ID {
			out.PasswordBy = Actor(p.PasswordBy)
		}
		if in.Console && roles&^Staff.bit() == 0 {
			return httpd.Forbidden("The records office and the IT desk are for those who work there. Your conversations are in the messenger.")
		}
		row := store.Session{Token: hashToken(token), Person: p.ID, Device: in.Device, CreatedAt: b.Now(), SeenAt: b.Now()}
		out.Session = newSession(row, roles)
		row.ExpiresAt = s.expiry(out.Session, b.Now())
		if err := s.replace(b, row, in); err != nil {
			return err
		}
		if in.Refresh && !in.Console {
			if out.RefreshToken, err = s.shorten(b, row); err != nil {
				return err
			}
			out.ExpiresIn = AccessLife
			out.Session.ends = b.Now() + AccessLife.Milliseconds()
		}
		return put(b, record.KindSession, change{Type: "session.began", Person: p.ID, By: p.ID, Device: in.Device, With: cmp.Or(in.with, "password")})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// replace stores a session in place of an older one of its device, and makes room among the devices.
func (s *Service) replace(b *recorder.Batch, row store.Session, in SignIn) error {
	ctx, tx := b.Context(), b.Tx()
	if !in.Console {
		devices, err := store.Devices(ctx, tx, row.Person)
		if err != nil {
			return err
		}
		drop := map[string]bool{in.Device: true}
		for i := maxDevices - 1; i < len(devices); i++ {
			drop[devices[i].ID] = true
		}
		var from string
		if in.From.IsValid() {
			from = in.From.String()
		}
		d := store.Device{Person: row.Person, ID: in.Device, Name: in.DeviceName, CreatedAt: b.Now(), SeenAt: b.Now(), SeenFrom: from}
		for _, old := range devices {
			if old.ID == d.ID {
				d.CreatedAt = old.CreatedAt
				if d.Name == "" {
					d.Name = old.Name
				}
			}
		}
		if _, err := s.endSessions(b, matrix.UserID(row.Person), func(r store.Session) bool { return r.Device != "" && drop[r.Device] }); err != nil {
			return err
		}
		if err := store.PutDevice(ctx, tx, d); err != nil {
			return err
		}
	}
	return store.InsertSession(ctx, tx, row)
}

// deviceID makes an ID as clients are used to: ten capitals.
func deviceID(rand io.Reader) (string, error) {
	b := make([]byte, 10)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", err
	}
	for i := range b {
		b[i] = 'A' + b[i]%26
	}
	return string(b), nil
}

// ChangePassword sets a person's own password. That they know the old one, or hold a link, the caller has
// made sure of. Unless keepOthers, their other sessions end.
func (s *Service) ChangePassword(ctx context.Context, x *Session, password string, keepOthers bool) error {
	return s.setPassword(ctx, By(x.User), x.User, password, func(row store.Session) bool { return !keepOthers && row.Token != x.id })
}

// SetPassword sets somebody's password for them and ends all their sessions. The person is told at the
// next sign-in who did it. It is for the command line: an administrator gives out a [Service.PasswordLink],
// so that they never know anybody's password.
func (s *Service) SetPassword(ctx context.Context, by Actor, user matrix.UserID, password string) error {
	if _, isPerson := by.person(); isPerson {
		return httpd.Forbidden("Nobody sets another person's password. Give them a link to choose one.")
	}
	return s.setPassword(ctx, by, user, password, func(store.Session) bool { return true })
}

func (s *Service) setPassword(ctx context.Context, by Actor, user matrix.UserID, password string, end func(store.Session) bool) error {
	if err := s.checkPassword(password, user); err != nil {
		return err
	}
	hash, err := s.hashing.hash(ctx, s.opt.Rand, password)
	if err != nil {
		return err
	}
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error { return s.storePassword(b, by, user, hash, end) })
}

// storePassword writes a new password within a change.
func (s *Service) storePassword(b *recorder.Batch, by Actor, user matrix.UserID, hash string, end func(store.Session) bool) error {
	ctx, tx := b.Context(), b.Tx()
	p, err := person(ctx, tx, user)
	if err != nil {
		return err
	}
	if err := store.SetPassword(ctx, tx, p.ID, hash, b.Now(), string(by)); err != nil {
		return err
	}
	done, err := s.endSessions(b, user, end)
	if err != nil {
		return err
	}
	return put(b, record.KindPerson, change{Type: "person.password", Person: p.ID, By: string(by), Sessions: done.sessions, Devices: done.devices})
}
