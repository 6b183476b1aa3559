package tiercache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
)

// flight is one look-up under way for one key: Redis, then the source. Everybody who misses the key
// meanwhile waits for it. It belongs to nobody: a waiter that gives up changes nothing for the
// others.
type flight[K comparable, V any] struct {
	cache *loads[K, V]
	key   K
	text  string
	texts [1]string        // text, as a list
	one   [1]*flight[K, V] // the flight, as a list
	hash  uint64
	next  *flight[K, V]   // in the table of flights
	gen   uint64          // the key's generation when it began; see memory.generation
	seen  memory.Snapshot // of the cache when it began
	began int64           // then; 0 without Redis

	old        *memory.Item[V]                // what memory held, fresh or not; nil if nothing
	force      bool                           // Refresh: load, whatever Redis has that was read before
	since      int64                          // of force: the latest call that it is for; its shard of the table guards it
	asked      bool                           // of force: the source is being asked, and no later call may join; guarded likewise
	after      *flight[K, V]                  // of force: another one that is to end first; guarded likewise
	newer      bool                           // refresh behind a hit: of what Redis has, only something younger than old will do
	asking[V]                                 // whom to ask, if not the cache's own loader
	lead       *lead                          // who loads it; set before anybody else sees the flight
	own        lead                           // lead, where it is loaded alone
	stale      atomic.Pointer[memory.Item[V]] // the best that may be served if the load fails or is slow
	buried     atomic.Int64                   // what was read before then was invalidated, says Redis; 0 is nothing
	unreadable bool                           // what Redis holds is no record, and that has been counted
	looked     signal                         // Redis was asked: stale is as good as it gets
	done       signal                         // answer or err stand
	ended      atomic.Bool
	answer     *memory.Item[V]
	source     Source
	err        error
}

// isBuried reports whether Redis says that the item was invalidated.
func (f *flight[K, V]) isBuried(it *memory.Item[V]) bool {
	at := f.buried.Load()
	return at != 0 && it.Read < at
}

// finish sets the flight's outcome; the first one counts. It reports whether this was it.
func (f *flight[K, V]) finish(answer *memory.Item[V], source Source, err error) bool {
	if !f.ended.CompareAndSwap(false, true) {
		return false
	}
	f.answer, f.source, f.err = answer, source, err
	f.look()
	f.done.give()
	return true
}

// look says that Redis was asked.
func (f *flight[K, V]) look() { f.looked.give() }

// signal is given once. Few ever wait for it, so its channel is made for the first who does.
type signal struct {
	mu    sync.Mutex
	given bool
	c     chan struct{}
}

func (s *signal) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.given && s.c != nil {
		close(s.c)
	}
	s.given = true
}

// isGiven reports whether it is.
func (s *signal) isGiven() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given
}

// wait is closed once the signal is given.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		if s.c = make(chan struct{}); s.given {
			close(s.c)
		}
	}
	return s.c
}

// flights is the table of all flights of a cache, by key, generation and epoch: a read that begins
// after an invalidation never joins a load from before it, but for those of tags, which are known
// only with the answer; see overtaken. x/sync's singleflight would pass one caller's cancellation
// and a panic on to the others, and knows no generations.
type flights[K comparable, V any] struct {
	shards [flightShards]flightShard[K, V]
}

type flightShard[K comparable, V any] struct {
	mu sync.Mutex
	m  map[uint64]*flight[K, V] // by the keys' hashes; those that share one are linked

	asked int64 // when the last refresh asked the source
	_     [64]byte
}

const flightShards = 32

func (t *flights[K, V]) shard(hash uint64) *flightShard[K, V] { return &t.shards[hash%flightShards] }

// join returns the flight of f's key and generation, which is f itself if there was none: then its
// caller leads it.
func (t *flights[K, V]) join(f *flight[K, V]) (joined *flight[K, V], leads bool) {
	s := t.shard(f.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.m[f.hash]
	if have := first.find(f); have != nil {
		have.since = max(have.since, f.since)
		return have, false
	}
	if f.force {
		f.after = f.crowd(first)
	}
	if s.m == nil {
		s.m = make(map[uint64]*flight[K, V])
	}
	f.next = first
	s.m[f.hash] = f
	return f, true
}

// find is the flight that f would join, or nil.
func (t *flights[K, V]) find(f *flight[K, V]) *flight[K, V] {
	s := t.shard(f.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[f.hash].find(f)
}

// find is the one of f and those linked to it that is the same look-up as o, or nil.
func (f *flight[K, V]) find(o *flight[K, V]) *flight[K, V] {
	for ; f != nil; f = f.next {
		if f.key == o.key && f.gen == o.gen && f.seen.Epoch == o.seen.Epoch && f.serves(o) {
			return f
		}
	}
	return nil
}

// serves reports whether o may join f, which is the same look-up: a refresh, one that is yet to ask
// the source; another read, one that has somebody to ask if itself has, and that is not to wait for
// others first.
func (f *flight[K, V]) serves(o *flight[K, V]) bool {
	if o.force {
		return f.force && !f.asked
	}
	return f.after == nil && (f.asks() || !o.asks()) && f.heard()
}

// heard reports whether the flight may be joined by who comes now. While notices are not heard it
// is remembered of Redis like an entry: what ended its key since it began may not be known here, as
// after a freeze of the process. Then a flight is joined for DegradedTTL, and where that is less
// for leastJoin: without any joining an outage would have each reader ask the source.
func (f *flight[K, V]) heard() bool {
	c := f.cache
	return c.redis == nil || c.trusts(f.began+int64(max(0, leastJoin-c.cfg.DegradedTTL)), c.memory.Clock.Now())
}

const leastJoin = time.Second

// asks reports whether the flight has a source to ask.
func (f *flight[K, V]) asks() bool { return f.brought() || f.cache.sourced && !f.nobody }

// mostRefreshes is how many refreshes of a key ask the source at once. One asks while another does,
// which may hang, and whose value may be out of date; more would be a storm.
const mostRefreshes = 2

// crowd is the oldest of the refreshes of f's key that ask the source, where those are as many as
// may be; else nil.
func (f *flight[K, V]) crowd(first *flight[K, V]) (oldest *flight[K, V]) {
	n := 0
	for o := first; o != nil; o = o.next {
		if o.key == f.key && o.asked && !o.ended.Load() {
			n, oldest = n+1, o
		}
	}
	if n < mostRefreshes {
		return nil
	}
	return oldest
}

// some reports whether there is any flight of the hash.
func (t *flights[K, V]) some(hash uint64) bool {
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[hash] != nil
}

// ask notes that the source is about to be asked for a refresh: who calls later must not join it.
// It returns the moment of that read, which is later than that of each load of the key that began
// before it, also where the clock has not moved: the younger value stays.
func (t *flights[K, V]) ask(f *flight[K, V], now int64) int64 {
	s := t.shard(f.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = max(now, s.asked) + 1
	f.asked, f.after = true, nil
	return s.asked
}

// overtaken reports whether a source read that began at that moment will do for all the calls of a
// refresh. Then no other may join it.
func (t *flights[K, V]) overtaken(f *flight[K, V], read int64) bool {
	s := t.shard(f.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.asked || read <= f.since {
		return false
	}
	f.asked, f.after = true, nil
	return true
}

// leave takes an ended flight out of the table, if it is there.
func (t *flights[K, V]) leave(f *flight[K, V]) {
	s := t.shard(f.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.m[f.hash]
	if first == f && f.next == nil {
		delete(s.m, f.hash)
		return
	}
	for at := &first; *at != nil; at = &(*at).next {
		if *at == f {
			*at = f.next
			s.m[f.hash] = first
			return
		}
	}
}
