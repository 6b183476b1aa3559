package warm_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func TestFleet_withRedisAwayRequiredTasksWarmAloneAndTheOthersWait(t *testing.T) {
	server := redistest.Start(t)
	var required, optional atomic.Int64
	first := counted("first", 5, &required) // what a required task comes after is required too
	second := counted("second", 5, &required)
	second.Required, second.After = true, []string{"first"}
	third := counted("third", 5, &optional)
	fourth := counted("fourth", 5, &optional)
	fourth.After = []string{"third"}
	n := newNode(t, server.Client(func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 }), fleetConfig{
		loader: first, redis: tiercache.RedisConfig{Timeout: 100 * time.Millisecond},
		engine: warm.Config{ReadyTimeout: 30 * time.Second, SkipStartup: true},
	})
	for _, l := range []loader{second, third, fourth} {
		if err := n.cache.RegisterLoader(l); err != nil {
			t.Fatal(err)
		}
	}
	e := newEngine(t, warm.Config{Redis: n.redis, SkipSchedule: true, ReadyTimeout: 3 * time.Second}, n.cache)
	server.Kill()
	start(t, e)
	<-e.Ready()
	redistest.Eventually(t, 20*time.Second, func() error {
		if len(e.History()) == 0 {
			return errors.New("the run goes on")
		}
		return nil
	})
	r := e.History()[0]
	for _, name := range []string{"first", "second"} {
		if tr := task(t, r, name); tr.Role != warm.RoleLocal || tr.Result.Memory != 5 {
			t.Errorf("%+v, want 5 in memory, as local", tr)
		}
	}
	for _, name := range []string{"third", "fourth"} {
		if tr := task(t, r, name); tr.Status != warm.TaskSkipped || tr.Attempts != 0 {
			t.Errorf("%+v, want it to wait", tr)
		}
	}
	if required.Load() != 2 || optional.Load() != 0 {
		t.Errorf("the source was asked %d times for required and %d for optional tasks, want 2 and 0", required.Load(), optional.Load())
	}
	server.Restart()
	redistest.Eventually(t, 30*time.Second, func() error {
		if optional.Load() != 2 || e.Status().Warmup.Running {
			return fmt.Errorf("Redis is back, and optional tasks ran %d times", optional.Load())
		}
		return nil
	})
}

// Whatever the deployment, the keys of one task are in one slot.
func TestFleet_onEveryKindOfRedis(t *testing.T) {
	kinds := map[string]func(t *testing.T) func() redis.UniversalClient{
		"Sentinel": func(t *testing.T) func() redis.UniversalClient {
			t.Helper()
			group := redistest.Sentinel(t)
			return func() redis.UniversalClient { return group.Client() }
		},
		"Cluster": func(t *testing.T) func() redis.UniversalClient {
			t.Helper()
			group := redistest.Cluster(t)
			return func() redis.UniversalClient { return group.Client() }
		},
	}
	for kind, begin := range kinds {
		t.Run(kind, func(t *testing.T) {
			client := begin(t)
			var passes atomic.Int64
			cfg := fleetConfig{loader: counted("popular", 600, &passes), redis: tiercache.RedisConfig{Prefix: "app:"}}
			var nodes []*node
			for range 4 {
				nodes = append(nodes, newNode(t, client(), cfg))
			}
			startAll(t, nodes)
			for _, n := range nodes {
				if tr := task(t, firstRun(t, n), "popular"); tr.Status != warm.TaskOK || tr.Items != 600 {
					t.Errorf("%+v, want ok with 600", tr)
				}
				holds(t, n, "a node", 600)
			}
			if passes.Load() != 1 {
				t.Errorf("%d passes, want 1", passes.Load())
			}
		})
	}
}

// A fleet that warms, hydrates and re-warms while keys are invalidated all the time never shows a
// node what it has itself invalidated, nor, once the storm is over, anybody what is out of date.
func TestFleet_invalidationStormWhileItWarms(t *testing.T) {
	server := redistest.Start(t)
	const keys = 400
	var source [keys]atomic.Int64
	names := keysOf(keys)
	cfg := fleetConfig{loader: loader{Name: "popular", Load: func(_ context.Context, emit func(string, string) error) error {
		for i := range keys {
			if err := emit(names[i], strconv.FormatInt(source[i].Load(), 10)); err != nil {
				return err
			}
		}
		return nil
	}}}
	index := make(map[string]int, keys)
	for i, name := range names {
		index[name] = i
	}
	cfg.cache.Load = func(_ context.Context, key string) (string, error) {
		return strconv.FormatInt(source[index[key]].Load(), 10), nil
	}
	nodes := make([]*node, 3)
	for i := range nodes {
		nodes[i] = newNode(t, server.Client(), cfg)
	}
	startAll(t, nodes)
	for _, n := range nodes {
		firstRun(t, n)
	}
	const enoughReads, enoughRuns = 400, 4
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var reads, stale, runs atomic.Int64
	for i, n := range nodes {
		all.Go(func() { // each node re-warms without end: one leads, the others join it and hydrate
			for ctx.Err() == nil {
				r, err := n.engine.Run(ctx, warm.Request{})
				if err == nil && r.Err() == nil {
					runs.Add(1)
				}
			}
		})
		all.Go(func() { // and ends its third of the keys
			for k := i; ctx.Err() == nil; k = (k + len(nodes)) % keys {
				version := source[k].Add(1)
				if err := n.cache.Delete(ctx, names[k]); err != nil {
					continue // the time is up
				}
				got, err := n.cache.Get(context.WithoutCancel(ctx), names[k])
				seen, bad := strconv.ParseInt(got, 10, 64)
				if reads.Add(1) >= enoughReads && runs.Load() >= enoughRuns {
					cancel()
				}
				if err != nil || bad != nil || seen < version {
					stale.Add(1)
					t.Errorf("%s after its Delete at version %d: %q, %v", names[k], version, got, err)
				}
			}
		})
	}
	all.Wait()
	if reads.Load() < enoughReads || runs.Load() < enoughRuns {
		t.Errorf("%d reads and %d runs are no storm", reads.Load(), runs.Load())
	}
	redistest.Eventually(t, 10*time.Second, func() error { // late notices and confirmations
		for _, n := range nodes {
			for k, name := range names {
				if got, err := n.cache.Get(t.Context(), name); err != nil || got != strconv.FormatInt(source[k].Load(), 10) {
					return fmt.Errorf("%s is %q, not %d (%w)", name, got, source[k].Load(), err)
				}
			}
		}
		return nil
	})
	t.Logf("%d invalidations, each read after: %d stale; %d runs", reads.Load(), stale.Load(), runs.Load())
}

func TestFleet_leastRights(t *testing.T) {
	server := redistest.Start(t)
	// What docs/redis.md says that a cache and the engine of a fleet need.
	rules := []any{
		"ACL", "SETUSER", "fleet", "on", ">password", "resetchannels", "&app:tiercache:*", "resetkeys", "~app:*", "~{app:*", "-@all",
		"+get", "+set", "+getex", "+pttl", "+del", "+getrange", "+setrange", "+pexpire", "+evalsha", "+eval", "+time",
		"+publish", "+subscribe", "+unsubscribe", "+ping", "+info", "+hget", "+hmget", "+hset", "+exists", "+incr",
	}
	server.Do(rules...)
	as := func(o *redis.Options) { o.Username, o.Password = "fleet", "password" }
	var passes atomic.Int64
	cfg := fleetConfig{loader: counted("popular", 300, &passes), redis: tiercache.RedisConfig{Prefix: "app:"}}
	for _, want := range []warm.Role{warm.RoleLeader, warm.RoleFollower} {
		n := newNode(t, server.Client(as), cfg)
		if tr := task(t, warmed(t, n), "popular"); tr.Status != warm.TaskOK || tr.Role != want || tr.Items != 300 {
			t.Errorf("%+v, want ok as %s with 300", tr, want)
		}
	}
	broken := cfg
	broken.loader.Load = func(context.Context, func(string, string) error) error { return permanent{errors.New("down")} }
	broken.loader.Name = "broken"
	if tr := task(t, warmed(t, newNode(t, server.Client(as), broken)), "broken"); tr.Status != warm.TaskFailed {
		t.Errorf("%+v, want failed", tr)
	}
	if n := server.Do("EXISTS", "app:{warm:brands:broken:0/string}:failed"); n != int64(1) {
		t.Errorf("the failure was not counted: %v", n)
	}
}
