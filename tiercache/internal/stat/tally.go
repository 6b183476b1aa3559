package stat

import (
	"sync"
	"sync/atomic"
)

// Tally counts what the warm-ups of one task were worth to this process.
type Tally struct {
	rows, warmed, useful, wasted, evicted atomic.Uint64

	hits [counterStripes]struct { // striped and padded as Counters are
		n atomic.Uint64
		_ [120]byte
	}
}

// Row counts an entry that the source gave.
func (t *Tally) Row() { t.rows.Add(1) }

// Brought counts an entry that came into memory. It is a no-op on nil.
func (t *Tally) Brought() {
	if t != nil {
		t.warmed.Add(1)
	}
}

// Hit counts a read of an entry. done is the entry's mark: the first read sets it.
func (t *Tally) Hit(hash uint64, done *atomic.Bool) {
	t.hits[hash%counterStripes].n.Add(1)
	if !done.Load() && done.CompareAndSwap(false, true) {
		t.useful.Add(1)
	}
}

// Waste counts an entry that is gone unread.
func (t *Tally) Waste() { t.wasted.Add(1) }

// Evict counts an entry that is gone unread for want of room.
func (t *Tally) Evict() { t.evicted.Add(1) }

// Snapshot is what a tally has counted. The counters are not read at one moment.
type Snapshot struct {
	Rows    uint64
	Warmed  uint64
	Useful  uint64
	Wasted  uint64
	Evicted uint64
	Hits    uint64
}

// Snapshot returns the counts.
func (t *Tally) Snapshot() Snapshot {
	s := Snapshot{
		Rows:    t.rows.Load(),
		Warmed:  t.warmed.Load(),
		Useful:  t.useful.Load(),
		Wasted:  t.wasted.Load(),
		Evicted: t.evicted.Load(),
	}
	for i := range t.hits {
		s.Hits += t.hits[i].n.Load()
	}
	return s
}

// Tallies are the tallies of one cache, by task. The zero value is ready.
type Tallies struct {
	mu     sync.Mutex
	byTask map[string]*Tally
}

// Of finds or makes the tally of a task.
func (ts *Tallies) Of(task string) *Tally {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.byTask[task]
	if t == nil {
		if ts.byTask == nil {
			ts.byTask = make(map[string]*Tally)
		}
		t = new(Tally)
		ts.byTask[task] = t
	}
	return t
}

// None reports whether no task has ever warmed anything.
func (ts *Tallies) None() bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.byTask) == 0
}

// Snapshot returns the counts of each task.
func (ts *Tallies) Snapshot() map[string]Snapshot {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	all := make(map[string]Snapshot, len(ts.byTask))
	for task, t := range ts.byTask {
		all[task] = t.Snapshot()
	}
	return all
}
