package tiercache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// tenure says whether what a load brings is committed to Redis under the lead's token, or stays in this process: there is no Redis, or it doesn't answer.
type tenure uint8

const (
	unleased tenure = iota
	leased
)

// loadAll asks the source, for those flights that have one.
func (l *loading[K, V]) loadAll(ctx context.Context, fls []*flight[K, V], held tenure) {
	if held == unleased { // else it has been seen to
		fls = slices.DeleteFunc(slices.Clone(fls), l.unasked)
	}
	if len(fls) == 0 {
		return
	}
	if held == leased {
		defer l.renewing(texts(fls)).end()
	}
	if l.c.cfg.LoadMany != nil && len(fls) > 1 {
		for batch := range slices.Chunk(fls, loadChunk) {
			l.loadMany(ctx, batch, held)
		}
		return
	}
	if len(fls) == 1 {
		l.loadOne(ctx, fls[0], held)
		return
	}
	l.makeSlots.Do(func() { l.slots = make(chan struct{}, loadWidth) })
	var all sync.WaitGroup
	defer all.Wait()
	for _, f := range fls {
		l.slots <- struct{}{}
		all.Go(func() {
			defer func() {
				<-l.slots
				if v := recover(); v != nil {
					l.c.end(f, nil, 0, newPanicError(v))
				}
			}()
			l.loadOne(ctx, f, held)
		})
	}
}

// loadOne asks the source for one key.
func (l *loading[K, V]) loadOne(ctx context.Context, f *flight[K, V], held tenure) {
	q := new(question[K, V])
	defer q.giveBack(ctx)
	q.ask(leadContext{ctx, f.lead}, l, f, held) //nolint:contextcheck // it is ctx; in a batch each key has its own lead
	q.wait(nil, nil)
	q.land(ctx)
}

// question is one key, as it is put to the source.
type question[K comparable, V any] struct {
	call[K, V]
	fls  [1]*flight[K, V]
	held tenure
	said [1]landing[K, V] // what the source said, once it is over
	read int64            // when the source read began

	landed bool
}

// ask begins to ask the source for one key; wait and land follow.
func (q *question[K, V]) ask(ctx context.Context, l *loading[K, V], f *flight[K, V], held tenure) {
	q.fls[0], q.held, q.said[0].f, q.read = f, held, f, l.c.memory.clock.now()
	if f.force {
		q.read = l.c.flights.ask(f, q.read)
	}
	q.begin(ctx, l, q.fls[:], q)
}

// load asks.
func (q *question[K, V]) load(ctx context.Context) (err error) {
	said, cfg := &q.said[0], &q.l.c.cfg
	switch f := said.f; {
	case f.load != nil:
		said.value, err = f.load(ctx)
		err = ofLoader(err)
	case f.reload != nil:
		said.value, err = q.l.reloadWith(ctx, f)
	case cfg.Reload != nil && q.l.previous(f) != nil:
		said.value, err = q.l.reload(ctx, f, q.l.previous(f))
	case cfg.Load != nil:
		said.value, err = cfg.Load(ctx, f.key)
		err = ofLoader(err)
	case cfg.LoadMany != nil:
		said.value, err = q.l.loadSingly(ctx, f.key)
	default:
		err = errNoLoader
	}
	return err
}

// errNoLoader is never seen: who has no loader is not asked.
var errNoLoader = errors.New("there is no loader")

// land settles what the source said.
func (q *question[K, V]) land(ctx context.Context) {
	if q.cutOff {
		return // what was said still belongs to the loader; giveBack does the rest
	}
	q.said[0].err = q.err
	q.l.settle(ctx, q.said[:], q.read, q.held)
	q.landed = true
}

// giveBack gives the lease back where nothing has come of the question: the loader was cut off, or a callback of the user has ended the goroutine.
func (q *question[K, V]) giveBack(ctx context.Context) {
	if q.l != nil && !q.landed {
		q.l.abandon(ctx, q.fls[:], q.held)
	}
}

// loadSingly is LoadMany for one key.
func (l *loading[K, V]) loadSingly(ctx context.Context, key K) (value V, err error) {
	values, err := l.c.cfg.LoadMany(ctx, []K{key})
	err = alien(err)
	value, ok := values[key]
	switch {
	case ok:
		return value, nil // what came is good, whatever became of the rest
	case err == nil:
		err = ErrNotFound
	}
	return value, err
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
	err = ofLoader(err)
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
	asked := &questions[K, V]{keys: keys}
	settled := false
	defer func() {
		if !settled { // the loader was cut off, or a callback of the user has ended the goroutine
			l.abandon(ctx, fls, held)
		}
	}()
	asked.begin(ctx, l, fls, asked)
	asked.wait(nil, nil)
	err := asked.err
	if asked.cutOff {
		return // what was said still belongs to the loader
	}
	all := make([]landing[K, V], len(fls))
	for i, f := range fls {
		value, ok := asked.values[f.key]
		switch all[i].f = f; {
		case ok:
			all[i].value = value
		case err != nil: // the answer is not complete: nothing is known about this key
			all[i].err = err
		default:
			all[i].err = ErrNotFound
		}
	}
	l.settle(ctx, all, read, held)
	settled = true
}

// questions is many keys, as they are put to the source at once.
type questions[K comparable, V any] struct {
	call[K, V]
	keys   []K
	values map[K]V // what the source said, once it is over
}

func (q *questions[K, V]) load(ctx context.Context) (err error) {
	q.values, err = q.l.c.cfg.LoadMany(ctx, q.keys)
	return alien(err)
}

// asker puts something to the source.
type asker interface {
	load(ctx context.Context) error
}

// call is a loader at work, in a goroutine of its own, under LoadTimeout. Its panic or Goexit is an error. A loader that outstays its context is cut off: its
// flights fail, and what it returns later goes nowhere.
type call[K comparable, V any] struct {
	l     *loading[K, V]
	what  asker
	fls   []*flight[K, V]
	began int64
	ctx   boundContext // the loader's
	done  chan error
	err   error // once it is over: the loader's, or errCutOff

	cutOff bool // what the loader writes must not be read
}

// begin starts a loader; wait must follow. The loader's context does not end with it: what it leaves running has until LoadTimeout.
func (cl *call[K, V]) begin(ctx context.Context, l *loading[K, V], fls []*flight[K, V], what asker) {
	c := l.c
	*cl = call[K, V]{
		l: l, what: what, fls: fls, began: c.memory.clock.now(), done: make(chan error, 1),
		ctx: boundContext{c.loadTimes.next(), ctx}, // it has the values of ctx, and ends with the cache
	}
	if !c.tasks.enter() { // the loader is waited for by Close beyond its cut-off
		cl.done <- ErrClosed
		return
	}
	c.counters.add(fls[0].hash, loads, uint64(len(fls)))
	go cl.run() //nolint:contextcheck // it has the context
}

// run has the loader do its work.
func (cl *call[K, V]) run() {
	defer cl.l.c.tasks.leave()
	err := ErrGoexit // stands if the loader neither returns nor panics
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v)
		}
		cl.done <- err
	}()
	err = cl.what.load(&cl.ctx)
}

// wait waits for the loader to return or to be cut off, and notes its error. Where one of the channels, which may be nil, is quicker it returns false, and is to be called again.
func (cl *call[K, V]) wait(quit <-chan struct{}, soft <-chan time.Time) bool {
	c := cl.l.c
	select {
	case cl.err = <-cl.done:
	case <-quit:
		return false
	case <-soft:
		return false
	case <-cl.ctx.Done():
		timer := time.NewTimer(cutOffGrace)
		defer timer.Stop()
		select { // it may just have heeded its context
		case cl.err = <-cl.done:
		case <-timer.C:
			cl.err, cl.cutOff = fmt.Errorf("%w: %v: %w", errCutOff, c.cfg.LoadTimeout, cl.ctx.Err()), true
			for _, f := range cl.fls {
				c.end(f, nil, 0, c.loadError(f.key, cl.err))
			}
		}
	}
	if cl.err != nil && !errors.Is(cl.err, ErrNotFound) {
		c.counters.add(cl.fls[0].hash, loadErrors, uint64(len(cl.fls)))
	}
	c.observe(Event{Kind: EventLoad, Took: time.Duration(c.memory.clock.now() - cl.began), Keys: len(cl.fls), Err: cl.err})
	return true
}

// errCutOff ends a load whose loader honours no context: its LoadTimeout is over.
var errCutOff = errors.New("LoadTimeout exceeded")

// cutOffGrace is how long a loader has to return after its context ended before it is cut off.
const cutOffGrace = 10 * time.Millisecond

// abandon gives back the leases of a load of which nothing came: it can write nothing any more, and others may have better luck.
func (l *loading[K, V]) abandon(ctx context.Context, fls []*flight[K, V], held tenure) {
	if held == leased {
		l.release(ctx, texts(fls))
	}
}
