package store

import (
	"context"
	"database/sql"

	"despatch/internal/matrix"
	"despatch/internal/sqldb"
)

// StateAt is a state event at its position.
type StateAt struct {
	Pos  int64
	Body []byte // nil once destroyed
}

// StateHistory returns the first and the newest state events of a type and key, at most limit of the newest, in
// order.
func StateHistory(ctx context.Context, q sqldb.Queryer, scope int64, typ, key string, limit int) ([]StateAt, error) {
	var out []StateAt
	r, err := q.Query(ctx, `SELECT s.pos, e.body FROM room_state s JOIN entry e ON e.pos = s.pos
		WHERE s.scope = $1 AND s.type = $2 AND s.state_key = $3 ORDER BY s.pos DESC LIMIT $4`, scope, typ, key, limit)
	err = rows(r, err, func(r *sql.Rows) error {
		var x StateAt
		err := r.Scan(&x.Pos, &x.Body)
		out = append(out, x)
		return err
	})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}

// Unread is an event that somebody may not have read.
type Unread struct {
	Pos    int64
	Class  Class
	Sender int64 // hash
	Body   []byte
}

// Unreads returns the newest events of a room after a position that can notify somebody and have not been
// deleted, at most limit, in order.
func Unreads(ctx context.Context, q sqldb.Queryer, scope, after int64, limit int) ([]Unread, error) {
	var out []Unread
	r, err := q.Query(ctx, `
		SELECT e.pos, e.class, e.sender, e.body FROM entry e LEFT JOIN pruned p ON p.pos = e.pos
		WHERE e.scope = $1 AND e.pos > $2 AND e.class IN (0, 1, 5) AND e.body IS NOT NULL AND p.pos IS NULL AND `+arrived+`
		ORDER BY e.pos DESC LIMIT $3`, scope, after, limit)
	err = rows(r, err, func(r *sql.Rows) error {
		var x Unread
		var class int64
		err := r.Scan(&x.Pos, &class, &x.Sender, &x.Body)
		x.Class = Class(class)
		out = append(out, x)
		return err
	})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}

// ReceiptsOf returns how far somebody has read in a room, without the mark of what they have read in full.
func ReceiptsOf(ctx context.Context, q sqldb.Queryer, scope int64, user matrix.UserID) ([]Receipt, error) {
	var out []Receipt
	r, err := q.Query(ctx, `
		SELECT scope, user_id, type, thread, event, pos, time, stream FROM receipt
		WHERE scope = $1 AND user_id = $2 AND type IN ('m.read', 'm.read.private')`, scope, user)
	return out, rows(r, err, func(r *sql.Rows) error {
		var x Receipt
		err := r.Scan(&x.Scope, &x.User, &x.Type, &x.Thread, &x.Event, &x.Pos, &x.Time, &x.Stream)
		out = append(out, x)
		return err
	})
}

// Forget stores that somebody does not want to be shown a room, while their membership is that at pos.
func Forget(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, scope, pos int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO forgotten (user_id, scope, pos) VALUES ($1, $2, $3)
		ON CONFLICT (user_id, scope) DO UPDATE SET pos = excluded.pos`, user, scope, pos)
	return err
}

// Forgotten calls fn for every room that somebody has forgotten.
func Forgotten(ctx context.Context, q sqldb.Queryer, fn func(user matrix.UserID, scope, pos int64)) error {
	r, err := q.Query(ctx, `SELECT user_id, scope, pos FROM forgotten`)
	return rows(r, err, func(r *sql.Rows) error {
		var user matrix.UserID
		var scope, pos int64
		err := r.Scan(&user, &scope, &pos)
		fn(user, scope, pos)
		return err
	})
}

// SetDeviceChange stores when the keys of somebody's devices last changed.
func SetDeviceChange(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, stream int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO device_change (user_id, stream) VALUES ($1, $2)
		ON CONFLICT (user_id) DO UPDATE SET stream = excluded.stream`, user, stream)
	return err
}

// DeviceChanges calls fn with when the keys of everybody's devices last changed.
func DeviceChanges(ctx context.Context, q sqldb.Queryer, fn func(user matrix.UserID, stream int64)) error {
	r, err := q.Query(ctx, `SELECT user_id, stream FROM device_change`)
	return rows(r, err, func(r *sql.Rows) error {
		var user matrix.UserID
		var stream int64
		err := r.Scan(&user, &stream)
		fn(user, stream)
		return err
	})
}

// Key is a key of a device that is given to one who asks.
type Key struct {
	Algorithm, ID string
	Content       []byte
}

// AddOneTimeKey stores a one-time key under a number that says in what order keys are given out. A key that is
// there already stays; if it is another one, same is false.
func AddOneTimeKey(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, device string, id int64, k Key) (same bool, err error) {
	_, err = tx.Exec(ctx, `INSERT INTO one_time_key (id, user_id, device, algorithm, key_id, content) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (user_id, device, algorithm, key_id) DO NOTHING`, id, user, device, k.Algorithm, k.ID, k.Content)
	if err != nil {
		return false, err
	}
	var content []byte
	err = tx.QueryRow(ctx, `SELECT content FROM one_time_key WHERE user_id = $1 AND device = $2 AND algorithm = $3 AND key_id = $4`,
		user, device, k.Algorithm, k.ID).Scan(&content)
	return string(content) == string(k.Content), err
}

// CountOneTimeKeys counts the one-time keys that are left of a device.
func CountOneTimeKeys(ctx context.Context, q sqldb.Queryer, user matrix.UserID, device string) (map[string]int, error) {
	out := make(map[string]int)
	r, err := q.Query(ctx, `SELECT algorithm, count(*) FROM one_time_key WHERE user_id = $1 AND device = $2 GROUP BY algorithm`, user, device)
	return out, rows(r, err, func(r *sql.Rows) error {
		var algorithm string
		var n int
		err := r.Scan(&algorithm, &n)
		out[algorithm] = n
		return err
	})
}

// LastOneTimeKey returns the highest number that a one-time key has.
func LastOneTimeKey(ctx context.Context, q sqldb.Queryer) (n int64, err error) {
	err = q.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM one_time_key`).Scan(&n)
	return n, err
}

// TakeKey gives out the oldest one-time key of a device, or its fallback key, or [ErrNotFound].
func TakeKey(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, device, algorithm string) (Key, error) {
	k := Key{Algorithm: algorithm}
	var id int64
	err := tx.QueryRow(ctx, `SELECT id, key_id, content FROM one_time_key
		WHERE user_id = $1 AND device = $2 AND algorithm = $3 ORDER BY id LIMIT 1`, user, device, algorithm).Scan(&id, &k.ID, &k.Content)
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM one_time_key WHERE id = $1`, id)
		return k, err
	}
	if notFound(err) != ErrNotFound {
		return k, err
	}
	err = tx.QueryRow(ctx, `SELECT key_id, content FROM fallback_key WHERE user_id = $1 AND device = $2 AND algorithm = $3`,
		user, device, algorithm).Scan(&k.ID, &k.Content)
	if err != nil {
		return k, notFound(err)
	}
	_, err = tx.Exec(ctx, `UPDATE fallback_key SET used = 1 WHERE user_id = $1 AND device = $2 AND algorithm = $3`, user, device, algorithm)
	return k, err
}

// SetFallbackKey stores the key that is given out when there are no others.
func SetFallbackKey(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, device string, k Key) error {
	_, err := tx.Exec(ctx, `INSERT INTO fallback_key (user_id, device, algorithm, key_id, content, used) VALUES ($1, $2, $3, $4, $5, 0)
		ON CONFLICT (user_id, device, algorithm) DO UPDATE SET
		used = CASE WHEN fallback_key.key_id = excluded.key_id THEN fallback_key.used ELSE 0 END,
		key_id = excluded.key_id, content = excluded.content`,
		user, device, k.Algorithm, k.ID, k.Content)
	return err
}

// UnusedFallbackKeys returns the algorithms of which a device's fallback key has not been given out.
func UnusedFallbackKeys(ctx context.Context, q sqldb.Queryer, user matrix.UserID, device string) ([]string, error) {
	var out []string
	r, err := q.Query(ctx, `SELECT algorithm FROM fallback_key WHERE user_id = $1 AND device = $2 AND used = 0 ORDER BY algorithm`, user, device)
	return out, rows(r, err, func(r *sql.Rows) error {
		var a string
		err := r.Scan(&a)
		out = append(out, a)
		return err
	})
}

// DeleteDeviceKeys removes all keys of a device that has been signed out, what waits for it, and its pushers.
func DeleteDeviceKeys(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, device string) error {
	for _, text := range []string{
		`DELETE FROM one_time_key WHERE user_id = $1 AND device = $2`,
		`DELETE FROM fallback_key WHERE user_id = $1 AND device = $2`,
		`DELETE FROM client_blob WHERE user_id = $1 AND name = $2 AND kind = 'device_keys'`,
		`DELETE FROM to_device WHERE user_id = $1 AND device = $2`,
		`DELETE FROM refresh_token WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM pusher WHERE user_id = $1 AND device = $2`,
	} {
		if _, err := tx.Exec(ctx, text, user, device); err != nil {
			return err
		}
	}
	return nil
}

// Backup is a version of somebody's key backup.
type Backup struct {
	Version   int64
	Algorithm string
	AuthData  []byte
	ETag      int64
}

// CreateBackup stores a new version and returns its number.
func CreateBackup(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, b Backup) (version int64, err error) {
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) + 1 FROM key_backup WHERE user_id = $1`, user).Scan(&version); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO key_backup (user_id, version, algorithm, auth_data, etag, deleted) VALUES ($1, $2, $3, $4, 0, 0)`,
		user, version, b.Algorithm, b.AuthData)
	return version, err
}

// BackupVersion returns a version of a backup, the newest if version is 0, or [ErrNotFound].
func BackupVersion(ctx context.Context, q sqldb.Queryer, user matrix.UserID, version int64) (Backup, error) {
	var b Backup
	err := q.QueryRow(ctx, `SELECT version, algorithm, auth_data, etag FROM key_backup
		WHERE user_id = $1 AND deleted = 0 AND ($2 = 0 OR version = $2) ORDER BY version DESC LIMIT 1`, user, version).
		Scan(&b.Version, &b.Algorithm, &b.AuthData, &b.ETag)
	return b, notFound(err)
}

// UpdateBackup stores a version's auth_data and etag.
func UpdateBackup(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, b Backup) error {
	_, err := tx.Exec(ctx, `UPDATE key_backup SET auth_data = $1, etag = $2 WHERE user_id = $3 AND version = $4`, b.AuthData, b.ETag, user, b.Version)
	return err
}

// DeleteBackup removes a version with its keys. Its number is not given out again.
func DeleteBackup(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, version int64) error {
	if _, err := tx.Exec(ctx, `UPDATE key_backup SET deleted = 1, auth_data = $1 WHERE user_id = $2 AND version = $3`, []byte("{}"), user, version); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM key_backup_session WHERE user_id = $1 AND version = $2`, user, version)
	return err
}

// BackupKey is the key of one session in a backup.
type BackupKey struct {
	Room     matrix.RoomID
	Session  string
	Verified bool
	First    int64
	Forwards int64
	Content  []byte
}

// BackupKeys calls fn for the keys of a version: of one room if room is not "", of one session if session is not.
func BackupKeys(ctx context.Context, q sqldb.Queryer, user matrix.UserID, version int64, room matrix.RoomID, session string, fn func(BackupKey)) error {
	r, err := q.Query(ctx, `SELECT room, session, verified, first, forwards, content FROM key_backup_session
		WHERE user_id = $1 AND version = $2 AND ($3 = '' OR room = $3) AND ($4 = '' OR session = $4) ORDER BY room, session`, user, version, room, session)
	return rows(r, err, func(r *sql.Rows) error {
		var k BackupKey
		var verified int64
		err := r.Scan(&k.Room, &k.Session, &verified, &k.First, &k.Forwards, &k.Content)
		k.Verified = verified != 0
		fn(k)
		return err
	})
}

// SetBackupKey stores a key.
func SetBackupKey(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, version int64, k BackupKey) error {
	var verified int64
	if k.Verified {
		verified = 1
	}
	_, err := tx.Exec(ctx, `INSERT INTO key_backup_session (user_id, version, room, session, verified, first, forwards, content)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (user_id, version, room, session) DO UPDATE SET
		verified = excluded.verified, first = excluded.first, forwards = excluded.forwards, content = excluded.content`,
		user, version, k.Room, k.Session, verified, k.First, k.Forwards, k.Content)
	return err
}

// DeleteBackupKeys removes the keys of a version: of one room if room is not "", of one session if session is not.
func DeleteBackupKeys(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, version int64, room matrix.RoomID, session string) error {
	_, err := tx.Exec(ctx, `DELETE FROM key_backup_session WHERE user_id = $1 AND version = $2 AND ($3 = '' OR room = $3) AND ($4 = '' OR session = $4)`,
		user, version, room, session)
	return err
}

// CountBackupKeys counts the keys of a version.
func CountBackupKeys(ctx context.Context, q sqldb.Queryer, user matrix.UserID, version int64) (n int64, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM key_backup_session WHERE user_id = $1 AND version = $2`, user, version).Scan(&n)
	return n, err
}

// List puts a room into the directory, or takes it out.
func List(ctx context.Context, tx *sqldb.Tx, room matrix.RoomID, listed bool) error {
	text := `DELETE FROM room_directory WHERE room_id = $1`
	if listed {
		text = `INSERT INTO room_directory (room_id) VALUES ($1) ON CONFLICT (room_id) DO NOTHING`
	}
	_, err := tx.Exec(ctx, text, room)
	return err
}

// Listed reports whether a room is in the directory.
func Listed(ctx context.Context, q sqldb.Queryer, room matrix.RoomID) (bool, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM room_directory WHERE room_id = $1`, room).Scan(&n)
	return n > 0, err
}

// Directory returns the rooms in the directory, in the order of their ids.
func Directory(ctx context.Context, q sqldb.Queryer) ([]matrix.RoomID, error) {
	var out []matrix.RoomID
	r, err := q.Query(ctx, `SELECT room_id FROM room_directory ORDER BY room_id`)
	return out, rows(r, err, func(r *sql.Rows) error {
		var id matrix.RoomID
		err := r.Scan(&id)
		out = append(out, id)
		return err
	})
}

// Aliases returns the aliases of a room, sorted.
func Aliases(ctx context.Context, q sqldb.Queryer, room matrix.RoomID) ([]matrix.RoomAlias, error) {
	out := []matrix.RoomAlias{}
	r, err := q.Query(ctx, `SELECT alias FROM room_alias WHERE room_id = $1 ORDER BY alias`, room)
	return out, rows(r, err, func(r *sql.Rows) error {
		var a matrix.RoomAlias
		err := r.Scan(&a)
		out = append(out, a)
		return err
	})
}

// DeleteAlias removes an alias.
func DeleteAlias(ctx context.Context, tx *sqldb.Tx, alias matrix.RoomAlias) error {
	_, err := tx.Exec(ctx, `DELETE FROM room_alias WHERE alias = $1`, alias)
	return err
}

// MoveAliases makes the aliases of a room those of another.
func MoveAliases(ctx context.Context, tx *sqldb.Tx, from, to matrix.RoomID) error {
	_, err := tx.Exec(ctx, `UPDATE room_alias SET room_id = $1 WHERE room_id = $2`, to, from)
	return err
}

// ProfileFields calls fn for the further fields of somebody's profile.
func ProfileFields(ctx context.Context, q sqldb.Queryer, user matrix.UserID, fn func(name string, value []byte)) error {
	r, err := q.Query(ctx, `SELECT name, value FROM profile_field WHERE user_id = $1 ORDER BY name`, user)
	return rows(r, err, func(r *sql.Rows) error {
		var name string
		var value []byte
		err := r.Scan(&name, &value)
		fn(name, value)
		return err
	})
}

// SetProfileField stores a field of somebody's profile, or removes it if value is nil.
func SetProfileField(ctx context.Context, tx *sqldb.Tx, user matrix.UserID, name string, value []byte) error {
	if value == nil {
		_, err := tx.Exec(ctx, `DELETE FROM profile_field WHERE user_id = $1 AND name = $2`, user, name)
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO profile_field (user_id, name, value) VALUES ($1, $2, $3)
		ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value`, user, name, value)
	return err
}

// Pusher is where somebody's notifications go.
type Pusher struct {
	User           matrix.UserID
	AppID, PushKey string
	Device         string
	Content        []byte
}

// SetPusher stores a pusher.
func SetPusher(ctx context.Context, tx *sqldb.Tx, p Pusher) error {
	_, err := tx.Exec(ctx, `INSERT INTO pusher (user_id, app_id, pushkey, device, content) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (user_id, app_id, pushkey) DO UPDATE SET device = excluded.device, content = excluded.content`,
		p.User, p.AppID, p.PushKey, p.Device, p.Content)
	return err
}

// DeletePusher removes a pusher: one person's, or, if user is "", everybody's but that of not.
func DeletePusher(ctx context.Context, tx *sqldb.Tx, user, not matrix.UserID, appID, key string) error {
	_, err := tx.Exec(ctx, `DELETE FROM pusher WHERE (user_id = $1 OR $1 = '' AND user_id <> $2) AND app_id = $3 AND pushkey = $4`, user, not, appID, key)
	return err
}

// Pushers returns somebody's pushers.
func Pushers(ctx context.Context, q sqldb.Queryer, user matrix.UserID) ([]Pusher, error) {
	var out []Pusher
	r, err := q.Query(ctx, `SELECT user_id, app_id, pushkey, device, content FROM pusher WHERE user_id = $1 ORDER BY app_id, pushkey`, user)
	return out, rows(r, err, func(r *sql.Rows) error {
		var p Pusher
		err := r.Scan(&p.User, &p.AppID, &p.PushKey, &p.Device, &p.Content)
		out = append(out, p)
		return err
	})
}

// EventNear returns the event of a room with from <= position < to whose time is the nearest at or after a time,
// or with forward false at or before it; or [ErrNotFound].
func EventNear(ctx context.Context, q sqldb.Queryer, scope, from, to, at int64, forward bool) (ref []byte, time, pos int64, err error) {
	text := `SELECT ref, time, pos FROM entry WHERE scope = $1 AND pos >= $2 AND pos < $3 AND time <= $4 AND ref IS NOT NULL ORDER BY pos DESC LIMIT 1`
	if forward {
		text = `SELECT ref, time, pos FROM entry WHERE scope = $1 AND pos >= $2 AND pos < $3 AND time >= $4 AND ref IS NOT NULL ORDER BY pos LIMIT 1`
	}
	err = q.QueryRow(ctx, text, scope, from, to, at).Scan(&ref, &time, &pos)
	return ref, time, pos, notFound(err)
}

// Restriction says whether an account is suspended or locked, since when; 0 for not.
type Restriction struct{ Suspended, Locked int64 }

// PersonRestriction returns an account's restriction.
func PersonRestriction(ctx context.Context, q sqldb.Queryer, user string) (Restriction, error) {
	var x Restriction
	err := q.QueryRow(ctx, `SELECT suspended_at, locked_at FROM person_restriction WHERE user_id = $1`, user).Scan(&x.Suspended, &x.Locked)
	if notFound(err) == ErrNotFound {
		return x, nil
	}
	return x, err
}

// SetPersonRestriction stores an account's restriction.
func SetPersonRestriction(ctx context.Context, tx *sqldb.Tx, user string, x Restriction) error {
	_, err := tx.Exec(ctx, `INSERT INTO person_restriction (user_id, suspended_at, locked_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET suspended_at = excluded.suspended_at, locked_at = excluded.locked_at`, user, x.Suspended, x.Locked)
	return err
}

// Promise stores that a file may be uploaded under an id until a time.
func Promise(ctx context.Context, tx *sqldb.Tx, id string, uploader matrix.UserID, expires int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO media_promise (id, uploader, expires_at) VALUES ($1, $2, $3)`, id, uploader, expires)
	return err
}

// Promised returns who may upload a file under an id until when, or [ErrNotFound].
func Promised(ctx context.Context, q sqldb.Queryer, id string) (uploader matrix.UserID, expires int64, err error) {
	err = q.QueryRow(ctx, `SELECT uploader, expires_at FROM media_promise WHERE id = $1`, id).Scan(&uploader, &expires)
	return uploader, expires, notFound(err)
}

// CountPromises counts the files that somebody has yet to upload.
func CountPromises(ctx context.Context, q sqldb.Queryer, uploader matrix.UserID, now int64) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM media_promise WHERE uploader = $1 AND expires_at > $2`, uploader, now).Scan(&n)
	return n, err
}

// DeletePromise removes what [Promise] stored, and everything that has expired.
func DeletePromise(ctx context.Context, tx *sqldb.Tx, id string, now int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM media_promise WHERE id = $1 OR expires_at < $2`, id, now)
	return err
}

// Refresh is a token with which a device gets its next access token.
type Refresh struct {
	Token     [32]byte // hash
	Person    string
	Device    string
	ExpiresAt int64
	Used      int64 // when its successor was first made, or 0
}

// InsertRefresh stores a refresh token.
func InsertRefresh(ctx context.Context, tx *sqldb.Tx, x Refresh) error {
	_, err := tx.Exec(ctx, `INSERT INTO refresh_token (token, user_id, device_id, expires_at, used) VALUES ($1, $2, $3, $4, $5)`,
		x.Token[:], x.Person, x.Device, x.ExpiresAt, x.Used)
	return err
}

// RefreshByToken returns a refresh token, or [ErrNotFound].
func RefreshByToken(ctx context.Context, q sqldb.Queryer, token [32]byte) (Refresh, error) {
	x := Refresh{Token: token}
	err := q.QueryRow(ctx, `SELECT user_id, device_id, expires_at, used FROM refresh_token WHERE token = $1`, token[:]).
		Scan(&x.Person, &x.Device, &x.ExpiresAt, &x.Used)
	return x, notFound(err)
}

// UseRefresh stores that a refresh token has been used.
func UseRefresh(ctx context.Context, tx *sqldb.Tx, token [32]byte, at int64) error {
	_, err := tx.Exec(ctx, `UPDATE refresh_token SET used = $1 WHERE token = $2`, at, token[:])
	return err
}

// DeleteUsedRefresh removes the refresh tokens of a device that have been used.
func DeleteUsedRefresh(ctx context.Context, tx *sqldb.Tx, person, device string) error {
	_, err := tx.Exec(ctx, `DELETE FROM refresh_token WHERE user_id = $1 AND device_id = $2 AND used > 0`, person, device)
	return err
}

// SetSessionLife stores when a session's access token ends.
func SetSessionLife(ctx context.Context, tx *sqldb.Tx, token [32]byte, ends int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO session_life (token, ends_at) VALUES ($1, $2)
		ON CONFLICT (token) DO UPDATE SET ends_at = excluded.ends_at`, token[:], ends)
	return err
}

// SessionLife returns when a session's access token ends, or 0 if it has no such time.
func SessionLife(ctx context.Context, q sqldb.Queryer, token [32]byte) (ends int64, err error) {
	err = q.QueryRow(ctx, `SELECT ends_at FROM session_life WHERE token = $1`, token[:]).Scan(&ends)
	if notFound(err) == ErrNotFound {
		return 0, nil
	}
	return ends, err
}
