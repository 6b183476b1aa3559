package main

import (
	"context"
	"strconv"
	"time"

	theine "github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	rediscache "github.com/go-redis/cache/v9"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"
	"github.com/viccon/sturdyc"

	"github.com/warmcache/warmcache/tiercache"
)

// value is what is cached: as large as a small row.
type value [8]uint64

// cache is one contender with entries in it.
type cache struct {
	get    func(key string) bool
	set    func(key string, v value)
	settle func() // until what was set is there; nil: it is at once
	close  func()
}

type contender struct {
	name string
	make func(capacity int) (cache, error)
}

// contenders in the order of the table. The first is what all ratios are to.
func contenders() []contender {
	return []contender{
		{"ristretto", rawRistretto},
		{"warmcache", everythingOn},
		{"otter", plainOtter},
		{"otter, everything on", fullOtter},
		{"theine, TTL", theineTTL},
		{"golang-lru", golangLRU},
		{"sturdyc", sturdycFetch},
		{"go-redis/cache", goRedisCache},
	}
}

const ttl = time.Hour

func load(_ context.Context, key string) (value, error) { return value{uint64(len(key))}, nil }

func everythingOn(capacity int) (cache, error) {
	c, err := tiercache.New(tiercache.Config[string, value]{
		Name: "hit", Load: load, TTL: ttl, StaleFor: ttl, NegativeTTL: time.Minute, RefreshAt: 0.8, Jitter: 0.1, Capacity: int64(capacity),
	})
	if err != nil {
		return cache{}, err
	}
	ctx := context.Background()
	return cache{
		get:   func(k string) bool { _, err := c.Get(ctx, k); return err == nil },
		set:   func(k string, v value) { _ = c.Set(ctx, k, v) }, // in memory it fails only once closed
		close: func() { _ = c.Close() },
	}, nil
}

func rawRistretto(capacity int) (cache, error) {
	c, err := ristretto.NewCache(&ristretto.Config[string, value]{
		NumCounters: int64(capacity) * 10, MaxCost: int64(capacity), BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return cache{}, err
	}
	return cache{
		get:    func(k string) bool { _, ok := c.Get(k); return ok },
		set:    func(k string, v value) { c.Set(k, v, 1) },
		settle: c.Wait,
		close:  c.Close,
	}, nil
}

func plainOtter(capacity int) (cache, error) {
	c, err := otter.New(&otter.Options[string, value]{MaximumSize: capacity})
	if err != nil {
		return cache{}, err
	}
	return cache{
		get:   func(k string) bool { _, ok := c.GetIfPresent(k); return ok },
		set:   func(k string, v value) { c.Set(k, v) },
		close: func() { c.StopAllGoroutines() },
	}, nil
}

func fullOtter(capacity int) (cache, error) {
	c, err := otter.New(&otter.Options[string, value]{
		MaximumSize: capacity, StatsRecorder: stats.NewCounter(),
		ExpiryCalculator: otter.ExpiryWriting[string, value](ttl), RefreshCalculator: otter.RefreshWriting[string, value](ttl * 4 / 5),
	})
	if err != nil {
		return cache{}, err
	}
	ctx := context.Background()
	loader := otter.LoaderFunc[string, value](load)
	return cache{
		get:   func(k string) bool { _, err := c.Get(ctx, k, loader); return err == nil },
		set:   func(k string, v value) { c.Set(k, v) },
		close: func() { c.StopAllGoroutines() },
	}, nil
}

func theineTTL(capacity int) (cache, error) {
	c, err := theine.NewBuilder[string, value](int64(capacity)).Build()
	if err != nil {
		return cache{}, err
	}
	return cache{
		get:    func(k string) bool { _, ok := c.Get(k); return ok },
		set:    func(k string, v value) { c.SetWithTTL(k, v, 1, ttl) },
		settle: c.Wait,
		close:  c.Close,
	}, nil
}

func golangLRU(capacity int) (cache, error) {
	c, err := lru.New[string, value](capacity)
	if err != nil {
		return cache{}, err
	}
	return cache{
		get:   func(k string) bool { _, ok := c.Get(k); return ok },
		set:   func(k string, v value) { c.Add(k, v) },
		close: func() {},
	}, nil
}

func sturdycFetch(capacity int) (cache, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := sturdyc.New[value](capacity, 64, ttl, 10, sturdyc.WithEarlyRefreshes(ttl/2, ttl*4/5, ttl*9/10, time.Second), sturdyc.WithNoContinuousEvictions())
	return cache{
		get: func(k string) bool {
			_, err := c.GetOrFetch(ctx, k, func(ctx context.Context) (value, error) { return load(ctx, k) })
			return err == nil
		},
		set:   func(k string, v value) { c.Set(k, v) },
		close: cancel,
	}, nil
}

func goRedisCache(capacity int) (cache, error) {
	c := rediscache.New(&rediscache.Options{LocalCache: rediscache.NewTinyLFU(capacity, ttl)})
	ctx := context.Background()
	return cache{
		get: func(k string) bool {
			var v value
			return c.Once(&rediscache.Item{Ctx: ctx, Key: k, Value: &v, TTL: ttl, Do: func(*rediscache.Item) (any, error) { return load(ctx, k) }}) == nil
		},
		set:   func(k string, v value) { _ = c.Set(&rediscache.Item{Ctx: ctx, Key: k, Value: v, TTL: ttl}) }, // there is no Redis to fail
		close: func() {},
	}, nil
}

// keysOf makes n keys, as people name them.
func keysOf(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "brand_stats:" + strconv.Itoa(i)
	}
	return keys
}
