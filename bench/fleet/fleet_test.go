package main

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/warm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func small() config {
	return config{Keys: 500, Alpha: 0.99, Capacities: []int64{1000, 200}, Restarts: 1, Slices: 1, Quiet: 50 * time.Millisecond, Rate: 500, Seed: 1}
}

// BenchmarkFleet is the program with few keys: it shows that it runs, its figures mean nothing.
func BenchmarkFleet(b *testing.B) {
	for b.Loop() {
		if _, err := measure(b, small()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	res, err := measure(t, small())
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Restarts) != 2 || len(res.Live) != 1 || res.Live[0].Hydrated != 500 {
		t.Fatalf("%+v, want two restarts and a pair of slices with 500 keys hydrated", res)
	}
	for _, r := range res.Restarts {
		if r.Role != warm.RoleFollower || r.Source != 0 || r.First == 0 || r.Ready <= 0 {
			t.Errorf("%+v, want a follower that asks nobody and answers from memory", r)
		}
	}
	if text := res.String(); !strings.Contains(text, "1000 entries") || !strings.Contains(text, "p99 during") {
		t.Errorf("the table lacks something:\n%s", text)
	}
}
