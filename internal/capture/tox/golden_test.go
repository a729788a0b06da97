package tox

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"
	_ "modernc.org/sqlite"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

var (
	friendKey = strings.Repeat("A1", 32)
	selfKey   = strings.Repeat("0B", 32)
)

// database makes a file of SQLite with the statements.
func database(t testing.TB, statements ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	db.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// schema11 is what qTox makes today, schema0 what it made first. The words are those of qTox's own source.
var schema11 = []string{
	`CREATE TABLE authors (id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE)`,
	`CREATE TABLE chats (id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE)`,
	`CREATE TABLE aliases (id INTEGER PRIMARY KEY, owner INTEGER, display_name BLOB NOT NULL, UNIQUE(owner, display_name))`,
	`CREATE TABLE history (id INTEGER PRIMARY KEY, message_type CHAR(1) NOT NULL, timestamp INTEGER NOT NULL, chat_id INTEGER NOT NULL)`,
	`CREATE TABLE text_messages (id INTEGER PRIMARY KEY, message_type CHAR(1) NOT NULL, sender_alias INTEGER NOT NULL, message BLOB NOT NULL)`,
	`CREATE TABLE file_transfers (id INTEGER PRIMARY KEY, message_type CHAR(1) NOT NULL, sender_alias INTEGER NOT NULL, file_restart_id BLOB NOT NULL, file_name BLOB NOT NULL, file_path BLOB NOT NULL, file_hash BLOB NOT NULL, file_size INTEGER NOT NULL, direction INTEGER NOT NULL, file_state INTEGER NOT NULL)`,
	`CREATE TABLE system_messages (id INTEGER PRIMARY KEY, message_type CHAR(1) NOT NULL, system_message_type INTEGER NOT NULL, arg1 BLOB, arg2 BLOB, arg3 BLOB, arg4 BLOB)`,
	`CREATE TABLE faux_offline_pending (id INTEGER PRIMARY KEY, required_extensions INTEGER NOT NULL DEFAULT 0)`,
	`CREATE TABLE broken_messages (id INTEGER PRIMARY KEY, reason INTEGER NOT NULL DEFAULT 0)`,
}

var schema0 = []string{
	`CREATE TABLE peers (id INTEGER PRIMARY KEY, public_key TEXT NOT NULL UNIQUE)`,
	`CREATE TABLE aliases (id INTEGER PRIMARY KEY, owner INTEGER, display_name BLOB NOT NULL, UNIQUE(owner, display_name))`,
	`CREATE TABLE history (id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, chat_id INTEGER NOT NULL, sender_alias INTEGER NOT NULL, message BLOB NOT NULL)`,
	`CREATE TABLE faux_offline_pending (id INTEGER PRIMARY KEY)`,
}

func TestDatabase11(t *testing.T) {
	group := strings.Repeat("77", 32)
	draft := strings.Repeat("cd", 32)
	data := database(t, append(schema11,
		`INSERT INTO authors VALUES (1, X'`+friendKey+`'), (2, X'`+selfKey+`')`,
		`INSERT INTO chats VALUES (1, X'`+friendKey+`'), (2, X'`+group+`')`,
		`INSERT INTO aliases VALUES (1, 1, CAST('Mele' AS BLOB)), (2, 2, CAST('Sione' AS BLOB)), (3, 1, CAST('Mele Tau' AS BLOB))`,
		`INSERT INTO history VALUES (1, 'T', 1760000000123, 1), (2, 'T', 1760000060456, 1), (3, 'F', 1760000120789, 1), (4, 'S', 1760000180000, 1), (5, 'T', 1760000190000, 2), (7, 'T', 1760000200000, 1), (9, 'T', 1760000210000, 1)`,
		`INSERT INTO text_messages VALUES (1, 'T', 1, CAST('Mālō — see it?' AS BLOB)), (2, 'T', 2, CAST('one`+"\n"+`two' AS BLOB)), (5, 'T', 2, CAST('to all' AS BLOB)), (7, 'T', 3, X'ff41'), (8, 'T', 1, X'41')`,
		`INSERT INTO file_transfers VALUES (3, 'F', 1, X'', CAST('draft.pdf' AS BLOB), CAST('/home/x/draft.pdf' AS BLOB), X'`+draft+`', 12, 1, 5)`,
		`INSERT INTO system_messages VALUES (4, 'S', 3, CAST('Mele' AS BLOB), CAST('Mele Tau' AS BLOB), NULL, NULL)`,
		`INSERT INTO broken_messages (id) VALUES (2)`, `INSERT INTO faux_offline_pending (id) VALUES (5)`)...)
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "sione.db", data))
	if r.Variant != "qtox_database" || len(r.Conversations) != 2 {
		t.Fatalf("variant %s, conversations %+v", r.Variant, r.Conversations)
	}
	c := r.Conversations[0]
	if c.Title != "Mele" || c.Kind != "dm" || c.ID != friendKey || c.Viewpoint != "Sione" || r.Conversations[1].Kind != "group" {
		t.Errorf("conversations are %+v", r.Conversations)
	}
	// History 9 has no words, and words 8 have no history: both are left aside.
	if n := r.Reconciliation; n.InFile != 8 || n.Items != 5 || n.System != 1 || len(n.Skipped) != 2 {
		t.Errorf("books are %+v", n)
	}
	type message struct {
		row    int64
		kind   capture.Kind
		ms     int64
		sender string
		body   string
		status string
		doubts string
	}
	want := []message{
		{1, "text", 1760000000123, "Mele", "Mālō — see it?", "", ""},
		{2, "text", 1760000060456, "Sione", "one\ntwo", "failed", ""},
		{3, "media", 1760000120789, "Mele", "", "", ""},
		{4, "system", 1760000180000, "", "Mele\tMele Tau", "", ""},
		{5, "text", 1760000190000, "Sione", "to all", "pending", ""},
		{7, "text", 1760000200000, "Mele", "\uFFFDA", "", "other_name not_text"},
	}
	for i, w := range want {
		o := r.Messages[i]
		var doubts []string
		for _, q := range o.Quality {
			doubts = append(doubts, q.Code)
		}
		got := message{o.Origin.Row, o.Kind, o.Sent.Min, o.Sender, o.Body, o.State.Status, strings.Join(doubts, " ")}
		if got != w || o.Sent.Max != o.Sent.Min || o.Origin.Path != "sione.db#history" && o.Origin.Path != "#history" {
			t.Errorf("message %d is %+v of %+v, want %+v", i, got, o.Origin, w)
		}
	}
	if a := r.Messages[2].Attachments[0]; a.Name != "draft.pdf" || a.Size != 12 || a.Presence != capture.NamedAbsent || !strings.Contains(a.Detail, draft) {
		t.Errorf("the file is %+v", a)
	}
	if s := r.Messages[3].System; s.Code != "name_changed" || s.Actor != "Mele" || s.Value != "Mele Tau" {
		t.Errorf("the event is %+v", s)
	}
	if o := r.Messages[4]; o.Chat != group || o.Conversation != 1 {
		t.Errorf("the group's message is in %d, %s", o.Conversation, o.Chat)
	}
}

func TestDatabase0(t *testing.T) {
	data := database(t, append(schema0,
		`INSERT INTO peers VALUES (1, '`+friendKey+`'), (2, '`+selfKey+strings.Repeat("0", 12)+`')`,
		`INSERT INTO aliases VALUES (1, 1, 'Mele'), (2, 2, 'Sione')`,
		`INSERT INTO history VALUES (1, 1460000000123, 1, 1, 'first'), (2, 1460000001000, 1, 2, 'second')`)...)
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "old.db", data))
	if len(r.Messages) != 2 || r.Messages[0].Body != "first" || r.Messages[1].Sender != "Sione" || r.Conversations[0].Viewpoint != "Sione" || r.Messages[1].Sent.Min != 1460000001000 {
		t.Errorf("messages are %s", capturetest.Lines(r))
	}
	// Version 1 has files: history names them by a number of their own.
	data = database(t, append(schema0, `CREATE TABLE file_transfers (id INTEGER PRIMARY KEY, chat_id INTEGER NOT NULL, file_restart_id BLOB NOT NULL, file_name BLOB NOT NULL, file_path BLOB NOT NULL, file_hash BLOB NOT NULL, file_size INTEGER NOT NULL, direction INTEGER NOT NULL, file_state INTEGER NOT NULL)`,
		`ALTER TABLE history ADD file_id INTEGER`,
		`INSERT INTO peers VALUES (1, '`+friendKey+`')`, `INSERT INTO aliases VALUES (1, 1, 'Mele')`,
		`INSERT INTO file_transfers VALUES (40, 1, X'', 'a.jpg', '/x/a.jpg', X'', 3, 1, 4)`,
		`INSERT INTO history VALUES (1, 1460000000123, 1, 1, '', 40)`)...)
	r = capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "old.db", data))
	if o := r.Messages[0]; o.Kind != capture.KindMedia || o.Attachments[0].Name != "a.jpg" || o.Attachments[0].Class != "image" || o.State.Status != "failed" {
		t.Errorf("the file's message is %+v", o)
	}
}

// profile is a Tox save with a public key, encrypted if there is a password, as toxencryptsave does.
func profile(t testing.TB, pk []byte, password string) []byte {
	t.Helper()
	le := binary.LittleEndian
	save := le.AppendUint32(le.AppendUint32(nil, 0), 0x15ed1b1f)
	section := func(kind uint16, data []byte) {
		save = le.AppendUint16(le.AppendUint16(le.AppendUint32(save, uint32(len(data))), kind), 0x01ce)
		save = append(save, data...)
	}
	section(4, []byte("name"))
	section(1, append(append([]byte{1, 2, 3, 4}, pk...), make([]byte, 32)...))
	if password == "" {
		return save
	}
	salt, nonce := bytes.Repeat([]byte{9}, 32), [24]byte{8}
	pass := sha256.Sum256([]byte(password))
	key, err := scrypt.Key(pass[:], salt, 16384, 8, 2, 32)
	if err != nil {
		t.Fatal(err)
	}
	out := append([]byte("toxEsave"), salt...)
	out = append(out, nonce[:]...)
	return secretbox.Seal(out, save, &nonce, (*[32]byte)(key))
}

func TestProfile(t *testing.T) {
	pk, _ := hex.DecodeString(selfKey)
	for _, password := range []string{"", "harbour kettle"} {
		if got := publicKeyOf(profile(t, pk, password), password); !bytes.Equal(got, pk) {
			t.Errorf("the public key is %x", got)
		}
	}
	if got := publicKeyOf(profile(t, pk, "harbour kettle"), "another"); got != nil {
		t.Errorf("a wrong password gives %x", got)
	}
	if got := publicKeyIn(" " + selfKey + "0123456789AB "); !bytes.Equal(got, pk) {
		t.Errorf("the key in a Tox ID is %x", got)
	}
}

// TestPassKey compares with OpenSSL's scrypt, with the numbers that toxencryptsave takes.
func TestPassKey(t *testing.T) {
	const want = "1bdb975d4293cb48758d62f946d765de1410bff59cdb4659ad01192cbef3bc6f"
	if got := hex.EncodeToString(passKey("harbour kettle", bytes.Repeat([]byte{7}, 32))); got != want || len(oldSalt) != 32 {
		t.Errorf("the key is %s, want %s", got, want)
	}
}

func logRecord(time int64, bits, kind byte, author, body string) []byte {
	h := make([]byte, 40)
	h[0] = 3
	binary.LittleEndian.PutUint64(h[8:], uint64(time))
	binary.LittleEndian.PutUint64(h[16:], uint64(len(author)))
	binary.LittleEndian.PutUint64(h[24:], uint64(len(body)))
	h[32], h[33] = bits, kind
	return append(h, author+body+"\n"...)
}

func narrowRecord(time int32, bits, kind byte, author, body string) []byte {
	h := make([]byte, 20)
	h[0] = 3
	binary.LittleEndian.PutUint32(h[4:], uint32(time))
	binary.LittleEndian.PutUint32(h[8:], uint32(len(author)))
	binary.LittleEndian.PutUint32(h[12:], uint32(len(body)))
	h[16], h[17] = bits, kind
	return append(h, author+body+"\n"...)
}

func TestLog(t *testing.T) {
	wide := bytes.Join([][]byte{
		logRecord(1760000000, 3, 1, "Sione", "hello\nsecond line"), logRecord(1760000060, 0, 1, "Mele Tau", "Mālō"),
		logRecord(1760000120, 0, 2, "Mele Tau", "waves"), logRecord(1760000180, 0, 3, "", "Friend has come online"),
		logRecord(1760000240, 0x81, 1, "Sione", "taken back"),
	}, nil)
	narrow := bytes.Join([][]byte{
		narrowRecord(1760000000, 3, 1, "Sione", "hello\nsecond line"), narrowRecord(1760000060, 0, 1, "Mele Tau", "Mālō"),
		narrowRecord(1760000120, 0, 2, "Mele Tau", "waves"), narrowRecord(1760000180, 0, 3, "", "Friend has come online"),
		narrowRecord(1760000240, 0x81, 1, "Sione", "taken back"),
	}, nil)
	const want = "2025-10-09T08:53:20|text|Sione|hello\nsecond line||\n" + // 1760000000 by date -u
		"2025-10-09T08:54:20|text|Mele Tau|Mālō||\n" +
		"2025-10-09T08:55:20|text|Mele Tau|waves||\n" +
		"2025-10-09T08:56:20|system||Friend has come online||\n" +
		"2025-10-09T08:57:20|text|Sione|taken back|pending|exporter\n"
	for name, data := range map[string][]byte{"64": wide, "32": narrow} {
		r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, friendKey+".new.txt", data))
		var got strings.Builder
		for _, o := range r.Messages {
			fmt.Fprintf(&got, "%s|%s|%s|%s|%s|%s\n", o.Sent.Local, o.Kind, o.Sender, o.Body, o.State.Status, o.State.DeletedBy)
		}
		if got.String() != want {
			t.Errorf("%s bits: read\n%s\nwant\n%s", name, &got, want)
		}
		if c := r.Conversations[0]; c.ID != friendKey || c.Title != "Mele Tau" || c.Viewpoint != "Sione" {
			t.Errorf("the conversation is %+v", c)
		}
	}
	broken := append(bytes.Clone(wide), wide[:50]...)
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "x.new.txt", broken))
	if len(r.Messages) != 5 || len(r.Warnings) != 1 || r.Warnings[0].Code != "log_broken" || r.Reconciliation.Skipped[0].Reason != "broken_record" {
		t.Errorf("a log that is cut short: %d messages, %+v", len(r.Messages), r.Warnings)
	}
}

func TestText(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	qtox := "2025-07-09\t08:53:20\tSione\thello\nsecond line\n2025-07-09\t08:54:20\tMele\tno\ttabs: yes\n"
	r := capturetest.Must(t, Parser{}, capture.Options{Zone: london}, capturetest.File(t, "chat.txt", []byte(qtox)))
	// British Summer Time: an hour ahead of UTC.
	first := time.Date(2025, 7, 9, 7, 53, 20, 0, time.UTC).UnixMilli()
	if len(r.Messages) != 2 || r.Messages[0].Body != "hello\nsecond line" || r.Messages[0].Sent.Min != first || r.Messages[1].Sender != "Mele" || r.Messages[1].Body != "no\ttabs: yes" {
		t.Errorf("read %s", capturetest.Lines(r))
	}
	utox := "[23:59] <Sione> before\nDay has changed to Friday October 10 2025\n[00:01] <Mele Tau> after\nmore\n"
	r = capturetest.Must(t, Parser{}, capture.Options{Zone: time.UTC}, capturetest.File(t, "chat.txt", []byte(utox)))
	at := time.Date(2025, 10, 10, 0, 1, 0, 0, time.UTC).UnixMilli()
	if len(r.Messages) != 3 || r.Messages[0].Quality[0].Code != "day_unknown" || r.Messages[2].Body != "after\nmore" || r.Messages[2].Sent.Min != at || r.Messages[2].Sent.Max != at+59_999 {
		t.Errorf("read %s", capturetest.Lines(r))
	}
	for _, s := range []string{"", "[10:00] <a> only one line", "10/01/2022, 10:00 - Ann: hi\n", "2025-07-09 08:53:20\tx\ty"} {
		if ok, err := (Parser{}).Recognise(t.Context(), &capture.Source{Files: []*capture.File{capturetest.File(t, "x.txt", []byte(s))}}); ok || err != nil {
			t.Errorf("%q is taken for a history of Tox: %v", s, err)
		}
	}
}

// TestSamples reads the database that SQLCipher 4.4.2 made, if it is there.
func TestSamples(t *testing.T) {
	dir := os.Getenv("DESPATCH_SAMPLES")
	if dir == "" {
		t.Skip("skipped: DESPATCH_SAMPLES names no folder of exports")
	}
	data, err := os.ReadFile(filepath.Join(dir, "tox/made-here/qtox-schema11-sqlcipher-v4.db"))
	if err != nil {
		t.Fatal(err)
	}
	f := capturetest.File(t, "profile.db", data)
	r, err := capturetest.Parse(t, Parser{}, capture.Options{}, f)
	if err != nil || r.Status != capture.StatusNeedsAnswer || r.Questions[0].About != "secret" {
		t.Errorf("without a key: %s, %v", r.Status, err)
	}
	_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{"wrong"}}, f)
	if !errors.As(err, new(*capture.FileError)) {
		t.Errorf("with a wrong password: %v", err)
	}
	r = capturetest.Must(t, Parser{}, capture.Options{Secrets: []string{"no", strings.Repeat("00112233445566778899aabbccddeeff", 2)}}, f)
	if len(r.Messages) != 4 || r.Messages[0].Sender != "Mele Tau" || r.Messages[0].Body != "Mālō e lelei — see the draft?" || r.Messages[1].State.Status != "failed" || r.Conversations[0].Viewpoint != "Sione" {
		t.Errorf("read %s", capturetest.Lines(r))
	}
	names, _ := filepath.Glob(filepath.Join(dir, "tox/made-here/*.new.txt"))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, filepath.Base(name), data)); len(r.Messages) != 4 {
			t.Errorf("%s has %d messages", name, len(r.Messages))
		}
	}
}

func FuzzTox(f *testing.F) {
	f.Add(logRecord(1760000000, 3, 1, "Sione", "hello"))
	f.Add(narrowRecord(1760000000, 3, 1, "Sione", "hello"))
	f.Add([]byte("2025-07-09\t08:53:20\tSione\thello\nsecond line\n"))
	f.Add([]byte("[23:59] <Sione> before\nDay has changed to Friday October 10 2025\n"))
	f.Fuzz(func(t *testing.T, data []byte) { capturetest.Fuzz(t, Parser{}, "x.txt", data) })
}
