package memory

import (
	"runtime"
	"slices"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

const (
	// bufferShare: the admission buffer holds up to 1/32 of the capacity, and no more than
	// mostBatch slots.
	bufferShare = 32
	mostBatch   = 64
)

// toBuffer takes what a window has no more room for, until there are enough to be offered together.
// It reports whether there are.
func (m *Tier[K, V]) toBuffer(sl *slot[K, V]) (full bool) {
	m.bufferMu.Lock()
	defer m.bufferMu.Unlock()
	m.buffer = append(m.buffer, sl)
	m.bufferCost += sl.cost
	full = len(m.buffer) >= m.batch || m.bufferCost > m.waiting.Load()
	m.full.Store(full)
	return full
}

// makeRoom empties the admission buffer where it is full.
func (m *Tier[K, V]) makeRoom() {
	if !m.full.Load() {
		return
	}
	var left departed[K]
	m.feed(&left)
	m.tell(left)
}

// drainBuffer returns what is in the admission buffer, if that is full.
func (m *Tier[K, V]) drainBuffer() []*slot[K, V] {
	m.bufferMu.Lock()
	defer m.bufferMu.Unlock()
	if !m.full.Swap(false) {
		return nil
	}
	batch := m.buffer
	m.buffer, m.bufferCost = m.spare[:0], 0
	return batch
}

// feed offers the admission buffer's slots to Ristretto and applies what it says: who fills the
// memory pays for keeping it within bounds.
//
// Ristretto counts in two steps: a read goes into one of its buffers, a full buffer goes to the
// goroutine that counts, and is dropped where that is busy. Both are dealt with by the order of
// things. First all reads of the batch are told, then the arrivals of the batch before, which are
// enough to fill a buffer, so that what was told first has gone to be counted when the slots are
// offered.
//
// A slot's own arrival is counted after it was judged, whatever the verdict. It is judged by how
// often it was wanted before and since, so that in a tie with what is there, which Ristretto gives
// to the newcomer, a newcomer is not the equal of what was read once. Without this a loop over more
// keys than there is room for pushes out each entry before its turn comes: every one of them has
// been seen the same number of times.
func (m *Tier[K, V]) feed(left *departed[K]) (again bool) {
	m.feedMu.Lock()
	defer m.feedMu.Unlock()
	batch := m.drainBuffer()
	if len(batch) == 0 {
		return false
	}
	m.release()
	if m.policy == nil { // only who offers makes it
		m.makePolicy()
	}
	m.shut.RLock()
	m.offer(batch)
	m.shut.RUnlock()
	clear(batch)
	m.spare = batch
	again = m.reap(left)
	if m.unbalanced() {
		m.alarm()
	}
	return again && !m.closing()
}

// offer hands a batch of slots to the policy, which keeps them or gives them up through onExit.
// feedMu and shut are held.
func (m *Tier[K, V]) offer(batch []*slot[K, V]) {
	if m.policy == nil {
		for _, sl := range batch {
			m.onExit(sl)
		}
		return
	}
	if m.closing() {
		return
	}
	told := 0
	tell := func(hash uint64) {
		m.policy.Get(hash)
		if told++; told%m.batch == 0 {
			runtime.Gosched() // the counting goroutine may want this processor
		}
	}
	batch = slices.DeleteFunc(batch, m.returns)
	for _, sl := range batch {
		for ; sl.counted > 0; sl.counted-- {
			tell(sl.hash)
		}
	}
	for _, hash := range m.before {
		tell(hash)
	}
	m.before = m.before[:0]
	for _, sl := range batch {
		for !m.policy.Set(sl.hash, sl, sl.cost) && !m.closing() {
			m.policy.Wait()
		}
		if !m.stands(sl) { // whoever took it out may have told the policy too early
			m.policy.Del(sl.hash)
		}
		m.before = append(m.before, sl.hash)
		if sl.large {
			m.large.keep(sl)
		}
	}
	m.policy.Wait()
	m.weed(len(batch))
}

// returns says that the slot need not be offered: it has left, or it was read or written in the
// admission buffer and goes back to its window.
func (m *Tier[K, V]) returns(sl *slot[K, V]) bool {
	s := m.shard(sl.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl.left {
		return true
	}
	back, _ := m.readmit(s, sl)
	return back
}

// stands reports whether the slot is in the index.
func (m *Tier[K, V]) stands(sl *slot[K, V]) bool {
	s := m.shard(sl.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return !sl.left
}

// forget tells the policy of an entry that left by itself. Where a new slot of the same key has
// come meanwhile, the policy gives that one up: a removal that ends after a write is a removal
// after the write.
func (m *Tier[K, V]) forget(hash uint64) {
	m.shut.RLock()
	defer m.shut.RUnlock()
	if m.policy != nil && !m.closing() {
		m.policy.Del(hash)
	}
}

// onReject hears, before onExit does, of every slot that the policy did not admit.
func (m *Tier[K, V]) onReject(it *ristretto.Item[*slot[K, V]]) {
	if it.Value != nil {
		it.Value.refused.Store(true)
	}
}

// onExit hears of every slot that the policy no longer holds: evicted, not admitted, deleted or
// replaced. It runs on Ristretto's goroutine or on that of a writer, so it blocks on nothing.
func (m *Tier[K, V]) onExit(sl *slot[K, V]) {
	if sl == nil {
		return
	}
	m.goneMu.Lock()
	m.gone = append(m.gone, sl)
	m.goneMu.Unlock()
	m.alarm()
}

// alarm wakes the tending goroutine.
func (m *Tier[K, V]) alarm() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// reap takes out of the index what the policy gave up, unless it was read or written since: then,
// and where the window has room to spare, it begins anew there. The policy goes by what it was
// told, which for a slot that it holds is what happened before it came. It reports whether that
// made the admission buffer full.
func (m *Tier[K, V]) reap(left *departed[K]) (full bool) {
	m.goneMu.Lock()
	gone := m.gone
	m.gone = nil
	m.goneMu.Unlock()
	if len(gone) == 0 {
		return false
	}
	now := m.Clock.Now()
	for _, sl := range gone {
		s := m.shard(sl.hash)
		s.mu.Lock()
		switch {
		case sl.left || s.closed || m.holds(s, sl):
		case now >= s.table.Load().itemOf(sl).Dead:
			m.take(s, sl)
			left.expired = m.noteLeft(left.expired, sl.key)
			m.counters.Add(sl.hash, stat.Expirations, 1)
		default:
			from := leftPolicy
			if sl.refused.Swap(false) {
				from = leftWindow
			}
			back, filled := m.readmit(s, sl)
			if full = filled || full; !back && !m.fit(s, sl) {
				m.evict(s, sl, from, left)
			}
		}
		s.mu.Unlock()
	}
	return full
}

// evict takes out of the index what there is no room for. The shard's lock is held.
func (m *Tier[K, V]) evict(s *shard[K, V], sl *slot[K, V], from origin, left *departed[K]) {
	s.table.Load().itemOf(sl).leave(true)
	m.take(s, sl)
	if from == leftWindow && sl.cost > m.roomOf(sl) {
		m.counters.Add(sl.hash, stat.Crowded, 1)
	}
	m.ghosts.leave(sl.hash, from)
	left.evicted = m.noteLeft(left.evicted, sl.key)
	m.counters.Add(sl.hash, stat.Evictions, 1)
}
