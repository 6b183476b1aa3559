package tiercache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"
)

// warming is one run of one loader.
type warming[K comparable, V any] struct {
	c      *Cache[K, V]
	loader *loaderState[K, V]
	opts   WarmOptions
	ctx    context.Context //nolint:containedctx // of the run, which emit has no other way to see
	read   int64           // when the source read began: before the loader ran
	gens   []uint64        // and the generations of then: what was invalidated since is refused
	seen   sight
	tokens map[string]string // as they were then; nil: Redis did not say
	times  *serverTime       // likewise
	breaks uint64            // of the channel

	mu    sync.Mutex // emit is safe for concurrent use
	over  bool
	batch []warmEntry[K, V]
	bytes int
	since int64 // when the batch's first entry came
	keys  map[K]*warmKey
	room  int64
	res   WarmResult
	redis error // why the last batch did not reach Redis
	halt  error // of WarmOptions.Kept
}

// warmEntry waits for its batch.
type warmEntry[K comparable, V any] struct {
	key   K
	hash  uint64
	cost  int64
	item  *item[V]
	write write
	state *warmKey
}

// warmKey is what became of a key, by the last value emitted.
type warmKey struct {
	id       uint64 // of the last version that the run wrote
	outcome  warmOutcome
	inMemory bool // it has its room already
	queued   int  // its place in the batch that is being filled, from 1; 0 is none
	kept     bool // WarmOptions.Kept has heard of it
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
	errRunOver  = errors.New("tiercache: emit after the run was over")
	errOutlived = errors.New("tiercache: its TTL, counted from the start of the loader, is over already")
)

func (c *Cache[K, V]) newWarming(ctx context.Context, l *loaderState[K, V], opts WarmOptions) *warming[K, V] {
	w := &warming[K, V]{
		c: c, loader: l, opts: opts, ctx: ctx, read: c.memory.clock.now(), seen: c.sight(), gens: c.memory.generations(),
		keys: make(map[K]*warmKey), room: opts.Room, res: WarmResult{Loader: l.Name},
	}
	if opts.Room == 0 {
		w.room = c.warmRoom()
	}
	if opts.DryRun {
		w.tokens = noTokens(nil)
	} else if c.remote != nil {
		w.breaks = c.redis.channel.breaks.Load()
		var err error
		if w.times, err = c.remote.times(ctx); err == nil {
			w.tokens, err = c.tokens.get(ctx, c.remote, w.seen.epoch, c.loadTokens(), known)
		}
		if err != nil {
			c.redisFailed(err, 1)
			w.redis = fmt.Errorf("%w: no entry reached Redis: %w", ErrDegraded, err)
		}
	}
	return w
}

// warmRoom is the budget of a warm run: what a full cache holds is being read, and isn't pushed out by what somebody may want.
func (c *Cache[K, V]) warmRoom() int64 {
	_, cost := c.memory.size()
	capacity := c.memory.capacity.Load()
	if cost == 0 {
		return capacity - capacity/5
	}
	return max(0, capacity-capacity/(lobbyShare/2)-cost) // what is on its way through the lobby has its room too
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
				err = newPanicError(v)
			}
			done <- err
		}()
		err = w.loader.Load(ctx, w.emit)
	}()
	err := w.wait(ctx, done)
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() == nil {
		err = errors.Join(err, w.lastFlush())
	}
	w.over = true
	if err == nil {
		err = ctx.Err() // a loader that was cut short may well have returned nil
	}
	w.count()
	if w.halt != nil && !errors.Is(err, w.halt) {
		err = errors.Join(err, w.halt)
	}
	w.res.Err = errors.Join(err, w.redis)
	return w.res
}

// lastFlush is flush outside of the loader's goroutine, where a callback's panic is nobody else's business.
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

// emit takes one entry. It blocks while a batch is written: that is the loader's backpressure.
func (w *warming[K, V]) emit(key K, value V) (err error) {
	if w.opts.Pace != nil {
		if err := w.opts.Pace(w.ctx); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
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
		state = new(warmKey)
		w.keys[key] = state
	}
	w.res.Emitted++
	w.loader.tally.rows.Add(1)
	e, err := w.prepare(key, value, state)
	if err != nil {
		state.outcome = warmFailed
		if w.opts.DryRun && w.opts.Judged != nil {
			w.opts.Judged(Judgement{Key: e.write.text, Cost: e.cost, Err: err})
		}
		w.c.log.Warn("warmup entry is not stored", slog.String("loader", w.loader.Name), slog.Any("error", err))
		return nil
	}
	if state.outcome = warmPending; state.queued > 0 {
		w.batch[state.queued-1] = e // the last value counts
		return nil
	}
	now := w.c.memory.clock.now()
	if len(w.batch) == 0 {
		w.since = now
	}
	w.batch = append(w.batch, e)
	state.queued = len(w.batch)
	w.bytes += len(e.write.record)
	if len(w.batch) >= batchKeys || w.bytes >= batchBytes || now-w.since > int64(batchWait) {
		return w.flush()
	}
	return nil
}

// prepare encodes an entry. The callbacks of the user that it runs may panic.
func (w *warming[K, V]) prepare(key K, value V, state *warmKey) (e warmEntry[K, V], err error) {
	c := w.c
	defer c.recovered(&err)
	it := c.newItem(key, c.clone(value), w.read, w.loader.own).stamp(w.seen)
	it.warmed, it.rank = w.loader.tally, uint32(min(len(w.keys), math.MaxUint32)) //nolint:gosec // bounded
	e = warmEntry[K, V]{key: key, hash: c.memory.hash(key), item: it, cost: c.cost(key, it), state: state}
	if c.memory.clock.now() >= it.dead {
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
		e.write.text = text
		return e, nil
	}
	tokens := w.tokens
	if len(it.tags) > 0 {
		if tokens, err = w.tagTokens(it.tags); err != nil {
			return e, err
		}
	}
	e.write = c.encode(text, it, joinTokens(tokens, it.tags))
	e.write.over = state.id
	if e.write.err == nil && e.write.life == 0 {
		return e, errOutlived
	}
	return e, e.write.err
}

// tagTokens adds the tokens of tags to those of before the source read.
func (w *warming[K, V]) tagTokens(tags []string) (map[string]string, error) {
	if w.opts.DryRun {
		return noTokens(tags), nil
	}
	names := make([]string, len(tags))
	for i, tag := range tags {
		names[i] = tagToken(tag)
	}
	tokens, err := w.c.tokens.get(w.ctx, w.c.remote, w.c.epoch.Load(), names, known)
	if err != nil {
		return nil, err
	}
	tokens[clearToken] = w.tokens[clearToken]
	return tokens, nil
}

// ended says whether the cache was cleared, or, of entries with tags, a tag was ended anywhere since the source read began.
func (w *warming[K, V]) ended(batch []warmEntry[K, V]) bool {
	c := w.c
	if c.floor.Load() >= w.seen.epoch {
		return true
	}
	if !slices.ContainsFunc(batch, func(e warmEntry[K, V]) bool { return len(e.item.tags) > 0 }) {
		return false
	}
	if c.tokens.count.Load() != w.seen.count {
		return true
	}
	if w.tokens == nil {
		return false
	}
	mark, err := c.tokens.get(w.ctx, c.remote, c.epoch.Load(), []string{markToken}, fromRedis)
	return err != nil || mark[markToken] != w.tokens[markToken]
}

// flush writes the batch to both tiers.
func (w *warming[K, V]) flush() error {
	batch := w.batch
	w.batch, w.bytes = nil, 0
	for _, e := range batch {
		e.state.queued = 0
	}
	if w.opts.DryRun {
		w.judge(batch)
		return w.ctx.Err()
	}
	ended := w.ended(batch)
	batch = slices.DeleteFunc(batch, func(e warmEntry[K, V]) bool {
		switch {
		case ended || !w.c.memory.unmoved(e.hash, w.gens) || w.c.ledger != nil && w.c.ledger.bypass(e.write.text):
			e.state.outcome = warmRefused
		case w.c.memory.clock.now() >= e.item.dead: // it waited too long for its batch
			e.state.outcome = warmFailed
		default:
			return false
		}
		return true
	})
	w.toRedis(batch)
	w.takeBack(batch)
	if err := w.keep(batch); err != nil {
		return err
	}
	for _, e := range batch {
		if e.state.outcome == warmStored || e.state.outcome == warmFailed && w.redis != nil {
			w.toMemory(e)
		}
	}
	return w.ctx.Err()
}

// keep asks, now that Redis has answered the batch's writes, whether this process may still write. Asked before the writes, it would be no fence for a process that
// freezes between question and write.
func (w *warming[K, V]) keep(batch []warmEntry[K, V]) error {
	if w.opts.Kept == nil || w.c.remote == nil || w.tokens == nil {
		return nil
	}
	keys := make([]string, 0, len(batch))
	for _, e := range batch {
		if (e.state.outcome == warmStored || e.state.outcome == warmSkippedFresh) && !e.state.kept {
			e.state.kept = true
			keys = append(keys, e.write.text)
		}
	}
	err := w.opts.Kept(w.ctx, keys)
	if err == nil {
		return nil
	}
	var own []unconfirmedKey
	for _, e := range batch {
		if e.state.outcome == warmStored || e.state.outcome == warmFailed { // what got no answer may have been stored
			e.state.outcome = warmRefused
			own = append(own, unconfirmedKey{text: e.write.text, hash: e.hash, id: e.item.id})
		}
	}
	w.c.disown(context.WithoutCancel(w.ctx), own)
	w.over, w.halt = true, err // whatever the loader makes of it
	return err
}

// takeBack invalidates what was stored in Redis for keys that were invalidated on this node between flush's look at their generations and now: Redis may have
// heard of the invalidation before the write.
func (w *warming[K, V]) takeBack(batch []warmEntry[K, V]) {
	if w.c.remote == nil {
		return
	}
	var notices []notice
	for _, e := range batch {
		if e.state.outcome == warmStored && !w.c.memory.unmoved(e.hash, w.gens) {
			e.state.outcome = warmRefused
			notices = append(notices, w.c.ledger.begin(noticeKey, w.c.name, e.write.text, w.c.memory.clock.now(), w.c.redis.channel.next))
		}
	}
	if len(notices) > 0 {
		w.c.tell(context.WithoutCancel(w.ctx), notices) // what fails is said again later
	}
}

// toRedis sets each entry's outcome. Without Redis, or where it does not answer, memory alone decides.
func (w *warming[K, V]) toRedis(batch []warmEntry[K, V]) {
	if w.c.remote == nil || w.tokens == nil {
		for _, e := range batch {
			if e.state.outcome = warmStored; w.c.remote != nil {
				e.state.outcome = warmFailed
			}
		}
		return
	}
	writes := make([]write, 0, len(batch))
	for _, e := range batch {
		writes = append(writes, e.write)
	}
	for lo := 0; lo < len(writes); {
		hi := lo + batchLen(writes[lo:])
		errs, err := w.fillAbsent(writes[lo:hi])
		if err != nil {
			w.redis = fmt.Errorf("%w: not all entries reached Redis: %w", ErrDegraded, err)
			w.c.redisFailed(err, hi-lo)
		}
		var younger []warmEntry[K, V]
		for i, e := range batch[lo:hi] {
			one := err
			if one == nil {
				one = errs[i]
				w.c.noteWrite(one)
			}
			switch {
			case one == nil:
				e.state.outcome = warmStored
				e.state.id = e.item.id
				w.res.Redis++
				if w.opts.Stored != nil {
					w.opts.Stored(e.write.text)
				}
			case errors.Is(one, errStandsYounger):
				e.state.outcome = warmSkippedFresh
				younger = append(younger, e)
			case errors.Is(one, errRefused):
				e.state.outcome = warmRefused
			default:
				e.state.outcome = warmFailed
				w.redis = fmt.Errorf("%w: not all entries reached Redis: %w", ErrDegraded, one)
			}
		}
		w.adopt(younger)
		w.awaitConfirmation(batch[lo:hi])
		lo = hi
	}
}

// fillAbsent writes to the server that the run began with; its clock is the one that counts.
func (w *warming[K, V]) fillAbsent(writes []write) ([]error, error) {
	if err := w.times.stillThere(w.c.redis); err != nil {
		return nil, err
	}
	return w.c.remote.fillAbsent(w.ctx, w.times, writes)
}

// awaitConfirmation hands over what was stored, until it is known that no invalidation has overtaken it.
func (w *warming[K, V]) awaitConfirmation(batch []warmEntry[K, V]) {
	u := unconfirmed{at: w.c.memory.clock.now(), breaks: w.breaks, gens: w.gens}
	for _, e := range batch {
		if e.state.outcome == warmStored || e.state.outcome == warmFailed { // what got no answer may have been stored
			u.keys = append(u.keys, unconfirmedKey{text: e.write.text, hash: e.hash, id: e.item.id})
		}
	}
	if len(u.keys) > 0 {
		w.c.awaitConfirmation(u)
	}
}

// adopt fills memory with what stands in Redis in place of the loader's older values.
func (w *warming[K, V]) adopt(batch []warmEntry[K, V]) {
	if len(batch) == 0 {
		return
	}
	names := make([]string, len(batch))
	for i, e := range batch {
		names[i] = e.write.text
	}
	seen := w.c.sight()
	now := w.c.memory.clock.now()
	all, err := w.c.remote.read(w.ctx, names)
	if err == nil {
		err = w.c.validate(w.ctx, names, all, seen)
	}
	if err != nil {
		w.c.redisFailed(err, len(names))
		return
	}
	for i, e := range batch {
		if it := w.c.fromRecord(&all[i], now, seen); it != nil && !it.absent {
			e.item = it
			w.toMemory(e)
		}
	}
}

// toMemory stores an entry as far as there is room.
func (w *warming[K, V]) toMemory(e warmEntry[K, V]) {
	if have := w.c.memory.get(e.hash, e.key); w.c.remote == nil && have != nil && have.read > e.item.read && have.id != e.state.id {
		e.state.outcome = warmSkippedFresh
		return
	}
	if !w.takeRoom(e) {
		return
	}
	gen := w.gens[w.c.memory.genIndex(e.hash)]
	if !w.c.fillMemory(e.hash, e.key, e.item, gen) {
		return
	}
	e.item.warmed.brought()
	if w.c.remote == nil && w.opts.Stored != nil {
		if text, err := w.c.text(e.key); err == nil {
			w.opts.Stored(text)
		}
	}
}

// takeRoom reports whether the entry fits into the run's budget, and takes its cost out of it. What is in memory already has its room.
func (w *warming[K, V]) takeRoom(e warmEntry[K, V]) bool {
	if e.state.inMemory || w.c.memory.get(e.hash, e.key) != nil {
		e.state.inMemory = true
		return true
	}
	if e.cost > w.room {
		return false
	}
	w.room -= e.cost
	e.state.inMemory = true
	return true
}

// count sums up what became of the keys, by what is readable now and not by what was sent.
func (w *warming[K, V]) count() {
	r := &w.res
	r.Redis = 0
	now := w.c.memory.clock.now()
	for key, state := range w.keys {
		readable := state.inMemory
		if !w.opts.DryRun {
			it := w.c.memory.get(w.c.memory.hash(key), key)
			readable = it != nil && !it.absent && now < it.fresh && it.epoch > w.c.floor.Load() && w.c.tokens.stand(it.tags, it.count)
		}
		if readable {
			r.Memory++
		}
		switch state.outcome {
		case warmStored:
			if w.c.remote != nil {
				r.Redis++
			}
			if !readable {
				r.SkippedRoom++
			}
		case warmSkippedFresh:
			r.SkippedFresh++
		case warmRefused:
			r.Refused++
		case warmFailed, warmPending:
			if !readable {
				r.Failed++
			}
		}
	}
}
