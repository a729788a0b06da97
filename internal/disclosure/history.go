package disclosure

import (
	"context"

	"despatch/internal/matrix"
	"despatch/internal/record"
)

// Event is an entry of a case in plain words.
type Event struct {
	Position int64
	Time     int64
	Kind     record.Kind
	By       matrix.UserID
	Name     string // of By, as they are called now
	Words    string // "searched for “harbour”: 12 found", to be read after the name
}

// History returns the entries of a case, newest first, at most limit of them with a position before before (0 for the
// end). For the officers of the case, approvers, and auditors.
func (s *Service) History(ctx context.Context, who matrix.UserID, id string, before int64, limit int) ([]Event, error) {
	return nil, errNotYet
}
