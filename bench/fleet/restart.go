package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/warmcache/warmcache/warm"
)

// restart is one of a node in a warm fleet.
type restart struct {
	Capacity int64         `json:"capacity"`
	Ready    time.Duration `json:"ready"`  // from Start on
	Steady   float64       `json:"steady"` // memory's share of the reads before
	First    float64       `json:"first"`  // and of the first reads after
	Source   int64         `json:"source"` // how often the source was asked by the node that was started again
	Role     warm.Role     `json:"role"`
}

const (
	firstReads  = 2000
	steadyReads = 20_000
	settling    = 4 // reads for each key until the policy of a memory that holds less than there is has made up its mind
)

// restarts measures the restarts of a node, while another holds the fleet warm.
func restarts(ctx context.Context, cfg config, addr string) (all []restart, err error) {
	for i, capacity := range cfg.Capacities {
		var asked atomic.Int64
		name := fmt.Sprintf("restart%d", i)
		one := func(asked *atomic.Int64) (*node, error) { return newNode(addr, name, cfg, capacity, asked) }
		leader, err := one(&asked)
		if err != nil {
			return nil, err
		}
		defer leader.close(context.WithoutCancel(ctx)) //nolint:errcheck // it has nothing to say
		if _, _, err := leader.warm(ctx); err != nil {
			return nil, err
		}
		for n := range cfg.Restarts {
			r, err := restartOnce(ctx, cfg, one, capacity, cfg.Seed+uint64(n))
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}

func restartOnce(ctx context.Context, cfg config, fleet func(asked *atomic.Int64) (*node, error), capacity int64, seed uint64) (r restart, err error) {
	r.Capacity = capacity
	z := newZipf(cfg.Keys, cfg.Alpha, seed)
	var before, after atomic.Int64
	old, err := fleet(&before)
	if err != nil {
		return r, err
	}
	if _, _, err := old.warm(ctx); err != nil {
		return r, err
	}
	if capacity < int64(cfg.Keys) {
		if _, err := fromMemory(ctx, old, z, settling*cfg.Keys); err != nil {
			return r, err
		}
	}
	if r.Steady, err = fromMemory(ctx, old, z, min(steadyReads, settling*cfg.Keys)); err != nil {
		return r, err
	}
	if err := old.close(ctx); err != nil {
		return r, err
	}

	again, err := fleet(&after)
	if err != nil {
		return r, err
	}
	defer again.close(context.WithoutCancel(ctx)) //nolint:errcheck // it has nothing to say
	if r.Ready, r.Role, err = again.warm(ctx); err != nil {
		return r, err
	}
	r.First, err = fromMemory(ctx, again, z, firstReads)
	r.Source = after.Load()
	return r, err
}

// fromMemory is the share of reads that memory answered.
func fromMemory(ctx context.Context, n *node, z *zipf, reads int) (float64, error) {
	before := n.cache.Stats().MemoryHits
	for range reads {
		if _, err := n.cache.Get(ctx, keyOf(z.next())); err != nil {
			return 0, err
		}
	}
	return float64(n.cache.Stats().MemoryHits-before) / float64(reads), nil
}
