package tiercache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// tenure says whether what a load brings is committed to Redis under the lead's token, or stays in this process: there is no Redis, or it doesn't answer.
type tenure uint8

const (
	unleased tenure = iota
	leased
)

// loadAll asks the source.
func (l *loading[K, V]) loadAll(ctx context.Context, fls []*flight[K, V], held tenure) {
	if len(fls) == 0 {
		return
	}
	if held == leased {
		defer l.renewing(ctx, texts(fls))()
	}
	if l.c.cfg.LoadMany != nil && (len(fls) > 1 || l.c.cfg.Load == nil && fls[0].load == nil) {
		for batch := range slices.Chunk(fls, loadChunk) {
			l.loadMany(ctx, batch, held)
		}
		return
	}
	if len(fls) == 1 {
		l.loadOne(ctx, fls[0], held)
		return
	}
	var g errgroup.Group
	g.SetLimit(loadWidth)
	for _, f := range fls {
		g.Go(func() error {
			l.loadOne(ctx, f, held)
			return nil
		})
	}
	_ = g.Wait() // each flight has its own error
}

// loadOne asks the source for one key.
func (l *loading[K, V]) loadOne(ctx context.Context, f *flight[K, V], held tenure) {
	ctx = context.WithValue(ctx, leadKey{}, f.lead) // in a batch each key has its own
	read := l.c.memory.clock.now()
	var value V
	err := l.call(ctx, []*flight[K, V]{f}, func(ctx context.Context) (err error) {
		cfg := &l.c.cfg
		switch {
		case f.load != nil:
			value, err = f.load(ctx)
		case cfg.Reload != nil && l.previous(f) != nil:
			value, err = l.reload(ctx, f, l.previous(f))
		case cfg.Load != nil:
			value, err = cfg.Load(ctx, f.key)
		default:
			err = ErrNotFound
		}
		return err
	})
	if errors.Is(err, errCutOff) {
		l.abandon(ctx, []*flight[K, V]{f}, held) // value still belongs to the loader
		return
	}
	l.settle(ctx, []*flight[K, V]{f}, []loaded[V]{{value, err}}, read, held)
}

// previous is the value that Reload may build on.
func (l *loading[K, V]) previous(f *flight[K, V]) *item[V] {
	best := f.stale.Load()
	if f.old != nil && (best == nil || f.old.read > best.read) {
		best = f.old
	}
	if best == nil || best.absent {
		return nil
	}
	return best
}

func (l *loading[K, V]) reload(ctx context.Context, f *flight[K, V], old *item[V]) (V, error) {
	value, err := l.c.cfg.Reload(ctx, f.key, l.c.clone(old.value))
	if errors.Is(err, ErrNotModified) {
		return old.value, nil // it was just compared with the source: that is a read of it
	}
	return value, err
}

// loadMany asks the source for many keys at once.
func (l *loading[K, V]) loadMany(ctx context.Context, fls []*flight[K, V], held tenure) {
	keys := make([]K, len(fls))
	for i, f := range fls {
		keys[i] = f.key
	}
	read := l.c.memory.clock.now()
	var values map[K]V
	err := l.call(ctx, fls, func(ctx context.Context) (err error) {
		values, err = l.c.cfg.LoadMany(ctx, keys)
		return err
	})
	if errors.Is(err, errCutOff) {
		l.abandon(ctx, fls, held)
		return
	}
	results := make([]loaded[V], len(fls))
	for i, f := range fls {
		value, ok := values[f.key]
		switch {
		case ok:
			results[i].value = value
		case err != nil: // the answer is not complete: nothing is known about this key
			results[i].err = err
		default:
			results[i].err = ErrNotFound
		}
	}
	l.settle(ctx, fls, results, read, held)
}

// call runs a loader in a goroutine of its own under LoadTimeout, and turns its panic or Goexit into an error. A loader that outstays its context is cut off: its
// flights fail, and what it returns later goes nowhere. The error is then errCutOff, and what fn writes must not be read.
func (l *loading[K, V]) call(ctx context.Context, fls []*flight[K, V], fn func(context.Context) error) error {
	c := l.c
	if !c.tasks.enter() { // the loader is waited for by Close beyond its cut-off
		return ErrClosed
	}
	c.counters.add(fls[0].hash, loads, uint64(len(fls)))
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.LoadTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer c.tasks.leave()
		err := ErrGoexit // stands if fn neither returns nor panics
		defer func() {
			if v := recover(); v != nil {
				err = newPanicError(v)
			}
			done <- err
		}()
		err = fn(ctx)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		timer := time.NewTimer(cutOffGrace)
		defer timer.Stop()
		select { // it may just have heeded its context
		case err = <-done:
		case <-timer.C:
			err = fmt.Errorf("%w: %v: %w", errCutOff, c.cfg.LoadTimeout, ctx.Err())
			for _, f := range fls {
				c.end(f, nil, 0, c.loadError(f.key, err))
			}
		}
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		c.counters.add(fls[0].hash, loadErrors, uint64(len(fls)))
	}
	c.observe(Event{Kind: EventLoad, Took: time.Since(began), Keys: len(fls), Err: err})
	return err
}

// errCutOff ends a load whose loader honours no context: its LoadTimeout is over.
var errCutOff = errors.New("LoadTimeout exceeded")

// cutOffGrace is how long a loader has to return after its context ended before it is cut off.
const cutOffGrace = 10 * time.Millisecond

// abandon gives back the leases of a loader that was cut off: it can write nothing any more, and others may have better luck.
func (l *loading[K, V]) abandon(ctx context.Context, fls []*flight[K, V], held tenure) {
	if held == leased {
		l.release(ctx, texts(fls))
	}
}
