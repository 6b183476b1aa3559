package tiercache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
)

// asking is whom a read asks for what neither tier has: a loader of its own, nobody, or, where it
// is zero, the cache's loader.
type asking[V any] struct {
	load   func(ctx context.Context) (V, error)                // GetOrLoad's
	reload func(ctx context.Context, old *Entry[V]) (V, error) // GetOrReload's
	nobody bool
}

// brought reports whether the read has brought a loader.
func (a asking[V]) brought() bool { return a.load != nil || a.reload != nil }

// GetOrReload is GetEntry with a loader for this call, which is given what is known of the key
// already, stale or not, or nil: so it can ask the source whether that still stands. Where it
// returns ErrNotModified old is kept, and is as fresh as if it had been loaded anew; old itself
// must not be changed. A load of the key that is under way is joined, whoever's loader it runs.
//
// With a nil load no source is asked: the answer comes from a tier, or from a load that is under
// way, or is ErrNotFound.
func (c *Cache[K, V]) GetOrReload(ctx context.Context, key K, load func(ctx context.Context, old *Entry[V]) (V, error)) (Entry[V], error) {
	return c.get(ctx, key, asking[V]{reload: load, nobody: load == nil})
}

// Reload is Refresh with a loader for this call, as GetOrReload has one: it asks the source,
// whatever is cached. A cache needs no loader of its own for it.
func (c *Cache[K, V]) Reload(ctx context.Context, key K, load func(ctx context.Context, old *Entry[V]) (V, error)) (Entry[V], error) {
	return c.refresh(ctx, key, asking[V]{reload: load})
}

// Lookup answers from memory alone, as Get would: a fresh value is counted and learned as a hit. A
// stale one is only shown, as Peek does; whether to serve it is for the caller to decide.
func (c *Cache[K, V]) Lookup(ctx context.Context, key K) (Entry[V], bool) {
	if c.closed.Load() {
		return Entry[V]{}, false
	}
	hash, err := c.hashOf(key)
	if err != nil {
		return Entry[V]{}, false
	}
	it := c.memory.Touch(hash, key)
	if it == nil || it.Absent {
		return Entry[V]{}, false
	}
	now := c.memory.Coarse.Now()
	switch {
	case c.fresh(it, now):
		c.served(ctx, hash, key, it, now, asking[V]{})
	case !c.servable(it, now):
		return Entry[V]{}, false
	}
	e, err := c.entry(it, FromMemory, now)
	return e, err == nil
}

// refresh loads the key now, whatever is cached.
func (c *loads[K, V]) refresh(ctx context.Context, key K, a asking[V]) (Entry[V], error) {
	if c.closed.Load() {
		return Entry[V]{}, ErrClosed
	}
	hash, err := c.hashOf(key)
	if err != nil {
		return Entry[V]{}, err
	}
	if !c.sourced && !a.brought() {
		return Entry[V]{}, fmt.Errorf("tiercache: cache %q: refresh %q: the cache has no loader to ask: %w", c.name, fmt.Sprint(key), ErrNotFound)
	}
	f := c.newFlight(hash, key, c.memory.Get(hash, key))
	f.asking = a
	f.force, f.since = true, c.memory.Clock.Now()
	f, leads, err := c.board(ctx, f)
	if err != nil {
		return Entry[V]{}, err
	}
	if leads {
		c.start(ctx, f.one[:], patienceOf(ctx, time.Time{}))
	}
	if err := c.await(ctx, f, nil, time.Time{}); err != nil {
		return Entry[V]{}, c.waitError(key, err)
	}
	switch {
	case f.err != nil:
		return Entry[V]{}, f.err
	case f.answer.Absent:
		return Entry[V]{}, ErrNotFound
	}
	e, err := c.entry(f.answer, f.source, c.memory.Clock.Now())
	e.Stale = false // it was fresh when it was found
	return e, err
}

// reloadWith asks the flight's own loader.
func (l *loading[K, V]) reloadWith(ctx context.Context, f *flight[K, V]) (value V, err error) {
	var have *Entry[V]
	old := l.previous(f)
	if old != nil && f.isBuried(old) {
		old = nil // it was invalidated elsewhere
	}
	if old != nil {
		e, err := l.c.entry(old, l.c.tierOf(f, old), l.c.memory.Clock.Now())
		if err != nil {
			return value, err
		}
		have = &e
	}
	value, err = f.reload(ctx, have)
	err = failure.OfLoader(err)
	if old != nil && errors.Is(err, ErrNotModified) {
		return old.Value, nil // it was just compared with the source: that is a read of it
	}
	return value, err
}

// tierOf is where a flight's older value was found.
func (c *loads[K, V]) tierOf(f *flight[K, V], old *memory.Item[V]) Source {
	if old == f.old {
		return FromMemory
	}
	return FromRedis
}

// staleFor is how long after its TTL a value may be served.
func (c *values[K, V]) staleFor(key K, value V) time.Duration {
	if c.cfg.Staleness == nil {
		return c.cfg.StaleFor
	}
	d := c.cfg.Staleness(key, value)
	if d == 0 {
		return c.cfg.StaleFor
	}
	return min(max(d, 0), record.MaxLife)
}

// keepsStale reports whether any value may be served stale.
func (cfg *Config[K, V]) keepsStale() bool { return cfg.StaleFor > 0 || cfg.Staleness != nil }

// lateOf is how long after its TTL what a record holds may be served here.
func (c *values[K, V]) lateOf(rec *record.Record) int64 {
	switch {
	case rec.Kind == record.KindAbsent:
		return 0
	case c.cfg.Staleness == nil:
		return int64(c.cfg.StaleFor)
	default: // its own, which the node that loaded it has found
		return int64(rec.Stale)
	}
}
