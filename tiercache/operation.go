package tiercache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
)

var (
	errBusy      = fmt.Errorf("redis: %d operations are under way", maxOperations)
	errNoAnswer  = errors.New("redis: no answer in time")
	errSlow      = errors.New("redis: its answers come late")
	errNoMasters = errors.New("redis: the Cluster names no masters")
)

// do runs one operation, on whichever master, under the breaker, within RedisConfig.Timeout.
func do[T any](ctx context.Context, r *Redis, fn func(context.Context) (T, error)) (T, error) {
	return doOn(ctx, r, operation{r.masters.of(anyMaster), r.cfg.Timeout, nil}, fn)
}

// doFor is do on the master that has the key.
func doFor[T any](ctx context.Context, r *Redis, key string, fn func(context.Context) (T, error)) (T, error) {
	parts, err := r.route(ctx, 1, func(int) string { return key })
	if err != nil {
		var zero T
		return zero, err
	}
	return doOn(ctx, r, operation{parts[0].master, r.cfg.Timeout, nil}, fn)
}

// route sorts keys by shard. Before a Cluster's slots are known that takes an operation.
func (r *Redis) route(ctx context.Context, n int, key func(int) string) ([]part, error) {
	if r.masters.known() != nil {
		return r.masters.split(ctx, n, key)
	}
	return do(ctx, r, func(ctx context.Context) ([]part, error) {
		if err := r.masters.look(ctx); err != nil {
			return nil, err
		}
		return r.masters.split(ctx, n, key)
	})
}

// keyed is an operation on n keys. Where nothing comes of a key, failed says what becomes of it.
type keyed[T any] struct {
	n      int
	key    func(i int) string
	bound  time.Duration
	failed func(error) T
	most   func() int // how many of a shard's keys may go at once; nil: all
}

// keyedFunc is given the positions of its keys, and returns what became of each; its error is what
// that says of the whole shard. It notes how much it carried.
type keyedFunc[T any] func(ctx context.Context, at []int, c *cargo) ([]T, error)

// doEach runs fn once for each shard that some of the keys are on, or more often where they are too
// many, at the same time, each under its own breaker, within bound.
func doEach[T any](ctx context.Context, r *Redis, op keyed[T], fn keyedFunc[T]) []T {
	if op.n == 0 {
		return nil
	}
	if r.masters.cluster == nil {
		return doPart(ctx, r, op, part{r.masters.of(anyMaster), firstInts(op.n)}, fn)
	}
	parts, err := r.route(ctx, op.n, op.key)
	if err != nil {
		return op.fail(op.n, err)
	}
	out := make([]T, op.n)
	one := func(p part) {
		for j, v := range doPart(ctx, r, op, p, fn) {
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

// doPart is doEach for the keys of one shard. After an operation of which nothing came it asks no
// more, unless that was for more than turned out to be good: then the same keys are asked for in
// smaller parts.
func doPart[T any](ctx context.Context, r *Redis, op keyed[T], p part, fn keyedFunc[T]) []T {
	var out []T
	for rest := p.at; ; {
		at, c := rest[:op.fits(len(rest))], new(cargo)
		got, err := doOn(ctx, r, operation{p.master, op.bound, c}, func(ctx context.Context) ([]T, error) { return fn(ctx, at, c) })
		switch {
		case len(got) == len(p.at):
			return got
		case len(got) == len(at):
			out, rest = append(out, got...), rest[len(at):]
		case c.Load() > 0 && op.fits(len(rest)) < len(at):
			continue
		}
		if len(rest) == 0 {
			return out
		}
		if len(got) != len(at) || isTransport(err) || isAway(err) {
			return append(out, op.fail(len(rest), err)...)
		}
	}
}

// fits is how many of n keys go at once.
func (op *keyed[T]) fits(n int) int {
	if op.most == nil {
		return n
	}
	return min(n, op.most())
}

// fail is what becomes of n keys of which nothing came.
func (op *keyed[T]) fail(n int, err error) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = op.failed(err)
	}
	return out
}

// operation is where an operation goes, how long it may take, and, where it matters, what it
// carries.
type operation struct {
	*master
	bound time.Duration
	cargo *cargo
}

// doOn runs one operation on a shard, under its breaker, within bound.
func doOn[T any](ctx context.Context, r *Redis, op operation, fn func(context.Context) (T, error)) (T, error) {
	return guarded(ctx, r, op, func() (T, error) { return attempt(ctx, r, op.master, op.bound, fn) })
}

// guarded asks the shard's breaker first, and tells it how try went, even where a hook of the
// client ends the goroutine: a probe that is never heard of again would keep the breaker half open.
func guarded[T any](ctx context.Context, r *Redis, op operation, try func() (T, error)) (value T, err error) {
	if err := ctx.Err(); err != nil {
		return value, err
	}
	if r.isClosed() {
		return value, ErrClosed
	}
	ticket, ok := op.breaker.allow()
	if !ok {
		return value, errBreakerOpen
	}
	began := time.Now()
	err = ErrGoexit // stands if try doesn't return
	defer func() {
		opened, closed := op.breaker.report(ticket, op.cargo.judge(ctx, err, time.Since(began), op.bound))
		r.noteBreaker(op.master, opened, closed, err)
	}()
	return try()
}

// noteBreaker logs that a breaker has opened, for err, or closed.
func (r *Redis) noteBreaker(m *master, opened, closed bool, err error) { //nolint:revive // they are what happened
	if opened {
		r.cfg.Logger.Warn("tiercache: Redis does not answer in time: memory and source serve alone until it does", slog.String("master", m.addr), slog.Any("error", cmp.Or(err, errSlow)))
	} else if closed {
		r.cfg.Logger.Info("tiercache: Redis answers again", slog.String("master", m.addr))
	}
}

// noteBeat tells a breaker how a heartbeat went.
func (r *Redis) noteBeat(m *master, how outcome, err error) {
	opened, closed := m.breaker.beat(how)
	r.noteBreaker(m, opened, closed, err)
}

// attempt runs one operation within bound: right here where the client keeps to its context's
// deadline, as a hand-over to another goroutine and back costs about as much as a round trip; else
// in a goroutine that can be left behind. Right here, the end of ctx before its deadline is noticed
// only when the operation is over.
func attempt[T any](ctx context.Context, r *Redis, m *master, bound time.Duration, fn func(context.Context) (T, error)) (T, error) {
	if !r.punctual {
		return apart(ctx, m, bound, fn)
	}
	bounded, cancel := r.deadlines.Within(ctx, bound)
	defer cancel()
	value, err := unpanicked(bounded, fn)
	if err != nil && bounded.Err() != nil {
		var zero T
		if ctx.Err() != nil {
			return zero, ctx.Err()
		}
		return zero, errNoAnswer
	}
	return value, err
}

// unpanicked runs fn. It turns a panic into an error, and leaves out of others' errors what must
// not be shown.
func unpanicked[T any](ctx context.Context, fn func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failure.NewPanicError(v)
		}
	}()
	value, err = fn(ctx)
	return value, quoted(err)
}

// apart runs one operation in a goroutine of its own, and leaves it behind when its time is over.
func apart[T any](ctx context.Context, m *master, bound time.Duration, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	select {
	case m.slots <- struct{}{}:
	case <-bounded.Done():
		if ctx.Err() != nil {
			return zero, ctx.Err()
		}
		return zero, errBusy
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		res := result{err: ErrGoexit}
		defer func() {
			<-m.slots
			done <- res
		}()
		res.value, res.err = unpanicked(bounded, fn)
	}()
	select {
	case res := <-done:
		return res.value, res.err
	case <-bounded.Done():
		if ctx.Err() != nil {
			return zero, ctx.Err()
		}
		return zero, errNoAnswer
	}
}

// slowShare is the part of its bound that an operation may take: one that takes longer counts as a
// failure, even if it succeeds or its caller gave it up. A Redis that answers every time, but late,
// is worth no more than one that doesn't.
const slowShare = 2

// judge says what an operation's error, and the time it took, mean for Redis.
func judge(ctx context.Context, err error, took, bound time.Duration) outcome {
	switch {
	case err == nil && took < bound/slowShare:
		return answered
	case isAway(err):
		return declined
	case isTransport(err) && ctx.Err() == nil:
		return unanswered
	case took >= bound/slowShare && !isOwn(err):
		return unanswered
	case err == nil, isReply(err):
		return answered
	default: // fn's own, or the caller gave up
		return neutral
	}
}

// cargo is the bytes of values that an operation carried. What a large one takes says less about
// Redis than what a small one does. The nil cargo is none.
type cargo struct{ atomic.Int64 }

// leastSpeed is bytes a second at which a large operation is not to be called slow.
const leastSpeed = 16 << 20

// judge is judge less the time that the cargo is good for. One that was cut off while it came at a
// good speed says nothing.
func (c *cargo) judge(ctx context.Context, err error, took, bound time.Duration) outcome {
	if c == nil || c.Load() == 0 {
		return judge(ctx, err, took, bound)
	}
	good := time.Duration(c.Load()) * time.Second / leastSpeed
	how := judge(ctx, err, max(0, took-good), bound)
	if how == unanswered && errors.Is(err, errNoAnswer) && good >= took/slowShare {
		return neutral
	}
	return how
}

// isOwn says that an error is of the operation's own making: the time that it took says nothing
// about Redis.
func isOwn(err error) bool {
	return err != nil && !isReply(err) && !isTransport(err) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// isAway reports whether the server answered that it can't serve anybody now: a replica that was a
// master, one that loads its data, a shard without a majority. To ask it again and again would be a
// storm of retries.
func isAway(err error) bool {
	return errors.Is(err, errReplica) || errors.Is(err, errClusterNode) || err != nil && slices.ContainsFunc([]string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY ", "NOAUTH", "WRONGPASS"},
		func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}

// isTransport reports whether err is about the way to Redis, and not fn's own.
func isTransport(err error) bool {
	if err == nil {
		return false
	}
	var network net.Error // deadlines are among them
	return errors.Is(err, errNoAnswer) || errors.Is(err, errBusy) || errors.Is(err, errNoMasters) || errors.As(err, &network) || isCut(err) ||
		errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) || errors.Is(err, redis.ErrClosed)
}

// isCut reports whether a connection ended in the middle of an operation, as all do when a server
// is restarted.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isReply(err error) bool {
	if err == nil {
		return false
	}
	var reply redis.Error
	return errors.As(err, &reply)
}

// execReads is exec of n reads at most, which fill appends, and once more where the connection was
// cut. go-redis itself is not to repeat it: its own retries take what time there is.
func (r *Redis) execReads(ctx context.Context, n int, fill func([]redis.Cmder) []redis.Cmder) {
	for try := 0; ; try++ {
		if err := r.exec(ctx, fill(make([]redis.Cmder, 0, n))); !isCut(err) || try > 0 || ctx.Err() != nil {
			return
		}
	}
}

// exec sends commands in one round trip. Each has its own error; the one that is returned is
// whichever came first.
func (r *Redis) exec(ctx context.Context, cmds []redis.Cmder) error {
	if len(cmds) == 1 && cmds[0].NoRetry() { // a single script costs less without a pipeline
		err := quoted(r.client.Process(ctx, cmds[0]))
		cmds[0].SetErr(err)
		return err
	}
	pipe := r.client.Pipeline()
	_ = pipe.BatchProcess(ctx, cmds...)
	_, err := pipe.Exec(ctx)
	if err != nil {
		for _, cmd := range cmds {
			cmd.SetErr(quoted(cmd.Err()))
		}
	}
	return quoted(err)
}

// once is a command that go-redis must not send twice, whatever MaxRetries says; nor any other of
// its pipeline.
type once struct{ redis.Cmder }

// NoRetry is go-redis's own question.
func (once) NoRetry() bool { return true }

// oncePTTL and onceScript are once for the most frequent commands, without an allocation.
type (
	oncePTTL   struct{ *redis.DurationCmd }
	onceScript struct{ *redis.Cmd }
)

// NoRetry is go-redis's own question.
func (oncePTTL) NoRetry() bool { return true }

// NoRetry is go-redis's own question.
func (onceScript) NoRetry() bool { return true }
