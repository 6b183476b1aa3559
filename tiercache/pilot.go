package tiercache

import (
	"context"
	"sync/atomic"
	"time"
)

// A flight's first caller flies it in its own goroutine as far as it waits for it anyway: to look into Redis, to wait for the loader, to commit what it brought. A hand-over to
// another goroutine and back costs about as much as a round trip to Redis. What may outlast the caller is carried on in a goroutine: the loader from the start, the rest when the
// caller gives up.

// mayPilot says whether the caller can wait for the operations on Redis of one step, each of which takes RedisConfig.Timeout at most: when its own time may be over sooner, it must
// not. It is asked before each step, as a Redis that answers late each time would else use up any deadline. A load that is waited for by another load is left to goroutines, where
// recursion is detected.
func (c *Cache[K, V]) mayPilot(ctx context.Context, soft time.Time) bool {
	if leadOf(ctx) != nil {
		return false
	}
	if c.remote == nil {
		return true
	}
	const operations = 3 // of one step: the record and its tokens; the mark and the lease; the tags' tokens, the mark and the commit
	patience := operations * c.redis.cfg.Timeout
	if !soft.IsZero() && time.Until(soft) < patience {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) >= patience
}

// pilot flies f until it has ended or the caller gives up; then it goes on behind.
func (c *Cache[K, V]) pilot(ctx context.Context, f *flight[K, V], soft time.Time) {
	if c.landed(f) {
		return
	}
	if !c.tasks.enter() {
		c.end(f, nil, 0, ErrClosed)
		return
	}
	p := &piloting[K, V]{loading: loading[K, V]{c: c}, one: [1]*flight[K, V]{f}}
	p.fls = p.one[:]
	defer p.leave()
	p.fly(ctx, soft)
}

// pilotMany flies flights as far as Redis has the answers; the source is asked behind.
func (c *Cache[K, V]) pilotMany(ctx context.Context, fls []*flight[K, V], soft time.Time) {
	if c.remote == nil || len(fls) > batchKeys || !c.mayPilot(ctx, soft) {
		c.launch(ctx, fls)
		return
	}
	fls, ok := c.takeOff(fls)
	if !ok {
		return
	}
	p := &piloting[K, V]{loading: loading[K, V]{c: c}, fls: fls}
	defer p.leave()
	alone := p.alone(ctx)
	if todo := p.lookUpAll(alone, fls); len(todo.rest)+len(todo.direct) > 0 {
		p.carryOn(func(ctx context.Context) { p.loadRest(ctx, todo) })
	}
}

// piloting is flights, as their first caller flies them.
type piloting[K comparable, V any] struct {
	loading[K, V]
	one     [1]*flight[K, V]
	fls     []*flight[K, V]
	ctx     context.Context //nolint:containedctx // theirs, which never ends
	renewal *renewal        // of its lease, if it has one
	q       question[K, V]  // as it was put to the source, if it was
	carried bool            // a goroutine does the rest
}

// leave ends what was begun, unless it is carried on.
func (p *piloting[K, V]) leave() {
	if v := recover(); !p.carried {
		p.renewal.end()
		p.q.giveBack(p.ctx)
		p.over(p.fls, v)
		p.c.tasks.leave()
	}
}

// carryOn leaves the rest to a goroutine.
func (p *piloting[K, V]) carryOn(rest func(context.Context)) {
	p.carried = true
	p.carry(p.ctx, p.fls, rest)
}

// alone is ctx for its values alone.
func (p *piloting[K, V]) alone(ctx context.Context) context.Context {
	p.ctx = p.detached(ctx, p.fls)
	return p.ctx
}

// fly flies one flight.
func (p *piloting[K, V]) fly(ctx context.Context, soft time.Time) {
	f, alone := p.fls[0], p.alone(ctx)
	held, next := unleased, p.lookUp(alone, f)
	if next == toLease {
		if !p.c.mayPilot(ctx, soft) {
			p.carryOn(func(ctx context.Context) { p.lead(ctx, p.fls) })
			return
		}
		held, next = p.acquireOne(alone, f)
	}
	switch next {
	case toLand:
		return
	case toWait:
		p.carryOn(func(ctx context.Context) { p.lease(ctx, p.fls) })
		return
	case toLease, toLoad:
	}
	if p.unasked(f) {
		return
	}
	if held == leased {
		p.renewal = p.renewing(texts(p.fls))
	}
	p.q.ask(alone, &p.loading, f, held)
	var softly <-chan time.Time
	if !soft.IsZero() {
		timer := time.NewTimer(time.Until(soft))
		defer timer.Stop()
		softly = timer.C
	}
	over := p.q.wait(ctx.Done(), softly)
	if over && (held == unleased || p.c.mayPilot(ctx, soft)) {
		p.q.land(alone)
		return
	}
	p.carryOn(func(ctx context.Context) {
		defer p.renewal.end()
		defer p.q.giveBack(ctx)
		if !over {
			p.q.wait(nil, nil)
		}
		p.q.land(ctx)
	})
}

// step is what a flight needs next.
type step uint8

const (
	toLand  step = iota // nothing: it has ended
	toLease             // the lease, or another node's value
	toLoad              // the source
	toWait              // another node's load
)

// lookUp looks f up in Redis, unless it is expected not to be there.
func (l *loading[K, V]) lookUp(ctx context.Context, f *flight[K, V]) step {
	c := l.c
	switch {
	case c.remote == nil || c.journal.bypass(f.text):
		f.look()
		return toLoad
	case c.forecast.miss() && l.asks(f) && c.backOffs.binding(f.text, c.memory.clock.Now()) == nil:
		return toLease
	}
	defer f.look()
	rest, away, err := l.fromRedis(ctx, []*flight[K, V]{f})
	switch {
	case err != nil:
		c.redisFailed(err, 1)
		return toLoad
	case len(away) > 0:
		return toLoad
	case len(rest) == 0:
		c.forecast.note(false)
		return toLand
	default:
		return toLease
	}
}

// acquireOne asks for f's lease, and for its value once more.
func (l *loading[K, V]) acquireOne(ctx context.Context, f *flight[K, V]) (tenure, step) {
	defer f.look()
	c, fls := l.c, []*flight[K, V]{f}
	err := l.readTokens(ctx, fls)
	var got leases[K, V]
	if err == nil {
		got, err = l.acquire(ctx, fls, c.remote.claim) // who else has the lease is asked by those who wait for it
	}
	switch {
	case err != nil:
		c.redisFailed(err, 1)
		return unleased, toLoad
	case len(got.away) > 0:
		return unleased, toLoad
	case len(got.mine) > 0:
		c.forecast.note(true)
		return leased, toLoad
	case len(got.lost)+len(got.again) > 0:
		c.forecast.note(true)
		return unleased, toWait
	default:
		c.forecast.note(false)
		if len(got.spare) > 0 {
			c.background(func(ctx context.Context) { l.release(ctx, got.spare) })
		}
		return unleased, toLand
	}
}

// forecast guesses whether Redis will have the next key that memory doesn't: from what became of the last few. Where a miss is expected, the lease is asked for in
// the same round trip as the value; a wrong guess costs a lease that is given back, or a second round trip.
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
