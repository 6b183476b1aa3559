package tiercache

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// Set stores the value in both tiers and ends every load of the key under way. The source is the
// caller's business: commit there first. It returns ErrDegraded, wrapped, where the value reached
// this process's memory only.
func (c *Cache[K, V]) Set(ctx context.Context, key K, value V, opts ...SetOption) error {
	return c.set(ctx, []K{key}, []V{value}, opts)
}

// SetMany is Set for many keys, in one round trip a batch. The keys that could be stored are,
// whatever becomes of the others; the error joins what went wrong.
func (c *Cache[K, V]) SetMany(ctx context.Context, values map[K]V, opts ...SetOption) error {
	keys := make([]K, 0, len(values))
	vals := make([]V, 0, len(values))
	for k, v := range values {
		keys, vals = append(keys, k), append(vals, v)
	}
	return c.set(ctx, keys, vals, opts)
}

// Delete removes the keys everywhere: no later read on this node sees what was there, not even
// stale, and other nodes hear of it within a hop. It returns ErrDegraded, wrapped, where Redis
// could not be told yet: it is told when it is back, and until then this node doesn't ask it about
// the keys.
func (c *Cache[K, V]) Delete(ctx context.Context, keys ...K) error {
	return c.invalidate(ctx, backplane.KindKey, keys, func(*memory.Item[V]) *memory.Item[V] { return nil })
}

// Expire ends the freshness of the keys: the next read loads. Within StaleFor the value may still
// be served if that fails or is slow; in a cache without StaleFor it is Delete.
func (c *Cache[K, V]) Expire(ctx context.Context, keys ...K) error {
	if !c.cfg.keepsStale() {
		return c.Delete(ctx, keys...)
	}
	return c.invalidate(ctx, backplane.KindExpire, keys, c.expired)
}

// InvalidateTags ends all entries that have one of the tags, everywhere; they are not even served
// stale. It costs one round trip, whatever the number of entries. What is remembered as not found
// has no tags, and stays. Errors are Delete's; the empty tag is refused.
func (c *Cache[K, V]) InvalidateTags(ctx context.Context, tags ...string) error {
	names := make([]string, len(tags))
	for i, tag := range tags {
		if tag == "" {
			return fmt.Errorf("tiercache: cache %q: InvalidateTags: tag %d of %d: %w", c.name, i+1, len(tags), errEmptyTag)
		}
		names[i] = redistier.Canonical(tag)
	}
	return c.endTokens(ctx, backplane.KindTag, distinct(names), c.endTag)
}

// Clear ends all entries of the cache, everywhere; they are not even served stale. It costs one
// round trip, whatever the number of entries. Errors are Delete's.
func (c *Cache[K, V]) Clear(ctx context.Context) error {
	return c.endTokens(ctx, backplane.KindClear, []string{""}, func(string) { c.endAll() })
}

// endTokens ends tags, or everything: here, in Redis and on the other nodes, and here again, for
// what was read in between.
func (c *store[K, V]) endTokens(ctx context.Context, kind backplane.Kind, names []string, here func(string)) error {
	if c.closed.Load() {
		return ErrClosed
	}
	var failed failures
	for batch := range slices.Chunk(names, redistier.BatchKeys) {
		for _, name := range batch {
			here(name)
		}
		if c.remote == nil {
			continue
		}
		notices := make([]backplane.Notice, len(batch))
		for i, name := range batch {
			notices[i] = c.journal.Begin(kind, name, c.memory.Clock.Now())
		}
		for i, err := range c.tell(ctx, notices) {
			here(batch[i])
			if err != nil {
				failed.add(c.reachedMemoryOnly(fmt.Errorf("%w: cache %q: invalidate: %w", ErrDegraded, c.name, err)))
			}
		}
	}
	return failed.join(c.name, len(names))
}

// expired is the item as Expire leaves it.
func (c *values[K, V]) expired(it *memory.Item[V]) *memory.Item[V] {
	if it == nil || it.Absent || it.Late == 0 {
		return nil
	}
	now := c.memory.Clock.Now()
	return &memory.Item[V]{
		Value: it.Value, ID: it.ID, Read: it.Read, TTL: it.TTL, Late: it.Late, Filled: it.Filled, Epoch: it.Epoch, Tags: it.Tags,
		Fresh: min(it.Fresh, now), Dead: min(it.Dead, now+it.Late),
	}
}

// setting is one key on its way through Set.
type setting[K comparable, V any] struct {
	key  K
	hash uint64
	item *memory.Item[V]
	cost int64
	gen  *memory.Claim
}

// begin takes the settings' keys out of memory and claims their generations. What stood there is
// handed to had.
func (c *store[K, V]) begin(settings []setting[K, V], had func(s *setting[K, V], it *memory.Item[V])) {
	claims := make(map[uint64]*memory.Claim, len(settings))
	for i := range settings {
		s := &settings[i]
		it, gen := c.memory.Remove(s.hash, s.key)
		had(s, it)
		at := c.memory.GenIndex(s.hash)
		if claims[at] == nil {
			claims[at] = new(memory.Claim)
		}
		s.gen = claims[at]
		s.gen.Gen = gen
	}
}

// invalidate ends keys in both tiers. keep says what memory retains of what it had.
func (c *store[K, V]) invalidate(ctx context.Context, kind backplane.Kind, keys []K, keep func(*memory.Item[V]) *memory.Item[V]) (err error) {
	if c.closed.Load() {
		return ErrClosed
	}
	defer c.recovered(&err)
	var failed failures
	for batch := range slices.Chunk(distinct(keys), redistier.BatchKeys) {
		settings := make([]setting[K, V], len(batch))
		for i, key := range batch {
			settings[i] = setting[K, V]{key: key, hash: c.memory.Hash(key)}
		}
		c.begin(settings, func(s *setting[K, V], had *memory.Item[V]) {
			if s.item = keep(had); s.item != nil {
				s.cost = c.cost(s.key, s.item)
			}
		})
		errs := c.invalidateRemote(ctx, kind, batch)
		for i, s := range settings {
			c.memory.Settle(s.hash, s.key, s.item, s.cost, s.gen)
			if errs[i] != nil {
				failed.add(errs[i])
			}
		}
	}
	return failed.join(c.name, len(keys))
}

// invalidateRemote tells Redis, and returns each key's error.
func (c *store[K, V]) invalidateRemote(ctx context.Context, kind backplane.Kind, keys []K) []error {
	failed := make([]error, len(keys))
	if c.remote == nil {
		return failed
	}
	notices := make([]backplane.Notice, 0, len(keys))
	at := make([]int, 0, len(keys)) // the key of each notice
	for i, key := range keys {
		text, err := c.text(key)
		if err != nil {
			failed[i] = err
			continue
		}
		notices = append(notices, c.journal.Begin(kind, text, c.memory.Clock.Now()))
		at = append(at, i)
	}
	if len(notices) == 0 {
		return failed
	}
	for j, err := range c.tell(ctx, notices) {
		if err != nil {
			failed[at[j]] = c.degraded("invalidate", keys[at[j]], err)
		}
	}
	return failed
}

// distinct is keys without repetitions.
func distinct[K comparable](keys []K) []K {
	if len(keys) < 2 {
		return keys
	}
	seen := make(map[K]bool, len(keys))
	var once []K
	for _, key := range keys {
		if !seen[key] {
			seen[key] = true
			once = append(once, key)
		}
	}
	return once
}

// degraded says that a write reached memory only.
func (c *store[K, V]) degraded(what string, key K, err error) error {
	return c.reachedMemoryOnly(fmt.Errorf("%w: cache %q: %s %q: %w", ErrDegraded, c.name, what, fmt.Sprint(key), err))
}

func (c *store[K, V]) reachedMemoryOnly(err error) error {
	c.observe(Event{Kind: EventDegraded, Keys: 1, Err: err})
	return err
}

// stored enters in the journal what became of a Set. One that was sent and not answered may still
// be executed, until Redis itself refuses it for being late.
func (c *store[K, V]) stored(n backplane.Notice, err error) {
	switch {
	case err == nil || errors.Is(err, redistier.ErrFull):
		c.journal.Confirm(n)
	case redisconn.IsReply(err) || errors.Is(err, redisconn.ErrBreakerOpen) || errors.Is(err, redisconn.ErrBusy) || errors.Is(err, redistier.ErrLate):
		c.journal.Fail(n, 0)
	default:
		c.journal.Fail(n, c.remote.VoidAt(c.remote.Keys.Value(n.Rest)))
	}
}

// noteWrite counts what Redis said of one write.
func (c *store[K, V]) noteWrite(err error) {
	if err != nil && !errors.Is(err, redistier.ErrLeaseLost) && !errors.Is(err, redistier.ErrStandsYounger) && !errors.Is(err, redistier.ErrRefused) && !errors.Is(err, record.ErrTooLarge) {
		c.redisFailed(err, 1)
	}
}

// recovered turns the panic of a user's callback into an error of the call it happened in.
func (c *values[K, V]) recovered(err *error) {
	if v := recover(); v != nil {
		*err = errors.Join(*err, failure.NewPanicError(v))
	}
}
