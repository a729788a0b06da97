package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// ErrNoRows is database/sql's: the one row that was asked for does not exist.
var ErrNoRows = sql.ErrNoRows

// SQLite primary result codes, https://www.sqlite.org/rescode.html.
const (
	sqliteBusy       = 5
	sqliteNoMem      = 7
	sqliteReadOnly   = 8
	sqliteInterrupt  = 9
	sqliteIOErr      = 10
	sqliteCorrupt    = 11
	sqliteFull       = 13
	sqliteCantOpen   = 14
	sqliteConstraint = 19
	sqliteNotADB     = 26
)

// IsUnique reports whether a statement failed because a row with that key exists.
func IsUnique(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqliteConstraint && (lite.Code() == 2067 || lite.Code() == 1555)
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// IsUnavailable reports whether the database, not the statement, is at fault: the disk is full or
// read-only, the file cannot be read, the server is gone or shutting down. The same change may
// succeed later, and nothing of it has happened.
func IsUnavailable(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, ErrLost) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqliteBusy, sqliteNoMem, sqliteReadOnly, sqliteInterrupt, sqliteIOErr, sqliteFull, sqliteCantOpen, sqliteCorrupt, sqliteNotADB:
			return true
		}
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "53", "57", "58", "40", "25", "XX": // connection, resources, operator, system, rollback, read-only, internal
			return true
		}
		return false
	}
	var connect *pgconn.ConnectError
	var op *net.OpError
	return errors.As(err, &connect) || errors.As(err, &op) || strings.Contains(err.Error(), "conn closed")
}

// Reason says in plain words why the database is unavailable, for an operator.
func Reason(err error) string {
	if errors.Is(err, ErrLost) {
		return "the disk gave an error; it must be checked and Despatch started again"
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqliteFull:
			return "the disk is full"
		case sqliteReadOnly, sqliteCantOpen:
			return "the data folder cannot be written to"
		case sqliteIOErr:
			return "the disk gave an error"
		case sqliteCorrupt, sqliteNotADB:
			return "the database file is damaged"
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "53100" {
		return "the database server's disk is full"
	}
	return "the database cannot be reached"
}
