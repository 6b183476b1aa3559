package tiercache

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Hydrate fills memory from Redis with the keys given in their text form, most wanted first, as far
// as there is room. Keys that Redis does not hold, or holds as expired, are left to demand: Hydrate
// never asks the source. While caches of this process answer reads it takes small batches with
// pauses between them, so that those go on as before; else it is as quick as it can be.
//
// Of the options it heeds Room, Stored, Task and Age. In the result Emitted counts the keys, Memory
// those that are readable in memory afterwards, SkippedFresh those of them that were left as they
// were, SkippedRoom those for which there was no room, Refused those that were invalidated
// meanwhile, and Failed those whose text form is no key; the rest is gone from Redis. The error is
// of Redis, or ctx's; what was filled before it stays. Without Redis nothing is filled.
func (c *Cache[K, V]) Hydrate(ctx context.Context, keys []string, opts WarmOptions) WarmResult {
	return c.hydrate(ctx, keys, opts)
}

func (c *warmup[K, V]) hydrate(ctx context.Context, keys []string, opts WarmOptions) WarmResult {
	began := time.Now()
	res := WarmResult{Loader: opts.Task, Emitted: len(keys)}
	if c.closed.Load() || !c.tasks.enter() {
		res.Err = ErrClosed
		return res
	}
	defer c.tasks.leave()
	ctx, cancel := c.untilClose(ctx)
	defer cancel()
	if c.remote != nil {
		h := hydration[K, V]{c: c, opts: opts, room: opts.Room, res: &res}
		if opts.Room == 0 {
			h.room = c.memory.Vacant()
		}
		if opts.Task != "" {
			h.tally = c.tallies.Of(opts.Task)
		}
		epoch := c.epoch.Load()
		res.Err = h.all(ctx, keys)
		if epoch != c.epoch.Load() {
			c.revalidate()
		}
	}
	res.Duration = time.Since(began)
	return res
}

// hydration is one call of Hydrate.
type hydration[K comparable, V any] struct {
	c     *warmup[K, V]
	opts  WarmOptions
	room  int64
	tally *stat.Tally
	res   *WarmResult

	batch []hydrated[K]
}

// hydrated is a key of a batch.
type hydrated[K comparable] struct {
	name string
	key  K
	hash uint64
	gen  uint64 // before Redis was looked at
	rank uint32
}

func (h *hydration[K, V]) all(ctx context.Context, names []string) error {
	rest := time.NewTimer(0)
	defer rest.Stop()
	pace := newPacer(h.c.memory.Clock.Now, stat.InProcess.Answered)
	most := pace.keys()
	for i, name := range names {
		h.add(name, uint32(min(i, math.MaxUint32))) //nolint:gosec // bounded
		last := i == len(names)-1
		if len(h.batch) < most && !last || len(h.batch) == 0 {
			continue
		}
		began := time.Now()
		if err := h.look(ctx); err != nil {
			return fmt.Errorf("tiercache: cache %q: hydrate: %w", h.c.name, err)
		}
		if last {
			break
		}
		pause := pace.rest(time.Since(began))
		if most = pace.keys(); pause == 0 {
			continue
		}
		rest.Reset(pause)
		select {
		case <-rest.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// add puts a key into the batch if it is to be looked for in Redis.
func (h *hydration[K, V]) add(name string, rank uint32) {
	key, err := h.c.decodeKey(name)
	if err != nil {
		h.res.Failed++
		return
	}
	hash := h.c.memory.Hash(key)
	now := h.c.memory.Clock.Now()
	have := h.c.memory.Get(hash, key)
	switch {
	case have != nil && h.c.fresh(have, now) && (h.opts.Age == 0 || now-have.Read < int64(h.opts.Age)):
		h.res.Memory++
		h.res.SkippedFresh++
	case have == nil && h.room <= 0:
		h.res.SkippedRoom++
	default:
		h.batch = append(h.batch, hydrated[K]{name: name, key: key, hash: hash, rank: rank})
	}
}

// looks is how often a key is looked for whose generation moves meanwhile.
const looks = 3

// look fills memory with the batch, and empties it.
func (h *hydration[K, V]) look(ctx context.Context) error {
	for range looks {
		if err := insist(ctx, func() error { return h.flush(ctx) }); err != nil {
			return err
		}
		if len(h.batch) == 0 {
			return nil
		}
	}
	h.res.Refused += len(h.batch)
	h.batch = h.batch[:0]
	return nil
}

// flush reads the batch's keys and stores what is worth it. The batch is then what was invalidated
// meanwhile, or taken back: Redis may hold what came after that.
func (h *hydration[K, V]) flush(ctx context.Context) (err error) {
	c := h.c
	defer c.recovered(&err)
	batch := h.batch
	names := make([]string, len(batch))
	for i := range batch {
		names[i] = batch[i].name
		batch[i].gen = c.memory.Generation(batch[i].hash)
	}
	seen := c.snapshot()
	now := c.memory.Clock.Now()
	all, err := c.remote.Read(ctx, names)
	if err == nil {
		err = c.validate(ctx, names, all, seen, now)
	}
	if err != nil {
		c.redisFailed(err, len(names))
		return err
	}
	var refused []hydrated[K]
	for i, e := range batch {
		if it := c.fromRecord(&all[i], now, seen); it != nil && !it.Absent && now < it.Fresh && !h.store(&e, it) {
			refused = append(refused, e)
		}
	}
	h.batch = append(batch[:0], refused...)
	return nil
}

// store stores an item that is worth it. It reports false where the key's generation has moved.
func (h *hydration[K, V]) store(e *hydrated[K], it *memory.Item[V]) bool {
	c := h.c
	have := c.memory.Get(e.hash, e.key)
	cost := c.cost(e.key, it)
	if have == nil && cost > h.room {
		h.res.SkippedRoom++
		return true
	}
	if it.Rank = e.rank; h.tally == nil && have != nil {
		it.Rank = have.Rank
	}
	again := have != nil && have.ID == it.ID
	if again { // it was validated: what is known of it stays
		knownAs(it, have)
	} else {
		if it.Warmed = h.tally; it.Warmed == nil && have != nil {
			it.Warmed = have.Warmed
		}
	}
	if !c.fillMemory(e.hash, e.key, it, e.gen) {
		if c.memory.Generation(e.hash) != e.gen {
			return false
		}
		h.res.Refused++
		return true
	}
	h.res.Memory++
	if have == nil {
		h.room -= cost
	}
	if !again {
		it.Warmed.Brought()
	}
	if h.opts.Stored != nil {
		h.opts.Stored(e.name)
	}
	return true
}

// revalidate reads from Redis again, behind everybody's back, what warm-ups have brought before the
// epoch that has just begun. Else each entry's next read would have to, and a node that starts,
// whose first epoch ends when it has met the others, would be warm for a second. A run that an
// epoch has overtaken asks for it too, as what it stored last may have come after the look at what
// there is.
func (c *warmup[K, V]) revalidate() {
	if c.remote == nil || c.tallies.None() || c.revalidating.Add(1) > 1 {
		return // the one under way looks again
	}
	c.background(func(ctx context.Context) {
		for asked := int32(0); !c.revalidating.CompareAndSwap(asked, 0); {
			asked = c.revalidating.Load()
			h := hydration[K, V]{c: c, res: new(WarmResult)}
			if err := h.all(ctx, c.warmedBefore(c.epoch.Load())); err != nil {
				c.revalidating.Store(0) // the reads do it
				return
			}
		}
	})
}

// warmedBefore is the keys, in text form, of what warm-ups brought into memory in earlier epochs,
// the most wanted first.
func (c *warmup[K, V]) warmedBefore(epoch uint64) []string {
	type ranked struct {
		name string
		rank uint32
	}
	var all []ranked
	for key, it := range c.memory.All {
		if it.Warmed == nil || it.Epoch >= epoch {
			continue
		}
		if name, err := c.encodeKey(key); err == nil {
			all = append(all, ranked{name, it.Rank})
		}
	}
	slices.SortFunc(all, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	return names
}
