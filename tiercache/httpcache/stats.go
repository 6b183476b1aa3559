package httpcache

import "sync/atomic"

// Stats is one snapshot of counters that only grow. A request counts once, under what answered it.
type Stats struct {
	Hits      uint64 // answered from the cache, fresh
	Stale     uint64 // answered from the cache, stale: while it is refreshed, for an error, or by max-stale
	Validated uint64 // answered from the cache after the origin has said that it still stands
	Collapsed uint64 // answered with what another request has just brought
	Misses    uint64 // answered by the origin, and stored
	Pass      Passed // answered by the origin, and not stored
	Errors    uint64 // 504 for only-if-cached, and handlers that panicked

	Refreshes     uint64 // behind the requests' backs; these are no requests
	Invalidations uint64 // of URLs, by unsafe methods, Invalidate and PURGE
}

// Passed counts requests that the origin answered for their client alone, by the reason why.
type Passed struct {
	Method      uint64 // neither GET nor HEAD
	Request     uint64 // of a kind that is never cached: Upgrade, a body, an event stream, no key, no-store
	Partial     uint64 // Range, If-None-Match and the like, HEAD: nothing was stored to answer them from
	Marked      uint64 // it is remembered that the answer cannot be stored
	Uncacheable uint64 // the answer has turned out not to be storable
	TooLarge    uint64 // the body has outgrown MaxBody
	Variants    uint64 // the URL has MaxVariants variants already
	Waited      uint64 // WaitFor was over, or what others got could not be shared
}

// Total is their sum.
func (p Passed) Total() uint64 {
	return p.Method + p.Request + p.Partial + p.Marked + p.Uncacheable + p.TooLarge + p.Variants + p.Waited
}

// counter is one of them.
type counter struct{ n atomic.Uint64 }

func (c *counter) add() { c.n.Add(1) }

// counters are a cache's. Hits are counted in several places, so that processors do not wait for
// each other.
type counters struct {
	hits [8]struct {
		counter
		_ [120]byte
	}
	stale, validated, collapsed, misses, errors, refreshes, invalidations counter

	method, request, partial, marked, uncacheable, tooLarge, variants, waited counter
}

// hit is where a hit on a key is counted.
func (c *counters) hit(key string) *counter {
	return &c.hits[(len(key)^int(key[len(key)-1]))%len(c.hits)].counter
}

func (c *counters) stats() Stats {
	s := Stats{
		Stale: c.stale.n.Load(), Validated: c.validated.n.Load(), Collapsed: c.collapsed.n.Load(),
		Misses: c.misses.n.Load(), Errors: c.errors.n.Load(),
		Refreshes: c.refreshes.n.Load(), Invalidations: c.invalidations.n.Load(),
		Pass: Passed{
			Method: c.method.n.Load(), Request: c.request.n.Load(), Partial: c.partial.n.Load(),
			Marked: c.marked.n.Load(), Uncacheable: c.uncacheable.n.Load(), TooLarge: c.tooLarge.n.Load(),
			Variants: c.variants.n.Load(), Waited: c.waited.n.Load(),
		},
	}
	for i := range c.hits {
		s.Hits += c.hits[i].n.Load()
	}
	return s
}
