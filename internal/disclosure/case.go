package disclosure

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Kind is on what authority a case is opened.
type Kind string

const (
	FOI        Kind = "foi"        // Freedom of Information Act 2000
	EIR        Kind = "eir"        // Environmental Information Regulations 2004
	SAR        Kind = "sar"        // subject access
	Inquiry    Kind = "inquiry"    // a public inquiry's notice
	Litigation Kind = "litigation" // a court's disclosure
	Audit      Kind = "audit"      // the department's own
)

// Status is how far a case has come.
type Status string

const (
	Open     Status = "open"     // being searched, collected and decided
	Waiting  Status = "waiting"  // submitted; waits for the second person
	Approved Status = "approved" // a bundle can be made
	Closed   Status = "closed"
)

// Opening is what a case is opened with.
type Opening struct {
	Kind      Kind
	Reference string // the department's own; unique. Made up if empty: "FOI-2026-0001"
	Title     string // what is asked for, in a line
	Request   string // in the requester's own words
	Received  Date
	Due       Date // for kinds whose term no law lays down, or if another was agreed; worked out if zero
	Bounds    Bounds
	Officers  []matrix.UserID // besides whoever opens it
}

// Case is a case as it stands.
type Case struct {
	ID        string
	Kind      Kind
	Reference string
	Title     string
	Request   string
	Received  Date
	Due       Date   // zero if nothing lays one down
	DueBasis  string // how Due comes about: "20 working days after receipt: Freedom of Information Act 2000, s.10(1)"
	Status    Status
	Bounds    Bounds
	Officers  []matrix.UserID
	OpenedAt  int64
	OpenedBy  matrix.UserID
	ClosedAt  int64 // 0 unless closed
	Outcome   string

	Totals Totals

	// Revision counts what changed the items or the decisions.
	Revision int64

	SubmittedAt int64 // 0 unless waiting or approved
	SubmittedBy matrix.UserID
	Approval    *Approval // nil unless approved or closed after it
	SentBack    *SentBack // the last time it was sent back, until it is submitted again
}

// DaysLeft is the number of days from today until the case is due: negative if it is late.
func (c *Case) DaysLeft(today Date) int { return today.DaysUntil(c.Due) }

// Totals count the items of a case.
type Totals struct {
	Items     int `json:"items"`
	Undecided int `json:"undecided"`
	Released  int `json:"released"`
	Redacted  int `json:"redacted"`
	Withheld  int `json:"withheld"`
}

// Approval is the second person's.
type Approval struct {
	By     matrix.UserID
	At     int64
	Digest string // of the decisions, hex
	Note   string
}

// SentBack is what the second person wants changed.
type SentBack struct {
	By   matrix.UserID
	At   int64
	Note string
}

// What bounds a case's texts, in characters.
const (
	maxTitle = 300
	maxText  = 20_000
	maxNames = 500 // people or conversations in its bounds
)

func checkText(what, s string, most int, needed bool) error {
	switch {
	case !utf8.ValidString(s):
		return httpd.InvalidParam("%s is not text.", what)
	case needed && strings.TrimSpace(s) == "":
		return httpd.InvalidParam("%s is missing.", what)
	case utf8.RuneCountInString(s) > most:
		return httpd.InvalidParam("%s can have %d characters at most.", what, most)
	}
	return nil
}

// check refuses bounds that make no sense.
func (b *Bounds) check() error {
	if len(b.People) > maxNames || len(b.Conversations) > maxNames {
		return httpd.InvalidParam("Name at most %d people and %d conversations.", maxNames, maxNames)
	}
	if !b.From.IsZero() && !b.To.IsZero() && b.To.Before(b.From) {
		return httpd.InvalidParam("The period ends on %s, before it begins on %s.", b.To, b.From)
	}
	for _, name := range slices.Concat(b.People, b.Conversations) {
		if err := checkText("A name", name, 500, true); err != nil {
			return err
		}
	}
	return nil
}

// Open opens a case. Whoever opens it is one of its officers. Only a records officer may; of an audit an auditor too.
func (s *Service) Open(ctx context.Context, by matrix.UserID, o Opening) (*Case, error) {
	if o.Kind.Title() == "" {
		return nil, httpd.InvalidParam("There is no kind of case called %q.", o.Kind)
	}
	today := DateOf(s.opt.Now().In(s.opt.Zone))
	if o.Received.IsZero() {
		o.Received = today
	}
	err := errors.Join(checkText("What is asked for", o.Title, maxTitle, true), checkText("The request", o.Request, maxText, false),
		checkText("The reference", o.Reference, 100, false), o.Bounds.check())
	if err != nil {
		return nil, first(err)
	}
	if today.Before(o.Received) {
		return nil, httpd.InvalidParam("It cannot have been received on %s, which is still to come.", o.Received)
	}
	basis := "as entered"
	if o.Due.IsZero() {
		if o.Due, basis, err = s.opt.Holidays.due(o.Kind, o.Received); err != nil {
			return nil, err
		}
	}
	var raw [8]byte
	if _, err := io.ReadFull(s.opt.Rand, raw[:]); err != nil {
		return nil, fmt.Errorf("make an id: %w", err)
	}
	c := store.Case{ID: strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])), Kind: string(o.Kind),
		Title: o.Title, Request: o.Request, Received: o.Received.String(), Due: o.Due.String(), DueBasis: basis, Status: string(Open), OpenedBy: string(by)}
	if c.Bounds, err = json.Marshal(o.Bounds); err != nil {
		return nil, fmt.Errorf("encode bounds: %w", err)
	}
	err = s.opt.Record.Do(ctx, func(b *recorder.Batch) error { return s.open(b, by, o, c) })
	if err != nil {
		return nil, err
	}
	return s.Case(ctx, by, c.ID)
}

// first returns the first of joined errors.
func first(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok && len(j.Unwrap()) > 0 {
		return j.Unwrap()[0]
	}
	return err
}

func (s *Service) open(b *recorder.Batch, by matrix.UserID, o Opening, c store.Case) error {
	ctx, tx := b.Context(), b.Tx()
	officers := append([]matrix.UserID{by}, o.Officers...)
	slices.Sort(officers)
	officers = slices.Compact(officers)
	for _, who := range officers {
		have, err := roles(ctx, tx, who)
		if err != nil {
			return err
		}
		if !may(o.Kind, have) {
			return httpd.Forbidden("%s cannot be an officer of this case: only a records officer can be, or for an audit an auditor.", who)
		}
	}
	c.OpenedAt, c.Reference = b.Now(), strings.TrimSpace(o.Reference)
	if c.Reference == "" {
		prefix := fmt.Sprintf("%s-%d-", o.Kind.info().prefix, s.opt.Now().In(s.opt.Zone).Year())
		n, err := store.CountReferences(ctx, tx, prefix)
		for taken := true; err == nil && taken; {
			n++
			c.Reference = fmt.Sprintf("%s%04d", prefix, n)
			taken, err = store.HasReference(ctx, tx, c.Reference)
		}
		if err != nil {
			return fmt.Errorf("make up a reference: %w", err)
		}
	} else if taken, err := store.HasReference(ctx, tx, c.Reference); err != nil {
		return err
	} else if taken {
		return httpd.InvalidParam("There is already a case with the reference %s.", c.Reference)
	}
	if err := store.InsertCase(ctx, tx, c); err != nil {
		return err
	}
	for _, who := range officers {
		if err := store.SetCaseOfficer(ctx, tx, c.ID, string(who), true); err != nil {
			return err
		}
	}
	_, err := put(b, &access{who: by, c: c}, record.KindCase, &entry{Type: "case.opened", Kind: o.Kind, Reference: c.Reference, Title: o.Title,
		Request: o.Request, Received: o.Received, Due: o.Due, DueBasis: c.DueBasis, Bounds: &o.Bounds, Officers: officers})
	return err
}

// Filter chooses cases.
type Filter struct {
	Status  Status        // "" for all
	Officer matrix.UserID // "" for all
}

// Cases lists cases, those due first first. It shows what is asked for and how far it has come, and no messages:
// for records officers, approvers and auditors.
func (s *Service) Cases(ctx context.Context, who matrix.UserID, f Filter) ([]*Case, error) {
	q := s.opt.DB.Reader()
	a := &access{who: who}
	var err error
	if a.roles, err = roles(ctx, q, who); err != nil {
		return nil, err
	}
	if err := a.overview(); err != nil {
		return nil, err
	}
	found, err := store.Cases(ctx, q, string(f.Status), string(f.Officer))
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	out := make([]*Case, len(found))
	for i, c := range found {
		officers, err := store.CaseOfficers(ctx, q, c.ID)
		if err != nil {
			return nil, fmt.Errorf("list cases: %w", err)
		}
		if out[i], err = shownCase(ctx, q, c, officers); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Case returns a case without its messages; see [Service.Cases] for whom.
func (s *Service) Case(ctx context.Context, who matrix.UserID, id string) (*Case, error) {
	a, err := enter(ctx, s.opt.DB.Reader(), who, id)
	if err != nil {
		return nil, err
	}
	return shownCase(ctx, s.opt.DB.Reader(), a.c, a.officers)
}

func shownCase(ctx context.Context, q sqldb.Queryer, c store.Case, officers []string) (*Case, error) {
	out := &Case{ID: c.ID, Kind: Kind(c.Kind), Reference: c.Reference, Title: c.Title, Request: c.Request, DueBasis: c.DueBasis, Status: Status(c.Status),
		OpenedAt: c.OpenedAt, OpenedBy: matrix.UserID(c.OpenedBy), ClosedAt: c.ClosedAt, Outcome: c.Outcome, Revision: c.Revision,
		SubmittedAt: c.SubmittedAt, SubmittedBy: matrix.UserID(c.SubmittedBy)}
	err := errors.Join(out.Received.UnmarshalText([]byte(c.Received)), out.Due.UnmarshalText([]byte(c.Due)), json.Unmarshal(c.Bounds, &out.Bounds))
	if err != nil {
		return nil, fmt.Errorf("read case %s: %w", c.ID, err)
	}
	for _, o := range officers {
		out.Officers = append(out.Officers, matrix.UserID(o))
	}
	if c.ApprovedAt != 0 {
		out.Approval = &Approval{By: matrix.UserID(c.ApprovedBy), At: c.ApprovedAt, Digest: c.Digest, Note: c.ApprovalNote}
	}
	if c.ReturnedAt != 0 {
		out.SentBack = &SentBack{By: matrix.UserID(c.ReturnedBy), At: c.ReturnedAt, Note: c.ReturnedNote}
	}
	out.Totals, err = totals(ctx, q, c.ID)
	return out, err
}

func totals(ctx context.Context, q sqldb.Queryer, id string) (Totals, error) {
	n, err := store.CountCaseItems(ctx, q, id)
	if err != nil {
		return Totals{}, fmt.Errorf("count the items of case %s: %w", id, err)
	}
	t := Totals{Undecided: n[""], Released: n[string(Release)], Redacted: n[string(Redact)], Withheld: n[string(Withhold)]}
	t.Items = t.Undecided + t.Released + t.Redacted + t.Withheld
	return t, nil
}

// SetBounds changes what the case reaches to. Items that were collected stay. Only an officer of the case may.
func (s *Service) SetBounds(ctx context.Context, by matrix.UserID, id string, bounds Bounds) error {
	if err := bounds.check(); err != nil {
		return err
	}
	return s.change(ctx, by, id, (*access).work, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		var err error
		if a.c.Bounds, err = json.Marshal(bounds); err != nil {
			return 0, nil, err
		}
		return record.KindCase, &entry{Type: "case.bounds", Bounds: &bounds}, store.UpdateCase(b.Context(), b.Tx(), a.c)
	})
}

// SetDue changes when the case is due, and why: an extension, a clarification.
func (s *Service) SetDue(ctx context.Context, by matrix.UserID, id string, due Date, reason string) error {
	if err := checkText("The reason", reason, maxTitle, true); err != nil {
		return err
	}
	return s.change(ctx, by, id, (*access).work, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		a.c.Due, a.c.DueBasis = due.String(), reason
		return record.KindCase, &entry{Type: "case.due", Due: due, DueBasis: reason}, store.UpdateCase(b.Context(), b.Tx(), a.c)
	})
}

// Assign makes somebody else an officer of the case: by one of its officers, or by an approver. Nobody assigns
// themselves.
func (s *Service) Assign(ctx context.Context, by matrix.UserID, id string, officer matrix.UserID) error {
	allowed := func(a *access) error {
		if by == officer {
			return httpd.Forbidden("Nobody assigns themselves to a case. One of its officers, or an approver, can assign you.")
		}
		if a.has(identity.Approver) && a.c.Status != string(Closed) {
			return nil
		}
		return a.work()
	}
	return s.change(ctx, by, id, allowed, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		have, err := roles(b.Context(), b.Tx(), officer)
		if err != nil {
			return 0, nil, err
		}
		if !may(Kind(a.c.Kind), have) {
			return 0, nil, httpd.Forbidden("%s cannot be an officer of this case: only a records officer can be, or for an audit an auditor.", officer)
		}
		if slices.Contains(a.officers, string(officer)) {
			return 0, nil, nil
		}
		return record.KindCase, &entry{Type: "case.officer.assigned", Officer: officer}, store.SetCaseOfficer(b.Context(), b.Tx(), id, string(officer), true)
	})
}

// Unassign takes an officer off the case. One must remain.
func (s *Service) Unassign(ctx context.Context, by matrix.UserID, id string, officer matrix.UserID) error {
	return s.change(ctx, by, id, (*access).work, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		if !slices.Contains(a.officers, string(officer)) {
			return 0, nil, nil
		}
		if len(a.officers) == 1 {
			return 0, nil, httpd.Forbidden("%s is the last officer of this case. Assign somebody else first.", officer)
		}
		return record.KindCase, &entry{Type: "case.officer.removed", Officer: officer}, store.SetCaseOfficer(b.Context(), b.Tx(), id, string(officer), false)
	})
}

// Close closes a case; its messages can no longer be read through it. Only an officer of the case may.
func (s *Service) Close(ctx context.Context, by matrix.UserID, id, outcome string) error {
	if err := checkText("The outcome", outcome, maxText, true); err != nil {
		return err
	}
	return s.change(ctx, by, id, (*access).work, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		a.c.Status, a.c.ClosedAt, a.c.Outcome = string(Closed), b.Now(), outcome
		return record.KindCase, &entry{Type: "case.closed", Outcome: outcome}, store.UpdateCase(b.Context(), b.Tx(), a.c)
	})
}

// Submit hands the case to the second person. Every item must have been decided.
func (s *Service) Submit(ctx context.Context, by matrix.UserID, id string) error {
	return s.change(ctx, by, id, (*access).work, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		t, err := totals(b.Context(), b.Tx(), id)
		switch {
		case err != nil:
			return 0, nil, err
		case a.c.Status != string(Open):
			return 0, nil, httpd.Forbidden("This case was submitted already.")
		case t.Items == 0:
			return 0, nil, httpd.Forbidden("There is nothing in this case to approve. Collect items first.")
		case t.Undecided > 0:
			return 0, nil, httpd.Forbidden("%d of %d items are still to be decided.", t.Undecided, t.Items)
		}
		a.c.Status, a.c.SubmittedAt, a.c.SubmittedBy = string(Waiting), b.Now(), string(by)
		a.c.ReturnedAt, a.c.ReturnedBy, a.c.ReturnedNote = 0, "", ""
		return record.KindCase, &entry{Type: "case.submitted", Totals: &t}, store.UpdateCase(b.Context(), b.Tx(), a.c)
	})
}

// reopen counts a change of items or decisions. If the case was submitted or approved, it is open again; voids is the
// digest whose approval is void.
func reopen(b *recorder.Batch, a *access) (voids string, err error) {
	voids = a.c.Digest
	a.c.Revision++
	a.c.Status, a.c.SubmittedAt, a.c.SubmittedBy = string(Open), 0, ""
	a.c.ApprovedAt, a.c.ApprovedBy, a.c.Digest, a.c.ApprovalNote = 0, "", "", ""
	return voids, store.UpdateCase(b.Context(), b.Tx(), a.c)
}

// Digest returns the hash of all decisions as they are now, for the page on which they are approved.
func (s *Service) Digest(ctx context.Context, who matrix.UserID, id string) (digest string, err error) {
	a, err := enter(ctx, s.opt.DB.Reader(), who, id)
	if err != nil {
		return "", err
	}
	if err := a.read(); err != nil {
		return "", err
	}
	digest, _, err = s.digest(ctx, id)
	return digest, err
}

// digest hashes the decisions of a case and says at which revision it found them.
//
// It is the SHA-256 of a line for each item in order of position: the position, the size of the record when it was
// collected, and the decision in canonical JSON.
func (s *Service) digest(ctx context.Context, id string) (digest string, revision int64, err error) {
	err = s.opt.DB.View(ctx, func(q sqldb.Queryer) error {
		c, err := store.CaseByID(ctx, q, id)
		if err != nil {
			return err
		}
		revision = c.Revision
		h := sha256.New()
		fmt.Fprintf(h, "despatch decisions v1\n%s\n", id)
		bodies := make(map[int64][]byte)
		for after := int64(-1); ; {
			items, err := store.CaseItems(ctx, q, id, "", 0, after, loadChunk)
			if err != nil || len(items) == 0 {
				digest = hex.EncodeToString(h.Sum(nil))
				return err
			}
			if err := addDecisions(ctx, q, bodies, items); err != nil {
				return err
			}
			for _, it := range items {
				fmt.Fprintf(h, "%d %d %s\n", it.Pos, it.Size, bodies[it.Decision])
			}
			after = items[len(items)-1].Pos
		}
	})
	if err != nil {
		return "", 0, fmt.Errorf("hash the decisions of case %s: %w", id, err)
	}
	return digest, revision, nil
}

// addDecisions reads the decisions about items that are not known yet.
func addDecisions(ctx context.Context, q sqldb.Queryer, bodies map[int64][]byte, items []store.CaseItem) error {
	var ask []int64
	for _, it := range items {
		if _, ok := bodies[it.Decision]; !ok && it.Decision != 0 {
			bodies[it.Decision] = nil
			ask = append(ask, it.Decision)
		}
	}
	if ask == nil {
		return nil
	}
	found, err := store.DecisionsAt(ctx, q, ask)
	for _, d := range found {
		bodies[d.Entry] = d.Body
	}
	return err
}

// Approve approves the decisions that have the digest. Only an approver may who has decided nothing in the case and
// has not submitted it. It is refused if the decisions are no longer those.
func (s *Service) Approve(ctx context.Context, by matrix.UserID, id, digest, note string) error {
	if err := checkText("The note", note, maxText, false); err != nil {
		return err
	}
	now, revision, err := s.digest(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return httpd.NotFound("There is no such case.")
	} else if err != nil {
		return err
	}
	return s.change(ctx, by, id, (*access).overview, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		if err := a.approve(b.Context(), b.Tx()); err != nil {
			return 0, nil, err
		}
		if digest != now || a.c.Revision != revision {
			return 0, nil, httpd.Forbidden("The decisions have changed since you looked at them. Look again before you approve.")
		}
		a.c.Status, a.c.ApprovedAt, a.c.ApprovedBy, a.c.Digest, a.c.ApprovalNote = string(Approved), b.Now(), string(by), digest, note
		return record.KindApproval, &entry{Type: "case.approved", Digest: digest, Note: note}, store.UpdateCase(b.Context(), b.Tx(), a.c)
	})
}

// SendBack returns the case to its officers with what is to be changed. For whom see [Service.Approve].
func (s *Service) SendBack(ctx context.Context, by matrix.UserID, id, note string) error {
	if err := checkText("What is to be changed", note, maxText, true); err != nil {
		return err
	}
	return s.change(ctx, by, id, (*access).overview, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		if err := a.approve(b.Context(), b.Tx()); err != nil {
			return 0, nil, err
		}
		a.c.Status, a.c.SubmittedAt, a.c.SubmittedBy = string(Open), 0, ""
		a.c.ReturnedAt, a.c.ReturnedBy, a.c.ReturnedNote = b.Now(), string(by), note
		return record.KindApproval, &entry{Type: "case.sent_back", Note: note}, store.UpdateCase(b.Context(), b.Tx(), a.c)
	})
}
