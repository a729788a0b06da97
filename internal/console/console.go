// Package console is the records office and the IT desk: pages made on the server, in the conventions of
// government services, that work without JavaScript and can be printed.
//
// It promises that who may see a page stands in one table; that every form is bound to the session that
// it was shown in; and that no page of the IT desk or of the auditor holds anything that was said in a
// conversation. It has no rules and no SQL: what may be done, the services decide, and what they refuse
// is shown beside the question that it is about.
package console

import (
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"despatch/internal/capture"
	chatlink "despatch/internal/capture/link"
	"despatch/internal/capture/office"
	"despatch/internal/disclosure"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
)

//go:embed assets templates
var files embed.FS

// Server serves the console. Its fields are set before [Server.Handler] is called.
type Server struct {
	Name     matrix.ServerName
	BaseURL  string // what links that are handed over begin with; "" for the address of the request
	HTTPS    bool   // people reach the server over TLS
	Proxies  []netip.Prefix
	DB       *sqldb.DB
	Rec      *recorder.Recorder
	Key      string // the verifier key of the record
	Identity *identity.Service
	Cases    *disclosure.Service
	Capture  *capture.Service
	Links    *chatlink.Service
	Office   *office.Service
	Temp     string // where a file lies while it is handed in
	HTTP     *httpd.Adapter
	Now      func() time.Time
	Log      *slog.Logger

	assets *httpd.Assets
	pages  pages
	checks checks
	making making
}

// root is where the console is mounted.
const root = "/console/"

// Handler returns the console, to be mounted at /console/. It panics if the embedded files are not those
// that this package was written for.
func (s *Server) Handler() http.Handler {
	s.assets = must(httpd.NewAssets(root+"assets/", must(fs.Sub(files, "assets"))))
	s.pages = must(parsePages(s.assets))
	mux := http.NewServeMux()
	mux.Handle(root+"assets/", s.assets)
	for _, rt := range s.routes() {
		mux.Handle(rt.pattern, httpd.Func(s.HTTP, s.guard(rt), httpd.Errors(s.showError)))
	}
	mux.Handle(root, httpd.Func(s.HTTP, s.nowhere, httpd.Errors(s.showError)))
	// Forms of the signed-in carry a token. This also protects the sign-in and the one-time links.
	crossOrigin := http.NewCrossOriginProtection()
	return httpd.Secure(crossOrigin.Handler(mux), httpd.PagePolicy, s.HTTPS)
}

// Close waits for work in the background to end, having told it to.
func (s *Server) Close() {
	s.checks.close()
	s.making.close()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("console: " + err.Error())
	}
	return v
}
