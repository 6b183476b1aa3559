package deadline

import (
	"context"
	"sync/atomic"
	"time"
)

// Shared hands out contexts that end within a bound. What begins within the same share of it has
// one timer: to start and stop one each costs more than all else that such a context is for.
type Shared struct {
	Parent context.Context //nolint:containedctx // of all of them
	Bound  time.Duration
	Share  time.Duration
	now    atomic.Pointer[period]
}

type period struct {
	context.Context //nolint:containedctx // it is one
	// never called: whoever has the context may hold it until its time is over
	end context.CancelFunc
	// whoever begins a share of the bound later takes the next one
	since time.Time
}

// next returns a context that ends after the bound, by a share earlier at most, or with its parent.
func (d *Shared) next() context.Context {
	shared := d.now.Load()
	if shared == nil || time.Since(shared.since) >= d.Share {
		shared = &period{since: time.Now()}
		shared.Context, shared.end = context.WithDeadline(d.Parent, shared.since.Add(d.Bound))
		d.now.Store(shared)
	}
	return shared.Context
}

// Within returns ctx, ended after bound. Where that is the usual bound, and nothing else ends ctx,
// it may end earlier by a share of the bound.
func (d *Shared) Within(ctx context.Context, bound time.Duration) (context.Context, context.CancelFunc) {
	if ctx.Done() != nil || bound != d.Bound {
		return context.WithTimeout(ctx, bound)
	}
	return &Context{d.next(), ctx}, func() {}
}

// Detached returns a context that has the values of ctx and ends with the next shared deadline.
func (d *Shared) Detached(ctx context.Context) Context { return Context{d.next(), ctx} }

// Context ends with one context, and has the values of another.
type Context struct {
	context.Context //nolint:containedctx // it is one
	values          context.Context
}

// Value returns a value of either.
func (c *Context) Value(key any) any {
	if value := c.Context.Value(key); value != nil { // by which package context knows its own
		return value
	}
	return c.values.Value(key)
}
