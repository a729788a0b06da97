// Package search finds what people said: a full-text index of the record and a small query language.
//
// The index follows the record by a cursor, a little behind it and never in the way of a message. It holds words,
// not texts, and can be thrown away and made again at any time. On SQLite it lies in a file of its own; on
// PostgreSQL it is a table of the same database. Words are cut and folded here, so that both find the same.
//
// What was deleted or has disappeared stays in the index as it stays on the record: [Index.Search] is for officers,
// within the bounds of a case, and who may call it is not decided here. [Index.SearchVisible] is for everybody: it
// finds only what the person can see in the messenger at that moment.
package search
