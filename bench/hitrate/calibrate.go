package main

import (
	"fmt"
	"strings"
	"time"
)

// target is the share of fresh hits of the seed's claim, from where it starts, and within what the
// baseline has to meet it.
const (
	target = 0.40
	within = 0.01
)

// expected is the share of fresh hits that caches with these TTLs, and no warming, have on a trace:
// a key is fresh from its load on, for its TTL. Calibration needs no more; what the real caches
// have is measured, and must agree.
func expected(cfg config, t *trace) float64 {
	type entry struct {
		cache int
		key   string
	}
	s := simulation{host: host{cfg: cfg}}
	ttl, until := s.ttls(), make(map[entry]time.Duration)
	from, to := cfg.measured()
	requests, fresh := 0, 0
	for _, r := range t.requests {
		e := entry{r.cache, r.key}
		hit := r.at < until[e]
		if !hit && !strings.HasPrefix(r.key, "unknown-") {
			until[e] = r.at + ttl[r.cache]
		}
		if r.at >= from && r.at < to {
			requests++
			if hit {
				fresh++
			}
		}
	}
	return float64(fresh) / float64(max(requests, 1))
}

// meanExpected is over the configuration's seeds.
func meanExpected(cfg config, cat *catalogue) float64 {
	sum := 0.0
	for seed := range cfg.Seeds {
		sum += expected(cfg, newTrace(cfg, cat, uint64(seed)+1)) //nolint:gosec // small
	}
	return sum / float64(cfg.Seeds)
}

// calibrate finds the requests an hour with which the baseline has its share of fresh hits; no
// other figure is touched.
func calibrate(cfg config, cat *catalogue) (config, error) {
	low, high := 1.0, 50_000.0
	cfg.BurstsPerHour = min(cfg.BurstsPerHour, low/float64(max(cfg.BurstRequests, 1)))
	bursts := 0.1 // of the requests
	for range 16 {
		cfg.RequestsPerHour = (low + high) / 2
		cfg.BurstsPerHour = bursts * cfg.RequestsPerHour / float64(max(cfg.BurstRequests, 1))
		if meanExpected(cfg, cat) < target {
			low = cfg.RequestsPerHour
		} else {
			high = cfg.RequestsPerHour
		}
	}
	if got := meanExpected(cfg, cat); got < target-within || got > target+within {
		return cfg, fmt.Errorf("no rate gives %v of fresh hits: the nearest, %.1f requests an hour, gives %.4f", target, cfg.RequestsPerHour, got)
	}
	return cfg, nil
}
