package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// An observer may close the cache, whatever it hears of.
func TestObserver_mayClose(t *testing.T) {
	for _, kind := range []tiercache.EventKind{tiercache.EventExpire, tiercache.EventEvict, tiercache.EventLoad} {
		t.Run(string(kind), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				var c *tiercache.Cache[int, int]
				var took []time.Duration
				closed := make(chan struct{})
				c = newCache(t, tiercache.Config[int, int]{
					Name: "c", TTL: time.Second, Capacity: 64,
					Observer: observerFunc(func(e tiercache.Event) {
						if e.Kind == kind && len(took) == 0 {
							began := time.Now()
							closing(t, c)
							took = append(took, time.Since(began))
							close(closed)
						}
					}),
				})
				for i := range 200 {
					if err := c.Set(t.Context(), i, i); err != nil {
						break
					}
					_, _ = c.GetOrLoad(t.Context(), -i, loadNothing)
				}
				<-closed
				if took[0] != 0 {
					t.Errorf("Close took %v", took[0])
				}
			})
		})
	}
}

// An observer that blocks holds up nobody: this node hears of what others do, its sweeps go on, and
// Close is over in time.
func TestObserver_mayBlock(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("old")
	release := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(release) }) }
	t.Cleanup(end)
	r := newRedis(t, server)
	a := newCache(t, tiercache.Config[string, string]{
		Name: "c", TTL: time.Hour, Redis: r, Load: src.load, Observer: observerFunc(func(tiercache.Event) { <-release }),
	})
	b := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: newRedis(t, server), Load: src.load})
	get(t, a, "k", "old")
	epoch := r.Health().Epoch
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	redistest.Eventually(t, 10*time.Second, func() error {
		if h := r.Health(); h.Epoch == epoch || !h.Coherent {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})
	get(t, a, "k", "old")
	src.set("new")
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	soon(t, a, "k", "new")
	for i := range 1100 {
		get(t, a, strconv.Itoa(i), "new")
	}
	if n := a.Stats().EventsDropped; n == 0 || n > 1200 {
		t.Errorf("%d events were dropped", n)
	}
	late, began := redistest.Late(t), time.Now()
	closing(t, a)
	if took := time.Since(began); took > 3500*time.Millisecond+late.Since(began) {
		t.Errorf("Close took %v", took)
	}
}

// Events come in order, all of them before Close returns, also where the observer panics or ends
// its goroutine.
func TestObserver_hearsInOrder(t *testing.T) {
	t.Parallel()
	const n = 500
	var heard []error
	var calls atomic.Int64
	c := newCache(t, tiercache.Config[int, int]{
		Name: "c", TTL: time.Hour, Observer: observerFunc(func(e tiercache.Event) {
			heard = append(heard, e.Err)
			switch calls.Add(1) % 10 {
			case 3:
				panic("boom")
			case 6:
				runtime.Goexit()
			}
		}),
	})
	var want []error
	for i := range n {
		err := fmt.Errorf("failure %d", i)
		want = append(want, err)
		_, _ = c.GetOrLoad(t.Context(), i, func(context.Context) (int, error) { return 0, err })
	}
	closing(t, c)
	if !slices.EqualFunc(heard, want, errors.Is) {
		t.Errorf("%d events, want %d in the order of the loads: %v", len(heard), len(want), heard)
	}
}

func loadNothing(context.Context) (int, error) { return 0, tiercache.ErrNotFound }
