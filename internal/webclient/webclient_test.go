package webclient_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"despatch/internal/webclient"
)

// get asks the messenger for a path, as a browser that takes compressed answers.
func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept-Encoding", "gzip, br")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestDistIsCurrent transpiles the sources anew, with the command that stands in webclient.go, and
// compares the result with what is committed.
func TestDistIsCurrent(t *testing.T) {
	src, err := os.ReadFile("webclient.go")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^//go:generate (go tool esbuild .*)$`).FindSubmatch(src)
	if m == nil {
		t.Fatal("webclient.go has no go:generate line")
	}
	out := t.TempDir()
	args := strings.Fields(strings.Replace(string(m[1]), "--outdir=dist", "--outdir="+out, 1))
	if b, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, b)
	}
	fresh := read(t, out)
	committed := read(t, "dist")
	for name, want := range fresh {
		if got, ok := committed[name]; !ok {
			t.Errorf("dist/%s is missing: run go generate ./internal/webclient", name)
		} else if got != want {
			t.Errorf("dist/%s is not what its source makes: run go generate ./internal/webclient", name)
		}
	}
	for name := range committed {
		if _, ok := fresh[name]; !ok && !strings.HasPrefix(name, "preact/") {
			t.Errorf("dist/%s has no source: delete it", name)
		}
	}
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// nodeModules is where npm put the packages of package.json, for the checks that need them. They are
// no part of building or running Despatch.
func nodeModules(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("DESPATCH_NODE_MODULES"), "node_modules"} {
		if _, err := os.Stat(filepath.Join(dir, "axe-core")); dir != "" && err == nil {
			abs, err := filepath.Abs(dir)
			if err != nil {
				t.Fatal(err)
			}
			return abs
		}
	}
	t.Skip("no node_modules: run npm ci in internal/webclient, or set DESPATCH_NODE_MODULES")
	return ""
}

// TestVendoredAsPublished compares Preact in dist with the packages, but for the specifiers of imports.
func TestVendoredAsPublished(t *testing.T) {
	modules := nodeModules(t)
	relative := strings.NewReplacer(`from"preact/hooks"`, `from"./hooks.js"`, `from"@preact/signals-core"`, `from"./signals-core.js"`,
		`from"preact"`, `from"./preact.js"`)
	comment := regexp.MustCompile(`(?m)//# sourceMappingURL=.*$`)
	for name, source := range map[string]string{
		"preact.js":       "preact/dist/preact.mjs",
		"hooks.js":        "preact/hooks/dist/hooks.mjs",
		"signals-core.js": "@preact/signals-core/dist/signals-core.mjs",
		"signals.js":      "@preact/signals/dist/signals.mjs",
	} {
		published, err := os.ReadFile(filepath.Join(modules, source))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(relative.Replace(comment.ReplaceAllString(string(published), "")))
		got, err := os.ReadFile("dist/preact/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(got)) != want {
			t.Errorf("dist/preact/%s is not %s as published", name, source)
		}
	}
}

// TestTypes has the TypeScript compiler check the sources; esbuild only takes the types away.
func TestTypes(t *testing.T) {
	modules := nodeModules(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node")
	}
	config := `{"extends": "` + must(filepath.Abs("tsconfig.json")) + `", "include": ["` + must(filepath.Abs("src")) + `"],
		"compilerOptions": {"paths": {
			"preact": ["` + modules + `/preact/src/index.d.ts"],
			"preact/hooks": ["` + modules + `/preact/hooks/src/index.d.ts"],
			"@preact/signals": ["` + modules + `/@preact/signals/dist/signals.d.ts"],
			"@preact/signals-core": ["` + modules + `/@preact/signals-core/dist/signals-core.d.ts"]}}}`
	file := filepath.Join(t.TempDir(), "tsconfig.json")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(node, filepath.Join(modules, "typescript/bin/tsc"), "-p", file).CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestPageAllowsNothingForeign(t *testing.T) {
	w := get(t, webclient.Handler(), "/")
	if w.Code != http.StatusOK {
		t.Fatalf("GET / = %d", w.Code)
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "img-src 'self' blob:;",
		"connect-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q has something unsafe", policy)
	}
	body := w.Body.String()
	if regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style| style=| on\w+=|https?://`).MatchString(body) {
		t.Errorf("the page has something inline or from elsewhere:\n%s", body)
	}
}

// TestFirstView adds up what a browser fetches before it shows the first view.
func TestFirstView(t *testing.T) {
	const most = 100 << 10
	h := webclient.Handler()
	page := get(t, h, "/").Body.String()
	total := len(page)
	addresses := regexp.MustCompile(`(?:href|src)="(/app/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(addresses) < 10 {
		t.Fatalf("the page names %d files", len(addresses))
	}
	seen := make(map[string]bool)
	for _, m := range addresses {
		if seen[m[1]] {
			continue
		}
		seen[m[1]] = true
		w := get(t, h, m[1])
		if w.Code != http.StatusOK {
			t.Errorf("GET %s = %d", m[1], w.Code)
		}
		if c := w.Header().Get("Cache-Control"); !strings.Contains(c, "immutable") {
			t.Errorf("GET %s: Cache-Control %q, want immutable", m[1], c)
		}
		total += w.Body.Len()
		if w.Header().Get("Content-Encoding") == "gzip" {
			if _, err := io.Copy(io.Discard, must(gzip.NewReader(bytes.NewReader(w.Body.Bytes())))); err != nil {
				t.Errorf("GET %s: %v", m[1], err)
			}
		}
	}
	t.Logf("first view: %d bytes in %d files", total, len(seen)+1)
	if total > most {
		t.Errorf("first view is %d bytes compressed, want at most %d", total, most)
	}
}

func TestUnchangedIsNotSentAgain(t *testing.T) {
	h := webclient.Handler()
	for _, path := range []string{"/", "/worker.js", "/manifest.webmanifest", "/icon-192.png", "/favicon.ico"} {
		w := get(t, h, path)
		etag := w.Header().Get("ETag")
		if w.Code != http.StatusOK || etag == "" {
			t.Errorf("GET %s = %d, ETag %q", path, w.Code, etag)
			continue
		}
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("If-None-Match", etag)
		r.Header.Set("Accept-Encoding", "gzip, br")
		again := httptest.NewRecorder()
		h.ServeHTTP(again, r)
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("GET %s again = %d with %d bytes, want 304 with none", path, again.Code, again.Body.Len())
		}
	}
	if w := get(t, h, "/no-such-page"); w.Code != http.StatusNotFound {
		t.Errorf("GET /no-such-page = %d, want 404", w.Code)
	}
}
