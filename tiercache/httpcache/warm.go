package httpcache

import (
	"context"
	"net/http"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// URLs emits the URLs that are worth having before anybody asks for them, the most wanted first.
// A URL is absolute; header, which may be nil, is what is sent with it and selects its variant
// (Accept-Encoding, say). emit may block; its error means that URLs should return.
type URLs func(ctx context.Context, emit func(url string, header http.Header) error) error

// WarmOptions describes a warmup loader of URLs; see tiercache.Loader for the fields.
type WarmOptions struct {
	Priority  int
	After     []string
	Required  bool
	Timeout   time.Duration
	MaxItems  int
	RefreshAt float64

	// Concurrency is how many URLs are fetched at once; default 4.
	Concurrency int
}

// RegisterURLs adds a warmup loader: an engine of package warm, or Warm, has it emit its URLs,
// which are fetched through the handler itself and stored as any answer would be. What may not be
// stored is counted as failed. The cache must have exactly one Handler or Transport by the time
// that it runs.
func (c *Cache) RegisterURLs(name string, urls URLs, opts WarmOptions) error { return errTodo }

// Name is the cache's namespace.
func (c *Cache) Name() string { return c.cfg.Name }

// Loaders lists the registered loaders. It makes the cache a target of package warm, as do
// WarmLoader and Hydrate.
func (c *Cache) Loaders() []tiercache.LoaderInfo { return nil }

// Warm runs loaders by name, all of them without one; see tiercache.Cache.Warm.
func (c *Cache) Warm(ctx context.Context, names ...string) ([]tiercache.WarmResult, error) {
	return nil, errTodo
}

// WarmLoader runs one loader, for engines; see tiercache.Cache.WarmLoader.
func (c *Cache) WarmLoader(ctx context.Context, name string, opts tiercache.WarmOptions) tiercache.WarmResult {
	return tiercache.WarmResult{}
}

// Hydrate fills memory from Redis, for engines; see tiercache.Cache.Hydrate.
func (c *Cache) Hydrate(ctx context.Context, keys []string, opts tiercache.WarmOptions) tiercache.WarmResult {
	return tiercache.WarmResult{}
}

// HotTexts lists the hottest URLs, for engines; see tiercache.Cache.HotTexts.
func (c *Cache) HotTexts(ctx context.Context, n int) ([]tiercache.HotKey[string], error) {
	return nil, errTodo
}

// ExplainText says what the tiers hold of a key, for engines; see tiercache.Cache.ExplainText.
func (c *Cache) ExplainText(ctx context.Context, text string) (tiercache.Explanation, error) {
	return tiercache.Explanation{}, errTodo
}
