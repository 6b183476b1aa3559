package tiercache_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// around stands between a client and its server: send sends commands, all of them or some, once or
// twice, sooner or later.
type around func(ctx context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error

// before is an around that sends all, unless do fails.
func before(do func(ctx context.Context, cmds []redis.Cmder) error) around {
	return func(ctx context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
		if err := do(ctx, cmds); err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		return send(cmds...)
	}
}

func (a around) DialHook(next redis.DialHook) redis.DialHook { return next }

func (a around) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return a(ctx, []redis.Cmder{cmd}, func(cmds ...redis.Cmder) error {
			err := next(ctx, cmds[0])
			cmds[0].SetErr(err) // as in a pipeline; go-redis itself does it behind the hooks
			return err
		})
	}
}

func (a around) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return a(ctx, cmds, func(cmds ...redis.Cmder) error { return next(ctx, cmds) })
	}
}

// hookedNode is nodeOn with something around whatever is sent.
func hookedNode(t *testing.T, m *redistest.InMemory, a around) *tiercache.Redis {
	t.Helper()
	return hooked(t, m.Client(punctual), a)
}

// hookedClient is hookedNode on a real server.
func hookedClient(t *testing.T, server *redistest.Server, a around) *tiercache.Redis {
	t.Helper()
	return hooked(t, server.Client(punctual), a)
}

// punctual makes a client be used as it is: else a cache goes by a clone, which has no hooks.
func punctual(o *redis.Options) { o.ContextTimeoutEnabled = true }

func hooked(t *testing.T, client *redis.Client, a around) *tiercache.Redis {
	t.Helper()
	client.AddHook(a)
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	return r
}

// saying reports whether one of the commands has an argument that begins with text: "W1 K" is the
// script of a Set or Delete, "WC01V" one that stores a value.
func saying(cmds []redis.Cmder, text string) bool {
	return slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool {
		return slices.ContainsFunc(cmd.Args(), func(arg any) bool {
			if b, ok := arg.([]byte); ok {
				arg = string(b)
			}
			return strings.HasPrefix(fmt.Sprint(arg), text)
		})
	})
}

// bubble runs a test in virtual time on an in-memory Redis.
func bubble(t *testing.T, test func(t *testing.T, m *redistest.InMemory)) {
	t.Helper()
	bubbletest.Test(t, func(t *testing.T) { test(t, redistest.Memory(t)) })
}
