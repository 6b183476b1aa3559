package main

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// BenchmarkWarmRun is the program with few runs and few reports: it shows that it runs, its figures
// mean nothing.
func BenchmarkWarmRun(b *testing.B) {
	cfg := small()
	files := databases(b, cfg)
	for b.Loop() {
		if _, err := measure(b, cfg, files); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	cfg := small()
	res, err := measure(t, cfg, databases(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Runs) != 2 || len(res.Starts) != 2 {
		t.Fatalf("%d runs and %d starts, want 2 of each", len(res.Runs), len(res.Starts))
	}
	for _, w := range res.Runs {
		if w.Items != 192 || w.Success != 100 || w.Took <= 0 || (w.Queries == 6) != (w.Source == slow) {
			t.Errorf("want 192 items, success 100, and six queries where they are counted: %+v", w)
		}
	}
	if first, second := res.Starts[0], res.Starts[1]; first.WarmRedis || !second.WarmRedis || second.Cache == "source" || second.Answered < second.Listening {
		t.Errorf("want a start beside an empty Redis and one beside a warm one: %+v", res.Starts)
	}
	for _, want := range []string{"target: under 30s", "target: answers within 1s", "met", plain, slow, "192", "100.0 %"} {
		if !strings.Contains(res.String(), want) {
			t.Errorf("the tables lack %q:\n%s", want, res)
		}
	}
}

func small() config {
	return config{Runs: 1, Starts: 1, Reports: 2000, Demo: 2000, Source: source.Config{Median: time.Millisecond}.WithDefaults()}
}

func databases(tb testing.TB, cfg config) map[int]string {
	tb.Helper()
	path, err := dataset.File(tb.Context(), tb.TempDir(), cfg.Reports, func(string) {})
	if err != nil {
		tb.Fatal(err)
	}
	return map[int]string{cfg.Reports: path}
}
