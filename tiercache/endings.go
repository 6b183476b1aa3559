package tiercache

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
)

// endings is which tags were ended in this process, by whom ever, and when: by the count of all
// that were. Memory knows no tokens. An entry is stamped with the count of when its source read
// began, and is valid while none of its tags was ended at a later one. A look that finds that
// stamps the entry anew, so that the next hit compares one number.
//
// What is remembered is exact, and bounded. Before some of it is forgotten, all entries in memory
// are looked at, and so are stamped with a count that needs no more of it. What is under way
// meanwhile has an older stamp, of which nothing is known any more: it counts as ended.
type endings struct {
	count atomic.Uint64 // of ends, own and others'

	endsMu     sync.RWMutex
	ended      map[string]uint64 // by tag, the count of its last end
	exact      uint64            // ends up to this one may have been forgotten
	forgetting bool
}

// mostEnded is how many tags are remembered before some are forgotten.
const mostEnded = 1 << 16

// end notes the end of a tag. It reports whether forget is to be called.
func (e *endings) end(tag string) (full bool) {
	e.endsMu.Lock()
	defer e.endsMu.Unlock()
	if e.ended == nil {
		e.ended = make(map[string]uint64)
	}
	e.ended[tag] = e.count.Add(1)
	full = len(e.ended) >= mostEnded && !e.forgetting
	e.forgetting = e.forgetting || full
	return full
}

// stand reports whether none of an item's tags was ended in this process since the item was looked
// for.
func (e *endings) stand(tags *memory.Tagged) bool {
	return tags == nil || tags.Count.Load() == e.count.Load() || e.restamp(tags)
}

// restamp is stand where some tag was ended.
func (e *endings) restamp(tags *memory.Tagged) bool {
	e.endsMu.RLock()
	defer e.endsMu.RUnlock()
	if e.later(tags.Names, tags.Count.Load()) {
		return false
	}
	tags.Count.Store(e.count.Load())
	return true
}

// endedAfter reports whether one of the tags was ended after a count, or may have been.
func (e *endings) endedAfter(names []string, count uint64) bool {
	e.endsMu.RLock()
	defer e.endsMu.RUnlock()
	return e.later(names, count)
}

// later is endedAfter with endsMu held.
func (e *endings) later(names []string, count uint64) bool {
	return count < e.exact || slices.ContainsFunc(names, func(tag string) bool { return e.ended[tag] > count })
}

// forget forgets the ends of before. restamp must call stand on all that memory holds.
func (e *endings) forget(restamp func()) {
	e.endsMu.RLock()
	before := e.count.Load()
	e.endsMu.RUnlock()
	restamp()
	e.endsMu.Lock()
	defer e.endsMu.Unlock()
	kept := make(map[string]uint64)
	for tag, n := range e.ended {
		if n > before {
			kept[tag] = n
		}
	}
	e.ended, e.exact, e.forgetting = kept, before, false
}
