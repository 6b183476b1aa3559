package tiercache

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache/internal/backplane"
)

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
		if err := c.remote.Restarted(t.Context(), r.channel.Next(backplane.KindClear, "c", ""), runID); err != nil {
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
