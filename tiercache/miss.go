package tiercache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// A miss takes four steps: look the keys up in Redis, lease them, call the loader, commit what it
// brings. The steps are the same for any number of keys; a single read is a batch of one.
//
// The first caller takes the steps in its own goroutine as long as it waits for them anyway: a
// hand-over to another goroutine and back costs about as much as a round trip to Redis. What may
// outlast the caller is carried on in a goroutine: the loader from the start, the rest once the
// caller's patience is over.

// patience is for how long a caller waits for its flights. The zero patience waits for nothing:
// then all steps are taken in a goroutine.
type patience struct {
	ctx  context.Context //nolint:containedctx // the caller's; nil: it does not wait
	soft time.Time       // when SoftTimeout is over; zero: never
}

// patienceOf is that of a read. A load that another load waits for is left to goroutines, where
// recursion is detected.
func patienceOf(ctx context.Context, soft time.Time) patience {
	if leadOf(ctx) != nil {
		return patience{}
	}
	return patience{ctx, soft}
}

// lasts reports whether the caller waits for that long.
func (p patience) lasts(d time.Duration) bool {
	if p.ctx == nil || !p.soft.IsZero() && time.Until(p.soft) < d {
		return false
	}
	deadline, ok := p.ctx.Deadline()
	return !ok || time.Until(deadline) >= d
}

// loading is the work of one lead: its flights, on their way through a miss.
type loading[K comparable, V any] struct {
	c      *loads[K, V]
	fls    []*flight[K, V]
	by     patience
	behind bool // a goroutine takes the steps

	token     string            // of all its leases; made for the first
	tokens    map[string]string // of the cache, and its mark, as they were before the source was asked
	takeovers uint64            // of the channel, then

	first     call[K, V] // the one that the caller waits for
	makeSlots sync.Once
	slots     chan struct{} // of calls of Load at the same time
}

// start begins a miss. When it returns the flights have ended, or the caller's patience has, and a
// goroutine goes on, detached from ctx but for its values. Nobody waits for that one but Close.
func (c *loads[K, V]) start(ctx context.Context, fls []*flight[K, V], by patience) {
	if fls = without(fls, c.landed); len(fls) == 0 {
		return
	}
	if !c.tasks.enter() {
		c.finishAll(fls, ErrClosed)
		return
	}
	l := &loading[K, V]{c: c, fls: fls, by: by}
	defer l.leave()
	alone := leadContext{context.WithoutCancel(ctx), fls[0].lead} // loaders find in it who asks
	if len(fls) > redistier.BatchKeys || fls[0].after != nil || !l.waits() {
		l.carryOn(alone, l.run) //nolint:contextcheck // it is ctx, without its end
		return
	}
	l.run(alone) //nolint:contextcheck // as above
}

// waits reports whether the next step may be taken here. In a goroutine it always may. Else the
// caller must be able to wait for the operations on Redis of that step, each of which takes
// RedisConfig.Timeout at most: a Redis that answers late each time would use up any deadline.
func (l *loading[K, V]) waits() bool {
	const operations = 3 // of one step: the record and its tokens; the mark and the lease; the tags' tokens, the mark and the commit
	switch {
	case l.behind:
		return true
	case l.c.remote == nil:
		return l.by.ctx != nil
	default:
		return l.by.lasts(operations * l.c.redis.cfg.Timeout)
	}
}

// carryOn has the rest done in a goroutine, which Close waits for and whose context it ends; where
// a goroutine does it already, at once.
func (l *loading[K, V]) carryOn(ctx context.Context, rest func(context.Context)) {
	if l.behind {
		rest(ctx)
		return
	}
	l.behind = true
	go func() {
		defer l.c.tasks.leave()
		ctx, cancel := l.c.untilClose(ctx)
		defer cancel()
		defer func() { l.over(recover()) }()
		stop := context.AfterFunc(l.c.stopped, func() { l.c.finishAll(l.fls, ErrClosed) }) //nolint:contextcheck // it waits for Close, whatever ctx
		defer stop()
		rest(ctx)
	}()
}

// leave ends what was begun, unless it is carried on.
func (l *loading[K, V]) leave() {
	if v := recover(); !l.behind {
		l.over(v)
		l.c.tasks.leave()
	}
}

// over ends what has not ended: where a bug of ours panicked the waiters hear of it; others don't.
func (l *loading[K, V]) over(panicked any) {
	if panicked != nil {
		l.c.finishAll(l.fls, failure.NewPanicError(panicked))
	}
	for _, f := range l.fls {
		if !f.ended.Load() {
			l.c.end(f, nil, 0, ErrGoexit)
		}
		f.lead.over.Store(true)
	}
}

// run takes the steps.
func (l *loading[K, V]) run(ctx context.Context) {
	if !l.queue(ctx, l.fls[0]) {
		return
	}
	switch todo := l.lookUp(ctx); {
	case len(todo.rest) == 0:
		l.load(ctx, todo.direct, unleased)
	case l.waits():
		l.claim(ctx, todo)
	default:
		l.carryOn(ctx, func(ctx context.Context) { l.claim(ctx, todo) })
	}
}

// queue waits until the refresh that a flight is to wait for has ended.
func (l *loading[K, V]) queue(ctx context.Context, f *flight[K, V]) bool {
	first := f.after
	if first == nil {
		return true
	}
	if err := f.lead.await(first.lead); err != nil {
		l.c.end(f, nil, 0, l.c.loadError(f.key, err))
		return false
	}
	defer f.lead.awaited(first.lead)
	select {
	case <-first.done.wait():
		return true
	case <-ctx.Done():
		return false
	}
}

// claim asks for the leases of flights to which Redis had no answer, and for their values once
// more; then it loads what it may.
func (l *loading[K, V]) claim(ctx context.Context, todo remainder[K, V]) {
	c, fls := l.c, todo.rest[:min(redistier.BatchKeys, len(todo.rest))]
	err := l.readTokens(ctx, todo.rest)
	var got leases[K, V]
	if err == nil {
		got, err = l.acquire(ctx, fls, c.remote.Claim) // who else has a lease is asked by those who wait for it
	}
	for _, f := range fls {
		f.look()
	}
	if err != nil {
		c.redisFailed(err, len(todo.rest))
		l.load(ctx, append(todo.direct, underway(todo.rest)...), unleased)
		return
	}
	if len(l.fls) == 1 && len(got.away) == 0 {
		c.forecast.note(len(got.mine)+len(got.lost) > 0)
	}
	if len(got.spare) > 0 {
		c.background(func(ctx context.Context) { l.release(ctx, got.spare) })
	}
	direct, queue := append(todo.direct, got.away...), todo.rest[len(fls):]
	switch {
	case len(got.lost)+len(queue) > 0 || len(got.mine) > 0 && len(direct) > 0:
		l.carryOn(ctx, func(ctx context.Context) { l.share(ctx, got, direct, queue) })
	case len(got.mine) > 0:
		l.load(ctx, got.mine, leased)
	default:
		l.load(ctx, direct, unleased)
	}
}

// landed ends a flight whose key somebody else's flight brought into memory between our look there
// and the beginning of ours.
func (c *loads[K, V]) landed(f *flight[K, V]) bool {
	if f.force || f.newer {
		return false
	}
	it := c.memory.Get(f.hash, f.key)
	if it == nil || !c.fresh(it, c.memory.Clock.Now()) {
		return false
	}
	c.end(f, it, FromMemory, nil)
	return true
}

// finishAll ends those flights that haven't ended, and takes all of them out of the table.
func (c *loads[K, V]) finishAll(fls []*flight[K, V], err error) {
	for _, f := range fls {
		c.end(f, nil, 0, err)
	}
}

// end sets a flight's outcome and opens its key for the next flight. An earlier outcome stands.
// What fails once the cache is closed fails for that: a loader that heeds its context would else be
// told apart from one that doesn't by who is quicker.
func (c *loads[K, V]) end(f *flight[K, V], answer *memory.Item[V], source Source, err error) {
	if err != nil && c.closed.Load() {
		err = ErrClosed
	}
	c.flights.leave(f)
	f.finish(answer, source, err)
}

// underway is those of the flights that have no outcome yet.
func underway[K comparable, V any](fls []*flight[K, V]) []*flight[K, V] {
	return without(fls, func(f *flight[K, V]) bool { return f.ended.Load() })
}

// without is the flights of which gone does not hold; it is asked once of each. Where it holds of
// none, as nearly always, that is fls itself.
func without[K comparable, V any](fls []*flight[K, V], gone func(*flight[K, V]) bool) []*flight[K, V] {
	for i, f := range fls {
		if !gone(f) {
			continue
		}
		rest := append(make([]*flight[K, V], 0, len(fls)-1), fls[:i]...)
		for _, f := range fls[i+1:] {
			if !gone(f) {
				rest = append(rest, f)
			}
		}
		return rest
	}
	return fls
}

// forecast guesses whether Redis will have the next key that memory doesn't: from what became of
// the last few. Where a miss is expected, the lease is asked for in the same round trip as the
// value; a wrong guess costs a lease that is given back, or a second round trip.
type forecast struct{ state atomic.Int32 }

// A miss is expected from missExpected on; the state moves by one with each outcome.
const (
	missExpected = 2
	missCertain  = 3
)

func (f *forecast) miss() bool { return f.state.Load() >= missExpected }

func (f *forecast) note(missed bool) { //nolint:revive // missed is what happened, not what is to be done
	state := f.state.Load()
	next := max(0, state-1)
	if missed {
		next = min(missCertain, state+1)
	}
	if next != state {
		f.state.CompareAndSwap(state, next) // a lost race is one outcome less
	}
}
