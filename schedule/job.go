package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Job is what a [Scheduler] runs. Name, Schedule and Run are required.
type Job struct {
	Name     string   // unique in the scheduler
	Schedule Schedule // a *Cron, an Interval or your own

	// Run does the work. Its context ends with the job's Timeout, with the context given to Start,
	// when a run replaces it, and when the context of Stop ends; [RunFromContext] says what the run
	// stands for. A panic or a runtime.Goexit in it is an error of this run alone.
	Run func(ctx context.Context) error

	Overlap Overlap       // what happens when the job is due while it runs; default OverlapSkip
	Missed  Missed        // what happens to due times that passed unseen; default MissedOnce
	Timeout time.Duration // bound on one run; 0 = none
	Jitter  time.Duration // each run is delayed by a random part of this, never up to the next due time; 0 = none

	// StableJitter makes the delay a function of Name, the same on every run and every node,
	// instead of random.
	StableJitter bool
}

// Overlap says what happens to a run that is due while the job is still running.
type Overlap uint8

// The overlap policies. They hold for triggered runs as well.
const (
	OverlapSkip    Overlap = iota // it is left out, and counted as skipped
	OverlapQueue                  // one waits until the running one has ended; more are skipped
	OverlapAllow                  // both run
	OverlapReplace                // the running one is cancelled; the new one begins when it has ended
)

// Missed says what happens to due times that passed while nobody could see them: the machine slept,
// the process stood still, or the clock was set forward. A positive number runs all of them, one
// after the other, up to that many of the latest.
type Missed int

// The policies for missed runs.
const (
	MissedOnce Missed = 0  // one run stands for all; Run.Missed counts the others
	MissedSkip Missed = -1 // they are counted; only a due time within Config.Grace still runs
)

// Outcome says how a run ended, or why there was none.
type Outcome string

// The outcomes of a run.
const (
	OutcomeOK        Outcome = "ok"
	OutcomeError     Outcome = "error"
	OutcomePanic     Outcome = "panic"
	OutcomeSkipped   Outcome = "skipped"    // the overlap policy, or Stop while it waited
	OutcomeMissed    Outcome = "missed"     // too late, under MissedSkip or beyond its number
	OutcomeNotLeader Outcome = "not leader" // Config.Leader said no, or failed
)

// Run is one run of a job, or a record of why there was none.
type Run struct {
	Job     string
	Due     time.Time // the due time it stands for; of a triggered run, when it was triggered
	Since   time.Time // the earliest due time it makes up for; Due where none was missed
	Missed  int       // how many due times before Due it stands for, counted up to 1,000
	Manual  bool      // it was triggered
	Started time.Time // zero where Run was not called
	Ended   time.Time
	Late    time.Duration // from when it should have started, jitter included, until it did
	Outcome Outcome       // empty while it runs
	Err     error

	planned time.Time // when it should start: Since plus its jitter
	entered bool      // it has its slot, so that Stop waits for it by name
}

// JobStatus is a snapshot of a job.
type JobStatus struct {
	Name string
	Type string // "cron", "interval" (also @every) or "custom"
	Spec string // the schedule as text, where it has a String method

	NextRun time.Time // zero while paused, after Stop and where no due time is left
	LastRun time.Time // when the last run started; zero before the first
	LastDue time.Time // the due time of the last run

	LastOutcome  Outcome
	LastError    error // of the last run; nil if it was ok
	LastDuration time.Duration
	LastLate     time.Duration

	ScheduleError error // why the schedule is no longer asked: its Next panicked or went backwards

	Runs      int // how often Run was called
	Failures  int // how many of them returned an error or panicked
	Skipped   int // left out by the overlap policy
	Missed    int // due times that passed without a run of their own
	NotLeader int // left to another node

	Running int  // how many run now, or wait for a slot of Config.Concurrency
	Queued  int  // how many wait for those to end
	Paused  bool // no run begins by itself
}

// PanicError is a panic of a job, as the error of its run.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the panic's value; the stack is apart.
func (e *PanicError) Error() (text string) {
	defer func() {
		if recover() != nil { // fmt survives a method that panics, but not one that panics with such a value
			text = fmt.Sprintf("panic: a %T, whose text panics", e.Value)
		}
	}()
	return fmt.Sprintf("panic: %v", e.Value)
}

// Unwrap returns the value where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

type runKey struct{}

// RunFromContext returns what the run with this context stands for: its due time and how many it
// makes up for.
func RunFromContext(ctx context.Context) (Run, bool) {
	r, ok := ctx.Value(runKey{}).(Run)
	return r, ok
}

func (j *Job) check() error {
	var faults []error
	if j.Name == "" {
		faults = append(faults, errors.New("no Name"))
	}
	if j.Schedule == nil {
		faults = append(faults, errors.New("no Schedule"))
	}
	if j.Run == nil {
		faults = append(faults, errors.New("no Run"))
	}
	if j.Overlap > OverlapReplace {
		faults = append(faults, fmt.Errorf("bad Overlap %d: want one of the Overlap constants", j.Overlap))
	}
	if j.Missed < MissedSkip || j.Missed > countLimit {
		faults = append(faults, fmt.Errorf("bad Missed %d: want MissedOnce, MissedSkip or 1 to %d", j.Missed, countLimit))
	}
	if j.Timeout < 0 {
		faults = append(faults, fmt.Errorf("bad Timeout %v: want 0 (none) or more", j.Timeout))
	}
	if j.Jitter < 0 {
		faults = append(faults, fmt.Errorf("bad Jitter %v: want 0 (none) or more", j.Jitter))
	}
	if j.StableJitter && j.Jitter == 0 {
		faults = append(faults, errors.New("StableJitter without Jitter: there is no delay; set Jitter"))
	}
	if len(faults) > 0 {
		return fmt.Errorf("schedule: job %q: %w", j.Name, errors.Join(faults...))
	}
	return nil
}
