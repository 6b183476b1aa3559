// Command firstrequest measures the first request for a warmed brand after a start, with warming
// and without it.
//
//	go run ./bench/firstrequest
//
// Each start has an empty real Redis, fresh caches, a fresh engine, a fresh Redis client and fresh
// database connections; the database is SQLite with a million reports behind the slowed source of
// bench/internal/source. The arms take turns, start by start, in a random order, with the same
// brand and the same service times. It needs redis-server on PATH.
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

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/bench/internal/source"
	"github.com/warmcache/warmcache/internal/redistest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "firstrequest: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg := config{Source: source.Config{}.WithDefaults()}
	flag.IntVar(&cfg.Starts, "starts", 200, "starts of each arm")
	flag.IntVar(&cfg.Reports, "reports", 1_000_000, "rows in diagnosis_reports")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "of brands, service times and order")
	folder := flag.String("data", dataset.Folder(), "folder where the database is kept between runs")
	out := flag.String("out", filepath.FromSlash("bench/results/firstrequest.json"), "file for the raw data; empty = none")
	flag.Parse()
	if flag.NArg() > 0 || cfg.Starts < 1 || cfg.Reports < 1 {
		return errors.New("usage: firstrequest [-starts N] [-reports N] [-seed N] [-data FOLDER] [-out FILE], N from 1")
	}
	path, err := dataset.File(ctx, *folder, cfg.Reports, say)
	if err != nil {
		return err
	}
	var res result
	var failed error
	err = redistest.Program(ctx, func(tb redistest.TB) { //nolint:contextcheck // the TB has it
		res, failed = measure(tb, cfg, path, func(done int) {
			if done%20 == 0 || done == cfg.Starts {
				say(fmt.Sprintf("%d of %d starts", done, cfg.Starts))
			}
		})
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	fmt.Print(res)
	return figures.Save(*out, res)
}

// say tells the user what takes so long.
func say(what string) { fmt.Fprintln(os.Stderr, what) }
