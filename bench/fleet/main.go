// Command fleet measures what hydration gives to a node that starts in a warm fleet, and what it
// costs the reads that go on meanwhile.
//
//	go run ./bench/fleet
//
// All nodes are in this process, each with a client, a cache and an engine of its own, on one real
// Redis on loopback. It needs redis-server on PATH.
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
	Keys       int           `json:"keys"`
	Alpha      float64       `json:"alpha"`      // of the Zipf distribution of reads
	Capacities []int64       `json:"capacities"` // of memory, in entries
	Restarts   int           `json:"restarts"`   // for each capacity
	Slices     int           `json:"slices"`     // of live reads, during hydration and without it in turn
	Quiet      time.Duration `json:"quiet"`      // of a slice without hydration
	Rate       int           `json:"rate"`       // live reads a second
	Seed       uint64        `json:"seed"`
}

// result is the raw data.
type result struct {
	Config   config          `json:"config"`
	Machine  figures.Machine `json:"machine"`
	Redis    string          `json:"redis"`
	Restarts []restart       `json:"restarts"`
	Live     []live          `json:"live"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "fleet: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg := config{Capacities: []int64{100_000, 20_000}}
	flag.IntVar(&cfg.Keys, "keys", 50_000, "warmed keys")
	flag.Float64Var(&cfg.Alpha, "alpha", 0.99, "of the Zipf distribution of reads")
	flag.IntVar(&cfg.Restarts, "restarts", 7, "for each capacity")
	flag.IntVar(&cfg.Slices, "slices", 11, "of live reads with hydration, and as many without")
	flag.DurationVar(&cfg.Quiet, "quiet", time.Second, "length of a slice without hydration")
	flag.IntVar(&cfg.Rate, "rate", 2000, "live reads a second")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "of the reads")
	out := flag.String("out", filepath.FromSlash("bench/results/fleet.json"), "file for the raw data; empty = none")
	flag.Parse()
	if flag.NArg() > 0 || cfg.Keys < 1 || cfg.Restarts < 1 || cfg.Slices < 1 || cfg.Rate < 1 || cfg.Quiet <= 0 {
		return errors.New("usage: fleet [-keys N] [-alpha A] [-restarts N] [-slices N] [-quiet D] [-rate N] [-seed N] [-out FILE], all above 0")
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
	return figures.Save(*out, res)
}

func measure(tb redistest.TB, cfg config) (result, error) {
	server := redistest.Start(tb)
	r := result{Config: cfg, Machine: figures.ThisMachine(), Redis: server.Info("server", "redis_version")}
	var err error
	if r.Restarts, err = restarts(tb.Context(), cfg, server.Addr()); err != nil {
		return r, err
	}
	r.Live, err = liveReads(tb.Context(), cfg, server.Addr())
	return r, err
}
