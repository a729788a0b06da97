package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"despatch/internal/matrix"
)

// serverKey reads the key with which this server signs as a Matrix server, or makes one. It is not the record's.
func serverKey(path string) (matrix.KeyID, ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed := make([]byte, ed25519.SeedSize)
		if _, err := rand.Read(seed); err != nil {
			return "", nil, fmt.Errorf("make the server's key: %w", err)
		}
		raw = []byte(base64.RawStdEncoding.EncodeToString(seed) + "\n")
		if err := KeepFile(path, raw); err != nil {
			return "", nil, fmt.Errorf("write the server's key: %w", err)
		}
	} else if err != nil {
		return "", nil, fmt.Errorf("read the server's key: %w", err)
	}
	seed, err := base64.RawStdEncoding.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return "", nil, fmt.Errorf("%s does not hold the server's key; restore it from a backup", path)
	}
	key := ed25519.NewKeyFromSeed(seed)
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return matrix.KeyID("ed25519:" + hex.EncodeToString(sum[:4])), key, nil
}
