package tiercache

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// memory is the tier in this process: an index of our own for look-ups, and Ristretto as the policy that says what stays.
//
// Ristretto alone cannot be the index: it applies writes later, keeps the earlier of two quick ones, drops bursts, and answers for a
// while after a delete. Here a write is in the index when it returns, and Ristretto only ever decides what leaves. A new
// entry begins in its shard's window, a queue that holds a fifth of the capacity; what falls out of the window is offered to Ristretto. So
// a writer always sees its own write, also in a full cache, where Ristretto would turn a newcomer away.
//
// Lock order: a shard's lock is never held while Ristretto may block (Set, Del, Wait); Ristretto's callback takes no shard lock.
type memory[K comparable, V any] struct {
	seed     maphash.Seed
	shards   []shard[K, V]
	gens     []atomic.Uint64 // see generation
	capacity int64
	clock    clock
	counters *counters
	evicted  func(n int) // told, off the hit path, how many entries left for want of room

	policyMu sync.RWMutex // excludes policy.Close from everything outside the shards' locks
	policy   *ristretto.Cache[uint64, *slot[K, V]]

	goneMu sync.Mutex
	gone   []*slot[K, V] // given up by the policy, still in the index
	wake   chan struct{} // there is something in gone
	stop   chan struct{}
	done   chan struct{}
}

type shard[K comparable, V any] struct {
	mu      sync.RWMutex
	slots   map[K]*slot[K, V]
	window  queue[K, V]
	room    int64 // the window's share of the capacity
	cost    int64 // of all slots
	offered int   // since the last wait for the policy
	closed  bool
	_       [64]byte
}

// slot is a key's place in the index. It outlives the values that pass through it; the policy knows slots, not values.
type slot[K comparable, V any] struct {
	key  K
	hash uint64
	item atomic.Pointer[item[V]]
	gone atomic.Bool // the policy gave it up

	// guarded by the shard's lock
	cost       int64
	windowed   bool
	prev, next *slot[K, V]
}

// item is one version of a key's value. It never changes once it is in a slot, save for the marks of reading.
type item[V any] struct {
	value  V
	absent bool   // the source said ErrNotFound
	rank   uint32 // among what its warm-up brought, from 0: the lower, the more it is wanted
	id     uint64 // of the record, the same in both tiers

	read    int64        // when the source read began, on the memory's clock
	ttl     int64        // how long it is fresh by its own right, from then on
	fresh   int64        // not fresh from here on, be it for MemoryTTL's sake
	dead    int64        // not even stale from here on
	refresh atomic.Int64 // a read after this triggers a background refresh; never if 0

	retry atomic.Int64 // until then nobody tries to replace it: a load of it has just failed

	filled int64    // when it came into this process
	epoch  uint64   // the cache's, before it was looked for
	tags   []string // canonical
	count  uint64   // of tag invalidations, before it was looked for

	warmed *tally      // of the task whose run brought this; else nil
	useful atomic.Bool // it has been counted there, as read or as gone unread
}

// clock is the process's monotonic clock in nanoseconds since the cache began; wall clocks are nobody's business here.
type clock struct{ start time.Time }

func (c clock) now() int64 { return int64(time.Since(c.start)) }

const (
	windowShare = 5   // the window holds 1/5 of the capacity
	maxShards   = 128 // a power of two
	// waitEvery is after how many offers a writer waits for Ristretto to take them: its buffer holds 32 k and drops what comes on top.
	waitEvery = 64
	// An invalidation moves a generation, and a warm run is refused every key of one that moved while it ran: with few of them, live writes
	// would refuse it most keys.
	minGenerations = 1 << 14
	maxGenerations = 1 << 16
	sweepTick      = time.Second
	sweepPart      = 8 // the share of the shards that one tick sweeps
)

func newMemory[K comparable, V any](capacity int64, costed bool, clock clock, counters *counters, evicted func(int)) (*memory[K, V], error) {
	m := &memory[K, V]{
		seed: maphash.MakeSeed(), capacity: capacity, clock: clock, counters: counters, evicted: evicted,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	m.shards = make([]shard[K, V], powerOfTwo(capacity/512, 1, maxShards))
	m.gens = make([]atomic.Uint64, powerOfTwo(capacity, minGenerations, maxGenerations))
	window := max(1, capacity/windowShare)
	for i := range m.shards {
		m.shards[i].slots = make(map[K]*slot[K, V])
		m.shards[i].room = max(1, window/int64(len(m.shards)))
	}
	if main := capacity - window; main > 0 {
		policy, err := ristretto.NewCache(&ristretto.Config[uint64, *slot[K, V]]{
			NumCounters: frequencyCounters(capacity, costed), MaxCost: main, BufferItems: 64, IgnoreInternalCost: true,
			KeyToHash: func(hash uint64) (uint64, uint64) { return hash, 0 },
			OnExit:    m.onExit,
		})
		if err != nil {
			return nil, err
		}
		m.policy = policy
	}
	go m.tend()
	return m, nil
}

// frequencyCounters sizes Ristretto's 4-bit frequency counters: ten for each entry, as it asks for, more for small caches, whose counters would age
// too fast, and a fixed number where the capacity is not in entries.
func frequencyCounters(capacity int64, costed bool) int64 {
	const most = 1 << 27
	switch {
	case costed:
		return min(max(1<<10, capacity*10), 1<<20)
	case capacity < 10_000:
		return max(1<<10, capacity*100)
	default:
		return min(max(1_000_000, capacity*10), most)
	}
}

// powerOfTwo rounds n down to a power of two between low and high, which are powers of two themselves.
func powerOfTwo(n int64, low, high int) int {
	n = min(max(n, int64(low)), int64(high))
	return 1 << (bits.Len64(uint64(n)) - 1)
}

func (m *memory[K, V]) hash(key K) uint64 { return maphash.Comparable(m.seed, key) }

func (m *memory[K, V]) shard(hash uint64) *shard[K, V] {
	return &m.shards[hash>>32&uint64(len(m.shards)-1)]
}

// get finds the key's item, whatever its age.
func (m *memory[K, V]) get(hash uint64, key K) *item[V] {
	s := m.shard(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if sl := s.slots[key]; sl != nil {
		return sl.item.Load()
	}
	return nil
}

// touch is get for somebody who wants the value, which the policy is told.
func (m *memory[K, V]) touch(hash uint64, key K) *item[V] {
	s := m.shard(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	sl := s.slots[key]
	if sl == nil {
		return nil
	}
	if m.policy != nil && !s.closed {
		m.policy.Get(hash)
	}
	return sl.item.Load()
}

// generation is the state of a key's generation. A reader takes it before it looks at Redis or at the source, and what it found is stored only
// if it still stands: an invalidation in between has moved it. Keys share generations (there are as many as the capacity, 16 k to 64 k), so a
// fill may be refused for a neighbour's sake; that costs one more load, never a wrong value. Hits compare nothing: an invalidation takes
// the entry itself out of the index, under the same lock.
func (m *memory[K, V]) generation(hash uint64) uint64 { return m.gen(hash).Load() }

func (m *memory[K, V]) gen(hash uint64) *atomic.Uint64 { return &m.gens[m.genIndex(hash)] }

// genIndex is where a key's generation stands. Keys of one generation are in one shard, as both take the same bits.
func (m *memory[K, V]) genIndex(hash uint64) uint64 { return hash >> 32 & uint64(len(m.gens)-1) }

// generations is a copy of all of them, for a reader that does not know its keys yet.
func (m *memory[K, V]) generations() []uint64 {
	gens := make([]uint64, len(m.gens))
	for i := range m.gens {
		gens[i] = m.gens[i].Load()
	}
	return gens
}

// unmoved says whether the key's generation still is what it was when gens were copied.
func (m *memory[K, V]) unmoved(hash uint64, gens []uint64) bool {
	return gens[m.genIndex(hash)] == m.generation(hash)
}

// fill stores what a reader found, unless the key was invalidated since the reader took gen, or something younger stands there.
func (m *memory[K, V]) fill(hash uint64, key K, it *item[V], cost int64, gen uint64) bool {
	return m.write(hash, key, it, cost, func(g *atomic.Uint64, have *item[V]) bool {
		return g.Load() == gen && (have == nil || have.id == it.id || have.read <= it.read || have.epoch != it.epoch)
	})
}

// put stores what a writer brings, and ends every read under way.
func (m *memory[K, V]) put(hash uint64, key K, it *item[V], cost int64) {
	m.write(hash, key, it, cost, func(g *atomic.Uint64, _ *item[V]) bool {
		g.Add(1)
		return true
	})
}

// claim is one generation during a write to both tiers, between the two times that the writer moves it. The keys of one batch that share a generation share
// its claim: else the writer would take each of them for another writer of the others.
type claim struct {
	gen     uint64 // after the first move
	settled bool   // the second move is made
}

// take makes the second move, and says whether no other writer has moved the generation since the first.
func (c *claim) take(g *atomic.Uint64) bool {
	if c.settled {
		return g.Load() == c.gen+1
	}
	c.settled = g.CompareAndSwap(c.gen, c.gen+1)
	return c.settled
}

// remove takes the key out and moves its generation. It returns what stood there and the generation's new state.
func (m *memory[K, V]) remove(hash uint64, key K) (had *item[V], gen uint64) {
	s := m.shard(hash)
	s.mu.Lock()
	gen = m.gen(hash).Add(1)
	had, drop := s.takeKey(key)
	s.mu.Unlock()
	if drop {
		m.forget(hash)
	}
	return had, gen
}

// settle ends a write that began with remove: it moves the generation again, so that what was read in between is dead on arrival, and
// stores it where no other writer came in between; else nothing is left there. A nil item stores nothing.
func (m *memory[K, V]) settle(hash uint64, key K, it *item[V], cost int64, cl *claim) {
	stored := it != nil && m.write(hash, key, it, cost, func(g *atomic.Uint64, _ *item[V]) bool { return cl.take(g) })
	if stored {
		return
	}
	s := m.shard(hash)
	s.mu.Lock()
	if g := m.gen(hash); it != nil || !cl.take(g) {
		g.Add(1)
	}
	_, drop := s.takeKey(key)
	s.mu.Unlock()
	if drop {
		m.forget(hash)
	}
}

// write stores it under the shard's lock if may says so of the key's generation and of what stands there.
func (m *memory[K, V]) write(hash uint64, key K, it *item[V], cost int64, may func(gen *atomic.Uint64, have *item[V]) bool) bool {
	s := m.shard(hash)
	s.mu.Lock()
	sl := s.slots[key]
	var have *item[V]
	if sl != nil {
		have = sl.item.Load()
	}
	if s.closed || !may(m.gen(hash), have) {
		s.mu.Unlock()
		return false
	}
	if sl != nil && sl.cost == cost && !sl.gone.Load() {
		if have.id != it.id { // else it was validated
			have.leave(false)
		}
		sl.item.Store(it)
		s.mu.Unlock()
		return true
	}
	if sl != nil {
		s.take(sl) // a slot of another cost is a new one to the policy, which replaces the old by its hash
	}
	sl = &slot[K, V]{key: key, hash: hash, cost: cost}
	sl.item.Store(it)
	s.slots[key] = sl
	s.cost += cost
	s.window.push(sl)
	victims, wait := s.overflow()
	s.mu.Unlock()
	m.offer(victims)
	if wait {
		m.catchUp()
	}
	return true
}

// drop takes out what is older than it, which itself is not worth keeping, on the terms of fill.
func (m *memory[K, V]) drop(hash uint64, key K, it *item[V], gen uint64) {
	s := m.shard(hash)
	s.mu.Lock()
	sl := s.slots[key]
	known := sl != nil && m.generation(hash) == gen && sl.item.Load().read <= it.read && s.take(sl)
	s.mu.Unlock()
	if known {
		m.forget(hash)
	}
}

// takeKey removes the key's slot, if there is one.
func (s *shard[K, V]) takeKey(key K) (had *item[V], known bool) {
	sl := s.slots[key]
	if sl == nil {
		return nil, false
	}
	return sl.item.Load(), s.take(sl)
}

// take removes the slot from the shard, and says whether the policy may know it.
func (s *shard[K, V]) take(sl *slot[K, V]) bool {
	delete(s.slots, sl.key)
	s.cost -= sl.cost
	sl.item.Load().leave(false)
	if sl.windowed {
		s.window.remove(sl)
		return false
	}
	return true
}

// overflow takes what the window has no room for out of it, oldest first.
func (s *shard[K, V]) overflow() (victims []*slot[K, V], wait bool) {
	for s.window.cost > s.room {
		sl := s.window.tail
		s.window.remove(sl)
		victims = append(victims, sl)
	}
	if s.offered += len(victims); s.offered >= waitEvery {
		s.offered = 0
		wait = true
	}
	return victims, wait
}

// size counts entries and their cost.
func (m *memory[K, V]) size() (entries int, cost int64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		entries += len(s.slots)
		cost += s.cost
		s.mu.RUnlock()
	}
	return entries, cost
}

func (m *memory[K, V]) closing() bool {
	select {
	case <-m.stop:
		return true
	default:
		return false
	}
}

// close empties the memory and stops both goroutines, its own and Ristretto's. Operations beside it and after it do nothing.
func (m *memory[K, V]) close() {
	close(m.stop)
	<-m.done
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.closed = true
		clear(s.slots)
		s.window = queue[K, V]{}
		s.cost = 0
		s.mu.Unlock()
	}
	m.policyMu.Lock()
	defer m.policyMu.Unlock()
	if m.policy != nil {
		m.policy.Close()
	}
}
