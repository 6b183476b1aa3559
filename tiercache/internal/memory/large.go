package memory

import (
	"slices"
	"sync"
	"sync/atomic"
)

// large is the window of all entries that are large for a shard's part of the window. There may be
// 64 shards, so that in a cache of 64 MiB a shard's window has 150 KiB: what is larger would fall
// through it, and where all entries are large the cache would have no window at all. Together they
// have as much of the window as they are of what arrives, an entry counting by the reciprocal of
// its cost; but for a sixteenth, which small entries keep.
//
// What is dearer than any part of the memory, and fits into the capacity, is Ristretto's: its part
// grows to what is needed, at the expense of the window, where there is room for the entry beside
// all others, or where it has come back after it was turned away. It shrinks again once no entry
// needs it.
type large[K comparable, V any] struct {
	window[K, V]
	apart bool // large entries have a window of their own: there is more than one shard

	room    atomic.Int64 // of the window; balanceMu guards its changes
	parts   atomic.Int64 // of largeParts, how much of all windows is for large entries
	arrived atomic.Int64 // what has entered; see arrive
	needed  atomic.Int64 // what Ristretto's part must have at least

	apportioning sync.Mutex // one at a time divides the window

	// feedMu guards these
	kept    []*slot[K, V] // those that Ristretto holds, and some that have left since the last pruning
	most    int           // of kept, before it is pruned
	hand    int           // which of these is looked at next
	offered int           // how many slots, since the last look
}

const (
	largeParts = 16
	// largeShare: an entry is large that fills a quarter of a shard's window, as that begins.
	largeShare = firstShare / 4
)

// isLarge reports whether an entry of that cost goes into the window of large ones.
func (m *Tier[K, V]) isLarge(cost int64) bool {
	return m.large.apart && cost > m.capacity.Load()/int64(float64(len(m.shards))/largeShare)
}

// roomOf is the room of the slot's window.
func (m *Tier[K, V]) roomOf(sl *slot[K, V]) int64 {
	if sl.large {
		return m.large.room.Load()
	}
	return m.room.Load()
}

// part is the large entries' of so much window.
func (l *large[K, V]) part(windows int64) int64 { return windows / largeParts * l.parts.Load() }

// arrive counts what enters a window. A hit is a hit, and one on a large entry costs more: an entry
// counts by how many of its kind the capacity would hold. The shard's lock is held.
func (m *Tier[K, V]) arrive(s *shard[K, V], sl *slot[K, V]) {
	if !m.large.apart {
		return
	}
	arrived := &s.arrived
	if sl.large {
		arrived = &m.large.arrived
	}
	arrived.Add(m.capacity.Load() / sl.cost)
	if sl.large || m.large.arrived.Load() > 0 && (uint64(s.entries)+s.losses)%64 == 0 { //nolint:gosec // not negative
		m.apportion()
	}
}

// apportion divides the window between large and small entries by what has arrived. What arrived
// long ago counts for less.
func (m *Tier[K, V]) apportion() {
	if !m.large.apportioning.TryLock() {
		return
	}
	defer m.large.apportioning.Unlock()
	dear, most := m.large.arrived.Load(), m.capacity.Load()
	all := dear
	for i := range m.shards {
		all += m.shards[i].arrived.Load()
	}
	if all > most {
		m.large.arrived.Add(-dear / 2)
		for i := range m.shards {
			a := &m.shards[i].arrived
			a.Add(-a.Load() / 2)
		}
	}
	parts := int64(float64(dear) / float64(max(1, all)) * largeParts)
	if parts = min(parts, largeParts-1); m.large.parts.Swap(parts) != parts {
		m.alarm()
	}
}

// makeRoomFor gives Ristretto's part the room for an entry that fits into no part of the memory.
func (m *Tier[K, V]) makeRoomFor(hash uint64, key K, cost int64) {
	if !m.policed || m.isLarge(cost) && cost <= m.large.room.Load() || cost <= m.room.Load() {
		return
	}
	capacity := m.capacity.Load()
	_, used := m.Size()
	if old, _ := m.shard(hash).table.Load().get(hash, key); old != nil {
		used -= old.cost
	}
	needed := cost
	switch {
	case used+cost <= capacity:
		needed = used + cost // what a smaller window has no room for is Ristretto's, too
	case !m.ghosts.know(hash):
		return
	}
	for {
		had := m.large.needed.Load()
		if had >= needed {
			return
		}
		if m.large.needed.CompareAndSwap(had, needed) {
			m.rebalance()
			return
		}
	}
}

// giveBack takes room back that Ristretto's part no longer needs for a large entry.
func (m *Tier[K, V]) giveBack() {
	if m.large.arrived.Load() > 0 {
		m.apportion()
	}
	had := m.large.needed.Load()
	if had == 0 {
		return
	}
	needed := int64(0)
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		needed = max(needed, s.heaviest)
		s.mu.Unlock()
	}
	if needed < had && m.large.needed.CompareAndSwap(had, needed) {
		m.rebalance()
	}
}

// keep lists a slot that was offered to Ristretto. feedMu is held.
func (l *large[K, V]) keep(sl *slot[K, V]) {
	if sl.listed != unlisted {
		return
	}
	sl.listed = unseen
	l.kept = append(l.kept, sl)
}

// Whether a slot is in the list of large ones that Ristretto holds.
const (
	unlisted = iota
	unseen   // it is, and has not been looked at
	seen
)

// weed takes a large entry out that was not read since the last look at it, if small ones could use
// the room. Ristretto looks for what is read least among five entries that it picks, of thousands:
// it does not come upon the few large ones for a long time. feedMu is held.
func (m *Tier[K, V]) weed(offered int) {
	l := &m.large
	if l.offered += offered; l.offered < m.batch {
		return
	}
	l.offered = 0
	if len(l.kept) > l.most {
		l.kept = slices.DeleteFunc(l.kept, func(sl *slot[K, V]) bool { return !m.stands(sl) })
		l.most = 2*len(l.kept) + largeParts
	}
	entries, _ := m.Size()
	if len(l.kept) == 0 || entries < len(l.kept)*largeParts || m.policy.RemainingCost() > m.main.Load()/bufferShare {
		return // nearly all are large, or there is room
	}
	if l.hand++; l.hand >= len(l.kept) {
		l.hand = 0
	}
	if sl := l.kept[l.hand]; m.unread(sl) {
		sl.listed = unlisted
		m.policy.Del(sl.hash)
		l.kept = slices.Delete(l.kept, l.hand, l.hand+1)
	}
}

// unread reports whether the slot has left, or was not read since it was last looked at.
func (m *Tier[K, V]) unread(sl *slot[K, V]) bool {
	s := m.shard(sl.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	first := sl.listed == unseen
	sl.listed = seen
	return sl.left || !m.holds(s, sl) && !sl.count() && !first
}
