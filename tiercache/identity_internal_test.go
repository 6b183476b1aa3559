package tiercache

import (
	"errors"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// Two processes come from one snapshot of a machine: each must hear of the other's invalidations.
func TestIdentity_twinsPartWays(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	open := func() (*Redis, *Cache[string, string]) {
		r, err := NewRedis(server.Client(), RedisConfig{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() }) //nolint:errcheck // the test is over
		c, err := New(Config[string, string]{Name: "c", TTL: time.Hour, Redis: r})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() }) //nolint:errcheck // the test is over
		return r, c
	}
	ra, a := open()
	rb, b := open()
	rb.channel.Become(ra.channel.Node())
	redistest.Eventually(t, 5*time.Second, func() error {
		if ra.channel.Node() == rb.channel.Node() || !ra.channel.Coherent() || !rb.channel.Coherent() {
			return errors.New("they are still twins, or hear nothing")
		}
		return nil
	})
	if err := a.Set(t.Context(), "k", "old"); err != nil {
		t.Fatal(err)
	}
	if v, err := b.Get(t.Context(), "k"); v != "old" || err != nil {
		t.Fatalf("%q, %v", v, err)
	}
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, time.Second, func() error {
		if v, err := b.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
			return errors.New("the other one still has " + v)
		}
		return nil
	})
}
