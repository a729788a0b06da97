// Package signal reads what Signal lets out: its plaintext export, its encrypted backup in a folder
// (“SignalBackups”), the older backup in one file (“signal-….backup”), and the database of Signal
// Desktop.
//
// All but the first are encrypted, with a key that only the owner has: 64 characters, 30 digits, or the
// key of the desktop's database. Without it the package asks; with a wrong one it says so. Keys are
// neither kept nor shown.
//
// What a copy of Signal's never has are messages that had disappeared. The plaintext export leaves out
// even those whose timer still runs.
package signal

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// Parser reads Signal's exports, backups and databases. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "signal" }
func (Parser) Version() string { return "1" }

// form is what was handed in.
type form int

const (
	plaintext form = iota + 1 // main.jsonl
	folder                    // main and metadata, encrypted
	onefile                   // signal-….backup
	desktop                   // sql/db.sqlite
)

// found is one copy of Signal's messages among what was handed in.
type found struct {
	form     form
	main     *capture.Member
	metadata *capture.Member // of a folder
	config   *capture.Member // of a desktop, if it is there
	plain    bool            // a desktop's database that is not encrypted
}

// look sorts what was handed in.
func look(ctx context.Context, members []*capture.Member) ([]found, error) {
	var list []found
	where := make(map[string]*capture.Member, len(members))
	for _, m := range members {
		where[tally.Where(m)] = m
	}
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		head, err := start(m)
		if _, fault := err.(*capture.FileError); fault {
			continue // of another member, which its own reader will meet
		}
		if err != nil {
			return nil, err
		}
		dir, base := tally.Dir(m), tally.Base(m)
		switch {
		case isExport(head):
			list = append(list, found{form: plaintext, main: m})
		case isMetadata(head, m.Size):
			if main := where[path.Join(dir, "main")]; main != nil && main != m {
				list = append(list, found{form: folder, main: main, metadata: m})
			}
		case isSingle(head):
			list = append(list, found{form: onefile, main: m})
		case sqlfile.Is(m):
			tables, err := sqlfile.Tables(ctx, m, sqlfile.Log(m, members))
			if err != nil {
				return nil, err
			}
			if isDesktop(tables) {
				list = append(list, found{form: desktop, main: m, plain: true})
			}
		case strings.EqualFold(base, "db.sqlite") && m.Size >= 4096 && m.Size%4096 == 0:
			f := found{form: desktop, main: m}
			for _, name := range []string{path.Join(dir, "config.json"), path.Join(path.Dir(dir), "config.json")} {
				if c := where[name]; c != nil && f.config == nil {
					f.config = c
				}
			}
			list = append(list, f)
		}
	}
	return list, nil
}

// start returns a member's first bytes.
func start(m *capture.Member) ([]byte, error) {
	head := make([]byte, min(m.Size, 512))
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	_, err = io.ReadFull(r, head)
	return head, err
}

// isExport says whether a file begins as a plaintext export does: with a line that has the backup's
// version and time.
func isExport(head []byte) bool {
	head = bytes.TrimPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("\xEF\xBB\xBF"))
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return len(line) > 0 && line[0] == '{' && bytes.Contains(line, []byte(`"backupTimeMs"`)) && bytes.Contains(line, []byte(`"version"`))
}

// isDesktop says whether tables are those of Signal Desktop.
func isDesktop(tables []string) bool {
	return slices.Contains(tables, "messages") && slices.Contains(tables, "conversations") && slices.Contains(tables, "items") &&
		(slices.Contains(tables, "sessions") || slices.Contains(tables, "identityKeys") || slices.Contains(tables, "sessions_v2") || slices.Contains(tables, "signedPreKeys"))
}

// Recognise says whether the source holds something of Signal's.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	list, err := look(ctx, x.Members)
	return len(list) > 0, err
}

// Parse reads the messages of the newest copy in the source, or of each, where they are of different
// forms.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	book := tally.New(ctx, p, "signal", "records", []string{"disappeared"}, emit)
	return book.Close(parse(ctx, book, src, opt))
}

func parse(ctx context.Context, book *tally.Book, src *capture.Source, opt capture.Options) error {
	x, err := tally.Open(src)
	if err != nil {
		return err
	}
	book.Export = x
	list, err := look(ctx, x.Members)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return &capture.FileError{File: src.Files[0].Name, Reason: "holds no messages of Signal’s", Remedy: "Hand in Signal’s own export or backup as it comes."}
	}
	list = newest(x, list)
	for _, f := range list {
		if again, err := book.Again(f.main); err != nil || again {
			if err != nil {
				return err
			}
			continue
		}
		c := &copyOf{book: book, x: x, opt: opt, src: src, found: f}
		if err := c.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// newest leaves aside the older of several backups in folders: each holds all messages.
func newest(x *tally.Export, list []found) []found {
	last := map[string]found{} // by the folder that the backups' folders stand in
	for _, f := range list {
		if f.form != folder {
			continue
		}
		home := path.Dir(tally.Dir(f.main))
		if g, ok := last[home]; !ok || tally.Dir(g.main) < tally.Dir(f.main) {
			last[home] = f
		}
	}
	var kept []found
	for _, f := range list {
		if f.form == folder && last[path.Dir(tally.Dir(f.main))].main != f.main {
			x.Aside(f.main, "older_backup")
			x.Aside(f.metadata, "older_backup")
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

// copyOf is one copy of Signal's messages while it is being read.
type copyOf struct {
	book *tally.Book
	x    *tally.Export
	opt  capture.Options
	src  *capture.Source
	found
}

func (c *copyOf) read(ctx context.Context) error {
	c.x.Chat(c.main)
	switch c.form {
	case plaintext:
		return c.readPlaintext(ctx)
	case folder:
		return c.readFolder(ctx)
	case onefile:
		return c.readSingle(ctx)
	}
	return c.readDesktop(ctx)
}

// ask asks for the key.
func (c *copyOf) ask(text string) {
	for _, q := range c.book.Run.Questions {
		if q.About == "secret" {
			return
		}
	}
	c.book.Run.Questions = append(c.book.Run.Questions, capture.Question{About: "secret", Text: text, Example: c.main.Label(), Answers: []capture.Answer{}})
}

func (c *copyOf) fault(reason, remedy string) error {
	return &capture.FileError{File: c.main.Label(), Reason: reason, Remedy: remedy}
}

const exportAgain = "Make the export or backup again in Signal and hand in the whole folder or file as it comes."

// readPlaintext reads a plaintext export: a frame of the backup in each line.
func (c *copyOf) readPlaintext(ctx context.Context) error {
	run := c.book.Run
	run.Variant = "plaintext_export"
	run.Coverage.FilteredKinds = append(run.Coverage.FilteredKinds, "disappearing", "view_once_media")
	f := newFrames(c.book, c.opt, newMediaFiles(c.x, false), c.main.Path)
	for _, m := range c.x.Members {
		if tally.Base(m) == "metadata.json" && tally.Dir(m) == tally.Dir(c.main) {
			c.x.Aside(m, "metadata")
		}
	}
	err := c.book.Read(c.main, func(in *tally.Input) (int64, error) {
		j, err := jsonfile.NewReader(in, c.main.Label(), c.src.Bounds())
		if err != nil {
			return 0, err
		}
		defer j.Warn(run)
		for j.More() {
			rec, err := j.Record()
			if err != nil {
				return j.Offset(), err
			}
			make := func(sub int) *capture.Observation {
				o := tally.Observation(c.main, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, sub)
				rec.Doubt(o)
				return o
			}
			if err := f.frame(ctx, rec.Value, nil, make); err != nil {
				return j.Offset(), err
			}
		}
		return c.main.Size, nil
	})
	if f.timers > 0 {
		run.Warn(capture.Warning{Code: "disappearing_left_out", Count: f.timers,
			Detail: "In some conversations messages disappear. Signal’s plaintext export leaves out every message with a timer, also those that are still there. Hand in an encrypted backup to have them."})
	}
	c.warnOwner(f)
	return err
}

// warnOwner says that the owner's messages have no id that others' copies share.
func (c *copyOf) warnOwner(f *frames) {
	if f.self.aci == "" {
		c.book.Warn("owner_unknown", "The file does not say which account’s copy it is. Its owner’s own messages have no id by which they can be found in other people’s copies.")
	}
}

// buffered returns a reader that reads ahead.
func buffered(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 1<<18) }
