package folder

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/capture"
	"despatch/internal/capture/systems"
	"despatch/internal/media"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// service is a real one on an empty record.
func service(t *testing.T) *capture.Service {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	db, err := sqldb.Open(t.Context(), sqldbtest.SQLite(t), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := store.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	skey, _, err := note.GenerateKey(nil, "test.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := recorder.Open(t.Context(), recorder.Options{DB: db, Signer: signer, Log: log, Project: capture.Project})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rec.Close() })
	files, err := media.New(media.Options{Dir: t.TempDir(), Server: "test.example", DB: db, Record: rec, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return &capture.Service{DB: db, Record: rec, Media: files, Parsers: systems.Parsers(), Now: time.Now, Log: log}
}

func TestDrop(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	d := &Drop{Dir: dir, Service: service(t), Log: slog.New(slog.NewTextHandler(&log, nil)), Person: func(_ context.Context, name string) (string, error) {
		if name != "ann" {
			return "", errors.New("nobody")
		}
		return "@ann:test.example", nil
	}}
	look := func() {
		t.Helper()
		if err := d.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left := func(dir string) (names []string) {
		list, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range list {
			names = append(names, e.Name())
		}
		return names
	}
	ann := filepath.Join(dir, "ann")
	write(t, ann+"/WhatsApp Chat with Bob.txt", "13/01/22, 10:00 - Ann: see the letter\n13/01/22, 10:01 - Bob: yes\n")
	write(t, ann+"/doubtful.txt", "03/04/21, 10:00 - Ann: which month?\n04/04/21, 10:02 - Ann: nor the day\n")
	write(t, dir+"/mallory/x.txt", "13/01/22, 10:00 - Ann: x\n")
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "not yours")
	if err := os.MkdirAll(ann+"/folder", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, ann+"/folder/link"); err != nil {
		t.Fatal(err)
	}
	look()
	if got := left(ann); len(got) != 3 {
		t.Fatalf("what may still be changing was taken: %q are left", got)
	}
	write(t, ann+"/doubtful.txt", "03/04/21, 10:00 - Ann: which month?\n04/04/21, 10:02 - Ann: nor the day, still being copied\n")
	look()
	if got := left(ann); !slices.Equal(got, []string{"doubtful.txt", "folder", Recorded}) {
		t.Errorf("%q are left", got)
	}
	look()
	if got := left(ann); !slices.Equal(got, []string{"folder", Recorded, Waiting}) {
		t.Errorf("%q are left", got)
	}
	if got := left(ann + "/" + Recorded); !slices.Equal(got, []string{"WhatsApp Chat with Bob.txt", "WhatsApp Chat with Bob.txt.receipt.json"}) {
		t.Errorf("on the record: %q", got)
	}
	raw, err := os.ReadFile(filepath.Join(ann, Waiting, "doubtful.txt.receipt.json"))
	if err != nil || !strings.Contains(string(raw), `"needs_answer"`) {
		t.Errorf("the receipt of what needs an answer: %s, %v", raw, err)
	}
	list, err := d.Service.Submissions(t.Context(), "@ann:test.example", 10)
	if err != nil || len(list) != 2 {
		t.Errorf("%d submissions, %v", len(list), err)
	}
	// The same once more: a second copy beside the first, and nothing new on the record.
	size := d.Service.Record.Head().Edge.Size
	write(t, ann+"/WhatsApp Chat with Bob.txt", "13/01/22, 10:00 - Ann: see the letter\n13/01/22, 10:01 - Bob: yes\n")
	look()
	look()
	if got := left(ann + "/" + Recorded); !slices.Contains(got, "WhatsApp Chat with Bob.txt (2)") || d.Service.Record.Head().Edge.Size != size {
		t.Errorf("the same again: %q, %d new entries", got, d.Service.Record.Head().Edge.Size-size)
	}
	if !strings.Contains(log.String(), "mallory") || strings.Contains(log.String(), "not yours") {
		t.Errorf("the log says %s", log.String())
	}
}

// TestOpenOutside opens a link that was put in place of a file after the folder was looked through.
func TestOpenOutside(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/outside", "secret")
	if err := errors.Join(os.Mkdir(dir+"/in", 0o700), os.Symlink("../outside", dir+"/in/file")); err != nil {
		t.Fatal(err)
	}
	if _, done, err := Open(t.Context(), []File{{Path: dir + "/in/file", Name: "file", Root: dir + "/in"}}); err == nil {
		done()
		t.Error("a link leads out of the folder")
	}
}

func TestCommonFolder(t *testing.T) {
	for _, test := range []struct{ paths, want string }{
		{"a.txt", ""}, {"x/a.txt", "x/"}, {"x/y/a x/y/b", "x/y/"}, {"x/y/a x/z/b", "x/"}, {"x/y/a x/b", "x/"}, {"ab/c a/c", ""},
	} {
		if got := commonFolder(strings.Fields(test.paths)); got != test.want {
			t.Errorf("common folder of %s is %q, want %q", test.paths, got, test.want)
		}
	}
}

// TestTelling keeps the name of a folder where only it says when something was.
func TestTelling(t *testing.T) {
	root := t.TempDir()
	zoom := filepath.Join(root, "2021-05-05 14.30.00 Water 98765432101")
	if err := os.Mkdir(zoom, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(zoom, "meeting_saved_chat.txt"), []byte("14:31:05 From Asha to Everyone:\n\thello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{root, zoom} {
		groups, err := Groups(t.Context(), dir)
		if err != nil || len(groups) != 1 || groups[0][0].Name != "2021-05-05 14.30.00 Water 98765432101/meeting_saved_chat.txt" {
			t.Errorf("from %s: %+v, %v", filepath.Base(dir), groups, err)
		}
	}
}
