package memory

import (
	"iter"
	"sync/atomic"
)

// table is a shard's index: open addressing with linear probing, which readers walk without a lock
// while one writer at a time, under the shard's lock, changes it. A cell's hash is published after
// its slot, so who sees the hash sees the slot; a cell that was taken over meanwhile is told by its
// key. A table never grows: the writer makes another and publishes that, and a reader who still
// walks the old one is a reader who began before.
//
// sync.Map was rejected: it hashes once more, and its look-up follows twice as many pointers. A map
// under an RWMutex costs two locked instructions a hit, on a line that all readers of the shard
// share.
type table[K comparable, V any] struct {
	cells []cell[K, V]
	used  int // cells that are not empty; its shard's lock guards it
}

// cell holds a slot and its present item by their hash. The hash is here because to follow the
// pointer of each cell that is passed would be a cache miss each; the item, because the processor
// then fetches slot and item at once, where by way of the slot it would have to wait for the one to
// find the other: that was a third of a hit's time at 100 k entries.
type cell[K comparable, V any] struct {
	hash atomic.Uint64 // or one of the two below
	slot atomic.Pointer[slot[K, V]]
	item atomic.Pointer[Item[V]]
}

const (
	emptyCell = 0 // ends a walk
	graveCell = 1 // was used: a walk goes on
	minCells  = 16
)

func newTable[K comparable, V any](slots int) *table[K, V] {
	return &table[K, V]{cells: make([]cell[K, V], max(minCells, powerOfTwo(int64(slots)*4-1, 1, 1<<40)))}
}

// get finds the key's slot and item, nil if there is none. Any goroutine may call it at any time.
func (t *table[K, V]) get(hash uint64, key K) (*slot[K, V], *Item[V]) {
	mask := uint64(len(t.cells) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		c := &t.cells[i]
		switch c.hash.Load() {
		case hash:
			sl := c.slot.Load()
			it := c.item.Load()
			// A slot that has left never comes back: where the cell is still its own, so was the
			// item.
			if sl != nil && sl.key == key && c.slot.Load() == sl {
				return sl, it
			}
		case emptyCell:
			return nil, nil
		}
	}
}

// The rest is the writer's.

// add enters a slot whose key has none. It is false where the table is too full to be walked
// quickly: then it must be rebuilt first.
func (t *table[K, V]) add(sl *slot[K, V], it *Item[V]) bool {
	mask := uint64(len(t.cells) - 1)
	for i := sl.hash & mask; ; i = (i + 1) & mask {
		c := &t.cells[i]
		switch c.hash.Load() {
		case emptyCell:
			if (t.used+1)*4 > len(t.cells)*3 {
				return false
			}
			t.used++
		case graveCell:
		default:
			continue
		}
		c.item.Store(it)
		c.slot.Store(sl)
		c.hash.Store(sl.hash)
		return true
	}
}

// set gives a slot another item.
func (t *table[K, V]) set(sl *slot[K, V], it *Item[V]) { t.find(sl).item.Store(it) }

// itemOf is the slot's item.
func (t *table[K, V]) itemOf(sl *slot[K, V]) *Item[V] { return t.find(sl).item.Load() }

// remove takes a slot out.
func (t *table[K, V]) remove(sl *slot[K, V]) {
	c := t.find(sl)
	c.hash.Store(graveCell)
	c.slot.Store(nil) // before the item: see get
	c.item.Store(nil)
}

func (t *table[K, V]) find(sl *slot[K, V]) *cell[K, V] {
	mask := uint64(len(t.cells) - 1)
	for i := sl.hash & mask; ; i = (i + 1) & mask {
		if c := &t.cells[i]; c.slot.Load() == sl {
			return c
		}
	}
}

// all yields every slot with its item. Beside a writer it may miss what moves, and see what has
// just left.
func (t *table[K, V]) all(yield func(*slot[K, V], *Item[V]) bool) { t.from(0)(yield) }

// from is all, beginning at one cell.
func (t *table[K, V]) from(start uint64) iter.Seq2[*slot[K, V], *Item[V]] {
	return func(yield func(*slot[K, V], *Item[V]) bool) {
		mask := uint64(len(t.cells) - 1)
		for i := range uint64(len(t.cells)) {
			c := &t.cells[(start+i)&mask]
			if sl, it := c.slot.Load(), c.item.Load(); sl != nil && it != nil && c.slot.Load() == sl && !yield(sl, it) {
				return
			}
		}
	}
}

// rebuilt is the table without its graves, with room for twice as many slots as it has.
func (t *table[K, V]) rebuilt(slots int) *table[K, V] {
	to := newTable[K, V](slots)
	for sl, it := range t.all {
		to.add(sl, it)
	}
	return to
}
