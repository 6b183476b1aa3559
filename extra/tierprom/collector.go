package tierprom

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/tiercache/httpcache"
	"github.com/warmcache/warmcache/warm"
)

// Cache is what is read of a cache. Every *tiercache.Cache[K, V] is one.
type Cache interface {
	Name() string
	Stats() tiercache.Stats
}

// HTTPCache is what is read of an HTTP cache. Every *httpcache.Cache is one.
type HTTPCache interface {
	Name() string
	Stats() httpcache.Stats
	Tiers() tiercache.Stats
}

// tiers are the two tiers of an HTTP cache, as a cache.
type tiers struct{ HTTPCache }

func (t tiers) Stats() tiercache.Stats { return t.Tiers() }

// Collector is a [prometheus.Collector] over caches and an engine, and the [tiercache.Observer] of
// those caches. Make one with [New]; it is safe for concurrent use, has no goroutine, and needs no
// closing: closed caches and stopped engines keep their last figures.
type Collector struct {
	loadTimes *prometheus.HistogramVec

	mu     sync.Mutex
	caches []Cache
	http   []HTTPCache
	engine *warm.Engine
}

var (
	_ prometheus.Collector = (*Collector)(nil)
	_ tiercache.Observer   = (*Collector)(nil)
)

// New returns a collector of nothing yet.
func New() *Collector {
	return &Collector{loadTimes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tiercache_load_duration_seconds",
		Help: "How long loads from the source took, of caches that have the collector as their Observer.",
		// From an index look-up to the default LoadTimeout.
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"cache"})}
}

// AddCaches adds caches, at any time. Their names become a label: nil, and a name that is there
// already, are errors, and then none is added.
func (c *Collector) AddCaches(caches ...Cache) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.caches)
	for _, cache := range caches {
		if cache == nil {
			return errors.New("tierprom: a cache is nil")
		}
		name := cache.Name()
		if slices.ContainsFunc(all, func(other Cache) bool { return other.Name() == name }) {
			return fmt.Errorf("tierprom: there is a cache %q already", name)
		}
		all = append(all, cache)
	}
	c.caches = all
	return nil
}

// AddHTTPCaches adds HTTP caches as AddCaches does: what became of their requests, and their tiers
// as those of any other cache. Names are one set with those of AddCaches.
func (c *Collector) AddHTTPCaches(caches ...HTTPCache) error {
	below := make([]Cache, len(caches))
	for i, cache := range caches {
		if cache != nil {
			below[i] = tiers{cache}
		}
	}
	if err := c.AddCaches(below...); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.http = append(slices.Clip(c.http), caches...)
	return nil
}

// SetEngine sets the engine whose warm-ups are shown. A collector has one: a second engine, and
// nil, are errors. For another engine of the same process make another collector, and register it
// with a label by [prometheus.WrapRegistererWith].
func (c *Collector) SetEngine(e *warm.Engine) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e == nil:
		return errors.New("tierprom: the engine is nil")
	case c.engine != nil && c.engine != e:
		return errors.New("tierprom: the collector has an engine already")
	}
	c.engine = e
	return nil
}

// Observe is for tiercache, which calls it when something happens in a cache.
func (c *Collector) Observe(e tiercache.Event) {
	if e.Kind == tiercache.EventLoad {
		c.loadTimes.WithLabelValues(e.Cache).Observe(e.Took.Seconds())
	}
}

// Describe is for Prometheus.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	c.loadTimes.Describe(ch)
	describe(ch, cacheMetrics())
	describe(ch, httpMetrics())
	describe(ch, engineMetrics())
}

// Collect is for Prometheus.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	caches, overHTTP, engine := c.caches, c.http, c.engine
	c.mu.Unlock()
	c.loadTimes.Collect(ch)
	for _, cache := range caches {
		collect(ch, cacheMetrics(), cache.Stats(), cache.Name())
	}
	for _, cache := range overHTTP {
		collect(ch, httpMetrics(), cache.Stats(), cache.Name())
	}
	if engine != nil {
		collect(ch, engineMetrics(), engine.Status())
	}
}
