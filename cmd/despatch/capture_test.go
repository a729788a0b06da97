package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
)

const (
	plainChat     = "13/01/22, 10:00 - Ann: see the letter\n13/01/22, 10:01 - Bob: IMG-20220113-WA0001.jpg (file attached)\n"
	doubtfulChat  = "03/04/21, 10:00 - Ann: which month?\n04/04/21, 10:02 - Ann: nor the day\n"
	chatName      = "WhatsApp Chat with Bob.txt"
	oneAttachment = "IMG-20220113-WA0001.jpg"
)

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCaptureDryRun(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"a/" + chatName: plainChat, "a/" + oneAttachment: "jpeg", "b/_chat.txt": doubtfulChat, "c/report.pdf": "%PDF-1.7", "d/broken.zip": "PK\x03\x04 cut short"})
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{dir + "/a"}, 0, "Who: Ann, Bob."},
		{[]string{dir + "/a/" + chatName, "--zone", "Europe/London"}, 0, "Europe/London time"},
		{[]string{dir + "/b/_chat.txt"}, 3, "day first or the month first"},
		{[]string{dir + "/b/_chat.txt", "--date-order", "mdy"}, 0, "4 March 2021"},
		{[]string{dir + "/c/report.pdf"}, 0, "1 file = 1 message"},
		{[]string{dir + "/c/report.pdf", "--system", "siilo", "--conversation", "Ward 7", "--zone", "Europe/London", "--from", "2026-03-31", "--to", "2026-04-01T09:30"}, 0, "When: 31 March 2026"},
		{[]string{dir + "/c/report.pdf", "--from", "yesterday"}, 2, ""},
		{[]string{dir + "/c/report.pdf", "--from", "2026-03-31", "--to", "2026-03-30"}, 2, ""},
		{[]string{dir + "/d"}, 4, "cut short or damaged"},
		{[]string{dir}, 4, "Who: Ann, Bob."},
		{[]string{dir + "/none"}, 2, ""},
		{[]string{dir + "/a", "--zone", "Europe/Londres"}, 2, ""},
		{nil, 2, ""},
	} {
		status, out, errs := despatch(t, "", append([]string{"capture", "--dry-run"}, test.args...)...)
		if status != test.status || !strings.Contains(out, test.says) {
			t.Errorf("despatch capture --dry-run %q: status %d, want %d\n%s%s", test.args, status, test.status, out, errs)
		}
	}

	status, out, errs := despatch(t, "", "capture", "--dry-run", "--json", dir)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if status != 4 || len(lines) != 4 {
		t.Fatalf("status %d, %d lines, want 4 and 4\n%s%s", status, len(lines), out, errs)
	}
	seen := map[string]int{}
	for _, l := range lines {
		var p struct {
			Format, Status string
			Files          []capture.SubmittedFile
			Messages       []struct {
				Attachments []capture.Attachment
			}
		}
		if err := json.Unmarshal([]byte(l), &p, json.MatchCaseInsensitiveNames(true)); err != nil || p.Format != capture.PreviewFormat {
			t.Fatalf("%v: %s", err, l)
		}
		if seen[p.Status] += len(p.Messages); p.Status == "read" && p.Files[0].Name == "report.pdf" {
			continue
		}
		if p.Status == "read" && (len(p.Files) != 2 || p.Messages[1].Attachments[0].Presence != capture.Present) {
			t.Errorf("the chat beside its picture is %s", l)
		}
	}
	if seen["read"] != 3 || seen["needs_answer"] != 2 || seen["unreadable"] != 0 || len(seen) != 3 {
		t.Errorf("statuses and messages are %v", seen)
	}
}

// TestCapture takes files onto the record, by the command itself and by a running server.
func TestCapture(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	writeFiles(t, dir, map[string]string{"plain.txt": plainChat, "doubtful/_chat.txt": doubtfulChat, "broken.zip": "PK\x03\x04 cut short"})
	if status, _, errs := despatch(t, "a long enough password 1\n", "user", "add", "ann", "--data", data, "--server-name", "example.org"); status != 0 {
		t.Fatalf("add a person: %s", errs)
	}
	run := func(want int, args ...string) string {
		t.Helper()
		status, out, errs := despatch(t, "", append([]string{"capture", "--data", data}, args...)...)
		if status != want {
			t.Fatalf("despatch capture %q: status %d, want %d\n%s%s", args, status, want, out, errs)
		}
		return out + errs
	}
	run(2, dir+"/plain.txt")
	if out := run(1, "--as", "nobody", dir+"/plain.txt"); !strings.Contains(out, "nobody") {
		t.Errorf("somebody who is not there: %s", out)
	}
	if out := run(0, "--as", "ann", "--zone", "Europe/London", dir+"/plain.txt"); !strings.Contains(out, "2 entries on the record") || !strings.Contains(out, "Nothing was lost") {
		t.Errorf("a chat: %s", out)
	}
	for _, name := range []string{"by the command", "by a running server"} {
		t.Run(name, func(t *testing.T) {
			if name == "by a running server" {
				startServing(t, "--data", data)
			}
			if out := run(0, "--as", "@ann:example.org", dir+"/plain.txt"); !strings.Contains(out, "before") {
				t.Errorf("the same again: %s", out)
			}
			chat := filepath.Join(t.TempDir(), "other.zip")
			zipChat(t, chat, "14/01/22, 10:00 - Ann: "+name+"\n")
			var r capture.Receipt
			if err := json.Unmarshal([]byte(run(0, "--json", "--as", "ann", chat)), &r); err != nil || r.Status != capture.StatusRead || r.Conversations[0].New != 1 {
				t.Errorf("a zip: %+v, %v", r, err)
			}
			if out := run(3, "--as", "ann", dir+"/doubtful"); !strings.Contains(out, "03/04/21") {
				t.Errorf("a doubtful chat: %s", out)
			}
			if out := run(4, "--as", "ann", dir+"/broken.zip"); !strings.Contains(out, "cut short or damaged") {
				t.Errorf("a broken file: %s", out)
			}
		})
	}
}

func zipChat(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create("_chat.txt")
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCaptureSecretFile(t *testing.T) {
	j := &captureJob{secretFile: "-"}
	if err := j.readSecrets(strings.NewReader("one two\r\n\n  three \n")); err != nil || strings.Join(j.secrets, "|") != "one two|  three " {
		t.Errorf("%q, %v", j.secrets, err)
	}
	j = &captureJob{secretFile: "-"}
	if err := j.readSecrets(strings.NewReader(strings.Repeat("x", maxSecrets+1))); err == nil {
		t.Error("a file of secrets may be of any length")
	}
	j = &captureJob{secretFile: filepath.Join(t.TempDir(), "none")}
	if err := j.readSecrets(nil); err == nil {
		t.Error("a file that is not there is taken")
	}
}
