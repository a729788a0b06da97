package identity

import "context"

// Tidy does once what Run does every minute.
func (s *Service) Tidy(ctx context.Context) { s.tidy(ctx) }

// ParseHash reports whether a stored hash can be read.
func ParseHash(hash string) error {
	_, _, _, err := parseHash(hash)
	return err
}
