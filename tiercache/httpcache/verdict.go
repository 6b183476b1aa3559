package httpcache

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"time"
)

// stored has a whole answer stored.
func (l *load) stored(c *Cache) {
	body, whole := l.out.end()
	size := contentLength(l.client.Header())
	switch {
	case l.v == nil || !whole:
		if l.v != nil && l.why == &c.counts.misses {
			l.why = &c.counts.uncacheable // the time was over, or the connection was taken
		}
		l.verdict(said{v: &value{kind: kindPass}})
	case size >= 0 && size != int64(len(body)) && !bodiless(l.out.status):
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
	c := l.x.c
	tags := l.header[tagsKey]
	delete(l.header, tagsKey)
	header := l.old.renewed(l.header)
	if _, dated := l.header["Date"]; !dated {
		delete(header, "Date")
	}
	a := l.answer(l.old.status, header, tags)
	names, all := selecting(a.header)
	v := c.judge(a, l.x.what)
	if v == nil || all {
		l.verdict(said{v: &value{kind: kindPass}})
		v = newAnswer(l.old.status, c.storable(a, &directives{}))
		v.age, v.etag, v.modified = ageOf(a), l.old.etag, l.old.modified
		v.body = l.old.body
	} else {
		v.body = l.old.body
		v.tags = merged(v.tags, l.old.tags)
		l.v, l.names = v, names
		l.verdict(said{place: l.place})
	}
	if l.quiet {
		return
	}
	l.reset()
	line := c.line(l.fwd, "; fwd-status=304; stored")
	l.x.send(v, v.current(time.Since(l.asked)), outcome{count: &c.counts.validated, status: line})
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

// serveOld serves what is stored, as the origin has failed.
func (l *load) serveOld() {
	if l.quiet {
		return
	}
	age := l.old.current(l.oldAge + time.Since(l.asked))
	l.reset()
	l.x.send(l.old, age, answeredStale(l.x, l.old, age, l.failed))
}

// broken is called where the handler has panicked, or ended its goroutine. It reports whether
// something stored may be served; else the panic goes on, to net/http.
func (l *load) broken() bool {
	l.out.end()
	serve := (l.out.fate == undecided || l.out.fate == dropped) && l.mayServeOld()
	l.verdict(said{err: errHalf})
	if !serve {
		l.x.c.counts.errors.add()
	}
	return serve
}

// rescue serves what is stored in the place of a panic. An abort is left to net/http.
func (l *load) rescue(panicked any) {
	if panicked == nil { // Goexit
		return
	}
	if panicked == http.ErrAbortHandler { //nolint:errorlint // net/http compares as well
		l.x.c.counts.errors.add()
		panic(panicked)
	}
	l.x.c.cfg.Logger.Error("httpcache: the handler panicked; a stale answer is served",
		slog.String("url", l.x.what.key), slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
	l.failed = http.StatusInternalServerError
	l.serveOld()
}
