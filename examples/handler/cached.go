package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// cached is a handler before another, whose answers it keeps. It asks for them with the URL alone: no header of a request reaches the handler behind, so
// that no answer can be of one visitor and go to another. Requests that are about a visitor pass it by.
type cached struct {
	*tiercache.Cache[string, response]

	next http.Handler
}

// response is an answer that is kept: a page, or that there is none. With Config.Redis it travels as JSON.
type response struct {
	Status int
	Header http.Header
	Body   []byte
}

func newCached(name string, next http.Handler) (*cached, error) {
	cache, err := tiercache.New(tiercache.Config[string, response]{
		Name:        name,
		Load:        func(ctx context.Context, uri string) (response, error) { return ask(ctx, next, uri) },
		TTL:         time.Minute,
		Expiry:      missing,
		RefreshAt:   0.8,                    // a page that is read is made anew behind its readers
		StaleFor:    time.Hour,              // while the handler fails, and
		SoftTimeout: 500 * time.Millisecond, // while it is slow, the old page is better than none
		Capacity:    64 << 20,               // bytes
		Cost:        func(uri string, r response) int64 { return int64(len(uri) + len(r.Body)) },
	})
	if err != nil {
		return nil, err
	}
	return &cached{Cache: cache, next: next}, nil
}

// ServeHTTP answers from the cache where it may.
func (c *cached) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || personal(r.Header) {
		c.next.ServeHTTP(w, r)
		return
	}
	entry, err := c.GetEntry(r.Context(), r.URL.RequestURI())
	var other *otherError
	switch {
	case err == nil:
		w.Header().Set("X-Cache", entry.Source.String())
		w.Header().Set("Age", strconv.FormatInt(int64(entry.Age/time.Second), 10))
		entry.Value.write(w)
	case errors.As(err, &other):
		other.write(w)
	case r.Context().Err() != nil: // the client has gone
	default:
		http.Error(w, http.StatusText(http.StatusBadGateway), http.StatusBadGateway)
	}
}

// personal reports whether a request is about who sends it, or about a part of the answer.
func personal(h http.Header) bool {
	return h.Get("Authorization") != "" || h.Get("Cookie") != "" || h.Get("Range") != ""
}

// missing keeps "there is no such page" for less long; zero is the cache's own TTL.
func missing(_ string, r response) time.Duration {
	if r.Status == http.StatusOK {
		return 0
	}
	return 10 * time.Second
}

func (r response) write(w http.ResponseWriter) {
	for name, values := range r.Header {
		w.Header()[name] = append([]string(nil), values...) // the cache's own must stay as it is
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // the client may have gone
}

// ask has a handler answer, as if for a visitor of whom nothing is known.
func ask(ctx context.Context, handler http.Handler, uri string) (response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, http.NoBody)
	if err != nil {
		return response{}, err
	}
	request.RequestURI = uri
	rec := &recorder{header: make(http.Header)}
	handler.ServeHTTP(rec, request)
	if err := ctx.Err(); err != nil {
		return response{}, err // what the handler has written may be half an answer
	}
	rec.WriteHeader(http.StatusOK) // unless it did
	answer := response{Status: rec.status, Header: rec.sent, Body: rec.body.Bytes()}
	if !answer.keepable() {
		return response{}, &otherError{answer}
	}
	return answer, nil
}

func (r response) keepable() bool {
	control := r.Header.Get("Cache-Control")
	switch {
	case r.Header.Get("Set-Cookie") != "", strings.Contains(control, "no-store"), strings.Contains(control, "private"):
		return false
	}
	return r.Status == http.StatusOK || r.Status == http.StatusNotFound || r.Status == http.StatusGone
}

// otherError is an answer that is not kept, on its way around the cache. To the cache it is a failure, for which an old page stands in.
type otherError struct{ response }

func (e *otherError) Error() string {
	return fmt.Sprintf("an answer that is not kept, with status %d", e.Status)
}

// recorder is a ResponseWriter that keeps what is written.
type recorder struct {
	header, sent http.Header
	status       int // 0 before WriteHeader
	body         bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK { // not the informational ones
		r.status, r.sent = status, r.header.Clone()
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}
