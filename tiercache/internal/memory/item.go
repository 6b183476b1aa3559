package memory

import (
	"sync/atomic"

	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Item is one version of a key's value. It never changes once it is in a slot, save for the marks
// of reading.
//
// The order of the fields is what a hit costs once the entries don't fit into the processor's
// cache: what every hit looks at comes first, in one cache line where the value is a word or two.
type Item[V any] struct {
	Value  V
	Fresh  int64        // not fresh from here on, be it for MemoryTTL's sake
	Epoch  uint64       // the cache's, before it was looked for
	Due    atomic.Int64 // above 0: a read from then on triggers a background refresh; below 0: see BackOff
	Absent bool         // the source said ErrNotFound
	Useful atomic.Bool  // it has been counted at warmed, as read or as gone unread
	Tags   *Tagged      // nil: it has none

	Warmed *stat.Tally // of the task whose run brought this; else nil
	Filled int64       // when Redis was asked for it, or the source had said it: trust counts from there
	Dead   int64       // not even stale from here on

	ID   uint64 // of the record, the same in both tiers
	Read int64  // when the source read began, on the memory's clock
	TTL  int64  // how long it is fresh by its own right, from then on
	Late int64  // how long it may be served stale after that
	Rank uint32 // among what its warm-up brought, from 0: the lower, the more it is wanted
}

// Tagged is the tags of an item.
type Tagged struct {
	Names []string      // canonical
	Count atomic.Uint64 // of ends of tags: none of these was ended up to then since the item was looked for
}

// TaggedBy is the tags with these names, nil for none.
func TaggedBy(names []string) *Tagged {
	if len(names) == 0 {
		return nil
	}
	return &Tagged{Names: names}
}

// TagNames is the item's tags.
func (it *Item[V]) TagNames() []string {
	if it.Tags == nil {
		return nil
	}
	return it.Tags.Names
}

// BackOff keeps everybody from trying to replace the item until then: a load of it has just failed.
func (it *Item[V]) BackOff(until int64) { it.Due.Store(-until) }

// BackedOff is until when nobody tries to replace the item; 0: somebody may.
func (it *Item[V]) BackedOff() int64 { return max(0, -it.Due.Load()) }

// Snapshot is the state of the cache before a look at Redis or at the source. What is found behind
// it is valid as of then.
type Snapshot struct {
	Epoch uint64
	Count uint64 // of tag invalidations
}

// Stamp notes on an item, before anybody else sees it, the Snapshot behind which it was found.
func (it *Item[V]) Stamp(s Snapshot) *Item[V] {
	it.Epoch = s.Epoch
	if it.Tags != nil {
		it.Tags.Count.Store(s.Count)
	}
	return it
}

// leave counts an entry that goes, unless it was read.
func (it *Item[V]) leave(evicted bool) {
	switch {
	case it.Warmed == nil || it.Useful.Load() || !it.Useful.CompareAndSwap(false, true):
	case evicted:
		it.Warmed.Evict()
	default:
		it.Warmed.Waste()
	}
}
