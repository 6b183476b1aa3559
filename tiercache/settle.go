package tiercache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// loaded is what the source said of one key.
type loaded[V any] struct {
	value V
	err   error
}

// settle stores what the source said and ends the flights. read is when the source read began.
func (l *loading[K, V]) settle(ctx context.Context, fls []*flight[K, V], results []loaded[V], read int64, held tenure) {
	c := l.c
	items := make([]*item[V], len(fls))
	for i, f := range fls {
		items[i] = l.item(f, &results[i], read)
	}
	stored := make([]error, len(fls))
	if held == leased {
		l.store(context.WithoutCancel(ctx), fls, items, results, stored) // Close ends loads; what has been loaded is still worth storing
	}
	for i, f := range fls {
		switch {
		case items[i] == nil:
			c.end(f, nil, 0, c.loadError(f.key, results[i].err))
		case errors.Is(stored[i], errLeaseLost): // somebody knows better; for those who waited it is good enough, their reads began before
			c.counters.add(f.hash, refused, 1)
			c.end(f, items[i], FromSource, nil)
		default:
			c.fill(f, items[i])
			c.end(f, items[i], FromSource, nil)
		}
	}
}

// item makes the item that a load brought; nil, with the result's error, where there is none. A callback of the user that panics fails this key alone.
func (l *loading[K, V]) item(f *flight[K, V], res *loaded[V], read int64) (it *item[V]) {
	defer func() {
		if v := recover(); v != nil {
			it, res.err = nil, newPanicError(v)
		}
	}()
	switch {
	case res.err == nil:
		return l.c.newItem(f.key, l.c.clone(res.value), read, 0).stamp(f.seen)
	case errors.Is(res.err, ErrNotFound):
		l.c.unlearn(f)
		return l.c.newAbsence(read).stamp(f.seen)
	default:
		return nil
	}
}

// store commits the items and gives back the leases of those that are none. An item whose tags were ended while it was loaded is not stored anywhere.
func (l *loading[K, V]) store(ctx context.Context, fls []*flight[K, V], items []*item[V], results []loaded[V], stored []error) {
	tokens, stands := l.tagTokens(ctx, items)
	var writes []write
	var at []int                // the flight of each write
	var failed, broken []string // leases to give back, and those of loads that failed
	for i, f := range fls {
		if err := results[i].err; items[i] == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) { // else the source has not failed
			broken = append(broken, f.text)
			continue
		}
		if items[i] != nil && items[i].tags != nil && !stands {
			stored[i] = errLeaseLost
			failed = append(failed, f.text)
			continue
		}
		w, ok := l.write(f, &items[i], &results[i], tokens)
		if !ok {
			failed = append(failed, f.text)
			continue
		}
		writes, at = append(writes, w), append(at, i)
	}
	l.commit(ctx, writes, at, stored)
	l.release(ctx, failed)
	l.backOff(ctx, broken)
}

// write encodes an item, if there is one.
func (l *loading[K, V]) write(f *flight[K, V], it **item[V], res *loaded[V], tokens map[string]string) (w write, ok bool) {
	if *it == nil {
		return w, false
	}
	defer func() {
		if v := recover(); v != nil {
			*it, res.err, ok = nil, newPanicError(v), false
		}
	}()
	return l.c.encode(f.text, *it, joinTokens(tokens, (*it).tagNames())), true
}

// tagTokens is the cache's token of before the load with the current ones of the items' tags, and whether no tag was ended since the load began: the mark, read
// last, would be another one.
func (l *loading[K, V]) tagTokens(ctx context.Context, items []*item[V]) (tokens map[string]string, stands bool) {
	var names []string
	for _, it := range items {
		if it != nil {
			for _, tag := range it.tagNames() {
				names = append(names, tagToken(tag))
			}
		}
	}
	if len(names) == 0 {
		return l.tokens, true
	}
	c, epoch := l.c, l.c.epoch.Load()
	tokens, err := c.tokens.get(ctx, c.remote, epoch, names, known)
	if err == nil {
		var mark map[string]string
		if mark, err = c.tokens.get(ctx, c.remote, epoch, []string{markToken}, fromRedis); err == nil {
			tokens[clearToken] = l.tokens[clearToken]
			return tokens, mark[markToken] == l.tokens[markToken]
		}
	}
	c.redisFailed(err, len(names))
	return nil, false
}

// commit writes to Redis in bounded batches, and notes each write's error under its flight's index.
func (l *loading[K, V]) commit(ctx context.Context, writes []write, at []int, stored []error) {
	for lo := 0; lo < len(writes); {
		hi := lo + batchLen(writes[lo:])
		errs, err := l.c.remote.commit(ctx, l.token, writes[lo:hi])
		if err != nil {
			l.c.redisFailed(err, hi-lo)
		}
		for i := lo; i < hi; i++ {
			if err == nil {
				stored[at[i]] = errs[i-lo]
				l.c.noteWrite(errs[i-lo])
			}
		}
		lo = hi
	}
}

// renewing keeps the leases until the returned function is called.
func (l *loading[K, V]) renewing(ctx context.Context, keys []string) (stop func()) {
	r := &renewal{}
	every := l.c.redis.cfg.LeaseLife / 3
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(every, func() {
		if r.over() || !l.c.tasks.enter() {
			return
		}
		defer l.c.tasks.leave()
		for batch := range slices.Chunk(keys, batchKeys) {
			_ = l.c.remote.renew(ctx, l.token, batch) // a lease that could not be renewed ends, and the commit says so
		}
		r.again(every)
	})
	return r.stop
}

// renewal is a timer that begins anew each time it is done. Most loads are over before it goes off.
type renewal struct {
	mu      sync.Mutex
	stopped bool
	timer   *time.Timer
}

func (r *renewal) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

func (r *renewal) again(after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.timer.Reset(after)
	}
}

func (r *renewal) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.timer.Stop()
}
