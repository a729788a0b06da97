package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"despatch/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// buffer can be read while the program writes to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

// despatch runs the program and returns what it wrote.
func despatch(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs buffer
	status = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

// serving is a program that serves.
type serving struct {
	out, err buffer
	stop     func() int
}

func startServing(t *testing.T, args ...string) *serving {
	t.Helper()
	s := new(serving)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), nil, &s.out, &s.err)
	}()
	var once sync.Once
	status := 0
	s.stop = func() int {
		once.Do(func() { cancel(); status = <-done })
		return status
	}
	t.Cleanup(func() { s.stop() })
	for range 400 {
		if strings.Contains(s.err.String(), "msg=ready") {
			return s
		}
		select {
		case n := <-done:
			done <- n
			t.Fatalf("the server ended with %d: %s", n, s.err.String())
		case <-time.After(25 * time.Millisecond):
		}
	}
	t.Fatalf("the server is not ready: %s", s.err.String())
	return nil
}

func (s *serving) url(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`msg=ready address=(\S+)`).FindStringSubmatch(s.err.String())
	if m == nil {
		t.Fatalf("no address in %s", s.err.String())
	}
	return m[1]
}

func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	r, _ := http.NewRequest("GET", url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func TestServe(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		data := filepath.Join(t.TempDir(), strings.Repeat("a long name of a folder ", 4), "data")
		args := []string{"--data", data, "--server-name", "example.gov.uk", "--metrics-token", "a token"}
		if strings.HasPrefix(target, "postgres") {
			args = append(args, "--database", target)
		}
		s := startServing(t, args...)
		url := s.url(t)
		if status, body := get(t, url+"/health"); status != 200 {
			t.Errorf("/health: %d %s", status, body)
		}
		if !strings.Contains(s.out.String(), url+"/console/setup?token=") {
			t.Errorf("no link to set up in %q", s.out.String())
		}
		if status, _ := get(t, url+"/metrics"); status != 401 {
			t.Errorf("/metrics without the token: %d", status)
		}
		if status, body := get(t, url+"/metrics", "Authorization", "Bearer a token"); status != 200 || !strings.Contains(body, "despatch_record_entries") {
			t.Errorf("/metrics: %d %.300s", status, body)
		}

		// The command changes people by way of the running server.
		user := func(stdin string, more ...string) string {
			t.Helper()
			status, out, errs := despatch(t, stdin, append(append([]string{"user"}, more...), "--data", data)...)
			if status != 0 {
				t.Fatalf("user %v: %d %s", more, status, errs)
			}
			return out
		}
		user("three unlikely words\n", "add", "iris", "--full-name", "Iris Moss", "--role", "it")
		if out := user("", "add", "rosa", "--role", "records", "--link"); !strings.Contains(out, url+"/console/password?token=") {
			t.Errorf("no link in %q", out)
		}
		if status, body := post(t, url+"/_matrix/client/v3/login", map[string]any{"type": "m.login.password",
			"identifier": map[string]string{"type": "m.id.user", "user": "iris"}, "password": "three unlikely words"}); status != 200 || !strings.Contains(body, "access_token") {
			t.Errorf("sign in: %d %s", status, body)
		}
		if status, _, errs := despatch(t, "", "user", "role", "iris", "add", "records", "--data", data); status != 1 || !strings.Contains(errs, "at once") {
			t.Errorf("IT and records: %d %s", status, errs)
		}
		if status, _, errs := despatch(t, "", "serve", "--data", data); status != 1 || !strings.Contains(errs, "another Despatch is running") {
			t.Errorf("a second server: %d %s", status, errs)
		}
		if status := s.stop(); status != 0 {
			t.Fatalf("the server ended with %d: %s", status, s.err.String())
		}

		// And by itself when there is none.
		db := args[6:]
		alone := append([]string{"user", "list", "--data", data}, db...)
		if status, out, errs := despatch(t, "", alone...); status != 0 || !strings.Contains(out, "@iris:example.gov.uk") || !strings.Contains(out, "records") {
			t.Errorf("list: %d %s %s", status, out, errs)
		}
		if status, _, errs := despatch(t, "", append([]string{"serve", "--data", data, "--server-name", "other.gov.uk"}, db...)...); status != 1 || !strings.Contains(errs, "example.gov.uk") {
			t.Errorf("another name: %d %s", status, errs)
		}
		if status, out, errs := despatch(t, "", append([]string{"verify", "--data", data}, db...)...); status != 0 || !strings.Contains(out, "The record is whole") {
			t.Errorf("verify: %d %s %s", status, out, errs)
		}
		again := startServing(t, append([]string{"--data", data}, db...)...)
		if strings.Contains(again.out.String(), "setup?token") {
			t.Error("a link to set up, though there is an administrator")
		}
		if info, err := os.Stat(filepath.Join(data, deskSocket)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the desk's socket: %v %v", info.Mode(), err)
		}
	})
}

func post(t *testing.T, url string, body any) (int, string) {
	t.Helper()
	b, _ := json.Marshal(body)
	resp, err := http.Post(url, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(out)
}

func TestSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "200000")
	next := func() string {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 500)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	s := startServing(t, "--data", t.TempDir(), "--server-name", "example.gov.uk")
	if got := next(); !strings.HasPrefix(got, "READY=1\n") {
		t.Errorf("first told %q", got)
	}
	if got := next(); got != "WATCHDOG=1" {
		t.Errorf("then told %q", got)
	}
	go s.stop()
	for {
		got := next()
		if got == "STOPPING=1" {
			break
		}
		if got != "WATCHDOG=1" {
			t.Errorf("told %q", got)
		}
	}
	if status := s.stop(); status != 0 {
		t.Errorf("status %d: %s", status, s.err.String())
	}
}

func TestMetricsAreNotForEverybody(t *testing.T) {
	status, _, errs := despatch(t, "", "serve", "--data", t.TempDir(), "--server-name", "example.org", "--listen", "127.0.0.1:0", "--metrics-listen", "0.0.0.0:0")
	if status != 2 || !strings.Contains(errs, "reached from outside") {
		t.Errorf("metrics on every address: %d %s", status, errs)
	}
}

func TestVerifyFindsAChange(t *testing.T) {
	data := t.TempDir()
	s := startServing(t, "--data", data, "--server-name", "example.gov.uk")
	if status, _, errs := despatch(t, "three unlikely words\n", "user", "add", "asha", "--data", data); status != 0 {
		t.Fatal(errs)
	}
	s.stop()
	path := filepath.Join(data, "despatch.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.ReplaceAll(b, []byte(`"type":"person.created"`), []byte(`"type":"person.creatad"`))
	if bytes.Equal(b, changed) {
		t.Fatal("the entry is not in the file")
	}
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, _ := despatch(t, "", "verify", "--data", data)
	if status != 1 || !strings.Contains(out, "WRONG: ") {
		t.Errorf("verify after a change: %d %s", status, out)
	}
	other := "example.gov.uk/record+00000000+AAAA"
	if status, _, errs := despatch(t, "", "verify", "--data", data, "--key", other); status != 2 {
		t.Errorf("a key that is none: %d %s", status, errs)
	}
}

func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "despatch.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	none := func(string) string { return "" }
	write("listen = \"file:1\"\ndrain = \"7s\"\nmax-connections = 9\ntrusted-proxies = [\"10.0.0.0/8\", \"127.0.0.1\"]\n")
	env := func(k string) string {
		return map[string]string{"DESPATCH_CONFIG": file, "DESPATCH_LISTEN": "env:1", "DESPATCH_DRAIN": "8s"}[k]
	}
	c, rest, err := load("serve", []string{"a", "--drain", "9s", "b"}, env, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Drain != 9*time.Second || c.Listen != "env:1" || c.MaxConnections != 9 || len(c.Proxies) != 2 || c.Data != "despatch-data" || strings.Join(rest, " ") != "a b" {
		t.Errorf("settings %+v, rest %q", c, rest)
	}
	for text, want := range map[string]string{
		"lisen = \"x\"":              `no setting "lisen"`,
		"listen = true":              "must be",
		"rate-limits = \"maybe\"":    "neither true nor false",
		"federation-cert = \"x\"":    "go together",
		"federation-listen = \":1\"": "needs a certificate",
		"drain = \"soon\"":           "drain",
		"listen =":                   "despatch.toml",
		"max-connections = -1":       "not a number",
		"room-version = \"1\"":       "room-version",
		"tls-cert = \"x\"":           "go together",
		"base-url = \"chat\"":        "base-url",
		"base-url = \"https://x/y\"": "base-url",
		"database = \"mysql://x\"":   "postgres",
		"server-name = \"a b\"":      "server-name",
		"log-format = \"xml\"":       "log-format",
		"trusted-proxies = [\"us\"]": "not an address",
		"log-level = \"loud\"":       "log-level",
	} {
		write(text)
		if _, _, err := load("serve", []string{"--config", file}, none, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want something about %q", text, err, want)
		}
	}
	for _, args := range [][]string{{"--lisen", "x"}, {"--drain", "x"}, {"--config", "/nowhere"}} {
		if _, _, err := load("serve", args, none, nil); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	if _, _, err := load("user", []string{"--metrics-token", "x"}, none, nil); err == nil {
		t.Error("user takes a setting of serve")
	}
}

// Every setting is documented, and the page in doc is the one that the program writes.
func TestConfigurationPage(t *testing.T) {
	for _, s := range settings() {
		if s.name == "" || s.usage == "" || len(s.commands) == 0 || !strings.HasSuffix(s.usage, ".") {
			t.Errorf("setting %+v is not documented", s)
		}
	}
	var b bytes.Buffer
	if err := help(&b, "configuration"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../doc/configuration.md")
	if err != nil || !bytes.Equal(got, b.Bytes()) {
		t.Errorf("doc/configuration.md is old (%v): go run ./cmd/despatch help configuration > doc/configuration.md", err)
	}
}

func TestHelp(t *testing.T) {
	_, out, _ := despatch(t, "", "help")
	for _, want := range []string{"demo", "serve", "verify", "user", "version", "--data", "--listen", "--server-name", "--database"} {
		if !strings.Contains(out, want) {
			t.Errorf("help does not mention %s", want)
		}
	}
	for _, c := range commands() {
		if status, out, errs := despatch(t, "", "help", c.name); status != 0 || !strings.Contains(out, c.summary) {
			t.Errorf("help %s: %d %s %s", c.name, status, out, errs)
		}
	}
	for _, args := range [][]string{{}, {"nothing"}, {"help", "nothing"}, {"user"}, {"user", "marry", "a"}, {"user", "add"}, {"user", "role", "a", "give", "it"}, {"serve", "now"}, {"serve", "--data", t.TempDir()}} {
		if status, _, errs := despatch(t, "", args...); status != 2 || errs == "" {
			t.Errorf("despatch %v: %d %q, want 2 and a word", args, status, errs)
		}
	}
	if status, out, _ := despatch(t, "", "serve", "--help"); status != 0 || !strings.Contains(out, "--trusted-proxies") {
		t.Errorf("serve --help: %d %s", status, out)
	}
	if status, out, _ := despatch(t, "", "version"); status != 0 || !strings.HasPrefix(out, "despatch ") {
		t.Errorf("version: %d %s", status, out)
	}
}
