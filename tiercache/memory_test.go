package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func TestMemory_capacityIsKept(t *testing.T) {
	writes := racetest.Scaled(5000) // of each of four writers
	for _, capacity := range []int64{1, 2, 5, 100, int64(writes)} {
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
						for i := range writes {
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
	capacity, tries := racetest.Scaled(1<<16), 62_500 // a million writes in all
	if racetest.Enabled {
		tries = 3000
	}
	c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: int64(capacity)})
	for i := range capacity * 5 / 4 {
		if err := c.Set(t.Context(), -i, i); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 0)) //nolint:gosec // reproducible
			for i := range tries {
				key := rng.IntN(capacity)*8 + w
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

// Where all that is there is read all the time, a newcomer is the one entry that nobody has read
// yet.
func TestMemory_readYourWritesAmongWhatEveryoneReads(t *testing.T) {
	for _, capacity := range []int{16, 100} {
		c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: int64(capacity)})
		lost := 0
		for i := range 2000 {
			if err := c.Set(t.Context(), i, i); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.Peek(i); !ok {
				lost++
			}
			for j := range min(capacity, 50) {
				_, _ = c.Get(t.Context(), i-j)
			}
		}
		if lost > 0 {
			t.Errorf("capacity %d: %d of 2000 writes could not be read at once", capacity, lost)
		}
	}
}

func TestMemory_expirationsAreNoEvictions(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
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
							_ = c.Resize(int64(i%700 + 1))
							_ = c.Clear(t.Context())
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

func TestMemory_resize(t *testing.T) {
	c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: 10_000})
	fill := func() {
		for i := range 20_000 {
			if err := c.Set(t.Context(), i, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	before := c.Stats()
	if err := c.Resize(1000); err != nil {
		t.Fatal(err)
	}
	s := c.Stats()
	if s.Entries > 1000 || s.Entries < 900 || s.Capacity != 1000 {
		t.Errorf("%d of %d entries after it shrank from %d", s.Entries, s.Capacity, before.Entries)
	}
	if got, want := s.Evictions-before.Evictions, uint64(before.Entries-s.Entries); got != want {
		t.Errorf("%d evictions for %d entries less", got, want)
	}
	if err := c.Resize(20_000); err != nil {
		t.Fatal(err)
	}
	fill()
	if s := c.Stats(); s.Entries < 18_000 || s.Entries > 20_000 {
		t.Errorf("%d of %d entries after it grew", s.Entries, s.Capacity)
	}
	for _, bad := range []int64{0, -1} {
		if err := c.Resize(bad); err == nil {
			t.Errorf("Resize(%d) succeeded", bad)
		}
	}
	closing(t, c)
	if err := c.Resize(10); !errors.Is(err, tiercache.ErrClosed) {
		t.Errorf("Resize after Close: %v", err)
	}
}

func TestMemory_everyLeaverIsToldWithItsKey(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWitness()
		c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: 100, Observer: w})
		for i := range 1000 {
			if err := c.Set(t.Context(), i, i); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		waitFor(75 * time.Second)
		synctest.Wait() // for the observer's goroutine
		why := make(map[any]tiercache.EventKind)
		for _, e := range w.events {
			if e.Keys != len(e.Left) {
				t.Errorf("%v with %d keys", e, len(e.Left))
			}
			for _, key := range e.Left {
				if was := why[key]; was != "" {
					t.Errorf("%v left twice: %v, %v", key, was, e.Kind)
				}
				why[key] = e.Kind
			}
		}
		n := make(map[tiercache.EventKind]uint64)
		for _, kind := range why {
			n[kind]++
		}
		s := c.Stats()
		if n[tiercache.EventEvict] != s.Evictions || n[tiercache.EventExpire] != s.Expirations || s.Evictions+s.Expirations != 1000 || s.Expirations == 0 {
			t.Errorf("told %v, counted %d evictions and %d expirations", n, s.Evictions, s.Expirations)
		}
	})
}

func TestMemory_anObserverMayUseTheCache(t *testing.T) {
	var c *tiercache.Cache[int, int]
	again := observerFunc(func(e tiercache.Event) {
		if key, ok := e.Left[0].(int); ok && e.Kind == tiercache.EventEvict {
			if err := c.Set(context.Background(), key+1_000_000, 1); err != nil && !errors.Is(err, tiercache.ErrClosed) {
				t.Error(err)
			}
		}
	})
	c = newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: 64, Observer: again})
	for i := range 1000 {
		if err := c.Set(t.Context(), i, i); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Evictions == 0 {
		t.Errorf("%+v", s)
	}
}

type observerFunc func(tiercache.Event)

func (f observerFunc) Observe(e tiercache.Event) { f(e) }

// A loop over more keys than there is room for is what turns a recency cache into nothing.
func TestMemory_aLoopKeepsWhatItCan(t *testing.T) {
	if racetest.Enabled {
		t.Skip("under the race detector sync.Pool, in which Ristretto gathers reads, drops a quarter of what it is given")
	}
	c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: 500})
	hits := 0
	for i := range 100_000 {
		if _, err := c.Get(t.Context(), i%1000); err == nil {
			hits++
		} else if err := c.Set(t.Context(), i%1000, i); err != nil {
			t.Fatal(err)
		}
	}
	if share := float64(hits) / 100_000; share < 0.25 {
		t.Errorf("%.2f of the reads hit; half of the keys fit", share)
	}
}

// The window's share follows the reads: where what was read last is read next the memory comes
// close to an LRU cache, and where the same keys are always read, beside others that never are
// again, to one that holds just those.
func TestMemory_aWindowGrowsAndShrinksWithTheReads(t *testing.T) {
	if racetest.Enabled {
		t.Skip("under the race detector sync.Pool, in which Ristretto gathers reads, drops a quarter of what it is given")
	}
	const capacity, reads = 1000, 100_000
	rng := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // reproducible
	for _, pattern := range []struct {
		name string
		next func(i int) int
		want float64 // of the reads hit
	}{
		{"what was read last", func(i int) int { return i - min(i, int(rng.ExpFloat64()*capacity)) }, 0.25},
		{"what is always read", func(i int) int {
			if i%3 == 0 {
				return i
			}
			return -rng.IntN(capacity)
		}, 0.5},
	} {
		c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Hour, Capacity: capacity})
		hits := 0
		for i := range reads {
			key := pattern.next(i)
			if _, err := c.Get(t.Context(), key); err == nil {
				hits++
			} else if err := c.Set(t.Context(), key, key); err != nil {
				t.Fatal(err)
			}
		}
		if share := float64(hits) / reads; share < pattern.want {
			t.Errorf("where %s is read next %.3f of the reads hit, want %.3f", pattern.name, share, pattern.want)
		}
	}
}

// What was read keeps its place beside a scan of what is never read again.
func TestMemory_aScanLeavesTheHotSet(t *testing.T) {
	if racetest.Enabled {
		t.Skip("under the race detector sync.Pool, in which Ristretto gathers reads, drops a quarter of what it is given")
	}
	const hot = 500
	c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Capacity: 1000})
	for range 5 {
		for i := range hot {
			if _, err := c.Get(t.Context(), i); err == nil {
				continue
			}
			if err := c.Set(t.Context(), i, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 4000 {
		if err := c.Set(t.Context(), hot+i, i); err != nil {
			t.Fatal(err)
		}
	}
	left := 0
	for i := range hot {
		if _, ok := c.Peek(i); ok {
			left++
		}
	}
	if left < hot/2 {
		t.Errorf("%d of %d hot entries are left after the scan", left, hot)
	}
}

func TestMemory_warmedByManyWritersLosesNothing(t *testing.T) {
	total := 200_000
	if racetest.Enabled {
		total = 20_000
	}
	c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Hour, Capacity: int64(total) * 5 / 4})
	err := c.RegisterLoader(tiercache.Loader[int, int]{Name: "l", Load: func(_ context.Context, emit func(int, int) error) error {
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for i := w; i < total; i += 16 {
					if err := emit(i, i); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Warm(t.Context())
	if err != nil || res[0].Memory != total || res[0].SkippedRoom != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	for i := range total {
		if e, ok := c.Peek(i); !ok || e.Value != i {
			t.Fatalf("Peek(%d) = %+v, %v", i, e, ok)
		}
	}
}

func TestMemory_aFullHotCacheKeepsItsHotSetBesideAWarmRun(t *testing.T) {
	const capacity = 4096
	c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Hour, Capacity: capacity})
	for round := range 4 {
		for i := range capacity * 9 / 10 {
			if _, err := c.Get(t.Context(), i); err != nil {
				if round > 0 {
					t.Fatalf("%d is gone in round %d", i, round)
				}
				if err := c.Set(t.Context(), i, i); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	err := c.RegisterLoader(tiercache.Loader[int, int]{Name: "l", Load: func(_ context.Context, emit func(int, int) error) error {
		for i := range min(capacity, 50) {
			if err := emit(1_000_000+i, i); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Warm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for i := range capacity * 9 / 10 {
		if _, ok := c.Peek(i); ok {
			left++
		}
	}
	if left < capacity*9/10*99/100 {
		t.Errorf("%d of %d hot entries are left beside %+v", left, capacity*9/10, res)
	}
	readable := 0
	for i := range min(capacity, 50) {
		if _, ok := c.Peek(1_000_000 + i); ok {
			readable++
		}
	}
	if readable != res[0].Memory {
		t.Errorf("%d warmed entries are readable, %+v are reported", readable, res)
	}
}

// A million entries that end together, here some less, must not stop a writer.
func TestMemory_equalTTLsStopNoWriter(t *testing.T) {
	t.Parallel()
	total := 300_000
	if racetest.Enabled {
		total = 30_000
	}
	c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: 100 * time.Millisecond, Capacity: int64(total) * 2})
	for i := range total {
		if err := c.Set(t.Context(), i, i); err != nil {
			t.Fatal(err)
		}
	}
	late := redistest.Late(t)
	var slowest time.Duration
	redistest.Eventually(t, 30*time.Second, func() error {
		for range 100 {
			began := time.Now()
			if err := c.Set(t.Context(), total+1, 1); err != nil {
				return err
			}
			slowest = max(slowest, time.Since(began)-late.Since(began))
		}
		if s := c.Stats(); s.Entries > 1 {
			return fmt.Errorf("%d entries are left", s.Entries)
		}
		return nil
	})
	if slowest > 500*time.Millisecond {
		t.Errorf("a Set took %v beside the sweep", slowest)
	}
}

// A hit goes by a time that may be a millisecond old; what Expire has ended is over at once all the
// same.
func TestMemory_whatExpireEndsIsOverForABusyCache(t *testing.T) {
	loads := 0
	c := newCache(t, tiercache.Config[string, int]{Name: "c", TTL: time.Minute, StaleFor: time.Minute, Load: func(context.Context, string) (int, error) {
		loads++
		return loads, nil
	}})
	for round := range 300 {
		for range 2000 { // so many that the time is written down
			if _, err := c.Get(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Expire(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if e, err := c.GetEntry(t.Context(), "k"); err != nil || e.Source == tiercache.FromMemory {
			t.Fatalf("round %d: %+v, %v", round, e, err)
		}
	}
}

func TestMemory_aHitAllocatesNothing(t *testing.T) {
	if racetest.Enabled {
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
