package tiercache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// gapNode is a cache of its own process, as far as one test process can be several.
func gapNode(t *testing.T, server *redistest.Server, cfg RedisConfig) *Cache[string, string] {
	t.Helper()
	cfg.Timeout, cfg.Logger = 10*time.Second, slog.New(slog.DiscardHandler) // a busy machine is no outage
	r, err := NewRedis(server.Client(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config[string, string]{Name: "things", TTL: time.Hour, Redis: r, Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// awaitSettled waits until nothing of the cache's warm runs is in doubt, and closes it, so that all
// that is to be taken back has been.
func awaitSettled(t *testing.T, c *Cache[string, string]) {
	t.Helper()
	redistest.Eventually(t, 20*time.Second, func() error {
		c.unconfirmedMu.Lock()
		defer c.unconfirmedMu.Unlock()
		if n := len(c.unconfirmed); n > 0 {
			return fmt.Errorf("%d batches are unconfirmed", n)
		}
		c.tasks.mu.Lock()
		defer c.tasks.mu.Unlock()
		if c.tasks.n > 0 {
			return errors.New("something is going on")
		}
		return nil
	})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// cut ends every subscription, and says in the same moment, to nobody, what is given.
func cut(t *testing.T, raw redis.UniversalClient, said ...string) {
	t.Helper()
	_, err := raw.TxPipelined(t.Context(), func(tx redis.Pipeliner) error {
		tx.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub")
		for _, text := range said {
			tx.Publish(t.Context(), "tiercache:notices", text)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestConfirm_aCutSubscriptionAloneTakesNothingBack(t *testing.T) {
	t.Parallel()
	const all = 6000
	for _, percent := range []int{25, 50, 75} {
		t.Run(strconv.Itoa(percent), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			raw := server.Client()
			a, other := gapNode(t, server, RedisConfig{}), gapNode(t, server, RedisConfig{})
			if err := other.Delete(t.Context(), "another"); err != nil {
				t.Fatal(err)
			}
			redistest.Eventually(t, 10*time.Second, func() error {
				if a.redis.channel.Received.Load() == 0 {
					return errors.New("the Delete has not been heard")
				}
				return nil
			})
			err := a.RegisterLoader(Loader[string, string]{Name: "all", Load: func(ctx context.Context, emit func(string, string) error) error {
				for i := range all {
					if i == all*percent/100 {
						before := a.redis.channel.Subscribed.Load()
						cut(t, raw) //nolint:contextcheck // it has the test's
						redistest.Eventually(t, 10*time.Second, func() error {
							if a.redis.channel.Subscribed.Load() == before {
								return errors.New("not subscribed again")
							}
							return nil
						})
					}
					if err := emit(strconv.Itoa(i), "v"); err != nil {
						return err
					}
				}
				return ctx.Err()
			}})
			if err != nil {
				t.Fatal(err)
			}
			var late atomic.Int64
			res := a.WarmLoader(t.Context(), "all", WarmOptions{TakenBack: func(n int) { late.Add(int64(n)) }})
			if res.Err != nil || res.Redis != all || res.TakenBack != 0 {
				t.Fatalf("%+v, want all in Redis", res)
			}
			awaitSettled(t, a)
			if n := a.Stats().TakenBack; n != 0 || late.Load() != 0 {
				t.Errorf("%d were taken back, %d said so, want none", n, late.Load())
			}
			keys := make([]string, all)
			for i := range keys {
				keys[i] = strconv.Itoa(i)
			}
			if got := other.Hydrate(t.Context(), keys, WarmOptions{}); got.Memory != all {
				t.Errorf("another node finds %d, want all: %+v", got.Memory, got)
			}
		})
	}
}

// What was said in a gap, and to whom the numbers lead. The hold of what is said is gone each time:
// nothing in Redis tells of it.
func TestConfirm_whatTheNumbersTellOfAGap(t *testing.T) {
	t.Parallel()
	digest := func(node string, number int) string { return fmt.Sprintf("W1 D %s %d  ", node, number) }
	lost := func(node string) string { return fmt.Sprintf("W1 K %s 1 things k", node) }
	for name, trial := range map[string]struct {
		before, gap, after string
		taken              bool
		known              bool // to be invalidated
	}{
		"nothing was said":                      {before: digest("x", 0), after: digest("x", 0)},
		"the digest tells":                      {before: digest("x", 0), gap: lost("x"), after: digest("x", 1), taken: true},
		"who said it is never heard again":      {before: digest("x", 0), gap: lost("x"), taken: true},
		"who said it was never heard before":    {gap: lost("x"), after: digest("x", 1), taken: true},
		"somebody new has said nothing":         {after: digest("x", 0)},
		"what is said after the gap, is heard":  {before: digest("x", 0), after: lost("x") + "\n" + digest("x", 1), taken: true, known: true},
		"what is said after it of another, too": {before: digest("x", 0), after: strings.Replace(lost("x"), "things k", "things l", 1) + "\n" + digest("x", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			raw := server.Client()
			a := gapNode(t, server, RedisConfig{})
			say := func(lines string) {
				for text := range strings.Lines(lines) {
					text = strings.TrimSuffix(text, "\n")
					if err := raw.Publish(context.WithoutCancel(t.Context()), "tiercache:notices", text).Err(); err != nil {
						t.Error(err)
					}
				}
			}
			say(trial.before)
			if trial.before != "" {
				redistest.Eventually(t, 10*time.Second, func() error {
					if a.redis.channel.Nodes() != 2 {
						return errors.New("it has not been heard")
					}
					return nil
				})
			}
			err := a.RegisterLoader(Loader[string, string]{Name: "all", Load: func(_ context.Context, emit func(string, string) error) error {
				before := a.redis.channel.Subscribed.Load()
				cut(t, raw, trial.gap) //nolint:contextcheck // it has the test's
				redistest.Eventually(t, 10*time.Second, func() error {
					if a.redis.channel.Subscribed.Load() == before {
						return errors.New("not subscribed again")
					}
					return nil
				})
				return emit("k", "old")
			}})
			if err != nil {
				t.Fatal(err)
			}
			var late atomic.Int64
			res := a.WarmLoader(t.Context(), "all", WarmOptions{TakenBack: func(n int) { late.Add(int64(n)) }})
			if res.Err != nil || res.Redis != 1 {
				t.Fatalf("%+v; the trial needs the write to slip through", res)
			}
			stop := make(chan struct{})
			said := make(chan struct{})
			go func() {
				defer close(said)
				tick := time.NewTicker(300 * time.Millisecond)
				defer tick.Stop()
				for {
					say(trial.after)
					select {
					case <-stop:
						return
					case <-tick.C:
					}
				}
			}()
			defer func() { <-said }()
			defer close(stop)
			awaitSettled(t, a)
			want := "WC01V"
			n := int64(0)
			if trial.taken {
				want, n = redistier.HoldRecord, 1
				if trial.known {
					n = 0
				}
			}
			if got := raw.Get(t.Context(), "things:k").Val(); !strings.HasPrefix(got, want) || late.Load() != n {
				t.Errorf("Redis holds %.5q, %d were said to be taken back; want %q and %d", got, late.Load(), want, n)
			}
		})
	}
}

// Redis goes away in a run and another server answers in its place: what had been sent by then is
// taken back, and nothing else.
func TestConfirm_whatWasNeverSentIsNotTakenBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r, err := NewRedis(server.Client(func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 }), RedisConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Config[string, string]{Name: "things", TTL: time.Hour, Redis: r, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	})
	const all, sent = 40_000, 2000
	err = a.RegisterLoader(Loader[string, string]{Name: "all", Load: func(_ context.Context, emit func(string, string) error) error {
		for i := range all {
			if i == sent {
				server.Kill()
				redistest.Eventually(t, 10*time.Second, func() error {
					if state := a.Stats().Breaker; state != BreakerOpen {
						return fmt.Errorf("the breaker is %s", state)
					}
					return nil
				})
			}
			if err := emit(strconv.Itoa(i), "v"); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	res := a.WarmLoader(t.Context(), "all", WarmOptions{})
	if !errors.Is(res.Err, ErrDegraded) || res.Memory == 0 {
		t.Fatalf("%+v, want it degraded, in memory", res)
	}
	server.Restart()
	awaitSettled(t, a)
	if n := a.Stats().TakenBack; n == 0 || n > sent+mostFlying*redistier.BatchKeys {
		t.Errorf("%d were taken back of %d that were sent", n, sent)
	}
}

func TestWarm_aValueOverMaxValueBytesIsInMemoryAsAfterAGet(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := gapNode(t, server, RedisConfig{MaxValueBytes: 1000})
	large := strings.Repeat("x", 2000)
	for _, values := range [][]string{{large}, {"small", large, "small"}} {
		err := c.RegisterLoader(Loader[string, string]{Name: strconv.Itoa(len(values)), Load: func(_ context.Context, emit func(string, string) error) error {
			for i, v := range values {
				if err := emit(fmt.Sprint(len(values), "-", i), v); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		before := c.Stats().Oversized
		res := c.WarmLoader(t.Context(), strconv.Itoa(len(values)), WarmOptions{})
		if res.Err != nil || res.Memory != len(values) || res.Redis != len(values)-1 || res.Failed != 0 {
			t.Errorf("%+v, want all in memory, all but one in Redis", res)
		}
		if n := c.Stats().Oversized - before; n != 1 {
			t.Errorf("%d were counted as too large, want 1", n)
		}
	}
	if v, ok := c.Peek("1-0"); !ok || v.Value != large {
		t.Errorf("the large value is not in memory")
	}
	if n := c.Stats().RedisErrors; n != 0 {
		t.Errorf("%d errors of Redis, want none", n)
	}
}

// A hold refuses what was read from the source before it, and not for HoldLife whatever comes.
func TestHold_letsARunStoreThatBeganAfterIt(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := gapNode(t, server, RedisConfig{}), gapNode(t, server, RedisConfig{})
	err := a.RegisterLoader(Loader[string, string]{Name: "all", Load: func(_ context.Context, emit func(string, string) error) error { return emit("k", "new") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, 10*time.Second, func() error { // the server's clock shows another ms, and the notice has come
		if a.redis.channel.Received.Load() == 0 {
			return errors.New("the Delete has not been heard")
		}
		return nil
	})
	redistest.Eventually(t, 10*time.Second, func() error {
		if res := a.WarmLoader(t.Context(), "all", WarmOptions{}); res.Redis != 1 {
			return fmt.Errorf("%+v", res)
		}
		return nil
	})
	awaitSettled(t, a)
	if got, err := b.GetOrLoad(t.Context(), "k", func(context.Context) (string, error) { return "loaded", nil }); err != nil || got != "new" {
		t.Errorf("another node reads %q, %v", got, err)
	}
}
