package clientapi_test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	json "github.com/go-json-experiment/json"

	"despatch/despatchtest"
	"despatch/internal/identity"
	"despatch/internal/server"
	"despatch/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// A script is a conversation with the server, as text:
//
//	user alice                     an account, signed in; a role may follow
//	alice GET /path BODY           a request; BODY is the rest of the line, $name stands for what was kept
//	nobody GET /path               one without an access token
//	< 200 a.b=x c=* d=$name e~y    what its answer must be: status; errcode; a is an object that has b, which is x;
//	                               there is a c; d is kept as $name; e contains y; !f: there is no f; a.0 is a's first
//
// Lines that begin with # are remarks.

var ran struct {
	sync.Mutex
	routes map[string]bool
}

// elsewhere are routes with tests of their own; those below /_despatch/ are our own clients' and have theirs too.
var elsewhere = map[string]string{
	"/_matrix/client/unstable/org.matrix.simplified_msc3575/sync":            "sliding_test.go",
	"/_matrix/client/v4/sync":                                                "sliding_test.go",
	"/_matrix/client/v1/appservice/{serviceID}/ping":                         "appservice_test.go",
	"/_matrix/client/unstable/com.beeper.backfill/rooms/{roomID}/batch_send": "appservice_test.go",
}

func TestConversations(t *testing.T) {
	ran.routes = map[string]bool{}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	var patterns []string
	sqldbtest.Each(t, func(t *testing.T, target string) { patterns = converse(t, files, target) })
	for _, p := range patterns {
		_, path, _ := strings.Cut(p, " ")
		if !ran.routes[p] && !strings.HasPrefix(path, "/_despatch/") && elsewhere[path] == "" {
			t.Errorf("no conversation in testdata asks for %s", p)
		}
	}
}

// converse has all conversations on one database, and returns the routes that there are.
func converse(t *testing.T, files []string, target string) (patterns []string) {
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			db := ""
			if strings.HasPrefix(target, "postgres") {
				db = sqldbtest.Postgres(t) // each conversation begins with nothing
			}
			d := despatchtest.Start(t, despatchtest.Database(db), func(c *server.Config) {
				c.RegistrationSecret = "a secret of the test"
				c.OpenRegistration = strings.Contains(file, "open")
				c.Observe = func(route string, status int, _ time.Duration) {
					ran.Lock()
					defer ran.Unlock()
					ran.routes[route] = true
				}
			})
			patterns = d.API.Patterns()
			runScript(t, d, file)
			d.CheckRecord(t)
		})
	}
	return patterns
}

func runScript(t *testing.T, d *despatchtest.Server, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	people := map[string]*despatchtest.User{"nobody": d.Nobody()}
	kept := map[string]string{}
	var status int
	var raw []byte
	asked := ""
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		where := fmt.Sprintf("%s:%d", filepath.Base(file), n)
		words := strings.SplitN(text, " ", 4)
		switch {
		case text == "" || text[0] == '#':
		case words[0] == "user":
			var roles []identity.Role
			for _, r := range words[2:] {
				roles = append(roles, identity.Role(r))
			}
			people[words[1]] = d.User(t, words[1], roles...)
			kept[words[1]], kept[words[1]+"_device"] = string(people[words[1]].ID), people[words[1]].Device
		case words[0] == "<":
			if err := expect(status, raw, strings.Fields(text)[1:], kept); err != nil {
				t.Errorf("%s: %s: %v in %d %.600s", where, asked, err, status, raw)
			}
		default:
			u := people[words[0]]
			if u == nil || len(words) < 3 {
				t.Fatalf("%s: %q is no request", where, text)
			}
			var body any
			if len(words) > 3 {
				body = []byte(fill(words[3], kept))
			}
			asked = words[1] + " " + fill(words[2], kept)
			status, raw = u.Do(t, words[1], fill(words[2], kept), body)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// fill puts in what was kept, the longest names first.
func fill(text string, kept map[string]string) string {
	names := slices.SortedFunc(maps.Keys(kept), func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		text = strings.ReplaceAll(text, "$"+name, kept[name])
	}
	return text
}

func expect(status int, raw []byte, wants []string, kept map[string]string) error {
	if want, _ := strconv.Atoi(wants[0]); status != want {
		return fmt.Errorf("want %s (%s)", wants[0], http.StatusText(want))
	}
	var v any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &v); err != nil && len(wants) > 1 {
			return err
		}
	}
	for _, want := range wants[1:] {
		path, value, op := want, "", ""
		if i := strings.IndexAny(want, "=~"); i >= 0 {
			path, op, value = want[:i], want[i:i+1], fill(want[i+1:], kept)
		}
		switch {
		case strings.HasPrefix(want, "M_"):
			path, op, value = "errcode", "=", want
		case strings.HasPrefix(want, "!"):
			if _, ok := dig(v, strings.Split(want[1:], ".")); ok {
				return fmt.Errorf("there is a %s", want[1:])
			}
			continue
		}
		got, ok := dig(v, strings.Split(fill(path, kept), "."))
		shown := fmt.Sprint(got)
		if f, isNumber := got.(float64); isNumber {
			shown = strconv.FormatFloat(f, 'f', -1, 64)
		}
		switch {
		case !ok:
			return fmt.Errorf("there is no %s", path)
		case strings.HasPrefix(value, "$"):
			kept[value[1:]] = shown
		case op == "~" && !strings.Contains(shown, value), op == "=" && value != "*" && shown != value:
			return fmt.Errorf("%s is %s, want %s", path, shown, value)
		}
	}
	return nil
}

// dig looks up a path. A name with a full stop in it is found if the parts are tried together.
func dig(v any, path []string) (any, bool) {
	if len(path) == 0 {
		return v, true
	}
	switch x := v.(type) {
	case map[string]any:
		for n := 1; n <= len(path); n++ {
			if inner, ok := x[strings.Join(path[:n], ".")]; ok {
				if found, ok := dig(inner, path[n:]); ok {
					return found, true
				}
			}
		}
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(x) {
			return dig(x[i], path[1:])
		}
	}
	return nil, false
}
