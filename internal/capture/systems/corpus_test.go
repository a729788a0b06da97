package systems

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/capture/whatsapp"
)

// TestCorpus reads the published corpus: made-up exports whose contents are known. Its README says how it is built.
func TestCorpus(t *testing.T) { tryFolder(t, "testdata/corpus", 1) }

// TestSamples does the same with a folder of other people's exports. Where no expected.json lies beside them, it
// checks what must hold of every file.
func TestSamples(t *testing.T) {
	dir := os.Getenv("DESPATCH_SAMPLES")
	if dir == "" {
		t.Skip("skipped: DESPATCH_SAMPLES names no folder of exports")
	}
	tryFolder(t, dir, 1)
}

const expectedName = "expected.json"

// expectation is what expected.json holds: what a person declares, and of each submission made of the folder what must
// be in its preview. Keys that are not named are not compared.
type expectation struct {
	Declared struct {
		Zone      string   `json:"zone"`
		DateOrder string   `json:"date_order"`
		Self      string   `json:"self"`
		Secrets   []string `json:"secrets"`
	} `json:"declared"`
	Submissions []map[string]any `json:"submissions"`
}

// tryFolder tries every folder below dir that has an expected.json, and everything else as it comes.
func tryFolder(t *testing.T, dir string, least int) {
	cases := map[string][]string{} // files by the folder that they are tried in
	var known []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == expectedName {
			known = append(known, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == expectedName || path == filepath.Join(dir, "README.md") {
			return err
		}
		home := dir
		for _, k := range known {
			if strings.HasPrefix(path, k+string(filepath.Separator)) && len(k) > len(home) {
				home = k
			}
		}
		rel, err := filepath.Rel(home, path)
		cases[home] = append(cases[home], filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for home, paths := range cases {
		t.Run(strings.TrimPrefix(filepath.ToSlash(home), filepath.ToSlash(dir)+"/"), func(t *testing.T) {
			read += tryCase(t, home, paths)
		})
	}
	if read < least {
		t.Errorf("%d submissions were tried below %s, want %d at least", read, dir, least)
	}
}

func tryCase(t *testing.T, home string, paths []string) (tried int) {
	var want expectation
	raw, err := os.ReadFile(filepath.Join(home, expectedName))
	if err == nil {
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%s: %v", expectedName, err)
		}
	}
	opt := capture.Options{DateOrder: want.Declared.DateOrder, Self: want.Declared.Self, Secrets: want.Declared.Secrets,
		ReceivedAt: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	if z := want.Declared.Zone; z != "" {
		if opt.Zone, err = time.LoadLocation(z); err != nil {
			t.Fatal(err)
		}
	}
	groups, err := Group(paths, func(p string) (bool, error) {
		files := openAll(t, home, []string{p})
		ok, _ := whatsapp.Parser{}.Recognise(t.Context(), &capture.Source{Files: files})
		return ok, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range groups {
		preview := tryGroup(t, openAll(t, home, g), opt, strings.Join(g, " "))
		if want.Submissions == nil || preview == nil {
			continue
		}
		if i >= len(want.Submissions) {
			t.Errorf("%q is a submission too many", g)
			continue
		}
		for _, diff := range differences("", want.Submissions[i], preview) {
			t.Errorf("%q: %s", g, diff)
		}
	}
	if want.Submissions != nil && len(groups) != len(want.Submissions) {
		t.Errorf("%d submissions, want %d", len(groups), len(want.Submissions))
	}
	return len(groups)
}

// openAll reads files and calls them by their paths below the folder that they have in common.
func openAll(t *testing.T, home string, paths []string) (files []*capture.File) {
	t.Helper()
	common := filepath.ToSlash(filepath.Dir(paths[0]))
	for _, p := range paths {
		for common != "." && !strings.HasPrefix(p, common+"/") {
			common = filepath.ToSlash(filepath.Dir(common))
		}
	}
	for _, p := range paths {
		raw, err := os.ReadFile(filepath.Join(home, filepath.FromSlash(p)))
		if err != nil {
			t.Fatal(err)
		}
		name := p
		if common != "." {
			name = strings.TrimPrefix(p, common+"/")
		}
		f, err := capture.NewFile(t.Context(), name, bytes.NewReader(raw), int64(len(raw)), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// tryGroup makes the preview of a submission and checks what must hold of each.
func tryGroup(t *testing.T, files []*capture.File, opt capture.Options, name string) map[string]any {
	var out, again bytes.Buffer
	for _, w := range []io.Writer{&out, &again} {
		if _, err := capture.WritePreview(t.Context(), w, Parsers(), files, opt); err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
	}
	if !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("%s: a second look sees something else", name)
	}
	var p struct {
		Status         string
		Reconciliation capture.Reconciliation
		Coverage       capture.Coverage
		Conversations  []capture.Conversation
		Messages       []capture.Observation
	}
	var preview map[string]any
	insensitive := json.MatchCaseInsensitiveNames(true)
	if err := json.Unmarshal(out.Bytes(), &p, insensitive); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := json.Unmarshal(out.Bytes(), &preview); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Logf("%s: %v %v, %s, %d messages", name, preview["system"], preview["variant"], p.Status, len(p.Messages))
	if p.Status == string(capture.StatusRead) && !p.Reconciliation.Balanced {
		t.Errorf("%s: the sum does not add up: %+v", name, p.Reconciliation)
	}
	if m := p.Coverage.Members; p.Status == string(capture.StatusRead) && m != nil && !m.Balanced {
		t.Errorf("%s: the files do not add up: %+v", name, m)
	}
	ids := map[string]bool{}
	for i := range p.Messages {
		o := &p.Messages[i]
		if ids[o.ID] {
			t.Errorf("%s: message %d has the id of another", name, i)
		}
		ids[o.ID] = true
		if o.Conversation < 0 || o.Conversation >= len(p.Conversations) {
			t.Errorf("%s: message %d is in conversation %d of %d", name, i, o.Conversation, len(p.Conversations))
		}
		if o.Sent.Min > o.Sent.Max {
			t.Errorf("%s: message %d was sent between %d and %d", name, i, o.Sent.Min, o.Sent.Max)
		}
		if err := checkOrigin(files, &o.Origin); err != nil {
			t.Errorf("%s: message %d: %v", name, i, err)
		}
		for _, a := range o.Attachments {
			if err := checkAttachment(files, a); err != nil {
				t.Errorf("%s: message %d: %v", name, i, err)
			}
		}
	}
	return preview
}

// checkOrigin reads the bytes that a message is said to come from, and hashes them.
func checkOrigin(files []*capture.File, o *capture.Origin) error {
	f := fileOf(files, o.FileSHA256)
	if f == nil {
		return fmt.Errorf("comes from a file that was not handed in: %s", o.FileSHA256)
	}
	if o.Row != 0 || o.ByteEnd == 0 {
		return nil
	}
	raw, err := contents(f, o.Path)
	if err != nil {
		return err
	}
	if o.ByteStart < 0 || o.ByteStart > o.ByteEnd || o.ByteEnd > int64(len(raw)) {
		return fmt.Errorf("stands at bytes %d to %d of %d", o.ByteStart, o.ByteEnd, len(raw))
	}
	if sum := sha256.Sum256(raw[o.ByteStart:o.ByteEnd]); hex.EncodeToString(sum[:]) != o.RawSHA256 {
		return fmt.Errorf("bytes %d to %d of %q have another hash", o.ByteStart, o.ByteEnd, o.Path)
	}
	return nil
}

func fileOf(files []*capture.File, sum string) *capture.File {
	i := slices.IndexFunc(files, func(f *capture.File) bool { return hex.EncodeToString(f.SHA256[:]) == sum })
	if i < 0 {
		return nil
	}
	return files[i]
}

// contents returns the bytes of a file, or of one inside it.
func contents(f *capture.File, path string) ([]byte, error) {
	if !capture.IsZip(f) || path == "" {
		return io.ReadAll(io.NewSectionReader(f.At, 0, f.Size))
	}
	z, err := zip.NewReader(f.At, f.Size)
	if err != nil {
		return nil, err
	}
	for _, e := range z.File {
		if e.Name == path {
			r, err := e.Open()
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return io.ReadAll(r)
		}
	}
	return nil, fmt.Errorf("%s has no %q", f.Name, path)
}

// checkAttachment hashes an attachment that stands in one of the files.
func checkAttachment(files []*capture.File, a capture.Attachment) error {
	if a.Presence != capture.Present {
		return nil
	}
	if len(a.SHA256) != 64 {
		return fmt.Errorf("attachment %q is present and has the hash %q", a.Name, a.SHA256)
	}
	f := fileOf(files, a.Within)
	if f == nil {
		return nil // it was decoded or decrypted
	}
	raw, err := contents(f, a.Path)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != a.SHA256 || int64(len(raw)) != a.Size {
		return fmt.Errorf("attachment %q has another hash or size", a.Name)
	}
	return nil
}

// differences lists where got lacks something of want. Lists must be as long, and objects may have more.
func differences(at string, want, got any) (out []string) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %v, want an object", cmp.Or(at, "it"), got)}
		}
		for k, v := range w {
			out = append(out, differences(at+"/"+k, v, g[k])...)
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return []string{fmt.Sprintf("%s has %d elements, want %d", at, len(g), len(w))}
		}
		for i, v := range w {
			out = append(out, differences(fmt.Sprintf("%s/%d", at, i), v, g[i])...)
		}
	default:
		if want != got {
			return []string{fmt.Sprintf("%s is %#v, want %#v", at, got, want)}
		}
	}
	return out
}
