// Command failures reads what `go test -json` writes and prints what matters: the output of each test that failed,
// the name of each that was skipped with its reason, and the packages that took long.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of what did not build
	Elapsed                       float64
}

func main() {
	output := make(map[string][]string)
	passed := 0
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Println(lines.Text())
			continue
		}
		key := e.Package + e.ImportPath + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			output[key] = append(output[key], e.Output)
		case "fail", "build-fail":
			fmt.Printf("FAIL %s\n%s", key, strings.Join(output[key], ""))
		case "skip":
			if e.Test != "" {
				fmt.Printf("skipped %s: %s\n", key, reason(output[key]))
			}
		case "pass":
			if e.Test != "" {
				passed++
			} else if e.Elapsed > 30 {
				fmt.Printf("%s took %.0f s\n", e.Package, e.Elapsed)
			}
		}
	}
	fmt.Printf("%d tests passed\n", passed)
}

// reason is what a test that was skipped said.
func reason(output []string) string {
	for _, l := range output {
		if !strings.HasPrefix(strings.TrimSpace(l), "---") && !strings.HasPrefix(l, "===") {
			return strings.TrimSpace(l)
		}
	}
	return "no reason given"
}
