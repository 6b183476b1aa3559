package tierprom

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// metric is a family of metrics: read emits what S says of it, with the values of its labels in
// their order.
type metric[S any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(s S, emit func(value float64, labels ...string))
}

func counter[S any](name, help string, labels []string, read func(S, func(float64, ...string))) metric[S] {
	return metric[S]{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, read}
}

func gauge[S any](name, help string, labels []string, read func(S, func(float64, ...string))) metric[S] {
	return metric[S]{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, read}
}

func describe[S any](ch chan<- *prometheus.Desc, metrics []metric[S]) {
	for _, m := range metrics {
		ch <- m.desc
	}
}

// collect sends what s says; the values of labels that all metrics have come first.
func collect[S any](ch chan<- prometheus.Metric, metrics []metric[S], s S, labels ...string) {
	for _, m := range metrics {
		m.read(s, func(value float64, more ...string) {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, value, append(slices.Clip(labels), more...)...)
		})
	}
}

// one is the read of a family that has a single metric a cache.
func one(value func(tiercache.Stats) float64) func(tiercache.Stats, func(float64, ...string)) {
	return func(s tiercache.Stats, emit func(float64, ...string)) { emit(value(s)) }
}

// truth is 1 for what holds.
type truth bool

func (t truth) float() float64 {
	if t {
		return 1
	}
	return 0
}

// cacheMetrics are the families of one cache; the label cache comes first.
func cacheMetrics() []metric[tiercache.Stats] {
	label := []string{"cache"}
	return []metric[tiercache.Stats]{
		counter("tiercache_requests_total", "Reads, each counted once: by the tier that answered, and how. Stale and negative answers come from either tier.",
			[]string{"cache", "tier", "result"}, func(s tiercache.Stats, emit func(float64, ...string)) {
				emit(float64(s.MemoryHits), "memory", "hit")
				emit(float64(s.RedisHits), "redis", "hit")
				emit(float64(s.StaleHits), "any", "stale")
				emit(float64(s.NegativeHits), "any", "negative")
				emit(float64(s.Misses), "source", "miss")
			}),
		counter("tiercache_loads_total", "Loads from the source, by key. Not found is ok: the source has answered.",
			[]string{"cache", "result"}, func(s tiercache.Stats, emit func(float64, ...string)) {
				failed := min(s.LoadErrors, s.Loads) // both are read while loads go on
				emit(float64(s.Loads-failed), "ok")
				emit(float64(failed), "error")
			}),
		counter("tiercache_joined_total", "Reads that waited for a load that another read had begun.", label,
			one(func(s tiercache.Stats) float64 { return float64(s.Joined) })),
		counter("tiercache_evictions_total", "Entries that left memory, or were not admitted.",
			[]string{"cache", "reason"}, func(s tiercache.Stats, emit func(float64, ...string)) {
				emit(float64(s.Evictions), "capacity")
				emit(float64(s.Expirations), "expired")
			}),
		counter("tiercache_corrupt_records_total", "Records in Redis that could not be read; each is a miss.", label,
			one(func(s tiercache.Stats) float64 { return float64(s.Corrupt) })),
		counter("tiercache_redis_errors_total", "Failed operations on Redis.", label,
			one(func(s tiercache.Stats) float64 { return float64(s.RedisErrors) })),
		gauge("tiercache_entries", "Entries in memory.", label,
			one(func(s tiercache.Stats) float64 { return float64(s.Entries) })),
		gauge("tiercache_cost", "What the entries in memory cost, in units of the capacity.", label,
			one(func(s tiercache.Stats) float64 { return float64(s.Cost) })),
		gauge("tiercache_capacity", "The most that the entries in memory may cost.", label,
			one(func(s tiercache.Stats) float64 { return float64(s.Capacity) })),
		gauge("tiercache_coherent", "1 while invalidations of other nodes are heard. Not there without Redis.", label,
			func(s tiercache.Stats, emit func(float64, ...string)) {
				if s.Breaker != "" {
					emit(truth(s.Coherent).float())
				}
			}),
		gauge("tiercache_redis_available", "1 unless the breaker keeps operations from Redis. Not there without Redis.", label,
			func(s tiercache.Stats, emit func(float64, ...string)) {
				if s.Breaker != "" {
					emit(truth(s.Breaker != tiercache.BreakerOpen).float())
				}
			}),
		gauge("tiercache_pending_invalidations", "Invalidations that Redis has yet to hear of.", label,
			one(func(s tiercache.Stats) float64 { return float64(s.Pending) })),
	}
}

// last emits a figure of the last warm-up of all tasks, if there was one.
func last(value func(warm.Metrics) float64) func(warm.Status, func(float64, ...string)) {
	return func(s warm.Status, emit func(float64, ...string)) {
		if m := s.Warmup.LastMetrics; m != nil {
			emit(value(*m))
		}
	}
}

// each emits a figure of each task's last run.
func each(value func(warm.TaskRunStatus) float64) func(warm.Status, func(float64, ...string)) {
	return func(s warm.Status, emit func(float64, ...string)) {
		for _, t := range s.Warmup.Tasks {
			if t.LastRun != nil {
				emit(value(*t.LastRun), t.Name)
			}
		}
	}
}

// engineMetrics are the families of an engine. Before the first run there are no figures of a last
// one.
func engineMetrics() []metric[warm.Status] {
	return []metric[warm.Status]{
		gauge("tiercache_warm_task_ok", "1 if the last run of a task was ok.",
			[]string{"task"}, each(func(t warm.TaskRunStatus) float64 { return truth(t.Status == warm.TaskOK).float() })),
		gauge("tiercache_warm_task_items", "How many items the last run of a task cached.",
			[]string{"task"}, each(func(t warm.TaskRunStatus) float64 { return float64(t.Items) })),
		gauge("tiercache_warm_task_duration_seconds", "How long the last run of a task took.",
			[]string{"task"}, each(func(t warm.TaskRunStatus) float64 { return float64(t.DurationSeconds) })),
		gauge("tiercache_warm_task_taken_back", "How many entries of the last run of a task were taken back from Redis.",
			[]string{"task"}, each(func(t warm.TaskRunStatus) float64 { return float64(t.TakenBack) })),
		counter("tiercache_warm_runs_total", "Ended runs of warmup tasks, by how they ended.",
			[]string{"task", "result"}, func(s warm.Status, emit func(float64, ...string)) {
				for _, t := range s.Warmup.Tasks {
					// All from zero on: increase() does not see a counter's first value.
					for _, result := range []warm.TaskStatus{
						warm.TaskOK, warm.TaskPartial, warm.TaskFailed, warm.TaskSkipped, warm.TaskCancelled, warm.TaskAbandoned,
					} {
						emit(float64(t.Runs[result]), t.Name, string(result))
					}
				}
			}),
		gauge("tiercache_warm_last_success_timestamp_seconds", "When the last run of a task that was ok began.",
			[]string{"task"}, func(s warm.Status, emit func(float64, ...string)) {
				for _, t := range s.Warmup.Tasks {
					if t.LastOK != nil {
						emit(float64(t.LastOK.UnixMicro())/float64(time.Second/time.Microsecond), t.Name)
					}
				}
			}),
		counter("tiercache_warm_useful_total", "Warmed entries that were read since.",
			[]string{"task"}, func(s warm.Status, emit func(float64, ...string)) {
				for _, t := range s.Warmup.Tasks {
					if t.Cache != "" {
						emit(float64(t.Useful), t.Name)
					}
				}
			}),
		gauge("tiercache_warm_duration_seconds", "How long the last warm-up of all tasks took.", nil,
			last(func(m warm.Metrics) float64 { return m.DurationSeconds })),
		gauge("tiercache_warm_success_ratio", "The share of tasks that were ok in the last warm-up of all, from 0 to 1.", nil,
			last(func(m warm.Metrics) float64 { return m.SuccessRate / 100 })),
		gauge("tiercache_warm_cached_items", "How many items the last warm-up of all tasks cached.", nil,
			last(func(m warm.Metrics) float64 { return float64(m.CachedItems) })),
		gauge("tiercache_warm_running", "1 while a warm-up goes on.", nil,
			func(s warm.Status, emit func(float64, ...string)) { emit(truth(s.Warmup.Running).float()) }),
		gauge("tiercache_warm_ready", "1 once the required tasks are done, or were waited for long enough.", nil,
			func(s warm.Status, emit func(float64, ...string)) { emit(truth(s.Warmup.Ready.Ready).float()) }),
		gauge("tiercache_scheduler_running", "1 while the schedule runs.", nil,
			func(s warm.Status, emit func(float64, ...string)) { emit(truth(s.Scheduler.Running).float()) }),
	}
}
