package console

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/record"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

type healthPage struct {
	frame
	Size       int64 // entries on the record
	Last       int64 // when the last was made
	Bytes      int64
	Storage    string
	Checkpoint string // as published
	Key        string
	Open       bool // the record takes entries
	Check      *checkView
}

// health shows how the record is, in numbers and without anything that is on it.
func (s *Server) health(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := store.ReadHead(r.Context(), s.DB.Reader())
	if err != nil {
		return err
	}
	p := &healthPage{frame: frame{Title: "The record’s health"}, Size: head.Size, Last: head.Time, Checkpoint: string(head.Checkpoint), Key: s.Key,
		Open: true, Check: s.checks.view(s.Now(), head.Size), Storage: "SQLite, on this machine"}
	if s.DB.Dialect() == sqldb.Postgres {
		p.Storage = "PostgreSQL"
	}
	select {
	case <-s.Rec.Done():
		p.Open = false
	default:
	}
	if p.Bytes, err = s.DB.Size(r.Context()); err != nil {
		return err
	}
	return s.show(w, r, v, "health", p)
}

// check begins to verify the whole record, unless that is under way.
func (s *Server) check(w http.ResponseWriter, r *http.Request, v *visit) error {
	key, err := note.NewVerifier(s.Key)
	if err != nil {
		return fmt.Errorf("read the record's key: %w", err)
	}
	s.checks.begin(v.name, s.Now, func(ctx context.Context) (*store.Report, error) { return store.Verify(ctx, s.DB, key) })
	return seeOther(w, r, root+"health/check")
}

type checkPage struct {
	frame
	Check *checkView
}

// checkProgress shows the verification under way, or the last one.
func (s *Server) checkProgress(w http.ResponseWriter, r *http.Request, v *visit) error {
	c := s.checks.view(s.Now(), s.Rec.Head().Edge.Size)
	if c == nil {
		return seeOther(w, r, root+"health")
	}
	p := &checkPage{frame: frame{Title: "The record was checked", Back: link{root + "health", "The record’s health"}}, Check: c}
	switch {
	case c.Running:
		p.Title, p.Refresh = "Checking the record", 2
	case c.Failed:
		p.Title = "The record could not be checked"
	case len(c.Findings) > 0:
		p.Title = "Something is wrong with the record"
	default:
		p.Title = "The record is whole"
	}
	return s.show(w, r, v, "check", p)
}

// checks runs one verification at a time and remembers the last.
type checks struct {
	mu      sync.Mutex
	stop    context.CancelFunc // guarded by mu; of the one that is running
	closed  bool               // guarded by mu
	last    *checkView         // guarded by mu
	began   time.Time          // guarded by mu
	running sync.WaitGroup
}

// checkView is a verification as pages show it.
type checkView struct {
	By       string
	Began    int64
	Ended    int64
	Running  bool
	Failed   bool // it could not be carried out
	Took     time.Duration
	Size     int64 // entries on the record
	Entries  int64
	Bodies   int64
	Disposed int64
	Scopes   int
	Total    int64 // findings
	Findings []record.Finding
}

// maxCheck is longer than any record should need.
const maxCheck = 6 * time.Hour

func (c *checks) begin(by string, now func() time.Time, verify func(context.Context) (*store.Report, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.last != nil && c.last.Running {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxCheck)
	c.began, c.stop = now(), cancel
	c.last = &checkView{By: by, Began: c.began.UnixMilli(), Running: true}
	c.running.Go(func() {
		defer cancel()
		report, err := verify(ctx)
		c.end(now(), report, err)
	})
}

// end remembers what came of a verification.
func (c *checks) end(at time.Time, report *store.Report, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := *c.last
	done.Running, done.Ended, done.Took = false, at.UnixMilli(), at.Sub(c.began).Round(time.Millisecond)
	if done.Failed = err != nil; !done.Failed {
		done.Size, done.Entries, done.Bodies, done.Disposed = report.Size, report.Entries, report.Bodies, report.Disposed
		done.Scopes, done.Total = report.Scopes, report.Findings
		done.Findings = report.Problems[:min(len(report.Problems), 100)]
		done.Total = max(done.Total, int64(len(report.Problems)))
	}
	c.last = &done
}

// view is the verification under way or the last one; nil if there was none since the server started.
func (c *checks) view(now time.Time, size int64) *checkView {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		return nil
	}
	out := *c.last
	if out.Running {
		out.Size, out.Took = size, now.Sub(c.began).Round(time.Second)
	}
	return &out
}

func (c *checks) close() {
	c.mu.Lock()
	c.closed = true
	if c.stop != nil {
		c.stop()
	}
	c.mu.Unlock()
	c.running.Wait()
}
