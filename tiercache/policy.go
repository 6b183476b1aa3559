package tiercache

import "time"

// offer hands slots to the policy, which keeps them or gives them up through onExit.
func (m *memory[K, V]) offer(victims []*slot[K, V]) {
	if len(victims) == 0 {
		return
	}
	m.policyMu.RLock()
	defer m.policyMu.RUnlock()
	for _, sl := range victims {
		if m.policy == nil {
			m.onExit(sl)
			continue
		}
		for !m.policy.Set(sl.hash, sl, sl.cost) && !m.closing() {
			m.policy.Wait()
		}
	}
	if m.policy == nil {
		m.reap()
	}
}

// catchUp waits for the policy to take what it was offered, and applies what it says: who fills the memory pays for keeping it within bounds.
func (m *memory[K, V]) catchUp() {
	m.policyMu.RLock()
	defer m.policyMu.RUnlock()
	if m.policy != nil && !m.closing() {
		m.policy.Wait()
	}
	m.reap()
}

// forget tells the policy of an entry that left by itself. Where a new slot of the same key has come meanwhile, the policy gives
// that one up: a removal that ends after a write is a removal after the write.
func (m *memory[K, V]) forget(hash uint64) {
	m.policyMu.RLock()
	defer m.policyMu.RUnlock()
	if m.policy != nil && !m.closing() {
		m.policy.Del(hash)
	}
}

// onExit hears of every slot that the policy no longer holds: evicted, not admitted, deleted or replaced. It runs on Ristretto's goroutine or
// on that of a writer, so it blocks on nothing.
func (m *memory[K, V]) onExit(sl *slot[K, V]) {
	if sl == nil {
		return
	}
	sl.gone.Store(true)
	m.goneMu.Lock()
	m.gone = append(m.gone, sl)
	m.goneMu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// reap takes out of the index what the policy gave up, unless a writer has taken the key's place anew.
func (m *memory[K, V]) reap() {
	m.goneMu.Lock()
	gone := m.gone
	m.gone = nil
	m.goneMu.Unlock()
	n := 0
	for _, sl := range gone {
		s := m.shard(sl.hash)
		s.mu.Lock()
		if s.slots[sl.key] == sl {
			sl.item.Load().leave(true)
			s.take(sl)
			n++
			m.counters.add(sl.hash, evictions, 1)
		}
		s.mu.Unlock()
	}
	if n > 0 {
		m.evicted(n)
	}
}

// sweep takes expired entries out of one shard.
func (m *memory[K, V]) sweep(s *shard[K, V], now int64) {
	var expired []uint64
	s.mu.Lock()
	for _, sl := range s.slots {
		if now >= sl.item.Load().dead {
			m.counters.add(sl.hash, expirations, 1)
			if s.take(sl) {
				expired = append(expired, sl.hash)
			}
		}
	}
	s.mu.Unlock()
	for _, hash := range expired {
		m.forget(hash)
	}
}

// tend is the memory's own goroutine: it reaps and sweeps until close.
func (m *memory[K, V]) tend() {
	defer close(m.done)
	tick := time.NewTicker(sweepTick)
	defer tick.Stop()
	part := 0
	for {
		select {
		case <-m.stop:
			return
		case <-m.wake:
			m.reap()
		case <-tick.C:
			for i := part; i < len(m.shards); i += sweepPart {
				m.sweep(&m.shards[i], m.clock.now())
			}
			part = (part + 1) % min(sweepPart, len(m.shards))
		}
	}
}
