package warm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/warmcache/warmcache/internal/usercode"
	"github.com/warmcache/warmcache/tiercache"
)

// TaskOptions describes a function that is a task. The zero value is usable.
type TaskOptions struct {
	Priority int           // higher first
	After    []string      // tasks that must have run before, of whatever cache
	Required bool          // Ready waits for it
	Timeout  time.Duration // default Config.TaskTimeout
	// EveryNode runs the function on every node of a fleet, as it fills what only its own process
	// has. Else one node runs it for all, and for the others it is done.
	EveryNode bool
}

// task is a loader of a target, or a function, under its name. It doesn't change once it is added,
// but for busy.
type task struct {
	name string
	opts TaskOptions

	target Target                                            // of a loader; nil for a function
	cache  string                                            // its name, asked for once
	info   tiercache.LoaderInfo                              // of a loader, as it was when it was added
	budget int64                                             // of a loader: see memoryBudget
	fn     func(ctx context.Context) (cached int, err error) // of a function; nil for a loader

	// busy while a call of the task goes on, be it abandoned. It is what keeps a second call from
	// being put on top of it.
	busy atomic.Bool
	// abandoned says that the call that keeps the task busy was given up.
	abandoned atomic.Bool
}

func loaderTask(target Target, info tiercache.LoaderInfo) *task {
	return &task{
		name: info.Name, target: target, cache: target.Name(), info: info, budget: memoryBudget(target),
		opts: TaskOptions{Priority: info.Priority, After: info.After, Required: info.Required, Timeout: info.Timeout, EveryNode: info.EveryNode},
	}
}

// call runs the task's loader or function once.
func (t *task) call(ctx context.Context, opts tiercache.WarmOptions) tiercache.WarmResult {
	if t.target != nil {
		return t.target.WarmLoader(ctx, t.name, opts)
	}
	begun := time.Now()
	n, err := t.fn(ctx)
	return tiercache.WarmResult{Loader: t.name, Emitted: max(n, 0), Memory: max(n, 0), Duration: time.Since(begun), Err: usercode.Error(err)}
}

// attempt calls the task in a goroutine of its own, so that neither a panic, nor runtime.Goexit,
// nor a loader that ignores its context can hold its caller. Returned is false for a call that goes
// on: it is abandoned to itself. The caller has set busy.
func (t *task) attempt(ctx context.Context, opts tiercache.WarmOptions, p patience) (res tiercache.WarmResult, returned bool) {
	done := make(chan tiercache.WarmResult, 1) // buffered: an abandoned call must not wait for a reader
	go func() {
		res := tiercache.WarmResult{Loader: t.name, Err: tiercache.ErrGoexit} // stands unless the call returns or panics
		defer func() {
			if v := recover(); v != nil {
				res.Err = &tiercache.PanicError{Value: v, Stack: debug.Stack()}
			}
			t.busy.Store(false)
			done <- res
		}()
		if res.Err = SourceCall(ctx); res.Err == nil {
			res.Err = tiercache.ErrGoexit
			res = t.call(ctx, opts)
		}
	}()
	select {
	case res = <-done:
		return res, true
	case <-ctx.Done():
	}
	over := time.NewTimer(p.grace)
	defer over.Stop()
	for {
		select {
		case res = <-done:
			return res, true
		case <-over.C:
			return tiercache.WarmResult{Loader: t.name}, false
		case <-p.hurry:
			over.Reset(min(p.grace, hurriedGrace))
			p.hurry = nil
		}
	}
}

// patience is how long a call may go on after its context is over.
type patience struct {
	grace time.Duration
	hurry <-chan struct{} // closed once Stop has no more time: then it is hurriedGrace, from there on
}

const hurriedGrace = time.Second

var (
	errStillRuns = errors.New("the loader of an earlier run still runs: it ignores its context")
	errDryFunc   = errors.New("a function cannot be run without writing")
)

// taskTimeoutError is the cause of a task's context that is over by its own timeout.
type taskTimeoutError struct{ after time.Duration }

func (e taskTimeoutError) Error() string {
	return fmt.Sprintf("the task's timeout of %v is over", e.after)
}
func (e taskTimeoutError) Unwrap() error { return context.DeadlineExceeded }

// runTimeoutError is the same for the run's.
type runTimeoutError struct{ after time.Duration }

func (e runTimeoutError) Error() string {
	return fmt.Sprintf("the run's timeout of %v is over", e.after)
}
func (e runTimeoutError) Unwrap() error { return context.DeadlineExceeded }

// inside is the key under which the context of a task says whose it is.
type inside struct{ *runs }

// runTask runs a task: once in the fleet, or in this process where it is alone.
func (e *runs) runTask(ctx context.Context, r *running, t *task) TaskRun {
	if r.run.DryRun && t.target == nil {
		return TaskRun{Name: t.name, Role: e.role(t), Status: TaskSkipped, Err: errDryFunc, Started: time.Now(), Ended: time.Now()}
	}
	ctx = context.WithValue(ctx, inside{e}, true)
	if r.run.DryRun || !e.inFleet(t) {
		return e.load(ctx, r, t, nil)
	}
	return e.share(ctx, r, t)
}

// load calls a task's loader or function under its timeout, with retries from the run's budget, and
// judges the outcome. hold is the leader's; nil where nobody is led.
func (e *runs) load(ctx context.Context, r *running, t *task, hold *lease) (out TaskRun) {
	out = TaskRun{Name: t.name, Role: e.askingRole(r, t, hold), Started: time.Now()}
	out.AsOf = out.Started
	end := func(status TaskStatus, err error) TaskRun {
		out.Status, out.Err, out.Ended = status, err, time.Now()
		return out
	}
	timeout := e.timeout(t)
	ctx, cancel := context.WithTimeoutCause(context.WithValue(ctx, paceKey{}, e.pace), timeout, taskTimeoutError{timeout})
	defer cancel()

	stored, opts := e.options(ctx, r, t, hold)
	if opts.DryRun {
		p := newPlanning()
		opts.Judged = p.judge
		defer func() { out.plan = p.end() }()
	}
	for {
		if !t.busy.CompareAndSwap(false, true) {
			return end(TaskSkipped, errStillRuns)
		}
		t.abandoned.Store(false)
		out.Attempts++
		stored.Store(0)
		if hold != nil {
			hold.again()
		}
		res, returned := t.attempt(ctx, opts, patience{e.cfg.Grace, e.hurry})
		if !returned {
			t.abandoned.Store(true)
			out.Items = max(out.Items, int(stored.Load()))
			return end(TaskAbandoned, context.Cause(ctx))
		}
		out.Result = res
		out.Items = max(out.Items, res.Cached()) // what an earlier attempt has cached is still there
		if t.full(ctx, res) {
			out.Warning = fmt.Sprintf("MaxItems %d was reached", t.info.MaxItems)
			return end(TaskOK, nil)
		}
		if deadline, ok := ctx.Deadline(); ok && isContextError(res.Err) && !time.Now().Before(deadline) {
			<-ctx.Done() // a cache applies the same timeout by a timer of its own, which may have been the first by a moment
		}
		status, err := judge(ctx, res, out.Items)
		if status == TaskOK || !e.retry(ctx, r, out.Attempts, res.Err) {
			switch {
			case status != TaskOK || out.Items > 0 || res.Emitted > 0:
			case t.info.EveryNode:
				out.note = "nothing was learned yet"
			default:
				out.Warning = "it returned no rows"
			}
			return end(status, err)
		}
	}
}

// options are those of a loader's run, and the count of what it has stored, which the status shows.
func (e *runs) options(ctx context.Context, r *running, t *task, hold *lease) (*atomic.Int64, tiercache.WarmOptions) {
	stored, opts := new(atomic.Int64), tiercache.WarmOptions{DryRun: r.run.DryRun, Pace: e.pace.item}
	if !opts.DryRun {
		stored = e.progress(r, t)
		opts.Stored = func(string) { stored.Add(1) }
		after := context.WithoutCancel(ctx)
		opts.TakenBack = func(n int) { e.takenBack(after, r, t, hold, n) }
	}
	if hold != nil {
		opts.Kept = hold.kept
	}
	return stored, opts
}

// askingRole is the role of a process that asks the source.
func (e *runs) askingRole(r *running, t *task, hold *lease) Role {
	switch {
	case hold != nil:
		return RoleLeader
	case e.cfg.Redis == nil, e.inFleet(t) && !r.run.DryRun: // alone, for want of Redis
		return RoleLocal
	default:
		return RoleLeader
	}
}

// full says that a loader ended because it has emitted all it may: it did what it was asked to, and
// the lint says that there was more.
func (t *task) full(ctx context.Context, res tiercache.WarmResult) bool {
	return errors.Is(res.Err, tiercache.ErrMaxItems) && !errors.Is(res.Err, tiercache.ErrDegraded) && res.Failed == 0 && ctx.Err() == nil
}

// judge says how a call ended that returned. A loader that was done before it noticed the end of
// its context is ok.
func judge(ctx context.Context, res tiercache.WarmResult, items int) (TaskStatus, error) {
	err := res.Err
	if err == nil && res.Failed == 0 && res.TakenBack == 0 {
		return TaskOK, nil
	}
	if err == nil && res.TakenBack > 0 {
		err = takenBackError(res.TakenBack)
	}
	if err == nil {
		err = fmt.Errorf("%d of %d items could not be stored", res.Failed, res.Emitted)
	}
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		if !isContextError(err) {
			cause = fmt.Errorf("%w; the loader returned: %w", cause, err)
		}
		err = cause
		if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return TaskCancelled, err
		}
	}
	if items > 0 {
		return TaskPartial, err
	}
	return TaskFailed, err
}

const (
	firstRetry  = 100 * time.Millisecond
	slowestTry  = 5 * time.Second
	leastBudget = 3
)

// retry waits before the next attempt and reports whether there is to be one: exponential with full
// jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter), inside the
// task's timeout, from the run's budget.
func (e *runs) retry(ctx context.Context, r *running, attempts int, err error) bool {
	if err == nil || permanent(err) || attempts > e.cfg.Retries || ctx.Err() != nil {
		return false
	}
	ceiling := min(firstRetry<<min(attempts-1, 16), slowestTry)
	wait := rand.N(ceiling) //nolint:gosec // spreads retries; nothing is guarded by it
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	if r.retries.Add(-1) < 0 {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// permanent says that trying again cannot help, or is not wanted: the source has answered where
// only Redis did not. A user's Permanent that panics says nothing.
func permanent(err error) bool {
	defer func() { _ = recover() }()
	var marked interface{ Permanent() bool }
	var panicked *tiercache.PanicError
	return errors.As(err, &marked) && marked.Permanent() ||
		errors.As(err, &panicked) || isContextError(err) ||
		errors.Is(err, tiercache.ErrDegraded) || errors.Is(err, tiercache.ErrNotFound) || errors.Is(err, tiercache.ErrClosed) || errors.Is(err, tiercache.ErrGoexit)
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (e *runs) timeout(t *task) time.Duration {
	if t.opts.Timeout > 0 {
		return t.opts.Timeout
	}
	return e.cfg.TaskTimeout
}

// checkFunc judges a function task.
func checkFunc(name string, fn func(context.Context) (int, error), opts TaskOptions) error {
	var errs []error
	if !validName(name) {
		errs = append(errs, fmt.Errorf("name %s must be one or more of A-Z a-z 0-9 _ . : -", quote(name)))
	}
	if fn == nil {
		errs = append(errs, errors.New("the function is nil"))
	}
	if opts.Timeout < 0 {
		errs = append(errs, fmt.Errorf("the Timeout %v is negative", opts.Timeout))
	}
	if slices.Contains(opts.After, name) {
		errs = append(errs, errors.New("its After names the task itself"))
	}
	return errors.Join(errs...)
}
