package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Tokens say what they are for, so that a scanner finds one that was pasted somewhere.
const (
	devicePrefix  = "despatch_d_"
	consolePrefix = "despatch_c_"
	refreshPrefix = "despatch_r_"
)

var encoding = base64.RawURLEncoding

type tokenHash [sha256.Size]byte

func hashToken(token string) tokenHash { return sha256.Sum256([]byte(token)) }

// Session is a sign-in. It is shared by all requests that bear its token.
type Session struct {
	User    matrix.UserID
	Device  string // device ID; empty for the console
	Created int64
	Via     string // the application service that makes the request in the person's name, or ""

	ends  int64 // when its access token ends, or 0 if only idleness ends it
	roles atomic.Uint32

	suspended, locked atomic.Bool
	id                tokenHash
	seen              atomic.Int64 // when last seen
	stored            atomic.Int64 // the value of seen that is in the database
	revoked           chan struct{}
}

// Console reports whether the session is one of the console, with a cookie.
func (x *Session) Console() bool { return x.Device == "" }

// Roles are the person's roles as they are now.
func (x *Session) Roles() Roles { return Roles(x.roles.Load()) }

// Done is closed when the session is revoked. A long poll ends with it.
func (x *Session) Done() <-chan struct{} { return x.revoked }

// cache holds the sessions in use.
type cache struct {
	mu      sync.RWMutex
	byToken map[tokenHash]*Session                  // guarded by mu
	byUser  map[matrix.UserID]map[*Session]struct{} // guarded by mu
	changes uint64                                  // guarded by mu; counts revocations and changes of roles, so that a read from before one is not kept
}

// maxSessions bounds the cache; what does not fit is read from the database.
const maxSessions = 100_000

func (c *cache) init() {
	c.byToken = make(map[tokenHash]*Session)
	c.byUser = make(map[matrix.UserID]map[*Session]struct{})
}

func (c *cache) get(id tokenHash) *Session {
	c.mu.RLock()
	x := c.byToken[id]
	c.mu.RUnlock()
	return x
}

func (c *cache) generation() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.changes
}

// put keeps a session that was read when the generation was gen. It returns the one to use, or nil if
// something was revoked meanwhile and the session must be read again.
func (c *cache) put(x *Session, gen uint64) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != gen {
		return nil
	}
	if old := c.byToken[x.id]; old != nil {
		return old
	}
	if len(c.byToken) >= maxSessions {
		c.evict()
	}
	c.byToken[x.id] = x
	if c.byUser[x.User] == nil {
		c.byUser[x.User] = make(map[*Session]struct{})
	}
	c.byUser[x.User][x] = struct{}{}
	return x
}

// evict forgets a few sessions, those first whose last sight is in the database. The order of a map is as
// good as any.
func (c *cache) evict() {
	n := 0
	for _, x := range c.byToken {
		if x.seen.Load() == x.stored.Load() || n > 1000 {
			c.remove(x)
		}
		if n++; n > 2000 {
			return
		}
	}
}

func (c *cache) remove(x *Session) {
	delete(c.byToken, x.id)
	delete(c.byUser[x.User], x)
	if len(c.byUser[x.User]) == 0 {
		delete(c.byUser, x.User)
	}
}

// revoke forgets sessions and tells who waits on them.
func (c *cache) revoke(ids []tokenHash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	for _, id := range ids {
		if x := c.byToken[id]; x != nil {
			c.remove(x)
			close(x.revoked)
		}
	}
}

// setRoles makes a change of somebody's roles known to their sessions.
func (c *cache) setRoles(user matrix.UserID, roles Roles) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	for x := range c.byUser[user] {
		x.roles.Store(uint32(roles))
	}
}

// dirty returns sessions that were seen since that was stored.
func (c *cache) dirty() []*Session {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []*Session
	for _, x := range c.byToken {
		if x.seen.Load() != x.stored.Load() {
			out = append(out, x)
		}
	}
	return out
}

// Authenticate returns the session of a device's access token.
func (s *Service) Authenticate(ctx context.Context, token string) (*Session, error) {
	if token == "" {
		return nil, httpd.MissingToken()
	}
	return s.authenticate(ctx, token, devicePrefix)
}

// AuthenticateConsole returns the session of a console's cookie.
func (s *Service) AuthenticateConsole(ctx context.Context, cookie string) (*Session, error) {
	return s.authenticate(ctx, cookie, consolePrefix)
}

func (s *Service) authenticate(ctx context.Context, token, prefix string) (*Session, error) {
	if !strings.HasPrefix(token, prefix) || len(token) != len(prefix)+43 {
		return nil, httpd.UnknownToken(false, "You are not signed in here.")
	}
	id := hashToken(token)
	now := s.opt.Now().UnixMilli()
	x := s.sessions.get(id)
	if x == nil {
		var err error
		if x, err = s.load(ctx, id); err != nil {
			return nil, err
		}
	}
	seen := x.seen.Load()
	if now >= s.expiry(x, seen) {
		return nil, httpd.UnknownToken(true, "You were signed out because nothing was done for long. Sign in again.")
	}
	if x.ends != 0 && now >= x.ends {
		return nil, httpd.UnknownToken(true, "This access token has ended. The program gets the next one with its refresh token.")
	}
	if x.Console() && x.Locked() {
		return nil, httpd.UserLocked("Your account is locked. Ask the IT desk.")
	}
	if now-seen >= 1000 {
		x.seen.Store(now)
	}
	return x, nil
}

// load reads a session into the cache.
func (s *Service) load(ctx context.Context, id tokenHash) (*Session, error) {
	for {
		gen := s.sessions.generation()
		q := s.opt.DB.Reader()
		row, err := store.SessionByToken(ctx, q, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, httpd.UnknownToken(false, "You are not signed in here any more. Sign in again.")
		}
		if err != nil {
			return nil, fmt.Errorf("read a session: %w", err)
		}
		roles, err := rolesOf(ctx, q, row.Person)
		if err != nil {
			return nil, err
		}
		x := newSession(row, roles)
		restriction, err := store.PersonRestriction(ctx, q, row.Person)
		if err != nil {
			return nil, err
		}
		x.suspended.Store(restriction.Suspended > 0)
		x.locked.Store(restriction.Locked > 0)
		if x.ends, err = store.SessionLife(ctx, q, id); err != nil {
			return nil, fmt.Errorf("read a session: %w", err)
		}
		if x = s.sessions.put(x, gen); x != nil {
			return x, nil
		}
	}
}

func newSession(row store.Session, roles Roles) *Session {
	x := &Session{User: matrix.UserID(row.Person), Device: row.Device, Created: row.CreatedAt, id: row.Token, revoked: make(chan struct{})}
	x.roles.Store(uint32(roles))
	x.seen.Store(row.SeenAt)
	x.stored.Store(row.SeenAt)
	return x
}

// expiry is when a session ends if it is not seen after seen.
func (s *Service) expiry(x *Session, seen int64) int64 {
	if x.Console() {
		return min(x.Created+s.opt.ConsoleLifetime.Milliseconds(), seen+s.opt.ConsoleIdle.Milliseconds())
	}
	return seen + s.opt.DeviceIdle.Milliseconds()
}

// endSessions deletes those of a person's sessions that match, with their devices, and revokes them when
// the change is committed.
func (s *Service) endSessions(b *recorder.Batch, user matrix.UserID, match func(store.Session) bool) (done ended, err error) {
	ctx, tx := b.Context(), b.Tx()
	all, err := store.Sessions(ctx, tx, string(user))
	if err != nil {
		return done, err
	}
	var ids []tokenHash
	for _, row := range all {
		if !match(row) {
			continue
		}
		if err := store.DeleteSession(ctx, tx, row.Token); err != nil {
			return done, err
		}
		done.sessions++
		if row.Device != "" {
			if err := store.DeleteDevice(ctx, tx, row.Person, row.Device); err != nil {
				return done, err
			}
			if err := store.DeleteDeviceKeys(ctx, tx, matrix.UserID(row.Person), row.Device); err != nil {
				return done, err
			}
			done.devices = append(done.devices, row.Device)
		}
		ids = append(ids, row.Token)
	}
	if len(ids) > 0 {
		b.OnCommit(func() { s.sessions.revoke(ids) })
	}
	return done, nil
}

// ended is what [Service.endSessions] did, for the entry about it.
type ended struct {
	sessions int
	devices  []string
}

// SignOut ends a session and forgets its device.
func (s *Service) SignOut(ctx context.Context, x *Session) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		done, err := s.endSessions(b, x.User, func(row store.Session) bool { return row.Token == x.id })
		if err != nil || done.sessions == 0 {
			return err
		}
		return put(b, record.KindSession, change{Type: "session.ended", Person: string(x.User), By: string(x.User), Sessions: 1, Devices: done.devices})
	})
}

// SignOutAll ends all sessions of a person, but for one if except is not nil. The person may, and an IT
// administrator or security officer.
func (s *Service) SignOutAll(ctx context.Context, by Actor, user matrix.UserID, except *Session) error {
	return s.revokeWhere(ctx, by, user, func(row store.Session) bool {
		return except == nil || row.Token != except.id
	})
}

// RemoveDevice signs a device out, at its next request at the latest, and forgets it. A device that does
// not exist is no error, as in the Client-Server API.
func (s *Service) RemoveDevice(ctx context.Context, by Actor, user matrix.UserID, device string) error {
	if device == "" {
		return nil
	}
	return s.revokeWhere(ctx, by, user, func(row store.Session) bool { return row.Device == device })
}

func (s *Service) revokeWhere(ctx context.Context, by Actor, user matrix.UserID, match func(store.Session) bool) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		if string(by) != string(user) {
			if err := allow(b.Context(), b.Tx(), by, IT, Security); err != nil {
				return err
			}
		}
		if _, err := person(b.Context(), b.Tx(), user); err != nil {
			return err
		}
		done, err := s.endSessions(b, user, match)
		if err != nil || done.sessions == 0 {
			return err
		}
		return put(b, record.KindSession, change{Type: "session.revoked", Person: string(user), By: string(by), Sessions: done.sessions, Devices: done.devices})
	})
}

// Devices returns a person's devices, the most recently seen first.
func (s *Service) Devices(ctx context.Context, user matrix.UserID) ([]store.Device, error) {
	return store.Devices(ctx, s.opt.DB.Reader(), string(user))
}

// NameDevice changes the name of one of a person's own devices.
func (s *Service) NameDevice(ctx context.Context, user matrix.UserID, device, name string) error {
	name, err := displayName(name)
	if err != nil {
		return err
	}
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		err := store.NameDevice(b.Context(), b.Tx(), string(user), device, name)
		if errors.Is(err, store.ErrNotFound) {
			return httpd.NotFound("You have no such device.")
		}
		return err
	})
}

// seenEvery is how often last sights are stored.
const seenEvery = time.Minute

// Run stores when sessions were last seen, and ends those whose time is over, until ctx is done.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(seenEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			s.tidy(ctx)
			return
		case <-tick.C:
			s.tidy(ctx)
		}
	}
}

// tidy stores what Run is for. What fails is tried again a minute later.
func (s *Service) tidy(ctx context.Context) {
	if err := s.storeSeen(ctx); err != nil && ctx.Err() == nil {
		s.opt.Log.WarnContext(ctx, "could not store when devices were last seen", "error", err)
	}
	if err := s.endExpired(ctx); err != nil && ctx.Err() == nil {
		s.opt.Log.WarnContext(ctx, "could not end expired sessions", "error", err)
	}
}

// storeSeen writes last sights, a few hundred at a time so that messages need not wait.
func (s *Service) storeSeen(ctx context.Context) error {
	dirty := s.sessions.dirty()
	for len(dirty) > 0 {
		some := dirty[:min(200, len(dirty))]
		dirty = dirty[len(some):]
		err := s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
			for _, x := range some {
				seen := x.seen.Load()
				row := store.Session{Token: x.id, Person: string(x.User), Device: x.Device, SeenAt: seen, ExpiresAt: s.expiry(x, seen)}
				if err := store.Seen(b.Context(), b.Tx(), row); err != nil {
					return err
				}
				b.OnCommit(func() { x.stored.Store(seen) })
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// endExpired deletes sessions whose time is over. That is no decision of anybody's, so there is no entry.
func (s *Service) endExpired(ctx context.Context) error {
	now := s.opt.Now().UnixMilli()
	for {
		expired, err := store.ExpiredSessions(ctx, s.opt.DB.Reader(), now, 200)
		if err != nil || len(expired) == 0 {
			return err
		}
		err = s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
			for _, row := range expired {
				_, err := s.endSessions(b, matrix.UserID(row.Person), func(r store.Session) bool { return r.Token == row.Token && r.ExpiresAt <= now })
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// Cookie is the console's cookie for a token. Over TLS it bears the prefix that keeps other hosts and
// plain connections from setting it.
func Cookie(token string, https bool) *http.Cookie {
	c := &http.Cookie{Name: "despatch", Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: https}
	if https {
		c.Name = "__Host-despatch"
	}
	if token == "" {
		c.MaxAge = -1 // signed out
	}
	return c
}

// CookieToken is the token in a request's cookie, or "".
func CookieToken(r *http.Request, https bool) string {
	c, err := r.Cookie(Cookie("", https).Name)
	if err != nil {
		return ""
	}
	return c.Value
}

// CSRF is what a form of the session with this token must carry. Another site's page cannot know it.
func CSRF(token string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte("despatch console form"))
	return encoding.EncodeToString(m.Sum(nil)[:24])
}

// CheckCSRF reports whether a form carried the right value.
func CheckCSRF(token, got string) bool {
	return token != "" && hmac.Equal([]byte(CSRF(token)), []byte(got))
}

// signedIn reports whether a person may sign in at all, within a change.
func signedIn(ctx context.Context, q sqldb.Queryer, user matrix.UserID) (store.Person, error) {
	p, err := person(ctx, q, user)
	if err == nil && p.DisabledAt != 0 {
		err = httpd.UserDeactivated("This account is disabled. Ask the IT desk.")
	}
	return p, err
}
