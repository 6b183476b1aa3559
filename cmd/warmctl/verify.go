package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/schedule"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// report is what verify found.
type report struct {
	OK       bool      `json:"ok"`
	Checks   []check   `json:"checks"`
	Findings []finding `json:"findings"`
	Jobs     []job     `json:"jobs"`
	Plan     warm.Plan `json:"plan"` // of a run of all tasks
}

// check is one thing that was looked at.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// finding is something that is not as it should be.
type finding struct {
	Check   string `json:"check"`
	Message string `json:"message"`
}

// job is a job of the schedule with its next fire times.
type job struct {
	Name        string      `json:"name"`
	Type        string      `json:"type"`
	Description string      `json:"description"`
	Timezone    string      `json:"timezone"`
	Next        []time.Time `json:"next"`
}

// verify checks a service's configuration where the service would run: with its environment. It
// writes nothing, to neither Redis nor the database.
func verify(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "verify", "", "check configuration, Redis (REDIS_URL), database (DATABASE_URL), tasks and schedule; nothing is written")
	n := f.Int("n", 3, "how many fire times of a job are shown, 1 to 100")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *n < 1 || *n > 100 {
		return usageError{fmt.Sprintf("-n %d: want 1 to 100", *n)}
	}
	r := report{
		Findings: []finding{}, Jobs: []job{},
		Plan: warm.Plan{Tasks: []warm.TaskPlan{}, Caches: []warm.CachePlan{}, Findings: []warm.Finding{}},
	}
	if err := r.all(ctx, t, *n); err != nil {
		return err
	}
	r.OK = len(r.Findings) == 0
	if *f.json {
		if err := printJSON(t.out, r); err != nil {
			return err
		}
	} else {
		r.print(t.out)
	}
	if !r.OK {
		return errFound
	}
	return nil
}

func (r *report) all(ctx context.Context, t terminal, times int) error {
	warmCfg, err := loaders.WarmConfigFromEnv()
	configured := r.note("configuration", "of runs and schedule", err)
	loaderCfg, err := loaders.ConfigFromEnv()
	configured = r.note("configuration", "of loaders", err) && configured
	if configured {
		r.jobs(warmCfg, times)
	}
	var shared *tiercache.Redis
	if text := t.env("REDIS_URL"); text == "" {
		r.note("redis", "REDIS_URL is not set: memory only", nil)
	} else if tier, err := openRedis(ctx, text, t.hide); err != nil {
		r.note("redis", "", err)
	} else {
		defer tier.close() //nolint:errcheck // it was only read
		r.note("redis", tier.name, nil)
		shared = tier.Redis
	}
	db, name, err := openDatabase(ctx, t.env("DATABASE_URL"), t.hide)
	if !r.note("database", name, err) {
		return ctx.Err()
	}
	defer db.Close() //nolint:errcheck // it was only read
	if !configured {
		return ctx.Err()
	}
	loaderCfg.Logger = slog.New(slog.DiscardHandler)
	caches, err := loaders.Open(ctx, db, shared, loaderCfg)
	if !r.note("loaders", "five caches over the database's schema", t.hide.error(err)) {
		return ctx.Err()
	}
	defer caches.Close() //nolint:errcheck // nothing is in them
	r.tasks(ctx, warmCfg, caches.Targets(), t.hide)
	return ctx.Err()
}

// tasks judges the registered tasks, and makes a dry run of them.
func (r *report) tasks(ctx context.Context, cfg warm.Config, targets []warm.Target, hide redaction) {
	cfg.Logger = slog.New(slog.DiscardHandler)
	disabled := cfg.Disabled
	cfg.Disabled = false // what would be wrong once it is enabled is worth knowing
	engine, err := warm.New(cfg)
	if err == nil {
		err = engine.Add(targets...)
	}
	if err != nil {
		r.note("tasks", "", err)
		return
	}
	defer engine.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // it runs nothing any more
	detail := strings.Join(engine.Status().Warmup.RegisteredTasks, ", ")
	if disabled {
		detail += " (CACHE_WARMUP_ENABLED is false: none of them runs)"
	}
	found := engine.Lint()
	r.Plan, err = engine.Plan(ctx, warm.Request{})
	if !r.note("tasks", detail, err) {
		return
	}
	found = append(found, r.Plan.Findings...)
	r.dryRun(engine.History(), hide)
	r.note("lint", fmt.Sprintf("%d findings", len(found)), nil)
	for _, f := range found {
		r.find("lint", f.String())
	}
}

// dryRun says what the loaders' own errors were: who may see the database may see them.
func (r *report) dryRun(history []warm.Run, hide redaction) {
	detail := fmt.Sprintf("%d items", r.items())
	r.note("dry run", detail, nil)
	if len(history) == 0 {
		return
	}
	for _, task := range history[len(history)-1].Tasks {
		if task.Err != nil && task.Status != warm.TaskSkipped {
			r.find("dry run", fmt.Sprintf("%s: %s: %v", task.Name, task.Status, hide.error(task.Err)))
		}
	}
}

func (r *report) items() (n int) {
	for _, t := range r.Plan.Tasks {
		n += t.Items
	}
	return n
}

// note records a check, with each line of its error as a finding, and reports whether all is well.
func (r *report) note(name, detail string, err error) bool {
	r.Checks = append(r.Checks, check{Name: name, OK: true, Detail: detail})
	if err == nil {
		return true
	}
	for line := range strings.Lines(err.Error()) {
		r.find(name, strings.TrimRight(line, "\n"))
	}
	return false
}

// find records a finding of the check that was noted last under this name.
func (r *report) find(name, message string) {
	for i := range slices.Backward(r.Checks) {
		if r.Checks[i].Name == name {
			r.Checks[i].OK = false
			break
		}
	}
	r.Findings = append(r.Findings, finding{name, message})
}

// The defaults of warm.Config, which an environment without the variables leaves to it.
const (
	defaultSchedule = "0 3 * * *"
	defaultInterval = time.Hour
)

// jobs lists the jobs of the schedule.
func (r *report) jobs(cfg warm.Config, times int) {
	if cfg.SkipSchedule {
		r.note("schedule", "SCHEDULED_WARMUP_ENABLED is false: nothing runs by the clock", nil)
		return
	}
	loc := cmp.Or(cfg.Location, time.Local)
	cron, err := schedule.Parse(cmp.Or(cfg.Schedule, defaultSchedule), schedule.In(loc))
	if !r.note("schedule", "", err) {
		return
	}
	now := time.Now().In(cmp.Or(cron.Location(), loc))
	daily := job{Name: "daily_cache_warmup", Type: "cron", Description: cron.Describe(), Timezone: now.Location().String()}
	for at := range cron.All(now) {
		if daily.Next = append(daily.Next, at); len(daily.Next) == times {
			break
		}
	}
	r.Jobs = append(r.Jobs, daily)
	if every := cmp.Or(cfg.Interval, defaultInterval); every > 0 {
		interval := job{Name: "interval_cache_warmup", Type: "interval", Description: "every " + span(every) + " from the start on", Timezone: loc.String()}
		for i := range times {
			interval.Next = append(interval.Next, now.Add(time.Duration(i+1)*every).Truncate(time.Second))
		}
		r.Jobs = append(r.Jobs, interval)
	}
	r.Checks[len(r.Checks)-1].Detail = fmt.Sprintf("%d jobs", len(r.Jobs))
}

func (r *report) print(w io.Writer) {
	var rows [][]string
	for _, c := range r.Checks {
		verdict := "ok"
		if !c.OK {
			verdict = "FOUND"
		}
		rows = append(rows, []string{verdict, c.Name, shown(orDash(c.Detail))})
	}
	table(w, rows)
	if len(r.Plan.Tasks) > 0 {
		say(w, "\nA run of all tasks would do this:\n")
		plan := r.Plan
		plan.Findings = nil // they stand below
		printPlan(w, plan)
	}
	for _, j := range r.Jobs {
		say(w, "\n%s (%s): %s\n", j.Name, j.Timezone, j.Description)
		for _, at := range j.Next {
			say(w, "  %s   in %s\n", at.Format("Mon 2006-01-02 15:04:05 -07:00"), span(time.Until(at)))
		}
	}
	say(w, "\n")
	for _, f := range r.Findings {
		say(w, "%s: %s\n", f.Check, shown(f.Message))
	}
	if len(r.Findings) == 0 {
		say(w, "No findings.\n")
	}
}
