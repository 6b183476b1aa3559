package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// source counts its reads, and can be made to fail or to be slow.
type source struct {
	reads atomic.Int64
	err   error
	takes time.Duration
}

func (s *source) load(context.Context, string) (string, error) {
	n := s.reads.Add(1)
	if s.takes > 0 {
		waitFor(s.takes)
	}
	return fmt.Sprint("v", n), s.err
}

// read is one GetEntry whose outcome is checked.
func read(t *testing.T, c *tiercache.Cache[string, string], want string, from tiercache.Source) tiercache.Entry[string] {
	t.Helper()
	e, err := c.GetEntry(t.Context(), "k")
	if err != nil || e.Value != want || e.Source != from {
		t.Errorf("GetEntry = %+v, %v; want %q from %v", e, err, want, from)
	}
	return e
}

func TestFresh_TTL(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := new(source)
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: r, Load: s.load})
		read(t, c, "v1", tiercache.FromSource)
		waitFor(59 * time.Second)
		if e := read(t, c, "v1", tiercache.FromMemory); e.Age != 59*time.Second || e.Stale {
			t.Errorf("%+v", e)
		}
		waitFor(time.Second)
		read(t, c, "v2", tiercache.FromSource)
		if err := c.Set(t.Context(), "k", "set", tiercache.TTL(time.Second)); err != nil {
			t.Fatal(err)
		}
		read(t, c, "set", tiercache.FromMemory)
		waitFor(time.Second)
		read(t, c, "v3", tiercache.FromSource)
	})
}

func TestFresh_ageIsNeverReset(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		s := new(source)
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, MemoryTTL: 20 * time.Second, Load: s.load}
		cfg.Redis = nodeOn(t, m)
		a := newCache(t, cfg)
		cfg.Redis = nodeOn(t, m)
		b := newCache(t, cfg)
		read(t, a, "v1", tiercache.FromSource)
		waitFor(30 * time.Second)
		e := read(t, b, "v1", tiercache.FromRedis)
		if off := e.Age - 30*time.Second; off < -5*time.Millisecond || off > 5*time.Millisecond {
			t.Errorf("age %v, want 30s", e.Age)
		}
		read(t, b, "v1", tiercache.FromMemory)
		waitFor(19 * time.Second)
		read(t, b, "v1", tiercache.FromMemory)
		waitFor(2 * time.Second) // MemoryTTL is over, TTL is not
		read(t, b, "v1", tiercache.FromRedis)
		read(t, b, "v1", tiercache.FromMemory)
		waitFor(9*time.Second + 10*time.Millisecond)
		read(t, b, "v2", tiercache.FromSource) // memory does not outlive Redis
	})
}

func TestFresh_staleWhileTheSourceFails(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := new(source)
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, StaleFor: time.Minute, Redis: r, Load: s.load})
		read(t, c, "v1", tiercache.FromSource)
		down := errors.New("source down")
		s.err = down
		waitFor(90 * time.Second)
		if e := read(t, c, "v1", tiercache.FromMemory); !e.Stale || e.Age != 90*time.Second {
			t.Errorf("%+v, want stale", e)
		}
		waitFor(31 * time.Second)
		if _, err := c.Get(t.Context(), "k"); !errors.Is(err, down) {
			t.Errorf("past StaleFor: %v", err)
		}
		if got := c.Stats(); got.StaleHits != 1 || got.Misses != 2 || got.LoadErrors != 2 {
			t.Errorf("stats %+v", got)
		}
		s.err = nil
		read(t, c, "v4", tiercache.FromSource)
	})
}

func TestFresh_staleFromRedis(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		s := new(source)
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, StaleFor: time.Minute, Load: s.load, Redis: nodeOn(t, m)}
		read(t, newCache(t, cfg), "v1", tiercache.FromSource)
		cfg.Redis = nodeOn(t, m)
		b := newCache(t, cfg)
		s.err = errors.New("down")
		waitFor(90 * time.Second)
		if e := read(t, b, "v1", tiercache.FromRedis); !e.Stale {
			t.Errorf("%+v, want stale", e)
		}
	})
}

func TestFresh_softTimeoutServesStaleAndCompletesBehind(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := new(source)
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, StaleFor: time.Minute, SoftTimeout: 50 * time.Millisecond, Redis: r, Load: s.load,
		})
		read(t, c, "v1", tiercache.FromSource)
		waitFor(61 * time.Second)
		s.takes = time.Second
		began := time.Now()
		if e := read(t, c, "v1", tiercache.FromMemory); !e.Stale || time.Since(began) != 50*time.Millisecond {
			t.Errorf("%+v after %v", e, time.Since(began))
		}
		waitFor(2 * time.Second)
		read(t, c, "v2", tiercache.FromMemory)
		if n := s.reads.Load(); n != 2 {
			t.Errorf("%d reads of the source", n)
		}
		if err := c.Delete(t.Context(), "k"); err != nil { // nothing stale is left
			t.Fatal(err)
		}
		began = time.Now()
		read(t, c, "v3", tiercache.FromSource)
		if time.Since(began) < time.Second {
			t.Error("it did not wait for the load")
		}
	})
}

func TestFresh_negativeEntries(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		s := &source{err: tiercache.ErrNotFound}
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, MemoryTTL: 5 * time.Second, NegativeTTL: 10 * time.Second, Load: s.load}
		cfg.Redis = nodeOn(t, m)
		a := newCache(t, cfg)
		cfg.Redis = nodeOn(t, m)
		b := newCache(t, cfg)
		missing := func(c *tiercache.Cache[string, string], reads int64) {
			t.Helper()
			if _, err := c.Get(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) || s.reads.Load() != reads {
				t.Errorf("%v after %d reads, want not found after %d", err, s.reads.Load(), reads)
			}
		}
		missing(a, 1)
		missing(a, 1)
		missing(b, 1)
		if got, err := b.GetMany(t.Context(), []string{"k"}); len(got) != 0 || err != nil {
			t.Errorf("GetMany = %v, %v", got, err)
		}
		if _, ok := b.Peek("k"); ok {
			t.Error("Peek shows an absence")
		}
		waitFor(6 * time.Second) // MemoryTTL bounds absences too: this is from Redis
		s.err = nil
		if err := b.Set(t.Context(), "k", "now"); err != nil {
			t.Fatal(err)
		}
		read(t, a, "now", tiercache.FromRedis)
		if err := a.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		s.err = tiercache.ErrNotFound
		missing(a, 2)
		waitFor(11 * time.Second)
		missing(a, 3)
		if got := b.Stats().NegativeHits; got != 2 {
			t.Errorf("%d negative hits on b, want 2", got)
		}
	})
}

func TestFresh_jitterOnlyShortens(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[int, int]{
			Name: "c", TTL: 100 * time.Second, Jitter: 0.3, Redis: r,
			Load: func(context.Context, int) (int, error) { return 0, tiercache.ErrNotFound },
		})
		const n = 100
		for i := range n {
			if err := c.Set(t.Context(), i, i); err != nil {
				t.Fatal(err)
			}
		}
		left := func() (all int) {
			for i := range n {
				if _, err := c.Get(t.Context(), i); err == nil {
					all++
				}
			}
			return all
		}
		waitFor(69 * time.Second)
		if left := left(); left != n {
			t.Errorf("after 69%% of TTL: %d of %d left", left, n)
		}
		waitFor(16 * time.Second)
		if left := left(); left < n/5 || left > n*4/5 {
			t.Errorf("after 85%% of TTL: %d of %d left", left, n)
		}
		waitFor(15 * time.Second)
		if n := left(); n != 0 {
			t.Errorf("after TTL: %d left", n)
		}
	})
}

func TestFresh_expiryOfTheValue(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := new(source)
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: 5 * time.Minute, Redis: r, Load: s.load,
			Expiry: func(_, v string) time.Duration {
				if v == "v1" {
					return 10 * time.Second
				}
				return 0
			},
		})
		if err := c.RegisterLoader(tiercache.Loader[string, string]{Name: "l", Load: func(_ context.Context, emit func(string, string) error) error {
			return emit("k", "v1")
		}}); err != nil {
			t.Fatal(err)
		}
		read(t, c, "v1", tiercache.FromSource)
		waitFor(10 * time.Second)
		read(t, c, "v2", tiercache.FromSource)
		waitFor(4 * time.Minute)
		read(t, c, "v2", tiercache.FromMemory)
		waitFor(time.Minute)
		if _, err := c.Warm(t.Context()); err != nil { // warm entries go by it, too
			t.Fatal(err)
		}
		read(t, c, "v1", tiercache.FromMemory)
		waitFor(10 * time.Second)
		read(t, c, "v3", tiercache.FromSource)
	})
}

func TestRefreshAt(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := new(source)
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: 100 * time.Second, RefreshAt: 0.5, Redis: r, Load: s.load})
		read(t, c, "v1", tiercache.FromSource)
		waitFor(51 * time.Second)
		s.takes = time.Second
		for range 10 {
			read(t, c, "v1", tiercache.FromMemory)
		}
		waitFor(2 * time.Second)
		if e := read(t, c, "v2", tiercache.FromMemory); e.Age > 3*time.Second || s.reads.Load() != 2 {
			t.Errorf("%+v after %d reads of the source", e, s.reads.Load())
		}
		// One that fails is not tried again by each read.
		s.takes, s.err = 0, errors.New("down")
		waitFor(60 * time.Second)
		for range 50 {
			read(t, c, "v2", tiercache.FromMemory)
			synctest.Wait()
		}
		if n := s.reads.Load(); n != 3 {
			t.Errorf("%d reads of the source, want 3", n)
		}
		waitFor(20 * time.Second)
		read(t, c, "v2", tiercache.FromMemory)
		synctest.Wait()
		if n := s.reads.Load(); n != 4 {
			t.Errorf("%d reads of the source, want 4: it is tried again after a while", n)
		}
	})
}

func TestRefreshAt_oneAFleet(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		s := new(source)
		cfg := tiercache.Config[string, string]{Name: "c", TTL: 100*time.Second + 700*time.Microsecond, RefreshAt: 0.5, Load: s.load}
		var nodes []*tiercache.Cache[string, string]
		for range 3 {
			cfg.Redis = nodeOn(t, m)
			nodes = append(nodes, newCache(t, cfg))
		}
		for _, c := range nodes {
			if _, err := c.Get(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		}
		for round := range 5 {
			waitFor(60 * time.Second)
			for _, c := range nodes {
				if _, err := c.Get(t.Context(), "k"); err != nil {
					t.Fatal(err)
				}
				waitFor(100 * time.Millisecond)
			}
			if got, want := s.reads.Load(), int64(round+2); got != want {
				t.Fatalf("round %d: %d reads of the source, want %d", round, got, want)
			}
			for _, c := range nodes {
				if e, ok := c.Peek("k"); !ok || e.Age > 2*time.Second {
					t.Fatalf("round %d: %+v", round, e)
				}
			}
		}
	})
}

func TestReload_notModifiedRenews(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := new(source)
		var olds []string
		same := true
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, StaleFor: time.Hour, Redis: r, Load: s.load,
			Reload: func(_ context.Context, _, old string) (string, error) {
				olds = append(olds, old)
				if same {
					return "", tiercache.ErrNotModified
				}
				return "new", nil
			},
		})
		read(t, c, "v1", tiercache.FromSource)
		waitFor(61 * time.Second)
		if e := read(t, c, "v1", tiercache.FromSource); e.Age != 0 {
			t.Errorf("%+v", e)
		}
		waitFor(59 * time.Second)
		read(t, c, "v1", tiercache.FromMemory)
		same = false
		if v, err := c.Refresh(t.Context(), "k"); v != "new" || err != nil {
			t.Errorf("Refresh = %q, %v", v, err)
		}
		read(t, c, "new", tiercache.FromMemory)
		if s.reads.Load() != 1 || len(olds) != 2 {
			t.Errorf("%d loads, reloads of %q", s.reads.Load(), olds)
		}
	})
}

func TestRefresh(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := new(source)
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: r, Load: s.load})
		read(t, c, "v1", tiercache.FromSource)
		if v, err := c.Refresh(t.Context(), "k"); v != "v2" || err != nil {
			t.Errorf("Refresh = %q, %v", v, err)
		}
		read(t, c, "v2", tiercache.FromMemory)
		down := errors.New("down")
		s.err = down
		if _, err := c.Refresh(t.Context(), "k"); !errors.Is(err, down) {
			t.Errorf("Refresh of a source that is down: %v", err)
		}
		read(t, c, "v2", tiercache.FromMemory) // what was cached stays
		s.err = tiercache.ErrNotFound
		if _, err := c.Refresh(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("Refresh of what is gone: %v", err)
		}
		if _, err := c.Get(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("Get of what is gone: %v", err)
		}
	})
}

func TestExpire(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := new(source)
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, StaleFor: time.Minute, Redis: r, Load: s.load})
		read(t, c, "v1", tiercache.FromSource)
		waitFor(10 * time.Minute)
		if err := c.Expire(t.Context(), "k", "k", "absent"); err != nil {
			t.Fatal(err)
		}
		if e, ok := c.Peek("k"); !ok || !e.Stale || e.Value != "v1" {
			t.Errorf("Peek = %+v, %v", e, ok)
		}
		s.err = errors.New("down")
		waitFor(50 * time.Second)
		if e := read(t, c, "v1", tiercache.FromMemory); !e.Stale || e.Age != 10*time.Minute+50*time.Second {
			t.Errorf("%+v", e)
		}
		waitFor(11 * time.Second)
		if v, err := c.Get(t.Context(), "k"); err == nil {
			t.Errorf("served %q past the stale window", v)
		}
		s.err = nil
		read(t, c, "v4", tiercache.FromSource)
	})
}

func TestExpire_isSeenThroughRedis(t *testing.T) {
	server := redistest.Start(t)
	s := new(source)
	cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, StaleFor: time.Minute, Load: s.load, Redis: newRedis(t, server)}
	a := newCache(t, cfg)
	read(t, a, "v1", tiercache.FromSource)
	if err := a.Expire(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if left, ok := server.Do("PTTL", "c:k").(int64); !ok || left <= 120_000 || left > 180_000 {
		t.Errorf("PTTL %d after Expire, want the stale window and a hold's life", left)
	}
	s.err = errors.New("down")
	cfg.Redis = newRedis(t, server)
	b := newCache(t, cfg)
	if e := read(t, b, "v1", tiercache.FromRedis); !e.Stale || e.Age > 5*time.Second {
		t.Errorf("%+v", e)
	}
	s.err = nil
	soon(t, b, "k", "v3") // when the back-off of the failed load is over
	if n := b.Stats().Corrupt; n != 0 {
		t.Errorf("%d corrupt records", n)
	}
}
