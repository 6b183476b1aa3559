package tiercache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// A run writes batches to Redis while its loader fills the next one. Whoever fills a batch waits
// until few are under way, sends its own, and then does what is left to do with those that have
// arrived: they go into memory. A loader that is slow leaves that to the goroutines that send.

// mostFlying is how many batches of a run may be on their way at once: while Redis works on one,
// this process is busy with the other.
const mostFlying = 2

// sending is a batch on its way to Redis.
type sending[K comparable, V any] struct {
	batch   []warmEntry[K, V]
	writes  []redistier.Write
	records arena
	done    chan struct{} // closed when Redis has answered
	errs    []error       // of each entry
	err     error         // why none of the last ones was written
}

// arena is where the records of a batch stand, one behind the other. It is used again for another
// batch once Redis has answered all of them.
type arena []byte

// rest is what is left of it; a record that finds no room there has an array of its own.
func (a arena) rest() []byte {
	if cap(a) == 0 {
		return nil
	}
	return a[len(a):]
}

// with is the arena and a record at the beginning of what was left of it, if it stands there.
func (a arena) with(record []byte) arena {
	if n := len(a) + len(record); n <= cap(a) {
		return a[:n]
	}
	return a
}

// flush writes the batch to both tiers; of Redis's answer the next flush hears.
func (w *warming[K, V]) flush() error {
	batch, records := w.batch, w.arena
	w.batch, w.bytes = nil, 0
	w.arena = nil
	for _, e := range batch {
		e.state.queued = 0
	}
	if w.opts.DryRun {
		w.judge(batch)
		return w.ctx.Err()
	}
	if batch = w.wanted(batch); w.c.remote != nil && w.tokens != nil {
		room := mostFlying - 1
		if slices.ContainsFunc(batch, func(e warmEntry[K, V]) bool { return e.state.flying }) {
			room = 0 // of two versions of a key the later one has to arrive later
		}
		arrived := w.arrivals(room)
		if w.arena, w.idle = w.idle, nil; w.arena == nil && len(batch) >= redistier.BatchKeys/2 { // there are more to come
			w.arena = make(arena, 0, redistier.BatchBytes)
		}
		w.send(batch, records)
		return cmp.Or(w.landAll(arrived), w.ctx.Err())
	}
	for i := range batch { // memory alone decides
		if batch[i].becomes(warmStored); w.c.remote != nil {
			batch[i].becomes(warmFailed)
		}
	}
	w.allToMemory(batch)
	return w.ctx.Err()
}

// wanted is the batch without what was invalidated since the source read began, and what has waited
// too long.
func (w *warming[K, V]) wanted(batch []warmEntry[K, V]) []warmEntry[K, V] {
	now := w.c.memory.Clock.Now()
	cleared := w.c.floor.Load() >= w.seen.Epoch || w.c.journal != nil && w.c.journal.Clearing()
	elsewhere := w.c.backElsewhere.Load() != w.elsewhere
	tokens := w.tagsNow(batch)
	wanted := batch[:0]
	for _, e := range batch {
		switch {
		case cleared:
			w.cleared++
			e.becomes(warmRefused)
		case elsewhere && !w.c.memory.Unmoved(e.hash, w.gens): // perhaps nobody has invalidated it
			w.cleared++
			e.becomes(warmRefused)
		case w.ended(e.item.Tags, tokens) || !w.c.memory.Unmoved(e.hash, w.gens) || w.c.journal != nil && w.c.journal.Bypass(e.write.Text):
			e.becomes(warmRefused)
		case now >= e.item.Dead: // it waited too long for its batch
			e.becomes(warmFailed)
		default:
			wanted = append(wanted, e)
		}
	}
	return wanted
}

// tagsNow is the mark and the tokens of a batch's tags; nil where there are none, or Redis does not
// say.
func (w *warming[K, V]) tagsNow(batch []warmEntry[K, V]) map[string]string {
	names := []string{redistier.MarkToken}
	for i := range batch {
		for _, tag := range batch[i].item.TagNames() {
			names = append(names, redistier.TagToken(tag))
		}
	}
	if len(names) == 1 || w.tokens == nil {
		return nil
	}
	tokens, err := w.c.currentTokens(w.ctx, w.c.epoch.Load(), distinct(names), fromRedis)
	if err != nil {
		w.c.redisFailed(err, len(batch))
		return nil
	}
	return tokens
}

// ended reports whether one of the tags was ended anywhere since the source read began.
func (w *warming[K, V]) ended(tags *memory.Tagged, now map[string]string) bool {
	switch {
	case tags == nil:
		return false
	case !w.c.tokens.stand(tags):
		return true
	default:
		return w.tokens != nil && (!redistier.Unended(w.tokens, now, tags.Names) || w.c.redis.channel.Takeovers.Load() != w.takeovers)
	}
}

// send begins to write a batch to Redis.
func (w *warming[K, V]) send(batch []warmEntry[K, V], records arena) {
	if len(batch) == 0 {
		return
	}
	s := &sending[K, V]{batch: batch, records: records, done: make(chan struct{})}
	writes := slices.Grow(w.writes, len(batch))
	w.writes = nil
	for i := range batch {
		e := &batch[i]
		e.state.flying = true
		e.write.Over = e.state.id
		writes = append(writes, e.write)
	}
	s.writes = writes
	s.errs, s.err = slices.Repeat([]error{ErrGoexit}, len(writes)), ErrGoexit // stand if a hook of the client ends the goroutine
	w.flying = append(w.flying, s)
	go func() { // arrivals wait for it, and the end of the run for them
		func() {
			defer close(s.done)
			s.errs, s.err = w.toRedis(writes)
		}()
		w.mu.Lock()
		defer w.mu.Unlock()
		for len(w.flying) > 0 && w.flying[0].arrived() {
			_ = w.land(w.arrival()) // where it fails, emit says so
		}
	}()
}

// arrived reports whether Redis has answered.
func (s *sending[K, V]) arrived() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// toRedis writes to the server that the run began with, whose clock is the one that counts.
func (w *warming[K, V]) toRedis(writes []redistier.Write) (all []error, failed error) {
	for lo := 0; lo < len(writes); {
		hi := lo + redistier.BatchLen(writes[lo:])
		err := w.c.remote.StillThere(w.times)
		var errs []error
		if err == nil {
			errs, err = w.c.remote.FillAbsent(w.ctx, w.times, writes[lo:hi])
		}
		if err != nil {
			failed = err
			errs = slices.Repeat([]error{err}, hi-lo)
			w.c.redisFailed(err, hi-lo)
		} else {
			for _, one := range errs {
				w.c.noteWrite(one)
			}
		}
		all = append(all, errs...)
		lo = hi
	}
	return all, failed
}

// arrivals waits until no more than some batches are under way.
func (w *warming[K, V]) arrivals(most int) (all []*sending[K, V]) {
	for len(w.flying) > most {
		all = append(all, w.arrival())
	}
	return all
}

// arrival waits for the oldest batch under way, and notes what Redis has answered.
func (w *warming[K, V]) arrival() *sending[K, V] {
	s := w.flying[0]
	<-s.done
	w.flying = w.flying[1:]
	if s.err != nil {
		w.redis = fmt.Errorf("%w: not all entries reached Redis: %w", ErrDegraded, s.err)
	}
	answered := s.err == nil
	for i := range s.batch {
		e := &s.batch[i]
		e.state.flying = false
		switch err := s.errs[i]; {
		case err == nil:
			e.becomes(warmStored)
			e.state.id = e.item.ID
			w.res.Redis++
		case errors.Is(err, redistier.ErrStandsYounger):
			e.becomes(warmSkippedFresh)
		case errors.Is(err, redistier.ErrRefused):
			e.becomes(warmRefused)
		case errors.Is(err, record.ErrTooLarge):
			e.becomes(warmFailed)
			e.unsent = true
		default:
			e.becomes(warmFailed)
			e.unsent = !mayStand(err)
			w.redis = fmt.Errorf("%w: not all entries reached Redis: %w", ErrDegraded, err)
			answered = false
		}
	}
	if answered { // else an operation that was given up may still be reading them
		w.idle = s.records[:0]
		clear(s.writes)
		w.writes = s.writes[:0]
	}
	w.awaitConfirmation(s.batch)
	return s
}

// landAll lands batches in their order.
func (w *warming[K, V]) landAll(arrived []*sending[K, V]) (err error) {
	for _, s := range arrived {
		err = cmp.Or(err, w.land(s))
	}
	return err
}

// land does what is left to do with a batch that has arrived: most of all, it goes into memory.
func (w *warming[K, V]) land(s *sending[K, V]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failure.NewPanicError(v)
			w.over, w.halt = true, err
		}
	}()
	w.takeBack(s.batch)
	if err := w.keep(s.batch); err != nil {
		return err
	}
	var younger []warmEntry[K, V]
	for _, e := range s.batch {
		switch {
		case e.outcome == warmSkippedFresh:
			younger = append(younger, e)
		case e.outcome == warmStored && w.opts.Stored != nil:
			w.opts.Stored(e.write.Text)
		}
	}
	w.adopt(younger)
	w.allToMemory(s.batch)
	clear(s.batch)
	w.spare = s.batch[:0]
	return nil
}

// takeBack invalidates what was stored in Redis for keys that were invalidated on this node between
// the look at their generations before the write and now: Redis may have heard of the invalidation
// before the write.
func (w *warming[K, V]) takeBack(batch []warmEntry[K, V]) {
	var notices []backplane.Notice
	for i := range batch {
		e := &batch[i]
		if e.outcome == warmStored && !w.c.memory.Unmoved(e.hash, w.gens) {
			e.becomes(warmRefused)
			notices = append(notices, w.c.journal.Begin(backplane.KindKey, e.write.Text, w.c.memory.Clock.Now()))
		}
	}
	if len(notices) > 0 {
		w.c.tell(context.WithoutCancel(w.ctx), notices) // what fails is said again later
	}
}

// keep asks, now that Redis has answered the batch's writes, whether this process may still write.
// Asked before the writes, it would be no fence for a process that freezes between question and
// write. What was sent while it was asked is disowned when it has arrived.
func (w *warming[K, V]) keep(batch []warmEntry[K, V]) error {
	if w.opts.Kept == nil {
		return nil
	}
	keys := make([]string, 0, len(batch))
	for _, e := range batch {
		if (e.outcome == warmStored || e.outcome == warmSkippedFresh) && !e.state.kept {
			e.state.kept = true
			keys = append(keys, e.write.Text)
		}
	}
	err := w.halt
	if err == nil {
		err = w.opts.Kept(context.WithoutCancel(w.ctx), keys) // also of a run that was cut short: what it wrote stands
	}
	if err == nil {
		return nil
	}
	var own []unconfirmedKey
	for i := range batch {
		if e := &batch[i]; e.mayStand() {
			e.becomes(warmRefused)
			own = append(own, unconfirmedKey{text: e.write.Text, hash: e.hash, id: e.item.ID})
		}
	}
	w.c.disown(context.WithoutCancel(w.ctx), own)
	w.back.add(len(own))
	w.over, w.halt = true, err // whatever the loader makes of it
	return err
}

// mayStand reports whether Redis may hold the entry, or may yet: what got no answer may have been
// stored.
func (e *warmEntry[K, V]) mayStand() bool {
	return e.outcome == warmStored || e.outcome == warmFailed && !e.unsent
}

// awaitConfirmation hands over what was stored, until it is known that no invalidation has
// overtaken it.
func (w *warming[K, V]) awaitConfirmation(batch []warmEntry[K, V]) {
	u := unconfirmed{at: w.c.memory.Clock.Now(), losses: w.missed, gens: w.gens, keys: make([]unconfirmedKey, 0, len(batch)), back: &w.back}
	for i := range batch {
		if e := &batch[i]; e.mayStand() {
			u.keys = append(u.keys, unconfirmedKey{text: e.write.Text, hash: e.hash, id: e.item.ID})
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
		names[i] = e.write.Text
	}
	seen := w.c.snapshot()
	now := w.c.memory.Clock.Now()
	all, err := w.c.remote.Read(w.ctx, names)
	if err == nil {
		err = w.c.validate(w.ctx, names, all, seen, now)
	}
	if err != nil {
		w.c.redisFailed(err, len(names))
		return
	}
	for i := range batch {
		if it := w.c.fromRecord(&all[i], now, seen); it != nil && !it.Absent {
			batch[i].item = it
			w.toMemory(&batch[i])
		}
	}
}

// allToMemory stores those entries of a batch that are worth it.
func (w *warming[K, V]) allToMemory(batch []warmEntry[K, V]) {
	for i := range batch {
		if e := &batch[i]; e.outcome == warmStored || e.outcome == warmFailed && (w.redis != nil || e.write.Err != nil) {
			w.toMemory(e)
		}
	}
}

// toMemory stores an entry as far as there is room.
func (w *warming[K, V]) toMemory(e *warmEntry[K, V]) {
	have := w.c.memory.Get(e.hash, e.key)
	if w.c.remote == nil && have != nil && have.Read > e.item.Read && have.ID != e.state.id {
		e.becomes(warmSkippedFresh)
		return
	}
	if !w.takeRoom(e, have) {
		return
	}
	gen := w.gens[w.c.memory.GenIndex(e.hash)]
	if e.state.landed = w.c.fillMemory(e.hash, e.key, e.item, gen); !e.state.landed {
		return
	}
	w.soon = min(w.soon, e.item.Fresh)
	e.item.Warmed.Brought()
	if w.c.remote == nil && w.opts.Stored != nil {
		if text, err := w.c.text(e.key); err == nil {
			w.opts.Stored(text)
		}
	}
}

// takeRoom reports whether the entry fits into the run's budget, and takes its cost out of it. What
// is in memory already has its room.
func (w *warming[K, V]) takeRoom(e *warmEntry[K, V], have *memory.Item[V]) bool {
	switch {
	case e.state.inMemory:
		return true
	case have != nil:
	case e.cost > w.room:
		return false
	default:
		w.room -= e.cost
	}
	e.state.inMemory = true
	return true
}
