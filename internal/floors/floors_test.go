package floors

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// house lists the packages from the ground up. A package may import what stands above it in this list,
// on its own floor or a lower one, and nothing below: so there are no circles.
var house = []struct {
	floor    string
	packages []string
}{
	{"ground", []string{"matrix", "eventauth", "policy", "pushrule", "record", "record/bundle", "sqldb", "httpd"}},
	{"state", []string{"store", "recorder", "media", "stream"}},
	{"services", []string{"identity", "room", "appservice", "push", "search", "capture", "capture/sqlfile", "capture/protowire", "capture/jsonfile", "capture/htmlfile", "capture/tally",
		"capture/whatsapp", "capture/whatsappdb", "capture/signal", "capture/sms", "capture/imessage", "capture/email", "capture/meta",
		"capture/teams", "capture/google", "capture/zoom", "capture/telegram", "capture/slack", "capture/mattermost", "capture/tox",
		"capture/nextcloud", "capture/unstructured", "capture/ocr", "capture/systems", "capture/folder", "capture/link", "capture/spillage", "capture/mailin", "capture/office", "retention", "disclosure", "assurance"}},
	{"faces", []string{"oauth", "clientapi", "console", "webclient", "publicapi"}},
	{"whole", []string{"server", "demo", "bench"}},
}

// Rules beside the order of the floors.
const (
	module   = "despatch/"
	internal = module + "internal/"
)

// sqlPackages are those that may name database/sql: the one that opens databases and the one with the
// statements.
var sqlPackages = []string{"sqldb", "store", "capture/sqlfile"}

// verifierImports is all of Despatch that the offline checker may use: an outsider reads it first.
var verifierImports = []string{"record", "record/bundle", "matrix"}

func TestFloors(t *testing.T) {
	rank := map[string]int{}
	for _, f := range house {
		for _, p := range f.packages {
			rank[p] = len(rank)
		}
	}
	for pkg, imports := range imports(t, "../..") {
		name, inside := strings.CutPrefix(pkg, internal)
		at, known := rank[name]
		if inside && !known && !strings.Contains(name, "test") && name != "floors" && name != "tmpdeps" {
			t.Errorf("internal/%s stands on no floor: give it its place in the house", name)
		}
		for _, imp := range imports {
			target, ours := strings.CutPrefix(imp, internal)
			switch {
			case imp == "database/sql" && inside && known && !slices.Contains(sqlPackages, name):
				t.Errorf("internal/%s imports database/sql: statements belong in store", name)
			case imp == module+"despatchtest" || ours && strings.HasSuffix(target, "test"):
				if inside && known || strings.HasPrefix(pkg, module+"cmd/") {
					t.Errorf("%s imports %s, which is for tests", pkg, imp)
				}
			case ours && inside && known && rank[target] >= at:
				t.Errorf("internal/%s imports internal/%s, which does not stand below it", name, target)
			case ours && pkg == module+"cmd/despatch-verify" && !slices.Contains(verifierImports, target):
				t.Errorf("despatch-verify imports internal/%s: it must stay small enough to read", target)
			}
		}
	}
}

// imports reads what each package of the module imports, tests left out.
func imports(t *testing.T, root string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") && name != ".." && p != root {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil && p != root {
				return filepath.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		pkg := path.Join(strings.TrimSuffix(module, "/"), filepath.ToSlash(rel))
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			out[pkg] = append(out[pkg], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d packages found: the test looks in the wrong place", len(out))
	}
	return out
}
