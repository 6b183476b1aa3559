package httpcache

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// solo is a request that asks the origin for itself: nothing is stored of its answer.
type solo struct {
	attempt
	count *counter
	asks  bool        // whether what is known still stands
	mark  *value      // why nobody waits for the answer
	drop  bool        // the mark is not true any more
	said  http.Header // of a 304
}

// alone forwards a request to which e is known, though it will not do.
func (x *exchange) alone(fwd string, count *counter, e entry) {
	s := &solo{count: count}
	s.begin(x, e)
	s.fwd = fwd
	s.run()
}

// marked forwards a request whose answer is known not to be storable.
func (x *exchange) marked(mark *value) {
	s := &solo{count: &x.c.counts.marked, mark: mark}
	s.begin(x, entry{})
	s.fwd = "uri-miss"
	s.run()
}

func (s *solo) run() {
	x, r := s.x, s.request(s.x.r.Context())
	s.asks = s.old != nil && r.Method == http.MethodGet && s.old.validatable() && !x.is.conditional && !x.is.partial
	if s.asks {
		s.old.ask(r.Header)
	}
	s.out = writer{w: x.w, decide: s.decide, stands: s.mayServeOld, taken: s.count.add}
	returned := false
	defer func() {
		if !returned && s.broken() {
			s.rescue(recover())
		}
	}()
	x.next.ServeHTTP(&s.out, r)
	if s.said != nil && !s.old.confirmed(s.said) { // it is not about what we have
		s.reset()
		s.out.again()
		s.asks, s.said = false, nil
		x.next.ServeHTTP(&s.out, s.request(x.r.Context()))
	}
	s.out.ready()
	returned = true
	if s.drop {
		x.c.forget(x.key)
	}
	switch {
	case s.failed != 0:
		s.serveOld()
	case s.out.fate == dropped:
		s.confirmed()
	}
}

// decide looks at an answer on its way.
func (s *solo) decide(status int) fate {
	x, h := s.x, s.x.w.Header()
	tags := x.c.takeTags(h)
	if s.asks && status == http.StatusNotModified {
		s.said = s.own(h)
		return dropped
	}
	if s.fails(status) {
		return dropped
	}
	s.count.add()
	if s.mark != nil && !s.mark.dropped.Load() && x.r.Method == http.MethodGet && !x.is.partial {
		a := s.answer(status, h, tags)
		_, all := a.selecting()
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
	s.reset()
	a := s.answer(s.old.status, s.old.after(s.said), nil)
	v := s.old.shownAs(a, s.x.c)
	s.x.reuse(v, v.current(time.Since(s.asked)), s.count, s.x.c.line(s.fwd, "; fwd-status=304"))
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
