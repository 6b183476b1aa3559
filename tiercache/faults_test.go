package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// defaultNode is a process with go-redis's own options and ours.
func defaultNode(t *testing.T, server *redistest.Server) *tiercache.Redis {
	t.Helper()
	r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	return r
}

func TestFault_redisAbsentThenThere(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	r := defaultNode(t, server)
	s := new(source)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: s.load, Redis: r})
	read(t, c, "v1", tiercache.FromSource)
	read(t, c, "v1", tiercache.FromMemory)
	for i := range 10 {
		if _, err := c.Get(t.Context(), fmt.Sprint("key", i)); err != nil {
			t.Error(err)
		}
	}
	if got := r.Health().Breaker; got != tiercache.BreakerOpen {
		t.Errorf("breaker %v", got)
	}
	late := redistest.Late(t)
	began := time.Now()
	if _, err := c.Get(t.Context(), "open"); err != nil || time.Since(began) > 20*time.Millisecond+late.Since(began) {
		t.Errorf("with the breaker open: %v after %v", err, time.Since(began))
	}
	if err := c.Set(t.Context(), "k", "set"); !errors.Is(err, tiercache.ErrDegraded) {
		t.Errorf("Set: %v, want degraded", err)
	}
	read(t, c, "set", tiercache.FromMemory)
	if err := c.Delete(t.Context(), "k"); !errors.Is(err, tiercache.ErrDegraded) {
		t.Errorf("Delete: %v, want degraded", err)
	}
	server.Restart()
	up := time.Now()
	redistest.Eventually(t, 5*time.Second, func() error { return c.Set(t.Context(), "back", "v") })
	if took := time.Since(up); took > 2500*time.Millisecond+late.Since(up) {
		t.Errorf("it took %v to recover", took)
	}
}

// Whether a client heeds contexts by itself or not, an operation ends in time.
func TestFault_redisFrozen(t *testing.T) {
	for _, punctual := range []bool{false, true} {
		t.Run(fmt.Sprintf("punctual %v", punctual), func(t *testing.T) { redisFrozen(t, punctual) })
	}
}

func redisFrozen(t *testing.T, punctual bool) {
	t.Helper()
	server := redistest.Start(t)
	r, err := tiercache.NewRedis(server.Client(func(o *redis.Options) { o.ContextTimeoutEnabled = punctual }), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	s := new(source)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: s.load, Redis: r})
	read(t, c, "v1", tiercache.FromSource)
	before := runtime.NumGoroutine()
	server.Stop()
	late := redistest.Late(t)
	began := time.Now()
	if _, err := c.Get(t.Context(), "a"); err != nil || time.Since(began) > timeout+slack+late.Since(began) {
		t.Errorf("Get: %v after %v", err, time.Since(began))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	began = time.Now()
	if err := c.Set(ctx, "b", "v"); !errors.Is(err, tiercache.ErrDegraded) || time.Since(began) > 30*time.Millisecond+slack+late.Since(began) {
		t.Errorf("Set under a deadline: %v after %v", err, time.Since(began))
	}
	var wg sync.WaitGroup
	for i := range 2000 {
		wg.Go(func() {
			if _, err := c.Get(t.Context(), fmt.Sprint("many", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := runtime.NumGoroutine(); n > before+1500 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	server.Cont()
	redistest.Eventually(t, 8*time.Second, func() error {
		if n := runtime.NumGoroutine(); n > before+60 {
			return fmt.Errorf("%d goroutines, %d before", n, before)
		}
		return c.Set(t.Context(), "back", "v")
	})
}

func TestFault_redisFull(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
	s := new(source)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: s.load, Redis: newRedis(t, server)})
	if err := c.Set(t.Context(), "k", "small"); err != nil {
		t.Fatal(err)
	}
	client := server.Client()
	for i := 0; ; i++ {
		if err := client.Set(t.Context(), fmt.Sprint("fill", i), strings.Repeat("x", 10_000), 0).Err(); err != nil {
			if !strings.Contains(err.Error(), "OOM") {
				t.Fatal(err)
			}
			break
		}
	}
	if v, err := c.Get(t.Context(), "loaded"); err != nil || v != "v1" {
		t.Errorf("Get on a full Redis: %q, %v", v, err)
	}
	err := c.Set(t.Context(), "k", strings.Repeat("y", 100_000))
	if !errors.Is(err, tiercache.ErrDegraded) {
		t.Errorf("Set on a full Redis: %v", err)
	}
	if n := server.Do("EXISTS", "c:k"); n != int64(0) {
		t.Error("the old value is left in Redis after a Set that did not fit")
	}
	if err := c.Delete(t.Context(), "k", "loaded"); err != nil {
		t.Errorf("Delete on a full Redis: %v", err)
	}
}

func TestFault_scriptFlush(t *testing.T) {
	server := redistest.Start(t)
	s := new(source)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, StaleFor: time.Minute, Load: s.load, Redis: newRedis(t, server)})
	ctx := t.Context()
	for _, call := range []func() error{
		func() error { _, err := c.Get(ctx, "k"); return err },
		func() error { return c.Set(ctx, "k", "v") },
		func() error { return c.SetMany(ctx, map[string]string{"a": "1", "b": "2"}) },
		func() error { return c.Expire(ctx, "k", "a") },
		func() error { return c.Delete(ctx, "k", "a", "b") },
		func() error { _, err := c.GetMany(ctx, []string{"k", "a"}); return err },
	} {
		server.Do("SCRIPT", "FLUSH")
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	if n := server.Do("DBSIZE"); n != int64(4) {
		t.Errorf("%v keys in Redis, want the two of the last GetMany, a hold, and the cache's token", n)
	}
}

func TestFault_errorsOfDoThatAreNotRedis(t *testing.T) {
	r := newRedis(t, redistest.Start(t))
	mine := errors.New("mine")
	for range 20 {
		if err := r.Do(t.Context(), func(context.Context, redis.UniversalClient) error { return mine }); !errors.Is(err, mine) {
			t.Error(err)
		}
	}
	if got := r.Health().Breaker; got != tiercache.BreakerClosed {
		t.Errorf("breaker %v after errors that say nothing about Redis", got)
	}
	var p *tiercache.PanicError
	if err := r.Do(t.Context(), func(context.Context, redis.UniversalClient) error { panic("boom") }); !errors.As(err, &p) {
		t.Error(err)
	}
}
