package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// The wall clocks of servers: they step, and a promoted replica has another one.

// clockBound is what docs/coherence.md allows beyond the TTL: 50 ms that are no step, and round
// trips.
const clockBound = 150 * time.Millisecond

// clockNode is a process with a cache.
func clockNode(t *testing.T, server *redistest.Server, cfg tiercache.Config[string, string], options ...func(*redis.Options)) (*tiercache.Cache[string, string], *tiercache.Redis) {
	t.Helper()
	r, err := tiercache.NewRedis(server.Client(append(options, punctual)...), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	cfg.Redis = r
	return newCache(t, cfg), r
}

// freshUntil reads the key, which was stored at the moment given, until it is no longer fresh, and
// fails where that is later than its TTL.
func freshUntil(t *testing.T, c *tiercache.Cache[string, string], stored time.Time, ttl time.Duration) {
	t.Helper()
	late := redistest.Late(t)
	began := time.Now()
	for last := time.Now(); ; {
		e, err := c.GetEntry(t.Context(), "k")
		if errors.Is(err, tiercache.ErrNotFound) || err == nil && e.Stale {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if old := last.Sub(stored); old > ttl+clockBound+late.Since(began) {
			t.Fatalf("fresh %v after it was stored, with a TTL of %v; it says that its age is %v, from %v", old, ttl, e.Age, e.Source)
		}
		last = time.Now()
		waitFor(5 * time.Millisecond)
	}
}

// noticed waits until a node has begun an epoch for the step of its server's clock.
func noticed(t *testing.T, r *tiercache.Redis, was uint64) {
	t.Helper()
	redistest.Eventually(t, 5*time.Second, func() error {
		if r.Health().Epoch == was {
			return errors.New("no epoch has begun")
		}
		return nil
	})
}

// A server's clock goes back while a value stands there, by more and by less than the value's TTL.
// Nothing is younger for it: not where it was stored, not on another node, and not on one that
// starts later.
func TestClock_aStepBackMakesNothingYounger(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{time.Hour, 1500 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(back.String(), func(t *testing.T) {
			t.Parallel()
			const ttl = 3 * time.Second
			server := redistest.StartClocked(t)
			cfg := tiercache.Config[string, string]{Name: "c", TTL: ttl, StaleFor: time.Minute}
			a, _ := clockNode(t, server, cfg)
			b, rb := clockNode(t, server, cfg)
			coherent(t, rb)
			settledEpoch(t, rb)
			stored := time.Now()
			if err := a.Set(t.Context(), "k", "v"); err != nil {
				t.Fatal(err)
			}
			waitFor(time.Second)
			was := rb.Health().Epoch
			server.SetClock(-back)
			noticed(t, rb, was)
			late, _ := clockNode(t, server, cfg)
			for name, c := range map[string]*tiercache.Cache[string, string]{"the setter": a, "another node": b, "a node that starts later": late} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					freshUntil(t, c, stored, ttl)
				})
			}
		})
	}
}

// What is stored after a step is not taken for older than it is once that can't be: nothing as old
// as that could have been alive when the clock went back.
func TestClock_afterAStepValuesAreFreshAgain(t *testing.T) {
	t.Parallel()
	server := redistest.StartClocked(t)
	cfg := tiercache.Config[string, string]{Name: "c", TTL: 10 * time.Second}
	a, ra := clockNode(t, server, cfg)
	b, rb := clockNode(t, server, cfg)
	settledEpoch(t, ra)
	settledEpoch(t, rb)
	was := ra.Health().Epoch
	server.SetClock(-time.Hour)
	noticed(t, ra, was)
	noticed(t, rb, was)
	if err := a.Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	if e, err := b.GetEntry(t.Context(), "k"); err != nil || e.Age > 2*time.Second {
		t.Errorf("right after a Set: %+v, %v", e, err)
	}
}

// A step back that nobody has seen: what has more time left than it was given is no answer, and it
// is said why.
func TestClock_moreLifeThanGivenIsAMiss(t *testing.T) {
	t.Parallel()
	server := redistest.StartClocked(t)
	cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute}
	a, ra := clockNode(t, server, cfg)
	if err := a.Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	closing(t, a)
	closing(t, ra)
	server.SetClock(-time.Hour)
	b, _ := clockNode(t, server, cfg)
	if e, err := b.GetEntry(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) {
		t.Errorf("%+v, %v; want a miss", e, err)
	}
	if got := b.Stats().CorruptBy["lifetime"]; got == 0 {
		t.Error("nothing was counted under lifetime")
	}
}

// The server's clock goes forward a little, too little to be a step, or it drifts: a node finds
// what it has set itself.
func TestClock_aNodeFindsWhatItHasSet(t *testing.T) {
	t.Parallel()
	for _, forward := range []time.Duration{20 * time.Millisecond, 2 * time.Second} {
		t.Run(forward.String(), func(t *testing.T) {
			t.Parallel()
			server := redistest.StartClocked(t)
			a, r := clockNode(t, server, tiercache.Config[string, string]{Name: "c", TTL: time.Hour})
			settledEpoch(t, r)
			if err := a.Set(t.Context(), "k", "v"); err != nil {
				t.Fatal(err)
			}
			server.SetClock(forward)
			was := r.Health().Epoch
			server.Do("CLIENT", "KILL", "TYPE", "pubsub")
			noticed(t, r, was) // what is in memory is looked for in Redis
			if v, err := a.Get(t.Context(), "k"); v != "v" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		})
	}
}

// A server takes the place of another, with a clock that is behind.
func TestClock_ofAPromotedReplica(t *testing.T) {
	t.Parallel()
	const ttl, back = 6 * time.Second, 3 * time.Second
	master, replica := redistest.StartClocked(t), redistest.StartClocked(t, "--repl-diskless-sync-delay", "0")
	replica.SetClock(-back)
	host, port, err := net.SplitHostPort(master.Addr())
	if err != nil {
		t.Fatal(err)
	}
	replica.Do("REPLICAOF", host, port)
	redistest.Eventually(t, 20*time.Second, func() error {
		if state := replica.Info("replication", "master_link_status"); state != "up" {
			return errors.New(state)
		}
		return nil
	})
	var where atomic.Pointer[string]
	addr := master.Addr()
	where.Store(&addr)
	follow := func(o *redis.Options) {
		o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, *where.Load())
		}
	}
	cfg := tiercache.Config[string, string]{Name: "c", TTL: ttl, StaleFor: time.Minute}
	a, _ := clockNode(t, master, cfg, follow)
	b, rb := clockNode(t, master, cfg, follow)
	settledEpoch(t, rb)
	stored := time.Now()
	if err := a.Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, 20*time.Second, func() error {
		if reply := master.Do("WAIT", 1, 100); fmt.Sprint(reply) != "1" {
			return fmt.Errorf("WAIT says %v", reply)
		}
		return nil
	})
	was := rb.Health().Epoch
	replica.Do("REPLICAOF", "NO", "ONE")
	next := replica.Addr()
	where.Store(&next)
	master.Kill()
	redistest.Eventually(t, 20*time.Second, func() error {
		if h := rb.Health(); h.Epoch == was || !h.Coherent || h.Breaker != tiercache.BreakerClosed {
			return fmt.Errorf("health %+v", h)
		}
		return nil
	})
	late, _ := clockNode(t, replica, cfg)
	for name, c := range map[string]*tiercache.Cache[string, string]{"the setter": a, "another node": b, "a node that starts later": late} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			freshUntil(t, c, stored, ttl)
		})
	}
}

// Steps that are known stand in Redis again when they were lost there.
func TestClock_stepsAreKeptInRedis(t *testing.T) {
	t.Parallel()
	server := redistest.StartClocked(t)
	_, r := clockNode(t, server, tiercache.Config[string, string]{Name: "c"})
	settledEpoch(t, r)
	server.SetClock(-2 * time.Second)
	kept := func() error {
		if text := fmt.Sprint(server.Do("GET", "tiercache:clock")); !strings.Contains(text, "steps") {
			return fmt.Errorf("%q", text)
		}
		return nil
	}
	redistest.Eventually(t, 5*time.Second, kept)
	server.Do("DEL", "tiercache:clock")
	redistest.Eventually(t, 15*time.Second, kept)
}
