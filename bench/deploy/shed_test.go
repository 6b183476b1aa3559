package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/bench/internal/wire"
	"github.com/warmcache/warmcache/internal/redistest"
)

// Why none loses more requests than plain when both tiers are flushed, in virtual time, so no
// machine's speed has a part in it: loads go on when their callers have given up, and the queue
// before the source grows beyond what a request waits for. With short loads it does not.
func TestMeasure_abandonedLoads(t *testing.T) {
	cfg := full()
	cfg.Primed, cfg.Before, cfg.After = 0, 0, 10*time.Second // what is primed would be flushed
	t.Parallel()
	got := make(map[string]window)
	for _, a := range arms() {
		if a.name != "warming" && a.name != "singleflight" {
			synctest.Test(t, func(t *testing.T) { got[a.name] = flushedIn(t, cfg, a) })
		}
		t.Logf("%s: %+v", a.name, got[a.name])
	}
	plain, none, short := got["plain"], got["none"], got[shortLoads]
	if none.Waited < cfg.Deadline || short.Waited > cfg.Deadline {
		t.Errorf("a query waited %v for the source, %v with short loads: want more than the deadline of %v, and less", none.Waited, short.Waited, cfg.Deadline)
	}
	if none.Errors < 2*plain.Errors || 2*short.Errors > none.Errors {
		t.Errorf("%d requests failed, %d with short loads, %d of the plain cache: want less than half of none's for both", none.Errors, short.Errors, plain.Errors)
	}
}

// flushedIn is the last window after both tiers of an arm were flushed, in the bubble of t.
func flushedIn(t *testing.T, cfg config, a arm) window {
	t.Helper()
	server := redistest.Memory(t)
	// Who waits for a connection of go-redis's pool has a timer that came from another bubble.
	dial := func() *redis.Client { return wire.Client(server, nil, func(o *redis.Options) { o.PoolSize = 1000 }) }
	f, err := newFleet(t.Context(), newBackend(cfg, dial), a)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close(context.WithoutCancel(t.Context())) //nolint:errcheck // the figures are taken
	o, err := f.observe(t.Context(), event{"both tiers flushed", flushed})
	if err != nil {
		t.Fatal(err)
	}
	return o.After[len(o.After)-1]
}
