package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"despatch/internal/sqldb"
)

// Person is somebody with an account.
type Person struct {
	ID         string // Matrix user ID
	Name       string
	Avatar     string // mxc URI or ""
	CreatedAt  int64
	DisabledAt int64  // 0 if not disabled
	Password   string // hash, or "" if there is none
	PasswordAt int64
	PasswordBy string // who set it
}

// Device is what a person signed in from.
type Device struct {
	Person    string
	ID        string
	Name      string
	CreatedAt int64
	SeenAt    int64
	SeenFrom  string // address
}

// Session is a sign-in that is still good. Device is empty for the console.
type Session struct {
	Token     [32]byte // hash
	Person    string
	Device    string
	CreatedAt int64
	SeenAt    int64
	ExpiresAt int64
}

const personColumns = `user_id, name, avatar, created_at, disabled_at, password, password_at, password_by`

func scanPerson(scan func(...any) error) (Person, error) {
	var p Person
	err := scan(&p.ID, &p.Name, &p.Avatar, &p.CreatedAt, &p.DisabledAt, &p.Password, &p.PasswordAt, &p.PasswordBy)
	return p, notFound(err)
}

// PersonByID returns a person, or [ErrNotFound].
func PersonByID(ctx context.Context, q sqldb.Queryer, id string) (Person, error) {
	return scanPerson(q.QueryRow(ctx, `SELECT `+personColumns+` FROM person WHERE user_id = $1`, id).Scan)
}

// People returns at most limit people whose IDs come after the given one, in the order of IDs.
func People(ctx context.Context, q sqldb.Queryer, after string, limit int) ([]Person, error) {
	r, err := q.Query(ctx, `SELECT `+personColumns+` FROM person WHERE user_id > $1 ORDER BY user_id LIMIT $2`, after, limit)
	var out []Person
	return out, rows(r, err, func(r *sql.Rows) error {
		p, err := scanPerson(r.Scan)
		out = append(out, p)
		return err
	})
}

// InsertPerson stores a new person.
func InsertPerson(ctx context.Context, tx *sqldb.Tx, p Person) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO person (user_id, name, avatar, created_at, disabled_at, password, password_at, password_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		p.ID, p.Name, p.Avatar, p.CreatedAt, p.DisabledAt, p.Password, p.PasswordAt, p.PasswordBy)
	if err != nil {
		return fmt.Errorf("insert person %s: %w", p.ID, err)
	}
	return nil
}

// SetProfile changes how a person is shown.
func SetProfile(ctx context.Context, tx *sqldb.Tx, id, name, avatar string) error {
	_, err := tx.Exec(ctx, `UPDATE person SET name = $1, avatar = $2 WHERE user_id = $3`, name, avatar, id)
	return err
}

// SetDisabled disables a person from a time on, or with 0 enables them again.
func SetDisabled(ctx context.Context, tx *sqldb.Tx, id string, at int64) error {
	_, err := tx.Exec(ctx, `UPDATE person SET disabled_at = $1 WHERE user_id = $2`, at, id)
	return err
}

// SetPassword stores the hash of a person's password.
func SetPassword(ctx context.Context, tx *sqldb.Tx, id, hash string, at int64, by string) error {
	_, err := tx.Exec(ctx, `UPDATE person SET password = $1, password_at = $2, password_by = $3 WHERE user_id = $4`, hash, at, by, id)
	return err
}

// UpgradePassword replaces a hash by a stronger one of the same password, unless it was changed meanwhile.
func UpgradePassword(ctx context.Context, tx *sqldb.Tx, id, old, hash string) error {
	_, err := tx.Exec(ctx, `UPDATE person SET password = $1 WHERE user_id = $2 AND password = $3`, hash, id, old)
	return err
}

// SetWords replaces the words by which a person is found.
func SetWords(ctx context.Context, tx *sqldb.Tx, id string, words []string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM person_word WHERE user_id = $1`, id); err != nil {
		return err
	}
	for _, w := range words {
		if _, err := tx.Exec(ctx, `INSERT INTO person_word (word, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, []byte(w), id); err != nil {
			return fmt.Errorf("insert a word of %s: %w", id, err)
		}
	}
	return nil
}

// FindPeople returns at most limit people who are not disabled and have a word that begins with prefix,
// in the order of IDs. The prefix may not be empty.
func FindPeople(ctx context.Context, q sqldb.Queryer, prefix string, limit int) ([]Person, error) {
	end := append([]byte(prefix), 0xff) // greater than any UTF-8 that begins with prefix
	r, err := q.Query(ctx, `
		SELECT `+personColumns+` FROM person
		WHERE disabled_at = 0 AND user_id IN (SELECT user_id FROM person_word WHERE word >= $1 AND word < $2)
		ORDER BY user_id LIMIT $3`, []byte(prefix), end, limit)
	var out []Person
	return out, rows(r, err, func(r *sql.Rows) error {
		p, err := scanPerson(r.Scan)
		out = append(out, p)
		return err
	})
}

// PersonRoles returns the names of a person's roles.
func PersonRoles(ctx context.Context, q sqldb.Queryer, id string) ([]string, error) {
	r, err := q.Query(ctx, `SELECT role FROM person_role WHERE user_id = $1 ORDER BY role`, id)
	var out []string
	return out, rows(r, err, func(r *sql.Rows) error {
		var role string
		err := r.Scan(&role)
		out = append(out, role)
		return err
	})
}

// InRole returns the IDs of the people who have a role and are not disabled.
func InRole(ctx context.Context, q sqldb.Queryer, role string) ([]string, error) {
	r, err := q.Query(ctx, `
		SELECT p.user_id FROM person_role r JOIN person p ON p.user_id = r.user_id
		WHERE r.role = $1 AND p.disabled_at = 0 ORDER BY p.user_id`, role)
	var out []string
	return out, rows(r, err, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		out = append(out, id)
		return err
	})
}

// GrantRole gives a person a role that they do not have.
func GrantRole(ctx context.Context, tx *sqldb.Tx, id, role string, at int64, by string) error {
	_, err := tx.Exec(ctx, `INSERT INTO person_role (user_id, role, granted_at, granted_by) VALUES ($1, $2, $3, $4)`, id, role, at, by)
	if err != nil {
		return fmt.Errorf("grant %s to %s: %w", role, id, err)
	}
	return nil
}

// RemoveRole takes a role from a person.
func RemoveRole(ctx context.Context, tx *sqldb.Tx, id, role string) error {
	_, err := tx.Exec(ctx, `DELETE FROM person_role WHERE user_id = $1 AND role = $2`, id, role)
	return err
}

// Devices returns a person's devices, the most recently seen first.
func Devices(ctx context.Context, q sqldb.Queryer, person string) ([]Device, error) {
	r, err := q.Query(ctx, `
		SELECT user_id, device_id, name, created_at, seen_at, seen_from FROM device
		WHERE user_id = $1 ORDER BY seen_at DESC, device_id`, person)
	var out []Device
	return out, rows(r, err, func(r *sql.Rows) error {
		var d Device
		err := r.Scan(&d.Person, &d.ID, &d.Name, &d.CreatedAt, &d.SeenAt, &d.SeenFrom)
		out = append(out, d)
		return err
	})
}

// PutDevice stores a device that has just signed in. A device that was known keeps its age, and its name
// unless it brings one.
func PutDevice(ctx context.Context, tx *sqldb.Tx, d Device) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO device (user_id, device_id, name, created_at, seen_at, seen_from)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (user_id, device_id) DO UPDATE SET
			name = CASE WHEN excluded.name = '' THEN device.name ELSE excluded.name END,
			seen_at = excluded.seen_at, seen_from = excluded.seen_from`,
		d.Person, d.ID, d.Name, d.CreatedAt, d.SeenAt, d.SeenFrom)
	if err != nil {
		return fmt.Errorf("put device %s of %s: %w", d.ID, d.Person, err)
	}
	return nil
}

// NameDevice changes a device's name, or returns [ErrNotFound].
func NameDevice(ctx context.Context, tx *sqldb.Tx, person, device, name string) error {
	res, err := tx.Exec(ctx, `UPDATE device SET name = $1 WHERE user_id = $2 AND device_id = $3`, name, person, device)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNotFound, err)
	}
	return nil
}

// DeleteDevice removes a device. Its sessions are [DeleteSessions]'s.
func DeleteDevice(ctx context.Context, tx *sqldb.Tx, person, device string) error {
	_, err := tx.Exec(ctx, `DELETE FROM device WHERE user_id = $1 AND device_id = $2`, person, device)
	return err
}

const sessionColumns = `token, user_id, device_id, created_at, seen_at, expires_at`

func scanSession(scan func(...any) error) (Session, error) {
	var s Session
	var token []byte
	err := scan(&token, &s.Person, &s.Device, &s.CreatedAt, &s.SeenAt, &s.ExpiresAt)
	copy(s.Token[:], token)
	return s, notFound(err)
}

// SessionByToken returns the session of a token's hash, or [ErrNotFound].
func SessionByToken(ctx context.Context, q sqldb.Queryer, token [32]byte) (Session, error) {
	return scanSession(q.QueryRow(ctx, `SELECT `+sessionColumns+` FROM session WHERE token = $1`, token[:]).Scan)
}

// Sessions returns a person's sessions.
func Sessions(ctx context.Context, q sqldb.Queryer, person string) ([]Session, error) {
	r, err := q.Query(ctx, `SELECT `+sessionColumns+` FROM session WHERE user_id = $1 ORDER BY created_at, token`, person)
	var out []Session
	return out, rows(r, err, func(r *sql.Rows) error {
		s, err := scanSession(r.Scan)
		out = append(out, s)
		return err
	})
}

// InsertSession stores a new session.
func InsertSession(ctx context.Context, tx *sqldb.Tx, s Session) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO session (token, user_id, device_id, created_at, seen_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)`, s.Token[:], s.Person, s.Device, s.CreatedAt, s.SeenAt, s.ExpiresAt)
	if err != nil {
		return fmt.Errorf("insert a session of %s: %w", s.Person, err)
	}
	return nil
}

// DeleteSession ends one session.
func DeleteSession(ctx context.Context, tx *sqldb.Tx, token [32]byte) error {
	if _, err := tx.Exec(ctx, `DELETE FROM session_life WHERE token = $1`, token[:]); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM session WHERE token = $1`, token[:])
	return err
}

// Seen stores when a session and its device were last seen.
func Seen(ctx context.Context, tx *sqldb.Tx, s Session) error {
	if _, err := tx.Exec(ctx, `UPDATE session SET seen_at = $1, expires_at = $2 WHERE token = $3`, s.SeenAt, s.ExpiresAt, s.Token[:]); err != nil {
		return err
	}
	if s.Device == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `
		UPDATE device SET seen_at = $1 WHERE user_id = $2 AND device_id = $3 AND seen_at < $1`, s.SeenAt, s.Person, s.Device)
	return err
}

// ExpiredSessions returns at most limit sessions whose time is over.
func ExpiredSessions(ctx context.Context, q sqldb.Queryer, now int64, limit int) ([]Session, error) {
	r, err := q.Query(ctx, `SELECT `+sessionColumns+` FROM session WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2`, now, limit)
	var out []Session
	return out, rows(r, err, func(r *sql.Rows) error {
		s, err := scanSession(r.Scan)
		out = append(out, s)
		return err
	})
}

// PutOneTime stores the hash of a link that works once, and removes those for the same purpose and person.
func PutOneTime(ctx context.Context, tx *sqldb.Tx, token [32]byte, purpose, person string, expires int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM one_time WHERE purpose = $1 AND user_id = $2`, purpose, person); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO one_time (token, purpose, user_id, expires_at) VALUES ($1, $2, $3, $4)`, token[:], purpose, person, expires)
	return err
}

// OneTime returns whom a link is for, or [ErrNotFound] if it is unknown, used or too old.
func OneTime(ctx context.Context, q sqldb.Queryer, token [32]byte, purpose string, now int64) (person string, err error) {
	err = q.QueryRow(ctx, `SELECT user_id FROM one_time WHERE token = $1 AND purpose = $2 AND expires_at > $3`, token[:], purpose, now).Scan(&person)
	return person, notFound(err)
}

// DeleteOneTime uses a link up.
func DeleteOneTime(ctx context.Context, tx *sqldb.Tx, token [32]byte) error {
	_, err := tx.Exec(ctx, `DELETE FROM one_time WHERE token = $1`, token[:])
	return err
}
