// Package tox reads what clients of Tox keep of conversations: the database of qTox, with the
// password of its profile, the binary logs of uTox, and the texts that both of them export.
//
// Tox has no servers and no message ids: each client writes down what it sent and received by its own
// clock. Nobody's edits, deletions or receipts reach the other side; files that were sent lie beside
// the database, if anywhere.
package tox

import (
	"context"
	"io"
	"path"
	"regexp"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// Parser reads the histories of qTox and uTox. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "tox-history" }
func (Parser) Version() string { return "1" }

// filtered is what no client of Tox keeps.
var filtered = []string{"message_ids", "replies", "reactions", "edits", "deletions_by_others", "receipts"}

// form is a form in which a client keeps or exports conversations.
type form string

const (
	formNone     form = ""
	formDatabase form = "qtox_database"  // plain SQLite: the profile has no password
	formCipher   form = "qtox_encrypted" // SQLCipher
	formLog      form = "utox_log"       // binary, in spite of its name
	formText     form = "qtox_text"
	formExport   form = "utox_text"
	formProfile  form = "profile" // the keys of a profile, which may open its database
)

// maxProbes bounds the members of a container that are looked into.
const maxProbes = 2000

// Recognise says whether the source holds a history of Tox. An encrypted database looks like noise: it
// is taken for one of qTox if it is called like one and has the size of one.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	for i, m := range x.Members {
		if i == maxProbes {
			break
		}
		f, err := formOf(ctx, m, x.Members)
		if err != nil {
			return false, err
		}
		if f != formNone && f != formProfile {
			return true, nil
		}
	}
	return false, nil
}

// Parse reads every history in the source.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	b := tally.New(ctx, p, "tox", "records", filtered, emit)
	x, err := tally.Open(src)
	if err != nil {
		return b.Close(err)
	}
	b.Export = x
	r := &reader{Book: b, ctx: ctx, opt: opt}
	forms := make([]form, len(x.Members))
	for i, m := range x.Members {
		if i == maxProbes {
			break
		}
		if forms[i], err = formOf(ctx, m, x.Members); err != nil {
			return b.Close(err)
		}
		if forms[i] == formProfile {
			x.Named(m)
			r.profiles = append(r.profiles, m)
		}
	}
	for i, m := range x.Members {
		if forms[i] == formNone || forms[i] == formProfile {
			continue
		}
		again, err := b.Again(m)
		if err == nil && !again {
			r.variant(forms[i])
			err = r.read(m, forms[i])
		}
		if err != nil {
			return b.Close(err)
		}
	}
	return b.Close(nil)
}

// reader is one run.
type reader struct {
	*tally.Book
	ctx      context.Context
	opt      capture.Options
	profiles []*capture.Member
}

func (r *reader) variant(f form) {
	if r.Run.Variant != "" && r.Run.Variant != string(f) {
		f = "several"
	}
	r.Run.Variant = string(f)
}

func (r *reader) read(m *capture.Member, f form) error {
	switch f {
	case formDatabase, formCipher:
		return r.database(m, f == formCipher)
	case formLog:
		return r.log(m)
	}
	return r.text(m, f)
}

// keyName is a public key as uTox names its logs by it, or a Tox ID.
var keyName = regexp.MustCompile(`(?i)^([0-9a-f]{64})(?:[0-9a-f]{12})?(?:\.|$)`)

// formOf says by its content what a file is.
func formOf(ctx context.Context, m *capture.Member, all []*capture.Member) (form, error) {
	if m.Size == 0 {
		return formNone, nil
	}
	if sqlfile.Is(m) {
		tables, err := sqlfile.Tables(ctx, m, sqlfile.Log(m, all))
		if f := (*capture.FileError)(nil); err != nil && !asFault(err, &f) {
			return formNone, err
		}
		if isQTox(tables) {
			return formDatabase, nil
		}
		return formNone, nil
	}
	head, err := beginning(m, 8<<10)
	if err != nil {
		return formNone, err
	}
	switch {
	case isProfile(head):
		return formProfile, nil
	case looksEncrypted(m, head):
		return formCipher, nil
	case logLayout(head, m.Size) != nil:
		return formLog, nil
	}
	return textForm(head), nil
}

func asFault(err error, f **capture.FileError) bool {
	e, ok := err.(*capture.FileError)
	*f = e
	return ok
}

func beginning(m *capture.Member, n int64) ([]byte, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, min(n, m.Size))
	k, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b[:k], err
}

// looksEncrypted says whether a file can be a database that SQLCipher encrypted: whole pages in which
// all bytes are about as frequent.
func looksEncrypted(m *capture.Member, head []byte) bool {
	if !strings.EqualFold(path.Ext(m.Name), ".db") || m.Size%1024 != 0 || len(head) < 1024 {
		return false
	}
	var seen [256]int
	for _, c := range head {
		seen[c]++
	}
	for _, n := range seen {
		if n > len(head)/256*4+8 {
			return false
		}
	}
	return true
}

// isQTox says by its tables whether a database is qTox's, of any version.
func isQTox(tables []string) bool {
	has := map[string]bool{}
	for _, t := range tables {
		has[t] = true
	}
	return has["history"] && has["aliases"] && has["faux_offline_pending"] && (has["peers"] || has["authors"] && has["chats"])
}
