// Command warmrun measures how long it takes to warm the 192 items of package loaders on a million
// reports, and how long examples/brandapi takes from its exec to its first answer on a later start.
//
//	go run ./bench/warmrun
//
// It is run from the repository's root, needs redis-server on PATH, and builds brandapi with the go
// command.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/bench/internal/source"
	"github.com/warmcache/warmcache/internal/redistest"
)

// config is what the figures depend on.
type config struct {
	Runs    int           `json:"runs"`   // warm runs on each source
	Starts  int           `json:"starts"` // of brandapi, of each kind
	Reports int           `json:"reports"`
	Demo    int           `json:"demo"` // reports of brandapi's own demo
	Seed    uint64        `json:"seed"`
	Source  source.Config `json:"source"` // the slowed one; times in nanoseconds
}

// result is the raw data.
type result struct {
	Config  config          `json:"config"`
	Machine figures.Machine `json:"machine"`
	Redis   string          `json:"redis"`
	Runs    []warmRun       `json:"warm_runs"`
	Starts  []programStart  `json:"program_starts"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "warmrun: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg := config{Demo: 100_000, Source: source.Config{}.WithDefaults()}
	flag.IntVar(&cfg.Runs, "runs", 20, "warm runs on each source")
	flag.IntVar(&cfg.Starts, "starts", 20, "starts of brandapi, on each database, beside an empty Redis and beside a warm one")
	flag.IntVar(&cfg.Reports, "reports", 1_000_000, "rows in diagnosis_reports")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "of the service times")
	folder := flag.String("data", dataset.Folder(), "folder where the database is kept between runs")
	out := flag.String("out", filepath.FromSlash("bench/results/warmrun.json"), "file for the raw data; empty = none")
	flag.Parse()
	if flag.NArg() > 0 || cfg.Starts < 0 || cfg.Runs < 0 || cfg.Reports < 1 {
		return errors.New("usage: warmrun [-runs N] [-starts N] [-reports N] [-seed N] [-data FOLDER] [-out FILE]")
	}
	files := map[int]string{}
	for _, reports := range cfg.databases() {
		path, err := dataset.File(ctx, *folder, reports, func(what string) { fmt.Fprintln(os.Stderr, what) })
		if err != nil {
			return err
		}
		files[reports] = path
	}
	var res result
	var failed error
	err := redistest.Program(ctx, func(tb redistest.TB) { //nolint:contextcheck // the TB has it
		res, failed = measure(tb, cfg, files)
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	fmt.Print(res)
	return figures.Save(*out, res)
}

// measure measures all. files are the databases by their number of reports.
func measure(tb redistest.TB, cfg config, files map[int]string) (result, error) {
	server := redistest.Start(tb)
	r := result{Config: cfg, Machine: figures.ThisMachine(), Redis: server.Info("server", "redis_version")}
	for i := range cfg.Runs {
		slowed := cfg.Source
		slowed.Seed = cfg.Seed + uint64(i)
		for _, from := range []*source.Config{nil, &slowed} {
			server.Do("FLUSHALL", "SYNC")
			w, err := warmOnce(tb.Context(), files[cfg.Reports], server.Addr(), from)
			if err != nil {
				return r, fmt.Errorf("warm run %d: %w", i+1, err)
			}
			r.Runs = append(r.Runs, w)
		}
	}
	if cfg.Starts == 0 {
		return r, nil
	}
	program, err := build(tb.Context(), tb.TempDir())
	if err != nil {
		return r, err
	}
	for i := range cfg.Starts {
		for _, reports := range cfg.databases() {
			server.Do("FLUSHALL", "SYNC")
			for _, warmed := range []bool{false, true} { // what the first has warmed the second finds
				s := programStart{Reports: reports, WarmRedis: warmed}
				if err := s.measure(tb.Context(), program, files[reports], server.Addr()); err != nil {
					return r, fmt.Errorf("start %d of brandapi: %w", i+1, err)
				}
				r.Starts = append(r.Starts, s)
			}
		}
	}
	return r, nil
}

// databases are those that brandapi is started on, by their number of reports.
func (cfg config) databases() []int { return slices.Compact([]int{cfg.Demo, cfg.Reports}) }
