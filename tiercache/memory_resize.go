package tiercache

import "fmt"

// Resize changes Config.Capacity at run time: entries, or cost units where Cost is set. Where it
// shrinks, what has to leave has left when Resize returns, and is counted and told as evicted for
// want of room; the least is one entry in each of at most 64 shards, of which there is one for
// every 2,048 of the first capacity. Ristretto's frequency counters keep the size they were made
// with, so a cache that grows to many times its first capacity had better be made anew. It is safe
// beside everything else. The error says that capacity is not positive, or is ErrClosed.
func (c *Cache[K, V]) Resize(capacity int64) error {
	if capacity <= 0 {
		return fmt.Errorf("tiercache: cache %q: Capacity %d is not positive", c.name, capacity)
	}
	if c.closed.Load() {
		return ErrClosed
	}
	c.memory.capacity.Store(capacity)
	c.memory.rebalance()
	return nil
}
