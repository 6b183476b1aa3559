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
	texts [1]string // text, as a list
	hash  uint64
	next  *flight[K, V] // in the table of flights
	gen   uint64        // the key's generation when it began; see memory.generation
	seen  sight         // of the cache when it began

	old        *item[V]                             // what memory held, fresh or not; nil if nothing
	force      bool                                 // Refresh: load, whatever Redis has
	newer      bool                                 // refresh behind a hit: of what Redis has, only something younger than old will do
	load       func(ctx context.Context) (V, error) // GetOrLoad's; nil is the cache's own
	lead       *lead                                // who loads it; set before anybody else sees the flight
	own        lead                                 // lead, where it is loaded alone
	stale      atomic.Pointer[item[V]]              // the best that may be served if the load fails or is slow
	buried     atomic.Int64                         // what was read before then was invalidated, says Redis; 0 is nothing
	unreadable bool                                 // what Redis holds is no record, and that has been counted
	looked     signal                               // Redis was asked: stale is as good as it gets
	done       signal                               // answer or err stand
	ended      atomic.Bool
	answer     *item[V]
	source     Source
	err        error
}

// isBuried reports whether Redis says that the item was invalidated.
func (f *flight[K, V]) isBuried(it *item[V]) bool {
	at := f.buried.Load()
	return at != 0 && it.read < at
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
	_  [64]byte
}

const flightShards = 32

func (t *flights[K, V]) shard(hash uint64) *flightShard[K, V] { return &t.shards[hash%flightShards] }

// join returns the flight of f's key and generation, which is f itself if there was none: then its caller leads it.
func (t *flights[K, V]) join(f *flight[K, V]) (joined *flight[K, V], leads bool) {
	s := t.shard(f.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.m[f.hash]
	if have := first.find(f); have != nil {
		return have, false
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
		if f.key == o.key && f.gen == o.gen && f.seen.epoch == o.seen.epoch {
			return f
		}
	}
	return nil
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
