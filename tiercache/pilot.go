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
	fls := []*flight[K, V]{f}
	l := &loading[K, V]{c: c}
	alone := l.detached(ctx, fls)
	carried := false
	carry := func(rest func(context.Context)) {
		carried = true
		l.carry(alone, fls, rest)
	}
	var q *question[K, V]
	renewed := func() {}
	defer func() {
		if v := recover(); !carried {
			renewed()
			q.giveBack(alone)
			l.over(fls, v)
			c.tasks.leave()
		}
	}()
	held, next := unleased, l.lookUp(alone, f)
	if next == toLease {
		if !c.mayPilot(ctx, soft) {
			carry(func(ctx context.Context) { l.lead(ctx, fls) })
			return
		}
		held, next = l.acquireOne(alone, f)
	}
	switch next {
	case toLand:
		return
	case toWait:
		carry(func(ctx context.Context) { l.lease(ctx, fls) })
		return
	case toLease, toLoad:
	}
	if held == leased {
		renewed = l.renewing(alone, texts(fls))
	}
	q = l.ask(alone, f, held)
	var softly <-chan time.Time
	if !soft.IsZero() {
		timer := time.NewTimer(time.Until(soft))
		defer timer.Stop()
		softly = timer.C
	}
	over := q.wait(ctx.Done(), softly)
	if over && (held == unleased || c.mayPilot(ctx, soft)) {
		q.land(alone)
		return
	}
	carry(func(ctx context.Context) {
		defer renewed()
		defer q.giveBack(ctx)
		if !over {
			q.wait(nil, nil)
		}
		q.land(ctx)
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
	case c.remote == nil || c.ledger.bypass(f.text):
		f.look()
		return toLoad
	case c.forecast.miss() && l.asks(f):
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
	case !l.asks(f):
		return toLoad
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
