package tiercache

import (
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// WarmStats is what the warm-ups of one task were worth to this process: counters that only grow.
// Every entry that a warm-up brings into memory is marked, until it was read or is gone. Entries
// that found no room in memory are in Redis only, unmarked, and not counted here.
type WarmStats struct {
	Rows    uint64 // entries that the source gave for it; 0 on a node that only filled its memory from Redis
	Warmed  uint64 // entries brought into memory, from the source or from Redis; an entry that is warmed again counts again
	Useful  uint64 // of these, read at least once: each saved its first reader the way to Redis or to the source
	Wasted  uint64 // of these, gone unread: out of time, replaced, invalidated
	Evicted uint64 // of these, gone unread for want of room
	Hits    uint64 // reads that they answered from memory
}

// Unread counts the entries that are in memory and have not been read yet.
func (s WarmStats) Unread() uint64 {
	if gone := s.Useful + s.Wasted + s.Evicted; gone < s.Warmed { // the counters are not read at one moment
		return s.Warmed - gone
	}
	return 0
}

// warmStats returns what each task's tally has counted.
func warmStats(ts *stat.Tallies) map[string]WarmStats {
	all := make(map[string]WarmStats)
	for task, s := range ts.Snapshot() {
		all[task] = WarmStats(s)
	}
	return all
}
