package warm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// node is one process of a fleet, as far as one test process can be several: a client, a Redis, a
// cache and an engine of its own.
type node struct {
	redis  *tiercache.Redis
	cache  *cache
	engine *warm.Engine
}

// fleetConfig is what the nodes of a test have in common. The timeouts of Redis are long: a busy
// machine is no outage.
type fleetConfig struct {
	engine warm.Config
	cache  tiercache.Config[string, string]
	redis  tiercache.RedisConfig
	loader loader
}

// newNode adds a node to the fleet on the client's Redis. It is stopped at the end of the test.
func newNode(t *testing.T, client redis.UniversalClient, cfg fleetConfig) *node {
	t.Helper()
	if cfg.redis.Timeout == 0 {
		cfg.redis.Timeout = 10 * time.Second
	}
	cfg.redis.Logger, cfg.cache.Logger = quiet(), quiet()
	r, err := tiercache.NewRedis(client, cfg.redis)
	if err != nil {
		t.Fatalf("NewRedis: %v", err)
	}
	t.Cleanup(func() { closing(t, r.Close) })
	cfg.cache.Redis = r
	if cfg.cache.Name == "" {
		cfg.cache.Name = "brands"
	}
	if cfg.cache.TTL == 0 {
		cfg.cache.TTL = time.Hour
	}
	c, err := tiercache.New(cfg.cache)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { closing(t, c.Close) })
	if cfg.loader.Load != nil {
		if err := c.RegisterLoader(cfg.loader); err != nil {
			t.Fatalf("RegisterLoader: %v", err)
		}
	}
	cfg.engine.Redis, cfg.engine.SkipSchedule = r, cfg.engine.Schedule == ""
	return &node{redis: r, cache: c, engine: newEngine(t, cfg.engine, c)}
}

// warmed starts a node and returns its start-up run.
func warmed(t *testing.T, n *node) warm.Run {
	t.Helper()
	start(t, n.engine)
	return firstRun(t, n)
}

// firstRun waits for the run of Start.
func firstRun(t *testing.T, n *node) warm.Run {
	t.Helper()
	events := n.engine.Watch(t.Context())
	if h := n.engine.History(); len(h) > 0 {
		return h[0]
	}
	for ev := range events {
		if ev.Kind == warm.EventRunEnded {
			break
		}
	}
	return n.engine.History()[0]
}

func keysOf(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("brand-%04d", i)
	}
	return keys
}

// counted is a loader of n keys that counts how often the source is asked.
func counted(name string, n int, passes *atomic.Int64) loader {
	l := rows(name, keysOf(n)...)
	load := l.Load
	l.Load = func(ctx context.Context, emit func(string, string) error) error {
		passes.Add(1)
		return load(ctx, emit)
	}
	return l
}

// holds fails unless the node's memory holds the first n keys. On a busy machine what it holds may
// be in doubt for a moment, as heartbeats are late: that is not what is looked for here.
func holds(t *testing.T, n *node, name string, keys int) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		missing := 0
		for _, key := range keysOf(keys) {
			if e, ok := n.cache.Peek(key); !ok || e.Value != "value of "+key {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		if deadline.Err() != nil {
			t.Errorf("%s: memory lacks %d of %d warmed keys", name, missing, keys)
			return
		}
		wait(deadline, 20*time.Millisecond)
	}
}

func TestFleet_aNodeThatComesLaterAsksNobody(t *testing.T) {
	server := redistest.Start(t)
	var passes atomic.Int64
	cfg := fleetConfig{loader: counted("popular", 700, &passes)}
	first, second := newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg)

	led := task(t, warmed(t, first), "popular")
	followed := task(t, warmed(t, second), "popular")

	if passes.Load() != 1 {
		t.Errorf("the source was asked %d times, want once", passes.Load())
	}
	if led.Status != warm.TaskOK || led.Role != warm.RoleLeader || led.Items != 700 || led.Attempts != 1 {
		t.Errorf("first node: %+v, want ok as leader with 700", led)
	}
	if followed.Status != warm.TaskOK || followed.Role != warm.RoleFollower || followed.Items != 700 || followed.Attempts != 0 || followed.Err != nil {
		t.Errorf("second node: %+v, want ok as follower with 700", followed)
	}
	if d := followed.AsOf.Sub(led.AsOf).Abs(); d > time.Second {
		t.Errorf("the follower takes the pass for %v older or younger than it is", d)
	}
	holds(t, first, "first", 700)
	holds(t, second, "second", 700)
}

func TestFleet_oneLeaderAtATime(t *testing.T) {
	server := redistest.Start(t)
	var passes atomic.Int64
	l := counted("popular", 100, &passes)
	load, begun, goOn := l.Load, make(chan struct{}, 9), make(chan struct{})
	l.Load = func(ctx context.Context, emit func(string, string) error) error {
		begun <- struct{}{}
		<-goOn
		return load(ctx, emit)
	}
	cfg := fleetConfig{loader: l}
	nodes := []*node{newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg)}
	for _, n := range nodes {
		start(t, n.engine)
	}
	<-begun
	lock := "{warm:brands:popular:0/string}:lock"
	redistest.Eventually(t, 10*time.Second, func() error { // the others have asked, and wait
		if asked := server.Calls("hmget"); asked < 6 {
			return fmt.Errorf("asked %d times", asked)
		}
		return nil
	})
	if server.Do("GET", lock) == nil {
		t.Errorf("no lock at %s", lock)
	}
	close(goOn)
	roles := map[warm.Role]int{}
	for _, n := range nodes {
		tr := task(t, firstRun(t, n), "popular")
		if tr.Status != warm.TaskOK {
			t.Errorf("%+v, want ok", tr)
		}
		roles[tr.Role]++
		holds(t, n, "a node", 100)
	}
	if passes.Load() != 1 || roles[warm.RoleLeader] != 1 || roles[warm.RoleFollower] != 2 {
		t.Errorf("%d passes, roles %v, want one leader", passes.Load(), roles)
	}
	if server.Do("GET", lock) != nil {
		t.Error("the lock is still there")
	}
}

// A leader that stood still for longer than its lock lives writes late. Here it stands still in its
// loader, and the lock goes by hand.
func TestFleet_aLeaderThatLostItsLockIsFencedOff(t *testing.T) {
	server := redistest.Start(t)
	halfway, goOn := make(chan struct{}), make(chan struct{})
	var late atomic.Bool
	slow := loader{Name: "popular", Load: func(_ context.Context, emit func(string, string) error) error {
		for _, key := range keysOf(256) { // a whole batch
			if err := emit(key, "value of "+key); err != nil {
				return err
			}
		}
		close(halfway)
		<-goOn
		for i := range 4 * 256 { // the loader hears of it while a batch or two are under way
			if err := emit(fmt.Sprintf("late-%d", i), "late"); err != nil {
				late.Store(true)
			}
		}
		return nil // whatever emit said
	}}
	var passes atomic.Int64
	frozen := newNode(t, server.Client(), fleetConfig{loader: slow, engine: warm.Config{LockLife: time.Minute}})
	other := newNode(t, server.Client(), fleetConfig{loader: counted("popular", 300, &passes)})
	start(t, frozen.engine)
	<-halfway
	redistest.Eventually(t, 10*time.Second, func() error { // its batch is written behind the loader's back
		if _, ok := frozen.cache.Peek(keysOf(256)[255]); !ok {
			return errors.New("the first batch is not in memory")
		}
		return nil
	})
	server.Do("DEL", "{warm:brands:popular:0/string}:lock") // as its life's end does
	if tr := task(t, warmed(t, other), "popular"); tr.Role != warm.RoleLeader || tr.Status != warm.TaskOK {
		t.Errorf("the other node: %+v, want it to lead", tr)
	}
	ledger, _ := server.Do("HGET", "{warm:brands:popular:0/string}", "pass").(string)
	close(goOn)

	tr := task(t, firstRun(t, frozen), "popular")
	if tr.Status != warm.TaskOK || tr.Role != warm.RoleFollower || tr.Items != 300 {
		t.Errorf("the late node: %+v, want it to follow with 300", tr)
	}
	if !late.Load() {
		t.Error("emit took late entries without an error")
	}
	if got, ok := server.Do("KEYS", "brands:late-*").([]any); !ok || len(standing(server, got)) != 0 {
		t.Errorf("late writes stand in Redis: %v", standing(server, got))
	}
	if _, ok := frozen.cache.Peek("late-0"); ok {
		t.Error("a late entry is in memory")
	}
	if now, _ := server.Do("HGET", "{warm:brands:popular:0/string}", "pass").(string); now != ledger || ledger == "" {
		t.Errorf("the ledger was %q, and after the late node %q", ledger, now)
	}
	holds(t, frozen, "the late node", 300)
}

// standing is which of the keys hold a value, and not the hold of an invalidation.
func standing(server *redistest.Server, keys []any) (values []any) {
	for _, key := range keys {
		if text, _ := server.Do("GET", key).(string); strings.HasPrefix(text, "WC01V") {
			values = append(values, key)
		}
	}
	return values
}

func TestFleet_theLedgerIsWrittenByTheLocksHolderAlone(t *testing.T) {
	server := redistest.Start(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	slow := newNode(t, server.Client(), fleetConfig{engine: warm.Config{LockLife: time.Minute}})
	err := slow.engine.AddFunc("report", func(context.Context) (int, error) {
		close(begun)
		<-goOn
		return 1, nil
	}, warm.TaskOptions{})
	if err != nil {
		t.Fatal(err)
	}
	start(t, slow.engine)
	<-begun
	server.Do("SET", "{warm::report:}:lock", "somebody", "PX", 3000)
	close(goOn)
	redistest.Eventually(t, 10*time.Second, func() error { // it has noticed, and waits for somebody
		if s := slow.engine.Status().Warmup.CurrentRun; s == nil || s.Tasks[0].Role != warm.RoleFollower {
			return fmt.Errorf("run %+v", s)
		}
		return nil
	})
	if n := server.Do("EXISTS", "{warm::report:}"); n != int64(0) {
		t.Error("a node without the lock has written the ledger")
	}
	if lock := server.Do("GET", "{warm::report:}:lock"); lock != "somebody" {
		t.Errorf("the lock is %v, want somebody's still", lock)
	}
	stopNow(t, slow.engine)
}

func stopNow(t *testing.T, e *warm.Engine) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = e.Stop(ctx) // says what it cancelled
}
