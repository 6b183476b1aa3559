package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// truth is a source of truth that counts its reads.
type truth struct {
	value atomic.Pointer[string]
	reads atomic.Int64
}

func newTruth(value string) *truth {
	s := new(truth)
	s.value.Store(&value)
	return s
}

func (s *truth) set(value string) { s.value.Store(&value) }

func (s *truth) load(context.Context, string) (string, error) {
	s.reads.Add(1)
	return *s.value.Load(), nil
}

// node is a cache with a Redis tier of its own, as another process would have it.
func node(t *testing.T, server *redistest.Server, cfg tiercache.Config[string, string]) *tiercache.Cache[string, string] {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "things"
	}
	if cfg.TTL == 0 {
		cfg.TTL = time.Hour
	}
	cfg.Redis = newRedis(t, server)
	return newCache(t, cfg)
}

func get(t *testing.T, c *tiercache.Cache[string, string], key, want string) {
	t.Helper()
	if got, err := c.Get(t.Context(), key); got != want || err != nil {
		t.Errorf("Get(%q) = %q, %v; want %q", key, got, err, want)
	}
}

// soon waits until the node answers want.
func soon(t *testing.T, c *tiercache.Cache[string, string], key, want string) time.Duration {
	t.Helper()
	began := time.Now()
	redistest.Eventually(t, 5*time.Second, func() error {
		if got, err := c.Get(t.Context(), key); got != want || err != nil {
			return fmt.Errorf("Get(%q) = %q, %w; want %q", key, got, err, want)
		}
		return nil
	})
	return time.Since(began)
}

func TestOtherNodesHearOf(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *tiercache.Cache[string, string]) error{
		"Set": func(c *tiercache.Cache[string, string]) error { return c.Set(t.Context(), "k", "new") },
		"SetMany": func(c *tiercache.Cache[string, string]) error {
			return c.SetMany(t.Context(), map[string]string{"k": "new"})
		},
		"Delete":         func(c *tiercache.Cache[string, string]) error { return c.Delete(t.Context(), "k") },
		"Expire":         func(c *tiercache.Cache[string, string]) error { return c.Expire(t.Context(), "k") },
		"InvalidateTags": func(c *tiercache.Cache[string, string]) error { return c.InvalidateTags(t.Context(), "tag of old") },
		"Clear":          func(c *tiercache.Cache[string, string]) error { return c.Clear(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			src := newTruth("old")
			cfg := tiercache.Config[string, string]{
				Load: src.load, StaleFor: time.Minute,
				Tags: func(_, value string) []string { return []string{"tag of " + value} },
			}
			a, b := node(t, server, cfg), node(t, server, cfg)
			get(t, a, "k", "old")
			get(t, b, "k", "old")
			if e, err := b.GetEntry(t.Context(), "k"); err != nil || e.Source != tiercache.FromMemory {
				t.Errorf("before: %+v, %v; want it from memory", e, err)
			}
			src.set("new")
			if err := end(a); err != nil {
				t.Fatal(err)
			}
			get(t, a, "k", "new")
			late, began := redistest.Late(t), time.Now()
			if took := soon(t, b, "k", "new"); took > 500*time.Millisecond+late.Since(began) && b.Stats().Coherent {
				t.Errorf("the other node saw it after %v", took)
			}
			if n := src.reads.Load(); n > 2 {
				t.Errorf("%d reads of the source, want one before and at most one after", n)
			}
			if s := b.Stats(); s.StaleHits != 0 {
				t.Errorf("%d stale hits", s.StaleHits)
			}
		})
	}
}

func TestEndedByTagIsEndedAlsoWhenItsLoadWasUnderWay(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		ctx := t.Context()
		began, goOn := make(chan struct{}, 1), make(chan struct{})
		var reads atomic.Int64
		c := newCache(t, tiercache.Config[string, string]{
			Name: "things", TTL: time.Hour, Redis: r,
			Tags: func(string, string) []string { return []string{"t"} },
			Load: func(context.Context, string) (string, error) {
				if reads.Add(1) == 1 {
					began <- struct{}{}
					<-goOn
					return "old", nil
				}
				return "new", nil
			},
		})
		done := make(chan error, 1)
		go func() {
			_, err := c.Get(ctx, "k")
			done <- err
		}()
		<-began
		if err := c.InvalidateTags(ctx, "t"); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		get(t, c, "k", "new")
	})
}

func TestDeleteWhileRedisIsFrozenIsSaidWhenItThaws(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("old")
	a, b := node(t, server, tiercache.Config[string, string]{Load: src.load}), node(t, server, tiercache.Config[string, string]{Load: src.load, DegradedTTL: -1})
	get(t, a, "k", "old")
	get(t, b, "k", "old")
	server.Stop()
	src.set("new")
	if err := a.Delete(t.Context(), "k"); !errors.Is(err, tiercache.ErrDegraded) {
		t.Errorf("Delete on a frozen Redis = %v, want ErrDegraded", err)
	}
	get(t, a, "k", "new")
	server.Cont()
	get(t, a, "k", "new")
	soon(t, b, "k", "new")
	redistest.Eventually(t, 5*time.Second, func() error {
		if n := a.Stats().Pending; n > 0 {
			return fmt.Errorf("%d invalidations are pending", n)
		}
		return nil
	})
	get(t, a, "k", "new")
	get(t, b, "k", "new")
}

func TestRedisOfAnotherDayIsNotBelieved(t *testing.T) {
	server := redistest.Start(t)
	src := newTruth("old")
	a := node(t, server, tiercache.Config[string, string]{Load: src.load})
	get(t, a, "k", "old")
	client := server.Client()
	dump, err := client.Get(t.Context(), "things:k").Result()
	if err != nil {
		t.Fatal(err)
	}
	src.set("new")
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	// A replica that had not caught up is promoted: the record is back.
	if err := client.Set(t.Context(), "things:k", dump, time.Hour-time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	get(t, a, "k", "new")
}

func TestWarmWriteRespectsAnotherNodesInvalidation(t *testing.T) {
	server := redistest.Start(t)
	ctx := t.Context()
	a, b := node(t, server, tiercache.Config[string, string]{}), node(t, server, tiercache.Config[string, string]{})
	for name, end := range map[string]func() error{
		"Delete": func() error { return b.Delete(ctx, "k") },
		"Clear":  func() error { return b.Clear(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			err := a.RegisterLoader(tiercache.Loader[string, string]{
				Name: "all" + name,
				Load: func(_ context.Context, emit func(string, string) error) error {
					if err := end(); err != nil { // the source read has begun
						return err
					}
					return emit("k", "old")
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Warm(ctx, "all"+name); err != nil && name != "Clear" { // of which the node may hear in time
				t.Fatal(err)
			}
			redistest.Eventually(t, time.Second, func() error {
				for _, c := range []*tiercache.Cache[string, string]{a, b} {
					if v, err := c.Get(ctx, "k"); !errors.Is(err, tiercache.ErrNotFound) {
						return fmt.Errorf("got %q, %w", v, err)
					}
				}
				return nil
			})
		})
	}
}

func TestSilentLinkEndsTrust(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("old")
	link := redistest.Proxy(t, server.Addr())
	far, err := tiercache.NewRedis(server.Client(func(o *redis.Options) { o.Addr = link.Addr() }), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, far) })
	b := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: far, Load: src.load, DegradedTTL: -1})
	a := node(t, server, tiercache.Config[string, string]{Load: src.load})
	get(t, a, "k", "old")
	get(t, b, "k", "old")
	settledEpoch(t, far) // else the epoch that ends the meeting of the two would do for the end of trust
	get(t, b, "k", "old")
	link.Silence(redistest.Down)
	src.set("new")
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	late, began := redistest.Late(t), time.Now()
	if took := soon(t, b, "k", "new"); took > 1500*time.Millisecond+late.Since(began) {
		t.Errorf("trusted its memory for %v behind a silent link", took)
	}
}
