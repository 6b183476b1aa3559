package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMeasure runs everything for some moments: what must hold on any machine.
func TestMeasure(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Keys, cfg.Capacity, cfg.Primed, cfg.Warmed, cfg.Rate, cfg.Rates = 2000, 1000, 1000, 400, 100, []int{100}
	cfg.After, cfg.Cold, cfg.Apart = 2*time.Second, 2*time.Second, 100*time.Millisecond
	res, err := measure(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Events) != 3*len(arms()) || len(res.Cold) != len(arms()) {
		t.Fatalf("%d events and %d cold starts, want three and one for each arm", len(res.Events), len(res.Cold))
	}
	for _, o := range append(res.Events, res.Cold...) {
		if o.Before.Requests == 0 || len(o.After) != 1 || o.After[0].Requests == 0 || o.Last.Requests == 0 {
			t.Errorf("%s, %s: %+v, want requests before and after", o.Event, o.Arm, o)
		}
		if o.After[0].P50 > o.After[0].P95 || o.After[0].P95 > o.After[0].P99 {
			t.Errorf("%s, %s: %+v, percentiles must not fall", o.Event, o.Arm, o.After[0])
		}
		if o.Arm != "warming" && o.Ready > 100*time.Millisecond {
			t.Logf("%s, %s was ready only after %v: a busy machine", o.Event, o.Arm, o.Ready)
		}
		if lost := o.Event == "cold start" || o.Event == "both tiers flushed"; o.Arm == "warming" && lost && o.Ready == 0 {
			t.Errorf("%s: with warming the nodes took requests before they were warm", o.Event)
		}
	}
	path := filepath.Join(t.TempDir(), "deploy")
	if err := res.save(path); err != nil {
		t.Fatal(err)
	}
	for _, ending := range []string{".json", ".md", ".svg", ".png"} {
		if info, err := os.Stat(path + ending); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", ending, err)
		}
	}
	if text := res.String(); !strings.Contains(text, "rolling deploy") || !strings.Contains(text, "singleflight") {
		t.Errorf("the tables lack something:\n%s", text)
	}
}

// BenchmarkDeploy is the program for some moments: it shows that it runs, its figures mean nothing.
func BenchmarkDeploy(b *testing.B) {
	cfg := quick()
	cfg.Keys, cfg.Capacity, cfg.Primed, cfg.Warmed, cfg.Rate, cfg.Rates = 2000, 1000, 500, 400, 100, []int{100}
	cfg.Before, cfg.After, cfg.Cold, cfg.Apart = 200*time.Millisecond, time.Second, time.Second, 50*time.Millisecond
	for b.Loop() {
		res, err := measure(b, cfg)
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range append(res.Events, res.Cold...) {
			if o.After[0].Requests == 0 {
				b.Errorf("%s, %s: no requests after it", o.Event, o.Arm)
			}
		}
	}
}
