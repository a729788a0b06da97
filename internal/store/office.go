package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"despatch/internal/sqldb"
)

// CaptureRequest is something the records office asked somebody for.
type CaptureRequest struct {
	ID         string
	Number     int64 // from 1, in the order in which they were asked
	Pos        int64
	Person     string
	AskedBy    string
	AskedAt    int64
	Why        string // phone, leaving, case, inquiry or other
	What       string
	Reference  string // of a case, or empty
	Due        int64  // the last millisecond of the day by which an answer is wanted
	State      string // asked, handed_in, nothing, lost or withdrawn
	StateAt    int64
	Words      string // what was said when the state was changed
	Answer     string // the first submission, or the declared loss
	Reminders  int64  // occasions for a reminder that have passed
	RemindedAt int64  // 0 if never
}

const captureRequestColumns = `id, number, pos, person, asked_by, asked_at, why, what, reference, due, state, state_at, words, answer, reminders, reminded_at`

func scanCaptureRequest(scan func(...any) error) (CaptureRequest, error) {
	var c CaptureRequest
	err := scan(&c.ID, &c.Number, &c.Pos, &c.Person, &c.AskedBy, &c.AskedAt, &c.Why, &c.What, &c.Reference, &c.Due, &c.State, &c.StateAt, &c.Words,
		&c.Answer, &c.Reminders, &c.RemindedAt)
	return c, err
}

// InsertCaptureRequest stores a new request.
func InsertCaptureRequest(ctx context.Context, tx *sqldb.Tx, c CaptureRequest) error {
	_, err := tx.Exec(ctx, `INSERT INTO capture_request (`+captureRequestColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		c.ID, c.Number, c.Pos, c.Person, c.AskedBy, c.AskedAt, c.Why, c.What, c.Reference, c.Due, c.State, c.StateAt, c.Words, c.Answer, c.Reminders, c.RemindedAt)
	if err != nil {
		return fmt.Errorf("insert request %s: %w", c.ID, err)
	}
	return nil
}

// SetCaptureRequest stores how a request stands now: its day, its state and its reminders.
func SetCaptureRequest(ctx context.Context, tx *sqldb.Tx, c CaptureRequest) error {
	_, err := tx.Exec(ctx, `
		UPDATE capture_request SET due = $1, state = $2, state_at = $3, words = $4, answer = $5, reminders = $6, reminded_at = $7
		WHERE id = $8`, c.Due, c.State, c.StateAt, c.Words, c.Answer, c.Reminders, c.RemindedAt, c.ID)
	if err != nil {
		return fmt.Errorf("update request %s: %w", c.ID, err)
	}
	return nil
}

// AnswerCaptureRequest stores that a submission was handed in because of a request.
func AnswerCaptureRequest(ctx context.Context, tx *sqldb.Tx, request, submission string) error {
	_, err := tx.Exec(ctx, `INSERT INTO capture_request_submission (request, submission) VALUES ($1, $2) ON CONFLICT DO NOTHING`, request, submission)
	return err
}

// CaptureRequestAnswers returns what was handed in because of a request.
func CaptureRequestAnswers(ctx context.Context, q sqldb.Queryer, request string) ([]Submission, error) {
	r, err := q.Query(ctx, `
		SELECT `+submissionColumns+` FROM submission
		WHERE id IN (SELECT submission FROM capture_request_submission WHERE request = $1) ORDER BY time, id`, request)
	return submissions(r, err)
}

// CaptureRequestByID returns a request, or [ErrNotFound].
func CaptureRequestByID(ctx context.Context, q sqldb.Queryer, id string) (CaptureRequest, error) {
	c, err := scanCaptureRequest(q.QueryRow(ctx, `SELECT `+captureRequestColumns+` FROM capture_request WHERE id = $1`, id).Scan)
	return c, notFound(err)
}

// LastCaptureRequest returns the highest number of a request; 0 if there is none.
func LastCaptureRequest(ctx context.Context, q sqldb.Queryer) (int64, error) {
	var n sql.NullInt64
	err := q.QueryRow(ctx, `SELECT max(number) FROM capture_request`).Scan(&n)
	return n.Int64, err
}

// CaptureRequestFilter selects requests; what is empty selects all.
type CaptureRequestFilter struct {
	Person string
	State  string
	Due    int64 // only those due before it, in milliseconds
}

// CaptureRequests returns requests in the order in which they are due, of the same day the older first.
func CaptureRequests(ctx context.Context, q sqldb.Queryer, f CaptureRequestFilter, limit int) ([]CaptureRequest, error) {
	where := newFilter()
	where.text("person", f.Person)
	where.text("state", f.State)
	if f.Due != 0 {
		where.add("due <", f.Due)
	}
	r, err := q.Query(ctx, `SELECT `+captureRequestColumns+` FROM capture_request`+where.sql()+` ORDER BY due, number LIMIT `+where.param(limit), where.args...)
	var list []CaptureRequest
	err = rows(r, err, func(r *sql.Rows) error {
		c, err := scanCaptureRequest(r.Scan)
		list = append(list, c)
		return err
	})
	return list, err
}

// CountCaptureRequests returns how many requests there are in each state. Those that are asked and due
// before a time count as overdue.
func CountCaptureRequests(ctx context.Context, q sqldb.Queryer, now int64) (map[string]int64, error) {
	r, err := q.Query(ctx, `
		SELECT CASE WHEN state = 'asked' AND due < $1 THEN 'overdue' ELSE state END AS s, count(*)
		FROM capture_request GROUP BY s`, now)
	out := map[string]int64{}
	err = rows(r, err, func(r *sql.Rows) error {
		var state string
		var n int64
		err := r.Scan(&state, &n)
		out[state] = n
		return err
	})
	return out, err
}

// DeclaredLoss is a device or account that somebody says is gone, with what was on it.
type DeclaredLoss struct {
	ID      string
	Number  int64
	Pos     int64
	Person  string
	Time    int64
	Device  string
	Held    string // what was on it
	LostOn  string // 2006-01-02, or less exactly in words
	Reason  string // lost, stolen, broken, replaced, wiped, account or other
	Note    string
	Request string // that it answers, or empty
}

const declaredLossColumns = `id, number, pos, person, time, device, held, lost_on, reason, note, request`

// InsertDeclaredLoss stores a declared loss.
func InsertDeclaredLoss(ctx context.Context, tx *sqldb.Tx, d DeclaredLoss) error {
	_, err := tx.Exec(ctx, `INSERT INTO declared_loss (`+declaredLossColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		d.ID, d.Number, d.Pos, d.Person, d.Time, d.Device, d.Held, d.LostOn, d.Reason, d.Note, d.Request)
	if err != nil {
		return fmt.Errorf("insert declared loss %s: %w", d.ID, err)
	}
	return nil
}

// LastDeclaredLoss returns the highest number of a declared loss; 0 if there is none.
func LastDeclaredLoss(ctx context.Context, q sqldb.Queryer) (int64, error) {
	var n sql.NullInt64
	err := q.QueryRow(ctx, `SELECT max(number) FROM declared_loss`).Scan(&n)
	return n.Int64, err
}

// DeclaredLosses returns what a person declared lost, or everybody if the person is empty, the newest first.
func DeclaredLosses(ctx context.Context, q sqldb.Queryer, person string, limit int) ([]DeclaredLoss, error) {
	where := newFilter()
	where.text("person", person)
	r, err := q.Query(ctx, `SELECT `+declaredLossColumns+` FROM declared_loss`+where.sql()+` ORDER BY number DESC LIMIT `+where.param(limit), where.args...)
	var list []DeclaredLoss
	err = rows(r, err, func(r *sql.Rows) error {
		var d DeclaredLoss
		err := r.Scan(&d.ID, &d.Number, &d.Pos, &d.Person, &d.Time, &d.Device, &d.Held, &d.LostOn, &d.Reason, &d.Note, &d.Request)
		list = append(list, d)
		return err
	})
	return list, err
}

// OffChannel is what somebody says of a submission of theirs.
type OffChannel struct {
	Submission string
	Pos        int64
	Person     string
	Time       int64
	Month      string // 2006-01
	Channel    string // the system it was said on
	Subject    string
	Weight     string // significant or routine; empty if not said
	Reason     string // a code; empty if not said
	Note       string
}

const offChannelColumns = `submission, pos, person, time, month, channel, subject, weight, reason, note`

func scanOffChannel(scan func(...any) error) (OffChannel, error) {
	var o OffChannel
	err := scan(&o.Submission, &o.Pos, &o.Person, &o.Time, &o.Month, &o.Channel, &o.Subject, &o.Weight, &o.Reason, &o.Note)
	return o, err
}

// SetOffChannel stores what somebody says of a submission. The first time it was said stays its time and month.
func SetOffChannel(ctx context.Context, tx *sqldb.Tx, o OffChannel) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO off_channel (`+offChannelColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (submission) DO UPDATE SET pos = excluded.pos, channel = excluded.channel, subject = excluded.subject,
			weight = excluded.weight, reason = excluded.reason, note = excluded.note`,
		o.Submission, o.Pos, o.Person, o.Time, o.Month, o.Channel, o.Subject, o.Weight, o.Reason, o.Note)
	if err != nil {
		return fmt.Errorf("store what is said of submission %s: %w", o.Submission, err)
	}
	return nil
}

// OffChannelOf returns what was said of a submission, or [ErrNotFound].
func OffChannelOf(ctx context.Context, q sqldb.Queryer, submission string) (OffChannel, error) {
	o, err := scanOffChannel(q.QueryRow(ctx, `SELECT `+offChannelColumns+` FROM off_channel WHERE submission = $1`, submission).Scan)
	return o, notFound(err)
}

// OffChannelFilter selects from the register; what is empty selects all.
type OffChannelFilter struct {
	Person  string
	Channel string
	Reason  string // "none" selects those without
	Weight  string
	From    string // months, 2006-01, both included
	To      string
}

func (f OffChannelFilter) where() *filter {
	where := newFilter()
	where.text("person", f.Person)
	where.text("channel", f.Channel)
	where.text("weight", f.Weight)
	switch f.Reason {
	case "":
	case "none":
		where.add("reason =", "")
	default:
		where.add("reason =", f.Reason)
	}
	if f.From != "" {
		where.add("month >=", f.From)
	}
	if f.To != "" {
		where.add("month <=", f.To)
	}
	return where
}

// Register returns the register of what was said elsewhere, the newest first.
func Register(ctx context.Context, q sqldb.Queryer, f OffChannelFilter, limit int) ([]OffChannel, error) {
	where := f.where()
	r, err := q.Query(ctx, `SELECT `+offChannelColumns+` FROM off_channel`+where.sql()+` ORDER BY time DESC, submission LIMIT `+where.param(limit), where.args...)
	var list []OffChannel
	err = rows(r, err, func(r *sql.Rows) error {
		o, err := scanOffChannel(r.Scan)
		list = append(list, o)
		return err
	})
	return list, err
}

// Roadblock counts one reason on one channel in one month.
type Roadblock struct {
	Reason, Channel, Month string
	Submissions            int64
	People                 int64 // different ones, in that month
}

// Roadblocks counts the register by reason, channel and month.
func Roadblocks(ctx context.Context, q sqldb.Queryer, f OffChannelFilter) ([]Roadblock, error) {
	where := f.where()
	r, err := q.Query(ctx, `
		SELECT reason, channel, month, count(*), count(DISTINCT person)
		FROM off_channel`+where.sql()+` GROUP BY reason, channel, month ORDER BY reason, channel, month`, where.args...)
	var list []Roadblock
	err = rows(r, err, func(r *sql.Rows) error {
		var b Roadblock
		err := r.Scan(&b.Reason, &b.Channel, &b.Month, &b.Submissions, &b.People)
		list = append(list, b)
		return err
	})
	return list, err
}

// OfficeSubmission is a submission as the records office sees it.
type OfficeSubmission struct {
	Submission
	System  string // empty if it was not read
	Subject string
	Weight  string
	Reason  string
}

// SubmissionFilter selects submissions; what is empty selects all.
type SubmissionFilter struct {
	Person string
	Status string // of the latest run; "none" while there is none, "open" for all that wait for an answer or could not be read
	System string
	Weight string // "none" selects those of which it was not said
	From   int64  // milliseconds
	To     int64
	Before int64 // with BeforeID, the last one of the page before
	ID     string
}

// OfficeSubmissions returns submissions, the newest first.
func OfficeSubmissions(ctx context.Context, q sqldb.Queryer, f SubmissionFilter, limit int) ([]OfficeSubmission, error) {
	where := newFilter()
	where.text("s.person", f.Person)
	switch f.Status {
	case "":
	case "none":
		where.add("s.status =", "")
	case "open":
		where.conds = append(where.conds, `s.status IN ('needs_answer', 'unreadable', 'unknown')`)
	default:
		where.add("s.status =", f.Status)
	}
	if f.System != "" {
		where.conds = append(where.conds, `EXISTS (SELECT 1 FROM captured_by b JOIN captured_conversation c ON c.scope = b.scope
			WHERE b.submission = s.id AND c.system = `+where.param(f.System)+`)`)
	}
	switch f.Weight {
	case "":
	case "none":
		where.conds = append(where.conds, `coalesce(o.weight, '') = ''`)
	default:
		where.add("o.weight =", f.Weight)
	}
	if f.From != 0 {
		where.add("s.time >=", f.From)
	}
	if f.To != 0 {
		where.add("s.time <=", f.To)
	}
	if f.Before != 0 {
		where.conds = append(where.conds, `(s.time < `+where.param(f.Before)+` OR s.time = `+where.param(f.Before)+` AND s.id > `+where.param(f.ID)+`)`)
	}
	r, err := q.Query(ctx, `
		SELECT s.id, s.pos, s.person, s.time, s.name, s.status, s.run_pos, s.messages,
			coalesce((SELECT min(c.system) FROM captured_by b JOIN captured_conversation c ON c.scope = b.scope WHERE b.submission = s.id), ''),
			coalesce(o.subject, ''), coalesce(o.weight, ''), coalesce(o.reason, '')
		FROM submission s LEFT JOIN off_channel o ON o.submission = s.id`+where.sql()+`
		ORDER BY s.time DESC, s.id LIMIT `+where.param(limit), where.args...)
	var list []OfficeSubmission
	err = rows(r, err, func(r *sql.Rows) error {
		var o OfficeSubmission
		s := &o.Submission
		err := r.Scan(&s.ID, &s.Pos, &s.Person, &s.Time, &s.Name, &s.Status, &s.RunPos, &s.Messages, &o.System, &o.Subject, &o.Weight, &o.Reason)
		list = append(list, o)
		return err
	})
	return list, err
}

// CountSubmissions returns how many submissions there are of each status.
func CountSubmissions(ctx context.Context, q sqldb.Queryer) (map[string]int64, error) {
	r, err := q.Query(ctx, `SELECT status, count(*) FROM submission GROUP BY status`)
	out := map[string]int64{}
	err = rows(r, err, func(r *sql.Rows) error {
		var status string
		var n int64
		err := r.Scan(&status, &n)
		out[status] = n
		return err
	})
	return out, err
}

// CapturedSystems returns the systems that submissions came from.
func CapturedSystems(ctx context.Context, q sqldb.Queryer) ([]string, error) {
	r, err := q.Query(ctx, `SELECT DISTINCT system FROM captured_conversation WHERE system <> '' ORDER BY system`)
	var list []string
	err = rows(r, err, func(r *sql.Rows) error {
		var s string
		err := r.Scan(&s)
		list = append(list, s)
		return err
	})
	return list, err
}

// ConversationsBroughtBy returns the conversations that a submission brought.
func ConversationsBroughtBy(ctx context.Context, q sqldb.Queryer, submission string) ([]CapturedConversation, error) {
	r, err := q.Query(ctx, `
		SELECT `+capturedConversationColumns+` FROM captured_conversation
		WHERE scope IN (SELECT scope FROM captured_by WHERE submission = $1) ORDER BY scope`, submission)
	var list []CapturedConversation
	err = rows(r, err, func(r *sql.Rows) error {
		c, err := scanCapturedConversation(r.Scan)
		list = append(list, c)
		return err
	})
	return list, err
}

// filter collects the conditions of a statement and their parameters. Column names come from this package only.
type filter struct {
	conds []string
	args  []any
}

func newFilter() *filter { return &filter{} }

// param adds a parameter and returns its place.
func (f *filter) param(v any) string {
	f.args = append(f.args, v)
	return fmt.Sprintf("$%d", len(f.args))
}

// add adds a condition such as "due <".
func (f *filter) add(cond string, v any) { f.conds = append(f.conds, cond+" "+f.param(v)) }

// text adds an equality unless the value is empty.
func (f *filter) text(column, v string) {
	if v != "" {
		f.add(column+" =", v)
	}
}

func (f *filter) sql() string {
	if len(f.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(f.conds, " AND ")
}
