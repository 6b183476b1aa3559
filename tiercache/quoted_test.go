package tiercache_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A server that does not know AUTH repeats the password, and one that does not know another command
// keys and values. No text of ours repeats that.
func TestReplies_showNoArguments(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	refusing := func(commands ...string) func([]string) string {
		return func(args []string) string {
			if len(commands) == 0 || slices.Contains(commands, strings.ToLower(args[0])) {
				return redistest.Unknown(args)
			}
			return ""
		}
	}
	for name, client := range map[string]redis.UniversalClient{
		"no AUTH, no HELLO": secretClient(redistest.Front(t, server.Addr(), refusing("auth", "hello"))),
		"nothing is known":  secretClient(redistest.Front(t, "", refusing())),
		"no scripts, no reads": redis.NewClient(&redis.Options{
			Addr: redistest.Front(t, server.Addr(), refusing("evalsha", "get", "getex", "pttl", "set", "hmget", "zadd")),
		}),
		"a Sentinel without AUTH": redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: "m", SentinelAddrs: []string{redistest.Front(t, "", refusing())}, SentinelPassword: secret,
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() { closing(t, client) })
			said := everyText(t, client)
			if strings.Contains(said, secret) || strings.Contains(said, "beginning with") {
				t.Errorf("arguments are shown:\n%s", said)
			}
			if !strings.Contains(said, "unknown command") {
				t.Errorf("nothing says why:\n%s", said)
			}
		})
	}
}

func secretClient(addr string) redis.UniversalClient { //nolint:ireturn // of several types
	return redis.NewClient(&redis.Options{Addr: addr, Username: "cache", Password: secret})
}

// everyText is all that a cache on a Redis says: errors, events, its log, explanations and health.
func everyText(t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	var all syncBuffer
	hear := func(what string, said ...any) { _, _ = fmt.Fprintln(&all, what, said) }
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Logger: slog.New(slog.NewTextHandler(&all, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		hear("NewRedis", err)
		return all.String()
	}
	t.Cleanup(func() { closing(t, r) })
	c := newCache(t, tiercache.Config[string, string]{
		Name: "c", TTL: time.Hour, Redis: r, LearnHot: 10, Load: func(context.Context, string) (string, error) { return secret, nil },
		Observer: hearer(hear), Logger: slog.New(slog.NewTextHandler(&all, nil)),
	})
	err = c.RegisterLoader(tiercache.Loader[string, string]{Name: "l", Load: func(_ context.Context, emit func(string, string) error) error { return emit("w", secret) }})
	if err != nil {
		t.Fatal(err)
	}
	for range 7 { // until the breaker is open, and the log says so
		_, err = c.Get(t.Context(), "k")
		hear("Get", err)
		hear("Set", c.Set(t.Context(), "k", secret))
		hear("Delete", c.Delete(t.Context(), "k"))
	}
	e, err := c.Explain(t.Context(), "k")
	hear("Explain", e, err)
	results, err := c.Warm(t.Context())
	hear("Warm", results, err)
	_, err = c.Hot(t.Context(), 3)
	hear("Hot", err)
	hear("Do", r.Do(t.Context(), func(ctx context.Context, client redis.UniversalClient) error {
		return fmt.Errorf("of ours: %w", client.Get(ctx, secret).Err())
	}))
	hear("Health", fmt.Sprintf("%+v", r.Health()))
	return all.String()
}

// hearer hears of events.
type hearer func(what string, said ...any)

func (h hearer) Observe(e tiercache.Event) { h("event", e.Kind, e.Err) }
