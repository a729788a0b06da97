package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCaptureNextcloud fetches a small conversation and hands it in.
func TestCaptureNextcloud(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := `{"displayName":"Harbour works","type":2}`
		switch {
		case r.Header.Get("Authorization") != "Bearer sesame":
			w.WriteHeader(http.StatusUnauthorized)
			return
		case strings.HasSuffix(r.URL.Path, "/participants"):
			data = `[]`
		case strings.Contains(r.URL.Path, "/chat/"):
			if r.URL.Query().Get("lastKnownMessageId") != "" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("X-Chat-Last-Given", "5")
			data = `[{"id":5,"token":"abc123","actorType":"users","actorId":"s","actorDisplayName":"Sione","timestamp":1760000000,"message":"hello","messageParameters":[],"systemMessage":"","messageType":"comment"}]`
		}
		w.Write([]byte(`{"ocs":{"data":` + data + `}}`))
	}))
	defer s.Close()
	nextcloudHTTP = s.Client()
	defer func() { nextcloudHTTP = nil }()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"capture", "--nextcloud", s.URL, "--room=abc123", "--token-file", token, "--dump", filepath.Join(dir, "talk.jsonl"), "--dry-run"}
	if status, out, errs := despatch(t, "", args...); status != 2 || !strings.Contains(errs, "nextcloud-servers") {
		t.Errorf("a server that is not allowed: %d, %s%s", status, out, errs)
	}
	status, out, errs := despatch(t, "", append(args, "--nextcloud-servers", s.URL)...)
	if status != 0 || !strings.Contains(out, "Who: Sione.") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if status, _, _ := despatch(t, "", "capture", "--nextcloud", s.URL, "--dry-run"); status != 2 {
		t.Errorf("without a room: status %d", status)
	}
}
