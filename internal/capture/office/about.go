package office

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"despatch/internal/capture"
	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Reasons are why something was said elsewhere. They are what a roadblock list is made of: each names
// something that could be put right.
var Reasons = []Choice{
	{"other_side", "The others asked for it"},
	{"not_here", "They are not on Despatch"},
	{"group", "The group was there already"},
	{"no_device", "No work device with me"},
	{"not_working", "Despatch did not work"},
	{"missing", "Despatch lacks something"},
	{"urgent", "It was urgent"},
	{"private", "It began as private"},
	{"other", "Another reason"},
}

// Weights are how much a conversation matters.
var Weights = []Choice{{"significant", "Significant"}, {"routine", "Routine"}}

// About is what somebody says of a submission of theirs. What is empty is not said yet.
type About struct {
	Subject string `json:"subject"` // what it is about
	Weight  string `json:"weight"`  // a code of [Weights]
	Reason  string `json:"reason"`  // a code of [Reasons]
	Note    string `json:"note"`
}

// State puts on the record what somebody says of a submission of theirs. What they said before and do
// not say again stays.
func (s *Service) State(ctx context.Context, who matrix.UserID, submission string, a About) error {
	if a.Weight != "" && !known(Weights, a.Weight) {
		return httpd.InvalidParam("It is significant or routine.")
	}
	if a.Reason != "" && !known(Reasons, a.Reason) {
		return httpd.InvalidParam("Choose one of the reasons.")
	}
	var err error
	if a.Subject, err = words(a.Subject, "What it is about", maxLine, false); err != nil {
		return err
	}
	if a.Note, err = words(a.Note, "What you add", maxText, false); err != nil {
		return err
	}
	channel, err := s.channel(ctx, submission)
	if err != nil {
		return err
	}
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		sub, err := store.SubmissionByID(ctx, tx, submission)
		if errors.Is(err, store.ErrNotFound) || err == nil && sub.Person != string(who) {
			return httpd.NotFound("You handed in nothing of that number.")
		}
		if err != nil {
			return err
		}
		was, err := store.OffChannelOf(ctx, tx, submission)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		e := entry{Type: "capture.about", By: string(who), Submission: submission, Channel: cmp.Or(channel, was.Channel),
			Subject: cmp.Or(a.Subject, was.Subject), Weight: cmp.Or(a.Weight, was.Weight), Reason: cmp.Or(a.Reason, was.Reason), Words: cmp.Or(a.Note, was.Note),
			Month: time.UnixMilli(sub.Time).In(s.Zone).Format("2006-01")}
		if err == nil && was.Channel == e.Channel && was.Subject == e.Subject && was.Weight == e.Weight && was.Reason == e.Reason && was.Note == e.Words {
			return nil // nothing new
		}
		return put(b, capture.Scope(submission), record.KindAttestation, e)
	})
}

// channel is the system that a submission came from, as its latest run says.
func (s *Service) channel(ctx context.Context, submission string) (string, error) {
	rc, err := s.Capture.Receipt(ctx, submission)
	if errors.Is(err, store.ErrNotFound) {
		return "", httpd.NotFound("You handed in nothing of that number.")
	}
	if err != nil {
		return "", err
	}
	if rc.Run == nil {
		return rc.Declared.System, nil
	}
	return cmp.Or(rc.Declared.System, rc.Run.System), nil
}

// About returns what was said of a submission; nothing if nothing was.
func (s *Service) About(ctx context.Context, submission string) (About, error) {
	o, err := store.OffChannelOf(ctx, s.DB.Reader(), submission)
	if errors.Is(err, store.ErrNotFound) {
		return About{}, nil
	}
	return About{Subject: o.Subject, Weight: o.Weight, Reason: o.Reason, Note: o.Note}, err
}

// Roadblock is a reason for going elsewhere, with how often it was given.
type Roadblock struct {
	Reason      string // empty: none was given
	Submissions int64
	Channels    []Count // the most frequent first
	Months      []Count // in their order
}

// Count is how often something was so.
type Count struct {
	Name string
	N    int64
}

// Rank makes the ranked list of roadblocks: the most frequent reason first, and last what nobody gave a
// reason for.
func Rank(counts []store.Roadblock) []Roadblock {
	byReason := map[string]*Roadblock{}
	for _, c := range counts {
		b := byReason[c.Reason]
		if b == nil {
			b = &Roadblock{Reason: c.Reason}
			byReason[c.Reason] = b
		}
		b.Submissions += c.Submissions
		b.Channels = plus(b.Channels, c.Channel, c.Submissions)
		b.Months = plus(b.Months, c.Month, c.Submissions)
	}
	out := make([]Roadblock, 0, len(byReason))
	for _, b := range byReason {
		slices.SortFunc(b.Channels, func(x, y Count) int { return cmp.Or(cmp.Compare(y.N, x.N), cmp.Compare(x.Name, y.Name)) })
		slices.SortFunc(b.Months, func(x, y Count) int { return cmp.Compare(x.Name, y.Name) })
		out = append(out, *b)
	}
	slices.SortFunc(out, func(x, y Roadblock) int {
		if (x.Reason == "") != (y.Reason == "") {
			return cmp.Compare(y.Reason, x.Reason)
		}
		return cmp.Or(cmp.Compare(y.Submissions, x.Submissions), cmp.Compare(x.Reason, y.Reason))
	})
	return out
}

func plus(list []Count, name string, n int64) []Count {
	for i := range list {
		if list[i].Name == name {
			list[i].N += n
			return list
		}
	}
	return append(list, Count{name, n})
}

// WriteRegister writes rows of the register as CSV. A cell that a spreadsheet would take for a formula
// begins with an apostrophe.
func WriteRegister(w io.Writer, list []store.OffChannel, name func(person string) string) error {
	c := csv.NewWriter(w)
	c.Write([]string{"month", "channel", "significance", "reason", "what else they say", "about", "who", "stated at", "submission", "record no."})
	for _, o := range list {
		c.Write(plain(o.Month, o.Channel, o.Weight, Text(Reasons, o.Reason), o.Note, o.Subject, name(o.Person), time.UnixMilli(o.Time).UTC().Format(time.RFC3339),
			o.Submission, strconv.FormatInt(o.Pos, 10)))
	}
	c.Flush()
	return c.Error()
}

// WriteRoadblocks writes the counts by reason, channel and month as CSV.
func WriteRoadblocks(w io.Writer, list []store.Roadblock) error {
	c := csv.NewWriter(w)
	c.Write([]string{"reason", "channel", "month", "submissions", "people"})
	for _, b := range list {
		c.Write(plain(Text(Reasons, b.Reason), b.Channel, b.Month, strconv.FormatInt(b.Submissions, 10), strconv.FormatInt(b.People, 10)))
	}
	c.Flush()
	return c.Error()
}

func plain(cells ...string) []string {
	for i, s := range cells {
		if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@' || s[0] == '\t' || s[0] == '\r') {
			cells[i] = "'" + s
		}
	}
	return cells
}
