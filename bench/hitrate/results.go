package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// results is what is kept of all runs.
type results struct {
	ConfigHash string              `json:"config_hash"`
	Frozen     bool                `json:"config_is_the_frozen_one"`
	Config     config              `json:"config"`
	Machine    figures.Machine     `json:"machine"`
	Baseline   baseline            `json:"baseline"`
	Arms       map[string]*summary `json:"arms"`
	Grid       []gridRow           `json:"grid"`
	Ablation   []gridRow           `json:"ablation"`

	NotRun []string `json:"not_run,omitempty"` // cells for which there was no time

	outcomes map[string][]outcome // by cell, for the CSV
}

// baseline is how well the calibration was met.
type baseline struct {
	Fresh    float64    `json:"fresh"`
	CI       [2]float64 `json:"ci"`
	Expected float64    `json:"expected"` // by the calibration's arithmetic, from the traces alone
}

// gridRow is an arm in a cell.
type gridRow struct {
	Axis  string `json:"axis"`
	Value string `json:"value"`
	Arm   string `json:"arm"`
	summary
}

// measure runs the arms, the grid and the ablation.
func (r *results) measure(run func([]job) ([]outcome, error), cells []cell) error {
	all := append([]cell{{"arms", "calibrated", r.Config}}, cells...)
	var jobs []job
	begin := make([]int, len(all)) // of each cell's jobs: the calibrated cell stands on several axes
	known := make(map[string]int)
	for i, c := range all {
		key := fmt.Sprintf("%+v %+v", c.Config, c.arms())
		if at, ok := known[key]; ok {
			begin[i] = at
			continue
		}
		begin[i], known[key] = len(jobs), len(jobs)
		jobs = append(jobs, jobsOf(c, c.arms())...)
	}
	outs, err := bySeed(jobs, run)
	if err != nil {
		return err
	}
	r.outcomes, r.Arms = make(map[string][]outcome), make(map[string]*summary)
	for i, c := range all {
		own := whole(outs[begin[i]:begin[i]+c.Config.Seeds*len(c.arms())], len(c.arms()))
		if len(own) == 0 {
			r.NotRun = append(r.NotRun, c.Axis+" "+c.Value)
			continue
		}
		rows := c.rows(own)
		r.outcomes[c.Axis+" "+c.Value] = own
		switch c.Axis {
		case "arms":
			for _, row := range rows {
				r.Arms[row.Arm] = &row.summary
			}
		case "ablation":
			r.Ablation = append(r.Ablation, rows...)
		default:
			r.Grid = append(r.Grid, rows...)
		}
	}
	none := r.Arms["none"]
	if none == nil {
		return errors.New("not even the arms could be run in this time")
	}
	r.Baseline.Fresh, r.Baseline.CI = none.Fresh, none.CI
	return nil
}

// bySeed runs the jobs of the arms first, then those of the grid seed by seed, so that what a
// limited time allows are fewer seeds of all cells. It keeps the order in what it returns.
func bySeed(jobs []job, run func([]job) ([]outcome, error)) ([]outcome, error) {
	order := make([]int, len(jobs))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) uint64 {
		if jobs[i].Cell == calibrated {
			return 0
		}
		return jobs[i].Seed
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
	sorted := make([]job, len(jobs))
	for to, from := range order {
		sorted[to] = jobs[from]
	}
	ran, err := run(sorted)
	outs := make([]outcome, len(jobs))
	for to, from := range order {
		outs[from] = ran[to]
	}
	return outs, err
}

// calibrated is the name of the cell of the arms.
const calibrated = "arms calibrated"

// whole is those of the outcomes whose seed all arms were run with, n arms a seed.
func whole(outs []outcome, n int) (some []outcome) {
	for seed := range slices.Chunk(outs, n) {
		if !slices.ContainsFunc(seed, func(o outcome) bool { return o.Requests == 0 }) {
			some = append(some, seed...)
		}
	}
	return some
}

// arms are those that a cell is run with.
func (c cell) arms() []arm {
	switch c.Axis {
	case "arms":
		return arms()
	case "ablation":
		return ablations()
	default:
		return named(gridArms()...)
	}
}

// rows sums up a cell's outcomes, which come seed by seed.
func (c cell) rows(outs []outcome) []gridRow {
	byArm := make(map[string][]outcome)
	for _, o := range outs {
		byArm[o.Arm] = append(byArm[o.Arm], o)
	}
	first := c.arms()[0].Name // none, or what the ablation starts from
	var rows []gridRow
	for _, a := range c.arms() {
		row := gridRow{Axis: c.Axis, Value: c.Value, Arm: a.Name, summary: summarize(a, byArm[a.Name], byArm[first])}
		if c.Axis != "arms" && c.Axis != "ablation" {
			row.What = ""
		}
		rows = append(rows, row)
	}
	return rows
}

// save writes everything into a folder.
func (r *results) save(folder string, cells []cell) error {
	name := filepath.Join(folder, "hitrate")
	return errors.Join(figures.Save(name+".json", r), r.saveCSV(name+".csv", cells), r.render(name))
}

// again writes the report and the plots of the results in a folder.
func again(folder string) error {
	name := filepath.Join(folder, "hitrate")
	text, err := os.ReadFile(name + ".json")
	if err != nil {
		return err
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%s.json: %w", name, err)
	}
	return r.render(name)
}

// render writes what people read.
func (r *results) render(name string) error {
	return errors.Join(
		os.WriteFile(name+".md", []byte(r.markdown()), 0o644),
		r.armsPlot().save(name),
		r.gridPlot().save(name+"-grid"),
	)
}

// saveCSV writes each run as a line.
func (r *results) saveCSV(path string, cells []cell) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := [][]string{{
		"axis", "value", "arm", "seed", "requests", "memory", "redis", "stale", "negative", "misses", "joined", "fresh",
		"source_queries", "source_rows", "source_queries_of_readers", "redis_commands", "redis_bytes", "entries", "ready_ms", "first_mean_ms", "first_listed_mean_ms",
	}}
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', 4, 64) }
	for _, c := range append([]cell{{"arms", "calibrated", r.Config}}, cells...) {
		for _, o := range r.outcomes[c.Axis+" "+c.Value] {
			line := []string{c.Axis, c.Value, o.Arm}
			for _, n := range []int{int(o.Seed), o.Requests, o.Memory, o.Redis, o.Stale, o.Negative, o.Misses, o.Joined} { //nolint:gosec // small
				line = append(line, strconv.Itoa(n))
			}
			line = append(line, number(o.fresh()), strconv.Itoa(o.SourceQueries), strconv.Itoa(o.SourceRows), strconv.FormatInt(o.SourceAsked, 10), strconv.Itoa(o.RedisCommands),
				strconv.FormatInt(o.RedisBytes, 10), strconv.Itoa(o.Entries), number(o.ReadyMillis), number(o.First.Mean), number(o.Listed.Mean))
			lines = append(lines, line)
		}
	}
	return csv.NewWriter(f).WriteAll(lines)
}
