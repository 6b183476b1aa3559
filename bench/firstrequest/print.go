package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// column is one arm's outcomes in the order of its starts.
func (r result) column(a arm, value func(outcome) time.Duration) []time.Duration {
	var all []time.Duration
	for _, o := range r.Outcomes {
		if o.Arm == a {
			all = append(all, value(o))
		}
	}
	return all
}

func latency(o outcome) time.Duration { return o.Latency }
func ready(o outcome) time.Duration   { return o.Ready }

// String is the tables, with what they depend on.
func (r result) String() string {
	var out strings.Builder
	c := r.Config
	fmt.Fprintf(&out, "First request for a warmed brand after a start with an empty Redis\n\n")
	fmt.Fprintf(&out, "  %d starts of each arm, %d reports, seed %d; source: %d connections, lognormal service time, median %v, sigma %v\n",
		c.Starts, c.Reports, c.Seed, c.Source.Connections, c.Source.Median, c.Source.Sigma)
	fmt.Fprintf(&out, "  %s, Redis %s\n\n", r.Machine, r.Redis)
	rows := [][]string{{"arm", "p50", "p95", "p99", "from memory / redis / source", "ready p50", "ready p99", "queries", "rows"}}
	for _, a := range arms() {
		took := r.column(a, latency)
		row := []string{string(a)}
		for _, p := range []float64{0.5, 0.95, 0.99} {
			row = append(row, figures.Millis(figures.Percentile(took, p)))
		}
		row = append(row, r.tiers(a))
		if a == atReady {
			waited := r.column(a, ready)
			row = append(row, figures.Millis(figures.Percentile(waited, 0.5)), figures.Millis(figures.Percentile(waited, 0.99)))
		} else {
			row = append(row, "-", "-")
		}
		queries, read := r.cost(a)
		rows = append(rows, append(row, fmt.Sprintf("%.1f", queries), fmt.Sprintf("%.1f", read)))
	}
	out.WriteString(figures.Table(rows))
	fmt.Fprintf(&out, "\nAgainst warming off (95 %% intervals: bootstrap over the starts)\n\n")
	rows = [][]string{{"arm", "p50 ratio", "p99 ratio", "p50 change"}}
	for _, a := range arms()[1:] {
		p50, p99 := r.ratio(a, 0.5), r.ratio(a, 0.99)
		rows = append(rows, []string{string(a), p50.String(), p99.String(), fmt.Sprintf("%+.1f %%", 100*(p50.value-1))})
	}
	out.WriteString(figures.Table(rows))
	return out.String()
}

func (r result) tiers(a arm) string {
	count := map[string]int{}
	for _, o := range r.Outcomes {
		if o.Arm == a {
			count[o.Cache]++
		}
	}
	return fmt.Sprintf("%d / %d / %d", count["memory"], count["redis"], count["source"])
}

// cost is what an arm asked of the source, the mean of its starts.
func (r result) cost(a arm) (queries, rows float64) {
	for _, o := range r.Outcomes {
		if o.Arm == a {
			queries += float64(o.Queries)
			rows += float64(o.Rows)
		}
	}
	return queries / float64(r.Config.Starts), rows / float64(r.Config.Starts)
}

// interval is a ratio with its 95 % confidence interval.
type interval struct{ value, low, high float64 }

func (i interval) String() string {
	return fmt.Sprintf("%.4f [%.4f, %.4f]", i.value, i.low, i.high)
}

const resamples = 1000

// ratio is the percentile of an arm over that of warming off. Starts are drawn whole, with both
// arms: they share brand and service times.
func (r result) ratio(a arm, p float64) interval {
	with, without := r.column(a, latency), r.column(off, latency)
	of := func(with, without []time.Duration) float64 {
		return float64(figures.Percentile(with, p)) / float64(figures.Percentile(without, p))
	}
	rng := rand.New(rand.NewPCG(r.Config.Seed, 0xb007))
	ratios := make([]time.Duration, resamples) // in billionths, so that Percentile serves
	x, y := make([]time.Duration, len(with)), make([]time.Duration, len(with))
	for i := range ratios {
		for j := range x {
			k := rng.IntN(len(with))
			x[j], y[j] = with[k], without[k]
		}
		ratios[i] = time.Duration(1e9 * of(x, y))
	}
	return interval{
		value: of(with, without),
		low:   float64(figures.Percentile(ratios, 0.025)) / 1e9,
		high:  float64(figures.Percentile(ratios, 0.975)) / 1e9,
	}
}
