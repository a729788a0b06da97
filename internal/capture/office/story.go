package office

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/record"
	"despatch/internal/store"
)

// Step is one thing that was done with a submission, in plain words.
type Step struct {
	Position int64
	Time     int64
	By       string // a user ID, or empty for the program
	Words    string
}

// step is as much of the bodies of a submission's entries as tells what was done.
type step struct {
	Type     string           `json:"type"`
	Person   string           `json:"person"`
	By       string           `json:"by"`
	Reason   string           `json:"reason"`
	Secret   bool             `json:"secret"`
	Self     string           `json:"self"`
	Declared capture.Declared `json:"declared"`
	Fault    string           `json:"fault"`
	Run      *struct {
		Parser   string         `json:"parser"`
		Version  string         `json:"parser_version"`
		Status   capture.Status `json:"status"`
		Coverage struct {
			Messages int64 `json:"messages"`
		} `json:"coverage"`
	} `json:"run"`
	Subject string `json:"subject"`
	Weight  string `json:"weight"`
}

const maxStory = 500

// Story returns what was done with a submission, in its order: each reading of it, each answer, and what
// its owner stated. It never has what was said in it.
func (s *Service) Story(ctx context.Context, submission string) ([]Step, error) {
	q := s.DB.Reader()
	scope, err := store.ScopeByName(ctx, q, capture.Scope(submission))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Step
	err = store.ScopeEntries(ctx, q, scope.ID, 0, s.Record.Head().Edge.Size, maxStory, func(e *store.Entry) error {
		var x step
		if e.Kind != record.KindSubmission && e.Kind != record.KindParse && e.Kind != record.KindAttestation {
			return nil
		}
		if e.Body == nil {
			out = append(out, Step{Position: e.Pos, Time: e.Time, Words: "Its contents were lawfully destroyed"})
			return nil
		}
		if err := json.Unmarshal(e.Body, &x); err != nil {
			return fmt.Errorf("read entry %d: %w", e.Pos, err)
		}
		if by, words := x.words(); words != "" {
			out = append(out, Step{Position: e.Pos, Time: e.Time, By: by, Words: words})
		}
		return nil
	})
	return out, err
}

func (x *step) words() (by, words string) {
	switch x.Type {
	case "submission":
		return x.Person, "handed it in" + declaredWords(x.Declared, "")
	case "parse_run":
		if x.Run == nil {
			return "", ""
		}
		name := strings.TrimSpace(x.Run.Parser + " " + x.Run.Version)
		if name == "" {
			name = "no parser"
		}
		w := fmt.Sprintf("Read by %s: %s", name, map[capture.Status]string{capture.StatusRead: "read", capture.StatusNeedsAnswer: "a question is open",
			capture.StatusUnreadable: "could not be read", capture.StatusUnknown: "kind of file not known"}[x.Run.Status])
		if x.Run.Coverage.Messages == 1 {
			w += ", 1 message"
		} else if x.Run.Coverage.Messages > 0 {
			w += fmt.Sprintf(", %d messages", x.Run.Coverage.Messages)
		}
		if x.Fault != "" {
			w += ". " + x.Fault
		}
		return "", w
	case "answer":
		w := "answered" + declaredWords(x.Declared, ": ")
		if x.Self != "" {
			w += ", said whose copy it is"
		}
		if x.Secret {
			w += ", gave a password or key"
		}
		if x.Reason != "" {
			w += ". Reason: " + x.Reason
		}
		return x.By, w
	case "capture.about":
		w := "stated what it is about"
		if x.Weight != "" {
			w += ", and that it is " + x.Weight
		}
		return x.By, w
	}
	return "", ""
}

func declaredWords(d capture.Declared, lead string) string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"time zone", d.Zone}, {"dates", d.DateOrder}, {"calendar", d.Calendar}, {"system", d.System}, {"conversation", d.Conversation}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	if lead == "" {
		lead = ", declaring "
	}
	return lead + strings.Join(parts, ", ")
}
