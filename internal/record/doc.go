// Package record is the mathematics of the record: what an entry is, how it is committed to without revealing it,
// the Merkle tree over all entries, signed checkpoints of that tree, and proofs against them.
//
// The record is one append-only log. Its leaves hold no content. A leaf is an [Entry]: a time, a salted hash of the
// scope the entry belongs to, a sequence number in that scope, a kind, and a salted hash of the body. Body and salt lie
// beside the log and can be lawfully destroyed; the log still verifies, and what was destroyed cannot be guessed back.
//
// Formats are public ones, so that another party's tools can check our work: RFC 9162 Merkle trees, and from C2SP
// signed notes, tlog-checkpoint, tlog-tiles and tlog-proof.
//
// The package has no SQL and opens no files: callers pass [Tiles] and iterators. Nothing here is safe for concurrent
// use unless it says so.
package record
