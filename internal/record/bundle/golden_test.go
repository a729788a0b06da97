package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"despatch/internal/record"
)

var update = flag.Bool("update", false, "write the golden files")

// The readable files are exactly those under testdata: what they look like changes only on purpose, and a bundle made
// today can still be checked by tomorrow's verifier.
func TestGolden(t *testing.T) {
	_, data := sample(t)
	for name, got := range unzip(t, data) {
		if strings.HasPrefix(name, "media/") || name == inclusionFile {
			continue
		}
		file := filepath.Join("testdata", "sample", filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not as in testdata; run go test -update if that is meant", name)
		}
	}
}

// The RSMF files keep the rules of the format, as far as its schema and its validator's published errors state them.
func TestRSMF(t *testing.T) {
	_, data := sample(t)
	n := 0
	for name, content := range unzip(t, data) {
		if !strings.HasPrefix(name, "rsmf/") {
			continue
		}
		n++
		msg, err := mail.ReadMessage(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := msg.Header.Get("X-RSMF-Version"); got != "2.0.0" {
			t.Errorf("%s: version %q", name, got)
		}
		for _, h := range []string{"From", "To"} {
			if _, err := msg.Header.AddressList(h); err != nil {
				t.Errorf("%s: %s: %v", name, h, err)
			}
		}
		if _, err := msg.Header.Date(); err != nil {
			t.Errorf("%s: date: %v", name, err)
		}
		typ, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
		if err != nil || typ != "multipart/mixed" {
			t.Fatalf("%s: content type %q, %v", name, typ, err)
		}
		parts := multipart.NewReader(msg.Body, params["boundary"])
		attachments := 0
		for {
			p, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if p.FileName() == "" {
				text, err := io.ReadAll(p)
				if err != nil || len(text) == 0 {
					t.Errorf("%s: transcript %q, %v", name, text, err)
				}
				continue
			}
			attachments++
			if p.FileName() != "rsmf.zip" || p.Header.Get("Content-Transfer-Encoding") != "base64" {
				t.Errorf("%s: attachment %v", name, p.Header)
			}
		}
		if attachments != 1 {
			t.Errorf("%s: %d attachments, want exactly one", name, attachments)
		}
		checkRSMFZip(t, name, rsmfZip(t, content))
	}
	if n != 3 {
		t.Errorf("%d RSMF files, want 3: one for each conversation and day", n)
	}
}

func checkRSMFZip(t *testing.T, name string, raw []byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	files := unzip(t, raw)
	if len(files) != len(z.File) {
		t.Errorf("%s: a file is there twice", name)
	}
	type obj = map[string]any
	var man obj
	if err := json.Unmarshal(files["rsmf_manifest.json"], &man); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	delete(files, "rsmf_manifest.json")
	text := func(o obj, key string, required bool) string {
		v, ok := o[key]
		if !ok && !required {
			return ""
		}
		s, isString := v.(string)
		if !isString || s == "" {
			t.Errorf("%s: %s is %v, want a string that is not empty, in %v", name, key, v, o)
		}
		return s
	}
	list := func(o obj, key string) (out []obj) {
		if o[key] == nil {
			return nil
		}
		for _, v := range o[key].([]any) {
			out = append(out, v.(obj))
		}
		return out
	}
	stamp := func(s string) {
		if _, err := time.Parse(time.RFC3339, s); s != "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	custom := func(o obj) {
		for _, c := range list(o, "custom") {
			text(c, "name", true)
			text(c, "value", true)
		}
	}
	ids := map[string]bool{}
	known := func(kind, id string) {
		if id != "" && !ids[kind+id] {
			t.Errorf("%s: %s %q is not in the file", name, kind, id)
		}
	}
	if len(text(man, "version", true)) < 5 {
		t.Errorf("%s: version %v", name, man["version"])
	}
	for _, key := range []string{"participants", "conversations", "events"} {
		if _, ok := man[key].([]any); !ok {
			t.Errorf("%s: %s is missing", name, key)
		}
	}
	for _, p := range list(man, "participants") {
		ids["participant"+text(p, "id", true)] = true
		text(p, "display", false)
		custom(p)
	}
	for _, c := range list(man, "conversations") {
		ids["conversation"+text(c, "id", true)] = true
		text(c, "platform", true)
		if typ := text(c, "type", false); typ != "direct" && typ != "channel" {
			t.Errorf("%s: conversation of type %q", name, typ)
		}
		for _, p := range c["participants"].([]any) {
			known("participant", p.(string))
		}
		custom(c)
	}
	events := list(man, "events")
	for _, e := range events {
		ids["event"+text(e, "id", false)] = true
	}
	for _, e := range events {
		if typ := text(e, "type", true); !strings.Contains(" message disclaimer join leave history unknown ", " "+typ+" ") {
			t.Errorf("%s: event of type %q", name, typ)
		}
		known("event", text(e, "parent", false))
		known("participant", text(e, "participant", false))
		known("conversation", text(e, "conversation", true))
		stamp(text(e, "timestamp", true))
		custom(e)
		for _, r := range list(e, "reactions") {
			if v := text(r, "value", true); len([]rune(v)) > 30 {
				t.Errorf("%s: reaction %q is too long", name, v)
			}
			if r["participants"] != nil {
				known("participant", r["participants"].([]any)[0].(string))
			}
		}
		for _, x := range list(e, "edits") {
			known("participant", text(x, "participant", true))
			stamp(text(x, "timestamp", false))
		}
		for _, a := range list(e, "attachments") {
			id := text(a, "id", true)
			if files[id] == nil || strings.Contains(id, "/") {
				t.Errorf("%s: the attachment with ID %s was not found in the zip archive", name, id)
			}
			delete(files, id)
		}
	}
	for left := range files {
		t.Errorf("%s: the file %s in the zip archive does not have a reference", name, left)
	}
}

// Pages are turned, and each is compared.
func TestManyPages(t *testing.T) {
	l := big(t, 4500)
	var out bytes.Buffer
	l.writeBig(t, &out)
	if r := verify(t, out.Bytes(), Check{Key: l.key}); !r.Genuine() || r.Totals.Items != 4500 {
		t.Fatalf("%+v", r.Problems)
	}
	files := unzip(t, out.Bytes())
	for p, item := range map[int]int{1: 1500, 2: 2001, 3: 4500} {
		changed := unzip(t, out.Bytes())
		name := pageFile(p)
		old := fmt.Sprintf(`id="item-%d"><header>`, item)
		if !bytes.Contains(files[name], []byte(old)) {
			t.Fatalf("item %d is not on page %d", item, p)
		}
		changed[name] = bytes.Replace(files[name], []byte(old), []byte(strings.Replace(old, "header", "HEADER", 1)), 1)
		r := verify(t, rezip(t, out.Bytes(), changed, true), Check{Key: l.key})
		if !names(r, item) || len(namesOthers(r, item)) > 0 {
			t.Errorf("page %d, item %d: %v", p, item, r.Problems)
		}
	}
}

// A bundle can have nothing in it: "we hold no such messages" is an answer.
func TestEmpty(t *testing.T) {
	l := newLog(t)
	l.text("@asha:example.gov.uk", "x")
	var out bytes.Buffer
	b := l.writer(&out, Totals{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, out.Bytes(), Check{Key: l.key}); !r.Genuine() {
		t.Errorf("%v", r.Problems)
	}
}

// The writer refuses what would not verify.
func TestWriterRefuses(t *testing.T) {
	l := newLog(t)
	p, _ := l.text("@asha:example.gov.uk", "the truth")
	c, err := Derive([]Part{p}, "11")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Item, *Part){
		"another text":  func(it *Item, p *Part) { it.Text = "a lie" },
		"another body":  func(it *Item, p *Part) { p.Body = bytes.Replace(p.Body, []byte("truth"), []byte("sooth"), 1) },
		"no body":       func(it *Item, p *Part) { p.Body, p.Salt = nil, nil },
		"another entry": func(it *Item, p *Part) { p.Entry.Time++ },
	} {
		b := l.writer(io.Discard, Totals{Items: 1, Released: 1})
		if err := b.Conversation(l.roomConversation(0, 0)); err != nil {
			t.Fatal(err)
		}
		it, part := &Item{Status: Released, Content: c}, p
		change(it, &part)
		err := b.Item(it, []Part{part})
		if err == nil {
			err = b.Close()
		}
		if err == nil {
			t.Errorf("%s was written", name)
		}
		b.Abort()
	}
}

// An attached file is proven by the entry of its upload, and by no other's. That entry can lie in the conversation
// itself, and is then part of its sequence.
func TestMediaEntry(t *testing.T) {
	l := newLog(t)
	file := []byte("a picture")
	sum := sha256.Sum256(file)
	l.media[hex.EncodeToString(sum[:])] = file
	upload := func(id string) Part {
		body, _ := json.Marshal(m{"id": id, "sha256": hex.EncodeToString(sum[:]), "size": len(file)})
		return l.add(room, record.KindMedia, RoleMedia, body)
	}
	other, own := upload("other"), upload("own")
	pic, _ := l.event(RoleMessage, "m.room.message", "@asha:example.gov.uk", m{"msgtype": "m.image", "body": "x.png", "url": "mxc://example.gov.uk/own"})
	if _, err := Derive([]Part{pic, other}, "11"); err == nil {
		t.Error("a file was taken for the message's that another upload brought")
	}
	c, err := Derive([]Part{pic, own}, "11")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	b := l.writer(&out, Totals{Items: 1, Released: 1})
	c.Attachments[0].State = ""
	for _, err := range []error{
		b.Conversation(l.roomConversation(0, 2)),
		b.Item(&Item{Status: Released, Content: c}, []Part{pic, own}),
		b.Context(other.Position, other.Entry),
		b.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := verify(t, out.Bytes(), Check{Key: l.key})
	if !r.Genuine() || !r.Conversations[0].Complete {
		t.Errorf("%+v", r)
	}
}
