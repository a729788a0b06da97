package disclosure

import (
	"context"

	"despatch/internal/matrix"
	"despatch/internal/record/bundle"
)

// Item is one message of any origin with its edits, reactions, deletion and attachments, as the record has it.
type Item struct {
	Position     int64
	Scope        string // the conversation's id on the record
	Conversation string // its title
	System       string // despatch, whatsapp, …
	Recorded     int64  // milliseconds
	Said         int64  // milliseconds; of a captured message as exactly as it is known

	bundle.Content      // ID, Type, Sent, Sender, SenderName, ReplyTo, Text, Edits, Deleted, Reactions, Attachments
	Expired        bool // it disappeared by its timer; Deleted then says when
	Destroyed      bool // its body was lawfully destroyed: only the entry is left

	Collected bool      // it is an item of the case
	Decision  *Decision // nil if undecided

	parts []bundle.Part
	salt  [32]byte // of the scope
	room  string   // room version
}

// Results is a page of what a search found.
type Results struct {
	Items []*Item // newest first
	Next  string  // for the page after this; "" if this is the last
	Total int     // of messages and edits found
	More  bool    // there are more than Total
	UpTo  int64   // the size of the record that was searched
	Entry int64   // the position of the search's own entry on the record
}

// PageSize is how many items a page of results or of a case has.
const PageSize = 50

// Search searches the record within the case's bounds. An empty query finds everything within them. The search is on
// the record before anything is returned: who, what, how many hits, and which messages were shown. A bad query fails
// with a [*search.SyntaxError].
func (s *Service) Search(ctx context.Context, who matrix.UserID, id, query, after string) (*Results, error) {
	return nil, errNotYet
}

// Collect takes messages, by their positions, into the case and returns how many were not in it yet. Each must lie
// within the case's bounds.
func (s *Service) Collect(ctx context.Context, who matrix.UserID, id string, positions []int64) (added int, err error) {
	return 0, errNotYet
}

// CollectAll takes everything that a query finds into the case. It is recorded as a search and as a collection.
func (s *Service) CollectAll(ctx context.Context, who matrix.UserID, id, query string) (found, added int, err error) {
	return 0, 0, errNotYet
}

// ItemFilter chooses items of a case.
type ItemFilter struct {
	Outcome   Outcome // "" for all
	Undecided bool    // only those
	Scope     string  // only of this conversation; "" for all
}

// Items is a page of the items of a case, in order of position. Next is the after of the page after it, 0 at the end.
// For the officers of the case, and for approvers while it waits for them. Which items were opened is recorded before
// they are returned.
func (s *Service) Items(ctx context.Context, who matrix.UserID, id string, f ItemFilter, after int64) (items []*Item, next int64, err error) {
	return nil, 0, errNotYet
}

// Item returns one item of a case and what was decided about it before, newest first. It is recorded like [Service.Items].
func (s *Service) Item(ctx context.Context, who matrix.UserID, id string, position int64) (*Item, []Decision, error) {
	return nil, nil, errNotYet
}

// Around returns the messages of a conversation before and after one, for its context: those within the case's
// bounds, collected or not. It is recorded.
func (s *Service) Around(ctx context.Context, who matrix.UserID, id string, position int64) ([]*Item, error) {
	return nil, errNotYet
}
