package httpcache

import (
	"net/http"
	"net/url"
	"slices"
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

// traits is what the fields of a request make of it.
type traits struct {
	// It is none that a cache should look at: it may become another protocol, it brings a body, it
	// waits for events, or it names what it is for where no key has it.
	untouchable bool

	forwarded    bool // a proxy says what it was asked for
	wishing      bool // it says what it wants of caches
	credential   bool // its answer may be for one user
	authorized   bool // it has an Authorization
	precondition bool // it has a condition that only the origin can judge
	partial      bool // that, or it wants a part of the answer
	conditional  bool // it may be answered with 304
}

// traitsOf looks at each field once.
func traitsOf(r *http.Request) (is traits) {
	is.untouchable = r.ContentLength != 0 || len(r.TransferEncoding) > 0
	for name, lines := range r.Header {
		switch name {
		case "Upgrade", "X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override":
			is.untouchable = true
		case "Accept":
			for _, accept := range lines {
				is.untouchable = is.untouchable || wantsEvents(accept)
			}
		case "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix",
			"X-Forwarded-Scheme", "X-Forwarded-Server", "X-Host":
			is.forwarded = true
		case "Cache-Control", "Pragma":
			is.wishing = true
		case "Authorization":
			is.authorized, is.credential = true, true
		case "Cookie":
			is.credential = true
		case "If-Match", "If-Unmodified-Since":
			is.precondition, is.partial = true, true
		case "Range":
			is.partial = true
		case "If-None-Match", "If-Modified-Since":
			is.conditional = true
		}
	}
	return is
}

// wantsEvents reports whether an Accept names event streams. To look for one byte that few have
// takes less time than to look for the name.
func wantsEvents(accept string) bool {
	return strings.IndexByte(accept, '-') >= 0 && strings.Contains(accept, "text/event-stream")
}

// newRequest is a GET that nobody waits for.
func newRequest(u *url.URL) *http.Request {
	r := &http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host, Header: make(http.Header),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: "127.0.0.1:0",
	}
	return r
}

// unaccompanied is the request that asks for the same without the client: with nothing but the
// fields that select the answer, and what a mux has found in its path.
func unaccompanied(r *http.Request, names []string) *http.Request {
	b := ownRequest(r)
	b.Method, b.Header, b.Body, b.GetBody = http.MethodGet, make(http.Header), http.NoBody, nil
	b.Form, b.PostForm, b.MultipartForm, b.Trailer = nil, nil, nil, nil
	for _, f := range forwardedFields() {
		names = append(slices.Clip(names), f.name)
	}
	for _, name := range names {
		if lines, has := r.Header[name]; has {
			b.Header[name] = slices.Clone(lines)
		}
	}
	return b
}

// ownRequest is a copy that a handler may change. What selects an answer, and whom it is for, is
// read from the original.
func ownRequest(r *http.Request) *http.Request {
	b, u := new(http.Request), *r.URL
	*b = *r
	b.URL, b.Header = &u, r.Header.Clone()
	return b
}
