// Package backplane is how the nodes of a fleet hear of each other's invalidations over Redis, and
// how this one knows whether it hears them.
//
// A Channel holds one subscription for all caches of a process. Its heartbeats come back through
// it: from the sending of the last one runs the trust in what is remembered. Numbers tell what was
// lost, digests that nothing was, and what the masters say of themselves whether another server
// answers, what it may lack, and whether its clock has gone back.
//
// It knows caches by name, as Subscribers, and a Redis by its Conn. It must never know a value,
// what a subscriber does with a notice, or the keys and scripts of a cache. It holds no
// invalidation of its own: those are the journal's.
package backplane
