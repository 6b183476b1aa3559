package tiercache_test

import (
	"errors"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A cache without a loader has nothing to lead: a lease, and the commit of an absence, could delete
// what another node's Set has just stored.
func TestGet_withoutASourceWritesNothing(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: newRedis(t, server)})
	server.Do("CONFIG", "RESETSTAT") // NewRedis has looked whether scripts run
	for range 4 {                    // misses are expected from the third on
		if _, err := c.Get(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("Get: %v, want ErrNotFound", err)
		}
		if got, err := c.GetMany(t.Context(), []string{"k", "l"}); len(got) > 0 || err != nil {
			t.Errorf("GetMany: %v, %v; want nothing", got, err)
		}
	}
	for _, script := range []string{"cmdstat_evalsha", "cmdstat_eval"} {
		if calls := server.Info("commandstats", script); calls != "" {
			t.Errorf("%s: %s; want no script to have run", script, calls)
		}
	}
}
