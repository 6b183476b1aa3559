package tiercache

import (
	"context"
	"sync"
	"sync/atomic"
)

// flight is one look-up under way for one key: Redis, then the source. Everybody who misses the key meanwhile waits for it. It belongs to nobody: a
// waiter that gives up changes nothing for the others.
type flight[K comparable, V any] struct {
	cache *Cache[K, V]
	key   K
	text  string
	hash  uint64
	gen   uint64 // the key's generation when it began; see memory.generation
	seen  sight  // of the cache when it began

	old        *item[V]                             // what memory held, fresh or not; nil if nothing
	force      bool                                 // Refresh: load, whatever Redis has
	newer      bool                                 // refresh behind a hit: of what Redis has, only something younger than old will do
	load       func(ctx context.Context) (V, error) // GetOrLoad's; nil is the cache's own
	lead       *lead                                // who loads it; set before anybody else sees the flight
	own        lead                                 // lead, where it is loaded alone
	stale      atomic.Pointer[item[V]]              // the best that may be served if the load fails or is slow
	unreadable bool                                 // what Redis holds is no record, and that has been counted
	looked     signal                               // Redis was asked: stale is as good as it gets
	done       signal                               // answer or err stand
	ended      atomic.Bool
	answer     *item[V]
	source     Source
	err        error
}

// finish sets the flight's outcome; the first one counts. It reports whether this was it.
func (f *flight[K, V]) finish(answer *item[V], source Source, err error) bool {
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

// isGiven says whether it is.
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

// flights is the table of all flights of a cache, by key, generation, epoch and count of tag invalidations: a read that begins after an invalidation never joins a load from
// before it. x/sync's singleflight would pass one caller's cancellation and a panic on to the others, and knows no generations.
type flights[K comparable, V any] struct {
	shards [flightShards]struct {
		mu sync.Mutex
		m  map[flightKey[K]]*flight[K, V]
		_  [64]byte
	}
}

const flightShards = 32

type flightKey[K comparable] struct {
	key  K
	gen  uint64
	seen sight
}

// join returns the flight of f's key and generation, which is f itself if there was none: then its caller leads it.
func (t *flights[K, V]) join(f *flight[K, V]) (joined *flight[K, V], leads bool) {
	s := &t.shards[f.hash%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	k := flightKey[K]{f.key, f.gen, f.seen}
	if have := s.m[k]; have != nil {
		return have, false
	}
	if s.m == nil {
		s.m = make(map[flightKey[K]]*flight[K, V])
	}
	s.m[k] = f
	return f, true
}

// leave takes an ended flight out of the table.
func (t *flights[K, V]) leave(f *flight[K, V]) {
	s := &t.shards[f.hash%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := (flightKey[K]{f.key, f.gen, f.seen}); s.m[k] == f {
		delete(s.m, k)
	}
}
