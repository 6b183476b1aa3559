package warm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm/internal/ledger"
)

// inFleet reports whether a task is done once for all nodes. It is not where this process is alone,
// where what one node warms doesn't reach the others, or where the task says that every node is to
// do it.
func (e *runs) inFleet(t *task) bool {
	return e.cfg.Redis != nil && !t.opts.EveryNode && (t.target == nil || t.info.Format != "")
}

// role is the one that a task begins with; one in a fleet leads once it has the lock.
func (e *runs) role(t *task) Role {
	switch {
	case e.inFleet(t):
		return RoleFollower
	case e.cfg.Redis != nil:
		return RoleLeader
	default:
		return RoleLocal
	}
}

// wanted is what a run asks of a pass over a task's source.
//
//   - A run of the cron job wants one that was made for its own fire time: nodes agree on that,
//     whatever their clocks say.
//   - One of the interval job, or of a cron job that says @every, wants a pass of this interval; a
//     little less, as timers are not exact.
//   - At start the last pass will do if its entries have a good part of their life before them: the
//     rolling deploy of a fleet asks the source once.
//   - A refresh comes at a share of the TTL: any pass that began well after the one before will do.
//   - Somebody who asks by hand wants one that began after he asked, or that is under way.
func (e *runs) wanted(r *running, t *task) ledger.Terms {
	switch {
	case r.slot != "":
		return ledger.Terms{Slot: r.slot}
	case r.run.Trigger == TriggerSchedule && (r.every > 0 || e.cfg.Interval > 0):
		return ledger.Terms{Age: cmp.Or(r.every, e.cfg.Interval) * 9 / 10}
	case r.run.Trigger == TriggerStartup:
		return ledger.Terms{Age: e.startupAge(t)}
	case r.run.Trigger == TriggerRefresh:
		return ledger.Terms{Age: refreshPeriod(t) / 2}
	default:
		return ledger.Terms{Force: true}
	}
}

const (
	startupShare  = 0.8       // of a TTL
	noTTL         = time.Hour // stands for the TTL of what has none
	leastLookWait = 20 * time.Millisecond
	mostLookWait  = 500 * time.Millisecond
	claimTries    = 3
	claimAgain    = 100 * time.Millisecond
)

// startupAge is how old a pass may be for a node that starts.
func (e *runs) startupAge(t *task) time.Duration {
	if e.cfg.StartupAge > 0 {
		return e.cfg.StartupAge
	}
	if period := refreshPeriod(t); period > 0 {
		return period
	}
	return time.Duration(startupShare * float64(t.life()))
}

// life is how long what a pass wrote is of use.
func (t *task) life() time.Duration {
	if t.info.TTL > 0 {
		return t.info.TTL
	}
	return noTTL
}

var (
	errRedisAway = errors.New("the task waits until Redis is back")
	errRedisFull = errors.New("redis is full")
	// errGone is what a follower finds of a pass that is of no use to it.
	errGone = errors.New("most of what the last complete pass has left in Redis is gone")
)

// ledger is where the fleet knows a task from.
func (e *runs) ledger(t *task) *ledger.Ledger {
	return ledger.New(e.cfg.Redis, ledger.Key(e.cfg.Redis.Prefix(), t.cache, t.name, t.info.Format), e.cfg.LockLife)
}

// sharing is a task of a fleet on its way: it leads, or waits for the node that does and fills
// memory with what that has left in Redis.
type sharing struct {
	e         *runs
	r         *running
	t         *task
	l         *ledger.Ledger
	out       TaskRun
	want      ledger.Terms
	token     string
	wait      time.Duration
	waited    bool // for Redis
	withdrawn bool // a pass of which nothing was left
}

// share runs a task of a fleet.
func (e *runs) share(ctx context.Context, r *running, t *task) TaskRun {
	s := &sharing{
		e: e, r: r, t: t, l: e.ledger(t),
		out: TaskRun{Name: t.name, Role: RoleFollower, Started: time.Now()}, want: e.wanted(r, t), token: newID() + newID(),
	}
	for s.wait = leastLookWait; ; s.wait = min(s.wait*3/2, mostLookWait, max(s.l.Life()/4, leastLookWait)) {
		if out, over := s.step(ctx); over {
			return out
		}
		if !pause(ctx, s.wait/2+rand.N(s.wait)) { //nolint:gosec // spreads nodes; nothing is guarded by it
			return s.end(interrupted(ctx))
		}
	}
}

func (s *sharing) end(status TaskStatus, err error) TaskRun {
	s.out.Status, s.out.Err, s.out.Ended = status, err, time.Now()
	return s.out
}

// step asks the ledger, and does what it says. over says that the task has ended.
func (s *sharing) step(ctx context.Context) (out TaskRun, over bool) {
	asked := time.Now()
	if s.r.byHand() {
		s.want.Age = asked.Sub(s.out.Started) // whoever made it, if it began since
	}
	c, err := ask(ctx, s.l, s.token, s.want)
	if err == nil && c.Verdict == ledger.Done {
		if out, over, err = s.follow(ctx, c); over || err == nil {
			return out, over
		}
	}
	switch {
	case ctx.Err() != nil:
		if err != nil || c.Verdict == ledger.Lead {
			s.e.giveBack(ctx, s.l, s.token)
		}
		return s.end(interrupted(ctx)), true
	case err != nil:
		return s.away(ctx, err)
	case c.Verdict == ledger.Lead:
		return s.lead(ctx, c, asked)
	case c.Verdict == ledger.Busy:
		s.want.Pass, s.want.Force = c.Pass, false
	}
	return TaskRun{}, false
}

// follow takes what a complete pass has left. Where most of that is gone, the pass is withdrawn,
// once.
func (s *sharing) follow(ctx context.Context, c ledger.Claim) (out TaskRun, over bool, err error) {
	out, err = s.e.follow(ctx, s.r, s.t, s.l, c)
	gone := errors.Is(err, errGone)
	if gone && !s.withdrawn && s.l.Withdraw(ctx, c.Pass) == nil {
		s.withdrawn, s.want.Pass = true, ""
		return TaskRun{}, false, nil
	}
	out.Started, out.Attempts = s.out.Started, s.out.Attempts
	return out, err == nil || gone || ctx.Err() != nil || s.r.byHand(), err
}

// away waits a while for a Redis that does not answer, or is full; then the node is on its own.
func (s *sharing) away(ctx context.Context, err error) (out TaskRun, over bool) {
	if s.waited || s.r.byHand() {
		return s.e.alone(ctx, s.r, s.t, err), true
	}
	if !errors.Is(err, errRedisFull) && !s.e.mayWarmAlone(s.t) {
		return s.end(TaskSkipped, fmt.Errorf("%w: %w", errRedisAway, err)), true
	}
	s.waited, s.wait = true, s.e.spread()
	return TaskRun{}, false
}

// lead asks the source for all. A node that has lost its lock meanwhile looks again what there is.
func (s *sharing) lead(ctx context.Context, c ledger.Claim, asked time.Time) (out TaskRun, over bool) {
	out, lost := s.e.lead(ctx, s.r, s.t, &lease{ledger: s.l, token: s.token, task: s.t, began: asked, former: c.Former, slot: s.want.Slot})
	out.Started = s.out.Started
	if !lost {
		return out, true
	}
	s.out.Attempts += out.Attempts
	s.token, s.wait = newID()+newID(), leastLookWait
	s.e.ousted(ctx, s.r, s.t, out.Err)
	return TaskRun{}, false
}

// ask is a claim that is made again where it fails: one late answer of a busy server is no outage.
// That Redis is full is an error of its own.
func ask(ctx context.Context, l *ledger.Ledger, token string, want ledger.Terms) (c ledger.Claim, err error) {
	for try := 1; ; try++ {
		if c, err = l.Claim(ctx, token, want); err == nil && c.Verdict == ledger.Full {
			return c, errRedisFull
		}
		if err == nil || try == claimTries || !pause(ctx, claimAgain/2+rand.N(claimAgain)) { //nolint:gosec // spreads nodes; nothing is guarded by it
			return c, err
		}
	}
}

// ousted notes that a leader has lost its lock.
func (e *runs) ousted(ctx context.Context, r *running, t *task, why error) {
	e.cfg.Logger.WarnContext(ctx, "warm: lock lost", slog.String("run", r.run.ID), slog.String("task", t.name), slog.Any("cause", why))
	e.setRole(r, t, RoleFollower)
}

// byHand says that somebody asked for the run and waits for it.
func (r *running) byHand() bool {
	return r.run.Trigger == TriggerManual || r.run.Trigger == TriggerHTTP
}

// interrupted is how a task ends whose context has ended while it waited.
func interrupted(ctx context.Context) (TaskStatus, error) {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return TaskFailed, cause
	}
	return TaskCancelled, cause
}

// pause waits, and reports whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// giveBack releases a lock that a claim may have taken though nobody heard of it.
func (e *runs) giveBack(ctx context.Context, l *ledger.Ledger, token string) {
	if err := l.Release(context.WithoutCancel(ctx), token); err != nil && !errors.Is(err, ledger.ErrLockLost) {
		e.cfg.Logger.WarnContext(ctx, "warm: lock not released: it ends by itself", slog.Any("error", err))
	}
}

// mostSpread bounds the random wait of a node that is about to warm alone.
const mostSpread = 5 * time.Second

// spread is that wait: a fleet that has lost its Redis would ask the source all at once.
func (e *runs) spread() time.Duration {
	return max(min(mostSpread, e.cfg.ReadyTimeout/6), time.Millisecond)
}

// mayWarmAlone reports whether a task is worth the source's while on every node, when Redis is
// away: one that readiness waits for is, and so is what such a task comes after.
func (e *runs) mayWarmAlone(t *task) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	needed := map[string]bool{t.name: true}
	for range e.tasks { // as long as a chain can be
		for _, other := range e.tasks {
			for _, dep := range other.opts.After {
				if needed[dep] {
					needed[other.name] = true
				}
			}
		}
	}
	for _, other := range e.tasks {
		if other.opts.Required && needed[other.name] {
			return true
		}
	}
	return false
}

// alone warms this process without its fleet. A Redis that is full may be so for days: each node
// warms its memory as often as the task is due, and no more.
func (e *runs) alone(ctx context.Context, r *running, t *task, why error) TaskRun {
	what := "Redis is away"
	if errors.Is(why, errRedisFull) {
		what = "Redis is full"
	}
	e.cfg.Logger.WarnContext(ctx, "warm: the task runs on this node alone", slog.String("as", what), slog.String("run", r.run.ID), slog.String("task", t.name), slog.Any("error", why))
	e.setRole(r, t, RoleLocal)
	out := e.load(ctx, r, t, nil)
	out.full = errors.Is(why, errRedisFull)
	if out.Warning == "" && out.Items > 0 {
		out.Warning = what + ": it ran on this node alone, into memory"
	}
	return out
}

// follow fills memory from Redis with what a pass has left there.
func (e *runs) follow(ctx context.Context, r *running, t *task, l *ledger.Ledger, c ledger.Claim) (TaskRun, error) {
	out := TaskRun{Name: t.name, Role: RoleFollower, AsOf: time.Now().Add(-c.Ago)}
	end := func(status TaskStatus, err error) (TaskRun, error) {
		out.Status, out.Err, out.Ended = status, err, time.Now()
		return out, err
	}
	if t.target == nil {
		return end(TaskOK, nil)
	}
	timeout := e.timeout(t)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, taskTimeoutError{timeout})
	defer cancel()
	keys, damaged, err := l.Keys(ctx, c)
	if err == nil {
		stored := e.progress(r, t)
		out.Result = t.target.Hydrate(ctx, keys, tiercache.WarmOptions{Task: t.name, Age: c.Ago, Stored: func(string) { stored.Add(1) }})
		out.Items, err = out.Result.Memory, out.Result.Err
	}
	if ctx.Err() != nil {
		return end(interrupted(ctx))
	}
	if damaged > 0 {
		out.Warning = "a part of its list of keys is gone: the rest is left to demand"
	}
	if err != nil {
		return end(TaskFailed, err)
	}
	if gone := out.gone(); 2*gone > out.Result.Emitted || 2*damaged > c.Chunks {
		return end(TaskPartial, fmt.Errorf("%w: %d of %d keys, and %d of %d parts of their list", errGone, gone, out.Result.Emitted, damaged, c.Chunks))
	}
	return end(TaskOK, nil)
}

// gone counts the keys that Redis no longer held.
func (t TaskRun) gone() int {
	r := t.Result
	return r.Emitted - r.Memory - r.SkippedRoom - r.Refused - r.Failed
}
