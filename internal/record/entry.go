package record

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Entry is one leaf of the log: a fixed-size commitment to something recorded, never the thing itself.
type Entry struct {
	Time       int64    // milliseconds since 1970 UTC, set by the recorder; never less than the entry before
	ScopeTag   [32]byte // which scope it belongs to, see [ScopeTag]
	Seq        uint64   // its number in that scope, from 0 without gaps
	Kind       Kind
	Commitment [32]byte // to the body, see [Commit]
}

// EntrySize is the length of an entry in bytes.
//
//	offset  length
//	     0       1  version, 1
//	     1       1  kind, not 0
//	     2       8  time, big-endian, not negative
//	    10      32  scope tag
//	    42       8  sequence in the scope, big-endian
//	    50      32  commitment
const EntrySize = 82

const entryVersion = 1

// Append appends the entry's binary form to dst.
func (e *Entry) Append(dst []byte) []byte {
	dst = append(dst, entryVersion, byte(e.Kind))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Time))
	dst = append(dst, e.ScopeTag[:]...)
	dst = binary.BigEndian.AppendUint64(dst, e.Seq)
	return append(dst, e.Commitment[:]...)
}

// ParseEntry reads an entry's binary form. It accepts exactly what [Entry.Append] writes.
func ParseEntry(b []byte) (Entry, error) {
	if len(b) != EntrySize {
		return Entry{}, fmt.Errorf("entry is %d bytes long, want %d", len(b), EntrySize)
	}
	if b[0] != entryVersion {
		return Entry{}, fmt.Errorf("entry has version %d, want %d", b[0], entryVersion)
	}
	e := Entry{
		Kind: Kind(b[1]),
		Time: int64(binary.BigEndian.Uint64(b[2:])),
		Seq:  binary.BigEndian.Uint64(b[42:]),
	}
	if e.Kind == 0 {
		return Entry{}, fmt.Errorf("entry has no kind")
	}
	if e.Time < 0 {
		return Entry{}, fmt.Errorf("entry has a time before 1970")
	}
	copy(e.ScopeTag[:], b[10:])
	copy(e.Commitment[:], b[50:])
	return e, nil
}

// LeafHash returns the hash by which the entry stands in the tree: RFC 9162's SHA-256(0x00 | entry).
func LeafHash(e *Entry) tlog.Hash {
	var buf [1 + EntrySize]byte
	e.Append(buf[:1])
	return sha256.Sum256(buf[:])
}

// The first bytes of what is hashed, so that one sort of hash can never stand for another.
const (
	bodyDomain  = "despatch/body/v1"
	scopeDomain = "despatch/scope/v1"
)

// Commit returns the commitment to a body: SHA-256("despatch/body/v1" | salt | body).
//
// The salt is random, one for each body, and lies beside it. Without it a short body cannot be guessed from its
// commitment; when body and salt are destroyed, nothing can be learnt from what stays in the log.
func Commit(salt *[32]byte, body []byte) [32]byte {
	const prefix = len(bodyDomain) + 32
	// Most bodies fit a buffer on the stack, which spares an allocation and two calls.
	var buf [prefix + 1024]byte
	copy(buf[:], bodyDomain)
	copy(buf[len(bodyDomain):], salt[:])
	if n := copy(buf[prefix:], body); n == len(body) {
		return sha256.Sum256(buf[:prefix+n])
	}
	h := sha256.New()
	h.Write(buf[:prefix])
	h.Write(body)
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// ScopeTag returns the tag under which a scope appears in the log: SHA-256("despatch/scope/v1" | salt | scope).
//
// The salt is random, one for each scope. Whoever is given it can tell which entries belong to the scope; once it is
// destroyed nobody can.
func ScopeTag(salt [32]byte, scope string) [32]byte {
	buf := make([]byte, 0, 128)
	buf = append(buf, scopeDomain...)
	buf = append(buf, salt[:]...)
	buf = append(buf, scope...)
	return sha256.Sum256(buf)
}
