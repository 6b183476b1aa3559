package tiercache_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func TestHostile_whateverStandsUnderTheKey(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := new(source)
	cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: s.load, Redis: newRedis(t, server)}
	maker := newCache(t, cfg)
	if err := maker.Set(t.Context(), "other", "another key's"); err != nil {
		t.Fatal(err)
	}
	good, ok := server.Do("GET", "c:other").(string)
	if !ok {
		t.Fatal("no record")
	}
	huge := good[:95] + "7fffffff7fffffff" + good[111:]
	for name, c := range map[string]struct {
		cause string
		plant []any
	}{
		"garbage":      {"magic", []any{"SET", "c:k", "\x00\xffgarbage", "PX", "60000"}},
		"empty":        {"magic", []any{"SET", "c:k", "", "PX", "60000"}},
		"truncated":    {"length", []any{"SET", "c:k", good[:len(good)-3], "PX", "60000"}},
		"another key":  {"key", []any{"SET", "c:k", good, "PX", "60000"}},
		"changed byte": {"checksum", []any{"SET", "c:k", good[:112] + "X" + good[113:], "PX", "60000"}},
		"huge claim":   {"length", []any{"SET", "c:k", huge, "PX", "60000"}},
		"a list":       {"type", []any{"RPUSH", "c:k", "x"}},
		"newer format": {"magic", []any{"SET", "c:k", "WC99" + good[4:], "PX", "60000"}},
		"lease a list": {"", []any{"RPUSH", "{c:k}:lease", "x"}},
		"lease a text": {"", []any{"SET", "{c:k}:lease", "for ever"}},
	} {
		t.Run(name, func(t *testing.T) {
			server.Do("DEL", "c:k", "{c:k}:lease")
			server.Do(c.plant...)
			s := new(source)
			cfg := cfg
			cfg.Redis, cfg.Load = newRedis(t, server), s.load
			read(t, newCache(t, cfg), "v1", tiercache.FromSource)
			cfg.Redis = newRedis(t, server)
			b := newCache(t, cfg)
			read(t, b, "v1", tiercache.FromRedis) // overwritten
			if n := b.Stats().Corrupt; n != 0 {
				t.Errorf("%d corrupt records are left", n)
			}
		})
		if c.cause == "" {
			continue
		}
		server.Do("DEL", "c:k")
		server.Do(c.plant...)
		cfg := cfg
		cfg.Redis = newRedis(t, server)
		counted := newCache(t, cfg)
		if _, err := counted.Get(t.Context(), "k"); err != nil {
			t.Error(err)
		}
		if got := counted.Stats().CorruptBy; got[c.cause] != 1 {
			t.Errorf("%s: counted as %v, want %q", name, got, c.cause)
		}
	}
}

func TestHostile_otherVersionCodecAndLifetime(t *testing.T) {
	server := redistest.Start(t)
	plant := func(change func(*tiercache.Config[string, string])) {
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: newRedis(t, server)}
		change(&cfg)
		if err := newCache(t, cfg).Set(t.Context(), "k", `"planted"`); err != nil {
			t.Fatal(err)
		}
	}
	for cause, by := range map[string]func(){
		"version":  func() { plant(func(c *tiercache.Config[string, string]) { c.Version = 7 }) },
		"codec":    func() { plant(func(c *tiercache.Config[string, string]) { c.Codec = tiercache.JSON[string]() }) },
		"lifetime": func() { plant(func(*tiercache.Config[string, string]) {}); server.Do("PERSIST", "c:k") },
	} {
		t.Run(cause, func(t *testing.T) {
			by()
			s := new(source)
			c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: s.load, Redis: newRedis(t, server)})
			read(t, c, "v1", tiercache.FromSource)
			if got := c.Stats().CorruptBy; got[cause] != 1 {
				t.Errorf("counted as %v, want it once", got)
			}
			if left, ok := server.Do("PTTL", "c:k").(int64); !ok || left <= 0 {
				t.Errorf("PTTL %d: not overwritten", left)
			}
		})
	}
}

func TestHostile_keys(t *testing.T) {
	server := redistest.Start(t)
	keys := []string{"", " ", "\r\nSET x y\r\n", "a\x00b", "{", "}", "{}", "{a}b", `\7b`, "\xff\xfe", "\ufffd", strings.Repeat("m", 1<<20)}
	cfg := tiercache.Config[string, string]{
		Name: "c", TTL: time.Minute, Redis: newRedis(t, server),
		Load: func(_ context.Context, key string) (string, error) { return "of " + key, nil },
	}
	a := newCache(t, cfg)
	for _, key := range keys {
		if v, err := a.Get(t.Context(), key); v != "of "+key || err != nil {
			t.Errorf("Get(%.20q) = %.20q, %v", key, v, err)
		}
	}
	if n, ok := server.Do("DBSIZE").(int64); !ok || n != int64(len(keys))+1 {
		t.Errorf("%d keys in Redis, want %d and the cache's token", n, len(keys))
	}
	cfg.Redis = newRedis(t, server)
	b := newCache(t, cfg)
	got, err := b.GetMany(t.Context(), keys)
	if err != nil || len(got) != len(keys) || b.Stats().RedisHits != uint64(len(keys)) {
		t.Errorf("GetMany: %d values, %v, %d hits", len(got), err, b.Stats().RedisHits)
	}
	if err := b.Delete(t.Context(), keys...); err != nil {
		t.Error(err)
	}
	client := server.Client()
	for _, key := range client.Keys(t.Context(), "*").Val() {
		if left := client.Get(t.Context(), key).Val(); key != "{c}:clear" && left != "WC01H" {
			t.Errorf("after Delete %.30q holds %.30q, want a hold", key, left)
		}
	}
}
