package tiercache

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Hydrate fills memory from Redis with the keys given in their text form, most wanted first, as far as there is room; keys that Redis
// does not hold are left to demand. It never asks the source. Of the options it heeds Room. In the result Emitted counts the keys, Memory those that are
// readable afterwards.
func (c *Cache[K, V]) Hydrate(ctx context.Context, keys []string, opts WarmOptions) WarmResult {
	began := time.Now()
	res := WarmResult{Emitted: len(keys)}
	if c.closed.Load() || !c.tasks.enter() {
		res.Err = ErrClosed
		return res
	}
	defer c.tasks.leave()
	ctx, cancel := c.untilClose(ctx)
	defer cancel()
	room := opts.Room
	if room == 0 {
		room = c.warmRoom()
	}
	for batch := range slices.Chunk(keys, hydrateKeys) {
		if res.Err = c.hydrate(ctx, batch, &room, &res); res.Err != nil {
			break
		}
	}
	res.Duration = time.Since(began)
	return res
}

// hydrateKeys is small: bigger batches push the live reads' latency up.
const hydrateKeys = 64

func (c *Cache[K, V]) hydrate(ctx context.Context, names []string, room *int64, res *WarmResult) (err error) {
	if c.remote == nil {
		return nil
	}
	defer c.recovered(&err)
	gens := c.memory.generations()
	seen := c.sight()
	now := c.memory.clock.now()
	all, err := c.remote.read(ctx, names)
	if err == nil {
		err = c.validate(ctx, names, all, seen)
	}
	if err != nil {
		c.redisFailed(err, len(names))
		return fmt.Errorf("tiercache: cache %q: hydrate: %w", c.name, err)
	}
	for i, name := range names {
		key, err := c.cfg.Keys.DecodeKey(name)
		if err != nil {
			res.Failed++
			continue
		}
		hash := c.memory.hash(key)
		if have := c.memory.get(hash, key); have != nil && c.fresh(have, now) {
			res.Memory++
			res.SkippedFresh++
			continue
		}
		it := c.fromRecord(&all[i], now, seen)
		if it == nil || it.absent || now >= it.fresh {
			continue
		}
		cost := c.cost(key, it)
		if cost > *room {
			res.SkippedRoom++
			continue
		}
		if c.fillMemory(hash, key, it, gens[c.memory.genIndex(hash)]) {
			*room -= cost
			res.Memory++
		} else {
			res.Refused++
		}
	}
	return nil
}
