package store

import (
	"context"
	"database/sql"

	"despatch/internal/sqldb"
)

// Appservice says how far an application service has been sent the record.
type Appservice struct {
	ID   string
	Pos  int64 // everything below has arrived
	Upto int64 // the end of the transaction under way; Pos if none is
	Txn  int64 // its number
}

// AppserviceByID returns how far an application service is, or [ErrNotFound].
func AppserviceByID(ctx context.Context, q sqldb.Queryer, id string) (Appservice, error) {
	a := Appservice{ID: id}
	err := q.QueryRow(ctx, `SELECT pos, upto, txn FROM appservice WHERE id = $1`, id).Scan(&a.Pos, &a.Upto, &a.Txn)
	return a, notFound(err)
}

// SetAppservice stores how far an application service is.
func SetAppservice(ctx context.Context, tx *sqldb.Tx, a Appservice) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO appservice (id, pos, upto, txn) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET pos = excluded.pos, upto = excluded.upto, txn = excluded.txn`, a.ID, a.Pos, a.Upto, a.Txn)
	return err
}

// RoomEvent is an event with the room that it is in.
type RoomEvent struct {
	Event
	Scope int64
}

// EventsFrom returns the events of all rooms with from <= position < to, in order, of the first limit entries
// of any kind in that range; next is the position after those.
func EventsFrom(ctx context.Context, q sqldb.Queryer, from, to int64, limit int) (out []RoomEvent, next int64, err error) {
	next = min(to, from+int64(limit))
	r, err := q.Query(ctx, `SELECT e.scope, `+eventColumns+` JOIN room o ON o.scope = e.scope
		WHERE e.pos >= $1 AND e.pos < $2 AND e.ref IS NOT NULL ORDER BY e.pos`, from, next)
	return out, next, rows(r, err, func(r *sql.Rows) error {
		var x RoomEvent
		var err error
		x.Event, err = scanEvent(func(dst ...any) error { return r.Scan(append([]any{&x.Scope}, dst...)...) })
		out = append(out, x)
		return err
	})
}

// Place is where in the live view an event of a room's history stands: before the event at Before, among others
// there in the order of Ord. An event that stands where it arrived has Before = its position and Ord = [Last].
type Place struct{ Before, Ord int64 }

// Last is the Ord of an event that stands where it arrived: behind the history that was put before it.
const Last = int64(1) << 62

// InsertHistory stores that the event at pos belongs to an earlier place of its room.
func InsertHistory(ctx context.Context, tx *sqldb.Tx, scope, pos int64, p Place) error {
	_, err := tx.Exec(ctx, `INSERT INTO history (pos, scope, place, ord) VALUES ($1, $2, $3, $4)`, pos, scope, p.Before, p.Ord)
	return err
}

// HistoryPlace returns where an event that was brought in later stands, or [ErrNotFound] if it stands where it
// arrived.
func HistoryPlace(ctx context.Context, q sqldb.Queryer, pos int64) (Place, error) {
	var p Place
	err := q.QueryRow(ctx, `SELECT place, ord FROM history WHERE pos = $1`, pos).Scan(&p.Before, &p.Ord)
	return p, notFound(err)
}

// FirstHistory returns the lowest ord of the history before an event of a room, or 0 if there is none.
func FirstHistory(ctx context.Context, q sqldb.Queryer, scope, before int64) (int64, error) {
	var ord sql.NullInt64
	err := q.QueryRow(ctx, `SELECT min(ord) FROM history WHERE scope = $1 AND place = $2`, scope, before).Scan(&ord)
	return ord.Int64, err
}

// PlaceOfHistory returns the position before which the history stands that bridges have brought into a room, or
// [ErrNotFound] if they have brought in none.
func PlaceOfHistory(ctx context.Context, q sqldb.Queryer, scope int64) (int64, error) {
	var place int64
	err := q.QueryRow(ctx, `SELECT place FROM history WHERE scope = $1 ORDER BY place LIMIT 1`, scope).Scan(&place)
	return place, notFound(err)
}

// FirstMessage returns the position of the oldest message of a room that stands where it arrived, or
// [ErrNotFound].
func FirstMessage(ctx context.Context, q sqldb.Queryer, scope int64) (int64, error) {
	var pos int64
	err := q.QueryRow(ctx, `SELECT e.pos FROM entry e WHERE e.scope = $1 AND e.class = 1
		AND NOT EXISTS (SELECT 1 FROM history h WHERE h.pos = e.pos) ORDER BY e.pos LIMIT 1`, scope).Scan(&pos)
	return pos, notFound(err)
}

// History returns at most limit events of a room that were brought in later and stand between two places, from
// included, to not: the last of them, in order, or the first of them if forward.
func History(ctx context.Context, q sqldb.Queryer, scope int64, from, to Place, limit int, forward bool) ([]Event, []Place, error) {
	order := "DESC"
	if forward {
		order = "ASC"
	}
	r, err := q.Query(ctx, `SELECT h.place, h.ord, `+eventColumns+` JOIN history h ON h.pos = e.pos
		WHERE h.scope = $1 AND (h.place > $2 OR h.place = $2 AND h.ord >= $3) AND (h.place < $4 OR h.place = $4 AND h.ord < $5)
		ORDER BY h.place `+order+`, h.ord `+order+` LIMIT $6`, scope, from.Before, from.Ord, to.Before, to.Ord, limit)
	var out []Event
	var places []Place
	err = rows(r, err, func(r *sql.Rows) error {
		var p Place
		e, err := scanEvent(func(dst ...any) error { return r.Scan(append([]any{&p.Before, &p.Ord}, dst...)...) })
		out, places = append(out, e), append(places, p)
		return err
	})
	if !forward {
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
			places[i], places[j] = places[j], places[i]
		}
	}
	return out, places, err
}

// SetEventAlias stores the name that a bridge gave to an event.
func SetEventAlias(ctx context.Context, tx *sqldb.Tx, service, alias string, ref []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO event_alias (service, alias, ref) VALUES ($1, $2, $3) ON CONFLICT (service, alias) DO NOTHING`, service, alias, ref)
	return err
}

// EventByAlias returns the reference of the event to which a bridge gave a name, or [ErrNotFound].
func EventByAlias(ctx context.Context, q sqldb.Queryer, service, alias string) ([]byte, error) {
	var ref []byte
	err := q.QueryRow(ctx, `SELECT ref FROM event_alias WHERE service = $1 AND alias = $2`, service, alias).Scan(&ref)
	return ref, notFound(err)
}

// EventAlias returns the name that a bridge gave to an event, or [ErrNotFound].
func EventAlias(ctx context.Context, q sqldb.Queryer, service string, ref []byte) (string, error) {
	var alias string
	err := q.QueryRow(ctx, `SELECT alias FROM event_alias WHERE service = $1 AND ref = $2 ORDER BY alias LIMIT 1`, service, ref).Scan(&alias)
	return alias, notFound(err)
}

// HasEventAliases reports whether a bridge has given names to events at all.
func HasEventAliases(ctx context.Context, q sqldb.Queryer, service string) (bool, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM event_alias WHERE service = $1 LIMIT 1) x`, service).Scan(&n)
	return n > 0, err
}
