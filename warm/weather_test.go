package warm_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// What happens to Redis in the middle of a warm run of a fleet of two. In the end the warmed set is
// readable everywhere, also for a node that starts then; until then no node says that all is well.
func TestFleet_warmRunsSurviveBadWeather(t *testing.T) {
	t.Parallel()
	const frozen = 2 * time.Second
	for name, strike := range map[string]func(t *testing.T, server *redistest.Server){
		"its subscriptions are cut": func(_ *testing.T, server *redistest.Server) { server.Do("CLIENT", "KILL", "TYPE", "pubsub") },
		"it is started anew":        func(_ *testing.T, server *redistest.Server) { server.Restart() },
		"it is frozen": func(_ *testing.T, server *redistest.Server) {
			server.Stop()
			time.AfterFunc(frozen, server.Cont)
		},
	} {
		for _, percent := range []int{25, 50, 75} {
			t.Run(fmt.Sprint(name, " at ", percent, " %"), func(t *testing.T) {
				t.Parallel()
				survives(t, percent, strike, name == "its subscriptions are cut")
			})
		}
	}
}

const weatherKeys = 6000

func survives(t *testing.T, percent int, strike func(*testing.T, *redistest.Server), harmless bool) {
	t.Helper()
	server := redistest.Start(t)
	var passes atomic.Int64
	l := loader{Name: "popular", Load: func(ctx context.Context, emit func(string, string) error) error {
		first := passes.Add(1) == 1
		for i, key := range keysOf(weatherKeys) {
			if first && i%100 == 0 {
				wait(ctx, 30*time.Millisecond) // the run takes two seconds
			}
			if first && i == weatherKeys*percent/100 {
				strike(t, server)
			}
			if err := emit(key, "value of "+key); err != nil {
				return err
			}
		}
		return nil
	}}
	cfg := fleetConfig{loader: l, redis: tiercache.RedisConfig{Timeout: 500 * time.Millisecond}}
	nodes := []*node{newNode(t, server.Client(), cfg), newNode(t, server.Client(), cfg)}
	startAll(t, nodes)
	redistest.Eventually(t, 60*time.Second, func() error {
		for i, n := range nodes {
			s := n.engine.Status().Warmup
			last := s.Tasks[0].LastRun
			if s.Running || last == nil || last.Status != warm.TaskOK {
				return fmt.Errorf("node %d: running: %v, last: %+v", i, s.Running, last)
			}
		}
		if server.Do("HGET", "{warm:brands:popular:0/string}", "pass") == nil {
			return errors.New("the ledger knows no complete pass")
		}
		if n := standingRecords(server); n != weatherKeys {
			taken := nodes[0].cache.Stats().TakenBack + nodes[1].cache.Stats().TakenBack
			return fmt.Errorf("%d of %d records are in Redis after %d passes; %d were taken back; %+v %+v", n, weatherKeys, passes.Load(), taken,
				nodes[0].engine.Status().Warmup.Tasks[0].LastRun, nodes[1].engine.Status().Warmup.Tasks[0].LastRun)
		}
		return nil
	})
	if harmless {
		for i, n := range nodes {
			if taken := n.cache.Stats().TakenBack; taken != 0 {
				t.Errorf("node %d has taken back %d", i, taken)
			}
		}
		if n := passes.Load(); n != 1 {
			t.Errorf("%d passes, want 1", n)
		}
	}
	before := passes.Load()
	third := newNode(t, server.Client(), cfg)
	if tr := task(t, warmed(t, third), "popular"); tr.Status != warm.TaskOK || tr.Role != warm.RoleFollower || tr.Items != weatherKeys {
		t.Errorf("a node that starts then: %+v, want it to follow with all", tr)
	}
	if passes.Load() != before {
		t.Error("a node that starts then asks the source")
	}
	holds(t, third, "a node that starts then", weatherKeys)
}

// standingRecords counts the values of the test's keys in Redis; holds are none.
func standingRecords(server *redistest.Server) (n int) {
	keys := []any{"MGET"}
	for _, key := range keysOf(weatherKeys) {
		keys = append(keys, "brands:"+key)
	}
	values, _ := server.Do(keys...).([]any)
	for _, v := range values {
		if text, ok := v.(string); ok && len(text) > 4 && text[4] == 'V' {
			n++
		}
	}
	return n
}
