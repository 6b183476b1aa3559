package tiercache_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/tiercache"
)

// sized is a cache of memory alone whose keys are numbers and whose values are what they cost.
func sized(t *testing.T, capacity int64) *tiercache.Cache[int, int] {
	t.Helper()
	c, err := tiercache.New(tiercache.Config[int, int]{
		Name: "sized", TTL: time.Hour, Capacity: capacity,
		Cost: func(_, cost int) int64 { return int64(cost) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// readSized looks the key up, stores it after a miss, and reports whether it was there.
func readSized(t *testing.T, c *tiercache.Cache[int, int], key int, cost int64) (hit bool) {
	t.Helper()
	hit = true
	_, err := c.GetOrLoad(t.Context(), key, func(context.Context) (int, error) {
		hit = false
		return int(cost), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hit
}

// An entry that fits into the capacity beside all others stays, however large it is.
func TestLarge_staysWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	for _, trial := range []struct {
		others int
		cost   int64
	}{{0, 300}, {0, 850}, {0, 1000}, {100, 850}, {100, 900}, {400, 500}} {
		t.Run(fmt.Sprintf("%d beside %d", trial.cost, trial.others), func(t *testing.T) {
			t.Parallel()
			c := sized(t, 1000)
			for i := range trial.others {
				readSized(t, c, i, 1)
			}
			readSized(t, c, -1, trial.cost)
			for range 20 {
				if !readSized(t, c, -1, trial.cost) {
					t.Fatal("the large one is gone")
				}
				for i := range trial.others {
					if !readSized(t, c, i, 1) {
						t.Fatalf("%d of the others is gone", i)
					}
				}
			}
			if s := c.Stats(); s.TurnedAway != 0 || s.Evictions != 0 {
				t.Errorf("%d turned away, %d evicted", s.TurnedAway, s.Evictions)
			}
		})
	}
}

// A large entry is kept for how often it is read, in a cache that is full of small ones, and one
// that is asked for once pushes out little.
func TestLarge_byItsWorth(t *testing.T) {
	if racetest.Enabled {
		t.Skip("a simulation: under the race detector Ristretto's buffers lose what they are told")
	}
	t.Parallel()
	const capacity, cost = 64 << 20, 4 << 20
	for name, small := range map[string]func() int{
		"uniform": func() int { return rand.N(100_000) }, //nolint:gosec // not for security
		"zipf":    zipfKeys(100_000, 0.9),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := sized(t, capacity)
			large, hits := 0, 0
			for i := range 300_000 {
				if i%10 != 0 {
					readSized(t, c, small(), 1<<10)
				} else if hit := readSized(t, c, -1, cost); i > 100_000 {
					large++
					if hit {
						hits++
					}
				}
			}
			if ratio := float64(hits) / float64(large); ratio < 0.95 {
				t.Errorf("each tenth read is of it, and %.1f %% of these are hits", 100*ratio)
			}
		})
	}
	t.Run("asked for once", func(t *testing.T) {
		t.Parallel()
		var ratio [2]float64
		var away uint64
		for i := range ratio {
			c := sized(t, capacity)
			hits, small := 0, zipfKeys(200_000, 0.9)
			for n := range 300_000 {
				if i == 1 && n%100 == 0 {
					readSized(t, c, -n-1, cost)
				}
				if readSized(t, c, small(), 1<<10) && n > 150_000 {
					hits++
				}
			}
			ratio[i], away = float64(hits)/150_000, c.Stats().TurnedAway
		}
		t.Logf("small entries hit %.3f, without large ones beside them %.3f; %d were turned away", ratio[1], ratio[0], away)
		if ratio[1] < ratio[0]-0.02 {
			t.Errorf("small entries hit %.3f, without large ones beside them %.3f", ratio[1], ratio[0])
		}
		if away < 1000 {
			t.Errorf("%d of 3,000 were counted as turned away", away)
		}
	})
}

// Where all entries are large for a part of the window, there is a window all the same.
func TestLarge_allOfThem(t *testing.T) {
	t.Parallel()
	c, last, hits, again := sized(t, 64<<20), make(map[int]int), 0, 0
	for i := range 20_000 {
		key := i/8 + int(25*rand.ExpFloat64()) //nolint:gosec // not for security
		hit := readSized(t, c, key, int64(1+key%4)<<20)
		if before, ok := last[key]; ok && i-before < 8 { // eight of 2.5 MiB fit in many times over
			again++
			if hit {
				hits++
			}
		}
		last[key] = i
	}
	if ratio := float64(hits) / float64(again); ratio < 0.8 {
		t.Errorf("of the reads that follow one of the same key at once %.1f %% are hits", 100*ratio)
	}
}

// Sizes from 1 KiB to 4 MiB, read by recency: small entries keep most of the window.
func TestLarge_byWorthAmongAllSizes(t *testing.T) {
	if racetest.Enabled {
		t.Skip("a simulation: under the race detector Ristretto's buffers lose what they are told")
	}
	t.Parallel()
	c, hits := sized(t, 64<<20), 0
	const reads, before = 300_000, 100_000
	for i := range reads {
		key := i/8 + int(500*rand.ExpFloat64())                       //nolint:gosec // not for security
		cost := int64(1<<10) << (uint32(key) * 2654435761 >> 20 % 13) //nolint:gosec // a hash of the key
		if readSized(t, c, key, cost) && i >= before {
			hits++
		}
	}
	ratio := float64(hits) / (reads - before)
	if t.Logf("hit ratio %.2f", ratio); ratio < 0.35 {
		t.Errorf("hit ratio %.2f", ratio)
	}
}

// zipfKeys draws keys from n of them, the k-th as often as k to the power of -s.
func zipfKeys(n int, s float64) func() int {
	sums, sum := make([]float64, n), 0.
	for i := range sums {
		sum += math.Pow(float64(i+1), -s)
		sums[i] = sum
	}
	return func() int {
		return sort.SearchFloat64s(sums, rand.Float64()*sum) //nolint:gosec // not for security
	}
}
