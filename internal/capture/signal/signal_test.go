package signal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

const (
	t0       = 1726000000123
	recovery = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr"
)

var (
	ashaACI = bytes.Repeat([]byte{0xA5}, 16)
	bobACI  = bytes.Repeat([]byte{0xB0}, 16)
	myACI   = bytes.Repeat([]byte{0x11}, 16)
)

const (
	asha = "a5a5a5a5-a5a5-a5a5-a5a5-a5a5a5a5a5a5"
	bob  = "b0b0b0b0-b0b0-b0b0-b0b0-b0b0b0b0b0b0"
	mine = "11111111-1111-1111-1111-111111111111"
)

// line writes a message down in one line, for comparing.
func line(o *capture.Observation, r *capturetest.Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%s|%s|%d|%s", r.Conversations[o.Conversation].Title, o.NativeID, o.Kind, o.Sender, o.Sent.Min-t0, o.Body)
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
	for _, x := range o.Reactions {
		fmt.Fprintf(&b, "|%s by %s", x.Value, x.Actor)
		if x.At != nil {
			fmt.Fprintf(&b, " %d", x.At.Min-t0)
		}
	}
	for _, e := range o.Edits {
		fmt.Fprintf(&b, "|before %d %s", e.At.Min-t0, e.Body)
	}
	if s := o.State; s.Edited {
		fmt.Fprintf(&b, "|edited %d", s.EditedAt.Min-t0)
	}
	if s := o.State; s.Deleted {
		fmt.Fprintf(&b, "|deleted by %s", s.DeletedBy)
	}
	if o.State.ViewOnce {
		b.WriteString("|once")
	}
	if o.State.Expires > 0 {
		fmt.Fprintf(&b, "|expires %d", o.State.Expires)
	}
	if o.State.Status != "" {
		fmt.Fprintf(&b, "|%s", o.State.Status)
	}
	if p := o.Poll; p != nil {
		fmt.Fprintf(&b, "|poll %v", p.Options)
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

// item writes a message's frame.
func item(chat, author int, sent int, more ...any) []byte {
	return pb(4, pb(append([]any{1, chat, 2, author, 3, sent}, more...)...))
}

// frameList is Margaret's backup: a conversation with Asha, whose messages disappear, and a group with
// Bob too.
func frameList(files map[string][]byte, t testing.TB) [][]byte {
	name, data, picture := sealFile(t, "\xff\xd8 a picture", "image/jpeg", "weir.jpg")
	files["files/"+name[:2]+"/"+name] = data
	_, _, missing := sealFile(t, "not there", "application/pdf", "plan.pdf")
	long := strings.Repeat("A long story. ", 300)
	name, data, longText := sealFile(t, long, "text/x-signal-plain", "")
	files["files/"+name[:2]+"/"+name] = data
	text := func(s string) []byte { return pb(1, s) }
	in := func(ms int) []byte { return pb(1, ms, 2, ms-1) }
	return [][]byte{
		pb(1, pb(4, "Margaret", 5, "Hale", 2, "margaret.01")),
		pb(2, pb(1, 1, 5, pb())),
		pb(2, pb(1, 2, 2, pb(1, ashaACI, 4, 447700900001, 11, "Asha", 12, "Rao"))),
		pb(2, pb(1, 3, 2, pb(1, bobACI, 11, "Robert", 16, pb(1, "Bob")))),
		pb(2, pb(1, 4, 3, pb(1, bytes.Repeat([]byte{7}, 32), 5, pb(2, pb(1, "Water"), 7, pb(1, ashaACI, 2, 2), 7, pb(1, bobACI), 7, pb(1, myACI))))),
		pb(2, pb(1, 5, 7, pb(3, "Stand-up"))),
		pb(3, pb(1, 1, 2, 2, 5, 604800000)), pb(3, pb(1, 2, 2, 4)),
		pb(5, pb(1, "pack")),
		item(1, 2, t0, 8, in(t0+400), 11, pb(2, text("Is the pump running?"))),
		item(1, 1, t0+1000, 9, pb(1, pb(1, 2, 2, t0+1500, 6, pb())), 11, pb(1, pb(1, t0, 2, 2, 3, text("Is the pump running?")), 2, text("Since noon"), 6, pb(1, "👍", 2, 2, 3, t0+1600))),
		item(1, 2, t0+2000, 4, t0+2100, 5, 604800000, 8, in(t0+2100), 11, pb(2, text("Gone in a week"))),
		item(1, 2, t0+3900, 8, in(t0+3950), 6, pb(1, 1, 2, 2, 3, t0+3000, 8, in(t0+3001), 11, pb(2, text("the first pump"))), 6, pb(1, 1, 2, 2, 3, t0+3500, 11, pb(2, text("the sekond pump"))), 11, pb(2, text("the second pump"))),
		item(2, 3, t0+4000, 8, in(t0+4100), 11, pb(2, text("The weir"), 3, pb(1, picture, 3, 1), 3, pb(1, missing))),
		item(2, 1, t0+5000, 9, pb(1, pb(1, 2, 2, t0+5100, 5, pb()), 1, pb(1, 3, 2, t0+5200, 9, pb(1, 1))), 11, pb(2, text("A long"), 5, longText)),
		item(2, 3, t0+6000, 8, in(t0+6100), 14, pb()),
		item(2, 3, t0+7000, 8, in(t0+7100), 22, pb(1, 2)),
		item(2, 3, t0+8000, 8, in(t0+8100), 18, pb(1, pb(1, picture))),
		item(2, 3, t0+9000, 8, in(t0+9100), 13, pb(1, pb(1, "pack", 3, 4, 4, "🦆", 5, missing))),
		item(2, 1, t0+10000, 9, pb(), 20, pb(1, "Where?", 3, pb(1, "Town hall", 2, pb(1, 2, 2, 1), 2, pb(1, 3, 2, 1)), 3, pb(1, "Library"))),
		item(2, 2, t0+11000, 8, in(t0+11100), 12, pb(1, pb(1, pb(1, "Tom", 2, "Field"), 3, pb(1, "+447700900004")))),
		item(1, 2, t0+12000, 8, in(t0+12100), 16, pb(1, "1.5", 3, "for lunch")),
		item(1, 1, t0+13000, 9, pb(1, pb(1, 2, 2, t0+13100, 9, pb())), 19, pb(1, pb(1, text("Nice story")))),
		item(1, 2, t0+14000, 10, pb(), 15, pb(3, pb(1, 604800000))),
		item(2, 1, t0+15000, 10, pb(), 15, pb(2, pb(1, pb(3, pb(1, ashaACI, 2, "Water and roads")), 1, pb(18, pb(1, ashaACI, 2, bobACI))))),
		item(1, 2, t0+16000, 10, pb(), 15, pb(7, pb(1, 77, 2, 2, 3, 1, 4, 3, 5, t0+16000))),
		item(2, 2, t0+17000, 10, pb(), 15, pb(8, pb(1, 78, 2, 4, 4, 2, 5, t0+17000, 6, t0+77000))),
		item(1, 2, t0+18000, 10, pb(), 15, pb(1, pb(1, 2))),
		item(2, 3, t0+19000, 8, in(t0+19100), 99, pb(1, "new")),
		pb(6, pb(1, 5, 2, 5, 4, t0+20000)),
		pb(77, pb(1, 1)),
	}
}

// folderWant are the messages of frameList, written down by hand.
var folderWant = []string{
	"Asha Rao|" + asha + ":1726000000123|text|Asha Rao|0|Is the pump running?|received 400",
	"Asha Rao|" + mine + ":1726000001123|text|Margaret Hale|1000|Since noon|to Asha Rao read 1500|reply " + asha + ":1726000000123 Asha Rao Is the pump running?|👍 by Asha Rao 1600",
	"Asha Rao|" + asha + ":1726000002123|text|Asha Rao|2000|Gone in a week|received 2100|expires 604800",
	"Asha Rao|" + asha + ":1726000003123|text|Asha Rao|3000|the second pump|received 3950|before 3000 the first pump|before 3500 the sekond pump|edited 3900",
	"Water|" + bob + ":1726000004123|media|Bob|4000|The weir|received 4100|image weir.jpg present 12|document plan.pdf named_absent 9 (SHA-256 " + sha("not there") + ")",
	"Water|" + mine + ":1726000005123|text|Margaret Hale|5000|" + strings.Repeat("A long story. ", 300) + "|to Asha Rao delivered 5100|to Bob failed",
	"Water|" + bob + ":1726000006123|deleted|Bob|6000||received 6100|deleted by sender",
	"Water|" + bob + ":1726000007123|deleted|Bob|7000||text Deleted by Asha Rao|received 7100|deleted by admin",
	"Water|" + bob + ":1726000008123|view_once|Bob|8000||received 8100|image weir.jpg present 12|once",
	"Water|" + bob + ":1726000009123|sticker|Bob|9000||text 🦆|received 9100|sticker plan.pdf named_absent 9 (SHA-256 " + sha("not there") + ")",
	"Water|" + mine + ":1726000010123|poll|Margaret Hale|10000|Where?|poll [{Town hall 2} {Library 0}]",
	"Water|" + asha + ":1726000011123|contact|Asha Rao|11000||text Tom Field +447700900004|received 11100|contact Tom Field.vcf present 70 (written by Despatch from what the backup says)",
	"Asha Rao|" + asha + ":1726000012123|payment|Asha Rao|12000|for lunch|text 1.5 MOB for lunch|received 12100",
	"Asha Rao|" + mine + ":1726000013123|text|Margaret Hale|13000|Nice story|to Asha Rao failed|reply   (a story)|failed",
	"Asha Rao||system||14000||text Asha Rao set messages to disappear after 604800 seconds|disappearing_on by Asha Rao:  604800",
	"Water||system||15000||text Asha Rao changed the group’s name to “Water and roads”; Asha Rao added Bob|subject_changed by Asha Rao: Water and roads 0",
	"Asha Rao||call|Asha Rao|16000||call video missed ",
	"Water||call|Asha Rao|17000||call video answered 60 s",
	"Asha Rao||system||18000||text The safety number with Asha Rao changed|security_code_changed by Asha Rao:  0",
	"Water|" + bob + ":1726000019123|unknown|Bob|19000||received 19100|? unknown_item",
	"Stand-up||call||20000||text A call by the link “Stand-up”|call voice answered ",
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func hasWarning(r *capturetest.Run, code string) bool {
	for _, w := range r.Warnings {
		if w.Code == code {
			return true
		}
	}
	return false
}

func wantFault(t testing.TB, err error, words string) {
	t.Helper()
	var fault *capture.FileError
	if !errors.As(err, &fault) || !strings.Contains(fault.Reason, words) || fault.Remedy == "" {
		t.Errorf("got error %v, want a fault of the file with %q and a remedy", err, words)
	}
}

func TestFolder(t *testing.T) {
	media := map[string][]byte{}
	meta, main := backup(t, recovery, frameList(media, t)...)
	const at = "SignalBackups/signal-backup-2024-09-10-12-00-00/"
	entries := []capturetest.Entry{{Name: at + "metadata", Data: string(meta)}, {Name: at + "main", Data: string(main)}, {Name: at + "files", Data: "list"},
		{Name: "SignalBackups/signal-backup-2024-09-09-12-00-00/metadata", Data: string(meta)}, {Name: "SignalBackups/signal-backup-2024-09-09-12-00-00/main", Data: "older"}}
	for name, data := range media {
		entries = append(entries, capturetest.Entry{Name: "SignalBackups/" + name, Data: string(data)})
	}
	z := capturetest.Zip(t, "SignalBackups.zip", entries...)
	spaced := ""
	for i := 0; i < 64; i += 4 {
		spaced += strings.ToUpper(recovery[i:i+4]) + " "
	}
	r := capturetest.Must(t, Parser{}, capture.Options{Secrets: []string{strings.Repeat("z", 64), spaced}}, z)
	compare(t, r, folderWant)
	if rec := r.Reconciliation; rec.InFile != 32 || rec.Items != 18 || rec.System != 3 {
		t.Errorf("reconciliation is %+v", rec)
	}
	if m := r.Coverage.Members; m.Total != 7 || m.Chats != 1 || m.Named != 3 || len(m.Skipped) != 2 {
		t.Errorf("members are %+v", m)
	}
	if o := r.Messages[0]; o.Origin.Path != at+"main#frame" || o.Origin.Row != 11 || o.Chat != asha {
		t.Errorf("the origin is %+v, the chat %s", o.Origin, o.Chat)
	}
	if g := r.Conversations[1]; g.Kind != "group" || g.Viewpoint != "Margaret Hale" || len(g.Participants) != 3 || strings.Contains(g.ID, strings.Repeat("07", 8)) {
		t.Errorf("the group is %+v", g)
	}
	if !hasWarning(r, "disappearing_messages") || r.Variant != "encrypted_backup" {
		t.Errorf("it is %s with warnings %+v", r.Variant, r.Warnings)
	}
	asked, err := capturetest.Parse(t, Parser{}, capture.Options{}, z)
	if err != nil || asked.Status != capture.StatusNeedsAnswer || len(asked.Questions) != 1 || asked.Questions[0].About != "secret" || len(asked.Messages) > 0 {
		t.Errorf("without a key: %v, %+v", err, asked)
	}
	_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{strings.Repeat("z", 64)}}, z)
	wantFault(t, err, "recovery key that was given")
	_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{"12345"}}, z)
	wantFault(t, err, "64 letters and digits")
	main[len(main)/2] ^= 1
	_, err = capturetest.Parse(t, Parser{}, capture.Options{Secrets: []string{recovery}}, capturetest.File(t, "x/metadata", meta), capturetest.File(t, "x/main", main))
	wantFault(t, err, "recovery key that was given")
}

func TestDamagedMedia(t *testing.T) {
	media := map[string][]byte{}
	meta, main := backup(t, recovery, frameList(media, t)...)
	files := []*capture.File{capturetest.File(t, "b/metadata", meta), capturetest.File(t, "b/main", main)}
	for name, data := range media {
		data[len(data)/2] ^= 1
		files = append(files, capturetest.File(t, name, data))
	}
	r := capturetest.Must(t, Parser{}, capture.Options{Secrets: []string{recovery}}, files...)
	if a := r.Messages[4].Attachments[0]; a.Presence != capture.Corrupt || a.SHA256 != "" {
		t.Errorf("the attachment is %+v", a)
	}
	if o := r.Messages[5]; o.Body != "A long" || len(o.Quality) != 1 || o.Quality[0].Code != "long_text_missing" {
		t.Errorf("the long message is %+v", o)
	}
}

// TestKeys holds the derivations against the vectors of libsignal, rust/message-backup/src/key.rs.
func TestKeys(t *testing.T) {
	key, err := backupKey("dtjs858asj6tv0jzsqrsmj0ubp335pisj98e9ssnss8myoc08drhtcktyawvx45l")
	if err != nil {
		t.Fatal(err)
	}
	aci, _ := hex.DecodeString("659aa5f4a28dfcc11ea1b997537a3d95")
	id, err := deriveID(key, aci)
	if err != nil {
		t.Fatal(err)
	}
	mac, cipherKey, err := messageKeys(key, id)
	if err != nil || hex.EncodeToString(mac) != "f425e22a607c529717e1e1b29f9fe139f9d1c7e7d01e371c7753c544a3026649" ||
		hex.EncodeToString(cipherKey) != "e143f4ad5668d8bfed2f88562f0693f53bda2c0e55c9d71730f30e24695fd6df" {
		t.Errorf("got %x and %x, %v", mac, cipherKey, err)
	}
}

// TestPlaintext reads the same sorts of frames from JSON, with whole numbers as texts.
func TestPlaintext(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	picture := "\xff\xd8 a picture"
	sum, local := sha256.Sum256([]byte(picture)), bytes.Repeat([]byte{9}, 64)
	name := mediaName(sum[:], local)
	lines := []string{
		`{"version":"1","backupTimeMs":"1715636551000"}`,
		`{"account":{"givenName":"Margaret","familyName":"Hale"}}`,
		`{"recipient":{"id":"1","self":{}}}`,
		`{"recipient":{"id":"2","contact":{"aci":"` + b64(ashaACI) + `","e164":"447700900001","profileGivenName":"Asha","profileFamilyName":"Rao"}}}`,
		`{"recipient":{"id":"4","group":{"masterKey":"` + b64(bytes.Repeat([]byte{7}, 32)) + `","snapshot":{"title":{"title":"Water"},"members":[{"userId":"` + b64(ashaACI) + `"},{"userId":"` + b64(myACI) + `"}]}}}}`,
		`{"chat":{"id":"1","recipientId":"2","expirationTimerMs":"604800000"}}`,
		`{"chat":{"id":"2","recipientId":"4"}}`,
		`{"chatItem":{"chatId":"1","authorId":"2","dateSent":"1726000000123","incoming":{"dateReceived":"1726000000523","dateServerSent":"1726000000200","read":true},"standardMessage":{"text":{"body":"Is the pump \"running\"? 😀"}}}}`,
		`{"chatItem":{"chatId":"1","authorId":"1","dateSent":"1726000001123","outgoing":{"sendStatus":[{"recipientId":"2","timestamp":"1726000001623","read":{"sealedSender":true}}]},"standardMessage":{"quote":{"targetSentTimestamp":"1726000000123","authorId":"2","text":{"body":"Is the pump"}},"text":{"body":"Since noon"},"reactions":[{"emoji":"👍","authorId":"2","sentTimestamp":"1726000001723","sortOrder":"1"}]}}}`,
		`{"chatItem":{"chatId":"2","authorId":"2","dateSent":"1726000004123","revisions":[{"chatId":"2","authorId":"2","dateSent":"1726000003123","incoming":{"dateReceived":"1726000003200"},"standardMessage":{"text":{"body":"The wier"}}}],"incoming":{"dateReceived":"1726000004200"},"standardMessage":{"text":{"body":"The weir"},"attachments":[{"pointer":{"contentType":"image/jpeg","fileName":"weir.jpg","locatorInfo":{"plaintextHash":"` + b64(sum[:]) + `","size":12,"localKey":"` + b64(local) + `"}},"wasDownloaded":true}]}}}`,
		`{"chatItem":{"chatId":"2","authorId":"2","dateSent":"1726000005123","incoming":{"dateReceived":"1726000005200"},"viewOnceMessage":{}}}`,
		`{"chatItem":{"chatId":"2","authorId":"1","dateSent":"1726000006123","directionless":{},"updateMessage":{"groupChange":{"updates":[{"groupMemberLeftUpdate":{"aci":"` + b64(ashaACI) + `"}}]}}}}`,
		`{"chatItem":{"chatId":"1","authorId":"2","dateSent":"1726000007123","directionless":{},"updateMessage":{"simpleUpdate":{"type":"JOINED_SIGNAL"}}}}`,
		`{"chatItem":{"chatId":"1","authorId":"2","dateSent":"1726000008123","incoming":{},"remoteDeletedMessage":{}}}`,
		`{"somethingNew":{}}`,
	}
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.Zip(t, "signal-export.zip", capturetest.Entry{Name: "metadata.json", Data: `{"version":1}`},
		capturetest.Entry{Name: "main.jsonl", Data: strings.Join(lines, "\n") + "\n"}, capturetest.Entry{Name: "files/" + name[:2] + "/" + name + ".jpg", Data: picture}))
	compare(t, r, []string{
		"Asha Rao|" + asha + `:1726000000123|text|Asha Rao|0|Is the pump "running"? 😀|received 400`,
		"Asha Rao|" + mine + ":1726000001123|text|Margaret Hale|1000|Since noon|to Asha Rao read 1500|reply " + asha + ":1726000000123 Asha Rao Is the pump|👍 by Asha Rao 1600",
		"Water|" + asha + ":1726000003123|media|Asha Rao|3000|The weir|received 4077|image weir.jpg present 12|before 3000 The wier|edited 4000",
		"Water|" + asha + ":1726000005123|view_once|Asha Rao|5000||received 5077|media  omitted 0 (could be looked at once)|once",
		"Water||system||6000||text Asha Rao left|member_left by Asha Rao:  0",
		"Asha Rao||system||7000||text Asha Rao joined Signal|contact_notice by Asha Rao:  0",
		"Asha Rao|" + asha + ":1726000008123|deleted|Asha Rao|8000||deleted by sender",
	})
	if !hasWarning(r, "disappearing_left_out") || fmt.Sprint(r.Coverage.FilteredKinds) != "[disappeared disappearing view_once_media]" {
		t.Errorf("warnings are %+v, filtered %v", r.Warnings, r.Coverage.FilteredKinds)
	}
	if m := r.Coverage.Members; m.Total != 3 || m.Chats != 1 || m.Named != 1 {
		t.Errorf("members are %+v", m)
	}
}

func manyFrames(n int) [][]byte {
	frames := [][]byte{pb(2, pb(1, 1, 5, pb())), pb(2, pb(1, 2, 2, pb(1, ashaACI, 11, "Asha"))), pb(3, pb(1, 1, 2, 2))}
	for i := range n {
		frames = append(frames, item(1, 1+i%2, t0+i*1000, 8, pb(1, t0+i*1000+400), 11, pb(2, pb(1, fmt.Sprintf("message number %d says what people say on an ordinary working day", i)), 6, pb(1, "👍", 2, 2, 3, t0+i))))
	}
	return frames
}

func BenchmarkFolder100k(b *testing.B) {
	meta, main := backup(b, recovery, manyFrames(100_000)...)
	src := &capture.Source{Files: []*capture.File{capturetest.File(b, "s/metadata", meta), capturetest.File(b, "s/main", main)}}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		n := 0
		run, err := Parser{}.Parse(context.Background(), src, capture.Options{Secrets: []string{recovery}}, func(*capture.Observation) error { n++; return nil })
		if err != nil || n != 100_000 || run.Status != capture.StatusRead {
			b.Fatalf("read %d messages, %s, %v", n, run.Status, err)
		}
	}
}

func TestMemory(t *testing.T) {
	meta, main := backup(t, recovery, manyFrames(40_000)...)
	src := &capture.Source{Files: []*capture.File{capturetest.File(t, "s/metadata", meta), capturetest.File(t, "s/main", main)}}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	n := 0
	_, err := Parser{}.Parse(t.Context(), src, capture.Options{Secrets: []string{recovery}}, func(*capture.Observation) error {
		if n++; n%5000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-before.HeapAlloc)
		}
		return nil
	})
	if err != nil || n != 40_000 {
		t.Fatal(n, err)
	}
	if peak > 8<<20 {
		t.Errorf("live heap grew by %d bytes", peak)
	}
}

func FuzzFrame(f *testing.F) {
	for _, frame := range frameList(map[string][]byte{}, f) {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		meta, main := backup(t, recovery, append(manyFrames(0), data)...)
		src := &capture.Source{Files: []*capture.File{capturetest.File(t, "s/metadata", meta), capturetest.File(t, "s/main", main)}}
		n := int64(0)
		run, err := Parser{}.Parse(ctx, src, capture.Options{Secrets: []string{recovery}}, func(*capture.Observation) error { n++; return nil })
		var fault *capture.FileError
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("no fault of the file: %v", err)
		}
		if err == nil && (!run.Reconciliation.Balanced || run.Reconciliation.Items+run.Reconciliation.System != n) {
			t.Errorf("%d messages, books %+v", n, run.Reconciliation)
		}
	})
}
