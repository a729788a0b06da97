// Package bundle is the disclosure bundle: what leaves the department when it discloses part of its record, and how
// whoever receives it checks it without trusting anybody there.
//
// A bundle is a zip file:
//
//	README.txt            what this is and how to check it, in plain words
//	index.html            the disclosed messages to read and print; with many items, a contents page for
//	pages/0001.html …     … these
//	messages.csv          the same for a spreadsheet
//	rsmf/0001.rsmf …      the same for e-discovery tools: Relativity Short Message Format 2.0
//	items.json            every item: released, redacted or withheld, with reasons. All files above are made from it
//	media/…               attached files
//	proof/entries.jsonl   for every item, its entries on the record; for released ones the recorded bodies too
//	proof/inclusion       the Merkle proof that all those entries are in the log, see [record.RootOfMany]
//	proof/checkpoint      the signed size and root of the log
//	proof/log.vkey        the log's public key
//	manifest.json         SHA-256 of every file
//	manifest.note         a signed note over the manifest
//
// What a reader sees is checked in three steps. The readable files are made again from items.json and must be the
// same byte for byte. A released item in items.json is derived again from its recorded bodies and must be the same.
// The bodies must be those that the entries commit to, and the entries must be in the log that the checkpoint signs.
//
// What is proven differs by item. A released item is genuine: it is what was recorded. Of a redacted item the log
// proves that it exists, where, and when; what is left of its text is attested by the department's signature and not
// proven, because the commitment is to the whole body and showing body and salt would show what was redacted. Of a
// withheld item the log proves that it exists, where, and when; the reasons are attested.
//
// (A commitment over many small salted segments would prove redacted text as well. It was weighed and left: with a
// segment a word it costs about ten times the hashing on the one path every message takes, makes verifying a whole
// record as much slower, and in a short message a segment that is left over says little.)
//
// Each item carries a seal, a signature over its line and its entries. Where the signed manifest holds, seals are not
// looked at. Where it does not, they tell which items were changed.
//
// The package is pure: it opens no files and knows no store.
package bundle
