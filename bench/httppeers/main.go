// Command httppeers measures warmcache's HTTP cache beside other caches, all as reverse proxies
// before one origin, over loopback:
//
//	cd bench/httppeers && go run .
//
// It wants nginx, varnishd, apache2 and redis-server on PATH (apt-get install nginx-light varnish
// apache2 redis-server); a peer that is not there is left out and named. It starts each on a port
// of its own, with a configuration in a temporary folder, and ends it. It prints its tables and
// writes bench/results/httppeers.json.
package main

import (
	"context"
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

type config struct {
	rounds  int
	length  time.Duration // of one measurement of hits
	clients int           // that ask for one URL at once
	only    string        // names of peers; "" = all
}

type result struct {
	Machine  figures.Machine   `json:"machine"`
	Versions map[string]string `json:"versions"`
	Missing  []string          `json:"missing,omitempty"`
	Rounds   int               `json:"rounds"`
	Seconds  float64           `json:"seconds_a_round"`
	Hits     []hits            `json:"hits"`
	Clients  int               `json:"clients_at_once"`
	Asked    []asked           `json:"asked"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "httppeers:", err)
			os.Exit(1)
		}
		return
	}
	var cfg config
	results := flag.String("results", "../results", "folder of results; empty: write nothing")
	flag.IntVar(&cfg.rounds, "rounds", 5, "measurements of each peer and load, taken in turns")
	flag.DurationVar(&cfg.length, "length", 2*time.Second, "of one measurement of hits")
	flag.IntVar(&cfg.clients, "clients", 500, "that ask for one URL at once")
	flag.StringVar(&cfg.only, "only", "", "comma-separated peers; default all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg, *results); err != nil {
		fmt.Fprintln(os.Stderr, "httppeers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg config, results string) error {
	var res result
	var failed error
	err := redistest.Program(ctx, func(tb redistest.TB) { //nolint:contextcheck // the TB has it
		res, failed = measure(tb, cfg)
	})
	if err == nil {
		err = failed
	}
	if err != nil || results == "" {
		return err
	}
	return figures.Save(filepath.Join(results, "httppeers.json"), res)
}

func measure(tb redistest.TB, cfg config) (result, error) {
	ctx, folder := tb.Context(), tb.TempDir()
	res := result{
		Machine: figures.ThisMachine(), Versions: make(map[string]string),
		Rounds: cfg.rounds, Seconds: cfg.length.Seconds(), Clients: cfg.clients,
	}
	ours, err := build(ctx, folder)
	if err != nil {
		return res, err
	}
	var present []peer
	for _, p := range peers(ours) {
		if cfg.only != "" && !strings.Contains(","+cfg.only+",", ","+p.name+",") {
			continue
		}
		version, err := p.version(ctx)
		if err != nil {
			res.Missing = append(res.Missing, p.name)
			fmt.Printf("%s is left out: %v\n", p.name, err)
			continue
		}
		res.Versions[p.name] = version
		present = append(present, p)
	}
	fmt.Printf("%v; %d rounds of %v; %d clients at once\n\n", res.Machine, cfg.rounds, cfg.length, cfg.clients)
	o, err := startOrigin(ctx)
	if err != nil {
		return res, err
	}
	defer o.stop()
	field := field{folder: folder, origin: o, redis: redistest.Start(tb)}
	if res.Asked, err = field.ask(ctx, cfg, present); err != nil {
		return res, err
	}
	printAsked(res.Asked)
	if res.Hits, err = field.hit(ctx, cfg, present); err != nil {
		return res, err
	}
	printHits(res.Hits)
	return res, nil
}
