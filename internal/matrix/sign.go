package matrix

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
)

// KeyID is a signing key identifier such as "ed25519:a1": the algorithm and a version that the server chose.
type KeyID string

// keyAlgorithm is the only signing algorithm of the specification.
const keyAlgorithm = "ed25519:"

// ParseKeyID checks that s identifies an Ed25519 key (Server-Server API, "Publishing Keys": the version
// consists of a-z, A-Z, 0-9 and _).
func ParseKeyID(s string) (KeyID, error) {
	version, ok := strings.CutPrefix(s, keyAlgorithm)
	if !ok || version == "" || len(s) > MaxIDSize {
		return "", fmt.Errorf("key ID %.300q: not ed25519 and a version: %w", s, ErrInvalid)
	}
	for i := 0; i < len(version); i++ {
		if c := version[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_') {
			return "", fmt.Errorf("key ID %q: %q may not be in a version: %w", s, c, ErrInvalid)
		}
	}
	return KeyID(s), nil
}

// SignJSON returns the object, as canonical JSON, with a signature of entity added (Appendices, "Signing
// Details"). Signatures and unsigned data that it has are kept and not covered.
func SignJSON(object []byte, entity string, id KeyID, key ed25519.PrivateKey) ([]byte, error) {
	canonical, err := canonicalObject(object)
	if err != nil {
		return nil, fmt.Errorf("sign as %s: %w", entity, err)
	}
	signature := ed25519.Sign(key, without(canonical, "signatures", "unsigned"))
	return withSignature(canonical, entity, id, signature)
}

// VerifyJSON checks entity's signature with a key (Appendices, "Checking for a Signature").
func VerifyJSON(object []byte, entity string, id KeyID, key ed25519.PublicKey) error {
	canonical, err := canonicalObject(object)
	if err != nil {
		return fmt.Errorf("verify signature of %s: %w", entity, err)
	}
	return verify(canonical, without(canonical, "signatures", "unsigned"), entity, id, key)
}

// SignEvent returns an event in the federation format, with its content hash set and a signature of server
// over its redacted form added (Server-Server API, "Adding hashes and signatures to outgoing events").
func SignEvent(v RoomVersion, event []byte, server ServerName, id KeyID, key ed25519.PrivateKey) ([]byte, error) {
	canonical, err := canonicalObject(event)
	if err != nil {
		return nil, fmt.Errorf("sign event as %s: %w", server, err)
	}
	hash := contentHash(without(canonical, "signatures", "unsigned"))
	canonical = with(canonical, "hashes", []byte(`{"sha256":"`+hash+`"}`))
	signature := ed25519.Sign(key, appendRedacted(nil, v, canonical, nil))
	return withSignature(canonical, string(server), id, signature)
}

// VerifyEvent checks server's signature on an event in the federation format, which may be the whole event or
// its redacted form.
func VerifyEvent(v RoomVersion, event []byte, server ServerName, id KeyID, key ed25519.PublicKey) error {
	canonical, err := canonicalObject(event)
	if err != nil {
		return fmt.Errorf("verify event of %s: %w", server, err)
	}
	return verify(canonical, appendRedacted(nil, v, canonical, nil), string(server), id, key)
}

// DecodeBase64 decodes base64 as the specification has it for binary data: the standard alphabet, with or
// without padding.
func DecodeBase64(s string) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(trimPadding(s))
	if err != nil {
		return nil, fmt.Errorf("decode base64: %w: %w", err, ErrInvalid)
	}
	return b, nil
}

// canonicalObject is [Canonical] for something that has to be an object.
func canonicalObject(json []byte) ([]byte, error) {
	canonical, err := Canonical(make([]byte, 0, len(json)), json)
	if err != nil {
		return nil, err
	}
	if canonical[0] != '{' {
		return nil, fmt.Errorf("not an object: %w", ErrBadJSON)
	}
	return canonical, nil
}

func withSignature(canonical []byte, entity string, id KeyID, signature []byte) ([]byte, error) {
	all := Lookup(canonical, "signatures")
	if all == nil {
		all = []byte("{}")
	}
	own := Lookup(all, entity)
	if own == nil {
		own = []byte("{}")
	}
	if all[0] != '{' || own[0] != '{' {
		return nil, fmt.Errorf("sign as %s: signatures is not an object of objects: %w", entity, ErrBadJSON)
	}
	own = with(own, string(id), AppendString(nil, base64.RawStdEncoding.EncodeToString(signature)))
	return with(canonical, "signatures", with(all, entity, own)), nil
}

func verify(canonical, covered []byte, entity string, id KeyID, key ed25519.PublicKey) error {
	text, ok := LookupString(canonical, "signatures", entity, string(id))
	if !ok {
		return fmt.Errorf("no signature of %s with %s: %w", entity, id, ErrSignature)
	}
	signature, err := DecodeBase64(text)
	if err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, covered, signature) {
		return fmt.Errorf("signature of %s with %s does not verify: %w", entity, id, ErrSignature)
	}
	return nil
}
