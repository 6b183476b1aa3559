// Command schedule compares parsing and Next of package schedule with robfig/cron, gronx and
// netresearch/go-cron, in one run.
//
//	cd bench/versus && go run ./schedule
//
// It prints its table and writes bench/results/schedule-versus.json.
package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/adhocore/gronx"
	netresearch "github.com/netresearch/go-cron"
	robfig "github.com/robfig/cron/v3"

	"github.com/warmcache/warmcache/schedule"
)

const sliceCount = 5 // slices of each measurement; the median counts

type result struct {
	What    string  `json:"what"`
	Expr    string  `json:"expr"`
	Zone    string  `json:"zone,omitempty"`
	Library string  `json:"library"`
	Nanos   float64 `json:"ns"`
	Allocs  int64   `json:"allocs"`
}

type expression struct{ name, text string }

func expressions() []expression {
	return []expression{
		{"every minute", "* * * * *"},
		{"every 5 minutes", "*/5 * * * *"},
		{"daily", "0 3 * * *"},
		{"hourly", "0 * * * *"},
		{"weekdays", "0 9 * * 1-5"},
		{"monthly", "0 0 1 * *"},
		{"yearly", "0 0 1 1 *"},
		{"day or weekday", "0 0 13 * 5"},
		{"31 December", "0 0 31 12 *"},
		{"29 February", "0 0 29 2 *"},
	}
}

// library is one rival: how it parses, and its Next.
type library struct {
	name  string
	parse func(expr string) (func(time.Time) time.Time, error)
}

func libraries() []library {
	return []library{
		{"warmcache", func(expr string) (func(time.Time) time.Time, error) {
			c, err := schedule.Parse(expr)
			if err != nil {
				return nil, err
			}
			return c.Next, nil
		}},
		{"robfig", func(expr string) (func(time.Time) time.Time, error) {
			c, err := robfig.ParseStandard(expr)
			if err != nil {
				return nil, err
			}
			return c.Next, nil
		}},
		{"netresearch", func(expr string) (func(time.Time) time.Time, error) {
			c, err := netresearch.ParseStandard(expr)
			if err != nil {
				return nil, err
			}
			return c.Next, nil
		}},
		{"gronx", func(expr string) (func(time.Time) time.Time, error) { // it parses at each question
			return func(at time.Time) time.Time {
				next, err := gronx.NextTickAfter(expr, at, false)
				if err != nil {
					return time.Time{}
				}
				return next
			}, nil
		}},
	}
}

// measure returns the median of several slices.
func measure(body func(n int)) (nanos float64, allocs int64) {
	const slice = 20 * time.Millisecond
	var all []float64
	for range sliceCount {
		n := 1
		for {
			start := time.Now()
			body(n)
			if took := time.Since(start); took >= slice {
				all = append(all, float64(took.Nanoseconds())/float64(n))
				break
			}
			n *= 2
		}
	}
	slices.Sort(all)
	const runs = 64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body(runs)
	runtime.ReadMemStats(&after)
	return all[len(all)/2], int64(after.Mallocs-before.Mallocs) / runs
}

func main() {
	if err := run(); err != nil {
		slog.Error("benchmark failed", slog.Any("error", err))
		os.Exit(1)
	}
}

func run() error {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		return err
	}
	fmt.Printf("%s, GOMAXPROCS %d, medians of %d slices; ns (allocations)\n\n", runtime.Version(), runtime.GOMAXPROCS(0), sliceCount)
	var results []result
	for _, what := range []struct {
		name string
		loc  *time.Location
	}{{"Next", time.UTC}, {"Next", newYork}, {"Parse", nil}} {
		title := what.name
		if what.loc != nil {
			title += " in " + what.loc.String()
		}
		fmt.Printf("%-32s", title)
		for _, lib := range libraries() {
			fmt.Printf("%20s", lib.name)
		}
		fmt.Println()
		for _, expr := range expressions() {
			fmt.Printf("%-32s", expr.name)
			for _, lib := range libraries() {
				r := result{What: what.name, Expr: expr.text, Library: lib.name}
				if what.loc == nil {
					r.Nanos, r.Allocs, err = parseCost(lib, expr.text)
				} else {
					r.Zone = what.loc.String()
					r.Nanos, r.Allocs, err = nextCost(lib, expr.text, what.loc)
				}
				if err != nil {
					return err
				}
				results = append(results, r)
				fmt.Printf("%20s", fmt.Sprintf("%.0f (%d)", r.Nanos, r.Allocs))
			}
			fmt.Println()
		}
		fmt.Println()
	}
	summary(results)
	return write(results)
}

// nextCost asks from 64 times spread over two years, the same for every library.
func nextCost(lib library, expr string, loc *time.Location) (float64, int64, error) {
	next, err := lib.parse(expr)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %q: %w", lib.name, expr, err)
	}
	var from [64]time.Time
	for i := range from {
		from[i] = time.Date(2026, 1, 1+i*11, i*7%24, i*13%60, i*29%60, 0, loc)
	}
	nanos, allocs := measure(func(n int) {
		for i := range n {
			_ = next(from[i%len(from)])
		}
	})
	return nanos, allocs, nil
}

func parseCost(lib library, expr string) (float64, int64, error) {
	if lib.name == "gronx" { // has no parsed form: IsValid does the same work
		g := gronx.New()
		nanos, allocs := measure(func(n int) {
			for range n {
				_ = g.IsValid(expr)
			}
		})
		return nanos, allocs, nil
	}
	var failed error
	nanos, allocs := measure(func(n int) {
		for range n {
			if _, err := lib.parse(expr); err != nil {
				failed = err
			}
		}
	})
	return nanos, allocs, failed
}

// summary prints the geometric means of the ratios and what rare dates cost against common ones.
func summary(results []result) {
	cost := map[result]float64{}
	var rare, common []float64
	for _, r := range results {
		cost[result{What: r.What, Expr: r.Expr, Zone: r.Zone, Library: r.Library}] = r.Nanos
		if r.What == "Next" && r.Library == "warmcache" {
			if r.Expr == "0 0 29 2 *" || r.Expr == "0 0 31 12 *" {
				rare = append(rare, r.Nanos)
			} else {
				common = append(common, r.Nanos)
			}
		}
	}
	for _, what := range []string{"Next", "Parse"} {
		for _, lib := range libraries()[1:] {
			sum, n := 0.0, 0
			for key, nanos := range cost {
				if key.What == what && key.Library == lib.name {
					key.Library = "warmcache"
					sum += math.Log(nanos / cost[key])
					n++
				}
			}
			fmt.Printf("%-6s geometric mean of %s / warmcache: %.1f×\n", what, lib.name, math.Exp(sum/float64(n)))
		}
	}
	fmt.Printf("rare dates cost %.1f× common ones (dearest rare / geometric mean of common)\n", slices.Max(rare)/geometricMean(common))
}

func geometricMean(all []float64) float64 {
	sum := 0.0
	for _, v := range all {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(all)))
}

func write(results []result) error {
	text, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	dir := filepath.Join("..", "results")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "schedule-versus.json")
	fmt.Println("raw figures in", filepath.Clean(filepath.Join("bench", "results", "schedule-versus.json")))
	return os.WriteFile(path, append(text, '\n'), 0o600)
}
