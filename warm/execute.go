package warm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// execute runs r from its begin to its end, in a goroutine of its own.
func (e *runs) execute(ctx context.Context, r *running) {
	ctx, cancel := context.WithTimeoutCause(ctx, e.cfg.Timeout, runTimeoutError{e.cfg.Timeout})
	defer cancel()
	limit := e.cfg.Concurrency
	if r.run.Sequential {
		limit = 1
	}
	log := e.cfg.Logger.With(slog.String("run", r.run.ID), slog.String("trigger", string(r.run.Trigger)))
	log.InfoContext(ctx, "warm: run started", slog.Int("tasks", len(r.tasks)), slog.Bool("concurrent", limit > 1),
		slog.Bool("dry_run", r.run.DryRun))
	e.events.publish(Event{Kind: EventRunStarted, Run: r.run.ID, Trigger: r.run.Trigger, Total: len(r.tasks)})

	d := dispatch{e: e, r: r, log: log, over: make(map[string]TaskStatus, len(r.tasks)), parked: make(map[string]bool)}
	d.all(ctx, limit)
	e.finish(ctx, r, log)
}

// dispatch hands the tasks of one run to an errgroup.
//
// The order is decided here and not by who gets a slot of the group first: a task is handed over
// only when its dependencies are over and a slot is free, and always the first of those. So a
// waiting task holds no slot, which with a limit of one would be a deadlock, and a limit of one is
// exactly the order of the plan.
type dispatch struct {
	e    *runs
	r    *running
	log  *slog.Logger
	over map[string]TaskStatus

	parked map[string]bool // tasks that wait for Redis
}

func (d *dispatch) all(ctx context.Context, limit int) {
	var group errgroup.Group // without a context: a failed task doesn't cancel the others
	group.SetLimit(limit)
	waiting := make([]int, len(d.r.tasks))
	inRun := make(map[string]bool, len(d.r.tasks))
	for i, t := range d.r.tasks {
		waiting[i] = i
		inRun[t.name] = true
	}
	ended := make(chan TaskRun, len(d.r.tasks)) // a task never waits for this loop
	for active := 0; len(waiting) > 0 || active > 0; {
		at := slices.IndexFunc(waiting, func(i int) bool { return d.ready(d.r.tasks[i], inRun) })
		if at < 0 || (active == limit && ctx.Err() == nil) {
			out := <-ended
			active--
			d.over[out.Name], d.parked[out.Name] = out.Status, errors.Is(out.Err, errRedisAway)
			continue
		}
		i := waiting[at]
		waiting = slices.Delete(waiting, at, at+1)
		t := d.r.tasks[i]
		if out, skip := d.skip(ctx, t); skip {
			d.over[t.name] = out.Status
			d.end(ctx, i, out)
			continue
		}
		active++
		group.Go(func() error {
			d.begin(ctx, i)
			out := d.e.runTask(ctx, d.r, t)
			d.end(ctx, i, out)
			ended <- out
			return nil
		})
	}
	_ = group.Wait() // tasks record their own errors
}

// ready reports whether all dependencies of a task that are part of the run are over.
func (d *dispatch) ready(t *task, inRun map[string]bool) bool {
	return !slices.ContainsFunc(t.opts.After, func(dep string) bool { return inRun[dep] && d.over[dep] == "" })
}

// skip ends a task that is not to begin: one of its dependencies has nothing to build on, or the
// run is over.
func (d *dispatch) skip(ctx context.Context, t *task) (TaskRun, bool) {
	out := TaskRun{Name: t.name, Role: d.e.role(t)}
	if ctx.Err() != nil {
		out.Status, out.Err = TaskCancelled, context.Cause(ctx)
		return out, true
	}
	for _, dep := range t.opts.After {
		switch status := d.over[dep]; {
		case status == "" || status == TaskOK || status == TaskPartial:
		case d.parked[dep]:
			d.parked[t.name] = true
			out.Status, out.Err = TaskSkipped, fmt.Errorf("it runs after %s: %w", dep, errRedisAway)
			return out, true
		default:
			out.Status, out.Err = TaskSkipped, fmt.Errorf("it runs after %s, which is %s", dep, status)
			return out, true
		}
	}
	return out, false
}

func (d *dispatch) begin(ctx context.Context, i int) {
	t := d.r.tasks[i]
	d.e.mu.Lock()
	d.r.run.Tasks[i].Status = TaskRunning
	d.r.run.Tasks[i].Started = time.Now()
	d.e.mu.Unlock()
	d.log.DebugContext(ctx, "warm: task started", slog.String("task", t.name))
	d.e.events.publish(Event{Kind: EventTaskStarted, Run: d.r.run.ID, Trigger: d.r.run.Trigger, Task: t.name, Total: len(d.r.tasks)})
}

// end records a task that is over, begun or not. Whoever waits for the task needn't wait for the
// rest of the run.
func (d *dispatch) end(ctx context.Context, i int, out TaskRun) {
	t := d.r.tasks[i]
	useful := d.e.values([]*task{t})[t.name].Useful
	out = out.asked()
	d.e.mu.Lock()
	if n := d.r.back[i]; n > 0 {
		out = out.tookBack(n)
	}
	d.r.run.Tasks[i] = out
	if !d.r.run.DryRun {
		rec := d.e.records[t.name]
		rec.note(d.r.run.ID, out)
		rec.refresh.note(t, out, d.r.run.Trigger, useful)
		rec.park(out)
		d.e.passGate(ctx, out)
	}
	completed, total := d.r.run.Completed(), len(d.r.tasks)
	d.e.mu.Unlock()

	var took time.Duration
	if !out.Started.IsZero() {
		took = out.Ended.Sub(out.Started)
	}
	attrs := []any{
		slog.String("task", out.Name), slog.String("status", string(out.Status)), slog.Int("items", out.Items), slog.String("role", string(out.Role)),
		slog.Int("attempts", out.Attempts), slog.Duration("duration", took), slog.Int("completed", completed), slog.Int("total", total),
	}
	switch {
	case out.Status == TaskPartial:
		d.log.WarnContext(ctx, "warm: task partial", append(attrs, slog.Any("error", out.Err))...)
	case out.Status == TaskFailed || out.Status == TaskAbandoned:
		d.log.ErrorContext(ctx, "warm: task failed", append(attrs, slog.Any("error", out.Err))...)
	case out.Err != nil:
		d.log.WarnContext(ctx, "warm: task ended", append(attrs, slog.Any("reason", out.Err))...)
	case out.Warning != "":
		d.log.WarnContext(ctx, "warm: task ended", append(attrs, slog.String("warning", out.Warning))...)
	case out.note != "":
		d.log.InfoContext(ctx, "warm: task ended", append(attrs, slog.String("note", out.note))...)
	default:
		d.log.InfoContext(ctx, "warm: task ended", attrs...)
	}
	d.e.events.publish(Event{
		Kind: EventTaskEnded, Run: d.r.run.ID, Trigger: d.r.run.Trigger, Task: out.Name, Status: out.Status, Role: out.Role, Items: out.Items,
		Reason: out.said().reason, Duration: took, Completed: completed, Total: total,
	})
}

// progress is a counter by which the status sees how far a task has come.
func (e *runs) progress(r *running, t *task) *atomic.Int64 {
	stored := new(atomic.Int64)
	e.mu.Lock()
	defer e.mu.Unlock()
	r.live[slices.Index(r.tasks, t)] = stored
	return stored
}

// setRole lets the status see what part this process has in a task that goes on.
func (e *runs) setRole(r *running, t *task, role Role) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.run.Tasks[slices.Index(r.tasks, t)].Role = role
}

// finish records a run that is over, and begins the one that waits for its turn.
func (e *runs) finish(ctx context.Context, r *running, log *slog.Logger) {
	e.mu.Lock()
	r.run.Ended = time.Now()
	run := r.run.clone()
	e.mu.Unlock()

	log.InfoContext(ctx, "warm: run ended", slog.Duration("duration", run.Duration()), slog.Int("completed", run.Completed()),
		slog.Int("total", len(run.Tasks)), slog.Int("items", run.Items()), slog.Float64("success_rate", run.SuccessRate()))

	e.mu.Lock()
	defer e.mu.Unlock()
	e.history = append(e.history, run)
	if len(e.history) > historyLength {
		e.history = slices.Delete(e.history, 0, 1)
	}
	if !run.DryRun && r.whole { // else a refresh of one task would speak for all
		e.last = &run
	}
	e.events.publish(Event{
		Kind: EventRunEnded, Run: run.ID, Trigger: run.Trigger, Items: run.Items(), Duration: run.Duration(),
		Completed: run.Completed(), Total: len(run.Tasks),
	})
	e.current = nil
	r.cancel(nil)
	close(r.done)
	if len(e.queue) > 0 {
		next := e.queue[0]
		e.queue = slices.Delete(e.queue, 0, 1)
		e.begin(next)
	}
	e.wakeUp()
}

// background begins a run that nobody asked for. It is skipped while another goes on: the second
// value is false then.
func (e *runs) background(ctx context.Context, req Request) (*Ticket, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != nil {
		e.skipped++
		other := e.current.run.ID
		e.mu.later(func() {
			e.cfg.Logger.InfoContext(ctx, "warm: run skipped", slog.String("trigger", string(req.Trigger)),
				slog.String("reason", "another run goes on"), slog.String("run", other))
		})
		e.events.publish(Event{Kind: EventRunSkipped, Run: other, Trigger: req.Trigger})
		return nil, false
	}
	r, joined, err := e.enter(ctx, req)
	if err != nil {
		if !e.stopping {
			e.mu.later(func() {
				e.cfg.Logger.ErrorContext(ctx, "warm: run failed to begin", slog.String("trigger", string(req.Trigger)), slog.Any("error", err))
			})
		}
		return nil, false
	}
	r.kept = true
	return &Ticket{e: e, r: r, joined: joined}, true
}
