package disclosure

import (
	"context"
	"io"

	"despatch/internal/matrix"
	"despatch/internal/record/bundle"
)

// Bundle is a bundle that was made of a case.
type Bundle struct {
	ID     string
	Case   string
	File   string // its name for whoever saves it: "FOI-2026-0001.zip"
	Size   int64  // in bytes
	SHA256 string
	Totals bundle.Totals
	Digest string // of the decisions that it is made of
	MadeAt int64
	MadeBy matrix.UserID
	Entry  int64 // its position on the record
	Kept   bool  // the file is still here
}

// Bundle makes the bundle of an approved case. It takes about ten seconds for 100 000 messages; progress, if not nil,
// is called now and then. The bundle is kept for download, and its making is on the record with its hash. If ctx ends
// nothing is kept.
func (s *Service) Bundle(ctx context.Context, by matrix.UserID, id string, progress func(done, total int)) (*Bundle, error) {
	return nil, errNotYet
}

// Bundles lists the bundles of a case, newest first; see [Service.Cases] for whom.
func (s *Service) Bundles(ctx context.Context, who matrix.UserID, id string) ([]*Bundle, error) {
	return nil, errNotYet
}

// OpenBundle opens a bundle for download: for the officers of its case and approvers. It is recorded.
func (s *Service) OpenBundle(ctx context.Context, who matrix.UserID, id, bundleID string) (*Bundle, io.ReadSeekCloser, error) {
	return nil, nil, errNotYet
}
