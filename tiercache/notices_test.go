package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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

// farNode is a node with options of its own for its client.
func farNode(t *testing.T, server *redistest.Server, cfg tiercache.Config[string, string], options ...func(*redis.Options)) (*tiercache.Cache[string, string], *tiercache.Redis) {
	t.Helper()
	r, err := tiercache.NewRedis(server.Client(options...), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	cfg.Name, cfg.TTL, cfg.Redis = "things", time.Hour, r
	return newCache(t, cfg), r
}

// through sends a client through a link.
func through(link *redistest.Link) func(*redis.Options) {
	return func(o *redis.Options) { o.Addr = link.Addr() }
}

// settledEpoch waits until a node has heard all others, and its epoch stands.
func settledEpoch(t *testing.T, r *tiercache.Redis) {
	t.Helper()
	since, epoch := time.Now(), r.Health().Epoch
	redistest.Eventually(t, 10*time.Second, func() error {
		h := r.Health()
		if h.Epoch != epoch || !h.Coherent {
			since, epoch = time.Now(), h.Epoch
		}
		if time.Since(since) < 1500*time.Millisecond {
			return errors.New("the epoch has changed lately")
		}
		return nil
	})
}

func TestLostNotice(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]int{"last of all": 0, "others come after it": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			src := newTruth("old")
			var lose atomic.Int64
			b, r := farNode(t, server, tiercache.Config[string, string]{Load: src.load}, dropping(func(text string) bool {
				return isNotice(text) && lose.Add(-1) >= 0
			}))
			a := node(t, server, tiercache.Config[string, string]{Load: src.load})
			get(t, a, "k", "old")
			settledEpoch(t, r)
			get(t, b, "k", "old") // validated
			lose.Store(1)
			src.set("new")
			if err := a.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			late := redistest.Late(t)
			ended := time.Now()
			for i := range others {
				if err := a.Delete(t.Context(), fmt.Sprint("other", i)); err != nil {
					t.Fatal(err)
				}
			}
			get(t, b, "k", "old") // it has not heard: the test is one
			soon(t, b, "k", "new")
			most := staleBound
			if others > 0 {
				most = 500 * time.Millisecond // a gap shows sooner than a digest
			}
			if took := time.Since(ended); took > most+100*time.Millisecond+late.Since(ended) {
				t.Errorf("stale for %v", took)
			}
			if n := b.Stats().NoticesLost; n == 0 {
				t.Error("no lost notice is counted")
			}
		})
	}
}

func TestNoticeOutOfOrderIsNoLoss(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		var numbers []int // as they arrive
		raw := m.Client()
		defer closing(t, raw)
		heard := raw.Subscribe(t.Context(), "tiercache:notices")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for msg := range heard.Channel() {
				if isNotice(msg.Payload) {
					number, _ := strconv.Atoi(strings.Fields(msg.Payload)[3])
					numbers = append(numbers, number)
				}
			}
		}()
		ra := hookedNode(t, m, before(func(_ context.Context, cmds []redis.Cmder) error {
			if saying(cmds, "W1 K") {
				waitFor(rand.N(60 * time.Millisecond)) //nolint:gosec // each on a connection of its own, so that they overtake each other
			}
			return nil
		}))
		cfg := tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: ra}
		a := newCache(t, cfg)
		rb := nodeOn(t, m)
		cfg.Redis = rb
		b := newCache(t, cfg)
		waitFor(time.Minute)
		before := rb.Health().Epoch
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 20 {
					if err := a.Delete(t.Context(), fmt.Sprint(g, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		waitFor(time.Second)
		if s := b.Stats(); rb.Health().Epoch != before || s.NoticesLost != 0 || s.NoticesReceived < 160 {
			t.Errorf("epoch %d, was %d; of %d notices %d are taken for lost", rb.Health().Epoch, before, s.NoticesReceived, s.NoticesLost)
		}
		closing(t, heard)
		if <-done; slices.IsSorted(numbers) || len(numbers) < 160 {
			t.Errorf("none of %d overtook another: the test is none", len(numbers))
		}
	})
}

// A node that is heard for the first time is in the middle of what it has to say, which may come in
// any order: a digest goes by another connection. What does not come at all may have been meant for
// us.
func TestNoticesOfANodeThatIsNew(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	raw := server.Client()
	b, r := farNode(t, server, tiercache.Config[string, string]{})
	settledEpoch(t, r)
	before := r.Health().Epoch
	pipe := raw.Pipeline()
	say := stranger(t, pipe, "stranger")
	say("D", 3)
	say("K", 3)
	say("K", 1)
	say("K", 2)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // longer than a number may be missing
	if after, lost := r.Health().Epoch, b.Stats().NoticesLost; after != before || lost > 0 {
		t.Errorf("epoch %d, was %d, with %d lost", after, before, lost)
	}
	for name, kind := range map[string]string{"another": "K", "a third": "D"} {
		before := r.Health().Epoch
		stranger(t, raw, strings.ReplaceAll(name, " ", "-"))(kind, 3)
		redistest.Eventually(t, time.Second, func() error {
			if after := r.Health().Epoch; after == before {
				return fmt.Errorf("epoch %d although what %s node said before is missing", after, name)
			}
			return nil
		})
	}
}

// A reconnect is neither a cold cache nor a stampede: what is in memory is compared with Redis, and
// stays.
func TestReconnectValidatesAndLoadsNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("v")
	link := redistest.Proxy(t, server.Addr())
	r, err := tiercache.NewRedis(server.Client(through(link)), tiercache.RedisConfig{Timeout: time.Second}) // a busy machine is no reason to load
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	b := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: r, Load: src.load})
	a := node(t, server, tiercache.Config[string, string]{Load: src.load})
	const keys = 300
	for i := range keys {
		get(t, b, fmt.Sprint("k", i), "v")
	}
	settledEpoch(t, r)
	loads, epoch := src.reads.Load(), r.Health().Epoch
	link.Refuse()
	link.Cut()
	src.set("new")
	if err := a.Delete(t.Context(), "k0"); err != nil { // unheard
		t.Fatal(err)
	}
	link.Restore()
	redistest.Eventually(t, 5*time.Second, func() error {
		if h := r.Health(); h.Epoch == epoch || !h.Coherent || h.Breaker != tiercache.BreakerClosed {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			get(t, b, "k0", "new")
			for i := 1; i < keys; i++ {
				get(t, b, fmt.Sprint("k", i), "v")
			}
		})
	}
	wg.Wait()
	if n := src.reads.Load() - loads; n != 1 {
		t.Errorf("%d reads of the source after the reconnect, want 1", n)
	}
	settledEpoch(t, r)
	for range 2 { // the second time from memory
		get(t, b, "k7", "v")
	}
	if e, err := b.GetEntry(t.Context(), "k7"); err != nil || e.Source != tiercache.FromMemory {
		t.Errorf("%+v, %v; want it from memory again", e, err)
	}
}

// A read that begins after an invalidation of a tag, or of everything, joins no load from before
// it.
func TestReadAfterInvalidateTagsJoinsNoOlderLoad(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context, *tiercache.Cache[string, string]) error{
		"InvalidateTags": func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.InvalidateTags(ctx, "t") },
		"Clear":          func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.Clear(ctx) },
	} {
		for via, read := range map[string]func(context.Context, *tiercache.Cache[string, string]) (string, error){
			"Get": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) { return c.Get(ctx, "k") },
			"Refresh": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) {
				return c.Refresh(ctx, "k")
			},
			"GetMany": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) {
				got, err := c.GetMany(ctx, []string{"k", "l"})
				return got["k"], err
			},
		} {
			t.Run(name+" "+via, func(t *testing.T) {
				tiers(t, func(t *testing.T, r *tiercache.Redis) {
					s := &sourceScript{value: "old"}
					c := newCache(t, tiercache.Config[string, string]{
						Name: "c", TTL: time.Hour, Redis: r, Load: s.load, LoadMany: s.loadMany,
						Tags: func(string, string) []string { return []string{"t"} },
					})
					begun, open := s.stop()
					defer open()
					done := make(chan error, 1)
					go func() {
						_, err := read(t.Context(), c)
						done <- err
					}()
					<-begun
					s.set("new")
					if err := end(t.Context(), c); err != nil {
						t.Fatal(err)
					}
					second := make(chan string, 1)
					go func() {
						v, err := read(t.Context(), c)
						if err != nil {
							t.Error(err)
						}
						second <- v
					}()
					if r == nil && name == "Clear" { // else it waits for the first, whose tags are not known yet
						if v := <-second; v != "new" {
							t.Errorf("a read begun after it, while the load runs: %q", v)
						}
						second <- "new"
					}
					open()
					if v := <-second; v != "new" {
						t.Errorf("a read begun after it: %q", v)
					}
					if err := <-done; err != nil {
						t.Error(err)
					}
					get(t, c, "k", "new")
				})
			})
		}
	}
}

func TestTwoNodesSetAtOnce_RedisDecidesAndBothAgree(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	nodes := []*tiercache.Cache[string, string]{node(t, server, tiercache.Config[string, string]{}), node(t, server, tiercache.Config[string, string]{})}
	for round := range 200 {
		key := fmt.Sprint("k", round)
		var wg sync.WaitGroup
		for i, c := range nodes {
			wg.Go(func() {
				if err := c.Set(t.Context(), key, fmt.Sprint("of ", i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for round := range 200 {
		key := fmt.Sprint("k", round)
		redistest.Eventually(t, 2*time.Second, func() error {
			x, errX := nodes[0].Get(t.Context(), key)
			y, errY := nodes[1].Get(t.Context(), key)
			if x != y || errX != nil || errY != nil {
				return fmt.Errorf("%s: %q and %q, %w", key, x, y, errors.Join(errX, errY))
			}
			return nil
		})
	}
}

func TestSnapshotOfARestartedRedis(t *testing.T) {
	t.Parallel()
	for name, trust := range map[string]bool{"ended": false, "trusted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			src := newTruth("old")
			r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{TrustSnapshots: trust, Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closing(t, r) })
			b := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: r, Load: src.load})
			gone := node(t, server, tiercache.Config[string, string]{Load: src.load})
			get(t, gone, "k", "old")
			server.Do("SAVE")
			src.set("new")
			if err := gone.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			closing(t, gone) // who deleted it is no more
			server.Restart()
			if got := server.Do("EXISTS", "things:k"); got != int64(1) {
				t.Fatalf("the snapshot did not bring the record back: %v", got)
			}
			want := "new"
			if trust {
				want = "old"
			}
			redistest.Eventually(t, 5*time.Second, func() error {
				if h := r.Health(); !h.Coherent || h.Pending > 0 || h.Breaker != tiercache.BreakerClosed {
					return fmt.Errorf("%+v", h)
				}
				return nil
			})
			soon(t, b, "k", want)
			time.Sleep(time.Second) // more than a heartbeat, by which a restart is noticed and what it brought back is ended
			get(t, b, "k", want)
		})
	}
}

func TestRestartedEmptyRedisIsFilledAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("v")
	b, r := farNode(t, server, tiercache.Config[string, string]{Load: src.load})
	get(t, b, "k", "v")
	epoch := r.Health().Epoch
	server.Restart()
	redistest.Eventually(t, 5*time.Second, func() error {
		if h := r.Health(); h.Epoch == epoch || !h.Coherent || h.Pending > 0 {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})
	get(t, b, "k", "v")
	redistest.Eventually(t, 2*time.Second, func() error {
		if _, err := b.Get(t.Context(), "k"); err != nil || server.Do("EXISTS", "things:k") != int64(1) {
			return fmt.Errorf("not in Redis again, %w", err)
		}
		return nil
	})
}

func TestClearAndTagsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context, *tiercache.Cache[string, string]) error{
		"InvalidateTags": func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.InvalidateTags(ctx, "t") },
		"Clear":          func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.Clear(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			src := newTruth("old")
			cfg := tiercache.Config[string, string]{Load: src.load, StaleFor: time.Minute, Tags: func(string, string) []string { return []string{"t"} }}
			link := redistest.Proxy(t, server.Addr())
			a, r := farNode(t, server, cfg, through(link))
			b := node(t, server, cfg)
			get(t, a, "k", "old")
			get(t, b, "k", "old")
			link.Refuse()
			link.Cut()
			src.set("new")
			if err := end(t.Context(), a); !errors.Is(err, tiercache.ErrDegraded) {
				t.Errorf("%s with Redis away = %v, want ErrDegraded", name, err)
			}
			get(t, a, "k", "new")
			if n := r.Health().Pending; n != 1 {
				t.Errorf("%d pending, want 1", n)
			}
			link.Restore()
			for r.Health().Pending > 0 { // also while it is replayed
				get(t, a, "k", "new")
				pause(t.Context(), 5*time.Millisecond)
			}
			get(t, a, "k", "new")
			soon(t, b, "k", "new")
		})
	}
}

func TestClearAndTagsOnAFullRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("old")
	cfg := tiercache.Config[string, string]{Load: src.load, Tags: func(string, string) []string { return []string{"t"} }}
	a, b := node(t, server, cfg), node(t, server, cfg)
	for name, end := range map[string]func() error{
		"InvalidateTags": func() error { return a.InvalidateTags(t.Context(), "t") },
		"Clear":          func() error { return a.Clear(t.Context()) },
		"Delete":         func() error { return a.Delete(t.Context(), "k") },
	} {
		server.Do("CONFIG", "SET", "maxmemory", "0")
		src.set("old")
		if err := errors.Join(a.Delete(t.Context(), "k"), end()); err != nil {
			t.Fatal(err)
		}
		soon(t, b, "k", "old")
		soon(t, a, "k", "old")
		server.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
		server.Do("CONFIG", "SET", "maxmemory", "1")
		src.set("new")
		if err := end(); err != nil {
			t.Errorf("%s on a full Redis: %v", name, err)
		}
		get(t, a, "k", "new")
		soon(t, b, "k", "new")
	}
}

func TestTokenThatWasEvictedEndsItsEntries(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("old")
	cfg := tiercache.Config[string, string]{Load: src.load, Tags: func(string, string) []string { return []string{"t"} }}
	a := node(t, server, cfg)
	get(t, a, "k", "old")
	server.Do("DEL", "{things}:tags")
	src.set("new")
	b := node(t, server, cfg) // knows no token
	get(t, b, "k", "new")
	if err := a.InvalidateTags(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	get(t, a, "k", "new")
}

func TestDegradedTTL(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ttl  time.Duration
		most time.Duration
	}{
		"default is a second": {0, staleBound},
		"negative bypasses":   {-1, staleBound},
		"longer":              {3 * time.Second, 3*time.Second + staleBound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			src := newTruth("old")
			link := redistest.Proxy(t, server.Addr())
			b, r := farNode(t, server, tiercache.Config[string, string]{Load: src.load, DegradedTTL: tc.ttl}, through(link))
			a := node(t, server, tiercache.Config[string, string]{Load: src.load})
			settledEpoch(t, r)
			get(t, b, "k", "old")
			link.Silence(redistest.Down)
			src.set("new")
			if err := a.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			late, began := redistest.Late(t), time.Now()
			if took := soon(t, b, "k", "new"); took > tc.most+staleSlack+late.Since(began) {
				t.Errorf("stale for %v, want at most %v", took, tc.most)
			}
			redistest.Eventually(t, 2*time.Second, func() error {
				if r.Health().Coherent {
					return errors.New("coherent behind a silent link")
				}
				return nil
			})
			before := src.reads.Load()
			for range 3 {
				get(t, b, "k", "new")
			}
			if n := src.reads.Load() - before; tc.ttl < 0 && n != 3 || tc.ttl >= 0 && n > 1 {
				t.Errorf("%d reads of the source for three while not coherent", n)
			}
		})
	}
}

func TestMemoryNeverOutlivesRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("v")
	a, b := node(t, server, tiercache.Config[string, string]{Load: src.load}), node(t, server, tiercache.Config[string, string]{Load: src.load})
	get(t, a, "k", "v")
	server.Do("PEXPIRE", "things:k", "400") // almost at its end
	get(t, b, "k", "v")
	src.set("new")
	late, began := redistest.Late(t), time.Now()
	if soon(t, b, "k", "new"); time.Since(began) > 800*time.Millisecond+late.Since(began) {
		t.Errorf("fresh in memory for %v after Redis had 400ms left", time.Since(began))
	}
}
