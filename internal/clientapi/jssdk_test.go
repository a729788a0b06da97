package clientapi_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"despatch/despatchtest"
)

// TestJSSDK has two people talk with matrix-js-sdk, the library of Element Web. To run it:
//
//	cp internal/clientapi/testdata/jssdk/package*.json FOLDER && npm --prefix FOLDER ci
//	DESPATCH_NODE_MODULES=FOLDER go test -run JSSDK -v ./internal/clientapi
func TestJSSDK(t *testing.T) {
	folder := os.Getenv("DESPATCH_NODE_MODULES")
	if folder == "" {
		folder = "testdata/jssdk"
	}
	modules := filepath.Join(folder, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "matrix-js-sdk", "package.json")); err != nil {
		if os.Getenv("DESPATCH_REQUIRE_CHROMIUM") != "" { // where nothing is to be skipped
			t.Fatalf("matrix-js-sdk is required here: %v", err)
		}
		t.Skipf("no matrix-js-sdk; run npm ci in internal/clientapi/testdata/jssdk: %v", err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skipf("no Node.js: %v", err)
	}
	scenario, err := os.ReadFile("testdata/jssdk/scenario.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// Modules are looked for beside the script.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "scenario.mjs"), scenario, 0o600); err != nil {
		t.Fatal(err)
	}
	if modules, err = filepath.Abs(modules); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}

	d := despatchtest.Start(t)
	d.User(t, "alice")
	d.User(t, "bobby")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, filepath.Join(dir, "scenario.mjs"))
	cmd.Env = append(os.Environ(), "DESPATCH_URL="+d.URL, "DESPATCH_ALICE=alice", "DESPATCH_BOB=bobby", "DESPATCH_PASSWORD="+despatchtest.Password)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("node: %v", err)
	}
	if n := strings.Count(string(out), "\nok "); n < 25 {
		t.Errorf("%d steps succeeded, want all", n)
	}
	d.CheckRecord(t)
}
