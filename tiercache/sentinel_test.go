package tiercache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// failoverNode is a process that follows the master of a Sentinel group.
func failoverNode(t *testing.T, group *redistest.SentinelGroup, cfg tiercache.Config[string, string]) (*tiercache.Cache[string, string], *tiercache.Redis) {
	t.Helper()
	r, err := tiercache.NewRedis(group.Client(), tiercache.RedisConfig{Timeout: 250 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	cfg.Name, cfg.Redis, cfg.TTL = "things", r, time.Hour
	return newCache(t, cfg), r
}

// TestSentinel: a master is lost. Reads go on; what was invalidated meanwhile is invalidated on the
// new one; and the nodes hear of each other again soon after.
func TestSentinel(t *testing.T) {
	t.Parallel()
	for name, thaw := range map[string]bool{"the master is killed": false, "the master is frozen and thawed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := redistest.Sentinel(t)
			src := newTruth("one")
			a, ra := failoverNode(t, group, tiercache.Config[string, string]{Load: src.load})
			b, rb := failoverNode(t, group, tiercache.Config[string, string]{Load: src.load})
			coherent(t, ra, rb)
			for _, key := range []string{"k", "before", "meanwhile"} {
				get(t, a, key, "one")
				get(t, b, key, "one")
			}
			src.set("two")
			if err := a.Delete(t.Context(), "before"); err != nil {
				t.Fatal(err)
			}
			var old *redistest.Server
			if thaw {
				old = group.FreezeMaster()
			} else {
				old = group.KillMaster()
			}
			late := redistest.Late(t)
			lost := time.Now()
			if err := a.Delete(t.Context(), "meanwhile"); err == nil {
				t.Error("Delete with the master gone: no error, want ErrDegraded")
			}
			get(t, a, "meanwhile", "two")
			group.Promoted(old)
			promoted := time.Now()
			redistest.Eventually(t, 10*time.Second, func() error {
				for _, r := range []*tiercache.Redis{ra, rb} {
					if h := r.Health(); !h.Coherent || h.Breaker != tiercache.BreakerClosed {
						return fmt.Errorf("health %+v", h)
					}
				}
				return nil
			})
			took, lateBy := time.Since(promoted), late.Since(promoted)
			get(t, b, "before", "two")
			if took > 2*time.Second+slack+lateBy {
				t.Errorf("notices flowed again %v after the promotion; timers were late by %v", took, lateBy)
			}
			soon(t, b, "meanwhile", "two") // once it has been said again
			said := time.Since(promoted)
			if thaw {
				old.Cont() // it takes itself for the master, until it is told
			}
			for i := range 20 {
				want := fmt.Sprint("three", i)
				src.set(want)
				for n := 0; ; n++ {
					if err := a.Delete(t.Context(), "k"); err == nil {
						break
					} else if n > 200 {
						t.Fatal(err)
					}
					<-time.After(20 * time.Millisecond)
				}
				get(t, a, "k", want)
				if hop := soon(t, b, "k", want); hop > 1300*time.Millisecond {
					t.Errorf("the other node heard of an invalidation after %v", hop)
				}
			}
			redistest.Eventually(t, 10*time.Second, func() error {
				if h := ra.Health(); h.Pending > 0 || !h.Coherent {
					return fmt.Errorf("health %+v", h)
				}
				return nil
			})
			t.Logf("promoted %v after the loss; coherent %v, replayed %v after that", promoted.Sub(lost), took, said)
		})
	}
}

// coherent waits until the nodes hear.
func coherent(t *testing.T, all ...*tiercache.Redis) {
	t.Helper()
	redistest.Eventually(t, 5*time.Second, func() error {
		for _, r := range all {
			if h := r.Health(); !h.Coherent {
				return fmt.Errorf("health %+v", h)
			}
		}
		return nil
	})
}

func TestSentinel_replicaOnly(t *testing.T) {
	t.Parallel()
	group := redistest.Sentinel(t)
	refused(t, group.Client(func(o *redis.FailoverOptions) { o.ReplicaOnly = true }), "ReplicaOnly")
}
