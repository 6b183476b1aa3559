package httpcache

import (
	"context"
	"hash/maphash"
	"net/http"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// Cache is an HTTP cache. It is safe for concurrent use.
type Cache struct {
	cfg    Config
	tiers  *tiercache.Cache[string, *value]
	status string // our name in Cache-Status; "" = none
	counts counters
	recent recentKeys

	background context.Context //nolint:containedctx // of what no request waits for; Close ends it
	stop       context.CancelFunc

	mu    sync.Mutex
	sites []*site // what answers where there is no request
}

// New returns a cache. The caller closes it, before its Redis.
func New(cfg Config) (*Cache, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cache{cfg: cfg, status: cfg.Status, recent: recentKeys{seed: maphash.MakeSeed()}}
	if cfg.Status == "-" {
		c.status = ""
	}
	c.background, c.stop = context.WithCancel(context.Background()) //nolint:forbidigo // the cache's own lifetime has no other parent
	c.tiers, err = tiercache.New(tiercache.Config[string, *value]{
		Name: cfg.Name, Redis: cfg.Redis, Codec: codec{}, Capacity: cfg.Capacity, LearnHot: cfg.LearnHot,
		LoadTimeout: cfg.LoadTimeout, Logger: cfg.Logger, Load: c.replay,
		Expiry:    func(_ string, v *value) time.Duration { return v.ttl(cfg.PassFor) },
		Staleness: func(_ string, v *value) time.Duration { return v.late(cfg.Keep) },
		Tags:      func(_ string, v *value) []string { return v.tags },
		Cost:      func(key string, v *value) int64 { return v.cost(key) },
	})
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// Handler answers from the cache where it may, and else has next answer.
//
// Where Config.Purge is set, a PURGE request ends all variants of its URL; one with the field
// Cache-Group-Invalidation (RFC 9875), or Config.TagHeader, ends the groups named there instead.
// The answer is 204, 202 where Redis has yet to hear of it, or 403 with the error of Purge.
func (c *Cache) Handler(next http.Handler) http.Handler { return c.site(next) }

func (c *Cache) site(next http.Handler) *site {
	s := &site{c, next}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sites = append(c.sites, s)
	return s
}

// Clear ends all answers, everywhere, in one round trip.
func (c *Cache) Clear(ctx context.Context) error { return c.tiers.Clear(ctx) }

// Stats is one snapshot of what became of the requests.
func (c *Cache) Stats() Stats { return c.counts.stats() }

// Tiers is the statistics of the two tiers below.
func (c *Cache) Tiers() tiercache.Stats { return c.tiers.Stats() }

// Close releases the cache. The handlers go on without it. It does not close the Redis.
func (c *Cache) Close() error {
	c.stop()
	return c.tiers.Close()
}
