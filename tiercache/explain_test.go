package tiercache_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func explain(t *testing.T, c *tiercache.Cache[string, string], verdict string) tiercache.Explanation {
	t.Helper()
	before := c.Stats()
	e, err := c.Explain(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(e.Verdict, verdict) || !strings.HasPrefix(e.Verdict, "A read ") || !strings.HasSuffix(e.Verdict, ".") {
		t.Errorf("verdict %q, want one with %q", e.Verdict, verdict)
	}
	after := c.Stats()
	if got, want := [...]uint64{after.Hits(), after.Misses, after.Loads, after.Corrupt, after.Joined}, [...]uint64{before.Hits(), before.Misses, before.Loads, before.Corrupt, before.Joined}; got != want {
		t.Errorf("Explain was counted: %v, before %v", got, want)
	}
	if !strings.Contains(e.String(), e.Verdict) {
		t.Errorf("the table lacks the verdict:\n%s", e)
	}
	return e
}

func TestExplain_memoryOnly(t *testing.T) {
	s := new(source)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, StaleFor: time.Hour, Load: s.load})
	if e := explain(t, c, "loads from the source (Load): memory has nothing."); e.Redis != nil || e.Memory.Present {
		t.Errorf("%+v", e)
	}
	read(t, c, "v1", tiercache.FromSource)
	e := explain(t, c, "is answered from memory")
	if m := e.Memory; !m.Present || !m.Fresh || m.FreshFor <= 0 || m.FreshFor > time.Hour || m.StaleFor <= time.Hour || !m.EpochValid || !m.TagsValid || !m.Trusted || len(m.ID) != 16 {
		t.Errorf("%+v", m)
	}
	if err := c.Expire(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if e := explain(t, c, "if the load fails, a stale value is served"); e.Memory.Fresh || !e.Memory.Servable {
		t.Errorf("%+v", e.Memory)
	}
	if err := c.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := explain(t, c, "loads from the source"); e.Memory.Servable || e.Memory.Present && e.Memory.EpochValid {
		t.Errorf("after Clear: %+v", e.Memory)
	}
	closing(t, c)
	if _, err := c.Explain(t.Context(), "k"); !errors.Is(err, tiercache.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Whatever stands in Redis, Explain tells it, leaves it as it is, and the read that follows does
// what it said.
func TestExplain_redis(t *testing.T) {
	t.Parallel()
	const secretValue = "never to be shown"
	server := redistest.Start(t)
	load := func(context.Context, string) (string, error) { return secretValue, nil }
	cfg := tiercache.Config[string, string]{
		Name: "c", TTL: time.Hour, StaleFor: time.Hour, NegativeTTL: time.Hour, Load: load,
		Tags: func(string, string) []string { return []string{"t"} },
	}
	node := func(t *testing.T, change ...func(*tiercache.Config[string, string])) *tiercache.Cache[string, string] {
		t.Helper()
		cfg := cfg
		cfg.Redis = newRedis(t, server)
		for _, f := range change {
			f(&cfg)
		}
		return newCache(t, cfg)
	}
	fill := func(t *testing.T) *tiercache.Cache[string, string] {
		t.Helper()
		a := node(t)
		if _, err := a.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		return a
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	notFound := func(c *tiercache.Config[string, string]) {
		c.Load = func(context.Context, string) (string, error) { return "", tiercache.ErrNotFound }
	}
	for _, c := range []struct {
		name, verdict string
		prepare       func(t *testing.T)
		check         func(r *tiercache.RedisState) bool
		from          tiercache.Source
	}{
		{"nothing", "Redis has nothing", func(*testing.T) {}, func(r *tiercache.RedisState) bool { return r.Record == "" && r.Lease == "" }, tiercache.FromSource},
		{"a value", "is answered from Redis", func(t *testing.T) { fill(t) }, func(r *tiercache.RedisState) bool {
			return r.Record == "value" && r.Fresh && r.Valid && !r.Outdated && r.Codec == "string" && r.Size > 100 && r.FreshFor > 59*time.Minute && r.Key == "c:k"
		}, tiercache.FromRedis},
		{"an absence", "ErrNotFound from Redis", func(t *testing.T) { _, _ = node(t, notFound).Get(t.Context(), "k") }, func(r *tiercache.RedisState) bool {
			return r.Record == "not found" && r.Fresh
		}, 0},
		{"a hold", "mark of an invalidation", func(t *testing.T) { must(t, fill(t).Delete(t.Context(), "k")) }, func(r *tiercache.RedisState) bool { return r.Record == "hold" }, tiercache.FromSource},
		{"an expired value", "past its time", func(t *testing.T) { must(t, fill(t).Expire(t.Context(), "k")) }, func(r *tiercache.RedisState) bool {
			return r.Record == "value" && !r.Fresh && r.Servable && r.FreshFor == 0
		}, tiercache.FromSource},
		{"cleared", "ended by Clear or by a tag", func(t *testing.T) { must(t, fill(t).Clear(t.Context())) }, func(r *tiercache.RedisState) bool { return !r.Valid && !r.Servable }, tiercache.FromSource},
		{"a tag ended", "ended by Clear or by a tag", func(t *testing.T) { must(t, fill(t).InvalidateTags(t.Context(), "t")) }, func(r *tiercache.RedisState) bool { return !r.Valid }, tiercache.FromSource},
		{"garbage", "unreadable (magic)", func(*testing.T) { server.Do("SET", "c:k", "garbage", "PX", "60000") }, func(r *tiercache.RedisState) bool { return r.Corrupt == "magic" }, tiercache.FromSource},
		{"a list", "unreadable (type)", func(*testing.T) { server.Do("RPUSH", "c:k", "x") }, func(r *tiercache.RedisState) bool { return r.Corrupt == "type" }, tiercache.FromSource},
		{"a lease", "waits for the load", func(*testing.T) { server.Do("SET", "{c:k}:lease", strings.Repeat("a", 32), "PX", "3000") }, func(r *tiercache.RedisState) bool {
			return r.Lease == "held" && r.LeaseFor > 0
		}, tiercache.FromSource},
	} {
		t.Run(c.name, func(t *testing.T) {
			server.Do("FLUSHALL")
			c.prepare(t)
			b := node(t)
			keys := server.Do("DBSIZE")
			e := explain(t, b, c.verdict)
			if !c.check(e.Redis) {
				t.Errorf("%+v", e.Redis)
			}
			if after := server.Do("DBSIZE"); after != keys && c.name != "a lease" {
				t.Errorf("%v keys in Redis became %v", keys, after)
			}
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text)+e.String(), secretValue) {
				t.Error("the value shows")
			}
			var back tiercache.Explanation
			if err := json.Unmarshal(text, &back); err != nil || back.Verdict != e.Verdict {
				t.Errorf("%+v, %v", back, err)
			}
			got, err := b.GetEntry(t.Context(), "k")
			if c.from == 0 != errors.Is(err, tiercache.ErrNotFound) || got.Source != c.from {
				t.Errorf("the read gave %+v, %v; want %v", got, err, c.from)
			}
		})
	}
}

func TestExplain_redisAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := new(source)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: s.load, Redis: newRedis(t, server)})
	server.Kill()
	e := explain(t, c, "Redis cannot be asked")
	if e.Redis.Error == "" {
		t.Errorf("%+v", e.Redis)
	}
	if err := c.Delete(t.Context(), "k"); !errors.Is(err, tiercache.ErrDegraded) {
		t.Fatal(err)
	}
	if e := explain(t, c, "has yet to hear of an invalidation"); !e.Redis.Pending {
		t.Errorf("%+v", e.Redis)
	}
}

func TestExplain_loadUnderWayAndEnded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: func(context.Context, string) (string, error) {
		close(entered)
		<-leave
		return "v", nil
	}})
	got := make(chan error)
	go func() {
		_, err := c.Get(t.Context(), "k")
		got <- err
	}()
	<-entered
	if e := explain(t, c, "joins the look-up"); !e.Source.Loading {
		t.Errorf("%+v", e.Source)
	}
	close(leave)
	if err := <-got; err != nil {
		t.Error(err)
	}
	if e := explain(t, c, "from memory"); e.Source.Loading {
		t.Errorf("%+v", e.Source)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if e, err := c.Explain(ended, "k"); !errors.Is(err, context.Canceled) || !cmp.Equal(e, tiercache.Explanation{}, cmp.AllowUnexported(tiercache.RedisState{})) {
		t.Errorf("with an ended context: %+v, %v", e, err)
	}
}
