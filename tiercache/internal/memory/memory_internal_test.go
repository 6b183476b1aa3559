package memory

import (
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Where all else is read all the time, a newcomer would be the one that nobody has read, and leave
// its window as soon as another one comes.
func TestMemory_aNewcomerIsNotTheFirstToGo(t *testing.T) {
	m := newTestMemory(t, 200)
	var before *slot[int, int]
	for i := range 1000 {
		sl := m.putOne(t, i)
		s := m.shard(sl.hash)
		s.mu.Lock()
		if !sl.windowed || before != nil && !before.windowed {
			t.Errorf("%d or the one before it has left its window at once", i)
		}
		for other := s.window.head; other != nil; other = other.next {
			if other != sl {
				other.reads.Store(mostReads) // everybody reads everything
			}
		}
		s.mu.Unlock()
		before = sl
	}
}

// What the policy and the admission buffer give back comes from before the last write, and must not
// push that out: between a Set and its writer's Peek the tending goroutine may give back as much as
// it likes, of entries that are all read more.
func TestMemory_whatComesBackLeavesTheNewest(t *testing.T) {
	for _, capacity := range []int64{16, 100} {
		m := newTestMemory(t, capacity)
		for i := range 1000 {
			m.putOne(t, i)
			m.makeRoom()
		}
		for range 200 { // all that is there is wanted
			for sl := range m.shards[0].table.Load().all {
				m.policy.Get(sl.hash)
			}
		}
		sl := m.putOne(t, 1000)
		for range capacity / 2 {
			m.giveOneBack(sl)
		}
		if !m.stands(sl) {
			t.Errorf("capacity %d: the last write was pushed out by what came back", capacity)
		}
	}
}

// giveOneBack has the policy give up an entry, other than one, that was read meanwhile, and has the
// room taken that this leaves.
func (m *Tier[K, V]) giveOneBack(one *slot[K, V]) {
	s := m.shard(one.hash)
	s.mu.Lock()
	var back *slot[K, V]
	for other := range s.table.Load().all {
		if other != one && !other.windowed && !slices.Contains(m.buffer, other) {
			other.reads.Store(1)
			back = other
			break
		}
	}
	s.mu.Unlock()
	if back != nil {
		m.policy.Get(back.hash)
		m.policy.Del(back.hash)
		m.policy.Wait()
		m.policy.UpdateMaxCost(max(1, m.policy.MaxCost()-1))
	}
	m.makeRoom()
	var left departed[K]
	m.reap(&left)
	m.makeRoom()
}

func newTestMemory(t *testing.T, capacity int64) *Tier[int, int] {
	t.Helper()
	m := New(Config[int, int]{Capacity: capacity, Clock: clock.Since(time.Now()), Counters: new(stat.Counters)})
	m.tending.Do(func() { close(m.done) }) // the test tends
	t.Cleanup(m.Close)
	return m
}

// putOne stores a key and returns its slot.
func (m *Tier[K, V]) putOne(t *testing.T, key K) *slot[K, V] {
	t.Helper()
	later := m.Clock.Now() + int64(time.Hour)
	hash := m.Hash(key)
	m.Put(hash, key, &Item[V]{Fresh: later, Dead: later, ID: 1}, 1)
	sl, _ := m.shard(hash).table.Load().get(hash, key)
	if sl == nil {
		t.Fatalf("%v has left at once", key)
	}
	return sl
}

// The border between window and policy moves while there is room for all that is there. Nothing is
// lost by that, in whichever direction it moves.
func TestMemory_theBorderMovesPastNobody(t *testing.T) {
	m := newTestMemory(t, 10_000)
	for key := range 9000 {
		m.store(key, 1)
	}
	for _, share := range []float64{0.9, 0.1, 0.5, leastShare, mostShare} {
		before, _ := m.Size()
		m.ghosts.wished.Store(math.Float64bits(share))
		m.rebalance()
		if after, _ := m.Size(); after < before {
			t.Errorf("of %d entries %d were left when the window's share became %v", before, after, share)
		}
	}
}

// A record that was taken back leaves alone, and is refused to who has found it before. Who has
// read the source finds his generation where it was.
func TestWithdraw_takesOneVersion(t *testing.T) {
	m := newTestMemory(t, 100)
	sl := m.putOne(t, 1)
	later := m.Clock.Now() + int64(time.Hour)
	gen, gens := m.Generation(sl.hash), m.Generations()
	if m.Withdraw(sl.hash, 1, 2); m.Get(sl.hash, 1) == nil {
		t.Error("another version has left")
	}
	if m.Withdraw(sl.hash, 1, 1); m.Get(sl.hash, 1) != nil {
		t.Error("the version itself has not left")
	}
	if m.Fill(sl.hash, 1, &Item[int]{Fresh: later, Dead: later, ID: 1}, 1, gen) {
		t.Error("who found it before has stored it")
	}
	if !m.Unmoved(sl.hash, gens) {
		t.Error("it counts as an invalidation")
	}
	if m.Remove(sl.hash, 1); m.Unmoved(sl.hash, gens) {
		t.Error("an invalidation after it does not count")
	}
}

// What was ended a moment after all entries were looked at waits for half a second at most, not for
// the tick after that.
func TestEnded_isTakenOutWithinHalfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var over atomic.Bool
		m := New(Config[int, int]{
			Capacity: 100, Clock: clock.Since(time.Now()), Counters: new(stat.Counters), Ended: func(*Item[int]) bool { return over.Load() },
		})
		defer m.Close()
		sl := m.putOne(t, 1)
		<-time.After(sweepTick * 9 / 10)
		m.ends.mu.Lock()
		m.ends.last, m.ends.took = m.Clock.Now(), int64(time.Second)
		m.ends.mu.Unlock()
		over.Store(true)
		m.Purge()
		<-time.After(time.Duration(longestReleasing) - time.Millisecond)
		if !m.stands(sl) {
			t.Error("it was taken out before it was due")
		}
		<-time.After(time.Millisecond)
		synctest.Wait()
		if m.stands(sl) {
			t.Error("it is still there")
		}
	})
}
