package disclosure

import (
	"context"

	"despatch/internal/matrix"
)

// Outcome is what is decided about an item.
type Outcome string

const (
	Release  Outcome = "release"
	Redact   Outcome = "redact"
	Withhold Outcome = "withhold"
)

// Span is a passage of an item's text that is taken out.
type Span struct {
	Edit  int      `json:"edit,omitzero"`   // 0 for the text itself, n for its nth edit
	Start int      `json:"start"`           // in runes
	End   int      `json:"end"`             // one past the last
	Codes []string `json:"codes,omitempty"` // why; the decision's codes if empty
}

// Decision is what somebody decided about an item.
type Decision struct {
	Outcome Outcome  `json:"outcome"`
	Codes   []string `json:"codes,omitempty"` // of exemptions, see [Exemptions]; needed unless released
	Spans   []Span   `json:"spans,omitempty"` // if redacted

	// What else is taken out of a redacted item. Attached files are, unless KeepFiles.
	HideSender bool `json:"hide_sender,omitzero"`
	KeepFiles  bool `json:"keep_files,omitzero"`

	Note   string `json:"note,omitempty"`   // for the case; never disclosed
	Public string `json:"public,omitempty"` // to the reader of the bundle

	By    matrix.UserID `json:"-"`
	At    int64         `json:"-"`
	Entry int64         `json:"-"` // its position on the record
}

// Decide decides about items of the case, by their positions: all in the same way. Spans are only for one at a time.
// An earlier decision is replaced and stays in the history. If the case was submitted or approved, it is open again.
// Only an officer of the case may.
func (s *Service) Decide(ctx context.Context, by matrix.UserID, id string, positions []int64, d Decision) error {
	return errNotYet
}

// DecideAll decides about all items of a case that a filter chooses, and returns how many that were.
func (s *Service) DecideAll(ctx context.Context, by matrix.UserID, id string, f ItemFilter, d Decision) (int, error) {
	return 0, errNotYet
}
