package tiercache_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// Writers go on at a constant rate through a freeze of Redis. Once it is back all writes reach it
// again, and what others have in memory costs at most one load for a key.
func TestStorm_pendingWritesRecoverUnderLoad(t *testing.T) {
	if racetest.Enabled {
		t.Skip("20,000 writes a second are too many for the race detector; `make test` runs it without")
	}
	for name, storm := range map[string]struct {
		rate    int // keys a second
		besides int // keys that are deleted during the freeze
	}{
		"within the bound": {20_000, 0},
		"beyond the bound": {8_000, 130_000},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			open := func() (*tiercache.Redis, *atomic.Int64, *tiercache.Cache[string, string]) {
				r, err := tiercache.NewRedis(newClient(t, func(o *redis.Options) { o.Addr = server.Addr() }), tiercache.RedisConfig{Timeout: 250 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { closing(t, r) })
				loads := new(atomic.Int64)
				return r, loads, newCache(t, tiercache.Config[string, string]{
					Name: "things", TTL: time.Hour, Redis: r, Capacity: 400_000,
					Load: func(context.Context, string) (string, error) {
						loads.Add(1)
						return "v", nil
					},
				})
			}
			ra, _, a := open()
			rb, loads, b := open()
			coherent(t, ra, rb)
			get(t, b, "hot", "v")

			ctx, cancel := context.WithCancel(t.Context())
			var writers sync.WaitGroup
			var last atomic.Int64 // when a write failed last, in ns since the epoch
			const batch = 500
			writers.Go(func() {
				tick := time.NewTicker(time.Second * batch / time.Duration(storm.rate))
				defer tick.Stop()
				slots := make(chan struct{}, 64) // a frozen server must not stop the writers
				for n := 0; ctx.Err() == nil; n++ {
					values := make(map[string]string, batch)
					for i := range batch {
						values[fmt.Sprint("k", (n*batch+i)%200_000)] = "w"
					}
					slots <- struct{}{}
					writers.Go(func() {
						if err := a.SetMany(ctx, values); err != nil && ctx.Err() == nil {
							last.Store(time.Now().UnixNano())
						}
						<-slots
					})
					<-tick.C
				}
			})
			pause(ctx, time.Second)
			server.Stop()
			frozen := time.Now()
			gone := make([]string, storm.besides)
			for i := range gone {
				gone[i] = fmt.Sprint("gone", i)
			}
			_ = a.Delete(ctx, gone...)
			pause(ctx, 3*time.Second-time.Since(frozen))
			pending := a.Stats().Pending
			server.Cont()
			back := time.Now()
			late := redistest.Late(t)
			redistest.Eventually(t, 5*time.Second, func() error { // until it is, each epoch costs it a load
				if h := rb.Health(); !h.Coherent || h.Breaker != tiercache.BreakerClosed {
					return fmt.Errorf("the other node: %+v", h)
				}
				return nil
			})
			before := loads.Load()
			for time.Since(back) < 5*time.Second {
				if v, err := b.Get(ctx, "hot"); v != "v" || err != nil {
					t.Errorf("the other node's Get = %q, %v", v, err)
				}
				pause(ctx, 5*time.Millisecond)
			}
			cancel()
			writers.Wait()
			recovered := time.Unix(0, last.Load()).Sub(back)
			t.Logf("%d were pending; the last write failed %v after the thaw; %d loads of the hot key", pending, recovered, loads.Load()-before)
			if beyond := pending == 1; beyond != (storm.besides > 0) {
				t.Errorf("%d were pending; beyond the bound it is one Clear", pending)
			}
			if lateBy := late.Since(back); recovered > 2*time.Second+lateBy {
				t.Errorf("writes still failed %v after the thaw; timers were late by %v", recovered, lateBy)
			}
			if n := loads.Load() - before; n > 1 {
				t.Errorf("%d loads of another node's hot key, want at most 1", n)
			}
		})
	}
}

// A node has written much when a failover that lost nothing comes. That costs nobody anything.
func TestStorm_failoverAfterManyWritesClearsNothing(t *testing.T) {
	t.Parallel()
	p, src := newPair(t), newTruth("v")
	a, ra := p.node(t, src, tiercache.RedisConfig{})
	b, rb := p.node(t, src, tiercache.RedisConfig{})
	coherent(t, ra, rb)
	values := make(map[string]string)
	for i := range 500 {
		values[fmt.Sprint("w", i)] = "v"
	}
	const foreign = 200
	for i := range foreign {
		get(t, b, fmt.Sprint("f", i), "v")
	}
	for range 60 { // 30,000 writes
		redistest.Eventually(t, 5*time.Second, func() error { return a.SetMany(t.Context(), values) })
	}
	p.inStep(t, 1, 0)
	pause(t.Context(), 1500*time.Millisecond) // the replica has said so
	p.servers[0].Kill()
	p.promote(1)
	redistest.Eventually(t, 10*time.Second, func() error {
		for _, r := range []*tiercache.Redis{ra, rb} {
			if h := r.Health(); h.Pending > 0 || !h.Coherent || h.Breaker != tiercache.BreakerClosed || h.Epoch < 3 {
				return fmt.Errorf("health %+v", h)
			}
		}
		return nil
	})
	redistest.Eventually(t, 5*time.Second, func() error { return a.SetMany(t.Context(), values) })
	before := src.reads.Load()
	for i := range foreign {
		get(t, b, fmt.Sprint("f", i), "v")
	}
	if n := src.reads.Load() - before; n > 0 {
		t.Errorf("%d of %d keys of another node were loaded again after a failover that lost nothing", n, foreign)
	}
}
