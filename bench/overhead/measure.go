package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/internal/redistest"
)

type config struct {
	Pairs     int           `json:"pairs"`
	Slice     time.Duration `json:"slice_ns"`
	WarmPairs int           `json:"warm_pairs"`
	WarmItems int           `json:"warm_items"`
	Seed      uint64        `json:"seed"`
}

// result is all rows with what they depend on.
type result struct {
	Config  config          `json:"config"`
	Machine figures.Machine `json:"machine"`
	Redis   string          `json:"redis"`
	Rows    []row           `json:"rows"`
	Heap    uint64          `json:"warm_run_heap_bytes"` // by which it grew at most, garbage included
}

// row is one comparison.
type row struct {
	Name  string  `json:"name"`
	Plain string  `json:"plain"`
	Ratio float64 `json:"ratio"` // ours to plain: of times, or of speeds where Speed says so
	Bar   float64 `json:"bar"`
	Speed bool    `json:"speed"` // more is better
	Ours  []int64 `json:"ours_ns_per_operation"`
	Bare  []int64 `json:"plain_ns_per_operation"`
}

func (r row) met() bool {
	if r.Speed {
		return r.Ratio >= r.Bar
	}
	return r.Ratio <= r.Bar
}

// side does n operations.
type side func(ctx context.Context, n int) error

// contest is one row before it is measured.
type contest struct {
	name, plain string
	bar         float64
	speed       bool
	ours, bare  side
	whole       int // operations in a slice; 0 = as many as fit into its length
	pairs       int
}

func measure(tb redistest.TB, cfg config) (result, error) {
	res := result{Config: cfg, Machine: figures.ThisMachine()}
	stand, err := newStand(tb)
	if err != nil {
		return res, err
	}
	defer stand.close()
	res.Redis = stand.server.Info("server", "redis_version")
	rng := rand.New(rand.NewPCG(cfg.Seed, 0)) //nolint:gosec // reproducible
	for _, c := range stand.contests(cfg) {
		r, err := c.run(tb.Context(), cfg, rng)
		if err != nil {
			return res, fmt.Errorf("%s: %w", c.name, err)
		}
		res.Rows = append(res.Rows, r)
	}
	res.Heap = stand.heap
	return res, nil
}

func (c contest) run(ctx context.Context, cfg config, rng *rand.Rand) (row, error) {
	r := row{Name: c.name, Plain: c.plain, Bar: c.bar, Speed: c.speed}
	n := c.whole
	if n == 0 { // both sides do as many operations as the plain one does in a slice
		const probe = 500
		took, err := timed(ctx, c.bare, probe)
		if err != nil {
			return r, err
		}
		n = max(1, int(cfg.Slice/max(1, took/probe)))
	}
	for _, s := range []side{c.ours, c.bare} { // scripts, pools and caches of the CPU
		if err := s(ctx, max(1, min(n, 200))); err != nil {
			return r, err
		}
	}
	var ratios []float64
	for range c.pairs {
		first, second := c.ours, c.bare
		swapped := rng.IntN(2) == 0
		if swapped {
			first, second = second, first
		}
		a, err := timed(ctx, first, n)
		if err != nil {
			return r, err
		}
		b, err := timed(ctx, second, n)
		if err != nil {
			return r, err
		}
		if swapped {
			a, b = b, a
		}
		r.Ours, r.Bare = append(r.Ours, int64(a)/int64(n)), append(r.Bare, int64(b)/int64(n))
		ratio := float64(a) / float64(b)
		if c.speed {
			ratio = 1 / ratio
		}
		ratios = append(ratios, ratio)
	}
	slices.Sort(ratios)
	r.Ratio = ratios[len(ratios)/2]
	return r, nil
}

func timed(ctx context.Context, s side, n int) (time.Duration, error) {
	began := time.Now()
	err := s(ctx, n)
	return time.Since(began), err
}
