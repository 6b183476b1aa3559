package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// String is the tables.
func (r result) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, Redis %s on loopback, %d keys of 300 bytes, Zipf %.2f, seed %d\n\n", r.Machine, r.Redis, r.Config.Keys, r.Config.Alpha, r.Config.Seed)
	fmt.Fprintf(&out, "A node of a warm fleet is started again: its first %d reads (medians of %d)\n\n", firstReads, r.Config.Restarts)
	table := [][]string{{"memory", "before", "after", "ratio", "bar", "ready", "slowest", "bar", "source reads"}}
	for _, capacity := range r.Config.Capacities {
		var steady, first, ratio []float64
		var ready []time.Duration
		source := int64(0)
		for _, one := range r.Restarts {
			if one.Capacity == capacity {
				steady, first, ratio = append(steady, one.Steady), append(first, one.First), append(ratio, one.First/one.Steady)
				ready = append(ready, one.Ready)
				source += one.Source
			}
		}
		table = append(table, []string{
			fmt.Sprintf("%d entries", capacity), share(median(steady)), share(median(first)), fmt.Sprintf("%.3f", median(ratio)), "≥ 0.900",
			figures.Millis(median(ready)), figures.Millis(slices.Max(ready)), "< 1000 ms", strconv.FormatInt(source, 10),
		})
	}
	out.WriteString(figures.Table(table))
	var before, during, hydrating []time.Duration
	var ratio []float64
	for _, one := range r.Live {
		before, during, hydrating = append(before, one.Before), append(during, one.During), append(hydrating, one.Hydrating)
		ratio = append(ratio, float64(one.During)/float64(one.Before))
	}
	fmt.Fprintf(&out, "\nLive reads, %d a second, while another cache of the process is hydrated (medians of %d pairs of slices)\n\n", r.Config.Rate, len(r.Live))
	out.WriteString(figures.Table([][]string{
		{"p99 before", "p99 during", "ratio", "bar", "hydration takes"},
		{figures.Millis(median(before)), figures.Millis(median(during)), fmt.Sprintf("%.2f", median(ratio)), "≤ 2.00", figures.Millis(median(hydrating))},
	}))
	return out.String()
}

func median[T cmp.Ordered](values []T) T { return slices.Sorted(slices.Values(values))[len(values)/2] }

func share(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }
