package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// stopGrace is how long Stop waits, once it has cancelled the runs, for those that heed their
// context.
const stopGrace = 100 * time.Millisecond

// Stop begins no run any more and waits for the running ones. When ctx ends first, it cancels their
// contexts, gives them a moment, and returns a [*StopError] that names them; where nothing had to
// be cancelled, there is no error. It may be called again, to wait on.
func (s *Scheduler) Stop(ctx context.Context) error {
	s.mu.Lock()
	if s.state == stateNew {
		s.mu.Unlock()
		return fmt.Errorf("schedule: stop: %w", ErrNotStarted)
	}
	s.close()
	s.mu.Unlock()
	s.halt()

	select {
	case <-s.idle:
		s.cancel(nil)
		return nil
	default:
	}
	select {
	case <-s.idle:
		s.cancel(nil)
		return nil
	case <-ctx.Done():
	}
	stopped := &StopError{Cancelled: s.runningJobs(), Cause: context.Cause(ctx)}
	s.cancel(fmt.Errorf("schedule: %w", ErrStopped))
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-s.idle:
		if len(stopped.Cancelled) == 0 {
			return nil // only the loop had to end
		}
	case <-timer.C:
	}
	stopped.Running = s.runningJobs()
	return stopped
}

// StopError says which runs Stop did not wait for.
type StopError struct {
	Cancelled []string // jobs that ran when the context of Stop ended; their contexts were cancelled
	Running   []string // those of them that had not returned a moment later
	Cause     error    // why the context of Stop ended
}

// Error names the jobs.
func (e *StopError) Error() string {
	if len(e.Cancelled) == 0 {
		return fmt.Sprintf("schedule: stop: %v: a hook or the handler of Config.Logger has not returned", e.Cause)
	}
	text := fmt.Sprintf("schedule: stop: %v: cancelled %s", e.Cause, strings.Join(e.Cancelled, ", "))
	if len(e.Running) > 0 {
		text += "; still running: " + strings.Join(e.Running, ", ")
	}
	return text
}

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Cause }

func (s *Scheduler) runningJobs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, n := range s.busy {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// close makes sure that no run begins any more; mu is held.
func (s *Scheduler) close() {
	s.state = stateStopped
	for _, j := range s.jobs {
		s.skipPending(j, ErrStopped)
	}
	s.drain()
}

// release ends the count of a goroutine.
func (s *Scheduler) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	s.drain()
}

// drain closes idle once nothing is active after close; mu is held.
func (s *Scheduler) drain() {
	if s.state == stateStopped && s.active == 0 && !s.drained {
		s.drained = true
		close(s.idle)
	}
}
