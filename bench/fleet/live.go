package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// live is a pair of slices of reads by a node that serves: as ever, and while another cache of the
// same process hydrates. A tenth of the keys read fit into memory, so that many reads go to Redis,
// where hydration could be in their way.
type live struct {
	Before    time.Duration `json:"before"` // p99
	During    time.Duration `json:"during"` // p99
	Reads     int           `json:"reads"`  // during
	Hydrating time.Duration `json:"hydrating"`
	Hydrated  int           `json:"hydrated"`
}

func liveReads(ctx context.Context, cfg config, addr string) (all []live, err error) {
	var asked atomic.Int64
	serving, err := newNode(addr, "serving", cfg, int64(max(cfg.Keys/10, 10)), &asked)
	if err != nil {
		return nil, err
	}
	defer serving.close(context.WithoutCancel(ctx)) //nolint:errcheck // it has nothing to say
	if _, _, err := serving.warm(ctx); err != nil {
		return nil, err
	}
	leader, err := newNode(addr, "hydrated", cfg, int64(2*cfg.Keys), &asked)
	if err != nil {
		return nil, err
	}
	defer leader.close(context.WithoutCancel(ctx)) //nolint:errcheck // it has nothing to say
	if _, _, err := leader.warm(ctx); err != nil {
		return nil, err
	}
	for slice := range cfg.Slices {
		l, err := liveOnce(ctx, cfg, addr, serving, cfg.Seed+uint64(slice))
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

func liveOnce(ctx context.Context, cfg config, addr string, serving *node, seed uint64) (l live, err error) {
	z := newZipf(cfg.Keys, cfg.Alpha, seed)
	quiet, cancel := context.WithTimeout(ctx, cfg.Quiet)
	defer cancel()
	before, err := serve(quiet, cfg, serving, z)
	if err != nil {
		return l, err
	}
	l.Before = figures.Percentile(before, 0.99)

	var asked atomic.Int64
	follower, err := newNode(addr, "hydrated", cfg, int64(2*cfg.Keys), &asked)
	if err != nil {
		return l, err
	}
	defer follower.close(context.WithoutCancel(ctx)) //nolint:errcheck // it has nothing to say
	busy, done := context.WithCancel(ctx)
	var hydration sync.WaitGroup
	var failed error
	hydration.Go(func() {
		defer done()
		l.Hydrating, _, failed = follower.warm(ctx)
	})
	during, err := serve(busy, cfg, serving, z)
	done()
	hydration.Wait()
	if err != nil || failed != nil {
		return l, fmt.Errorf("live reads: %w, hydration: %w", err, failed)
	}
	l.During, l.Reads, l.Hydrated = figures.Percentile(during, 0.99), len(during), follower.cache.Stats().Entries
	if asked.Load() != 0 {
		return l, fmt.Errorf("the follower asked the source %d times", asked.Load())
	}
	return l, nil
}

// serve reads at the rate until ctx ends. Latency counts from the moment at which a read was due,
// so that one that is late makes the next ones late as well.
func serve(ctx context.Context, cfg config, n *node, z *zipf) (took []time.Duration, err error) {
	every := time.Second / time.Duration(cfg.Rate)
	tick := time.NewTimer(0)
	defer tick.Stop()
	for due := time.Now(); ; due = due.Add(every) {
		tick.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return took, nil
		case <-tick.C:
		}
		if _, err := n.cache.Get(context.WithoutCancel(ctx), keyOf(z.next())); err != nil {
			return took, err
		}
		took = append(took, time.Since(due))
	}
}
