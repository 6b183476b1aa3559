package memory

import (
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

const (
	sweepTick  = time.Second
	sweepPart  = 8   // the share of the shards that one tick sweeps
	sweepChunk = 256 // how many entries one hold of a shard's lock takes out
)

// tend is the memory's own goroutine: it reaps, sweeps and moves the border between window and
// policy until close.
func (m *Tier[K, V]) tend() {
	defer close(m.done)
	tick := time.NewTicker(sweepTick)
	defer tick.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	release := func() {
		if early := m.release(); early > 0 {
			again.Reset(early)
		}
	}
	part := 0
	for {
		select {
		case <-m.stop:
			return
		case <-m.wake:
			var left departed[K]
			m.reap(&left)
			m.tell(left)
			release()
			m.makeRoom()
			m.rebalance()
		case <-again.C:
			release()
		case <-tick.C:
			for i := part; i < len(m.shards); i += sweepPart {
				m.sweep(&m.shards[i], m.over(m.Clock.Now()))
			}
			if part = (part + 1) % min(sweepPart, len(m.shards)); part == 0 {
				m.giveBack()
			}
		}
	}
}

// over judges items by their time alone.
func (m *Tier[K, V]) over(now int64) func(*Item[V]) fate {
	return func(it *Item[V]) fate {
		if now < it.Dead {
			return stays
		}
		return expires
	}
}

// fate is what a sweep does with an entry.
type fate uint8

const (
	stays   fate = iota
	expires      // its time is over
	goes         // it was ended, which nobody needs to be told
)

// sweep takes entries out of one shard. It looks for them without the lock, and takes them out some
// at a time: a million entries that end together stop no writer for longer than one chunk takes.
func (m *Tier[K, V]) sweep(s *shard[K, V], judge func(*Item[V]) fate) {
	s.mu.Lock()
	s.heaviest = 0
	s.mu.Unlock()
	heaviest := int64(0)
	var some []*slot[K, V]
	for sl, it := range s.table.Load().all {
		if judge(it) == stays {
			heaviest = max(heaviest, sl.cost)
			continue
		}
		if some = append(some, sl); len(some) == sweepChunk {
			m.takeOut(s, some, judge)
			some = some[:0]
		}
	}
	m.takeOut(s, some, judge)
	s.mu.Lock()
	s.heaviest = max(s.heaviest, heaviest)
	s.mu.Unlock()
}

// takeOut takes out those of the slots that are still there, and of which the judge still says so.
func (m *Tier[K, V]) takeOut(s *shard[K, V], slots []*slot[K, V], judge func(*Item[V]) fate) {
	if len(slots) == 0 || m.closing() {
		return
	}
	var known []uint64
	var left departed[K]
	s.mu.Lock()
	for _, sl := range slots {
		if sl.left || s.closed {
			continue
		}
		switch judge(s.table.Load().itemOf(sl)) {
		case stays:
			continue
		case expires:
			m.counters.Add(sl.hash, stat.Expirations, 1)
			left.expired = m.noteLeft(left.expired, sl.key)
		case goes:
		}
		if m.take(s, sl) {
			known = append(known, sl.hash)
		}
	}
	s.mu.Unlock()
	m.tell(left)
	for _, hash := range known {
		m.forget(hash)
	}
	m.shut.RLock()
	defer m.shut.RUnlock()
	if len(known) > 0 && m.policy != nil && !m.closing() {
		m.policy.Wait() // a writer's offers wait behind no more than a chunk
	}
}

// departed is the keys of what left, to be told when no lock is held.
type departed[K comparable] struct{ expired, evicted []K }

// noteLeft collects keys where somebody wants to know them.
func (m *Tier[K, V]) noteLeft(keys []K, key K) []K {
	if m.onLeave == nil {
		return nil
	}
	return append(keys, key)
}

func (m *Tier[K, V]) tell(left departed[K]) {
	if len(left.expired) > 0 {
		m.onLeave(Expired, left.expired)
	}
	if len(left.evicted) > 0 {
		m.onLeave(Evicted, left.evicted)
	}
}
