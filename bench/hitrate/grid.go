package main

import (
	"fmt"
	"slices"
)

// cell is a workload of the grid: the calibrated one with one thing changed.
type cell struct {
	Axis   string
	Value  string
	Config config
}

// gridArms are those of the grid.
func gridArms() []string { return []string{"none", "default", "long lists", "all"} }

// grid is all workloads beside the calibrated one. The rate of requests stays what it is, so that
// the baseline's share is another in each cell.
func grid(base config) []cell {
	short := base
	short.Hours, short.BurnInHours = 4, 1
	var cells []cell
	add := func(axis string, value any, change func(*config)) {
		c := short
		change(&c)
		cells = append(cells, cell{axis, fmt.Sprint(value), c})
	}
	for _, alpha := range []float64{0.6, 0.8, 1.0, 1.1, 1.3, 1.5} {
		add("alpha", alpha, func(c *config) { c.Alpha = alpha })
	}
	for _, reports := range []int{1000, 10_000, 100_000, 1_000_000} {
		add("catalogue", reports, func(c *config) {
			if c.Reports = reports; reports > 100_000 {
				c.Hours = 2 // its scans take real time
			}
		})
	}
	for _, nodes := range []int{1, 2, 4, 8} {
		add("nodes", nodes, func(c *config) {
			if c.Nodes = nodes; nodes > 2 {
				c.Hours = 2
			}
		})
	}
	for _, restart := range []string{"no restart", restartOne, restartRolling, restartFlushed, restartRedis} {
		add("restart", restart, func(c *config) {
			c.Nodes, c.BurnInHours, c.Hours, c.Restart = 3, 1, 1, restart // the hour after it
		})
	}
	for _, drift := range []float64{0, 0.05, 0.2} {
		add("drift", drift, func(c *config) { c.DriftPerHour = drift })
	}
	for _, times := range []float64{0.25, 1, 4} {
		add("traffic", fmt.Sprintf("%v times", times), func(c *config) {
			c.RequestsPerHour *= times
			c.BurstsPerHour *= times
		})
	}
	return cells
}

// ablationCell is the workload of the ablation: three nodes, one of which is restarted.
func ablationCell(base config) cell {
	base.Nodes, base.BurnInHours, base.Hours, base.Restart, base.RestartAtHour = 3, 2, 3, restartOne, 1
	return cell{"ablation", "three nodes, one restarted", base}
}

// jobsOf is the jobs of a cell, seed by seed: arms of one seed meet the same requests.
func jobsOf(c cell, all []arm) []job {
	var jobs []job
	for seed := range c.Config.Seeds {
		for _, a := range all {
			jobs = append(jobs, job{Cell: c.Axis + " " + c.Value, Config: c.Config, Arm: a.Name, Seed: uint64(seed) + 1}) //nolint:gosec // small
		}
	}
	return jobs
}

// named is some of the arms.
func named(names ...string) []arm {
	return slices.DeleteFunc(arms(), func(a arm) bool { return !slices.Contains(names, a.Name) })
}
