package warm_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/warm"
)

// fill makes a server refuse whatever needs room.
func fill(server *redistest.Server) {
	server.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	server.Do("CONFIG", "SET", "maxmemory", "1")
}

// A full Redis is none that is away: each node warms its own memory, once, and says so.
func TestFleet_onAFullRedisEachNodeWarmsItsMemoryOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var passes atomic.Int64
	log := new(logBuffer)
	cfg := fleetConfig{
		loader: counted("popular", 300, &passes), // optional
		engine: warm.Config{Logger: slog.New(slog.NewTextHandler(log, nil)), ReadyTimeout: time.Second},
	}
	nodes := []*node{newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg)}
	fill(server)
	startAll(t, nodes)
	for i, n := range nodes {
		tr := task(t, firstRun(t, n), "popular")
		if tr.Role != warm.RoleLocal || tr.Status != warm.TaskPartial || tr.Result.Memory != 300 || !strings.Contains(tr.Warning, "full") {
			t.Errorf("node %d: %+v, want it in memory, alone, and said", i, tr)
		}
	}
	// It would run again within a second or two.
	late := redistest.Late(t)
	began := time.Now()
	redistest.Eventually(t, 30*time.Second, func() error {
		if d := time.Since(began) - late.Since(began); d < 4*time.Second {
			return fmt.Errorf("%v have passed", d)
		}
		return nil
	})
	for i, n := range nodes {
		if h := n.engine.History(); len(h) != 1 {
			t.Errorf("node %d: %d runs, want 1", i, len(h))
		}
	}
	if n := passes.Load(); n != 2 {
		t.Errorf("%d passes, want one a node", n)
	}
	if lines := strings.Count(log.String(), "\n"); lines > 30 {
		t.Errorf("%d lines of log:\n%s", lines, log)
	}
	if strings.Contains(log.String(), "task failed") {
		t.Errorf("memory was filled, and the log says failed:\n%s", log)
	}
}

// A pass that the server's clock has put into the future is not new.
func TestFleet_aClockSetBackMakesNoPassNew(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var passes atomic.Int64
	cfg := fleetConfig{loader: counted("popular", 10, &passes)}
	warmed(t, newNode(t, server.Client(), cfg))
	const ledger = "{warm:brands:popular:0/string}"
	server.Do("HSET", ledger, "began", strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10))
	if tr := task(t, warmed(t, newNode(t, server.Client(), cfg)), "popular"); tr.Role != warm.RoleLeader || passes.Load() != 2 {
		t.Errorf("%+v after %d passes, want it to lead", tr, passes.Load())
	}
	if tr := task(t, warmed(t, newNode(t, server.Client(), cfg)), "popular"); tr.Role != warm.RoleFollower || passes.Load() != 2 {
		t.Errorf("%+v after %d passes, want it to follow", tr, passes.Load())
	}
}

// The ledger says complete, and next to nothing is there.
func TestFleet_aFollowerThatFindsNothingRunsTheTask(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var passes atomic.Int64
	cfg := fleetConfig{loader: counted("popular", 300, &passes)}
	warmed(t, newNode(t, server.Client(), cfg))
	for i, key := range keysOf(300) {
		if i%10 != 0 {
			server.Do("DEL", "brands:"+key)
		}
	}
	n := newNode(t, server.Client(), cfg)
	if tr := task(t, warmed(t, n), "popular"); tr.Status != warm.TaskOK || tr.Role != warm.RoleLeader || tr.Items != 300 {
		t.Errorf("%+v, want it to lead with all", tr)
	}
	holds(t, n, "who found nothing", 300)
	if passes.Load() != 2 {
		t.Errorf("%d passes, want 2", passes.Load())
	}
}

// The fire times of @every are each node's own. They are one interval for all.
func TestFleet_everyIsOnceAnIntervalForAll(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var passes atomic.Int64
	cfg := fleetConfig{loader: counted("popular", 10, &passes), engine: warm.Config{Schedule: "@every 3s", Interval: -1, SkipStartup: true}}
	began := time.Now()
	var nodes []*node
	for range 4 {
		n := newNode(t, server.Client(), cfg)
		start(t, n.engine)
		nodes = append(nodes, n)
		wait(t.Context(), 700*time.Millisecond) // each has a phase of its own
	}
	for _, n := range nodes {
		redistest.Eventually(t, 60*time.Second, func() error {
			if got := len(n.engine.History()); got < 4 {
				return fmt.Errorf("%d runs", got)
			}
			return nil
		})
	}
	intervals := int64(time.Since(began)/(3*time.Second)) + 1
	if got := passes.Load(); got > intervals || got < 2 {
		t.Errorf("%d passes in %d intervals", got, intervals)
	}
}

func TestFleet_rebootIsOneMoreStart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var passes atomic.Int64
	cfg := fleetConfig{loader: counted("popular", 10, &passes), engine: warm.Config{Schedule: "@reboot", Interval: -1, SkipStartup: true}}
	for range 3 {
		warmed(t, newNode(t, server.Client(), cfg))
	}
	if got := passes.Load(); got != 1 {
		t.Errorf("%d passes, want 1", got)
	}
}
