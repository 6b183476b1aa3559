package warm_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func TestRun_withRedis(t *testing.T) {
	server := redistest.Start(t)
	r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, r.Close)
	c, err := tiercache.New(tiercache.Config[string, string]{Name: "brands", TTL: time.Hour, Redis: r, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, c.Close)
	if err := c.RegisterLoader(rows("popular_brands", "a", "b")); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, warm.Config{Redis: r}, c)
	defer closing(t, func() error { return e.Stop(context.WithoutCancel(t.Context())) })

	got := task(t, run(t, e, warm.Request{}), "popular_brands")
	if got.Status != warm.TaskOK || got.Role != warm.RoleLeader || got.Result.Redis != 2 || got.Result.Memory != 2 || got.Items != 2 {
		t.Errorf("%+v, want ok as leader with 2 in both tiers", got)
	}
}

func TestRun_withoutItsRedisFillsMemory(t *testing.T) {
	server := redistest.Start(t)
	r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, r.Close)
	c, err := tiercache.New(tiercache.Config[string, string]{Name: "brands", TTL: time.Hour, Redis: r, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, c.Close)
	server.Kill()
	l := rows("popular_brands", "a", "b")
	l.MaxItems = 2 // all of it: what it ends with is not that it was full
	if err := c.RegisterLoader(l); err != nil {
		t.Fatal(err)
	}
	log := new(logBuffer)
	e := newEngine(t, warm.Config{Redis: r, Logger: slog.New(slog.NewTextHandler(log, nil))}, c)
	defer closing(t, func() error { return e.Stop(context.WithoutCancel(t.Context())) })

	got := task(t, run(t, e, warm.Request{}), "popular_brands")
	if text := log.String(); !strings.Contains(text, "warm: task partial") || strings.Contains(text, "task failed") {
		t.Errorf("the log says\n%s\nwant that the task is partial", text)
	}
	if got.Status != warm.TaskPartial || got.Items != 2 || got.Result.Memory != 2 || !errors.Is(got.Err, tiercache.ErrDegraded) {
		t.Errorf("%+v, want partial with 2 items in memory", got)
	}
	if got.Attempts != 1 {
		t.Errorf("%d attempts: the source has answered, and isn't asked again for Redis's sake", got.Attempts)
	}
}

func closing(t *testing.T, shut func() error) {
	t.Helper()
	if err := shut(); err != nil {
		t.Error(err)
	}
}
