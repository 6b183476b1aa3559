package tiercache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// storing is one call of Set or SetMany. It encodes as it sends, a batch at a time: what waited for
// the batches before has aged meanwhile, and is given only what is left of its life.
type storing[K comparable, V any] struct {
	c    *store[K, V]
	seen memory.Snapshot
	read int64 // the values are as old as the call
	ttl  time.Duration
	tags []string

	settings []setting[K, V] // of the batch
	writes   []redistier.Write
	bytes    int
	ended    []K // what stands there is to end, as nothing takes its place
	failed   failures
}

func (c *store[K, V]) set(ctx context.Context, keys []K, values []V, opts []SetOption) error {
	if c.closed.Load() {
		return ErrClosed
	}
	s := storing[K, V]{c: c, seen: c.snapshot(), read: c.memory.Clock.Now()}
	for _, o := range opts {
		s.tags = append(s.tags, o.tags...)
		if o.ttl != 0 {
			s.ttl = o.ttl
		}
	}
	if slices.Contains(s.tags, "") {
		return fmt.Errorf("tiercache: cache %q: set: option Tags: %w", c.name, errEmptyTag)
	}
	for i, key := range keys {
		if err := s.take(ctx, key, values[i]); err != nil {
			s.ended = append(s.ended, key)
			s.failed.add(fmt.Errorf("tiercache: cache %q: set %q: %w", c.name, fmt.Sprint(key), err))
		}
		if len(s.writes) >= redistier.BatchKeys || s.bytes >= redistier.BatchBytes {
			s.flush(ctx)
		}
	}
	s.flush(ctx)
	if len(s.ended) > 0 {
		if err := c.invalidate(ctx, backplane.KindKey, s.ended, func(*memory.Item[V]) *memory.Item[V] { return nil }); err != nil {
			s.failed.add(err)
		}
	}
	return s.failed.join(c.name, len(keys))
}

// take makes one key's item and, with Redis, its record. The callbacks of the user that it runs may
// panic. After an error nothing is stored, and what stood there is out of date.
func (s *storing[K, V]) take(ctx context.Context, key K, value V) (err error) {
	c := s.c
	defer c.recovered(&err)
	one := setting[K, V]{key: key, hash: c.memory.Hash(key)}
	one.item = c.newItem(key, c.clone(value), s.read, s.ttl)
	if len(s.tags) > 0 {
		one.item.Tags = memory.TaggedBy(c.tagsOf(key, value, s.tags))
	}
	if slices.Contains(one.item.TagNames(), "") {
		return fmt.Errorf("Config.Tags: %w", errEmptyTag)
	}
	if one.item.Stamp(s.seen); one.item.TTL < 0 {
		s.ended = append(s.ended, key)
		return nil
	}
	one.cost = c.cost(key, one.item)
	if c.remote == nil {
		c.put(one)
		return nil
	}
	text, err := c.text(key)
	if err != nil { // nobody else can have it
		c.memory.Remove(one.hash, key)
		s.failed.add(err)
		return nil
	}
	if c.journal.MustWait(text, c.memory.Clock.Now()) {
		s.here(one, text, errPending) // what Redis is about to hear may have been sent before this
		return nil
	}
	tokens, err := c.setTokens(ctx, one.item.TagNames(), s.seen)
	if err != nil {
		c.redisFailed(err, 1)
		s.here(one, text, err)
		return nil
	}
	w := c.encode(text, one.item, tokens)
	if w.Err != nil && !errors.Is(w.Err, record.ErrTooLarge) {
		return w.Err
	}
	s.settings, s.writes = append(s.settings, one), append(s.writes, w)
	s.bytes += len(w.Record)
	return nil
}

// here stores in memory alone; Redis hears later that what it has is out of date.
func (s *storing[K, V]) here(one setting[K, V], text string, why error) {
	s.c.put(one)
	s.c.pend(text)
	s.failed.add(s.c.degraded("set", one.key, why))
}

// flush sends the batch.
func (s *storing[K, V]) flush(ctx context.Context) {
	s.c.setBoth(ctx, s.settings, s.writes, &s.failed)
	clear(s.settings)
	clear(s.writes)
	s.settings, s.writes, s.bytes = s.settings[:0], s.writes[:0], 0
}

// setTokens is the current tokens of the cache and of the tags, as they stand in a record.
func (c *store[K, V]) setTokens(ctx context.Context, tags []string, seen memory.Snapshot) (string, error) {
	names := []string{redistier.ClearToken}
	for _, tag := range tags {
		names = append(names, redistier.TagToken(tag))
	}
	tokens, err := c.currentTokens(ctx, seen.Epoch, names, known)
	return redistier.JoinTokens(tokens, tags), err
}

// pend leaves the invalidation of a key to be said when Redis answers.
func (c *store[K, V]) pend(text string) {
	c.journal.Pend(backplane.KindKey, text, c.memory.Clock.Now())
}

var errPending = errors.New("Redis has yet to hear of an earlier invalidation")

// put is Set in memory alone.
func (c *store[K, V]) put(s setting[K, V]) {
	if s.cost > c.memory.Capacity() {
		c.counters.Add(s.hash, stat.Oversized, 1)
		c.memory.Remove(s.hash, s.key)
		return
	}
	c.memory.Put(s.hash, s.key, s.item, s.cost)
}

// setBoth stores in Redis, which decides the order of two Sets, and then in memory, unless another
// writer came in between.
func (c *store[K, V]) setBoth(ctx context.Context, settings []setting[K, V], writes []redistier.Write, failed *failures) {
	for lo := 0; lo < len(writes); {
		hi := lo + redistier.BatchLen(writes[lo:])
		c.begin(settings[lo:hi], func(*setting[K, V], *memory.Item[V]) {})
		notices := make([]backplane.Notice, hi-lo)
		for i := range notices {
			notices[i] = c.journal.BeginAt(backplane.KindKey, writes[lo+i].Text, settings[lo+i].item.Read, c.memory.Clock.Now())
		}
		errs, err := c.remote.Store(ctx, writes[lo:hi], notices)
		if err != nil {
			c.redisFailed(err, hi-lo)
		}
		for i := lo; i < hi; i++ {
			one := err
			if one == nil {
				one = errs[i-lo]
				c.noteWrite(one)
			}
			c.stored(notices[i-lo], one)
			s := &settings[i]
			if s.cost > c.memory.Capacity() {
				c.counters.Add(s.hash, stat.Oversized, 1)
				s.item = nil
			}
			c.memory.Settle(s.hash, s.key, s.item, s.cost, s.gen)
			if one != nil {
				failed.add(c.degraded("set", s.key, one))
			}
		}
		lo = hi
	}
}
