// Package disclosure is the one way in which anybody may read messages of others: within a case.
//
// A case says on what authority: a request under the Freedom of Information Act, the Environmental Information
// Regulations or for subject access, an inquiry, litigation, an audit. Its officers search within its declared scope,
// collect what they find, and decide on each item: release, redact or withhold. Somebody else approves what they
// decided. Then a bundle is made that leaves the department with its proofs.
//
// The package promises that every look-up and every decision is an entry on the record, in the scope "case:ID",
// written before anything is shown; that nobody without the role and the assignment gets to see a message; and that
// an approval stands for exactly the decisions that were approved: whatever changes them voids it.
//
// What it refuses, it refuses with an [*httpd.Error] whose text is for the person who asked.
package disclosure

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/search"
	"despatch/internal/sqldb"
)

// Options are what a [Service] needs. All but Files, Zone, Holidays, Rand and Log must be set.
type Options struct {
	DB         *sqldb.DB
	Record     *recorder.Recorder
	Index      *search.Index
	Signer     note.Signer // the log's key
	Key        string      // the verifier key that belongs to it
	Folder     string      // where bundles are kept
	Department string      // who discloses, as bundles name it
	Files      Files       // nil if no attached files can be read: then they are named only
	Zone       *time.Location
	Holidays   *Holidays // [UKHolidays] if nil
	Now        func() time.Time
	Rand       io.Reader // nil means crypto/rand
	Log        *slog.Logger
}

// Files finds attached files.
type Files interface {
	// Attached returns the position of the entry that names the hash of the file at an mxc URI; ok is false if there
	// is no such file on the record.
	Attached(ctx context.Context, uri string) (pos int64, ok bool, err error)

	// OpenFile opens a file, of whatever origin, by its SHA-256 in hex. The error wraps fs.ErrNotExist if it is not kept.
	OpenFile(ctx context.Context, sha256 string) (io.ReadCloser, error)
}

// Service is the disclosure service. It is safe for concurrent use.
type Service struct {
	opt Options
}

// New returns a service.
func New(opt Options) *Service {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	if opt.Zone == nil {
		opt.Zone = time.UTC
	}
	if opt.Holidays == nil {
		opt.Holidays = UKHolidays()
	}
	return &Service{opt: opt}
}

// Scope is the scope on the record of a case's entries.
func Scope(id string) string { return "case:" + id }

// Bounds is what a case reaches to. A message is within it if it lies in the period, in one of the conversations if
// any are named, and in a conversation in which one of the people has taken part if any are named. At least one of
// the three must be given before anything can be searched.
type Bounds struct {
	People        []string `json:"people,omitempty"`        // user IDs, or the names that captured conversations use
	Conversations []string `json:"conversations,omitempty"` // scopes' names: room IDs, "capture:…"
	From          Date     `json:"from,omitzero"`           // first day, in the service's zone
	To            Date     `json:"to,omitzero"`             // last day
}

// Empty reports whether nothing is bounded.
func (b Bounds) Empty() bool {
	return len(b.People) == 0 && len(b.Conversations) == 0 && b.From.IsZero() && b.To.IsZero()
}

// Conversation is a conversation that a case's scope may name. It tells nothing of what was said.
type Conversation = search.Conversation

// Conversations lists conversations for the choice of a case's scope: those whose title or people have all the words
// of find, those with the newest message first. Next is for the page after it, "" at the end. Only for the officers
// of the case; the look-up is recorded.
func (s *Service) Conversations(ctx context.Context, who matrix.UserID, id, find, after string, limit int) (found []Conversation, next string, err error) {
	if _, err := s.note(ctx, who, id, record.KindSearch, &entry{Type: "search.conversations", Find: find, After: after}, (*access).work); err != nil {
		return nil, "", err
	}
	if found, next, err = s.opt.Index.Conversations(ctx, find, after, limit); err != nil {
		return nil, "", err
	}
	for i := range found {
		if found[i].Title == "" {
			found[i].Title = namesOf(found[i])
		}
	}
	return found, next, nil
}
