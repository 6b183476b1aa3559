package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// virtual runs a test in virtual time, on memory alone and with an in-memory Redis.
func virtual(t *testing.T, test func(t *testing.T, r *tiercache.Redis)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) { test(t, nil) })
	})
	t.Run("redis", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) { test(t, nodeOn(t, redistest.Memory(t))) })
	})
}

// nodeOn is one process's view of an in-memory Redis.
func nodeOn(t *testing.T, m *redistest.InMemory) *tiercache.Redis {
	t.Helper()
	r, err := tiercache.NewRedis(m.Client(), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	return r
}

// waitFor waits in virtual time.
func waitFor(d time.Duration) { <-time.After(d) }

func TestFlight_aCallerThatCancelsFailsAlone(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		var loads atomic.Int64
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, Redis: r,
			Load: func(ctx context.Context, key string) (string, error) {
				loads.Add(1)
				select {
				case <-ctx.Done():
					return "", ctx.Err()
				case <-time.After(1500 * time.Millisecond):
					return "v", nil
				}
			},
		})
		leading, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Get(leading, "k"); !errors.Is(err, context.Canceled) {
				t.Errorf("leader: %v, want canceled", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began := time.Now()
			if _, err := c.GetMany(ctx, []string{"k"}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
				t.Errorf("follower with a deadline: %v after %v", err, time.Since(began))
			}
		})
		for range 5 {
			wg.Go(func() {
				if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
					t.Errorf("follower: %q, %v", v, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := loads.Load(); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
}

func TestFlight_panicsAndGoexitReachEveryWaiter(t *testing.T) {
	fails := map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, r *tiercache.Redis) {
				bad := true
				misbehave := func() {
					waitFor(10 * time.Millisecond)
					if bad {
						fail()
					}
				}
				c := newCache(t, tiercache.Config[string, string]{
					Name: "c", TTL: time.Minute, Redis: r,
					Load: func(context.Context, string) (string, error) { misbehave(); return "v", nil },
					LoadMany: func(context.Context, []string) (map[string]string, error) {
						misbehave()
						return map[string]string{"m1": "v"}, nil
					},
					Reload: func(context.Context, string, string) (string, error) { misbehave(); return "v2", nil },
				})
				check := func(what string, err error) {
					t.Helper()
					var p *tiercache.PanicError
					if errors.As(err, &p) != (name == "panic") || errors.Is(err, tiercache.ErrGoexit) != (name == "Goexit") {
						t.Errorf("%s: %v", what, err)
					}
					if p != nil && (p.Value != "boom" || !strings.Contains(string(p.Stack), "misbehave") && len(p.Stack) == 0) {
						t.Errorf("%s: %+v", what, p)
					}
				}
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { _, err := c.Get(t.Context(), "k"); check("Get", err) })
				}
				wg.Wait()
				_, err := c.GetMany(t.Context(), []string{"m1", "m2"})
				check("GetMany", err)
				_, err = c.GetOrLoad(t.Context(), "g", func(context.Context) (string, error) { misbehave(); return "", nil })
				check("GetOrLoad", err)
				if err := c.Set(t.Context(), "r", "old"); err != nil {
					t.Fatal(err)
				}
				_, err = c.Refresh(t.Context(), "r")
				check("Reload", err)
				bad = false
				began := time.Now()
				if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
					t.Errorf("next Get: %q, %v", v, err)
				}
				if got, err := c.GetMany(t.Context(), []string{"m1", "m2"}); err != nil || len(got) != 1 {
					t.Errorf("next GetMany: %v, %v", got, err)
				}
				if took := time.Since(began); took > 100*time.Millisecond {
					t.Errorf("the next reads took %v: the leases were not given back", took)
				}
			})
		})
	}
}

func TestFlight_aCallbackThatPanicsFailsItsKeyAlone(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		bad := true
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, Redis: r,
			LoadMany: func(_ context.Context, keys []string) (map[string]string, error) {
				out := map[string]string{}
				for _, k := range keys {
					out[k] = k
				}
				return out, nil
			},
			Expiry: func(key, _ string) time.Duration {
				if bad && key == "bad" {
					panic("expiry")
				}
				return 0
			},
		})
		got, err := c.GetMany(t.Context(), []string{"a", "bad", "b"})
		var p *tiercache.PanicError
		if len(got) != 2 || !errors.As(err, &p) {
			t.Errorf("GetMany = %v, %v", got, err)
		}
		bad = false
		began := time.Now()
		if v, err := c.Get(t.Context(), "bad"); v != "bad" || err != nil || time.Since(began) > 100*time.Millisecond {
			t.Errorf("afterwards %q, %v, %v", v, err, time.Since(began))
		}
	})
}

func TestFlight_cloneThatPanicsHangsNobody(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		bad := false
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute,
			Load: func(_ context.Context, key string) (string, error) { return key, nil },
			Clone: func(v string) string {
				if bad && v == "hit" {
					panic("clone")
				}
				return v
			},
		})
		if _, err := c.Get(t.Context(), "hit"); err != nil {
			t.Fatal(err)
		}
		bad = true
		got, err := c.GetMany(t.Context(), []string{"miss", "hit"})
		var p *tiercache.PanicError
		if !errors.As(err, &p) || got["miss"] != "miss" {
			t.Errorf("GetMany = %v, %v", got, err)
		}
		if v, err := c.Get(t.Context(), "miss"); v != "miss" || err != nil {
			t.Errorf("Get = %q, %v", v, err)
		}
	})
}

func TestFlight_aLoaderThatIgnoresItsContextIsCutOff(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		var loads atomic.Int64
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, LoadTimeout: time.Second, Redis: r,
			Load: func(context.Context, string) (string, error) {
				if loads.Add(1) == 1 {
					waitFor(10 * time.Second)
					return "late", nil
				}
				return "v", nil
			},
		})
		began := time.Now()
		_, err := c.Get(t.Context(), "k")
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 1100*time.Millisecond {
			t.Errorf("Get: %v after %v", err, took)
		}
		began = time.Now()
		if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil || time.Since(began) > 50*time.Millisecond {
			t.Errorf("next Get: %q, %v after %v", v, err, time.Since(began))
		}
		waitFor(11 * time.Second)
		if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
			t.Errorf("the late load was stored: %q, %v", v, err)
		}
	})
}

func TestFlight_whatLoadersReturn(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, map[string]any]{
			Name: "c", TTL: time.Minute, Redis: r,
			Load: func(_ context.Context, key string) (map[string]any, error) {
				switch key {
				case "nil":
					return nil, nil
				case "both":
					return map[string]any{}, errors.New("and an error")
				default:
					return nil, fmt.Errorf("wrapped: %w", tiercache.ErrNotFound)
				}
			},
		})
		for range 2 {
			if v, err := c.Get(t.Context(), "nil"); v != nil || err != nil {
				t.Errorf("nil: %v, %v", v, err)
			}
			if v, err := c.Get(t.Context(), "both"); v != nil || err == nil {
				t.Errorf("a value with an error: %v, %v", v, err)
			}
			if _, err := c.Get(t.Context(), "none"); !errors.Is(err, tiercache.ErrNotFound) {
				t.Errorf("not found: %v", err)
			}
		}
		if got := c.Stats(); got.Loads != 5 || got.LoadErrors != 2 || got.MemoryHits != 1 {
			t.Errorf("stats %+v: want 5 loads (one of nil), 2 errors", got)
		}
	})
}

func TestFlight_oneLoadAFleet(t *testing.T) {
	for _, many := range []bool{false, true} {
		t.Run(fmt.Sprintf("batch %v", many), func(t *testing.T) {
			server := redistest.Start(t)
			var loads atomic.Int64
			var wg sync.WaitGroup
			var nodes []*tiercache.Cache[string, string]
			for range 2 {
				nodes = append(nodes, newCache(t, tiercache.Config[string, string]{
					Name: "c", TTL: time.Minute, Redis: newRedis(t, server),
					LoadMany: func(ctx context.Context, keys []string) (map[string]string, error) {
						loads.Add(int64(len(keys)))
						<-time.After(50 * time.Millisecond)
						return map[string]string{"a": "A", "b": "B"}, nil
					},
				}))
			}
			for _, c := range nodes {
				for range 20 {
					wg.Go(func() {
						if !many {
							if v, err := c.Get(t.Context(), "a"); v != "A" || err != nil {
								t.Errorf("Get = %q, %v", v, err)
							}
							return
						}
						if got, err := c.GetMany(t.Context(), []string{"b", "a"}); len(got) != 2 || err != nil {
							t.Errorf("GetMany = %v, %v", got, err)
						}
					})
				}
			}
			wg.Wait()
			want := int64(1)
			if many {
				want = 2
			}
			if got := loads.Load(); got != want {
				t.Errorf("%d keys loaded, want %d", got, want)
			}
		})
	}
}
