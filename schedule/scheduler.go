package schedule

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config configures a [Scheduler]. The zero Config is usable.
type Config struct {
	Location    *time.Location // of schedules that name no time zone; default time.Local
	Concurrency int            // how many runs at once, over all jobs; 0 = any number
	History     int            // how many runs of each job are remembered; default 16, negative = none

	// MaxSleep bounds one sleep of the scheduler: the timers of Go stand still while a machine is
	// suspended, so that this is how late it notices the wake-up or a changed clock. Default 1 min.
	MaxSleep time.Duration

	// Grace is how late a run may begin under MissedSkip. Default 5 s.
	Grace time.Duration

	// Leader, where set, is asked before each run, in the run's own goroutine; the run is left out
	// unless it returns true. The job's name and due time are the same on every node.
	Leader func(ctx context.Context, job string, due time.Time) (bool, error)

	// OnStart and OnDone, where set, hear of runs, for metrics: OnStart before Run is called,
	// OnDone with the outcome, also of runs that were left out. They are called from several
	// goroutines and must not call Stop.
	OnStart, OnDone func(Run)

	Logger *slog.Logger // hears of runs that failed; default slog.Default()
}

// Scheduler runs jobs when they are due. Its methods are safe for concurrent use and take effect
// before they return. Make one with [New]; it has no goroutine before Start and none after Stop.
type Scheduler struct {
	cfg   Config
	slots chan struct{} // Concurrency; nil = unbounded
	now   func() time.Time
	wake  chan struct{} // tells the loop that the queue has changed

	mu      sync.Mutex // held for moments only, never while code of the user runs
	state   state
	jobs    map[string]*job
	queue   queue
	busy    map[string]int // how many runs of each name are under way, also of removed jobs
	active  int            // goroutines: the loop, runs and reports
	idle    chan struct{}  // closed when the scheduler is stopped and none is active
	drained bool           // idle is closed
	halt    context.CancelFunc
	cancel  context.CancelCauseFunc
	launch  func(*job, Run) // begins a run; mu is held
	report  func(Run)       // tells OnDone of a run that was left out; nil without one; mu is held
}

type state uint8

const (
	stateNew state = iota
	stateStarted
	stateStopped
)

// New returns a scheduler without jobs. Start reports a Config that makes no sense.
func New(cfg Config) *Scheduler {
	if cfg.Location == nil {
		cfg.Location = time.Local
	}
	if cfg.History == 0 {
		cfg.History = 16
	}
	if cfg.MaxSleep == 0 {
		cfg.MaxSleep = time.Minute
	}
	if cfg.Grace == 0 {
		cfg.Grace = 5 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	s := &Scheduler{
		cfg:  cfg,
		wake: make(chan struct{}, 1),
		jobs: make(map[string]*job),
		busy: make(map[string]int),
		idle: make(chan struct{}),
	}
	s.now = func() time.Time { return time.Now().Round(0).In(s.cfg.Location) }
	if cfg.Concurrency > 0 {
		s.slots = make(chan struct{}, cfg.Concurrency)
	}
	return s
}

func (c *Config) check() error {
	var faults []error
	if c.Concurrency < 0 {
		faults = append(faults, fmt.Errorf("bad Concurrency %d: want 0 (any number) or more", c.Concurrency))
	}
	if c.MaxSleep < 0 {
		faults = append(faults, fmt.Errorf("bad MaxSleep %v: want 0 (default) or more", c.MaxSleep))
	}
	if c.Grace < 0 {
		faults = append(faults, fmt.Errorf("bad Grace %v: want 0 (default) or more", c.Grace))
	}
	if len(faults) > 0 {
		return fmt.Errorf("schedule: config: %w", errors.Join(faults...))
	}
	return nil
}

// Add takes a job, before or after Start. The first run is the first due time from now on, or from
// Start on; @reboot runs at Start only. A job that is incomplete, has the name of another
// ([ErrDuplicate]) or is never due ([ErrNeverRuns]) is an error.
func (s *Scheduler) Add(j Job) error {
	if err := j.check(); err != nil {
		return err
	}
	added := newJob(j)
	if text, ok := j.Schedule.(fmt.Stringer); ok {
		added.status.Spec = fmt.Sprint(text) // which survives a String method that panics
	}
	err := added.plan(s.now())
	switch {
	case err != nil:
		return fmt.Errorf("schedule: job %q: %w", j.Name, err)
	case added.due.IsZero() && added.kind != kindReboot:
		return fmt.Errorf("schedule: job %q: %v %w", j.Name, j.Schedule, ErrNeverRuns)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateStopped:
		return fmt.Errorf("schedule: job %q: scheduler is %w", j.Name, ErrStopped)
	case s.jobs[j.Name] != nil:
		return fmt.Errorf("schedule: job %q: %w", j.Name, ErrDuplicate)
	}
	s.jobs[j.Name] = added
	if s.state == stateStarted {
		s.enqueue(added)
	}
	return nil
}

// Remove forgets a job and reports whether there was one. A run under way goes on; none begins
// after Remove has returned.
func (s *Scheduler) Remove(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[name]
	if j == nil {
		return false
	}
	delete(s.jobs, name)
	s.dequeue(j, "removed")
	j.removed = true
	return true
}

// Trigger begins a run now, under the job's overlap policy and also while the job is paused; it
// does not wait for its end. Due times stay as they are. Where the policy leaves the run out, it is
// counted as skipped.
func (s *Scheduler) Trigger(name string) error {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(name)
	if err != nil {
		return err
	}
	if s.state == stateNew {
		return fmt.Errorf("schedule: trigger %q: scheduler is %w", name, ErrNotStarted)
	}
	s.dispatch(j, []Run{{Job: name, Due: now, Since: now, Manual: true, planned: now}})
	return nil
}

// Pause keeps a job from running by itself until Resume. A run under way goes on; queued ones are
// dropped, and nothing piles up.
func (s *Scheduler) Pause(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(name)
	if err != nil {
		return err
	}
	j.paused = true
	s.dequeue(j, "paused")
	return nil
}

// Resume ends a pause. The job runs at its next due time from now on; an interval keeps its phase.
func (s *Scheduler) Resume(name string) error {
	s.mu.Lock()
	j, err := s.find(name)
	if err != nil || !j.paused {
		s.mu.Unlock()
		return err
	}
	replan := newJob(j.Job)
	replan.due = j.due
	s.mu.Unlock()

	err = replan.plan(s.now())

	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("schedule: job %q: %w", name, err)
	}
	if j.removed || !j.paused {
		return nil
	}
	j.paused = false
	j.due, j.fire = replan.due, replan.fire
	if s.state == stateStarted {
		s.enqueue(j)
	}
	return nil
}

// Jobs returns a snapshot of all jobs, by name.
func (s *Scheduler) Jobs() []JobStatus {
	s.mu.Lock()
	all := make([]JobStatus, 0, len(s.jobs))
	for _, j := range s.jobs {
		status := j.snapshot()
		if s.state == stateStopped {
			status.NextRun = time.Time{}
		}
		all = append(all, status)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b JobStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// History returns the last runs of a job, the latest last, and nil for an unknown job.
func (s *Scheduler) History(name string) []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[name]
	if j == nil {
		return nil
	}
	return append(slices.Clone(j.history[j.oldest:]), j.history[:j.oldest]...)
}

// find returns a job; mu is held.
func (s *Scheduler) find(name string) (*job, error) {
	j := s.jobs[name]
	switch {
	case s.state == stateStopped:
		return nil, fmt.Errorf("schedule: job %q: scheduler is %w", name, ErrStopped)
	case j == nil:
		return nil, fmt.Errorf("schedule: %w %q", ErrUnknownJob, name)
	}
	return j, nil
}

// enqueue puts a job where its next due time belongs; mu is held.
func (s *Scheduler) enqueue(j *job) {
	if j.due.IsZero() {
		return
	}
	heap.Push(&s.queue, j)
	if j.index == 0 {
		s.nudge()
	}
}

// dequeue takes a job out of the queue and leaves out what it has waiting; mu is held.
func (s *Scheduler) dequeue(j *job, why string) {
	j.turn++
	s.skipPending(j, errors.New(why))
	if j.index >= 0 {
		heap.Remove(&s.queue, j.index)
	}
}

// nudge makes the loop look at the queue again.
func (s *Scheduler) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
