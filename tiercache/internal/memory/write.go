package memory

import "sync/atomic"

// Fill stores what a reader found, unless the key was invalidated since the reader took gen, or
// something younger stands there.
func (m *Tier[K, V]) Fill(hash uint64, key K, it *Item[V], cost int64, gen uint64) bool {
	return m.write(hash, key, it, cost, func(g *atomic.Uint64, have *Item[V]) bool {
		return g.Load() == gen && (have == nil || have.ID == it.ID || have.Read <= it.Read || have.Epoch != it.Epoch)
	})
}

// Put stores what a writer brings, and ends every read under way.
func (m *Tier[K, V]) Put(hash uint64, key K, it *Item[V], cost int64) {
	m.write(hash, key, it, cost, func(g *atomic.Uint64, _ *Item[V]) bool {
		g.Add(1)
		return true
	})
}

// Remove takes the key out and moves its generation. It returns what stood there and the
// generation's new state.
func (m *Tier[K, V]) Remove(hash uint64, key K) (had *Item[V], gen uint64) {
	s := m.shard(hash)
	s.mu.Lock()
	gen = m.gen(hash).Add(1)
	had, drop := m.takeKey(s, hash, key)
	s.mu.Unlock()
	if drop {
		m.forget(hash)
	}
	return had, gen
}

// Withdraw takes one version of the key out, the one with that id, and refuses it to readers that
// have found it in Redis already. Nobody has invalidated the key: another version stays.
func (m *Tier[K, V]) Withdraw(hash uint64, key K, id uint64) {
	s := m.shard(hash)
	s.mu.Lock()
	m.gen(hash).Add(withdrawal)
	sl, have := s.table.Load().get(hash, key)
	known := sl != nil && have.ID == id && m.take(s, sl)
	s.mu.Unlock()
	if known {
		m.forget(hash)
	}
}

// Settle ends a write that began with remove: it moves the generation again, so that what was read
// in between is dead on arrival, and stores it where no other writer came in between; else nothing
// is left there. A nil item stores nothing.
func (m *Tier[K, V]) Settle(hash uint64, key K, it *Item[V], cost int64, cl *Claim) {
	stored := it != nil && m.write(hash, key, it, cost, func(g *atomic.Uint64, _ *Item[V]) bool { return cl.take(g) })
	if stored {
		return
	}
	s := m.shard(hash)
	s.mu.Lock()
	if g := m.gen(hash); it != nil || !cl.take(g) {
		g.Add(1)
	}
	_, drop := m.takeKey(s, hash, key)
	s.mu.Unlock()
	if drop {
		m.forget(hash)
	}
}

// write stores it under the shard's lock if may says so of the key's generation and of what stands
// there. Room is made before, not after: a writer that had to wait once its entry is there could
// find it pushed out by those that don't.
func (m *Tier[K, V]) write(hash uint64, key K, it *Item[V], cost int64, may func(gen *atomic.Uint64, have *Item[V]) bool) bool {
	m.makeRoom()
	if cost > m.main.Load() {
		m.makeRoomFor(hash, key, cost)
	}
	m.Coarse.CatchUp()
	s := m.shard(hash)
	s.mu.Lock()
	t := s.table.Load()
	old, have := t.get(hash, key)
	if s.closed || !may(m.gen(hash), have) {
		s.mu.Unlock()
		return false
	}
	if old != nil && old.cost == cost {
		if have.ID != it.ID { // else it was validated
			have.leave(false)
		}
		s.losses++
		t.set(old, it)
		m.renew(s, old)
		s.mu.Unlock()
		return true
	}
	known := old != nil && m.take(s, old) // a slot of another cost is a new one to the policy
	if old == nil {
		m.ghosts.back(hash, s.entries*len(m.shards))
	}
	sl := &slot[K, V]{key: key, hash: hash, cost: cost, counted: -1, large: m.isLarge(cost)}
	sl.reads.Store(1) // its own arrival, which the policy does not hear of: where all else is read all the time, it would be the first to go
	if !t.add(sl, it) {
		t = t.rebuilt(s.entries + 1)
		t.add(sl, it)
		s.table.Store(t)
	}
	m.tending.Do(func() { go m.tend() })
	s.entries++
	s.cost += cost
	s.heaviest = max(s.heaviest, cost)
	m.arrive(s, sl)
	full := m.enter(s, sl)
	s.mu.Unlock()
	if known {
		m.forget(hash)
	}
	if full {
		m.alarm() // should nobody else write
	}
	return true
}

// Drop takes out what is older than it, which itself is not worth keeping, on the terms of fill.
func (m *Tier[K, V]) Drop(hash uint64, key K, it *Item[V], gen uint64) {
	s := m.shard(hash)
	s.mu.Lock()
	sl, have := s.table.Load().get(hash, key)
	known := sl != nil && m.Generation(hash) == gen && have.Read <= it.Read && m.take(s, sl)
	s.mu.Unlock()
	if known {
		m.forget(hash)
	}
}

// takeKey removes the key's slot, if there is one.
func (m *Tier[K, V]) takeKey(s *shard[K, V], hash uint64, key K) (had *Item[V], known bool) {
	sl, had := s.table.Load().get(hash, key)
	return had, sl != nil && m.take(s, sl)
}

// take removes the slot from the shard, and reports whether the policy may know it.
func (m *Tier[K, V]) take(s *shard[K, V], sl *slot[K, V]) (known bool) {
	t := s.table.Load()
	t.itemOf(sl).leave(false)
	t.remove(sl)
	sl.left = true
	s.losses++
	s.entries--
	s.cost -= sl.cost
	return !m.quit(s, sl)
}
