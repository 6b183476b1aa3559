package tiercache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// lead is one goroutine's work for one or more flights. Loaders find it in their context, so that a load that comes back to its own key is an error
// and not a deadlock: it may come back by a chain of loads, through several caches, and each link may have been begun by somebody else. A flight
// has its lead before anybody else can see it.
type lead struct {
	parent *lead         // whose loader began this one; nil for what is begun behind a read, which nobody's load waits for
	loads  leading       // set before its goroutine begins
	over   atomic.Bool   // its flights have ended: what its loader left running may ask for anything
	waits  map[*lead]int // the leads that its loaders wait for; guarded by waiting
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

// flightID is a key of a cache, generations aside: recursion is recursion whatever was invalidated meanwhile.
type flightID[K comparable, V any] struct {
	cache *Cache[K, V]
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

// waiting guards the graph of leads that wait for each other. It spans caches, and is touched only where a loader waits for a load.
var waiting sync.Mutex //nolint:gochecknoglobals // the graph spans caches

// leads says whether l or one of those that caused it leads id.
func (l *lead) leads(id any) bool {
	for ; l != nil; l = l.parent {
		if !l.over.Load() && l.loads.leads(id) {
			return true
		}
	}
	return false
}

// await notes that a loader of l is going to wait for other. It refuses what would never end. Without an error, awaited must follow.
func (l *lead) await(other *lead) error {
	waiting.Lock()
	defer waiting.Unlock()
	if other.waitsFor(l) {
		return ErrRecursive
	}
	if l.waits == nil {
		l.waits = make(map[*lead]int)
	}
	l.waits[other]++
	return nil
}

func (l *lead) awaited(other *lead) {
	waiting.Lock()
	defer waiting.Unlock()
	if l.waits[other]--; l.waits[other] == 0 {
		delete(l.waits, other)
	}
}

func (l *lead) waitsFor(target *lead) bool {
	if l == target {
		return true
	}
	for other := range l.waits {
		if other.waitsFor(target) {
			return true
		}
	}
	return false
}
