package tiercache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	fls = slices.DeleteFunc(slices.Clone(fls), c.landed)
	if len(fls) == 0 {
		return
	}
	if !c.tasks.enter() {
		c.finishAll(fls, ErrClosed)
		return
	}
	ctx = context.WithValue(context.WithoutCancel(ctx), leadKey{}, fls[0].lead)
	go func() {
		defer c.tasks.leave()
		ctx, cancel := c.untilClose(ctx)
		defer cancel()
		defer func() { // a bug of ours panicked: the waiters hear of it, others don't
			if v := recover(); v != nil {
				c.finishAll(fls, newPanicError(v))
			}
			c.finishAll(fls, ErrGoexit)
			for _, f := range fls {
				f.lead.over.Store(true)
			}
		}()
		stop := context.AfterFunc(c.stopped, func() { c.finishAll(fls, ErrClosed) }) //nolint:contextcheck // it waits for Close, whatever ctx
		defer stop()
		(&loading[K, V]{c: c, token: newToken()}).fly(ctx, fls)
	}()
}

// leadFor prepares the lead of flights that are about to board: fls is looked at only once they have.
func (c *Cache[K, V]) leadFor(parent *lead, fls func() []*flight[K, V]) *lead {
	return &lead{parent: parent, loads: func(id any) bool {
		want, ok := id.(flightID[K, V])
		if !ok || want.cache != c {
			return false
		}
		return slices.ContainsFunc(fls(), func(f *flight[K, V]) bool { return f.key == want.key })
	}}
}

// leadOne prepares the lead of a single flight.
func (c *Cache[K, V]) leadOne(f *flight[K, V], parent *lead) {
	f.lead = c.leadFor(parent, func() []*flight[K, V] { return []*flight[K, V]{f} })
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
	token string // of all its leases

	tokens map[string]string // of the cache, and its mark, as they were before the source was asked
}

// fly ends every flight: from Redis, from the source, or with an error.
func (l *loading[K, V]) fly(ctx context.Context, fls []*flight[K, V]) {
	if l.c.remote == nil {
		l.loadAll(ctx, fls, unleased)
		return
	}
	fls = l.bypass(ctx, fls)
	rest, away, err := l.fromRedis(ctx, fls)
	if err == nil && len(rest) > 0 {
		l.tokens, err = l.c.tokens.get(ctx, l.c.remote, fls[0].seen.epoch, l.c.loadTokens(), known)
	}
	for _, f := range fls {
		f.look()
	}
	if err != nil {
		l.c.redisFailed(err, len(fls))
		l.loadAll(ctx, underway(fls), unleased)
		return
	}
	l.loadAll(ctx, away, unleased)
	l.lease(ctx, rest)
}

// bypass loads, for this process alone, the keys of which Redis has yet to hear that we invalidated them, and returns the others.
func (l *loading[K, V]) bypass(ctx context.Context, fls []*flight[K, V]) (rest []*flight[K, V]) {
	var direct []*flight[K, V]
	for _, f := range fls {
		if l.c.ledger.bypass(f.text) {
			f.look()
			direct = append(direct, f)
		} else {
			rest = append(rest, f)
		}
	}
	l.loadAll(ctx, direct, unleased)
	return rest
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
		if err = l.c.validate(ctx, names, all, batch[0].seen); err != nil {
			return nil, nil, err
		}
		for i, f := range batch {
			switch {
			case all[i].err != nil:
				l.c.redisFailed(all[i].err, 1)
				away = append(away, f)
			case !l.answer(f, &all[i], now):
				rest = append(rest, f)
			}
		}
	}
	return rest, away, nil
}

// answer ends the flight with what Redis holds, if that will do; else it is kept to be served stale. now is the moment of the look-up.
func (l *loading[K, V]) answer(f *flight[K, V], got *found, now int64) bool {
	it := l.c.fromRecord(got, now, f.seen)
	if it == nil {
		return false
	}
	if f.old != nil && f.old.id == it.id { // it was validated: what is known of it stays
		it.read, it.warmed, it.rank = f.old.read, f.old.warmed, f.old.rank
		it.useful.Store(f.old.useful.Load())
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
// record that a refresh is to replace is told by its id.
func (l *loading[K, V]) suffices(f *flight[K, V], it *item[V], now int64) bool {
	switch {
	case now >= it.fresh || f.force:
		return false
	case f.newer:
		return it.id != f.old.id && it.read > f.old.read
	default:
		return true
	}
}

// lease loads the keys whose leases it gets, and waits for the nodes that hold the others'. What it leads is loaded and committed before it waits:
// two nodes with keys in common then never wait for each other.
func (l *loading[K, V]) lease(ctx context.Context, fls []*flight[K, V]) {
	deadline := time.Now().Add(l.c.cfg.LoadTimeout)
	for pause := pollFirst; len(fls) > 0; pause = min(2*pause, pollMost) {
		var lost []*flight[K, V]
		for batch := range slices.Chunk(fls, batchKeys) {
			acquire := l.c.remote.acquire
			if batch[0].force { // then it is alone
				acquire = l.c.remote.seize
			}
			lost = append(lost, l.leaseBatch(ctx, batch, acquire)...)
		}
		if fls = lost; len(fls) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for _, f := range fls {
				err := fmt.Errorf("another node has been loading it for %v: %w", l.c.cfg.LoadTimeout, context.DeadlineExceeded)
				l.c.end(f, nil, 0, l.c.loadError(f.key, err))
			}
			return
		}
		select {
		case <-ctx.Done():
			return // finishAll ends what is left
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

type acquire func(ctx context.Context, texts []string, token string) (held []bool, all []found, err error)

// leaseBatch loads those of the keys whose leases it gets, and returns those that others hold.
func (l *loading[K, V]) leaseBatch(ctx context.Context, fls []*flight[K, V], acquire acquire) (lost []*flight[K, V]) {
	now := l.c.memory.clock.now()
	names := texts(fls)
	held, all, err := acquire(ctx, names, l.token)
	if err == nil {
		err = l.c.validate(ctx, names, all, fls[0].seen)
	}
	if err != nil {
		l.c.redisFailed(err, len(fls))
		l.loadAll(ctx, fls, unleased)
		return nil
	}
	var mine, again, away []*flight[K, V]
	var spare []string // leases of keys that somebody committed meanwhile
	for i, f := range fls {
		switch {
		case all[i].err != nil:
			l.c.redisFailed(all[i].err, 1)
			away = append(away, f)
		case l.answer(f, &all[i], now):
			if held[i] {
				spare = append(spare, f.text)
			}
		case held[i]:
			mine = append(mine, f)
		case all[i].backOff != "" && (all[i].backOff != l.c.redis.channel.node || l.c.servable(f.stale.Load(), now)):
			l.c.end(f, nil, 0, l.c.loadError(f.key, errBackOff))
		case all[i].backOff != "": // our own load failed, and there is nothing else to serve
			again = append(again, f)
		default:
			lost = append(lost, f)
		}
	}
	l.release(ctx, spare)
	l.loadAll(ctx, mine, leased)
	l.loadAll(ctx, away, unleased)
	if len(again) > 0 {
		lost = append(lost, l.leaseBatch(ctx, again, l.c.remote.seize)...)
	}
	return lost
}

// errBackOff is the answer where a load has just failed: while a source is down, a fleet asks it for a key once a backOffLife, and not once a node.
var errBackOff = errors.New("a load of it failed a moment ago, on this node or another")

// backOffLife is short: a source that is back is to be noticed.
const backOffLife = 200 * time.Millisecond

// backOff gives the leases of failed loads back, but leaves marks in their place.
func (l *loading[K, V]) backOff(ctx context.Context, keys []string) {
	for batch := range slices.Chunk(keys, batchKeys) {
		if err := l.c.remote.backOff(ctx, l.token, batch, backOffLife); err != nil {
			l.c.redisFailed(err, len(batch))
		}
	}
}

// release gives leases back without a value, also when the cache is being closed: other nodes would wait for them.
func (l *loading[K, V]) release(ctx context.Context, keys []string) {
	for batch := range slices.Chunk(keys, batchKeys) {
		if err := l.c.remote.release(context.WithoutCancel(ctx), l.token, batch); err != nil {
			l.c.redisFailed(err, len(batch))
		}
	}
}
