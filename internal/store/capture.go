package store

import (
	"context"
	"database/sql"
	"fmt"

	"despatch/internal/sqldb"
)

// Submission is a file, or several, that somebody handed in.
type Submission struct {
	ID       string
	Pos      int64  // of its entry
	Person   string // who handed it in
	Time     int64
	Name     string // of its first file
	Status   string // of the latest parser's run; empty while there is none
	RunPos   int64  // of that run's entry, or -1
	Messages int64  // that the run found
}

const submissionColumns = `id, pos, person, time, name, status, run_pos, messages`

func scanSubmission(scan func(...any) error) (Submission, error) {
	var s Submission
	err := scan(&s.ID, &s.Pos, &s.Person, &s.Time, &s.Name, &s.Status, &s.RunPos, &s.Messages)
	return s, err
}

// InsertSubmission stores a new submission.
func InsertSubmission(ctx context.Context, tx *sqldb.Tx, s Submission) error {
	_, err := tx.Exec(ctx, `INSERT INTO submission (`+submissionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.ID, s.Pos, s.Person, s.Time, s.Name, s.Status, s.RunPos, s.Messages)
	if err != nil {
		return fmt.Errorf("insert submission %s: %w", s.ID, err)
	}
	return nil
}

// FinishSubmission stores the outcome of a parser's run over a submission.
func FinishSubmission(ctx context.Context, tx *sqldb.Tx, id, status string, runPos, messages int64) error {
	_, err := tx.Exec(ctx, `UPDATE submission SET status = $1, run_pos = $2, messages = $3 WHERE id = $4`, status, runPos, messages, id)
	return err
}

// SubmissionByID returns a submission, or [ErrNotFound].
func SubmissionByID(ctx context.Context, q sqldb.Queryer, id string) (Submission, error) {
	s, err := scanSubmission(q.QueryRow(ctx, `SELECT `+submissionColumns+` FROM submission WHERE id = $1`, id).Scan)
	return s, notFound(err)
}

// Submissions returns what a person handed in, the newest first.
func Submissions(ctx context.Context, q sqldb.Queryer, person string, limit int) ([]Submission, error) {
	r, err := q.Query(ctx, `SELECT `+submissionColumns+` FROM submission WHERE person = $1 ORDER BY time DESC, id LIMIT $2`, person, limit)
	return submissions(r, err)
}

// UnfinishedSubmissions returns the submissions that no parser's run has ended on.
func UnfinishedSubmissions(ctx context.Context, q sqldb.Queryer) ([]Submission, error) {
	r, err := q.Query(ctx, `SELECT `+submissionColumns+` FROM submission WHERE status = '' ORDER BY pos`)
	return submissions(r, err)
}

func submissions(r *sql.Rows, err error) ([]Submission, error) {
	var list []Submission
	err = rows(r, err, func(r *sql.Rows) error {
		s, err := scanSubmission(r.Scan)
		list = append(list, s)
		return err
	})
	return list, err
}

// CapturedConversation is a conversation of another system.
type CapturedConversation struct {
	Scope      int64
	ID         string
	Submission string // the first that brought it
	System     string
	Kind       string // dm, group, or unknown
	Title      string
}

// InsertCapturedConversation stores a conversation unless it is there.
func InsertCapturedConversation(ctx context.Context, tx *sqldb.Tx, c CapturedConversation) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO captured_conversation (scope, id, submission, system, kind, title) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (scope) DO NOTHING`, c.Scope, c.ID, c.Submission, c.System, c.Kind, c.Title)
	if err != nil {
		return fmt.Errorf("insert captured conversation %s: %w", c.ID, err)
	}
	return nil
}

// BroughtBy stores that a submission brought a conversation.
func BroughtBy(ctx context.Context, tx *sqldb.Tx, c CapturedConversation) error {
	if _, err := tx.Exec(ctx, `UPDATE captured_conversation SET submission = $1 WHERE scope = $2 AND submission = ''`, c.Submission, c.Scope); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO captured_by (scope, submission) VALUES ($1, $2) ON CONFLICT DO NOTHING`, c.Scope, c.Submission)
	return err
}

// DescribeCapturedConversation stores what a run over the whole of a conversation found it to be.
func DescribeCapturedConversation(ctx context.Context, tx *sqldb.Tx, c CapturedConversation) error {
	_, err := tx.Exec(ctx, `UPDATE captured_conversation SET system = $1, kind = $2, title = $3 WHERE scope = $4`, c.System, c.Kind, c.Title, c.Scope)
	return err
}

const capturedConversationColumns = `scope, id, submission, system, kind, title`

func scanCapturedConversation(scan func(...any) error) (CapturedConversation, error) {
	var c CapturedConversation
	err := scan(&c.Scope, &c.ID, &c.Submission, &c.System, &c.Kind, &c.Title)
	return c, err
}

// CapturedConversationByID returns a conversation, or [ErrNotFound].
func CapturedConversationByID(ctx context.Context, q sqldb.Queryer, id string) (CapturedConversation, error) {
	c, err := scanCapturedConversation(q.QueryRow(ctx, `SELECT `+capturedConversationColumns+` FROM captured_conversation WHERE id = $1`, id).Scan)
	return c, notFound(err)
}

// CapturedConversations calls fn for every captured conversation, in the order they came.
func CapturedConversations(ctx context.Context, q sqldb.Queryer, fn func(CapturedConversation) error) error {
	r, err := q.Query(ctx, `SELECT `+capturedConversationColumns+` FROM captured_conversation ORDER BY scope`)
	return rows(r, err, func(r *sql.Rows) error {
		c, err := scanCapturedConversation(r.Scan)
		if err != nil {
			return err
		}
		return fn(c)
	})
}

// CapturedItem is one message of a captured conversation.
type CapturedItem struct {
	Pos     int64
	Scope   int64
	Ordinal int64 // its place in the file
	SentMin int64 // it was sent at this time, in milliseconds, or later
	SentMax int64 // and at this time or earlier
	Sender  string
	Kind    string
}

const insertCapturedItem = `
	INSERT INTO captured_item (pos, scope, ordinal, sent_min, sent_max, sender, kind)
	VALUES ($1, $2, $3, $4, $5, $6, $7)`

// InsertCapturedItems stores a batch of messages.
func InsertCapturedItems(ctx context.Context, tx *sqldb.Tx, items []CapturedItem) error {
	if tx.Dialect() == sqldb.Postgres {
		return insertCapturedItemsPostgres(ctx, tx, items)
	}
	for i := range items {
		m := &items[i]
		if _, err := tx.Exec(ctx, insertCapturedItem, m.Pos, m.Scope, m.Ordinal, m.SentMin, m.SentMax, m.Sender, m.Kind); err != nil {
			return fmt.Errorf("insert captured item %d: %w", m.Pos, err)
		}
	}
	return nil
}

func insertCapturedItemsPostgres(ctx context.Context, tx *sqldb.Tx, items []CapturedItem) error {
	n := len(items)
	pos, scope, ordinal, sentMin, sentMax := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	sender, kind := make([]string, n), make([]string, n)
	for i := range items {
		m := &items[i]
		pos[i], scope[i], ordinal[i], sentMin[i], sentMax[i], sender[i], kind[i] = m.Pos, m.Scope, m.Ordinal, m.SentMin, m.SentMax, m.Sender, m.Kind
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO captured_item (pos, scope, ordinal, sent_min, sent_max, sender, kind)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])`,
		pos, scope, ordinal, sentMin, sentMax, sender, kind)
	if err != nil {
		return fmt.Errorf("insert %d captured items: %w", n, err)
	}
	return nil
}

// CapturedRange is how much of a captured conversation is on the record.
type CapturedRange struct {
	Items       int64
	First, Last int64 // positions, if there are items
}

// CapturedRangeOf returns how much of a captured conversation is on the record.
func CapturedRangeOf(ctx context.Context, q sqldb.Queryer, scope int64) (CapturedRange, error) {
	var c CapturedRange
	var first, last sql.NullInt64
	err := q.QueryRow(ctx, `SELECT count(*), min(pos), max(pos) FROM captured_item WHERE scope = $1`, scope).Scan(&c.Items, &first, &last)
	c.First, c.Last = first.Int64, last.Int64
	return c, err
}

// CapturedRefs calls fn with the reference of every message of a captured conversation.
func CapturedRefs(ctx context.Context, q sqldb.Queryer, scope int64, fn func(ref []byte) error) error {
	r, err := q.Query(ctx, `SELECT e.ref FROM captured_item i JOIN entry e ON e.pos = i.pos WHERE i.scope = $1`, scope)
	return rows(r, err, func(r *sql.Rows) error {
		var ref []byte
		if err := r.Scan(&ref); err != nil {
			return err
		}
		return fn(ref)
	})
}

// CapturedItems returns up to limit messages of a captured conversation that may have been sent between
// two times, both included, in the order in which they are read: by the earliest time at which each may
// have been sent, then by their place in the file. It begins after the message with sent_min and ordinal.
func CapturedItems(ctx context.Context, q sqldb.Queryer, scope, from, to, afterSentMin, afterOrdinal int64, limit int) ([]CapturedItem, error) {
	r, err := q.Query(ctx, `
		SELECT pos, scope, ordinal, sent_min, sent_max, sender, kind
		FROM captured_item
		WHERE scope = $1 AND sent_max >= $2 AND sent_min <= $3 AND (sent_min, ordinal) > ($4, $5)
		ORDER BY sent_min, ordinal LIMIT $6`, scope, from, to, afterSentMin, afterOrdinal, limit)
	var list []CapturedItem
	err = rows(r, err, func(r *sql.Rows) error {
		var m CapturedItem
		if err := r.Scan(&m.Pos, &m.Scope, &m.Ordinal, &m.SentMin, &m.SentMax, &m.Sender, &m.Kind); err != nil {
			return err
		}
		list = append(list, m)
		return nil
	})
	return list, err
}

// CapturedFile says where the bytes of an attachment are.
type CapturedFile struct {
	Pos    int64 // of the message that it belongs to
	SHA256 [32]byte
	Within [32]byte // the file handed in
	Path   string   // inside it; empty if it is the file itself
	Size   int64
}

// InsertCapturedFiles stores where attachments are.
func InsertCapturedFiles(ctx context.Context, tx *sqldb.Tx, files []CapturedFile) error {
	for i := range files {
		f := &files[i]
		_, err := tx.Exec(ctx, `
			INSERT INTO captured_file (pos, sha256, within, path, size) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (pos, sha256) DO NOTHING`, f.Pos, f.SHA256[:], f.Within[:], f.Path, f.Size)
		if err != nil {
			return fmt.Errorf("insert the attachment of entry %d: %w", f.Pos, err)
		}
	}
	return nil
}

// CapturedFileByHash returns one place where an attachment's bytes are, or [ErrNotFound]. Those of sealed messages are
// none.
func CapturedFileByHash(ctx context.Context, q sqldb.Queryer, sha256 [32]byte) (CapturedFile, error) {
	f := CapturedFile{SHA256: sha256}
	var within []byte
	err := q.QueryRow(ctx, `
		SELECT pos, within, path, size FROM captured_file f
		WHERE sha256 = $1 AND NOT EXISTS (SELECT 1 FROM sealed_item s WHERE s.pos = f.pos AND s.state <> 'released')
		ORDER BY pos LIMIT 1`, sha256[:]).
		Scan(&f.Pos, &within, &f.Path, &f.Size)
	copy(f.Within[:], within)
	return f, notFound(err)
}
