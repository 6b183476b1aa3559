package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// String is the report for people.
func (r report) String() string {
	var out strings.Builder
	r.head(&out)
	for _, ttl := range r.TTLs {
		fmt.Fprintf(&out, "\nTTL %v; two runs of the plain cache differ by %.1f points\n\n%s", ttl, 100*r.noise(ttl), figures.Table(r.table(ttl)))
	}
	out.WriteString("\n  fresh = memory + Redis; a stale read got an old value at once, a miss waited for the source; rows a 1,000 reads is what it costs\n")
	for _, a := range r.arms() {
		fmt.Fprintf(&out, "  %-16s %s\n", a.Name, a.What)
	}
	for _, a := range r.Advice {
		fmt.Fprintf(&out, "\nAdvice for TTL %v\n\n", a.TTL)
		for _, why := range a.Why {
			fmt.Fprintf(&out, "  - %s\n", why)
		}
		out.WriteString("\n  " + strings.ReplaceAll(strings.TrimSuffix(a.Config, "\n"), "\n", "\n  ") + "\n")
	}
	return out.String()
}

// head says what was read, and what it was replayed with.
func (r report) head(out *strings.Builder) {
	t := r.Trace
	distinct := strconv.Itoa(t.Distinct)
	if t.Distinct >= distinctMost {
		distinct = "at least " + distinct
	}
	fmt.Fprintf(out, "%s: %d reads of %s keys in %v", r.File, t.Reads, distinct, t.LastAt.Sub(t.FirstAt).Round(time.Second))
	if t.Paced > 0 {
		fmt.Fprintf(out, ", at an assumed %g reads a second", t.Paced)
	}
	out.WriteByte('\n')
	for _, why := range slices.Sorted(maps.Keys(t.Skipped)) {
		fmt.Fprintf(out, "  %d lines skipped: %s\n", t.Skipped[why], why)
	}
	if t.Backwards > 0 {
		fmt.Fprintf(out, "  %d reads were out of order, by up to %v, and count at the time of the line before\n", t.Backwards, t.Furthest.Round(time.Second))
	}
	if t.Broken > 0 {
		fmt.Fprintf(out, "  %d of %d lines cannot be read, for example %s\n", t.Broken, t.Lines, strings.Join(t.Examples, "; "))
	}
	s := r.Settings
	unit, restart := "entries", "never"
	if s.Bytes {
		unit = "bytes"
	}
	if s.Restart > 0 {
		restart = fmt.Sprintf("each %v", s.Restart)
	}
	tiers := "memory"
	if s.Redis {
		tiers = "memory and Redis"
	}
	fmt.Fprintf(out, "  %s, %d %s of memory; restart %s; warm runs each %v, %d learned keys, a loader of %d\n",
		tiers, s.Capacity, unit, restart, s.Interval, s.Hot, s.Top)
}

// arms are those that were replayed, once each.
func (r report) arms() (all []arm) {
	for _, o := range r.Arms {
		if o.TTL == r.TTLs[0] {
			all = append(all, o.arm)
		}
	}
	return all
}

func (r report) table(ttl time.Duration) [][]string {
	rows := [][]string{{
		"arm", "fresh", "memory", "Redis", "stale", "miss", fmt.Sprintf("first %d after a restart: memory", firstReads), "miss",
		"queries a 1,000 reads", "rows", "of these warm",
	}}
	thousand := func(o outcome, n int) string { return fmt.Sprintf("%.1f", 1000*o.share(n)) }
	for _, o := range r.Arms {
		if o.TTL != ttl {
			continue
		}
		memory, miss := "-", "-"
		if o.AfterReads > 0 {
			memory, miss = percent(ratio(o.AfterFresh, o.AfterReads)), percent(ratio(o.AfterMiss, o.AfterReads))
		}
		rows = append(rows, []string{
			o.Name, percent(o.Fresh), percent(o.Mem), percent(o.share(o.Redis)), percent(o.Stl), percent(o.Miss),
			memory, miss, thousand(o, o.Queries), thousand(o, o.Rows), thousand(o, o.Warmed),
		})
	}
	return rows
}
