package httpcache

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// load is one question to the origin whose answer may be stored.
type load struct {
	x      *exchange
	client http.ResponseWriter
	out    writer
	outer  http.Header // what stood in the client's header before the handler
	old    *value      // asked about
	oldAge time.Duration
	asked  time.Time
	failed int // the status of an answer that was not passed on, as something stored is better

	v      *value       // what the answer has become, without its body
	names  []string     // of the fields that select it
	header http.Header  // the answer's own
	giving sync.Once    // the verdict
	give   func(s said) // what gets it
	free   func()       // the client may end it again
	fwd    string       // why it was forwarded
	why    *counter     // how it counts
	cond   condition    // of the client
	quiet  bool         // there is none: it is a refresh
}

// lead asks the origin on the client's own ResponseWriter, for everybody who waits.
func (x *exchange) lead(q *question, old *entry) {
	l := &load{x: x, client: x.w, cond: conditionOf(x.r.Header), fwd: x.why(nil), why: &x.c.counts.misses}
	if old != nil && old.Value.kind == kindAnswer {
		l.old, l.oldAge, l.fwd = old.Value, old.Age, x.why(old.Value)
	}
	ctx, free, cancel := detached(x.r.Context())
	defer cancel()
	l.free = free
	q.late = l.giveUp
	l.give = func(s said) { q.said <- s }
	r := x.r.WithContext(ctx)
	l.run(r)
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
func (l *load) run(r *http.Request) {
	c := l.x.c
	l.outer = maps.Clone(l.client.Header())
	if l.old != nil && l.old.validatable() {
		r = withHeader(r)
		l.old.ask(r.Header)
	} else if !l.cond.none() {
		r = withHeader(r)
		r.Header.Del("If-None-Match")
		r.Header.Del("If-Modified-Since")
	}
	l.begin()
	returned := false
	defer func() {
		if !returned && l.broken() {
			l.rescue(recover())
		}
	}()
	l.x.next.ServeHTTP(&l.out, r)
	if l.unconfirmed() { // a 304 about something else says nothing about what we have
		l.reset()
		r.Header.Del("If-None-Match")
		r.Header.Del("If-Modified-Since")
		l.old = nil
		l.begin()
		l.x.next.ServeHTTP(&l.out, r)
	}
	l.out.ready()
	returned = true
	l.finish(c)
}

func withHeader(r *http.Request) *http.Request {
	b := new(http.Request)
	*b = *r
	b.Header = r.Header.Clone()
	return b
}

func (l *load) begin() {
	l.asked = time.Now()
	l.out = writer{w: l.client, decide: l.decide, most: l.x.c.cfg.MaxBody, stands: l.mayServeOld}
	l.out.outgrown = func() {
		l.why = &l.x.c.counts.tooLarge
		l.verdict(said{v: &value{kind: kindPass}})
	}
}

// unconfirmed reports whether a 304 came that is not about what was asked about.
func (l *load) unconfirmed() bool {
	return l.old != nil && l.out.fate == dropped && l.out.status == http.StatusNotModified && !l.old.confirmed(l.client.Header())
}

// reset takes out of the client's header what the handler has put there.
func (l *load) reset() {
	h := l.client.Header()
	clear(h)
	maps.Copy(h, l.outer)
}

// decide says what becomes of an answer, by its header.
func (l *load) decide(status int) fate {
	c, h := l.x.c, l.client.Header()
	tags := c.takeTags(h)
	if l.old != nil && status == http.StatusNotModified {
		l.header = l.own(h)
		l.header[tagsKey] = tags
		return dropped
	}
	if status >= 500 && l.mayServeOld() {
		l.failed = status
		return dropped
	}
	a := l.answer(status, l.own(h), tags)
	names, all := selecting(a.header)
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

// tagsKey is where tags wait in a header that is nobody's.
const tagsKey = "\x00tags"

// own is the header without what stood there before the handler.
func (l *load) own(h http.Header) http.Header {
	own := make(http.Header, len(h))
	for name, values := range h {
		if before, had := l.outer[name]; !had || !equal(before, values) {
			own[name] = slices.Clip(values)
		}
	}
	return own
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (l *load) answer(status int, h http.Header, tags []string) *answer {
	r := l.x.r
	return &answer{
		status: status, header: h, tags: tags, asked: l.asked, came: time.Now(), origin: siteOf(r),
		credential: hasCredential(r.Header), authorized: r.Header["Authorization"] != nil,
	}
}

// contentLength is what a header says that it is, -1 where it does not.
func contentLength(h http.Header) int64 {
	n, err := strconv.ParseInt(first(h["Content-Length"]), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// mayServeOld reports whether what is stored may be served as the origin has failed.
func (l *load) mayServeOld() bool {
	return l.old != nil && l.old.kind == kindAnswer && l.old.onError > 0 && l.over() <= l.old.onError && !l.old.strict &&
		(!l.x.want.noCache)
}

// over is how far what is stored is beyond its freshness.
func (l *load) over() time.Duration {
	return l.old.current(l.oldAge+time.Since(l.asked)) - l.old.lifetime
}

// finish gives the verdict on an answer that has come to its end.
func (l *load) finish(c *Cache) {
	switch {
	case l.failed != 0:
		l.verdict(said{err: serverError(l.failed)})
		l.serveOld()
	case l.out.fate == dropped:
		l.validated()
	default:
		l.stored(c)
	}
}
