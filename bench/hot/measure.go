package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/tiercache"
)

// coverage is how much of the true top the learned keys are worth.
type coverage struct {
	Alpha   float64 `json:"alpha"`
	Top     float64 `json:"top_share"` // of the true top in all reads
	Covered float64 `json:"covered"`
}

const enough = 0.97 // of the true top's traffic, at a skew of 0.8 and more

func (r *result) coverage(ctx context.Context) error {
	rows := [][]string{{"alpha", "top " + strconv.Itoa(r.Config.Learn) + " have", "learned have of that", "target"}}
	for _, alpha := range []float64{0.6, 0.7, 0.8, 0.9, 0.99, 1.1, 1.2, 1.3, 1.4} {
		c, err := newCache(ctx, r.Config.Keys, r.Config.Learn, 0)
		if err != nil {
			return err
		}
		t := newTraffic(r.Config.Keys, alpha, r.Config.Seed)
		t.read(ctx, c, 0, func(n int) bool { return n >= r.Config.Reads })
		hot, err := c.Hot(ctx, 0)
		if err != nil {
			return err
		}
		row := coverage{Alpha: alpha, Covered: t.covered(hot, r.Config.Learn, 0)}
		for _, share := range t.share[:r.Config.Learn] {
			row.Top += share
		}
		r.Coverage = append(r.Coverage, row)
		rows = append(rows, []string{fmt.Sprint(alpha), percent(row.Top), percent(row.Covered), verdict(alpha < 0.8, row.Covered >= enough)})
		_ = c.Close() // it has no error to tell
	}
	fmt.Printf("\nShare of the true top's traffic, after %d reads\n\n%s", r.Config.Reads, figures.Table(rows))
	return ctx.Err()
}

// change is how the learner follows when the ranks of all keys change at once.
type change struct {
	Alpha   float64   `json:"alpha"`
	After   []float64 `json:"covered_each_quarter_half_life"`
	Adapted float64   `json:"adapted_after_half_lives"` // until enough is covered; 0 = not within four
}

func (r *result) change(ctx context.Context) error {
	const before, after, quarters = 3, 4, 4 // half-lives
	rows := [][]string{{"alpha", "after 1", "after 1.5", "after 2", "97 % after", "target"}}
	for _, alpha := range []float64{0.8, 0.99, 1.2} {
		c, err := newCache(ctx, r.Config.Keys, r.Config.Learn, r.Config.HalfLife)
		if err != nil {
			return err
		}
		t := newTraffic(r.Config.Keys, alpha, r.Config.Seed)
		spend := func(shift int, d time.Duration) {
			end := time.Now().Add(d)
			t.read(ctx, c, shift, func(int) bool { return time.Now().After(end) })
		}
		spend(0, before*r.Config.HalfLife)
		row := change{Alpha: alpha}
		shift := r.Config.Keys / 2
		for i := range after * quarters {
			spend(shift, r.Config.HalfLife/quarters)
			hot, err := c.Hot(ctx, 0)
			if err != nil {
				return err
			}
			row.After = append(row.After, t.covered(hot, r.Config.Learn, shift))
			if row.After[i] >= enough && row.Adapted == 0 {
				row.Adapted = float64(i+1) / quarters
			}
		}
		r.Change = append(r.Change, row)
		rows = append(rows, []string{
			fmt.Sprint(alpha), percent(row.After[3]), percent(row.After[5]), percent(row.After[7]),
			fmt.Sprintf("%.2f half-lives", row.Adapted), verdict(false, row.Adapted > 0 && row.Adapted <= 2),
		})
		_ = c.Close() // it has no error to tell
	}
	fmt.Printf("\nAfter all keys have changed their ranks (half-life %v)\n\n%s", r.Config.HalfLife, figures.Table(rows))
	return ctx.Err()
}

// cost is what a hit costs with the learner on, against one with it off.
type cost struct {
	Keys    int        `json:"keys"`
	On      float64    `json:"on_ns"`  // median
	Off     float64    `json:"off_ns"` // median
	Ratio   float64    `json:"ratio"`  // median of the pairs'
	Ratios  []float64  `json:"ratios"`
	Between [2]float64 `json:"quartiles"`
}

const mostRatio = 1.15

func (r *result) cost(ctx context.Context) error {
	rows := [][]string{{"keys", "off", "on", "ratio", "quartiles", "target"}}
	for _, keys := range []int{1000, r.Config.Keys} {
		row, err := r.pairs(ctx, keys)
		if err != nil {
			return err
		}
		r.Cost = append(r.Cost, row)
		rows = append(rows, []string{
			strconv.Itoa(keys), fmt.Sprintf("%.1f ns", row.Off), fmt.Sprintf("%.1f ns", row.On), fmt.Sprintf("%.3f", row.Ratio),
			fmt.Sprintf("%.3f to %.3f", row.Between[0], row.Between[1]), verdict(false, row.Ratio <= mostRatio),
		})
	}
	fmt.Printf("\nA hit (two goroutines, alpha 0.99), %d paired slices\n\n%s", r.Config.Pairs, figures.Table(rows))
	return ctx.Err()
}

// pairs measures slices with the learner on and off, which take turns, the first of each pair by
// lot.
func (r *result) pairs(ctx context.Context, keys int) (row cost, err error) {
	var caches [2]*tiercache.Cache[int, int] // off, on
	for i, learn := range []int{0, r.Config.Learn} {
		if caches[i], err = newCache(ctx, keys, learn, 0); err != nil {
			return row, err
		}
		defer caches[i].Close() //nolint:errcheck // it has no error to tell
	}
	t := newTraffic(keys, 0.99, r.Config.Seed)
	slice := func(c *tiercache.Cache[int, int]) float64 {
		before, began := c.Stats().MemoryHits, time.Now()
		end := began.Add(r.Config.Slice)
		t.read(ctx, c, 0, func(int) bool { return time.Now().After(end) })
		return float64(time.Since(began).Nanoseconds()) / float64(c.Stats().MemoryHits-before)
	}
	// Until the learner samples one read in 32, as it does under load.
	t.read(ctx, caches[1], 0, func(n int) bool { return n >= r.Config.Reads })
	t.read(ctx, caches[0], 0, func(n int) bool { return n >= r.Config.Reads })
	lot := rand.New(rand.NewPCG(r.Config.Seed, 1)) //nolint:gosec // reproducible
	var times [2][]float64
	for range r.Config.Pairs {
		first := lot.IntN(2)
		var took [2]float64
		took[first] = slice(caches[first])
		took[1-first] = slice(caches[1-first])
		times[0], times[1] = append(times[0], took[0]), append(times[1], took[1])
		row.Ratios = append(row.Ratios, took[1]/took[0])
	}
	row.Keys, row.Off, row.On, row.Ratio = keys, quantile(times[0], 0.5), quantile(times[1], 0.5), quantile(row.Ratios, 0.5)
	row.Between = [2]float64{quantile(row.Ratios, 0.25), quantile(row.Ratios, 0.75)}
	return row, nil
}

func quantile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(p*float64(len(sorted)-1))]
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

func verdict(none, met bool) string {
	switch {
	case none:
		return "-"
	case met:
		return "met"
	default:
		return "MISSED"
	}
}
