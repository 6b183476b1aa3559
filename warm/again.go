package warm

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// What a task has warmed may be lost to Redis's troubles: entries that did not reach it, or were
// taken back from it, be it after the run has ended. Such a task is partial, its pass is not
// complete to the fleet, and it runs again by itself, soon, and then ever later while that doesn't
// help.

const (
	// redisLook is how often a node with tasks that wait for Redis looks for it, and how soon a
	// task is made good.
	redisLook = time.Second
	// mostAgain bounds the pause before it is tried once more.
	mostAgain = 10 * time.Minute
)

// takenBackError is the error of a run of which so many entries were taken back.
type takenBackError int

func (n takenBackError) Error() string {
	return fmt.Sprintf("%d entries were taken back from Redis, as it is not known whether they were invalidated meanwhile: the task runs again", int(n))
}

// tookBack is the record of a run of which n more entries were taken back.
func (t TaskRun) tookBack(n int) TaskRun {
	t.Result.TakenBack += n
	t.Items = max(0, t.Items-n)
	if t.Status == TaskOK {
		t.Status = TaskPartial
	}
	if t.Err == nil || t.said().back {
		t.Err = takenBackError(t.Result.TakenBack)
		t.answer = &said{reason: reason(t), back: true, capped: t.said().capped}
	}
	return t
}

// toMakeGood reports whether a task is to run again for what Redis has lost. On a full Redis that
// would not help.
func (t TaskRun) toMakeGood() bool {
	said := t.said()
	lost := t.Result.TakenBack > 0 || said.lost
	return lost && !t.full && !said.oom
}

// takenBack hears of entries of a task that were taken back, after its loader was done.
func (e *runs) takenBack(ctx context.Context, r *running, t *task, hold *lease, n int) {
	if hold != nil && hold.lost.Load() {
		return // another leader has begun anew
	}
	var err error
	if hold != nil {
		hold.spoiled.Store(true) // before the look at the ledger: its leader looks the other way round
		err = hold.ledger.Withdraw(ctx, hold.token)
	}
	e.cfg.Logger.WarnContext(ctx, "warm: entries taken back", slog.String("run", r.run.ID), slog.String("task", t.name), slog.Int("entries", n), slog.Any("ledger", err))
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.Index(r.tasks, t)
	if r.run.Tasks[i].Ended.IsZero() {
		r.back[i] += n
		return
	}
	out := r.run.Tasks[i].tookBack(n)
	r.run.Tasks[i] = out
	for k := range e.history {
		amend(&e.history[k], r.run.ID, i, out)
	}
	if e.last != nil {
		amend(e.last, r.run.ID, i, out)
	}
	if rec := e.records[t.name]; rec.lastRunID == r.run.ID {
		if rec.last.Status == TaskOK {
			rec.succeeded = rec.before
		}
		if rec.last = out; rec.parked.IsZero() { // else it is to run again already
			rec.park(out)
		}
		if err != nil {
			rec.spoiled = hold
		}
		e.wakeUp()
	}
}

// amend replaces the record of a task in that of its run.
func amend(r *Run, id string, i int, out TaskRun) {
	if r.ID == id {
		r.Tasks[i] = out
	}
}

// park notes that a task waits for Redis, or to be made good, or no longer does.
func (rec *taskRecord) park(out TaskRun) {
	switch {
	case out.said().away:
		rec.parked = time.Now().Add(redisLook)
	case out.toMakeGood():
		rec.parked = time.Now().Add(min(redisLook<<min(rec.again, 16), mostAgain))
		rec.again++
	default:
		rec.parked, rec.again = time.Time{}, 0
	}
}

// unpark begins a run of tasks that waited for Redis, if that answers.
func (e *runs) unpark(ctx context.Context, parked []*task) bool {
	if !e.answers(ctx) {
		return false
	}
	names := make([]string, len(parked))
	for i, t := range parked {
		names[i] = t.name
		e.mu.Lock()
		rec := e.records[t.name]
		spoiled := rec.spoiled
		e.mu.Unlock()
		if spoiled == nil {
			continue
		}
		if spoiled.ledger.Withdraw(ctx, spoiled.token) != nil {
			return false // the run would take the pass for complete
		}
		e.mu.Lock()
		rec.spoiled = nil
		e.mu.Unlock()
	}
	_, begun := e.background(ctx, Request{Tasks: names, Trigger: TriggerStartup})
	return begun
}

// answers reports whether the fleet's Redis does, where there is one.
func (e *runs) answers(ctx context.Context) bool {
	return e.cfg.Redis == nil ||
		e.cfg.Redis.Do(ctx, func(ctx context.Context, client redis.UniversalClient) error { return client.Ping(ctx).Err() }) == nil
}

// wakeUp lets the refresher look again.
func (e *runs) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default: // it will look anyway
	}
}
