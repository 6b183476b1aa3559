package httpcache

import (
	"context"
	"errors"
	"net/http"

	"github.com/warmcache/warmcache/tiercache"
)

// Cache is an HTTP cache. It is safe for concurrent use.
type Cache struct {
	cfg Config
}

var errTodo = errors.New("httpcache: not built yet")

// New returns a cache. The caller closes it, before its Redis.
func New(cfg Config) (*Cache, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Cache{cfg: cfg}, nil
}

// Handler answers from the cache where it may, and else has next answer.
//
// Where Config.Purge is set, a PURGE request ends all variants of its URL; one with the field
// Cache-Group-Invalidation (RFC 9875), or Config.TagHeader, ends the groups named there instead.
// The answer is 204, or 403 with the error of Purge.
func (c *Cache) Handler(next http.Handler) http.Handler { return next }

// Transport answers from the cache where it may, and else has next answer; nil is
// http.DefaultTransport.
func (c *Cache) Transport(next http.RoundTripper) http.RoundTripper { return next }

// Invalidate ends all variants of the URLs, everywhere; they are not even served stale. Commit what
// has changed first. A URL is absolute: "https://example.com/path?query". The error is
// tiercache.ErrDegraded, wrapped, where Redis could not be told yet.
func (c *Cache) Invalidate(ctx context.Context, urls ...string) error { return errTodo }

// InvalidateGroups ends all answers of an origin ("https://example.com") that are in one of the
// groups (RFC 9875), everywhere. It costs one round trip, whatever the number of answers.
func (c *Cache) InvalidateGroups(ctx context.Context, origin string, groups ...string) error {
	return errTodo
}

// Clear ends all answers, everywhere, in one round trip.
func (c *Cache) Clear(ctx context.Context) error { return errTodo }

// Stats is one snapshot of what became of the requests.
func (c *Cache) Stats() Stats { return Stats{} }

// Tiers is the statistics of the two tiers below.
func (c *Cache) Tiers() tiercache.Stats { return tiercache.Stats{} }

// Close releases the cache. The handlers go on without it. It does not close the Redis.
func (c *Cache) Close() error { return nil }
