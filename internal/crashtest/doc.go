// Package crashtest holds the tests that try to make Despatch lose a message: they run the real program as
// a process of its own, send to it over HTTP, and kill it, fill its disk, stop its database, start a second
// one beside it, or keep it busy with clients that mean no good.
//
// What every test asks in the end is the same: each message that was acknowledged is on the record exactly
// once, under the id and with the words that were acknowledged; one that was not is there once at most, and
// exactly once after it was sent again; and the record is the one that was signed.
//
// A process that is killed keeps what it has written but not synced, since the kernel survives: that a
// commit reaches the disk is not shown here but for the disk that aborts.
package crashtest
