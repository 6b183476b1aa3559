// Package topk finds the keys that are read most, from a sample of the reads.
//
// Sketch is a HeavyKeeper behind a filter of exact counts. It is bounded by the number of keys that
// it is asked to find, and forgets by half-lives. A hit asks Sampled, which costs one atomic load
// and two multiplications; only a sampled read takes a lock.
//
// It knows keys, by their hashes, and counts. It must never know what a key stands for, what Redis
// holds, or the time: its caller says when a step of forgetting is due.
package topk
