// Package office is the records office's side of capture: what it asks people for and by when, what
// they answer, what they declare lost, why things were said elsewhere, and who looked at any of it.
//
// It promises that every act is an entry on the record, an officer's look included and written before
// anything is shown; that its tables can be made again from those entries; and that reminders go by the
// server's clock, once each, also across a restart. It counts and never guesses: a reason that nobody
// gave is counted as not given.
//
// It never reads what was said. What it refuses, it refuses with an [*httpd.Error] for the person who asked.
package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Scope is what entries of the records office belong to, but those about one submission.
const Scope = "office"

// Service is the records office's desk. It is safe for concurrent use. [Project] must be part of what
// the recorder projects, and [Service.Run] must be running for reminders to be made.
type Service struct {
	DB       *sqldb.DB
	Record   *recorder.Recorder
	Identity *identity.Service
	Capture  *capture.Service
	Zone     *time.Location // in which days begin and end
	Now      func() time.Time
	Log      *slog.Logger

	// Notify, if it is set, tells somebody something in the messenger. The same key again tells nothing new.
	// What it says is a help only: what counts is on the record and in "My record".
	Notify func(ctx context.Context, who matrix.UserID, text, key string) error
}

// notify tells somebody something, and logs if that failed: nobody's request fails for it.
func (s *Service) notify(ctx context.Context, who, text, key string) {
	if s.Notify == nil {
		return
	}
	if err := s.Notify(ctx, matrix.UserID(who), text, key); err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "a notice could not be sent", "about", key, "err", err)
	}
}

// inWords is a request for its person, in a line.
func (s *Service) inWords(lead string, r store.CaptureRequest) string {
	return lead + " " + r.What + "\n" + Text(Whys, r.Why) + ". By " + time.UnixMilli(r.Due).In(s.Zone).Format("Monday 2 January 2006") + ". Open “My record” in Despatch to answer."
}

// entry is the body of every entry of this package.
type entry struct {
	Type string `json:"type"`
	By   string `json:"by"`

	Request string `json:"request,omitempty"`
	Number  int64  `json:"number,omitzero"`
	Person  string `json:"person,omitempty"` // whom it is about
	Why     string `json:"why,omitempty"`
	What    string `json:"what,omitempty"`
	Ref     string `json:"reference,omitempty"`
	Due     int64  `json:"due,omitzero"`
	Words   string `json:"words,omitempty"`
	Passed  int64  `json:"passed,omitzero"` // occasions for a reminder that have passed

	Submission string `json:"submission,omitempty"`
	Loss       string `json:"loss,omitempty"`
	Signed     string `json:"signed,omitempty"` // how: password

	Device string `json:"device,omitempty"`
	Held   string `json:"held,omitempty"`
	LostOn string `json:"lost_on,omitempty"`
	Reason string `json:"reason,omitempty"`

	Channel string `json:"channel,omitempty"`
	Subject string `json:"subject,omitempty"`
	Weight  string `json:"weight,omitempty"`

	Page   string `json:"page,omitempty"`
	Filter string `json:"filter,omitempty"`

	Month string `json:"month,omitempty"` // 2006-01, in the office's zone
}

// put appends an entry.
func put(b *recorder.Batch, scope string, kind record.Kind, e entry) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode %s: %w", e.Type, err)
	}
	if body, err = matrix.Canonical(nil, body); err != nil {
		return fmt.Errorf("encode %s: %w", e.Type, err)
	}
	b.Append(recorder.Entry{Scope: scope, Kind: kind, Body: body})
	return nil
}

// Project brings the tables of this package up to new entries, of which it passes over those that are
// not its own. It depends on nothing but the entries.
func Project(ctx context.Context, tx *sqldb.Tx, entries []recorder.Committed) error {
	for i := range entries {
		c := &entries[i]
		switch c.Kind {
		case record.KindRequest, record.KindReport, record.KindAttestation:
		default:
			continue
		}
		var e entry
		if err := json.Unmarshal(c.Body, &e); err != nil {
			continue // of another package
		}
		if err := e.project(ctx, tx, c); err != nil {
			return fmt.Errorf("entry %d: %w", c.Pos, err)
		}
	}
	return nil
}

func (e *entry) project(ctx context.Context, tx *sqldb.Tx, c *recorder.Committed) error {
	switch e.Type {
	case "request.asked":
		return store.InsertCaptureRequest(ctx, tx, store.CaptureRequest{ID: e.Request, Number: e.Number, Pos: c.Pos, Person: e.Person, AskedBy: e.By, AskedAt: c.Time,
			Why: e.Why, What: e.What, Reference: e.Ref, Due: e.Due, State: Asked, StateAt: c.Time})
	case "loss.declared":
		return store.InsertDeclaredLoss(ctx, tx, store.DeclaredLoss{ID: e.Loss, Number: e.Number, Pos: c.Pos, Person: e.By, Time: c.Time,
			Device: e.Device, Held: e.Held, LostOn: e.LostOn, Reason: e.Reason, Note: e.Words, Request: e.Request})
	case "capture.about":
		return store.SetOffChannel(ctx, tx, store.OffChannel{Submission: e.Submission, Pos: c.Pos, Person: e.By, Time: c.Time, Month: e.Month, Channel: e.Channel,
			Subject: e.Subject, Weight: e.Weight, Reason: e.Reason, Note: e.Words})
	}
	if !strings.HasPrefix(e.Type, "request.") {
		return nil
	}
	r, err := store.CaptureRequestByID(ctx, tx, e.Request)
	if err != nil {
		return err
	}
	switch e.Type {
	case "request.reminded":
		r.Reminders, r.RemindedAt = e.Passed, c.Time
		return store.SetCaptureRequest(ctx, tx, r)
	case "request.handed_in":
		if err := store.AnswerCaptureRequest(ctx, tx, r.ID, e.Submission); err != nil {
			return err
		}
		r.State, r.Answer = HandedIn, e.Submission
	case "request.nothing":
		r.State, r.Answer = Nothing, ""
	case "request.lost":
		r.State, r.Answer = Lost, e.Loss
	case "request.withdrawn":
		r.State = Withdrawn
	case "request.again":
		r.State, r.Due, r.Answer, r.Reminders = Asked, e.Due, "", 0
	default:
		return nil
	}
	r.StateAt, r.Words = c.Time, e.Words
	return store.SetCaptureRequest(ctx, tx, r)
}

// officer refuses those who are no records officers.
func (s *Service) officer(ctx context.Context, who matrix.UserID) error {
	p, err := s.Identity.Person(ctx, who)
	if err != nil {
		return err
	}
	if p.Disabled != 0 || !p.Roles.Has(identity.Records) {
		return httpd.Forbidden("Only a records officer may do that.")
	}
	return nil
}

// Bounds of what people write, in bytes.
const (
	maxLine = 300
	maxText = 4000
)

// words tidies a text and refuses one that is none, or too long, or missing where it must not be.
func words(text, name string, most int, needed bool) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return "", httpd.InvalidParam("%s is not text.", name)
	case needed && text == "":
		return "", httpd.MissingParam("%s is missing.", name)
	case len(text) > most:
		return "", httpd.InvalidParam("%s is too long: %d letters at most.", name, most)
	}
	return text, nil
}

// Looked puts on the record that an officer looks at a page, with what they filtered it by. It is
// called before the page is shown.
func (s *Service) Looked(ctx context.Context, who matrix.UserID, page, filter string) error {
	if err := s.officer(ctx, who); err != nil {
		return err
	}
	if len(filter) > maxText {
		filter = strings.ToValidUTF8(filter[:maxText], "")
	}
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		return put(b, Scope, record.KindView, entry{Type: "office.looked", By: string(who), Page: page, Filter: strings.ToValidUTF8(filter, "\uFFFD")})
	})
}

// Act is an entry of the records office in plain words.
type Act struct {
	Position int64
	Time     int64
	By       string // a user ID, or despatch
	Words    string // to be read after the name; "%s" stands for Person
	Person   string // a user ID, or empty
}

// History returns the acts of the records office before a position (0 for the end), the newest first.
// For records officers and auditors.
func (s *Service) History(ctx context.Context, who matrix.UserID, before int64, limit int) ([]Act, error) {
	p, err := s.Identity.Person(ctx, who)
	if err != nil {
		return nil, err
	}
	if p.Disabled != 0 || !p.Roles.HasAny(identity.Records, identity.Auditor) {
		return nil, httpd.Forbidden("Only records officers and auditors may see this.")
	}
	q := s.DB.Reader()
	scope, err := store.ScopeByName(ctx, q, Scope)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if before <= 0 {
		before = 1<<63 - 1
	}
	rows, err := store.ScopeEntriesBefore(ctx, q, scope.ID, before, max(1, min(limit, 500)))
	if err != nil {
		return nil, fmt.Errorf("history of the records office: %w", err)
	}
	out := make([]Act, len(rows))
	for i, r := range rows {
		out[i] = Act{Position: r.Pos, Time: r.Time, Words: "did something that was lawfully destroyed since"}
		if r.Body == nil {
			continue
		}
		var e entry
		if err := json.Unmarshal(r.Body, &e); err != nil {
			return nil, fmt.Errorf("read entry %d: %w", r.Pos, err)
		}
		out[i].By, out[i].Person, out[i].Words = e.By, e.Person, e.what()
	}
	return out, nil
}

func (e *entry) what() string {
	with := func(s string) string {
		if e.Words != "" {
			s += ": " + e.Words
		}
		return s
	}
	switch e.Type {
	case "office.looked":
		if e.Filter != "" {
			return "looked at " + e.Page + ", only " + e.Filter
		}
		return "looked at " + e.Page
	case "request.asked":
		return "asked %s in request " + e.Request + " for: " + e.What
	case "request.reminded":
		return "reminded %s of request " + e.Request
	case "request.handed_in":
		return "handed in what request " + e.Request + " asks for"
	case "request.nothing":
		return with("declared to have nothing that request " + e.Request + " asks for")
	case "request.lost":
		return "declared lost what request " + e.Request + " asks for: " + e.Loss
	case "request.withdrawn":
		return with("withdrew request " + e.Request)
	case "request.again":
		return with("asked %s again in request " + e.Request)
	case "loss.declared":
		return "declared " + e.Loss + ": " + e.Device
	}
	return e.Type
}
