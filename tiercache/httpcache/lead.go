package httpcache

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// load is one question to the origin whose answer may be stored.
type load struct {
	attempt

	v      *value       // what the answer has become, without its body
	names  []string     // of the fields that select it
	said   *answer      // a 304
	giving sync.Once    // the verdict
	give   func(s said) // what gets it
	free   func()       // the client may end it again
	why    *counter     // how it counts
	cond   condition    // of the client
}

// load is a question to which old, which may be nil, is known already.
func (x *exchange) load(old *entry, give func(s said), free func()) *load {
	if old == nil {
		old = &entry{}
	}
	l := &load{give: give, free: free, why: &x.c.counts.misses}
	l.begin(x, *old)
	if x.is.conditional {
		l.cond = conditionOf(x.r.Header)
	}
	l.out = writer{w: x.w, decide: l.decide, most: x.c.cfg.MaxBody, stands: l.mayServeOld}
	l.out.outgrown = func() {
		l.why = &x.c.counts.tooLarge
		l.verdict(said{v: &value{kind: kindPass}})
	}
	l.out.taken = func() {
		l.why = &x.c.counts.uncacheable
		l.verdict(said{v: &value{kind: kindPass}})
	}
	return l
}

// lead asks the origin on the client's own ResponseWriter, for everybody who waits.
func (x *exchange) lead(q *question, old *entry) {
	ctx, free, cancel := detached(x.r.Context())
	defer cancel()
	l := x.load(old, func(s said) { q.said <- s }, free)
	q.late <- l.giveUp
	l.run(ctx)
}

// detached is a context that the end of the client's does not end until free is called.
func detached(client context.Context) (ctx context.Context, free, cancel func()) {
	ctx, end := context.WithCancel(context.WithoutCancel(client))
	var once sync.Once
	var mu sync.Mutex
	stop := func() bool { return true }
	free = func() {
		once.Do(func() {
			mu.Lock()
			defer mu.Unlock()
			stop = context.AfterFunc(client, end)
		})
	}
	return ctx, free, func() {
		mu.Lock()
		defer mu.Unlock()
		stop()
		end()
	}
}

// giveUp: the time is over in which others wait. The client gets its answer all the same.
func (l *load) giveUp() {
	l.out.end()
	l.verdict(said{v: &value{kind: kindPass}})
}

// verdict tells those who wait, once. A load that is of no use to them belongs to its client again.
func (l *load) verdict(s said) {
	l.giving.Do(func() { l.give(s) })
	if s.err != nil || s.v != nil && s.v.kind == kindPass {
		l.free()
	}
}

// run has the handler answer.
func (l *load) run(ctx context.Context) {
	r := l.request(ctx)
	unconditional(r.Header)
	if l.old != nil && l.old.validatable() {
		l.old.ask(r.Header)
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		serve := l.broken()
		l.verdict(said{err: errHalf})
		if serve {
			l.rescue(recover())
		}
	}()
	l.x.next.ServeHTTP(&l.out, r)
	if l.said != nil && !l.old.confirmed(l.said.header) { // it is not about what we have
		l.reset()
		l.out.again()
		r = l.request(ctx)
		unconditional(r.Header)
		l.old, l.said, l.asked = nil, nil, time.Now()
		l.x.next.ServeHTTP(&l.out, r)
	}
	l.out.ready()
	returned = true
	l.finish()
}

func unconditional(h http.Header) {
	h.Del("If-None-Match")
	h.Del("If-Modified-Since")
}

// decide says what becomes of an answer, by its header.
func (l *load) decide(status int) fate {
	c, h := l.x.c, l.x.w.Header()
	tags := c.takeTags(h)
	if l.old != nil && status == http.StatusNotModified {
		l.said = l.answer(status, h, tags)
		return dropped
	}
	if l.fails(status) {
		return dropped
	}
	a := l.answer(status, h, tags)
	names, all := a.selecting()
	if l.v = c.judge(a, l.x.what); all {
		l.v = nil
	}
	l.names = names
	size := contentLength(h)
	switch {
	case l.v == nil && status >= 500 && l.old != nil:
		l.why = &c.counts.uncacheable
		l.verdict(said{err: serverError(status)}) // what is stored stays
	case l.v == nil:
		l.why = &c.counts.uncacheable
		l.verdict(said{v: &value{kind: kindPass}})
	case size > c.cfg.MaxBody:
		l.v, l.why = nil, &c.counts.tooLarge
		l.verdict(said{v: &value{kind: kindPass}})
	default:
		l.out.begin(size)
	}
	stored := ""
	if l.v != nil {
		stored = "; stored"
	}
	c.addStatus(h, c.line(l.fwd, "; fwd-status="+strconv.Itoa(status)+stored))
	if l.v != nil && status == http.StatusOK && !l.cond.none() && l.cond.met(l.v.etag, l.v.modified) {
		return muted
	}
	return sent
}

// contentLength is what a header says that it is, -1 where it does not.
func contentLength(h http.Header) int64 {
	n, err := strconv.ParseInt(first(h["Content-Length"]), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// finish gives the verdict on an answer that has come to its end.
func (l *load) finish() {
	switch {
	case l.failed != 0:
		l.verdict(said{err: serverError(l.failed)})
		l.serveOld()
	case l.out.fate == dropped:
		l.validated()
	default:
		l.stored()
	}
}
