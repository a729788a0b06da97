package record

import (
	"bytes"
	"fmt"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxProof bounds a .tlog-proof file.
const maxProof = 2 * maxCheckpoint

// FormatProof writes a proof that a signed checkpoint covers the entry at a position, as a C2SP .tlog-proof. Extra is
// for the reader and is not covered by the proof; it may be nil.
func FormatProof(position int64, p tlog.RecordProof, checkpoint, extra []byte) []byte {
	hashes := make([][32]byte, len(p))
	for i, h := range p {
		hashes[i] = h
	}
	return proof.TLogProof{Index: uint64(position), Hashes: hashes, Checkpoint: checkpoint, ExtraData: extra}.Marshal()
}

// CheckProof checks a .tlog-proof that the log of a key holds e, and returns its position and the checkpoint that
// covers it.
func CheckProof(data []byte, e *Entry, log note.Verifier) (position int64, c Checkpoint, err error) {
	if len(data) > maxProof {
		return 0, Checkpoint{}, fmt.Errorf("check proof: %d bytes, more than %d", len(data), maxProof)
	}
	var p proof.TLogProof
	if err := p.Unmarshal(data); err != nil {
		return 0, Checkpoint{}, fmt.Errorf("check proof: %w", err)
	}
	if !bytes.Equal(p.Marshal(), data) {
		return 0, Checkpoint{}, fmt.Errorf("check proof: not in canonical form")
	}
	if c, err = OpenCheckpoint(p.Checkpoint, log); err != nil {
		return 0, Checkpoint{}, fmt.Errorf("check proof: %w", err)
	}
	position = int64(p.Index)
	if position < 0 || position >= c.Size {
		return 0, Checkpoint{}, fmt.Errorf("check proof: position %d is not in a record of %d entries", p.Index, c.Size)
	}
	path := make(tlog.RecordProof, len(p.Hashes))
	for i, h := range p.Hashes {
		path[i] = h
	}
	if err := tlog.CheckRecord(path, c.Size, c.Root, position, LeafHash(e)); err != nil {
		return 0, Checkpoint{}, fmt.Errorf("check proof: the entry is not at position %d: %w", position, err)
	}
	return position, c, nil
}
