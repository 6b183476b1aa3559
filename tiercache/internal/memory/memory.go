// Package memory is the cache's tier in this process: an index that readers walk without a lock,
// and Ristretto, behind a recency window, as the policy that says what stays.
//
// It knows keys, what they hash to, what is stored for them and what that costs. An Item carries
// what makes it valid, its times, the epoch and the tags behind which it was found, and the package
// only compares these with each other: a write is refused where something younger stands there, or
// where the key's generation has moved since the writer looked.
//
// It must never know Redis, a loader, the user's Config or whether an Item may still be served.
// Whether one was ended it asks by Config.Ended. What left it tells by Config.OnLeave.
package memory

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Tier is the tier in this process: an index of our own for look-ups, and Ristretto as the policy
// that says what stays.
//
// Ristretto alone cannot be the index: it applies writes later, keeps the earlier of two quick
// ones, drops bursts, and answers for a while after a delete. Here a write is in the index when it
// returns, and Ristretto only ever decides what leaves. An entry goes
//
//	window ──► admission buffer ──► Ristretto
//	   ▲                                │ what it gives up, if it was read meanwhile
//	   └────────────────────────────────┘
//
// and leaves the index where Ristretto does not admit it, or gives it up unread. The window is a
// share of the capacity in order of age: a writer sees its own write also in a full cache, where
// Ristretto would turn a newcomer away. The share follows who comes back, see ghosts. Each shard
// has a part of it, and all entries that are large for such a part have one together, see large.
// The admission buffer collects a batch of what fell out of windows, see feed.
//
// A hit only marks its slot, and takes no lock. The marks are counted when somebody wants the slot
// gone.
//
// Lock order: balanceMu, feedMu, releaseMu, then one shard's lock, then one window's, then bufferMu
// or goneMu. No shard's lock is held while Ristretto may block (Set, Del, Wait), and its callback
// takes goneMu alone.
type Tier[K comparable, V any] struct {
	index[K, V]
	generations
	capacity atomic.Int64
	Clock    clock.Clock  // exact
	Coarse   clock.Coarse // for hits
	counters *stat.Counters
	onLeave  func(Reason, []K) // see Config
	ghosts   ghosts
	large    large[K, V]
	ends     ends[V]

	balanceMu sync.Mutex    // one at a time moves the border between window and policy
	share     atomic.Uint64 // the window's share of the capacity that room was made by, as bits of a float64
	room      atomic.Int64  // the window's in each shard; balanceMu guards changes of the next two, too
	main      atomic.Int64  // Ristretto's
	waiting   atomic.Int64  // the admission buffer's
	batch     int           // how many slots the admission buffer holds before they are offered

	bufferMu   sync.Mutex
	buffer     []*slot[K, V]
	bufferCost int64
	full       atomic.Bool // the admission buffer

	feedMu sync.Mutex // one at a time offers
	spare  []*slot[K, V]
	before []uint64 // the hashes of the batch before, whose arrivals are yet to be counted

	shut        sync.RWMutex                          // excludes policy.Close from everything that calls the policy
	policy      *ristretto.Cache[uint64, *slot[K, V]] // nil until something is offered to it, and where there is no room for more than the window
	policed     bool                                  // there is room for more
	frequencies int64                                 // that the policy counts

	goneMu sync.Mutex
	gone   []*slot[K, V] // given up by the policy, still in the index

	tending sync.Once     // the tending goroutine, when there is something to tend
	wake    chan struct{} // there is something in gone, or the border is to be moved
	stop    chan struct{}
	done    chan struct{}
}

// index is where the items stand.
type index[K comparable, V any] struct {
	seed   maphash.Seed
	shards []shard[K, V]
}

type shard[K comparable, V any] struct {
	table atomic.Pointer[table[K, V]]
	_     [120]byte // readers and writers share no cache line

	mu       sync.Mutex
	entries  int
	cost     int64  // of all entries
	heaviest int64  // about the cost of the dearest entry: no less
	losses   uint64 // how often an item left, or gave way to another one
	closed   bool
	window   window[K, V]
	arrived  atomic.Int64 // the cost of what has entered the window; see large
	_        [64]byte
}

// slot is a key's place in the index. It outlives the values that pass through it; the policy knows
// slots, not values. It fills a cache line where the key is a string.
type slot[K comparable, V any] struct {
	key   K
	reads atomic.Uint32 // since they were last counted, up to mostReads

	refused atomic.Bool // the policy did not admit it when it was last offered

	large      bool        // its window is the one of all large entries; never changes
	listed     uint8       // in large.kept; feedMu guards it
	windowed   bool        // the window's lock guards it
	left       bool        // it is out of the index; the shard's lock guards it
	counted    int8        // reads that the policy has yet to hear of; belongs to whoever moves the slot
	cost       int64       // never changes
	prev, next *slot[K, V] // in the window, whose lock guards them

	hash uint64 // never changes
}

// mostReads of a slot are remembered between two looks at it. Few are better than many: they say
// that the entry is read now, and what is no longer read is soon forgotten. From then on a hit
// writes nothing, so that cores that read one key share its cache line.
const mostReads = 3

const (
	maxShards = 64 // a power of two
	// An invalidation moves a generation, and a warm run is refused every key of one that moved
	// while it ran: with few of them, live writes would refuse it most keys.
	minGenerations = 1 << 14
	maxGenerations = 1 << 16
)

// Config is what a Tier stands on.
type Config[K comparable, V any] struct {
	Capacity int64               // at least 1
	Weighed  bool                // entries cost other than 1, so that Capacity does not say how many there will be
	Clock    clock.Clock         // exact
	Counters *stat.Counters      // of the cache
	OnLeave  func(Reason, []K)   // told, off the hit path and under no lock, which entries left; nil: nobody wants to know
	Ended    func(*Item[V]) bool // whether an entry is never to be served again; nil: none is
}

// Reason is why an entry has left.
type Reason uint8

// Why an entry has left.
const (
	Evicted Reason = iota // there was no room
	Expired               // its time was over
)

// New makes a Tier. It costs little until something is in it.
func New[K comparable, V any](cfg Config[K, V]) *Tier[K, V] {
	capacity, frequencies := cfg.Capacity, frequencyCounters(cfg.Capacity)
	if cfg.Weighed {
		frequencies = min(frequencies, mostWeighed)
	}
	m := &Tier[K, V]{
		Clock: cfg.Clock, counters: cfg.Counters, onLeave: cfg.OnLeave,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	m.seed, m.ends.ended = maphash.MakeSeed(), cfg.Ended
	m.Coarse.Init(cfg.Clock)
	m.capacity.Store(capacity)
	m.shards = make([]shard[K, V], powerOfTwo(capacity/2048, 1, maxShards))
	m.numGens = powerOfTwo(capacity, minGenerations, maxGenerations)
	for i := range m.shards {
		m.shards[i].table.Store(newTable[K, V](0))
	}
	m.batch = int(min(max(1, capacity/bufferShare), mostBatch))
	m.ghosts.init(min(capacity, frequencies/countersEach))
	m.policed, m.frequencies = capacity > max(1, int64(firstShare*float64(capacity))), frequencies
	m.large.apart = len(m.shards) > 1
	m.rebalance()
	return m
}

// makePolicy makes the policy when something is to be offered to it: until then a memory costs what
// is in it, whatever its capacity.
func (m *Tier[K, V]) makePolicy() {
	m.shut.Lock()
	defer m.shut.Unlock()
	if m.policy != nil || !m.policed || m.closing() {
		return
	}
	m.policy, _ = ristretto.NewCache(&ristretto.Config[uint64, *slot[K, V]]{ // all that could be wrong is a constant, or at least 1
		NumCounters: m.frequencies, MaxCost: max(1, m.main.Load()), BufferItems: int64(m.batch), IgnoreInternalCost: true,
		KeyToHash: func(hash uint64) (uint64, uint64) { return hash, 0 },
		OnReject:  m.onReject,
		OnExit:    m.onExit,
	})
}

// frequencyCounters sizes Ristretto's 4-bit frequency counters: ten for each entry, as it asks for,
// and more for small caches. All four rows of its sketch are indexed by the same bits of the hash,
// so keys collide as in one row; and its counters are halved each time as many reads were counted
// as it has counters, so that many more would remember for too long.
func frequencyCounters(capacity int64) int64 {
	const least, most = 10_000, 1 << 27
	return min(max(least, capacity*countersEach), most)
}

const (
	countersEach = 10
	mostWeighed  = 1 << 20 // counters, where the capacity does not say how many entries there will be
)

// powerOfTwo rounds n down to a power of two between low and high, which are powers of two
// themselves.
func powerOfTwo(n int64, low, high int) int {
	n = min(max(n, int64(low)), int64(high))
	return 1 << (bits.Len64(uint64(n)) - 1)
}

// Hash is the key's hash, by which the other methods look for it. It is clear of the marks of
// cells that hold nothing.
func (m *index[K, V]) Hash(key K) uint64 {
	hash := maphash.Comparable(m.seed, key)
	if hash <= graveCell {
		hash += graveCell + 1
	}
	return hash
}

func (m *index[K, V]) shard(hash uint64) *shard[K, V] {
	return &m.shards[hash>>32&uint64(len(m.shards)-1)]
}

// Get finds the key's item, whatever its age.
func (m *index[K, V]) Get(hash uint64, key K) *Item[V] {
	_, it := m.shard(hash).table.Load().get(hash, key)
	return it
}

// Touch is get for somebody who wants the value, which is marked for the policy. Two marks at once
// may count as one.
func (m *index[K, V]) Touch(hash uint64, key K) *Item[V] {
	sl, it := m.shard(hash).table.Load().get(hash, key)
	if sl == nil {
		return nil
	}
	if n := sl.reads.Load(); n < mostReads {
		sl.reads.Store(n + 1)
	}
	return it
}

// Size counts entries and their cost.
func (m *index[K, V]) Size() (entries int, cost int64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		entries += s.entries
		cost += s.cost
		s.mu.Unlock()
	}
	return entries, cost
}

// All yields every key with its item, in no order. What changes meanwhile it may miss, or yield
// although it has just left.
func (m *index[K, V]) All(yield func(K, *Item[V]) bool) {
	for i := range m.shards {
		for sl, it := range m.shards[i].table.Load().all {
			if !yield(sl.key, it) {
				return
			}
		}
	}
}

// Vacant is how much a warm run may bring: what a full cache holds is being read, and isn't pushed
// out by what somebody may want. What was ended has left before it is told.
func (m *Tier[K, V]) Vacant() int64 {
	m.releaseNow()
	_, cost := m.Size()
	capacity := m.capacity.Load()
	if cost == 0 {
		return capacity - capacity/5
	}
	return max(0, capacity-capacity/(bufferShare/2)-cost) // what is on its way through the admission buffer has its room too
}

// Capacity is the capacity.
func (m *Tier[K, V]) Capacity() int64 { return m.capacity.Load() }

// Resize changes the capacity. Where it shrinks, what has to leave has left when it returns.
func (m *Tier[K, V]) Resize(capacity int64) {
	m.capacity.Store(capacity)
	m.rebalance()
}

// Losses counts the items that have left, or given way to others. While it stands still, what was
// stored is there.
func (m *index[K, V]) Losses() (n uint64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.losses
		s.mu.Unlock()
	}
	return n
}

func (m *Tier[K, V]) closing() bool {
	select {
	case <-m.stop:
		return true
	default:
		return false
	}
}

// Close empties the memory and stops its goroutines and Ristretto's. Operations beside it and after
// it do nothing.
func (m *Tier[K, V]) Close() {
	close(m.stop)
	m.tending.Do(func() { close(m.done) })
	<-m.done
	m.Coarse.Close()
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.closed = true
		s.table.Store(newTable[K, V](0))
		s.window.empty()
		s.entries, s.cost = 0, 0
		s.losses++
		s.mu.Unlock()
	}
	m.large.empty()
	m.shut.Lock()
	defer m.shut.Unlock()
	if m.policy != nil {
		m.policy.Close()
	}
	m.goneMu.Lock()
	defer m.goneMu.Unlock()
	m.gone = nil
}
