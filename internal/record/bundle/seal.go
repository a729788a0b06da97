package bundle

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// What a seal is over. The name stands in what is signed, so that one sort cannot be shown as another.
const (
	sealHeader       = "header"
	sealConversation = "conversation"
	sealItem         = "item"
)

// sealText is what is signed: the sort, the bundle, and the hash of the thing. For an item that is its line without
// the seal and, each after a newline, the lines of its entries. It cannot be mistaken for a checkpoint.
func sealText(sort, bundle string, thing []byte) []byte {
	return fmt.Appendf(nil, "despatch bundle %s v1\n%s\n%x\n", sort, bundle, sha256.Sum256(thing))
}

func (b *Writer) seal(sort string, thing []byte) (string, error) {
	sig, err := b.opt.Signer.Sign(sealText(sort, b.opt.Header.Bundle, thing))
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", sort, err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

func sealHolds(v note.Verifier, sort, bundle string, thing []byte, seal string) bool {
	sig, err := base64.StdEncoding.DecodeString(seal)
	return err == nil && v.Verify(sealText(sort, bundle, thing), sig)
}
