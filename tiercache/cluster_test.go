package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// clusterNode is a process on a Cluster.
func clusterNode(t *testing.T, group *redistest.ClusterGroup, cfg tiercache.Config[string, string]) (*tiercache.Cache[string, string], *tiercache.Redis) {
	t.Helper()
	return patientClusterNode(t, group, 250*time.Millisecond, cfg)
}

func patientClusterNode(t *testing.T, group *redistest.ClusterGroup, patience time.Duration, cfg tiercache.Config[string, string]) (*tiercache.Cache[string, string], *tiercache.Redis) {
	t.Helper()
	r, err := tiercache.NewRedis(group.Client(), tiercache.RedisConfig{Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	coherent(t, r)
	cfg.Redis, cfg.TTL = r, time.Hour
	return newCache(t, cfg), r
}

func TestCluster(t *testing.T) {
	t.Parallel()
	group := redistest.Cluster(t)

	t.Run("everything works on keys of all slots", func(t *testing.T) {
		src := new(source)
		c, _ := patientClusterNode(t, group, 5*time.Second, tiercache.Config[string, string]{ // it is not about time
			Name: "all", StaleFor: time.Hour, Load: src.load, Tags: func(string, string) []string { return []string{"t"} },
		})
		everything(t, c)
		ctx := t.Context()
		values := make(map[string]string)
		var keys []string
		for i := range 3000 {
			keys = append(keys, fmt.Sprint("key{", i, "}"))
			values[keys[i]] = "set"
		}
		err := c.RegisterLoader(tiercache.Loader[string, string]{Name: "slots", Load: func(_ context.Context, emit func(string, string) error) error {
			for _, key := range keys {
				if err := emit(key, "warm"); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Warm(ctx, "slots")
		if err != nil || res[0].Redis != len(keys) {
			t.Errorf("Warm: %+v, %v; want %d in Redis", res, err, len(keys))
		}
		if err := errors.Join(c.SetMany(ctx, values), c.Expire(ctx, keys[:1000]...), c.Delete(ctx, keys...)); err != nil {
			t.Error(err)
		}
		if got, err := c.GetMany(ctx, keys); err != nil || len(got) != len(keys) {
			t.Errorf("GetMany: %d of %d, %v", len(got), len(keys), err)
		}
		if n := c.Stats().RedisErrors; n != 0 {
			t.Errorf("%d errors of Redis", n)
		}
	})

	t.Run("everything works with the least rights", func(t *testing.T) {
		for _, node := range group.Nodes {
			node.Do(append([]any{"ACL", "SETUSER", "cache", "on", ">" + secret}, fields(leastACL+" +cluster|slots +command")...)...)
		}
		client := group.Client(func(o *redis.ClusterOptions) { o.Username, o.Password = "cache", secret })
		r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Prefix: "app:", Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closing(t, r) })
		coherent(t, r)
		c := newCache(t, tiercache.Config[string, string]{
			Name: "least", TTL: time.Hour, StaleFor: time.Hour, Redis: r, Load: new(source).load, Tags: func(string, string) []string { return []string{"t"} },
		})
		everything(t, c)
		if n := c.Stats().RedisErrors; n != 0 {
			t.Errorf("%d errors of Redis", n)
		}
		for _, node := range group.Masters() {
			denied, _ := node.Do("ACL", "LOG").([]any)
			for _, entry := range denied {
				if text := fmt.Sprint(entry); !strings.Contains(text, "object:client") && !strings.Contains(text, "object client") {
					t.Errorf("denied: %s", text)
				}
			}
		}
	})

	t.Run("slots move and scripts are forgotten under load", func(t *testing.T) {
		src := newTruth("0")
		a, _ := clusterNode(t, group, tiercache.Config[string, string]{Name: "moving", Load: src.load})
		b, _ := clusterNode(t, group, tiercache.Config[string, string]{Name: "moving", Load: src.load})
		masters := group.Masters()
		var stop atomic.Bool
		var reads, failed atomic.Int64
		var load sync.WaitGroup
		load.Go(func() {
			for n := 0; !stop.Load(); n++ {
				key := fmt.Sprint("k", n%7)
				if _, err := a.Get(t.Context(), key); err != nil {
					t.Error(err)
				}
				switch err := b.Delete(t.Context(), key); {
				case errors.Is(err, tiercache.ErrDegraded):
					failed.Add(1)
				case err != nil:
					t.Error(err)
				}
				reads.Add(1)
			}
		})
		for i := range 12 {
			target := reads.Load() + 20
			masters[i%3].Do("SCRIPT", "FLUSH")
			group.MoveSlot(fmt.Sprint("moving:k", i%7), masters[(i+1)%3])
			redistest.Eventually(t, 10*time.Second, func() error {
				if n := reads.Load(); n < target {
					return fmt.Errorf("%d reads, want %d", n, target)
				}
				return nil
			})
		}
		stop.Store(true)
		load.Wait()
		t.Logf("%d reads without an error, %d deletes that had to be said again", reads.Load(), failed.Load())
		src.set("1")
		for i := range 7 {
			key := fmt.Sprint("k", i)
			redistest.Eventually(t, 5*time.Second, func() error { return a.Delete(t.Context(), key) })
			get(t, a, key, "1")
			soon(t, b, key, "1")
		}
	})

	t.Run("a master whose notices are not heard withdraws trust", func(t *testing.T) {
		c, r := clusterNode(t, group, tiercache.Config[string, string]{Name: "trust", Load: newTruth("v").load})
		get(t, c, "k", "v")
		for _, master := range group.Masters() {
			coherent(t, r)
			master.Pause(1700 * time.Millisecond) // replication goes on, and nobody is promoted
			began := time.Now()
			redistest.Eventually(t, 1650*time.Millisecond, func() error {
				if r.Health().Coherent {
					return errors.New("coherent with a master that is paused")
				}
				return nil
			})
			t.Logf("noticed after %v", time.Since(began))
			get(t, c, "k", "v")
		}
		coherent(t, r)
	})
}

// TestCluster_masterDies: one dead shard is one shard's trouble.
func TestCluster_masterDies(t *testing.T) {
	t.Parallel()
	group := redistest.Cluster(t)
	src := newTruth("one")
	const name = "things"
	a, ra := clusterNode(t, group, tiercache.Config[string, string]{Name: name, Load: src.load, Capacity: 1})
	victim := group.Masters()[0]
	for _, m := range group.Masters() {
		if m != group.Owner("{"+name+"}:clear") { // else all of the cache's entries are in doubt
			victim = m
		}
	}
	var dead, alive []string
	for i := range 300 {
		key := fmt.Sprint("k", i)
		get(t, a, key, "one")
		if group.Owner(name+":"+key) == victim {
			dead = append(dead, key)
		} else {
			alive = append(alive, key)
		}
	}
	keys := append(append([]string{}, dead...), alive...)

	var wg sync.WaitGroup
	stop := make(chan struct{})
	var reads, slow atomic.Int64
	for w := range 4 {
		wg.Go(func() {
			for i := w; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				began := time.Now()
				if got, err := a.Get(t.Context(), keys[i%len(keys)]); err != nil || got != "one" {
					t.Errorf("Get: %q, %v", got, err)
				}
				if reads.Add(1); time.Since(began) > 300*time.Millisecond {
					slow.Add(1)
				}
			}
		})
	}
	victim.Kill()
	killed := time.Now()
	redistest.Eventually(t, 5*time.Second, func() error {
		if h := ra.Health(); h.Breaker != tiercache.BreakerOpen {
			return fmt.Errorf("health %+v", h)
		}
		return nil
	})
	opened := time.Since(killed)
	before := a.Stats()
	got, err := a.GetMany(t.Context(), keys)
	if err != nil || len(got) != len(keys) {
		t.Errorf("GetMany over all shards: %d of %d, %v", len(got), len(keys), err)
	}
	after := a.Stats()
	errs := a.SetMany(t.Context(), map[string]string{alive[0]: "one", alive[1]: "one"})
	if errs != nil {
		t.Errorf("SetMany on shards that live: %v", errs)
	}
	if err := a.Set(t.Context(), dead[0], "one"); !errors.Is(err, tiercache.ErrDegraded) {
		t.Errorf("Set on a dead shard: %v", err)
	}
	t.Logf("breaker open %v after the kill; GetMany of %d keys, %d on the dead shard: %d from Redis, %d loads (with readers beside)",
		opened, len(keys), len(dead), after.RedisHits-before.RedisHits, after.Loads-before.Loads)
	if after.RedisHits-before.RedisHits < uint64(len(alive)/2) {
		t.Errorf("of %d keys on shards that live %d came from Redis", len(alive), after.RedisHits-before.RedisHits)
	}

	redistest.Eventually(t, 20*time.Second, func() error {
		for _, m := range group.Masters() {
			if m.Info("cluster", "cluster_enabled") != "1" {
				return errors.New("no cluster")
			}
		}
		if n := len(group.Masters()); n != 3 {
			return fmt.Errorf("%d masters", n)
		}
		return nil
	})
	promoted := time.Now()
	redistest.Eventually(t, 10*time.Second, func() error {
		if h := ra.Health(); h.Breaker != tiercache.BreakerClosed || !h.Coherent {
			return fmt.Errorf("health %+v", h)
		}
		return a.Set(t.Context(), dead[1], "one")
	})
	back := time.Since(promoted)
	close(stop)
	wg.Wait()
	if back > 3*time.Second {
		t.Errorf("the shard was back %v after the promotion", back)
	}
	if n := slow.Load(); n > 60 {
		t.Errorf("%d of %d reads took over 300 ms", n, reads.Load())
	}
	redistest.Eventually(t, 10*time.Second, func() error {
		if h := ra.Health(); h.Pending > 0 {
			return fmt.Errorf("health %+v", h)
		}
		return nil
	})
	t.Logf("promoted %v after the kill, back %v later; %d reads, %d over 300 ms", promoted.Sub(killed), back, reads.Load(), slow.Load())
}
