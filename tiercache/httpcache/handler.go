package httpcache

import (
	"context"
	"net/http"
	"slices"

	"github.com/warmcache/warmcache/tiercache"
)

type entry = tiercache.Entry[*value]

// site is a handler with the cache in front of it.
type site struct {
	c    *Cache
	next http.Handler
}

// ServeHTTP answers a request from the cache, or has next do so.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.c
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.other(w, r)
		return
	}
	var x exchange // is filled where it stands
	x.c, x.next, x.w, x.r, x.is = c, s.next, w, r, traitsOf(r)
	if x.is.untouchable {
		s.bypass(w, r, "bypass", &c.counts.request)
		return
	}
	if x.is.wishing {
		x.want = c.wishOf(r.Header)
	}
	x.what = c.keyOf(r, x.is)
	if x.key = x.what.key; x.key == "" || x.want.noStore {
		s.bypass(w, r, "request", &c.counts.request)
		return
	}
	if x.fromMemory() { //nolint:contextcheck // a refresh outlives the request
		return
	}
	y := x  // what goes on may outlive this call; a hit needs no memory of its own
	y.run() //nolint:contextcheck // a pass mark ends though its client may have gone
}

// exchange is one GET or HEAD.
type exchange struct {
	c    *Cache
	next http.Handler
	w    http.ResponseWriter
	r    *http.Request
	is   traits
	what asked
	want wish

	key   string   // of the answer, as far as it is known
	names []string // of the fields that have selected it
	root  *value   // the first index on the way

	forced bool     // what is fresh would not do: it is asked for anew
	quiet  bool     // there is no client
	warm   *warming // it is no request, but one of a warm-up
}

const (
	// mostLevels bounds the indexes on the way to an answer.
	mostLevels = 4
	// mostSteps bounds how often one request looks the answer up anew.
	mostSteps = 8
)

// fromMemory answers with what this process has, if that will do.
func (x *exchange) fromMemory() bool {
	for range mostLevels {
		e, ok := x.c.tiers.Lookup(x.r.Context(), x.key)
		switch {
		case !ok:
			return false
		case e.Value.kind == kindAnswer:
			return x.serve(e)
		case e.Value.kind != kindIndex || e.Stale || !x.descend(e.Value):
			return false
		}
	}
	return false
}

// descend goes on to the key below an index. It fails where the request can have no key.
func (x *exchange) descend(index *value) bool {
	key, ok := index.under(x.key, x.r.Header)
	if !ok {
		return false
	}
	if x.root == nil {
		x.root = index
	}
	x.key = key
	if len(x.names) == 0 {
		x.names = index.names
	} else {
		x.names = append(slices.Clip(x.names), index.names...)
	}
	return true
}

// run answers what memory alone cannot.
func (x *exchange) run() {
	x.key, x.names, x.root = x.what.key, nil, nil
	for range mostSteps {
		e, known := x.c.tiers.Lookup(x.r.Context(), x.key)
		if !known {
			e = entry{}
		}
		if known && !e.Stale && e.Value.kind == kindPass {
			x.marked(e.Value)
			return
		}
		if known && !e.Stale && e.Value.kind == kindIndex {
			if !x.descend(e.Value) {
				x.alone("vary-miss", &x.c.counts.request, entry{})
				return
			}
			continue
		}
		if known && e.Value.kind == kindAnswer && x.serve(e) {
			return
		}
		if x.find(e) {
			return
		}
	}
	x.alone(x.why(nil), &x.c.counts.waited, entry{})
}

// find asks beyond memory. It reports whether the request is answered; else what it has found is
// in memory.
func (x *exchange) find(e entry) bool {
	c := x.c
	old := answerOf(e)
	switch {
	case x.is.precondition:
		x.alone("bypass", &c.counts.partial, entry{})
		return true
	case x.want.onlyHere, x.r.Method == http.MethodHead, x.is.partial, old == nil && x.is.conditional:
		return x.elsewhere(e)
	case old != nil && !old.open && x.is.credential && !c.cfg.Private:
		x.alone(x.why(old), &c.counts.uncacheable, e)
		return true
	case x.root != nil && !x.root.seen.admit(x.key, c.cfg.MaxVariants, c.isGone):
		x.alone("vary-miss", &c.counts.variants, entry{})
		return true
	case old != nil && old.lifetime <= old.age:
		if !old.asking.CompareAndSwap(false, true) { // its answer would be of no use to us
			x.alone(x.why(old), &c.counts.waited, e)
			return true
		}
		defer old.asking.Store(false)
	}
	return x.question(e)
}

// elsewhere looks the key up in Redis, for requests that do not ask the origin for what others
// could use.
func (x *exchange) elsewhere(e entry) bool {
	c := x.c
	ctx, cancel := context.WithTimeout(x.r.Context(), c.cfg.WaitFor)
	defer cancel()
	if got, err := c.tiers.GetOrReload(ctx, x.key, nil); err == nil && !got.Stale {
		if got.Value.kind == kindIndex && x.descend(got.Value) {
			return x.find(entry{})
		}
		if got.Value.kind == kindAnswer && x.serve(got) {
			return true
		}
	}
	if x.want.onlyHere {
		x.unavailable()
		return true
	}
	fwd := x.why(nil)
	if x.is.partial {
		fwd = "partial"
	}
	x.alone(fwd, &c.counts.partial, e)
	return true
}

// answerOf is the answer in an entry, nil where there is none.
func answerOf(e entry) *value {
	if e.Value != nil && e.Value.kind == kindAnswer {
		return e.Value
	}
	return nil
}
