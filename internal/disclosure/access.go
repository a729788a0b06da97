package disclosure

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// access is who asks and for which case, as both stand at that moment.
type access struct {
	who      matrix.UserID
	roles    []string
	c        store.Case
	officers []string
}

func (a *access) has(r identity.Role) bool { return slices.Contains(a.roles, string(r)) }

// roles returns somebody's roles: none if they have no account or are disabled.
func roles(ctx context.Context, q sqldb.Queryer, who matrix.UserID) ([]string, error) {
	p, err := store.PersonByID(ctx, q, string(who))
	if errors.Is(err, store.ErrNotFound) || err == nil && p.DisabledAt != 0 {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("roles of %s: %w", who, err)
	}
	names, err := store.PersonRoles(ctx, q, string(who))
	if err != nil {
		return nil, fmt.Errorf("roles of %s: %w", who, err)
	}
	return names, nil
}

// enter reads who asks and the case. Those with nothing to do with disclosure do not learn whether there is such a case.
func enter(ctx context.Context, q sqldb.Queryer, who matrix.UserID, id string) (*access, error) {
	a := &access{who: who}
	var err error
	if a.roles, err = roles(ctx, q, who); err != nil {
		return nil, err
	}
	if err := a.overview(); err != nil {
		return nil, err
	}
	if a.c, err = store.CaseByID(ctx, q, id); errors.Is(err, store.ErrNotFound) {
		return nil, httpd.NotFound("There is no such case.")
	} else if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	if a.officers, err = store.CaseOfficers(ctx, q, id); err != nil {
		return nil, fmt.Errorf("officers of case %s: %w", id, err)
	}
	return a, nil
}

// overview is for those who may know that cases exist and how far they have come.
func (a *access) overview() error {
	if a.has(identity.Records) || a.has(identity.Approver) || a.has(identity.Auditor) {
		return nil
	}
	return httpd.Forbidden("Only records officers, approvers and auditors can see cases.")
}

// may reports whether somebody's roles let them be an officer of a kind of case.
func may(k Kind, roles []string) bool {
	return slices.Contains(roles, string(identity.Records)) || k == Audit && slices.Contains(roles, string(identity.Auditor))
}

// work is for the officers of an open case.
func (a *access) work() error {
	switch {
	case !may(Kind(a.c.Kind), a.roles):
		return httpd.Forbidden("Only a records officer who is assigned to this case can do that.")
	case !slices.Contains(a.officers, string(a.who)):
		return httpd.Forbidden("You are not assigned to this case. One of its officers, or an approver, can assign you.")
	case a.c.Status == string(Closed):
		return httpd.Forbidden("This case is closed.")
	}
	return nil
}

// read is for those who may see the items of the case.
func (a *access) read() error {
	if a.has(identity.Approver) && (a.c.Status == string(Waiting) || a.c.Status == string(Approved)) {
		return nil
	}
	return a.work()
}

// approve is for the second person.
func (a *access) approve(ctx context.Context, q sqldb.Queryer) error {
	if !a.has(identity.Approver) {
		return httpd.Forbidden("Only an approver can do that.")
	}
	decided, err := store.HasDecided(ctx, q, a.c.ID, string(a.who))
	if err != nil {
		return err
	}
	if decided || a.c.SubmittedBy == string(a.who) {
		return httpd.Forbidden("You have worked on this case. Somebody who has not must approve it.")
	}
	if a.c.Status != string(Waiting) {
		return httpd.Forbidden("This case does not wait for approval.")
	}
	return nil
}

// change makes a change to a case and puts it on the record, if allowed. The change returns the entry's kind and body.
func (s *Service) change(ctx context.Context, who matrix.UserID, id string, allowed func(*access) error, run func(*recorder.Batch, *access) (record.Kind, *entry, error)) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		a, err := enter(b.Context(), b.Tx(), who, id)
		if err != nil {
			return err
		}
		if err := allowed(a); err != nil {
			return err
		}
		kind, e, err := run(b, a)
		if err != nil || e == nil {
			return err
		}
		_, err = put(b, a, kind, e)
		return err
	})
}

// note puts a look-up on the record, if allowed, before anything is shown of it.
func (s *Service) note(ctx context.Context, who matrix.UserID, id string, kind record.Kind, e *entry, allowed func(*access) error) (pos int64, err error) {
	err = s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		a, err := enter(b.Context(), b.Tx(), who, id)
		if err != nil {
			return err
		}
		if err := allowed(a); err != nil {
			return err
		}
		pos, err = put(b, a, kind, e)
		return err
	})
	return pos, err
}

// entry is the body of an entry of a case.
type entry struct {
	Type string        `json:"type"`
	Case string        `json:"case"`
	By   matrix.UserID `json:"by"`

	// of case.opened, case.bounds, case.due, case.officer.…, case.closed
	Kind      Kind            `json:"kind,omitzero"`
	Reference string          `json:"reference,omitzero"`
	Title     string          `json:"title,omitzero"`
	Request   string          `json:"request,omitzero"`
	Received  Date            `json:"received,omitzero"`
	Due       Date            `json:"due,omitzero"`
	DueBasis  string          `json:"due_basis,omitzero"`
	Bounds    *Bounds         `json:"bounds,omitzero"`
	Officers  []matrix.UserID `json:"officers,omitempty"`
	Officer   matrix.UserID   `json:"officer,omitzero"`
	Outcome   string          `json:"outcome,omitzero"`

	// of search and view
	Query  string  `json:"query,omitzero"`
	Hits   *int    `json:"hits,omitzero"`
	More   bool    `json:"more,omitzero"` // there are more hits than that
	After  string  `json:"after,omitzero"`
	Size   int64   `json:"size,omitzero"` // of the record that was searched, or when items were collected
	Items  []int64 `json:"items,omitempty"`
	Find   string  `json:"find,omitzero"`
	Bundle string  `json:"bundle,omitzero"`

	// of decision and approval
	Decision *Decision `json:"decision,omitzero"`
	Digest   string    `json:"digest,omitzero"`
	Voids    string    `json:"voids,omitzero"` // the digest whose approval this voids
	Note     string    `json:"note,omitzero"`

	// of bundle
	File   string  `json:"file,omitzero"`
	Bytes  int64   `json:"bytes,omitzero"`
	SHA256 string  `json:"sha256,omitzero"`
	Totals *Totals `json:"totals,omitzero"`
}

// put appends an entry to the case's scope.
func put(b *recorder.Batch, a *access, kind record.Kind, e *entry) (int64, error) {
	e.Case, e.By = a.c.ID, a.who
	body, err := json.Marshal(e)
	if err != nil {
		return 0, fmt.Errorf("encode %s: %w", e.Type, err)
	}
	if body, err = matrix.Canonical(nil, body); err != nil {
		return 0, fmt.Errorf("encode %s: %w", e.Type, err)
	}
	return b.Append(recorder.Entry{Scope: Scope(a.c.ID), Kind: kind, Body: body}), nil
}
