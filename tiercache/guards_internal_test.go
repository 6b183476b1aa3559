package tiercache

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache/internal/clock"
)

// Trust runs from a heartbeat's sending: one that lay in a buffer for longer than that proves
// nothing.
func TestTrust_runsFromTheSendingOfAHeartbeat(t *testing.T) {
	t.Parallel()
	ch := newChannel(&Redis{cfg: RedisConfig{Logger: slog.New(slog.DiscardHandler)}})
	defer ch.cancel()
	ch.clock = clock.Since(time.Now().Add(-time.Hour))
	ch.expect(map[string]redis.UniversalClient{"a": new(redis.Client), "b": new(redis.Client)})
	now := ch.clock.Now()
	for _, master := range []string{"a", "b"} {
		ch.beatAnswered(master, now)
	}
	ch.beaten("a", now)
	if ch.coherent() {
		t.Error("coherent before the other master's heartbeat")
	}
	ch.beaten("b", now-int64(trustFor)-1)
	if ch.coherent() {
		t.Error("coherent by a heartbeat that was sent before trust's time")
	}
	ch.beaten("b", now-int64(trustFor)/2)
	if !ch.coherent() {
		t.Error("not coherent although both heartbeats were sent lately")
	}
	ch.expect(map[string]redis.UniversalClient{"a": new(redis.Client), "b": new(redis.Client), "c": new(redis.Client)})
	if ch.beaten("c", now); ch.coherent() {
		t.Error("coherent by a heartbeat that a server passed on which has not said that it is a master")
	}
}

// A new epoch is not a flush: what must be validated, and can't be, may still be served stale.
func TestEpoch_isNotAFlush(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	c, err := New(Config[string, string]{Name: "c", TTL: time.Hour, StaleFor: time.Hour, Load: func(context.Context, string) (string, error) {
		if down.Load() {
			return "", errors.New("down")
		}
		return "v", nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is over
	if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
		t.Fatalf("%q, %v", v, err)
	}
	down.Store(true)
	c.onEpoch()
	if e, err := c.GetEntry(t.Context(), "k"); e.Value != "v" || !e.Stale || err != nil {
		t.Errorf("after a new epoch: %+v, %v; want it stale", e, err)
	}
	c.endAll()
	if e, err := c.GetEntry(t.Context(), "k"); err == nil {
		t.Errorf("after Clear: %+v", e)
	}
}

// Each node tells what it thinks of a restart; only the first one ends the cache.
func TestRestart_endsTheCacheOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r, err := NewRedis(server.Client(), RedisConfig{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // the test is over
	c, err := New(Config[string, string]{Name: "c", TTL: time.Hour, Redis: r})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is over
	token := func() any { return server.Do("GET", "{c}:clear") }
	restarted := func(runID string) {
		t.Helper()
		if err := c.remote.restarted(t.Context(), r.channel.next(noticeClear, "c", ""), runID); err != nil {
			t.Fatal(err)
		}
	}
	set := func() {
		t.Helper()
		if err := c.Set(t.Context(), "k", "v"); err != nil {
			t.Fatal(err)
		}
	}
	set()
	if token() == nil {
		t.Fatal("the cache has no token")
	}
	restarted("one")
	if got := token(); got != nil {
		t.Errorf("after a restart the token is %v, want none", got)
	}
	c.endAll()
	set()
	before := token()
	restarted("one")
	if got := token(); got != before || before == nil {
		t.Errorf("the token was %v, and is %v after the same restart", before, got)
	}
	restarted("two")
	if got := token(); got != nil {
		t.Errorf("after another restart the token is %v, want none", got)
	}
}
