package clientapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/httpd"
)

// Files on their way to the record lie in the server's folder until they are handed in. They come in
// parts, so that an upload that broke off goes on where it was left: the same person who begins the same
// file again, by name, size and time, is told how much is there.

const (
	maxExport      = 4 << 30  // bytes of one file
	maxExports     = 16 << 30 // of all that one person has under way
	maxExportFiles = 200
	maxPart        = 8 << 20
	exportLife     = 3 * 24 * time.Hour // after which what nobody handed in is removed
)

// exports are the files under way.
type exports struct {
	dir string
	now func() time.Time

	mu   sync.Mutex
	busy map[string]bool // those being written to or read; guarded by mu
}

// export is what is known of a file under way.
type export struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // milliseconds, by its owner's computer; 0 if not known
	Offset   int64  `json:"offset"`   // bytes that are there
}

func errNoExport() error {
	return httpd.NotFound("That upload is not here any more. Choose the file again.")
}

// folder is where the files of a person lie.
func (e *exports) folder(person string) string {
	sum := sha256.Sum256([]byte(person))
	return filepath.Join(e.dir, hex.EncodeToString(sum[:16]))
}

// path is where a file lies; id is checked.
func (e *exports) path(person, id string) (string, error) {
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 || strings.ToLower(id) != id {
		return "", errNoExport()
	}
	return filepath.Join(e.folder(person), id), nil
}

// lock takes a file for itself: two tabs that send the same file must not mix it up.
func (e *exports) lock(path string) (unlock func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy[path] {
		return nil, httpd.Errorf(http.StatusConflict, "M_LIMIT_EXCEEDED", "This file is being sent already, perhaps in another tab.")
	}
	if e.busy == nil {
		e.busy = map[string]bool{}
	}
	e.busy[path] = true
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.busy, path)
	}, nil
}

// begin makes a place for a file, or finds the one that there is.
func (e *exports) begin(person string, x export) (export, error) {
	switch {
	case x.Name == "" || len(x.Name) > 1000 || !utf8.ValidString(x.Name):
		return x, httpd.InvalidParam("The file needs a name of 1 to 1000 letters.")
	case x.Size <= 0:
		return x, httpd.InvalidParam("“%s” is empty. Export the chat again.", x.Name)
	case x.Size > maxExport:
		return x, httpd.TooLarge("“%s” is larger than %d GB. Export the chat without media, or in parts, or ask your records office.", x.Name, maxExport>>30)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%d", person, x.Name, x.Size, x.Modified))
	x.ID = hex.EncodeToString(sum[:16])
	if err := os.MkdirAll(e.folder(person), 0o700); err != nil {
		return x, err
	}
	if err := e.sweep(); err != nil {
		return x, err
	}
	if have, err := e.find(person, x.ID); err == nil {
		return have, nil
	}
	files, bytes, err := e.total(person)
	if err != nil {
		return x, err
	}
	if files >= maxExportFiles || bytes+x.Size > maxExports {
		return x, httpd.LimitExceeded(time.Minute, "You have too many files on their way. Put those on the record first, or wait until the old ones are removed.")
	}
	path, err := e.path(person, x.ID)
	if err != nil {
		return x, err
	}
	x.Offset = 0
	about, err := json.Marshal(x)
	if err != nil {
		return x, err
	}
	if err := os.WriteFile(path+".json", about, 0o600); err != nil {
		return x, err
	}
	return x, nil
}

// find returns what is known of a file.
func (e *exports) find(person, id string) (export, error) {
	var x export
	path, err := e.path(person, id)
	if err != nil {
		return x, err
	}
	about, err := os.ReadFile(path + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return x, errNoExport()
	}
	if err != nil {
		return x, err
	}
	if err := json.Unmarshal(about, &x); err != nil {
		return x, errNoExport()
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err == nil {
		x.Offset = min(info.Size(), x.Size)
	}
	return x, err
}

// add appends a part that begins at offset. It returns what is there, also if that is not what the
// sender thought.
func (e *exports) add(person, id string, offset int64, body io.Reader) (export, error) {
	path, err := e.path(person, id)
	if err != nil {
		return export{}, err
	}
	unlock, err := e.lock(path)
	if err != nil {
		return export{}, err
	}
	defer unlock()
	x, err := e.find(person, id)
	if err != nil || offset != x.Offset {
		return x, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return x, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return x, err
	}
	n, err := io.Copy(f, io.LimitReader(body, min(maxPart, x.Size-offset)))
	x.Offset += n // what came before the connection broke is kept
	return x, err
}

// take opens files that have come whole. done closes them, and removes them if they are no longer wanted.
func (e *exports) take(ctx context.Context, person string, ids []string) (files []*capture.File, done func(remove bool), err error) {
	var undo []func(remove bool)
	all := func(remove bool) {
		for _, u := range undo {
			u(remove)
		}
	}
	defer func() {
		if err != nil {
			all(false)
		}
	}()
	for _, id := range ids {
		path, err := e.path(person, id)
		if err != nil {
			return nil, nil, err
		}
		unlock, err := e.lock(path)
		if err != nil {
			return nil, nil, err
		}
		undo = append(undo, func(bool) { unlock() })
		x, err := e.find(person, id)
		if err != nil {
			return nil, nil, err
		}
		if x.Offset < x.Size {
			return nil, nil, httpd.Errorf(http.StatusConflict, "ORG_DESPATCH_UNFINISHED", "“%s” has not come whole yet. Send the rest first.", x.Name)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, nil, err
		}
		undo = append(undo, func(remove bool) {
			f.Close()
			if remove {
				os.Remove(path)
				os.Remove(path + ".json")
			}
		})
		modified := time.Time{}
		if x.Modified > 0 {
			modified = time.UnixMilli(x.Modified)
		}
		file, err := capture.NewFile(ctx, x.Name, f, x.Size, modified)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, file)
	}
	return files, all, nil
}

// list returns what a person has under way.
func (e *exports) list(person string) ([]export, error) {
	names, err := filepath.Glob(filepath.Join(e.folder(person), "*.json"))
	if err != nil {
		return nil, err
	}
	out := []export{}
	for _, n := range names {
		if x, err := e.find(person, strings.TrimSuffix(filepath.Base(n), ".json")); err == nil {
			out = append(out, x)
		}
	}
	return out, nil
}

func (e *exports) total(person string) (files int, bytes int64, err error) {
	list, err := e.list(person)
	for _, x := range list {
		bytes += x.Size
	}
	return len(list), bytes, err
}

// drop removes a file.
func (e *exports) drop(person, id string) error {
	path, err := e.path(person, id)
	if err != nil {
		return err
	}
	unlock, err := e.lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	os.Remove(path)
	os.Remove(path + ".json")
	return nil
}

// sweep removes what nobody has gone on with for long.
func (e *exports) sweep() error {
	return filepath.WalkDir(e.dir, func(path string, d fs.DirEntry, err error) error {
		file, about := strings.CutSuffix(path, ".json")
		if err != nil || !about {
			return err
		}
		touched, err := d.Info()
		if err != nil {
			return nil // somebody was faster
		}
		if data, err := os.Stat(file); err == nil && data.ModTime().After(touched.ModTime()) {
			touched = data
		}
		if e.now().Sub(touched.ModTime()) < exportLife {
			return nil
		}
		if unlock, err := e.lock(file); err == nil {
			os.Remove(file)
			os.Remove(path)
			unlock()
		}
		return nil
	})
}

type beginExportRequest struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`
}

// beginExport announces a file that is to be put on the record, and says how much of it is here already.
func (s *Server) beginExport(r *http.Request, x session, req *beginExportRequest) (*export, error) {
	e, err := s.exports.begin(string(x.User), export{Name: req.Name, Size: req.Size, Modified: req.Modified})
	return &e, err
}

// addExport takes the part of a file that begins at ?offset.
func (s *Server) addExport(w http.ResponseWriter, r *http.Request) error {
	x, err := s.caller(r)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	if err != nil || offset < 0 {
		return httpd.InvalidParam("offset must say where the part begins, in bytes.")
	}
	s.HTTP.Steady(w, r)
	e, err := s.exports.add(string(x.User), r.PathValue("upload"), offset, r.Body)
	if err != nil {
		return err
	}
	return writeJSON(w, e)
}

// dropExport removes a file that is not to be put on the record after all.
func (s *Server) dropExport(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	return &httpd.None{}, s.exports.drop(string(x.User), r.PathValue("upload"))
}

func writeJSON(w http.ResponseWriter, v any) error {
	raw, err := marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(raw)
	return err
}
