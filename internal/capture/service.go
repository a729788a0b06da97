package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/media"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Service puts submissions on the record. It is safe for concurrent use. [Project] must be part of
// what the recorder projects.
type Service struct {
	DB      *sqldb.DB
	Record  *recorder.Recorder
	Media   *media.Service
	Parsers []Parser
	Now     func() time.Time
	Log     *slog.Logger

	Pictures PictureReader // reads the words in pictures; may be nil

	// Detect returns the marking for which a message must be sealed, or nil. Headers are those of the
	// mail that it is. It may be nil: nothing is sealed then.
	Detect func(o *Observation, headers []string) *Finding
	Filed  func() // told when a submission has been read to its end; must not block; may be nil

	mu   sync.Mutex
	busy map[[32]byte]chan struct{} // files being filed; guarded by mu, closed when done
}

// Upload is what somebody hands in: a file, or files that belong together.
type Upload struct {
	Person   string // the user ID of who hands it in
	Files    []*File
	Options  Options
	Method   string               // how it came; empty is [MethodExport]
	Progress func(messages int64) // told now and then how many messages are on the record; may be nil
}

// How files come onto the record.
const (
	MethodExport = "user_export" // somebody handed in what another system exported
	MethodNote   = "note"        // somebody wrote down what was said: [Service.Note]
)

// MaxFiles bounds the files of one submission.
const MaxFiles = 20_000

// Submit keeps the files whole, puts them on the record, and then every message that a parser finds
// in them. When it returns a receipt, everything the receipt speaks of is durable.
//
// A file that no parser can read is kept all the same; the receipt says why. A file with questions is
// kept, and its messages wait for the answers: the same files handed in again with them. Files handed
// in before change nothing. After a crash, handing in the same files, or [Service.Resume], goes on
// where it was left.
func (s *Service) Submit(ctx context.Context, u Upload) (*Receipt, error) {
	if u.Person == "" || len(u.Files) == 0 || len(u.Files) > MaxFiles {
		return nil, fmt.Errorf("submit %d files for %q: there must be a person and 1 to %d files", len(u.Files), u.Person, MaxFiles)
	}
	done, err := s.alone(ctx, u.Files)
	if err != nil {
		return nil, err
	}
	defer done()
	id := submissionID(u.Person, u.Files)
	earlier, err := s.earlier(ctx, id)
	if err != nil || earlier != nil {
		return earlier, err
	}
	for _, f := range u.Files {
		if err := s.keep(ctx, u.Person, id, f); err != nil {
			return nil, err
		}
	}
	if err := s.recordSubmission(ctx, id, u); err != nil {
		return nil, err
	}
	return s.file(ctx, id, u)
}

// alone waits until nobody else files any of the files.
func (s *Service) alone(ctx context.Context, files []*File) (done func(), err error) {
	mine := make(chan struct{})
	for {
		wait := s.claim(files, mine)
		if wait == nil {
			return func() { s.release(files, mine) }, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Service) claim(files []*File, mine chan struct{}) (wait chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		if c := s.busy[f.SHA256]; c != nil {
			return c
		}
	}
	if s.busy == nil {
		s.busy = make(map[[32]byte]chan struct{})
	}
	for _, f := range files {
		s.busy[f.SHA256] = mine
	}
	return nil
}

func (s *Service) release(files []*File, mine chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		delete(s.busy, f.SHA256)
	}
	close(mine)
}

// earlier returns the receipt of a submission that has been read already, or nil.
func (s *Service) earlier(ctx context.Context, id string) (*Receipt, error) {
	row, err := store.SubmissionByID(ctx, s.DB.Reader(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && row.Status != string(StatusRead) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for submission %s: %w", id, err)
	}
	r, err := s.receipt(ctx, row)
	if err == nil {
		r.Repeated = true
		for i := range r.Conversations {
			r.Conversations[i].New = 0
		}
	}
	return r, err
}

// keep keeps a file whole, unless its bytes are here already.
func (s *Service) keep(ctx context.Context, person, id string, f *File) error {
	_, err := store.ContentByHash(ctx, s.DB.Reader(), f.SHA256)
	if err == nil {
		return nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("look for file %x: %w", f.SHA256[:8], err)
	}
	r := &contextReader{ctx, io.NewSectionReader(f.At, 0, f.Size)}
	item, err := s.Media.Put(ctx, r, media.Upload{By: person, Name: f.Name, Evidence: true, Scope: Scope(id)})
	if err != nil {
		return fmt.Errorf("keep %q: %w", f.Name, err)
	}
	if item.SHA256 != f.SHA256 {
		return &FileError{File: f.Name, Reason: "changed while it was read", Remedy: "Hand it in again when nothing writes to it."}
	}
	return nil
}

// recordSubmission puts a submission on the record, unless it is there.
func (s *Service) recordSubmission(ctx context.Context, id string, u Upload) error {
	e := submissionEntry{Type: "submission", ID: id, Person: u.Person, Method: cmp.Or(u.Method, MethodExport), Files: submitted(u.Files), Declared: declared(u.Options)}
	body, err := encode(e)
	if err != nil {
		return fmt.Errorf("encode submission %s: %w", id, err)
	}
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		if _, err := store.SubmissionByID(b.Context(), b.Tx(), id); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		b.Append(recorder.Entry{Scope: Scope(id), Kind: record.KindSubmission, Body: body, Ref: refOf("submission", id)})
		return nil
	})
}

// file runs a parser over a submission and puts what it finds on the record.
func (s *Service) file(ctx context.Context, id string, u Upload) (*Receipt, error) {
	src := &Source{Files: u.Files}
	if u.Options.ReceivedAt.IsZero() {
		u.Options.ReceivedAt = s.Now()
	}
	u.Options.Tentative = false
	parser, run, fault, err := recognise(ctx, s.parsersOf(u), src)
	if err != nil {
		return nil, err
	}
	f := newFiling(ctx, s, u.Person, u.Progress)
	f.pictures = &pictures{reader: s.Pictures, files: u.Files, until: s.Now().Add(pictureTime), now: s.Now}
	f.detect, f.mail = s.Detect, parser != nil && strings.HasPrefix(parser.Name(), "email")
	if parser != nil {
		run, err = parser.Parse(ctx, src, u.Options, f.add)
		if f := (*FileError)(nil); errors.As(err, &f) {
			fault, err = f, nil
		}
	}
	if err := errors.Join(err, f.close()); err != nil {
		return nil, fmt.Errorf("file submission %s: %w", id, err)
	}
	if n, err := f.sealed(ctx); err != nil {
		return nil, fmt.Errorf("file submission %s: %w", id, err)
	} else if n > 0 {
		run.Warn(Warning{Code: "sealed", Count: n, Detail: "Something in it is marked as SECRET or above, or with the marking of another organisation. It was sealed: only the security officer can see it, and has been told. If it is what it says, do not send it to anybody, and tell the security team at once."})
		s.Log.WarnContext(ctx, "captured messages were sealed because of their markings", "submission", id, "messages", n)
	}
	e := runEntry{Type: "parse_run", Submission: id, Declared: declared(u.Options), Run: run}
	if fault != nil {
		e.Fault, run.Status = fault.Error(), StatusUnreadable
	}
	if e.Conversations, err = f.conversations(ctx, run); err != nil {
		return nil, fmt.Errorf("file submission %s: %w", id, err)
	}
	if err := s.recordRun(ctx, &e); err != nil {
		return nil, fmt.Errorf("file submission %s: %w", id, err)
	}
	if s.Filed != nil {
		s.Filed()
	}
	s.Log.InfoContext(ctx, "submission filed", "submission", id, "status", run.Status, "messages", run.Coverage.Messages, "new", f.filed)
	return s.Receipt(ctx, id)
}

// parsersOf returns the parsers that are asked about a submission.
func (s *Service) parsersOf(u Upload) []Parser {
	if u.Method == MethodNote {
		return []Parser{noteParser{author: u.Person}}
	}
	return s.Parsers
}

// lastResort is a parser that takes every file. It is not asked about one of which another parser
// knows what is wrong: its owner is to be told that.
type lastResort interface{ LastResort() }

// recognise returns the parser that reads a source. If there is none, run says so, and fault why a
// file of a kind that is known cannot be read.
func recognise(ctx context.Context, parsers []Parser, src *Source) (p Parser, run *ParseRun, fault *FileError, err error) {
	for _, p := range parsers {
		if _, any := p.(lastResort); any && fault != nil {
			continue
		}
		ok, err := p.Recognise(ctx, src)
		if ok {
			return p, nil, nil, nil
		}
		if f := (*FileError)(nil); errors.As(err, &f) {
			if fault == nil {
				fault = f
			}
		} else if err != nil {
			return nil, nil, nil, err
		}
	}
	return nil, NewRun(StatusUnknown), fault, nil
}

// NewRun returns an account of nothing.
func NewRun(status Status) *ParseRun {
	return &ParseRun{Status: status, Conversations: []Conversation{}, Decisions: []Decision{}, Warnings: []Warning{}, Questions: []Question{},
		Coverage: Coverage{FilteredKinds: []string{}}, Reconciliation: Reconciliation{Unit: "lines", Skipped: []Skip{}, Balanced: true}}
}

// recordRun puts a run on the record, unless the same parser came to the same end before.
func (s *Service) recordRun(ctx context.Context, e *runEntry) error {
	body, err := encode(e)
	if err != nil {
		return fmt.Errorf("encode a parser's run: %w", err)
	}
	ref := refOf("run", string(body))
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		if _, err := store.EntryByRef(b.Context(), b.Tx(), ref); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		b.Append(recorder.Entry{Scope: Scope(e.Submission), Kind: record.KindParse, Body: body, Ref: ref})
		return nil
	})
}

// Resume files the submissions that a crash has left on the record without their messages. It is to
// be called once at the start of a server.
func (s *Service) Resume(ctx context.Context) error {
	list, err := store.UnfinishedSubmissions(ctx, s.DB.Reader())
	if err != nil {
		return fmt.Errorf("look for unfinished submissions: %w", err)
	}
	var errs []error
	for _, row := range list {
		if err := s.resume(ctx, row); err != nil {
			errs = append(errs, fmt.Errorf("resume submission %s: %w", row.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) resume(ctx context.Context, row store.Submission) error {
	e, err := store.EntryAt(ctx, s.DB.Reader(), row.Pos)
	if err != nil {
		return err
	}
	var sub submissionEntry
	if err := json.Unmarshal(e.Body, &sub); err != nil {
		return err
	}
	u := Upload{Person: sub.Person, Method: sub.Method}
	if u.Options, err = sub.Declared.options(); err != nil {
		return err
	}
	u.Options.ReceivedAt = time.UnixMilli(e.Time)
	for _, f := range sub.Files {
		kept, close, err := s.open(ctx, f)
		if err != nil {
			return err
		}
		defer close()
		u.Files = append(u.Files, kept)
	}
	done, err := s.alone(ctx, u.Files)
	if err != nil {
		return err
	}
	defer done()
	if row, err = store.SubmissionByID(ctx, s.DB.Reader(), row.ID); err != nil || row.Status != "" {
		return err // its owner was faster
	}
	_, err = s.file(ctx, row.ID, u)
	return err
}

// open opens a file that was kept.
func (s *Service) open(ctx context.Context, f SubmittedFile) (*File, func(), error) {
	kept := &File{Name: f.Name, Size: f.Size}
	if err := unhex(&kept.SHA256, f.SHA256); err != nil {
		return nil, nil, err
	}
	if f.Modified != "" {
		kept.ModTime, _ = time.Parse(time.RFC3339, f.Modified)
	}
	c, err := s.Media.Content(ctx, kept.SHA256)
	if err != nil {
		return nil, nil, fmt.Errorf("open the kept file %s: %w", f.SHA256[:16], err)
	}
	kept.At = &seekReaderAt{r: c}
	return kept, func() { c.Close() }, nil
}

// seekReaderAt reads anywhere in what can only be read in order.
type seekReaderAt struct {
	mu sync.Mutex
	r  io.ReadSeeker
	at int64
}

func (s *seekReaderAt) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at != off {
		if _, err := s.r.Seek(off, io.SeekStart); err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(s.r, p)
	s.at = off + int64(n)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

// Attachment opens the bytes of an attachment of a captured message by their hash, for those who may
// see the message. It returns [store.ErrNotFound] if there is none, or if it was disposed of.
func (s *Service) Attachment(ctx context.Context, sha256 [32]byte) (io.ReadCloser, int64, error) {
	at, err := store.CapturedFileByHash(ctx, s.DB.Reader(), sha256)
	if err != nil {
		return nil, 0, err
	}
	c, err := s.Media.Content(ctx, at.Within)
	if err != nil {
		return nil, 0, err
	}
	if at.Path == "" {
		return c, at.Size, nil
	}
	kept := &File{Name: at.Path, Size: c.Size(), SHA256: at.Within, At: &seekReaderAt{r: c}}
	archive, err := OpenZip(kept, DefaultLimits)
	if err != nil {
		c.Close()
		return nil, 0, err
	}
	i := slices.IndexFunc(archive.Members, func(m *Member) bool { return m.Path == at.Path && m.Size == at.Size })
	if i < 0 {
		c.Close()
		return nil, 0, store.ErrNotFound
	}
	r, err := archive.Members[i].Open()
	if err != nil {
		c.Close()
		return nil, 0, err
	}
	return &joined{r, c}, at.Size, nil
}

// joined reads from one and closes both.
type joined struct {
	io.ReadCloser
	outer io.Closer
}

func (j *joined) Close() error { return errors.Join(j.ReadCloser.Close(), j.outer.Close()) }
