package store

import (
	"context"
	"database/sql"

	"despatch/internal/matrix"
	"despatch/internal/sqldb"
)

// LastEvents calls fn for every room with the position of its last event.
func LastEvents(ctx context.Context, q sqldb.Queryer, fn func(scope, pos int64) error) error {
	r, err := q.Query(ctx, `SELECT r.scope, coalesce((SELECT max(e.pos) FROM entry e WHERE e.scope = r.scope), r.pos) FROM room r`)
	return rows(r, err, func(r *sql.Rows) error {
		var scope, pos int64
		if err := r.Scan(&scope, &pos); err != nil {
			return err
		}
		return fn(scope, pos)
	})
}

// LastMessage returns the position of the last message of a room before a position, or -1.
func LastMessage(ctx context.Context, q sqldb.Queryer, scope, before int64) (int64, error) {
	var pos int64
	err := q.QueryRow(ctx, `SELECT e.pos FROM entry e WHERE e.scope = $1 AND e.pos < $2 AND e.class = 1 AND `+arrived+` ORDER BY e.pos DESC LIMIT 1`, scope, before).Scan(&pos)
	if notFound(err) == ErrNotFound {
		return -1, nil
	}
	return pos, err
}

// CreateEvents calls fn with the create event of each of some rooms.
func CreateEvents(ctx context.Context, q sqldb.Queryer, scopes []int64, fn func(scope int64, body []byte) error) error {
	r, err := q.Query(ctx, `SELECT r.scope, e.body FROM room r JOIN entry e ON e.pos = r.pos WHERE `+among(q, "r.scope"), list(q, scopes))
	return rows(r, err, func(r *sql.Rows) error {
		var scope int64
		var body []byte
		if err := r.Scan(&scope, &body); err != nil {
			return err
		}
		return fn(scope, body)
	})
}

// StateOfType returns a room's state events of a type before a position, at most limit.
func StateOfType(ctx context.Context, q sqldb.Queryer, scope int64, typ string, before int64, limit int) ([]Event, error) {
	r, err := q.Query(ctx, `SELECT `+eventColumns+currentState+` AND s.type = $3 ORDER BY e.pos LIMIT $4`, scope, before, typ, limit)
	return events(r, err)
}

// AccountDataOf returns somebody's account data of one room, or what belongs to no room if room is "".
func AccountDataOf(ctx context.Context, q sqldb.Queryer, user matrix.UserID, room matrix.RoomID) ([]AccountData, error) {
	var out []AccountData
	r, err := q.Query(ctx, `SELECT type, content, stream FROM account_data WHERE user_id = $1 AND room = $2 ORDER BY stream`, user, room)
	return out, rows(r, err, func(r *sql.Rows) error {
		x := AccountData{User: user, Room: room}
		err := r.Scan(&x.Type, &x.Content, &x.Stream)
		out = append(out, x)
		return err
	})
}

// AccountDataOfType returns somebody's account data of one type by room.
func AccountDataOfType(ctx context.Context, q sqldb.Queryer, user matrix.UserID, typ string) ([]AccountData, error) {
	var out []AccountData
	r, err := q.Query(ctx, `SELECT room, content, stream FROM account_data WHERE user_id = $1 AND type = $2 ORDER BY room`, user, typ)
	return out, rows(r, err, func(r *sql.Rows) error {
		x := AccountData{User: user, Type: typ}
		err := r.Scan(&x.Room, &x.Content, &x.Stream)
		out = append(out, x)
		return err
	})
}

// ToDeviceNumbered calls fn for the messages to a device with from < id <= to, in order, at most limit.
func ToDeviceNumbered(ctx context.Context, q sqldb.Queryer, user matrix.UserID, device string, from, to int64, limit int, fn func(id int64, content []byte)) error {
	r, err := q.Query(ctx, `SELECT id, content FROM to_device
		WHERE user_id = $1 AND device = $2 AND id > $3 AND id <= $4 ORDER BY id LIMIT $5`, user, device, from, to, limit)
	return rows(r, err, func(r *sql.Rows) error {
		var id int64
		var content []byte
		if err := r.Scan(&id, &content); err != nil {
			return err
		}
		fn(id, content)
		return nil
	})
}
