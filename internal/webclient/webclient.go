// Package webclient is the messenger: a small installable web app that speaks the Matrix client-server
// API like any other client, and a few things of Despatch's own.
//
// Its sources are the TypeScript modules in src, each named after what it shows. Each is transpiled by
// itself into dist, which is committed, so that a server can be built with Go alone and what browsers run
// can be read. Beside them in dist stands Preact as published; in static are the page, the icons and the
// manifest. Nothing comes from another host.
//
// The package promises that the page carries a policy that allows no script or style but these files,
// that a file's address changes with its content, and that the service worker keeps the app's own files
// and never anything that was said.
package webclient

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"despatch/internal/httpd"
)

//go:generate go tool esbuild src/*.ts src/*.tsx src/style.css --outdir=dist --format=esm --target=es2022 --jsx-factory=h --jsx-fragment=Fragment --charset=utf8 --log-level=warning

//go:embed dist static
var files embed.FS

// policy allows the app its own files and the pictures that it fetched with its token, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; " +
	"connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler serves the messenger at "/": the page, the worker, the manifest and icons at fixed addresses,
// and the modules below "/app/" at addresses with a hash.
func Handler() http.Handler {
	app := must(httpd.NewAssets("/app/", must(fs.Sub(files, "dist"))))
	static := must(httpd.NewAssets("/", must(fs.Sub(files, "static"))))
	first := must(imports("main.js"))
	rest := slices.DeleteFunc(must(imports("window.js")), func(m string) bool { return slices.Contains(first, m) })

	mux := http.NewServeMux()
	mux.Handle("/app/", app)
	for _, name := range []string{"manifest.webmanifest", "icon.svg", "icon-192.png", "icon-512.png", "icon-maskable-512.png"} {
		mux.Handle("GET /"+name, static)
	}
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { static.Serve(w, r, "icon.svg") })
	mux.Handle("GET /worker.js", made("text/javascript; charset=utf-8", worker(app)))
	// A phone shares a chat with the app by a form, which the worker takes. Without one, it is chosen by hand.
	mux.HandleFunc("POST /share", func(w http.ResponseWriter, r *http.Request) {
		// Some browsers read no answer before all is sent; what nobody took is not kept.
		io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 64<<20))
		http.Redirect(w, r, "/#/shared", http.StatusSeeOther)
	})
	mux.Handle("GET /{$}", made("text/html; charset=utf-8", page(app, first, rest)))
	return httpd.Secure(mux, policy, false)
}

// page is the front page. It names all modules, so that a browser fetches them at once and not one after
// the other as it finds their imports: first those that signing in needs, then the rest.
func page(app *httpd.Assets, first, rest []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<link rel=\"stylesheet\" href=%q>\n", app.URL("style.css"))
	for _, m := range first {
		fmt.Fprintf(&b, "<link rel=\"modulepreload\" href=%q>\n", app.URL(m))
	}
	for _, m := range rest {
		fmt.Fprintf(&b, "<link rel=\"modulepreload\" fetchpriority=\"low\" href=%q>\n", app.URL(m))
	}
	fmt.Fprintf(&b, "<script type=\"module\" src=%q></script>", app.URL("main.js"))
	html := must(files.ReadFile("static/index.html"))
	return bytes.Replace(html, []byte("<!-- assets -->"), b.Bytes(), 1)
}

// worker is the service worker, told what it is to keep: every module, also those fetched only when needed.
func worker(app *httpd.Assets) []byte {
	shell := []string{app.URL("style.css"), "/manifest.webmanifest", "/icon.svg"}
	for _, m := range must(scripts()) {
		shell = append(shell, app.URL(m))
	}
	list := must(json.Marshal(shell))
	script := must(files.ReadFile("dist/worker.js"))
	return fmt.Appendf(nil, "const BUILD = %q;\nconst SHELL = %s;\n%s", app.Set(), list, script)
}

// made serves bytes made when the server started.
func made(mime string, data []byte) http.Handler {
	sum := sha256.Sum256(data)
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", mime)
		w.Write(data)
	})
}

// scripts returns the names of all modules but the worker.
func scripts() ([]string, error) {
	var names []string
	err := fs.WalkDir(files, "dist", func(name string, d fs.DirEntry, err error) error {
		if err == nil && path.Ext(name) == ".js" && name != "dist/worker.js" {
			names = append(names, strings.TrimPrefix(name, "dist/"))
		}
		return err
	})
	return names, err
}

// importFrom matches an import that is carried out before a module runs, unlike import(…).
var importFrom = regexp.MustCompile(`(?m)(?:\bfrom|^import) *"(\.[^"]+)"`)

// imports returns a module and all that it imports, directly or not, each once.
func imports(entry string) ([]string, error) {
	found := []string{entry}
	for i := 0; i < len(found); i++ {
		src, err := files.ReadFile("dist/" + found[i])
		if err != nil {
			return nil, fmt.Errorf("imports of %s: %w", entry, err)
		}
		for _, m := range importFrom.FindAllSubmatch(src, -1) {
			name := path.Join(path.Dir(found[i]), string(m[1]))
			if !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	return found, nil
}

// must is for what can only fail if the embedded files are not those that this package was written for.
func must[T any](v T, err error) T {
	if err != nil {
		panic("webclient: " + err.Error())
	}
	return v
}
