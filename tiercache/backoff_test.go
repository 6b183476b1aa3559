package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A source that is down is asked by each node once a back-off; the first failure of a node binds
// nobody, as it may be over.
func TestBackOff_aSourceThatIsDownIsAskedOnceANode(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		const fleet, backOff, during = 3, 200 * time.Millisecond, 4 * time.Second
		var attempts [fleet]int
		down := errors.New("down")
		nodes := make([]*tiercache.Cache[string, string], fleet)
		for i := range nodes {
			nodes[i] = newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: nodeOn(t, m), Load: func(context.Context, string) (string, error) {
				attempts[i]++
				return "", down
			}})
		}
		for began := time.Now(); time.Since(began) < during; waitFor(5 * time.Millisecond) {
			for i, c := range nodes {
				if v, err := c.Get(t.Context(), "k"); !errors.Is(err, down) {
					t.Fatalf("node %d: Get = %q, %v; want the error of its own source", i, v, err)
				}
				if got, err := c.GetMany(t.Context(), []string{"k"}); !errors.Is(err, down) {
					t.Fatalf("node %d: GetMany = %v, %v; want the error of its own source", i, got, err)
				}
			}
		}
		for i, n := range attempts {
			if most := int(during/backOff) + 2; n > most || n < most/2 {
				t.Errorf("node %d asked %d times in %v, want once in %v", i, n, during, backOff)
			}
		}
	})
}

func TestBackOff_aSickNodeDeniesNobodyTheKey(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":  func() error { return errors.New("sick") },
		"panic":  func() error { panic("sick") },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			var fails atomic.Int64
			sick := node(t, server, tiercache.Config[string, string]{Load: func(context.Context, string) (string, error) {
				fails.Add(1)
				return "", fail()
			}})
			well := node(t, server, tiercache.Config[string, string]{Load: newTruth("v").load})
			ctx, cancel := context.WithCancel(t.Context())
			var readers sync.WaitGroup
			defer readers.Wait()
			defer cancel()
			for i := range 4 {
				readers.Go(func() {
					for n := i; ctx.Err() == nil; n++ {
						_, _ = sick.Get(ctx, "k"+strconv.Itoa(n%20))
					}
				})
			}
			redistest.Eventually(t, 5*time.Second, func() error {
				if n := fails.Load(); n < 40 {
					return fmt.Errorf("%d failures", n)
				}
				return nil
			})
			late := redistest.Late(t)
			for i := range 20 {
				began := time.Now()
				get(t, well, "k"+strconv.Itoa(i), "v")
				if took := late.Since(began); took > time.Second {
					t.Errorf("the healthy node waited %v", took)
				}
			}
			for i := range 20 { // and by its hand the sick one has them
				soon(t, sick, "k"+strconv.Itoa(i), "v") // a look-up from before may be under way
			}
		})
	}
}

// A stale value is served while the mark of another node's failure stands, and nothing is loaded
// meanwhile.
func TestBackOff_theMarkOfAnotherNodeHasStaleServed(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		src := newTruth("v1")
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, StaleFor: time.Hour, Redis: nodeOn(t, m), Load: src.load}
		a := newCache(t, cfg)
		get(t, a, "k", "v1")
		cfg.Redis, cfg.Load = nodeOn(t, m), func(context.Context, string) (string, error) { return "", errors.New("sick") }
		b := newCache(t, cfg)
		src.set("v2")
		waitFor(2 * time.Minute)
		get(t, b, "k", "v1") // its load fails
		if e, err := a.GetEntry(t.Context(), "k"); e.Value != "v1" || !e.Stale || err != nil {
			t.Errorf("%+v, %v; want the stale value", e, err)
		}
		waitFor(time.Second)
		get(t, a, "k", "v2")
	})
}

// Between a node's look at the mark of its own failure and its next try the mark ends and another
// node begins to load: that load's lease is let be.
func TestBackOff_aLiveLeaseIsNotTaken(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		var looking atomic.Bool
		loading, finish := make(chan struct{}), make(chan struct{})
		other := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: nodeOn(t, m), Load: func(context.Context, string) (string, error) {
			close(loading)
			<-finish
			return "other's", nil
		}})
		fails := true
		var begun sync.WaitGroup
		own := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Hour,
			Load: func(context.Context, string) (string, error) {
				if fails {
					return "", errors.New("down")
				}
				return "own", nil
			},
			Redis: hookedNode(t, m, func(_ context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
				err := send(cmds...)
				if len(cmds) > 1 && saying(cmds, "set") && looking.Load() {
					for _, cmd := range cmds {
						if got, ok := cmd.(*redis.StringCmd); ok && strings.HasPrefix(got.Val(), "!") && looking.CompareAndSwap(true, false) {
							waitFor(300 * time.Millisecond)                    // the mark ends
							begun.Go(func() { get(t, other, "k", "other's") }) //nolint:contextcheck // it has the test's
							<-loading
						}
					}
				}
				return err
			}),
		})
		if _, err := own.Get(t.Context(), "k"); err == nil {
			t.Fatal("no error")
		}
		fails = false
		looking.Store(true)
		begun.Go(func() { get(t, own, "k", "other's") })
		<-loading
		waitFor(time.Second)
		close(finish)
		begun.Wait()
		if n := other.Stats().Refused; n != 0 {
			t.Errorf("%d commits of the other node refused", n)
		}
	})
}

// What a reader sees of a failure on another node names the node and the kind, and no more.
func TestBackOff_aMarkTellsNoSecret(t *testing.T) {
	server := redistest.Start(t)
	c := node(t, server, tiercache.Config[string, string]{Load: func(context.Context, string) (string, error) {
		return "", errors.New("password=hunter2")
	}})
	if _, err := c.Get(t.Context(), "k"); err == nil {
		t.Fatal("no error")
	}
	mark, _ := server.Do("GET", "{things:k}:lease").(string)
	if !strings.HasPrefix(mark, "!") || !strings.HasSuffix(mark, " error") || strings.Contains(mark, "hunter2") {
		t.Errorf("the mark is %q, want the node and the kind of failure", mark)
	}
}

func TestBackOff_staleIsServedWithoutAskingAgain(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		var attempts int
		var fails bool
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, StaleFor: time.Hour, Redis: r,
			Load: func(context.Context, string) (string, error) {
				if attempts++; fails {
					return "", errors.New("down")
				}
				return "v", nil
			},
		})
		get(t, c, "k", "v")
		waitFor(2 * time.Minute)
		fails = true
		for range 10 {
			get(t, c, "k", "v")
		}
		if attempts != 2 {
			t.Errorf("%d attempts, want one more, whatever the number of reads", attempts)
		}
		waitFor(time.Second)
		get(t, c, "k", "v")
		if attempts != 3 {
			t.Errorf("%d attempts, want another after the back-off", attempts)
		}
	})
}
