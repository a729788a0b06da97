package whatsapp

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/capture"
)

var update = flag.Bool("update", false, "write the golden files")

// file returns bytes as a file that was handed in.
func file(t testing.TB, name string, data []byte) *capture.File {
	t.Helper()
	f, err := capture.NewFile(t.Context(), name, bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// parsed is a whole run, as a golden file holds it.
type parsed struct {
	Run      *capture.ParseRun      `json:"run"`
	Messages []*capture.Observation `json:"messages"`
}

func parse(t testing.TB, opt capture.Options, files ...*capture.File) (*parsed, error) {
	t.Helper()
	p := &parsed{Messages: []*capture.Observation{}}
	run, err := Parser{}.Parse(context.Background(), &capture.Source{Files: files}, opt, func(o *capture.Observation) error {
		p.Messages = append(p.Messages, o)
		return nil
	})
	p.Run = run
	return p, err
}

// check checks what must hold of every run.
func check(t testing.TB, p *parsed) {
	t.Helper()
	if r := p.Run.Reconciliation; !r.Balanced {
		t.Errorf("lines do not add up: %+v", r)
	}
	if c := p.Run.Coverage; c.BytesCovered != c.Bytes {
		t.Errorf("%d of %d bytes covered", c.BytesCovered, c.Bytes)
	}
	if m := p.Run.Coverage.Members; m != nil && !m.Balanced {
		t.Errorf("members do not add up: %+v", m)
	}
	seen := map[string]bool{}
	last := map[int]int64{}
	for i, o := range p.Messages {
		if seen[o.ID] {
			t.Errorf("message %d: id %s occurs twice", i, o.ID)
		}
		seen[o.ID] = true
		if o.Sent.Min > o.Sent.Max {
			t.Errorf("message %d: interval is empty: %+v", i, o.Sent)
		}
		if o.Origin.ByteStart < last[o.Conversation] || o.Origin.ByteEnd <= o.Origin.ByteStart {
			t.Errorf("message %d: bytes %d to %d follow byte %d", i, o.Origin.ByteStart, o.Origin.ByteEnd, last[o.Conversation])
		}
		last[o.Conversation] = o.Origin.ByteEnd
	}
}

func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) < 30 {
		t.Fatalf("found %d exports, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			london, err := time.LoadLocation("Europe/London")
			if err != nil {
				t.Fatal(err)
			}
			p, err := parse(t, capture.Options{Tentative: true, Zone: london}, file(t, filepath.Base(name), data))
			if err != nil {
				t.Fatal(err)
			}
			check(t, p)
			for i, o := range p.Messages {
				got := bytes.ToValidUTF8(data[o.Origin.ByteStart:o.Origin.ByteEnd], []byte("\uFFFD"))
				if !strings.Contains(name, "utf16") && !bytes.Contains(got, []byte(o.Body)) {
					t.Errorf("message %d: body %q is not in its bytes %q", i, o.Body, got)
				}
			}
			golden(t, strings.TrimSuffix(name, ".txt")+".json", p)
		})
	}
}

func golden(t *testing.T, name string, p *parsed) {
	t.Helper()
	raw, err := json.Marshal(p, json.Deterministic(true), jsontext.WithIndent(" "))
	if err != nil {
		t.Fatal(err)
	}
	got := append(raw, '\n')
	if *update {
		if err := os.WriteFile(name, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %s\nwant %s", firstDifference(got, want), name)
	}
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return strings.Join(g[max(0, i-6):min(len(g), i+3)], "\n")
		}
	}
	return "less"
}
