package tiercache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// hotLoader is the name under which the hot keys of a cache stand among its loaders.
func hotLoader(cache string) string { return "hot:" + cache }

// hotChunk is how many keys are loaded at once: live reads come in between.
const hotChunk = 100

// warmHot makes the hot keys readable in memory: from Redis, the hottest first, as far as there is
// room; then what Redis doesn't have from the source, through flights and leases like any read's
// load, so that a fleet loads it once. It counts no hit and no miss, and teaches the learner
// nothing.
func (c *warmup[K, V]) warmHot(ctx context.Context, opts WarmOptions) (res WarmResult) {
	began := time.Now()
	defer func() {
		res.Loader, res.Duration = hotLoader(c.name), time.Since(began)
		if !opts.DryRun {
			c.observe(Event{Kind: EventWarm, Took: res.Duration, Keys: res.Cached(), Err: res.Err})
		}
	}()
	hot, err := c.hottest(ctx, 0)
	if err != nil && len(hot) == 0 {
		return WarmResult{Err: err}
	}
	keys := make([]K, len(hot))
	for i, k := range hot {
		keys[i] = k.Key
	}
	if opts.DryRun {
		return c.judgeHot(keys, opts)
	}
	if c.remote != nil {
		opts.Task = hotLoader(c.name)
		res = c.hydrate(ctx, c.textsOf(keys), opts)
		err = errors.Join(err, res.Err)
	}
	loaded := hotLoad[K, V]{c: c, opts: opts}
	if c.cfg.Load != nil || c.cfg.LoadMany != nil {
		err = errors.Join(err, loaded.all(ctx, c.unread(keys)))
	}
	res.Emitted, res.SkippedRoom, res.Failed, res.Err = len(keys), loaded.noRoom, loaded.failed, err
	res.Memory = len(keys) - len(c.unread(keys))
	if c.remote != nil {
		res.Redis = res.Memory - res.SkippedFresh
	}
	return res
}

// judgeHot judges the keys as a run would find them. Each is taken to cost one.
func (c *warmup[K, V]) judgeHot(keys []K, opts WarmOptions) WarmResult {
	res := WarmResult{Emitted: len(keys)}
	room, now := opts.Room, c.memory.Clock.Now()
	if room == 0 {
		room = c.memory.Vacant()
	}
	for _, key := range keys {
		it := c.memory.Get(c.memory.Hash(key), key)
		j := Judgement{Cost: 1, InMemory: it != nil && c.fresh(it, now), Fits: true}
		switch {
		case j.InMemory:
			res.SkippedFresh++
		case it == nil && room <= 0:
			j.Fits = false
			res.SkippedRoom++
		case it == nil:
			room--
		}
		if j.Key, j.Err = c.hotText(key); opts.Judged != nil {
			opts.Judged(j)
		}
	}
	res.Memory = len(keys) - res.SkippedRoom
	return res
}

// textsOf leaves out what has no text form: such a key was learned here, and is loaded by itself.
func (c *warmup[K, V]) textsOf(keys []K) []string {
	texts := make([]string, 0, len(keys))
	for _, key := range keys {
		if text, err := c.hotText(key); err == nil {
			texts = append(texts, text)
		}
	}
	return texts
}

// unread is those of the keys that a read would not find fresh in memory.
func (c *warmup[K, V]) unread(keys []K) []K {
	now := c.memory.Clock.Now()
	return slices.DeleteFunc(slices.Clone(keys), func(key K) bool {
		it := c.memory.Get(c.memory.Hash(key), key)
		return it != nil && c.fresh(it, now)
	})
}

// hotLoad asks the source for hot keys.
type hotLoad[K comparable, V any] struct {
	c      *warmup[K, V]
	opts   WarmOptions
	noRoom int
	failed int
	errs   failures
}

func (l *hotLoad[K, V]) all(ctx context.Context, keys []K) error {
	for batch := range slices.Chunk(keys, hotChunk) {
		if batch = l.fitting(batch); len(batch) == 0 {
			continue
		}
		if err := l.chunk(ctx, batch); err != nil {
			return err
		}
	}
	return l.errs.join(l.c.name, l.failed)
}

// fitting is those of the keys that there is room for: the live set of a full cache is not pushed
// out for a list of what was hot. What stands in memory, if only expired, has its room already.
func (l *hotLoad[K, V]) fitting(keys []K) (fit []K) {
	room := l.opts.Room
	if room == 0 {
		room = l.c.memory.Vacant()
	}
	for _, key := range keys {
		switch there := l.c.memory.Get(l.c.memory.Hash(key), key) != nil; {
		case there:
		case room > 0:
			room--
		default:
			l.noRoom++
			continue
		}
		fit = append(fit, key)
	}
	return fit
}

// chunk loads some keys at once. Its error is one after which it is no use to go on.
func (l *hotLoad[K, V]) chunk(ctx context.Context, keys []K) error {
	c := l.c
	if c.closed.Load() {
		return ErrClosed
	}
	var mine batch[K, V]
	var all []*flight[K, V]
	var together *lead
	if c.cfg.LoadMany != nil {
		together = &lead{parent: leadOf(ctx), loads: &mine}
	}
	for _, key := range keys {
		hash := c.memory.Hash(key)
		f := c.newFlight(hash, key, c.memory.Get(hash, key))
		f.lead = together
		f, leads, err := c.board(ctx, f)
		if err != nil {
			l.fail(err)
			continue
		}
		if all = append(all, f); leads {
			mine.flights = append(mine.flights, f)
		}
	}
	if len(mine.flights) > 0 {
		c.start(ctx, mine.flights, patience{})
	}
	for _, f := range all {
		if err := c.await(ctx, f, nil, time.Time{}); err != nil {
			return fmt.Errorf("tiercache: cache %q: hot keys: %w", c.name, err)
		}
		switch {
		case f.err != nil:
			l.fail(f.err)
		case f.answer.Absent && c.remote != nil:
			c.hot.putGone([]string{f.text})
		}
	}
	return nil
}

func (l *hotLoad[K, V]) fail(err error) {
	l.failed++
	l.errs.add(err)
}
