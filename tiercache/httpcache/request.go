package httpcache

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// wish is what a request's Cache-Control asks for. Durations are absent where they are below zero.
type wish struct {
	some                       bool
	noStore, noCache, onlyHere bool
	maxAge, maxStale, minFresh time.Duration
}

// wishOf reads the directives of a request.
func (c *Cache) wishOf(h http.Header) wish {
	lines := h["Cache-Control"]
	if c.cfg.IgnoreClient || len(lines) == 0 && len(h["Pragma"]) == 0 {
		return wish{}
	}
	w := wish{some: true, maxAge: -1, maxStale: -1, minFresh: -1}
	if len(lines) == 0 {
		for _, member := range listed(h["Pragma"]) {
			w.noCache = w.noCache || strings.EqualFold(member, "no-cache")
		}
		return w
	}
	d := parseDirectives(lines)
	w.noStore, w.onlyHere = d.noStore, d.onlyIfCached
	w.noCache = d.noCache || d.maxAge == 0
	for _, s := range []struct {
		to *time.Duration
		n  int64
	}{{&w.maxAge, d.maxAge}, {&w.maxStale, d.maxStale}, {&w.minFresh, d.minFresh}} {
		if s.n >= 0 {
			*s.to = seconds(s.n)
		}
	}
	return w
}

// content reports whether a fresh answer will do.
func (w *wish) content(age, left time.Duration) bool {
	if !w.some {
		return true
	}
	return !w.noCache && (w.maxAge < 0 || age <= w.maxAge) && (w.minFresh < 0 || left >= w.minFresh)
}

// tolerates reports whether an answer will do that is that much beyond its freshness.
func (w *wish) tolerates(age, over time.Duration) bool {
	return w.some && !w.noCache && w.minFresh <= 0 && over <= w.maxStale && (w.maxAge < 0 || age <= w.maxAge)
}

// untouchable reports whether a request is none that a cache should look at: it may become another
// protocol, it brings a body, it waits for events, or it names what it is for where no key has it.
func untouchable(r *http.Request) bool {
	h := r.Header
	switch {
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return true
	case h["Upgrade"] != nil || h["X-Original-Url"] != nil || h["X-Rewrite-Url"] != nil:
		return true
	case h["X-Http-Method-Override"] != nil || h["X-Http-Method"] != nil || h["X-Method-Override"] != nil:
		return true
	}
	for _, accept := range h["Accept"] {
		if strings.Contains(accept, "text/event-stream") {
			return true
		}
	}
	return false
}

// partial reports whether a request wants a part of the answer, or sets a condition that only the
// origin can judge.
func partial(h http.Header) bool {
	return h["Range"] != nil || h["If-Match"] != nil || h["If-Unmodified-Since"] != nil
}

// isPrecondition reports whether a request has a condition that only the origin can judge.
func isPrecondition(h http.Header) bool {
	return h["If-Match"] != nil || h["If-Unmodified-Since"] != nil
}

func hasCredential(h http.Header) bool { return h["Authorization"] != nil || h["Cookie"] != nil }

// newRequest is a GET that nobody waits for.
func newRequest(u *url.URL) *http.Request {
	r := &http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host, Header: make(http.Header),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: "127.0.0.1:0",
	}
	return r
}

// unaccompanied is the request that asks for the same without the client: with nothing but the
// fields that select the answer.
func unaccompanied(r *http.Request, names []string) *http.Request {
	u := *r.URL
	b := newRequest(&u)
	b.Host, b.RequestURI, b.TLS, b.RemoteAddr = r.Host, r.RequestURI, r.TLS, r.RemoteAddr
	b.Pattern = r.Pattern
	for _, name := range append([]string{"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"}, names...) {
		if lines, has := r.Header[name]; has {
			b.Header[name] = append([]string(nil), lines...)
		}
	}
	return b
}
