package schedule

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"
)

// Start begins to run jobs and returns at once. When ctx ends, no run begins any more and the
// contexts of running ones end; Stop still waits for those. A scheduler starts once.
func (s *Scheduler) Start(ctx context.Context) error {
	if err := s.cfg.check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("schedule: start: %w", err)
	}
	s.mu.Lock()
	switch s.state {
	case stateStarted:
		s.mu.Unlock()
		return fmt.Errorf("schedule: start: %w", ErrStarted)
	case stateStopped:
		s.mu.Unlock()
		return fmt.Errorf("schedule: start: %w", ErrStopped)
	}
	s.state = stateStarted
	s.active++ // the loop
	runs, cancel := context.WithCancelCause(ctx)
	loop, halt := context.WithCancel(runs)
	s.cancel, s.halt = cancel, halt
	s.launch = func(j *job, r Run) { s.begin(runs, j, r) }
	if s.cfg.OnDone != nil {
		s.report = func(r Run) {
			s.active++
			go func() {
				defer s.release()
				s.tell(runs, s.cfg.OnDone, r)
			}()
		}
	}
	first := make([]*job, 0, len(s.jobs))
	for _, j := range s.jobs {
		first = append(first, newJob(j.Job))
	}
	s.mu.Unlock()

	now := s.now()
	for _, planned := range first {
		planned.status.ScheduleError = planned.plan(now)
	}
	s.mu.Lock()
	for _, planned := range first {
		j := s.jobs[planned.Name]
		if j == nil || j.index >= 0 || j.paused {
			continue
		}
		j.due, j.fire, j.status.ScheduleError = planned.due, planned.fire, planned.status.ScheduleError
		s.enqueue(j)
		if j.kind == kindReboot {
			s.dispatch(j, []Run{{Job: j.Name, Due: now, Since: now, planned: now}})
		}
	}
	s.mu.Unlock()
	go s.loop(loop)
	return nil
}

// loop sleeps until the next job fires, and fires it.
func (s *Scheduler) loop(ctx context.Context) {
	defer s.release()
	timer := time.NewTimer(s.cfg.MaxSleep)
	defer timer.Stop()
	wall, seen := s.now(), time.Now()
	for {
		now := s.now()
		elapsed := time.Since(seen)
		s.adjust(now, now.Sub(wall)-elapsed)
		wall, seen = now, seen.Add(elapsed)
		s.fire(now)
		timer.Reset(s.sleep())
		select {
		case <-ctx.Done():
			s.mu.Lock()
			s.close()
			s.mu.Unlock()
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// sleep returns how long nothing is due.
func (s *Scheduler) sleep() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return s.cfg.MaxSleep
	}
	return min(s.queue[0].fire.Sub(s.now()), s.cfg.MaxSleep)
}

// adjust answers a clock that was set back by -step. Due times on the wall clock stay, so that none
// runs twice; after more than three hours they are those of the new time. An interval goes on
// counting elapsed time.
func (s *Scheduler) adjust(now time.Time, step time.Duration) {
	if step > -time.Second {
		return
	}
	s.mu.Lock()
	queued := slices.Clone(s.queue)
	s.mu.Unlock()
	for _, j := range queued {
		switch {
		case j.kind == kindEvery:
			s.mu.Lock()
			if j.index >= 0 {
				j.due, j.fire = j.due.Add(step), j.fire.Add(step)
				heap.Fix(&s.queue, j.index)
			}
			s.mu.Unlock()
		case step < -longestGap*time.Second:
			fresh := newJob(j.Job)
			err := fresh.plan(now)
			s.mu.Lock()
			if err == nil && j.index >= 0 {
				j.due, j.fire = fresh.due, fresh.fire
				heap.Fix(&s.queue, j.index)
			}
			s.mu.Unlock()
		}
	}
}

// fire begins the runs of all jobs that are due. It gives mu away only now and then, because the
// runs it has begun all wait for it by then, and always while it asks a schedule that is not of
// this package.
func (s *Scheduler) fire(now time.Time) {
	const batch = 4096
	s.mu.Lock()
	for n := 1; s.state == stateStarted && len(s.queue) > 0 && !s.queue[0].fire.After(now); n++ {
		j, _ := heap.Pop(&s.queue).(*job)
		p := passed{first: j.due, planned: j.fire}
		if j.kind != kindCustom {
			p.count(j, now)
		} else {
			turn := j.turn
			s.mu.Unlock()
			p.count(j, now)
			s.mu.Lock()
			if j.turn != turn || s.state != stateStarted {
				continue
			}
		}
		s.fireOne(j, &p, now)
		if n%batch == 0 {
			s.mu.Unlock()
			s.mu.Lock()
		}
	}
	s.mu.Unlock()
}

// fireOne plans the next due time of a job and begins what has come; mu is held.
func (s *Scheduler) fireOne(j *job, p *passed, now time.Time) {
	j.due, j.fire = p.next, p.fire
	if p.err != nil {
		j.due, j.status.ScheduleError = time.Time{}, p.err
	}
	if !j.due.IsZero() {
		heap.Push(&s.queue, j)
	}
	runs, left := p.runs(j, now, s.cfg.Grace)
	if left.Missed > 0 {
		s.leaveOut(j, left)
	}
	s.dispatch(j, runs)
}
