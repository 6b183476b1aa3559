package schedule

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
)

// dispatch begins runs or does what the overlap policy says; mu is held. Several runs are due times
// to make up for: they follow one another.
func (s *Scheduler) dispatch(j *job, runs []Run) {
	for i, r := range runs {
		switch {
		case s.state != stateStarted:
			return
		case j.Overlap == OverlapAllow, j.running == 0 && len(j.pending) == 0:
			s.launch(j, r)
		case i > 0, j.Overlap == OverlapQueue && len(j.pending) == 0:
			j.pending = append(j.pending, r)
		case j.Overlap == OverlapReplace:
			s.skipPending(j, errReplaced())
			j.pending = append(j.pending, r)
			j.replace()
		default:
			for _, r := range runs {
				s.skip(j, r, nil)
			}
			return
		}
	}
}

func errReplaced() error { return errors.New("replaced by a later run") }

// begin starts the goroutine of a run; mu is held. Only a run that may be replaced needs a context
// of its own: ten thousand of them, due at once, would queue up for their parent's lock.
func (s *Scheduler) begin(ctx context.Context, j *job, r Run) {
	end := func() {}
	if j.Overlap == OverlapReplace {
		own, cancel := context.WithCancelCause(ctx)
		ctx, end = own, func() { cancel(errReplaced()) }
	}
	j.running++
	j.replace = end
	if s.slots == nil {
		s.enter(&r)
	}
	s.active++
	go func() {
		defer end()
		defer s.done(ctx, &r)
		defer s.end(j, &r)
		defer r.settle()
		s.run(ctx, j, &r)
	}()
}

// enter counts a run among those that Stop names; mu is held.
func (s *Scheduler) enter(r *Run) {
	r.entered = true
	s.busy[r.Job]++
}

// run waits for a slot, asks the leader, and calls the job. Whatever the user's code does in it,
// the deferred calls of begin follow: they see an outcome that is still empty where it panicked or
// ended the goroutine.
func (s *Scheduler) run(ctx context.Context, j *job, r *Run) {
	if s.slots != nil {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			r.Outcome, r.Err = OutcomeSkipped, context.Cause(ctx)
			return
		}
		s.mu.Lock()
		stopped := s.state != stateStarted
		if !stopped {
			s.enter(r)
		}
		s.mu.Unlock()
		if stopped {
			r.Outcome, r.Err = OutcomeSkipped, ErrStopped
			return
		}
	}
	if s.cfg.Leader != nil {
		if leads, err := s.cfg.Leader(ctx, j.Name, r.Due); err != nil || !leads {
			r.Outcome, r.Err = OutcomeNotLeader, err
			return
		}
	}
	r.Started = s.now()
	r.Late = max(0, r.Started.Sub(r.planned))
	s.tell(ctx, s.cfg.OnStart, *r)
	defer func() { r.Ended = s.now() }()

	ctx = context.WithValue(ctx, runKey{}, *r)
	if j.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.Timeout)
		defer cancel()
	}
	if r.Err = j.Run(ctx); r.Err != nil {
		r.Outcome = OutcomeError
		return
	}
	r.Outcome = OutcomeOK
}

// settle gives a run that did not return an outcome. It must be deferred itself, for recover to
// work.
func (r *Run) settle() {
	if r.Outcome != "" {
		return
	}
	if v := recover(); v != nil {
		r.Outcome, r.Err = OutcomePanic, &PanicError{Value: v, Stack: debug.Stack()}
		return
	}
	r.Outcome, r.Err = OutcomeError, ErrGoexit
}

// end releases the job, whatever became of the run, and begins the next one that waits.
func (s *Scheduler) end(j *job, r *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.running--
	if r.entered {
		if s.busy[j.Name]--; s.busy[j.Name] == 0 {
			delete(s.busy, j.Name)
		}
	}
	s.record(j, *r)
	if !s.tells(r) {
		s.active--
		s.drain()
	}
	if j.running == 0 && len(j.pending) > 0 {
		next := j.pending[0]
		j.pending = j.pending[1:]
		s.launch(j, next)
	}
}

// tells reports whether done has anything to say about a run.
func (s *Scheduler) tells(r *Run) bool {
	return s.cfg.OnDone != nil || r.Outcome == OutcomeError || r.Outcome == OutcomePanic
}

// done tells of a run, once its job is free again. Most runs are over before it and save a turn of
// mu.
func (s *Scheduler) done(ctx context.Context, r *Run) {
	if !s.tells(r) {
		return
	}
	defer s.release()
	if r.Outcome == OutcomeError || r.Outcome == OutcomePanic {
		s.log(ctx, "scheduled run failed", slog.String("job", r.Job), slog.Time("due", r.Due), slog.Any("error", r.Err))
	}
	s.tell(ctx, s.cfg.OnDone, *r)
}

// tell calls a hook and survives its panic.
func (s *Scheduler) tell(ctx context.Context, hook func(Run), r Run) {
	if hook == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			s.log(ctx, "hook of the scheduler panicked", slog.String("job", r.Job), slog.Any("panic", v))
		}
	}()
	hook(r)
}

// log survives a handler that panics, or what it prints.
func (s *Scheduler) log(ctx context.Context, text string, attrs ...slog.Attr) {
	defer func() { _ = recover() }()
	s.cfg.Logger.LogAttrs(ctx, slog.LevelError, text, attrs...) //nolint:sloglint // a constant of its callers
}

// skip records a run that the overlap policy or a stop left out; mu is held.
func (s *Scheduler) skip(j *job, r Run, why error) {
	r.Outcome, r.Err = OutcomeSkipped, why
	s.leaveOut(j, r)
}

// skipPending leaves out what waits for a running one; mu is held.
func (s *Scheduler) skipPending(j *job, why error) {
	for _, r := range j.pending {
		s.skip(j, r, why)
	}
	j.pending = nil
}

// leaveOut records a run that did not take place; mu is held. Its hook is called from a goroutine,
// because mu is held and because a slow hook must not delay other jobs.
func (s *Scheduler) leaveOut(j *job, r Run) {
	s.record(j, r)
	if s.report != nil {
		s.report(r)
	}
}

// record counts a run and remembers it; mu is held.
func (s *Scheduler) record(j *job, r Run) {
	st := &j.status
	switch r.Outcome {
	case OutcomeSkipped:
		st.Skipped++
	case OutcomeNotLeader:
		st.NotLeader++
	case OutcomeError, OutcomePanic:
		st.Failures++
	}
	st.Missed += r.Missed
	st.LastOutcome = r.Outcome
	if !r.Started.IsZero() {
		st.Runs++
		st.LastRun, st.LastDue = r.Started, r.Due
		st.LastError, st.LastDuration, st.LastLate = r.Err, r.Ended.Sub(r.Started), r.Late
	}
	switch {
	case s.cfg.History < 0:
	case len(j.history) < s.cfg.History:
		j.history = append(j.history, r)
	default:
		j.history[j.oldest] = r
		j.oldest = (j.oldest + 1) % len(j.history)
	}
}
