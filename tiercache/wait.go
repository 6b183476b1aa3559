package tiercache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// insist does something that no reader waits for, up to three times until it succeeds: one late
// answer of a busy server is no outage.
func insist(ctx context.Context, do func() error) (err error) {
	const tries, again = 3, 200 * time.Millisecond
	for try := range tries {
		if try > 0 {
			select {
			case <-time.After(again):
			case <-ctx.Done():
				return err
			}
		}
		if err = do(); err == nil {
			return nil
		}
	}
	return err
}

// softDeadline is when a caller that begins to wait now takes something stale instead; zero is
// never.
func (c *loads[K, V]) softDeadline() time.Time {
	if c.cfg.SoftTimeout == 0 {
		return time.Time{}
	}
	return time.Now().Add(c.cfg.SoftTimeout)
}

// waited is a flight that a read waits for. It may have begun before the read.
type waited[K comparable, V any] struct {
	flight *flight[K, V]
	old    *memory.Item[V] // what memory held when the read began
	since  uint64          // the count of ended tags of then
	soft   time.Time
}

// errOvertaken is the answer of collect where the read must look the key up again.
var errOvertaken = errors.New("a tag was ended after the load began")

// overtaken reports whether a tag of the flight's answer may have been ended after the flight and
// before the read began. A flight that begins once this one has ended is younger than the read,
// which so looks twice at most.
func (c *loads[K, V]) overtaken(f *flight[K, V], since uint64) bool {
	return since > f.seen.Count && f.err == nil && f.answer.Tags != nil && c.tokens.endedAfter(f.answer.Tags.Names, f.seen.Count)
}

// collect waits for a flight and turns its outcome into what the caller gets.
func (c *loads[K, V]) collect(ctx context.Context, w waited[K, V]) (Entry[V], error) {
	f, old := w.flight, w.old
	err := c.await(ctx, f, old, w.soft)
	now := c.memory.Clock.Now()
	waited := err == nil
	if waited && c.overtaken(f, w.since) {
		return Entry[V]{}, errOvertaken
	}
	if waited && f.err == nil {
		return c.outcome(ctx, f, now)
	}
	if waited {
		err = f.err
	}
	gaveUp := !waited && errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) || errors.Is(err, ErrNotFound) // nobody was asked
	if stale := c.fallback(f, old, now); stale != nil && !gaveUp {
		source := FromMemory
		if stale != old && stale != f.old {
			source = FromRedis
		}
		if waited {
			stale.BackOff(now + int64(backOffLife))
		}
		c.learn(f.hash, f.key, rand.Uint64())
		return c.stale(f.hash, stale, source, now)
	}
	if !waited {
		err = c.waitError(f.key, err)
	}
	c.counters.Add(f.hash, stat.Misses, 1)
	return Entry[V]{}, err
}

// stale serves what is no longer fresh.
func (c *loads[K, V]) stale(hash uint64, it *memory.Item[V], source Source, now int64) (Entry[V], error) {
	c.counters.Add(hash, stat.StaleHits, 1)
	e, err := c.entry(it, source, now)
	e.Stale = true
	return e, err
}

// outcome counts the read under what answered it.
func (c *loads[K, V]) outcome(ctx context.Context, f *flight[K, V], now int64) (Entry[V], error) {
	it := f.answer
	switch {
	case f.source == FromMemory:
		return c.hit(ctx, f.hash, f.key, it, now, f.asking)
	case it.Absent && f.source == FromRedis:
		c.counters.Add(f.hash, stat.NegativeHits, 1)
	case f.source == FromRedis:
		c.counters.Add(f.hash, stat.RedisHits, 1)
	default:
		c.counters.Add(f.hash, stat.Misses, 1)
	}
	if it.Absent {
		return Entry[V]{}, ErrNotFound
	}
	c.learn(f.hash, f.key, rand.Uint64())
	if f.source == FromRedis {
		c.refreshIfDue(ctx, f.hash, f.key, it, now, f.asking)
	}
	e, err := c.entry(it, f.source, now)
	e.Stale = false // it was fresh when it was found
	return e, err
}

// errSoft says that SoftTimeout is over and that there is something stale to serve.
var errSoft = errors.New("soft timeout")

// await waits until the flight has ended, ctx has, or SoftTimeout has and something stale is at
// hand.
func (c *loads[K, V]) await(ctx context.Context, f *flight[K, V], old *memory.Item[V], softly time.Time) error {
	if f.done.isGiven() {
		return nil
	}
	if from := leadOf(ctx); from != nil {
		if err := from.await(f.lead); err != nil {
			return err
		}
		defer from.awaited(f.lead)
	}
	var soft <-chan time.Time
	if !softly.IsZero() {
		timer := time.NewTimer(time.Until(softly))
		defer timer.Stop()
		soft = timer.C
	}
	done, looked := f.done.wait(), (<-chan struct{})(nil)
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-soft:
			soft = nil
			if c.fallback(f, old, c.memory.Clock.Now()) != nil {
				return errSoft
			}
			looked = f.looked.wait() // Redis may still come up with something
		case <-looked:
			looked = nil
			if c.fallback(f, old, c.memory.Clock.Now()) != nil {
				return errSoft
			}
		}
	}
}

// fallback is the youngest value that may be served stale now: what the caller saw in memory, or
// what the flight found.
func (c *loads[K, V]) fallback(f *flight[K, V], old *memory.Item[V], now int64) *memory.Item[V] {
	best := f.stale.Load()
	if old != nil && !old.Absent && !f.isBuried(old) && (best == nil || old.Read > best.Read) {
		best = old
	}
	if !c.servable(best, now) {
		return nil
	}
	return best
}

// waitError is what a caller sees who did not wait for the end.
func (c *loads[K, V]) waitError(key K, err error) error {
	if errors.Is(err, ErrRecursive) {
		return c.loadError(key, err)
	}
	return fmt.Errorf("tiercache: cache %q: wait for %q: %w", c.name, fmt.Sprint(key), err)
}
