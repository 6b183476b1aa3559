package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkHitrate is all arms for an hour, in processes of this test's binary as the program has
// them: it shows that it runs, its figures mean nothing.
func BenchmarkHitrate(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	folder := b.TempDir()
	fs := &files{folder: filepath.Join(folder, "worker"), open: make(map[int]*file)}
	cfg := small(b, fs)
	cfg.Hours, cfg.Seeds = 1, 1
	nothing := func(int, int, job, outcome) error { return nil }
	for b.Loop() {
		r := &results{Config: cfg, ConfigHash: "none"}
		run := workers(self, filepath.Join(folder, "worker"), 2, nil, nothing)
		if err := r.measure(func(jobs []job) ([]outcome, error) { return run(b.Context(), jobs) }, nil); err != nil {
			b.Fatal(err)
		}
		for _, a := range arms() {
			if fresh := r.Arms[a.Name].Fresh; fresh > r.Arms["oracle"].Fresh {
				b.Errorf("%s has more fresh hits than the oracle: %.4f, %.4f", a.Name, fresh, r.Arms["oracle"].Fresh)
			}
		}
		if none, placebo := r.Arms["none"].Fresh, r.Arms["placebo"].Fresh; math.Abs(placebo-none) > 0.05 {
			b.Errorf("random keys give %.4f, want what none gives, %.4f", placebo, none)
		}
	}
}
