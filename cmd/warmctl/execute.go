package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// execute runs tasks and shows their progress. In a service the run is the service's: to interrupt the command doesn't end it.
func execute(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "run", "[TASK...]", "run tasks in a running service, all without names")
	direct := f.Bool("direct", false, directUsage)
	admin := f.admin(t)
	var o order
	f.BoolVar(&o.Sequential, "sequential", false, "one task after the other")
	dry := f.Bool("dry-run", false, "only say what a run would do, cost and evict")
	var err error
	if o.Tasks, err = f.parse(args, 0, 1000); err != nil {
		return err
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
		by = c
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

// plan asks the service.
func (c *client) plan(ctx context.Context, o order) (p warm.Plan, err error) {
	err = c.read(ctx, request{method: http.MethodPost, path: "plan", body: o}, &p)
	return p, err
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

// follow starts a run, or joins one, hands its steps to show, and returns its record. It listens before it starts, so that it misses nothing.
func (c *client) follow(ctx context.Context, o order, show func(step)) (warm.RunStatus, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.send(ctx, request{method: http.MethodGet, path: "events"})
	if err != nil {
		return warm.RunStatus{}, err
	}
	defer stream.Body.Close() //nolint:errcheck // it was read
	var begun struct {
		RunID string `json:"run_id"`
	}
	if err := c.read(ctx, request{method: http.MethodPost, path: "execute", body: o}, &begun); err != nil {
		return warm.RunStatus{}, err
	}
	err = steps(stream.Body, func(s step) bool {
		if s.Run == begun.RunID {
			show(s)
		}
		return s.Run == begun.RunID && s.Type == warm.EventRunEnded
	})
	if err != nil && ctx.Err() != nil {
		return warm.RunStatus{}, fmt.Errorf("interrupted; run %s goes on in the service", begun.RunID)
	}
	return c.record(ctx, begun.RunID) // also where the stream broke off: the run is no worse for it
}

// steps reads server-sent events until one is the last.
func steps(body io.Reader, last func(step) bool) error {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var s step
		if err := json.Unmarshal([]byte(data), &s); err != nil {
			return err
		}
		if last(s) {
			return nil
		}
	}
	return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// record waits for the record of a run that is over, or nearly.
func (c *client) record(ctx context.Context, id string) (warm.RunStatus, error) {
	const pause = 300 * time.Millisecond
	for {
		var s warm.Status
		if err := c.get(ctx, "status", nil, &s); err != nil {
			return warm.RunStatus{}, err
		}
		for _, r := range s.Warmup.RecentRuns {
			if r.ID == id {
				return r, nil
			}
		}
		if s.Warmup.CurrentRun == nil && s.Warmup.QueuedRuns == 0 {
			return warm.RunStatus{}, fmt.Errorf("the service no longer knows run %s: it was restarted, or many runs came after", id)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return warm.RunStatus{}, fmt.Errorf("interrupted; run %s goes on in the service", id)
		}
	}
}

// progress shows the steps of a run: a bar that is redrawn where a person looks at it, else a line for each task that ends.
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
