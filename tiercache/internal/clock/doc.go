// Package clock tells the time of one process.
//
// Clock is monotonic: nanoseconds since a moment that its maker names. Coarse is the clock of
// hits, which cannot afford to ask for the time: it may be late by a millisecond, and is exact
// while few ask.
//
// It knows no wall clock. Expiry never depends on a node's wall clock, so nothing here returns a
// time.Time, and nothing here may be compared between two processes. It must never import another
// room: what a moment means is for its caller to know.
package clock
