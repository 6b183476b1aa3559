package tiercache

import (
	"testing"
	"time"
)

// Ristretto's part grows for an entry that fits in no part of the memory, and shrinks to what it
// was when that has left.
func TestLarge_borrowsAndReturnsRoom(t *testing.T) {
	for _, cost := range []int64{850, 1000} {
		m := newTestMemory(t, 1000)
		room, main := m.room.Load(), m.main.Load()
		later := m.clock.Now() + int64(time.Hour)
		hash := m.hash(1)
		m.put(hash, 1, &item[int]{fresh: later, dead: later, id: 1}, cost)
		for range 3 { // once for the mark of its arrival, and until the policy has said what it keeps
			m.makeRoom()
			var left departed[int]
			m.reap(&left)
		}
		if m.get(hash, 1) == nil {
			t.Errorf("an entry of %d of 1,000 found no room in an empty memory", cost)
		}
		m.giveBack()
		if got := m.main.Load(); got < cost {
			t.Errorf("the policy has %d while it holds an entry of %d", got, cost)
		}
		m.remove(hash, 1)
		m.sweep(&m.shards[0], m.over(m.clock.Now()))
		m.giveBack()
		if m.room.Load() != room || m.main.Load() != main {
			t.Errorf("the window has %d and the policy %d; want %d and %d as before", m.room.Load(), m.main.Load(), room, main)
		}
	}
}
