package mailin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/text/unicode/norm"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Bounds of what a person may claim.
const (
	maxAddresses = 20
	maxClaims    = 5
	maxTries     = 5
	codeLasts    = time.Hour
	claimEvery   = 10 * time.Minute // at most one code in this time to the same address
)

// Fold returns an address as it is compared, or "" if it is none: composed, in small letters, without
// spaces around it.
func Fold(address string) string {
	a := strings.ToLower(norm.NFC.String(strings.TrimSpace(address)))
	local, domain, ok := strings.Cut(a, "@")
	if !ok || local == "" || !strings.Contains(domain, ".") && domain != "localhost" || strings.Contains(domain, "@") || len(a) > maxFolded {
		return ""
	}
	for _, r := range a {
		if r <= ' ' || r == 0x7F || strings.ContainsRune(`<>()[]",;:\`, r) {
			return ""
		}
	}
	return a
}

// change is the body of an entry about an address.
type change struct {
	Type    string `json:"type"` // person.mail.added or person.mail.removed
	Person  string `json:"person"`
	By      string `json:"by"`
	Address string `json:"address"`
}

func put(b *recorder.Batch, c change) error {
	body, err := json.Marshal(c)
	if err == nil {
		body, err = matrix.Canonical(nil, body)
	}
	if err != nil {
		return fmt.Errorf("encode %s: %w", c.Type, err)
	}
	b.Append(recorder.Entry{Scope: identity.Scope, Kind: record.KindPerson, Body: body})
	return nil
}

// Addresses returns a person's addresses; everybody's, at most a thousand, if person is empty.
func (s *Service) Addresses(ctx context.Context, person matrix.UserID) ([]store.MailAddress, error) {
	return store.MailAddresses(ctx, s.DB.Reader(), string(person), 1000)
}

// Add makes an address known as somebody's, on the word of the IT desk. Whether by may do so, the caller
// has checked. It is one person's only.
func (s *Service) Add(ctx context.Context, by string, person matrix.UserID, address string) error {
	folded := Fold(address)
	if folded == "" {
		return httpd.InvalidParam("“%s” is not an address such as asha@example.gov.uk.", address)
	}
	return s.Record.Do(ctx, func(b *recorder.Batch) error { return s.add(b, by, person, folded) })
}

func (s *Service) add(b *recorder.Batch, by string, person matrix.UserID, address string) error {
	ctx, tx := b.Context(), b.Tx()
	if _, err := store.PersonByID(ctx, tx, string(person)); errors.Is(err, store.ErrNotFound) {
		return httpd.NotFound("There is nobody called %s here.", person)
	} else if err != nil {
		return err
	}
	switch have, err := store.MailAddressOf(ctx, tx, address); {
	case err == nil && have.Person == string(person):
		return nil
	case err == nil:
		return httpd.Forbidden("That address is known as somebody else’s. The IT desk can change it.")
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	list, err := store.MailAddresses(ctx, tx, string(person), maxAddresses)
	if err != nil {
		return err
	}
	if len(list) >= maxAddresses {
		return httpd.Forbidden("A person has %d addresses at most.", maxAddresses)
	}
	if err := store.PutMailAddress(ctx, tx, store.MailAddress{Address: address, Person: string(person), AddedAt: b.Now(), AddedBy: by}); err != nil {
		return err
	}
	return put(b, change{"person.mail.added", string(person), by, address})
}

// Remove makes an address unknown. Only a person's own can be removed in their name.
func (s *Service) Remove(ctx context.Context, by string, person matrix.UserID, address string) error {
	folded := Fold(address)
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		have, err := store.MailAddressOf(b.Context(), b.Tx(), folded)
		if errors.Is(err, store.ErrNotFound) || err == nil && have.Person != string(person) {
			return httpd.NotFound("%s has no address “%s”.", person, address)
		}
		if err == nil {
			err = store.DeleteMailAddress(b.Context(), b.Tx(), folded)
		}
		if err != nil {
			return err
		}
		return put(b, change{"person.mail.removed", string(person), by, folded})
	})
}

// Claim sends a code to an address that somebody says is theirs.
func (s *Service) Claim(ctx context.Context, person matrix.UserID, address string) error {
	folded := Fold(address)
	if folded == "" {
		return httpd.InvalidParam("“%s” is not an address such as asha@example.gov.uk.", address)
	}
	if s.Settings.Relay == "" {
		return httpd.Forbidden("This server sends no mail, so it cannot check an address. Ask the IT desk to add it.")
	}
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%08d", n)
	err = s.Record.Do(ctx, func(b *recorder.Batch) error {
		switch c, err := store.MailClaimOf(b.Context(), b.Tx(), string(person), folded); {
		case err == nil && c.ExpiresAt > b.Now()+(codeLasts-claimEvery).Milliseconds():
			return httpd.Forbidden("A code was sent there less than ten minutes ago. Look for it, also among what was taken for spam.")
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return err
		}
		n, err := store.CountMailClaims(b.Context(), b.Tx(), string(person), b.Now())
		if err != nil {
			return err
		}
		if n >= maxClaims {
			return httpd.Forbidden("You have asked for many codes. Use one of them, or try again in an hour.")
		}
		return store.PutMailClaim(b.Context(), b.Tx(), store.MailClaim{Person: string(person), Address: folded, Code: hash(code), ExpiresAt: b.Now() + codeLasts.Milliseconds()}, b.Now())
	})
	if err != nil {
		return err
	}
	s.send(letter{to: folded, subject: "Your code for Despatch: " + code, body: []string{
		"Somebody who is signed in to Despatch at " + s.domain() + " as " + person.Localpart() + " says that this is their address.",
		"If that is you, enter this code there within an hour: " + code,
		"Mails that you then send from here to " + s.Settings.Address + " are taken onto the record.",
		"If it is not you, do nothing."}})
	return nil
}

// Confirm makes an address known as somebody's who has the code that was sent there.
func (s *Service) Confirm(ctx context.Context, person matrix.UserID, address, code string) error {
	folded := Fold(address)
	wrong := httpd.Forbidden("This is not the code, or it is too old. Ask for a new one if need be.")
	fits := false
	err := s.Record.Do(ctx, func(b *recorder.Batch) error {
		fits = false
		ctx, tx := b.Context(), b.Tx()
		c, err := store.MailClaimOf(ctx, tx, string(person), folded)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || c.ExpiresAt < b.Now() || c.Tries >= maxTries {
			return err
		}
		if subtle.ConstantTimeCompare(c.Code, hash(strings.TrimSpace(code))) != 1 {
			c.Tries++
			return store.PutMailClaim(ctx, tx, c, b.Now())
		}
		fits = true
		if err := store.DeleteMailClaim(ctx, tx, string(person), folded); err != nil {
			return err
		}
		return s.add(b, string(person), person, folded)
	})
	if err == nil && !fits {
		return wrong
	}
	return err
}

func hash(code string) []byte {
	h := sha256.Sum256([]byte("despatch/mail-code/1\x00" + code))
	return h[:]
}

func (s *Service) domain() string {
	_, d, _ := strings.Cut(s.Settings.Address, "@")
	return d
}
