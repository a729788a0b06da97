package whatsappdb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

var (
	picture     = "\xff\xd8 a picture"
	pictureSum  = sha256.Sum256([]byte(picture))
	pictureHash = base64.StdEncoding.EncodeToString(pictureSum[:])
	otherHash   = base64.StdEncoding.EncodeToString(make([]byte, 32))
)

const (
	t0       = 1726000000000 // 2024-09-10T20:26:40Z
	bobCard  = "BEGIN:VCARD\nVERSION:3.0\nFN:Bob Example\nTEL:+61400000003\nEND:VCARD"
	ashaJID  = "447700900001@s.whatsapp.net"
	groupJID = "447700900009-1700000000@g.us"
)

// androidRows are a phone's: Margaret's. Asha writes to her, and in a group also Bob, whose number is
// hidden, and Tom.
func androidRows() []row {
	m := func(id, chat, own int, key string, sender int, ms int64, kind int, text any, more ...any) row {
		return append(row{"message", "_id", id, "chat_row_id", chat, "from_me", own, "key_id", key, "sender_jid_row_id", sender, "timestamp", ms, "message_type", kind, "text_data", text}, more...)
	}
	jid := func(id int, user, server string) row {
		return row{"jid", "_id", id, "user", user, "server", server, "raw_string", user + "@" + server}
	}
	return []row{
		{"props", "key", "user_push_name", "value", "Margaret"},
		jid(1, "447700900001", "s.whatsapp.net"), jid(2, "447700900009-1700000000", "g.us"), jid(3, "99887766554433", "lid"), jid(4, "447700900003", "s.whatsapp.net"),
		jid(5, "447700900004", "s.whatsapp.net"), jid(6, "447700900044", "s.whatsapp.net"), jid(7, "status", "broadcast"),
		{"jid_map", "lid_row_id", 3, "jid_row_id", 4}, {"lid_display_name", "lid_row_id", 3, "display_name", "Bob"},
		{"chat", "_id", 10, "jid_row_id", 1, "ephemeral_expiration", 604800}, {"chat", "_id", 11, "jid_row_id", 2, "subject", "Water"}, {"chat", "_id", 12, "jid_row_id", 7},
		{"group_participant_user", "group_jid_row_id", 2, "user_jid_row_id", 1}, {"group_participant_user", "group_jid_row_id", 2, "user_jid_row_id", 3}, {"group_participant_user", "group_jid_row_id", 2, "user_jid_row_id", 5},

		m(1, -1, 0, "-1", 0, 0, 0, nil), // what WhatsApp begins the table with
		m(2, 10, 0, "K2", 0, t0, 0, "Is the pump running? 😀", "received_timestamp", t0+512),
		m(3, 10, 1, "K3", 0, t0+1234, 0, "Since noon", "status", 13),
		{"message_quoted", "message_row_id", 3, "chat_row_id", 10, "parent_message_chat_row_id", 10, "from_me", 0, "key_id", "K2", "timestamp", t0, "text_data", "Is the pump running? 😀"},
		{"receipt_user", "message_row_id", 3, "receipt_user_jid_row_id", 1, "receipt_timestamp", t0 + 2000, "read_timestamp", t0 + 3000},
		m(4, 10, 0, "K4b", 0, t0+4000, 0, "I mean the second pump"),
		{"message_edit_info", "message_row_id", 4, "original_key_id", "K4", "edited_timestamp", t0 + 9000, "sender_timestamp", t0 + 8500},
		m(5, 11, 0, "K5", 1, t0+5000, 1, "The reservoir"),
		{"message_media", "message_row_id", 5, "file_path", "Media/WhatsApp Images/IMG-20240910-WA0001.jpg", "mime_type", "image/jpeg", "file_hash", pictureHash, "file_size", len(picture)},
		m(6, 11, 0, "K6", 3, t0+6000, 2, nil, "origin", 1),
		{"message_media", "message_row_id", 6, "file_path", "Media/WhatsApp Voice Notes/202437/PTT-1.opus", "mime_type", "audio/ogg; codecs=opus", "media_duration", 7, "file_length", 999, "file_hash", otherHash},
		m(7, 11, 0, "R7", 5, t0+7000, 15, nil),
		{"message_revoked", "message_row_id", 7, "revoked_key_id", "K7", "revoke_timestamp", t0 + 60000},
		m(8, 11, 0, "R8", 5, t0+8000, 64, nil),
		{"message_revoked", "message_row_id", 8, "revoked_key_id", "K8", "admin_jid_row_id", 1, "revoke_timestamp", t0 + 61000},
		m(9, 11, 1, "K9", 0, t0+9000, 66, "Where do we meet?"),
		{"message_poll", "message_row_id", 9, "selectable_options_count", 1},
		{"message_poll_option", "message_row_id", 9, "option_name", "Town hall", "vote_total", 2}, {"message_poll_option", "message_row_id", 9, "option_name", "Library", "vote_total", 0},
		m(10, 11, 0, "K10", 1, t0+10000, 5, nil),
		{"message_location", "message_row_id", 10, "latitude", 52.2297, "longitude", 21.0122, "place_name", "Weir", "place_address", "River Road"},
		m(11, 11, 0, "K11", 5, t0+11000, 4, "Bob"), {"message_vcard", "message_row_id", 11, "vcard", bobCard},
		m(12, 11, 0, "K12", 1, t0+12000, 7, "Water", "status", 6), {"message_system", "message_row_id", 12, "action_type", 1}, {"message_system_value_change", "message_row_id", 12, "old_data", "Flood"},
		m(13, 11, 0, "K13", 1, t0+13000, 7, nil), {"message_system", "message_row_id", 13, "action_type", 12}, {"message_system_chat_participant", "message_row_id", 13, "user_jid_row_id", 3}, {"message_system_chat_participant", "message_row_id", 13, "user_jid_row_id", 5},
		m(14, 10, 0, "K14", 0, t0+14000, 36, nil), {"message_ephemeral_setting", "message_row_id", 14, "setting_duration", 604800},
		m(15, 10, 0, "K15", 0, t0+15000, 0, "Gone in a week", "origination_flags", 1), {"message_ephemeral", "message_row_id", 15, "duration", 604800, "expire_timestamp", t0 + 604815000},
		m(16, 10, 0, "K16", 0, t0+16000, 42, nil),
		m(17, 10, 0, "K17", 0, t0+17000, 90, nil), {"call_log", "_id", 1, "jid_row_id", 1, "from_me", 0, "call_id", "call:1", "timestamp", t0 + 17000, "video_call", 1, "duration", 125, "call_result", 5}, {"message_call_log", "message_row_id", 17, "call_log_row_id", 1},
		m(18, 10, 0, "K18", 0, t0+18000, 10, nil), {"missed_call_logs", "message_row_id", 18, "timestamp", t0 + 18000, "video_call", 0},
		m(19, 10, 0, "K19", 0, t0+19000, 118, nil),
		m(20, 11, 0, "K20", 3, t0+20000, 7, nil), {"message_system", "message_row_id", 20, "action_type", 131},
		m(21, 77, 0, "K21", 5, t0+21000, 0, "Left over"),
		m(22, 12, 0, "K22", 1, t0+22000, 0, "A status"),
		m(23, 11, 0, "K23", 0, t0+23000, 7, nil), {"message_system", "message_row_id", 23, "action_type", 28}, {"message_system_number_change", "message_row_id", 23, "old_jid_row_id", 5, "new_jid_row_id", 6},
		{"call_log", "_id", 2, "jid_row_id", 1, "from_me", 1, "call_id", "call:2", "timestamp", t0 + 30000, "video_call", 0, "duration", 0, "call_result", 2},
		{"message_add_on", "_id", 1, "from_me", 1, "key_id", "A1", "parent_message_row_id", 5, "timestamp", t0 + 5500, "message_add_on_type", 56}, {"message_add_on_reaction", "message_add_on_row_id", 1, "reaction", "👍", "sender_timestamp", t0 + 5500},
		{"message_add_on", "_id", 2, "from_me", 0, "key_id", "A2", "sender_jid_row_id", 3, "parent_message_row_id", 5, "timestamp", t0 + 5600, "message_add_on_type", 56}, {"message_add_on_reaction", "message_add_on_row_id", 2, "reaction", "", "sender_timestamp", t0 + 5600},
	}
}

// line writes a message down in one line, for comparing.
func line(o *capture.Observation, r *capturetest.Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%s|%s|%d..%d|%s", r.Conversations[o.Conversation].Title, o.NativeID, o.Kind, o.Sender, o.Sent.Min-t0, o.Sent.Max-t0, o.Body)
	if o.Text != o.Body {
		fmt.Fprintf(&b, "|text %s", o.Text)
	}
	if o.Received != nil {
		fmt.Fprintf(&b, "|received %d", o.Received.Min-t0)
	}
	for _, to := range o.To {
		fmt.Fprintf(&b, "|to %s %s", to.Name, to.Status)
		for _, at := range []*capture.Instant{to.Delivered, to.Read} {
			if at != nil {
				fmt.Fprintf(&b, " %d", at.Min-t0)
			}
		}
	}
	for _, a := range o.Attachments {
		fmt.Fprintf(&b, "|%s %s %s %d", a.Class, a.Name, a.Presence, a.Size)
		if a.Detail != "" {
			fmt.Fprintf(&b, " (%s)", a.Detail)
		}
	}
	if ref := o.ReplyTo; ref != nil {
		fmt.Fprintf(&b, "|reply %s %s %s", ref.NativeID, ref.Author, ref.QuotedText)
	}
	if o.Forward != nil {
		b.WriteString("|forwarded")
	}
	for _, x := range o.Reactions {
		fmt.Fprintf(&b, "|%s by %s", x.Value, x.Actor)
		if x.At != nil {
			fmt.Fprintf(&b, " %d", x.At.Min-t0)
		}
		if x.Removed {
			b.WriteString(" removed")
		}
	}
	if s := o.State; s.Edited {
		fmt.Fprintf(&b, "|edited %d", s.EditedAt.Min-t0)
	}
	if s := o.State; s.Deleted {
		fmt.Fprintf(&b, "|deleted by %s", s.DeletedBy)
		if s.DeletedAt != nil {
			fmt.Fprintf(&b, " %d", s.DeletedAt.Min-t0)
		}
	}
	if o.State.ViewOnce {
		b.WriteString("|once")
	}
	if o.State.Expires > 0 {
		fmt.Fprintf(&b, "|expires %d", o.State.Expires)
	}
	if p := o.Poll; p != nil {
		fmt.Fprintf(&b, "|poll %s %v", p.Question, p.Options)
	}
	if l := o.Location; l != nil {
		fmt.Fprintf(&b, "|at %s %s %s %v", l.Latitude, l.Longitude, l.Name, l.Live)
	}
	if c := o.Call; c != nil {
		fmt.Fprintf(&b, "|call %s %s %s", c.Medium, c.Outcome, c.Duration)
	}
	if s := o.System; s != nil {
		fmt.Fprintf(&b, "|%s by %s: %s %d", s.Code, s.Actor, s.Value, s.TTL)
	}
	for _, q := range o.Quality {
		fmt.Fprintf(&b, "|? %s", q.Code)
	}
	return b.String()
}

func compare(t *testing.T, r *capturetest.Run, want []string) {
	t.Helper()
	for i := range max(len(want), len(r.Messages)) {
		got, wanted := "nothing", "nothing"
		if i < len(r.Messages) {
			got = line(r.Messages[i], r)
		}
		if i < len(want) {
			wanted = want[i]
		}
		if got != wanted {
			t.Errorf("message %d:\n got %s\nwant %s", i, got, wanted)
		}
	}
}

// androidWant are the messages of androidRows, written down by hand.
var androidWant = []string{
	"+447700900001|K2|text|+447700900001|0..999|Is the pump running? 😀|received 512",
	"+447700900001|K3|text|Margaret|1234..1234|Since noon|to +447700900001 read 2000 3000|reply K2 +447700900001 Is the pump running? 😀",
	"+447700900001|K4|text|+447700900001|4000..4999|I mean the second pump|edited 8500",
	"Water|K5|media|+447700900001|5000..5999|The reservoir|image IMG-20240910-WA0001.jpg present 12|👍 by Margaret 5500| by Bob 5600 removed",
	"Water|K6|media|Bob|6000..6999||audio PTT-1.opus named_absent 999 (7 s, voice message; SHA-256 " + strings.Repeat("0", 64) + ")",
	"Water|K7|deleted|+447700900004|7000..7999||deleted by sender 60000",
	"Water|K8|deleted|+447700900004|8000..8999||deleted by admin 61000",
	"Water|K9|poll|Margaret|9000..9999|Where do we meet?|poll Where do we meet? [{Town hall 2} {Library 0}]",
	"Water|K10|location|+447700900001|10000..10999||text Weir, River Road|at 52.2297 21.0122 Weir, River Road false",
	"Water|K11|contact|+447700900004|11000..11999|Bob|contact Bob Example.vcf present 65",
	"Water|K12|system||12000..12999|Water|text +447700900001 changed the group’s name to “Water”, before “Flood”|subject_changed by +447700900001: Water 0",
	"Water|K13|system||13000..13999||text +447700900001 added Bob, +447700900004|member_added by +447700900001: Bob, +447700900004 0",
	"+447700900001|K14|system||14000..14999||text +447700900001 set messages to disappear after 604800 seconds|disappearing_on by +447700900001:  604800",
	"+447700900001|K15|text|+447700900001|15000..15999|Gone in a week|forwarded|expires 604800",
	"+447700900001|K16|view_once|+447700900001|16000..16999||once",
	"+447700900001|K17|call|+447700900001|17000..17999||call video answered 125 s",
	"+447700900001|K18|call|+447700900001|18000..18999||call voice missed ",
	"+447700900001|K19|unknown|+447700900001|19000..19999||? unknown_type",
	"Water|K20|system||20000..20999||text A notice of WhatsApp’s whose meaning is not known, number 131|other by Bob:  0|? unknown_notice",
	"A deleted conversation (77)|K21|text|+447700900004|21000..21999|Left over|? conversation_deleted",
	"Status updates|K22|text|+447700900001|22000..22999|A status",
	"Water|K23|system||23000..23999||text +447700900004 changed the telephone number to +447700900044|number_changed by +447700900004: +447700900044 0",
	"+447700900001|call:2|call|Margaret|30000..30999||call voice no_answer ",
}

func TestAndroid(t *testing.T) {
	db := database(t, androidSchema, androidRows()...)
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "Databases/msgstore.db", db),
		capturetest.File(t, "Media/WhatsApp Images/IMG-20240910-WA0001.jpg", []byte(picture)), capturetest.File(t, "Media/other.jpg", []byte("x")))
	compare(t, r, androidWant)
	if r.System != "whatsapp" || r.Variant != "android_database" {
		t.Errorf("it is %s, %s", r.System, r.Variant)
	}
	if rec := r.Reconciliation; rec.InFile != 24 || rec.Items != 17+1 || rec.System != 5 || len(rec.Skipped) != 1 || rec.Skipped[0].Reason != "placeholder" {
		t.Errorf("reconciliation is %+v", rec)
	}
	if m := r.Coverage.Members; m.Total != 3 || m.Chats != 1 || m.Named != 1 || m.Unnamed != 1 {
		t.Errorf("members are %+v", m)
	}
	g := r.Conversations[1]
	if g.ID != groupJID || g.Kind != "group" || g.Viewpoint != "Margaret" || len(g.Participants) != 4 {
		t.Errorf("the group is %+v", g)
	}
	ids := map[string]string{}
	for _, p := range g.Participants {
		for _, i := range p.Identifiers {
			ids[p.Name] += i.Type + ":" + i.Value + " "
		}
	}
	if got := ids["Bob"]; got != "whatsapp:447700900003@s.whatsapp.net phone:+447700900003 whatsapp:99887766554433@lid " {
		t.Errorf("Bob is %q", got)
	}
	if d := r.Conversations[0]; d.ID != ashaJID || d.Kind != "dm" || d.Path != "msgstore.db#message" {
		t.Errorf("the direct conversation is %+v", d)
	}
	o := r.Messages[0]
	if o.Origin.Path != "msgstore.db#message" || o.Origin.Row != 2 || o.Chat != ashaJID || o.ID != capture.ObservationID(r.Source.Files[0].SHA256, "msgstore.db#message", 2, 2, 0) {
		t.Errorf("the origin is %+v, the id %s", o.Origin, o.ID)
	}
	if o.Sent.Clock != "server" || o.Sent.Zone != capture.ZoneUTC || r.Messages[1].Sent.Precision != "ms" || r.Messages[1].Sent.Clock != "sender" {
		t.Errorf("times are %+v and %+v", o.Sent, r.Messages[1].Sent)
	}
	if !hasWarning(r, "disappearing_messages") {
		t.Errorf("no warning of disappearing messages: %+v", r.Warnings)
	}
}

func hasWarning(r *capturetest.Run, code string) bool {
	for _, w := range r.Warnings {
		if w.Code == code {
			return true
		}
	}
	return false
}

func TestContacts(t *testing.T) {
	db := database(t, androidSchema, androidRows()...)
	wa := database(t, "CREATE TABLE wa_contacts (_id INTEGER PRIMARY KEY AUTOINCREMENT, jid TEXT NOT NULL, number TEXT, display_name TEXT, wa_name TEXT)",
		row{"wa_contacts", "jid", ashaJID, "display_name", "Asha Rao", "wa_name", "asha"}, row{"wa_contacts", "jid", "447700900004@s.whatsapp.net", "wa_name", "Margaret"})
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "wa.db", wa), capturetest.File(t, "msgstore.db", db))
	if got := r.Messages[0].Sender; got != "Asha Rao" || r.Conversations[0].Title != "Asha Rao" {
		t.Errorf("got sender %q in %q", got, r.Conversations[0].Title)
	}
	// Somebody else of the owner's name is somebody else.
	if got := r.Messages[5].Sender; got != "Margaret (+447700900004)" {
		t.Errorf("got sender %q", got)
	}
	if ok, err := (Parser{}).Recognise(t.Context(), &capture.Source{Files: []*capture.File{capturetest.File(t, "wa.db", wa)}}); ok || err != nil {
		t.Errorf("contacts alone pass for messages: %v, %v", ok, err)
	}
}

func TestEncrypted(t *testing.T) {
	db := database(t, androidSchema, androidRows()...)
	root := bytes.Repeat([]byte{0xA5, 1}, 16)
	// HKDF-SHA-256 of the root key, computed with another program.
	derived, err := hex.DecodeString(derivedHex)
	if err != nil {
		t.Fatal(err)
	}
	salt := bytes.Repeat([]byte{7}, 32)
	fileKey := append(append(append(bytes.Clone([]byte{0xAC, 0xED, 0x00, 0x05}), make([]byte, 26)...), salt...), make([]byte, 96)...)
	copy(fileKey[126:], derived)
	digits := hex.EncodeToString(root)
	spaced := ""
	for i := 0; i < 64; i += 8 {
		spaced += strings.ToUpper(digits[i:i+8]) + " "
	}
	keyFile := capturetest.File(t, "key", fileKey)
	for _, c := range []struct {
		name    string
		version int
		md5     bool
		secret  string
		files   []*capture.File
	}{
		{"crypt15", 15, true, digits, nil}, {"crypt15 as written down", 15, true, spaced, nil}, {"crypt15 without a sum", 15, false, digits, nil},
		{"crypt14", 14, true, "", []*capture.File{keyFile}}, {"crypt12", 12, true, "", []*capture.File{keyFile}}, {"crypt14 without a sum", 14, false, "", []*capture.File{keyFile}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := encrypt(t, c.version, db, derived, salt, c.md5)
			name := fmt.Sprintf("msgstore.db.crypt%d", c.version)
			opt := capture.Options{Secrets: []string{"not a key", strings.Repeat("00", 32)}}
			if c.secret != "" {
				opt.Secrets = append(opt.Secrets, c.secret)
			}
			r := capturetest.Must(t, Parser{}, opt, append(c.files, capturetest.File(t, name, data))...)
			if len(r.Messages) != len(androidWant) || r.Messages[0].Origin.Path != name+"#message" {
				t.Errorf("%d messages from %s", len(r.Messages), r.Messages[0].Origin.Path)
			}
			if c.version == 15 {
				asked, err := capturetest.Parse(t, Parser{}, capture.Options{}, capturetest.File(t, name, data))
				if err != nil || asked.Status != capture.StatusNeedsAnswer || len(asked.Questions) != 1 || asked.Questions[0].About != "secret" || len(asked.Messages) != 0 {
					t.Errorf("without a key: %v, %+v", err, asked)
				}
				_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{strings.Repeat("ab", 32)}}, capturetest.File(t, name, data))
				wantFault(t, err, "key that was given")
				_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{"1234"}}, capturetest.File(t, name, data))
				wantFault(t, err, "64 digits")
			} else {
				_, err := capturetest.Parse(t, Parser{}, capture.Options{}, capturetest.File(t, name, data))
				wantFault(t, err, "key that is not there")
			}
			data[len(data)/2] ^= 1
			_, err := capturetest.Parse(t, Parser{}, opt, append(c.files, capturetest.File(t, name, data))...)
			wantFault(t, err, "cannot be decrypted")
		})
	}
}

// derivedHex is what WhatsApp makes of the key A501A501…: HKDF with SHA-256, no salt, and the info
// “backup encryption”, by openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:… -kdfopt info:… HKDF.
const derivedHex = "6f4a9593538877dd5494a154fc930c745366db0c8bb5cf95de541e5c69628942"

func wantFault(t testing.TB, err error, words string) {
	t.Helper()
	var fault *capture.FileError
	if !errors.As(err, &fault) || !strings.Contains(fault.Reason, words) || fault.Remedy == "" {
		t.Errorf("got error %v, want a fault of the file with %q and a remedy", err, words)
	}
}

func TestLegacy(t *testing.T) {
	m := func(id int, jid string, own int, key string, ms int64, kind int, text any, more ...any) row {
		return append(row{"messages", "_id", id, "key_remote_jid", jid, "key_from_me", own, "key_id", key, "timestamp", ms, "media_wa_type", fmt.Sprint(kind), "data", text}, more...)
	}
	java := append([]byte{0xAC, 0xED, 0, 5, 'x', 't', 0, 45}, "Media/WhatsApp Images/IMG-20190910-WA0001.jpg"...)
	db := database(t, legacySchema,
		row{"chat_list", "key_remote_jid", groupJID, "subject", "Water"}, row{"group_participants", "gjid", groupJID, "jid", ashaJID}, row{"group_participants", "gjid", groupJID, "jid", ""},
		m(1, "-1", 0, "-1", 0, 0, nil),
		m(2, ashaJID, 0, "K2", t0, 0, "Hello", "received_timestamp", t0+700),
		m(3, ashaJID, 1, "K3", t0+1001, 0, "Good morning", "status", 5, "receipt_device_timestamp", t0+1500, "quoted_row_id", 1),
		row{"messages_quotes", "_id", 1, "key_remote_jid", ashaJID, "key_from_me", 0, "key_id", "K2", "data", "Hello", "timestamp", t0},
		m(4, groupJID, 0, "K4", t0+2000, 1, nil, "remote_resource", ashaJID, "media_caption", "The weir", "media_hash", pictureHash, "media_size", 12, "media_mime_type", "image/jpeg", "thumb_image", java),
		m(5, groupJID, 0, "K5", t0+3000, 0, nil, "remote_resource", ashaJID, "edit_version", 7),
		m(6, groupJID, 0, "K6", t0+4000, 0, "Water", "remote_resource", ashaJID, "status", 6, "media_size", 1),
		m(7, groupJID, 1, "K7", t0+5000, 5, nil, "latitude", 51.5, "longitude", -0.12, "media_name", "Office"),
		row{"receipts", "key_remote_jid", groupJID, "key_id", "K7", "remote_resource", ashaJID, "receipt_device_timestamp", t0 + 5100, "read_device_timestamp", t0 + 5200},
		m(8, groupJID, 0, "K8", t0+6000, 4, bobCard, "remote_resource", ashaJID),
	)
	r := capturetest.Must(t, Parser{}, capture.Options{Self: "Margaret"}, capturetest.File(t, "msgstore.db", db), capturetest.File(t, "WhatsApp/Media/WhatsApp Images/IMG-20190910-WA0001.jpg", []byte(picture)))
	compare(t, r, []string{
		"+447700900001|K2|text|+447700900001|0..999|Hello|received 700",
		"+447700900001|K3|text|Margaret|1001..1001|Good morning|to +447700900001 delivered 1500|reply K2 +447700900001 Hello",
		"Water|K4|media|+447700900001|2000..2999|The weir|image IMG-20190910-WA0001.jpg present 12",
		"Water|K5|deleted|+447700900001|3000..3999||deleted by sender",
		"Water|K6|system||4000..4999|Water|text +447700900001 changed the group’s name to “Water”|subject_changed by +447700900001: Water 0",
		"Water|K7|location|Margaret|5000..5999||to +447700900001  5100 5200|at 51.5 -0.12 Office false",
		"Water|K8|contact|+447700900001|6000..6999|" + bobCard + "|contact Bob Example.vcf present 65",
	})
	if r.Variant != "android_database_old" || r.Reconciliation.InFile != 8 {
		t.Errorf("it is %s with %+v", r.Variant, r.Reconciliation)
	}
}

func TestIPhone(t *testing.T) {
	const epoch = 978307200
	m := func(id, chat, own int, stanza string, ms int64, kind int, text any, more ...any) row {
		return append(row{"ZWAMESSAGE", "Z_PK", id, "ZCHATSESSION", chat, "ZISFROMME", own, "ZSTANZAID", stanza, "ZMESSAGEDATE", float64(t0+ms)/1000 - epoch, "ZMESSAGETYPE", kind, "ZTEXT", text}, more...)
	}
	db := database(t, iphoneSchema,
		row{"ZWACHATSESSION", "Z_PK", 1, "ZCONTACTJID", ashaJID, "ZPARTNERNAME", "\u200eAsha Rao", "ZSESSIONTYPE", 0}, row{"ZWACHATSESSION", "Z_PK", 2, "ZCONTACTJID", groupJID, "ZPARTNERNAME", "Water", "ZSESSIONTYPE", 1},
		row{"ZWAGROUPMEMBER", "Z_PK", 1, "ZCHATSESSION", 2, "ZMEMBERJID", ashaJID, "ZCONTACTNAME", ""}, row{"ZWAGROUPMEMBER", "Z_PK", 2, "ZCHATSESSION", 2, "ZMEMBERJID", "99887766554433@lid"},
		row{"ZWAPROFILEPUSHNAME", "ZJID", "99887766554433@lid", "ZPUSHNAME", "Bob"},
		m(1, 1, 0, "3EB0AAAA0001", 0, 0, "Is the pump running?"),
		m(2, 1, 1, "3EB0AAAA0002", 1500, 0, "Since noon", "ZMEDIAITEM", 1),
		row{"ZWAMEDIAITEM", "Z_PK", 1, "ZMESSAGE", 2, "ZMETADATA", pb(4, 1, 5, "3EB0AAAA0001", 6, ashaJID, 19, pb(1, "Is the pump running?"))},
		m(3, 2, 0, "3EB0AAAA0003", 2000, 1, nil, "ZGROUPMEMBER", 2, "ZFROMJID", groupJID),
		row{"ZWAMEDIAITEM", "Z_PK", 2, "ZMESSAGE", 3, "ZMEDIALOCALPATH", "Media/447700900009-1700000000@g.us/a/b/pic.jpg", "ZVCARDSTRING", "image/jpeg", "ZVCARDNAME", pictureHash, "ZFILESIZE", 12, "ZTITLE", "The weir"},
		row{"ZWAMESSAGEINFO", "Z_PK", 1, "ZMESSAGE", 3, "ZRECEIPTINFO", pb(4, 1, 7, append(pb(1, pb(1, "RID1", 2, ashaJID, 3, "👍", 4, 9)), pb(1, pb(1, "RID2", 3, "❤"))...))},
		m(4, 2, 0, "3EB0AAAA0004", 3000, 6, nil, "ZGROUPEVENTTYPE", 50),
		m(5, 2, 0, "3EB0AAAA0005", 4000, 14, nil, "ZGROUPMEMBER", 1), row{"ZWAMEDIAITEM", "Z_PK", 3, "ZMESSAGE", 5, "ZVCARDSTRING", ashaJID},
		m(6, 1, 0, "3EB0AAAA0006", 5000, 5, nil), row{"ZWAMEDIAITEM", "Z_PK", 4, "ZMESSAGE", 6, "ZLATITUDE", 52.5, "ZLONGITUDE", 13.25, "ZTITLE", "Weir"},
		m(7, 1, 0, "3EB0AAAA0007", 6000, 4, nil), row{"ZWAMEDIAITEM", "Z_PK", 5, "ZMESSAGE", 7, "ZVCARDNAME", "Bob Example", "ZVCARDSTRING", bobCard},
		m(8, 1, 0, "3EB0AAAA0008", 7000, 77, nil), row{"ZWAMEDIAITEM", "Z_PK", 6, "ZMESSAGE", 8, "ZVCARDSTRING", "audio/ogg; codecs=opus", "ZMOVIEDURATION", 4},
		m(9, 9, 0, "3EB0AAAA0009", 8000, 0, "Left over", "ZFROMJID", ashaJID),
		m(10, 2, 1, "3EB0AAAA000A", 9000, 46, nil), row{"ZWAMESSAGEINFO", "Z_PK", 2, "ZMESSAGE", 10, "ZRECEIPTINFO", pb(4, 1, 8, pb(2, "Where?", 3, pb(1, "Town hall"), 3, pb(1, "Library"), 4, 0, 6, pb(1, 0, 1, 1, 2, t0), 6, pb(1, 0, 2, t0)))},
		m(11, 2, 1, "3EB0AAAA000B", 10000, 46, "When?"),
	)
	r := capturetest.Must(t, Parser{}, capture.Options{Self: "Margaret"}, capturetest.Zip(t, "backup.zip", capturetest.Entry{Name: "wa/ChatStorage.sqlite", Data: string(db)},
		capturetest.Entry{Name: "wa/Message/Media/447700900009-1700000000@g.us/a/b/pic.jpg", Data: picture}))
	compare(t, r, []string{
		"Asha Rao|3EB0AAAA0001|text|Asha Rao|0..999|Is the pump running?",
		"Asha Rao|3EB0AAAA0002|text|Margaret|1500..1500|Since noon|reply 3EB0AAAA0001 Asha Rao Is the pump running?",
		"Water|3EB0AAAA0003|media|Bob|2000..2999|The weir|image pic.jpg present 12|👍 by Asha Rao|❤ by Margaret",
		"Water|3EB0AAAA0004|system||3000..3999||text A notice of WhatsApp’s whose meaning is not known, number 6/50|other by :  0|? unknown_notice",
		"Water|3EB0AAAA0005|deleted|Asha Rao|4000..4999||deleted by sender",
		"Asha Rao|3EB0AAAA0006|location|Asha Rao|5000..5999||at 52.5 13.25 Weir false",
		"Asha Rao|3EB0AAAA0007|contact|Asha Rao|6000..6999||text Bob Example|contact Bob Example.vcf present 65",
		"Asha Rao|3EB0AAAA0008|media|Asha Rao|7000..7999||audio  omitted 0 (4 s; was not on the phone)|? unknown_type",
		"A deleted conversation (9)|3EB0AAAA0009|text|Asha Rao|8000..8999|Left over|? conversation_deleted",
		"Water|3EB0AAAA000A|poll|Margaret|9000..9999|Where?|poll Where? [{Town hall 2} {Library 1}]",
		"Water|3EB0AAAA000B|poll|Margaret|10000..10999|When?|poll When? []|? poll_options_unread",
	})
	if r.Messages[0].Origin.Path != "wa/ChatStorage.sqlite#ZWAMESSAGE" || r.Variant != "ios_database" {
		t.Errorf("origin is %+v of %s", r.Messages[0].Origin, r.Variant)
	}
}

// TestIPhoneBackup reads the database as it lies in a backup that a computer made, where files have
// hashes for names. That of ChatStorage.sqlite is known: 7c7fba66680ef796b916b067077cc246adacf01d.
func TestIPhoneBackup(t *testing.T) {
	const media = "Media/a@g.us/b/pic.jpg"
	db := database(t, iphoneSchema, row{"ZWACHATSESSION", "Z_PK", 1, "ZCONTACTJID", ashaJID},
		row{"ZWAMESSAGE", "Z_PK", 1, "ZCHATSESSION", 1, "ZMESSAGEDATE", 1.5, "ZMESSAGETYPE", 1}, row{"ZWAMEDIAITEM", "Z_PK", 1, "ZMESSAGE", 1, "ZMEDIALOCALPATH", media})
	picName := backupName("Message/" + media)
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "backup/7c/7c7fba66680ef796b916b067077cc246adacf01d", db), capturetest.File(t, "backup/"+picName[:2]+"/"+picName, []byte(picture)),
		capturetest.File(t, "backup/Manifest.plist", []byte("x")))
	if len(r.Messages) != 1 || r.Messages[0].Attachments[0].Presence != capture.Present || r.Messages[0].Attachments[0].Name != "pic.jpg" {
		t.Errorf("got %+v", r.Messages)
	}
	wal := capturetest.File(t, "backup/x/"+backupName("ChatStorage.sqlite-wal"), nil).Member()
	if got := logOf(r.Source.Files[0].Member(), []*capture.Member{wal}); got != wal {
		t.Error("the log is not found by its hash")
	}
}

func TestRecognise(t *testing.T) {
	other := database(t, "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text TEXT); CREATE TABLE chat (ROWID INTEGER PRIMARY KEY); CREATE TABLE handle (ROWID INTEGER PRIMARY KEY)")
	for name, data := range map[string][]byte{"chat.db": other, "text.txt": []byte(strings.Repeat("hello ", 100)), "zeros": make([]byte, 5000), "empty": nil} {
		if ok, err := (Parser{}).Recognise(t.Context(), &capture.Source{Files: []*capture.File{capturetest.File(t, name, data)}}); ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

// many returns a phone's database of n messages.
func many(t testing.TB, n int) []byte {
	rows := androidRows()[:16]
	for i := range n {
		rows = append(rows, row{"message", "_id", i + 100, "chat_row_id", 10 + i%2, "from_me", i % 3 % 2, "key_id", fmt.Sprintf("KEY%09d", i), "sender_jid_row_id", 1 + i%2*2, "timestamp", t0 + int64(i)*1000,
			"message_type", 0, "text_data", fmt.Sprintf("message number %d says what people say on an ordinary working day", i)})
		switch i % 20 {
		case 1:
			rows = append(rows, row{"message_media", "message_row_id", i + 100, "file_path", fmt.Sprintf("Media/IMG-%d.jpg", i), "mime_type", "image/jpeg"})
		case 2:
			rows = append(rows, row{"message_quoted", "message_row_id", i + 100, "chat_row_id", 10, "parent_message_chat_row_id", 10, "from_me", 0, "key_id", "KEY", "text_data", "what was said"})
		case 3:
			rows = append(rows, row{"message_add_on", "_id", i + 1, "from_me", 1, "key_id", "A", "parent_message_row_id", i + 100}, row{"message_add_on_reaction", "message_add_on_row_id", i + 1, "reaction", "👍"})
		}
	}
	return database(t, androidSchema, rows...)
}

func BenchmarkParse100k(b *testing.B) {
	data := many(b, 100_000)
	f := capturetest.File(b, "msgstore.db", data)
	b.SetBytes(int64(len(data)))
	b.ResetTimer()
	for b.Loop() {
		n := 0
		run, err := Parser{}.Parse(context.Background(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error { n++; return nil })
		if err != nil || n != 100_000 || run.Status != capture.StatusRead {
			b.Fatalf("read %d messages, %s, %v", n, run.Status, err)
		}
	}
}

func TestMemory(t *testing.T) {
	f := capturetest.File(t, "msgstore.db", many(t, 12_000))
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	n := 0
	_, err := Parser{}.Parse(t.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(*capture.Observation) error {
		if n++; n%2000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-before.HeapAlloc)
		}
		return nil
	})
	if err != nil || n != 12_000 {
		t.Fatal(n, err)
	}
	if peak > 8<<20 {
		t.Errorf("live heap grew by %d bytes", peak)
	}
}

func FuzzParse(f *testing.F) {
	android := database(f, androidSchema, androidRows()...)
	f.Add(android, "")
	f.Add(encrypt(f, 15, android[:4096], make([]byte, 32), nil, true), strings.Repeat("00", 32))
	f.Add(database(f, iphoneSchema, row{"ZWACHATSESSION", "Z_PK", 1, "ZCONTACTJID", "a@lid"}, row{"ZWAMESSAGE", "Z_PK", 1, "ZCHATSESSION", 1, "ZMESSAGEDATE", 1.5}), "")
	f.Fuzz(func(t *testing.T, data []byte, secret string) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		src := &capture.Source{Files: []*capture.File{capturetest.File(t, "msgstore.db", data)}}
		n := int64(0)
		run, err := Parser{}.Parse(ctx, src, capture.Options{Secrets: []string{secret}}, func(o *capture.Observation) error {
			n++
			for _, a := range o.Attachments {
				if a.Open != nil {
					r, err := a.Open()
					if err != nil {
						return err
					}
					io.Copy(io.Discard, r)
				}
			}
			return nil
		})
		var fault *capture.FileError
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("no fault of the file: %v", err)
		}
		if err == nil && (!run.Reconciliation.Balanced || run.Reconciliation.Items+run.Reconciliation.System != n) {
			t.Errorf("%d messages, books %+v", n, run.Reconciliation)
		}
	})
}

// TestChangedBytes changes bytes of databases in place and wants messages or a fault of the file, and
// books that balance. Fuzzing with coverage does not get far here: SQLite itself is instrumented too.
func TestChangedBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	old := database(t, legacySchema, row{"messages", "_id", 2, "key_remote_jid", ashaJID, "key_from_me", 0, "key_id", "K2", "timestamp", int64(t0), "media_wa_type", "0", "data", "Hello", "quoted_row_id", 1})
	phone := database(t, iphoneSchema, row{"ZWACHATSESSION", "Z_PK", 1, "ZCONTACTJID", ashaJID}, row{"ZWAMESSAGE", "Z_PK", 1, "ZCHATSESSION", 1, "ZMESSAGEDATE", 1.5, "ZTEXT", "Hello", "ZMESSAGETYPE", 0},
		row{"ZWAMEDIAITEM", "Z_PK", 1, "ZMESSAGE", 1, "ZMETADATA", pb(5, "3EB0AAAA0001")}, row{"ZWAMESSAGEINFO", "Z_PK", 1, "ZMESSAGE", 1, "ZRECEIPTINFO", pb(7, pb(1, pb(2, ashaJID, 3, "x")))})
	read := 0
	for n := range 90 {
		data := bytes.Clone([][]byte{database1(t), old, phone}[n%3])
		used := len(data)
		for range 1 + rng.IntN(12) {
			at := rng.IntN(used)
			if data[at] == 0 && rng.IntN(4) > 0 {
				continue // most of a small database is empty
			}
			data[at] = byte(rng.Uint32())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		count := int64(0)
		run, err := Parser{}.Parse(ctx, &capture.Source{Files: []*capture.File{capturetest.File(t, "x.db", data)}}, capture.Options{}, func(*capture.Observation) error { count++; return nil })
		cancel()
		var fault *capture.FileError
		switch {
		case err != nil && !errors.As(err, &fault):
			t.Fatalf("no fault of the file: %v", err)
		case err == nil && (!run.Reconciliation.Balanced || run.Reconciliation.Items+run.Reconciliation.System != count):
			t.Fatalf("%d messages, books %+v", count, run.Reconciliation)
		case err == nil:
			read++
		}
	}
	if read == 0 {
		t.Error("no changed database could be read")
	}
}

var made []byte

func database1(t *testing.T) []byte {
	if made == nil {
		made = database(t, androidSchema, androidRows()...)
	}
	return made
}
