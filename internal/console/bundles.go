package console

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"despatch/internal/disclosure"
	"despatch/internal/httpd"
)

// bundlesPage is where a bundle is made and found again.
type bundlesPage struct {
	caseFrame
	Bundles []bundleView
	Making  *makingView // under way, or failed last
	May     bool
	Key     string
}

type bundleView struct {
	*disclosure.Bundle
	Path, By string
}

func (s *Server) bundles(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := s.within(r, v, "Bundles")
	if err != nil {
		return err
	}
	p := &bundlesPage{caseFrame: f, Making: s.making.view(f.Case.ID, s.Now()), May: f.Case.mine(v.Session.User) && f.Case.Status == disclosure.Approved, Key: s.Key}
	if p.Making != nil && p.Making.Running {
		p.Title, p.Refresh = "The bundle is being made", 2
	}
	list, err := s.Cases.Bundles(r.Context(), v.Session.User, f.Case.ID)
	if err != nil {
		return err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	for _, b := range list {
		p.Bundles = append(p.Bundles, bundleView{b, f.Case.Path() + "/bundles/" + url.PathEscape(b.ID), n.of(string(b.MadeBy))})
	}
	return s.show(w, r, v, "bundles", p)
}

// makeBundle begins to make a bundle, unless one of the case is being made.
func (s *Server) makeBundle(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := s.within(r, v, "Bundles")
	if err != nil {
		return err
	}
	if !f.Case.mine(v.Session.User) {
		return httpd.Forbidden("Only an officer of the case makes its bundle.")
	}
	if f.Case.Status != disclosure.Approved {
		return httpd.Forbidden("A bundle is made of an approved case. This one is not approved.")
	}
	s.making.begin(f.Case.ID, s.Now, func(ctx context.Context, progress func(done, total int)) error {
		_, err := s.Cases.Bundle(ctx, v.Session.User, f.Case.ID, progress)
		if err != nil {
			s.Log.ErrorContext(ctx, "bundle not made", "case", f.Case.ID, "error", err)
		}
		return err
	})
	return seeOther(w, r, f.Case.Path()+"/bundles")
}

// download hands a bundle out. That, too, is on the record.
func (s *Server) download(w http.ResponseWriter, r *http.Request, v *visit) error {
	b, file, err := s.Cases.OpenBundle(r.Context(), v.Session.User, r.PathValue("case"), r.PathValue("bundle"))
	if err != nil {
		return err
	}
	defer file.Close()
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Length", strconv.FormatInt(b.Size, 10))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": b.File}))
	_, err = io.Copy(w, file)
	return err
}

// making is the bundles that are being made, one a case.
type making struct {
	mu      sync.Mutex
	closed  bool                 // guarded by mu
	byCase  map[string]*oneMade  // guarded by mu; failed ones stay until the next attempt
	stops   []context.CancelFunc // guarded by mu
	running sync.WaitGroup
}

type oneMade struct {
	began       time.Time
	done, total int
	err         error
	running     bool
}

// makingView is a bundle under way as pages show it.
type makingView struct {
	Running     bool
	Done, Total int
	Took        time.Duration
	Wrong       string
}

// maxMaking is longer than any bundle should need.
const maxMaking = 2 * time.Hour

func (m *making) begin(id string, now func() time.Time, run func(context.Context, func(done, total int)) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.byCase[id] != nil && m.byCase[id].running {
		return
	}
	if m.byCase == nil {
		m.byCase = make(map[string]*oneMade)
	}
	one := &oneMade{began: now(), running: true}
	m.byCase[id] = one
	ctx, cancel := context.WithTimeout(context.Background(), maxMaking)
	m.stops = append(m.stops, cancel)
	m.running.Go(func() {
		defer cancel()
		err := run(ctx, func(done, total int) {
			m.mu.Lock()
			defer m.mu.Unlock()
			one.done, one.total = done, total
		})
		m.mu.Lock()
		defer m.mu.Unlock()
		one.running, one.err = false, err
		if err == nil {
			delete(m.byCase, id) // it is among the case's bundles
		}
	})
}

func (m *making) view(id string, now time.Time) *makingView {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.byCase[id]
	if one == nil {
		return nil
	}
	v := &makingView{Running: one.running, Done: one.done, Total: one.total, Took: now.Sub(one.began).Round(time.Second)}
	if one.err != nil {
		v.Wrong = "It could not be made. The reason is in the server’s log. Try again."
		if e, ok := errors.AsType[*httpd.Error](one.err); ok {
			v.Wrong = e.Message
		}
	}
	return v
}

func (m *making) close() {
	m.mu.Lock()
	m.closed = true
	for _, stop := range m.stops {
		stop()
	}
	m.mu.Unlock()
	m.running.Wait()
}
