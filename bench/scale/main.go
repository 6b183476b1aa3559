// Command scale measures what grows with entries, value size, keys in a batch, tags and nodes.
//
//	go run ./bench/scale         # some 8 minutes
//	go run ./bench/scale -quick  # some 25 seconds; its figures mean little
//
// A real Redis on loopback; nodes are clients, caches and engines of this one process, so what they
// cost is measured, and what a network would add is not. A thousand nodes need more than the two
// cores that these figures are from: such fleets are the same code in virtual time, with a Redis in
// memory, where commands and bytes are counted; that needs the go command.
// docs/scale.md does the arithmetic of a large fleet with these figures. It needs redis-server on
// PATH, and writes bench/results/scale.json and .md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/internal/redistest"
)

// config is what the figures depend on.
type config struct {
	Entries []int `json:"entries"`
	Sizes   []int `json:"sizes"`   // bytes of a value
	Batches []int `json:"batches"` // keys of a GetMany
	Tags    []int `json:"tags"`    // of an entry
	Nodes   []int `json:"nodes"`   // of fleets on a real Redis

	VirtualNodes   []int         `json:"virtual_nodes"`   // of fleets in virtual time
	VirtualWatched time.Duration `json:"virtual_watched"` // a second of a thousand nodes takes a minute or two

	Ops     int           `json:"ops"`     // a point
	Watched time.Duration `json:"watched"` // how long a fleet is watched, at rest and while it writes
	Writes  int           `json:"writes"`  // invalidations a second of the whole fleet while it writes
	Journal time.Duration `json:"journal"` // how long invalidations come as fast as 20,000 a second
}

func full() config {
	return config{
		Entries: []int{1000, 10_000, 100_000, 1_000_000}, Sizes: []int{100, 1000, 10_000, 100_000}, Batches: []int{1, 10, 100, 1000}, Tags: []int{0, 1, 4, 16},
		Nodes: []int{10, 100}, VirtualNodes: []int{10, 100, 1000}, VirtualWatched: time.Second, Ops: 2000, Watched: 10 * time.Second, Writes: 50, Journal: 10 * time.Second,
	}
}

func quick() config {
	return config{
		Entries: []int{1000, 10_000}, Sizes: []int{100, 10_000}, Batches: []int{1, 100}, Tags: []int{0, 4},
		Nodes: []int{5, 20}, VirtualNodes: []int{20}, VirtualWatched: time.Second, Ops: 100, Watched: time.Second, Writes: 20, Journal: time.Second,
	}
}

// result is the raw data.
type result struct {
	Config  config          `json:"config"`
	Machine figures.Machine `json:"machine"`
	Redis   string          `json:"redis"`
	Entries []entries       `json:"entries"`
	Sizes   []sized         `json:"sizes"`
	Batches []batch         `json:"batches"`
	Tags    []tagged        `json:"tags"`
	Nodes   []fleet         `json:"nodes"`
	Virtual []fleet         `json:"virtual_nodes"`
	Journal journal         `json:"journal"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "scale: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	small := flag.Bool("quick", false, "short: it shows that it runs")
	only := flag.String("only", "", "parts, of entries,sizes,batches,tags,nodes,virtual,journal; nothing is written then")
	out := flag.String("out", filepath.FromSlash("bench/results/scale"), "files of results without their ending; empty = none")
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("usage: scale [-quick] [-only PARTS] [-out FILE]")
	}
	cfg := full()
	if *small {
		cfg = quick()
	}
	var res result
	var failed error
	err := redistest.Program(ctx, func(tb redistest.TB) { //nolint:contextcheck // the TB has it
		res, failed = measure(tb, cfg, *only)
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	fmt.Print(res)
	if *out == "" || *small || *only != "" {
		return nil
	}
	if err := figures.Save(*out+".json", res); err != nil {
		return err
	}
	return os.WriteFile(*out+".md", []byte(res.markdown()), 0o644)
}

func measure(tb redistest.TB, cfg config, only string) (r result, err error) {
	r = result{Config: cfg, Machine: figures.ThisMachine()}
	for _, part := range []struct {
		name string
		do   func(ctx context.Context, s *redistest.Server) error
	}{
		{"entries", func(ctx context.Context, _ *redistest.Server) (err error) {
			r.Entries, err = growEntries(ctx, cfg)
			return err
		}},
		{"sizes", func(ctx context.Context, s *redistest.Server) (err error) {
			r.Sizes, err = growSizes(ctx, cfg, s)
			return err
		}},
		{"batches", func(ctx context.Context, s *redistest.Server) (err error) {
			r.Batches, err = growBatches(ctx, cfg, s)
			return err
		}},
		{"tags", func(ctx context.Context, s *redistest.Server) (err error) {
			r.Tags, err = growTags(ctx, cfg, s)
			return err
		}},
		{"nodes", func(ctx context.Context, s *redistest.Server) (err error) {
			r.Nodes, err = growFleets(ctx, cfg, cfg.Nodes, realMeter{s})
			return err
		}},
		{"virtual", func(ctx context.Context, _ *redistest.Server) (err error) {
			r.Virtual, err = growVirtual(ctx, cfg)
			return err
		}},
		{"journal", func(ctx context.Context, s *redistest.Server) (err error) {
			r.Journal, err = growJournal(ctx, cfg, s)
			return err
		}},
	} {
		if only != "" && !strings.Contains(","+only+",", ","+part.name+",") {
			continue
		}
		s := redistest.Start(tb) // each part has an empty Redis
		r.Redis = s.Info("server", "redis_version")
		err := part.do(tb.Context(), s)
		s.Kill()
		if err != nil {
			return r, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return r, nil
}
