package tiercache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/warmcache/warmcache/internal/order"
)

// WarmOptions narrows one run of one loader. The zero value runs it to its end.
type WarmOptions struct {
	// DryRun reads the source and judges every entry, but writes nothing.
	DryRun bool
	// Room is the cost that the run may take in memory; zero is the cache's own budget (80 % of an
	// empty cache, the free room of a live one), negative is none: the entries go to Redis only.
	Room int64
	// Grace is how long a loader that ignores its context is waited for after that has ended; then
	// the run ends with ErrAbandoned, and whatever the loader still emits is refused. Zero waits as
	// long as it takes.
	Grace time.Duration
	// Stored, where given, hears the text form of each key that was stored in the furthest tier
	// (Redis, or memory without Redis), in the order of emission; of Hydrate, that was stored in
	// memory. It is called from one goroutine at a time.
	Stored func(key string)
	// Judged, where given, hears what a dry run finds of each entry, in the order of emission, from
	// one goroutine at a time. What a loader emits twice it may hear of twice. It costs a read of
	// Redis a batch.
	Judged func(Judgement)
	// Pace, where given, is asked for the turn of each entry before emit takes it. Its error is
	// emit's.
	Pace func(ctx context.Context) error
	// Kept, where given, hears of each batch after Redis has answered its writes: the text forms of
	// those keys that Redis holds now and that it hasn't heard of before, in the order of emission.
	// Its error says that this process may no longer write: the batch is taken back, both in Redis
	// and in memory, and the run ends with the error. It is called from one goroutine at a time,
	// and not at all without Redis.
	Kept func(ctx context.Context, keys []string) error
	// TakenBack, where given, hears how many more entries of the run were taken back after it was
	// over, as it turned out that an invalidation may have overtaken them unheard; see
	// WarmResult.TakenBack. It is called from a goroutine of the cache's own, some seconds after
	// the run at most while Redis answers, and not after Close.
	TakenBack func(n int)
	// Task is the name under which Hydrate counts what it brings, see [Stats]; WarmLoader has its
	// loader's.
	Task string
	// Age is of Hydrate alone: what memory holds and the source gave within this time is left as it
	// is, and what is older is read again. Zero leaves whatever is fresh.
	Age time.Duration
}

// ErrAbandoned ends the run of a loader that did not return when its context had ended.
var ErrAbandoned = errors.New("tiercache: loader abandoned: it ignores its context")

// warmGrace is the Grace of Warm.
const warmGrace = 5 * time.Second

// Warm runs the named loaders, all of them without names, on this node and without a ledger: one
// after the other, in the order of their dependencies, priorities and registration. It returns one
// result a loader. The error says that something could not be run (an unknown name, a cycle, a
// closed cache), or joins the results' errors.
func (c *Cache[K, V]) Warm(ctx context.Context, names ...string) ([]WarmResult, error) {
	if c.closed.Load() {
		return nil, ErrClosed
	}
	order, err := c.warmOrder(names)
	if err != nil {
		return nil, fmt.Errorf("tiercache: cache %q: warm: %w", c.name, err)
	}
	var results []WarmResult
	var errs []error
	failed := make(map[string]bool)
	for _, l := range order {
		var r WarmResult
		if i := slices.IndexFunc(l.After, func(name string) bool { return failed[name] }); i >= 0 {
			r = WarmResult{Loader: l.Name, Err: fmt.Errorf("skipped: %q, which it comes after, failed", l.After[i])}
		} else {
			r = c.WarmLoader(ctx, l.Name, WarmOptions{Grace: warmGrace})
		}
		if r.Err != nil {
			failed[l.Name] = true
			errs = append(errs, fmt.Errorf("tiercache: cache %q: warm %q: %w", c.name, l.Name, r.Err))
		}
		results = append(results, r)
	}
	return results, errors.Join(errs...)
}

// warmOrder sorts loaders: what comes first by After, then by priority, then by registration. After
// names of other caches are an engine's business.
func (c *warmup[K, V]) warmOrder(names []string) ([]*loaderState[K, V], error) {
	c.loadersMu.Lock()
	defer c.loadersMu.Unlock()
	var todo []*loaderState[K, V]
	for _, l := range c.loaders {
		if len(names) == 0 || slices.Contains(names, l.Name) {
			todo = append(todo, l)
		}
	}
	unknown := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(todo, func(l *loaderState[K, V]) bool { return l.Name == name })
	})
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no loader is called %q", unknown)
	}
	sorted, err := order.Sort(todo, func(l *loaderState[K, V]) (string, []string) { return l.Name, l.After },
		func(a, b *loaderState[K, V]) int { return cmp.Compare(b.Priority, a.Priority) })
	if err != nil {
		return nil, fmt.Errorf("loaders wait for each other by After: %w", err)
	}
	return sorted, nil
}

// WarmLoader runs one loader now. It is what an engine calls; programs call Warm.
func (c *Cache[K, V]) WarmLoader(ctx context.Context, name string, opts WarmOptions) (res WarmResult) {
	began := time.Now()
	res.Loader = name
	if c.closed.Load() || !c.tasks.enter() {
		res.Err = ErrClosed
		return res
	}
	defer c.tasks.leave()
	l := c.loader(name)
	if l == nil {
		res.Err = fmt.Errorf("no loader %q is registered", name)
		return res
	}
	ctx, cancel := c.untilClose(ctx)
	defer cancel()
	if l.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, l.Timeout)
		defer cancel()
	}
	if l.hot {
		return c.warmHot(ctx, opts)
	}
	w := c.newWarming(ctx, l, opts)
	res = w.run(ctx)
	if w.seen.Epoch != c.epoch.Load() {
		c.revalidate()
	}
	if res.Err != nil && c.closed.Load() {
		res.Err = fmt.Errorf("%w: %w", ErrClosed, res.Err)
	}
	res.Duration = time.Since(began)
	c.observe(Event{Kind: EventWarm, Took: res.Duration, Keys: res.Cached(), Err: res.Err})
	return res
}
