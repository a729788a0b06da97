// Package httpd is what every face of Despatch shares: it turns functions from a decoded request to a
// response or an error into HTTP handlers, and serves files.
//
// It promises that a body is bounded, arrives in time, and is JSON that means the same to every reader
// (UTF-8, no duplicate names, not too deep); that only an [*Error] is ever shown to a client, while any
// other error is logged under a request id and answered with that id alone; that a panic ends one
// request and not the server; and that no body, token or query is logged. It knows no rule and nobody's
// name: who is calling is for the caller function that a face passes in.
package httpd

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

// Adapter holds what all handlers of a server share. Its fields are set before the first handler is
// made and not changed afterwards; the zero value works and logs to slog's default.
type Adapter struct {
	// Log receives errors that are not shown to clients, panics, and at debug level every request.
	Log *slog.Logger

	// Observe, if set, is told of every request answered: the pattern it matched, so that the number
	// of different values is bounded, the status, and how long it took. Status 499 means that the
	// client went away before there was an answer.
	Observe func(route string, status int, d time.Duration)

	// Explain, if set, is asked about an error that is not an *Error before it becomes a bare 500:
	// that is where a full disk or a lost database gets words that a person can act on. It returns
	// nil for what it does not know. The error is logged all the same.
	Explain func(error) *Error

	// Writes, if set, bounds the requests inside handlers made with the [Write] option.
	Writes *Limit

	// BodyTimeout is how long a client may take to send a body; 30 s if zero.
	BodyTimeout time.Duration
}

// StatusClientGone is what Observe and the log are told when the client left before the answer.
const StatusClientGone = 499

const (
	defaultMaxBody     = 1 << 20
	defaultBodyTimeout = 30 * time.Second
)

// An Option changes how one route is served.
type Option func(*route)

// MaxBody bounds the body of a request at n bytes instead of 1 MiB.
func MaxBody(n int64) Option { return func(rt *route) { rt.maxBody = n } }

// Write marks a route whose requests are durable writes, and are bounded by [Adapter.Writes].
func Write(rt *route) { rt.limit = rt.a.Writes }

// Errors has errors of this route shown by show, as a page is, instead of as Matrix errors. It is given
// the status already chosen and must write the whole response.
func Errors(show func(w http.ResponseWriter, r *http.Request, e *Error)) Option {
	return func(rt *route) { rt.show = show }
}

// route is one handler's settings.
type route struct {
	a       *Adapter
	maxBody int64
	limit   *Limit
	show    func(http.ResponseWriter, *http.Request, *Error)
}

func newRoute(a *Adapter, opts []Option) *route {
	rt := &route{a: a, maxBody: defaultMaxBody, show: writeError}
	for _, o := range opts {
		o(rt)
	}
	return rt
}

// Func makes a handler of h, which writes its response itself: a page, a file, a redirect. If h returns
// an error before it wrote anything, the error is shown; if after, the connection is cut, so that the
// client sees a broken answer and not a short one.
func Func(a *Adapter, h func(w http.ResponseWriter, r *http.Request) error, opts ...Option) http.Handler {
	rt := newRoute(a, opts)
	return rt.handler(func(w http.ResponseWriter, r *http.Request) error {
		if !rt.limit.enter() {
			return rt.limit.refusal()
		}
		defer rt.limit.leave()
		return h(w, r)
	})
}

// handler answers with what serve writes, or with the error that it returns.
func (rt *route) handler(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := &statusWriter{ResponseWriter: rw}
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				rt.panicked(w, r, p)
				// Even with a whole answer sent, nobody knows in what state the panic left the connection.
				defer panic(http.ErrAbortHandler)
			}
			rt.a.done(r, cmp.Or(w.status, http.StatusOK), time.Since(start))
		}()
		if err := serve(w, r); err != nil {
			rt.fail(w, r, err)
		}
	})
}

// fail shows err to the client.
func (rt *route) fail(w *statusWriter, r *http.Request, err error) {
	// That the client left is no error of ours, whatever it interrupted.
	gone := clientGone(err) || errors.Is(err, context.Canceled) && r.Context().Err() != nil
	switch {
	case w.status != 0:
		if !gone {
			rt.a.log().ErrorContext(r.Context(), "response cut short", "route", r.Pattern, "error", err)
		}
		panic(http.ErrAbortHandler)
	case gone && r.Context().Err() != nil:
		w.status = StatusClientGone
	default:
		rt.show(w, r, rt.a.visible(r, err))
	}
}

// visible is what a client may see of err. What it may not see is logged.
func (a *Adapter) visible(r *http.Request, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	id := requestID()
	a.log().ErrorContext(r.Context(), "request failed", "request", id, "route", r.Pattern, "error", err)
	if a.Explain != nil {
		if e := a.Explain(err); e != nil {
			return e.with("request_id", id)
		}
	}
	return Internal(id)
}

// panicked logs p, and says so to the client if nothing was sent yet.
func (rt *route) panicked(w *statusWriter, r *http.Request, p any) {
	if p == http.ErrAbortHandler {
		return
	}
	id := requestID()
	rt.a.log().ErrorContext(r.Context(), "panic while serving", "request", id, "route", r.Pattern,
		"panic", p, "stack", string(debug.Stack()))
	if w.status == 0 {
		rt.show(w, r, Internal(id))
		w.Flush()
	}
}

// done tells the log and the metrics of an answered request. The path is left out, because it may hold
// the token of a one-time link; the query, because it may hold an access token.
func (a *Adapter) done(r *http.Request, status int, d time.Duration) {
	if a.Observe != nil {
		a.Observe(r.Pattern, status, d)
	}
	log := a.log()
	if ctx := r.Context(); log.Enabled(ctx, slog.LevelDebug) {
		log.LogAttrs(ctx, slog.LevelDebug, "request", slog.String("method", r.Method),
			slog.String("route", r.Pattern), slog.Int("status", status), slog.Duration("elapsed", d))
	}
}

func (a *Adapter) log() *slog.Logger {
	if a.Log == nil {
		return slog.Default()
	}
	return a.Log
}

func (a *Adapter) bodyTimeout() time.Duration {
	if a.BodyTimeout == 0 {
		return defaultBodyTimeout
	}
	return a.BodyTimeout
}

// requestID is what connects an answer 500 with a line in the log. It is made only for those.
func requestID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// clientGone reports whether err is what reading from or writing to a closed connection gives.
func clientGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrDeadlineExceeded)
}

// statusWriter remembers the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for writers that look for an http.Flusher.
func (w *statusWriter) Flush() { http.NewResponseController(w.ResponseWriter).Flush() }

// NewServer returns an http.Server with the limits that every listener of Despatch should have. There is
// no write timeout, because a /sync may wait long; [JSON] bounds the writing of large answers itself.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
