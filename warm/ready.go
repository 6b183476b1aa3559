package warm

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// gate is the readiness of an engine. It is guarded by Engine.mu.
type gate struct {
	waiting  []string // required tasks that have not been ok since Start
	timer    *time.Timer
	open     bool
	timedOut bool
}

// Ready is closed once every task that was required when Start was called has succeeded (ok or
// partial, in whatever run but a dry one), or Config.ReadyTimeout after Start: it fails open, which
// is logged and stands in the status. Without required tasks, or Disabled, it closes at Start; with
// SkipStartup it waits for the tasks all the same. Stop closes it too. It never opens again.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// armGate is part of Start. The caller holds e.mu.
func (e *runs) armGate(ctx context.Context) {
	if e.gate.open {
		return
	}
	for _, t := range e.tasks {
		if t.opts.Required && e.records[t.name].succeeded.IsZero() { // a run before Start counts
			e.gate.waiting = append(e.gate.waiting, t.name)
		}
	}
	if len(e.gate.waiting) == 0 {
		e.openGate(ctx, "no required task to wait for")
		return
	}
	e.gate.timer = time.AfterFunc(e.cfg.ReadyTimeout, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.gate.open {
			return
		}
		e.gate.timedOut = true
		missing := slices.Clone(e.gate.waiting)
		e.mu.later(func() {
			e.cfg.Logger.WarnContext(ctx, "warm: ready without all required tasks", slog.Duration("after", e.cfg.ReadyTimeout),
				slog.Any("missing", missing))
		})
		e.openGate(ctx, "the wait is over")
		e.aside()
	})
}

// passGate takes a task that is over off the list. The caller holds e.mu.
func (e *runs) passGate(ctx context.Context, out TaskRun) {
	if e.gate.open || !e.started {
		return
	}
	if out.Status == TaskOK || out.Status == TaskPartial {
		e.gate.waiting = slices.DeleteFunc(e.gate.waiting, func(name string) bool { return name == out.Name })
	}
	if len(e.gate.waiting) == 0 {
		e.openGate(ctx, "all required tasks are done")
	}
}

// openGate closes the channel, once. The caller holds e.mu.
func (e *runs) openGate(ctx context.Context, why string) {
	if e.gate.open {
		return
	}
	e.gate.open = true
	if e.gate.timer != nil {
		e.gate.timer.Stop()
	}
	close(e.ready)
	e.mu.later(func() { e.cfg.Logger.InfoContext(ctx, "warm: ready", slog.String("reason", why)) })
}
