package tiercache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Get returns the key's value from memory, then from Redis, then from Load. It returns ErrNotFound
// where the source has none, the loader's error, wrapped, where it failed and nothing stale may be
// served, or ctx's error; a ctx that ends fails this call alone, the load goes on.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	if !c.oddKeys {
		hash := c.memory.Hash(key)
		it := c.memory.Touch(hash, key)
		if it != nil && !it.Absent && c.cfg.Clone == nil && !c.closed.Load() {
			if now := c.memory.Coarse.Now(); c.fresh(it, now) {
				c.served(ctx, hash, key, it, now, asking[V]{})
				return it.Value, nil
			}
		}
	}
	e, err := c.get(ctx, key, asking[V]{})
	return e.Value, err
}

// GetEntry is Get with where the value came from and how old it is.
func (c *Cache[K, V]) GetEntry(ctx context.Context, key K) (Entry[V], error) {
	return c.get(ctx, key, asking[V]{})
}

// GetOrLoad is Get with a loader for this call, in place of Config.Load. A load of the key that is
// under way already is joined, whoever's loader it runs.
func (c *Cache[K, V]) GetOrLoad(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	e, err := c.get(ctx, key, asking[V]{load: load})
	return e.Value, err
}

// Peek returns what memory holds, fresh or within StaleFor. It counts no hit, triggers nothing, and
// asks neither Redis nor the source.
func (c *Cache[K, V]) Peek(key K) (Entry[V], bool) {
	if c.closed.Load() {
		return Entry[V]{}, false
	}
	hash, err := c.hashOf(key)
	if err != nil {
		return Entry[V]{}, false
	}
	it := c.memory.Get(hash, key)
	now := c.memory.Clock.Now()
	if it == nil || it.Absent || !c.fresh(it, now) && !c.servable(it, now) {
		return Entry[V]{}, false
	}
	e, err := c.entry(it, FromMemory, now)
	return e, err == nil
}

// Refresh loads the key now, whatever is cached, and returns what the source held at some moment
// after the call: it joins no load that has read the source before, but shares a refresh, of this
// node or another, that reads it later. The commit of an ordinary load under way is refused; a
// refresh waits for at most two others to end. Where the load fails, what was cached stays, and the
// error is returned. In a cache without a loader nothing is known: that is ErrNotFound, and what
// was cached stays.
func (c *Cache[K, V]) Refresh(ctx context.Context, key K) (V, error) {
	e, err := c.refresh(ctx, key, asking[V]{})
	return e.Value, err
}

func (c *loads[K, V]) get(ctx context.Context, key K, a asking[V]) (Entry[V], error) {
	if c.closed.Load() {
		return Entry[V]{}, ErrClosed
	}
	hash, err := c.hashOf(key)
	if err != nil {
		return Entry[V]{}, err
	}
	it := c.memory.Touch(hash, key)
	if it != nil {
		if e, ok, err := c.remembered(ctx, hash, key, it, a); ok {
			return e, err
		}
	}
	if !a.brought() && c.nobodyKnows(hash, a) {
		return Entry[V]{}, c.unknown(ctx, hash, key)
	}
	f := c.newFlight(hash, key, it)
	f.asking = a
	return c.miss(ctx, f)
}

// nobodyKnows says that there is nobody to ask what memory doesn't know, nor anybody who does so at
// this moment. Such a miss is no load.
func (c *loads[K, V]) nobodyKnows(hash uint64, a asking[V]) bool {
	return (!c.sourced || a.nobody) && c.remote == nil && !c.flights.some(hash)
}

// unknown is the answer of a read that had nobody to ask.
func (c *loads[K, V]) unknown(ctx context.Context, hash uint64, key K) error {
	if err := ctx.Err(); err != nil {
		return c.waitError(key, err)
	}
	c.counters.Add(hash, stat.Misses, 1)
	return ErrNotFound
}

// hashOf is the key's hash. A key with an interface in it may hold what has none.
func (c *values[K, V]) hashOf(key K) (hash uint64, err error) {
	if !c.oddKeys {
		return c.memory.Hash(key), nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("tiercache: cache %q: the key cannot be hashed, what is in its interfaces must be comparable: %v", c.name, v)
		}
	}()
	return c.memory.Hash(key), nil
}

// remembered answers from memory where that will do: with something fresh or, when a load of it
// has just failed, with something stale.
func (c *loads[K, V]) remembered(ctx context.Context, hash uint64, key K, it *memory.Item[V], a asking[V]) (e Entry[V], ok bool, err error) {
	switch now := c.memory.Coarse.Now(); {
	case c.fresh(it, now):
		e, err = c.hit(ctx, hash, key, it, now, a)
		return e, true, err
	case now < it.BackedOff() && c.servable(it, now):
		e, err = c.stale(hash, it, FromMemory, now)
		return e, true, err
	default:
		return e, false, nil
	}
}

// hit answers from memory.
func (c *loads[K, V]) hit(ctx context.Context, hash uint64, key K, it *memory.Item[V], now int64, a asking[V]) (Entry[V], error) { //nolint:revive // on the hit path
	if it.Absent {
		count(&c.counters, hash, stat.NegativeHits)
		return Entry[V]{}, ErrNotFound
	}
	c.served(ctx, hash, key, it, now, a)
	return c.entry(it, FromMemory, now)
}

// served counts a hit, and begins a refresh behind the caller's back where it is due.
func (c *loads[K, V]) served(ctx context.Context, hash uint64, key K, it *memory.Item[V], now int64, a asking[V]) { //nolint:revive // on the hit path
	nth := count(&c.counters, hash, stat.MemoryHits)
	if nth%clock.SampleEvery == 0 {
		c.memory.Coarse.Sample()
	}
	c.learn(hash, key, nth)
	if it.Warmed != nil {
		useful(it.Warmed, hash, &it.Useful)
	}
	if at := it.Due.Load(); at > 0 && now >= at {
		c.refreshIfDue(ctx, hash, key, it, now, a)
	}
}

// entry is what the caller gets of an item: the value itself, or a copy where the cache was told
// how to make one.
func (c *store[K, V]) entry(it *memory.Item[V], source Source, now int64) (Entry[V], error) {
	e := Entry[V]{Value: it.Value, Source: source, Stale: !c.fresh(it, now), Age: time.Duration(max(0, now-it.Read))}
	if c.cfg.Clone == nil {
		return e, nil
	}
	var err error
	if e.Value, err = c.value(it); err != nil {
		return Entry[V]{}, err
	}
	return e, nil
}

// value is a copy of the item's value. Clone's panic is an error of the call it happened in.
func (c *values[K, V]) value(it *memory.Item[V]) (value V, err error) {
	defer c.recovered(&err)
	return c.clone(it.Value), nil
}

// refreshIfDue begins one refresh, behind their backs, for everybody who sees that it is due, with
// the loader that the read brought. One that fails is tried again only after a while.
func (c *loads[K, V]) refreshIfDue(ctx context.Context, hash uint64, key K, it *memory.Item[V], now int64, a asking[V]) { //nolint:revive // on the hit path
	at := it.Due.Load()
	if at <= 0 || now < at || now >= it.Fresh || !a.brought() && (a.nobody || !c.sourced) {
		return
	}
	again := now + max(int64(refreshAgain), (it.Fresh-now)/4)
	if !it.Due.CompareAndSwap(at, again) {
		return
	}
	f := c.newFlight(hash, key, it)
	f.newer, f.asking = true, a
	f.leadAlone(nil) // nobody's load waits for it
	if c.spell(f) != nil {
		return
	}
	if f, leads := c.flights.join(f); leads {
		c.start(ctx, f.one[:], patience{})
	}
}

// refreshAgain is the least pause between two refreshes of one item.
const refreshAgain = 100 * time.Millisecond

// miss looks own's key up beyond memory, together with everybody else who misses it.
func (c *loads[K, V]) miss(ctx context.Context, own *flight[K, V]) (Entry[V], error) {
	for soft := c.softDeadline(); ; {
		f, leads, err := c.board(ctx, own)
		if err != nil {
			return Entry[V]{}, err
		}
		if leads {
			c.start(ctx, f.one[:], patienceOf(ctx, soft))
		}
		e, err := c.collect(ctx, waited[K, V]{f, own.old, own.seen.Count, soft})
		if !errors.Is(err, errOvertaken) {
			return e, err
		}
		next := c.newFlight(own.hash, own.key, c.memory.Get(own.hash, own.key))
		next.asking = own.asking
		own = next
	}
}

// newFlight prepares a flight for the key; board decides whether it is the one. old is what memory
// holds, or nil.
func (c *loads[K, V]) newFlight(hash uint64, key K, old *memory.Item[V]) *flight[K, V] {
	f := new(flight[K, V])
	c.prepare(f, hash, key, old)
	return f
}

// prepare is newFlight where there is room for the flight already.
func (c *loads[K, V]) prepare(f *flight[K, V], hash uint64, key K, old *memory.Item[V]) {
	f.cache, f.key, f.hash, f.old, f.one[0] = c, key, hash, old, f
	f.seen, f.gen = c.snapshot(), c.memory.Generation(hash)
	if c.redis != nil {
		f.began = c.memory.Coarse.Now()
	}
	if old != nil && !old.Absent {
		f.stale.Store(old)
	}
}

// spell gives the flight its key's text form, where it is going to need it.
func (c *loads[K, V]) spell(f *flight[K, V]) (err error) {
	if c.remote != nil {
		f.text, err = c.text(f.key)
		f.texts[0] = f.text
	}
	return err
}

// board joins the flight of f's key, or makes f it: then the caller must start it. A load that
// would wait for itself is refused.
func (c *loads[K, V]) board(ctx context.Context, f *flight[K, V]) (joined *flight[K, V], leads bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, c.waitError(f.key, err)
	}
	if err := c.spell(f); err != nil {
		return nil, false, err
	}
	from := leadOf(ctx)
	if from != nil && from.leads(flightID[K, V]{c, f.key}) {
		return nil, false, c.loadError(f.key, ErrRecursive)
	}
	if f.lead == nil {
		f.leadAlone(from)
	}
	if joined, leads = c.flights.join(f); !leads {
		c.counters.Add(f.hash, stat.Joins, 1)
	}
	return joined, leads, nil
}

// fill stores in memory what a flight found, unless its key was invalidated since the flight began.
func (c *loads[K, V]) fill(f *flight[K, V], it *memory.Item[V]) {
	c.fillMemory(f.hash, f.key, it, f.gen)
}

// fillMemory reports whether the entry is in memory now.
func (c *store[K, V]) fillMemory(hash uint64, key K, it *memory.Item[V], gen uint64) bool {
	cost := c.cost(key, it)
	if cost > c.memory.Capacity() {
		c.counters.Add(hash, stat.Oversized, 1)
		return false
	}
	if c.memory.Clock.Now() >= it.Dead {
		c.memory.Drop(hash, key, it, gen)
		return false
	}
	return c.memory.Fill(hash, key, it, cost, gen)
}
