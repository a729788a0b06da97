package tox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// qTox encrypts its database with a key made of the profile's password and of the profile's own public
// key, which the first half of a Tox ID is. The profile's file (.tox) has that key too, itself
// encrypted with the same password if there is one.

const (
	saveMagic   = "toxEsave" // a profile encrypted by toxencryptsave
	saveSalt    = 32
	saveNonce   = 24
	plainCookie = 0x15ed1b1f // of a profile that is not encrypted
	maxProfile  = 16 << 20
	// oldSalt was everybody's before November 2016.
	oldSalt = "L'ignorance est le pire des maux"
)

// Bounds of what is tried: each password costs a twentieth of a second with each salt.
const (
	maxSecrets = 50
	maxTries   = 200
)

// toxID is the length of a Tox ID in hexadecimal: the public key, a number against unwanted calls, and a check.
const toxID = 76

func isProfile(head []byte) bool {
	return bytes.HasPrefix(head, []byte(saveMagic)) ||
		len(head) > 16 && binary.LittleEndian.Uint32(head) == 0 && binary.LittleEndian.Uint32(head[4:]) == plainCookie
}

// passKey makes a key of a password: toxencryptsave's pass_key_derive.
func passKey(password string, salt []byte) []byte {
	sum := sha256.Sum256([]byte(password))
	key, err := scrypt.Key(sum[:], salt, 1<<14, 8, 2, 32)
	if err != nil {
		panic(err) // the numbers are right
	}
	return key
}

// publicKeyOf returns the public key in a profile, which a password may be needed for, or nil.
func publicKeyOf(profile []byte, password string) []byte {
	if rest, ok := bytes.CutPrefix(profile, []byte(saveMagic)); ok {
		if len(rest) < saveSalt+saveNonce+secretbox.Overhead {
			return nil
		}
		key := [32]byte(passKey(password, rest[:saveSalt]))
		nonce := [24]byte(rest[saveSalt:])
		open, ok := secretbox.Open(nil, rest[saveSalt+saveNonce:], &nonce, &key)
		if !ok {
			return nil
		}
		profile = open
	}
	if !isProfile(profile) || len(profile) < 8 {
		return nil
	}
	// Sections: length, type, cookie. That of type 1 has four bytes, the public key, and the secret one.
	for b := profile[8:]; len(b) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(b))
		kind := binary.LittleEndian.Uint16(b[4:])
		if n > uint64(len(b)-8) {
			return nil
		}
		if kind == 1 && n >= 36 {
			return bytes.Clone(b[12:44])
		}
		b = b[8+n:]
	}
	return nil
}

// publicKeyIn returns the public key that somebody gave as a Tox ID or by itself, or nil.
func publicKeyIn(secret string) []byte {
	m := keyName.FindStringSubmatch(strings.TrimSpace(secret))
	if m == nil {
		return nil
	}
	b, err := hex.DecodeString(m[1])
	if err != nil {
		return nil
	}
	return b
}

// open opens an encrypted database with what its owner gave: the raw key, or the password with the Tox
// ID or with the profile's file.
func (r *reader) open(m, wal *capture.Member) (*sqlfile.DB, error) {
	secrets := r.opt.Secrets
	if len(secrets) > maxSecrets {
		secrets = secrets[:maxSecrets]
	}
	salts := [][]byte{}
	for _, s := range secrets {
		if k, ok := sqlfile.HexKey(s); ok {
			if fits, err := sqlfile.Fits(r.ctx, m, k); err != nil || fits {
				return r.opened(m, wal, k, err)
			}
		}
		if pk := publicKeyIn(s); pk != nil {
			salts = append(salts, pk)
		}
	}
	for _, p := range r.profiles {
		data, err := beginning(p, maxProfile)
		if err != nil {
			return nil, err
		}
		for _, s := range append([]string{""}, secrets...) {
			if pk := publicKeyOf(data, s); pk != nil {
				salts = append(salts, pk)
				break
			}
		}
	}
	for _, x := range r.Export.Members { // uTox and people name files by public keys
		if pk := publicKeyIn(x.Name); pk != nil && len(salts) < maxSecrets {
			salts = append(salts, pk)
		}
	}
	salts = append(salts, []byte(oldSalt))
	tries := 0
	for _, s := range secrets {
		if publicKeyIn(s) != nil && len(strings.TrimSpace(s)) == toxID {
			continue // nobody's password
		}
		for _, salt := range salts {
			if tries++; tries > maxTries || r.ctx.Err() != nil {
				return nil, r.ctx.Err()
			}
			k := sqlfile.RawKey(passKey(s, salt))
			if fits, err := sqlfile.Fits(r.ctx, m, k); err != nil || fits {
				return r.opened(m, wal, k, err)
			}
		}
	}
	return nil, nil
}

func (r *reader) opened(m, wal *capture.Member, k sqlfile.Key, err error) (*sqlfile.DB, error) {
	if err != nil {
		return nil, err
	}
	return sqlfile.OpenCipher(r.ctx, m, wal, k)
}

// ask asks for what opens a database, or says that what was given does not.
func (r *reader) ask(m *capture.Member) error {
	if len(r.opt.Secrets) > 0 {
		return &capture.FileError{File: m.Label(), Reason: "is encrypted, and none of the passwords given opens it",
			Remedy: "If it is the history of qTox, give the password of the profile and the Tox ID, each by itself, or hand in the profile (NAME.tox) with it."}
	}
	r.Run.Questions = append(r.Run.Questions, capture.Question{About: "secret", Example: tally.Sample(m.Label()), Answers: []capture.Answer{},
		Text: "This looks like an encrypted database, such as that of qTox. What is the password of the profile, and what is the Tox ID? Instead of the ID you can hand in the profile (NAME.tox) with it."})
	r.Export.Aside(m, "encrypted")
	r.Skip("encrypted", m.Label())
	return nil
}
