package search

import (
	"despatch/internal/matrix"
)

// Bounds limit a search whatever its query says. The zero value has none.
type Bounds struct {
	Scopes []int64 // rows of scopes; nil for all, empty for none
	From   int64   // said at or after, in milliseconds; 0 for no bound
	To     int64   // said before; 0 for no bound

	// Size leaves out what was recorded at or after this position; 0 for no bound.
	Size int64
}

// Page says which part of the results is wanted. They come in the order in which things were said, newest first.
type Page struct {
	After string // Results.Next of the page before; "" for the first
	Limit int    // at most MaxPage; 20 if zero
	Count bool   // count all results, up to MaxCount
}

const (
	MaxPage  = 500    // results of one page
	MaxCount = 10_000 // beyond it results are not counted
)

// Results is a page of what was found.
type Results struct {
	Hits []Hit
	Next string // for the page after this; "" if this is the last

	// Total is how many hits there are in all, if it was asked for. If More is set there are more than MaxCount.
	Total int
	More  bool

	// UpTo is the size of the record that the index covers.
	UpTo int64
}

// Hit is an entry that was found.
type Hit struct {
	Pos   int64 // of the entry that has the words
	Item  int64 // of the message it belongs to: another for an edit, else the same
	Scope int64 // the scope's row
	Said  int64 // when it was said, in milliseconds: as recorded, or of a captured message as its source tells
	// Captured says that it was said on another system.
	Captured bool
}

// Conversation is what the index knows of a scope in which things were said.
type Conversation struct {
	Scope    int64
	Name     string // the scope's id: a room's, or "capture:…"
	Title    string // as it is called last; may be empty
	System   string // despatch, whatsapp, …
	Messages int64
	First    int64 // when the first message was said, in milliseconds
	Last     int64
	People   []Party // who said something, most first; at most a few of them
	Parties  int     // how many have
}

// Party is somebody who said something in a conversation.
type Party struct {
	ID       string // a user ID, or the name that another system uses
	Name     string
	Messages int64
}

// User reports whether the party is somebody with an account here.
func (p Party) User() (matrix.UserID, bool) {
	id, err := matrix.ParseUserID(p.ID)
	return id, err == nil
}
