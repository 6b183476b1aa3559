package tiercache

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Where all else is read all the time, a newcomer would be the one that nobody has read, and leave its window by its own arrival.
func TestMemory_aNewcomerIsNotTheFirstToGo(t *testing.T) {
	m := newMemory[int, int](200, 2000, clock.Since(time.Now()), new(stat.Counters), nil)
	defer m.close()
	later := m.clock.Now() + int64(time.Hour)
	for i := range 1000 {
		m.put(m.hash(i), i, &item[int]{fresh: later, dead: later}, 1)
		s := m.shard(m.hash(i))
		s.mu.Lock()
		sl, _ := s.table.Load().get(m.hash(i), i)
		if sl == nil || !sl.windowed {
			t.Errorf("%d has left its window by its own arrival", i)
		}
		for other := s.window.head; other != nil; other = other.next {
			other.reads.Store(mostReads) // everybody reads everything
		}
		s.mu.Unlock()
	}
}
