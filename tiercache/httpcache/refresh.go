package httpcache

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// refresh asks the origin anew, behind the client's back, once at a time.
func (x *exchange) refresh(v *value) {
	c := x.c
	if !v.asking.CompareAndSwap(false, true) {
		return
	}
	c.counts.refreshes.add()
	y := *x
	y.r, y.want = unaccompanied(x.r, x.names), wish{}
	y.is = traitsOf(y.r)
	ctx := context.WithoutCancel(x.r.Context())
	if x.is.credential { // what stands before us may have noted there whom it belongs to
		ctx = context.WithoutCancel(c.background)
	}
	go func() {
		defer v.asking.Store(false)
		_, _ = c.tiers.GetOrReload(ctx, y.key, y.fetch) // the loads are counted there, and told
	}()
}

// fetch asks the origin without a client.
func (x *exchange) fetch(ctx context.Context, old *entry) (*value, error) {
	if ctx.Value(http.ServerContextKey) == nil { // without it a reverse proxy would not say that an answer was cut
		ctx = context.WithValue(ctx, http.ServerContextKey, &http.Server{}) //nolint:gosec // it serves nothing
	}
	verdict := make(chan said, 1)
	y := *x
	y.w, y.quiet = nobody{make(http.Header)}, true
	l := y.load(old, func(s said) { verdict <- s }, func() {})
	l.why = new(counter)
	l.run(ctx)
	s := <-verdict
	return s.settle(ctx)
}

// place is where an answer is to be stored.
type place struct {
	key   string
	names []string
	root  *value
	put   func(key string, v *value) // stores a variant
}

// place stores an answer under the key of its variant where its Vary names more than has selected
// it so far, and returns the index that belongs under the key that was asked for. The variant is
// stored first: an invalidation in between ends the index, without which nobody finds it.
func (c *Cache) place(p place, h http.Header, names []string, v *value) *value {
	missing := without(names, p.names)
	for _, name := range append(missing, p.names...) {
		v.personal = v.personal || name == "Cookie" || name == "Authorization"
	}
	if len(missing) == 0 {
		return v
	}
	index := newIndex(missing)
	index.tags, index.lifetime = v.tags, v.lifetime
	key, ok := index.under(p.key, h)
	root := p.root
	if root == nil {
		root = index
	}
	if !ok || strings.Count(key, levelEnd) >= mostLevels || !root.seen.admit(key, c.cfg.MaxVariants, c.isGone) {
		return &value{kind: kindPass}
	}
	p.put(key, v)
	return index
}

// without is names less those that are covered.
func without(names, covered []string) (rest []string) {
	for _, name := range names {
		found := false
		for _, have := range covered {
			found = found || have == name
		}
		if !found {
			rest = append(rest, name)
		}
	}
	return rest
}

// isGone reports whether this process's memory has nothing under a key.
func (c *Cache) isGone(key string) bool {
	_, ok := c.tiers.Peek(key)
	return !ok
}

// serverError is the status of an origin that has failed.
type serverError int

// Error names it.
func (e serverError) Error() string { return "httpcache: the origin answered " + strconv.Itoa(int(e)) }
