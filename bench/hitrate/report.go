package main

import (
	"fmt"
	"slices"
	"strings"
)

// markdown is the report. All figures in it are computed from the results.
func (r *results) markdown() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	c := r.Config
	line("# What warming gives, and what it costs")
	line("")
	line("Written by `go run ./bench/hitrate`. Configuration `%s`, %d seeds, 95 %% confidence intervals (Student's t over seeds, gains paired by seed).", short(r.ConfigHash), c.Seeds)
	line("")
	line("A day of %d h after %d h of burn-in; %.1f requests an hour (a tenth of them in bursts of %d); Zipf %v over %d reports, with their brands, questions and users; %.0f %% of the ranks change hands each hour; "+
		"%d new reports an hour; a flash key with %.0f %% of the requests for %v. Time is divided by %d.", c.Hours, c.BurnInHours, c.RequestsPerHour, c.BurstRequests, c.Alpha, c.Reports,
		100*c.DriftPerHour, c.NewReportsHour, 100*c.FlashShare, c.FlashLasts, c.Compression)
	line("")
	line("Baseline: %s of fresh hits %s; the calibration's arithmetic expects %s from the traces alone.", percent(r.Baseline.Fresh), interval(r.Baseline.CI), percent(r.Baseline.Expected))
	r.armsTables(line)
	r.fortySection(line)
	r.gridTables(line)
	r.ablationTable(line)
	return b.String()
}

func (r *results) armsTables(line func(string, ...any)) {
	line("")
	line("## Arms")
	line("")
	line("| arm | fresh | gain in points | memory | Redis | stale | negative | misses | joined |")
	line("|---|---|---|---|---|---|---|---|---|")
	for _, a := range arms() {
		s := r.Arms[a.Name]
		line("| %s | %s %s | %s | %s | %s | %s | %s | %s | %s |", a.Name, percent(s.Fresh), interval(s.CI), points(s.Gain),
			percent(s.Memory), percent(s.Redis), percent(s.Stale), percent(s.Negative), percent(s.Misses), percent(s.Joined))
	}
	line("")
	for _, a := range arms() {
		line("- *%s*: %s.", a.Name, a.What)
	}
	line("")
	line("Fresh hits by cache:")
	line("")
	line("| arm | %s |", strings.Join(names(), " | "))
	line("|---|%s", strings.Repeat("---|", numCaches))
	for _, a := range arms() {
		var cols []string
		for _, name := range names() {
			cols = append(cols, percent(r.Arms[a.Name].ByCache[name]))
		}
		line("| %s | %s |", a.Name, strings.Join(cols, " | "))
	}
	r.firstTable(line)
	r.costTable(line)
}

func (r *results) firstTable(line func(string, ...any)) {
	line("")
	line("## First requests")
	line("")
	line("The first request for each key since the start, in virtual time: what memory or Redis answers takes none (bench/firstrequest measures that), what the source answers takes its service time. "+
		"Listed are the %d keys that lead the lists at the start.", listed)
	line("")
	line("| arm | all: mean | p50 | p95 | p99 | change of the mean | listed: mean | p95 | p99 | change of the mean |")
	line("|---|---|---|---|---|---|---|---|---|---|")
	for _, a := range arms() {
		s := r.Arms[a.Name]
		line("| %s | %.1f ms | %.1f ms | %.0f ms | %.0f ms | %s | %.1f ms | %.0f ms | %.0f ms | %s |", a.Name, s.First.Mean, s.First.P50, s.First.P95, s.First.P99, changed(s.FirstGain),
			s.FirstListed.Mean, s.FirstListed.P95, s.FirstListed.P99, changed(s.ListedGain))
	}
}

func (r *results) costTable(line func(string, ...any)) {
	line("")
	line("## Costs")
	line("")
	line("Of the measured day, all nodes. Redis hears heartbeats also where nothing is read; in compressed time there are fewer of them than on a day.")
	line("")
	line("| arm | requests | source queries | of readers | source rows | Redis commands | Redis bytes | entries in memory | ready after |")
	line("|---|---|---|---|---|---|---|---|---|")
	for _, a := range arms() {
		s := r.Arms[a.Name]
		line("| %s | %.0f | %.0f | %.0f | %.0f | %.0f | %.1f MB | %.0f | %.0f ms |", a.Name, s.Requests, s.SourceQueries, s.DemandQueries, s.SourceRows, s.RedisCommands, s.RedisBytes/1e6, s.Entries, s.ReadyMillis)
	}
}

func (r *results) gridTables(line func(string, ...any)) {
	if len(r.Grid) == 0 {
		return
	}
	line("")
	line("## The grid")
	line("")
	line("One thing changed at a time, the rate of requests as calibrated. Four measured hours after one (two with a million reports, or with four nodes and more; for restarts the hour after it, with three nodes). " +
		"*Loses* says that the interval of the gain lies below zero, *nothing* that it holds zero.")
	line("")
	line("| | | seeds | none | default | gain | long lists | gain | all | gain |")
	line("|---|---|---|---|---|---|---|---|---|---|")
	for i := 0; i+3 < len(r.Grid); i += 4 {
		none, usual, long, all := r.Grid[i], r.Grid[i+1], r.Grid[i+2], r.Grid[i+3]
		line("| %s | %s | %d | %s | %s | %s | %s | %s | %s | %s |", none.Axis, none.Value, none.Seeds, percent(none.Fresh), percent(usual.Fresh), verdict(usual), percent(long.Fresh), verdict(long), percent(all.Fresh), verdict(all))
	}
	if len(r.NotRun) > 0 {
		line("")
		line("Not run, for want of time: %s.", strings.Join(r.NotRun, "; "))
	}
	r.restartTable(line)
}

// restartTable is of the restarts that were run.
func (r *results) restartTable(line func(string, ...any)) {
	if !slices.ContainsFunc(r.Grid, func(row gridRow) bool { return row.Axis == "restart" }) {
		return
	}
	line("")
	line("First requests for listed keys after a restart, change of the mean latency against none:")
	line("")
	line("| restart | default | long lists | all |")
	line("|---|---|---|---|")
	for i := 0; i+3 < len(r.Grid); i += 4 {
		if r.Grid[i].Axis == "restart" {
			line("| %s | %s | %s | %s |", r.Grid[i].Value, changed(r.Grid[i+1].ListedGain), changed(r.Grid[i+2].ListedGain), changed(r.Grid[i+3].ListedGain))
		}
	}
}

func (r *results) ablationTable(line func(string, ...any)) {
	if len(r.Ablation) == 0 {
		return
	}
	line("")
	line("## Ablation")
	line("")
	line("Three nodes, of which one is restarted: all features, and each one taken away; seeds: %d.", r.Ablation[0].Seeds)
	line("")
	line("| | fresh | change in points | from memory | not waited for | source queries | of readers |")
	line("|---|---|---|---|---|---|---|")
	for _, row := range r.Ablation {
		line("| %s | %s | %s | %s | %s | %.0f | %.0f |", row.Arm, percent(row.Fresh), verdict(row), percent(row.Memory), percent(row.Fresh+row.Stale+row.Negative), row.SourceQueries, row.DemandQueries)
	}
	line("")
	line("Not here: the recency window of memory, which cannot be switched off and decides only where memory is full (here it never is). `bench/versus/hitratio` compares it with policies that have none.")
}

func names() []string {
	all := cacheNames()
	return all[:]
}

func short(hash string) string { return hash[:min(12, len(hash))] }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func interval(ci [2]float64) string { return fmt.Sprintf("[%.1f, %.1f]", 100*ci[0], 100*ci[1]) }

func points(e estimate) string {
	return fmt.Sprintf("%+.1f [%+.1f, %+.1f]", 100*e.Mean, 100*e.CI[0], 100*e.CI[1])
}

func changed(e estimate) string {
	return fmt.Sprintf("%+.0f %% [%+.0f, %+.0f]", 100*e.Mean, 100*e.CI[0], 100*e.CI[1])
}

func verdict(row gridRow) string {
	e := row.Gain
	switch {
	case row.Seeds < 3:
		return fmt.Sprintf("%+.1f", 100*e.Mean) // too few for an interval
	case e.CI[1] < 0:
		return points(e) + " loses"
	case e.CI[0] <= 0:
		return points(e) + " nothing"
	default:
		return points(e)
	}
}
