package tiercache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// share loads the keys whose leases it has, or gets, batch by batch, and beside that looks after
// the nodes that hold the others': who waits for one of those here is not to wait for our loads
// too. Two nodes with keys in common never wait for each other, as neither's loads wait. direct are
// loaded without leases; those of queue are yet to be asked for.
func (l *loading[K, V]) share(ctx context.Context, got leases[K, V], direct, queue []*flight[K, V]) {
	under, over := 0, make(chan struct{}, len(l.fls)) // loads
	defer func() {
		for range under {
			<-over
		}
	}()
	load := func(fls []*flight[K, V], held tenure) {
		if len(fls) > 0 {
			under++
			l.beside(ctx, fls, held, over)
		}
	}
	load(got.mine, leased)
	load(direct, unleased)
	lost, pause, deadline := got.lost, pollNow, time.Now().Add(l.c.cfg.LoadTimeout)
	for {
		for under == 0 && len(queue) > 0 {
			batch := queue[:min(redistier.BatchKeys, len(queue))]
			queue = queue[len(batch):]
			if more := l.leaseBatch(ctx, batch, load); len(more) > 0 {
				lost, pause, deadline = append(lost, more...), pollFirst, time.Now().Add(l.c.cfg.LoadTimeout)
			}
		}
		if len(lost) == 0 && under == 0 {
			return
		}
		var poll <-chan time.Time
		if len(lost) > 0 {
			poll = time.After(pause/2 + rand.N(pause/2))
		}
		select {
		case <-ctx.Done():
			return // finishAll ends what is left
		case <-over:
			under--
			continue
		case <-poll:
		}
		late, again := time.Now().After(deadline), lost
		lost = nil
		for batch := range slices.Chunk(again, redistier.BatchKeys) {
			lost = append(lost, l.leaseBatch(ctx, batch, load)...)
		}
		if late {
			l.giveUp(lost)
			lost = nil
		}
		pause = min(max(2*pause, pollFirst), pollMost)
	}
}

// giveUp ends flights whose keys other nodes have been loading for too long.
func (l *loading[K, V]) giveUp(fls []*flight[K, V]) {
	for _, f := range fls {
		err := fmt.Errorf("another node has been loading it for %v: %w", l.c.cfg.LoadTimeout, context.DeadlineExceeded)
		l.c.end(f, nil, 0, l.c.loadError(f.key, err))
	}
}

// beside loads flights in a goroutine of its own, which says when it is over.
func (l *loading[K, V]) beside(ctx context.Context, fls []*flight[K, V], held tenure, over chan<- struct{}) {
	go func() {
		defer func() {
			if v := recover(); v != nil {
				l.c.finishAll(fls, failure.NewPanicError(v))
			}
			over <- struct{}{}
		}()
		l.load(ctx, fls, held)
	}()
}

// leaseBatch has those of the keys loaded whose leases it gets, and returns those that others hold.
func (l *loading[K, V]) leaseBatch(ctx context.Context, fls []*flight[K, V], load func([]*flight[K, V], tenure)) (lost []*flight[K, V]) {
	got, err := l.acquire(ctx, fls, l.c.remote.Acquire)
	if err == nil && len(got.again) > 0 {
		err = l.take(ctx, &got)
	}
	if err != nil {
		l.c.redisFailed(err, len(fls))
		load(underway(fls), unleased)
		return nil
	}
	l.release(ctx, got.spare)
	load(got.mine, leased)
	load(got.away, unleased)
	return got.lost
}

// leases is what became of flights that asked for their keys' leases, of those that have not ended.
type leases[K comparable, V any] struct {
	mine    []*flight[K, V] // to be loaded and committed
	lost    []*flight[K, V] // held by others
	again   []*flight[K, V] // what stands in the lease's place may be taken over
	holders []string        // that, for each of again
	away    []*flight[K, V] // their shard did not say
	spare   []string        // leases of keys that somebody committed meanwhile
}

type acquire func(ctx context.Context, texts []string, token string) ([]redistier.Found, error)

// acquire asks for leases, and ends the flights to which Redis has the answer.
func (l *loading[K, V]) acquire(ctx context.Context, fls []*flight[K, V], acquire acquire) (got leases[K, V], err error) {
	if l.token == "" {
		l.token = record.NewToken()
	}
	now := l.c.memory.Clock.Now()
	names := texts(fls)
	all, err := acquire(ctx, names, l.token)
	if err == nil {
		err = l.c.validate(ctx, names, all, fls[0].seen, now)
	}
	if err != nil {
		return got, err
	}
	for i, f := range fls {
		mark, failed := strings.CutPrefix(all[i].Holder, redistier.BackOffMark)
		switch {
		case (all[i].Err == nil || all[i].Ok) && l.answer(f, &all[i], now): // a full Redis gives no lease, but what it has
			if all[i].Held {
				got.spare = append(got.spare, f.text)
			}
		case all[i].Err != nil:
			l.c.redisFailed(all[i].Err, 1)
			got.away = append(got.away, f)
		case all[i].Held:
			got.mine = append(got.mine, f)
		case failed && !f.force && l.c.servable(f.stale.Load(), now):
			l.c.end(f, nil, 0, l.c.loadError(f.key, failedElsewhere(mark)))
		case failed, f.force && stealable(all[i].Holder):
			got.again, got.holders = append(got.again, f), append(got.holders, all[i].Holder)
		default:
			got.lost = append(got.lost, f)
		}
	}
	return got, nil
}

// take takes leases over from exactly what was seen in their places: the mark of a load that
// failed, or, for a refresh, the lease of a load that read the source before. Whoever came in
// between keeps it.
func (l *loading[K, V]) take(ctx context.Context, got *leases[K, V]) error {
	if got.again[0].force { // then it is alone
		l.token = stolen(l.token)
	}
	errs, err := l.c.remote.Take(ctx, l.token, texts(got.again), got.holders)
	if err != nil {
		return err
	}
	for i, f := range got.again {
		switch {
		case errs[i] == nil:
			got.mine = append(got.mine, f)
		case errors.Is(errs[i], redistier.ErrLeaseLost):
			got.lost = append(got.lost, f)
		default:
			l.c.redisFailed(errs[i], 1)
			got.away = append(got.away, f)
		}
	}
	return nil
}

// A lease that was stolen is not stolen again: else nodes that refresh a key more often than it
// loads would refuse each other every commit. Its token says so.
const stolenMark = 'S'

func stolen(token string) string { return string(stolenMark) + token[1:] }

// stealable reports whether a refresh may take a lease from its holder.
func stealable(holder string) bool { return holder != "" && holder[0] != stolenMark }

// release gives leases back without a value, also when the cache is being closed: other nodes would
// wait for them.
func (l *loading[K, V]) release(ctx context.Context, keys []string) {
	for batch := range slices.Chunk(keys, redistier.BatchKeys) {
		if err := l.c.remote.Release(context.WithoutCancel(ctx), l.token, batch); err != nil {
			l.c.redisFailed(err, len(batch))
		}
	}
}
