package tierprom_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/extra/tierprom"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errSource = errors.New("the source is down")

// newCache returns a cache in memory whose source has every key but "none" and "broken", with a
// warmup loader that emits n items.
func newCache(t *testing.T, metrics *tierprom.Collector, name string, n int) *tiercache.Cache[string, string] {
	t.Helper()
	c, err := tiercache.New(tiercache.Config[string, string]{
		Name: name, TTL: time.Hour, NegativeTTL: time.Hour, Observer: metrics,
		Load: func(_ context.Context, key string) (string, error) {
			switch key {
			case "none":
				return "", tiercache.ErrNotFound
			case "broken":
				return "", errSource
			}
			return key, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // it has no error to tell
	err = c.RegisterLoader(tiercache.Loader[string, string]{
		Name: name + "_task",
		Load: func(_ context.Context, emit func(string, string) error) error {
			for i := range n {
				if err := emit(strings.Repeat("x", i+1), "warm"); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newEngine(t *testing.T, targets ...warm.Target) *warm.Engine {
	t.Helper()
	e, err := warm.New(warm.Config{SkipStartup: true, Retries: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Add(targets...); err != nil {
		t.Fatal(err)
	}
	return e
}

func start(t *testing.T, e *warm.Engine) {
	t.Helper()
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// scrape gathers what a registry with these collectors shows, by name and labels; of a histogram,
// how much it has counted.
func scrape(t *testing.T, collectors ...prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			parts := []string{family.GetName()}
			for _, label := range m.GetLabel() {
				parts = append(parts, label.GetValue())
			}
			name := strings.Join(parts, " ")
			switch family.GetType() {
			case dto.MetricType_COUNTER:
				got[name] = m.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				got[name] = m.GetGauge().GetValue()
			default:
				got[name] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return got
}

// check compares some of what was scraped.
func check(t *testing.T, got, want map[string]float64) {
	t.Helper()
	some := maps.Clone(got)
	maps.DeleteFunc(some, func(name string, _ float64) bool { _, asked := want[name]; return !asked })
	if diff := cmp.Diff(want, some); diff != "" {
		t.Errorf("metrics (-want +got):\n%s\nof %v", diff, slices.Sorted(maps.Keys(got)))
	}
}

func TestCollector_counts_reads(t *testing.T) {
	metrics := tierprom.New()
	brands, users := newCache(t, metrics, "brands", 3), newCache(t, metrics, "users", 3)
	if err := metrics.AddCaches(brands, users); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a", "b", "a", "none", "none", "none"} {
		if _, err := brands.Get(t.Context(), key); err != nil && !errors.Is(err, tiercache.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if _, err := brands.Get(t.Context(), "broken"); !errors.Is(err, errSource) {
		t.Fatal(err)
	}
	if _, err := users.Get(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, metrics)
	check(t, got, map[string]float64{
		"tiercache_requests_total brands hit memory":   2,
		"tiercache_requests_total brands hit redis":    0,
		"tiercache_requests_total brands negative any": 2,
		"tiercache_requests_total brands stale any":    0,
		"tiercache_requests_total brands miss source":  4,
		"tiercache_requests_total users miss source":   1,
		"tiercache_loads_total brands ok":              3,
		"tiercache_loads_total brands error":           1,
		"tiercache_load_duration_seconds brands":       4,
		"tiercache_load_duration_seconds users":        1,
		"tiercache_entries users":                      1,
		"tiercache_evictions_total brands capacity":    0,
		"tiercache_evictions_total brands expired":     0,
		"tiercache_corrupt_records_total brands":       0,
	})
	for name := range got {
		if strings.HasPrefix(name, "tiercache_coherent") || strings.HasPrefix(name, "tiercache_redis_available") {
			t.Errorf("%s is there for a cache without Redis", name)
		}
	}
}

func TestCollector_shows_the_engine(t *testing.T) {
	metrics := tierprom.New()
	cache := newCache(t, metrics, "brands", 3)
	e := newEngine(t, cache)
	if err := e.AddFunc("fails", func(context.Context) (int, error) { return 0, errSource }, warm.TaskOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(metrics.AddCaches(cache), metrics.SetEngine(e)); err != nil {
		t.Fatal(err)
	}
	before := scrape(t, metrics)
	check(t, before, map[string]float64{
		"tiercache_scheduler_running":              0,
		"tiercache_warm_ready":                     0,
		"tiercache_warm_runs_total ok brands_task": 0,
		"tiercache_warm_runs_total failed fails":   0,
	})
	if _, found := before["tiercache_warm_duration_seconds"]; found {
		t.Error("there is a duration of a last run before the first")
	}
	start(t, e)
	began := time.Now()
	if _, err := e.Run(t.Context(), warm.Request{}); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Get(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	after := scrape(t, metrics)
	check(t, after, map[string]float64{
		"tiercache_scheduler_running":                1,
		"tiercache_warm_running":                     0,
		"tiercache_warm_ready":                       1,
		"tiercache_warm_cached_items":                3,
		"tiercache_warm_success_ratio":               0.5,
		"tiercache_warm_runs_total ok brands_task":   1,
		"tiercache_warm_runs_total failed fails":     1,
		"tiercache_warm_useful_total brands_task":    1,
		"tiercache_requests_total brands hit memory": 1,
	})
	at := time.UnixMicro(int64(after["tiercache_warm_last_success_timestamp_seconds brands_task"] * 1e6))
	if at.Before(began.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("the last success began at %v, want about %v", at, began)
	}
	if took := after["tiercache_warm_duration_seconds"]; took <= 0 || took > time.Since(began).Seconds() {
		t.Errorf("the run took %v s, want at most %v", took, time.Since(began))
	}
}

func TestCollector_names_follow_the_conventions(t *testing.T) {
	metrics := tierprom.New()
	cache := newCache(t, metrics, "brands", 1)
	e := newEngine(t, cache)
	if err := errors.Join(metrics.AddCaches(cache), metrics.SetEngine(e)); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.CollectAndLint(metrics)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestCollector_refuses(t *testing.T) {
	metrics := tierprom.New()
	one, same := newCache(t, metrics, "brands", 1), newCache(t, metrics, "brands", 1)
	other := newCache(t, metrics, "users", 1)
	for name, err := range map[string]error{
		"two caches of one name": metrics.AddCaches(one, same),
		"a nil cache":            metrics.AddCaches(other, nil),
		"a nil engine":           metrics.SetEngine(nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := scrape(t, metrics); len(got) != 0 {
		t.Errorf("caches were added in spite of the error: %v", got)
	}
	if err := errors.Join(metrics.AddCaches(one, other), metrics.SetEngine(newEngine(t))); err != nil {
		t.Error(err)
	}
	if err := metrics.AddCaches(one); err == nil || !strings.Contains(err.Error(), `"brands"`) {
		t.Errorf("a cache twice: %v, want an error that names it", err)
	}
	if err := metrics.SetEngine(newEngine(t)); err == nil {
		t.Error("a second engine: no error")
	}
}
