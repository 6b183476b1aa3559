package main

import (
	"context"
	"errors"

	"github.com/warmcache/warmcache/tiercache"
)

// replayHot makes the hot keys readable in memory, the hottest first: from Redis where it has them
// fresh, else from the source, 100 a query. It takes free room alone.
func (n *node) replayHot(ctx context.Context) error {
	room, loaded := n.room(), 0
	for _, key := range n.hot.top(n.now, leastReads) {
		have, there := n.peek(key)
		if there && n.now-have.at < n.ttl {
			continue
		}
		far, inRedis := n.redis[key]
		v := stored{at: n.now, size: max(have.size, far.size)}
		if inRedis && n.now-far.at < n.ttl {
			v = far
		}
		if !there {
			if room < n.cost(v) {
				continue
			}
			room -= n.cost(v)
		}
		if v.at < n.now || inRedis && far.at == n.now {
			if err := n.memory.Set(ctx, key, v); err != nil {
				return err
			}
			continue
		}
		loaded++
		if err := n.store(ctx, key, v); err != nil {
			return err
		}
	}
	const batch = 100
	n.Queries += (loaded + batch - 1) / batch
	n.Rows += loaded
	n.Warmed += loaded
	return nil
}

// startList warms a process that starts: from Redis where the last run is young enough, else by a
// run.
func (n *node) startList(ctx context.Context) error {
	if n.redis == nil || n.listed == 0 || n.now-n.listed > n.listAge() {
		return n.runList(ctx)
	}
	room := n.room()
	for _, key := range n.list.top(n.now, 0) {
		far, ok := n.redis[key]
		_, there := n.peek(key)
		if !ok || there || n.now-far.at >= n.ttl || room < n.cost(far) {
			continue
		}
		room -= n.cost(far)
		if err := n.memory.Set(ctx, key, far); err != nil {
			return err
		}
	}
	return nil
}

// runList loads the most popular keys of the past with one query. What finds no free room in memory
// goes to Redis alone.
func (n *node) runList(ctx context.Context) error {
	n.listed = n.now
	if n.arm.again {
		n.nextAgain = n.now + n.listAge()
	}
	keys := n.list.top(n.now, 0)
	if len(keys) == 0 {
		return nil
	}
	n.Queries++
	room := n.room()
	for _, key := range keys {
		have, there := n.peek(key)
		v := stored{n.now, max(have.size, n.redis[key].size)}
		if !there && room < n.cost(v) {
			if n.redis != nil {
				n.keepFar(key, v)
			}
		} else {
			if !there {
				room -= n.cost(v)
			}
			if err := n.store(ctx, key, v); err != nil {
				return err
			}
		}
		n.Rows++
		n.Warmed++
	}
	return nil
}

// room is what a warm run may take of memory: most of an empty one, else what is free.
func (n *node) room() int64 {
	used := n.memory.Stats().Cost
	if used == 0 {
		return n.cfg.Capacity - n.cfg.Capacity/5
	}
	return max(0, n.cfg.Capacity-n.cfg.Capacity/16-used)
}

func (n *node) cost(v stored) int64 {
	if n.cfg.Bytes {
		return max(1, int64(v.size))
	}
	return 1
}

// peek looks into memory without counting a read.
func (n *node) peek(key uint64) (stored, bool) {
	e, ok := n.memory.Peek(key)
	return e.Value, ok
}

// expire takes out of both tiers what is of no more use.
func (n *node) expire(ctx context.Context) error {
	for _, key := range n.expiring.due(n.now) {
		if v, ok := n.peek(key); ok && n.now-v.at >= n.dead() {
			if err := n.memory.Delete(ctx, key); err != nil {
				return err
			}
		}
		if v, ok := n.redis[key]; ok && n.now-v.at >= n.dead() {
			delete(n.redis, key)
		}
	}
	return nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, tiercache.ErrNotFound) {
		return nil
	}
	return err
}

// calendar says which keys may have expired. Days are a small share of a life, so a key is told of
// a little late.
type calendar struct {
	width int64
	days  map[int64][]uint64
	first int64 // the first day that was not asked for yet
}

func newCalendar(life int64) *calendar {
	return &calendar{width: max(1, life/128), days: make(map[int64][]uint64)}
}

func (c *calendar) add(key uint64, at int64) {
	day := at / c.width
	if len(c.days) == 0 {
		c.first = day
	}
	c.first = min(c.first, day)
	c.days[day] = append(c.days[day], key)
}

// due is the keys of all days that are over.
func (c *calendar) due(now int64) (keys []uint64) {
	if len(c.days) == 0 {
		return nil
	}
	today := now / c.width
	if today-c.first > int64(2*len(c.days)) { // a gap in the trace: most days are empty
		for day, list := range c.days {
			if day < today {
				keys = append(keys, list...)
				delete(c.days, day)
			}
		}
		c.first = max(c.first, today)
		return keys
	}
	for ; c.first < today; c.first++ {
		keys = append(keys, c.days[c.first]...)
		delete(c.days, c.first)
	}
	return keys
}
