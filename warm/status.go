package warm

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// Status is a snapshot of an engine for people and for machines. It marshals to the JSON of the
// status endpoint, to which fields are only ever added. It holds names, counts and times: no key,
// no value, and no error text of a loader, which may hold both; that is in the log and in History.
type Status struct {
	Warmup    WarmupStatus    `json:"warmup"`
	Scheduler SchedulerStatus `json:"scheduler"`
}

// WarmupStatus is the part of the runs.
type WarmupStatus struct {
	Running         bool     `json:"running"`
	RegisteredTasks []string `json:"registered_tasks"` // in the order of registration
	LastMetrics     *Metrics `json:"last_metrics"`     // of the last run of all tasks that was no dry run; nil before the first

	Enabled     bool          `json:"enabled"`
	Stopping    bool          `json:"stopping"`
	Ready       ReadyStatus   `json:"ready"`
	CurrentRun  *RunStatus    `json:"current_run"` // nil while none goes on
	QueuedRuns  int           `json:"queued_runs"`
	SkippedRuns uint64        `json:"skipped_runs"` // of the clock, since another run went on
	Tasks       []TaskSummary `json:"tasks"`        // in the order in which they run
	Abandoned   []string      `json:"abandoned"`    // tasks whose loader ignored the end of its context and still runs
	Lint        []Finding     `json:"lint"`
	RecentRuns  []RunStatus   `json:"recent_runs"` // the latest first, ten at most
}

// ReadyStatus is the state of the readiness gate.
type ReadyStatus struct {
	Ready      bool     `json:"ready"`
	TimedOut   bool     `json:"timed_out"` // it opened without all required tasks
	WaitingFor []string `json:"waiting_for"`
}

// Metrics sums up a run.
type Metrics struct {
	DurationSeconds float64 `json:"duration_seconds"`
	TotalTasks      int     `json:"total_tasks"`
	CompletedTasks  int     `json:"completed_tasks"` // those that are ok
	CachedItems     int     `json:"cached_items"`
	SuccessRate     float64 `json:"success_rate"` // 0 to 100
}

// MarshalJSON writes both numbers with a decimal point always, as their readers know them: 100.0.
func (m Metrics) MarshalJSON() ([]byte, error) {
	type bare Metrics // without this method
	return json.Marshal(struct {
		DurationSeconds decimal `json:"duration_seconds"`
		bare
		SuccessRate decimal `json:"success_rate"`
	}{decimal(m.DurationSeconds), bare(m), decimal(m.SuccessRate)})
}

// decimal is a float64 that marshals with a decimal point and six places at most.
type decimal float64

func (d decimal) MarshalJSON() ([]byte, error) {
	s := strconv.FormatFloat(math.Round(float64(d)*1e6)/1e6, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return []byte(s), nil
}

// Metrics sums up r.
func (r Run) Metrics() Metrics {
	return Metrics{
		DurationSeconds: r.Duration().Seconds(),
		TotalTasks:      len(r.Tasks),
		CompletedTasks:  r.Completed(),
		CachedItems:     r.Items(),
		SuccessRate:     r.SuccessRate(),
	}
}

// RunStatus is a Run without what must not be shown to everybody.
type RunStatus struct {
	ID         string          `json:"id"`
	Trigger    Trigger         `json:"trigger"`
	Started    time.Time       `json:"started"`
	Ended      *time.Time      `json:"ended"` // nil while it goes on
	Sequential bool            `json:"sequential"`
	DryRun     bool            `json:"dry_run"`
	Metrics    Metrics         `json:"metrics"`
	Tasks      []TaskRunStatus `json:"tasks"`
}

// TaskRunStatus is a TaskRun without what must not be shown to everybody.
type TaskRunStatus struct {
	Name            string     `json:"name"`
	Status          TaskStatus `json:"status"`
	Role            Role       `json:"role"`
	Attempts        int        `json:"attempts"`
	Items           int        `json:"items"` // of a running task: stored so far
	DurationSeconds decimal    `json:"duration_seconds"`
	Emitted         int        `json:"emitted"`
	Memory          int        `json:"memory"`
	Redis           int        `json:"redis"`
	SkippedFresh    int        `json:"skipped_fresh"`
	SkippedRoom     int        `json:"skipped_room"`
	Refused         int        `json:"refused"`
	Failed          int        `json:"failed"`
	TakenBack       int        `json:"taken_back,omitempty"` // written to Redis and ended there again, also after the run
	Reason          string     `json:"reason,omitempty"`     // why it is not ok, in the engine's words
	Warning         string     `json:"warning,omitempty"`
}

// Status returns r for display.
func (r Run) Status() RunStatus {
	s := RunStatus{
		ID: r.ID, Trigger: r.Trigger, Started: r.Started.UTC(), Sequential: r.Sequential, DryRun: r.DryRun,
		Metrics: r.Metrics(), Tasks: make([]TaskRunStatus, len(r.Tasks)),
	}
	if !r.Ended.IsZero() {
		at := r.Ended.UTC()
		s.Ended = &at
	}
	for i, t := range r.Tasks {
		s.Tasks[i] = t.display()
	}
	return s
}

func (t TaskRun) display() TaskRunStatus {
	s := TaskRunStatus{
		Name: t.Name, Status: t.Status, Role: t.Role, Attempts: t.Attempts, Items: t.Items,
		Emitted: t.Result.Emitted, Memory: t.Result.Memory, Redis: t.Result.Redis, SkippedFresh: t.Result.SkippedFresh,
		SkippedRoom: t.Result.SkippedRoom, Refused: t.Result.Refused, Failed: t.Result.Failed,
		TakenBack: t.Result.TakenBack, Reason: t.said().reason, Warning: t.Warning,
	}
	if !t.Ended.IsZero() {
		s.DurationSeconds = decimal(t.Ended.Sub(t.Started).Seconds())
	}
	return s
}

// TaskSummary is what is known of a task.
type TaskSummary struct {
	Name       string                `json:"name"`
	Cache      string                `json:"cache,omitempty"` // empty for a function
	Priority   int                   `json:"priority"`
	After      []string              `json:"after"`
	Required   bool                  `json:"required"`
	TTLSeconds decimal               `json:"ttl_seconds"` // 0 for a function
	Runs       map[TaskStatus]uint64 `json:"runs"`        // how many ended how
	LastRun    *TaskRunStatus        `json:"last_run"`    // nil before the first
	LastOK     *time.Time            `json:"last_ok"`     // when the last run that was ok began
	Refresh    *RefreshStatus        `json:"refresh"`     // nil for a task without RefreshAt
	Useful     uint64                `json:"useful"`      // warmed entries that were read since
	Value      *ValueStatus          `json:"value"`       // nil for a function
}

// RefreshStatus is when a task is to run before its entries expire.
type RefreshStatus struct {
	NextUTC *time.Time `json:"next_run_utc"` // nil while nothing is due
	Idle    bool       `json:"idle"`         // nothing of the task was read: it waits for its next ordinary run
}

// SchedulerStatus is the part of the schedule.
type SchedulerStatus struct {
	Running bool        `json:"running"`
	Tasks   []JobStatus `json:"tasks"`
}

// JobStatus is a job of the schedule.
type JobStatus struct {
	Name       string  `json:"name"`
	Type       string  `json:"type"`         // cron or interval
	NextRun    *string `json:"next_run"`     // local time without a zone; nil while none is due
	NextRunUTC *string `json:"next_run_utc"` // RFC 3339
	Timezone   string  `json:"timezone"`     // of next_run
}

const recentRuns = 10

// Status returns a snapshot. No field of it is shared with the engine.
func (e *Engine) Status() Status {
	lint := e.Lint()
	e.mu.Lock()
	tasks := slices.Clone(e.tasks)
	e.mu.Unlock()
	values := e.values(tasks)

	e.mu.Lock()
	defer e.mu.Unlock()
	w := WarmupStatus{
		Running: e.current != nil, RegisteredTasks: e.names(), Enabled: !e.cfg.Disabled, Stopping: e.stopping,
		Ready:      ReadyStatus{Ready: e.gate.open && !e.stopping, TimedOut: e.gate.timedOut, WaitingFor: append([]string{}, e.gate.waiting...)},
		QueuedRuns: len(e.queue), SkippedRuns: e.skipped, Lint: append([]Finding{}, lint...), Abandoned: append([]string{}, e.stray()...),
		RecentRuns: []RunStatus{},
	}
	if e.last != nil {
		m := e.last.Metrics()
		w.LastMetrics = &m
	}
	if e.current != nil {
		s := e.current.display()
		w.CurrentRun = &s
	}
	for _, r := range slices.Backward(e.history[max(0, len(e.history)-recentRuns):]) {
		w.RecentRuns = append(w.RecentRuns, r.Status())
	}
	order, err := e.order()
	if err != nil {
		order = e.tasks // Start and Run say what is wrong with it
	}
	w.Tasks = make([]TaskSummary, len(order))
	for i, t := range order {
		w.Tasks[i] = e.summary(t, values[t.name])
	}
	return Status{Warmup: w, Scheduler: e.schedulerStatus()}
}

// display is the record of a run that goes on, with how far its tasks have come.
func (r *running) display() RunStatus {
	s := r.run.Status()
	s.Metrics.DurationSeconds = time.Since(r.run.Started).Seconds()
	for i, t := range r.run.Tasks {
		if t.Status != TaskRunning {
			continue
		}
		s.Tasks[i].DurationSeconds = decimal(time.Since(t.Started).Seconds())
		if live := r.live[i]; live != nil {
			s.Tasks[i].Items = int(live.Load())
		}
	}
	return s
}

func (e *Engine) summary(t *task, value tiercache.WarmStats) TaskSummary {
	rec := e.records[t.name]
	s := TaskSummary{
		Name: t.name, Priority: t.opts.Priority, After: append([]string{}, t.opts.After...), Required: t.opts.Required,
		TTLSeconds: decimal(t.info.TTL.Seconds()), Runs: make(map[TaskStatus]uint64, len(rec.counts)), Useful: value.Useful,
		Cache: t.cache,
	}
	if t.target != nil {
		s.Value = valueStatus(value)
	}
	maps.Copy(s.Runs, rec.counts)
	if rec.lastRunID != "" {
		last := rec.last.display()
		s.LastRun = &last
	}
	if !rec.succeeded.IsZero() {
		at := rec.succeeded.UTC()
		s.LastOK = &at
	}
	if refreshPeriod(t) > 0 {
		s.Refresh = &RefreshStatus{Idle: rec.refresh.idle}
		if at := rec.refresh.due; !at.IsZero() {
			at = at.UTC()
			s.Refresh.NextUTC = &at
		}
	}
	return s
}

func (e *Engine) schedulerStatus() SchedulerStatus {
	s := SchedulerStatus{Running: e.started && !e.stopping && !e.cfg.Disabled && !e.cfg.SkipSchedule, Tasks: []JobStatus{}}
	for _, job := range e.scheduler.Jobs() {
		j := JobStatus{Name: job.Name, Type: job.Type, Timezone: zone(e.cfg.Location)}
		if !job.NextRun.IsZero() && !e.stopping {
			local := job.NextRun.In(e.cfg.Location).Format("2006-01-02T15:04:05")
			utc := job.NextRun.UTC().Format(time.RFC3339)
			j.NextRun, j.NextRunUTC = &local, &utc
		}
		s.Tasks = append(s.Tasks, j)
	}
	return s
}

// zone names a location; the name of time.Local is no zone that anybody could look up.
func zone(loc *time.Location) string {
	if loc == time.Local {
		abbreviation, _ := time.Now().Zone()
		return abbreviation
	}
	return loc.String()
}
