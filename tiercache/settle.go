package tiercache

import (
	"context"
	"errors"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// landing is what the source said of one flight's key, and what becomes of it.
type landing[K comparable, V any] struct {
	f      *flight[K, V]
	value  V
	known  bool // the source has said value
	err    error
	item   *memory.Item[V] // nil: there is none, for err
	stored error           // why the item is not in Redis
}

// settle stores what the source said and ends the flights. read is when the source read began.
func (l *loading[K, V]) settle(ctx context.Context, all []landing[K, V], read int64, held tenure) {
	c := l.c
	for i := range all {
		all[i].item = l.item(&all[i], read)
	}
	if held == leased {
		l.store(context.WithoutCancel(ctx), all) // Close ends loads; what has been loaded is still worth storing
	}
	for i := range all {
		switch a := &all[i]; {
		case a.item == nil:
			c.end(a.f, nil, 0, c.loadError(a.f.key, a.err))
		case errors.Is(a.stored, redistier.ErrLeaseLost): // somebody knows better; for those who waited it is good enough, their reads began before
			c.counters.Add(a.f.hash, stat.Refused, 1)
			c.end(a.f, a.item, FromSource, nil)
		default:
			c.fill(a.f, a.item)
			c.end(a.f, a.item, FromSource, nil)
		}
	}
}

// item makes the item that a load brought; nil, with the landing's error, where there is none. A
// callback of the user that panics fails this key alone.
func (l *loading[K, V]) item(a *landing[K, V], read int64) (it *memory.Item[V]) {
	defer func() {
		if v := recover(); v != nil {
			it, a.err = nil, failure.NewPanicError(v)
		}
	}()
	switch {
	case a.err == nil:
		return l.c.newItem(a.f.key, l.c.clone(a.value), read, 0).Stamp(a.f.seen)
	case errors.Is(a.err, ErrNotFound):
		l.c.unlearn(a.f)
		return l.c.newAbsence(read).Stamp(a.f.seen)
	default:
		return nil
	}
}

// store commits the items and gives back the leases of those that are none. An item whose tags were
// ended while it was loaded is not stored anywhere.
func (l *loading[K, V]) store(ctx context.Context, all []landing[K, V]) {
	tokens := l.tagTokens(ctx, all)
	writes := make([]redistier.Write, 0, len(all))
	at := make([]*landing[K, V], 0, len(all)) // whose the writes are
	var failed []string                       // leases to give back
	var broken []*landing[K, V]               // loads that failed
	for i := range all {
		a := &all[i]
		if a.item == nil && !errors.Is(a.err, context.Canceled) && !errors.Is(a.err, ErrClosed) { // else the source has not failed
			broken = append(broken, a)
			continue
		}
		if a.item != nil && a.item.Tags != nil && !l.stands(a.item.Tags, tokens) {
			a.stored = redistier.ErrLeaseLost
			failed = append(failed, a.f.text)
			continue
		}
		w, ok := l.write(a, tokens)
		if !ok {
			failed = append(failed, a.f.text)
			continue
		}
		writes, at = append(writes, w), append(at, a)
		l.c.backOffs.succeed(a.f.text)
	}
	l.commit(ctx, writes, at)
	l.release(ctx, failed)
	l.backOff(ctx, broken)
}

// write encodes an item, if there is one.
func (l *loading[K, V]) write(a *landing[K, V], tokens map[string]string) (w redistier.Write, ok bool) {
	if a.item == nil {
		return w, false
	}
	defer func() {
		if v := recover(); v != nil {
			a.item, a.err, ok = nil, failure.NewPanicError(v), false
		}
	}()
	return l.c.encode(a.f.text, a.item, redistier.JoinTokens(tokens, a.item.TagNames())), true
}

// tagTokens is the cache's token of before the load with the mark and the tokens of the items' tags
// as they are now; nil where Redis does not say.
func (l *loading[K, V]) tagTokens(ctx context.Context, all []landing[K, V]) map[string]string {
	names := []string{redistier.MarkToken}
	for i := range all {
		if it := all[i].item; it != nil {
			for _, tag := range it.TagNames() {
				names = append(names, redistier.TagToken(tag))
			}
		}
	}
	if len(names) == 1 {
		return l.tokens
	}
	tokens, err := l.c.currentTokens(ctx, l.c.epoch.Load(), names, fromRedis)
	if err != nil {
		l.c.redisFailed(err, len(names))
		return nil
	}
	tokens[redistier.ClearToken] = l.tokens[redistier.ClearToken]
	return tokens
}

// stands reports whether none of an item's tags was ended since the load began, by what Redis says
// now, and by what this process has heard. Where another server answers by now, which may be
// behind, its counts say nothing.
func (l *loading[K, V]) stands(tags *memory.Tagged, now map[string]string) bool {
	return redistier.Unended(l.tokens, now, tags.Names) && l.c.tokens.stand(tags) && l.c.redis.channel.Takeovers.Load() == l.takeovers
}

// commit writes to Redis in bounded batches, and notes each write's error with its landing.
func (l *loading[K, V]) commit(ctx context.Context, writes []redistier.Write, at []*landing[K, V]) {
	for lo := 0; lo < len(writes); {
		hi := lo + redistier.BatchLen(writes[lo:])
		errs, err := l.c.remote.Commit(ctx, l.token, writes[lo:hi])
		if err != nil {
			l.c.redisFailed(err, hi-lo)
		}
		for i := lo; i < hi; i++ {
			if err == nil {
				at[i].stored = errs[i-lo]
				l.c.noteWrite(errs[i-lo])
			}
		}
		lo = hi
	}
}
