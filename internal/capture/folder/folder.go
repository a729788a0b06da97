// Package folder takes exports from folders of this machine: it sorts them into submissions, and watches a
// folder into which they are dropped.
package folder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/systems"
	"despatch/internal/capture/whatsapp"
)

// File is a file on disk and what it is called in its submission.
type File struct {
	Path, Name string
	Root       string // a folder that the path must not lead out of, by links of other people's making; empty if it may
}

func (f File) open() (*os.File, error) {
	if f.Root == "" {
		return os.Open(f.Path)
	}
	rel, err := filepath.Rel(f.Root, f.Path)
	if err != nil {
		return nil, err
	}
	return os.OpenInRoot(f.Root, rel)
}

// telling is the name of a folder that says what its files do not: Zoom writes the date of a meeting
// nowhere else.
var telling = regexp.MustCompile(`(?:^|/)(\d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d [^/]*/)$`)

// Groups sorts a folder, and those in it, into submissions: what belongs together is handed in together. Hidden files are left out, but for those of a Maildir, whose
// folders begin with a dot.
func Groups(ctx context.Context, dir string) ([][]File, error) {
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && path != dir {
			if _, err := os.Stat(filepath.Join(path, "cur")); d.IsDir() && err != nil {
				return filepath.SkipDir
			} else if !d.IsDir() {
				return nil
			}
		}
		if !d.Type().IsRegular() {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		paths = append(paths, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		return nil, err
	}
	groups, err := systems.Group(paths, func(rel string) (bool, error) { return isChat(ctx, filepath.Join(dir, filepath.FromSlash(rel))) })
	if err != nil {
		return nil, err
	}
	var out [][]File
	for _, g := range groups {
		root := commonFolder(g)
		prefix := ""
		if t := telling.FindStringSubmatch(filepath.Base(dir) + "/" + root); t != nil {
			prefix = t[1]
		}
		var files []File
		for _, rel := range g {
			files = append(files, File{Path: filepath.Join(dir, filepath.FromSlash(rel)), Name: prefix + strings.TrimPrefix(rel, root)})
		}
		out = append(out, files)
	}
	return out, nil
}

// commonFolder is the longest folder, with its slash, that all paths stand in.
func commonFolder(paths []string) string {
	folder := paths[0][:strings.LastIndexByte(paths[0], '/')+1]
	for _, p := range paths[1:] {
		for !strings.HasPrefix(p, folder) {
			folder = folder[:strings.LastIndexByte(strings.TrimSuffix(folder, "/"), '/')+1]
		}
	}
	return folder
}

func isChat(ctx context.Context, path string) (bool, error) {
	files, done, err := Open(ctx, []File{{Path: path, Name: filepath.Base(path)}})
	if err != nil {
		return false, err
	}
	defer done()
	ok, err := whatsapp.Parser{}.Recognise(ctx, &capture.Source{Files: files})
	if fault := (*capture.FileError)(nil); errors.As(err, &fault) {
		err = nil
	}
	return ok, err
}

// Open opens files, which can be read until done is called.
func Open(ctx context.Context, named []File) (files []*capture.File, done func(), err error) {
	var opened []*os.File
	done = func() {
		for _, f := range opened {
			f.Close()
		}
	}
	for _, n := range named {
		f, err := n.open()
		if err != nil {
			done()
			return nil, nil, err
		}
		opened = append(opened, f)
		info, err := f.Stat()
		if err == nil {
			var c *capture.File
			c, err = capture.NewFile(ctx, n.Name, f, info.Size(), info.ModTime())
			files = append(files, c)
		}
		if err != nil {
			done()
			return nil, nil, err
		}
	}
	return files, done, nil
}
