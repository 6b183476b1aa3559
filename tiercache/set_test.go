package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// countingCodec counts what it encodes.
type countingCodec struct {
	tiercache.Codec[string]
	encoded *atomic.Int64
}

func (c countingCodec) Encode(dst []byte, value string) ([]byte, error) {
	c.encoded.Add(1)
	return c.Codec.Encode(dst, value)
}

// A SetMany takes longer than its TTL. What it stores counts from the call's begin, so that nothing
// of it is fresh elsewhere when its TTL is over; and it encodes what it sends next, and no more.
func TestSetMany_agesWhileItRuns(t *testing.T) {
	t.Parallel()
	const (
		batch, n = 256, 2560
		ttl      = 500 * time.Millisecond
		slowly   = 80 * time.Millisecond // for each batch
	)
	server := redistest.Start(t)
	var encoded, ahead atomic.Int64
	slow := before(func(_ context.Context, cmds []redis.Cmder) error {
		if saying(cmds, "WC01V") {
			ahead.Store(max(ahead.Load(), encoded.Add(-int64(len(cmds)))))
			<-time.After(slowly)
		}
		return nil
	})
	client := server.Client(punctual)
	client.AddHook(slow)
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	cfg := tiercache.Config[string, string]{Name: "c", TTL: ttl, StaleFor: time.Hour, Redis: r, Codec: countingCodec{tiercache.JSON[string](), &encoded}}
	a := newCache(t, cfg)
	cfg.Redis, cfg.Codec = newRedis(t, server), tiercache.JSON[string]()
	b := newCache(t, cfg)
	keys, entries := make([]string, n), make(map[string]string)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
		entries[keys[i]] = "v"
	}
	began := time.Now()
	if err := a.SetMany(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < ttl {
		t.Fatalf("the call took %v, no longer than its TTL", took)
	}
	fresh := 0
	for _, key := range keys {
		if e, err := b.GetEntry(t.Context(), key); err == nil && !e.Stale {
			fresh++
		}
	}
	if fresh > 0 {
		t.Errorf("%d of %d entries are fresh %v after the call began, with a TTL of %v", fresh, n, time.Since(began), ttl)
	}
	if got := ahead.Load(); got > batch {
		t.Errorf("%d entries were encoded before they were sent, with batches of %d", got, batch)
	}
}

// A value that no codec can write: the old one is out of date, and is taken out in both tiers.
func TestSet_thatFailsEndsWhatStoodThere(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := newCache(t, tiercache.Config[string, float64]{Name: "c", TTL: time.Hour, StaleFor: time.Hour, Redis: newRedis(t, server)})
	b := newCache(t, tiercache.Config[string, float64]{Name: "c", TTL: time.Hour, StaleFor: time.Hour, Redis: newRedis(t, server)})
	if err := a.SetMany(t.Context(), map[string]float64{"k": 1, "l": 1}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"k", "l"} {
		if v, err := b.Get(t.Context(), key); v != 1 || err != nil {
			t.Fatal(v, err)
		}
	}
	if err := a.Set(t.Context(), "k", math.NaN()); err == nil || !strings.Contains(err.Error(), `"k"`) || errors.Is(err, tiercache.ErrDegraded) {
		t.Errorf("Set of NaN: %v", err)
	}
	if err := a.SetMany(t.Context(), map[string]float64{"l": math.Inf(1), "m": 2}); err == nil || !strings.Contains(err.Error(), `"l"`) {
		t.Errorf("SetMany with an infinity: %v", err)
	}
	for _, key := range []string{"k", "l"} {
		if v, err := a.Get(t.Context(), key); !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("%s after a failed Set: %v, %v", key, v, err)
		}
		redistest.Eventually(t, 5*time.Second, func() error {
			if v, err := b.Get(t.Context(), key); !errors.Is(err, tiercache.ErrNotFound) {
				return fmt.Errorf("%s on another node: %v, %w", key, v, err)
			}
			return nil
		})
	}
	if v, err := b.Get(t.Context(), "m"); v != 2 || err != nil {
		t.Errorf("the other one of the call: %v, %v", v, err)
	}
}

// panicky panics for one key.
func panicky[T any](result T) func(string, string) T {
	return func(key, _ string) T {
		if key == "bad" {
			panic("no " + key)
		}
		return result
	}
}

type panickyKeys struct{}

func (panickyKeys) EncodeKey(key string) (string, error)  { return panicky(key)(key, ""), nil }
func (panickyKeys) DecodeKey(text string) (string, error) { return text, nil }

// A callback that panics for one key of many: the others are stored, and the error names the key.
func TestSetMany_aCallbackThatPanicsFailsItsKeyAlone(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*tiercache.Config[string, string]){
		"Expiry": func(cfg *tiercache.Config[string, string]) { cfg.Expiry = panicky(time.Minute) },
		"Tags":   func(cfg *tiercache.Config[string, string]) { cfg.Tags = panicky([]string{"t"}) },
		"Keys":   func(cfg *tiercache.Config[string, string]) { cfg.Keys = panickyKeys{} },
		"Clone": func(cfg *tiercache.Config[string, string]) {
			cfg.Clone = func(v string) string { return panicky(v)(v, "") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: newRedis(t, server)}
			b := newCache(t, cfg)
			set(&cfg)
			cfg.Redis = newRedis(t, server)
			cfg.Load = func(_ context.Context, key string) (string, error) { return key, nil }
			a := newCache(t, cfg)
			if err := b.Set(t.Context(), "bad", "old"); err != nil {
				t.Fatal(err)
			}
			names := func(what string, err error) {
				if err == nil || !strings.Contains(err.Error(), "bad") || errors.Is(err, tiercache.ErrDegraded) {
					t.Errorf("%s: %v", what, err)
				}
			}
			entries := map[string]string{"bad": "bad"}
			for i := range 300 {
				entries[strconv.Itoa(i)] = "v"
			}
			names("SetMany", a.SetMany(t.Context(), entries))
			for i := range 300 {
				if v, err := b.Get(t.Context(), strconv.Itoa(i)); v != "v" || err != nil {
					t.Fatalf("%d on another node: %q, %v", i, v, err)
				}
			}
			if name != "Keys" { // without a text form nobody can be told
				redistest.Eventually(t, 5*time.Second, func() error {
					if v, err := b.Get(t.Context(), "bad"); !errors.Is(err, tiercache.ErrNotFound) {
						return fmt.Errorf("%q, %w", v, err)
					}
					return nil
				})
			}
			many, err := a.GetMany(t.Context(), []string{"new", "bad", "1"})
			if names("GetMany", err); many["1"] != "v" || many["new"] != "new" {
				t.Errorf("GetMany: %v", many)
			}
			register(t, a, tiercache.Loader[string, string]{Name: "l", Load: func(_ context.Context, emit func(string, string) error) error {
				return errors.Join(emit("bad", "bad"), emit("warm", "v"))
			}})
			res, err := a.Warm(t.Context(), "l")
			if err != nil || res[0].Failed != 1 || res[0].Redis != 1 {
				t.Errorf("a warm run: %+v, %v", res, err)
			}
		})
	}
}

// A TTL of a value's own goes above Config.TTL where it says so, in both tiers.
func TestTTL_aboveTheCaches(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: r, Expiry: func(_, value string) time.Duration {
			d, _ := time.ParseDuration(value)
			return d
		}}
		c := newCache(t, cfg)
		if err := errors.Join(c.Set(t.Context(), "expiry", "10m"), c.Set(t.Context(), "option", "", tiercache.TTL(10*time.Minute)), c.Set(t.Context(), "usual", "")); err != nil {
			t.Fatal(err)
		}
		register(t, c, tiercache.Loader[string, string]{Name: "l", TTL: 10 * time.Minute, Load: func(_ context.Context, emit func(string, string) error) error { return emit("loader", "") }})
		if _, err := c.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		waitFor(9 * time.Minute)
		for _, key := range []string{"expiry", "option", "loader"} {
			if e, ok := c.Peek(key); !ok || e.Stale {
				t.Errorf("%s after 9 of 10 minutes: %+v, %v", key, e, ok)
			}
		}
		if _, ok := c.Peek("usual"); ok {
			t.Error("usual is in memory after 9 minutes, with a TTL of one")
		}
	})
}

// A TTL below zero: the value is over. It is returned and stored nowhere, and what stood there is
// ended.
func TestTTL_belowZeroIsOver(t *testing.T) {
	t.Parallel()
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		var loads atomic.Int64
		cfg := tiercache.Config[string, string]{
			Name: "c", TTL: time.Hour, StaleFor: time.Hour, Redis: r,
			Expiry: func(_, value string) time.Duration {
				if value == "over" {
					return -time.Second
				}
				return 0
			},
			Load: func(context.Context, string) (string, error) { loads.Add(1); return "over", nil },
		}
		c := newCache(t, cfg)
		for i := range 3 {
			if v, err := c.Get(t.Context(), "loaded"); v != "over" || err != nil || loads.Load() != int64(i+1) {
				t.Errorf("read %d: %q, %v, %d loads", i, v, err, loads.Load())
			}
		}
		sets := map[string]func(key string) error{
			"Expiry": func(key string) error { return c.Set(t.Context(), key, "over") },
			"option": func(key string) error { return c.Set(t.Context(), key, "v", tiercache.TTL(-1)) },
		}
		for name, set := range sets {
			if err := c.Set(t.Context(), name, "old"); err != nil {
				t.Fatal(err)
			}
			if err := set(name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			was := loads.Load()
			if e, ok := c.Peek(name); ok {
				t.Errorf("%s: memory has %+v", name, e)
			}
			if v, err := c.Get(t.Context(), name); v != "over" || err != nil || loads.Load() != was+1 {
				t.Errorf("%s: %q, %v, %d loads", name, v, err, loads.Load()-was)
			}
		}
		register(t, c, tiercache.Loader[string, string]{Name: "l", Load: func(_ context.Context, emit func(string, string) error) error { return emit("warm", "over") }})
		if _, err := c.Warm(t.Context()); err != nil {
			t.Error(err)
		}
		if e, ok := c.Peek("warm"); ok {
			t.Errorf("a warm run stored %+v", e)
		}
	})
}
