package disclosure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/store"
)

// Event is an entry of a case in plain words.
type Event struct {
	Position int64
	Time     int64
	Kind     record.Kind
	By       matrix.UserID
	Name     string  // of By, as they are called now
	Words    string  // "searched for “harbour”: 12 found", to be read after the name
	Items    []int64 // the positions of the messages it is about
}

// History returns the entries of a case, newest first, at most limit of them with a position before before (0 for the
// end). For the officers of the case, approvers, and auditors.
func (s *Service) History(ctx context.Context, who matrix.UserID, id string, before int64, limit int) ([]Event, error) {
	q := s.opt.DB.Reader()
	a, err := enter(ctx, q, who, id)
	if err != nil {
		return nil, err
	}
	if !a.has(identity.Approver) && !a.has(identity.Auditor) && !slices.Contains(a.officers, string(who)) {
		return nil, httpd.Forbidden("Only the officers of this case, approvers and auditors can see its history.")
	}
	if before <= 0 {
		before = math.MaxInt64
	}
	sc, err := store.ScopeByName(ctx, q, Scope(id))
	if err != nil {
		return nil, fmt.Errorf("history of case %s: %w", id, err)
	}
	rows, err := store.ScopeEntriesBefore(ctx, q, sc.ID, before, max(1, min(limit, 500)))
	if err != nil {
		return nil, fmt.Errorf("history of case %s: %w", id, err)
	}
	l := s.loader(q)
	out := make([]Event, len(rows))
	for i, r := range rows {
		out[i] = Event{Position: r.Pos, Time: r.Time, Kind: r.Kind, Words: "did something that was lawfully destroyed since"}
		if r.Body == nil {
			continue
		}
		var e entry
		if err := json.Unmarshal(r.Body, &e); err != nil {
			return nil, fmt.Errorf("read entry %d: %w", r.Pos, err)
		}
		out[i].By, out[i].Items = e.By, e.Items
		if out[i].Name, err = l.name(ctx, string(e.By)); err != nil {
			return nil, err
		}
		words := func(who matrix.UserID) string {
			n, err2 := l.name(ctx, string(who))
			err = errors.Join(err, err2)
			if n == "" {
				return string(who)
			}
			return n
		}
		if out[i].Words = e.words(words); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// words says what an entry says. name gives the names of people.
func (e *entry) words(name func(matrix.UserID) string) string {
	s := e.what(name)
	if e.Voids != "" {
		s += "; this voids the approval"
	}
	return s
}

func (e *entry) what(name func(matrix.UserID) string) string {
	switch e.Type {
	case "case.opened":
		s := fmt.Sprintf("opened the case: %s", e.Title)
		if !e.Due.IsZero() {
			s += fmt.Sprintf("; due %s, %s", e.Due, e.DueBasis)
		}
		return s
	case "case.bounds":
		return "changed what the case reaches to: " + e.Bounds.words()
	case "case.due":
		if e.Due.IsZero() {
			return "took the day on which the case is due away: " + e.DueBasis
		}
		return fmt.Sprintf("changed when the case is due to %s: %s", e.Due, e.DueBasis)
	case "case.officer.assigned":
		return "assigned " + name(e.Officer)
	case "case.officer.removed":
		return "took " + name(e.Officer) + " off the case"
	case "case.closed":
		return "closed the case: " + e.Outcome
	case "case.submitted":
		return fmt.Sprintf("submitted the case for approval: %d released, %d redacted, %d withheld", e.Totals.Released, e.Totals.Redacted, e.Totals.Withheld)
	case "case.approved":
		return with("approved the decisions", e.Note)
	case "case.sent_back":
		return with("sent the case back", e.Note)
	case "search":
		return e.search()
	case "search.conversations":
		if e.Find == "" {
			return "looked through the list of conversations"
		}
		return fmt.Sprintf("looked for conversations of “%s”", e.Find)
	case "view.items", "view.item":
		return "opened " + count(len(e.Items), "item")
	case "view.context":
		return "looked at " + count(len(e.Items), "message") + " around an item"
	case "collection":
		return "collected " + count(len(e.Items), "message")
	case "decision":
		return with(e.Decision.words(len(e.Items)), e.Decision.Note)
	case "bundle.made":
		return fmt.Sprintf("made the bundle %s of %s: SHA-256 %s", e.File, count(e.Totals.Items, "item"), e.SHA256)
	case "bundle.opened":
		return "downloaded the bundle " + e.File
	}
	return e.Type
}

func with(s, note string) string {
	if note == "" {
		return s
	}
	return s + ": " + note
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func (e *entry) search() string {
	s := "looked at everything within the case’s reach"
	if e.Query != "" {
		s = fmt.Sprintf("searched for “%s”", e.Query)
	}
	if e.Hits != nil {
		more := ""
		if e.More {
			more = "more than "
		}
		s += fmt.Sprintf(": %s%d found", more, *e.Hits)
	}
	if n := len(e.Items); n > 0 {
		s += fmt.Sprintf(", %d shown", n)
	}
	return s
}

// words says what a decision was, about n items.
func (d *Decision) words(n int) string {
	s := map[Outcome]string{Release: "decided to release ", Redact: "decided to redact ", Withhold: "decided to withhold "}[d.Outcome] + count(n, "item")
	if codes := d.allCodes(); len(codes) > 0 {
		s += " under " + strings.Join(codes, ", ")
	}
	return s
}

// words says what bounds reach to.
func (b *Bounds) words() string {
	var parts []string
	if n := len(b.People); n > 0 {
		parts = append(parts, strings.Join(b.People, ", "))
	}
	if n := len(b.Conversations); n > 0 {
		parts = append(parts, count(n, "conversation"))
	}
	switch {
	case !b.From.IsZero() && !b.To.IsZero():
		parts = append(parts, fmt.Sprintf("%s to %s", b.From, b.To))
	case !b.From.IsZero():
		parts = append(parts, fmt.Sprintf("from %s on", b.From))
	case !b.To.IsZero():
		parts = append(parts, fmt.Sprintf("up to %s", b.To))
	}
	if parts == nil {
		return "nothing yet"
	}
	return strings.Join(parts, "; ")
}
