// Command hitrate measures what warming gives: the shares of fresh hits of the seed's five caches
// with and without it, over a simulated day, and what it costs.
//
//	go run ./bench/hitrate
//
// The caches, the engine and its schedule are the real ones, in virtual time, over SQLite and a
// Redis in memory. The workload is bench/hitrate/config.json: it was calibrated so that caches
// without warming have 40 % of fresh hits, and frozen, before the results. It needs the go command,
// as virtual time is for test binaries.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/figures"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "hitrate: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// options are the program's flags.
type options struct {
	config    string
	out       string
	data      string
	quick     bool
	calibrate bool
	report    bool
	only      string
	within    time.Duration
	resume    bool
	workers   int
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.config, "config", filepath.FromSlash("bench/hitrate/config.json"), "the workload; its hash must be the frozen one")
	flag.StringVar(&o.out, "out", filepath.FromSlash("bench/results"), "folder for the results; empty = none")
	flag.StringVar(&o.data, "data", dataset.Folder(), "folder for the databases, which are made once")
	flag.BoolVar(&o.quick, "quick", false, "a short pass of all arms, without the grid; nothing is written")
	flag.BoolVar(&o.calibrate, "calibrate", false, "find the rate of requests with which the baseline has 40 % of fresh hits, write it to the configuration, and freeze that")
	flag.BoolVar(&o.report, "report", false, "run nothing: write the report and the plots of the results there are")
	flag.StringVar(&o.only, "only", "", "only this axis of the grid, such as nodes; nothing is written")
	flag.DurationVar(&o.within, "within", 0, "begin no simulation after this time: cells then have fewer seeds, which the results say; 0 = all")
	flag.BoolVar(&o.resume, "resume", false, "keep what an interrupted run of the same program has simulated (outcomes.jsonl in the data folder)")
	flag.IntVar(&o.workers, "workers", 2, "simulations at a time")
	flag.Parse()
	if flag.NArg() > 0 || o.workers < 1 || o.data == "" {
		return errors.New("usage: hitrate [-quick] [-report] [-within D] [-resume] [-only AXIS] [-calibrate] [-config FILE] [-out FOLDER] [-data FOLDER] [-workers N]")
	}
	if o.report {
		return again(o.out)
	}
	cfg, hash, err := readConfig(o.config)
	if err != nil {
		return err
	}
	f, err := catalogueOf(ctx, o.data, cfg.Reports)
	if err != nil {
		return err
	}
	if o.calibrate {
		if cfg, err = calibrate(cfg, f.cat); err != nil {
			return err
		}
		fmt.Printf("%.3f requests an hour: %.4f of fresh hits are expected\n", cfg.RequestsPerHour, meanExpected(cfg, f.cat))
		return freeze(o.config, cfg)
	}
	r := &results{ConfigHash: hash, Frozen: hash == frozenHash(o.config), Config: cfg, Machine: figures.ThisMachine()}
	fmt.Printf("configuration %s\n", hash)
	if !r.Frozen {
		return fmt.Errorf("%s is not the frozen configuration (%s): these would be the results of another workload; -calibrate freezes it anew", o.config, frozenHash(o.config))
	}
	if o.quick {
		r.Config = quick(cfg)
	}
	r.Baseline.Expected = meanExpected(r.Config, f.cat)
	return o.measure(ctx, r)
}

// measure runs what the flags ask for, prints it, and writes it.
func (o options) measure(ctx context.Context, r *results) error {
	cells := append(grid(r.Config), ablationCell(r.Config))
	switch {
	case o.quick:
		cells = nil
	case o.only != "":
		var some []cell
		for _, c := range cells {
			if c.Axis == o.only {
				some = append(some, c)
			}
		}
		cells = some
	}
	if err := o.databases(ctx, cells); err != nil {
		return err
	}
	binary, err := buildWorker(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(binary)) //nolint:errcheck // only litter is left
	kept, err := o.store()
	if err != nil {
		return err
	}
	defer kept.file.Close() //nolint:errcheck // a lost line is simulated again
	began := time.Now()
	var enough <-chan time.Time
	if o.within > 0 {
		enough = time.After(o.within)
	}
	folders := filepath.Join(o.data, "worker")
	if o.quick {
		folders = filepath.Join(o.data, "quick") // a long run may be under way
	}
	run := kept.over(workers(binary, folders, o.workers, enough, func(done, of int, j job, out outcome) error {
		fmt.Fprintf(os.Stderr, "\r%d of %d, %v: %s, %s, seed %d        ", done, of, time.Since(began).Round(time.Second), j.Cell, j.Arm, j.Seed)
		return kept.keep(j, out)
	}))
	err = r.measure(func(jobs []job) ([]outcome, error) { return run(ctx, jobs) }, cells)
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return err
	}
	fmt.Print(r.markdown())
	if !o.quick && r.calibrationFailed() {
		return fmt.Errorf("the baseline has %.4f of fresh hits, want %v ± %v: the calibration does not hold", r.Baseline.Fresh, target, within)
	}
	if o.quick || o.only != "" || o.out == "" {
		return nil
	}
	return r.save(o.out, cells)
}

// databases makes those that the cells need, one after the other: the workers only copy them.
func (o options) databases(ctx context.Context, cells []cell) error {
	for _, c := range cells {
		if _, err := dataset.File(ctx, o.data, c.Config.Reports, func(what string) { fmt.Fprintln(os.Stderr, what) }); err != nil {
			return err
		}
	}
	return nil
}

// store is where outcomes are kept: nowhere for a short pass, which leaves an interrupted run
// alone.
func (o options) store() (*store, error) {
	if o.quick {
		return openStore(os.DevNull)
	}
	path := filepath.Join(o.data, "outcomes.jsonl")
	if !o.resume {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return openStore(path)
}

func (r *results) calibrationFailed() bool {
	return r.Baseline.Fresh < target-within || r.Baseline.Fresh > target+within
}

// quick is two hours with one seed: under 20 seconds on two idle cores.
func quick(cfg config) config {
	cfg.Hours, cfg.Seeds = 2, 1
	return cfg
}

// buildWorker builds this package's test binary.
func buildWorker(ctx context.Context) (string, error) {
	folder, err := os.MkdirTemp("", "hitrate")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "worker")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "github.com/warmcache/warmcache/bench/hitrate")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building the simulation: %w", errors.Join(err, os.RemoveAll(folder)))
	}
	return binary, nil
}

// catalogueOf is a database of its own for the keys alone.
func catalogueOf(ctx context.Context, data string, reports int) (*file, error) {
	path, err := dataset.File(ctx, data, reports, func(what string) { fmt.Fprintln(os.Stderr, what) })
	if err != nil {
		return nil, err
	}
	return openFile(ctx, path)
}
