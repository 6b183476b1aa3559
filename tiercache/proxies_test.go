package tiercache_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// proxied is a client of a server behind a proxy that answers one command by itself.
func proxied(t *testing.T, server *redistest.Server, command, says string) *redis.Client {
	t.Helper()
	addr := redistest.Front(t, server.Addr(), func(args []string) string {
		if strings.EqualFold(args[0], command) {
			return strings.ReplaceAll(says, "%s", args[0])
		}
		return ""
	})
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { closing(t, client) })
	return client
}

// What proxies say of commands that they do not pass on.
func refusals() map[string]string {
	return map[string]string{
		"Envoy":         "-ERR unknown command '%s', with args beginning with: x",
		"an old Envoy":  "-invalid request",
		"another":       "-ERR unsupported command '%s'",
		"one with ACLs": "-NOPERM this user has no permissions to run the '%s' command",
	}
}

// A cache cannot do without these: NewRedis says so.
func TestProxy_withoutWhatACacheMustHave(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, command := range []string{"SUBSCRIBE", "PUBLISH", "EVAL"} {
		for _, says := range refusals() {
			refused(t, proxied(t, server, command, says), command+" is refused")
		}
	}
}

// Without INFO a cache works, and says what it lacks. So it does where a proxy answers INFO by
// itself, without what a server says of itself. ROLE is not asked, whatever a proxy answers of it.
func TestProxy_thatKnowsLittleOfItsServer(t *testing.T) {
	t.Parallel()
	says := refusals()
	for name, test := range map[string]struct{ command, says, missing string }{
		"INFO is refused":         {"INFO", says["Envoy"], "INFO"},
		"INFO is another's":       {"INFO", "$22\r\n# Proxy\r\nupstreams:3\r\n", ""},
		"INFO is nothing":         {"INFO", "$0\r\n", ""},
		"ROLE is the proxy's own": {"ROLE", "*1\r\n$5\r\nproxy", ""},
		"ROLE is a replica's":     {"ROLE", "*1\r\n$5\r\nslave", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			var log syncBuffer
			r, err := tiercache.NewRedis(proxied(t, server, test.command, test.says), tiercache.RedisConfig{
				Timeout: 5 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closing(t, r) })
			c := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, StaleFor: time.Hour, Redis: r, Load: newTruth("v").load})
			coherent(t, r)
			everything(t, c)
			other := node(t, server, tiercache.Config[string, string]{Load: newTruth("v").load})
			get(t, c, "k", "v")
			get(t, other, "k", "v")
			if err := other.Set(t.Context(), "k", "new"); err != nil {
				t.Fatal(err)
			}
			redistest.Eventually(t, 5*time.Second, func() error {
				if v, err := c.Get(t.Context(), "k"); v != "new" || err != nil {
					return fmt.Errorf("behind the proxy: %q, %w", v, err)
				}
				return nil
			})
			if h := r.Health(); h.Missing != test.missing || strings.Contains(log.String(), "refuses a command") != (test.missing != "") {
				t.Errorf("missing is %q, want %q; the log says %s", h.Missing, test.missing, log.String())
			}
		})
	}
}

// twemproxy closes the connection on a command that it does not know. That looks like an outage:
// the source serves.
func TestProxy_thatHangsUp(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r, err := tiercache.NewRedis(proxied(t, server, "SUBSCRIBE", redistest.HangUp), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r, Load: newTruth("v").load})
	get(t, c, "k", "v")
	if h := r.Health(); h.Coherent {
		t.Errorf("%+v: nothing of others is heard", h)
	}
}

// Commands and options that are younger than Redis 6.2 are not sent. Servers with its protocol,
// such as Valkey and KeyDB, know all of these.
func TestRedis_speaksTheProtocolOf62(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var mu sync.Mutex
	sent := make(map[string]bool)
	addr := redistest.Front(t, server.Addr(), func(args []string) string {
		mu.Lock()
		defer mu.Unlock()
		sent[strings.ToLower(args[0])] = true
		return ""
	})
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { closing(t, client) })
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	coherent(t, r)
	everything(t, newCache(t, tiercache.Config[string, string]{
		Name: "c", TTL: time.Hour, StaleFor: time.Hour, NegativeTTL: time.Minute, LearnHot: 10, Redis: r,
		Load: new(source).load, Tags: func(string, string) []string { return []string{"t"} },
	}))
	mu.Lock()
	defer mu.Unlock()
	// hello and client are go-redis's own; it does without them.
	known := strings.Fields("hello client auth get set getex pttl del getrange setrange pexpire evalsha eval time hmget hset hsetnx hlen unlink " +
		"publish subscribe unsubscribe ping info type zadd zscore zrevrange zrem zremrangebyrank script")
	for command := range sent {
		if !slices.Contains(known, command) {
			t.Errorf("%s is sent: is it in Redis 6.2?", command)
		}
	}
	if !sent["getex"] || !sent["evalsha"] {
		t.Errorf("the proxy has seen no more than %v", sent)
	}
}
