package office

import (
	"context"
	"errors"
	"fmt"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// States of a request. That it is overdue is no state: the clock says so.
const (
	Asked     = "asked"
	HandedIn  = "handed_in"
	Nothing   = "nothing" // its person declared that there is nothing
	Lost      = "lost"    // its person declared it lost
	Withdrawn = "withdrawn"
)

// Choice is a code and what it says.
type Choice struct{ Code, Text string }

// Whys are the reasons for which people are asked.
var Whys = []Choice{
	{"phone", "Before your phone is replaced"},
	{"leaving", "Before you leave"},
	{"case", "Because of a request for information or a case"},
	{"inquiry", "Because of an inquiry"},
	{"other", "For another reason"},
}

// Text returns what a code says in a list; the code itself if it is not in it.
func Text(list []Choice, code string) string {
	for _, c := range list {
		if c.Code == code {
			return c.Text
		}
	}
	return code
}

func known(list []Choice, code string) bool {
	for _, c := range list {
		if c.Code == code {
			return true
		}
	}
	return false
}

// Ask is what somebody is asked for.
type Ask struct {
	Person matrix.UserID
	Why    string    // a code of [Whys]
	What   string    // "your copies of the WhatsApp group Ward 7"
	Ref    string    // of a case, or empty
	Due    time.Time // any time of the day by which an answer is wanted, by the office's zone
}

// MaxDue is how far ahead a request can be due.
const MaxDue = 400 * 24 * time.Hour

// due returns the last millisecond of a day.
func (s *Service) due(t time.Time) (int64, error) {
	t = t.In(s.Zone)
	end := time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, s.Zone).UnixMilli() - 1
	now := s.Now()
	switch {
	case end < now.UnixMilli():
		return 0, httpd.InvalidParam("That day is over. Choose today or a later day.")
	case end > now.Add(MaxDue).UnixMilli():
		return 0, httpd.InvalidParam("That day is more than a year away.")
	}
	return end, nil
}

// Ask asks somebody for something.
func (s *Service) Ask(ctx context.Context, by matrix.UserID, a Ask) (store.CaptureRequest, error) {
	var none store.CaptureRequest
	if err := s.officer(ctx, by); err != nil {
		return none, err
	}
	if !known(Whys, a.Why) {
		return none, httpd.InvalidParam("Choose why you ask.")
	}
	what, err := words(a.What, "What you ask for", maxText, true)
	if err != nil {
		return none, err
	}
	ref, err := words(a.Ref, "The reference", maxLine, false)
	if err != nil {
		return none, err
	}
	due, err := s.due(a.Due)
	if err != nil {
		return none, err
	}
	p, err := s.Identity.Person(ctx, a.Person)
	if err != nil {
		return none, err
	}
	if p.Disabled != 0 {
		return none, httpd.InvalidParam("The account of %s is disabled: they could not answer. Ask them by letter, and somebody else here for what they hold.", p.Name)
	}
	var id string
	err = s.Record.Do(ctx, func(b *recorder.Batch) error {
		n, err := store.LastCaptureRequest(b.Context(), b.Tx())
		if err != nil {
			return err
		}
		id = fmt.Sprintf("R%d", n+1)
		return put(b, Scope, record.KindRequest, entry{Type: "request.asked", By: string(by), Request: id, Number: n + 1, Person: string(a.Person),
			Why: a.Why, What: what, Ref: ref, Due: due})
	})
	if err != nil {
		return none, err
	}
	r, err := store.CaptureRequestByID(ctx, s.DB.Reader(), id)
	if err == nil {
		s.notify(ctx, r.Person, s.inWords("The records office asks you for:", r), "request "+id)
	}
	return r, err
}

// ofRequest reads a request within a change.
func ofRequest(ctx context.Context, q sqldb.Queryer, id string) (store.CaptureRequest, error) {
	r, err := store.CaptureRequestByID(ctx, q, id)
	if errors.Is(err, store.ErrNotFound) {
		return r, httpd.NotFound("There is no request %s.", id)
	}
	return r, err
}

// answer changes a request on behalf of the person who was asked.
func (s *Service) answer(b *recorder.Batch, who matrix.UserID, id string, e entry) error {
	r, err := ofRequest(b.Context(), b.Tx(), id)
	if err != nil {
		return err
	}
	if r.Person != string(who) {
		return httpd.NotFound("There is no request %s to you.", id)
	}
	if r.State == Withdrawn {
		return httpd.Forbidden("Request %s was withdrawn. Nothing more is wanted.", id)
	}
	e.By, e.Request = string(who), id
	return put(b, Scope, record.KindRequest, e)
}

// HandIn says that a submission is what a request asks for. The submission is the person's own.
func (s *Service) HandIn(ctx context.Context, who matrix.UserID, request, submission string) error {
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		sub, err := store.SubmissionByID(b.Context(), b.Tx(), submission)
		if errors.Is(err, store.ErrNotFound) || err == nil && sub.Person != string(who) {
			return httpd.NotFound("You handed in nothing of that number.")
		}
		if err != nil {
			return err
		}
		return s.answer(b, who, request, entry{Type: "request.handed_in", Submission: submission})
	})
}

// DeclareNothing says that somebody has nothing that a request asks for. The caller has checked their
// password: it is a signature.
func (s *Service) DeclareNothing(ctx context.Context, who matrix.UserID, request, statement string) error {
	statement, err := words(statement, "What you say", maxText, true)
	if err != nil {
		return err
	}
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		return s.answer(b, who, request, entry{Type: "request.nothing", Words: statement, Signed: "password"})
	})
}

// Withdraw ends a request.
func (s *Service) Withdraw(ctx context.Context, by matrix.UserID, request, reason string) error {
	return s.change(ctx, by, request, reason, func(store.CaptureRequest) (entry, error) { return entry{Type: "request.withdrawn"}, nil })
}

// AskAgain opens a request again, or moves its day.
func (s *Service) AskAgain(ctx context.Context, by matrix.UserID, request, reason string, due time.Time) error {
	return s.change(ctx, by, request, reason, func(r store.CaptureRequest) (entry, error) {
		end, err := s.due(due)
		return entry{Type: "request.again", Due: end, Person: r.Person}, err
	})
}

func (s *Service) change(ctx context.Context, by matrix.UserID, request, reason string, to func(store.CaptureRequest) (entry, error)) error {
	if err := s.officer(ctx, by); err != nil {
		return err
	}
	reason, err := words(reason, "The reason", maxText, true)
	if err != nil {
		return err
	}
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		r, err := ofRequest(b.Context(), b.Tx(), request)
		if err != nil {
			return err
		}
		e, err := to(r)
		if err != nil {
			return err
		}
		e.By, e.Request, e.Words = string(by), request, reason
		return put(b, Scope, record.KindRequest, e)
	})
}

// Request returns a request and what was handed in because of it.
func (s *Service) Request(ctx context.Context, id string) (store.CaptureRequest, []store.Submission, error) {
	r, err := ofRequest(ctx, s.DB.Reader(), id)
	if err != nil {
		return r, nil, err
	}
	subs, err := store.CaptureRequestAnswers(ctx, s.DB.Reader(), id)
	return r, subs, err
}

// Reasons for which what was asked for is gone.
var LossReasons = []Choice{
	{"lost", "The device is lost"},
	{"stolen", "The device was stolen"},
	{"broken", "The device is broken"},
	{"replaced", "The device was replaced and nothing was kept"},
	{"deleted", "The messages were deleted"},
	{"disappeared", "The messages disappeared by a timer"},
	{"account", "I can no longer get into the account"},
	{"other", "Something else"},
}

// Loss is what somebody declares gone.
type Loss struct {
	Device  string // or account: "my own iPhone 12"
	Held    string // what was on it
	LostOn  string // when, as well as they know
	Reason  string // a code of [LossReasons]
	Note    string
	Request string // that it answers, or empty
}

// DeclareLoss puts a declaration of loss on the record and returns its id. The caller has checked the
// person's password: it is a signature.
func (s *Service) DeclareLoss(ctx context.Context, who matrix.UserID, l Loss) (store.DeclaredLoss, error) {
	e := entry{Type: "loss.declared", By: string(who), Reason: l.Reason, Request: l.Request, Signed: "password"}
	var none store.DeclaredLoss
	if !known(LossReasons, l.Reason) {
		return none, httpd.InvalidParam("Choose what happened.")
	}
	for _, f := range []struct {
		to         *string
		text, name string
		most       int
		needed     bool
	}{
		{&e.Device, l.Device, "Which device or account", maxLine, true},
		{&e.Held, l.Held, "What was on it", maxText, true},
		{&e.LostOn, l.LostOn, "When", maxLine, true},
		{&e.Words, l.Note, "What else you say", maxText, l.Reason == "other"},
	} {
		var err error
		if *f.to, err = words(f.text, f.name, f.most, f.needed); err != nil {
			return none, err
		}
	}
	err := s.Record.Do(ctx, func(b *recorder.Batch) error {
		n, err := store.LastDeclaredLoss(b.Context(), b.Tx())
		if err != nil {
			return err
		}
		e.Number, e.Loss = n+1, fmt.Sprintf("L%d", n+1)
		if err := put(b, Scope, record.KindReport, e); err != nil || l.Request == "" {
			return err
		}
		return s.answer(b, who, l.Request, entry{Type: "request.lost", Loss: e.Loss})
	})
	if err != nil {
		return none, err
	}
	list, err := store.DeclaredLosses(ctx, s.DB.Reader(), string(who), 1)
	if err != nil || len(list) == 0 {
		return none, errors.Join(err, fmt.Errorf("loss %s is not in its table", e.Loss))
	}
	return list[0], nil
}

// remindersAfter is how often somebody is reminded once a request is overdue: weekly.
const remindersAfter = 8

const aDay = 24 * time.Hour

// passed returns how many occasions for a reminder of a request have passed: a week before it is due, a
// day before, when it is overdue, and then each week. Those that had passed when it was asked do not count.
func passed(r store.CaptureRequest, now int64) (n int64, last int64) {
	for i := range int64(3 + remindersAfter) {
		var at int64
		switch i {
		case 0:
			at = r.Due - (7 * aDay).Milliseconds()
		case 1:
			at = r.Due - aDay.Milliseconds()
		default:
			at = r.Due + 1 + (i-2)*(7*aDay).Milliseconds()
		}
		if at <= now {
			n, last = i+1, at
		}
	}
	return n, last
}

// Remind reminds all whose time has come, and returns how many. A reminder is an entry on the record,
// which the person is shown in the messenger.
func (s *Service) Remind(ctx context.Context) (int, error) {
	now := s.Now().UnixMilli()
	list, err := store.CaptureRequests(ctx, s.DB.Reader(), store.CaptureRequestFilter{State: Asked, Due: now + (7 * aDay).Milliseconds() + 1}, 10_000)
	if err != nil {
		return 0, fmt.Errorf("look for requests to remind of: %w", err)
	}
	made := 0
	for _, r := range list {
		n, last := passed(r, now)
		if n <= r.Reminders || last <= max(r.AskedAt, r.StateAt) {
			continue
		}
		err := s.Record.Do(ctx, func(b *recorder.Batch) error {
			r, err := store.CaptureRequestByID(b.Context(), b.Tx(), r.ID)
			if err != nil || r.State != Asked || r.Reminders >= n {
				return err
			}
			return put(b, Scope, record.KindRequest, entry{Type: "request.reminded", By: "despatch", Request: r.ID, Person: r.Person, Passed: n})
		})
		if err != nil {
			return made, fmt.Errorf("remind of request %s: %w", r.ID, err)
		}
		made++
		lead := "A reminder: the records office waits for:"
		if r.Due < now {
			lead = "Overdue: the records office waits for:"
		}
		s.notify(ctx, r.Person, s.inWords(lead, r), fmt.Sprintf("request %s reminder %d %d", r.ID, n, r.StateAt))
	}
	return made, nil
}

// Run makes reminders until its context ends. Nobody waits for one to the minute.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if _, err := s.Remind(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "reminders could not be made", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
