package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/warmcache/warmcache/warm"
)

// status shows a running service's warm-up.
func status(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "status", "", "a running service's warm-up")
	direct := f.Bool("direct", false, directUsage)
	admin := f.admin(t)
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *direct {
		return statusHere(ctx, t, f)
	}
	c, err := admin()
	if err != nil {
		return err
	}
	defer c.close()
	var raw json.RawMessage // -json passes on what a newer service says
	if err := c.get(ctx, "status", nil, &raw); err != nil {
		return err
	}
	if *f.json {
		return printJSON(t.out, raw)
	}
	var s warm.Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("the status of %s is not understood: %w", c.at, err)
	}
	printStatus(t.out, s)
	return nil
}

// statusHere shows what is configured; no run of another process is known here.
func statusHere(ctx context.Context, t terminal, f flags) error {
	h, err := openHere(ctx, t)
	if err != nil {
		return err
	}
	defer h.close(ctx) //nolint:errcheck // it was only read
	if *f.json {
		return printJSON(t.out, h.engine.Status())
	}
	printStatus(t.out, h.engine.Status())
	return nil
}

func printStatus(w io.Writer, s warm.Status) {
	say(w, "warm-up    %s\n", state(s.Warmup))
	if m := s.Warmup.LastMetrics; m != nil {
		say(w, "last run   %d of %d tasks ok, %d items in %s\n", m.CompletedTasks, m.TotalTasks, m.CachedItems, seconds(m.DurationSeconds))
	}
	scheduler := "off"
	if s.Scheduler.Running {
		scheduler = "on"
	}
	say(w, "scheduler  %s\n\n", scheduler)

	rows := [][]string{{"TASK", "CACHE", "LAST", "ROLE", "ITEMS", "TOOK", "USEFUL", "NEXT"}}
	for _, task := range s.Warmup.Tasks {
		row := []string{shown(task.Name), orDash(task.Cache), "-", "-", "-", "-", strconv.FormatUint(task.Useful, 10), refresh(task.Refresh)}
		if last := task.LastRun; last != nil {
			row[2], row[3], row[4], row[5] = string(last.Status), string(last.Role), strconv.Itoa(last.Items), seconds(float64(last.DurationSeconds))
		}
		rows = append(rows, row)
	}
	table(w, rows)
	if len(s.Scheduler.Tasks) > 0 {
		say(w, "\n")
		rows = [][]string{{"JOB", "TYPE", "NEXT", "ZONE"}}
		for _, job := range s.Scheduler.Tasks {
			at := "-"
			if job.NextRun != nil {
				at = *job.NextRun
			}
			rows = append(rows, []string{shown(job.Name), job.Type, at, job.Timezone})
		}
		table(w, rows)
	}
	for _, task := range s.Warmup.Tasks {
		if last := task.LastRun; last != nil && last.Reason != "" {
			say(w, "\n%s: %s: %s\n", shown(task.Name), last.Status, shown(last.Reason))
		}
	}
	for _, finding := range s.Warmup.Lint {
		say(w, "\nlint: %s\n", shown(finding.String()))
	}
}

func state(w warm.WarmupStatus) string {
	var words []string
	switch {
	case !w.Enabled:
		return "disabled"
	case w.Stopping:
		words = append(words, "stopping")
	case w.Ready.Ready && w.Ready.TimedOut:
		words = append(words, "ready, but without "+strings.Join(w.Ready.WaitingFor, ", "))
	case w.Ready.Ready:
		words = append(words, "ready")
	default:
		words = append(words, notReady(w.Ready.WaitingFor))
	}
	if r := w.CurrentRun; r != nil {
		words = append(words, fmt.Sprintf("run %s goes on (%d of %d tasks ok)", r.ID, r.Metrics.CompletedTasks, r.Metrics.TotalTasks))
	}
	if len(w.Abandoned) > 0 {
		words = append(words, "abandoned: "+strings.Join(w.Abandoned, ", "))
	}
	return strings.Join(words, "; ")
}

// notReady says what is waited for; nothing but the start is where the engine was never started, as
// with -direct.
func notReady(tasks []string) string {
	if len(tasks) == 0 {
		return "not ready, waits for the start"
	}
	return "not ready, waits for " + strings.Join(tasks, ", ")
}

func refresh(r *warm.RefreshStatus) string {
	switch {
	case r == nil:
		return "-"
	case r.Idle:
		return "idle"
	case r.NextUTC == nil:
		return "-"
	default:
		return "in " + span(max(0, time.Until(*r.NextUTC)))
	}
}
