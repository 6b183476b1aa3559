package tiercache

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

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
	gens := make([]uint64, len(batch)) // a look-up of its own, whatever was invalidated since the run began
	for i, e := range batch {
		names[i], gens[i] = e.write.Text, w.c.memory.Generation(e.hash)
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
			w.toMemory(&batch[i], gens[i])
		}
	}
}

// allToMemory stores those entries of a batch that are worth it.
func (w *warming[K, V]) allToMemory(batch []warmEntry[K, V]) {
	for i := range batch {
		e := &batch[i]
		gen := w.c.memory.Generation(e.hash) // before the look whether the key was invalidated
		if (e.outcome == warmStored || e.outcome == warmFailed && (w.redis != nil || e.write.Err != nil)) && w.c.memory.Unmoved(e.hash, w.gens) {
			w.toMemory(e, gen)
		}
	}
}

// toMemory stores an entry as far as there is room, unless its generation is no longer gen.
func (w *warming[K, V]) toMemory(e *warmEntry[K, V], gen uint64) {
	have := w.c.memory.Get(e.hash, e.key)
	if w.c.remote == nil && have != nil && have.Read > e.item.Read && have.ID != e.state.id {
		e.becomes(warmSkippedFresh)
		return
	}
	if !w.takeRoom(e, have) {
		return
	}
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
