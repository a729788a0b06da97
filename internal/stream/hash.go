package stream

import (
	"crypto/sha256"
	"encoding/binary"

	"despatch/internal/matrix"
)

// SenderHash is the short hash by which the store tells senders apart when it counts.
func SenderHash(id matrix.UserID) int64 {
	h := sha256.Sum256([]byte(id))
	return int64(binary.BigEndian.Uint64(h[:8]))
}
