package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

const (
	warmTarget  = 30 * time.Second
	startTarget = time.Second
)

// String is the tables, with what they depend on.
func (r result) String() string {
	var out strings.Builder
	c := r.Config
	fmt.Fprintf(&out, "%d reports, seed %d; slowed source: %d connections, lognormal service time, median %v, sigma %v\n%s, Redis %s\n",
		c.Reports, c.Seed, c.Source.Connections, c.Source.Median, c.Source.Sigma, r.Machine, r.Redis)
	if c.Runs > 0 {
		fmt.Fprintf(&out, "\nA warm run into empty memory and an empty Redis, %d on each source; target: under %v\n\n", c.Runs, warmTarget)
		table := [][]string{{"source", "p50", "p95", "slowest", "items", "success", "queries", "rows", "target"}}
		for _, name := range []string{plain, slow} {
			table = append(table, r.warmRow(name))
		}
		out.WriteString(figures.Table(table))
	}
	if c.Starts > 0 {
		fmt.Fprintf(&out, "\nbrandapi on a later start, from exec, %d of each; target: answers within %v\n\n", c.Starts, startTarget)
		table := [][]string{{"reports", "Redis", "listens p50", "first answer p50", "p95", "slowest", "from memory / redis / source", "target"}}
		for _, reports := range c.databases() {
			table = append(table, r.startRow(programStart{Reports: reports}), r.startRow(programStart{Reports: reports, WarmRedis: true}))
		}
		out.WriteString(figures.Table(table))
	}
	return out.String()
}

func (r result) warmRow(name string) []string {
	var took []time.Duration
	var last warmRun
	least := 100.0
	for _, w := range r.Runs {
		if w.Source == name {
			took, last, least = append(took, w.Took), w, min(least, w.Success)
		}
	}
	counts := []string{"-", "-"}
	if last.Queries > 0 {
		counts = []string{strconv.Itoa(last.Queries), strconv.Itoa(last.Rows)}
	}
	row := []string{name}
	row = append(row, percentiles(took)...)
	row = append(row, strconv.Itoa(last.Items), fmt.Sprintf("%.1f %%", least))
	row = append(row, counts...)
	return append(row, met(took, warmTarget))
}

// startRow sums up the starts of one kind.
func (r result) startRow(kind programStart) []string {
	var listens, answers []time.Duration
	tiers := map[string]int{}
	for _, s := range r.Starts {
		if s.Reports != kind.Reports || s.WarmRedis != kind.WarmRedis {
			continue
		}
		listens, answers = append(listens, s.Listening), append(answers, s.Answered)
		tiers[s.Cache]++
	}
	name := "empty"
	if kind.WarmRedis {
		name = "warm"
	}
	row := []string{strconv.Itoa(kind.Reports), name, figures.Millis(figures.Percentile(listens, 0.5))}
	row = append(row, percentiles(answers)...)
	return append(row, fmt.Sprintf("%d / %d / %d", tiers["memory"], tiers["redis"], tiers["source"]), met(answers, startTarget))
}

func percentiles(took []time.Duration) []string {
	return []string{
		figures.Millis(figures.Percentile(took, 0.5)), figures.Millis(figures.Percentile(took, 0.95)), figures.Millis(figures.Percentile(took, 1)),
	}
}

// met reports whether the slowest is within the target.
func met(took []time.Duration, target time.Duration) string {
	if figures.Percentile(took, 1) < target {
		return "met"
	}
	return "missed"
}
