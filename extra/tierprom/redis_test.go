package tierprom_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/extra/tierprom"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func TestCollector_shows_Redis(t *testing.T) {
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true, DialerRetries: 1})
	t.Cleanup(func() { client.Close() }) //nolint:errcheck // nothing is left to lose
	// Much time, so that a busy machine isn't taken for a Redis that is away.
	tier, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tier.Close() }) //nolint:errcheck // nothing is left to lose
	metrics := tierprom.New()
	open := func(name string, observer tiercache.Observer) *tiercache.Cache[string, string] {
		t.Helper()
		c, err := tiercache.New(tiercache.Config[string, string]{
			Name: name, TTL: time.Hour, Redis: tier, Observer: observer,
			Load: func(_ context.Context, key string) (string, error) { return key, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() }) //nolint:errcheck // it has no error to tell
		return c
	}
	cache := open("brands", metrics)
	if err := metrics.AddCaches(cache); err != nil {
		t.Fatal(err)
	}
	eventually := func(want []string) {
		t.Helper()
		redistest.Eventually(t, 30*time.Second, func() error {
			if diff := cmp.Diff(want, firing(t, scrape(t, metrics))); diff != "" {
				return errors.New("alerts (-want +got):\n" + diff)
			}
			return nil
		})
	}
	eventually(nil)
	if _, err := cache.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	server.Do("SET", "brands:b", "what nobody of ours wrote")
	if _, err := cache.Get(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, metrics)
	check(t, got, map[string]float64{
		"tiercache_requests_total brands miss source": 2,
		"tiercache_redis_available brands":            1,
		"tiercache_coherent brands":                   1,
	})
	if n := got["tiercache_corrupt_records_total brands"]; n < 1 {
		t.Errorf("%v corrupt records, want the one that was put there", n)
	}
	server.Kill()
	eventually([]string{"CacheWithoutRedis", "CacheDeaf", "CacheRecordsCorrupt"})
	server.Restart()
	eventually([]string{"CacheRecordsCorrupt"})
}
