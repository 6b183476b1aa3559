// Command hit measures what a hit, a Set and a mix of both cost in warmcache, with everything on
// (loader, TTL, stale window, refresh, jitter, counters), and in other caches, and what a million
// entries weigh.
//
//	cd bench/versus && go run ./hit
//
// All contenders do the same operations on the same keys, in turns, a slice each; a round's ratios
// are to raw Ristretto without TTL in that round, and the median of the rounds counts. It prints
// its tables and writes bench/results/hit.json.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

type result struct {
	Machine    figures.Machine `json:"machine"`
	Seed       uint64          `json:"seed"`
	Rounds     int             `json:"rounds"`
	Operations int             `json:"operations_a_slice"`
	Costs      []cost          `json:"costs"`
	Footprints []footprint     `json:"footprints_of_a_million"`
}

// cost of one operation; medians over the rounds.
type cost struct {
	Workload string  `json:"workload"`
	Entries  int     `json:"entries"`
	Cache    string  `json:"cache"`
	Nanos    float64 `json:"ns"`
	Ratio    float64 `json:"ratio_to_ristretto"`
	Allocs   float64 `json:"allocs"`
}

func main() {
	results := flag.String("results", "../results", "folder of results; empty: write nothing")
	rounds := flag.Int("rounds", 15, "slices of each contender")
	operations := flag.Int("operations", 200_000, "of each goroutine in a slice")
	entries := flag.Int("entries", 1_000_000, "of the footprint; 0: none")
	seed := flag.Uint64("seed", 1, "of the order of keys")
	flag.Parse()
	if err := run(*results, *rounds, *operations, *entries, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "hit:", err)
		os.Exit(1)
	}
}

func run(results string, rounds, operations, entries int, seed uint64) error {
	res := result{Machine: figures.ThisMachine(), Seed: seed, Rounds: rounds, Operations: operations}
	fmt.Printf("%v; %d rounds of %d operations a goroutine; seed %d\n\n", res.Machine, rounds, operations, seed)
	rows := [][]string{{"operation", "entries", "cache", "ns", "ratio", "allocs"}}
	for _, w := range workloads() {
		costs, err := measure(w, rounds, operations, seed)
		if err != nil {
			return err
		}
		res.Costs = append(res.Costs, costs...)
		for _, c := range costs {
			rows = append(rows, []string{c.Workload, strconv.Itoa(c.Entries), c.Cache, fmt.Sprintf("%.0f", c.Nanos), fmt.Sprintf("%.2f", c.Ratio), fmt.Sprintf("%.2f", c.Allocs)})
		}
	}
	fmt.Println(figures.Table(rows))
	if entries > 0 {
		var err error
		if res.Footprints, err = footprints(entries); err != nil {
			return err
		}
		rows = [][]string{{"cache", "bytes an entry", "ratio", "full collection"}}
		for _, f := range res.Footprints {
			rows = append(rows, []string{f.Cache, fmt.Sprintf("%.0f", f.Bytes), fmt.Sprintf("%.2f", f.Ratio), fmt.Sprintf("%.0f ms", f.GC)})
		}
		fmt.Println(figures.Table(rows))
	}
	if results == "" {
		return nil
	}
	return figures.Save(filepath.Join(results, "hit.json"), res)
}

// measure lets the contenders take turns.
func measure(w workload, rounds, operations int, seed uint64) ([]cost, error) {
	keys, order := keysOf(w.entries), w.order(seed)
	all := contenders()
	caches := make([]cache, len(all))
	for i, who := range all {
		c, err := who.make(w.entries * w.room / 100)
		if err != nil {
			return nil, fmt.Errorf("%s of %d: %w", who.name, w.entries, err)
		}
		defer c.close()
		fill(c, keys)
		w.slice(c, keys, order, operations/2) // in vain, to warm up
		caches[i] = c
	}
	nanos, ratios, allocs := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	for range rounds {
		var base float64
		for i, c := range caches {
			ns, n := w.slice(c, keys, order, operations)
			if i == 0 {
				base = ns
			}
			nanos[i], ratios[i], allocs[i] = append(nanos[i], ns), append(ratios[i], ns/base), append(allocs[i], n)
		}
	}
	costs := make([]cost, len(all))
	for i, who := range all {
		costs[i] = cost{w.name, w.entries, who.name, median(nanos[i]), median(ratios[i]), median(allocs[i])}
	}
	return costs, nil
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }
