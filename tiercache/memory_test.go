package tiercache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func TestMemory_capacityIsKept(t *testing.T) {
	for _, capacity := range []int64{1, 2, 5, 100, 5000} {
		for _, unit := range []int64{1, 7} {
			t.Run(fmt.Sprintf("%d by %d", capacity, unit), func(t *testing.T) {
				cfg := tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: capacity}
				if unit > 1 {
					cfg.Cost = func(key, _ int) int64 { return int64(key)%unit + 1 }
				}
				c := newCache(t, cfg)
				var wg sync.WaitGroup
				for w := range 4 {
					wg.Go(func() {
						for i := range 5000 {
							if err := c.Set(t.Context(), i*4+w, i); err != nil {
								t.Error(err)
							}
						}
					})
				}
				wg.Wait()
				redistest.Eventually(t, 5*time.Second, func() error {
					if s := c.Stats(); s.Cost > capacity || s.Entries == 0 && unit == 1 {
						return fmt.Errorf("%d entries cost %d of %d", s.Entries, s.Cost, capacity)
					}
					return nil
				})
				if s := c.Stats(); s.Evictions == 0 || s.Expirations != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

func TestMemory_readYourWritesInAFullCache(t *testing.T) {
	c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: 4096})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 0)) //nolint:gosec // reproducible
			for i := range 5000 {
				key := rng.IntN(10_000)*8 + w
				for v := i; v < i+2; v++ { // the later of two quick writes
					if err := c.Set(t.Context(), key, v); err != nil {
						t.Error(err)
					}
				}
				if e, ok := c.Peek(key); !ok || e.Value != i+1 {
					t.Errorf("Peek(%d) = %+v, %v; want %d", key, e, ok, i+1)
				}
				if i%3 == 0 {
					if err := c.Delete(t.Context(), key); err != nil {
						t.Error(err)
					}
					if e, ok := c.Peek(key); ok {
						t.Errorf("Peek(%d) = %+v after Delete", key, e)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestMemory_expirationsAreNoEvictions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute})
		for i := range 500 {
			if err := c.Set(t.Context(), i, i); err != nil {
				t.Fatal(err)
			}
		}
		waitFor(75 * time.Second)
		if s := c.Stats(); s.Entries != 0 || s.Cost != 0 || s.Expirations != 500 || s.Evictions != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestMemory_whatIsOverCapacity(t *testing.T) {
	c := newCache(t, tiercache.Config[string, string]{
		Name: "c", TTL: time.Minute, Capacity: 10, Cost: func(_, v string) int64 { return int64(len(v)) },
		Load: func(context.Context, string) (string, error) { return "eleven byte", nil },
	})
	if v, err := c.Get(t.Context(), "k"); v != "eleven byte" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if err := c.Set(t.Context(), "k", "x"); err != nil {
		t.Error(err)
	}
	if err := c.Set(t.Context(), "k", "also too long"); err != nil {
		t.Error(err)
	}
	if e, ok := c.Peek("k"); ok {
		t.Errorf("%+v is left", e)
	}
	if s := c.Stats(); s.Oversized != 2 || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMemory_everythingAtOnce(t *testing.T) {
	for range 5 {
		c, err := tiercache.New(tiercache.Config[int, int]{
			Name: "c", TTL: time.Minute, Capacity: 200, Load: func(_ context.Context, k int) (int, error) { return k, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.RegisterLoader(tiercache.Loader[int, int]{Name: "l", Load: func(_ context.Context, emit func(int, int) error) error {
			for i := range 1000 {
				if err := emit(i, i); err != nil {
					return err
				}
			}
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 2000 {
					key := i % 300
					switch w % 4 {
					case 0:
						_, _ = c.Get(t.Context(), key)
					case 1:
						_ = c.Set(t.Context(), key, i)
					case 2:
						_ = c.Delete(t.Context(), key)
					default:
						if i%100 == 0 {
							_, _ = c.Warm(t.Context())
						}
						if w == 7 && i == 1500 {
							closing(t, c)
						}
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestMemory_aHitAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := newCache(t, tiercache.Config[string, int]{Name: "c", TTL: time.Minute})
	if err := c.Set(t.Context(), "k", 1); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, "k") }); n >= 1 {
		t.Errorf("%v allocations a hit", n)
	}
}
