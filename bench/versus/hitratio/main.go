// Command hitratio replays recorded and generated traces through warmcache and its rivals, at
// several sizes, and compares the shares of hits.
//
//	cd bench/versus && go run ./hitratio
//
// Each cache is asked for a key and given it after a miss. "Paced" pauses 50 µs after each 64
// reads, as a service does between requests; "full" does not. Belady, which knows the future, is
// the bound. It prints its table and writes bench/results/hitratio.json and .csv, and a plot,
// hitratio.svg and .png.
package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// result is everything that is kept of a run.
type result struct {
	Machine figures.Machine `json:"machine"`
	Seed    uint64          `json:"seed"`
	Reads   int             `json:"most_reads_a_trace"`
	Pause   time.Duration   `json:"pause_ns_each_64_reads"`
	Rows    []row           `json:"rows"`
	Means   row             `json:"means"`
	Missed  []string        `json:"rows_over_one_point_below_the_lesser_of_otter_and_lru"`
}

// row is one trace at one size; ratios are in percent, by cache and pace.
type row struct {
	Trace  string             `json:"trace"`
	Size   int                `json:"size"`
	Ratios map[string]float64 `json:"ratios"`
}

func main() {
	traces := flag.String("traces", "../../../shared/data/traces", "folder of recorded traces; where it is missing, the small ones of bench/testdata")
	results := flag.String("results", "../results", "folder of results; empty: write nothing")
	reads := flag.Int("reads", 100_000, "most reads of one trace")
	only := flag.String("only", "", "traces whose names contain this; nothing is written then")
	seed := flag.Uint64("seed", 1, "of the generated traces")
	pause := flag.Duration("pause", 50*time.Microsecond, "after each 64 reads of a paced replay")
	flag.Parse()
	if *only != "" {
		*results = ""
	}
	res := result{Machine: figures.ThisMachine(), Seed: *seed, Reads: *reads, Pause: *pause}
	if err := res.run(*traces, *only, *results); err != nil {
		fmt.Fprintln(os.Stderr, "hitratio:", err)
		os.Exit(1)
	}
}

func (res *result) run(folder, only, results string) error {
	if _, err := os.Stat(folder); err != nil {
		folder = "../testdata/traces"
	}
	all, err := recorded(folder, res.Reads)
	if err != nil {
		return err
	}
	all = append(all, generated(res.Seed, res.Reads)...)
	all = slices.DeleteFunc(all, func(t trace) bool { return !strings.Contains(t.name, only) })
	fmt.Printf("%v; up to %d reads a trace; paced: %v after each 64 reads; seed %d\n\n", res.Machine, res.Reads, res.Pause, res.Seed)
	for _, t := range all {
		for _, share := range []float64{0.01, 0.05, 0.2, 0.5} {
			size := int(share * float64(t.distinct))
			if size < 50 {
				continue
			}
			r, err := measure(t, size, res.Pause)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s %d\n", t.name, size)
			res.Rows = append(res.Rows, r)
		}
	}
	res.Means = means(res.Rows)
	res.Missed = missed(res.Rows)
	fmt.Println(figures.Table(table(append(res.Rows, res.Means))))
	fmt.Printf("rows of paced warmcache over one point below the lesser of otter (paced) and LRU: %d\n", len(res.Missed))
	for _, m := range res.Missed {
		fmt.Println(" ", m)
	}
	if results == "" {
		return nil
	}
	if err := figures.Save(filepath.Join(results, "hitratio.json"), res); err != nil {
		return err
	}
	if err := saveCSV(filepath.Join(results, "hitratio.csv"), append(res.Rows, res.Means)); err != nil {
		return err
	}
	return plot(filepath.Join(results, "hitratio"), res.Rows)
}

// measure replays one trace through every cache.
func measure(t trace, size int, pause time.Duration) (row, error) {
	r := row{Trace: t.name, Size: size, Ratios: map[string]float64{"Belady": 100 * belady(t.keys, size)}}
	for _, c := range contenders() {
		paces := map[string]time.Duration{c.name: 0}
		if c.background {
			paces = map[string]time.Duration{c.name + " paced": pause, c.name + " full": 0}
		}
		for name, pause := range paces {
			cache, err := c.make(size)
			if err != nil {
				return row{}, fmt.Errorf("%s of %d: %w", c.name, size, err)
			}
			r.Ratios[name] = 100 * replay(cache, t.keys, pause)
			cache.close()
			runtime.GC() // each begins with a clean heap
		}
	}
	return r, nil
}

func means(rows []row) row {
	mean := row{Trace: "mean", Ratios: make(map[string]float64)}
	for _, r := range rows {
		for name, v := range r.Ratios {
			mean.Ratios[name] += v / float64(len(rows))
		}
	}
	return mean
}

// missed lists the rows that break the bar.
func missed(rows []row) []string {
	var all []string
	for _, r := range rows {
		least := math.Min(r.Ratios["otter paced"], r.Ratios["LRU"])
		if got := r.Ratios["warmcache paced"]; got < least-1 {
			all = append(all, fmt.Sprintf("%s at %d: %.2f, otter %.2f, LRU %.2f", r.Trace, r.Size, got, r.Ratios["otter paced"], r.Ratios["LRU"]))
		}
	}
	return all
}
