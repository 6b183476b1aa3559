package redisconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
)

// Why nothing came of an operation.
var (
	ErrBusy      = fmt.Errorf("redis: %d operations are under way", maxOperations)
	ErrNoAnswer  = errors.New("redis: no answer in time")
	errSlow      = errors.New("redis: its answers come late")
	ErrNoMasters = errors.New("redis: the Cluster names no masters")
)

// Do runs one operation, on whichever master, under the breaker, within the timeout.
func Do[T any](ctx context.Context, c *Conn, fn func(context.Context) (T, error)) (T, error) {
	return DoOn(ctx, c, c.Masters.Of(AnyMaster), fn)
}

// DoFor is do on the master that has the key.
func DoFor[T any](ctx context.Context, c *Conn, key string, fn func(context.Context) (T, error)) (T, error) {
	parts, err := c.Route(ctx, 1, func(int) string { return key })
	if err != nil {
		var zero T
		return zero, err
	}
	return DoOn(ctx, c, parts[0].master, fn)
}

// Route sorts keys by shard. Before a Cluster's slots are known that takes an operation.
func (c *Conn) Route(ctx context.Context, n int, key func(int) string) ([]part, error) {
	if c.Masters.Known() != nil {
		return c.Masters.split(ctx, n, key)
	}
	return Do(ctx, c, func(ctx context.Context) ([]part, error) {
		if err := c.Masters.Survey(ctx); err != nil {
			return nil, err
		}
		return c.Masters.split(ctx, n, key)
	})
}

// Keyed is an operation on n keys. Where nothing comes of a key, failed says what becomes of it.
type Keyed[T any] struct {
	N      int
	Key    func(i int) string
	Bound  time.Duration
	Failed func(error) T
	Most   func() int // how many of a shard's keys may go at once; nil: all
}

// keyedFunc is given the positions of its keys, and returns what became of each; its error is what
// that says of the whole shard. It notes how much it carried.
type keyedFunc[T any] func(ctx context.Context, at []int, c *Cargo) ([]T, error)

// DoEach runs fn once for each shard that some of the keys are on, or more often where they are too
// many, at the same time, each under its own breaker, within bound.
func DoEach[T any](ctx context.Context, c *Conn, op Keyed[T], fn keyedFunc[T]) []T {
	if op.N == 0 {
		return nil
	}
	if c.Masters.Cluster == nil {
		return doPart(ctx, c, op, part{c.Masters.Of(AnyMaster), FirstInts(op.N)}, fn)
	}
	parts, err := c.Route(ctx, op.N, op.Key)
	if err != nil {
		return op.fail(op.N, err)
	}
	out := make([]T, op.N)
	one := func(p part) {
		for j, v := range doPart(ctx, c, op, p, fn) {
			out[p.at[j]] = v
		}
	}
	var others sync.WaitGroup
	for _, p := range parts[1:] {
		others.Go(func() { one(p) })
	}
	one(parts[0])
	others.Wait()
	return out
}

// doPart is DoEach for the keys of one shard. After an operation of which nothing came it asks no
// more, unless that was for more than turned out to be good: then the same keys are asked for in
// smaller parts.
func doPart[T any](ctx context.Context, c *Conn, op Keyed[T], p part, fn keyedFunc[T]) []T {
	var out []T
	for rest := p.at; ; {
		at, load := rest[:op.fits(len(rest))], new(Cargo)
		got, err := within(ctx, c, operation{p.master, op.Bound, load}, func(ctx context.Context) ([]T, error) { return fn(ctx, at, load) })
		switch {
		case len(got) == len(p.at):
			return got
		case len(got) == len(at):
			out, rest = append(out, got...), rest[len(at):]
		case load.Load() > 0 && op.fits(len(rest)) < len(at):
			continue
		}
		if len(rest) == 0 {
			return out
		}
		if len(got) != len(at) || IsTransport(err) || IsAway(err) {
			return append(out, op.fail(len(rest), err)...)
		}
	}
}

// fits is how many of n keys go at once.
func (op *Keyed[T]) fits(n int) int {
	if op.Most == nil {
		return n
	}
	return min(n, op.Most())
}

// fail is what becomes of n keys of which nothing came.
func (op *Keyed[T]) fail(n int, err error) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = op.Failed(err)
	}
	return out
}

// operation is where an operation goes, how long it may take, and, where it matters, what it
// carries.
type operation struct {
	*master
	bound time.Duration
	cargo *Cargo
}

// DoOn runs one operation on a master, under its breaker, within the timeout.
func DoOn[T any](ctx context.Context, c *Conn, m *master, fn func(context.Context) (T, error)) (T, error) {
	return within(ctx, c, operation{m, c.Timeout, nil}, fn)
}

// DoApart is do in a goroutine that can be left behind, whatever the client.
func DoApart[T any](ctx context.Context, c *Conn, fn func(context.Context) (T, error)) (T, error) {
	m := c.Masters.Of(AnyMaster)
	return guarded(ctx, c, operation{m, c.Timeout, nil}, func() (T, error) { return Apart(ctx, m, c.Timeout, fn) })
}

// within runs one operation on a shard, under its breaker, within bound.
func within[T any](ctx context.Context, c *Conn, op operation, fn func(context.Context) (T, error)) (T, error) {
	return guarded(ctx, c, op, func() (T, error) { return Attempt(ctx, c, op.master, op.bound, fn) })
}

// guarded asks the shard's breaker first, and tells it how try went, even where a hook of the
// client ends the goroutine: a probe that is never heard of again would keep the breaker half open.
func guarded[T any](ctx context.Context, c *Conn, op operation, try func() (T, error)) (value T, err error) {
	if err := ctx.Err(); err != nil {
		return value, err
	}
	if c.closed.Load() {
		return value, failure.ErrClosed
	}
	ticket, ok := op.breaker.allow()
	if !ok {
		return value, ErrBreakerOpen
	}
	began := time.Now()
	err = failure.ErrGoexit // stands if try doesn't return
	defer func() {
		opened, closed := op.breaker.report(ticket, op.cargo.judge(ctx, err, time.Since(began), op.bound))
		c.noteBreaker(op.master, opened, closed, err)
	}()
	return try()
}

// noteBreaker logs that a breaker has opened, for err, or closed.
func (c *Conn) noteBreaker(m *master, opened, closed bool, err error) { //nolint:revive // they are what happened
	if opened {
		c.Log.Warn("tiercache: Redis does not answer in time: memory and source serve alone until it does", slog.String("master", m.Addr), slog.Any("error", cmp.Or(err, errSlow)))
	} else if closed {
		c.Log.Info("tiercache: Redis answers again", slog.String("master", m.Addr))
	}
}

// NoteBeat tells a breaker how a heartbeat went.
func (c *Conn) NoteBeat(m *master, how Outcome, err error) {
	opened, closed := m.breaker.beat(how)
	c.noteBreaker(m, opened, closed, err)
}
