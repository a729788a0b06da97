package crashtest

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/record"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

// TestKillCapture kills the command in the middle of an import, again and again, and once the server that takes
// up what was broken off: in the end every message is on the record once.
func TestKillCapture(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { killCapture(t, "") })
	t.Run("postgres", func(t *testing.T) { killCapture(t, sqldbtest.Postgres(t)) })
}

const captured = 30_000

// export writes a chat with a picture at every hundredth message.
func export(t *testing.T) string {
	t.Helper()
	var chat, archive bytes.Buffer
	z := zip.NewWriter(&archive)
	at := time.Date(2024, 3, 1, 8, 0, 0, 0, time.UTC)
	for i := range captured {
		at = at.Add(7 * time.Second)
		if i%100 != 50 {
			fmt.Fprintf(&chat, "[%s] Ann Field: message number %d about the harbour\r\n", at.Format("02/01/2006, 15:04:05"), i)
			continue
		}
		name := fmt.Sprintf("%08d-PHOTO-%s.jpg", i, at.Format("2006-01-02-15-04-05"))
		fmt.Fprintf(&chat, "[%s] Ann Field: \u200e<attached: %s>\r\n", at.Format("02/01/2006, 15:04:05"), name)
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "picture %d", i)
	}
	w, err := z.Create("_chat.txt")
	if err != nil {
		t.Fatal(err)
	}
	w.Write(chat.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "WhatsApp Chat - Ann Field.zip")
	if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func killCapture(t *testing.T, database string) {
	w := newWorld(t, t.TempDir(), database, 2, 1)
	path := export(t)
	run := func(upTo int64) (receipt *capture.Receipt, killed bool) {
		t.Helper()
		cmd := exec.Command(program, "capture", "--json", "--data", w.dir, "--database", w.database, "--server-name", serverName,
			"--as", "u0", "--zone", "Europe/London", path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		if upTo > 0 {
			go func() {
				for w.size(ended) < upTo {
				}
				cmd.Process.Kill()
			}()
		}
		err := cmd.Wait()
		close(ended)
		if upTo > 0 && err != nil {
			return nil, true
		}
		if err != nil {
			t.Fatalf("%v: %s", err, errs.String())
		}
		receipt = new(capture.Receipt)
		if err := json.Unmarshal(out.Bytes(), receipt); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		return receipt, false
	}
	kills, inside := 0, 0
	for range rounds(8) { // somewhere in what is missing yet
		before := len(w.captured(t))
		if _, killed := run(w.size(nil) + rand.Int64N(int64(captured-before)/2+1)); !killed {
			break
		}
		kills++
		if n := len(w.captured(t)); n > before && n < captured {
			inside++
		}
	}
	if inside == 0 {
		t.Errorf("%d kills, none of them in the middle of the import: that shows nothing", kills)
	}
	if rand.IntN(2) == 0 { // the server goes on by itself
		p := w.start(t)
		for deadline := time.Now().Add(30 * time.Second); len(w.captured(t)) < captured; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the server did not take up the import: %d of %d\n%s", len(w.captured(t)), captured, p.said())
			}
		}
		p.kill()
	}
	r, _ := run(0)
	if r.Status != capture.StatusRead || len(r.Conversations) != 1 || r.Conversations[0].Items != captured {
		t.Errorf("the receipt is %+v", r)
	}
	w.check(t)
	have := w.captured(t)
	for body, n := range have {
		if n != 1 {
			t.Errorf("%q is on the record %d times", body, n)
		}
	}
	if len(have) != captured {
		t.Errorf("%d messages are on the record, want %d", len(have), captured)
	}
	t.Logf("%d kills, %d in the middle of the import", kills, inside)
}

// size is how many entries are on the record, looked up every few milliseconds until it can be read or stop is closed.
func (w *world) size(stop chan struct{}) int64 {
	ctx := context.Background()
	for {
		select {
		case <-stop:
			return 1 << 62
		case <-time.After(3 * time.Millisecond):
		}
		if db, err := w.open(ctx); err == nil {
			head, err := store.ReadHead(ctx, db.Reader())
			db.Close()
			if err == nil {
				return head.Size
			}
		}
	}
}

// open opens the database to look into it.
func (w *world) open(ctx context.Context) (*sqldb.DB, error) {
	if w.database != "" {
		return sqldb.Open(ctx, w.database, sqldb.Options{ReadOnly: true, Readers: 1})
	}
	return sqldb.Open(ctx, filepath.Join(w.dir, "despatch.db"), sqldb.Options{ReadOnly: true, Readers: 1})
}

// captured counts the captured messages on the record by their words.
func (w *world) captured(t *testing.T) map[string]int {
	t.Helper()
	ctx := context.Background()
	db, err := w.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	head, err := store.ReadHead(ctx, db.Reader())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]int{}
	err = store.Entries(ctx, db.Reader(), 0, head.Size, func(e *store.Entry) error {
		if e.Kind != record.KindObservation {
			return nil
		}
		var o struct {
			Body string `json:"body"`
		}
		if err := json.Unmarshal(e.Body, &o); err != nil {
			return err
		}
		have[strings.TrimSpace(o.Body)]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return have
}
