// Command hot measures the learner of hot keys (tiercache.Config.LearnHot) through the public API
// of a cache in memory.
//
//	go run ./bench/hot
//
// It prints what share of the true top 500's traffic the learned 500 keys have, by the skew of the
// reads; how long after all keys have changed their ranks that share is back, in half-lives; and
// what a hit costs with the learner on, as the median ratio of paired slices with it on and off. It
// needs nothing but Go, and takes some two minutes.
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
)

// config is what a result depends on.
type config struct {
	Keys     int           `json:"keys"`  // of the catalogue
	Learn    int           `json:"learn"` // LearnHot, and the true top that it is measured against
	Reads    int           `json:"reads"` // before coverage is looked at
	HalfLife time.Duration `json:"half_life_ns"`
	Pairs    int           `json:"pairs"`
	Slice    time.Duration `json:"slice_ns"`
	Seed     uint64        `json:"seed"`
}

// result is all figures of one call.
type result struct {
	Machine  figures.Machine `json:"machine"`
	Config   config          `json:"config"`
	Coverage []coverage      `json:"coverage"`
	Change   []change        `json:"change"`
	Cost     []cost          `json:"cost"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "hot: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var cfg config
	flag.IntVar(&cfg.Keys, "keys", 100_000, "keys of the catalogue")
	flag.IntVar(&cfg.Learn, "learn", 500, "how many hot keys are learned")
	flag.IntVar(&cfg.Reads, "reads", 4_000_000, "reads before coverage is looked at")
	flag.DurationVar(&cfg.HalfLife, "halflife", 4*time.Second, "HotHalfLife while all keys change")
	flag.IntVar(&cfg.Pairs, "pairs", 61, "slices of each side")
	flag.DurationVar(&cfg.Slice, "slice", 50*time.Millisecond, "length of a slice, about")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "of the reads")
	out := flag.String("out", filepath.FromSlash("bench/results/hot.json"), "file for the raw data; empty = none")
	flag.Parse()
	if flag.NArg() > 0 || cfg.Learn < 1 || cfg.Keys < 2*cfg.Learn || cfg.Reads < 1 || cfg.HalfLife < time.Second || cfg.Pairs < 1 || cfg.Slice <= 0 {
		return errors.New("usage: hot [-keys N] [-learn N] [-reads N] [-halflife D] [-pairs N] [-slice D] [-seed N] [-out FILE]; keys twice learn at least, D of a second at least")
	}
	res := result{Machine: figures.ThisMachine(), Config: cfg}
	fmt.Printf("%s\n%d keys, the hottest %d learned, seed %d\n", res.Machine, cfg.Keys, cfg.Learn, cfg.Seed)
	if err := errors.Join(res.coverage(ctx), res.change(ctx), res.cost(ctx)); err != nil {
		return err
	}
	return figures.Save(*out, res)
}
