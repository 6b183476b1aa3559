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
	fls, ok := c.takeOff(fls)
	if !ok {
		return
	}
	l := &loading[K, V]{c: c}
	l.carry(l.detached(ctx, fls), fls, func(ctx context.Context) { l.fly(ctx, fls) })
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
	case len(rest) > 0 && !l.asks(rest[0]):
		direct = slices.Concat(direct, away, rest)
	default:
		return remainder[K, V]{rest, append(direct, away...)}
	}
	return remainder[K, V]{direct: direct}
}

// loadRest ends the flights to which Redis had no answer.
func (l *loading[K, V]) loadRest(ctx context.Context, todo remainder[K, V]) {
	l.loadAll(ctx, todo.direct, unleased)
	l.lease(ctx, todo.rest)
}

// asks says whether there is a source to ask. Where there is none, what Redis doesn't have is not found; to take a lease, and to commit that, would cost two round trips, and could
// delete what a Set has stored that this node has yet to hear of.
func (l *loading[K, V]) asks(f *flight[K, V]) bool {
	cfg := &l.c.cfg
	return f.load != nil || cfg.Load != nil || cfg.LoadMany != nil || cfg.Reload != nil
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
			case !l.answer(f, &all[i], now):
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
		it.knownAs(f.old, l.c.cfg.StaleFor)
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

type acquire func(ctx context.Context, texts []string, token string) ([]found, error)

// leaseBatch loads those of the keys whose leases it gets, and returns those that others hold.
func (l *loading[K, V]) leaseBatch(ctx context.Context, fls []*flight[K, V], acquire acquire) (lost []*flight[K, V]) {
	got, err := l.acquire(ctx, fls, acquire)
	if err != nil {
		l.c.redisFailed(err, len(fls))
		l.loadAll(ctx, fls, unleased)
		return nil
	}
	l.release(ctx, got.spare)
	l.loadAll(ctx, got.mine, leased)
	l.loadAll(ctx, got.away, unleased)
	if len(got.again) > 0 {
		got.lost = append(got.lost, l.leaseBatch(ctx, got.again, l.c.remote.seize)...)
	}
	return got.lost
}

// leases is what became of flights that asked for their keys' leases, of those that have not ended.
type leases[K comparable, V any] struct {
	mine  []*flight[K, V] // to be loaded and committed
	lost  []*flight[K, V] // held by others
	again []*flight[K, V] // a load of ours failed a moment ago, and there is nothing else to serve
	away  []*flight[K, V] // their shard did not say
	spare []string        // leases of keys that somebody committed meanwhile
}

// lead asks for the leases of flights to which Redis had no answer, and does what follows.
func (l *loading[K, V]) lead(ctx context.Context, fls []*flight[K, V]) {
	if err := l.readTokens(ctx, fls); err != nil {
		l.c.redisFailed(err, len(fls))
		l.loadAll(ctx, fls, unleased)
		return
	}
	l.lease(ctx, fls)
}

// acquire asks for leases, and ends the flights to which Redis has the answer.
func (l *loading[K, V]) acquire(ctx context.Context, fls []*flight[K, V], acquire acquire) (got leases[K, V], err error) {
	if l.token == "" {
		l.token = newToken()
	}
	now := l.c.memory.clock.now()
	names := texts(fls)
	all, err := acquire(ctx, names, l.token)
	if err == nil {
		err = l.c.validate(ctx, names, all, fls[0].seen, now)
	}
	if err != nil {
		return got, err
	}
	for i, f := range fls {
		switch {
		case (all[i].err == nil || all[i].ok) && l.answer(f, &all[i], now): // a full Redis gives no lease, but what it has
			if all[i].held {
				got.spare = append(got.spare, f.text)
			}
		case all[i].err != nil:
			l.c.redisFailed(all[i].err, 1)
			got.away = append(got.away, f)
		case all[i].held:
			got.mine = append(got.mine, f)
		case all[i].backOff != "" && (all[i].backOff != l.c.redis.channel.node || l.c.servable(f.stale.Load(), now)):
			l.c.end(f, nil, 0, l.c.loadError(f.key, errBackOff))
		case all[i].backOff != "":
			got.again = append(got.again, f)
		default:
			got.lost = append(got.lost, f)
		}
	}
	return got, nil
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
