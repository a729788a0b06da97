// Package imessage reads the messages of Apple's devices: the database chat.db of a Mac, and sms.db of an
// iPhone or iPad, with iMessages, texts, and RCS, their attachments if they came with it, reactions, edits
// and what was taken back.
//
// Which columns there are depends on the version of the system; only those of the first versions are
// counted on. The words of a message stand in a column of text, or only in a serialised attributed string,
// or are gone, if the message was taken back. What a person deleted is in the database only while the
// system keeps it to be recovered.
//
// The tables are described by what other programs found out, since Apple has not published them; see
// https://github.com/ReagentX/imessage-exporter. No code of it is used.
package imessage

import (
	"context"
	"slices"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// Parser reads chat.db and sms.db. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "imessage" }
func (Parser) Version() string { return "1" }

// is reports whether a database with these tables is Apple's.
func is(tables []string) bool {
	for _, name := range []string{"message", "chat", "handle", "chat_message_join"} {
		if !slices.Contains(tables, name) {
			return false
		}
	}
	return true
}

// Recognise says whether the source holds such a database.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	members, _, err := src.Members()
	if err != nil {
		return false, err
	}
	for _, m := range members {
		tables, err := sqlfile.Tables(ctx, m, sqlfile.Log(m, members))
		if err != nil || is(tables) {
			return err == nil, err
		}
	}
	return false, nil
}

// filtered is what the database does not hold.
var filtered = []string{"deleted", "contact_names"}

// Parse reads the databases of a source, one after the other.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	book := tally.New(ctx, p, "imessage", "records", filtered, emit)
	return book.Close(read(ctx, book, src, opt))
}

func read(ctx context.Context, book *tally.Book, src *capture.Source, opt capture.Options) (err error) {
	if book.Export, err = tally.Open(src); err != nil {
		return err
	}
	found := false
	for _, m := range book.Export.Members {
		wal := sqlfile.Log(m, book.Export.Members)
		tables, err := sqlfile.Tables(ctx, m, wal)
		if err != nil {
			return err
		}
		if !is(tables) {
			continue
		}
		if again, err := book.Again(m); err != nil || again {
			if err != nil {
				return err
			}
			continue
		}
		found = true
		if err := readDatabase(ctx, book, m, wal, opt); err != nil {
			return err
		}
	}
	if !found {
		return &capture.FileError{File: src.Files[0].Name, Reason: "holds no database of Apple’s Messages",
			Remedy: "Hand in chat.db with the files chat.db-wal and Attachments beside it, or sms.db out of a backup that is not encrypted."}
	}
	return nil
}

func readDatabase(ctx context.Context, book *tally.Book, m, wal *capture.Member, opt capture.Options) error {
	db, err := sqlfile.Open(ctx, m, wal)
	if err != nil {
		return err
	}
	defer db.Close()
	book.Export.Chat(m)
	if wal != nil {
		book.Export.Named(wal)
	}
	for _, w := range db.Warnings {
		book.Run.Warn(w)
	}
	book.Run.Coverage.Bytes += m.Size
	book.Run.Variant = "macos"
	if m.Name == "sms.db" || m.Name == backupName {
		book.Run.Variant = "ios"
	}
	r := &reader{ctx: ctx, book: book, db: db, member: m, opt: opt}
	if err := r.people(); err != nil {
		return err
	}
	if err := r.messages(); err != nil {
		return err
	}
	book.Run.Coverage.BytesCovered += m.Size
	return nil
}

// backupName is what sms.db is called in a backup: the SHA-1 of HomeDomain-Library/SMS/sms.db.
const backupName = "3d0d7e5fb2ce288813306e4d4636395e047a3d28"
