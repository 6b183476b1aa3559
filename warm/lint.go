package warm

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Check is a rule of the lint.
type Check string

// The rules of the lint.
const (
	CheckCoverage Check = "coverage"  // entries expire long before they are warmed again
	CheckTimeout  Check = "timeout"   // a task may take longer than the time to its next run
	CheckDuration Check = "duration"  // entries expire before a run of their task is over
	CheckMaxItems Check = "max_items" // the source has more rows than the loader may take
	CheckRoom     Check = "room"      // memory doesn't hold what the task warms
)

// Finding is something in the configuration, or in what runs have shown, that keeps a task from
// being of use.
type Finding struct {
	Task    string `json:"task"`
	Check   Check  `json:"check"`
	Message string `json:"message"`
}

// String is "task: message".
func (f Finding) String() string { return f.Task + ": " + f.Message }

func (f Finding) attrs() []any {
	return []any{slog.String("task", f.Task), slog.String("check", string(f.Check)), slog.String("finding", f.Message)}
}

// leastCoverage is the share of time that a task's entries should be warm.
const leastCoverage = 0.95

// Lint judges every task by the configuration and by the runs so far, in the order of registration;
// nil means that there is nothing to say. It is cheap enough to call at any time.
func (e *Engine) Lint() []Finding {
	if e.cfg.Disabled {
		return nil
	}
	rhythm := e.rhythm(time.Now())
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []Finding
	for _, t := range e.tasks {
		found = append(found, e.lintTask(t, rhythm)...)
	}
	return found
}

// lintTask judges one task. The caller holds e.mu.
func (e *Engine) lintTask(t *task, rhythm []time.Duration) (found []Finding) {
	say := func(check Check, format string, args ...any) {
		found = append(found, Finding{Task: t.name, Check: check, Message: fmt.Sprintf(format, args...)})
	}
	ttl, rec := t.info.TTL, e.records[t.name]
	gaps := rhythm
	if period := refreshPeriod(t); period > 0 {
		gaps = []time.Duration{period}
	}
	if covered := coverage(ttl, gaps); ttl > 0 && covered < leastCoverage {
		say(CheckCoverage, "%s", coldMessage(ttl, gaps, covered))
	}
	if timeout := e.timeout(t); len(gaps) > 0 && timeout > slices.Min(gaps) {
		say(CheckTimeout, "timeout %s, next run in %s: a slow run is still going when the next is due", short(timeout), short(slices.Min(gaps)))
	}
	if timeout := e.timeout(t); timeout > e.cfg.Timeout {
		say(CheckTimeout, "timeout %s, but a run is over after %s, and its tasks with it", short(timeout), short(e.cfg.Timeout))
	}
	if t.budget > 0 && int64(t.info.MaxItems) > t.budget {
		say(CheckRoom, "MaxItems %d, but memory takes %d entries of a warm-up at most", t.info.MaxItems, t.budget)
	}
	return append(found, lintRun(t, rec.last, p95(rec.durations))...)
}

// memoryBudget is the share of an empty cache that warm-ups may take, in entries at most; 0 where
// it is not known.
func memoryBudget(target Target) int64 {
	cache, ok := target.(sized)
	if !ok {
		return 0
	}
	capacity := cache.Stats().Capacity
	return capacity - capacity/5
}

// lintRun judges a task by what a run of it has shown; slow is what its runs take.
func lintRun(t *task, tr TaskRun, slow time.Duration) (found []Finding) {
	say := func(check Check, format string, args ...any) {
		found = append(found, Finding{Task: t.name, Check: check, Message: fmt.Sprintf(format, args...)})
	}
	if ttl := t.info.TTL; ttl > 0 && slow > ttl {
		say(CheckDuration, "TTL %s, but a run takes %s (p95): entries expire before it is over", short(ttl), short(slow))
	}
	res := tr.Result
	if tr.said().capped { // not a loader whose query is bounded by the same number
		say(CheckMaxItems, "MaxItems %d was reached: the query returns more", t.info.MaxItems)
	}
	if res.SkippedRoom > 0 {
		say(CheckRoom, "%d of %d items found no room in memory", res.SkippedRoom, res.Emitted)
	}
	return found
}

// rhythm returns the times between the next runs of the schedule, cron and interval together; nil
// where there is none.
func (e *Engine) rhythm(now time.Time) []time.Duration {
	if e.cfg.SkipSchedule {
		return nil
	}
	const most = 64 // two months of a nightly job
	var gaps []time.Duration
	from := now.In(e.cfg.Location)
	for at := range e.cfg.cron.All(from) {
		gap := at.Sub(from)
		if len(gaps) == most {
			break
		}
		gaps = append(gaps, gap)
		from = at
	}
	if len(gaps) > 1 {
		gaps = gaps[1:] // the first one is cut by now
	}
	if e.cfg.Interval > 0 {
		for i := range gaps {
			gaps[i] = min(gaps[i], e.cfg.Interval)
		}
		if len(gaps) == 0 {
			gaps = []time.Duration{e.cfg.Interval}
		}
	}
	return gaps
}

// coverage is the share of time that entries of this TTL are warm, if each gap begins with a run:
// min(1, TTL ÷ period) for equal gaps.
func coverage(ttl time.Duration, gaps []time.Duration) float64 {
	// A value without a TTL of its own is kept for 30 days: no schedule is expected to keep up with
	// that.
	if len(gaps) == 0 {
		if ttl >= 30*24*time.Hour {
			return 1
		}
		return 0
	}
	var warm, all float64
	for _, gap := range gaps {
		warm += min(ttl, gap).Seconds()
		all += gap.Seconds()
	}
	return warm / max(all, 1e-9)
}

func coldMessage(ttl time.Duration, gaps []time.Duration, covered float64) string {
	if len(gaps) == 0 {
		return fmt.Sprintf("TTL %s, and nothing runs it again: cold from then on", short(ttl))
	}
	return fmt.Sprintf("TTL %s, next run in %s: cold %.0f %% of the time", short(ttl), short(slices.Max(gaps)), 100*(1-covered))
}

// p95 of the durations by the nearest rank; 0 for none.
func p95(durations []time.Duration) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(durations), cmp.Compare[time.Duration])
	return sorted[(95*len(sorted)+99)/100-1]
}

// short is a duration without the zeros that time.Duration.String puts behind: 15m, 24h.
func short(d time.Duration) string {
	s := d.Round(time.Millisecond).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
