package main

import (
	"io"
	"strconv"

	"github.com/warmcache/warmcache/warm"
)

func printRun(w io.Writer, r warm.RunStatus) {
	rows := [][]string{{"TASK", "STATUS", "ROLE", "ITEMS", "MEMORY", "REDIS", "FRESH", "NO ROOM", "TOOK"}}
	for _, t := range r.Tasks {
		rows = append(rows, []string{
			shown(t.Name), string(t.Status), string(t.Role), strconv.Itoa(t.Items), strconv.Itoa(t.Memory), strconv.Itoa(t.Redis),
			strconv.Itoa(t.SkippedFresh), strconv.Itoa(t.SkippedRoom), seconds(float64(t.DurationSeconds)),
		})
	}
	table(w, rows)
	m := r.Metrics
	say(w, "\nrun %s: %d of %d tasks ok, %d items in %s\n", r.ID, m.CompletedTasks, m.TotalTasks, m.CachedItems, seconds(m.DurationSeconds))
	for _, t := range r.Tasks {
		if t.Reason != "" {
			say(w, "%s: %s\n", shown(t.Name), shown(t.Reason))
		}
	}
}

func printPlan(w io.Writer, p warm.Plan) {
	rows := [][]string{{"TASK", "CACHE", "STATUS", "ITEMS", "BYTES", "FRESH IN MEMORY", "IN REDIS", "TAKES", "NO ROOM", "SOURCE"}}
	for _, t := range p.Tasks {
		rows = append(rows, []string{
			shown(t.Name), orDash(t.Cache), string(t.Status), strconv.Itoa(t.Items), size(t.Bytes), strconv.Itoa(t.FreshMemory), strconv.Itoa(t.FreshRedis),
			strconv.FormatInt(t.Cost, 10), strconv.Itoa(t.NoRoom), seconds(float64(t.DurationSeconds)),
		})
	}
	table(w, rows)
	if len(p.Caches) > 0 {
		say(w, "\n")
		rows = [][]string{{"CACHE", "CAPACITY", "USED", "TAKES", "EVICTS"}}
		for _, c := range p.Caches {
			rows = append(rows, []string{
				c.Name, strconv.FormatInt(c.Capacity, 10), strconv.FormatInt(c.Used, 10), strconv.FormatInt(c.Takes, 10), strconv.FormatInt(c.Evicts, 10),
			})
		}
		table(w, rows)
	}
	for _, t := range p.Tasks {
		if t.Reason != "" {
			say(w, "\n%s: %s\n", shown(t.Name), shown(t.Reason))
		}
	}
	for _, f := range p.Findings {
		say(w, "\nlint: %s\n", shown(f.String()))
	}
}
