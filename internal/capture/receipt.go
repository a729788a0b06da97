package capture

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/store"
)

// Receipt says what became of a submission: what was understood, what is doubted, that nothing was
// lost, and where it stands on the record.
type Receipt struct {
	Submission    string              `json:"submission"`
	Position      int64               `json:"position"` // of the submission's entry
	Status        Status              `json:"status"`
	Repeated      bool                `json:"repeated"` // the same person handed in the same files before
	Person        string              `json:"person"`
	ReceivedAt    int64               `json:"received_at"` // milliseconds since 1970 UTC
	Files         []SubmittedFile     `json:"files"`
	Declared      Declared            `json:"declared"`
	Fault         string              `json:"fault"` // why the file could not be read, and what to do
	Conversations []FiledConversation `json:"conversations"`
	Run           *ParseRun           `json:"run"` // nil while a run is under way
}

// Receipt returns the receipt of a submission, or [store.ErrNotFound]. Who may see it, the caller
// decides: it is for the person who handed the files in and for the records office.
func (s *Service) Receipt(ctx context.Context, id string) (*Receipt, error) {
	row, err := store.SubmissionByID(ctx, s.DB.Reader(), id)
	if err != nil {
		return nil, err
	}
	return s.receipt(ctx, row)
}

func (s *Service) receipt(ctx context.Context, row store.Submission) (*Receipt, error) {
	e, err := store.EntryAt(ctx, s.DB.Reader(), row.Pos)
	if err != nil {
		return nil, err
	}
	var sub submissionEntry
	if err := json.Unmarshal(e.Body, &sub); err != nil {
		return nil, fmt.Errorf("read submission %s: %w", row.ID, err)
	}
	r := &Receipt{Submission: row.ID, Position: row.Pos, Status: Status(row.Status), Person: row.Person, ReceivedAt: row.Time,
		Files: sub.Files, Declared: sub.Declared, Conversations: []FiledConversation{}}
	if row.RunPos < 0 {
		return r, nil
	}
	if e, err = store.EntryAt(ctx, s.DB.Reader(), row.RunPos); err != nil {
		return nil, err
	}
	var run runEntry
	if err := json.Unmarshal(e.Body, &run); err != nil {
		return nil, fmt.Errorf("read the run over submission %s: %w", row.ID, err)
	}
	r.Run, r.Fault, r.Conversations, r.Declared = run.Run, run.Fault, run.Conversations, run.Declared
	return r, nil
}

// Submissions returns what a person handed in, the newest first.
func (s *Service) Submissions(ctx context.Context, person string, limit int) ([]store.Submission, error) {
	return store.Submissions(ctx, s.DB.Reader(), person, limit)
}

// Summary says in plain words what the receipt says, a line for each thing.
func (r *Receipt) Summary() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case r.Repeated:
		say("You handed this in before. Nothing has changed on the record.")
	case r.Run == nil:
		say("The file is on the record. It is still being read.")
	}
	if r.Run == nil {
		return out
	}
	for _, c := range r.Conversations {
		title := c.Title
		if title == "" {
			title = "the conversation"
		}
		say("%s: %s on the record, as no. %s to no. %s.", title, count(c.Items, "entry", "entries"), number(c.First), number(c.Last))
		if c.Earlier && !r.Repeated {
			say("%s of them were there already: somebody handed in the same file.", number(c.Items-c.New))
		}
	}
	return append(out, r.Run.Summary(r.Fault)...)
}

// Summary says in plain words what a run found.
func (r *ParseRun) Summary(fault string) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch r.Status {
	case StatusUnknown:
		say("The file is of no kind that Despatch can read. It is kept whole.")
		return out
	case StatusUnreadable:
		say("The file could not be read to its end: %s", fault)
		if r.Coverage.Messages == 0 {
			return out
		}
	}
	for _, c := range r.Conversations {
		names := make([]string, 0, 6)
		for i, p := range c.Participants {
			if i == 5 {
				names = append(names, fmt.Sprintf("%d others", len(c.Participants)-5))
				break
			}
			names = append(names, p.Name)
		}
		if len(names) > 0 {
			say("Who: %s.", strings.Join(names, ", "))
		}
	}
	if items := count(r.Coverage.Messages, "message", "messages"); r.Reconciliation.Unit == "files" || r.Reconciliation.Unit == "notes" {
		say("How many: %s.", items)
	} else {
		say("How many: %s, %s by %s itself.", items, count(r.Reconciliation.System, "line", "lines"), r.systemName())
	}
	if first, last := r.Coverage.First, r.Coverage.Last; first != nil && first.Raw == "" && first.Precision == "none" {
		say("When: not known.")
	} else if first != nil && r.Status != StatusNeedsAnswer {
		say("When: %s to %s%s.", day(first), day(last), zoneWords(first))
	}
	for _, q := range r.Questions {
		say("Question: %s For example “%s”.", q.Text, q.Example)
		for _, a := range q.Answers {
			say("  %s: %s", a.Value, a.Meaning)
		}
	}
	for _, w := range r.Warnings {
		if w.Count > 1 {
			say("Doubt: %s (%s times)", w.Detail, number(w.Count))
		} else {
			say("Doubt: %s", w.Detail)
		}
	}
	if n := r.Reconciliation; n.Balanced {
		skipped := int64(0)
		for _, s := range n.Skipped {
			skipped += s.Count
		}
		if n.Unit == "files" || n.Unit == "notes" {
			say("Nothing was lost: %s = %s%s.", count(n.InFile, strings.TrimSuffix(n.Unit, "s"), n.Unit), count(n.Items, "message", "messages"), skippedWords(skipped))
			return out
		}
		unit, system := "line", "system line"
		if n.Unit != "lines" {
			unit, system = "record", "notice by the system"
		}
		continued := ""
		if n.Unit == "lines" {
			continued = " + " + number(n.Continuation) + " continued"
		}
		say("Nothing was lost: %s = %s + %s%s%s.", count(n.InFile, unit+" in the file", unit+"s in the file"),
			count(n.Items, "message", "messages"), count(n.System, system, plural(system)), continued, skippedWords(skipped))
	} else {
		say("Doubt: the lines in the file do not add up. Tell the records office.")
	}
	return out
}

// plural is of the words that count needs here.
func plural(one string) string {
	if rest, ok := strings.CutPrefix(one, "notice"); ok {
		return "notices" + rest
	}
	return one + "s"
}

// systemNames are what systems are called, where it is not their key with a capital.
var systemNames = map[string]string{"whatsapp": "WhatsApp", "imessage": "iMessage", "sms": "the telephone", "email": "the mail system",
	"nextcloud": "Nextcloud Talk", "gchat": "Google Chat", "gmeet": "Google Meet", "": "the system"}

func (r *ParseRun) systemName() string {
	if name, ok := systemNames[r.System]; ok {
		return name
	}
	return strings.ToUpper(r.System[:1]) + r.System[1:]
}

func skippedWords(n int64) string {
	if n == 0 {
		return ""
	}
	return " + " + number(n) + " left aside"
}

func zoneWords(at *Instant) string {
	if at.Zone == ZoneUnknown {
		return ", by the phone's clock; its time zone is not known"
	}
	return ", " + at.ZoneName + " time"
}

// day is the day of an instant in words.
func day(at *Instant) string {
	if t, err := time.Parse("2006-01-02", at.Local[:min(10, len(at.Local))]); err == nil {
		return t.Format("2 January 2006")
	}
	return "“" + at.Raw + "”"
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// number writes a number with thin spaces between its thousands.
func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202F" + s[i:]
	}
	return s
}
