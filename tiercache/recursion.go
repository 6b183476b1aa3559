package tiercache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// lead is one goroutine's work for one or more flights. Loaders find it in their context, so that a
// load that comes back to its own key is an error and not a deadlock: it may come back by a chain
// of loads, through several caches, and each link may have been begun by somebody else. A flight
// has its lead before anybody else can see it.
type lead struct {
	parent *lead       // whose loader began this one; nil for what is begun behind a read, which nobody's load waits for
	loads  leading     // set before its goroutine begins
	over   atomic.Bool // its flights have ended: what its loader left running may ask for anything

	mu    sync.Mutex    // guards waits; held with no other lead's
	waits map[*lead]int // the leads that its loaders wait for
}

// leading knows whether a flightID is among the flights of a lead.
type leading interface{ leads(id any) bool }

func (f *flight[K, V]) leads(id any) bool {
	want, ok := id.(flightID[K, V])
	return ok && want.cache == f.cache && want.key == f.key
}

// leadAlone gives the flight a lead of its own.
func (f *flight[K, V]) leadAlone(parent *lead) {
	f.own.parent, f.own.loads = parent, f
	f.lead = &f.own
}

// batch is flights that are loaded together.
type batch[K comparable, V any] struct{ flights []*flight[K, V] }

func (b *batch[K, V]) leads(id any) bool {
	return slices.ContainsFunc(b.flights, func(f *flight[K, V]) bool { return f.leads(id) })
}

// flightID is a key of a cache, generations aside: recursion is recursion whatever was invalidated
// meanwhile.
type flightID[K comparable, V any] struct {
	cache *loads[K, V]
	key   K
}

type leadKey struct{}

// leadContext is a context in which loaders find the lead that they work for.
type leadContext struct {
	context.Context //nolint:containedctx // it is one
	lead            *lead
}

// Value knows the lead.
func (c leadContext) Value(key any) any {
	if key == (leadKey{}) {
		return c.lead
	}
	return c.Context.Value(key)
}

// leadOf returns the load that ctx belongs to, nil outside of loads.
func leadOf(ctx context.Context) *lead {
	l, _ := ctx.Value(leadKey{}).(*lead)
	return l
}

// within is ctx, of which loaders find that they work for l: in a batch each key may have a lead of
// its own.
func (l *lead) within(ctx context.Context) context.Context {
	if leadOf(ctx) == l {
		return ctx
	}
	return leadContext{ctx, l}
}

// leads reports whether l or one of those that caused it leads id.
func (l *lead) leads(id any) bool {
	for ; l != nil; l = l.parent {
		if !l.over.Load() && l.loads.leads(id) {
			return true
		}
	}
	return false
}

// await notes that a loader of l is going to wait for other. It refuses what would never end.
// Without an error, awaited must follow.
//
// The wait is in the graph before the search begins: whichever wait closes a circle comes last, and
// its search sees all the others. So no lock is held over more than one lead, and loads that have
// nothing to do with each other don't wait for each other's searches.
func (l *lead) await(other *lead) error {
	l.wait(other, 1)
	if !other.waitsFor(l) {
		return nil
	}
	refusing.Lock()
	defer refusing.Unlock()
	if !other.waitsFor(l) { // another wait of the circle was refused meanwhile
		return nil
	}
	l.wait(other, -1)
	return ErrRecursive
}

// refusing is held while a circle is broken: of two waits that close one at the same time, one is
// enough. It spans caches, as circles do.
var refusing sync.Mutex //nolint:gochecknoglobals // circles span caches

func (l *lead) awaited(other *lead) { l.wait(other, -1) }

// wait counts the loaders of l that wait for other.
func (l *lead) wait(other *lead, more int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waits == nil {
		l.waits = make(map[*lead]int)
	}
	if l.waits[other] += more; l.waits[other] == 0 {
		delete(l.waits, other)
	}
}

// waitsFor reports whether a wait for l is, by however many others, one for target. It looks at
// each lead once: loads that fan out and meet again have far more ways than leads.
func (l *lead) waitsFor(target *lead) bool {
	todo, seen := []*lead{l}, map[*lead]bool{l: true}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if at == target {
			return true
		}
		at.mu.Lock()
		for other := range at.waits {
			if !seen[other] {
				seen[other] = true
				todo = append(todo, other)
			}
		}
		at.mu.Unlock()
	}
	return false
}
