package store

import (
	"context"

	"despatch/internal/sqldb"
)

// OAuthClient is a program that registered itself.
type OAuthClient struct {
	ID        string
	Metadata  []byte // JSON, as it was registered (RFC 7591)
	CreatedAt int64
}

// PutOAuthClient stores a program, unless it is there.
func PutOAuthClient(ctx context.Context, tx *sqldb.Tx, c OAuthClient) error {
	_, err := tx.Exec(ctx, `INSERT INTO oauth_client (id, metadata, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`,
		c.ID, c.Metadata, c.CreatedAt)
	return err
}

// OAuthClientByID returns a program, or [ErrNotFound].
func OAuthClientByID(ctx context.Context, q sqldb.Queryer, id string) (OAuthClient, error) {
	c := OAuthClient{ID: id}
	err := q.QueryRow(ctx, `SELECT metadata, created_at FROM oauth_client WHERE id = $1`, id).Scan(&c.Metadata, &c.CreatedAt)
	return c, notFound(err)
}

// OAuthClients counts the programs.
func OAuthClients(ctx context.Context, q sqldb.Queryer) (n int64, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM oauth_client`).Scan(&n)
	return n, err
}

// OAuthGrant is a sign-in under way.
type OAuthGrant struct {
	Token     [32]byte // hash of the code
	Kind      string   // code, device, or flow
	UserCode  string   // what a person types in for a device; else empty
	Person    string   // who allowed it; empty while nobody has
	Denied    bool
	Content   []byte // JSON: what was asked for
	PolledAt  int64
	ExpiresAt int64
}

// InsertOAuthGrant stores a sign-in under way.
func InsertOAuthGrant(ctx context.Context, tx *sqldb.Tx, g OAuthGrant) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO oauth_grant (token, kind, user_code, user_id, denied, content, polled_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, g.Token[:], g.Kind, g.UserCode, g.Person, zeroOne(g.Denied), g.Content, g.PolledAt, g.ExpiresAt)
	return err
}

const grantColumns = `token, kind, user_code, user_id, denied, content, polled_at, expires_at`

func scanGrant(scan func(...any) error) (OAuthGrant, error) {
	var g OAuthGrant
	var token []byte
	var denied int64
	err := scan(&token, &g.Kind, &g.UserCode, &g.Person, &denied, &g.Content, &g.PolledAt, &g.ExpiresAt)
	copy(g.Token[:], token)
	g.Denied = denied != 0
	return g, notFound(err)
}

// OAuthGrantByToken returns a sign-in under way that has not expired, or [ErrNotFound].
func OAuthGrantByToken(ctx context.Context, q sqldb.Queryer, token [32]byte, kind string, now int64) (OAuthGrant, error) {
	return scanGrant(q.QueryRow(ctx, `SELECT `+grantColumns+` FROM oauth_grant WHERE token = $1 AND kind = $2 AND expires_at > $3`, token[:], kind, now).Scan)
}

// OAuthGrantByUserCode returns a device's sign-in that nobody has answered yet, or [ErrNotFound].
func OAuthGrantByUserCode(ctx context.Context, q sqldb.Queryer, code string, now int64) (OAuthGrant, error) {
	return scanGrant(q.QueryRow(ctx, `
		SELECT `+grantColumns+` FROM oauth_grant WHERE user_code = $1 AND kind = 'device' AND user_id = '' AND denied = 0 AND expires_at > $2`, code, now).Scan)
}

// UpdateOAuthGrant writes who allowed a sign-in, whether it was refused, and when it was last asked for.
func UpdateOAuthGrant(ctx context.Context, tx *sqldb.Tx, g OAuthGrant) error {
	_, err := tx.Exec(ctx, `UPDATE oauth_grant SET user_id = $2, denied = $3, polled_at = $4 WHERE token = $1`, g.Token[:], g.Person, zeroOne(g.Denied), g.PolledAt)
	return err
}

// DeleteOAuthGrant deletes a sign-in under way, and all that have expired.
func DeleteOAuthGrant(ctx context.Context, tx *sqldb.Tx, token [32]byte, now int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM oauth_grant WHERE token = $1 OR expires_at <= $2`, token[:], now)
	return err
}

// OAuthGrants counts the sign-ins under way of a kind.
func OAuthGrants(ctx context.Context, q sqldb.Queryer, kind string, now int64) (n int64, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM oauth_grant WHERE kind = $1 AND expires_at > $2`, kind, now).Scan(&n)
	return n, err
}

// UpstreamPerson returns who somebody at an identity provider is here, or [ErrNotFound].
func UpstreamPerson(ctx context.Context, q sqldb.Queryer, issuer, subject string) (user string, err error) {
	err = q.QueryRow(ctx, `SELECT user_id FROM upstream_person WHERE issuer = $1 AND subject = $2`, issuer, subject).Scan(&user)
	return user, notFound(err)
}

// UpstreamLinked reports whether a person is linked to somebody at an identity provider.
func UpstreamLinked(ctx context.Context, q sqldb.Queryer, issuer, user string) (bool, error) {
	var n int64
	err := q.QueryRow(ctx, `SELECT count(*) FROM upstream_person WHERE issuer = $1 AND user_id = $2`, issuer, user).Scan(&n)
	return n > 0, err
}

// LinkUpstream says who somebody at an identity provider is here.
func LinkUpstream(ctx context.Context, tx *sqldb.Tx, issuer, subject, user string) error {
	_, err := tx.Exec(ctx, `INSERT INTO upstream_person (issuer, subject, user_id) VALUES ($1, $2, $3)`, issuer, subject, user)
	return err
}

func zeroOne(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
