package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// String is the tables.
func (r result) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%v, Redis %s on loopback\n", r.Machine, r.Redis)
	table := func(title string, rows [][]string) {
		if len(rows) > 1 {
			fmt.Fprintf(&out, "\n%s\n\n%s", title, figures.Table(rows))
		}
	}
	rows := [][]string{{"entries", "bytes an entry", "hit"}}
	for _, e := range r.Entries {
		rows = append(rows, []string{strconv.Itoa(e.Entries), fmt.Sprintf("%.0f", e.Bytes), fmt.Sprintf("%d ns", e.Hit.Nanoseconds())})
	}
	table("Entries in memory, values of 64 bytes, room for twice as many", rows)
	rows = [][]string{{"bytes", "Set", "hit in Redis", "bytes in Redis"}}
	for _, o := range r.Sizes {
		rows = append(rows, []string{strconv.Itoa(o.Bytes), figures.Millis(o.Set), figures.Millis(o.Hit), fmt.Sprintf("%.0f", o.Redis)})
	}
	table("Size of a value, uncompressed", rows)
	rows = [][]string{{"keys", "a key"}}
	for _, o := range r.Batches {
		rows = append(rows, []string{strconv.Itoa(o.Keys), fmt.Sprintf("%.1f µs", float64(o.PerKey.Nanoseconds())/1000)})
	}
	table("Keys of a GetMany, all in Redis", rows)
	rows = [][]string{{"tags", "Set", "hit in Redis", "InvalidateTags of one"}}
	for _, o := range r.Tags {
		rows = append(rows, []string{strconv.Itoa(o.Tags), figures.Millis(o.Set), figures.Millis(o.Hit), figures.Millis(o.Invalidate)})
	}
	table("Tags of an entry", rows)
	table("Nodes: what one of them costs a second, at rest and while the fleet invalidates keys", r.nodes())
	if j := r.Journal; j.Deletes > 0 {
		fmt.Fprintf(&out, "\nJournal: %d deletes of distinct keys, %.0f a second: %.1f MB more heap, %.0f bytes a delete; 5 s later %.1f MB\n",
			j.Deletes, j.Rate, j.Heap/1e6, j.Each, j.After/1e6)
	}
	return out.String()
}

func (r result) nodes() [][]string {
	rows := [][]string{{"nodes", "commands to start", "source calls", "", "commands", "bytes to Redis", "from Redis", "CPU of a node", "CPU of Redis, all nodes", "hear the others", "by command"}}
	for _, f := range r.Nodes {
		for i, t := range []traffic{f.Rest, f.Write} {
			first := []string{strconv.Itoa(f.Nodes), fmt.Sprintf("%.1f", f.Start), strconv.Itoa(f.Sources), "at rest"}
			if i == 1 {
				first = []string{"", "", "", fmt.Sprintf("%.0f writes", t.Writes)}
			}
			var by []string
			for _, name := range slices.Sorted(maps.Keys(t.By)) {
				by = append(by, fmt.Sprintf("%s %.2f", name, t.By[name]))
			}
			rows = append(rows, append(first, fmt.Sprintf("%.2f", t.Commands), fmt.Sprintf("%.0f", t.In), fmt.Sprintf("%.0f", t.Out),
				fmt.Sprintf("%.3f %%", 100*t.ClientCPU), fmt.Sprintf("%.1f %%", 100*t.RedisCPU), fmt.Sprintf("%.0f %%", 100*t.Coherent), strings.Join(by, ", ")))
		}
	}
	return rows
}
