package warm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

// stopWait is how long what was cancelled is waited for: loaders that ignore it, and what their
// runs then have to say to Redis and to the log. With the moments that the scheduler takes, Stop is
// over within three seconds from the end of its context.
const stopWait = 2500 * time.Millisecond

// Stop begins nothing more and waits for the running tasks. When ctx ends it cancels them and waits
// for them on, a second or Grace at most, whichever is shorter; the error then names what was
// cancelled, and whose loader still runs. What else does not return, such as a log handler that
// blocks, is named as well: Stop is over three seconds after ctx at the latest. Runs that wait for
// their turn end with [ErrStopped]. Ready closes, so that nobody waits for it any longer. Stop may
// be called before Start, more than once, and by several at a time.
func (e *Engine) Stop(ctx context.Context) error {
	e.shut(ctx)
	// The jobs of the scheduler do nothing but wait for their run: its error would say less than
	// ours.
	_ = e.scheduler.Stop(ctx)
	over := make(chan struct{})
	go func() { // ends with the last run
		e.goroutines.Wait()
		close(over)
	}()
	var cut []string
	select {
	case <-over:
	case <-ctx.Done():
		cut = e.cancelCurrent()
	}
	left := e.left(ctx, over)
	e.events.close()
	if len(cut) > 0 {
		e.mu.Lock()
		if stray := e.stray(); len(stray) > 0 {
			cut = append(cut, "the loaders of "+strings.Join(stray, ", ")+" ignore it")
		}
		e.mu.Unlock()
	}
	if cut = append(cut, left...); len(cut) > 0 {
		return fmt.Errorf("warm: stop: %s: %w", strings.Join(cut, "; "), context.Cause(ctx))
	}
	return nil
}

// shut makes sure that nothing more begins.
func (e *runs) shut(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return
	}
	e.stopping = true
	close(e.stopped)
	for _, r := range e.queue {
		e.drop(r, ErrStopped)
	}
	e.queue = nil
	e.openGate(ctx, "the engine stops")
	e.aside()
	e.stopAfter()
}

// aside logs what came up in a goroutine that Stop waits for, since its caller is not to be held.
// The caller holds e.mu, and either e.stopping has just been set or is not.
func (e *runs) aside() {
	lines := e.mu.take()
	e.goroutines.Go(func() {
		for _, line := range lines {
			line()
		}
	})
}

// cancelCurrent cancels the current run and says so; nil where there is none.
func (e *runs) cancelCurrent() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil {
		return nil
	}
	select {
	case <-e.hurry:
	default:
		close(e.hurry)
	}
	e.current.cancel(ErrStopped)
	return []string{"run " + e.current.run.ID + " was cancelled"}
}

// left waits a while for the engine's goroutines and for the scheduler's, and says what of them
// still runs.
func (e *runs) left(ctx context.Context, over <-chan struct{}) (left []string) {
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	select {
	case <-over:
	case <-wait.Done():
		left = append(left, e.unreturned())
	}
	if jobs, ok := errors.AsType[*schedule.StopError](e.scheduler.Stop(wait)); ok {
		what := "a job"
		if len(jobs.Running) > 0 {
			what = "the job " + strings.Join(jobs.Running, ", ")
		}
		left = append(left, what+" of the schedule still runs: does the handler of Config.Logger block?")
	}
	return left
}

// unreturned names the goroutines that Stop has waited for in vain.
func (e *runs) unreturned() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != nil {
		return "run " + e.current.run.ID + " still runs: " + mayBlock
	}
	return "work in the background still runs: " + mayBlock
}

// mayBlock is what code of the program's can hold a run that was cancelled.
const mayBlock = "does the handler of Config.Logger block, or a method of a Target?"

// stray names the tasks whose call was abandoned and goes on. The caller holds e.mu.
func (e *runs) stray() []string {
	var names []string
	for _, t := range e.tasks {
		if t.busy.Load() && t.abandoned.Load() {
			names = append(names, t.name)
		}
	}
	return names
}
