package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// gate is a source whose first load of a key stops until it is opened, and returns what stood there
// when it began.
type gate struct {
	value  string
	begun  chan struct{}
	opened chan struct{}
	first  bool
}

func newGate() *gate {
	return &gate{value: "old", begun: make(chan struct{}), opened: make(chan struct{}), first: true}
}

func (g *gate) load(context.Context, string) (string, error) {
	was := g.value
	if g.first {
		g.first = false
		close(g.begun)
		<-g.opened
	}
	return was, nil
}

func (g *gate) loadMany(ctx context.Context, keys []string) (map[string]string, error) {
	v, err := g.load(ctx, keys[0])
	out := make(map[string]string)
	for _, k := range keys {
		out[k] = v
	}
	return out, err
}

// A value whose source read began before an invalidation must never be seen after it.
func TestInvalidate_aLoadThatBeganBefore(t *testing.T) {
	t.Parallel()
	type cache = *tiercache.Cache[string, string]
	readers := map[string]func(context.Context, cache) (string, error){
		"Get": func(ctx context.Context, c cache) (string, error) { return c.Get(ctx, "k") },
		"GetMany": func(ctx context.Context, c cache) (string, error) {
			got, err := c.GetMany(ctx, []string{"k", "other"})
			return got["k"], err
		},
		"Refresh": func(ctx context.Context, c cache) (string, error) { return c.Refresh(ctx, "k") },
	}
	writers := map[string]func(context.Context, cache) error{
		"Set": func(ctx context.Context, c cache) error { return c.Set(ctx, "k", "new") },
		"SetMany": func(ctx context.Context, c cache) error {
			return c.SetMany(ctx, map[string]string{"k": "new", "b": "x"})
		},
		"Delete": func(ctx context.Context, c cache) error { return c.Delete(ctx, "k") },
		"Expire": func(ctx context.Context, c cache) error { return c.Expire(ctx, "k") },
	}
	for rname, begin := range readers {
		for wname, write := range writers {
			t.Run(rname+" "+wname, func(t *testing.T) {
				tiers(t, func(t *testing.T, r *tiercache.Redis) {
					g := newGate()
					c := newCache(t, tiercache.Config[string, string]{
						Name: "c", TTL: time.Minute, StaleFor: time.Minute, Redis: r, Load: g.load, LoadMany: g.loadMany,
					})
					waited := make(chan string, 1)
					go func() {
						v, err := begin(t.Context(), c)
						if err != nil {
							t.Error(err)
						}
						waited <- v
					}()
					<-g.begun
					g.value = "new"
					if err := write(t.Context(), c); err != nil {
						t.Fatal(err)
					}
					// A read that begins now joins no older load. Without it, nothing younger is
					// there to keep the old load's value out.
					if rname == "GetMany" {
						close(g.opened)
						<-waited
						if v, err := c.Get(t.Context(), "k"); v != "new" || err != nil {
							t.Errorf("after the old load: %q, %v", v, err)
						}
						return
					}
					if v, err := c.Get(t.Context(), "k"); v != "new" || err != nil {
						t.Errorf("while the old load runs: %q, %v", v, err)
					}
					close(g.opened)
					if v := <-waited; v != "old" {
						t.Errorf("the old load brought %q", v)
					}
					for range 3 {
						if v, err := c.Get(t.Context(), "k"); v != "new" || err != nil {
							t.Errorf("afterwards: %q, %v", v, err)
						}
					}
				})
			})
		}
	}
}

// Another node's load that began before is refused its commit.
func TestInvalidate_anotherNodesLoad(t *testing.T) {
	for _, write := range []string{"Set", "Delete", "Expire"} {
		t.Run(write, func(t *testing.T) {
			server := redistest.Start(t)
			g := newGate()
			cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, StaleFor: time.Minute, Load: g.load, Redis: newRedis(t, server)}
			a := newCache(t, cfg)
			cfg.Redis = newRedis(t, server)
			b := newCache(t, cfg)
			done := make(chan error, 1)
			go func() { _, err := a.Get(t.Context(), "k"); done <- err }()
			<-g.begun
			g.value = "new"
			var err error
			switch write {
			case "Set":
				err = b.Set(t.Context(), "k", "new")
			case "Delete":
				err = b.Delete(t.Context(), "k")
			case "Expire":
				err = b.Expire(t.Context(), "k")
			}
			close(g.opened)
			if err := errors.Join(err, <-done); err != nil {
				t.Fatal(err)
			}
			for name, c := range map[string]*tiercache.Cache[string, string]{"a": a, "b": b} {
				if v, err := c.Get(t.Context(), "k"); v != "new" || err != nil {
					t.Errorf("on %s: %q, %v", name, v, err)
				}
			}
			if n := a.Stats().Refused; n != 1 {
				t.Errorf("%d refused commits, want 1", n)
			}
		})
	}
}

// Keys share generations: a batch must not take its own keys for other writers'.
func TestSetMany_everyKeyIsInMemoryAtOnce(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[int, int]{Name: "c", TTL: time.Hour, StaleFor: time.Hour, Capacity: 100_000, Redis: r})
		values := make(map[int]int)
		var keys []int
		for i := range racetest.Scaled(20_000) {
			values[i] = i
			keys = append(keys, i)
		}
		if err := c.SetMany(t.Context(), values); err != nil {
			t.Fatal(err)
		}
		inMemory := func() (n int) {
			for i := range values {
				if e, ok := c.Peek(i); ok && e.Value == i {
					n++
				}
			}
			return n
		}
		if n := inMemory(); n != len(values) {
			t.Errorf("%d of %d keys in memory after SetMany", n, len(values))
		}
		if err := c.Expire(t.Context(), keys...); err != nil {
			t.Fatal(err)
		}
		if n := inMemory(); n != len(values) {
			t.Errorf("%d of %d keys in memory after Expire", n, len(values))
		}
		if err := c.Delete(t.Context(), keys...); err != nil {
			t.Fatal(err)
		}
		if n := inMemory(); n != 0 {
			t.Errorf("%d of %d keys in memory after Delete", n, len(values))
		}
		if got, err := c.GetMany(t.Context(), keys); len(got) != 0 || err != nil {
			t.Errorf("%d keys after Delete, %v", len(got), err)
		}
	})
}

func TestGetMany_partialResultsBesideTheError(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		down := errors.New("down")
		var calls [][]string
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, NegativeTTL: time.Minute, Redis: r,
			LoadMany: func(_ context.Context, keys []string) (map[string]string, error) {
				calls = append(calls, keys)
				if len(calls) == 1 {
					return map[string]string{"a": "A"}, down
				}
				return map[string]string{"b": "B"}, nil
			},
		})
		got, err := c.GetMany(t.Context(), []string{"a", "b", "none", "a"})
		if diff := cmp.Diff(map[string]string{"a": "A"}, got); diff != "" || !errors.Is(err, down) {
			t.Errorf("%v, %s", err, diff)
		}
		for range 2 {
			got, err = c.GetMany(t.Context(), []string{"a", "b", "none", "a"})
			if diff := cmp.Diff(map[string]string{"a": "A", "b": "B"}, got); diff != "" || err != nil {
				t.Errorf("%v, %s", err, diff)
			}
		}
		if diff := cmp.Diff([][]string{{"a", "b", "none"}, {"b", "none"}}, calls); diff != "" {
			t.Errorf("calls of LoadMany (-want +got):\n%s", diff)
		}
		for _, keys := range [][]string{nil, {}} {
			if got, err := c.GetMany(t.Context(), keys); len(got) != 0 || err != nil {
				t.Errorf("GetMany(%v) = %v, %v", keys, got, err)
			}
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		got, err = c.GetMany(cancelled, []string{"a", "unknown"})
		if got["a"] != "A" || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v, %v", got, err)
		}
	})
}

func TestGetMany_chunksAndRunningFlights(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		begun, open := make(chan struct{}), make(chan struct{})
		sizes := make(chan int, 10)
		c := newCache(t, tiercache.Config[int, string]{
			Name: "c", TTL: time.Minute, Redis: r,
			Load: func(_ context.Context, key int) (string, error) {
				close(begun)
				<-open
				return fmt.Sprint("single ", key), nil
			},
			LoadMany: func(_ context.Context, keys []int) (map[int]string, error) {
				sizes <- len(keys)
				out := make(map[int]string)
				for _, k := range keys {
					out[k] = strconv.Itoa(k)
				}
				return out, nil
			},
		})
		single := make(chan error, 1)
		go func() { _, err := c.Get(t.Context(), 7); single <- err }()
		<-begun
		var keys []int
		for i := range 1200 {
			keys = append(keys, i)
		}
		type result struct {
			got map[int]string
			err error
		}
		done := make(chan result, 1)
		go func() {
			got, err := c.GetMany(t.Context(), keys)
			done <- result{got, err}
		}()
		total := 0
		for total < 1199 {
			n := <-sizes
			if n > 500 {
				t.Errorf("LoadMany was given %d keys", n)
			}
			total += n
		}
		close(open)
		res := <-done
		if err := <-single; err != nil || res.err != nil || len(res.got) != 1200 || res.got[7] != "single 7" {
			t.Errorf("%d values, %v, %v, %q", len(res.got), res.err, err, res.got[7])
		}
		if s := c.Stats(); s.Loads != 1200 || s.Joined != 1 {
			t.Errorf("%d loads, %d joined; want 1200 and 1", s.Loads, s.Joined)
		}
	})
}
