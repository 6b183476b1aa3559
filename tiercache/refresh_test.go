package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// gates is a source whose first reads stop after they have read, until they are let go.
type gates struct {
	*truth
	mu    sync.Mutex
	stops []*stopped
}

// stopped is where one read stops.
type stopped struct{ read, open chan struct{} }

func (s *gates) stop() stopped {
	g := stopped{make(chan struct{}), make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops = append(s.stops, &g)
	return g
}

func (s *gates) load(ctx context.Context, key string) (string, error) {
	value, err := s.truth.load(ctx, key)
	s.mu.Lock()
	var g *stopped
	if len(s.stops) > 0 {
		g, s.stops = s.stops[0], s.stops[1:]
	}
	s.mu.Unlock()
	if g != nil {
		close(g.read)
		<-g.open
	}
	return value, err
}

func refreshed(t *testing.T, c *tiercache.Cache[string, string], key, want string) {
	t.Helper()
	if got, err := c.Refresh(t.Context(), key); got != want || err != nil {
		t.Errorf("Refresh(%q) = %q, %v; want %q", key, got, err, want)
	}
}

// A load that has read the source before Refresh is called, a read's or a refresh's, doesn't know
// what was committed since.
func TestRefresh_readsTheSourceAfterItWasCalled(t *testing.T) {
	for name, first := range map[string]func(c *tiercache.Cache[string, string]) (string, error){
		"joins no Get":     func(c *tiercache.Cache[string, string]) (string, error) { return c.Get(context.Background(), "k") },
		"joins no Refresh": func(c *tiercache.Cache[string, string]) (string, error) { return c.Refresh(context.Background(), "k") },
		"joins no GetMany": func(c *tiercache.Cache[string, string]) (string, error) {
			got, err := c.GetMany(context.Background(), []string{"k"})
			return got["k"], err
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, r *tiercache.Redis) {
				src := gates{truth: newTruth("old")}
				g := src.stop()
				c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r, Load: src.load})
				var before sync.WaitGroup
				before.Go(func() {
					if v, err := first(c); v != "old" || err != nil {
						t.Errorf("the load before: %q, %v; want what it read", v, err)
					}
				})
				<-g.read
				src.set("new")
				refreshed(t, c, "k", "new")
				close(g.open)
				before.Wait()
				get(t, c, "k", "new") // the load before is the older one, though it ends later
			})
		})
	}
}

// Refreshes that are called while two others ask the source wait, and share one that asks after all
// of them were called.
func TestRefresh_manyAtOnceShareOne(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		src := gates{truth: newTruth("v1")}
		first, second := src.stop(), src.stop()
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r, Load: src.load})
		var all sync.WaitGroup
		all.Go(func() { refreshed(t, c, "k", "v1") })
		<-first.read
		src.set("v2")
		all.Go(func() { refreshed(t, c, "k", "v2") })
		<-second.read
		src.set("v3")
		for range 50 {
			all.Go(func() { refreshed(t, c, "k", "v3") })
		}
		synctest.Wait()
		close(second.open)
		close(first.open)
		all.Wait()
		if n := src.reads.Load(); n != 3 {
			t.Errorf("%d source reads, want 3", n)
		}
		get(t, c, "k", "v3")
	})
}

// A refresh that waits behind others of its key is in the graph of waits: a loader that comes back
// by it is told so.
func TestRefresh_behindItselfIsRecursion(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		var c *tiercache.Cache[string, string]
		asked := make(chan struct{}, 2)
		c = newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r, Load: func(ctx context.Context, key string) (string, error) {
			if key == "k" {
				asked <- struct{}{}
				return c.Get(ctx, "other")
			}
			for len(asked) < 2 {
				waitFor(time.Millisecond)
			}
			waitFor(time.Second)
			return c.Refresh(ctx, "k")
		}})
		began := time.Now()
		var all sync.WaitGroup
		all.Go(func() { _, _ = c.Get(t.Context(), "other") }) // nobody's load has begun this one
		for range 2 {
			waitFor(100 * time.Millisecond)
			all.Go(func() {
				if v, err := c.Refresh(t.Context(), "k"); !errors.Is(err, tiercache.ErrRecursive) {
					t.Errorf("Refresh = %q, %v; want ErrRecursive", v, err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Two nodes refresh a key more often than it loads. Their values are committed, and a third node's
// read is not held up.
func TestRefresh_aStormStarvesNobody(t *testing.T) {
	server := redistest.Start(t)
	const loading = 60 * time.Millisecond
	var version atomic.Int64
	load := func(context.Context, string) (string, error) {
		v := version.Add(1)
		waitFor(loading)
		return strconv.FormatInt(v, 10), nil
	}
	var nodes []*tiercache.Cache[string, string]
	for range 3 {
		nodes = append(nodes, node(t, server, tiercache.Config[string, string]{Load: load}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var storm sync.WaitGroup
	defer storm.Wait()
	defer cancel()
	for _, c := range nodes[:2] {
		storm.Go(func() {
			for ; ctx.Err() == nil; waitFor(loading / 4) {
				storm.Go(func() {
					before := version.Load()
					got, err := c.Refresh(ctx, "k")
					if v, _ := strconv.ParseInt(got, 10, 64); err == nil && v <= before {
						t.Errorf("Refresh = %s, which was read before it was called: %d had begun", got, before)
					} else if err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				})
			}
		})
	}
	redistest.Eventually(t, 5*time.Second, func() error {
		if n := nodes[0].Stats().Loads + nodes[1].Stats().Loads; n < 10 {
			return fmt.Errorf("%d loads", n)
		}
		return nil
	})
	late := redistest.Late(t)
	began := time.Now()
	if v, err := nodes[2].Get(t.Context(), "k"); v == "" || err != nil || late.Since(began) > time.Second {
		t.Errorf("the third node's Get = %q, %v after %v", v, err, time.Since(began))
	}
	if n := nodes[2].Stats().Loads; n != 0 {
		t.Errorf("the third node loaded %d times, want what the others have committed", n)
	}
	loads, refused := nodes[0].Stats().Loads+nodes[1].Stats().Loads, nodes[0].Stats().Refused+nodes[1].Stats().Refused
	t.Logf("%d loads, %d refused", loads, refused)
	if refused > loads/2+2 {
		t.Errorf("%d of %d commits refused, want at most every second", refused, loads)
	}
}

// A refresh shares what another node has loaded since it was called.
func TestRefresh_sharesAnotherNodesLaterLoad(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		src := gates{truth: newTruth("v1")}
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: nodeOn(t, m), Load: src.load}
		a := newCache(t, cfg)
		cfg.Redis = nodeOn(t, m)
		b := newCache(t, cfg)
		stolen, thief := src.stop(), src.stop()
		var all sync.WaitGroup
		all.Go(func() { refreshed(t, a, "k", "v1") })
		<-stolen.read
		src.set("v2")
		all.Go(func() { refreshed(t, b, "k", "v2") }) // its lease is not stolen again
		<-thief.read
		src.set("v3")
		waitFor(time.Second)
		all.Go(func() { refreshed(t, a, "k", "v3") })
		all.Go(func() { refreshed(t, b, "k", "v3") })
		waitFor(time.Second)
		close(thief.open)
		close(stolen.open)
		all.Wait()
		if n := src.reads.Load(); n > 4 {
			t.Errorf("%d source reads, want at most 4", n)
		}
		get(t, a, "k", "v3")
		get(t, b, "k", "v3")
	})
}
