package signal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

// desktopSchema has the tables of Signal Desktop of 2026 that the parser reads, with columns that are
// computed among them.
var desktopSchema = []string{
	`CREATE TABLE conversations (id STRING PRIMARY KEY ASC, json TEXT, active_at INTEGER, type STRING, members TEXT, name TEXT, profileName TEXT, profileFamilyName TEXT, profileFullName TEXT, e164 TEXT, serviceId TEXT, groupId TEXT, expireTimerVersion INTEGER NOT NULL DEFAULT 1)`,
	`CREATE TABLE items (id STRING PRIMARY KEY ASC, json TEXT)`, `CREATE TABLE sessions (id STRING PRIMARY KEY ASC, record BLOB)`,
	`CREATE TABLE messages (rowid INTEGER PRIMARY KEY ASC, id STRING UNIQUE, json TEXT, readStatus INTEGER, sent_at INTEGER, schemaVersion INTEGER, conversationId STRING, received_at INTEGER, expireTimer INTEGER, type STRING, body TEXT, isErased INTEGER, isViewOnce INTEGER, sourceServiceId TEXT, isStory INTEGER GENERATED ALWAYS AS (type IS 'story'), callId TEXT GENERATED ALWAYS AS (json_extract(json, '$.callId')), timestamp INTEGER, received_at_ms INTEGER)`,
	`CREATE TABLE message_attachments (messageId TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE, editHistoryIndex INTEGER NOT NULL, attachmentType TEXT NOT NULL, orderInMessage INTEGER NOT NULL, conversationId TEXT NOT NULL, sentAt INTEGER NOT NULL, size INTEGER NOT NULL, contentType TEXT NOT NULL, path TEXT, plaintextHash TEXT, localKey TEXT, caption TEXT, fileName TEXT, version INTEGER, flags INTEGER, PRIMARY KEY (messageId, editHistoryIndex, attachmentType, orderInMessage)) STRICT`,
	`CREATE INDEX messages_call ON messages (type, callId)`,
	`CREATE TRIGGER forget AFTER DELETE ON messages BEGIN DELETE FROM message_attachments WHERE messageId = OLD.id; END`,
}

const desktopKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func desktopRows(picture string) []string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	n := 0
	m := func(sort, from, conversation string, sent int, body, more string) string {
		n++
		return fmt.Sprintf("INSERT INTO messages (rowid, id, type, sourceServiceId, conversationId, sent_at, received_at_ms, body, json) VALUES (%d, 'm-%d', %s, %s, %s, %d, %d, %s, %s)",
			n, n, quote(sort), quote(from), quote(conversation), sent, sent+400, quote(body), quote("{"+more+"}"))
	}
	sum := sha256.Sum256([]byte(picture))
	local := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 64))
	return []string{
		`INSERT INTO items VALUES ('uuid_id', '{"id":"uuid_id","value":"` + mine + `.2"}')`,
		`INSERT INTO conversations (id, type, json, profileFullName, serviceId) VALUES ('c-me', 'private', '{}', 'Margaret Hale', '` + mine + `')`,
		`INSERT INTO conversations (id, type, json, profileName, profileFamilyName, e164, serviceId) VALUES ('c-asha', 'private', '{"expireTimer":604800}', 'Asha', 'Rao', '+447700900001', '` + asha + `')`,
		`INSERT INTO conversations (id, type, json, name, serviceId) VALUES ('c-bob', 'private', '{}', 'Bob', '` + bob + `')`,
		`INSERT INTO conversations (id, type, json, name, groupId) VALUES ('c-water', 'group', '{"membersV2":[{"aci":"` + asha + `"},{"aci":"` + bob + `"},{"aci":"` + mine + `"}]}', 'Water', 'R3JvdXA=')`,
		m("incoming", asha, "c-asha", t0, "Is the pump running?", ``),
		m("outgoing", mine, "c-asha", t0+1000, "Since noon", `"quote":{"id":`+fmt.Sprint(t0)+`,"authorAci":"`+asha+`","text":"Is the pump running?"},"reactions":[{"emoji":"👍","fromId":"c-asha","timestamp":`+fmt.Sprint(t0+1600)+`}],"sendStateByConversationId":{"c-asha":{"status":"Read","updatedAt":`+fmt.Sprint(t0+1500)+`},"c-me":{"status":"Sent"}}`),
		m("incoming", asha, "c-asha", t0+3900, "the second pump", `"editMessageTimestamp":`+fmt.Sprint(t0+3900)+`,"editHistory":[{"body":"the second pump","timestamp":`+fmt.Sprint(t0+3900)+`},{"body":"the first pump","timestamp":`+fmt.Sprint(t0+3000)+`}]`),
		m("incoming", bob, "c-water", t0+4000, "The weir", ``),
		fmt.Sprintf("INSERT INTO message_attachments (messageId, editHistoryIndex, attachmentType, orderInMessage, conversationId, sentAt, size, contentType, path, plaintextHash, localKey, fileName, version) VALUES ('m-%d', -1, 'attachment', 0, 'c-water', 0, %d, 'image/jpeg', 'ab/abcdef', '%s', '%s', 'weir.jpg', 2)",
			n, len(picture), hex.EncodeToString(sum[:]), local),
		m("incoming", bob, "c-water", t0+5000, "", `"deletedForEveryone":true,"deletedForEveryoneTimestamp":`+fmt.Sprint(t0+5500)),
		m("timer-notification", "", "c-asha", t0+6000, "", `"expirationTimerUpdate":{"expireTimer":604800,"sourceServiceId":"`+asha+`"}`),
		m("group-v2-change", "", "c-water", t0+7000, "", `"groupV2Change":{"from":"`+asha+`","details":[{"type":"title","newTitle":"Water"},{"type":"member-remove","aci":"`+asha+`"}]}`),
		m("keychange", "", "c-asha", t0+8000, "", ``),
		m("incoming", bob, "c-water", t0+9000, "", `"sticker":{"emoji":"🦆","packId":"p"}`),
		m("brand-new", "", "c-water", t0+10000, "", ``),
		m("incoming", asha, "c-gone", t0+11000, "Left over", ``),
		`UPDATE messages SET expireTimer = 604800 WHERE rowid = 1`,
	}
}

var desktopWant = []string{
	"Asha Rao|" + asha + ":1726000000123|text|Asha Rao|0|Is the pump running?|received 400|expires 604800",
	"Asha Rao|" + mine + ":1726000001123|text|Margaret Hale|1000|Since noon|to Asha Rao read 1500|reply " + asha + ":1726000000123 Asha Rao Is the pump running?|👍 by Asha Rao 1600",
	"Asha Rao|" + asha + ":1726000003123|text|Asha Rao|3000|the second pump|received 4300|before 3000 the first pump|edited 3900",
	"Water|" + bob + ":1726000004123|media|Bob|4000|The weir|received 4400|image weir.jpg present 12",
	"Water|" + bob + ":1726000005123|deleted|Bob|5000||received 5400|deleted by sender",
	"Asha Rao||system||6000||text Asha Rao set messages to disappear after 604800 seconds|disappearing_on by Asha Rao:  604800",
	"Water||system||7000||text Asha Rao changed the group’s name to “Water”; Asha Rao left|subject_changed by Asha Rao: Water 0",
	"Asha Rao||system||8000||text The safety number with Asha Rao changed|security_code_changed by Asha Rao:  0",
	"Water|" + bob + ":1726000009123|sticker|Bob|9000||text 🦆|received 9400",
	"Water||system||10000||text A notice of Signal’s whose meaning is not known, “brand-new”|other by :  0|? unknown_notice",
	"A deleted conversation|" + asha + ":1726000011123|text|Asha Rao|11000|Left over|received 11400|? conversation_deleted",
}

func TestDesktop(t *testing.T) {
	picture := "\xff\xd8 a picture"
	plain := database(t, append(desktopSchema, desktopRows(picture)...)...)
	key, _ := hex.DecodeString(desktopKey)
	locked := sqlcipher(t, plain, key)
	local := bytes.Repeat([]byte{9}, 64)
	sealed := seal(t, append([]byte(picture), make([]byte, 500)...), local[:32], local[32:])
	media := capturetest.File(t, "Signal/attachments.noindex/ab/abcdef", sealed)
	db := capturetest.File(t, "Signal/sql/db.sqlite", locked)
	for name, c := range map[string]struct {
		opt   capture.Options
		files []*capture.File
	}{
		"with its configuration": {capture.Options{}, []*capture.File{db, media, capturetest.File(t, "Signal/config.json", []byte(`{"key":"`+desktopKey+`"}`))}},
		"with a key":             {capture.Options{Secrets: []string{strings.Repeat("0", 64), strings.ToUpper(desktopKey)}}, []*capture.File{db, media}},
		"not encrypted":          {capture.Options{}, []*capture.File{capturetest.File(t, "Signal/sql/plain.sqlite", plain), media}},
	} {
		t.Run(name, func(t *testing.T) {
			r := capturetest.Must(t, Parser{}, c.opt, c.files...)
			compare(t, r, desktopWant)
			if r.Variant != "desktop" || !hasWarning(r, "disappearing_messages") || r.Conversations[1].ID != "R3JvdXA=" {
				t.Errorf("it is %s, %+v, %+v", r.Variant, r.Warnings, r.Conversations[1])
			}
		})
	}
	asked, err := capturetest.Parse(t, Parser{}, capture.Options{}, db, capturetest.File(t, "Signal/config.json", []byte(`{"encryptedKey":"763130"}`)))
	if err != nil || asked.Status != capture.StatusNeedsAnswer || len(asked.Questions) != 1 || !strings.Contains(asked.Questions[0].Text, "only in a form") {
		t.Errorf("without a key: %v, %+v", err, asked)
	}
	_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{strings.Repeat("ab", 32)}}, db)
	wantFault(t, err, "key that was given")
	_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{"short"}}, db)
	wantFault(t, err, "64 digits")
	locked[len(locked)-5000] ^= 1
	_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{desktopKey}}, capturetest.File(t, "db.sqlite", locked))
	wantFault(t, err, "damaged")
}

// TestChangedBytes changes bytes of a desktop's database, of the frames of both backups, and of a
// plaintext export, before they are encrypted; and wants messages or a fault of the file, and books
// that balance.
func TestChangedBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	plain := database(t, append(desktopSchema, desktopRows("picture")...)...)
	change := func(b []byte) []byte {
		b = bytes.Clone(b)
		for range 1 + rng.IntN(10) {
			if at := rng.IntN(len(b)); b[at] != 0 || rng.IntN(4) == 0 {
				b[at] = byte(rng.Uint32())
			}
		}
		return b
	}
	frames := frameList(map[string][]byte{}, t)
	statements := [][]byte{pb(2, pb(1, "CREATE TABLE recipient (_id INTEGER PRIMARY KEY, aci TEXT, group_id TEXT)")), pb(2, pb(1, "CREATE TABLE thread (_id INTEGER PRIMARY KEY, recipient_id INTEGER)")),
		pb(2, pb(1, "CREATE TABLE message (_id INTEGER PRIMARY KEY, date_sent INTEGER, thread_id INTEGER, from_recipient_id INTEGER, type INTEGER, body TEXT, latest_revision_id INTEGER)")),
		pb(2, pb(1, "CREATE TABLE attachment (_id INTEGER PRIMARY KEY, message_id INTEGER, content_type TEXT)")),
		pb(2, pb(1, "INSERT INTO recipient VALUES (?,?,?)", 2, pb(2, 1), 2, pb(1, asha), 2, pb(5, 1))), pb(2, pb(1, "INSERT INTO thread VALUES (?,?)", 2, pb(2, 1), 2, pb(2, 1))),
		pb(2, pb(1, "INSERT INTO message VALUES (?,?,?,?,?,?,?)", 2, pb(2, 1), 2, pb(2, t0), 2, pb(2, 1), 2, pb(2, 1), 2, pb(2, 20), 2, pb(1, "Hello"), 2, pb(5, 1))),
		pb(2, pb(1, "INSERT INTO attachment VALUES (?,?,?)", 2, pb(2, 9), 2, pb(2, 1), 2, pb(1, "image/png")))}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	parse := func(files ...*capture.File) {
		t.Helper()
		count := int64(0)
		run, err := Parser{}.Parse(ctx, &capture.Source{Files: files}, capture.Options{Secrets: []string{recovery}}, func(*capture.Observation) error { count++; return nil })
		var fault *capture.FileError
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("no fault of the file: %v", err)
		}
		if err == nil && (!run.Reconciliation.Balanced || run.Reconciliation.Items+run.Reconciliation.System != count) {
			t.Fatalf("%d messages, books %+v", count, run.Reconciliation)
		}
	}
	for range 25 {
		parse(capturetest.File(t, "x.sqlite", change(plain)))
		s := newSingleWith(testKeys)
		which := rng.IntN(len(statements))
		for i, b := range statements {
			if i == which {
				b = change(b)
			}
			s.frame(b)
		}
		s.frame(pb(6, 1))
		var fault *capture.FileError
		if err := readWith(ctx, capturetest.File(t, "x.backup", s.out.Bytes()), testKeys); err != nil && !errors.As(err, &fault) {
			t.Fatalf("no fault of the file: %v", err)
		}
	}
	for range 300 {
		which := rng.IntN(len(frames))
		changed := append([][]byte{}, frames...)
		changed[which] = change(changed[which])
		meta, main := backup(t, recovery, changed...)
		parse(capturetest.File(t, "s/metadata", meta), capturetest.File(t, "s/main", main))
	}
	export := `{"version":"1","backupTimeMs":"1"}` + "\n" + `{"recipient":{"id":"1","contact":{"aci":"` + base64.StdEncoding.EncodeToString(ashaACI) + `"}}}` + "\n" +
		`{"chatItem":{"chatId":"1","authorId":"1","dateSent":"1726000000123","revisions":[{"dateSent":"9"}],"incoming":{},"standardMessage":{"text":{"body":"x"},"quote":{"authorId":"1"},"attachments":[{"pointer":{}}]}}}`
	capturetest.Mutate(t, Parser{}, 800, capturetest.Entry{Name: "main.jsonl", Data: export})
}
