package tierprom_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v2"

	"github.com/warmcache/warmcache/extra/tierprom"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// ruleFile is the form of a Prometheus rules file, of which every field must be known.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// form is what the rules are kept to, so that this test can do what Prometheus would: one metric,
// compared with a number.
var form = regexp.MustCompile(`^(time\(\) - )?(increase\()?([a-z_]+)(\[\d+[smhd]\]\))? (>|<|==) (\d+(?:\.\d+)?)$`)

func readRules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || file.Groups[0].Name == "" {
		t.Fatalf("groups %+v, want one with a name", file.Groups)
	}
	return file.Groups[0].Rules
}

// fires reports whether a rule's expression holds for any metric that was scraped. Of a counter it
// takes all for the increase.
func fires(t *testing.T, r rule, scraped map[string]float64) bool {
	t.Helper()
	parts := form.FindStringSubmatch(r.Expr)
	if parts == nil {
		t.Fatalf("%s: expression %q is not of the form %v", r.Alert, r.Expr, form)
	}
	limit, err := strconv.ParseFloat(parts[6], 64)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range scraped {
		if metric, _, _ := strings.Cut(name, " "); metric != parts[3] {
			continue
		}
		if parts[1] != "" {
			value = float64(time.Now().Unix()) - value
		}
		if parts[5] == ">" && value > limit || parts[5] == "<" && value < limit || parts[5] == "==" && value == limit {
			return true
		}
	}
	return false
}

func firing(t *testing.T, scraped map[string]float64) []string {
	t.Helper()
	var names []string
	for _, r := range readRules(t) {
		if fires(t, r, scraped) {
			names = append(names, r.Alert)
		}
	}
	return names
}

func TestAlerts_are_whole(t *testing.T) {
	metrics := tierprom.New()
	cache := newCache(t, metrics, "brands", 3)
	e := newEngine(t, cache)
	if err := errors.Join(metrics.AddCaches(cache), metrics.SetEngine(e)); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), warm.Request{}); err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for name := range scrape(t, metrics) {
		metric, _, _ := strings.Cut(name, " ")
		known[metric] = true
	}
	known["tiercache_redis_available"], known["tiercache_coherent"] = true, true // TestCollector_shows_Redis sees them
	seen := make(map[string]bool)
	for _, r := range readRules(t) {
		parts := form.FindStringSubmatch(r.Expr)
		switch {
		case parts == nil:
			t.Errorf("%s: expression %q is not of the form %v", r.Alert, r.Expr, form)
		case !known[parts[3]]:
			t.Errorf("%s: there is no metric %q; there are %v", r.Alert, parts[3], slices.Sorted(maps.Keys(known)))
		}
		if r.For != "" {
			if _, err := time.ParseDuration(r.For); err != nil {
				t.Errorf("%s: for: %v", r.Alert, err)
			}
		}
		if r.Alert == "" || seen[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
			t.Errorf("rule %+v, want a name of its own, a severity and a summary", r)
		}
		seen[r.Alert] = true
	}
}

// A run of one task neither heals nor hides what a run of all tasks has shown, and one that had
// nothing to do is no alarm.
func TestAlerts_goByEachTasksOwnRun(t *testing.T) {
	metrics := tierprom.New()
	cache := newCache(t, metrics, "brands", 3)
	hot, err := tiercache.New(tiercache.Config[string, string]{
		Name: "learning", TTL: time.Hour, LearnHot: 10, Load: func(_ context.Context, key string) (string, error) { return key, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hot.Close() }) //nolint:errcheck // it has no error to tell
	e := newEngine(t, cache, hot)
	broken := func(context.Context) (int, error) { return 0, errSource }
	if err := errors.Join(e.AddFunc("nightly", broken, warm.TaskOptions{}), metrics.SetEngine(e)); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	for _, tasks := range [][]string{nil, {"brands_task"}, {"hot:learning"}} {
		if _, err := e.Run(t.Context(), warm.Request{Tasks: tasks}); err != nil {
			t.Fatal(err)
		}
		scraped := scrape(t, metrics)
		if diff := cmp.Diff([]string{"WarmupFailing"}, firing(t, scraped)); diff != "" {
			t.Errorf("alerts after a run of %q (-want +got):\n%s", tasks, diff)
		}
		check(t, scraped, map[string]float64{
			"tiercache_warm_cached_items":    3,
			"tiercache_warm_task_ok nightly": 0, "tiercache_warm_task_ok brands_task": 1, "tiercache_warm_task_ok hot:learning": 1,
			"tiercache_warm_task_items brands_task": 3, "tiercache_warm_task_items hot:learning": 0,
		})
	}
}

func TestAlerts_fire(t *testing.T) {
	for name, tt := range map[string]struct {
		items   int
		task    func(context.Context) (int, error)
		stopped bool
		want    []string
	}{
		"all is well":               {3, func(context.Context) (int, error) { return 1, nil }, false, nil},
		"half of the tasks fail":    {3, func(context.Context) (int, error) { return 0, errSource }, false, []string{"WarmupFailing"}},
		"nothing is cached":         {0, func(context.Context) (int, error) { return 0, nil }, false, []string{"WarmupCachedNothing"}},
		"the scheduler has stopped": {3, func(context.Context) (int, error) { return 1, nil }, true, []string{"WarmupSchedulerStopped"}},
	} {
		t.Run(name, func(t *testing.T) {
			metrics := tierprom.New()
			cache := newCache(t, metrics, "brands", tt.items)
			e := newEngine(t, cache)
			err := errors.Join(e.AddFunc("task", tt.task, warm.TaskOptions{}), metrics.AddCaches(cache), metrics.SetEngine(e))
			if err != nil {
				t.Fatal(err)
			}
			start(t, e)
			if _, err := e.Run(t.Context(), warm.Request{}); err != nil {
				t.Fatal(err)
			}
			if tt.stopped {
				if err := e.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tt.want, firing(t, scrape(t, metrics))); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
	limits := map[string]float64{
		"tiercache_warm_duration_seconds": 61, "tiercache_warm_task_ok task": 0, "tiercache_warm_cached_items": 0, "tiercache_scheduler_running": 0,
		"tiercache_warm_last_success_timestamp_seconds task": float64(time.Now().Add(-27 * time.Hour).Unix()),
		"tiercache_redis_available brands":                   0, "tiercache_coherent brands": 0, "tiercache_corrupt_records_total brands": 1,
	}
	if got := firing(t, limits); len(got) != len(readRules(t)) {
		t.Errorf("beyond all limits fire %v, want all", got)
	}
	limits = map[string]float64{
		"tiercache_warm_duration_seconds": 60, "tiercache_warm_task_ok task": 1, "tiercache_warm_cached_items": 1, "tiercache_scheduler_running": 1,
		"tiercache_warm_last_success_timestamp_seconds task": float64(time.Now().Add(-25 * time.Hour).Unix()),
		"tiercache_redis_available brands":                   1, "tiercache_coherent brands": 1, "tiercache_corrupt_records_total brands": 0,
	}
	if got := firing(t, limits); len(got) != 0 {
		t.Errorf("at the limits fire %v, want none", got)
	}
}
