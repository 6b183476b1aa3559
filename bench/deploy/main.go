// Command deploy measures what users see while a fleet is deployed, restarted or has lost both its
// tiers, with warming and without, and beside what is done elsewhere: a plain two-tier cache, and
// the same with singleflight.
//
//	go run ./bench/deploy         # some 7 minutes
//	go run ./bench/deploy -quick  # 25 seconds; its figures mean little
//
// Real time, a real Redis for each arm, and a source of ten connections with lognormal service
// times (median 40 ms, σ 0.8), which can serve some 180 queries a second. Requests come at their
// own times (Poisson), whether earlier ones are answered or not; latency counts from then. All arms
// run at the same time, each with a fleet, a Redis and a source of its own, on the same requests.
// It needs redis-server on PATH, and writes bench/results/deploy.json, .md, .svg and .png.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/internal/redistest"
)

// config is what the figures depend on.
type config struct {
	Nodes    int           `json:"nodes"`
	Keys     int           `json:"keys"`
	Alpha    float64       `json:"alpha"`    // of the Zipf distribution of requests
	Capacity int64         `json:"capacity"` // of each node's memory, in entries
	Primed   int           `json:"primed"`   // keys that are cached before anything happens
	Warmed   int           `json:"warmed"`   // keys that the warmup loader emits
	Rate     int           `json:"rate"`     // requests a second
	Deadline time.Duration `json:"deadline"` // of a request
	Before   time.Duration `json:"before"`   // observed before the event
	After    time.Duration `json:"after"`    // and after it
	Apart    time.Duration `json:"apart"`    // between two restarts of a rolling deploy
	Rates    []int         `json:"rates"`    // of the cold starts
	Cold     time.Duration `json:"cold"`     // observed after a cold start
	Seed     uint64        `json:"seed"`
}

func full() config {
	return config{
		Nodes: 3, Keys: 20_000, Alpha: 0.9, Capacity: 10_000, Primed: 10_000, Warmed: 4000, Rate: 400, Deadline: time.Second,
		Before: 5 * time.Second, After: 60 * time.Second, Apart: 5 * time.Second, Rates: []int{100, 200, 400, 800}, Cold: 30 * time.Second, Seed: 1,
	}
}

func quick() config {
	cfg := full()
	cfg.Before, cfg.After, cfg.Apart, cfg.Rates, cfg.Cold = time.Second, 2*time.Second, 500*time.Millisecond, []int{400}, 3*time.Second
	return cfg
}

// result is the raw data.
type result struct {
	Config  config          `json:"config"`
	Machine figures.Machine `json:"machine"`
	Redis   string          `json:"redis"`
	Events  []outcome       `json:"events"`
	Cold    []outcome       `json:"cold_starts"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "deploy: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	small := flag.Bool("quick", false, "short: it shows that it runs")
	rate := flag.Int("rate", 0, "requests a second; 0 = 400")
	seed := flag.Uint64("seed", 1, "of the requests and the service times")
	out := flag.String("out", filepath.FromSlash("bench/results/deploy"), "files of results without their ending; empty = none")
	flag.Parse()
	if flag.NArg() > 0 || *rate < 0 {
		return errors.New("usage: deploy [-quick] [-rate N] [-seed N] [-out FILE]")
	}
	cfg := full()
	if *small {
		cfg = quick()
	}
	if cfg.Seed = *seed; *rate > 0 {
		cfg.Rate = *rate
	}
	var res result
	var failed error
	err := redistest.Program(ctx, func(tb redistest.TB) { //nolint:contextcheck // the TB has it
		res, failed = measure(tb, cfg)
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	fmt.Print(res)
	if *out == "" || *small {
		return nil
	}
	return res.save(*out)
}
