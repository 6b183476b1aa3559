package tiercache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// access is an operation of a history.
type access struct {
	kind    accessKind
	version int
}

type accessKind string

const (
	reads    accessKind = "read"
	commits  accessKind = "commit" // of a version to the source
	declares accessKind = "invalidate"
)

// overSource is what a node is to its readers: an atomic object over a source that others change.
// What has been invalidated is never read again, nor what was not committed yet; in between, that
// is from a commit until the invalidation that follows it, a read may give the one or the other.
var overSource = porcupine.Model{
	Init: func() any { return versions{} },
	Step: func(state, input, output any) (bool, any) {
		now, _ := state.(versions)
		in, _ := input.(access)
		switch in.kind {
		case commits:
			now.committed = in.version
		case declares:
			now.valid = max(now.valid, in.version) // an end that is put off doesn't let two of them change places
		default:
			got, _ := output.(int)
			return now.valid <= got && got <= now.committed, now
		}
		return true, now
	},
}

// versions is the state of one key: the oldest version that may still be read, and the source's.
type versions struct{ valid, committed int }

// line is the history of one key on the nodes of a fleet: one client writes through the first node,
// others read.
type line struct {
	key    string
	source atomic.Int64

	mu  sync.Mutex
	ops [2][]porcupine.Operation // as each node sees it
}

func (l *line) note(client, node int, in access, out int, call, end time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	op := porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call.UnixNano(), Return: end.UnixNano()}
	if in.kind == reads {
		l.ops[node] = append(l.ops[node], op)
		return
	}
	l.ops[0] = append(l.ops[0], op)
	if in.kind == declares {
		op.ClientId, op.Return = 10+in.version, op.Return+int64(staleBound) // a client has one operation at a time
	}
	l.ops[1] = append(l.ops[1], op)
}

func (l *line) read(ctx context.Context, client, node int, c *tiercache.Cache[string, int]) (err error) {
	call := time.Now()
	var version int
	switch rand.N(8) {
	case 0:
		var got map[string]int
		got, err = c.GetMany(ctx, []string{l.key, "other" + l.key})
		version = got[l.key]
	case 1:
		version, err = c.Refresh(ctx, l.key)
	default:
		version, err = c.Get(ctx, l.key)
	}
	l.note(client, node, access{kind: reads}, version, call, time.Now())
	return err
}

func (l *line) write(ctx context.Context, version int, c *tiercache.Cache[string, int]) (err error) {
	call := time.Now()
	l.source.Store(int64(version))
	l.note(0, 0, access{commits, version}, 0, call, time.Now())
	call = time.Now()
	switch n := rand.N(32); {
	case n == 0:
		err = c.Clear(ctx)
	case n < 4:
		err = c.InvalidateTags(ctx, l.key)
	case n < 8:
		err = c.Expire(ctx, l.key)
	case n < 16:
		err = c.Delete(ctx, l.key)
	case n < 20:
		err = c.SetMany(ctx, map[string]int{l.key: version, "third" + l.key: 0})
	default:
		err = c.Set(ctx, l.key, version)
	}
	l.note(0, 0, access{declares, version}, 0, call, time.Now())
	return err
}

// live runs the clients of the history.
func (l *line) live(ctx context.Context, nodes []*tiercache.Cache[string, int]) error {
	errs := make(chan error, 3)
	go func() {
		var err error
		for version := 1; version <= 4 && err == nil; version++ {
			err = l.write(ctx, version, nodes[0])
			if rand.N(2) == 0 && err == nil {
				err = l.read(ctx, 0, 0, nodes[0])
			}
		}
		errs <- err
	}()
	for client := range 2 {
		go func() {
			node := client % len(nodes)
			var err error
			for i := 0; i < 5 && err == nil; i++ {
				err = l.read(ctx, client+1, node, nodes[node])
				for range rand.N(4) {
					runtime.Gosched()
				}
			}
			errs <- err
		}()
	}
	for range 3 {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// Histories of short-lived keys are linearizable on each node; on one that did not write, an
// invalidation may take effect as late as the bound of G3 allows.
func TestHistoriesAreLinearizable(t *testing.T) {
	server := redistest.Start(t)
	for _, kind := range []struct {
		name      string
		histories int
		redis     []*tiercache.Redis // of each node
	}{
		{"memory", racetest.Scaled(9000), []*tiercache.Redis{nil}},
		{"one node", racetest.Scaled(600), []*tiercache.Redis{newRedis(t, server)}},
		{"two nodes", racetest.Scaled(400), []*tiercache.Redis{newRedis(t, server), newRedis(t, server)}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			lines := make(map[string]*line)
			for i := range kind.histories {
				key := fmt.Sprint("h", i)
				lines[key] = &line{key: key}
			}
			nodes := make([]*tiercache.Cache[string, int], len(kind.redis))
			for i, r := range kind.redis {
				nodes[i] = historyNode(t, kind.name, lines, r)
			}
			t.Logf("%d histories, %d operations", len(lines), runLines(t, lines, nodes))
		})
	}
}

func historyNode(t *testing.T, name string, lines map[string]*line, r *tiercache.Redis) *tiercache.Cache[string, int] {
	t.Helper()
	load := func(_ context.Context, key string) (int, error) {
		l := lines[key]
		if l == nil { // company in a batch
			return 0, nil
		}
		version := int(l.source.Load())
		for range rand.N(3) {
			runtime.Gosched()
		}
		return version, nil
	}
	return newCache(t, tiercache.Config[string, int]{
		Name: name[:3], TTL: time.Hour, StaleFor: time.Hour, Redis: r, Load: load,
		Tags: func(key string, _ int) []string { return []string{key} },
	})
}

func runLines(t *testing.T, lines map[string]*line, nodes []*tiercache.Cache[string, int]) (operations int) {
	t.Helper()
	var wg sync.WaitGroup
	turn := make(chan struct{}, 16)
	for _, l := range lines {
		turn <- struct{}{}
		wg.Go(func() {
			if err := l.live(t.Context(), nodes); err != nil {
				t.Error(err)
			}
			<-turn
		})
	}
	wg.Wait()
	if len(nodes) > 1 { // by now all writes have taken effect everywhere
		pause(t.Context(), staleBound)
	}
	for _, l := range lines {
		for node, c := range nodes {
			if err := l.read(t.Context(), 3, node, c); err != nil {
				t.Error(err)
			}
			operations += len(l.ops[node])
			if !porcupine.CheckOperations(overSource, l.ops[node]) {
				t.Errorf("key %s on node %d is not linearizable:", l.key, node)
				for _, op := range l.ops[node] {
					t.Logf("  client %d: %v gives %v, from %d to %d", op.ClientId, op.Input, op.Output, op.Call, op.Return)
				}
				return operations
			}
		}
	}
	return operations
}
