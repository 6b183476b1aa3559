package main

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sort"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// traffic draws keys with Zipf's frequencies: the key of rank i is (i + shift) modulo their number.
type traffic struct {
	share []float64 // of each rank
	draws []int     // ranks, drawn beforehand: drawing costs more than a hit
}

func newTraffic(keys int, alpha float64, seed uint64) *traffic {
	t := &traffic{share: make([]float64, keys), draws: make([]int, 1<<21)}
	sums := make([]float64, keys)
	var all, sum float64
	for i := range keys {
		t.share[i] = math.Pow(float64(i+1), -alpha)
		all += t.share[i]
	}
	for i := range keys {
		t.share[i] /= all
		sum += t.share[i]
		sums[i] = sum
	}
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // reproducible
	for i := range t.draws {
		t.draws[i] = min(sort.SearchFloat64s(sums, r.Float64()), keys-1)
	}
	return t
}

// covered is the traffic of the hot keys as a share of the true top n's.
func (t *traffic) covered(hot []tiercache.HotKey[int], n, shift int) float64 {
	keys := len(t.share)
	var got, want float64
	for _, k := range hot {
		got += t.share[(k.Key-shift+keys)%keys]
	}
	for _, share := range t.share[:n] {
		want += share
	}
	return got / want
}

// read makes reads from two goroutines, until enough says so; it is asked after each thousand.
func (t *traffic) read(ctx context.Context, c *tiercache.Cache[int, int], shift int, enough func(reads int) bool) {
	var wg sync.WaitGroup
	const readers, batch = 2, 1000
	for r := range readers {
		wg.Go(func() {
			at := rand.IntN(len(t.draws)) //nolint:gosec // any place will do
			for n := batch * r; ctx.Err() == nil && !enough(n); n += batch * readers {
				for range batch {
					at = (at + 1) & (len(t.draws) - 1)
					_, _ = c.Get(ctx, (t.draws[at]+shift)%len(t.share)) // its loader has no errors
				}
			}
		})
	}
	wg.Wait()
}

// newCache returns a cache in memory that has room for all keys, and has them.
func newCache(ctx context.Context, keys, learn int, half time.Duration) (*tiercache.Cache[int, int], error) {
	c, err := tiercache.New(tiercache.Config[int, int]{
		Name: "bench", TTL: time.Hour, Capacity: int64(4 * keys), LearnHot: learn, HotHalfLife: half, Logger: slog.New(slog.DiscardHandler),
		Load: func(_ context.Context, key int) (int, error) { return key, nil },
	})
	if err != nil {
		return nil, err
	}
	for key := range keys {
		if err := c.Set(ctx, key, key); err != nil {
			return nil, err
		}
	}
	return c, nil
}
