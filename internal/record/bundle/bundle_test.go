package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"despatch/internal/matrix"
	"despatch/internal/record"
)

// log is a small record in memory with which bundles are made.
type log struct {
	t      testing.TB
	signer note.Signer
	key    string
	tree   record.Tree
	tiles  map[[2]int64][]byte
	parts  []Part // by position
	seqs   map[string]uint64
	media  map[string][]byte
}

func newLog(t testing.TB) *log {
	t.Helper()
	// A fixed key, so that golden files stay the same.
	private, public, err := record.GenerateKey(zeroes{}, "example.gov.uk/despatch")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return &log{t: t, signer: signer, key: public, tiles: make(map[[2]int64][]byte), seqs: make(map[string]uint64), media: make(map[string][]byte)}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func scopeSalt(scope string) (salt [32]byte) { return sha256.Sum256([]byte(scope)) }

func (l *log) add(scope string, kind record.Kind, role Role, body []byte) Part {
	p := int64(len(l.parts))
	salt := [32]byte{7}
	binary.BigEndian.PutUint64(salt[8:], uint64(p))
	e := record.Entry{Time: 1_767_361_000_000 + p*61_007, ScopeTag: record.ScopeTag(scopeSalt(scope), scope), Seq: l.seqs[scope],
		Kind: kind, Commitment: record.Commit(&salt, body)}
	l.seqs[scope]++
	l.tree.Append(record.LeafHash(&e))
	for _, tile := range l.tree.Full() {
		l.tiles[[2]int64{int64(tile.Level), tile.N}] = tile.Data
	}
	part := Part{Position: p, Role: role, Entry: e, Salt: &salt, Body: body}
	l.parts = append(l.parts, part)
	return part
}

const room = "!room:example.gov.uk"

// event adds a Matrix event.
func (l *log) event(role Role, typ, sender string, content any) (Part, *matrix.Event) {
	l.t.Helper()
	raw, err := json.Marshal(content)
	if err != nil {
		l.t.Fatal(err)
	}
	d := matrix.Draft{RoomID: room, Type: typ, Sender: matrix.UserID(sender), Content: raw, OriginServerTS: 1_767_361_000_000 + int64(len(l.parts))*61_000,
		AuthEvents: []matrix.EventID{"$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, PrevEvents: []matrix.EventID{"$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}
	binary.BigEndian.PutUint64(d.Salt[:], uint64(len(l.parts)))
	e, err := d.Build(matrix.V11)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.add(room, record.KindEvent, role, e.JSON), e
}

type m = map[string]any

func (l *log) text(sender, body string) (Part, *matrix.Event) {
	return l.event(RoleMessage, "m.room.message", sender, m{"msgtype": "m.text", "body": body})
}

func (l *log) checkpoint() []byte {
	c := record.Checkpoint{Origin: l.signer.Name(), Size: l.tree.Size(), Root: l.tree.Root()}
	msg, err := c.Sign(l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return msg
}

// memSpool is a spool in memory.
type memSpool struct {
	bytes.Buffer
	r *bytes.Reader
}

func (s *memSpool) Seek(int64, int) (int64, error) { s.r = bytes.NewReader(s.Bytes()); return 0, nil }
func (s *memSpool) Read(p []byte) (int, error)     { return s.r.Read(p) }
func (s *memSpool) Close() error                   { return nil }

// WriteTo hides the buffer's own, which would not read what was sought to.
func (s *memSpool) WriteTo(w io.Writer) (int64, error) { return s.r.WriteTo(w) }

func (l *log) writer(w io.Writer, totals Totals) *Writer {
	l.t.Helper()
	bw, err := NewWriter(w, Options{
		Header: Header{Bundle: "000102030405060708090a0b0c0d0e0f", Reference: "FOI-2026-0042", Title: "Messages about the harbour contract",
			Regime: "Freedom of Information Act 2000", Department: "Department of Examples", Made: "2026-03-02T10:00:00.000Z", Totals: totals},
		Signer: l.signer, Key: l.key, Checkpoint: l.checkpoint(),
		Tree: record.NewReader(l.tree.Edge(), record.TilesFunc(func(level int, n int64) ([]byte, error) {
			if d, ok := l.tiles[[2]int64{int64(level), n}]; ok {
				return d, nil
			}
			return nil, record.ErrNoTile
		})),
		Spool: func() (Spool, error) { return new(memSpool), nil },
		Media: func(sum string) (io.ReadCloser, error) {
			b, ok := l.media[sum]
			if !ok {
				return nil, os.ErrNotExist
			}
			return io.NopCloser(bytes.NewReader(b)), nil
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return bw
}

func (l *log) roomConversation(from, to uint64) Conversation {
	salt := scopeSalt(room)
	return Conversation{Scope: room, Salt: base64.StdEncoding.EncodeToString(salt[:]), Title: "Harbour <team> & friends", System: "despatch",
		RoomVersion: "11", Complete: true, From: from, To: to, Period: "January 2026"}
}

// sample makes a bundle that has everything in it.
func sample(t testing.TB) (*log, []byte) {
	l := newLog(t)
	var context []Part
	for i := range 3 {
		p, _ := l.event(RoleContext, "m.room.name", "@asha:example.gov.uk", m{"name": fmt.Sprint("Room ", i)})
		context = append(context, p)
	}
	hello, helloEvent := l.text("@asha:example.gov.uk", "Hello, the harbour contract goes to \"Piers & Sons\" <today>.\nSecond line = ünïcödé 🚢")
	formula, _ := l.text("@ben:example.gov.uk", "=1+1, said the sheet")
	secret, _ := l.text("@ben:example.gov.uk", "Call John Smith on 07700 900123 about it")
	withheld, _ := l.text("@cara:example.gov.uk", "Counsel advises against it")
	edit, _ := l.event(RoleEdit, "m.room.message", "@asha:example.gov.uk", m{"msgtype": "m.text", "body": "* Hello again",
		"m.new_content": m{"msgtype": "m.text", "body": "Hello again, the contract goes to nobody"}, "m.relates_to": m{"rel_type": "m.replace", "event_id": helloEvent.ID}})
	react, reactEvent := l.event(RoleReaction, "m.reaction", "@ben:example.gov.uk", m{"m.relates_to": m{"rel_type": "m.annotation", "event_id": helloEvent.ID, "key": "👍"}})
	unreact, _ := l.event(RoleRedaction, "m.room.redaction", "@ben:example.gov.uk", m{"redacts": reactEvent.ID})
	file := []byte("%PDF-1.7 not really a contract")
	sum := sha256.Sum256(file)
	l.media[hex.EncodeToString(sum[:])] = file
	doc, _ := l.event(RoleMessage, "m.room.message", "@asha:example.gov.uk", m{"msgtype": "m.file", "body": "the contract", "filename": "contract.pdf",
		"url": "mxc://example.gov.uk/abc", "info": m{"mimetype": "application/pdf", "size": len(file)}})
	mediaBody, _ := json.Marshal(m{"id": "abc", "sha256": hex.EncodeToString(sum[:]), "size": len(file)})
	media := l.add("org", record.KindMedia, RoleMedia, mediaBody)
	gone, goneEvent := l.text("@ben:example.gov.uk", "delete this please")
	deletion, _ := l.event(RoleRedaction, "m.room.redaction", "@ben:example.gov.uk", m{"redacts": goneEvent.ID, "reason": "oops"})
	after, _ := l.text("@ben:example.gov.uk", "February now")
	obs := func(n int, text string) Part {
		body, _ := json.Marshal(m{"id": fmt.Sprint("obs_", n), "kind": "text", "sender": "Dee ☎", "text": text, "body": text,
			"sent": m{"local": fmt.Sprintf("2025-12-3%dT09:1%d", n, n), "zone_basis": "unknown", "raw": "x"}, "attachments": []any{}, "state": m{}})
		return l.add("chat:whatsapp:1", record.KindObservation, RoleMessage, body)
	}
	o1, o2 := obs(0, "Are we still on?"), obs(1, "Yes. Bring the box.")
	for range 600 {
		l.text("@zoe:example.gov.uk", "something else")
	}

	var out bytes.Buffer
	b := l.writer(&out, Totals{Items: 8, Released: 6, Redacted: 1, Withheld: 1})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	derive := func(parts ...Part) (*Item, []Part) {
		t.Helper()
		c, err := Derive(parts, "11")
		must(err)
		return &Item{Status: Released, Content: c}, parts
	}
	must(b.Conversation(l.roomConversation(3, 12)))
	it, parts := derive(hello, edit, react, unreact)
	it.SenderName = "Asha Rao"
	must(b.Item(it, parts))
	must(b.Item(derive(formula)))
	must(b.Item(&Item{Status: Redacted, Redactions: 2, Content: Content{Sender: "@ben:example.gov.uk", SenderName: "Ben Lee", Type: "m.text", Sent: FormatTime(secret.Entry.Time),
		Text: "Call " + Mark("40(2)") + " on " + Mark("40(2)") + " about it"}, Reasons: []Reason{{"40(2)", "Personal information", "absolute"}}}, []Part{secret}))
	must(b.Item(&Item{Status: Withheld, Reasons: []Reason{{"42", "Legal professional privilege", "qualified"}}, Note: "The balance of the public interest is set out in our letter."}, []Part{withheld}))
	it, parts = derive(doc, media)
	it.Attachments[0].State = ""
	must(b.Item(it, parts))
	must(b.Item(derive(gone, deletion)))
	must(b.Context(context[2].Position, context[2].Entry))
	must(b.Context(after.Position, after.Entry))
	salt := scopeSalt("chat:whatsapp:1")
	must(b.Conversation(Conversation{Scope: "chat:whatsapp:1", Salt: base64.StdEncoding.EncodeToString(salt[:]), Title: "Dee", System: "whatsapp"}))
	must(b.Item(derive(o1)))
	must(b.Item(derive(o2)))
	must(b.Close())
	return l, out.Bytes()
}

func verify(t testing.TB, data []byte, check Check) *Report {
	t.Helper()
	r, err := Verify(context.Background(), bytes.NewReader(data), int64(len(data)), check)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBundle(t *testing.T) {
	l, data := sample(t)
	r := verify(t, data, Check{Key: l.key, Checkpoint: l.checkpoint()})
	if !r.Genuine() || !r.Trusted || !r.Matched {
		t.Errorf("a sound bundle: trusted %v, matched %v, %v", r.Trusted, r.Matched, r.Problems)
	}
	if want := (Totals{8, 6, 1, 1}); r.Totals != want {
		t.Errorf("totals %+v, want %+v", r.Totals, want)
	}
	if c := r.Conversations[0]; !c.Complete || c.Before == "" || c.After == "" || c.Items != 6 {
		t.Errorf("first conversation: %+v", c)
	}
	if c := r.Conversations[1]; c.Complete || c.Items != 2 {
		t.Errorf("second conversation: %+v", c)
	}
	if r = verify(t, data, Check{}); !r.Genuine() || r.Trusted || len(r.Notes) == 0 {
		t.Errorf("without a key: %+v", r)
	}
	other, err := note.NewVerifier(l.key)
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, _ := record.GenerateKey(rand.Reader, other.Name())
	if r = verify(t, data, Check{Key: otherKey}); r.Genuine() {
		t.Error("a bundle held under another key")
	}
	fork := record.Checkpoint{Origin: l.signer.Name(), Size: l.tree.Size(), Root: tlog.Hash{1}}
	msg, _ := fork.Sign(l.signer)
	if r = verify(t, data, Check{Key: l.key, Checkpoint: msg}); r.Genuine() {
		t.Error("a bundle of another record with the same size held")
	}
}

// What is withheld or redacted is nowhere in the bundle.
func TestNothingLeaks(t *testing.T) {
	l, data := sample(t)
	for name, content := range unzip(t, data) {
		if strings.HasPrefix(name, "rsmf/") {
			content = append(content, rsmfZip(t, content)...)
		}
		for _, secret := range []string{"John Smith", "07700", "Counsel", "cara", base64.StdEncoding.EncodeToString(l.parts[5].Salt[:]), base64.StdEncoding.EncodeToString(l.parts[6].Salt[:])} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s has %q", name, secret)
			}
		}
	}
}

func unzip(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// rezip makes the archive anew, with the manifest's hashes recomputed if forge is set, as somebody would who has no
// key.
func rezip(t testing.TB, data []byte, files map[string][]byte, forge bool) []byte {
	t.Helper()
	if forge {
		var man Manifest
		if err := json.Unmarshal(files[manifestFile], &man); err == nil {
			for i := range man.Files {
				f := &man.Files[i]
				sum := sha256.Sum256(files[f.Path])
				f.Size, f.SHA256 = int64(len(files[f.Path])), hex.EncodeToString(sum[:])
			}
			files[manifestFile] = man.append(nil)
		}
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range z.File {
		fw, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fw.Write(files[f.Name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func rsmfZip(t testing.TB, mail []byte) []byte {
	t.Helper()
	_, body, ok := bytes.Cut(mail, []byte("filename=\"rsmf.zip\"\r\n\r\n"))
	body, _, ok2 := bytes.Cut(body, []byte("--despatch-"))
	if !ok || !ok2 {
		t.Fatal("no rsmf.zip in the mail")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(body), "\r\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
