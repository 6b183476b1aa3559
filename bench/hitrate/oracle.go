package main

import (
	"context"
	"strings"
	"time"
)

// foresight is how long before a read the oracle begins to load: longer than a load takes.
const foresight = 3 * time.Second

// foresee loads each key that is about to be read where it would not be fresh. It is the bound of
// what any way of warming could reach, and no way to do it.
func (s *simulation) foresee(ctx context.Context) {
	type place struct {
		node, cache int
		key         string
	}
	ttl := s.ttls()
	restarts := restartTimes(s.cfg)
	until := make(map[place]time.Duration)
	since := make(map[string]time.Duration)
	for _, r := range s.traced.reports {
		since[r.id] = r.at
	}
	for _, r := range s.traced.requests {
		if strings.HasPrefix(r.key, "unknown-") {
			continue
		}
		at := r.at - foresight
		for len(restarts) > 0 && r.at >= restarts[0].at {
			// What was loaded before is gone; loads meant for after it wait for it.
			clear(until)
			at, restarts = max(at, restarts[0].at+time.Millisecond), restarts[1:]
		}
		if written, ok := since[r.key]; ok {
			at = max(at, written+time.Millisecond) // before that there is nothing to load
		}
		p := place{r.node, r.cache, r.key}
		if r.at < until[p] {
			continue
		}
		s.until(at)
		began := max(at, time.Since(s.began))
		until[p] = began + ttl[r.cache] - time.Millisecond
		s.flying.Go(func() { s.fail(s.reach(r.node).refresh(ctx, r.cache, r.key)) })
	}
}

func (s *simulation) ttls() [numCaches]time.Duration {
	c := s.arm.caches(s.cfg)
	return [numCaches]time.Duration{c.BrandTTL, c.ReportTTL, c.QuestionTTL, c.UserTTL, c.ResponseTTL}
}
