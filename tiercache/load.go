package tiercache

import (
	"context"
	"slices"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

const (
	// loadChunk is the most keys that LoadMany is given at once.
	loadChunk = 500
	// loadWidth is how many calls of Load one GetMany makes at a time.
	loadWidth = 8
	// A node that waits for another's load looks after it at once, then at pauses that double
	// between these two.
	pollNow   = 2 * time.Nanosecond
	pollFirst = 2 * time.Millisecond
	pollMost  = 100 * time.Millisecond
)

// remainder is the flights to which Redis had no answer.
type remainder[K comparable, V any] struct {
	rest   []*flight[K, V] // Redis does not have them
	direct []*flight[K, V] // Redis can't be asked, or has yet to hear that we invalidated them: they are loaded for this process alone
}

// lookUp ends the flights to which Redis has the answer. One that is expected not to be there is
// looked for with its lease.
func (l *loading[K, V]) lookUp(ctx context.Context) remainder[K, V] {
	c := l.c
	if len(l.fls) == 1 && l.foresees(l.fls[0]) {
		return remainder[K, V]{rest: l.fls}
	}
	defer func() {
		for _, f := range l.fls {
			f.look()
		}
	}()
	if c.remote == nil {
		return remainder[K, V]{direct: l.fls}
	}
	asked, direct := l.bypass(l.fls)
	rest, away, err := l.fromRedis(ctx, asked)
	if err != nil {
		c.redisFailed(err, len(asked))
		return remainder[K, V]{direct: append(direct, underway(asked)...)}
	}
	direct = append(direct, away...)
	if len(l.fls) == 1 && len(rest)+len(direct) == 0 {
		c.forecast.note(false)
	}
	return remainder[K, V]{rest, direct}
}

// foresees reports whether Redis is not expected to have the flight's key.
func (l *loading[K, V]) foresees(f *flight[K, V]) bool {
	c := l.c
	return c.remote != nil && !c.journal.Bypass(f.text) && c.forecast.miss() && l.asks(f) &&
		c.backOffs.binding(f.text, c.memory.Clock.Now()) == nil
}

// asks reports whether there is a source to ask. Where there is none nothing is known: what Redis
// doesn't have is not found, but that is no answer of a source, which would be stored, and
// remembered. To take a lease would cost two round trips, and to commit an absence could delete
// what a Set has stored that this node has yet to hear of.
func (l *loading[K, V]) asks(f *flight[K, V]) bool {
	if f.brought() || f.nobody {
		return f.brought()
	}
	cfg := &l.c.cfg
	return cfg.Load != nil || cfg.LoadMany != nil || cfg.Reload != nil && l.previous(f) != nil
}

// unasked ends a flight that has no source.
func (l *loading[K, V]) unasked(f *flight[K, V]) bool {
	if l.asks(f) {
		return false
	}
	l.c.end(f, nil, 0, ErrNotFound)
	return true
}

// readTokens notes the cache's tokens, before the source is asked.
func (l *loading[K, V]) readTokens(ctx context.Context, fls []*flight[K, V]) (err error) {
	l.takeovers = l.c.redis.channel.Takeovers.Load()
	l.tokens, err = l.c.currentTokens(ctx, fls[0].seen.Epoch, l.c.loadTokens(), known)
	return err
}

// bypass sorts out the keys of which Redis has yet to hear that we invalidated them.
func (l *loading[K, V]) bypass(fls []*flight[K, V]) (asked, direct []*flight[K, V]) {
	for i, f := range fls {
		switch {
		case l.c.journal.Bypass(f.text):
			if direct == nil {
				asked = slices.Clone(fls[:i])
			}
			direct = append(direct, f)
		case direct != nil:
			asked = append(asked, f)
		}
	}
	if direct == nil {
		asked = fls // as nearly always
	}
	return asked, direct
}

// fromRedis ends the flights to which Redis has the answer, and returns the others, those apart
// whose shard did not say.
func (l *loading[K, V]) fromRedis(ctx context.Context, fls []*flight[K, V]) (rest, away []*flight[K, V], err error) {
	for batch := range slices.Chunk(fls, redistier.BatchKeys) {
		now := l.c.memory.Clock.Now() // before Redis is asked: memory must not outlive Redis by the time of the reply
		names := texts(batch)
		var all []redistier.Found
		if all, err = l.c.remote.Read(ctx, names); err != nil {
			return nil, nil, err
		}
		if err = l.c.validate(ctx, names, all, batch[0].seen, now); err != nil {
			return nil, nil, err
		}
		for i, f := range batch {
			switch {
			case all[i].Err != nil:
				l.c.redisFailed(all[i].Err, 1)
				away = append(away, f)
			case !l.answer(f, &all[i], now) && !l.unasked(f) && !l.bound(f):
				rest = append(rest, f)
			}
		}
	}
	return rest, away, nil
}

// answer ends the flight with what Redis holds, if that will do; else it is kept to be served
// stale. now is the moment of the look-up.
func (l *loading[K, V]) answer(f *flight[K, V], got *redistier.Found, now int64) bool {
	it, bad := l.c.interpret(got, now, f.seen)
	if bad != nil && !f.unreadable { // a miss looks twice, but there is one record
		f.unreadable = true
		l.c.noteCorrupt(bad)
	}
	if it == nil {
		l.c.bury(f, got.Buried)
		return false
	}
	if f.old != nil && f.old.ID == it.ID { // it was validated: what is known of it stays
		knownAs(it, f.old)
		it.Rank = f.old.Rank
	}
	if l.suffices(f, it, now) {
		l.c.fill(f, it)
		l.c.end(f, it, FromRedis, nil)
		return true
	}
	if have := f.stale.Load(); have == nil || have.Read < it.Read {
		f.stale.Store(it)
	}
	return false
}

// suffices reports whether the flight may end with what Redis holds. The moment of a source read is
// known from Redis to a millisecond or two, so the very record that a refresh is to replace is told
// by its id. For Refresh another's load will do that began after the call, and that this node has
// seen arrive: what was there at its first look says when it was read by the server's clock alone,
// which may have been set back.
func (l *loading[K, V]) suffices(f *flight[K, V], it *memory.Item[V], now int64) bool {
	const slack = int64(2 * time.Millisecond)
	switch {
	case now >= it.Fresh:
		return false
	case f.force:
		first := f.stale.Load()
		return f.looked.isGiven() && (first == nil || first.ID != it.ID) && l.c.flights.overtaken(f, it.Read-slack)
	case f.newer:
		return it.ID != f.old.ID && it.Read > f.old.Read
	default:
		return true
	}
}
