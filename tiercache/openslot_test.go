package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A reshard that was interrupted leaves a slot between two masters for ever. There a script on a
// value and its lease is answered with TRYAGAIN as soon as one of the two is absent.
func TestCluster_anOpenSlot(t *testing.T) {
	t.Parallel()
	group := redistest.Cluster(t)
	masters := group.Masters()
	next := 0
	// open opens the slot of a key of the cache, by which one is left that is like no other.
	open := func(t *testing.T, name, key string) {
		t.Helper()
		next++
		from := group.Owner(name + ":" + key)
		for i, m := range masters {
			if m == from {
				group.OpenSlot(name+":"+key, masters[(i+1)%len(masters)])
			}
		}
	}
	pair := func(t *testing.T, cfg tiercache.Config[string, string]) (a, b *tiercache.Cache[string, string], settled func()) {
		t.Helper()
		a, ra := patientClusterNode(t, group, time.Second, cfg)
		b, rb := patientClusterNode(t, group, time.Second, cfg)
		return a, b, func() {
			t.Helper()
			redistest.Eventually(t, 5*time.Second, func() error {
				if p, q := ra.Health().Pending, rb.Health().Pending; p+q > 0 {
					return fmt.Errorf("%d and %d invalidations pend", p, q)
				}
				return nil
			})
		}
	}
	writes := map[string]func(t *testing.T, c *tiercache.Cache[string, string]) error{
		"Delete": func(t *testing.T, c *tiercache.Cache[string, string]) error { return c.Delete(t.Context(), "k") },
		"Expire": func(t *testing.T, c *tiercache.Cache[string, string]) error { return c.Expire(t.Context(), "k") },
		"Set":    func(t *testing.T, c *tiercache.Cache[string, string]) error { return c.Set(t.Context(), "k", "new") },
	}
	for name, write := range writes {
		for _, present := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, present %t", name, present), func(t *testing.T) {
				src := newTruth("old")
				cfg := tiercache.Config[string, string]{Name: fmt.Sprint("w", next), Load: src.load, StaleFor: time.Hour}
				a, b, settled := pair(t, cfg)
				if present {
					get(t, a, "k", "old")
					get(t, b, "k", "old")
				}
				open(t, cfg.Name, "k")
				for range 3 {
					if err := write(t, b); err != nil {
						t.Fatal(err)
					}
					src.set("new")
					if err := write(t, b); err != nil {
						t.Fatal(err)
					}
					get(t, b, "k", "new")
					soon(t, a, "k", "new")
				}
				settled()
			})
		}
	}

	t.Run("a miss leaves no lease behind", func(t *testing.T) {
		src := newTruth("v")
		cfg := tiercache.Config[string, string]{Name: "miss", Load: src.load}
		a, b, settled := pair(t, cfg)
		open(t, cfg.Name, "k")
		late, began := redistest.Late(t), time.Now()
		get(t, a, "k", "v")
		get(t, b, "k", "v")
		if took := time.Since(began); took > 1500*time.Millisecond+late.Since(began) {
			t.Errorf("two reads took %v", took)
		}
		if n := src.reads.Load(); n != 1 {
			t.Errorf("%d loads, want 1: what was absent can be committed", n)
		}
		settled()
	})

	t.Run("a value and a lease on two masters", func(t *testing.T) {
		src := newTruth("old")
		cfg := tiercache.Config[string, string]{Name: "torn", Load: src.load, StaleFor: time.Hour}
		a, b, settled := pair(t, cfg)
		get(t, a, "k", "old")
		open(t, cfg.Name, "k")
		src.set("new")
		late, began := redistest.Late(t), time.Now()
		if err := a.Expire(t.Context(), "k"); err != nil { // it stays where it is; its next lease is on the other master
			t.Fatal(err)
		}
		get(t, a, "k", "new")
		soon(t, b, "k", "new")
		if took := time.Since(began); took > 1500*time.Millisecond+late.Since(began) {
			t.Errorf("it took %v", took)
		}
		settled()
	})

	t.Run("a load keeps its lease, and one that fails gives it back", func(t *testing.T) {
		begun, fail := make(chan struct{}), make(chan struct{})
		var once sync.Once
		src := newTruth("v")
		cfg := tiercache.Config[string, string]{Name: "slow", Load: func(ctx context.Context, key string) (string, error) {
			first := false
			once.Do(func() { first = true })
			if first {
				close(begun)
				<-fail
				return "", errors.New("the source is away")
			}
			return src.load(ctx, key)
		}}
		a, b, settled := pair(t, cfg)
		open(t, cfg.Name, "k")
		done := make(chan error, 1)
		go func() {
			_, err := a.Get(t.Context(), "k")
			done <- err
		}()
		<-begun
		other := make(chan error, 1)
		go func() {
			_, err := b.Get(t.Context(), "k")
			other <- err
		}()
		select {
		case err := <-other:
			t.Errorf("another node did not wait: %v", err)
		case <-time.After(4 * time.Second): // longer than a lease that is not renewed
		}
		close(fail)
		if err := <-done; err == nil {
			t.Error("no error of a load that failed")
		}
		soon(t, b, "k", "v")
		settled()
	})

	t.Run("tags", func(t *testing.T) {
		src := newTruth("old")
		cfg := tiercache.Config[string, string]{
			Name: "tags", Load: src.load, Tags: func(string, string) []string { return []string{"t"} },
		}
		a, b, settled := pair(t, cfg)
		get(t, a, "k", "old")
		open(t, "", "x{tags}")
		for _, want := range []string{"one", "two"} {
			src.set(want)
			if err := b.InvalidateTags(t.Context(), "t", "unused"); err != nil {
				t.Fatal(err)
			}
			get(t, b, "k", want)
			soon(t, a, "k", want)
		}
		settled()
	})

	t.Run("a warm run", func(t *testing.T) {
		cfg := tiercache.Config[string, string]{Name: "warmed"}
		a, b, settled := pair(t, cfg)
		open(t, cfg.Name, "k")
		err := a.RegisterLoader(tiercache.Loader[string, string]{Name: "l", Load: func(_ context.Context, emit func(string, string) error) error {
			return emit("k", "v")
		}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if res, err := a.Warm(t.Context()); err != nil || res[0].Redis+res[0].SkippedFresh != 1 {
				t.Errorf("%+v, %v", res, err)
			}
		}
		get(t, b, "k", "v")
		settled()
	})
}

// An invalidation that goes step by step lets a load in between its steps: that load must not bring
// back what the invalidation ends.
func TestCluster_anOpenSlotUndoesNoInvalidation(t *testing.T) {
	t.Parallel()
	group := redistest.Cluster(t)
	begun, finish, finished := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	src := newTruth("old")
	cfg := tiercache.Config[string, string]{Name: "steps", Load: func(ctx context.Context, key string) (string, error) {
		value, err := src.load(ctx, key)
		once.Do(func() {
			close(begun)
			<-finish
		})
		return value, err
	}}
	a, _ := patientClusterNode(t, group, 2*time.Second, cfg)
	client := group.Client()
	var step sync.Once
	client.AddHook(around(func(_ context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
		err := send(cmds...)
		if args := cmds[0].Args(); err == nil && strings.HasPrefix(fmt.Sprint(args[0]), "eval") && fmt.Sprint(args[2]) == "1" {
			step.Do(func() { // the first step is done
				close(finish)
				<-finished
			})
		}
		return err
	}))
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	coherent(t, r)
	cfg.Redis, cfg.TTL = r, time.Hour
	b := newCache(t, cfg)

	masters := group.Masters()
	for i, m := range masters {
		if m == group.Owner("steps:k") {
			group.OpenSlot("steps:k", masters[(i+1)%len(masters)])
		}
	}
	go func() {
		defer close(finished)
		_, _ = a.Get(t.Context(), "k") // it began before: either value will do
	}()
	<-begun
	src.set("new")
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	get(t, b, "k", "new")
	soon(t, a, "k", "new")
}
