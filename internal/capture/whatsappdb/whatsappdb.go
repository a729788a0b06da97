// Package whatsappdb reads the databases that WhatsApp itself keeps: msgstore.db of Android, in its
// present form and in that before 2021, plain or as an encrypted backup (crypt15, crypt14, crypt12), and
// ChatStorage.sqlite of iPhones. They have what an exported chat lacks: ids, replies, reactions,
// receipts, times to the second, telephone numbers.
//
// Nobody documents these databases and every version changes them. The package asks for each table and
// column whether it is there, reads each row of the message table once, beside it the rows of some
// twenty tables that say more of it, and keeps none. A number whose meaning is not known is named as
// such, with its row; it is not given a meaning.
package whatsappdb

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"path"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// Parser reads WhatsApp's databases. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "whatsapp-database" }
func (Parser) Version() string { return "1" }

// filtered is what WhatsApp's databases have lost.
var filtered = []string{"earlier_versions", "deleted_messages", "disappeared"}

// form is what a member is to this package.
type form int

const (
	nothing form = iota
	android
	legacy // Android before 2021
	iphone
	contacts // wa.db: names for Android's numbers
	encrypted
)

// formOf says what a database is, by its tables.
func formOf(tables []string) form {
	has := map[string]bool{}
	for _, t := range tables {
		has[t] = true
	}
	switch {
	case has["ZWAMESSAGE"] && has["ZWACHATSESSION"]:
		return iphone
	case has["message"] && has["chat"] && has["jid"]:
		return android
	case has["messages"] && (has["messages_quotes"] || has["chat_list"] || has["message_thumbnails"] || has["media_refs"]):
		return legacy
	case has["wa_contacts"]:
		return contacts
	}
	return nothing
}

// found is a database among what was handed in.
type found struct {
	member *capture.Member
	form   form
	backup *backup // of an encrypted one
}

// look sorts what was handed in.
func look(ctx context.Context, members []*capture.Member) (list []found, keys []*capture.Member, err error) {
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if sqlfile.Is(m) {
			tables, err := sqlfile.Tables(ctx, m, logOf(m, members))
			if err != nil {
				return nil, nil, err
			}
			if f := formOf(tables); f != nothing {
				list = append(list, found{member: m, form: f})
			}
			continue
		}
		if isKeyFile(m) {
			keys = append(keys, m)
			continue
		}
		b, err := openBackup(m)
		if err != nil {
			if _, fault := err.(*capture.FileError); fault {
				continue // of another member of the archive, which its own reader will meet
			}
			return nil, nil, err
		}
		if b != nil {
			list = append(list, found{member: m, form: encrypted, backup: b})
		}
	}
	return list, keys, nil
}

// Recognise says whether the source holds a database of WhatsApp's.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	list, _, err := look(ctx, x.Members)
	if err != nil {
		return false, err
	}
	for _, f := range list {
		if f.form != contacts {
			return true, nil
		}
	}
	return false, nil
}

// Parse reads the messages of every database in the source.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	book := tally.New(ctx, p, "whatsapp", "records", filtered, emit)
	return book.Close(parse(ctx, book, src, opt))
}

func parse(ctx context.Context, book *tally.Book, src *capture.Source, opt capture.Options) error {
	x, err := tally.Open(src)
	if err != nil {
		return err
	}
	book.Export = x
	list, keyFiles, err := look(ctx, x.Members)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return &capture.FileError{File: src.Files[0].Name, Reason: "holds no database of WhatsApp's", Remedy: "Hand in msgstore.db, msgstore.db.crypt15 or ChatStorage.sqlite."}
	}
	for _, k := range keyFiles {
		x.Aside(k, "key")
	}
	opened, err := openAll(ctx, book, x, src, opt, list, keyFiles)
	defer func() {
		for _, o := range opened {
			o.db.Close()
		}
	}()
	if err != nil || len(book.Run.Questions) > 0 {
		return err
	}
	names := map[string]string{}
	for _, o := range opened {
		if o.form == contacts {
			x.Chat(o.member)
			if err := readContacts(ctx, o.db, names); err != nil {
				return err
			}
		}
	}
	read := false
	for _, o := range opened {
		if o.form == contacts {
			continue
		}
		read = true
		if again, err := book.Again(o.member); err != nil || again {
			if err != nil {
				return err
			}
			continue
		}
		x.Chat(o.member)
		if err := readOne(ctx, book, x, opt, o, names); err != nil {
			return err
		}
	}
	if !read {
		return &capture.FileError{File: list[0].member.Label(), Reason: "is a database of WhatsApp's that holds no messages", Remedy: "Hand in msgstore.db, msgstore.db.crypt15 or ChatStorage.sqlite."}
	}
	return nil
}

// opened is a database that can be read.
type opened struct {
	member *capture.Member
	form   form
	db     *sqlfile.DB
}

// openAll opens the databases, or asks for the key.
func openAll(ctx context.Context, book *tally.Book, x *tally.Export, src *capture.Source, opt capture.Options, list []found, keyFiles []*capture.Member) (all []opened, err error) {
	for _, f := range list {
		if f.form != encrypted {
			wal := logOf(f.member, x.Members)
			db, err := sqlfile.Open(ctx, f.member, wal)
			if err != nil {
				return all, err
			}
			if wal != nil {
				x.Named(wal)
			}
			all = append(all, opened{member: f.member, form: f.form, db: db})
			continue
		}
		keys, err := keysOf(f.backup, opt.Secrets, keyFiles)
		if err != nil {
			return all, err
		}
		switch {
		case len(keys) == 0 && f.backup.version != 15 && len(keyFiles) > 0:
			return all, &capture.FileError{File: f.member.Label(), Reason: "was encrypted with another key than the one in the key file", Remedy: "Take the backup and the key file from the same phone at the same time."}
		case len(keys) == 0 && f.backup.version != 15:
			return all, &capture.FileError{File: f.member.Label(), Reason: "is encrypted with a key that is not there", Remedy: fileRemedy}
		case len(keys) == 0 && len(opt.Secrets) > 0:
			return all, &capture.FileError{File: f.member.Label(), Reason: "cannot be decrypted: the key must have 64 digits, 0 to 9 and a to f", Remedy: keyRemedy}
		case len(keys) == 0:
			if len(book.Run.Questions) == 0 {
				book.Run.Questions = append(book.Run.Questions, capture.Question{About: "secret", Text: askForKey, Example: f.member.Label(), Answers: []capture.Answer{}})
			}
			continue
		}
		db, err := f.backup.open(ctx, keys, src.Bounds().Total)
		if err != nil {
			return all, err
		}
		form := formOf(db.Tables())
		if form == nothing {
			db.Close()
			x.Aside(f.member, "no_messages")
			continue
		}
		book.Decide("encryption", "crypt"+strconv.Itoa(f.backup.version), "header", 1, 0)
		all = append(all, opened{member: f.member, form: form, db: db})
	}
	return all, nil
}

// reader reads one database.
type reader struct {
	book   *tally.Book
	x      *tally.Export
	opt    capture.Options
	member *capture.Member
	db     *sqlfile.DB
	people *people
	chats  map[string]*tally.Chat
	hashes map[string]*capture.Member // files handed in by themselves, by their hash
	timers int64                      // conversations whose messages disappear
}

func readOne(ctx context.Context, book *tally.Book, x *tally.Export, opt capture.Options, o opened, names map[string]string) error {
	r := &reader{book: book, x: x, opt: opt, member: o.member, db: o.db, chats: map[string]*tally.Chat{}}
	r.people = &people{names: names, raw: map[int64]string{}, real: map[string]string{}, self: tally.Name(opt.Self)}
	for _, w := range o.db.Warnings {
		book.Run.Warn(w)
	}
	book.Run.Coverage.Bytes += o.member.Size
	form := o.form
	var err error
	if form == android {
		if form, err = r.androidForm(ctx); err != nil {
			return err
		}
	}
	switch form {
	case iphone:
		book.Run.Variant = "ios_database"
		err = r.readIPhone(ctx)
	case legacy:
		book.Run.Variant = "android_database_old"
		err = r.readLegacy(ctx)
	default:
		book.Run.Variant = "android_database"
		err = r.readAndroid(ctx)
	}
	if err != nil {
		return err
	}
	book.Run.Coverage.BytesCovered += o.member.Size
	if r.people.self == owner {
		book.Warn("owner_unknown", "The database does not say whose phone it was. Its owner's messages stand under “"+owner+"”.")
	}
	if r.timers > 0 {
		book.Run.Warn(capture.Warning{Code: "disappearing_messages", Count: r.timers, Detail: "Messages disappear in some conversations. What had disappeared before the copy was made is not in it."})
	}
	return nil
}

// at returns the instant of a count of milliseconds. What WhatsApp's servers stamp is whole seconds.
func at(ms int64, clock string) capture.Instant {
	raw := strconv.FormatInt(ms, 10)
	switch {
	case ms <= 0 || ms >= 253402300800000:
		return capture.Undated(raw)
	case ms%1000 == 0:
		return capture.At(raw, ms, "s", clock)
	}
	return capture.At(raw, ms, "ms", clock)
}

// maybe is at, or nil if there is no time.
func maybe(ms int64, clock string) *capture.Instant {
	if ms <= 0 || ms >= 253402300800000 {
		return nil
	}
	i := at(ms, clock)
	return &i
}

// clock says whose clock stamped a message.
func clock(own bool) string {
	if own {
		return "sender"
	}
	return "server"
}

// file is what a message says of a file that belongs to it.
type file struct {
	name, path, class, mime, detail string
	hashed                          string // what an iPhone's backup calls it
	size                            int64
	hash                            string // SHA-256 in base64, as WhatsApp writes it
}

// attach adds a file to a message: from what was handed in beside the database, by its path there or by
// its hash.
func (r *reader) attach(ctx context.Context, o *capture.Observation, f file) error {
	a := capture.Attachment{Name: tally.Name(f.name), Class: f.class, Presence: capture.NamedAbsent, Detail: f.detail}
	if a.Name == "" && f.path != "" {
		a.Name = path.Base(strings.ReplaceAll(f.path, `\`, "/"))
	}
	if a.Class == "" {
		a.Class = tally.Class(f.mime, a.Name)
	}
	want, err := base64.StdEncoding.DecodeString(f.hash)
	stated := ""
	if err == nil && len(want) == sha256.Size {
		stated = hex.EncodeToString(want)
	}
	m := r.x.Find(f.path, r.member)
	if m == nil && f.hashed != "" && f.path != "" {
		m = r.x.Find(f.hashed, nil)
	}
	if m == nil && stated != "" {
		m = r.byHash(stated)
	}
	if m == nil {
		if f.path == "" {
			a.Presence = capture.Omitted
			a.Detail = strings.TrimPrefix(a.Detail+"; was not on the phone", "; ")
		}
		if stated != "" {
			a.Detail = strings.TrimPrefix(a.Detail+"; SHA-256 "+stated, "; ")
		}
		a.Size = max(f.size, 0)
		o.Attachments = append(o.Attachments, a)
		return nil
	}
	if err := r.x.Attach(ctx, &a, m); err != nil {
		return err
	}
	if stated != "" && a.SHA256 != stated {
		o.Doubt("media_differs", "The file beside the database is not the one that was sent: its SHA-256 should be "+stated+".")
	}
	o.Attachments = append(o.Attachments, a)
	return nil
}

func (r *reader) byHash(sum string) *capture.Member {
	if r.hashes == nil {
		r.hashes = map[string]*capture.Member{}
		for _, m := range r.x.Members {
			if m.Path == "" {
				r.hashes[hex.EncodeToString(m.File.SHA256[:])] = m
			}
		}
	}
	return r.hashes[sum]
}

// maxCard bounds a contact card that is kept.
const maxCard = 1 << 20

// card adds a contact card.
func card(o *capture.Observation, text string) {
	if text == "" || len(text) > maxCard {
		return
	}
	name := ""
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && (k == "FN" || strings.HasPrefix(k, "FN;")) {
			name = tally.Name(v)
			break
		}
	}
	sum := sha256.Sum256([]byte(text))
	o.Attachments = append(o.Attachments, capture.Attachment{Name: strings.TrimSpace(name + ".vcf"), Class: "contact", Presence: capture.Present, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }})
	if o.Text == "" {
		o.Text = name
	}
}

// place is a latitude or a longitude, as its digits are.
func place(r *sqlfile.Row, column string) string {
	if !r.Has(column) {
		return ""
	}
	return strconv.FormatFloat(r.Float(column), 'f', -1, 64)
}

func seconds(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10) + " s"
}
