package tiercache

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// BenchmarkSteps takes reads apart: the plain commands, those of the protocol as go-redis sends
// them, as the remote tier does, and the whole. bench/overhead compares the first and the last in
// pairs; here machines drift between one line and the next, so that only allocations and large
// differences mean something.
func BenchmarkSteps(b *testing.B) {
	client := redistest.Start(b).Client(func(o *redis.Options) { o.ContextTimeoutEnabled = true })
	r, err := NewRedis(client, RedisConfig{Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	value, ctx := strings.Repeat("x", 300), b.Context()
	load := func(context.Context, string) (string, error) { return value, nil }
	open := func(cfg Config[string, string]) *Cache[string, string] {
		c, err := New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() }) // before its Redis
		return c
	}
	b.Cleanup(func() { _ = r.Close() })
	hits := open(Config[string, string]{Name: "hits", TTL: time.Hour, MemoryTTL: time.Nanosecond, Redis: r, Load: load})
	misses := open(Config[string, string]{Name: "misses", TTL: time.Hour, Redis: r, Load: load})
	alone := open(Config[string, string]{Name: "alone", TTL: time.Nanosecond, Load: load})
	keys, names := make([]string, 100), make([]string, 100)
	for i := range keys {
		keys[i] = "key-" + strconv.Itoa(i)
		names[i] = hits.remote.Keys.Value(keys[i])
		if err := hits.Set(ctx, keys[i], value); err != nil {
			b.Fatal(err)
		}
	}
	look := func(names ...string) error {
		pipe := client.Pipeline()
		for _, name := range names {
			pipe.PTTL(ctx, name)
			pipe.Get(ctx, name)
		}
		_, err := pipe.Exec(ctx)
		return err
	}
	next, token := 0, record.NewToken()
	fresh := func() string {
		next++
		return "new-" + strconv.Itoa(next)
	}
	for _, step := range []struct {
		name string
		run  func(i int) error
	}{
		{"hit/GET", func(i int) error { return client.Get(ctx, names[i%100]).Err() }},
		{"hit/PTTL and GET", func(i int) error { return look(names[i%100]) }},
		{"hit/read", func(i int) error { _, err := hits.remote.Read(ctx, keys[i%100:i%100+1]); return err }},
		{"hit/Get", func(i int) error { _, err := hits.Get(ctx, keys[i%100]); return err }},
		{"many/MGET", func(int) error { return client.MGet(ctx, names...).Err() }},
		{"many/PTTLs and GETs", func(int) error { return look(names...) }},
		{"many/read", func(int) error { _, err := hits.remote.Read(ctx, keys); return err }},
		{"many/GetMany", func(int) error { _, err := hits.GetMany(ctx, keys); return err }},
		{"miss/GET, SET", func(int) error {
			key := "plain:" + fresh()
			if err := client.Get(ctx, key).Err(); err != redis.Nil { //nolint:errorlint // go-redis returns it as it is
				return err
			}
			return client.Set(ctx, key, value, time.Hour).Err()
		}},
		{"miss/claim, commit", func(int) error {
			text := []string{fresh()}
			if _, err := misses.remote.Claim(ctx, text, token); err != nil {
				return err
			}
			it := misses.newItem(text[0], value, misses.memory.Clock.Now(), 0)
			_, err := misses.remote.Commit(ctx, token, []redistier.Write{misses.encode(text[0], it, "0123456789abcdef \n")})
			return err
		}},
		{"miss/Get", func(int) error { _, err := misses.Get(ctx, fresh()); return err }},
		{"memory miss/goroutine and channel", func(int) error {
			done := make(chan error, 1)
			go func() { done <- nil }()
			select {
			case err := <-done:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}},
		{"memory miss/Get, no fill", func(int) error { _, err := alone.Get(ctx, keys[0]); return err }},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if err := step.run(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
