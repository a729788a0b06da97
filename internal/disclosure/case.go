package disclosure

import (
	"context"

	"despatch/internal/matrix"
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
	Items     int
	Undecided int
	Released  int
	Redacted  int
	Withheld  int
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

// Open opens a case. Whoever opens it is one of its officers. Only a records officer may; of an audit an auditor too.
func (s *Service) Open(ctx context.Context, by matrix.UserID, o Opening) (*Case, error) {
	return nil, errNotYet
}

// Filter chooses cases.
type Filter struct {
	Status  Status        // "" for all
	Officer matrix.UserID // "" for all
}

// Cases lists cases, those due first first. It shows what is asked for and how far it has come, and no messages:
// for records officers, approvers and auditors.
func (s *Service) Cases(ctx context.Context, who matrix.UserID, f Filter) ([]*Case, error) {
	return nil, errNotYet
}

// Case returns a case without its messages; see [Service.Cases] for whom.
func (s *Service) Case(ctx context.Context, who matrix.UserID, id string) (*Case, error) {
	return nil, errNotYet
}

// SetBounds changes what the case reaches to. Items that were collected stay. Only an officer of the case may.
func (s *Service) SetBounds(ctx context.Context, by matrix.UserID, id string, b Bounds) error {
	return errNotYet
}

// SetDue changes when the case is due, and why: an extension, a clarification.
func (s *Service) SetDue(ctx context.Context, by matrix.UserID, id string, due Date, reason string) error {
	return errNotYet
}

// Assign makes somebody else an officer of the case: by one of its officers, or by an approver. Nobody assigns
// themselves.
func (s *Service) Assign(ctx context.Context, by matrix.UserID, id string, officer matrix.UserID) error {
	return errNotYet
}

// Unassign takes an officer off the case. One must remain.
func (s *Service) Unassign(ctx context.Context, by matrix.UserID, id string, officer matrix.UserID) error {
	return errNotYet
}

// Close closes a case; its messages can no longer be read through it. Only an officer of the case may.
func (s *Service) Close(ctx context.Context, by matrix.UserID, id, outcome string) error {
	return errNotYet
}

// Submit hands the case to the second person. Every item must have been decided.
func (s *Service) Submit(ctx context.Context, by matrix.UserID, id string) error { return errNotYet }

// Digest returns the hash of all decisions as they are now, for the page on which they are approved.
func (s *Service) Digest(ctx context.Context, who matrix.UserID, id string) (digest string, err error) {
	return "", errNotYet
}

// Approve approves the decisions that have the digest. Only an approver may who has decided nothing in the case and
// has not submitted it. It is refused if the decisions are no longer those.
func (s *Service) Approve(ctx context.Context, by matrix.UserID, id, digest, note string) error {
	return errNotYet
}

// SendBack returns the case to its officers with what is to be changed. For whom see [Service.Approve].
func (s *Service) SendBack(ctx context.Context, by matrix.UserID, id, note string) error {
	return errNotYet
}
