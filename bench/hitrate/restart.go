package main

import (
	"context"
	"sync"
	"time"
)

// The restarts of the grid.
const (
	restartOne     = "one node"
	restartRolling = "rolling"
	restartFlushed = "both tiers flushed"
	restartRedis   = "Redis flushed"
)

// restarting is nodes that are started anew at a moment.
type restarting struct {
	at    time.Duration
	nodes []int
	flush bool // Redis is emptied
}

func restartTimes(cfg config) []restarting {
	at := cfg.hours(float64(cfg.BurnInHours) + cfg.RestartAtHour)
	var every []int
	for i := range cfg.Nodes {
		every = append(every, i)
	}
	switch cfg.Restart {
	case restartOne:
		return []restarting{{at: at, nodes: []int{0}}}
	case restartRolling:
		var all []restarting
		for i := range cfg.Nodes {
			all = append(all, restarting{at: at + time.Duration(i)*10*time.Second, nodes: []int{i}})
		}
		return all
	case restartFlushed:
		return []restarting{{at: at, nodes: every, flush: true}}
	case restartRedis:
		return []restarting{{at: at, flush: true}}
	default:
		return nil
	}
}

// restart ends nodes and starts them anew. Requests go to the others meanwhile, or wait where there
// is none.
func (s *simulation) restart(ctx context.Context, which []int, flush bool) error { //nolint:revive // flush is what is restarted, too
	s.flying.Wait()
	s.mu.Lock()
	clear(s.first) // first requests count from here
	for _, i := range which {
		s.up[i] = make(chan struct{})
	}
	s.mu.Unlock()
	for _, i := range which {
		if err := s.nodes[i].close(ctx); err != nil {
			return err
		}
	}
	if flush {
		s.server.FlushAll()
	}
	errs := make([]error, len(which))
	var all sync.WaitGroup
	for k, i := range which {
		all.Go(func() { errs[k] = s.bring(ctx, i) })
	}
	s.flying.Go(func() {
		all.Wait()
		s.fail(errs...)
	})
	return nil
}
