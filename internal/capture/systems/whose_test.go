package systems

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"despatch/internal/capture"
)

// TestWhose asks every parser about the published exports: the first that knows a file must be its own,
// for the first one asked reads it.
func TestWhose(t *testing.T) {
	for pattern, want := range map[string]string{
		"meta/testdata/*.json": "meta-download", "meta/testdata/*.html": "meta-download",
		"telegram/testdata/*.json": "telegram-export", "telegram/testdata/*.html": "telegram-export",
		"slack/testdata/2025-*.json": "slack-export", "teams/testdata/*.json": "teams-export",
		"mattermost/testdata/*.jsonl": "mattermost-export", "mattermost/testdata/*.csv": "mattermost-export",
		"google/testdata/*.json": "google-takeout", "google/testdata/*.sbv": "google-takeout",
		"zoom/testdata/*.txt": "zoom-chat", "whatsapp/testdata/*.txt": "whatsapp-export",
	} {
		names, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pattern)))
		if err != nil || len(names) == 0 {
			t.Errorf("%s: %v", pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := capture.NewFile(t.Context(), filepath.Base(name), bytes.NewReader(data), int64(len(data)), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			got := "nobody"
			for _, p := range Parsers() {
				if ok, _ := p.Recognise(t.Context(), &capture.Source{Files: []*capture.File{f}}); ok {
					got = p.Name()
					break
				}
			}
			if got != want {
				t.Errorf("%s is taken by %s, want %s", name, got, want)
			}
		}
	}
}
