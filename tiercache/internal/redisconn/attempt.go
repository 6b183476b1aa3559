package redisconn

import (
	"context"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
)

// Attempt runs one operation within bound: right here where the client keeps to its context's
// deadline, as a hand-over to another goroutine and back costs about as much as a round trip; else
// in a goroutine that can be left behind. Right here, the end of ctx before its deadline is noticed
// only when the operation is over.
func Attempt[T any](ctx context.Context, c *Conn, m *master, bound time.Duration, fn func(context.Context) (T, error)) (T, error) {
	if !c.punctual {
		return Apart(ctx, m, bound, fn)
	}
	bounded, cancel := c.deadlines.Within(ctx, bound)
	defer cancel()
	value, err := unpanicked(bounded, fn)
	if err != nil && bounded.Err() != nil {
		var zero T
		if ctx.Err() != nil {
			return zero, ctx.Err()
		}
		return zero, ErrNoAnswer
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
	return value, Quoted(err)
}

// Apart runs one operation in a goroutine of its own, and leaves it behind when its time is over.
func Apart[T any](ctx context.Context, m *master, bound time.Duration, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	select {
	case m.slots <- struct{}{}:
	case <-bounded.Done():
		if ctx.Err() != nil {
			return zero, ctx.Err()
		}
		return zero, ErrBusy
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		res := result{err: failure.ErrGoexit}
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
		return zero, ErrNoAnswer
	}
}
