package main

import (
	"fmt"
	"strings"
)

// claim is the gain in fresh hits that is asked of default settings.
const claim = 0.40

// fortySection says whether default settings gain what is asked of them, why not, and what does.
func (r *results) fortySection(line func(string, ...any)) {
	usual, long, bound := r.Arms["default"], r.Arms["long lists"], r.Arms["oracle"]
	line("")
	line("## Against 40 points")
	line("")
	if usual.Gain.Mean >= claim {
		line("Default settings gain %s points, so the 40 points that are asked for are reached.", points(usual.Gain))
		return
	}
	line("Default settings gain %s points of fresh hits. The 40 that are asked for are **not** reached; %.1f are missing. An oracle gains %.1f, so the workload would allow them.",
		points(usual.Gain), 100*(claim-usual.Gain.Mean), 100*bound.Gain.Mean)
	line("")
	line("Why: the default lists have %d keys. A list keeps its keys fresh, and brings nothing to those that are not on it; "+
		"and each hour %.0f %% of the ranks go to other keys, while the lists rank by all reports there are. What readers still wait for, as a share of all requests:", listed, 100*r.Config.DriftPerHour)
	line("")
	line("| cache | share of the requests | none | default | long lists | oracle |")
	line("|---|---|---|---|---|---|")
	shares := r.Config.Mix.shares()
	for i, name := range names() {
		cols := []string{percent(shares[i])}
		for _, arm := range []string{"none", "default", "long lists", "oracle"} {
			cols = append(cols, percent(shares[i]*(1-r.Arms[arm].ByCache[name])))
		}
		line("| %s | %s |", name, strings.Join(cols, " | "))
	}
	line("")
	verdict := "they do not reach it either"
	if long.Gain.Mean >= claim {
		verdict = "that reaches it"
	}
	line("What would: lists ten times as long (`WARMUP_POPULAR_*_COUNT`, `WARMUP_RECENT_REPORTS_COUNT`, or the fields of loaders.Config) gain %s; %s. They cost %s times the rows, %s times the Redis commands and "+
		"%s times the entries in memory of default settings, and %s of its queries of the source. Learned keys on top of the default lists (*all*) gain %s.",
		points(long.Gain), verdict, times(long.SourceRows, usual.SourceRows), times(long.RedisCommands, usual.RedisCommands), times(long.Entries, usual.Entries),
		percent(long.SourceQueries/max(usual.SourceQueries, 1)), points(r.Arms["all"].Gain))
}

func times(a, b float64) string { return fmt.Sprintf("%.1f", a/max(b, 1)) }
