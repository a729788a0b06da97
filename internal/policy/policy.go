// Package policy holds the rules that a department sets for conversations, as functions of facts and a
// time: how they are marked, what may not be said here, how long messages stay on devices.
//
// It has no SQL, no HTTP and no clock, and it never decides what the record keeps.
package policy
