package tiercache_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// tiers runs a test on each combination of tiers.
func tiers(t *testing.T, test func(t *testing.T, r *tiercache.Redis)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, nil) })
	t.Run("redis", func(t *testing.T) { test(t, newRedis(t, redistest.Start(t))) })
}

// newRedis is one process's view of a real Redis. Its timeout is long: these tests are not about
// time, and run on busy machines.
func newRedis(t *testing.T, server *redistest.Server) *tiercache.Redis {
	t.Helper()
	r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	return r
}

func closing(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func newCache[K comparable, V any](t *testing.T, cfg tiercache.Config[K, V]) *tiercache.Cache[K, V] {
	t.Helper()
	c, err := tiercache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, c) })
	return c
}

func TestGetLoadsOnceAndThenHits(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		var calls atomic.Int64
		c := newCache(t, tiercache.Config[string, int]{
			Name: "numbers", TTL: time.Minute, Redis: r,
			Load: func(_ context.Context, key string) (int, error) {
				calls.Add(1)
				return len(key), nil
			},
		})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got, err := c.Get(t.Context(), "seven77"); got != 7 || err != nil {
					t.Errorf("Get = %d, %v", got, err)
				}
			})
		}
		wg.Wait()
		e, err := c.GetEntry(t.Context(), "seven77")
		if err != nil || e.Source != tiercache.FromMemory || e.Value != 7 {
			t.Errorf("GetEntry = %+v, %v; want 7 from memory", e, err)
		}
		if got := calls.Load(); got != 1 {
			t.Errorf("%d loads, want 1", got)
		}
	})
}

func TestGetManyOfEverything(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[int, string]{
			Name: "numbers", TTL: time.Minute, Redis: r,
			LoadMany: func(_ context.Context, keys []int) (map[int]string, error) {
				m := make(map[int]string)
				for _, k := range keys {
					if k%2 == 0 {
						m[k] = strconv.Itoa(k)
					}
				}
				return m, nil
			},
		})
		if err := c.Set(t.Context(), 3, "three"); err != nil {
			t.Fatal(err)
		}
		got, err := c.GetMany(t.Context(), []int{1, 2, 3, 4, 4})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[int]string{2: "2", 3: "three", 4: "4"}, got); diff != "" {
			t.Error(diff)
		}
		if _, err := c.Get(t.Context(), 1); !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("Get(1) = %v, want not found", err)
		}
	})
}

func TestRestartReadsRedis(t *testing.T) {
	server := redistest.Start(t)
	r := newRedis(t, server)
	first := newCache(t, tiercache.Config[string, string]{Name: "a", TTL: time.Minute, Redis: r})
	if err := first.Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	second := newCache(t, tiercache.Config[string, string]{Name: "a", TTL: time.Minute, Redis: newRedis(t, server)})
	e, err := second.GetEntry(t.Context(), "k")
	if err != nil || e.Value != "v" || e.Source != tiercache.FromRedis {
		t.Fatalf("got %+v, %v", e, err)
	}
	if err := second.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if e, err := second.GetEntry(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) {
		t.Errorf("after Delete: %+v, %v", e, err)
	}
}

func TestWarm_200kAreReadable(t *testing.T) {
	all := racetest.Scaled(200_000)
	c := newCache(t, tiercache.Config[int, int]{Name: "w", TTL: time.Minute, Capacity: int64(all) * 5 / 4})
	err := c.RegisterLoader(tiercache.Loader[int, int]{Name: "all", Load: func(ctx context.Context, emit func(int, int) error) error {
		for i := range all {
			if err := emit(i, i); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Warm(t.Context())
	if err != nil || res[0].Memory != all {
		t.Fatal(res, err)
	}
	for i := range all {
		if e, ok := c.Peek(i); !ok || e.Value != i {
			t.Fatalf("%d is lost", i)
		}
	}
}
