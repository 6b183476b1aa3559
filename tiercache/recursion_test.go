package tiercache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func TestRecursion_isAnErrorAndNoDeadlock(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		var c, other *tiercache.Cache[string, string]
		c = newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, Redis: r,
			Load: func(ctx context.Context, key string) (string, error) {
				switch key {
				case "direct":
					return c.Get(ctx, "direct")
				case "chain":
					return c.Get(ctx, "link")
				case "link":
					got, err := c.GetMany(ctx, []string{"chain"})
					return got["chain"], err
				case "elsewhere":
					return other.Get(ctx, "back")
				case "refresh":
					return c.Refresh(ctx, "refresh")
				case "invalidating":
					if err := c.Delete(ctx, key); err != nil {
						return "", err
					}
					return c.Get(ctx, key)
				default:
					return key, nil
				}
			},
		})
		other = newCache(t, tiercache.Config[string, string]{
			Name: "other", TTL: time.Minute, Redis: r,
			Load: func(ctx context.Context, _ string) (string, error) { return c.Get(ctx, "elsewhere") },
		})
		for _, key := range []string{"direct", "chain", "elsewhere", "refresh", "invalidating"} {
			began := time.Now()
			if v, err := c.Get(t.Context(), key); !errors.Is(err, tiercache.ErrRecursive) || time.Since(began) > time.Second {
				t.Errorf("Get(%q) = %q, %v after %v; want ErrRecursive", key, v, err, time.Since(began))
			}
		}
	})
}

func TestRecursion_ofTwoThatCross(t *testing.T) {
	for range 20 {
		virtual(t, func(t *testing.T, r *tiercache.Redis) {
			var c *tiercache.Cache[string, string]
			both := make(chan struct{}, 2)
			c = newCache(t, tiercache.Config[string, string]{
				Name: "c", TTL: time.Minute, Redis: r,
				Load: func(ctx context.Context, key string) (string, error) {
					both <- struct{}{}
					for len(both) < 2 {
						waitFor(time.Millisecond)
					}
					if key == "a" {
						return c.Get(ctx, "b")
					}
					return c.Get(ctx, "a")
				},
			})
			began := time.Now()
			var wg sync.WaitGroup
			for _, key := range []string{"a", "b"} {
				wg.Go(func() {
					if _, err := c.Get(t.Context(), key); !errors.Is(err, tiercache.ErrRecursive) {
						t.Errorf("Get(%q): %v", key, err)
					}
				})
			}
			wg.Wait()
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestRecursion_isNot(t *testing.T) {
	t.Run("a key that asks for a neighbour of its batch", func(t *testing.T) {
		virtual(t, func(t *testing.T, r *tiercache.Redis) {
			var c *tiercache.Cache[string, string]
			c = newCache(t, tiercache.Config[string, string]{
				Name: "c", TTL: time.Minute, Redis: r,
				Load: func(ctx context.Context, key string) (string, error) {
					if key == "child" {
						parent, err := c.Get(ctx, "parent")
						return parent + "'s child", err
					}
					waitFor(time.Millisecond)
					return key, nil
				},
			})
			got, err := c.GetMany(t.Context(), []string{"child", "parent"})
			if err != nil || got["child"] != "parent's child" {
				t.Errorf("GetMany = %v, %v", got, err)
			}
		})
	})
	t.Run("a refresh behind a read of a load", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			var c *tiercache.Cache[string, string]
			c = newCache(t, tiercache.Config[string, string]{
				Name: "c", TTL: 100 * time.Second, RefreshAt: 0.5,
				Load: func(ctx context.Context, key string) (string, error) {
					if key == "a" {
						return c.Get(ctx, "b")
					}
					_, _ = c.Peek("a")
					return key, nil
				},
			})
			for range 3 {
				if _, err := c.Get(t.Context(), "a"); err != nil {
					t.Error(err)
				}
				waitFor(60 * time.Second)
				synctest.Wait()
			}
			if n := c.Stats().LoadErrors; n != 0 {
				t.Errorf("%d load errors", n)
			}
		})
	})
	t.Run("what a loader leaves running", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			var c *tiercache.Cache[string, string]
			var later error
			c = newCache(t, tiercache.Config[string, string]{
				Name: "c", TTL: time.Second,
				Load: func(ctx context.Context, key string) (string, error) {
					go func() {
						waitFor(2 * time.Second)
						if c.Stats().Loads < 2 {
							_, later = c.Get(context.WithoutCancel(ctx), key)
						}
					}()
					return key, nil
				},
			})
			if _, err := c.Get(t.Context(), "k"); err != nil {
				t.Error(err)
			}
			waitFor(5 * time.Second)
			synctest.Wait()
			if later != nil || c.Stats().Loads != 2 {
				t.Errorf("later: %v, %d loads", later, c.Stats().Loads)
			}
		})
	})
}

// Loads that fan out and meet again have 2^36 ways from the top to the bottom, over 73 leads. A
// search that walks each way holds everybody up.
func TestRecursion_isSoughtOnceALead(t *testing.T) {
	late := redistest.Late(t)
	const depth = 36
	var c *tiercache.Cache[int, int]
	c = newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Minute, Load: func(ctx context.Context, key int) (int, error) {
		if key >= 2*depth {
			waitFor(20 * time.Millisecond) // until all wait for all
			return 1, nil
		}
		var wg sync.WaitGroup
		var got [2]int
		var errs [2]error
		for i := range got { // of each level two keys, which both ask for both of the next
			wg.Go(func() { got[i], errs[i] = c.Get(ctx, key/2*2+2+i) })
		}
		wg.Wait()
		return got[0] + got[1], errors.Join(errs[:]...)
	}})
	began := time.Now()
	if got, err := c.Get(t.Context(), 0); got != 1<<depth || err != nil {
		t.Errorf("Get = %d, %v; want %d", got, err, 1<<depth)
	}
	if took := late.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}
