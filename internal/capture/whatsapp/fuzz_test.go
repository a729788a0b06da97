package whatsapp

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
)

func FuzzChat(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.txt")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		src := file(t, "_chat.txt", data)
		p, err := parse(t, capture.Options{Tentative: true}, src)
		if err != nil {
			if fault := (*capture.FileError)(nil); !errors.As(err, &fault) {
				t.Errorf("error %v does not say what to do", err)
			}
			return
		}
		check(t, p)
		first, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		p, err = parse(t, capture.Options{Tentative: true}, src)
		if err != nil {
			t.Fatal(err)
		}
		if second, _ := json.Marshal(p); string(first) != string(second) {
			t.Error("the same bytes read differently")
		}
	})
}
