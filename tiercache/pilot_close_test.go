//go:build !race

package tiercache_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// Close at any moment of a read ends it, and waits for nothing that heeds its context. Two hundred
// bubbles in a row are more than the race detector bears: it crashes in itself (Go 1.26.8).
func TestPilot_closeAtAnyMoment(t *testing.T) {
	for at := time.Duration(0); at < 160*time.Millisecond; at += 3 * time.Millisecond {
		for _, via := range []string{"Get", "GetMany", "Refresh", "Get under a deadline"} {
			bubbletest.Test(t, func(t *testing.T) {
				m := redistest.Memory(t)
				var slow atomic.Int64
				r := hookedNode(t, m, before(func(ctx context.Context, _ []redis.Cmder) error {
					select {
					case <-time.After(time.Duration(slow.Load())):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}))
				c := newCache(t, tiercache.Config[string, string]{
					Name: "c", TTL: time.Hour, Redis: r, Tags: func(string, string) []string { return []string{"t"} },
					Load: func(ctx context.Context, _ string) (string, error) {
						select {
						case <-time.After(50 * time.Millisecond):
							return "v", nil
						case <-ctx.Done():
							return "", ctx.Err()
						}
					},
				})
				slow.Store(int64(14 * time.Millisecond)) // a new connection takes four of them
				done := make(chan error, 1)
				go func() {
					var err error
					switch via {
					case "Get":
						_, err = c.Get(t.Context(), "k")
					case "GetMany":
						_, err = c.GetMany(t.Context(), []string{"k", "l"})
					case "Refresh":
						_, err = c.Refresh(t.Context(), "k")
					default:
						ctx, cancel := context.WithTimeout(t.Context(), 31*time.Millisecond)
						defer cancel()
						_, err = c.Get(ctx, "k")
					}
					done <- err
				}()
				waitFor(at)
				began := time.Now()
				closing(t, c)
				if took := time.Since(began); took > time.Second {
					t.Errorf("%s, closed after %v: Close took %v", via, at, took)
				}
				select {
				case err := <-done:
					if err != nil && !errors.Is(err, tiercache.ErrClosed) && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s, closed after %v: %v", via, at, err)
					}
				case <-time.After(200 * time.Millisecond):
					t.Errorf("%s, closed after %v: the read goes on", via, at)
				}
				waitFor(100 * time.Millisecond) // back-off marks last longer, and so do leases
				if leases := slices.DeleteFunc(m.Keys(), func(k string) bool { return !strings.HasSuffix(k, "}:lease") }); len(leases) > 0 {
					t.Errorf("%s, closed after %v: leases are left: %q", via, at, leases)
				}
			})
		}
	}
}
