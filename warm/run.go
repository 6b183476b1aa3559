package warm

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// Request says what to run. The zero Request runs every task.
type Request struct {
	// Tasks names what to run; none = all. Exactly the named ones run: a dependency that isn't
	// named counts as met.
	Tasks []string
	// Sequential runs one task after the other, exactly in their order.
	Sequential bool
	// DryRun asks the source and judges every entry, but writes nothing.
	DryRun bool
	// Trigger is what the run is recorded under; default manual. In a fleet it also says which
	// earlier pass over a source will do, see docs/warming.md.
	Trigger Trigger

	slot  string        // the fire time that the run is for, where it is for one
	every time.Duration // the interval that it is for, where it is for one
}

// Trigger is what made a run begin.
type Trigger string

// The triggers of runs.
const (
	TriggerStartup  Trigger = "startup"  // Engine.Start
	TriggerSchedule Trigger = "schedule" // the cron job or the interval job
	TriggerManual   Trigger = "manual"   // Engine.Run
	TriggerHTTP     Trigger = "http"     // package admin
	TriggerRefresh  Trigger = "refresh"  // a loader's RefreshAt
)

func (t Trigger) valid() bool {
	return slices.Contains([]Trigger{TriggerStartup, TriggerSchedule, TriggerManual, TriggerHTTP, TriggerRefresh}, t)
}

// TaskStatus says how a task ended; while its run goes on also whether it has begun.
type TaskStatus string

// What a task of a run that is over has.
const (
	TaskOK        TaskStatus = "ok"        // it returned without an error
	TaskPartial   TaskStatus = "partial"   // it failed, or items failed, after others had been cached
	TaskFailed    TaskStatus = "failed"    // it failed and cached nothing
	TaskSkipped   TaskStatus = "skipped"   // it wasn't begun: TaskRun.Err says why
	TaskCancelled TaskStatus = "cancelled" // the run was cancelled before the task was done
	// TaskAbandoned is a task that ignored the end of its context for Config.Grace. Its goroutine
	// may go on, but what it emits is refused, and until it returns the task is not begun again.
	TaskAbandoned TaskStatus = "abandoned"
)

// What a task of a run that goes on may have besides.
const (
	TaskPending TaskStatus = "pending"
	TaskRunning TaskStatus = "running"
)

// Role is the part that this process had in a task.
type Role string

// The roles of a process in a task.
const (
	RoleLeader   Role = "leader"   // asked the source
	RoleFollower Role = "follower" // filled memory from Redis, or waits for the leader to be done
	RoleLocal    Role = "local"    // no Redis: asked the source for itself
)

// Run is the record of one run of tasks. It is a value of its own: nobody changes it afterwards.
type Run struct {
	ID      string
	Trigger Trigger
	Started time.Time
	Ended   time.Time // zero while the run goes on
	Tasks   []TaskRun // in the order in which they run one by one

	Sequential bool
	DryRun     bool
}

// TaskRun is what one task did in a run.
type TaskRun struct {
	Name     string
	Status   TaskStatus
	Role     Role
	Attempts int // calls of the loader or function: 0 for a task that was not begun
	Items    int // cached: readable in at least one tier afterwards
	Result   tiercache.WarmResult
	Err      error

	Started time.Time // zero for a task that was not begun
	Ended   time.Time
	AsOf    time.Time // when the pass over the source began, whichever node made it; zero for a task that brought nothing
	Warning string    // of a task that is ok and yet worth a look, such as one without a row

	plan *TaskPlan // of a dry run
	note string    // for the log alone
	full bool      // Redis had no room for it

	answer *said // of the error, once the task is over
}

// Items is the number of cached items over all tasks.
func (r Run) Items() int {
	n := 0
	for _, t := range r.Tasks {
		n += t.Items
	}
	return n
}

// Completed is the number of tasks that are ok.
func (r Run) Completed() int {
	n := 0
	for _, t := range r.Tasks {
		if t.Status == TaskOK {
			n++
		}
	}
	return n
}

// SuccessRate is the share of tasks that are ok, from 0 to 100; 100 for a run without tasks.
func (r Run) SuccessRate() float64 {
	if len(r.Tasks) == 0 {
		return 100
	}
	return 100 * float64(r.Completed()) / float64(len(r.Tasks))
}

// Duration is the time from the run's start to its end; zero while it goes on.
func (r Run) Duration() time.Duration {
	if r.Ended.IsZero() {
		return 0
	}
	return r.Ended.Sub(r.Started)
}

// Err joins the errors of the tasks, each with its task's name. It is nil if all are ok.
func (r Run) Err() error {
	var errs []error
	for _, t := range r.Tasks {
		if t.Err != nil {
			errs = append(errs, fmt.Errorf("task %s: %s: %w", t.Name, t.Status, t.Err))
		}
	}
	return errors.Join(errs...)
}

// clone copies the record, so that the engine can hand it out while it goes on with its own.
func (r Run) clone() Run {
	r.Tasks = slices.Clone(r.Tasks)
	return r
}
