package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
)

// Cost is how much work and memory argon2id takes for a password.
type Cost struct {
	Memory uint32 // KiB
	Passes uint32
}

// DefaultCost takes 19 MiB and, on the machine that doc/performance.md was measured on, about 60 ms.
var DefaultCost = Cost{Memory: 19 << 10, Passes: 3}

const (
	minPassword = 12   // characters
	maxPassword = 1024 // bytes
	saltSize    = 16
	keySize     = 32
	// maxWaiting bounds those who wait for a hash: a flood of sign-ins is refused and not queued.
	maxWaiting = 64
)

// hashing bounds the memory that hashing takes, by doing few at a time.
type hashing struct {
	cost    Cost
	slots   chan struct{}
	waiting atomic.Int32
	done    atomic.Int64
}

// key derives a key when there is a free place.
func (h *hashing) key(ctx context.Context, password string, salt []byte, cost Cost, size int) ([]byte, error) {
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return nil, httpd.LimitExceeded(2*time.Second, "Too many people are signing in at once. Try again in a moment.")
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots; h.tidyLater() }()
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, cost.Passes, cost.Memory, 1, uint32(size)), nil
}

// tidyAfter is how long nobody has signed in when the memory that it took is given back.
const tidyAfter = 3 * time.Second

// tidyLater gives the memory that hashing took back to the system once no more is needed for a while: it is
// as much as the rest of the server uses, and the runtime would keep it.
func (h *hashing) tidyLater() {
	n := h.done.Add(1)
	time.AfterFunc(tidyAfter, func() {
		if h.done.Load() == n {
			debug.FreeOSMemory()
		}
	})
}

// hash returns the hash of a password in the usual form, $argon2id$v=19$m=…,t=…,p=1$salt$key.
func (h *hashing) hash(ctx context.Context, rand io.Reader, password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	key, err := h.key(ctx, password, salt, h.cost, keySize)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", h.cost.Memory, h.cost.Passes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// check reports whether a password has a hash. Without a hash it does the same work and says no, so that
// the time taken does not tell which accounts exist.
func (h *hashing) check(ctx context.Context, password, hash string) (ok, weak bool, err error) {
	cost, salt, want, err := parseHash(hash)
	if hash == "" {
		cost, salt, want = h.cost, make([]byte, saltSize), make([]byte, keySize)
	} else if err != nil {
		return false, false, err
	}
	if len(password) > maxPassword {
		password = "" // which has no hash, see checkPassword
	}
	got, err := h.key(ctx, password, salt, cost, len(want))
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, want) == 1 && hash != ""
	return ok, cost != h.cost, nil
}

// parseHash takes a hash apart. What it returns is bounded, whatever the database holds.
func parseHash(hash string) (cost Cost, salt, key []byte, err error) {
	bad := func(what string) (Cost, []byte, []byte, error) {
		return Cost{}, nil, nil, fmt.Errorf("stored password hash: %s", what)
	}
	f := strings.Split(hash, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != "v=19" {
		return bad("not argon2id version 19")
	}
	params := strings.Split(f[3], ",")
	if len(params) != 3 || params[2] != "p=1" {
		return bad("parameters")
	}
	m, okM := strings.CutPrefix(params[0], "m=")
	t, okT := strings.CutPrefix(params[1], "t=")
	memory, errM := strconv.ParseUint(m, 10, 32)
	passes, errT := strconv.ParseUint(t, 10, 32)
	if !okM || !okT || errM != nil || errT != nil || memory < 8 || memory > 1<<20 || passes < 1 || passes > 100 {
		return bad("parameters")
	}
	if salt, err = base64.RawStdEncoding.DecodeString(f[4]); err != nil || len(salt) < 8 || len(salt) > 64 {
		return bad("salt")
	}
	if key, err = base64.RawStdEncoding.DecodeString(f[5]); err != nil || len(key) < 16 || len(key) > 64 {
		return bad("key")
	}
	return Cost{Memory: uint32(memory), Passes: uint32(passes)}, salt, key, nil
}

// common are beginnings of what people choose when a password must be long.
var common = []string{"password", "passw0rd", "p@ssw", "letmein", "qwerty", "qwertz", "azerty", "welcome", "changeme",
	"administrator", "iloveyou", "1234", "abcdef", "abc123", "asdf", "zaq1", "1q2w3e", "0987", "monday", "summer", "winter", "liverpool", "arsenal"}

// checkPassword refuses a password that would be guessed early.
func (s *Service) checkPassword(password string, user matrix.UserID) error {
	switch {
	case !utf8.ValidString(password) || strings.IndexByte(password, 0) >= 0:
		return httpd.WeakPassword("That password is not text.")
	case len(password) > 0 && len(password) <= maxPassword && s.opt.AnyPassword:
		return nil
	case utf8.RuneCountInString(password) < minPassword:
		return httpd.WeakPassword("A password needs %d characters at least. Three words that do not belong together do well.", minPassword)
	case len(password) > maxPassword:
		return httpd.WeakPassword("A password can be %d bytes long at most.", maxPassword)
	}
	lower := strings.ToLower(password)
	distinct := make(map[rune]bool)
	for _, r := range lower {
		distinct[r] = true
	}
	if len(distinct) < 5 {
		return httpd.WeakPassword("That password has too few different characters.")
	}
	rest := lower
	for _, c := range append(common, strings.ToLower(user.Localpart()), strings.ToLower(string(user.Server())), "despatch") {
		if len(c) >= 3 {
			rest = strings.ReplaceAll(rest, c, "")
		}
	}
	if utf8.RuneCountInString(rest) < minPassword-4 {
		return httpd.WeakPassword("That password would be guessed early. Three words that do not belong together do well.")
	}
	return nil
}
