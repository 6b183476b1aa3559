package tiercache

import (
	"cmp"
	"slices"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
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
	tokens := w.tagsNow(batch)
	wanted := batch[:0]
	for _, e := range batch {
		switch {
		case cleared:
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
