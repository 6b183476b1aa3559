package memory

import (
	"sync"
	"sync/atomic"
	"time"
)

// ends is what Clear and invalidations of tags have ended. They look at no entry: a read does, and
// finds that it is valid no longer. So that it does not keep its room until its time is over, all
// entries are looked at once after that, before Ristretto is next asked whom to keep, and by the
// tending goroutine.
type ends[V any] struct {
	ended func(*Item[V]) bool // nil: nothing ever is
	asked atomic.Uint64       // how often something was ended
	done  atomic.Uint64       // up to which of these what was ended has been taken out

	mu   sync.Mutex // one at a time takes it out
	last int64      // when that ended
	took int64
}

// Looking at all entries takes no more than a tenth of the time, whatever the rate at which tags
// are ended; and begins half a second after the last time, at the latest.
const (
	releasePause     = 9 // times as long as it took
	longestReleasing = int64(time.Second / 2)
)

// Purge has the room given back of what was ended just now.
func (m *Tier[K, V]) Purge() {
	m.ends.asked.Add(1)
	m.alarm()
}

// release takes out what was ended. Where that was last done a moment ago it does nothing, and
// returns how long it is too early.
func (m *Tier[K, V]) release() (early time.Duration) {
	due, early := m.ends.due(m.Clock.Now())
	if due && early == 0 {
		m.releaseNow()
	}
	return early
}

// due reports whether something was ended, and how long it is too early to look for it.
func (e *ends[V]) due(now int64) (due bool, early time.Duration) {
	if e.done.Load() == e.asked.Load() {
		return false, 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == 0 {
		return true, 0
	}
	return true, time.Duration(max(0, e.last+min(releasePause*e.took, longestReleasing)-now))
}

// releaseNow takes out what was ended.
func (m *Tier[K, V]) releaseNow() {
	e := &m.ends
	e.mu.Lock()
	defer e.mu.Unlock()
	asked, began := e.asked.Load(), m.Clock.Now()
	if e.done.Load() == asked {
		return
	}
	for i := range m.shards {
		m.sweep(&m.shards[i], func(it *Item[V]) fate {
			if e.ended(it) {
				return goes
			}
			return stays
		})
	}
	e.last = m.Clock.Now()
	e.took = e.last - began
	e.done.Store(asked)
}
