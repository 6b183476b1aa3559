package warm

import (
	"context"

	"golang.org/x/time/rate"
)

// pace holds the limiters of an engine; a nil one lets everybody pass. Reads never come by here.
type pace struct {
	items *rate.Limiter // entries that loaders emit
	calls *rate.Limiter // calls of the source
}

func newPace(cfg Config) *pace {
	return &pace{items: limiter(cfg.ItemsPerSecond), calls: limiter(cfg.SourceCallsPerSecond)}
}

// limiter spreads what comes evenly, but for a tenth of a second's worth at once: waking up for
// each of many thousand entries would cost more than they do.
func limiter(perSecond float64) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/10)))
}

// item waits for an entry's turn.
func (p *pace) item(ctx context.Context) error { return turn(ctx, p.items) }

func turn(ctx context.Context, l *rate.Limiter) error {
	if l == nil {
		return nil
	}
	if err := l.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		<-ctx.Done() // the turn would come after the deadline
		return context.Cause(ctx)
	}
	return nil
}

type paceKey struct{}

// SourceCall waits until Config.SourceCallsPerSecond allows one more call of the source. The engine
// does so before it calls a loader or a function; one that asks its source more than once does so
// before each further query, with the context that it was given. Without such a limit, or with
// another context, it returns at once. Its error is the context's cause.
func SourceCall(ctx context.Context) error {
	p, ok := ctx.Value(paceKey{}).(*pace)
	if !ok {
		return context.Cause(ctx)
	}
	return turn(ctx, p.calls)
}
