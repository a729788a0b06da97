package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/sqldb"
	"despatch/internal/store"
)

const verifyLong = `
despatch verify [--data DIR] [--database URL] [--key KEY]

Reads the whole record and says whether it is the one that was signed: every body the one that its entry commits
to, every entry in its place in the tree, no gap in any conversation, nothing missing but what was lawfully
destroyed. It changes nothing, and can be run beside the server.

The key is the one in the folder unless --key gives another: who does not trust the folder takes the key from
where it was published. The exit status is 1 if anything is wrong.`

func verifyCommand(ctx context.Context, p *program, args []string) error {
	key := ""
	c, rest, err := load("verify", args, p.env, func(f *flag.FlagSet) { f.StringVar(&key, "key", "", "") })
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("verify takes no arguments; the folder is given by --data")
	}
	if key == "" {
		if key, err = folderKey(c.Data); err != nil {
			return err
		}
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return usagef("%q is not the key of a record: %w", key, err)
	}
	target := c.Database
	if target == "" {
		target = filepath.Join(c.Data, "despatch.db")
		if _, err := os.Stat(target); err != nil {
			return fmt.Errorf("there is no record in %s: %w", c.Data, err)
		}
	}
	db, err := sqldb.Open(ctx, target, sqldb.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	began := time.Now()
	r, err := store.Verify(ctx, db, verifier)
	if err != nil {
		return err
	}
	return report(p, r, verifier, time.Since(began))
}

// folderKey is the public key of the record in a folder.
func folderKey(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "record.key"))
	if err != nil {
		return "", fmt.Errorf("read the record's key: %w; or give it with --key", err)
	}
	lines := strings.Fields(string(raw))
	if len(lines) != 2 {
		return "", fmt.Errorf("%s does not hold the record's key; give it with --key", filepath.Join(dir, "record.key"))
	}
	return lines[1], nil
}

func report(p *program, r *store.Report, key note.Verifier, took time.Duration) error {
	fmt.Fprintf(p.out, "Record %s, key %08x\n", key.Name(), key.KeyHash())
	fmt.Fprintf(p.out, "Checked %d entries in %d conversations and other scopes, %d bodies, in %d ms.\n", r.Entries, r.Scopes, r.Bodies, took.Milliseconds())
	if r.Disposed > 0 {
		fmt.Fprintf(p.out, "%d bodies have been lawfully destroyed; their entries are still in place.\n", r.Disposed)
	}
	for _, f := range r.Problems {
		fmt.Fprintf(p.out, "WRONG: %s\n", f)
	}
	if more := r.Findings - int64(len(r.Problems)); more > 0 {
		fmt.Fprintf(p.out, "… and %d more.\n", more)
	}
	if r.Findings > 0 {
		fmt.Fprintf(p.out, "This is not the record that was signed: %d things are wrong.\n", r.Findings)
		return errFound
	}
	fmt.Fprintf(p.out, "The record is whole: it is the one that was signed, with %d entries and root %x.\n", r.Checkpoint.Size, r.Checkpoint.Root[:])
	return nil
}
