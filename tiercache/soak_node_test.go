package tiercache_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
)

// nodeConfig is what nodes differ in.
type nodeConfig struct {
	ttl, staleFor time.Duration // default: an hour and a minute
	refreshAt     float64
	capacity      int64
	lease         time.Duration
	slow          time.Duration    // a load takes up to that long, one in four
	patience      time.Duration    // RedisConfig.Timeout; default 250 ms, else a busy machine would leave Redis out of the trial
	other         func(key string) // hears of loads of keys that are none of the world's

	keys    int // of the world
	current func(key int) int
}

// load reads a version from the source.
func (cfg *nodeConfig) load(ctx context.Context, key string) (int, error) {
	if key[0] != 'k' {
		if cfg.other != nil {
			cfg.other(key)
		}
		return 1, nil
	}
	version := cfg.current(keyIndex(key))
	if rand.N(4) == 0 {
		pause(ctx, rand.N(cfg.slow))
	}
	return version, nil
}

// tags of a value: of the world's keys each eighth has the same; quiet ones have one of their own.
func soakTags(key string, _ int) []string {
	switch key[0] {
	case 'k':
		return []string{tagOf(key)}
	case 'f': // a flood is about numbers
		return nil
	default:
		return []string{"own" + key}
	}
}

// newSoakNode is one process of the fleet.
func newSoakNode(t *testing.T, client redis.UniversalClient, cfg nodeConfig) tiered {
	t.Helper()
	for _, d := range []struct {
		of       *time.Duration
		standard time.Duration
	}{{&cfg.ttl, time.Hour}, {&cfg.staleFor, time.Minute}, {&cfg.slow, 5 * time.Millisecond}, {&cfg.patience, 250 * time.Millisecond}} {
		if *d.of == 0 {
			*d.of = d.standard
		}
	}
	silent := slog.New(slog.DiscardHandler)
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: cfg.patience, LeaseLife: cfg.lease, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	c := newCache(t, tiercache.Config[string, int]{
		Name: "soak", TTL: cfg.ttl, StaleFor: max(0, cfg.staleFor), RefreshAt: cfg.refreshAt, Capacity: cfg.capacity, Redis: r, Load: cfg.load,
		LoadMany: func(ctx context.Context, keys []string) (map[string]int, error) {
			out := make(map[string]int)
			for _, key := range keys {
				out[key], _ = cfg.load(ctx, key)
			}
			return out, nil
		},
		Tags: soakTags, Logger: silent,
	})
	all := func(ctx context.Context, emit func(string, int) error) error {
		for i := range cfg.keys {
			version := cfg.current(i)
			if i%8 == 0 {
				pause(ctx, rand.N(cfg.slow))
			}
			if err := emit(keyName(i), version); err != nil {
				return err
			}
		}
		return nil
	}
	quiet := func(ctx context.Context, emit func(string, int) error) error {
		for i := range 400 {
			if i%100 == 0 {
				pause(ctx, 50*time.Millisecond)
			}
			if err := emit("warm"+keyName(i), 1); err != nil {
				return err
			}
		}
		return nil
	}
	for _, l := range []tiercache.Loader[string, int]{{Name: "all", Load: all}, {Name: "quiet", Load: quiet}} {
		if err := c.RegisterLoader(l); err != nil {
			t.Fatal(err)
		}
	}
	return tiered{c, r}
}

// warming has a node warmed again and again. What doesn't reach Redis is not the matter here.
func (s *scene) warming(c tiered, pauses time.Duration) {
	s.wg.Go(func() {
		for s.alive.Err() == nil {
			_, _ = c.Warm(s.alive, "all")
			pause(s.alive, pauses+rand.N(pauses))
		}
	})
}

// plain are the options of a node's client.
func plain(addr string, dial dialer) *redis.Options {
	return &redis.Options{
		Addr: addr, Dialer: dial, DialTimeout: time.Second, DialerRetries: 1, ContextTimeoutEnabled: true,
		Protocol: 2 + rand.N(2),
	}
}
