package signal

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

const digits = "123456789012345678901234567890"

// single writes a backup in one file as Signal for Android did.
type single struct {
	out     bytes.Buffer
	key     []byte
	mac     []byte
	iv      [16]byte
	counter uint32
	version int
}

func newSingle(t testing.TB, version int) *single {
	t.Helper()
	s := &single{version: version}
	salt := bytes.Repeat([]byte{5}, 32)
	copy(s.iv[:], "\xff\xff\xff\xfenonce nonce") // the counter runs over
	s.counter = binary.BigEndian.Uint32(s.iv[:])
	var err error
	if s.key, s.mac, err = singleKeys(digits, salt); err != nil {
		t.Fatal(err)
	}
	head := pb(1, pb(1, s.iv[:], 2, salt, 3, version))
	if version == 0 {
		head = pb(1, pb(1, s.iv[:], 2, salt))
	}
	s.out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(head))))
	s.out.Write(head)
	return s
}

func (s *single) next() (cipher.Stream, []byte) {
	iv := s.iv
	binary.BigEndian.PutUint32(iv[:], s.counter)
	s.counter++
	block, _ := aes.NewCipher(s.key)
	return cipher.NewCTR(block, iv[:]), iv[:]
}

func (s *single) frame(b []byte) {
	stream, _ := s.next()
	mac := hmac.New(sha256.New, s.mac)
	size := binary.BigEndian.AppendUint32(nil, uint32(len(b)+10))
	if s.version > 0 {
		stream.XORKeyStream(size, size)
		mac.Write(size)
	}
	out := make([]byte, len(b))
	stream.XORKeyStream(out, b)
	mac.Write(out)
	s.out.Write(size)
	s.out.Write(out)
	s.out.Write(mac.Sum(nil)[:10])
}

func (s *single) file(content string) {
	stream, iv := s.next()
	out := make([]byte, len(content))
	stream.XORKeyStream(out, []byte(content))
	mac := hmac.New(sha256.New, s.mac)
	mac.Write(iv)
	mac.Write(out)
	s.out.Write(out)
	s.out.Write(mac.Sum(nil)[:10])
}

// sql writes a statement with its values.
func (s *single) sql(text string, values ...any) {
	m := pb(1, text)
	for _, v := range values {
		switch v := v.(type) {
		case string:
			m = append(m, pb(2, pb(1, v))...)
		case int:
			m = append(m, pb(2, pb(2, v))...)
		case nil:
			m = append(m, pb(2, pb(5, 1))...)
		}
	}
	s.frame(pb(2, m))
}

// insert writes a row into a table of so many columns: name and value in turn.
func (s *single) insert(table string, columns []string, values ...any) {
	row := make([]any, len(columns))
	for i := 0; i < len(values); i += 2 {
		for k, c := range columns {
			if c == values[i] {
				row[k] = values[i+1]
			}
		}
	}
	s.sql("INSERT INTO "+table+" VALUES ("+strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",")+")", row...)
}

func makeSingle(t testing.TB, version int) []byte {
	s := newSingle(t, version)
	s.frame(pb(5, pb(1, 260)))
	s.sql(`CREATE TABLE "recipient" (_id INTEGER PRIMARY KEY AUTOINCREMENT, aci TEXT DEFAULT NULL, e164 TEXT UNIQUE DEFAULT NULL, group_id TEXT, system_joined_name TEXT, profile_joined_name TEXT, message_expiration_time INTEGER DEFAULT 0, UNIQUE (aci, e164))`)
	s.sql("CREATE TABLE thread (_id INTEGER PRIMARY KEY, recipient_id INTEGER)")
	s.sql("CREATE TABLE groups (_id INTEGER PRIMARY KEY, group_id TEXT NOT NULL UNIQUE, title TEXT DEFAULT 'a, b (c)', extra TEXT CHECK (length(title) > 0))")
	s.sql("CREATE TABLE group_membership (_id INTEGER PRIMARY KEY, group_id TEXT, recipient_id INTEGER)")
	message := strings.Fields("_id date_sent date_received thread_id from_recipient_id type body expires_in quote_id quote_author quote_body view_once remote_deleted has_delivery_receipt has_read_receipt receipt_timestamp latest_revision_id")
	s.sql("CREATE TABLE message (_id INTEGER PRIMARY KEY AUTOINCREMENT, " + strings.Join(message[1:], " INTEGER, ") + " INTEGER DEFAULT NULL REFERENCES message (_id) ON DELETE CASCADE)")
	attachment := strings.Fields("_id message_id content_type data_size file_name quote voice_note")
	s.sql("CREATE TABLE attachment (_id INTEGER PRIMARY KEY AUTOINCREMENT, " + strings.Join(attachment[1:], ", ") + ")")
	s.sql("CREATE TABLE reaction (_id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL, author_id INTEGER, emoji TEXT, date_sent INTEGER)")
	s.sql("CREATE TABLE key_value (k, v)")
	s.sql("CREATE TRIGGER message_ai AFTER INSERT ON message BEGIN DELETE FROM recipient; END")
	s.sql("DROP TABLE message")
	s.sql("INSERT INTO key_value VALUES (?, ?)", "secret", "value")
	recipient := strings.Fields("_id aci e164 group_id system_joined_name profile_joined_name message_expiration_time")
	s.insert("recipient", recipient, "_id", 1, "aci", mine, "profile_joined_name", "Margaret Hale")
	s.insert("recipient", recipient, "_id", 2, "aci", asha, "e164", "+447700900001", "system_joined_name", "Asha Rao", "message_expiration_time", 604800)
	s.insert("recipient", recipient, "_id", 3, "aci", bob, "profile_joined_name", "Bob")
	s.insert("recipient", recipient, "_id", 4, "group_id", "__signal_group__v2__!abc")
	s.insert("thread", []string{"_id", "recipient_id"}, "_id", 1, "recipient_id", 2)
	s.insert("thread", []string{"_id", "recipient_id"}, "_id", 2, "recipient_id", 4)
	s.sql("INSERT INTO groups VALUES (?,?,?,?)", 1, "__signal_group__v2__!abc", "Water", nil)
	for i, who := range []int{1, 2, 3} {
		s.sql("INSERT INTO group_membership VALUES (?,?,?)", i+1, "__signal_group__v2__!abc", who)
	}
	const in, out = 0xA00014, 0xA00017 // 20 and 23, secure and pushed
	m := func(values ...any) { s.insert("message", message, values...) }
	m("_id", 1, "date_sent", t0, "date_received", t0+400, "thread_id", 1, "from_recipient_id", 2, "type", in, "body", "Is the pump running?", "expires_in", 604800000)
	m("_id", 2, "date_sent", t0+1000, "date_received", t0+1000, "thread_id", 1, "from_recipient_id", 1, "type", out, "body", "Since noon", "quote_id", t0, "quote_author", 2, "quote_body", "Is the pump running?", "has_delivery_receipt", 1, "has_read_receipt", 1, "receipt_timestamp", t0+1500)
	m("_id", 3, "date_sent", t0+3000, "thread_id", 1, "from_recipient_id", 2, "type", in, "body", "the first pump", "latest_revision_id", 4)
	m("_id", 4, "date_sent", t0+3900, "date_received", t0+3950, "thread_id", 1, "from_recipient_id", 2, "type", in, "body", "the second pump")
	m("_id", 5, "date_sent", t0+4000, "date_received", t0+4100, "thread_id", 2, "from_recipient_id", 3, "type", in, "body", "The weir")
	m("_id", 6, "date_sent", t0+5000, "date_received", t0+5100, "thread_id", 2, "from_recipient_id", 3, "type", in, "remote_deleted", 1)
	m("_id", 7, "date_sent", t0+6000, "date_received", t0+6100, "thread_id", 1, "from_recipient_id", 2, "type", in|0x40000, "expires_in", 604800000)
	m("_id", 8, "date_sent", t0+7000, "thread_id", 1, "from_recipient_id", 2, "type", 8)
	m("_id", 9, "date_sent", t0+8000, "date_received", t0+8100, "thread_id", 2, "from_recipient_id", 2, "type", in|0x90000)
	m("_id", 10, "date_sent", t0+9000, "thread_id", 1, "from_recipient_id", 1, "type", 0xA00018, "body", "Hello?")
	m("_id", 11, "date_sent", t0+10000, "date_received", t0+10100, "thread_id", 9, "from_recipient_id", 3, "type", in, "body", "Left over")
	s.insert("attachment", attachment, "_id", 50, "message_id", 5, "content_type", "image/jpeg", "data_size", 12, "file_name", "weir.jpg")
	s.insert("attachment", attachment, "_id", 51, "message_id", 5, "content_type", "audio/aac", "data_size", 99, "voice_note", 1)
	s.frame(pb(4, pb(1, 50, 2, 0, 3, 12)))
	s.file("\xff\xd8 a picture")
	s.frame(pb(7, pb(1, "2", 2, 6, 3, "2")))
	s.file("avatar")
	s.sql("INSERT INTO reaction VALUES (?,?,?,?,?)", 1, 2, 2, "👍", t0+1600)
	s.frame(pb(9, pb(1, "key", 2, "v")))
	s.frame(pb(6, 1))
	return s.out.Bytes()
}

var singleWant = []string{
	"Asha Rao|" + asha + ":1726000000123|text|Asha Rao|0|Is the pump running?|received 400|expires 604800",
	"Asha Rao|" + mine + ":1726000001123|text|Margaret Hale|1000|Since noon|to Asha Rao read 1500|reply " + asha + ":1726000000123 Asha Rao Is the pump running?|👍 by Asha Rao 1600",
	"Asha Rao|" + asha + ":1726000003123|text|Asha Rao|3000|the second pump|received 3950|before 3000 the first pump|edited 3900",
	"Water|" + bob + ":1726000004123|media|Bob|4000|The weir|received 4100|image weir.jpg present 12|audio  omitted 99 (voice message)",
	"Water|" + bob + ":1726000005123|deleted|Bob|5000||received 5100|deleted by sender",
	"Asha Rao||system||6000||text Asha Rao set messages to disappear after 604800 seconds|received 6100|disappearing_on by Asha Rao:  604800",
	"Asha Rao||call|Asha Rao|7000||call video missed ",
	"Water||system||8000||text Asha Rao changed the group|received 8100|other by Asha Rao:  0|? notice_details_unread",
	"Asha Rao|" + mine + ":1726000009123|text|Margaret Hale|9000|Hello?|to Asha Rao sent|failed",
	"A deleted conversation|" + bob + ":1726000010123|text|Bob|10000|Left over|received 10100|? conversation_deleted",
}

func TestSingle(t *testing.T) {
	for version := range 2 {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			data := makeSingle(t, version)
			f := capturetest.File(t, "signal-2024-09-10.backup", data)
			r := capturetest.Must(t, Parser{}, capture.Options{Secrets: []string{strings.Repeat("9", 30), "12345 67890 12345 67890 12345 67890"}}, f)
			compare(t, r, singleWant)
			if rec := r.Reconciliation; rec.InFile != 11 || rec.Continuation != 1 || r.Variant != "encrypted_backup_old" {
				t.Errorf("it is %s with %+v", r.Variant, rec)
			}
			if o := r.Messages[0]; o.Origin.Path != "signal-2024-09-10.backup#message" || o.Origin.Row != 1 {
				t.Errorf("origin is %+v", o.Origin)
			}
			if version == 0 {
				return // deriving keys takes its time
			}
			inZip := capturetest.Must(t, Parser{}, capture.Options{Secrets: []string{digits}}, capturetest.Zip(t, "b.zip", capturetest.Entry{Name: "signal.backup", Data: string(data)}))
			compare(t, inZip, singleWant)
			asked, err := capturetest.Parse(t, Parser{}, capture.Options{}, f)
			if err != nil || asked.Status != capture.StatusNeedsAnswer || len(asked.Questions) != 1 {
				t.Errorf("without a passphrase: %v, %+v", err, asked)
			}
			_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{strings.Repeat("9", 30)}}, f)
			wantFault(t, err, "passphrase that was given")
			_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{"9"}}, f)
			wantFault(t, err, "30 digits")
			bad := bytes.Clone(data)
			bad[len(bad)/2] ^= 1
			_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{digits}}, capturetest.File(t, "b.backup", bad))
			wantFault(t, err, "damaged")
			_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{digits}}, capturetest.File(t, "b.backup", data[:len(data)-5]))
			wantFault(t, err, "cut short")
		})
	}
}

// TestSingleKeys holds the derivation against one made with another program, by Python's
// hashlib and hmac.
func TestSingleKeys(t *testing.T) {
	key, mac, err := singleKeys(digits, bytes.Repeat([]byte{5}, 32))
	if err != nil || hex.EncodeToString(key) != singleCipherKey || hex.EncodeToString(mac) != singleMACKey {
		t.Errorf("got %x and %x, %v", key, mac, err)
	}
}

const (
	singleCipherKey = "fb46e45b8d89279a0d8ee60e837aaf1051caa6b53b9fdb73966622e743d9e97d"
	singleMACKey    = "6f25485d2320382269c14b56af9fdd334d6bd10dd83a8c05306b91c09c05f9a4"
)

func TestTableOf(t *testing.T) {
	name, columns, key := tableOf(` "message" (_id INTEGER PRIMARY KEY AUTOINCREMENT, "date, sent" TEXT DEFAULT 'a,(b', body TEXT CHECK (length(body) < 10), UNIQUE (_id, body), FOREIGN KEY (body) REFERENCES x (y))`)
	if name != "message" || strings.Join(columns, "|") != "_id|date, sent|body" || key != "_id" {
		t.Errorf("got %q, %q, %q", name, columns, key)
	}
	for _, bad := range []string{"", "x", "x (", "x (a, (b)", "x (a 'b)"} {
		if _, columns, _ := tableOf(bad); len(columns) > 0 && !strings.Contains(bad, ")") {
			t.Errorf("%q has columns %q", bad, columns)
		}
	}
}

func FuzzStatement(f *testing.F) {
	f.Add(pb(1, "CREATE TABLE message (_id INTEGER PRIMARY KEY, body TEXT)"), pb(1, "INSERT INTO message VALUES (?,?)", 2, pb(2, 7), 2, pb(1, "x")))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		s := newSingleWith(testKeys)
		s.frame(pb(2, pb(1, "CREATE TABLE recipient (_id INTEGER PRIMARY KEY)")))
		s.frame(pb(2, pb(1, "CREATE TABLE thread (_id INTEGER PRIMARY KEY)")))
		s.frame(pb(2, a))
		s.frame(pb(2, b))
		s.frame(pb(6, 1))
		file := capturetest.File(t, "x.backup", s.out.Bytes())
		var fault *capture.FileError
		if err := readWith(ctx, file, testKeys); err != nil && !errors.As(err, &fault) {
			t.Fatalf("no fault of the file: %v", err)
		}
	})
}
