// Package server puts a whole Despatch together in one process, ground floor first: it is what
// `despatch serve`, `despatch demo` and the tests run. It has no rules of its own.
package server

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // machines without a list of time zones

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/appservice"
	"despatch/internal/capture"
	"despatch/internal/capture/folder"
	"despatch/internal/capture/link"
	"despatch/internal/capture/mailin"
	"despatch/internal/capture/ocr"
	"despatch/internal/capture/office"
	"despatch/internal/capture/spillage"
	"despatch/internal/capture/systems"
	"despatch/internal/clientapi"
	"despatch/internal/console"
	"despatch/internal/disclosure"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/media"
	"despatch/internal/oauth"
	"despatch/internal/publicapi"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/room"
	"despatch/internal/search"
	"despatch/internal/sqldb"
	"despatch/internal/store"
	"despatch/internal/stream"
	"despatch/internal/webclient"
)

// Config is what a server needs to know.
type Config struct {
	Data     string // folder for the database, keys and files
	Database string // a postgres:// URL, or "" for SQLite in the data folder
	Name     matrix.ServerName
	Version  matrix.RoomVersion // of new rooms; 11 if empty
	BaseURL  string             // what clients are told; "" for the address they use
	HTTPS    bool               // people reach the server over TLS
	Proxies  []netip.Prefix     // whose X-Forwarded-For is believed
	Log      *slog.Logger
	Now      func() time.Time
	Observe  func(route string, status int, d time.Duration)
	Cost     identity.Cost // of passwords; the zero value is the default

	OpenRegistration   bool   // anybody can make themselves an account
	Program            string // the program's version, as other servers are told it
	RegistrationSecret string // whoever knows it can make accounts; "" for nobody
	NoLimits           bool   // nobody is made to wait
	AnyPassword        bool   // weak passwords are taken too

	Previews        bool            // links are looked up for their title and picture
	PreviewNetworks []netip.Prefix  // that are not public and may be reached for that
	Upstream        *oauth.Upstream // the organisation's identity provider; nil if there is none
	DropFolder      string          // with a folder for each person; "" for none

	Mail mailin.Settings // where mails for the record come from

	AppServices []string      // files with the registrations of application services
	AppRetry    time.Duration // after which one that did not answer is tried again first; 1 s if zero
}

// Server is a whole Despatch.
type Server struct {
	Config
	DB       *sqldb.DB
	Key      string // the verifier key of the record
	Rec      *recorder.Recorder
	Hub      *stream.Hub
	Identity *identity.Service
	Rooms    *room.Service
	Media    *media.Service
	Capture  *capture.Service
	Links    *link.Service
	Office   *office.Service
	Mail     *mailin.Service // does nothing until it is started
	Index    *search.Index
	Cases    *disclosure.Service
	Bridges  *appservice.Service
	API      *clientapi.Server
	OAuth    *oauth.Server
	Console  *console.Server

	published atomic.Pointer[appservice.Service] // once it is there, to be told of what is published

	keyID     matrix.KeyID
	serverKey ed25519.PrivateKey

	handler http.Handler
	stop    context.CancelFunc
	running sync.WaitGroup
}

// maxWrites bounds the durable writes under way at once; more only wait longer.
const maxWrites = 256

// New opens or makes everything in the data folder and starts what runs in the background.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Version == "" {
		cfg.Version = matrix.V11
	}
	s := &Server{Config: cfg}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.start()
	return s, nil
}

func (s *Server) open(ctx context.Context) error {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return fmt.Errorf("create the data folder: %w", err)
	}
	signer, key, err := logKey(filepath.Join(s.Data, "record.key"), s.Name)
	if err != nil {
		return err
	}
	s.Key = key
	if s.keyID, s.serverKey, err = serverKey(filepath.Join(s.Data, "server.key")); err != nil {
		return err
	}
	target := s.Database
	if target == "" {
		target = filepath.Join(s.Data, "despatch.db")
	}
	if s.DB, err = sqldb.Open(ctx, target, sqldb.Options{}); err != nil {
		return err
	}
	if err := store.Migrate(ctx, s.DB); err != nil {
		return err
	}
	return s.services(ctx, signer)
}

func (s *Server) services(ctx context.Context, signer note.Signer) error {
	s.Rooms = &room.Service{DB: s.DB, Server: s.Name, Version: s.Version, Now: s.Now, Log: s.Log}
	s.Rooms.Init()
	var err error
	published := func(c []recorder.Committed) {
		s.Rooms.Recovered(c)
		s.Hub.Published(c)
		if bridges := s.published.Load(); bridges != nil {
			bridges.Published()
		}
	}
	s.Rec, err = recorder.Open(ctx, recorder.Options{DB: s.DB, Signer: signer, Log: s.Log, Now: s.Now, Project: s.project, Published: published})
	if err != nil {
		return err
	}
	if s.Hub, err = stream.NewHub(ctx, s.DB, s.Rec.Head().Edge.Size); err != nil {
		return err
	}
	s.Identity = identity.New(identity.Options{Server: s.Name, DB: s.DB, Record: s.Rec, Log: s.Log, Now: s.Now, Cost: s.Cost,
		NoLimits: s.NoLimits, AnyPassword: s.AnyPassword})
	if err := s.bridges(ctx); err != nil {
		return err
	}
	s.Rooms.Rec, s.Rooms.Hub, s.Rooms.Profile = s.Rec, s.Hub, clientapi.ProfileOf(s.Identity, s.Bridges)
	if err := s.evidence(ctx, signer); err != nil {
		return err
	}
	s.handler = s.faces()
	return nil
}

// bridges reads the registrations of application services.
func (s *Server) bridges(ctx context.Context) error {
	registrations, err := appservice.Load(s.AppServices)
	if err != nil {
		return err
	}
	s.Bridges, err = appservice.New(appservice.Options{Server: s.Name, DB: s.DB, Record: s.Rec, Hub: s.Hub, Registrations: registrations,
		Log: s.Log, Now: s.Now, Retry: s.AppRetry,
		Register: func(ctx context.Context, service, localpart string) error {
			_, err := s.Identity.CreateBridged(ctx, service, localpart)
			return err
		}})
	if err != nil {
		return err
	}
	s.published.Store(s.Bridges)
	return s.Bridges.Start(ctx)
}

// project brings the tables up to what is new on the record.
func (s *Server) project(ctx context.Context, tx *sqldb.Tx, entries []recorder.Committed) error {
	if err := s.Rooms.Project(ctx, tx, entries); err != nil {
		return err
	}
	if err := capture.Project(ctx, tx, entries); err != nil {
		return err
	}
	if err := link.Project(ctx, tx, entries); err != nil {
		return err
	}
	return office.Project(ctx, tx, entries)
}

// evidence opens what works on the record: files, captured conversations, search, cases.
func (s *Server) evidence(ctx context.Context, signer note.Signer) (err error) {
	s.Media, err = media.New(media.Options{Dir: filepath.Join(s.Data, "media"), Server: s.Name, DB: s.DB, Record: s.Rec, Log: s.Log})
	if err != nil {
		return err
	}
	s.Capture = &capture.Service{DB: s.DB, Record: s.Rec, Media: s.Media, Parsers: systems.Parsers(), Detect: spillage.Find, Now: s.Now, Log: s.Log}
	if t, err := ocr.Find(ctx); err == nil {
		s.Capture.Pictures = t
	} else {
		s.Log.InfoContext(ctx, "words in pictures cannot be searched: tesseract is not installed", "err", err)
	}
	s.Links = &link.Service{DB: s.DB, Record: s.Rec, Log: s.Log}
	s.Capture.Filed = s.Links.Wake
	target := s.Database
	if !strings.HasPrefix(target, "postgres") {
		target = filepath.Join(s.Data, "search.db")
	}
	// Statutory days are those of the United Kingdom, wherever the machine thinks it is.
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		return fmt.Errorf("time zone of the law's days: %w", err)
	}
	s.Office = &office.Service{DB: s.DB, Record: s.Rec, Identity: s.Identity, Capture: s.Capture, Zone: zone, Now: s.Now, Log: s.Log}
	s.Mail = &mailin.Service{Settings: s.Config.Mail, DB: s.DB, Record: s.Rec, Capture: s.Capture, Temp: s.Data, Site: s.BaseURL, Now: s.Now, Log: s.Log}
	if s.Index, err = search.Open(ctx, search.Options{Record: s.DB, Target: target, Log: s.Log, Zone: zone}); err != nil {
		return err
	}
	s.Cases = disclosure.New(disclosure.Options{DB: s.DB, Record: s.Rec, Index: s.Index, Signer: signer, Key: s.Key,
		Folder: filepath.Join(s.Data, "bundles"), Department: string(s.Name), Files: disclosure.Kept{Media: s.Media, Capture: s.Capture}, Zone: zone, Now: s.Now, Log: s.Log})
	return nil
}

// faces mounts what people and programs reach over HTTP.
func (s *Server) faces() http.Handler {
	adapter := &httpd.Adapter{Log: s.Log, Observe: s.Observe, Explain: clientapi.Explain, Writes: httpd.NewLimit(maxWrites)}
	s.OAuth = &oauth.Server{Name: s.Name, BaseURL: s.BaseURL, HTTPS: s.HTTPS, Proxies: s.Proxies, DB: s.DB, Rec: s.Rec, Identity: s.Identity,
		HTTP: adapter, Upstream: s.Upstream, Now: s.Now, Log: s.Log}
	s.API = &clientapi.Server{Name: s.Name, BaseURL: s.BaseURL, DB: s.DB, Rec: s.Rec, Identity: s.Identity, Rooms: s.Rooms,
		Hub: s.Hub, Media: s.Media, Capture: s.Capture, Office: s.Office, Mail: s.Mail, Index: s.Index, Bridges: s.Bridges, Temp: s.Data, HTTP: adapter, Key: s.Key, Proxies: s.Proxies, Now: s.Now, Log: s.Log,
		OpenRegistration: s.OpenRegistration, RegistrationSecret: s.RegistrationSecret, Version: s.Program}
	s.API.KeyID, s.API.ServerKey = s.keyID, s.serverKey
	if s.Previews {
		s.API.Previews = &clientapi.Previews{Allowed: s.PreviewNetworks, Log: s.Log}
	}
	s.Office.Notify = s.API.Notify
	mux := http.NewServeMux()
	api := s.API.Handler()
	mux.Handle("/_matrix/", api)
	mux.Handle("/_synapse/", api)
	mux.Handle("/_despatch/", api)
	mux.Handle("/.well-known/matrix/", api)
	mux.Handle("/.well-known/openid-configuration", s.OAuth.Handler())
	mux.Handle("/_matrix/client/v1/auth_metadata", s.OAuth.Handler())
	mux.Handle("/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", s.OAuth.Handler())
	mux.Handle("/oauth2/", s.OAuth.Handler())
	mux.Handle("/record/", (&publicapi.Server{Rec: s.Rec, DB: s.DB, Key: s.Key, HTTP: adapter}).Handler())
	s.Console = &console.Server{Name: s.Name, BaseURL: s.BaseURL, HTTPS: s.HTTPS, Proxies: s.Proxies, DB: s.DB, Rec: s.Rec,
		Key: s.Key, Identity: s.Identity, Cases: s.Cases, Capture: s.Capture, Links: s.Links, Office: s.Office, Temp: s.Data, HTTP: adapter, Now: s.Now, Log: s.Log}
	mux.Handle("/console/", s.Console.Handler())
	mux.Handle("/", webclient.Handler())
	mux.HandleFunc("GET /health", s.health)
	return mux
}

// health answers whether the server can do its work: 200 if the database can be read, else 503.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	select {
	case <-s.Rec.Done():
		http.Error(w, "the record is closed", http.StatusServiceUnavailable)
		return
	default:
	}
	if _, err := store.ReadHead(r.Context(), s.DB.Reader()); err != nil {
		http.Error(w, sqldb.Reason(err), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s *Server) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.running.Go(func() { s.Rooms.Run(ctx) })
	s.running.Go(func() { s.Identity.Run(ctx) })
	s.running.Go(func() { s.Media.Run(ctx) })
	s.running.Go(func() { s.Index.Run(ctx) })
	s.running.Go(func() { s.Bridges.Run(ctx) })
	if s.DropFolder != "" {
		drop := &folder.Drop{Dir: s.DropFolder, Service: s.Capture, Person: s.localpart, Log: s.Log}
		s.running.Go(func() { drop.Run(ctx) })
	}
	s.running.Go(func() { s.Office.Run(ctx) })
	s.running.Go(func() { s.Links.Run(ctx) })
	s.running.Go(func() {
		if err := s.Capture.Resume(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("exports that were broken off by a crash could not be filed", "err", err)
		}
	})
}

// localpart finds who has a folder's name.
func (s *Server) localpart(ctx context.Context, name string) (string, error) {
	user := matrix.UserID("@" + name + ":" + string(s.Name))
	_, err := s.Identity.Person(ctx, user)
	return string(user), err
}

// Handler serves everything that people and programs reach over HTTP.
func (s *Server) Handler() http.Handler { return s.handler }

// Federation serves what other Matrix servers reach.
func (s *Server) Federation() http.Handler { return s.API.Federation() }

// Drain lets long polls end, so that an http.Server can shut down.
func (s *Server) Drain() {
	if s.Hub != nil {
		s.Hub.Close()
	}
}

// Close finishes what was accepted and closes everything.
func (s *Server) Close() error {
	s.Drain()
	if s.Console != nil {
		s.Console.Close()
	}
	if s.Mail != nil {
		s.Mail.Close()
	}
	if s.stop != nil {
		s.stop()
		s.running.Wait()
	}
	if s.Rec != nil {
		s.Rec.Close()
	}
	if s.Index != nil {
		s.Index.Close()
	}
	if s.DB != nil {
		return s.DB.Close()
	}
	return nil
}

// logKey reads the record's signing key, or makes one.
func logKey(path string, name matrix.ServerName) (note.Signer, string, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		private, public, err := record.GenerateKey(rand.Reader, record.Origin(string(name)))
		if err != nil {
			return nil, "", err
		}
		raw = []byte(private + "\n" + public + "\n")
		if err := KeepFile(path, raw); err != nil {
			return nil, "", fmt.Errorf("write the record's key: %w", err)
		}
	} else if err != nil {
		return nil, "", fmt.Errorf("read the record's key: %w", err)
	}
	private, public, ok := cutLines(string(raw))
	if !ok {
		return nil, "", fmt.Errorf("%s does not hold the record's key; restore it from a backup", path)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	if signer.Name() != record.Origin(string(name)) {
		return nil, "", fmt.Errorf("the record in this folder is that of %s, not of %s: start with the server name it was made with", signer.Name(), record.Origin(string(name)))
	}
	return signer, public, nil
}

func cutLines(s string) (a, b string, ok bool) {
	if _, err := fmt.Sscanf(s, "%s\n%s\n", &a, &b); err != nil {
		return "", "", false
	}
	return a, b, true
}
