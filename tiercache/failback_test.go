package tiercache_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A shard of a Cluster goes to its replica and back to its former master, which lacks an
// invalidation: its address and its run_id are known from before.
func TestCluster_failsBackToALaggingMaster(t *testing.T) {
	t.Parallel()
	group := redistest.Cluster(t)
	src := newTruth("old")
	cfg := tiercache.Config[string, string]{Name: "things", Load: src.load}
	a, ra := clusterNode(t, group, cfg)
	b, rb := clusterNode(t, group, cfg)
	const key = "things:k"
	former := group.Owner(key)
	var replica *redistest.Server
	redistest.Eventually(t, 20*time.Second, func() error {
		for _, s := range group.Nodes {
			if s != former && s.Info("replication", "role") == "slave" && s.Info("replication", "master_port") == portOf(t, former.Addr()) {
				replica = s
				return nil
			}
		}
		return errors.New("the master has no replica")
	})
	asked := time.Time{}
	redistest.Eventually(t, 60*time.Second, func() error {
		if time.Since(asked) > 6*time.Second && replica.Info("replication", "role") == "slave" { // a busy shard may let it pass
			asked = time.Now()
			replica.Do("CLUSTER", "FAILOVER")
		}
		if group.Owner(key) != replica || former.Info("replication", "master_link_status") != "up" {
			return errors.New("the shard has not gone to its replica")
		}
		return nil
	})
	coherent(t, ra, rb)
	redistest.Eventually(t, 10*time.Second, func() error { // and back in step, with a value
		_, err := a.Refresh(t.Context(), "k")
		if err == nil && replica.Do("EXISTS", key) != int64(1) {
			err = errors.New("the value is not in Redis")
		}
		return err
	})
	get(t, b, "k", "old")
	redistest.Eventually(t, 10*time.Second, func() error {
		if m, r := replica.Info("replication", "master_repl_offset"), former.Info("replication", "slave_repl_offset"); m != r {
			return fmt.Errorf("offset %s of %s", r, m)
		}
		return nil
	})
	former.Do("CONFIG", "SET", "masterauth", "a password that its master does not know")
	replica.Do("CLIENT", "KILL", "TYPE", "replica")
	redistest.Eventually(t, 10*time.Second, func() error {
		if n := replica.Info("replication", "connected_slaves"); n != "0" {
			return fmt.Errorf("%s replicas", n)
		}
		return nil
	})
	src.set("new")
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), time.Second) // its master has no replica, and so nothing waits for one
	replica.Kill()
	redistest.Eventually(t, 30*time.Second, func() error {
		if role := former.Info("replication", "role"); role != "master" {
			return fmt.Errorf("the former master is a %s", role)
		}
		return nil
	})
	if kind := former.Do("GETRANGE", key, 4, 4); kind != "V" {
		t.Fatalf("the former master has not lagged: %v", kind)
	}
	redistest.Eventually(t, 10*time.Second, func() error {
		for _, r := range []*tiercache.Redis{ra, rb} {
			if h := r.Health(); h.Pending > 0 || !h.Coherent || h.Breaker != tiercache.BreakerClosed {
				return fmt.Errorf("health %+v", h)
			}
		}
		if kind := former.Do("GETRANGE", key, 4, 4); kind == "V" {
			return errors.New("the old value stands there again")
		}
		return nil
	})
	get(t, a, "k", "new")
	get(t, b, "k", "new")
}
