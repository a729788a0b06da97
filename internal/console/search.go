package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"despatch/internal/disclosure"
	"despatch/internal/search"
)

// searchPage looks for messages within a case.
type searchPage struct {
	caseFrame
	Query   field
	Asked   bool
	Results *disclosure.Results
	Items   []itemView
	Added   string // how many the last collection added, in words
	Next    string
}

func (s *Server) newSearchPage(r *http.Request, v *visit) (*searchPage, error) {
	f, err := s.within(r, v, "Search")
	f.Recorded = true
	return &searchPage{caseFrame: f, Query: field{Name: "q", Label: "What are you looking for?", Kind: "text", Auto: "off", Plain: true,
		Hint: "Words that the message must have. Leave it empty for everything within the scope."}}, err
}

func (s *Server) searchCase(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newSearchPage(r, v)
	if err != nil {
		return err
	}
	p.Query.Value = strings.TrimSpace(r.FormValue("q"))
	if n, err := strconv.Atoi(r.FormValue("added")); err == nil {
		p.Added = number(int64(n)) + " messages were taken into the case."
		if n == 1 {
			p.Added = "One message was taken into the case."
		}
		if n == 0 {
			p.Added = "They were all in the case already."
		}
	}
	if !r.URL.Query().Has("q") {
		return s.show(w, r, v, "search", p)
	}
	return s.showResults(w, r, v, p, r.FormValue("after"))
}

// showResults searches, which is recorded, and shows a page of what was found.
func (s *Server) showResults(w http.ResponseWriter, r *http.Request, v *visit, p *searchPage, after string) error {
	found, err := s.Cases.Search(r.Context(), v.Session.User, p.Case.ID, p.Query.Value, after)
	if bad, ok := errors.AsType[*search.SyntaxError](err); ok {
		p.wrong(bad.Message, &p.Query)
		return s.show(w, r, v, "search", p)
	}
	if err != nil {
		if err := p.refuse(err, &p.Query); err != nil {
			return err
		}
		return s.show(w, r, v, "search", p)
	}
	p.Asked, p.Results = true, found
	p.Title = "Search: " + orAll(p.Query.Value)
	for _, it := range found.Items {
		p.Items = append(p.Items, viewItem(p.Case, it))
	}
	if found.Next != "" {
		p.Next = p.Case.Path() + "/search?" + url.Values{"q": {p.Query.Value}, "after": {found.Next}}.Encode()
	}
	return s.show(w, r, v, "search", p)
}

func orAll(q string) string {
	if q == "" {
		return "everything within the scope"
	}
	return q
}

// collect takes what was ticked, or everything that was found, into the case.
func (s *Server) collect(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newSearchPage(r, v)
	if err != nil {
		return err
	}
	p.Query.read(r)
	var added int
	if r.PostForm.Get("do") == "all" {
		_, added, err = s.Cases.CollectAll(r.Context(), v.Session.User, p.Case.ID, p.Query.Value)
	} else {
		positions := positions(r)
		if len(positions) == 0 {
			p.Problems = append(p.Problems, problem{"item", "Tick the messages that belong to the case."})
			return s.showResults(w, r, v, p, r.PostForm.Get("after"))
		}
		added, err = s.Cases.Collect(r.Context(), v.Session.User, p.Case.ID, positions)
	}
	if err != nil {
		if err := p.refuse(err, nil); err != nil {
			return err
		}
		return s.show(w, r, v, "search", p)
	}
	// Not back to the results: that would be another look-up.
	return seeOther(w, r, p.Case.Path()+"/search?added="+strconv.Itoa(added))
}

// positions are the ticked messages of a form.
func positions(r *http.Request) []int64 {
	var out []int64
	for _, v := range r.PostForm["item"] {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// aroundPage is a message with what was said before and after it.
type aroundPage struct {
	caseFrame
	Items []itemView
}

func (s *Server) around(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := s.within(r, v, "What was said before and after")
	if err != nil {
		return err
	}
	f.Recorded = true
	pos, err := strconv.ParseInt(r.PathValue("item"), 10, 64)
	if err != nil {
		return s.nowhere(w, r)
	}
	items, err := s.Cases.Around(r.Context(), v.Session.User, f.Case.ID, pos)
	if err != nil {
		return err
	}
	p := &aroundPage{caseFrame: f}
	for _, it := range items {
		view := viewItem(f.Case, it)
		view.Here = it.Position == pos
		p.Items = append(p.Items, view)
	}
	return s.show(w, r, v, "around", p)
}
