package tiercache

import (
	"context"
	"sync/atomic"
	"time"
)

// deadlines hands out contexts that end within a bound. What begins within the same share of it has one timer: to start and stop one each costs more than all
// else that such a context is for.
type deadlines struct {
	parent context.Context //nolint:containedctx // of all of them
	bound  time.Duration
	share  time.Duration
	now    atomic.Pointer[sharedDeadline]
}

type sharedDeadline struct {
	context.Context                    //nolint:containedctx // it is one
	end             context.CancelFunc // never called: whoever has the context may hold it until its time is over
	since           time.Time          // whoever begins a share of the bound later takes the next one
}

// next is a context that ends after the bound, by a share earlier at most, or with its parent.
func (d *deadlines) next() context.Context {
	shared := d.now.Load()
	if shared == nil || time.Since(shared.since) >= d.share {
		shared = &sharedDeadline{since: time.Now()}
		shared.Context, shared.end = context.WithDeadline(d.parent, shared.since.Add(d.bound))
		d.now.Store(shared)
	}
	return shared.Context
}

// within is ctx, ended after bound; where that is the usual bound, and nothing else ends ctx, by up to a share of it earlier.
func (d *deadlines) within(ctx context.Context, bound time.Duration) (context.Context, context.CancelFunc) {
	if ctx.Done() != nil || bound != d.bound {
		return context.WithTimeout(ctx, bound)
	}
	return &boundContext{d.next(), ctx}, func() {}
}

// boundContext ends with one context, and has the values of another.
type boundContext struct {
	context.Context //nolint:containedctx // it is one
	values          context.Context
}

// Value is a value of either.
func (c *boundContext) Value(key any) any {
	if value := c.Context.Value(key); value != nil { // by which package context knows its own
		return value
	}
	return c.values.Value(key)
}
