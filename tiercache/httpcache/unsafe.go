package httpcache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// other forwards what is neither GET nor HEAD. Where an unsafe method succeeds, the answers that
// it has made untrue are ended before its first byte goes out, and again when the handler returns:
// what was asked for in between may have been answered from before (RFC 9111 §4.4).
func (s *site) other(w http.ResponseWriter, r *http.Request) {
	c := s.c
	switch r.Method {
	case http.MethodOptions, http.MethodTrace, http.MethodConnect:
		s.bypass(w, r, "method", &c.counts.method)
		return
	case "PURGE":
		if c.cfg.Purge != nil {
			c.purge(w, r)
			return
		}
	}
	c.counts.method.add()
	before, end := c.writingOf(r), func() {}
	t := &writer{w: w}
	t.decide = func(status int) fate {
		h := w.Header()
		c.takeTags(h)
		if status >= 200 && status < 400 {
			end = before.ending(h)
			end()
		}
		c.addStatus(h, c.line("method", ""))
		return sent
	}
	t.taken = func() { // nobody knows whether it succeeds
		end = before.ending(nil)
		end()
	}
	defer func() { end() }() // also where the handler panics after its header
	s.next.ServeHTTP(t, r)
	t.ready()
}

// writing is a request of an unsafe method, as it came: the handler may change it.
type writing struct {
	c    *Cache
	ctx  context.Context //nolint:containedctx // of one call
	site string
	url  url.URL
	urls []string
	own  asked
}

func (c *Cache) writingOf(r *http.Request) *writing {
	w := &writing{c: c, ctx: context.WithoutCancel(r.Context()), site: siteOf(r), url: *r.URL, own: c.keyOf(r, traitsOf(r))}
	w.urls = []string{w.site + r.URL.RequestURI()}
	if r.RequestURI != "" && r.RequestURI[0] == '/' && r.RequestURI != r.URL.RequestURI() {
		w.urls = append(w.urls, w.site+r.RequestURI)
	}
	return w
}

// ending is what ends the answers that the request has made untrue. h is the header of its answer.
func (w *writing) ending(h http.Header) func() {
	urls := w.urls
	for _, name := range []string{"Location", "Content-Location"} {
		if u := w.sameOrigin(h.Get(name)); u != "" {
			urls = append(urls, u)
		}
	}
	groups := groupsOf(h["Cache-Group-Invalidation"])
	w.c.counts.invalidations.n.Add(uint64(len(urls))) // once, though it ends them twice
	return func() {
		keys, tags := w.c.reach(urls)
		if w.own.key != "" {
			keys, tags = append(keys, w.own.key), append(tags, w.own.tags()...)
		}
		for _, group := range groups {
			tags = append(tags, groupOf(w.site, group))
		}
		_ = w.c.end(w.ctx, keys, tags) // what Redis has yet to hear of is counted, logged, and told again
	}
}

// sameOrigin is a field's URL where it has the origin of the request.
func (w *writing) sameOrigin(location string) string {
	if location == "" {
		return ""
	}
	site, err := url.Parse(w.site)
	if err != nil {
		return ""
	}
	base := w.url
	base.Scheme, base.Host = site.Scheme, site.Host
	u, err := base.Parse(location)
	if err != nil || string(appendURL(nil, u.Scheme, u.Host, "")) != w.site {
		return ""
	}
	return w.site + u.RequestURI()
}

// reach is the keys and the tags under which answers of URLs may stand: with their paths as they
// are given, which may have been sent so, and in normal form.
func (c *Cache) reach(urls []string) (keys, tags []string) {
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		if c.cfg.Key != nil {
			r := newRequest(u)
			if key := c.keyOf(r, traitsOf(r)).key; key != "" {
				keys = append(keys, key)
			}
			continue
		}
		key := string(appendURL(nil, u.Scheme, u.Host, u.RequestURI()))
		keys, tags = append(keys, key), append(tags, urlTag+key)
		if given := string(appendURL(nil, u.Scheme, u.Host, givenURI(text))); given != key {
			keys, tags = append(keys, given), append(tags, urlTag+given)
		}
	}
	return keys, tags
}

// givenURI is the path and the query of a URL as they are given.
func givenURI(text string) string {
	text, _, _ = strings.Cut(text, "#")
	_, rest, _ := strings.Cut(text, "://")
	if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i] == '/' {
		return rest[i:]
	} else if i >= 0 {
		return "/" + rest[i:]
	}
	return "/"
}

// end ends keys and tags, everywhere.
func (c *Cache) end(ctx context.Context, keys, tags []string) error {
	var errs []error
	if len(keys) > 0 {
		errs = append(errs, c.tiers.Delete(ctx, keys...))
	}
	if len(tags) > 0 {
		errs = append(errs, c.tiers.InvalidateTags(ctx, tags...))
	}
	return errors.Join(errs...)
}

// Invalidate ends all variants of the URLs, everywhere; they are not even served stale. Commit what
// has changed first. A URL is absolute: "https://example.com/path?query". The error is
// tiercache.ErrDegraded, wrapped, where Redis could not be told yet.
func (c *Cache) Invalidate(ctx context.Context, urls ...string) error {
	for _, text := range urls {
		if _, err := parseURL(text); err != nil {
			return err
		}
	}
	keys, tags := c.reach(urls)
	c.counts.invalidations.n.Add(uint64(len(urls)))
	return c.end(ctx, keys, tags)
}

// InvalidateGroups ends all answers of an origin ("https://example.com") that are in one of the
// groups (RFC 9875), everywhere. It costs one round trip, whatever the number of answers.
func (c *Cache) InvalidateGroups(ctx context.Context, origin string, groups ...string) error {
	u, err := parseURL(origin)
	if err != nil {
		return err
	}
	site := string(appendURL(nil, u.Scheme, u.Host, ""))
	tags := make([]string, len(groups))
	for i, group := range groups {
		tags[i] = groupOf(site, group)
	}
	return c.end(ctx, nil, tags)
}

// purge does what a PURGE request asks for, where it may.
func (c *Cache) purge(w http.ResponseWriter, r *http.Request) {
	if err := c.cfg.Purge(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	groups := groupsOf(r.Header["Cache-Group-Invalidation"])
	if c.cfg.TagHeader != "" {
		groups = append(groups, words(r.Header[c.cfg.TagHeader])...)
	}
	var err error
	if len(groups) > 0 {
		err = c.InvalidateGroups(r.Context(), siteOf(r), groups...)
	} else {
		own := c.keyOf(r, traitsOf(r))
		keys, tags := c.reach([]string{siteOf(r) + r.URL.RequestURI()})
		if own.key != "" {
			keys, tags = append(keys, own.key), append(tags, own.tags()...)
		}
		c.counts.invalidations.add()
		err = c.end(r.Context(), keys, tags)
	}
	if err != nil {
		http.Error(w, fmt.Sprint("it is ended here, and elsewhere as soon as Redis answers: ", err), http.StatusAccepted)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
