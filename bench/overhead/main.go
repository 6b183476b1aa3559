// Command overhead measures what the protocol costs beyond the plain commands that a cache without
// promises would send.
//
//	go run ./bench/overhead
//
// Both sides of a row use one client, one real Redis on loopback and the same values. Their slices
// take turns, the first of each pair by lot; a row's ratio is the median of the pairs' ratios. It
// needs redis-server on PATH.
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "overhead: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var cfg config
	flag.IntVar(&cfg.Pairs, "pairs", 21, "slices of each side")
	flag.DurationVar(&cfg.Slice, "slice", 200*time.Millisecond, "length of a slice, about")
	flag.IntVar(&cfg.WarmPairs, "warmpairs", 7, "warm runs of each side")
	flag.IntVar(&cfg.WarmItems, "items", 100_000, "entries of a warm run")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "of the order in a pair")
	out := flag.String("out", filepath.FromSlash("bench/results/overhead.json"), "file for the raw data; empty = none")
	flag.Parse()
	if flag.NArg() > 0 || cfg.Pairs < 1 || cfg.WarmPairs < 1 || cfg.WarmItems < 1 || cfg.Slice <= 0 {
		return errors.New("usage: overhead [-pairs N] [-slice D] [-warmpairs N] [-items N] [-seed N] [-out FILE], all above 0")
	}
	var res result
	var failed error
	err := redistest.Program(ctx, func(tb redistest.TB) { //nolint:contextcheck // the TB has it
		res, failed = measure(tb, cfg)
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	fmt.Print(res)
	return figures.Save(*out, res)
}
