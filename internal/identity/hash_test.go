package identity_test

import (
	"testing"

	"despatch/internal/identity"
)

func FuzzParseHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=3,p=1$c2FsdHNhbHRzYWx0c2E$a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=1$$")
	f.Fuzz(func(t *testing.T, hash string) { identity.ParseHash(hash) })
}
