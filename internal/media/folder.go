package media

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

var encoding = base64.RawURLEncoding

// folder is the media folder: files with random names in 256 folders, and a folder for those that are
// being written. A name says nothing of the content, so that it need not be destroyed with it.
type folder struct {
	dir string

	// fail, if set, is asked before each step and may make it fail. Tests have disks that do.
	fail func(step string) error

	mu   sync.Mutex
	made map[string]bool // guarded by mu; folders that exist durably
}

const tempDir = "writing"

func (d *folder) step(name string) error {
	if d.fail != nil {
		return d.fail(name)
	}
	return nil
}

func (d *folder) path(file string) string { return filepath.Join(d.dir, filepath.FromSlash(file)) }

// open makes the folder, and empties that of unfinished files.
func (d *folder) open() error {
	d.made = make(map[string]bool)
	if err := os.RemoveAll(d.path(tempDir)); err != nil {
		return err
	}
	return os.MkdirAll(d.path(tempDir), 0o700)
}

// create begins a file.
func (d *folder) create() (*os.File, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	return os.CreateTemp(d.path(tempDir), "*")
}

// sync makes a file's bytes durable.
func (d *folder) sync(f *os.File) error {
	if err := d.step("sync"); err != nil {
		return err
	}
	return f.Sync()
}

// keep gives a finished file its name and makes that durable.
func (d *folder) keep(temp string) (file string, err error) {
	var b [16]byte
	rand.Read(b[:])
	name := hex.EncodeToString(b[:])
	file = name[:2] + "/" + name[2:]
	if err := d.makeDir(name[:2]); err != nil {
		return "", err
	}
	if err := d.step("rename"); err != nil {
		return "", err
	}
	if err := os.Rename(temp, d.path(file)); err != nil {
		return "", err
	}
	if err := d.syncDir(name[:2]); err != nil {
		os.Remove(d.path(file))
		return "", err
	}
	return file, nil
}

// makeDir makes a folder durably, once.
func (d *folder) makeDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made[name] {
		return nil
	}
	if err := os.MkdirAll(d.path(name), 0o700); err != nil {
		return err
	}
	if err := d.syncDir("."); err != nil {
		return err
	}
	d.made[name] = true
	return nil
}

func (d *folder) syncDir(name string) error {
	if err := d.step("sync folder"); err != nil {
		return err
	}
	f, err := os.Open(d.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d *folder) openFile(file string) (*os.File, error) { return os.Open(d.path(file)) }

// remove removes a file by its full path.
func (d *folder) remove(path string) { os.Remove(path) }

// removeAll removes a file and the thumbnails made of it, whose names begin with its own.
func (d *folder) removeAll(file string) {
	found, _ := filepath.Glob(d.path(file) + "*")
	for _, f := range found {
		os.Remove(f)
	}
}

// olderThan lists the files that were last written before t; thumbnails go with their file.
func (d *folder) olderThan(t time.Time) (map[string]bool, error) {
	out := make(map[string]bool)
	err := filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if e.Name() == tempDir && path != d.dir {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(d.dir, path)
		if err != nil {
			return err
		}
		if file, _, _ := strings.Cut(filepath.ToSlash(rel), "."); info.ModTime().Before(t) {
			out[file] = true
		}
		return nil
	})
	return out, err
}
