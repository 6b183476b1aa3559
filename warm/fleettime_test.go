package warm_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func startAll(t *testing.T, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		start(t, n.engine)
	}
}

// lastRole is how the node's last run of a task went.
func (n *node) lastRole(t *testing.T, name string) (warm.Role, warm.TaskStatus) {
	t.Helper()
	h := n.engine.History()
	if len(h) == 0 {
		return "", ""
	}
	tr := task(t, h[len(h)-1], name)
	return tr.Role, tr.Status
}

// after is the loader with a source that takes that long.
func after(d time.Duration, l loader) loader {
	load := l.Load
	l.Load = func(ctx context.Context, emit func(string, string) error) error {
		wait(ctx, d)
		return load(ctx, emit)
	}
	return l
}

// Of keys there are two: what the in-memory Redis is told in one go must fit into a pipe's buffer,
// some scripts of it too.
func TestFleet_theLeaderKeepsItsLockForAsLongAsItWorks(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		server := redistest.Memory(t)
		var passes atomic.Int64
		cfg := fleetConfig{
			loader: after(12*time.Second, counted("popular", 2, &passes)),
			engine: warm.Config{LockLife: 2 * time.Second},
		}
		first, second := newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg)
		start(t, first.engine)
		wait(t.Context(), time.Second)
		start(t, second.engine)
		wait(t.Context(), 20*time.Second)
		if role, status := second.lastRole(t, "popular"); passes.Load() != 1 || role != warm.RoleFollower || status != warm.TaskOK {
			t.Errorf("%d passes, the second node is %s, %s; want one pass and a follower that is ok", passes.Load(), role, status)
		}
		holds(t, second, "second", 2)
	})
}

func TestFleet_aDeadLeaderIsFollowedAfterItsLocksLife(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		server := redistest.Memory(t)
		client := server.Client()
		var passes atomic.Int64
		cfg := fleetConfig{loader: counted("popular", 2, &passes)}
		var nodes []*node
		for range 5 {
			nodes = append(nodes, newNode(t, server.Client(), cfg))
		}
		if err := client.Set(t.Context(), "{warm:brands:popular:0/string}:lock", "the dead one", 10*time.Second).Err(); err != nil {
			t.Fatal(err)
		}
		startAll(t, nodes)
		wait(t.Context(), 9900*time.Millisecond)
		if passes.Load() != 0 {
			t.Error("its lock was not respected")
		}
		wait(t.Context(), 2*time.Second)
		if passes.Load() != 1 {
			t.Errorf("%d passes after the lock's life, want 1", passes.Load())
		}
		for _, n := range nodes {
			holds(t, n, "a node", 2)
		}
	})
}

func TestFleet_aFailedRunWritesNoLedgerAndBacksOffForAll(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		server := redistest.Memory(t)
		var passes atomic.Int64
		broken := atomic.Bool{}
		broken.Store(true)
		l := counted("popular", 2, &passes)
		load := l.Load
		l.Load = func(ctx context.Context, emit func(string, string) error) error {
			if broken.Load() {
				passes.Add(1)
				return permanent{errors.New("down")}
			}
			return load(ctx, emit)
		}
		cfg := fleetConfig{loader: l}
		var nodes []*node
		for range 10 {
			nodes = append(nodes, newNode(t, server.Client(), cfg))
		}
		startAll(t, nodes)
		synctest.Wait()
		wait(t.Context(), 900*time.Millisecond)
		if passes.Load() != 1 {
			t.Errorf("%d passes within the first back-off, want 1 for ten nodes", passes.Load())
		}
		if n, err := server.Client().Exists(t.Context(), "{warm:brands:popular:0/string}").Result(); n != 0 || err != nil {
			t.Errorf("a ledger stands after a failed run (%v)", err)
		}
		wait(t.Context(), 6*time.Second) // back-offs of 1, 2, 4 s
		if got := passes.Load(); got < 2 || got > 4 {
			t.Errorf("%d passes in the first 7 s, want one after each back-off", got)
		}
		broken.Store(false)
		before := passes.Load()
		wait(t.Context(), 20*time.Second)
		ok := 0
		for _, n := range nodes {
			if _, status := n.lastRole(t, "popular"); status == warm.TaskOK {
				ok++
				holds(t, n, "a node", 2)
			}
		}
		if passes.Load() != before+1 || ok != 10-int(before) {
			t.Errorf("%d passes once the source is back, %d nodes ok; want one pass, and all but those %d that failed", passes.Load()-before, ok, before)
		}
	})
}

func TestFleet_refreshBeforeExpiryAsksTheSourceOnceForAll(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		server := redistest.Memory(t)
		var passes atomic.Int64
		l := counted("popular", 2, &passes)
		l.RefreshAt, l.TTL = 0.8, 30*time.Second
		cfg := fleetConfig{loader: l}
		var nodes []*node
		for range 4 {
			nodes = append(nodes, newNode(t, server.Client(), cfg))
		}
		startAll(t, nodes)
		begun := time.Now()
		for time.Since(begun) < 3*time.Minute {
			wait(t.Context(), 3*time.Second)
			for i, n := range nodes {
				for _, key := range keysOf(2) {
					if e, err := n.cache.GetEntry(t.Context(), key); err != nil || e.Source == tiercache.FromSource || e.Age > 27*time.Second {
						t.Fatalf("after %v node %d reads %s: %v from %v, %v old; want it from memory, refreshed in time", time.Since(begun), i, key, err, e.Source, e.Age)
					}
				}
			}
		}
		// A pass every 22.8 to 24 seconds: the nodes come up to a twentieth earlier, and the first
		// of them leads.
		if got := passes.Load(); got < 8 || got > 9 {
			t.Errorf("%d passes in three minutes for 4 nodes, want 8 or 9", got)
		}
	})
}

func TestFleet_refreshStopsOnceNoNodeReads(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		server := redistest.Memory(t)
		var passes atomic.Int64
		l := counted("popular", 2, &passes)
		l.RefreshAt, l.TTL = 0.8, 20*time.Second
		cfg := fleetConfig{loader: l}
		reader, other := newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg)
		start(t, reader.engine)
		start(t, other.engine)
		for range 60 { // one node reads, whichever leads
			wait(t.Context(), 2*time.Second)
			if _, err := reader.cache.Get(t.Context(), keysOf(1)[0]); err != nil {
				t.Fatal(err)
			}
		}
		if got := passes.Load(); got < 7 {
			t.Errorf("%d passes in two minutes though one node reads, want 7 or more", got)
		}
		wait(t.Context(), 80*time.Second)
		before := passes.Load()
		wait(t.Context(), 4*time.Minute)
		if passes.Load() != before {
			t.Errorf("%d passes though nobody reads", passes.Load()-before)
		}
		if s := reader.engine.Status().Warmup.Tasks[0].Refresh; s == nil || !s.Idle {
			t.Errorf("refresh %+v, want the status to say that it is idle", s)
		}
	})
}

func TestFleet_whatPassWillDo(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		server := redistest.Memory(t)
		var passes atomic.Int64
		cfg := fleetConfig{
			loader: counted("popular", 2, &passes),
			engine: warm.Config{Schedule: "* * * * *", Interval: -1, Location: time.UTC, StartupAge: 20 * time.Second},
		}
		nodes := []*node{newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg)}
		want := func(n int64, why string) {
			t.Helper()
			if got := passes.Load(); got != n {
				t.Errorf("%d passes, want %d: %s", got, n, why)
			}
		}
		startAll(t, nodes)
		wait(t.Context(), 30*time.Second)
		want(1, "three nodes start")
		late := newNode(t, server.Client(), cfg)
		start(t, late.engine)
		wait(t.Context(), 10*time.Second)
		want(2, "a node starts when the last pass is older than StartupAge")
		wait(t.Context(), 30*time.Second)
		want(3, "the cron job has fired on four nodes, half a minute after that pass")
		wait(t.Context(), time.Minute)
		want(4, "and again")
		if r := run(t, late.engine, warm.Request{}); task(t, r, "popular").Role != warm.RoleLeader {
			t.Errorf("%+v, want that who asks by hand leads", r)
		}
		want(5, "somebody asks by hand")
		other := newNode(t, server.Client(), fleetConfig{loader: cfg.loader, cache: tiercache.Config[string, string]{Version: 2}})
		start(t, other.engine)
		wait(t.Context(), time.Second)
		want(6, "a node of another version, which cannot read what is there")
	})
}

func TestFleet_functionsAreDoneOnceUnlessEveryNodeIsToDoThem(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		server := redistest.Memory(t)
		var once, everywhere atomic.Int64
		var nodes []*node
		for range 3 {
			n := newNode(t, server.Client(), fleetConfig{})
			for name, calls := range map[string]*atomic.Int64{"once": &once, "everywhere": &everywhere} {
				err := n.engine.AddFunc(name, func(context.Context) (int, error) {
					calls.Add(1)
					return 1, nil
				}, warm.TaskOptions{Required: true, EveryNode: name == "everywhere"})
				if err != nil {
					t.Fatal(err)
				}
			}
			nodes = append(nodes, n)
		}
		startAll(t, nodes)
		for _, n := range nodes {
			<-n.engine.Ready()
			if n.engine.Status().Warmup.Ready.TimedOut {
				t.Error("a node is not ready though its tasks are done")
			}
		}
		if once.Load() != 1 || everywhere.Load() != 3 {
			t.Errorf("called %d and %d times, want 1 and 3", once.Load(), everywhere.Load())
		}
	})
}
