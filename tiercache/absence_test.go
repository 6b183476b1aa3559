package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/tiercache"
)

// Absence is what a loader of one key says, or LoadMany without an error. Whatever else wraps
// ErrNotFound is a failure, and not remembered.
func TestAbsence_isStatedByTheSourceAlone(t *testing.T) {
	missing := fmt.Errorf("query: %w", tiercache.ErrNotFound)
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		sick := true
		one := newCache(t, tiercache.Config[string, string]{
			Name: "one", TTL: time.Hour, NegativeTTL: time.Hour, Redis: r,
			Load: func(_ context.Context, key string) (string, error) {
				if sick {
					panic(missing)
				}
				return key, nil
			},
		})
		many := newCache(t, tiercache.Config[string, string]{
			Name: "many", TTL: time.Hour, NegativeTTL: time.Hour, Redis: r,
			LoadMany: func(_ context.Context, keys []string) (map[string]string, error) {
				if sick {
					return map[string]string{"there": "there"}, missing
				}
				got := make(map[string]string)
				for _, key := range keys {
					got[key] = key
				}
				return got, nil
			},
		})
		failed := func(what string, err error) {
			t.Helper()
			if err == nil || errors.Is(err, tiercache.ErrNotFound) {
				t.Errorf("%s: %v, want an error that is not ErrNotFound", what, err)
			}
		}
		_, err := one.Get(t.Context(), "k")
		failed("Get, panic", err)
		_, err = one.GetMany(t.Context(), []string{"l", "m"})
		failed("GetMany, panic", err)
		got, err := many.GetMany(t.Context(), []string{"k", "l", "there"})
		if failed("GetMany, half an answer", err); got["there"] != "there" {
			t.Errorf("GetMany = %v", got)
		}
		_, err = many.Get(t.Context(), "m")
		failed("Get by LoadMany, an error", err)
		sick = false
		for _, key := range []string{"k", "l", "m"} {
			get(t, one, key, key)
			get(t, many, key, key)
		}
	})
}

func TestAbsence_isWhatALoaderOfOneKeyWraps(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		loads := 0
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Hour, NegativeTTL: time.Hour, Redis: r,
			Load: func(context.Context, string) (string, error) {
				loads++
				return "", fmt.Errorf("query: %w", tiercache.ErrNotFound)
			},
		})
		for range 3 {
			if v, err := c.Get(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) {
				t.Errorf("Get = %q, %v; want ErrNotFound", v, err)
			}
		}
		if s := c.Stats(); loads != 1 || s.LoadErrors != 0 || s.NegativeHits != 2 {
			t.Errorf("%d loads, %+v", loads, s)
		}
	})
}

// A cache without a loader knows what was Set, and nothing else: nothing is removed, and nothing
// remembered.
func TestAbsence_isNotConcludedWithoutALoader(t *testing.T) {
	notFound := func(t *testing.T, what string, err error) {
		t.Helper()
		if !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
	brought := func(_ context.Context) (string, error) { return "brought", nil }
	cfg := tiercache.Config[string, string]{Name: "c", TTL: 4 * time.Second, NegativeTTL: time.Hour, RefreshAt: 0.25}
	t.Run("RefreshAt leaves what was Set until its TTL is over", func(t *testing.T) {
		virtual(t, func(t *testing.T, r *tiercache.Redis) {
			cfg := cfg
			cfg.Redis = r
			c := newCache(t, cfg)
			if err := c.Set(t.Context(), "k", "v"); err != nil {
				t.Fatal(err)
			}
			for range 38 {
				get(t, c, "k", "v")
				waitFor(100 * time.Millisecond)
			}
			waitFor(time.Second)
			_, err := c.Get(t.Context(), "k")
			notFound(t, "Get", err)
		})
	})
	t.Run("a refresh behind a hit takes the loader that the read brought", func(t *testing.T) {
		virtual(t, func(t *testing.T, r *tiercache.Redis) {
			cfg := cfg
			cfg.Redis = r
			c := newCache(t, cfg)
			if err := c.Set(t.Context(), "k", "v"); err != nil {
				t.Fatal(err)
			}
			waitFor(1500 * time.Millisecond)
			get(t, c, "k", "v") // has no loader, and keeps nobody from refreshing
			if v, err := c.GetOrLoad(t.Context(), "k", brought); v != "v" || err != nil {
				t.Errorf("GetOrLoad = %q, %v", v, err)
			}
			waitFor(100 * time.Millisecond)
			get(t, c, "k", "brought")
		})
	})
	t.Run("GetOrLoad asks, whatever others found", func(t *testing.T) {
		virtual(t, func(t *testing.T, r *tiercache.Redis) {
			cfg := cfg
			cfg.Redis = r
			c := newCache(t, cfg)
			for i := range 20 {
				key := fmt.Sprint("k", i)
				_, err := c.Get(t.Context(), key)
				notFound(t, "Get", err)
				_, err = c.GetMany(t.Context(), []string{key, "other"})
				if err != nil {
					t.Errorf("GetMany: %v", err)
				}
				missed := make(chan error)
				go func() {
					_, err := c.Get(t.Context(), key)
					missed <- err
				}()
				if v, err := c.GetOrLoad(t.Context(), key, brought); v != "brought" || err != nil {
					t.Errorf("GetOrLoad = %q, %v", v, err)
				}
				if err := <-missed; err != nil && !errors.Is(err, tiercache.ErrNotFound) {
					t.Error(err)
				}
			}
			if s := c.Stats(); s.Loads != 20 || s.NegativeHits != 0 {
				t.Errorf("%d loads, %d negative hits; want 20 and none", s.Loads, s.NegativeHits)
			}
		})
	})
	t.Run("Refresh deletes nothing", func(t *testing.T) {
		virtual(t, func(t *testing.T, r *tiercache.Redis) {
			cfg := cfg
			cfg.Redis = r
			c := newCache(t, cfg)
			if err := c.Set(t.Context(), "k", "v"); err != nil {
				t.Fatal(err)
			}
			_, err := c.Refresh(t.Context(), "k")
			notFound(t, "Refresh", err)
			get(t, c, "k", "v")
		})
	})
}

// A read that has nobody to ask is no load. Bar: 300 ns, one allocation.
func TestAbsence_aMissWithoutALoaderAllocatesNothing(t *testing.T) {
	if racetest.Enabled {
		t.Skip("the race detector allocates")
	}
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour})
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, "k") }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	if s := c.Stats(); s.Loads != 0 || s.Misses == 0 {
		t.Errorf("%d loads, %d misses; want misses that load nothing", s.Loads, s.Misses)
	}
}

func BenchmarkMissWithoutALoader(b *testing.B) {
	c, err := tiercache.New(tiercache.Config[string, string]{Name: "c", TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // a benchmark
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Get(b.Context(), "k")
	}
}
