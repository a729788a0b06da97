package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"despatch/internal/record"
	"despatch/internal/record/bundle"
)

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type spool struct {
	bytes.Buffer
	r *bytes.Reader
}

func (s *spool) Seek(int64, int) (int64, error)     { s.r = bytes.NewReader(s.Bytes()); return 0, nil }
func (s *spool) Read(p []byte) (int, error)         { return s.r.Read(p) }
func (s *spool) WriteTo(w io.Writer) (int64, error) { return s.r.WriteTo(w) }
func (s *spool) Close() error                       { return nil }
func noTiles(level int, n int64) ([]byte, error)    { return nil, record.ErrNoTile }
func noMedia(string) (io.ReadCloser, error)         { return nil, os.ErrNotExist }
func newSpool() (bundle.Spool, error)               { return new(spool), nil }
func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// small makes a bundle of one captured message and one that is withheld, and returns its file, the key and a
// checkpoint.
func small(t *testing.T) (file, key string, checkpoint []byte) {
	t.Helper()
	private, key, err := record.GenerateKey(zeroes{}, "example.gov.uk/despatch")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	var tree record.Tree
	var salt [32]byte
	add := func(seq uint64, body string) bundle.Part {
		e := record.Entry{Time: 1_767_361_000_000, ScopeTag: record.ScopeTag(salt, "capture:1"), Seq: seq, Kind: record.KindObservation,
			Commitment: record.Commit(&salt, []byte(body))}
		tree.Append(record.LeafHash(&e))
		return bundle.Part{Position: int64(seq), Role: bundle.RoleMessage, Entry: e, Salt: &salt, Body: []byte(body)}
	}
	first := add(0, `{"id":"obs_1","kind":"text","sender":"Dee","text":"Bring the box.","sent":{"local":"2025-12-30T09:10","zone_basis":"unknown"}}`)
	second := add(1, `{"id":"obs_2"}`)
	cp := record.Checkpoint{Origin: signer.Name(), Size: 2, Root: tree.Root()}
	if checkpoint, err = cp.Sign(signer); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := bundle.NewWriter(&out, bundle.Options{
		Header: bundle.Header{Bundle: strings.Repeat("0a", 16), Reference: "FOI-2026-0042", Title: "The box", Regime: "Freedom of Information Act 2000",
			Department: "Department of Examples", Made: "2026-03-02T10:00:00.000Z", Totals: bundle.Totals{Items: 2, Released: 1, Withheld: 1}},
		Signer: signer, Key: key, Checkpoint: checkpoint, Tree: record.NewReader(tree.Edge(), record.TilesFunc(noTiles)), Spool: newSpool, Media: noMedia,
	})
	if err != nil {
		t.Fatal(err)
	}
	content, err := bundle.Derive([]bundle.Part{first}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		w.Conversation(bundle.Conversation{Scope: "capture:1", Salt: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", Title: "Dee", System: "whatsapp", Complete: true, To: 1}),
		w.Item(&bundle.Item{Status: bundle.Released, Content: content}, []bundle.Part{first}),
		w.Item(&bundle.Item{Status: bundle.Withheld, Reasons: []bundle.Reason{{Code: "42", Name: "Legal professional privilege"}}}, []bundle.Part{second}),
		w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return write(t, "bundle.zip", out.Bytes()), key, checkpoint
}

func try(args ...string) (code int, out string) {
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), args, &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

func TestExit(t *testing.T) {
	file, key, cp := small(t)
	keyFile, cpFile := write(t, "log.vkey", []byte(key+"\n")), write(t, "checkpoint", cp)
	fork := forked(t)
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no key", []string{file}, holds, "You gave no key"},
		{"a key", []string{"--key", key, file}, holds, "The key is the one you gave"},
		{"a key in a file", []string{"--key", keyFile, file}, holds, "The key is the one you gave"},
		{"a checkpoint", []string{"--checkpoint", cpFile, "--key", key, file}, holds, "shown the same record"},
		{"another tree's checkpoint", []string{"--checkpoint", fork, file}, notGenuine, "two different records"},
		{"changed", []string{"--key", key, changed(t, file)}, notGenuine, "Item 1 (position 0, from Dee, 2025-12-30T09:10 (time zone not known)) is not genuine"},
		{"no such file", []string{"/nonexistent/bundle.zip"}, notChecked, "could not be checked"},
		{"no zip", []string{keyFile}, notChecked, "not a zip archive"},
		{"a folder", []string{t.TempDir()}, notChecked, "is not a file"},
		{"no such key file", []string{"--key", "/nonexistent/key", file}, notChecked, "could not be checked"},
		{"no bundle named", nil, notChecked, "Usage"},
		{"two named", []string{file, file}, notChecked, "Usage"},
		{"unknown flag", []string{"--frob", file}, notChecked, "Usage"},
		{"help", []string{"--help"}, holds, "Usage"},
	} {
		code, out := try(c.args...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, want %d, saying %q:\n%s", c.name, code, c.code, c.says, out)
		}
	}
}

// forked is a checkpoint of another record of the same size.
func forked(t *testing.T) string {
	t.Helper()
	private, _, err := record.GenerateKey(zeroes{}, "example.gov.uk/despatch")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	cp := record.Checkpoint{Origin: signer.Name(), Size: 2, Root: tlog.Hash{1}}
	msg, err := cp.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "fork", msg)
}

// changed is the bundle with another word in its page.
func changed(t *testing.T, file string) string {
	t.Helper()
	in, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == "index.html" {
			b = bytes.Replace(b, []byte("Bring the box."), []byte("Bring the fox."), 1)
		}
		fw, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fw.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return write(t, "changed.zip", out.Bytes())
}

func TestJSON(t *testing.T) {
	file, _, _ := small(t)
	_, out := try("--json", file)
	var r result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Result != "holds" || r.Totals.Released != 1 || r.Totals.Withheld != 1 || len(r.Conversations) != 1 || !r.Conversations[0].Complete {
		t.Errorf("%s", out)
	}
	_, out = try("--json", changed(t, file))
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Result != "not genuine" || r.Problems[0].Item != 1 {
		t.Errorf("%v: %s", err, out)
	}
}

// A stranger's text cannot move the reader's cursor or turn the line about.
func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\u202ec"); got != "a�[2Jb�c" {
		t.Errorf("printable = %q", got)
	}
}

// What an outsider has to read and trust is little: two packages of ours beside the format's own, and no dependency
// but the public log's.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skip("no go command: ", err)
	}
	for _, p := range strings.Fields(string(out)) {
		first, _, _ := strings.Cut(p, "/")
		ours := first == "despatch"
		if !ours && !strings.Contains(first, ".") {
			continue // the standard library
		}
		switch p {
		case "despatch/cmd/despatch-verify", "despatch/internal/record", "despatch/internal/record/bundle", "despatch/internal/matrix",
			"golang.org/x/mod/sumdb/note", "golang.org/x/mod/sumdb/tlog", "github.com/transparency-dev/formats/proof":
		default:
			t.Errorf("imports %s", p)
		}
	}
}
