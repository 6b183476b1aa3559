package tiercache

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// loadChunk is the most keys that LoadMany is given at once.
	loadChunk = 500
	// loadWidth is how many calls of Load one GetMany makes at a time.
	loadWidth = 8
	// A node that waits for another's load looks after it at pauses that double between these two.
	pollFirst = 2 * time.Millisecond
	pollMost  = 100 * time.Millisecond
)

// launch flies the flights in a goroutine of their own, detached from ctx but for its values. Nobody waits for the goroutine but Close.
func (c *Cache[K, V]) launch(ctx context.Context, fls []*flight[K, V]) {
	fls, ok := c.takeOff(fls)
	if !ok {
		return
	}
	l := &loading[K, V]{c: c}
	l.carry(l.detached(ctx, fls), fls, func(ctx context.Context) {
		if l.queue(ctx, fls[0]) {
			l.fly(ctx, fls)
		}
	})
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

// takeOff leaves out what has landed already. It says whether anything is left that may be flown; then the tasks are to be left.
func (c *Cache[K, V]) takeOff(fls []*flight[K, V]) ([]*flight[K, V], bool) {
	fls = slices.DeleteFunc(slices.Clone(fls), c.landed)
	if len(fls) == 0 {
		return nil, false
	}
	if !c.tasks.enter() {
		c.finishAll(fls, ErrClosed)
		return nil, false
	}
	return fls, true
}

// detached is ctx for its values alone; loaders find in it who asks.
func (l *loading[K, V]) detached(ctx context.Context, fls []*flight[K, V]) context.Context {
	return leadContext{context.WithoutCancel(ctx), fls[0].lead}
}

// carry has the rest of the flights done in a goroutine of its own, which Close waits for and whose context it ends.
func (l *loading[K, V]) carry(ctx context.Context, fls []*flight[K, V], rest func(context.Context)) {
	go func() {
		defer l.c.tasks.leave()
		ctx, cancel := l.c.untilClose(ctx)
		defer cancel()
		defer func() { l.over(fls, recover()) }()
		stop := context.AfterFunc(l.c.stopped, func() { l.c.finishAll(fls, ErrClosed) }) //nolint:contextcheck // it waits for Close, whatever ctx
		defer stop()
		rest(ctx)
	}()
}

// over ends what has not ended: where a bug of ours panicked the waiters hear of it; others don't.
func (l *loading[K, V]) over(fls []*flight[K, V], panicked any) {
	if panicked != nil {
		l.c.finishAll(fls, newPanicError(panicked))
	}
	for _, f := range fls {
		if !f.ended.Load() {
			l.c.end(f, nil, 0, ErrGoexit)
		}
		f.lead.over.Store(true)
	}
}

// landed ends a flight whose key somebody else's flight brought into memory between our look there and the beginning of ours.
func (c *Cache[K, V]) landed(f *flight[K, V]) bool {
	if f.force || f.newer {
		return false
	}
	it := c.memory.get(f.hash, f.key)
	if it == nil || !c.fresh(it, c.memory.clock.now()) {
		return false
	}
	c.end(f, it, FromMemory, nil)
	return true
}

// finishAll ends those flights that haven't ended, and takes all of them out of the table.
func (c *Cache[K, V]) finishAll(fls []*flight[K, V], err error) {
	for _, f := range fls {
		c.end(f, nil, 0, err)
	}
}

// end sets a flight's outcome and opens its key for the next flight. An earlier outcome stands. What fails once the cache is closed fails for that: a
// loader that heeds its context would else be told apart from one that doesn't by who is quicker.
func (c *Cache[K, V]) end(f *flight[K, V], answer *item[V], source Source, err error) {
	if err != nil && c.closed.Load() {
		err = ErrClosed
	}
	c.flights.leave(f)
	f.finish(answer, source, err)
}

// underway is those of the flights that have no outcome yet.
func underway[K comparable, V any](fls []*flight[K, V]) []*flight[K, V] {
	var rest []*flight[K, V]
	for _, f := range fls {
		if !f.ended.Load() {
			rest = append(rest, f)
		}
	}
	return rest
}

// loading is the work of one lead.
type loading[K comparable, V any] struct {
	c     *Cache[K, V]
	token string // of all its leases; made for the first

	makeSlots sync.Once
	slots     chan struct{} // of calls of Load at the same time

	tokens    map[string]string // of the cache, and its mark, as they were before the source was asked
	takeovers uint64            // of the channel, then
}

// fly ends every flight: from Redis, from the source, or with an error.
func (l *loading[K, V]) fly(ctx context.Context, fls []*flight[K, V]) {
	l.loadRest(ctx, l.lookUpAll(ctx, fls))
}

// remainder is the flights to which Redis had no answer.
type remainder[K comparable, V any] struct {
	rest   []*flight[K, V] // Redis does not have them
	direct []*flight[K, V] // Redis can't be asked, or has yet to hear that we invalidated them: they are loaded for this process alone
}

// lookUpAll ends the flights to which Redis has the answer.
func (l *loading[K, V]) lookUpAll(ctx context.Context, fls []*flight[K, V]) (todo remainder[K, V]) {
	if l.c.remote == nil {
		return remainder[K, V]{direct: fls}
	}
	asked, direct := l.bypass(fls)
	rest, away, err := l.fromRedis(ctx, asked)
	if err == nil && len(rest) > 0 {
		err = l.readTokens(ctx, rest)
	}
	for _, f := range fls {
		f.look()
	}
	switch {
	case err != nil:
		l.c.redisFailed(err, len(asked))
		direct = append(direct, underway(asked)...)
	default:
		return remainder[K, V]{rest, append(direct, away...)}
	}
	return remainder[K, V]{direct: direct}
}

// loadRest ends the flights to which Redis had no answer, the two kinds beside each other.
func (l *loading[K, V]) loadRest(ctx context.Context, todo remainder[K, V]) {
	if len(todo.rest) == 0 {
		l.loadAll(ctx, todo.direct, unleased)
		return
	}
	over := make(chan struct{}, 1)
	l.beside(ctx, todo.direct, unleased, over)
	l.lease(ctx, todo.rest)
	<-over
}

// asks says whether there is a source to ask. Where there is none nothing is known: what Redis doesn't have is not found, but that is no answer of a source, which would be
// stored, and remembered. To take a lease would cost two round trips, and to commit an absence could delete what a Set has stored that this node has yet to hear of.
func (l *loading[K, V]) asks(f *flight[K, V]) bool {
	if f.brought() || f.nobody {
		return f.brought()
	}
	cfg := &l.c.cfg
	return cfg.Load != nil || cfg.LoadMany != nil || cfg.Reload != nil && l.previous(f) != nil
}

// unasked ends a flight that has no source.
func (l *loading[K, V]) unasked(f *flight[K, V]) bool {
	if l.asks(f) {
		return false
	}
	l.c.end(f, nil, 0, ErrNotFound)
	return true
}

// readTokens notes the cache's tokens, before the source is asked.
func (l *loading[K, V]) readTokens(ctx context.Context, fls []*flight[K, V]) (err error) {
	l.takeovers = l.c.redis.channel.takeovers.Load()
	l.tokens, err = l.c.currentTokens(ctx, fls[0].seen.epoch, l.c.loadTokens(), known)
	return err
}

// bypass sorts out the keys of which Redis has yet to hear that we invalidated them.
func (l *loading[K, V]) bypass(fls []*flight[K, V]) (asked, direct []*flight[K, V]) {
	for i, f := range fls {
		switch {
		case l.c.journal.bypass(f.text):
			if direct == nil {
				asked = slices.Clone(fls[:i])
			}
			direct = append(direct, f)
		case direct != nil:
			asked = append(asked, f)
		}
	}
	if direct == nil {
		asked = fls // as nearly always
	}
	return asked, direct
}

// fromRedis ends the flights to which Redis has the answer, and returns the others, those apart whose shard did not say.
func (l *loading[K, V]) fromRedis(ctx context.Context, fls []*flight[K, V]) (rest, away []*flight[K, V], err error) {
	for batch := range slices.Chunk(fls, batchKeys) {
		now := l.c.memory.clock.now() // before Redis is asked: memory must not outlive Redis by the time of the reply
		names := texts(batch)
		var all []found
		if all, err = l.c.remote.read(ctx, names); err != nil {
			return nil, nil, err
		}
		if err = l.c.validate(ctx, names, all, batch[0].seen, now); err != nil {
			return nil, nil, err
		}
		for i, f := range batch {
			switch {
			case all[i].err != nil:
				l.c.redisFailed(all[i].err, 1)
				away = append(away, f)
			case !l.answer(f, &all[i], now) && !l.unasked(f) && !l.bound(f):
				rest = append(rest, f)
			}
		}
	}
	return rest, away, nil
}

// answer ends the flight with what Redis holds, if that will do; else it is kept to be served stale. now is the moment of the look-up.
func (l *loading[K, V]) answer(f *flight[K, V], got *found, now int64) bool {
	it, bad := l.c.interpret(got, now, f.seen)
	if bad != nil && !f.unreadable { // a miss looks twice, but there is one record
		f.unreadable = true
		l.c.noteCorrupt(bad)
	}
	if it == nil {
		l.c.bury(f, got.buried)
		return false
	}
	if f.old != nil && f.old.id == it.id { // it was validated: what is known of it stays
		it.knownAs(f.old)
		it.rank = f.old.rank
	}
	if l.suffices(f, it, now) {
		l.c.fill(f, it)
		l.c.end(f, it, FromRedis, nil)
		return true
	}
	if have := f.stale.Load(); have == nil || have.read < it.read {
		f.stale.Store(it)
	}
	return false
}

// suffices says whether the flight may end with what Redis holds. The moment of a source read is known from Redis to a millisecond or two, so the very
// record that a refresh is to replace is told by its id. For Refresh another's load will do that began after the call, and that this node has seen arrive: what
// was there at its first look says when it was read by the server's clock alone, which may have been set back.
func (l *loading[K, V]) suffices(f *flight[K, V], it *item[V], now int64) bool {
	const slack = int64(2 * time.Millisecond)
	switch {
	case now >= it.fresh:
		return false
	case f.force:
		first := f.stale.Load()
		return f.looked.isGiven() && (first == nil || first.id != it.id) && l.c.flights.overtaken(f, it.read-slack)
	case f.newer:
		return it.id != f.old.id && it.read > f.old.read
	default:
		return true
	}
}
