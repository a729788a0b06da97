// Package appservice connects Despatch with application services: programs, such as bridges to other
// messengers, that speak for many people at once (Matrix Application Service API).
//
// It reads their registrations, says in whose names each may speak, and sends each what concerns it, in
// the order of the record and without losing or doubling anything. It does not decide what may be said:
// what a service sends goes through the same rules as what anybody sends.
package appservice

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"despatch/internal/matrix"
)

// Registration is what the administrator has agreed with an application service (Application Service API,
// "Registration").
type Registration struct {
	ID              string
	URL             string // "" for a service that is sent nothing
	ASToken         string // the service shows it to the server
	HSToken         string // and the server it to the service
	SenderLocalpart string
	RateLimited     bool
	Ephemeral       bool // receipts and typing are sent too
	unstable        bool // under the name that they had before
	ToDevice        bool // messages to devices are sent too (MSC2409, MSC3202)
	Protocols       []string

	Users, Aliases, Rooms []Namespace
}

// Namespace is a set of names.
type Namespace struct {
	Exclusive bool // nobody else may use them
	pattern   *regexp.Regexp
}

// Bounds of a registration.
const (
	maxFile       = 1 << 20
	maxNamespaces = 100
	maxPattern    = 1000
	minToken      = 16 // bytes; shorter ones could be guessed
	maxToken      = 512
)

// file is the form of a registration.
type file struct {
	ID              string   `yaml:"id"`
	URL             *string  `yaml:"url"`
	ASToken         string   `yaml:"as_token"`
	HSToken         string   `yaml:"hs_token"`
	SenderLocalpart string   `yaml:"sender_localpart"`
	RateLimited     *bool    `yaml:"rate_limited"`
	Protocols       []string `yaml:"protocols"`
	Ephemeral       bool     `yaml:"receive_ephemeral"`
	MSC2409         bool     `yaml:"de.sorunome.msc2409.push_ephemeral"`
	MSC3202         bool     `yaml:"org.matrix.msc3202"`
	Namespaces      struct {
		Users   []namespace `yaml:"users"`
		Aliases []namespace `yaml:"aliases"`
		Rooms   []namespace `yaml:"rooms"`
	} `yaml:"namespaces"`
}

type namespace struct {
	Regex     string `yaml:"regex"`
	Exclusive bool   `yaml:"exclusive"`
}

// ErrRegistration is wrapped by every error about what a registration says.
var ErrRegistration = errors.New("not a registration of an application service")

// Parse reads a registration, YAML of at most 1 MiB. Fields that are not known are for others.
func Parse(text []byte) (*Registration, error) {
	bad := func(format string, args ...any) (*Registration, error) {
		return nil, fmt.Errorf("%w: %s", ErrRegistration, fmt.Sprintf(format, args...))
	}
	if len(text) > maxFile {
		return bad("it has more than %d bytes", maxFile)
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&f); err != nil {
		return bad("%v", err)
	}
	// Some bridges draw it by lot, capitals and all; user names have small letters only.
	f.SenderLocalpart = strings.ToLower(f.SenderLocalpart)
	r := &Registration{ID: f.ID, ASToken: f.ASToken, HSToken: f.HSToken, SenderLocalpart: f.SenderLocalpart,
		RateLimited: f.RateLimited == nil || *f.RateLimited, Ephemeral: f.Ephemeral || f.MSC2409, unstable: !f.Ephemeral,
		ToDevice: f.MSC3202, Protocols: f.Protocols}
	switch {
	case r.ID == "" || len(r.ID) > matrix.MaxIDSize || strings.ContainsFunc(r.ID, func(c rune) bool { return c < ' ' || c == '/' || c == 0xfffd }):
		return bad("its id is empty, too long, or has characters that cannot be in one")
	case len(f.ASToken) < minToken || len(f.HSToken) < minToken:
		return bad("as_token and hs_token have at least %d characters each", minToken)
	case len(f.ASToken) > maxToken || len(f.HSToken) > maxToken:
		return bad("as_token and hs_token have at most %d characters each", maxToken)
	case f.ASToken == f.HSToken:
		return bad("as_token and hs_token are the same")
	case f.SenderLocalpart == "":
		return bad("it has no sender_localpart")
	}
	if _, err := matrix.NewUserID(f.SenderLocalpart, "example.org"); err != nil {
		return bad("sender_localpart %q cannot be a user name: use small letters, digits, and . _ = - / +", f.SenderLocalpart)
	}
	if f.URL != nil && *f.URL != "" {
		u, err := url.Parse(*f.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return bad("its url is not one of http or https; write null if it is to be sent nothing")
		}
		r.URL = strings.TrimRight(*f.URL, "/")
	}
	for _, part := range []struct {
		name string
		in   []namespace
		out  *[]Namespace
	}{{"users", f.Namespaces.Users, &r.Users}, {"aliases", f.Namespaces.Aliases, &r.Aliases}, {"rooms", f.Namespaces.Rooms, &r.Rooms}} {
		if len(part.in) > maxNamespaces {
			return bad("namespaces.%s has more than %d entries", part.name, maxNamespaces)
		}
		for _, n := range part.in {
			if len(n.Regex) > maxPattern {
				return bad("a pattern in namespaces.%s has more than %d characters", part.name, maxPattern)
			}
			// From the beginning, as other servers have it; to the end only if the pattern says so.
			p, err := regexp.Compile(`^(?:` + n.Regex + `)`)
			if err != nil || n.Regex == "" {
				return bad("%q in namespaces.%s is not a regular expression", n.Regex, part.name)
			}
			*part.out = append(*part.out, Namespace{n.Exclusive, p})
		}
	}
	return r, nil
}

// Load reads the registrations in some files. No two may have the same id or the same token.
func Load(paths []string) ([]*Registration, error) {
	var out []*Registration
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.Size() > maxFile {
			err = fmt.Errorf("%w: it has more than %d bytes", ErrRegistration, maxFile)
		}
		if err != nil {
			return nil, fmt.Errorf("read the registration %s: %w", path, err)
		}
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, fmt.Errorf("read the registration %s: %w", path, err)
		}
		r, err := Parse(text)
		if err != nil {
			return nil, fmt.Errorf("read the registration %s: %w", path, err)
		}
		for _, other := range out {
			if other.ID == r.ID || other.ASToken == r.ASToken || other.HSToken == r.HSToken {
				return nil, fmt.Errorf("read the registration %s: %w: it has the id or a token of %q", path, ErrRegistration, other.ID)
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Registration) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// matches reports whether a name is in one of some namespaces, and whether in an exclusive one.
func matches(in []Namespace, name string) (yes, exclusive bool) {
	for _, n := range in {
		if n.pattern.MatchString(name) {
			yes, exclusive = true, exclusive || n.Exclusive
		}
	}
	return yes, exclusive
}
