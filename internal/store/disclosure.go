package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"despatch/internal/sqldb"
)

// Case is a row of the cases. Its strings are those of package disclosure.
type Case struct {
	ID, Kind, Reference, Title, Request, Received, Due, DueBasis, Status string

	Bounds       []byte
	OpenedAt     int64
	OpenedBy     string
	ClosedAt     int64
	Outcome      string
	Revision     int64
	SubmittedAt  int64
	SubmittedBy  string
	ApprovedAt   int64
	ApprovedBy   string
	Digest       string
	ApprovalNote string
	ReturnedAt   int64
	ReturnedBy   string
	ReturnedNote string
}

const caseColumns = `id, kind, reference, title, request, received, due, due_basis, status, bounds, opened_at, opened_by, closed_at, outcome,
	revision, submitted_at, submitted_by, approved_at, approved_by, digest, approval_note, returned_at, returned_by, returned_note`

func (c *Case) columns() []any {
	return []any{&c.ID, &c.Kind, &c.Reference, &c.Title, &c.Request, &c.Received, &c.Due, &c.DueBasis, &c.Status, &c.Bounds, &c.OpenedAt, &c.OpenedBy,
		&c.ClosedAt, &c.Outcome, &c.Revision, &c.SubmittedAt, &c.SubmittedBy, &c.ApprovedAt, &c.ApprovedBy, &c.Digest, &c.ApprovalNote,
		&c.ReturnedAt, &c.ReturnedBy, &c.ReturnedNote}
}

func (c *Case) values() []any {
	return []any{c.ID, c.Kind, c.Reference, c.Title, c.Request, c.Received, c.Due, c.DueBasis, c.Status, c.Bounds, c.OpenedAt, c.OpenedBy,
		c.ClosedAt, c.Outcome, c.Revision, c.SubmittedAt, c.SubmittedBy, c.ApprovedAt, c.ApprovedBy, c.Digest, c.ApprovalNote,
		c.ReturnedAt, c.ReturnedBy, c.ReturnedNote}
}

// InsertCase stores a new case.
func InsertCase(ctx context.Context, tx *sqldb.Tx, c Case) error {
	_, err := tx.Exec(ctx, `INSERT INTO disclosure_case (`+caseColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`, c.values()...)
	if err != nil {
		return fmt.Errorf("insert case %s: %w", c.ID, err)
	}
	return nil
}

// UpdateCase stores what of a case can change.
func UpdateCase(ctx context.Context, tx *sqldb.Tx, c Case) error {
	_, err := tx.Exec(ctx, `UPDATE disclosure_case SET due = $2, due_basis = $3, status = $4, bounds = $5, closed_at = $6, outcome = $7, revision = $8,
		submitted_at = $9, submitted_by = $10, approved_at = $11, approved_by = $12, digest = $13, approval_note = $14,
		returned_at = $15, returned_by = $16, returned_note = $17 WHERE id = $1`,
		c.ID, c.Due, c.DueBasis, c.Status, c.Bounds, c.ClosedAt, c.Outcome, c.Revision, c.SubmittedAt, c.SubmittedBy, c.ApprovedAt, c.ApprovedBy,
		c.Digest, c.ApprovalNote, c.ReturnedAt, c.ReturnedBy, c.ReturnedNote)
	if err != nil {
		return fmt.Errorf("update case %s: %w", c.ID, err)
	}
	return nil
}

// CaseByID returns a case, or [ErrNotFound].
func CaseByID(ctx context.Context, q sqldb.Queryer, id string) (Case, error) {
	var c Case
	err := q.QueryRow(ctx, `SELECT `+caseColumns+` FROM disclosure_case WHERE id = $1`, id).Scan(c.columns()...)
	return c, notFound(err)
}

// Cases returns the cases of a status and an officer, each "" for all: those due first first.
func Cases(ctx context.Context, q sqldb.Queryer, status, officer string) ([]Case, error) {
	var out []Case
	r, err := q.Query(ctx, `SELECT `+caseColumns+` FROM disclosure_case
		WHERE ($1 = '' OR status = $1) AND ($2 = '' OR id IN (SELECT case_id FROM disclosure_officer WHERE user_id = $2))
		ORDER BY CASE WHEN status = 'closed' THEN 1 ELSE 0 END, CASE WHEN due = '' THEN 1 ELSE 0 END, due, opened_at, id`, status, officer)
	return out, rows(r, err, func(r *sql.Rows) error {
		var c Case
		err := r.Scan(c.columns()...)
		out = append(out, c)
		return err
	})
}

// CountReferences counts the cases whose reference begins with prefix.
func CountReferences(ctx context.Context, q sqldb.Queryer, prefix string) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM disclosure_case WHERE reference >= $1 AND reference < $2`, prefix, prefix+"\U0010ffff").Scan(&n)
	return n, err
}

// HasReference reports whether a case has a reference.
func HasReference(ctx context.Context, q sqldb.Queryer, reference string) (bool, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM disclosure_case WHERE reference = $1`, reference).Scan(&n)
	return n > 0, err
}

// CaseOfficers returns the officers of a case.
func CaseOfficers(ctx context.Context, q sqldb.Queryer, id string) ([]string, error) {
	var out []string
	r, err := q.Query(ctx, `SELECT user_id FROM disclosure_officer WHERE case_id = $1 ORDER BY user_id`, id)
	return out, rows(r, err, func(r *sql.Rows) error {
		var u string
		err := r.Scan(&u)
		out = append(out, u)
		return err
	})
}

// SetCaseOfficer makes somebody an officer of a case, or takes them off it.
func SetCaseOfficer(ctx context.Context, tx *sqldb.Tx, id, user string, officer bool) error {
	stmt := `DELETE FROM disclosure_officer WHERE case_id = $1 AND user_id = $2`
	if officer {
		stmt = `INSERT INTO disclosure_officer (case_id, user_id) VALUES ($1, $2) ON CONFLICT (case_id, user_id) DO NOTHING`
	}
	_, err := tx.Exec(ctx, stmt, id, user)
	return err
}

// CaseItem is an item of a case.
type CaseItem struct {
	Pos      int64
	Scope    int64
	Size     int64 // of the record when it was collected
	Outcome  string
	Decision int64 // position of the last decision's entry; 0 if there is none
}

const itemColumns = `pos, scope, size, outcome, decision`

func caseItems(r *sql.Rows, err error) ([]CaseItem, error) {
	var out []CaseItem
	return out, rows(r, err, func(r *sql.Rows) error {
		var x CaseItem
		err := r.Scan(&x.Pos, &x.Scope, &x.Size, &x.Outcome, &x.Decision)
		out = append(out, x)
		return err
	})
}

// list makes integers an argument for [among].
func list(q sqldb.Queryer, ns []int64) any {
	if q.Dialect() == sqldb.Postgres {
		return ns
	}
	b, _ := json.Marshal(ns)
	return string(b)
}

// among is the condition that a column is one of the integers in the argument $1.
func among(q sqldb.Queryer, column string) string {
	if q.Dialect() == sqldb.Postgres {
		return column + ` = ANY($1::bigint[])`
	}
	return column + ` IN (SELECT value FROM json_each($1))`
}

// InsertCaseItems adds items to a case and returns the positions of those that were not in it.
func InsertCaseItems(ctx context.Context, tx *sqldb.Tx, id string, items []CaseItem) ([]int64, error) {
	positions := make([]int64, len(items))
	for i := range items {
		positions[i] = items[i].Pos
	}
	have, err := CaseItemsAt(ctx, tx, id, positions)
	if err != nil {
		return nil, err
	}
	known := make(map[int64]bool, len(have))
	for _, x := range have {
		known[x.Pos] = true
	}
	var fresh []CaseItem
	var added []int64
	for _, x := range items {
		if !known[x.Pos] {
			known[x.Pos] = true
			fresh, added = append(fresh, x), append(added, x.Pos)
		}
	}
	if tx.Dialect() == sqldb.Postgres {
		scope, size := make([]int64, len(fresh)), make([]int64, len(fresh))
		for i, x := range fresh {
			scope[i], size[i] = x.Scope, x.Size
		}
		_, err = tx.Exec(ctx, `INSERT INTO disclosure_item (case_id, pos, scope, size, outcome, decision)
			SELECT $1, p, s, z, '', 0 FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS x (p, s, z)`, id, added, scope, size)
		if err != nil {
			return nil, fmt.Errorf("insert %d items of case %s: %w", len(added), id, err)
		}
		return added, nil
	}
	for _, x := range fresh {
		_, err := tx.Exec(ctx, `INSERT INTO disclosure_item (case_id, pos, scope, size, outcome, decision) VALUES ($1, $2, $3, $4, '', 0)`, id, x.Pos, x.Scope, x.Size)
		if err != nil {
			return nil, fmt.Errorf("insert item %d of case %s: %w", x.Pos, id, err)
		}
	}
	return added, nil
}

// CaseItemsAt returns those of the positions that are items of a case.
func CaseItemsAt(ctx context.Context, q sqldb.Queryer, id string, positions []int64) ([]CaseItem, error) {
	return caseItems(q.Query(ctx, `SELECT `+itemColumns+` FROM disclosure_item WHERE case_id = $2 AND `+among(q, "pos")+` ORDER BY pos`, list(q, positions), id))
}

// CaseItems returns items of a case with a position after after, in order: those of an outcome ("" for all, "none" for
// those without) and a scope (0 for all).
func CaseItems(ctx context.Context, q sqldb.Queryer, id, outcome string, scope, after int64, limit int) ([]CaseItem, error) {
	return caseItems(q.Query(ctx, `SELECT `+itemColumns+` FROM disclosure_item
		WHERE case_id = $1 AND pos > $2 AND ($3 = '' OR outcome = $3 OR $3 = 'none' AND outcome = '') AND ($4 = 0 OR scope = $4)
		ORDER BY pos LIMIT $5`, id, after, outcome, scope, limit))
}

// CaseItemsByScope returns items of a case after (scope, pos), in that order.
func CaseItemsByScope(ctx context.Context, q sqldb.Queryer, id string, scope, pos int64, limit int) ([]CaseItem, error) {
	return caseItems(q.Query(ctx, `SELECT `+itemColumns+` FROM disclosure_item
		WHERE case_id = $1 AND (scope, pos) > ($2, $3) ORDER BY scope, pos LIMIT $4`, id, scope, pos, limit))
}

// CountCaseItems counts the items of a case by outcome.
func CountCaseItems(ctx context.Context, q sqldb.Queryer, id string) (map[string]int, error) {
	out := make(map[string]int)
	r, err := q.Query(ctx, `SELECT outcome, count(*) FROM disclosure_item WHERE case_id = $1 GROUP BY outcome`, id)
	return out, rows(r, err, func(r *sql.Rows) error {
		var o string
		var n int
		err := r.Scan(&o, &n)
		out[o] = n
		return err
	})
}

// CaseDecision is a decision about one item or many.
type CaseDecision struct {
	Entry int64
	At    int64
	By    string
	Body  []byte
}

// InsertDecision stores a decision about items of a case. Those that are not items of it are not counted in n.
func InsertDecision(ctx context.Context, tx *sqldb.Tx, id, outcome string, d CaseDecision, positions []int64) (n int, err error) {
	_, err = tx.Exec(ctx, `INSERT INTO disclosure_decision (entry, case_id, at, by_user, body) VALUES ($1, $2, $3, $4, $5)`, d.Entry, id, d.At, d.By, d.Body)
	if err != nil {
		return 0, fmt.Errorf("insert decision %d: %w", d.Entry, err)
	}
	res, err := tx.Exec(ctx, `UPDATE disclosure_item SET outcome = $2, decision = $3 WHERE case_id = $4 AND `+among(tx, "pos"), list(tx, positions), outcome, d.Entry, id)
	if err != nil {
		return 0, fmt.Errorf("decide items of case %s: %w", id, err)
	}
	changed, err := res.RowsAffected()
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO disclosure_decided (case_id, pos, entry) SELECT case_id, pos, $2 FROM disclosure_item WHERE case_id = $3 AND `+among(tx, "pos"),
		list(tx, positions), d.Entry, id)
	return int(changed), err
}

func decisions(r *sql.Rows, err error) ([]CaseDecision, error) {
	var out []CaseDecision
	return out, rows(r, err, func(r *sql.Rows) error {
		var d CaseDecision
		err := r.Scan(&d.Entry, &d.At, &d.By, &d.Body)
		out = append(out, d)
		return err
	})
}

// DecisionsOf returns the decisions about an item, newest first.
func DecisionsOf(ctx context.Context, q sqldb.Queryer, id string, pos int64) ([]CaseDecision, error) {
	return decisions(q.Query(ctx, `SELECT d.entry, d.at, d.by_user, d.body FROM disclosure_decided x JOIN disclosure_decision d ON d.entry = x.entry
		WHERE x.case_id = $1 AND x.pos = $2 ORDER BY d.entry DESC`, id, pos))
}

// DecisionsAt returns decisions by the positions of their entries.
func DecisionsAt(ctx context.Context, q sqldb.Queryer, entries []int64) ([]CaseDecision, error) {
	return decisions(q.Query(ctx, `SELECT entry, at, by_user, body FROM disclosure_decision WHERE `+among(q, "entry"), list(q, entries)))
}

// HasDecided reports whether somebody has decided anything in a case.
func HasDecided(ctx context.Context, q sqldb.Queryer, id, user string) (bool, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM disclosure_decision WHERE case_id = $1 AND by_user = $2 LIMIT 1) x`, id, user).Scan(&n)
	return n > 0, err
}

// CaseBundle is a bundle that was made of a case.
type CaseBundle struct {
	ID, Case, File               string
	Size                         int64
	SHA256                       string
	Released, Redacted, Withheld int
	Digest                       string
	MadeAt                       int64
	MadeBy                       string
	Entry                        int64
}

// InsertBundle stores that a bundle was made.
func InsertBundle(ctx context.Context, tx *sqldb.Tx, b CaseBundle) error {
	_, err := tx.Exec(ctx, `INSERT INTO disclosure_bundle (id, case_id, file, size, sha256, released, redacted, withheld, digest, made_at, made_by, entry)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		b.ID, b.Case, b.File, b.Size, b.SHA256, b.Released, b.Redacted, b.Withheld, b.Digest, b.MadeAt, b.MadeBy, b.Entry)
	if err != nil {
		return fmt.Errorf("insert bundle %s: %w", b.ID, err)
	}
	return nil
}

// Bundles returns the bundles of a case, newest first.
func Bundles(ctx context.Context, q sqldb.Queryer, id string) ([]CaseBundle, error) {
	var out []CaseBundle
	r, err := q.Query(ctx, `SELECT id, case_id, file, size, sha256, released, redacted, withheld, digest, made_at, made_by, entry
		FROM disclosure_bundle WHERE case_id = $1 ORDER BY entry DESC`, id)
	return out, rows(r, err, func(r *sql.Rows) error {
		var b CaseBundle
		err := r.Scan(&b.ID, &b.Case, &b.File, &b.Size, &b.SHA256, &b.Released, &b.Redacted, &b.Withheld, &b.Digest, &b.MadeAt, &b.MadeBy, &b.Entry)
		out = append(out, b)
		return err
	})
}

// entryColumnsOfE are the columns of an entry in a query that calls it e.
var entryColumnsOfE = "e." + strings.ReplaceAll(entryColumns, ", ", ", e.")

// EntriesAt returns the entries at some positions, in order.
func EntriesAt(ctx context.Context, q sqldb.Queryer, positions []int64) ([]Entry, error) {
	var out []Entry
	r, err := q.Query(ctx, `SELECT `+entryColumns+` FROM entry WHERE `+among(q, "pos")+` ORDER BY pos`, list(q, positions))
	return out, rows(r, err, func(r *sql.Rows) error {
		e, err := scanEntry(r.Scan)
		out = append(out, e)
		return err
	})
}

// Related is an entry that relates to another: an edit or a reaction, or a redaction.
type Related struct {
	Entry
	Target int64  // position of what it relates to
	Reason string // of a redaction
}

// RelatedTo returns the edits of and reactions to the events at some positions, in order of position.
func RelatedTo(ctx context.Context, q sqldb.Queryer, positions []int64) ([]Related, error) {
	var out []Related
	r, err := q.Query(ctx, `
		SELECT t.pos, `+entryColumnsOfE+`
		FROM entry t JOIN relation x ON x.target = t.ref JOIN entry e ON e.pos = x.pos
		WHERE x.rel_type IN ('m.replace', 'm.annotation') AND e.scope = t.scope AND `+among(q, "t.pos")+` ORDER BY e.pos`, list(q, positions))
	return out, rows(r, err, func(r *sql.Rows) error {
		var x Related
		var err error
		x.Entry, err = scanEntry(func(dst ...any) error { return r.Scan(append([]any{&x.Target}, dst...)...) })
		out = append(out, x)
		return err
	})
}

// RedactionsOf returns what the events at some positions were pruned by. Where no event did it, the entry's position
// is that of the event itself.
func RedactionsOf(ctx context.Context, q sqldb.Queryer, positions []int64) ([]Related, error) {
	var out []Related
	r, err := q.Query(ctx, `
		SELECT p.pos, p.reason, `+entryColumnsOfE+`
		FROM pruned p JOIN entry e ON e.pos = p.by_pos WHERE `+among(q, "p.pos")+` ORDER BY e.pos`, list(q, positions))
	return out, rows(r, err, func(r *sql.Rows) error {
		var x Related
		var err error
		x.Entry, err = scanEntry(func(dst ...any) error { return r.Scan(append([]any{&x.Target, &x.Reason}, dst...)...) })
		out = append(out, x)
		return err
	})
}

// MessagesAround returns the positions of messages of a scope: at most limit before and after a position, and it.
func MessagesAround(ctx context.Context, q sqldb.Queryer, scope, pos int64, limit int) ([]int64, error) {
	before, err := int64s(q.Query(ctx, `SELECT pos FROM entry WHERE scope = $1 AND pos <= $2 AND class = 1 ORDER BY pos DESC LIMIT $3`, scope, pos, limit+1))
	if err != nil {
		return nil, err
	}
	after, err := int64s(q.Query(ctx, `SELECT pos FROM entry WHERE scope = $1 AND pos > $2 AND class = 1 ORDER BY pos LIMIT $3`, scope, pos, limit))
	for i, j := 0, len(before)-1; i < j; i, j = i+1, j-1 {
		before[i], before[j] = before[j], before[i]
	}
	return append(before, after...), err
}

// MemberScopes returns the scopes of the rooms in which somebody has been, now or earlier.
func MemberScopes(ctx context.Context, q sqldb.Queryer, user string) ([]int64, error) {
	return int64s(q.Query(ctx, `SELECT scope FROM member WHERE user_id = $1 AND membership IN ('join', 'leave', 'ban') ORDER BY scope`, user))
}

// SubmittedScopes returns the scopes of the captured conversations that somebody handed in.
func SubmittedScopes(ctx context.Context, q sqldb.Queryer, user string) ([]int64, error) {
	return int64s(q.Query(ctx, `SELECT DISTINCT c.scope FROM captured_by c JOIN submission s ON s.id = c.submission WHERE s.person = $1 ORDER BY c.scope`, user))
}

// Extent is a range of a scope's entries.
type Extent struct {
	First, Last int64 // positions; -1 if there are none
	Begin, End  int64 // sequence numbers of these
}

// ScopeExtent returns the range of a scope's entries with from <= time < to and a position below size. To may be 0.
func ScopeExtent(ctx context.Context, q sqldb.Queryer, scope, from, to, size int64) (Extent, error) {
	if to == 0 {
		to = math.MaxInt64
	}
	x := Extent{First: -1, Last: -1}
	var first, last sql.NullInt64
	err := q.QueryRow(ctx, `SELECT min(pos), max(pos) FROM entry WHERE scope = $1 AND pos < $2 AND time >= $3 AND time < $4`, scope, size, from, to).Scan(&first, &last)
	if err != nil || !first.Valid {
		return x, err
	}
	x.First, x.Last = first.Int64, last.Int64
	if err := q.QueryRow(ctx, `SELECT seq FROM entry WHERE pos = $1`, x.First).Scan(&x.Begin); err != nil {
		return x, err
	}
	return x, q.QueryRow(ctx, `SELECT seq FROM entry WHERE pos = $1`, x.Last).Scan(&x.End)
}

// Uncollected counts, up to limit, the messages and edits in a range of a scope that belong to no item of a case.
func Uncollected(ctx context.Context, q sqldb.Queryer, id string, scope, first, last int64, limit int) (int, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM (
		SELECT 1 FROM entry e WHERE e.scope = $2 AND e.pos >= $3 AND e.pos <= $4
		AND (e.class = 1 AND NOT EXISTS (SELECT 1 FROM disclosure_item i WHERE i.case_id = $1 AND i.pos = e.pos)
			OR e.class = 2 AND NOT EXISTS (SELECT 1 FROM relation x JOIN entry t ON t.ref = x.target
				JOIN disclosure_item i ON i.case_id = $1 AND i.pos = t.pos AND i.size > e.pos WHERE x.pos = e.pos))
		LIMIT $5) y`, id, scope, first, last, limit).Scan(&n)
	return n, err
}

// LastOf returns the last entry of a scope before a position, or [ErrNotFound].
func LastOf(ctx context.Context, q sqldb.Queryer, scope, before int64) (Entry, error) {
	e, err := scanEntry(q.QueryRow(ctx, `SELECT `+entryColumns+` FROM entry WHERE scope = $1 AND pos < $2 ORDER BY pos DESC LIMIT 1`, scope, before).Scan)
	return e, notFound(err)
}

// ScopeEntriesBefore returns the last entries of a scope before a position, newest first.
func ScopeEntriesBefore(ctx context.Context, q sqldb.Queryer, scope, before int64, limit int) ([]Entry, error) {
	var out []Entry
	r, err := q.Query(ctx, `SELECT `+entryColumns+` FROM entry WHERE scope = $1 AND pos < $2 ORDER BY pos DESC LIMIT $3`, scope, before, limit)
	return out, rows(r, err, func(r *sql.Rows) error {
		e, err := scanEntry(r.Scan)
		out = append(out, e)
		return err
	})
}
