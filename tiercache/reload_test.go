package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// How long a value may be served stale is its own, in both tiers, and on a node that found it in
// Redis.
func TestStaleness_isTheValuesOwn(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		down := false
		cfg := tiercache.Config[string, string]{
			Name: "c", TTL: 10 * time.Second, Redis: r,
			Staleness: func(_, value string) time.Duration {
				if value == "strict" {
					return -1
				}
				return time.Minute
			},
			Load: func(_ context.Context, key string) (string, error) {
				if down {
					return "", errors.New("down")
				}
				return key, nil
			},
		}
		c := newCache(t, cfg)
		for _, key := range []string{"strict", "mild"} {
			if _, err := c.Get(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		waitFor(15 * time.Second)
		down = true
		if e, err := c.GetEntry(t.Context(), "mild"); err != nil || !e.Stale {
			t.Errorf("%+v, %v; want a stale value", e, err)
		}
		if e, err := c.GetEntry(t.Context(), "strict"); err == nil {
			t.Errorf("%+v, want the source's error", e)
		}
		if err := c.Expire(t.Context(), "mild", "strict"); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Peek("strict"); ok {
			t.Error("Expire of a value that is never stale has kept it")
		}
		waitFor(61 * time.Second)
		if e, err := c.GetEntry(t.Context(), "mild"); err == nil {
			t.Errorf("%+v beyond its time, want the source's error", e)
		}
	})
}

func TestStaleness_comesFromRedis(t *testing.T) {
	server := redistest.Start(t)
	node := func(staleFor time.Duration) *tiercache.Cache[string, string] {
		return newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: 50 * time.Millisecond, Redis: newRedis(t, server),
			Staleness: func(string, string) time.Duration { return staleFor },
			Load:      func(context.Context, string) (string, error) { return "v", nil },
		})
	}
	a, b := node(time.Hour), node(-1)
	if _, err := a.Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	<-time.After(100 * time.Millisecond)
	fail := func(context.Context, *tiercache.Entry[string]) (string, error) { return "", errors.New("down") }
	if e, err := b.GetOrReload(t.Context(), "k", fail); err != nil || !e.Stale || e.Source != tiercache.FromRedis {
		t.Errorf("%+v, %v; want what the node that has loaded it allows", e, err)
	}
}

// The loader is given what is known, from whichever tier.
func TestGetOrReload_isGivenTheOldValue(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		cfg := tiercache.Config[string, string]{Name: "c", TTL: 10 * time.Second, StaleFor: time.Hour, Redis: r}
		c := newCache(t, cfg)
		var olds []string
		load := func(_ context.Context, old *tiercache.Entry[string]) (string, error) {
			if old == nil {
				olds = append(olds, "none")
				return "v", nil
			}
			olds = append(olds, fmt.Sprint(old.Value, old.Stale, old.Age.Round(time.Second)))
			return "", tiercache.ErrNotModified
		}
		for range 3 {
			for range 2 {
				if e, err := c.GetOrReload(t.Context(), "k", load); err != nil || e.Value != "v" || e.Stale {
					t.Errorf("%+v, %v", e, err)
				}
			}
			waitFor(12 * time.Second)
		}
		if got := strings.Join(olds, ", "); got != "none, vtrue 12s, vtrue 12s" {
			t.Errorf("the loader was given %s", got)
		}
	})
}

// Reload asks the source whatever is cached; GetOrReload does not ask about what is fresh.
func TestReload_asksTheSource(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, int]{Name: "c", TTL: time.Hour, Redis: r})
		n := 0
		load := func(context.Context, *tiercache.Entry[int]) (int, error) {
			waitFor(time.Second)
			n++
			return n, nil
		}
		if e, err := c.Reload(t.Context(), "k", load); err != nil || e.Value != 1 || e.Source != tiercache.FromSource {
			t.Errorf("%+v, %v", e, err)
		}
		if e, err := c.GetOrReload(t.Context(), "k", load); err != nil || e.Value != 1 {
			t.Errorf("%+v, %v; want what is fresh", e, err)
		}
		if e, err := c.Reload(t.Context(), "k", load); err != nil || e.Value != 2 {
			t.Errorf("%+v, %v; want a value that was read after the call", e, err)
		}
	})
}

// Nobody is asked without a loader, nor is a lease taken.
func TestGetOrReload_nobody(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, tiercache.Config[string, string]{
		Name: "c", TTL: time.Hour, Redis: newRedis(t, server),
		Load: func(context.Context, string) (string, error) {
			t.Error("the source was asked")
			return "", nil
		},
	})
	server.Do("CONFIG", "RESETSTAT")
	for range 4 {
		if _, err := c.GetOrReload(t.Context(), "k", nil); !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("%v, want ErrNotFound", err)
		}
	}
	for _, script := range []string{"cmdstat_evalsha", "cmdstat_eval"} {
		if calls := server.Info("commandstats", script); calls != "" {
			t.Errorf("%s: %s; want no script to have run", script, calls)
		}
	}
}
