package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/capture"
)

// Drop is a folder with a folder for each person, by the name they sign in with. What is put into a
// person's folder, a file or a folder, is handed in for them once it has stopped changing, and moved to
// [Recorded] beside a receipt; to [Waiting] if a question must be answered before its messages can be
// read. In both cases it is kept whole on the record. What could not be handed in stays where it is and is
// tried again.
type Drop struct {
	Dir     string
	Service *capture.Service
	Person  func(ctx context.Context, name string) (user string, err error) // who has a folder's name
	Log     *slog.Logger

	Every time.Duration // between two looks; 5 s if zero

	seen  map[string]string    // how an item looked the last time, by its path
	later map[string]time.Time // when to try an item again that failed
}

// Folders in a person's folder.
const (
	Recorded = "on-the-record"
	Waiting  = "waiting-for-an-answer"
)

// maxItem bounds the files of one item.
const maxItem = capture.MaxFiles

// Run looks into the folder until the context ends.
func (d *Drop) Run(ctx context.Context) {
	every := d.Every
	if every <= 0 {
		every = 5 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := d.Look(ctx); err != nil && ctx.Err() == nil {
			d.Log.Error("the drop folder cannot be read", "folder", d.Dir, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look goes through the folder once: what looks as it did the last time is handed in.
func (d *Drop) Look(ctx context.Context) error {
	people, err := os.ReadDir(d.Dir)
	if err != nil {
		return err
	}
	seen := map[string]string{}
	for _, p := range people {
		if !p.IsDir() || hidden(p.Name()) {
			continue
		}
		if err := d.person(ctx, p.Name(), seen); err != nil {
			return err
		}
	}
	d.seen = seen
	return nil
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

func (d *Drop) person(ctx context.Context, name string, seen map[string]string) error {
	dir := filepath.Join(d.Dir, name)
	items, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	items = slices.DeleteFunc(items, func(e fs.DirEntry) bool {
		return hidden(e.Name()) || e.Name() == Recorded || e.Name() == Waiting || !e.IsDir() && !e.Type().IsRegular()
	})
	if len(items) == 0 {
		return nil
	}
	user, err := d.Person(ctx, name)
	if err != nil {
		d.Log.Warn("a drop folder's name is nobody's", "folder", dir, "err", err)
		return nil
	}
	for _, e := range items {
		path := filepath.Join(dir, e.Name())
		look, err := appearance(path)
		if err != nil {
			d.Log.Warn("something in the drop folder cannot be read", "path", path, "err", err)
			continue
		}
		seen[path] = look
		if d.seen[path] != look || time.Now().Before(d.later[path]) {
			continue
		}
		if err := d.take(ctx, user, path); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.Log.Error("something in the drop folder was not handed in; it will be tried again", "path", path, "err", err)
			if d.later == nil {
				d.later = map[string]time.Time{}
			}
			d.later[path] = time.Now().Add(time.Minute)
			continue
		}
		delete(d.later, path)
	}
	return nil
}

// appearance says how a file, or everything in a folder, looks from outside.
func appearance(path string) (string, error) {
	var b strings.Builder
	n := 0
	err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n++; n > maxItem {
			return fmt.Errorf("more than %d files; hand them in by parts", maxItem)
		}
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() {
			fmt.Fprintf(&b, "%s\x00%d\x00%d\n", p, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	return b.String(), err
}

// take hands in one item and moves it aside.
func (d *Drop) take(ctx context.Context, user, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	groups := [][]File{{{Path: path, Name: filepath.Base(path)}}}
	if info.IsDir() {
		if groups, err = Groups(ctx, path); err != nil {
			return err
		}
	}
	if len(groups) == 0 {
		return nil // an empty folder: somebody may be about to fill it
	}
	to := Recorded
	var receipts []*capture.Receipt
	for _, g := range groups {
		for i := range g {
			g[i].Root = filepath.Dir(path)
		}
		r, err := d.submit(ctx, user, g)
		if err != nil {
			return err
		}
		if r.Status == capture.StatusNeedsAnswer {
			to = Waiting
		}
		receipts = append(receipts, r)
	}
	return move(path, filepath.Join(filepath.Dir(path), to), receipts)
}

func (d *Drop) submit(ctx context.Context, user string, g []File) (*capture.Receipt, error) {
	files, done, err := Open(ctx, g)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.Service.Submit(ctx, capture.Upload{Person: user, Files: files})
}

// move puts an item into a folder, with its receipts beside it. Nothing is overwritten.
func move(path, dir string, receipts []*capture.Receipt) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	raw, err := json.Marshal(receipts, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	for i := 1; ; i++ {
		to := filepath.Join(dir, name)
		if i > 1 {
			to += " (" + strconv.Itoa(i) + ")"
		}
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return err
			}
			continue
		}
		f, err := os.OpenFile(to+".receipt.json", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.Write(append(raw, '\n'))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		return os.Rename(path, to)
	}
}
