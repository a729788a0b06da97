package search

// Query is what somebody looks for, see [Parse].
type Query struct {
	text string
}

// String returns the query as it was written.
func (q *Query) String() string { return q.text }

// SyntaxError says what is wrong with a query, in words for who wrote it.
type SyntaxError struct {
	At      int    // in runes
	Message string // "There is no end to the quotation that begins with “harbour”."
}

func (e *SyntaxError) Error() string { return e.Message }

// Parse reads a query:
//
//	harbour contract      both words, in any order
//	"harbour contract"    exactly these words, one after the other
//	-draft                not this word or "phrase"
//	contract*             words that begin so
//	from:asha             said by somebody of that name or user ID; from:"Asha Rao"
//	in:fisheries          in a conversation of that name or ID; in:"harbour board"
//	after:2026-01-31      said on that day or later
//	before:2026-03-01     said before that day
//	on:2026-02-14         said on that day
//	has:file              with a file
//	type:captured         captured from another system; type:native for Despatch's own
//
// Capitals and accents make no difference. A query must have at least one word or filter that is not negated. The
// error is a [*SyntaxError].
func Parse(text string) (*Query, error) { return nil, errNotYet }
