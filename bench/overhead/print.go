package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// String is the table.
func (r result) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, Redis %s on loopback, %d pairs of slices of %v, seed %d\n\n", r.Machine, r.Redis, r.Config.Pairs, r.Config.Slice, r.Config.Seed)
	table := [][]string{{"", "against", "ours", "plain", "ratio", "bar", ""}}
	for _, row := range r.Rows {
		bar, verdict := fmt.Sprintf("≤ %.2f", row.Bar), "met"
		if row.Speed {
			bar = fmt.Sprintf("≥ %.2f of the speed", row.Bar)
		}
		if !row.met() {
			verdict = "missed"
		}
		table = append(table, []string{row.Name, row.Plain, micros(row.Ours), micros(row.Bare), fmt.Sprintf("%.2f", row.Ratio), bar, verdict})
	}
	out.WriteString(figures.Table(table))
	fmt.Fprintf(&out, "\nA warm run of %d entries: all of them readable in both tiers; the heap grew by %d B an entry at most, garbage included.\n",
		r.Config.WarmItems, r.Heap/uint64(r.Config.WarmItems))
	return out.String()
}

// micros is the median time of an operation.
func micros(nanos []int64) string {
	sorted := slices.Sorted(slices.Values(nanos))
	return fmt.Sprintf("%.1f µs", float64(sorted[len(sorted)/2])/float64(time.Microsecond))
}
