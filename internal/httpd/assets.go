package httpd

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Assets serves files that belong to the program, each with a strong ETag and compressed where that helps.
//
// The files of one set have an address with the hash of the whole set in it, [Assets.URL], under which
// browsers keep them for good: a module that imports another by a relative path gets the one that it was
// built with, and a new build of anything is a new address for everything. Under their plain address they
// are asked for again each time, which an ETag makes cheap.
type Assets struct {
	prefix string
	set    string // hash of the set, short
	files  map[string]*asset
}

type asset struct {
	mime   string
	etag   string
	digest [sha256.Size]byte
	data   []byte

	zip    sync.Once
	zipped []byte // guarded by zip; nil if compressing does not help
}

// NewAssets reads all files of fsys, which is to be served below prefix ("/assets/").
func NewAssets(prefix string, fsys fs.FS) (*Assets, error) {
	if !strings.HasPrefix(prefix, "/") || !strings.HasSuffix(prefix, "/") {
		return nil, fmt.Errorf("prefix %q of assets must begin and end with a slash", prefix)
	}
	a := &Assets{prefix: prefix, files: make(map[string]*asset)}
	set := sha256.New()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f := &asset{mime: mimeType(name), data: data, digest: sha256.Sum256(data)}
		f.etag = `"` + hex.EncodeToString(f.digest[:12]) + `"`
		a.files[name] = f
		fmt.Fprintf(set, "%s %x\n", name, f.digest) // in the order of WalkDir, which is fixed
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	a.set = hex.EncodeToString(set.Sum(nil)[:8])
	return a, nil
}

// URL is the lasting address of a file. It panics if there is no such file, since only the program's own
// pages ask.
func (a *Assets) URL(name string) string {
	if a.files[name] == nil {
		panic("httpd: no asset " + name)
	}
	return a.prefix + a.set + "/" + name
}

// Set is the hash in the addresses: it changes whenever any file does.
func (a *Assets) Set() string { return a.set }

// Has reports whether there is such a file.
func (a *Assets) Has(name string) bool { return a.files[name] != nil }

// Integrity is a file's hash for an integrity attribute.
func (a *Assets) Integrity(name string) string {
	f := a.files[name]
	if f == nil {
		panic("httpd: no asset " + name)
	}
	return "sha256-" + base64.StdEncoding.EncodeToString(f.digest[:])
}

// ServeHTTP serves what is below the prefix.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, a.prefix)
	if !ok {
		http.NotFound(w, r)
		return
	}
	caching := "no-cache"
	if rest, ok := strings.CutPrefix(name, a.set+"/"); ok {
		name, caching = rest, "public, max-age=31536000, immutable"
	}
	a.serve(w, r, name, caching)
}

// Serve serves one file at whatever address r has, to be asked for again each time: a service worker, a
// manifest, a front page.
func (a *Assets) Serve(w http.ResponseWriter, r *http.Request, name string) {
	a.serve(w, r, name, "no-cache")
}

func (a *Assets) serve(w http.ResponseWriter, r *http.Request, name, caching string) {
	f := a.files[name]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This address can only be read.", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", caching)
	h["X-Content-Type-Options"] = noSniff
	h.Set("Vary", "Accept-Encoding")
	data, etag := f.data, f.etag
	if acceptsGzip(r) {
		if z := f.compressed(); z != nil {
			data, etag = z, strings.TrimSuffix(etag, `"`)+`-gz"` // other bytes, other tag
			h["Content-Encoding"] = gzipCoding
		}
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.mime)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method == http.MethodGet {
		w.Write(data)
	}
}

// matches reports whether etag stands in the list of a header If-None-Match.
func matches(list, etag string) bool {
	for _, t := range strings.Split(list, ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == etag || t == "*" {
			return true
		}
	}
	return false
}

// compressed is the file compressed, or nil if that saves nothing. It is done when first asked for, so
// that starting does not wait for it.
func (f *asset) compressed() []byte {
	f.zip.Do(func() {
		if !compressible(f.mime) || len(f.data) < 512 {
			return
		}
		var b bytes.Buffer
		zw, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		zw.Write(f.data)
		zw.Close()
		if b.Len() < len(f.data)*9/10 {
			f.zipped = b.Bytes()
		}
	})
	return f.zipped
}

func compressible(mime string) bool {
	return strings.HasPrefix(mime, "text/") || strings.HasPrefix(mime, "application/json") ||
		strings.HasPrefix(mime, "application/manifest") || mime == "image/svg+xml" || mime == "application/wasm"
}

// mimeType is fixed here, since mime.TypeByExtension asks the machine and answers differently on each.
func mimeType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".txt", ".md", ".ts", ".tsx":
		return "text/plain; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".webp":
		return "image/webp"
	case ".gif":
		return "image/gif"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".woff":
		return "font/woff"
	case ".wasm":
		return "application/wasm"
	case ".mp3":
		return "audio/mpeg"
	}
	return "application/octet-stream"
}
