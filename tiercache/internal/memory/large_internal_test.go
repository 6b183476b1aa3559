package memory

import (
	"runtime"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Ristretto's part grows for an entry that fits in no part of the memory, and shrinks to what it
// was when that has left.
func TestLarge_borrowsAndReturnsRoom(t *testing.T) {
	for _, cost := range []int64{850, 1000} {
		m := newTestMemory(t, 1000)
		room, main := m.room.Load(), m.main.Load()
		later := m.Clock.Now() + int64(time.Hour)
		hash := m.Hash(1)
		m.Put(hash, 1, &Item[int]{Fresh: later, Dead: later, ID: 1}, cost)
		for range 3 { // once for the mark of its arrival, and until the policy has said what it keeps
			m.makeRoom()
			var left departed[int]
			m.reap(&left)
		}
		if m.Get(hash, 1) == nil {
			t.Errorf("an entry of %d of 1,000 found no room in an empty memory", cost)
		}
		m.giveBack()
		if got := m.main.Load(); got < cost {
			t.Errorf("the policy has %d while it holds an entry of %d", got, cost)
		}
		m.Remove(hash, 1)
		m.sweep(&m.shards[0], m.over(m.Clock.Now()))
		m.giveBack()
		if m.room.Load() != room || m.main.Load() != main {
			t.Errorf("the window has %d and the policy %d; want %d and %d as before", m.room.Load(), m.main.Load(), room, main)
		}
	}
}

// What was ended has left before Ristretto is asked whom to keep, and before a warm run asks for
// room, whether or not the tending goroutine has come to it.
func TestEnded_leavesBeforeRoomIsAskedFor(t *testing.T) {
	var epoch, floor uint64
	untended := func() *Tier[int, int] {
		m := New(Config[int, int]{
			Capacity: 1000, Clock: clock.Since(time.Now()), Counters: new(stat.Counters),
			Ended: func(it *Item[int]) bool { return it.Epoch <= floor },
		})
		m.tending.Do(func() { close(m.done) })
		t.Cleanup(m.Close)
		epoch = floor + 1
		for range 8 { // the policy knows them well
			for key := range 1000 {
				m.store(key, epoch)
				m.Touch(m.Hash(key), key)
			}
		}
		floor = epoch
		m.Purge()
		return m
	}
	m := untended()
	if room := m.Vacant(); room != 800 {
		t.Errorf("a warm run finds room for %d; want 800, as in an empty memory", room)
	}
	m = untended()
	epoch++
	for key := range 900 {
		m.store(10_000+key, epoch)
	}
	for key := range 900 {
		if key += 10_000; m.Get(m.Hash(key), key) == nil {
			t.Fatalf("the entry %d of 900 found no room", key-10_000)
		}
	}
}

// store puts a key that was found in an epoch.
func (m *Tier[K, V]) store(key K, epoch uint64) {
	later := m.Clock.Now() + int64(time.Hour)
	m.Put(m.Hash(key), key, &Item[V]{Fresh: later, Dead: later, ID: 1, Epoch: epoch}, 1)
}

// The list of large entries may turn out to hold only such as have left.
func TestLarge_allHaveLeft(t *testing.T) {
	m := newTestMemory(t, 1<<14)
	later := m.Clock.Now() + int64(time.Hour)
	const cost = 1 << 13
	hash := m.Hash(-1)
	m.Put(hash, -1, &Item[int]{Fresh: later, Dead: later, ID: 1}, cost)
	for range 3 {
		m.makeRoom()
	}
	if len(m.large.kept) != 1 {
		t.Fatalf("%d large entries are listed, want 1", len(m.large.kept))
	}
	m.Remove(hash, -1)
	for key := range 1 << 14 {
		m.store(key, 1)
	}
	if len(m.large.kept) != 0 {
		t.Errorf("%d large entries are listed, want none", len(m.large.kept))
	}
}

// What fits into the capacity beside all others is kept, in whatever part of the memory these are
// when it comes.
func TestLarge_hasRoomBesideOthersWhereverTheyAre(t *testing.T) {
	for round := range 200 {
		m := New(Config[int, int]{Capacity: 1000, Clock: clock.Since(time.Now()), Counters: new(stat.Counters)})
		others, cost := 400, int64(500)
		if round%2 == 0 {
			others, cost = 150, 850
		}
		for key := range others {
			m.store(key, 1)
		}
		later := m.Clock.Now() + int64(time.Hour)
		m.Put(m.Hash(-1), -1, &Item[int]{Fresh: later, Dead: later, ID: 1}, cost)
		for range 3 {
			for key := -1; key < others; key++ {
				if m.Touch(m.Hash(key), key) == nil {
					t.Errorf("%d of %d beside one of %d has left", key, others, cost)
				}
			}
			m.alarm()
			runtime.Gosched()
		}
		m.Close()
	}
}

// What is dearer than the window goes to the admission buffer at once, and pushes nothing out of
// the window.
func TestLarge_passesTheWindowBy(t *testing.T) {
	m := newTestMemory(t, 1000)
	for key := range 100 {
		m.store(key, 1)
	}
	before := m.shards[0].window.cost
	later := m.Clock.Now() + int64(time.Hour)
	m.Put(m.Hash(-1), -1, &Item[int]{Fresh: later, Dead: later, ID: 1}, m.room.Load()+1)
	if got := m.shards[0].window.cost; got != before {
		t.Errorf("the window holds %d, and %d before the large entry came", got, before)
	}
}
