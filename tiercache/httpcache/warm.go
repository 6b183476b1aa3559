package httpcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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
	// Handler is what the URLs are fetched through; default is what the cache's Handler or
	// Transport stands before, where there is exactly one. It must answer as that does. Where the
	// cache stands behind a mux, whose wildcards Request.PathValue gives, it is a mux with the same
	// patterns.
	Handler http.Handler
}

const defaultConcurrency = 4

// RegisterURLs adds a warmup loader: an engine of package warm, or Warm, has it emit its URLs,
// which are fetched through the handler itself and stored as any answer would be. A URL whose
// answer may not be stored is left out and logged; the loader fails where that is all of them. A
// cache that has not exactly one Handler or Transport by the time that it runs needs
// WarmOptions.Handler.
func (c *Cache) RegisterURLs(name string, urls URLs, opts WarmOptions) error {
	if urls == nil {
		return fmt.Errorf("httpcache: register %q: urls is nil", name)
	}
	if opts.Concurrency < 0 {
		return fmt.Errorf("httpcache: register %q: Concurrency %d is negative", name, opts.Concurrency)
	}
	orDefault(&opts.Concurrency, defaultConcurrency)
	return c.tiers.RegisterLoader(tiercache.Loader[string, *value]{
		Name: name, Priority: opts.Priority, After: opts.After, Required: opts.Required, Timeout: opts.Timeout,
		MaxItems: opts.MaxItems, RefreshAt: opts.RefreshAt,
		Load: func(ctx context.Context, emit func(string, *value) error) error {
			next, err := c.through(opts.Handler)
			if err != nil {
				return err
			}
			w := &warmUp{c: c, next: next, emit: emit, began: time.Now()}
			return w.run(ctx, urls, opts.Concurrency)
		},
	})
}

// through is the handler to fetch through, where the user may have said which: never this cache.
func (c *Cache) through(h http.Handler) (http.Handler, error) {
	switch s, ok := h.(*site); {
	case h == nil:
		return c.only()
	case ok && s.c == c:
		return s.next, nil
	default:
		return h, nil
	}
}

// only is the handler to fetch through where there is no request.
func (c *Cache) only() (http.Handler, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sites) != 1 {
		return nil, fmt.Errorf("httpcache: cache %q has %d handlers, and it is not known through which to fetch: name it in WarmOptions.Handler, or wrap all of them at once", c.cfg.Name, len(c.sites))
	}
	return c.sites[0].next, nil
}

// warmUp is one run of a loader.
type warmUp struct {
	c     *Cache
	next  http.Handler
	emit  func(string, *value) error
	began time.Time

	mu      sync.Mutex
	emitted int
	failed  int
	first   error // of those that failed
}

func (w *warmUp) run(ctx context.Context, urls URLs, width int) error {
	fetches, ctx := errgroup.WithContext(ctx)
	fetches.SetLimit(width)
	err := urls(ctx, func(text string, header http.Header) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		header = header.Clone()
		fetches.Go(func() error {
			all, err := w.fetch(ctx, text, header)
			w.note(err)
			for _, p := range all {
				if err := w.emit(p.key, p.v); err != nil {
					return err
				}
			}
			return nil
		})
		return nil
	})
	err = errors.Join(fetches.Wait(), err)
	if err == nil && w.failed > 0 {
		w.c.cfg.Logger.WarnContext(ctx, "httpcache: URLs that were to be warmed are not stored",
			slog.Int("urls", w.failed), slog.Int("stored", w.emitted), slog.Any("first", w.first))
		if w.emitted == 0 {
			return w.first
		}
	}
	return err
}

func (w *warmUp) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.emitted++
		return
	}
	if w.failed++; w.first == nil {
		w.first = err
	}
}

// pair is a value with its key.
type pair struct {
	key string
	v   *value
}

// warming is where the answers of a warm-up go.
type warming struct {
	began time.Time // their ages are counted from then on
	found []pair
}

// fetch asks the handler for one URL. The answer's variant comes before its index.
func (w *warmUp) fetch(ctx context.Context, text string, header http.Header) ([]pair, error) {
	u, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	r := newRequest(u)
	for name, lines := range header {
		r.Header[http.CanonicalHeaderKey(name)] = lines
	}
	x, err := w.c.unasked(ctx, w.next, r)
	if err != nil {
		return nil, err
	}
	x.warm = &warming{began: w.began}
	v, err := x.fetchSafely(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("httpcache: warm %q: %w", text, err)
	case v.kind == kindPass:
		return nil, fmt.Errorf("httpcache: warm %q: its answer may not be stored", text)
	default:
		return append(x.warm.found, pair{x.key, v}), nil
	}
}

// unasked is an exchange of nobody, at the key of its answer as far as that is known.
func (c *Cache) unasked(ctx context.Context, next http.Handler, r *http.Request) (*exchange, error) {
	is := traitsOf(r)
	what := c.keyOf(r, is)
	if what.key == "" {
		return nil, fmt.Errorf("httpcache: %s has no key", r.URL.Redacted())
	}
	x := &exchange{c: c, next: next, r: r, is: is, what: what, key: what.key}
	for range mostLevels {
		e, err := c.tiers.GetOrReload(ctx, x.key, nil)
		if err != nil || e.Value.kind != kindIndex || !x.descend(e.Value) {
			break
		}
	}
	return x, nil //nolint:nilerr // where the tiers do not know, the origin is asked
}

// fetchSafely is fetch whose panic is an error.
func (x *exchange) fetchSafely(ctx context.Context) (v *value, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return x.fetch(ctx, nil)
}

// replay loads a hot key that neither tier has. One that stands below an index that is gone is
// asked for below the one that is there now.
func (c *Cache) replay(ctx context.Context, key string) (*value, error) {
	r := requestOf(key)
	next, err := c.only()
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, tiercache.ErrNotFound
	}
	if !strings.Contains(key, levelEnd) {
		is := traitsOf(r)
		x := &exchange{c: c, next: next, r: r, is: is, what: c.keyOf(r, is), key: key}
		return x.fetch(ctx, nil)
	}
	x, err := c.unasked(ctx, next, r)
	if err != nil {
		return nil, err
	}
	if x.key == key {
		return x.fetch(ctx, nil)
	}
	if _, err := c.tiers.GetOrReload(ctx, x.key, x.fetch); err != nil {
		return nil, err
	}
	return nil, tiercache.ErrNotFound
}

// Name is the cache's namespace.
func (c *Cache) Name() string { return c.cfg.Name }

// Loaders lists the registered loaders. It makes the cache a target of package warm, as do
// WarmLoader and Hydrate.
func (c *Cache) Loaders() []tiercache.LoaderInfo { return c.tiers.Loaders() }

// Warm runs loaders by name, all of them without one; see tiercache.Cache.Warm.
func (c *Cache) Warm(ctx context.Context, names ...string) ([]tiercache.WarmResult, error) {
	return c.tiers.Warm(ctx, names...)
}

// WarmLoader runs one loader, for engines; see tiercache.Cache.WarmLoader.
func (c *Cache) WarmLoader(ctx context.Context, name string, opts tiercache.WarmOptions) tiercache.WarmResult {
	return c.tiers.WarmLoader(ctx, name, opts)
}

// Hydrate fills memory from Redis, for engines; see tiercache.Cache.Hydrate.
func (c *Cache) Hydrate(ctx context.Context, keys []string, opts tiercache.WarmOptions) tiercache.WarmResult {
	return c.tiers.Hydrate(ctx, keys, opts)
}

// HotTexts lists the hottest URLs, for engines; see tiercache.Cache.HotTexts.
func (c *Cache) HotTexts(ctx context.Context, n int) ([]tiercache.HotKey[string], error) {
	return c.tiers.HotTexts(ctx, n)
}

// ExplainText says what the tiers hold of a key, for engines; see tiercache.Cache.ExplainText.
func (c *Cache) ExplainText(ctx context.Context, text string) (tiercache.Explanation, error) {
	return c.tiers.ExplainText(ctx, text)
}
