package tiercache_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func TestNewRedis_refusesClientsThatCannotWork(t *testing.T) {
	t.Parallel()
	cluster := func(change func(*redis.ClusterOptions)) redis.UniversalClient {
		o := &redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}}
		change(o)
		return redis.NewClusterClient(o)
	}
	for want, client := range map[string]redis.UniversalClient{
		"RouteByLatency":  cluster(func(o *redis.ClusterOptions) { o.RouteByLatency = true }),
		"RouteRandomly":   cluster(func(o *redis.ClusterOptions) { o.RouteRandomly = true }),
		"ReadOnly":        cluster(func(o *redis.ClusterOptions) { o.ReadOnly = true }),
		"Ring":            redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}}),
		"ClientSideCache": redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", ClientSideCacheConfig: &redis.ClientSideCacheConfig{}}),
	} {
		t.Cleanup(func() { closing(t, client) })
		r, err := tiercache.NewRedis(client, tiercache.RedisConfig{})
		if err == nil {
			closing(t, r)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewRedis: %v, want an error that names %s", err, want)
		}
	}
}

func TestNewRedis_refusesAReplica(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do("REPLICAOF", "127.0.0.1", "1")
	refused(t, server.Client(), "replica")
}

// refused wants NewRedis to fail for what the server says. On a busy machine that may come too late
// for NewRedis, now and then.
func refused(t *testing.T, client redis.UniversalClient, why string) {
	t.Helper()
	redistest.Eventually(t, 10*time.Second, func() error {
		r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: time.Second})
		if err == nil {
			closing(t, r)
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			return fmt.Errorf("NewRedis: %v, want an error that says %q", err, why) //nolint:errorlint // it may be nil
		}
		return nil
	})
}

func TestNewRedis_warnsOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	careful := func(o *redis.Options) {
		o.ContextTimeoutEnabled, o.DialTimeout, o.DialerRetries = true, time.Second, 1
	}
	for name, test := range map[string]struct {
		change func(*redis.Options)
		names  []string // what the warning says; none: there is none
	}{
		"go-redis's defaults": {func(*redis.Options) {}, []string{"ContextTimeoutEnabled", "DialTimeout"}},
		"no read timeout":     {func(o *redis.Options) { o.ReadTimeout = -1 }, []string{"for ever"}},
		"a slow dial":         {func(o *redis.Options) { careful(o); o.DialTimeout = time.Minute }, []string{"DialTimeout 1m0s"}},
		"careful":             {careful, nil},
		"short timeouts":      {func(o *redis.Options) { careful(o); o.ContextTimeoutEnabled, o.ReadTimeout = false, time.Second }, nil},
	} {
		var log syncBuffer
		r, err := tiercache.NewRedis(server.Client(test.change), tiercache.RedisConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		c := newCache(t, tiercache.Config[string, string]{Name: "c", Redis: r})
		closing(t, c)
		closing(t, r)
		if got, want := strings.Count(log.String(), "level=WARN"), min(1, len(test.names)); got != want {
			t.Errorf("%s: %d warnings, want %d: %s", name, got, want, log.String())
		}
		for _, part := range test.names {
			if !strings.Contains(log.String(), part) {
				t.Errorf("%s: the warning %s does not name %q", name, log.String(), part)
			}
		}
	}
}

// leastACL is what docs/redis.md says that a cache needs; with a Prefix of "app:".
const leastACL = "resetchannels &app:tiercache:* resetkeys ~app:* ~{app:* -@all " +
	"+get +set +getex +pttl +del +getrange +setrange +pexpire +evalsha +eval +time +hmget +hset +hsetnx +hlen +unlink +publish +subscribe +unsubscribe +ping +info"

// user adds a user to a server, and gives a client of theirs.
func user(t *testing.T, server *redistest.Server, name, rules string) *redis.Client {
	t.Helper()
	server.Do(append([]any{"ACL", "SETUSER", name, "on", ">" + secret}, fields(rules)...)...)
	return server.Client(func(o *redis.Options) { o.Username, o.Password = name, secret })
}

const secret = "open-sesame-1001"

func fields(rules string) (all []any) {
	for rule := range strings.FieldsSeq(rules) {
		all = append(all, rule)
	}
	return all
}

func TestACL_leastPrivilege(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := user(t, server, "cache", leastACL)
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Prefix: "app:", Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	c := newCache(t, tiercache.Config[string, string]{
		Name: "c", TTL: time.Hour, StaleFor: time.Hour, NegativeTTL: time.Minute, Redis: r,
		Load: new(source).load, Tags: func(string, string) []string { return []string{"t"} },
	})
	everything(t, c)
	coherent(t, r)
	if h := r.Health(); h.Breaker != tiercache.BreakerClosed || !h.Coherent || h.Pending != 0 {
		t.Errorf("health %+v", h)
	}
	if n := c.Stats().RedisErrors; n != 0 {
		t.Errorf("%d errors of Redis", n)
	}
	denied, _ := server.Do("ACL", "LOG").([]any)
	for _, entry := range denied { // go-redis introduces itself by CLIENT, and does without
		if text := fmt.Sprint(entry); !strings.Contains(text, "object:client") && !strings.Contains(text, "object client") {
			t.Errorf("denied: %s", text)
		}
	}
}

// everything does all that a cache can, and wants no error.
func everything(t *testing.T, c *tiercache.Cache[string, string]) {
	t.Helper()
	ctx := t.Context()
	values := make(map[string]string)
	var keys []string
	for _, key := range []string{"a", "b", "c", "{braces}", "ünï", "x y\n", strings.Repeat("long", 300)} {
		values[key] = "set"
		keys = append(keys, key)
	}
	if err := c.RegisterLoader(tiercache.Loader[string, string]{Name: "warm", Load: func(_ context.Context, emit func(string, string) error) error {
		for _, key := range append(keys, "w1", "w2", "w3") {
			if err := emit(key, "warm"); err != nil {
				return err
			}
		}
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"Get":            func() error { _, err := c.Get(ctx, "g"); return err },
		"Refresh":        func() error { _, err := c.Refresh(ctx, "g"); return err },
		"Set":            func() error { return c.Set(ctx, "g", "v") },
		"SetMany":        func() error { return c.SetMany(ctx, values) },
		"GetMany":        func() error { _, err := c.GetMany(ctx, keys); return err },
		"Expire":         func() error { return c.Expire(ctx, "a", "b") },
		"Delete":         func() error { return c.Delete(ctx, keys...) },
		"InvalidateTags": func() error { return c.InvalidateTags(ctx, "t", "u") },
		"Clear":          func() error { return c.Clear(ctx) },
		"Warm":           func() error { _, err := c.Warm(ctx); return err },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACL_whatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for name, client := range map[string]*redis.Client{
		"NOPERM":    user(t, server, "deaf", strings.ReplaceAll(leastACL, "&app:tiercache:*", "")),
		"WRONGPASS": server.Client(func(o *redis.Options) { o.Username, o.Password = "deaf", secret+"x" }),
	} {
		t.Run(name, func(t *testing.T) {
			var log syncBuffer
			began := time.Now()
			r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Prefix: "app:", Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err == nil {
				closing(t, r)
			}
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Fatalf("NewRedis: %v, want %s", err, name)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
			if said := err.Error() + log.String(); strings.Contains(said, secret) {
				t.Errorf("the password is in %q", said)
			}
			<-time.After(300 * time.Millisecond) // a dial may be under way
			before := server.Info("stats", "total_connections_received")
			<-time.After(300 * time.Millisecond)
			if after := server.Info("stats", "total_connections_received"); after != before {
				t.Errorf("connections went on after the refusal: %s, then %s", before, after)
			}
		})
	}
}
