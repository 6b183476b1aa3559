package redistest_test

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

func TestSentinel(t *testing.T) {
	t.Parallel()
	g := redistest.Sentinel(t)
	client := g.Client()
	first := g.Master()
	if first != g.Nodes[0] {
		t.Errorf("the master at the start is %s, want %s", first.Addr(), g.Nodes[0].Addr())
	}
	first.Do("SET", "other", "v")
	if n := first.Do("WAIT", 2, 5000); n != int64(2) {
		t.Fatalf("%v replicas took the write, want 2", n)
	}

	g.FreezeMaster()
	second := g.Promoted(first)
	redistest.Eventually(t, 30*time.Second, func() error {
		return client.Set(t.Context(), "k", "w", 0).Err()
	})
	if got := second.Do("GET", "k"); got != "w" {
		t.Errorf("GET k on the new master = %v, want w", got)
	}
	first.Cont()

	if killed := g.KillMaster(); killed != second {
		t.Errorf("KillMaster killed %s, want the master %s", killed.Addr(), second.Addr())
	}
	if third := g.Promoted(second); !third.Running() || third == second {
		t.Errorf("the third master is %s, want another than the killed %s", third.Addr(), second.Addr())
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	g := redistest.Cluster(t)
	client := g.Client()
	if info, err := client.ClusterInfo(t.Context()).Result(); err != nil || len(g.Masters()) != 3 {
		t.Fatalf("CLUSTER INFO = %q, %v, with %d masters; want 3", info, err, len(g.Masters()))
	}
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatalf("Set: %v", err)
	}

	from := g.Owner("k")
	to := g.Masters()[0]
	if to == from {
		to = g.Masters()[1]
	}
	g.MoveSlot("k", to)
	if owner := g.Owner("k"); owner != to {
		t.Errorf("the owner after MoveSlot is %s, want %s", owner.Addr(), to.Addr())
	}
	if got, err := client.Get(t.Context(), "k").Result(); got != "v" || err != nil {
		t.Errorf("Get after MoveSlot = %q, %v; want v", got, err)
	}

	to.Do("SET", "k", "w")
	if n := to.Do("WAIT", 1, 5000); n != int64(1) {
		t.Fatalf("%v replicas of the owner took the write, want 1", n)
	}
	to.Kill()
	owner := g.Owner("k")
	if got := owner.Do("GET", "k"); owner == to || got != "w" {
		t.Errorf("after its death the owner is %s (was %s) with GET k = %v; want w from another", owner.Addr(), to.Addr(), got)
	}
}
