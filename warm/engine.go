package warm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

// The errors that callers tell apart with [errors.Is].
var (
	// ErrDisabled is the answer of Run and Begin with Config.Disabled.
	ErrDisabled = errors.New("warm: disabled")
	// ErrStopped is the answer of every method that would begin something, once Stop was called.
	ErrStopped = errors.New("warm: stopped")
	// ErrInsideTask is the answer of Run with the context of a task of the same engine: the task
	// would wait for a run that waits for the task. Begin goes.
	ErrInsideTask = errors.New("warm: Run was called inside a task of the same engine, which would wait for itself: use Begin")
	// ErrStarted is the answer of a second Start.
	ErrStarted = errors.New("warm: already started")
)

// Engine runs warmup tasks. Make one with [New]; it is safe for concurrent use. It has no goroutine
// before Start or Run and none after Stop, other than those that Stop's error tells of.
type Engine struct{ runs }

// runs is an engine's tasks and their runs: what begins them, one at a time, and what becomes of
// them. The methods of Engine ask for runs, and say how they stand.
type runs struct {
	cfg       settings
	scheduler *schedule.Scheduler

	ready   chan struct{}
	stopped chan struct{} // closed as Stop begins
	hurry   chan struct{} // closed as the context of Stop ends
	wake    chan struct{} // tells the refresher to look again; holds one
	events  hub
	pace    *pace

	goroutines sync.WaitGroup // runs and the refresher

	mu        guard    // of what follows; held for moments, and never while foreign code runs
	tasks     []*task  // in the order of registration
	targets   []Target // likewise
	records   map[string]*taskRecord
	current   *running
	queue     []*running // waiting for their turn: one dry and one real at most
	history   []Run      // oldest first
	last      *Run       // that wrote something
	skipped   uint64     // runs of the clock that found another running
	gate      gate
	started   bool
	stopping  bool
	stopAfter func() bool // releases Start's context
}

const historyLength = 50

// New returns an engine without tasks. Every bad field of cfg is reported in one error.
func New(cfg Config) (*Engine, error) {
	s, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{runs{
		cfg:       s,
		ready:     make(chan struct{}),
		stopped:   make(chan struct{}),
		hurry:     make(chan struct{}),
		wake:      make(chan struct{}, 1),
		records:   make(map[string]*taskRecord),
		pace:      newPace(s.Config),
		stopAfter: func() bool { return true },
	}}
	if e.scheduler, err = e.newScheduler(); err != nil {
		return nil, fmt.Errorf("warm: config: %w", err)
	}
	return e, nil
}

// Add makes the registered loaders of the targets tasks of the engine, all or none of them. It
// fails on a task name that the engine has already. Loaders that are registered later are not seen.
// Tasks may be added after Start: they run from the next run on, and Ready doesn't wait for them.
func (e *Engine) Add(targets ...Target) error {
	var added []*task
	var idle []string
	for i, target := range targets {
		if v := reflect.ValueOf(target); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			return fmt.Errorf("warm: add: target %d is nil", i+1)
		}
		infos := target.Loaders()
		for _, info := range infos {
			added = append(added, loaderTask(target, info))
		}
		if len(infos) == 0 {
			idle = append(idle, target.Name())
		}
	}
	if err := e.add(added); err != nil {
		return err
	}
	for _, name := range idle {
		e.cfg.Logger.Warn("warm: a cache was added that has no loaders: nothing of it is warmed; register them first", slog.String("cache", name))
	}
	e.keep(targets)
	return nil
}

// AddFunc makes fn a task. It returns how many items it has cached; what it has cached when it
// returns an error counts too. As the engine cannot know what fn writes, a dry run skips it. See
// Add.
func (e *Engine) AddFunc(name string, fn func(context.Context) (int, error), opts TaskOptions) error {
	if err := checkFunc(name, fn, opts); err != nil {
		return fmt.Errorf("warm: add task %s: %w", quote(name), err)
	}
	opts.After = slices.Clone(opts.After)
	return e.add([]*task{{name: name, fn: fn, opts: opts}})
}

func (e *Engine) add(added []*task) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return ErrStopped
	}
	var errs []error
	names := make(map[string]bool, len(added))
	for _, t := range added {
		if names[t.name] || e.records[t.name] != nil {
			errs = append(errs, fmt.Errorf("warm: add task %q: the engine has a task of that name already", t.name))
		}
		names[t.name] = true
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, t := range added {
		e.tasks = append(e.tasks, t)
		e.records[t.name] = &taskRecord{}
	}
	return nil
}

// order puts all tasks in order, which fails on what only the whole set shows. The caller holds
// e.mu.
func (e *runs) order() ([]*task, error) {
	var errs []error
	for _, name := range e.cfg.Priority {
		if e.records[name] == nil {
			errs = append(errs, fmt.Errorf("priority list (WARMUP_PRIORITY): no task is called %q; known: %s", name, strings.Join(e.names(), ", ")))
		}
	}
	order, err := plan(e.tasks, e.cfg.Priority)
	return order, errors.Join(append(errs, err)...)
}

func (e *runs) names() []string {
	names := make([]string, len(e.tasks))
	for i, t := range e.tasks {
		names[i] = t.name
	}
	return names
}

// Start begins to warm in the background, unless Config.SkipStartup says otherwise, and starts the
// schedule. It returns at once. The end of ctx stops the engine as Stop does with a context that is
// over; a program still calls Stop, to wait. Start fails, and starts nothing, where tasks,
// dependencies and priority list don't fit together; it may then be called again. A second Start is
// [ErrStarted], one after Stop [ErrStopped].
func (e *Engine) Start(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("warm: start: %w", context.Cause(ctx))
	}
	if err := e.start(ctx); err != nil {
		return err
	}
	if e.cfg.Disabled {
		e.cfg.Logger.InfoContext(ctx, "warm: disabled")
		return nil
	}
	for _, f := range e.Lint() {
		e.cfg.Logger.WarnContext(ctx, "warm: lint", f.attrs()...)
	}
	return nil
}

func (e *Engine) start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.stopping:
		return ErrStopped
	case e.started:
		return ErrStarted
	case e.cfg.Disabled:
		e.started = true
		e.openGate(ctx, "disabled")
		return nil
	}
	order, err := e.order()
	if err != nil {
		return fmt.Errorf("warm: start: %w", err)
	}
	if !e.cfg.SkipSchedule {
		if err := e.scheduler.Start(ctx); err != nil {
			return fmt.Errorf("warm: start: %w", err)
		}
	}
	e.started = true
	e.stopAfter = context.AfterFunc(ctx, func() {
		if err := e.Stop(ctx); err != nil {
			e.cfg.Logger.WarnContext(ctx, "warm: stopped by the end of Start's context", slog.Any("error", err))
		}
	})
	e.armGate(ctx)
	e.goroutines.Go(func() { e.refresher(ctx) })
	if !e.cfg.SkipStartup && len(order) > 0 {
		r, _, err := e.enter(ctx, Request{Trigger: TriggerStartup})
		if err != nil {
			return err
		}
		r.kept = true
	}
	return nil
}

// History returns the last 50 runs that are over, oldest first. The records are the caller's.
func (e *Engine) History() []Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	runs := make([]Run, len(e.history))
	for i, r := range e.history {
		runs[i] = r.clone()
	}
	return runs
}

// taskRecord is what is known of a task from its runs, dry runs apart.
type taskRecord struct {
	last      TaskRun
	lastRunID string
	succeeded time.Time // when the last run that was ok began
	counts    map[TaskStatus]uint64
	durations []time.Duration // of the last runs whose loader had no error
	refresh   refreshState
	parked    time.Time // it waits for Redis, or to make good what Redis lost: when to look again; else zero
	again     int       // runs in a row that are to be made good
	spoiled   *lease    // whose pass may still stand as complete in the ledger
	before    time.Time // succeeded, before the last run
}

const durationsKept = 50

func (rec *taskRecord) note(runID string, t TaskRun) {
	rec.last, rec.lastRunID = t, runID
	if rec.counts == nil {
		rec.counts = make(map[TaskStatus]uint64)
	}
	rec.counts[t.Status]++
	if rec.before = rec.succeeded; t.Status == TaskOK {
		rec.succeeded = t.Started
	}
	// A loader that was so slow that its entries could no longer be stored is one to learn from as
	// well.
	if t.Attempts > 0 && t.Result.Err == nil && t.Status != TaskAbandoned {
		rec.durations = append(rec.durations, t.Ended.Sub(t.Started))
		if len(rec.durations) > durationsKept {
			rec.durations = slices.Delete(rec.durations, 0, 1)
		}
	}
}
