package store

import (
	"context"
	"fmt"

	"despatch/internal/sqldb"
)

// MailAddress is an e-mail address that is known to be somebody's.
type MailAddress struct {
	Address string // folded
	Person  string
	AddedAt int64
	AddedBy string
}

const mailAddressColumns = `address, user_id, added_at, added_by`

func scanMailAddress(scan func(...any) error) (MailAddress, error) {
	var a MailAddress
	err := scan(&a.Address, &a.Person, &a.AddedAt, &a.AddedBy)
	return a, notFound(err)
}

// MailAddressOf returns whose an address is, or [ErrNotFound].
func MailAddressOf(ctx context.Context, q sqldb.Queryer, address string) (MailAddress, error) {
	return scanMailAddress(q.QueryRow(ctx, `SELECT `+mailAddressColumns+` FROM mail_address WHERE address = $1`, address).Scan)
}

// MailAddresses returns a person's addresses, those of everybody if person is empty, at most limit.
func MailAddresses(ctx context.Context, q sqldb.Queryer, person string, limit int) ([]MailAddress, error) {
	r, err := q.Query(ctx, `SELECT `+mailAddressColumns+` FROM mail_address WHERE user_id = $1 OR $1 = '' ORDER BY address LIMIT $2`, person, limit)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []MailAddress
	for r.Next() {
		a, err := scanMailAddress(r.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, r.Err()
}

// PutMailAddress stores whose an address is.
func PutMailAddress(ctx context.Context, tx *sqldb.Tx, a MailAddress) error {
	_, err := tx.Exec(ctx, `INSERT INTO mail_address (`+mailAddressColumns+`) VALUES ($1, $2, $3, $4)`, a.Address, a.Person, a.AddedAt, a.AddedBy)
	if err != nil {
		return fmt.Errorf("insert mail address of %s: %w", a.Person, err)
	}
	return nil
}

// DeleteMailAddress forgets whose an address is.
func DeleteMailAddress(ctx context.Context, tx *sqldb.Tx, address string) error {
	_, err := tx.Exec(ctx, `DELETE FROM mail_address WHERE address = $1`, address)
	return err
}

// MailClaim is an address that somebody says is theirs.
type MailClaim struct {
	Person    string
	Address   string // folded
	Code      []byte // hash
	Tries     int64  // wrong codes so far
	ExpiresAt int64
}

// MailClaimOf returns what somebody says of an address, or [ErrNotFound].
func MailClaimOf(ctx context.Context, q sqldb.Queryer, person, address string) (MailClaim, error) {
	c := MailClaim{Person: person, Address: address}
	err := q.QueryRow(ctx, `SELECT code, tries, expires_at FROM mail_claim WHERE user_id = $1 AND address = $2`, person, address).Scan(&c.Code, &c.Tries, &c.ExpiresAt)
	return c, notFound(err)
}

// PutMailClaim stores a claim in place of the one before it, and drops the person's claims that are too old.
func PutMailClaim(ctx context.Context, tx *sqldb.Tx, c MailClaim, now int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM mail_claim WHERE user_id = $1 AND (address = $2 OR expires_at < $3)`, c.Person, c.Address, now); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO mail_claim (user_id, address, code, tries, expires_at) VALUES ($1, $2, $3, $4, $5)`, c.Person, c.Address, c.Code, c.Tries, c.ExpiresAt)
	return err
}

// CountMailClaims returns how many claims a person has that are not too old.
func CountMailClaims(ctx context.Context, q sqldb.Queryer, person string, now int64) (int64, error) {
	var n int64
	err := q.QueryRow(ctx, `SELECT count(*) FROM mail_claim WHERE user_id = $1 AND expires_at >= $2`, person, now).Scan(&n)
	return n, err
}

// DeleteMailClaim drops a claim.
func DeleteMailClaim(ctx context.Context, tx *sqldb.Tx, person, address string) error {
	_, err := tx.Exec(ctx, `DELETE FROM mail_claim WHERE user_id = $1 AND address = $2`, person, address)
	return err
}
