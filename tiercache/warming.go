package tiercache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// warming is one run of one loader.
type warming[K comparable, V any] struct {
	c         *warmup[K, V]
	loader    *loaderState[K, V]
	opts      WarmOptions
	ctx       context.Context //nolint:containedctx // of the run, which emit has no other way to see
	read      int64           // when the source read began: before the loader ran
	gens      []uint64        // and the generations of then: what was invalidated since is refused
	seen      memory.Snapshot
	tokens    map[string]string     // as they were then; nil: Redis did not say
	joined    string                // as they stand in a record without tags
	times     *redistier.ServerTime // likewise
	missed    uint64                // losses of the channel
	takeovers uint64                // likewise
	losses    uint64                // of memory

	mu      sync.Mutex // emit is safe for concurrent use
	over    bool
	batch   []warmEntry[K, V]
	bytes   int
	since   int64            // when the batch's first entry came
	flying  []*sending[K, V] // the batches before, on their way to Redis, the oldest first
	spare   []warmEntry[K, V]
	writes  []redistier.Write
	states  []warmKey
	arena   arena // of the batch's records
	idle    arena // of one that has arrived
	keys    map[K]*warmKey
	room    int64
	soon    int64 // the first of those that are in memory is fresh until then
	res     WarmResult
	cleared int   // entries that were refused though nobody has invalidated their keys
	redis   error // why the last batch did not reach Redis
	back    takenBackOf
	halt    error // of WarmOptions.Kept, or of a callback that panicked
}

// warmEntry is one emitted value on its way.
type warmEntry[K comparable, V any] struct {
	key     K
	hash    uint64
	cost    int64
	item    *memory.Item[V]
	write   redistier.Write
	unsent  bool // it can't stand in Redis, nor arrive there
	state   *warmKey
	nth     int // of the run's values
	outcome warmOutcome
}

// warmKey is what became of a key, by the last value emitted.
type warmKey struct {
	id       uint64 // of the last version that the run wrote
	nth      int    // of the last value
	outcome  warmOutcome
	inMemory bool // it has its room already
	landed   bool // the last version that Redis took is in memory, as far as memory has lost nothing since
	queued   int  // its place in the batch that is being filled, from 1; 0 is none
	flying   bool // an earlier version is on its way to Redis
	kept     bool // WarmOptions.Kept has heard of it
}

// becomes notes what became of an entry; its key hears of it unless a later value is under way.
func (e *warmEntry[K, V]) becomes(outcome warmOutcome) {
	if e.outcome = outcome; e.nth == e.state.nth {
		e.state.outcome = outcome
	}
}

type warmOutcome uint8

const (
	warmPending warmOutcome = iota
	warmStored
	warmSkippedFresh
	warmRefused
	warmFailed
)

// batchWait is how long an entry of a slow source waits for its batch, unless no other comes.
const batchWait = 100 * time.Millisecond

var (
	errCleared  = errors.New("tiercache: while the loader ran the cache was cleared, and what it had read is not stored: run it again")
	errRunOver  = errors.New("tiercache: emit after the run was over")
	errOutlived = errors.New("tiercache: its TTL, counted from the start of the loader, is over already")
)

func (c *warmup[K, V]) newWarming(ctx context.Context, l *loaderState[K, V], opts WarmOptions) *warming[K, V] {
	w := &warming[K, V]{
		c: c, loader: l, opts: opts, ctx: ctx, read: c.memory.Clock.Now(), seen: c.snapshot(), gens: c.memory.Generations(),
		losses: c.memory.Losses(), keys: make(map[K]*warmKey), room: opts.Room, soon: math.MaxInt64, res: WarmResult{Loader: l.Name},
		back: takenBackOf{hear: opts.TakenBack},
	}
	if opts.Room == 0 {
		w.room = c.memory.Vacant()
	}
	if opts.DryRun {
		w.tokens = noTokens(nil)
	} else if c.remote != nil {
		w.missed, w.takeovers = c.redis.channel.Losses.Load(), c.redis.channel.Takeovers.Load()
		err := insist(ctx, func() (err error) {
			if w.times, err = c.remote.Times(ctx); err == nil {
				w.tokens, err = c.currentTokens(ctx, w.seen.Epoch, c.loadTokens(), known)
			}
			return err
		})
		if err != nil {
			c.redisFailed(err, 1)
			w.redis = fmt.Errorf("%w: no entry reached Redis: %w", ErrDegraded, err)
		}
	}
	w.joined = redistier.JoinTokens(w.tokens, nil)
	w.read = c.memory.Clock.Now() // after the masters' clocks were asked: by them, what it brings is no younger
	return w
}

// run runs the loader in a goroutine of its own, for which Close waits too.
func (w *warming[K, V]) run(ctx context.Context) WarmResult {
	if !w.c.tasks.enter() {
		w.res.Err = ErrClosed
		return w.res
	}
	done := make(chan error, 1)
	go func() {
		defer w.c.tasks.leave()
		err := ErrGoexit // stands if the loader neither returns nor panics
		defer func() {
			if v := recover(); v != nil {
				err = failure.NewPanicError(v)
			}
			done <- err
		}()
		err = failure.FromUser(w.loader.Load(ctx, w.emit))
	}()
	err := w.wait(ctx, done)
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() == nil {
		err = errors.Join(err, w.lastFlush())
	}
	err = errors.Join(err, w.landAll(w.arrivals(0)))
	w.over = true
	if err == nil {
		err = ctx.Err() // a loader that was cut short may well have returned nil
	}
	w.count()
	if w.halt != nil && !errors.Is(err, w.halt) {
		err = errors.Join(err, w.halt)
	}
	if w.cleared > 0 && err == nil {
		err = fmt.Errorf("%w: %d entries were refused", errCleared, w.cleared)
	}
	w.res.Err = errors.Join(err, w.redis)
	w.res.TakenBack = w.back.end()
	return w.res
}

// lastFlush is flush outside of the loader's goroutine, where a callback's panic is nobody else's
// business.
func (w *warming[K, V]) lastFlush() (err error) {
	defer w.c.recovered(&err)
	return w.flush()
}

func (w *warming[K, V]) wait(ctx context.Context, done <-chan error) error {
	if w.opts.Grace == 0 {
		return <-done
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(w.opts.Grace):
		return fmt.Errorf("%w: %w", ErrAbandoned, ctx.Err())
	}
}

// emit takes one entry. Where a batch is full it blocks until one of those before is written: that
// is the loader's backpressure.
func (w *warming[K, V]) emit(key K, value V) (err error) {
	if w.opts.Pace != nil {
		if err := w.opts.Pace(w.ctx); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.halt != nil:
		return w.halt
	case w.over:
		return errRunOver
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	}
	state := w.keys[key]
	if state == nil {
		if most := w.loader.MaxItems; most > 0 && len(w.keys) >= most {
			return fmt.Errorf("%w (%d)", ErrMaxItems, most)
		}
		if len(w.states) == 0 {
			w.states = make([]warmKey, redistier.BatchKeys) // together: one by one they are a tenth of what a run allocates
		}
		state, w.states = &w.states[0], w.states[1:]
		w.keys[key] = state
	}
	w.res.Emitted++
	w.loader.tally.Row()
	e, err := w.prepare(key, value, state)
	e.nth, state.nth = w.res.Emitted, w.res.Emitted
	if err != nil {
		state.outcome = warmFailed
		if w.opts.DryRun && w.opts.Judged != nil {
			w.opts.Judged(Judgement{Key: e.write.Text, Cost: e.cost, Err: err})
		}
		w.c.log.Warn("warmup entry is not stored", slog.String("loader", w.loader.Name), slog.Any("key", key), slog.Any("error", err))
		return nil
	}
	if state.outcome = warmPending; state.queued > 0 {
		w.batch[state.queued-1] = e // the last value counts
		return nil
	}
	now := e.item.Filled
	if len(w.batch) == 0 {
		w.since = now
		w.batch, w.spare = w.spare, nil
	}
	w.batch = append(w.batch, e)
	state.queued = len(w.batch)
	w.bytes += len(e.write.Record)
	if len(w.batch) >= redistier.BatchKeys || w.bytes >= redistier.BatchBytes || now-w.since > int64(batchWait) {
		return w.flush()
	}
	return nil
}

// prepare encodes an entry. The callbacks of the user that it runs may panic.
func (w *warming[K, V]) prepare(key K, value V, state *warmKey) (e warmEntry[K, V], err error) {
	c := w.c
	defer c.recovered(&err)
	it := c.newItem(key, c.clone(value), w.read, w.loader.own).Stamp(w.seen)
	it.Warmed, it.Rank = w.loader.tally, uint32(min(len(w.keys), math.MaxUint32)) //nolint:gosec // bounded
	e = warmEntry[K, V]{key: key, hash: c.memory.Hash(key), item: it, cost: c.cost(key, it), state: state}
	if it.Filled >= it.Dead { // filled is now
		return e, errOutlived
	}
	if c.remote == nil {
		return e, nil
	}
	text, err := c.text(key)
	if err != nil {
		return e, err
	}
	if w.tokens == nil {
		e.write.Text = text
		return e, nil
	}
	joined := w.joined
	if it.Tags != nil {
		tokens, err := w.tagTokens(it.Tags.Names)
		if err != nil {
			return e, err
		}
		joined = redistier.JoinTokens(tokens, it.Tags.Names)
	}
	e.write = c.encodeInto(w.arena.rest(), text, it, joined)
	w.arena = w.arena.with(e.write.Record)
	if e.write.Err == nil && e.write.Life == 0 {
		return e, errOutlived
	}
	if errors.Is(e.write.Err, record.ErrTooLarge) && !w.opts.DryRun {
		return e, nil // as after a Get: in memory, counted, and not in Redis
	}
	return e, e.write.Err
}

// tagTokens adds the tokens of tags to those of before the source read.
func (w *warming[K, V]) tagTokens(tags []string) (map[string]string, error) {
	if w.opts.DryRun {
		return noTokens(tags), nil
	}
	names := make([]string, len(tags))
	for i, tag := range tags {
		names[i] = redistier.TagToken(tag)
	}
	tokens, err := w.c.currentTokens(w.ctx, w.c.epoch.Load(), names, known)
	if err != nil {
		return nil, err
	}
	tokens[redistier.ClearToken] = w.tokens[redistier.ClearToken]
	return tokens, nil
}
