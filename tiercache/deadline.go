package tiercache

import (
	"context"
	"sync/atomic"
	"time"
)

// deadlines hands out contexts that end within a bound. Operations that begin within the same sixteenth of it share one timer: to start and stop one each costs more than all
// else that such a context is for.
type deadlines struct {
	bound time.Duration
	now   atomic.Pointer[sharedDeadline]
}

type sharedDeadline struct {
	context.Context                    //nolint:containedctx // it is one
	end             context.CancelFunc // never called: operations may hold the context until its time is over
	until           time.Time          // whoever begins later takes the next one
}

const deadlineShare = 16

// within is ctx, ended after bound; where that is the usual bound, and nothing else ends ctx, by up to a sixteenth of it earlier.
func (d *deadlines) within(ctx context.Context, bound time.Duration) (context.Context, context.CancelFunc) {
	if ctx.Done() != nil || bound != d.bound {
		return context.WithTimeout(ctx, bound)
	}
	began := time.Now()
	shared := d.now.Load()
	if shared == nil || !began.Before(shared.until) {
		shared = &sharedDeadline{until: began.Add(d.bound / deadlineShare)}
		shared.Context, shared.end = context.WithDeadline(context.Background(), began.Add(d.bound)) //nolint:forbidigo // it is nobody's
		d.now.Store(shared)
	}
	return boundContext{shared.Context, ctx}, func() {}
}

// boundContext ends with one context, and has the values of another, which never ends.
type boundContext struct {
	context.Context //nolint:containedctx // it is one
	values          context.Context
}

// Value is a value of either.
func (c boundContext) Value(key any) any {
	if value := c.Context.Value(key); value != nil { // by which package context knows its own
		return value
	}
	return c.values.Value(key)
}
