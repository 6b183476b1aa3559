package tiercache_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func TestBackOff_aFleetAsksASourceThatIsDownOnce(t *testing.T) {
	server := redistest.Start(t)
	var attempts atomic.Int64
	down := errors.New("down")
	var nodes []*tiercache.Cache[string, string]
	for range 3 {
		nodes = append(nodes, node(t, server, tiercache.Config[string, string]{Load: func(context.Context, string) (string, error) {
			attempts.Add(1)
			return "", down
		}}))
	}
	if _, err := nodes[0].Get(t.Context(), "k"); !errors.Is(err, down) {
		t.Fatalf("the node that loads gets %v, want the source's error", err)
	}
	for i, c := range nodes[1:] {
		if _, err := c.Get(t.Context(), "k"); err == nil || errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("node %d gets %v, want an error", i+1, err)
		}
	}
	if n := attempts.Load(); n != 1 {
		t.Errorf("%d attempts, want 1 for the fleet", n)
	}
	if _, err := nodes[0].Get(t.Context(), "k"); !errors.Is(err, down) {
		t.Errorf("the next read of the node that failed gets %v, want the source's error anew", err)
	}
	if n := attempts.Load(); n != 2 {
		t.Errorf("%d attempts, want 2: the node itself may try again when it has nothing to serve", n)
	}
	for _, c := range nodes {
		if v, err := c.GetMany(t.Context(), []string{"k"}); err == nil {
			t.Errorf("GetMany = %v without an error", v)
		}
	}
}

func TestBackOff_staleIsServedWithoutAskingAgain(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		var attempts int
		var fails bool
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, StaleFor: time.Hour, Redis: r,
			Load: func(context.Context, string) (string, error) {
				if attempts++; fails {
					return "", errors.New("down")
				}
				return "v", nil
			},
		})
		get(t, c, "k", "v")
		waitFor(2 * time.Minute)
		fails = true
		for range 10 {
			get(t, c, "k", "v")
		}
		if attempts != 2 {
			t.Errorf("%d attempts, want one more, whatever the number of reads", attempts)
		}
		waitFor(time.Second)
		get(t, c, "k", "v")
		if attempts != 3 {
			t.Errorf("%d attempts, want another after the back-off", attempts)
		}
	})
}
