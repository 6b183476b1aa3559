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

// A node does not hear of a Delete, but sees the hold that it has left in Redis. Its own copy is
// not served any more, not even stale while the source fails.
func TestHold_thatIsSeenEndsAStaleCopy(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, _ := clockNode(t, server, tiercache.Config[string, string]{Name: "c", TTL: time.Hour})
	var fails, deaf atomic.Bool
	b, _ := clockNode(t, server, tiercache.Config[string, string]{
		Name: "c", TTL: time.Hour, MemoryTTL: 50 * time.Millisecond, StaleFor: time.Hour,
		Load: func(context.Context, string) (string, error) {
			if fails.Load() {
				return "", errors.New("the source is away")
			}
			return "v", nil
		},
	}, dropping(func(text string) bool { return isNotice(text) && deaf.Load() }))
	get(t, b, "k", "v")
	deaf.Store(true)
	fails.Store(true)
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, 5*time.Second, func() error {
		if e, ok := b.Peek("k"); !ok || !e.Stale {
			return errors.New("its copy is not stale yet")
		}
		return nil
	})
	for range 3 {
		if e, err := b.GetEntry(t.Context(), "k"); err == nil {
			t.Errorf("%+v, which was deleted", e)
		}
	}
}
