package main

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/bench/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// BenchmarkFirstRequest is the program with few starts and few reports: it shows that it runs, its
// figures mean nothing.
func BenchmarkFirstRequest(b *testing.B) {
	cfg := small()
	path := database(b, cfg)
	for b.Loop() {
		res, err := measure(b, cfg, path, func(int) {})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(figures.Percentile(res.column(off, latency), 0.5))/1e6, "off-p50-ms")
		b.ReportMetric(float64(figures.Percentile(res.column(atReady, latency), 0.5))/1e6, "ready-p50-ms")
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	cfg := small()
	res, err := measure(t, cfg, database(t, cfg), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(res.Outcomes), 3*cfg.Starts; got != want {
		t.Fatalf("%d outcomes, want %d", got, want)
	}
	for _, o := range res.Outcomes {
		// The request's own query, and the six of the five loaders.
		least, most := 1, 1
		if o.Arm != off {
			least, most = 6, 7
		}
		if o.Queries < least || o.Queries > most || o.Latency <= 0 || (o.Ready > 0) != (o.Arm == atReady) {
			t.Errorf("want %d to %d queries, a latency, and a ready delay where it was waited for: %+v", least, most, o)
		}
	}
	out := res.String()
	for _, want := range []string{"p50", "p95", "p99", "ready p99", "ratio", "seed 3", "2 starts", "2000 reports", string(atReady), string(atOnce)} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
}

func TestRatio(t *testing.T) {
	t.Parallel()
	res := result{Config: config{Seed: 1}}
	for i := range 50 {
		d := time.Duration(i+1) * time.Millisecond
		res.Outcomes = append(res.Outcomes, outcome{Arm: off, Latency: 10 * d}, outcome{Arm: atReady, Latency: d})
	}
	got := res.ratio(atReady, 0.5)
	if got.value != 0.1 || got.low > 0.1 || got.high < 0.1 || got.high-got.low > 0.01 {
		t.Errorf("ratio of pairs that all differ by ten: %v, want 0.1 and next to no interval", got)
	}
}

func small() config {
	return config{Starts: 2, Reports: 2000, Seed: 3, Source: source.Config{Median: time.Millisecond}.WithDefaults()}
}

func database(tb testing.TB, cfg config) string {
	tb.Helper()
	path, err := dataset.File(tb.Context(), tb.TempDir(), cfg.Reports, func(string) {})
	if err != nil {
		tb.Fatal(err)
	}
	return path
}
