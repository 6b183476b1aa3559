package warm

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warmcache/warmcache/warm/internal/ledger"
)

// lease is a leader's hold on its task's lock.
type lease struct {
	ledger *ledger.Ledger
	token  string
	task   *task
	began  time.Time // before the lock was asked for, and so before the source is read
	former string
	slot   string

	chunks int  // of the manifest; only one goroutine at a time reports batches
	broken bool // the manifest is not whole: followers could not use it

	spoiled atomic.Bool // some of what was written has been taken back

	renewed atomic.Int64 // when the lock was last known to be ours, as time since began
	lost    atomic.Bool
	cancel  context.CancelCauseFunc
}

// lead runs a task as its leader. Lost says that another node has taken over, or may have: the
// record is of no use then.
func (e *runs) lead(ctx context.Context, r *running, t *task, hold *lease) (out TaskRun, lost bool) {
	e.setRole(r, t, RoleLeader)
	held, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	hold.cancel = cancel
	var beat sync.WaitGroup
	stop := make(chan struct{})
	beat.Go(func() { hold.beat(held, stop) })
	out = e.load(held, r, t, hold)
	close(stop)
	beat.Wait()
	out.AsOf = hold.began

	after := context.WithoutCancel(ctx)
	var err error
	switch {
	case hold.lost.Load():
		return out, out.Status != TaskAbandoned // what goes on behind our back is not begun twice
	case out.Status == TaskCancelled || out.Status == TaskSkipped:
		err = hold.ledger.Release(after, hold.token)
	case hold.whole(out):
		p := ledger.Pass{Slot: hold.slot, Began: hold.began, Chunks: hold.chunks, Former: hold.former, Life: t.life()}
		if err = hold.ledger.Complete(after, hold.token, p); errors.Is(err, ledger.ErrLockLost) {
			out.Err = err
			return out, true
		}
		if hold.spoiled.Load() { // meanwhile
			err = errors.Join(err, hold.ledger.Withdraw(after, hold.token))
		}
	default:
		err = hold.ledger.Fail(after, hold.token)
	}
	if err != nil && !errors.Is(err, ledger.ErrLockLost) {
		e.cfg.Logger.WarnContext(ctx, "warm: the fleet was not told how the task ended: another node will run it", slog.String("task", t.name), slog.Any("error", err))
	}
	return out, false
}

// whole reports whether the source has given all, and Redis and the manifest hold it.
func (h *lease) whole(out TaskRun) bool {
	return (out.Status == TaskOK || out.Status == TaskPartial && out.Result.Err == nil && out.Result.TakenBack == 0) && !h.broken && !h.spoiled.Load()
}

// beat keeps the lock until stop. A third of its life leaves room for two that fail.
func (h *lease) beat(ctx context.Context, stop <-chan struct{}) {
	every := max(h.ledger.Life()/3, time.Millisecond)
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		next := every
		if err := h.ask(func() error { return h.ledger.Renew(context.WithoutCancel(ctx), h.token) }); err != nil {
			next = every / 4
		}
		if h.lost.Load() {
			return
		}
		timer.Reset(next)
	}
}

// ask lets the ledger say whether the lock is ours. It is given up too where Redis has not said so
// for as long as the lock lives.
func (h *lease) ask(question func() error) error {
	asked := int64(time.Since(h.began))
	err := question()
	switch {
	case err == nil || errors.Is(err, ledger.ErrFull):
		h.renewed.Store(max(asked, h.renewed.Load()))
	case errors.Is(err, ledger.ErrLockLost) || time.Since(h.began)-time.Duration(h.renewed.Load()) >= h.ledger.Life():
		h.lost.Store(true)
		h.cancel(ledger.ErrLockLost)
	}
	return err
}

// kept enters a batch's keys into the manifest, and answers whether this node still is the leader:
// the lock's holder alone can write there. What Redis doesn't answer twice is as good as a no, as
// nothing shows then that the batch was written in time.
func (h *lease) kept(ctx context.Context, keys []string) error {
	enter := func() error {
		return h.ledger.Chunk(ctx, h.token, h.chunks, keys, h.task.life())
	}
	err := h.ask(enter)
	if err != nil && !errors.Is(err, ledger.ErrLockLost) && !errors.Is(err, ledger.ErrFull) && ctx.Err() == nil {
		err = h.ask(enter)
	}
	switch {
	case errors.Is(err, ledger.ErrFull):
		h.broken = true
		return nil
	case err != nil:
		h.lost.Store(true)
		h.cancel(ledger.ErrLockLost)
		return err
	case len(keys) > 0:
		h.chunks++
	}
	return nil
}

// again begins the manifest anew, for another attempt of the loader.
func (h *lease) again() { h.chunks, h.broken = 0, false }
