package appservice

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// Options are what the package needs.
type Options struct {
	Server        matrix.ServerName
	DB            *sqldb.DB
	Record        *recorder.Recorder
	Hub           *stream.Hub
	Registrations []*Registration
	Log           *slog.Logger
	Now           func() time.Time
	// Register makes the account of a bridge's own user. It is not asked for one that there is.
	Register func(ctx context.Context, service, localpart string) error
	// Retry is how long is waited after a transaction failed for the first time; 1 s if zero. It doubles
	// each time up to 5 minutes.
	Retry time.Duration
}

// Service knows the application services. Its methods are safe for concurrent use.
type Service struct {
	opt     Options
	all     []*Bridge
	byToken map[[sha256.Size]byte]*Bridge
	client  *http.Client
}

// Bridge is one application service.
type Bridge struct {
	*Registration
	Sender matrix.UserID // its own user

	s     *Service
	news  chan struct{} // there may be something to send
	heard chan struct{} // the service has made itself heard

	mu      sync.Mutex
	rooms   map[matrix.RoomID]bool // guarded by mu: which concern it; forgotten when members change
	aliased bool                   // guarded by mu: it has given names to events
}

// New makes the service. [Service.Run] sends.
func New(opt Options) (*Service, error) {
	if opt.Retry <= 0 {
		opt.Retry = time.Second
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Service{opt: opt, byToken: make(map[[sha256.Size]byte]*Bridge), client: &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, Proxy: nil},
	}}
	for _, r := range opt.Registrations {
		sender, err := matrix.NewUserID(r.SenderLocalpart, opt.Server)
		if err != nil {
			return nil, fmt.Errorf("application service %s: %w", r.ID, err)
		}
		b := &Bridge{Registration: r, Sender: sender, s: s, news: make(chan struct{}, 1), heard: make(chan struct{}, 1), rooms: make(map[matrix.RoomID]bool)}
		s.all = append(s.all, b)
		s.byToken[sha256.Sum256([]byte(r.ASToken))] = b
	}
	return s, nil
}

// Start makes the services' own users and notes where the record stands for those that are new: what was
// said before is not sent to them.
func (s *Service) Start(ctx context.Context) error {
	for _, b := range s.all {
		_, err := store.PersonByID(ctx, s.opt.DB.Reader(), string(b.Sender))
		if errors.Is(err, store.ErrNotFound) {
			err = s.opt.Register(ctx, b.ID, b.SenderLocalpart)
		}
		if err != nil {
			return fmt.Errorf("the user of application service %s: %w", b.ID, err)
		}
		if b.aliased, err = store.HasEventAliases(ctx, s.opt.DB.Reader(), b.ID); err != nil {
			return err
		}
		if _, err = store.AppserviceByID(ctx, s.opt.DB.Reader(), b.ID); errors.Is(err, store.ErrNotFound) {
			head := s.opt.Hub.Head()
			err = s.opt.Record.Do(ctx, func(batch *recorder.Batch) error {
				return store.SetAppservice(batch.Context(), batch.Tx(), store.Appservice{ID: b.ID, Pos: head, Upto: head})
			})
		}
		if err != nil {
			return fmt.Errorf("application service %s: %w", b.ID, err)
		}
	}
	return nil
}

// Published says that there may be something to send. It does not block.
func (s *Service) Published() {
	for _, b := range s.all {
		b.wake()
	}
}

func (b *Bridge) wake() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// ByToken returns the application service with an access token, or nil. How long it takes tells nothing
// about the tokens there are.
func (s *Service) ByToken(token string) *Bridge {
	b := s.byToken[sha256.Sum256([]byte(token))]
	if b == nil || subtle.ConstantTimeCompare([]byte(b.ASToken), []byte(token)) != 1 {
		return nil
	}
	return b
}

// MaySpeakAs reports whether the service may act in somebody's name.
func (b *Bridge) MaySpeakAs(who matrix.UserID) bool {
	yes, _ := matches(b.Users, string(who))
	return who == b.Sender || yes && who.Server() == b.s.opt.Server
}

// Owns reports whether a user name is the service's alone.
func (b *Bridge) Owns(who matrix.UserID) bool {
	_, exclusive := matches(b.Users, string(who))
	return who == b.Sender || exclusive
}

// OwnsAlias reports whether a name of a room is the service's alone.
func (b *Bridge) OwnsAlias(alias matrix.RoomAlias) bool {
	_, exclusive := matches(b.Aliases, string(alias))
	return exclusive
}

// OwnerOf returns the service to which alone a user name belongs, or nil.
func (s *Service) OwnerOf(who matrix.UserID) *Bridge {
	for _, b := range s.all {
		if b.Owns(who) {
			return b
		}
	}
	return nil
}

// OwnerOfAlias returns the service to which alone a room's name belongs, or nil.
func (s *Service) OwnerOfAlias(alias matrix.RoomAlias) *Bridge {
	for _, b := range s.all {
		if b.OwnsAlias(alias) {
			return b
		}
	}
	return nil
}

// maxRooms bounds the rooms about which is remembered whether they concern a service.
const maxRooms = 20_000

// concerned reports whether an event concerns the service: because of its sender, whom it is about, who is
// in the room, or the room itself. Somebody who left since was there then.
func (b *Bridge) concerned(room matrix.RoomID, ev *matrix.Event, pos int64) bool {
	if ev.Type == matrix.TypeMember && ev.IsState() {
		b.mu.Lock()
		delete(b.rooms, room)
		b.mu.Unlock()
		if b.MaySpeakAs(matrix.UserID(*ev.StateKey)) {
			return true
		}
	}
	return b.MaySpeakAs(ev.Sender) || b.watches(room, pos)
}

func (b *Bridge) watches(room matrix.RoomID, pos int64) bool {
	b.mu.Lock()
	yes, known := b.rooms[room]
	b.mu.Unlock()
	if known { // whoever comes or goes does so in an event, which has it forgotten
		return yes
	}
	if yes, _ = matches(b.Rooms, string(room)); !yes {
		yes = b.s.opt.Hub.AnyMember(room, pos, b.MaySpeakAs)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rooms) >= maxRooms {
		clear(b.rooms)
	}
	b.rooms[room] = yes
	return yes
}
