package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/warmcache/warmcache/warm"
)

// order is what the service is told to run.
type order struct {
	Tasks      []string `json:"tasks,omitempty"`
	Sequential bool     `json:"sequential,omitempty"`
}

// executor runs tasks: a service, or this process.
type executor interface {
	// plan says what a run would do.
	plan(ctx context.Context, o order) (warm.Plan, error)
	// follow runs the tasks, hands the steps to show, and returns the run's record.
	follow(ctx context.Context, o order, show func(step)) (warm.RunStatus, error)
}

// execute runs tasks and shows their progress. In a service the run is the service's: to interrupt
// the command doesn't end it.
func execute(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "run", "[TASK...]", "run tasks in a running service, all without names")
	direct := f.Bool("direct", false, directUsage)
	admin := f.admin(t)
	var o order
	f.BoolVar(&o.Sequential, "sequential", false, "one task after the other")
	wait := f.Duration("timeout", longestRun, "how long the service may take, 1s to 24h; a run goes on in the service")
	dry := f.Bool("dry-run", false, "only say what a run would do, cost and evict")
	var err error
	if o.Tasks, err = f.parse(args, 0, 1000); err != nil {
		return err
	}
	if *wait < time.Second || *wait > 24*time.Hour {
		return usageError{fmt.Sprintf("-timeout %v: want 1s to 24h", *wait)}
	}
	var by executor
	if *direct {
		h, err := openHere(ctx, t)
		if err != nil {
			return err
		}
		defer h.close(ctx) //nolint:errcheck // what it was to do is done
		by = h
	} else {
		c, err := admin()
		if err != nil {
			return err
		}
		defer c.close()
		by = &runner{c, *wait}
	}
	if *dry {
		return showPlan(ctx, t, f, by, o)
	}
	show := progress(t)
	if *f.json {
		show = func(step) {}
	}
	run, err := by.follow(ctx, o, show)
	if err != nil {
		return err
	}
	if *f.json {
		err = printJSON(t.out, run)
	} else {
		printRun(t.out, run)
	}
	if err == nil && run.Metrics.CompletedTasks < run.Metrics.TotalTasks {
		err = errFound
	}
	return err
}

func showPlan(ctx context.Context, t terminal, f flags, by executor, o order) error {
	p, err := by.plan(ctx, o)
	if err != nil {
		return err
	}
	if *f.json {
		return printJSON(t.out, p)
	}
	printPlan(t.out, p)
	return nil
}

// step is an event of a run, as the service streams it.
type step struct {
	Type            warm.EventKind  `json:"type"`
	Run             string          `json:"run"`
	Task            string          `json:"task"`
	Status          warm.TaskStatus `json:"status"`
	Items           int             `json:"items"`
	DurationSeconds float64         `json:"duration_seconds"`
	Reason          string          `json:"reason"`
	Total           int             `json:"total"`
}

// progress shows the steps of a run: a bar that is redrawn where a person looks at it, else a line
// for each task that ends.
func progress(t terminal) func(step) {
	ended, running := 0, map[string]bool{}
	return func(s step) {
		switch s.Type {
		case warm.EventTaskStarted:
			running[s.Task] = true
		case warm.EventTaskEnded:
			ended++
			delete(running, s.Task)
		case warm.EventRunStarted, warm.EventRunSkipped, warm.EventRunEnded:
		}
		switch {
		case t.live:
			say(t.out, "\r\x1b[K%s", bar(ended, s.Total, running))
			if s.Type == warm.EventRunEnded {
				say(t.out, "\r\x1b[K")
			}
		case s.Type == warm.EventTaskEnded:
			say(t.out, "%s %s: %d items in %s (%d of %d tasks over)\n", shown(s.Task), s.Status, s.Items, seconds(s.DurationSeconds), ended, s.Total)
		}
	}
}

// bar is a line such as "[##########----------] 2 of 4 tasks: user_stats".
func bar(ended, total int, running map[string]bool) string {
	const width = 30
	full := width * ended / max(total, 1)
	names := make([]string, 0, len(running))
	for name := range running {
		names = append(names, shown(name))
	}
	line := fmt.Sprintf("[%s%s] %d of %d tasks", strings.Repeat("#", full), strings.Repeat("-", width-full), ended, total)
	if len(names) == 1 {
		return line + ": " + names[0]
	}
	if len(names) > 1 {
		return fmt.Sprintf("%s: %d at work", line, len(names))
	}
	return line
}
