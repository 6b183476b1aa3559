package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// table is one of the report.
type table struct {
	title string
	text  string
}

// String is the tables.
func (r result) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%v, Redis %s on loopback\n", r.Machine, r.Redis)
	for _, t := range r.tables() {
		fmt.Fprintf(&out, "\n%s\n\n%s", t.title, t.text)
	}
	return out.String()
}

// markdown is the same with headings, by which docs/scale.md takes them.
func (r result) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# go run ./bench/scale\n\n%v, Redis %s on loopback.\n", r.Machine, r.Redis)
	for _, t := range r.tables() {
		fmt.Fprintf(&out, "\n## %s\n\n```\n%s```\n", t.title, t.text)
	}
	return out.String()
}

// tables are those of the parts that were run.
func (r result) tables() (all []table) {
	add := func(title string, rows [][]string) {
		if len(rows) > 1 {
			all = append(all, table{title, figures.Table(rows)})
		}
	}
	rows := [][]string{{"entries", "bytes an entry", "hit"}}
	for _, e := range r.Entries {
		rows = append(rows, []string{strconv.Itoa(e.Entries), fmt.Sprintf("%.0f", e.Bytes), fmt.Sprintf("%d ns", e.Hit.Nanoseconds())})
	}
	add("Entries in memory, values of 64 bytes, room for twice as many", rows)
	rows = [][]string{{"bytes", "Set", "hit in Redis", "bytes in Redis"}}
	for _, o := range r.Sizes {
		rows = append(rows, []string{strconv.Itoa(o.Bytes), figures.Millis(o.Set), figures.Millis(o.Hit), fmt.Sprintf("%.0f", o.Redis)})
	}
	add("Size of a value, uncompressed", rows)
	rows = [][]string{{"keys", "a key"}}
	for _, o := range r.Batches {
		rows = append(rows, []string{strconv.Itoa(o.Keys), fmt.Sprintf("%.1f µs", float64(o.PerKey.Nanoseconds())/1000)})
	}
	add("Keys of a GetMany, all in Redis", rows)
	rows = [][]string{{"tags", "Set", "hit in Redis", "InvalidateTags of one"}}
	for _, o := range r.Tags {
		rows = append(rows, []string{strconv.Itoa(o.Tags), figures.Millis(o.Set), figures.Millis(o.Hit), figures.Millis(o.Invalidate)})
	}
	add("Tags of an entry", rows)
	add("Nodes on a real Redis", nodes(r.Nodes))
	add("Nodes in virtual time", nodes(r.Virtual))
	if j := r.Journal; j.Deletes > 0 {
		add("Journal of invalidations", [][]string{
			{"deletes of distinct keys", "a second", "more heap", "bytes a delete", "more heap 5 s later"},
			{strconv.Itoa(j.Deletes), fmt.Sprintf("%.0f", j.Rate), fmt.Sprintf("%.1f MB", j.Heap/1e6), fmt.Sprintf("%.0f", j.Each), fmt.Sprintf("%.1f MB", j.After/1e6)},
		})
	}
	add("A fleet of 10,000 nodes and 10⁸ keys", r.extrapolated())
	return all
}

// nodes has a line for each phase of a fleet. In virtual time Redis is a part of the process, so
// its CPU is in that of the nodes.
func nodes(fleets []fleet) [][]string {
	rows := [][]string{{
		"nodes", "commands to start", "source calls", "", "commands", "bytes to Redis", "from Redis", "CPU of a node", "CPU of Redis, all nodes",
		"heartbeats, all nodes", "digests", "notices", "hear the others", "by command",
	}}
	for _, f := range fleets {
		for i, t := range []traffic{f.First, f.Rest, f.Write} {
			first := []string{"", "", "", []string{"first second", "at rest", fmt.Sprintf("%.0f writes", t.Writes)}[i]}
			if i == 0 {
				first[0], first[1], first[2] = strconv.Itoa(f.Nodes), fmt.Sprintf("%.1f", f.Start), strconv.Itoa(f.Sources)
			}
			redis := fmt.Sprintf("%.1f %%", 100*t.RedisCPU)
			if f.Virtual {
				redis = "in a node's"
			}
			rows = append(rows, append(first, fmt.Sprintf("%.2f", t.Commands), fmt.Sprintf("%.0f", t.In), fmt.Sprintf("%.0f", t.Out),
				fmt.Sprintf("%.3f %%", 100*t.ClientCPU), redis, fmt.Sprintf("%.0f", t.Beats), fmt.Sprintf("%.0f", t.Digests), fmt.Sprintf("%.0f", t.Notices),
				fmt.Sprintf("%.0f %%", 100*t.Coherent), by(t)))
		}
	}
	return rows
}

func by(t traffic) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(t.By)) {
		all = append(all, fmt.Sprintf("%s %.2f", name, t.By[name]))
	}
	return strings.Join(all, ", ")
}
