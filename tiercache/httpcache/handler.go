package httpcache

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

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
	if untouchable(r) {
		s.bypass(w, r, "bypass", &c.counts.request)
		return
	}
	what := c.keyOf(r)
	want := c.wishOf(r.Header)
	if what.key == "" || want.noStore {
		s.bypass(w, r, "request", &c.counts.request)
		return
	}
	x := exchange{c: c, next: s.next, w: w, r: r, what: what, want: want, key: what.key}
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
	what asked
	want wish

	key   string   // of the answer, as far as it is known
	names []string // of the fields that have selected it
	root  *value   // the first index on the way

	forced bool     // what is fresh would not do: it is asked for anew
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
				x.alone("vary-miss", &x.c.counts.request, nil)
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
	x.alone(x.why(nil), &x.c.counts.waited, nil)
}

// find asks beyond memory. It reports whether the request is answered; else what it has found is
// in memory.
func (x *exchange) find(e entry) bool {
	c, h := x.c, x.r.Header
	old := e.Value
	if old != nil && old.kind != kindAnswer {
		old = nil
	}
	switch {
	case isPrecondition(h):
		x.alone("bypass", &c.counts.partial, nil)
		return true
	case x.want.onlyHere, x.r.Method == http.MethodHead, partial(h), old == nil && !conditionOf(h).none():
		return x.elsewhere(e)
	case old != nil && !old.open && hasCredential(h) && !c.cfg.Private:
		x.alone(x.why(old), &c.counts.uncacheable, old)
		return true
	case x.root != nil && !x.root.seen.admit(x.key, c.cfg.MaxVariants, c.isGone):
		x.alone("vary-miss", &c.counts.variants, nil)
		return true
	case old != nil && old.lifetime <= old.age:
		if !old.asking.CompareAndSwap(false, true) { // its answer would be of no use to us
			x.alone(x.why(old), &c.counts.waited, old)
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
	if partial(x.r.Header) {
		fwd = "partial"
	}
	stored := e.Value
	if x.r.Method != http.MethodHead {
		stored = nil
	}
	x.alone(fwd, &c.counts.partial, stored)
	return true
}

// question asks together with everybody else who wants to know the same.
func (x *exchange) question(e entry) bool {
	q := &question{
		led: make(chan *entry), left: make(chan struct{}),
		said: make(chan said, 1), got: make(chan got, 1),
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	look := x.c.tiers.GetOrReload
	if e.Value != nil && !e.Stale || x.want.noCache {
		look, x.forced = x.c.tiers.Reload, true // what is there, or is on its way, is not for this request
	}
	go func() {
		defer func() { q.got <- q.is }()
		q.is.err = errLeft // stands if this panics
		q.is.entry, q.is.err = look(ctx, x.key, q.load)
	}()
	timer := time.NewTimer(x.c.cfg.WaitFor)
	defer timer.Stop()
	select {
	case old := <-q.led:
		x.lead(q, old)
		if x.c.cfg.Redis == nil {
			<-q.got // it is stored by now, or next to it; with Redis, who asks meanwhile waits for it
		}
		return true
	case g := <-q.got:
		return x.evaluate(g)
	case <-timer.C:
		close(q.left)
		x.alone(x.why(e.Value), &x.c.counts.waited, nil)
		return true
	case <-x.r.Context().Done():
		close(q.left)
		return true
	}
}

// evaluate uses what somebody else has found, if it will do for this request too.
func (x *exchange) evaluate(g got) bool {
	v := g.entry.Value
	switch {
	case errors.Is(g.err, errLeft):
		return false // who was to ask has gone
	case g.err != nil || v == nil:
		x.alone(x.why(nil), &x.c.counts.waited, nil)
		return true
	case v.kind == kindPass:
		x.marked(v)
		return true
	case v.kind == kindIndex:
		if !x.descend(v) {
			x.alone("vary-miss", &x.c.counts.request, nil)
			return true
		}
		return false
	}
	age := v.current(g.entry.Age)
	switch {
	case g.entry.Stale && v.onError > 0 && age-v.lifetime <= v.onError && !x.want.noCache:
		x.send(v, age, answeredStale(x, v, age, 0))
	case !g.entry.Stale && age < v.lifetime && g.entry.Source == tiercache.FromSource:
		x.send(v, age, outcome{count: &x.c.counts.collapsed, status: x.c.line(x.why(nil), "; collapsed")})
	case !g.entry.Stale && age < v.lifetime && (x.forced || x.want.content(age, v.lifetime-age)):
		x.send(v, age, x.hit(v, age))
	default:
		x.alone(x.why(v), &x.c.counts.waited, v)
	}
	return true
}

// question is one request on its way through GetOrReload, whose loader waits for what this
// request's own goroutine hears from the handler.
type question struct {
	led  chan *entry   // this request is to ask; what is known already
	left chan struct{} // is closed when it no longer waits
	said chan said     // what the handler said
	got  chan got
	is   got
	late func() // the time is over; set before said is waited for
}

// said is what a load has come to.
type said struct {
	v     *value // to be stored
	err   error
	place func(ctx context.Context) *value // makes what is to be stored, where that takes more
}

// got is what GetOrReload has returned.
type got struct {
	entry entry
	err   error
}

// leftError is a load that never asked: nobody failed, and others may try.
type leftError string

// Error says why.
func (e leftError) Error() string { return "httpcache: " + string(e) }

// Is makes it a load that was given up, which leaves no back-off.
func (e leftError) Is(target error) bool { return target == context.Canceled || target == error(e) }

const (
	errLeft = leftError("who was to ask has gone")
	errHalf = leftError("the answer is not whole")
)

// load is the loader.
func (q *question) load(ctx context.Context, old *entry) (*value, error) {
	select {
	case q.led <- old:
	case <-q.left:
		return nil, errLeft
	case <-ctx.Done():
		return nil, errLeft
	}
	select {
	case s := <-q.said:
		return s.settle(ctx)
	case <-ctx.Done():
		q.late()
		return &value{kind: kindPass}, nil
	}
}

func (s *said) settle(ctx context.Context) (*value, error) {
	if s.place != nil {
		return s.place(ctx), nil
	}
	return s.v, s.err
}
