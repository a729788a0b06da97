package capture

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Answers are what somebody says to the questions about a file that is kept.
type Answers struct {
	Submission string
	By         string  // the user ID of who answers
	Reason     string  // on what grounds, where somebody else than the file's owner answers
	Options    Options // the answers; what is empty stays as it was declared before
	Progress   func(messages int64)
}

// answerEntry is the body of the entry that says who answered what. Secrets are not in it, only that
// there were any.
type answerEntry struct {
	Type       string   `json:"type"` // answer
	Submission string   `json:"submission"`
	By         string   `json:"by"`
	Reason     string   `json:"reason,omitempty"`
	Declared   Declared `json:"declared"`
	Self       string   `json:"self,omitempty"`
	Secret     bool     `json:"secret,omitzero"`
}

// Answer reads a kept file again with answers that its first reading lacked, and files what it finds.
// A submission that was read before is not read again; its receipt is then returned as repeated. It
// returns [store.ErrNotFound] if there is no such submission. Who may answer, the caller decides.
func (s *Service) Answer(ctx context.Context, a Answers) (*Receipt, error) {
	row, err := store.SubmissionByID(ctx, s.DB.Reader(), a.Submission)
	if err != nil {
		return nil, err
	}
	u, done, err := s.reopen(ctx, row)
	if err != nil {
		return nil, fmt.Errorf("open submission %s again: %w", row.ID, err)
	}
	defer done()
	free, err := s.alone(ctx, u.Files)
	if err != nil {
		return nil, err
	}
	defer free()
	if earlier, err := s.earlier(ctx, row.ID); err != nil || earlier != nil {
		return earlier, err
	}
	was, err := s.Receipt(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	if u.Options, err = was.Declared.with(a.Options); err != nil {
		return nil, err
	}
	u.Options.ReceivedAt = time.UnixMilli(row.Time)
	u.Progress = a.Progress
	if err := s.recordAnswer(ctx, a, u.Options); err != nil {
		return nil, err
	}
	return s.file(ctx, row.ID, u)
}

// with returns what was declared before, with what is declared now.
func (d Declared) with(now Options) (Options, error) {
	o, err := d.options()
	if err != nil {
		return o, err
	}
	if now.Zone != nil {
		o.Zone = now.Zone
	}
	if now.DateOrder != "" {
		o.DateOrder = now.DateOrder
	}
	if now.Calendar != "" {
		o.Calendar = now.Calendar
	}
	if now.System != "" {
		o.System = now.System
	}
	if now.Conversation != "" {
		o.Conversation = now.Conversation
	}
	if !now.Happened.From.IsZero() {
		o.Happened = now.Happened
	}
	o.Secrets, o.Self = now.Secrets, now.Self
	return o, nil
}

func (s *Service) recordAnswer(ctx context.Context, a Answers, o Options) error {
	body, err := encode(answerEntry{Type: "answer", Submission: a.Submission, By: a.By, Reason: a.Reason, Declared: declared(o), Self: o.Self, Secret: len(o.Secrets) > 0})
	if err != nil {
		return fmt.Errorf("encode the answer to %s: %w", a.Submission, err)
	}
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		b.Append(recorder.Entry{Scope: Scope(a.Submission), Kind: record.KindAttestation, Body: body})
		return nil
	})
}

// reopen returns a submission as it was handed in, with its kept files, until done is called.
func (s *Service) reopen(ctx context.Context, row store.Submission) (u Upload, done func(), err error) {
	var closers []func()
	done = func() {
		for _, c := range closers {
			c()
		}
	}
	e, err := store.EntryAt(ctx, s.DB.Reader(), row.Pos)
	if err != nil {
		return u, nil, err
	}
	var sub submissionEntry
	if err := json.Unmarshal(e.Body, &sub); err != nil {
		return u, nil, err
	}
	u = Upload{Person: sub.Person, Method: sub.Method}
	for _, f := range sub.Files {
		kept, close, err := s.open(ctx, f)
		if err != nil {
			done()
			return u, nil, err
		}
		closers = append(closers, close)
		u.Files = append(u.Files, kept)
	}
	return u, done, nil
}
