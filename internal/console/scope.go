package console

import (
	"net/http"
	"slices"
	"strings"

	"despatch/internal/disclosure"
)

// scopePage declares how far a case reaches.
type scopePage struct {
	caseFrame
	From, To dateField
	People   field
	Chosen   []chosenConversation
}

// chosenConversation is one that the case names; leaving it unticked takes it out.
type chosenConversation struct{ Name, Title string }

func (s *Server) newScopePage(r *http.Request, v *visit) (*scopePage, error) {
	f, err := s.within(r, v, "Declare the scope")
	p := &scopePage{caseFrame: f,
		From: dateField{Name: "from", Label: "From which day?", Hint: "Leave it empty for the beginning."},
		To:   dateField{Name: "to", Label: "Until which day?", Hint: "Leave it empty for today and after."},
		People: field{Name: "people", Label: "Which people?", Kind: "area", Rows: 4, Plain: true,
			Hint: "A user ID or a name in a captured chat, one to a line: @asha:" + string(s.Name) + ". Conversations in which one of them took part are searched. Leave it empty for everybody."}}
	return p, err
}

func (s *Server) scopePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newScopePage(r, v)
	if err != nil {
		return err
	}
	b := p.Case.Bounds
	p.From.set(b.From)
	p.To.set(b.To)
	p.People.Value = strings.Join(b.People, "\n")
	for _, c := range b.Conversations {
		p.Chosen = append(p.Chosen, chosenConversation{c, c})
	}
	return s.show(w, r, v, "scope", p)
}

func (s *Server) scope(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newScopePage(r, v)
	if err != nil {
		return err
	}
	var ok bool
	b := disclosure.Bounds{Conversations: r.PostForm["conversation"]}
	for _, c := range b.Conversations {
		p.Chosen = append(p.Chosen, chosenConversation{c, c})
	}
	if b.From, ok = p.From.read(r); !ok {
		p.wrongDate("Enter the first day with day, month and year, or leave it empty.", &p.From)
	}
	if b.To, ok = p.To.read(r); !ok {
		p.wrongDate("Enter the last day with day, month and year, or leave it empty.", &p.To)
	}
	p.People.read(r)
	for line := range strings.Lines(p.People.Value) {
		if name := strings.TrimSpace(line); name != "" {
			b.People = append(b.People, name)
		}
	}
	if len(p.Problems) == 0 && !b.From.IsZero() && !b.To.IsZero() && b.To.Before(b.From) {
		p.wrongDate("The last day must not be before the first.", &p.To)
	}
	if len(p.Problems) == 0 && b.Empty() && r.PostForm.Get("next") == "" {
		p.wrongDate("Enter a day, a person or a conversation: a case cannot reach to everything.", &p.From)
	}
	if len(p.Problems) == 0 {
		if err := p.refuse(s.Cases.SetBounds(r.Context(), v.Session.User, p.Case.ID, b), &p.People); err != nil {
			return err
		}
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "scope", p)
	}
	if r.PostForm.Get("next") == "conversations" {
		return seeOther(w, r, p.Case.Path()+"/conversations")
	}
	return seeOther(w, r, p.Case.Path())
}

// conversationsPage finds conversations for the scope. It tells nothing of what was said in them.
type conversationsPage struct {
	caseFrame
	Query string
	Asked bool
	Found []conversationRow
	Next  string
}

type conversationRow struct {
	disclosure.Conversation
	Within bool // the scope names it already
}

// People are who said most, in words.
func (c conversationRow) Names() string {
	var out []string
	for _, p := range c.People {
		out = append(out, p.Name)
	}
	if c.Parties > len(out) {
		out = append(out, "others")
	}
	return strings.Join(out, ", ")
}

func (s *Server) conversations(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := s.within(r, v, "Choose conversations")
	if err != nil {
		return err
	}
	p := &conversationsPage{caseFrame: f, Query: strings.TrimSpace(r.FormValue("q")), Asked: r.URL.Query().Has("q")}
	p.Back = link{p.Case.Path() + "/scope", "Declare the scope"}
	if p.Asked { // each look-up is recorded, so none is made unasked
		found, next, err := s.Cases.Conversations(r.Context(), v.Session.User, p.Case.ID, p.Query, r.FormValue("after"), disclosure.PageSize)
		if err != nil {
			return err
		}
		p.Next = next
		for _, c := range found {
			p.Found = append(p.Found, conversationRow{c, slices.Contains(p.Case.Bounds.Conversations, c.Name)})
		}
	}
	return s.show(w, r, v, "conversations", p)
}

// addConversations puts conversations into the scope.
func (s *Server) addConversations(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := s.within(r, v, "Choose conversations")
	if err != nil {
		return err
	}
	b := f.Case.Bounds
	b.Conversations = slices.Clone(b.Conversations)
	for _, c := range r.PostForm["conversation"] {
		if !slices.Contains(b.Conversations, c) {
			b.Conversations = append(b.Conversations, c)
		}
	}
	if err := s.Cases.SetBounds(r.Context(), v.Session.User, f.Case.ID, b); err != nil {
		return err
	}
	return seeOther(w, r, f.Case.Path()+"/scope")
}
