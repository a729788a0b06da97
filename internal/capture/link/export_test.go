package link

import "context"

// Candidates is how many conversations one would be compared with.
func (s *Service) Candidates(ctx context.Context, scope int64) (int, error) {
	list, err := s.candidates(ctx, scope)
	return len(list), err
}
