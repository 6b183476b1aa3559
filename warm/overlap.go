package warm

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// running is a run that is going on or waits for its turn. Its fields are guarded by Engine.mu, but
// for those that don't change.
type running struct {
	tasks   []*task // in order
	slot    string  // see Request
	every   time.Duration
	whole   bool         // it is of all tasks
	retries atomic.Int64 // left in the budget
	begun   bool

	// A run is cancelled once nobody holds it: callers of Run do until they leave; what nobody
	// waits for is kept, until it is over.
	holders int
	kept    bool
	cancel  context.CancelCauseFunc
	launch  func() // starts its goroutine

	done chan struct{} // closed when run is final
	run  Run
	back []int           // what was taken back of each task before it was over, likewise
	live []*atomic.Int64 // what each task has stored so far, in the order of tasks
	err  error           // it never began: why
}

// same reports whether r does what a request for these tasks would do. How many at once is no
// difference.
func (r *running) same(tasks []*task, dryRun bool) bool {
	return r.run.DryRun == dryRun && slices.Equal(r.tasks, tasks)
}

// Ticket is a caller's part in a run that goes on whether the caller waits for it or not.
type Ticket struct {
	e      *runs
	r      *running
	joined bool
}

// ID is the run's.
func (t *Ticket) ID() string { return t.r.run.ID }

// Joined says that the run had been asked for by another before.
func (t *Ticket) Joined() bool { return t.joined }

// Done is closed when the run is over.
func (t *Ticket) Done() <-chan struct{} { return t.r.done }

// Run is the record of the run as it stands: final once Done is closed. The error says that the run
// never began, because the engine stopped.
func (t *Ticket) Run() (Run, error) { return t.e.record(t.r) }

// Begin starts a run, or joins the one that does the same, and returns at once. Nothing but Stop
// cancels the run: of ctx, only the values are used. It fails as Run does.
func (e *Engine) Begin(ctx context.Context, req Request) (*Ticket, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, joined, err := e.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	r.kept = true
	return &Ticket{e: &e.runs, r: r, joined: joined}, nil
}

// Run runs tasks and returns when they are done. While another run goes on, a call with the same
// tasks joins that run and returns its record; one with other tasks waits until it is over, and all
// who wait share one run of all their tasks (dry runs apart).
//
// What happened to the tasks stands in the Run; the error says that nothing could be run: an
// *[UnknownTaskError], a dependency that is unknown or in a cycle, [ErrDisabled], [ErrStopped],
// [ErrInsideTask]. Cancelling ctx cancels the run, whose tasks are then recorded as cancelled,
// unless somebody else waits for it or it wasn't begun by Run: then the run goes on, and the error
// is ctx's.
func (e *Engine) Run(ctx context.Context, req Request) (Run, error) {
	if err := ctx.Err(); err != nil {
		return Run{}, fmt.Errorf("warm: run: %w", context.Cause(ctx))
	}
	if ctx.Value(inside{&e.runs}) != nil {
		return Run{}, fmt.Errorf("warm: run: %w", ErrInsideTask)
	}
	e.mu.Lock()
	r, _, err := e.enter(ctx, req)
	if err != nil {
		e.mu.Unlock()
		return Run{}, err
	}
	r.holders++
	e.mu.Unlock()

	select {
	case <-r.done:
		return e.record(r)
	case <-ctx.Done():
	}
	if !e.leave(r, context.Cause(ctx)) {
		run, err := e.record(r)
		if err == nil && run.Ended.IsZero() {
			err = fmt.Errorf("warm: run %s goes on for others: %w", run.ID, context.Cause(ctx))
		}
		return run, err
	}
	late := time.NewTimer(e.cfg.Grace + stopWait)
	defer late.Stop()
	select {
	case <-r.done:
		return e.record(r)
	case <-late.C:
		run, _ := e.record(r) // which has begun, as it was not dropped
		return run, fmt.Errorf("warm: run %s was cancelled and still runs: %s: %w", run.ID, mayBlock, context.Cause(ctx))
	}
}

// leave gives up a hold on r. It reports whether r was cancelled for it.
func (e *runs) leave(r *running, cause error) bool {
	dropped := fmt.Errorf("warm: run: %w", cause) // asks the cause, which is the user's
	e.mu.Lock()
	defer e.mu.Unlock()
	r.holders--
	if r.holders > 0 || r.kept {
		return false
	}
	r.cancel(cause)
	if i := slices.Index(e.queue, r); i >= 0 {
		e.queue = slices.Delete(e.queue, i, i+1)
		e.drop(r, dropped)
	}
	return true
}

// record returns a copy of r's record.
func (e *runs) record(r *running) (Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return r.run.clone(), r.err
}

// enter finds or makes the run that answers a request. The caller holds e.mu and takes a hold on
// the run before it lets go.
func (e *runs) enter(ctx context.Context, req Request) (r *running, joined bool, err error) {
	tasks, err := e.resolve(req)
	if err != nil {
		return nil, false, err
	}
	if e.current != nil && e.current.same(tasks, req.DryRun) && !e.current.abandonedByAll() {
		return e.current, true, nil
	}
	if e.current == nil {
		r := e.newRunning(ctx, req, tasks)
		e.begin(r)
		return r, false, nil
	}
	// One run at most waits its turn for each of dry and real: it takes in what later requests ask
	// for.
	for _, waiting := range e.queue {
		if waiting.run.DryRun == req.DryRun {
			e.merge(waiting, req, tasks)
			return waiting, true, nil
		}
	}
	r = e.newRunning(ctx, req, tasks)
	e.queue = append(e.queue, r)
	return r, false, nil
}

// abandonedByAll says that r is being cancelled since its callers have left.
func (r *running) abandonedByAll() bool { return r.holders == 0 && !r.kept }

// merge adds tasks to a run that hasn't begun.
func (e *runs) merge(r *running, req Request, tasks []*task) {
	names := make([]string, 0, len(r.tasks)+len(tasks))
	for _, t := range slices.Concat(r.tasks, tasks) {
		names = append(names, t.name)
	}
	if order, err := e.order(); err == nil {
		if all, err := choose(order, names); err == nil {
			tasks = all
		}
	}
	e.assign(r, tasks)
	r.run.Sequential = r.run.Sequential || req.Sequential
}

// resolve checks a request against the engine's state and returns its tasks in order.
func (e *runs) resolve(req Request) ([]*task, error) {
	switch {
	case e.cfg.Disabled:
		return nil, ErrDisabled
	case e.stopping:
		return nil, ErrStopped
	case req.Trigger != "" && !req.Trigger.valid():
		return nil, fmt.Errorf("warm: run: unknown trigger %s", quote(string(req.Trigger)))
	}
	order, err := e.order()
	if err != nil {
		return nil, fmt.Errorf("warm: run: %w", err)
	}
	return choose(order, req.Tasks)
}

func (e *runs) newRunning(ctx context.Context, req Request, tasks []*task) *running {
	if req.Trigger == "" {
		req.Trigger = TriggerManual
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &running{
		slot:   req.slot,
		every:  req.every,
		cancel: cancel,
		done:   make(chan struct{}),
		run:    Run{ID: newID(), Trigger: req.Trigger, Sequential: e.cfg.Sequential || req.Sequential, DryRun: req.DryRun},
	}
	r.launch = func() { e.goroutines.Go(func() { e.execute(ctx, r) }) }
	e.assign(r, tasks)
	return r
}

func (e *runs) assign(r *running, tasks []*task) {
	r.tasks, r.whole = tasks, len(tasks) == len(e.tasks)
	r.back = make([]int, len(tasks))
	r.live = make([]*atomic.Int64, len(tasks))
	r.run.Tasks = make([]TaskRun, len(tasks))
	for i, t := range tasks {
		r.run.Tasks[i] = TaskRun{Name: t.name, Status: TaskPending, Role: e.role(t)}
	}
	r.retries.Store(int64(max(len(tasks), leastBudget)))
}

// begin makes r the current run. The caller holds e.mu.
func (e *runs) begin(r *running) {
	e.current = r
	r.begun = true
	r.run.Started = time.Now()
	r.launch()
}

// drop ends a run that never began. The caller holds e.mu.
func (e *runs) drop(r *running, err error) {
	r.err = err
	r.cancel(err)
	close(r.done)
}

// newID is unique over processes.
func newID() string { return strings.ToLower(rand.Text()[:13]) }
