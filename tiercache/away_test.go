package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

const (
	timeout = 100 * time.Millisecond // the default of RedisConfig.Timeout
	slack   = 60 * time.Millisecond  // beside what the machine's timers are late by
)

// away is a way in which Redis doesn't serve, and what ends it.
type away struct {
	begin, end func()
	operations int // that one read may make before it gives up Redis; 0 is 1
}

// TestAway goes through all that may befall a Redis: what a read costs then, at once, and once the
// breaker is open; and that all is well again soon after.
func TestAway(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(server *redistest.Server, link *redistest.Link) away{
		"killed": func(server *redistest.Server, _ *redistest.Link) away {
			return away{begin: server.Kill, end: server.Restart}
		},
		"frozen": func(server *redistest.Server, _ *redistest.Link) away {
			return away{begin: server.Stop, end: server.Cont}
		},
		"silent": func(_ *redistest.Server, link *redistest.Link) away {
			return away{begin: func() { link.Silence(redistest.Down) }, end: link.Restore}
		},
		"answers every time, after 500 ms": func(_ *redistest.Server, link *redistest.Link) away {
			return away{begin: func() { link.Delay(redistest.Down, 500*time.Millisecond) }, end: link.Restore}
		},
		"answers every time, in 70 of 100 ms": func(_ *redistest.Server, link *redistest.Link) away {
			return away{begin: func() { link.Delay(redistest.Down, 70*time.Millisecond) }, end: link.Restore, operations: 4}
		},
		"cuts every connection": func(_ *redistest.Server, link *redistest.Link) away {
			return away{begin: func() { link.Refuse(); link.Cut() }, end: link.Restore}
		},
		"a replica of nobody": func(server *redistest.Server, _ *redistest.Link) away {
			return away{
				begin: func() { server.Do("REPLICAOF", "127.0.0.1", "1") },
				end:   func() { server.Do("REPLICAOF", "NO", "ONE") },
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			link := redistest.Proxy(t, server.Addr())
			client := server.Client(func(o *redis.Options) { o.Addr = link.Addr() })
			r, err := tiercache.NewRedis(client, tiercache.RedisConfig{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closing(t, r) })
			c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: new(source).load, Redis: r})
			redistest.Eventually(t, 5*time.Second, func() error { return c.Set(t.Context(), "k", "v") }) // before any fault; a busy machine may be late
			f := fault(server, link)
			f.begin()
			weather(t, c, r, time.Duration(max(1, f.operations))*timeout)
			f.end()
			recovers(t, c, r)
		})
	}
}

// weather reads, with Redis away, until the breaker is open, and then on.
func weather(t *testing.T, c *tiercache.Cache[string, string], r *tiercache.Redis, most time.Duration) {
	t.Helper()
	late := redistest.Late(t)
	calls := 0
	for began := time.Now(); r.Health().Breaker != tiercache.BreakerOpen; calls++ {
		read := time.Now()
		if took, late := load(t, c, fmt.Sprint("before", calls)), late.Since(read); took > most+slack+late {
			t.Errorf("read %d took %v, want at most %v; timers were late by %v", calls, took, most, late)
		}
		if time.Since(began) > 3*time.Second {
			t.Fatalf("the breaker is %s after %d reads", r.Health().Breaker, calls)
		}
	}
	var open []time.Duration
	opened := time.Now()
	for i := range 300 {
		open = append(open, load(t, c, fmt.Sprint("open", i)))
	}
	slices.Sort(open)
	if p90 := open[270]; p90 > 3*time.Millisecond+late.Since(opened) {
		t.Errorf("with the breaker open the 90th percentile of reads is %v", p90)
	}
	t.Logf("%d reads until the breaker opened; then p50 %v, p90 %v, most %v", calls, open[150], open[270], open[299])
	for _, err := range []error{c.Set(t.Context(), "k", "set"), c.Delete(t.Context(), "deleted")} {
		if !errors.Is(err, tiercache.ErrDegraded) {
			t.Errorf("a write without Redis: %v, want ErrDegraded", err)
		}
	}
	if got, err := c.Get(t.Context(), "k"); got != "set" || err != nil {
		t.Errorf("a Set without Redis reads as %q, %v", got, err)
	}
}

func load(t *testing.T, c *tiercache.Cache[string, string], key string) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := c.Get(t.Context(), key); err != nil {
		t.Errorf("Get(%q) with a source that works: %v", key, err)
	}
	return time.Since(began)
}

// recovers waits until Redis is used, and trusted, and has heard everything.
func recovers(t *testing.T, c *tiercache.Cache[string, string], r *tiercache.Redis) {
	t.Helper()
	late := redistest.Late(t)
	began := time.Now()
	tries := 0
	redistest.Eventually(t, 5*time.Second, func() error {
		tries++
		if err := c.Set(t.Context(), fmt.Sprint("back", tries), "v"); err != nil { // a key that has failed waits for its replay
			return err
		}
		if h := r.Health(); h.Breaker != tiercache.BreakerClosed {
			return fmt.Errorf("the breaker is %s", h.Breaker)
		}
		return nil
	})
	used, lateBy := time.Since(began), late.Since(began)
	redistest.Eventually(t, 10*time.Second, func() error {
		if h := r.Health(); !h.Coherent || h.Pending > 0 {
			return fmt.Errorf("health %+v", h)
		}
		return nil
	})
	t.Logf("used again after %v, coherent and all said after %v", used, time.Since(began))
	if used > 2*time.Second+slack+lateBy {
		t.Errorf("it took %v until Redis was used again; timers were late by %v", used, lateBy)
	}
}

func TestAway_fromTheStart(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string]func(t *testing.T) string{
		"nobody listens": func(t *testing.T) string {
			t.Helper()
			server := redistest.Start(t)
			server.Kill()
			return server.Addr()
		},
		"packets are dropped": func(t *testing.T) string { t.Helper(); return redistest.Blackhole(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := redis.NewClient(&redis.Options{
				Addr: addr(t), DialTimeout: time.Second, DialerRetries: 1,
				Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
					ctx, cancel := context.WithTimeout(ctx, time.Second)
					defer cancel()
					defer context.AfterFunc(t.Context(), cancel)() //nolint:contextcheck // both end it: no dial outlasts the test
					return new(net.Dialer).DialContext(ctx, network, addr)
				},
			})
			t.Cleanup(func() { closing(t, client) })
			began := time.Now()
			r, err := tiercache.NewRedis(client, tiercache.RedisConfig{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closing(t, r) })
			if took := time.Since(began); took > time.Second {
				t.Errorf("NewRedis took %v", took)
			}
			c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: new(source).load, Redis: r})
			weather(t, c, r, timeout)
		})
	}
}

// TestAway_manyAtOnce is not parallel, as it counts goroutines.
func TestAway_manyAtOnce(t *testing.T) {
	server := redistest.Start(t)
	r := defaultNode(t, server)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: new(source).load, Redis: r})
	load(t, c, "first")
	before := runtime.NumGoroutine()
	server.Stop()
	done := make(chan time.Duration)
	const callers = 3000
	for i := range callers {
		go func() { done <- load(t, c, fmt.Sprint("many", i)) }()
	}
	most := 0
	var longest time.Duration
	for range callers {
		longest = max(longest, <-done)
		most = max(most, runtime.NumGoroutine())
	}
	if longest > timeout+3*time.Second { // three thousand at once, on whatever machine; go-redis alone would wait for 5 s
		t.Errorf("of %d reads at once the longest took %v", callers, longest)
	}
	began := time.Now()
	for i := range 300 {
		load(t, c, fmt.Sprint("open", i))
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("300 reads behind the breaker took %v", took)
	}
	server.Cont()
	redistest.Eventually(t, 8*time.Second, func() error {
		if n := runtime.NumGoroutine(); n > before+20 {
			return fmt.Errorf("%d goroutines, %d before, %d at most", n, before, most)
		}
		return c.Set(t.Context(), "back", "v")
	})
	t.Logf("%d goroutines before, at most %d; the longest read took %v", before, most, longest)
}

// TestAway_callersInAHurry: callers whose own deadlines are shorter than Redis's must not keep the
// breaker from opening.
func TestAway_callersInAHurry(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := defaultNode(t, server)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: new(source).load, Redis: r})
	server.Stop()
	defer server.Cont()
	for i := 0; r.Health().Breaker != tiercache.BreakerOpen; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		if err := c.Set(ctx, fmt.Sprint("key", i), "v"); !errors.Is(err, tiercache.ErrDegraded) {
			t.Errorf("Set: %v", err)
		}
		cancel()
		if i > 20 {
			t.Fatal("the breaker stays closed")
		}
	}
}

// TestAway_halfAReply: a reply that ends in the middle costs one more try, and a second one makes a
// miss, not an error.
func TestAway_halfAReply(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	link := redistest.Proxy(t, server.Addr())
	writer := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: newRedis(t, server)})
	client := server.Client(func(o *redis.Options) { o.Addr = link.Addr() })
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	s := new(source)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: s.load, Redis: r})
	for i := range 20 {
		key := fmt.Sprint("key", i)
		if err := writer.Set(t.Context(), key, "from redis"); err != nil {
			t.Fatal(err)
		}
		link.CutAfter(redistest.Down, 3+7*i)
		if _, err := c.Get(t.Context(), key); err != nil {
			t.Errorf("Get(%q) with its reply cut after %d bytes: %v", key, 3+7*i, err)
		}
		link.Restore()
	}
	if n := c.Stats().Corrupt; n > 0 {
		t.Errorf("%d halves were taken for records", n)
	}
}

func TestAway_loading(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--key-load-delay", "2000", "--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024")
	r := defaultNode(t, server)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: new(source).load, Redis: r})
	if err := c.Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	client := server.Client()
	pipe := client.Pipeline()
	for i := range 1000 {
		pipe.Set(t.Context(), fmt.Sprint("fill", i), "0123456789", 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	reloaded := make(chan error, 1)
	go func() { reloaded <- client.WithTimeout(time.Minute).Do(t.Context(), "DEBUG", "RELOAD").Err() }()
	weather(t, c, r, timeout)
	if err := <-reloaded; err != nil {
		t.Logf("DEBUG RELOAD: %v", err)
	}
	recovers(t, c, r)
}
