// Despatch-verify checks a disclosure bundle, or a single proof, without trusting whoever made it. It needs no network
// and writes nothing.
//
// Usage:
//
//	despatch-verify [--key KEY|FILE] [--checkpoint FILE] [--json] BUNDLE
//
// It exits with 0 if everything that was checked holds, 1 if something is not genuine, and 2 if the bundle could not be
// checked.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"unicode"

	"despatch/internal/record/bundle"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// What the program exits with.
const (
	holds      = 0
	notGenuine = 1
	notChecked = 2
)

const usage = `Usage: despatch-verify [--key KEY|FILE] [--checkpoint FILE] [--json] BUNDLE

Checks a disclosure bundle offline: that what it shows is what was recorded, and where.

  --key KEY|FILE      the public key of the department's record, or a file with it
  --checkpoint FILE   a signed checkpoint of the record that you have from somebody else
  --json              say the result as JSON

Exits with 0 if all holds, 1 if something is not genuine, 2 if it could not be checked.
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("despatch-verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { io.WriteString(stderr, usage) }
	key := flags.String("key", "", "")
	checkpoint := flags.String("checkpoint", "", "")
	asJSON := flags.Bool("json", false, "")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return holds
		}
		return notChecked
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return notChecked
	}
	report, err := check(ctx, flags.Arg(0), *key, *checkpoint)
	if err != nil {
		if *asJSON {
			writeJSON(stdout, &result{Result: "could not be checked", Error: err.Error()})
		} else {
			fmt.Fprintf(stderr, "The bundle could not be checked: %v.\n", err)
		}
		return notChecked
	}
	if *asJSON {
		writeJSON(stdout, resultOf(report))
	} else {
		explain(stdout, report)
	}
	if !report.Genuine() {
		return notGenuine
	}
	return holds
}

func check(ctx context.Context, name, key, checkpoint string) (*bundle.Report, error) {
	var c bundle.Check
	var err error
	if c.Key, err = readKey(key); err != nil {
		return nil, err
	}
	if checkpoint != "" {
		if c.Checkpoint, err = readSmall(checkpoint); err != nil {
			return nil, err
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	return bundle.Verify(ctx, f, info.Size(), c)
}

// readKey takes a key as it stands, or reads it from a file.
func readKey(key string) (string, error) {
	if key == "" {
		return "", nil
	}
	if b, err := readSmall(key); err == nil {
		return strings.TrimSpace(string(b)), nil
	} else if !strings.Contains(key, "+") {
		return "", err
	}
	return key, nil
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

// explain says the result in plain words.
func explain(w io.Writer, r *bundle.Report) {
	p := func(format string, args ...any) { fmt.Fprintln(w, printable(fmt.Sprintf(format, args...))) }
	h := &r.Header
	p("%s", h.Title)
	p("%s, %s, made %s", h.Department, h.Reference, h.Made)
	p("")
	if !r.Genuine() {
		p("NOT GENUINE: %d %s found.", r.Count, plural(r.Count, "problem was", "problems were"))
		p("")
		for _, pr := range r.Problems {
			p("  - %s", pr)
		}
		if r.Count > len(r.Problems) {
			p("  - and %d more", r.Count-len(r.Problems))
		}
		p("")
		notes(p, r)
		return
	}
	p("HOLDS. What was checked, and what it shows:")
	p("")
	if r.Trusted {
		p("  - The key is the one you gave. The bundle and the record are signed by it.")
	} else {
		p("  - The bundle and the record are signed by the key %s", r.Key)
	}
	p("  - The record has %d entries at the signed checkpoint, and every entry in this bundle is among them.", r.Checkpoint.Size)
	if r.Matched {
		p("  - The checkpoint is the same as the one you gave: you and its giver were shown the same record.")
	}
	if n := r.Totals.Released; n > 0 {
		p("  - %d %s released: each is genuine. Its text, sender and times are what was recorded. The names put to", n, plural(n, "item is", "items are"))
		p("    senders are stated by the department, and so are attached files whose hash was not recorded.")
	}
	if n := r.Totals.Redacted; n > 0 {
		p("  - %d %s redacted: each exists on the record at its place and time. The text that is left is stated and", n, plural(n, "item is", "items are"))
		p("    signed by the department; the record does not prove it.")
	}
	if n := r.Totals.Withheld; n > 0 {
		p("  - %d %s withheld: each exists on the record at its place and time. The reasons are stated and signed by", n, plural(n, "item is", "items are"))
		p("    the department.")
	}
	p("  - The pages, the spreadsheet and the RSMF files show the same as was checked, byte for byte.")
	for i := range r.Conversations {
		conversation(p, &r.Conversations[i])
	}
	p("")
	p("This does not show that everything that was said was put on the record, only that what was put there was not")
	p("changed since.")
	p("")
	notes(p, r)
}

func conversation(p func(string, ...any), c *bundle.ConversationReport) {
	name := c.Title
	if name == "" {
		name = c.Scope
	}
	if !c.Complete {
		p("  - “%s”: %d of its messages %s here. It is not said to be complete.", name, c.Items, plural(c.Items, "is", "are"))
		return
	}
	p("  - “%s” is complete from its entry %d to its entry %d: none of them is left out.", name, c.From, c.To)
	switch {
	case c.From == 0:
		p("    It begins there.")
	case c.Before != "":
		p("    The entry before was recorded on %s.", c.Before)
	}
	if c.After != "" {
		p("    The entry after was recorded on %s.", c.After)
	} else {
		p("    Whether more was recorded in it later cannot be told from this bundle.")
	}
}

func notes(p func(string, ...any), r *bundle.Report) {
	for _, n := range r.Notes {
		p("NOTE: %s", n)
	}
}

// printable takes out what a stranger's text could do to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '�'
		}
		return r
	}, s)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// result is what --json says.
type result struct {
	Result        string           `json:"result"` // holds, not genuine, could not be checked
	Error         string           `json:"error,omitempty"`
	Reference     string           `json:"reference,omitempty"`
	Bundle        string           `json:"bundle,omitempty"`
	Key           string           `json:"key,omitempty"`
	KeyGiven      bool             `json:"key_given"`
	Origin        string           `json:"origin,omitempty"`
	Size          int64            `json:"size,omitempty"`
	Root          string           `json:"root,omitempty"`
	SameTree      bool             `json:"checkpoint_matched"`
	Totals        bundle.Totals    `json:"totals"`
	Conversations []conversationJS `json:"conversations,omitempty"`
	ProblemCount  int              `json:"problem_count"`
	Problems      []bundle.Problem `json:"problems,omitempty"`
	Notes         []string         `json:"notes,omitempty"`
}

type conversationJS struct {
	Scope    string `json:"scope"`
	Items    int    `json:"items"`
	Complete bool   `json:"complete"`
	From     uint64 `json:"from"`
	To       uint64 `json:"to"`
	Before   string `json:"before,omitempty"`
	After    string `json:"after,omitempty"`
}

func resultOf(r *bundle.Report) *result {
	out := &result{Result: "holds", Reference: r.Header.Reference, Bundle: r.Header.Bundle, Key: r.Key, KeyGiven: r.Trusted,
		Origin: r.Checkpoint.Origin, Size: r.Checkpoint.Size, Root: r.Checkpoint.Root.String(), SameTree: r.Matched, Totals: r.Totals,
		ProblemCount: r.Count, Problems: r.Problems, Notes: r.Notes}
	if !r.Genuine() {
		out.Result = "not genuine"
	}
	for _, c := range r.Conversations {
		out.Conversations = append(out.Conversations, conversationJS{c.Scope, c.Items, c.Complete, c.From, c.To, c.Before, c.After})
	}
	return out
}

func writeJSON(w io.Writer, r *result) {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	e.Encode(r) // to a terminal or a pipe: there is nobody to tell if it fails
}
