package console

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/identity"
)

// frame is what every page has around its content. Each page's struct embeds it.
type frame struct {
	Title    string
	Back     link      // the page that this one is a step from; no text if there is none
	Problems []problem // what is wrong with the form, first at the top
	Wide     bool      // the content is a table
	Refresh  int       // seconds after which the page asks again; 0 for never

	// The following are filled in by show.
	Service string
	User    string
	CSRF    string
	Nav     []navItem
}

func (f *frame) common() *frame { return f }

// framed is a page.
type framed interface{ common() *frame }

type link struct{ Href, Text string }

type navItem struct {
	link
	Current bool
}

// problem is something wrong with what was entered in a field; Field is "" if it is about none.
type problem struct{ Field, Text string }

// pages are the templates, by the name of their file.
type pages map[string]*template.Template

// parsePages reads all templates. Each page is the layout with its own content.
func parsePages(assets *httpd.Assets) (pages, error) {
	dir, err := fs.Sub(files, "templates")
	if err != nil {
		return nil, err
	}
	layout, err := template.New("layout").Funcs(template.FuncMap{
		"asset": assets.URL, "day": day, "moment": moment, "iso": iso, "number": number, "size": size, "capital": capital, "month": monthWords, "count": func(n int) string { return number(int64(n)) },
	}).ParseFS(dir, "layout.html", "parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(dir, "*.html")
	if err != nil {
		return nil, err
	}
	out := make(pages)
	for _, name := range names {
		if name == "layout.html" || name == "parts.html" {
			continue
		}
		t, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if out[strings.TrimSuffix(path.Base(name), ".html")], err = t.ParseFS(dir, name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// show writes a page: 200, or 422 if something is wrong with the form that it holds.
func (s *Server) show(w http.ResponseWriter, r *http.Request, v *visit, name string, p framed) error {
	status := http.StatusOK
	if len(p.common().Problems) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return s.showAs(w, r, v, status, name, p)
}

func (s *Server) showAs(w http.ResponseWriter, r *http.Request, v *visit, status int, name string, p framed) error {
	f := p.common()
	f.Service = "Records office and IT desk"
	if v.Session != nil {
		f.User, f.CSRF = v.name, identity.CSRF(v.token)
		f.Nav = nav(v.Roles(), r.URL.Path)
	}
	t := s.pages[name]
	if t == nil {
		return fmt.Errorf("no template %q", name)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout.html", p); err != nil {
		return fmt.Errorf("make page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(b.Bytes()) // an error means that the client left: there is nobody to tell
	}
	return nil
}

// navigation says which parts of the console there are, and for whom.
var navigation = []struct {
	link
	who []identity.Role
}{
	{link{root, "Start"}, everybody},
	{link{root + "cases", "Cases"}, watchers},
	{link{root + "captures", "Captured chats"}, records},
	{link{root + "requests", "Requests"}, records},
	{link{root + "spillage", "Possible spillages"}, security},
	{link{root + "people", "People"}, devices},
	{link{root + "health", "Record’s health"}, health},
	{link{root + "audit", "What was done"}, auditor},
}

func nav(roles identity.Roles, at string) []navItem {
	var out []navItem
	for _, n := range navigation {
		if roles.HasAny(n.who...) {
			current := at == n.Href || n.Href != root && strings.HasPrefix(at, n.Href+"/")
			out = append(out, navItem{n.link, current})
		}
	}
	return out
}

// errorPage says what is wrong and what to do.
type errorPage struct {
	frame
	Message string
	SignIn  bool // signing in may help
}

// showError is how errors are shown on pages.
func (s *Server) showError(w http.ResponseWriter, r *http.Request, e *httpd.Error) {
	p := &errorPage{frame: frame{Title: "Sorry, that did not work"}, Message: e.Message}
	switch e.Status {
	case http.StatusNotFound:
		p.Title = "Page not found"
	case http.StatusForbidden:
		p.Title = "You cannot do this"
	case http.StatusUnauthorized:
		p.Title, p.SignIn = "Sign in first", true
	case http.StatusTooManyRequests:
		p.Title = "Wait a little"
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter/time.Second)+1))
	}
	v, err := s.visit(r)
	if err != nil {
		v = &visit{}
	}
	if err := s.showAs(w, r, v, e.Status, "error", p); err != nil {
		http.Error(w, e.Message, e.Status)
	}
}

// refused turns what a service refuses into a problem of a field; ok says that it was such an error.
func refused(err error, field string) (p problem, ok bool) {
	e, ok := errors.AsType[*httpd.Error](err)
	if !ok || e.Status >= 500 || e.Status == http.StatusUnauthorized || e.Status == http.StatusNotFound {
		return problem{}, false
	}
	return problem{Field: field, Text: e.Message}, true
}

func seeOther(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// Times on pages are in milliseconds, as everywhere, and shown in the server's zone.

func day(ms int64) string { return time.UnixMilli(ms).Format("2 January 2006") }

func moment(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return time.UnixMilli(ms).Format("2 January 2006 at 15:04")
}

// iso is a time for machines.
func iso(ms int64) string { return time.UnixMilli(ms).Format(time.RFC3339) }

// number writes a number as people read it: 48 213.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteRune('\u202f')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// size writes a number of bytes as people read it.
func size(n int64) string {
	switch {
	case n < 1000:
		return number(n) + " bytes"
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
