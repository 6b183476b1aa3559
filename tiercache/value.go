package tiercache

import (
	"sync"
	"sync/atomic"
)

// WarmStats is what the warm-ups of one task were worth to this process: counters that only grow. Every entry that a warm-up brings into memory is marked, until it
// was read or is gone. Entries that found no room in memory are in Redis only, unmarked, and not counted here.
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

// tally counts for one task.
type tally struct {
	rows, warmed, useful, wasted, evicted atomic.Uint64

	hits [counterStripes]struct { // by key hash and padded, as counters
		n atomic.Uint64
		_ [120]byte
	}
}

// brought counts an entry that came into memory.
func (t *tally) brought() {
	if t != nil {
		t.warmed.Add(1)
	}
}

// hit counts a read of an entry; done is its mark.
func (t *tally) hit(hash uint64, done *atomic.Bool) {
	t.hits[hash%counterStripes].n.Add(1)
	if !done.Load() && done.CompareAndSwap(false, true) {
		t.useful.Add(1)
	}
}

// leave counts an entry that goes, unless it was read.
func (it *item[V]) leave(evicted bool) {
	switch {
	case it.warmed == nil || it.useful.Load() || !it.useful.CompareAndSwap(false, true):
	case evicted:
		it.warmed.evicted.Add(1)
	default:
		it.warmed.wasted.Add(1)
	}
}

func (t *tally) stats() WarmStats {
	s := WarmStats{
		Rows: t.rows.Load(), Warmed: t.warmed.Load(), Useful: t.useful.Load(), Wasted: t.wasted.Load(), Evicted: t.evicted.Load(),
	}
	for i := range t.hits {
		s.Hits += t.hits[i].n.Load()
	}
	return s
}

// tallies are a cache's, by task. The zero value is ready.
type tallies struct {
	mu     sync.Mutex
	byTask map[string]*tally
}

// of finds or makes the tally of a task.
func (ts *tallies) of(task string) *tally {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.byTask[task]
	if t == nil {
		if ts.byTask == nil {
			ts.byTask = make(map[string]*tally)
		}
		t = new(tally)
		ts.byTask[task] = t
	}
	return t
}

// none says that no task has ever warmed anything.
func (ts *tallies) none() bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.byTask) == 0
}

func (ts *tallies) stats() map[string]WarmStats {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	all := make(map[string]WarmStats, len(ts.byTask))
	for task, t := range ts.byTask {
		all[task] = t.stats()
	}
	return all
}
