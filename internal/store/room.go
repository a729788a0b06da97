package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"

	"despatch/internal/matrix"
	"despatch/internal/sqldb"
)

// EventRef is the reference under which an event is on the record: the hash that is its id.
func EventRef(id matrix.EventID) ([]byte, bool) {
	if len(id) != 44 || id[0] != '$' {
		return nil, false
	}
	ref, err := base64.RawURLEncoding.DecodeString(string(id[1:]))
	return ref, err == nil && len(ref) == 32
}

// EventID is the id of the event with a reference.
func EventID(ref []byte) matrix.EventID {
	b := make([]byte, 1, 44)
	b[0] = '$'
	return matrix.EventID(base64.RawURLEncoding.AppendEncode(b, ref))
}

// Room is a conversation.
type Room struct {
	Scope   int64
	ID      matrix.RoomID
	Version matrix.RoomVersion
	Creator matrix.UserID
	Pos     int64 // of its create event
}

// InsertRoom stores a new room.
func InsertRoom(ctx context.Context, tx *sqldb.Tx, r Room) error {
	_, err := tx.Exec(ctx, `INSERT INTO room (scope, room_id, version, creator, pos) VALUES ($1, $2, $3, $4, $5)`,
		r.Scope, r.ID, r.Version, r.Creator, r.Pos)
	return err
}

// RoomByID returns a room, or [ErrNotFound].
func RoomByID(ctx context.Context, q sqldb.Queryer, id matrix.RoomID) (Room, error) {
	r := Room{ID: id}
	err := q.QueryRow(ctx, `SELECT scope, version, creator, pos FROM room WHERE room_id = $1`, id).
		Scan(&r.Scope, &r.Version, &r.Creator, &r.Pos)
	return r, notFound(err)
}

// Rooms calls fn for every room.
func Rooms(ctx context.Context, q sqldb.Queryer, fn func(Room) error) error {
	r, err := q.Query(ctx, `SELECT scope, room_id, version, creator, pos FROM room ORDER BY scope`)
	return rows(r, err, func(r *sql.Rows) error {
		var x Room
		if err := r.Scan(&x.Scope, &x.ID, &x.Version, &x.Creator, &x.Pos); err != nil {
			return err
		}
		return fn(x)
	})
}

// InsertState stores that the event at pos is a state event of a room.
func InsertState(ctx context.Context, tx *sqldb.Tx, scope int64, typ, key string, pos int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO room_state (scope, type, state_key, pos) VALUES ($1, $2, $3, $4)`, scope, typ, key, pos)
	return err
}

// Member is somebody's membership of a room.
type Member struct {
	User       matrix.UserID
	Scope      int64
	Membership string
	Pos        int64 // since when
}

// SetMember stores a membership. Where it is as it was, as when a name changes, it holds since when it did.
func SetMember(ctx context.Context, tx *sqldb.Tx, m Member) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO member (user_id, scope, membership, pos) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, scope) DO UPDATE SET membership = excluded.membership,
		pos = CASE WHEN member.membership = excluded.membership THEN member.pos ELSE excluded.pos END`,
		m.User, m.Scope, m.Membership, m.Pos)
	return err
}

// Members calls fn for every membership there is.
func Members(ctx context.Context, q sqldb.Queryer, fn func(Member) error) error {
	r, err := q.Query(ctx, `SELECT user_id, scope, membership, pos FROM member`)
	return rows(r, err, func(r *sql.Rows) error {
		var m Member
		if err := r.Scan(&m.User, &m.Scope, &m.Membership, &m.Pos); err != nil {
			return err
		}
		return fn(m)
	})
}

// Event is a stored event with what it takes to show it.
type Event struct {
	Pos    int64
	Time   int64
	Class  Class
	Ref    []byte
	Body   []byte // nil once destroyed
	Pruned bool
	Reason string // why it was pruned
	ByRef  []byte // the redaction that pruned it
	ByBody []byte
}

const eventColumns = `e.pos, e.time, e.class, e.ref, e.body, p.reason, r.ref, r.body
	FROM entry e LEFT JOIN pruned p ON p.pos = e.pos LEFT JOIN entry r ON r.pos = p.by_pos`

func scanEvent(scan func(...any) error) (Event, error) {
	var e Event
	var class int64
	var reason sql.NullString
	err := scan(&e.Pos, &e.Time, &class, &e.Ref, &e.Body, &reason, &e.ByRef, &e.ByBody)
	e.Class, e.Pruned, e.Reason = Class(class), reason.Valid, reason.String
	return e, err
}

func events(r *sql.Rows, err error) ([]Event, error) {
	var out []Event
	err = rows(r, err, func(r *sql.Rows) error {
		e, err := scanEvent(r.Scan)
		out = append(out, e)
		return err
	})
	return out, err
}

// arrived leaves out what bridges brought in of earlier times; see [History].
const arrived = `NOT EXISTS (SELECT 1 FROM history h WHERE h.pos = e.pos)`

// Timeline returns at most limit events of a room with from <= position < to: the last of them, in
// order, or the first of them if forward. What bridges brought in of earlier times is not among them.
func Timeline(ctx context.Context, q sqldb.Queryer, scope, from, to int64, limit int, forward bool) ([]Event, error) {
	if forward {
		r, err := q.Query(ctx, `SELECT `+eventColumns+`
			WHERE e.scope = $1 AND e.pos >= $2 AND e.pos < $3 AND `+arrived+` ORDER BY e.pos LIMIT $4`, scope, from, to, limit)
		return events(r, err)
	}
	r, err := q.Query(ctx, `SELECT `+eventColumns+`
		WHERE e.scope = $1 AND e.pos >= $2 AND e.pos < $3 AND `+arrived+` ORDER BY e.pos DESC LIMIT $4`, scope, from, to, limit)
	out, err := events(r, err)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}

// EventByRef returns an event and the scope it is in, or [ErrNotFound].
func EventByRef(ctx context.Context, q sqldb.Queryer, ref []byte) (Event, int64, error) {
	var scope int64
	e, err := scanEvent(func(dst ...any) error {
		return q.QueryRow(ctx, `SELECT e.scope, `+eventColumns+` WHERE e.ref = $1`, ref).Scan(append([]any{&scope}, dst...)...)
	})
	return e, scope, notFound(err)
}

// currentState is the newest state event of each type and key before a position.
const currentState = `
	JOIN room_state s ON s.pos = e.pos
	WHERE s.scope = $1 AND s.pos < $2
	AND s.pos = (SELECT max(t.pos) FROM room_state t
		WHERE t.scope = s.scope AND t.type = s.type AND t.state_key = s.state_key AND t.pos < $2)`

// State returns the state of a room before a position: without the member events if not members.
func State(ctx context.Context, q sqldb.Queryer, scope, before int64, members bool) ([]Event, error) {
	if members {
		r, err := q.Query(ctx, `SELECT `+eventColumns+currentState+` ORDER BY e.pos`, scope, before)
		return events(r, err)
	}
	r, err := q.Query(ctx, `SELECT `+eventColumns+currentState+` AND s.type <> 'm.room.member' ORDER BY e.pos`, scope, before)
	return events(r, err)
}

// MemberState returns the member events of a room before a position.
func MemberState(ctx context.Context, q sqldb.Queryer, scope, before int64) ([]Event, error) {
	r, err := q.Query(ctx, `SELECT `+eventColumns+currentState+` AND s.type = 'm.room.member' ORDER BY e.pos`, scope, before)
	return events(r, err)
}

// StateSince returns the state events of a room with from <= position < to that are still current at to.
func StateSince(ctx context.Context, q sqldb.Queryer, scope, from, to int64) ([]Event, error) {
	r, err := q.Query(ctx, `SELECT `+eventColumns+currentState+` AND s.pos >= $3 ORDER BY e.pos`, scope, to, from)
	return events(r, err)
}

// StateEvent returns the state event of a type and key before a position, or [ErrNotFound].
func StateEvent(ctx context.Context, q sqldb.Queryer, scope int64, typ, key string, before int64) (Event, error) {
	e, err := scanEvent(q.QueryRow(ctx, `SELECT `+eventColumns+`
		WHERE e.pos = (SELECT max(pos) FROM room_state WHERE scope = $1 AND type = $2 AND state_key = $3 AND pos < $4)`,
		scope, typ, key, before).Scan)
	return e, notFound(err)
}

// Prune has participants shown only what a redaction leaves of the event at pos. The first redaction counts.
func Prune(ctx context.Context, tx *sqldb.Tx, pos, by int64, reason string) error {
	_, err := tx.Exec(ctx, `INSERT INTO pruned (pos, by_pos, reason) VALUES ($1, $2, $3) ON CONFLICT (pos) DO NOTHING`, pos, by, reason)
	return err
}

// SetExpiry stores when the message at pos disappears from the live view.
func SetExpiry(ctx context.Context, tx *sqldb.Tx, at, pos int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO expiry (at, pos) VALUES ($1, $2) ON CONFLICT (at, pos) DO NOTHING`, at, pos)
	return err
}

// Expiry is a message that is due to disappear.
type Expiry struct{ At, Pos int64 }

// Expiries returns the messages that are due at a time, at most limit.
func Expiries(ctx context.Context, q sqldb.Queryer, now int64, limit int) ([]Expiry, error) {
	var out []Expiry
	r, err := q.Query(ctx, `SELECT at, pos FROM expiry WHERE at <= $1 ORDER BY at, pos LIMIT $2`, now, limit)
	return out, rows(r, err, func(r *sql.Rows) error {
		var x Expiry
		err := r.Scan(&x.At, &x.Pos)
		out = append(out, x)
		return err
	})
}

// NextExpiry returns when the next message is due, or 0 if none is.
func NextExpiry(ctx context.Context, q sqldb.Queryer) (int64, error) {
	var at sql.NullInt64
	err := q.QueryRow(ctx, `SELECT min(at) FROM expiry`).Scan(&at)
	return at.Int64, err
}

// DeleteExpiry removes a message from those that are due.
func DeleteExpiry(ctx context.Context, tx *sqldb.Tx, x Expiry) error {
	_, err := tx.Exec(ctx, `DELETE FROM expiry WHERE at = $1 AND pos = $2`, x.At, x.Pos)
	return err
}

// InsertRelation stores that the event at pos relates to another.
func InsertRelation(ctx context.Context, tx *sqldb.Tx, target []byte, pos int64, relType string) error {
	_, err := tx.Exec(ctx, `INSERT INTO relation (target, pos, rel_type) VALUES ($1, $2, $3) ON CONFLICT (target, pos) DO NOTHING`, target, pos, relType)
	return err
}

// RelationsOf says which relations of an event are wanted.
type RelationsOf struct {
	Type     string // "" for all but replies, which are no relations to the Client-Server API
	Scope    int64
	From, To int64 // From <= position < To
	Limit    int
	Forward  bool // the oldest first
}

// Relations returns events of a room that relate to another, the newest first.
func Relations(ctx context.Context, q sqldb.Queryer, target []byte, w RelationsOf) ([]Event, error) {
	order := "DESC"
	if w.Forward {
		order = "ASC"
	}
	r, err := q.Query(ctx, `SELECT `+eventColumns+` JOIN relation x ON x.pos = e.pos
		WHERE x.target = $1 AND (x.rel_type = $2 OR $2 = '' AND x.rel_type <> 'm.in_reply_to') AND e.scope = $3 AND x.pos >= $4 AND x.pos < $5
		ORDER BY x.pos `+order+` LIMIT $6`, target, w.Type, w.Scope, w.From, w.To, w.Limit)
	return events(r, err)
}

// Aggregate is what has been said in relation to an event and has not been deleted.
type Aggregate struct {
	Target int64  // the position of that event
	Type   string // m.thread or m.replace
	Count  int
	Last   int64 // position of the newest
	Own    bool  // whether one person, who was asked about, has said some of it
}

// Aggregates returns the threads on, and the edits of, the events at some positions, as far as they came
// before a position and, of edits, as far as the sender of the event made them.
func Aggregates(ctx context.Context, q sqldb.Queryer, positions []int64, before, sender int64) ([]Aggregate, error) {
	var out []Aggregate
	r, err := q.Query(ctx, `
		SELECT t.pos, x.rel_type, count(*), max(e.pos), max(CASE WHEN e.sender = $3 THEN 1 ELSE 0 END)
		FROM entry t JOIN relation x ON x.target = t.ref JOIN entry e ON e.pos = x.pos LEFT JOIN pruned p ON p.pos = e.pos
		WHERE `+among(q, "t.pos")+` AND x.rel_type IN ('m.replace', 'm.thread') AND x.pos < $2 AND e.scope = t.scope
		AND p.pos IS NULL AND e.body IS NOT NULL AND (x.rel_type <> 'm.replace' OR e.sender = t.sender)
		GROUP BY t.pos, x.rel_type`, list(q, positions), before, sender)
	return out, rows(r, err, func(r *sql.Rows) error {
		var a Aggregate
		var own int
		err := r.Scan(&a.Target, &a.Type, &a.Count, &a.Last, &own)
		a.Own = own != 0
		out = append(out, a)
		return err
	})
}

// Threads returns the roots of a room's threads with from <= position < to, those whose newest message is the newest first,
// and the position of that message of each. If sender is not 0 only those in which that person takes part.
func Threads(ctx context.Context, q sqldb.Queryer, scope, from, to, before, sender int64, limit int) (roots []Event, last []int64, err error) {
	r, err := q.Query(ctx, `
		SELECT t.pos, max(x.pos)
		FROM relation x JOIN entry e ON e.pos = x.pos JOIN entry t ON t.ref = x.target LEFT JOIN pruned p ON p.pos = e.pos
		WHERE x.rel_type = 'm.thread' AND e.scope = $1 AND t.scope = $1 AND t.pos >= $2 AND e.pos < $3
		AND p.pos IS NULL AND e.body IS NOT NULL
		GROUP BY t.pos, t.sender
		HAVING max(x.pos) < $4 AND ($5 = 0 OR t.sender = $5 OR max(CASE WHEN e.sender = $5 THEN 1 ELSE 0 END) = 1)
		ORDER BY max(x.pos) DESC LIMIT $6`, scope, from, to, before, sender, limit)
	var positions []int64
	err = rows(r, err, func(r *sql.Rows) error {
		var root, newest int64
		err := r.Scan(&root, &newest)
		positions, last = append(positions, root), append(last, newest)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	byPos, err := EventsAt(ctx, q, positions)
	for _, pos := range positions {
		roots = append(roots, byPos[pos])
	}
	return roots, last, err
}

// EventsAt returns the events at some positions.
func EventsAt(ctx context.Context, q sqldb.Queryer, positions []int64) (map[int64]Event, error) {
	out := make(map[int64]Event)
	r, err := q.Query(ctx, `SELECT `+eventColumns+` WHERE `+among(q, "e.pos"), list(q, positions))
	found, err := events(r, err)
	for _, e := range found {
		out[e.Pos] = e
	}
	return out, err
}

// CountMessages counts, up to limit, the messages of a room at or after a position that others than
// sender have sent and that have not been deleted.
func CountMessages(ctx context.Context, q sqldb.Queryer, scope, from, sender int64, limit int) (int, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM (
		SELECT 1 FROM entry e LEFT JOIN pruned p ON p.pos = e.pos
		WHERE e.scope = $1 AND e.pos >= $2 AND e.class = 1 AND e.sender <> $3 AND p.pos IS NULL LIMIT $4) x`,
		scope, from, sender, limit).Scan(&n)
	return n, err
}

// LastSent returns the position of the last message that a sender sent to a room, or -1.
func LastSent(ctx context.Context, q sqldb.Queryer, scope, from, sender int64) (int64, error) {
	var pos sql.NullInt64
	err := q.QueryRow(ctx, `SELECT max(pos) FROM entry WHERE scope = $1 AND pos >= $2 AND class = 1 AND sender = $3`, scope, from, sender).Scan(&pos)
	if !pos.Valid {
		return -1, err
	}
	return pos.Int64, err
}

// Receipt says how far somebody has read.
type Receipt struct {
	Scope  int64
	User   matrix.UserID
	Type   string // m.read, m.read.private or m.fully_read
	Thread string // "", "main" or the id of the thread's root
	Event  matrix.EventID
	Pos    int64 // of that event
	Time   int64
	Stream int64
}

// SetReceipt stores a receipt; it never goes backwards.
func SetReceipt(ctx context.Context, tx *sqldb.Tx, r Receipt) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO receipt (scope, user_id, type, thread, event, pos, time, stream) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (scope, user_id, type, thread) DO UPDATE
		SET event = excluded.event, pos = excluded.pos, time = excluded.time, stream = excluded.stream
		WHERE receipt.pos < excluded.pos`,
		r.Scope, r.User, r.Type, r.Thread, r.Event, r.Pos, r.Time, r.Stream)
	return err
}

// Receipts returns the receipts of a room that came after a place in the side stream.
func Receipts(ctx context.Context, q sqldb.Queryer, scope, after int64) ([]Receipt, error) {
	var out []Receipt
	r, err := q.Query(ctx, `
		SELECT scope, user_id, type, thread, event, pos, time, stream FROM receipt
		WHERE scope = $1 AND stream > $2 ORDER BY stream`, scope, after)
	return out, rows(r, err, func(r *sql.Rows) error {
		var x Receipt
		err := r.Scan(&x.Scope, &x.User, &x.Type, &x.Thread, &x.Event, &x.Pos, &x.Time, &x.Stream)
		out = append(out, x)
		return err
	})
}

// ReadUpTo returns the position of the last event that somebody has read in a room, or -1.
func ReadUpTo(ctx context.Context, q sqldb.Queryer, scope int64, user matrix.UserID) (int64, error) {
	var pos sql.NullInt64
	err := q.QueryRow(ctx, `
		SELECT max(pos) FROM receipt
		WHERE scope = $1 AND user_id = $2 AND type IN ('m.read', 'm.read.private') AND thread IN ('', 'main')`, scope, user).Scan(&pos)
	if !pos.Valid {
		return -1, err
	}
	return pos.Int64, err
}

// AccountData is something that a client keeps for its user.
type AccountData struct {
	User    matrix.UserID
	Room    matrix.RoomID // "" for data that belongs to no room
	Type    string
	Content []byte
	Stream  int64
}

// SetAccountData stores account data.
func SetAccountData(ctx context.Context, tx *sqldb.Tx, a AccountData) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO account_data (user_id, room, type, content, stream) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (user_id, room, type) DO UPDATE SET content = excluded.content, stream = excluded.stream`,
		a.User, a.Room, a.Type, a.Content, a.Stream)
	return err
}

// AccountDataSince returns somebody's account data that changed after a place in the side stream.
func AccountDataSince(ctx context.Context, q sqldb.Queryer, user matrix.UserID, after int64) ([]AccountData, error) {
	var out []AccountData
	r, err := q.Query(ctx, `SELECT room, type, content, stream FROM account_data WHERE user_id = $1 AND stream > $2 ORDER BY stream`, user, after)
	return out, rows(r, err, func(r *sql.Rows) error {
		x := AccountData{User: user}
		err := r.Scan(&x.Room, &x.Type, &x.Content, &x.Stream)
		out = append(out, x)
		return err
	})
}

// AccountDatum returns one piece of account data, or [ErrNotFound].
func AccountDatum(ctx context.Context, q sqldb.Queryer, user matrix.UserID, room matrix.RoomID, typ string) ([]byte, error) {
	var content []byte
	err := q.QueryRow(ctx, `SELECT content FROM account_data WHERE user_id = $1 AND room = $2 AND type = $3`, user, room, typ).Scan(&content)
	return content, notFound(err)
}

// CountAccountData counts the pieces of account data somebody has.
func CountAccountData(ctx context.Context, q sqldb.Queryer, user matrix.UserID) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM account_data WHERE user_id = $1`, user).Scan(&n)
	return n, err
}

// LastStream returns the furthest place in the side stream that is stored.
func LastStream(ctx context.Context, q sqldb.Queryer) (int64, error) {
	var a, b, c int64
	if err := q.QueryRow(ctx, `SELECT coalesce(max(stream), 0) FROM receipt`).Scan(&a); err != nil {
		return 0, err
	}
	if err := q.QueryRow(ctx, `SELECT coalesce(max(stream), 0) FROM account_data`).Scan(&b); err != nil {
		return 0, err
	}
	err := q.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM to_device`).Scan(&c)
	return max(a, b, c), err
}

// SetBlob stores something for a client under a kind and a name.
func SetBlob(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, kind, name string, content []byte) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO client_blob (user_id, kind, name, content) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, kind, name) DO UPDATE SET content = excluded.content`, user, kind, name, content)
	return err
}

// Blob returns what a client has stored, or [ErrNotFound].
func Blob(ctx context.Context, q sqldb.Queryer, user matrix.UserID, kind, name string) ([]byte, error) {
	var content []byte
	err := q.QueryRow(ctx, `SELECT content FROM client_blob WHERE user_id = $1 AND kind = $2 AND name = $3`, user, kind, name).Scan(&content)
	return content, notFound(err)
}

// Blobs calls fn for everything of a kind that somebody's clients have stored.
func Blobs(ctx context.Context, q sqldb.Queryer, user matrix.UserID, kind string, fn func(name string, content []byte) error) error {
	r, err := q.Query(ctx, `SELECT name, content FROM client_blob WHERE user_id = $1 AND kind = $2 ORDER BY name`, user, kind)
	return rows(r, err, func(r *sql.Rows) error {
		var name string
		var content []byte
		if err := r.Scan(&name, &content); err != nil {
			return err
		}
		return fn(name, content)
	})
}

// CountBlobs counts what somebody's clients have stored of a kind.
func CountBlobs(ctx context.Context, q sqldb.Queryer, user matrix.UserID, kind string) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM client_blob WHERE user_id = $1 AND kind = $2`, user, kind).Scan(&n)
	return n, err
}

// DeleteBlob removes what a client has stored.
func DeleteBlob(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, kind, name string) error {
	_, err := tx.Exec(ctx, `DELETE FROM client_blob WHERE user_id = $1 AND kind = $2 AND name = $3`, user, kind, name)
	return err
}

// AddToDevice stores a message to one of somebody's devices.
func AddToDevice(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, device string, id int64, content []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO to_device (id, user_id, device, content) VALUES ($1, $2, $3, $4)`, id, user, device, content)
	return err
}

// ToDevice calls fn for the messages to a device with from < id <= to, in order.
func ToDevice(ctx context.Context, q sqldb.Queryer, user matrix.UserID, device string, from, to int64, fn func(content []byte)) error {
	r, err := q.Query(ctx, `SELECT content FROM to_device
		WHERE user_id = $1 AND device = $2 AND id > $3 AND id <= $4 ORDER BY id`, user, device, from, to)
	return rows(r, err, func(r *sql.Rows) error {
		var content []byte
		if err := r.Scan(&content); err != nil {
			return err
		}
		fn(content)
		return nil
	})
}

// CountToDevice counts the messages that wait for a device.
func CountToDevice(ctx context.Context, q sqldb.Queryer, user matrix.UserID, device string) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM to_device WHERE user_id = $1 AND device = $2`, user, device).Scan(&n)
	return n, err
}

// DeleteToDevice removes the messages to a device that it has received: those up to an id.
func DeleteToDevice(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, device string, upTo int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM to_device WHERE user_id = $1 AND device = $2 AND id <= $3`, user, device, upTo)
	return err
}

// SetAlias stores an alias of a room.
func SetAlias(ctx context.Context, tx *sqldb.Tx, alias matrix.RoomAlias, room matrix.RoomID, creator matrix.UserID) error {
	_, err := tx.Exec(ctx, `INSERT INTO room_alias (alias, room_id, creator) VALUES ($1, $2, $3)`, alias, room, creator)
	if err != nil {
		return fmt.Errorf("alias %s: %w", alias, err)
	}
	return nil
}

// Alias returns the room of an alias and who made it, or [ErrNotFound].
func Alias(ctx context.Context, q sqldb.Queryer, alias matrix.RoomAlias) (room matrix.RoomID, creator matrix.UserID, err error) {
	err = q.QueryRow(ctx, `SELECT room_id, creator FROM room_alias WHERE alias = $1`, alias).Scan(&room, &creator)
	return room, creator, notFound(err)
}
