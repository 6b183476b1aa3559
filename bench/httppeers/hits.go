package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// hits is what one peer did under one load; medians over the rounds.
type hits struct {
	Peer        string        `json:"peer"`
	Body        int           `json:"body_bytes"`
	Connections int           `json:"connections"`
	PerSecond   float64       `json:"requests_per_second"`
	CPU         time.Duration `json:"cpu_a_request_ns"` // of the peer's processes
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	Asked       int64         `json:"origin_requests"` // in all rounds: 0, or they were no hits
}

// starters is the peers that have been started.
type starters []started

type started struct {
	name string
	*process
}

// hit measures all peers under all loads. They take turns, so that what disturbs one disturbs all.
func (f *field) hit(ctx context.Context, cfg config, all []peer) (out []hits, err error) {
	var running starters
	defer func() {
		for _, s := range running {
			err = errors.Join(err, s.stop())
		}
	}()
	for _, p := range all {
		at, err := f.place(ctx)
		if err != nil {
			return nil, err
		}
		if p.redis {
			f.redis.Do("FLUSHALL") //nolint:contextcheck // its TB has it
			at.redis = f.redis.Addr()
		}
		s, err := p.start(ctx, at)
		if err != nil {
			return nil, err
		}
		running = append(running, started{p.name, s})
	}
	for _, load := range []struct {
		path  string
		bytes int
	}{{"/1k", 1 << 10}, {"/100k", 100 << 10}} {
		for _, connections := range []int{1, 50, 500} {
			medians, err := running.rounds(ctx, f, cfg, load.path, hits{Body: load.bytes, Connections: connections})
			if err != nil {
				return nil, err
			}
			out = append(out, medians...)
		}
	}
	return out, nil
}

// rounds is the medians of all peers under one load.
func (g starters) rounds(ctx context.Context, f *field, cfg config, path string, load hits) ([]hits, error) {
	rounds := make([][]hits, len(g))
	for range cfg.rounds {
		for i, s := range g {
			load.Peer = s.name
			h, err := f.round(ctx, s.process, path, load, cfg.length)
			if err != nil {
				return nil, fmt.Errorf("%s, %s at %d connections: %w\n%s", s.name, path, load.Connections, err, s.log)
			}
			rounds[i] = append(rounds[i], h)
		}
	}
	medians := make([]hits, len(g))
	for i, r := range rounds {
		medians[i] = median(r)
	}
	return medians, nil
}

// round is one measurement of a peer that has the body already.
func (f *field) round(ctx context.Context, s *process, path string, h hits, long time.Duration) (hits, error) {
	of := target{s.addr, path, h.Body}
	for range 2 {
		if _, err := press(ctx, of, 1, 0); err != nil {
			return h, err
		}
	}
	if _, err := press(ctx, of, h.Connections, long/5); err != nil { // its threads, its buffers
		return h, err
	}
	f.origin.reset()
	before := s.cpu()
	m, err := press(ctx, of, h.Connections, long)
	if err != nil {
		return h, err
	}
	n := len(m.took)
	h.CPU = (s.cpu() - before) / time.Duration(n)
	h.PerSecond = float64(n) / m.wall.Seconds()
	h.P50, h.P99 = figures.Percentile(m.took, 0.5), figures.Percentile(m.took, 0.99)
	h.Asked = f.origin.asked.Load()
	return h, nil
}

// median is the median of each figure by itself.
func median(rounds []hits) hits {
	h := rounds[0]
	mid := len(rounds) / 2
	h.PerSecond = sorted(rounds, func(r hits) float64 { return r.PerSecond })[mid]
	h.CPU = time.Duration(sorted(rounds, func(r hits) float64 { return float64(r.CPU) })[mid])
	h.P50 = time.Duration(sorted(rounds, func(r hits) float64 { return float64(r.P50) })[mid])
	h.P99 = time.Duration(sorted(rounds, func(r hits) float64 { return float64(r.P99) })[mid])
	for _, r := range rounds[1:] {
		h.Asked += r.Asked
	}
	return h
}

func sorted(rounds []hits, figure func(hits) float64) []float64 {
	all := make([]float64, len(rounds))
	for i, r := range rounds {
		all[i] = figure(r)
	}
	slices.Sort(all)
	return all
}

func printHits(all []hits) {
	rows := [][]string{{"body", "connections", "peer", "requests/s", "CPU a request", "p50", "p99", "origin"}}
	for _, h := range all {
		rows = append(rows, []string{
			strconv.Itoa(h.Body>>10) + " KiB", strconv.Itoa(h.Connections), h.Peer, fmt.Sprintf("%.0f", h.PerSecond),
			fmt.Sprintf("%.1f µs", float64(h.CPU)/float64(time.Microsecond)), figures.Millis(h.P50), figures.Millis(h.P99), strconv.FormatInt(h.Asked, 10),
		})
	}
	fmt.Println(figures.Table(rows))
}
