package schedule

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// job is a Job in a scheduler. All but the first three is guarded by the scheduler's mu.
type job struct {
	Job
	kind   kind
	length time.Duration // of an interval

	due   time.Time // the next due time, on the wall clock; zero = none
	fire  time.Time // due plus jitter
	index int       // in the queue, -1 = not in it
	turn  uint64    // changes with each plan that comes from outside the loop

	paused, removed bool

	running int
	replace func() // cancels the run that began last, for OverlapReplace
	pending []Run  // begin one after the other when the running one ends

	status  JobStatus // counters and last results
	history []Run     // a ring
	oldest  int       // its first element
}

// newJob says what kind of schedule a job has.
func newJob(j Job) *job {
	made := &job{Job: j, kind: kindCustom, index: -1}
	switch s := j.Schedule.(type) {
	case *Cron:
		if s != nil {
			made.kind, made.length = s.kind, s.every
		}
	case Interval:
		made.kind, made.length = kindEvery, s.length
	}
	return made
}

// plan sets the first due time after now. An interval that was due before keeps its phase.
func (j *job) plan(now time.Time) error {
	var due time.Time
	if j.length > 0 && !j.due.IsZero() {
		due = j.due
		if !due.After(now) {
			due = now.Add(j.length - now.Sub(due)%j.length)
		}
	} else {
		var err error
		if due, err = j.next(now); err != nil {
			return err
		}
	}
	fire, err := j.delayed(due)
	j.due, j.fire = due, fire
	return err
}

// next asks the schedule, and survives one that panics or goes backwards.
func (j *job) next(after time.Time) (due time.Time, err error) {
	defer func() {
		if v := recover(); v != nil {
			due, err = time.Time{}, fmt.Errorf("Next: %w", &PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	due = j.Schedule.Next(after)
	if !due.IsZero() && !due.After(after) {
		return time.Time{}, fmt.Errorf("Next(%v) is %v: want a later time", after, due)
	}
	return due.Round(0), nil
}

// delayed returns when a due time fires: with its jitter, but before the next due time.
func (j *job) delayed(due time.Time) (time.Time, error) {
	if j.Jitter == 0 || due.IsZero() {
		return due, nil
	}
	following, err := j.next(due)
	if err != nil {
		return due, err
	}
	most := j.Jitter
	if !following.IsZero() {
		most = min(most, following.Sub(due)-1)
	}
	if !j.StableJitter {
		return due.Add(rand.N(most + 1)), nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(j.Name))
	return due.Add(time.Duration(h.Sum64() % uint64(most+1))), nil
}

func (j *job) snapshot() JobStatus {
	st := j.status
	st.Name = j.Name
	switch j.kind {
	case kindEvery:
		st.Type = "interval"
	case kindCustom:
		st.Type = "custom"
	default:
		st.Type = "cron"
	}
	if !j.paused {
		st.NextRun = j.due
	}
	st.Running, st.Queued, st.Paused = j.running, len(j.pending), j.paused
	return st
}

// queue is a heap of jobs by when they fire; equal times by name, for an order that can be relied
// on.
type queue []*job

func (q *queue) Len() int { return len(*q) }

func (q *queue) Less(a, b int) bool {
	one, other := (*q)[a], (*q)[b]
	if c := one.fire.Compare(other.fire); c != 0 {
		return c < 0
	}
	return one.Name < other.Name
}

func (q *queue) Swap(a, b int) {
	all := *q
	all[a], all[b] = all[b], all[a]
	all[a].index, all[b].index = a, b
}

// Push is for package container/heap.
func (q *queue) Push(x any) {
	j, _ := x.(*job)
	j.index = len(*q)
	*q = append(*q, j)
}

// Pop is for package container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	j := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	j.index = -1
	return j
}
