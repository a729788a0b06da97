package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"despatch/internal/sqldb"
)

// States of a sealed message.
const (
	Sealed   = "sealed"   // nobody has looked at it yet
	Kept     = "kept"     // the security officer has looked, and it stays sealed
	Released = "released" // it was a false alarm: it is shown like any other
)

// SealedItem is a captured message that was taken off ordinary view because of a marking.
type SealedItem struct {
	Pos       int64  // of the message
	Entry     int64  // of the seal
	Time      int64  // when it was sealed
	Person    string // who handed it in
	Marking   string
	Reason    string // above_ceiling, caveat, foreign, or by_hand
	Place     string // where the marking stands
	Line      int64
	State     string
	DecidedBy string
	DecidedAt int64
	Why       string // the officer's reason
}

const sealedColumns = `pos, entry, time, person, marking, reason, place, line, state, decided_by, decided_at, why`

func scanSealed(scan func(...any) error) (SealedItem, error) {
	var s SealedItem
	err := scan(&s.Pos, &s.Entry, &s.Time, &s.Person, &s.Marking, &s.Reason, &s.Place, &s.Line, &s.State, &s.DecidedBy, &s.DecidedAt, &s.Why)
	return s, err
}

// InsertSealed stores that a message is sealed.
func InsertSealed(ctx context.Context, tx *sqldb.Tx, s SealedItem) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO sealed_item (`+sealedColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', 0, '')
		ON CONFLICT (pos) DO NOTHING`, s.Pos, s.Entry, s.Time, s.Person, s.Marking, s.Reason, s.Place, s.Line, Sealed)
	if err != nil {
		return fmt.Errorf("seal message %d: %w", s.Pos, err)
	}
	return nil
}

// DecideSealed stores what the security officer decided.
func DecideSealed(ctx context.Context, tx *sqldb.Tx, pos int64, state, by, why string, at int64) error {
	_, err := tx.Exec(ctx, `UPDATE sealed_item SET state = $1, decided_by = $2, why = $3, decided_at = $4 WHERE pos = $5`, state, by, why, at, pos)
	return err
}

// SealedAt returns the seal of a message, whatever became of it, or [ErrNotFound].
func SealedAt(ctx context.Context, q sqldb.Queryer, pos int64) (SealedItem, error) {
	s, err := scanSealed(q.QueryRow(ctx, `SELECT `+sealedColumns+` FROM sealed_item WHERE pos = $1`, pos).Scan)
	return s, notFound(err)
}

// IsSealed reports whether a message is sealed now.
func IsSealed(ctx context.Context, q sqldb.Queryer, pos int64) (bool, error) {
	s, err := SealedAt(ctx, q, pos)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && s.State != Released, err
}

// SealedItems returns the messages in a state, the newest first, at most limit, that were put on the record before a
// position.
func SealedItems(ctx context.Context, q sqldb.Queryer, state string, before int64, limit int) ([]SealedItem, error) {
	var list []SealedItem
	r, err := q.Query(ctx, `SELECT `+sealedColumns+` FROM sealed_item WHERE state = $1 AND pos < $2 ORDER BY pos DESC LIMIT $3`, state, before, limit)
	err = rows(r, err, func(r *sql.Rows) error {
		s, err := scanSealed(r.Scan)
		list = append(list, s)
		return err
	})
	return list, err
}

// CountSealed counts the messages in a state.
func CountSealed(ctx context.Context, q sqldb.Queryer, state string) (n int64, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM sealed_item WHERE state = $1`, state).Scan(&n)
	return n, err
}

// SealedInScope counts the messages of a captured conversation that are sealed now.
func SealedInScope(ctx context.Context, q sqldb.Queryer, scope int64) (n int64, err error) {
	err = q.QueryRow(ctx, `
		SELECT count(*) FROM sealed_item s JOIN captured_item c ON c.pos = s.pos
		WHERE c.scope = $1 AND s.state <> $2`, scope, Released).Scan(&n)
	return n, err
}

// SealedBetween returns which of the positions from <= pos < to hold a message that is sealed now.
func SealedBetween(ctx context.Context, q sqldb.Queryer, from, to int64) (map[int64]bool, error) {
	r, err := q.Query(ctx, `SELECT pos FROM sealed_item WHERE pos >= $1 AND pos < $2 AND state <> $3`, from, to, Released)
	return sealedSet(r, err)
}

// SealedAmong returns which of the positions hold a message that is sealed now.
func SealedAmong(ctx context.Context, q sqldb.Queryer, positions []int64) (map[int64]bool, error) {
	if len(positions) == 0 {
		return nil, nil
	}
	r, err := q.Query(ctx, `SELECT pos FROM sealed_item WHERE state <> $2 AND `+among(q, "pos"), list(q, positions), Released)
	return sealedSet(r, err)
}

func sealedSet(r *sql.Rows, err error) (map[int64]bool, error) {
	out := map[int64]bool{}
	return out, rows(r, err, func(r *sql.Rows) error {
		var pos int64
		err := r.Scan(&pos)
		out[pos] = true
		return err
	})
}
