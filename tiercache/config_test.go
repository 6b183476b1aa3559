package tiercache_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

type longCodec struct{ tiercache.Codec[int] }

func (longCodec) Name() string { return "much-too-long" }

func TestNew_namesEveryBadField(t *testing.T) {
	_, err := tiercache.New(tiercache.Config[string, int]{
		Name: "a b", TTL: -1, MemoryTTL: -1, StaleFor: -1, NegativeTTL: -1, SoftTimeout: -1, LoadTimeout: -1,
		Jitter: math.NaN(), RefreshAt: 1, Capacity: -1, LearnHot: -1, Codec: longCodec{},
	})
	for _, field := range []string{
		"Name", "TTL", "MemoryTTL", "StaleFor", "NegativeTTL", "SoftTimeout", "LoadTimeout", "Jitter", "RefreshAt",
		"Capacity", "LearnHot", "Codec",
	} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
	_, err = tiercache.New(tiercache.Config[string, int]{Name: "c", DegradedTTL: math.MaxInt64}) // added to a moment it would be long ago
	if err == nil || !strings.Contains(err.Error(), "DegradedTTL") {
		t.Errorf("the longest DegradedTTL: %v", err)
	}
	_, err = tiercache.New(tiercache.Config[any, string]{Name: "c", TTL: -1, Redis: new(tiercache.Redis)})
	for _, field := range []string{"Keys", "TTL"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("keys without a text form: %s is not named: %v", field, err)
		}
	}
}

func TestNew_oneNameOneCache(t *testing.T) {
	r := newRedis(t, redistest.Start(t))
	cfg := tiercache.Config[string, int]{Name: "c", Redis: r}
	c := newCache(t, cfg)
	if _, err := tiercache.New(cfg); err == nil {
		t.Error("two caches of one name on one Redis")
	}
	closing(t, c)
	newCache(t, cfg) // the name is free again
}

func TestNewRedis_refuses(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer closing(t, client)
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, RouteRandomly: true})
	defer closing(t, cluster)
	var typed *redis.Client
	for name, c := range map[string]struct {
		client redis.UniversalClient
		cfg    tiercache.RedisConfig
		want   string
	}{
		"nil":       {nil, tiercache.RedisConfig{}, "nil"},
		"typed nil": {typed, tiercache.RedisConfig{}, "nil"},
		"prefix":    {client, tiercache.RedisConfig{Prefix: "{a}"}, "Prefix"},
		"timeout":   {client, tiercache.RedisConfig{Timeout: -1}, "Timeout"},
		"bytes":     {client, tiercache.RedisConfig{MaxValueBytes: -1}, "MaxValueBytes"},
		"replicas":  {cluster, tiercache.RedisConfig{}, "RouteRandomly"},
	} {
		if _, err := tiercache.NewRedis(c.client, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutALoaderAMissIsNotFound(t *testing.T) {
	c := newCache(t, tiercache.Config[string, int]{Name: "c"})
	if _, err := c.Get(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) {
		t.Errorf("without a loader: %v", err)
	}
}

func TestClose(t *testing.T) {
	for name, heeds := range map[string]bool{"heeded": true, "ignored": false} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, r *tiercache.Redis) {
				var returned atomic.Bool
				c := newCache(t, tiercache.Config[string, string]{
					Name: "c", TTL: time.Minute, Redis: r,
					Load: func(ctx context.Context, _ string) (string, error) {
						if heeds {
							<-ctx.Done()
							waitFor(500 * time.Millisecond)
						} else {
							waitFor(20 * time.Second)
						}
						returned.Store(true)
						return "", errors.New("stopped")
					},
				})
				errs := make(chan error, 2)
				go func() { _, err := c.Get(t.Context(), "k"); errs <- err }()
				go func() { _, err := c.GetMany(t.Context(), []string{"k", "l"}); errs <- err }()
				waitFor(time.Second)
				began := time.Now()
				closing(t, c)
				took := time.Since(began)
				if heeds && (!returned.Load() || took > time.Second) || !heeds && took > 3100*time.Millisecond {
					t.Errorf("Close took %v; the loader has returned: %v", took, returned.Load())
				}
				for range 2 {
					if err := <-errs; !errors.Is(err, tiercache.ErrClosed) {
						t.Errorf("a waiter got %v", err)
					}
				}
				closing(t, c)
				waitFor(20 * time.Second)
				afterClose(t, c)
			})
		})
	}
}

func afterClose(t *testing.T, c *tiercache.Cache[string, string]) {
	t.Helper()
	ctx := t.Context()
	_, get := c.Get(ctx, "k")
	_, getOrLoad := c.GetOrLoad(ctx, "k", nil)
	_, getEntry := c.GetEntry(ctx, "k")
	_, getMany := c.GetMany(ctx, []string{"k"})
	_, refresh := c.Refresh(ctx, "k")
	_, warm := c.Warm(ctx)
	for name, err := range map[string]error{
		"Get": get, "GetOrLoad": getOrLoad, "GetEntry": getEntry, "GetMany": getMany, "Refresh": refresh, "Warm": warm,
		"Set": c.Set(ctx, "k", "v"), "SetMany": c.SetMany(ctx, nil), "Delete": c.Delete(ctx, "k"), "Expire": c.Expire(ctx, "k"),
		"InvalidateTags": c.InvalidateTags(ctx, "t"), "Clear": c.Clear(ctx),
		"RegisterLoader": c.RegisterLoader(tiercache.Loader[string, string]{
			Name: "l", Load: func(context.Context, func(string, string) error) error { return nil },
		}),
		"WarmLoader": c.WarmLoader(ctx, "l", tiercache.WarmOptions{}).Err, "Hydrate": c.Hydrate(ctx, nil, tiercache.WarmOptions{}).Err,
	} {
		if !errors.Is(err, tiercache.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if _, ok := c.Peek("k"); ok {
		t.Error("Peek after Close")
	}
}
