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

// What was ended has left before Ristretto is asked whom to keep, and before a warm run asks for
// room, whether or not the tending goroutine has come to it.
func TestEnded_leavesBeforeRoomIsAskedFor(t *testing.T) {
	untended := func() *Cache[int, int] {
		c, err := New(Config[int, int]{Name: "c", Capacity: 1000})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		c.memory.tending.Do(func() { close(c.memory.done) })
		for range 8 { // the policy knows them well
			for key := range 1000 {
				if err := c.Set(t.Context(), key, key); err != nil {
					t.Fatal(err)
				}
				_, _ = c.Peek(key)
			}
		}
		if err := c.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := untended()
	if room := c.warmRoom(); room != 800 {
		t.Errorf("a warm run finds room for %d; want 800, as in an empty memory", room)
	}
	c = untended()
	for key := range 900 {
		if err := c.Set(t.Context(), 10_000+key, key); err != nil {
			t.Fatal(err)
		}
	}
	for key := range 900 {
		if _, ok := c.Peek(10_000 + key); !ok {
			t.Fatalf("the entry %d of 900 found no room", key)
		}
	}
}
