package tiercache_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A batch has one key that loads slowly, and one that another node is about to have loaded. Who
// reads that one here doesn't wait for the slow one.
func TestGetMany_aSlowKeyHoldsUpNoOther(t *testing.T) {
	for name, single := range map[string]bool{"Load": true, "LoadMany": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *redistest.InMemory) {
				loading := make(chan struct{})
				other := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: nodeOn(t, m), Load: func(context.Context, string) (string, error) {
					close(loading)
					waitFor(300 * time.Millisecond)
					return "v", nil
				}})
				slow := func(_ context.Context, key string) (string, error) {
					waitFor(8 * time.Second)
					return key, nil
				}
				cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: nodeOn(t, m), Load: slow}
				if !single {
					cfg.Load, cfg.LoadMany = nil, func(ctx context.Context, keys []string) (map[string]string, error) {
						v, err := slow(ctx, keys[0])
						return map[string]string{keys[0]: v}, err
					}
				}
				c := newCache(t, cfg)
				var all sync.WaitGroup
				all.Go(func() { get(t, other, "k", "v") })
				<-loading
				all.Go(func() {
					if got, err := c.GetMany(t.Context(), []string{"slow", "k"}); got["slow"] != "slow" || got["k"] != "v" || err != nil {
						t.Errorf("GetMany = %v, %v", got, err)
					}
				})
				waitFor(100 * time.Millisecond)
				began := time.Now()
				get(t, c, "k", "v")
				if took := time.Since(began); took > time.Second {
					t.Errorf("Get of the other key took %v", took)
				}
				all.Wait()
			})
		})
	}
}
