package httpcache

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// solo is a request that asks the origin for itself: nothing is stored of its answer.
type solo struct {
	x     *exchange
	out   writer
	outer http.Header
	fwd   string
	count *counter
	old   *value // what is stored, stale: the origin is asked whether it stands
	asks  bool
	mark  *value // why nobody waits for the answer
	drop  bool   // the mark is not true any more
	asked time.Time
	said  http.Header // of a 304
}

// alone forwards a request.
func (x *exchange) alone(fwd string, count *counter, old *value) {
	x.aloneFor(fwd, count, old).run()
}

func (x *exchange) aloneFor(fwd string, count *counter, old *value) *solo {
	return &solo{x: x, fwd: fwd, count: count, old: old}
}

func (s *solo) run() {
	x, r := s.x, s.x.r
	s.outer, s.asked = maps.Clone(x.w.Header()), time.Now()
	s.asks = s.old != nil && r.Method == http.MethodGet && s.old.validatable() && conditionOf(r.Header).none() && !partial(r.Header)
	if s.asks {
		r = withHeader(r)
		s.old.ask(r.Header)
	}
	s.out = writer{w: x.w, decide: s.decide}
	s.count.add()
	x.next.ServeHTTP(&s.out, r)
	s.out.ready()
	if s.drop {
		s.x.c.forget(s.x.key)
	}
	if s.out.fate == dropped {
		s.confirmed()
	}
}

// decide looks at an answer on its way.
func (s *solo) decide(status int) fate {
	x, h := s.x, s.x.w.Header()
	tags := x.c.takeTags(h)
	if s.asks && status == http.StatusNotModified && s.old.confirmed(h) {
		s.said = (&load{outer: s.outer}).own(h)
		return dropped
	}
	if s.mark != nil && !s.mark.dropped.Load() && x.r.Method == http.MethodGet && !partial(x.r.Header) {
		l := load{x: x, outer: s.outer, asked: s.asked}
		a := l.answer(status, l.own(h), tags)
		_, all := selecting(a.header)
		storable := !all && x.c.judge(a, x.what) != nil && contentLength(h) <= x.c.cfg.MaxBody
		s.drop = storable && s.mark.dropped.CompareAndSwap(false, true)
	}
	if x.r.Method == http.MethodHead && s.old != nil && status == http.StatusOK && differs(s.old, h) {
		_ = x.c.tiers.Expire(x.r.Context(), x.key) // what is not told yet is counted below
	}
	x.c.addStatus(h, x.c.line(s.fwd, "; fwd-status="+strconv.Itoa(status)))
	return sent
}

// differs reports whether an answer to HEAD is about something else than what is stored (RFC 9111
// §4.3.5).
func differs(v *value, h http.Header) bool {
	etag, modified, length := h.Get("Etag"), h.Get("Last-Modified"), contentLength(h)
	return etag != v.etag && etag != "" || modified != v.lastMod && modified != "" ||
		length >= 0 && length != int64(len(v.body))
}

// confirmed serves what is stored to this client, as the origin says that it stands.
func (s *solo) confirmed() {
	x := s.x
	h := x.w.Header()
	clear(h)
	maps.Copy(h, s.outer)
	header := s.old.renewed(s.said)
	if _, dated := s.said["Date"]; !dated {
		delete(header, "Date")
	}
	a := &answer{status: s.old.status, header: header, asked: s.asked, came: time.Now()}
	v := newAnswer(s.old.status, x.c.storable(a, &directives{}))
	v.age, v.etag, v.modified, v.lastMod, v.body = ageOf(a), s.old.etag, s.old.modified, s.old.lastMod, s.old.body
	x.send(v, v.current(time.Since(s.asked)), outcome{
		count:  new(counter), // it was counted when it began
		status: x.c.line(s.fwd, "; fwd-status=304"),
	})
}

// forget deletes a pass mark that is not true any more.
func (c *Cache) forget(key string) {
	ctx, cancel := context.WithTimeout(c.background, forgetTimeout)
	defer cancel()
	_ = c.tiers.Delete(ctx, key) // it would end by itself
}

const forgetTimeout = time.Second

// bypass forwards a request on the client's own ResponseWriter.
func (s *site) bypass(w http.ResponseWriter, r *http.Request, why string, count *counter) {
	count.add()
	s.c.addStatus(w.Header(), s.c.line(why, ""))
	s.next.ServeHTTP(w, r)
}
