package tiercache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/deadline"
	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// tenure reports whether what a load brings is committed to Redis under the lead's token, or stays
// in this process: there is no Redis, or it doesn't answer.
type tenure uint8

const (
	unleased tenure = iota
	leased
)

// load has the source asked for those flights that have one: in one call, or in several.
func (l *loading[K, V]) load(ctx context.Context, fls []*flight[K, V], held tenure) {
	if held == unleased { // else it has been seen to
		fls = without(fls, l.unasked)
	}
	if len(fls) == 0 {
		return
	}
	var kept *renewal
	if held == leased {
		kept = l.renewing(texts(fls))
	}
	size := 1
	if l.c.cfg.LoadMany != nil {
		size = loadChunk
	}
	if len(fls) <= size {
		l.ask(ctx, fls, held, kept)
		return
	}
	l.carryOn(ctx, func(ctx context.Context) {
		defer kept.end()
		if size == 1 {
			l.askEach(ctx, fls, held)
			return
		}
		for batch := range slices.Chunk(fls, size) {
			l.ask(ctx, batch, held, nil)
		}
	})
}

// askEach asks the source for one key after the other, several at a time.
func (l *loading[K, V]) askEach(ctx context.Context, fls []*flight[K, V], held tenure) {
	l.makeSlots.Do(func() { l.slots = make(chan struct{}, loadWidth) })
	var all sync.WaitGroup
	defer all.Wait()
	for _, f := range fls {
		l.slots <- struct{}{}
		all.Go(func() {
			defer func() {
				<-l.slots
				if v := recover(); v != nil {
					l.c.end(f, nil, 0, failure.NewPanicError(v))
				}
			}()
			l.ask(ctx, f.one[:], held, nil)
		})
	}
}

// ask asks the source for the flights at once, and commits what it says. It ends kept, which may
// be nil.
func (l *loading[K, V]) ask(ctx context.Context, fls []*flight[K, V], held tenure, kept *renewal) {
	cl, behind := l.newCall(), l.behind
	defer func() {
		if behind == l.behind { // else it is carried on
			cl.close(ctx)
		}
	}()
	cl.begin(ctx, l, fls, held, kept)
	over := cl.wait(l.by)
	if over && (held == unleased || l.waits()) {
		cl.commit(ctx)
		return
	}
	l.carryOn(ctx, func(ctx context.Context) {
		defer cl.close(ctx)
		if !over {
			cl.wait(patience{})
		}
		cl.commit(ctx)
	})
}

// call is a loader at work, in a goroutine of its own, under LoadTimeout. Its panic or Goexit is an
// error. A loader that outstays its context is cut off: its flights fail, and what it returns later
// goes nowhere.
type call[K comparable, V any] struct {
	l     *loading[K, V]
	fls   []*flight[K, V]
	held  tenure
	kept  *renewal // of the leases, if it is this call's to end
	read  int64    // when the source read began
	began int64
	ctx   deadline.Context // the loader's
	done  chan error
	said  []landing[K, V] // what the source said, once it is over
	one   [1]landing[K, V]
	err   error // once it is over: the loader's, or errCutOff

	cutOff    bool // what the loader writes must not be read
	committed bool
}

// newCall is the one that the caller waits for, or one of those of a goroutine, which may be
// several at a time.
func (l *loading[K, V]) newCall() *call[K, V] {
	if l.behind {
		return new(call[K, V])
	}
	return &l.first
}

// begin starts a loader; wait must follow. The loader's context does not end with it: what it
// leaves running has until LoadTimeout.
func (cl *call[K, V]) begin(ctx context.Context, l *loading[K, V], fls []*flight[K, V], held tenure, kept *renewal) {
	c := l.c
	cl.l, cl.fls, cl.held, cl.kept = l, fls, held, kept
	cl.began, cl.done = c.memory.Clock.Now(), make(chan error, 1)
	cl.read = cl.began
	if f := fls[0]; f.force {
		cl.read = c.flights.ask(f, cl.read)
	}
	if cl.said = cl.one[:]; len(fls) > 1 {
		cl.said = make([]landing[K, V], len(fls))
	}
	for i, f := range fls {
		cl.said[i].f = f
	}
	cl.ctx = c.loadTimes.Detached(fls[0].lead.within(ctx)) // it has the values of ctx, and ends with the cache
	if !c.tasks.enter() {                                  // the loader is waited for by Close beyond its cut-off
		cl.done <- ErrClosed
		return
	}
	c.counters.Add(fls[0].hash, stat.Loads, uint64(len(fls)))
	go cl.run() //nolint:contextcheck // it has the context
}

// run has the loader do its work.
func (cl *call[K, V]) run() {
	defer cl.l.c.tasks.leave()
	err := ErrGoexit // stands if the loader neither returns nor panics
	defer func() {
		if v := recover(); v != nil {
			err = failure.NewPanicError(v)
		}
		cl.done <- err
	}()
	if len(cl.fls) == 1 {
		err = cl.askOne(&cl.ctx)
	} else {
		err = cl.askMany(&cl.ctx)
	}
}

// askOne asks for one key.
func (cl *call[K, V]) askOne(ctx context.Context) (err error) {
	said, cfg := &cl.said[0], &cl.l.c.cfg
	switch f := said.f; {
	case f.load != nil:
		said.value, err = f.load(ctx)
		err = failure.OfLoader(err)
	case f.reload != nil:
		said.value, err = cl.l.reloadWith(ctx, f)
	case cfg.Reload != nil && cl.l.previous(f) != nil:
		said.value, err = cl.l.reload(ctx, f, cl.l.previous(f))
	case cfg.Load != nil:
		said.value, err = cfg.Load(ctx, f.key)
		err = failure.OfLoader(err)
	case cfg.LoadMany != nil:
		if err = cl.askMany(ctx); said.known {
			return nil // what came is good, whatever became of the rest
		}
		err = cmp.Or(err, ErrNotFound)
	default:
		err = errNoLoader
	}
	said.known = err == nil
	return err
}

// errNoLoader is never seen: who has no loader is not asked.
var errNoLoader = errors.New("there is no loader")

// askMany asks for all keys at once.
func (cl *call[K, V]) askMany(ctx context.Context) error {
	keys := make([]K, len(cl.fls))
	for i, f := range cl.fls {
		keys[i] = f.key
	}
	values, err := cl.l.c.cfg.LoadMany(ctx, keys)
	for i := range cl.said {
		said := &cl.said[i]
		said.value, said.known = values[said.f.key]
	}
	return failure.Alien(err)
}

// previous is the value that Reload may build on.
func (l *loading[K, V]) previous(f *flight[K, V]) *memory.Item[V] {
	best := f.stale.Load()
	if f.old != nil && (best == nil || f.old.Read > best.Read) {
		best = f.old
	}
	if best == nil || best.Absent {
		return nil
	}
	return best
}

func (l *loading[K, V]) reload(ctx context.Context, f *flight[K, V], old *memory.Item[V]) (V, error) {
	value, err := l.c.cfg.Reload(ctx, f.key, l.c.clone(old.Value))
	err = failure.OfLoader(err)
	if errors.Is(err, ErrNotModified) {
		return old.Value, nil // it was just compared with the source: that is a read of it
	}
	return value, err
}

// wait waits for the loader to return or to be cut off, and notes its error. Where the caller's
// patience ends before that it returns false, and is to be called again, without patience.
func (cl *call[K, V]) wait(by patience) bool {
	c := cl.l.c
	var quit <-chan struct{}
	var soft <-chan time.Time
	if by.ctx != nil && !cl.l.behind {
		quit = by.ctx.Done()
		if !by.soft.IsZero() {
			timer := time.NewTimer(time.Until(by.soft))
			defer timer.Stop()
			soft = timer.C
		}
	}
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
		c.counters.Add(cl.fls[0].hash, stat.LoadErrors, uint64(len(cl.fls)))
	}
	c.observe(Event{Kind: EventLoad, Took: time.Duration(c.memory.Clock.Now() - cl.began), Keys: len(cl.fls), Err: cl.err})
	return true
}

// errCutOff ends a load whose loader honours no context: its LoadTimeout is over.
var errCutOff = errors.New("LoadTimeout exceeded")

// cutOffGrace is how long a loader has to return after its context ended before it is cut off.
const cutOffGrace = 10 * time.Millisecond

// commit stores what the source said and ends the flights. A key of which an incomplete answer says
// nothing is not known to be absent.
func (cl *call[K, V]) commit(ctx context.Context) {
	if cl.cutOff {
		return // what was said still belongs to the loader; close does the rest
	}
	for i := range cl.said {
		if said := &cl.said[i]; !said.known {
			said.err = cmp.Or(cl.err, ErrNotFound)
		}
	}
	cl.l.settle(ctx, cl.said, cl.read, cl.held)
	cl.committed = true
}

// close ends the renewal of the leases, and gives them back where nothing has come of the call: the
// loader was cut off, or a callback of the user has ended the goroutine. Others may have better
// luck.
func (cl *call[K, V]) close(ctx context.Context) {
	cl.kept.end()
	if cl.held == leased && !cl.committed {
		cl.l.release(ctx, texts(cl.fls))
	}
}
