package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/store"
)

// auditPage is what was done to people, roles and sign-ins, in plain words. Nothing that was said in a
// conversation comes near it: only entries of the organisation's own scope are read.
type auditPage struct {
	frame
	SignIns bool
	Acts    []act
	Older   string
}

// act is an entry in words.
type act struct {
	Position int64
	Time     int64
	Words    string
}

const actsEach = 50

func (s *Server) audit(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := &auditPage{frame: frame{Title: "What was done", Wide: true}, SignIns: r.FormValue("sign-ins") != ""}
	before := s.Rec.Head().Edge.Size
	if n, err := strconv.ParseInt(r.FormValue("before"), 10, 64); err == nil && n >= 0 && n < before {
		before = n
	}
	var err error
	if p.Acts, err = s.acts(r.Context(), before, p.SignIns); err != nil {
		return err
	}
	if len(p.Acts) == actsEach {
		p.Older = root + "audit?before=" + strconv.FormatInt(p.Acts[actsEach-1].Position, 10)
		if p.SignIns {
			p.Older += "&sign-ins=1"
		}
	}
	return s.show(w, r, v, "audit", p)
}

// acts returns the last entries about people before a position, newest first. It looks at stretches of
// the record that grow, since nobody knows how many conversations' entries lie between.
func (s *Server) acts(ctx context.Context, before int64, signIns bool) ([]act, error) {
	q := s.DB.Reader()
	scope, err := store.ScopeByName(ctx, q, identity.Scope)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := &names{s: s, ctx: ctx, known: make(map[string]string)}
	var out []act
	for to, width := before, int64(2000); to > 0 && len(out) < actsEach; width *= 4 {
		from := max(0, to-width)
		var found []act
		err := store.ScopeEntries(ctx, q, scope.ID, from, to, int(to-from), func(e *store.Entry) error {
			if e.Kind == record.KindSession && !signIns {
				return nil
			}
			found = append(found, act{e.Pos, e.Time, names.words(e)})
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.Reverse(found)
		out, to = append(out, found...), from
	}
	return out[:min(len(out), actsEach)], nil
}

// names finds how people are called, once each.
type names struct {
	s     *Server
	ctx   context.Context
	known map[string]string
}

// of is how somebody is called now, with their ID, or what else made a change.
func (n *names) of(id string) string {
	if !strings.HasPrefix(id, "@") {
		switch identity.Actor(id) {
		case identity.CommandLine:
			return "Somebody at the server’s command line"
		case identity.SetUp:
			return "The first set-up"
		}
		return id
	}
	if name, ok := n.known[id]; ok {
		return name
	}
	name := id
	if p, err := n.s.Identity.Person(n.ctx, matrix.UserID(id)); err == nil {
		name = p.Name + " (" + id + ")"
	}
	n.known[id] = name
	return name
}

// words is an entry as a sentence.
func (n *names) words(e *store.Entry) string {
	var c orgBody
	if e.Body == nil {
		return "An entry of the kind “" + e.Kind.String() + "”, whose contents were lawfully destroyed"
	}
	if err := json.Unmarshal(e.Body, &c); err != nil || c.By == "" {
		return "An entry of the kind “" + e.Kind.String() + "”"
	}
	by, who := n.of(c.By), n.of(c.Person)
	own := c.By == c.Person
	switch c.Type {
	case "person.created":
		return by + " added " + who
	case "person.disabled":
		return by + " disabled the account of " + who
	case "person.enabled":
		return by + " enabled the account of " + who
	case "person.profile":
		if own {
			return by + " changed their own name or picture"
		}
		return by + " changed the name or picture of " + who
	case "person.password":
		if own {
			return by + " chose a new password"
		}
		return by + " set the password of " + who
	case "person.password.link":
		return by + " made a password link for " + who
	case "role.granted":
		return by + " gave " + who + " the role of " + c.Role.Title()
	case "role.removed":
		return by + " took the role of " + c.Role.Title() + " from " + who
	case "session.began":
		if c.Device == "" {
			return by + " signed in to the records office and IT desk"
		}
		return by + " signed in to the messenger on device " + c.Device
	case "session.ended":
		return by + " signed out"
	case "session.revoked":
		return by + " signed " + whom(own, who) + " out in " + places(c.Sessions)
	}
	return by + ": " + c.Type + " " + who
}

func whom(own bool, who string) string {
	if own {
		return "themselves"
	}
	return who
}

func places(n int) string {
	if n == 1 {
		return "one place"
	}
	return number(int64(n)) + " places"
}
