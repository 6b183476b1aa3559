package httpcache

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// stored has a whole answer stored.
func (l *load) stored() {
	c := l.x.c
	body, whole := l.out.end()
	size := contentLength(l.x.w.Header())
	if bodiless(l.out.status) {
		body, size = nil, -1
	}
	switch {
	case l.v == nil || !whole:
		if l.v != nil && l.why == &c.counts.misses {
			l.why = &c.counts.uncacheable // the time was over, or the connection was taken
		}
		l.verdict(said{v: &value{kind: kindPass}})
	case size >= 0 && size != int64(len(body)):
		l.why = &c.counts.uncacheable
		l.verdict(said{err: errHalf})
	default:
		l.v.body = slices.Clip(body)
		l.verdict(said{place: l.place})
	}
	l.why.add()
}

func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// place stores the answer where the fields that select it say, and returns what belongs under the
// key that was asked for.
func (l *load) place(ctx context.Context) *value {
	x := l.x
	p := place{key: x.key, names: x.names, root: x.root}
	p.put = func(key string, v *value) {
		v.age += time.Since(l.asked)   // its age in the tiers is counted from now on
		_ = x.c.tiers.Set(ctx, key, v) // where it reaches memory only, that is where the index leads to
	}
	if w := x.warm; w != nil {
		l.v.age -= l.asked.Sub(w.began)
		p.put = func(key string, v *value) { w.found = append(w.found, pair{key, v}) }
	}
	return x.c.place(p, x.r.Header, l.names, l.v)
}

// validated serves what the origin says still stands.
func (l *load) validated() {
	c, a, more := l.x.c, l.said, "; fwd-status=304"
	a.status, a.header = l.old.status, l.old.after(a.header)
	names, all := a.selecting()
	v, verdict := c.judge(a, l.x.what), said{v: &value{kind: kindPass}}
	if v != nil && !all {
		v.body, v.tags = l.old.body, merged(v.tags, l.old.tags)
		l.v, l.names, verdict, more = v, names, said{place: l.place}, more+"; stored"
	} else {
		v = l.old.shownAs(a, c)
	}
	age := v.current(time.Since(l.asked)) // read before the answer is also the tiers'
	l.verdict(verdict)
	if l.x.quiet {
		return
	}
	l.reset()
	l.x.reuse(v, age, &c.counts.validated, c.line(l.fwd, more))
}

// merged is both lists, each text once.
func merged(a, b []string) []string {
	for _, text := range b {
		found := false
		for _, have := range a {
			found = found || have == text
		}
		if !found {
			a = append(a, text)
		}
	}
	return a
}
