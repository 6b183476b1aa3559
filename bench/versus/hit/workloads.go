package main

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// workload is what is done to a cache, by one goroutine a processor.
type workload struct {
	name    string
	entries int
	room    int // capacity for each 100 entries
	reads   int // of 100 operations; the rest are Sets
	zipf    bool
}

func workloads() []workload {
	return []workload{
		{"hit", 1_000, 200, 100, false},
		{"hit", 10_000, 200, 100, false},
		{"hit", 100_000, 200, 100, false},
		{"hit", 1_000_000, 200, 100, false},
		{"Set of what is there", 100_000, 200, 0, false},
		{"Set in a full cache", 100_000, 50, 0, false},
		{"90 % Get, 10 % Set", 100_000, 200, 90, true},
		{"90 % Get, 10 % Set, full", 100_000, 50, 90, true},
	}
}

// order is which key each operation is about; all contenders see the same.
func (w workload) order(seed uint64) []int32 {
	rng := rand.New(rand.NewPCG(seed, uint64(w.entries))) //nolint:gosec // reproducible
	z := rand.NewZipf(rng, 1.05, 1, uint64(w.entries-1))
	order := make([]int32, 1<<17)
	for i := range order {
		if order[i] = int32(rng.IntN(w.entries)); w.zipf { //nolint:gosec // it fits
			order[i] = int32(z.Uint64()) //nolint:gosec // likewise
		}
	}
	return order
}

// fill puts every key in, slowly enough for those that drop what comes too fast.
func fill(c cache, keys []string) {
	for i, k := range keys {
		c.set(k, value{uint64(i)})
		if c.settle != nil && i%512 == 0 {
			c.settle()
		}
	}
	if c.settle != nil {
		c.settle()
	}
}

// slice does operations in every goroutine and returns the time of one, and what it allocates.
func (w workload) slice(c cache, keys []string, order []int32, operations int) (nanos, allocs float64) {
	var before, after runtime.MemStats
	workers := runtime.GOMAXPROCS(0)
	runtime.ReadMemStats(&before)
	began := time.Now()
	var wg sync.WaitGroup
	for g := range workers {
		wg.Go(func() {
			at := g * len(order) / workers
			for i := range operations {
				key := keys[order[(at+i)&(len(order)-1)]]
				if i%100 < w.reads {
					c.get(key)
				} else {
					c.set(key, value{uint64(i)})
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	return float64(took.Nanoseconds()) / float64(operations), float64(after.Mallocs-before.Mallocs) / float64(operations*workers)
}
