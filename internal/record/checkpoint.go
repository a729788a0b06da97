package record

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is the statement of a log's size and root that its key signs and witnesses cosign: C2SP tlog-checkpoint.
type Checkpoint struct {
	Origin string // names the log, see [Origin]
	Size   int64
	Root   tlog.Hash
}

// Origin returns the origin line, and so the key name, of a server's record.
func Origin(serverName string) string { return serverName + "/despatch" }

// GenerateKey makes a signing key for the log named origin. The private part is to be kept secret; the public part, a
// verifier key in C2SP signed-note form, is to be published.
func GenerateKey(rand io.Reader, origin string) (private, public string, err error) {
	private, public, err = note.GenerateKey(rand, origin)
	if err != nil {
		return "", "", fmt.Errorf("generate log key for %s: %w", origin, err)
	}
	if _, err := note.NewVerifier(public); err != nil {
		return "", "", fmt.Errorf("generate log key for %q: %w", origin, err)
	}
	return private, public, nil
}

// Text returns the text that is signed.
func (c *Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// Sign returns the checkpoint as a signed note.
func (c *Checkpoint) Sign(signers ...note.Signer) ([]byte, error) {
	if c.Origin == "" || strings.ContainsAny(c.Origin, "\n\r") || c.Size < 0 {
		return nil, fmt.Errorf("sign checkpoint: malformed origin %q or size %d", c.Origin, c.Size)
	}
	msg, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint %d: %w", c.Size, err)
	}
	return msg, nil
}

// maxCheckpoint bounds a checkpoint with all its cosignatures.
const maxCheckpoint = 64 << 10

// OpenCheckpoint checks the signature on a checkpoint and reads it. It accepts only the log's own signature under the
// name the checkpoint states as its origin; other signatures are left alone.
func OpenCheckpoint(msg []byte, log note.Verifier) (Checkpoint, error) {
	if len(msg) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %d bytes, more than %d", len(msg), maxCheckpoint)
	}
	n, err := note.Open(msg, note.VerifierList(log))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w", err)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w", err)
	}
	if c.Origin != log.Name() {
		return Checkpoint{}, fmt.Errorf("open checkpoint: it is of %q, the key is of %q", c.Origin, log.Name())
	}
	return c, nil
}

// UnverifiedOrigin returns the origin a checkpoint states, without checking anything.
func UnverifiedOrigin(msg []byte) string {
	line, _, _ := strings.Cut(string(msg[:min(len(msg), 1024)]), "\n")
	return line
}

var errCheckpoint = errors.New("malformed checkpoint")

// parseCheckpoint reads exactly the three lines that [Checkpoint.Text] writes. Extension lines, which C2SP advises
// against because not every cosignature covers them, are refused.
func parseCheckpoint(text string) (Checkpoint, error) {
	f := strings.Split(text, "\n")
	if len(f) != 4 || f[0] == "" || f[3] != "" {
		return Checkpoint{}, errCheckpoint
	}
	size, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil || size < 0 {
		return Checkpoint{}, errCheckpoint
	}
	root, err := tlog.ParseHash(f[2])
	if err != nil {
		return Checkpoint{}, errCheckpoint
	}
	c := Checkpoint{Origin: f[0], Size: size, Root: root}
	if c.Text() != text { // leading zeros, odd base64
		return Checkpoint{}, errCheckpoint
	}
	return c, nil
}
