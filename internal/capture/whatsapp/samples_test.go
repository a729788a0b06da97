package whatsapp

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
)

// TestSamples reads every chat below a folder of exports whose contents are known. Beside the chats of
// a folder may lie a target.json: the messages that each of them holds, at least, newest first.
func TestSamples(t *testing.T) {
	dir := os.Getenv("DESPATCH_SAMPLES")
	if dir == "" {
		t.Skip("skipped: DESPATCH_SAMPLES names no folder of exports")
	}
	read := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f := sampleFile(t, path)
		src := &capture.Source{Files: []*capture.File{f}}
		is, err := Parser{}.Recognise(t.Context(), src)
		if !is || err != nil {
			if strings.Contains(path, "whatsapp") && filepath.Ext(path) != ".json" {
				t.Errorf("%s is not recognised: %v", path, err)
			}
			return nil
		}
		if !strings.Contains(path, "whatsapp") {
			t.Errorf("%s is taken for a WhatsApp chat", path)
			return nil
		}
		read++
		t.Run(filepath.Base(path), func(t *testing.T) { trySample(t, path, f) })
		return nil
	})
	if err != nil || read == 0 {
		t.Errorf("read %d chats below %s, %v", read, dir, err)
	}
}

func sampleFile(t *testing.T, path string) *capture.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c, err := capture.NewFile(t.Context(), fi.Name(), f, fi.Size(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func trySample(t *testing.T, path string, f *capture.File) {
	p, err := parse(t, capture.Options{}, f)
	if err != nil {
		t.Fatal(err)
	}
	check(t, p)
	t.Logf("%s, %d messages, %d system lines, decided %+v", p.Run.Status, p.Run.Coverage.Messages, p.Run.Reconciliation.System, decision(p, "date_order"))
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(path), "target.json"))
	if err != nil {
		return
	}
	var want []struct{ Timestamp, Author, Message string }
	if err := json.Unmarshal(raw, &want, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	var got []*capture.Observation
	for _, o := range p.Messages {
		if o.Kind != capture.KindSystem {
			got = append(got, o)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i, w := range want {
		o := got[len(got)-1-i]
		if !strings.HasPrefix(w.Timestamp, o.Sent.Local) || o.Sender != w.Author || strings.ReplaceAll(o.Text, "\n", " ") != w.Message {
			t.Errorf("message is %s, %q, %q, want %+v", o.Sent.Local, o.Sender, o.Text, w)
		}
	}
}
