package warm

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// refreshState is when a task with a RefreshAt is to run before its entries expire. It is guarded
// by Engine.mu.
type refreshState struct {
	due      time.Time // zero: not before the task's next ordinary run
	idle     bool      // it stopped, since nothing of the task was read
	useful   uint64    // LoaderInfo.Useful when last seen
	readAt   time.Time // when Useful was last seen to have grown, or the last ordinary run
	failures int       // in a row
}

const (
	shortestRefresh = 100 * time.Millisecond // keeps a tiny TTL from becoming a busy loop
	firstBackoff    = time.Second
	idleAfterTTLs   = 2
)

// refreshPeriod is the time from one run of t to its refresh; 0 for a task that isn't refreshed.
func refreshPeriod(t *task) time.Duration {
	if t.info.RefreshAt <= 0 {
		return 0
	}
	return max(time.Duration(t.info.RefreshAt*float64(t.info.TTL)), shortestRefresh)
}

// note sets when t is due after a run of it. An entry's TTL counts from the start of its loader,
// and so does the refresh. A task that is not ok is tried again with an exponential back-off,
// unless it never was: then it has nothing to keep warm, and the schedule comes back to it.
func (s *refreshState) note(t *task, out TaskRun, trigger Trigger, useful uint64) {
	period := refreshPeriod(t)
	if period == 0 {
		return
	}
	now := time.Now()
	if trigger != TriggerRefresh {
		s.idle, s.readAt, s.useful = false, now, useful
	}
	switch {
	case out.Status == TaskOK:
		s.failures = 0
		s.due = out.AsOf.Add(period - early(period, out.Role))
	case !s.due.IsZero():
		s.failures++
		s.due = now.Add(min(firstBackoff<<min(s.failures-1, 16), max(period, firstBackoff)))
	}
}

// refreshSpread is the share of the period by which nodes of a fleet come earlier than that, each
// by another part of it: never later, as entries would expire.
const refreshSpread = 0.05

func early(period time.Duration, role Role) time.Duration {
	if role == RoleLocal {
		return 0
	}
	return time.Duration(rand.Float64() * refreshSpread * float64(period)) //nolint:gosec // spreads nodes; nothing is guarded by it
}

// refresher runs what is due until the engine stops. It looks again whenever a run is over.
func (e *runs) refresher(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var tick <-chan time.Time
		if next := e.refreshDue(ctx); !next.IsZero() {
			timer.Reset(time.Until(next))
			tick = timer.C
		}
		select {
		case <-e.stopped:
			return
		case <-e.wake:
		case <-tick:
		}
	}
}

// refreshDue begins a run of the tasks that are due, and returns when the next one will be. While a
// run goes on there is nothing to say: it may be what is due, and the refresher is woken at its
// end.
func (e *runs) refreshDue(ctx context.Context) time.Time {
	now := time.Now()
	e.mu.Lock()
	if e.current != nil || e.stopping {
		e.mu.Unlock()
		return time.Time{}
	}
	var due, parked []*task
	var next time.Time
	look := func(t *task, at time.Time, list *[]*task) {
		switch {
		case at.IsZero():
		case !at.After(now):
			*list = append(*list, t)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	for _, t := range e.tasks {
		look(t, e.records[t.name].refresh.due, &due)
		look(t, e.records[t.name].parked, &parked)
	}
	e.mu.Unlock()
	if len(parked) > 0 && e.unpark(ctx, parked) {
		return time.Time{}
	}
	if len(parked) > 0 && (next.IsZero() || next.After(now.Add(redisLook))) {
		next = now.Add(redisLook)
	}
	if len(due) == 0 {
		return next
	}

	values := e.values(due)
	var names []string
	for _, t := range due {
		if e.stillRead(ctx, t, values[t.name].Useful) {
			names = append(names, t.name)
		}
	}
	if len(names) == 0 {
		return next
	}
	e.background(ctx, Request{Tasks: names, Trigger: TriggerRefresh})
	return time.Time{}
}

// stillRead reports whether t is worth a refresh: some of its entries were read within the last two
// TTLs.
func (e *runs) stillRead(ctx context.Context, t *task, useful uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &e.records[t.name].refresh
	if useful != s.useful {
		s.useful, s.readAt = useful, time.Now()
	}
	if time.Since(s.readAt) < idleAfterTTLs*t.info.TTL {
		return true
	}
	s.idle, s.due = true, time.Time{}
	e.mu.later(func() {
		e.cfg.Logger.InfoContext(ctx, "warm: refresh stopped", slog.String("task", t.name), slog.Duration("ttl", t.info.TTL),
			slog.String("reason", "nothing of it was read for two TTLs; it resumes with the task's next ordinary run"))
	})
	return false
}
